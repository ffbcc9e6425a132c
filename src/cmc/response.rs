//! The CA's answer: bytes to [`Response`] to [`Outcome`].

use std::fmt;

use rasn::types::{Any, ObjectIdentifier};

use super::control::{Control, ControlType, TaggedControl, Value};
use crate::asn1::cmc::{CmcStatusInfoV2, EncryptedPop, ExtendedFailInfo, PendInfo, PkiResponse};
use crate::asn1::cms::{ContentInfo, SignedData};
use crate::asn1::{Number, decode, decode_ber, oid, split_tlv, tlv};
use crate::error::{CmcDetail, Error, Kind, Result};
use crate::text::printable;

/// A decoded response, nothing of it verified.
#[derive(Debug)]
pub struct Response {
    /// The controls of a Full PKI Response; `None` for a Simple one (certificates only).
    pub controls: Option<Vec<TaggedControl>>,
    /// Dotted eContentType: id-cct-PKIResponse, or id-data for a Simple PKI Response.
    pub content_type: String,
    /// DER of the X.509 certificates, in the order of the message.
    pub certificates: Vec<Vec<u8>>,
    /// Number of SignerInfos.
    pub signers: usize,
    signed: SignedData,
}

/// The content of a Full PKI Response (RFC 5272 §4.2).
#[derive(Debug)]
pub struct Content {
    /// controlSequence.
    pub controls: Vec<TaggedControl>,
    /// Number of parts in cmsSequence.
    pub cms_sequence: usize,
    /// Number of parts in otherMsgSequence.
    pub other_messages: usize,
}

impl Content {
    /// Reads a PKIResponse.
    ///
    /// # Errors
    /// [`Kind::Input`]. A control that can't be decoded is no error.
    pub fn decode(der: &[u8]) -> Result<Content> {
        let response: PkiResponse = decode("the PKIResponse", der)?;
        Ok(Content {
            cms_sequence: response.cms_sequence.len(),
            other_messages: response.other_msg_sequence.len(),
            controls: response.control_sequence.iter().map(TaggedControl::new).collect(),
        })
    }
}

/// CMCStatus (RFC 5272 §6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CmcStatus {
    Success,
    Failed,
    Pending,
    NoSupport,
    ConfirmRequired,
    PopRequired,
    Partial,
    /// A number RFC 5272 doesn't define; -1 stands for what doesn't fit 64 bits.
    Unknown(i64),
}

impl CmcStatus {
    fn from_number(n: i64) -> CmcStatus {
        match n {
            0 => CmcStatus::Success,
            2 => CmcStatus::Failed,
            3 => CmcStatus::Pending,
            4 => CmcStatus::NoSupport,
            5 => CmcStatus::ConfirmRequired,
            6 => CmcStatus::PopRequired,
            7 => CmcStatus::Partial,
            n => CmcStatus::Unknown(n),
        }
    }

    /// The number on the wire.
    pub fn number(self) -> i64 {
        match self {
            CmcStatus::Success => 0,
            CmcStatus::Failed => 2,
            CmcStatus::Pending => 3,
            CmcStatus::NoSupport => 4,
            CmcStatus::ConfirmRequired => 5,
            CmcStatus::PopRequired => 6,
            CmcStatus::Partial => 7,
            CmcStatus::Unknown(n) => n,
        }
    }
}

/// RFC 5272's name.
impl fmt::Display for CmcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CmcStatus::Success => "success",
            CmcStatus::Failed => "failed",
            CmcStatus::Pending => "pending",
            CmcStatus::NoSupport => "noSupport",
            CmcStatus::ConfirmRequired => "confirmRequired",
            CmcStatus::PopRequired => "popRequired",
            CmcStatus::Partial => "partial",
            CmcStatus::Unknown(n) => return write!(f, "status {n}"),
        })
    }
}

/// CMCFailInfo (RFC 5272 §6.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailInfo(pub i64);

impl FailInfo {
    /// badMessageCheck.
    pub const BAD_MESSAGE_CHECK: FailInfo = FailInfo(1);
    /// badRequest.
    pub const BAD_REQUEST: FailInfo = FailInfo(2);
    /// badCertId.
    pub const BAD_CERT_ID: FailInfo = FailInfo(4);
    /// badIdentity.
    pub const BAD_IDENTITY: FailInfo = FailInfo(7);
    /// internalCAError.
    pub const INTERNAL_CA_ERROR: FailInfo = FailInfo(11);
    /// tryLater.
    pub const TRY_LATER: FailInfo = FailInfo(12);

