//! The cookie of a pending request, which certmonger keeps and gives back when it polls.

use std::fmt;

use nss_cmc::keyid::to_hex;
use sha2::{Digest, Sha256};

/// A pending request: `1:SUBMITTED:REQUEST:PROFILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// When it was submitted, in seconds since 1970.
    pub submitted: i64,
    /// The first octets of the SHA-256 of the request, in hexadecimal.
    request: String,
    /// The profile.
    profile: String,
}

impl Cookie {
    /// Returns the cookie of a request (DER) submitted at a time.
    pub fn new(submitted: i64, request: &[u8], profile: &str) -> Cookie {
        Cookie { submitted, request: fingerprint(request), profile: profile.to_owned() }
    }

    /// Reads a cookie; `None` unless it is of this request (DER) and profile.
    pub fn read(text: &str, request: &[u8], profile: &str) -> Option<Cookie> {
        let mut parts = text.trim_end_matches('\n').splitn(4, ':');
        if parts.next() != Some("1") {
            return None;
        }
        let submitted = parts.next()?.parse().ok()?;
        let (of, for_profile) = (parts.next()?, parts.next()?);
        let cookie = Cookie::new(submitted, request, profile);
        (cookie.request == of && cookie.profile == for_profile).then_some(cookie)
    }
}

fn fingerprint(request: &[u8]) -> String {
    to_hex(Sha256::digest(request).get(..8).unwrap_or_default())
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}:{}:{}", self.submitted, self.request, self.profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_belongs_to_one_request_and_profile() {
        let cookie = Cookie::new(1_800_000_000, b"request", "ca:Cert");
        let text = cookie.to_string();
        assert_eq!(Cookie::read(&text, b"request", "ca:Cert"), Some(cookie.clone()));
        assert_eq!(Cookie::read(&format!("{text}\n"), b"request", "ca:Cert"), Some(cookie));
        assert_eq!(Cookie::read(&text, b"another", "ca:Cert"), None);
        assert_eq!(Cookie::read(&text, b"request", "another"), None);
        for bad in ["", "1", "1:x:y:z", "2:1:1:1", "1:1", "\n"] {
            assert_eq!(Cookie::read(bad, b"request", "ca:Cert"), None, "{bad:?}");
        }
    }
}
