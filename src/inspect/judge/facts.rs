//! The message as the rules need it, decoded once.

use rasn::types::{Oid, SetOf};
use rasn_cms::Attribute;

use super::Place;
use crate::asn1::cmc::{PkiData, TaggedAttribute, TaggedRequest};
use crate::asn1::cms::{ContentInfo, SignedData, SignerInfo};
use crate::asn1::crmf::{CertReqMessages, CertReqMsg, CertRequest};
use crate::asn1::x509::CertificationRequest;
use crate::asn1::{Number, decode, decode_ber, oid};
use crate::cmc::control::{Control, ControlType, TaggedControl};
use crate::cmc::response::{self, Content};
use crate::inspect::{Form, Message};

/// The layer around the content.
pub(super) enum Outer {
    /// None: a request by itself.
    None,
    /// id-data.
    Data,
    /// SignedData.
    Signed(Box<SignedData>),
    /// AuthenticatedData.
    Authenticated,
}

/// A certificate request.
pub(super) enum Request {
    /// PKCS #10, with its body part id in a CMC message.
    Pkcs10(Option<Number>, Box<CertificationRequest>),
    /// CRMF.
    Crmf(Box<CertReqMsg>, Box<CertRequest>),
    /// Another form.
    Other(Number),
    /// Undecodable.
    Damaged,
}

pub(super) struct Facts<'a> {
    pub form: Form,
    /// The message as received.
    pub der: &'a [u8],
    pub outer: Outer,
    /// eContent.
    pub content: Option<Vec<u8>>,
    pub controls: Vec<TaggedControl>,
    /// The same as received.
    pub raw_controls: Vec<TaggedAttribute>,
    pub requests: Vec<Request>,
    /// Number of parts in cmsSequence and otherMsgSequence.
    pub nested: usize,
    /// DER of the certificates in a SignedData.
    pub certificates: &'a [Vec<u8>],
}

impl<'a> Facts<'a> {
    pub(super) fn of(message: &'a Message) -> Facts<'a> {
        let der = &message.der;
        let mut facts = Facts {
            form: message.form,
            der,
            outer: Outer::None,
            content: None,
            controls: Vec::new(),
            raw_controls: Vec::new(),
            requests: Vec::new(),
            nested: 0,
            certificates: &message.certificates,
        };
        match message.form {
            Form::Pkcs10 => facts.requests.push(pkcs10(None, der)),
            Form::Crmf => {
                let all = decode::<CertReqMessages>("a part", der).unwrap_or_default();
                facts.requests = all.iter().map(|m| crmf(m.as_bytes())).collect();
            }
            Form::Certificate => {}
            Form::Request | Form::Response | Form::Certificates => facts.open(),
        }
        facts
    }

    fn open(&mut self) {
        let Ok(info) = decode_ber::<ContentInfo>("a part", self.der) else {
            // A PKIData by itself.
            self.content = Some(self.der.to_vec());
            return self.read();
        };
        if *info.content_type == *oid::ID_DATA {
            self.outer = Outer::Data;
            let content = decode_ber::<rasn::types::OctetString>("a part", info.content.as_bytes());
            self.content = content.ok().map(|c| c.to_vec());
        } else if let Ok((signed, content)) = response::open_signed_data("a part", self.der) {
            self.outer = Outer::Signed(Box::new(signed));
            self.content = content.map(|c| c.to_vec());
        } else {
            self.outer = Outer::Authenticated;
            let data = decode_ber::<rasn_cms::AuthenticatedData>("a part", info.content.as_bytes());
            let content = data.ok().and_then(|data| data.encap_content_info.content);
            self.content = content.map(|c| c.to_vec());
        }
        self.read();
    }

    fn read(&mut self) {
        let Some(content) = &self.content else { return };
        match self.form {
            Form::Request => {
                let Ok(data) = decode::<PkiData>("a part", content) else { return };
                self.controls = data.control_sequence.iter().map(TaggedControl::new).collect();
                self.requests = data.req_sequence.iter().map(|r| tagged(r.as_bytes())).collect();
                self.nested = data.cms_sequence.len() + data.other_msg_sequence.len();
                self.raw_controls = data.control_sequence;
            }
            _ => {
                if let Ok(content) = Content::decode(content) {
                    self.controls = content.controls;
                }
            }
        }
    }

    pub(super) fn is_request(&self) -> bool {
        self.form == Form::Request
    }

    pub(super) fn is_response(&self) -> bool {
        self.form == Form::Response
    }

    pub(super) fn signed(&self) -> Option<&SignedData> {
        match &self.outer {
            Outer::Signed(signed) => Some(signed),
            _ => None,
        }
    }

    pub(super) fn signers(&self) -> Vec<&SignerInfo> {
        self.signed().map(|s| s.signer_infos.to_vec()).unwrap_or_default()
    }

    /// Returns the signers that `wrong` is true of.
    pub(super) fn signers_where(&self, wrong: impl Fn(&SignerInfo) -> bool) -> Vec<Place> {
        let all = self.signers().into_iter().enumerate();
        all.filter(|(_, signer)| wrong(signer)).map(|(at, _)| Place::Signer(at + 1)).collect()
    }

    /// Returns the requests that `wrong` is true of.
    pub(super) fn requests_where(&self, wrong: impl Fn(&Request) -> bool) -> Vec<Place> {
        let all = self.requests.iter().enumerate();
        all.filter(|(_, request)| wrong(request)).map(|(at, _)| Place::Request(at + 1)).collect()
    }

    /// Returns the controls that `wrong` is true of.
    pub(super) fn controls_where(&self, wrong: impl Fn(&TaggedControl) -> bool) -> Vec<Place> {
        self.controls.iter().filter(|control| wrong(control)).map(place).collect()
    }

    /// Returns the controls with a value that `wrong` is true of.
    pub(super) fn values_where(&self, wrong: impl Fn(&Control) -> bool) -> Vec<Place> {
        self.controls_where(|control| control.values.iter().flatten().any(&wrong))
    }

    pub(super) fn has(&self, control: ControlType) -> bool {
        self.controls.iter().any(|c| c.control_type() == Some(control))
    }
}

/// Returns the place of a control.
pub(super) fn place(control: &TaggedControl) -> Place {
    let name = oid::text(control.oid());
    Place::Control { body_part_id: control.body_part_id.to_string(), name }
}

/// Returns the message as the place if `wrong`.
pub(super) fn message_if(wrong: bool) -> Vec<Place> {
    if wrong { vec![Place::Message] } else { Vec::new() }
}

fn pkcs10(id: Option<Number>, der: &[u8]) -> Request {
    match decode::<CertificationRequest>("a part", der) {
        Ok(request) => Request::Pkcs10(id, Box::new(request)),
        Err(_) => Request::Damaged,
    }
}

fn crmf(der: &[u8]) -> Request {
    decode::<CertReqMsg>("a part", der).map_or(Request::Damaged, of_crmf)
}

fn of_crmf(message: CertReqMsg) -> Request {
    match decode("a part", message.cert_req.as_bytes()) {
        Ok(request) => Request::Crmf(Box::new(message), Box::new(request)),
        Err(_) => Request::Damaged,
    }
}

fn tagged(der: &[u8]) -> Request {
    match decode("a part", der) {
        Ok(TaggedRequest::Tcr(r)) => {
            pkcs10(Some(Number::of(&r.body_part_id)), r.certification_request.as_bytes())
        }
        Ok(TaggedRequest::Crm(message)) => of_crmf(message),
        Ok(TaggedRequest::Orm(r)) => Request::Other(Number::of(&r.body_part_id)),
        Err(_) => Request::Damaged,
    }
}

impl Request {
    pub(super) fn body_part_id(&self) -> Option<Number> {
        match self {
            Request::Pkcs10(id, _) => id.clone(),
            Request::Crmf(_, request) => Some(Number::of(&request.cert_req_id)),
            Request::Other(id) => Some(id.clone()),
            Request::Damaged => None,
        }
    }

