//! Building a PKIData (RFC 5272 §3.2.1).

use std::collections::BTreeSet;

use rasn::types::{Integer, ObjectIdentifier, Oid};
use rasn_pkix::Extension;
use zeroize::Zeroizing;

use crate::asn1::cmc::{TaggedCertificationRequest, TaggedRequest};
use crate::asn1::crmf::{CertReqMessages, CertReqMsg, CertRequest, CertTemplate};
use crate::asn1::x509::CertificationRequest;
use crate::asn1::{any, decode, encode, oid, tlv, tlv_of};
use crate::error::{Error, Kind, Result};

/// A certificate request to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// DER of a PKCS #10 CertificationRequest.
    Pkcs10(Vec<u8>),
    /// DER of one CRMF CertReqMsg.
    Crmf(Vec<u8>),
}

impl Request {
    /// A PKCS #10 request, checked to be one Dogtag accepts.
    ///
    /// # Errors
    /// [`Kind::Input`]: undecodable, not in DER order (the CA would encode it anew and find the
    /// signature broken), or without attributes field.
    pub fn pkcs10(der: &[u8]) -> Result<Request> {
        let request: CertificationRequest = decode("the PKCS #10 request", der)?;
        let info = request.info()?;
        let canonical = encode("a request", &info)?;
        if canonical != request.info.as_bytes() || encode("a request", &request)? != der {
            return Err(Error::new(Kind::Input, "the PKCS #10 request isn't DER")
                .because("Dogtag encodes a request anew before it checks the signature")
                .hint("make the request again, with PKCS10Client or nss-cmc"));
        }
        Ok(Request::Pkcs10(der.to_vec()))
    }

    /// A CRMF request: one CertReqMsg, or the first of CertReqMessages.
    ///
    /// # Errors
    /// [`Kind::Input`]: undecodable, or more than one message.
    pub fn crmf(der: &[u8]) -> Result<Request> {
        let messages: CertReqMessages = decode("the CRMF request", der)?;
        let [message] = messages.as_slice() else {
            return Err(Error::new(Kind::Input, "the CRMF file holds several requests")
                .because(format!("{} CertReqMsg; one is taken a file", messages.len())));
        };
        let decoded: CertReqMsg = decode("the CertReqMsg", message.as_bytes())?;
        decode::<CertRequest>("the CertRequest", decoded.cert_req.as_bytes())?;
        Ok(Request::Crmf(message.as_bytes().to_vec()))
    }

    /// DER of the SubjectPublicKeyInfo that is to be certified.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn spki(&self) -> Result<Vec<u8>> {
        match self {
            Request::Pkcs10(der) => {
                let request: CertificationRequest = decode("the PKCS #10 request", der)?;
                Ok(request.info()?.subject_pk_info.as_bytes().to_vec())
            }
            Request::Crmf(der) => match template(der)?.public_key {
                Some(key) => encode("a public key", &key),
                None => Err(Error::new(Kind::Input, "the CRMF request has no public key")),
            },
        }
    }

    /// DER of the subject Name asked for; none where a CRMF request leaves it to the CA.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn subject(&self) -> Result<Option<Vec<u8>>> {
        match self {
            Request::Pkcs10(der) => {
                let request: CertificationRequest = decode("the PKCS #10 request", der)?;
                Ok(Some(request.info()?.subject.as_bytes().to_vec()))
            }
            Request::Crmf(der) => Ok(template(der)?.subject.map(|s| s.as_bytes().to_vec())),
        }
    }

    /// The extensions asked for.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn extensions(&self) -> Result<Vec<Extension>> {
        match self {
            Request::Pkcs10(der) => {
                let request: CertificationRequest = decode("the PKCS #10 request", der)?;
                request.info()?.extensions()
            }
            Request::Crmf(der) => Ok(template(der)?.extensions.unwrap_or_default()),
        }
    }

    /// certReqId of a CRMF request.
    fn own_id(&self) -> Result<Option<u32>> {
        let Request::Crmf(der) = self else { return Ok(None) };
        let message: CertReqMsg = decode("the CertReqMsg", der)?;
        let request: CertRequest = decode("the CertRequest", message.cert_req.as_bytes())?;
        Ok(u32::try_from(&request.cert_req_id).ok())
    }
}

/// The CertTemplate of a CertReqMsg.
fn template(der: &[u8]) -> Result<CertTemplate> {
    let message: CertReqMsg = decode("the CertReqMsg", der)?;
    let request: CertRequest = decode("the CertRequest", message.cert_req.as_bytes())?;
    Ok(request.cert_template)
}

