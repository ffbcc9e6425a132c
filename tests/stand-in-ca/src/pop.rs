//! Proof of possession by decryption (RFC 5272 §6.7): challenges in Dogtag's form, and their
//! responses.

use std::collections::BTreeMap;

use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use der::Tag;
use der::asn1::ObjectIdentifier;
use hmac::{Hmac, Mac};
use rsa::pkcs8::DecodePublicKey;
use rsa::rand_core::{OsRng, RngCore};
use rsa::{Oaep, Pkcs1v15Encrypt, RsaPublicKey};
use sha2::{Digest, Sha256};

use crate::answer::{Controls, Failure, failure, status_info};
use crate::element::{
    NULL, Refused, context, context_primitive, integer, octets, oid, sequence, set, tlv,
};
use crate::keys::SHA256;
use crate::request::{Asked, PkiData};

const ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const AES128_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

const DECRYPTED_POP: u32 = 10;
const REG_INFO: u32 = 18;

/// The first request id: as an INTEGER it needs a leading zero octet, which clients must send back.
const FIRST: u32 = 0x80;

/// A request that waits for its proof.
#[derive(Clone)]
pub struct Open {
    pub asked: Asked,
    /// The subject of the certificate.
    pub subject: Vec<u8>,
    challenge: [u8; 64],
}

/// The waiting requests, by id.
#[derive(Default)]
pub struct Waiting(BTreeMap<u32, Open>);

impl Waiting {
    /// Keeps a request; returns encryptedPOP, status and responseInfo.
    pub fn challenge(
        &mut self,
        asked: &Asked,
        subject: &[u8],
        oaep: bool,
        flaw: &str,
    ) -> Result<Controls, Refused> {
        let mut challenge = [0; 64];
        OsRng.fill_bytes(&mut challenge);
        let (mut session, mut iv) = ([0; 16], [0; 16]);
        OsRng.fill_bytes(&mut session);
        OsRng.fill_bytes(&mut iv);
        let key = RsaPublicKey::from_public_key_der(&asked.spki).map_err(|e| e.to_string())?;
        let wrapped = match oaep {
            true => key.encrypt(&mut OsRng, Oaep::new::<Sha256>(), &session),
            false => key.encrypt(&mut OsRng, Pkcs1v15Encrypt, &session),
        };
        let mut parts = Parts {
            request: asked.tagged.clone(),
            wrapped: wrapped.map_err(|e| e.to_string())?,
            iv: iv.to_vec(),
            encrypted: encrypt(&session, &iv, &challenge),
            witness: Sha256::digest(challenge).to_vec(),
        };
        match flaw {
            "pop-witness" => parts.witness.reverse(),
            "pop-no-witness" => parts.witness.clear(),
            "pop-key" => parts.wrapped.reverse(),
            "pop-short-key" => parts.wrapped.truncate(16),
            "pop-cut" => parts.encrypted.truncate(17),
            "pop-empty" => parts.encrypted.clear(),
            "pop-iv" => parts.iv.truncate(8),
            "pop-request" => parts.request = other_request(&asked.tagged, &asked.spki)?,
            _ => {}
        }
        let pop = parts.encrypted_pop();
        let id = FIRST + self.0.len() as u32;
        let open = Open { asked: asked.clone(), subject: subject.to_vec(), challenge };
        self.0.insert(id, open);
        // Big-endian two's complement, the shortest form: the content of an INTEGER.
        let number = integer(&id.to_be_bytes());
        let number = number.get(2..).unwrap_or_default();
        let mut controls = vec![
            (9, set(vec![pop])),
            (25, status_info(6, &asked.id, None, Some(8))),
            (19, set(vec![octets(number)])),
        ];
        match flaw {
            "pop-no-pop" => drop(controls.remove(0)),
            "pop-no-id" => drop(controls.remove(2)),
            "pop-twice" => controls.insert(0, (9, set(vec![octets(b"no EncryptedPOP")]))),
            _ => {}
        }
        Ok(controls)
    }

