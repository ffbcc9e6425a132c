//! The output of CMCResponse, compared with that of Dogtag's own tool for the same octets.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::der::{SignedData, any, pem};
use common::{Said, nss_cmc};
use nss_cmc::cmc::response::parse;

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Returns the flows with a recorded text.
fn flows() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(vectors())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("CMCResponse.out").exists())
        .collect();
    found.sort();
    found
}

/// Runs CMCResponse on a file, in a folder of its own.
fn cmc_response(file: &Path, more: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let input = ["CMCResponse", "-i", file.to_str().unwrap()];
    nss_cmc(dir.path(), &[&input[..], more].concat())
}

/// Returns the JSON of `cmc show` for a file.
fn json(file: &str) -> serde_json::Value {
    let said = nss_cmc(&vectors(), &["cmc", "show", file, "--output", "json"]).exits(0);
    said.json()["result"].clone()
}

#[test]
fn recorded_answers_print_as_recorded() {
    let flows = flows();
    assert_eq!(flows.len(), 14);
    for flow in flows {
        let want = fs::read_to_string(flow.join("CMCResponse.out")).unwrap();
        let exit: i32 =
            fs::read_to_string(flow.join("CMCResponse.rc")).unwrap().trim().parse().unwrap();
        let chain = if flow.ends_with("06a-encrypted-pop-2") { "2-chain.p7" } else { "chain.p7" };
        let said = cmc_response(&flow.join("response.der"), &["-o", chain]).exits(exit);
        assert_eq!(said.out, want, "{}", flow.display());
        assert_eq!(said.err.contains("ERROR: "), exit != 0, "{}", said.err);
    }
}

#[test]
fn the_reason_for_failing_is_on_standard_error() {
    for (flow, want) in [
        ("06a-encrypted-pop-1", "ERROR: CMC status for [1]: pop required"),
        ("08a-wrong-agent", "ERROR: CMC status for [0]: failed"),
    ] {
        let said = cmc_response(&vectors().join(flow).join("response.der"), &[]).exits(1);
        let errors: Vec<&str> = said.err.lines().filter(|l| !l.starts_with("warning: ")).collect();
        assert_eq!(errors, [want]);
    }
}

#[test]
fn verbose_puts_base64_first() {
    let file = vectors().join("01-rsa-server/response.der");
    let response = parse(&fs::read(&file).unwrap()).unwrap();
    let text = cmc_response(&file, &["-v"]).exits(0).out;
    let (certificates, rest) = text.split_once("Certificates: \n").unwrap();
    assert_eq!(format!("Certificates: \n{rest}"), cmc_response(&file, &[]).exits(0).out);

    let blocks: Vec<&str> = certificates.split_terminator("\n===\n").collect();
    assert_eq!(blocks.len(), response.certificates.len());
    for (i, (block, der)) in blocks.iter().zip(&response.certificates).enumerate() {
        let body = block.strip_prefix(&format!("Cert:{i}\n")).unwrap();
        let lines: Vec<&str> = body.split_terminator("\r\n").collect();
        let (last, full) = lines.split_last().unwrap();
        assert!(full.iter().all(|l| l.len() == 76) && last.len() <= 76, "{block:?}");
        assert!(body.ends_with("\r\n"));
        assert_eq!(&pem::to_der(lines.concat().as_bytes()), der);
    }
}

#[test]
fn every_kind_of_extension() {
    let der = fs::read(vectors().join("extensions/certificate.der")).unwrap();
    let answer = fs::read(vectors().join("01-rsa-server/response.der")).unwrap();
    let answer = SignedData::changed(&answer, |s| s.certificates = Some(vec![any(der)].into()));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("r"), answer).unwrap();
    let text = cmc_response(&dir.path().join("r"), &[]).exits(0).out;
    let text = text.strip_prefix("Certificates: \n").unwrap();
    let want = fs::read_to_string(vectors().join("extensions/certificate.txt")).unwrap();
    let end = text.find("        Signature: \n").unwrap();
    assert_eq!(text[..end], want);
}

#[test]
fn alternative_names_in_short() {
    let sans = [
        "DNS:a.lab.test",
        "email:x@lab.test",
        "URI:http://lab.test/",
        "IP:127.0.0.1",
        "IP:2001:db8::1",
        "RID:1.2.3.4",
        "other",
        "other",
        "other",
    ];
    let shown = json("extensions/certificate.der");
    assert_eq!(shown["certificate"]["sans"], serde_json::json!(sans));
}

#[test]
fn names_as_the_tool_prints_them() {
    let shown = json("05a-shared-secret-p10/response.der");
    let certificate = &shown["certificates"][0];
    assert_eq!(certificate["subject"], "UID=alice,OU=people,DC=lab,DC=test");
    assert_eq!(certificate["issuer"], "CN=CA Signing Certificate,OU=pki-tomcat,O=LAB");
}