    /// RFC 5272's name, if it has one.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 14] = [
            "badAlg",
            "badMessageCheck",
            "badRequest",
            "badTime",
            "badCertId",
            "unsupportedExt",
            "mustArchiveKeys",
            "badIdentity",
            "popRequired",
            "popFailed",
            "noKeyReuse",
            "internalCAError",
            "tryLater",
            "authDataFail",
        ];
        usize::try_from(self.0).ok().and_then(|n| NAMES.get(n)).copied()
    }
}

impl fmt::Display for FailInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "failInfo {}", self.0),
        }
    }
}

/// What a status adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherInfo {
    /// Why it failed.
    Fail(FailInfo),
    /// When to ask again, and with which token.
    Pend {
        /// pendToken.
        token: Vec<u8>,
        /// pendTime in seconds since 1970, UTC.
        time: i64,
    },
    /// Somebody's own code: dotted OID and DER of the value.
    Extended(String, Vec<u8>),
}

/// One CMCStatusInfoV2, or CMCStatusInfo of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// 1 or 2.
    pub version: u8,
    /// The status.
    pub status: CmcStatus,
    /// The body parts meant, as text: a number, or a path of numbers with `.` between.
    pub body_list: Vec<String>,
    /// statusString as the CA sent it: untrusted, may hold control characters.
    pub text: Option<String>,
    /// What it adds.
    pub other: Option<OtherInfo>,
}

/// What an answer amounts to.
#[derive(Debug)]
pub enum Outcome {
    /// Success; for an enrolment the certificate is among them.
    Success {
        /// DER of every certificate of the answer, in no order to rely on.
        certificates: Vec<Vec<u8>>,
    },
    /// Accepted, not yet decided, or not in every part.
    Pending {
        /// pendToken.
        token: Vec<u8>,
        /// pendTime in seconds since 1970.
        time: i64,
    },
    /// The CA wants proof of possession by decryption.
    PopRequired,
    /// Issued, but not to be used before the CA knows that it was received (RFC 5272 §6.14).
    ConfirmRequired {
        /// As in [`Outcome::Success`].
        certificates: Vec<Vec<u8>>,
    },
    /// Refused.
    Rejected(Status),
    /// A status that can't be decoded, or that lacks what it needs.
    Invalid(Error),
}

/// DER or BER of a response to a [`Response`].
///
/// # Errors
/// [`Kind::Input`] when it isn't a SignedData with a PKIResponse or nothing in it, or when a signer
/// signed another type of content.
pub fn parse(der: &[u8]) -> Result<Response> {
    let (signed, content) = open_signed_data("the CMC answer", der)?;
    check_type(&signed)?;
    let content = content.map(|der| Content::decode(&der)).transpose()?;
    Response::new(signed, content.map(|c| c.controls))
}

/// Checks that the content isn't a request, and is of the type that was signed.
fn check_type(signed: &SignedData) -> Result<()> {
    let content = &signed.encap_content_info;
    if content.content.is_none() {
        return Ok(());
    }
    if *content.content_type == *oid::ID_CCT_PKI_DATA {
        return Err(Error::new(Kind::Input, "this is a CMC request, not an answer"));
    }
    if !type_is_signed(signed) {
        return Err(Error::new(Kind::Input, "can't use the CMC answer")
            .because("its content is of another type than the one that was signed"));
    }
    Ok(())
}

/// ContentInfo → SignedData and its content.
///
/// # Errors
/// [`Kind::Input`].
pub fn open_signed_data(what: &str, der: &[u8]) -> Result<(SignedData, Option<Vec<u8>>)> {
    let info: ContentInfo = decode_ber(what, der)?;
    if *info.content_type != *oid::ID_SIGNED_DATA {
        return Err(Error::new(Kind::Input, format!("can't decode {what}")).because(format!(
            "content type {} is not SignedData",
            oid::dotted(&info.content_type)
        )));
    }
    let signed: SignedData = decode_ber(what, info.content.as_bytes())?;
    let content = signed.encap_content_info.content.as_ref().map(|c| c.to_vec());
    Ok((signed, content))
}

