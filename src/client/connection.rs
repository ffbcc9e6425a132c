//! The connection to a CA: its settings, and sending messages whose responses are verified before
//! they are used.

use std::time::Duration;

use super::dogtag::submit_url;
use super::judge::{self, Received};
use super::session::Identity;
use crate::cmc::request::Sent;
use crate::cmc::response::Response;
use crate::error::{Error, Result};
use crate::http::endpoint::{Encoding, Endpoint};
use crate::http::{ServerTrust, Transport, TransportOptions, Url};
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
            plain_http: usual.plain_http,
            allow_unsigned_response: false,
            server: usual.server,
        }
    }

    /// Returns the URL that CMC requests are sent to.
    ///
    /// # Errors
    /// As [`submit_url`].
    pub fn submit_url(&self) -> Result<Url> {
        submit_url(&self.ca, self.profile.as_deref())
    }

    /// Prepares a transport; nothing is sent. The database decides which servers are trusted, and
    /// is required for https; the identity is offered to servers that request a certificate.
    ///
    /// # Errors
    /// As [`Transport::new`].
    pub fn transport<'db>(
        &self,
        database: Option<&'db Database>,
        identity: Option<Identity>,
    ) -> Result<Transport<'db>> {
        Transport::new(TransportOptions {
            database,
            identity,
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            proxy: self.proxy.clone(),
            plain_http: self.plain_http,
            server: self.server.clone(),
        })
    }
}

/// A connection to the CA's endpoint for CMC requests.
pub struct Connection<'a> {
    database: &'a Database,
    transport: Transport<'a>,
    endpoint: Endpoint,
    allow_unsigned_response: bool,
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
            database,
            endpoint: Endpoint::new(config.submit_url()?, config.est_encoding),
            transport: config.transport(Some(database), identity)?,
            allow_unsigned_response: config.allow_unsigned_response,
        })
    }

    /// Returns the transport, for other requests over the same connection.
    pub fn transport(&mut self) -> &mut Transport<'a> {
        &mut self.transport
    }

    /// Returns the endpoint that messages are sent to.
    pub fn endpoint(&self) -> &Endpoint {
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

    /// Sends a message and decodes the response without verifying it.
    ///
    /// # Errors
    /// As [`Endpoint::post`] and [`judge::read`].
    pub fn exchange(&mut self, message: &[u8]) -> Result<Received> {
        let reply = self.endpoint.post(&mut self.transport, message)?;
        // A server that replies has received the request.
        judge::read(&self.endpoint, reply).map_err(Error::sent)
    }

    /// Verifies a response and compares it with what was sent.
    ///
    /// # Errors
    /// As [`judge::believe`].
    pub fn verify(&self, received: &Received, sent: &Sent) -> Result<()> {
        judge::believe(self.database, received, sent, self.allow_unsigned_response)
            .map_err(Error::sent)
    }
}
