//! The values of controls that have parts, as plain data.

use rasn::types::OctetString;
use zeroize::Zeroizing;

use crate::asn1::certificate::Algorithm;
use crate::asn1::cms::ContentInfo;
use crate::asn1::{Number, any, cmc, decode, encode, oid};
use crate::error::Result;

/// The value of identityProofV2 (RFC 5272 §6.2.1) and popLinkWitnessV2 (§6.3.1.1): both have one
/// shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// hashAlgID, or keyGenAlgorithm.
    pub hash_algorithm: Algorithm,
    /// macAlgID, or macAlgorithm.
    pub mac_algorithm: Algorithm,
    /// The MAC.
    pub witness: Vec<u8>,
}

/// EncryptedPOP (§6.7): a CA's challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedPop {
    /// DER of the TaggedRequest that it challenges.
    pub request: Vec<u8>,
    /// The type of the content with the challenge, in dotted form.
    pub content_type: String,
    /// DER of that content.
    pub content: Vec<u8>,
    /// RFC: the MAC. Dogtag: AES-128-CBC with the true initialisation vector.
    pub the_pop_algorithm: Algorithm,
    /// Digest of the witness.
    pub witness_algorithm: Algorithm,
    /// Digest of the challenge.
    pub witness: Vec<u8>,
}

/// DecryptedPOP (§6.7): the answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecryptedPop {
    /// The request meant.
    pub body_part_id: Number,
    /// As in the challenge.
    pub the_pop_algorithm: Algorithm,
    /// The MAC under the challenge.
    pub the_pop: Vec<u8>,
}

/// LraPopWitness (§6.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LraPopWitness {
    /// Body part of the PKIData meant; 0 is the one it is in.
    pub pki_data_body_id: Number,
    /// The requests whose proof of possession was checked.
    pub body_ids: Vec<Number>,
}

impl Witness {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<Witness>> {
        let read: cmc::Witness = decode(name, der)?;
        Ok(Box::new(Witness {
            hash_algorithm: Algorithm::of(&read.hash_alg_id),
            mac_algorithm: Algorithm::of(&read.mac_alg_id),
            witness: read.witness.to_vec(),
        }))
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        write(&cmc::Witness {
            hash_alg_id: self.hash_algorithm.wire()?,
            mac_alg_id: self.mac_algorithm.wire()?,
            witness: OctetString::from(self.witness.clone()),
        })
    }
}

impl EncryptedPop {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<EncryptedPop>> {
        let read: cmc::EncryptedPop = decode(name, der)?;
        Ok(Box::new(EncryptedPop {
            request: read.request.as_bytes().to_vec(),
            content_type: oid::dotted(&read.cms.content_type),
            content: read.cms.content.as_bytes().to_vec(),
            the_pop_algorithm: Algorithm::of(&read.the_pop_alg_id),
            witness_algorithm: Algorithm::of(&read.witness_alg_id),
            witness: read.witness.to_vec(),
        }))
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        write(&cmc::EncryptedPop {
            request: any(self.request.clone()),
            cms: ContentInfo {
                content_type: oid::required(&self.content_type)?,
                content: any(self.content.clone()),
            },
            the_pop_alg_id: self.the_pop_algorithm.wire()?,
            witness_alg_id: self.witness_algorithm.wire()?,
            witness: OctetString::from(self.witness.clone()),
        })
    }
}

impl DecryptedPop {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<DecryptedPop>> {
        let read: cmc::DecryptedPop = decode(name, der)?;
        Ok(Box::new(DecryptedPop {
            body_part_id: Number::of(&read.body_part_id),
            the_pop_algorithm: Algorithm::of(&read.the_pop_alg_id),
            the_pop: read.the_pop.to_vec(),
        }))
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        write(&cmc::DecryptedPop {
            body_part_id: self.body_part_id.wire(),
            the_pop_alg_id: self.the_pop_algorithm.wire()?,
            the_pop: OctetString::from(self.the_pop.clone()),
        })
    }
}

impl LraPopWitness {
    /// Returns the value for requests of the message it is in.
    pub fn of(requests: &[u32]) -> LraPopWitness {
        LraPopWitness {
            pki_data_body_id: Number::from(0u32),
            body_ids: requests.iter().copied().map(Number::from).collect(),
        }
    }

    pub(super) fn decode(name: &str, der: &[u8]) -> Result<LraPopWitness> {
        let read: cmc::LraPopWitness = decode(name, der)?;
        Ok(LraPopWitness {
            pki_data_body_id: Number::of(&read.pki_data_body_id),
            body_ids: read.body_ids.iter().map(Number::of).collect(),
        })
    }

    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        write(&cmc::LraPopWitness {
            pki_data_body_id: self.pki_data_body_id.wire(),
            body_ids: self.body_ids.iter().map(Number::wire).collect(),
        })
    }
}

/// Returns the DER of a value.
pub(super) fn write<T: rasn::Encode>(value: &T) -> Result<Zeroizing<Vec<u8>>> {
    encode("a control", value).map(Zeroizing::new)
}
