//! PKIData (RFC 5272 §3.2.1) and its request.

use der::Tag;
use der::asn1::ObjectIdentifier;

use crate::element::{Element, Refused, context, elements, one};
use crate::keys::{Hash, round_trips, verify};

const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const POP_LINK_WITNESS_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.7.33");
const ARCHIVE_OPTIONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.5.1.4");

/// The controls that a stand-in reads, and the requests.
pub struct PkiData<'a> {
    pub controls: Vec<Control<'a>>,
    /// TaggedRequests.
    pub requests: Vec<Element<'a>>,
    /// DER of the reqSequence.
    pub sequence: &'a [u8],
    /// Whether there is a control of any kind.
    pub has_controls: bool,
    /// Warnings: content that Dogtag accepts and a client should not send.
    pub lint: Vec<String>,
}

/// A control of id-cmc.
pub struct Control<'a> {
    /// Its body part id, as DER.
    pub id: &'a [u8],
    /// Its number in id-cmc.
    pub number: u32,
    /// DER of its SET of values.
    pub values: &'a [u8],
}

/// Parses a PKIData, which must have exactly four sequences.
pub fn pki_data(der: &[u8]) -> Result<PkiData<'_>, Refused> {
    let [controls, requests, _cms, _other] = one(der)?.within(Tag::Sequence)?[..] else {
        return Err("a PKIData has four sequences".into());
    };
    let mut found = PkiData {
        controls: Vec::new(),
        requests: requests.within(Tag::Sequence)?,
        sequence: requests.whole,
        has_controls: !controls.content.is_empty(),
        lint: Vec::new(),
    };
    let mut ids: Vec<&[u8]> = Vec::new();
    for control in controls.within(Tag::Sequence)? {
        let [id, kind, values] = control.within(Tag::Sequence)?[..] else {
            return Err("no TaggedAttribute".into());
        };
        ids.push(id.content_of(Tag::Integer)?);
        values.content_of(Tag::Set)?;
        let kind = kind.oid()?.to_string();
        match kind.strip_prefix("1.3.6.1.5.5.7.7.").and_then(|n| n.parse().ok()) {
            Some(number) => {
                found.controls.push(Control { id: id.whole, number, values: values.whole });
            }
            None => found.lint.push(format!("unknown control {kind}")),
        }
    }
    for request in &found.requests {
        let first = elements(request.content)?;
        if request.tag == context(0) {
            ids.extend(first.first().map(|id| id.content));
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    if ids.len() != count || ids.contains(&&[0u8][..]) {
        found.lint.push("body part ids are 0 or not unique".into());
    }
    Ok(found)
}

impl<'a> PkiData<'a> {
    /// Returns the values of a control, the last of several.
    pub fn control(&self, number: u32) -> Option<&'a [u8]> {
        self.last(number).map(|c| c.values)
    }

    /// Returns the last control with this number.
    pub fn last(&self, number: u32) -> Option<&Control<'a>> {
        self.controls.iter().rev().find(|c| c.number == number)
    }

    /// Returns the first value of a control.
    pub fn value(&self, number: u32) -> Result<Option<Element<'a>>, Refused> {
        let Some(values) = self.control(number) else { return Ok(None) };
        Ok(one(values)?.within(Tag::Set)?.first().copied())
    }
}

/// The content of a certification request.
#[derive(Clone)]
pub struct Asked {
    /// The body part id, as DER.
    pub id: Vec<u8>,
    /// The TaggedRequest as received.
    pub tagged: Vec<u8>,
    /// What a signer by key must name: the identifier in the subjectKeyIdentifier extension of PKCS
    /// #10, the octets of the extension's value in CRMF.
    pub key_id: Option<Vec<u8>>,
    /// DER of the popLinkWitnessV2.
    pub link: Option<Vec<u8>>,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    /// DER of the subjectAltName extension of PKCS #10.
    pub alt_names: Option<Vec<u8>>,
    /// Whether possession of the key is proved.
    pub proved: bool,
}

/// Parses a request and verifies its own signature.
pub fn asked(request: &Element<'_>) -> Result<Asked, Refused> {
    if request.tag == context(0) {
        let [id, csr] = elements(request.content)?[..] else {
            return Err("no TaggedCertificationRequest".into());
        };
        id.content_of(Tag::Integer)?;
        let asked = pkcs10(csr.whole)?;
        return Ok(Asked { id: id.whole.to_vec(), tagged: request.whole.to_vec(), ..asked });
    }
    if request.tag == context(1) {
        return crmf(request);
    }
    Err("neither PKCS #10 nor CRMF".into())
}

