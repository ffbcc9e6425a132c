//! Certificate requests, and PKIData (RFC 5272 §3.2.1), which contains them.

use std::collections::BTreeSet;

use rasn::types::{Integer, ObjectIdentifier, OctetString, Oid};
use zeroize::Zeroizing;

use crate::asn1::cmc::{PkiData, TaggedCertificationRequest, TaggedRequest};
use crate::asn1::cms::ContentInfo;
use crate::asn1::crmf::{CertReqMessages, CertReqMsg, CertRequest};
use crate::asn1::extension::Extension;
use crate::asn1::x509::{CertificationRequest, CertificationRequestInfo};
use crate::asn1::{Number, any, decode, decode_ber, encode, oid, split_tlv, tlv, tlv_of};
use crate::cmc::control::{Control, TaggedControl};
use crate::cmc::response::open_signed_data;
use crate::error::{Error, Kind, Result};

/// The format of a certificate request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A PKCS #10 CertificationRequest (RFC 2986).
    Pkcs10,
    /// One CRMF CertReqMsg (RFC 4211).
    Crmf,
}

/// A decoded certificate request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    format: Format,
    der: Vec<u8>,
    spki: Vec<u8>,
    subject: Option<Vec<u8>>,
    extensions: Vec<Extension>,
    cert_req_id: Option<u32>,
}

impl Request {
    /// Decodes a PKCS #10 request (RFC 2986 §4.2) and checks that Dogtag accepts its form.
    ///
    /// # Errors
    /// [`Kind::Input`]: undecodable, not DER (the CA would re-encode it, and its signature would
    /// not verify), or without the attributes field.
    pub fn pkcs10(der: &[u8]) -> Result<Request> {
        let request: CertificationRequest = decode("the PKCS #10 request", der)?;
        let info = request.info()?;
        let canonical = encode("a request", &info)?;
        if canonical != request.info.as_bytes() || encode("a request", &request)? != der {
            return Err(Error::new(Kind::Input, "the PKCS #10 request is not DER")
                .because("Dogtag encodes it again, and then its signature is invalid")
                .hint("create the request again, with PKCS10Client or nss-cmc"));
        }
        Request::of_pkcs10(der, &info)
    }

    /// Decodes a CRMF request: one CertReqMsg, or CertReqMessages with one message (RFC 4211 §3).
    ///
    /// # Errors
    /// [`Kind::Input`]: undecodable, or more than one message.
    pub fn crmf(der: &[u8]) -> Result<Request> {
        let messages: CertReqMessages = decode("the CRMF request", der)?;
        let [message] = messages.as_slice() else {
            return Err(Error::new(Kind::Input, "the CRMF file has several requests")
                .because(format!("{} CertReqMsg, only one is allowed", messages.len())));
        };
        Ok(Request::from_crmf(message.as_bytes())?.0)
    }

