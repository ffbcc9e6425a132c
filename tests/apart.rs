//! Enrollment on a host that cannot reach the CA: `cmc build` there, `cmc send` from another
//! database, `cmc accept` with the response.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, Said, accepted_by_dogtag, tool};

const LABEL: &str = "unfinished request for www";
const JSON: [&str; 2] = ["--output", "json"];

fn build(f: &Folder, name: &str, more: &[&str]) -> Said {
    let (out, state) = (format!("{name}.req"), format!("{name}.state"));
    let mut args = vec!["cmc", "build", "-d", "db", "--password-file", "pw", "--out", &out];
    args.extend(["--state", &state]);
    if !more.contains(&"--key-type") {
        args.extend(["--key-type", "ec:nistp256"]);
    }
    args.extend(["--subject", "CN=www.example.com,O=EXAMPLE", "--nickname", "www"]);
    if !more.contains(&"--identification") {
        args.extend(["--signer", "agent"]);
    }
    args.extend(more);
    let said = f.nss_cmc(&args);
    if said.code == 0 {
        accepted_by_dogtag(&f.read(&out), &[]);
    }
    said
}

/// Sends a message from the second database, which has no key of it.
fn send(f: &Folder, url: &str, profile: &str, name: &str, more: &[&str]) -> Said {
    let (request, response) = (format!("{name}.req"), format!("{name}.resp"));
    let mut args = vec!["cmc", "send", &request, "--out", &response, "-d", "gate/db"];
    args.extend(["--password-file", "gate/pw", "--ca", url, "--profile", profile]);
    args.extend(more);
    f.nss_cmc(&args)
}

fn accept(f: &Folder, state: &str, response: &str, more: &[&str]) -> Said {
    let (state, response) = (format!("{state}.state"), format!("{response}.resp"));
    let mut args = vec!["cmc", "accept", &response, "--state", &state, "-d", "db"];
    args.extend(["--password-file", "pw"]);
    args.extend(more);
    f.nss_cmc(&args)
}

/// Makes a host with the database `db`, and in `gate` another database with the agent.
fn host_and_gate() -> Folder {
    let f = ec_folder();
    let gate = Folder::at(f.file("gate"));
    std::fs::create_dir_all(gate.path()).unwrap();
    tool("cp", f.path(), &["-r", "db", "pw", "gate"]);
    f
}

/// Returns the lines of `certutil -K` with the label of an unfinished request.
fn unfinished(f: &Folder) -> Vec<String> {
    let list = f.certutil(&["-K", "-f", "pw"]);
    list.lines().filter(|l| l.contains(LABEL)).map(str::to_owned).collect()
}

fn has_www(f: &Folder) -> bool {
    f.certificates().contains(&"www u,u,u".to_owned())
}

const AGENT: [&str; 2] = ["--signer", "agent"];

