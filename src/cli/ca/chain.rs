//! `nss-cmc ca chain`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::show::handed_out;
use crate::cli::args::PasswordArgs;
use crate::cli::connect_args::ReachArgs;
use crate::cli::enroll::event_text;
use crate::cli::report::{Certificate, Report, certificate_json};
use crate::streams::Streams;
use nss_cmc::certificate::{Summary, summary};
use nss_cmc::client::ca::{Chain, Fingerprint, Trusted, Vouched, chain, trust};
use nss_cmc::client::connection::est_url;
use nss_cmc::client::input;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::{Access, Database};
use nss_cmc::pem;

/// Arguments of `ca chain`.
#[derive(Args)]
#[command(after_help = "\
Until the database trusts the CA, the fingerprint is the only proof that the chain is the CA's: get it
from the CA's administrator. Without --fingerprint, the program shows the fingerprint it received and
asks on the terminal whether to accept it.

Examples:
  nss-cmc ca chain -d DIR --password-file pin.txt --ca https://ca.example.com:8443 \\
    --fingerprint 8A:21:…:F0 --trust
  nss-cmc ca chain -d DIR --ca https://ca.example.com:8443 --out chain.pem    (CA already trusted)
  nss-cmc ca chain -d DIR --password-file pin.txt --ca https://est.example.com:8443 --est \\
    --fingerprint 8A:21:…:F0 --trust    (from an EST server)")]
pub struct ChainArgs {
    /// NSS database directory; not needed with --fingerprint, unless for --trust
    #[arg(short = 'd', long, value_name = "DIR", help_heading = DATABASE)]
    database: Option<String>,

    #[command(flatten, next_help_heading = DATABASE)]
    password: PasswordArgs,

    /// URL of the CA (https://host:port), or its name in the configuration file
    #[arg(long, value_name = "URL", help_heading = "CA")]
    ca: String,

    /// Fetch the chain from the EST server at --ca (/.well-known/est, with the label, if one is given)
    #[arg(long, value_name = "LABEL", num_args = 0..=1, require_equals = true,
          default_missing_value = "", help_heading = "CA")]
    est: Option<String>,

    #[command(flatten)]
    reach: ReachArgs,

    /// SHA-256 fingerprint of the CA's root certificate, or of another certificate of the chain, which
    /// is then cut there
    #[arg(long, value_name = "SHA256", help_heading = TRUST, value_parser = fingerprint)]
    fingerprint: Option<Fingerprint>,

    /// Store the chain in the database; its last certificate gets the trust flags CT,C,C
    #[arg(long, requires = "database", help_heading = TRUST)]
    trust: bool,

    /// Nickname for the trusted certificate. Default: made from its subject
    #[arg(long, value_name = "NICKNAME", requires = "trust", help_heading = TRUST)]
    nickname: Option<String>,

    /// File for the chain (PEM), the CA's own certificate first. Default: standard output, without
    /// --trust
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
}

const DATABASE: &str = "Database";
const TRUST: &str = "Trust";

fn fingerprint(text: &str) -> std::result::Result<Fingerprint, String> {
    Fingerprint::parse(text).map_err(|e| e.to_string())
}

impl ChainArgs {
    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        self.out.is_none() && !self.trust
    }

    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        self.password.warnings(self.database.as_deref())
    }
}

/// Result of `ca chain`.
#[derive(Serialize, JsonSchema)]
pub struct ChainFetched {
    /// The CA's own certificate first.
    certificates: Vec<ChainCertificate>,
    /// Who vouches for the chain.
    #[schemars(extend("enum" = ["database", "fingerprint", "user"]))]
    vouched_by: &'static str,
    /// The file that was written.
    file: Option<String>,
    /// What --trust stored.
    trusted: Option<ChainTrusted>,
}

#[derive(Serialize, JsonSchema)]
struct ChainCertificate {
    certificate: Certificate,
    /// SHA-256 fingerprint.
    sha256: String,
}

#[derive(Serialize, JsonSchema)]
struct ChainTrusted {
    /// Nickname of the trusted certificate.
    nickname: String,
    /// The nicknames that were added.
    added: Vec<String>,
}