    /// Decodes a PKCS #10 request (RFC 2986 §4.2) that this program or the CA made; its form isn't
    /// checked.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub(crate) fn from_pkcs10(der: &[u8]) -> Result<Request> {
        let request: CertificationRequest = decode("the PKCS #10 request", der)?;
        Request::of_pkcs10(der, &request.info()?)
    }

    fn of_pkcs10(der: &[u8], info: &CertificationRequestInfo) -> Result<Request> {
        Ok(Request {
            format: Format::Pkcs10,
            der: der.to_vec(),
            spki: info.subject_pk_info.as_bytes().to_vec(),
            subject: Some(info.subject.as_bytes().to_vec()),
            extensions: info.extensions()?.iter().map(Extension::of).collect(),
            cert_req_id: None,
        })
    }

    /// Decodes one CertReqMsg (RFC 4211 §3); returns the request and its certReqId.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub(crate) fn from_crmf(der: &[u8]) -> Result<(Request, Number)> {
        let message: CertReqMsg = decode("the CertReqMsg", der)?;
        let request: CertRequest = decode("the CertRequest", message.cert_req.as_bytes())?;
        let template = request.cert_template;
        let spki = match template.public_key {
            Some(key) => encode("a public key", &key)?,
            None => return Err(Error::new(Kind::Input, "the CRMF request has no public key")),
        };
        let made = Request {
            format: Format::Crmf,
            der: der.to_vec(),
            spki,
            subject: template.subject.map(|s| s.as_bytes().to_vec()),
            extensions: template.extensions.iter().flatten().map(Extension::of).collect(),
            cert_req_id: u32::try_from(&request.cert_req_id).ok(),
        };
        Ok((made, Number::of(&request.cert_req_id)))
    }

    /// Returns the format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the DER: a CertificationRequest or a CertReqMsg.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER as files hold it: a CertificationRequest, or CertReqMessages with this one.
    pub fn to_file(&self) -> Vec<u8> {
        match self.format {
            Format::Pkcs10 => self.der.clone(),
            Format::Crmf => tlv(0x30, &self.der),
        }
    }

    /// Returns the DER of the SubjectPublicKeyInfo to be certified.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the DER of the requested subject Name; `None` where a CRMF request leaves it to the
    /// CA.
    pub fn subject(&self) -> Option<&[u8]> {
        self.subject.as_deref()
    }

    /// Returns the requested extensions.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns the identifier that a self-signed request's SignerInfo uses for its own key: for
    /// PKCS #10 the identifier in the subjectKeyIdentifier extension, for CRMF the octets of the
    /// extension's value as received (an OCTET STRING with the identifier in well-formed requests),
    /// as Dogtag expects.
    ///
    /// # Errors
    /// [`Kind::Input`] when the request has no such extension.
    pub fn key_identifier(&self) -> Result<&[u8]> {
        let missing = |why: &str| {
            Error::new(Kind::Input, "cannot sign the request with its own key")
                .because(why)
                .hint("create it with a key identifier: PKCS10Client -y true, CRMFPopClient -y")
        };
        let mut extensions = self.extensions.iter();
        let value = extensions
            .find(|e| e.is(oid::CE_SUBJECT_KEY_IDENTIFIER))
            .map(|e| &e.value[..])
            .ok_or_else(|| missing("it has no subjectKeyIdentifier extension"))?;
        match (self.format, split_tlv(value)) {
            (Format::Crmf, _) => Ok(value),
            (Format::Pkcs10, Some((0x04, id, []))) => Ok(id),
            (Format::Pkcs10, _) => Err(missing("its subjectKeyIdentifier extension is invalid")),
        }
    }
}

/// A control with its body part id, to become a TaggedAttribute. The value may hold a secret.
struct Tagged {
    body_part_id: u32,
    id: ObjectIdentifier,
    value: Zeroizing<Vec<u8>>,
}

/// Collects controls and requests of a PKIData (RFC 5272 §3.2.1) and assigns unique body part ids.
/// It may hold secrets and has no `Debug`.
#[derive(Default)]
pub struct PkiDataBuilder {
    controls: Vec<Tagged>,
    requests: Vec<Vec<u8>>,
    used: BTreeSet<u32>,
}

impl PkiDataBuilder {
    /// Starts an empty PKIData; the certReqIds of `requests` are not assigned to other parts.
    pub fn new(requests: &[Request]) -> PkiDataBuilder {
        let used = requests.iter().filter_map(|r| r.cert_req_id).collect();
        PkiDataBuilder { used, ..PkiDataBuilder::default() }
    }

    fn next_id(&mut self) -> u32 {
        let mut id = 1;
        while !self.used.insert(id) {
            id += 1;
        }
        id
    }

    /// Excludes a body part id: that of a part that is already encoded.
    pub fn reserve(&mut self, body_part_id: &Number) {
        self.used.extend(u32::try_from(body_part_id).ok());
    }

    /// Adds a control (TaggedAttribute, RFC 5272 §3.2.1.1); returns its body part id.
    ///
    /// # Errors
    /// As [`Control::encode`].
    pub fn add(&mut self, control: &Control) -> Result<u32> {
        let value = control.encode()?;
        Ok(self.control(&control.oid()?, value))
    }

    /// Adds a control with one value (DER); returns its body part id.
    fn control(&mut self, id: &Oid, value: impl Into<Zeroizing<Vec<u8>>>) -> u32 {
        let body_part_id = self.next_id();
        self.controls.push(Tagged { body_part_id, id: oid::owned(id), value: value.into() });
        body_part_id
    }

