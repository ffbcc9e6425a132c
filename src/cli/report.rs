//! The result of a command as one object, printed as text or as JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use nss_cmc::certificate::{Summary, summary};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::pem;

/// Version of the JSON shape. Additions don't change it.
pub const SCHEMA: &str = "nss-cmc/1";

/// The result of a command. Its JSON has the keys that Ansible expects of a module.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The command (`enroll`).
    pub command: String,
    /// Whether anything was changed: key, certificate, trust, or the CA's records.
    pub changed: bool,
    /// Whether it failed.
    pub failed: bool,
    /// One lower_snake word (`issued`).
    pub status: String,
    /// The result in one line.
    pub msg: String,
    /// The details. Lists are always arrays, absent values are null, times are RFC 3339 in UTC.
    pub result: Value,
    /// Warnings of a run that succeeded or failed.
    pub warnings: Vec<String>,
    /// With --diff: what the run changes, as objects `before` and `after`.
    pub diff: Option<Value>,
    /// The error of a failed run; `None` on success.
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
    pub fn result(mut self, result: Value) -> Report {
        self.result = result;
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
        let nss = e
            .nss()
            .map(|f| json!({ "call": f.call, "code": f.code, "name": f.name, "text": f.text }));
        let mut report = Report::done(command, status, false, e.to_string());
        report.failed = !pending;
        report.changed = e.changed_something();
        report.result = facts(e);
        report.exit = e.kind().exit();
        report.error = Some(json!({
            "kind": e.kind().name(),
            "exit": e.kind().exit(),
            "retryable": e.is_retryable(),
            "nss": nss,
            "cmc": e.cmc_detail().map(|c| json!({
                "status": c.status,
                "fail_info": c.fail_info,
                "text": c.text,
            })),
            "http": e.http_status().map(|s| json!({ "status": s })),
            "hint": e.hint_text(),
            "notes": e.notes(),
        }));
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

/// Returns the details of a failure: keys and files that remain, missing names.
fn facts(e: &Error) -> Value {
    let mut facts = Map::new();
    let mut add = |name: &str, value: Value| facts.insert(name.to_owned(), value);
    let left = e.left_behind();
    if let Some(key) = left.and_then(|l| l.key.as_ref()) {
        add("key_id", json!(keyid::to_hex(&key.id)));
        add("key_id_signed", json!(keyid::to_dogtag(&key.id)));
        key.label.as_ref().map(|label| add("key_label", json!(label)));
    }
    if let Some(der) = left.and_then(|l| l.certificate.as_deref()) {
        // The only copy, even if it can't be decoded.
        let unread = || json!({ "pem": pem::encode("CERTIFICATE", der) });
        add("certificate", summary(der).map_or_else(|_| unread(), |s| certificate_json(&s)));
    }
    let chain = left.and_then(|l| l.chain.as_deref());
    if let Some(chain) = chain {
        add("chain", chain_json(chain));
    }
    if e.nickname().is_some() || chain.is_some() {
        add("nickname", json!(e.nickname()));
    }
    if let Some(pending) = e.pend_info() {
        let at = DateTime::from_timestamp(pending.time, 0).map(time);
        add("request", json!(pending.token_text()));
        add("retry_at", json!(at));
    }
    if !e.differences().is_empty() {
        add("differences", json!(e.differences()));
    }
    if !e.missing_names().is_empty() {
        add("missing_names", json!(e.missing_names()));
    }
    if facts.is_empty() { Value::Null } else { facts.into() }
}

/// Returns a time for JSON (RFC 3339).
pub fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Returns a summary of a certificate, with its PEM.
pub fn certificate_json(of: &Summary) -> Value {
    json!({
        "pem": pem::encode("CERTIFICATE", &of.der),
        "subject": of.subject,
        "issuer": of.issuer,
        "serial": { "hex": of.serial_hex(), "dec": of.number().decimal() },
        "not_before": time(of.not_before),
        "not_after": time(of.not_after),
        "sans": of.sans,
    })
}

/// Returns DER certificates as an array of PEM strings.
pub fn chain_json(chain: &[Vec<u8>]) -> Value {
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