/// A control with its number: a TaggedAttribute to be. The value may hold a secret.
struct Tagged {
    body_part_id: u32,
    id: ObjectIdentifier,
    value: Zeroizing<Vec<u8>>,
}

/// Collects controls and requests; numbers them without reusing a number. It may hold secrets and
/// has no `Debug`.
#[derive(Default)]
pub struct PkiDataBuilder {
    controls: Vec<Tagged>,
    requests: Vec<Vec<u8>>,
    used: BTreeSet<u32>,
}

impl PkiDataBuilder {
    /// Starts; the certReqIds of CRMF requests to come are kept free.
    ///
    /// # Errors
    /// [`Kind::Input`] for an undecodable request.
    pub fn new(requests: &[Request]) -> Result<PkiDataBuilder> {
        let mut used = BTreeSet::new();
        for request in requests {
            used.extend(request.own_id()?);
        }
        Ok(PkiDataBuilder { used, ..PkiDataBuilder::default() })
    }

    fn next_id(&mut self) -> u32 {
        let mut id = 1;
        while !self.used.insert(id) {
            id += 1;
        }
        id
    }

    /// Keeps a number free for a part that is encoded already.
    pub fn reserve(&mut self, body_part_id: &Integer) {
        self.used.extend(u32::try_from(body_part_id).ok());
    }

    /// Adds a control with one value (DER); answers its body part id.
    pub fn control(&mut self, id: &Oid, value: impl Into<Zeroizing<Vec<u8>>>) -> u32 {
        let body_part_id = self.next_id();
        self.controls.push(Tagged { body_part_id, id: oid::owned(id), value: value.into() });
        body_part_id
    }

    /// Adds a control whose value is an OCTET STRING.
    pub fn octets(&mut self, id: &Oid, value: &[u8]) -> u32 {
        self.control(id, tlv(0x04, value))
    }

    /// Adds a request: PKCS #10 takes the next number, CRMF keeps its certReqId.
    ///
    /// # Errors
    /// Only defects.
    pub fn request(&mut self, request: &Request) -> Result<()> {
        let tagged = match request {
            Request::Pkcs10(der) => {
                let body_part_id = Integer::from(self.next_id());
                let certification_request = any(der.clone());
                encode(
                    "a tagged request",
                    &TaggedRequest::Tcr(TaggedCertificationRequest {
                        body_part_id,
                        certification_request,
                    }),
                )?
            }
            // [1] IMPLICIT takes the place of the SEQUENCE tag; the rest stays octet for octet.
            Request::Crmf(der) => {
                let mut tagged = der.clone();
                if let Some(tag) = tagged.first_mut() {
                    *tag = 0xa1;
                }
                tagged
            }
        };
        self.requests.push(tagged);
        Ok(())
    }

    /// Adds a TaggedRequest that is encoded already.
    pub fn tagged_request(&mut self, der: Vec<u8>) {
        self.requests.push(der);
    }

    /// DER of the reqSequence as it stands: what identity proofs are computed over (§6.2.1).
    ///
    /// # Errors
    /// Only defects.
    pub fn request_sequence(&self) -> Result<Vec<u8>> {
        let requests: Vec<_> = self.requests.iter().map(|r| any(r.clone())).collect();
        encode("reqSequence", &requests)
    }

    /// DER of the PKIData.
    ///
    /// # Errors
    /// Only defects.
    pub fn build(self) -> Result<Zeroizing<Vec<u8>>> {
        let mut controls = Vec::new();
        for Tagged { body_part_id, id, value } in &self.controls {
            let body_part_id = encode("a body part id", &Integer::from(*body_part_id))?;
            let values = tlv_of(0x31, &[value]);
            controls.push(tlv_of(0x30, &[&body_part_id, &encode("a type", id)?, &values]));
        }
        let controls: Vec<&[u8]> = controls.iter().map(|c| c.as_slice()).collect();
        let none = tlv(0x30, &[]);
        // controlSequence, reqSequence, cmsSequence, otherMsgSequence.
        let (controls, requests) = (tlv_of(0x30, &controls), self.request_sequence()?);
        Ok(tlv_of(0x30, &[&controls, &requests, &none, &none]))
    }
}

/// The nonce and transaction a message was sent with, to compare the answer's with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// senderNonce.
    pub nonce: Option<Vec<u8>>,
    /// transactionId, DER of the INTEGER.
    pub transaction_id: Option<Vec<u8>>,
}
