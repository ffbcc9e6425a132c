//! Reads a PKCS #12 file: verifies its MAC and decrypts its certificates; keys stay encrypted.

use std::fmt;
use std::path::Path;

use rasn::types::OctetString;
use rasn_cms::{AlgorithmIdentifier, ContentInfo, EncryptedData};

use super::anchor::Fingerprint;
use super::password::Password;
use crate::algorithm::Digest;
use crate::asn1::certificate::fields;
use crate::asn1::pkcs12::{
    BagAttributes, EncryptedPrivateKeyInfo, MacData, Pfx, Protection, SafeBag, certificate,
    derived_key, iterations, pbe_cipher, pbkdf2,
};
use crate::asn1::{any, any_of, decode_ber, encode, oid, pem, split_tlv, tlv, x509};
use crate::client::input;
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::nss::{Database, KeyCipher, MacDigest, Pbe};
use crate::secret::Secret;

/// The most bags read from one file.
const MOST_BAGS: usize = 1000;
/// The most iterations of all key derivations computed for one file, with every form of the password
/// and every candidate for a key's certificate: enough for a dozen keys of pk12util, and some 15
/// seconds of PBKDF2.
const MOST_ITERATIONS: u64 = 10_000_000;
/// The deepest nesting of SafeContents.
const DEEPEST: usize = 8;

/// The contents of a file.
#[derive(Debug)]
pub struct Contents {
    /// Its MAC, which was verified.
    pub mac: Mac,
    /// Its certificates, in the order of the file.
    pub certificates: Vec<CertificateBag>,
    /// Its encrypted private keys, in the order of the file.
    pub keys: Vec<KeyBag>,
    /// The names of ignored bags: keys without encryption of their own, CRLs, secrets.
    pub ignored: Vec<String>,
    /// The iterations computed so far.
    pub(super) work: Work,
}

/// Counts the iterations of key derivations, each before it is computed.
#[derive(Debug, Clone, Default)]
pub(super) struct Work(u64);

impl Work {
    /// Counts one key derivation for the file `name`.
    ///
    /// # Errors
    /// [`Kind::Input`] when the file takes too many; [`Kind::Interrupted`].
    pub(super) fn add(&mut self, name: &str, protection: &Protection) -> Result<()> {
        self.0 += u64::from(protection.iterations);
        self.check(name)
    }

    /// Returns whether the work may go on.
    ///
    /// # Errors
    /// As [`Work::add`].
    pub(super) fn check(&self, name: &str) -> Result<()> {
        interrupt::check()?;
        if self.0 > MOST_ITERATIONS {
            return Err(Error::new(Kind::Input, format!("cannot read the {name}"))
                .because("its key derivations take more than 10,000,000 iterations")
                .hint("write it again with fewer: openssl pkcs12 -export -iter 100000"));
        }
        Ok(())
    }
}

/// The algorithm of a verified MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mac(pub Protection);

/// A certificate in a file.
#[derive(Debug)]
pub struct CertificateBag {
    /// DER of the certificate.
    pub der: Vec<u8>,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// Friendly name, localKeyId and trust flags.
    pub attributes: BagAttributes,
    /// The algorithm that encrypts it; `None` if it isn't encrypted.
    pub protection: Option<Protection>,
}

/// A private key in a file.
#[derive(Debug)]
pub struct KeyBag {
    /// The encrypted key.
    pub(super) info: EncryptedPrivateKeyInfo,
    /// Friendly name and localKeyId.
    pub attributes: BagAttributes,
    /// The algorithm that encrypts it.
    pub protection: Protection,
}

impl Contents {
    /// Returns the index of the certificate that has the key's localKeyId.
    pub fn certificate_of(&self, key: &KeyBag) -> Option<usize> {
        let id = key.attributes.local_key_id.as_ref()?;
        self.certificates.iter().position(|c| c.attributes.local_key_id.as_ref() == Some(id))
    }
}

/// Reads the file at `path` without a database.
///
/// # Errors
/// As [`open`]; [`Kind::Database`] when a database is open in this process.
pub fn show(path: &Path, password: &Secret) -> Result<Contents> {
    let database = Database::without_files()?;
    let contents = open(&database, path, &Password::new(password)?);
    // The file was read, even if NSS can't be shut down.
    database.close().ok();
    contents
}

