//! What an enrollment comes to.

use std::fmt;
use std::path::PathBuf;

use crate::algorithm::KeySpec;
use crate::asn1::summary::Summary;
use crate::error::{Error, Fault};
use crate::keyid;
use crate::nss::Trust;

/// What a run of [`enroll`](super::enroll) did.
#[derive(Debug)]
pub struct Enrolled {
    /// The certificate.
    pub certificate: Summary,
    /// Its nickname in the database; none when it isn't imported.
    pub nickname: Option<String>,
    /// The token, by its label; `internal` for the database's own.
    pub token: String,
    /// Whether the token has its private key.
    pub has_key: bool,
    /// Whether the private key is archived in the CA's KRA; nothing where an earlier request decided.
    pub archived: Option<bool>,
    /// What was done.
    pub outcome: Outcome,
    /// What is to be known besides.
    pub notices: Vec<Notice>,
}

/// What was done.
#[derive(Debug)]
pub enum Outcome {
    /// The nickname held what was asked for.
    Unchanged {
        /// Its names that are not asked for.
        extra_names: Vec<String>,
        /// What an earlier run should have left beside it, and did not.
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
    /// DER of its issuers, the nearest first.
    pub chain: Vec<Vec<u8>>,
    /// Its key; nothing for a request that somebody else made.
    pub key: Option<IssuedKey>,
    /// Nicknames of the CA certificates that are new in the database.
    pub imported_cas: Vec<String>,
    /// Alternative names asked for that it lacks.
    pub missing_names: Vec<String>,
    /// The subject asked for, where the CA replaced it.
    pub replaced_subject: Option<String>,
    /// The file the certificate and its chain were written to.
    pub chain_file: Option<PathBuf>,
}

/// The key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedKey {
    /// CKA_ID.
    pub id: Vec<u8>,
    /// Whether an earlier run made it.
    pub resumed: bool,
}

/// What was missing beside a certificate.
#[derive(Debug, Clone)]
pub enum Mended {
    /// This label was taken from its key.
    Label(String),
    /// Its trust flags were set.
    Trust(Trust),
    /// Its chain was written to this file.
    ChainFile(PathBuf),
}

/// Something to know although the run came to its end.
#[derive(Debug)]
pub enum Notice {
    /// A key of an earlier run is there.
    UnfinishedKey {
        /// CKA_LABEL.
        label: String,
        /// CKA_ID.
        id: Vec<u8>,
        /// What it is, if that can be seen.
        kind: Option<KeySpec>,
    },
    /// The CA's records could not be asked for the certificate of an earlier request.
    RecordsSilent(Error),
    /// A CA certificate could not be imported.
    CaNotImported(Error),
    /// A label could not be taken from the key of a certificate that was there.
    LabelStays(Error),
    /// The label could not be taken from the key of the new certificate.
    NewLabelStays(Fault),
    /// NSS could not be shut down: a handle leaked, which is a defect, not a failure of what was done.
    NotClosed(Error),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::UnfinishedKey { label, id, kind } => {
                let id = keyid::to_hex(id);
                write!(f, "a key with the label {label:?} is there, id {id}")?;
                kind.map_or(Ok(()), |kind| write!(f, ", {kind}"))
            }
            Notice::RecordsSilent(why) => {
                write!(f, "cannot ask the CA for the certificate of an earlier request: {why}")
            }
            Notice::CaNotImported(e) | Notice::LabelStays(e) => e.fmt(f),
            Notice::NewLabelStays(fault) => {
                write!(f, "the key's label could not be taken away: {fault}")
            }
            Notice::NotClosed(e) => match e.nss() {
                Some(fault) => write!(f, "NSS could not be shut down: {fault}"),
                None => e.fmt(f),
            },
        }
    }
}
