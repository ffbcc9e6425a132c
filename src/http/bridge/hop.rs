//! The peer of the present TLS connection. A proxy reached over TLS comes before the server; it
//! must not get the server's trust or the client certificate.

/// The peer of one TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hop {
    /// A proxy reached over TLS.
    Proxy,
    /// The server itself.
    #[default]
    Server,
}

/// The expected peers of one exchange, and the present one.
#[derive(Default)]
pub(super) struct Route {
    server: String,
    proxy: Option<String>,
    /// The peer of the newest `SSL_CTX`.
    at: Hop,
    /// Whether the proxy has connected to the server; only then is the next `SSL_CTX` for the
    /// server.
    through: bool,
}

impl Route {
    pub(super) fn new(server: &str, proxy: Option<&str>) -> Route {
        Route { server: server.to_owned(), proxy: proxy.map(str::to_owned), ..Route::default() }
    }

    /// Starts a TLS connection; returns its peer.
    pub(super) fn begin(&mut self) -> Hop {
        self.at = if self.proxy.is_some() && !self.through { Hop::Proxy } else { Hop::Server };
        // Any further connection starts with the proxy again.
        self.through = false;
        self.at
    }

    /// Records a header line from the peer: a proxy's success response to CONNECT.
    pub(super) fn heard(&mut self, line: &[u8]) {
        if self.at == Hop::Proxy && line.starts_with(b"HTTP/") {
            let status = line.split(|b| *b == b' ').nth(1);
            self.through = status.is_some_and(|s| s.first() == Some(&b'2'));
        }
    }

    /// Returns the peer of the present TLS connection.
    pub(super) fn at(&self) -> Hop {
        self.at
    }

    /// Returns the name that the peer's certificate must have.
    pub(super) fn name(&self) -> &str {
        match (self.at, &self.proxy) {
            (Hop::Proxy, Some(proxy)) => proxy,
            _ => &self.server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_comes_after_the_proxy_s_consent() {
        let mut route = Route::new("ca", Some("proxy"));
        assert_eq!((route.begin(), route.name()), (Hop::Proxy, "proxy"));
        // The proxy refuses CONNECT, and it is repeated on a new connection.
        route.heard(b"HTTP/1.1 407 Who?\r\n");
        route.heard(b"Connection: close\r\n");
        assert_eq!(route.begin(), Hop::Proxy);
        route.heard(b"HTTP/1.1 200 Connection established\r\n");
        assert_eq!((route.begin(), route.name()), (Hop::Server, "ca"));
        route.heard(b"HTTP/1.1 200 \r\n");
        assert_eq!(route.begin(), Hop::Proxy);
        let mut route = Route::new("ca", None);
        assert_eq!((route.begin(), route.begin(), route.name()), (Hop::Server, Hop::Server, "ca"));
    }
}
