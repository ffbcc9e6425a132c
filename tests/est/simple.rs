//! `/simpleenroll` and `/simplereenroll`, and a user with a password.

use super::common::proxy::Proxy;
use super::common::stand_in::{StandIn, folder};
use super::common::{Folder, Said, tool};
use super::log;

const LOGIN: [&str; 2] = ["--est-login", "device:est secret"];
const USER: [&str; 4] = ["--est-user", "device", "--est-password-file", "est.txt"];

fn enroll(f: &Folder, ca: &str, more: &[&str]) -> Said {
    let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", ca, "--simple"];
    f.nss_cmc(&[&args[..], more].concat())
}

const DEVICE: [&str; 6] = ["--subject", "CN=device", "--nickname", "device", "--output", "json"];

fn last(f: &Folder) -> String {
    log(f).lines().last().unwrap_or_default().to_owned()
}

/// A first certificate: no certificate authenticates the client, only user and password.
#[test]
fn a_user_with_a_password() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &LOGIN);
    f.write_secret("est.txt", "est secret\n");
    let said = enroll(&f, &ca.url, &[&["--est"], &USER[..], &DEVICE].concat()).exits(0);
    let report = said.json();
    assert_eq!(
        (&report["status"], &report["result"]["response_signed"]),
        (&"issued".into(), &false.into())
    );
    assert!(!said.out.contains("est secret") && !said.err.contains("est secret"));
    assert!(last(&f).contains("EST with Authorization, simpleenroll: done"), "{}", log(&f));
    // openssl finds the CA's signature valid, and certutil the key beside the certificate.
    f.write("device.pem", report["result"]["certificate"]["pem"].as_str().unwrap());
    tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "device.pem"]);
    assert!(f.certificates().contains(&"device u,u,u".to_owned()));
    let lines = log(&f).lines().count();
    let again = enroll(&f, &ca.url, &[&["--est"], &USER[..], &DEVICE].concat()).exits(0).json();
    assert_eq!((&again["changed"], log(&f).lines().count()), (&false.into(), lines));

    // The password from elsewhere: the environment, a JSON request.
    let force = ["--est", "--force", "--est-user", "device"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    command.current_dir(f.path()).env("EST_PASSWORD", "est secret").args(["enroll", "-d", "db"]);
    command.args(["--password-file", "pw", "--ca", &ca.url, "--simple"]).args(DEVICE).args(force);
    super::common::run(command.args(["--est-password-env", "EST_PASSWORD"])).exits(0);
    let request = serde_json::json!({
        "est": true, "simple": true, "est_user": "device", "est_password": "est secret",
    });
    f.write_secret("request.json", request.to_string());
    let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url, "--force"];
    f.nss_cmc(&[&args[..], &DEVICE, &["--request", "request.json"]].concat()).exits(0);

    // A wrong password, and none.
    f.write_secret("est.txt", "another\n");
    let said = enroll(&f, &ca.url, &[&["--est", "--force"], &USER[..], &DEVICE].concat()).exits(32);
    assert!(
        said.json()["msg"]
            .as_str()
            .unwrap()
            .contains("did not authenticate the client (HTTP status 401)")
    );
    assert!(!said.out.contains("another"), "{}", said.out);
    enroll(&f, &ca.url, &[&["--est", "--force"], &DEVICE[..]].concat()).exits(2);
}

/// The configuration file has it all.
#[test]
fn from_the_configuration_file() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &LOGIN);
    f.write_secret("est.txt", "est secret\n");
    let (pw, est, db) = (f.file("pw"), f.file("est.txt"), f.file("db"));
    f.write("nss-cmc.ini", format!(
        "[defaults]\nca = lab\ndatabase = {}\npassword-file = {}\n[lab]\nurl = {}\nest = caCMCserverCert\n\
         simple = yes\nest-user = device\nest-password-file = {}\n",
        db.display(), pw.display(), ca.url, est.display()
    ));
    let enroll = |more: &[&str]| {
        let args = ["enroll", "--config", "nss-cmc.ini"];
        f.nss_cmc(&[&args[..], &DEVICE, more].concat())
    };
    enroll(&[]).exits(0);
    assert!(log(&f).contains("/.well-known/est/caCMCserverCert/simpleenroll"), "{}", log(&f));
    let text = String::from_utf8(f.read("nss-cmc.ini")).unwrap();
    f.write("nss-cmc.ini", text.replace("est = caCMCserverCert", "est = yes"));
    enroll(&["--force"]).exits(0);
    assert!(last(&f).starts_with("/.well-known/est/simpleenroll"), "{}", log(&f));
    let shown = f.nss_cmc(&["config", "show", "--config", "nss-cmc.ini", "--ca", "lab"]).exits(0);
    assert!(shown.out.contains("est-user") && !shown.out.contains("est secret"), "{}", shown.out);
}

