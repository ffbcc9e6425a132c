//! The parts that are specific to Dogtag: URLs of its servlets, its REST records, its enrollment
//! page.

pub mod certificates;
pub mod filter;
pub mod profile_submit;
pub mod profiles;
pub mod records;
pub mod rest;

use crate::error::{Error, Kind, Result};
use crate::http::Url;
use crate::http::est::{Operation, is_est, operation_url};
use crate::text::percent_encoded;

/// The servlet that accepts any CMC request; the profile decides who may use it.
const SUBMIT_FULL: &str = "/ca/ee/ca/profileSubmitCMCFull";

/// Parses the URL of a CA: `https://host:port`, with or without a servlet's path, or an EST
/// server's.
///
/// # Errors
/// [`Kind::Usage`].
pub fn ca_url(text: &str) -> Result<Url> {
    Url::read(text).map_err(|why| {
        // Text without a scheme is not recognised as a URL, so its password would be printed.
        let shown = match text.rsplit_once('@') {
            Some((_, host)) if !text.contains("://") => format!("***@{host}"),
            _ => text.to_owned(),
        };
        Error::new(Kind::Usage, format!("invalid CA URL {shown:?}"))
            .because(why)
            .hint("use the form https://ca.example.com:8443")
    })
}

/// Returns the URL that submits to a profile. `ca` is `https://host:port`, or already has a
/// servlet's path, or is an EST server's (`…/.well-known/est`, with or without label and
/// `/fullcmc`), which needs no profile.
///
/// # Errors
/// [`Kind::Usage`] when a required profile is missing.
pub fn submit_url(ca: &Url, profile: Option<&str>) -> Result<Url> {
    let path = match ca.path().trim_end_matches('/') {
        "" | "/ca" => SUBMIT_FULL,
        path => path,
    };
    let url = ca.with_path(path);
    if is_est(&url) {
        // The EST server chooses the profile, by its configuration or by the label in the path.
        return Ok(operation_url(&url, Operation::FullCmc));
    }
    let Some(profile) = profile.filter(|p| !p.is_empty()) else {
        return Err(Error::new(Kind::Usage, "no profile given")
            .hint("add an enrollment profile of the CA: --profile caCMCserverCert"));
    };
    let mark = if path.contains('?') { '&' } else { '?' };
    Ok(ca.with_path(&format!("{path}{mark}profileId={}", percent_encoded(profile))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let submit = |base, profile| submit_url(&ca_url(base).unwrap(), profile);
        let url = |base| submit(base, Some("ca X")).unwrap().to_string();
        let full = "https://h:8443/ca/ee/ca/profileSubmitCMCFull?profileId=ca%20X";
        for base in ["https://h:8443", "https://h:8443/", "https://h:8443/ca", "https://h:8443/ca/"]
        {
            assert_eq!(url(base), full, "{base}");
        }
        assert_eq!(url("http://h/x/y"), "http://h/x/y?profileId=ca%20X");
        assert_eq!(url("http://h/x?y"), "http://h/x?y&profileId=ca%20X");
        let est = "https://h/.well-known/est/l/fullcmc";
        for base in ["https://h/.well-known/est/l", "https://h/.well-known/est/l/", est] {
            assert_eq!(url(base), est, "{base}");
        }
        for none in [None, Some("")] {
            assert!(submit("https://h:8443", none).is_err());
        }
        for bad in ["", "h:8443", "ftp://h", "https://", "https:///x", "https://a b"] {
            let said = ca_url(bad).unwrap_err().to_string();
            assert!(said.contains("invalid CA URL"), "{said}");
        }
        let said = ca_url("user:geheim@h:8443").unwrap_err().to_string();
        assert!(said.contains("***@h:8443") && !said.contains("geheim"), "{said}");
    }
}
