//! Reads PEM, bare base64 or DER; writes PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Error, Kind, Result};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Returns the DER in `bytes`: DER as it is, DER after leftover HTTP headers, the first PEM block
/// (any label, other text before or after it), or base64 (standard or URL-safe) without header.
///
/// # Errors
/// [`Kind::Input`]; the error says when the input is HTML.
pub fn to_der(what: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.first() == Some(&0x30) && super::split_tlv(bytes).is_some() {
        return Ok(bytes.to_vec());
    }
    // An indefinite length: BER, as some CMS software writes it.
    if bytes.starts_with(&[0x30, 0x80]) {
        return Ok(bytes.to_vec());
    }
    if let Some(der) = behind_headers(bytes) {
        return Ok(der.to_vec());
    }
    let blocks = blocks(bytes);
    let text: Vec<u8> = match blocks.into_iter().next() {
        Some(block) => block,
        None => bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect(),
    };
    let unreadable = || Error::new(Kind::Input, format!("cannot read {what}"));
    if text.is_empty() {
        return Err(unreadable().because("it is empty"));
    }
    let decoded = decode(&text);
    match decoded {
        Some(der) if der.first() == Some(&0x30) => Ok(der),
        _ if looks_like_html(bytes) => Err(unreadable()
            .because("it is an HTML page")
            .hint("check the URL it was downloaded from")),
        _ => Err(unreadable().because("it is not DER, PEM or base64 of DER")),
    }
}

/// The longest leftover HTTP headers, in octets.
const HEADERS: usize = 16 * 1024;

/// Returns the CMS message at the end of `bytes`, after lines of text: Dogtag's HttpClient can
/// leave HTTP headers in the file that it writes.
pub fn behind_headers(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    for line in bytes.get(..HEADERS.min(bytes.len()))?.split_inclusive(|b| *b == b'\n') {
        let text = line.iter().all(|b| b.is_ascii_graphic() || b" \t\r\n".contains(b));
        if !text || line.last() != Some(&b'\n') {
            return None;
        }
        at += line.len();
        let der = bytes.get(at..)?;
        if der.first() == Some(&0x30)
            && let Some((_, [0x06, ..], [])) = super::split_tlv(der)
        {
            return Some(der);
        }
    }
    None
}

/// Returns the base64 text of every PEM block without white space.
fn blocks(bytes: &[u8]) -> Vec<Vec<u8>> {
    labelled(bytes).into_iter().map(|(_, text)| text).collect()
}

/// Returns label and base64 text of every PEM block, without white space.
fn labelled(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut current: Option<(String, Vec<u8>)> = None;
    for line in bytes.split(|b| *b == b'\n' || *b == b'\r') {
        let line = line.trim_ascii();
        if let Some(label) = line.strip_prefix(b"-----BEGIN") {
            let label = label.strip_suffix(b"-----").unwrap_or(label).trim_ascii();
            current = Some((String::from_utf8_lossy(label).into_owned(), Vec::new()));
        } else if line.starts_with(b"-----END") {
            found.extend(current.take());
        } else if let Some((_, text)) = &mut current {
            text.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
        }
    }
    found
}

/// Returns every PEM block (RFC 7468) in `bytes` as label and DER, in the order of the file. Input
/// without PEM is one block with an empty label, as [`to_der`] reads it. Text around the blocks is
/// allowed.
///
/// # Errors
/// As [`to_der`], for the first block that can't be decoded.
pub fn all(what: &str, bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let is_der = bytes.first() == Some(&0x30);
    let blocks = if is_der { Vec::new() } else { labelled(bytes) };
    if blocks.len() < 2 {
        let label = blocks.into_iter().next().map(|(label, _)| label).unwrap_or_default();
        return Ok(vec![(label, to_der(what, bytes)?)]);
    }
    let decoded = blocks.into_iter().enumerate().map(|(n, (label, text))| match decode(&text) {
        Some(der) if der.first() == Some(&0x30) => Ok((label, der)),
        _ => Err(Error::new(Kind::Input, format!("cannot read {what}"))
            .because(format!("PEM block {} is not base64 of DER", n + 1))),
    });
    decoded.collect()
}

