//! What is refused, and that a refused import changes nothing.

use super::*;
use nss_cmc::algorithm::Digest;
use nss_cmc::nss::{Database, MacDigest};

/// Fails with a text, and leaves the database as it was, octet by octet.
#[track_caller]
fn refused(f: &Folder, file: &str, more: &[&str], code: i32, text: &str) {
    let before = dump(f);
    let said = import(f, file, more).exits(code).json();
    let all = format!("{} {}", said["msg"], said["error"]["hint"]);
    assert!(all.contains(text), "{all}");
    assert!(!all.contains(FILE_PASSWORD), "{all}");
    assert_eq!(dump(f), before, "{said}");
}

#[test]
fn wrong_passwords_and_files_that_are_none() {
    let f = usual();
    by_openssl(&f, "nomac.p12", "ec", &["-nomac"]);
    by_openssl(&f, "open.p12", "ec", &["-keypbe", "NONE"]);
    std::fs::copy(f.file("p12pw"), f.file("right")).unwrap();
    refused(&f, "nomac.p12", &[], 20, "it has no MAC");
    refused(&f, "open.p12", &[], 20, "a private key that is not encrypted");
    refused(&f, "ca.pem", &[], 20, "this is a certificate");
    refused(&f, "missing.p12", &[], 20, "missing.p12");
    f.write("empty.p12", "");
    refused(&f, "empty.p12", &[], 20, "empty.p12");
    f.write("half.p12", &f.read("srv.p12")[..900]);
    refused(&f, "half.p12", &[], 20, "half.p12");
    for wrong in ["wrong", "", "Gehéim", "Gehéim 12"] {
        f.write_secret("p12pw", wrong);
        refused(&f, "srv.p12", &[], 20, "wrong password, or the file was changed");
    }
    f.write_secret("p12pw", [0xff, 0xfe]);
    refused(&f, "srv.p12", &[], 2, "it is not UTF-8");
    std::fs::copy(f.file("right"), f.file("p12pw")).unwrap();
    f.write_secret("pw", "wrong");
    let before = dump(&f);
    import(&f, "srv.p12", &[]).exits(11);
    assert_eq!(dump(&f), before);
}

#[test]
fn a_changed_file_is_refused_wherever_it_was_changed() {
    let f = usual();
    let good = f.read("srv.p12");
    let before = dump(&f);
    for at in (0..good.len()).step_by(29) {
        let mut bad = good.clone();
        bad[at] ^= 0x15;
        f.write("bad.p12", &bad);
        let said = import(&f, "bad.p12", &[]);
        assert!([14, 20].contains(&said.code), "octet {at}: {said:?}");
        assert_eq!(said.json()["changed"], false, "octet {at}");
    }
    assert_eq!(dump(&f), before);
}

#[test]
fn nicknames_of_others() {
    let f = usual();
    // Another subject has the nickname.
    f.certutil(&["-A", "-n", "srv", "-t", ",,", "-a", "-i", "rsa.pem", "-f", "pw"]);
    refused(&f, "srv.p12", &[], 15, "the nickname \\\"srv\\\" belongs to another subject");
    import(&f, "srv.p12", &["--nickname", "mine"]).exits(0);
    // The certificate is there under another nickname.
    refused(&f, "srv.p12", &["--nickname", "else"], 15, "under another nickname");
    // Another certificate of the subject has another nickname.
    anew(&f);
    certificate(&f, "ec2", &["-key", "ec.key"]);
    let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "77"];
    openssl(&f, &[&sign[..], &["-in", "ec.csr", "-out", "renewed.pem"]].concat());
    f.certutil(&["-A", "-n", "old", "-t", ",,", "-a", "-i", "renewed.pem", "-f", "pw"]);
    refused(&f, "srv.p12", &[], 15, "has another nickname");
    import(&f, "srv.p12", &["--nickname", "old"]).exits(0);
    for (nickname, text) in [("a:b", "the part before the colon"), (" ", "it is empty")] {
        refused(&f, "srv.p12", &["--nickname", nickname], 2, text);
    }
}

/// Content of the first element, and what follows it.
pub fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ ..0x80 => (2, usize::from(short)),
        long => {
            let end = 2 + usize::from(long & 0x7f);
            (end, der[2..end].iter().fold(0, |n, octet| n << 8 | usize::from(*octet)))
        }
    };
    (&der[start..start + length], &der[start + length..])
}

