//! CMCRevoke on the real CA; either HttpClient sends its CMCRevoke.out.

use super::common::PASSWORD;
use super::common::dogtag::{folder, helper, http_cfg};
use super::revoke::ISSUER;
use super::{By, FULL, Folder, USER_SIGNED, old_name, shown, user};

/// Runs CMCRevoke as documented, with seven options and their values attached.
fn revoke(f: &Folder, by: By, nickname: &str, serial: &str, reason: &str) {
    let args = [
        "CMCRevoke".to_owned(),
        format!("-d{}", f.file("db").display()),
        format!("-n{nickname}"),
        format!("-i{ISSUER}"),
        format!("-s{serial}"),
        format!("-m{reason}"),
        format!("-p{PASSWORD}"),
        "-cby the old tool".to_owned(),
    ];
    std::fs::remove_file(f.file("CMCRevoke.out")).ok();
    let said = old_name(f, by, &args.each_ref().map(String::as_str)).exits(0);
    assert!(said.out.contains("CMC revocation binary blob written to CMCRevoke.out"));
    assert!(said.out.contains("-----BEGIN CERTIFICATE REQUEST-----\nMII"), "{}", said.out);
}

/// Sends CMCRevoke.out.
fn send(f: &Folder, by: By, servlet: &str, nickname: &str) {
    std::fs::remove_file(f.file("cmc.resp")).ok();
    http_cfg(f, "http.cfg", servlet, Some(nickname), ("CMCRevoke.out", "cmc.resp"));
    old_name(f, by, &["HttpClient", "http.cfg"]).exits(0);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn by_agent_and_owner_mixed_with_java() {
    let f = folder("old-revoke");
    let agents = format!("{FULL}caFullCMCUserCert");
    let users = format!("{USER_SIGNED}caFullCMCUserSignedCert");
    for (make, post, show) in
        [(By::Us, By::Us, By::Us), (By::Us, By::Java, By::Java), (By::Java, By::Us, By::Us)]
    {
        let name = format!("a{make:?}{post:?}");
        let serial = user(&f, &name, "ec:nistp256");
        revoke(&f, make, "caadmin", &serial, "1");
        send(&f, post, &agents, "caadmin");
        let said = shown(&f, show).exits(0);
        assert!(said.out.contains("Status: SUCCESS"), "{}", said.out);
        let state = helper(&f, "shown.sh", &[&serial]);
        assert!(state.starts_with("REVOKED 1 caadmin"), "{make:?} {post:?}: {state}");

        let key = if make == By::Us { "rsa:2048" } else { "ec:nistp256" };
        let name = format!("u{make:?}{post:?}");
        let serial = user(&f, &name, key);
        revoke(&f, make, &name, &serial, "4");
        send(&f, post, &users, &name);
        shown(&f, show).exits(0);
        let state = helper(&f, "shown.sh", &[&serial]);
        assert!(state.starts_with("REVOKED 4"), "{make:?} {post:?}: {state}");
    }
}

/// Names of reasons, hexadecimal numbers, and passwords from files, which the Java tool doesn't
/// accept.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn kinder_arguments() {
    let f = folder("old-revoke-kind");
    let serial = user(&f, "kind", "ec:nistp256");
    let hex = format!("0x{:x}", serial.parse::<u128>().unwrap());
    let args = ["CMCRevoke", "-d", "db", "-n", "caadmin", "-i", ISSUER, "-s", &hex];
    let more = ["-m", "certificateHold", "--password-file", "pw", "--invalidity-now"];
    f.nss_cmc(&[&args[..], &more].concat()).exits(0);
    send(&f, By::Us, &format!("{FULL}caFullCMCUserCert"), "caadmin");
    shown(&f, By::Us).exits(0);
    assert!(helper(&f, "shown.sh", &[&serial]).starts_with("REVOKED 6"));
}

/// The CA refuses a signed request with a shared secret; CMCRevoke warned of it.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_shared_secret_in_a_signed_request() {
    let f = folder("old-revoke-secret");
    let serial = user(&f, "mixed", "ec:nistp256");
    helper(&f, "revocation-secret.sh", &[&serial, "rs"]);
    f.write("secret", "rs\n");
    let args = ["CMCRevoke", "-ddb", "-ncaadmin", "-s", &serial, "-i", ISSUER, "-m1"];
    let more = ["--password-file", "pw", "--secret-file", "secret"];
    let said = f.nss_cmc(&[&args[..], &more].concat()).exits(0);
    assert!(said.err.contains("refuses a signed request with a shared secret"), "{}", said.err);
    send(&f, By::Us, &format!("{FULL}caFullCMCUserCert"), "caadmin");
    let said = shown(&f, By::Us).exits(1);
    assert!(said.out.contains("bad identity"), "{}", said.out);
    assert_eq!(helper(&f, "shown.sh", &[&serial]).trim(), "VALID");
}
