//! Puts a PKIData into SignedData (RFC 5652 §5, RFC 5272 §3.2).

use rasn::types::OctetString;
use rasn_cms::{Attribute, EncapsulatedContentInfo};
use zeroize::Zeroizing;

use crate::algorithm::{Crypto, Digest, Signer};
use crate::asn1::certificate;
use crate::asn1::cms::{
    ContentInfo, IssuerAndSerialNumber, SignedData, SignerIdentifier, SignerInfo,
};
use crate::asn1::x509::{digest_algorithm, scheme_of, signature_algorithm};
use crate::asn1::{any, any_of, encode, oid, tlv, tlv_of};
use crate::error::Result;

/// The signer's identifier (RFC 5652 §5.3).
pub(super) enum SignerId<'a> {
    /// The holder of this certificate (DER): issuerAndSerialNumber, version 1.
    Certificate(&'a [u8]),
    /// The holder of the key with this identifier, without certificate: version 3 (RFC 5272 §3.2;
    /// for requests signed with the key being certified).
    KeyIdentifier(&'a [u8]),
}

/// Returns the DER of a ContentInfo with SignedData around `pki_data` (RFC 5652 §3, §5).
///
/// The only signed attributes are contentType and messageDigest. The digest algorithm has explicit
/// NULL parameters (Dogtag refuses it otherwise). `certificates` are sorted as a DER SET.
///
/// # Errors
/// Those of the signer; [`crate::error::Kind::Input`] when a certificate can't be decoded.
pub(super) fn signed_data(
    pki_data: &[u8],
    id: SignerId<'_>,
    certificates: &[Vec<u8>],
    signer: &dyn Signer,
    digest: Digest,
    crypto: &dyn Crypto,
) -> Result<Vec<u8>> {
    let attributes = signed_attributes(&crypto.hash(digest, pki_data)?)?;
    // The signature is over the SET OF itself, not over its encoding with the tag [0] (RFC 5652
    // §5.4).
    let to_sign = encode("signed attributes", &rasn::types::SetOf::from(attributes.clone()))?;
    let scheme = scheme_of(signer, digest)?;
    let signature = signer.sign(scheme, &to_sign)?;
    let (version, sid) = match id {
        SignerId::Certificate(der) => {
            let fields = certificate::fields(der)?;
            let sid = IssuerAndSerialNumber {
                issuer: any(fields.issuer),
                serial_number: crate::asn1::decode("a serial number", &tlv(0x02, fields.serial))?,
            };
            (1u32, SignerIdentifier::IssuerAndSerialNumber(sid))
        }
        SignerId::KeyIdentifier(id) => {
            (3, SignerIdentifier::SubjectKeyIdentifier(OctetString::from(id.to_vec())))
        }
    };
    let info = SignerInfo {
        version: version.into(),
        sid,
        digest_algorithm: digest_algorithm(digest),
        signed_attrs: Some(attributes.into()),
        signature_algorithm: signature_algorithm(scheme)?,
        signature: signature.into(),
        unsigned_attrs: None,
    };
    let certificates: Vec<_> = certificates.iter().map(|c| any(c.clone())).collect();
    let signed = SignedData {
        version: 3.into(),
        digest_algorithms: vec![digest_algorithm(digest)].into(),
        encap_content_info: EncapsulatedContentInfo {
            content_type: oid::owned(oid::ID_CCT_PKI_DATA),
            content: Some(OctetString::from(pki_data.to_vec())),
        },
        certificates: Some(certificates.into()),
        crls: None,
        signer_infos: vec![info].into(),
    };
    content_info(oid::ID_SIGNED_DATA, encode("SignedData", &signed)?)
}

/// Returns the DER of a ContentInfo with id-data around `pki_data`: an unsigned request, in which
/// Dogtag accepts a revocation by shared secret.
///
/// # Errors
/// [`crate::error::Kind::Internal`] only.
pub(super) fn unsigned_data(pki_data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let content = tlv_of(0xa0, &[&tlv_of(0x04, &[pki_data])]);
    Ok(tlv_of(0x30, &[&encode("a content type", &oid::owned(oid::ID_DATA))?, &content]))
}

fn content_info(content_type: &rasn::types::Oid, content: Vec<u8>) -> Result<Vec<u8>> {
    encode(
        "ContentInfo",
        &ContentInfo { content_type: oid::owned(content_type), content: any(content) },
    )
}

fn signed_attributes(digest: &[u8]) -> Result<Vec<Attribute>> {
    Ok(vec![
        Attribute {
            r#type: oid::owned(oid::ID_CONTENT_TYPE),
            values: vec![any_of("content type", &oid::owned(oid::ID_CCT_PKI_DATA))?].into(),
        },
        Attribute {
            r#type: oid::owned(oid::ID_MESSAGE_DIGEST),
            values: vec![any(tlv(0x04, digest))].into(),
        },
    ])
}