/// The MAC that a file of 2048 iterations and SHA-256 should have, by NSS.
pub fn mac_of(file: &[u8]) -> Vec<u8> {
    let (pfx, _) = element(file);
    let (safe, mac) = element(element(pfx).1);
    let (safes, _) = element(element(element(safe).1).0);
    let (salt, _) = element(element(element(mac).0).1);
    let password: Vec<u8> =
        FILE_PASSWORD.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let database = Database::without_files().unwrap();
    let digest = MacDigest::Digest(Digest::Sha256);
    let mac = database.pkcs12_mac(digest, &password, salt, 2048, safes).unwrap();
    database.close().unwrap();
    mac
}

pub fn replaced(all: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = all.windows(from.len()).position(|w| w == from).unwrap();
    [&all[..at], to, &all[at + from.len()..]].concat()
}

/// Replaces the certificate in a file whose certificates aren't encrypted by another one of the same
/// length, and makes the MAC right.
fn swap(f: &Folder, file: &str, from: &[u8], to: &[u8]) {
    let good = f.read(file);
    let swapped = replaced(&good, from, to);
    let (old, new) = (mac_of(&good), mac_of(&swapped));
    f.write(file, replaced(&swapped, &old, &new));
}

#[test]
fn a_certificate_that_is_not_the_key_s() {
    let f = material();
    certificate(&f, "ras", &["-newkey", "rsa:2048"]);
    let der = |name: &str| openssl::x509::X509::from_pem(&f.read(name)).unwrap().to_der().unwrap();
    // RSA signatures, so that both are of one length.
    for name in ["rsa", "ras"] {
        let (csr, out) = (format!("{name}.csr"), format!("{name}.pem"));
        let key = format!("{name}.key");
        let sign = ["x509", "-req", "-signkey", &key, "-set_serial", "7"];
        openssl(&f, &[&sign[..], &["-in", &csr, "-out", &out]].concat());
    }
    by_openssl(&f, "swapped.p12", "rsa", &["-certpbe", "NONE"]);
    swap(&f, "swapped.p12", &der("rsa.pem"), &der("ras.pem"));
    openssl(&f, &["pkcs12", "-in", "swapped.p12", "-passin", "file:p12pw", "-noout"]);
    refused(&f, "swapped.p12", &[], 20, "does not match its certificate");
}

/// Runs an import on a database that refuses objects by an SQL condition.
fn import_where(f: &Folder, more: &[&str], table: &str, condition: &str) -> Said {
    let sql = |statement: &str| {
        tool("sqlite3", f.path(), &["db/cert9.db", statement]);
    };
    sql(&format!(
        "CREATE TRIGGER full BEFORE INSERT ON {table} WHEN {condition} \
         BEGIN SELECT RAISE(ABORT, 'full'); END;"
    ));
    let said = import(f, "srv.p12", more);
    sql("DROP TRIGGER full;");
    said
}

#[test]
fn what_was_written_is_undone_when_a_later_step_fails() {
    let f = usual();
    let before = f.state();
    let mut failed = 0;
    loop {
        let condition = format!("(SELECT count(*) FROM nssPublic) >= {failed}");
        let said = import_where(&f, &["--trust-ca"], "nssPublic", &condition);
        if said.code == 0 {
            break;
        }
        assert_eq!(said.code, 14, "{failed}: {said:?}");
        assert_eq!(f.state(), before, "{failed}: {said:?}");
        let objects = tool("sqlite3", f.path(), &["db/cert9.db", "SELECT count(*) FROM nssPublic"]);
        assert_eq!(objects.trim(), "0", "{failed}");
        failed += 1;
    }
    // The public key, two certificates, the CA's trust.
    assert!(failed >= 4, "{failed}");
    assert_eq!(f.certificates(), ["Test CA - LAB CT,C,C", "srv u,u,u"]);
}

#[test]
fn a_replaced_certificate_is_restored_when_a_later_step_fails() {
    let f = usual();
    f.certutil(&["-A", "-n", "srv", "-t", "P,,", "-a", "-i", "rsa.pem", "-f", "pw"]);
    let before = f.state();
    let serial = openssl(&f, &["x509", "-noout", "-serial", "-in", "ca.pem"]);
    let serial = serial.trim().trim_start_matches("serial=").to_owned();
    let condition = format!("hex(NEW.a82) LIKE '%{serial}'");
    let said = import_where(&f, &["--replace"], "nssPublic", &condition).exits(14);
    assert_eq!(f.state(), before, "{said:?}");
    let list = f.certutil(&["-L", "-n", "srv", "-a"]).replace('\r', "");
    assert_eq!(list.trim(), String::from_utf8(f.read("rsa.pem")).unwrap().trim());
    import(&f, "srv.p12", &["--replace"]).exits(0);
    assert_eq!(f.certificates(), ["Test CA - LAB ,,", "srv u,u,u"]);
}

