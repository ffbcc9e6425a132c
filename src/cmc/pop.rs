//! Proof of possession by decryption (RFC 5272 §6.7): the CA's EncryptedPOP and the client's
//! DecryptedPOP.

use rasn::types::OctetString;
use rasn_cms::{EnvelopedData, RecipientInfo};

use super::control::{Control, DecryptedPop, EncryptedPop};
use super::request::{PkiDataBuilder, Request};
use super::response::{CmcStatus, Response};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::certificate::Algorithm;
use crate::asn1::cmc::TaggedRequest;
use crate::asn1::{Number, decode, oid};
use crate::error::{Error, Kind, Result};

/// The EncryptedPOP of a response (RFC 5272 §6.7) and what belongs to it.
#[derive(Debug)]
pub struct Challenge {
    pop: EncryptedPop,
    envelope: EnvelopedData,
    request: Request,
    /// Body part id of the request.
    body_part_id: Number,
    /// The octets of responseInfo: Dogtag's request id. The client returns them in regInfo.
    pub registration: Vec<u8>,
}

/// A candidate for how the challenge is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The AES-CBC initialisation vector.
    pub iv: Vec<u8>,
    /// Whether the challenge has PKCS #7 padding (RFC 5652 §6.3); Dogtag's has none.
    pub padded: bool,
}

fn unusable(why: impl Into<String>) -> Error {
    Error::new(Kind::Input, "cannot use the CA's response for a DecryptedPOP").because(why.into())
}

/// Decodes a TaggedRequest (RFC 5272 §3.2.1.2); returns the request and its body part id.
fn tagged(der: &[u8]) -> Result<(Request, Number)> {
    let unknown = || unusable("unknown type of request");
    match der.first() {
        Some(0xa0) => match decode("the challenged request", der)? {
            TaggedRequest::Tcr(tagged) => {
                let request = Request::from_pkcs10(tagged.certification_request.as_bytes())?;
                Ok((request, Number::of(&tagged.body_part_id)))
            }
            TaggedRequest::Crm(_) | TaggedRequest::Orm(_) => Err(unknown()),
        },
        Some(0xa1) => {
            let mut message = der.to_vec();
            if let Some(tag) = message.first_mut() {
                *tag = 0x30;
            }
            let (request, id) = Request::from_crmf(&message)?;
            Ok((request, id))
        }
        _ => Err(unknown()),
    }
}

impl Challenge {
    /// Takes the challenge from a response.
    ///
    /// # Errors
    /// [`Kind::Rejected`] when the CA refused; [`Kind::Input`] when the response has no challenge
    /// or no request id.
    pub fn from_response(response: &Response) -> Result<Challenge> {
        if let Some(e) = response.undecodable_status() {
            return Err(e);
        }
        if let Some(failed) = response.statuses().iter().find(|s| s.status == CmcStatus::Failed) {
            return Err((*failed).clone().into_error());
        }
        let pop = response.encrypted_pop()?.cloned().ok_or_else(|| {
            unusable("it has no EncryptedPOP control")
                .hint("use the response of the first round trip, with status popRequired")
        })?;
        let registration = response
            .response_info()?
            .ok_or_else(|| unusable("it has no responseInfo control with the request id"))?
            .to_vec();
        if pop.content_type != oid::dotted(oid::ID_ENVELOPED_DATA) {
            return Err(unusable("its EncryptedPOP has no EnvelopedData"));
        }
        let envelope = decode("the EnvelopedData", &pop.content)?;
        let (request, body_part_id) = tagged(&pop.request)?;
        Ok(Challenge { pop, envelope, request, body_part_id, registration })
    }

    /// Returns the request id as text; see [`Number`].
    pub fn request_id(&self) -> String {
        Number::unsigned(&self.registration).to_string()
    }

    /// Returns the request that the challenge is about.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Returns the session key, encrypted under the request's public key (KeyTransRecipientInfo,
    /// RFC 5652 §6.2.1). Dogtag writes a placeholder as recipient identifier; it isn't checked.
    ///
    /// # Errors
    /// [`Kind::Input`] when there is no such recipient.
    pub fn wrapped_key(&self) -> Result<Vec<u8>> {
        let recipients = self.envelope.recipient_infos.to_vec();
        recipients
            .into_iter()
            .find_map(|r| match r {
                RecipientInfo::KeyTransRecipientInfo(k) => Some(k.encrypted_key.to_vec()),
                _ => None,
            })
            .ok_or_else(|| unusable("its EnvelopedData has no key transport recipient"))
    }

