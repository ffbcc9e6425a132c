//! Signs and verifies with RustCrypto.

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::signature::{SignatureEncoding, Signer, Verifier, hazmat::PrehashVerifier};
use rsa::{RsaPrivateKey, RsaPublicKey, pkcs1v15, pss};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::element::{Element, NULL, Refused, oid, one, sequence};

pub const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
pub const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
pub const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A SHA-2 digest, with its object identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub fn from_oid(id: ObjectIdentifier) -> Option<Hash> {
        [(SHA256, Hash::Sha256), (SHA384, Hash::Sha384), (SHA512, Hash::Sha512)]
            .into_iter()
            .find(|(known, _)| *known == id)
            .map(|(_, hash)| hash)
    }

    /// Returns the digest of a signature algorithm.
    pub fn of_signature(id: ObjectIdentifier) -> Option<Hash> {
        match id.to_string().as_str() {
            "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Some(Hash::Sha256),
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Hash::Sha384),
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Hash::Sha512),
            _ => None,
        }
    }

    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(data).to_vec(),
            Hash::Sha384 => Sha384::digest(data).to_vec(),
            Hash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

/// A key of the CA or the server.
pub enum Key {
    Rsa(Box<RsaPrivateKey>),
    Ec(Box<p256::ecdsa::SigningKey>),
}

impl Key {
    pub fn generate(ec: bool) -> Result<Key, Refused> {
        let mut random = rsa::rand_core::OsRng;
        if ec {
            return Ok(Key::Ec(Box::new(p256::ecdsa::SigningKey::random(&mut random))));
        }
        let key = RsaPrivateKey::new(&mut random, 2048).map_err(|e| e.to_string())?;
        Ok(Key::Rsa(Box::new(key)))
    }

    pub fn from_pkcs8(der: &[u8]) -> Result<Key, Refused> {
        if let Ok(key) = RsaPrivateKey::from_pkcs8_der(der) {
            return Ok(Key::Rsa(Box::new(key)));
        }
        let key = p256::ecdsa::SigningKey::from_pkcs8_der(der).map_err(|e| e.to_string())?;
        Ok(Key::Ec(Box::new(key)))
    }

    pub fn to_pkcs8(&self) -> Result<Vec<u8>, Refused> {
        let document = match self {
            Key::Rsa(key) => key.to_pkcs8_der(),
            Key::Ec(key) => key.to_pkcs8_der(),
        };
        Ok(document.map_err(|e| e.to_string())?.as_bytes().to_vec())
    }

    /// Returns the DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> Result<Vec<u8>, Refused> {
        let document = match self {
            Key::Rsa(key) => key.to_public_key().to_public_key_der(),
            Key::Ec(key) => key.verifying_key().to_public_key_der(),
        };
        Ok(document.map_err(|e| e.to_string())?.as_bytes().to_vec())
    }

    /// Signs with SHA-256.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Key::Rsa(key) => {
                pkcs1v15::SigningKey::<Sha256>::new((**key).clone()).sign(message).to_vec()
            }
            Key::Ec(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }

    /// Returns the AlgorithmIdentifier for certificates.
    pub fn algorithm(&self) -> Vec<u8> {
        match self {
            Key::Rsa(_) => sequence(&[&oid(&SHA256_RSA), NULL]),
            Key::Ec(_) => sequence(&[&oid(&ECDSA_SHA256)]),
        }
    }

    /// Returns the AlgorithmIdentifier for SignerInfo: Dogtag writes NULL for ECDSA, too.
    pub fn cms_algorithm(&self) -> Vec<u8> {
        match self {
            Key::Rsa(_) => self.algorithm(),
            Key::Ec(_) => sequence(&[&oid(&ECDSA_SHA256), NULL]),
        }
    }
}

/// A public key's type and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Rsa(usize),
    P256,
    P384,
    P521,
}

