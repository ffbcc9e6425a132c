//! Writes certificates, their chains and keys to a PKCS #12 file.

use std::path::PathBuf;

use rasn::types::{Integer, ObjectIdentifier, OctetString};
use rasn_cms::{AlgorithmIdentifier, ContentInfo, EncryptedContentInfo, EncryptedData};

use super::password::Password;
use super::read::{Algorithm, key_algorithm};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::pkcs12::{
    BagAttributes, CertBag, DerivedKey, DigestInfo, EncryptedPrivateKeyInfo, MacData, Pbkdf2, Pfx,
    SafeBag, SaltAndIterations,
};
use crate::asn1::{any, any_of, encode, oid, tlv, x509};
use crate::client::output::{self, Mode};
use crate::client::passwords::Passwords;
use crate::client::session::{Needs, Session};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Certificate, Database, MacDigest, PrivateKey};
use crate::secret::Secret;

/// Iterations of each key derivation.
const ITERATIONS: u32 = 100_000;
/// Octets of a salt.
const SALT: usize = 16;
/// Octets of an AES initialisation vector.
const IV: usize = 16;

/// The algorithms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// AES-256-CBC and HMAC with SHA-256 (PBES2, RFC 8018 §6.2): OpenSSL 1.1, NSS 3.31, Java 8u301
    /// and later read it.
    #[default]
    Aes256,
    /// As [`Encryption::Aes256`], but keys are wrapped with AES key wrap with padding (RFC 5649), as
    /// Dogtag's KRA writes them.
    Aes256Kwp,
    /// Triple DES and SHA-1 (RFC 7292 appendix C), for software that reads nothing else.
    Legacy,
}

/// The arguments of [`export`].
pub struct ExportSpec<'a> {
    /// NSS database directory.
    pub database: String,
    /// The token to search first.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'a>,
    /// The file to write.
    pub file: PathBuf,
    /// The file's password.
    pub password: Secret,
    /// Nicknames of the certificates; at least one.
    pub nicknames: Vec<String>,
    /// The file's algorithms.
    pub encryption: Encryption,
    /// Whether the issuers' certificates are added.
    pub chain: bool,
    /// Whether private keys are written; a certificate without key is written alone.
    pub keys: bool,
    /// Whether trust flags are written as Dogtag stores them.
    pub trust: bool,
    /// Whether to replace an existing file.
    pub overwrite: bool,
}

/// A certificate in the written file.
#[derive(Debug)]
pub struct ExportedEntry {
    /// DER of the certificate.
    pub der: Vec<u8>,
    /// Its friendly name.
    pub nickname: Option<String>,
    /// The key's CKA_ID, if its key is in the file.
    pub key_id: Option<Vec<u8>>,
}

