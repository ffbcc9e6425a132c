//! The exit status for each outcome of a submission, and what is on standard output.

use super::common::certmonger::{helper, helper_with};
use super::common::{PASSWORD, Said, run, tool};
use super::{Place, certified};

#[test]
fn a_certificate_is_printed_with_its_chain() {
    let place = Place::start(&[]);
    let before = place.f.state();
    let said = place.submit("caCMCserverCert", &[]).exits(0);
    certified(&place.f, &said, &place.csr);
    assert_eq!(said.err, "");
    // Without an operation it is SUBMIT; -T takes precedence over the options.
    let variables = [("CSR", place.csr.as_str()), ("CA_PROFILE", "caCMCserverCert")];
    let said = place.agent("noSuchProfile", &[], &variables).exits(0);
    certified(&place.f, &said, &place.csr);
    // A certificate that is renewed is of no account to the agent.
    let old = ("CERTIFICATE", said.out.as_str());
    certified(&place.f, &place.agent("caCMCserverCert", &[], &[variables[0], old]), &place.csr);
    assert_eq!(place.f.state(), before);
}

/// Checks that a status came with one line on standard output, the same as on stderr.
#[track_caller]
fn one_line(said: &Said, what: &str) {
    assert_eq!(said.out.lines().count(), 1, "{what}: {}", said.out);
    assert!(said.out.ends_with('\n') && said.out.trim().len() > 10, "{what}: {}", said.out);
    let first = said.err.lines().find(|l| !l.contains("warning")).unwrap_or_default();
    assert_eq!(first, format!("nss-cmc: {}", said.out.trim_end()), "{what}: {}", said.err);
    assert!(!said.err.contains(PASSWORD) && !said.out.contains(PASSWORD), "{what}");
}

#[test]
fn responses_of_the_ca() {
    let place = Place::start(&[]);
    for (profile, status) in [
        // failInfo
        ("standin-fail-2", 2),
        ("standin-fail-7", 2),
        ("standin-fail-10", 17),
        ("standin-fail-11", 3),
        ("standin-fail-12", 3),
        ("standin-fail-99", 2),
        ("standin-status-4", 2),
        ("noSuchProfile", 3),
        // No CMC response.
        ("standin-http500", 3),
        ("standin-404", 2),
        ("standin-html", 2),
        ("standin-garbage", 2),
        ("standin-empty", 2),
        ("standin-reset", 3),
        ("standin-hang", 3),
        // A response that proves nothing.
        ("standin-wrong-nonce", 2),
        ("standin-stranger", 2),
        ("standin-wrong-signature", 2),
        ("standin-unsigned", 2),
        ("standin-no-cert", 2),
        ("standin-other-key", 2),
        ("standin-forged", 2),
        ("standin-failed-with-certificate", 2),
        // Dogtag accepts no confirmation.
        ("standin-confirm-refused", 2),
    ] {
        let more: &[&str] = if profile == "standin-hang" { &["--timeout=2"] } else { &[] };
        let said = place.submit(profile, more).exits(status);
        one_line(&said, profile);
    }
}

#[test]
fn mistakes_on_this_side() {
    let place = Place::start(&[]);
    let f = &place.f;
    f.write_secret("wrong", "not the password\n");
    let url = format!("--ca={}", place.ca.url);
    let db = format!("--database={}", f.file("db").display());
    let pw = format!("--password-file={}", f.file("pw").display());
    let wrong = format!("--password-file={}", f.file("wrong").display());
    let (profile, signer) = ("--profile=caCMCserverCert", "--signer=agent");
    let csr = [("CSR", place.csr.as_str())];
    let before = f.state();
    for (args, status) in [
        (vec![db.as_str(), &wrong, &url, profile, signer], 4),
        (vec![&db, "--password-file=/none", &url, profile, signer], 4),
        (vec![&db, &url, profile, signer], 4),
        (vec!["--database=/none", &pw, &url, profile, signer], 4),
        (vec![&db, &pw, &url, profile, "--signer=nobody"], 4),
        (vec![&db, &pw, &url, signer], 4),
        (vec![&db, &pw, &url, profile], 4),
        (vec![&db, &pw, &url, profile, "--identification=alice"], 4),
        (vec![&db, &pw, &url, profile, "--identification=alice", "--shared-secret-file=/no"], 4),
        (vec![&db, &pw, &url, profile, "--renewal-profile=x"], 4),
        (vec![&db, &pw, "--ca=nonsense://x", profile, signer], 4),
        (vec![&db, &pw, &url, profile, signer, "--no-such-option"], 4),
        (vec![&db, &pw, &url, profile, signer, "--token=nowhere"], 4),
        (vec![], 4),
        (vec!["--output=json"], 4),
        (vec![&db, &pw, "--ca=https://127.0.0.1:9", profile, signer], 3),
        (vec![&db, &pw, "--ca=https://ca.invalid", profile, signer], 3),
    ] {
        let said = helper(&args, &csr).exits(status);
        one_line(&said, &args.join(" "));
    }
    for (variables, what) in [
        (vec![], "no request"),
        (vec![("CSR", "")], "an empty request"),
        (vec![("CSR", "nonsense")], "nonsense"),
        (vec![("CSR", "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n")], "half a request"),
    ] {
        one_line(&place.agent("caCMCserverCert", &[], &variables).exits(2), what);
    }
    // A server that the database does not trust.
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    one_line(&place.submit("caCMCserverCert", &[]).exits(3), "not trusted");
    assert_eq!(place.issued(), 0);
    f.certutil(&["-M", "-n", "ca_signing", "-t", "CT,C,C", "-f", "pw"]);
    assert_eq!(f.state(), before);
}

