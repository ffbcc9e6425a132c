//! `nss-cmc status`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{TrustArgs, duration};
use super::connect_args::ReachArgs;
use super::report::{Certificate, Report, Time, certificate_json, time};
use super::table::{Look, Table, plain};
use nss_cmc::Number;
use nss_cmc::client::dogtag::records::State;
use nss_cmc::client::ocsp::{OcspStatus, Responded};
use nss_cmc::client::status::{Recorded, Standing, StatusSpec, Verdict, Which, status};
use nss_cmc::error::{Kind, Result};
use nss_cmc::text::printable;

const EXAMPLES: &str = "\
The CA's records are not signed: only the TLS connection protects them. OCSP responses are signed by
the CA, or by a responder that the CA authorized, and verified. A certificate is reported as revoked
if either says so. The exit code is 0 if all certificates are valid, and 13 if one is due, expired,
not yet valid, revoked, on hold, or without its key (in JSON, failed is false in both cases).

Examples:
  nss-cmc status -d /etc/httpd/alias                         (all with a key)
  nss-cmc status -d DIR Server-Cert --ca https://ca:8443     (also in the CA's records)
  nss-cmc status -d DIR Server-Cert --due 14d || echo 'renew it'";

/// Arguments of `status`.
#[derive(Args)]
#[command(group(ArgGroup::new("which").args(["nickname", "serial", "file"])), after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Nickname, or TOKEN:NICKNAME. Default: all certificates with a key
    #[arg(value_name = "NICKNAME")]
    nickname: Option<String>,

    /// Serial number of a certificate in the CA's records
    #[arg(long, value_name = "NUMBER", requires = "ca")]
    serial: Option<String>,

    /// File with a certificate (PEM or DER)
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Time before its end from which a certificate is due for renewal (30d, 12h…)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    due: Duration,

    #[command(flatten)]
    database: TrustArgs,

    /// URL of the CA whose records are read (https://host:port). Default: only OCSP is queried
    #[arg(long, value_name = "URL", help_heading = "CA")]
    ca: Option<String>,

    /// Do not query the OCSP responders that the certificates name
    #[arg(long, help_heading = "CA")]
    no_ocsp: bool,

    #[command(flatten)]
    reach: ReachArgs,
}

impl StatusArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.database.warnings()
    }
}

/// Result of `status`.
#[derive(Serialize, JsonSchema)]
pub struct Statuses {
    certificates: Vec<CertificateStatus>,
}

/// The status of a certificate.
#[derive(Serialize, JsonSchema)]
struct CertificateStatus {
    nickname: Option<String>,
    #[schemars(extend("enum" = [
        "valid", "due", "expired", "not_yet_valid", "revoked", "on_hold"
    ]))]
    status: String,
    /// Whether it is valid, not due, and its key is not missing.
    serves: bool,
    /// Null if the certificate is not in the database.
    has_key: Option<bool>,
    certificate: Certificate,
    #[schemars(extend("enum" = ["not_asked", "found", "absent", "unknown"]))]
    ca_record: &'static str,
    /// State in the CA's records.
    ca_state: Option<String>,
    #[schemars(extend("enum" = ["not_asked", "no_responder", "answered", "unknown"]))]
    ocsp: &'static str,
    #[schemars(extend("enum" = ["good", "revoked", "on_hold", "unknown", null]))]
    ocsp_state: Option<&'static str>,
    /// URL of the responder.
    ocsp_responder: Option<String>,
    /// Whether the response repeats the nonce.
    ocsp_nonce: Option<bool>,
    revocation_reason: Option<String>,
    revocation_date: Option<Time>,
}

/// Runs `status`.
///
/// # Errors
/// As [`status`].
pub fn run(args: StatusArgs) -> Result<Report> {
    let which = match (args.nickname, args.serial, args.file) {
        (Some(nickname), ..) => Which::Nickname(nickname),
        (None, Some(serial), _) => Which::Serial(Number::parse(&serial)?),
        (None, None, Some(file)) => Which::File(file),
        (None, None, None) => Which::All,
    };
    let lists = matches!(which, Which::All);
    let (all, not_closed) = status(StatusSpec {
        passwords: args.database.password.passwords(),
        database: args.database.database,
        which,
        ocsp: (!args.no_ocsp).then(|| args.reach.ocsp()).transpose()?,
        connection: args.ca.map(|url| args.reach.config(&url)).transpose()?,
        due: args.due,
    })?;
    let mut report = if lists { list(&all) } else { one(&all) };
    report.warnings = all.iter().flat_map(warnings).collect();
    report.exit = if all.iter().all(Standing::serves) { 0 } else { Kind::Untrusted.exit() };
    let report = report.result(Statuses { certificates: all.iter().map(standing_json).collect() });
    Ok(report.closed(not_closed.map_or(Ok(()), Err)))
}

/// Returns a name for people: the nickname, else the serial number.
fn name(of: &Standing) -> String {
    let nickname = of.nickname.as_deref().map(|name| printable(name).into_owned());
    nickname.unwrap_or_else(|| of.certificate.serial_hex())
}

/// Returns the verdict in words: `revoked (keyCompromise)`, `valid, without key`.
fn words(of: &Standing) -> String {
    let verdict = match of.revocation() {
        Some(state) => state.to_string(),
        None => of.verdict().word().replace('_', " "),
    };
    if of.has_key == Some(false) { format!("{verdict}, without key") } else { verdict }
}

