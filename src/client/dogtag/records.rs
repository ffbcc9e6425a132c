//! Reads certificate records from the CA's REST interface: by serial number, subject or key.
//!
//! Records are not signed, so they are only hints: anything that matters is verified in another
//! way.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::rest::{JSON, Rest, member};
use crate::asn1::certificate;
use crate::asn1::name::{dn_string, name_attributes, same_name};
use crate::asn1::summary::summary;
use crate::asn1::{Number, name, pem};
use crate::cmc::revocation_reason::REASONS;
use crate::error::{Error, Kind, Result};
use crate::http::endpoint::bad_reply;
use crate::http::{Transport, Url};
use crate::text::printable;

/// The number of search results in one page, and in all pages.
const PAGE: usize = 100;
const ENTRIES: usize = 1000;
/// The most certificates fetched in a search for a key, newest first.
const CANDIDATES: usize = 50;

/// The result of a lookup.
#[derive(Debug)]
pub enum Lookup<T> {
    /// The CA has it.
    Found(T),
    /// The CA reports that it has no such certificate.
    Absent,
    /// Nothing is known: no REST interface, or no usable response; with the reason.
    Silent(Error),
}

/// The state of a certificate in the CA's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Neither revoked nor outside its validity.
    Valid,
    /// Permanently revoked.
    Revoked {
        /// CRL reason code (RFC 5280 §5.3.1); absent in search results.
        reason: Option<i64>,
        /// The date of revocation.
        date: Option<DateTime<Utc>>,
    },
    /// Revoked with certificateHold, which can be lifted.
    OnHold,
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// A state that this program doesn't know.
    Other(String),
}

impl State {
    /// Returns the name in JSON.
    pub fn word(&self) -> &str {
        match self {
            State::Valid => "valid",
            State::Revoked { .. } => "revoked",
            State::OnHold => "on_hold",
            State::Expired => "expired",
            State::NotYetValid => "not_yet_valid",
            State::Other(word) => word,
        }
    }

    /// Returns the name of the revocation reason, or its number if it has no name.
    pub fn reason(&self) -> Option<String> {
        let number = match self {
            State::OnHold => 6,
            State::Revoked { reason, .. } => (*reason)?,
            _ => return None,
        };
        let known = REASONS.iter().find(|(_, r)| *r as i64 == number);
        Some(known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned()))
    }
}

/// Writes the state for people: `revoked (keyCompromise)`, `on hold`.
impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.reason()) {
            (State::Revoked { .. }, Some(reason)) => write!(f, "revoked ({reason})"),
            _ => f.write_str(&self.word().replace('_', " ")),
        }
    }
}

/// A certificate in the CA's records.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its serial number.
    pub serial: Number,
    /// Its subject as the CA writes it.
    pub subject: String,
    /// Its issuer as the CA writes it.
    pub issuer: String,
    /// Its state.
    pub state: State,
    /// Start of validity.
    pub not_before: Option<DateTime<Utc>>,
    /// End of validity.
    pub not_after: Option<DateTime<Utc>>,
    /// The user who had it issued, in search results only; `system` for certificates of the CA's
    /// installation.
    pub issued_by: Option<String>,
    /// The certificate's DER; never in search results.
    pub certificate: Option<Vec<u8>>,
}

/// The REST interface of one CA.
pub struct Records<'t, 'db> {
    rest: Rest<'t, 'db>,
}

impl<'t, 'db> Records<'t, 'db> {
    /// Prepares to query the CA at `ca`; only scheme, host and port of the URL are used. Nothing is
    /// sent yet.
    pub fn new(transport: &'t mut Transport<'db>, ca: &'t Url) -> Records<'t, 'db> {
        Records { rest: Rest::new(transport, ca) }
    }

    /// Returns the path element of this CA's resources (`v2`), once it is known.
    pub fn api(&self) -> Option<&str> {
        self.rest.api()
    }

