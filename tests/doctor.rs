//! `doctor`: each fault is found and named with what mends it, several in one run, and nothing is
//! changed, neither here nor at the CA.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, Said, run, tool};
use serde_json::Value;

const PROFILE: &str = "caCMCECserverCert";

fn start(options: &[&str]) -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &[&["--server-key-type", "ec"], options].concat());
    (f, ca)
}

/// The options of an enrollment that works; each of `other` replaces the one of the same name.
fn options<'a>(url: &'a str, other: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut all = vec![
        ("-d", "db"),
        ("--password-file", "pw"),
        ("--ca", url),
        ("--profile", PROFILE),
        ("--signer", "agent"),
        ("--subject", "CN=www.example.com,O=EXAMPLE"),
        ("--nickname", "www"),
        ("--key-type", "ec:nistp256"),
    ];
    for (name, value) in other {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1 = value,
            None => all.push((name, value)),
        }
    }
    all.iter().filter(|(_, value)| !value.is_empty()).flat_map(|(n, v)| [*n, *v]).collect()
}

/// Returns the files of the database, octet by octet.
fn files(f: &Folder) -> BTreeMap<String, Vec<u8>> {
    let Ok(all) = std::fs::read_dir(f.file("db")) else { return BTreeMap::new() };
    let name = |e: &std::fs::DirEntry| e.file_name().into_string().unwrap();
    all.map(Result::unwrap).map(|e| (name(&e), std::fs::read(e.path()).unwrap())).collect()
}

/// Runs `doctor`, which must change nothing and send no CMC request.
#[track_caller]
fn doctor(f: &Folder, args: &[&str]) -> Said {
    let before = files(f);
    let log = || std::fs::read_to_string(f.file("ca.log")).unwrap_or_default();
    let sent = log().matches("profileSubmit").count();
    let said = f.nss_cmc(&[&["doctor", "--output", "json"], args].concat());
    assert!(files(f) == before, "the database was changed");
    assert_eq!(log().matches("profileSubmit").count(), sent, "a request was sent");
    assert!(!said.out.contains(common::PASSWORD), "{}", said.out);
    said
}

fn checks(said: &Said) -> Vec<Value> {
    let report = said.json();
    assert_eq!((&report["changed"], &report["command"]), (&false.into(), &"doctor".into()));
    report["result"]["checks"].as_array().unwrap_or_else(|| panic!("{report}")).clone()
}

/// Checks that a run has this exit code, and exactly these checks in this state, each with the words
/// given in its text and its hint.
#[track_caller]
fn finds(said: &Said, state: &str, code: i32, want: &[(&str, &str, &str)]) {
    let all = checks(said);
    let found: Vec<&Value> = all.iter().filter(|c| c["state"] == state).collect();
    let names: Vec<&str> = found.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, want.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), "{all:#?}");
    for (check, (name, text, hint)) in found.iter().zip(want) {
        let has = |key: &str, words: &str| check[key].as_str().unwrap_or_default().contains(words);
        assert!(has("text", text) && has("hint", hint), "{name}: {check:#?}");
    }
    assert_eq!(said.code, code, "{all:#?}");
}

#[track_caller]
fn problems(said: &Said, code: i32, want: &[(&str, &str, &str)]) {
    finds(said, "problem", code, want);
}

#[test]
fn an_enrollment_that_works_has_no_problem() {
    for offer in ["v1", "v2"] {
        let (f, ca) = start(&["--rest", offer]);
        let args = options(&ca.url, &[]);
        let said = doctor(&f, &args);
        let all = checks(&said);
        assert!(all.iter().all(|c| c["state"] == "ok"), "{all:#?}");
        assert_eq!(said.code, 0);
        let text = |name: &str| {
            let check = all.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("{name}"));
            check["text"].as_str().unwrap().to_owned()
        };
        assert!(text("account").contains("user agent, an agent"), "{}", text("account"));
        assert!(text("authentication").contains("CMCAuth"), "{}", text("authentication"));
        let version = if offer == "v1" { "Dogtag 10.10.2" } else { "Dogtag 11.10.1" };
        assert_eq!(text("dogtag"), version);
        // The text form: one line a check.
        let said = f.nss_cmc(&[&["doctor"], &args[..]].concat()).exits(0);
        assert_eq!(said.out.lines().count(), all.len() + 1, "{}", said.out);
        assert!(said.out.starts_with("no problem found\nok       database: "), "{}", said.out);
        // It was no empty promise.
        f.nss_cmc(&[&["enroll"], &args[..]].concat()).exits(0);
    }
}

