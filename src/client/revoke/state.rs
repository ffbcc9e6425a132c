//! What the state in the CA's records means, before and after a revocation.

use super::Notice;
use crate::client::dogtag::records::State;
use crate::cmc::revocation_reason::{CrlReason, reason_name};
use crate::error::{Error, Kind, Result};

/// What to do for a certificate in a state.
pub(super) enum Before {
    /// Send the request.
    Ask,
    /// Nothing: it already has the requested state.
    Nothing,
}

/// Decides before anything is sent: for a certificate that is already revoked, Dogtag reports
/// success for any request and changes nothing. Without a requested reason, any permanent
/// revocation suffices. `release` is the command that releases this certificate from hold.
///
/// # Errors
/// [`Kind::Rejected`] when the CA would not carry out the request.
pub(super) fn before(
    state: &State,
    title: &str,
    reason: Option<CrlReason>,
    release: &str,
) -> Result<Before> {
    let wanted = reason.unwrap_or(CrlReason::Unspecified);
    let rejected = |what: String| Error::new(Kind::Rejected, what);
    match state {
        State::OnHold if wanted == CrlReason::CertificateHold => Ok(Before::Nothing),
        State::OnHold => Err(rejected(format!("{title} is on hold"))
            .because("the CA would report success and keep it on hold")
            .hint(format!("release it first: {release}"))),
        State::Revoked { reason: recorded, .. } => {
            if reason.is_none() || fits(wanted, *recorded).is_some() {
                return Ok(Before::Nothing);
            }
            Err(rejected(format!("{title} is already {state}"))
                .because("the CA cannot change the reason or the date")
                .hint("remove --reason to accept any reason"))
        }
        _ if wanted == CrlReason::RemoveFromCrl => Err(Error::new(
            Kind::Usage,
            format!("invalid reason removeFromCRL: {title} is {state}"),
        )
        .hint("use --release to release a certificate from hold")),
        _ => Ok(Before::Ask),
    }
}

/// Compares the CA's records, after it reported success, with the request; returns a notice.
///
/// # Errors
/// [`Kind::Rejected`] when they differ.
pub(super) fn after(state: &State, title: &str, reason: CrlReason) -> Result<Option<Notice>> {
    let name = reason_name(reason);
    let recorded = match state {
        State::OnHold => Some(6),
        State::Revoked { reason, .. } => *reason,
        _ => {
            return Err(Error::new(
                Kind::Rejected,
                format!("the CMC status is success, but {title} is {state}, not revoked"),
            )
            .hint("see the CA's debug log")
            .sent());
        }
    };
    let held = *state == State::OnHold;
    match fits(reason, recorded) {
        Some(notice) if held == (reason == CrlReason::CertificateHold) => Ok(notice),
        _ => {
            let error = Error::new(
                Kind::Rejected,
                format!("the CMC status is success, but {title} is {state}, not {name}"),
            );
            let hint = if held {
                "release it first with --release, then revoke it"
            } else {
                "no action needed: it is revoked, with another reason"
            };
            Err(error.hint(hint).sent())
        }
    }
}

/// Returns `Some` if the requested reason matches the recorded one, with a notice. Some versions
/// record reasons above 8 as unspecified.
fn fits(wanted: CrlReason, recorded: Option<i64>) -> Option<Option<Notice>> {
    let number = wanted as i64;
    match recorded {
        Some(recorded) if recorded == number => Some(None),
        Some(0) if number > 8 => Some(Some(Notice::ReasonUnspecified(wanted))),
        None if number == 0 => Some(None),
        None => Some(Some(Notice::ReasonUnknown(wanted))),
        _ => None,
    }
}
