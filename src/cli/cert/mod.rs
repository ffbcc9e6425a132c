//! `nss-cmc cert`: the certificates of a database.

mod export;
mod import;
mod list;
mod remove;
mod trust;
mod verify;

use std::path::Path;

use clap::{Args, Subcommand};

pub use super::enroll::event_text;
pub use export::Exported;
pub use import::{CertificateImported, notice_text, usage};
pub use list::Certificates;
pub use remove::CertificateRemoved;
pub use trust::TrustChanged;
pub use verify::CertificateVerified;

use crate::cli::report::Report;
use nss_cmc::Number;
use nss_cmc::client::store::certificates::Which;
use nss_cmc::error::Result;
use nss_cmc::keyid::from_hex;

/// Commands of `cert`.
#[derive(Subcommand)]
pub enum CertCommand {
    /// List the certificates with key, trust flags, validity and chain
    List(list::ListArgs),
    /// Show a certificate, or all certificates with a nickname
    Show(list::ShowArgs),
    /// Export a certificate, and its chain, as PEM or DER
    Export(export::ExportArgs),
    /// Verify a certificate and its chain, then import and trust it
    Import(Box<import::ImportArgs>),
    /// Verify a certificate of the database or of a file for a usage
    Verify(verify::VerifyArgs),
    /// Set the trust flags of a certificate
    Trust(trust::TrustArgs),
    /// Remove a certificate; its key stays
    Remove(remove::RemoveArgs),
}

impl CertCommand {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            CertCommand::List(_) => "cert list",
            CertCommand::Show(_) => "cert show",
            CertCommand::Export(_) => "cert export",
            CertCommand::Import(_) => "cert import",
            CertCommand::Verify(_) => "cert verify",
            CertCommand::Trust(_) => "cert trust",
            CertCommand::Remove(_) => "cert remove",
        }
    }

    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        matches!(self, CertCommand::List(_) | CertCommand::Show(_) | CertCommand::Verify(_))
    }

    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        match self {
            CertCommand::Export(args) => args.out.as_deref(),
            _ => None,
        }
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            CertCommand::List(args) => args.store.warnings(),
            CertCommand::Show(args) => args.store.warnings(),
            CertCommand::Export(args) => args.store.warnings(),
            CertCommand::Import(args) => args.warnings(),
            CertCommand::Verify(args) => args.warnings(),
            CertCommand::Trust(args) => args.change.store.warnings(),
            CertCommand::Remove(args) => args.change.store.warnings(),
        }
    }
}

/// Runs a command of `cert`. `tell` prints messages while the run waits.
///
/// # Errors
/// As the operation of the command.
pub fn run(command: CertCommand, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    match command {
        CertCommand::List(args) => list::list(&args),
        CertCommand::Show(args) => list::show(&args),
        CertCommand::Export(args) => export::run(&args),
        CertCommand::Import(args) => import::run(*args, tell),
        CertCommand::Verify(args) => verify::run(args),
        CertCommand::Trust(args) => trust::run(&args, tell),
        CertCommand::Remove(args) => remove::run(&args, tell),
    }
}

/// Options that select a certificate.
#[derive(Args)]
struct WhichArgs {
    /// Nickname, or TOKEN:NICKNAME in another token
    #[arg(value_name = "NICKNAME", required_unless_present_any = ["serial", "fingerprint"])]
    nickname: Option<String>,

    /// Serial number of the certificate: decimal, or 0x and hexadecimal
    #[arg(long, value_name = "NUMBER", value_parser = serial)]
    serial: Option<Number>,

    /// The first hexadecimal digits of the certificate's SHA-256, an even number, at least 8
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    fingerprint: Option<Fingerprint>,
}

#[derive(Clone)]
struct Fingerprint(Vec<u8>);

impl WhichArgs {
    fn which(&self) -> Which {
        Which {
            nickname: self.nickname.clone(),
            serial: self.serial.clone(),
            fingerprint: self.fingerprint.clone().map(|Fingerprint(octets)| octets),
        }
    }
}

fn serial(text: &str) -> std::result::Result<Number, String> {
    Number::parse(text).map_err(|e| e.to_string())
}

fn fingerprint(text: &str) -> std::result::Result<Fingerprint, String> {
    let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
    from_hex(&digits)
        .filter(|octets| (4..=32).contains(&octets.len()))
        .map(Fingerprint)
        .ok_or_else(|| "give 8 to 64 hexadecimal digits, an even number".to_owned())
}
