//! The operations that ask about the helper and the CA. certmonger runs all of them at once: they
//! use neither the network nor a token's password.

use super::HelperArgs;
use super::outcome::Outcome;
use nss_cmc::client::passwords::Passwords;
use nss_cmc::client::store::certificates::{CertEntry, list};
use nss_cmc::client::store::{Logins, StoreSpec};
use nss_cmc::cmc::profile::SHIPPED;
use nss_cmc::error::{Error, Kind};
use nss_cmc::pem;

/// Returns the outcome of an operation other than SUBMIT and POLL.
pub fn operate(args: &HelperArgs, operation: &str) -> Outcome {
    let lines = |lines: &[&str]| Outcome::Done(lines.iter().map(|l| format!("{l}\n")).collect());
    let default = args.default_profile();
    match operation {
        "IDENTIFY" => lines(&[concat!("nss-cmc ", env!("CARGO_PKG_VERSION"), " (CMC, Dogtag)")]),
        "GET-DEFAULT-TEMPLATE" => lines(default.as_slice()),
        "GET-SUPPORTED-TEMPLATES" => lines(&supported(default)),
        "GET-NEW-REQUEST-REQUIREMENTS" => lines(required(args, None)),
        "GET-RENEW-REQUEST-REQUIREMENTS" => lines(required(args, args.renewal_profile.as_deref())),
        "FETCH-ROOTS" => roots(args).map_or(Outcome::Unsupported, Outcome::Done),
        _ => Outcome::Unsupported,
    }
}

/// Returns the profiles that Dogtag ships, the default first.
fn supported(default: Option<&str>) -> Vec<&str> {
    let others = SHIPPED.iter().copied().filter(|id| Some(*id) != default);
    default.into_iter().chain(others).collect()
}

/// Returns the variables that a request must set: the profile, if the options have none and the CA
/// needs one.
fn required(args: &HelperArgs, profile: Option<&str>) -> &'static [&'static str] {
    let complete = args.connection(profile).and_then(|connection| connection.submit_url());
    if complete.is_ok() { &[] } else { &["CERTMONGER_CA_PROFILE"] }
}

/// Returns the CAs that the database trusts for TLS servers: the first one as the root, the others,
/// after an empty line, as other trusted certificates; each with its nickname.
fn roots(args: &HelperArgs) -> Option<String> {
    let passwords: Passwords<'static> =
        Box::new(|_| Err(Error::new(Kind::Login, "not asked for a password here")));
    let spec = StoreSpec {
        database: &args.database.database,
        token: None,
        passwords: &passwords,
        logins: Logins::Fewest,
    };
    let trusted =
        |entry: &CertEntry| entry.trust.split(',').next().is_some_and(|ssl| ssl.contains('C'));
    let listed = list(&spec).ok()?.certificates;
    let named = listed.iter().filter(|entry| trusted(entry)).filter_map(|entry| {
        let nickname = entry.nickname.as_deref()?;
        (!nickname.contains(char::is_control))
            .then(|| format!("{nickname}\n{}", pem::encode("CERTIFICATE", &entry.der)))
    });
    let all: Vec<String> = named.collect();
    let (first, others) = all.split_first()?;
    Some(match others {
        [] => first.clone(),
        others => format!("{first}\n{}", others.concat()),
    })
}