/// The agent's certificate has expired.
#[test]
fn an_expired_agent_is_a_matter_of_configuration() {
    let place = Place::start(&[]);
    let f = &place.f;
    f.certutil(&["-R", "-s", "CN=old", "-a", "-o", "old.req", "-f", "pw", "-z", "/bin/sh"]);
    let program = super::common::stand_in::program();
    let sign = ["sign", "--dir", "ca", "--csr", "old.req", "--out", "old.pem", "--expired"];
    tool(program.to_str().unwrap(), f.path(), &sign);
    f.certutil(&["-A", "-n", "old", "-t", ",,", "-a", "-i", "old.pem", "-f", "pw"]);
    let mut args: Vec<&str> = place.options.iter().map(String::as_str).collect();
    args.extend(["--profile=caCMCserverCert", "--signer=old"]);
    let said = helper(&args, &[("CSR", &place.csr)]).exits(4);
    assert!(said.out.contains("expired"), "{}", said.out);
}

/// The certificate goes to stderr when standard output is closed or full; certmonger tries again.
#[test]
fn a_closed_standard_output() {
    let place = Place::start(&[]);
    let mut args: Vec<&str> = place.options.iter().map(String::as_str).collect();
    args.extend(["--profile=caCMCserverCert", "--signer=agent"]);
    for redirections in ["<&- >&-", "<&- >/dev/full"] {
        let said = helper_with(redirections, &args, &[("CSR", &place.csr)]).exits(3);
        assert!(said.err.contains("BEGIN CERTIFICATE"), "{}", said.err);
        let said = helper_with(redirections, &args, &[("OPERATION", "IDENTIFY")]).exits(3);
        assert!(said.err.contains("cannot write to standard output"), "{}", said.err);
    }
}

/// The daemon's proxy is not the helper's; --proxy is.
#[test]
fn no_proxy_but_the_option_s() {
    let place = Place::start(&[]);
    let mut args: Vec<&str> = place.options.iter().map(String::as_str).collect();
    args.extend(["--profile=caCMCserverCert", "--signer=agent"]);
    let submit = |more: &[&str]| {
        let args = [&args[..], more].concat();
        let mut command = super::common::certmonger::command("<&-", &args, &[("CSR", &place.csr)]);
        command.env("https_proxy", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
        run(&mut command)
    };
    submit(&[]).exits(0);
    submit(&["--proxy=http://127.0.0.1:9"]).exits(3);
}

/// The helper uses its password when its turn has come.
#[test]
fn a_password_changed_while_a_helper_waits_ends_it() {
    let place = Place::start(&[]);
    place.f.write_secret("new", "an0ther Password\n");
    let mut args = place.options.clone();
    args.extend(["--profile=caCMCserverCert".into(), "--signer=agent".into()]);
    let variables = [("OPERATION", "SUBMIT"), ("CSR", place.csr.as_str())];
    let mut command = super::common::certmonger::command("<&-", &args, &variables);
    let said = super::common::run_while_the_password_changes(&place.f, &mut command);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.out.contains("cannot log in"), "{said:?}");
    assert_eq!(place.issued(), 0);
}

/// Helpers wait for each other: Dogtag mixes up simultaneous requests.
#[test]
fn one_helper_at_a_time() {
    let place = Place::start(&[]);
    let mut args = place.options.clone();
    args.extend(["--profile=caCMCserverCert".into(), "--signer=agent".into()]);
    let hold = ["-n", "db", env!("CARGO_BIN_EXE_nss-cmc"), "certmonger"];
    let held = |more: &str| {
        let mut command = std::process::Command::new("flock");
        command.current_dir(place.f.path()).args(hold).args(&args).arg(more);
        run(command.env("CERTMONGER_CSR", &place.csr))
    };
    // The helper is a child of the process that holds the lock.
    let said = held("--lock-timeout=0").exits(3);
    one_line(&said, "locked");
    assert!(said.out.contains("another run holds"), "{}", said.out);
    assert_eq!(place.issued(), 0);

    let all: Vec<_> = (0..8)
        .map(|_| {
            let variables = [("OPERATION", "SUBMIT"), ("CSR", place.csr.as_str())];
            let mut command = super::common::certmonger::command("<&-", &args, &variables);
            let (pipe, null) = (std::process::Stdio::piped(), std::process::Stdio::null());
            command.stdout(pipe).stderr(null).spawn().unwrap()
        })
        .collect();
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let out = String::from_utf8(output.stdout).unwrap();
        certified(&place.f, &Said { code: 0, out, err: String::new() }, &place.csr);
    }
    assert_eq!(place.issued(), 8);
}