#[test]
fn the_key_stays_and_the_message_travels() {
    use std::os::unix::fs::PermissionsExt;
    let f = host_and_gate();
    let ca = StandIn::start(&f, &[]);
    let names = ["--dns", "www.example.com", "--dns", "www2.example.com"];
    let report = build(&f, "a", &[&names[..], &JSON].concat()).exits(0).json();
    let id = report["result"]["key_id"].as_str().unwrap().to_owned();
    assert_eq!(
        (report["status"].as_str(), report["changed"].as_bool()),
        (Some("built"), Some(true))
    );
    assert_eq!(unfinished(&f).len(), 1);
    assert!(unfinished(&f)[0].contains(&id));
    let digest = tool("openssl", f.path(), &["dgst", "-sha256", "-r", "a.req"]);
    assert_eq!(digest.split(' ').next(), report["result"]["message_sha256"].as_str());
    let mode = f.file("a.state").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let state = String::from_utf8(f.read("a.state")).unwrap();
    assert!(state.contains("# DNS:www2.example.com\n"), "{state}");
    assert!(state.contains("nickname=\"www\"\n"), "{state}");
    // The CA has not seen it yet.
    assert!(!String::from_utf8(f.read("ca.log")).unwrap().contains("issued"));
    // The same request again changes nothing, another one is refused.
    let (files, before) = ((f.read("a.req"), f.read("a.state")), f.state());
    let again = build(&f, "a", &[&names[..], &JSON].concat()).exits(0).json();
    assert_eq!((&again["status"], &again["changed"]), (&"unchanged".into(), &false.into()));
    assert_eq!(again["result"], report["result"]);
    for (more, word) in [
        (&[][..], "subject or names"),
        (&[&names[..], &["--key-type", "rsa:2048"]].concat(), "key is another one"),
    ] {
        let said = build(&f, "a", more).exits(15);
        assert!(said.err.contains(word), "{}", said.err);
    }
    f.write("a.req", "other");
    let said = build(&f, "a", &names).exits(15);
    assert!(said.err.contains("its message is not in --out"), "{}", said.err);
    f.write("a.req", &files.0);
    assert_eq!((f.read("a.state"), f.state()), (files.1, before));

    send(&f, &ca.url, "caCMCECserverCert", "a", &AGENT).exits(0);
    let report = accept(&f, "a", "a", &[&["--chain-out", "a.pem"][..], &JSON].concat());
    let report = report.exits(0).json();
    assert_eq!((&report["command"], &report["status"]), (&"cmc accept".into(), &"issued".into()));
    assert_eq!(report["result"]["key_id"], id.as_str());
    assert!(has_www(&f) && unfinished(&f).is_empty());
    let modulus =
        |file: &str| tool("openssl", f.path(), &["x509", "-in", file, "-noout", "-pubkey"]);
    f.write("listed.pem", f.certutil(&["-L", "-n", "www", "-a"]));
    assert_eq!(modulus("listed.pem"), modulus("a.pem"));
    let before = f.state();
    let report = accept(&f, "a", "a", &JSON).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"unchanged".into(), &false.into()));
    assert_eq!(f.state(), before);
    // The state file may be used again now.
    let own = ["cmc", "build", "-d", "db", "--password-file", "pw", "--out", "a.req", "--state"];
    let own = [&own[..], &["a.state", "--subject", "CN=www.example.com,O=EXAMPLE"]].concat();
    let own = [&own[..], &["--nickname", "www", "--signer", "agent", "--key-type", "ec"]].concat();
    f.nss_cmc(&own).exits(0);
    assert_eq!(unfinished(&f).len(), 1);
}

#[test]
fn a_shared_secret_needs_no_client_certificate() {
    let f = host_and_gate();
    f.write_secret("secret", "the secret of alice\n");
    let user = ["user", "--dir", "ca", "--uid", "alice", "--secret-file", "secret"];
    tool(program().to_str().unwrap(), f.path(), &user);
    let ca = StandIn::start(&f, &[]);
    let alice = ["--identification", "alice", "--shared-secret-file", "secret", "--pop-link"];
    build(&f, "u", &alice).exits(0);
    for file in ["u.state", "u.req"] {
        let text = f.read(file);
        let holds = text.windows(19).any(|w| w == b"the secret of alice");
        assert!(!holds, "{file} has the secret");
    }
    send(&f, &ca.url, "caECFullCMCSharedTokenCert", "u", &[]).exits(0);
    accept(&f, "u", "u", &[]).exits(0);
    assert!(has_www(&f) && unfinished(&f).is_empty());
}

#[test]
fn a_request_made_elsewhere() {
    let f = host_and_gate();
    let ca = StandIn::start(&f, &[]);
    let new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem"];
    let name = ["-subj", "/CN=elsewhere", "-out", "r.pem"];
    tool("openssl", f.path(), &[&new[..], &name].concat());
    let before = f.state();
    let args = ["cmc", "build", "-d", "db", "--password-file", "pw", "--out", "e.req"];
    let more = ["--state", "e.state", "--csr", "r.pem", "--signer", "agent"];
    f.nss_cmc(&[&args[..], &more].concat()).exits(0);
    send(&f, &ca.url, "caCMCserverCert", "e", &AGENT).exits(0);
    let said = accept(&f, "e", "e", &[]).exits(0);
    f.write("c.pem", &said.out[said.out.find("-----BEGIN").unwrap()..]);
    let key = tool("openssl", f.path(), &["pkey", "-in", "k.pem", "-pubout"]);
    assert_eq!(tool("openssl", f.path(), &["x509", "-in", "c.pem", "-pubkey", "-noout"]), key);
    assert_eq!(f.state(), before);
}

