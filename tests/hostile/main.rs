//! Malformed and malicious responses: each gives an error that says what is wrong, or is read as it
//! is; none has an effect on the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod message;
mod pop;
mod status;

use common::der::{oid, split_tlv};
use common::nss_cmc;
use message::{
    Signed, answer, content_info, control, id, int, pki_response, seq, set, signer, tlv,
};
use nss_cmc::cmc::response::{self, Outcome};
use nss_cmc::error::Kind;

/// Checks that every reader refuses the message, with these words.
#[track_caller]
fn refused(what: &str, der: &[u8], words: &str) {
    let e = response::parse(der).expect_err(what);
    assert_eq!(e.kind(), Kind::Input, "{what}");
    assert!(e.to_string().contains(words), "{what}: {e}");
    safe(&e.to_string());
}

/// Returns the response as printed in every form.
#[track_caller]
fn shown(der: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("m"), der).unwrap();
    let old = nss_cmc(dir.path(), &["CMCResponse", "-v", "-i", "m"]);
    assert!([0, 1].contains(&old.code), "{old:?}");
    let text = nss_cmc(dir.path(), &["cmc", "show", "m"]).exits(0);
    let json = nss_cmc(dir.path(), &["cmc", "show", "m", "--output", "json"]).exits(0);
    json.json();
    let all = [text.out, text.err, json.out, json.err, old.out, old.err];
    all.iter().for_each(|text| safe(text));
    all.join("\n")
}

