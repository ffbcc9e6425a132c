//! The part of a URL that decides who is talked to.

use std::fmt;

use crate::error::{Error, Kind, Result};

/// Host, port and whether TLS is spoken. Displays as `host:port`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// ASCII name or address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Target {
    /// Strict on purpose: curl reads the URL once more, and both must see the same host.
    pub(super) fn parse(url: &str) -> Result<Target> {
        let bad = |why: &str| {
            Error::new(Kind::Usage, format!("can't use the URL {url:?}: {why}"))
                .hint("give one like https://ca.example.com:8443/ca/ee/ca/profileSubmitCMCFull")
        };
        if !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad("it holds a blank, a control or a non-ASCII character"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let (tls, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(bad("only https and http are spoken")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains(['@', '\\', '%']) {
            return Err(bad("user names and escapes don't belong in its host"));
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
            Some((v6, port)) if v6.parse::<std::net::Ipv6Addr>().is_ok() => {
                match port.strip_prefix(':') {
                    Some(p) => (v6, Some(p)),
                    None if port.is_empty() => (v6, None),
                    None => return Err(bad("something follows the address")),
                }
            }
            Some(_) => return Err(bad("there is no IPv6 address in the brackets")),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() || (host.contains(':') && !authority.starts_with('[')) {
            return Err(bad("it names no host"));
        }
        let port = match port {
            None => default_port,
            Some(p) => match p.parse() {
                Ok(n) if n != 0 && p.bytes().all(|b| b.is_ascii_digit()) => n,
                _ => return Err(bad("its port is no number from 1 to 65535")),
            },
        };
        Ok(Target { host: host.to_owned(), port, tls })
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
            let target = Target::parse(url).unwrap();
            assert_eq!(target, Target { host: host.into(), port, tls });
            assert_eq!(target.to_string(), shown);
        }
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
        ] {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{url}");
        }
    }
}