/// Responses that are not those to this message, or not the CA's: the key and the state stay, and
/// the right response is accepted after that.
#[test]
fn other_responses_are_refused() {
    let f = host_and_gate();
    let ca = StandIn::start(&f, &["--rest", "none"]);
    for name in ["a", "b"] {
        build(&f, name, &[]).exits(0);
        send(&f, &ca.url, "caCMCECserverCert", name, &AGENT).exits(0);
    }
    let before = f.state();
    let refused = |response: &str, code: i32, word: &str| {
        let state = f.read("a.state");
        let said = accept(&f, "a", response, &[]).exits(code);
        assert!(said.err.contains(word), "{response}: {}", said.err);
        assert!(code == 20 || said.err.contains("the key is kept"), "{response}: {}", said.err);
        assert_eq!(f.state(), before, "{response}");
        assert_eq!(unfinished(&f).len(), 2, "{response}");
        assert_eq!(f.read("a.state"), state, "{response}");
    };
    refused("b", 42, "nonce does not match");
    f.write("m.resp", f.read("a.req"));
    refused("m", 20, "CMC request");
    f.write("g.resp", "garbage");
    refused("g", 20, "");
    // The same message again, with another nonce in the response, or none, or another signer.
    for (profile, word) in [
        ("standin-wrong-nonce", "nonce does not match"),
        ("standin-wrong-transaction", "transaction id does not match"),
        ("standin-no-echoes", "nonce does not match"),
        ("standin-stranger", "signer is not trusted"),
        ("standin-wrong-signature", "signature is invalid"),
        ("standin-unsigned", "not signed"),
        ("standin-other-key", "matches the key of the request"),
        ("standin-forged", "SEC_ERROR_BAD_SIGNATURE"),
    ] {
        f.write("x.req", f.read("a.req"));
        send(&f, &ca.url, profile, "x", &AGENT);
        refused("x", 42, word);
    }
    // A refusal that doesn't name the request settles nothing, nor does a certificate to come.
    send(&f, &ca.url, "standin-fail-2", "x", &AGENT).exits(40);
    refused("x", 40, "badRequest");
    send(&f, &ca.url, "standin-pending", "x", &AGENT).exits(3);
    refused("x", 3, "has not issued");
    // The response of another CA with the same name.
    let other = host_and_gate();
    let namesake = StandIn::start(&other, &[]);
    other.write("o.req", f.read("a.req"));
    send(&other, &namesake.url, "caCMCECserverCert", "o", &AGENT);
    f.write("o.resp", other.read("o.resp"));
    refused("o", 42, "signer is not trusted");
    // A changed octet matters, or the certificate is the CA's all the same: the response has other
    // certificates, too, and its signature covers none.
    f.write("ca.pem", f.certutil(&["-L", "-n", "ca_signing", "-a"]));
    let (right, state) = (f.read("a.resp"), f.read("a.state"));
    tool("cp", f.path(), &["-r", "db", "kept"]);
    for at in (0..right.len()).step_by(right.len() / 30) {
        let mut flipped = right.clone();
        flipped[at] ^= 0x10;
        f.write("f.resp", flipped);
        if accept(&f, "a", "f", &[]).code == 0 {
            f.write("flipped.pem", f.certutil(&["-L", "-n", "www", "-a"]));
            tool("openssl", f.path(), &["verify", "-CAfile", "ca.pem", "flipped.pem"]);
            std::fs::remove_dir_all(f.file("db")).unwrap();
            tool("cp", f.path(), &["-r", "kept", "db"]);
            f.write("a.state", &state);
        }
        assert_eq!(f.state(), before, "octet {at}");
        assert_eq!(unfinished(&f).len(), 2, "octet {at}");
    }
    accept(&f, "a", "a", &[]).exits(0);
    assert!(has_www(&f));
    assert_eq!(unfinished(&f).len(), 1);
    accept(&f, "b", "b", &[]).exits(0);
    assert!(unfinished(&f).is_empty());
}

