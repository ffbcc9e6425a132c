//! Queries the OCSP responders that certificates name.

use std::time::Duration;

use chrono::Utc;

use super::dogtag::records::State;
use crate::error::{Error, Kind, Result};
use crate::http::endpoint::bad_status;
use crate::http::{Transport, TransportOptions, Url};
use crate::nss::Database;
pub use crate::trust::ocsp::{OcspAnswer, OcspStatus};
use crate::trust::ocsp::{OcspQuestion, responders};

/// How to connect to OCSP responders. It has no `Debug`, because the proxy's URL may contain a password.
#[derive(Clone)]
pub struct OcspConfig {
    /// Limit for name lookup and connection together.
    pub connect_timeout: Duration,
    /// Limit for one request and its response.
    pub timeout: Duration,
    /// A proxy's URL; empty for no proxy, `None` for the environment's (`http_proxy`…).
    pub proxy: Option<String>,
}

/// The result of an OCSP query for a certificate.
#[derive(Debug)]
pub enum Responded {
    /// No query was made.
    NotAsked,
    /// The certificate names no responder with an http URL.
    Nobody,
    /// A verified response of the responder with this URL.
    Answer(String, OcspAnswer),
    /// No response, or one that can't be verified.
    Silent(Error),
}

impl Responded {
    /// Returns the certificate's state by OCSP, if the responder reports one.
    pub fn state(&self) -> Option<State> {
        let Responded::Answer(_, answer) = self else { return None };
        match answer.status {
            OcspStatus::Good => Some(State::Valid),
            OcspStatus::Revoked { reason: Some(6), .. } => Some(State::OnHold),
            OcspStatus::Revoked { reason, date } => {
                Some(State::Revoked { reason, date: Some(date) })
            }
            OcspStatus::Unknown => None,
        }
    }
}

/// The responders of one run.
pub(super) struct Responders<'db> {
    config: OcspConfig,
    database: &'db Database,
    /// Created for the first request.
    transport: Option<Transport<'db>>,
    /// URLs of those that can't be reached; each would cost every certificate a time-out.
    lost: Vec<String>,
}

impl<'db> Responders<'db> {
    pub(super) fn new(config: OcspConfig, database: &'db Database) -> Responders<'db> {
        Responders { config, database, transport: None, lost: Vec::new() }
    }

    /// Queries the first responder that a certificate (DER) names. Any fault of the response is
    /// [`Responded::Silent`]: over plain http, an attacker can suppress a response as easily as
    /// forge one.
    ///
    /// # Errors
    /// [`Kind::Interrupted`].
    pub(super) fn ask(&mut self, der: &[u8]) -> Result<Responded> {
        let url = match responders(der) {
            Ok(all) => all.into_iter().find(|url| is_http(url)),
            Err(e) => return Ok(Responded::Silent(e)),
        };
        let Some(url) = url else { return Ok(Responded::Nobody) };
        match self.answer(&url, der) {
            Ok(answer) => Ok(Responded::Answer(url, answer)),
            Err(e) if e.kind() == Kind::Interrupted => Err(e),
            Err(e) => {
                if e.kind() == Kind::Unreachable {
                    self.lost.push(url);
                }
                Ok(Responded::Silent(e))
            }
        }
    }

    fn answer(&mut self, url: &str, der: &[u8]) -> Result<OcspAnswer> {
        let parsed = Url::parse(url)?;
        if self.lost.iter().any(|lost| lost == url) {
            let what = format!("cannot reach the OCSP responder {url}");
            return Err(Error::new(Kind::Unreachable, what)
                .because("it could not be reached before in this run"));
        }
        // Before anything is sent: only a certificate that a trusted CA signed chooses a server.
        let question = OcspQuestion::about(self.database, der)?;
        let reply = self.transport()?.query(
            parsed.as_str(),
            &question.request()?,
            "application/ocsp-request",
            "application/ocsp-response",
        )?;
        if reply.status != 200 {
            return Err(bad_status(&parsed, &reply));
        }
        question.answer(&reply.body, Utc::now())
    }

    fn transport(&mut self) -> Result<&mut Transport<'db>> {
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None => Transport::new(TransportOptions {
                database: Some(self.database),
                connect_timeout: self.config.connect_timeout,
                timeout: self.config.timeout,
                proxy: self.config.proxy.clone(),
                // The responses are signed.
                plain_http: true,
                ..TransportOptions::default()
            })?,
        };
        Ok(self.transport.insert(transport))
    }
}

/// Whether a URL is one of plain http; responders are hardly ever reached otherwise.
fn is_http(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_is_asked() {
        assert!(is_http("http://ca/ocsp") && is_http("HTTP://ca:8080/ca/ocsp"));
        for other in ["https://ca/ocsp", "ldap://ca/", "http:ca", ""] {
            assert!(!is_http(other), "{other}");
        }
    }
}
