//! EST. Here, requests to `/fullcmc`: a CMC failure has its own HTTP status, and the server requires
//! DER, as Dogtag's does, or base64. For `enroll`, `cmc send` and HttpClient.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cacerts;
#[path = "../common/mod.rs"]
mod common;
mod simple;

use common::stand_in::{StandIn, folder};
use common::{Folder, PASSWORD, Said};

const AGENT: [&str; 5] = ["-d", "db", "--password-file", "pw", "--signer"];

fn enroll(f: &Folder, ca: &str) -> Said {
    let what = ["--subject", "CN=device", "--nickname", "device", "--output", "json"];
    let args = [&["enroll"], &AGENT[..], &["agent", "--ca", ca], &what].concat();
    f.nss_cmc(&args)
}

/// Makes the agent's CMC request `cmc.req`.
fn request(f: &Folder) {
    let args = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=device"];
    f.nss_cmc(&[&args[..], &["--out", "r.csr"]].concat()).exits(0);
    let text = format!("dbdir=db\npassword={PASSWORD}\nnickname=agent\n");
    f.write("r.cfg", format!("{text}input=r.csr\noutput=cmc.req\nsenderNonce.enable=true\n"));
    f.nss_cmc(&["CMCRequest", "r.cfg"]).exits(0);
}

fn log(f: &Folder) -> String {
    String::from_utf8(f.read("ca.log")).unwrap()
}

#[test]
fn enroll_by_est() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    let est = format!("{}/.well-known/est", ca.url);
    let report = enroll(&f, &est).exits(0).json();
    assert_eq!(report["status"], "issued");
    assert!(f.certificates().contains(&"device u,u,u".to_owned()));
    let line = log(&f);
    assert!(line.starts_with("/.well-known/est/fullcmc EST caCMCserverCert: "), "{line}");
    assert!(line.contains("issued"), "{line}");

    // The label in the path selects the profile. Runs that may yet get a certificate share one key.
    f.certutil(&["-F", "-n", "device", "-f", "pw"]);
    let before = f.state();
    for (label, exit, words) in [
        ("caCMCECserverCert", 40, "Key Type RSA Not Matched"),
        ("noSuchProfile", 40, "Profile noSuchProfile Not Found"),
        ("standin-fail-7", 40, "badIdentity"),
        ("standin-status-4", 40, "noSupport"),
        ("standin-pending", 3, "has not issued the certificate"),
        ("standin-wrong-signature", 42, "signature is invalid"),
        ("standin-wrong-nonce", 42, "nonce does not match"),
        ("standin-html", 32, "HTML page"),
        ("standin-http500", 32, "HTTP status 500"),
        ("standin-garbage", 32, "HTTP status 501"),
        ("standin-empty", 32, "empty response"),
        ("standin-short", 32, "Content-Length"),
    ] {
        let report = enroll(&f, &format!("{est}/{label}/fullcmc")).exits(exit).json();
        let msg = report["msg"].as_str().unwrap();
        assert!(msg.contains(words), "{label}: {msg}");
        assert_eq!(report["error"]["cmc"].is_null(), exit != 40, "{label}: {report}");
        assert_eq!(f.keys().len(), before.0.len() + 1, "{label}");
        assert_eq!(f.certificates(), before.1, "{label}");
    }
    let other = format!("{}/.well-known/estate", ca.url);
    let args = [&["--profile", "x"][..], &["--ca", &other]].concat();
    let what = ["--subject", "CN=device", "--nickname", "device"];
    let said = f.nss_cmc(&[&["enroll"], &AGENT[..], &["agent"], &args, &what].concat()).exits(32);
    assert!(said.err.contains("404"), "{}", said.err);
}

#[test]
fn cmc_send_by_est() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    request(&f);
    let send = |label: &str| {
        let url = format!("{}/.well-known/est{label}", ca.url);
        let what = ["cmc", "send", "cmc.req", "--out", "resp", "--output", "json", "--ca", &url];
        f.nss_cmc(&[&what[..], &AGENT, &["agent"]].concat())
    };
    let report = send("").exits(0).json();
    let url = report["result"]["url"].as_str().unwrap();
    assert!(url.ends_with("/.well-known/est/fullcmc"), "{url}");
    // The message itself is stored, not its base64.
    assert_eq!(f.read("resp")[0], 0x30);
    let said = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "resp"]).exits(0);
    assert!(said.out.contains("Status: SUCCESS"), "{}", said.out);
    std::fs::remove_file(f.file("resp")).unwrap();
    let report = send("/standin-fail-2").exits(40).json();
    assert_eq!(report["error"]["cmc"]["fail_info"], "badRequest");
    assert!(f.file("resp").exists());
}

