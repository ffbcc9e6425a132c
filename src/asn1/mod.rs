//! ASN.1 types that rasn lacks, and helpers for those that it has.
//!
//! Data that is hashed, verified or embedded is kept as received (`Any`): a decoded value is never
//! re-encoded for verification.

pub(crate) mod alt_name;
pub(crate) mod canonical;
pub mod certificate;
pub(crate) mod cmc;
pub(crate) mod cms;
pub(crate) mod crmf;
pub(crate) mod extension;
pub(crate) mod extension_request;
pub(crate) mod key_usage;
pub mod name;
#[cfg(test)]
mod noisy;
mod number;
pub(crate) mod ocsp;
pub(crate) mod oid;
pub mod pem;
pub(crate) mod pkcs12;
pub(crate) mod summary;
pub(crate) mod x509;

pub use number::Number;

use rasn::types::Any;
use rasn::{Decode, Encode};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// The largest message that is decoded, in octets: far larger than real messages, small enough for
/// memory.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

/// The most elements of a message, nested ones included: decoding needs some hundred octets of
/// memory for each, however short it is.
const MOST_ELEMENTS: usize = 250_000;

/// Decodes DER. `what` is its name in errors.
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn decode<T: Decode>(what: &str, der: &[u8]) -> Result<T> {
    check_size(what, der)?;
    rasn::der::decode(der).map_err(|e| undecodable(what, &e))
}

fn check_size(what: &str, der: &[u8]) -> Result<()> {
    let too_large =
        |why| Err(Error::new(Kind::Input, format!("cannot decode {what}")).because(why));
    if der.len() > LARGEST {
        return too_large("it is larger than 16 MiB");
    }
    // An element has at least two octets, so a shorter message need not be counted.
    if der.len() / 2 > MOST_ELEMENTS && elements(der) > MOST_ELEMENTS {
        return too_large("it consists of more than 250,000 elements");
    }
    Ok(())
}

/// Returns the number of elements, nested ones included, up to the first octet that is neither DER
/// nor BER.
fn elements(der: &[u8]) -> usize {
    let mut count = 0;
    let mut at = der;
    while let Some((&tag, mut rest)) = at.split_first() {
        count += 1;
        if tag & 0x1f == 0x1f {
            let more = rest.iter().take_while(|b| **b & 0x80 != 0).count();
            rest = rest.get(more + 1..).unwrap_or_default();
        }
        // For a constructed element only the header is skipped, so that its content is counted too.
        let skip = match rest.split_first() {
            None => break,
            Some((&first, _)) if first < 0x80 => 1 + if tag & 0x20 == 0 { first.into() } else { 0 },
            Some((&first, digits)) => {
                let n = usize::from(first & 0x7f);
                let digits = digits.get(..n).unwrap_or_default();
                let length = digits.iter().fold(0usize, |v, d| (v << 8) | usize::from(*d));
                (1 + n).saturating_add(if tag & 0x20 == 0 { length } else { 0 })
            }
        };
        at = rest.get(skip..).unwrap_or_default();
    }
    count
}

/// Decodes DER or, if that fails, BER (indefinite lengths, which some CMS software writes).
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn decode_ber<T: Decode>(what: &str, der: &[u8]) -> Result<T> {
    check_size(what, der)?;
    rasn::der::decode(der).or_else(|e| rasn::ber::decode(der).map_err(|_| undecodable(what, &e)))
}

/// Encodes as DER.
///
/// # Errors
/// [`Kind::Internal`]: rasn refuses only values that this crate built wrongly.
pub(crate) fn encode<T: Encode>(what: &str, value: &T) -> Result<Vec<u8>> {
    rasn::der::encode(value)
        .map_err(|e| Error::new(Kind::Internal, format!("cannot encode {what}: {e}")))
}

fn undecodable(what: &str, e: &rasn::error::DecodeError) -> Error {
    // rasn's text has several lines; the first one of its kind suffices.
    let reason = e.kind.to_string();
    let reason = reason.lines().next().unwrap_or_default().to_owned();
    Error::new(Kind::Input, format!("cannot decode {what}")).because(reason)
}

/// Returns octets that are DER already as a value.
pub(crate) fn any(der: impl Into<Vec<u8>>) -> Any {
    Any::new(der.into())
}

/// Encodes a value and returns it as `Any`.
///
/// # Errors
/// As [`encode`].
pub(crate) fn any_of<T: Encode>(what: &str, value: &T) -> Result<Any> {
    Ok(any(encode(what, value)?))
}

/// Returns one DER element: tag, minimal length, content (X.690 §8.1).
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    std::mem::take(&mut tlv_of(tag, &[content]))
}

/// Returns one DER element around several others, in a buffer that is wiped on drop: they may hold
/// secrets.
pub(crate) fn tlv_of(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = parts.iter().map(|p| p.len()).sum::<usize>();
    // Full capacity at once: reallocation would leave copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(len + 2 + size_of::<usize>()));
    out.push(tag);
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes = len.to_be_bytes();
        let skip = bytes.iter().take_while(|b| **b == 0).count();
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Splits the first DER element: returns its tag, its content octets and the octets after it.
pub(crate) fn split_tlv(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let n = usize::from(first & 0x7f);
        if n == 0 || n > size_of::<usize>() {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(n)?;
        (digits.iter().fold(0usize, |v, d| (v << 8) | usize::from(*d)), rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rasn::types::OctetString;

    #[test]
    fn lengths_are_minimal() {
        assert_eq!(tlv(0x04, &[]), [4, 0]);
        assert_eq!(tlv(0x04, &[0; 0x7f])[..2], [4, 0x7f]);
        assert_eq!(tlv(0x04, &[0; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(tlv(0x30, &[0; 0x1234])[..4], [0x30, 0x82, 0x12, 0x34]);
    }

    #[test]
    fn splitting_refuses_what_is_cut_or_indefinite() {
        let der = tlv(0x30, &[1; 300]);
        let (tag, content, rest) = split_tlv(&der).unwrap();
        assert_eq!((tag, content.len(), rest.len()), (0x30, 300, 0));
        assert!(split_tlv(&der[..der.len() - 1]).is_none());
        assert!(split_tlv(&[0x30, 0x80, 0, 0]).is_none());
        assert!(split_tlv(&[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]).is_none());
        assert!(split_tlv(&[]).is_none());
    }

    #[test]
    fn elements_are_counted_at_every_depth() {
        for (der, count) in [
            (vec![], 0),
            (tlv(0x30, &[2, 1, 1, 0x31, 2, 5, 0]), 4),
            (tlv(0x30, &tlv(4, &[0x30; 300])), 2),
            (vec![0x30, 0x80, 2, 1, 1, 0, 0], 3),
            (vec![0x9f, 0x81, 0x01, 1, 7, 5, 0], 2),
            (vec![4, 0x84, 0xff, 0xff, 0xff, 0xff, 5, 0], 1),
            (vec![0x30, 0x89], 1),
            ([0x30, 0x80].repeat(1000), 1000),
        ] {
            assert_eq!(elements(&der), count, "{der:x?}");
        }
        let many = tlv(0x30, &[5, 0].repeat(MOST_ELEMENTS));
        let e = decode::<Vec<Any>>("it", &many).unwrap_err();
        assert!(e.to_string().contains("250,000"), "{e}");
        assert!(decode::<Vec<Any>>("it", &tlv(0x30, &[5, 0].repeat(MOST_ELEMENTS - 1))).is_ok());
        let e = decode::<OctetString>("it", &vec![0; LARGEST + 1]).unwrap_err();
        assert_eq!(e.to_string(), "cannot decode it: it is larger than 16 MiB");
    }
}
