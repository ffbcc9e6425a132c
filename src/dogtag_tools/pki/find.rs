//! `pki ca-cert-find`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};

use super::super::options::{Dialect, Known, Options, Takes};
use super::super::text::date;
use super::global::Global;
use super::{not_a_number, server, usage};
use crate::streams::Streams;
use nss_cmc::Number;
use nss_cmc::client::dogtag::certificates::{Entry, Found, Page};
use nss_cmc::client::dogtag::filter::{Field, Filter, STATUSES};
use nss_cmc::client::input;
use nss_cmc::cmc::revocation_reason::REASONS;
use nss_cmc::error::{Error, Kind, Result};

const USAGE: &str = "usage: ca-cert-find [OPTIONS...]
    --name, --email, --uid, --org, --orgUnit, --locality, --state, --country <text>
                                  part of the subject; of several, one that fits is enough
    --matchExactly                all of them must fit, and whole values
    --minSerialNumber, --maxSerialNumber <number>
    --status <word>               VALID, INVALID, REVOKED, EXPIRED, REVOKED_EXPIRED
    --issuedBy, --revokedBy <user>
    --issuedOnFrom, --issuedOnTo, --revokedOnFrom, --revokedOnTo, --validNotBeforeFrom,
    --validNotBeforeTo, --validNotAfterFrom, --validNotAfterTo <YYYY-MM-DD>
    --revocationReason <reason>   Key_Compromise, or its number
    --validityOperation <word>    <= or >=, with --validityCount <n> and
    --validityUnit <unit>         day, week, month (default), year
    --certTypeSubEmailCA, --certTypeSubSSLCA, --certTypeSecureEmail, --certTypeSSLClient,
    --certTypeSSLServer <on|off>
    --input <file>                CertSearchRequest in XML; other options come after it
    --start <n>, --size <n>       first entry, from 0; number of entries (the CA's default: 20)
    -v, --verbose, --debug, --help";

const OPTIONS: &[Known] = &[
    ("--name", Takes::Text),
    ("--email", Takes::Text),
    ("--uid", Takes::Text),
    ("--org", Takes::Text),
    ("--orgUnit", Takes::Text),
    ("--locality", Takes::Text),
    ("--state", Takes::Text),
    ("--country", Takes::Text),
    ("--matchExactly", Takes::Nothing),
    ("--minSerialNumber", Takes::Text),
    ("--maxSerialNumber", Takes::Text),
    ("--status", Takes::Text),
    ("--issuedBy", Takes::Text),
    ("--revokedBy", Takes::Text),
    ("--issuedOnFrom", Takes::Text),
    ("--issuedOnTo", Takes::Text),
    ("--revokedOnFrom", Takes::Text),
    ("--revokedOnTo", Takes::Text),
    ("--validNotBeforeFrom", Takes::Text),
    ("--validNotBeforeTo", Takes::Text),
    ("--validNotAfterFrom", Takes::Text),
    ("--validNotAfterTo", Takes::Text),
    ("--revocationReason", Takes::Text),
    ("--validityOperation", Takes::Text),
    ("--validityCount", Takes::Text),
    ("--validityUnit", Takes::Text),
    ("--certTypeSubEmailCA", Takes::Text),
    ("--certTypeSubSSLCA", Takes::Text),
    ("--certTypeSecureEmail", Takes::Text),
    ("--certTypeSSLClient", Takes::Text),
    ("--certTypeSSLServer", Takes::Text),
    ("--input", Takes::Octets),
    ("--start", Takes::Text),
    ("--size", Takes::Text),
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--debug", Takes::Nothing),
    ("--help", Takes::Nothing),
];

/// The options whose value is used as the condition.
const TEXTS: [(&str, Field); 10] = [
    ("--name", Field::CommonName),
    ("--email", Field::Email),
    ("--uid", Field::UserId),
    ("--org", Field::Organization),
    ("--orgUnit", Field::OrganizationalUnit),
    ("--locality", Field::Locality),
    ("--state", Field::State),
    ("--country", Field::Country),
    ("--issuedBy", Field::IssuedBy),
    ("--revokedBy", Field::RevokedBy),
];

const SERIALS: [(&str, Field); 2] =
    [("--minSerialNumber", Field::SerialFrom), ("--maxSerialNumber", Field::SerialTo)];

const DAYS: [(&str, Field); 8] = [
    ("--issuedOnFrom", Field::IssuedOnFrom),
    ("--issuedOnTo", Field::IssuedOnTo),
    ("--revokedOnFrom", Field::RevokedOnFrom),
    ("--revokedOnTo", Field::RevokedOnTo),
    ("--validNotBeforeFrom", Field::NotBeforeFrom),
    ("--validNotBeforeTo", Field::NotBeforeTo),
    ("--validNotAfterFrom", Field::NotAfterFrom),
    ("--validNotAfterTo", Field::NotAfterTo),
];

const TYPES: [(&str, Field); 5] = [
    ("--certTypeSubEmailCA", Field::TypeEmailCa),
    ("--certTypeSubSSLCA", Field::TypeSslCa),
    ("--certTypeSecureEmail", Field::TypeEmail),
    ("--certTypeSSLClient", Field::TypeSslClient),
    ("--certTypeSSLServer", Field::TypeSslServer),
];

/// The units of --validityUnit, in days.
const UNITS: [(&str, u64); 4] = [("day", 1), ("week", 7), ("month", 30), ("year", 365)];

/// Runs `ca-cert-find`.
///
/// # Errors
/// [`Kind::Usage`] for options; those of [`server::with`].
pub fn run(global: &Global, args: &[OsString], streams: &mut Streams<'_>) -> Result<()> {
    let mut options = Options::new(Dialect::Clustered, OPTIONS);
    options.read(args)?;
    if options.has("--help") {
        streams.say(USAGE);
        return Ok(());
    }
    if !options.unknown.is_empty() {
        return Err(usage("Too many arguments specified."));
    }
    let number = |name| -> Result<Option<u32>> {
        let text = options.text(name);
        text.map(|text| text.parse().map_err(|_| not_a_number(text))).transpose()
    };
    let page = Page::One(number("--start")?, number("--size")?);
    let filter = filter(&options)?;
    let found = server::with(global, streams, |ca| ca.find(&filter, page))?;
    streams.put(&listing(&found));
    Ok(())
}

fn filter(options: &Options) -> Result<Filter> {
    let mut filter = match options.path("--input") {
        Some(file) => file_s_filter(file)?,
        None => Filter::new(),
    };
    for (name, field) in TEXTS {
        if let Some(text) = options.text(name) {
            filter.set(field, text);
        }
    }
    filter.exact |= options.has("--matchExactly");
    for (name, field) in SERIALS {
        if let Some(text) = options.text(name) {
            filter.set_serial(field, &Number::parse(text).map_err(|_| not_a_number(text))?);
        }
    }
    for (name, field) in DAYS {
        if let Some(text) = options.text(name) {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d");
            let day = day.map_err(|_| usage(format!("Invalid date: {text}")).hint("YYYY-MM-DD"))?;
            filter.set_day(field, day)?;
        }
    }
    for (name, field) in TYPES {
        match options.text(name) {
            Some(word @ ("on" | "off")) => filter.set(field, word),
            Some(_) => return Err(usage(format!("{name} takes on or off"))),
            None => {}
        }
    }
    if let Some(word) = options.text("--status") {
        if !STATUSES.contains(&word) {
            let what = format!("Invalid certificate status: {word}");
            return Err(usage(what).hint(format!("one of {}", STATUSES.join(", "))));
        }
        filter.set(Field::Status, word);
    }
    if let Some(word) = options.text("--revocationReason") {
        let reason = reason(word).ok_or_else(|| usage("Invalid revocation reason"))?;
        filter.set(Field::RevocationReason, reason.to_string());
    }
    validity(options, &mut filter)?;
    Ok(filter)
}

/// Returns the code of a reason: a number, or a name; underscores and case are ignored.
fn reason(word: &str) -> Option<i64> {
    let plain = word.replace('_', "");
    let known = REASONS.iter().map(|(name, reason)| (*name, *reason as i64));
    let mut fits = known.filter(|(name, code)| {
        name.eq_ignore_ascii_case(&plain) || word.parse().is_ok_and(|number: i64| number == *code)
    });
    fits.next().map(|(_, code)| code)
}

fn validity(options: &Options, filter: &mut Filter) -> Result<()> {
    let unit = options.text("--validityUnit").unwrap_or("month");
    let Some((_, days)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
        return Err(usage(format!("Invalid validity duration unit: {unit}")));
    };
    let given = (options.text("--validityOperation"), options.text("--validityCount"));
    let (Some(operation), Some(count)) = given else {
        if given != (None, None) || options.has("--validityUnit") {
            return Err(usage("--validityOperation and --validityCount belong together"));
        }
        return Ok(());
    };
    if !["<=", ">="].contains(&operation) {
        return Err(usage(format!("Invalid validity duration operation: {operation}")));
    }
    filter.set_validity(operation, count.parse().map_err(|_| not_a_number(count))?, days);
    Ok(())
}

/// Reads a CertSearchRequest in XML; empty elements are ignored.
fn file_s_filter(file: &Path) -> Result<Filter> {
    let bytes = input::read("the search constraints", file)?;
    let wrong = |why: String| {
        let what = format!("cannot read the search constraints {}", file.display());
        Error::new(Kind::Input, what).because(why)
    };
    let text = String::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
    let document = roxmltree::Document::parse(&text).map_err(|e| wrong(e.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "CertSearchRequest" {
        return Err(wrong(format!("it is a {}, not a CertSearchRequest", root.tag_name().name())));
    }
    let mut filter = Filter::new();
    for element in root.children().filter(roxmltree::Node::is_element) {
        let (name, value) = (element.tag_name().name(), element.text().unwrap_or_default().trim());
        if !value.is_empty() && !filter.set_member(name, value) {
            return Err(wrong(format!("{name} is no search constraint")));
        }
    }
    Ok(filter)
}

/// Returns the text between two lines of hyphens of its length.
fn boxed(text: &str) -> String {
    let line = "-".repeat(text.len());
    format!("{line}\n{text}\n{line}\n")
}

/// Returns the result of a search as pki prints it.
fn listing(found: &Found) -> String {
    let mut out = String::new();
    if let Some(total) = found.total {
        out.push_str(&boxed(&format!("{total} entries found")));
        if total == 0 {
            return out;
        }
    }
    let entries: Vec<String> = found.entries.iter().map(entry).collect();
    out.push_str(&entries.join("\n"));
    out.push_str(&boxed(&format!("Number of entries returned {}", entries.len())));
    out
}

fn entry(of: &Entry) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String can't fail.
        writeln!(out, "  {name}: {value}").ok();
    };
    let time = |time: &Option<DateTime<Utc>>| time.map(date::unix);
    line("Serial Number", &of.serial.hex());
    line("Subject DN", &of.subject);
    line("Issuer DN", &of.issuer);
    line("Status", &of.status);
    if let Some(kind) = &of.kind {
        let version = of.version.and_then(|version| version.checked_add(1));
        let version = version.map_or(String::new(), |version| format!(" version {version}"));
        line("Type", &format!("{kind}{version}"));
    }
    if let Some(oid) = &of.key_algorithm {
        let name = match oid.as_str() {
            "1.2.840.113549.1.1.1" => "PKCS #1 RSA".to_owned(),
            "1.2.840.113549.1.1.4" => "PKCS #1 MD5 With RSA".to_owned(),
            "1.2.840.10040.4.1" => "DSA".to_owned(),
            other => format!("OID.{other}"),
        };
        let bits = of.key_bits.map_or(String::new(), |bits| format!(" with {bits}-bit key"));
        line("Key Algorithm", &format!("{name}{bits}"));
    }
    let all = [
        ("Not Valid Before", time(&of.not_before)),
        ("Not Valid After", time(&of.not_after)),
        ("Issued On", time(&of.issued_on)),
        ("Issued By", of.issued_by.clone()),
        ("Revoked On", time(&of.revoked_on)),
        ("Revoked By", of.revoked_by.clone()),
    ];
    for (name, value) in all {
        if let Some(value) = value {
            line(name, &value);
        }
    }
    out
}
