//! `nss-cmc renew`: renews the certificates that are due.

mod plan;
mod report;

use std::time::Duration;

use clap::Args;

use super::Filled;
use super::args::{PasswordArgs, duration};
use super::connect_args::{EstArgs, ReachArgs};
use super::enroll::{event_text, trust};
use super::enroll_args::{ArchiveArgs, Remove};
use super::report::Report;
use nss_cmc::algorithm::KeySpec;
use nss_cmc::client::connection::Encoding;
use nss_cmc::client::renew::{Hook, check, renew};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::interrupt::Watch;
use nss_cmc::nss::{Trust, exposed};
use plan::{Job, Task};
pub use report::Renewals;
use report::{Entry, Outcome};

/// Headings of the options.
const ASKER: &str = "Authentication";
const CA: &str = "CA";
const DATABASE: &str = "Database";
const KEY: &str = "Key";
const OUTPUT: &str = "Output";
const RENEWAL: &str = "Renewal";

const EXAMPLES: &str = "\
A certificate is renewed with the same subject, names, usages, key type, trust flags and nickname. One
that is not due is not touched; one that fails does not stop the others, and the exit code is that of
the first failure. The command of --exec runs after a certificate was stored; if it fails, or the run is
killed before it, the next run calls it again. It gets NSS_CMC_NICKNAME, NSS_CMC_DATABASE,
NSS_CMC_TOKEN, NSS_CMC_SUBJECT, NSS_CMC_SERIAL, NSS_CMC_OLD_SERIAL and NSS_CMC_NOT_AFTER in its
environment.

Examples:
  All certificates that the configuration file names, as the systemd timer does:
    nss-cmc renew

  Two of them, whether they are due or not:
    nss-cmc renew www ldap --renew-before 9999d

  What a run would do:
    nss-cmc renew --check

  All certificates of a database that the CA issued, signed by an agent:
    nss-cmc renew -d /etc/httpd/alias --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caCMCserverCert --signer caadmin --exec 'systemctl reload httpd'

  A user's certificate, which signs for itself:
    nss-cmc renew alice -d db --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caFullCMCUserSignedCert";

/// Arguments of `renew`. The long options, but for those of a run, are the keys of a certificate's
/// section in the configuration file.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct RenewArgs {
    /// Certificates: names of sections [certificate NAME] of the configuration file; with --database,
    /// nicknames. Default: all
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// NSS database directory (cert9.db, key4.db) whose certificates are renewed. Default: the sections
    /// of the configuration file
    #[arg(short = 'd', long, value_name = "DIR")]
    #[arg(help_heading = DATABASE)]
    database: Option<String>,

    /// PKCS #11 token of the certificates; `internal` is the database's own token
    #[arg(long, value_name = "NAME", default_value = "internal")]
    #[arg(help_heading = DATABASE)]
    token: String,

    #[command(flatten, next_help_heading = DATABASE)]
    password: PasswordArgs,

    /// Timeout for another run on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(help_heading = DATABASE)]
    lock_timeout: u64,

    /// URL of the CA (https://host:port) or of an EST server
    /// (https://host/.well-known/est/fullcmc), or its name in the configuration file
    #[arg(long, value_name = "URL")]
    #[arg(help_heading = CA)]
    ca: Option<String>,

    /// Enrollment profile of the CA that gives the same names and usages; not needed for an EST server
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    #[arg(help_heading = CA)]
    profile: String,

    /// Accept an unsigned response that has certificates only
    #[arg(long)]
    #[arg(help_heading = CA)]
    allow_unsigned_response: bool,

    #[command(flatten, next_help_heading = CA)]
    est: EstArgs,

    /// Send the PKCS #10 request alone to an EST server, which needs no CMC: to /simplereenroll if the
    /// certificate that authenticates the TLS client has the subject and the alternative names of the
    /// request, else to /simpleenroll
    #[arg(long, conflicts_with_all = ["encryption_only", "archive_to"])]
    #[arg(help_heading = CA)]
    simple: bool,

    /// Encoding of requests to an EST server, `der` or `base64`. Default: DER, and base64 if the
    /// server cannot read DER
    #[arg(long, value_name = "ENCODING")]
    #[arg(help_heading = CA)]
    est_encoding: Option<Encoding>,

    #[command(flatten)]
    reach: ReachArgs,

    /// Nickname of the agent's certificate that signs the requests. Default: each certificate signs
    /// its own renewal, for which the CA needs a profile
    #[arg(long, value_name = "NICKNAME")]
    #[arg(help_heading = ASKER)]
    signer: Option<String>,

    /// NSS database with the signer's certificate and key, if not --database. It is only read. CAs that
    /// it trusts are trusted, too. Its line in the password file is signer-db:PASSWORD
    #[arg(long, value_name = "DIR", requires = "signer")]
    #[arg(help_heading = ASKER)]
    signer_db: Option<String>,

    /// Each certificate signs its own renewal, even if the configuration file has a signer
    #[arg(long, conflicts_with = "signer")]
    #[arg(help_heading = ASKER)]
    as_owner: bool,

    /// Type of the new key. Default: that of the certificate
    #[arg(long, value_name = "TYPE", conflicts_with = "reuse_key")]
    #[arg(help_heading = KEY)]
    key_type: Option<KeySpec>,

    /// The key cannot sign: it proves possession by decrypting the CA's challenge (two round trips)
    #[arg(long)]
    #[arg(help_heading = KEY)]
    encryption_only: bool,

    #[command(flatten)]
    archive: ArchiveArgs,

    /// Renew with the key of the certificate
    #[arg(long, conflicts_with = "archive_to")]
    #[arg(help_heading = RENEWAL)]
    reuse_key: bool,

    /// Renew a certificate that expires within this time (30d, 12h…)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    #[arg(help_heading = RENEWAL)]
    renew_before: Duration,

    /// Look up each certificate in the CA's records, and renew one that is revoked; a certificate on
    /// hold is kept
    #[arg(long)]
    #[arg(help_heading = RENEWAL)]
    renew_revoked: bool,

    /// Remove the certificate that the new one replaces, or also its key, after the new one is imported
    #[arg(long, value_name = "WHAT", value_enum)]
    #[arg(help_heading = RENEWAL)]
    remove_old: Option<Remove>,

    /// Trust flags for the new certificate, as certutil writes them. Default: those of the certificate
    #[arg(long, value_name = "FLAGS", value_parser = trust)]
    #[arg(help_heading = RENEWAL)]
    trust: Option<Trust>,

    /// Program with arguments that runs after each renewal, without a shell ('systemctl reload httpd')
    #[arg(long, value_name = "COMMAND", value_parser = hook)]
    #[arg(help_heading = RENEWAL)]
    exec: Option<Hook>,

    /// Wait this long for a certificate that the CA does not issue at once (10m, 1h…), asking for it
    /// again; the database stays locked
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true,
          value_parser = duration)]
    #[arg(help_heading = RENEWAL)]
    wait: Duration,

    /// Print what a run would do; create, change and send nothing
    #[arg(long, conflicts_with = "wait")]
    #[arg(help_heading = OUTPUT)]
    check: bool,

    /// Exit with 4 if a run would change something
    #[arg(long, requires = "check")]
    #[arg(help_heading = OUTPUT)]
    detailed_exitcode: bool,
}

