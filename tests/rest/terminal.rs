//! What is different on a terminal: tables, and the question whether a fingerprint is the CA's. The
//! terminal is one of util-linux's `script`.

use std::io::Write;
use std::process::{Command, Stdio};

use super::common::Folder;
use super::start;

/// Runs the program on a terminal where `typed` is typed; returns what stands there, and the exit code.
fn on_a_terminal(f: &Folder, args: &str, typed: &str) -> (String, i32) {
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let mut child = Command::new("script")
        .args(["-q", "-e", "-c", &format!("{program} {args}"), "/dev/null"])
        .current_dir(f.path())
        .env_remove("NSS_CMC_OUTPUT")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn lists_are_tables() {
    let (f, ca) = start("both");
    let (text, code) = on_a_terminal(&f, &format!("ca find -d db --ca {}", ca.url), "");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("SERIAL  STATUS  ENDS        SUBJECT\r\n0x1     valid   "), "{text}");
    assert!(text.contains(" certificates\r\n") && !text.contains('\t'), "{text}");
    let (text, code) = on_a_terminal(&f, "status -d db", "");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("NICKNAME  STATUS  VALID UNTIL"), "{text}");
}

#[test]
fn an_unknown_ca_is_asked_about() {
    let (f, ca) = start("both");
    f.certutil(&["-D", "-n", "ca_signing"]);
    let before = f.state();
    let chain = format!("ca chain -d db --password-file pw --ca {} --trust", ca.url);
    for no in ["n\n", "\n", "yes please\n"] {
        let (text, code) = on_a_terminal(&f, &chain, no);
        assert!(text.contains("  SHA-256: ") && text.contains("(y/N)?"), "{text}");
        assert!(text.contains("was not confirmed"), "{text}");
        assert_eq!((code, f.state()), (13, before.clone()), "{no:?}: {text}");
    }
    let (text, code) = on_a_terminal(&f, &chain, "y\n");
    assert_eq!(code, 0, "{text}");
    assert!(f.certificates().iter().any(|line| line.ends_with(" CT,C,C")), "{text}");
    f.nss_cmc(&["ca", "find", "-d", "db", "--ca", &ca.url]).exits(0);
}
