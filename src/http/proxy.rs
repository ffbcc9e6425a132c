//! The proxy before a server: chosen by curl's rules, printed without its password.

use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::url::{Target, host_port};
use crate::error::{Error, Kind, Result};
use crate::text::{percent_decoded, split_port};

/// Scheme, whether it is TLS, and curl's default port.
const SCHEMES: &[(&str, bool, u16)] = &[
    ("http", false, 1080),
    ("https", true, 443),
    ("socks4", false, 1080),
    ("socks4a", false, 1080),
    ("socks5", false, 1080),
    ("socks5h", false, 1080),
];

/// A proxy. Displays as `host:port`. It has no `Debug`, because the URL may contain a password.
pub(super) struct Proxy {
    /// The URL for curl.
    pub(super) url: Zeroizing<String>,
    /// User and password as in the URL.
    userinfo: Option<Zeroizing<String>>,
    /// Name or address, IPv6 without brackets.
    pub(super) host: String,
    port: u16,
    /// Whether the proxy is reached over TLS.
    pub(super) tls: bool,
    /// The source of its URL, for messages.
    pub(super) source: &'static str,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&host_port(&self.host, self.port))
    }
}

impl Proxy {
    /// Returns the proxy for a target: the `given` one (none if that is empty), else the
    /// environment's, unless `no_proxy` exempts the target.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an invalid proxy URL; the error has neither user nor password.
    pub(super) fn find(
        given: Option<&str>,
        target: &Target,
        environment: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Option<Proxy>> {
        // curl ignores an empty variable.
        let variable = |name: &'static str| {
            let value = environment(name).filter(|v| !v.is_empty())?;
            // Octets that are not UTF-8 are refused below, as invalid characters.
            Some((name, Zeroizing::new(value.to_string_lossy().into_owned())))
        };
        // HTTP_PROXY in upper case could come from a CGI client's header, so it is ignored.
        let names: &[_] = match target.tls {
            true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let found = match given {
            Some("") => None,
            Some(url) => Some(("the proxy option", Zeroizing::new(url.to_owned()))),
            None => names.iter().find_map(|name| variable(name)),
        };
        let Some((source, url)) = found else { return Ok(None) };
        let except = ["no_proxy", "NO_PROXY"].into_iter().find_map(variable);
        if except.is_some_and(|(_, list)| exempt(&list, &target.host)) {
            return Ok(None);
        }
        Proxy::parse(url, source).map(Some)
    }

    fn parse(url: Zeroizing<String>, source: &'static str) -> Result<Proxy> {
        let bad = |why: &str| {
            Error::new(Kind::Usage, format!("invalid proxy URL in {source}: {why}"))
                .hint("use http://host:port; escape %, @, / and # in a password: %25, %40…")
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
        let scheme = SCHEMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme));
        let Some((_, tls, default_port)) = scheme else {
            return Err(bad("its scheme is not http, https, socks4, socks4a, socks5 or socks5h"));
        };
        if rest.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\u{fffd}') {
            return Err(bad("it contains a blank, control or undecodable character"));
        }
        // An unescaped / ? # or @ may be part of a password: then nothing of the URL may be
        // printed.
        let (authority, path) =
            rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/") {
            return Err(bad("something follows host and port"));
        }
        let (userinfo, address) = match authority.split_once('@') {
            Some((userinfo, address)) => (Some(userinfo), address),
            None => (None, authority),
        };
        let (host, port) = split_port(address).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(bad("it has no host, or more than one @"));
        }
        let port = match port {
            None => *default_port,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| bad("its port is larger than 65535"))?
            }
            _ => return Err(bad("its port is not a number")),
        };
        let userinfo = userinfo.map(|u| Zeroizing::new(u.to_owned()));
        Ok(Proxy { userinfo, host: host.to_owned(), port, tls: *tls, source, url })
    }

    /// Returns a message of curl without user and password.
    pub(super) fn hide(&self, text: String) -> String {
        let Some(userinfo) = self.userinfo.as_ref().filter(|u| !u.is_empty()) else { return text };
        let mut text = text.replace(userinfo.as_str(), "***");
        let (_, password) = userinfo.split_once(':').unwrap_or_default();
        let decoded = |text| {
            let octets = Zeroizing::new(percent_decoded(text));
            String::from_utf8_lossy(&octets).into_owned()
        };
        for secret in
            [password.to_owned(), decoded(userinfo), decoded(password)].map(Zeroizing::new)
        {
            if !secret.is_empty() {
                text = text.replace(secret.as_str(), "***");
            }
        }
        text
    }
}

