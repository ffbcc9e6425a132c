//! The values of controls that Dogtag does not process, most of them between RAs and CAs, as plain
//! data.

use rasn::types::{Any, BitString, Integer, OctetString};
use rasn_pkix::GeneralName;
use zeroize::Zeroizing;

use super::value::write;
use crate::asn1::certificate::Algorithm;
use crate::asn1::crmf::CertTemplate;
use crate::asn1::extension::Extension;
use crate::asn1::{Number, any, cmc, decode, encode, split_tlv, tlv};
use crate::error::{Error, Kind, Result};

/// GetCRL (RFC 5272 §6.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetCrl {
    /// DER of the CRL issuer's Name.
    pub issuer: Vec<u8>,
    /// DER of the distribution point's GeneralName.
    pub crl_name: Option<Vec<u8>>,
    /// The CRL before this time, in seconds since 1970; the newest one if absent.
    pub time: Option<i64>,
    /// ReasonFlags (RFC 5280 §4.2.1.13), `unused` first.
    pub reasons: Option<Vec<bool>>,
}

/// PublishTrustAnchors (§6.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchors {
    /// The position within a sequence of updates.
    pub sequence_number: Number,
    /// The digest of the hashes; SHA-256 in RFC 10002.
    pub hash_algorithm: Algorithm,
    /// Hashes of the certificates, which are in the same SignedData.
    pub hashes: Vec<Vec<u8>>,
}

/// CMCPublicationInfo (§6.18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The digest of the hashes.
    pub hash_algorithm: Algorithm,
    /// Hashes of the certificates.
    pub hashes: Vec<Vec<u8>>,
    /// 0 dontPublish, 1 pleasePublish.
    pub action: Number,
    /// Where to publish.
    pub places: Vec<PublicationPlace>,
}

/// SinglePubInfo (RFC 4211 §6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationPlace {
    /// 0 dontCare, 1 x500, 2 web, 3 ldap.
    pub method: Number,
    /// DER of the place's GeneralName.
    pub location: Option<Vec<u8>>,
}

/// ModCertTemplate (§6.5.1): fields that an RA replaces in requests, or removes from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModCertTemplate {
    /// The path to the PKIData with the requests.
    pub pki_data: Vec<Number>,
    /// The requests.
    pub requests: Vec<Number>,
    /// Whether the fields are replaced, or removed.
    pub replace: bool,
    /// DER of the CertTemplate with the fields.
    pub template: Vec<u8>,
}

/// AddExtensions (§6.5.2): extensions that an RA adds to requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddExtensions {
    /// The PKIData with the requests; 0 is the one it is in.
    pub pki_data: Number,
    /// The requests.
    pub requests: Vec<Number>,
    /// The extensions.
    pub extensions: Vec<Extension>,
}

/// ChangeSubjectName (RFC 6402 §2.9): the names of the new certificate, where those of the request
/// must be those of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSubjectName {
    /// DER of the subject's Name.
    pub subject: Option<Vec<u8>>,
    /// DER of the GeneralNames for subjectAltName.
    pub alternative_names: Option<Vec<u8>>,
}

type Der = Zeroizing<Vec<u8>>;

fn invalid(name: &str, why: &str) -> Error {
    Error::new(Kind::Input, format!("cannot decode {name}")).because(why)
}

/// Returns a Name as received.
fn name_of(control: &str, name: &Any) -> Result<Vec<u8>> {
    match split_tlv(name.as_bytes()) {
        Some((0x30, ..)) => Ok(name.as_bytes().to_vec()),
        _ => Err(invalid(control, "the issuer is not a Name")),
    }
}

fn general_name(name: Option<GeneralName>) -> Result<Option<Vec<u8>>> {
    name.map(|name| encode("a GeneralName", &name)).transpose()
}

fn wire_name(name: Option<&Vec<u8>>) -> Result<Option<GeneralName>> {
    name.map(|der| decode("the GeneralName", der)).transpose()
}

fn octets(all: &[OctetString]) -> Vec<Vec<u8>> {
    all.iter().map(|octets| octets.to_vec()).collect()
}

