//! Unusual and malicious certificates are printed unchanged and safely.

use crate::common::der::{oid, split_tlv};
use crate::common::{Said, nss_cmc};
use crate::message::{Signed, id, int, pki_response, seq, set, tlv};
use crate::safe;

/// The parts of a certificate.
struct Certificate {
    version: Vec<u8>,
    serial: Vec<u8>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    spki: Vec<u8>,
    extensions: Vec<u8>,
}

fn name(value: &[u8]) -> Vec<u8> {
    seq(&[set(&[seq(&[vec![6, 3, 0x55, 4, 3], value.to_vec()])])])
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = seq(&[tlv(2, modulus), tlv(2, exponent)]);
    let algorithm = seq(&[id(oid::RSA_ENCRYPTION), vec![5, 0]]);
    seq(&[algorithm, tlv(3, &[&[0][..], &key].concat())])
}

fn certificate(change: impl FnOnce(&mut Certificate)) -> Vec<u8> {
    let mut c = Certificate {
        version: tlv(0xa0, &int(2)),
        serial: int(5),
        issuer: name(&tlv(0x0c, b"CA")),
        validity: seq(&[tlv(0x17, b"260101000000Z"), tlv(0x17, b"270101000000Z")]),
        subject: name(&tlv(0x0c, b"www")),
        spki: rsa(&[1; 128], &[1, 0, 1]),
        extensions: Vec::new(),
    };
    change(&mut c);
    let algorithm = seq(&[id(oid::SHA256_WITH_RSA), vec![5, 0]]);
    let extensions = match c.extensions.is_empty() {
        true => Vec::new(),
        false => tlv(0xa3, &seq(&[c.extensions])),
    };
    let parts = [
        c.version,
        c.serial,
        algorithm.clone(),
        c.issuer,
        c.validity,
        c.subject,
        c.spki,
        extensions,
    ];
    seq(&[seq(&parts), algorithm, tlv(3, &[0, 1, 2, 3])])
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    seq(&[tlv(6, id), flag.to_vec(), tlv(4, value)])
}

/// Runs the program on a file.
fn about(file: &[u8], args: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), file).unwrap();
    let said = nss_cmc(dir.path(), args);
    safe(&said.out);
    safe(&said.err);
    said
}

/// Returns CMCResponse's output for a response with this certificate.
fn pretty(der: &[u8]) -> Said {
    let mut signed = Signed::response(&pki_response(&[]));
    signed.certificates = tlv(0xa0, der);
    about(&signed.der(), &["CMCResponse", "-i", "f"])
}

#[track_caller]
fn listed(what: &str, der: &[u8], words: &str) {
    let text = pretty(der).exits(0).out;
    assert!(text.contains(words), "{what}: {words:?} is missing in {text}");
    about(der, &["cmc", "show", "f"]).exits(0);
    let json = about(der, &["cmc", "show", "f", "--output", "json"]).exits(0).json();
    assert!(json["result"]["certificate"]["subject"].is_string(), "{what}: {json}");
}

