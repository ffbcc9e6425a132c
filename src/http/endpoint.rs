//! The endpoints for CMC requests over HTTP (RFC 5273 §3), and the meaning of a servlet's HTTP
//! statuses.

use zeroize::Zeroizing;

use super::est::{
    Encoding, Operation, cmc_in, est_body, is_est, operation_url, unread, wants_proof,
};
use super::{Reply, Transport, Url};
use crate::asn1::pem::{self, looks_like_html};
use crate::cmc::response::Outcome;
use crate::error::{Error, Kind, Result};
use crate::text::printable;

/// A URL that accepts CMC requests.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    url: Url,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// A servlet of Dogtag: DER in both directions; HTTP status 200 whatever the CMC status.
    Servlet,
    /// `/fullcmc` of an EST server (RFC 7030 §4.3, RFC 8951): base64 in both directions, except
    /// that Dogtag accepts only DER; a CMC failure has an HTTP status of 400 or more. `None` while
    /// the encoding is not known.
    Est(Option<Encoding>),
    /// `/simpleenroll` or `/simplereenroll` of an EST server (RFC 7030 §4.2, RFC 8951): base64 of a
    /// PKCS #10 request, and of the certificates.
    Simple,
}

impl Endpoint {
    /// Returns the endpoint at a URL: an EST server or a servlet, by the path. `est_encoding` is
    /// the encoding of requests to an EST server; with `None`, [`Endpoint::post`] finds it out.
    pub(crate) fn new(url: Url, est_encoding: Option<Encoding>) -> Endpoint {
        match is_est(&url) {
            true => Endpoint::est(url, est_encoding),
            false => Endpoint { url, framing: Framing::Servlet },
        }
    }

    /// Returns the endpoint of an EST server, whatever the path.
    pub(crate) fn est(url: Url, encoding: Option<Encoding>) -> Endpoint {
        Endpoint { url, framing: Framing::Est(encoding) }
    }

    /// Returns the endpoint of an EST server for PKCS #10 requests.
    pub(crate) fn simple(url: &Url) -> Endpoint {
        let url = operation_url(url, Operation::SimpleEnroll);
        Endpoint { url, framing: Framing::Simple }
    }

    /// Returns whether it is for PKCS #10 requests.
    pub(crate) fn is_simple(&self) -> bool {
        self.framing == Framing::Simple
    }

