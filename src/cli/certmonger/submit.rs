//! SUBMIT and POLL: carries a request to the CA, and looks for the certificate of a pending one.

use chrono::{DateTime, TimeDelta, Utc};

use super::HelperArgs;
use super::cookie::Cookie;
use super::environment::Environment;
use super::outcome::Outcome;
use crate::cli::enroll::event_text;
use nss_cmc::client::cert_file::certificates;
use nss_cmc::client::csr;
use nss_cmc::client::enroll::obtain::{Applicant, Obtained, look_up, obtain};
use nss_cmc::cmc::request::Request;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::pem;

/// The shortest and the longest time after which the helper lets certmonger poll, in seconds.
const SOONEST: i64 = 60;
const LATEST: i64 = 24 * 3600;

/// How far the CA's clock may be behind this one, in seconds.
const SKEW: i64 = 3600;

/// A request of certmonger.
struct Job {
    request: Request,
    /// The certificate that it renews (DER).
    old: Option<Vec<u8>>,
    /// The profile (`getcert -T`, else the default one).
    profile: String,
}

impl Job {
    /// # Errors
    /// [`Kind::Input`] without a usable request.
    fn read(args: &HelperArgs, environment: &Environment) -> Result<Job> {
        let csr = environment.csr.as_deref().ok_or_else(|| {
            Error::new(Kind::Input, "no certificate request in CERTMONGER_CSR")
                .hint("set it to a PKCS #10 request (PEM); certmonger does so")
        })?;
        let request = csr::decode("certificate request", csr.as_bytes(), Some(false))?;
        // A damaged old certificate is no reason against a new one.
        let old = environment.certificate.as_deref().and_then(|text| {
            certificates("old certificate", text.as_bytes()).ok()?.into_iter().next()
        });
        let profile = environment.profile.as_deref().or(args.default_profile());
        Ok(Job { request, old, profile: profile.unwrap_or_default().to_owned() })
    }
}

/// Requests a certificate.
///
/// # Errors
/// Of every kind.
pub fn submit(
    args: &HelperArgs,
    environment: &Environment,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    request(args, &Job::read(args, environment)?, tell)
}

/// Looks for the certificate of a pending request. If certmonger has another request or profile by
/// now, that is submitted.
///
/// # Errors
/// Of every kind.
pub fn poll(
    args: &HelperArgs,
    environment: &Environment,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let job = Job::read(args, environment)?;
    let text = environment.cookie.as_deref().unwrap_or_default();
    let Some(cookie) = Cookie::read(text, job.request.der(), &job.profile) else {
        tell("the request or the profile has changed since it was submitted; submitting it again");
        return request(args, &job, tell);
    };
    let since = DateTime::from_timestamp(cookie.submitted - SKEW, 0).unwrap_or_default();
    let spec = args.spec(Some(&job.profile))?;
    match look_up(&spec, &job.request, since, job.old.as_deref()) {
        Ok(Some(obtained)) => Ok(issued(&obtained, tell)),
        Ok(None) => Ok(Outcome::Wait(cookie)),
        Err(e) if e.kind() == Kind::Pending => {
            tell(&e.to_string());
            Ok(Outcome::Wait(cookie))
        }
        Err(e) => Err(e),
    }
}

fn request(args: &HelperArgs, job: &Job, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let now = Utc::now();
    match certificate(args, job, tell) {
        Ok(obtained) => Ok(issued(&obtained, tell)),
        Err(e) if e.kind() == Kind::Pending && e.is_retryable() => {
            tell(&e.to_string());
            let cookie = Cookie::new(now.timestamp(), job.request.der(), &job.profile);
            Ok(match e.pend_info() {
                Some(info) => Outcome::WaitFor(wait(info.time, now), cookie),
                None => Outcome::Wait(cookie),
            })
        }
        Err(e) => Err(e),
    }
}

/// Has the certificate requested: by the old certificate's holder if that is possible and wanted,
/// else by the agent or with the shared secret.
fn certificate(args: &HelperArgs, job: &Job, tell: &mut dyn FnMut(&str)) -> Result<Obtained> {
    if let (Some(profile), Some(old)) = (&args.renewal_profile, &job.old) {
        let renewed = Applicant::Renewed(old.clone());
        match certificate_by(args, profile, &renewed, &job.request, tell) {
            Err(e) if !e.was_sent() && (args.signer.is_some() || args.identification.is_some()) => {
                tell(&format!("cannot sign the renewal with the old certificate: {e}"));
            }
            outcome => return outcome,
        }
    }
    certificate_by(args, &job.profile, &args.applicant()?, &job.request, tell)
}

fn certificate_by(
    args: &HelperArgs,
    profile: &str,
    applicant: &Applicant,
    request: &Request,
    tell: &mut dyn FnMut(&str),
) -> Result<Obtained> {
    let spec = args.spec(Some(profile))?;
    // A missing profile is reported before the database is opened.
    spec.connection.submit_url()?;
    obtain(&spec, applicant, request, &mut |event| tell(&event_text(&event)))
}

/// Returns the certificate and its chain, leaf first.
fn issued(obtained: &Obtained, tell: &mut dyn FnMut(&str)) -> Outcome {
    if !obtained.missing_names.is_empty() {
        tell(&format!(
            "warning: the certificate lacks requested names: {}; the profile decides which names it \
             gets",
            obtained.missing_names.join(", ")
        ));
    }
    if let Some(e) = &obtained.not_closed {
        tell(&format!("warning: {e}"));
    }
    Outcome::Done(pem::certificates(&obtained.certificate, &obtained.issuers))
}

/// Returns the seconds until the CA wants to be asked again, within limits.
fn wait(time: i64, now: DateTime<Utc>) -> u32 {
    let left = TimeDelta::seconds(time.saturating_sub(now.timestamp()).clamp(SOONEST, LATEST));
    u32::try_from(left.num_seconds()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certmonger_waits_at_least_a_minute_and_at_most_a_day() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for (time, seconds) in [
            (i64::MIN, 60),
            (0, 60),
            (1_800_000_000, 60),
            (1_800_000_900, 900),
            (1_900_000_000, 86_400),
            (i64::MAX, 86_400),
        ] {
            assert_eq!(wait(time, now), seconds, "{time}");
        }
    }
}
