//! Interrupted enrollments: no issued certificate is lost, and no key that the CA may have
//! certified. The key stays, labelled with its purpose, and the next run continues with it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::relay::Relay;
use common::stand_in::{StandIn, folder, program};
use common::{Folder, Said, run, tool};

const LABEL: &str = "unfinished request for www";

fn enroll(f: &Folder, url: &str, profile: &str, more: &[&str]) -> Said {
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", url];
    args.extend(["--profile", profile, "--signer", "agent", "--nickname", "www"]);
    args.extend(["--subject", "CN=www.example.com,O=EXAMPLE"]);
    if !more.contains(&"--key-type") {
        args.extend(["--key-type", "ec:nistp256"]);
    }
    args.extend(more);
    f.nss_cmc(&args)
}

const JSON: [&str; 2] = ["--output", "json"];

/// Returns the line of `certutil -K` about a key.
fn listed(f: &Folder, id: &str) -> String {
    let list = f.certutil(&["-K", "-f", "pw"]);
    let line = list.lines().find(|l| l.contains(id));
    line.unwrap_or_else(|| panic!("no key {id} in {list}")).to_owned()
}

fn has_www(f: &Folder) -> bool {
    f.certificates().iter().any(|l| l.starts_with("www "))
}

/// Returns how many certificates for www the CA has issued.
fn issued(f: &Folder) -> usize {
    let text = String::from_utf8(f.read("ca/issued")).unwrap();
    text.lines().filter(|l| l.contains("CN=www.example.com")).count()
}

/// Returns openssl's description of the single PEM certificate on stdout.
fn printed(f: &Folder, said: &Said) -> String {
    f.write("printed.pem", &said.out);
    subject(f, "printed.pem")
}

/// Returns subject and serial number of a certificate, without the blanks that older OpenSSL
/// prints.
fn subject(f: &Folder, file: &str) -> String {
    let text = ["x509", "-in", file, "-noout", "-subject", "-serial"];
    tool("openssl", f.path(), &text).replace(" = ", "=")
}

#[test]
fn once_the_request_has_left_the_key_stays() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec", "--rest", "none"]);
    let before = f.state();
    let mut first = None;
    for (profile, code) in [
        ("standin-reset", 30),
        ("standin-html", 32),
        ("standin-http500", 32),
        ("standin-404", 32),
        ("standin-empty", 32),
        ("standin-garbage", 32),
        ("standin-truncated", 32),
        ("standin-short", 32),
        ("standin-stranger", 42),
        ("standin-wrong-signature", 42),
        ("standin-unsigned", 42),
        ("standin-forged", 42),
        ("standin-other-key", 42),
        ("standin-no-cert", 42),
        ("standin-wrong-nonce", 42),
        ("standin-no-echoes", 42),
        ("standin-refused-elsewhere", 42),
        ("standin-fail-2", 40),
        ("standin-failed-with-certificate", 40),
        ("standin-success-and-failed", 40),
        ("standin-status-99", 40),
        ("standin-pending", 3),
    ] {
        let report = enroll(&f, &ca.url, profile, &JSON).exits(code).json();
        assert_eq!(report["changed"], true, "{profile}: {report}");
        let result = &report["result"];
        let id = result["key_id"].as_str().unwrap_or_else(|| panic!("{profile}: {report}"));
        assert_eq!((&result["nickname"], &result["key_label"]), (&"www".into(), &LABEL.into()));
        let notes = report["error"]["notes"].to_string();
        assert!(notes.contains(id) && notes.contains(LABEL), "{profile}: {notes}");
        assert!(listed(&f, id).contains(LABEL), "{profile}");
        // Each run continues with the first run's key.
        assert_eq!(first.get_or_insert(id.to_owned()), id, "{profile}");
        assert_eq!(f.keys().len(), before.0.len() + 1, "{profile}");
        assert_eq!(f.certificates(), before.1, "{profile}");
        let said = enroll(&f, &ca.url, profile, &[]).exits(code);
        assert!(said.err.contains(id) && said.out.is_empty(), "{profile}: {}", said.err);
    }
}

#[test]
fn only_a_refusal_of_this_very_request_takes_the_key_away() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let before = f.state();
    for profile in ["standin-refused-bound", "standin-status-4"] {
        let report = enroll(&f, &ca.url, profile, &JSON).exits(40).json();
        assert_eq!((&report["changed"], &report["result"]), (&false.into(), &().into()));
        assert_eq!(f.state(), before, "{profile}");
    }
    // A refusal says nothing about an earlier request for the same key.
    enroll(&f, &ca.url, "standin-html", &[]).exits(32);
    let kept = f.keys();
    assert_eq!(kept.len(), before.0.len() + 1);
    let said = enroll(&f, &ca.url, "standin-refused-bound", &[]).exits(40);
    assert!(said.err.contains("certutil -F"), "{}", said.err);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    enroll(&f, &format!("https://localhost:{closed}"), "standin-ok", &[]).exits(30);
    assert_eq!(f.keys(), kept);
}