/// Whether every signer signed the type of the content, in the attribute contentType (RFC 5652 §5.3,
/// §11.1). Without, a content could be passed off as one of another type; NSS doesn't look.
fn type_is_signed(signed: &SignedData) -> bool {
    let content_type = &signed.encap_content_info.content_type;
    signed.signer_infos.to_vec().iter().all(|signer| {
        let attributes = signer.signed_attrs.as_ref().map(|a| a.to_vec()).unwrap_or_default();
        let mut values = attributes
            .iter()
            .filter(|a| *a.r#type == *oid::ID_CONTENT_TYPE)
            .flat_map(|a| a.values.to_vec());
        let is_the_type = |value: &Any| {
            decode::<ObjectIdentifier>("a content type", value.as_bytes())
                .is_ok_and(|id| id == *content_type)
        };
        values.next().is_some_and(is_the_type) && values.next().is_none()
    })
}

/// The plain X.509 certificates of a SignedData, as they stand there.
pub fn certificates_of(signed: &SignedData) -> Vec<Vec<u8>> {
    let all = signed.certificates.as_ref().map(|c| c.to_vec()).unwrap_or_default();
    all.into_iter().map(|c| c.as_bytes().to_vec()).filter(|c| c.first() == Some(&0x30)).collect()
}

/// Whether a control says what became of the request.
pub(crate) fn is_status(control: ControlType) -> bool {
    match control {
        ControlType::StatusInfo | ControlType::StatusInfoV2 => true,
        // Looked up where they matter: what belongs to which request, and the CA's challenge.
        ControlType::TransactionId
        | ControlType::SenderNonce
        | ControlType::RecipientNonce
        | ControlType::ResponseInfo
        | ControlType::EncryptedPop => false,
        // Nothing that a client goes by.
        ControlType::DataReturn
        | ControlType::RegInfo
        | ControlType::QueryPending
        | ControlType::Identification
        | ControlType::IdentityProof
        | ControlType::IdentityProofV2
        | ControlType::PopLinkRandom
        | ControlType::PopLinkWitness
        | ControlType::PopLinkWitnessV2
        | ControlType::DecryptedPop
        | ControlType::LraPopWitness
        | ControlType::GetCert
        | ControlType::GetCrl
        | ControlType::Revoke
        | ControlType::ConfirmCertAcceptance
        | ControlType::ModCertTemplate
        | ControlType::AddExtensions
        | ControlType::TrustedAnchors
        | ControlType::AuthData
        | ControlType::BatchRequests
        | ControlType::BatchResponses
        | ControlType::PublishCert
        | ControlType::ControlProcessed
        | ControlType::RaIdentityWitness
        | ControlType::ChangeSubjectName
        | ControlType::ResponseBody => false,
    }
}

impl Response {
    /// A response of parts that are decoded already.
    ///
    /// # Errors
    /// [`Kind::Input`] as [`parse`].
    pub(crate) fn new(
        signed: SignedData,
        controls: Option<Vec<TaggedControl>>,
    ) -> Result<Response> {
        check_type(&signed)?;
        Ok(Response {
            content_type: oid::dotted(&signed.encap_content_info.content_type),
            certificates: certificates_of(&signed),
            signers: signed.signer_infos.len(),
            controls,
            signed,
        })
    }

    /// The SignedData it came in.
    pub(crate) fn signed_data(&self) -> &SignedData {
        &self.signed
    }

    /// The first control of a type.
    pub fn control(&self, control: ControlType) -> Option<&TaggedControl> {
        self.controls.as_deref()?.iter().find(|c| c.control_type() == Some(control))
    }

    /// Every status that can be decoded, in order, of version 2 and 1.
    pub fn statuses(&self) -> Vec<&Status> {
        let status = |value| match value {
            &Ok(Control::StatusInfo(ref status) | Control::StatusInfoV2(ref status)) => {
                Some(&**status)
            }
            Ok(_) | Err(_) => None,
        };
        self.status_values().filter_map(status).collect()
    }

    /// Why a status can't be decoded, if there is such a one.
    pub fn undecodable_status(&self) -> Option<Error> {
        self.status_values().find_map(|value| value.as_ref().err()).map(|e| e.error())
    }

    fn status_values(&self) -> impl Iterator<Item = &Value> {
        let is_status = |c: &&TaggedControl| c.control_type().is_some_and(is_status);
        self.controls.iter().flatten().filter(is_status).flat_map(|c| &c.values)
    }

    /// senderNonce, if there.
    ///
    /// # Errors
    /// [`Kind::Input`] when its value is something else; so below.
    pub fn sender_nonce(&self) -> Result<Option<&[u8]>> {
        self.first(ControlType::SenderNonce, "senderNonce", |value| match value {
            Control::SenderNonce(nonce) => Some(nonce.as_slice()),
            _ => None,
        })
    }

    /// responseInfo, if there.
    ///
    /// # Errors
    /// As [`Response::sender_nonce`].
    pub fn response_info(&self) -> Result<Option<&[u8]>> {
        self.first(ControlType::ResponseInfo, "responseInfo", |value| match value {
            Control::ResponseInfo(octets) => Some(octets.as_slice()),
            _ => None,
        })
    }

    /// EncryptedPOP, if there.
    ///
    /// # Errors
    /// As [`Response::sender_nonce`].
    pub fn encrypted_pop(&self) -> Result<Option<&EncryptedPop>> {
        self.first(ControlType::EncryptedPop, "the EncryptedPOP control", |value| match value {
            Control::EncryptedPop(pop) => Some(&**pop),
            _ => None,
        })
    }

    fn first<'a, T>(
        &'a self,
        control: ControlType,
        what: &str,
        take: impl FnOnce(&'a Control) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.control(control).and_then(|c| c.values.first()) {
            None => Ok(None),
            Some(Ok(value)) => Ok(take(value)),
            Some(Err(e)) => Err(e.error_of(what)),
        }
    }

    /// What the response amounts to: the first refusal; else the first status that leaves the request
    /// open; else whether a confirmation is wanted; else success (also when there is no status at all:
    /// RFC 5272 §6.1.1 lets a CA omit it).
    pub fn outcome(&self) -> Outcome {
        if let Some(e) = self.undecodable_status() {
            return Outcome::Invalid(e);
        }
        let rank = |s: &&Status| match s.status {
            CmcStatus::Success => 3,
            CmcStatus::ConfirmRequired => 2,
            CmcStatus::Pending | CmcStatus::Partial | CmcStatus::PopRequired => 1,
            CmcStatus::Failed | CmcStatus::NoSupport | CmcStatus::Unknown(_) => 0,
        };
        let certificates = || self.certificates.clone();
        // The first of the lowest rank.
        let Some(status) = self.statuses().into_iter().min_by_key(rank) else {
            return Outcome::Success { certificates: certificates() };
        };
        match (status.status, &status.other) {
            (CmcStatus::Success, _) => Outcome::Success { certificates: certificates() },
            (CmcStatus::ConfirmRequired, _) => {
                Outcome::ConfirmRequired { certificates: certificates() }
            }
            (CmcStatus::Pending | CmcStatus::Partial, Some(OtherInfo::Pend { token, time })) => {
                Outcome::Pending { token: token.clone(), time: *time }
            }
            (CmcStatus::Pending, _) => Outcome::Invalid(Error::new(
                Kind::Input,
                "the CA says pending without saying until when",
            )),
            (CmcStatus::PopRequired, _) => Outcome::PopRequired,
            (
                CmcStatus::Partial
                | CmcStatus::Failed
                | CmcStatus::NoSupport
                | CmcStatus::Unknown(_),
                _,
            ) => Outcome::Rejected(status.clone()),
        }
    }
}