/// A message may be sent twice: a refusal, even one that names this very request, costs neither the
/// key nor the state, and the certificate of the first sending is accepted after it.
#[test]
fn a_verified_refusal_settles_nothing() {
    let f = host_and_gate();
    let ca = StandIn::start(&f, &[]);
    build(&f, "a", &[]).exits(0);
    send(&f, &ca.url, "caCMCECserverCert", "a", &AGENT).exits(0);
    f.write("b.req", f.read("a.req"));
    send(&f, &ca.url, "standin-status-4", "b", &AGENT).exits(40);
    let (before, state) = (f.state(), f.read("a.state"));
    let said = accept(&f, "a", "b", &[]).exits(40);
    assert!(said.err.contains("noSupport") && said.err.contains("the key is kept"), "{}", said.err);
    assert_eq!((f.state(), f.read("a.state")), (before, state));
    accept(&f, "a", "a", &[]).exits(0);
    assert!(has_www(&f) && unfinished(&f).is_empty());
}

/// What enroll does with a certificate that is replaced.
#[test]
fn the_new_certificate_takes_the_place_of_the_old_one() {
    let f = host_and_gate();
    let ca = StandIn::start(&f, &[]);
    for name in ["a", "b"] {
        build(&f, name, &["--dns", "www.example.com"]).exits(0);
        send(&f, &ca.url, "caCMCECserverCert", name, &AGENT).exits(0);
    }
    accept(&f, "a", "a", &["--trust", "P,,"]).exits(0);
    let keys = f.keys().len();
    let report = accept(&f, "b", "b", &["--usage", "ca", "--require-names"]).exits(16);
    assert!(report.err.contains("usage ca") && !report.err.contains("--force"), "{}", report.err);
    let more = ["--usage", "server", "--require-names", "--remove-old", "cert-and-key", "--diff"];
    let report = accept(&f, "b", "b", &[&more[..], &JSON].concat()).exits(0).json();
    assert_eq!(report["status"], "renewed", "{report:#}");
    assert_eq!(report["result"]["old_removed"], "cert_and_key");
    assert_eq!(report["result"]["replaced_serial"], report["diff"]["before"]["serial"]);
    assert_eq!(report["diff"]["after"]["sans"][0], "DNS:www.example.com");
    assert!(f.certificates().contains(&"www Pu,u,u".to_owned()), "{:?}", f.certificates());
    assert_eq!(f.keys().len(), keys - 1);
    assert_eq!(accept(&f, "b", "b", &JSON).exits(0).json()["status"], "unchanged");
}

/// The options of both commands from a request in JSON, with the password in it.
#[test]
fn requests_in_json() {
    let f = host_and_gate();
    let ca = StandIn::start(&f, &[]);
    let build = r#"{"database": "db", "password": "password", "signer": "agent", "nickname": "www",
        "subject": "CN=www.example.com,O=EXAMPLE", "key_type": "ec:nistp256", "out": "j.req",
        "state": "j.state"}"#;
    let password = String::from_utf8(f.read("pw")).unwrap();
    let with = |json: &str| {
        json.replace("\"password\": \"password\"", &format!("\"password\": {:?}", password.trim()))
    };
    f.write_secret("build.json", with(build));
    f.nss_cmc(&["cmc", "build", "--request", "build.json"]).exits(0);
    send(&f, &ca.url, "caCMCECserverCert", "j", &AGENT).exits(0);
    let accept = r#"{"database": "db", "password": "password", "response": "j.resp",
        "state": "j.state", "require_names": true, "usage": ["server"]}"#;
    f.write_secret("accept.json", with(accept));
    f.nss_cmc(&["cmc", "accept", "--request", "accept.json"]).exits(0);
    assert!(has_www(&f) && unfinished(&f).is_empty());
}