/// A request with the names of the client's certificate is for its successor.
#[test]
fn reenrollment_by_the_old_certificate() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    let by = |signer: &str, more: &[&str]| {
        enroll(
            &f,
            &ca.url,
            &[&["--est=caFullCMCUserCert", "--signer", signer], &DEVICE[..], more].concat(),
        )
    };
    by("agent", &[]).exits(0);
    assert!(last(&f).contains("/simpleenroll EST simpleenroll: done"), "{}", log(&f));
    let report = by("device", &["--force"]).exits(0).json();
    assert_eq!(report["status"], "renewed", "{report}");
    assert!(last(&f).contains("/simplereenroll EST simplereenroll: done"), "{}", log(&f));
    by("device", &["--force", "--reuse-key"]).exits(0);
    assert!(last(&f).contains("/simplereenroll "), "{}", log(&f));
    by("device", &["--force", "--dns", "other.example.com"]).exits(0);
    assert!(last(&f).contains("/simpleenroll "), "{}", log(&f));
    // renew: the certificate is its own client.
    let renew = [
        "renew",
        "-d",
        "db",
        "--password-file",
        "pw",
        "--ca",
        &ca.url,
        "--est=caFullCMCUserCert",
        "--simple",
    ];
    f.nss_cmc(&[&renew[..], &["--renew-before", "9999d", "device"]].concat()).exits(0);
    assert!(last(&f).contains("simplereenroll: done"), "{}", log(&f));
}

#[test]
fn what_proves_nothing_is_not_imported() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[&LOGIN[..], &["--rest", "none"]].concat());
    f.write_secret("est.txt", "est secret\n");
    let before = f.state();
    for (wish, exit, words) in [
        ("other-key", 42, "matches the key of the request"),
        ("no-cert", 42, "matches the key of the request"),
        ("forged", 42, "not issued by a CA that this database trusts"),
        ("202", 3, "has not issued the certificate yet (HTTP status 202); try again at 20"),
        ("403", 32, "does not permit the client to do this (HTTP status 403)"),
        ("404", 32, "does not have this operation (HTTP status 404)"),
        ("501", 32, "cannot do this, or not yet (HTTP status 501)"),
        ("both", 32, "did not authenticate the client (HTTP status 401)"),
        ("http500", 32, "failed (HTTP status 500)"),
        ("http502", 32, "is not available (HTTP status 502)"),
        ("html", 32, "HTML page"),
        ("garbage", 32, "not base64 of a CMC message"),
        ("truncated", 32, "not base64 of a CMC message"),
        ("empty", 32, "empty response"),
        ("short", 32, "Content-Length"),
    ] {
        let est = format!("--est=standin-{wish}");
        let came = super::came(&f).len();
        let said = enroll(&f, &ca.url, &[&[&est[..]], &USER[..], &DEVICE].concat());
        assert_eq!(said.code, exit, "{wish}: {}", said.out);
        let report = said.json();
        assert!(report["msg"].as_str().unwrap().contains(words), "{wish}: {}", said.out);
        // One POST, and one key for all: the server may yet issue.
        assert_eq!(super::came(&f).len(), came + 1, "{wish}: {}", log(&f));
        assert_eq!(f.keys().len(), before.0.len() + 1, "{wish}");
        assert_eq!(f.certificates(), before.1, "{wish}");
    }
    // Other certificates beside the right one do no harm, and are not imported.
    for (wish, more) in [("extra", &["--signer", "agent"][..]), ("forged-too", &[])] {
        let est = format!("--est=standin-{wish}");
        let said =
            enroll(&f, &ca.url, &[&[&est[..], "--force"], &USER[..], &DEVICE, more].concat());
        let report = said.exits(0).json();
        assert_eq!(report["result"]["imported_ca_nicknames"], serde_json::json!([]), "{report}");
        f.write("device.pem", report["result"]["certificate"]["pem"].as_str().unwrap());
        tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "device.pem"]);
    }
}

/// The password goes to a verified EST server, and nowhere else.
#[test]
fn the_password_stays_between_client_and_server() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &LOGIN);
    f.write_secret("est.txt", "est secret\n");
    let proxy = Proxy::start();
    let through = ["--est", "--proxy", &proxy.url()];
    enroll(&f, &ca.url, &[&through[..], &USER, &DEVICE].concat()).exits(0);
    let seen = proxy.seen().concat();
    assert!(seen.starts_with("CONNECT ") && !seen.contains("uthorization"), "{seen}");
    let plain = ca.url.replace("https://", "http://");
    let said = enroll(&f, &plain, &[&["--est", "--force"], &USER[..], &DEVICE].concat()).exits(2);
    assert!(said.out.contains("plain http"), "{}", said.out);
    // Not to a CA's servlets.
    let servlet =
        ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url, "--signer", "agent"];
    let said = f.nss_cmc(&[&servlet[..], &["--profile", "x"], &USER, &DEVICE].concat()).exits(2);
    assert!(said.out.contains("--est-user is for EST servers only"), "{}", said.out);
    let said =
        enroll(&f, &ca.url, &[&["--est", "--est-user", "a:b"], &DEVICE[..]].concat()).exits(2);
    assert!(said.out.contains("invalid --est-user"), "{}", said.out);
    // Not to a server that the database doesn't trust.
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let came = log(&f).matches("Authorization").count();
    enroll(&f, &ca.url, &[&["--est", "--force"], &USER[..], &DEVICE].concat()).exits(31);
    assert_eq!(log(&f).matches("Authorization").count(), came, "{}", log(&f));
    // And no user without a request alone: nobody would sign the CMC request.
    let cmc = ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url, "--est"];
    f.nss_cmc(&[&cmc[..], &USER, &DEVICE].concat()).exits(2);
}
