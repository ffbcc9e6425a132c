//! What takes a CMC request over HTTP, and how it wants and gives it.

use super::answer;
use crate::asn1::pem;
use crate::cmc::response;
use crate::error::{Error, Kind, Result};
use crate::text::printable;
use crate::transport::{Reply, Transport};

/// The path under which EST lives (RFC 7030 §3.2.2).
const EST: &str = "/.well-known/est";

/// The kinds of endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A servlet of Dogtag: DER both ways; HTTP status 200 whatever the CMC status.
    Servlet,
    /// `/fullcmc` of an EST server (RFC 7030 §4.3, RFC 8951): base64 both ways; a CMC failure comes
    /// with a status from 400.
    Est,
}

impl Endpoint {
    /// By the URL's path.
    pub fn of(url: &str) -> Endpoint {
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = path.find('/').and_then(|at| path.get(at..)).unwrap_or_default();
        match path.strip_prefix(EST) {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => Endpoint::Est,
            _ => Endpoint::Servlet,
        }
    }

    /// Sends a message (DER).
    ///
    /// # Errors
    /// As [`Transport::post`].
    pub fn send(self, transport: &mut Transport<'_>, url: &str, message: &[u8]) -> Result<Reply> {
        match self {
            Endpoint::Servlet => transport.post(url, message, answer::REQUEST_TYPE),
            Endpoint::Est => {
                let text = pem::lines(message, 64, "\n");
                transport.post(url, text.as_bytes(), answer::REQUEST_TYPE)
            }
        }
    }

    /// The CMC message (DER) a reply carries.
    ///
    /// # Errors
    /// [`Kind::Http`] when it carries none.
    pub fn body(self, url: &str, reply: Reply) -> Result<Vec<u8>> {
        match self {
            Endpoint::Servlet => answer::cmc_body(url, reply),
            Endpoint::Est => est_body(url, reply),
        }
    }
}

/// Sends a message (DER) to the URL and answers with the CMC message (DER) that came back.
///
/// # Errors
/// As [`Transport::post`]; [`Kind::Http`].
pub fn post(transport: &mut Transport<'_>, url: &str, message: &[u8]) -> Result<Vec<u8>> {
    let endpoint = Endpoint::of(url);
    let reply = endpoint.send(transport, url, message)?;
    // Who answers has the request, whatever the answer is.
    endpoint.body(url, reply).map_err(Error::sent)
}

/// Whatever the HTTP status, a CMC message is the answer: it says more, and is signed.
fn est_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
    let der = pem::to_der("the answer", &reply.body).ok();
    if let Some(der) = der.filter(|der| response::parse(der).is_ok()) {
        return Ok(der);
    }
    let (status, words) = (reply.status, plain_text(&reply));
    if status == 200 {
        answer::cmc_body(url, reply)?;
        return Err(Error::new(
            Kind::Http,
            format!("the server's answer from {url} is not base64 of a CMC message"),
        )
        .http(status)
        .retry(false));
    }
    match (answer::cmc_body(url, reply), words) {
        (Err(e), Some(words)) => Err(e.because(words)),
        (other, _) => other,
    }
}

/// The first line of an explanation in `text/plain` (RFC 7030 §4.2.3).
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

    #[test]
    fn est_is_known_by_its_path() {
        for url in [
            "https://h/.well-known/est/fullcmc",
            "https://h:8443/.well-known/est/label/fullcmc?x=y",
            "https://h/.well-known/est",
        ] {
            assert_eq!(Endpoint::of(url), Endpoint::Est, "{url}");
        }
        for url in [
            "https://h",
            "https://h/ca/ee/ca/profileSubmitCMCFull?x=/.well-known/est/",
            "https://h/.well-known/established",
        ] {
            assert_eq!(Endpoint::of(url), Endpoint::Servlet, "{url}");
        }
    }
}
