//! Searches and reads the CA's certificates, including its own, through its REST interface.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::filter::Filter;
use super::records::{State, moment, state_of};
use super::rest::{Rest, member};
use crate::asn1::{Number, certificate, pem};
use crate::error::{Error, Kind, Result};
use crate::http::{Transport, Url};
use crate::text::printable;

/// The number of entries in one request.
const PAGE: usize = 1000;
/// The most entries collected: a server that never stops must not fill the memory.
const MOST: usize = 200_000;
/// The most pages of one search: a server may send less than requested, but not one by one.
const MOST_PAGES: usize = 5_000;

/// A certificate in the result of a search.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its serial number.
    pub serial: Number,
    /// Its subject as the CA writes it.
    pub subject: String,
    /// Its issuer as the CA writes it.
    pub issuer: String,
    /// Its state in the CA's word (`VALID`).
    pub status: String,
    /// Its state; search results have no reason, so a certificate on hold counts as revoked.
    pub state: State,
    /// `X.509`.
    pub kind: Option<String>,
    /// Its version minus one.
    pub version: Option<i64>,
    /// Object identifier of the key's algorithm, in dotted form.
    pub key_algorithm: Option<String>,
    /// Size of an RSA key in bits.
    pub key_bits: Option<i64>,
    /// Start of validity.
    pub not_before: Option<DateTime<Utc>>,
    /// End of validity.
    pub not_after: Option<DateTime<Utc>>,
    /// The date of issue.
    pub issued_on: Option<DateTime<Utc>>,
    /// The user who had it issued.
    pub issued_by: Option<String>,
    /// The date of revocation.
    pub revoked_on: Option<DateTime<Utc>>,
    /// The user who revoked it.
    pub revoked_by: Option<String>,
}

/// A certificate with its whole record.
#[derive(Debug, Clone)]
pub struct Details {
    /// Its serial number.
    pub serial: Number,
    /// Its subject as the CA writes it.
    pub subject: String,
    /// Its issuer as the CA writes it.
    pub issuer: String,
    /// Its state in the CA's word (`VALID`); absent for the CA's own subsystems.
    pub status: Option<String>,
    /// Its state.
    pub state: Option<State>,
    /// Start of validity as the CA writes it.
    pub not_before: Option<String>,
    /// End of validity as the CA writes it.
    pub not_after: Option<String>,
    /// The date of revocation.
    pub revoked_on: Option<DateTime<Utc>>,
    /// The user who revoked it.
    pub revoked_by: Option<String>,
    /// The certificate's DER.
    pub der: Vec<u8>,
    /// The PEM as the CA sent it, line ends included.
    pub pem: String,
    /// DER of the certs-only message with the certificate and its issuers, if the CA sends one.
    pub chain: Option<Vec<u8>>,
    /// The certificate in words; absent in version 2 of the interface.
    pub pretty_print: Option<String>,
}

/// The result of a search.
#[derive(Debug, Clone)]
pub struct Found {
    /// The certificates, in the CA's order.
    pub entries: Vec<Entry>,
    /// The number of matches; absent in version 2 of the interface.
    pub total: Option<u64>,
    /// Whether there are more than requested.
    pub more: bool,
}

impl Found {
    fn new(entries: Vec<Entry>, total: Option<u64>, start: usize) -> Found {
        let end = (start as u64).saturating_add(entries.len() as u64);
        Found { more: total.is_some_and(|total| total > end), entries, total }
    }
}

/// The requested part of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// All, or at most this many.
    All(Option<usize>),
    /// One page: the first entry, and the number of entries; without them the CA's defaults, 0 and
    /// 20.
    One(Option<u32>, Option<u32>),
}

/// The CA's own certificates that can be requested by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    /// The one that signs certificates.
    Signing,
    /// The KRA's transport certificate, for which archived keys are encrypted.
    Transport,
}

impl Subsystem {
    fn path(self) -> &'static str {
        match self {
            Subsystem::Signing => "config/cert/signing",
            Subsystem::Transport => "config/cert/transport",
        }
    }
}

/// The certificates of one CA.
pub struct Certificates<'t, 'db> {
    rest: Rest<'t, 'db>,
}

impl<'t, 'db> Certificates<'t, 'db> {
    /// Prepares to query the CA at `ca`; only scheme, host and port of the URL are used. Nothing is
    /// sent yet.
    pub fn new(transport: &'t mut Transport<'db>, ca: &'t Url) -> Certificates<'t, 'db> {
        Certificates { rest: Rest::new(transport, ca) }
    }

    /// Uses only this path element of the interface (`v2`, `v1`, `rest`), instead of trying each.
    #[must_use]
    pub fn api(mut self, api: &str) -> Certificates<'t, 'db> {
        self.rest.take_api(api);
        self
    }

