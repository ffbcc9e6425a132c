//! Renewals: what a certificate in use is compared with, its key, its trust flags, its removal; and
//! what a run would do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::relay::Relay;
use common::stand_in::{StandIn, ec_folder};
use common::{Folder, Said, tool};
use serde_json::Value;

const JSON: [&str; 2] = ["--output", "json"];
const ISSUER: &str = "CN=CA Signing Certificate,O=STAND-IN";

fn enroll(f: &Folder, url: &str, profile: &str, more: &[&str]) -> Said {
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", url];
    args.extend(["--profile", profile, "--subject", "CN=www.example.com,O=EXAMPLE"]);
    args.extend(["--signer", "agent", "--nickname", "www"]);
    if !more.contains(&"--key-type") && !more.contains(&"--reuse-key") {
        args.extend(["--key-type", "ec:nistp256"]);
    }
    args.extend(more);
    f.nss_cmc(&args)
}

/// Runs `enroll`, which must succeed; returns its JSON.
#[track_caller]
fn done(f: &Folder, ca: &StandIn, more: &[&str]) -> Value {
    enroll(f, &ca.url, "standin-ok", &[more, &JSON].concat()).exits(0).json()
}

/// Returns how many certificates for www the CA has issued.
fn issued(f: &Folder) -> usize {
    let text = String::from_utf8(f.read("ca/issued")).unwrap();
    text.lines().filter(|l| l.contains("CN=www.example.com")).count()
}

fn start() -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    (f, ca)
}

/// Returns the lines of `certutil -L` about www.
fn listed(f: &Folder) -> Vec<String> {
    f.certificates().into_iter().filter(|l| l.starts_with("www ")).collect()
}

/// Returns openssl's fingerprint of a public key.
fn key_of(f: &Folder, report: &Value) -> String {
    f.write("one.pem", report["result"]["certificate"]["pem"].as_str().unwrap());
    tool("openssl", f.path(), &["x509", "-in", "one.pem", "-noout", "-pubkey"])
}

#[test]
fn a_renewed_certificate_keeps_the_trust_flags() {
    let (f, ca) = start();
    assert_eq!(done(&f, &ca, &[])["status"], "issued");
    f.certutil(&["-M", "-n", "www", "-t", "u,u,Pu", "-f", "pw"]);
    let report = done(&f, &ca, &["--force"]);
    assert_eq!((&report["status"], &report["changed"]), (&"renewed".into(), &true.into()));
    assert_eq!(report["result"]["trust_kept"], "u,u,Pu");
    assert!(report["result"]["replaced_serial"].as_str().unwrap().starts_with("0x"));
    assert_eq!(listed(&f), ["www u,u,Pu"; 2]);
    for _ in 0..2 {
        assert_eq!(done(&f, &ca, &[])["status"], "unchanged");
    }
    // Given flags count, not the old ones.
    let report = done(&f, &ca, &["--force", "--trust", "u,u,u"]);
    assert_eq!(
        (&report["status"], &report["result"]["trust_kept"]),
        (&"renewed".into(), &().into())
    );
    let mut flags = listed(&f);
    flags.sort();
    assert_eq!(flags, ["www u,u,Pu", "www u,u,Pu", "www u,u,u"]);
    let said = enroll(&f, &ca.url, "standin-ok", &["--force", "--trust", "u,Pu,u"]).exits(0);
    assert!(said.out.starts_with("renewed ") && !said.out.contains("kept"), "{}", said.out);
}

