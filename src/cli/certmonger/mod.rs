//! `nss-cmc certmonger`: an external helper of certmonger, which keeps keys and certificates and
//! has the helper carry its requests to a CA. The operation comes in the environment; the result is
//! standard output and an exit status, both as certmonger defines them.

mod command_line;
mod cookie;
mod environment;
mod install;
mod offline;
mod outcome;
mod status;
mod submit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, ArgMatches, Args, Command, FromArgMatches};

use super::args::{DatabaseArgs, SharedSecretArgs};
use super::connect_args::CaArgs;
use super::report::{Report, error_text, issued_pem};
use crate::streams::Streams;
use environment::Environment;
pub use install::{HelperInstalled, InstallArgs};
use nss_cmc::client::connection::Config;
use nss_cmc::client::enroll::obtain::{Applicant, ObtainSpec};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::exposed;
use outcome::Outcome;

const ASKER: &str = "Authentication";

const EXAMPLES: &str = "\
certmonger runs this program; CERTMONGER_OPERATION and other variables say what to do. Without them,
SUBMIT is assumed. Exit status: 0 issued, 1 and 5 wait, 2 rejected, 3 unreachable, 4 unconfigured,
6 not supported, 17 another key is needed.

Examples:
  Check the options, and add a CA to certmonger whose requests an agent signs:
    nss-cmc certmonger install --name dogtag-cmc -d /etc/pki/agent --password-file pin.txt \\
      --ca https://ca.example.com:8443 --profile caCMCserverCert --signer caadmin

  Let certmonger request a certificate from it, and renew it:
    getcert request -c dogtag-cmc -d /etc/httpd/alias -n Server-Cert -p /etc/httpd/alias/pin.txt \\
      -N CN=www.example.com -D www.example.com";

/// What `certmonger` is to do.
pub enum CertmongerArgs {
    /// To be certmonger's helper; the exit status is certmonger's.
    Help(Helper),
    /// To install the helper.
    Install(InstallArgs),
}

impl Args for CertmongerArgs {
    fn augment_args(command: Command) -> Command {
        let about =
            "Check the helper's options without a network, and add it to certmonger as a CA";
        let install = InstallArgs::augment_args(Command::new("install")).about(about);
        for_a_daemon(HelperArgs::augment_args(command))
            .subcommand(for_a_daemon(install))
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .after_help(EXAMPLES)
    }

    fn augment_args_for_update(command: Command) -> Command {
        CertmongerArgs::augment_args(command)
    }
}

/// Adapts options that `enroll` has, too: a daemon waits, and it tries again; its environment is not
/// the user's; no key is generated.
fn for_a_daemon(command: Command) -> Command {
    let token = "PKCS #11 token that is searched first for the signer and for keys; `internal` is the \
                 database's own token";
    let proxy = "Proxy URL without user and password. Default: no proxy";
    command
        .mut_arg("connect_timeout", |limit| limit.default_value("15"))
        .mut_arg("timeout", |limit| limit.default_value("60"))
        .mut_arg("token", |option| option.help(token))
        .mut_arg("proxy", |option| option.help(proxy))
}

impl FromArgMatches for CertmongerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        match matches.subcommand() {
            Some((_, matches)) => {
                InstallArgs::from_arg_matches(matches).map(CertmongerArgs::Install)
            }
            None => {
                let helper = HelperArgs::from_arg_matches(matches)?;
                Ok(CertmongerArgs::Help(Helper(helper)))
            }
        }
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        *self = CertmongerArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl CertmongerArgs {
    /// Returns warnings about the files that `certmonger install` names; the helper prints its own.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            CertmongerArgs::Install(args) => args.warnings(),
            CertmongerArgs::Help(_) => Vec::new(),
        }
    }
}

/// The helper's options, named as those of `enroll`.
#[derive(Args)]
#[command(group(
    ArgGroup::new("who").required(true).multiple(true)
        .args(["signer", "identification", "renewal_profile"])
))]
struct HelperArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the agent's certificate that signs the requests and authenticates the TLS client
    #[arg(long, value_name = "NICKNAME", help_heading = ASKER)]
    signer: Option<String>,

    /// NSS database with the signer's certificate and key, if not --database. CAs that it trusts are
    /// trusted, too. Its line in the password file is signer-db:PASSWORD
    #[arg(long, value_name = "DIR", requires = "signer", help_heading = ASKER)]
    signer_db: Option<String>,

    /// Sign renewals with the key of the old certificate, which must be in --database, and request
    /// them with this profile (caFullCMCUserSignedCert…). If it cannot be used, --signer or
    /// --identification is
    #[arg(long, value_name = "ID", help_heading = ASKER)]
    renewal_profile: Option<String>,

    /// User id (uid) at the CA, for requests that their own keys sign and a shared secret
    /// authenticates; the keys must be in --database
    #[arg(long, value_name = "UID", conflicts_with = "signer", help_heading = ASKER)]
    identification: Option<String>,

    #[command(flatten, next_help_heading = ASKER)]
    shared_secret: SharedSecretArgs,

    /// Link the request to the shared secret (popLinkWitnessV2), for CAs that require it
    #[arg(long, requires = "identification", help_heading = ASKER)]
    pop_link: bool,

    /// Digest of the identity proof and the POP link: SHA-256 or SHA-512 (Dogtag cannot verify
    /// HMAC-SHA384)
    #[arg(long, value_name = "DIGEST", default_value = "SHA-256", requires = "identification",
          value_parser = ["SHA-256", "SHA-512"], ignore_case = true, help_heading = ASKER)]
    proof_digest: String,

    /// Seconds to wait for other helpers on the same database: Dogtag mixes up simultaneous requests
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Database")]
    lock_timeout: u64,
}

