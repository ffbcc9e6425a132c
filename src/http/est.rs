//! EST (RFC 7030, RFC 8951): URLs, encodings, and the meaning of HTTP statuses.

use chrono::{DateTime, TimeDelta, Utc};

use super::endpoint::cmc_body;
use super::{Reply, Url};
use crate::asn1::pem;
use crate::cmc::response::{self, FailInfo, OtherInfo, Outcome, Status};
use crate::error::{Error, Kind, Result};
use crate::text::{percent_encoded, printable};

/// The path prefix of EST (RFC 7030 §3.2.2).
const EST: &str = "/.well-known/est";

/// An operation of EST (RFC 7030 §3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The CA's certificates.
    CaCerts,
    /// A certificate for a PKCS #10 request.
    SimpleEnroll,
    /// A certificate in place of the one that authenticates the client.
    SimpleReenroll,
    /// A CMC request.
    FullCmc,
}

impl Operation {
    /// Returns the last segment of its path.
    fn word(self) -> &'static str {
        match self {
            Operation::CaCerts => "cacerts",
            Operation::SimpleEnroll => "simpleenroll",
            Operation::SimpleReenroll => "simplereenroll",
            Operation::FullCmc => "fullcmc",
        }
    }
}

/// The last segments that an EST path may have, besides a label.
const OPERATIONS: [&str; 6] =
    ["cacerts", "simpleenroll", "simplereenroll", "fullcmc", "serverkeygen", "csrattrs"];

/// Returns the URL of the EST server at `https://host:port`, with the path of RFC 7030 §3.2.2; the
/// label selects one of several CAs or profiles, and is empty for none.
///
/// # Errors
/// [`Kind::Usage`] for a URL that has another path, or for an invalid label.
pub fn est_url(server: &Url, label: &str) -> Result<Url> {
    let path = server.path().trim_end_matches('/');
    if label.is_empty() && is_est(server) {
        return Ok(server.clone());
    }
    if !path.is_empty() {
        return Err(Error::new(Kind::Usage, format!("cannot use the URL {server} for EST"))
            .because("it has a path")
            .hint("use the form https://est.example.com:8443, and the label with --est=LABEL"));
    }
    if label.contains('/') || [".", ".."].contains(&label) || OPERATIONS.contains(&label) {
        return Err(Error::new(Kind::Usage, format!("invalid EST label {label:?}"))
            .because("a label is one segment of the path, before the operation"));
    }
    let label = match label.is_empty() {
        true => String::new(),
        false => format!("/{}", percent_encoded(label)),
    };
    Ok(server.with_path(&format!("{EST}{label}")))
}

/// Returns the URL of an operation on the EST server at `url`, which may name another operation.
pub(crate) fn operation_url(url: &Url, operation: Operation) -> Url {
    let path = url.path().trim_end_matches('/');
    let base = match path.rsplit_once('/') {
        Some((base, last)) if OPERATIONS.contains(&last) => base,
        _ => path,
    };
    url.with_path(&format!("{base}/{}", operation.word()))
}

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

/// Returns the message (DER) in a reply. A CMC message is the response, whatever the HTTP status: it has
/// details and a signature. Certificates alone (`/cacerts`, RFC 7030 §4.1.3) are one without content.
///
/// # Errors
/// [`Kind::Http`], [`Kind::Pending`].
pub(crate) fn est_body(url: &str, reply: Reply) -> Result<Vec<u8>> {
    if let Some(der) = cmc_in(&reply) {
        return Ok(der);
    }
    if reply.status != 200 {
        return Err(refusal(url, &reply));
    }
    cmc_body(url, reply)?;
    Err(Error::new(Kind::Http, format!("response from {url} is not base64 of a CMC message"))
        .http(200)
        .retry(false)
        .hint("check that the URL is that of an EST server"))
}