/// Returns the label of the first PEM block, even if it isn't complete.
pub fn label(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|b| *b == b'\n' || *b == b'\r').map(<[u8]>::trim_ascii);
    let label = line.filter_map(|l| l.strip_prefix(b"-----BEGIN ")).next()?;
    Some(String::from_utf8_lossy(label.strip_suffix(b"-----").unwrap_or(label)).into_owned())
}

/// Returns whether a PEM block is complete.
pub fn is_complete(bytes: &[u8]) -> bool {
    !blocks(bytes).is_empty()
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let url_safe = text.iter().any(|b| *b == b'-' || *b == b'_');
    let alphabet = if url_safe { base64::alphabet::URL_SAFE } else { base64::alphabet::STANDARD };
    GeneralPurpose::new(&alphabet, LENIENT).decode(text).ok()
}

/// Returns whether `bytes` looks like a web page, which a server or proxy may send as its response.
pub fn looks_like_html(bytes: &[u8]) -> bool {
    let head: Vec<u8> = bytes.iter().take(1024).map(u8::to_ascii_lowercase).collect();
    let head = head.trim_ascii_start();
    head.starts_with(b"<")
        && [&b"<html"[..], b"<!doctype", b"<head", b"<body", b"<?xml"]
            .iter()
            .any(|mark| head.windows(mark.len()).any(|w| w == *mark))
}

/// Returns PEM with 64 columns and LF line ends (RFC 7468 §2).
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = lines(der, 64, "\n");
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

/// Returns a certificate and its issuers (DER) as consecutive PEM blocks.
pub fn certificates(leaf: &[u8], issuers: &[Vec<u8>]) -> String {
    let all = std::iter::once(leaf).chain(issuers.iter().map(Vec::as_slice));
    all.map(|der| encode("CERTIFICATE", der)).collect()
}

/// Returns base64 in lines of `width` columns, each ending with `end`, as Java's MIME encoder
/// writes it.
pub fn lines(der: &[u8], width: usize, end: &str) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::with_capacity(text.len() + text.len() / width * end.len() + end.len());
    for chunk in text.as_bytes().chunks(width) {
        // Every octet of base64 is ASCII.
        out.extend(chunk.iter().map(|b| char::from(*b)));
        out.push_str(end);
    }
    out
}

/// Returns base64 on one line.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DER: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

    #[test]
    fn the_forms_people_have() {
        let pem = encode("CERTIFICATE REQUEST", DER);
        let noisy = format!("Certificate request generated by Netscape\n\n  {pem}\ntrailer");
        let crlf = pem.replace('\n', "\r\n");
        for text in [pem.as_str(), &noisy, &crlf, "MAMCAQU=", "MAMC\nAQU=\n", "MAMCAQU"] {
            assert_eq!(to_der("x", text.as_bytes()).unwrap(), DER, "{text}");
        }
        assert_eq!(to_der("x", DER).unwrap(), DER);
    }

    #[test]
    fn what_http_client_leaves_in_front_is_passed_over() {
        let message = [0x30, 0x04, 0x06, 0x02, 0x2a, 0x0a];
        for head in ["Connection: close\r\n\r\n", "\r\n", "X: 0\r\nY: 0\r\n\r\n"] {
            let bytes = [head.as_bytes(), &message].concat();
            assert_eq!(to_der("x", &bytes).unwrap(), message);
            assert!(to_der("x", &[&bytes[..], &[0]].concat()).is_err());
        }
        assert!(to_der("x", &[b"no end", &message[..]].concat()).is_err());
        assert!(behind_headers(&message).is_none());
    }

    #[test]
    fn html_is_called_html() {
        let e = to_der("the response", b"\r\n<!DOCTYPE html><html>x</html>").unwrap_err();
        assert!(e.to_string().contains("HTML"), "{e}");
        assert!(to_der("x", b"").is_err());
        assert!(to_der("x", b"no such thing").is_err());
    }
}
