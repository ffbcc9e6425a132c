//! Believing an answer: is it CMC, signed by a CA the database trusts, and ours?

use std::collections::BTreeSet;

use crate::asn1::oid;
use crate::asn1::pem::looks_like_html;
use crate::asn1::x509::certificate_fields;
use crate::cmc::request::Sent;
use crate::cmc::response::{self, Outcome, Response};
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, SignatureCheck};
use crate::text::{printable, trust_command};
use crate::transport::Reply;

/// The media type of a Full PKI Request (RFC 5273 §3.1).
pub const REQUEST_TYPE: &str = "application/pkcs7-mime; smime-type=CMC-request";

/// The body of a reply that is a CMC message.
///
/// # Errors
/// [`Kind::Http`]: another status than 200, an empty body, HTML, or anything but DER. Dogtag answers
/// a CMC *failure* with 200 and a CMC message; a crash with 200 and a page.
pub fn cmc_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
    let bad = |what: String| Error::new(Kind::Http, what).http(reply.status);
    if reply.status != 200 {
        let error = bad(format!("the server answered {url} with HTTP status {}", reply.status))
            .retry(reply.status >= 500);
        return Err(match reply.status {
            404 => {
                error.hint("no such servlet: check the URL, and that the CA subsystem is deployed")
            }
            401 | 403 => error.hint("this path wants another client certificate or none"),
            500..=599 => error.hint("the CA may still be starting, or its log says more"),
            _ => error.hint("is this the CA's own address, or a proxy's?"),
        });
    }
    if reply.body.is_empty() {
        return Err(bad(format!("the CA gave no answer: an empty body from {url}"))
            .hint("the CA's debug log says why")
            .retry(false));
    }
    if looks_like_html(&reply.body) {
        return Err(bad(format!("the server answered {url} with an HTML page, not with CMC"))
            .hint("the request may have crashed the servlet: the CA's debug log says why")
            .retry(false));
    }
    // Of what may be a message its octets decide, whatever the server calls it.
    let other = |kind: &&str| !kind.to_ascii_lowercase().contains("pkcs7");
    if reply.body.first() != Some(&0x30)
        && let Some(kind) = reply.content_type.as_deref().filter(other)
    {
        let kind = printable(kind);
        return Err(bad(format!("the server answered {url} with {kind}, not with CMC"))
            .hint("is this the CA's own address, or a proxy's?")
            .retry(false));
    }
    Ok(reply.body)
}

/// Verifies the answer's signature against the database's trust; what it says is believed only
/// after. `allow_unsigned` accepts an answer that carries certificates only, which nobody signs; a
/// status without signature is never believed.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn verify(database: &Database, der: &[u8], allow_unsigned: bool) -> Result<()> {
    let says_nothing = || response::parse(der).is_ok_and(|r| r.controls.is_none());
    let allowed = allow_unsigned && says_nothing();
    judge(database, database.verify_signed_data(der), allowed)
}

/// What a verification's outcome means.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn judge(database: &Database, check: SignatureCheck, allow_unsigned: bool) -> Result<()> {
    let bad = |what: &str| Error::new(Kind::BadReply, what.to_owned());
    match check {
        SignatureCheck::Good => Ok(()),
        SignatureCheck::Unsigned if allow_unsigned => Ok(()),
        SignatureCheck::Unsigned => Err(bad("the answer is not signed; nothing in it is believed")
            .hint("one with certificates only --allow-unsigned-response accepts, if TLS is trust enough")),
        SignatureCheck::NotTrusted(f) => {
            Err(bad("the answer's signer is not a CA this database trusts").because(f).hint(
                format!("trust the CA: {}", trust_command(database.name())),
            ))
        }
        SignatureCheck::Bad(f) => Err(bad("the answer's signature is wrong").because(f).hint(
            "the answer was damaged or forged on its way, or signed by another CA than the one \
             in the database",
        )),
    }
}

/// Decodes a verified answer and compares nonce and transaction with what was sent.
///
/// # Errors
/// [`Kind::Http`] when it isn't CMC, [`Kind::BadReply`].
pub fn open(der: &[u8], sent: &Sent) -> Result<Response> {
    let response = decode(der)?;
    sent.check(&response)?;
    Ok(response)
}

/// Decodes what a server sent as CMC: a PKIResponse, or certificates only.
///
/// # Errors
/// [`Kind::Http`].
pub fn decode(der: &[u8]) -> Result<Response> {
    let no_cmc = || Error::new(Kind::Http, "the server's answer is not a CMC message").retry(false);
    let response = response::parse(der).map_err(|e| no_cmc().because(e))?;
    // What the CA signed for another purpose isn't its answer.
    if response.controls.is_some() && response.content_type != oid::dotted(oid::ID_CCT_PKI_RESPONSE)
    {
        return Err(no_cmc().because(format!("its content is of type {}", response.content_type)));
    }
    Ok(response)
}

/// The outcome, refusals and open ends as errors.
///
/// # Errors
/// [`Kind::Rejected`], [`Kind::Pending`], [`Kind::PopRequired`].
pub fn issued(response: &Response) -> Result<Vec<Vec<u8>>> {
    match response.outcome()? {
        Outcome::Success { certificates } => Ok(certificates),
        Outcome::Rejected(status) => Err(status.into_error()),
        Outcome::Pending { token, time } => {
            let when = chrono::DateTime::from_timestamp(time, 0).map(|t| t.to_rfc3339());
            let token = String::from_utf8_lossy(&token);
            let token = printable(&token);
            Err(Error::new(
                Kind::Pending,
                format!(
                    "the CA accepted the request and will decide later (request {token}, ask again \
                     at {})",
                    when.unwrap_or_else(|| "an unreadable time".into())
                ),
            ))
        }
        Outcome::PopRequired => Err(Error::new(
            Kind::PopRequired,
            "the CA wants proof of possession by decryption (EncryptedPOP)",
        )
        .hint("a key that can sign should come with a signed request")),
    }
}

/// The certificate whose public key is the one asked for, and the rest.
///
/// # Errors
/// [`Kind::BadReply`] when there is none.
pub fn ours(certificates: Vec<Vec<u8>>, spki: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut ours = None;
    let mut others: Vec<Vec<u8>> = Vec::new();
    let mut seen = BTreeSet::new();
    for der in certificates {
        if certificate_fields(&der).is_ok_and(|f| f.spki == spki) {
            ours = Some(der);
        } else if seen.insert(der.clone()) {
            others.push(der);
        }
    }
    match ours {
        Some(der) => Ok((der, others)),
        None => Err(Error::new(
            Kind::BadReply,
            "the CA says success, but no certificate of its answer has our public key",
        )
        .hint("nothing was imported; the CA's records say what it issued")),
    }
}

/// Verifies that the certificate was issued by a CA the database trusts: the answer's signature
/// covers the status, not the certificates that travel beside it. Answers the certificate.
///
/// # Errors
/// [`Kind::Input`] when NSS can't decode it, [`Kind::BadReply`].
pub fn chained(database: &Database, ours: &[u8], others: &[Vec<u8>]) -> Result<Certificate> {
    let certificate = database.decode_certificate(ours)?;
    // Alive while NSS looks for the chain.
    let _others: Vec<Certificate> =
        others.iter().filter_map(|d| database.decode_certificate(d).ok()).collect();
    match database.verify_issued(&certificate) {
        Ok(()) => Ok(certificate),
        Err(f) => Err(Error::new(
            Kind::BadReply,
            "the certificate in the answer isn't issued by a CA this database trusts",
        )
        .because(f)
        .hint("it was not imported; compare it with what the CA says it issued")),
    }
}
