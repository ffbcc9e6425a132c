//! The CA's refusals, and their reasons in the output.

use super::common::dogtag::{folder, helper, http_cfg};
use super::revoke::ISSUER;
use super::two_trips::{PROFILE, first_trip, second_cfg};
use super::{By, FULL, Folder, USER_SIGNED, cfg, crmf, pkcs10, send, shown, user};

/// Sends `cmc.req`; the response must be a refusal with these words.
#[track_caller]
fn refused(f: &Folder, servlet: &str, nickname: Option<&str>, words: &[&str]) {
    send(f, By::Us, servlet, nickname);
    let said = shown(f, By::Us);
    assert_ne!(said.code, 0);
    let all = format!("{}{}", said.out, said.err);
    for word in words {
        assert!(all.contains(word), "{word:?} is missing in\n{all}");
    }
}

fn shared(f: &Folder, id: &str, more: &[&str]) {
    let id = format!("request.privKeyId={id}");
    let lines =
        ["input=@DIR@/p10.req", "request.useSharedSecret=true", "identification.enable=true", &id];
    cfg(f, &[&lines[..], more].concat());
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn proofs_of_identity() {
    let f = folder("refused-identity");
    let id = pkcs10(&f, "ec:nistp256", "CN=anybody,O=LAB");
    let servlet = format!("{FULL}caECFullCMCSharedTokenCert");
    let bad = "after verifyIdentityProofV2";
    for (who, secret) in [("alice", "wrong"), ("nobody", "alicesecret"), ("bob", "bobsecret")] {
        let who = format!("identification={who}");
        let secret = format!("witness.sharedSecret={secret}");
        shared(&f, &id, &["identityProofV2.enable=true", &who, &secret]);
        refused(&f, &servlet, None, &["bad identity", bad]);
    }
    // The right secret, but a MAC that this CA can't compute.
    let line = ["identification=alice", "witness.sharedSecret=alicesecret"];
    let mac = ["identityProofV2.enable=true", "identityProofV2.macAlg=SHA-384-HMAC"];
    shared(&f, &id, &[&line[..], &mac].concat());
    let said = f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    assert!(said.err.contains("cannot verify SHA-384-HMAC"), "{}", said.err);
    refused(&f, &servlet, None, &["bad identity", bad]);
    shared(&f, &id, &line);
    refused(&f, &servlet, None, &["missing Proof of Identification control"]);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn signers_and_bodies() {
    let f = folder("refused-signers");
    user(&f, "mallory", "ec:nistp256");
    user(&f, "trent", "ec:nistp256");
    pkcs10(&f, "ec:nistp256", "CN=mallory,O=LAB");
    cfg(&f, &["nickname=mallory", "input=@DIR@/p10.req"]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    refused(&f, &format!("{FULL}caECFullCMCUserCert"), Some("mallory"), &["Invalid Credential."]);
    let servlet = format!("{USER_SIGNED}caECFullCMCUserSignedCert");
    refused(&f, &servlet, None, &["No Client Certificate Found"]);
    refused(&f, &servlet, Some("trent"), &["SSL client authentication certificate and CMC signer"]);
    let mut bad = f.read("cmc.req");
    *bad.last_mut().unwrap() ^= 1;
    f.write("cmc.req", bad);
    refused(&f, &servlet, Some("mallory"), &["userToken null; verifySignerInfo failure"]);
    f.write("cmc.req", b"garbage");
    let said = f.nss_cmc(&["HttpClient", "http.cfg"]).exits(1);
    assert!(said.out.contains("is an HTML page, not a CMC message"), "{}", said.out);
}

/// The agents' authenticator has one response to everything that is no CMC message; nothing is
/// stored for a servlet that doesn't exist.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn bodies_profiles_and_keys() {
    let f = folder("refused-bodies");
    pkcs10(&f, "ec:nistp384", "CN=bodies,O=LAB");
    cfg(&f, &["nickname=caadmin", "input=@DIR@/p10.req"]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let agent = Some("caadmin");
    for (profile, words) in [
        ("caECFullCMCUserCert", "Key Parameters nistp256,nistp521 Not Matched"),
        ("caFullCMCUserCert", "Key Type RSA Not Matched"),
        ("caNoSuchProfile", "Profile caNoSuchProfile Not Found"),
        // Exists, and is disabled.
        ("caDirPinUserCert", "Profile caDirPinUserCert Not Found"),
    ] {
        refused(&f, &format!("{FULL}{profile}"), agent, &["internal ca error", words]);
    }
    let servlet = format!("{FULL}caECFullCMCUserCert");
    refused(&f, &servlet, None, &["bad request", "Invalid Credential."]);
    let good = f.read("cmc.req");
    for body in [&b""[..], b"garbage", &good[..good.len() / 2], b"-----BEGIN CMS-----\n"] {
        f.write("cmc.req", body);
        refused(&f, &servlet, agent, &["bad request", "Invalid Credential."]);
    }
    f.write("cmc.req", good);
    std::fs::remove_file(f.file("cmc.resp")).unwrap();
    http_cfg(&f, "http.cfg", "/ca/ee/ca/noSuchServlet", agent, ("cmc.req", "cmc.resp"));
    let said = f.nss_cmc(&["HttpClient", "http.cfg"]).exits(1);
    assert!(said.out.contains("HTTP status 404"), "{}", said.out);
    assert!(!f.file("cmc.resp").exists());

    for (key, profile, pop, words) in [
        ("rsa:2048", "caFullCMCUserCert", "POP_FAIL", ["POP failed", "Proof-of-Possession"]),
        (
            "ec:nistp256",
            "caECFullCMCUserCert",
            "POP_NONE",
            ["internal ca error", "Server Internal"],
        ),
    ] {
        crmf(&f, By::Java, key, "CN=bodies,O=LAB", &["-q", pop]);
        cfg(&f, &["nickname=caadmin", "input=@DIR@/crmf.req"]);
        f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
        refused(&f, &format!("{FULL}{profile}"), agent, &words);
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn proofs_of_possession() {
    let f = folder("refused-pop");
    let name = format!("pop{}", std::process::id());
    user(&f, &name, "rsa:2048");
    let id = first_trip(&f, By::Us, &name, false);
    let other = first_trip(&f, By::Us, &name, false);
    // The challenge is for the second key.
    second_cfg(&f, &name, &id, &[]);
    let said = f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(1);
    assert!(said.out.contains("does not match the request"), "{}", said.out);
    assert!(said.out.contains("Oops! witness failed to verify"), "{}", said.out);
    // A changed response is found by its signature.
    second_cfg(&f, &name, &other, &[]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let kept = f.read("cmc.req");
    let mut response = f.read("trip1.resp");
    let middle = response.len() / 2;
    response[middle] ^= 1;
    f.write("trip1.resp", response);
    let said = f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(1);
    assert!(said.out.contains("signature is invalid"), "{}", said.out);
    f.write("cmc.req", &kept);
    let servlet = format!("{USER_SIGNED}{PROFILE}");
    send(&f, By::Us, &servlet, Some(&name));
    shown(&f, By::Us).exits(0);
    // A proof is accepted once.
    f.write("cmc.req", kept);
    refused(&f, &servlet, Some(&name), &["bad request"]);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn revocations() {
    let f = folder("refused-revoke");
    let serial = user(&f, "victim", "ec:nistp256");
    user(&f, "other", "ec:nistp256");
    let revoke = |nickname: &str, serial: &str, more: &[&str]| {
        let nickname = format!("nickname={nickname}");
        let serial = format!("revRequest.serial={serial}");
        let lines = ["revRequest.enable=true", "revRequest.reason=unspecified", &nickname, &serial];
        cfg(&f, &[&lines[..], more].concat());
        f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    };
    let agent = format!("{FULL}caFullCMCUserCert");
    let users = format!("{USER_SIGNED}caFullCMCUserSignedCert");
    revoke("caadmin", "0x7fffffff", &[]);
    refused(&f, &agent, Some("caadmin"), &["bad certificate id"]);
    revoke("other", &serial, &[]);
    refused(&f, &users, Some("other"), &["certificate principal and signer do not match"]);
    let issuer = format!("revRequest.issuer={ISSUER}");
    let wrong = ["revRequest.sharedSecret=wrong", issuer.as_str()];
    revoke("", &serial, &wrong);
    refused(&f, &users, None, &["bad identity"]);
    helper(&f, "revocation-secret.sh", &[&serial, "right"]);
    revoke("", &serial, &wrong);
    refused(&f, &users, None, &["bad identity"]);
    revoke("", &serial, &["revRequest.sharedSecret=right", "revRequest.issuer=CN=Else"]);
    refused(&f, &users, None, &["issuer DN"]);
    revoke("", &serial, &["revRequest.sharedSecret=right", &issuer]);
    refused(&f, &agent, None, &["Invalid Credential."]);
    assert_eq!(helper(&f, "shown.sh", &[&serial]).trim(), "VALID");
}
