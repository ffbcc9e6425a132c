//! CMCSharedToken and `nss-cmc shared-token`: openssl decrypts their output with the private key of
//! a test CA.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::der::{pem, split_tlv};
use common::{Folder, PASSWORD, Said, tool};

/// Makes a folder with the CA's key `key.pem` and certificate `cert.pem`, by openssl.
fn ready(more: &[&str]) -> Folder {
    let f = Folder::bare();
    make(&f, &["-newkey", "rsa:2048"], more);
    f
}

fn make(f: &Folder, key: &[&str], more: &[&str]) {
    let args = ["req", "-x509", "-nodes", "-subj", "/CN=protection", "-keyout", "key.pem"];
    let out = ["-out", "cert.pem"];
    let usage = ["-addext", "keyUsage=keyEncipherment"];
    let more = if more.is_empty() { &usage[..] } else { more };
    tool("openssl", f.path(), &[&args[..], &out, key, more].concat());
}

/// Decrypts AES-128-CBC with the octets 01 as IV, by openssl.
#[track_caller]
fn decrypt(f: &Folder, key: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    f.write("ct", ciphertext);
    let key: String = key.iter().map(|b| format!("{b:02x}")).collect();
    let iv = "01".repeat(16);
    let args = ["enc", "-d", "-aes-128-cbc", "-in", "ct", "-out", "pt", "-K", &key, "-iv", &iv];
    tool("openssl", f.path(), &args);
    f.read("pt")
}