    /// Authenticates. Lookups don't need it; it shows whether the given credentials are valid.
    ///
    /// # Errors
    /// As [`Transport::get`]; [`Kind::Http`] when the CA refuses.
    pub fn log_in(&mut self) -> Result<()> {
        self.rest.ask("account/login", None, |_| Some(()))
    }

    /// Returns the certificate with a serial number.
    ///
    /// # Errors
    /// As [`Transport::get`]; [`Kind::NotFound`] when the CA has none; [`Kind::Http`] for a response
    /// that can't be used, with the [exception](super::rest::Exception) as the reason if it is one.
    pub fn show(&mut self, serial: &Number) -> Result<Details> {
        let number = serial.hex();
        self.rest.ask(&format!("certs/{number}"), None, |value| {
            details(value).filter(|found| found.serial == *serial)
        })
    }

    /// Returns one of the CA's own certificates.
    ///
    /// # Errors
    /// As [`Certificates::show`]; a CA without KRA has no transport certificate.
    pub fn subsystem(&mut self, subsystem: Subsystem) -> Result<Details> {
        self.rest.ask(subsystem.path(), None, details)
    }

    /// Returns the certificates that match a filter.
    ///
    /// # Errors
    /// As [`Certificates::show`]; [`Kind::Http`] when a page repeats an entry or is larger than
    /// requested, and when there are more entries than this program collects.
    pub fn find(&mut self, filter: &Filter, page: Page) -> Result<Found> {
        let (start, limit) = match page {
            Page::All(limit) => (0, limit.unwrap_or(usize::MAX)),
            Page::One(start, None) => {
                let query = start.map_or(String::new(), |start| format!("start={start}"));
                let (entries, total) = self.page(filter, &query)?;
                return Ok(Found::new(entries, total, start.unwrap_or(0) as usize));
            }
            Page::One(start, Some(size)) => (start.unwrap_or(0) as usize, size as usize),
        };
        let one_more = matches!(page, Page::All(_));
        self.pages(filter, start, limit, one_more)
    }

    /// Collects entries from `start` on, page by page. `one_more` requests one more entry than the
    /// limit: without a total, only that shows whether there are more.
    fn pages(
        &mut self,
        filter: &Filter,
        start: usize,
        limit: usize,
        one_more: bool,
    ) -> Result<Found> {
        let wanted = limit.saturating_add(usize::from(one_more)).min(MOST + 1);
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..MOST_PAGES {
            let size = (wanted - entries.len()).min(PAGE);
            let query = format!("start={}&size={size}", start.saturating_add(entries.len()));
            let (page, total) = self.page(filter, &query)?;
            // A server may send less than requested; only an empty page is the last for certain.
            let mut last = page.is_empty();
            if page.len() > size {
                return Err(Error::new(Kind::Http, "the CA sent more entries than requested"));
            }
            for entry in page {
                if !seen.insert(entry.serial.hex()) {
                    let what = "the CA's pages of certificates overlap";
                    return Err(Error::new(Kind::Http, what)
                        .because(format!("{} is on two of them", entry.serial.hex()))
                        .hint("certificates may have been issued meanwhile: try again")
                        .retry(true));
                }
                entries.push(entry);
            }
            if entries.len() > MOST {
                let what = format!("the CA has more than {MOST} certificates that match");
                return Err(Error::new(Kind::Http, what).hint("search for fewer"));
            }
            let end = (start + entries.len()) as u64;
            if let Some(total) = total.filter(|total| last && size > 0 && *total > end) {
                let what = format!("the CA's result is incomplete: {end} of {total} certificates");
                return Err(Error::new(Kind::Http, what)
                    .hint("certificates may have been removed meanwhile: try again")
                    .retry(true));
            }
            last |= entries.len() >= wanted;
            last |= total.is_some_and(|total| end >= total);
            if last {
                let beyond = entries.len() > limit;
                entries.truncate(limit);
                let mut found = Found::new(entries, total, start);
                found.more |= beyond;
                return Ok(found);
            }
        }
        let what = format!("the CA's result has more than {MOST_PAGES} pages");
        Err(Error::new(Kind::Http, what).hint("search for fewer"))
    }

