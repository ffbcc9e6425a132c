//! Requests that the CA holds back.

use super::{Place, certified, csr};

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// With a time from the CA certmonger polls then, a day later at most; without one when it likes.
#[test]
fn a_pending_request_is_polled() {
    let place = Place::start(&[]);
    for (profile, status) in [("standin-pending", 5), ("standin-deferred", 1)] {
        let csr = csr(&place.f, profile);
        let submit = [("OPERATION", "SUBMIT"), ("CSR", csr.as_str())];
        let said = place.agent(profile, &[], &submit).exits(status);
        let mut lines: Vec<&str> = said.out.lines().collect();
        if status == 5 {
            // The CA names the year 2096.
            assert_eq!(number(lines.remove(0)), 24 * 3600);
        }
        assert_eq!(lines.len(), 1, "{}", said.out);
        let cookie = lines[0];
        assert!(cookie.starts_with("1:") && cookie.ends_with(&format!(":{profile}")), "{cookie}");
        let issued = place.issued();

        // The stand-in has issued the certificate by now, and its records show it.
        let poll = [("OPERATION", "POLL"), ("CSR", &csr), ("CA_COOKIE", cookie)];
        let said = place.agent(profile, &[], &poll).exits(0);
        certified(&place.f, &said, &csr);
        // The certificate that is to be renewed is not the new one.
        let old = ("CERTIFICATE", said.out.as_str());
        let again = place.agent(profile, &[], &[&poll[..], &[old]].concat()).exits(1);
        assert_eq!(again.out, format!("{cookie}\n"));
        // Nor is one that was issued before.
        let later = cookie.replacen(&cookie[2..12], "4000000000", 1);
        let later = [poll[0], poll[1], ("CA_COOKIE", &later)];
        assert_eq!(place.agent(profile, &[], &later).exits(1).out.lines().count(), 1);
        assert_eq!(place.issued(), issued, "a poll requests nothing");
    }
}

#[test]
fn a_cookie_of_another_request_is_no_poll() {
    let place = Place::start(&[]);
    let submit = [("OPERATION", "SUBMIT"), ("CSR", place.csr.as_str())];
    let cookie = place.agent("standin-deferred", &[], &submit).exits(1).out;
    let other = csr(&place.f, "other");
    let poll = |csr: &str, profile: &str, cookie: &str| {
        let variables = [("OPERATION", "POLL"), ("CSR", csr), ("CA_COOKIE", cookie)];
        place.agent(profile, &[], &variables)
    };
    certified(&place.f, &poll(&other, "caCMCserverCert", &cookie).exits(0), &other);
    // The profile was corrected.
    let said = poll(&place.csr, "caCMCserverCert", &cookie).exits(0);
    certified(&place.f, &said, &place.csr);
    assert!(said.err.contains("has changed"), "{}", said.err);
    for cookie in ["", "nonsense", "2:1:2:3"] {
        poll(&place.csr, "caCMCserverCert", cookie).exits(0);
    }
    // The stand-in issues before it defers.
    assert_eq!(place.issued(), 6);
}

/// The CA cannot be asked: certmonger keeps the cookie and polls again.
#[test]
fn a_poll_without_records() {
    let place = Place::start(&["--rest", "none"]);
    let submit = [("OPERATION", "SUBMIT"), ("CSR", place.csr.as_str())];
    let cookie = place.agent("standin-deferred", &[], &submit).exits(1).out;
    let poll = [("OPERATION", "POLL"), submit[1], ("CA_COOKIE", cookie.as_str())];
    let said = place.agent("standin-deferred", &[], &poll).exits(1);
    assert_eq!(said.out, cookie);
    assert!(said.err.contains("cannot look up"), "{}", said.err);
    drop(place.ca);
    let gone = super::common::certmonger::helper(
        &[&place.options[..], &["--profile=standin-deferred".into(), "--signer=agent".into()]]
            .concat(),
        &poll,
    );
    gone.exits(3);
}
