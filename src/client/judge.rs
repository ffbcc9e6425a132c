//! Accepts a response: it is CMC, signed by a CA that the database trusts, and belongs to the
//! request.

use std::collections::BTreeSet;

use crate::asn1::{certificate, oid};
use crate::cmc::control::{Control, ControlType};
use crate::cmc::request::Sent;
use crate::cmc::response::{self, CmcStatus, Outcome, Response};
use crate::error::{Error, Kind, Result};
use crate::http::Reply;
use crate::http::endpoint::Endpoint;
use crate::nss::{Certificate, Database};
use crate::text::{printable, trust_command};
use crate::trust::{self, Paths, SignatureCheck, prove};

/// Verifies the response's signature against the database's trust; nothing in it may be used
/// before. `allow_unsigned` accepts a response with certificates only, which has no signature; a
/// status without signature is never accepted.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn verify(database: &Database, response: &Response, allow_unsigned: bool) -> Result<()> {
    let allowed = allow_unsigned && response.controls.is_none();
    judge(database, trust::verify(database, response), allowed)
}

/// Makes an error of a verification that failed.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn judge(database: &Database, check: SignatureCheck, allow_unsigned: bool) -> Result<()> {
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
        SignatureCheck::Bad(f) => Err(bad("response signature is invalid")
            .because(f)
            .hint("the response was changed in transit, or another CA signed it")),
    }
}

/// Decodes what a server sent: a CMC message with a PKIResponse (RFC 5272 §4.2), or with
/// certificates only (§4.1).
///
/// # Errors
/// As [`Endpoint::message`].
pub(super) fn read(endpoint: &Endpoint, reply: Reply) -> Result<Received> {
    let der = endpoint.message(reply)?;
    let response = decode(&der)?;
    Ok(Received { der, response })
}

/// A received response; nothing is verified.
#[derive(Debug)]
pub struct Received {
    /// DER or BER of the message.
    pub der: Vec<u8>,
    /// The decoded message.
    pub response: Response,
}

/// Verifies a response as [`verify`] does, and compares its nonce and transaction id with those
/// sent (RFC 5272 §6.6). A refusal may lack both: Dogtag returns neither in a failure.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn believe(
    database: &Database,
    received: &Received,
    sent: &Sent,
    allow_unsigned: bool,
) -> Result<()> {
    verify(database, &received.response, allow_unsigned)?;
    matches(sent, &received.response)
}

fn decode(der: &[u8]) -> Result<Response> {
    let no_cmc = || Error::new(Kind::Http, "response is not a CMC message").retry(false);
    let response = response::parse(der).map_err(|e| no_cmc().because(e))?;
    // A message that the CA signed for another purpose isn't its response.
    if response.controls.is_some() && response.content_type != oid::dotted(oid::ID_CCT_PKI_RESPONSE)
    {
        return Err(no_cmc().because(format!("content type is {}", response.content_type)));
    }
    Ok(response)
}

fn matches(sent: &Sent, response: &Response) -> Result<()> {
    if response.controls.is_none() {
        // A Simple PKI Response has no controls.
        return Ok(());
    }
    if let Some(e) = response.undecodable_status() {
        return Err(e);
    }
    let refused = response.statuses().iter().any(|s| s.status == CmcStatus::Failed);
    for (what, echo) in echoes(sent, response) {
        match echo {
            Echo::Ours | Echo::NotSent => {}
            // Replaying an old refusal gains an attacker nothing over cutting the connection.
            Echo::Missing if refused => {}
            Echo::Missing | Echo::Another => {
                let what = format!("response {what} does not match the request");
                return Err(Error::new(Kind::BadReply, what)
                    .hint("the response may belong to another request; nothing was imported"));
            }
        }
    }
    Ok(())
}

/// Returns whether a response belongs to the message sent: its nonce or transaction id matches, and
/// neither differs. Otherwise it may be about another request.
pub(super) fn is_named(sent: &Sent, response: &Response) -> bool {
    let echoes = echoes(sent, response).map(|(_, echo)| echo);
    echoes.contains(&Echo::Ours) && !echoes.contains(&Echo::Another)
}

fn echoes(sent: &Sent, response: &Response) -> [(&'static str, Echo); 2] {
    let echo =
        |control, sent: bool, is_ours: &dyn Fn(&Control) -> bool| match response.control(control) {
            _ if !sent => Echo::NotSent,
            None => Echo::Missing,
            Some(echoed) if echoed.values.iter().flatten().any(is_ours) => Echo::Ours,
            Some(_) => Echo::Another,
        };
    let (nonce, id) = (sent.nonce.as_ref(), sent.transaction_id.as_ref());
    let our_nonce = |c: &Control| matches!(c, Control::RecipientNonce(n) if Some(n) == nonce);
    let our_id = |c: &Control| matches!(c, Control::TransactionId(n) if Some(n) == id);
    [
        ("nonce", echo(ControlType::RecipientNonce, nonce.is_some(), &our_nonce)),
        ("transaction id", echo(ControlType::TransactionId, id.is_some(), &our_id)),
    ]
}

/// How a response returns a value that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    NotSent,
    Missing,
    Ours,
    Another,
}

/// Returns the issued certificates (DER); refusals and open requests are errors.
///
/// # Errors
/// [`Kind::Rejected`], [`Kind::Pending`], [`Kind::PopRequired`].
pub fn issued(response: &Response) -> Result<Vec<Vec<u8>>> {
    match response.outcome() {
        Outcome::Success { certificates } => Ok(certificates),
        Outcome::Rejected(status) => Err(status.into_error()),
        Outcome::Invalid(e) => Err(e),
        Outcome::Pending { token, time } => {
            let when = chrono::DateTime::from_timestamp(time, 0).map(|t| t.to_rfc3339());
            let token = String::from_utf8_lossy(&token);
            let token = printable(&token);
            Err(Error::new(
                Kind::Pending,
                format!(
                    "the CA accepted the request but has not issued the certificate (request {token}, try \
                     again at {})",
                    when.unwrap_or_else(|| "an unreadable time".into())
                ),
            ))
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

/// Returns the issued certificate and the other certificates: of those with the requested public
/// key, the newest that was issued by a CA that the database trusts. The response's signature
/// covers its status, but neither its certificates nor their order.
///
/// # Errors
/// [`Kind::BadReply`] when there is none.
pub(super) fn ours(
    database: &Database,
    certificates: Vec<Vec<u8>>,
    spki: &[u8],
) -> Result<(Certificate, Vec<Vec<u8>>)> {
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
        match paths.to_trusted(der) {
            Ok(_) => return Ok((database.decode_certificate(der)?, others)),
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
