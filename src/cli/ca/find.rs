//! `nss-cmc ca find`.

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::RecordsArgs;
use crate::cli::report::{Report, Serial, Time, serial_json, time};
use crate::cli::table::{Look, Table, plain};
use nss_cmc::Number;
use nss_cmc::client::dogtag::certificates::{Entry, Found, Page};
use nss_cmc::client::dogtag::filter::{Field, Filter};
use nss_cmc::client::dogtag::records::State;
use nss_cmc::cmc::revocation_reason::reason;
use nss_cmc::error::Result;

const RECORDS: &str = "Records";
const SUBJECT: &str = "Subject";
const DATES: &str = "Dates (YYYY-MM-DD, local time zone, the day is included)";

#[derive(Clone, Copy, ValueEnum)]
enum StatusWord {
    Valid,
    /// Not yet valid
    Invalid,
    /// Revoked or on hold
    Revoked,
    Expired,
    RevokedExpired,
}

impl StatusWord {
    fn dogtag(self) -> &'static str {
        match self {
            StatusWord::Valid => "VALID",
            StatusWord::Invalid => "INVALID",
            StatusWord::Revoked => "REVOKED",
            StatusWord::Expired => "EXPIRED",
            StatusWord::RevokedExpired => "REVOKED_EXPIRED",
        }
    }
}

/// Arguments of `ca find`.
#[derive(Args)]
#[command(after_help = "\
Prints a table on a terminal, and in a pipe one line for each certificate: serial number, status, end
of validity and subject, separated by tabs. The CA's records are not signed: only TLS protects them.

Examples:
  nss-cmc ca find -d DIR --ca https://ca:8443 --name www.example.com
  nss-cmc ca find -d DIR --ca https://ca:8443 --status valid --ends-to 2026-12-31 | cut -f1")]
pub struct FindArgs {
    #[command(flatten)]
    pub(super) ca: RecordsArgs,

    /// Common name (CN), or a part of it; of several attributes, one match is enough
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    name: Option<String>,

    /// E-mail address
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    email: Option<String>,

    /// User id (UID)
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    uid: Option<String>,

    /// Organization (O)
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    org: Option<String>,

    /// Organizational unit (OU)
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    org_unit: Option<String>,

    /// Locality (L)
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    locality: Option<String>,

    /// State or province (ST)
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    state: Option<String>,

    /// Country (C)
    #[arg(long, value_name = "TEXT", help_heading = SUBJECT)]
    country: Option<String>,

    /// All given attributes must match, with their whole values
    #[arg(long, help_heading = SUBJECT)]
    exact: bool,

    /// State in the CA's records
    #[arg(long, value_name = "STATUS", help_heading = RECORDS)]
    status: Option<StatusWord>,

    /// Serial numbers from this one on
    #[arg(long, value_name = "NUMBER", help_heading = RECORDS)]
    serial_from: Option<String>,

    /// Serial numbers up to this one
    #[arg(long, value_name = "NUMBER", help_heading = RECORDS)]
    serial_to: Option<String>,

    /// User who had it issued
    #[arg(long, value_name = "UID", help_heading = RECORDS)]
    issued_by: Option<String>,

    /// User who revoked it
    #[arg(long, value_name = "UID", help_heading = RECORDS)]
    revoked_by: Option<String>,

    /// Reason for revocation: keyCompromise…
    #[arg(long, value_name = "REASON", help_heading = RECORDS)]
    reason: Option<String>,

    /// Issued on this day or later
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    issued_from: Option<NaiveDate>,

    /// Issued on this day or earlier
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    issued_to: Option<NaiveDate>,

    /// Revoked on this day or later
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    revoked_from: Option<NaiveDate>,

    /// Revoked on this day or earlier
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    revoked_to: Option<NaiveDate>,

    /// Validity begins on this day or later
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    begins_from: Option<NaiveDate>,

    /// Validity begins on this day or earlier
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    begins_to: Option<NaiveDate>,

    /// Validity ends on this day or later
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    ends_from: Option<NaiveDate>,

    /// Validity ends on this day or earlier
    #[arg(long, value_name = "DAY", help_heading = DATES)]
    ends_to: Option<NaiveDate>,

    /// List at most this many certificates
    #[arg(long, value_name = "N", help_heading = "Output")]
    limit: Option<usize>,
}

/// Result of `ca find`.
#[derive(Serialize, JsonSchema)]
pub struct RecordsFound {
    /// The number of matches, if the CA gives it.
    total: Option<u64>,
    /// Whether there are more than the listed ones.
    more: bool,
    certificates: Vec<Record>,
}