/// The result of an export.
#[derive(Debug)]
pub struct Exported {
    /// The certificates, in the order of the file.
    pub entries: Vec<ExportedEntry>,
    /// NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Exports certificates and keys to a file that only its owner can read; it appears complete or not
/// at all.
///
/// # Errors
/// [`Kind::NotFound`] for a nickname; [`Kind::Refused`] for a key that can't be extracted from its
/// token, or an algorithm that NSS or its policy forbids; [`Kind::Conflict`] when the file exists;
/// [`Kind::Usage`] for an empty password with keys; [`Kind::Output`].
pub fn export(spec: &ExportSpec<'_>) -> Result<Exported> {
    let file = spec.file.display();
    if !spec.overwrite && output::replaces(&spec.file, Mode::Private)? {
        let what = format!("the file {file} exists");
        return Err(Error::new(Kind::Conflict, what)
            .because("it may contain the only copy of a key")
            .hint("choose another file, or replace it with --overwrite"));
    }
    let password = Password::new(&spec.password)?;
    if password.is_empty() && spec.keys {
        return Err(Error::new(Kind::Usage, "the PKCS #12 password is empty")
            .because("only the password protects the private keys in the file")
            .hint("give a password, or leave the keys out with --no-keys"));
    }
    let needs = Needs { token: &spec.token, key: spec.keys, ..Needs::default() };
    let needs = match spec.nicknames.first() {
        Some(first) if spec.keys => Needs { signer: Some(first), ..needs },
        first => Needs { certificate: first.map(String::as_str), ..needs },
    };
    let session = Session::open(&spec.database, Access::ReadOnly, needs, &spec.passwords)?;
    let entries = collect(&session, spec)?;
    let writer = Writer { database: &session.database, password: &password, spec };
    let pfx = writer.pfx(&entries)?;
    output::write(&spec.file, &pfx, Mode::Private)?;
    let entries = entries.into_iter().map(|e| ExportedEntry {
        der: e.der,
        nickname: e.attributes.friendly_name,
        key_id: e.key.map(|(id, _)| id),
    });
    let entries = entries.collect();
    Ok(Exported { entries, not_closed: session.close().err() })
}

/// A certificate to be written.
struct Entry {
    der: Vec<u8>,
    attributes: BagAttributes,
    key: Option<(Vec<u8>, PrivateKey)>,
}

/// Finds the certificates and keys.
fn collect(session: &Session, spec: &ExportSpec<'_>) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut issuers = Vec::new();
    for nickname in &spec.nicknames {
        // After a renewal a nickname has several: a backup needs the key of each.
        for certificate in session.certificates(nickname)? {
            if spec.chain {
                issuers.extend(session.issuers(certificate.der())?);
            }
            if !entries.iter().any(|e| e.der == certificate.der()) {
                entries.push(entry(session, spec, certificate, spec.keys)?);
            }
        }
    }
    for der in issuers {
        if !entries.iter().any(|e| e.der == der) {
            let certificate = session.database.decode_certificate(&der)?;
            entries.push(entry(session, spec, certificate, false)?);
        }
    }
    Ok(entries)
}

fn entry(
    session: &Session,
    spec: &ExportSpec<'_>,
    certificate: Certificate,
    with_key: bool,
) -> Result<Entry> {
    let der = certificate.der().to_vec();
    let nickname = certificate.nickname();
    // A friendly name has no token prefix.
    let own = nickname.map(|name| match name.split_once(':') {
        Some((token, rest)) if session.database.token(token).is_ok() => rest.to_owned(),
        _ => name,
    });
    let key = match certificate.private_key() {
        Ok(key) if with_key => Some((key.id()?, key)),
        Err(e) if with_key && e.kind() != Kind::NotFound => return Err(e),
        _ => None,
    };
    // NSS and OpenSSL use the certificate's SHA-1, too.
    let local_key_id = match &key {
        Some(_) => Some(session.database.hash(Digest::Sha1, &der)?),
        None => None,
    };
    // NSS sets `u` where there is a key.
    let trust = certificate.trust_text().replace('u', "");
    let trust = Some(trust).filter(|flags| spec.trust && flags != ",,");
    Ok(Entry { der, attributes: BagAttributes { friendly_name: own, local_key_id, trust }, key })
}

struct Writer<'a> {
    database: &'a Database,
    password: &'a Password,
    spec: &'a ExportSpec<'a>,
}

