//! The CA's refusals of the modern commands: the reason in text and JSON, the exit code of the
//! table, and an unchanged database.

use super::common::der::{DecryptedPop, PkiData, SignedData, decode, oid};
use super::common::dogtag::{Lab, folder, helper, lab, url};
use super::modern::unique;
use super::two_trips::{PROFILE, first_trip, second_cfg};
use super::{By, Folder, USER_SIGNED, cfg, old_name, pkcs10, send, shown, user, verb};

/// Checks that the command is refused with this failInfo and text.
#[track_caller]
fn refused(f: &Folder, name: &str, args: &[&str], info: &str, text: &str) {
    let before = f.state();
    let report = verb(f, name, args).exits(40).json();
    let error = &report["error"];
    assert_eq!((&report["failed"], &report["status"]), (&true.into(), &"rejected".into()));
    assert_eq!((&error["kind"], &error["exit"]), (&"rejected".into(), &40.into()), "{report}");
    assert_eq!(error["cmc"]["status"], "failed", "{report}");
    assert_eq!(error["cmc"]["fail_info"], info, "{report}");
    let said = error["cmc"]["text"].as_str().unwrap_or_default();
    assert!(said.contains(text), "{text:?} is missing in {report}");
    let msg = report["msg"].as_str().unwrap();
    assert!(msg.contains(info) && msg.contains(text), "{msg}");
    f.forget_unfinished(&before, "x");
}

