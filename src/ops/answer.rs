//! Believing an answer: is it CMC, signed by a CA the database trusts, and ours?

use std::collections::BTreeSet;

use crate::asn1::oid;
use crate::asn1::pem::looks_like_html;
use crate::asn1::x509::certificate_fields;
use crate::cmc::request::Sent;
use crate::cmc::response::{self, Outcome, Response};
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, SignatureCheck};
use crate::text::printable;
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
/// after. `allow_unsigned` accepts a certs-only answer, which nobody signed.
///
/// # Errors
/// [`Kind::BadReply`].
pub fn verify(database: &Database, der: &[u8], allow_unsigned: bool) -> Result<()> {
    judge(database, database.verify_signed_data(der), allow_unsigned)
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
            .hint("--allow-unsigned-response accepts it if TLS is trust enough")),
        SignatureCheck::NotTrusted(f) => {
            Err(bad("the answer's signer is not a CA this database trusts").because(f).hint(
                format!(
                    "trust the CA: certutil -A -d {} -n NICKNAME -t CT,C,C -i ca.pem",
                    database.name()
                ),
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

/// Verifies the issued certificate's own chain: the answer's signature covers the status, not the
/// certificates that travel beside it. Answers the certificate.
///
/// # Errors
/// [`Kind::Input`] when NSS can't decode it, [`Kind::BadReply`] when it isn't signed by a CA the
/// database trusts.
pub fn chained(database: &Database, ours: &[u8], others: &[Vec<u8>]) -> Result<Certificate> {
    let certificate = database.decode_certificate(ours)?;
    // Alive while NSS looks for the chain.
    let _others: Vec<Certificate> =
        others.iter().filter_map(|d| database.decode_certificate(d).ok()).collect();
    match database.verify_for_any(&certificate) {
        Ok(()) => Ok(certificate),
        Err(f) => Err(Error::new(
            Kind::BadReply,
            "the certificate in the answer isn't issued by a CA this database trusts",
        )
        .because(f)
        .hint("it was not imported; compare it with what the CA says it issued")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::tlv;

    fn answer(content_type: &rasn::types::Oid) -> Vec<u8> {
        let id = |o| crate::asn1::encode("x", &oid::owned(o)).unwrap();
        let empty = tlv(0x30, b"");
        let content = tlv(0x30, &empty.repeat(3));
        let content = tlv(0x30, &[id(content_type), tlv(0xa0, &tlv(4, &content))].concat());
        let signed = tlv(0x30, &[vec![2, 1, 3, 0x31, 0], content, vec![0x31, 0]].concat());
        tlv(0x30, &[id(oid::ID_SIGNED_DATA), tlv(0xa0, &signed)].concat())
    }

    #[test]
    fn only_a_pki_response_is_an_answer() {
        assert!(decode(&answer(oid::ID_CCT_PKI_RESPONSE)).is_ok());
        let e = decode(&answer(oid::ID_DATA)).unwrap_err();
        assert_eq!(e.kind(), Kind::Http);
        assert!(e.to_string().contains("type 1.2.840.113549.1.7.1"), "{e}");
        assert!(decode(&answer(oid::ID_CCT_PKI_DATA)).is_err());
    }

    #[test]
    fn the_certificate_is_found_by_its_key_among_any_others() {
        let spki = tlv(0x30, b"key");
        let empty = tlv(0x30, b"");
        let tbs = |spki: &[u8]| [vec![2, 1, 1], empty.repeat(4), spki.to_vec()].concat();
        let certificate = |spki: &[u8]| tlv(0x30, &tlv(0x30, &tbs(spki)));
        let (own, other) = (certificate(&spki), certificate(&tlv(0x30, b"other")));
        let mut all = vec![other.clone(), own.clone(), other.clone(), own.clone()];
        assert_eq!(ours(all.clone(), &spki).unwrap(), (own, vec![other]));
        all.retain(|c| !c.windows(3).any(|w| w == b"key"));
        assert_eq!(ours(all, &spki).unwrap_err().kind(), Kind::BadReply);
        // Very many different ones.
        let many = (0..100_000u32).map(|n| tlv(0x30, &n.to_be_bytes())).collect();
        assert_eq!(ours(many, &spki).unwrap_err().kind(), Kind::BadReply);
    }
}