    /// Returns the encrypted challenge (RFC 5652 §6.1).
    ///
    /// # Errors
    /// [`Kind::Input`] when it is missing, or its length is not a multiple of the AES block.
    pub fn ciphertext(&self) -> Result<Vec<u8>> {
        let content = &self.envelope.encrypted_content_info.encrypted_content;
        match content.as_ref().map(|c| c.to_vec()) {
            Some(c) if !c.is_empty() && c.len().is_multiple_of(16) => Ok(c),
            _ => Err(unusable("its challenge is missing or truncated")),
        }
    }

    /// Returns how the challenge may be encrypted, most likely first. Dogtag: AES-CBC in
    /// thePOPAlgID, with the initialisation vector that was used as its parameter, and no padding.
    /// RFC 5272: as the EnvelopedData says.
    ///
    /// # Errors
    /// [`Kind::Input`] when neither has an initialisation vector.
    pub fn readings(&self) -> Result<Vec<Reading>> {
        let iv = |algorithm: &Algorithm| {
            let iv: OctetString = rasn::der::decode(&algorithm.parameters).ok()?;
            Some(iv.to_vec()).filter(|iv| iv.len() == 16)
        };
        let mut found = Vec::new();
        if self.is_dogtag_s()
            && let Some(iv) = iv(&self.pop.the_pop_algorithm)
        {
            found.push(Reading { iv, padded: false });
        }
        let inner = &self.envelope.encrypted_content_info.content_encryption_algorithm;
        if let Some(iv) = iv(&Algorithm::of(inner)) {
            found.push(Reading { iv, padded: true });
        }
        match found.is_empty() {
            true => Err(unusable("its encryption is not AES-CBC")),
            false => Ok(found),
        }
    }

    fn is_dogtag_s(&self) -> bool {
        self.pop.the_pop_algorithm.is(oid::AES128_CBC)
    }

    /// Returns whether the digest of `challenge` equals the witness, that is, whether it was
    /// decrypted correctly.
    ///
    /// # Errors
    /// [`Kind::Input`] for a witness with an unknown algorithm.
    pub fn is_witnessed(&self, challenge: &[u8], crypto: &dyn Crypto) -> Result<bool> {
        let algorithm = &self.pop.witness_algorithm;
        let digest = [Digest::Sha256, Digest::Sha384, Digest::Sha512]
            .into_iter()
            .find(|d| algorithm.is(crate::asn1::x509::digest_oid(*d)))
            .ok_or_else(|| unusable(format!("unknown witness algorithm {}", algorithm.id)))?;
        Ok(crypto.hash(digest, challenge)? == self.pop.witness)
    }

    /// Returns thePOP: the HMAC of the request under the challenge. Dogtag always uses HMAC-SHA256.
    fn the_pop(&self, challenge: &[u8], crypto: &dyn Crypto) -> Result<Vec<u8>> {
        let algorithm = &self.pop.the_pop_algorithm;
        let macs = [
            (oid::AES128_CBC, Digest::Sha256),
            (oid::HMAC_SHA256, Digest::Sha256),
            (oid::HMAC_SHA384, Digest::Sha384),
            (oid::HMAC_SHA512, Digest::Sha512),
            (oid::HMAC_SHA1, Digest::Sha1),
        ];
        let digest = macs.iter().find(|(id, _)| algorithm.is(id)).map(|(_, d)| *d);
        let digest =
            digest.ok_or_else(|| unusable(format!("unknown POP algorithm {}", algorithm.id)))?;
        crypto.hmac(digest, challenge, &self.pop.request)
    }

    /// Starts the message of the second round trip: decryptedPOP (RFC 5272 §6.7), regInfo and the
    /// request as received.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn answer(&self, challenge: &[u8], crypto: &dyn Crypto) -> Result<PkiDataBuilder> {
        let mut builder = PkiDataBuilder::default();
        builder.reserve(&self.body_part_id);
        let pop = DecryptedPop {
            body_part_id: self.body_part_id.clone(),
            the_pop_algorithm: self.pop.the_pop_algorithm.clone(),
            the_pop: self.the_pop(challenge, crypto)?,
        };
        builder.add(&Control::DecryptedPop(Box::new(pop)))?;
        builder.add(&Control::RegInfo(self.registration.clone()))?;
        builder.tagged_request(self.pop.request.clone());
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::tlv;
    use crate::cmc::fixture::OpenSsl;
    use crate::cmc::response::{self, open_signed_data};
    use crate::keyid::to_hex as hex;

