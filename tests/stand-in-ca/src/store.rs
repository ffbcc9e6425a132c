//! What the CA keeps in its folder: keys, certificates, agents, what it issued.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::certs::{self, Template};
use crate::element::Refused;
use crate::keys::Key;

/// The folder.
pub struct Store {
    dir: PathBuf,
}

/// A key and its certificate.
pub struct Pair {
    pub key: Key,
    pub certificate: Vec<u8>,
}

impl Store {
    /// Opens the folder; makes the CA on first use.
    pub fn open(dir: &Path, ec: bool) -> Result<Store, Refused> {
        fs::create_dir_all(dir.join("agents")).map_err(|e| format!("{}: {e}", dir.display()))?;
        let store = Store { dir: dir.to_owned() };
        if !store.file("ca.der").exists() {
            let key = Key::generate(ec)?;
            let spki = key.spki()?;
            let name = certs::name("CA Signing Certificate", Some("STAND-IN"));
            let mut extensions = certs::ca_extensions(&spki);
            extensions.push(certs::key_usage(&[0, 1, 5, 6]));
            let certificate = certs::issue(
                &Template {
                    serial: &[1],
                    issuer: &name,
                    subject: &name,
                    spki: &spki,
                    days: (-1, 7000),
                    extensions,
                },
                &key,
            )?;
            store.write("ca.key", &key.to_pkcs8()?)?;
            store.write("ca.pem", pem(&certificate)?.as_bytes())?;
            store.write("ca.der", &certificate)?;
        }
        Ok(store)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Refused> {
        fs::read(self.file(name)).map_err(|e| format!("{name}: {e}"))
    }

    /// Writes a file whole.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Refused> {
        let failed = |e: std::io::Error| format!("{name}: {e}");
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.persist(self.file(name)).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Removes a file that may be there.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).ok();
    }

    /// The CA's key and certificate.
    pub fn ca(&self) -> Result<Pair, Refused> {
        Ok(Pair { key: Key::from_pkcs8(&self.read("ca.key")?)?, certificate: self.read("ca.der")? })
    }

    /// A TLS server's key and certificate.
    pub fn server(&self, name: &str, ec: bool) -> Result<Pair, Refused> {
        let key = Key::generate(ec)?;
        let addresses: &[[u8; 4]] = if name == "localhost" { &[[127, 0, 0, 1]] } else { &[] };
        let extensions = vec![
            certs::key_usage(&[0, 2]),
            certs::ext_key_usage(&["1.3.6.1.5.5.7.3.1"]),
            certs::alt_names(&[name], addresses),
        ];
        let spki = key.spki()?;
        let certificate = self.issue(&certs::name(name, None), &spki, (-1, 700), extensions)?;
        Ok(Pair { key, certificate })
    }

    /// Issues a certificate and records it.
    pub fn issue(
        &self,
        subject: &[u8],
        spki: &[u8],
        days: (i64, i64),
        mut extensions: Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, Refused> {
        let ca = self.ca()?;
        let own = certs::parts(&ca.certificate)?;
        let issued = fs::read_to_string(self.file("issued")).unwrap_or_default();
        let serial = (issued.lines().count() as u32 + 2).to_be_bytes();
        extensions.insert(0, certs::authority_key_identifier(own.spki));
        let template =
            Template { serial: &serial, issuer: own.subject, subject, spki, days, extensions };
        let certificate = certs::issue(&template, &ca.key)?;
        let serial = u32::from_be_bytes(serial);
        let line = format!("0x{serial:x} VALID {}\n", certs::name_text(subject));
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.file("issued"))
            .map_err(|e| e.to_string())?;
        file.write_all(line.as_bytes()).map_err(|e| e.to_string())?;
        Ok(certificate)
    }

    /// What was issued: serial number, status, subject; a line each.
    pub fn issued(&self) -> String {
        fs::read_to_string(self.file("issued")).unwrap_or_default()
    }

    /// Makes the holder of a certificate an agent.
    pub fn add_agent(&self, certificate: &[u8]) -> Result<(), Refused> {
        let serial = certs::parts(certificate)?.serial;
        let name: String = serial.iter().map(|b| format!("{b:02x}")).collect();
        self.write(&format!("agents/{name}.der"), certificate)
    }

    /// Whether the holder of a certificate is an agent.
    pub fn is_agent(&self, certificate: &[u8]) -> bool {
        let entries = fs::read_dir(self.file("agents")).into_iter().flatten().flatten();
        entries.filter_map(|e| fs::read(e.path()).ok()).any(|known| known == certificate)
    }
}

/// A certificate as PEM.
pub fn pem(der: &[u8]) -> Result<String, Refused> {
    pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, der)
        .map_err(|e| e.to_string())
}
