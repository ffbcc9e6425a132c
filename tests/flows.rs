//! Whole commands against the stand-in CA: the issued certificate, and for each failure the exit
//! code, one message, and an unchanged database.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::stand_in::{StandIn, folder};
use common::{Folder, Said, tool};

const ISSUED: i32 = 0;

fn enroll(f: &Folder, url: &str, profile: &str, more: &[&str]) -> Said {
    let mut args = vec![
        "enroll",
        "-d",
        "db",
        "--password-file",
        "pw",
        "--ca",
        url,
        "--profile",
        profile,
        "--signer",
        "agent",
        "--subject",
        "CN=www.example.com,O=EXAMPLE",
        "--nickname",
        "www",
    ];
    args.extend(more);
    f.nss_cmc(&args)
}

/// Runs `enroll`, which must fail with this exit code and these words, and leave the database
/// unchanged.
fn fails(f: &Folder, url: &str, profile: &str, more: &[&str], code: i32, words: &[&str]) {
    let before = f.state();
    let said = enroll(f, url, profile, more).exits(code);
    assert!(said.out.is_empty(), "{}", said.out);
    for word in words {
        assert!(said.err.contains(word), "{profile}: {word:?} is missing in {}", said.err);
    }
    // The message, the hint, and the key if the CA may have issued.
    assert!(said.err.lines().count() <= 3, "{}", said.err);
    assert!(!said.err.contains(common::PASSWORD), "{}", said.err);
    assert_eq!(f.state(), before, "{profile}");
}

/// Runs `enroll`, which must fail with this exit code and these words, and keep its labelled key,
/// because the CA may issue.
fn may_be_issued(f: &Folder, url: &str, profile: &str, more: &[&str], code: i32, words: &[&str]) {
    let (keys, certificates) = f.state();
    let said = enroll(f, url, profile, more).exits(code);
    assert!(said.out.is_empty(), "{}", said.out);
    for word in words {
        assert!(said.err.contains(word), "{profile}: {word:?} is missing in {}", said.err);
    }
    // The message, the hint, and the key.
    assert!(said.err.lines().count() <= 3, "{}", said.err);
    assert!(!said.err.contains(common::PASSWORD), "{}", said.err);
    let report =
        enroll(f, url, profile, &[more, &["--output", "json"]].concat()).exits(code).json();
    // The second run neither sends nor asks for a request that is pending.
    assert_eq!(report["changed"], profile != "standin-pending", "{profile}");
    let id = report["result"]["key_id"].as_str().unwrap();
    assert!(said.err.contains(id), "{profile}: {id} is missing in {}", said.err);
    assert!(report["error"]["notes"][0].as_str().unwrap().contains(id), "{profile}: {report}");
    let kept = f.keys();
    assert_eq!(kept.len(), keys.len() + 1, "{profile}");
    assert!(kept.contains(&id.to_owned()), "{profile}");
    assert_eq!(f.certificates(), certificates, "{profile}");
    let list = f.certutil(&["-K", "-f", "pw"]);
    let line = list.lines().find(|l| l.contains(id)).unwrap();
    assert!(line.contains("unfinished request for www"), "{line}");
    f.certutil(&["-F", "-k", id, "-f", "pw"]);
}

#[test]
fn enroll_imports_beside_the_key_and_is_idempotent() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    let said = enroll(
        &f,
        &ca.url,
        "caCMCserverCert",
        &[
            "--dns",
            "www.example.com",
            "--dns",
            "other.example.com",
            "--output",
            "json",
            "--chain-out",
            "chain.pem",
        ],
    );
    let report = said.exits(ISSUED).json();
    let warned = report["warnings"][0].as_str().unwrap();
    assert!(warned.contains("DNS:other.example.com") && !warned.contains("www"), "{warned}");
    assert_eq!(report["status"], "issued");
    assert_eq!(report["changed"], true);
    assert_eq!(report["result"]["certificate"]["subject"], "CN=www.example.com,O=EXAMPLE");
    assert!(f.certificates().contains(&"www u,u,u".to_owned()), "{:?}", f.certificates());
    assert!(f.keys().contains(&report["result"]["key_id"].as_str().unwrap().to_owned()));
    tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "chain.pem"]);

    let before = f.state();
    let report = enroll(&f, &ca.url, "caCMCserverCert", &["--output", "json"]).exits(0).json();
    assert_eq!(
        (report["status"].as_str(), report["changed"].as_bool()),
        (Some("unchanged"), Some(false))
    );
    assert_eq!(f.state(), before);

    let said = f.nss_cmc(&[
        "enroll",
        "-d",
        "db",
        "--password-file",
        "pw",
        "--ca",
        &ca.url,
        "--profile",
        "caCMCserverCert",
        "--signer",
        "agent",
        "--subject",
        "CN=other,O=EXAMPLE",
        "--nickname",
        "www",
    ]);
    assert!(said.exits(15).err.contains("belongs to another subject: CN=www.example.com"));
    assert_eq!(f.state(), before);

    enroll(&f, &ca.url, "caCMCserverCert", &["--force", "--trust", "x"]).exits(2);
    assert_eq!(f.state(), before);
    enroll(&f, &ca.url, "caCMCserverCert", &["--force", "--trust", ",,P"]).exits(ISSUED);
    assert_eq!(f.keys().len(), before.0.len() + 1);
    assert!(f.certificates().contains(&"www u,u,Pu".to_owned()), "{:?}", f.certificates());
}

