//! `nss-cmc revoke`: which certificate is selected, which are refused, and whether the CA revoked
//! it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, PASSWORD, Said, run, tool};
use serde_json::Value;

const ISSUER: &str = "CN=CA Signing Certificate,O=STAND-IN";

/// Makes a database with an agent, and a CA with subsystems and these options.
fn start(options: &[&str]) -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &[&["--server-key-type", "ec"], options].concat());
    (f, ca)
}

fn ca_says(f: &Folder, args: &[&str]) -> String {
    tool(program().to_str().unwrap(), f.path(), &[args, &["--dir", "ca"]].concat())
}

/// Enrolls a user's certificate under a nickname; returns its serial number.
fn user(f: &Folder, ca: &StandIn, nickname: &str) -> String {
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    let subject = format!("CN={nickname},O=STAND-IN");
    args.extend(["--profile", "caECFullCMCUserCert", "--signer", "agent", "--force"]);
    args.extend(["--key-type", "ec:nistp256", "--subject", &subject, "--nickname", nickname]);
    let report = f.nss_cmc(&[&args[..], &["--output", "json"]].concat()).exits(0).json();
    report["result"]["certificate"]["serial"]["hex"].as_str().unwrap().to_owned()
}

fn revoke(f: &Folder, ca: &StandIn, more: &[&str]) -> Said {
    let mut args = vec!["revoke", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    args.extend(["--output", "json"]);
    args.extend(more);
    f.nss_cmc(&args)
}

/// Returns the state in the CA's records: `VALID`, or `REVOKED` and the reason code.
fn state(f: &Folder, serial: &str) -> String {
    let list = ca_says(f, &["list"]);
    let line = list.lines().find(|l| l.split(' ').next() == Some(serial));
    let line = line.unwrap_or_else(|| panic!("{serial} is not in {list}"));
    let words: Vec<&str> = line.split(' ').collect();
    if words[1] == "REVOKED" { words[1..3].join(" ") } else { words[1].to_owned() }
}

/// Runs `revoke`, which must fail with this exit code and these words, send no revocation, and
/// change nothing at the CA.
#[track_caller]
fn refused(f: &Folder, ca: &StandIn, args: &[&str], code: i32, words: &[&str]) -> Value {
    let before = (ca_says(f, &["list"]), f.state());
    let posts =
        |f: &Folder| String::from_utf8(f.read("ca.log")).unwrap().matches("profileSubmit").count();
    let sent = posts(f);
    let said = revoke(f, ca, args).exits(code);
    for word in words {
        assert!(said.out.contains(word), "{args:?}: {word:?} is missing in {}", said.out);
    }
    assert_eq!((ca_says(f, &["list"]), f.state()), before, "{args:?}");
    assert_eq!(posts(f), sent, "{args:?}: sent");
    said.json()
}

#[test]
fn a_nickname_of_several_certificates_names_none() {
    let (f, ca) = start(&[]);
    let serials = [user(&f, &ca, "www"), user(&f, &ca, "www"), user(&f, &ca, "www")];
    let words =
        [&serials[0][..], &serials[1], &serials[2], "CN=www,O=STAND-IN", ISSUER, "--serial"];
    for by in [&[][..], &["--signer", "agent"]] {
        let args = [&["--nickname", "www"], by].concat();
        let report = refused(&f, &ca, &args, 2, &words);
        let notes = report["error"]["notes"].as_array().unwrap();
        let used: Vec<&Value> =
            notes.iter().filter(|n| n.as_str().unwrap().contains("in use")).collect();
        assert_eq!(used.len(), 1, "{notes:?}");
        // `certutil -L -n` prints the one that NSS takes first.
        assert!(notes.iter().all(|n| n.as_str().unwrap().contains("valid 2")), "{notes:?}");
    }
    // Text output lists them, too.
    let said = f.nss_cmc(&[
        "revoke",
        "-d",
        "db",
        "--password-file",
        "pw",
        "--ca",
        &ca.url,
        "--nickname",
        "www",
    ]);
    assert!(said.err.contains(&serials[0]) && said.err.contains(&serials[2]), "{}", said.err);

    let by_serial = ["--nickname", "www", "--serial", &serials[0], "--reason", "superseded"];
    let report = revoke(&f, &ca, &by_serial).exits(0).json();
    assert_eq!(
        (&report["result"]["by"], &report["result"]["verified"]),
        (&"owner".into(), &true.into())
    );
    let pem = f.file("ca/certs").join(format!("{}.der", &serials[1][2..]));
    let file = ["--nickname", "www", "--cert", pem.to_str().unwrap(), "--reason", "superseded"];
    revoke(&f, &ca, &file).exits(0);
    let states: Vec<String> = serials.iter().map(|s| state(&f, s)).collect();
    assert_eq!(states, ["REVOKED 4", "REVOKED 4", "VALID"]);

    // A certificate that isn't under the nickname.
    let other = user(&f, &ca, "other");
    refused(&f, &ca, &["--nickname", "www", "--serial", &other], 12, &[&other, &serials[2]]);
    let pem = f.file("ca/certs").join(format!("{}.der", &other[2..]));
    refused(&f, &ca, &["--nickname", "www", "--cert", pem.to_str().unwrap()], 12, &["www"]);
    // A single certificate needs only its nickname.
    revoke(&f, &ca, &["--nickname", "internal:other"]).exits(0);
    assert_eq!(state(&f, &other), "REVOKED 0");
}

#[test]
fn an_expired_certificate_under_the_nickname_counts() {
    let (f, ca) = start(&[]);
    ca_says(&f, &["sign", "--csr", "agent.csr", "--expired", "--out", "old.pem"]);
    f.certutil(&["-A", "-n", "agent", "-t", ",,", "-a", "-i", "old.pem", "-f", "pw"]);
    let report = refused(&f, &ca, &["--nickname", "agent"], 2, &["CN=agent,O=STAND-IN"]);
    let notes = report["error"]["notes"].as_array().unwrap();
    assert_eq!(notes.iter().filter(|n| n.as_str().unwrap().contains("expired")).count(), 1);
    assert_eq!(notes.iter().filter(|n| n.as_str().unwrap().contains("in use")).count(), 1);
}

#[test]
fn what_the_ca_runs_on_is_refused() {
    let (f, ca) = start(&[]);
    f.write("noise", [5; 64]);
    let subsystems = ca_says(&f, &["subsystems"]);
    let mut own: Vec<(&str, &str)> = subsystems
        .lines()
        .map(|l| (l.split(' ').next().unwrap(), l.splitn(3, ' ').nth(2).unwrap()))
        .collect();
    assert!(own.len() > 5);
    own.push(("0x1", ISSUER));
    let list = ca_says(&f, &["list"]);
    let server = list.lines().find(|l| l.ends_with(" CN=localhost")).unwrap();
    own.push((server.split(' ').next().unwrap(), "CN=localhost"));
    for (serial, subject) in &own {
        let args = ["--serial", serial, "--signer", "agent"];
        refused(&f, &ca, &args, 2, &[serial, subject, "--allow-ca"]);
        // Neither --allow-signer nor --allow-unseen permits it.
        let more = [&args[..], &["--allow-signer", "--allow-unseen"]].concat();
        refused(&f, &ca, &more, 2, &[subject]);
    }
    let file = ["--cert", "ca/ca.pem", "--signer", "agent"];
    refused(&f, &ca, &file, 2, &[ISSUER, "--allow-ca"]);
    refused(&f, &ca, &["--nickname", "ca_signing", "--signer", "agent"], 2, &[ISSUER]);
    // A renewed certificate of the CA's host, which the records don't mark as the system's, by
    // serial number.
    f.certutil(&[
        "-R",
        "-s",
        "CN=localhost",
        "-a",
        "-o",
        "host.csr",
        "-k",
        "ec",
        "-q",
        "nistp256",
        "-f",
        "pw",
        "-z",
        "noise",
    ]);
    let mut enroll = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    enroll.extend(["--profile", "caCMCECserverCert", "--signer", "agent", "--csr", "host.csr"]);
    enroll.extend(["--nickname", "host", "--output", "json"]);
    let report = f.nss_cmc(&enroll).exits(0).json();
    let serial = report["result"]["certificate"]["serial"]["hex"].as_str().unwrap();
    let args = ["--serial", serial, "--signer", "agent"];
    refused(&f, &ca, &args, 2, &["the CA's host localhost", "--allow-ca"]);
    revoke(&f, &ca, &["--nickname", "host", "--signer", "agent"]).exits(0);
    // With --allow-ca it is revoked, with a warning.
    let args = ["--serial", own[0].0, "--signer", "agent", "--allow-ca"];
    let report = revoke(&f, &ca, &args).exits(0).json();
    assert_eq!(state(&f, own[0].0), "REVOKED 0");
    assert!(report["warnings"].to_string().contains("OCSP"), "{report}");
}

#[test]
fn a_subordinate_ca_is_refused() {
    let (f, ca) = start(&[]);
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    args.extend(["--profile", "caCMCcaCert", "--signer", "agent", "--key-type", "ec:nistp256"]);
    args.extend(["--subject", "CN=Sub CA,O=X", "--nickname", "sub", "--output", "json"]);
    let report = f.nss_cmc(&args).exits(0).json();
    let serial = report["result"]["certificate"]["serial"]["hex"].as_str().unwrap();
    refused(&f, &ca, &["--serial", serial, "--signer", "agent"], 2, &["CN=Sub CA", "--allow-ca"]);
}

#[test]
fn the_signer_s_own_is_refused_by_serial_only() {
    let (f, ca) = start(&[]);
    let list = ca_says(&f, &["list"]);
    let agent = list.lines().find(|l| l.ends_with(" CN=agent,O=STAND-IN")).unwrap();
    let agent = agent.split(' ').next().unwrap();
    let args = ["--serial", agent, "--signer", "agent"];
    refused(&f, &ca, &args, 2, &["CN=agent", "--allow-signer"]);
    let dry = [&args[..], &["--allow-signer", "--dry-run"]].concat();
    revoke(&f, &ca, &dry).exits(0);
    assert_eq!(state(&f, agent), "VALID");
    // By nickname as its owner, the own certificate is intended.
    let report = revoke(&f, &ca, &["--nickname", "agent"]).exits(0).json();
    assert_eq!(report["result"]["by"], "owner");
    assert_eq!(state(&f, agent), "REVOKED 0");
}

#[test]
fn what_is_revoked_is_shown_and_can_be_looked_at_first() {
    let (f, ca) = start(&[]);
    let serial = user(&f, &ca, "alice");
    let by_agent = ["--serial", &serial, "--signer", "agent", "--reason", "keyCompromise"];
    let dry = [&by_agent[..], &["--dry-run"]].concat();
    let report = revoke(&f, &ca, &dry).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"dry_run".into(), &false.into()));
    let check = [&by_agent[..], &["--check"]].concat();
    let checked = revoke(&f, &ca, &check).exits(0).json();
    assert_eq!((&checked["status"], &checked["changed"]), (&"would_revoke".into(), &true.into()));
    assert_eq!(checked["result"], report["result"]);
    assert_eq!(report["result"]["subject"], "CN=alice,O=STAND-IN");
    assert_eq!(report["result"]["issuer"], ISSUER);
    assert_eq!(report["result"]["state"], "valid");
    assert_eq!(state(&f, &serial), "VALID");
    let text = f.nss_cmc(
        &[&["revoke", "-d", "db", "--password-file", "pw", "--ca", &ca.url][..], &by_agent]
            .concat(),
    );
    let said = text.exits(0);
    for word in ["CN=alice,O=STAND-IN", ISSUER, &serial, "keyCompromise"] {
        assert!(said.out.contains(word), "{}", said.out);
    }
    assert_eq!(state(&f, &serial), "REVOKED 1");
    // Revoking again does nothing.
    let report = revoke(&f, &ca, &by_agent).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"unchanged".into(), &false.into()));
    refused(&f, &ca, &["--serial", "0x7777", "--signer", "agent"], 12, &["0x7777"]);
}

