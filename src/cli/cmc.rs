//! `nss-cmc cmc`: shows, builds, sends and accepts CMC messages in files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::{DatabaseArgs, PasswordArgs};
use super::cmc_apart::{self, AcceptArgs, BuildArgs};
use super::connect_args::CaArgs;
use super::judge::{Finding, Judges, findings, lines as finding_lines, objection};
use crate::cli::message::{message_json, message_lines};
use crate::cli::report::{Certificate, Report, certificate_json};
use crate::streams::Streams;
use nss_cmc::client::send::{SendSpec, send};
use nss_cmc::client::show::{ShowSpec, Shown, Verification, show};
use nss_cmc::client::verify_response::Proof;
use nss_cmc::error::{Kind, Result};
use nss_cmc::inspect;
use nss_cmc::inspect::judge::judge;
use nss_cmc::text::printable;
use nss_cmc::trust::SignatureCheck;

/// Commands of `cmc`.
#[derive(Subcommand)]
pub enum CmcCommand {
    /// Show a CMC request or response, a certificate request or a certificate, in full
    Show(ShowArgs),
    /// Generate a key and write the signed message that requests its certificate, without sending it
    Build(Box<BuildArgs>),
    /// Send an existing CMC request, and store the response
    Send(Box<SendArgs>),
    /// Verify the response to a message of `cmc build`, and import the certificate
    Accept(AcceptArgs),
}

/// Arguments of `cmc show`.
#[derive(Args)]
#[command(
    after_help = "With -d, the signature of a response and each certificate in it are verified. \
                        Not checked: OCSP. CRLs are checked only if they are in the database.\n\n\
                        Examples:\n  nss-cmc cmc show request.bin\n  \
                        nss-cmc cmc show request.bin --judge=dogtag --strict\n  \
                        nss-cmc cmc show response.bin -d /etc/httpd/alias --output json"
)]
pub struct ShowArgs {
    /// File with the message: DER, PEM or base64, HTTP headers may come first; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// NSS database directory; its trust flags decide whether a response is trusted
    #[arg(short = 'd', long, value_name = "DIR")]
    database: Option<String>,

    #[command(flatten)]
    password: PasswordArgs,

    /// Fail unless the signature is valid, the signer trusted and every certificate proven
    #[arg(long, requires = "database")]
    verify: bool,

    /// List what the RFCs, or Dogtag, would object to in the message
    #[arg(long, value_name = "WHO", value_enum, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "all")]
    judge: Option<Judges>,

    /// Fail if --judge finds something that is forbidden or would be refused
    #[arg(long, requires = "judge")]
    strict: bool,
}

/// Arguments of `cmc send`.
#[derive(Args)]
#[command(
    after_help = "Any CMC response is stored, whatever its status. The exit code depends on the status.\n\nExample:\n  nss-cmc cmc send request.bin -d /etc/httpd/alias --password-file pin.txt \\\n    --ca https://ca.example.com:8443 --profile caCMCserverCert \\\n    --signer caadmin --out response.bin"
)]
pub struct SendArgs {
    /// File with the CMC request: DER, PEM or base64; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the certificate for TLS client authentication: the one that signed the request
    #[arg(long, value_name = "NICKNAME")]
    signer: Option<String>,

    /// File for the response (DER)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl CmcCommand {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            CmcCommand::Show(_) => "cmc show",
            CmcCommand::Build(_) => "cmc build",
            CmcCommand::Send(_) => "cmc send",
            CmcCommand::Accept(_) => "cmc accept",
        }
    }

    /// Returns whether the command only reads files and sends nothing.
    pub fn reads(&self) -> bool {
        matches!(self, CmcCommand::Show(_))
    }

    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        match self {
            CmcCommand::Show(_) => None,
            CmcCommand::Build(args) => Some(args.output_file()),
            CmcCommand::Send(args) => Some(&args.out),
            CmcCommand::Accept(args) => args.output_file(),
        }
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            CmcCommand::Show(args) => args.password.warnings(args.database.as_deref()),
            CmcCommand::Build(args) => args.warnings(),
            CmcCommand::Send(args) => {
                let mut said = args.database.warnings(None);
                said.extend(args.ca.connect.est.warning());
                said
            }
            CmcCommand::Accept(args) => args.warnings(),
        }
    }
}

/// Result of `cmc send`.
#[derive(Serialize, JsonSchema)]
pub struct Sent {
    /// The file with the response.
    output: String,
    /// The URL that the request was sent to.
    url: String,
    certificates: Vec<Certificate>,
    /// The response taken apart, as in the result of `cmc show`.
    response: Value,
}

