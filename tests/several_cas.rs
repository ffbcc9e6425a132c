//! Enrollments where more than one certificate matches by name or key.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::stand_in::{StandIn, folder};
use common::{Folder, Said, tool};

fn enroll(f: &Folder, url: &str, profile: &str, nickname: &str, more: &[&str]) -> Said {
    let common = ["enroll", "-d", "db", "--password-file", "pw", "--ca", url, "--signer", "agent"];
    let subject = format!("CN={nickname}.example.com");
    let what = ["--profile", profile, "--subject", &subject, "--nickname", nickname];
    f.nss_cmc(&[&common[..], &what, &["--key-type", "ec"], more].concat())
}

/// Makes another CA certificate with the CA's name, as after a change of its key.
fn namesake(f: &Folder, file: &str) {
    let args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let name = ["-subj", "/O=STAND-IN/CN=CA Signing Certificate", "-days", "3000"];
    tool("openssl", f.path(), &[&args[..], &name, &["-keyout", "n.key", "-out", file]].concat());
}

/// openssl verifies the chain's file, whichever CA certificate the database lists first.
#[test]
fn the_chain_is_of_the_ca_that_issued() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &[]);
    let issuer = f.certutil(&["-L", "-n", "ca_signing", "-a"]);
    f.write("issuer.pem", &issuer);
    let add = |nickname: &str, trust: &str, file: &str| {
        f.certutil(&["-A", "-n", nickname, "-t", trust, "-a", "-f", "pw", "-i", file]);
    };
    for n in 0..4 {
        namesake(&f, "namesake.pem");
        // NSS lists them in the order of import: the CA's own certificate is first or last.
        if n % 2 == 1 {
            f.certutil(&["-D", "-n", "ca_signing"]);
        }
        add(&format!("namesake {n}"), if n < 2 { "CT,C,C" } else { ",," }, "namesake.pem");
        if n % 2 == 1 {
            add("ca_signing", "CT,C,C", "issuer.pem");
        }
        let nickname = format!("www{n}");
        let out = ["--chain-out", "chain.pem"];
        enroll(&f, &ca.url, "caCMCECserverCert", &nickname, &out).exits(0);
        let chain = String::from_utf8(f.read("chain.pem")).unwrap();
        let (leaf, above) = chain.split_at(chain.find("-----END").unwrap() + 26);
        f.write("leaf.pem", leaf);
        f.write("above.pem", above);
        let verify = ["verify", "-no-CApath", "-no-CAfile", "-trusted", "above.pem", "leaf.pem"];
        tool("openssl", f.path(), &verify);
        assert_eq!(above.matches("BEGIN").count(), 1, "{above}");
        // A second run does nothing.
        let report =
            enroll(&f, &ca.url, "caCMCECserverCert", &nickname, &[&out[..], &JSON].concat());
        assert_eq!(report.exits(0).json()["changed"], false);
    }
}

const JSON: [&str; 2] = ["--output", "json"];

/// Of several certificates for the key, the newest that the CA issued is taken, in whatever order
/// they come.
#[test]
fn the_newest_certificate_is_the_one_issued() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &[]);
    for wish in ["older-too", "older-too-reversed", "forged-too", "forged-too-reversed"] {
        let profile = format!("standin-{wish}");
        let report = enroll(&f, &ca.url, &profile, wish, &JSON).exits(0).json();
        let certificate = &report["result"]["certificate"];
        let from: chrono::DateTime<chrono::Utc> =
            certificate["not_before"].as_str().unwrap().parse().unwrap();
        let age = chrono::Utc::now() - from;
        assert!((0..86400).contains(&age.num_seconds()), "{wish}: {from}");
        f.write("c.pem", f.certutil(&["-L", "-n", wish, "-a"]));
        tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "c.pem"]);
        // No other CA's certificate was imported.
        assert!(report["result"]["imported_ca_nicknames"].as_array().unwrap().is_empty());
    }
}

/// Every certificate of a sent file's response is verified; the response is stored in any case.
#[test]
fn a_sent_request_s_certificates_are_proven() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &[]);
    let args = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let more = ["-keyout", "k.pem", "-subj", "/CN=sent.example.com", "-out", "r.pem"];
    tool("openssl", f.path(), &[&args[..], &more].concat());
    f.write(
        "r.cfg",
        "numRequests=1\ninput=r.pem\noutput=r.bin\nnickname=agent\ndbdir=db\npasswordFile=pw\n\
         format=pkcs10\n",
    );
    f.nss_cmc(&["CMCRequest", "r.cfg"]).exits(0);
    let send = |profile: &str, out: &str| {
        let args = ["cmc", "send", "r.bin", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
        let more = ["--signer", "agent", "--profile", profile, "--out", out];
        f.nss_cmc(&[&args[..], &more].concat())
    };
    send("caCMCECserverCert", "good").exits(0);
    for wish in ["standin-forged", "standin-forged-too"] {
        let said = send(wish, wish).exits(42);
        assert!(said.err.contains("is not proven"), "{}", said.err);
        assert!(f.file(wish).exists());
    }
    // An older certificate of the CA is no forgery.
    send("standin-older-too", "older").exits(0);
}
