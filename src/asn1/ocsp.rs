//! OCSP messages (RFC 6960). What is signed, and the certificates, are kept as received.

use chrono::{DateTime, Utc};
use rasn::prelude::*;
use rasn_ocsp::{
    CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request, ResponseData, TbsRequest,
};
use rasn_pkix::{AlgorithmIdentifier, Extension, Extensions};

use super::certificate::Certificate;
use super::extension::{GeneralName, general_name};
use super::{Number, any, decode, encode, oid};
use crate::error::{Error, Kind, Result};

/// The most certificates of a response that are looked at.
const MOST_CERTIFICATES: usize = 8;

/// A CertID (RFC 6960 §4.1.1) with SHA-1, which every responder knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertId {
    /// Digest of the issuer's Name.
    pub name_hash: Vec<u8>,
    /// Digest of the octets of the issuer's public key.
    pub key_hash: Vec<u8>,
    /// The serial number.
    pub serial: Number,
}

/// The status of a certificate (RFC 6960 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OcspStatus {
    /// Not revoked.
    Good,
    /// Revoked, or on hold.
    Revoked {
        /// CRL reason code (RFC 5280 §5.3.1).
        reason: Option<i64>,
        /// The date of revocation.
        date: DateTime<Utc>,
    },
    /// The responder doesn't know the certificate.
    Unknown,
}

/// A SingleResponse (RFC 6960 §4.2.1).
#[derive(Debug)]
pub(crate) struct Single {
    /// The certificate that it is about; `None` when it is identified by another digest.
    pub id: Option<CertId>,
    /// Its status.
    pub status: OcspStatus,
    /// The time at which the status was known to be correct.
    pub this_update: DateTime<Utc>,
    /// The time by which there will be newer information.
    pub next_update: Option<DateTime<Utc>>,
}

/// A BasicOCSPResponse (RFC 6960 §4.2.1); nothing is verified.
#[derive(Debug)]
pub(crate) struct Basic {
    /// DER of the ResponseData, the signed part.
    pub signed: Vec<u8>,
    /// DER of the signature's AlgorithmIdentifier.
    pub algorithm: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// DER of the certificates in it, which the signature doesn't cover.
    pub certificates: Vec<Vec<u8>>,
    /// The octets of the nonce extension.
    pub nonce: Option<Vec<u8>>,
    /// The first critical extension that isn't the nonce, in dotted form.
    pub unknown_critical: Option<String>,
    /// What it says about each certificate.
    pub singles: Vec<Single>,
}

/// AccessDescription (RFC 5280 §4.2.2.1); a location of any kind hides no other.
#[derive(AsnType, Decode)]
struct AccessDescription {
    method: ObjectIdentifier,
    location: Any,
}

/// BasicOCSPResponse as received: that of rasn-ocsp decodes what is signed, and the certificates.
#[derive(AsnType, Decode)]
struct Received {
    data: Any,
    algorithm: Any,
    signature: BitString,
    #[rasn(tag(explicit(0)))]
    certificates: Option<SequenceOf<Any>>,
}

/// Returns the URLs of the OCSP responders that a certificate names (RFC 5280 §4.2.2.1).
///
/// # Errors
/// [`Kind::Input`] when its authorityInfoAccess can't be decoded.
pub(crate) fn responders(certificate: &Certificate<'_>) -> Result<Vec<String>> {
    let Some(value) = certificate.value(oid::PE_AUTHORITY_INFO_ACCESS) else {
        return Ok(Vec::new());
    };
    let all: Vec<AccessDescription> = decode("the authority information access", value)?;
    let ocsp = all.iter().filter(|one| *one.method == *oid::AD_OCSP);
    let url = |one: &AccessDescription| match general_name(one.location.as_bytes()) {
        GeneralName::Uri(url) => Some(url),
        _ => None,
    };
    Ok(ocsp.filter_map(url).collect())
}

