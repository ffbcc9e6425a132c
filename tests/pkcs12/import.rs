//! Files of each writer, and what is imported of them.

use super::refused::{element, mac_of, replaced};
use super::*;
use crate::common::der::tlv;

const JAVA_PASSWORD: &str = "Secret 1";

/// FILE of each kind with the key `name` as `srv`; the password is that of `p12pw`.
fn files(f: &Folder, name: &str) -> Vec<String> {
    let mut made = Vec::new();
    for (kind, how) in [
        ("modern", &[][..]),
        ("legacy", &["-legacy"]),
        ("sha512", &["-macalg", "sha512", "-keypbe", "aes-128-cbc"]),
        ("sha384", &["-macalg", "sha384", "-keypbe", "PBE-SHA1-3DES"]),
        ("open-certificates", &["-certpbe", "NONE"]),
    ] {
        let file = format!("openssl-{name}-{kind}.p12");
        by_openssl(f, &file, name, &[&["-certfile", "ca.pem"], how].concat());
        made.push(file);
    }
    // From a database of NSS's own making.
    by_openssl(f, "in.p12", name, &["-certfile", "ca.pem"]);
    pk12util(f, &["-i", "in.p12"]).exits(0);
    for (kind, how) in [
        ("aes256", &[][..]),
        ("aes128", &["-c", "AES-128-CBC", "-C", "AES-128-CBC"]),
        ("des3", &["-c", "DES-EDE3-CBC", "-C", "DES-EDE3-CBC"]),
        ("rc2", &["-c", "DES-EDE3-CBC", "-C", "RC2-CBC"]),
        ("sha512", &["-M", "SHA-512"]),
    ] {
        let file = format!("nss-{name}-{kind}.p12");
        pk12util(f, &[&["-o", &file, "-n", "srv"], how].concat()).exits(0);
        made.push(file);
    }
    anew(f);
    if is_installed("certtool", "--version") {
        for cipher in ["aes-256", "3des-pkcs12"] {
            let file = format!("gnutls-{name}-{cipher}.p12");
            let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
            let load = ["--load-privkey", &key, "--load-certificate", &cert];
            let to = ["--to-p12", "--p12-name", "srv", "--outder", "--outfile", &file];
            let how = ["--pkcs-cipher", cipher, "--password", FILE_PASSWORD];
            tool("certtool", f.path(), &[&load[..], &to, &how].concat());
            made.push(file);
        }
    }
    if is_installed("keytool", "-help") {
        let file = format!("java-{name}.p12");
        // keytool reads no password file with other than ASCII.
        f.write_secret("p12pw", JAVA_PASSWORD);
        by_openssl(f, "in.p12", name, &["-certfile", "ca.pem"]);
        let from = ["-srckeystore", "in.p12", "-srcstoretype", "PKCS12", "-srcalias", "srv"];
        let to = ["-destkeystore", &file, "-deststoretype", "PKCS12", "-noprompt"];
        let with = ["-srcstorepass:file", "p12pw", "-deststorepass:file", "p12pw"];
        tool("keytool", f.path(), &[&["-importkeystore"], &from[..], &to, &with].concat());
        f.write_secret("p12pw", FILE_PASSWORD);
        made.push(file);
    }
    made
}

#[test]
fn files_of_every_writer_with_an_ec_key_are_imported() {
    every_file("ec");
}

#[test]
fn files_of_every_writer_with_an_rsa_key_are_imported() {
    every_file("rsa");
}

fn every_file(name: &str) {
    let f = material();
    for file in files(&f, name) {
        anew(&f);
        let password = if file.starts_with("java") { JAVA_PASSWORD } else { FILE_PASSWORD };
        f.write_secret("p12pw", password);
        let report = import(&f, &file, &[]).exits(0).json();
        assert_eq!(report["changed"], true, "{file}: {report}");
        assert!(
            f.certificates().contains(&"srv u,u,u".to_owned()),
            "{file}: {:?}",
            f.certificates()
        );
        assert_eq!(f.keys(), [cka_id(&f, &format!("{name}.pem"))], "{file}");
        // The CA, where it is in the file, has no trust.
        let others = f.certificates().into_iter().filter(|c| c != "srv u,u,u");
        assert!(others.clone().all(|c| c.ends_with(" ,,")), "{file}: {:?}", f.certificates());
        assert_eq!(others.count(), usize::from(!file.starts_with("gnutls")), "{file}");
        signs(&f, "srv");
        // What NSS made of it goes out again by NSS's own tool, whose key derivation is slow: once.
        if file.ends_with("-modern.p12") {
            pk12util(&f, &["-o", "again.p12", "-n", "srv"]).exits(0);
            openssl(&f, &["pkcs12", "-in", "again.p12", "-passin", "file:p12pw", "-noout"]);
        }
        let shown =
            f.nss_cmc(&["pkcs12", "show", &file, "--pkcs12-password-file", "p12pw"]).exits(0);
        assert!(shown.out.contains("\nsrv\n"), "{file}: {}", shown.out);
    }
}

