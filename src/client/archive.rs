//! Key archival: wraps the private key for the KRA (PKIArchiveOptions, RFC 4211 §6.4).

use std::path::Path;

use super::input;
use super::session::Session;
use crate::algorithm::{Crypto, KeyType};
use crate::asn1::certificate;
use crate::asn1::certificate::Certificate;
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::x509::spki_key_type;
use crate::cmc::crmf::{ArchiveWrap, Archived, archive_options};
use crate::error::{Error, Kind, Result};
use crate::nss::{KeyTransport, PrivateKey, PrivateWrap, SessionKind};

/// The recipient and the algorithms of a key archival.
#[derive(Debug, Clone)]
pub struct Archive {
    /// DER of the SubjectPublicKeyInfo of the KRA's transport certificate.
    transport_key: Vec<u8>,
    /// The algorithm that wraps the private key.
    pub wrap: ArchiveWrap,
    /// Whether RSA-OAEP (SHA-256) encrypts the session key, instead of PKCS #1 v1.5. The request
    /// doesn't say which: the KRA must be configured for it.
    pub oaep: bool,
    /// Warnings about the certificate.
    pub warnings: Vec<String>,
}

impl Archive {
    /// Reads the transport certificate from a file: DER, PEM with any text around it, or bare
    /// base64. No database is needed.
    ///
    /// # Errors
    /// [`Kind::Input`]: unreadable, not a certificate, not of an RSA key, or with a key usage that
    /// permits no encryption: the wrong certificate would reveal the archived key to its holder.
    pub fn read(file: &Path, wrap: ArchiveWrap, oaep: bool) -> Result<Archive> {
        let what = format!("transport certificate {}", file.display());
        let hint = "export it from the KRA's database, as PEM or DER: \
                    certutil -L -d DIR -n 'transportCert cert-pki-tomcat KRA' -a";
        let bytes = input::read("transport certificate", file).map_err(|e| e.hint(hint))?;
        let decode = |der: &[u8]| {
            certificate::fields(der).map(drop).map_err(|_| {
                Error::new(Kind::Input, format!("cannot read {what}"))
                    .because("it is not a certificate")
            })
        };
        let (der, ()) =
            input::parsed(&what, "a certificate", &bytes, decode).map_err(|e| e.hint(hint))?;
        let warnings = check(&what, &der).map_err(|e| e.hint(hint))?;
        let transport_key = certificate::fields(&der)?.spki.to_vec();
        Ok(Archive { transport_key, wrap, oaep, warnings })
    }

    /// Returns the DER of PKIArchiveOptions (RFC 4211 §6.4) for `key`, wrapped in its token.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the token can't wrap this key, or not with this algorithm.
    pub fn options(&self, session: &Session, key: &PrivateKey) -> Result<Vec<u8>> {
        let owner = key.token();
        let (database, token) = (&session.database, owner.as_ref().unwrap_or(&session.token));
        let (kind, how) = mechanisms(self.wrap);
        let transport = if self.oaep { KeyTransport::OaepSha256 } else { KeyTransport::Pkcs1 };
        let iv = database.random(self.wrap.iv_len())?;
        let wrapping = token.session_key(kind)?;
        let private_key = wrapping.wrap_private(token, key, how, &iv)?;
        let recipient = database.public_key(&self.transport_key)?;
        let session_key = wrapping.wrap_for(&recipient, transport)?;
        archive_options(Archived { wrap: self.wrap, iv: &iv, session_key, private_key })
    }
}

/// Checks that a certificate (DER) can encrypt keys for archival; returns warnings. `what` names it.
///
/// # Errors
/// [`Kind::Input`]: not of an RSA key, or with a key usage that permits no encryption.
pub(super) fn check(what: &str, der: &[u8]) -> Result<Vec<String>> {
    let unusable = |why: String| Error::new(Kind::Input, format!("cannot use {what}")).because(why);
    match spki_key_type(certificate::fields(der)?.spki) {
        Some(KeyType::Rsa) => {}
        other => {
            let kind = other.map_or_else(|| "of an unknown type".to_owned(), |k| k.to_string());
            return Err(unusable(format!("its key is {kind}; only an RSA key can wrap keys")));
        }
    }
    let facts = Facts::of(der);
    if facts.encrypts == Some(false) {
        let why = "its key usage has neither keyEncipherment nor dataEncipherment";
        return Err(unusable(why.to_owned()));
    }
    Ok(facts.warnings.into_iter().map(|w| format!("{what} {w}")).collect())
}

/// Returns the session key and the mechanism of a wrapping algorithm.
pub(super) fn mechanisms(wrap: ArchiveWrap) -> (SessionKind, PrivateWrap) {
    match wrap {
        ArchiveWrap::KeyWrapPadding => (SessionKind::Aes128, PrivateWrap::AesKeyWrapPkcs7),
        ArchiveWrap::KeyWrapNoPadding => (SessionKind::Aes128, PrivateWrap::AesKeyWrap),
        ArchiveWrap::KeyWrapWrapped => (SessionKind::Aes128, PrivateWrap::AesKeyWrapPadded),
        ArchiveWrap::AesCbc => (SessionKind::Aes128, PrivateWrap::AesCbc),
        ArchiveWrap::Des3 => (SessionKind::Des3, PrivateWrap::Des3Cbc),
    }
}

/// Fields of a transport certificate; empty if it can't be decoded.
#[derive(Default)]
struct Facts {
    /// Whether keyUsage permits encryption; `None` without keyUsage.
    encrypts: Option<bool>,
    warnings: Vec<String>,
}

impl Facts {
    fn of(der: &[u8]) -> Facts {
        let mut facts = Facts::default();
        if let Ok(summary) = crate::asn1::summary::summary(der) {
            let now = chrono::Utc::now();
            if summary.not_after < now {
                facts.warnings.push(format!("expired on {}", summary.until()));
            } else if summary.not_before > now {
                facts.warnings.push("is not valid yet".to_owned());
            }
        }
        if let Ok(certificate) = Certificate::decode(der) {
            let uses = [KeyUsage::KeyEncipherment, KeyUsage::DataEncipherment];
            // An undecodable keyUsage permits nothing.
            let usage = certificate.key_usage().unwrap_or_else(|_| Some(Vec::new()));
            facts.encrypts = usage.map(|all| all.iter().any(|one| uses.contains(one)));
        }
        facts
    }
}
