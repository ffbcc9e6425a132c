//! The CA's folder: keys, certificates, agents, issued certificates.

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
        for folder in ["agents", "certs", "users", "secrets"] {
            fs::create_dir_all(dir.join(folder)).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
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
            store.write("certs/1.der", &certificate)?;
            store.write("own", b"1\n")?;
            let line = format!("0x1 VALID {}\n", certs::name_text(&name));
            store.write("issued", line.as_bytes())?;
        }
        Ok(store)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Refused> {
        fs::read(self.file(name)).map_err(|e| format!("{name}: {e}"))
    }

    /// Writes a whole file.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Refused> {
        let failed = |e: std::io::Error| format!("{name}: {e}");
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.persist(self.file(name)).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Removes a file, if it exists.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).ok();
    }

    /// Returns the CA's key and certificate.
    pub fn ca(&self) -> Result<Pair, Refused> {
        Ok(Pair { key: Key::from_pkcs8(&self.read("ca.key")?)?, certificate: self.read("ca.der")? })
    }

    /// Returns a TLS server's key and certificate.
    pub fn server(&self, name: &str, ec: bool) -> Result<Pair, Refused> {
        let key = Key::generate(ec)?;
        let addresses: &[[u8; 4]] = if name == "localhost" { &[[127, 0, 0, 1]] } else { &[] };
        let extensions = vec![
            certs::key_usage(&[0, 2]),
            certs::ext_key_usage(&["1.3.6.1.5.5.7.3.1"]),
            certs::alt_names(&[name], addresses),
        ];
        let spki = key.spki()?;
        let certificate = self.issue_own(&certs::name(name, None), &spki, extensions)?;
        Ok(Pair { key, certificate })
    }

    /// Issues a certificate for the CA's own use, marked in its records.
    pub fn issue_own(
        &self,
        subject: &[u8],
        spki: &[u8],
        extensions: Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, Refused> {
        let certificate = self.issue(subject, spki, (-1, 700), extensions)?;
        let serial = number(certs::parts(&certificate)?.serial).ok_or("no serial number")?;
        let own = fs::read_to_string(self.file("own")).unwrap_or_default();
        self.write("own", format!("{own}{serial:x}\n").as_bytes())?;
        Ok(certificate)
    }

    /// Returns whether a certificate is for the CA's own use.
    pub fn is_own(&self, serial: u32) -> bool {
        let own = fs::read_to_string(self.file("own")).unwrap_or_default();
        own.lines().any(|line| line == format!("{serial:x}"))
    }

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
        let serial = (issued.lines().count() as u32 + 1).to_be_bytes();
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
        self.write(&format!("certs/{serial:x}.der"), &certificate)?;
        Ok(certificate)
    }

    /// Returns the certificate with a serial number (content octets of the INTEGER), if it was
    /// issued here.
    pub fn certificate(&self, serial: &[u8]) -> Option<Vec<u8>> {
        self.read(&format!("certs/{:x}.der", number(serial)?)).ok()
    }

    /// Returns whether a certificate was issued for a key.
    pub fn has_certified(&self, spki: &[u8]) -> bool {
        let entries = fs::read_dir(self.file("certs")).into_iter().flatten().flatten();
        entries
            .filter_map(|e| fs::read(e.path()).ok())
            .any(|der| certs::parts(&der).is_ok_and(|p| p.spki == spki))
    }

    /// Returns whether a certificate is revoked.
    pub fn is_revoked(&self, serial: &[u8]) -> bool {
        let Some(number) = number(serial) else { return false };
        self.issued().lines().any(|l| l.starts_with(&format!("0x{number:x} REVOKED")))
    }

    /// Revokes a certificate and records the reason.
    pub fn revoke(&self, serial: &[u8], reason: u8) -> Result<(), Refused> {
        let valid = format!("0x{:x} VALID", number(serial).ok_or("no serial number")?);
        let revoked = valid.replace("VALID", &format!("REVOKED {reason}"));
        let change = |line: &str| match line.strip_prefix(&valid) {
            Some(rest) if rest.starts_with(' ') => format!("{revoked}{rest}\n"),
            _ => format!("{line}\n"),
        };
        let lines: String = self.issued().lines().map(change).collect();
        self.write("issued", lines.as_bytes())
    }

    /// Takes a certificate off hold; a certificate in another state is not changed.
    pub fn release(&self, serial: u32) -> Result<(), Refused> {
        let held = format!("0x{serial:x} REVOKED 6 ");
        let change = |line: &str| match line.strip_prefix(&held) {
            Some(subject) => format!("0x{serial:x} VALID {subject}\n"),
            None => format!("{line}\n"),
        };
        let lines: String = self.issued().lines().map(change).collect();
        self.write("issued", lines.as_bytes())
    }

    /// Stores the secret that revokes a certificate.
    pub fn set_revocation_secret(&self, serial: u32, secret: &[u8]) -> Result<(), Refused> {
        self.write(&format!("secrets/{serial:x}"), secret)
    }

    /// Returns the secret that revokes a certificate.
    pub fn revocation_secret(&self, serial: &[u8]) -> Option<Vec<u8>> {
        self.read(&format!("secrets/{:x}", number(serial)?)).ok()
    }

    /// Adds a user: the name in the directory and the shared secret.
    pub fn add_user(&self, uid: &str, name: &[u8], secret: &[u8]) -> Result<(), Refused> {
        if !plain(uid) {
            return Err(format!("{uid:?} is no user id"));
        }
        self.write(&format!("users/{uid}.name"), name)?;
        self.write(&format!("users/{uid}.secret"), secret)
    }

    /// Returns a user's name and secret, by the exact uid.
    pub fn user(&self, uid: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        if !plain(uid) {
            return None;
        }
        let name = self.read(&format!("users/{uid}.name")).ok()?;
        Some((name, self.read(&format!("users/{uid}.secret")).ok()?))
    }

    /// Returns the issued certificates, one a line: serial number, status, subject.
    pub fn issued(&self) -> String {
        fs::read_to_string(self.file("issued")).unwrap_or_default()
    }

    /// Makes the holder of a certificate an agent.
    pub fn add_agent(&self, certificate: &[u8]) -> Result<(), Refused> {
        let serial = certs::parts(certificate)?.serial;
        let name: String = serial.iter().map(|b| format!("{b:02x}")).collect();
        self.write(&format!("agents/{name}.der"), certificate)
    }

    /// Returns whether the holder of a certificate is an agent.
    pub fn is_agent(&self, certificate: &[u8]) -> bool {
        let entries = fs::read_dir(self.file("agents")).into_iter().flatten().flatten();
        entries.filter_map(|e| fs::read(e.path()).ok()).any(|known| known == certificate)
    }
}

/// Returns whether a uid can be a file name.
fn plain(uid: &str) -> bool {
    !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Returns a serial number of this CA, from the content octets of an INTEGER.
fn number(serial: &[u8]) -> Option<u32> {
    let octets = serial.iter().skip_while(|b| **b == 0);
    let small = octets.clone().count() <= 4 && serial.first().is_some_and(|b| *b < 0x80);
    small.then(|| octets.fold(0, |n, b| (n << 8) | u32::from(*b)))
}

/// Returns a certificate as PEM.
pub fn pem(der: &[u8]) -> Result<String, Refused> {
    pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, der)
        .map_err(|e| e.to_string())
}