/// A run completes what an earlier run left undone; what can't be done is reported before the CA is
/// contacted.
#[test]
fn the_chain_and_the_trust_are_as_asked() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    let chain = |path: &'static str| ["--chain-out", path, "--output", "json"];
    fails(&f, &ca.url, "caCMCserverCert", &["--chain-out", "no/such/folder"], 21, &["no/such"]);
    assert!(!String::from_utf8(f.read("ca.log")).unwrap().contains("issued"));
    enroll(&f, &ca.url, "caCMCserverCert", &chain("a.pem")).exits(ISSUED);
    let report = enroll(&f, &ca.url, "caCMCserverCert", &chain("a.pem")).exits(0).json();
    assert_eq!(report["changed"], false);
    let report = enroll(&f, &ca.url, "caCMCserverCert", &chain("b.pem")).exits(0).json();
    assert_eq!(
        (report["status"].as_str(), report["changed"].as_bool()),
        (Some("updated"), Some(true))
    );
    assert_eq!(f.read("a.pem"), f.read("b.pem"));
    let trusted = ["--trust", "u,u,Pu", "--output", "json"];
    let report = enroll(&f, &ca.url, "caCMCserverCert", &trusted).exits(0).json();
    assert_eq!(report["changed"], true);
    assert!(f.certificates().contains(&"www u,u,Pu".to_owned()), "{:?}", f.certificates());
    let report = enroll(&f, &ca.url, "caCMCserverCert", &trusted).exits(0).json();
    assert_eq!(report["changed"], false);
}