#[test]
fn a_renewal_with_the_same_key() {
    let (f, ca) = start();
    let keys = f.keys().len();
    let reuse = ["--reuse-key", "--key-type", "ec:nistp256"];
    // Without a certificate there is no key to use again.
    let first = done(&f, &ca, &reuse);
    assert_eq!(
        (&first["status"], &first["result"]["key_reused"]),
        (&"issued".into(), &false.into())
    );
    let second = done(&f, &ca, &["--force", "--reuse-key"]);
    assert_eq!(
        (&second["status"], &second["result"]["key_reused"]),
        (&"renewed".into(), &true.into())
    );
    assert_eq!(second["result"]["key_id"], first["result"]["key_id"]);
    assert_eq!(key_of(&f, &first), key_of(&f, &second));
    assert_eq!((listed(&f).len(), f.keys().len(), issued(&f)), (2, keys + 1, 2));
    for _ in 0..2 {
        assert_eq!(done(&f, &ca, &reuse)["status"], "unchanged");
    }
    let before = f.state();
    let more = ["--force", "--reuse-key", "--output", "json"];
    // noKeyReuse
    let report = enroll(&f, &ca.url, "standin-fail-10", &more).exits(40).json();
    assert!(report["error"]["hint"].as_str().unwrap().contains("--reuse-key"), "{report}");
    assert_eq!(report["changed"], false);
    let other = ["--reuse-key", "--renew-on-change", "--key-type", "ec:nistp384"];
    enroll(&f, &ca.url, "standin-ok", &other).exits(2);
    let both = ["--reuse-key", "--remove-old", "cert-and-key"];
    enroll(&f, &ca.url, "standin-ok", &both).exits(2);
    assert_eq!(f.state(), before);
    let certutil = f.certutil(&["-K", "-f", "pw"]);
    assert!(!certutil.contains("unfinished"), "{certutil}");
}

/// The CA issues for the same key, and the response is lost.
#[test]
fn a_lost_certificate_for_the_same_key_is_fetched() {
    let (f, ca) = start();
    let first = done(&f, &ca, &[]);
    let relay = Relay::start(&f, &ca, || false);
    let more = ["--force", "--reuse-key", "--output", "json"];
    let report = enroll(&f, &relay.url, "standin-ok", &more).json();
    assert_eq!(report["failed"], true, "{report}");
    assert_eq!((issued(&f), listed(&f).len()), (2, 1));
    let report = enroll(&f, &ca.url, "standin-ok", &more).exits(0).json();
    assert_eq!(report["status"], "recovered", "{report}");
    assert_eq!(report["result"]["key_id"], first["result"]["key_id"]);
    assert_eq!((issued(&f), listed(&f).len()), (2, 2));
    // What is here already is not recovered again.
    assert_eq!(done(&f, &ca, &["--force", "--reuse-key"])["status"], "renewed");
    assert_eq!((issued(&f), listed(&f).len()), (3, 3));
}

#[test]
fn the_old_certificate_is_removed_when_told() {
    let (f, ca) = start();
    let keys = f.keys().len();
    // A run with nothing to replace removes nothing.
    let first = done(&f, &ca, &["--remove-old", "cert-and-key"]);
    assert_eq!(first["result"]["old_removed"], Value::Null);
    let report = done(&f, &ca, &["--force", "--remove-old", "cert-and-key"]);
    assert_eq!(report["result"]["old_removed"], "cert_and_key", "{report}");
    assert_eq!(report["warnings"], serde_json::json!([]));
    assert_eq!((listed(&f).len(), f.keys().len()), (1, keys + 1));
    assert!(!f.keys().contains(&first["result"]["key_id"].as_str().unwrap().to_owned()));
    let said = enroll(&f, &ca.url, "standin-ok", &["--force", "--remove-old", "cert"]).exits(0);
    assert!(said.out.contains("removed the old certificate"), "{}", said.out);
    assert_eq!((listed(&f).len(), f.keys().len()), (1, keys + 2));
    for _ in 0..2 {
        assert_eq!(done(&f, &ca, &["--remove-old", "cert-and-key"])["status"], "unchanged");
    }
    assert_eq!((listed(&f).len(), f.keys().len()), (1, keys + 2));
}

#[test]
fn the_old_certificate_stays_when_the_new_one_does_not_replace_it() {
    let (f, ca) = start();
    done(&f, &ca, &[]);
    let before = f.state();
    let remove = ["--force", "--remove-old", "cert-and-key"];
    for (profile, code) in [("standin-refused-bound", 40), ("standin-wrong-nonce", 42)] {
        enroll(&f, &ca.url, profile, &remove).exits(code);
        f.forget_unfinished(&before, "www");
    }
    let names = ["--dns", "other.example.com", "--require-names"];
    enroll(&f, &ca.url, "standin-ok", &[&remove[..], &names].concat()).exits(16);
    f.forget_unfinished(&before, "www");
    // A chain that can't be written ends the run before anything is removed.
    std::fs::create_dir(f.file("out")).unwrap();
    let (relay, dir) = (f.file("out"), f.file("out"));
    let relay = Relay::start(&f, &ca, move || std::fs::remove_dir_all(&relay).is_ok());
    let chain = ["--chain-out", "out/chain.pem"];
    enroll(&f, &relay.url, "standin-ok", &[&remove[..], &chain].concat()).exits(21);
    assert!(!dir.exists());
    assert_eq!(listed(&f).len(), 2);
    // A new one that lacks a name is imported beside it.
    let report = done(&f, &ca, &[&remove[..], &names[..2]].concat());
    assert_eq!(report["result"]["old_removed"], Value::Null);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("the old certificate is not removed"), "{warnings}");
    assert_eq!(listed(&f).len(), 3);
}