/// Reads the file at `path` and verifies its MAC.
///
/// # Errors
/// [`Kind::Input`]: not a PKCS #12 file, wrong password, damage, an unknown algorithm;
/// [`Kind::Refused`] for an algorithm that NSS or its policy forbids.
pub fn open(database: &Database, path: &Path, password: &Password) -> Result<Contents> {
    let name = format!("PKCS #12 file {}", path.display());
    let bytes = input::read("PKCS #12 file", path)?;
    let read = |bytes: &[u8]| decode_ber::<Pfx>(&name, bytes);
    let pfx = match read(&bytes) {
        Ok(pfx) => pfx,
        // Files sent by mail may be in PEM or base64.
        Err(e) => match pem::to_der(&name, &bytes).and_then(|der| read(&der)) {
            Ok(pfx) => pfx,
            Err(_) => return Err(input::mistaken(&name, WANTED, &bytes, e)),
        },
    };
    Reader { database, password, name: &name, work: Work::default() }.contents(&pfx)
}

/// The reason of an error: the MAC doesn't match the password.
#[derive(Debug)]
struct MacMismatch;

impl fmt::Display for MacMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong password, or the file was changed: its MAC does not match")
    }
}

impl std::error::Error for MacMismatch {}

/// Returns whether an error is that of a wrong password or a changed file.
pub fn is_mac_mismatch(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<MacMismatch>())
}

const WANTED: &str = "a PKCS #12 file";

struct Reader<'a> {
    database: &'a Database,
    password: &'a Password,
    name: &'a str,
    work: Work,
}

/// A password-based algorithm in the form that NSS takes.
pub(super) struct Algorithm {
    id: Vec<u8>,
    parameters: Vec<u8>,
    /// Whether it is an algorithm of PKCS #5, whose password is UTF-8.
    pub(super) pkcs5: bool,
}

impl Algorithm {
    pub(super) fn of(algorithm: &AlgorithmIdentifier) -> Result<Algorithm> {
        let der = encode("an algorithm", &algorithm.algorithm)?;
        let (_, id, _) = split_tlv(&der).unwrap_or_default();
        let parameters = algorithm.parameters.as_ref().map(|any| any.as_bytes().to_vec());
        // 1.2.840.113549.1.5: PKCS #5.
        let pkcs5 = id.starts_with(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05]);
        Ok(Algorithm { id: id.to_vec(), parameters: parameters.unwrap_or_default(), pkcs5 })
    }

    pub(super) fn pbe(&self) -> Pbe<'_> {
        Pbe { algorithm: &self.id, parameters: &self.parameters }
    }
}

/// Returns the algorithm of an encrypted key in the form that NSS takes. NSS before 3.90 has no
/// identifier for AES key wrap with padding in PBES2: it is replaced by a cipher with the same key
/// length, for which PBES2 derives the same key.
pub(super) fn key_algorithm(identifier: &AlgorithmIdentifier) -> Result<(Algorithm, KeyCipher)> {
    let Some(mut derived) = derived_key(identifier)? else {
        return Ok((Algorithm::of(identifier)?, KeyCipher::Own));
    };
    let stand_in = if *derived.scheme.algorithm == *oid::AES256_WRAP_PAD {
        oid::AES256_CBC
    } else if *derived.scheme.algorithm == *oid::AES128_WRAP_PAD {
        oid::AES128_CBC
    } else {
        return Ok((Algorithm::of(identifier)?, KeyCipher::Own));
    };
    derived.scheme.algorithm = stand_in.to_owned();
    derived.scheme.parameters = Some(any(tlv(0x04, &[0; 16])));
    let parameters = Some(any_of("the parameters of PBES2", &derived)?);
    let identifier = AlgorithmIdentifier { algorithm: identifier.algorithm.clone(), parameters };
    Ok((Algorithm::of(&identifier)?, KeyCipher::AesKwp))
}

/// Refuses an algorithm that NSS's policy forbids in PKCS #12 files, by its identifier or by that of
/// its cipher, digest or pseudorandom function. `what` names the file.
pub(super) fn permit(
    database: &Database,
    what: &str,
    algorithm: &AlgorithmIdentifier,
) -> Result<()> {
    let mut used = vec![algorithm.algorithm.clone()];
    used.extend(pbe_cipher(&algorithm.algorithm));
    if let Some(derived) = derived_key(algorithm)? {
        used.push(derived.scheme.algorithm.clone());
        used.extend(pbkdf2(&derived)?.prf.map(|prf| prf.algorithm));
    }
    for id in used {
        let der = encode("an algorithm", &id)?;
        let (_, octets, _) = split_tlv(&der).unwrap_or_default();
        if !database.allows_in_pkcs12(octets) {
            let name = oid::text(&id);
            return Err(Error::new(Kind::Refused, format!("cannot use the {what}"))
                .because(format!("NSS's policy forbids {name} in PKCS #12 files"))
                .hint("write the file again with AES and SHA-256: openssl pkcs12 -export"));
        }
    }
    Ok(())
}

