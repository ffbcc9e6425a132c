//! `pki pkcs12-import` beside the Java tool on the same files, judged by certutil; and the way from
//! the administrator's file to an enrollment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use std::process::Command;

use common::dogtag::{client_file, folder, in_chroot, java, listing, url};
use common::{Folder, PASSWORD, Said, run, tool};

/// A folder without a database but `ours` and `theirs`, empty, and `pw`.
fn start(name: &str) -> Folder {
    let f = folder(name);
    std::fs::remove_dir_all(f.file("db")).unwrap();
    f.write_secret("wrong", "wrong\n");
    f.write_secret("p12pw", format!("{PASSWORD}\n"));
    f.write_secret("pw", format!("{PASSWORD}\n"));
    std::fs::copy(client_file("ca_admin_cert.p12"), f.file("admin.p12")).unwrap();
    anew(&f);
    f
}

fn anew(f: &Folder) {
    for db in ["ours", "theirs"] {
        std::fs::remove_dir_all(f.file(db)).ok();
        std::fs::create_dir(f.file(db)).unwrap();
        certutil(f, db, &["-N", "-f", "pw"]);
    }
}

fn certutil(f: &Folder, db: &str, args: &[&str]) -> String {
    let db = format!("sql:{db}");
    tool("certutil", f.path(), &[args, &["-d", &db]].concat())
}

/// The same command by us and by Java, each on its database.
fn both(f: &Folder, more: &[&str]) -> (Said, Said) {
    let command = |db| [&["pki", "-d", db, "-C", "pw", "pkcs12-import"], more].concat();
    (f.nss_cmc(&command("ours")), java(f, &command("theirs")))
}

