//! `pki` beside the Java CLI on the real Dogtag CA, byte by byte, and the verbs that read its records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::dogtag::{Lab, client_file, folder, helper, installed, java, lab, url};
use common::{Folder, Said, tool};

/// The same command by both; stdout and exit status are the same to the byte, stderr but for the
/// Java runtime's own lines, such as the stack of an exception, which 11.10 prints.
#[track_caller]
fn same(f: &Folder, args: &[&str]) -> Said {
    let args = [&["pki", "-d", "db", "-U", url()], args].concat();
    let (theirs, ours) = (java(f, &args), f.nss_cmc(&args));
    assert_eq!(ours.out, theirs.out, "{args:?}: {}", ours.err);
    assert_eq!(ours.code, theirs.code, "{args:?}: {}", ours.err);
    let first = |err: &str| {
        let extra = ["log4j:", "hint: ", "\tat "];
        let lines = err.lines().filter(|l| !extra.iter().any(|e| l.starts_with(e)));
        lines.map(|l| l.trim_start_matches("java.lang.").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(first(&ours.err), first(&theirs.err), "{args:?}");
    ours
}

/// The names of Java's commands for both versions: 11.10 lacks those without `ca-`.
fn names() -> (&'static str, &'static str) {
    match lab() {
        Lab::V10 => ("cert-find", "cert-show"),
        Lab::V11 => ("ca-cert-find", "ca-cert-show"),
    }
}

/// A certificate in the database, revoked for a compromised key; its serial number.
fn revoked(f: &Folder) -> String {
    let serial = helper(f, "user-cert.sh", &["db", "gone", "CN=gone,O=LAB", "ec:nistp256"]);
    let serial = format!("0x{:x}", serial.trim().parse::<u128>().unwrap());
    let revoke =
        ["revoke", "-d", "db", "--password-file", "pw", "--ca", url(), "--signer", "caadmin"];
    let which = ["--serial", &serial, "--reason", "keyCompromise"];
    f.nss_cmc(&[&revoke[..], &which].concat()).exits(0);
    serial
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn searches_are_the_same() {
    let f = folder("pki-find");
    revoked(&f);
    // Several conditions in a search: each of Java's runs takes seconds.
    let by_whom = ["--revokedBy", "caadmin", "--revokedOnFrom", "2020-01-01", "--size", "2"];
    let issued = ["--issuedBy", "caadmin", "--issuedOnFrom", "2020-01-01", "--size", "3"];
    let valid = ["--validNotAfterTo", "2060-01-01", "--validNotBeforeFrom", "2020-01-01"];
    let long = ["--validityOperation", ">=", "--validityCount", "1", "--validityUnit", "year"];
    let find = names().0;
    // 11.10 returns 500 at most, and Java shows those; ours asks for the rest.
    let large = if lab() == Lab::V10 { "100000" } else { "400" };
    for args in [
        &[find][..],
        &["ca-cert-find", "--size", "5", "--start", "3"],
        &[find, "--size", large],
        &[find, "--name", "caadmin", "--status", "VALID"],
        &[find, "--name", "nobody at all"],
        &[&[find, "--status", "REVOKED"][..], &by_whom].concat(),
        &[find, "--revocationReason", "Key_Compromise"],
        &[&[find, "--minSerialNumber", "3", "--maxSerialNumber", "0xa"][..], &long].concat(),
        &[find, "--email", "caadmin@lab.test"],
        &[find, "--org", "LAB", "--orgUnit", "pki-tomcat", "--matchExactly"],
        &[&[find][..], &issued, &valid].concat(),
        &[find, "--certTypeSSLServer", "on"],
        &[find, "extra"],
        &[find, "--foo"],
        &[find, "--size", "x"],
        &[find, "--revocationReason", "bogus"],
        &["-n", "caadmin", "-c", common::PASSWORD, find, "--size", "1"],
        &["foo"],
    ] {
        if args.contains(&"-c") {
            // What only we say: that the password can be seen.
            let all = [&["pki", "-d", "db", "-U", url()], args].concat();
            assert_eq!(f.nss_cmc(&all).exits(0).out, java(&f, &all).exits(0).out);
        } else {
            same(&f, args);
        }
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn certificates_are_the_same() {
    let f = folder("pki-show");
    let serial = revoked(&f);
    let show = names().1;
    let number = &installed()[3];
    for args in [
        &[show, number][..],
        &["ca-cert-show", &serial],
        &["ca-cert-show", &serial, "--pretty", "--encoded"],
        &["ca-cert-show", "0xfffffff"],
        &[show, "xyz"],
        &[show],
        &["ca-cert-export", number],
        &["ca-cert-signing-show"],
        &["ca-cert-transport-show"],
        &["ca-cert-transport-export", "--pkcs7"],
        &["ca-cert-signing-export"],
    ] {
        same(&f, args);
    }
    // The old names, which Java lacks in 11.10.
    if lab() == Lab::V11 {
        let by = |name: &'static str| ["pki", "-d", "db", "-U", url(), name, number];
        let said = java(&f, &by("cert-show")).exits(255);
        assert!(said.err.contains("Invalid module"), "{}", said.err);
        let said = f.nss_cmc(&by("cert-show")).exits(0);
        assert_eq!(said.out, f.nss_cmc(&by("ca-cert-show")).out);
    }
    for (file, by_java) in [("ours.pem", false), ("java.pem", true)] {
        let args = ["pki", "-d", "db", "-U", url(), show, number, "--output", file];
        if by_java { java(&f, &args) } else { f.nss_cmc(&args) }.exits(0);
    }
    assert_eq!(f.read("ours.pem"), f.read("java.pem"));
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_verbs_read_the_records() {
    let f = folder("ca-verbs");
    let serial = revoked(&f);
    let ca = |words: &[&str]| {
        let at = ["-d", "db", "--password-file", "pw", "--ca", url(), "--output", "json"];
        f.nss_cmc(&[words, &at].concat())
    };
    let all = ca(&["ca", "find"]).exits(0).json();
    let n = all["result"]["certificates"].as_array().unwrap().len();
    // Version 2 of the REST interface tells no total.
    let total = &all["result"]["total"];
    assert_eq!(*total, if lab() == Lab::V10 { n.into() } else { serde_json::Value::Null });
    let one = ca(&["ca", "show", &serial]).exits(0).json();
    assert_eq!(one["result"]["revocation_reason"], "keyCompromise");
    for which in [&["status", "gone"][..], &["status", "--serial", &serial]] {
        let said = ca(which).exits(13).json();
        assert_eq!(said["status"], "revoked", "{which:?}");
        let one = &said["result"]["certificates"][0];
        assert_eq!((&one["has_key"], &one["ocsp_state"]), (&true.into(), &"revoked".into()));
        assert_eq!(one["revocation_reason"], "keyCompromise");
        assert_eq!((&one["ocsp"], &one["ocsp_nonce"]), (&"answered".into(), &true.into()));
    }
    let said = f.nss_cmc(&["status", "gone", "-d", "db"]).exits(13);
    assert!(said.out.contains("\nstate by OCSP: revoked since "), "{}", said.out);
    let said = ca(&["status", "caadmin"]).exits(0).json();
    assert_eq!(said["status"], "valid");
    assert_eq!(said["result"]["certificates"][0]["ocsp_state"], "good");

    // What the administrator reads out is enough to begin with.
    let pem = client_file("ca_signing.pem");
    let args = ["x509", "-noout", "-fingerprint", "-sha256", "-in", pem.to_str().unwrap()];
    let print = tool("openssl", f.path(), &args);
    let print = print.trim().split_once('=').unwrap().1;
    let fresh = Folder::new();
    let at = ["-d", "db", "--password-file", "pw", "--ca", url()];
    fresh.nss_cmc(&[&["ca", "find"], &at[..]].concat()).exits(31);
    let pinned = [&["ca", "chain", "--fingerprint", print, "--trust"], &at[..]].concat();
    fresh.nss_cmc(&pinned).exits(0);
    fresh.nss_cmc(&[&["ca", "transport", "--out", "t.pem"], &at[..]].concat()).exits(0);
    let kra = client_file("kra_transport.pem");
    let der = |file: &str| {
        tool("openssl", fresh.path(), &["x509", "-noout", "-fingerprint", "-in", file])
    };
    assert_eq!(der("t.pem"), der(kra.to_str().unwrap()));
}
