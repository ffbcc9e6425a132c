//! `token list`, `token check`, and the other verbs over several tokens; SoftHSM has one beside the
//! database's own.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::stand_in::{StandIn, ec_folder};
use crate::common::{Folder, PASSWORD, Said, run};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A folder with the stand-in's agent, and the token `HSM` with the PIN 1234; all passwords are in
/// `pins`.
struct Tokens(Folder);

impl Tokens {
    fn new() -> Tokens {
        assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
        let t = Tokens(ec_folder());
        let f = &t.0;
        std::fs::create_dir(f.file("tokens")).unwrap();
        f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
        let init =
            ["--init-token", "--free", "--so-pin", "0000", "--label", "HSM", "--pin", "1234"];
        t.command("softhsm2-util", &init).exits(0);
        let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
        t.command("modutil", &add).exits(0);
        f.write_secret("pins", format!("internal={PASSWORD}\nhardware-HSM=1234\n"));
        t
    }

    fn command(&self, program: &str, args: &[&str]) -> Said {
        run(Command::new(program)
            .current_dir(self.0.path())
            .env("SOFTHSM2_CONF", self.0.file("softhsm.conf"))
            .env_remove("NSS_CMC_OUTPUT")
            .args(args))
    }

    #[track_caller]
    fn ours(&self, file: &str, words: &[&str]) -> Said {
        let said = self.command(
            env!("CARGO_BIN_EXE_nss-cmc"),
            &[words, &["-d", "db", "--password-file", file]].concat(),
        );
        assert!(!said.err.contains("could not be shut down"), "{}", said.err);
        said
    }

    #[track_caller]
    fn result(&self, words: &[&str]) -> Value {
        let words = [words, &["--output", "json"]].concat();
        self.ours("pins", &words).exits(0).json()["result"].clone()
    }

    /// Enrolls an EC key in the HSM under `nickname`; returns its id.
    fn enroll(&self, nickname: &str) -> String {
        let ca = StandIn::start(&self.0, &["--server-key-type", "ec"]);
        let to = ["--ca", &ca.url, "--profile", "caCMCECserverCert", "--signer", "agent"];
        let what = ["--key-type", "ec", "--subject", "CN=www", "--nickname", nickname];
        let words = [&["enroll", "--token", "HSM"], &to[..], &what].concat();
        self.result(&words)["key_id"].as_str().unwrap().to_owned()
    }

    /// The ids of the keys in the HSM, as certutil lists them.
    fn hsm_keys(&self) -> Vec<String> {
        self.0.write_secret("theirs", format!("NSS Certificate DB:{PASSWORD}\nHSM:1234\n"));
        let said = self.command("certutil", &["-K", "-h", "HSM", "-d", "sql:db", "-f", "theirs"]);
        let words = said.out.split_whitespace().map(str::to_owned);
        words.filter(|w| w.len() == 40 && w.bytes().all(|b| b.is_ascii_hexdigit())).collect()
    }
}

#[test]
fn every_token_is_listed_and_none_is_logged_in_to() {
    let t = Tokens::new();
    let said = t
        .command(env!("CARGO_BIN_EXE_nss-cmc"), &["token", "list", "-d", "db", "--output", "json"]);
    let report = said.exits(0).json();
    let tokens = report["result"]["tokens"].as_array().unwrap();
    assert_eq!(tokens[0]["name"], "internal");
    let hsm = tokens.iter().find(|token| token["name"] == "HSM").unwrap();
    assert_eq!(hsm["password"], "set");
    assert_eq!(hsm["logged_in"], false);
    assert_eq!(hsm["module"], "softhsm");
    assert_eq!(hsm["library"], LIBRARY);
    assert_eq!(hsm["pin_state"], "good");
    let said = t.command(env!("CARGO_BIN_EXE_nss-cmc"), &["token", "list", "-d", "db"]).exits(0);
    assert!(said.out.lines().all(|line| line.split('\t').count() == 9), "{}", said.out);
}

