//! Requests that the CA holds back: they are remembered, and asked for, not sent again.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, PASSWORD, Said, tool};
use serde_json::Value;

const JSON: [&str; 2] = ["--output", "json"];

fn arguments<'a>(url: &'a str, profile: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", url];
    args.extend(["--profile", profile, "--signer", "agent"]);
    if !more.contains(&"--csr") {
        args.extend(["--subject", "CN=www.example.com,O=EXAMPLE", "--nickname", "www"]);
        args.extend(["--key-type", "ec:nistp256"]);
    }
    args.extend(more);
    args
}

fn enroll(f: &Folder, url: &str, profile: &str, more: &[&str]) -> Said {
    f.nss_cmc(&arguments(url, profile, more))
}

#[track_caller]
fn report(f: &Folder, ca: &StandIn, profile: &str, more: &[&str], code: i32) -> Value {
    enroll(f, &ca.url, profile, &[more, &JSON].concat()).exits(code).json()
}

fn start(rest: &str) -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec", "--rest", rest]);
    (f, ca)
}

/// Returns the files that remember requests.
fn remembered(f: &Folder) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(f.file("db")).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.to_str().unwrap().contains("pending")).collect()
}

/// Returns how many lines of the CA's log contain a text.
fn logged(f: &Folder, text: &str) -> usize {
    String::from_utf8(f.read("ca.log")).unwrap().lines().filter(|l| l.contains(text)).count()
}

fn issued(f: &Folder) -> usize {
    let text = String::from_utf8(f.read("ca/issued")).unwrap();
    text.lines().filter(|l| l.contains("CN=www.example.com")).count()
}

#[test]
fn a_pending_request_is_asked_for_and_not_sent_again() {
    for rest in ["both", "none"] {
        let (f, ca) = start(rest);
        let keys = f.keys().len();
        let first = report(&f, &ca, "standin-pending-2", &[], 3);
        assert_eq!((&first["status"], &first["failed"]), (&"pending".into(), &false.into()));
        assert_eq!(first["changed"], true);
        assert_eq!(first["result"]["request"], "1");
        assert!(first["result"]["retry_at"].as_str().unwrap().ends_with('Z'), "{first}");
        let files = remembered(&f);
        let id = first["result"]["key_id"].as_str().unwrap();
        assert!(files.len() == 1 && files[0].to_str().unwrap().contains(id), "{files:?}");
        assert!(
            first["error"]["notes"]
                .to_string()
                .contains(files[0].to_str().unwrap().rsplit('/').next().unwrap())
        );
        let mode = std::fs::metadata(&files[0]).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&files[0]).unwrap();
        assert!(!text.contains(PASSWORD), "{text}");
        // A check neither asks nor forgets.
        let check = report(&f, &ca, "standin-pending-2", &["--check"], 0);
        assert_eq!(check["status"], "would_issue");

        let second = report(&f, &ca, "standin-pending-2", &[], 3);
        assert_eq!((&second["status"], &second["changed"]), (&"pending".into(), &false.into()));
        assert_eq!(second["result"]["key_id"], id);
        assert_eq!((remembered(&f), issued(&f)), (files, 0));
        let third = report(&f, &ca, "standin-pending-2", &[], 0);
        assert_eq!(third["status"], "issued", "{third}");
        assert_eq!(third["result"]["key_id"], id);
        assert_eq!((logged(&f, "held back"), logged(&f, "asked for")), (1, 2));
        assert_eq!((issued(&f), f.keys().len()), (1, keys + 1));
        assert!(remembered(&f).is_empty());
        assert_eq!(report(&f, &ca, "standin-pending-2", &[], 0)["status"], "unchanged");
        // A renewal is held back, too; --force does not ask twice either.
        assert_eq!(report(&f, &ca, "standin-pending-1", &["--force"], 3)["changed"], true);
        let renewed = report(&f, &ca, "standin-pending-1", &["--force", "--reuse-key"], 3);
        assert_eq!(renewed["result"]["request"], "3", "another key, another request");
        let renewed = report(&f, &ca, "standin-pending-1", &["--force", "--reuse-key"], 0);
        assert_eq!(renewed["status"], "renewed");
        assert_eq!(renewed["result"]["key_id"], id);
        let renewed = report(&f, &ca, "standin-pending-1", &["--force"], 0);
        assert_eq!(renewed["status"], "renewed");
        assert_eq!((logged(&f, "held back"), issued(&f)), (3, 3));
        assert!(remembered(&f).is_empty());
    }
}