/// A value of a status control of version 1 or 2.
///
/// # Errors
/// [`Kind::Input`].
pub fn status(version: u8, der: &[u8]) -> Result<Status> {
    let info: CmcStatusInfoV2 = decode("the CMC status", der)?;
    let other = info.other_info.map(|other| other_info(other.as_bytes())).transpose()?;
    let body_list =
        info.body_list.iter().map(|p| body_part(p.as_bytes())).collect::<Result<_>>()?;
    Ok(Status {
        version,
        status: CmcStatus::from_number(number(&info.cmc_status)),
        body_list,
        text: info.status_string.map(|s| s.to_string()),
        other,
    })
}

/// OtherStatusInfo (RFC 5272 §6.1.1). ExtendedFailInfo is read with its tag `[1]` and without,
/// as JSS writes it: what it begins with tells it from PendInfo.
fn other_info(der: &[u8]) -> Result<OtherInfo> {
    let extended = |der: &[u8]| -> Result<OtherInfo> {
        let info: ExtendedFailInfo = decode("the extendedFailInfo", der)?;
        let value = info.fail_info_value.as_bytes().to_vec();
        Ok(OtherInfo::Extended(oid::dotted(&info.fail_info_oid), value))
    };
    match split_tlv(der) {
        Some((0x02, ..)) => Ok(OtherInfo::Fail(FailInfo(number(&decode("the failInfo", der)?)))),
        Some((0x30, [0x06, ..], _)) => extended(der),
        Some((0xa1, content, _)) => extended(&tlv(0x30, content)),
        _ => {
            let info: PendInfo = decode("the pendInfo", der)?;
            Ok(OtherInfo::Pend {
                token: info.pend_token.to_vec(),
                time: info.pend_time.timestamp(),
            })
        }
    }
}

