//! CMC types: RFC 5272 (RFC 10002), in the forms Dogtag reads and writes.

use rasn::prelude::*;
use rasn_cms::{AlgorithmIdentifier, ContentInfo};

use super::Number;

/// PKIData (RFC 5272 §3.2.1): all four sequences are always there.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct PkiData {
    /// Controls.
    pub control_sequence: SequenceOf<TaggedAttribute>,
    /// TaggedRequests as they were encoded; see [`TaggedRequest`].
    pub req_sequence: SequenceOf<Any>,
    /// TaggedContentInfos.
    pub cms_sequence: SequenceOf<Any>,
    /// OtherMsgs.
    pub other_msg_sequence: SequenceOf<Any>,
}

/// PKIResponse (§4.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct PkiResponse {
    /// Controls.
    pub control_sequence: SequenceOf<TaggedAttribute>,
    /// TaggedContentInfos.
    pub cms_sequence: SequenceOf<Any>,
    /// OtherMsgs.
    pub other_msg_sequence: SequenceOf<Any>,
}

/// TaggedAttribute (§3.2.1.1). The body part id is any INTEGER on reading; Dogtag checks nothing.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct TaggedAttribute {
    /// Number of this part within the message.
    pub body_part_id: Number,
    /// Which control.
    pub attr_type: ObjectIdentifier,
    /// Its values.
    pub attr_values: SetOf<Any>,
}

/// TaggedRequest (§3.2.1.2), the requests within as bytes.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[rasn(choice)]
pub enum TaggedRequest {
    /// PKCS #10.
    #[rasn(tag(0))]
    Tcr(TaggedCertificationRequest),
    /// CRMF.
    #[rasn(tag(1))]
    Crm(super::crmf::CertReqMsg),
    /// Anything else.
    #[rasn(tag(2))]
    Orm(OtherReqMsg),
}

/// TaggedCertificationRequest.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct TaggedCertificationRequest {
    /// Number of this request within the message.
    pub body_part_id: Number,
    /// The PKCS #10 request.
    pub certification_request: Any,
}

/// OtherReqMsg (`[2]` orm).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct OtherReqMsg {
    /// Number of this request within the message.
    pub body_part_id: Number,
    /// Its type.
    pub request_message_type: ObjectIdentifier,
    /// Its value.
    pub request_message_value: Any,
}

/// CMCStatusInfoV2 (§6.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct CmcStatusInfoV2 {
    /// CMCStatus.
    pub cmc_status: Number,
    /// BodyPartReferences: INTEGER or SEQUENCE OF INTEGER.
    pub body_list: SequenceOf<Any>,
    /// Text for people.
    pub status_string: Option<Utf8String>,
    /// OtherStatusInfo: CMCFailInfo, [`PendInfo`] or [`ExtendedFailInfo`], told apart by their tags.
    pub other_info: Option<Any>,
}

/// PendInfo (§6.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct PendInfo {
    /// What to hand back in queryPending.
    pub pend_token: OctetString,
    /// When to ask.
    pub pend_time: GeneralizedTime,
}

/// ExtendedFailInfo (§6.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct ExtendedFailInfo {
    /// Whose code.
    pub fail_info_oid: ObjectIdentifier,
    /// The code.
    pub fail_info_value: Any,
}

/// IdentityProofV2 (§6.2.1) and PopLinkWitnessV2 (§6.3.1.1): same shape.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct Witness {
    /// hashAlgID or keyGenAlgorithm.
    pub hash_alg_id: AlgorithmIdentifier,
    /// macAlgID.
    pub mac_alg_id: AlgorithmIdentifier,
    /// The MAC.
    pub witness: OctetString,
}

/// EncryptedPOP (§6.7).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct EncryptedPop {
    /// The request it challenges, as bytes.
    pub request: Any,
    /// EnvelopedData with the challenge.
    pub cms: ContentInfo,
    /// RFC: the MAC. Dogtag: AES-128-CBC with the true IV.
    pub the_pop_alg_id: AlgorithmIdentifier,
    /// Digest of the witness.
    pub witness_alg_id: AlgorithmIdentifier,
    /// Digest of the challenge.
    pub witness: OctetString,
}

/// DecryptedPOP (§6.7).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct DecryptedPop {
    /// The request meant.
    pub body_part_id: Number,
    /// As in the challenge.
    pub the_pop_alg_id: AlgorithmIdentifier,
    /// The MAC under the challenge.
    pub the_pop: OctetString,
}

/// RevokeRequest (§6.11); the issuer is a bare Name, as bytes. For reading alone: what holds a
/// secret is written in parts.
#[derive(AsnType, Decode)]
pub struct RevokeRequest {
    /// Issuer of the certificate.
    pub issuer_name: Any,
    /// Its serial number.
    pub serial_number: Number,
    /// CRLReason.
    pub reason: CrlReason,
    /// When the key was compromised; `YYYYMMDDHHMMSSZ`.
    pub invalidity_date: Option<GeneralizedTime>,
    /// The shared secret.
    pub passphrase: Option<OctetString>,
    /// Text for the CA.
    pub comment: Option<Utf8String>,
}

/// CRLReason (RFC 5280 §5.3.1).
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode, PartialEq, Eq, Hash)]
#[rasn(enumerated)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum CrlReason {
    Unspecified = 0,
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    RemoveFromCrl = 8,
    PrivilegeWithdrawn = 9,
    AaCompromise = 10,
}

/// GetCert as Dogtag reads it: a bare Name where RFC 5272 §6.9 has a GeneralName.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct GetCert {
    /// Issuer.
    pub issuer_name: Any,
    /// Serial number.
    pub serial_number: Number,
}

/// CMCCertId as Dogtag reads it: SEQUENCE { SEQUENCE { Name }, INTEGER }.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct CmcCertId {
    /// The issuer's bare Name in a sequence.
    pub issuer: SequenceOf<Any>,
    /// Serial number.
    pub serial_number: Number,
}

/// LraPopWitness (§6.8).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct LraPopWitness {
    /// Body part of the PKIData meant; 0 is this one.
    pub pki_data_body_id: Number,
    /// The requests whose POP was checked.
    pub body_ids: SequenceOf<Number>,
}

impl LraPopWitness {
    /// About requests of the message it is in.
    pub fn of(requests: &[u32]) -> LraPopWitness {
        LraPopWitness {
            pki_data_body_id: Number::from(0u32),
            body_ids: requests.iter().copied().map(Number::from).collect(),
        }
    }
}
