//! `nss-cmc cmc show`: what is in a message, and whether its signature is to be believed.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{answer, file, input};
use crate::cmc::show::{Form, Message, read};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, SignatureCheck};
use crate::report::Report;
use crate::text::{message_lines, printable};

/// What `show` is asked to do.
pub struct ShowSpec {
    /// The message; `-` is standard input.
    pub file: PathBuf,
    /// Database whose trust decides about a response's signature.
    pub database: Option<String>,
    /// Fail when the signature isn't good and trusted.
    pub verify: bool,
}

/// Runs it.
///
/// # Errors
/// [`Kind::Input`] when the file holds nothing known; with `verify` [`Kind::BadReply`], and
/// [`Kind::Database`].
pub fn show(spec: &ShowSpec) -> Result<Report> {
    let bytes = file::read("the message", &spec.file)?;
    let what = format!("the message {}", spec.file.display());
    let wanted = "a CMC message, a certificate request or a certificate";
    let message = read(&bytes).map_err(|e| input::mistaken(&what, wanted, &bytes, e))?;
    let (signature, line) = match &spec.database {
        Some(dir) => signature(dir, &message, spec.verify)?,
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
fn signature(dir: &str, message: &Message, verify: bool) -> Result<(Value, Option<String>)> {
    if !matches!(message.form, Form::Response | Form::Certificates) {
        if verify {
            return Err(Error::new(Kind::Usage, "only a CA's response can be verified")
                .because(format!("this is a {}", message.form.title())));
        }
        return Ok((Value::Null, Some("signature: not checked, only responses are".into())));
    }
    let database = Database::open(dir, Access::ReadOnly)?;
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
    let verdict = if verify { answer::judge(&database, check, false) } else { Ok(()) };
    database.close().map_err(|f| Error::new(Kind::Internal, "can't shut NSS down").because(f))?;
    verdict?;
    Ok((json!({ "result": result, "reason": fault, "database": dir }), Some(line)))
}
