//! Decodes a message of any kind for display, and warns of what Dogtag would refuse. Nothing is
//! verified. Unknown values are shown as octets; secrets are never shown.

mod control;
#[cfg(test)]
mod damaged;
mod extension;
mod item;
pub mod judge;
mod nested;
mod registration;
mod request;
mod signer;
mod what;

use std::collections::BTreeSet;

use rasn::types::{Any, OctetString};

pub use item::Item;
pub use what::what_is;

use crate::asn1::certificate;
use crate::asn1::cmc::{PkiData, TaggedRequest};
use crate::asn1::cms::{ContentInfo, SignedData};
use crate::asn1::crmf::{CertReqMessages, CertReqMsg, CertRequest};
use crate::asn1::extension::Extension;
use crate::asn1::x509::CertificationRequest;
use crate::asn1::{Number, canonical, decode, decode_ber, oid, pem, split_tlv};
use crate::cmc::control::{Control, ControlType, TaggedControl};
use crate::cmc::response::{self, CmcStatus, Content, Response};
use crate::error::{Error, Kind, Result};
use item::{list, or_octets};

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A Full PKI Request (RFC 5272 §3.2), signed or unsigned.
    Request,
    /// A Full PKI Response (RFC 5272 §4.2).
    Response,
    /// A Simple PKI Response (RFC 5272 §4.1), or any other SignedData with only certificates.
    Certificates,
    /// A PKCS #10 request (RFC 2986 §4.2).
    Pkcs10,
    /// CertReqMessages (RFC 4211 §3).
    Crmf,
    /// A certificate (RFC 5280 §4.1).
    Certificate,
}

impl Form {
    /// Returns the name for people.
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

