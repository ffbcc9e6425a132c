//! A message of any kind taken apart: what is in it, and what Dogtag would refuse of it. Nothing is
//! verified here; unknown values are shown as octets, secrets never.

mod control;
#[cfg(test)]
mod damaged;
mod extension;
mod item;
mod request;
mod signer;
mod what;

use std::collections::BTreeSet;

use rasn::types::{OctetString, Oid};

pub use item::Item;
pub use what::what_is;

use crate::asn1::cmc::{PkiData, PkiResponse, TaggedAttribute, TaggedRequest};
use crate::asn1::cms::{ContentInfo, SignedData};
use crate::asn1::crmf::{CertReqMessages, CertReqMsg, CertRequest};
use crate::asn1::x509::{CertificationRequest, certificate_fields};
use crate::asn1::{canonical, decode, decode_ber, oid, pem, split_tlv};
use crate::cmc::response::{self, CmcStatus};
use crate::error::{Error, Kind, Result};
use item::{list, or_octets};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A Full PKI Request, signed or not.
    Request,
    /// A Full PKI Response.
    Response,
    /// A Simple PKI Response: certificates only, as any PKCS #7 chain is.
    Certificates,
    /// A PKCS #10 request.
    Pkcs10,
    /// CertReqMessages.
    Crmf,
    /// One certificate.
    Certificate,
}

impl Form {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Form::Request => "CMC request",
            Form::Response => "CMC response",
            Form::Certificates => "certificates (simple CMC response or PKCS #7 chain)",
            Form::Pkcs10 => "PKCS #10 request",
            Form::Crmf => "CRMF request",
            Form::Certificate => "certificate",
        }
    }

    /// For JSON.
    pub fn name(self) -> &'static str {
        match self {
            Form::Request => "request",
            Form::Response => "response",
            Form::Certificates => "certificates",
            Form::Pkcs10 => "pkcs10",
            Form::Crmf => "crmf",
            Form::Certificate => "certificate",
        }
    }
}

/// A message taken apart.
#[derive(Debug)]
pub struct Message {
    /// What it is.
    pub form: Form,
    /// Its parts.
    pub parts: Item,
    /// What Dogtag would refuse, or people should know.
    pub warnings: Vec<String>,
    /// The message alone, DER or BER, without what stood around it in the file.
    pub der: Vec<u8>,
    /// Whether it is a SignedData, so that a signature can be looked for.
    pub signed_data: bool,
}

/// Most warnings told.
const MOST_WARNINGS: usize = 50;

