//! The result of a command as one object, printed as text or as JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use nss_cmc::Number;
use nss_cmc::certificate::{Summary, summary};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::pem;

/// Version of the JSON shape. Additions don't change it.
pub const SCHEMA: &str = "nss-cmc/1";

/// The result of a command. Its JSON has the keys that Ansible expects of a module.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Version of the shape. Additions don't change it.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// The command (`enroll`).
    pub command: String,
    /// With `bulk`: the line of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whether anything was changed: key, certificate, trust, or the CA's records.
    pub changed: bool,
    /// Whether it failed.
    pub failed: bool,
    /// One lower_snake word (`issued`).
    pub status: String,
    /// The result for people; in one line, unless it is a PEM.
    pub msg: String,
    /// The details. Lists are always arrays, absent values are null, times are RFC 3339 in UTC.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub result: Value,
    /// Warnings of a run that succeeded or failed.
    pub warnings: Vec<String>,
    /// With --diff: what the run changes, as objects `before` and `after`.
    #[schemars(with = "Option<Diff>")]
    pub diff: Option<Value>,
    /// The error of a failed run, or of one whose certificate isn't issued yet; null on success.
    #[schemars(with = "Option<Failure>")]
    pub error: Option<Value>,
    /// Further lines of the text form.
    #[serde(skip)]
    pub lines: Vec<String>,
    /// Whether to print the lines only, without `msg`: a list for other programs.
    #[serde(skip)]
    pub lines_only: bool,
    /// Exit code.
    #[serde(skip)]
    pub exit: u8,
    /// Whether it was printed on stdout before.
    #[serde(skip)]
    pub shown: bool,
}

impl Report {
    /// Returns the report of a success.
    pub fn done(command: &str, status: &str, changed: bool, msg: impl Into<String>) -> Report {
        Report {
            schema: SCHEMA,
            command: command.to_owned(),
            line: None,
            changed,
            failed: false,
            status: status.to_owned(),
            msg: msg.into(),
            result: Value::Null,
            warnings: Vec::new(),
            diff: None,
            error: None,
            lines: Vec::new(),
            lines_only: false,
            exit: 0,
            shown: false,
        }
    }

    /// Sets the details.
    pub fn result(mut self, result: impl Serialize) -> Report {
        self.result = value(result);
        self
    }

    /// Adds a line to the text form.
    pub fn line(mut self, line: impl Into<String>) -> Report {
        self.lines.push(line.into());
        self
    }

    /// Adds a warning when NSS could not be shut down after the operation.
    pub fn closed(mut self, closed: Result<()>) -> Report {
        self.warnings.extend(closed.err().map(|e| e.to_string()));
        self
    }

    /// Returns the report of a failure.
    pub fn failure(command: &str, e: &Error) -> Report {
        let pending = e.kind() == Kind::Pending;
        let status = if pending {
            "pending"
        } else if e.kind() == Kind::Rejected {
            "rejected"
        } else {
            "failed"
        };
        let mut report = Report::done(command, status, false, e.to_string());
        report.failed = !pending;
        report.changed = e.changed_something();
        report.result = facts(e).map_or(Value::Null, value);
        report.exit = e.kind().exit();
        report.error = Some(value(Failure::of(e)));
        report
    }

