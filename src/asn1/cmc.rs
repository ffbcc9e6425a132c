//! CMC types (RFC 5272, RFC 10002), in the forms that Dogtag reads and writes. Section numbers are
//! those of RFC 5272.

use rasn::prelude::*;
use rasn_cms::{AlgorithmIdentifier, ContentInfo};
use rasn_pkix::{Extension, GeneralName};

/// PKIData (§3.2.1); all four sequences are mandatory.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct PkiData {
    /// Controls.
    pub control_sequence: SequenceOf<TaggedAttribute>,
    /// TaggedRequests as received; see [`TaggedRequest`].
    pub req_sequence: SequenceOf<Any>,
    /// TaggedContentInfos.
    pub cms_sequence: SequenceOf<Any>,
    /// OtherMsgs.
    pub other_msg_sequence: SequenceOf<Any>,
}

/// PKIResponse (§4.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct PkiResponse {
    /// Controls.
    pub control_sequence: SequenceOf<TaggedAttribute>,
    /// TaggedContentInfos.
    pub cms_sequence: SequenceOf<Any>,
    /// OtherMsgs.
    pub other_msg_sequence: SequenceOf<Any>,
}

/// TaggedAttribute (§3.2.1.1). Decoding accepts any INTEGER as body part id, as Dogtag does.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct TaggedAttribute {
    /// Body part id within the message.
    pub body_part_id: Integer,
    /// The control's object identifier.
    pub attr_type: ObjectIdentifier,
    /// The control's values.
    pub attr_values: SetOf<Any>,
}

/// TaggedRequest (§3.2.1.2); the requests are kept as received.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[rasn(choice)]
pub(crate) enum TaggedRequest {
    /// tcr: a PKCS #10 request.
    #[rasn(tag(0))]
    Tcr(TaggedCertificationRequest),
    /// crm: a CRMF request.
    #[rasn(tag(1))]
    Crm(super::crmf::CertReqMsg),
    /// orm: any other request.
    #[rasn(tag(2))]
    Orm(OtherReqMsg),
}

/// TaggedCertificationRequest (§3.2.1.2.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct TaggedCertificationRequest {
    /// Body part id within the message.
    pub body_part_id: Integer,
    /// The PKCS #10 request.
    pub certification_request: Any,
}

/// OtherReqMsg (§3.2.1.2.3), tagged `[2]` orm.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct OtherReqMsg {
    /// Body part id within the message.
    pub body_part_id: Integer,
    /// The request's type.
    pub request_message_type: ObjectIdentifier,
    /// The request's value.
    pub request_message_value: Any,
}

/// CMCStatusInfoV2 (§6.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CmcStatusInfoV2 {
    /// CMCStatus.
    pub cmc_status: Integer,
    /// BodyPartReferences: INTEGER or SEQUENCE OF INTEGER.
    pub body_list: SequenceOf<Any>,
    /// statusString.
    pub status_string: Option<Utf8String>,
    /// OtherStatusInfo: CMCFailInfo, [`PendInfo`] or [`ExtendedFailInfo`], distinguished by their
    /// tags.
    pub other_info: Option<Any>,
}

/// PendInfo (§6.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct PendInfo {
    /// pendToken; queryPending returns it to the CA.
    pub pend_token: OctetString,
    /// pendTime: when to ask again.
    pub pend_time: GeneralizedTime,
}

/// ExtendedFailInfo (§6.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct ExtendedFailInfo {
    /// The object identifier that defines the code.
    pub fail_info_oid: ObjectIdentifier,
    /// The code.
    pub fail_info_value: Any,
}

/// IdentityProofV2 (§6.2.1) and PopLinkWitnessV2 (§6.3.1.1); both have the same structure.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct Witness {
    /// hashAlgID or keyGenAlgorithm.
    pub hash_alg_id: AlgorithmIdentifier,
    /// macAlgID.
    pub mac_alg_id: AlgorithmIdentifier,
    /// The MAC.
    pub witness: OctetString,
}

/// EncryptedPOP (§6.7).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct EncryptedPop {
    /// The TaggedRequest to prove, as received.
    pub request: Any,
    /// EnvelopedData with the challenge.
    pub cms: ContentInfo,
    /// In the RFC the MAC algorithm; in Dogtag AES-128-CBC with the initialisation vector that was
    /// used.
    pub the_pop_alg_id: AlgorithmIdentifier,
    /// The digest algorithm of the witness.
    pub witness_alg_id: AlgorithmIdentifier,
    /// The digest of the challenge.
    pub witness: OctetString,
}

/// DecryptedPOP (§6.7).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct DecryptedPop {
    /// Body part id of the request in the first round trip.
    pub body_part_id: Integer,
    /// thePOPAlgID as in the challenge.
    pub the_pop_alg_id: AlgorithmIdentifier,
    /// thePOP: the MAC of the request under the challenge.
    pub the_pop: OctetString,
}

