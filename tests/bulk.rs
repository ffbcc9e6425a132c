//! Many certificates in one run: killed and repeated, with faults of one line and of all.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use common::Folder;
use common::Said;
use common::stand_in::{StandIn, ec_folder};
use serde_json::Value;

const EC: [&str; 2] = ["--key-type", "ec:nistp256"];

/// Returns the arguments of a run over a file.
fn args<'a>(url: &'a str, file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["bulk", file, "-d", "db", "--password-file", "pw", "--ca", url, "--signer", "agent"];
    [&all[..], &["--profile", "standin-ok"], &EC, more].concat()
}

/// Writes a file with `count` requests, for the nicknames n1, n2….
fn requests(f: &Folder, count: usize) {
    let line = |n| {
        format!(
            "{{\"nickname\": \"n{n}\", \"subject\": \"CN=n{n}.example.com\", \"dns\": [\"n{n}.example.com\"]}}\n"
        )
    };
    f.write("requests.jsonl", (1..=count).map(line).collect::<String>());
}

/// Returns the objects of a JSON Lines output.
fn objects(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns how many certificates with a subject of [`requests`] the CA has issued, and for how many
/// subjects.
fn issued(f: &Folder) -> (usize, usize) {
    let text = String::from_utf8(f.read("ca/issued")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("CN=n")).collect();
    let subjects: std::collections::BTreeSet<_> =
        lines.iter().map(|l| l.split_once("CN=").unwrap().1).collect();
    (lines.len(), subjects.len())
}

/// Asserts that the database has a certificate with its key for each nickname, and no other key.
#[track_caller]
fn complete(f: &Folder, count: usize) {
    let certificates = f.certificates();
    for n in 1..=count {
        assert!(certificates.contains(&format!("n{n} u,u,u")), "n{n}: {certificates:?}");
    }
    let keys = f.certutil(&["-K", "-f", "pw"]);
    assert!(!keys.contains("unfinished"), "{keys}");
    // One more: the agent's.
    assert_eq!(f.keys().len(), count + 1, "{keys}");
}

#[test]
fn a_killed_run_is_completed() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec", "--keep", "yes"]);
    requests(&f, 60);
    let all = args(&ca.url, "requests.jsonl", &["--output", "json"]);
    for lines in [7, 13] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .env("NSS_CMC_CONFIG", "/dev/null")
            .args(&all)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(run.stdout.take().unwrap());
        let mut new = 0;
        // In the middle of others.
        while new < lines {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "{:?}", run.wait());
            new += usize::from(!line.contains("unchanged"));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        out.read_to_end(&mut Vec::new()).unwrap();
    }
    let said = f.nss_cmc(&all).exits(0);
    let objects = objects(&said);
    let (summary, lines) = objects.split_last().unwrap();
    let mut numbers: Vec<u64> = lines.iter().map(|l| l["line"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
    assert_eq!(summary["result"]["requests"], 60);
    assert!(summary["result"]["statuses"]["unchanged"].as_u64().unwrap() >= 20, "{summary}");
    assert_eq!(issued(&f), (60, 60));
    complete(&f, 60);
    let said = f.nss_cmc(&all).exits(0);
    let summary: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(summary["changed"], false, "{summary}");
    assert_eq!(summary["result"]["statuses"], serde_json::json!({ "unchanged": 60 }));
    assert_eq!(issued(&f), (60, 60));
}

/// The CA carries out each second request on a connection, and drops it without a response.
#[test]
fn a_lost_response_is_fetched() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec", "--keep", "drop-done"]);
    requests(&f, 4);
    let said = f.nss_cmc(&args(&ca.url, "requests.jsonl", &["--output", "json"])).exits(0);
    let statuses: Vec<Value> = objects(&said).iter().map(|o| o["status"].clone()).collect();
    assert!(statuses.contains(&"recovered".into()), "{statuses:?}");
    assert_eq!(issued(&f), (4, 4));
    complete(&f, 4);
}

#[test]
fn a_refused_line_stops_no_other() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec", "--keep", "yes"]);
    f.write(
        "requests.csv",
        "nickname,subject,profile,chain_out\n\
         n1,CN=n1,,n1.pem\n\
         n2,CN=n2,standin-refused-bound,\n\
         n3,CN=n3,standin-html,\n\
         n4,CN=n4,,\n",
    );
    let said = f.nss_cmc(&args(&ca.url, "requests.csv", &[])).exits(40);
    assert!(said.out.contains("line 2: \"n1\": issued"), "{}", said.out);
    assert!(said.out.contains("line 5: \"n4\": issued"), "{}", said.out);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    for part in ["line 3: nss-cmc: ", "line 4: nss-cmc: ", "1 failed, 2 issued, 1 rejected"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    common::tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "n1.pem"]);
    // The third one is completed with its key once the CA recovers.
    f.write("requests.csv", "nickname,subject\nn1,CN=n1\nn3,CN=n3\n");
    let keys = f.keys();
    f.nss_cmc(&args(&ca.url, "requests.csv", &[])).exits(0);
    assert_eq!(f.keys(), keys);
}

#[test]
fn a_fault_of_all_lines_stops_the_run() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    requests(&f, 40);
    let before = f.state();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = format!("https://localhost:{closed}");
    let said = f.nss_cmc(&args(&closed, "requests.jsonl", &[])).exits(30);
    assert!(said.err.contains("not tried") && said.err.contains("run the same"), "{}", said.err);
    assert_eq!(f.state(), before);
    f.write_secret("wrong", "wrong\n");
    for (word, other, code) in [("pw", "wrong", 11), ("agent", "nobody", 12)] {
        let all = args(&ca.url, "requests.jsonl", &[]).into_iter();
        let all: Vec<&str> = all.map(|a| if a == word { other } else { a }).collect();
        f.nss_cmc(&all).exits(code);
    }
    assert_eq!(f.state(), before);
    assert_eq!(issued(&f), (0, 0));
}

#[test]
fn nothing_is_done_if_a_line_is_invalid() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let before = f.state();
    f.write("requests.csv", "nickname,subject\nn1,CN=n1\nn2,CN\n");
    let said = f.nss_cmc(&args(&ca.url, "requests.csv", &[])).exits(2);
    assert!(said.err.contains("invalid request in line 3"), "{}", said.err);
    assert_eq!((f.state(), issued(&f)), (before, (0, 0)));
}

#[test]
fn requests_come_from_standard_input_or_a_pipe() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    requests(&f, 2);
    for (file, status) in [("-", "issued"), ("/dev/stdin", "unchanged")] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .env("NSS_CMC_CONFIG", "/dev/null")
            .args(args(&ca.url, file, &["--output", "json"]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = run.stdin.take().unwrap();
        input.write_all(&f.read("requests.jsonl")).unwrap();
        drop(input);
        let done = run.wait_with_output().unwrap();
        assert!(done.status.success(), "{file}");
        let text = String::from_utf8(done.stdout).unwrap();
        let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(summary["result"]["statuses"], serde_json::json!({ status: 2 }));
    }
    let mut run = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    run.current_dir(f.path()).env("NSS_CMC_CONFIG", "/dev/null").args(args(&ca.url, "-", &[]));
    let done = run.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{text}");
    assert!(text.contains("standard input has no requests"), "{text}");
}