    /// Returns the JSON object, with a newline.
    pub fn to_json(&self) -> String {
        // Serializing strings, booleans and Values can't fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// Returns the text form, for stdout.
    pub fn to_text(&self) -> String {
        let mut text = if self.lines_only { String::new() } else { format!("{}\n", self.msg) };
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// A certificate before and after a run.
#[derive(Serialize, JsonSchema)]
pub struct Diff {
    /// Null if there was none.
    pub before: Option<Described>,
    /// What isn't known yet is null.
    pub after: Option<Described>,
}

/// A certificate in a diff.
#[derive(PartialEq, Serialize, JsonSchema)]
pub struct Described {
    pub subject: Option<String>,
    pub sans: Option<Vec<String>>,
    pub serial: Option<String>,
    pub issuer: Option<String>,
    pub not_before: Option<Time>,
    pub not_after: Option<Time>,
    pub key_type: Option<String>,
    pub trust: Option<String>,
}

/// Why a run failed.
#[derive(Serialize, JsonSchema)]
pub struct Failure {
    /// The kind, as in the table of exit codes.
    #[schemars(extend("enum" = Kind::ALL.iter().map(|row| row.name).collect::<Vec<_>>()))]
    kind: &'static str,
    /// Exit code.
    #[schemars(extend("enum" = Kind::ALL.iter().map(|row| row.exit).collect::<Vec<_>>()))]
    exit: u8,
    /// Whether trying again later may help.
    retryable: bool,
    /// The call of NSS that failed.
    nss: Option<NssFault>,
    /// The CMC status of the CA.
    cmc: Option<CmcStatus>,
    /// The HTTP status of the server.
    http: Option<HttpStatus>,
    /// One thing to try.
    hint: Option<String>,
    /// Facts about the state after the failure.
    notes: Vec<String>,
}

/// A failed call of NSS.
#[derive(Serialize, JsonSchema)]
struct NssFault {
    /// The C function.
    call: &'static str,
    /// NSPR's error code; 0 if NSS gave none.
    code: i32,
    /// Its name (`SEC_ERROR_BAD_PASSWORD`).
    name: String,
    /// NSS's sentence for it.
    text: String,
}

/// The CMC status of the CA.
#[derive(Serialize, JsonSchema)]
struct CmcStatus {
    /// CMCStatus by name (`failed`).
    status: String,
    /// CMCFailInfo by name (`badRequest`), or its number.
    fail_info: Option<String>,
    /// statusString.
    text: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct HttpStatus {
    status: u32,
}

impl Failure {
    /// Returns the failure for JSON.
    pub fn of(e: &Error) -> Failure {
        Failure {
            kind: e.kind().name(),
            exit: e.kind().exit(),
            retryable: e.is_retryable(),
            nss: e.nss().map(|fault| NssFault {
                call: fault.call,
                code: fault.code,
                name: fault.name.clone(),
                text: fault.text.clone(),
            }),
            cmc: e.cmc_detail().map(|detail| CmcStatus {
                status: detail.status.clone(),
                fail_info: detail.fail_info.clone(),
                text: detail.text.clone(),
            }),
            http: e.http_status().map(|status| HttpStatus { status }),
            hint: e.hint_text().map(ToOwned::to_owned),
            notes: e.notes().to_vec(),
        }
    }
}

/// What a failed run leaves behind, or found. Only the keys that apply are there.
#[derive(Default, Serialize, JsonSchema)]
pub struct LeftBehind {
    /// Id of a key that stays in its token, as certutil prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    /// The same id as Dogtag's tools print it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id_signed: Option<String>,
    /// Label of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_label: Option<String>,
    /// The certificate, if one was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<AnyCertificate>,
    /// Its issuers as PEM, nearest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Vec<String>>,
    /// The nickname that the run is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<Option<String>>,
    /// What a request that isn't decided is called at the CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// When to ask for its decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
    /// Differences between the existing certificate and the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
    /// Requested names that the certificate lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_names: Vec<String>,
}

/// Returns what the JSON of a failure says about its consequences; `None` if there is nothing.
pub fn facts(e: &Error) -> Option<LeftBehind> {
    let left = e.left_behind();
    let key = left.and_then(|l| l.key.as_ref());
    let chain = left.and_then(|l| l.chain.as_deref()).map(chain_json);
    let named = e.nickname().is_some() || chain.is_some();
    let facts = LeftBehind {
        key_id: key.map(|key| keyid::to_hex(&key.id)),
        key_id_signed: key.map(|key| keyid::to_dogtag(&key.id)),
        key_label: key.and_then(|key| key.label.clone()),
        certificate: left.and_then(|l| l.certificate.as_deref()).map(any_certificate),
        nickname: named.then(|| e.nickname().map(ToOwned::to_owned)),
        chain,
        request: e.pend_info().map(|pending| pending.token_text()),
        retry_at: e.pend_info().and_then(|p| DateTime::from_timestamp(p.time, 0)).map(time),
        differences: e.differences().to_vec(),
        missing_names: e.missing_names().to_vec(),
    };
    let is_empty = key.is_none()
        && facts.certificate.is_none()
        && !named
        && facts.request.is_none()
        && facts.differences.is_empty()
        && facts.missing_names.is_empty();
    (!is_empty).then_some(facts)
}

/// Returns a result as a JSON value; its keys are sorted.
pub fn value(of: impl Serialize) -> Value {
    // These types have string keys only, so that it can't fail.
    serde_json::to_value(of).unwrap_or_default()
}

/// A time in UTC (RFC 3339).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline, extend("format" = "date-time"))]
pub struct Time(String);

/// Returns a time for JSON.
pub fn time(time: DateTime<Utc>) -> Time {
    Time(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A serial number.
#[derive(Serialize, JsonSchema)]
pub struct Serial {
    /// `0x` and hexadecimal digits.
    pub hex: String,
    /// Decimal digits; null beyond 320 bits.
    pub dec: Option<String>,
}

/// Returns a serial number for JSON.
pub fn serial_json(number: &Number) -> Serial {
    Serial { hex: number.hex(), dec: number.decimal() }
}

/// A certificate.
#[derive(Serialize, JsonSchema)]
pub struct Certificate {
    pem: String,
    subject: String,
    issuer: String,
    serial: Serial,
    not_before: Time,
    not_after: Time,
    /// subjectAltName: `DNS:www.example.com`…
    sans: Vec<String>,
}

/// A certificate that perhaps can't be decoded.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AnyCertificate {
    /// Its fields.
    Decoded(Certificate),
    /// Only its PEM: it can't be decoded.
    Undecoded {
        /// Its PEM.
        pem: String,
    },
}

/// Returns a summary of a certificate, with its PEM.
pub fn certificate_json(of: &Summary) -> Certificate {
    Certificate {
        pem: pem::encode("CERTIFICATE", &of.der),
        subject: of.subject.clone(),
        issuer: of.issuer.clone(),
        serial: Serial { hex: of.serial_hex(), dec: of.number().decimal() },
        not_before: time(of.not_before),
        not_after: time(of.not_after),
        sans: of.sans.clone(),
    }
}

/// As [`certificate_json`], for DER; only the PEM if it can't be decoded.
pub fn any_certificate(der: &[u8]) -> AnyCertificate {
    match summary(der) {
        Ok(of) => AnyCertificate::Decoded(certificate_json(&of)),
        Err(_) => AnyCertificate::Undecoded { pem: pem::encode("CERTIFICATE", der) },
    }
}

/// Returns DER certificates as PEM.
pub fn chain_json(chain: &[Vec<u8>]) -> Vec<String> {
    chain.iter().map(|der| pem::encode("CERTIFICATE", der)).collect()
}

/// Returns the PEM of a certificate that was issued although the run failed and isn't stored
/// anywhere, and of its chain, for stdout.
pub fn issued_pem(e: &Error) -> Option<String> {
    let left = e.left_behind()?;
    let certificate = left.certificate.as_ref()?;
    Some(pem::certificates(certificate, left.chain.as_deref().unwrap_or_default()))
}

/// Returns an error as lines for stderr: the message, the hint, the details.
pub fn error_text(e: &Error) -> String {
    let mut text = format!("nss-cmc: {e}\n");
    if let Some(hint) = e.hint_text() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    for note in e.notes() {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use nss_cmc::error::{LeftKey, Leftover};

    fn result(e: &Error) -> String {
        Report::failure("enroll", e).result.to_string()
    }

    #[test]
    fn what_stays_behind_is_in_the_result() {
        let e = || Error::new(Kind::Rejected, "x");
        assert_eq!(result(&e()), "null");
        assert!(!Report::failure("enroll", &e()).changed);
        let key = |label: Option<&str>| Leftover {
            key: Some(LeftKey { id: vec![0x80, 1], label: label.map(str::to_owned) }),
            ..Leftover::default()
        };
        let signed = r#""key_id":"8001","key_id_signed":"0x8001""#;
        let e_key = e().leftover(key(None));
        assert_eq!(result(&e_key), format!("{{{signed}}}"));
        assert!(Report::failure("enroll", &e_key).changed);
        assert!(issued_pem(&e_key).is_none());
        let named = Leftover { nickname: Some("a".into()), ..Leftover::default() };
        assert_eq!(
            result(&e().leftover(key(Some("l"))).leftover(named)),
            format!(r#"{{{signed},"key_label":"l","nickname":"a"}}"#)
        );
        // A certificate that can't be decoded is printed all the same.
        let issued = Leftover {
            certificate: Some(b"0".to_vec()),
            chain: Some(vec![b"1".to_vec()]),
            ..Leftover::default()
        };
        let e = e().lacking(vec!["DNS:x".into()]).leftover(issued);
        let pem =
            |text| format!(r"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let (leaf, ca) = (pem("MA=="), pem("MQ=="));
        let names = r#""missing_names":["DNS:x"],"nickname":null"#;
        assert_eq!(
            result(&e),
            format!(r#"{{"certificate":{{"pem":"{leaf}"}},"chain":["{ca}"],{names}}}"#)
        );
        assert_eq!(issued_pem(&e).unwrap(), format!("{leaf}{ca}").replace(r"\n", "\n"));
    }

    #[test]
    fn differences_leave_nothing_behind() {
        let e = Error::new(Kind::Differs, "x").differing("a", vec!["it lacks DNS:x".into()]);
        let report = Report::failure("enroll", &e);
        assert!(!report.changed);
        let facts = r#"{"differences":["it lacks DNS:x"],"nickname":"a"}"#;
        assert_eq!(report.result.to_string(), facts);
    }
}