fn wire_octets(all: &[Vec<u8>]) -> Vec<OctetString> {
    all.iter().map(|octets| OctetString::from(octets.clone())).collect()
}

fn numbers(all: &[Integer]) -> Vec<Number> {
    all.iter().map(Number::of).collect()
}

fn wire_numbers(all: &[Number]) -> Vec<Integer> {
    all.iter().map(Number::wire).collect()
}

/// Decodes a BodyPartList or BodyPartPath (§3.2.2), which must not be empty.
pub(super) fn ids(name: &str, der: &[u8]) -> Result<Vec<Number>> {
    let ids: cmc::BodyPartIds = decode(name, der)?;
    match ids.as_slice() {
        [] => Err(invalid(name, "it has no body part id")),
        ids => Ok(numbers(ids)),
    }
}

pub(super) fn write_ids(ids: &[Number]) -> Result<Der> {
    write(&wire_numbers(ids))
}

/// Decodes ControlsProcessed (§6.19): paths to controls; a body part id is a path of one.
pub(super) fn processed(name: &str, der: &[u8]) -> Result<Vec<Vec<Number>>> {
    let read: cmc::ControlsProcessed = decode(name, der)?;
    let path = |part: &Any| match part.as_bytes().first() {
        Some(0x30) => ids(name, part.as_bytes()),
        _ => decode::<Integer>(name, part.as_bytes()).map(|id| vec![Number::of(&id)]),
    };
    match read.body_list.as_slice() {
        [] => Err(invalid(name, "its list of controls is empty")),
        parts => parts.iter().map(path).collect(),
    }
}

pub(super) fn write_processed(paths: &[Vec<Number>]) -> Result<Der> {
    let part = |path: &Vec<Number>| match path.as_slice() {
        [id] => encode("a body part id", &id.wire()).map(any),
        path => encode("a path", &wire_numbers(path)).map(any),
    };
    let body_list = paths.iter().map(part).collect::<Result<_>>()?;
    write(&cmc::ControlsProcessed { body_list })
}

impl GetCrl {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<GetCrl>> {
        let read: cmc::GetCrl = decode(name, der)?;
        Ok(Box::new(GetCrl {
            issuer: name_of(name, &read.issuer_name)?,
            crl_name: general_name(read.crl_name)?,
            time: read.time.map(|time| time.timestamp()),
            reasons: read.reasons.map(|bits| bits.iter().by_vals().collect()),
        }))
    }

    pub(super) fn encode(&self) -> Result<Der> {
        let time = self.time.map(|seconds| {
            let time = chrono::DateTime::from_timestamp(seconds, 0);
            time.ok_or_else(|| Error::new(Kind::Usage, "invalid time of a CRL"))
        });
        write(&cmc::GetCrl {
            issuer_name: any(self.issuer.clone()),
            crl_name: wire_name(self.crl_name.as_ref())?,
            time: time.transpose()?.map(|time| time.fixed_offset()),
            reasons: self.reasons.as_ref().map(|bits| bits.iter().collect::<BitString>()),
        })
    }
}

impl TrustAnchors {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<TrustAnchors>> {
        let read: cmc::PublishTrustAnchors = decode(name, der)?;
        Ok(Box::new(TrustAnchors {
            sequence_number: Number::of(&read.seq_number),
            hash_algorithm: Algorithm::of(&read.hash_algorithm),
            hashes: octets(&read.anchor_hashes),
        }))
    }

    pub(super) fn encode(&self) -> Result<Der> {
        write(&cmc::PublishTrustAnchors {
            seq_number: self.sequence_number.wire(),
            hash_algorithm: self.hash_algorithm.wire()?,
            anchor_hashes: wire_octets(&self.hashes),
        })
    }
}