    /// Selects what the next PKCS #10 request is for: a certificate in place of the client's, or
    /// another one.
    pub(crate) fn reenroll(&mut self, again: bool) {
        let operation = if again { Operation::SimpleReenroll } else { Operation::SimpleEnroll };
        self.url = operation_url(&self.url, operation);
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Sends a message (DER). An EST server of unknown encoding gets DER first, and base64 if it
    /// could not read that.
    ///
    /// # Errors
    /// As [`Transport::post`].
    pub(crate) fn post(&mut self, transport: &mut Transport<'_>, message: &[u8]) -> Result<Reply> {
        let url = self.url.as_str();
        match self.framing {
            Framing::Servlet => return encoded(transport, url, message, Encoding::Der),
            Framing::Est(Some(encoding)) => return encoded(transport, url, message, encoding),
            Framing::Simple => {
                let text = pem::lines(message, 64, "\n");
                return transport.post(url, text.as_bytes(), SIMPLE_TYPE);
            }
            Framing::Est(None) => {}
        }
        let reply = encoded(transport, url, message, Encoding::Der)?;
        if !unread(&reply) {
            self.framing = Framing::Est(Some(Encoding::Der));
            return Ok(reply);
        }
        let second = encoded(transport, url, message, Encoding::Base64)?;
        if !unread(&second) {
            self.framing = Framing::Est(Some(Encoding::Base64));
        }
        // Of two refusals the CMC message is returned; of two CMC messages, the first.
        Ok(if unread(&second) && cmc_in(&reply).is_some() { reply } else { second })
    }

    /// Returns the CMC message (DER) in a reply.
    ///
    /// # Errors
    /// [`Kind::Http`] when there is none.
    pub(crate) fn message(&self, reply: Reply) -> Result<Vec<u8>> {
        let url = self.url.as_str();
        match self.framing {
            Framing::Servlet => cmc_body(url, reply),
            Framing::Est(_) | Framing::Simple => est_body(url, reply),
        }
    }

    /// Returns whether the outcome of a verified response is what Dogtag's EST server sends to a signed request
    /// with controls. It accepts none: it does not pass the signer on to the CA, and the CA
    /// requires an identification with a shared secret as soon as there are controls.
    pub(crate) fn takes_no_controls(&self, outcome: &Outcome) -> bool {
        matches!(self.framing, Framing::Est(_))
            && matches!(outcome, Outcome::Rejected(status) if wants_proof(status))
    }
}

/// Returns an error about a reply: an unexpected HTTP status, or an unusable body. It is retryable
/// if the server failed.
pub(crate) fn bad_reply(what: impl Into<String>, reply: &Reply) -> Error {
    Error::new(Kind::Http, what).http(reply.status).retry(reply.status >= 500)
}

/// Returns the error for an HTTP status other than 200.
pub(crate) fn bad_status(url: impl std::fmt::Display, reply: &Reply) -> Error {
    bad_reply(format!("HTTP status {} from {url}", reply.status), reply)
}

fn encoded(
    transport: &mut Transport<'_>,
    url: &str,
    message: &[u8],
    encoding: Encoding,
) -> Result<Reply> {
    match encoding {
        Encoding::Der => transport.post(url, message, REQUEST_TYPE),
        Encoding::Base64 => {
            // The text may contain a secret: the passphrase of a revocation.
            let text = Zeroizing::new(pem::lines(message, 64, "\n"));
            transport.post(url, text.as_bytes(), REQUEST_TYPE)
        }
    }
}

/// The media type of a Full PKI Request (RFC 5273 §3.1).
const REQUEST_TYPE: &str = "application/pkcs7-mime; smime-type=CMC-request";

/// The media type of a PKCS #10 request (RFC 7030 §4.2.1).
const SIMPLE_TYPE: &str = "application/pkcs10";

/// Returns the body of a reply if it is a CMC message.
///
/// # Errors
/// [`Kind::Http`]: a status other than 200, an empty body, HTML, or anything but DER. For a CMC
/// *failure* Dogtag sends 200 and a CMC message; after an internal error, 200 and an HTML page.
pub(super) fn cmc_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
    if reply.status != 200 {
        let error = bad_status(url, &reply);
        return Err(match reply.status {
            404 => error.hint("check the URL, and that the CA subsystem is deployed"),
            401 | 403 => error.hint("use another client certificate, or none"),
            500..=599 => error.hint("see the CA's debug log; the CA may still be starting"),
            _ => error.hint("check that this is the address of the CA, not of a proxy"),
        });
    }
    let bad = |what: String| bad_reply(what, &reply);
    if reply.body.is_empty() {
        return Err(bad(format!("empty response from {url}")).hint("see the CA's debug log"));
    }
    if looks_like_html(&reply.body) {
        return Err(bad(format!("response from {url} is an HTML page, not a CMC message"))
            .hint("see the CA's debug log: the request may have crashed the servlet"));
    }
    // Content that may be a message is judged by its octets, whatever its media type.
    let other = |kind: &&str| !kind.to_ascii_lowercase().contains("pkcs7");
    if reply.body.first() != Some(&0x30)
        && let Some(kind) = reply.content_type.as_deref().filter(other)
    {
        let kind = printable(kind);
        return Err(bad(format!("response from {url} is {kind}, not a CMC message"))
            .hint("check that this is the address of the CA, not of a proxy"));
    }
    Ok(reply.body)
}
