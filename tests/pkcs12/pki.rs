//! `pki pkcs12-import`.

use super::*;

fn pki(f: &Folder, more: &[&str]) -> Said {
    f.nss_cmc(&[&["pki", "-d", "db", "-C", "pw", "pkcs12-import"], more].concat())
}

#[test]
fn it_says_nothing_when_all_is_well() {
    let f = usual();
    for file in ["--pkcs12", "--pkcs12-file"] {
        for password in ["--password-file", "--pkcs12-password-file"] {
            anew(&f);
            let said = pki(&f, &[file, "srv.p12", password, "p12pw"]).exits(0);
            assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
            assert_eq!(f.certificates(), ["Test CA - LAB ,,", "srv u,u,u"]);
        }
    }
    for password in ["--password", "--pkcs12-password"] {
        anew(&f);
        let said = pki(&f, &["--pkcs12", "srv.p12", password, FILE_PASSWORD]).exits(0);
        assert!(said.err.starts_with("WARNING: everybody"), "{}", said.err);
        assert!(!said.err.contains(FILE_PASSWORD), "{}", said.err);
        assert_eq!(f.keys().len(), 1);
    }
}

const FROM: [&str; 4] = ["--pkcs12", "srv.p12", "--password-file", "p12pw"];

#[test]
fn nicknames_that_exist_are_passed_over() {
    let f = usual();
    f.certutil(&["-A", "-n", "srv", "-t", "P,,", "-a", "-i", "rsa.pem", "-f", "pw"]);
    f.certutil(&["-A", "-n", "Test CA - LAB", "-t", "C,,", "-a", "-i", "ca.pem", "-f", "pw"]);
    let before = f.state();
    let said = pki(&f, &FROM).exits(0);
    assert_eq!(said.err, "WARNING: Certificate already exists: Test CA - LAB\n");
    assert_eq!(f.state(), before);
    pki(&f, &[&FROM[..], &["--overwrite"]].concat()).exits(0);
    assert_eq!(f.certificates(), ["Test CA - LAB C,,", "srv u,u,u"]);
}

/// As Java does; a nickname that another certificate has is not taken.
#[test]
fn a_certificate_that_is_there_gets_the_nickname_of_the_file() {
    let f = usual();
    for overwrite in [&[][..], &["--overwrite"]] {
        anew(&f);
        f.certutil(&["-A", "-n", "My admin", "-t", ",,p", "-a", "-i", "ec.pem", "-f", "pw"]);
        for _ in 0..2 {
            pki(&f, &[&FROM[..], overwrite].concat()).exits(0);
            assert_eq!(f.certificates(), ["Test CA - LAB ,,", "srv u,u,pu"]);
            assert_eq!(f.keys(), [cka_id(&f, "ec.pem")]);
            signs(&f, "srv");
        }
    }
    anew(&f);
    f.certutil(&["-A", "-n", "My admin", "-t", ",,", "-a", "-i", "ec.pem", "-f", "pw"]);
    f.certutil(&["-A", "-n", "srv", "-t", "P,,", "-a", "-i", "rsa.pem", "-f", "pw"]);
    pki(&f, &FROM).exits(0);
    assert_eq!(f.certificates(), ["My admin u,u,u", "Test CA - LAB ,,", "srv P,,"]);
}

#[test]
fn parts_and_trust_flags() {
    let f = usual();
    for (more, certificates) in [
        (&["--no-ca-certs"][..], &["srv u,u,u"][..]),
        (&["--no-user-certs"], &["Test CA - LAB ,,"]),
        (&["srv"], &["srv u,u,u"]),
        (&["nobody", "srv"], &["srv u,u,u"]),
    ] {
        anew(&f);
        pki(&f, &[&FROM[..], more].concat()).exits(0);
        assert_eq!(f.certificates(), certificates, "{more:?}");
    }
    import(&f, "srv.p12", &["--trust-ca"]).exits(0);
    export(&f, &["flags.p12", "srv", "--with-trust"]).exits(0);
    for (more, ca) in [(&[][..], "CT,C,C"), (&["--no-trust-flags"], ",,")] {
        anew(&f);
        let from = ["--pkcs12", "flags.p12", "--password-file", "p12pw"];
        pki(&f, &[&from[..], more].concat()).exits(0);
        assert_eq!(f.certificates(), [format!("Test CA - LAB {ca}"), "srv u,u,u".into()]);
    }
}

#[test]
fn failures_in_pki_s_words() {
    let f = usual();
    f.write_secret("wrong", "wrong\n");
    let before = dump(&f);
    for (args, line) in [
        (&[][..], "ERROR: Missing PKCS #12 file"),
        (&["--pkcs12", "srv.p12"], "ERROR: Missing PKCS #12 password"),
        (
            &["--pkcs12", "srv.p12", "--password-file", "wrong"],
            "ERROR: Unable to validate PKCS #12 file: Digests do not match",
        ),
        (
            &["--pkcs12", "ca.pem", "--password-file", "p12pw"],
            "ERROR: cannot use PKCS #12 file ca.pem: this is a certificate",
        ),
    ] {
        let said = pki(&f, args).exits(255);
        assert_eq!(said.err.lines().next(), Some(line), "{}", said.err);
        assert_eq!(said.out, "");
    }
    let said = f
        .nss_cmc(&[&["pki", "-d", "db", "-C", "wrong", "pkcs12-import"], &FROM[..]].concat())
        .exits(255);
    assert!(said.err.starts_with("ERROR: Incorrect password for internal token\n"), "{}", said.err);
    assert_eq!(dump(&f), before);
    let said = pki(&f, &["--help"]).exits(0);
    assert!(said.out.starts_with("Usage: pki pkcs12-import [OPTIONS]"), "{}", said.out);
}

#[test]
fn a_missing_database_is_created_with_the_password_given() {
    let f = usual();
    std::fs::remove_dir_all(f.file("db")).unwrap();
    pki(&f, &FROM).exits(0);
    assert_eq!(f.certificates(), ["Test CA - LAB ,,", "srv u,u,u"]);
    assert_eq!(f.keys().len(), 1);
    std::fs::remove_dir_all(f.file("db")).unwrap();
    f.nss_cmc(&[&["pki", "-d", "db", "pkcs12-import"], &FROM[..]].concat()).exits(255);
    assert!(!f.file("db").exists());
}