#[test]
fn httpclient_by_est() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    request(&f);
    let port = format!("port={}", ca.port);
    let post = |lines: &[&str]| {
        let text = format!(
            "host=localhost\n{port}\nest=true\ndbdir=db\npassword={PASSWORD}\nclientmode=true\n\
             nickname=agent\ninput=cmc.req\noutput=resp\n{}\n",
            lines.join("\n")
        );
        f.write_secret("h.cfg", text);
        f.nss_cmc(&["HttpClient", "h.cfg"])
    };
    let said = post(&[]).exits(0);
    assert!(said.out.contains("The response in binary format is stored in resp"), "{}", said.out);
    assert!(said.err.is_empty(), "{}", said.err);
    f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "resp"]).exits(0);
    assert!(log(&f).contains("EST caCMCserverCert: "));
    // A path with a label selects EST without the key `est`.
    post(&["servlet=/.well-known/est/caCMCserverCert/fullcmc", "est=false"]).exits(0);
    assert_eq!(log(&f).matches("EST caCMCserverCert: ").count(), 2);
    // A refusal is HTTP 400 with a CMC message: stored and reported.
    std::fs::remove_file(f.file("resp")).unwrap();
    let said = post(&["servlet=/.well-known/est/standin-fail-7/fullcmc"]).exits(0);
    assert!(said.err.contains("badIdentity"), "{}", said.err);
    assert!(said.out.contains("HTTP/1.1 400 "), "{}", said.out);
    let said = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "resp"]).exits(1);
    assert!(said.out.contains("failInfo=bad identity"), "{}", said.out);
    // With est=true a servlet's path gets DER; with base64 the servlet fails.
    let servlet = "servlet=/ca/ee/ca/profileSubmitCMCFull?profileId=caCMCserverCert";
    assert_eq!(post(&[servlet]).exits(0).err, "");
    let said = post(&[servlet, "estEncoding=base64"]).exits(0);
    assert!(said.err.contains("Invalid Credential."), "{}", said.err);
    let said = post(&["estEncoding=hex"]).exits(1);
    assert!(said.out.contains("use der or base64"), "{}", said.out);
}

/// Returns the log's lines of requests to EST.
fn came(f: &Folder) -> Vec<String> {
    log(f).lines().filter(|l| l.starts_with("/.well-known/est")).map(str::to_owned).collect()
}

/// DER is tried first, base64 only when the server could not read DER. The encoding is kept for the
/// second round trip, and can be set with an option.
#[test]
fn the_encoding_is_found_out() {
    for (takes, posts, other) in [("der", 2, "base64"), ("base64", 3, "der")] {
        let f = folder(&[]);
        let ca = StandIn::start(&f, &["--est", takes]);
        let est = format!("{}/.well-known/est/caFullCMCUserCert", ca.url);
        let two_trips = |nickname: &str, encoding: &[&str]| {
            let what = ["--subject", "CN=x", "--nickname", nickname, "--encryption-only"];
            let args = [&["enroll"], &AGENT[..], &["agent", "--ca", &est], &what, encoding];
            f.nss_cmc(&args.concat())
        };
        two_trips("found", &[]).exits(0);
        assert_eq!(came(&f).len(), posts, "{}", log(&f));
        assert_eq!(log(&f).contains("EST: no base64"), takes == "base64", "{}", log(&f));
        two_trips("said", &["--est-encoding", takes]).exits(0);
        assert_eq!(came(&f).len(), posts + 2, "{}", log(&f));
        // A wrong option is not corrected by a second try.
        let said = two_trips("wrong", &["--est-encoding", other]);
        assert_eq!(came(&f).len(), posts + 3, "{}", log(&f));
        if takes == "der" {
            assert!(said.exits(40).err.contains("Invalid Credential."));
        } else {
            assert!(said.exits(32).err.contains("base64"));
        }
        two_trips("word", &["--est-encoding", "hex"]).exits(2);
        assert_eq!(came(&f).len(), posts + 3, "{}", log(&f));
    }
}

/// A second try could issue a second certificate, so only a server that can't have understood the
/// first request gets one.
#[test]
fn what_was_understood_is_not_sent_as_base64() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    let mut count = 0;
    for label in [
        "standin-fail-7",
        "standin-fail-11",
        "standin-status-4",
        "standin-pending",
        "standin-wrong-nonce",
        "standin-html",
        "standin-http500",
        "standin-http502",
        "standin-http504",
        "standin-garbage",
        "standin-empty",
        "standin-short",
        "standin-reset",
        "standin-cut-40",
        "standin-alert-400",
        "standin-404",
    ] {
        let said = enroll(&f, &format!("{}/.well-known/est/{label}", ca.url));
        assert_ne!(said.code, 0, "{label}");
        count += 1;
        assert_eq!(came(&f).len(), count, "{label}: {}", log(&f));
    }
}

/// Errors for HTTP statuses of EST servers: no client certificate, media type refused.
#[test]
fn refusals_in_words() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &[]);
    request(&f);
    let url = format!("{}/.well-known/est", ca.url);
    let send = ["cmc", "send", "cmc.req", "--out", "resp", "-d", "db", "--ca", &url];
    let said = f.nss_cmc(&[&send[..], &["--output", "json"]].concat()).exits(32);
    let error = &said.json()["error"];
    assert_eq!(error["http"]["status"], 401, "{}", said.out);
    assert!(error["hint"].as_str().unwrap().contains("--signer"), "{}", said.out);
    assert!(!f.file("resp").exists());
}

