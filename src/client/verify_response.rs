//! Accepts a response: it is signed by a CA that the database trusts, and one of its certificates has
//! the request's key.

use std::collections::BTreeSet;

use super::session::Session;
use crate::asn1::{certificate, oid};
use crate::cmc::nonce;
use crate::cmc::request::Sent;
use crate::cmc::response::{Outcome, Response};
use crate::error::{Error, Kind, PendInfo, Result};
use crate::nss::{Certificate, Database};
use crate::text::trust_command;
use crate::trust::{self, Paths, SignatureCheck, prove};

/// Verifies the response's signature against the database's trust; nothing in it may be used
/// before. `allow_unsigned` accepts a response with certificates only, which has no signature; a
/// status without signature is never accepted.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn verify(database: &Database, response: &Response, allow_unsigned: bool) -> Result<()> {
    let allowed = allow_unsigned && response.controls.is_none();
    accept(database, trust::verify(database, response), allowed)
}

/// Verifies a response as [`verify`] does, and compares its nonce and transaction id with those sent
/// (RFC 5272 §6.6). A refusal may lack both: Dogtag returns neither in a failure.
///
/// # Errors
/// [`Kind::BadReply`]; [`Kind::Input`] for a status that can't be decoded.
pub fn verify_for(
    database: &Database,
    response: &Response,
    sent: &Sent,
    allow_unsigned: bool,
) -> Result<()> {
    verify(database, response, allow_unsigned)?;
    response.undecodable_status().map_or(Ok(()), Err)?;
    nonce::check(sent, response)
}

/// Refuses a message that the CA signed for another purpose: it isn't its response.
///
/// # Errors
/// [`Kind::Input`].
pub(super) fn check_type(response: &Response) -> Result<()> {
    let is_response = response.content_type == oid::dotted(oid::ID_CCT_PKI_RESPONSE);
    match response.controls.is_none() || is_response {
        true => Ok(()),
        false => Err(Error::new(Kind::Input, format!("content type is {}", response.content_type))),
    }
}

/// Accepts the outcome of a verification, or makes an error of it.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn accept(database: &Database, check: SignatureCheck, allow_unsigned: bool) -> Result<()> {
    let bad = |what: &str| Error::new(Kind::BadReply, what.to_owned());
    match check {
        SignatureCheck::Good => Ok(()),
        SignatureCheck::Unsigned if allow_unsigned => Ok(()),
        SignatureCheck::Unsigned => Err(bad("response is not signed")
            .hint("use --allow-unsigned-response to accept a response with certificates only")),
        SignatureCheck::NotTrusted(f) => {
            Err(bad("response signer is not trusted by this database")
                .because(f)
                .hint(format!("trust the CA: {}", trust_command(database.name()))))
        }
        SignatureCheck::Bad(f) if f.kind() == Kind::Refused => {
            let hint = f.hint_text().map(str::to_owned);
            let error = bad("cannot verify the response").because(f);
            Err(hint.into_iter().fold(error, Error::hint))
        }
        SignatureCheck::Bad(f) => Err(bad("response signature is invalid")
            .because(f)
            .hint("the response was changed in transit, or another CA signed it")),
    }
}

/// Returns the issued certificates (DER); refusals and open requests are errors.
///
/// # Errors
/// [`Kind::Rejected`], [`Kind::Pending`], [`Kind::PopRequired`].
pub fn issued(outcome: Outcome) -> Result<Vec<Vec<u8>>> {
    match outcome {
        Outcome::Success { certificates } => Ok(certificates),
        Outcome::Rejected(status) => Err(status.into_error()),
        Outcome::Invalid(e) => Err(e),
        Outcome::Pending { token, time } => {
            let when = chrono::DateTime::from_timestamp(time, 0).map(|t| t.to_rfc3339());
            let info = PendInfo { token, time };
            Err(Error::new(
                Kind::Pending,
                format!(
                    "the CA accepted the request but has not issued the certificate (request {}, try \
                     again at {})",
                    info.token_text(),
                    when.unwrap_or_else(|| "an unreadable time".into())
                ),
            )
            .pending(info))
        }
        Outcome::ConfirmRequired { .. } => Err(Error::new(
            Kind::Pending,
            "the CA issued a certificate that must be confirmed before use",
        )
        .retry(false)
        .hint("use nss-cmc enroll, which sends the confirmation")),
        Outcome::PopRequired => Err(Error::new(
            Kind::PopRequired,
            "the CA requires proof of possession by decryption (EncryptedPOP)",
        )
        .hint("sign the request with its own key, if the key can sign")),
    }
}

