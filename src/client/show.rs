//! Decodes a message for display, and verifies its signature.

use std::path::PathBuf;

use super::session::{Needs, Session};
use super::verify_response::Proof;
use super::{input, verify_response};
use crate::client::passwords::Passwords;
use crate::error::{Error, Kind, Result};
use crate::inspect::{Form, Message, read};
use crate::nss::Access;
use crate::trust::{self, SignatureCheck};

/// The arguments of [`show`].
pub struct ShowSpec {
    /// The message; `-` is standard input.
    pub file: PathBuf,
    /// The database whose trust decides about a response's signature.
    pub database: Option<String>,
    /// Gives the database's password, which only FIPS mode needs.
    pub passwords: Passwords<'static>,
    /// Whether a signature that isn't valid and trusted is an error.
    pub verify: bool,
}

/// A decoded message, and the result of its verification.
#[derive(Debug)]
pub struct Shown {
    /// The decoded message.
    pub message: Message,
    /// The result of its verification.
    pub verification: Verification,
}

/// The result of verifying a message.
#[derive(Debug)]
pub enum Verification {
    /// No database was given.
    NotAsked,
    /// The message isn't a response; only those are verified.
    NoResponse,
    /// The database couldn't be used.
    NotChecked(Error),
    /// The result for the response's signature and, because it doesn't cover them, for each
    /// certificate.
    Checked(SignatureCheck, Vec<Proof>),
}

/// Reads a message, and verifies a response if a database is given.
///
/// ```
/// use nss_cmc::Source;
/// use nss_cmc::client::show::{ShowSpec, show};
///
/// let shown = show(&ShowSpec {
///     file: "tests/vectors/01-rsa-server/response.der".into(),
///     database: None,
///     passwords: Source::Prompt.passwords(),
///     verify: false,
/// })?;
/// assert_eq!(shown.message.form.name(), "response");
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// [`Kind::Input`] when the file isn't of a known kind; with `verify` [`Kind::BadReply`], and
/// [`Kind::Database`].
pub fn show(spec: &ShowSpec) -> Result<Shown> {
    let bytes = input::read("message", &spec.file)?;
    let what = format!("message {}", spec.file.display());
    let wanted = "a CMC message, a certificate request or a certificate";
    let message = read(&bytes).map_err(|e| input::mistaken(&what, wanted, &bytes, e))?;
    let verification = match &spec.database {
        Some(dir) => verified(dir, &message, spec)?,
        None => Verification::NotAsked,
    };
    Ok(Shown { message, verification })
}

fn verified(dir: &str, message: &Message, spec: &ShowSpec) -> Result<Verification> {
    let verify = spec.verify;
    if !matches!(message.form, Form::Response | Form::Certificates) {
        if verify {
            return Err(Error::new(Kind::Usage, "cannot verify the message")
                .because(format!("not a CMC response but: {}", message.form.title())));
        }
        return Ok(Verification::NoResponse);
    }
    let session = match Session::open(dir, Access::ReadOnly, Needs::default(), &spec.passwords) {
        // The message's content can be shown without it.
        Err(e) if !verify && e.kind() == Kind::Login => return Ok(Verification::NotChecked(e)),
        session => session?,
    };
    let database = &session.database;
    let check = match &message.response {
        Some(response) => trust::verify(database, response),
        None => SignatureCheck::Bad(trust::no_response()),
    };
    let proofs = verify_response::proofs(database, &message.certificates)?;
    let verdict = match verify {
        true => verify_response::accept(database, check, false).map(|()| SignatureCheck::Good),
        false => Ok(check),
    };
    session.close()?;
    let check = verdict?;
    if verify && proofs.iter().any(|proof| proof.why_not.is_some()) {
        verify_response::all_proven(proofs)?;
        return Ok(Verification::Checked(check, Vec::new()));
    }
    Ok(Verification::Checked(check, proofs))
}
