//! `nss-cmc cert list` and `cert show`.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::WhichArgs;
use crate::cli::args::StoreArgs;
use crate::cli::key::not_logged_in;
use crate::cli::report::{AnyCertificate, Report, any_certificate, certificate_json};
use crate::cli::table::{Look, Table, plain};
use nss_cmc::certificate::{Summary, summary};
use nss_cmc::client::store::certificates::{self, CertEntry, KeyState};
use nss_cmc::error::Result;
use nss_cmc::keyid;
use nss_cmc::text::printable;

/// Certificates that end within this number of days are marked.
const SOON: i64 = 30;

/// Arguments of `cert list`.
#[derive(Args)]
#[command(
    after_help = "A password is required in FIPS mode only. Without one, the key is `unknown` if its \
                  token lists keys after a login only. The chain is `trusted` if it leads to a CA that \
                  the database trusts.\n\n\
                  In a pipe the fields of a line are separated by tabs: nickname, token, key (yes, no, \
                  unknown), trust, end of validity, status (valid, ends soon, expired, not yet valid), \
                  chain (trusted, not trusted), serial number, subject, issuer, SHA-256.\n\n\
                  Example:\n  nss-cmc cert list -d /etc/httpd/alias"
)]
pub struct ListArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Arguments of `cert show`.
#[derive(Args)]
#[command(
    after_help = "All certificates with the nickname are shown, the newest first: after a renewal there \
                  are several.\n\nExample:\n  nss-cmc cert show Server-Cert -d /etc/httpd/alias"
)]
pub struct ShowArgs {
    #[command(flatten)]
    which: WhichArgs,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Result of `cert list` and `cert show`.
#[derive(Serialize, JsonSchema)]
pub struct Certificates {
    certificates: Vec<Stored>,
    /// Tokens that are not logged in: keys in them are not seen.
    not_logged_in: Vec<String>,
}

/// A certificate of the database.
#[derive(Serialize, JsonSchema)]
pub struct Stored {
    nickname: Option<String>,
    token: String,
    /// `yes`, `no`, or `unknown` if a token that may have the key is not logged in.
    #[schemars(extend("enum" = ["yes", "no", "unknown"]))]
    key: &'static str,
    /// Key id as certutil prints it.
    key_id: Option<String>,
    /// Key id as Dogtag's tools print it.
    key_id_signed: Option<String>,
    /// Trust flags, as for certutil.
    trust: String,
    /// `ends_soon`: within 30 days.
    #[schemars(extend("enum" = ["valid", "ends_soon", "expired", "not_yet_valid", "unreadable"]))]
    status: String,
    days_left: Option<i64>,
    /// Whether the chain leads to a CA that the database trusts.
    chain_trusted: bool,
    /// Why it doesn't.
    chain_reason: Option<String>,
    /// The issuers, nearest first; null for one that can't be decoded.
    issuers: Vec<Option<Issuer>>,
    /// SHA-256 of the certificate in hexadecimal.
    sha256: String,
    certificate: AnyCertificate,
}

#[derive(Serialize, JsonSchema)]
struct Issuer {
    subject: String,
    /// `0x` and hexadecimal digits.
    serial: String,
}

/// Runs `cert list`.
///
/// # Errors
/// As [`certificates::list`].
pub fn list(args: &ListArgs) -> Result<Report> {
    let passwords = args.store.password.passwords();
    let listed = certificates::list(&args.store.spec(&passwords, false))?;
    let (now, short) = (Utc::now(), Table::is_shown());
    let ends = |of: &Summary| match short {
        true => of.not_after.format("%Y-%m-%d").to_string(),
        false => rfc3339(&of.not_after),
    };
    let mut table = Table::new(&[
        "NICKNAME",
        "TOKEN",
        "KEY",
        "TRUST",
        "VALID UNTIL",
        "STATUS",
        "CHAIN",
        "SERIAL",
        "SUBJECT",
        "ISSUER",
        "SHA-256",
    ]);
    for entry in &listed.certificates {
        let of = entry.summary.as_ref();
        let (status, look) = status(of, now);
        let chain = match entry.not_trusted {
            None => ("trusted".to_owned(), Look::Good),
            Some(_) => ("not trusted".to_owned(), Look::Soon),
        };
        table.row([
            plain(entry.nickname.as_deref().unwrap_or_default()),
            plain(&entry.token),
            key_field(entry),
            plain(&entry.trust),
            plain(of.map(ends).unwrap_or_default()),
            (status.into(), look),
            chain,
            plain(of.map(Summary::serial_hex).unwrap_or_default()),
            plain(of.map(|of| of.subject.clone()).unwrap_or_default()),
            plain(of.map(|of| of.issuer.clone()).unwrap_or_default()),
            (fingerprint(entry, short), Look::Dim),
        ]);
    }
    let count = listed.certificates.len();
    let msg = format!("{count} certificates in NSS database {}", args.store.database);
    let certificates = listed.certificates.iter().map(|e| entry_json(e, now)).collect();
    let result = Certificates { certificates, not_logged_in: listed.closed };
    let report = table.add_to(Report::done("cert list", "listed", false, msg)).result(result);
    Ok(report.closed(listed.not_closed.map_or(Ok(()), Err)))
}

/// Runs `cert show`.
///
/// # Errors
/// As [`certificates::find`].
pub fn show(args: &ShowArgs) -> Result<Report> {
    let passwords = args.store.password.passwords();
    let found = certificates::find(&args.store.spec(&passwords, false), &args.which.which())?;
    let now = Utc::now();
    let msg = match found.certificates.len() {
        1 => "1 certificate".to_owned(),
        n => format!("{n} certificates, the newest first"),
    };
    let mut report = Report::done("cert show", "shown", false, msg);
    for entry in &found.certificates {
        report = lines(entry, now).into_iter().fold(report.line(""), Report::line);
    }
    let certificates = found.certificates.iter().map(|e| entry_json(e, now)).collect();
    let result = Certificates { certificates, not_logged_in: found.closed.clone() };
    let mut report = report.result(result);
    if found.certificates.iter().any(|entry| entry.key == KeyState::Unknown) {
        report.warnings.extend(not_logged_in(&found.closed, "a key may be there"));
    }
    Ok(report.closed(found.not_closed.map_or(Ok(()), Err)))
}

fn lines(entry: &CertEntry, now: DateTime<Utc>) -> Vec<String> {
    let mut lines = vec![
        format!("nickname: {}", printable(entry.nickname.as_deref().unwrap_or("(none)"))),
        format!("token: {}", printable(&entry.token)),
    ];
    match &entry.key_id {
        Some(id) => lines.push(format!("key: yes, id {}", keyid::to_hex(id))),
        None => lines.push(format!("key: {}", key_word(entry))),
    }
    lines.push(format!("trust: {}", entry.trust));
    match &entry.summary {
        None => lines.push("cannot decode the certificate".into()),
        Some(of) => {
            lines.push(format!("subject: {}", of.subject));
            lines.push(format!("issuer: {}", of.issuer));
            lines.push(format!("serial: {}", of.serial_hex()));
            lines.push(format!("valid from: {}", of.not_before.format("%Y-%m-%d %H:%M:%S UTC")));
            let (status, days) = (status(Some(of), now).0, (of.not_after - now).num_days());
            let left = if days > 0 { format!(", {days} days left") } else { String::new() };
            lines.push(format!("valid until: {} ({status}{left})", of.until()));
            if !of.sans.is_empty() {
                lines.push(format!("names: {}", of.sans.join(", ")));
            }
        }
    }
    lines.push(format!("SHA-256: {}", keyid::to_hex(&entry.fingerprint)));
    for der in &entry.issuers {
        let subject = summary(der).map_or_else(|_| "(unreadable)".to_owned(), |of| of.subject);
        lines.push(format!("chain: {subject}"));
    }
    lines.push(match &entry.not_trusted {
        None => "chain: trusted".into(),
        Some(e) => format!("chain: not trusted: {}", printable(&e.to_string())),
    });
    lines
}

/// Returns a stored certificate for JSON.
pub fn entry_json(entry: &CertEntry, now: DateTime<Utc>) -> Stored {
    let issuer = |der: &Vec<u8>| {
        let of = summary(der).ok()?;
        Some(Issuer { serial: of.serial_hex(), subject: of.subject })
    };
    let of = entry.summary.as_ref();
    Stored {
        nickname: entry.nickname.clone(),
        token: entry.token.clone(),
        key: key_word(entry),
        key_id: entry.key_id.as_deref().map(keyid::to_hex),
        key_id_signed: entry.key_id.as_deref().map(keyid::to_dogtag),
        trust: entry.trust.clone(),
        status: status(of, now).0.replace(' ', "_"),
        days_left: of.map(|of| (of.not_after - now).num_days()),
        chain_trusted: entry.not_trusted.is_none(),
        chain_reason: entry.not_trusted.as_ref().map(ToString::to_string),
        issuers: entry.issuers.iter().map(issuer).collect(),
        sha256: keyid::to_hex(&entry.fingerprint),
        certificate: match of {
            Some(of) => AnyCertificate::Decoded(certificate_json(of)),
            None => any_certificate(&entry.der),
        },
    }
}

fn key_word(entry: &CertEntry) -> &'static str {
    match entry.key {
        KeyState::Here => "yes",
        KeyState::Missing => "no",
        KeyState::Unknown => "unknown",
    }
}

fn key_field(entry: &CertEntry) -> (String, Look) {
    let look = match entry.key {
        KeyState::Here => Look::Good,
        KeyState::Missing => Look::Plain,
        KeyState::Unknown => Look::Dim,
    };
    (key_word(entry).into(), look)
}

fn status(of: Option<&Summary>, now: DateTime<Utc>) -> (&'static str, Look) {
    match of {
        None => ("unreadable", Look::Bad),
        Some(of) if of.not_after < now => ("expired", Look::Bad),
        Some(of) if of.not_before > now => ("not yet valid", Look::Bad),
        Some(of) if (of.not_after - now).num_days() < SOON => ("ends soon", Look::Soon),
        Some(_) => ("valid", Look::Good),
    }
}

/// Returns the SHA-256 in hexadecimal, or the first digits, which `--fingerprint` accepts.
fn fingerprint(entry: &CertEntry, short: bool) -> String {
    let octets = entry.fingerprint.get(..8).filter(|_| short).unwrap_or(&entry.fingerprint);
    keyid::to_hex(octets)
}

fn rfc3339(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
