//! `nss-cmc cmc show`: what is in a message, and whether its signature is to be believed.

use std::path::PathBuf;

use super::judge::Proof;
use super::session::{Needs, Session};
use super::{input, judge};
use crate::client::passwords::Passwords;
use crate::error::{Error, Kind, Result};
use crate::inspect::{Form, Message, read};
use crate::nss::Access;
use crate::trust::{self, SignatureCheck};

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

/// A message, and what its verification found.
#[derive(Debug)]
pub struct Shown {
    /// The message, taken apart.
    pub message: Message,
    /// Whether it is to be believed.
    pub verification: Verification,
}

/// What verifying a message found.
#[derive(Debug)]
pub enum Verification {
    /// No database was given.
    NotAsked,
    /// Only responses are verified.
    NoResponse,
    /// The database couldn't be used.
    NotChecked(Error),
    /// A response's signature, and its certificates, which travel unsigned.
    Checked(SignatureCheck, Vec<Proof>),
}

/// Reads a message, and verifies a response if there is a database.
///
/// # Errors
/// [`Kind::Input`] when the file holds nothing known; with `verify` [`Kind::BadReply`], and
/// [`Kind::Database`].
pub fn show(spec: &ShowSpec) -> Result<Shown> {
    let bytes = input::read("the message", &spec.file)?;
    let what = format!("the message {}", spec.file.display());
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
            return Err(Error::new(Kind::Usage, "only a CA's response can be verified")
                .because(format!("this is a {}", message.form.title())));
        }
        return Ok(Verification::NoResponse);
    }
    let session = match Session::open(dir, Access::ReadOnly, Needs::default(), &spec.passwords) {
        // What the message says can be shown all the same.
        Err(e) if !verify && e.kind() == Kind::Login => return Ok(Verification::NotChecked(e)),
        session => session?,
    };
    let database = &session.database;
    let check = match &message.response {
        Some(response) => trust::verify(database, response),
        None => SignatureCheck::Bad(trust::no_response()),
    };
    let proofs = judge::proofs(database, &message.certificates)?;
    let verdict = match verify {
        true => judge::judge(database, check, false).map(|()| SignatureCheck::Good),
        false => Ok(check),
    };
    session.close()?;
    let check = verdict?;
    if verify && proofs.iter().any(|proof| proof.why_not.is_some()) {
        judge::all_proven(proofs)?;
        return Ok(Verification::Checked(check, Vec::new()));
    }
    Ok(Verification::Checked(check, proofs))
}
