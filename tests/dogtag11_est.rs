//! EST on Dogtag 11.10. The tests are `#[ignore]`d: they need the CA of DOGTAG11_BASE.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, PASSWORD, Said, tool};

const URL: &str = "https://ca11.lab.test:9443";

fn client(name: &str) -> PathBuf {
    let base = std::env::var_os("DOGTAG11_BASE").unwrap_or_else(|| "/opt/dogtag11-lab".into());
    Path::new(&base).join("work/client").join(name)
}

/// Makes a folder with a copy of the database that has agent and device.
fn folder() -> Folder {
    let folder = Folder::bare();
    folder.write_secret("pw", format!("{PASSWORD}\n"));
    let (from, to) = (client("nssdb"), folder.file("db"));
    tool("cp", Path::new("/"), &["-r", from.to_str().unwrap(), to.to_str().unwrap()]);
    folder.write_secret("est.txt", format!("{PASSWORD}\n"));
    folder
}

fn enroll(f: &Folder, more: &[&str]) -> Said {
    let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", URL, "--output", "json"];
    f.nss_cmc(&[&args[..], more].concat())
}

/// openssl finds the certificate's signature to be the CA's.
fn verified(f: &Folder, said: &Said) {
    f.write("new.pem", said.json()["result"]["certificate"]["pem"].as_str().unwrap());
    let ca = client("ca_signing.pem");
    tool("openssl", f.path(), &["verify", "-CAfile", ca.to_str().unwrap(), "new.pem"]);
}

#[test]
#[ignore]
fn the_chain_by_its_fingerprint() {
    let f = folder();
    let ca = client("ca_signing.pem");
    let args = ["x509", "-noout", "-fingerprint", "-sha256", "-in", ca.to_str().unwrap()];
    let print = tool("openssl", f.path(), &args);
    let print = print.trim().split_once('=').unwrap().1;
    let chain = ["ca", "chain", "--ca", URL, "--est", "--out", "chain.pem", "--fingerprint"];
    f.nss_cmc(&[&chain[..], &[print]].concat()).exits(0);
    let shown = |file: &str| tool("openssl", f.path(), &["x509", "-in", file]);
    assert_eq!(shown("chain.pem"), shown(ca.to_str().unwrap()));
    f.nss_cmc(&[&chain[..], &[&"00".repeat(32)]].concat()).exits(13);
}

#[test]
#[ignore]
fn full_cmc_by_agent_and_by_device() {
    let f = folder();
    for (signer, subject) in
        [("caadmin", "CN=est-any,O=LAB"), ("est-device", "CN=est-device,O=LAB")]
    {
        let nickname = format!("new by {signer}");
        let what = ["--est", "--signer", signer, "--subject", subject, "--nickname", &nickname];
        let what = [&what[..], &["--force"]].concat();
        let said = enroll(&f, &what).exits(0);
        verified(&f, &said);
        // A second one replaces it.
        assert_eq!(enroll(&f, &what).exits(0).json()["status"], "renewed");
    }
}

#[test]
#[ignore]
fn a_device_with_a_password() {
    let f = folder();
    let user = ["--est", "--simple", "--est-user", "est-test-user", "--est-password-file"];
    let what = ["--subject", "CN=est-test-user", "--nickname", "user"];
    let said = enroll(&f, &[&user[..], &["est.txt"], &what].concat()).exits(0);
    assert_eq!(said.json()["result"]["response_signed"], false);
    verified(&f, &said);
    // A user of the realm, its certificate renews itself.
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dogtag11/est-user.sh");
    tool(program.to_str().unwrap(), f.path(), &["est-test-user", "new.pem"]);
    let renew = ["renew", "-d", "db", "--password-file", "pw", "--ca", URL, "--est", "--simple"];
    let due = ["user", "--renew-before", "9999d", "--output", "json"];
    let said = f.nss_cmc(&[&renew[..], &due].concat()).exits(0).json();
    assert_eq!(said["result"]["certificates"][0]["status"], "renewed", "{said}");
    f.write_secret("bad.txt", "wrong\n");
    let said = enroll(&f, &[&user[..], &["bad.txt", "--force"], &what].concat()).exits(32);
    assert_eq!(said.json()["error"]["http"]["status"], 401, "{}", said.out);
}

#[test]
#[ignore]
fn refusals() {
    let f = folder();
    for (way, exit, words) in [
        (
            &["--est", "--signer", "est-device", "--subject", "CN=other,O=LAB"][..],
            40,
            "Request Subject Name Not Matched",
        ),
        (
            &[
                "--est",
                "--signer",
                "caadmin",
                "--subject",
                "CN=e,O=LAB",
                "--key-type",
                "ec:nistp256",
            ],
            40,
            "Key Type RSA Not Matched",
        ),
        (
            &["--est", "--simple", "--signer", "est-device", "--subject", "CN=other,O=LAB"],
            32,
            "(HTTP status 403)",
        ),
        // The profile of simple enrollment takes no subject with more than a CN.
        (
            &["--est", "--simple", "--signer", "est-device", "--subject", "CN=est-device,O=LAB"],
            32,
            "(HTTP status 400)",
        ),
        (
            &["--est=no-label", "--simple", "--signer", "caadmin", "--subject", "CN=e,O=LAB"],
            32,
            "(HTTP status 403)",
        ),
    ] {
        let said = enroll(&f, &[way, &["--nickname", "refused"]].concat());
        let report = said.json();
        let msg = report["msg"].as_str().unwrap();
        assert!(said.code == exit && msg.contains(words), "{way:?}: {} {}", said.code, said.out);
        assert!(!f.certificates().iter().any(|line| line.starts_with("refused")));
    }
}
