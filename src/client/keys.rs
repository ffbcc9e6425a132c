//! Keys to be certified, and keys that sign: found in the tokens.

use super::session::Identity;
use crate::algorithm::{Crypto, Digest, KeyType};
use crate::asn1::{split_tlv, x509};
use crate::cmc::message::Signatory;
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Database, PrivateKey, Token};

impl<'a> From<&'a Identity> for Signatory<'a> {
    fn from(identity: &'a Identity) -> Signatory<'a> {
        Signatory::Certificate {
            leaf: identity.certificate.der(),
            issuers: &identity.issuers,
            key: &identity.key,
        }
    }
}

/// The private key with an id, in the token first and then in any other; it must be the one of each
/// request.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Input`] when a request is about another key.
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

/// The private key of a public key, in the token first and then in any other.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn key_for(database: &Database, token: &Token, spki: &[u8]) -> Result<PrivateKey> {
    // NSS gives every key the identifier SHA-1 of the modulus or point.
    let bits = x509::public_key_bits(spki)?;
    let modulus = match split_tlv(&bits) {
        Some((0x30, inner, [])) if x509::spki_key_type(spki) != Some(KeyType::Ec) => {
            split_tlv(inner).map(|(_, modulus, _)| modulus)
        }
        _ => None,
    };
    let of = modulus.map_or(bits.as_slice(), |m| m.strip_prefix(&[0]).unwrap_or(m));
    let id = database.hash(Digest::Sha1, of)?;
    request_key(database, token, &id, &[]).and_then(|key| {
        check_key(&key, &id, spki)?;
        Ok(key)
    })
}

/// Checks that the key is that of a SubjectPublicKeyInfo. A token that doesn't reveal the public half
/// leaves it to the CA to find out.
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
        format!("the private key {} is not the one of the request", keyid::to_hex(id)),
    )
    .hint(
        "request.privKeyId is printed by PKCS10Client and CRMFPopClient when they make a request",
    ))
}
