//! One NSS database used by two versions of NSS: the one of this machine, and the newest, in the
//! chroot that `scripts/test-newest-nss.sh` makes. The judges are both versions of certutil.
//! docs/nss-versions.md has what was found.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::stand_in::{StandIn, ec_folder};
use common::{Folder, PASSWORD, Said, run, tool};

const NEEDS: &str = "needs the chroot of scripts/test-newest-nss.sh, and root";

/// A folder that both versions see.
struct Both {
    f: Folder,
    root: PathBuf,
    name: String,
}

impl Both {
    /// Returns `None`, with a message, where there is no chroot.
    fn new(name: &str) -> Option<Both> {
        let base = std::env::var_os("NSS_CMC_SID").unwrap_or_else(|| "/opt/nss-cmc-sid".into());
        let base = PathBuf::from(base);
        if !base.join("ready").exists() {
            eprintln!("skipped: {} has no chroot; {NEEDS}", base.display());
            return None;
        }
        let root = base.join("root");
        let name = format!("/tmp/nss-versions-{name}-{}", std::process::id());
        let f = Folder::at(root.join(&name[1..]));
        f.write_secret("pw", format!("{PASSWORD}\n"));
        f.write_secret("pw2", "Other.345\n");
        f.write("noise", [7u8; 64]);
        std::fs::copy(env!("CARGO_BIN_EXE_nss-cmc"), f.file("nss-cmc")).unwrap();
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
        std::fs::copy(format!("{vectors}/ca_signing.pem"), f.file("ca.pem")).unwrap();
        std::fs::copy(format!("{vectors}/01-rsa-server/response.der"), f.file("response")).unwrap();
        std::fs::create_dir(f.file("db")).unwrap();
        Some(Both { f, root, name })
    }

    /// Runs a program under the newest NSS.
    #[track_caller]
    fn newest(&self, program: &str, args: &[&str]) -> Said {
        run(Command::new("chroot")
            .arg(&self.root)
            .args(["env", "-i", "-C", &self.name, "PATH=/usr/bin:/bin", "HOME=/root"])
            .args(["NSS_CMC_CONFIG=/dev/null", program])
            .args(args))
    }

    #[track_caller]
    fn newest_certutil(&self, args: &[&str]) -> String {
        self.newest("certutil", &[args, &["-d", "sql:db"]].concat()).exits(0).out
    }

    /// Returns the trust flags of `ca` as the certutil of this machine and the newest print them.
    fn flags(&self) -> (String, String) {
        let of = |list: String| {
            let line = list.lines().find(|l| l.starts_with("ca ")).unwrap_or_default().to_owned();
            line.split_whitespace().nth(1).unwrap_or_default().to_owned()
        };
        (of(self.f.certutil(&["-L"])), of(self.newest_certutil(&["-L"])))
    }

    fn verified(&self) -> Said {
        self.f.nss_cmc(&["cmc", "show", "response", "-d", "db", "--verify"])
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        std::fs::remove_dir_all(self.f.path()).ok();
    }
}

const IMPORT: [&str; 8] = ["-A", "-n", "ca", "-a", "-i", "ca.pem", "-f", "pw"];

#[test]
#[ignore = "needs the chroot of scripts/test-newest-nss.sh"]
fn what_an_older_nss_made_both_use() {
    let Some(both) = Both::new("older") else { return };
    both.f.certutil(&["-N", "-f", "pw"]);
    both.f.certutil(&[&IMPORT[..], &["-t", "CT,C,C"]].concat());
    assert_eq!(both.flags(), ("CT,C,C".into(), "CT,C,C".into()));
    both.verified().exits(0);
    let verify = ["cmc", "show", "response", "-d", "db", "--verify"];
    both.newest("./nss-cmc", &verify).exits(0);
    // Keys of either, as long as nobody changes the password.
    let create = |name: &'static str| {
        let out = name;
        ["csr", "create", "-d", "db", "--password-file", "pw", "--key-type", "ec:nistp256"]
            .into_iter()
            .chain(["--subject", "CN=x", "--out", out])
            .collect::<Vec<_>>()
    };
    both.f.nss_cmc(&create("a.csr")).exits(0);
    both.newest("./nss-cmc", &create("b.csr")).exits(0);
    let list = ["key", "list", "-d", "db", "--password-file", "pw", "--output", "json"];
    let ids = |said: Said| said.exits(0).out.matches("\"key_id\"").count();
    assert_eq!(ids(both.f.nss_cmc(&list)), 2);
    assert_eq!(ids(both.newest("./nss-cmc", &list)), 2);
}