/// Returns the kind of key in a SubjectPublicKeyInfo.
pub fn kind(spki: &[u8]) -> Result<KeyKind, Refused> {
    let (algorithm, parameters, _) = spki_parts(spki)?;
    if algorithm == RSA {
        use rsa::traits::PublicKeyParts;
        let key = RsaPublicKey::from_public_key_der(spki).map_err(|e| e.to_string())?;
        return Ok(KeyKind::Rsa(key.size() * 8));
    }
    if algorithm != EC {
        return Err(format!("unknown key algorithm {algorithm}"));
    }
    let curve = parameters.ok_or("an EC key without curve")?.oid()?;
    match curve.to_string().as_str() {
        "1.2.840.10045.3.1.7" => Ok(KeyKind::P256),
        "1.3.132.0.34" => Ok(KeyKind::P384),
        "1.3.132.0.35" => Ok(KeyKind::P521),
        other => Err(format!("unknown curve {other}")),
    }
}

type SpkiParts<'a> = (ObjectIdentifier, Option<Element<'a>>, &'a [u8]);

/// Returns the algorithm, its parameters, and the key's bits.
pub fn spki_parts(spki: &[u8]) -> Result<SpkiParts<'_>, Refused> {
    let parts = one(spki)?.within(der::Tag::Sequence)?;
    let [algorithm, bits] = parts[..] else { return Err("no SubjectPublicKeyInfo".into()) };
    let algorithm = algorithm.within(der::Tag::Sequence)?;
    let id = algorithm.first().ok_or("no algorithm")?.oid()?;
    Ok((id, algorithm.get(1).copied(), bits.bits()?))
}

/// Verifies an RSA PKCS #1 or ECDSA signature.
pub fn verify(spki: &[u8], hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), Refused> {
    let bad = |e: rsa::signature::Error| format!("signature: {e}");
    let digest = hash.digest(message);
    match kind(spki)? {
        KeyKind::Rsa(_) => {
            let key = RsaPublicKey::from_public_key_der(spki).map_err(|e| e.to_string())?;
            let signature = pkcs1v15::Signature::try_from(signature).map_err(bad)?;
            match hash {
                Hash::Sha256 => {
                    pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(message, &signature)
                }
                Hash::Sha384 => {
                    pkcs1v15::VerifyingKey::<Sha384>::new(key).verify(message, &signature)
                }
                Hash::Sha512 => {
                    pkcs1v15::VerifyingKey::<Sha512>::new(key).verify(message, &signature)
                }
            }
            .map_err(bad)
        }
        KeyKind::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_public_key_der(spki);
            let signature = p256::ecdsa::Signature::from_der(signature).map_err(bad)?;
            key.map_err(|e| e.to_string())?.verify_prehash(&digest, &signature).map_err(bad)
        }
        KeyKind::P384 => {
            let key = p384::ecdsa::VerifyingKey::from_public_key_der(spki);
            let signature = p384::ecdsa::Signature::from_der(signature).map_err(bad)?;
            key.map_err(|e| e.to_string())?.verify_prehash(&digest, &signature).map_err(bad)
        }
        KeyKind::P521 => {
            let point = spki_parts(spki)?.2;
            // p521 accepts no number shorter than half the curve's size; a leading zero doesn't
            // change the value.
            let digest = [&[0][..], &digest].concat();
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(bad)?;
            let signature = p521::ecdsa::Signature::from_der(signature).map_err(bad)?;
            key.verify_prehash(&digest, &signature).map_err(bad)
        }
    }
}

/// Verifies an RSASSA-PSS signature. Dogtag ignores the parameters and assumes SHA-512.
pub fn verify_pss(
    spki: &[u8],
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    if hash != Hash::Sha512 {
        return Err("RSASSA-PSS with another digest than SHA-512".into());
    }
    let key = RsaPublicKey::from_public_key_der(spki).map_err(|e| e.to_string())?;
    let bad = |e: rsa::signature::Error| format!("signature: {e}");
    let signature = pss::Signature::try_from(signature).map_err(bad)?;
    pss::VerifyingKey::<Sha512>::new(key).verify(message, &signature).map_err(bad)
}

/// Returns whether decoding and encoding restores the DER: Dogtag does both before it verifies a
/// request.
pub fn round_trips(der: &[u8]) -> bool {
    der::Any::from_der(der).and_then(|a| a.to_der()).is_ok_and(|again| again == der)
}