    /// Returns the record of a certificate, with its DER if the CA provides it.
    ///
    /// # Errors
    /// As [`Transport::get`]; a failure in HTTP is [`Lookup::Silent`] instead.
    pub fn by_serial(&mut self, serial: &Number) -> Result<Lookup<Record>> {
        let path = format!("certs/{}", serial.hex());
        self.lookup(&path, None, |record| {
            let record = record_of(record)?;
            let issued = record.certificate.as_deref().map(certificate::fields);
            let fits = match issued {
                Some(fields) => Number::unsigned(fields.ok()?.serial) == *serial,
                None => true,
            };
            (record.serial == *serial && fits).then_some(record)
        })
    }

    /// Returns the records of a subject (DER), newest first, without their DER.
    ///
    /// # Errors
    /// As [`Records::by_serial`].
    pub fn by_subject(&mut self, subject: &[u8]) -> Result<Lookup<Vec<Record>>> {
        let text = dn_string(subject)?;
        let Some(wanted) = search_fields(subject) else {
            return Ok(Lookup::Silent(
                Error::new(Kind::Usage, format!("cannot search the CA's records for {text}"))
                    .because("no attribute of CN, UID, O, OU, L, ST and C occurs exactly once"),
            ));
        };
        let same = |record: &Record| {
            record.subject.eq_ignore_ascii_case(&text)
                || name::parse(&record.subject).is_ok_and(|other| same_name(&other, subject))
        };
        match self.search(&wanted)? {
            Lookup::Found(mut records) => {
                records.retain(same);
                Ok(Lookup::Found(records))
            }
            other => Ok(other),
        }
    }

