//! Enrollment on the real Dogtag CA: with the old tools, with `enroll`, and mixed with the Java
//! tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::dogtag::{
    Lab, api, client_file, folder, helper, host, http_cfg, java, lab, request_cfg, url,
};
use common::{Folder, tool};

const SERVLET: &str = "/ca/ee/ca/profileSubmitCMCFull?profileId=";

/// Every profile in the documentation's table, with a key type that it accepts.
const PROFILES: &[(&str, &str)] = &[
    ("caCMCserverCert", "rsa:2048"),
    ("caCMCECserverCert", "ec:nistp256"),
    ("caCMCsubsystemCert", "rsa:3072"),
    ("caCMCECsubsystemCert", "ec:nistp384"),
    ("caCMCocspCert", "ec:nistp521"),
    ("caCMCauditSigningCert", "rsa:2048"),
    ("caCMCkraTransportCert", "rsa:2048"),
    ("caCMCcaCert", "rsa:2048"),
    ("caFullCMCUserCert", "rsa:2048"),
];

/// What 11 added for these keys; 10.10 lacks it.
const ADDED: &[(&str, &str)] = &[("caCMCcaIssuanceProtectionCert", "rsa:2048")];

fn profiles() -> impl Iterator<Item = (&'static str, &'static str)> {
    let added = if lab() == Lab::V11 { ADDED } else { &[] };
    PROFILES.iter().chain(added).copied()
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn enroll_gets_a_certificate_from_each_profile() {
    let f = folder("enroll");
    for (profile, key) in profiles() {
        let subject = format!("CN={profile} enrolled,O=LAB");
        let said = f
            .nss_cmc(&[
                "enroll",
                "-d",
                "db",
                "--password-file",
                "pw",
                "--ca",
                url(),
                "--profile",
                profile,
                "--signer",
                "caadmin",
                "--subject",
                &subject,
                "--nickname",
                profile,
                "--key-type",
                key,
                "--output",
                "json",
            ])
            .exits(0);
        let report = said.json();
        assert_eq!(report["status"], "issued", "{profile}");
        assert_eq!(report["result"]["has_key"], true, "{profile}");
        let id = report["result"]["key_id"].as_str().unwrap().to_owned();
        assert!(f.keys().contains(&id), "{profile}: key {id} is not in the database");
        assert!(
            f.certificates().contains(&format!("{profile} u,u,u")),
            "{profile}: {:?}",
            f.certificates()
        );
        let pem = report["result"]["certificate"]["pem"].as_str().unwrap();
        f.write("cert.pem", pem);
        let ca = client_file("ca_signing.pem");
        tool("openssl", f.path(), &["verify", "-CAfile", ca.to_str().unwrap(), "cert.pem"]);
        let serial = report["result"]["certificate"]["serial"]["hex"].as_str().unwrap();
        assert_eq!(helper(&f, "shown.sh", &[serial]).trim(), "VALID", "{profile}");
    }
}

fn old_names(f: &Folder, profile: &str, key: &str) {
    let (kind, size) = key.split_once(':').unwrap();
    let p10 =
        if kind == "rsa" { vec!["-a", "rsa", "-l", size] } else { vec!["-a", "ec", "-c", size] };
    let subject = format!("CN={profile} by old names,O=LAB");
    let mut args =
        vec!["PKCS10Client", "-d", "db", "-p", common::PASSWORD, "-o", "p10.req", "-n", &subject];
    args.extend(p10);
    java(f, &args).exits(0);
    request_cfg(
        f,
        "req.cfg",
        &[
            "nickname=caadmin",
            "format=pkcs10",
            "numRequests=1",
            "input=@DIR@/p10.req",
            "output=@DIR@/cmc.req",
        ],
    );
    let servlet = format!("{SERVLET}{profile}");
    http_cfg(f, "http.cfg", &servlet, Some("caadmin"), ("cmc.req", "cmc.resp"));
}

fn issued(f: &Folder, profile: &str) {
    let list = tool("openssl", f.path(), &["pkcs7", "-print_certs", "-noout", "-in", "chain.p7"]);
    assert!(list.contains(&format!("CN = {profile} by old names")), "{profile}: {list}");
    for name in ["cmc.req", "cmc.resp", "chain.p7"] {
        std::fs::remove_file(f.file(name)).unwrap();
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn old_names_get_a_certificate_from_each_profile() {
    let f = folder("old-names");
    for (profile, key) in profiles() {
        old_names(&f, profile, key);
        f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
        let said = f.nss_cmc(&["HttpClient", "http.cfg"]).exits(0);
        assert!(said.out.contains("The response in binary format is stored in"), "{}", said.out);
        let said =
            f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"]).exits(0);
        assert!(said.out.contains("   Status: SUCCESS\n"), "{}", said.out);
        issued(&f, profile);
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn mixed_pairs_with_the_java_tools() {
    let f = folder("mixed");
    for (profile, key) in [("caCMCserverCert", "rsa:2048"), ("caCMCECserverCert", "ec:nistp256")] {
        old_names(&f, profile, key);
        f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
        java(&f, &["HttpClient", "http.cfg"]).exits(0);
        f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"]).exits(0);
        issued(&f, profile);

        old_names(&f, profile, key);
        java(&f, &["CMCRequest", "req.cfg"]).exits(0);
        f.nss_cmc(&["HttpClient", "http.cfg"]).exits(0);
        let said =
            java(&f, &["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"]).exits(0);
        let ours = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "cmc.resp"]).exits(0);
        for line in said.out.lines().filter(|l| l.contains("Serial Number") || l.contains("Status"))
        {
            assert!(ours.out.lines().any(|l| l == line), "{line:?} is missing in\n{}", ours.out);
        }
        issued(&f, profile);
    }
}

/// The request differs from Java's for the same input only in the ECDSA parameters, which RFC 5758
/// §3.2 requires absent, and in the signature of an EC key.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn request_bytes_are_java_s() {
    let f = folder("bytes");
    old_names(&f, "caCMCserverCert", "rsa:2048");
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let ours = f.read("cmc.req");
    java(&f, &["CMCRequest", "req.cfg"]).exits(0);
    assert_eq!(ours, f.read("cmc.req"));
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn an_unknown_profile_is_told_the_near_ones() {
    let f = folder("profile");
    let before = f.state();
    let said = f
        .nss_cmc(&[
            "enroll",
            "-d",
            "db",
            "--password-file",
            "pw",
            "--ca",
            url(),
            "--profile",
            "caCMCserverCerts",
            "--signer",
            "caadmin",
            "--subject",
            "CN=x,O=LAB",
            "--nickname",
            "x",
        ])
        .exits(40);
    assert!(said.err.contains("Profile caCMCserverCerts Not Found"), "{}", said.err);
    assert!(said.err.contains("similar profiles: caCMCserverCert"), "{}", said.err);
    f.forget_unfinished(&before, "x");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_signer_without_rights_is_refused() {
    let f = folder("rights");
    helper(&f, "user-cert.sh", &["db", "mallory", "CN=mallory,O=LAB"]);
    let before = f.state();
    let said = f
        .nss_cmc(&[
            "enroll",
            "-d",
            "db",
            "--password-file",
            "pw",
            "--ca",
            url(),
            "--profile",
            "caCMCserverCert",
            "--signer",
            "mallory",
            "--subject",
            "CN=x,O=LAB",
            "--nickname",
            "x",
        ])
        .exits(40);
    assert!(said.err.contains("Invalid Credential."), "{}", said.err);
    f.forget_unfinished(&before, "x");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn what_keeps_a_run_from_the_ca() {
    let f = folder("way");
    let enroll = |url: &str, password: &str, signer: &str| {
        f.nss_cmc(&[
            "enroll",
            "-d",
            "db",
            "--password-file",
            password,
            "--ca",
            url,
            "--profile",
            "caCMCserverCert",
            "--signer",
            signer,
            "--subject",
            "CN=x,O=LAB",
            "--nickname",
            "x",
        ])
    };
    f.write("wrong", "wrong\n");
    let api = api();
    let before = f.state();
    for (url, password, signer, code, word) in [
        (url(), "wrong", "caadmin", 11, "SEC_ERROR_BAD_PASSWORD"),
        (url(), "pw", "caadmni", 12, "the database has these nicknames: "),
        (&url().replace(host(), "127.0.0.1"), "pw", "caadmin", 31, "SSL_ERROR_BAD_CERT_DOMAIN"),
        (&format!("https://{}:1", host()), "pw", "caadmin", 30, &format!("{}:1", host())),
        (&format!("{}/ca/ee/ca/nothing", url()), "pw", "caadmin", 32, "404"),
        (&format!("{}/{api}/info", url()), "pw", "caadmin", 32, &format!("{api}/info")),
    ] {
        let said = enroll(url, password, signer).exits(code);
        assert!(said.err.contains(word), "{url}: {}", said.err);
        f.forget_unfinished(&before, "x");
    }
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let before = f.state();
    let said = enroll(url(), "pw", "caadmin").exits(31);
    assert!(said.err.contains("SEC_ERROR_UNTRUSTED_ISSUER"), "{}", said.err);
    assert_eq!(f.state(), before);
}

/// A run that was killed before the import leaves the labelled key.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_certificate_of_an_unfinished_request_is_fetched() {
    let f = folder("unfinished");
    let name = format!("unfinished-{}", std::process::id());
    let subject = format!("CN={name}.example.com,O=LAB");
    let enroll = |more: &[&str]| {
        let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", url()];
        let who = ["--profile", "caCMCserverCert", "--signer", "caadmin", "--output", "json"];
        let what = ["--subject", &subject, "--nickname", &name];
        f.nss_cmc(&[&args[..], &who, &what, more].concat())
    };
    let first = enroll(&[]).exits(0).json();
    let id = first["result"]["key_id"].as_str().unwrap();
    let before = f.state();
    f.certutil(&["-D", "-n", &name]);
    f.label(id, &format!("unfinished request for {name}"));
    let second = enroll(&[]).exits(0).json();
    assert_eq!(second["status"], "recovered", "{second}");
    assert_eq!(second["result"]["key_id"], id);
    assert_eq!(second["result"]["certificate"]["pem"], first["result"]["certificate"]["pem"]);
    assert_eq!(f.state(), before);
    let said = enroll(&["--dns", "other.example.com"]).exits(16);
    assert_eq!(said.json()["error"]["kind"], "differs");
}
