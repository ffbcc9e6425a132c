//! SignedData (RFC 5652 §5) with certificates and issuer names kept as bytes.

use rasn::prelude::*;
use rasn_cms::{AlgorithmIdentifier, Attribute, EncapsulatedContentInfo};

use super::Number;

pub use rasn_cms::{ContentInfo, EnvelopedData, RecipientInfo};

/// SignedData.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct SignedData {
    /// 3 when the content isn't id-data.
    pub version: Number,
    /// The digests signers used.
    pub digest_algorithms: SetOf<AlgorithmIdentifier>,
    /// What is signed.
    pub encap_content_info: EncapsulatedContentInfo,
    /// Certificates as they arrived.
    #[rasn(tag(0))]
    pub certificates: Option<SetOf<Any>>,
    /// CRLs as they arrived.
    #[rasn(tag(1))]
    pub crls: Option<SetOf<Any>>,
    /// The signers.
    pub signer_infos: SetOf<SignerInfo>,
}

/// SignerInfo.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
pub struct SignerInfo {
    /// 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
    pub version: Number,
    /// Whose signature it is.
    pub sid: SignerIdentifier,
    /// Digest of content and attributes.
    pub digest_algorithm: AlgorithmIdentifier,
    /// What is signed, if not the content itself.
    #[rasn(tag(0))]
    pub signed_attrs: Option<SetOf<Attribute>>,
    /// How it is signed.
    pub signature_algorithm: AlgorithmIdentifier,
    /// The signature.
    pub signature: OctetString,
    /// Attributes nobody signed.
    #[rasn(tag(1))]
    pub unsigned_attrs: Option<SetOf<Attribute>>,
}

/// SignerIdentifier.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
#[rasn(choice)]
pub enum SignerIdentifier {
    /// By certificate.
    IssuerAndSerialNumber(IssuerAndSerialNumber),
    /// By key identifier.
    #[rasn(tag(0))]
    SubjectKeyIdentifier(OctetString),
}

/// IssuerAndSerialNumber, the name as bytes.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
pub struct IssuerAndSerialNumber {
    /// The issuer's name, octet for octet.
    pub issuer: Any,
    /// Serial number.
    pub serial_number: Number,
}
