//! Sends a request, or asks for the result of one that the CA holds back, as long as the caller is
//! willing to wait.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::pending::{Pended, Slip};
use super::round_trips::RoundTrips;
use crate::client::lock::Event;
use crate::client::verify_response::{self, Proven};
use crate::cmc::request::Request;
use crate::cmc::response::Outcome;
use crate::error::{Error, Kind, PendInfo, Result};
use crate::interrupt::pause;
use crate::nss::PrivateKey;

/// The shortest and the longest time between two questions, unless the CA sets a later one.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A request that is to be granted.
pub(super) struct Wanted<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// Its key; if it isn't given, it is looked up when needed.
    pub(super) key: Option<&'a PrivateKey>,
    /// Where the request is remembered while the CA holds it back.
    pub(super) slip: &'a Slip,
    /// What is remembered of it.
    pub(super) pended: Option<Pended>,
    /// Whether no other request was ever sent for the key.
    pub(super) only_request: bool,
    /// How long to wait for a certificate that the CA doesn't issue at once.
    pub(super) wait: Duration,
}

impl RoundTrips<'_> {
    /// Returns the certificate for a request. A request that the CA holds back is remembered, and the
    /// CA is asked for the result until the time that the caller waits is over. What was remembered
    /// is forgotten when the CA refuses.
    ///
    /// # Errors
    /// As [`RoundTrips::run`]; [`Kind::Interrupted`] during a wait.
    pub(super) fn grant(
        &mut self,
        wanted: Wanted<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Proven> {
        let Wanted { request, key, slip, .. } = &wanted;
        let end = Instant::now().checked_add(wanted.wait);
        let was_pending = wanted.pended.is_some();
        let mut known = wanted.pended.clone();
        let mut between = SHORTEST;
        loop {
            let error = match &known {
                Some(pended) if !pended.is_due(Utc::now()) => still_pending(&pended.info),
                _ => {
                    let outcome = match &known {
                        Some(pended) => self.poll(pended, request, *key),
                        None => self.run(request, *key),
                    };
                    let error = match outcome {
                        Ok(proven) => return Ok(proven),
                        Err(error) => error,
                    };
                    let Some(info) = error.pend_info().cloned() else {
                        if error.is_settled() {
                            slip.forget();
                        }
                        return Err(error);
                    };
                    let (transaction_id, nonce) = self.open.clone();
                    let only_request = wanted.only_request;
                    let pended = Pended { info, transaction_id, nonce, only_request };
                    if let Err(e) = slip.remember(&pended) {
                        return Err(
                            error.note(format!("the next run sends the request again: {e}"))
                        );
                    }
                    known = Some(pended);
                    error
                }
            };
            let Some(Pended { info, .. }) = &known else { return Err(error) };
            let unchanged = |e: Error| if was_pending { e.nothing_changed() } else { e }.sent();
            let (token, later) = (info.token_text(), next(info, between));
            if end.is_some_and(|end| Instant::now() + later > end) {
                let file = slip.path().display();
                let note = "the next run asks the CA for the result; the request is remembered in";
                return Err(unchanged(error).note(format!("{note} {file}")));
            }
            tell(Event::Pending(token.clone(), Utc::now() + later));
            let note = || format!("request {token} is pending; the next run asks for its result");
            pause(later).map_err(|e| unchanged(e).note(note()))?;
            between = (between * 2).min(LONGEST);
        }
    }
}

/// Returns how long to wait before the CA is asked: until its time, and not less than `between`.
fn next(info: &PendInfo, between: Duration) -> Duration {
    let time = DateTime::from_timestamp(info.time, 0).unwrap_or_default();
    time.signed_duration_since(Utc::now()).to_std().map_or(between, |left| left.max(between))
}

/// Returns the error for a request that the CA must not be asked about yet.
fn still_pending(info: &PendInfo) -> Error {
    let outcome = Outcome::Pending { token: info.token.clone(), time: info.time };
    match verify_response::issued(outcome) {
        Ok(_) => Error::new(Kind::Internal, "a pending request is issued"),
        Err(e) => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_s_time_is_respected() {
        let at = |seconds: i64| PendInfo { token: vec![1], time: Utc::now().timestamp() + seconds };
        assert_eq!(next(&at(-5), SHORTEST), SHORTEST);
        assert_eq!(next(&at(i64::from(i32::MIN)), LONGEST), LONGEST);
        let later = next(&at(100), SHORTEST);
        assert!((98..=100).contains(&later.as_secs()), "{later:?}");
        assert_eq!(next(&PendInfo { token: vec![], time: i64::MAX }, SHORTEST), SHORTEST);
        assert!(still_pending(&at(1)).kind() == Kind::Pending);
    }
}
