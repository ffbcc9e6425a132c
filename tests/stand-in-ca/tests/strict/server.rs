//! The stand-in CA as a process, with OpenSSL as its client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslConnector, SslMethod};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509NameBuilder, X509ReqBuilder};

/// A key and its certificate.
pub struct Holder {
    pub key: PKey<Private>,
    pub certificate: X509,
}

/// A running stand-in CA; stopped on drop.
pub struct Ca {
    dir: tempfile::TempDir,
    child: Child,
    port: u16,
}

/// The octets of an HTTP response.
pub struct Raw(Vec<u8>);

impl Raw {
    fn split(&self) -> (&[u8], &[u8]) {
        let at = self.0.windows(4).position(|w| w == b"\r\n\r\n").expect("headers") + 4;
        self.0.split_at(at)
    }

    /// Returns the status line and the headers.
    pub fn head(&self) -> String {
        String::from_utf8_lossy(self.split().0).trim_end_matches("\r\n").to_owned() + "\r\n"
    }

    pub fn body(&self) -> &[u8] {
        self.split().1
    }
}

/// A CMC response whose signature OpenSSL has verified.
pub struct Answer {
    /// The PKIResponse.
    pub content: Vec<u8>,
    /// In the response's order.
    pub certificates: Vec<Vec<u8>>,
}

impl Answer {
    /// Returns whether the response contains a text.
    pub fn says(&self, text: &str) -> bool {
        text.is_empty() || self.content.windows(text.len()).any(|w| w == text.as_bytes())
    }

    pub fn x509(&self) -> Vec<X509> {
        self.certificates.iter().map(|c| X509::from_der(c).unwrap()).collect()
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stand-in-ca"))
}

impl Ca {
    /// Makes and starts a CA; returns when it listens.
    pub fn start() -> Ca {
        let dir = tempfile::tempdir().unwrap();
        let status =
            program().args(["init", "--key-type", "ec", "--dir"]).arg(dir.path()).status().unwrap();
        assert!(status.success());
        let mut child = program()
            .args(["run", "--server-key-type", "ec", "--dir"])
            .arg(dir.path())
            .arg("--log")
            .arg(dir.path().join("log"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split("https://localhost:").nth(1).and_then(|l| l.split('/').next());
        let port = port.and_then(|p| p.parse().ok()).expect("a port in its first line");
        Ca { dir, child, port }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap()
    }

    fn holder(&self, name: &str, key: PKey<Private>, agent: bool) -> Holder {
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let mut request = X509ReqBuilder::new().unwrap();
        request.set_subject_name(&subject.build()).unwrap();
        request.set_pubkey(&key).unwrap();
        request.sign(&key, MessageDigest::sha256()).unwrap();
        std::fs::write(self.file("csr"), request.build().to_pem().unwrap()).unwrap();
        let mut sign = program();
        sign.arg("sign").arg("--dir").arg(self.dir.path()).arg("--csr").arg(self.file("csr"));
        sign.arg("--out").arg(self.file("cert"));
        if agent {
            sign.arg("--agent");
        }
        assert!(sign.status().unwrap().success());
        let certificate = X509::from_pem(&std::fs::read(self.file("cert")).unwrap()).unwrap();
        Holder { key, certificate }
    }

    /// Makes an agent with an RSA key.
    pub fn agent(&self, name: &str) -> Holder {
        self.holder(name, PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(), true)
    }

    /// Makes an agent with a P-256 key.
    pub fn ec_agent(&self, name: &str) -> Holder {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        self.holder(name, key, true)
    }

    /// Makes a user with a certificate, who is no agent.
    pub fn user(&self, name: &str) -> Holder {
        self.holder(name, PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(), false)
    }

    /// Sends octets over TLS, with a client certificate if given, and reads to the end.
    pub fn raw(&self, client: Option<&Holder>, request: &[u8]) -> Raw {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_ca_file(self.file("ca.pem")).unwrap();
        if let Some(holder) = client {
            connector.set_certificate(&holder.certificate).unwrap();
            connector.set_private_key(&holder.key).unwrap();
        }
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut stream = connector.build().connect("localhost", stream).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        // A server that has not read the whole body may reset the connection after its response.
        if let Err(e) = stream.read_to_end(&mut answer) {
            assert!(!answer.is_empty(), "{e}");
        }
        Raw(answer)
    }

    /// Posts a message for a server certificate, and reads the CMC response.
    #[track_caller]
    pub fn cmc(&self, client: Option<&Holder>, body: &[u8]) -> Answer {
        self.cmc_for("caCMCserverCert", client, body)
    }

    /// Runs a command of the stand-in on its folder; the secret is written to a file.
    #[track_caller]
    pub fn command(&self, args: &[&str], secret: &str) {
        std::fs::write(self.file("secret"), secret).unwrap();
        let mut command = program();
        command.args(args).arg("--dir").arg(self.dir.path());
        command.arg("--secret-file").arg(self.file("secret"));
        assert!(command.status().unwrap().success());
    }

    /// Returns the CA's certificate.
    pub fn certificate(&self) -> X509 {
        X509::from_pem(&std::fs::read(self.file("ca.pem")).unwrap()).unwrap()
    }

    /// Posts a message to a profile, and reads the CMC response.
    #[track_caller]
    pub fn cmc_for(&self, profile: &str, client: Option<&Holder>, body: &[u8]) -> Answer {
        let head = format!(
            "POST /ca/ee/ca/profileSubmitCMCFull?profileId={profile} HTTP/1.0\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let raw = self.raw(client, &[head.as_bytes(), body].concat());
        assert!(raw.head().contains("application/pkcs7-mime"), "{}", raw.head());
        let mut cms = CmsContentInfo::from_der(raw.body()).unwrap();
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(self.certificate()).unwrap();
        let mut content = Vec::new();
        // The signer is the CA's own certificate, which has no purpose but signing certificates.
        let options = CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY;
        cms.verify(
            Some(&Stack::<X509>::new().unwrap()),
            Some(&store.build()),
            None,
            Some(&mut content),
            options,
        )
        .unwrap();
        Answer { content, certificates: certificates(raw.body()) }
    }
}

/// Returns the certificates of a SignedData, in its order.
fn certificates(message: &[u8]) -> Vec<Vec<u8>> {
    /// Splits off an element: tag, content, rest.
    fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
        let (length, start) = match der[1] {
            n @ 0..128 => (usize::from(n), 2),
            n => {
                let count = usize::from(n & 0x7f);
                let octets = &der[2..2 + count];
                (octets.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)), 2 + count)
            }
        };
        (der[0], &der[start..start + length], &der[start + length..])
    }
    let info = element(message).1;
    let explicit = element(element(info).2).1;
    let mut rest = element(explicit).1;
    while !rest.is_empty() {
        let (tag, mut content, after) = element(rest);
        if tag == 0xa0 {
            let mut found = Vec::new();
            while !content.is_empty() {
                let after = element(content).2;
                found.push(content[..content.len() - after.len()].to_vec());
                content = after;
            }
            return found;
        }
        rest = after;
    }
    Vec::new()
}

impl Drop for Ca {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
