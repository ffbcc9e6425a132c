//! Randomly damaged PEM, names and extensions: reading them gives an error or what is there, and
//! never panics.

use super::extension_request::{raw_attribute, raw_extension};
use super::name::{self, dn_string};
use super::{pem, split_tlv};

#[path = "../../tests/common/noise.rs"]
#[allow(clippy::duplicate_mod)] // Compiled twice: in the library and in the program.
mod noise;
use noise::Noise;

#[test]
fn pem_and_base64() {
    let der = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/01-rsa-server/response.der"
    ))
    .unwrap();
    let head = b"HTTP/1.1 200 \r\nContent-Type: application/pkcs7-mime\r\n\r\n";
    let two = pem::encode("CERTIFICATE", &der).repeat(2);
    let forms = [
        pem::encode("CERTIFICATE REQUEST", &der).into_bytes(),
        pem::lines(&der, 76, "\r\n").into_bytes(),
        two.into_bytes(),
        [&head[..], &der].concat(),
        der.clone(),
        b"<html><body>no</body></html>".to_vec(),
    ];
    let mut noise = Noise(11);
    let mut read = 0;
    for round in 0..3_000 {
        let octets = noise.damage(&forms[round % forms.len()]);
        match pem::to_der("the file", &octets) {
            Ok(der) => {
                assert!(der.len() <= octets.len());
                read += 1;
            }
            Err(e) => assert!(e.to_string().contains("the file"), "{e}"),
        }
        pem::behind_headers(&octets);
        pem::looks_like_html(&octets);
    }
    assert!(read > 500, "{read}");
}

#[test]
fn names() {
    const PIECES: &[&str] = &[
        "CN",
        "O",
        "C",
        "OID.",
        "2.5.4.3",
        "4294967296",
        "=",
        ",",
        ";",
        "+",
        "\"",
        "\\",
        "\\2c",
        "\\ff",
        "#",
        "#0c0161",
        "#30",
        " ",
        "x",
        "US",
        "é",
        "\0",
        "\n",
        "DC",
        "BMPString:",
        "😀",
    ];
    let mut noise = Noise(13);
    let mut read = 0;
    for _ in 0..30_000 {
        // Often well-formed, often nearly so.
        let parts = noise.below(4) + 1;
        let mut text = String::new();
        for part in 0..parts {
            let separator = ["", ",", "+", ";", ", "][noise.below(5).max(usize::from(part > 0))];
            let key = ["CN", "o", "OID.2.5.4.97", "1.2.4294967296", "DC", ""][noise.below(6)];
            text += &format!("{separator}{key}={}", noise.text(PIECES, 4));
        }
        for prefixes in [name::Prefixes::Text, name::Prefixes::Types] {
            match name::parse_as(&text, prefixes) {
                Ok(der) => {
                    // If it is a Name, its text parses to the same Name.
                    assert!(matches!(split_tlv(&der), Some((0x30, _, []))), "{text:?}");
                    if prefixes == name::Prefixes::Text
                        && let Ok(again) = dn_string(&der)
                    {
                        let back = name::parse(&again).map(|der| dn_string(&der).unwrap());
                        assert_eq!(back.ok().as_ref(), Some(&again), "{text:?}");
                    }
                    read += 1;
                }
                Err(e) => {
                    let e = e.to_string();
                    assert!(!e.contains(char::is_control), "{e:?}");
                }
            }
        }
    }
    assert!(read > 1000, "{read}");
}

#[test]
fn extensions_and_attributes() {
    const PIECES: &[&str] = &["0x", "-", "+", ":", " ", "0", "8", "ff", "a", "é", "g", "\0"];
    let mut noise = Noise(23);
    let mut refused = 0;
    for _ in 0..30_000 {
        let prefix = noise.text(&["1.2", ".3", ":critical", " "], 4);
        let text = format!("{prefix}={}", noise.text(PIECES, 24));
        for e in [raw_extension(&text).err(), raw_attribute(&text).err()].into_iter().flatten() {
            assert!(!e.to_string().contains(char::is_control), "{e:?}");
            refused += 1;
        }
    }
    assert!(refused > 1000, "{refused}");
}
