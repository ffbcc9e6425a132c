//! Imports into a hardware token (SoftHSM) and into a database in FIPS mode.

use std::path::Path;

use super::*;

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn a_database_in_fips_mode() {
    let f = usual();
    f.write_secret("pw", format!("{}\n", common::PASSWORD));
    tool("modutil", f.path(), &["-fips", "true", "-dbdir", "sql:db", "-force"]);
    by_openssl(&f, "rsa.p12", "rsa", &["-legacy"]);
    for (file, nickname) in [("srv.p12", "srv"), ("rsa.p12", "rsa")] {
        import(&f, file, &["--nickname", nickname]).exits(0);
        signs(&f, nickname);
    }
    let list = f.certutil(&["-L", "-f", "pw"]);
    assert_eq!(list.matches("u,u,u").count(), 2, "{list}");
    export(&f, &["out.p12", "srv", "rsa"]).exits(0);
    openssl(&f, &["pkcs12", "-in", "out.p12", "-passin", "file:p12pw", "-noout"]);
}

#[test]
fn a_hardware_token() {
    assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
    let f = usual();
    std::fs::create_dir(f.file("tokens")).unwrap();
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
    let command = |program: &str, args: &[&str]| {
        run(Command::new(program)
            .current_dir(f.path())
            .env("SOFTHSM2_CONF", f.file("softhsm.conf"))
            .args(args))
    };
    let pins = ["--init-token", "--free", "--label", "HSM", "--so-pin", "0000", "--pin", "1234"];
    command("softhsm2-util", &pins).exits(0);
    let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
    command("modutil", &add).exits(0);
    f.write_secret("pins", format!("internal:{}\nHSM:1234\n", common::PASSWORD));
    f.write_secret("theirs", format!("NSS Certificate DB:{}\nHSM:1234\n", common::PASSWORD));
    by_openssl(&f, "rsa.p12", "rsa", &[]);
    for (file, nickname) in [("srv.p12", "srv"), ("rsa.p12", "rsa")] {
        let args = ["pkcs12", "import", file, "-d", "db", "--token", "HSM", "--nickname", nickname];
        let with = ["--password-file", "pins", "--pkcs12-password-file", "p12pw"];
        command(env!("CARGO_BIN_EXE_nss-cmc"), &[&args[..], &with].concat()).exits(0);
        // Twice is once.
        command(env!("CARGO_BIN_EXE_nss-cmc"), &[&args[..], &with].concat()).exits(0);
    }
    let keys = command("certutil", &["-K", "-h", "HSM", "-d", "sql:db", "-f", "theirs"]).exits(0);
    for certificate in ["ec.pem", "rsa.pem"] {
        assert_eq!(keys.out.matches(&cka_id(&f, certificate)).count(), 1, "{}", keys.out);
    }
    let list = command("certutil", &["-L", "-h", "all", "-d", "sql:db", "-f", "theirs"]).exits(0);
    let lines: Vec<&str> = list.out.lines().filter(|l| l.ends_with("u,u,u")).collect();
    assert!(lines.iter().any(|l| l.starts_with("HSM:srv ")), "{}", list.out);
    assert!(lines.iter().any(|l| l.starts_with("HSM:rsa ")), "{}", list.out);
    // The CA is in the database's own token.
    assert!(list.out.contains("\nTest CA - LAB "), "{}", list.out);
    assert!(f.keys().is_empty());
    // It keeps its own keys.
    f.write("noise", [7u8; 64]);
    let make = ["-R", "-h", "HSM", "-k", "ec", "-q", "nistp256", "-s", "CN=kept,O=LAB", "-a"];
    let files = ["-z", "noise", "-o", "kept.csr", "-d", "sql:db", "-f", "theirs"];
    command("certutil", &[&make[..], &files].concat()).exits(0);
    let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&f, &[&sign[..], &["-in", "kept.csr", "-out", "kept.pem"]].concat());
    let add = ["-A", "-h", "HSM", "-n", "kept", "-t", ",,", "-a", "-i", "kept.pem"];
    command("certutil", &[&add[..], &["-d", "sql:db", "-f", "theirs"]].concat());
    let args = ["pkcs12", "export", "kept.p12", "kept", "-d", "db", "--token", "HSM"];
    let with = ["--password-file", "pins", "--pkcs12-password-file", "p12pw"];
    let ours = env!("CARGO_BIN_EXE_nss-cmc");
    let said = command(ours, &[&args[..], &with].concat()).exits(14);
    assert!(said.err.contains("cannot export the key of \"kept\""), "{}", said.err);
    assert!(!f.file("kept.p12").exists());
    command(ours, &[&args[..], &with, &["--no-keys"]].concat()).exits(0);
}
