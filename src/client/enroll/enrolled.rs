//! The result of an enrollment, or of its prediction.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::RemoveOld;
use crate::algorithm::KeySpec;
use crate::asn1::Number;
use crate::asn1::summary::Summary;
use crate::error::{Error, Fault};
use crate::keyid;
use crate::nss::{Trust, Usage};

/// The result of [`enroll`](super::enroll()) and [`accept`](super::accept()).
#[derive(Debug)]
pub struct Enrolled {
    /// The certificate.
    pub certificate: Summary,
    /// Its nickname in the database; `None` when it isn't imported.
    pub nickname: Option<String>,
    /// The token's label; `internal` for the database's own.
    pub token: String,
    /// Whether the token has its private key.
    pub has_key: bool,
    /// Whether the private key is archived in the CA's KRA; `None` when an earlier request decided
    /// that.
    pub archived: Option<bool>,
    /// What was done.
    pub outcome: Outcome,
    /// The certificate in use under the nickname before the run.
    pub before: Option<Described>,
    /// The certificate under the nickname after the run.
    pub after: Option<Described>,
    /// Remarks.
    pub notices: Vec<Notice>,
}

/// A certificate as it is compared before and after a run. What isn't known of a predicted one is
/// `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its subject.
    pub subject: Option<String>,
    /// Its alternative names.
    pub sans: Option<Vec<String>>,
    /// Its serial number.
    pub serial: Option<Number>,
    /// Its issuer.
    pub issuer: Option<String>,
    /// Start and end of its validity.
    pub validity: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Type and size of its key.
    pub key: Option<KeySpec>,
    /// Its trust flags, as certutil prints them.
    pub trust: Option<String>,
}

/// What [`check`](super::check) predicts.
#[derive(Debug)]
pub struct Predicted {
    /// The nickname of the certificate.
    pub nickname: Option<String>,
    /// The token's label; `internal` for the database's own.
    pub token: String,
    /// What a run would do.
    pub what: Prediction,
    /// The certificate in use under the nickname.
    pub before: Option<Described>,
    /// The certificate under the nickname after a run.
    pub after: Option<Described>,
    /// Remarks.
    pub notices: Vec<Notice>,
}

/// What a run would do.
#[derive(Debug)]
pub enum Prediction {
    /// Nothing: the certificate in use matches the request.
    Unchanged,
    /// Do this for the certificate in use, which matches the request.
    Update(Vec<Mended>),
    /// Request a certificate where there is none.
    Issue,
    /// Request a certificate that replaces the one in use.
    Renew,
}

/// What the run did.
#[derive(Debug)]
pub enum Outcome {
    /// The certificate under the nickname matches the request.
    Unchanged {
        /// Its names that were not requested.
        extra_names: Vec<String>,
        /// What an earlier run should have done for it, and this run did.
        mended: Vec<Mended>,
    },
    /// The CA issued a certificate.
    Issued(Box<Issued>),
}

/// A certificate that the CA issued.
#[derive(Debug)]
pub struct Issued {
    /// Whether it was issued to an earlier run.
    pub recovered: bool,
    /// Whether the response with it had no signature: it is proven by its issuer's signature, by its
    /// key, and by the server's authentication.
    pub unsigned: bool,
    /// DER of its issuers, nearest first.
    pub chain: Vec<Vec<u8>>,
    /// Its key; `None` for an existing request.
    pub key: Option<IssuedKey>,
    /// Nicknames of the CA certificates added to the database.
    pub imported_cas: Vec<String>,
    /// The requested alternative names that it lacks.
    pub missing_names: Vec<String>,
    /// The requested usages that it doesn't permit.
    pub missing_usages: Vec<Usage>,
    /// Its issuer, if it is another one than requested.
    pub other_issuer: Option<String>,
    /// The trust flags of the certificate that it replaces, which it has now.
    pub kept_trust: Option<Trust>,
    /// What was removed of the certificate that it replaces.
    pub removed: Option<RemoveOld>,
    /// The requested subject, if the CA replaced it.
    pub replaced_subject: Option<String>,
    /// The file with the certificate and its chain.
    pub chain_file: Option<PathBuf>,
}

/// The key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedKey {
    /// CKA_ID.
    pub id: Vec<u8>,
    /// Whether an earlier run generated it.
    pub resumed: bool,
    /// Whether it is the key of the certificate that is replaced.
    pub reused: bool,
}

/// What was missing for a certificate, and has been done.
#[derive(Debug, Clone)]
pub enum Mended {
    /// This label was removed from its key.
    Label(String),
    /// Its trust flags were set.
    Trust(Trust),
    /// Its chain was written to this file.
    ChainFile(PathBuf),
}

/// A remark on a run that succeeded.
#[derive(Debug)]
pub enum Notice {
    /// A key of an earlier run exists.
    UnfinishedKey {
        /// CKA_LABEL.
        label: String,
        /// CKA_ID.
        id: Vec<u8>,
        /// Its type and size, if known.
        kind: Option<KeySpec>,
    },
    /// The CA's records could not be queried for the certificate of an earlier request.
    RecordsSilent(Error),
    /// The existing certificate is on hold.
    OnHold,
    /// The CA's records don't show whether the existing certificate is revoked; `None` if they
    /// don't have it.
    StateUnknown(Option<Error>),
    /// A CA certificate could not be imported.
    CaNotImported(Error),
    /// The earlier request with this pendToken, which the CA holds back, can't be continued; with the
    /// reason. A new request is sent.
    PendingUnusable(String, String),
    /// The state file of the request could not be marked as accepted.
    StateNotMarked(Error),
    /// The new certificate doesn't have the trust flags of the one that it replaces.
    TrustNotKept(Error),
    /// The replaced certificate, or its key, was not removed.
    NotRemoved(Error),
    /// The label could not be removed from the key of an existing certificate.
    LabelStays(Error),
    /// The label could not be removed from the key of the new certificate.
    NewLabelStays(Fault),
    /// NSS could not be shut down: a handle leaked. That is a defect, but the run has done its
    /// work.
    NotClosed(Error),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::UnfinishedKey { label, id, kind } => {
                let id = keyid::to_hex(id);
                write!(f, "a key with label {label:?} exists, id {id}")?;
                kind.map_or(Ok(()), |kind| write!(f, ", {kind}"))
            }
            Notice::RecordsSilent(why) => {
                write!(f, "cannot look up the certificate of an earlier request at the CA: {why}")
            }
            Notice::OnHold => f.write_str("the certificate is on hold"),
            Notice::StateUnknown(Some(why)) => {
                write!(f, "cannot look up at the CA whether the certificate is revoked: {why}")
            }
            Notice::StateUnknown(None) => f.write_str("the CA has no record of the certificate"),
            Notice::PendingUnusable(request, why) => {
                write!(f, "cannot continue the pending request {request}: {why}; a new one is sent")
            }
            Notice::StateNotMarked(why) => write!(f, "cannot mark the state file: {why}"),
            Notice::CaNotImported(e)
            | Notice::TrustNotKept(e)
            | Notice::NotRemoved(e)
            | Notice::LabelStays(e)
            | Notice::NotClosed(e) => e.fmt(f),
            Notice::NewLabelStays(fault) => {
                write!(f, "cannot remove the key's label: {fault}")
            }
        }
    }
}
