//! What CMCResponse prints, against what Dogtag's own tool printed for the same octets.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nss_cmc::asn1::name::dn_string;
use nss_cmc::asn1::summary::summary;
use nss_cmc::cmc::response::parse;
use nss_cmc::dogtag_tools::text::{pretty_certificate, render_response, stored_line};

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The flows with a recorded answer.
fn flows() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(vectors())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("response.der").exists())
        .collect();
    found.sort();
    found
}

fn certificates(file: &str) -> Vec<Vec<u8>> {
    parse(&fs::read(vectors().join(file)).unwrap()).unwrap().certificates
}

#[test]
fn recorded_answers_print_as_recorded() {
    let flows = flows();
    assert_eq!(flows.len(), 14);
    for flow in flows {
        let response = parse(&fs::read(flow.join("response.der")).unwrap()).unwrap();
        let want = fs::read_to_string(flow.join("CMCResponse.out")).unwrap();
        let exit: u8 =
            fs::read_to_string(flow.join("CMCResponse.rc")).unwrap().trim().parse().unwrap();

        let rendered = render_response(&response, false);
        let mut stdout = rendered.stdout;
        if rendered.exit == 0 {
            let chain =
                if flow.ends_with("06a-encrypted-pop-2") { "2-chain.p7" } else { "chain.p7" };
            stdout.push_str(&stored_line(chain));
        }
        assert_eq!(stdout, want, "{}", flow.display());
        assert_eq!(rendered.exit, exit, "{}", flow.display());
        assert_eq!(rendered.stderr.is_empty(), exit == 0, "{}", flow.display());
    }
}

#[test]
fn the_reason_for_failing_is_on_standard_error() {
    for (flow, want) in [
        ("06a-encrypted-pop-1", "ERROR: CMC status for [1]: pop required\n"),
        ("08a-wrong-agent", "ERROR: CMC status for [0]: failed\n"),
    ] {
        let der = fs::read(vectors().join(flow).join("response.der")).unwrap();
        assert_eq!(render_response(&parse(&der).unwrap(), false).stderr, want);
    }
}

#[test]
fn verbose_puts_base64_first() {
    let der = fs::read(vectors().join("01-rsa-server/response.der")).unwrap();
    let response = parse(&der).unwrap();
    let text = render_response(&response, true).stdout;
    let (certificates, rest) = text.split_once("Certificates: \n").unwrap();
    assert_eq!(format!("Certificates: \n{rest}"), render_response(&response, false).stdout);

    let blocks: Vec<&str> = certificates.split_terminator("\n===\n").collect();
    assert_eq!(blocks.len(), response.certificates.len());
    for (i, (block, der)) in blocks.iter().zip(&response.certificates).enumerate() {
        let body = block.strip_prefix(&format!("Cert:{i}\n")).unwrap();
        let lines: Vec<&str> = body.split_terminator("\r\n").collect();
        let (last, full) = lines.split_last().unwrap();
        assert!(full.iter().all(|l| l.len() == 76) && last.len() <= 76, "{block:?}");
        assert!(body.ends_with("\r\n"));
        let decoded = STANDARD.decode(lines.concat()).unwrap();
        assert_eq!(&decoded, der);
    }
}

#[test]
fn every_kind_of_extension() {
    let der = fs::read(vectors().join("extensions/certificate.der")).unwrap();
    let text = pretty_certificate(&der).unwrap();
    let want = fs::read_to_string(vectors().join("extensions/certificate.txt")).unwrap();
    let end = text.find("        Signature: \n").unwrap();
    assert_eq!(text[..end], want);
}

#[test]
fn alternative_names_in_short() {
    let der = fs::read(vectors().join("extensions/certificate.der")).unwrap();
    let sans = [
        "DNS:a.lab.test",
        "email:x@lab.test",
        "URI:http://lab.test/",
        "IP:127.0.0.1",
        "IP:2001:db8::1",
        "RID:1.2.3.4",
        "other",
        "other",
        "other",
    ];
    assert_eq!(summary(&der).unwrap().sans, sans);
}

#[test]
fn names_as_the_tool_prints_them() {
    let ours = &certificates("05a-shared-secret-p10/response.der")[0];
    let fields = nss_cmc::asn1::x509::certificate_fields(ours).unwrap();
    assert_eq!(dn_string(fields.subject).unwrap(), "UID=alice,OU=people,DC=lab,DC=test");
    let issuer = "CN=CA Signing Certificate,OU=pki-tomcat,O=LAB";
    assert_eq!(dn_string(fields.issuer).unwrap(), issuer);
}

/// Every octet changed in several ways, cut off before it, left out, or doubled: an error or a
/// text, never a panic; and never a character that acts on a terminal.
fn check(der: &[u8], show: impl Fn(&[u8]) -> Option<String>) {
    let try_one = |der: &[u8]| {
        if let Some(text) = show(der) {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
    };
    for at in 0..der.len() {
        for change in [0x01, 0x20, 0x80] {
            let mut changed = der.to_vec();
            changed[at] ^= change;
            try_one(&changed);
        }
        try_one(&der[..at]);
        let (before, after) = der.split_at(at);
        try_one(&[before, &after[1..]].concat());
        try_one(&[before, &after[..1], after].concat());
    }
}

#[test]
fn broken_answers_give_an_error_or_a_text() {
    // Printing certificates takes by far the longest: once each, below.
    for flow in ["06a-encrypted-pop-1", "08p-controls"] {
        let der = fs::read(vectors().join(flow).join("response.der")).unwrap();
        check(&der, |der| {
            let mut response = parse(der).ok()?;
            response.certificates.clear();
            Some(render_response(&response, false).stdout)
        });
    }
}

#[test]
fn broken_certificates_give_an_error_or_a_text() {
    let made = fs::read(vectors().join("extensions/certificate.der")).unwrap();
    check(&made, |der| pretty_certificate(der).ok());
    check(&certificates("01-rsa-server/response.der")[0], |der| pretty_certificate(der).ok());
    assert!(pretty_certificate(&[made.as_slice(), &[0]].concat()).is_err());
}