#[test]
#[ignore = "needs the chroot of scripts/test-newest-nss.sh"]
fn trust_that_a_newer_nss_set_is_named() {
    let Some(both) = Both::new("trust") else { return };
    both.f.certutil(&["-N", "-f", "pw"]);
    both.newest_certutil(&[&IMPORT[..], &["-t", "CT,C,C"]].concat());
    let (older, newest) = both.flags();
    assert_eq!(newest, "CT,C,C");
    if older == newest {
        eprintln!("skipped: the NSS of this machine reads the newest form of trust");
        return;
    }
    let said = both.verified();
    assert_eq!(said.code, 42, "{}", said.err);
    assert!(said.err.contains("a newer NSS has set its trust"), "{}", said.err);
    // Set again by this one, it counts here; the newest keeps its own.
    both.f.certutil(&["-M", "-n", "ca", "-t", "C,,", "-f", "pw"]);
    both.verified().exits(0);
    assert_eq!(both.flags(), ("C,,".into(), "CT,C,C".into()));
    // And what the newest changes then is not seen here.
    both.newest_certutil(&["-M", "-n", "ca", "-t", "p,,", "-f", "pw"]);
    assert_eq!(both.flags(), ("C,,".into(), "p,,".into()));
    // A CA that nobody trusts is not said to be trusted.
    both.f.certutil(&["-D", "-n", "ca", "-f", "pw"]);
    both.f.certutil(&[&IMPORT[..], &["-t", ",,"]].concat());
    let said = both.verified();
    assert_eq!(said.code, 42, "{}", said.err);
    assert!(!said.err.contains("newer NSS"), "{}", said.err);
}

#[test]
#[ignore = "needs the chroot of scripts/test-newest-nss.sh"]
fn a_server_that_a_newer_nss_trusts_is_named() {
    let Some(both) = Both::new("server") else { return };
    let f = ec_folder();
    let ca = StandIn::start(&f, &[]);
    tool("cp", f.path(), &["ca/ca.pem", both.f.file("ca.pem").to_str().unwrap()]);
    both.f.certutil(&["-N", "-f", "pw"]);
    both.newest_certutil(&[&IMPORT[..], &["-t", "CT,C,C"]].concat());
    if both.flags().0 == "CT,C,C" {
        eprintln!("skipped: the NSS of this machine reads the newest form of trust");
        return;
    }
    let fetch = ["ca", "transport", "-d", "db", "--ca", &ca.url, "--out", "t.pem"];
    let said = both.f.nss_cmc(&fetch).exits(31);
    assert!(said.err.contains("a newer NSS has set the trust of its CA"), "{}", said.err);
}

#[test]
#[ignore = "needs the chroot of scripts/test-newest-nss.sh"]
fn a_password_that_a_newer_nss_set_is_named() {
    let Some(both) = Both::new("password") else { return };
    both.f.certutil(&["-N", "-f", "pw"]);
    let list = |pw| ["key", "list", "-d", "db", "--password-file", pw];
    both.f.nss_cmc(&list("pw")).exits(0);
    both.newest_certutil(&["-W", "-f", "pw", "-@", "pw2"]);
    both.newest("./nss-cmc", &list("pw2")).exits(0);
    let said = both.f.nss_cmc(&list("pw2"));
    if said.code == 0 {
        eprintln!("skipped: the NSS of this machine reads the newest form of password");
        return;
    }
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("NSS 3.118 or later has set its password"), "{}", said.err);
}
