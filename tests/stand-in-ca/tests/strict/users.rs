//! Messages of users: signed with their certificate, signed with the key to be certified, or
//! unsigned.

use openssl::hash::{MessageDigest, hash};
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::message::{
    self, KEY_ID, Message, context, control, integer, octets, oid, pki_data_with, request_key, seq,
    tlv,
};
use crate::server::{Answer, Ca, Holder};
use crate::{DENIED, hex};

const SHARED: &str = "caFullCMCSharedTokenCert";
const SIGNED: &str = "caFullCMCUserSignedCert";
const SECRET: &str = "alice's secret";

/// Starts a CA with the user alice.
fn start() -> Ca {
    let ca = Ca::start();
    ca.command(&["user", "--uid", "alice"], SECRET);
    ca
}

/// Returns identityProofV2 over a request.
fn proof(requests: &[Vec<u8>], mac: MessageDigest, mac_id: &str, secret: &str) -> Vec<u8> {
    let key = hash(MessageDigest::sha256(), format!("{secret}alice").as_bytes()).unwrap();
    let key = PKey::hmac(&key).unwrap();
    let witness = Signer::new(mac, &key).unwrap().sign_oneshot_to_vec(&seq(requests)).unwrap();
    seq(&[seq(&[oid("2.16.840.1.101.3.4.2.1")]), seq(&[oid(mac_id)]), octets(&witness)])
}

const HMAC_SHA256: &str = "1.2.840.113549.2.9";

fn request() -> Vec<u8> {
    let csr = message::csr_with(request_key(), &message::key_id_attribute());
    message::tagged_pkcs10(&integer(1), &csr)
}

fn identification() -> Vec<u8> {
    control(2, 2, &tlv(12, b"alice"))
}

/// Returns the controls of a valid proof.
fn proved() -> Vec<Vec<u8>> {
    let value = proof(&[request()], MessageDigest::sha256(), HMAC_SHA256, SECRET);
    vec![identification(), control(3, 34, &value)]
}

/// Returns a message signed by the key to be certified.
fn own(controls: &[Vec<u8>], request: Vec<u8>) -> Message {
    let holder = Holder { key: request_key().clone(), certificate: placeholder() };
    let mut message = Message::new(&holder);
    message.set_content(pki_data_with(controls, &[request]));
    message.certificates = Vec::new();
    message.sid = tlv(0x80, KEY_ID);
    message
}

/// Returns a certificate that isn't in any message.
fn placeholder() -> openssl::x509::X509 {
    let mut builder = openssl::x509::X509Builder::new().unwrap();
    let serial = openssl::bn::BigNum::from_u32(1).and_then(|n| n.to_asn1_integer()).unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_pubkey(request_key()).unwrap();
    builder.sign(request_key(), MessageDigest::sha256()).unwrap();
    builder.build()
}

#[track_caller]
fn says(answer: &Answer, text: &str, info: u8) {
    assert!(answer.says(text), "{text}: {}", String::from_utf8_lossy(&answer.content));
    // failed, body part 0, and the failInfo after the text.
    let end = format!("0201{info:02x}30003000");
    assert!(hex(&answer.content).ends_with(&end), "{}", hex(&answer.content));
    assert!(hex(&answer.content).contains("0201023003020100"), "{}", hex(&answer.content));
    assert_eq!(answer.certificates.len(), 1);
}

#[test]
fn signed_by_the_key_itself() {
    let ca = start();
    let post = |message: &Message| ca.cmc_for(SHARED, None, &message.der());
    let good = post(&own(&proved(), request()));
    assert_eq!(good.certificates.len(), 2, "{}", String::from_utf8_lossy(&good.content));

    let mut other = own(&proved(), request());
    other.sid = tlv(0x80, b"another identifier");
    says(&post(&other), "verifySelfSignedCMC: Invalid Credential.", 2);
    let mut forged = own(&proved(), request());
    forged.key = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    says(&post(&forged), "encryptedDigest was not the correct signature", 2);
    let bare = message::tagged_pkcs10(&integer(1), message::csr());
    says(&post(&own(&proved(), bare)), "SubjectKeyIdentifierExtension not found", 2);
    // An agent's profile refuses this signer.
    let agents = ca.cmc_for("caFullCMCUserCert", None, &own(&proved(), request()).der());
    assert_eq!(hex(&agents.content), DENIED);
}

