//! `status`: dates, key, and the CA's records.

use super::common::{Folder, Said, tool};
use super::{issued, program, start};

#[track_caller]
fn status(f: &Folder, args: &[&str]) -> Said {
    f.nss_cmc(&[&["status", "-d", "db"], args].concat())
}

#[track_caller]
fn word(said: &Said) -> (String, bool) {
    let json = said.json();
    assert_eq!((&json["failed"], &json["changed"]), (&false.into(), &false.into()));
    let one = &json["result"]["certificates"][0];
    (one["status"].as_str().unwrap().to_owned(), one["serves"].as_bool().unwrap())
}

/// Writes another state into the CA's records of the agent's certificate.
fn book(f: &Folder, state: &str) {
    let all = issued(f);
    let lines =
        all.iter().map(|[serial, old, subject]| match subject.ends_with("CN=agent,O=STAND-IN") {
            true => format!("{serial} {state} CN=agent,O=STAND-IN\n"),
            false => format!("{serial} {old} {subject}\n"),
        });
    f.write("ca/issued", lines.collect::<String>());
}

#[test]
fn the_ca_s_records_decide() {
    let (f, ca) = start("both");
    let asked =
        |args: &[&str]| status(&f, &[args, &["--ca", &ca.url, "--output", "json"]].concat());
    let valid = ("valid".to_owned(), true);
    assert_eq!(word(&asked(&["agent"]).exits(0)), valid);
    assert_eq!(word(&asked(&["--file", "agent.pem"]).exits(0)), valid);
    let [serial, ..] = issued(&f).into_iter().find(|[.., s]| s.starts_with("CN=agent")).unwrap();
    assert_eq!(word(&asked(&["--serial", &serial]).exits(0)), valid);
    assert_eq!(asked(&["--serial", "0x7777"]).exits(12).json()["failed"], true);
    for (state, verdict) in [("REVOKED 1", "revoked"), ("REVOKED 6", "on_hold")] {
        book(&f, state);
        for which in [&["agent"][..], &["--file", "agent.pem"], &["--serial", &serial]] {
            assert_eq!(word(&asked(which).exits(13)), (verdict.to_owned(), false), "{which:?}");
        }
        // Nobody else knows.
        assert_eq!(word(&status(&f, &["agent", "--output", "json"]).exits(0)), valid);
    }
    let said = status(&f, &["agent", "--ca", &ca.url]).exits(13);
    assert!(said.out.starts_with("agent is on hold\n"), "{}", said.out);
}

#[test]
fn dates_and_keys() {
    let (f, ca) = start("both");
    let due = status(&f, &["agent", "--due", "1000d", "--output", "json"]).exits(13);
    assert_eq!(word(&due), ("due".to_owned(), false));
    let said = status(&f, &["--due", "10d"]).exits(0);
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    assert!(said.out.starts_with("agent\tvalid\t"), "{}", said.out);

    f.certutil(&[
        "-R", "-s", "CN=old", "-k", "ec", "-q", "nistp256", "-o", "old.csr", "-a", "-f", "pw",
        "-z", "pw",
    ]);
    let args = ["sign", "--dir", "ca", "--csr", "old.csr", "--out", "old.pem", "--expired"];
    tool(program().to_str().unwrap(), f.path(), &args);
    f.certutil(&["-A", "-n", "old", "-t", ",,", "-a", "-i", "old.pem", "-f", "pw"]);
    let said = status(&f, &["old", "--ca", &ca.url, "--output", "json"]).exits(13);
    assert_eq!(word(&said), ("expired".to_owned(), false));
    let said = status(&f, &[]).exits(13);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);

    // A certificate without its key is reported.
    let said = status(&f, &["ca_signing", "--output", "json"]).exits(13);
    assert_eq!(word(&said), ("valid".to_owned(), false));
    assert_eq!(said.json()["result"]["certificates"][0]["has_key"], false);
    status(&f, &["nobody"]).exits(12);
    status(&f, &["--serial", "1"]).exits(2);
}

#[test]
fn a_ca_without_records_is_a_failure() {
    for offer in ["none", "html", "shape", "down"] {
        let (f, ca) = start(offer);
        let said = status(&f, &["agent", "--ca", &ca.url]).exits(32);
        assert!(said.err.contains("cannot determine whether certificate "), "{}", said.err);
        assert_eq!(said.out, "");
        status(&f, &["agent"]).exits(0);
        status(&f, &["--serial", "1", "--ca", &ca.url]).exits(32);
    }
}

#[test]
fn enroll_replaces_a_revoked_one_when_told() {
    let (f, ca) = start("both");
    let enroll = |more: &[&str]| {
        let how = ["--ca", &ca.url, "--profile", "caCMCECserverCert", "--signer", "agent"];
        let what = ["--subject", "CN=www", "--nickname", "www", "--key-type", "ec:nistp256"];
        let all = [&["enroll", "-d", "db", "--password-file", "pw"][..], &how, &what, more];
        f.nss_cmc(&[&all.concat()[..], &["--output", "json"]].concat()).exits(0).json()
    };
    let revoked = ["--renew-revoked"];
    assert_eq!(enroll(&[])["status"], "issued");
    let same = enroll(&revoked);
    assert_eq!((&same["status"], &same["warnings"]), (&"unchanged".into(), &serde_json::json!([])));
    let before = String::from_utf8(f.read("ca/issued")).unwrap();
    let line = before.lines().find(|l| l.ends_with(" CN=www")).unwrap();
    let book =
        |state: &str| f.write("ca/issued", before.replace(line, &line.replace("VALID", state)));
    book("REVOKED 6");
    let held = enroll(&revoked);
    assert_eq!(held["status"], "unchanged");
    assert_eq!(held["warnings"], serde_json::json!(["the certificate is on hold"]));
    book("REVOKED 1");
    assert_eq!(enroll(&[])["status"], "unchanged");
    assert_eq!(enroll(&revoked)["status"], "renewed");
    assert_eq!(enroll(&revoked)["status"], "unchanged");
    assert_eq!(f.keys().len(), 3);
}
