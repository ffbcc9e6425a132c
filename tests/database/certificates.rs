//! `cert list`, `show`, `export`, `trust` and `remove`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::stand_in::{StandIn, ec_folder, program};
use crate::common::{Folder, der, tool};
use crate::{on_db, result};

/// The stand-in's folder with its agent; `enroll` certifies EC keys for `www`.
struct Ca {
    f: Folder,
    ca: StandIn,
}

impl Ca {
    fn new() -> Ca {
        let f = ec_folder();
        let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
        Ca { f, ca }
    }

    /// Enrolls a certificate; returns its serial number.
    fn enroll(&self, nickname: &str) -> String {
        let to = ["--ca", &self.ca.url, "--profile", "caCMCECserverCert", "--signer", "agent"];
        let what = ["--key-type", "ec", "--subject", "CN=www", "--nickname", nickname, "--force"];
        let result = result(&self.f, &[&["enroll"], &to[..], &what].concat());
        result["certificate"]["serial"]["hex"].as_str().unwrap().to_owned()
    }
}

/// The certificates of a list by nickname.
fn by_nickname(list: &Value) -> BTreeMap<String, Value> {
    let all = list["certificates"].as_array().unwrap();
    all.iter().map(|c| (c["nickname"].as_str().unwrap().to_owned(), c.clone())).collect()
}

/// A self-signed certificate that openssl makes, imported without trust.
fn stranger(f: &Folder, nickname: &str, days: &str) {
    let make = ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let subject = format!("/CN={nickname}");
    let out = ["-subj", &subject, "-keyout", "key.pem", "-out", "stranger.pem", "-days", days];
    tool("openssl", f.path(), &[&make[..], &out].concat());
    import(f, nickname, "stranger.pem");
}

fn import(f: &Folder, nickname: &str, file: &str) {
    f.certutil(&["-A", "-n", nickname, "-t", ",,", "-a", "-i", file, "-f", "pw"]);
}

