//! Whom the TLS connection at hand is with: a proxy that is itself reached over TLS comes before the
//! server, and must get neither its trust nor the client certificate.

/// The other side of one TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hop {
    /// A proxy reached over TLS.
    Proxy,
    /// The server itself.
    #[default]
    Server,
}

/// The way to a server, and how far it has been gone.
#[derive(Default)]
pub(super) struct Route {
    server: String,
    proxy: Option<String>,
    /// Whom the last `SSL_CTX` is for.
    at: Hop,
    /// The proxy has connected us to the server; what it takes to believe that the next `SSL_CTX`
    /// is for the server.
    through: bool,
}

impl Route {
    pub(super) fn new(server: &str, proxy: Option<&str>) -> Route {
        Route { server: server.to_owned(), proxy: proxy.map(str::to_owned), ..Route::default() }
    }

    /// Begins a TLS connection; returns whom it is with.
    pub(super) fn begin(&mut self) -> Hop {
        self.at = if self.proxy.is_some() && !self.through { Hop::Proxy } else { Hop::Server };
        // A connection after that one begins with the proxy again.
        self.through = false;
        self.at
    }

    /// Takes note of a header line from the other side: a proxy's good answer to CONNECT.
    pub(super) fn heard(&mut self, line: &[u8]) {
        if self.at == Hop::Proxy && line.starts_with(b"HTTP/") {
            let status = line.split(|b| *b == b' ').nth(1);
            self.through = status.is_some_and(|s| s.first() == Some(&b'2'));
        }
    }

    /// Returns whom the TLS connection at hand is with.
    pub(super) fn at(&self) -> Hop {
        self.at
    }

    /// Returns the name that the other side's certificate must carry.
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
        // Refused, and asked once more over a new connection.
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
