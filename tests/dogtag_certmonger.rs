//! A real certmonger and the real Dogtag CA.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::certmonger::{self, Daemon, saved, service_database};
use common::dogtag::{client_file, folder, helper, url};
use common::{Folder, tool};

fn start(name: &str) -> (Folder, Daemon) {
    let f = folder(name);
    service_database(&f);
    let daemon = Daemon::start(&f).unwrap_or_else(|| panic!("this test needs certmonger"));
    (f, daemon)
}

#[track_caller]
fn add(daemon: &Daemon, f: &Folder, name: &str, database: &str, more: &[&str]) {
    let args = ["certmonger", "install", "--name", name, "--ca", url(), "--password-file", "pw"];
    daemon.nss_cmc(f, &[&args[..], &["-d", database], more].concat()).exits(0);
}

/// Returns a name that no other run used.
fn unique(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}{}", now.as_millis())
}

/// Checks a certificate that certmonger saved: of the CA, valid there, beside its key. Returns its
/// serial number.
#[track_caller]
fn certified(daemon: &Daemon, f: &Folder, nickname: &str) -> String {
    let tracked = daemon.tracked(f, nickname);
    assert_eq!(tracked.status, "MONITORING", "{tracked:?}");
    f.write("saved.pem", saved(f, nickname));
    let ca = client_file("ca_signing.pem");
    tool("openssl", f.path(), &["verify", "-CAfile", ca.to_str().unwrap(), "saved.pem"]);
    let serial = tool("openssl", f.path(), &["x509", "-noout", "-serial", "-in", "saved.pem"]);
    let serial = format!("0x{}", serial.trim().split_once('=').unwrap().1);
    assert_eq!(helper(f, "shown.sh", &[&serial]).trim(), "VALID");
    let keys = tool("certutil", f.path(), &["-K", "-d", "sql:service", "-f", "pw"]);
    assert!(keys.contains(nickname), "{keys}");
    serial
}

fn named<'a>(db: &'a str, nickname: &'a str) -> [&'a str; 5] {
    ["-d", db, "-n", nickname, "-w"]
}

const AGENT: [&str; 4] = ["--profile", "caCMCserverCert", "--signer", "caadmin"];

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn an_agent_s_certificates() {
    let (f, daemon) = start("certmonger-agent");
    add(&daemon, &f, "cmc", "db", &AGENT);
    let nickname = unique("www");
    daemon.request(&f, "cmc", &nickname, &["-D", "www.example.com"]).exits(0);
    let first = certified(&daemon, &f, &nickname);
    let db = f.file("service").to_str().unwrap().to_owned();
    daemon.getcert("resubmit", &named(&db, &nickname)).exits(0);
    let second = certified(&daemon, &f, &nickname);
    assert_ne!(first, second);
    daemon.getcert("rekey", &named(&db, &nickname)).exits(0);
    assert_ne!(second, certified(&daemon, &f, &nickname));
    let roots = daemon.getcert("list-cas", &["-c", "cmc", "-v"]).exits(0).out;
    assert!(roots.contains("nss-cmc"), "{roots}");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn eight_at_once() {
    let (f, daemon) = start("certmonger-eight");
    add(&daemon, &f, "cmc", "db", &AGENT);
    let names: Vec<String> = (0..8).map(|n| unique(&format!("at-once-{n}-"))).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| daemon.request(&f, "cmc", name, &[]).exits(0));
        }
    });
    let serials: std::collections::BTreeSet<_> =
        names.iter().map(|name| certified(&daemon, &f, name)).collect();
    assert_eq!(serials.len(), 8);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn refusals() {
    let (f, daemon) = start("certmonger-refused");
    add(&daemon, &f, "cmc", "db", &AGENT);
    // Dogtag's word for an unknown profile, and for a constraint, is internalCAError.
    for (profile, word) in [("noSuchProfile", "Not Found"), ("caECFullCMCUserCert", "Rejected")] {
        let nickname = unique("refused");
        daemon.request(&f, "cmc", &nickname, &["-T", profile]).exits(3);
        let tracked = daemon.tracked(&f, &nickname);
        assert_eq!((tracked.status.as_str(), tracked.stuck), ("CA_UNREACHABLE", false));
        let error = tracked.error.unwrap();
        assert!(error.contains("internalCAError") && error.contains(word), "{error}");
    }
    // The agent is no user with a shared secret.
    let nickname = unique("refused");
    helper(&f, "user-cert.sh", &["db", &nickname, &format!("CN={nickname},O=LAB"), "rsa:2048"]);
    add(&daemon, &f, "nobody", "db", &["--profile", "caCMCserverCert", "--signer", &nickname]);
    daemon.request(&f, "nobody", &nickname, &[]).exits(2);
    let tracked = daemon.tracked(&f, &nickname);
    assert_eq!((tracked.status.as_str(), tracked.stuck), ("CA_REJECTED", true), "{tracked:?}");
}