/// A certificate of the stand-in whose time is over; its key is elsewhere.
fn ended(f: &Folder) {
    let make = ["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let out = ["-subj", "/CN=ended", "-keyout", "key.pem", "-out", "ended.csr"];
    tool("openssl", f.path(), &[&make[..], &out].concat());
    let sign = ["sign", "--dir", "ca", "--csr", "ended.csr", "--expired", "--out", "ended.pem"];
    tool(program().to_str().unwrap(), f.path(), &sign);
    import(f, "ended", "ended.pem");
}

#[test]
fn a_list_says_what_certutil_and_openssl_say() {
    let Ca { f, ca: _ca } = &Ca::new();
    stranger(f, "stranger", "10");
    ended(f);
    for with_password in [true, false] {
        let list = match with_password {
            true => result(f, &["cert", "list"]),
            false => {
                let said = f.nss_cmc(&["cert", "list", "-d", "db", "--output", "json"]);
                said.exits(0).json()["result"].clone()
            }
        };
        let found = by_nickname(&list);
        let flags: Vec<String> = found
            .iter()
            .map(|(nickname, c)| format!("{nickname} {}", c["trust"].as_str().unwrap()))
            .collect();
        assert_eq!(flags, f.certificates());
        let absent = if with_password { "no" } else { "unknown" };
        for (nickname, key, status, trusted) in [
            ("agent", "yes", "valid", true),
            ("ca_signing", absent, "valid", true),
            ("stranger", absent, "ends_soon", false),
            ("ended", absent, "expired", true),
        ] {
            let c = &found[nickname];
            assert_eq!(c["key"], key, "{c}");
            assert_eq!(c["status"], status, "{c}");
            assert_eq!(c["chain_trusted"], trusted, "{c}");
            assert_eq!(c["chain_reason"].is_null(), trusted, "{c}");
            f.write("c.pem", f.certutil(&["-L", "-a", "-n", nickname]));
            let ask = ["x509", "-in", "c.pem", "-noout", "-fingerprint", "-sha256"];
            let fingerprint = tool("openssl", f.path(), &ask);
            let fingerprint = fingerprint.split_once('=').unwrap().1.trim().replace(':', "");
            assert_eq!(c["sha256"], fingerprint.to_lowercase());
        }
        assert_eq!(found["agent"]["issuers"][0]["subject"], "CN=CA Signing Certificate,O=STAND-IN");
        let id = if with_password { json!(f.keys()[0]) } else { Value::Null };
        assert_eq!(found["agent"]["key_id"], id);
    }
}

#[test]
fn a_pipe_gets_one_line_of_eleven_fields_for_each() {
    let f = ec_folder();
    stranger(&f, "two words", "30");
    let said = on_db(&f, &["cert", "list"]).exits(0).out;
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(
        lines.iter().map(|fields| fields[0]).collect::<Vec<_>>(),
        ["agent", "ca_signing", "two words"]
    );
    assert!(lines.iter().all(|fields| fields.len() == 11), "{said}");
    assert_eq!(lines[0][1..4], ["internal", "yes", "u,u,u"]);
    assert_eq!(lines[2][2..4], ["no", ",,"]);
}

#[test]
fn several_certificates_of_one_nickname_are_told_apart() {
    let test = Ca::new();
    let f = &test.f;
    let serials = ["www", "www", "www"].map(|nickname| test.enroll(nickname));
    let shown = result(f, &["cert", "show", "www"]);
    let mut found: Vec<&str> = shown["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["certificate"]["serial"]["hex"].as_str().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, serials);
    let before = f.state();
    for words in [
        &["cert", "remove", "www", "--yes"][..],
        &["cert", "trust", "www", "--flags", "u,u,Pu"],
        &["cert", "export", "www"],
    ] {
        let said = on_db(f, words).exits(2).err;
        assert!(said.contains("several certificates are named \"www\""), "{said}");
        assert!(serials.iter().all(|serial| said.contains(&format!("serial {serial},"))), "{said}");
        assert_eq!(f.state(), before);
    }
    // One is chosen by its serial number, one by the beginning of its fingerprint.
    let keys = f.keys();
    let said = on_db(f, &["cert", "remove", "www", "--serial", &serials[1], "--yes"]).exits(0);
    assert!(said.out.contains("its private key stays, id "), "{}", said.out);
    let rest = result(f, &["cert", "show", "www"]);
    let rest = rest["certificates"].as_array().unwrap().clone();
    assert_eq!(rest.len(), 2);
    let (first, other) = (&rest[0], &rest[1]);
    let fingerprint = &first["sha256"].as_str().unwrap()[..16];
    on_db(f, &["cert", "remove", "--fingerprint", fingerprint, "--yes"]).exits(0);
    let left = f.certutil(&["-L", "-a", "-n", "www"]);
    let der = der::pem::to_der(left.as_bytes());
    let pem = other["certificate"]["pem"].as_str().unwrap();
    assert_eq!(der, der::pem::to_der(pem.as_bytes()));
    assert_eq!(left.matches("BEGIN").count(), 1, "{left}");
    assert_eq!(f.keys(), keys);
}

#[test]
fn nothing_is_removed_without_a_yes() {
    let f = ec_folder();
    let before = f.state();
    let said = on_db(&f, &["cert", "remove", "agent"]).exits(2).err;
    assert!(said.contains("hint: use --yes"), "{said}");
    assert_eq!(f.state(), before);
    // Nor by a wrong password, nor what is not there.
    f.write_secret("wrong", "wrong\n");
    let remove = ["cert", "remove", "agent", "--yes", "-d", "db", "--password-file", "wrong"];
    f.nss_cmc(&remove).exits(11);
    let said = on_db(&f, &["cert", "remove", "agnt", "--yes"]).exits(12).err;
    assert!(said.contains("the database has these nicknames: agent, ca_signing"), "{said}");
    on_db(&f, &["cert", "remove", "agent", "--serial", "0x7777", "--yes"]).exits(12);
    assert_eq!(f.state(), before);
    on_db(&f, &["cert", "remove", "internal:agent", "--yes"]).exits(0);
    assert_eq!(f.certificates(), ["ca_signing CT,C,C"]);
    assert_eq!(f.keys(), before.0);
}

#[test]
fn trust_is_set_and_taken_away() {
    let f = ec_folder();
    let set = |nickname: &str, flags: &str| {
        let said = on_db(&f, &["cert", "trust", nickname, "--flags", flags, "--output", "json"]);
        said.exits(0).json()
    };
    let report = set("agent", "u,u,Pu");
    assert_eq!(
        (&report["changed"], &report["result"]["trust_before"]),
        (&json!(true), &json!("u,u,u"))
    );
    assert_eq!(f.certificates(), ["agent u,u,Pu", "ca_signing CT,C,C"]);
    assert_eq!(set("agent", "u,u,Pu")["changed"], false);
    set("ca_signing", ",,");
    assert_eq!(f.certificates(), ["agent u,u,Pu", "ca_signing ,,"]);
    let list = by_nickname(&result(&f, &["cert", "list"]));
    assert_eq!(list["agent"]["chain_trusted"], false);
    assert_eq!(list["agent"]["issuers"].as_array().unwrap().len(), 1);
    set("ca_signing", "C,,");
    assert_eq!(f.certificates(), ["agent u,u,Pu", "ca_signing C,,"]);
    on_db(&f, &["cert", "trust", "agent", "--flags", "x,y,z"]).exits(2);
    // Without its password a database keeps its trust.
    f.nss_cmc(&["cert", "trust", "agent", "--flags", ",,", "-d", "db"]).exits(2);
    assert_eq!(f.certificates(), ["agent u,u,Pu", "ca_signing C,,"]);
}

#[test]
fn what_is_exported_is_the_certificate_and_its_chain() {
    let f = ec_folder();
    let export =
        |words: &[&str]| f.nss_cmc(&[&["cert", "export", "agent", "-d", "db"], words].concat());
    let theirs = der::pem::to_der(f.certutil(&["-L", "-a", "-n", "agent"]).as_bytes());
    assert_eq!(der::pem::to_der(export(&[]).exits(0).out.as_bytes()), theirs);
    export(&["--format", "der", "--out", "agent.der"]).exits(0);
    assert_eq!(f.read("agent.der"), theirs);
    export(&["--chain", "--out", "chain.pem"]).exits(0);
    let chain = String::from_utf8(f.read("chain.pem")).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    let verify = ["verify", "-CAfile", "ca/ca.pem", "-untrusted", "chain.pem", "chain.pem"];
    tool("openssl", f.path(), &verify);
    export(&["--chain", "--format", "der", "--out", "x"]).exits(2);
    export(&["--format", "der"]).exits(2);
    assert!(!f.file("x").exists());
}

/// The hint to an ambiguous choice is one that ends it.
#[test]
fn the_serial_that_several_have_is_no_hint() {
    let f = Folder::new();
    for name in ["a", "b"] {
        let subject = format!("/CN={name}");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "k"];
        let make = ["req", "-x509", "-nodes", "-set_serial", "7", "-subj", &subject, "-out", "c"];
        tool("openssl", f.path(), &[&make[..], &key].concat());
        f.certutil(&["-A", "-n", name, "-t", ",,", "-a", "-i", "c", "-f", "pw"]);
    }
    let before = f.state();
    let said = on_db(&f, &["cert", "remove", "--serial", "7", "--yes"]).exits(2).err;
    assert!(said.contains("hint: select one with --fingerprint\n"), "{said}");
    assert_eq!(f.state(), before);
}
