//! The result of an enrollment.

use std::fmt;
use std::path::PathBuf;

use crate::algorithm::KeySpec;
use crate::asn1::summary::Summary;
use crate::error::{Error, Fault};
use crate::keyid;
use crate::nss::Trust;

/// The result of [`enroll`](super::enroll).
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
    /// Remarks.
    pub notices: Vec<Notice>,
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
    /// DER of its issuers, nearest first.
    pub chain: Vec<Vec<u8>>,
    /// Its key; `None` for an existing request.
    pub key: Option<IssuedKey>,
    /// Nicknames of the CA certificates added to the database.
    pub imported_cas: Vec<String>,
    /// The requested alternative names that it lacks.
    pub missing_names: Vec<String>,
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
            Notice::CaNotImported(e) | Notice::LabelStays(e) | Notice::NotClosed(e) => e.fmt(f),
            Notice::NewLabelStays(fault) => {
                write!(f, "cannot remove the key's label: {fault}")
            }
        }
    }
}