fn one(all: &[Standing]) -> Report {
    let Some(of) = all.first() else { return list(all) };
    let msg = format!("{} is {}", name(of), words(of));
    let recorded = match &of.recorded {
        Recorded::NotAsked => "not asked".to_owned(),
        Recorded::As(state) => state.to_string(),
        Recorded::Absent => "not found".to_owned(),
        Recorded::Silent(_) => "unknown".to_owned(),
    };
    let key = match of.has_key {
        Some(true) => "in the database",
        Some(false) => "not in the database",
        None => "unknown, the certificate is not in the database",
    };
    let certificate = &of.certificate;
    Report::done("status", of.verdict().word(), false, msg)
        .line(format!("subject: {}", certificate.subject))
        .line(format!("issuer: {}", certificate.issuer))
        .line(format!("serial: {}", certificate.serial_hex()))
        .line(format!("valid from: {}", certificate.not_before.format("%Y-%m-%d %H:%M:%S UTC")))
        .line(format!("valid until: {}", certificate.until()))
        .line(format!("key: {key}"))
        .line(format!("state at the CA: {recorded}"))
        .line(format!("state by OCSP: {}", by_ocsp(&of.responded)))
}

fn by_ocsp(responded: &Responded) -> String {
    let (url, answer) = match responded {
        Responded::NotAsked => return "not asked".to_owned(),
        Responded::Nobody => return "the certificate names no responder".to_owned(),
        Responded::Silent(_) => return "no response".to_owned(),
        Responded::Answer(url, answer) => (printable(url), answer),
    };
    let state = match (&answer.status, responded.state()) {
        (OcspStatus::Revoked { date, .. }, Some(state)) => {
            format!("{state} since {}", date.format("%Y-%m-%d %H:%M:%S UTC"))
        }
        (OcspStatus::Good, _) => "good".to_owned(),
        _ => "unknown".to_owned(),
    };
    let nonce = if answer.has_nonce { "" } else { ", without nonce" };
    format!("{state} ({url}{nonce})")
}

fn list(all: &[Standing]) -> Report {
    let bad = all.iter().filter(|of| !of.serves()).count();
    let msg = match (all.len(), bad) {
        (0, _) => "the database has no certificate with a key".to_owned(),
        (n, bad) => format!("{} of {n} certificates are valid", n - bad),
    };
    let mut table = Table::new(&["NICKNAME", "STATUS", "VALID UNTIL", "SERIAL", "SUBJECT"]);
    for of in all {
        let look = match of.verdict() {
            _ if of.serves() => Look::Good,
            Verdict::Due => Look::Soon,
            _ => Look::Bad,
        };
        let certificate = &of.certificate;
        table.row([
            plain(name(of)),
            (words(of), look),
            plain(certificate.until()),
            plain(certificate.serial_hex()),
            plain(certificate.subject.as_str()),
        ]);
    }
    let status = if bad == 0 { "valid" } else { "not_all_valid" };
    table.add_to(Report::done("status", status, false, msg))
}

fn warnings(of: &Standing) -> Vec<String> {
    let name = name(of);
    let recorded = match &of.recorded {
        Recorded::Silent(e) => Some(format!("cannot read the CA's record of {name}: {e}")),
        Recorded::Absent => Some(format!(
            "the CA has no record of {name}: another CA issued it, or the record was removed"
        )),
        Recorded::As(State::Other(word)) => {
            Some(format!("the state of {name} in the CA's records is unknown: {word:?}"))
        }
        Recorded::NotAsked | Recorded::As(_) => None,
    };
    let responded = match &of.responded {
        Responded::Silent(e) => Some(format!("no OCSP response for {name}: {e}")),
        Responded::Answer(url, answer) if answer.status == OcspStatus::Unknown => {
            Some(format!("the OCSP responder {} does not know {name}", printable(url)))
        }
        Responded::NotAsked | Responded::Nobody | Responded::Answer(..) => None,
    };
    let differ = match (&of.recorded, of.responded.state()) {
        (Recorded::As(recorded), Some(state)) if of.differs() => Some(format!(
            "the CA's records and OCSP disagree about {name}: {recorded} and {state}; the worse counts"
        )),
        _ => None,
    };
    [recorded, responded, differ].into_iter().flatten().collect()
}

fn standing_json(of: &Standing) -> CertificateStatus {
    let (asked, state) = match &of.recorded {
        Recorded::NotAsked => ("not_asked", None),
        Recorded::As(state) => ("found", Some(state)),
        Recorded::Absent => ("absent", None),
        Recorded::Silent(_) => ("unknown", None),
    };
    let (ocsp, answer) = match &of.responded {
        Responded::NotAsked => ("not_asked", None),
        Responded::Nobody => ("no_responder", None),
        Responded::Answer(url, answer) => ("answered", Some((url, answer))),
        Responded::Silent(_) => ("unknown", None),
    };
    let revocation = of.revocation();
    let date = match (answer.map(|(_, answer)| &answer.status), &revocation) {
        (Some(OcspStatus::Revoked { date, .. }), _) => Some(*date),
        (_, Some(State::Revoked { date, .. })) => *date,
        _ => None,
    };
    CertificateStatus {
        nickname: of.nickname.clone(),
        status: of.verdict().word().to_owned(),
        serves: of.serves(),
        has_key: of.has_key,
        certificate: certificate_json(&of.certificate),
        ca_record: asked,
        ca_state: state.map(|state| state.word().to_owned()),
        ocsp,
        ocsp_state: answer.map(|(_, answer)| match &answer.status {
            OcspStatus::Good => "good",
            OcspStatus::Revoked { reason: Some(6), .. } => "on_hold",
            OcspStatus::Revoked { .. } => "revoked",
            OcspStatus::Unknown => "unknown",
        }),
        ocsp_responder: answer.map(|(url, _)| url.clone()),
        ocsp_nonce: answer.map(|(_, answer)| answer.has_nonce),
        revocation_reason: revocation.as_ref().and_then(State::reason),
        revocation_date: date.map(time),
    }
}
