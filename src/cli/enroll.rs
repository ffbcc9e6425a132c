//! `nss-cmc enroll`: enrolls a certificate and imports it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::args::{DatabaseArgs, duration};
use super::connect_args::CaArgs;
use super::enroll_args::{ExpectedArgs, KEY, OUTPUT, RENEWAL, Remove, RequestArgs};
use super::enroll_report as report;
use crate::cli::report::Report;
use nss_cmc::algorithm::KeySpec;
use nss_cmc::client::connection::Config;
use nss_cmc::client::doctor::DoctorSpec;
use nss_cmc::client::enroll::{DEFAULT_KEY, EnrollSpec, Event, Order, check, enroll};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Trust;

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
      --ca https://est.example.com --est --key-type ec:nistp256 \\
      --subject CN=alice --nickname alice-2

  A device's first certificate from an EST server, with user and password:
    nss-cmc enroll -d db --password-file pin.txt --ca https://est.example.com --est --simple \\
      --est-user device7 --est-password-file est.txt --subject CN=device7 --nickname device7";

/// Arguments of `enroll`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct EnrollArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Send the PKCS #10 request alone to an EST server, which needs no CMC: to /simplereenroll if the
    /// signer's certificate, which authenticates the TLS client, has the subject and the alternative
    /// names of the request, else to /simpleenroll
    #[arg(long, conflicts_with_all = ["identification", "encryption_only", "archive_to"])]
    #[arg(help_heading = "CA", group = "who")]
    simple: bool,

    #[command(flatten)]
    request: RequestArgs,

    /// Enroll a key that cannot sign: it proves possession by decrypting the CA's challenge (two round
    /// trips)
    #[arg(long, conflicts_with_all = ["csr", "identification", "dns", "ip", "email"])]
    #[arg(help_heading = KEY)]
    encryption_only: bool,

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

    #[command(flatten)]
    expected: ExpectedArgs,

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

impl EnrollArgs {
    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        self.chain_out.as_deref()
    }

    fn config(&self) -> Result<Config> {
        Ok(Config { simple: self.simple, ..self.ca.config()? })
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.request.warnings(&self.database);
        said.extend(self.ca.connect.est.warning());
        said
    }

    /// Returns what is about the certificate, for `bulk`.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn order(self) -> Result<Order> {
        self.config()?.submit_url()?;
        self.expected.check()?;
        self.request.check_names()?;
        Ok(Order {
            names: self.request.names(),
            key: self.request.key_type,
            subject: self.request.subject.unwrap_or_default(),
            nickname: self.request.nickname.unwrap_or_default(),
            profile: Some(self.ca.profile),
            issuer: self.expected.issuer,
            usages: self.expected.usage,
            require_names: self.expected.require_names,
            trust: self.trust,
            chain_file: self.chain_out,
        })
    }

    /// Returns the enrollment as `doctor` examines it. A shared secret is read only if an option
    /// says where it is.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn doctor_spec(self) -> Result<DoctorSpec> {
        let connection = self.config()?;
        connection.submit_url()?;
        self.request.check_subject()?;
        Ok(DoctorSpec {
            applicant: self.request.applicant(),
            key: self.request.key(),
            passwords: self.database.passwords(),
            database: self.database.database,
            token: self.database.token,
            signer_database: self.request.signer_db,
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
    let connection = args.config()?;
    connection.submit_url()?;
    args.expected.check()?;
    let requester = args.request.checked()?;
    let key_type = args.request.key_type.unwrap_or(DEFAULT_KEY);
    if args.encryption_only && !matches!(key_type, KeySpec::Rsa(_)) {
        return Err(Error::new(Kind::Usage, "--encryption-only needs an RSA key")
            .hint("use --key-type rsa:2048"));
    }
    let archive = args.request.archive()?;
    let about_archive = archive.as_ref().map(|a| a.warnings.clone()).unwrap_or_default();
    let spec = EnrollSpec {
        key: args.request.key(),
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        nickname: args.request.nickname,
        requester,
        signer_database: args.request.signer_db,
        encryption_only: args.encryption_only,
        archive,
        connection,
        force: args.force,
        renew_on_change: args.renew_on_change,
        renew_revoked: args.renew_revoked,
        require_names: args.expected.require_names,
        issuer: args.expected.issuer,
        usages: args.expected.usage,
        reuse_key: args.reuse_key,
        remove_old: args.remove_old.map(Into::into),
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
    Ok(report::enrolled("enroll", &enrolled, about_archive, args.diff))
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
