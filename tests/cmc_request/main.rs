//! CMCRequest with its configuration file: each key, and the mistakes of the Java tool that it
//! avoids. openssl judges signatures and structure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod controls;
mod keys;

use std::os::unix::fs::PermissionsExt;

use common::der::SignedData;
use common::{Folder, PASSWORD, Said, accepted_by_dogtag, tool};
use nss_cmc::inspect::judge::Rule;

/// Makes a database with an agent's certificate, and a request `p10.req` with a key identifier
/// whose key is in the database.
fn ready(key: &[&str]) -> (Folder, String) {
    let f = Folder::new();
    f.write("noise", [7u8; 64]);
    let common = ["-f", "pw", "-z", "noise"];
    let agent = ["-S", "-n", "agent", "-s", "CN=agent", "-x", "-t", "CTu,Cu,Cu", "-m", "1"];
    f.certutil(&[&agent[..], &common, &["-k", "ec", "-q", "nistp256"]].concat());
    let before = f.keys();
    f.write("ski", [&[4u8, 20][..], &[0xab; 20]].concat());
    let request = ["-R", "-s", "CN=user", "-o", "p10.der", "--extGeneric"];
    let id = ["2.5.29.14:not-critical:ski"];
    f.certutil(&[&request[..], &id, &common, key].concat());
    let pem = ["req", "-inform", "DER", "-in", "p10.der", "-out", "p10.req"];
    tool("openssl", f.path(), &pem);
    let new: Vec<String> = f.keys().into_iter().filter(|k| !before.contains(k)).collect();
    (f, new[0].clone())
}

const EC: &[&str] = &["-k", "ec", "-q", "nistp256"];

fn write_cfg(f: &Folder, lines: &[&str]) {
    let text = format!("dbdir=db\npassword={PASSWORD}\n{}\n", lines.join("\n"));
    f.write("a.cfg", text);
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(f.file("a.cfg"), mode).unwrap();
}

#[track_caller]
fn request(f: &Folder, lines: &[&str]) -> Said {
    write_cfg(f, lines);
    std::fs::remove_file(f.file("out")).ok();
    let said = f.nss_cmc(&["CMCRequest", "a.cfg"]);
    if said.code == 0
        && let Ok(message) = std::fs::read(f.file("out"))
    {
        // Several requests, version 1 of a proof, HMAC-SHA384: settings of the file, warned about.
        let asked = [Rule::SeveralRequests, Rule::ProofVersion, Rule::WitnessMac];
        accepted_by_dogtag(&message, &asked);
    }
    said
}

const AGENT: &[&str] = &["nickname=agent", "input=p10.req", "output=out"];

/// Verifies the signature with openssl; returns the PKIData as openssl prints it.
#[track_caller]
fn verified(f: &Folder) -> String {
    let cms = ["cms", "-verify", "-noverify", "-inform", "DER", "-in", "out", "-binary"];
    tool("openssl", f.path(), &[&cms[..], &["-out", "pki"]].concat());
    tool("openssl", f.path(), &["asn1parse", "-inform", "DER", "-in", "pki"])
}

/// Returns the PKIData of a message that openssl can't verify, because it has no certificate.
#[track_caller]
fn unverified(f: &Folder) -> String {
    f.write("pki", SignedData::of(&f.read("out")).content());
    tool("openssl", f.path(), &["asn1parse", "-inform", "DER", "-in", "pki"])
}
