//! Dogtag's REST resources for certificates, as in 10.10 (`/ca/rest`) and 11.10 (`/ca/v2`).

use std::time::UNIX_EPOCH;

use base64ct::{Base64, Encoding};
use clap::ValueEnum;
use der::{Decode, Tag};

use crate::certs::name_text;
use crate::element::{Refused, one};
use crate::profile;
use crate::servlet::{Answer, Manner, crash_page, not_found};
use crate::store::{Store, pem};

/// The REST interface that is offered.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Offer {
    /// None: every path is unknown.
    None,
    /// That of Dogtag 10.10.
    V1,
    /// That of Dogtag 11.10.
    V2,
    /// That of Dogtag 11.6.
    #[default]
    Both,
    /// An HTML page with status 200 for every request.
    Html,
    /// JSON with other members.
    Shape,
    /// Status 503 for every request.
    Down,
}

/// A REST request.
pub struct Asked<'a> {
    pub method: &'a str,
    /// The path, without query.
    pub path: &'a str,
    pub query: &'a str,
    pub body: &'a [u8],
    /// Whether the client's certificate is an agent's.
    pub agent: bool,
    /// Whether the client sent the cookie of a login.
    pub session: bool,
}

/// The cookie of a login.
pub const SESSION: &str = "JSESSIONID=5E551011";

/// Returns the response for a REST path, and a text for the log; `None` for other paths.
pub fn answer(asked: &Asked<'_>, offer: Offer, store: &Store) -> Option<(Answer, String)> {
    let places =
        [("/ca/v2/", true), ("/ca/rest/", false), ("/pki/v2/", true), ("/pki/rest/", false)];
    let (rest, v2) =
        places.iter().find_map(|(start, v2)| Some((asked.path.strip_prefix(start)?, *v2)))?;
    let version = if v2 { "11.10.1" } else { "10.10.2" };
    if asked.path.starts_with("/pki/") && rest != "info" {
        return Some((not_found(), "no such path".into()));
    }
    let there = match offer {
        Offer::None => false,
        Offer::V1 => !v2,
        Offer::V2 => v2,
        Offer::Both => true,
        Offer::Html => return Some((crash_page(), "REST: a page".into())),
        Offer::Shape => {
            return Some((json(200, "{\"status\":\"ok\"}".into()), "REST: shape".into()));
        }
        Offer::Down => return Some((json(503, "{}".into()), "REST: down".into())),
    };
    if !there {
        return Some((not_found(), "no such path".into()));
    }
    let parts: Vec<&str> = rest.split('/').collect();
    let answer = match (asked.method, &parts[..]) {
        ("GET", ["info"]) if asked.path.starts_with("/pki/") => Ok(json(
            200,
            format!("{{{EMPTY},\"Name\":\"Dogtag Certificate System\",\"Version\":\"{version}\"}}"),
        )),
        ("GET", ["info"]) => {
            Ok(json(200, format!("{{{EMPTY},\"ArchivalMechanism\":\"keywrap\"}}")))
        }
        ("GET", ["account", "login"]) => Ok(login(asked.agent, v2)),
        ("GET", ["account", "logout"]) => Ok(json(204, String::new())),
        ("GET", ["profiles", ..]) if !(asked.agent && asked.session) => {
            let class = "com.netscape.certsrv.base.ForbiddenException";
            Ok(exception(403, class, "No user principal provided."))
        }
        ("GET", ["profiles", id]) => Ok(match profile::known(id) {
            Some(profile) => json(200, profile_data(profile, v2)),
            None => {
                let class = "com.netscape.certsrv.profile.ProfileNotFoundException";
                exception(404, class, &format!("Profile ID {id} not found"))
            }
        }),
        ("GET", ["certs", id]) => certificate(id, v2, store),
        ("GET", ["config", "cert", which]) => own(which, store),
        ("POST", ["certs", "search"]) => search(asked, v2, store),
        ("POST", ["agent", "certs", id, "unrevoke"]) if asked.agent => unrevoke(id, store),
        ("POST", ["agent", ..]) => Ok(json(401, "{}".into())),
        _ => Ok(not_found()),
    };
    Some(match answer {
        Ok(answer) => (answer, "REST".into()),
        Err(e) => (crash_page(), format!("REST: crashed: {e}")),
    })
}

