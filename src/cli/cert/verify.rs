//! `nss-cmc cert verify`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use schemars::JsonSchema;
use serde::Serialize;

use super::import::usage;
use crate::cli::args::PasswordArgs;
use crate::cli::report::{Certificate, Report, certificate_json, chain_json};
use nss_cmc::certificate::summary;
use nss_cmc::client::cert_verify::{CertVerified, CertVerifySpec, Subject, cert_verify};
use nss_cmc::error::Result;
use nss_cmc::nss::Usage;

/// Headings of the options.
const DATABASE: &str = "Database";

/// Arguments of `cert verify`.
#[derive(Args)]
#[command(
    group(ArgGroup::new("which").required(true).args(["nickname", "file"])),
    after_help = "The exit code is 13 if the certificate is not valid; notes give the reasons, for the \
                  issuers too. Not checked: OCSP. CRLs are checked only if they are in the \
                  database.\n\nExamples:\n  nss-cmc cert verify -d DIR Server-Cert --usage server\n  \
                  nss-cmc cert verify -d DIR --file new.pem --output json"
)]
pub struct VerifyArgs {
    /// Nickname of the certificate, or TOKEN:NICKNAME in another token
    #[arg(value_name = "NICKNAME")]
    nickname: Option<String>,

    /// File with the certificate, with or without its chain; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Usage that it must be valid for: client, server, ca, any-ca, email-signer, email-recipient,
    /// ocsp-responder, object-signer, ipsec, or certutil's letter. Default: its extKeyUsage
    #[arg(long, value_name = "USAGE", value_parser = usage)]
    usage: Option<Usage>,

    /// NSS database directory (cert9.db, key4.db); its trust flags decide
    #[arg(short = 'd', long, value_name = "DIR", help_heading = DATABASE)]
    database: String,

    /// PKCS #11 token that is searched first for the nickname
    #[arg(long, value_name = "NAME", default_value = "internal", help_heading = DATABASE)]
    token: String,

    #[command(flatten, next_help_heading = DATABASE)]
    password: PasswordArgs,
}

impl VerifyArgs {
    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        self.password.warnings(Some(&self.database))
    }
}

/// Result of `cert verify`.
#[derive(Serialize, JsonSchema)]
pub struct CertificateVerified {
    /// Null for a file.
    nickname: Option<String>,
    /// The usage that it is valid for.
    usage: &'static str,
    certificate: Certificate,
    /// Its issuers as PEM, nearest first.
    chain: Vec<String>,
}

/// Runs `cert verify`.
///
/// # Errors
/// As [`cert_verify`].
pub fn run(args: VerifyArgs) -> Result<Report> {
    let subject = match args.file {
        Some(file) => Subject::File(file),
        None => Subject::Nickname(args.nickname.unwrap_or_default()),
    };
    report(cert_verify(CertVerifySpec {
        passwords: args.password.passwords(),
        database: args.database,
        token: args.token,
        subject,
        usage: args.usage,
    })?)
}

fn report(verified: CertVerified) -> Result<Report> {
    let of = summary(&verified.certificate)?;
    let msg = format!("the certificate of {} is valid for {}", of.subject, verified.usage.name());
    let mut report = Report::done("cert verify", "valid", false, msg)
        .line(format!("issuer: {}", of.issuer))
        .line(format!("serial: {}", of.serial_hex()))
        .line(format!("valid until: {}", of.until()));
    for der in &verified.issuers {
        report = report.line(format!("chain: {}", summary(der)?.subject));
    }
    let result = CertificateVerified {
        nickname: verified.nickname.clone(),
        usage: verified.usage.name(),
        certificate: certificate_json(&of),
        chain: chain_json(&verified.issuers),
    };
    Ok(report.result(result).closed(verified.not_closed.map_or(Ok(()), Err)))
}
