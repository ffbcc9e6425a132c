//! `doctor` at the real Dogtag CA: an enrollment that works, broken ones, and the likely causes that
//! `enroll` adds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::dogtag::{Lab, folder, helper, host, lab, url};
use common::{Folder, Said};
use serde_json::Value;

fn run(f: &Folder, verb: &str, url: &str, profile: &str, more: &[&str]) -> Said {
    let args = ["-d", "db", "--password-file", "pw", "--ca", url, "--profile", profile];
    let what = ["--subject", "CN=doctor e3,O=LAB", "--nickname", "doctor e3", "--output", "json"];
    f.nss_cmc(&[&[verb], &args[..], &what, more].concat())
}

/// Runs `doctor`, which must leave the database as it is, octet by octet.
#[track_caller]
fn doctor(f: &Folder, url: &str, profile: &str, more: &[&str]) -> (i32, Vec<Value>) {
    let files = || -> BTreeMap<_, _> {
        let all = std::fs::read_dir(f.file("db")).unwrap().map(Result::unwrap);
        all.map(|e| (e.file_name(), std::fs::read(e.path()).unwrap())).collect()
    };
    let before = files();
    let said = run(f, "doctor", url, profile, more);
    assert!(files() == before, "the database was changed");
    (said.code, said.json()["result"]["checks"].as_array().unwrap().clone())
}

/// Checks that a run finds exactly this problem or warning.
#[track_caller]
fn finds((code, checks): (i32, Vec<Value>), exit: i32, want: &[(&str, &str, &str)]) {
    let bad: Vec<&Value> = checks
        .iter()
        .filter(|c| ["problem", "warning"].contains(&c["state"].as_str().unwrap()))
        .collect();
    let names: Vec<&str> = bad.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, want.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), "{checks:#?}");
    for (check, (_, text, hint)) in bad.iter().zip(want) {
        assert!(check["text"].as_str().unwrap().contains(text), "{check}");
        assert!(check["hint"].as_str().unwrap().contains(hint), "{check}");
    }
    assert_eq!(code, exit, "{checks:#?}");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn an_agent_s_enrollment_has_no_fault() {
    let f = folder("doctor-good-e3");
    let (code, checks) = doctor(&f, url(), "caCMCserverCert", &["--signer", "caadmin"]);
    assert!(checks.iter().all(|c| c["state"] == "ok"), "{checks:#?}");
    assert_eq!(code, 0);
    let text = |name: &str| {
        checks.iter().find(|c| c["name"] == name).unwrap()["text"].as_str().unwrap().to_owned()
    };
    let version = if lab() == Lab::V10 { "Dogtag 10.10.2" } else { "Dogtag 11.10.1" };
    assert_eq!(text("dogtag"), version);
    assert!(text("account").contains("caadmin, an agent"), "{}", text("account"));
    assert!(text("authentication").contains("CMCAuth"), "{}", text("authentication"));
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn broken_enrollments() {
    let f = folder("doctor-bad-e3");
    let agent = ["--signer", "caadmin"];
    let unknown = ("profile", "no profile \"caCMCservercert\"", "--profile caCMCserverCert");
    finds(doctor(&f, url(), "caCMCservercert", &agent), 40, &[unknown]);
    let ec = [&agent[..], &["--key-type", "ec:nistp256"]].concat();
    let key = ("profile_key", "refuses ec:nistp256 keys", "--key-type rsa:2048");
    finds(doctor(&f, url(), "caCMCserverCert", &ec), 40, &[key]);
    let secret = ("authentication", "shared secret must", "--identification UID");
    finds(doctor(&f, url(), "caFullCMCSharedTokenCert", &agent), 40, &[secret]);
    let own = ("authentication", "certifies its signer only", "--profile caFullCMCUserCert");
    finds(doctor(&f, url(), "caFullCMCUserSignedCert", &agent), 16, &[own]);
    let bare = ("authentication", "without CMC", "--profile caFullCMCUserCert");
    finds(doctor(&f, url(), "caSimpleCMCUserCert", &agent), 40, &[bare]);
    let nobody = ("authentication", "an agent must approve", "--profile caFullCMCUserCert");
    finds(doctor(&f, url(), "caServerCert", &agent), 0, &[nobody]);
    let by_address = url().replace(host(), "localhost");
    let name = ("tls", "does not match the host name", host());
    finds(doctor(&f, &by_address, "caCMCserverCert", &agent), 31, &[name]);
}

/// A signer who is no agent: what the CA refuses without a word is explained, before and after.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_signer_who_is_no_agent() {
    let f = folder("doctor-user-e3");
    helper(&f, "user-cert.sh", &["db", "mallory-e3", "CN=mallory-e3,O=LAB", "rsa:2048"]);
    let user = ["--signer", "mallory-e3"];
    let add = "pki ca-user-cert-add";
    let want = [
        ("account", "knows no user", add),
        ("authentication", "accepts agents only, and the signer is no user of the CA", add),
    ];
    finds(doctor(&f, url(), "caCMCserverCert", &user), 0, &want);
    let before = f.state();
    let report = run(&f, "enroll", url(), "caCMCserverCert", &user).exits(40).json();
    let notes = report["error"]["notes"].as_array().unwrap();
    let explains = |note: &Value| {
        let note = note.as_str().unwrap();
        note.starts_with("likely cause: ") && note.contains("the signer is no user of the CA")
    };
    assert!(notes.iter().any(explains), "{report}");
    assert!(report["msg"].as_str().unwrap().contains("Invalid Credential."), "{report}");
    f.forget_unfinished(&before, "doctor e3");
}
