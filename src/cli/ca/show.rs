//! `nss-cmc ca show` and `ca transport`.

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::RecordsArgs;
use crate::cli::report::{Certificate, Report, Time, certificate_json, time};
use nss_cmc::certificate::summary;
use nss_cmc::client::ca::transport_certificate;
use nss_cmc::client::output;
use nss_cmc::error::Result;
use nss_cmc::{Number, pem};

/// Arguments of `ca show`.
#[derive(Args)]
pub struct ShowArgs {
    /// Serial number: decimal, or 0x and hexadecimal
    #[arg(value_name = "SERIAL")]
    serial: String,

    #[command(flatten)]
    pub(super) ca: RecordsArgs,

    /// File for the certificate (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
}

impl ShowArgs {
    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        self.out.is_none()
    }
}

/// Result of `ca show`.
#[derive(Serialize, JsonSchema)]
pub struct Recorded {
    certificate: Certificate,
    /// State in the CA's records.
    state: Option<String>,
    revocation_reason: Option<String>,
    revoked_on: Option<Time>,
    revoked_by: Option<String>,
    /// The file that was written.
    file: Option<String>,
}

/// Runs `ca show`.
///
/// # Errors
/// As [`Certificates::show`](nss_cmc::client::dogtag::certificates::Certificates::show).
pub fn run(args: &ShowArgs) -> Result<Report> {
    let serial = Number::parse(&args.serial)?;
    let (found, closed) = args.ca.records(|ca| ca.show(&serial))?;
    // The fields come from the certificate: the record is not signed.
    let certificate = summary(&found.der)?;
    let mut report = Report::done(
        "ca show",
        "found",
        args.out.is_some(),
        format!("{}, {}", found.serial.hex(), certificate.subject),
    );
    report = report
        .line(format!("issuer: {}", certificate.issuer))
        .line(format!("valid from: {}", certificate.not_before.format("%Y-%m-%d %H:%M:%S UTC")))
        .line(format!("valid until: {}", certificate.until()));
    if !certificate.sans.is_empty() {
        report = report.line(format!("names: {}", certificate.sans.join(", ")));
    }
    if let Some(state) = &found.state {
        report = report.line(format!("state: {state}"));
    }
    if let Some(on) = found.revoked_on {
        report = report.line(format!("revoked on: {}", on.format("%Y-%m-%d %H:%M:%S UTC")));
    }
    if let Some(by) = &found.revoked_by {
        report = report.line(format!("revoked by: {by}"));
    }
    if let Some(file) = &args.out {
        output::write(file, pem::encode("CERTIFICATE", &found.der).as_bytes(), DEFAULT)?;
        report = report.line(format!("certificate written to {}", file.display()));
    }
    let state = found.state.as_ref();
    Ok(report.closed(closed).result(Recorded {
        certificate: certificate_json(&certificate),
        state: state.map(|state| state.word().to_string()),
        revocation_reason: state.and_then(|state| state.reason()),
        revoked_on: found.revoked_on.map(time),
        revoked_by: found.revoked_by.clone(),
        file: args.out.as_deref().map(|file| file.display().to_string()),
    }))
}

const DEFAULT: output::Mode = output::Mode::Default;

/// Arguments of `ca transport`.
#[derive(Args)]
#[command(after_help = "\
A CA that the database trusts must have issued the certificate: whoever has its private key can read
archived keys.

Example:
  nss-cmc ca transport -d DIR --ca https://ca.example.com:8443 --out transport.pem
  nss-cmc csr create -d DIR --subject CN=alice --crmf --archive-to transport.pem --out alice.crmf")]
pub struct TransportArgs {
    #[command(flatten)]
    pub(super) ca: RecordsArgs,

    /// File for the certificate (PEM). Default: standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
}

impl TransportArgs {
    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        self.out.is_none()
    }
}

/// Result of `ca transport`.
#[derive(Serialize, JsonSchema)]
pub struct TransportFetched {
    certificate: Certificate,
    /// The file that was written.
    file: Option<String>,
}

/// Runs `ca transport`.
///
/// # Errors
/// As [`transport_certificate`].
pub fn transport(args: &TransportArgs) -> Result<Report> {
    let (found, closed) =
        args.ca.with(|session, config| transport_certificate(&session.database, config))?;
    let certificate = summary(&found.certificate)?;
    let pem = pem::encode("CERTIFICATE", &found.certificate);
    let title = format!("transport certificate {}", certificate.subject);
    let report = handed_out("ca transport", title, &pem, args.out.as_deref())?;
    let mut report = report.closed(closed).result(TransportFetched {
        certificate: certificate_json(&certificate),
        file: args.out.as_deref().map(|file| file.display().to_string()),
    });
    report.warnings.extend(found.warnings);
    Ok(report)
}

/// Returns the report on PEM that is written to `file`, or printed after the title.
///
/// # Errors
/// [`nss_cmc::error::Kind::Output`].
pub fn handed_out(command: &str, title: String, pem: &str, file: Option<&Path>) -> Result<Report> {
    match file {
        Some(file) => {
            output::write(file, pem.as_bytes(), DEFAULT)?;
            let msg = format!("{title} written to {}", file.display());
            Ok(Report::done(command, "fetched", true, msg))
        }
        None => Ok(Report::done(command, "fetched", false, title).line(pem.trim_end())),
    }
}
