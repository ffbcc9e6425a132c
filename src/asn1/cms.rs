//! SignedData (RFC 5652 §5); certificates and issuer names are kept as received.

use rasn::prelude::*;
use rasn_cms::{AlgorithmIdentifier, Attribute, EncapsulatedContentInfo};

pub(crate) use rasn_cms::{ContentInfo, EnvelopedData, RecipientInfo};

/// SignedData (RFC 5652 §5.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct SignedData {
    /// 3 when the content type isn't id-data.
    pub version: Integer,
    /// The signers' digest algorithms.
    pub digest_algorithms: SetOf<AlgorithmIdentifier>,
    /// encapContentInfo: the content and its type.
    pub encap_content_info: EncapsulatedContentInfo,
    /// The certificates as received.
    #[rasn(tag(0))]
    pub certificates: Option<SetOf<Any>>,
    /// The CRLs as received.
    #[rasn(tag(1))]
    pub crls: Option<SetOf<Any>>,
    /// The signers.
    pub signer_infos: SetOf<SignerInfo>,
}

/// SignerInfo (RFC 5652 §5.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
pub(crate) struct SignerInfo {
    /// 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
    pub version: Integer,
    /// The signer's identifier.
    pub sid: SignerIdentifier,
    /// Digest algorithm of the content.
    pub digest_algorithm: AlgorithmIdentifier,
    /// Signed attributes; when absent, the signature is over the content itself.
    #[rasn(tag(0))]
    pub signed_attrs: Option<SetOf<Attribute>>,
    /// The signature algorithm.
    pub signature_algorithm: AlgorithmIdentifier,
    /// The signature.
    pub signature: OctetString,
    /// Unsigned attributes; anyone can change them.
    #[rasn(tag(1))]
    pub unsigned_attrs: Option<SetOf<Attribute>>,
}

/// SignerIdentifier (RFC 5652 §5.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
#[rasn(choice)]
pub(crate) enum SignerIdentifier {
    /// issuerAndSerialNumber.
    IssuerAndSerialNumber(IssuerAndSerialNumber),
    /// subjectKeyIdentifier.
    #[rasn(tag(0))]
    SubjectKeyIdentifier(OctetString),
}

/// IssuerAndSerialNumber (RFC 5652 §10.2.4), the name as received.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
pub(crate) struct IssuerAndSerialNumber {
    /// DER of the issuer's Name, as received.
    pub issuer: Any,
    /// Serial number.
    pub serial_number: Integer,
}
