//! The command after a renewal.

use serde_json::json;

use super::{Lab, entry, statuses};

fn one(exec: &str) -> String {
    format!("[certificate www]\ndatabase=DIR/db\npassword-file=DIR/pw\nexec={exec}\n")
}

#[test]
fn it_knows_the_certificate_and_no_secret() {
    let lab = Lab::start();
    lab.make("www", "internal", 10);
    lab.certutil(&["-L", "-n", "www", "-a", "-o", "old.pem"]);
    lab.configure(&one("/bin/sh DIR/hook DIR/ran"));
    let more = ["renew", "--password-env", "PW", "--output", "json"];
    let mut command = lab.process(env!("CARGO_BIN_EXE_nss-cmc"));
    command.args(more).env("PW", crate::common::PASSWORD).env("https_proxy", "").env("OTHER", "x");
    let said = crate::common::run(&mut command).exits(0);
    // What it prints is no part of the result.
    assert!(said.err.contains("ran www"), "{}", said.err);
    let report = said.json();
    let text = String::from_utf8(lab.f.read("ran.env")).unwrap();
    let variable = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
    };
    let serial = |file: &str| {
        let said = lab.tool("openssl", &["x509", "-in", file, "-noout", "-serial"]);
        let digits = said.trim().split_once('=').unwrap().1.to_lowercase();
        format!("0x{}", digits.trim_start_matches('0'))
    };
    lab.f.write("new.pem", entry(&report, "www")["certificate"]["pem"].as_str().unwrap());
    assert_eq!(variable("NSS_CMC_SERIAL"), serial("new.pem"));
    assert_eq!(variable("NSS_CMC_OLD_SERIAL"), serial("old.pem"));
    assert_eq!(variable("NSS_CMC_SUBJECT"), "CN=www,O=STAND-IN");
    assert_eq!(variable("NSS_CMC_TOKEN"), "internal");
    assert_eq!(variable("NSS_CMC_DATABASE"), lab.f.file("db").to_str().unwrap());
    assert_eq!(
        json!(variable("NSS_CMC_NOT_AFTER")),
        entry(&report, "www")["certificate"]["not_after"]
    );
    for word in ["Secret", "PW=", "OTHER", "https_proxy", "NSS_CMC_CONFIG"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn one_that_fails_is_called_again() {
    let lab = Lab::start();
    lab.make("www", "internal", 10);
    lab.certutil(&["-M", "-n", "www", "-t", "u,u,Pu"]);
    lab.configure(&one("/bin/false --all"));
    let said = lab.renew(&[]).exits(50).json();
    assert_eq!(statuses(&said), ["www failed"]);
    assert_eq!((&said["failed"], &said["changed"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&said["error"]["kind"], &said["error"]["retryable"]),
        (&json!("hook"), &json!(true))
    );
    let one_ = entry(&said, "www");
    assert_eq!((&one_["exec"], &one_["changed"]), (&json!("failed"), &json!(true)));
    // The certificate stays.
    assert_eq!(lab.listed("www"), ["www u,u,Pu"; 2]);
    assert!(lab.is_unfinished());
    let before = lab.bytes();
    let check = lab.renew(&["--check", "--detailed-exitcode"]).exits(4).json();
    assert_eq!(statuses(&check), ["www would_finish"]);
    let again = lab.renew(&[]).exits(50).json();
    assert!(before == lab.bytes(), "only the command ran");
    assert_eq!(again["error"]["notes"], json!([]));

    lab.configure(&one("/bin/sh DIR/hook DIR/ran"));
    let said = lab.renew(&[]).exits(0).json();
    assert_eq!(
        (statuses(&said), lab.ran()),
        (vec!["www finished".to_owned()], vec!["www".to_owned()])
    );
    assert!(!lab.is_unfinished());
    let text = String::from_utf8(lab.f.read("ran.env")).unwrap();
    assert!(text.contains("NSS_CMC_OLD_SERIAL=0x"), "{text}");
    assert_eq!(statuses(&lab.renew(&[]).exits(0).json()), ["www unchanged"]);
    assert_eq!(lab.ran().len(), 1);
}

#[test]
fn what_cannot_run_is_named() {
    let lab = Lab::start();
    lab.make("www", "internal", 10);
    for (exec, word) in [("a && b", "shell"), ("'a", "quote"), ("a | b", "shell")] {
        lab.configure(&one(exec));
        let before = lab.bytes();
        let said = lab.renew(&[]).exits(2).json();
        assert!(entry(&said, "www")["msg"].as_str().unwrap().contains(word), "{said}");
        assert!(before == lab.bytes());
    }
    lab.configure(&one("DIR/no-such-program"));
    let said = lab.renew(&[]).exits(50).json();
    assert!(entry(&said, "www")["msg"].as_str().unwrap().contains("No such file"), "{said}");
    // Without a command there is nothing to finish but the file.
    lab.configure("[certificate www]\ndatabase=DIR/db\npassword-file=DIR/pw\n");
    assert_eq!(statuses(&lab.renew(&[]).exits(0).json()), ["www finished"]);
    assert!(!lab.is_unfinished());
}
