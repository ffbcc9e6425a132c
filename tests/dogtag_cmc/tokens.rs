//! Encrypted shared secrets, made by either command and by Java: the CA decrypts them all. The LDIF
//! is added to the directory as printed.

use super::common::dogtag::{client_file, folder, helper, in_chroot, ldap};
use super::common::{PASSWORD, Said};
use super::revoke::ISSUER;
use super::{By, Folder, USER_SIGNED, cfg, old_name, send, shown, user, verb};

const PEOPLE: &str = "ou=people,dc=lab,dc=test";
const SUFFIX: &str = "dc=ca,dc=pki,dc=lab,dc=test";

fn bind() -> [&'static str; 7] {
    ["-x", "-H", ldap(), "-D", "cn=Directory Manager", "-w", PASSWORD]
}

/// Runs ldapmodify as the directory manager.
#[track_caller]
fn modify(f: &Folder, ldif: &str) {
    f.write("change.ldif", ldif);
    in_chroot(f, &[&["ldapmodify"], &bind()[..], &["-f", "change.ldif"]].concat()).exits(0);
}

/// Adds a user without secret to the directory.
fn person(f: &Folder, uid: &str) {
    modify(
        f,
        &format!(
            "dn: uid={uid},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\n\
             objectClass: extensibleObject\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
        ),
    );
}

/// Removes the user on drop, even if the test failed.
struct Gone<'a>(&'a Folder, String);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        // Without assertion: a second panic would end all tests.
        let dn = format!("uid={},{PEOPLE}", self.1);
        in_chroot(self.0, &[&["ldapdelete"], &bind()[..], &[&dn]].concat());
    }
}

/// Runs `enroll` with the shared secret.
fn enroll(f: &Folder, uid: &str) -> Said {
    let who = ["--profile", "caECFullCMCSharedTokenCert", "--identification", uid];
    let secret = ["--shared-secret-file", "secret", "--key-type", "ec:nistp256"];
    let what = ["--subject", "CN=x", "--nickname", uid, "--force"];
    verb(f, "enroll", &[&who[..], &secret, &what].concat())
}

#[track_caller]
fn ldif(said: &Said) -> String {
    said.json()["result"]["ldif"].as_str().unwrap().to_owned()
}