/// Returns the passphrase in a token (DER).
#[track_caller]
fn opened(f: &Folder, token: &[u8], oaep: bool) -> Vec<u8> {
    let Some((0x30, inner, [])) = split_tlv(token) else { panic!("no SEQUENCE") };
    let Some((0x04, wrapped, rest)) = split_tlv(inner) else { panic!("no session key") };
    let Some((0x04, encrypted, [])) = split_tlv(rest) else { panic!("no passphrase") };
    f.write("wk", wrapped);
    let args = ["pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "wk", "-out", "session"];
    let padding = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
    let padding: Vec<&str> = padding.iter().flat_map(|p| ["-pkeyopt", p]).collect();
    tool("openssl", f.path(), &[&args[..], if oaep { &padding } else { &[] }].concat());
    assert_eq!((wrapped.len(), f.read("session").len()), (256, 16));
    decrypt(f, &f.read("session"), encrypted)
}

#[track_caller]
fn old(f: &Folder, args: &[&str]) -> Said {
    f.nss_cmc(&[&["CMCSharedToken"], args].concat())
}

/// A vector of the reference implementation: [`decrypt`] decrypts as the CA does.
#[test]
fn the_symmetric_part_is_the_reference_s() {
    let f = Folder::bare();
    let hex = "10e11bde4d2a4385a84e69568c7fcbf827dc82feb5ca7de5688c07798279aeaf";
    let ct: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let key: Vec<u8> = (0..16).collect();
    assert_eq!(decrypt(&f, &key, &ct), b"just another good day");
}

#[test]
fn openssl_opens_the_tokens() {
    let f = ready(&[]);
    for secret in ["just another good day", "x", &"0123456789abcdef".repeat(20), "sécret"] {
        for oaep in [false, true] {
            let wanted = if oaep { &["--oaep"][..] } else { &[] };
            let args = [&["-b", "cert.pem", "-s", secret, "-o", "token"], wanted].concat();
            let said = old(&f, &args).exits(0);
            let token = pem::to_der(&f.read("token"));
            assert_eq!(opened(&f, &token, oaep), secret.as_bytes());
            assert_eq!(said.err.contains("is not ASCII"), !secret.is_ascii(), "{}", said.err);
            f.write("secret", format!("{secret}\n"));
            std::fs::set_permissions(f.file("secret"), PermissionsExt::from_mode(0o600)).unwrap();
            let args = ["shared-token", "--cert", "cert.pem", "--shared-secret-file", "secret"];
            let args = [&args[..], &["--output", "json"], wanted].concat();
            let report = f.nss_cmc(&args).exits(0).json();
            let text = report["result"]["token"].as_str().unwrap();
            assert!(!text.contains('\n') && report["result"]["ldif"].is_null());
            let token = pem::to_der(text.as_bytes());
            assert_eq!(opened(&f, &token, oaep), secret.as_bytes());
            let warned = report["warnings"].as_array().unwrap();
            assert_eq!(warned.len(), usize::from(!secret.is_ascii()), "{warned:?}");
        }
    }
}

/// The lines that the Java tool prints and writes, and no secret even with `-v`.
#[test]
fn the_text_is_java_s_and_the_file_private() {
    let f = ready(&[]);
    f.write("secret", "from a file\n");
    let args = ["-b", "cert.pem", "--passphrase-file", "secret", "-o", "token", "-v"];
    let said = old(&f, &args).exits(0);
    let text = String::from_utf8(f.read("token")).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines[..lines.len() - 2].iter().all(|l| l.len() == 76), "{text}");
    assert_eq!(lines.last(), Some(&""));
    let want =
        format!("\nEncrypted Secret Data:\n{text}\n\nStoring Base64 secret data into token\n");
    assert!(said.out.starts_with(&want), "{}", said.out);
    assert!(!format!("{}{}", said.out, said.err).contains("from a file"));
    let mode = std::fs::metadata(f.file("token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    old(&f, &[&args[..], &["--single-line"]].concat()).exits(0);
    assert_eq!(String::from_utf8(f.read("token")).unwrap().lines().count(), 1);
    // From standard input.
    let mut child = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .args(["CMCSharedToken", "-b", "cert.pem", "--passphrase-file", "-", "-o", "token"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"piped in\n").unwrap();
    assert!(child.wait().unwrap().success());
    let token = pem::to_der(&f.read("token"));
    assert_eq!(opened(&f, &token, false), b"piped in");
}

/// Java imports the certificate as a CA's, and asks for a password that it doesn't need.
#[test]
fn the_database_is_left_alone_and_needed_only_for_nicknames() {
    let f = ready(&[]);
    f.make_database();
    let before = (f.read("db/cert9.db"), f.read("db/key4.db"));
    old(&f, &["-d", "db", "-b", "cert.pem", "-s", "x", "-p", PASSWORD]).exits(0);
    old(&f, &["-b", "cert.pem", "-s", "x"]).exits(0);
    old(&f, &["-d", "nowhere", "-b", "cert.pem", "-s", "x"]).exits(0);
    assert_eq!((f.read("db/cert9.db"), f.read("db/key4.db")), before);
    assert!(!f.file("nowhere").exists());
    f.certutil(&["-A", "-n", "protection", "-t", ",,", "-a", "-i", "cert.pem", "-f", "pw"]);
    for token in ["internal", "NSS Certificate DB", "Internal Key Storage Token"] {
        let args = ["-d", "db", "-n", "protection", "-s", "by nick", "-o", "t", "-h", token];
        for password in [["-p", PASSWORD], ["--password-file", "pw"]] {
            old(&f, &[&args[..], &password].concat()).exits(0);
            let token = pem::to_der(&f.read("t"));
            assert_eq!(opened(&f, &token, false), b"by nick");
        }
    }
    let args = ["-d", "db", "-n", "protection", "-s", "x"];
    for (more, words) in [
        (&["-p", "wrong"][..], "cannot log in"),
        (&["-p", PASSWORD, "-h", "HSM"], "token \"HSM\" not found"),
        (&["--password-file", "gone"], "gone"),
    ] {
        let said = old(&f, &[&args[..], more].concat()).exits(1);
        assert!(said.err.starts_with("ERROR: ") && said.err.contains(words), "{}", said.err);
        assert!(said.err.ends_with("Try 'CMCSharedToken --help' for more information.\n"));
    }
    let said = old(&f, &["-d", "db", "-n", "protectoin", "-s", "x", "-p", PASSWORD]).exits(1);
    assert!(said.err.contains("certificate \"protectoin\" not found"), "{}", said.err);
    assert!(said.err.contains("protection"), "{}", said.err);
}

#[test]
fn certificates_as_people_have_them() {
    let f = ready(&[]);
    let der = pem::to_der(&f.read("cert.pem"));
    f.write("cert.der", &der);
    f.write("noisy.pem", [b"Issued to you:\n", &f.read("cert.pem")[..], b"\nregards\n"].concat());
    let args = ["crl2pkcs7", "-nocrl", "-certfile", "cert.pem", "-out", "cert.p7"];
    tool("openssl", f.path(), &args);
    for file in ["cert.der", "noisy.pem", "cert.p7"] {
        old(&f, &["-b", file, "-s", file, "-o", "token"]).exits(0);
        let token = pem::to_der(&f.read("token"));
        assert_eq!(opened(&f, &token, false), file.as_bytes());
    }
    // A certificate for another purpose, and an expired one: a warning by both commands.
    f.write("secret", "x\n");
    let warned = |f: &Folder, words: &str| {
        let said = old(f, &["-b", "cert.pem", "-s", "x"]).exits(0);
        assert!(said.err.contains(words), "{}", said.err);
        let args = ["shared-token", "--cert", "cert.pem", "--shared-secret-file", "secret"];
        let said = f.nss_cmc(&args).exits(0);
        assert!(said.err.contains(words), "{}", said.err);
    };
    make(&f, &["-newkey", "rsa:2048"], &["-addext", "keyUsage=digitalSignature"]);
    warned(&f, "lacks keyEncipherment");
    let over = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"];
    let key = ["req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=old", "-out", "r"];
    tool("openssl", f.path(), &[&key[..], &["-keyout", "key.pem"]].concat());
    f.write("index", "");
    f.write("ca.cnf", "[ca]\ndefault_ca=c\n[c]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\npolicy=p\n[p]\ncommonName=supplied\n");
    let dates = ["-startdate", over[1], "-enddate", over[3]];
    let sign = ["ca", "-batch", "-selfsign", "-config", "ca.cnf", "-md", "sha256", "-in", "r"];
    let out = ["-keyfile", "key.pem", "-out", "cert.pem"];
    tool("openssl", f.path(), &[&sign[..], &out, &dates].concat());
    warned(&f, "expired on 2020-02-01");
}

#[test]
fn what_is_missing_or_wrong_fails() {
    let f = ready(&[]);
    f.write("empty", "");
    for (args, words) in [
        (&["-b", "cert.pem"][..], "Missing passphrase"),
        (&["-s", "x"], "no issuance protection certificate given"),
        (&["-s", "x", "-b", "gone"], "gone"),
        (&["-s", "x", "-b", "key.pem"], ""),
        (&["-s", "x", "-b", "empty"], "empty"),
        (&["-s", "x", "-b", "cert.pem", "-o", "no/such"], "cannot write no/such"),
        (&["-s", "x", "-b", "cert.pem", "-q"], "-q"),
        (&["-s"], "-s"),
    ] {
        let said = old(&f, args).exits(1);
        assert!(
            said.err.starts_with("ERROR: ") && said.err.contains(words),
            "{args:?}: {}",
            said.err
        );
        assert!(!said.err.contains("panicked"));
    }
    // The first of a repeated option counts, other words are ignored, one dash is enough.
    let args = ["-s", "first", "-s", "second", "stray", "-b", "cert.pem", "-oaep", "-o", "t"];
    old(&f, &args).exits(0);
    let token = pem::to_der(&f.read("t"));
    assert_eq!(opened(&f, &token, true), b"first");
    assert!(old(&f, &["--help"]).exits(0).out.contains("-h <TOKEN>"));
    make(&f, &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], &[]);
    let said = old(&f, &["-s", "x", "-b", "cert.pem"]).exits(1);
    assert!(said.err.contains("has no RSA key"), "{}", said.err);
}

#[test]
fn ldif_and_its_arguments() {
    let f = ready(&[]);
    f.write("secret", "x\n");
    let run = |args: &[&str]| {
        let common = ["shared-token", "--cert", "cert.pem", "--shared-secret-file", "secret"];
        f.nss_cmc(&[&common[..], args].concat())
    };
    let said = run(&["--uid", "alice", "--base", "ou=people,dc=x"]).exits(0);
    let (_, ldif) = said.out.split_once("\n\n").unwrap();
    let head = "dn: uid=alice,ou=people,dc=x\nchangetype: modify\nreplace: shrTok\nshrTok: MII";
    assert!(ldif.starts_with(head), "{ldif}");
    let said = run(&["--serial", "0x1f", "--base", "dc=ca,dc=x"]).exits(0);
    let entry = "dn: cn=31,ou=certificateRepository,ou=ca,dc=ca,dc=x\n";
    assert!(said.out.contains(entry), "{}", said.out);
    assert!(said.out.contains("\nmetaInfo: revShrTok:MII"), "{}", said.out);
    let said = run(&["--dn", "uid=b,dc=x", "--attribute", "token"]).exits(0);
    assert!(said.out.contains("\nreplace: token\ntoken: MII"), "{}", said.out);
    for (args, exit) in [
        (&["--uid", "ali*", "--base", "dc=x"][..], 2),
        (&["--uid", "a,b", "--base", "dc=x"], 2),
        (&["--uid", "alice"], 2),
        (&["--serial", "x", "--base", "dc=x"], 2),
        (&["--uid", "a", "--dn", "uid=a", "--base", "dc=x"], 2),
        (&["--nickname", "protection"], 2),
    ] {
        run(args).exits(exit);
    }
    f.write("secret", "\n");
    run(&[]).exits(2);
}