#[test]
fn a_certificate_nothing_is_known_of_is_refused() {
    for rest in ["none", "html", "shape", "down"] {
        let (f, ca) = start(&["--rest", rest]);
        let pem = "agent.pem";
        ca_says(&f, &["sign", "--csr", "agent.csr", "--out", "unseen.pem"]);
        let list = ca_says(&f, &["list"]);
        let serial = list.lines().last().unwrap().split(' ').next().unwrap().to_owned();
        let args = ["--serial", &serial, "--signer", "agent"];
        refused(&f, &ca, &args, 2, &[&serial, "--allow-unseen"]);
        // A certificate in the database is known even without REST.
        refused(&f, &ca, &["--serial", "1", "--signer", "agent"], 2, &[ISSUER, "--allow-ca"]);
        let more = [&args[..], &["--allow-unseen"]].concat();
        let report = revoke(&f, &ca, &more).exits(0).json();
        assert_eq!(report["result"]["verified"], false);
        assert!(report["warnings"].to_string().contains("unverified"), "{report}");
        assert_eq!(state(&f, &serial), "REVOKED 0");
        // A certificate in a file is known without the CA's records.
        let report = revoke(&f, &ca, &["--cert", pem, "--signer", "agent"]).exits(0).json();
        assert_eq!(report["result"]["verified"], false);
        assert_eq!(report["result"]["subject"], "CN=agent,O=STAND-IN");
    }
}

