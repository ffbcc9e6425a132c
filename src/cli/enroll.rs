//! `nss-cmc enroll`: enrolls a certificate and imports it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::args::{CaArgs, DatabaseArgs, SharedSecretArgs, duration};
use super::cert::usage;
use super::enroll_report as report;
use crate::cli::report::Report;
use nss_cmc::algorithm::KeySpec;
use nss_cmc::client::archive::Archive;
use nss_cmc::client::csr::AltNames;
use nss_cmc::client::doctor::{Applicant, DoctorSpec};
use nss_cmc::client::enroll::{
    DEFAULT_KEY, EnrollSpec, Event, KeySource, RemoveOld, Requester, check, enroll,
};
use nss_cmc::cmc::crmf::ArchiveWrap;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::name;
use nss_cmc::nss::{Trust, Usage, exposed};

/// Headings of the options.
const ASKER: &str = "Authentication";
const KEY: &str = "Key";
const NAMES: &str = "Names";
const OUTPUT: &str = "Output";
const RENEWAL: &str = "Renewal";

const EXAMPLES: &str = "\
The signature of the response and every certificate in it must lead to a CA that the database trusts.
Not checked: OCSP. CRLs are checked only if they are in the database.

Examples:
  A TLS server certificate, requested by an agent:
    nss-cmc enroll -d /etc/httpd/alias --password-file pin.txt \\
      --ca https://ca.example.com:8443 --profile caCMCserverCert --signer caadmin \\
      --subject CN=www.example.com,O=EXAMPLE --dns www.example.com --nickname Server-Cert

  A user's first certificate, with a shared secret:
    nss-cmc enroll -d db --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caFullCMCSharedTokenCert --identification alice \\
      --shared-secret-file secret.txt --subject CN=alice --nickname alice

  A certificate for an existing request, the chain in a file:
    nss-cmc enroll -d db --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caCMCserverCert --signer caadmin --csr www.csr --chain-out www.pem

  A certificate from an EST server, the result as JSON:
    nss-cmc enroll -d db --password-file pin.txt --signer alice --output json \\
      --ca https://est.example.com/.well-known/est/fullcmc --key-type ec:nistp256 \\
      --subject CN=alice --nickname alice-2";

