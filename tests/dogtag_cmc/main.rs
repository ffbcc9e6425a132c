//! All of CMC on the real Dogtag CA: shared secrets, proof of possession in two round trips,
//! revocation; with the old tools, the modern commands, and mixed with the Java tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apart;
mod bulk;
mod cmc_revoke;
#[path = "../common/mod.rs"]
mod common;
mod controls;
mod documentation;
mod modern;
mod refused;
mod refused_modern;
mod release;
mod renew_unit;
mod renewals;
mod revoke;
mod shared_secret;
mod tokens;
mod two_trips;

use common::dogtag::{helper, http_cfg, java, request_cfg, url};
use common::{Folder, PASSWORD, Said, tool};

/// The servlet that accepts every message, and the two for users.
pub const FULL: &str = "/ca/ee/ca/profileSubmitCMCFull?profileId=";
pub const USER_SIGNED: &str = "/ca/ee/ca/profileSubmitUserSignedCMCFull?profileId=";

/// The implementation that runs a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Us,
    Java,
}

/// Runs an old tool of either implementation.
#[track_caller]
pub fn old_name(f: &Folder, by: By, args: &[&str]) -> Said {
    match by {
        By::Us => f.nss_cmc(args),
        By::Java => java(f, args),
    }
}

/// Makes a PKCS #10 request `p10.req` with a key identifier, by Java; returns the key id it
/// printed.
pub fn pkcs10(f: &Folder, key: &str, subject: &str) -> String {
    let (kind, size) = key.split_once(':').unwrap();
    let how = if kind == "rsa" { "-l" } else { "-c" };
    let args = ["-a", kind, how, size, "-o", "p10.req", "-n", subject, "-y", "true"];
    java(f, &[&["PKCS10Client", "-d", "db", "-p", PASSWORD], &args[..]].concat()).exits(0);
    String::from_utf8(f.read("p10.req.keyId")).unwrap().trim().to_owned()
}

/// Makes a CRMF request `crmf.req`; returns the key id of the new key.
pub fn crmf(f: &Folder, by: By, key: &str, subject: &str, more: &[&str]) -> String {
    let (kind, size) = key.split_once(':').unwrap();
    let how: &[&str] = if kind == "rsa" { &["-l", size] } else { &["-c", size, "-t", "false"] };
    let mut args = vec!["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-a", kind, "-o", "crmf.req"];
    args.extend(["-n", subject]);
    args.extend(how);
    args.extend(more);
    old_name(f, by, &args).exits(0);
    String::from_utf8(f.read("crmf.req.keyId")).unwrap().trim().to_owned()
}

/// Sends `cmc.req` and stores `cmc.resp`.
#[track_caller]
pub fn send(f: &Folder, by: By, servlet: &str, nickname: Option<&str>) {
    http_cfg(f, "http.cfg", servlet, nickname, ("cmc.req", "cmc.resp"));
    old_name(f, by, &["HttpClient", "http.cfg"]).exits(0);
}

/// Runs CMCResponse on `cmc.resp`; it writes `chain.p7`.
#[track_caller]
pub fn shown(f: &Folder, by: By) -> Said {
    old_name(f, by, &["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"])
}

/// Writes the certificate of `chain.p7` whose subject has `part` to `cert.pem`, as PEM; returns its
/// serial number as `0x…`.
#[track_caller]
pub fn issued(f: &Folder, part: &str) -> String {
    let all = tool("openssl", f.path(), &["pkcs7", "-print_certs", "-in", "chain.p7"]);
    let ours = all
        .split("subject=")
        .find(|c| c.lines().next().is_some_and(|l| l.contains(part)))
        .unwrap_or_else(|| panic!("no certificate with {part:?} in {all}"));
    let pem = &ours[ours.find("-----BEGIN").unwrap()..];
    f.write("cert.pem", pem);
    let serial = tool("openssl", f.path(), &["x509", "-noout", "-serial", "-in", "cert.pem"]);
    format!("0x{}", serial.trim().split_once('=').unwrap().1)
}

/// Checks that a certificate was issued and is valid; returns its serial number.
#[track_caller]
pub fn succeeded(f: &Folder, by: By, part: &str) -> String {
    let said = shown(f, by).exits(0);
    assert!(said.out.contains("Status: SUCCESS"), "{}\n{}", said.out, said.err);
    let serial = issued(f, part);
    assert_eq!(helper(f, "shown.sh", &[&serial]).trim(), "VALID");
    for name in ["cmc.req", "cmc.resp", "chain.p7"] {
        std::fs::remove_file(f.file(name)).unwrap();
    }
    serial
}

/// Writes a configuration file for CMCRequest, whose output is `cmc.req`.
pub fn cfg(f: &Folder, lines: &[&str]) {
    request_cfg(f, "req.cfg", &[&["output=@DIR@/cmc.req"], lines].concat());
}

/// Makes a user, who is no agent, with a certificate under that nickname; returns its serial
/// number.
pub fn user(f: &Folder, name: &str, key: &str) -> String {
    let subject = format!("CN={name},O=LAB");
    helper(f, "user-cert.sh", &["db", name, &subject, key]).trim().to_owned()
}

/// Runs a modern command on the folder's database and the real CA, with JSON output.
#[track_caller]
pub fn verb(f: &Folder, name: &str, args: &[&str]) -> Said {
    let common = ["-d", "db", "--password-file", "pw", "--ca", url(), "--output", "json"];
    let words: Vec<&str> = name.split(' ').collect();
    f.nss_cmc(&[&words[..], &common, args].concat())
}
