//! The stand-in CA against messages made with OpenSSL: as strict as Dogtag for everything that
//! Dogtag refuses, no stricter otherwise, and with Dogtag's octets in its responses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod message;
mod refused;
mod server;
mod users;

use message::{Message, NULL, integer, octets, oid, seq, set, tlv};
use openssl::hash::MessageDigest;
use server::{Ca, Holder};

/// PKIResponse octets that a real Dogtag sent.
const DENIED: &str = "30393033303102010106082b0601050507071931223020020102300302010\
                      00c13496e76616c69642043726564656e7469616c2e02010230003000";
const ISSUED: &str = "3021301b301902010106082b06010505070719310a3008020100300302010130003000";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[track_caller]
fn accepted(ca: &Ca, agent: &Holder, message: &Message, what: &str) {
    assert_eq!(hex(&ca.cmc(Some(agent), &message.der()).content), ISSUED, "{what}");
}

#[track_caller]
fn denied(ca: &Ca, agent: &Holder, body: &[u8], what: &str) {
    let answer = ca.cmc(Some(agent), body);
    assert_eq!(hex(&answer.content), DENIED, "{what}");
    assert_eq!(answer.certificates.len(), 1, "{what}: the CA's own and nothing issued");
}

#[test]
fn a_good_message_is_answered_with_dogtag_s_octets() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let answer = ca.cmc(Some(&agent), &Message::new(&agent).der());
    assert_eq!(hex(&answer.content), ISSUED);
    // Sorted by their DER, the issued one for the request's key.
    let mut sorted = answer.certificates.clone();
    sorted.sort();
    assert_eq!(answer.certificates, sorted);
    assert_eq!(answer.certificates.len(), 2);
    let csr = message::request_key();
    assert!(answer.x509().iter().any(|c| c.public_key().unwrap().public_eq(csr)));
}

#[test]
fn what_dogtag_lets_pass() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let good = Message::new(&agent);
    let with = |what: &str, change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        accepted(&ca, &agent, &message, what);
    };
    with("SHA-384", &|m| m.hash(MessageDigest::sha384(), "2.16.840.1.101.3.4.2.2"));
    with("SHA-512", &|m| m.hash(MessageDigest::sha512(), "2.16.840.1.101.3.4.2.3"));
    with("PSS with SHA-512", &|m| {
        m.hash(MessageDigest::sha512(), "2.16.840.1.101.3.4.2.3");
        m.padding = message::Padding::Pss(64);
    });
    with("rsaEncryption as signature algorithm", &|m| {
        m.signature_algorithm = seq(&[oid("1.2.840.113549.1.1.1"), NULL.to_vec()]);
    });
    with("signature algorithm without NULL", &|m| {
        m.signature_algorithm = seq(&[oid("1.2.840.113549.1.1.11")]);
    });
    with("another hash in the signature algorithm", &|m| {
        m.signature_algorithm = seq(&[oid("1.2.840.113549.1.1.13"), NULL.to_vec()]);
    });
    with("no digestAlgorithms", &|m| m.digests = set(&[]));
    with("version 1", &|m| m.version = 1);
    with("signingTime", &|m| {
        let time = tlv(0x17, b"261123203735Z");
        m.attributes.push(seq(&[oid("1.2.840.113549.1.9.5"), set(&[time])]));
        m.attributes.sort();
    });
    with("a second, bad SignerInfo", &|m| m.more_infos = seq(&[integer(1)]));
    let mut trailing = good.der();
    trailing.extend(b"\r\ngarbage");
    assert_eq!(hex(&ca.cmc(Some(&agent), &trailing).content), ISSUED, "trailing octets");
}

#[test]
fn elliptic_curve_signers() {
    let ca = Ca::start();
    let agent = ca.ec_agent("agent");
    for null in [true, false] {
        let mut message = Message::new(&agent);
        message.signature_algorithm = match null {
            true => seq(&[oid("1.2.840.10045.4.3.2"), NULL.to_vec()]),
            false => seq(&[oid("1.2.840.10045.4.3.2")]),
        };
        accepted(&ca, &agent, &message, "ECDSA");
    }
}

/// Body part ids are repeated unchanged in the response's bodyList.
#[test]
fn body_part_ids_of_any_value() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    for (id, list) in [
        (tlv(2, &[0xfb]), "30030201fb"),
        (tlv(2, &[0, 0xff, 0xff, 0xff, 0xff]), "3007020500ffffffff"),
        (tlv(2, &[0x7f]), "300302017f"),
    ] {
        let mut message = Message::new(&agent);
        message.set_content(message::pki_data(&[message::tagged_pkcs10(&id, message::csr())]));
        let answer = hex(&ca.cmc(Some(&agent), &message.der()).content);
        assert!(answer.contains(&format!("020100{list}")), "{answer}");
    }
}

