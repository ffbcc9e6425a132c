//! Keys and requests: certutil and openssl are the judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod options;
mod refused;
mod requests;
mod submit;
mod token;

use common::{Folder, PASSWORD, Said, tool};

/// A folder with a database, `transport.pem` (RSA) and its key `transport.key`.
fn folder() -> Folder {
    let f = Folder::new();
    certificate(&f, "transport", &["-newkey", "rsa:2048"]);
    f
}

fn certificate(f: &Folder, name: &str, key: &[&str]) {
    let (key_file, cert) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    let mut args = vec!["req", "-x509", "-nodes", "-days", "2", "-subj", &subject];
    args.extend(["-keyout", &key_file, "-out", &cert]);
    args.extend(key);
    tool("openssl", f.path(), &args);
}

fn create(f: &Folder, more: &[&str]) -> Said {
    let mut args = vec!["csr", "create", "-d", "db", "--password-file", "pw", "--output", "json"];
    args.extend(more);
    f.nss_cmc(&args)
}

fn p10(f: &Folder, more: &[&str]) -> Said {
    let mut args = vec!["PKCS10Client", "-d", "db", "-p", PASSWORD];
    args.extend(more);
    f.nss_cmc(&args)
}

fn crmf(f: &Folder, more: &[&str]) -> Said {
    let mut args = vec!["CRMFPopClient", "-d", "db", "-p", PASSWORD];
    args.extend(more);
    f.nss_cmc(&args)
}

fn openssl(f: &Folder, args: &[&str]) -> String {
    tool("openssl", f.path(), args)
}

/// The bytes of the database.
fn bytes(f: &Folder) -> Vec<Vec<u8>> {
    vec![f.read("db/key4.db"), f.read("db/cert9.db")]
}

/// How many objects there are: keys of every kind, certificates and trust.
fn objects(f: &Folder) -> String {
    let count = |file: &str, table: &str| {
        let sql = format!("select count(*) from {table}");
        tool("sqlite3", f.path(), &[file, &sql]).trim().to_owned()
    };
    let (private, public) = (count("db/key4.db", "nssPrivate"), count("db/cert9.db", "nssPublic"));
    format!("{private} private, {public} public")
}

/// `offset depth tag content` lines of `openssl asn1parse`, which refuses what isn't DER's shape.
fn walk(f: &Folder, file: &str) -> String {
    let text = openssl(f, &["asn1parse", "-in", file]);
    assert!(!text.contains("l=inf"), "indefinite length: {text}");
    text
}