impl Reader<'_> {
    fn damaged(&self, why: &str) -> Error {
        Error::new(Kind::Input, format!("cannot read the {}", self.name)).because(why.to_owned())
    }

    fn contents(mut self, pfx: &Pfx) -> Result<Contents> {
        if *pfx.auth_safe.content_type == *oid::ID_SIGNED_DATA {
            return Err(self.damaged("it is protected by a signature, not by a password"));
        }
        if *pfx.auth_safe.content_type != *oid::ID_DATA {
            return Err(self.damaged("its content is of an unknown type"));
        }
        let safes: OctetString = decode_ber(self.name, pfx.auth_safe.content.as_bytes())?;
        let Some(mac) = &pfx.mac_data else {
            return Err(self
                .damaged("it has no MAC, so a change could not be detected")
                .hint("write it again with a password and a MAC: openssl pkcs12 -export"));
        };
        let mac = self.verify(mac, &safes)?;
        let (certificates, keys, ignored) = (Vec::new(), Vec::new(), Vec::new());
        let mut contents = Contents { mac, certificates, keys, ignored, work: Work::default() };
        for safe in decode_ber::<Vec<ContentInfo>>(self.name, &safes)? {
            self.safe(&safe, &mut contents)?;
        }
        contents.work = self.work;
        Ok(contents)
    }

    /// Adds the file's name to the error of a part of it.
    fn of_file(&self, e: Error) -> Error {
        Error::new(e.kind(), format!("cannot read the {}", self.name)).because(e)
    }

    fn protection(&self, algorithm: &AlgorithmIdentifier) -> Result<Protection> {
        Protection::of(algorithm).map_err(|e| self.of_file(e))
    }

    /// Refuses an algorithm that NSS's policy forbids in PKCS #12 files.
    fn permit(&self, algorithm: &AlgorithmIdentifier) -> Result<()> {
        permit(self.database, self.name, algorithm)
    }

    fn verify(&mut self, mac: &MacData, data: &[u8]) -> Result<Mac> {
        let algorithm = &mac.mac.digest_algorithm;
        let name = oid::text(&algorithm.algorithm);
        let unknown = || self.damaged(&format!("unknown MAC algorithm {name}"));
        self.permit(algorithm)?;
        let pbmac1 = derived_key(algorithm)?;
        let (digest, protection) = match &pbmac1 {
            Some(derived) => (&derived.scheme.algorithm, self.protection(algorithm)?),
            None => {
                let iterations = mac.iterations.as_ref().map_or(Ok(1), iterations);
                let iterations = iterations.map_err(|e| self.of_file(e))?;
                let algorithm = name.clone();
                let protection = Protection { algorithm, scheme: None, prf: None, iterations };
                (&algorithm_of(mac).algorithm, protection)
            }
        };
        let digest = digest_of(digest).ok_or_else(unknown)?;
        let algorithm = Algorithm::of(algorithm)?;
        for form in self.password.forms(pbmac1.is_some()) {
            self.work.add(self.name, &protection)?;
            let computed = match &pbmac1 {
                Some(_) => self.database.pbmac1(algorithm.pbe(), form, digest, data),
                None => {
                    let (salt, count) = (&mac.mac_salt, protection.iterations);
                    self.database.pkcs12_mac(digest, form, salt, count, data)
                }
            };
            let computed = computed.map_err(|f| {
                let what = format!("cannot compute the MAC of the {} ({name})", self.name);
                Error::new(Kind::Refused, what).because(f)
            })?;
            if computed == *mac.mac.digest {
                return Ok(Mac(protection));
            }
        }
        let what = format!("cannot read the {}", self.name);
        Err(Error::new(Kind::Input, what)
            .because(MacMismatch)
            .hint("check the password; if it is right, copy the file again"))
    }

    fn safe(&mut self, safe: &ContentInfo, into: &mut Contents) -> Result<()> {
        if *safe.content_type == *oid::ID_DATA {
            let content: OctetString = decode_ber(self.name, safe.content.as_bytes())?;
            let bags: Vec<SafeBag> = decode_ber(self.name, &content)?;
            return self.bags(&bags, None, into, 0);
        }
        if *safe.content_type != *oid::ID_ENCRYPTED_DATA {
            let kind = oid::text(&safe.content_type);
            return Err(self
                .damaged(&format!("it contains {kind}, which is not encrypted with a password")));
        }
        let encrypted: EncryptedData = decode_ber(self.name, safe.content.as_bytes())?;
        let info = encrypted.encrypted_content_info;
        let content = info.encrypted_content.unwrap_or_default();
        let algorithm = &info.content_encryption_algorithm;
        let protection = self.protection(algorithm)?;
        let bags = self.decrypt(algorithm, &protection, &content)?;
        self.bags(&bags, Some(&protection), into, 0)
    }

    fn decrypt(
        &mut self,
        algorithm: &AlgorithmIdentifier,
        protection: &Protection,
        content: &[u8],
    ) -> Result<Vec<SafeBag>> {
        self.permit(algorithm)?;
        let algorithm = Algorithm::of(algorithm)?;
        let mut why = None;
        for form in self.password.forms(algorithm.pkcs5) {
            self.work.add(self.name, protection)?;
            match self.database.pbe_decrypt(algorithm.pbe(), form, content) {
                Ok(plain) => match decode_ber(self.name, &plain) {
                    Ok(bags) => return Ok(bags),
                    Err(e) => why = why.or(Some(e)),
                },
                Err(f) => {
                    let what = format!(
                        "cannot decrypt the certificates in the {} ({})",
                        self.name, protection.algorithm
                    );
                    why.get_or_insert(Error::new(Kind::Refused, what).because(f).hint(
                        "NSS or its policy may not allow the algorithm; write the file anew",
                    ));
                }
            }
        }
        Err(why.unwrap_or_else(|| self.damaged("its certificates could not be decrypted")))
    }

    fn bags(
        &mut self,
        bags: &[SafeBag],
        protection: Option<&Protection>,
        into: &mut Contents,
        depth: usize,
    ) -> Result<()> {
        if depth > DEEPEST {
            return Err(self.damaged("its bags are nested too deeply"));
        }
        for bag in bags {
            if into.certificates.len() + into.keys.len() + into.ignored.len() >= MOST_BAGS {
                return Err(self.damaged("it has more than 1000 bags"));
            }
            let (id, value) = (&bag.bag_id, bag.bag_value.as_bytes());
            let attributes = BagAttributes::of(bag);
            if **id == *oid::SAFE_CONTENTS_BAG {
                let inner: Vec<SafeBag> = decode_ber(self.name, value)?;
                self.bags(&inner, protection, into, depth + 1)?;
            } else if **id == *oid::SHROUDED_KEY_BAG {
                let info: EncryptedPrivateKeyInfo =
                    decode_ber("an encrypted private key", value).map_err(|e| self.of_file(e))?;
                let protection = self.protection(&info.encryption_algorithm)?;
                self.permit(&info.encryption_algorithm)?;
                into.keys.push(KeyBag { info, attributes, protection });
            } else if **id == *oid::CERT_BAG
                && let Some(der) = certificate(bag).map_err(|e| self.of_file(e))?
            {
                fields(&der).map_err(|e| self.of_file(e))?;
                let protection = protection.cloned();
                let fingerprint = Fingerprint::of(self.database, &der)?;
                into.certificates.push(CertificateBag { der, fingerprint, attributes, protection });
            } else {
                into.ignored.push(oid::text(id));
            }
        }
        Ok(())
    }
}

fn algorithm_of(mac: &MacData) -> &AlgorithmIdentifier {
    &mac.mac.digest_algorithm
}

/// Returns the digest that an identifier of a digest or of an HMAC names.
fn digest_of(id: &rasn::types::Oid) -> Option<MacDigest> {
    if *id == *oid::SHA224 {
        return Some(MacDigest::Sha224);
    }
    let hmacs = [
        (oid::HMAC_SHA1, Digest::Sha1),
        (oid::HMAC_SHA256, Digest::Sha256),
        (oid::HMAC_SHA384, Digest::Sha384),
        (oid::HMAC_SHA512, Digest::Sha512),
    ];
    let found =
        hmacs.iter().find(|(hmac, digest)| *id == **hmac || *id == *x509::digest_oid(*digest));
    found.map(|(_, digest)| MacDigest::Digest(*digest))
}
