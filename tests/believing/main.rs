//! Verification of responses: who may sign, which certificates are proven, and which are in a
//! chain. OpenSSL makes certificates and messages; the program verifies them with a database made
//! by certutil.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chains;
#[path = "../common/mod.rs"]
mod common;
mod forms;
mod maker;
mod proofs;
mod signers;

use common::{Folder, Said};
use maker::Pair;

/// Makes a database with these certificates: nickname, trust flags, certificate.
fn database(held: &[(&str, &str, &Pair)]) -> Folder {
    let f = Folder::new();
    for (nickname, trust, pair) in held {
        f.write("c.pem", pair.pem());
        f.certutil(&["-A", "-n", nickname, "-t", trust, "-a", "-f", "pw", "-i", "c.pem"]);
    }
    f
}

/// The result of `cmc show` for a response: the signature, why, and each certificate.
struct Verdict {
    signature: String,
    reason: String,
    proven: Vec<bool>,
    /// Exit code with `--verify`.
    code: i32,
}

fn show(f: &Folder, message: &[u8], more: &[&str]) -> Said {
    f.write("r", message);
    f.nss_cmc(&[&["cmc", "show", "r", "-d", "db"], more].concat())
}

#[track_caller]
fn verdict(f: &Folder, message: &[u8]) -> Verdict {
    let shown = show(f, message, &["--output", "json"]).exits(0).json();
    let signature = &shown["result"]["signature"];
    let proven = shown["result"]["certificates_proven"].as_array();
    Verdict {
        signature: signature["result"].as_str().unwrap().to_owned(),
        reason: signature["reason"].as_str().unwrap_or_default().to_owned(),
        proven: proven.into_iter().flatten().map(|c| c["proven"] == true).collect(),
        code: show(f, message, &["--verify"]).code,
    }
}

#[track_caller]
fn judged(what: &str, f: &Folder, message: &[u8], want: &str) -> String {
    let verdict = verdict(f, message);
    assert_eq!(verdict.signature, want, "{what}: {}", verdict.reason);
    let good = want == "good" && verdict.proven.iter().all(|p| *p);
    assert_eq!(verdict.code, if good { 0 } else { 42 }, "{what}: {}", verdict.reason);
    verdict.reason
}

/// Revocation is not checked, although users expect it, so it is reported.
#[test]
fn what_is_not_checked_is_said() {
    let f = Folder::bare();
    for verb in [&["enroll"][..], &["cmc", "show"]] {
        let help = f.nss_cmc(&[verb, &["--help"]].concat()).exits(0);
        let text = help.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = "Not checked: OCSP. CRLs are checked only if they are in the database.";
        assert!(text.contains(said), "{}", help.out);
    }
    let guide = include_str!("../../docs/guide.md");
    assert!(guide.contains("Not checked: OCSP"));
}
