//! Users without an agent, against the stand-in CA: a first certificate by shared secret, an
//! encryption-only certificate in two round trips, and revocation by agent, owner and shared
//! secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::stand_in::{StandIn, folder, program};
use common::{Folder, Said, tool};
use serde_json::Value;

const SECRET: &str = "the secret of alice";
const ALICE: &str = "UID=alice,OU=people,O=STAND-IN";

/// Makes a database, and a CA with the user alice; both secrets are in files.
fn users(options: &[&str]) -> (Folder, StandIn) {
    let f = folder(&[]);
    f.write("secret", format!("{SECRET}\n"));
    f.write("wrong", "another secret\n");
    f.write("non-ascii", "geheimnis für bob\n");
    for (uid, file) in [("alice", "secret"), ("bob", "non-ascii")] {
        let args = ["user", "--dir", "ca", "--uid", uid, "--secret-file", file];
        tool(program().to_str().unwrap(), f.path(), &args);
    }
    let ca = StandIn::start(&f, options);
    (f, ca)
}

fn enroll(f: &Folder, ca: &StandIn, profile: &str, nickname: &str, more: &[&str]) -> Said {
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    args.extend(["--profile", profile, "--subject", "CN=anything", "--nickname", nickname]);
    args.extend(["--output", "json"]);
    args.extend(more);
    f.nss_cmc(&args)
}

fn by_secret(f: &Folder, ca: &StandIn, nickname: &str, more: &[&str]) -> Said {
    let mut all = vec!["--identification", "alice", "--shared-secret-file", "secret"];
    all.extend(more);
    enroll(f, ca, "caFullCMCSharedTokenCert", nickname, &all)
}

fn revoke(f: &Folder, ca: &StandIn, more: &[&str]) -> Said {
    let mut args = vec!["revoke", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    args.extend(["--output", "json"]);
    args.extend(more);
    f.nss_cmc(&args)
}

/// Returns the line of a certificate in the CA's records.
fn record(f: &Folder, serial: &str) -> String {
    let list = tool(program().to_str().unwrap(), f.path(), &["list", "--dir", "ca"]);
    let line = list.lines().find(|l| l.split(' ').next() == Some(serial));
    line.unwrap_or_else(|| panic!("{serial} is not in {list}")).to_owned()
}

fn serial(report: &Value) -> String {
    report["result"]["certificate"]["serial"]["hex"].as_str().unwrap().to_owned()
}

#[track_caller]
fn fails(f: &Folder, said: impl FnOnce() -> Said, code: i32, words: &[&str]) {
    let before = f.state();
    let said = said().exits(code);
    for word in words {
        assert!(said.out.contains(word), "{word:?} is missing in {}", said.out);
    }
    for secret in [SECRET, "another secret", common::PASSWORD] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret));
    }
    f.forget_unfinished(&before, "x");
}

#[test]
fn a_first_certificate_by_shared_secret() {
    let (f, ca) = users(&[]);
    for (nickname, profile, key, more) in [
        ("rsa", "caFullCMCSharedTokenCert", "rsa:2048", &[][..]),
        ("linked", "caFullCMCSharedTokenCert", "rsa:3072", &["--pop-link"]),
        ("ec", "caECFullCMCSharedTokenCert", "ec:nistp256", &[]),
        ("ec521", "caECFullCMCSharedTokenCert", "ec:nistp521", &["--pop-link"]),
    ] {
        let own =
            ["--identification", "alice", "--shared-secret-file", "secret", "--key-type", key];
        let said = enroll(&f, &ca, profile, nickname, &[&own[..], more].concat());
        let report = said.exits(0).json();
        // The subject comes from the CA's directory.
        assert_eq!(report["result"]["certificate"]["subject"], ALICE);
        assert_eq!(report["result"]["has_key"], true);
        assert!(f.certificates().contains(&format!("{nickname} u,u,u")), "{:?}", f.certificates());
    }
}

#[test]
fn two_lines_of_one_descriptor() {
    let (f, ca) = users(&[]);
    f.write("both", format!("{SECRET}\n{}\n", common::PASSWORD));
    let descriptor = "exec \"$0\" \"$@\" 4<both";
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let mut args = vec!["-c", descriptor, program, "enroll", "-d", "db", "--password-fd", "4"];
    args.extend(["--identification", "alice", "--shared-secret-fd", "4", "--ca", &ca.url]);
    args.extend(["--profile", "caFullCMCSharedTokenCert", "--subject", "CN=anything"]);
    args.extend(["--nickname", "alice"]);
    tool("sh", f.path(), &args);
    assert!(f.certificates().contains(&"alice u,u,u".to_owned()), "{:?}", f.certificates());
}

