//! What is Dogtag's own: where its servlets are.

pub mod profile_submit;
pub mod records;

use crate::error::{Error, Kind, Result};
use crate::http::endpoint::Endpoint;

/// The servlet that takes any CMC request; the profile decides who may use it.
pub const SUBMIT_FULL: &str = "/ca/ee/ca/profileSubmitCMCFull";

/// The URL that submits to a profile: `base` is `https://host:port`, or already ends in a servlet's
/// path, or is an EST server's (`…/.well-known/est`, with or without label and `/fullcmc`), which
/// takes no profile.
///
/// # Errors
/// [`Kind::Usage`] when `base` is no http or https URL, or there is no profile where one is needed.
pub fn submit_url(base: &str, servlet: &str, profile: &str) -> Result<String> {
    let (_, path) = split(base)?;
    let base = base.trim_end_matches('/');
    let url = match path.trim_end_matches('/') {
        "" => format!("{base}{servlet}"),
        "/ca" => format!("{}{servlet}", base.trim_end_matches("/ca")),
        _ => base.to_owned(),
    };
    if Endpoint::of(&url) == Endpoint::Est {
        // The server chooses the profile, by its configuration or the label in the path.
        let cmc = if url.ends_with("/fullcmc") { "" } else { "/fullcmc" };
        return Ok(format!("{url}{cmc}"));
    }
    if profile.is_empty() {
        return Err(Error::new(Kind::Usage, "no profile given")
            .hint("name the CA's enrolment profile: --profile caCMCserverCert"));
    }
    let mark = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{mark}profileId={}", escape(profile)))
}

/// The URL of a REST resource: `base` as for [`submit_url`], of which only scheme, host and port
/// are used.
///
/// # Errors
/// [`Kind::Usage`] when `base` is no http or https URL.
pub fn rest_url(base: &str, path: &str) -> Result<String> {
    let (origin, _) = split(base)?;
    Ok(format!("{origin}{path}"))
}

/// The name of the host in a URL, an IPv6 address without its brackets.
///
/// # Errors
/// [`Kind::Usage`] when `base` is no http or https URL.
pub fn host(base: &str) -> Result<&str> {
    let (origin, _) = split(base)?;
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest);
    Ok(match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    })
}

/// Scheme, host and port of a URL, and its path.
fn split(base: &str) -> Result<(&str, &str)> {
    let rest = base
        .strip_prefix("https://")
        .or_else(|| base.strip_prefix("http://"))
        .filter(|r| !r.is_empty() && !r.starts_with('/') && !r.contains(char::is_whitespace));
    let Some(rest) = rest else {
        // Without a scheme, nobody sees that this is a password.
        let shown = match base.rsplit_once('@') {
            Some((_, host)) if !base.contains("://") => format!("***@{host}"),
            _ => base.to_owned(),
        };
        return Err(Error::new(Kind::Usage, format!("{shown:?} is no URL of a CA"))
            .hint("write it as https://ca.example.com:8443"));
    };
    let path = rest.find('/').map_or(0, |at| rest.len() - at);
    Ok(base.split_at(base.len() - path))
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn urls() {
        let url = |base| submit_url(base, SUBMIT_FULL, "ca X").unwrap();
        let full = "https://h:8443/ca/ee/ca/profileSubmitCMCFull?profileId=ca%20X";
        for base in ["https://h:8443", "https://h:8443/", "https://h:8443/ca", "https://h:8443/ca/"]
        {
            assert_eq!(url(base), full, "{base}");
        }
        assert_eq!(url("http://h/x/y"), "http://h/x/y?profileId=ca%20X");
        for base in ["https://h:8443", "https://h:8443/", "https://h:8443/ca/ee/x?y"] {
            assert_eq!(rest_url(base, "/ca/rest").unwrap(), "https://h:8443/ca/rest");
        }
        assert!(rest_url("h:8443", "/ca").is_err());
        for base in ["https://h:8443/x", "https://h", "https://u@h:1"] {
            assert_eq!(host(base).unwrap(), "h", "{base}");
        }
        assert_eq!(host("https://[::1]:8443/ca").unwrap(), "::1");
        let est = "https://h/.well-known/est/l/fullcmc";
        for base in ["https://h/.well-known/est/l", "https://h/.well-known/est/l/", est] {
            assert_eq!(url(base), est, "{base}");
        }
        assert!(submit_url("https://h:8443", SUBMIT_FULL, "").is_err());
        for bad in ["", "h:8443", "ftp://h", "https://", "https:///x", "https://a b"] {
            assert!(submit_url(bad, SUBMIT_FULL, "p").is_err(), "{bad}");
        }
    }
}
