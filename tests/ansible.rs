//! The Ansible collection, by ansible-playbook against the stand-in CA: each module four times, as
//! check, run, check, run. Skipped with a message if ansible-playbook is not installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;

use common::stand_in::{StandIn, ec_folder};
use common::{Folder, PASSWORD, Said, run, tool};
use serde_json::{Value, json};

const P12_PASSWORD: &str = "p12 Secret.456";

/// One task of a play: the module, its arguments, and whether in check mode.
type Task = (&'static str, Value, bool);

/// Whether ansible-playbook is installed; says so when it isn't.
fn is_installed() -> bool {
    let found = Command::new("ansible-playbook").arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: ansible-playbook is not installed");
    }
    found
}

/// Runs tasks with -vvv and --diff; returns their results and the output. A task that fails doesn't
/// end the play.
fn play(f: &Folder, tasks: &[Task]) -> (Vec<Value>, Said) {
    let collections = f.file("collections/ansible_collections/dogtagpki");
    std::fs::create_dir_all(&collections).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/ansible");
    let link = collections.join("nss_cmc");
    if !link.exists() {
        std::os::unix::fs::symlink(here, link).unwrap();
    }
    let name = |at: usize| format!("r{at}");
    let mut all: Vec<Value> = Vec::new();
    for (at, (module, arguments, check)) in tasks.iter().enumerate() {
        all.push(json!({
            "name": format!("{module} {at}"),
            format!("dogtagpki.nss_cmc.{module}"): arguments,
            "check_mode": check,
            "register": name(at),
            "ignore_errors": true,
        }));
    }
    let names: Vec<String> = (0..tasks.len()).map(name).collect();
    all.push(json!({
        "name": "results",
        "ansible.builtin.copy": {
            "dest": f.file("results.json"),
            "mode": "0600",
            "content": format!("{{{{ [{}] | to_json }}}}", names.join(", ")),
        },
        // The results are compared, not shown.
        "diff": false,
        "no_log": true,
    }));
    let play = json!([{
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": false,
        "vars": { "ansible_python_interpreter": "{{ ansible_playbook_python }}" },
        "tasks": all,
        "module_defaults": { "group/dogtagpki.nss_cmc.nss_cmc": {
            "executable": env!("CARGO_BIN_EXE_nss-cmc"),
            "database": f.file("db"),
            "password": PASSWORD,
        }},
    }]);
    f.write("play.json", play.to_string());
    let said = run(Command::new("ansible-playbook")
        .current_dir(f.path())
        .env("ANSIBLE_COLLECTIONS_PATH", f.file("collections"))
        .env("ANSIBLE_COLLECTIONS_PATHS", f.file("collections"))
        .env("ANSIBLE_LOCAL_TEMP", f.file("local"))
        .env("ANSIBLE_REMOTE_TEMP", f.file("remote"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("NSS_CMC_CONFIG", "/dev/null")
        .args(["-i", "localhost,", "-vvv", "--diff", "play.json"]))
    .exits(0);
    let results = serde_json::from_slice(&f.read("results.json")).unwrap();
    (results, said)
}

/// Check, run, check, run.
fn four(module: &'static str, arguments: &Value) -> [Task; 4] {
    [true, false, true, false].map(|check| (module, arguments.clone(), check))
}

#[track_caller]
fn assert_changed_once(results: &[Value], word: &str) {
    let words: Vec<_> = results.iter().map(|r| r["status"].as_str().unwrap_or("?")).collect();
    let changed: Vec<_> = results.iter().map(|r| r["changed"] == true).collect();
    assert_eq!(changed, [true, true, false, false], "{words:?}: {results:#?}");
    assert!(words[0].starts_with("would_"), "{words:?}");
    assert_eq!((words[1], words[2], words[3]), (word, "unchanged", "unchanged"));
}

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