#[test]
fn a_check_tries_and_leaves_nothing() {
    let t = Tokens::new();
    let before = (t.0.keys(), t.hsm_keys());
    let works = |token: &str| -> Vec<(String, bool)> {
        let checked = t.result(&["token", "check", token]);
        assert_eq!(checked["token"]["name"], token);
        let all = checked["abilities"].as_array().unwrap();
        let mut found = Vec::new();
        for ability in all {
            let works = ability["works"].as_bool().unwrap();
            assert_eq!(ability["reason"].is_null(), works, "{ability}");
            found.push((ability["what"].as_str().unwrap().to_owned(), works));
        }
        found
    };
    let of = |all: &[(String, bool)], what: &str| {
        all.iter().find(|(name, _)| name == what).unwrap_or_else(|| panic!("{what}: {all:?}")).1
    };
    let own = works("internal");
    for what in [
        "generate rsa:2048",
        "sign rsa:2048 PKCS #1 v1.5 SHA-256",
        "sign rsa:2048 PSS SHA-512",
        "sign ec:nistp521 ECDSA SHA-512",
        "archive rsa:2048 AES KeyWrap/Padding",
        "archive ec:nistp256 AES/CBC/PKCS5Padding",
        "archive: session key RSA-OAEP SHA-256",
        "encrypted POP: decrypt RSA-OAEP SHA-256",
    ] {
        assert!(of(&own, what), "{what}");
    }
    let hsm = works("HSM");
    for what in ["generate rsa:2048", "sign rsa:2048 PKCS #1 v1.5 SHA-256", "generate ec:nistp256"]
    {
        assert!(of(&hsm, what), "{what}");
    }
    // Its AES key wrap with padding is RFC 5649.
    assert!(of(&hsm, "archive rsa:2048 AES KeyWrap/Wrapped"));
    assert!(!of(&hsm, "archive rsa:2048 AES KeyWrap/Padding"));
    assert_eq!(hsm.len(), own.len());
    assert_eq!((t.0.keys(), t.hsm_keys()), before);
    // A wrong PIN is a failure of the run, not of the token.
    t.0.write_secret("wrong", "9999\n");
    t.ours("wrong", &["token", "check", "HSM"]).exits(11);
    t.ours("pins", &["token", "check", "gone"]).exits(12);
}

#[test]
fn one_file_opens_all_tokens_and_a_wrong_pin_is_tried_once() {
    let t = Tokens::new();
    let id = t.enroll("www");
    let keys = t.result(&["key", "list"]);
    let keys = keys["keys"].as_array().unwrap();
    let hsm = keys.iter().find(|key| key["token"] == "HSM").unwrap();
    assert_eq!(hsm["key_id"], id.as_str());
    assert_eq!(hsm["certificates"], serde_json::json!(["HSM:www"]));
    assert!(keys.iter().any(|key| key["token"] == "internal"));
    let shown = t.result(&["cert", "show", "HSM:www"]);
    assert_eq!(shown["certificates"][0]["key"], "yes");
    assert_eq!(shown["certificates"][0]["token"], "HSM");
    assert_eq!(shown["certificates"][0]["chain_trusted"], true);
    // The password of one token opens that one; the others are said not to be open.
    t.0.write_secret("bare", format!("{PASSWORD}\n"));
    let said = t.ours("bare", &["key", "list"]).exits(0);
    assert!(said.err.contains("not logged in to: HSM"), "{}", said.err);
    assert!(!said.out.contains(&id), "{}", said.out);
    // After a wrong PIN the token says that a login failed, and the run has ended.
    t.0.write_secret("wrong", format!("internal={PASSWORD}\nHSM=9999\n"));
    let said = t.ours("wrong", &["key", "list"]).exits(11).err;
    assert_eq!(said.matches("cannot log in to token \"HSM\"").count(), 1, "{said}");
}

#[test]
fn keys_and_certificates_of_another_token_are_changed_there() {
    let t = Tokens::new();
    let id = t.enroll("www");
    assert_eq!(t.hsm_keys(), [id.as_str()]);
    t.ours("pins", &["key", "remove", &id, "--yes"]).exits(15);
    t.ours("pins", &["cert", "trust", "HSM:www", "--flags", "u,u,Pu"]).exits(0);
    let list = t.command("certutil", &["-L", "-h", "all", "-d", "sql:db", "-f", "theirs"]).out;
    let line = list.lines().find(|line| line.starts_with("HSM:www ")).unwrap();
    assert!(line.ends_with("u,u,Pu"), "{list}");
    t.ours("pins", &["key", "rename", &id, "hsm key", "--token", "HSM"]).exits(0);
    // NSS keeps the trust with a copy of the certificate in the database's own token: both go.
    t.ours("pins", &["cert", "remove", "wwww", "--yes"]).exits(12);
    let remove = ["cert", "remove", "www", "--token", "HSM", "--yes", "--output", "json"];
    let report = t.ours("pins", &remove).exits(0).json();
    assert_eq!(report["result"]["tokens"], serde_json::json!(["HSM", "internal"]));
    let list = t.command("certutil", &["-L", "-h", "all", "-d", "sql:db", "-f", "theirs"]).out;
    assert!(!list.contains("www"), "{list}");
    assert_eq!(t.hsm_keys(), [id.as_str()]);
    t.ours("pins", &["key", "remove", "hsm key", "--yes"]).exits(0);
    assert!(t.hsm_keys().is_empty());
    assert_eq!(t.0.keys().len(), 1);
    // A token's password is changed as the database's own is.
    t.0.write_secret("new", "5678\n");
    let change = ["db", "password", "--token", "HSM", "--new-password-file", "new"];
    t.ours("pins", &change).exits(0);
    t.ours("pins", &["key", "list", "--token", "HSM"]).exits(11);
    t.ours("new", &["key", "list", "--token", "HSM"]).exits(0);
}
