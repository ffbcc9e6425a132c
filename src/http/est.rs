//! CMC over EST, `/fullcmc` (RFC 7030 §4.3, RFC 8951): encodings, and the meaning of HTTP statuses.

use super::endpoint::cmc_body;
use super::{Reply, Url};
use crate::asn1::pem;
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

/// Returns whether a URL has an EST path.
pub(crate) fn is_est(url: &Url) -> bool {
    let rest = url.path().strip_prefix(EST);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Returns whether a reply proves that the EST server could not read the request, so that nothing
/// was issued: HTTP status 400 or 415, without a CMC message or with one that rejects the message
/// itself (badMessageCheck, or badRequest, which Dogtag sends for undecodable requests).
pub(super) fn unread(reply: &Reply) -> bool {
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

pub(super) fn wants_proof(status: &Status) -> bool {
    let text = status.text.as_deref().unwrap_or_default();
    text.contains("not pre-signed CMC request; missing Proof of Identification control")
}

/// Returns the CMC message (DER) in a reply, whatever its HTTP status and encoding.
pub(super) fn cmc_in(reply: &Reply) -> Option<Vec<u8>> {
    let der = pem::to_der("the response", &reply.body).ok()?;
    response::parse(&der).is_ok().then_some(der)
}

/// A CMC message is the response, whatever the HTTP status: it has details and a signature.
pub(super) fn est_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
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