    fn page(&mut self, filter: &Filter, query: &str) -> Result<(Vec<Entry>, Option<u64>)> {
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("certs/search{mark}{query}");
        let read = |value: &Value| {
            let entries = member(value, "entries")?.as_array()?.iter().map(entry);
            let total = member(value, "total").and_then(Value::as_u64);
            Some((entries.collect::<Option<Vec<_>>>()?, total))
        };
        match self.rest.ask(&path, Some(&filter.request(false)), read) {
            Err(e) if e.http_status() == Some(400) && filter.has_old_form() => {
                self.rest.ask(&path, Some(&filter.request(true)), read)
            }
            other => other,
        }
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    member(value, key)?.as_str().map(|text| printable(text).into_owned())
}

/// Returns the member's value: a JSON number, or a number in a string.
fn integer(value: &Value, key: &str) -> Option<i64> {
    let value = member(value, key)?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Reads a CertDataInfo.
fn entry(value: &Value) -> Option<Entry> {
    let time = |key| member(value, key).and_then(moment);
    let status = member(value, "Status")?.as_str()?;
    Some(Entry {
        serial: Number::parse(member(value, "id")?.as_str()?).ok()?,
        subject: text(value, "SubjectDN")?,
        issuer: text(value, "IssuerDN")?,
        status: printable(status).into_owned(),
        state: state_of(value, status),
        kind: text(value, "Type"),
        version: integer(value, "Version"),
        key_algorithm: text(value, "KeyAlgorithmOID"),
        key_bits: integer(value, "KeyLength"),
        not_before: time("NotValidBefore"),
        not_after: time("NotValidAfter"),
        issued_on: time("IssuedOn"),
        issued_by: text(value, "IssuedBy"),
        revoked_on: time("RevokedOn"),
        revoked_by: text(value, "RevokedBy"),
    })
}

/// Reads a CertData; its serial number must be that of its certificate.
fn details(value: &Value) -> Option<Details> {
    let pem = member(value, "Encoded")?.as_str()?;
    let der = pem::to_der("the certificate of the CA's record", pem.as_bytes()).ok()?;
    let serial = Number::parse(member(value, "id")?.as_str()?).ok()?;
    let own = Number::unsigned(certificate::fields(&der).ok()?.serial);
    if own != serial {
        return None;
    }
    let status = text(value, "Status");
    let chain = member(value, "PKCS7CertChain").and_then(Value::as_str);
    let chain = chain.and_then(|c| pem::to_der("the CA's chain", c.as_bytes()).ok());
    // Line ends are kept; other control characters could act on a terminal.
    let lines = |text: &str| {
        let all: Vec<_> = text.split('\n').map(|l| printable(l.trim_end_matches('\r'))).collect();
        all.join("\n")
    };
    Some(Details {
        serial,
        subject: text(value, "SubjectDN")?,
        issuer: text(value, "IssuerDN")?,
        state: status.as_deref().map(|status| state_of(value, status)),
        status,
        not_before: text(value, "NotBefore"),
        not_after: text(value, "NotAfter"),
        revoked_on: member(value, "RevokedOn").and_then(moment),
        revoked_by: text(value, "RevokedBy"),
        pem: if is_one_block(pem) { pem.to_owned() } else { pem::encode("CERTIFICATE", &der) },
        der,
        chain,
        pretty_print: member(value, "PrettyPrint").and_then(Value::as_str).map(lines),
    })
}

/// Returns whether a text is one PEM block and nothing else: other text would be written to files
/// unseen.
fn is_one_block(text: &str) -> bool {
    let body = text.trim_end().strip_prefix("-----BEGIN CERTIFICATE-----");
    let body = body.and_then(|body| body.strip_suffix("-----END CERTIFICATE-----"));
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=\r\n".contains(&b);
    body.is_some_and(|body| body.starts_with(['\r', '\n']) && body.bytes().all(base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn entries_of_both_versions() {
        let old = entry(&read(
            r#"{"id":"0xb","SubjectDN":"CN=a","IssuerDN":"CN=CA","Status":"REVOKED","Type":"X.509",
            "Version":2,"KeyAlgorithmOID":"1.2.840.113549.1.1.1","KeyLength":2048,
            "NotValidBefore":"1795831979000","NotValidAfter":"2426983979000",
            "IssuedOn":"1795831979000","IssuedBy":"system","RevokedOn":null,"RevokedBy":null}"#,
        ))
        .unwrap();
        assert_eq!((old.key_bits, old.version), (Some(2048), Some(2)));
        assert_eq!(old.not_before.unwrap().timestamp(), 1_795_831_979);
        let new = entry(&read(
            r#"{"id":"0x35b836b7ff5b0510a8828f8671746850","SubjectDN":"CN=a\u001b[2J",
            "IssuerDN":"CN=CA","Status":"VALID","Version":"2","NotValidBefore":1795831979000}"#,
        ))
        .unwrap();
        assert_eq!((new.key_bits, new.version, new.issued_by), (None, Some(2), None));
        assert_eq!(new.not_before, old.not_before);
        assert_eq!(new.subject, r"CN=a\u{1b}[2J");
        for bad in [
            "{}",
            "[]",
            "null",
            r#"{"id":"x","SubjectDN":"","IssuerDN":"","Status":""}"#,
            r#"{"id":"1","SubjectDN":"","IssuerDN":""}"#,
            r#"{"id":1,"SubjectDN":"","IssuerDN":"","Status":""}"#,
        ] {
            assert!(entry(&read(bad)).is_none(), "{bad}");
        }
    }
}
