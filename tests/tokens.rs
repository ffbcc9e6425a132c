//! One run with several tokens: which it logs in to, with which password, and its errors. SoftHSM
//! has two tokens besides the database's own; the CA is the stand-in.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;

use common::stand_in::{StandIn, folder, program};
use common::{Folder, PASSWORD, Said, run};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The PINs of the tokens `HSM` and `other`; all passwords differ.
const PINS: [(&str, &str); 2] = [("HSM", "1234"), ("other", "987654")];

/// The stand-in's folder, with its agent `agent` in the database, the token `HSM` with another
/// agent `hsm-agent`, and the token `other`. `pins` has all passwords.
struct Tokens(Folder);

impl Tokens {
    fn new() -> Tokens {
        assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
        let t = Tokens(folder(&["--key-type", "ec"]));
        let f = &t.0;
        std::fs::create_dir(f.file("tokens")).unwrap();
        f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
        for (label, pin) in PINS {
            t.token(label, pin);
        }
        let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
        t.tool("modutil", &add);
        f.write_secret("pins", format!("internal:{PASSWORD}\nHSM:1234\nhardware-other=987654\n"));
        // With the token names of NSS's own tools.
        f.write("theirs", format!("NSS Certificate DB:{PASSWORD}\nHSM:1234\nother:987654\n"));
        f.write("noise", [7u8; 64]);
        let csr = ["-R", "-h", "HSM", "-k", "ec", "-q", "nistp256", "-s", "CN=hsm-agent", "-a"];
        t.certutil(&[&csr[..], &["-z", "noise", "-o", "agent.csr"]].concat());
        let sign = ["sign", "--dir", "ca", "--csr", "agent.csr", "--agent", "--out", "agent.pem"];
        t.tool(program().to_str().unwrap(), &sign);
        // certutil fails to set the trust, without a second login, after it has stored the
        // certificate.
        let add = ["-A", "-h", "HSM", "-n", "hsm-agent", "-t", ",,", "-a", "-i", "agent.pem"];
        t.command("certutil", &[&add[..], &["-d", "sql:db", "-f", "theirs"]].concat());
        t
    }

    fn token(&self, label: &str, pin: &str) {
        let init = ["--init-token", "--free", "--so-pin", "0000", "--label", label, "--pin", pin];
        self.tool("softhsm2-util", &init);
    }

    fn command(&self, program: &str, args: &[&str]) -> Said {
        run(Command::new(program)
            .current_dir(self.0.path())
            .env("SOFTHSM2_CONF", self.0.file("softhsm.conf"))
            .env_remove("NSS_CMC_OUTPUT")
            .args(args))
    }

    fn tool(&self, program: &str, args: &[&str]) -> String {
        self.command(program, args).exits(0).out
    }

    fn certutil(&self, args: &[&str]) -> String {
        self.tool("certutil", &[args, &["-d", "sql:db", "-f", "theirs"]].concat())
    }

    fn ours(&self, args: &[&str]) -> Said {
        self.command(env!("CARGO_BIN_EXE_nss-cmc"), args)
    }

    /// Runs `enroll` with an EC key for `www` and the passwords in `file`.
    fn enroll(&self, ca: &StandIn, file: &str, more: &[&str]) -> Said {
        let args = ["enroll", "-d", "db", "--password-file", file, "--ca", &ca.url];
        let what = ["--profile", "caCMCECserverCert", "--key-type", "ec", "--force"];
        let name = ["--subject", "CN=www", "--nickname", "www", "--output", "json"];
        self.ours(&[&args[..], &what, &name, more].concat())
    }

