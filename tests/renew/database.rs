//! The certificates of a database, without sections.

use serde_json::json;

use super::{Lab, entry, statuses};
use crate::common::stand_in::program;
use crate::common::tool;

fn database(lab: &Lab) -> Vec<&str> {
    vec!["-d", "db", "--password-file", "pw", "--ca", &lab.ca.url]
}

#[test]
fn those_that_the_ca_issued_and_that_are_due() {
    let lab = Lab::start();
    lab.configure("");
    lab.make("one", "internal", 10);
    lab.make("two", "internal", 10);
    lab.make("new", "internal", 300);
    // Of another CA, and a CA's own.
    let make = ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    for (name, constraint) in [("other", "CA:FALSE"), ("subca", "CA:TRUE")] {
        let subject = format!("/CN={name}");
        let extension = format!("basicConstraints=critical,{constraint}");
        let how = ["-subj", &subject, "-addext", &extension, "-days", "5"];
        tool(
            "openssl",
            lab.f.path(),
            &[&make[..], &how, &["-keyout", "k.pem", "-out", "c.pem"]].concat(),
        );
        let p12 = ["pkcs12", "-export", "-in", "c.pem", "-inkey", "k.pem", "-name", name];
        tool(
            "openssl",
            lab.f.path(),
            &[&p12[..], &["-out", "c.p12", "-passout", "pass:x"]].concat(),
        );
        lab.tool("pk12util", &["-i", "c.p12", "-d", "sql:db", "-k", "pw", "-W", "x"]);
    }
    let agent = ["--profile", "caECFullCMCUserCert", "--signer", "agent"];
    let args = [&database(&lab)[..], &agent].concat();
    let before = lab.bytes().0;
    let check = lab.renew(&[&args[..], &["--check"]].concat()).exits(0).json();
    let want = [
        "agent skipped",
        "new unchanged",
        "one would_renew",
        "other skipped",
        "subca skipped",
        "two would_renew",
    ];
    assert_eq!(statuses(&check), want);
    assert!(before == lab.bytes().0);
    let said = lab.renew(&args).exits(0).json();
    let want = [
        "agent skipped",
        "new unchanged",
        "one renewed",
        "other skipped",
        "subca skipped",
        "two renewed",
    ];
    assert_eq!(statuses(&said), want);
    assert!(entry(&said, "other")["msg"].as_str().unwrap().contains("another CA"), "{said}");
    assert_eq!((lab.listed("one").len(), lab.listed("new").len()), (2, 1));
    // Nothing of the CA is due: only those of others, which are left out again.
    let before = lab.bytes().0;
    let said = lab.renew(&args).exits(0).json();
    assert_eq!((&said["status"], &said["changed"]), (&json!("unchanged"), &json!(false)));
    assert!(before == lab.bytes().0);
    // By name, and by themselves.
    let own = ["--profile", "caECFullCMCUserSignedCert", "--renew-before", "9999d"];
    let said = lab.renew(&[&["two"], &database(&lab)[..], &own].concat()).exits(0).json();
    assert_eq!(statuses(&said), ["two renewed"]);
    assert_eq!((lab.listed("one").len(), lab.listed("two").len()), (2, 3));
}

#[test]
fn one_profile_for_several_kinds_is_ambiguous() {
    let lab = Lab::start();
    lab.make("user", "internal", 10);
    let agent = ["--signer", "agent"];
    let www = ["--subject", "CN=www.example.com", "--nickname", "www", "--key-type", "ec:nistp256"];
    let profile = ["--profile", "caCMCECserverCert"];
    let enroll = [&["enroll"], &database(&lab)[..], &agent, &www, &profile].concat();
    lab.command(env!("CARGO_BIN_EXE_nss-cmc"), &enroll).exits(0);
    let before = lab.bytes().0;
    let args = [&database(&lab)[..], &agent, &profile].concat();
    let said = lab.renew(&args).exits(2).json();
    assert_eq!(statuses(&said), ["agent skipped", "user failed", "www unchanged"]);
    let error = &entry(&said, "user")["error"];
    assert!(error["hint"].as_str().unwrap().contains("NICKNAME"), "{error}");
    assert!(before == lab.bytes().0);
    let named = ["user", "--profile", "caECFullCMCUserCert"];
    let said = lab.renew(&[&named[..], &database(&lab), &agent].concat()).exits(0).json();
    assert_eq!(statuses(&said), ["user renewed"]);
    // Without a profile and without a CA nothing is guessed.
    let said =
        lab.renew(&[&database(&lab)[..4], &agent, &["--no-config"]].concat()).exits(2).json();
    assert!(said["error"]["hint"].as_str().unwrap().contains("--ca"), "{said}");
    let said = lab.renew(&[&database(&lab)[..], &agent, &["--no-config"]].concat()).exits(2).json();
    assert!(said["msg"].as_str().unwrap().contains("profile"), "{said}");
}

#[test]
fn an_expired_transport_certificate_is_told_once() {
    let lab = Lab::start();
    lab.make("one", "internal", 10);
    lab.make("two", "internal", 10);
    let key = ["req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=kra"];
    tool("openssl", lab.f.path(), &[&key[..], &["-keyout", "k.pem", "-out", "k.csr"]].concat());
    let sign = ["sign", "--dir", "ca", "--csr", "k.csr", "--out", "kra.pem", "--expired"];
    lab.tool(program().to_str().unwrap(), &sign);
    let archive = ["one", "two", "--archive-to", "kra.pem", "--profile", "caCMCserverCert"];
    let args = [&database(&lab)[..], &["--check"], &archive].concat();
    let said = lab.renew(&args).exits(0).json();
    assert_eq!(statuses(&said), ["one would_renew", "two would_renew"], "{said}");
    let warnings = said["warnings"].as_array().unwrap();
    let told = |w: &&serde_json::Value| w.as_str().unwrap().contains("kra.pem expired on ");
    assert_eq!(warnings.iter().filter(told).count(), 1, "{said}");
}
