//! A libcurl that can't use a key in NSS is refused, never used without the key.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::stand_in::{StandIn, folder};
use common::{Folder, Said, run, tool};

/// Runs `enroll` with the shim in front of libcurl.
fn enroll(f: &Folder, url: &str, shim: &str) -> Said {
    run(&mut command(f, url, shim))
}

fn command(f: &Folder, url: &str, shim: &str) -> Command {
    let enroll = ["enroll", "-d", "db", "--password-file", "pw", "--ca", url];
    let what = ["--profile", "caCMCserverCert", "--signer", "agent", "--subject", "CN=x"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    command.current_dir(f.path()).args(enroll).args(what).args(["--nickname", "x"]);
    command.env("LD_PRELOAD", f.file("shim.so")).env("SHIM", shim);
    command
}

fn shim(f: &Folder) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libcurl/shim.c");
    let source = source.to_str().unwrap();
    tool("cc", f.path(), &["-shared", "-fPIC", "-o", "shim.so", source, "-ldl"]);
}

/// Commands without network work, the others fail with an error.
#[test]
fn a_libcurl_that_cannot_be_initialised() {
    let f = folder(&["--key-type", "ec"]);
    shim(&f);
    let before = f.state();
    let said = enroll(&f, "https://localhost:1", "broken").exits(31);
    assert!(said.err.contains("cannot initialize libcurl and OpenSSL"), "{}", said.err);
    assert_eq!(f.state(), before);
    let said = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .env("LD_PRELOAD", f.file("shim.so"))
        .env("SHIM", "broken")
        .args(["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=x"]));
    assert!(said.exits(0).out.contains("BEGIN CERTIFICATE REQUEST"));
}

/// A name lookup that hangs ends with the first signal, and with the time limit.
#[test]
fn a_look_up_that_hangs() {
    let f = folder(&["--key-type", "ec"]);
    shim(&f);
    let before = f.keys();
    let mut child = command(&f, "https://ca.example", "lookup").spawn().unwrap();
    // The key is generated before the lookup.
    while f.keys() == before {
        assert!(child.try_wait().unwrap().is_none());
    }
    tool("kill", f.path(), &["-s", "TERM", &child.id().to_string()]);
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(f.keys(), before);
    let mut command = command(&f, "https://ca.example", "lookup");
    let said = run(command.args(["--connect-timeout", "1"])).exits(30);
    assert!(said.err.contains("timeout waiting for"), "{}", said.err);
    assert_eq!(f.keys(), before);
}

#[test]
fn a_libcurl_that_cannot_be_lent_a_key_is_refused() {
    let f = folder(&[]);
    shim(&f);
    let ca = StandIn::start(&f, &[]);
    let before = f.state();
    for (shim, words) in [
        ("gnutls", "libcurl is built on GnuTLS/3.7.9"),
        ("deaf", "libcurl did not call NSS"),
        ("blind", "libcurl did not call NSS"),
    ] {
        let said = enroll(&f, &ca.url, shim).exits(31);
        assert!(said.err.contains(words), "{shim}: {}", said.err);
        assert!(said.err.contains("libcurl built on OpenSSL 3"), "{shim}: {}", said.err);
        let (mut keys, certificates) = f.state();
        assert_eq!(certificates, before.1, "{shim}");
        if shim == "blind" {
            // The request was sent, to whichever server: its key remains, and is reported.
            keys.retain(|id| !said.err.contains(id));
        }
        assert_eq!(keys, before.0, "{shim}: {}", said.err);
    }
    // Only the shim that accepts every server reached the CA, without the client's key.
    let log = String::from_utf8(f.read("ca.log")).unwrap();
    let asked: Vec<&str> = log.lines().filter(|l| l.contains("profileId=")).collect();
    assert_eq!(asked.len(), 1, "{log}");
    assert!(asked[0].contains("no client certificate"), "{log}");
    enroll(&f, &ca.url, "").exits(0);
}
