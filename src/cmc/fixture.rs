//! OpenSSL as the provider of cryptography in tests of pure code: it is independent of NSS.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign;

use crate::algorithm::{Crypto, Digest, KeyType, Scheme, Signer};
use crate::error::Result;

/// Digests and HMACs by OpenSSL; the random octets count up from 0.
pub struct OpenSsl;

fn message_digest(digest: Digest) -> MessageDigest {
    match digest {
        Digest::Sha1 => MessageDigest::sha1(),
        Digest::Sha256 => MessageDigest::sha256(),
        Digest::Sha384 => MessageDigest::sha384(),
        Digest::Sha512 => MessageDigest::sha512(),
    }
}

impl Crypto for OpenSsl {
    fn hash(&self, digest: Digest, data: &[u8]) -> Result<Vec<u8>> {
        Ok(openssl::hash::hash(message_digest(digest), data).unwrap().to_vec())
    }

    fn hmac(&self, digest: Digest, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        let key = PKey::hmac(key).unwrap();
        let mut signer = sign::Signer::new(message_digest(digest), &key).unwrap();
        Ok(signer.sign_oneshot_to_vec(data).unwrap())
    }

    fn random(&self, n: usize) -> Result<Vec<u8>> {
        Ok((0..n).map(|i| i as u8).collect())
    }
}

/// A private key in OpenSSL.
pub struct Key(pub PKey<openssl::pkey::Private>);

impl Key {
    /// Generates an RSA key.
    pub fn rsa() -> Key {
        Key(PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap())
    }

    /// Generates a P-256 key.
    pub fn ec() -> Key {
        let curve = openssl::nid::Nid::X9_62_PRIME256V1;
        let group = openssl::ec::EcGroup::from_curve_name(curve).unwrap();
        Key(PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap())
    }

    /// Returns the DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        self.0.public_key_to_der().unwrap()
    }
}

impl Signer for Key {
    fn key_type(&self) -> KeyType {
        if self.0.rsa().is_ok() { KeyType::Rsa } else { KeyType::Ec }
    }

    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        let (Scheme::RsaPkcs1(digest) | Scheme::Ecdsa(digest)) = scheme else { unreachable!() };
        let mut signer = sign::Signer::new(message_digest(digest), &self.0).unwrap();
        Ok(signer.sign_oneshot_to_vec(message).unwrap())
    }
}