    /// Returns the request whose challenge a message decrypts; `None` without decryptedPOP.
    pub fn proved(&self, data: &PkiData<'_>) -> Result<Option<Open>, Failure> {
        let failed = "Proof-of-Possession Verification Failed";
        let bad = |_: Refused| failure(2, "Invalid Request");
        let Some(pop) = data.value(DECRYPTED_POP).map_err(bad)? else { return Ok(None) };
        let Some(registration) = data.value(REG_INFO).map_err(bad)? else {
            return Err(failure(
                9,
                &format!("{failed}:id_cmc_decryptedPOP must be accompanied by id_cmc_regInfo"),
            ));
        };
        let number = registration.content_of(Tag::OctetString).map_err(bad)?;
        let number =
            number.iter().try_fold(0u32, |n, b| n.checked_mul(256)?.checked_add((*b).into()));
        let open =
            number.and_then(|n| self.0.get(&n)).ok_or_else(|| failure(11, "Invalid Request"))?;
        let [_id, _algorithm, proof] = pop.within(Tag::Sequence).map_err(bad)?[..] else {
            return Err(failure(2, "Invalid Request"));
        };
        let right = mac(&open.challenge, &open.asked.tagged).map_err(bad)?;
        if proof.content_of(Tag::OctetString) != Ok(&right[..]) {
            return Err(failure(9, &format!("{failed}:DecryptedPOP failed to verify")));
        }
        Ok(Some(open.clone()))
    }
}

fn mac(challenge: &[u8], request: &[u8]) -> Result<Vec<u8>, Refused> {
    let mac = Hmac::<Sha256>::new_from_slice(challenge).map_err(|e| e.to_string())?;
    Ok(mac.chain_update(request).finalize().into_bytes().to_vec())
}

fn encrypt(session: &[u8; 16], iv: &[u8; 16], challenge: &[u8; 64]) -> Vec<u8> {
    cbc::Encryptor::<aes::Aes128>::new(session.into(), iv.into())
        .encrypt_padded_vec_mut::<NoPadding>(challenge)
}

/// Returns the request with another key in place of its own.
fn other_request(tagged: &[u8], spki: &[u8]) -> Result<Vec<u8>, Refused> {
    let bits = spki.get(spki.len() - 200..).ok_or("a short key")?;
    let at = tagged.windows(bits.len()).position(|w| w == bits).ok_or("no key in the request")?;
    let mut other = tagged.to_vec();
    other.get_mut(at..at + 16).ok_or("out of range")?.reverse();
    Ok(other)
}

/// The parts of a challenge.
struct Parts {
    request: Vec<u8>,
    /// The session key, encrypted with the request's key.
    wrapped: Vec<u8>,
    iv: Vec<u8>,
    encrypted: Vec<u8>,
    witness: Vec<u8>,
}

impl Parts {
    /// Returns EncryptedPOP: as in Dogtag, the initialization vector is in thePOPAlgID, and a wrong
    /// one in its field.
    fn encrypted_pop(&self) -> Vec<u8> {
        let issuer =
            sequence(&[&oid(&COMMON_NAME), &tlv(Tag::PrintableString, b"unUsedIssuerName")]);
        let recipient = sequence(&[
            &integer(&[0]),
            &sequence(&[&sequence(&[&set(vec![issuer])]), &integer(&[0])]),
            &sequence(&[&oid(&RSA), NULL]),
            &octets(&self.wrapped),
        ]);
        let content = sequence(&[
            &oid(&DATA),
            &sequence(&[&oid(&AES128_CBC), &octets(&[1; 16])]),
            &tlv(context_primitive(0), &self.encrypted),
        ]);
        let enveloped = sequence(&[&integer(&[0]), &set(vec![recipient]), &content]);
        sequence(&[
            &self.request,
            &sequence(&[&oid(&ENVELOPED_DATA), &tlv(context(0), &enveloped)]),
            &sequence(&[&oid(&AES128_CBC), &octets(&self.iv)]),
            &sequence(&[&oid(&SHA256)]),
            &octets(&self.witness),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_reference_vector() {
        let count = |from: u8| std::array::from_fn(|i| from + i as u8);
        let challenge: [u8; 64] = std::array::from_fn(|i| i as u8);
        assert_eq!(
            hex(&encrypt(&count(0), &count(0x10), &challenge)),
            "954f64f2e4e86e9eee82d20216684899a93b9ddb22e8ab104c61e728831d6d5a\
             1f51afc19343249ef3b4495be12dc4f3e0b296f5c91be273a66c1216a66da5fd"
        );
        assert_eq!(
            hex(&Sha256::digest(challenge)),
            "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108"
        );
        assert_eq!(
            hex(&mac(&challenge, &[0xa0, 3, 2, 1, 1]).unwrap_or_default()),
            "d48ec2ac90e03814622b98b6cae99152942cb90b64485f5e807f414fbfa6ac15"
        );
    }
}
