//! Parses URLs strictly: curl parses them again, and both must find the same host.

use std::fmt;
use std::net::Ipv6Addr;

use crate::error::{Error, Kind, Result};
use crate::text::{authority, split_port};

/// Host, port, and whether TLS is used. Displays as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// ASCII name or address; IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&host_port(&self.host, self.port))
    }
}

/// An http or https URL. Displays as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// Offset in the text where scheme, host and port end.
    origin: usize,
    target: Target,
}

impl Url {
    /// Parses a URL (RFC 3986).
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Url> {
        Url::read(text).map_err(|why| {
            Error::new(Kind::Usage, format!("invalid URL {text:?}: {why}"))
                .hint("use the form https://ca.example.com:8443/ca/ee/ca/profileSubmitCMCFull")
        })
    }

    /// Parses a URL (RFC 3986); the error is only the reason.
    pub(crate) fn read(text: &str) -> std::result::Result<Url, &'static str> {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("it contains a blank, control or non-ASCII character");
        }
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
        let (tls, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err("its scheme is not https or http"),
        };
        let authority = authority(rest);
        if authority.contains(['@', '\\', '%']) {
            return Err("its host contains a user name or an escape");
        }
        let (host, port) = split_port(authority).ok_or("something follows the IPv6 address")?;
        if host.is_empty() {
            return Err("it has no host");
        }
        if authority.starts_with('[') && host.parse::<Ipv6Addr>().is_err() {
            return Err("the brackets have no IPv6 address");
        }
        let port = match port {
            None => default_port,
            Some(p) => match p.parse() {
                Ok(n) if n != 0 && p.bytes().all(|b| b.is_ascii_digit()) => n,
                _ => return Err("its port is not a number from 1 to 65535"),
            },
        };
        let target = Target { host: host.to_owned(), port, tls };
        Ok(Url { text: text.to_owned(), origin: text.len() - rest.len() + authority.len(), target })
    }

    /// Returns the URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host's name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// Returns whether the scheme is https.
    pub(crate) fn is_https(&self) -> bool {
        self.target.tls
    }

    /// Returns the path with query and fragment; empty when there is none.
    pub fn path(&self) -> &str {
        self.text.get(self.origin..).unwrap_or_default()
    }

    /// Returns the URL of another path (with its query) on the same server.
    pub(crate) fn with_path(&self, path: &str) -> Url {
        let origin = self.text.get(..self.origin).unwrap_or_default();
        Url { text: format!("{origin}{path}"), origin: self.origin, target: self.target.clone() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns host and port for messages: an IPv6 address in brackets.
pub(super) fn host_port(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_found() {
        for (url, host, port, tls, shown) in [
            ("https://ca.example:8443/ca/ee", "ca.example", 8443, true, "ca.example:8443"),
            ("HTTP://ca?x=a:b@c", "ca", 80, false, "ca:80"),
            ("https://[::1]:8443", "::1", 8443, true, "[::1]:8443"),
            ("https://[::1]#f", "::1", 443, true, "[::1]:443"),
            ("https://192.0.2.1/", "192.0.2.1", 443, true, "192.0.2.1:443"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(*url.target(), Target { host: host.into(), port, tls });
            assert_eq!(url.target().to_string(), shown);
        }
    }

    #[test]
    fn paths_begin_after_host_and_port() {
        for (url, path) in [
            ("https://h:8443/ca/ee?x=y", "/ca/ee?x=y"),
            ("https://h", ""),
            ("https://[::1]:1?x=/y", "?x=/y"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(url.path(), path);
            assert_eq!(url.with_path(path), url);
        }
        let url = Url::parse("https://h:8443/ca").unwrap();
        assert_eq!(url.with_path("/x").to_string(), "https://h:8443/x");
    }

    #[test]
    fn doubtful_urls_are_refused() {
        for url in [
            "",
            "ca.example",
            "ftp://x/",
            "file:///etc/passwd",
            "https://",
            "https:///p",
            "https://a@b/",
            "https://a:b@c/",
            "https://a b/",
            "https://a\r\nb/",
            "https://ä/",
            "https://a:0/",
            "https://a:+1/",
            "https://a:65536/",
            "https://a:/",
            "https://[x]/",
            "https://[::1]8/",
            "https://a\\b/",
            "https://a%00b/",
            "https://::1/",
            "https://[::1/",
        ] {
            let error = Url::parse(url).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{url}");
        }
    }
}
