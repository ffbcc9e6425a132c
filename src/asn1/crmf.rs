//! CRMF: certificate request messages. Section numbers are those of RFC 4211.

use rasn::prelude::*;
use rasn_cms::AlgorithmIdentifier;
use rasn_pkix::{Extension, SubjectPublicKeyInfo};

/// CertReqMessages (§3).
pub(crate) type CertReqMessages = SequenceOf<Any>;

/// CertReqMsg (§3). The CertRequest is kept as received, because its signature covers those octets.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CertReqMsg {
    /// DER of the [`CertRequest`].
    pub cert_req: Any,
    /// Proof of possession.
    pub popo: Option<ProofOfPossession>,
    /// Registration information; forbidden in CMC (RFC 5272 §3.2.1.2.2).
    pub reg_info: Option<SequenceOf<AttributeTypeAndValue>>,
}

/// CertRequest (§5).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CertRequest {
    /// certReqId: the request's number, and its body part id in CMC.
    pub cert_req_id: Integer,
    /// The requested fields of the certificate.
    pub cert_template: CertTemplate,
    /// Controls; Dogtag's tools encode the field even when it is empty.
    pub controls: Option<SequenceOf<AttributeTypeAndValue>>,
}

/// CertTemplate (§5).
#[derive(AsnType, Clone, Debug, Default, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CertTemplate {
    /// 2 for X.509 version 3.
    #[rasn(tag(0))]
    pub version: Option<Integer>,
    /// Assigned by the CA.
    #[rasn(tag(1))]
    pub serial_number: Option<Integer>,
    /// Assigned by the CA.
    #[rasn(tag(2))]
    pub signing_alg: Option<AlgorithmIdentifier>,
    /// Assigned by the CA.
    #[rasn(tag(explicit(3)))]
    pub issuer: Option<Any>,
    /// Assigned by the CA.
    #[rasn(tag(4))]
    pub validity: Option<OptionalValidity>,
    /// DER of the subject's Name.
    #[rasn(tag(explicit(5)))]
    pub subject: Option<Any>,
    /// The public key.
    #[rasn(tag(6))]
    pub public_key: Option<SubjectPublicKeyInfo>,
    /// Obsolete.
    #[rasn(tag(7))]
    pub issuer_uid: Option<BitString>,
    /// Obsolete.
    #[rasn(tag(8))]
    pub subject_uid: Option<BitString>,
    /// The requested extensions.
    #[rasn(tag(9))]
    pub extensions: Option<SequenceOf<Extension>>,
}

/// OptionalValidity (§5).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct OptionalValidity {
    /// notBefore.
    #[rasn(tag(explicit(0)))]
    pub not_before: Option<rasn_pkix::Time>,
    /// notAfter.
    #[rasn(tag(explicit(1)))]
    pub not_after: Option<rasn_pkix::Time>,
}

/// AttributeTypeAndValue (§3): one control.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct AttributeTypeAndValue {
    /// The control's object identifier.
    pub r#type: ObjectIdentifier,
    /// The control's value.
    pub value: Any,
}

/// ProofOfPossession (§4).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[rasn(choice)]
pub(crate) enum ProofOfPossession {
    /// raVerified: an RA has checked it.
    #[rasn(tag(0))]
    RaVerified(()),
    /// signature.
    #[rasn(tag(1))]
    Signature(PopoSigningKey),
    /// keyEncipherment: by decryption.
    #[rasn(tag(explicit(2)))]
    KeyEncipherment(Any),
    /// keyAgreement.
    #[rasn(tag(explicit(3)))]
    KeyAgreement(Any),
}

/// POPOSigningKey (§4.1) without poposkInput; the signature is over the CertRequest.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct PopoSigningKey {
    /// The signature algorithm.
    pub algorithm_identifier: AlgorithmIdentifier,
    /// The signature.
    pub signature: BitString,
}

/// EncryptedValue (appendix B), as Dogtag's KRA reads it.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct EncryptedValue {
    /// Never sent.
    #[rasn(tag(0))]
    pub intended_alg: Option<AlgorithmIdentifier>,
    /// The algorithm that the private key is wrapped with.
    #[rasn(tag(1))]
    pub symm_alg: Option<AlgorithmIdentifier>,
    /// The session key, encrypted under the transport key.
    #[rasn(tag(2))]
    pub enc_symm_key: Option<BitString>,
    /// Never sent.
    #[rasn(tag(3))]
    pub key_alg: Option<AlgorithmIdentifier>,
    /// Never sent.
    #[rasn(tag(4))]
    pub value_hint: Option<OctetString>,
    /// The private key, wrapped under the session key.
    pub enc_value: BitString,
}
