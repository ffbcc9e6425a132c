//! Options of the commands that request or accept a certificate: who requests it, for which key and
//! names, and what it must fulfil.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::args::{DatabaseArgs, SharedSecretArgs};
use super::cert::usage;
use nss_cmc::algorithm::KeySpec;
use nss_cmc::client::archive::Archive;
use nss_cmc::client::csr::AltNames;
use nss_cmc::client::doctor::Applicant;
use nss_cmc::client::enroll::{KeySource, RemoveOld, Requester};
use nss_cmc::cmc::crmf::ArchiveWrap;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::name;
use nss_cmc::nss::{Usage, exposed};

/// Headings of the options.
const ASKER: &str = "Authentication";
/// See [`ASKER`].
pub const KEY: &str = "Key";
/// See [`ASKER`].
pub const NAMES: &str = "Names";
/// See [`ASKER`].
pub const OUTPUT: &str = "Output";
/// See [`ASKER`].
pub const RENEWAL: &str = "Renewal";

/// Options for the requester, the key and the names.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["subject", "csr"])),
    group(ArgGroup::new("who").required(true).multiple(true).args(["signer", "identification"]))
)]
pub struct RequestArgs {
    /// Nickname of the agent's (or user's) certificate that signs the request and authenticates the
    /// TLS client
    #[arg(long, value_name = "NICKNAME")]
    #[arg(help_heading = ASKER)]
    signer: Option<String>,

    /// NSS database with the signer's certificate and key, if not --database. It is only read. CAs that
    /// it trusts are trusted, too. Its line in the password file is signer-db:PASSWORD
    #[arg(long, value_name = "DIR", requires = "signer")]
    #[arg(help_heading = ASKER)]
    pub signer_db: Option<String>,

    /// User id (uid) at the CA, for a request that its own key signs and a shared secret
    /// authenticates
    #[arg(long, value_name = "UID", conflicts_with = "signer")]
    #[arg(help_heading = ASKER)]
    identification: Option<String>,

    #[command(flatten, next_help_heading = ASKER)]
    shared_secret: SharedSecretArgs,

    /// Link the request to the shared secret (popLinkWitnessV2), for CAs that require it
    #[arg(long, requires = "identification")]
    #[arg(help_heading = ASKER)]
    pop_link: bool,

    /// Digest of the identity proof and the POP link: SHA-256 or SHA-512 (Dogtag cannot verify
    /// HMAC-SHA384)
    #[arg(long, value_name = "DIGEST", default_value = "SHA-256", requires = "identification",
          value_parser = ["SHA-256", "SHA-512"], ignore_case = true)]
    #[arg(help_heading = ASKER)]
    proof_digest: String,

    #[command(flatten)]
    archive: ArchiveArgs,

    /// Nickname of the new certificate
    #[arg(long, value_name = "NICKNAME", required_unless_present = "csr")]
    #[arg(help_heading = NAMES)]
    pub nickname: Option<String>,

    /// Subject of the new certificate, the most specific part first
    #[arg(long, value_name = "DN")]
    #[arg(help_heading = NAMES)]
    pub subject: Option<String>,

    /// DNS name to request (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["csr", "archive_to"])]
    #[arg(help_heading = NAMES)]
    dns: Vec<String>,

    /// IP address to request (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["csr", "archive_to"])]
    #[arg(help_heading = NAMES)]
    ip: Vec<String>,

    /// E-mail address to request (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["csr", "archive_to"])]
    #[arg(help_heading = NAMES)]
    email: Vec<String>,

    /// Type of the new key: rsa:2048, rsa:3072, ec:nistp256, ec:nistp384, ec:nistp521… [default:
    /// rsa:2048]
    #[arg(long, value_name = "TYPE")]
    #[arg(help_heading = KEY)]
    pub key_type: Option<KeySpec>,

    /// Existing PKCS #10 or CRMF request to send; no key is generated
    #[arg(long, value_name = "FILE", conflicts_with = "archive_to")]
    #[arg(help_heading = KEY)]
    csr: Option<PathBuf>,
}

impl RequestArgs {
    /// Returns warnings about the databases and the files that the options name.
    pub fn warnings(&self, database: &DatabaseArgs) -> Vec<String> {
        let mut said = database.warnings(self.shared_secret.shared_secret_file.as_deref());
        said.extend(self.signer_db.as_deref().and_then(exposed));
        said
    }

    /// Checks nickname and subject, and returns who requests; reads the shared secret.
    ///
    /// # Errors
    /// [`Kind::Usage`]; as [`SharedSecretArgs::shared`].
    pub fn checked(&self) -> Result<Requester> {
        self.check_names()?;
        self.requester()
    }