impl RenewArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.password.warnings(self.database.as_deref());
        said.extend(self.signer_db.as_deref().and_then(exposed));
        said.extend(self.est.warning());
        said
    }
}

/// Parses a command.
fn hook(text: &str) -> std::result::Result<Hook, String> {
    Hook::parse(text).map_err(|e| match e.hint_text() {
        Some(hint) => format!("{e}; {hint}"),
        None => e.to_string(),
    })
}

/// Runs `renew`; `tell` prints for the user what happens, and failures if `prints_failures`.
///
/// # Errors
/// [`Kind::Usage`] for a name that has no section; [`Kind::NotFound`] without any section; as
/// [`candidates`](nss_cmc::client::renew::candidates). A certificate that can't be renewed is not an
/// error here: its entry has it.
pub fn run(
    args: RenewArgs,
    filled: &Filled,
    prints_failures: bool,
    tell: &mut dyn FnMut(&str),
) -> Result<Report> {
    let (is_check, detailed) = (args.check, args.detailed_exitcode);
    let (jobs, warnings) = plan::jobs(args, filled)?;
    // Databases with a password that was refused: a token may count failures.
    let mut refused: Vec<String> = Vec::new();
    let mut entries = Vec::new();
    let watch = Watch::begin();
    for job in jobs {
        let Job { name, database, nickname, token, task } = job;
        let outcome = match task {
            Task::Skip(standing) => Outcome::Skipped(standing),
            Task::Invalid(e) => Outcome::Failed(e),
            Task::Renew(_) if refused.contains(&database) => Outcome::Failed(not_again(&database)),
            Task::Renew(spec) => match watch.check() {
                Err(e) => Outcome::Failed(e),
                Ok(()) if is_check => match check(*spec) {
                    Ok(planned) => Outcome::Planned(planned),
                    Err(e) => Outcome::Failed(e),
                },
                Ok(()) => {
                    let mut event = |event| tell(&format!("{name}: {}", event_text(&event)));
                    match renew(*spec, &mut event) {
                        Ok(renewed) => Outcome::Done(renewed),
                        Err(e) => Outcome::Failed(e),
                    }
                }
            },
        };
        let entry = Entry { name, database, nickname, token, outcome };
        if let Some(e) = entry.failure() {
            if e.kind() == Kind::Login {
                refused.push(entry.database.clone());
            }
            if prints_failures {
                report::failure_lines(&entry.name, e).iter().for_each(|line| tell(line));
            }
        }
        entries.push(entry);
    }
    let mut report = report::of(&entries, is_check, detailed);
    report.warnings.extend(warnings);
    Ok(report)
}

fn not_again(database: &str) -> Error {
    Error::new(Kind::Login, format!("cannot log in to NSS database {database}"))
        .because("a login failed before in this run, and the password is not tried again")
}
