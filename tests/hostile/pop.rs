//! Challenges that no CA should send.

use nss_cmc::cmc::pop::{Challenge, Reading};
use nss_cmc::cmc::response;
use nss_cmc::error::{Kind, Result};
use rasn::types::Oid;

use crate::common::der::{oid, pem, split_tlv};
use crate::message::{answer, content_info, control, id, int, seq, set, status, tlv};
use crate::shown;

/// The parts of an EncryptedPOP and of its EnvelopedData.
#[derive(Clone)]
struct Pop {
    request: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    content_type: &'static Oid,
    content_algorithm: Vec<u8>,
    content: Vec<u8>,
    pop_algorithm: Vec<u8>,
    witness_algorithm: Vec<u8>,
    witness: Vec<u8>,
}

fn algorithm(oid: &Oid, parameters: &[u8]) -> Vec<u8> {
    seq(&[id(oid), parameters.to_vec()])
}

fn key_transport(encrypted_key: &[u8]) -> Vec<u8> {
    let sid = seq(&[seq(&[]), int(0)]);
    seq(&[int(0), sid, algorithm(oid::RSA_ENCRYPTION, &[5, 0]), tlv(4, encrypted_key)])
}

impl Pop {
    /// Returns a challenge as Dogtag makes it.
    fn good() -> Pop {
        let recorded =
            format!("{}/tests/vectors/06a-encrypted-pop-1/crmf.req", env!("CARGO_MANIFEST_DIR"));
        let crmf = pem::to_der(&std::fs::read(recorded).unwrap());
        let mut request = split_tlv(&crmf).unwrap().1.to_vec();
        request[0] = 0xa1;
        Pop {
            request,
            recipients: vec![key_transport(&[7; 256])],
            content_type: oid::ID_ENVELOPED_DATA,
            content_algorithm: algorithm(oid::AES128_CBC, &tlv(4, &[1; 16])),
            content: tlv(0x80, &[9; 64]),
            pop_algorithm: algorithm(oid::AES128_CBC, &tlv(4, &[2; 16])),
            witness_algorithm: algorithm(oid::SHA256, &[]),
            witness: vec![3; 32],
        }
    }

    fn control(&self) -> Vec<u8> {
        let content =
            seq(&[id(oid::ID_DATA), self.content_algorithm.clone(), self.content.clone()]);
        let enveloped = seq(&[int(0), set(&self.recipients), content]);
        let value = seq(&[
            self.request.clone(),
            content_info(self.content_type, &enveloped),
            self.pop_algorithm.clone(),
            self.witness_algorithm.clone(),
            tlv(4, &self.witness),
        ]);
        control(oid::CMC_ENCRYPTED_POP, &[value])
    }
}

fn wanted() -> Vec<u8> {
    control(oid::CMC_STATUS_INFO_V2, &[status(6, &[int(8)])])
}

fn registration(octets: &[u8]) -> Vec<u8> {
    control(oid::CMC_RESPONSE_INFO, &[tlv(4, octets)])
}

fn challenge(controls: &[Vec<u8>]) -> Result<Challenge> {
    let der = answer(controls);
    shown(&der);
    Challenge::from_response(&response::parse(&der)?)
}

#[test]
fn the_three_controls() {
    let pop = Pop::good().control();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let controls = [pop.clone(), wanted(), registration(&[0x23])];
        let controls = order.map(|i| controls[i].clone());
        assert_eq!(challenge(&controls).unwrap().request_id(), "35");
    }
    for (what, controls, words) in [
        ("no EncryptedPOP", vec![wanted(), registration(&[1])], "no EncryptedPOP"),
        ("no responseInfo", vec![pop.clone(), wanted()], "no responseInfo"),
        (
            "a responseInfo of another type",
            vec![pop.clone(), wanted(), control(oid::CMC_RESPONSE_INFO, &[int(1)])],
            "responseInfo",
        ),
        (
            "an EncryptedPOP without value",
            vec![control(oid::CMC_ENCRYPTED_POP, &[]), wanted(), registration(&[1])],
            "no EncryptedPOP",
        ),
    ] {
        let e = challenge(&controls).expect_err(what);
        assert_eq!(e.kind(), Kind::Input, "{what}");
        assert!(e.to_string().contains(words), "{what}: {e}");
    }
    // A failure in addition to the challenge counts.
    let failed = control(oid::CMC_STATUS_INFO_V2, &[status(2, &[int(9)])]);
    let e = challenge(&[pop.clone(), wanted(), registration(&[1]), failed]).unwrap_err();
    assert_eq!(e.kind(), Kind::Rejected);
    // The first of several counts: there was one request.
    let other = Pop { request: tlv(0xa0, &int(1)), ..Pop::good() };
    let two = challenge(&[pop, other.control(), wanted(), registration(&[1])]).unwrap();
    assert!(!two.request().spki().is_empty());
}