    /// Returns the name in JSON.
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

/// A decoded message.
#[derive(Debug)]
pub struct Message {
    /// Its kind.
    pub form: Form,
    /// Its parts.
    pub parts: Item,
    /// What Dogtag would refuse, and other remarks.
    pub warnings: Vec<String>,
    /// The message alone, DER or BER, without text around it in the file.
    pub der: Vec<u8>,
    /// Whether it is a SignedData, whose signature can be verified.
    pub signed_data: bool,
    /// DER of the certificates in a SignedData, in the message's order.
    pub certificates: Vec<Vec<u8>>,
    /// The response, if the message is one.
    pub response: Option<Response>,
}

/// The most warnings reported.
const MOST_WARNINGS: usize = 50;

type Parts = Vec<(&'static str, Item)>;

/// Decodes the content of a file: DER, PEM, base64, or DER after HTTP headers that Dogtag's
/// HttpClient left there.
///
/// # Errors
/// [`Kind::Input`] when it isn't a message, request or certificate.
pub fn read(bytes: &[u8]) -> Result<Message> {
    let mut warnings = Vec::new();
    let mut der = match pem::behind_headers(bytes) {
        Some(der) => {
            warnings.push(format!(
                "the file begins with {} octets of HTTP headers, as Dogtag's HttpClient writes them",
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
    let opened = match guess(&der) {
        Guess::ContentInfo => content_info(&der, 0, &mut warnings)?,
        Guess::PkiData => Opened::plain(Form::Request, pki_data(&der, None, 0, &mut warnings)?),
        Guess::Pkcs10 => {
            violations(&der, &mut warnings);
            Opened::plain(Form::Pkcs10, request::pkcs10(&der, &mut warnings)?)
        }
        Guess::Crmf => Opened::plain(Form::Crmf, crmf(&der, &mut warnings)?),
        Guess::Certificate => {
            Opened::plain(Form::Certificate, vec![("certificate", signer::certificate(&der))])
        }
        Guess::Nothing => {
            return Err(Error::new(
                Kind::Input,
                "not a CMC message, a PKCS #10 or CRMF request, or a certificate",
            ));
        }
    };
    if let Some(more @ 1..) = warnings.len().checked_sub(MOST_WARNINGS) {
        warnings.truncate(MOST_WARNINGS);
        warnings.push(format!("{more} more warnings of this kind"));
    }
    let Opened { form, parts, signed_data, certificates, response } = opened;
    let parts = Item::Fields(parts);
    Ok(Message { form, parts, warnings, der, signed_data, certificates, response })
}

enum Guess {
    ContentInfo,
    PkiData,
    Pkcs10,
    Crmf,
    Certificate,
    Nothing,
}

/// Returns the kind of a message, from the tags of its outermost elements.
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
                _ if certificate::fields(der).is_ok() => Guess::Certificate,
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
            "not DER, {violation}: Dogtag encodes the request again, and then its signature is invalid"
        ));
    }
}

/// The content of a ContentInfo (RFC 5652 §3), for display.
struct Opened {
    form: Form,
    parts: Parts,
    signed_data: bool,
    certificates: Vec<Vec<u8>>,
    response: Option<Response>,
}

/// `depth` is the number of messages around this one.
fn content_info(der: &[u8], depth: usize, warnings: &mut Vec<String>) -> Result<Opened> {
    let info: ContentInfo = decode_ber("the CMC message", der)?;
    if *info.content_type == *oid::ID_DATA {
        let content: OctetString = decode_ber("the unsigned content", info.content.as_bytes())?;
        let mut parts = vec![("signed", Item::Flag(false))];
        parts.extend(pki_data(&content, None, depth, warnings)?);
        return Ok(Opened::plain(Form::Request, parts));
    }
    if *info.content_type == *oid::ID_AUTHENTICATED_DATA {
        return nested::authenticated(info.content.as_bytes(), depth, warnings);
    }
    let (signed, content) = response::open_signed_data("the CMC message", der)?;
    let content_type = signed.encap_content_info.content_type.clone();
    let mut parts = vec![("content_type", Item::oid(&content_type))];
    let mut said = None;
    let form = match content {
        None => Form::Certificates,
        Some(content) if *content_type == *oid::ID_CCT_PKI_DATA => {
            if decode::<ContentInfo>("the message", der).is_err() {
                warnings
                    .push("the message is BER, not DER: Dogtag refuses constructed strings".into());
            }
            parts.extend(pki_data(&content, Some(&signed), depth, warnings)?);
            Form::Request
        }
        Some(content) if *content_type == *oid::ID_CCT_PKI_RESPONSE => {
            let content = Content::decode(&content)?;
            parts.extend(pki_response(&content, depth, warnings));
            said = Some(content);
            Form::Response
        }
        Some(content) => {
            // An unknown content type only gives a warning, as in Dogtag's CMCResponse.
            let shown =
                Content::decode(&content).map(|c| Item::Fields(pki_response(&c, depth, warnings)));
            warnings.push("the content is neither a PKIData nor a PKIResponse".into());
            parts.push(("content", or_octets(shown, &content)));
            Form::Response
        }
    };
    let certificates = response::certificates_of(&signed);
    parts.push(("certificates", signer::certificates(&certificates)));
    let crls = signed.crls.as_ref().map_or(0, |c| c.len());
    parts.push(("crls", Item::Text(crls.to_string())));
    parts.push(("signers", signer::signers(&signed)));
    let response = match (form, said) {
        (Form::Certificates, _) => Response::new(signed, None).ok(),
        (_, Some(content)) => Response::new(signed, Some(content.controls)).ok(),
        (_, None) => None,
    };
    Ok(Opened { form, parts, signed_data: true, certificates, response })
}

impl Opened {
    fn plain(form: Form, parts: Parts) -> Opened {
        Opened { form, parts, signed_data: false, certificates: Vec::new(), response: None }
    }
}

fn controls(all: &[TaggedControl], warnings: &mut Vec<String>) -> Item {
    list(all, |tagged| {
        Item::Fields(vec![
            ("body_part_id", Item::id(&tagged.body_part_id)),
            ("control", Item::oid(tagged.oid())),
            ("values", control::values(tagged, warnings)),
        ])
    })
}

fn pki_response(content: &Content, depth: usize, warnings: &mut Vec<String>) -> Parts {
    vec![
        ("status", overall(&content.controls)),
        ("controls", controls(&content.controls, warnings)),
        ("cms_sequence", Item::Text(content.cms_sequence.len().to_string())),
        ("other_messages", Item::Text(content.other_messages.len().to_string())),
        ("nested", inside(&content.cms_sequence, |all| nested::messages(all, depth))),
        ("others", inside(&content.other_messages, nested::others)),
    ]
}

/// Shows parts that few messages have; null if there are none.
fn inside(all: &[Vec<u8>], show: impl FnOnce(&[Vec<u8>]) -> Item) -> Item {
    if all.is_empty() { Item::Null } else { show(all) }
}

/// Returns the first status that isn't success; success when there is none (RFC 5272 §6.1.1).
fn overall(controls: &[TaggedControl]) -> Item {
    let is_status = |c: &&TaggedControl| c.control_type().is_some_and(response::is_status);
    for value in controls.iter().filter(is_status).flat_map(|c| &c.values) {
        match value {
            Ok(Control::StatusInfo(status) | Control::StatusInfoV2(status))
                if status.status != CmcStatus::Success =>
            {
                return Item::Text(status.status.to_string());
            }
            Ok(_) => {}
            Err(_) => return "undecodable".into(),
        }
    }
    "success".into()
}

fn pki_data(
    der: &[u8],
    signed: Option<&SignedData>,
    depth: usize,
    warnings: &mut Vec<String>,
) -> Result<Parts> {
    let data: PkiData = decode("the PKIData", der).map_err(|e| {
        Error::new(Kind::Input, "cannot decode the PKIData")
            .because(e)
            .hint("it must have all four sequences, empty ones as 30 00")
    })?;
    violations(der, warnings);
    let requests = &data.req_sequence;
    if requests.len() > 1 {
        warnings.push(format!(
            "{} requests in one message: Dogtag's profiles accept one (\"Policy Set Not Found\")",
            requests.len()
        ));
    }
    let tagged: Vec<TaggedControl> = data.control_sequence.iter().map(TaggedControl::new).collect();
    let octets = |all: &[Any]| all.iter().map(|a| a.as_bytes().to_vec()).collect::<Vec<_>>();
    let (messages, others) = (octets(&data.cms_sequence), octets(&data.other_msg_sequence));
    let parts = vec![
        ("controls", controls(&tagged, warnings)),
        ("requests", list(requests, |r| request::tagged(r.as_bytes(), warnings))),
        ("cms_sequence", Item::Text(messages.len().to_string())),
        ("other_messages", Item::Text(others.len().to_string())),
        ("nested", inside(&messages, |all| nested::messages(all, depth))),
        ("others", inside(&others, nested::others)),
    ];
    check_controls(&tagged, requests, warnings);
    if let Some(signed) = signed {
        let key_ids: Vec<Vec<u8>> =
            requests.iter().filter_map(|r| key_identifier(r.as_bytes())).collect();
        signer::check(signed, &key_ids, warnings);
    }
    Ok(parts)
}

fn check_controls(controls: &[TaggedControl], requests: &[Any], warnings: &mut Vec<String>) {
    let (mut ids, mut types) = (BTreeSet::new(), BTreeSet::new());
    for control in controls {
        if !ids.insert(control.body_part_id.to_string()) {
            duplicate(&control.body_part_id, warnings);
        }
        if !types.insert(control.oid().to_owned()) {
            let name = oid::name(control.oid()).unwrap_or("a control");
            warnings.push(format!("{name} occurs more than once: Dogtag reads only one"));
        }
        if control.values.len() != 1 {
            let name = oid::name(control.oid()).unwrap_or("a control");
            warnings.push(format!(
                "{name} does not have exactly one value: Dogtag refuses or ignores it"
            ));
        }
    }
    for request in requests {
        if let Some(id) = request_id(request.as_bytes())
            && !ids.insert(id.to_string())
        {
            duplicate(&id, warnings);
        }
    }
    let has = |wanted| controls.iter().any(|c| c.control_type() == Some(wanted));
    let proves = has(ControlType::IdentityProofV2) || has(ControlType::IdentityProof);
    if proves && !has(ControlType::Identification) {
        warnings.push("identity proof without identification: Dogtag refuses it".into());
    }
    if has(ControlType::IdentityProof) {
        warnings
            .push("identityProof (version 1): Dogtag cannot verify it, use identityProofV2".into());
    }
    if has(ControlType::DecryptedPop) && !has(ControlType::RegInfo) {
        warnings.push("decryptedPOP without regInfo: Dogtag cannot find its request".into());
    }
}

fn duplicate(id: &Number, warnings: &mut Vec<String>) {
    let id = id.to_string();
    warnings.push(format!("body part id {id} is used twice (forbidden by RFC 5272 §3.2.2)"));
}

fn request_id(der: &[u8]) -> Option<Number> {
    match decode("the TaggedRequest", der).ok()? {
        TaggedRequest::Tcr(request) => Some(Number::of(&request.body_part_id)),
        TaggedRequest::Crm(message) => {
            let request: CertRequest = decode("a request", message.cert_req.as_bytes()).ok()?;
            Some(Number::of(&request.cert_req_id))
        }
        TaggedRequest::Orm(request) => Some(Number::of(&request.body_part_id)),
    }
}

/// Returns the subjectKeyIdentifier extension of a TaggedRequest.
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
    Some(extension::key_identifier(&Extension::of(found)))
}

fn crmf(der: &[u8], warnings: &mut Vec<String>) -> Result<Parts> {
    let messages: CertReqMessages = decode("the CRMF request", der)?;
    violations(der, warnings);
    if messages.len() > 1 {
        warnings.push(format!(
            "{} requests in one file: CMCRequest reads only the first",
            messages.len()
        ));
    }
    let show = |message: &rasn::types::Any, warnings: &mut Vec<String>| -> Result<Item> {
        let message: CertReqMsg = decode("the CertReqMsg", message.as_bytes())?;
        request::crmf(&message, warnings).map(Item::Fields)
    };
    if let Some(first) = messages.first() {
        // If the first request can't be decoded, the file isn't CRMF.
        show(first, &mut Vec::new())?;
    }
    let shown = list(&messages, |m| or_octets(show(m, warnings), m.as_bytes()));
    Ok(vec![("requests", shown)])
}
