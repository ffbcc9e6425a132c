//! Checks a signer's certificate before anything is created or sent.

use chrono::Utc;

use super::session::Identity;
use crate::asn1::certificate::Certificate;
use crate::asn1::oid;
use crate::asn1::summary::summary;
use crate::error::{Error, Kind, Result};
use crate::nss;

/// Checks that a signer's certificate is valid now, and permits TLS client authentication.
///
/// # Errors
/// [`Kind::Untrusted`].
pub fn check(identity: &Identity) -> Result<()> {
    valid_now(identity)?;
    client(identity)
}

/// Checks that the certificate is valid now.
///
/// # Errors
/// [`Kind::Untrusted`].
pub fn valid_now(identity: &Identity) -> Result<()> {
    is_current(&identity.certificate)
}

/// As [`valid_now`], for a certificate whose key isn't needed.
pub(super) fn is_current(certificate: &nss::Certificate) -> Result<()> {
    let summary = summary(certificate.der())?;
    let name = title(certificate);
    let now = Utc::now();
    let bad = |what: String| {
        Err(Error::new(Kind::Untrusted, what).hint("use another signer: --signer NICKNAME"))
    };
    if now > summary.not_after {
        return bad(format!("{name} expired on {}", summary.until()));
    }
    if now < summary.not_before {
        let begin = summary.not_before.format("%Y-%m-%d %H:%M:%S UTC");
        return bad(format!("{name} is not valid before {begin}"));
    }
    Ok(())
}

/// Checks that the certificate's extended key usage, if present, permits TLS client authentication:
/// the server's alert would hardly explain it.
///
/// # Errors
/// [`Kind::Untrusted`].
pub fn client(identity: &Identity) -> Result<()> {
    permits_client(&identity.certificate)
}

/// As [`client`], for a certificate whose key isn't needed.
pub(super) fn permits_client(signer: &nss::Certificate) -> Result<()> {
    let certificate = Certificate::decode(signer.der())?;
    let purposes = certificate.purposes()?;
    let client = [oid::KP_CLIENT_AUTH, oid::ANY_EXTENDED_KEY_USAGE];
    if purposes.is_none_or(|all| all.iter().any(|p| client.contains(&&**p))) {
        return Ok(());
    }
    let name = title(signer);
    Err(Error::new(Kind::Untrusted, format!("{name} does not allow TLS client authentication"))
        .because("its extended key usage lacks clientAuth")
        .hint("use another signer: --signer NICKNAME"))
}

fn title(certificate: &nss::Certificate) -> String {
    match certificate.nickname() {
        Some(nickname) => format!("signer certificate {nickname:?}"),
        None => "signer certificate".into(),
    }
}
