//! Keys in a hardware token (SoftHSM) and in a database in FIPS mode, on the real Dogtag CA and KRA:
//! signed by an agent, by shared secret, proved in two round trips, archived. The judges are certutil,
//! openssl, the CA's and the KRA's records.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;

use common::dogtag::{Lab, client_file, folder, helper, lab, url};
use common::{Folder, PASSWORD, Said, run, tool};
use serde_json::Value;

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";

/// Where the new keys are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Where {
    Hsm,
    Fips,
}

/// The agent's database with that setting, and a user without agent's rights under the nickname `user`.
struct Setting {
    f: Folder,
    place: Where,
    user: String,
}

impl Setting {
    fn new(name: &str, place: Where) -> Setting {
        let f = folder(&format!("tokens-{name}"));
        f.write_secret("pw", format!("{PASSWORD}\n"));
        f.write_secret("pins", format!("internal:{PASSWORD}\nHSM:{PIN}\n"));
        // With the token names of NSS's own tools.
        let own = ["NSS Certificate DB", "NSS FIPS 140-2 Certificate DB"];
        let own = own.map(|token| format!("{token}:{PASSWORD}\n")).concat();
        f.write_secret("theirs", format!("{own}HSM:{PIN}\n"));
        f.write_secret("secret", "alicesecret\n");
        let user = unique(name);
        // Issued by Java, which knows neither the module nor the mode.
        let subject = format!("CN={user},O=LAB");
        helper(&f, "user-cert.sh", &["db", "user", &subject, "rsa:2048"]);
        if place == Where::Hsm {
            let agent = format!("CN=agent of {user},O=LAB");
            helper(&f, "user-cert.sh", &["db", "hsm-agent", &agent, "rsa:2048", "--agent"]);
        }
        let s = Setting { f, place, user };
        match place {
            Where::Fips => {
                s.tool("modutil", &["-fips", "true", "-dbdir", "sql:db", "-force"]);
                let mode = s.command("modutil", &["-chkfips", "true", "-dbdir", "sql:db"]);
                mode.exits(0);
            }
            Where::Hsm => s.add_token(),
        }
        s
    }

    /// Makes the token `HSM`, and moves the key and certificate of `hsm-agent` there.
    fn add_token(&self) {
        assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
        let f = &self.f;
        std::fs::create_dir(f.file("tokens")).unwrap();
        f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
        let new = ["--init-token", "--free", "--label", "HSM", "--so-pin", "0000", "--pin", PIN];
        self.tool("softhsm2-util", &new);
        let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
        self.tool("modutil", &add);
        let passwords = ["-d", "db", "--password-file", "pins", "--pkcs12-password-file", "pw"];
        let export = ["pkcs12", "export", "agent.p12", "hsm-agent"];
        self.ours(&[&export[..], &passwords].concat()).exits(0);
        self.certutil(&["-F", "-n", "hsm-agent"]);
        let import = ["pkcs12", "import", "agent.p12", "--token", "HSM"];
        self.ours(&[&import[..], &passwords].concat()).exits(0);
        assert_eq!(self.keys().len(), 1);
    }

    fn command(&self, program: &str, args: &[&str]) -> Said {
        run(Command::new(program)
            .current_dir(self.f.path())
            .env("SOFTHSM2_CONF", self.f.file("softhsm.conf"))
            .env_remove("NSS_CMC_OUTPUT")
            .args(args))
    }

    #[track_caller]
    fn tool(&self, program: &str, args: &[&str]) -> String {
        self.command(program, args).exits(0).out
    }

    #[track_caller]
    fn certutil(&self, args: &[&str]) -> String {
        self.tool("certutil", &[args, &["-d", "sql:db", "-f", "theirs"]].concat())
    }

    #[track_caller]
    fn ours(&self, args: &[&str]) -> Said {
        let said = self.command(env!("CARGO_BIN_EXE_nss-cmc"), args);
        assert!(!said.err.contains("cannot shut down NSS"), "{}", said.err);
        said
    }

