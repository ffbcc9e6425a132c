//! `nss-cmc cmc build` and `nss-cmc cmc accept`: an enrollment on a host that cannot reach the CA.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{DatabaseArgs, TrustArgs};
use super::enroll::{event_text, trust};
use super::enroll_args::{ExpectedArgs, OUTPUT, RENEWAL, Remove, RequestArgs};
use super::enroll_report;
use crate::cli::report::Report;
use crate::streams::Streams;
use nss_cmc::client::enroll;
use nss_cmc::client::enroll::{AcceptSpec, BuildSpec};
use nss_cmc::error::Result;
use nss_cmc::keyid;
use nss_cmc::nss::Trust;

/// Arguments of `cmc build`.
#[derive(Args)]
#[command(
    after_help = "Nothing is sent. A second run with the same options and files changes nothing. Send the message within the time that the CA allows, from any machine: \
                  nss-cmc cmc send. With --signer, Dogtag requires that the TLS client certificate of that \
                  machine has the signer's subject; a message with a shared secret needs no client \
                  certificate. The key is labelled as that of an unfinished request until nss-cmc cmc accept \
                  has its certificate.\n\n\
                  Example:\n  nss-cmc cmc build -d /etc/httpd/alias --password-file pin.txt --signer caadmin \\\n    \
                  --subject CN=www.example.com,O=EXAMPLE --dns www.example.com --nickname Server-Cert \\\n    \
                  --out request.bin --state www.state"
)]
pub struct BuildArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    request: RequestArgs,

    /// File for the CMC message (DER)
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    out: PathBuf,

    /// File for the state of the request, which nss-cmc cmc accept reads; it has no secret
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    state: PathBuf,

    /// Timeout for another run on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Database")]
    lock_timeout: u64,
}

/// Arguments of `cmc accept`.
#[derive(Args)]
#[command(
    after_help = "The response is verified as by nss-cmc enroll: signature, signer, nonce, transaction id, key \
                  and chain. A second run with the same response changes nothing.\n\n\
                  Example:\n  nss-cmc cmc accept response.bin --state www.state -d /etc/httpd/alias \\\n    \
                  --password-file pin.txt"
)]
pub struct AcceptArgs {
    /// File with the CMC response: DER, PEM or base64; `-` is standard input
    #[arg(value_name = "RESPONSE")]
    response: PathBuf,

    #[command(flatten)]
    database: TrustArgs,

    /// State file that nss-cmc cmc build wrote
    #[arg(long, value_name = "FILE")]
    state: PathBuf,

    /// Accept an unsigned response that has certificates only
    #[arg(long)]
    allow_unsigned_response: bool,

    #[command(flatten)]
    expected: ExpectedArgs,

    /// Remove the certificate that the new one replaces, or also its key, after the new one is imported
    #[arg(long, value_name = "WHAT", value_enum)]
    #[arg(help_heading = RENEWAL)]
    remove_old: Option<Remove>,

    /// Trust flags for the new certificate, as certutil writes them (audit signing: u,u,Pu). Default:
    /// those of the certificate that it replaces
    #[arg(long, value_name = "FLAGS", value_parser = trust)]
    #[arg(help_heading = OUTPUT)]
    trust: Option<Trust>,

    /// File for the certificate and its chain (PEM)
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = OUTPUT)]
    chain_out: Option<PathBuf>,

    /// Print the certificate before and after the run
    #[arg(long)]
    #[arg(help_heading = OUTPUT)]
    diff: bool,

    /// Timeout for another run on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Database")]
    lock_timeout: u64,
}

impl BuildArgs {
    /// Returns the file for the message.
    pub fn output_file(&self) -> &Path {
        &self.out
    }

    /// Returns warnings about the databases and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.request.warnings(&self.database)
    }
}

impl AcceptArgs {
    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        self.chain_out.as_deref()
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.database.warnings()
    }
}

/// Runs `cmc build`.
///
/// # Errors
/// As [`enroll::build`].
pub fn build(args: BuildArgs, streams: &mut Streams<'_>) -> Result<Report> {
    let requester = args.request.checked()?;
    let archive = args.request.archive()?;
    let about_archive = archive.as_ref().map(|a| a.warnings.clone()).unwrap_or_default();
    let (out, state) = (args.out.display().to_string(), args.state.display().to_string());
    let spec = BuildSpec {
        key: args.request.key(),
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        nickname: args.request.nickname,
        requester,
        signer_database: args.request.signer_db,
        archive,
        message: args.out,
        state: args.state,
        lock_timeout: Duration::from_secs(args.lock_timeout),
    };
    let mut tell = |event| streams.tell(format!("nss-cmc: {}", event_text(&event)));
    let built = enroll::build(spec, &mut tell)?;
    let (status, msg) = match built.existed {
        true => {
            ("unchanged", format!("message {out} exists already, state of the request {state}"))
        }
        false => ("built", format!("message written to {out}, state of the request to {state}")),
    };
    let mut report = Report::done("cmc build", status, !built.existed, msg);
    let id = built.key_id.as_deref().map(keyid::to_hex);
    if let Some(id) = &id {
        report = report.line(format!("key id {id} in token {}", built.token));
    }
    report.warnings = built.notices.iter().map(ToString::to_string).collect();
    report.warnings.extend(about_archive);
    Ok(report.result(RequestBuilt {
        output: out,
        state,
        message_sha256: keyid::to_hex(&built.digest),
        transaction_id: built.transaction_id.map(|id| id.hex()),
        nickname: built.nickname,
        token: built.token,
        key_id: id,
        key_id_signed: built.key_id.as_deref().map(keyid::to_dogtag),
    }))
}

/// Result of `cmc build`.
#[derive(Serialize, JsonSchema)]
pub struct RequestBuilt {
    /// The file with the message.
    output: String,
    /// The file with the state of the request.
    state: String,
    /// SHA-256 of the message, in hexadecimal.
    message_sha256: String,
    transaction_id: Option<String>,
    /// Nickname for the certificate; null if it will not be imported.
    nickname: Option<String>,
    token: String,
    /// Key id as certutil prints it; null for a request from a file.
    key_id: Option<String>,
    /// Key id as Dogtag's tools print it.
    key_id_signed: Option<String>,
}

/// Runs `cmc accept`.
///
/// # Errors
/// As [`enroll::accept`].
pub fn accept(args: AcceptArgs, streams: &mut Streams<'_>) -> Result<Report> {
    args.expected.check()?;
    let spec = AcceptSpec {
        state: args.state,
        response: args.response,
        passwords: args.database.password.passwords(),
        database: args.database.database,
        allow_unsigned_response: args.allow_unsigned_response,
        require_names: args.expected.require_names,
        issuer: args.expected.issuer,
        usages: args.expected.usage,
        remove_old: args.remove_old.map(Into::into),
        trust: args.trust,
        chain_file: args.chain_out,
        lock_timeout: Duration::from_secs(args.lock_timeout),
    };
    let mut tell = |event| streams.tell(format!("nss-cmc: {}", event_text(&event)));
    let enrolled = enroll::accept(spec, &mut tell)?;
    Ok(enroll_report::enrolled("cmc accept", &enrolled, Vec::new(), args.diff))
}
