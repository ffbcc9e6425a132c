//! Imports an issued certificate and its issuers into the database.

use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, Trust};

/// The result of an import.
#[derive(Debug)]
pub(super) struct Stored {
    /// Whether the token has the certificate's key.
    pub has_key: bool,
    /// Nicknames of the CA certificates that were added.
    pub added: Vec<String>,
    /// Why other CA certificates could not be added.
    pub failed: Vec<Error>,
}

/// Imports `certificate`, which was [verified](super::verify_response::ours), under `nickname`; then those of
/// its `issuers` that the response contained (`others`), without trust. If the certificate can't be
/// stored completely, it is removed again; a CA certificate that can't be stored is not an error.
///
/// # Errors
/// [`Kind::Conflict`] when the nickname belongs to another subject, [`Kind::Refused`].
pub(super) fn store(
    session: &Session,
    certificate: &Certificate,
    nickname: &str,
    trust: Option<&Trust>,
    issuers: &[Vec<u8>],
    others: &[Vec<u8>],
) -> Result<Stored> {
    let (database, token) = (&session.database, &session.token);
    if database.nickname_conflicts(nickname, certificate)? {
        let subject = crate::asn1::name::dn_string(certificate.subject()).unwrap_or_default();
        return Err(Error::new(
            Kind::Conflict,
            format!("nickname {nickname:?} belongs to another subject"),
        )
        .because(format!("the CA issued the certificate for {subject}"))
        .hint("choose another --nickname"));
    }
    token.import(certificate, nickname)?;
    if let Some(trust) = trust {
        database.set_trust(certificate, trust).map_err(|e| take_out(database, certificate, e))?;
    }
    let (mut added, mut failed) = (Vec::new(), Vec::new());
    let internal = database.token("internal")?;
    for der in issuers.iter().filter(|der| others.contains(der)) {
        let ca = database.decode_certificate(der)?;
        if internal.holds(&ca) || token.holds(&ca) {
            continue;
        }
        let name = database.ca_nickname(&ca).unwrap_or_else(|| "CA".into());
        match internal.import(&ca, &name) {
            Ok(()) => added.push(name),
            Err(e) => failed.push(e),
        }
    }
    // Not looked up by nickname: other certificates of the subject have the same one.
    let has_key = certificate.private_key().is_ok();
    Ok(Stored { has_key, added, failed })
}

/// Deletes the certificate after `error`.
fn take_out(database: &Database, certificate: &Certificate, error: Error) -> Error {
    let again = database.decode_certificate(certificate.der());
    let why = match again.map(Certificate::delete) {
        Ok(Ok(())) => return error,
        Ok(Err(f)) => f.to_string(),
        Err(e) => e.to_string(),
    };
    error.note(format!("cannot remove the imported certificate: {why}"))
}
