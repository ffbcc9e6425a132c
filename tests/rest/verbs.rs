//! `ca find`, `ca show`, `ca chain`, `ca transport`.

use super::common::stand_in::StandIn;
use super::common::{Folder, Said, run_while_the_password_changes, tool};
use super::{fill, issued, start, subsystems};

#[track_caller]
fn ca(f: &Folder, ca: &StandIn, args: &[&str]) -> Said {
    let verb = ["ca", args[0], "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    f.nss_cmc(&[&verb, &args[1..]].concat())
}

/// The SHA-256 fingerprint of a file's certificate, by openssl.
fn fingerprint(f: &Folder, file: &str) -> String {
    let said =
        tool("openssl", f.path(), &["x509", "-noout", "-fingerprint", "-sha256", "-in", file]);
    said.trim().split_once('=').unwrap().1.to_owned()
}

#[test]
fn find_in_a_pipe_and_as_json() {
    for offer in ["v1", "v2"] {
        let (f, server) = start(offer);
        fill(&f, 1000);
        let all = issued(&f);
        let said = ca(&f, &server, &["find"]).exits(0);
        let first = |line: &str| line.split('\t').next().unwrap().to_owned();
        let serials: Vec<String> = said.out.lines().map(first).collect();
        let expected: Vec<&str> = all.iter().map(|[serial, ..]| serial.as_str()).collect();
        assert_eq!(serials, expected);
        assert!(said.out.lines().all(|line| line.matches('\t').count() == 3));
        let json = ca(&f, &server, &["find", "--limit", "5", "--output", "json"]).exits(0).json();
        let result = &json["result"];
        assert_eq!(result["certificates"].as_array().unwrap().len(), 5);
        assert_eq!(result["more"], true);
        assert_eq!(
            result["total"],
            if offer == "v1" { all.len().into() } else { serde_json::Value::Null }
        );
        let exactly = all.len().to_string();
        let json = ca(&f, &server, &["find", "--limit", &exactly, "--output", "json"]).json();
        assert_eq!(json["result"]["more"], false);
        let said = ca(&f, &server, &["find", "--name", "agent", "--status", "valid"]).exits(0);
        assert_eq!(said.out.lines().count(), 1, "{}", said.out);
        assert!(said.out.contains("\tvalid\t") && said.out.ends_with("\tCN=agent,O=STAND-IN\n"));
        assert_eq!(ca(&f, &server, &["find", "--name", "nobody"]).exits(0).out, "");
    }
}

#[test]
fn show() {
    let (f, server) = start("both");
    let [serial, _, subject] = &issued(&f)[1];
    let said = ca(&f, &server, &["show", serial, "--out", "c.pem"]).exits(0);
    assert!(said.out.starts_with(&format!("{serial}, {subject}\n")), "{}", said.out);
    assert!(said.out.contains("state: valid\n"));
    tool("openssl", f.path(), &["x509", "-noout", "-in", "c.pem"]);
    let json = ca(&f, &server, &["show", serial, "--output", "json"]).exits(0).json();
    assert_eq!(json["result"]["certificate"]["serial"]["hex"], **serial);
    let said = ca(&f, &server, &["show", "0x7777"]).exits(12);
    assert!(said.err.contains("the CA has no such certificate"), "{}", said.err);
}

#[test]
fn a_chain_by_its_fingerprint() {
    let (f, server) = start("both");
    let print = fingerprint(&f, "ca/ca.pem");
    // Without any database.
    let chain = ["ca", "chain", "--ca", &server.url];
    let said = f.nss_cmc(&[&chain[..], &["--fingerprint", &print, "--out", "chain.pem"]].concat());
    let said = said.exits(0);
    assert!(said.out.contains(&format!("SHA-256 {print}\n")), "{}", said.out);
    assert_eq!(fingerprint(&f, "chain.pem"), print);
    let wrong = print.replace(':', "").chars().rev().collect::<String>();
    let said = f.nss_cmc(&[&chain[..], &["--fingerprint", &wrong, "--out", "no.pem"]].concat());
    let said = said.exits(13);
    assert!(said.err.contains("no certificate of the CA has the fingerprint"), "{}", said.err);
    assert!(said.out.is_empty() && !f.file("no.pem").exists());
    // Nobody is there to ask.
    let said = f.nss_cmc(&chain).exits(13);
    assert!(said.err.contains("--fingerprint") && said.err.contains(&print), "{}", said.err);
    assert!(said.out.is_empty());
}

#[test]
fn a_chain_is_trusted_once_it_is_known() {
    let (f, server) = start("both");
    let print = fingerprint(&f, "ca/ca.pem");
    f.certutil(&["-D", "-n", "ca_signing"]);
    ca(&f, &server, &["find"]).exits(31);
    let before = f.state();
    ca(&f, &server, &["chain", "--trust"]).exits(13);
    assert_eq!(f.state(), before);
    let pinned = ["chain", "--fingerprint", &print, "--trust", "--nickname", "lab"];
    let json = ca(&f, &server, &[&pinned[..], &["--output", "json"]].concat()).exits(0).json();
    assert_eq!((&json["changed"], &json["status"]), (&true.into(), &"trusted".into()));
    assert_eq!(json["result"]["vouched_by"], "fingerprint");
    assert!(f.certificates().contains(&"lab CT,C,C".to_owned()), "{:?}", f.certificates());
    ca(&f, &server, &["find"]).exits(0);
    let after = f.state();
    let said = ca(&f, &server, &["chain", "--trust"]).exits(0);
    assert!(said.out.contains("\"lab\" is already trusted"), "{}", said.out);
    assert_eq!(f.state(), after);
    // Held without trust, as CMC responses leave it.
    f.certutil(&["-M", "-n", "lab", "-t", ",,", "-f", "pw"]);
    ca(&f, &server, &["find"]).exits(31);
    ca(&f, &server, &pinned).exits(0);
    assert_eq!(f.state(), after);
    let said = ca(&f, &server, &["chain"]).exits(0);
    assert!(said.out.contains("-----BEGIN CERTIFICATE-----"));
    let database = ca(&f, &server, &["chain", "--output", "json"]).exits(0).json();
    assert_eq!(database["result"]["vouched_by"], "database");
}

/// With a login from before another run changed the password, NSS would sign trust flags and encrypt keys
/// for the old one.
#[test]
fn a_login_follows_the_wait_for_another_run() {
    let (f, server) = start("both");
    let print = fingerprint(&f, "ca/ca.pem");
    f.certutil(&["-D", "-n", "ca_signing"]);
    let (old, other) = ("Secret.123\n", "an0ther Password\n");
    let chain = ["ca", "chain", "--ca", &server.url, "--fingerprint", &print, "--trust"];
    let create = ["csr", "create", "--key-type", "ec", "--subject", "CN=x", "--out", "x.csr"];
    for verb in [&chain[..], &create] {
        f.write_secret("pw", old);
        f.write_secret("new", other);
        let before = f.state();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
        command.current_dir(f.path()).args(verb).args(["-d", "db", "--password-file", "pw"]);
        run_while_the_password_changes(&f, &mut command).exits(11);
        assert!(!f.file("x.csr").exists());
        std::fs::rename(f.file("new"), f.file("pw")).unwrap();
        assert_eq!(f.state(), before, "{verb:?}");
        let more = ["-d", "db", "--password-file", "pw"];
        f.nss_cmc(&[verb, &more].concat()).exits(0);
        f.write_secret("new", old);
        f.certutil(&["-W", "-f", "pw", "-@", "new"]);
    }
}

#[test]
fn the_transport_certificate_archives_keys() {
    let (f, server) = start("both");
    ca(&f, &server, &["transport"]).exits(32);
    subsystems(&f);
    let json =
        ca(&f, &server, &["transport", "--out", "t.pem", "--output", "json"]).exits(0).json();
    let subject = &json["result"]["certificate"]["subject"];
    assert_eq!(subject, "CN=DRM Transport Certificate,O=STAND-IN");
    let csr = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=x", "--crmf"];
    f.nss_cmc(&[&csr[..], &["--archive-to", "t.pem", "--out", "x.crmf"]].concat()).exits(0);
}