/// A request of ours is never held back by Dogtag, so the cookie is made here: the certificate is
/// found in the CA's records as soon as it is issued.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_poll_finds_the_certificate_in_the_records() {
    let f = folder("certmonger-poll");
    let subject = format!("/O=LAB/CN={}", unique("polled"));
    let key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem"];
    let out = ["-subj", &subject, "-out", "r.csr"];
    tool("openssl", f.path(), &[&["req", "-new"], &key[..], &out].concat());
    tool("openssl", f.path(), &["req", "-in", "r.csr", "-outform", "DER", "-out", "r.der"]);
    let digest = tool("openssl", f.path(), &["dgst", "-sha256", "-r", "r.der"]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let cookie = format!("1:{now}:{}:caCMCserverCert", &digest[..16]);
    let csr = String::from_utf8(f.read("r.csr")).unwrap();
    let (db, pw) = (f.file("db").display().to_string(), f.file("pw").display().to_string());
    let (db, pw) = (format!("--database={db}"), format!("--password-file={pw}"));
    let ca = format!("--ca={}", url());
    let args = [db.as_str(), &pw, &ca, "--profile=caCMCserverCert", "--signer=caadmin"];
    let poll = [("OPERATION", "POLL"), ("CSR", csr.as_str()), ("CA_COOKIE", &cookie)];
    assert_eq!(certmonger::helper(&args, &poll).exits(1).out, format!("{cookie}\n"));
    let issued = certmonger::helper(&args, &[("OPERATION", "SUBMIT"), poll[1]]).exits(0).out;
    assert_eq!(certmonger::helper(&args, &poll).exits(0).out, issued);
    // It is the one to be renewed now.
    let renew = [poll[0], poll[1], poll[2], ("CERTIFICATE", issued.as_str())];
    certmonger::helper(&args, &renew).exits(1);
}

/// The key signs itself: a first certificate by shared secret, renewals by the old certificate, with
/// the same key, and with another one.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_request_s_own_database() {
    let (f, daemon) = start("certmonger-own");
    f.write_secret("secret", "alicesecret\n");
    let ca = client_file("ca_signing.pem");
    let trust = ["-A", "-n", "ca", "-t", "CT,C,C", "-a", "-f", "pw", "-d", "sql:service", "-i"];
    tool("certutil", f.path(), &[&trust[..], &[ca.to_str().unwrap()]].concat());
    let secret = ["--identification", "alice", "--shared-secret-file", "secret"];
    let profile = ["--profile", "caFullCMCSharedTokenCert"];
    let renewal = ["--renewal-profile", "caFullCMCUserSignedCert"];
    add(&daemon, &f, "own", "service", &[&secret[..], &profile, &renewal].concat());
    let nickname = unique("alice");
    daemon.request(&f, "own", &nickname, &[]).exits(0);
    let first = certified(&daemon, &f, &nickname);
    let subject = tool("openssl", f.path(), &["x509", "-noout", "-subject", "-in", "saved.pem"]);
    assert!(subject.contains("alice") && subject.contains("people"), "{subject}");
    let db = f.file("service").to_str().unwrap().to_owned();
    daemon.getcert("rekey", &named(&db, &nickname)).exits(0);
    assert_ne!(first, certified(&daemon, &f, &nickname));
}