/// Arguments of `enroll`.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["subject", "csr"])),
    group(ArgGroup::new("who").required(true).args(["signer", "identification"])),
    after_help = EXAMPLES
)]
pub struct EnrollArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the agent's (or user's) certificate that signs the request and authenticates the
    /// TLS client
    #[arg(long, value_name = "NICKNAME")]
    #[arg(help_heading = ASKER)]
    signer: Option<String>,

    /// NSS database with the signer's certificate and key, if not --database. It is only read. CAs that
    /// it trusts are trusted, too. Its line in the password file is signer-db:PASSWORD
    #[arg(long, value_name = "DIR", requires = "signer")]
    #[arg(help_heading = ASKER)]
    signer_db: Option<String>,

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

    /// Enroll a key that cannot sign: it proves possession by decrypting the CA's challenge (two round
    /// trips)
    #[arg(long, conflicts_with_all = ["csr", "identification", "dns", "ip", "email"])]
    #[arg(help_heading = KEY)]
    encryption_only: bool,

    /// KRA transport certificate (DER or PEM), to archive the private key in the KRA
    #[arg(long, alias = "transport-cert", value_name = "FILE",
          conflicts_with_all = ["csr", "dns", "ip", "email"])]
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

    /// Nickname of the new certificate
    #[arg(long, value_name = "NICKNAME", required_unless_present = "csr")]
    #[arg(help_heading = NAMES)]
    nickname: Option<String>,

    /// Subject of the new certificate, the most specific part first
    #[arg(long, value_name = "DN")]
    #[arg(help_heading = NAMES)]
    subject: Option<String>,

    /// DNS name to request (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with = "csr")]
    #[arg(help_heading = NAMES)]
    dns: Vec<String>,

    /// IP address to request (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "csr")]
    #[arg(help_heading = NAMES)]
    ip: Vec<String>,

    /// E-mail address to request (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "csr")]
    #[arg(help_heading = NAMES)]
    email: Vec<String>,

    /// Type of the new key: rsa:2048, rsa:3072, ec:nistp256, ec:nistp384, ec:nistp521… [default:
    /// rsa:2048]
    #[arg(long, value_name = "TYPE")]
    #[arg(help_heading = KEY)]
    key_type: Option<KeySpec>,

    /// Existing PKCS #10 or CRMF request to send; no key is generated
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = KEY)]
    csr: Option<PathBuf>,

    /// Trust flags for the new certificate, as certutil writes them (audit signing: u,u,Pu). Default:
    /// those of the certificate that it replaces
    #[arg(long, value_name = "FLAGS", requires = "nickname", value_parser = trust)]
    #[arg(help_heading = OUTPUT)]
    trust: Option<Trust>,

    /// File for the certificate and its chain (PEM)
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = OUTPUT)]
    chain_out: Option<PathBuf>,

    /// Request a new certificate even if the existing one matches the options
    #[arg(long)]
    #[arg(help_heading = RENEWAL)]
    force: bool,

    /// Request a new certificate if the existing one lacks a requested name or usage, or has another
    /// issuer or key type; if the new one lacks the same, it is not imported
    #[arg(long)]
    #[arg(help_heading = RENEWAL)]
    renew_on_change: bool,

    /// Look up the existing certificate in the CA's records, and request a new one if it is revoked;
    /// a certificate on hold is kept
    #[arg(long)]
    #[arg(help_heading = RENEWAL)]
    renew_revoked: bool,

    /// Fail if the certificate lacks a requested name or usage, or has another issuer: it is printed
    /// but not imported, and its key is kept
    #[arg(long)]
    #[arg(help_heading = NAMES)]
    require_names: bool,

    /// Issuer that the certificate must have
    #[arg(long, value_name = "DN")]
    #[arg(help_heading = NAMES)]
    issuer: Option<String>,

    /// Usage that keyUsage and extKeyUsage of the certificate must permit (repeatable): server, client,
    /// email-signer, email-recipient, ocsp-responder, object-signer, ipsec, ca, any-ca
    #[arg(long, value_name = "USAGE", value_parser = usage)]
    #[arg(help_heading = NAMES)]
    usage: Vec<Usage>,

    /// Renew a certificate that expires within this time (30d, 12h…)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    #[arg(help_heading = RENEWAL)]
    renew_before: Duration,

    /// Renew with the key of the existing certificate; without one, a key is generated
    #[arg(long, conflicts_with = "csr")]
    #[arg(help_heading = RENEWAL)]
    reuse_key: bool,

    /// Remove the certificate that the new one replaces, or also its key, after the new one is imported
    #[arg(long, value_name = "WHAT", value_enum, requires = "nickname")]
    #[arg(help_heading = RENEWAL)]
    remove_old: Option<Remove>,

    /// Wait this long for a certificate that the CA does not issue at once (10m, 1h…), asking for it
    /// again; the database stays locked
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true,
          value_parser = duration)]
    #[arg(help_heading = OUTPUT)]
    wait: Duration,

    /// Print what a run would do; create, change and send nothing
    #[arg(long, conflicts_with = "wait")]
    #[arg(help_heading = OUTPUT)]
    check: bool,

    /// Exit with 4 if a run would change something
    #[arg(long, requires = "check")]
    #[arg(help_heading = OUTPUT)]
    detailed_exitcode: bool,

    /// Print the certificate before and after the run
    #[arg(long)]
    #[arg(help_heading = OUTPUT)]
    diff: bool,

    /// Timeout for another run of enroll on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(help_heading = "Database")]
    lock_timeout: u64,
}

/// What to remove of a replaced certificate.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Remove {
    /// The certificate; its key is kept
    Cert,
    /// The certificate and its key
    CertAndKey,
}

impl Remove {
    /// Returns it for the library.
    pub fn what(self) -> RemoveOld {
        match self {
            Remove::Cert => RemoveOld::Certificate,
            Remove::CertAndKey => RemoveOld::CertificateAndKey,
        }
    }
}

impl EnrollArgs {
    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        self.chain_out.as_deref()
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.database.warnings(self.shared_secret.shared_secret_file.as_deref());
        said.extend(self.signer_db.as_deref().and_then(exposed));
        said
    }
}