#[test]
fn who_does_not_know_the_secret_gets_nothing() {
    let (f, ca) = users(&[]);
    let profile = "caFullCMCSharedTokenCert";
    let with = |uid: &str, file: &str| {
        let more = ["--identification", uid, "--shared-secret-file", file];
        enroll(&f, &ca, profile, "x", &more)
    };
    let refused = ["badIdentity", "Proof-of-Identification Verification Failed", "shared secret"];
    fails(&f, || with("alice", "wrong"), 40, &refused);
    fails(&f, || with("nobody", "secret"), 40, &refused);
    // A real CA fails with such a secret, although it is the right one.
    fails(&f, || with("bob", "non-ascii"), 2, &["ASCII"]);
    // A search pattern must never reach the directory.
    fails(&f, || with("ali*", "secret"), 2, &["ali*"]);
    fails(&f, || by_secret(&f, &ca, "x", &["--key-type", "ec:nistp256"]), 40, &["Key Type EC"]);
    // An agent's signature gives no subject in this profile.
    let agent = || enroll(&f, &ca, profile, "x", &["--signer", "agent"]);
    fails(&f, agent, 40, &["Subject Name Not Matched"]);
    // A shared secret gives none in a profile that uses the signer's subject.
    let other = || {
        let more = ["--identification", "alice", "--shared-secret-file", "secret"];
        enroll(&f, &ca, "caFullCMCUserSignedCert", "x", &more)
    };
    fails(&f, other, 40, &["Subject Name Not Found"]);
}

#[test]
fn a_ca_that_wants_requests_linked_to_the_secret() {
    let (f, ca) = users(&["--pop-link-required"]);
    let unlinked = ["POP Link Witness Verification Failed", "badRequest"];
    fails(&f, || by_secret(&f, &ca, "x", &[]), 40, &unlinked);
    by_secret(&f, &ca, "rsa", &["--pop-link"]).exits(0);
    let more = ["--identification", "alice", "--shared-secret-file", "secret", "--pop-link"];
    let profile = "caECFullCMCSharedTokenCert";
    let ec = [&more[..], &["--key-type", "ec:nistp256", "--proof-digest", "SHA-512"]].concat();
    enroll(&f, &ca, profile, "ec", &ec).exits(0);
    // An agent's request can't be linked, so such a CA refuses it.
    fails(&f, || enroll(&f, &ca, "caCMCserverCert", "x", &["--signer", "agent"]), 40, &unlinked);
}

#[test]
fn two_trips_for_an_encryption_key() {
    for options in [&[][..], &["--oaep"]] {
        let (f, ca) = users(options);
        by_secret(&f, &ca, "alice", &[]).exits(0);
        let more = ["--signer", "alice", "--encryption-only"];
        let report = enroll(&f, &ca, "caFullCMCUserSignedCert", "alice enc", &more).exits(0).json();
        assert_eq!(report["status"], "issued");
        assert_eq!(report["result"]["certificate"]["subject"], ALICE);
        assert!(f.certificates().contains(&"alice enc u,u,u".to_owned()), "{:?}", f.certificates());
        let log = String::from_utf8(f.read("ca.log")).unwrap();
        let lines: Vec<&str> = log.lines().filter(|l| l.contains("UserSigned")).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].contains("answered with") && lines[1].contains("issued"), "{log}");
        // Agents get a challenge, too.
        let more = ["--signer", "agent", "--encryption-only"];
        enroll(&f, &ca, "caFullCMCUserCert", "agent's", &more).exits(0);
    }
}

/// The second response is compared with the second request.
#[test]
fn the_second_answer_must_fit_too() {
    let (f, ca) = users(&[]);
    let more = ["--signer", "agent", "--encryption-only"];
    for (flaw, words) in [
        ("wrong-nonce", "nonce does not match"),
        ("wrong-transaction", "transaction id does not match"),
        ("no-echoes", "nonce does not match"),
    ] {
        let profile = format!("standin-{flaw}");
        fails(&f, || enroll(&f, &ca, &profile, "x", &more), 42, &[words]);
    }
    let log = String::from_utf8(f.read("ca.log")).unwrap();
    assert_eq!(log.matches(": issued").count(), 3, "{log}");
}

#[test]
fn user_signed_requests() {
    let (f, ca) = users(&[]);
    let first = by_secret(&f, &ca, "alice", &[]).exits(0).json();
    let profile = "caFullCMCUserSignedCert";
    let report = enroll(&f, &ca, profile, "alice 2", &["--signer", "alice"]).exits(0).json();
    // The subject is the signer's, whatever was requested.
    assert_eq!(report["result"]["certificate"]["subject"], ALICE);
    let agents = || enroll(&f, &ca, "caCMCserverCert", "x", &["--signer", "alice"]);
    fails(&f, agents, 40, &["badRequest", "Invalid Credential.", "agent of this CA"]);
    revoke(&f, &ca, &["--nickname", "alice", "--signer", "agent"]).exits(0);
    assert!(record(&f, &serial(&first)).contains("REVOKED 0"));
    let revoked = || enroll(&f, &ca, profile, "x", &["--signer", "alice"]);
    fails(&f, revoked, 40, &["CMC signing cert is a revoked certificate"]);
}