#[test]
fn the_database_and_its_password() {
    let (f, ca) = start(&[]);
    let said = doctor(&f, &options(&ca.url, &[("-d", "missing")]));
    problems(&said, 10, &[("database", "missing/cert9.db", "nss-cmc db create -d missing")]);
    // The CA is still looked at.
    let all = checks(&said);
    let state = |name: &str| all.iter().find(|c| c["name"] == name).unwrap()["state"].clone();
    assert_eq!((state("ca"), state("signer")), ("ok".into(), "unknown".into()));

    f.write_secret("wrong", "wrong\n");
    let said = doctor(&f, &options(&ca.url, &[("--password-file", "wrong")]));
    let want = ("password", "SEC_ERROR_BAD_PASSWORD", "certutil -K -d db");
    problems(&said, 11, &[want]);
    let said = doctor(&f, &options(&ca.url, &[("--token", "no such token")]));
    problems(&said, 12, &[("token", "no such token", "these tokens")]);

    std::fs::rename(f.file("db/pkcs11.txt"), f.file("kept")).unwrap();
    let said = doctor(&f, &options(&ca.url, &[]));
    problems(&said, 10, &[("database", "pkcs11.txt", "certutil -L -d db")]);
    std::fs::rename(f.file("kept"), f.file("db/pkcs11.txt")).unwrap();
}

#[test]
fn a_database_that_cannot_be_written() {
    let (f, ca) = start(&[]);
    let mode = |path: &str, mode: u32| {
        let to = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(f.file(path), to).unwrap();
    };
    for name in ["cert9.db", "key4.db", "pkcs11.txt"] {
        mode(&format!("db/{name}"), 0o444);
    }
    mode("db", 0o555);
    mode("", 0o755);
    mode("pw", 0o644);
    let args = [&["doctor", "--output", "json"], &options(&ca.url, &[])[..]].concat();
    // Permissions don't hold root back.
    let said = if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        std::fs::copy(env!("CARGO_BIN_EXE_nss-cmc"), f.file("nss-cmc")).unwrap();
        let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "./nss-cmc"];
        run(Command::new("setpriv").current_dir(f.path()).args(user).args(&args))
    } else {
        f.nss_cmc(&args)
    };
    problems(&said, 10, &[("database", "for writing", "ls -l db")]);
    mode("db", 0o755);
}

/// Makes a certificate with its key in the database.
fn certified(f: &Folder, name: &str, more: &[&str]) {
    let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
    let subject = format!("CN={name}");
    f.certutil(&[
        "-R", "-s", &subject, "-k", "ec", "-q", "nistp256", "-o", &csr, "-a", "-f", "pw", "-z",
        "pw",
    ]);
    let args = ["sign", "--dir", "ca", "--csr", &csr, "--out", &pem];
    tool(program().to_str().unwrap(), f.path(), &[&args[..], more].concat());
    f.certutil(&["-A", "-n", name, "-t", ",,", "-a", "-i", &pem, "-f", "pw"]);
}

#[test]
fn the_signer() {
    let (f, ca) = start(&[]);
    f.nss_cmc(&[&["enroll"], &options(&ca.url, &[])[..]].concat()).exits(0);
    certified(&f, "old", &["--expired", "--agent"]);
    certified(&f, "mallory", &[]);
    let signer = |name: &str| doctor(&f, &options(&ca.url, &[("--signer", name)]));
    problems(&signer("agnet"), 12, &[("signer", "agnet", "agent")]);
    let key = ("signer_key", "private key", "certutil -K -d db");
    problems(&signer("ca_signing"), 12, &[key]);
    let said = signer("old");
    let all = checks(&said);
    let dates = all.iter().find(|c| c["name"] == "signer_validity").unwrap();
    assert_eq!(dates["state"], "problem");
    assert!(dates["text"].as_str().unwrap().contains("expired on"), "{dates}");
    assert_eq!((said.code, &dates["hint"]), (13, &"use another signer: --signer NICKNAME".into()));
    // A server's certificate, whose holder is no agent either.
    let usage = ("signer_usage", "lacks clientAuth", "--signer NICKNAME");
    let said = signer("www");
    let all = checks(&said);
    let found = all.iter().find(|c| c["state"] == "problem").unwrap();
    assert_eq!((&found["name"], said.code), (&usage.0.into(), 13), "{all:#?}");
    assert!(found["text"].as_str().unwrap().contains(usage.1), "{found}");
    // No agent: the CA says so, but does not show the profile.
    let said = signer("mallory");
    let account = ("account", "knows no user", "pki ca-user-cert-add");
    let fit = ("authentication", "accepts agents only", "pki ca-user-cert-add");
    finds(&said, "warning", 0, &[account, fit]);

    let issued = String::from_utf8(f.read("ca/issued")).unwrap();
    let line = issued.lines().find(|l| l.ends_with("CN=agent,O=STAND-IN")).unwrap();
    for (state, text, hint) in [
        ("REVOKED 6", "on hold", "nss-cmc revoke --release --serial 0x"),
        ("REVOKED 1", "revoked (keyCompromise)", "--signer NICKNAME"),
    ] {
        f.write("ca/issued", issued.replace(line, &line.replace("VALID", state)));
        problems(&signer("agent"), 13, &[("signer_revocation", text, hint)]);
    }
}

