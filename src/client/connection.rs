//! The connection to a CA: its settings, and sending messages whose responses are verified before
//! they are used.

use std::sync::Arc;
use std::time::Duration;

pub use crate::http::est::{Encoding, est_url};
pub use crate::http::{Exchange, Login, Overlooked, Problem, Reply, ServerTrust, Transport};

use super::dogtag::submit_url;
use super::session::Identity;
use super::verify_response;
use crate::cmc::request::Sent;
use crate::cmc::response::{self, Response};
use crate::error::{Error, Kind, Result};
use crate::http::endpoint::Endpoint;
use crate::http::est::is_est;
use crate::http::{TransportOptions, Url};
use crate::nss::Database;

/// The CA's URL and how to connect. It has no `Debug`, because the proxy's URL may contain a
/// password.
#[derive(Clone)]
pub struct Config {
    /// The CA's URL, as [`ca_url`](super::dogtag::ca_url) reads it.
    pub ca: Url,
    /// Profile id; not used with an EST server.
    pub profile: Option<String>,
    /// Limit for name lookup, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Limit for a whole round trip.
    pub timeout: Duration,
    /// A proxy's URL; empty for no proxy, `None` for the environment's (`https_proxy`…).
    pub proxy: Option<String>,
    /// The encoding of requests to an EST server; `None` finds it out.
    pub est_encoding: Option<Encoding>,
    /// Whether an EST server gets the PKCS #10 request alone (RFC 7030 §4.2), not in a CMC request.
    pub simple: bool,
    /// User and password for the server, besides a client certificate or instead of one.
    pub login: Option<Arc<Login>>,
    /// Whether `http` URLs are allowed, where others on the network can read and change everything.
    pub plain_http: bool,
    /// Whether to accept a response with certificates only, which has no signature.
    pub allow_unsigned_response: bool,
    /// Which servers are accepted.
    pub server: ServerTrust,
}

impl Config {
    /// Returns the default settings for a CA, without profile.
    pub fn new(ca: Url) -> Config {
        let usual = TransportOptions::default();
        Config {
            ca,
            profile: None,
            connect_timeout: usual.connect_timeout,
            timeout: usual.timeout,
            proxy: usual.proxy,
            est_encoding: None,
            simple: false,
            login: None,
            plain_http: usual.plain_http,
            allow_unsigned_response: false,
            server: usual.server,
        }
    }

    /// Returns the URL that CMC requests are sent to.
    ///
    /// # Errors
    /// As [`submit_url`]; [`Kind::Usage`] for a PKCS #10 request to a server that isn't an EST server.
    pub fn submit_url(&self) -> Result<Url> {
        Ok(self.endpoint()?.url().clone())
    }

    /// Returns whether the CA's URL is that of an EST server.
    pub fn is_est(&self) -> bool {
        is_est(&self.ca)
    }

    /// Returns the endpoint that requests are sent to.
    fn endpoint(&self) -> Result<Endpoint> {
        match self.simple {
            true if self.is_est() => Ok(Endpoint::simple(&self.ca)),
            true => {
                Err(Error::new(Kind::Usage, "only an EST server accepts a request without CMC")
                    .hint("add --est"))
            }
            false => {
                let url = submit_url(&self.ca, self.profile.as_deref())?;
                Ok(Endpoint::new(url, self.est_encoding))
            }
        }
    }

    /// Returns whether the server is authenticated: by TLS, under its name, by a CA that the
    /// database trusts.
    fn authenticates_server(&self) -> bool {
        self.ca.is_https() && self.server == ServerTrust::default()
    }

    /// Prepares a transport; nothing is sent. The database decides which servers are trusted, and
    /// is required for https; the identity is offered to servers that request a certificate.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the identity's key can't be used for TLS; [`Kind::Tls`] when libcurl or
    /// OpenSSL can't be used at all.
    pub fn transport<'db>(
        &self,
        database: Option<&'db Database>,
        identity: Option<Identity>,
    ) -> Result<Transport<'db>> {
        let mut transport = Transport::new(TransportOptions {
            database,
            identity,
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            proxy: self.proxy.clone(),
            plain_http: self.plain_http,
            server: self.server.clone(),
        })?;
        if let Some(login) = &self.login {
            transport.log_in_as(&login.user, login.password.duplicate())?;
        }
        Ok(transport)
    }
}

/// Sends a message to an endpoint for a [`Connection`]; the endpoint may learn from the reply.
pub(super) type Poster<'a> = Box<dyn FnMut(&mut Endpoint, &[u8]) -> Result<Reply> + 'a>;

/// A connection to the CA's endpoint for CMC requests.
pub struct Connection<'a> {
    /// Sends messages instead of the transport.
    poster: Option<Poster<'a>>,
    database: Option<&'a Database>,
    transport: Transport<'a>,
    endpoint: Endpoint,
    allow_unsigned_response: bool,
    server_is_authenticated: bool,
}