    /// Checks nickname and subject.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn check_names(&self) -> Result<()> {
        if let Some(name) = self.nickname.as_ref().filter(|n| n.chars().any(char::is_control)) {
            return Err(Error::new(Kind::Usage, format!("invalid nickname {name:?}"))
                .because("it contains a control character, such as a line break"));
        }
        self.check_subject()
    }

    /// Checks the subject.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn check_subject(&self) -> Result<()> {
        let subject = self.subject.as_deref();
        subject.map_or(Ok(()), |text| name::subject(text, name::Prefixes::Text).map(drop))
    }

    /// Reads the transport certificate of the KRA, if the key is to be archived.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn archive(&self) -> Result<Option<Archive>> {
        self.archive.read()
    }

    /// Returns the key of the request.
    pub fn key(&self) -> KeySource {
        if let Some(csr) = &self.csr {
            return KeySource::Csr(csr.clone());
        }
        KeySource::New {
            spec: self.key_type,
            subject: self.subject.clone().unwrap_or_default(),
            names: self.names(),
        }
    }

    /// Returns the alternative names to request.
    pub fn names(&self) -> AltNames {
        AltNames::tagged(&[("dns", &self.dns), ("ip", &self.ip), ("email", &self.email)])
    }

    /// Returns who requests, for a check without a request. A shared secret is read only if an option
    /// says where it is.
    pub fn applicant(&self) -> Applicant {
        match &self.signer {
            Some(nickname) => Applicant::Certificate(nickname.clone()),
            None if self.identification.is_none() => Applicant::Login,
            None => {
                let given = self.shared_secret.is_given();
                Applicant::SharedSecret(given.then(|| self.requester().map(drop)))
            }
        }
    }

    fn requester(&self) -> Result<Requester> {
        let Some(identification) = &self.identification else {
            return Ok(match &self.signer {
                Some(signer) => Requester::Certificate(signer.clone()),
                // The group of these options requires one.
                None => Requester::Login,
            });
        };
        let shared = &self.shared_secret;
        shared
            .shared(identification, self.pop_link, &self.proof_digest)
            .map(Requester::SharedSecret)
    }
}

/// Options for the archival of the new key.
#[derive(Args)]
pub struct ArchiveArgs {
    /// KRA transport certificate (DER or PEM), to archive the private key in the KRA
    #[arg(long, alias = "transport-cert", value_name = "FILE")]
    #[arg(help_heading = KEY)]
    archive_to: Option<PathBuf>,

    /// Algorithm that wraps the private key for the KRA
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "AES KeyWrap/Padding",
        requires = "archive_to"
    )]
    #[arg(help_heading = KEY)]
    wrap: ArchiveWrap,

    /// Encrypt the session key for the KRA with RSA-OAEP; the KRA must be configured for it
    #[arg(long, requires = "archive_to")]
    #[arg(help_heading = KEY)]
    oaep: bool,
}

impl ArchiveArgs {
    /// Reads the transport certificate of the KRA, if the key is to be archived.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn read(&self) -> Result<Option<Archive>> {
        let file = self.archive_to.as_deref();
        file.map(|file| Archive::read(file, self.wrap, self.oaep)).transpose()
    }
}

/// Options for what the certificate must fulfil.
#[derive(Args)]
pub struct ExpectedArgs {
    /// Fail if the certificate lacks a requested name or usage, or has another issuer: it is printed
    /// but not imported, and its key is kept
    #[arg(long)]
    #[arg(help_heading = NAMES)]
    pub require_names: bool,

    /// Issuer that the certificate must have
    #[arg(long, value_name = "DN")]
    #[arg(help_heading = NAMES)]
    pub issuer: Option<String>,

    /// Usage that keyUsage and extKeyUsage of the certificate must permit (repeatable): server, client,
    /// email-signer, email-recipient, ocsp-responder, object-signer, ipsec, ca, any-ca
    #[arg(long, value_name = "USAGE", value_parser = usage)]
    #[arg(help_heading = NAMES)]
    pub usage: Vec<Usage>,
}

impl ExpectedArgs {
    /// Checks the issuer.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn check(&self) -> Result<()> {
        self.issuer.as_deref().map_or(Ok(()), |text| name::parse(text).map(drop))
    }
}

/// What to remove of a replaced certificate.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Remove {
    /// The certificate; its key is kept
    Cert,
    /// The certificate and its key
    CertAndKey,
}

impl From<Remove> for RemoveOld {
    fn from(what: Remove) -> RemoveOld {
        match what {
            Remove::Cert => RemoveOld::Certificate,
            Remove::CertAndKey => RemoveOld::CertificateAndKey,
        }
    }
}