#[test]
fn a_rerun_goes_on_with_the_key() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let report = enroll(&f, &ca.url, "standin-html", &JSON).exits(32).json();
    let id = report["result"]["key_id"].as_str().unwrap().to_owned();
    let keys = f.keys();
    // Another key type needs another key; the first key is still reported.
    let other = ["--key-type", "ec:nistp384", "--output", "json"];
    let report = enroll(&f, &ca.url, "standin-html", &other).exits(32).json();
    let second = report["result"]["key_id"].as_str().unwrap().to_owned();
    assert!(report["error"]["notes"].to_string().contains(&id), "{report}");
    assert_eq!(f.keys().len(), keys.len() + 1);
    f.certutil(&["-F", "-k", &second, "-f", "pw"]);

    let said = enroll(&f, &ca.url, "standin-ok", &[]).exits(0);
    assert!(said.out.contains("unfinished request") && said.out.contains(&id), "{}", said.out);
    assert_eq!(f.keys(), keys);
    assert!(!listed(&f, &id).contains("unfinished"), "{}", listed(&f, &id));
    let key = f.certutil(&["-L", "-n", "www", "-a"]);
    f.write("www.pem", key);
    assert!(has_www(&f));
    // Such a key is also reported when there is nothing to do.
    f.label(&id, "");
    enroll(&f, &ca.url, "standin-html", &["--force"]).exits(32);
    let report = enroll(&f, &ca.url, "standin-ok", &JSON).exits(0).json();
    assert_eq!(report["status"], "unchanged");
    assert!(report["warnings"].to_string().contains(LABEL), "{report}");
}

/// Runs `enroll` so that the CA issues and the response is lost; returns the key's id.
fn lose(f: &Folder, ca: &StandIn, more: &[&str]) -> String {
    let relay = Relay::start(f, ca, || false);
    let all = [more, &JSON].concat();
    let report = enroll(f, &relay.url, "standin-ok", &all).json();
    assert!(["unreachable", "http"].contains(&report["error"]["kind"].as_str().unwrap()));
    report["result"]["key_id"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned()
}

#[test]
fn a_certificate_that_got_lost_is_fetched() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let keys = f.keys().len();
    let id = lose(&f, &ca, &[]);
    assert_eq!((issued(&f), has_www(&f)), (1, false));
    let more = ["--chain-out", "chain.pem", "--output", "json"];
    let report = enroll(&f, &ca.url, "standin-ok", &more).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"recovered".into(), &true.into()));
    assert_eq!(
        (&report["result"]["key_id"], &report["result"]["has_key"]),
        (&id.as_str().into(), &true.into())
    );
    tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "chain.pem"]);
    assert!(has_www(&f) && !listed(&f, &id).contains("unfinished"), "{}", listed(&f, &id));
    assert_eq!((issued(&f), f.keys().len()), (1, keys + 1));
    enroll(&f, &ca.url, "standin-ok", &[]).exits(0);
    assert_eq!(issued(&f), 1);

    // Another certificate is requested, lost, and left by a run that was killed just before the
    // import.
    let id = lose(&f, &ca, &["--force"]);
    f.label(&id, "www");
    let report =
        enroll(&f, &ca.url, "standin-ok", &["--force", "--output", "json"]).exits(0).json();
    assert_eq!(report["status"], "recovered");
    assert_eq!(report["result"]["key_id"], id.as_str());
    assert_eq!((issued(&f), f.keys().len()), (2, keys + 2));
}

/// A new certificate for the same key is requested when the CA has no records, or the earlier one
/// is revoked.
#[test]
fn a_certificate_that_can_not_be_fetched_is_asked_for_again() {
    let f = folder(&["--key-type", "ec"]);
    for (rest, warned) in [("none", true), ("html", true), ("down", true), ("both", false)] {
        let ca = StandIn::start(&f, &["--server-key-type", "ec", "--rest", rest]);
        let before = issued(&f);
        let id = lose(&f, &ca, &["--force"]);
        if rest == "both" {
            let serial = tool(program().to_str().unwrap(), f.path(), &["list", "--dir", "ca"]);
            let serial = serial.lines().last().unwrap().split(' ').next().unwrap().to_owned();
            let args = ["revoke", "-d", "db", "--password-file", "pw", "--signer", "agent"];
            let what = ["--ca", &ca.url, "--serial", &serial];
            f.nss_cmc(&[&args[..], &what].concat()).exits(0);
        }
        let more = ["--force", "--output", "json"];
        let report = enroll(&f, &ca.url, "standin-ok", &more).exits(0).json();
        let status = if before == 0 { "issued" } else { "renewed" };
        assert_eq!(report["status"], status, "{rest}");
        assert_eq!(report["result"]["key_id"], id.as_str(), "{rest}");
        assert_eq!(report["warnings"].to_string().contains("cannot look up"), warned, "{report}");
        assert_eq!(issued(&f), before + 2, "{rest}");
    }
}

