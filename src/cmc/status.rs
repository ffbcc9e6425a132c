//! CMC statuses (RFC 5272 §6.1): decodes them, and makes errors of them.

use std::fmt;

use rasn::types::Integer;

use crate::asn1::cmc::{CmcStatusInfoV2, ExtendedFailInfo, PendInfo};
use crate::asn1::{Number, decode, oid, split_tlv, tlv};
use crate::error::{CmcDetail, Error, Kind, Result};
use crate::text::printable;

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
    /// A number that RFC 5272 doesn't define; -1 for a number beyond 64 bits.
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

    /// Returns the encoded number.
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

/// Writes RFC 5272's name.
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

    /// Returns RFC 5272's name, if the number has one.
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

/// OtherStatusInfo: details of a status (RFC 5272 §6.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherInfo {
    /// failInfo: the reason of a failure.
    Fail(FailInfo),
    /// pendInfo: when to ask again, and with which token.
    Pend {
        /// pendToken.
        token: Vec<u8>,
        /// pendTime in seconds since 1970, UTC.
        time: i64,
    },
    /// extendedFailInfo: a code defined by another party, as dotted OID and DER of the value.
    Extended(String, Vec<u8>),
}

/// One CMCStatusInfoV2, or CMCStatusInfo of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// 1 or 2.
    pub version: u8,
    /// The status.
    pub status: CmcStatus,
    /// The body parts it applies to, as text: a number, or a path of numbers joined by `.`.
    pub body_list: Vec<String>,
    /// statusString as received: untrusted, may hold control characters.
    pub text: Option<String>,
    /// otherInfo.
    pub other: Option<OtherInfo>,
}

/// Decodes the value of a status control: CMCStatusInfo (version 1, RFC 5272 §6.1.2) or
/// CMCStatusInfoV2 (§6.1.1).
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

/// Decodes OtherStatusInfo (RFC 5272 §6.1.1). ExtendedFailInfo is accepted with its tag `[1]` and
/// without, as JSS writes it; its first element distinguishes it from PendInfo.
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

/// Returns a BodyPartReference as text: a number or a path.
fn body_part(der: &[u8]) -> Result<String> {
    if der.first() == Some(&0x30) {
        let path: Vec<Integer> = decode("a body part path", der)?;
        let path: Vec<String> = path.iter().map(|n| Number::of(n).to_string()).collect();
        return Ok(path.join("."));
    }
    decode("a body part id", der).map(|id| Number::of(&id).to_string())
}

/// Returns a decoded number; -1 beyond 64 bits.
fn number(n: &Integer) -> i64 {
    i64::try_from(n).unwrap_or(-1)
}

impl Status {
    /// Returns this status as an error, with the CA's text escaped, and a hint where Dogtag's
    /// meaning is known.
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
        // Dogtag reports a queued request as a failure too; its key must not be deleted.
        let deferred = fail == Some(FailInfo::INTERNAL_CA_ERROR)
            && text.as_deref().is_some_and(|t| t.trim_start().starts_with("Request Deferred"));
        let partial = self.status == CmcStatus::Partial;
        if deferred {
            what = "the CA queued the request for an agent's approval".to_owned();
        } else if partial {
            what = "the CA processed only a part of the request: partial".to_owned();
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

/// Returns the beginning of a text, as long as an error message should show.
fn cut(text: &str) -> String {
    const LONGEST: usize = 1000;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}… ({} octets)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// Returns one thing to try, from the usual causes of Dogtag's refusals.
fn hint(fail: Option<FailInfo>, text: Option<&str>) -> Option<String> {
    let text = text.unwrap_or_default();
    if let Some(rest) = text.strip_prefix("Profile ") {
        let id = rest.split(' ').next().unwrap_or_default();
        let near = super::profile::near(id);
        let mut hint = String::from(
            "check the profile id (case-sensitive), and that the profile is enabled on the CA",
        );
        if !near.is_empty() {
            hint = format!("similar profiles: {}; {hint}", near.join(", "));
        }
        return Some(hint);
    }
    let fixed = match fail? {
        FailInfo::BAD_REQUEST if text.starts_with("Invalid Credential") => {
            "check that the signer is an agent of this CA, and that the TLS client certificate has \
             the same subject; users need another profile, such as caFullCMCUserSignedCert"
        }
        FailInfo::BAD_REQUEST if text.contains("authorization failure") => {
            "add the signer's user to the CA's agents group: the CA knows the signer"
        }
        FailInfo::BAD_REQUEST if text.contains("missing Proof of Identification") => {
            "use a CMC profile (caFullCMCUserCert…) for a request signed with a certificate; add the \
             identity proof to a request with a shared secret"
        }
        FailInfo::BAD_CERT_ID => "check the serial number and the issuer",
        FailInfo::BAD_IDENTITY if text.contains("principal and signer") => {
            "use an agents' profile (caFullCMCUserCert): in this profile only the owner may revoke"
        }
        FailInfo::BAD_IDENTITY if text.contains("issuer DN") => "check the issuer's name",
        FailInfo::BAD_IDENTITY => {
            "check the uid, the shared secret, and the SharedToken plug-in of the CA"
        }
        FailInfo::INTERNAL_CA_ERROR if text.contains("Deferred") => {
            "ask an agent to approve the request; a CMC profile issues at once"
        }
        FailInfo::INTERNAL_CA_ERROR if text.contains("Rejected") => {
            "check the constraints of the profile (key, subject, validity)"
        }
        FailInfo::INTERNAL_CA_ERROR => "see the CA's debug log",
        _ => return None,
    };
    Some(fixed.to_owned())
}
