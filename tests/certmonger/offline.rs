//! The operations that certmonger runs all at once, and expects without a network.

use super::Place;
use super::common::certmonger::{command, helper};
use super::common::tool;

const OPERATIONS: [&str; 8] = [
    "IDENTIFY",
    "FETCH-ROOTS",
    "GET-SUPPORTED-TEMPLATES",
    "GET-DEFAULT-TEMPLATE",
    "GET-NEW-REQUEST-REQUIREMENTS",
    "GET-RENEW-REQUEST-REQUIREMENTS",
    "FETCH-SCEP-CA-CAPS",
    "FETCH-SCEP-CA-CERTS",
];

#[test]
fn they_use_neither_network_nor_password() {
    let place = Place::start(&[]);
    let database = format!("--database={}", place.f.file("db").display());
    // Nobody listens there, and the password file does not exist.
    let common = [&database, "--ca=https://127.0.0.1:9", "--signer=agent", "--password-file=/none"];
    let ask = |operation: &str, more: &[&str]| {
        helper(&[&common[..], more].concat(), &[("OPERATION", operation)])
    };
    let profile = ["--profile=caCMCserverCert"];
    let said = |operation: &str, more: &[&str]| {
        let said = ask(operation, more).exits(0);
        assert_eq!(said.err, "", "{operation}");
        said.out
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said("IDENTIFY", &profile), format!("nss-cmc {version} (CMC, Dogtag)\n"));
    assert_eq!(said("GET-DEFAULT-TEMPLATE", &profile), "caCMCserverCert\n");
    assert_eq!(said("GET-DEFAULT-TEMPLATE", &[]), "");
    let supported = said("GET-SUPPORTED-TEMPLATES", &["--profile=ourOwn"]);
    assert!(supported.starts_with("ourOwn\ncaCMCserverCert\n"), "{supported}");
    assert_eq!(supported.matches("caCMCserverCert\n").count(), 1);
    for operation in ["GET-NEW-REQUEST-REQUIREMENTS", "GET-RENEW-REQUEST-REQUIREMENTS"] {
        assert_eq!(said(operation, &profile), "");
        assert_eq!(said(operation, &[]), "CERTMONGER_CA_PROFILE\n");
    }
    let renewal = ["--renewal-profile=caFullCMCUserSignedCert"];
    assert_eq!(said("GET-RENEW-REQUEST-REQUIREMENTS", &renewal), "");
    assert_eq!(said("GET-NEW-REQUEST-REQUIREMENTS", &renewal), "CERTMONGER_CA_PROFILE\n");
    for operation in ["FETCH-SCEP-CA-CAPS", "FETCH-SCEP-CA-CERTS", "SOMETHING-NEW", "submit"] {
        let said = ask(operation, &profile).exits(6);
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{operation}");
    }
}

#[test]
fn the_roots_are_those_that_the_database_trusts() {
    let place = Place::start(&[]);
    let f = &place.f;
    let roots = || place.agent("x", &[], &[("OPERATION", "FETCH-ROOTS")]);
    let out = roots().exits(0).out;
    let (nickname, pem) = out.split_once('\n').unwrap();
    assert!(f.certificates().contains(&format!("{nickname} CT,C,C")), "{:?}", f.certificates());
    f.write("root.pem", pem);
    let same = |file: &str| tool("openssl", f.path(), &["x509", "-in", file, "-outform", "PEM"]);
    assert_eq!(same("root.pem"), same("ca/ca.pem"));
    assert!(out.ends_with("-----END CERTIFICATE-----\n"), "{out}");

    // A second one is an additional trusted certificate, after an empty line.
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k"];
    let args = ["req", "-x509", "-subj", "/CN=zz other", "-out", "other.pem"];
    tool("openssl", f.path(), &[&args[..], &key].concat());
    f.certutil(&["-A", "-n", "zz other", "-t", "C,,", "-i", "other.pem", "-f", "pw"]);
    let both = roots().exits(0).out;
    let (first, second) = both.split_once("\n\n").unwrap();
    assert_eq!(format!("{first}\n"), out);
    assert!(second.starts_with("zz other\n-----BEGIN CERTIFICATE-----\n"), "{both}");

    f.certutil(&["-M", "-n", "zz other", "-t", ",,", "-f", "pw"]);
    f.certutil(&["-M", "-n", nickname, "-t", ",,", "-f", "pw"]);
    assert_eq!(roots().exits(6).out, "");
}

#[test]
fn eight_run_at_once() {
    let place = Place::start(&[]);
    let mut args = place.options.clone();
    args.extend(["--profile=caCMCserverCert".into(), "--signer=agent".into()]);
    let start = |operation: &str| {
        let mut command = command("<&-", &args, &[("OPERATION", operation)]);
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = OPERATIONS.iter().map(|operation| start(operation)).collect();
    for (child, operation) in all.into_iter().zip(OPERATIONS) {
        let expected = if operation.contains("SCEP") { 6 } else { 0 };
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{operation}");
    }
}