#[test]
fn a_second_import_changes_nothing() {
    let f = usual();
    assert_eq!(import(&f, "srv.p12", &["--trust-ca"]).exits(0).json()["changed"], true);
    let before = dump(&f);
    let report = import(&f, "srv.p12", &["--trust-ca"]).exits(0).json();
    assert_eq!((&report["changed"], &report["status"]), (&false.into(), &"unchanged".into()));
    assert_eq!(report["result"]["entries"][0]["key_status"], "present");
    assert_eq!(dump(&f), before);
}

#[test]
fn a_certificate_that_is_there_gets_its_key() {
    let f = usual();
    for (nickname, more) in [("srv", &[][..]), ("mine", &["--nickname", "mine"])] {
        anew(&f);
        f.certutil(&["-A", "-n", nickname, "-t", ",,", "-a", "-i", "ec.pem", "-f", "pw"]);
        f.certutil(&["-A", "-n", "the CA", "-t", "CT,C,C", "-a", "-i", "ca.pem", "-f", "pw"]);
        let report = import(&f, "srv.p12", more).exits(0).json();
        let entry = &report["result"]["entries"][0];
        assert_eq!(
            (&entry["certificate_status"], &entry["key_status"]),
            (&"present".into(), &"added".into())
        );
        assert_eq!(f.certificates(), [format!("{nickname} u,u,u"), "the CA CT,C,C".into()]);
        assert_eq!(f.keys(), [cka_id(&f, "ec.pem")]);
        signs(&f, nickname);
    }
}

#[test]
fn a_key_that_is_there_gets_its_certificate() {
    let f = usual();
    import(&f, "srv.p12", &[]).exits(0);
    f.certutil(&["-D", "-n", "srv", "-f", "pw"]);
    assert_eq!((f.keys().len(), f.certificates().len()), (1, 1));
    let report = import(&f, "srv.p12", &[]).exits(0).json();
    let entry = &report["result"]["entries"][0];
    assert_eq!(
        (&entry["certificate_status"], &entry["key_status"]),
        (&"added".into(), &"present".into())
    );
    assert_eq!(f.keys().len(), 1);
    assert!(f.certificates().contains(&"srv u,u,u".to_owned()));
}

#[test]
fn parts_of_a_file() {
    let f = usual();
    for (more, keys, certificates) in [
        (&["--no-keys"][..], 0, &["Test CA - LAB ,,"][..]),
        (&["--no-chain"], 1, &["srv u,u,u"]),
        (&["--only", "srv"], 1, &["srv u,u,u"]),
        (&["--nickname", "other name"], 1, &["Test CA - LAB ,,", "other name u,u,u"]),
        (&["--trust", "P,,"], 1, &["Test CA - LAB ,,", "srv Pu,u,u"]),
    ] {
        anew(&f);
        import(&f, "srv.p12", more).exits(0);
        assert_eq!(
            (f.keys().len(), f.certificates()),
            (keys, certificates.iter().map(|c| (*c).into()).collect()),
            "{more:?}"
        );
    }
    anew(&f);
    let said = import(&f, "srv.p12", &["--only", "nobody"]).exits(12).json();
    assert!(said["msg"].as_str().unwrap().contains("nothing to import found"), "{said}");
    assert!(f.keys().is_empty() && f.certificates().is_empty());
}

#[test]
fn two_keys_in_a_file() {
    let f = material();
    // pk12util writes all certificates of a nickname with their keys.
    by_openssl(&f, "a.p12", "ec", &["-certfile", "ca.pem"]);
    certificate(&f, "second", &["-key", "ec.key"]);
    by_openssl(&f, "b.p12", "rsa", &[]);
    import(&f, "a.p12", &[]).exits(0);
    import(&f, "b.p12", &["--nickname", "rsa"]).exits(0);
    export(&f, &["both.p12", "srv", "rsa"]).exits(0);
    anew(&f);
    let said = import(&f, "both.p12", &["--nickname", "one"]).exits(2).json();
    assert!(said["msg"].as_str().unwrap().contains("2 keys"), "{said}");
    import(&f, "both.p12", &[]).exits(0);
    assert_eq!(f.certificates(), ["Test CA - LAB ,,", "rsa u,u,u", "srv u,u,u"]);
    assert_eq!(f.keys().len(), 2);
    assert!(f.keys().contains(&cka_id(&f, "rsa.pem")));
}