impl Publication {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<Publication>> {
        let read: cmc::CmcPublicationInfo = decode(name, der)?;
        let place = |place: cmc::SinglePubInfo| {
            let method = Number::of(&place.pub_method);
            Ok(PublicationPlace { method, location: general_name(place.pub_location)? })
        };
        let places = read.pub_info.pub_infos.unwrap_or_default();
        Ok(Box::new(Publication {
            hash_algorithm: Algorithm::of(&read.hash_alg),
            hashes: octets(&read.cert_hashes),
            action: Number::of(&read.pub_info.action),
            places: places.into_iter().map(place).collect::<Result<_>>()?,
        }))
    }

    pub(super) fn encode(&self) -> Result<Der> {
        let place = |place: &PublicationPlace| {
            let pub_location = wire_name(place.location.as_ref())?;
            Ok(cmc::SinglePubInfo { pub_method: place.method.wire(), pub_location })
        };
        let places: Vec<_> = self.places.iter().map(place).collect::<Result<_>>()?;
        write(&cmc::CmcPublicationInfo {
            hash_alg: self.hash_algorithm.wire()?,
            cert_hashes: wire_octets(&self.hashes),
            pub_info: cmc::PkiPublicationInfo {
                action: self.action.wire(),
                pub_infos: (!places.is_empty()).then_some(places),
            },
        })
    }
}

impl ModCertTemplate {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<ModCertTemplate>> {
        let read: cmc::ModCertTemplate = decode(name, der)?;
        Ok(Box::new(ModCertTemplate {
            pki_data: numbers(&read.pki_data_reference),
            requests: numbers(&read.cert_references),
            replace: read.replace,
            template: encode("a CertTemplate", &read.cert_template)?,
        }))
    }

    pub(super) fn encode(&self) -> Result<Der> {
        write(&cmc::ModCertTemplate {
            pki_data_reference: wire_numbers(&self.pki_data),
            cert_references: wire_numbers(&self.requests),
            replace: self.replace,
            cert_template: decode::<CertTemplate>("the CertTemplate", &self.template)?,
        })
    }
}

impl AddExtensions {
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<AddExtensions>> {
        let read: cmc::AddExtensions = decode(name, der)?;
        Ok(Box::new(AddExtensions {
            pki_data: Number::of(&read.pki_data_reference),
            requests: numbers(&read.cert_references),
            extensions: read.extensions.iter().map(Extension::of).collect(),
        }))
    }

    pub(super) fn encode(&self) -> Result<Der> {
        write(&cmc::AddExtensions {
            pki_data_reference: self.pki_data.wire(),
            cert_references: wire_numbers(&self.requests),
            extensions: self.extensions.iter().map(Extension::wire).collect(),
        })
    }
}

impl ChangeSubjectName {
    /// Decodes by what is in the two sequences: a Name consists of SETs, and GeneralNames of
    /// elements with context tags. The fields have no tags of their own.
    pub(super) fn decode(name: &str, der: &[u8]) -> Result<Box<ChangeSubjectName>> {
        let parts: Vec<Any> = decode(name, der)?;
        let mut change = ChangeSubjectName { subject: None, alternative_names: None };
        for part in &parts {
            let der = part.as_bytes();
            match split_tlv(der) {
                Some((0x30, [] | [0x31, ..], _))
                    if change.subject.is_none() && change.alternative_names.is_none() =>
                {
                    change.subject = Some(der.to_vec());
                }
                Some((0x30, [0x80..=0xff, ..], _)) if change.alternative_names.is_none() => {
                    decode::<Vec<GeneralName>>(name, der)?;
                    change.alternative_names = Some(der.to_vec());
                }
                _ => return Err(invalid(name, "it has neither a Name nor GeneralNames")),
            }
        }
        match parts.is_empty() {
            true => Err(invalid(name, "it has no name")),
            false => Ok(Box::new(change)),
        }
    }

    pub(super) fn encode(&self) -> Result<Der> {
        let parts = [self.subject.as_deref(), self.alternative_names.as_deref()];
        let parts: Vec<&[u8]> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => Err(Error::new(Kind::Usage, "changeSubjectName has no name")),
            false => Ok(Zeroizing::new(tlv(0x30, &parts.concat()))),
        }
    }
}
