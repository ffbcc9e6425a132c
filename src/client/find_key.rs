//! Finds private keys in the tokens: by identifier (CKA_ID), nickname or public key.

use super::session::Session;
use crate::algorithm::{Crypto, Digest};
use crate::asn1::x509;
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Database, PrivateKey, Token};

/// Returns the existing key called `name`, and its SubjectPublicKeyInfo.
pub(super) fn find(session: &Session, name: &str) -> Result<(PrivateKey, Vec<u8>)> {
    let database = &session.database;
    if let Ok(id) = keyid::parse(name) {
        let found = session.token.find_key(&id).or_else(|| database.find_key(&id).ok());
        if let Some(key) = found {
            let spki = key.public()?.spki()?;
            return Ok((key, spki));
        }
    }
    let Ok(certificate) = session.certificate(name) else {
        let error = Error::new(
            Kind::NotFound,
            format!("key {name:?} not found in NSS database {}", database.name()),
        );
        let neither = "no private key has this id, and no certificate has this nickname";
        return Err(database.key_missing(error, neither));
    };
    Ok((certificate.private_key()?, certificate.spki().to_vec()))
}

/// Returns the private key with an identifier, from the token or else any other one; it must be the
/// key of each request.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Input`] when a request is for another key.
pub fn request_key(
    database: &Database,
    token: &Token,
    id: &[u8],
    requests: &[Request],
) -> Result<PrivateKey> {
    let key = match token.find_key(id) {
        Some(key) => key,
        None => database.find_key(id)?,
    };
    for request in requests {
        check_key(&key, id, request.spki())?;
    }
    Ok(key)
}

/// Returns the private key of a public key, from the token or else any other one.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn key_for(database: &Database, token: &Token, spki: &[u8]) -> Result<PrivateKey> {
    // NSS sets CKA_ID of every key to the SHA-1 of its modulus or point.
    let id = database.hash(Digest::Sha1, &x509::public_value(spki)?)?;
    request_key(database, token, &id, &[]).and_then(|key| {
        check_key(&key, &id, spki)?;
        Ok(key)
    })
}

/// Checks that the key belongs to a SubjectPublicKeyInfo. If its token doesn't reveal the public
/// key, the CA will check it.
///
/// # Errors
/// [`Kind::Input`].
pub fn check_key(key: &PrivateKey, id: &[u8], spki: &[u8]) -> Result<()> {
    let Ok(ours) = key.public().and_then(|p| p.spki()) else { return Ok(()) };
    if x509::public_key_bits(&ours)? == x509::public_key_bits(spki)? {
        return Ok(());
    }
    Err(Error::new(
        Kind::Input,
        format!("private key {} does not match the request", keyid::to_hex(id)),
    )
    .hint("set request.privKeyId to the key id that PKCS10Client or CRMFPopClient printed"))
}
