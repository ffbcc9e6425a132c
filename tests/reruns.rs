//! Enrolling again under a nickname, and several runs at once: the request is compared with the
//! existing certificate, and only one run sends a request.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::stand_in::{StandIn, folder, program};
use common::{Folder, Said, tool};

const JSON: [&str; 2] = ["--output", "json"];

fn arguments<'a>(url: &'a str, profile: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", url];
    args.extend(["--profile", profile, "--nickname", "www"]);
    args.extend(["--subject", "CN=www.example.com,O=EXAMPLE"]);
    if !more.contains(&"--identification") {
        args.extend(["--signer", "agent"]);
    }
    args.extend(more);
    args
}

fn enroll(f: &Folder, url: &str, profile: &str, more: &[&str]) -> Said {
    f.nss_cmc(&arguments(url, profile, more))
}

/// Returns how many certificates for www the CA has issued.
fn issued(f: &Folder) -> usize {
    let text = String::from_utf8(f.read("ca/issued")).unwrap();
    text.lines().filter(|l| l.contains("CN=www.example.com")).count()
}

fn start() -> (Folder, StandIn) {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    (f, ca)
}

#[test]
fn a_rerun_that_asks_for_something_else_says_so() {
    let (f, ca) = start();
    let ec = ["--key-type", "ec:nistp256"];
    let names = ["--dns", "a.example.com", "--ip", "2001:DB8:0::1", "--email", "Root@example.com"];
    let with = |more: &[&'static str]| [&ec[..], &names, more].concat();
    enroll(&f, &ca.url, "standin-names", &with(&[])).exits(0);
    let before = f.state();
    for more in [&["--dns", "A.example.com"][..], &["--ip", "2001:db8::1"], &[]] {
        let report =
            enroll(&f, &ca.url, "standin-names", &with(&[more, &JSON].concat())).exits(0).json();
        assert_eq!(report["status"], "unchanged", "{more:?}");
    }
    for (more, word) in [
        (with(&["--dns", "b.example.com"]), "DNS:b.example.com"),
        (with(&["--ip", "192.0.2.1"]), "IP:192.0.2.1"),
        ([&["--key-type", "ec:nistp384"][..], &names].concat(), "ec:nistp384"),
        ([&["--key-type", "rsa:2048"][..], &names].concat(), "rsa:2048"),
    ] {
        let said = enroll(&f, &ca.url, "standin-names", &more).exits(16);
        assert!(said.err.contains(word) && said.err.contains("--renew-on-change"), "{}", said.err);
        let report =
            enroll(&f, &ca.url, "standin-names", &[&more[..], &JSON].concat()).exits(16).json();
        assert_eq!(report["error"]["kind"], "differs");
        assert_eq!((&report["failed"], &report["changed"]), (&true.into(), &false.into()));
        assert!(report["result"]["differences"].to_string().contains(word), "{report}");
        assert_eq!(f.state(), before, "{word}");
    }
    assert_eq!(issued(&f), 1);
    // A name that is no longer requested may be the profile's own: it is reported.
    let said = enroll(&f, &ca.url, "standin-names", &[&ec[..], &names[2..]].concat()).exits(0);
    assert!(said.err.contains("DNS:a.example.com"), "{}", said.err);
    // Without --key-type any existing key matches.
    enroll(&f, &ca.url, "standin-names", &names).exits(0);

    let more = with(&["--dns", "b.example.com", "--renew-on-change", "--output", "json"]);
    let report = enroll(&f, &ca.url, "standin-names", &more).exits(0).json();
    assert_eq!(report["status"], "renewed");
    assert!(report["result"]["certificate"]["sans"].to_string().contains("b.example.com"));
    let report = enroll(&f, &ca.url, "standin-names", &more).exits(0).json();
    assert_eq!(report["status"], "unchanged");
    assert_eq!(issued(&f), 2);
    enroll(&f, &ca.url, "standin-names", &with(&["--force"])).exits(0);
    assert_eq!(issued(&f), 3);
}

/// The CA omitted the name, and would again.
#[test]
fn a_name_that_the_profile_never_gives_is_no_loop() {
    let (f, ca) = start();
    let more = ["--key-type", "ec:nistp256", "--dns", "other.example.com"];
    let said = enroll(&f, &ca.url, "standin-ok", &more).exits(0);
    assert!(said.err.contains("DNS:other.example.com"), "{}", said.err);
    let (_, certificates) = f.state();
    let said = enroll(&f, &ca.url, "standin-ok", &more).exits(16);
    assert!(said.err.contains("DNS:other.example.com"), "{}", said.err);
    let change = [&more[..], &["--renew-on-change"]].concat();
    for _ in 0..3 {
        let said = enroll(&f, &ca.url, "standin-ok", &change).exits(16);
        assert!(said.err.contains("DNS:other.example.com"), "{}", said.err);
        assert_eq!(f.certificates(), certificates);
    }
    assert_eq!(issued(&f), 2);
    // Once the profile gives the name, --force gets it.
    enroll(&f, &ca.url, "standin-names", &[&change[..], &["--force"]].concat()).exits(0);
    assert_eq!(issued(&f), 3);
}

#[test]
fn names_may_be_required() {
    let (f, ca) = start();
    let ec = ["--key-type", "ec:nistp256"];
    let before = f.state();
    let more = ["--dns", "other.example.com", "--require-names", "--chain-out", "chain.pem"];
    let said = enroll(&f, &ca.url, "standin-ok", &[&ec[..], &more].concat()).exits(16);
    assert!(said.err.contains("DNS:other.example.com"), "{}", said.err);
    assert!(said.out.contains("BEGIN CERTIFICATE"), "{}", said.out);
    assert!(!f.file("chain.pem").exists());
    assert_eq!(f.certificates(), before.1);
    assert_eq!(f.keys().len(), before.0.len() + 1);
    let list = f.certutil(&["-K", "-f", "pw"]);
    assert!(list.contains("unfinished request for www"), "{list}");
    let all = ["--dns", "www.example.com", "--require-names"];
    enroll(&f, &ca.url, "standin-names", &[&ec[..], &all].concat()).exits(0);
    assert_eq!(f.keys().len(), before.0.len() + 1);
}

/// A CSR made elsewhere requests names and a subject, too.
#[test]
fn what_a_csr_asks_for_is_compared() {
    let (f, ca) = start();
    for (file, format) in [("r.csr", &[][..]), ("r.crmf", &["--crmf"])] {
        let make = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=x.org"];
        let names = ["--key-type", "ec:nistp256", "--dns", "x.org", "--dns", "y.org"];
        f.nss_cmc(&[&make[..], &names, &["--out", file], format].concat()).exits(0);
        let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
        let csr = ["--profile", "standin-ok", "--signer", "agent", "--csr", file];
        let all = [&args[..], &csr, &["--nickname", "x"], &JSON].concat();
        let report = f.nss_cmc(&all).exits(0).json();
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains("DNS:y.org") && !warnings.contains("x.org"), "{report}");
        assert_eq!(report["result"]["subject_replaced"], false);
        let before = f.state();
        let said = f.nss_cmc(&[&all[..], &["--require-names"]].concat()).exits(16);
        assert!(said.json()["result"]["certificate"]["pem"].is_string(), "{}", said.out);
        assert_eq!(f.state(), before);
    }
}