    /// The token of the new keys, for our program.
    fn token(&self) -> &'static str {
        if self.place == Where::Hsm { "HSM" } else { "internal" }
    }

    /// The ids of the keys in the token, sorted, as certutil lists them.
    fn keys(&self) -> Vec<String> {
        let theirs = match self.place {
            Where::Hsm => "HSM",
            Where::Fips => "NSS FIPS 140-2 Certificate DB",
        };
        let list = ["-K", "-h", theirs, "-d", "sql:db", "-f", "theirs"];
        let said = self.command("certutil", &list);
        let words = said.out.split_whitespace().map(str::to_owned);
        let is_id = |w: &String| w.len() == 40 && w.bytes().all(|b| b.is_ascii_hexdigit());
        let mut ids: Vec<String> = words.filter(is_id).collect();
        ids.sort();
        ids
    }

    /// Nicknames and trust in all tokens, as certutil lists them.
    fn certificates(&self) -> Vec<String> {
        let list = self.certutil(&["-L", "-h", "all"]);
        let lines =
            list.lines().filter(|l| l.matches(',').count() == 2 && !l.contains("SSL,S/MIME"));
        let mut lines: Vec<String> =
            lines.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        lines.sort();
        lines
    }

    fn try_enroll(&self, nickname: &str, profile: &str, more: &[&str]) -> Said {
        let args =
            ["enroll", "-d", "db", "--password-file", "pins", "--ca", url(), "--output", "json"];
        let what = ["--token", self.token(), "--profile", profile, "--nickname", nickname];
        self.ours(&[&args[..], &what, more].concat())
    }

    /// Enrolls; the new certificate is the CA's, valid, and beside its key.
    #[track_caller]
    fn enroll(&self, nickname: &str, profile: &str, more: &[&str]) -> Value {
        let before = self.keys();
        let report = self.try_enroll(nickname, profile, more).exits(0).json();
        let result = &report["result"];
        assert!(report["status"] == "issued" || report["status"] == "renewed", "{report}");
        assert_eq!(result["has_key"], true);
        let id = result["key_id"].as_str().unwrap();
        let new: Vec<String> = self.keys().into_iter().filter(|k| !before.contains(k)).collect();
        assert_eq!(new, [id], "{report}");
        let listed = if self.place == Where::Hsm { "HSM:" } else { "" };
        let line = format!("{listed}{nickname} u,u,u");
        assert!(self.certificates().contains(&line), "{line}: {:?}", self.certificates());
        self.f.write("cert.pem", result["certificate"]["pem"].as_str().unwrap());
        let ca = client_file("ca_signing.pem");
        self.tool("openssl", &["verify", "-CAfile", ca.to_str().unwrap(), "cert.pem"]);
        let serial = result["certificate"]["serial"]["hex"].as_str().unwrap();
        assert_eq!(helper(&self.f, "shown.sh", &[serial]).trim(), "VALID");
        report
    }

    /// Removes the key that stays, labelled, after a refusal: Dogtag's don't name the request.
    #[track_caller]
    fn forget_unfinished(&self, before: &[String], nickname: &str) {
        let new: Vec<String> = self.keys().into_iter().filter(|k| !before.contains(k)).collect();
        let [id] = &new[..] else { panic!("{new:?}") };
        let list = self.certutil(&["-K", "-h", "HSM"]);
        let label = format!("unfinished request for {nickname}");
        assert!(list.lines().any(|l| l.contains(id) && l.contains(&label)), "{list}");
        let remove = ["key", "remove", id, "--yes", "--force", "-d", "db", "--token", "HSM"];
        self.ours(&[&remove[..], &["--password-file", "pins"]].concat()).exits(0);
    }

    /// The ids of an owner's keys in the KRA.
    fn archived(&self, owner: &str) -> Vec<String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dogtag/kra.sh");
        let said = self.command(script, &["find", owner]);
        assert_eq!(said.err, "", "kra.sh find");
        said.out.lines().map(|l| l.split('\t').next().unwrap().to_owned()).collect()
    }

    /// Checks that the KRA has one key of the owner: that of `cert.pem`.
    #[track_caller]
    fn recovers(&self, owner: &str) {
        let found = self.archived(owner);
        assert_eq!(found.len(), 1, "{owner}: {found:?}");
        helper(&self.f, "kra.sh", &["recover", &found[0], "recovered.pem"]);
        let dir = self.f.path();
        let recovered = tool("openssl", dir, &["pkey", "-in", "recovered.pem", "-pubout"]);
        let ours = tool("openssl", dir, &["x509", "-in", "cert.pem", "-noout", "-pubkey"]);
        assert_eq!(recovered, ours);
    }

    fn by_agents(&self, signers: &[&str]) {
        for (i, signer) in signers.iter().enumerate() {
            for (key, profile) in
                [("rsa:2048", "caCMCserverCert"), ("ec:nistp256", "caCMCECserverCert")]
            {
                let subject = format!("CN={i}.{}.{}.lab.test,O=LAB", &key[..2], self.user);
                let nickname = format!("www{i}{}", &key[..2]);
                let who = ["--signer", signer, "--subject", &subject, "--key-type", key];
                self.enroll(&nickname, profile, &who);
            }
        }
    }

    fn by_shared_secret(&self) {
        let secret = ["--identification", "alice", "--shared-secret-file", "secret", "--force"];
        for (key, profile, more) in [
            ("rsa:2048", "caFullCMCSharedTokenCert", &[][..]),
            ("ec:nistp256", "caECFullCMCSharedTokenCert", &["--pop-link"]),
        ] {
            let what = ["--subject", "CN=anybody", "--key-type", key];
            let report = self.enroll("alice", profile, &[&secret[..], &what, more].concat());
            let subject = &report["result"]["certificate"]["subject"];
            assert_eq!(subject, "UID=alice,OU=people,DC=lab,DC=test");
        }
    }

    /// The CA's EncryptedPOP is decrypted with the new key, in its token.
    fn in_two_trips(&self) {
        let subject = format!("CN={},O=LAB", self.user);
        let signer = ["--signer", "internal:user", "--subject", &subject, "--encryption-only"];
        self.enroll("encryption", "caFullCMCUserSignedCert", &signer);
    }
}