#[test]
fn the_file_s_password_from_everywhere() {
    let f = usual();
    let base = ["pkcs12", "import", "srv.p12", "-d", "db", "--password-file", "pw"];
    let ours = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
        command.current_dir(f.path()).env("P12", FILE_PASSWORD).args(base).args(more);
        command
    };
    run(&mut ours(&["--pkcs12-password-env", "P12"])).exits(0);
    anew(&f);
    let mut piped = ours(&["--pkcs12-password-file", "-"]);
    let output = piped.stdin(std::fs::File::open(f.file("p12pw")).unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(f.keys().len(), 1);
    // Windows line ends; only the first line counts.
    anew(&f);
    f.write_secret("crlf", format!("{FILE_PASSWORD}\r\nanother\r\n"));
    run(&mut ours(&["--pkcs12-password-file", "crlf"])).exits(0);
    // No terminal to ask on.
    let said = run(&mut ours(&[])).exits(2);
    assert!(said.err.contains("--pkcs12-password-file"), "{}", said.err);
}

#[test]
fn an_empty_password_and_none() {
    let f = material();
    f.write_secret("empty", "\n");
    let files = ["pass:", "none"].map(|how| format!("{}.p12", how.trim_end_matches(':')));
    openssl(
        &f,
        &[
            "pkcs12", "-export", "-in", "ec.pem", "-inkey", "ec.key", "-name", "srv", "-passout",
            "pass:", "-out", &files[0],
        ],
    );
    // GnuTLS tells "no password" from the empty one.
    if is_installed("certtool", "--version") {
        let load = ["--load-privkey", "ec.key", "--load-certificate", "ec.pem", "--to-p12"];
        let how = ["--p12-name", "srv", "--null-password", "--outder", "--outfile", &files[1]];
        tool("certtool", f.path(), &[&load[..], &how].concat());
    } else {
        std::fs::copy(f.file(&files[0]), f.file(&files[1])).unwrap();
    }
    for file in files {
        anew(&f);
        let args = ["pkcs12", "import", &file, "-d", "db", "--password-file", "pw"];
        f.nss_cmc(&[&args[..], &["--pkcs12-password-file", "empty"]].concat()).exits(0);
        assert_eq!(f.certificates(), ["srv u,u,u"], "{file}");
        let said = import(&f, &file, &[]).exits(20).json();
        assert!(said["msg"].as_str().unwrap().contains("wrong password"), "{said}");
    }
}

#[test]
fn other_certificates_of_a_nickname_are_replaced_if_asked() {
    let f = usual();
    f.certutil(&["-A", "-n", "srv", "-t", "P,,", "-a", "-i", "rsa.pem", "-f", "pw"]);
    let said = import(&f, "srv.p12", &[]).exits(15).json();
    assert!(said["msg"].as_str().unwrap().contains("\"srv\" belongs to another subject"), "{said}");
    let report = import(&f, "srv.p12", &["--replace"]).exits(0).json();
    assert_eq!(report["result"]["entries"][0]["replaced"], 1);
    assert_eq!(f.certificates(), ["Test CA - LAB ,,", "srv u,u,u"]);
    assert!(f.certutil(&["-L", "-n", "srv"]).contains("CN=ec,O=LAB"));
}

/// A file with every bag of another one twice.
fn twice(file: &[u8]) -> Vec<u8> {
    let (pfx, _) = element(file);
    let (version, rest) = pfx.split_at(3);
    let (info, mac) = element(rest);
    let (data, explicit) = info.split_at(11);
    let (safes, _) = element(element(element(explicit).0).0);
    let safes = tlv(0x30, &[safes, safes].concat());
    let content = tlv(0xa0, &tlv(0x04, &safes));
    let info = tlv(0x30, &[data, &content].concat());
    let twice = tlv(0x30, &[version, &info, mac].concat());
    replaced(&twice, &mac_of(file), &mac_of(&twice))
}

/// The second copy of a key is no second certificate.
#[test]
fn a_key_twice_in_a_file_is_one() {
    let f = usual();
    f.write("twice.p12", twice(&f.read("srv.p12")));
    let report = import(&f, "twice.p12", &[]).exits(0).json();
    assert_eq!(report["result"]["entries"].as_array().unwrap().len(), 2, "{report}");
    assert!(report["msg"].as_str().unwrap().contains("1 key and 2 certificates"), "{report}");
}

#[test]
fn a_check_predicts_an_import_and_writes_nothing() {
    let f = usual();
    let trusts = ["--trust-ca", "--ca-file", "ca.pem", "--nickname", "web"];
    let run = |more: &[&str]| {
        let report = import(&f, "srv.p12", &[&trusts[..], more].concat()).exits(0).json();
        let word = report["status"].as_str().unwrap().to_owned();
        (word, report["changed"] == true, report["result"].clone())
    };
    let before = dump(&f);
    let would = run(&["--check"]);
    assert_eq!((&*would.0, would.1), ("would_import", true));
    assert_eq!(dump(&f), before);
    let did = run(&[]);
    assert_eq!((&*did.0, did.1), ("imported", true));
    assert_eq!(would.2, did.2, "the prediction is the result");
    for more in [&["--check"][..], &[]] {
        let again = run(more);
        assert_eq!((&*again.0, again.1), ("unchanged", false));
    }
    // What would be refused is refused.
    f.write_secret("p12pw", "another\n");
    import(&f, "srv.p12", &["--check"]).exits(20);
}