impl EnrollArgs {
    /// Returns the enrollment as `doctor` examines it. A shared secret is read only if an option
    /// says where it is.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn doctor_spec(self) -> Result<DoctorSpec> {
        let connection = self.ca.config()?;
        connection.submit_url()?;
        if let Some(text) = &self.subject {
            name::subject(text, name::Prefixes::Text)?;
        }
        let applicant = match &self.signer {
            Some(nickname) => Applicant::Certificate(nickname.clone()),
            None => {
                let given = self.shared_secret.is_given();
                Applicant::SharedSecret(given.then(|| requester(&self).map(drop)))
            }
        };
        Ok(DoctorSpec {
            applicant,
            key: key(&self),
            passwords: self.database.passwords(),
            database: self.database.database,
            token: self.database.token,
            signer_database: self.signer_db,
            connection,
        })
    }
}

/// Parses trust flags.
///
/// # Errors
/// A sentence for clap.
pub fn trust(text: &str) -> std::result::Result<Trust, String> {
    Trust::parse(text).map_err(|e| e.to_string())
}

/// Runs `enroll`; `tell` prints progress for the user.
///
/// # Errors
/// As [`enroll`].
pub fn run(args: EnrollArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    // A missing profile is reported before the database is opened.
    let connection = args.ca.config()?;
    connection.submit_url()?;
    if let Some(name) = args.nickname.as_ref().filter(|n| n.chars().any(char::is_control)) {
        return Err(Error::new(Kind::Usage, format!("invalid nickname {name:?}"))
            .because("it contains a control character, such as a line break"));
    }
    if let Some(text) = &args.subject {
        name::subject(text, name::Prefixes::Text)?;
    }
    if let Some(text) = &args.issuer {
        name::parse(text)?;
    }
    let requester = requester(&args)?;
    if args.encryption_only && !matches!(args.key_type.unwrap_or(DEFAULT_KEY), KeySpec::Rsa(_)) {
        return Err(Error::new(Kind::Usage, "--encryption-only needs an RSA key")
            .hint("use --key-type rsa:2048"));
    }
    let archive = args.archive_to.as_deref().map(|file| Archive::read(file, args.wrap, args.oaep));
    let archive = archive.transpose()?;
    let about_archive = archive.as_ref().map(|a| a.warnings.clone()).unwrap_or_default();
    let spec = EnrollSpec {
        key: key(&args),
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        nickname: args.nickname,
        requester,
        signer_database: args.signer_db,
        encryption_only: args.encryption_only,
        archive,
        connection,
        force: args.force,
        renew_on_change: args.renew_on_change,
        renew_revoked: args.renew_revoked,
        require_names: args.require_names,
        issuer: args.issuer,
        usages: args.usage,
        reuse_key: args.reuse_key,
        remove_old: args.remove_old.map(Remove::what),
        wait: args.wait,
        lock_timeout: Duration::from_secs(args.lock_timeout),
        renew_before: args.renew_before,
        trust: args.trust,
        chain_file: args.chain_out,
    };
    if args.check {
        let predicted = check(spec)?;
        return Ok(report::predicted(&predicted, args.diff, args.detailed_exitcode));
    }
    let enrolled = enroll(spec, &mut |event| tell(&event_text(&event)))?;
    Ok(report::enrolled(&enrolled, about_archive, args.diff))
}

fn key(args: &EnrollArgs) -> KeySource {
    if let Some(csr) = &args.csr {
        return KeySource::Csr(csr.clone());
    }
    let names = [("dns", &args.dns), ("ip", &args.ip), ("email", &args.email)];
    KeySource::New {
        spec: args.key_type,
        subject: args.subject.clone().unwrap_or_default(),
        names: AltNames::tagged(&names),
    }
}

fn requester(args: &EnrollArgs) -> Result<Requester> {
    let Some(identification) = &args.identification else {
        return Ok(Requester::Certificate(args.signer.clone().unwrap_or_default()));
    };
    let shared = args.shared_secret.shared(identification, args.pop_link, &args.proof_digest)?;
    Ok(Requester::SharedSecret(shared))
}

/// Returns the message printed while this run waits for another one.
pub fn event_text(event: &Event) -> String {
    match event {
        Event::Waiting(folder, limit) => format!(
            "waiting for another run on NSS database {} (at most {} s)",
            folder.display(),
            limit.as_secs()
        ),
        Event::NotLocked(folder, why) => format!(
            "cannot lock NSS database {}: {why}; do not start another run",
            folder.display()
        ),
        Event::Pending(request, until) => format!(
            "the CA holds back the request {request}; asking again at {}",
            until.format("%Y-%m-%d %H:%M:%S UTC")
        ),
    }
}