#[test]
fn a_subject_that_the_ca_replaced_is_told() {
    let (f, ca) = start();
    f.write("secret", "the secret of alice\n");
    let args = ["user", "--dir", "ca", "--uid", "alice", "--secret-file", "secret"];
    tool(program().to_str().unwrap(), f.path(), &args);
    let by = ["--identification", "alice", "--shared-secret-file", "secret"];
    let more = [&by[..], &["--key-type", "ec:nistp256"], &JSON].concat();
    let report = enroll(&f, &ca.url, "caECFullCMCSharedTokenCert", &more).exits(0).json();
    assert_eq!(report["result"]["subject_replaced"], true);
    assert!(report["warnings"].to_string().contains("UID=alice"), "{report}");
}

#[test]
fn an_archived_key_is_told_and_the_option_has_one_name() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem"];
    let files = ["-out", "transport.pem", "-subj", "/CN=KRA transport"];
    tool("openssl", f.path(), &[&new[..], &files].concat());
    for option in ["--archive-to", "--transport-cert"] {
        let more = [option, "transport.pem", "--force", "--output", "json"];
        let report = enroll(&f, &ca.url, "caFullCMCUserCert", &more).exits(0).json();
        assert_eq!(report["result"]["archived"], true, "{report}");
    }
    let more = ["--archive-to", "transport.pem", "--force"];
    let said = enroll(&f, &ca.url, "caFullCMCUserCert", &more).exits(0);
    assert!(said.out.contains("archive"), "{}", said.out);
    let report =
        enroll(&f, &ca.url, "caFullCMCUserCert", &["--force", "--output", "json"]).exits(0).json();
    assert_eq!(report["result"]["archived"], false);
    let said = enroll(&f, &ca.url, "caFullCMCUserCert", &["--key-type", "rsa:3072"]).exits(16);
    assert!(said.err.contains("its key is rsa:2048, not rsa:3072"), "{}", said.err);
    let said = enroll(&f, &ca.url, "caFullCMCUserCert", &more[..2]).exits(0);
    assert!(said.err.contains("unknown whether its private key is archived"), "{}", said.err);
    let help = f.nss_cmc(&["enroll", "--help"]).exits(0).out;
    assert!(help.contains("--archive-to") && !help.contains("--transport-cert"), "{help}");
}