/// The member that every response has.
const EMPTY: &str = "\"Attributes\":{\"Attribute\":[]}";

/// Returns a PKIException.
fn exception(status: u16, class: &str, message: &str) -> Answer {
    let message = quoted(message);
    json(
        status,
        format!("{{{EMPTY},\"ClassName\":\"{class}\",\"Code\":{status},\"Message\":{message}}}"),
    )
}

/// Returns the account of an agent; others are unknown.
fn login(agent: bool, v2: bool) -> Answer {
    if !agent {
        return Answer { media_type: Some("text/html"), ..json(401, "<html>".into()) };
    }
    let roles = "[\"Certificate Manager Agents\"]";
    let roles = if v2 { roles.to_owned() } else { format!("{{\"Role\":{roles}}}") };
    json(200, format!("{{{EMPTY},\"id\":\"agent\",\"FullName\":\"agent\",\"Roles\":{roles}}}"))
}

/// Returns ProfileData with the policies for subject and key.
fn profile_data(profile: &profile::Profile, v2: bool) -> String {
    let (authenticator, subject) = match profile.authenticator {
        profile::Authenticator::Agent => ("CMCAuth", "subjectNameConstraintImpl"),
        profile::Authenticator::AgentTls => ("AgentCertAuth", "subjectNameConstraintImpl"),
        profile::Authenticator::User => (
            "CMCUserSignedAuth",
            match profile.subject {
                profile::Subject::Directory => "cmcSharedTokenSubjectNameConstraintImpl",
                _ => "cmcUserSignedSubjectNameConstraintImpl",
            },
        ),
    };
    let (key_type, parameters) = profile.key_rule();
    let (list, name) = if v2 { ("constraints", "name") } else { ("constraint", "id") };
    let value = |key: &str, text: &str| format!("{{\"{name}\":\"{key}\",\"value\":\"{text}\"}}");
    let constraint = |class: &str, values: &[String]| {
        let values = values.join(",");
        format!("{{\"constraint\":{{\"classId\":\"{class}\",\"{list}\":[{values}]}}}}")
    };
    let keys = [value("keyType", key_type), value("keyParameters", parameters)];
    let policies =
        format!("[{},{}]", constraint(subject, &[]), constraint("keyConstraintImpl", &keys));
    let sets = match v2 {
        true => format!("\"policySets\":{{\"set1\":{policies}}}"),
        false => {
            format!("\"PolicySets\":{{\"PolicySet\":[{{\"value\":{policies},\"id\":\"set1\"}}]}}")
        }
    };
    let (id, enabled) = (profile.id, profile.is_enabled());
    format!(
        "{{\"id\":\"{id}\",\"enabled\":{enabled},\"visible\":false,\
         \"authenticatorId\":\"{authenticator}\",{sets}}}"
    )
}

fn json(status: u16, text: String) -> Answer {
    let media_type = Some("application/json");
    Answer { status, media_type, body: text.into_bytes(), manner: Manner::Plain }
}

/// Returns a JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Parses a serial number in a path: decimal, or hexadecimal after `0x`.
fn number(id: &str) -> Option<u32> {
    match id.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => id.parse().ok(),
    }
}

/// A line of the records, with the certificate.
struct Record {
    serial: u32,
    /// CRL reason code, if it is revoked.
    revoked: Option<u8>,
    der: Vec<u8>,
}

impl Record {
    fn read(line: &str, store: &Store) -> Option<Record> {
        let mut words = line.split(' ');
        let serial = number(words.next()?)?;
        let revoked = match words.next()? {
            "REVOKED" => words.next()?.parse().ok(),
            _ => None,
        };
        Some(Record { serial, revoked, der: store.certificate(&serial.to_be_bytes())? })
    }

    fn all(store: &Store) -> Vec<Record> {
        store.issued().lines().filter_map(|line| Record::read(line, store)).collect()
    }

