//! `nss-cmc cmc`: shows and sends CMC messages from files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::{CaArgs, DatabaseArgs, PasswordArgs};
use crate::cli::message::{message_json, message_lines};
use crate::cli::report::{Report, certificate_json};
use crate::streams::Streams;
use nss_cmc::client::send::{SendSpec, send};
use nss_cmc::client::show::{ShowSpec, Shown, Verification, show};
use nss_cmc::client::verify_response::Proof;
use nss_cmc::error::Result;
use nss_cmc::inspect;
use nss_cmc::text::printable;
use nss_cmc::trust::SignatureCheck;

/// Commands of `cmc`.
#[derive(Subcommand)]
pub enum CmcCommand {
    /// Show a CMC request or response, a certificate request or a certificate, in full
    Show(ShowArgs),
    /// Send an existing CMC request, and store the response
    Send(Box<SendArgs>),
}

/// Arguments of `cmc show`.
#[derive(Args)]
#[command(
    after_help = "With -d, the signature of a response and each certificate in it are verified. \
                        Not checked: OCSP. CRLs are checked only if they are in the database.\n\n\
                        Examples:\n  nss-cmc cmc show request.bin\n  \
                        nss-cmc cmc show response.bin -d /etc/httpd/alias --output json"
)]
pub struct ShowArgs {
    /// File with the message: DER, PEM or base64, HTTP headers may come first; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// NSS database directory; its trust flags decide whether a response is trusted
    #[arg(short = 'd', long, value_name = "DIR", env = "NSS_CMC_DATABASE")]
    database: Option<String>,

    #[command(flatten)]
    password: PasswordArgs,

    /// Fail unless the signature is valid, the signer trusted and every certificate proven
    #[arg(long, requires = "database")]
    verify: bool,
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
            CmcCommand::Send(_) => "cmc send",
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
            CmcCommand::Send(args) => Some(&args.out),
        }
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            CmcCommand::Show(args) => args.password.warnings(args.database.as_deref()),
            CmcCommand::Send(args) => args.database.warnings(None),
        }
    }
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
            Ok(shown(show(&spec)?, spec.database.as_deref()))
        }
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
    let summaries: Vec<Value> = submitted.certificates.iter().map(certificate_json).collect();
    let text = format!("status success; response written to {output}");
    let report = Report::done("cmc send", "success", true, text).result(json!({
        "output": output,
        "url": submitted.url.as_str(),
        "certificates": summaries,
        "response": message_json(&shown.parts),
    }));
    Ok(report.closed(submitted.closed))
}

/// Returns the report of `cmc show`.
fn shown(shown: Shown, database: Option<&str>) -> Report {
    let Shown { message, verification } = shown;
    let (signature, certificates, lines) = verified(&verification, database);
    let mut result = message_json(&message.parts);
    if let Some(result) = result.as_object_mut() {
        result.insert("kind".into(), json!(message.form.name()));
        result.insert("signature".into(), signature);
        result.insert("certificates_proven".into(), certificates);
    }
    let title = format!("{}, {} octets", message.form.title(), message.der.len());
    let mut report = Report::done("cmc show", "shown", false, title).result(result);
    report.lines = message_lines(&message.parts);
    report.lines.extend(lines);
    report.warnings = message.warnings;
    report
}

/// Returns the result of verification: signature and certificates as JSON, and lines of text.
fn verified(found: &Verification, database: Option<&str>) -> (Value, Value, Vec<String>) {
    let (check, proofs) = match found {
        Verification::NotAsked => return (Value::Null, Value::Null, Vec::new()),
        Verification::NoResponse => {
            let lines = vec!["signature: not checked (not a response)".into()];
            return (Value::Null, Value::Null, lines);
        }
        Verification::NotChecked(e) => {
            let signature = json!({
                "result": "not_checked",
                "reason": e.to_string(),
                "database": database,
            });
            return (signature, Value::Null, vec![format!("signature: not checked: {e}")]);
        }
        Verification::Checked(check, proofs) => (check, proofs),
    };
    let (result, words, fault) = match check {
        SignatureCheck::Good => ("good", "valid, signer trusted", None),
        SignatureCheck::Unsigned => ("unsigned", "none, the message is not signed", None),
        SignatureCheck::NotTrusted(e) => {
            ("not_trusted", "signer not trusted by the database", Some(e.to_string()))
        }
        SignatureCheck::Bad(e) => ("bad", "invalid", Some(e.to_string())),
    };
    let line = match &fault {
        Some(fault) => format!("signature: {words} ({})", printable(fault)),
        None => format!("signature: {words}"),
    };
    let lines = std::iter::once(line).chain(proofs.iter().map(Proof::line)).collect();
    let certificates = proofs.iter().map(proof_json).collect();
    (json!({ "result": result, "reason": fault, "database": database }), certificates, lines)
}

fn proof_json(proof: &Proof) -> Value {
    json!({
        "subject": proof.subject,
        "serial": proof.serial,
        "proven": proof.why_not.is_none(),
        "reason": proof.why_not.as_ref().map(ToString::to_string),
    })
}
