//! Revocation, with Dogtag's rules and texts.

use der::Tag;

use crate::answer::status_info;
use crate::auth::Who;
use crate::certs::parts;
use crate::element::{Refused, one};
use crate::request::Control;
use crate::store::Store;

/// CMCFailInfo and a text, if Dogtag sends one.
type Refusal = (u8, Option<&'static str>);

/// Carries out a revokeRequest (RFC 5272 §6.11), or only confirms it; returns the status, or none
/// for a control without value.
pub fn revoke(
    control: &Control<'_>,
    who: &Who,
    store: &Store,
    carry_out: bool,
) -> Result<Option<Vec<u8>>, Refused> {
    let values = one(control.values)?.within(Tag::Set)?;
    let Some(value) = values.first() else { return Ok(None) };
    let fields = value.within(Tag::Sequence)?;
    let [issuer, serial, reason, optional @ ..] = &fields[..] else {
        return Err("no RevokeRequest".into());
    };
    let serial = serial.content_of(Tag::Integer)?;
    let reason = match reason.content_of(Tag::Enumerated)? {
        // These are recorded as unspecified.
        [n @ (0..=6 | 8)] => *n,
        _ => 0,
    };
    let passphrase = optional.iter().find(|f| f.tag == Tag::OctetString).map(|f| f.content);
    let refusal = allowed(who, issuer.whole, serial, passphrase, store)?;
    Ok(Some(match refusal {
        Some((info, text)) => status_info(2, control.id, text, Some(info)),
        None => {
            if carry_out {
                store.revoke(serial, reason)?;
            }
            status_info(0, control.id, None, None)
        }
    }))
}

/// Returns why the revocation is refused; `None` if it is permitted, as for every certificate that
/// is revoked already.
fn allowed(
    who: &Who,
    issuer: &[u8],
    serial: &[u8],
    passphrase: Option<&[u8]>,
    store: &Store,
) -> Result<Option<Refusal>, Refused> {
    const BAD_IDENTITY: u8 = 7;
    let certificate = store.certificate(serial);
    match (who, passphrase) {
        (Who::Key | Who::Nobody, None) => return Ok(Some((1, None))),
        (Who::Key | Who::Nobody, Some(secret)) => {
            let known = store.revocation_secret(serial);
            if certificate.is_none() || known.as_deref() != Some(secret) {
                return Ok(Some((BAD_IDENTITY, None)));
            }
        }
        (_, Some(_)) => return Ok(Some((BAD_IDENTITY, None))),
        (_, None) => {}
    }
    let Some(certificate) = certificate else { return Ok(Some((4, None))) };
    if store.is_revoked(serial) {
        return Ok(None);
    }
    let certificate = parts(&certificate)?;
    Ok(match who {
        Who::Agent(_) => None,
        Who::User(subject) => (certificate.subject != &subject[..])
            .then_some((BAD_IDENTITY, Some(" certificate principal and signer do not match"))),
        Who::Key | Who::Nobody => (certificate.issuer != issuer).then_some((
            BAD_IDENTITY,
            Some(" certificate issuer DN and revocation request issuer DN do not match"),
        )),
    })
}