    fn golden(path: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/vectors/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn recorded() -> Challenge {
        let der = golden("06a-encrypted-pop-1/response.der");
        Challenge::from_response(&response::parse(&der).unwrap()).unwrap()
    }

    #[test]
    fn dogtag_s_challenge_is_read() {
        let challenge = recorded();
        assert_eq!(challenge.wrapped_key().unwrap().len(), 256);
        assert_eq!(challenge.ciphertext().unwrap().len(), 64);
        let readings = challenge.readings().unwrap();
        assert!(!readings[0].padded && readings[0].iv != [1; 16]);
        assert_eq!(readings[1], Reading { iv: vec![1; 16], padded: true });
        assert!(!challenge.request().spki().is_empty());
        assert!(!challenge.is_witnessed(&[0; 64], &OpenSsl).unwrap());
    }

    /// Compares all octets but those of the MAC, which needs the CA's challenge.
    #[test]
    fn the_answer_has_the_shape_of_java_s() {
        let challenge = recorded();
        let ours = challenge.answer(&[0; 64], &OpenSsl).unwrap().build().unwrap();
        let request = golden("06a-encrypted-pop-2/request.der");
        let java = open_signed_data("x", &request).unwrap().1.unwrap();
        assert_eq!(ours.len(), java.len());
        let different = ours.iter().zip(&java).filter(|(a, b)| a != b).count();
        assert!(different <= 32, "{different} octets differ");
        let mac = challenge.the_pop(&[0; 64], &OpenSsl).unwrap();
        let at = ours.windows(32).position(|w| w == mac).unwrap();
        assert_eq!(ours[..at], java[..at]);
        assert_eq!(ours[at + 32..], java[at + 32..]);
    }

    fn made(the_pop: &rasn::types::Oid, iv: Option<&[u8]>) -> Challenge {
        let mut challenge = recorded();
        challenge.pop.request = vec![0xa0, 3, 2, 1, 1];
        challenge.pop.the_pop_algorithm = Algorithm {
            parameters: iv.map(|iv| tlv(4, iv)).unwrap_or_default(),
            ..Algorithm::plain(the_pop)
        };
        challenge
    }

    #[test]
    fn the_reference_vector() {
        let secret: Vec<u8> = (0..64).collect();
        let mut challenge = made(oid::AES128_CBC, Some(&[9; 16]));
        assert_eq!(
            hex(&challenge.the_pop(&secret, &OpenSsl).unwrap()),
            "d48ec2ac90e03814622b98b6cae99152942cb90b64485f5e807f414fbfa6ac15"
        );
        let witness = "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108";
        assert_eq!(hex(&OpenSsl.hash(Digest::Sha256, &secret).unwrap()), witness);
        challenge.pop.witness = OpenSsl.hash(Digest::Sha256, &secret).unwrap();
        assert!(challenge.is_witnessed(&secret, &OpenSsl).unwrap());
    }

    #[test]
    fn the_rfc_s_reading_comes_alone_when_the_pop_algorithm_is_a_mac() {
        let challenge = made(oid::HMAC_SHA384, None);
        assert_eq!(challenge.readings().unwrap(), [Reading { iv: vec![1; 16], padded: true }]);
        assert_eq!(challenge.the_pop(&[1; 64], &OpenSsl).unwrap().len(), 48);
    }

    #[test]
    fn what_is_no_challenge_is_said() {
        let der = golden("08a-wrong-agent/response.der");
        let e = Challenge::from_response(&response::parse(&der).unwrap()).unwrap_err();
        assert_eq!(e.kind(), Kind::Rejected);
        let der = golden("01-rsa-server/response.der");
        let e = Challenge::from_response(&response::parse(&der).unwrap()).unwrap_err();
        assert!(e.to_string().contains("no EncryptedPOP"), "{e}");
        let mut challenge = made(oid::ID_DATA, None);
        assert!(challenge.the_pop(&[0; 64], &OpenSsl).is_err());
        challenge.pop.witness_algorithm = Algorithm::plain(oid::SHA1);
        assert!(challenge.is_witnessed(&[0; 64], &OpenSsl).is_err());
        challenge.envelope.encrypted_content_info.encrypted_content = Some(vec![0; 17].into());
        assert!(challenge.ciphertext().is_err());
    }
}