/// Runs `nss-cmc shared-token` with JSON output.
#[track_caller]
fn shared_token(f: &Folder, args: &[&str]) -> Said {
    let common = ["shared-token", "--output", "json", "--shared-secret-file", "secret"];
    f.nss_cmc(&[&common[..], args].concat()).exits(0)
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_ldif_makes_enroll_succeed() {
    let f = folder("token-user");
    let uid = super::modern::unique("tok");
    person(&f, &uid);
    let _gone = Gone(&f, uid.clone());
    f.write("secret", "not yet known\n");
    let report = enroll(&f, &uid).exits(40).json();
    assert_eq!(report["error"]["cmc"]["fail_info"], "badIdentity");

    let cert = client_file("ca_issuance_protection.pem");
    let cert = cert.to_str().unwrap();
    let entry = format!("uid={uid},{PEOPLE}");
    // By file and by nickname, for a uid and for a DN; each time another secret.
    for (secret, args) in [
        ("first secret", &["--cert", cert, "--uid", &uid, "--base", PEOPLE][..]),
        ("second", &["-d", "db", "--nickname", "ca_issuance_protection", "--dn", &entry]),
        (&"long ".repeat(40), &["--cert", cert, "--dn", &entry]),
    ] {
        f.write("secret", format!("{secret}\n"));
        enroll(&f, &uid).exits(40);
        let said = shared_token(&f, args);
        assert!(!said.out.contains(secret.trim()), "{}", said.out);
        modify(&f, &ldif(&said));
        let report = enroll(&f, &uid).exits(0).json();
        let subject = report["result"]["certificate"]["subject"].as_str().unwrap();
        assert_eq!(subject, format!("UID={uid},OU=people,DC=lab,DC=test"));
    }
    // ldapmodify accepts the text output.
    f.write("secret", "as text\n");
    let args = ["shared-token", "--shared-secret-file", "secret", "--cert", cert, "--dn", &entry];
    let said = f.nss_cmc(&args).exits(0);
    modify(&f, said.out.split_once("\n\n").unwrap().1);
    enroll(&f, &uid).exits(0);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_ldif_for_a_certificate_s_record_makes_revocation_succeed() {
    let f = folder("token-record");
    let serial = user(&f, "recorded", "ec:nistp256");
    f.write("secret", "revocation secret\n");
    let revoke = ["--serial", &serial, "--issuer", ISSUER, "--shared-secret-file", "secret"];
    let report = verb(&f, "revoke", &revoke).exits(40).json();
    assert_eq!(report["error"]["cmc"]["fail_info"], "badIdentity");
    let cert = client_file("ca_issuance_protection.pem");
    let hex = format!("0x{:x}", serial.parse::<u128>().unwrap());
    let args = ["--cert", cert.to_str().unwrap(), "--serial", &hex, "--base", SUFFIX];
    modify(&f, &ldif(&shared_token(&f, &args)));
    verb(&f, "revoke", &revoke).exits(0);
    assert!(helper(&f, "shown.sh", &[&serial]).starts_with("REVOKED 0"));
}

/// CMCSharedToken of either implementation, with the file and with the database.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn cmcsharedtoken_ours_and_java_s() {
    let f = folder("token-old");
    let uid = super::modern::unique("old");
    person(&f, &uid);
    let _gone = Gone(&f, uid.clone());
    let cert = client_file("ca_issuance_protection.pem");
    std::fs::copy(cert, f.file("cert.pem")).unwrap();
    for (by, secret, from) in [
        (By::Us, "ours by file", ["-b", "cert.pem"]),
        (By::Us, "ours by nickname", ["-n", "ca_issuance_protection"]),
        (By::Java, "java's", ["-n", "ca_issuance_protection"]),
    ] {
        f.write("secret", format!("{secret}\n"));
        let before = f.certificates();
        let args = ["CMCSharedToken", "-d", "db", "-p", PASSWORD, "-s", secret, "-o", "token"];
        let said = old_name(&f, by, &[&args[..], &from].concat()).exits(0);
        assert!(said.out.contains("\nEncrypted Secret Data:\n"), "{}", said.out);
        assert!(said.out.contains("Storing Base64 secret data into"), "{}", said.out);
        assert_eq!(f.certificates(), before);
        // Lines of 76 characters with CR LF, the last one too.
        let text = String::from_utf8(f.read("token")).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!((lines[0].len(), *lines.last().unwrap()), (76, ""), "{by:?}: {text}");
        let value = lines.concat();
        let entry = format!("dn: uid={uid},{PEOPLE}\nchangetype: modify\nreplace: shrTok\n");
        modify(&f, &format!("{entry}shrTok: {value}\n"));
        let report = enroll(&f, &uid).exits(0).json();
        let before = before.iter().any(|line| line.starts_with(&format!("{uid} ")));
        let status = if before { "renewed" } else { "issued" };
        assert_eq!(report["status"], status, "{by:?}");
    }
    // CMCRequest revokes with the token of CMCSharedToken.
    let serial = user(&f, "oldrec", "ec:nistp256");
    let args = ["CMCSharedToken", "-s", "rev", "-b", "cert.pem", "-o", "token", "--single-line"];
    f.nss_cmc(&args).exits(0);
    let value = String::from_utf8(f.read("token")).unwrap();
    let record = format!("cn={serial},ou=certificateRepository,ou=ca,{SUFFIX}");
    let change = format!("dn: {record}\nchangetype: modify\nadd: metaInfo\n");
    modify(&f, &format!("{change}metaInfo: revShrTok:{value}"));
    let serial_line = format!("revRequest.serial={serial}");
    let issuer = format!("revRequest.issuer={ISSUER}");
    let lines = ["revRequest.enable=true", "revRequest.reason=superseded", &serial_line, &issuer];
    cfg(&f, &[&lines[..], &["revRequest.sharedSecret=rev"]].concat());
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    send(&f, By::Us, &format!("{USER_SIGNED}caFullCMCUserSignedCert"), None);
    shown(&f, By::Us).exits(0);
    assert!(helper(&f, "shown.sh", &[&serial]).starts_with("REVOKED 4"));
}