    /// Returns the attributes of PKCS #10 or the controls of CRMF that are CMC controls.
    pub(super) fn controls(&self) -> Vec<Control> {
        let all: Vec<(rasn::types::ObjectIdentifier, Vec<u8>)> = match self {
            Request::Pkcs10(_, request) => {
                let attributes = attributes(request);
                let all = attributes.iter().flat_map(|a| {
                    let values = a.values.to_vec();
                    let values: Vec<_> = values.iter().map(|v| v.as_bytes().to_vec()).collect();
                    values.into_iter().map(|v| (a.r#type.clone(), v))
                });
                all.collect()
            }
            Request::Crmf(_, request) => {
                let all = request.controls.iter().flatten();
                all.map(|c| (c.r#type.clone(), c.value.as_bytes().to_vec())).collect()
            }
            Request::Other(_) | Request::Damaged => Vec::new(),
        };
        all.iter().filter_map(|(id, der)| Control::decode(id, der).ok()).collect()
    }
}

/// Returns the elements of the attributes field of a PKCS #10 request; `None` without the field.
pub(super) fn attribute_elements(request: &CertificationRequest) -> Option<Vec<Vec<u8>>> {
    let (_, content, _) = crate::asn1::split_tlv(request.info.as_bytes())?;
    let fields = crate::asn1::canonical::children(content)?;
    let field = fields.iter().find(|e| e.first() == Some(&0xa0))?;
    let (_, content, _) = crate::asn1::split_tlv(field)?;
    Some(crate::asn1::canonical::children(content)?.into_iter().map(<[u8]>::to_vec).collect())
}

fn attributes(request: &CertificationRequest) -> Vec<Attribute> {
    let elements = attribute_elements(request).unwrap_or_default();
    elements.iter().filter_map(|der| decode("a part", der).ok()).collect()
}

/// Returns the values of a signed attribute.
pub(super) fn values_of(attributes: Option<&SetOf<Attribute>>, id: &Oid) -> Vec<Vec<u8>> {
    let all = attributes.map(|a| a.to_vec()).unwrap_or_default();
    let found = all.iter().filter(|a| *a.r#type == *id);
    found.flat_map(|a| a.values.to_vec().into_iter().map(|v| v.as_bytes().to_vec())).collect()
}