/// BodyPartReference: a number, or a path.
fn body_part(der: &[u8]) -> Result<String> {
    if der.first() == Some(&0x30) {
        let path: Vec<Number> = decode("a body part path", der)?;
        let path: Vec<String> = path.iter().map(Number::to_string).collect();
        return Ok(path.join("."));
    }
    decode::<Number>("a body part id", der).map(|id| id.to_string())
}

/// A number from the wire; -1 for what doesn't fit.
fn number(n: &Number) -> i64 {
    i64::try_from(n).unwrap_or(-1)
}

impl Status {
    /// This status as an error, the CA's words made printable and explained where that helps.
    pub fn into_error(self) -> Error {
        let text = self
            .text
            .as_deref()
            .map(|t| printable(t).into_owned())
            .filter(|t| !t.trim().is_empty());
        let fail = match &self.other {
            Some(OtherInfo::Fail(f)) => Some(*f),
            _ => None,
        };
        let mut what = format!("the CA refused the request: {}", self.status);
        if let Some(fail) = fail {
            what.push_str(&format!(", {fail}"));
        }
        // A queued request is told as a failure, too; a key must not be given up for that.
        let deferred = fail == Some(FailInfo::INTERNAL_CA_ERROR)
            && text.as_deref().is_some_and(|t| t.trim_start().starts_with("Request Deferred"));
        let partial = self.status == CmcStatus::Partial;
        if deferred {
            what = "the CA queued the request until an agent decides".to_owned();
        } else if partial {
            what = "the CA did only a part of the request: partial".to_owned();
        }
        let kind = if deferred || partial { Kind::Pending } else { Kind::Rejected };
        let mut error = Error::new(kind, what).cmc(CmcDetail {
            status: self.status.to_string(),
            fail_info: fail.map(|f| f.to_string()),
            text: text.clone(),
        });
        if let Some(hint) = hint(fail, text.as_deref()) {
            error = error.hint(hint);
        }
        error = error.retry(deferred || fail == Some(FailInfo::TRY_LATER));
        match text {
            Some(text) => error.because(cut(text.trim())),
            None => error,
        }
    }
}

/// As much of a text as a message for people should hold.
fn cut(text: &str) -> String {
    const LONGEST: usize = 1000;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}… ({} octets)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// One thing to try, from what Dogtag's refusals usually mean.
fn hint(fail: Option<FailInfo>, text: Option<&str>) -> Option<String> {
    let text = text.unwrap_or_default();
    if let Some(rest) = text.strip_prefix("Profile ") {
        let id = rest.split(' ').next().unwrap_or_default();
        let near = super::profile::near(id);
        let mut hint = String::from("profile ids are case-sensitive and must be enabled on the CA");
        if !near.is_empty() {
            hint = format!("near ones: {}; {hint}", near.join(", "));
        }
        return Some(hint);
    }
    let fixed = match fail? {
        FailInfo::BAD_REQUEST if text.starts_with("Invalid Credential") => {
            "is the signer an agent of this CA, and the TLS client certificate of the same \
             subject? Users have profiles of their own, such as caFullCMCUserSignedCert"
        }
        FailInfo::BAD_REQUEST if text.contains("authorization failure") => {
            "the signer is known to the CA but is not in its agents group"
        }
        FailInfo::BAD_REQUEST if text.contains("missing Proof of Identification") => {
            "a request signed with a certificate needs a CMC profile (caFullCMCUserCert…), one by \
             shared secret its proof"
        }
        FailInfo::BAD_CERT_ID => "check the serial number and the issuer",
        FailInfo::BAD_IDENTITY if text.contains("principal and signer") => {
            "in this profile only the owner may revoke; an agent needs one of agents \
             (caFullCMCUserCert)"
        }
        FailInfo::BAD_IDENTITY if text.contains("issuer DN") => "check the issuer's name",
        FailInfo::BAD_IDENTITY => {
            "check user and shared secret; is the SharedToken plug-in configured on the CA?"
        }
        FailInfo::INTERNAL_CA_ERROR if text.contains("Deferred") => {
            "an agent finds it in the CA's request list; profiles for CMC decide at once"
        }
        FailInfo::INTERNAL_CA_ERROR if text.contains("Rejected") => {
            "a constraint of the profile (key, subject, validity) refuses this request"
        }
        FailInfo::INTERNAL_CA_ERROR => "the CA's debug log says more",
        _ => return None,
    };
    Some(fixed.to_owned())
}