#[test]
fn a_number_of_iterations_that_is_none() {
    let f = usual();
    let mut file = f.read("srv.p12");
    let end = file.len() - 4;
    // 2048 becomes a negative number.
    assert_eq!(file[end..], [0x02, 0x02, 0x08, 0x00]);
    file[end + 2] = 0x88;
    f.write("srv.p12", file);
    refused(&f, "srv.p12", &[], 20, "number of iterations");
}

/// A link is followed, so the file behind it counts: it may be the only copy of a key.
#[test]
fn a_file_behind_a_link_is_not_replaced() {
    let f = usual();
    import(&f, "srv.p12", &[]).exits(0);
    let before = f.read("srv.p12");
    std::os::unix::fs::symlink("srv.p12", f.file("link.p12")).unwrap();
    export(&f, &["link.p12", "srv"]).exits(15);
    assert_eq!(f.read("srv.p12"), before);
    export(&f, &["link.p12", "srv", "--overwrite"]).exits(0);
    assert_ne!(f.read("srv.p12"), before);
    assert!(f.file("link.p12").is_symlink());
}

#[test]
fn control_characters_reach_no_database_and_no_terminal() {
    let f = material();
    by_openssl(&f, "evil.p12", "ec", &["-name", "a\u{1b}[2Jb"]);
    refused(&f, "evil.p12", &[], 2, "it holds a control character");
    let show = ["pkcs12", "show", "evil.p12", "--pkcs12-password-file", "p12pw"];
    let said = f.nss_cmc(&show).exits(0);
    assert!(said.out.contains(r"a\u{1b}[2Jb") && !said.out.contains('\u{1b}'), "{}", said.out);
    let text = ["pkcs12", "import", "evil.p12", "--nickname", "a\u{202e}b"];
    let said = f.nss_cmc(&[&text[..], &WITH].concat()).exits(0);
    assert!(said.out.contains(r"a\u{202e}b: key added"), "{}", said.out);
    let said = f.nss_cmc(&[&["pkcs12", "export", "x.p12", "a\u{202e}b"], &WITH[..]].concat());
    assert!(said.exits(0).out.contains(r"a\u{202e}b: key and"));
}

#[test]
fn a_part_that_can_t_be_read_is_told_with_the_file_s_name() {
    let f = material();
    let show = ["pkcs12", "show", "bad.p12", "--pkcs12-password-file", "p12pw"];
    let der = openssl::x509::X509::from_pem(&f.read("rsa.pem")).unwrap().to_der().unwrap();
    let pack = || by_openssl(&f, "bad.p12", "rsa", &["-certpbe", "NONE"]);
    pack();
    // The version becomes a part of nothing.
    let mut bad = der.clone();
    bad[8] = 0x1f;
    swap(&f, "bad.p12", &der, &bad);
    refused(&f, "bad.p12", &[], 20, "cannot read the PKCS #12 file bad.p12");
    let said = f.nss_cmc(&show).exits(20);
    assert!(said.err.contains("PKCS #12 file bad.p12: "), "{}", said.err);
    // A NUL in the friendly name.
    pack();
    swap(&f, "bad.p12", b"\0s\0r\0v", b"\0s\0\0\0v");
    refused(&f, "bad.p12", &[], 2, "cannot use a friendly name in the PKCS #12 file bad.p12");
    // Another name helps.
    import(&f, "bad.p12", &["--nickname", "srv"]).exits(0);
}

#[test]
fn a_friendly_name_of_any_length_is_told_in_short() {
    let f = material();
    let long = "n".repeat(3000);
    by_openssl(&f, "long.p12", "ec", &["-name", &long]);
    refused(&f, "long.p12", &[], 2, "it has 3000 characters, more than 255");
    let said = import(&f, "long.p12", &[]).exits(2);
    assert!(!said.out.contains(&long[..300]), "{}", said.out);
    let show = ["pkcs12", "show", "long.p12", "--pkcs12-password-file", "p12pw"];
    let said = f.nss_cmc(&show).exits(0);
    assert!(said.out.contains("nnn…") && !said.out.contains(&long[..300]), "{}", said.out);
    import(&f, "long.p12", &["--nickname", "srv"]).exits(0);
    assert_eq!(f.certificates(), ["srv u,u,u"]);
}

#[test]
fn a_key_derivation_without_end_is_not_begun() {
    let f = material();
    let more = ["-certpbe", "NONE", "-nomaciter", "-iter", "2000001"];
    by_openssl(&f, "slow.p12", "ec", &more);
    refused(&f, "slow.p12", &[], 20, "must be between 1 and 2000000");
    refused(&f, "slow.p12", &[], 20, "slow.p12");
}