/// Returns the DER of an OCSPRequest (RFC 6960 §4.1.1) about one certificate, with a nonce
/// (RFC 9654 §2.1).
///
/// # Errors
/// As [`encode`].
pub(crate) fn request(id: &CertId, nonce: &[u8]) -> Result<Vec<u8>> {
    let nonce = Extension {
        extn_id: oid::owned(oid::OCSP_NONCE),
        critical: false,
        extn_value: encode("a nonce", &OctetString::from(nonce.to_vec()))?.into(),
    };
    let algorithm = oid::owned(oid::SHA1);
    let req_cert = rasn_ocsp::CertId {
        hash_algorithm: AlgorithmIdentifier { algorithm, parameters: Some(any([5, 0])) },
        issuer_name_hash: id.name_hash.clone().into(),
        issuer_key_hash: id.key_hash.clone().into(),
        serial_number: id.serial.wire(),
    };
    let request = OcspRequest {
        tbs_request: TbsRequest {
            version: Integer::from(0),
            requestor_name: None,
            request_list: vec![Request { req_cert, single_request_extensions: None }],
            request_extensions: Some(Extensions::from(vec![nonce])),
        },
        optional_signature: None,
    };
    encode("an OCSP request", &request)
}

/// Decodes an OCSPResponse (RFC 6960 §4.2.1).
///
/// # Errors
/// [`Kind::Http`] when it isn't one, or when the responder refused to answer.
pub(crate) fn response(der: &[u8]) -> Result<Basic> {
    let none = |why: Error| {
        Error::new(Kind::Http, "the response is not an OCSP response").because(why).retry(false)
    };
    let outer: OcspResponse = decode("the response", der).map_err(none)?;
    let refused = |why: &str, again| {
        let what = "the OCSP responder refused to answer";
        Error::new(Kind::Http, what).because(why).retry(again)
    };
    match outer.status {
        OcspResponseStatus::Successful => {}
        OcspResponseStatus::MalformedRequest => return Err(refused("malformedRequest", false)),
        OcspResponseStatus::InternalError => return Err(refused("internalError", true)),
        OcspResponseStatus::TryLater => return Err(refused("tryLater", true)),
        OcspResponseStatus::SigRequired => return Err(refused("sigRequired", false)),
        OcspResponseStatus::Unauthorized => return Err(refused("unauthorized", false)),
    }
    let bytes = outer.bytes.filter(|bytes| *bytes.r#type == *oid::OCSP_BASIC).ok_or_else(|| {
        none(Error::new(Kind::Input, "it has no basic response (id-pkix-ocsp-basic)"))
    })?;
    basic(&bytes.response).map_err(none)
}

fn basic(der: &[u8]) -> Result<Basic> {
    let received: Received = decode("the basic response", der)?;
    let data: ResponseData = decode("the response data", received.data.as_bytes())?;
    let extensions = || {
        let single = data.responses.iter().filter_map(|one| one.single_extensions.as_ref());
        data.response_extensions.iter().chain(single).flat_map(|all| all.iter())
    };
    let nonce = data.response_extensions.iter().flat_map(|all| all.iter());
    let mut nonce = nonce.filter(|one| *one.extn_id == *oid::OCSP_NONCE);
    // Some responders don't put it into an OCTET STRING of its own.
    let nonce = nonce.next().map(|one| {
        let octets = decode::<OctetString>("a nonce", &one.extn_value);
        octets.map_or_else(|_| one.extn_value.to_vec(), |octets| octets.to_vec())
    });
    let unknown = extensions().find(|one| one.critical && *one.extn_id != *oid::OCSP_NONCE);
    let certificates = received.certificates.iter().flatten().take(MOST_CERTIFICATES);
    Ok(Basic {
        signed: received.data.as_bytes().to_vec(),
        algorithm: received.algorithm.as_bytes().to_vec(),
        signature: received.signature.as_raw_slice().to_vec(),
        certificates: certificates.map(|one| one.as_bytes().to_vec()).collect(),
        nonce,
        unknown_critical: unknown.map(|one| oid::dotted(&one.extn_id)),
        singles: data.responses.iter().map(single).collect(),
    })
}

fn single(single: &rasn_ocsp::SingleResponse) -> Single {
    let id = &single.cert_id;
    Single {
        id: (*id.hash_algorithm.algorithm == *oid::SHA1).then(|| CertId {
            name_hash: id.issuer_name_hash.to_vec(),
            key_hash: id.issuer_key_hash.to_vec(),
            serial: Number::of(&id.serial_number),
        }),
        status: match &single.cert_status {
            CertStatus::Good => OcspStatus::Good,
            CertStatus::Revoked(info) => OcspStatus::Revoked {
                reason: info.revocation_reason.map(|reason| reason as i64),
                date: info.revocation_time.to_utc(),
            },
            CertStatus::Unknown(()) => OcspStatus::Unknown,
        },
        this_update: single.this_update.to_utc(),
        next_update: single.next_update.map(|time| time.to_utc()),
    }
}
