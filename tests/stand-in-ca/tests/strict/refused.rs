//! One test for each reason for which Dogtag refuses a message.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;

use crate::message::{
    self, Message, NULL, Padding, context, integer, octets, oid, seq, set, string, tlv,
};
use crate::server::Ca;
use crate::{accepted, denied};

/// The name of a change, and the change.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Message));

/// Checks that each change alone makes a valid message refused.
fn each(changes: &[Change<'_>]) {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let good = Message::new(&agent);
    accepted(&ca, &agent, &good, "unchanged");
    for (what, change) in changes {
        let mut message = good.clone();
        change(&mut message);
        denied(&ca, &agent, &message.der(), what);
    }
}

#[test]
fn digests_and_signatures() {
    each(&[
        ("digestAlgorithm without NULL", &|m| {
            m.digest_algorithm = seq(&[oid("2.16.840.1.101.3.4.2.1")]);
        }),
        ("SHA-224", &|m| m.hash(MessageDigest::sha224(), "2.16.840.1.101.3.4.2.4")),
        ("SHA3-256", &|m| m.hash(MessageDigest::sha3_256(), "2.16.840.1.101.3.4.2.8")),
        ("an unknown digest", &|m| m.digest_algorithm = seq(&[oid("1.2.3"), NULL.to_vec()])),
        ("PSS with SHA-256", &|m| m.padding = Padding::Pss(32)),
        ("PSS with SHA-384", &|m| {
            m.hash(MessageDigest::sha384(), "2.16.840.1.101.3.4.2.2");
            m.padding = Padding::Pss(48);
        }),
        ("one bit of the signature", &|m| m.spoil = true),
        ("no signature", &|m| m.padding = Padding::Nothing),
    ]);
}

#[test]
fn signed_attributes() {
    each(&[
        ("absent", &|m| m.attributes.clear()),
        ("unsorted and signed so", &|m| m.attributes.reverse()),
        ("another content type", &|m| {
            m.attributes[0] =
                message::attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1"));
        }),
        ("another digest", &|m| {
            m.attributes[1] = message::attribute("1.2.840.113549.1.9.4", octets(&[0; 32]));
        }),
        ("no contentType", &|m| drop(m.attributes.remove(0))),
        ("no messageDigest", &|m| drop(m.attributes.remove(1))),
        ("an attribute without value", &|m| {
            m.attributes[0] = seq(&[oid("1.2.840.113549.1.9.3"), set(&[])]);
        }),
    ]);
}

#[test]
fn the_signer_s_certificate() {
    each(&[
        ("not in the message", &|m| m.certificates.clear()),
        ("serial number of another", &|m| m.sid = m.sid_with(None, Some(tlv(2, &[0x7f, 1])))),
        ("issuer in another string type", &|m| {
            let name = |kind: &str, text: &str| set(&[seq(&[oid(kind), string(0x13, text)])]);
            let issuer =
                seq(&[name("2.5.4.10", "STAND-IN"), name("2.5.4.3", "CA Signing Certificate")]);
            m.sid = m.sid_with(Some(issuer), None);
        }),
        ("by subjectKeyIdentifier", &|m| m.sid = tlv(0x80, &[1; 20])),
    ]);
}

#[test]
fn outer_layers() {
    const DATA: &str = "1.2.840.113549.1.7.1";
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let good = Message::new(&agent);
    let der = good.der();
    accepted(&ca, &agent, &good, "unchanged");
    let pem = openssl::base64::encode_block(&der);
    let armoured = format!("-----BEGIN CMS-----\n{pem}\n-----END CMS-----\n");
    let info = |kind: &str, content: &[u8]| seq(&[oid(kind), context(0, content)]);
    for (what, body) in [
        ("nothing", Vec::new()),
        ("one octet", vec![0x30]),
        ("PEM", armoured.into_bytes()),
        ("base64", pem.into_bytes()),
        ("a leading line end", [b"\r\n", &der[..]].concat()),
        ("cut short", der[..der.len() - 1].to_vec()),
        ("data", info(DATA, &octets(&good.pki_data))),
        ("envelopedData", info("1.2.840.113549.1.7.3", &seq(&[integer(0)]))),
        ("authenticatedData", info("1.2.840.113549.1.9.16.1.2", &seq(&[integer(0)]))),
        ("a bare PKIData", good.pki_data.clone()),
        ("a bare PKCS #10", message::csr().to_vec()),
    ] {
        denied(&ca, &agent, &body, what);
    }
    let mut message = good.clone();
    message.content_type = oid(DATA);
    denied(&ca, &agent, &message.der(), "content of another type");
    let mut message = good.clone();
    message.content = Vec::new();
    denied(&ca, &agent, &message.der(), "no content");
    let mut message = good.clone();
    let (first, rest) = message.pki_data.split_at(20);
    message.content = context(0, &tlv(0x24, &[octets(first), octets(rest)].concat()));
    denied(&ca, &agent, &message.der(), "content in pieces");
}

#[test]
fn pki_data_and_requests() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let with = |what: &str, pki_data: Vec<u8>| {
        let mut message = Message::new(&agent);
        message.set_content(pki_data);
        denied(&ca, &agent, &message.der(), what);
    };
    let empty = seq(&[]);
    let request = message::tagged_pkcs10(&integer(1), message::csr());
    let requests = seq(std::slice::from_ref(&request));
    let of = |parts: &[&Vec<u8>]| seq(&parts.iter().map(|p| (*p).clone()).collect::<Vec<_>>());
    with("three sequences", of(&[&empty, &requests, &empty]));
    with("five sequences", of(&[&empty, &requests, &empty, &empty, &empty]));
    with("no sequence", octets(b"PKIData"));

    let one = |request: Vec<u8>| message::pki_data(&[request]);
    let key = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let bare = message::csr_with(&key, &[]);
    with("no attributes field", one(message::tagged_pkcs10(&integer(1), &bare)));
    let good = message::csr_with(&key, &[0xa0, 0]);
    let spoilt = [&good[..good.len() - 1], &[good[good.len() - 1] ^ 1]].concat();
    with("a wrong signature in the request", one(message::tagged_pkcs10(&integer(1), &spoilt)));
    with("an EXPLICIT tag", one(context(0, &seq(&[integer(1), good.clone()]))));
    with("no tag", one(seq(&[integer(1), good.clone()])));
    let mut message = Message::new(&agent);
    message.set_content(one(message::tagged_pkcs10(&integer(1), &good)));
    accepted(&ca, &agent, &message, "the same with an attributes field");
}