    /// Returns the ids and names of the keys in a token, as certutil lists them.
    fn keys(&self, token: &str) -> String {
        let said = self.command("certutil", &["-K", "-h", token, "-d", "sql:db", "-f", "theirs"]);
        let listed = said.out.lines().filter(|l| l.starts_with('<'));
        let mut lines: Vec<&str> = listed.map(|l| l.split_once('>').unwrap().1).collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// Returns the content of all tokens.
    fn state(&self) -> Vec<String> {
        let mut all = vec![self.certutil(&["-L"])];
        for token in ["NSS Certificate DB", "HSM", "other"] {
            all.push(self.keys(token));
            all.push(self.certutil(&["-L", "-h", token]));
        }
        all
    }

    /// Returns the number of requests to the CA.
    fn asked(&self) -> usize {
        String::from_utf8(self.0.read("ca.log")).unwrap().matches("profileSubmit").count()
    }
}

#[test]
fn signer_and_new_key_are_in_any_two_tokens() {
    let t = Tokens::new();
    let ca = StandIn::start(&t.0, &[]);
    for signer in ["agent", "internal:agent", "NSS Certificate DB:agent", "HSM:hsm-agent"] {
        for (token, prefix) in [("internal", ""), ("HSM", "HSM:"), ("other", "other:")] {
            for trust in [None, Some("u,u,Pu")] {
                let mut args = vec!["--signer", signer, "--token", token];
                args.extend(trust.iter().flat_map(|trust| ["--trust", trust]));
                let report = t.enroll(&ca, "pins", &args).exits(0).json();
                assert_eq!(report["result"]["has_key"], true, "{args:?} {report}");
                assert_eq!(report["warnings"], serde_json::json!([]), "{args:?} {report}");
                let nickname = format!("{prefix}www");
                let list = t.certutil(&["-L", "-h", "all"]);
                let line = list.lines().find(|l| l.starts_with(&format!("{nickname} ")));
                let flags = line.unwrap_or_else(|| panic!("{list}")).split_whitespace().last();
                assert_eq!(flags, Some(trust.unwrap_or("u,u,u")), "{args:?} {list}");
                t.certutil(&[
                    "-F",
                    "-h",
                    token,
                    "-k",
                    report["result"]["key_id"].as_str().unwrap(),
                ]);
                t.command(
                    "certutil",
                    &["-D", "-d", "sql:db", "-f", "theirs", "-h", token, "-n", &nickname],
                );
            }
        }
    }
    // A signer without prefix is searched in --token first, then in the database's own token.
    t.enroll(&ca, "pins", &["--signer", "hsm-agent", "--token", "HSM"]).exits(0);
    // The database's own token has only a copy of the certificate: the error names no token of the
    // key, and blames no password.
    let said = t.enroll(&ca, "pins", &["--signer", "hsm-agent"]).exits(12).json();
    let said = said["msg"].as_str().unwrap();
    assert!(said.contains("private key of certificate \"hsm-agent\" not found"), "{said}");
    let (_, closed) = said.split_once("not logged in to: ").unwrap();
    let mut closed: Vec<&str> = closed.split(", ").collect();
    closed.sort();
    assert_eq!(closed, ["\"HSM\"", "\"other\""], "{said}");
    assert!(!said.contains("BAD_PASSWORD"), "{said}");
}

/// The session key of the CA's EncryptedPOP is decrypted in the new key's token.
#[test]
fn an_encryption_only_key_is_proved_in_its_token() {
    let t = Tokens::new();
    let ca = StandIn::start(&t.0, &[]);
    let args = ["enroll", "-d", "db", "--password-file", "pins", "--ca", &ca.url];
    let what = ["--profile", "caFullCMCUserCert", "--encryption-only", "--token", "HSM"];
    let name = ["--subject", "CN=enc", "--nickname", "enc", "--output", "json"];
    let signer = ["--signer", "HSM:hsm-agent"];
    let report = t.ours(&[&args[..], &what, &name, &signer].concat()).exits(0).json();
    assert!(t.keys("HSM").contains(report["result"]["key_id"].as_str().unwrap()), "{report}");
    let list = t.certutil(&["-L", "-h", "HSM"]);
    let line = list.lines().find(|l| l.starts_with("HSM:enc "));
    assert!(line.is_some_and(|l| l.ends_with("u,u,u")), "{list}");
    assert_eq!(t.asked(), 2);
}

#[test]
fn only_the_tokens_a_run_needs_are_logged_in_to() {
    let t = Tokens::new();
    let f = &t.0;
    let ca = StandIn::start(f, &[]);
    // The agent's key is in one token; the database's own token and --token need no login.
    f.write("hsm", "HSM=1234\n");
    f.write("bare", "1234\n");
    t.enroll(&ca, "pins", &["--signer", "agent"]).exits(0);
    let serial = t.certutil(&["-L", "-n", "www"]);
    let serial = serial.split_once("Serial Number:").unwrap().1;
    let serial = serial.split_once("(0x").unwrap().1.split(')').next().unwrap();
    let serial = format!("0x{serial}");
    for (file, token) in [("hsm", "other"), ("bare", "internal"), ("bare", "HSM")] {
        let args =
            ["revoke", "-d", "db", "--password-file", file, "--token", token, "--ca", &ca.url];
        let hold = ["--serial", &serial, "--signer", "HSM:hsm-agent", "--hold"];
        t.ours(&[&args[..], &hold].concat()).exits(0);
    }
    f.write("cmc.cfg", "numRequests=1\ninput=www.csr\noutput=cmc.req\nformat=pkcs10\ndbdir=db\n");
    for (lines, code, word) in [
        ("tokenname=HSM\npassword=1234\nnickname=hsm-agent\n", 0, ""),
        ("password=1234\nnickname=HSM:hsm-agent\n", 0, ""),
        ("tokenname=HSM\npasswordFile=pins\nnickname=internal:agent\n", 0, ""),
        // The password is that of the token in `tokenname`, which is searched first.
        ("tokenname=HSM\npassword=Secret.123\nnickname=agent\n", 1, "log in to token \"HSM\""),
        ("tokenname=HSM\npassword=1234\nnickname=agent\n", 1, "password of token internal"),
    ] {
        let new = ["csr", "create", "-d", "db", "--password-file", "pins", "--key-type", "ec"];
        if !f.file("www.csr").exists() {
            t.ours(&[&new[..], &["--subject", "CN=x", "--out", "www.csr"]].concat()).exits(0);
        }
        let settings = String::from_utf8(f.read("cmc.cfg")).unwrap();
        f.write("run.cfg", format!("{settings}{lines}"));
        let said = t.ours(&["CMCRequest", "run.cfg"]).exits(code);
        assert!(said.out.contains(word), "{lines}: {}", said.out);
    }
    // The signed request is sent by HttpClient and by cmc send, and the certificate revoked by
    // CMCRevoke.
    let servlet = "/ca/ee/ca/profileSubmitCMCFull?profileId=caCMCECserverCert";
    let port = ca.port;
    let http = format!(
        "host=localhost\nport={port}\nsecure=true\nservlet={servlet}\ninput=cmc.req\n\
         output=cmc.resp\ndbdir=db\nclientmode=true\npasswordFile=pins\ntokenname=HSM\n"
    );
    for nickname in ["hsm-agent", "HSM:hsm-agent", "agent", "internal:agent"] {
        f.write(
            "run.cfg",
            format!(
                "numRequests=1\ninput=www.csr\noutput=cmc.req\nformat=pkcs10\ndbdir=db\n\
             tokenname=HSM\npasswordFile=pins\nnickname={nickname}\n"
            ),
        );
        t.ours(&["CMCRequest", "run.cfg"]).exits(0);
        f.write("http.cfg", format!("{http}nickname={nickname}\n"));
        t.ours(&["HttpClient", "http.cfg"]).exits(0);
        let send = ["cmc", "send", "cmc.req", "-d", "db", "--token", "HSM", "--out", "resp"];
        let how = ["--password-file", "pins", "--profile", "caCMCECserverCert", "--ca", &ca.url];
        t.ours(&[&send[..], &how, &["--signer", nickname]].concat()).exits(0);
        let revoke =
            ["CMCRevoke", "-d", "db", "-h", "HSM", "-n", nickname, "-i", "CN=x", "-s", "1"];
        t.ours(&[&revoke[..], &["-m", "0", "--password-file", "pins"]].concat()).exits(0);
    }
}

#[test]
fn a_login_that_fails_leaves_nothing_and_names_its_token() {
    let t = Tokens::new();
    let f = &t.0;
    let ca = StandIn::start(f, &[]);
    let before = t.state();
    for (content, args, code, words) in [
        // The one bare password is that of the named token.
        (
            "1234\n",
            &["--token", "HSM", "--signer", "agent"][..],
            2,
            ["token \"internal\"", "one other token"],
        ),
        (
            "HSM:1234\ninternal:\n",
            &["--token", "HSM", "--signer", "agent"],
            2,
            ["empty password", "file"],
        ),
        (
            "HSM:1234\ninternal:wrong\n",
            &["--token", "HSM", "--signer", "agent"],
            11,
            ["token \"NSS Certificate DB\"", "BAD_PASSWORD"],
        ),
        (
            "HSM:9999\ninternal:Secret.123\n",
            &["--token", "HSM", "--signer", "agent"],
            11,
            ["token \"HSM\"", ""],
        ),
        (
            "HSM:1234\nother:9999\n",
            &["--token", "other", "--signer", "HSM:hsm-agent"],
            11,
            ["token \"other\"", ""],
        ),
        (
            "HSM:1234\n",
            &["--token", "other", "--signer", "HSM:hsm-agent"],
            2,
            ["not of token \"other\"", "file"],
        ),
        (
            "HSM:1234\nother:987654\n",
            &["--token", "other", "--signer", "HSM:hsm-agent", "--trust", "u,u,Pu"],
            2,
            ["not of token \"internal\"", ""],
        ),
        ("internal:Secret.123\n", &["--signer", "internal:nobody"], 12, ["not found", "nobody"]),
    ] {
        f.write("file", content);
        let report = t.enroll(&ca, "file", args).exits(code).json();
        let said = report["msg"].as_str().unwrap();
        assert!(words.iter().all(|w| said.contains(w)), "{content:?} {args:?}: {said}");
        // A password that was not tried is not blamed.
        assert!(code == 11 || !said.contains("BAD_PASSWORD"), "{said}");
        assert!(!report.to_string().contains("1234"), "{report}");
        assert_eq!(t.state(), before, "{content:?} {args:?}");
        assert_eq!(t.asked(), 0, "{content:?} {args:?}");
    }
}

#[test]
fn two_tokens_of_one_label_are_refused() {
    let t = Tokens::new();
    let f = &t.0;
    let ca = StandIn::start(f, &[]);
    t.token("other", "5555");
    let keys = t.keys("NSS Certificate DB");
    for args in [&["--token", "other", "--signer", "agent"][..], &["--signer", "other:agent"]] {
        let said = t.enroll(&ca, "pins", args).exits(2).json();
        let said = said["msg"].as_str().unwrap();
        assert!(said.contains("several tokens have the name \"other\""), "{said}");
        assert_eq!(said.matches("of module \"softhsm\"").count(), 2, "{said}");
        assert!(said.matches("slot \"SoftHSM slot ID 0x").count() == 2, "{said}");
    }
    let create = ["csr", "create", "-d", "db", "--token", "other", "--password-file", "pins"];
    t.ours(&[&create[..], &["--subject", "CN=a", "--out", "a.csr"]].concat()).exits(2);
    assert!(!f.file("a.csr").exists());
    assert_eq!(t.keys("NSS Certificate DB"), keys);
    assert_eq!(t.asked(), 0);
    // The other tokens still work.
    t.enroll(&ca, "pins", &["--token", "HSM", "--signer", "agent"]).exits(0);
}