/// Returns a name that no other run used: the KRA keeps every key.
fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{name}{}", now.as_millis())
}

fn transport() -> String {
    client_file("kra_transport.pem").to_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_hardware_token_s_keys_by_agents_in_either_token() {
    let s = Setting::new("hsm-agent", Where::Hsm);
    s.by_agents(&["internal:caadmin", "HSM:hsm-agent"]);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_hardware_token_s_keys_by_shared_secret_and_in_two_trips() {
    let s = Setting::new("hsm-user", Where::Hsm);
    s.by_shared_secret();
    s.in_two_trips();
}

/// None of SoftHSM's wrappings is one that the KRA of 10.10 reads: the token refuses, or the KRA. The
/// agent's key stays; so does, after the KRA's refusal, the new one. 11.10 reads RFC 5649.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_hardware_token_s_keys_are_archived_by_11_only() {
    let s = Setting::new("hsm-kra", Where::Hsm);
    let transport = transport();
    let unsupported = "token \"HSM\" does not support this key wrap algorithm";
    let unwrapped = "cannot wrap the private key for archival: PK11_WrapPrivKey: \
                     SEC_ERROR_INVALID_ALGORITHM (security library: invalid algorithm)";
    let by_kra = "Sending DRM request failed check KRA log for detail";
    for (i, (key, wrap, code, words)) in [
        ("rsa:2048", "AES KeyWrap/Padding", 14, unsupported),
        ("ec:nistp256", "AES KeyWrap/Padding", 14, unsupported),
        ("rsa:2048", "AES/CBC/PKCS5Padding", 14, unwrapped),
        ("rsa:2048", "DES3/CBC/Pad", 14, unwrapped),
        ("rsa:2048", "AES KeyWrap/Wrapped", 40, by_kra),
        ("ec:nistp256", "AES KeyWrap/Wrapped", 40, by_kra),
        ("ec:nistp256", "AES KeyWrap/NoPadding", 40, by_kra),
    ]
    .into_iter()
    .enumerate()
    {
        let owner = format!("{}x{i}", s.user);
        let subject = format!("CN={owner},O=LAB");
        let profile =
            if key.starts_with("ec") { "caECFullCMCUserCert" } else { "caFullCMCUserCert" };
        let who = ["--signer", "HSM:hsm-agent", "--subject", &subject, "--key-type", key];
        let archive = ["--archive-to", &transport, "--wrap", wrap];
        let args = [&who[..], &archive].concat();
        if lab() == Lab::V11 && wrap == "AES KeyWrap/Wrapped" {
            s.enroll(&owner, profile, &args);
            s.recovers(&owner);
            continue;
        }
        let before = (s.keys(), s.certificates());
        let report = s.try_enroll(&owner, profile, &args).exits(code);
        let report = report.json();
        assert!(report["msg"].as_str().unwrap().contains(words), "{key} {wrap}: {report}");
        if code == 40 {
            s.forget_unfinished(&before.0, &owner);
        }
        assert_eq!((s.keys(), s.certificates()), before, "{key} {wrap}");
        assert_eq!(s.archived(&owner), [""; 0], "{key} {wrap}");
    }
    let subject = format!("CN=again.{}.lab.test,O=LAB", s.user);
    s.enroll("again", "caCMCserverCert", &["--signer", "HSM:hsm-agent", "--subject", &subject]);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_database_in_fips_mode() {
    let s = Setting::new("fips", Where::Fips);
    s.by_agents(&["caadmin"]);
    s.by_shared_secret();
    s.in_two_trips();
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn keys_of_a_database_in_fips_mode_archived() {
    let s = Setting::new("fips-kra", Where::Fips);
    let transport = transport();
    for (i, (key, profile, wrap)) in [
        ("rsa:2048", "caFullCMCUserCert", "AES KeyWrap/Padding"),
        ("rsa:2048", "caFullCMCUserCert", "AES/CBC/PKCS5Padding"),
        ("ec:nistp256", "caECFullCMCUserCert", "AES KeyWrap/Padding"),
    ]
    .into_iter()
    .enumerate()
    {
        let owner = format!("{}x{i}", s.user);
        let subject = format!("CN={owner},O=LAB");
        let more = ["--signer", "caadmin", "--subject", &subject, "--key-type", key];
        let archive = ["--archive-to", &transport, "--wrap", wrap];
        s.enroll(&owner, profile, &[&more[..], &archive].concat());
        s.recovers(&owner);
    }
    // Both at once.
    let subject = format!("CN={},O=LAB", s.user);
    let more = ["--signer", "user", "--subject", &subject, "--encryption-only"];
    let archive = ["--archive-to", &transport];
    s.enroll("both", "caFullCMCUserSignedCert", &[&more[..], &archive].concat());
    let own = s.archived(&format!("CN={},", s.user));
    assert_eq!(own.len(), 1, "{own:?}");
    helper(&s.f, "kra.sh", &["recover", &own[0], "recovered.pem"]);
}
