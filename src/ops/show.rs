//! `nss-cmc cmc show`: what is in a message, and whether its signature is to be believed.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::session::{Needs, Session};
use super::{answer, file};
use crate::cmc::show::{Form, Message, read};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, SignatureCheck};
use crate::report::Report;
use crate::secret::Passwords;
use crate::text::{message_lines, printable};

/// What `show` is asked to do.
pub struct ShowSpec {
    /// The message; `-` is standard input.
    pub file: PathBuf,
    /// Database whose trust decides about a response's signature.
    pub database: Option<String>,
    /// Gives the database's password, which only FIPS mode needs.
    pub passwords: Passwords<'static>,
    /// Fail when the signature isn't good and trusted.
    pub verify: bool,
}

/// Runs it.
///
/// # Errors
/// [`Kind::Input`] when the file holds nothing known; with `verify` [`Kind::BadReply`], and
/// [`Kind::Database`].
pub fn show(spec: &ShowSpec) -> Result<Report> {
    let message = read(&file::read("the message", &spec.file)?)?;
    let (signature, line) = match &spec.database {
        Some(dir) => signature(dir, &message, spec)?,
        None => (Value::Null, None),
    };
    let mut result = message.parts.to_json();
    if let Some(result) = result.as_object_mut() {
        result.insert("kind".into(), json!(message.form.name()));
        result.insert("signature".into(), signature);
    }
    let title = format!("{}, {} octets", message.form.title(), message.der.len());
    let mut report = Report::done("cmc show", "shown", false, title).result(result);
    report.lines = message_lines(&message.parts);
    report.lines.extend(line);
    report.warnings = message.warnings;
    Ok(report)
}

/// Verifies a response; as JSON, and as a line for people.
fn signature(dir: &str, message: &Message, spec: &ShowSpec) -> Result<(Value, Option<String>)> {
    let verify = spec.verify;
    if !matches!(message.form, Form::Response | Form::Certificates) {
        if verify {
            return Err(Error::new(Kind::Usage, "only a CA's response can be verified")
                .because(format!("this is a {}", message.form.title())));
        }
        return Ok((Value::Null, Some("signature: not checked, only responses are".into())));
    }
    let session = match Session::open(dir, Access::ReadOnly, Needs::default(), &spec.passwords) {
        // What the message says can be shown all the same.
        Err(e) if !verify && e.kind() == Kind::Login => {
            let result =
                json!({ "result": "not_checked", "reason": e.to_string(), "database": dir });
            return Ok((result, Some(format!("signature: not checked: {e}"))));
        }
        session => session?,
    };
    let database = &session.database;
    let check = database.verify_signed_data(&message.der);
    let (result, fault) = match &check {
        SignatureCheck::Good => ("good", None),
        SignatureCheck::Unsigned => ("unsigned", None),
        SignatureCheck::NotTrusted(f) => ("not_trusted", Some(f.to_string())),
        SignatureCheck::Bad(f) => ("bad", Some(f.to_string())),
    };
    let words = match &check {
        SignatureCheck::Good => "good, and the signer is trusted",
        SignatureCheck::Unsigned => "none; nothing vouches for this message",
        SignatureCheck::NotTrusted(_) => "by a signer that the database doesn't trust",
        SignatureCheck::Bad(_) => "wrong",
    };
    let line = match &fault {
        Some(fault) => format!("signature: {words} ({})", printable(fault)),
        None => format!("signature: {words}"),
    };
    let verdict = if verify { answer::judge(database, check, false) } else { Ok(()) };
    session.close()?;
    verdict?;
    Ok((json!({ "result": result, "reason": fault, "database": dir }), Some(line)))
}