#[test]
fn usage_and_issuer_are_compared() {
    let (f, ca) = start();
    let fine = ["--usage", "server", "--issuer", ISSUER];
    assert_eq!(done(&f, &ca, &fine)["warnings"], serde_json::json!([]));
    for _ in 0..2 {
        assert_eq!(done(&f, &ca, &fine)["status"], "unchanged");
    }
    let before = f.state();
    for (more, word) in [
        (["--usage", "client"], "not for the usage client"),
        (["--usage", "ca"], "not for the usage ca"),
        (["--usage", "email-signer"], "not for the usage email-signer"),
        (["--issuer", "CN=Other CA"], "its issuer is CN=CA Signing Certificate"),
    ] {
        let report =
            enroll(&f, &ca.url, "standin-ok", &[&more[..], &JSON].concat()).exits(16).json();
        assert!(report["result"]["differences"].to_string().contains(word), "{report}");
        let on_change = [&more[..], &["--renew-on-change"]].concat();
        let said = enroll(&f, &ca.url, "standin-ok", &on_change).exits(16);
        assert!(said.err.contains(word), "{}", said.err);
        assert_eq!(f.certificates(), before.1);
        f.forget_unfinished(&before, "www");
    }
    enroll(&f, &ca.url, "standin-ok", &["--usage", "nonsense"]).exits(2);
    enroll(&f, &ca.url, "standin-ok", &["--issuer", "nonsense"]).exits(2);
    // The new certificate is judged, too: a warning, or a failure.
    let report = done(&f, &ca, &["--force", "--usage", "client", "--issuer", "CN=Other CA"]);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("usage client") && warnings.contains("another issuer"), "{warnings}");
    assert_eq!(report["result"]["missing_usages"], serde_json::json!(["client"]));
    let before = f.state();
    let strict = ["--force", "--usage", "client", "--require-names", "--output", "json"];
    let report = enroll(&f, &ca.url, "standin-ok", &strict).exits(16).json();
    assert!(report["result"]["certificate"]["pem"].is_string(), "{report}");
    assert_eq!(f.certificates(), before.1);
}

/// A user renews with the certificate that is to be renewed, which the CA takes the subject of.
#[test]
fn a_certificate_signs_its_own_renewal() {
    let (f, ca) = start();
    let keys = f.keys();
    let renew = |more: &[&str]| {
        let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
        args.extend(["--profile", "caECFullCMCUserSignedCert", "--subject", "CN=agent"]);
        args.extend(["--signer", "agent", "--nickname", "agent", "--key-type", "ec:nistp256"]);
        f.nss_cmc(&[&args[..], more, &JSON].concat())
    };
    let first = renew(&["--force"]).exits(0).json();
    assert_eq!(first["status"], "renewed", "{first}");
    // The new one is the signer now: the old one and its key may go.
    f.certutil(&["-F", "-k", &keys[0], "-f", "pw"]);
    let second = renew(&["--force", "--remove-old", "cert-and-key"]).exits(0).json();
    assert_eq!(second["status"], "renewed", "{second}");
    assert_eq!(
        second["result"]["replaced_serial"],
        first["result"]["certificate"]["serial"]["hex"]
    );
    assert_eq!(second["result"]["old_removed"], "cert_and_key", "{second}");
    assert_eq!(f.keys(), [second["result"]["key_id"].as_str().unwrap()]);
    let third = renew(&["--force"]).exits(0).json();
    assert_eq!(third["status"], "renewed");
    assert_eq!(renew(&[]).exits(0).json()["status"], "unchanged");
}