impl HelperArgs {
    /// Returns warnings about the database and the files that the options name.
    fn warnings(&self) -> Vec<String> {
        let mut said = self.database.warnings(self.shared_secret.shared_secret_file.as_deref());
        said.extend(self.signer_db.as_deref().and_then(exposed));
        said.extend(self.ca.connect.est.warning());
        said
    }

    /// Returns the connection to the CA, for a profile. It uses no proxy but that of --proxy: the
    /// environment is the daemon's, not the user's.
    fn connection(&self, profile: Option<&str>) -> Result<Config> {
        let config = self.ca.config()?;
        let proxy = config.proxy.clone().or(Some(String::new()));
        let profile = profile.map(str::to_owned).or(config.profile.clone());
        Ok(Config { proxy, profile, ..config })
    }

    fn spec(&self, profile: Option<&str>) -> Result<ObtainSpec> {
        Ok(ObtainSpec {
            database: self.database.database.clone(),
            token: self.database.token.clone(),
            passwords: self.database.passwords(),
            signer_database: self.signer_db.clone(),
            connection: self.connection(profile)?,
            lock_timeout: Duration::from_secs(self.lock_timeout),
        })
    }

    /// Returns who signs a request when there is no certificate to renew.
    ///
    /// # Errors
    /// [`Kind::Usage`], also when only renewals can be signed; those of the shared secret.
    fn applicant(&self) -> Result<Applicant> {
        if let Some(nickname) = &self.signer {
            return Ok(Applicant::Signer(nickname.clone()));
        }
        let Some(identification) = &self.identification else {
            return Err(Error::new(Kind::Usage, "no signer given for a first certificate")
                .because("--renewal-profile signs with the key of an existing one")
                .hint("add --signer NICKNAME or --identification UID to the helper's options"));
        };
        if !self.shared_secret.is_given() {
            return Err(Error::new(Kind::Usage, "no shared secret given")
                .hint("add --shared-secret-file FILE to the helper's options"));
        }
        let digest = &self.proof_digest;
        let shared = self.shared_secret.shared(identification, self.pop_link, digest)?;
        Ok(Applicant::SharedSecret(shared))
    }

    /// Returns the profile for requests that name none.
    fn default_profile(&self) -> Option<&str> {
        Some(self.ca.profile.as_str()).filter(|profile| !profile.is_empty())
    }
}

/// The helper, ready to run.
pub struct Helper(HelperArgs);

/// Runs `certmonger install`.
///
/// # Errors
/// As [`install::run`].
pub fn install(args: InstallArgs) -> Result<Report> {
    install::run(args)
}

impl Helper {
    /// Runs the operation in the environment; returns the exit status.
    pub fn run(self, streams: &mut Streams<'_>) -> u8 {
        let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
        let outcome = guarded(|| operate(&self.0, &Environment::read(), &mut tell));
        give(outcome, streams)
    }
}

/// Makes an error of a panic, whose message the panic hook has printed.
fn guarded(work: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    outcome.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal error")))
}

fn operate(
    args: &HelperArgs,
    environment: &Environment,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    match environment.operation.as_str() {
        "SUBMIT" => {
            args.warnings().iter().for_each(|warning| tell(&format!("warning: {warning}")));
            submit::submit(args, environment, tell)
        }
        "POLL" => submit::poll(args, environment, tell),
        operation => Ok(offline::operate(args, operation)),
    }
}

/// Writes an outcome, or the one line of an error; details go to stderr. Returns the exit status.
pub fn give(outcome: Result<Outcome>, streams: &mut Streams<'_>) -> u8 {
    let (status, text) = match outcome {
        Ok(outcome) => (outcome.status(), outcome.text()),
        Err(e) => {
            streams.tell(error_text(&e).trim_end());
            if let Some(pem) = issued_pem(&e) {
                streams.tell(pem.trim_end());
            }
            (status::of(&e), format!("{e}\n"))
        }
    };
    match streams.print(&text) {
        Ok(()) => status,
        Err(lost) => {
            // The text may have the only copy of a certificate.
            streams.tell(format!("nss-cmc: {lost}\n{}", text.trim_end()));
            status::UNREACHABLE
        }
    }
}

/// Returns a file as certmonger must name it: the daemon runs in another directory.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|e| Error::new(Kind::Usage, format!("invalid path {}", path.display())).because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_panic_certmonger_tries_again() {
        let outcome = guarded(|| panic!("provoked by a test"));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(give(outcome, &mut Streams::new(&mut out, &mut err)), status::UNREACHABLE);
        assert_eq!(String::from_utf8(out).unwrap(), "internal error\n");
    }
}