/// A certificate in the CA's records.
#[derive(Serialize, JsonSchema)]
struct Record {
    serial: Serial,
    subject: String,
    issuer: String,
    /// A search reports a certificate on hold as revoked.
    state: String,
    not_before: Option<Time>,
    not_after: Option<Time>,
    issued_on: Option<Time>,
    issued_by: Option<String>,
    revoked_on: Option<Time>,
    revoked_by: Option<String>,
    key_algorithm: Option<String>,
    key_bits: Option<i64>,
}

/// Runs `ca find`.
///
/// # Errors
/// As [`Certificates::find`](nss_cmc::client::dogtag::certificates::Certificates::find).
pub fn run(args: &FindArgs) -> Result<Report> {
    let filter = filter(args)?;
    let (found, closed) = args.ca.records(|ca| ca.find(&filter, Page::All(args.limit)))?;
    Ok(report(&found).closed(closed))
}

fn filter(args: &FindArgs) -> Result<Filter> {
    let mut filter = Filter::new();
    filter.exact = args.exact;
    for (field, value) in [
        (Field::CommonName, &args.name),
        (Field::Email, &args.email),
        (Field::UserId, &args.uid),
        (Field::Organization, &args.org),
        (Field::OrganizationalUnit, &args.org_unit),
        (Field::Locality, &args.locality),
        (Field::State, &args.state),
        (Field::Country, &args.country),
        (Field::IssuedBy, &args.issued_by),
        (Field::RevokedBy, &args.revoked_by),
    ] {
        if let Some(value) = value {
            filter.set(field, value.as_str());
        }
    }
    for (field, value) in
        [(Field::SerialFrom, &args.serial_from), (Field::SerialTo, &args.serial_to)]
    {
        if let Some(value) = value {
            filter.set_serial(field, &Number::parse(value)?);
        }
    }
    for (field, day) in [
        (Field::IssuedOnFrom, args.issued_from),
        (Field::RevokedOnFrom, args.revoked_from),
        (Field::NotBeforeFrom, args.begins_from),
        (Field::NotAfterFrom, args.ends_from),
    ] {
        if let Some(day) = day {
            filter.set_day(field, day)?;
        }
    }
    for (field, day) in [
        (Field::IssuedOnTo, args.issued_to),
        (Field::RevokedOnTo, args.revoked_to),
        (Field::NotBeforeTo, args.begins_to),
        (Field::NotAfterTo, args.ends_to),
    ] {
        if let Some(day) = day {
            filter.set_last_day(field, day)?;
        }
    }
    if let Some(word) = args.status {
        filter.set(Field::Status, word.dogtag());
    }
    if let Some(name) = &args.reason {
        filter.set_reason(reason(name)?);
    }
    Ok(filter)
}

fn report(found: &Found) -> Report {
    let n = found.entries.len();
    let certificates =
        if n == 1 { "1 certificate".to_owned() } else { format!("{n} certificates") };
    let more = match (found.more, found.total) {
        (true, Some(total)) => format!(", of {total}"),
        (true, None) => ", and there are more".to_owned(),
        (false, _) => String::new(),
    };
    let msg = format!("{certificates}{more}");
    let mut table = Table::new(&["SERIAL", "STATUS", "ENDS", "SUBJECT"]);
    for entry in &found.entries {
        let until = entry.not_after.map_or(String::new(), |t| t.format("%Y-%m-%d").to_string());
        let look = match entry.state {
            State::Valid => Look::Good,
            State::Revoked { .. } | State::OnHold => Look::Bad,
            _ => Look::Plain,
        };
        let (serial, state) = (plain(entry.serial.hex()), (entry.state.to_string(), look));
        table.row([serial, state, plain(until), plain(entry.subject.as_str())]);
    }
    let report = Report::done("ca find", "found", false, msg).result(RecordsFound {
        total: found.total,
        more: found.more,
        certificates: found.entries.iter().map(entry_json).collect(),
    });
    table.add_to(report)
}

fn entry_json(of: &Entry) -> Record {
    Record {
        serial: serial_json(&of.serial),
        subject: of.subject.clone(),
        issuer: of.issuer.clone(),
        state: of.state.word().to_string(),
        not_before: of.not_before.map(time),
        not_after: of.not_after.map(time),
        issued_on: of.issued_on.map(time),
        issued_by: of.issued_by.clone(),
        revoked_on: of.revoked_on.map(time),
        revoked_by: of.revoked_by.clone(),
        key_algorithm: of.key_algorithm.clone(),
        key_bits: of.key_bits,
    }
}