/// The key is deleted, or the token reset, during the exchange.
#[test]
fn a_key_deleted_during_the_exchange_is_missed() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let (before, dir) = (f.state(), f.path().to_owned());
    let agents = before.0.clone();
    let relay = Relay::start(&f, &ca, move || {
        let certutil = |args: &[&str]| {
            let common = ["-d", "sql:db", "-f", "pw"];
            run(Command::new("certutil").current_dir(&dir).args(args).args(common))
        };
        let list = certutil(&["-K"]).out;
        let ids = list.split_whitespace().filter(|w| w.len() == 40);
        for id in ids.filter(|id| !agents.contains(&(*id).to_owned())) {
            certutil(&["-F", "-k", id]).exits(0);
        }
        true
    });
    let said = enroll(&f, &relay.url, "standin-ok", &[]).exits(12);
    assert!(said.err.contains("the CA issued the certificate"), "{}", said.err);
    assert!(printed(&f, &said).contains("CN=www.example.com"), "{}", said.out);
    assert_eq!(f.state(), before);
}

/// The CA issues for another subject than requested, which owns the nickname.
#[test]
fn a_certificate_that_can_not_be_imported_is_given_out() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    enroll(&f, &ca.url, "standin-ok", &[]).exits(0);
    let before = f.state();
    let more = ["--force", "--chain-out", "chain.pem"];
    let said = enroll(&f, &ca.url, "caECFullCMCUserSignedCert", &more).exits(15);
    assert!(said.err.contains("the CA issued the certificate"), "{}", said.err);
    assert!(printed(&f, &said).contains("CN=agent"), "{}", said.out);
    tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "chain.pem"]);
    let text = subject(&f, "chain.pem");
    assert!(text.contains("CN=agent"), "{text}");
    f.forget_unfinished(&before, "www");
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let lost = |args: &[&str]| {
        let shell = ["-c", "exec \"$0\" \"$@\" >/dev/full", program];
        run(Command::new("sh").current_dir(f.path()).args(shell).args(args))
    };
    let arguments = |more: &[&'static str]| {
        let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
        args.extend(["--signer", "agent"]);
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for output in ["text", "json"] {
        let mut args = arguments(&["--profile", "caECFullCMCUserSignedCert", "--nickname", "www"]);
        let what = ["--subject", "CN=www.example.com,O=EXAMPLE", "--key-type", "ec:nistp256"];
        args.extend(what.into_iter().chain(["--force", "--output", output]).map(str::to_owned));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        // Without a usable stdout it is on stderr.
        let said = lost(&args).exits(15);
        assert!(said.err.contains("BEGIN CERTIFICATE"), "{output}: {}", said.err);
        f.forget_unfinished(&before, "www");
    }

    // Without a usable file it is printed.
    let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let files = ["-keyout", "k.pem", "-out", "r.pem", "-subj", "/CN=else"];
    tool("openssl", f.path(), &[&new[..], &files].concat());
    let args = arguments(&["--profile", "standin-ok", "--csr", "r.pem"]);
    let said = f.nss_cmc(&args).exits(0);
    assert!(printed(&f, &said).contains("CN=else"), "{}", said.out);
    assert_eq!(said.out.matches("BEGIN CERTIFICATE").count(), 2, "{}", said.out);
    let json = [args.clone(), JSON.map(str::to_owned).to_vec()].concat();
    let report = f.nss_cmc(&json).exits(0).json();
    let pem = report["result"]["certificate"]["pem"].as_str().unwrap();
    assert!(pem.contains("BEGIN CERTIFICATE"), "{report}");
    assert_eq!(report["result"]["chain"].as_array().unwrap().len(), 1, "{report}");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = lost(&args).exits(21);
    assert!(said.err.contains("BEGIN CERTIFICATE"), "{}", said.err);
}

/// The certificate is imported and its key in use, so a failure to write its chain keeps no label.
#[test]
fn what_fails_after_the_import_leaves_no_label() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let place: PathBuf = f.file("out");
    std::fs::create_dir(&place).unwrap();
    let relay = Relay::start(&f, &ca, move || std::fs::remove_dir_all(&place).is_ok());
    let keys = f.keys();
    let said = enroll(&f, &relay.url, "standin-ok", &["--chain-out", "out/chain.pem"]).exits(21);
    assert!(has_www(&f));
    assert!(printed(&f, &said).contains("CN=www.example.com"), "{}", said.out);
    let list = f.certutil(&["-K", "-f", "pw"]);
    assert!(!list.contains("unfinished"), "{list}");
    assert_eq!(f.keys().len(), keys.len() + 1);
    assert_eq!(issued(&f), 1);
}

/// The label of a run that was killed after the import.
#[test]
fn a_rerun_mends_the_label_of_a_key_in_use() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let report = enroll(&f, &ca.url, "standin-ok", &JSON).exits(0).json();
    let id = report["result"]["key_id"].as_str().unwrap();
    f.label(id, LABEL);
    assert!(listed(&f, id).contains("unfinished"));
    let report = enroll(&f, &ca.url, "standin-ok", &JSON).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"updated".into(), &true.into()));
    assert!(!listed(&f, id).contains("unfinished"));
    let report = enroll(&f, &ca.url, "standin-ok", &JSON).exits(0).json();
    assert_eq!(report["status"], "unchanged");
    assert_eq!(issued(&f), 1);
}
