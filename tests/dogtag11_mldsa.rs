//! ML-DSA and ML-KEM with a real Dogtag 11.10: this machine's program runs in the CA's chroot, whose
//! NSS and OpenSSL have both. `#[ignore]`d; each test says so and succeeds where the chroot, or the
//! second CA, whose own key is ML-DSA-65, is not up.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Folder, PASSWORD, Said, run};

const RSA_CA: &str = "https://ca11.lab.test:9443";
const ML_DSA_CA: &str = "https://ca11.lab.test:10443";
const PROFILE: &str = "caCMCMLDSAserverCert";

/// A folder that has the same path inside and outside of the chroot, with this program in it.
struct Chroot {
    root: PathBuf,
    folder: Folder,
    url: &'static str,
}

impl Chroot {
    /// Returns a folder with a copy of the agent's database for a CA; `None`, with a message, when
    /// the CA isn't up.
    fn of(url: &'static str, name: &str) -> Option<Chroot> {
        let base = std::env::var_os("DOGTAG11_BASE").unwrap_or_else(|| "/opt/dogtag11-lab".into());
        let base = PathBuf::from(base);
        let (from, root) = match url {
            RSA_CA => (base.join("work/client/nssdb"), base.join("root")),
            _ => (base.join("work/mldsa-ca/nssdb"), base.join("root")),
        };
        let missing = |what: &str| {
            eprintln!("skipped: {what}");
            None
        };
        if TcpStream::connect(url.trim_start_matches("https://")).is_err() {
            return missing(&format!("no CA at {url}"));
        }
        if !root.join("usr/lib/x86_64-linux-gnu/libcurl.so.4").exists() || !from.exists() {
            return missing("the chroot of Dogtag 11.10 lacks libcurl or the agent's database");
        }
        let dir = base.join("work/tests").join(format!("mldsa-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&dir).ok();
        let folder = Folder::at(dir);
        folder.write_secret("pw", format!("{PASSWORD}\n"));
        std::fs::copy(env!("CARGO_BIN_EXE_nss-cmc"), folder.file("nss-cmc")).unwrap();
        let db = folder.file("db");
        common::tool("cp", Path::new("/"), &["-r", from.to_str().unwrap(), db.to_str().unwrap()]);
        Some(Chroot { root, folder, url })
    }

    /// Runs a command in the folder, inside.
    #[track_caller]
    fn run(&self, words: &[&str]) -> Said {
        let enter = "cd \"$0\" && exec \"$@\"";
        let mut command = Command::new("chroot");
        command.env_clear().envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root")]);
        command.env("LC_ALL", "C.UTF-8").arg(&self.root).args(["/bin/sh", "-c", enter]);
        run(command.arg(self.folder.path()).args(words))
    }

    #[track_caller]
    fn nss_cmc(&self, words: &[&str]) -> Said {
        self.run(&[&["./nss-cmc"], words].concat())
    }

    /// Enrolls with the agent's certificate `signer`.
    #[track_caller]
    fn enroll(&self, signer: &str, profile: &str, kind: &str, nickname: &str) -> Said {
        let subject = format!("CN={nickname}.lab.test,O=LAB");
        let common = ["enroll", "-d", "db", "--password-file", "pw", "--ca", self.url];
        let who = ["--profile", profile, "--signer", signer, "--subject", &subject];
        self.nss_cmc(&[&common[..], &who, &["--nickname", nickname, "--key-type", kind]].concat())
    }

    /// Returns OpenSSL's text of a certificate in the database.
    fn text(&self, nickname: &str) -> String {
        let read = format!("certutil -L -d sql:db -n {nickname} -a | openssl x509 -noout -text");
        self.run(&["sh", "-c", &read]).exits(0).out
    }

    /// Sends a CRMF request by the old names; returns what CMCResponse says.
    fn send_crmf(&self, file: &str) -> Said {
        let dir = self.folder.path().display();
        let common = format!("dbdir={dir}/db\npassword={PASSWORD}\ntokenname=internal\n");
        let port = self.url.rsplit(':').next().unwrap();
        let files = format!("format=crmf\ninput={file}\noutput=r.cmc\n");
        let request = format!("{common}numRequests=1\nnickname=caadmin\n{files}");
        self.folder.write_secret("r.cfg", request);
        let servlet = format!("/ca/ee/ca/profileSubmitCMCFull?profileId={PROFILE}");
        let server = format!("host=ca11.lab.test\nport={port}\nsecure=true\nclientmode=true\n");
        let files = format!("nickname=caadmin\nservlet={servlet}\ninput=r.cmc\noutput=r.resp\n");
        self.folder.write_secret("h.cfg", format!("{common}{server}{files}"));
        self.nss_cmc(&["CMCRequest", "r.cfg"]).exits(0);
        self.nss_cmc(&["HttpClient", "h.cfg"]).exits(0);
        self.nss_cmc(&["CMCResponse", "-d", "db", "-i", "r.resp", "-o", "r.p7"])
    }
}

#[test]
#[ignore = "needs Dogtag 11.10"]
fn every_ml_dsa_key_is_certified_by_both_cas() {
    for (url, name) in [(RSA_CA, "rsa"), (ML_DSA_CA, "mldsa")] {
        let Some(c) = Chroot::of(url, name) else { continue };
        for set in ["44", "65", "87"] {
            let nickname = format!("m{set}");
            let said = c.enroll("caadmin", PROFILE, &format!("mldsa:{set}"), &nickname).exits(0);
            assert!(said.out.contains("issued CN="), "{}", said.out);
            let key = format!("Public Key Algorithm: ML-DSA-{set}");
            assert!(c.text(&nickname).contains(&key), "{set}");
            // CRMF, with proof of possession by signature.
            let file = format!("c{set}.req");
            let make = ["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-a", "mldsa", "-l", set];
            c.nss_cmc(&[&make[..], &["-n", "CN=crmf,O=LAB", "-o", &file]].concat()).exits(0);
            let said = c.send_crmf(&file).exits(0);
            assert!(said.out.contains("Status: SUCCESS"), "{}", said.out);
            assert_eq!(said.err, "the signature is valid and the signer is trusted\n");
        }
    }
}

#[test]
#[ignore = "needs Dogtag 11.10"]
fn an_ml_dsa_ca_certifies_rsa_and_ec_keys() {
    let Some(c) = Chroot::of(ML_DSA_CA, "others") else { return };
    let kinds = [("caCMCserverCert", "rsa:2048", "r"), ("caCMCECserverCert", "ec:nistp384", "e")];
    for (profile, kind, nickname) in kinds {
        c.enroll("caadmin", profile, kind, nickname).exits(0);
        assert!(c.text(nickname).contains("Signature Algorithm: ML-DSA-65"), "{kind}");
        c.nss_cmc(&["cert", "verify", "-d", "db", nickname]).exits(0);
    }
}

/// The agent's certificate comes from a profile without CMC, by Dogtag's `pki`.
#[test]
#[ignore = "needs Dogtag 11.10"]
fn an_agent_with_an_ml_dsa_key_signs_messages_and_handshakes() {
    let Some(c) = Chroot::of(ML_DSA_CA, "agent") else { return };
    let pki = |words: &[&str]| {
        let login = ["pki", "-U", ML_DSA_CA, "-d", "db", "-c", PASSWORD, "-n", "caadmin"];
        c.run(&[&login[..], words].concat())
    };
    let profile = "caMLDSAUserCert";
    pki(&["ca-profile-enable", profile]);
    let uid = format!("agent{}", std::process::id());
    let subject = format!("UID={uid},O=LAB");
    let make = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", &subject];
    c.nss_cmc(&[&make[..], &["--key-type", "mldsa:65", "--out", "a.csr"]].concat()).exits(0);
    let ask = ["ca-cert-request-submit", "--profile", profile, "--csr-file", "a.csr"];
    let field = |said: &Said, name: &str| {
        let line = said.out.lines().find_map(|l| l.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {} {}", said.out, said.err)).to_owned()
    };
    let said = pki(&[&ask[..], &["--subject", &subject]].concat()).exits(0);
    let request = field(&said, "Request ID: ");
    let said = pki(&["ca-cert-request-approve", &request, "--force"]).exits(0);
    let serial = field(&said, "Certificate ID: ");
    pki(&["ca-cert-export", &serial, "--output-file", "a.pem"]).exits(0);
    let store = ["certutil", "-A", "-d", "sql:db", "-f", "pw", "-n", "agent", "-t", ",,"];
    c.run(&[&store[..], &["-i", "a.pem"]].concat()).exits(0);
    pki(&["ca-user-add", &uid, "--full-name", &uid]).exits(0);
    pki(&["ca-user-cert-add", &uid, "--input", "a.pem"]).exits(0);
    pki(&["ca-user-membership-add", &uid, "Certificate Manager Agents"]).exits(0);
    for (profile, kind, nickname) in
        [("caCMCserverCert", "rsa:2048", "r"), (PROFILE, "mldsa:87", "m")]
    {
        c.enroll("agent", profile, kind, nickname).exits(0);
    }
    pki(&["ca-user-del", &uid]).exits(0);
}

#[test]
#[ignore = "needs Dogtag 11.10"]
fn ml_kem_requests_are_dogtag_s_and_enroll_refuses_them() {
    let Some(c) = Chroot::of(RSA_CA, "kem") else { return };
    for (set, bits) in [("512", "800"), ("768", "1184"), ("1024", "1568")] {
        let file = format!("k{set}.req");
        let make = ["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-a", "mlkem", "-l", set];
        c.nss_cmc(&[&make[..], &["-n", "UID=kem", "-o", &file]].concat()).exits(0);
        let text = c.run(&["openssl", "asn1parse", "-in", &file]).exits(0).out;
        // The public key (a BIT STRING has one octet more), and nothing after the CertRequest.
        let length: usize = bits.parse().unwrap();
        assert!(text.contains(&format!("ML-KEM-{set}")), "{text}");
        assert!(text.contains(&format!("{} prim: BIT STRING", length + 1)), "{text}");
        assert_eq!(text.matches("BIT STRING").count(), 1, "{text}");
    }
    let said = c.enroll("caadmin", "caCMCserverCert", "mlkem:768", "kem").exits(2);
    assert!(said.err.contains("cannot enroll with an mlkem:768 key"), "{}", said.err);
    assert_eq!(c.run(&["certutil", "-L", "-d", "sql:db", "-n", "kem"]).code, 255);
}
