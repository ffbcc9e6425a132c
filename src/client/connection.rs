//! The connection to a CA: how it is reached, and messages sent over it, of whose responses nothing
//! is believed before it is verified.

use std::time::Duration;

use super::dogtag::submit_url;
use super::judge::{self, Received};
use super::session::Identity;
use crate::cmc::request::Sent;
use crate::cmc::response::Response;
use crate::error::{Error, Result};
use crate::http::endpoint::{Encoding, Endpoint};
use crate::http::{Transport, TransportOptions, Url};
use crate::nss::Database;

/// Which CA, and how it is reached. It has no `Debug`, since the proxy's URL may hold a password.
#[derive(Clone)]
pub struct Config {
    /// The CA's URL, as [`ca_url`](super::dogtag::ca_url) reads it.
    pub ca: Url,
    /// Profile id; an EST server takes none.
    pub profile: Option<String>,
    /// Limit for name look-up, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Limit for a whole round trip.
    pub timeout: Duration,
    /// A proxy's URL; empty for none, `None` for what the environment says (`https_proxy`…).
    pub proxy: Option<String>,
    /// How requests to an EST server are encoded; `None` finds out.
    pub est_encoding: Option<Encoding>,
    /// Allows `http` URLs, where anybody on the way can read and change everything.
    pub plain_http: bool,
    /// Believes a response with certificates only, which is not signed.
    pub allow_unsigned_response: bool,
}

impl Config {
    /// The usual configuration for a CA, without profile.
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
        }
    }

    /// Where CMC requests are sent to.
    ///
    /// # Errors
    /// As [`submit_url`].
    pub fn submit_url(&self) -> Result<Url> {
        submit_url(&self.ca, self.profile.as_deref())
    }

    /// Prepares a transport; nothing is sent. The database decides which servers are trusted, and is
    /// needed for https; the identity is for servers that ask for a certificate.
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
        })
    }
}

/// A connection to the endpoint of a CA that takes CMC requests.
pub struct Connection<'a> {
    database: &'a Database,
    transport: Transport<'a>,
    endpoint: Endpoint,
    allow_unsigned_response: bool,
}

impl<'a> Connection<'a> {
    /// Prepares; nothing is sent.
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

    /// For other requests over the same connection.
    pub fn transport(&mut self) -> &mut Transport<'a> {
        &mut self.transport
    }

    /// Where messages are sent to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a message; its response is verified, and compared with what was sent.
    ///
    /// # Errors
    /// As [`Connection::exchange`] and [`Connection::verify`]. Those after the message may have left
    /// are marked as [sent](Error::was_sent).
    pub fn send(&mut self, message: &[u8], sent: &Sent) -> Result<Response> {
        let received = self.exchange(message)?;
        self.verify(&received, sent)?;
        Ok(received.response)
    }

    /// Sends a message; its response is decoded and not verified.
    ///
    /// # Errors
    /// As [`Endpoint::post`] and [`judge::read`].
    pub fn exchange(&mut self, message: &[u8]) -> Result<Received> {
        let reply = self.endpoint.post(&mut self.transport, message)?;
        // Who replies has the request, whatever the reply is.
        judge::read(&self.endpoint, reply).map_err(Error::sent)
    }

    /// Verifies a response, and compares it with what was sent.
    ///
    /// # Errors
    /// As [`judge::believe`].
    pub fn verify(&self, received: &Received, sent: &Sent) -> Result<()> {
        judge::believe(self.database, received, sent, self.allow_unsigned_response)
            .map_err(Error::sent)
    }
}
