//! The CA's chain from `/cacerts`, pinned by a fingerprint that openssl computes.

use super::common::stand_in::{StandIn, folder};
use super::common::{Folder, Said, tool};

fn fingerprint(f: &Folder) -> String {
    let args = ["x509", "-noout", "-fingerprint", "-sha256", "-in", "ca/ca.pem"];
    tool("openssl", f.path(), &args).trim().split_once('=').unwrap().1.to_owned()
}

fn chain(f: &Folder, more: &[&str]) -> Said {
    f.nss_cmc(&[&["ca", "chain", "--output", "json"], more].concat())
}

#[test]
fn a_fingerprint_begins_the_trust() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    let print = fingerprint(&f);
    // No database is needed, and none that trusts the server.
    let pin = ["--ca", &ca.url, "--fingerprint", &print];
    let out = ["--out", "chain.pem"];
    let report = chain(&f, &[&pin[..], &["--est"], &out].concat()).exits(0).json();
    assert_eq!(report["result"]["vouched_by"], "fingerprint");
    assert_eq!(f.read("chain.pem"), f.read("ca/ca.pem"));
    tool("certutil", f.path(), &["-N", "-d", "sql:.", "-f", "pw"]);
    let into = ["-d", ".", "--password-file", "pw", "--trust", "--nickname", "est ca"];
    let report = chain(&f, &[&pin[..], &["--est=caCMCserverCert"], &into].concat()).exits(0).json();
    assert_eq!(report["status"], "trusted", "{report}");
    let listed = tool("certutil", f.path(), &["-L", "-d", "sql:."]);
    assert!(listed.lines().any(|l| l.starts_with("est ca") && l.ends_with("CT,C,C")), "{listed}");
    // From then on the database vouches; a URL with the path is the same.
    let url = format!("{}/.well-known/est/cacerts", ca.url);
    let report = chain(&f, &["-d", ".", "--ca", &url]).exits(0).json();
    assert_eq!(report["result"]["vouched_by"], "database");
}

#[test]
fn what_a_server_could_foist_on_us() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    let print = fingerprint(&f);
    let other = print.replace(&print[..2], if print.starts_with("00") { "01" } else { "00" });
    let pinned = |label: &str, print: &str| {
        let est = format!("--est={label}");
        chain(&f, &["--ca", &ca.url, &est, "--fingerprint", print])
    };
    // Of several certificates, only the pinned one and those that it signed are the chain.
    let report = pinned("standin-extra", &print).exits(0).json();
    let got = report["result"]["certificates"].as_array().unwrap();
    let last = got.last().unwrap();
    assert_eq!(last["sha256"], print.as_str(), "{report}");
    for (label, print, exit, words) in [
        ("", &other, 13, "no certificate of the CA has the fingerprint"),
        ("standin-forged", &print, 13, "no certificate of the CA has the fingerprint"),
        ("standin-leaf", &print, 32, "presents no CA certificate"),
        ("standin-none", &print, 32, "presents no CA certificate"),
        ("standin-garbage", &print, 32, "not base64 of a CMC message"),
        ("standin-truncated", &print, 32, "not base64 of a CMC message"),
        ("standin-html", &print, 32, "HTML page"),
        ("standin-404", &print, 32, "does not have this operation"),
        ("standin-http500", &print, 32, "failed (HTTP status 500)"),
        ("standin-short", &print, 32, "Content-Length"),
    ] {
        let said = pinned(label, print);
        assert_eq!(said.code, exit, "{label}: {}", said.out);
        let report = said.json();
        assert!(report["msg"].as_str().unwrap().contains(words), "{label}: {}", said.out);
    }
    // Without a fingerprint: what the database trusts, or nothing.
    let trusting = |label: &str| chain(&f, &["-d", "db", "--ca", &ca.url, label]);
    trusting("--est").exits(0);
    let said = trusting("--est=standin-forged");
    assert_ne!(said.code, 0, "{}", said.out);
    let said = chain(&f, &["--ca", &ca.url, "--est"]);
    assert!(said.exits(13).out.contains("no --fingerprint is given"));
}