impl<'a> Connection<'a> {
    /// Prepares a connection; nothing is sent.
    ///
    /// # Errors
    /// As [`Config::submit_url`] and [`Config::transport`].
    pub fn open(
        config: &Config,
        database: &'a Database,
        identity: Option<Identity>,
    ) -> Result<Connection<'a>> {
        Ok(Connection {
            poster: None,
            database: Some(database),
            endpoint: config.endpoint()?,
            transport: config.transport(Some(database), identity)?,
            allow_unsigned_response: config.allow_unsigned_response,
            server_is_authenticated: config.authenticates_server(),
        })
    }

    /// Prepares a connection to the very URL `config.ca`, without a profile; with `est` an EST server
    /// is there, whatever the path. Without a database only plain http can be spoken, and no response
    /// be verified.
    ///
    /// # Errors
    /// As [`Config::transport`].
    pub fn to_url(
        config: &Config,
        est: bool,
        database: Option<&'a Database>,
        identity: Option<Identity>,
    ) -> Result<Connection<'a>> {
        let (url, encoding) = (config.ca.clone(), config.est_encoding);
        Ok(Connection {
            poster: None,
            database,
            endpoint: if est { Endpoint::est(url, encoding) } else { Endpoint::new(url, encoding) },
            transport: config.transport(database, identity)?,
            allow_unsigned_response: config.allow_unsigned_response,
            server_is_authenticated: config.authenticates_server(),
        })
    }

    /// Returns the transport, for other requests over the same connection.
    pub fn transport(&mut self) -> &mut Transport<'a> {
        &mut self.transport
    }

    /// Has messages sent by `poster` from now on.
    pub(super) fn post_by(&mut self, poster: Poster<'a>) {
        self.poster = Some(poster);
    }

    /// Sends messages to the endpoint of `config` from now on: another profile of the same CA.
    ///
    /// # Errors
    /// As [`Config::submit_url`].
    pub(super) fn turn_to(&mut self, config: &Config) -> Result<()> {
        let endpoint = config.endpoint()?;
        if self.endpoint.url() != endpoint.url() {
            self.endpoint = endpoint;
        }
        Ok(())
    }

    /// Returns the endpoint that messages are sent to.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a message (RFC 5273 §3), verifies the response and compares it with what was sent.
    ///
    /// # Errors
    /// As [`Connection::exchange`] and [`Connection::verify`]. Errors after the message may have
    /// been sent are marked as [sent](Error::was_sent).
    pub fn send(&mut self, message: &[u8], sent: &Sent) -> Result<Response> {
        let received = self.exchange(message)?;
        self.verify(&received, sent)?;
        Ok(received.response)
    }

    /// Sends a request as [`Connection::send`] does, but accepts certificates without a signature (RFC
    /// 5272 §4.1) from a server that TLS authenticated. The caller must [prove](verify_response::ours)
    /// the certificate.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) fn request(&mut self, message: &[u8], sent: &Sent) -> Result<Response> {
        let received = self.exchange(message)?;
        let unsigned = self.allow_unsigned_response || self.server_is_authenticated;
        self.verify_as(&received, sent, unsigned)?;
        Ok(received.response)
    }

    /// Sends a PKCS #10 request (RFC 7030 §4.2), for a certificate in place of the client's or for
    /// another one.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) fn request_simply(&mut self, pkcs10: &[u8], again: bool) -> Result<Response> {
        self.endpoint.reenroll(again);
        self.request(pkcs10, &Sent::default())
    }

    /// Sends a message and decodes the response without verifying it.
    ///
    /// # Errors
    /// As [`Connection::post`] and [`Answer::read`].
    pub fn exchange(&mut self, message: &[u8]) -> Result<Received> {
        self.post(message)?.read()
    }

    /// Sends a message; its response is not looked at.
    ///
    /// # Errors
    /// As [`Transport::post`].
    pub fn post(&mut self, message: &[u8]) -> Result<Answer> {
        let reply = match &mut self.poster {
            Some(poster) => poster(&mut self.endpoint, message)?,
            None => self.endpoint.post(&mut self.transport, message)?,
        };
        Ok(Answer { endpoint: self.endpoint.clone(), reply })
    }

    /// Verifies a response as [`verify_response::verify_for`] does.
    ///
    /// # Errors
    /// [`Kind::BadReply`]; [`Kind::Usage`] without a database.
    pub fn verify(&self, received: &Received, sent: &Sent) -> Result<()> {
        self.verify_as(received, sent, self.allow_unsigned_response)
    }

    fn verify_as(&self, received: &Received, sent: &Sent, unsigned: bool) -> Result<()> {
        let database = self.database.ok_or_else(|| {
            Error::new(Kind::Usage, "cannot verify a response without an NSS database")
        })?;
        verify_response::verify_for(database, &received.response, sent, unsigned)
            .map_err(Error::sent)
    }
}

/// What a server answered, as yet unread.
#[derive(Debug)]
pub struct Answer {
    endpoint: Endpoint,
    reply: Reply,
}

impl Answer {
    /// Status line and headers, without line ends.
    pub fn head(&self) -> &[String] {
        &self.reply.header_lines
    }

    /// Decodes the response, a CMC message with a PKIResponse (RFC 5272 §4.2), or with certificates
    /// only (§4.1); nothing is verified.
    ///
    /// # Errors
    /// [`Kind::Http`] when it isn't a CMC message, or not one of a CA.
    pub fn read(self) -> Result<Received> {
        // A server that replies has received the request.
        let der = self.endpoint.message(self.reply).map_err(Error::sent)?;
        let response = decode(&der).map_err(Error::sent)?;
        Ok(Received { der, response })
    }
}

/// A received response; nothing is verified.
#[derive(Debug)]
pub struct Received {
    /// DER or BER of the message.
    pub der: Vec<u8>,
    /// The decoded message.
    pub response: Response,
}

fn decode(der: &[u8]) -> Result<Response> {
    let no_cmc = || Error::new(Kind::Http, "response is not a CMC message").retry(false);
    let response = response::parse(der).map_err(|e| no_cmc().because(e))?;
    verify_response::check_type(&response).map_err(|e| no_cmc().because(e))?;
    Ok(response)
}