/// Returns the database files, the folder's names, and what the CA has received.
fn all_bytes(f: &Folder) -> (Vec<Vec<u8>>, Vec<std::ffi::OsString>, Vec<u8>) {
    let mut names: Vec<_> =
        std::fs::read_dir(f.file("db")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let files = ["db/cert9.db", "db/key4.db", "db/pkcs11.txt"].map(|name| f.read(name));
    (files.to_vec(), names, f.read("ca.log"))
}

#[test]
fn a_check_predicts_and_changes_nothing() {
    let (f, ca) = start();
    let check = |profile: &str, more: &[&str]| {
        let before = all_bytes(&f);
        let said = enroll(&f, &ca.url, profile, &[&["--check"], more].concat());
        assert!(before == all_bytes(&f), "{more:?}: {}", said.err);
        said
    };
    let json =
        |more: &[&str], code| check("standin-ok", &[more, &JSON].concat()).exits(code).json();
    for (more, code) in [(&[][..], 0), (&["--detailed-exitcode"], 4)] {
        let report = json(more, code);
        assert_eq!((&report["status"], &report["changed"]), (&"would_issue".into(), &true.into()));
        assert_eq!((&report["failed"], &report["error"]), (&false.into(), &().into()));
    }
    let report = json(&["--diff"], 0);
    let diff = &report["diff"];
    assert_eq!(diff["before"], Value::Null);
    assert_eq!(diff["after"]["subject"], "CN=www.example.com,O=EXAMPLE");
    assert_eq!(
        (&diff["after"]["key_type"], &diff["after"]["serial"]),
        (&"ec:nistp256".into(), &().into())
    );
    let issued_now = done(&f, &ca, &["--diff"]);
    assert_eq!(issued_now["diff"]["before"], Value::Null);
    assert_eq!(issued_now["diff"]["after"]["trust"], "u,u,u");
    assert_eq!(
        issued_now["diff"]["after"]["serial"],
        issued_now["result"]["certificate"]["serial"]["hex"]
    );
    assert!(!issued_now["diff"].to_string().contains("BEGIN"), "{issued_now}");

    // The CA's records are read only if they are needed.
    let revoked = done(&f, &ca, &["--check", "--renew-revoked"]);
    assert_eq!(revoked["status"], "unchanged");
    for more in [&[][..], &["--detailed-exitcode"]] {
        let report = json(more, 0);
        assert_eq!((&report["status"], &report["changed"]), (&"unchanged".into(), &false.into()));
    }
    let report = json(&["--diff"], 0);
    assert_eq!(report["diff"]["before"], report["diff"]["after"]);
    assert_eq!(report["diff"]["before"]["serial"], issued_now["diff"]["after"]["serial"]);
    let report = json(&["--force", "--diff", "--detailed-exitcode"], 4);
    assert_eq!(report["status"], "would_renew");
    assert_eq!(report["diff"]["after"]["trust"], "u,u,u");
    let report = json(&["--trust", "u,u,Pu", "--diff", "--detailed-exitcode"], 4);
    assert_eq!(report["status"], "would_update");
    assert_eq!(report["diff"]["after"]["trust"], "u,u,Pu");
    // What a run would fail with, the check fails with.
    assert_eq!(json(&["--dns", "b.example.com"], 16)["error"]["kind"], "differs");
    assert_eq!(json(&["--dns", "b.example.com", "--renew-on-change"], 0)["status"], "would_renew");
    assert_eq!(json(&["--force", "--signer-db", "no-such"], 10)["error"]["kind"], "database");
    // The prediction comes true.
    let report = done(&f, &ca, &["--trust", "u,u,Pu", "--diff"]);
    assert_eq!(report["status"], "updated");
    assert_eq!(report["diff"]["after"]["trust"], "u,u,Pu");
    let report = done(&f, &ca, &["--force", "--diff"]);
    assert_eq!(report["status"], "renewed");
    assert_eq!(report["diff"]["before"]["trust"], "u,u,Pu");
    assert_eq!(report["diff"]["after"]["trust"], "u,u,Pu");
    assert_ne!(report["diff"]["before"]["serial"], report["diff"]["after"]["serial"]);
    assert_eq!(done(&f, &ca, &[])["diff"], Value::Null);
    enroll(&f, &ca.url, "standin-ok", &["--detailed-exitcode"]).exits(2);
}
