//! Certificates sent in addition to the issued one.

use crate::certs::{self, parts};
use crate::element::Refused;
use crate::store::{Pair, Store};

/// Returns the additional certificates that the profile's name selects: an older certificate for
/// the same key, or a newer one that this CA did not issue, and its CA's certificate.
pub fn beside(
    wish: &str,
    certificate: &[u8],
    store: &Store,
    stranger: &Pair,
) -> Result<Vec<Vec<u8>>, Refused> {
    let asked = parts(certificate)?;
    if wish.starts_with("older-too") {
        return Ok(vec![store.issue(asked.subject, asked.spki, (-30, 300), Vec::new())?]);
    }
    let template = certs::Template {
        serial: &[78],
        issuer: asked.issuer,
        subject: asked.subject,
        spki: asked.spki,
        days: (1, 400),
        extensions: vec![certs::key_usage(&[0, 2])],
    };
    Ok(vec![certs::issue(&template, &stranger.key)?, stranger.certificate.clone()])
}
