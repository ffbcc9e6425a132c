//! The Ansible collection, by ansible-playbook against the real Dogtag CA: each module four times, as
//! check, run, check, run.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::ansible::{assert_changed_once, four, is_installed, play};
use common::dogtag::{client_file, folder, helper, url};
use common::{PASSWORD, tool};
use serde_json::json;

const P12_PASSWORD: &str = "p12 Secret.456";

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn each_module_is_idempotent_and_predicts() {
    assert!(is_installed(), "this test needs ansible-core");
    let f = folder("ansible");
    // A second administrator's database is made from PKCS #12 and PEM alone.
    f.write_secret("p12pw", P12_PASSWORD);
    let db = ["-d", "sql:db", "-k", "pw"];
    let export = ["-o", "agent.p12", "-n", "caadmin", "-w", "p12pw"];
    tool("pk12util", f.path(), &[&db[..], &export].concat());
    std::fs::create_dir(f.file("new")).unwrap();
    tool("certutil", f.path(), &["-N", "-d", "sql:new", "-f", "pw"]);

    let p12 = json!({
        "database": f.file("new"), "file": f.file("agent.p12"), "pkcs12_password": P12_PASSWORD,
        "nickname": "caadmin",
    });
    let root = json!({
        "database": f.file("new"), "file": client_file("ca_signing.pem"), "nickname": "root",
        "trust": "CT,C,C",
    });
    let host = format!("ansible-{}.example.com", std::process::id());
    let enroll = json!({
        "database": f.file("new"), "ca": url(), "profile": "caCMCserverCert", "signer": "caadmin",
        "key_type": "rsa:2048", "nickname": "www", "subject": format!("CN={host},O=EXAMPLE"),
    });
    let mut stronger = enroll.clone();
    stronger["key_type"] = json!("rsa:3072");
    let mut refused = enroll.clone();
    refused["nickname"] = json!("refused");
    refused["key_type"] = json!("ec:nistp256");
    let info = json!({ "database": f.file("new"), "ca": url(), "nickname": "www" });
    let tasks = [
        // The CA comes first: the file's own copy of it has no trust.
        &four("certificate_import", &root)[..],
        &four("pkcs12_import", &p12),
        &four("certificate", &enroll),
        &four("certificate", &stronger),
        &[
            ("certificate_info", info, false),
            ("ca_certificate_info", json!({ "ca": url(), "name": host }), false),
            ("certificate", refused, false),
        ],
    ]
    .concat();
    let (results, said) = play(&f, &tasks);
    assert_changed_once(&results[0..4], "imported");
    assert_changed_once(&results[4..8], "imported");
    assert_changed_once(&results[8..12], "issued");
    assert_changed_once(&results[12..16], "renewed");
    let diff = &results[12]["diff"];
    let key_types = (&diff["before"]["key_type"], &diff["after"]["key_type"]);
    assert_eq!(key_types, (&json!("rsa:2048"), &json!("rsa:3072")));
    let (info, found, refused) = (&results[16], &results[17], &results[18]);
    assert_eq!(info["certificates"][0]["status"], "valid");
    assert_eq!(found["certificates"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!((&refused["failed"], &refused["error"]["kind"]), (&json!(true), &json!("rejected")));
    assert!(
        refused["msg"].as_str().unwrap().contains("Not Matched Rejected"),
        "{}",
        refused["msg"]
    );

    let serial = &info["certificates"][0]["certificate"]["serial"]["hex"];
    let revoke = json!({
        "database": f.file("new"), "ca": url(), "signer": "caadmin", "serial": serial,
        "reason": "superseded",
    });
    let (results, more) = play(&f, &four("certificate_revoke", &revoke));
    assert_changed_once(&results, "revoked");
    assert_eq!(helper(&f, "shown.sh", &[serial.as_str().unwrap()]).trim(), "REVOKED 4 caadmin");
    for said in [said, more] {
        for secret in [PASSWORD, P12_PASSWORD] {
            assert!(!said.out.contains(secret) && !said.err.contains(secret), "{secret}");
        }
    }
}