#[test]
fn the_server() {
    let (f, ca) = start(&[]);
    let other = StandIn::start(&f, &["--server-key-type", "ec", "--server-name", "ca.example"]);
    let misnamed = format!("https://localhost:{}", other.port);
    let name = ("tls", "does not match the host name", "use a name of the certificate");
    problems(&doctor(&f, &options(&misnamed, &[])), 31, &[name]);
    // A port on which nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("https://localhost:{free}");
    let ca_problem = ("ca", "cannot connect", "check that the CA is running");
    problems(&doctor(&f, &options(&nobody, &[])), 30, &[ca_problem]);
    let lookup = ("ca", "cannot resolve", "getent hosts no.such.host.invalid");
    problems(&doctor(&f, &options("https://no.such.host.invalid", &[])), 30, &[lookup]);
    let proxy = format!("http://127.0.0.1:{free}");
    let refused = ("ca", "the proxy", "no_proxy");
    problems(&doctor(&f, &options(&ca.url, &[("--proxy", &proxy)])), 30, &[refused]);

    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let trust = "nss-cmc cert import ca.pem -d db";
    let none = ("trusted_ca", "trusts no CA", trust);
    let chain = ("signer_chain", "", trust);
    let issuer = ("tls", "is not trusted", trust);
    problems(&doctor(&f, &options(&ca.url, &[])), 13, &[none, chain, issuer]);
    // Two faults of one certificate.
    problems(&doctor(&f, &options(&misnamed, &[])), 13, &[none, chain, issuer, name]);
}

#[test]
fn the_profile() {
    let (f, ca) = start(&[]);
    f.write_secret("secret", "alicesecret\n");
    let with = |other: &[(&'static str, &'static str)]| doctor(&f, &options(&ca.url, other));
    let unknown = ("profile", "no profile \"caCMCECCserverCert\"", "--profile caCMCECserverCert");
    problems(&with(&[("--profile", "caCMCECCserverCert")]), 40, &[unknown]);
    let rsa = ("--key-type", "rsa:2048");
    let id = "caCMCserverCertWithCRLDP";
    let disabled = ("profile", "is disabled", "pki ca-profile-enable caCMCserverCertWithCRLDP");
    problems(&with(&[("--profile", id), rsa]), 40, &[disabled]);
    let key = ("profile_key", "accepts EC: nistp256,nistp384", "--key-type ec:nistp256");
    let key = (key.0, "refuses rsa:2048 keys", key.2);
    problems(&with(&[rsa]), 40, &[key]);
    let p384 = ("profile_key", "refuses ec:nistp384", "--key-type ec:nistp256");
    let user = [("--profile", "caECFullCMCUserCert"), ("--key-type", "ec:nistp384")];
    problems(&with(&user), 40, &[p384]);

    let shared = ("authentication", "shared secret must", "--identification UID");
    problems(&with(&[("--profile", "caECFullCMCSharedTokenCert")]), 40, &[shared]);
    let own = ("authentication", "CN=agent,O=STAND-IN, not CN=www", "--profile caFullCMCUserCert");
    problems(&with(&[("--profile", "caECFullCMCUserSignedCert")]), 16, &[own]);
    let renewal =
        [("--profile", "caECFullCMCUserSignedCert"), ("--subject", "CN=agent,O=STAND-IN")];
    problems(&with(&renewal), 0, &[]);
    let bare = ("authentication", "without CMC", "--profile caFullCMCUserCert");
    problems(&with(&[("--profile", "caECSimpleCMCUserCert")]), 40, &[bare]);

    // The CA shows no profile to a user with a shared secret; its name tells who may use it.
    let secret =
        [("--signer", ""), ("--identification", "alice"), ("--shared-secret-file", "secret")];
    let said = with(&secret);
    let guess = ("authentication", "accepts agents only", "--profile caFullCMCSharedTokenCert");
    finds(&said, "warning", 0, &[guess]);
    let right = [&secret[..], &[("--profile", "caECFullCMCSharedTokenCert")]].concat();
    let said = with(&right);
    finds(&said, "warning", 0, &[]);
    let no_rule = ("authentication", "not known: HTTP status 403", "");
    finds(&said, "unknown", 0, &[("profile", "403", ""), no_rule, ("profile_key", "", "")]);
    f.write_secret("secret", "\n");
    problems(&with(&right), 2, &[("shared_secret", "empty", "")]);
}