/// What a server answers with a status, in words.
#[test]
fn statuses_in_words() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--est-login", "device:est secret"]);
    let args =
        ["enroll", "-d", "db", "--password-file", "pw", "--signer", "agent", "--output", "json"];
    let what = ["--subject", "CN=device", "--nickname", "device", "--ca", &ca.url];
    let enroll = |more: &[&str]| f.nss_cmc(&[&args[..], &what, more].concat());
    let said = enroll(&["--est"]).exits(32);
    let error = &said.json()["error"];
    assert_eq!(error["http"]["status"], 401, "{}", said.out);
    assert!(error["hint"].as_str().unwrap().contains("--est-user NAME"), "{}", said.out);
    // With the user the same request passes: a password beside the certificate.
    f.write_secret("est.txt", "est secret\n");
    let login = ["--est-user", "device", "--est-password-file", "est.txt"];
    let label = |label: &str| format!("--est={label}");
    let report = enroll(&[&["--est"], &login[..]].concat()).exits(0).json();
    assert_eq!(report["result"]["response_signed"], true);
    for (wish, exit, words) in [
        ("standin-404", 32, "does not have this operation (HTTP status 404)"),
        ("noSuchProfile", 40, "Profile noSuchProfile Not Found"),
        ("standin-http502", 32, "is not available (HTTP status 502)"),
    ] {
        let est = label(wish);
        let said = enroll(&[&[&est[..], "--force"], &login[..]].concat()).exits(exit);
        let report = said.json();
        assert!(report["msg"].as_str().unwrap().contains(words), "{wish}: {}", said.out);
    }
}

/// Certificates without a signature (RFC 5272 §4.1) are accepted when issuer, key and server prove
/// them; by the servlet and by EST. Anything else without a signature is refused.
#[test]
fn certificates_only() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--rest", "none"]);
    let label = ["--est=standin-certs-only"];
    let profile = ["--profile", "standin-certs-only"];
    let enroll = |more: &[&str]| {
        let args = ["enroll", "-d", "db", "--password-file", "pw", "--signer", "agent"];
        let what = ["--subject", "CN=device", "--nickname", "device", "--ca", &ca.url, "--force"];
        f.nss_cmc(&[&args[..], &what, more].concat())
    };
    for way in [&label[..], &profile] {
        let said = enroll(way).exits(0);
        assert!(
            said.out.contains("the response was not signed: the certificate is proven"),
            "{}",
            said.out
        );
        let report = enroll(&[way, &["--output", "json"]].concat()).exits(0).json();
        assert_eq!(report["result"]["response_signed"], false, "{report}");
    }
    let valid = f.certutil(&["-V", "-n", "device", "-u", "V", "-f", "pw"]);
    assert!(valid.contains("valid"), "{valid}");
    let before = f.certificates();
    for (wish, words) in [
        ("standin-unsigned", "response is not signed"),
        ("standin-other-key", "matches the key of the request"),
        ("standin-forged", "SEC_ERROR_BAD_SIGNATURE"),
    ] {
        let said = enroll(&["--profile", wish]).exits(42);
        assert!(said.err.contains(words), "{wish}: {}", said.err);
    }
    // A server that the database doesn't trust gets no request.
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let came = log(&f).lines().count();
    let said = enroll(&label).exits(31);
    assert!(said.err.contains("SEC_ERROR_UNTRUSTED_ISSUER"), "{}", said.err);
    assert!(!log(&f).lines().skip(came).any(|line| line.contains("EST")), "{}", log(&f));
    assert_eq!(f.certificates().len(), before.len());
    // A message that was sent by another program proves no server.
    f.certutil(&["-M", "-n", "ca_signing", "-t", "CT,C,C", "-f", "pw"]);
    request(&f);
    let send = ["cmc", "send", "cmc.req", "--out", "resp", "-d", "db", "--password-file", "pw"];
    let said = f.nss_cmc(&[&send[..], &["--signer", "agent", "--ca", &ca.url], &label].concat());
    assert!(said.exits(42).err.contains("response is not signed"));
}

/// Dogtag's EST server refuses controls in requests that an agent or user signed; without controls
/// it accepts them.
#[test]
fn a_request_without_controls_for_dogtag() {
    let f = folder(&[]);
    let ca = StandIn::start(&f, &["--est", "dogtag"]);
    let report = enroll(&f, &format!("{}/.well-known/est", ca.url)).exits(0).json();
    assert_eq!(report["status"], "issued");
    let came = came(&f);
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came[0].contains("missing Proof of Identification control"), "{came:?}");
    assert!(came[1].contains("issued"), "{came:?}");
}
