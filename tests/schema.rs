//! The JSON output of every verb, on success and on failure, against `docs/nss-cmc-1.schema.json`,
//! with a validator that isn't ours.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use common::stand_in::{StandIn, ec_folder};
use common::{Folder, nss_cmc, tool};
use serde_json::{Value, json};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the schema that the program prints.
fn printed(verb: &[&str]) -> String {
    let folder = Folder::bare();
    nss_cmc(folder.path(), &[&["schema"], verb].concat()).exits(0).out
}

#[test]
fn the_stored_schema_is_that_of_the_program() {
    let file = snapbox::Data::read_from(&root("docs/nss-cmc-1.schema.json"), None).raw();
    snapbox::assert_data_eq!(snapbox::IntoData::into_data(printed(&[])), file);
}

struct Judge(Schemas, SchemaIndex);

impl Judge {
    fn new(schema: Value) -> Judge {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Judge(schemas, index)
    }

    #[track_caller]
    fn accepts(&self, what: &str, value: &Value) {
        if let Err(e) = self.0.validate(value, self.1) {
            panic!("{what}: {e:#}\n{value:#}");
        }
    }
}

/// Forbids keys that the schema doesn't have. The stored schema allows them, as additions don't
/// change its version; here they would be keys that the schema lacks.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".into(), json!(false));
            }
            for (key, inner) in object.iter_mut() {
                // Conditions describe a part of an object only.
                if !["if", "then", "allOf"].contains(&key.as_str()) {
                    strict(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

fn judge() -> Judge {
    let mut schema: Value = serde_json::from_str(&printed(&[])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    strict(&mut schema);
    Judge::new(schema)
}

/// Returns the JSON files of tests/texts, with their content.
fn kept(folder: &Path, found: &mut Vec<(String, Value)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kept(&path, found);
        } else if path.to_str().unwrap().ends_with(".json.txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            let after = text.split_once("--- stdout\n").unwrap().1;
            let json = after.split("\n--- ").next().unwrap();
            let value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            found.push((path.display().to_string(), value));
        }
    }
}

#[test]
fn the_texts_fit() {
    let judge = judge();
    let mut found = Vec::new();
    kept(&root("tests/texts"), &mut found);
    assert!(found.len() >= 50, "{}", found.len());
    for (name, value) in found {
        judge.accepts(&name, &value);
    }
}

/// Runs each verb twice, and asserts that no verb of the schema is left out.
#[test]
fn every_verb_fits_when_it_succeeds_and_when_it_fails() {
    let judge = judge();
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let vector = root("tests/vectors/01-rsa-server/response.der");
    std::fs::copy(&vector, f.file("response.der")).unwrap();
    f.write_secret("p12", "p12\n");
    f.write("requests.csv", "nickname,subject\nbulk1,CN=bulk1\nbulk2,CN=bulk2\n");
    f.write(
        "refused.csv",
        "nickname,subject,profile\nbulk3,CN=bulk3,\nbulk4,CN=bulk4,standin-fail-7\n",
    );
    let make = ["req", "-x509", "-nodes", "-subj", "/CN=protection", "-out", "protection.pem"];
    let key = ["-newkey", "rsa:2048", "-keyout", "key.pem", "-addext", "keyUsage=keyEncipherment"];
    tool("openssl", f.path(), &[&make[..], &key].concat());
    f.certutil(&["-L", "-n", "ca_signing", "-a", "-o", "ca.pem"]);

    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    let mut run = |args: &str, fails: bool| {
        let words: Vec<&str> = args.split_whitespace().chain(["--output", "json"]).collect();
        let mut said = nss_cmc(f.path(), &words);
        if args.starts_with("bulk") {
            // A line for each request, and one for all.
            let (requests, all) = said.out.trim_end().rsplit_once('\n').unwrap_or(("", &said.out));
            for line in requests.lines() {
                judge.accepts(args, &serde_json::from_str(line).unwrap());
            }
            said.out = all.to_owned();
        }
        let value = said.json();
        assert_eq!(value["failed"], fails, "{args}: {value:#}");
        judge.accepts(args, &value);
        let verb = value["command"].as_str().unwrap().to_owned();
        assert!(args.starts_with(&verb), "{args}: {verb}");
        if fails {
            bad.insert(verb)
        } else {
            good.insert(verb)
        };
        value
    };
    let db = "-d db --password-file pw";
    let at = format!("{db} --ca {}", ca.url);
    let agent = format!("{at} --signer agent --profile caCMCECserverCert");
    let www = "--subject CN=www.example.com,O=EXAMPLE --key-type ec:nistp256";
    for args in [
        format!("doctor {agent} {www} --nickname www"),
        format!("enroll {agent} {www} --nickname www --check --diff"),
        format!("enroll {agent} {www} --nickname www"),
        format!("enroll {agent} {www} --nickname www"),
        format!("bulk requests.csv {agent} --key-type ec:nistp256"),
        format!("certmonger install --name cmc --print {agent}"),
        format!("enroll {at} --signer agent --profile standin-pending {www} --nickname later"),
        format!("csr create {db} {www} --out www.csr"),
        format!("status {at}"),
        format!("status {at} --due 9999d"),
        format!("ca find {at}"),
        format!("ca show {at} 2"),
        format!("ca chain {at}"),
        format!("cert list {db}"),
        format!("cert show {db} www"),
        format!("cert export {db} www --chain"),
        format!("cert verify {db} www --usage server"),
        format!("cert trust {db} www --flags ,,"),
        format!("cert import ca.pem {db} --nickname ca_signing --trust CT,C,C"),
        format!("pkcs12 export www.p12 www {db} --pkcs12-password-file p12"),
        "pkcs12 show www.p12 --pkcs12-password-file p12".into(),
        format!("pkcs12 import www.p12 {db} --pkcs12-password-file p12"),
        format!("revoke {at} --signer agent --nickname www --dry-run"),
        format!("revoke {at} --signer agent --nickname www --hold"),
        format!("cert remove {db} www --yes"),
        format!("key list {db}"),
        "cmc show response.der -d db".into(),
        "cmc show www.csr".into(),
        "db create -d new --no-password".into(),
        format!("db show {db}"),
        format!("db password {db} --new-password-file pw"),
        "token list -d db".into(),
        format!("token check internal {db}"),
        "shared-token --cert protection.pem --shared-secret-file p12".into(),
        "config show".into(),
        "help exit-codes".into(),
        "schema enroll".into(),
        "version".into(),
    ] {
        run(&args, false);
    }
    let keys = run(&format!("key list {db}"), false);
    // Not the agent's, which signs once more.
    let mut others = keys["result"]["keys"].as_array().unwrap().iter();
    let other = others.find(|key| key["certificates"] != json!(["agent"])).unwrap();
    let key = other["key_id"].as_str().unwrap().to_owned();
    run(&format!("key rename {key} label {db} --force"), false);
    run(&format!("key remove {key} {db} --yes --force"), false);
    f.write("r.cfg", "dbdir=db\npasswordFile=pw\nnickname=agent\ninput=www.csr\noutput=cmc.req\n");
    nss_cmc(f.path(), &["CMCRequest", "r.cfg"]).exits(0);
    run(&format!("cmc send cmc.req --out resp {agent}"), false);
    let files = "--out built.req --state built.state";
    run(&format!("cmc build {db} {www} --nickname apart --signer agent {files}"), false);
    run(&format!("cmc send built.req --out built.resp {agent}"), false);
    for _ in 0..2 {
        run(&format!("cmc accept built.resp --state built.state {db} --diff"), false);
    }

    let gone = "-d gone --password-file pw";
    for args in [
        format!("enroll {at} --signer agent --profile standin-fail-7 {www} --nickname bad"),
        format!("enroll {at} --signer agent --profile standin-wrong-nonce {www} --nickname bad2"),
        format!("enroll {gone} --ca {} --profile p --signer a {www} --nickname a", ca.url),
        "enroll".into(),
        format!("bulk refused.csv {agent} --key-type ec:nistp256"),
        "doctor".into(),
        "certmonger install".into(),
        format!("csr create {gone} {www}"),
        format!("status {gone}"),
        format!("ca find {gone} --ca {}", ca.url),
        format!("ca show {at} 0x7777"),
        format!("ca chain {at} --fingerprint {}", "00".repeat(32)),
        format!("ca transport {at}"),
        format!("cert list {gone}"),
        format!("cert show {db} nobody"),
        format!("cert export {db} nobody"),
        format!("cert verify {db} nobody"),
        format!("cert trust {db} nobody --flags ,,"),
        format!("cert import gone.pem {db} --nickname x"),
        format!("pkcs12 export www.p12 nobody {db} --pkcs12-password-file p12"),
        "pkcs12 show gone.p12 --pkcs12-password-file p12".into(),
        format!("pkcs12 import www.p12 {db} --pkcs12-password-file pw"),
        format!("revoke {at} --signer agent --nickname nobody"),
        format!("cert remove {db} nobody --yes"),
        format!("key list {gone}"),
        format!("key rename gone label {db}"),
        format!("key remove gone {db} --yes"),
        "cmc show gone".into(),
        format!("cmc send gone --out resp {agent}"),
        format!("cmc build {db} {www} --nickname other --signer gone {files}"),
        format!("cmc accept cmc.req --state built.state {db}"),
        "db create -d db --no-password".into(),
        format!("db show {gone}"),
        format!("db password {db} --new-password-file gone"),
        "token list -d gone".into(),
        format!("token check HSM {db}"),
        "shared-token --cert gone.pem --shared-secret-file p12".into(),
        "config show --ca gone".into(),
        "help gone".into(),
        "schema gone".into(),
        "version --gone".into(),
    ] {
        run(&args, true);
    }
    // The stand-in CA has no KRA.
    good.insert("ca transport".into());
    let schema: Value = serde_json::from_str(&printed(&[])).unwrap();
    let cases = schema["allOf"].as_array().unwrap().iter();
    let verbs = cases.filter_map(|case| case["if"]["properties"]["command"]["const"].as_str());
    let verbs: BTreeSet<String> = verbs.map(str::to_owned).collect();
    assert_eq!(good, verbs);
    assert_eq!(bad, verbs);
}

#[test]
fn the_schema_of_one_verb_refuses_another() {
    let judge = Judge::new(serde_json::from_str(&printed(&["cert", "list"])).unwrap());
    let f = Folder::new();
    let list = f.nss_cmc(&["cert", "list", "-d", "db", "--output", "json"]).json();
    judge.accepts("cert list", &list);
    let keys = f.nss_cmc(&["key", "list", "-d", "gone", "--output", "json"]).json();
    assert!(judge.0.validate(&keys, judge.1).is_err());
    let mut broken = list.clone();
    broken["result"]["certificates"] = json!([{ "nickname": "a" }]);
    assert!(judge.0.validate(&broken, judge.1).is_err());
    broken = list;
    broken["failed"] = json!(true);
    assert!(judge.0.validate(&broken, judge.1).is_err(), "a failure has an error");
}

#[test]
fn the_exit_codes_are_those_of_the_table() {
    let f = Folder::bare();
    let said = f.nss_cmc(&["help", "exit-codes", "--output", "json"]).exits(0).json();
    let rows = said["result"]["exit_codes"].as_array().unwrap();
    let schema: Value = serde_json::from_str(&printed(&[])).unwrap();
    let error = &schema["$defs"]["Failure"]["properties"];
    for row in nss_cmc::error::Kind::ALL {
        let want = json!({ "exit": row.exit, "kind": row.name, "retryable": row.retryable,
                           "meaning": row.meaning });
        assert!(rows.contains(&want), "{want}");
        assert!(error["kind"]["enum"].as_array().unwrap().contains(&want["kind"]), "{want}");
        assert!(error["exit"]["enum"].as_array().unwrap().contains(&want["exit"]), "{want}");
    }
}