#[test]
fn the_clock() {
    for (ahead, words) in [("7200", "behind"), ("-86400", "ahead of")] {
        let (f, ca) = start(&["--clock", ahead]);
        let said = doctor(&f, &options(&ca.url, &[]));
        finds(&said, "warning", 0, &[("clock", words, "timedatectl set-ntp true")]);
    }
}

#[test]
fn ten_faults_in_one_run() {
    let (f, ca) = start(&["--clock", "7200", "--server-name", "ca.example"]);
    f.write_secret("wrong", "wrong\n");
    certified(&f, "old", &["--expired"]);
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let url = format!("https://localhost:{}", ca.port);
    let more = [("--password-file", "wrong"), ("--signer", "old"), ("--token", "none")];
    let said = doctor(&f, &options(&url, &more));
    let names: Vec<String> = checks(&said)
        .iter()
        .filter(|c| c["state"] == "problem" || c["state"] == "warning")
        .map(|c| c["name"].as_str().unwrap().to_owned())
        .collect();
    let want = [
        "token",
        "trusted_ca",
        "password",
        "signer_validity",
        "signer_chain",
        "tls",
        "tls",
        "clock",
    ];
    assert_eq!(names, want);
    for check in checks(&said).iter().filter(|c| c["state"] == "problem") {
        assert!(check["hint"].is_string(), "{check}");
    }
    assert_eq!(said.code, 12);
}

/// A CA without REST interface: nothing is known of the profile, and nothing is claimed.
#[test]
fn a_ca_that_tells_nothing() {
    for offer in ["none", "html", "shape", "down"] {
        let (f, ca) = start(&["--rest", offer]);
        let said = doctor(&f, &options(&ca.url, &[]));
        let all = checks(&said);
        for check in &all {
            let name = check["name"].as_str().unwrap();
            let remote = [
                "dogtag",
                "signer_revocation",
                "account",
                "profile",
                "authentication",
                "profile_key",
            ];
            let state = if remote.contains(&name) { "unknown" } else { "ok" };
            assert_eq!(check["state"], state, "{offer}: {check}");
        }
        assert_eq!(said.code, 0);
    }
}

#[test]
fn enroll_names_the_likely_causes() {
    let (f, ca) = start(&[]);
    certified(&f, "mallory", &[]);
    let args = options(&ca.url, &[("--signer", "mallory")]);
    let said = f.nss_cmc(&[&["enroll", "--output", "json"], &args[..]].concat()).exits(40);
    let report = said.json();
    let notes = report["error"]["notes"].as_array().unwrap();
    let cause = |words: &str| {
        notes.iter().any(|n| {
            n.as_str().unwrap().starts_with("likely cause: ") && n.as_str().unwrap().contains(words)
        })
    };
    assert!(cause("the signer is no user of the CA"), "{report}");
    let issued = String::from_utf8(f.read("ca/issued")).unwrap();
    f.write("ca/issued", issued.replace("VALID CN=mallory", "REVOKED 1 CN=mallory"));
    let said = f.nss_cmc(&[&["enroll"], &args[..]].concat()).exits(40);
    assert!(said.err.contains("likely cause: the signer's certificate is revoked"), "{}", said.err);
}