#[test]
fn request_ids() {
    for (octets, want) in [
        (vec![], "0"),
        (vec![0x80], "128"),
        (vec![0xff; 16], "340282366920938463463374607431768211455"),
        ([&[0][..], &[0xff; 16]].concat(), "340282366920938463463374607431768211455"),
    ] {
        let made = challenge(&[Pop::good().control(), wanted(), registration(&octets)]).unwrap();
        assert_eq!(made.request_id(), want);
        assert_eq!(made.registration, octets);
    }
    // Decimal digits of this number would take minutes.
    let made = challenge(&[Pop::good().control(), wanted(), registration(&vec![0x7f; 4 << 20])]);
    assert!(made.unwrap().request_id().starts_with("0x7f7f"));
}

#[test]
fn envelopes() {
    let of = |change: &dyn Fn(&mut Pop)| {
        let mut pop = Pop::good();
        change(&mut pop);
        challenge(&[pop.control(), wanted(), registration(&[1])])
    };
    let fails = |what: &str, result: Result<Vec<u8>>| {
        let e = result.expect_err(what);
        assert!(e.to_string().starts_with("cannot use the CA's response"), "{what}: {e}");
    };
    assert_eq!(of(&|_| {}).unwrap().wrapped_key().unwrap(), [7; 256]);
    assert!(
        of(&|p| p.content_type = oid::ID_DATA).unwrap_err().to_string().contains("EnvelopedData")
    );

    let agreement = tlv(
        0xa1,
        &[int(3), tlv(0xa0, &tlv(0xa1, &[])), algorithm(oid::ID_DATA, &[]), seq(&[])].concat(),
    );
    let kek = tlv(
        0xa2,
        &[int(4), seq(&[tlv(4, b"k")]), algorithm(oid::AES128_WRAP, &[]), tlv(4, b"k")].concat(),
    );
    let password = tlv(0xa3, &[int(0), algorithm(oid::AES128_WRAP, &[]), tlv(4, b"k")].concat());
    for (what, recipients) in [
        ("nobody", vec![]),
        ("key encryption key", vec![kek.clone()]),
        ("password", vec![password.clone()]),
        ("key agreement", vec![agreement]),
    ] {
        match of(&|p| p.recipients = recipients.clone()) {
            Ok(challenge) => fails(what, challenge.wrapped_key()),
            Err(e) => assert!(e.to_string().contains("EnvelopedData"), "{what}: {e}"),
        }
    }
    let many =
        of(&|p| p.recipients = vec![kek.clone(), key_transport(b"first"), key_transport(b"x")]);
    assert_eq!(many.unwrap().wrapped_key().unwrap(), b"first");
    // Any length: the token checks it.
    assert_eq!(
        of(&|p| p.recipients = vec![key_transport(b"")]).unwrap().wrapped_key().unwrap(),
        b""
    );

    for (what, content) in
        [("absent", vec![]), ("empty", tlv(0x80, &[])), ("17 octets", tlv(0x80, &[0; 17]))]
    {
        fails(what, of(&|p| p.content = content.clone()).unwrap().ciphertext());
    }
    let large = of(&|p| p.content = tlv(0x80, &[0; 1 << 20])).unwrap();
    assert_eq!(large.ciphertext().unwrap().len(), 1 << 20);
}

#[test]
fn initialisation_vectors() {
    let of = |pop: &[u8], content: &[u8]| {
        let made = Pop {
            pop_algorithm: algorithm(oid::AES128_CBC, pop),
            content_algorithm: algorithm(oid::AES128_CBC, content),
            ..Pop::good()
        };
        challenge(&[made.control(), wanted(), registration(&[1])]).unwrap().readings()
    };
    let dogtag = Reading { iv: vec![2; 16], padded: false };
    let rfc = Reading { iv: vec![1; 16], padded: true };
    let (two, one) = (tlv(4, &[2; 16]), tlv(4, &[1; 16]));
    assert_eq!(of(&two, &one).unwrap(), [dogtag.clone(), rfc.clone()]);
    for bad in [vec![], vec![5, 0], tlv(4, &[2; 8]), tlv(4, &[2; 17]), int(1)] {
        assert_eq!(of(&bad, &one).unwrap(), std::slice::from_ref(&rfc), "{bad:?}");
        assert_eq!(of(&two, &bad).unwrap(), std::slice::from_ref(&dogtag), "{bad:?}");
        assert!(of(&bad, &bad).unwrap_err().to_string().contains("not AES-CBC"));
    }
}

#[test]
fn requests_in_challenges() {
    let of = |request: &[u8]| {
        let made = Pop { request: request.to_vec(), ..Pop::good() };
        challenge(&[made.control(), wanted(), registration(&[1])])
    };
    for (what, request) in [
        ("of neither kind", seq(&[])),
        ("other", tlv(0xa2, &int(1))),
        ("PKCS #10 that is none", tlv(0xa0, &int(1))),
        ("PKCS #10 with nothing in it", tlv(0xa0, &[int(1), seq(&[])].concat())),
        ("CRMF that is none", tlv(0xa1, &int(1))),
        ("CRMF without key", tlv(0xa1, &seq(&[int(1), seq(&[])]))),
    ] {
        assert_eq!(of(&request).expect_err(what).kind(), Kind::Input, "{what}");
    }
}
