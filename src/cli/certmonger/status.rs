//! certmonger's exit statuses. After any other one, and after some of these, a request is stuck
//! until an administrator resubmits it.

use nss_cmc::error::{Error, Kind};

/// The operation succeeded.
pub const DONE: u8 = 0;
/// The CA has the request: poll later.
pub const WAIT: u8 = 1;
/// The CA rejected the request; stuck.
pub const REJECTED: u8 = 2;
/// The CA can't be reached; certmonger tries again.
pub const UNREACHABLE: u8 = 3;
/// The helper can't work with its configuration; stuck.
pub const UNCONFIGURED: u8 = 4;
/// The CA has the request: poll after a given time.
pub const WAIT_FOR: u8 = 5;
/// The helper doesn't support the operation.
pub const UNSUPPORTED: u8 = 6;
/// The CA wants a request for another key; certmonger generates one.
pub const NEED_KEY: u8 = 17;

/// Returns the status for an error.
pub fn of(e: &Error) -> u8 {
    match e.kind() {
        Kind::Rejected => rejected(e),
        // The certificate must not be used before the CA accepts a confirmation.
        Kind::Pending if !e.is_retryable() => REJECTED,
        // A failed server is out of reach; another HTTP status or content won't change.
        Kind::Http if !e.is_retryable() => REJECTED,
        // Another helper holds the database for long.
        Kind::Conflict if e.is_retryable() => UNREACHABLE,
        Kind::Internal
        | Kind::Pending
        | Kind::Unreachable
        | Kind::Tls
        | Kind::Http
        | Kind::Output
        | Kind::Hook
        | Kind::Interrupted => UNREACHABLE,
        Kind::Usage
        | Kind::Database
        | Kind::Login
        | Kind::NotFound
        | Kind::Untrusted
        | Kind::Refused
        | Kind::Conflict => UNCONFIGURED,
        Kind::Differs | Kind::Input | Kind::PopRequired | Kind::BadReply => REJECTED,
    }
}

/// Returns the status for a failInfo. Dogtag reports internalCAError also for an unknown profile and
/// for a constraint of the profile: a repaired CA then issues without a resubmission.
fn rejected(e: &Error) -> u8 {
    match e.cmc_detail().and_then(|detail| detail.fail_info.as_deref()) {
        Some("noKeyReuse") => NEED_KEY,
        Some("internalCAError" | "tryLater") => UNREACHABLE,
        _ => REJECTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nss_cmc::error::CmcDetail;

    #[test]
    fn every_kind_has_a_status_that_certmonger_knows() {
        let known = [REJECTED, UNREACHABLE, UNCONFIGURED];
        for row in Kind::ALL {
            assert!(known.contains(&of(&Error::new(row.kind, "x"))), "{}", row.name);
        }
        let failed = |info: Option<&str>| {
            let (status, fail_info) = ("failed".into(), info.map(str::to_owned));
            of(&Error::new(Kind::Rejected, "x").cmc(CmcDetail { status, fail_info, text: None }))
        };
        for (info, status) in [
            (Some("noKeyReuse"), 17),
            (Some("internalCAError"), 3),
            (Some("tryLater"), 3),
            (Some("badRequest"), 2),
            (Some("failInfo 99"), 2),
            (None, 2),
        ] {
            assert_eq!(failed(info), status, "{info:?}");
        }
        assert_eq!(of(&Error::new(Kind::Http, "x").retry(false)), REJECTED);
        assert_eq!(of(&Error::new(Kind::Conflict, "x").retry(true)), UNREACHABLE);
    }
}
