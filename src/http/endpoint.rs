//! The endpoints for CMC requests over HTTP (RFC 5273 §3, RFC 7030 §4.3): encodings, and the
//! meaning of HTTP statuses.

use zeroize::Zeroizing;

use super::{Reply, Transport, Url};
use crate::asn1::pem::{self, looks_like_html};
use crate::cmc::response::{self, FailInfo, OtherInfo, Outcome, Status};
use crate::error::{Error, Kind, Result};
use crate::text::printable;

/// The path prefix of EST (RFC 7030 §3.2.2).
const EST: &str = "/.well-known/est";

/// The encoding of a CMC request for an EST server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// DER, which Dogtag's EST requires.
    Der,
    /// base64 (RFC 7030, RFC 8951).
    Base64,
}

impl std::str::FromStr for Encoding {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Encoding, String> {
        match word.to_ascii_lowercase().as_str() {
            "der" => Ok(Encoding::Der),
            "base64" => Ok(Encoding::Base64),
            _ => Err("use der or base64".into()),
        }
    }
}

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
}

/// Returns whether a URL has an EST path.
pub(crate) fn is_est(url: &Url) -> bool {
    let rest = url.path().strip_prefix(EST);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
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
            Framing::Est(_) => est_body(url, reply),
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

/// Returns the body of a reply if it is a CMC message.
///
/// # Errors
/// [`Kind::Http`]: a status other than 200, an empty body, HTML, or anything but DER. For a CMC
/// *failure* Dogtag sends 200 and a CMC message; after an internal error, 200 and an HTML page.
fn cmc_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
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

/// Returns whether a reply proves that the EST server could not read the request, so that nothing
/// was issued: HTTP status 400 or 415, without a CMC message or with one that rejects the message
/// itself (badMessageCheck, or badRequest, which Dogtag sends for undecodable requests).
fn unread(reply: &Reply) -> bool {
    matches!(reply.status, 400 | 415)
        && match cmc_in(reply).map(|der| response::parse(&der).map(|r| r.outcome())) {
            None => true,
            Some(Ok(Outcome::Rejected(status))) => {
                let why = match &status.other {
                    Some(OtherInfo::Fail(info)) => *info,
                    _ => return false,
                };
                [FailInfo::BAD_MESSAGE_CHECK, FailInfo::BAD_REQUEST].contains(&why)
                    && !wants_proof(&status)
            }
            Some(_) => false,
        }
}

fn wants_proof(status: &Status) -> bool {
    let text = status.text.as_deref().unwrap_or_default();
    text.contains("not pre-signed CMC request; missing Proof of Identification control")
}

/// Returns the CMC message (DER) in a reply, whatever its HTTP status and encoding.
fn cmc_in(reply: &Reply) -> Option<Vec<u8>> {
    let der = pem::to_der("the response", &reply.body).ok()?;
    response::parse(&der).is_ok().then_some(der)
}

/// A CMC message is the response, whatever the HTTP status: it has details and a signature.
fn est_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
    if let Some(der) = cmc_in(&reply) {
        return Ok(der);
    }
    let (status, words) = (reply.status, plain_text(&reply));
    let refused = |kind: Kind, what: String, hint: &str| {
        let error = Error::new(kind, what).http(status).retry(false).hint(hint);
        Err(words.clone().into_iter().fold(error, Error::because))
    };
    match status {
        200 => {
            cmc_body(url, reply)?;
            refused(
                Kind::Http,
                format!("response from {url} is not base64 of a CMC message"),
                "check that the path ends in /fullcmc",
            )
        }
        // Accepted, to be retried later (RFC 7030 §4.2.3).
        202 => refused(
            Kind::Pending,
            format!("the EST server {url} has not issued the certificate yet (HTTP status 202)"),
            "send the same request again later",
        ),
        401 => refused(
            Kind::Http,
            format!("the EST server {url} did not authenticate the client (HTTP status 401)"),
            "use a certificate that the EST server accepts: --signer NICKNAME",
        ),
        415 => refused(
            Kind::Http,
            format!(
                "the EST server {url} does not accept the request's media type (HTTP status 415)"
            ),
            "check that the path ends in /fullcmc",
        ),
        _ => match (cmc_body(url, reply), words) {
            (Err(e), Some(words)) => Err(e.because(words)),
            (other, _) => other,
        },
    }
}

/// Returns the first line of a `text/plain` explanation (RFC 7030 §4.2.3).
fn plain_text(reply: &Reply) -> Option<String> {
    let kind = reply.content_type.as_deref()?.trim_start().to_ascii_lowercase();
    if !kind.starts_with("text/plain") {
        return None;
    }
    let text = String::from_utf8_lossy(reply.body.get(..200.min(reply.body.len()))?).into_owned();
    let line = text.lines().map(str::trim).find(|l| !l.is_empty())?;
    Some(printable(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u32, body: &[u8]) -> Reply {
        Reply { status, content_type: None, header_lines: Vec::new(), body: body.to_vec() }
    }

    /// EST servers use either encoding, and various statuses.
    #[test]
    fn a_message_is_read_in_every_encoding_and_with_every_status() {
        let der = include_bytes!("../../tests/vectors/01-rsa-server/response.der");
        let lines = |end| pem::lines(der, 64, end);
        for body in [
            der.to_vec(),
            lines("\n").into_bytes(),
            lines("\r\n").into_bytes(),
            lines("").into_bytes(),
            pem::encode("CMS", der).into_bytes(),
        ] {
            for status in [200, 400, 501] {
                assert_eq!(est_body("u", reply(status, &body)).unwrap(), der);
            }
            assert!(!unread(&reply(400, &body)), "a success was understood");
        }
        assert!(unread(&reply(400, b"what?")) && unread(&reply(415, b"")));
        for status in [200, 202, 401, 403, 404, 500, 501, 502] {
            assert!(!unread(&reply(status, b"what?")), "{status}");
        }
        assert_eq!(est_body("u", reply(202, b"")).unwrap_err().kind(), Kind::Pending);
    }

    #[test]
    fn est_is_known_by_its_path() {
        for url in [
            "https://h/.well-known/est/fullcmc",
            "https://h:8443/.well-known/est/label/fullcmc?x=y",
            "https://h/.well-known/est",
        ] {
            assert!(is_est(&Url::parse(url).unwrap()), "{url}");
        }
        for url in [
            "https://h",
            "https://h/ca/ee/ca/profileSubmitCMCFull?x=/.well-known/est/",
            "https://h/.well-known/established",
        ] {
            assert!(!is_est(&Url::parse(url).unwrap()), "{url}");
        }
    }
}