    /// Returns the members that a record shares with a search result.
    fn common(&self) -> Result<(String, [u64; 2]), Refused> {
        let parts = crate::certs::parts(&self.der)?;
        let dates = validity(&self.der)?;
        let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let status = match (self.revoked, dates) {
            (Some(_), [_, end]) if end < now => "REVOKED_EXPIRED",
            (Some(_), _) => "REVOKED",
            (None, [_, end]) if end < now => "EXPIRED",
            (None, [begin, _]) if begin > now => "INVALID",
            (None, _) => "VALID",
        };
        let text = format!(
            "\"id\":\"0x{:x}\",\"SubjectDN\":{},\"IssuerDN\":{},\"Status\":\"{status}\"",
            self.serial,
            quoted(&name_text(parts.subject)),
            quoted(&name_text(parts.issuer)),
        );
        Ok((text, dates))
    }
}

/// Returns start and end of a certificate's validity, in seconds since 1970.
fn validity(der: &[u8]) -> Result<[u64; 2], Refused> {
    let certificate = one(der)?.within(Tag::Sequence)?;
    let tbs = certificate.first().ok_or("no certificate")?.within(Tag::Sequence)?;
    let dates = tbs.get(4).ok_or("no validity")?.within(Tag::Sequence)?;
    let [begin, end] = dates[..] else { return Err("no validity".into()) };
    let seconds = |whole: &[u8]| -> Result<u64, Refused> {
        let time = match der::asn1::UtcTime::from_der(whole) {
            Ok(time) => time.to_date_time(),
            Err(_) => {
                let time = der::asn1::GeneralizedTime::from_der(whole);
                time.map_err(|e| e.to_string())?.to_date_time()
            }
        };
        Ok(time.unix_duration().as_secs())
    };
    Ok([seconds(begin.whole)?, seconds(end.whole)?])
}

/// Returns CertData.
fn certificate(id: &str, v2: bool, store: &Store) -> Result<Answer, Refused> {
    let Some(serial) = number(id) else { return Ok(json(400, "{}".into())) };
    let Some(record) = Record::all(store).into_iter().find(|r| r.serial == serial) else {
        let class = "com.netscape.certsrv.cert.CertNotFoundException";
        return Ok(json(
            404,
            format!(
                "{{\"Attributes\":{{\"Attribute\":[{{\"name\":\"certId\",\"value\":\"{serial}\"}}]}},\
                 \"ClassName\":\"{class}\",\"Code\":404,\
                 \"Message\":\"Certificate ID 0x{serial:x} not found\"}}"
            ),
        ));
    };
    let (common, dates) = record.common()?;
    let [begin, end] = dates.map(date);
    let dates = format!("\"NotBefore\":\"{begin}\",\"NotAfter\":\"{end}\"");
    let mut more = String::new();
    match record.revoked {
        Some(reason) if v2 => {
            more = format!(",\"RevokedOn\":1795806309000,\"RevocationReason\":{reason}");
        }
        Some(reason) => {
            more = format!(",\"RevokedOn\":\"1795806309000\",\"RevocationReason\":{reason}");
        }
        None if !v2 => more = ",\"RevokedOn\":null,\"RevocationReason\":null".into(),
        None => {}
    }
    let encoded = quoted(&pem(&record.der)?);
    Ok(json(200, format!("{{{common},{dates},\"Encoded\":{encoded}{more}}}")))
}