/// Checks a usage error: nothing is sent or made.
#[track_caller]
fn unsent(f: &Folder, name: &str, args: &[&str], exit: i32, words: &str) {
    let before = f.state();
    let report = verb(f, name, args).exits(exit).json();
    assert!(report["error"]["cmc"].is_null(), "{report}");
    assert!(report["msg"].as_str().unwrap().contains(words), "{words:?}: {report}");
    assert_eq!(f.state(), before);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn identities() {
    let f = folder("modern-refused-identity");
    let bad = "after verifyIdentityProofV2";
    let enroll = |id: &'static str| {
        let who = ["--profile", "caECFullCMCSharedTokenCert", "--identification", id];
        let what = ["--subject", "CN=x", "--nickname", "x", "--key-type", "ec:nistp256"];
        [&who[..], &["--shared-secret-file", "secret"], &what].concat()
    };
    for (id, secret) in [("alice", "wrong"), ("nobody", "alicesecret"), ("bob", "bobsecret")] {
        f.write("secret", format!("{secret}\n"));
        refused(&f, "enroll", &enroll(id), "badIdentity", bad);
    }
    f.write("secret", "alicesecret\n");
    unsent(&f, "enroll", &enroll("ali*"), 2, "LDAP filters");
    f.write("secret", "\n");
    unsent(&f, "enroll", &enroll("alice"), 2, "empty");
    // The text output has the same words, and one hint.
    f.write("secret", "wrong\n");
    let args = [&["enroll", "-d", "db", "--password-file", "pw"][..], &enroll("alice")].concat();
    let said = f.nss_cmc(&[&args[..], &["--ca", url()]].concat()).exits(40);
    let lines = said.err.lines().filter(|l| !l.starts_with("nss-cmc: warning: other users"));
    assert!(said.out.is_empty() && lines.count() == 3, "{}", said.err);
    assert!(said.err.contains("badIdentity") && said.err.contains(bad), "{}", said.err);
    assert!(said.err.contains("hint: check the uid, the shared secret"), "{}", said.err);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn signers_profiles_and_keys() {
    let f = folder("modern-refused-signers");
    user(&f, "mallory", "ec:nistp256");
    let enroll = |signer: &'static str, profile: &'static str, key: &'static str, subject| {
        let who = ["--profile", profile, "--signer", signer, "--key-type", key];
        [&who[..], &["--subject", subject, "--nickname", "x"]].concat()
    };
    let any = "CN=x,O=LAB";
    for (args, info, text) in [
        (
            enroll("mallory", "caECFullCMCUserCert", "ec:nistp256", any),
            "badRequest",
            "Invalid Credential.",
        ),
        (
            enroll("caadmin", "caCMCECCserverXert", "ec:nistp256", any),
            "internalCAError",
            "Profile caCMCECCserverXert Not Found",
        ),
        // A profile that exists and is disabled.
        (
            enroll("caadmin", "caDirPinUserCert", "rsa:2048", any),
            "internalCAError",
            "Profile caDirPinUserCert Not Found",
        ),
        (
            enroll("caadmin", "caFullCMCUserCert", "ec:nistp256", any),
            "internalCAError",
            "Key Type RSA Not Matched",
        ),
        (
            enroll("caadmin", "caECFullCMCUserCert", "rsa:2048", any),
            "internalCAError",
            "Key Type EC Not Matched",
        ),
        (
            enroll("caadmin", "caECFullCMCUserCert", "ec:nistp384", any),
            "internalCAError",
            "Key Parameters nistp256,nistp521 Not Matched",
        ),
        (
            enroll("caadmin", "caCMCsubsystemCert", "rsa:2048", "O=LAB"),
            "internalCAError",
            "Subject Name Not Matched",
        ),
        // A profile without authenticator gets an unsigned request.
        (
            enroll("caadmin", "caServerCert", "rsa:2048", any),
            "badRequest",
            "missing Proof of Identification control",
        ),
    ] {
        refused(&f, "enroll", &args, info, text);
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn possession() {
    let f = folder("modern-refused-pop");
    let common = ["csr", "create", "-d", "db", "--password-file", "pw", "--crmf"];
    for (key, profile, pop, info, text) in [
        (
            "rsa:2048",
            "caFullCMCUserCert",
            "fail",
            "popFailed",
            "Proof-of-Possession Verification Failed",
        ),
        ("ec:nistp256", "caECFullCMCUserCert", "none", "internalCAError", "Server Internal Error"),
    ] {
        let create = ["--subject", "CN=pop", "--key-type", key, "--pop", pop, "--out", "r.req"];
        f.nss_cmc(&[&common[..], &create].concat()).exits(0);
        let args = ["--profile", profile, "--signer", "caadmin", "--csr", "r.req"];
        refused(&f, "enroll", &args, info, text);
    }
    let ec = ["--encryption-only", "--key-type", "ec:nistp256", "--signer", "caadmin"];
    let what = ["--profile", PROFILE, "--subject", "CN=x", "--nickname", "x"];
    unsent(&f, "enroll", &[&ec[..], &what].concat(), 2, "RSA");
}

/// A changed proof with a valid signature, by either implementation; the right one is still
/// accepted, and only once.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_decrypted_pop_that_is_wrong() {
    let f = folder("modern-refused-trip2");
    let name = unique("pop");
    user(&f, &name, "rsa:2048");
    let id = first_trip(&f, By::Us, &name, false);
    second_cfg(&f, &name, &id, &[]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let good = f.read("cmc.req");
    let data: PkiData = decode(&SignedData::of(&good).content());
    let control = data.control_sequence.iter().find(|c| *c.attr_type == *oid::CMC_DECRYPTED_POP);
    let values = control.unwrap().attr_values.to_vec();
    let pop: DecryptedPop = decode(values[0].as_bytes());
    let at = good.windows(32).position(|w| w == &pop.the_pop[..]).unwrap();
    let mut bad = good.clone();
    bad[at] ^= 1;
    f.write("bad.req", bad);
    let nickname = format!("nickname={name}");
    let lines = [nickname.as_str(), "format=test_cmc", "numRequests=1", "input=@DIR@/bad.req"];
    cfg(&f, &lines);
    let args = ["cmc.req", "--profile", PROFILE, "--signer", &name, "--out", "resp"];
    for by in [By::Java, By::Us] {
        old_name(&f, by, &["CMCRequest", "req.cfg"]).exits(0);
        refused(&f, "cmc send", &args, "popFailed", "DecryptedPOP failed to verify");
    }
    send(&f, By::Us, &format!("{USER_SIGNED}{PROFILE}"), Some(&name));
    let said = shown(&f, By::Us).exits(1);
    assert!(said.out.contains("failInfo=POP failed"), "{}", said.out);

    f.write("cmc.req", &good);
    verb(&f, "cmc send", &args).exits(0);
    let report = verb(&f, "cmc send", &args).exits(40).json();
    let text = report["error"]["cmc"]["text"].as_str().unwrap();
    let words = match lab() {
        Lab::V10 => "Renewal Grace Period",
        Lab::V11 => "existing cert with same key found",
    };
    assert!(text.contains(words), "{report}");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn messages_and_clients() {
    let f = folder("modern-refused-send");
    let users = "caECFullCMCUserSignedCert";
    user(&f, "ulf", "ec:nistp256");
    user(&f, "trent", "ec:nistp256");
    pkcs10(&f, "ec:nistp256", "CN=ulf,O=LAB");
    cfg(&f, &["nickname=ulf", "input=@DIR@/p10.req"]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let none = ["cmc.req", "--profile", users, "--out", "resp"];
    refused(&f, "cmc send", &none, "badRequest", "No Client Certificate Found");
    let other = [&none[..], &["--signer", "trent"]].concat();
    refused(&f, "cmc send", &other, "badRequest", "certificate and CMC signer do not match");
    let owner = [&none[..], &["--signer", "ulf"]].concat();
    let good = f.read("cmc.req");
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    f.write("cmc.req", bad);
    refused(&f, "cmc send", &owner, "badRequest", "verifySignerInfo failure");
    let agents = ["cmc.req", "--profile", "caFullCMCUserCert", "--signer", "caadmin", "--out", "r"];
    refused(&f, "cmc send", &agents, "badRequest", "Invalid Credential.");
    // A file that is no CMC request isn't sent.
    for bytes in [&b""[..], b"garbage", &good[..good.len() / 2], &f.read("resp")] {
        f.write("cmc.req", bytes);
        std::fs::remove_file(f.file("resp")).ok();
        unsent(&f, "cmc send", &owner, 20, "");
        assert!(!f.file("resp").exists());
    }
    f.write("cmc.req", good);
    let missing = &format!("{}/ca/ee/ca/noSuchServlet", url());
    let args = ["cmc", "send", "-d", "db", "--password-file", "pw", "--ca", missing];
    let said = f.nss_cmc(&[&args[..], &owner, &["--output", "json"]].concat()).exits(32);
    assert_eq!(said.json()["error"]["http"]["status"], 404);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn revocations() {
    let f = folder("modern-refused-revoke");
    let serial = user(&f, "victim", "ec:nistp256");
    user(&f, "mallory", "ec:nistp256");
    f.write("victim.pem", f.certutil(&["-L", "-n", "victim", "-a"]));
    f.write("secret", "wrong\n");
    helper(&f, "revocation-secret.sh", &[&serial, "right"]);
    let mismatch = "certificate principal and signer do not match";
    let unknown = ["--signer", "caadmin", "--serial", "0x7fffffff"];
    unsent(&f, "revoke", &unknown, 12, "0x7fffffff");
    let unseen = [&unknown[..], &["--allow-unseen"]].concat();
    refused(&f, "revoke", &unseen, "badCertId", "");
    let others = ["--signer", "mallory", "--cert", "victim.pem"];
    refused(&f, "revoke", &others, "badRequest", "Invalid Credential.");
    let users = [&others[..], &["--profile", "caFullCMCUserSignedCert"]].concat();
    refused(&f, "revoke", &users, "badIdentity", mismatch);
    let report = verb(&f, "revoke", &users).exits(40).json();
    assert!(report["error"]["hint"].as_str().unwrap().contains("only the owner"), "{report}");
    let secret = ["--cert", "victim.pem", "--shared-secret-file", "secret"];
    refused(&f, "revoke", &secret, "badIdentity", "");
    f.write("secret", "right\n");
    let issuer = ["--serial", &serial, "--issuer", "CN=Else", "--shared-secret-file", "secret"];
    unsent(&f, "revoke", &issuer, 2, "does not match");
    let agents = [&secret[..], &["--profile", "caFullCMCUserCert"]].concat();
    refused(&f, "revoke", &agents, "badRequest", "Invalid Credential.");
    unsent(&f, "revoke", &["--nickname", "nobody"], 12, "nobody");
    unsent(&f, "revoke", &["--signer", "caadmin", "--cert", "gone.pem"], 20, "gone.pem");
    unsent(&f, "revoke", &["--signer", "caadmin", "--serial", "1f"], 2, "invalid serial number");
    let name = ["--signer", "caadmin", "--serial", "31", "--reason", "boredom"];
    unsent(&f, "revoke", &name, 2, "invalid revocation reason");
    unsent(&f, "revoke", &["--serial", "31"], 2, "no signer and no shared secret given");
    unsent(&f, "revoke", &["--serial", "31", "--shared-secret-file", "secret"], 2, "issuer");
    let release = ["--signer", "caadmin", "--serial", "0x7fffffff", "--release"];
    unsent(&f, "revoke", &release, 12, "0x7fffffff");
    assert_eq!(helper(&f, "shown.sh", &[&serial]).trim(), "VALID");
}
