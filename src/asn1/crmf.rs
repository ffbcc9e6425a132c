//! CRMF (RFC 4211): certificate request messages.

use super::Number;
use rasn::prelude::*;
use rasn_cms::AlgorithmIdentifier;
use rasn_pkix::{Extension, SubjectPublicKeyInfo};

/// CertReqMessages (§3).
pub type CertReqMessages = SequenceOf<Any>;

/// CertReqMsg (§3); the CertRequest is kept as bytes, for its signature covers them.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct CertReqMsg {
    /// DER of the [`CertRequest`].
    pub cert_req: Any,
    /// Proof of possession.
    pub popo: Option<ProofOfPossession>,
    /// Registration information; not allowed in CMC (RFC 5272 §3.2.1.2.2).
    pub reg_info: Option<SequenceOf<AttributeTypeAndValue>>,
}

/// CertRequest (§5).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct CertRequest {
    /// Number of the request; its body part id in CMC.
    pub cert_req_id: Number,
    /// What is asked for.
    pub cert_template: CertTemplate,
    /// Controls; Dogtag's tools write it even when empty.
    pub controls: Option<SequenceOf<AttributeTypeAndValue>>,
}

/// CertTemplate (§5).
#[derive(AsnType, Clone, Debug, Default, Decode, Encode, PartialEq, Eq)]
pub struct CertTemplate {
    /// 2 for X.509 version 3.
    #[rasn(tag(0))]
    pub version: Option<Number>,
    /// Left to the CA.
    #[rasn(tag(1))]
    pub serial_number: Option<Number>,
    /// Left to the CA.
    #[rasn(tag(2))]
    pub signing_alg: Option<AlgorithmIdentifier>,
    /// Left to the CA.
    #[rasn(tag(explicit(3)))]
    pub issuer: Option<Any>,
    /// Left to the CA.
    #[rasn(tag(4))]
    pub validity: Option<OptionalValidity>,
    /// The subject's Name, as bytes.
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
    /// Extensions wished for.
    #[rasn(tag(9))]
    pub extensions: Option<SequenceOf<Extension>>,
}

/// OptionalValidity (§5).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct OptionalValidity {
    /// From.
    #[rasn(tag(explicit(0)))]
    pub not_before: Option<rasn_pkix::Time>,
    /// To.
    #[rasn(tag(explicit(1)))]
    pub not_after: Option<rasn_pkix::Time>,
}

/// AttributeTypeAndValue (§3): a control.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct AttributeTypeAndValue {
    /// Which control.
    pub r#type: ObjectIdentifier,
    /// Its value.
    pub value: Any,
}

/// ProofOfPossession (§4).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[rasn(choice)]
pub enum ProofOfPossession {
    /// Checked by an RA.
    #[rasn(tag(0))]
    RaVerified(()),
    /// By signature.
    #[rasn(tag(1))]
    Signature(PopoSigningKey),
    /// By decryption.
    #[rasn(tag(explicit(2)))]
    KeyEncipherment(Any),
    /// By key agreement.
    #[rasn(tag(explicit(3)))]
    KeyAgreement(Any),
}

/// POPOSigningKey (§4.1), without poposkInput: the signature is over the CertRequest.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct PopoSigningKey {
    /// How it is signed.
    pub algorithm_identifier: AlgorithmIdentifier,
    /// The signature.
    pub signature: BitString,
}

/// EncryptedValue (appendix of RFC 4211), as Dogtag's KRA reads it.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct EncryptedValue {
    /// Never sent.
    #[rasn(tag(0))]
    pub intended_alg: Option<AlgorithmIdentifier>,
    /// How the private key is wrapped.
    #[rasn(tag(1))]
    pub symm_alg: Option<AlgorithmIdentifier>,
    /// The session key under the transport key.
    #[rasn(tag(2))]
    pub enc_symm_key: Option<BitString>,
    /// Never sent.
    #[rasn(tag(3))]
    pub key_alg: Option<AlgorithmIdentifier>,
    /// Never sent.
    #[rasn(tag(4))]
    pub value_hint: Option<OctetString>,
    /// The private key under the session key.
    pub enc_value: BitString,
}
