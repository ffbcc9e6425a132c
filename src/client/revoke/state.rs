//! What the state in the CA's records means, before a revocation and after it.

use crate::asn1::cmc::CrlReason;
use crate::client::dogtag::records::State;
use crate::cmc::control::REASONS;
use crate::error::{Error, Kind, Result};

/// What is to be done about a certificate in a state.
pub(super) enum Before {
    /// Ask for the revocation.
    Ask,
    /// It is as it should be already.
    Nothing,
}

/// Decides, before anything is sent: Dogtag answers success to whatever is asked of a certificate
/// that is revoked already, and changes nothing. Without a reason any revocation for good will do.
/// `release` is the command that takes this certificate off hold.
///
/// # Errors
/// [`Kind::Rejected`] for what the CA wouldn't do.
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
            .because("the CA would respond success and keep it on hold")
            .hint(format!("release it first: {release}"))),
        State::Revoked { reason: recorded, .. } => {
            if reason.is_none() || fits(wanted, *recorded).is_some() {
                return Ok(Before::Nothing);
            }
            Err(rejected(format!("{title} is {state} already"))
                .because("the CA changes neither reason nor date")
                .hint("leave the reason out if any will do"))
        }
        _ if wanted == CrlReason::RemoveFromCrl => Err(Error::new(
            Kind::Usage,
            format!("removeFromCRL is no reason to revoke {title}, which is {state}"),
        )
        .hint("a certificate on hold is released with --release")),
        _ => Ok(Before::Ask),
    }
}

/// Compares what the CA's records say after it answered success with what was asked; returns what to
/// warn of.
///
/// # Errors
/// [`Kind::Rejected`] when they differ.
pub(super) fn after(state: &State, title: &str, reason: CrlReason) -> Result<Option<String>> {
    let name = reason_name(reason);
    let recorded = match state {
        State::OnHold => Some(6),
        State::Revoked { reason, .. } => *reason,
        _ => {
            return Err(Error::new(
                Kind::Rejected,
                format!("the CA's status is success, but {title} is {state}, not revoked"),
            )
            .hint("look at the CA's debug log")
            .sent());
        }
    };
    let held = *state == State::OnHold;
    match fits(reason, recorded) {
        Some(warning) if held == (reason == CrlReason::CertificateHold) => Ok(warning),
        _ => {
            let error = Error::new(
                Kind::Rejected,
                format!("the CA's status is success, but {title} is {state}, not {name}"),
            );
            let hint = if held {
                "a certificate on hold is released with --release, then revoked"
            } else {
                "the certificate is revoked; only its reason is another one"
            };
            Err(error.hint(hint).sent())
        }
    }
}

/// Whether a reason asked for is the one recorded, and what to warn of. Reasons above 8 some versions
/// record as unspecified.
fn fits(wanted: CrlReason, recorded: Option<i64>) -> Option<Option<String>> {
    let number = wanted as i64;
    let name = reason_name(wanted);
    match recorded {
        Some(recorded) if recorded == number => Some(None),
        Some(0) if number > 8 => {
            Some(Some(format!("the CA records the reason {name} as unspecified")))
        }
        None if number == 0 => Some(None),
        None => Some(Some(format!("the CA's records do not say whether the reason is {name}"))),
        _ => None,
    }
}

/// The name of a reason (RFC 5280 §5.3.1).
pub fn reason_name(reason: CrlReason) -> &'static str {
    REASONS.iter().find(|(_, r)| *r == reason).map_or("", |(name, _)| name)
}
