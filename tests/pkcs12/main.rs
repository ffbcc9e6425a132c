//! PKCS #12 files of OpenSSL, NSS, GnuTLS and Java into a database, and ours read by them. certutil,
//! pk12util and openssl are the judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod export;
mod import;
mod interrupted;
mod pki;
mod refused;
mod tokens;
mod trust;

use std::process::Command;

use common::{Folder, Said, run, tool};

/// A password that is no ASCII, for the files.
const FILE_PASSWORD: &str = "Gehéim 1";

/// A database, its password in `pw`; `p12pw`; and by OpenSSL a CA `ca.pem`, two certificates of it with
/// their keys, `ec.{key,pem}` and `rsa.{key,pem}`, both with the subject CN=NAME,O=LAB.
fn material() -> Folder {
    let f = Folder::new();
    f.write_secret("p12pw", format!("{FILE_PASSWORD}\n"));
    let p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let ca = ["req", "-x509", "-nodes", "-days", "30", "-subj", "/O=LAB/CN=Test CA"];
    openssl(&f, &[&ca[..], &p256, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
    certificate(&f, "ec", &p256);
    certificate(&f, "rsa", &["-newkey", "rsa:2048"]);
    f
}

/// A key and a certificate of `ca.pem` in NAME.key and NAME.pem.
fn certificate(f: &Folder, name: &str, key: &[&str]) {
    let (key_file, request) = (format!("{name}.key"), format!("{name}.csr"));
    let (subject, out) = (format!("/O=LAB/CN={name}"), format!("{name}.pem"));
    let ask = ["req", "-new", "-nodes", "-subj", &subject, "-keyout", &key_file, "-out", &request];
    openssl(f, &[&ask[..], key].concat());
    let sign = ["x509", "-req", "-days", "20", "-CA", "ca.pem", "-CAkey", "ca.key"];
    openssl(f, &[&sign[..], &["-CAcreateserial", "-in", &request, "-out", &out]].concat());
}

/// FILE by `openssl pkcs12 -export`, of NAME's key and certificate, friendly name `srv`.
fn by_openssl(f: &Folder, file: &str, name: &str, more: &[&str]) {
    let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
    let args = ["pkcs12", "-export", "-in", &cert, "-inkey", &key, "-name", "srv", "-out", file];
    openssl(f, &[&args[..], &["-passout", "file:p12pw"], more].concat());
}

/// The usual file, `srv.p12`: the EC key, its certificate, the CA.
fn usual() -> Folder {
    let f = material();
    by_openssl(&f, "srv.p12", "ec", &["-certfile", "ca.pem"]);
    f
}

fn openssl(f: &Folder, args: &[&str]) -> String {
    tool("openssl", f.path(), args)
}

const WITH: [&str; 6] = ["-d", "db", "--password-file", "pw", "--pkcs12-password-file", "p12pw"];

fn import(f: &Folder, file: &str, more: &[&str]) -> Said {
    f.nss_cmc(&[&["pkcs12", "import", file], &WITH[..], &["--output", "json"], more].concat())
}

fn export(f: &Folder, args: &[&str]) -> Said {
    f.nss_cmc(&[&["pkcs12", "export"], args, &WITH, &["--output", "json"]].concat())
}

/// An empty database in the place of the one there is.
fn anew(f: &Folder) {
    std::fs::remove_dir_all(f.file("db")).unwrap();
    f.make_database();
}

/// CKA_ID, by openssl: SHA-1 of the EC point or the RSA modulus.
fn cka_id(f: &Folder, certificate: &str) -> String {
    let pem = f.read(certificate);
    let x509 = openssl::x509::X509::from_pem(&pem).unwrap();
    let key = x509.public_key().unwrap();
    let value = match key.rsa() {
        Ok(rsa) => rsa.n().to_vec(),
        Err(_) => {
            let ec = key.ec_key().unwrap();
            let mut context = openssl::bn::BigNumContext::new().unwrap();
            let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
            ec.public_key().to_bytes(ec.group(), form, &mut context).unwrap()
        }
    };
    let digest = openssl::hash::hash(openssl::hash::MessageDigest::sha1(), &value).unwrap();
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether a program is installed; says so when it isn't.
fn is_installed(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output().is_ok();
    if !found {
        println!("SKIPPED: {program} is not installed");
    }
    found
}

/// The key of a nickname signs a request, which openssl verifies.
fn signs(f: &Folder, nickname: &str) {
    let create = ["csr", "create", "-d", "db", "--password-file", "pw", "--key", nickname];
    f.nss_cmc(&[&create[..], &["--subject", "CN=x", "--out", "signed.csr"]].concat()).exits(0);
    openssl(f, &["req", "-verify", "-noout", "-in", "signed.csr"]);
}

/// Everything in the database's files, but for the order on the disk.
fn dump(f: &Folder) -> String {
    let of = |file: &str| tool("sqlite3", f.path(), &[file, ".dump"]);
    of("db/cert9.db") + &of("db/key4.db")
}

/// pk12util on the database.
fn pk12util(f: &Folder, args: &[&str]) -> Said {
    let with = ["-d", "sql:db", "-k", "pw", "-w", "p12pw"];
    run(Command::new("pk12util").current_dir(f.path()).args(args).args(with))
}