#[test]
fn revocation_by_agent_owner_and_secret() {
    let (f, ca) = users(&[]);
    let mut serials = Vec::new();
    for nickname in ["one", "two", "three", "four"] {
        serials.push(serial(&by_secret(&f, &ca, nickname, &[]).exits(0).json()));
    }
    let status = |said: Said| said.exits(0).json()["status"].as_str().unwrap().to_owned();

    let by_agent = ["--nickname", "one", "--signer", "agent", "--reason", "keyCompromise"];
    assert_eq!(status(revoke(&f, &ca, &by_agent)), "revoked");
    assert!(record(&f, &serials[0]).contains("REVOKED 1"), "{}", record(&f, &serials[0]));
    // Revoking again is no failure.
    revoke(&f, &ca, &by_agent).exits(0);
    assert_eq!(status(revoke(&f, &ca, &["--nickname", "two", "--hold"])), "held");
    assert!(record(&f, &serials[1]).contains("REVOKED 6"), "{}", record(&f, &serials[1]));

    f.write("revocation", "a secret to revoke with\n");
    let keep = ["revocation-secret", "--dir", "ca", "--serial", &serials[2], "--secret-file"];
    tool(program().to_str().unwrap(), f.path(), &[&keep[..], &["revocation"]].concat());
    let issuer = "CN=CA Signing Certificate,O=STAND-IN";
    let secret = |serial: &str, issuer: &str, file: &str| {
        let more = ["--serial", serial, "--issuer", issuer, "--shared-secret-file", file];
        revoke(&f, &ca, &more)
    };
    fails(&f, || secret(&serials[2], issuer, "wrong"), 40, &["badIdentity"]);
    fails(&f, || secret(&serials[3], issuer, "revocation"), 40, &["badIdentity"]);
    fails(&f, || secret(&serials[2], "CN=Another CA", "revocation"), 2, &["CN=Another CA", issuer]);
    assert!(record(&f, &serials[2]).contains("VALID"));
    assert_eq!(status(secret(&serials[2], issuer, "revocation")), "revoked");
    assert!(record(&f, &serials[2]).contains("REVOKED 0"));

    // Another user's certificate, and an unknown serial number.
    let other =
        ["--serial", &serials[3], "--signer", "agent", "--profile", "caFullCMCUserSignedCert"];
    fails(&f, || revoke(&f, &ca, &other), 40, &["principal and signer do not match"]);
    fails(&f, || revoke(&f, &ca, &["--serial", "0x7777", "--signer", "agent"]), 12, &["0x7777"]);
    let unseen = ["--serial", "0x7777", "--signer", "agent", "--allow-unseen"];
    fails(&f, || revoke(&f, &ca, &unseen), 40, &["badCertId"]);
    assert!(record(&f, &serials[3]).contains("VALID"));
}

#[test]
fn challenges_that_are_not_answered() {
    let (f, ca) = users(&[]);
    let more = ["--signer", "agent", "--encryption-only"];
    let unopened = "cannot decrypt the CA's challenge";
    let mut told = std::collections::BTreeSet::new();
    for (flaw, code, words) in [
        ("witness", 20, unopened),
        ("no-witness", 20, unopened),
        ("key", 20, unopened),
        ("short-key", 20, unopened),
        ("iv", 20, unopened),
        ("cut", 20, "missing or truncated"),
        ("empty", 20, "missing or truncated"),
        ("request", 42, "does not match the request"),
        ("no-pop", 20, "no EncryptedPOP"),
        ("no-id", 20, "no responseInfo"),
        ("twice", 20, "EncryptedPOP"),
    ] {
        let profile = format!("standin-pop-{flaw}");
        let before = f.state();
        let report = enroll(&f, &ca, &profile, "x", &more).exits(code).json();
        let message = report["msg"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{flaw}: {message}");
        f.forget_unfinished(&before, "x");
        if words == unopened {
            told.insert(message);
        }
    }
    // Which step failed would help an attacker who wants other data decrypted with the key.
    assert_eq!(told.len(), 1, "{told:?}");
    let log = String::from_utf8(f.read("ca.log")).unwrap();
    assert!(!log.contains("issued"), "{log}");
}

/// The confirmation is authenticated like the request: by shared secret, in a third round trip, and
/// by an agent.
#[test]
fn certificates_are_confirmed_by_the_one_who_asked() {
    let (f, ca) = users(&["--confirm-required"]);
    by_secret(&f, &ca, "alice", &[]).exits(0);
    by_secret(&f, &ca, "linked", &["--pop-link"]).exits(0);
    let more = ["--signer", "alice", "--encryption-only"];
    enroll(&f, &ca, "caFullCMCUserSignedCert", "alice-enc", &more).exits(0);
    enroll(&f, &ca, "caCMCserverCert", "www", &["--signer", "agent"]).exits(0);
    let log = String::from_utf8(f.read("ca.log")).unwrap();
    let confirmed = log.lines().filter(|l| l.contains("confirmed")).count();
    assert_eq!(confirmed, 4, "{log}");
}
