//! Finds the CA that an import makes trusted on request.

use std::fmt;
use std::path::PathBuf;

use super::import::ImportSpec;
use super::plan::{Plan, subject_of};
use super::read::Contents;
use crate::algorithm::{Crypto, Digest};
use crate::asn1::certificate;
use crate::client::session::Session;
use crate::client::{cert_file, input};
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::Database;
use crate::trust::Paths;

/// Whether the CA above the certificates of a file becomes trusted.
#[derive(Debug, Clone, Default)]
pub struct CaTrust {
    /// Make the CA at the top of each chain trusted (`CT,C,C`).
    pub trust: bool,
    /// The CA's certificate, and others of its chain.
    pub file: Option<PathBuf>,
    /// The fingerprint that the CA's certificate must have.
    pub fingerprint: Option<Fingerprint>,
}

/// SHA-256 of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Returns the fingerprint of a certificate (DER).
    ///
    /// # Errors
    /// [`Kind::Refused`].
    pub fn of(database: &Database, der: &[u8]) -> Result<Fingerprint> {
        database.hash(Digest::Sha256, der).map(Fingerprint)
    }

    /// Parses 64 hexadecimal digits, with or without colons; a leading `SHA256:` is ignored.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Fingerprint> {
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").or_else(|| lower.strip_prefix("sha-256:"));
        let digits: String =
            digits.unwrap_or(&lower).chars().filter(|c| *c != ':' && *c != ' ').collect();
        let octets = keyid::from_hex(&digits).filter(|octets| octets.len() == Digest::Sha256.len());
        octets.map(Fingerprint).ok_or_else(|| {
            Error::new(Kind::Usage, format!("invalid SHA-256 fingerprint {text:?}"))
                .hint("print it with: openssl x509 -noout -fingerprint -sha256 -in ca.pem")
        })
    }
}

impl fmt::Display for Fingerprint {
    /// Prints it as OpenSSL does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|o| format!("{o:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A CA that becomes trusted.
#[derive(Debug)]
pub struct Root {
    /// DER of its certificate.
    pub der: Vec<u8>,
    /// Fingerprint of the certificate.
    pub fingerprint: Fingerprint,
    /// Whether the user named it by its own file or fingerprint; otherwise it is trusted because it
    /// is in the PKCS #12 file or in the database.
    pub named_by_user: bool,
}

/// The CAs that become trusted, and the certificates of the CA's file that are on a chain.
pub(super) struct Anchors {
    pub(super) roots: Vec<Root>,
    pub(super) brought: Vec<Vec<u8>>,
}

/// Returns the CA at the top of each certificate's chain.
///
/// # Errors
/// [`Kind::Untrusted`]: no chain leads to a root CA, the CA's file is of another CA, or the
/// fingerprint doesn't match; [`Kind::Input`] for a file that can't be read.
pub(super) fn find(
    session: &Session,
    spec: &ImportSpec<'_>,
    contents: &Contents,
    plan: &Plan,
) -> Result<Anchors> {
    let mut anchors = Anchors { roots: Vec::new(), brought: Vec::new() };
    let wanted = &spec.ca;
    if !wanted.trust {
        return Ok(anchors);
    }
    let named = wanted.file.as_ref().map(|path| read(path)).transpose()?.unwrap_or_default();
    let mut bag: Vec<Vec<u8>> = contents.certificates.iter().map(|c| c.der.clone()).collect();
    bag.extend(named.iter().cloned());
    let paths = Paths::new(&session.database, &bag);
    let mut leaves: Vec<&[u8]> = plan.pairs.iter().map(|p| p.der.as_slice()).collect();
    if leaves.is_empty() {
        leaves.extend(plan.others.iter().map(|o| o.der.as_slice()));
    }
    for leaf in leaves {
        let mut chain = vec![leaf.to_vec()];
        chain.extend(paths.by_signature(&session.token, leaf)?);
        let who = subject_of(leaf);
        let top = match &wanted.file {
            None => chain.last().filter(|der| is_root(der)),
            Some(_) => chain.iter().rev().find(|der| named.contains(der)),
        };
        let Some(top) = top else {
            let error = match &wanted.file {
                None => Error::new(Kind::Untrusted, format!("no root CA found for {who}"))
                    .because("neither the file nor the database contains it")
                    .hint("give the CA's certificate: --ca-file ca.pem"),
                Some(file) => {
                    let file = file.display();
                    Error::new(Kind::Untrusted, format!("{file} does not certify {who}"))
                        .because("it contains no issuer of that certificate")
                        .hint("give the certificates of the issuing CA, up to its root")
                }
            };
            return Err(error);
        };
        anchors.brought.extend(chain.iter().filter(|der| named.contains(der)).cloned());
        if anchors.roots.iter().any(|root| root.der == *top) {
            continue;
        }
        let fingerprint = Fingerprint::of(&session.database, top)?;
        if wanted.fingerprint.as_ref().is_some_and(|pinned| *pinned != fingerprint) {
            let subject = subject_of(top);
            return Err(Error::new(
                Kind::Untrusted,
                format!("fingerprint of the CA {subject} does not match --ca-fingerprint"),
            )
            .because(format!("it is {fingerprint}"))
            .hint("ask the CA's administrator for the fingerprint"));
        }
        let named_by_user = wanted.file.is_some() || wanted.fingerprint.is_some();
        anchors.roots.push(Root { der: top.clone(), fingerprint, named_by_user });
    }
    Ok(anchors)
}

/// Returns the certificates in a CA's file.
fn read(path: &std::path::Path) -> Result<Vec<Vec<u8>>> {
    let bytes = input::read("CA certificate", path)?;
    cert_file::certificates(&format!("CA certificate {}", path.display()), &bytes)
}

/// Returns whether a certificate is a self-issued CA; the caller has verified its signature.
fn is_root(der: &[u8]) -> bool {
    certificate::read(der).is_ok_and(|c| c.is_self_issued() && c.ca().is_ok_and(|(ca, _)| ca))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_people_have_them() {
        let plain = "0a".repeat(32);
        let colons = vec!["0A"; 32].join(":");
        let read = Fingerprint::parse(&plain).unwrap();
        assert_eq!(read, Fingerprint::parse(&colons).unwrap());
        assert_eq!(read, Fingerprint::parse(&format!("SHA256:{colons}")).unwrap());
        assert_eq!(read.to_string(), colons);
        for bad in ["", "0a", &"0g".repeat(32), &"0a".repeat(20)] {
            assert!(Fingerprint::parse(bad).is_err(), "{bad}");
        }
    }
}
