//! Keys and requests, with certutil and openssl as judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod ml_dsa;
mod options;
mod refused;
mod requests;
mod submit;
mod token;

use common::{Folder, PASSWORD, Said, tool};

/// Makes a folder with a database, `transport.pem` (RSA) and its key `transport.key`.
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

/// Returns the bytes of the database.
fn bytes(f: &Folder) -> Vec<Vec<u8>> {
    vec![f.read("db/key4.db"), f.read("db/cert9.db")]
}

/// Returns the number of objects: keys of every kind, certificates and trust.
fn objects(f: &Folder) -> String {
    let count = |file: &str, table: &str| {
        let sql = format!("select count(*) from {table}");
        tool("sqlite3", f.path(), &[file, &sql]).trim().to_owned()
    };
    let (private, public) = (count("db/key4.db", "nssPrivate"), count("db/cert9.db", "nssPublic"));
    format!("{private} private, {public} public")
}

/// Returns the `offset depth tag content` lines of `openssl asn1parse`, which refuses invalid
/// encodings.
fn walk(f: &Folder, file: &str) -> String {
    let text = openssl(f, &["asn1parse", "-in", file]);
    let content = String::from_utf8(f.read(file)).unwrap();
    let lines = content.lines().filter(|l| !l.starts_with("-----")).map(str::trim_end);
    strict(&openssl::base64::decode_block(&lines.collect::<String>()).unwrap());
    text
}

/// Panics unless the elements are DER: lengths definite and minimal, numbers minimal, no explicit
/// FALSE, sets in order, and no rest.
fn strict(mut der: &[u8]) {
    while let [tag, first, ..] = *der {
        assert_ne!(tag & 0x1f, 0x1f, "a long tag");
        assert_ne!(first, 0x80, "indefinite length");
        let (head, length) = match first {
            0..0x80 => (2, usize::from(first)),
            _ => {
                let octets = &der[2..2 + usize::from(first & 0x7f)];
                let length = octets.iter().fold(0, |n, b| n << 8 | usize::from(*b));
                assert!(octets[0] != 0 && length >= 0x80, "a length is not minimal");
                (2 + octets.len(), length)
            }
        };
        let (element, rest) = der.split_at(head + length);
        let content = &element[head..];
        match (tag, content) {
            (0x01, _) => assert_eq!(content, [0xff], "FALSE is left out, TRUE is FF"),
            (0x02, [0, second, ..]) => assert!(*second >= 0x80, "an INTEGER is not minimal"),
            (0x31, _) => {
                let (mut members, mut at) = (Vec::new(), content);
                while let Some((_, _, after)) = common::der::split_tlv(at) {
                    members.push(&at[..at.len() - after.len()]);
                    at = after;
                }
                assert!(members.is_sorted(), "a SET is not in order");
            }
            _ => {}
        }
        if tag & 0x20 != 0 {
            strict(content);
        }
        der = rest;
    }
    assert_eq!(der, b"", "octets are left over");
}