impl Writer<'_> {
    /// Returns the whole file.
    fn pfx(&self, entries: &[Entry]) -> Result<Vec<u8>> {
        let mut certificates = Vec::new();
        let mut keys = Vec::new();
        for entry in entries {
            let value = CertBag {
                cert_id: oid::X509_CERTIFICATE.to_owned(),
                cert_value: any(tlv(0x04, &entry.der)),
            };
            certificates.push(SafeBag {
                bag_id: oid::CERT_BAG.to_owned(),
                bag_value: any_of("a certificate bag", &value)?,
                bag_attributes: entry.attributes.to_set(),
            });
            if let Some((_, key)) = &entry.key {
                keys.push(self.key(key, &entry.attributes)?);
            }
        }
        let mut safes = vec![self.encrypted(&certificates)?];
        if !keys.is_empty() {
            safes.push(data(encode("the keys", &keys)?)?);
        }
        let safes = encode("the contents", &safes)?;
        let mac_data = Some(self.mac(&safes)?);
        let pfx = Pfx { version: Integer::from(3u32), auth_safe: data(safes)?, mac_data };
        encode("a PKCS #12 file", &pfx)
    }

    /// Returns the bag of a private key.
    fn key(&self, key: &PrivateKey, attributes: &BagAttributes) -> Result<SafeBag> {
        let algorithm = self.algorithm(self.spec.encryption)?;
        let (pbe, cipher) = key_algorithm(&algorithm)?;
        let form = self.form(&pbe);
        let name = attributes.friendly_name.clone().unwrap_or_default();
        let wrapped = key.wrap_with_password(pbe.pbe(), cipher, form).map_err(|f| {
            Error::new(Kind::Refused, format!("cannot export the key of {name:?}"))
                .because(f)
                .hint("if its token does not allow it, export the certificates only: --no-keys")
        })?;
        let info = EncryptedPrivateKeyInfo {
            encryption_algorithm: algorithm,
            encrypted_data: OctetString::from(wrapped),
        };
        let attributes = BagAttributes { trust: None, ..attributes.clone() };
        Ok(SafeBag {
            bag_id: oid::SHROUDED_KEY_BAG.to_owned(),
            bag_value: any_of("an encrypted private key", &info)?,
            bag_attributes: attributes.to_set(),
        })
    }

    /// Returns bags encrypted under the password.
    fn encrypted(&self, bags: &Vec<SafeBag>) -> Result<ContentInfo> {
        let algorithm = self.algorithm(match self.spec.encryption {
            // AES key wrap is defined for keys only.
            Encryption::Aes256Kwp => Encryption::Aes256,
            other => other,
        })?;
        let pbe = Algorithm::of(&algorithm)?;
        let plain = encode("the certificates", bags)?;
        let form = self.form(&pbe);
        let content = self.database.pbe_encrypt(pbe.pbe(), form, &plain).map_err(|f| {
            Error::new(Kind::Refused, "cannot encrypt the certificates")
                .because(f)
                .hint("choose another algorithm with --encryption")
        })?;
        let encrypted = EncryptedData {
            version: 0.into(),
            encrypted_content_info: EncryptedContentInfo {
                content_type: oid::ID_DATA.to_owned(),
                content_encryption_algorithm: algorithm,
                encrypted_content: Some(OctetString::from(content)),
            },
            unprotected_attrs: None,
        };
        Ok(ContentInfo {
            content_type: oid::ID_ENCRYPTED_DATA.to_owned(),
            content: any_of("encrypted certificates", &encrypted)?,
        })
    }

    /// Returns the password in the encoding that an algorithm takes.
    fn form(&self, algorithm: &Algorithm) -> &[u8] {
        if algorithm.pkcs5 { self.password.utf8() } else { self.password.bmp() }
    }

    fn mac(&self, data: &[u8]) -> Result<MacData> {
        let digest = match self.spec.encryption {
            Encryption::Legacy => Digest::Sha1,
            Encryption::Aes256 | Encryption::Aes256Kwp => Digest::Sha256,
        };
        let salt = self.database.random(SALT)?;
        let mac = self
            .database
            .pkcs12_mac(MacDigest::Digest(digest), self.password.bmp(), &salt, ITERATIONS, data)
            .map_err(|f| Error::new(Kind::Refused, "cannot compute the file's MAC").because(f))?;
        // RFC 5754 §2 lets writers omit the NULL parameters, but readers of PKCS #12 expect them.
        let null = Some(any([0x05, 0x00]));
        let algorithm = AlgorithmIdentifier { parameters: null, ..x509::digest_algorithm(digest) };
        Ok(MacData {
            mac: DigestInfo { digest_algorithm: algorithm, digest: OctetString::from(mac) },
            mac_salt: OctetString::from(salt),
            iterations: Some(Integer::from(ITERATIONS)),
        })
    }

    /// Returns a password-based algorithm with fresh parameters.
    fn algorithm(&self, encryption: Encryption) -> Result<AlgorithmIdentifier> {
        let salt = OctetString::from(self.database.random(SALT)?);
        let iterations = Integer::from(ITERATIONS);
        let identifier = |id: &rasn::types::Oid, parameters| AlgorithmIdentifier {
            algorithm: ObjectIdentifier::from(id),
            parameters,
        };
        if encryption == Encryption::Legacy {
            let parameters = SaltAndIterations { salt, iterations };
            let parameters = any_of("the parameters of the encryption", &parameters)?;
            return Ok(identifier(oid::PBE_SHA1_DES3, Some(parameters)));
        }
        let scheme = match encryption {
            Encryption::Aes256Kwp => identifier(oid::AES256_WRAP_PAD, None),
            _ => {
                let iv = self.database.random(IV)?;
                identifier(oid::AES256_CBC, Some(any(tlv(0x04, &iv))))
            }
        };
        let kdf = Pbkdf2 {
            salt,
            iterations,
            key_length: Some(Integer::from(32u32)),
            prf: Some(identifier(oid::HMAC_SHA256, Some(any([0x05, 0x00])))),
        };
        let kdf = identifier(oid::PBKDF2, Some(any_of("the parameters of PBKDF2", &kdf)?));
        let derived = DerivedKey { key_derivation: kdf, scheme };
        Ok(identifier(oid::PBES2, Some(any_of("the parameters of PBES2", &derived)?)))
    }
}

/// Returns content of the type id-data.
fn data(content: Vec<u8>) -> Result<ContentInfo> {
    Ok(ContentInfo { content_type: oid::ID_DATA.to_owned(), content: any(tlv(0x04, &content)) })
}
