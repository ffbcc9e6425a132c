//! The line that the systemd unit starts, on the real CA: three certificates that end soon, one of them
//! in SoftHSM, one with trust flags for audit signing. The CA's key has signed the old ones with a
//! shorter validity than its profiles give. The judges are certutil, openssl and the CA's records.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::common::dogtag::{client_file, folder, helper, in_chroot, url};
use super::common::{Said, run, tool};
use super::modern::unique;
use super::{Folder, PASSWORD};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";
const UNIT: &str = include_str!("../../contrib/systemd/nss-cmc-renew.service");

/// A certificate to be renewed: nickname, token, profile, keyUsage and extKeyUsage.
const OLD: [(&str, &str, &str, &str, Option<&str>); 3] = [
    ("audit", "internal", "caCMCauditSigningCert", "digitalSignature,nonRepudiation", None),
    ("hsm", "HSM", "caCMCECserverCert", "digitalSignature,keyAgreement", Some("serverAuth")),
    (
        "user",
        "internal",
        "caECFullCMCUserCert",
        "digitalSignature,nonRepudiation",
        Some("clientAuth,emailProtection"),
    ),
];

struct Lab(Folder);

impl Lab {
    fn command(&self, program: &str, args: &[&str]) -> Said {
        run(self.process(program).args(args))
    }

    fn process(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env("SOFTHSM2_CONF", self.0.file("softhsm.conf"))
            .env("NSS_CMC_CONFIG", self.0.file("nss-cmc.ini"))
            .env_remove("NSS_CMC_OUTPUT");
        command
    }

    fn certutil(&self, args: &[&str]) -> String {
        let all = [args, &["-d", "sql:db", "-f", "theirs"]].concat();
        self.command("certutil", &all).exits(0).out
    }

    fn listed(&self, nickname: &str) -> Vec<String> {
        let list = self.certutil(&["-L", "-h", "all"]);
        let lines = list.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|l| l.starts_with(&format!("{nickname} "))).collect()
    }

    /// Makes a key, and a certificate for it that ends in a month.
    fn make(&self, number: usize) -> String {
        let (nickname, token, _, usage, purposes) = OLD[number];
        let f = &self.0;
        let subject = format!("CN={}.lab.test,O=LAB", unique(&format!("renew-{nickname}")));
        let token = if token == "internal" { "NSS Certificate DB" } else { token };
        f.write("noise", [number as u8; 64]);
        let key = ["-R", "-h", token, "-k", "ec", "-q", "nistp256", "-s", &subject, "-a"];
        self.certutil(&[&key[..], &["-z", "noise", "-o", "one.csr"]].concat());
        let ca = ["-d", "sql:/etc/pki/pki-tomcat/alias", "-f", "pw", "-c", "ca_signing", "-v", "1"];
        let serial = format!("{}", 0x7000_0000 + std::process::id() * 4 + number as u32);
        let what = ["-a", "-i", "one.csr", "-o", "one.pem", "-m", &serial, "--keyUsage", usage];
        let mut sign = [&["certutil", "-C"], &ca[..], &what].concat();
        sign.extend(purposes.iter().flat_map(|purposes| ["--extKeyUsage", purposes]));
        in_chroot(f, &sign).exits(0);
        // In another token certutil fails to set the trust, after it has stored the certificate.
        let add = ["-A", "-h", token, "-n", nickname, "-t", ",,", "-a", "-i", "one.pem"];
        self.command("certutil", &[&add[..], &["-d", "sql:db", "-f", "theirs"]].concat());
        subject
    }

    /// Runs the unit's line; `more` is for the output.
    fn start(&self, more: &[&str]) -> Said {
        let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("/usr/bin/nss-cmc"));
        // It names no file: the variable does.
        assert!(UNIT.contains("\nEnvironment=NSS_CMC_CONFIG=/etc/nss-cmc.ini\n"));
        run(self.process(env!("CARGO_BIN_EXE_nss-cmc")).args(words).args(more))
    }

    fn bytes(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.0.file("db")).unwrap() {
            let path = entry.unwrap().path();
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
        files.sort();
        files
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_unit_renews_what_is_due_and_then_nothing() {
    assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
    let lab = Lab(folder("renew-unit"));
    let f = &lab.0;
    std::fs::create_dir(f.file("tokens")).unwrap();
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
    let new = ["--init-token", "--free", "--label", "HSM", "--so-pin", "0000", "--pin", PIN];
    lab.command("softhsm2-util", &new).exits(0);
    let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
    lab.command("modutil", &add).exits(0);
    f.write_secret("pins", format!("internal:{PASSWORD}\nHSM:{PIN}\n"));
    f.write_secret("theirs", format!("NSS Certificate DB:{PASSWORD}\nHSM:{PIN}\n"));
    let subjects = [0, 1, 2].map(|number| lab.make(number));
    lab.certutil(&["-M", "-n", "audit", "-t", "u,u,Pu"]);
    f.write("hook", "echo \"$NSS_CMC_NICKNAME $NSS_CMC_SERIAL\" >> \"$1\"\n");
    let mut config = format!("[defaults]\nca = lab\n[lab]\nurl = {}\nsigner = caadmin\n", url());
    let dir = f.path().display();
    for (nickname, token, profile, ..) in OLD {
        config += &format!(
            "[certificate {nickname}]\ndatabase = {dir}/db\npassword-file = {dir}/pins\n\
             token = {token}\nprofile = {profile}\nrenew-before = 60d\n\
             exec = /bin/sh {dir}/hook {dir}/ran\n"
        );
    }
    f.write_secret("nss-cmc.ini", config);

    let said: Value = lab.start(&["--output", "json"]).exits(0).json();
    assert_eq!(said["status"], "renewed", "{said:#}");
    assert_eq!(said["warnings"], serde_json::json!([]), "{said:#}");
    let all = said["result"]["certificates"].as_array().unwrap();
    let mut calls = Vec::new();
    for (one, subject) in all.iter().zip(&subjects) {
        assert_eq!((&one["status"], &one["exec"]), (&"renewed".into(), &"succeeded".into()));
        let certificate = &one["certificate"];
        assert_eq!(certificate["subject"].as_str(), Some(subject.as_str()));
        f.write("new.pem", certificate["pem"].as_str().unwrap());
        let ca = client_file("ca_signing.pem");
        tool("openssl", f.path(), &["verify", "-CAfile", ca.to_str().unwrap(), "new.pem"]);
        // 100 days
        tool("openssl", f.path(), &["x509", "-in", "new.pem", "-noout", "-checkend", "8640000"]);
        let serial = certificate["serial"]["hex"].as_str().unwrap();
        assert_eq!(helper(f, "shown.sh", &[serial]).trim(), "VALID");
        calls.push(format!("{} {serial}", one["nickname"].as_str().unwrap()));
    }
    assert_eq!(calls.len(), 3);
    assert_eq!(all[0]["trust_kept"], "u,u,Pu");
    assert_eq!(lab.listed("audit"), ["audit u,u,Pu"; 2]);
    assert_eq!((lab.listed("HSM:hsm").len(), lab.listed("user").len()), (2, 2));
    let ran = || String::from_utf8(f.read("ran")).unwrap();
    assert_eq!(ran().lines().collect::<Vec<_>>(), calls);

    let before = lab.bytes();
    let said = lab.start(&[]).exits(0);
    assert!(said.out.starts_with("nothing to do for 3 certificates\n"), "{}", said.out);
    assert!(before == lab.bytes(), "the second run changed the database");
    assert_eq!(ran().lines().count(), 3);
}