/// Checks that the text has no character that a terminal interprets or hides.
#[track_caller]
fn safe(text: &str) {
    let bad = text.chars().find(|c| {
        (c.is_control() && !['\n', '\r'].contains(c))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(bad, None, "{text:?}");
}

fn outcome(der: &[u8]) -> String {
    match response::parse(der).map(|r| r.outcome()) {
        Ok(Outcome::Success { certificates }) => format!("success {}", certificates.len()),
        Ok(Outcome::Pending { .. }) => "pending".into(),
        Ok(Outcome::PopRequired) => "popRequired".into(),
        Ok(Outcome::ConfirmRequired { .. }) => "confirmRequired".into(),
        Ok(Outcome::Rejected(status)) => status.into_error().to_string(),
        Ok(Outcome::Invalid(e)) | Err(e) => format!("error: {e}"),
    }
}

#[test]
fn der() {
    let good = answer(&[]);
    assert_eq!(outcome(&good), "success 0");
    for (what, der) in [
        ("nothing", vec![]),
        ("one octet", vec![0x30]),
        ("no SEQUENCE", tlv(0x31, &good)),
        ("a length of 127 octets", [&[0x30, 0xff][..], &[0; 127]].concat()),
        ("a length beyond the end", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 6]),
        (
            "a length beyond any memory",
            vec![0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("indefinite without end", [&[0x30, 0x80][..], &good[2..]].concat()),
        ("an identifier that does not end", seq(&[vec![6, 2, 0x2a, 0x86], tlv(0xa0, &[])])),
        ("an arc of 200 octets", seq(&[tlv(6, &[&[0x2a][..], &[0xff; 200], &[1]].concat())])),
        ("text", b"HTTP/1.1 200 OK\r\n\r\n<html>".to_vec()),
    ] {
        refused(what, &der, "cannot decode the CMC response");
    }
    for cut in 0..good.len() {
        assert!(response::parse(&good[..cut]).is_err(), "cut at {cut}");
    }
    for (what, der) in [
        ("octets after it", [&good[..], b"\r\n"].concat()),
        ("indefinite lengths", {
            let (_, content, _) = split_tlv(&good).unwrap();
            [&[0x30, 0x80][..], content, &[0, 0]].concat()
        }),
        ("a length longer than needed", {
            let (_, content, _) = split_tlv(&good).unwrap();
            [&[0x30, 0x84, 0, 0, 0, content.len() as u8][..], content].concat()
        }),
    ] {
        assert_eq!(outcome(&der), "success 0", "{what}");
    }
}

#[test]
fn content_infos_of_other_types() {
    for (what, kind) in [
        ("data", oid::ID_DATA),
        ("envelopedData", oid::ID_ENVELOPED_DATA),
        ("authenticatedData", rasn::types::Oid::new(&[1, 2, 840, 113549, 1, 9, 16, 1, 2]).unwrap()),
        ("nobody's", rasn::types::Oid::new(&[1, 2, 3]).unwrap()),
    ] {
        refused(what, &content_info(kind, &seq(&[])), "is not SignedData");
    }
}

#[test]
fn what_is_signed() {
    let content = pki_response(&[]);
    let with = |change: &dyn Fn(&mut Signed)| {
        let mut signed = Signed::response(&content);
        change(&mut signed);
        signed.der()
    };
    // A request in place of a response.
    let request = with(&|s| {
        s.content_type = id(oid::ID_CCT_PKI_DATA);
        s.content = tlv(0xa0, &tlv(4, &seq(&[seq(&[]), seq(&[]), seq(&[]), seq(&[])])));
    });
    refused("a request", &request, "this is a CMC request");
    for (what, octets) in [
        ("wrapped twice", tlv(4, &content)),
        ("empty", vec![]),
        ("a NULL", vec![5, 0]),
        ("a request's four sequences", seq(&[seq(&[]), seq(&[]), seq(&[]), seq(&[])])),
        ("two sequences", seq(&[seq(&[]), seq(&[])])),
        ("an INTEGER for controls", seq(&[int(1), seq(&[]), seq(&[])])),
    ] {
        refused(what, &Signed::response(&octets).der(), "cannot decode the PKIResponse");
    }
    // Certificates only.
    let simple = with(&|s| s.content = Vec::new());
    assert!(response::parse(&simple).unwrap().controls.is_none());
    // A constructed OCTET STRING, as BER permits.
    let (first, rest) = content.split_at(3);
    let pieces = tlv(0x24, &[tlv(4, first), tlv(4, rest)].concat());
    assert_eq!(outcome(&with(&|s| s.content = tlv(0xa0, &pieces))), "success 0");
    // Printed with a remark; no command accepts it as a response.
    let data = with(&|s| s.content_type = id(oid::ID_DATA));
    assert_eq!(response::parse(&data).unwrap().content_type, "1.2.840.113549.1.7.1");
    let other = with(&|s| s.content_type = vec![6, 2, 0x2a, 3]);
    assert!(shown(&other).contains("Invalid CMC Response Format"));
}

#[test]
fn signers() {
    let with = |signers: &[Vec<u8>]| {
        let mut signed = Signed::response(&pki_response(&[]));
        signed.signers = set(signers);
        signed.der()
    };
    let good = signer(Some(oid::ID_CCT_PKI_RESPONSE));
    for (signers, count) in [(vec![], 0), (vec![good.clone()], 1), (vec![good.clone(); 2], 2)] {
        assert_eq!(response::parse(&with(&signers)).unwrap().signers, count);
    }
    let other = "the content type does not match the signed one";
    refused("no signed attributes", &with(&[signer(None)]), other);
    refused("data", &with(&[signer(Some(oid::ID_DATA))]), other);
    refused("the second", &with(&[good.clone(), signer(Some(oid::ID_DATA))]), other);
    let attribute = seq(&[id(oid::ID_CONTENT_TYPE), set(&[id(oid::ID_CCT_PKI_RESPONSE)])]);
    let text = |attributes: &[u8]| {
        let there = tlv(0xa0, &attribute);
        let at = good.windows(there.len()).position(|w| w == there).unwrap();
        let inside = [&good[2..at], attributes, &good[at + there.len()..]].concat();
        with(&[tlv(0x30, &inside)])
    };
    refused("twice", &text(&tlv(0xa0, &attribute.repeat(2))), other);
    let empty = seq(&[id(oid::ID_CONTENT_TYPE), set(&[])]);
    refused("without value", &text(&tlv(0xa0, &empty)), other);
    assert_eq!(response::parse(&text(&tlv(0xa0, &attribute))).unwrap().signers, 1);
}

#[test]
fn bags_of_certificates() {
    let with = |certificates: &[u8]| {
        let mut signed = Signed::response(&pki_response(&[]));
        signed.certificates = certificates.to_vec();
        signed.der()
    };
    // Attribute certificates and the other alternatives ([0] to [3]) are ignored.
    let alternatives: Vec<u8> = (0xa0..=0xa3).flat_map(|tag| tlv(tag, &int(1))).collect();
    for (what, bag, count) in [
        ("none", vec![], 0),
        ("an empty one", tlv(0xa0, &[]), 0),
        ("alternatives", tlv(0xa0, &alternatives), 0),
        ("no certificate", tlv(0xa0, &seq(&[int(1)])), 1),
        ("the same twice", tlv(0xa0, &seq(&[int(1)]).repeat(2)), 2),
        ("ten thousand", tlv(0xa0, &seq(&[int(1)]).repeat(10_000)), 10_000),
        ("CRLs", tlv(0xa1, &seq(&[int(1)]).repeat(3)), 0),
    ] {
        let der = with(&bag);
        assert_eq!(outcome(&der), format!("success {count}"), "{what}");
        shown(&der);
    }
}

#[test]
fn controls() {
    let value = |octets: &[u8]| control(oid::CMC_SENDER_NONCE, &[tlv(4, octets)]);
    for (what, controls) in [
        ("one nobody knows", vec![seq(&[int(1), vec![6, 2, 0x2a, 3], set(&[int(1)])])]),
        ("no value", vec![control(oid::CMC_GET_CRL, &[])]),
        ("several values", vec![control(oid::CMC_SENDER_NONCE, &[tlv(4, b"a"), tlv(4, b"b")])]),
        ("twice", vec![value(b"a"), value(b"b")]),
        ("body part 0", vec![seq(&[int(0), id(oid::CMC_GET_CRL), set(&[])])]),
        ("body part -5", vec![seq(&[int(-5), id(oid::CMC_GET_CRL), set(&[])])]),
        ("body part 2^40", vec![seq(&[int(1 << 40), id(oid::CMC_GET_CRL), set(&[])])]),
        ("body part 2^100", vec![seq(&[int(1 << 100), id(oid::CMC_GET_CRL), set(&[])])]),
        ("responseInfo of no octet", vec![control(oid::CMC_RESPONSE_INFO, &[tlv(4, &[])])]),
        ("of a thousand", vec![control(oid::CMC_RESPONSE_INFO, &[tlv(4, &[0xff; 1000])])]),
        ("terminal escapes", vec![value(b"\x1b[2J\x07 and \xe2\x80\xae")]),
    ] {
        let der = answer(&controls);
        assert_eq!(outcome(&der), "success 0", "{what}");
        assert!(shown(&der).contains("CMC Full Response."), "{what}");
    }
    // `cmc show` prints undecodable values in hexadecimal; CMCResponse ends the listing, as Java
    // does.
    for wrong in [
        control(oid::CMC_TRANSACTION_ID, &[tlv(4, b"x")]),
        control(oid::CMC_TRANSACTION_ID, &[vec![2, 0]]),
        control(oid::CMC_SENDER_NONCE, &[int(1)]),
        control(oid::CMC_SENDER_NONCE, &[]),
        control(oid::CMC_ENCRYPTED_POP, &[seq(&[])]),
    ] {
        let text = shown(&answer(&[wrong]));
        assert!(text.contains("Error found in the response."), "{text}");
    }
    // Parts that a CA has no reason to send.
    let more = seq(&[seq(&[]), seq(&[seq(&[int(1)])]), seq(&[seq(&[int(2)])])]);
    let text = shown(&Signed::response(&more).der());
    assert!(text.contains("cms sequence: 1") && text.contains("other messages: 1"), "{text}");
}
