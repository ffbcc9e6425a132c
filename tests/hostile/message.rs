//! Responses built from parts.

use rasn::types::Oid;

pub use crate::common::der::tlv;
use crate::common::der::{encode, oid};

pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub fn id(oid: &Oid) -> Vec<u8> {
    encode(&oid.to_owned())
}

pub fn int(n: i128) -> Vec<u8> {
    encode(&rasn::types::Integer::from(n))
}

pub fn control(oid: &Oid, values: &[Vec<u8>]) -> Vec<u8> {
    seq(&[int(1), id(oid), set(values)])
}

/// Returns CMCStatusInfoV2 for body part 1; `rest` follows the list.
pub fn status(n: i128, rest: &[Vec<u8>]) -> Vec<u8> {
    seq(&[int(n), seq(&[int(1)]), rest.concat()])
}

/// Returns a ContentInfo.
pub fn content_info(kind: &Oid, content: &[u8]) -> Vec<u8> {
    seq(&[id(kind), tlv(0xa0, content)])
}

/// A SignedData.
pub struct Signed {
    pub content_type: Vec<u8>,
    /// `[0]` with the content, or nothing.
    pub content: Vec<u8>,
    /// `[0]` with certificates, `[1]` with CRLs, or nothing.
    pub certificates: Vec<u8>,
    pub signers: Vec<u8>,
}

impl Signed {
    /// Returns an unsigned PKIResponse.
    pub fn response(pki_response: &[u8]) -> Signed {
        Signed {
            content_type: id(oid::ID_CCT_PKI_RESPONSE),
            content: tlv(0xa0, &tlv(4, pki_response)),
            certificates: Vec::new(),
            signers: set(&[]),
        }
    }

    pub fn der(&self) -> Vec<u8> {
        let content = seq(&[self.content_type.clone(), self.content.clone()]);
        let parts = [int(3), set(&[]), content, self.certificates.clone(), self.signers.clone()];
        content_info(oid::ID_SIGNED_DATA, &seq(&parts))
    }
}

/// Returns a PKIResponse with these controls.
pub fn pki_response(controls: &[Vec<u8>]) -> Vec<u8> {
    seq(&[seq(controls), seq(&[]), seq(&[])])
}

/// Returns an unsigned response with these controls.
pub fn answer(controls: &[Vec<u8>]) -> Vec<u8> {
    Signed::response(&pki_response(controls)).der()
}

/// Returns an unsigned response with these statuses in one control.
pub fn with_statuses(statuses: &[Vec<u8>]) -> Vec<u8> {
    answer(&[control(oid::CMC_STATUS_INFO_V2, statuses)])
}

/// Returns a SignerInfo with the attribute contentType, if given.
pub fn signer(content_type: Option<&Oid>) -> Vec<u8> {
    let algorithm = seq(&[id(oid::SHA256), vec![5, 0]]);
    let attributes =
        content_type.map(|t| tlv(0xa0, &seq(&[id(oid::ID_CONTENT_TYPE), set(&[id(t)])])));
    let sid = seq(&[seq(&[]), int(1)]);
    seq(&[
        int(1),
        sid,
        algorithm.clone(),
        attributes.unwrap_or_default(),
        algorithm,
        tlv(4, b"signature"),
    ])
}