/// Returns the error for an HTTP status other than 200 without a CMC message.
fn refusal(url: &str, reply: &Reply) -> Error {
    let status = reply.status;
    let failed = |what: &str| {
        let what = format!("the EST server {url} {what} (HTTP status {status})");
        Error::new(Kind::Http, what).http(status).retry(status >= 500)
    };
    let error = match status {
        // Accepted, to be retried later (RFC 7030 §4.2.3).
        202 => {
            let when = match retry_time(reply, Utc::now()) {
                Some(time) => format!("; try again at {}", time.to_rfc3339()),
                None => String::new(),
            };
            let what = format!(
                "the EST server {url} has not issued the certificate yet (HTTP status 202){when}"
            );
            Error::new(Kind::Pending, what)
                .http(status)
                .retry(false)
                .hint("send the same request again later")
        }
        400 => failed("refused the request").hint("see the EST server's log"),
        401 => failed("did not authenticate the client").hint(
            "use a certificate that the EST server accepts, --signer NICKNAME, or a user and \
             password, --est-user NAME",
        ),
        403 => failed("does not permit the client to do this")
            .hint("a client may be permitted only its own subject: compare them"),
        404 => failed("does not have this operation")
            .hint("check the label, or that EST is installed on this server"),
        415 => failed("does not accept the request's media type")
            .hint("check that the path ends in /fullcmc"),
        501 => failed("cannot do this, or not yet").hint(
            "see the EST server's log: the CA may hold back the request, or require a proof of \
             possession",
        ),
        502..=504 => failed("is not available").hint("try again later"),
        500..=599 => failed("failed").hint("see the EST server's log, and the CA's"),
        _ => failed("gave an unexpected answer")
            .hint("check that this is the address of the EST server, not of a proxy"),
    };
    plain_text(reply).into_iter().fold(error, Error::because)
}

/// Returns the time of `Retry-After` (RFC 9110 §10.2.3): seconds from now, or a date.
fn retry_time(reply: &Reply, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let value = reply.header_lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("retry-after").then_some(value.trim())
    })?;
    match value.parse() {
        Ok(seconds) => now.checked_add_signed(TimeDelta::try_seconds(seconds)?),
        Err(_) => Some(DateTime::parse_from_rfc2822(value).ok()?.to_utc()),
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
    fn urls_of_operations() {
        let url = |text: &str| Url::parse(text).unwrap();
        let made = |text: &str, label: &str| est_url(&url(text), label).map(|u| u.to_string());
        let est = "https://h:9443/.well-known/est";
        for base in ["https://h:9443", "https://h:9443/"] {
            assert_eq!(made(base, "").unwrap(), est);
            assert_eq!(made(base, "my label").unwrap(), format!("{est}/my%20label"));
        }
        assert_eq!(made(est, "").unwrap(), est);
        for (bad, label) in [("https://h/ca", ""), (est, "x"), ("https://h", "a/b")] {
            assert_eq!(made(bad, label).unwrap_err().kind(), Kind::Usage, "{bad} {label}");
        }
        assert!(made("https://h", "fullcmc").is_err());
        for base in ["", "/", "/fullcmc", "/simpleenroll", "/simplereenroll/"] {
            let base = url(&format!("{est}/l{base}"));
            let found = operation_url(&base, Operation::CaCerts);
            assert_eq!(found.as_str(), format!("{est}/l/cacerts"));
        }
    }

    #[test]
    fn the_time_to_try_again() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |value: &str| {
            let header_lines = vec!["HTTP/1.1 202 ".to_owned(), format!("retry-AFTER: {value}")];
            let reply = Reply { header_lines, ..reply(202, b"") };
            retry_time(&reply, now).map(|time| time.timestamp())
        };
        assert_eq!(at("120"), Some(1_800_000_120));
        assert_eq!(at("Fri, 31 Dec 1999 23:59:59 GMT"), Some(946_684_799));
        for bad in ["", "soon", "9223372036854775807", "-1.5"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert_eq!(retry_time(&reply(202, b""), now), None);
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
