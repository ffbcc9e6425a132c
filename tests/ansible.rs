//! The Ansible collection, by ansible-playbook against the stand-in CA: each module four times, as
//! check, run, check, run. Skipped with a message if ansible-playbook is not installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::ansible::{assert_changed_once, four, is_installed, play};
use common::stand_in::{StandIn, ec_folder};
use common::{Folder, PASSWORD, tool};
use serde_json::json;

const P12_PASSWORD: &str = "p12 Secret.456";

/// A PKCS #12 file `user.p12` with its CA, and that CA's certificate.
fn files(f: &Folder) {
    f.write_secret("p12pw", P12_PASSWORD);
    let openssl = |args: &[&str]| tool("openssl", f.path(), args);
    let new = ["req", "-x509", "-nodes", "-days", "30", "-newkey", "ec", "-pkeyopt"];
    let key = ["ec_paramgen_curve:P-256", "-subj", "/CN=Other CA", "-keyout", "o.key"];
    openssl(&[&new[..], &key, &["-out", "other-ca.pem"]].concat());
    let export = ["pkcs12", "-export", "-in", "other-ca.pem", "-inkey", "o.key", "-name", "other"];
    openssl(&[&export[..], &["-out", "user.p12", "-passout", "file:p12pw"]].concat());
}

#[test]
fn each_module_is_idempotent_and_predicts() {
    if !is_installed() {
        return;
    }
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    files(&f);
    let enroll = json!({
        "ca": ca.url,
        "profile": "caCMCECserverCert",
        "signer": "agent",
        "key_type": "ec:nistp256",
        "nickname": "www",
        "subject": "CN=www.example.com,O=STAND-IN",
        "dns": ["www.example.com"],
    });
    let mut stronger = enroll.clone();
    stronger["key_type"] = json!("ec:nistp384");
    let p12 = json!({
        "file": f.file("user.p12"), "pkcs12_password": P12_PASSWORD, "nickname": "other",
    });
    let trusted = json!({
        "file": f.file("other-ca.pem"), "nickname": "other", "trust": "CT,C,C",
    });
    let mut refused = enroll.clone();
    refused["nickname"] = json!("refused");
    refused["profile"] = json!("noSuchProfile");
    let tasks = [
        &four("pkcs12_import", &p12)[..],
        &four("certificate_import", &trusted),
        &four("certificate", &enroll),
        &four("certificate", &stronger),
        &[
            ("certificate_info", json!({ "ca": ca.url, "nickname": "www" }), false),
            ("ca_certificate_info", json!({ "ca": ca.url, "name": "www.example.com" }), false),
            ("certificate", refused, false),
        ],
    ]
    .concat();
    let (results, said) = play(&f, &tasks);
    assert_changed_once(&results[0..4], "imported");
    assert_changed_once(&results[4..8], "completed");
    assert_changed_once(&results[8..12], "issued");
    assert_changed_once(&results[12..16], "renewed");
    let diff = &results[8]["diff"];
    assert!(diff["before"].is_null() || diff["before"] == json!({}), "{diff}");
    assert!(diff["after"].to_string().contains("www.example.com"), "{diff}");
    let diff = &results[12]["diff"];
    let key_types = (&diff["before"]["key_type"], &diff["after"]["key_type"]);
    assert_eq!(key_types, (&json!("ec:nistp256"), &json!("ec:nistp384")));
    let (info, found, refused) = (&results[16], &results[17], &results[18]);
    assert_eq!((&info["changed"], &info["should_renew"]), (&json!(false), &json!(false)));
    assert_eq!(info["certificates"][0]["status"], "valid");
    assert_eq!(found["certificates"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!((&refused["failed"], &refused["error"]["kind"]), (&json!(true), &json!("rejected")));
    assert!(refused["msg"].as_str().unwrap().contains("noSuchProfile"), "{}", refused["msg"]);
    let listed = f.certificates();
    for line in ["www u,u,u", "other CTu,Cu,Cu"] {
        assert!(listed.iter().any(|l| l == line), "{line}: {listed:?}");
    }

    // Revocation, by serial number.
    let serial = &info["certificates"][0]["certificate"]["serial"]["hex"];
    let revoke =
        json!({ "ca": ca.url, "signer": "agent", "serial": serial, "reason": "superseded" });
    let (results, more) = play(&f, &four("certificate_revoke", &revoke));
    assert_changed_once(&results, "revoked");

    for said in [said, more] {
        for secret in [PASSWORD, P12_PASSWORD] {
            assert!(!said.out.contains(secret) && !said.err.contains(secret), "{secret}");
        }
    }
}
