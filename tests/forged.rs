//! Recorded responses with changed octets, against a database that trusts the CA: a change of
//! signed octets is always found, and a response with a good signature reads as the CA wrote it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::ops::Range;
use std::path::{Path, PathBuf};

use common::Folder;
use common::der::SignedData;
use nss_cmc::cmc::response::{self, Response};
use nss_cmc::inspect::{self, Item};
use nss_cmc::nss::{Access, Database};
use nss_cmc::trust::{self, SignatureCheck};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The recorded responses but that of the ML-DSA CA, which NSS verifies from 3.118 on.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(vectors()).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(bytes) = std::fs::read(folder.join("response.der")) else { continue };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if name != "09-mldsa-ca" {
            found.push((name, bytes));
        }
    }
    found.sort();
    assert_eq!(found.len(), 14);
    found
}

/// Returns the ranges of content, signed attributes and signature.
fn signed_parts(der: &[u8]) -> Vec<Range<usize>> {
    let signed = SignedData::of(der);
    let signature = signed.signer_infos.to_vec()[0].signature.clone();
    let place = |part: &[u8]| {
        let at = der.windows(part.len()).rposition(|w| w == part).unwrap();
        at..at + part.len()
    };
    vec![place(&signed.content()), place(&signed.signed_attributes().concat()), place(&signature)]
}

/// Returns what is read of a response's signed content.
fn reading(der: &[u8]) -> Option<String> {
    let Response { content_type, .. } = response::parse(der).ok()?;
    let Item::Fields(parts) = inspect::read(der).ok()?.parts else { return None };
    let controls = parts.into_iter().find(|(name, _)| *name == "controls");
    Some(format!("{content_type} {controls:?}"))
}

#[test]
fn what_was_signed_cannot_change_unnoticed() {
    let f = Folder::new();
    let ca = vectors().join("ca_signing.pem");
    f.certutil(&["-A", "-n", "ca", "-t", "CT,C,C", "-a", "-f", "pw", "-i", ca.to_str().unwrap()]);
    let database = Database::open(f.file("db").to_str().unwrap(), Access::ReadOnly).unwrap();
    let good = |der: &[u8]| {
        let response = response::parse(der);
        response.is_ok_and(|r| matches!(trust::verify(&database, &r), SignatureCheck::Good))
    };
    let (mut signed, mut passed) = (0, 0);
    for (n, (label, der)) in recorded().into_iter().enumerate() {
        assert!(good(&der), "{label}");
        let parts = signed_parts(&der);
        for at in parts.iter().cloned().flatten() {
            let mut bytes = der.clone();
            bytes[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
            assert!(!good(&bytes), "{label}: octet {at} is signed");
            signed += 1;
        }
        // Other octets: certificates, lengths, identifiers, what follows the message.
        let original = reading(&der);
        let elsewhere = (0..der.len()).filter(|at| !parts.iter().any(|p| p.contains(at)));
        for at in elsewhere.skip(n % 11).step_by(11) {
            let mut changed = der.clone();
            changed[at] ^= 1;
            let doubled = [&der[..=at], &der[at..]].concat();
            let removed = [&der[..at], &der[at + 1..]].concat();
            for bytes in [changed, doubled, removed, der[..at].to_vec()] {
                if good(&bytes) {
                    let now = reading(&bytes);
                    assert!(
                        now.is_none() || now == original,
                        "{label}: octet {at} changed {now:?}"
                    );
                    passed += 1;
                }
            }
        }
    }
    // Octets of certificates that verification doesn't need.
    assert!(signed > 5000 && passed > 50, "{signed} signed, {passed} passed");
    database.close().unwrap();
}

/// NSS verifies the signature and nss-cmc reads the content: both must use the same content.
#[test]
fn only_the_first_message_counts() {
    let all = recorded();
    let of = |name: &str| all.iter().find(|(l, _)| l == name).unwrap().1.clone();
    let (issued, refused) = (of("01-rsa-server"), of("08a-wrong-agent"));
    assert_eq!(reading(&[&issued[..], &refused].concat()), reading(&issued));
    assert_ne!(reading(&issued), reading(&refused));
}
