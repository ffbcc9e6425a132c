//! The JSON of the result of `enroll` and `cmc accept`.

use schemars::JsonSchema;
use serde::Serialize;

use super::report::{Certificate, Serial};

/// Result of `enroll` and `cmc accept`.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EnrollResult {
    /// A certificate was issued, now or to an earlier run.
    Issued(Box<CertificateIssued>),
    /// The existing certificate matches.
    Existing(Box<ExistingCertificate>),
    /// With --check.
    Predicted(EnrollPredicted),
}

/// A certificate that was issued.
#[derive(Serialize, JsonSchema)]
pub struct CertificateIssued {
    /// Null if it was not imported.
    pub nickname: Option<String>,
    pub token: String,
    /// Whether its key is in the database.
    pub has_key: bool,
    pub certificate: Certificate,
    /// Its issuers as PEM, nearest first.
    pub chain: Vec<String>,
    pub imported_ca_nicknames: Vec<String>,
    /// Requested names that it lacks.
    pub missing_names: Vec<String>,
    /// Requested usages that it does not permit.
    pub missing_usages: Vec<&'static str>,
    /// Serial number of the certificate that it replaces.
    pub replaced_serial: Option<String>,
    /// What was removed of that certificate: `cert` or `cert_and_key`.
    pub old_removed: Option<&'static str>,
    /// Trust flags that it has from that certificate.
    pub trust_kept: Option<String>,
    /// Whether the CA changed the subject.
    pub subject_replaced: bool,
    /// Whether its key is archived in the KRA; null if that is unknown.
    pub archived: Option<bool>,
    /// Whether the response with it was signed. If not, the certificate is proven by its issuer's
    /// signature and its key, and the server by TLS. Null if it was issued to an earlier run.
    pub response_signed: Option<bool>,
    #[serde(flatten)]
    pub key: Option<RequestKey>,
}

/// The key of the request; absent for a request from a file.
#[derive(Serialize, JsonSchema)]
pub struct RequestKey {
    /// Key id as certutil prints it.
    pub key_id: String,
    /// Key id as Dogtag's tools print it.
    pub key_id_signed: String,
    /// Whether it is the key of an unfinished request.
    pub key_resumed: bool,
    /// Whether it is the key of the certificate that was replaced.
    pub key_reused: bool,
}

/// A certificate that was there.
#[derive(Serialize, JsonSchema)]
pub struct ExistingCertificate {
    pub nickname: Option<String>,
    pub token: String,
    pub has_key: bool,
    pub certificate: Certificate,
    /// Names that were not requested.
    pub extra_names: Vec<String>,
}

/// What a run would do.
#[derive(Serialize, JsonSchema)]
pub struct EnrollPredicted {
    pub nickname: Option<String>,
    pub token: String,
    /// Serial number of the existing certificate.
    pub serial: Option<Serial>,
}