/// OpenSSL wrote most CMS messages that no CMC client made.
#[test]
fn what_openssl_cms_writes_has_no_null() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    std::fs::write(file("content"), Message::new(&agent).pki_data).unwrap();
    std::fs::write(file("key.pem"), agent.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    std::fs::write(file("cert.pem"), agent.certificate.to_pem().unwrap()).unwrap();
    let done = std::process::Command::new("openssl")
        .current_dir(dir.path())
        .args(["cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-outform", "DER"])
        .args(["-econtent_type", "1.3.6.1.5.5.7.12.2", "-md", "sha256", "-in", "content"])
        .args(["-signer", "cert.pem", "-inkey", "key.pem", "-out", "message.der"])
        .status()
        .unwrap();
    assert!(done.success());
    let written = std::fs::read(file("message.der")).unwrap();
    denied(&ca, &agent, &written, "absent digest parameters");
    let log = ca.log();
    assert!(log.contains("digestAlgorithm without NULL"), "refused for another reason: {log}");
}

#[test]
fn who_signs_and_who_is_at_the_other_end() {
    let ca = Ca::start();
    let (agent, other) = (ca.agent("agent"), ca.agent("other"));
    let (same, stranger) = (ca.user("agent"), ca.user("nobody"));
    let good = Message::new(&agent);
    assert_eq!(hex(&ca.cmc(None, &good.der()).content), DENIED, "no TLS client certificate");
    assert_eq!(hex(&ca.cmc(Some(&other), &good.der()).content), DENIED, "another client");
    // A certificate of the same name is enough.
    assert_eq!(hex(&ca.cmc(Some(&same), &good.der()).content), ISSUED);
    denied(&ca, &stranger, &Message::new(&stranger).der(), "no agent");
    let mut forged = good.clone();
    forged.key = other.key.clone();
    denied(&ca, &agent, &forged.der(), "signed by another key");
}

#[test]
fn requests_in_a_message() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let request = |n: u32| message::tagged_pkcs10(&integer(n), message::csr());
    let answer = |requests: &[Vec<u8>]| {
        let mut message = Message::new(&agent);
        message.set_content(message::pki_data(requests));
        ca.cmc(Some(&agent), &message.der())
    };
    let two = answer(&[request(1), request(2)]);
    assert!(two.says("Policy Set Not Found"), "{}", hex(&two.content));
    assert_eq!(two.certificates.len(), 1);
    let none = answer(&[]);
    assert!(none.says("ProfileSubmitCMCServlet authorization failure"), "{}", hex(&none.content));
    let other = tlv(0xa2, &[integer(1), oid("1.2.3"), octets(b"x")].concat());
    assert_eq!(hex(&answer(&[other]).content), DENIED, "OtherReqMsg");
}

#[test]
fn http_as_tomcat_does_it() {
    let ca = Ca::start();
    let agent = ca.agent("agent");
    let body = Message::new(&agent).der();
    let target = "/ca/ee/ca/profileSubmitCMCFull?profileId=caCMCserverCert";
    let post = |headers: &str, body: &[u8]| {
        let head = format!("POST {target} HTTP/1.0\r\n{headers}\r\n");
        ca.raw(Some(&agent), &[head.as_bytes(), body].concat())
    };
    let good = post(&format!("Content-Length: {}\r\n", body.len()), &body);
    let head = good.head();
    let mut lines = head.lines();
    // The Java client counts lines: one of status, four of headers.
    assert_eq!(lines.next(), Some("HTTP/1.1 200 "));
    assert_eq!(lines.next(), Some("Content-Type: application/pkcs7-mime"));
    assert_eq!(lines.next(), Some(&*format!("Content-Length: {}", good.body().len())));
    assert!(lines.next().unwrap().starts_with("Date: "));
    assert_eq!((lines.next(), lines.next()), (Some("Connection: close"), None));

    let crashed = "encountered an unrecoverable error";
    let chunked = format!("{:x}\r\n", body.len()).into_bytes();
    let chunked = [&chunked, &body[..], b"\r\n0\r\n\r\n"].concat();
    for (what, answer) in [
        ("no Content-Length", post("", &body)),
        ("chunked", post("Transfer-Encoding: chunked\r\n", &chunked)),
        ("negative", post("Content-Length: -1\r\n", b"")),
        ("GET", ca.raw(Some(&agent), format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes())),
    ] {
        assert!(answer.head().starts_with("HTTP/1.1 200 \r\nContent-Type: text/html"), "{what}");
        assert!(String::from_utf8_lossy(answer.body()).contains(crashed), "{what}");
    }
    let lost = ca.raw(None, b"POST /nowhere HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
    assert!(lost.head().starts_with("HTTP/1.1 404 \r\n"), "{}", lost.head());
    assert!(lost.head().contains("text/html;charset=utf-8\r\nContent-Language: en\r\n"));
}