#[test]
fn odd_ones_are_listed() {
    let ec = |parameters: &[u8]| {
        seq(&[seq(&[id(oid::EC_PUBLIC_KEY), parameters.to_vec()]), tlv(3, &[0, 4, 1, 2])])
    };
    let explicit = ec(&seq(&[int(1), seq(&[int(1), int(7)])]));
    let extended = |value: Vec<u8>| move |c: &mut Certificate| c.extensions = value;
    for (what, der, words) in [
        ("version 1", certificate(|c| c.version = Vec::new()), "Version:  v1"),
        ("version 2^40", certificate(|c| c.version = tlv(0xa0, &int(1 << 40))), "Version:"),
        (
            "expired",
            certificate(|c| {
                c.validity = seq(&[tlv(0x17, b"010101000000Z"), tlv(0x17, b"020101000000Z")])
            }),
            "2002",
        ),
        (
            "never valid",
            certificate(|c| {
                c.validity = seq(&[tlv(0x18, b"99991231235959Z"), tlv(0x17, b"500101000000Z")])
            }),
            "9999",
        ),
        ("a negative serial number", certificate(|c| c.serial = int(-255)), "Serial Number: 0x-FF"),
        ("a long serial number", certificate(|c| c.serial = tlv(2, &[0x7f; 5000])), "0x7F7F"),
        ("exponent 1", certificate(|c| c.spki = rsa(&[1; 128], &[1])), "Exponent: 1\n"),
        ("16-kbit RSA", certificate(|c| c.spki = rsa(&[1; 2048], &[3])), "(16384 bits)"),
        ("RSA without key", certificate(|c| c.spki = rsa(&[], &[])), "RSA"),
        ("explicit curve", certificate(|c| c.spki = explicit), "EC - "),
        ("no curve", certificate(|c| c.spki = ec(&[])), "EC - "),
        (
            "a CA",
            certificate(extended(extension(&[0x55, 0x1d, 0x13], true, &seq(&[vec![1, 1, 0xff]])))),
            "2.5.29.19",
        ),
        (
            "an unknown critical extension",
            certificate(extended(extension(&[0x2a, 3], true, b"\x1b[2J"))),
            "1.2.3",
        ),
        (
            "the same extension twice",
            certificate(extended(extension(&[0x55, 0x1d, 0x0f], true, &[3, 2, 5, 0xa0]).repeat(2))),
            "2.5.29.15",
        ),
        (
            "an extension that is not what it says",
            certificate(extended(extension(&[0x55, 0x1d, 0x0f], true, b"x"))),
            "2.5.29.15",
        ),
        (
            "unused bits beyond 7",
            certificate(extended(extension(&[0x55, 0x1d, 0x0f], true, &[3, 2, 9, 0xa0]))),
            "2.5.29.15",
        ),
        ("an empty name", certificate(|c| c.subject = seq(&[])), "Subject: \n"),
    ] {
        listed(what, &der, words);
    }
}

#[test]
fn names_cannot_act_on_a_terminal() {
    for (tag, value) in [
        (0x0c, &b"\x1b[2J"[..]),
        (0x0c, "a\u{202e}b\u{2028}\u{200b}".as_bytes()),
        (0x0c, b"two\nSubject: CN=admin"),
        (0x13, b"\x07\x00"),
        (0x16, b"\x1b]0;x\x07"),
        (0x14, b"\x9b2J"),
        (0x1e, &[0x20, 0x2e, 0, 0x1b]),
        (0x1c, &[0, 0, 0x20, 0x2e]),
        (0x0c, &[0xff, 0xfe]),
        (0x1e, &[0xd8, 0]),
        (0x04, b"\x1b"),
    ] {
        let der = certificate(|c| {
            c.subject = name(&tlv(tag, value));
            c.issuer = name(&tlv(tag, value));
            let alternative = seq(&[tlv(0x82, value), tlv(0x81, value), tlv(0x86, value)]);
            c.extensions = extension(&[0x55, 0x1d, 0x11], false, &alternative);
        });
        listed("a name", &der, "Subject: ");
        let text = pretty(&der).exits(0).out;
        let line = text.lines().filter(|l| l.trim_start().starts_with("Subject: ")).count();
        assert_eq!(line, 1, "{text}");
    }
}

#[test]
fn what_is_no_certificate_is_said_to_be_none() {
    let good = certificate(|_| {});
    listed("a good one", &good, "Subject: CN=www");
    let content = split_tlv(&good).unwrap().1;
    for (what, der) in [
        ("nothing", vec![]),
        ("an empty sequence", seq(&[])),
        ("without signature", seq(&[split_tlv(content).map(|(t, c, _)| tlv(t, c)).unwrap()])),
        (
            "a date that is none",
            certificate(|c| c.validity = seq(&[tlv(0x17, b"261301000000Z"), tlv(0x17, b"x")])),
        ),
        ("no key", certificate(|c| c.spki = seq(&[]))),
        ("a name that is none", certificate(|c| c.subject = seq(&[int(1)]))),
        ("cut", good[..good.len() - 1].to_vec()),
    ] {
        if !["nothing", "cut"].contains(&what) {
            let said = pretty(&der).exits(1);
            assert!(said.err.contains("ERROR: cannot decode"), "{what}: {}", said.err);
            assert!(said.out.contains("Value: "), "{what}: {}", said.out);
        }
        if what != "without signature" {
            let said = about(&der, &["cmc", "show", "f", "--output", "json"]);
            let certificate = &said.json()["result"]["certificate"];
            assert!(said.code == 20 || certificate["undecodable"].is_string(), "{what}: {said:?}");
        }
    }
}