/// The CertData of the CA's own certificates, which has no state: `signing` and `transport`.
fn own(which: &str, store: &Store) -> Result<Answer, Refused> {
    let ca = store.ca()?.certificate;
    let der = match which {
        "signing" => Some(ca.clone()),
        "transport" => {
            let subject = |der: &[u8]| crate::certs::parts(der).map(|p| name_text(p.subject));
            let is_it =
                |der: &Vec<u8>| subject(der).is_ok_and(|s| s.starts_with("CN=DRM Transport"));
            Record::all(store).into_iter().map(|record| record.der).find(is_it)
        }
        _ => None,
    };
    let Some(der) = der else { return Ok(json(404, "{}".into())) };
    let parts = crate::certs::parts(&der)?;
    let serial: String = parts.serial.iter().map(|b| format!("{b:02x}")).collect();
    let chain = crate::cms::certs_only(if der == ca { vec![ca] } else { vec![der.clone(), ca] });
    let [begin, end] = validity(&der)?.map(date);
    Ok(json(
        200,
        format!(
            "{{\"id\":\"0x{}\",\"SubjectDN\":{},\"IssuerDN\":{},\"Encoded\":{},\
             \"PKCS7CertChain\":\"{}\",\"NotBefore\":\"{begin}\",\"NotAfter\":\"{end}\"}}",
            serial.trim_start_matches('0'),
            quoted(&name_text(parts.subject)),
            quoted(&name_text(parts.issuer)),
            quoted(&pem(&der)?),
            Base64::encode_string(&chain),
        ),
    ))
}

/// Seconds since 1970 as version 2 of the interface writes them.
fn date(seconds: u64) -> String {
    let time = der::DateTime::from_unix_duration(std::time::Duration::from_secs(seconds));
    let text = time.map(|time| time.to_string()).unwrap_or_default();
    text.replace('T', " ").replace('Z', " +0000")
}

/// Returns CertDataInfos: selected by common name, organization and number; twenty a page by
/// default.
fn search(asked: &Asked<'_>, v2: bool, store: &Store) -> Result<Answer, Refused> {
    let wanted = String::from_utf8_lossy(asked.body).into_owned();
    let member = |name: &str| -> Option<String> {
        let at = wanted.find(&format!("\"{name}\""))? + name.len() + 2;
        let value = wanted[at..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        Some(value[..value.find('"')?].to_owned())
    };
    let parameter = |name: &str, default: usize| {
        let value = asked.query.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|v| v.parse().ok()).unwrap_or(default)
    };
    let fits = |record: &Record, subject: &str| {
        let is = |name: &str, keyword: &str| {
            let value = member(name).map(|v| format!("{keyword}={v}").to_ascii_lowercase());
            let subject = subject.to_ascii_lowercase();
            value.is_none_or(|v| subject.split(',').any(|part| part == v))
        };
        let by_state = member("status");
        let is_in_state = by_state.is_none_or(|s| record.revoked.is_some() == (s == "REVOKED"));
        let from = member("serialFrom").and_then(|n| number(&n)).unwrap_or(0);
        let to = member("serialTo").and_then(|n| number(&n)).unwrap_or(u32::MAX);
        is_in_state
            && (from..=to).contains(&record.serial)
            && is("commonName", "CN")
            && is("org", "O")
            && is("orgUnit", "OU")
            && is("userID", "UID")
    };
    let mut found = Vec::new();
    for record in Record::all(store) {
        let subject = name_text(crate::certs::parts(&record.der)?.subject);
        if fits(&record, &subject) {
            found.push(record);
        }
    }
    let total = if v2 { String::new() } else { format!("\"total\":{},", found.len()) };
    let mut entries = Vec::new();
    for record in found.iter().skip(parameter("start", 0)).take(parameter("size", 20)) {
        let (common, dates) = record.common()?;
        let by = if store.is_own(record.serial) { "system" } else { "agent" };
        let [begin, end] = dates.map(|d| match v2 {
            true => format!("{d}000"),
            false => format!("\"{d}000\""),
        });
        entries.push(format!(
            "{{{common},\"Type\":\"X.509\",\"Version\":2,\"NotValidBefore\":{begin},\
             \"NotValidAfter\":{end},\"IssuedBy\":\"{by}\"}}"
        ));
    }
    Ok(json(200, format!("{{{total}\"entries\":[{}]}}", entries.join(","))))
}

/// Takes a certificate off hold; Dogtag returns status 200 in every case.
fn unrevoke(id: &str, store: &Store) -> Result<Answer, Refused> {
    let serial = number(id).ok_or("no serial number")?;
    store.release(serial)?;
    Ok(json(200, "{\"requestStatus\":\"complete\",\"operationResult\":\"success\"}".into()))
}