type Parts = Vec<(&'static str, Item)>;

/// Takes a file apart: DER, PEM, base64, or DER behind the remains of HTTP headers that Dogtag's
/// HttpClient left there.
///
/// # Errors
/// [`Kind::Input`] when it is no message, request or certificate.
pub fn read(bytes: &[u8]) -> Result<Message> {
    let mut warnings = Vec::new();
    let mut der = match pem::behind_headers(bytes) {
        Some(der) => {
            warnings.push(format!(
                "the file begins with {} octets of HTTP headers, as Dogtag's HttpClient leaves them",
                bytes.len() - der.len()
            ));
            der.to_vec()
        }
        None => pem::to_der("the message", bytes)?,
    };
    if let Some((_, _, rest)) = split_tlv(&der)
        && !rest.is_empty()
    {
        warnings.push(format!("{} octets follow the message; they are ignored", rest.len()));
        der.truncate(der.len() - rest.len());
    }
    let mut signed_data = false;
    let (form, parts) = match guess(&der) {
        Guess::ContentInfo => content_info(&der, &mut signed_data, &mut warnings)?,
        Guess::PkiData => (Form::Request, pki_data(&der, None, &mut warnings)?),
        Guess::Pkcs10 => {
            violations(&der, &mut warnings);
            (Form::Pkcs10, request::pkcs10(&der, &mut warnings)?)
        }
        Guess::Crmf => (Form::Crmf, crmf(&der, &mut warnings)?),
        Guess::Certificate => (Form::Certificate, vec![("certificate", signer::certificate(&der))]),
        Guess::Nothing => {
            return Err(Error::new(
                Kind::Input,
                "this is neither a CMC message, nor a PKCS #10 or CRMF request, nor a certificate",
            ));
        }
    };
    if let Some(more @ 1..) = warnings.len().checked_sub(MOST_WARNINGS) {
        warnings.truncate(MOST_WARNINGS);
        warnings.push(format!("and {more} more of the kind"));
    }
    Ok(Message { form, parts: Item::Fields(parts), warnings, der, signed_data })
}

enum Guess {
    ContentInfo,
    PkiData,
    Pkcs10,
    Crmf,
    Certificate,
    Nothing,
}

/// By the tags of the outermost elements.
fn guess(der: &[u8]) -> Guess {
    if der.starts_with(&[0x30, 0x80, 0x06]) {
        return Guess::ContentInfo;
    }
    let Some((0x30, content, _)) = split_tlv(der) else { return Guess::Nothing };
    if content.first() == Some(&0x06) {
        return Guess::ContentInfo;
    }
    let Some(children) = canonical::children(content) else { return Guess::Nothing };
    match children[..] {
        [first @ [0x30, ..], [0x30, ..], [0x03, ..]] => {
            let inner = split_tlv(first).and_then(|(_, c, _)| canonical::children(c));
            match inner.as_deref() {
                Some(
                    [[0x02, ..], [0x30, ..], [0x30, ..]]
                    | [[0x02, ..], [0x30, ..], [0x30, ..], [0xa0, ..], ..],
                ) => Guess::Pkcs10,
                _ if certificate_fields(der).is_ok() => Guess::Certificate,
                _ => Guess::Nothing,
            }
        }
        [_, _, _, _] if decode::<PkiData>("the PKIData", der).is_ok() => Guess::PkiData,
        [] => Guess::Nothing,
        _ if children.iter().all(|c| c.first() == Some(&0x30)) => Guess::Crmf,
        _ => Guess::Nothing,
    }
}

fn violations(der: &[u8], warnings: &mut Vec<String>) {
    for violation in canonical::violations(der) {
        warnings.push(format!(
            "not DER, {violation}: Dogtag encodes requests anew and finds signatures wrong"
        ));
    }
}

fn content_info(
    der: &[u8],
    signed_data: &mut bool,
    warnings: &mut Vec<String>,
) -> Result<(Form, Parts)> {
    let info: ContentInfo = decode_ber("the CMC message", der)?;
    if *info.content_type == *oid::ID_DATA {
        let content: OctetString = decode_ber("the unsigned content", info.content.as_bytes())?;
        let mut parts = vec![("signed", Item::Flag(false))];
        parts.extend(pki_data(&content, None, warnings)?);
        return Ok((Form::Request, parts));
    }
    let (signed, content) = response::open_signed_data("the CMC message", der)?;
    *signed_data = true;
    let content_type = signed.encap_content_info.content_type.clone();
    let mut parts = vec![("content_type", Item::oid(&content_type))];
    let form = match content {
        None => Form::Certificates,
        Some(content) if *content_type == *oid::ID_CCT_PKI_DATA => {
            if decode::<ContentInfo>("the message", der).is_err() {
                warnings
                    .push("the message is BER, not DER: Dogtag refuses strings in pieces".into());
            }
            parts.extend(pki_data(&content, Some(&signed), warnings)?);
            Form::Request
        }
        Some(content) if *content_type == *oid::ID_CCT_PKI_RESPONSE => {
            parts.extend(pki_response(&content, warnings)?);
            Form::Response
        }
        Some(content) => {
            // CMCResponse takes any content type with a remark; so do people who look.
            let shown = pki_response(&content, warnings).map(Item::Fields);
            warnings.push("the content is neither a PKIData nor a PKIResponse".into());
            parts.push(("content", or_octets(shown, &content)));
            Form::Response
        }
    };
    parts.push(("certificates", signer::certificates(&signed)));
    let crls = signed.crls.as_ref().map_or(0, |c| c.len());
    parts.push(("crls", Item::Text(crls.to_string())));
    parts.push(("signers", signer::signers(&signed)));
    Ok((form, parts))
}

fn controls(all: &[TaggedAttribute], warnings: &mut Vec<String>) -> Item {
    list(all, |control| {
        let values = control.attr_values.to_vec();
        Item::Fields(vec![
            ("body_part_id", Item::id(&control.body_part_id)),
            ("control", Item::oid(&control.attr_type)),
            (
                "values",
                list(&values, |v| control::value(&control.attr_type, v.as_bytes(), warnings)),
            ),
        ])
    })
}

fn pki_response(der: &[u8], warnings: &mut Vec<String>) -> Result<Parts> {
    let response: PkiResponse = decode("the PKIResponse", der)?;
    Ok(vec![
        ("status", overall(&response.control_sequence)),
        ("controls", controls(&response.control_sequence, warnings)),
        ("cms_sequence", Item::Text(response.cms_sequence.len().to_string())),
        ("other_messages", Item::Text(response.other_msg_sequence.len().to_string())),
    ])
}

/// The first status that isn't success; success when there is none (RFC 5272 §6.1.1).
fn overall(controls: &[TaggedAttribute]) -> Item {
    for control in controls {
        let version = match () {
            () if *control.attr_type == *oid::CMC_STATUS_INFO_V2 => 2,
            () if *control.attr_type == *oid::CMC_STATUS_INFO => 1,
            () => continue,
        };
        for value in control.attr_values.to_vec() {
            match response::status(version, value.as_bytes()) {
                Ok(status) if status.status == CmcStatus::Success => {}
                Ok(status) => return Item::Text(status.status.to_string()),
                Err(_) => return "undecodable".into(),
            }
        }
    }
    "success".into()
}

fn pki_data(der: &[u8], signed: Option<&SignedData>, warnings: &mut Vec<String>) -> Result<Parts> {
    let data: PkiData = decode("the PKIData", der).map_err(|e| {
        Error::new(Kind::Input, "can't decode the PKIData")
            .because(e)
            .hint("it must hold all four sequences, empty ones as 30 00")
    })?;
    violations(der, warnings);
    let requests = &data.req_sequence;
    if requests.len() > 1 {
        warnings.push(format!(
            "{} requests in one message: Dogtag's profiles take one (\"Policy Set Not Found\")",
            requests.len()
        ));
    }
    let parts = vec![
        ("controls", controls(&data.control_sequence, warnings)),
        ("requests", list(requests, |r| request::tagged(r.as_bytes(), warnings))),
        ("cms_sequence", Item::Text(data.cms_sequence.len().to_string())),
        ("other_messages", Item::Text(data.other_msg_sequence.len().to_string())),
    ];
    check_controls(&data, warnings);
    if let Some(signed) = signed {
        let key_ids: Vec<Vec<u8>> =
            requests.iter().filter_map(|r| key_identifier(r.as_bytes())).collect();
        signer::check(signed, &key_ids, warnings);
    }
    Ok(parts)
}

fn check_controls(data: &PkiData, warnings: &mut Vec<String>) {
    let (mut ids, mut types) = (BTreeSet::new(), BTreeSet::new());
    for control in &data.control_sequence {
        if !ids.insert(crate::asn1::number_text(&control.body_part_id)) {
            duplicate(&control.body_part_id, warnings);
        }
        if !types.insert(control.attr_type.clone()) {
            let name = oid::name(&control.attr_type).unwrap_or("a control");
            warnings.push(format!("{name} is there more than once: Dogtag looks at one"));
        }
        if control.attr_values.len() != 1 {
            let name = oid::name(&control.attr_type).unwrap_or("a control");
            warnings.push(format!("{name} has not one value: Dogtag refuses or ignores that"));
        }
    }
    for request in &data.req_sequence {
        if let Some(id) = request_id(request.as_bytes())
            && !ids.insert(crate::asn1::number_text(&id))
        {
            duplicate(&id, warnings);
        }
    }
    let has = |id: &Oid| data.control_sequence.iter().any(|c| *c.attr_type == *id);
    let proves = has(oid::CMC_IDENTITY_PROOF_V2) || has(oid::CMC_IDENTITY_PROOF);
    if proves && !has(oid::CMC_IDENTIFICATION) {
        warnings.push("an identity proof without identification: Dogtag refuses it".into());
    }
    if has(oid::CMC_IDENTITY_PROOF) {
        warnings.push("identityProof of version 1: Dogtag can't check it, use version 2".into());
    }
    if has(oid::CMC_DECRYPTED_POP) && !has(oid::CMC_REG_INFO) {
        warnings.push("decryptedPOP without regInfo: Dogtag can't find the request meant".into());
    }
}

fn duplicate(id: &rasn::types::Integer, warnings: &mut Vec<String>) {
    let id = crate::asn1::number_text(id);
    warnings.push(format!("body part id {id} is used twice (RFC 5272 §3.2.2 forbids it)"));
}

fn request_id(der: &[u8]) -> Option<rasn::types::Integer> {
    match decode("the TaggedRequest", der).ok()? {
        TaggedRequest::Tcr(request) => Some(request.body_part_id),
        TaggedRequest::Crm(message) => {
            let request: CertRequest = decode("a request", message.cert_req.as_bytes()).ok()?;
            Some(request.cert_req_id)
        }
        TaggedRequest::Orm(request) => Some(request.body_part_id),
    }
}

/// The subjectKeyIdentifier extension of a TaggedRequest.
fn key_identifier(der: &[u8]) -> Option<Vec<u8>> {
    let extensions = match decode("the TaggedRequest", der).ok()? {
        TaggedRequest::Tcr(request) => {
            let request: CertificationRequest =
                decode("a request", request.certification_request.as_bytes()).ok()?;
            request.info().ok()?.extensions().ok()?
        }
        TaggedRequest::Crm(message) => {
            let request: CertRequest = decode("a request", message.cert_req.as_bytes()).ok()?;
            request.cert_template.extensions?
        }
        TaggedRequest::Orm(_) => return None,
    };
    let found = extensions.iter().find(|e| *e.extn_id == *oid::CE_SUBJECT_KEY_IDENTIFIER)?;
    Some(extension::key_identifier(&found.extn_value))
}

fn crmf(der: &[u8], warnings: &mut Vec<String>) -> Result<Parts> {
    let messages: CertReqMessages = decode("the CRMF request", der)?;
    violations(der, warnings);
    if messages.len() > 1 {
        warnings
            .push(format!("{} requests in one file: CMCRequest takes the first", messages.len()));
    }
    let show = |message: &rasn::types::Any, warnings: &mut Vec<String>| -> Result<Item> {
        let message: CertReqMsg = decode("the CertReqMsg", message.as_bytes())?;
        request::crmf(&message, warnings).map(Item::Fields)
    };
    if let Some(first) = messages.first() {
        // A file whose first request can't be read isn't CRMF.
        show(first, &mut Vec::new())?;
    }
    let shown = list(&messages, |m| or_octets(show(m, warnings), m.as_bytes()));
    Ok(vec![("requests", shown)])
}

/// The PKIData of a Full PKI Request, signed or not.
///
/// # Errors
/// [`Kind::Input`] when it is none.
pub fn request_content(der: &[u8]) -> Result<PkiData> {
    let info: ContentInfo = decode_ber("the CMC request", der)?;
    if *info.content_type == *oid::ID_DATA {
        let content: OctetString = decode_ber("the CMC request", info.content.as_bytes())?;
        return decode("the PKIData", &content);
    }
    let (signed, content) = response::open_signed_data("the CMC request", der)?;
    match content {
        Some(content) if *signed.encap_content_info.content_type == *oid::ID_CCT_PKI_DATA => {
            decode("the PKIData", &content)
        }
        _ => Err(Error::new(Kind::Input, "this is a CMC answer, not a request")),
    }
}
