//! `nss-cmc cmc show`: what is in a message, and whether its signature is to be believed.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::judge::Proof;
use super::session::{Needs, Session};
use super::{input, judge};
use crate::cli::message::message_lines;
use crate::cli::report::Report;
use crate::client::passwords::Passwords;
use crate::cmc::response;
use crate::error::{Error, Kind, Result};
use crate::inspect::{Form, Message, read};
use crate::nss::Access;
use crate::text::printable;
use crate::trust::SignatureCheck;

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
    let bytes = input::read("the message", &spec.file)?;
    let what = format!("the message {}", spec.file.display());
    let wanted = "a CMC message, a certificate request or a certificate";
    let message = read(&bytes).map_err(|e| input::mistaken(&what, wanted, &bytes, e))?;
    let found = match &spec.database {
        Some(dir) => verified(dir, &message, spec)?,
        None => Verified::default(),
    };
    let mut result = message.parts.to_json();
    if let Some(result) = result.as_object_mut() {
        result.insert("kind".into(), json!(message.form.name()));
        result.insert("signature".into(), found.signature);
        result.insert("certificates_proven".into(), found.certificates);
    }
    let title = format!("{}, {} octets", message.form.title(), message.der.len());
    let mut report = Report::done("cmc show", "shown", false, title).result(result);
    report.lines = message_lines(&message.parts);
    report.lines.extend(found.lines);
    report.warnings = message.warnings;
    Ok(report)
}

/// What verification found: as JSON, and as lines for people.
#[derive(Default)]
struct Verified {
    signature: Value,
    certificates: Value,
    lines: Vec<String>,
}

/// Verifies a response's signature, and its certificates, which travel unsigned.
fn verified(dir: &str, message: &Message, spec: &ShowSpec) -> Result<Verified> {
    let verify = spec.verify;
    if !matches!(message.form, Form::Response | Form::Certificates) {
        if verify {
            return Err(Error::new(Kind::Usage, "only a CA's response can be verified")
                .because(format!("this is a {}", message.form.title())));
        }
        let lines = vec!["signature: not checked, only responses are".into()];
        return Ok(Verified { lines, ..Verified::default() });
    }
    let session = match Session::open(dir, Access::ReadOnly, Needs::default(), &spec.passwords) {
        // What the message says can be shown all the same.
        Err(e) if !verify && e.kind() == Kind::Login => {
            return Ok(Verified {
                signature: json!({
                    "result": "not_checked",
                    "reason": e.to_string(),
                    "database": dir,
                }),
                lines: vec![format!("signature: not checked: {e}")],
                ..Verified::default()
            });
        }
        session => session?,
    };
    let database = &session.database;
    let check = database.verify_signed_data(&message.der);
    let (result, fault) = match &check {
        SignatureCheck::Good => ("good", None),
        SignatureCheck::Unsigned => ("unsigned", None),
        SignatureCheck::NotTrusted(e) => ("not_trusted", Some(e.to_string())),
        SignatureCheck::Bad(e) => ("bad", Some(e.to_string())),
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
    let (signed, _) = response::open_signed_data("the response", &message.der)?;
    let proofs = judge::proofs(database, &response::certificates_of(&signed))?;
    let mut lines = vec![line];
    lines.extend(proofs.iter().map(Proof::line));
    let certificates = proofs.iter().map(Proof::to_json).collect();
    let verdict = match verify {
        true => judge::judge(database, check, false).and_then(|()| judge::all_proven(proofs)),
        false => Ok(()),
    };
    session.close()?;
    verdict?;
    let signature = json!({ "result": result, "reason": fault, "database": dir });
    Ok(Verified { signature, certificates, lines })
}
