//! Files that we write, read by others.

use std::os::unix::fs::PermissionsExt;

use super::refused::element;
use super::*;

#[test]
fn others_read_what_is_exported() {
    let f = material();
    for name in ["ec", "rsa"] {
        by_openssl(&f, "srv.p12", name, &["-certfile", "ca.pem"]);
        let plain = openssl(&f, &["pkey", "-in", &format!("{name}.key")]);
        for (encryption, openssl_says) in [
            ("aes", "Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC"),
            ("aes-kwp", "Shrouded Keybag: PBES2, PBKDF2, id-aes256-wrap-pad"),
            ("legacy", "Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC"),
        ] {
            anew(&f);
            import(&f, "srv.p12", &[]).exits(0);
            let more = ["--encryption", encryption, "--overwrite"];
            let report = export(&f, &[&["out.p12", "srv"], &more[..]].concat()).exits(0).json();
            assert_eq!(report["result"]["entries"][0]["key_id"], f.keys()[0]);
            let mode = std::fs::metadata(f.file("out.p12")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let read = ["pkcs12", "-legacy", "-in", "out.p12", "-passin", "file:p12pw"];
            let said = run(Command::new("openssl")
                .current_dir(f.path())
                .args(read)
                .args(["-info", "-nokeys"]))
            .exits(0);
            assert!(said.err.contains(openssl_says), "{}", said.err);
            assert_eq!(said.out.matches("BEGIN CERTIFICATE").count(), 2, "{}", said.out);
            let key = openssl(&f, &[&read[..], &["-nocerts", "-nodes"]].concat());
            assert!(key.contains(plain.trim()), "{name} {encryption}");
            assert!(key.contains("friendlyName: srv"), "{key}");
            if is_installed("certtool", "--version") {
                let info =
                    ["--p12-info", "--inder", "--infile", "out.p12", "--password", FILE_PASSWORD];
                let said = tool("certtool", f.path(), &info);
                assert_eq!(said.matches("BEGIN CERTIFICATE").count(), 2, "{said}");
            }
            let before = f.state();
            // NSS before 3.90 has no name for the key wrap.
            if encryption != "aes-kwp" {
                anew(&f);
                pk12util(&f, &["-i", "out.p12"]).exits(0);
                assert_eq!(f.state(), before, "{name} {encryption}");
            }
            anew(&f);
            import(&f, "out.p12", &[]).exits(0);
            assert_eq!(f.state(), before, "{name} {encryption}");
        }
    }
}

#[test]
fn certificates_without_keys_or_chain() {
    let f = usual();
    import(&f, "srv.p12", &[]).exits(0);
    for (args, certificates, keys) in [
        (&["a.p12", "srv", "--no-keys"][..], 2, 0),
        (&["b.p12", "srv", "--no-chain"], 1, 1),
        (&["c.p12", "Test CA - LAB"], 1, 0),
        (&["d.p12", "Test CA - LAB", "srv", "srv"], 2, 1),
    ] {
        export(&f, args).exits(0);
        let read = ["pkcs12", "-in", args[0], "-passin", "file:p12pw", "-nodes"];
        let text = openssl(&f, &read);
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), certificates, "{args:?}");
        assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), keys, "{args:?}");
    }
}

#[test]
fn what_is_refused_writes_no_file() {
    let f = usual();
    import(&f, "srv.p12", &[]).exits(0);
    let before = f.read("srv.p12");
    let said = export(&f, &["srv.p12", "srv"]).exits(15).json();
    assert!(said["error"]["hint"].as_str().unwrap().contains("--overwrite"), "{said}");
    assert_eq!(f.read("srv.p12"), before);
    export(&f, &["no.p12", "srv", "nobody"]).exits(12);
    export(&f, &["missing/no.p12", "srv"]).exits(21);
    f.write_secret("p12pw", "\n");
    let said = export(&f, &["no.p12", "srv"]).exits(2).json();
    assert!(said["msg"].as_str().unwrap().contains("password is empty"), "{said}");
    f.write_secret("p12pw", FILE_PASSWORD);
    assert!(!f.file("no.p12").exists());
}

/// As after a renewal with a new key: one nickname, two certificates.
#[test]
fn all_certificates_of_a_nickname_are_exported() {
    let f = usual();
    import(&f, "srv.p12", &[]).exits(0);
    certificate(&f, "ec", &["-newkey", "rsa:2048"]);
    by_openssl(&f, "new.p12", "ec", &["-certfile", "ca.pem"]);
    import(&f, "new.p12", &[]).exits(0);
    export(&f, &["all.p12", "srv"]).exits(0);
    let read = ["pkcs12", "-in", "all.p12", "-passin", "file:p12pw", "-nodes"];
    let text = openssl(&f, &read);
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 3, "{text}");
    assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), 2, "{text}");
    let before = f.state();
    anew(&f);
    import(&f, "all.p12", &[]).exits(0);
    assert_eq!(f.state(), before);
}

/// A report behind the file's octets would damage it.
#[test]
fn a_file_on_standard_output_is_alone_there() {
    let f = usual();
    import(&f, "srv.p12", &[]).exits(0);
    let to = |args: &[&str], judge: &str| {
        let script = format!("\"$0\" \"$@\" 2>err | {judge}");
        let program = env!("CARGO_BIN_EXE_nss-cmc");
        run(Command::new("sh").current_dir(f.path()).args(["-c", &script, program]).args(args))
            .exits(0)
    };
    let err = || String::from_utf8(f.read("err")).unwrap();
    for (path, format) in [("/dev/stdout", "text"), ("/proc/self/fd/1", "json")] {
        let args = ["pkcs12", "export", path, "srv", "--output", format];
        to(&[&args[..], &WITH].concat(), "cat >out.p12");
        let der = f.read("out.p12");
        let (_, rest) = element(&der);
        assert!(rest.is_empty(), "{} octets follow", rest.len());
        openssl(&f, &["pkcs12", "-in", "out.p12", "-passin", "file:p12pw", "-noout"]);
        assert!(err().contains(&format!("to {path}")), "{}", err());
    }
    let der = ["cert", "export", "srv", "-d", "db", "--format", "der", "--out", "/dev/fd/1"];
    to(&der, "cat >out.der");
    assert!(element(&f.read("out.der")).1.is_empty());
    let with = ["-d", "db", "--password-file", "pw", "--key-type", "ec", "--subject", "CN=x"];
    to(&[&["csr", "create"], &with[..], &["--out", "/dev/stdout"]].concat(), "cat >out.csr");
    let csr = String::from_utf8(f.read("out.csr")).unwrap();
    assert!(csr.starts_with("-----BEGIN ") && csr.ends_with("REQUEST-----\n"), "{csr}");
    // An old tool, too: its lines go to standard error.
    let token = ["CMCSharedToken", "-b", "rsa.pem", "-s", "secret", "-o", "/dev/stdout"];
    let said = to(&token, "base64 -di | openssl asn1parse -inform DER");
    assert!(said.out.contains("SEQUENCE"), "{}", said.out);
    assert!(err().contains("Storing Base64 secret data into /dev/stdout"), "{}", err());
}