#[test]
fn a_run_may_wait_for_the_certificate() {
    let (f, ca) = start("both");
    let said = enroll(&f, &ca.url, "standin-pending-2", &["--wait", "5m"]).exits(0);
    assert_eq!(said.err.matches("the CA holds back the request 1").count(), 2, "{}", said.err);
    assert!(said.out.starts_with("issued "), "{}", said.out);
    assert_eq!((logged(&f, "held back"), logged(&f, "asked for"), issued(&f)), (1, 2, 1));
    assert!(remembered(&f).is_empty());
}

/// A signal ends the wait at once; the next run goes on.
#[test]
fn an_interrupted_wait_keeps_everything() {
    let (f, ca) = start("both");
    let mut run = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .args(arguments(&ca.url, "standin-pending-6", &["--wait", "1h"]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(run.stderr.take().unwrap());
    // The pause grows to 4 s: the signal comes within it.
    let mut told = 0;
    while told < 3 {
        let mut line = String::new();
        assert!(err.read_line(&mut line).unwrap() > 0, "it ended");
        told += usize::from(line.contains("holds back"));
    }
    let since = Instant::now();
    tool("kill", f.path(), &["-TERM", &run.id().to_string()]);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert_eq!((remembered(&f).len(), f.keys().len()), (1, 2));
    assert!(f.certutil(&["-K", "-f", "pw"]).contains("unfinished request for www"));
    let mut code = 3;
    for _ in 0..6 {
        code = enroll(&f, &ca.url, "standin-pending-6", &[]).code;
        if code == 0 {
            break;
        }
    }
    assert_eq!((code, logged(&f, "held back"), issued(&f)), (0, 1, 1));
}

#[test]
fn a_request_refused_in_the_end_leaves_nothing() {
    let (f, ca) = start("both");
    let before = f.state();
    report(&f, &ca, "standin-pending-1-refused", &[], 3);
    let refused = report(&f, &ca, "standin-pending-1-refused", &[], 40);
    assert_eq!((&refused["status"], &refused["changed"]), (&"rejected".into(), &false.into()));
    assert_eq!((f.state(), remembered(&f)), (before.clone(), vec![]));
    // A refusal that names no request proves nothing: the request stays.
    report(&f, &ca, "standin-pending-1-mute", &[], 3);
    let kept = f.keys();
    report(&f, &ca, "standin-pending-1-mute", &[], 40);
    assert_eq!((f.keys(), remembered(&f).len()), (kept.clone(), 1));
    // The key of an earlier request that is open stays after a refusal.
    std::fs::remove_file(&remembered(&f)[0]).unwrap();
    report(&f, &ca, "standin-pending-1-refused", &[], 3);
    report(&f, &ca, "standin-pending-1-refused", &[], 40);
    assert_eq!((f.keys(), remembered(&f)), (kept, vec![]));
}

/// The time that the CA set is far away: it is not asked, and not sent anything.
#[test]
fn the_ca_is_not_asked_before_its_time() {
    let (f, ca) = start("none");
    report(&f, &ca, "standin-pending", &[], 3);
    let before = logged(&f, "standin-pending");
    for more in [&[][..], &["--wait", "2s"]] {
        let again = report(&f, &ca, "standin-pending", more, 3);
        assert_eq!((&again["changed"], &again["result"]["request"]), (&false.into(), &"17".into()));
    }
    assert_eq!(logged(&f, "standin-pending"), before);
}

#[test]
fn a_request_that_can_not_be_continued_is_told_and_sent_anew() {
    let (f, ca) = start("both");
    let said = |profile: &str, more: &[&str], word: &str| {
        report(&f, &ca, "standin-pending-9", &["--force"], 3);
        let warnings = report(&f, &ca, profile, more, 0)["warnings"].to_string();
        assert!(warnings.contains("cannot continue the pending request"), "{warnings}");
        assert!(warnings.contains(word), "{warnings}");
        assert!(remembered(&f).is_empty());
    };
    said("standin-ok", &["--force"], "CA or profile");
    said("standin-names", &["--force", "--dns", "b.example.com"], "CA or profile");
    let other = ["--force", "--dns", "c.example.com"];
    report(&f, &ca, "standin-pending-9", &["--force"], 3);
    let warned = report(&f, &ca, "standin-pending-9", &other, 3);
    let notes = warned["error"]["notes"].to_string();
    assert!(notes.contains("its subject or names are other ones"), "{notes}");
    // The key is gone, and with it what is remembered.
    let id = warned["result"]["key_id"].as_str().unwrap();
    f.certutil(&["-F", "-k", id, "-f", "pw"]);
    let done = report(&f, &ca, "standin-ok", &["--force"], 0);
    assert!(done["warnings"].to_string().contains("its key is not in the token"), "{done}");
    assert!(remembered(&f).is_empty());
    // A damaged file.
    let id = report(&f, &ca, "standin-pending-9", &["--force"], 3);
    let id = id["result"]["key_id"].as_str().unwrap();
    std::fs::write(f.file(&format!("db/nss-cmc-pending-{id}.ini")), "version=").unwrap();
    let done = report(&f, &ca, "standin-ok", &["--force"], 0);
    assert!(done["warnings"].to_string().contains("cannot read"), "{done}");
}

#[test]
fn an_existing_request_is_asked_for_too() {
    let (f, ca) = start("both");
    let make = ["csr", "create", "-d", "db", "--password-file", "pw", "--out", "r.csr"];
    let what = ["--subject", "CN=www.example.com", "--key-type", "ec:nistp256"];
    f.nss_cmc(&[&make[..], &what].concat()).exits(0);
    let more = ["--csr", "r.csr", "--nickname", "www"];
    assert_eq!(report(&f, &ca, "standin-pending-2", &more, 3)["status"], "pending");
    let more = [&more[..], &["--wait", "1m"]].concat();
    assert_eq!(report(&f, &ca, "standin-pending-2", &more, 0)["status"], "issued");
    assert_eq!((logged(&f, "held back"), issued(&f)), (1, 1));
    assert!(remembered(&f).is_empty());
    // Then another run sends the request again, as every run does.
    assert_eq!(report(&f, &ca, "standin-ok", &more[..4], 0)["status"], "renewed");
}

/// The questions are authenticated as the request was: by the key and the shared secret.
#[test]
fn a_user_with_a_shared_secret_asks_too() {
    let (f, ca) = start("both");
    f.write_secret("secret", "the secret of alice\n");
    let args = ["user", "--dir", "ca", "--uid", "alice", "--secret-file", "secret"];
    tool(program().to_str().unwrap(), f.path(), &args);
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    args.extend(["--profile", "standin-shared-pending-2", "--subject", "CN=alice"]);
    args.extend(["--nickname", "alice", "--key-type", "ec:nistp256"]);
    args.extend(["--identification", "alice", "--shared-secret-file", "secret"]);
    assert!(f.nss_cmc(&args).exits(3).err.contains("(request 1,"));
    f.nss_cmc(&args).exits(3);
    let said = f.nss_cmc(&args).exits(0);
    assert!(said.out.starts_with("issued "), "{}", said.out);
    f.nss_cmc(&args).exits(0);
    assert_eq!((logged(&f, "held back"), logged(&f, "asked for")), (1, 2));
}
