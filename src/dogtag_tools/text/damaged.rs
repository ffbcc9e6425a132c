//! Recorded responses and certificates with changed octets give an error or a text: never a panic,
//! and never a terminal control character.

use std::path::{Path, PathBuf};

use super::{pretty_certificate, render_response};
use nss_cmc::cmc::response::parse;

fn vector(file: &str) -> Vec<u8> {
    let vectors: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::fs::read(vectors.join(file)).unwrap()
}

/// Tries each octet changed in several ways, removed, or doubled, and the message cut off before
/// it.
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
    // Printing certificates takes most of the time: each is printed once, below.
    for flow in ["06a-encrypted-pop-1", "08p-controls"] {
        let der = vector(&format!("{flow}/response.der"));
        check(&der, |der| {
            let mut response = parse(der).ok()?;
            response.certificates.clear();
            Some(render_response(&response, false).stdout)
        });
    }
}

#[test]
fn broken_certificates_give_an_error_or_a_text() {
    let made = vector("extensions/certificate.der");
    check(&made, |der| pretty_certificate(der).ok());
    let issued = &parse(&vector("01-rsa-server/response.der")).unwrap().certificates[0];
    check(issued, |der| pretty_certificate(der).ok());
    assert!(pretty_certificate(&[made.as_slice(), &[0]].concat()).is_err());
    assert!(pretty_certificate(&made[..made.len() - 1]).is_err());
    assert!(pretty_certificate(&[]).is_err());
}
