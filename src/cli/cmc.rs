//! `nss-cmc cmc`: messages by themselves.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::{CaArgs, DatabaseArgs, PasswordArgs};
use crate::asn1::summary::Summary;
use crate::cli::report::Report;
use crate::client::send::{SendSpec, send};
use crate::client::verify::{ShowSpec, show};
use crate::error::Result;
use crate::inspect;
use crate::streams::Streams;

/// Commands of `cmc`.
#[derive(Subcommand)]
pub enum CmcCommand {
    /// Show a CMC request or response, a PKCS #10 or CRMF request, down to every control
    Show(ShowArgs),
    /// Send a CMC request that is there already, and store the answer
    Send(Box<SendArgs>),
}

/// Arguments of `cmc show`.
#[derive(Args)]
#[command(
    after_help = "With -d the response's signature is verified, and each certificate by its \
                        issuer. Not checked: OCSP, and CRLs unless they are in the database.\n\n\
                        Examples:\n  nss-cmc cmc show request.bin\n  \
                        nss-cmc cmc show response.bin -d /etc/httpd/alias --output json"
)]
pub struct ShowArgs {
    /// The message: DER, PEM or base64, also behind HTTP headers; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// NSS database whose trust decides about a response's signature
    #[arg(short = 'd', long, value_name = "DIR", env = "NSS_CMC_DATABASE")]
    database: Option<String>,

    #[command(flatten)]
    password: PasswordArgs,

    /// Fail unless the response's signature is good, its signer trusted and every certificate proven
    #[arg(long, requires = "database")]
    verify: bool,
}

/// Arguments of `cmc send`.
#[derive(Args)]
#[command(
    after_help = "The answer is stored as soon as it is a CMC message, whatever it says; the \
                        exit code tells its status.\n\nExample:\n  nss-cmc cmc send request.bin \
                        -d /etc/httpd/alias --password-file pin.txt \\\n    \
                        --ca https://ca.example.com:8443 --profile caCMCserverCert \\\n    \
                        --signer caadmin --out response.bin"
)]
pub struct SendArgs {
    /// The CMC request: DER, PEM or base64; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the certificate for the TLS login: the one that signed the request
    #[arg(long, value_name = "NICKNAME")]
    signer: Option<String>,

    /// Where to write the answer (DER)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl CmcCommand {
    /// What reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            CmcCommand::Show(_) => "cmc show",
            CmcCommand::Send(_) => "cmc send",
        }
    }

    /// Whether it makes and sends nothing.
    pub fn reads(&self) -> bool {
        matches!(self, CmcCommand::Show(_))
    }

    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            CmcCommand::Show(args) => args.password.warnings(args.database.as_deref()),
            CmcCommand::Send(args) => args.database.warnings(),
        }
    }
}

/// Runs a command of `cmc`.
///
/// # Errors
/// As the command's operation.
pub fn run(command: CmcCommand, streams: &mut Streams<'_>) -> Result<Report> {
    match command {
        CmcCommand::Show(args) => show(&ShowSpec {
            passwords: args.password.passwords(),
            file: args.file,
            database: args.database,
            verify: args.verify,
        }),
        CmcCommand::Send(args) => submit(*args, streams),
    }
}

fn submit(args: SendArgs, streams: &mut Streams<'_>) -> Result<Report> {
    let output = args.out.display().to_string();
    let submitted = send(SendSpec {
        file: args.file,
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        signer: args.signer,
        connection: args.ca.config()?,
        output: args.out,
        rescue: &mut |answer| streams.tell(answer.trim_end()),
    })?;
    let shown = inspect::read(&submitted.response)?;
    let summaries: Vec<Value> = submitted.certificates.iter().map(Summary::to_json).collect();
    let text = format!("the CA says success; its answer is in {output}");
    let mut report = Report::done("cmc send", "success", true, text).result(json!({
        "output": output,
        "url": submitted.url.as_str(),
        "certificates": summaries,
        "response": shown.parts.to_json(),
    }));
    report.warnings = submitted.notices;
    Ok(report)
}