#[test]
fn by_shared_secret_the_same_rules_hold() {
    let (f, ca) = start(&[]);
    let serial = user(&f, &ca, "alice");
    f.write("secret", "to revoke with\n");
    for number in [&serial[..], "0x1"] {
        ca_says(&f, &["revocation-secret", "--serial", number, "--secret-file", "secret"]);
    }
    let args = |serial| ["--serial", serial, "--issuer", ISSUER, "--shared-secret-file", "secret"];
    refused(&f, &ca, &args("0x1"), 2, &[ISSUER, "--allow-ca"]);
    let other = ["--serial", &serial, "--issuer", "CN=Other", "--shared-secret-file", "secret"];
    refused(&f, &ca, &other, 2, &["CN=Other", ISSUER]);
    let report = revoke(&f, &ca, &args(&serial)).exits(0).json();
    assert_eq!(report["result"]["subject"], "CN=alice,O=STAND-IN");
    assert_eq!(report["result"]["verified"], true);
    assert_eq!(state(&f, &serial), "REVOKED 0");
}

/// Another installation of a CA of the same name: its serial numbers are other certificates here.
#[test]
fn a_certificate_that_is_another_one_at_this_ca_is_refused() {
    let (f, ca) = start(&[]);
    let serial = user(&f, &ca, "alice");
    let init = ["init", "--dir", "ca2", "--key-type", "ec"];
    tool(program().to_str().unwrap(), f.path(), &init);
    for _ in 0..4 {
        let sign = ["sign", "--dir", "ca2", "--csr", "agent.csr", "--out", "twin.pem"];
        tool(program().to_str().unwrap(), f.path(), &sign);
        let shown = tool("openssl", f.path(), &["x509", "-in", "twin.pem", "-noout", "-serial"]);
        let number = shown.trim().trim_start_matches("serial=").trim_start_matches('0');
        if number.eq_ignore_ascii_case(&serial[2..]) {
            break;
        }
    }
    let args = ["--cert", "twin.pem", "--signer", "agent"];
    refused(&f, &ca, &args, 2, &[&serial, "CN=alice"]);
}

