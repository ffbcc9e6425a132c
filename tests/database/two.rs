//! A run over two databases: the signer's key is in one, the new key in the other.

use crate::common::Folder;
use crate::common::stand_in::{StandIn, ec_folder};
use crate::common::{PASSWORD, Said, tool};

/// The stand-in's folder: its agent is in `agents`, and `db` is a new database with another password,
/// which trusts the CA if `trusts`.
fn two(trusts: bool) -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    std::fs::rename(f.file("db"), f.file("agents")).unwrap();
    f.write_secret("pw", "Service.456\n");
    f.write_secret("both", format!("internal:Service.456\nsigner-db:{PASSWORD}\n"));
    f.nss_cmc(&["db", "create", "-d", "db", "--password-file", "pw"]).exits(0);
    if trusts {
        f.certutil(&["-A", "-n", "CA", "-t", "CT,C,C", "-a", "-i", "ca/ca.pem", "-f", "pw"]);
    }
    (f, ca)
}

fn enroll(f: &Folder, ca: &StandIn, more: &[&str]) -> Said {
    let to = ["--ca", &ca.url, "--profile", "caCMCECserverCert", "--key-type", "ec"];
    let what = ["--subject", "CN=www", "--nickname", "www", "--output", "json"];
    f.nss_cmc(&[&["enroll", "-d", "db"], &to[..], &what, more].concat())
}

/// What certutil lists in the agents' database.
fn agents(f: &Folder) -> String {
    f.write_secret("agent.pw", format!("{PASSWORD}\n"));
    let list = |args: &[&str]| {
        let args = [args, &["-d", "sql:agents", "-f", "agent.pw"]].concat();
        tool("certutil", f.path(), &args)
    };
    list(&["-L"]) + &list(&["-K"])
}

#[test]
fn the_signer_is_in_a_database_of_its_own() {
    let (f, ca) = two(true);
    let before = agents(&f);
    let signer = ["--signer", "agent", "--signer-db", "agents", "--password-file", "both"];
    let report = enroll(&f, &ca, &signer).exits(0).json();
    assert_eq!(report["result"]["has_key"], true, "{report}");
    assert_eq!(report["result"]["token"], "internal", "{report}");
    assert_eq!(report["warnings"], serde_json::json!([]));
    assert_eq!(f.certificates(), ["CA CT,C,C", "www u,u,u"]);
    assert_eq!(f.keys().len(), 1);
    assert_eq!(agents(&f), before);
    // A second run finds the certificate; the signer isn't asked for anything.
    let report = enroll(&f, &ca, &signer).exits(0).json();
    assert_eq!(report["status"], "unchanged");
    // Two lines, the new key's token first, serve as well.
    let list = f.file("lines");
    std::fs::write(&list, format!("Service.456\n{PASSWORD}\n")).unwrap();
    let force = ["--signer", "agent", "--signer-db", "agents", "--password-fd", "0", "--force"];
    let to = ["enroll", "-d", "db", "--ca", &ca.url, "--profile", "caCMCECserverCert"];
    let what = ["--key-type", "ec", "--subject", "CN=www", "--nickname", "www"];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .args([&to[..], &what, &force].concat())
        .stdin(std::fs::File::open(&list).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(f.keys().len(), 2);
}

/// The agent of `revoke` may be in a database of its own, too.
#[test]
fn an_agent_in_another_database_revokes() {
    let (f, ca) = two(true);
    let signer = ["--signer", "agent", "--signer-db", "agents", "--password-file", "both"];
    enroll(&f, &ca, &signer).exits(0);
    let before = agents(&f);
    let which = ["revoke", "-d", "db", "--ca", &ca.url, "--nickname", "www", "--output", "json"];
    let hold = [&which[..], &signer, &["--hold"]].concat();
    let report = f.nss_cmc(&hold).exits(0).json();
    assert_eq!((&report["status"], &report["result"]["by"]), (&"held".into(), &"agent".into()));
    // The hint names the agent and its database as they were given.
    let superseded = [&which[..], &signer, &["--reason", "affiliationChanged"]].concat();
    let report = f.nss_cmc(&superseded);
    assert_eq!(agents(&f), before);
    // Without it, the agent isn't found; without a signer, another database has no meaning.
    let alone = ["--signer", "agent", "--password-file", "pw", "--reason", "superseded"];
    f.nss_cmc(&[&which[..], &alone].concat()).exits(12);
    let owner = ["--signer-db", "agents", "--password-file", "both", "--reason", "superseded"];
    f.nss_cmc(&[&which[..], &owner].concat()).exits(2);
    assert!(format!("{report:?}").contains("--signer agent --signer-db agents"), "{report:?}");
}

/// NSS asks all its tokens for trust, and the second database is one of them.
#[test]
fn a_ca_that_the_signer_s_database_trusts_is_trusted() {
    let (f, ca) = two(false);
    let signer = ["--signer", "agent", "--signer-db", "agents", "--password-file", "both"];
    enroll(&f, &ca, &signer).exits(0);
    assert!(f.certificates().contains(&"www u,u,u".to_owned()), "{:?}", f.certificates());
}

#[test]
fn what_is_wrong_with_the_second_database_is_said_and_nothing_stays() {
    let (f, ca) = two(true);
    let before = f.state();
    f.write_secret("wrong", "internal:Service.456\nsigner-db:wrong\n");
    for (directory, signer, file, code, words) in [
        ("agents", "agent", "wrong", 11, "cannot log in to token \"signer-db\""),
        ("agents", "agent", "pw", 2, "no password for token \"signer-db\""),
        ("agents", "nobody", "both", 12, "nobody"),
        ("agents", "HSM:agent", "both", 2, "are not loaded"),
        ("gone", "agent", "both", 10, "cannot open NSS database gone"),
        ("db", "agent", "both", 2, "db is the first database"),
    ] {
        let more = ["--signer", signer, "--signer-db", directory, "--password-file", file];
        let report = enroll(&f, &ca, &more).exits(code).json();
        assert!(report["msg"].as_str().unwrap().contains(words), "{report}");
        assert_eq!(f.state(), before, "{directory} {signer} {file}");
    }
}