#[test]
fn four_runs_at_once_make_one_certificate() {
    let (f, ca) = start();
    let keys = f.keys().len();
    let more = ["--key-type", "ec:nistp256", "--output", "json"];
    let start = |_| {
        Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .args(arguments(&ca.url, "standin-ok", &more))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4).map(start).collect();
    let mut said = Vec::new();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        said.push(report["status"].as_str().unwrap().to_owned());
    }
    said.sort();
    assert_eq!(said, ["issued", "unchanged", "unchanged", "unchanged"]);
    assert_eq!(issued(&f), 1);
    assert_eq!(f.keys().len(), keys + 1);
}

/// The lock is on the folder itself, whoever holds it, and whatever path names it.
#[test]
fn a_run_waits_for_another_one_says_so_and_gives_up() {
    let (f, ca) = start();
    let before = f.state();
    let mut holder = Command::new("flock")
        .current_dir(f.path())
        .args(["db", "sh", "-c", "echo held; read _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = holder.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    assert_eq!(line, "held\n");
    std::os::unix::fs::symlink("db", f.file("other-name")).unwrap();
    let mut more = vec!["--key-type", "ec:nistp256", "--lock-timeout", "1"];
    let said = enroll(&f, &ca.url, "standin-ok", &more).exits(15);
    assert_eq!(said.err.matches("waiting").count(), 1, "{}", said.err);
    more.extend(["-d", "sql:other-name", "--output", "json"]);
    let mut args = arguments(&ca.url, "standin-ok", &more);
    args.drain(1..3);
    let said = f.nss_cmc(&args).exits(15);
    assert_eq!(said.json()["error"]["retryable"], true);
    assert_eq!(f.state(), before);
    assert_eq!(issued(&f), 0);

    let more = ["--key-type", "ec:nistp256", "--lock-timeout", "60"];
    let wait = || {
        let mut waiting = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .args(arguments(&ca.url, "standin-ok", &more))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let err = waiting.stderr.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(err), &mut line).unwrap();
        assert!(line.contains("waiting"), "{line}");
        waiting
    };
    // A signal ends the waiting.
    let mut waiting = wait();
    tool("kill", f.path(), &["-TERM", &waiting.id().to_string()]);
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    // The lock is released while a run waits.
    let mut waiting = wait();
    holder.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(holder.wait().unwrap().success());
    assert!(waiting.wait().unwrap().success());
    assert_eq!(issued(&f), 1);
    // Waiting leaves no file.
    let mut names: Vec<_> = std::fs::read_dir(f.file("db"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["cert9.db", "key4.db", "pkcs11.txt"]);
}