/// A nickname conflict that the CA's subject causes is found only after it has issued; every other
/// one is found before.
#[test]
fn once_the_ca_has_issued_the_key_is_kept() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    enroll(&f, &ca.url, "caCMCserverCert", &[]).exits(ISSUED);
    let new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem"];
    for (file, subject) in [("other.pem", "/CN=else"), ("www.pem", "/O=EXAMPLE/CN=www.example.com")]
    {
        tool("openssl", f.path(), &[&new[..], &["-subj", subject, "-out", file]].concat());
    }
    let before = f.state();
    let common =
        ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url, "--signer", "agent"];
    let asked = |profile: &'static str, csr: &'static str| {
        let taken = ["--profile", profile, "--csr", csr, "--nickname", "www", "--output", "json"];
        f.nss_cmc(&[&common[..], &taken].concat()).exits(15).json()
    };
    let report = asked("caCMCserverCert", "other.pem");
    assert!(report["result"].is_null() && report["changed"] == false, "{report}");
    let report = asked("caFullCMCUserSignedCert", "www.pem");
    assert!(report["result"]["certificate"]["pem"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    assert!(report["error"]["notes"][0].as_str().unwrap().contains("the CA issued"), "{report}");
    assert_eq!(f.state(), before);
}

#[test]
fn keys_and_tls_versions_of_every_kind() {
    for keytype in ["rsa", "ec"] {
        let f = folder(&["--key-type", keytype]);
        for version in ["1.2", "1.3"] {
            let ca = StandIn::start(&f, &["--tls-version", version]);
            for (profile, key) in
                [("caCMCserverCert", "rsa:2048"), ("caCMCECserverCert", "ec:nistp384")]
            {
                let nick = format!("{profile} {version}");
                f.nss_cmc(&[
                    "enroll",
                    "-d",
                    "db",
                    "--password-file",
                    "pw",
                    "--ca",
                    &ca.url,
                    "--profile",
                    profile,
                    "--signer",
                    "agent",
                    "--subject",
                    &format!("CN={nick}"),
                    "--nickname",
                    &nick,
                    "--key-type",
                    key,
                ])
                .exits(ISSUED);
                assert!(f.certificates().contains(&format!("{nick} u,u,u")));
            }
        }
    }
}

#[test]
fn a_database_in_fips_mode() {
    let f = folder(&["--fips"]);
    let ca = StandIn::start(&f, &[]);
    enroll(&f, &ca.url, "caCMCserverCert", &[]).exits(ISSUED);
    assert!(f.certificates().iter().any(|l| l.ends_with("www u,u,u")), "{:?}", f.certificates());
}

#[test]
fn a_request_made_elsewhere() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    tool(
        "openssl",
        f.path(),
        &[
            "req",
            "-new",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "k.pem",
            "-subj",
            "/CN=elsewhere",
            "-out",
            "r.pem",
        ],
    );
    let before = f.state();
    let args = |more: &[&'static str]| {
        let mut args = vec![
            "enroll",
            "-d",
            "db",
            "--password-file",
            "pw",
            "--ca",
            ca.url.as_str(),
            "--profile",
            "caCMCserverCert",
            "--signer",
            "agent",
            "--csr",
            "r.pem",
        ];
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let said = f.nss_cmc(&args(&["--chain-out", "c.pem"])).exits(ISSUED);
    assert!(said.out.contains("CN=elsewhere"), "{}", said.out);
    assert_eq!(f.state(), before);
    let key = tool("openssl", f.path(), &["pkey", "-in", "k.pem", "-pubout"]);
    assert_eq!(tool("openssl", f.path(), &["x509", "-in", "c.pem", "-pubkey", "-noout"]), key);
}

#[test]
fn what_is_wrong_at_home() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    f.write("wrong", "not the password\n");
    let before = f.state();
    let with = |password: &str, signer: &str, db: &str| {
        f.nss_cmc(&[
            "enroll",
            "-d",
            db,
            "--password-file",
            password,
            "--ca",
            &ca.url,
            "--profile",
            "caCMCserverCert",
            "--signer",
            signer,
            "--subject",
            "CN=x",
            "--nickname",
            "x",
        ])
    };
    let said = with("wrong", "agent", "db").exits(11);
    assert!(said.err.contains("SEC_ERROR_BAD_PASSWORD"), "{}", said.err);
    let said = with("pw", "agnt", "db").exits(12);
    assert!(said.err.contains("\"agnt\"") && said.err.contains("agent"), "{}", said.err);
    with("pw", "agent", "nowhere").exits(10);
    with("no-such-file", "agent", "db").exits(2);
    let said = with("pw", "ca_signing", "db").exits(12);
    assert!(
        said.err.contains("private key of certificate \"ca_signing\" not found"),
        "{}",
        said.err
    );
    assert_eq!(f.state(), before);
    assert!(!f.file("nowhere").exists());
    let said = f.nss_cmc(&["enroll", "--output", "json", "-d", "db"]).exits(2);
    let report = said.json();
    assert_eq!(report["error"]["kind"], "usage");
    assert!(report["msg"].as_str().unwrap().contains("--ca <URL>"), "{report}");
    for nickname in ["a:b", "internal:", ""] {
        let more = ["--nickname", nickname, "--subject", "CN=x", "--signer", "agent"];
        let db = ["enroll", "-d", "db", "--password-file", "pw", "--profile", "p"];
        let said = f.nss_cmc(&[&db[..], &more, &["--ca", &ca.url]].concat()).exits(2);
        assert!(said.err.contains("nickname"), "{}", said.err);
    }
    assert_eq!(f.state(), before);
}

#[test]
fn what_is_wrong_on_the_way() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    let profile = "caCMCserverCert";
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fails(&f, &format!("https://localhost:{closed}"), profile, &[], 30, &["localhost"]);
    fails(&f, "https://no-such-host.invalid", profile, &[], 30, &["no-such-host.invalid"]);
    fails(&f, "ftp://localhost", profile, &[], 2, &["invalid CA URL"]);
    let named = StandIn::start(&f, &["--server-name", "other.example.com"]);
    let url = named.url.clone();
    fails(&f, &url, profile, &[], 31, &["SSL_ERROR_BAD_CERT_DOMAIN"]);
    drop(named);
    may_be_issued(&f, &ca.url, "standin-hang", &["--timeout", "1"], 30, &["localhost"]);
    may_be_issued(&f, &ca.url, "standin-reset", &[], 30, &["localhost"]);
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    fails(&f, &ca.url, profile, &[], 31, &["SEC_ERROR_UNTRUSTED_ISSUER", "nss-cmc cert import"]);
}

#[test]
fn answers_that_are_no_cmc() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    for (profile, word) in [
        ("standin-html", "HTML page"),
        ("standin-http500", "500"),
        ("standin-empty", "empty response"),
        ("standin-truncated", "not a CMC message"),
        ("standin-garbage", "not a CMC message"),
        ("standin-short", "shorter than its Content-Length"),
    ] {
        may_be_issued(&f, &ca.url, profile, &[], 32, &[word]);
    }
}