/// Result of `cmc show`; what else it has depends on the kind of message.
#[derive(Serialize, JsonSchema)]
pub struct MessageShown {
    /// The kind of message.
    kind: &'static str,
    /// Null if it was not asked for, or the message is no response.
    signature: Option<Signature>,
    /// Null as `signature` is.
    certificates_proven: Option<Vec<Proven>>,
    /// What --judge found; null without it.
    findings: Option<Vec<Finding>>,
    #[serde(flatten)]
    parts: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct Signature {
    #[schemars(extend("enum" = ["good", "unsigned", "not_trusted", "bad", "not_checked"]))]
    result: &'static str,
    reason: Option<String>,
    /// The database that decides.
    database: Option<String>,
}

/// A certificate in a response.
#[derive(Serialize, JsonSchema)]
struct Proven {
    subject: String,
    serial: String,
    /// Whether its chain leads to a CA that the database trusts.
    proven: bool,
    /// Why it doesn't.
    reason: Option<String>,
}

/// Runs a command of `cmc`.
///
/// # Errors
/// As the operation of the command.
pub fn run(command: CmcCommand, streams: &mut Streams<'_>) -> Result<Report> {
    match command {
        CmcCommand::Show(args) => {
            let spec = ShowSpec {
                passwords: args.password.passwords(),
                file: args.file,
                database: args.database,
                verify: args.verify,
            };
            let message = show(&spec)?;
            let found = args.judge.map(|wanted| findings(&judge(&message.message), wanted));
            if args.strict
                && let Some(e) = found.as_deref().and_then(objection)
            {
                return Err(e);
            }
            Ok(shown(message, spec.database.as_deref(), found))
        }
        CmcCommand::Build(args) => cmc_apart::build(*args, streams),
        CmcCommand::Send(args) => submit(*args, streams),
        CmcCommand::Accept(args) => cmc_apart::accept(args, streams),
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
    let text = format!("status success; response written to {output}");
    let report = Report::done("cmc send", "success", true, text).result(Sent {
        output,
        url: submitted.url.as_str().to_owned(),
        certificates: submitted.certificates.iter().map(certificate_json).collect(),
        response: message_json(&shown.parts),
    });
    Ok(report.closed(submitted.closed))
}

/// Returns the report of `cmc show`.
fn shown(shown: Shown, database: Option<&str>, findings: Option<Vec<Finding>>) -> Report {
    let Shown { message, verification } = shown;
    let (signature, certificates, lines) = verified(&verification, database);
    let mut parts = match message_json(&message.parts) {
        Value::Object(parts) => parts,
        _ => Map::new(),
    };
    // The message's own word for its kind.
    parts.remove("kind");
    let kind = message.form.name();
    let judged = findings.as_deref().map(finding_lines).unwrap_or_default();
    let result =
        MessageShown { kind, signature, certificates_proven: certificates, findings, parts };
    let title = format!("{}, {} octets", message.form.title(), message.der.len());
    let mut report = Report::done("cmc show", "shown", false, title).result(result);
    report.lines = message_lines(&message.parts);
    report.lines.extend(lines);
    report.lines.extend(judged);
    report.warnings = message.warnings;
    report
}

/// Returns the result of verification: signature and certificates for JSON, and lines of text.
fn verified(
    found: &Verification,
    database: Option<&str>,
) -> (Option<Signature>, Option<Vec<Proven>>, Vec<String>) {
    let database = database.map(ToOwned::to_owned);
    let (check, proofs) = match found {
        Verification::NotAsked => return (None, None, Vec::new()),
        Verification::NoResponse => {
            let lines = vec!["signature: not checked (not a response)".into()];
            return (None, None, lines);
        }
        Verification::NotChecked(e) => {
            let (result, reason) = ("not_checked", Some(e.to_string()));
            let lines = vec![format!("signature: not checked: {e}")];
            return (Some(Signature { result, reason, database }), None, lines);
        }
        Verification::Checked(check, proofs) => (check, proofs),
    };
    let (result, words, fault) = match check {
        SignatureCheck::Good => ("good", "valid, signer trusted", None),
        SignatureCheck::Unsigned => ("unsigned", "none, the message is not signed", None),
        SignatureCheck::NotTrusted(e) => {
            ("not_trusted", "signer not trusted by the database", Some(e.to_string()))
        }
        SignatureCheck::Bad(e) if e.kind() == Kind::Refused => {
            ("not_checked", "not checked", Some(e.to_string()))
        }
        SignatureCheck::Bad(e) => ("bad", "invalid", Some(e.to_string())),
    };
    let line = match &fault {
        Some(fault) => format!("signature: {words} ({})", printable(fault)),
        None => format!("signature: {words}"),
    };
    let lines = std::iter::once(line).chain(proofs.iter().map(Proof::line)).collect();
    let certificates = proofs.iter().map(proven).collect();
    (Some(Signature { result, reason: fault, database }), Some(certificates), lines)
}

fn proven(proof: &Proof) -> Proven {
    Proven {
        subject: proof.subject.clone(),
        serial: proof.serial.clone(),
        proven: proof.why_not.is_none(),
        reason: proof.why_not.as_ref().map(ToString::to_string),
    }
}