/// Replaces the value of a line, and makes the checksum right, as an attacker would.
fn forged(f: &Folder, name: &str, value: &str) {
    let text = String::from_utf8(f.read("a.state")).unwrap();
    let line = |l: &str| match l.split_once('=') {
        Some((key, _)) if key == name => format!("{name}={value}\n"),
        _ => format!("{l}\n"),
    };
    let lines: String = text.lines().filter(|l| !l.starts_with("checksum=")).map(line).collect();
    f.write("body", &lines);
    let sum = tool("openssl", f.path(), &["dgst", "-sha256", "-r", "body"]);
    let sum = sum.split(' ').next().unwrap();
    f.write("forged.state", format!("{lines}checksum={sum}\n"));
}

#[test]
fn an_edited_state_is_refused() {
    let f = host_and_gate();
    let ca = StandIn::start(&f, &[]);
    build(&f, "a", &[]).exits(0);
    send(&f, &ca.url, "caCMCECserverCert", "a", &AGENT).exits(0);
    let before = f.state();
    let text = String::from_utf8(f.read("a.state")).unwrap();
    f.write("edited.state", text.replace("nickname=\"www\"", "nickname=\"w3\""));
    let said = accept(&f, "edited", "a", &[]).exits(20);
    assert!(said.err.contains("checksum does not match"), "{}", said.err);
    f.write("edited.state", &text[..text.len() / 2]);
    accept(&f, "edited", "a", &[]).exits(20);
    let agent = f.keys().into_iter().find(|id| !text.contains(id.as_str())).unwrap();
    for (name, value, code) in [
        ("nonce", "00112233445566778899aabbccddeeff", 42),
        ("transaction_id", "0x1234", 42),
        ("nickname", "\"agent\"", 15),
        ("nickname", "\"w3\"", 15),
        ("key", "00112233445566778899aabbccddeeff00112233", 12),
        ("key", &agent, 20),
        ("public_key", "3000", 20),
        ("token", "\"other\"", 12),
    ] {
        forged(&f, name, value);
        accept(&f, "forged", "a", &[]).exits(code);
        assert_eq!(f.state(), before, "{name}");
        assert_eq!(unfinished(&f).len(), 1, "{name}");
    }
    // A state whose key is gone.
    let id = text.lines().find_map(|l| l.strip_prefix("key=")).unwrap();
    tool("cp", f.path(), &["-r", "db", "kept"]);
    f.certutil(&["-F", "-k", id, "-f", "pw"]);
    let said = accept(&f, "a", "a", &[]).exits(12);
    assert!(said.err.contains(id), "{}", said.err);
    assert!(!has_www(&f) && f.file("a.state").exists());
    std::fs::remove_dir_all(f.file("db")).unwrap();
    std::fs::rename(f.file("kept"), f.file("db")).unwrap();
    accept(&f, "a", "a", &[]).exits(0);
    assert!(has_www(&f));
}

/// What fails before the message is written leaves nothing.
#[test]
fn a_failed_build_leaves_nothing() {
    let f = host_and_gate();
    let before = f.state();
    let base = ["cmc", "build", "-d", "db", "--password-file", "pw", "--signer", "agent"];
    let what = ["--subject", "CN=x", "--nickname", "x", "--key-type", "ec"];
    let with = |out: &str, state: &str| {
        f.nss_cmc(&[&base[..], &what, &["--out", out, "--state", state]].concat())
    };
    with("no/such/r", "s").exits(21);
    with("r", "no/such/s").exits(21);
    with("r", "r").exits(2);
    f.write("r0", "other");
    with("r", "r0").exits(15);
    assert_eq!(f.state(), before);
    assert!(!f.file("r").exists() && !f.file("s").exists());
    assert_eq!(f.read("r0"), b"other");
}