/// Returns whether a list in the form of `no_proxy` contains the host: domain names with their
/// subdomains, addresses, networks (`192.0.2.0/24`), or `*`.
fn exempt(list: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(address) = address {
            let (network, bits) = entry.split_once('/').unwrap_or((entry, ""));
            let network = network.trim_matches(['[', ']']).parse();
            return network.is_ok_and(|network| in_network(address, network, bits));
        }
        let name = entry.trim_matches('.');
        let below = host.len().checked_sub(name.len()).and_then(|at| host.split_at_checked(at));
        below.is_some_and(|(before, end)| {
            end.eq_ignore_ascii_case(name) && (before.is_empty() || before.ends_with('.'))
        })
    })
}

fn in_network(address: IpAddr, network: IpAddr, bits: &str) -> bool {
    let (address, network, length) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (a.to_bits().into(), n.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    let bits: u32 = match bits {
        "" => length,
        digits => digits.parse().unwrap_or(u32::MAX),
    };
    let differing: u128 = address ^ network;
    length.checked_sub(bits).is_some_and(|rest| differing.checked_shr(rest).unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(given: Option<&str>, host: &str, variables: &[(&str, &str)]) -> Result<Option<String>> {
        let target = Target { host: host.into(), port: 443, tls: true };
        let lookup =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        Proxy::find(given, &target, lookup).map(|proxy| proxy.map(|p| p.to_string()))
    }

    #[test]
    fn it_is_found_as_curl_does() {
        let both = [("HTTPS_PROXY", "two:2"), ("https_proxy", "http://one:1/"), ("no_proxy", "")];
        for (given, host, variables, want) in [
            (None, "ca", &[][..], None),
            (None, "ca", &both, Some("one:1")),
            (None, "ca", &both[..1], Some("two:2")),
            (Some(""), "ca", &both, None),
            (Some("three:3"), "ca", &both, Some("three:3")),
            (None, "ca", &[("http_proxy", "x:1"), ("ALL_PROXY", "socks5h://y")], Some("y:1080")),
            (None, "ca", &[("https_proxy", ""), ("all_proxy", "https://u:p@y/")], Some("y:443")),
            (None, "ca.x", &[("https_proxy", "[::1]:9"), ("no_proxy", "y")], Some("[::1]:9")),
            (Some("x:1"), "a.CA.x.", &[("NO_PROXY", "y, .ca.x")], None),
        ] {
            assert_eq!(find(given, host, variables).unwrap().as_deref(), want, "{variables:?}");
        }
    }

    #[test]
    fn exempt_are_names_below_and_networks() {
        for (list, host, want) in [
            ("*", "ca", true),
            ("example.com", "ca.example.com", true),
            ("EXAMPLE.com.", "example.COM", true),
            ("ample.com", "ca.example.com", false),
            ("ca.example.com", "example.com", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.2.77", true),
            ("192.0.2.0/25", "192.0.2.177", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("192.0.2.0/33", "192.0.2.1", false),
            ("2.1", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8::1", true),
            ("[::1]", "::1", true),
            (", ,", "ca", false),
        ] {
            assert_eq!(exempt(list, host), want, "{list} {host}");
        }
    }

    #[test]
    fn a_bad_one_is_refused_without_its_password() {
        for url in [
            "ftp://user:geheim@host",
            "geheim://host",
            "http://user:geheim",
            "http://user:ge@heim@host:1",
            "http://user:1/geheim@host:1",
            "http://user:1?geheim@host:1",
            "http://user:1#geheim@host:1",
            "http://user:1\\geheim@host:1",
            "http://user:geheim@host:x",
            "http://user:geheim@host:99999",
            "http://user:geheim@",
            "http://user:ge heim@host",
            "http://user:geheim@ho\u{fffd}st",
        ] {
            let error = find(Some(url), "ca", &[]).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{url}");
            let said = format!("{error} {}", error.hint_text().unwrap());
            assert!(!said.contains("geheim") && !said.contains("heim"), "{said}");
        }
    }

    #[test]
    fn curl_s_words_lose_user_and_password() {
        let url = Zeroizing::new("http://user:s%40cret@host:1".to_owned());
        let proxy = Proxy::parse(url, "x").unwrap();
        let text = "bad 'http://user:s%40cret@host:1', s@cret, s%40cret, user:s@cret".to_owned();
        assert_eq!(proxy.hide(text), "bad 'http://***@host:1', ***, ***, ***");
        assert_eq!(proxy.to_string(), "host:1");
    }
}