    /// Adds a request (TaggedRequest, RFC 5272 §3.2.1.2): PKCS #10 gets the next body part id, CRMF
    /// keeps its certReqId.
    ///
    /// # Errors
    /// [`Kind::Internal`] only.
    pub fn request(&mut self, request: &Request) -> Result<()> {
        let tagged = match request.format {
            Format::Pkcs10 => {
                let body_part_id = self.next_id().into();
                let certification_request = any(request.der.clone());
                encode(
                    "a tagged request",
                    &TaggedRequest::Tcr(TaggedCertificationRequest {
                        body_part_id,
                        certification_request,
                    }),
                )?
            }
            // The tag [1] IMPLICIT replaces the SEQUENCE tag; the other octets stay as they are.
            Format::Crmf => {
                let mut tagged = request.der.clone();
                if let Some(tag) = tagged.first_mut() {
                    *tag = 0xa1;
                }
                tagged
            }
        };
        self.requests.push(tagged);
        Ok(())
    }

    /// Adds a TaggedRequest that is already encoded.
    pub fn tagged_request(&mut self, der: Vec<u8>) {
        self.requests.push(der);
    }

    /// Returns the DER of the present reqSequence; identity proofs are computed over it (RFC 5272
    /// §6.2.1).
    ///
    /// # Errors
    /// [`Kind::Internal`] only.
    pub fn request_sequence(&self) -> Result<Vec<u8>> {
        let requests: Vec<_> = self.requests.iter().map(|r| any(r.clone())).collect();
        encode("reqSequence", &requests)
    }

    /// Returns the DER of the PKIData (RFC 5272 §3.2.1).
    ///
    /// # Errors
    /// [`Kind::Internal`] only.
    pub fn build(self) -> Result<Zeroizing<Vec<u8>>> {
        let mut controls = Vec::new();
        for Tagged { body_part_id, id, value } in &self.controls {
            let body_part_id = encode("a body part id", &Integer::from(*body_part_id))?;
            let values = tlv_of(0x31, &[value]);
            controls.push(tlv_of(0x30, &[&body_part_id, &encode("a type", id)?, &values]));
        }
        let controls: Vec<&[u8]> = controls.iter().map(|c| c.as_slice()).collect();
        let none = tlv(0x30, &[]);
        // The order is controlSequence, reqSequence, cmsSequence, otherMsgSequence.
        let (controls, requests) = (tlv_of(0x30, &controls), self.request_sequence()?);
        Ok(tlv_of(0x30, &[&controls, &requests, &none, &none]))
    }
}

/// Nonce and transaction id of a sent message, to compare with those of the response (RFC 5272
/// §6.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// senderNonce.
    pub nonce: Option<Vec<u8>>,
    /// transactionId.
    pub transaction_id: Option<Number>,
}

impl Sent {
    /// Of a message (DER or BER) that is there already: a Full PKI Request, signed or not.
    ///
    /// # Errors
    /// [`Kind::Input`] when it is none.
    pub fn read(der: &[u8]) -> Result<Sent> {
        let data = request_content(der)?;
        let mut sent = Sent::default();
        for control in data.control_sequence.iter().map(TaggedControl::new) {
            match control.values.into_iter().next() {
                Some(Ok(Control::SenderNonce(nonce))) => {
                    sent.nonce.get_or_insert(nonce);
                }
                Some(Ok(Control::TransactionId(id))) => {
                    sent.transaction_id.get_or_insert(id);
                }
                _ => {}
            }
        }
        Ok(sent)
    }
}

/// Decodes the PKIData of a Full PKI Request (RFC 5272 §3.2), signed or unsigned.
///
/// # Errors
/// [`Kind::Input`] when it isn't one.
pub(crate) fn request_content(der: &[u8]) -> Result<PkiData> {
    let info: ContentInfo = decode_ber("the CMC request", der)?;
    if *info.content_type == *oid::ID_DATA {
        let content: OctetString = decode_ber("the CMC request", info.content.as_bytes())?;
        return decode("the PKIData", &content);
    }
    let (signed, content) = open_signed_data("the CMC request", der)?;
    match content {
        Some(content) if *signed.encap_content_info.content_type == *oid::ID_CCT_PKI_DATA => {
            decode("the PKIData", &content)
        }
        _ => Err(Error::new(Kind::Input, "this is a CMC response, not a request")),
    }
}
