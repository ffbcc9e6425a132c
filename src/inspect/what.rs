//! The kind of a file that isn't of the expected kind.

use super::{Form, read};
use crate::asn1::{canonical, pem, split_tlv};

/// Returns the kind of a file ("a private key"), if it is recognised.
pub fn what_is(bytes: &[u8]) -> Option<&'static str> {
    if bytes.trim_ascii().is_empty() {
        return Some("empty");
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some("UTF-16 text");
    }
    if bytes.starts_with(b"SQLite format 3\0") {
        return Some("an SQLite database");
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return Some("a Java key store");
    }
    if pem::looks_like_html(bytes) {
        return Some("an HTML page");
    }
    let label = pem::label(bytes);
    if label.is_some() && !pem::is_complete(bytes) {
        return Some("a truncated PEM file");
    }
    label.as_deref().and_then(by_label).or_else(|| by_content(bytes))
}

/// Returns the kind by PEM label, for private keys, which are not decoded, and for content that is
/// not recognisable otherwise.
fn by_label(label: &str) -> Option<&'static str> {
    match label {
        _ if label.contains("ENCRYPTED PRIVATE KEY") => Some("an encrypted private key"),
        _ if label.contains("PRIVATE KEY") => Some("a private key"),
        _ if label.contains("PUBLIC KEY") => Some("a public key"),
        "X509 CRL" => Some("a certificate revocation list"),
        "EC PARAMETERS" => Some("a private key or its parameters"),
        _ => None,
    }
}

fn by_content(bytes: &[u8]) -> Option<&'static str> {
    if let Ok(message) = read(bytes) {
        return Some(match message.form {
            Form::Request => "a CMC request",
            Form::Response => "a CMC response",
            Form::Certificates => "a PKCS #7 file of certificates",
            Form::Pkcs10 => "a PKCS #10 request",
            Form::Crmf => "a CRMF request",
            Form::Certificate => "a certificate",
        });
    }
    let decoded = pem::to_der("the file", bytes).ok();
    let der = decoded.as_deref().unwrap_or(bytes);
    if is_cut(der) {
        return Some("a truncated DER file");
    }
    let Some((0x30, content, _)) = split_tlv(der) else { return None };
    let children = canonical::children(content)?;
    match children[..] {
        [[2, 1, 3], [0x30, ..], ..] => Some("a PKCS #12 file"),
        [[2, 1, 0 | 1], [0x30, ..], [0x04, ..], ..] => Some("a private key"),
        [[2, 1, 1], [0x04, ..], ..] => Some("a private key"),
        [[2, 1, 0], [2, ..], [2, ..], [2, ..], [2, ..], ..] => Some("a private key"),
        [[0x30, ..], [0x04, ..]] => Some("an encrypted private key"),
        [[0x30, ..], [0x03, ..]] => Some("a public key"),
        [[0x30, ..], [0x30, ..], [0x03, ..]] => Some("a certificate revocation list"),
        _ => None,
    }
}

/// Returns whether the header of a SEQUENCE gives a length beyond the end of the file.
fn is_cut(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else { return false };
    // A text that begins with the digit 0, which is the SEQUENCE tag.
    if der.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
        return false;
    }
    match *first {
        0x80 => !der.ends_with(&[0, 0]),
        short @ 0..0x80 => rest.len() < usize::from(short),
        long => {
            let octets = usize::from(long & 0x7f);
            let length = rest.iter().take(octets.min(4)).fold(0, |n, b| n << 8 | usize::from(*b));
            // No real file has a length of more than four octets.
            (1..=4).contains(&octets) && rest.len() < octets.saturating_add(length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_their_first_octets() {
        for (bytes, what) in [
            (&b""[..], Some("empty")),
            (b" \n", Some("empty")),
            (b"\x30\x82\x01\x00\x02\x01", Some("a truncated DER file")),
            (b"\x30\x05\x02\x01", Some("a truncated DER file")),
            (b"\x30\x80\x06\x01\x2a", Some("a truncated DER file")),
            (b"-----BEGIN CERTIFICATE-----\nMIIB\n", Some("a truncated PEM file")),
            (b"MIIBAAIB", Some("a truncated DER file")),
            (b"\x30\x03\x02\x01\x05", None),
            (b"hello", None),
            (b"0123 hello", None),
        ] {
            assert_eq!(what_is(bytes), what, "{bytes:?}");
        }
    }
}