/// Nicknames with trust, and keys, as certutil lists them.
fn content(f: &Folder, db: &str) -> (Vec<String>, Vec<String>) {
    let lines = |text: String, of: fn(&str) -> bool| {
        let mut found: Vec<String> = text
            .lines()
            .filter(|l| of(l))
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        found.sort();
        found
    };
    let certificates = lines(listing(f, db), |l| l.matches(',').count() == 2);
    let keys = run(Command::new("certutil").current_dir(f.path()).args([
        "-K",
        "-f",
        "pw",
        "-d",
        &format!("sql:{db}"),
    ]));
    let keys = lines(keys.out, |l| l.starts_with('<'));
    (certificates, keys.iter().map(|k| k.split_once("> ").unwrap().1.to_owned()).collect())
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_same_file_gives_the_same_database() {
    let f = start("pkcs12-same");
    // The agent's database as a file of Java's, with the CA and its trust flags.
    let from = client_file("nssdb");
    let export = ["pki", "-d", "agent", "-C", "pw", "pkcs12-export", "--pkcs12-file", "java.p12"];
    tool("cp", f.path(), &["-r", from.to_str().unwrap(), "agent"]);
    java(&f, &[&export[..], &["--pkcs12-password-file", "p12pw"]].concat()).exits(0);
    // OpenSSL's, in the form that Dogtag 10 reads.
    let key = client_file("caadmin.pem");
    let ca = client_file("ca_signing.pem");
    let (key, ca) = (key.to_str().unwrap(), ca.to_str().unwrap());
    let made = ["pkcs12", "-export", "-legacy", "-in", key, "-certfile", ca, "-name", "by openssl"];
    tool(
        "openssl",
        f.path(),
        &[&made[..], &["-out", "openssl.p12", "-passout", "file:p12pw"]].concat(),
    );
    // Ours.
    let ours = ["pkcs12", "export", "ours.p12", "caadmin", "-d", "agent", "--password-file", "pw"];
    let how = ["--pkcs12-password-file", "p12pw", "--encryption", "legacy", "--with-trust"];
    f.nss_cmc(&[&ours[..], &how].concat()).exits(0);
    for (file, parts) in [
        ("admin.p12", &[&[][..]][..]),
        ("java.p12", &[&[], &["--no-ca-certs"], &["--no-user-certs"]]),
        ("openssl.p12", &[&[]]),
        ("ours.p12", &[&[]]),
    ] {
        for more in parts.iter().copied() {
            anew(&f);
            let with = ["--pkcs12-file", file, "--pkcs12-password-file", "p12pw"];
            let (we, they) = both(&f, &[&with[..], more].concat());
            assert_eq!((we.code, we.out), (they.code, they.out), "{file} {more:?}: {}", we.err);
            let (mine, mut theirs) = (content(&f, "ours"), content(&f, "theirs"));
            // Dogtag before 11.9 trusts every CA of a file without flags.
            if file == "openssl.p12" {
                for line in &mut theirs.0 {
                    *line = line.replace(" CT,C,C", " ,,");
                }
            }
            assert_eq!(mine, theirs, "{file} {more:?}");
        }
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_same_lines_for_the_same_mistakes() {
    let f = start("pkcs12-mistakes");
    for args in [
        &["--pkcs12", "admin.p12", "--password-file", "wrong"][..],
        &["--pkcs12", "admin.p12"],
        &[],
    ] {
        let (we, they) = both(&f, args);
        assert_ne!((we.code, they.code), (0, 0));
        let first = |said: &Said| {
            let line = said.err.lines().find(|l| l.starts_with("ERROR: "));
            line.map(str::to_owned).unwrap_or_else(|| panic!("{said:?}"))
        };
        assert_eq!(first(&we), first(&they), "{args:?}");
        assert_eq!(content(&f, "ours"), content(&f, "theirs"));
    }
    // A nickname that exists.
    let ca = client_file("ca_signing.pem");
    for db in ["ours", "theirs"] {
        let add =
            ["-A", "-n", "caadmin", "-t", "P,,", "-a", "-f", "pw", "-i", ca.to_str().unwrap()];
        certutil(&f, db, &add);
    }
    let with = ["--pkcs12", "admin.p12", "--password-file", "p12pw"];
    let (we, they) = both(&f, &with);
    assert_eq!((we.code, we.out), (they.code, they.out));
    assert_eq!(content(&f, "ours"), content(&f, "theirs"));
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_administrator_s_file_makes_a_database_ready_for_enroll() {
    let f = start("pkcs12-admin");
    let ca = client_file("ca_signing.pem");
    let import = ["pkcs12", "import", "admin.p12", "-d", "ours", "--password-file", "pw"];
    let trust = ["--trust-ca", "--ca-file", ca.to_str().unwrap()];
    f.nss_cmc(&[&import[..], &["--pkcs12-password-file", "p12pw"], &trust].concat()).exits(0);
    let enroll = ["enroll", "-d", "ours", "--password-file", "pw", "--ca", url()];
    let what = ["--profile", "caCMCserverCert", "--signer", "caadmin", "--nickname", "www"];
    f.nss_cmc(&[&enroll[..], &what, &["--subject", "CN=www.example.com,O=LAB"]].concat()).exits(0);
    assert!(content(&f, "ours").0.contains(&"www u,u,u".to_owned()));
}

/// Java's own reader: a certificate chain beside a key, which it decrypts and writes again.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn keytool_reads_what_is_exported() {
    let f = folder("pkcs12-keytool");
    f.write_secret("pw", format!("{PASSWORD}\n"));
    let make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let files = ["-subj", "/CN=ec", "-keyout", "ec.key", "-out", "ec.pem"];
    tool("openssl", f.path(), &[&make[..], &files].concat());
    let pack = ["pkcs12", "-export", "-inkey", "ec.key", "-in", "ec.pem", "-name", "ec"];
    let pack = [&pack[..], &["-out", "ec.p12", "-passout", "file:pw"]].concat();
    tool("openssl", f.path(), &pack);
    let import = ["pkcs12", "import", "ec.p12", "-d", "db", "--password-file", "pw"];
    f.nss_cmc(&[&import[..], &["--pkcs12-password-file", "pw"]].concat()).exits(0);
    let keytool = |args: &[&str]| {
        let store = ["-keystore", "out.p12", "-storetype", "PKCS12", "-storepass:file", "pw"];
        in_chroot(&f, &[&["keytool"], args, &store].concat())
    };
    let again = || {
        std::fs::remove_file(f.file("java.p12")).ok();
        let from = ["keytool", "-importkeystore", "-srckeystore", "out.p12"];
        let from = [&from[..], &["-srcstorepass:file", "pw", "-destkeystore", "java.p12"]].concat();
        let to = ["-deststoretype", "PKCS12", "-deststorepass:file", "pw"];
        in_chroot(&f, &[&from[..], &to].concat())
    };
    for (nickname, certificates) in [("caadmin", 2), ("ec", 1)] {
        let chain = format!("Certificate chain length: {certificates}\n");
        f.write("cert.pem", f.certutil(&["-L", "-n", nickname, "-a"]));
        let cert = ["x509", "-in", "cert.pem", "-noout"];
        let ours = tool("openssl", f.path(), &[&cert[..], &["-pubkey"]].concat());
        let print = ["-fingerprint", "-sha256"];
        let print = tool("openssl", f.path(), &[&cert[..], &print].concat());
        for encryption in ["aes", "legacy"] {
            export(&f, nickname, encryption);
            let list = keytool(&["-list", "-v"]).exits(0).out;
            assert_eq!(list.matches("Entry type: PrivateKeyEntry").count(), 1, "{list}");
            assert!(list.contains(&chain), "{list}");
            assert!(list.contains(&format!("Alias name: {nickname}\n")), "{list}");
            assert!(list.contains(print.trim().split_once('=').unwrap().1), "{list}");
            // It writes the key that it has decrypted.
            again().exits(0);
            let read = ["pkcs12", "-legacy", "-in", "java.p12", "-passin", "file:pw", "-nocerts"];
            let key = tool("openssl", f.path(), &[&read[..], &["-nodes"]].concat());
            f.write_secret("key.pem", key);
            let theirs = tool("openssl", f.path(), &["pkey", "-in", "key.pem", "-pubout"]);
            assert_eq!(theirs, ours, "{nickname} {encryption}");
        }
        // Java has no RFC 5649: it reads the certificates, and says that it can't read the key.
        export(&f, nickname, "aes-kwp");
        let list = keytool(&["-list", "-v"]).exits(0).out;
        assert!(list.contains(&chain), "{list}");
        let said = again().exits(1).out;
        assert!(said.contains("expecting the object identifier for AES cipher"), "{said}");
    }
}

fn export(f: &Folder, nickname: &str, encryption: &str) {
    let export = ["pkcs12", "export", "out.p12", nickname, "-d", "db", "--password-file", "pw"];
    let how = ["--pkcs12-password-file", "pw", "--encryption", encryption, "--overwrite"];
    f.nss_cmc(&[&export[..], &how].concat()).exits(0);
}