/// Returns for each certificate of a response whether it is [proven](prove).
///
/// # Errors
/// [`Kind::Database`].
pub fn proofs(database: &Database, certificates: &[Vec<u8>]) -> Result<Vec<Proof>> {
    let outcomes = prove(database, certificates)?;
    let named = certificates.iter().map(|der| match crate::asn1::summary::summary(der) {
        Ok(summary) => (summary.subject.clone(), summary.serial_hex()),
        Err(_) => ("(unreadable)".to_owned(), "?".to_owned()),
    });
    let proof = |((subject, serial), outcome): ((String, String), Result<()>)| Proof {
        subject,
        serial,
        why_not: outcome.err(),
    };
    Ok(named.zip(outcomes).map(proof).collect())
}

/// Whether a CA that the database trusts issued a certificate of a response.
#[derive(Debug)]
pub struct Proof {
    /// The certificate's subject.
    pub subject: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// Why it isn't proven; `None` if it is.
    pub why_not: Option<Error>,
}

impl Proof {
    /// Returns one line for people.
    pub fn line(&self) -> String {
        let of = format!("certificate {}, serial {}", self.subject, self.serial);
        match &self.why_not {
            None => format!("{of}: proven"),
            Some(e) => format!("{of}: not proven: {e}"),
        }
    }
}

/// Refuses a response with a certificate that isn't proven.
///
/// # Errors
/// [`Kind::BadReply`] for the first one.
pub fn all_proven(proofs: Vec<Proof>) -> Result<()> {
    let unproven = proofs.into_iter().find_map(|p| p.why_not.map(|e| (p.subject, p.serial, e)));
    match unproven {
        None => Ok(()),
        Some((subject, serial, e)) => Err(Error::new(
            Kind::BadReply,
            format!("certificate {subject}, serial {serial}, is not proven"),
        )
        .because(e)
        .hint("compare it with the CA's records: the response's signature does not cover it")),
    }
}

/// A certificate that is proven to be from the CA and for the request's key.
#[derive(Debug)]
pub struct Proven {
    /// The certificate.
    pub certificate: Certificate,
    /// DER of its issuers, as [`Paths::chain`] returns them.
    pub issuers: Vec<Vec<u8>>,
    /// DER of the other certificates in the response.
    pub others: Vec<Vec<u8>>,
    /// Whether it came in a response without signature: only its issuer's signature, its key and the
    /// server's authentication prove it.
    pub unsigned: bool,
}

/// Returns the issued certificate: of those with the requested public key, the newest that was issued
/// by a CA that the database trusts. The response's signature covers its status, but neither its
/// certificates nor their order.
///
/// # Errors
/// [`Kind::BadReply`] when there is none.
pub(super) fn ours(session: &Session, certificates: Vec<Vec<u8>>, spki: &[u8]) -> Result<Proven> {
    let Session { database, token, .. } = session;
    let mut seen = BTreeSet::new();
    let (mut with_key, others): (Vec<_>, Vec<_>) = certificates
        .into_iter()
        .filter(|der| seen.insert(der.clone()))
        .partition(|der| certificate::fields(der).is_ok_and(|f| f.spki == spki));
    let begin = |der: &Vec<u8>| {
        certificate::read(der).map(|c| (c.not_before, c.not_after)).unwrap_or_default()
    };
    with_key.sort_by_key(|der| std::cmp::Reverse(begin(der)));
    let paths = Paths::new(database, &others);
    let mut why = None;
    for der in &with_key {
        match paths.chain(token, der) {
            Ok(issuers) => {
                let certificate = database.decode_certificate(der)?;
                return Ok(Proven { certificate, issuers, others, unsigned: false });
            }
            Err(e) => why = why.or(Some(e)),
        }
    }
    match why {
        None => Err(Error::new(
            Kind::BadReply,
            "CMC status is success, but no certificate in the response matches the key of the request",
        )
        .hint("nothing was imported; check the CA's records")),
        Some(e) => Err(Error::new(
            Kind::BadReply,
            "certificate in the response is not issued by a CA that this database trusts",
        )
        .because(e)
        .hint("it was not imported; compare it with the CA's records")),
    }
}
