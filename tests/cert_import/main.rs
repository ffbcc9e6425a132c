//! Certificates imported and verified: the verdicts are certutil's, and a refused import leaves the
//! database as it was, to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chains;
#[path = "../common/mod.rs"]
mod common;
mod killed;
#[allow(dead_code)]
#[path = "../believing/maker.rs"]
mod maker;
mod pkcs12;
mod refused;
mod table;
mod tokens;
mod tool;
mod verdicts;

use std::process::Command;

use common::{Folder, Said, run};
use maker::Pair;

/// A database `db` with these certificates (nickname, trust flags, certificate), and a copy of it in
/// `pristine`.
fn database(held: &[(&str, &str, &Pair)]) -> Folder {
    let f = Folder::new();
    for (nickname, trust, pair) in held {
        f.write("held.pem", pair.pem());
        f.certutil(&["-A", "-n", nickname, "-t", trust, "-a", "-f", "pw", "-i", "held.pem"]);
    }
    common::tool("cp", f.path(), &["-r", "db", "pristine"]);
    f
}

/// Puts the database back as [`database`] made it.
fn restore(f: &Folder) {
    common::tool("rm", f.path(), &["-r", "db"]);
    common::tool("cp", f.path(), &["-r", "pristine", "db"]);
}

/// Fails the test unless the database is as [`database`] made it.
#[track_caller]
fn assert_untouched(f: &Folder, why: &str) {
    for name in ["cert9.db", "key4.db"] {
        let same = f.read(&format!("db/{name}")) == f.read(&format!("pristine/{name}"));
        assert!(same, "{name} was changed: {why}");
    }
}

const DATABASE: [&str; 4] = ["-d", "db", "--password-file", "pw"];

/// `cert import` of a file.
fn import(f: &Folder, file: &str, more: &[&str]) -> Said {
    f.nss_cmc(&[&["cert", "import", file], &DATABASE[..], more].concat())
}

/// `PKICertImport` with the options that every run needs.
fn pki_cert_import(f: &Folder, file: &str, usage: &str, more: &[&str]) -> Said {
    let args = ["PKICertImport", "-d", "db", "-f", "pw", "-i", file, "-u", usage];
    f.nss_cmc(&[&args[..], more].concat())
}

/// What `certutil -V` says of a certificate in the database.
fn certutil_says(f: &Folder, nickname: &str, usage: &str) -> String {
    let args = ["-V", "-d", "sql:db", "-f", "pw", "-e", "-n", nickname, "-u", usage];
    let said = run(Command::new("certutil").current_dir(f.path()).args(args));
    format!("{}{}", said.out, said.err).trim().to_owned()
}

/// Whether certutil finds a certificate in the database valid.
fn certutil_takes(f: &Folder, nickname: &str, usage: &str) -> bool {
    certutil_says(f, nickname, usage) == "certutil: certificate is valid"
}

/// The certificate under a nickname, as certutil prints it in PEM.
fn stored(f: &Folder, nickname: &str) -> String {
    f.certutil(&["-L", "-n", nickname, "-a"]).replace('\r', "").trim().to_owned()
}

fn pem(pair: &Pair) -> String {
    String::from_utf8(pair.pem()).unwrap().trim().to_owned()
}

/// The certificates of these, one after the other.
fn bundle(pairs: &[&Pair]) -> String {
    pairs.iter().map(|p| pem(p) + "\n").collect()
}