/// Runs `ca chain`.
///
/// # Errors
/// As [`chain`] and [`trust`].
pub fn run(args: &ChainArgs, streams: &mut Streams<'_>) -> Result<Report> {
    let mut config = args.reach.config(&args.ca)?;
    if let Some(label) = &args.est {
        config.ca = est_url(&config.ca, label)?;
    }
    let mut ask = |der: &[u8], seen: Fingerprint| confirm(args, der, seen, streams);
    let Some(directory) = &args.database else {
        let database = Database::without_files()?;
        let found = chain(&database, &config, args.fingerprint, &mut ask)?;
        let report = report(args, &database, &found, None)?;
        return Ok(report.closed(database.close()));
    };
    let access = if args.trust { Access::ReadWrite } else { Access::ReadOnly };
    let passwords = args.password.passwords();
    // It logs in when the chain is there, under the lock: somebody may have to confirm it first.
    let session = Session::open(directory, access, Needs::default(), &passwords)?;
    let found = chain(&session.database, &config, args.fingerprint, &mut ask)?;
    let trusted = match args.trust {
        true => {
            let mut tell = |event| streams.tell(format!("nss-cmc: {}", event_text(&event)));
            Some(trust(&session, &passwords, &found, args.nickname.as_deref(), &mut tell)?)
        }
        false => None,
    };
    let report = report(args, &session.database, &found, trusted)?;
    Ok(report.closed(session.close()))
}

/// Asks on the terminal whether a fingerprint is that of the CA.
fn confirm(
    args: &ChainArgs,
    der: &[u8],
    seen: Fingerprint,
    streams: &mut Streams<'_>,
) -> Result<bool> {
    let subject = summary(der)?.subject;
    if !std::io::stdin().is_terminal() {
        let what = "the database does not trust the CA, and no --fingerprint is given";
        let command = format!("nss-cmc ca chain --ca {} --fingerprint SHA256", args.ca);
        return Err(Error::new(Kind::Untrusted, what)
            .hint(format!("ask the CA's administrator for the fingerprint, then: {command}"))
            .note(format!("received {subject} with the fingerprint {seen}")));
    }
    streams.tell(format!("The database does not trust the CA. Received from {}:", args.ca));
    streams.tell(format!("  subject: {subject}\n  SHA-256: {seen}"));
    streams.tell("Is this the fingerprint that the CA's administrator gave you (y/N)?");
    let answer = input::line()?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

fn report(
    args: &ChainArgs,
    database: &Database,
    found: &Chain,
    trusted: Option<Trusted>,
) -> Result<Report> {
    let mut summaries = Vec::new();
    for der in &found.certificates {
        summaries.push((summary(der)?, Fingerprint::of(database, der)?));
    }
    let text: String =
        found.certificates.iter().map(|der| pem::encode("CERTIFICATE", der)).collect();
    let title = match summaries.first() {
        Some((first, _)) => format!("chain of {}", first.subject),
        None => "chain".to_owned(),
    };
    let mut report = match (&args.out, &trusted) {
        (None, Some(_)) => Report::done("ca chain", "fetched", false, title),
        (file, _) => handed_out("ca chain", title, &text, file.as_deref())?,
    };
    let lines = summaries.iter().map(|(s, print)| format!("{}: SHA-256 {print}", s.subject));
    report.lines = lines.chain(report.lines).collect();
    if let Some(trusted) = &trusted {
        report.changed |= trusted.trust_set || !trusted.added.is_empty();
        let line = match (trusted.trust_set, trusted.added.is_empty()) {
            (false, true) => format!("{:?} is already trusted", trusted.nickname),
            _ => format!("trusted as {:?} (CT,C,C)", trusted.nickname),
        };
        report.lines.push(line);
        "trusted".clone_into(&mut report.status);
    }
    let vouched = match found.vouched {
        Vouched::Database => "database",
        Vouched::Fingerprint => "fingerprint",
        Vouched::User => "user",
    };
    let member = |(summary, print): &(Summary, Fingerprint)| ChainCertificate {
        certificate: certificate_json(summary),
        sha256: print.to_string(),
    };
    Ok(report.result(ChainFetched {
        certificates: summaries.iter().map(member).collect(),
        vouched_by: vouched,
        file: args.out.as_deref().map(|file| file.display().to_string()),
        trusted: trusted.map(|t| ChainTrusted { nickname: t.nickname, added: t.added }),
    }))
}