/// Parses a PKCS #10 request, which must have the attributes field.
pub fn pkcs10(der: &[u8]) -> Result<Asked, Refused> {
    let [info, algorithm, signature] = one(der)?.within(Tag::Sequence)?[..] else {
        return Err("no CertificationRequest".into());
    };
    if !round_trips(der) {
        return Err("not DER".into());
    }
    let [_version, subject, spki, attributes] = info.within(Tag::Sequence)?[..] else {
        return Err("PKCS #10 without attributes field".into());
    };
    attributes.content_of(context(0))?;
    self_signature(info.whole, &algorithm, signature.bits()?, spki.whole)?;
    let (mut wanted, mut link) = (Vec::new(), None);
    for attribute in elements(attributes.content)? {
        let [kind, values] = attribute.within(Tag::Sequence)?[..] else {
            return Err("no Attribute".into());
        };
        if kind.oid()? == POP_LINK_WITNESS_V2 {
            link = Some(values.content_of(Tag::Set)?.to_vec());
        }
        if kind.oid()? == EXTENSION_REQUEST {
            let extensions = one(values.content_of(Tag::Set)?)?;
            wanted.extend(extensions.within(Tag::Sequence)?);
        }
    }
    let key_id = match key_identifier(&wanted)? {
        Some(value) => Some(one(value)?.content_of(Tag::OctetString)?.to_vec()),
        None => None,
    };
    let mut alt_names = None;
    for extension in &wanted {
        if extension
            .within(Tag::Sequence)?
            .first()
            .is_some_and(|id| id.oid() == Ok(SUBJECT_ALT_NAME))
        {
            alt_names = Some(extension.whole.to_vec());
        }
    }
    Ok(Asked {
        id: Vec::new(),
        tagged: Vec::new(),
        key_id,
        link,
        alt_names,
        subject: subject.whole.to_vec(),
        spki: spki.whole.to_vec(),
        proved: true,
    })
}

/// Returns the octets of the subjectKeyIdentifier extension's value.
fn key_identifier<'a>(extensions: &[Element<'a>]) -> Result<Option<&'a [u8]>, Refused> {
    for extension in extensions {
        let parts = extension.within(Tag::Sequence)?;
        let (Some(id), Some(value)) = (parts.first(), parts.last()) else {
            return Err("no Extension".into());
        };
        if id.oid()? == SUBJECT_KEY_IDENTIFIER {
            return Ok(Some(value.content_of(Tag::OctetString)?));
        }
    }
    Ok(None)
}

/// Returns the popLinkWitnessV2 among the controls of CRMF. An archived private key is only checked
/// for its form.
fn crmf_controls(controls: &Element<'_>) -> Result<Option<Vec<u8>>, Refused> {
    let mut link = None;
    for control in controls.within(Tag::Sequence)? {
        let [kind, value] = control.within(Tag::Sequence)?[..] else {
            return Err("no control of CRMF".into());
        };
        match kind.oid()? {
            ARCHIVE_OPTIONS => {
                elements(value.content_of(context(0))?)
                    .map_err(|e| format!("archive options: {e}"))?;
            }
            POP_LINK_WITNESS_V2 => link = Some(value.whole.to_vec()),
            _ => {}
        }
    }
    Ok(link)
}

fn self_signature(
    signed: &[u8],
    algorithm: &Element<'_>,
    signature: &[u8],
    spki: &[u8],
) -> Result<(), Refused> {
    let algorithm = algorithm.within(Tag::Sequence)?;
    let id = algorithm.first().ok_or("no algorithm")?.oid()?;
    let hash = Hash::of_signature(id).ok_or(format!("unknown signature algorithm {id}"))?;
    verify(spki, hash, signed, signature)
}

/// Parses a CertReqMsg under `[1]`, with proof by signature or none.
fn crmf(message: &Element<'_>) -> Result<Asked, Refused> {
    let parts = elements(message.content)?;
    let request = parts.first().ok_or("no CertRequest")?;
    let fields = request.within(Tag::Sequence)?;
    let [id, template, controls @ ..] = &fields[..] else {
        return Err("no CertTemplate".into());
    };
    let fields = template.within(Tag::Sequence)?;
    let field = |n: u8| fields.iter().find(|f| f.tag == context(n));
    let subject = field(5).ok_or("no subject")?.content;
    // [6] IMPLICIT: the SEQUENCE tag of the key is restored.
    let key = field(6).ok_or("no public key")?;
    let spki = crate::element::sequence(&[key.content]);
    let link = controls.first().map_or(Ok(None), crmf_controls)?;
    let extensions = match field(9) {
        Some(field) => elements(field.content)?,
        None => Vec::new(),
    };
    let key_id = key_identifier(&extensions)?.map(<[u8]>::to_vec);
    let proved = match parts.get(1).filter(|p| p.tag == context(1)) {
        Some(popo) => {
            let [algorithm, signature] = elements(popo.content)?[..] else {
                return Err("no POPOSigningKey".into());
            };
            self_signature(request.whole, &algorithm, signature.bits()?, &spki)
                .map_err(|e| format!("POP: {e}"))?;
            true
        }
        None => false,
    };
    Ok(Asked {
        id: id.whole.to_vec(),
        tagged: message.whole.to_vec(),
        key_id,
        link,
        alt_names: None,
        subject: subject.to_vec(),
        spki,
        proved,
    })
}