#[test]
fn answers_that_are_not_to_be_believed() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    for (profile, word) in [
        ("standin-stranger", "signer is not trusted by this database"),
        ("standin-expired-responder", "expired on"),
        ("standin-registrar", "not a CA or CMC responder"),
        ("standin-ocsp-responder", "not a CA or CMC responder"),
        ("standin-agent-signer", "not a CA or CMC responder"),
        ("standin-wrong-signature", "signature is invalid"),
        ("standin-wrong-digest", "signature is invalid"),
        ("standin-unsigned", "not signed"),
        ("standin-other-key", "matches the key of the request"),
        ("standin-no-cert", "matches the key of the request"),
        ("standin-forged", "SEC_ERROR_BAD_SIGNATURE"),
        ("standin-wrong-nonce", "nonce does not match"),
        ("standin-wrong-transaction", "transaction id does not match"),
        ("standin-no-echoes", "nonce does not match"),
    ] {
        may_be_issued(&f, &ca.url, profile, &[], 42, &[word]);
    }
    // An unsigned status is still not accepted.
    let unsigned = &["--allow-unsigned-response"];
    may_be_issued(&f, &ca.url, "standin-unsigned", unsigned, 42, &["not signed"]);
    enroll(&f, &ca.url, "standin-reversed", &[]).exits(ISSUED);
    enroll(&f, &ca.url, "standin-responder", &["--force"]).exits(ISSUED);
    // Its issuer, its key and the server prove a certificate without a signature around it.
    enroll(&f, &ca.url, "standin-certs-only", &["--force"]).exits(ISSUED);
}

/// A certificate that the CA wants confirmed counts as issued only after the confirmation.
#[test]
fn a_certificate_is_confirmed_where_the_ca_asks() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    for (profile, why) in
        [("standin-confirm-refused", "badCertId"), ("standin-confirm-silent", "no status")]
    {
        let report = enroll(&f, &ca.url, profile, &["--output", "json"]).exits(3).json();
        assert!(report["msg"].as_str().unwrap().contains(why), "{report}");
        let pem = report["result"]["certificate"]["pem"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{report}");
        assert!(!f.certificates().iter().any(|line| line.starts_with("www ")));
        // The key is kept and reported.
        let id = report["result"]["key_id"].as_str().unwrap();
        f.certutil(&["-F", "-k", id, "-f", "pw"]);
    }
    enroll(&f, &ca.url, "standin-confirm", &[]).exits(ISSUED);
    assert!(f.certificates().contains(&"www u,u,u".to_owned()), "{:?}", f.certificates());
    let log = String::from_utf8(f.read("ca.log")).unwrap();
    let last: Vec<&str> = log.lines().rev().take(2).collect();
    assert!(last[0].contains("answered") && last[1].contains("issued"), "{log}");
}

#[test]
fn refusals_of_the_ca() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    may_be_issued(
        &f,
        &ca.url,
        "caCMCECCserverCert",
        &[],
        40,
        &["Not Found", "similar profiles: caCMCECserverCert"],
    );
    may_be_issued(&f, &ca.url, "caCMCECserverCert", &[], 40, &["internalCAError", "Not Matched"]);
    for (n, name) in [
        (0, "badAlg"),
        (7, "badIdentity"),
        (10, "noKeyReuse"),
        (13, "authDataFail"),
        (99, "failInfo 99"),
    ] {
        may_be_issued(&f, &ca.url, &format!("standin-fail-{n}"), &[], 40, &[name]);
    }
    // The certificate in a refusal is not imported.
    may_be_issued(&f, &ca.url, "standin-failed-with-certificate", &[], 40, &["badRequest"]);
    may_be_issued(&f, &ca.url, "standin-success-and-failed", &[], 40, &["badRequest"]);
    may_be_issued(
        &f,
        &ca.url,
        "standin-escapes",
        &[],
        40,
        &["\\u{1b}[2J\\u{202e}no\\u{a}issued CN=www"],
    );
    // A refusal that names the request is final.
    fails(&f, &ca.url, "standin-status-4", &[], 40, &["noSupport"]);
    may_be_issued(&f, &ca.url, "standin-status-99", &[], 40, &["status 99"]);
    may_be_issued(&f, &ca.url, "standin-pending", &[], 3, &["has not issued"]);
    may_be_issued(&f, &ca.url, "standin-status-7", &[], 3, &["partial"]);
    may_be_issued(&f, &ca.url, "standin-deferred", &[], 3, &["Request Deferred"]);
    let report = enroll(&f, &ca.url, "standin-fail-12", &["--output", "json"]).exits(40).json();
    assert_eq!(report["error"]["kind"], "rejected");
    assert_eq!(report["error"]["retryable"], true);
    assert_eq!(report["error"]["cmc"]["fail_info"], "tryLater");
    assert_eq!(report["failed"], true);
}