/// RevokeRequest (§6.11); the issuer is a bare Name, as received. For decoding only: a value with a
/// passphrase is encoded part by part, so that every copy is wiped.
#[derive(AsnType, Decode)]
pub(crate) struct RevokeRequest {
    /// DER of the issuer's Name.
    pub issuer_name: Any,
    /// Its serial number.
    pub serial_number: Integer,
    /// CRLReason.
    pub reason: Any,
    /// When the key was compromised, as `YYYYMMDDHHMMSSZ`.
    pub invalidity_date: Option<GeneralizedTime>,
    /// The shared secret.
    pub passphrase: Option<OctetString>,
    /// comment, for the CA.
    pub comment: Option<Utf8String>,
}

/// GetCert (§6.9) as Dogtag reads it: a bare Name where the RFC has a GeneralName.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct GetCert {
    /// DER of the issuer's Name.
    pub issuer_name: Any,
    /// Serial number.
    pub serial_number: Integer,
}

/// CMCCertId (§6.14) as Dogtag reads it: SEQUENCE { SEQUENCE { Name }, INTEGER }.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CmcCertId {
    /// The issuer's bare Name in a sequence.
    pub issuer: SequenceOf<Any>,
    /// Serial number.
    pub serial_number: Integer,
}

/// LraPopWitness (§6.8).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct LraPopWitness {
    /// Body part id of the nested PKIData; 0 is the enclosing one.
    pub pki_data_body_id: Integer,
    /// Body part ids of the requests whose proof of possession was checked.
    pub body_ids: SequenceOf<Integer>,
}

/// BodyPartList and BodyPartPath (§3.2.2).
pub(crate) type BodyPartIds = SequenceOf<Integer>;

/// TaggedContentInfo (§3.2.1.3), a part of cmsSequence.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct TaggedContentInfo {
    /// Body part id within the message.
    pub body_part_id: Integer,
    /// The ContentInfo as received.
    pub content_info: Any,
}

/// OtherMsg (§3.2.1.4), a part of otherMsgSequence.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct OtherMsg {
    /// Body part id within the message.
    pub body_part_id: Integer,
    /// The type.
    pub other_msg_type: ObjectIdentifier,
    /// The value.
    pub other_msg_value: Any,
}

/// CMCUnsignedData (§3.2.3), the value of an unsigned attribute.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CmcUnsignedData {
    /// The path to the control that it belongs to.
    pub body_part_path: BodyPartIds,
    /// The type of the content.
    pub identifier: ObjectIdentifier,
    /// The content.
    pub content: Any,
}

/// GetCRL (§6.10).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct GetCrl {
    /// DER of the CRL issuer's Name.
    pub issuer_name: Any,
    /// The distribution point.
    pub crl_name: Option<GeneralName>,
    /// The CRL before this time; the newest one if absent.
    pub time: Option<GeneralizedTime>,
    /// ReasonFlags, `unused` first.
    pub reasons: Option<BitString>,
}

/// PublishTrustAnchors (§6.15).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct PublishTrustAnchors {
    /// The position within a sequence of updates.
    pub seq_number: Integer,
    /// The digest of the hashes.
    pub hash_algorithm: AlgorithmIdentifier,
    /// Hashes of the certificates.
    pub anchor_hashes: SequenceOf<OctetString>,
}

/// CMCPublicationInfo (§6.18).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CmcPublicationInfo {
    /// The digest of the hashes.
    pub hash_alg: AlgorithmIdentifier,
    /// Hashes of the certificates.
    pub cert_hashes: SequenceOf<OctetString>,
    /// What to do with them.
    pub pub_info: PkiPublicationInfo,
}

/// PKIPublicationInfo (RFC 4211 §6.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct PkiPublicationInfo {
    /// 0 dontPublish, 1 pleasePublish.
    pub action: Integer,
    /// Where to publish.
    pub pub_infos: Option<SequenceOf<SinglePubInfo>>,
}

/// SinglePubInfo (RFC 4211 §6.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct SinglePubInfo {
    /// 0 dontCare, 1 x500, 2 web, 3 ldap.
    pub pub_method: Integer,
    /// The place.
    pub pub_location: Option<GeneralName>,
}

/// ModCertTemplate (§6.5.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct ModCertTemplate {
    /// The path to the PKIData with the requests.
    pub pki_data_reference: BodyPartIds,
    /// The requests.
    pub cert_references: BodyPartIds,
    /// Whether the fields are replaced, or removed.
    #[rasn(default = "replace_by_default")]
    pub replace: bool,
    /// The fields.
    pub cert_template: super::crmf::CertTemplate,
}

fn replace_by_default() -> bool {
    true
}

/// AddExtensions (§6.5.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct AddExtensions {
    /// The PKIData with the requests.
    pub pki_data_reference: Integer,
    /// The requests.
    pub cert_references: BodyPartIds,
    /// The extensions.
    pub extensions: SequenceOf<Extension>,
}

/// ControlsProcessed (§6.19).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct ControlsProcessed {
    /// BodyPartReferences: INTEGER or SEQUENCE OF INTEGER.
    pub body_list: SequenceOf<Any>,
}