    /// Returns the newest record of a subject (DER) whose certificate has this SubjectPublicKeyInfo
    /// (DER), and is `wanted` (DER).
    ///
    /// # Errors
    /// As [`Records::by_serial`].
    pub fn by_key(
        &mut self,
        subject: &[u8],
        spki: &[u8],
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Lookup<Record>> {
        let records = match self.by_subject(subject)? {
            Lookup::Found(records) => records,
            Lookup::Absent => return Ok(Lookup::Absent),
            Lookup::Silent(why) => return Ok(Lookup::Silent(why)),
        };
        for record in records.iter().take(CANDIDATES) {
            let Lookup::Found(record) = self.by_serial(&record.serial)? else { continue };
            let is_ours = |der: &[u8]| certificate::fields(der).is_ok_and(|f| f.spki == spki);
            if record.certificate.as_deref().is_some_and(|der| is_ours(der) && wanted(der)) {
                return Ok(Lookup::Found(record));
            }
        }
        Ok(Lookup::Absent)
    }

    /// Returns who had a certificate issued (see [`Record::issued_by`]), if the CA provides it.
    ///
    /// # Errors
    /// As [`Records::by_serial`].
    pub fn issued_by(&mut self, serial: &Number) -> Result<Option<String>> {
        let number = serial.hex();
        let range = json!({
            "serialNumberRangeInUse": true, "serialFrom": number, "serialTo": number,
        });
        match self.search(&range)? {
            Lookup::Found(records) => {
                let record = records.into_iter().find(|r| r.serial == *serial);
                Ok(record.and_then(|r| r.issued_by))
            }
            _ => Ok(None),
        }
    }

    /// Releases a certificate from hold, as an agent. The result is in its record afterwards.
    ///
    /// # Errors
    /// As [`Transport::post`]; [`Kind::Http`] when the CA refuses, or its path isn't known yet.
    pub fn release(&mut self, serial: &Number) -> Result<()> {
        let number = serial.hex();
        let Some(api) = self.rest.api() else {
            return Err(Error::new(
                Kind::Http,
                format!("cannot release {number}: the CA has no REST interface"),
            ));
        };
        let url = self.rest.url(api, &format!("agent/certs/{number}/unrevoke"));
        let reply = self.rest.transport.post(url.as_str(), b"", JSON)?;
        if (200..300).contains(&reply.status) {
            return Ok(());
        }
        let what = format!("cannot release {number}: HTTP status {}", reply.status);
        Err(bad_reply(what, &reply).hint("use an agent of the CA as --signer"))
    }

    /// Returns all pages of a search, newest certificate first.
    fn search(&mut self, wanted: &Value) -> Result<Lookup<Vec<Record>>> {
        let mut records = Vec::new();
        loop {
            let path = format!("certs/search?start={}&size={PAGE}", records.len());
            let page = self.lookup(&path, Some(wanted), |page| {
                page.get("entries")?.as_array()?.iter().map(record_of).collect::<Option<Vec<_>>>()
            })?;
            let page = match page {
                Lookup::Found(page) => page,
                other => return Ok(other),
            };
            let last = page.len() < PAGE;
            records.extend(page);
            if last || records.len() >= ENTRIES {
                break;
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.not_before));
        Ok(Lookup::Found(records))
    }

    /// Queries the server, and returns the content of its reply.
    fn lookup<T>(
        &mut self,
        path: &str,
        body: Option<&Value>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Lookup<T>> {
        match self.rest.ask(path, body, read) {
            Ok(found) => Ok(Lookup::Found(found)),
            Err(e) if e.kind() == Kind::NotFound => Ok(Lookup::Absent),
            Err(e) if e.kind() == Kind::Http => Ok(Lookup::Silent(e)),
            Err(e) => Err(e),
        }
    }
}

/// Reads a CertData or CertDataInfo of Dogtag.
fn record_of(value: &Value) -> Option<Record> {
    let text = |key| member(value, key).and_then(Value::as_str);
    let shown = |key| text(key).map(|t| printable(t).into_owned());
    let mut record = Record {
        serial: Number::parse(text("id")?).ok()?,
        subject: shown("SubjectDN")?,
        issuer: shown("IssuerDN")?,
        state: state_of(value, text("Status")?),
        not_before: member(value, "NotValidBefore").and_then(moment),
        not_after: member(value, "NotValidAfter").and_then(moment),
        issued_by: shown("IssuedBy"),
        certificate: None,
    };
    if let Some(encoded) = text("Encoded") {
        let der = pem::to_der("the certificate in the CA's record", encoded.as_bytes()).ok()?;
        let summary = summary(&der).ok()?;
        record.not_before = Some(summary.not_before);
        record.not_after = Some(summary.not_after);
        record.certificate = Some(der);
    }
    Some(record)
}

pub(super) fn state_of(value: &Value, status: &str) -> State {
    let reason = member(value, "RevocationReason")
        .and_then(|r| r.as_i64().or_else(|| r.as_str()?.trim().parse().ok()));
    let date = || member(value, "RevokedOn").and_then(moment);
    match status.to_ascii_uppercase().as_str() {
        "VALID" => State::Valid,
        "REVOKED" | "REVOKED_EXPIRED" if reason == Some(6) => State::OnHold,
        "REVOKED" | "REVOKED_EXPIRED" => State::Revoked { reason, date: date() },
        "EXPIRED" => State::Expired,
        "INVALID" => State::NotYetValid,
        _ => State::Other(printable(status).to_lowercase()),
    }
}

/// Reads a time in the form of any version: milliseconds since 1970 as number or string, or text.
pub(super) fn moment(value: &Value) -> Option<DateTime<Utc>> {
    let milliseconds = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    if let Some(milliseconds) = milliseconds {
        return DateTime::from_timestamp_millis(milliseconds);
    }
    let text = value.as_str()?;
    let zoned = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z").map(|t| t.to_utc());
    let java = || NaiveDateTime::parse_from_str(text, "%a %b %d %H:%M:%S UTC %Y");
    zoned.or_else(|_| java().map(|t| t.and_utc())).ok()
}

/// Returns a CertSearchRequest for a subject (DER), from the attributes that Dogtag can search by
/// and that occur once. The member for the e-mail address has another name in each version, so it
/// is left out.
fn search_fields(subject: &[u8]) -> Option<Value> {
    let parts = name_attributes(subject).ok()?;
    let mut wanted = json!({ "subjectInUse": true, "matchExactly": true });
    let mut any = false;
    for (keyword, member) in [
        ("CN", "commonName"),
        ("UID", "userID"),
        ("O", "org"),
        ("OU", "orgUnit"),
        ("L", "locality"),
        ("ST", "state"),
        ("C", "country"),
    ] {
        let mut values = parts.iter().filter(|(k, _)| *k == keyword);
        if let (Some((_, value)), None) = (values.next(), values.next()) {
            wanted.as_object_mut()?.insert(member.to_owned(), json!(value));
            any = true;
        }
    }
    any.then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::rest::meaning;
    use super::*;
    use crate::http::Reply;

    fn reply(status: u32, body: &str) -> Reply {
        Reply { status, content_type: None, header_lines: Vec::new(), body: body.into() }
    }

    fn record(body: &str) -> Record {
        meaning("u", &reply(200, body), "a record", record_of).unwrap()
    }

    /// The records are those of Dogtag 10.10 (v1) and 11.10 (v2).
    #[test]
    fn records_of_both_versions() {
        let one = record(
            r#"{"id":"0xb","IssuerDN":"CN=CA","SubjectDN":"CN=look,O=LAB","NotBefore":
            "Fri Nov 27 19:05:08 UTC 2026","Status":"REVOKED","RevokedOn":"1795806309000",
            "RevokedBy":"caadmin","RevocationReason":1,"Nonce":null}"#,
        );
        assert_eq!(one.serial.to_string(), "11");
        let date = DateTime::from_timestamp(1_795_806_309, 0);
        assert_eq!(one.state, State::Revoked { reason: Some(1), date });
        let held = record(
            r#"{"id":"0x35b836b7ff5b0510a8828f8671746850","IssuerDN":"CN=CA","SubjectDN":"CN=x",
            "Status":"REVOKED","RevokedOn":1795806309000,"RevocationReason":6}"#,
        );
        assert_eq!(held.state, State::OnHold);
        assert_eq!(held.serial.hex(), "0x35b836b7ff5b0510a8828f8671746850");
        for (word, state) in [
            ("VALID", State::Valid),
            ("EXPIRED", State::Expired),
            ("INVALID", State::NotYetValid),
            ("Revoked", State::Revoked { reason: None, date: None }),
            ("SHREDDED", State::Other("shredded".into())),
        ] {
            let body = format!(r#"{{"id":"1","IssuerDN":"","SubjectDN":"","Status":"{word}"}}"#);
            assert_eq!(record(&body).state, state);
        }
    }

    #[test]
    fn no_record_is_not_the_same_as_no_such_certificate() {
        let absent =
            r#"{"ClassName":"com.netscape.certsrv.cert.CertNotFoundException","Code":404}"#;
        let said = meaning("u", &reply(404, absent), "a record", record_of);
        assert!(matches!(&said, Err(e) if e.kind() == Kind::NotFound), "{said:?}");
        for (status, body) in [
            (404, "<html>"),
            (404, r#"{"Code":404}"#),
            (200, absent),
            (200, "[]"),
            (200, r#"{"id":"0x1","SubjectDN":"CN=x","IssuerDN":"CN=y"}"#),
            (200, r#"{"id":"no","SubjectDN":"CN=x","IssuerDN":"CN=y","Status":"VALID"}"#),
            (200, r#"{"id":"1","SubjectDN":"","IssuerDN":"","Status":"VALID","Encoded":"x"}"#),
            (500, absent),
        ] {
            let said = meaning("u", &reply(status, body), "a record", record_of);
            let kind = said.as_ref().map_err(Error::kind);
            assert_eq!(kind.err(), Some(Kind::Http), "{status} {body}: {said:?}");
        }
    }

    #[test]
    fn a_search_names_what_is_there_once() {
        let subject = name::parse("CN=a,OU=x,OU=y,O=LAB,E=a@b").unwrap();
        let wanted = search_fields(&subject).unwrap();
        let expected = json!({
            "subjectInUse": true, "matchExactly": true, "commonName": "a", "org": "LAB",
        });
        assert_eq!(wanted, expected);
        assert!(search_fields(&name::parse("DC=com").unwrap()).is_none());
    }
}
