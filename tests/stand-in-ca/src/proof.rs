//! Proof of identity (RFC 5272 §6.2) by a secret that the CA shares with a user.

use der::Tag;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::answer::{Failure, failure};
use crate::element::{Element, Refused, one};
use crate::request::{Asked, PkiData};
use crate::store::Store;

const IDENTIFICATION: u32 = 2;
const IDENTITY_PROOF_V2: u32 = 34;
const POP_LINK_RANDOM: u32 = 22;

/// Returns the directory name of the user whose secret the proof was made with.
pub fn identity(
    data: &PkiData<'_>,
    store: &Store,
    log: &mut Vec<String>,
) -> Result<Vec<u8>, Failure> {
    let identification = match data.value(IDENTIFICATION) {
        Ok(Some(value)) if value.tag == Tag::Utf8String && !value.content.is_empty() => {
            Some(String::from_utf8_lossy(value.content).into_owned())
        }
        Ok(None) => None,
        _ => return Err(failure(2, "Invalid Request: bad identification")),
    };
    if data.control(IDENTITY_PROOF_V2).is_none() {
        return Err(failure(
            2,
            "Proof-of-Identification Verification Failed:not pre-signed CMC request; missing Proof \
             of Identification control",
        ));
    }
    let Some(uid) = identification else {
        return Err(failure(
            7,
            "Invalid Request:id_cmc_identityProofV2 missing id_cmc_identification",
        ));
    };
    verify(data, &uid, store).map_err(|why| {
        log.push(format!("identity proof: {why}"));
        failure(7, "Proof-of-Identification Verification Failed after verifyIdentityProofV2")
    })
}

/// Verifies the link between a request and the secret, which popLinkWitnessRequired requires.
pub fn link(data: &PkiData<'_>, request: &Asked, store: &Store) -> Result<(), Failure> {
    let checked = || -> Result<(), Refused> {
        let witness = request.link.as_deref().ok_or("the request has no witness")?;
        let random = data.value(POP_LINK_RANDOM)?.ok_or("no popLinkRandom")?;
        let uid = data.value(IDENTIFICATION)?.ok_or("no identification")?;
        let uid = String::from_utf8_lossy(uid.content);
        let random = random.content_of(Tag::OctetString)?;
        witnessed(&one(witness)?, &uid, random, store).map(drop)
    };
    checked().map_err(|why| Failure(2, format!("POP Link Witness Verification Failed:{why}")))
}

fn verify(data: &PkiData<'_>, uid: &str, store: &Store) -> Result<Vec<u8>, Refused> {
    let value = data.value(IDENTITY_PROOF_V2)?.ok_or("no value")?;
    witnessed(&value, uid, data.sequence, store)
}

/// Verifies a witness of version 2 over `octets`; returns the user's name.
fn witnessed(
    value: &Element<'_>,
    uid: &str,
    octets: &[u8],
    store: &Store,
) -> Result<Vec<u8>, Refused> {
    let [hash, mac, witness] = value.within(Tag::Sequence)?[..] else {
        return Err("no witness of version 2".into());
    };
    let (name, secret) = store.user(uid).ok_or_else(|| format!("no user {uid:?}"))?;
    // Dogtag counts characters for a buffer that it fills with octets.
    if !secret.is_ascii() {
        return Err("the secret is not ASCII".into());
    }
    let key = key(&hash, &[&secret[..], uid.as_bytes()].concat())?;
    check(&mac, &key, octets, witness.content_of(Tag::OctetString)?)?;
    Ok(name)
}

fn algorithm(identifier: &Element<'_>) -> Result<String, Refused> {
    let parts = identifier.within(Tag::Sequence)?;
    Ok(parts.first().ok_or("no algorithm")?.oid()?.to_string())
}

fn key(hash: &Element<'_>, seed: &[u8]) -> Result<Vec<u8>, Refused> {
    Ok(match algorithm(hash)?.as_str() {
        "1.3.14.3.2.26" => Sha1::digest(seed).to_vec(),
        "2.16.840.1.101.3.4.2.1" => Sha256::digest(seed).to_vec(),
        "2.16.840.1.101.3.4.2.2" => Sha384::digest(seed).to_vec(),
        "2.16.840.1.101.3.4.2.3" => Sha512::digest(seed).to_vec(),
        other => return Err(format!("unknown hash {other}")),
    })
}

/// Verifies an HMAC with SHA-256 or SHA-512; Dogtag fails with SHA-384 and SHA-1.
fn check(mac: &Element<'_>, key: &[u8], data: &[u8], witness: &[u8]) -> Result<(), Refused> {
    let wrong = |_| "the witness is wrong".to_owned();
    match algorithm(mac)?.as_str() {
        "1.2.840.113549.2.9" => Hmac::<Sha256>::new_from_slice(key)
            .map_err(|e| e.to_string())?
            .chain_update(data)
            .verify_slice(witness)
            .map_err(wrong),
        "1.2.840.113549.2.11" => Hmac::<Sha512>::new_from_slice(key)
            .map_err(|e| e.to_string())?
            .chain_update(data)
            .verify_slice(witness)
            .map_err(wrong),
        other => Err(format!("MAC {other} can't be checked")),
    }
}