#[test]
fn proofs_of_identity() {
    let ca = start();
    let post = |controls: &[Vec<u8>]| ca.cmc_for(SHARED, None, &own(controls, request()).der());
    let with = |value: &[u8]| post(&[identification(), control(3, 34, value)]);
    let requests = [request()];
    let failed = "Proof-of-Identification Verification Failed";
    let verify = &format!("{failed} after verifyIdentityProofV2");
    let sha256 = MessageDigest::sha256();
    says(&with(&proof(&requests, sha256, HMAC_SHA256, "another secret")), verify, 7);
    says(&with(&proof(&[], sha256, HMAC_SHA256, SECRET)), verify, 7);
    let sha384 = proof(&requests, MessageDigest::sha384(), "1.2.840.113549.2.10", SECRET);
    says(&with(&sha384), verify, 7);
    let sha1 = proof(&requests, MessageDigest::sha1(), "1.2.840.113549.2.7", SECRET);
    says(&with(&sha1), verify, 7);
    let sha512 = proof(&requests, MessageDigest::sha512(), "1.2.840.113549.2.11", SECRET);
    assert_eq!(with(&sha512).certificates.len(), 2);

    let good = proved().remove(1);
    for uid in ["ali*", "bob", "../users/alice"] {
        let answer = post(&[control(2, 2, &tlv(12, uid.as_bytes())), good.clone()]);
        says(&answer, verify, 7);
    }
    says(&post(&[good]), "id_cmc_identityProofV2 missing id_cmc_identification", 7);
    says(&post(&[identification()]), &format!("{failed}:not pre-signed CMC request"), 2);
    says(&post(&[control(2, 2, &tlv(12, b""))]), "Invalid Request:", 2);
    says(&post(&[]), "authTokenSharedTokenSN null Rejected - {1}", 11);
}

#[test]
fn signed_by_nobody() {
    let ca = start();
    let unsigned = |controls: &[Vec<u8>], requests: &[Vec<u8>]| {
        let data = octets(&pki_data_with(controls, requests));
        seq(&[oid("1.2.840.113549.1.7.1"), context(0, &data)])
    };
    // Dogtag issues here; clients should not rely on it.
    let enrolment = ca.cmc_for(SHARED, None, &unsigned(&proved(), &[request()]));
    assert_eq!(hex(&enrolment.content), DENIED);
    let revocation = [control(1, 17, &revocation(&ca, &[2], Some("secret")))];
    let agents = ca.cmc_for("caFullCMCUserCert", None, &unsigned(&revocation, &[]));
    assert_eq!(hex(&agents.content), DENIED);
    // The octets of a real Dogtag: refused, no text.
    let refused = ca.cmc_for(SIGNED, None, &unsigned(&revocation, &[]));
    assert_eq!(
        hex(&refused.content),
        "3024301e301c02010106082b06010505070719310d300b020102300302010102010730003000"
    );
}

/// Returns a RevokeRequest for a certificate of the CA.
fn revocation(ca: &Ca, serial: &[u8], passphrase: Option<&str>) -> Vec<u8> {
    let issuer = ca.certificate().subject_name().to_der().unwrap();
    let passphrase = passphrase.map(|p| octets(p.as_bytes())).unwrap_or_default();
    seq(&[issuer, tlv(2, serial), tlv(10, &[1]), passphrase])
}

#[test]
fn users_with_a_certificate() {
    let ca = start();
    let (user, other) = (ca.user("ursula"), ca.user("another"));
    let with = |controls: &[Vec<u8>], requests: &[Vec<u8>]| {
        let mut message = Message::new(&user);
        message.set_content(pki_data_with(controls, requests));
        message
    };
    let post = |client, message: &Message| ca.cmc_for(SIGNED, client, &message.der());
    // A message without controls or requests.
    let nothing = post(Some(&user), &with(&[], &[]));
    assert_eq!(hex(&nothing.content), "3006300030003000");
    let enrolment = with(&[], &[request()]);
    says(&post(None, &enrolment), "No Client Certificate Found", 2);
    says(&post(Some(&other), &enrolment), "certificate and CMC signer do not match", 2);
    let mut spoilt = enrolment.clone();
    spoilt.spoil = true;
    says(&post(Some(&user), &spoilt), "userToken null; verifySignerInfo failure", 2);
    let mut bare = enrolment.clone();
    bare.digest_algorithm = seq(&[oid("2.16.840.1.101.3.4.2.1")]);
    says(&post(Some(&user), &bare), "userToken null; verifySignerInfo failure", 2);

    assert_eq!(post(Some(&user), &enrolment).certificates.len(), 2);
    says(&post(Some(&user), &enrolment), "Outside of Renewal Grace Period", 11);

    // Another user's certificate, a shared secret in a signed message, an unknown serial number.
    let serial = |h: &Holder| h.certificate.serial_number().to_bn().unwrap().to_vec();
    let refuse = |serial: &[u8], passphrase, info: u8, text: &str| {
        let value = revocation(&ca, serial, passphrase);
        let answer = post(Some(&user), &with(&[control(9, 17, &value)], &[]));
        assert!(hex(&answer.content).contains("0201023003020109"), "{}", hex(&answer.content));
        assert!(hex(&answer.content).ends_with(&format!("0201{info:02x}30003000")));
        assert!(answer.says(text));
    };
    refuse(&serial(&other), None, 7, " certificate principal and signer do not match");
    refuse(&serial(&user), Some("secret"), 7, "");
    refuse(&[0x77], None, 4, "");
    let own = control(9, 17, &revocation(&ca, &serial(&user), None));
    let done = post(Some(&user), &with(&[own], &[]));
    assert_eq!(
        hex(&done.content),
        "3021301b301902010106082b06010505070719310a3008020100300302010930003000"
    );
    says(&post(Some(&user), &enrolment), "CMC signing cert is a revoked certificate", 2);
}