#[test]
fn a_revocation_that_did_not_happen_is_a_failure() {
    let (f, ca) = start(&["--ignore-revocations"]);
    let serial = user(&f, &ca, "alice");
    for more in [&["--reason", "keyCompromise"][..], &["--hold"], &[]] {
        let args = [&["--serial", &serial, "--signer", "agent"], more].concat();
        let said = revoke(&f, &ca, &args).exits(40);
        let report = said.json();
        assert_eq!(report["error"]["kind"], "rejected");
        assert!(report["msg"].as_str().unwrap().contains("valid"), "{report}");
    }
    // Without REST that can't be found out.
    drop(ca);
    let ca = StandIn::start(&f, &["--ignore-revocations", "--rest", "none"]);
    let report = revoke(&f, &ca, &["--nickname", "alice"]).exits(0).json();
    assert_eq!(report["result"]["verified"], false);
    let said = f.nss_cmc(&[
        "revoke",
        "-d",
        "db",
        "--password-file",
        "pw",
        "--ca",
        &ca.url,
        "--nickname",
        "alice",
    ]);
    assert!(said.exits(0).err.contains("unverified"));
}

#[test]
fn a_certificate_on_hold_is_released_before_it_is_revoked() {
    let (f, ca) = start(&["--rest", "v1"]);
    let serial = user(&f, &ca, "alice");
    let by = |more: &[&str]| {
        let args = ["--serial", serial.as_str(), "--signer", "agent"];
        [&args[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    fn borrowed(args: &[String]) -> Vec<&str> {
        args.iter().map(String::as_str).collect()
    }
    let report = revoke(&f, &ca, &borrowed(&by(&["--hold"]))).exits(0).json();
    assert_eq!((&report["status"], &report["result"]["verified"]), (&"held".into(), &true.into()));
    let report = revoke(&f, &ca, &borrowed(&by(&["--hold"]))).exits(0).json();
    assert_eq!(report["status"], "unchanged");
    for reason in [&["--reason", "keyCompromise"][..], &["--reason", "removeFromCRL"], &[]] {
        let report = refused(&f, &ca, &borrowed(&by(reason)), 40, &["on hold"]);
        let hint = report["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("nss-cmc revoke") && hint.contains("--release"), "{hint}");
    }
    let release = by(&["--release"]);
    let dry = by(&["--release", "--dry-run"]);
    let report = revoke(&f, &ca, &borrowed(&dry)).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"dry_run".into(), &false.into()));
    assert_eq!(state(&f, &serial), "REVOKED 6");
    let report = revoke(&f, &ca, &borrowed(&release)).exits(0).json();
    assert_eq!(
        (&report["status"], &report["result"]["verified"]),
        (&"released".into(), &true.into())
    );
    assert_eq!(report["result"]["subject"], "CN=alice,O=STAND-IN");
    assert_eq!(state(&f, &serial), "VALID");
    // removeFromCRL revokes nothing: a valid certificate stays valid.
    refused(&f, &ca, &borrowed(&by(&["--reason", "removeFromCRL"])), 2, &["removeFromCRL"]);
    revoke(&f, &ca, &borrowed(&by(&["--reason", "superseded"]))).exits(0);
    // A final revocation: not released, and not changed to another reason.
    refused(&f, &ca, &borrowed(&release), 40, &["superseded"]);
    for more in [&["--reason", "keyCompromise"][..], &["--hold"]] {
        refused(&f, &ca, &borrowed(&by(more)), 40, &["superseded"]);
    }
    // Without a requested reason, any revocation is the wanted one.
    let report = revoke(&f, &ca, &borrowed(&by(&[]))).exits(0).json();
    assert_eq!(report["status"], "unchanged");
}

/// Reasons that the CA records as another one: revoked, and reported.
#[test]
fn a_reason_that_the_ca_does_not_keep_is_told() {
    let (f, ca) = start(&["--rest", "v2"]);
    let serial = user(&f, &ca, "alice");
    let args = ["--nickname", "alice", "--reason", "privilegeWithdrawn"];
    let report = revoke(&f, &ca, &args).exits(0).json();
    assert_eq!(report["result"]["verified"], true);
    assert!(report["warnings"].to_string().contains("unspecified"), "{report}");
    assert_eq!(state(&f, &serial), "REVOKED 0");
    let report = revoke(&f, &ca, &["--nickname", "alice", "--signer", "agent", args[2], args[3]]);
    assert_eq!(report.exits(0).json()["status"], "unchanged");
}

#[test]
fn release_needs_a_ca_that_can_be_asked() {
    let (f, ca) = start(&["--rest", "none"]);
    let serial = user(&f, &ca, "alice");
    let args = ["--serial", &serial, "--signer", "agent", "--release"];
    refused(&f, &ca, &args, 32, &["REST"]);
}

/// The CA revoked and its response was lost: the error gives the state in the records.
#[test]
fn a_lost_response_is_told_with_the_state() {
    let (f, ca) = start(&[]);
    let serial = user(&f, &ca, "alice");
    let args = ["--serial", &serial, "--signer", "agent", "--profile", "standin-short"];
    let report = revoke(&f, &ca, &args).exits(32).json();
    let notes = report["error"]["notes"].to_string();
    assert!(notes.contains("is revoked (unspecified)"), "{report}");
    assert_eq!(state(&f, &serial), "REVOKED 0");
}

/// Two certificates with one nickname in another token, with and without the token's name.
#[test]
fn a_nickname_in_another_token() {
    const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
    let (f, ca) = start(&[]);
    std::fs::create_dir(f.file("tokens")).unwrap();
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
    f.write("pins", format!("internal:{PASSWORD}\nHSM:1234\n"));
    f.write("pin", "1234\n");
    let command = |program: &str, args: &[&str]| {
        let conf = f.file("softhsm.conf");
        run(Command::new(program).current_dir(f.path()).env("SOFTHSM2_CONF", conf).args(args))
    };
    let slot = ["--init-token", "--free", "--label", "HSM", "--so-pin", "1234", "--pin", "1234"];
    command("softhsm2-util", &slot).exits(0);
    let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
    command("modutil", &add).exits(0);
    let ours = env!("CARGO_BIN_EXE_nss-cmc");
    for _ in 0..2 {
        let create = ["csr", "create", "-d", "db", "--token", "HSM", "--password-file", "pins"];
        let what = ["--key-type", "ec:nistp256", "--subject", "CN=www", "--out", "www.csr"];
        command(ours, &[&create[..], &what].concat()).exits(0);
        ca_says(&f, &["sign", "--csr", "www.csr", "--out", "www.pem"]);
        let import = ["-A", "-d", "sql:db", "-h", "HSM", "-n", "www", "-t", ",,", "-a", "-i"];
        // certutil fails to set the trust, which is in the database, after it has stored the
        // certificate.
        command("certutil", &[&import[..], &["www.pem", "-f", "pin"]].concat());
    }
    let list = ca_says(&f, &["list"]);
    let serials: Vec<&str> = list
        .lines()
        .filter(|l| l.ends_with(" CN=www"))
        .map(|l| l.split(' ').next().unwrap())
        .collect();
    let common = ["-d", "db", "--password-file", "pins", "--ca", &ca.url, "--output", "json"];
    let by_agent = ["--nickname", "HSM:www", "--signer", "agent"];
    for (which, keys) in [
        (&["--token", "HSM", "--nickname", "www"][..], 2),
        (&["--token", "HSM", "--nickname", "HSM:www"], 2),
        // The agent's key is in the database.
        (&by_agent, 2),
    ] {
        let said = command(ours, &[&["revoke"][..], &common, which].concat()).exits(2);
        assert!(serials.iter().all(|s| said.out.contains(s)), "{}", said.out);
        assert_eq!(said.out.matches("private key present").count(), keys, "{}", said.out);
        assert_eq!(said.out.matches("in use").count(), 1, "{}", said.out);
    }
    let one = ["revoke", "--token", "HSM", "--nickname", "HSM:www", "--serial", serials[0]];
    let report = command(ours, &[&one[..], &common].concat()).exits(0).json();
    assert_eq!(
        (&report["result"]["by"], &report["result"]["verified"]),
        (&"owner".into(), &true.into())
    );
    assert_eq!(
        (state(&f, serials[0]), state(&f, serials[1])),
        ("REVOKED 0".into(), "VALID".into())
    );
}
