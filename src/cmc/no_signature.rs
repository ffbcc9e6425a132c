//! The no-signature mechanism (RFC 5272 appendix C.1, RFC 10002): a PKCS #10 request for a key that
//! cannot sign, such as that of a KEM, with a digest in the place of the signature. It proves
//! nothing; the CA demands proof of possession by a challenge. Dogtag does not accept it.

use rasn::types::{BitString, OctetString};
use rasn_cms::AlgorithmIdentifier;

use super::request::{Format, Request};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::extension::Extension;
use crate::asn1::x509::{CertificationRequest, CsrParts, request_info};
use crate::asn1::{any, decode, encode, oid};
use crate::error::Result;

/// Makes the request: the signature is the SHA-256 digest of the CertificationRequestInfo. A
/// message that it signs itself needs a subjectKeyIdentifier among the extensions.
///
/// # Errors
/// [`crate::error::Kind::Internal`] only.
pub fn pkcs10(
    subject: &[u8],
    spki: &[u8],
    extensions: &[Extension],
    crypto: &dyn Crypto,
) -> Result<Request> {
    let info = request_info(CsrParts { subject, spki, extensions, attributes: Vec::new() })?;
    let info = encode("a request", &info)?;
    let value = encode("a digest", &OctetString::from(crypto.hash(Digest::Sha256, &info)?))?;
    let null = Some(any([0x05, 0x00]));
    let request = CertificationRequest {
        info: any(info),
        signature_algorithm: AlgorithmIdentifier {
            algorithm: oid::owned(oid::NO_SIGNATURE),
            parameters: null,
        },
        signature: BitString::from_vec(value),
    };
    Request::from_pkcs10(&encode("a request", &request)?)
}

/// Returns whether the digest in the place of the signature is right: SHA-256, or the SHA-1 of RFC
/// 5272, by itself or in an OCTET STRING. `None` for a request with another algorithm.
///
/// # Errors
/// Those of `crypto`.
pub fn is_intact(request: &Request, crypto: &dyn Crypto) -> Result<Option<bool>> {
    if request.format() != Format::Pkcs10 {
        return Ok(None);
    }
    let request: CertificationRequest = decode("the PKCS #10 request", request.der())?;
    if *request.signature_algorithm.algorithm != *oid::NO_SIGNATURE {
        return Ok(None);
    }
    let value = request.signature.as_raw_slice();
    let inner = decode::<OctetString>("the digest", value).ok();
    let value = inner.as_ref().map_or(value, |octets| &octets[..]);
    let digest = if value.len() == 20 { Digest::Sha1 } else { Digest::Sha256 };
    Ok(Some(crypto.hash(digest, request.info.as_bytes())? == value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::{name, x509};
    use crate::cmc::fixture::{Key, OpenSsl};

    fn request() -> Request {
        let subject = name::parse("CN=x").unwrap();
        let id = x509::subject_key_identifier(&[7; 20]);
        pkcs10(&subject, &Key::ec().spki(), &[id], &OpenSsl).unwrap()
    }

    #[test]
    fn the_digest_stands_in_the_place_of_the_signature() {
        let made = request();
        assert_eq!(is_intact(&made, &OpenSsl).unwrap(), Some(true));
        assert_eq!(made.key_identifier().unwrap(), [7; 20]);
        // The digest by openssl, from the octets of the DER.
        let der = made.der();
        let info =
            crate::asn1::canonical::children(crate::asn1::split_tlv(der).unwrap().1).unwrap();
        assert_eq!(der[der.len() - 32..], openssl::sha::sha256(info[0]));
        assert_eq!(info[1], [0x30, 12, 6, 8, 0x2b, 6, 1, 5, 5, 7, 6, 2, 5, 0]);
        assert_eq!(Request::pkcs10(der).unwrap(), made);
    }

    #[test]
    fn a_changed_request_is_not_intact_and_another_has_no_digest() {
        let good = request();
        let mut bad = good.der().to_vec();
        let at = bad.windows(5).position(|w| w == b"\x55\x04\x03\x0c\x01").unwrap() + 5;
        bad[at] ^= 1;
        let bad = Request::from_pkcs10(&bad).unwrap();
        assert_eq!(is_intact(&bad, &OpenSsl).unwrap(), Some(false));
        let key = Key::ec();
        let parts = CsrParts {
            subject: &name::parse("CN=x").unwrap(),
            spki: &key.spki(),
            extensions: &[],
            attributes: vec![],
        };
        let signed =
            x509::certification_request(parts, &key, crate::algorithm::Digests::ByStrength)
                .unwrap();
        let signed = Request::from_pkcs10(&signed).unwrap();
        assert_eq!(is_intact(&signed, &OpenSsl).unwrap(), None);
    }
}
