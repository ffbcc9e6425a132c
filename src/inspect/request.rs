//! Shows certificate requests: PKCS #10 (RFC 2986) and CRMF (RFC 4211). Decoding is lenient: people
//! inspect requests that can't be sent.

use rasn_cms::{AlgorithmIdentifier, Attribute};
use rasn_pkix::SubjectPublicKeyInfo;

use super::control::{self, enveloped};
use super::extension;
use super::item::{Item, list, or_octets};
use crate::asn1::certificate::Algorithm;
use crate::asn1::cmc::{OtherReqMsg, TaggedCertificationRequest, TaggedRequest};
use crate::asn1::crmf::{
    AttributeTypeAndValue, CertReqMsg, CertRequest, CertTemplate, EncryptedValue, ProofOfPossession,
};
use crate::asn1::extension::Extension;
use crate::asn1::x509::CertificationRequest;
use crate::asn1::{Number, canonical, decode, oid, split_tlv};
use crate::error::{Error, Kind, Result};

/// Shows a TaggedRequest (RFC 5272 §3.2.1.2).
pub(crate) fn tagged(der: &[u8], warnings: &mut Vec<String>) -> Item {
    or_octets(try_tagged(der, warnings), der)
}

fn try_tagged(der: &[u8], warnings: &mut Vec<String>) -> Result<Item> {
    match decode("the TaggedRequest", der)? {
        TaggedRequest::Tcr(TaggedCertificationRequest { body_part_id, certification_request }) => {
            let mut fields = vec![("body_part_id", Item::id(&Number::of(&body_part_id)))];
            fields.extend(pkcs10(certification_request.as_bytes(), warnings)?);
            Ok(Item::Fields(fields))
        }
        TaggedRequest::Crm(message) => Ok(Item::Fields(crmf(&message, warnings)?)),
        TaggedRequest::Orm(OtherReqMsg { body_part_id, request_message_type, .. }) => {
            warnings.push("a request that is not PKCS #10 or CRMF: Dogtag refuses it".into());
            Ok(Item::Fields(vec![
                ("body_part_id", Item::id(&Number::of(&body_part_id))),
                ("format", "other".into()),
                ("type", Item::oid(&request_message_type)),
            ]))
        }
    }
}

/// Shows a PKCS #10 request (RFC 2986 §4.2).
///
/// # Errors
/// [`Kind::Input`] when it isn't one.
pub(crate) fn pkcs10(der: &[u8], warnings: &mut Vec<String>) -> Result<Vec<(&'static str, Item)>> {
    let request: CertificationRequest = decode("the PKCS #10 request", der)?;
    let info = || {
        let (0x30, at, _) = split_tlv(request.info.as_bytes())? else { return None };
        let children = canonical::children(at)?;
        let [[0x02, ..], subject @ [0x30, ..], key @ [0x30, ..], rest @ ..] = children.as_slice()
        else {
            return None;
        };
        let attributes = rest.iter().find(|e| e.first() == Some(&0xa0)).copied();
        Some((*subject, *key, attributes))
    };
    let Some((subject, key, attributes)) = info() else {
        return Err(Error::new(Kind::Input, "cannot decode the PKCS #10 request info"));
    };
    let content = attributes.and_then(split_tlv).map(|(_, content, _)| content);
    match content.and_then(canonical::children) {
        None => warnings.push(
            "the PKCS #10 request has no attributes field (at least A0 00): Dogtag refuses it"
                .into(),
        ),
        Some(attributes) if !canonical::sorted(&attributes) => warnings.push(
            "the attributes of the PKCS #10 request are not sorted: Dogtag encodes them again, and then the signature is invalid"
                .into(),
        ),
        Some(_) => {}
    }
    let elements = content.and_then(canonical::children).unwrap_or_default();
    let mut extensions = Vec::new();
    let attributes = list(&elements, |der| attribute(der, &mut extensions, warnings));
    Ok(vec![
        ("format", "PKCS #10".into()),
        ("subject", Item::name(subject)),
        ("key", public_key(key)),
        ("extensions", list(&extensions, extension::show)),
        ("attributes", attributes),
        ("signature_algorithm", Item::algorithm(&Algorithm::of(&request.signature_algorithm))),
    ])
}

/// Shows an attribute of a PKCS #10 request; requested extensions are added to `extensions`.
fn attribute(der: &[u8], extensions: &mut Vec<Extension>, warnings: &mut Vec<String>) -> Item {
    let attribute: Attribute = match decode("an attribute", der) {
        Ok(attribute) => attribute,
        Err(e) => return or_octets(Err(e), der),
    };
    let values = attribute.values.to_vec();
    let id = &attribute.r#type;
    let values = if **id == *oid::EXTENSION_REQUEST {
        for value in &values {
            match decode::<Vec<rasn_pkix::Extension>>("the extensions", value.as_bytes()) {
                Ok(wanted) => extensions.extend(wanted.iter().map(Extension::of)),
                Err(e) => warnings.push(format!("{e}: Dogtag refuses the request")),
            }
        }
        Item::Null
    } else if **id == *oid::CHALLENGE_PASSWORD {
        "present, not shown".into()
    } else {
        list(&values, |v| control::value(id, v.as_bytes(), warnings))
    };
    Item::Fields(vec![("type", Item::oid(id)), ("values", values)])
}

/// Shows a CertReqMsg (RFC 4211 §3).
///
/// # Errors
/// [`Kind::Input`] when its CertRequest can't be decoded.
pub(crate) fn crmf(
    message: &CertReqMsg,
    warnings: &mut Vec<String>,
) -> Result<Vec<(&'static str, Item)>> {
    let request: CertRequest = decode("the CertRequest", message.cert_req.as_bytes())?;
    if request.cert_template.public_key.is_none() {
        warnings.push("the CRMF request has no public key: Dogtag refuses it".into());
    }
    let controls = request.controls.unwrap_or_default();
    let reg_info = message.reg_info.clone().unwrap_or_default();
    if !reg_info.is_empty() {
        warnings.push("the CRMF request has regInfo, which RFC 5272 §3.2.1.2.2 forbids".into());
    }
    let mut fields = vec![
        ("body_part_id", Item::id(&Number::of(&request.cert_req_id))),
        ("format", "CRMF".into()),
    ];
    fields.extend(template(&request.cert_template)?);
    fields.extend([
        ("controls", list(&controls, |c| control(c, warnings))),
        ("reg_info", list(&reg_info, |c| Item::oid(&c.r#type))),
        ("pop", possession(message.popo.as_ref(), warnings)),
    ]);
    Ok(fields)
}

/// Shows a CertTemplate (RFC 4211 §5).
///
/// # Errors
/// [`Kind::Internal`] only.
pub(crate) fn template(template: &CertTemplate) -> Result<Vec<(&'static str, Item)>> {
    let key = match &template.public_key {
        Some(key) => public_key(&crate::asn1::encode("a public key", key)?),
        None => Item::Null,
    };
    let validity = template.validity.as_ref().map_or(Item::Null, |v| {
        let moment = |t: &Option<rasn_pkix::Time>| match t {
            None => Item::Null,
            Some(rasn_pkix::Time::Utc(t)) => control::time(t.timestamp()),
            Some(rasn_pkix::Time::General(t)) => control::time(t.timestamp()),
        };
        Item::Fields(vec![
            ("not_before", moment(&v.not_before)),
            ("not_after", moment(&v.not_after)),
        ])
    });
    let of_name =
        |n: &Option<rasn::types::Any>| n.as_ref().map_or(Item::Null, |n| Item::name(n.as_bytes()));
    let of_number = |n: &Option<rasn::types::Integer>| {
        n.as_ref().map_or(Item::Null, |n| Item::number(&Number::of(n)))
    };
    let extensions: Vec<_> = template.extensions.iter().flatten().map(Extension::of).collect();
    Ok(vec![
        ("subject", of_name(&template.subject)),
        ("key", key),
        ("extensions", list(&extensions, extension::show)),
        ("issuer", of_name(&template.issuer)),
        ("serial", of_number(&template.serial_number)),
        ("validity", validity),
    ])
}

/// Shows a control of CRMF (RFC 4211 §6).
fn control(control: &AttributeTypeAndValue, warnings: &mut Vec<String>) -> Item {
    let id = &control.r#type;
    let der = control.value.as_bytes();
    let value = if **id == *oid::REG_CTRL_PKI_ARCHIVE_OPTIONS {
        archive_options(der)
    } else if **id == *oid::REG_CTRL_REG_TOKEN || **id == *oid::REG_CTRL_AUTHENTICATOR {
        "present, not shown".into()
    } else {
        control::value(id, der, warnings)
    };
    Item::Fields(vec![("type", Item::oid(id)), ("value", value)])
}

/// Shows PKIArchiveOptions (RFC 4211 §6.4): how the private key is wrapped for the KRA.
fn archive_options(der: &[u8]) -> Item {
    let encrypted = match split_tlv(der) {
        Some((0xa0, encrypted, _)) => encrypted,
        Some((0xa1 | 0x81, ..)) => return Item::Fields(vec![("kind", "keyGenParameters".into())]),
        Some((0x82, [flag], _)) => {
            let wanted = Item::Flag(*flag != 0);
            return Item::Fields(vec![("kind", "archiveRemGenPrivKey".into()), ("value", wanted)]);
        }
        _ => return Item::Fields(vec![("undecodable", Item::hex(der))]),
    };
    // [0] EnvelopedData in EncryptedKey is IMPLICIT: its tag replaces the SEQUENCE tag.
    if let Some((0xa0, content, _)) = split_tlv(encrypted) {
        let data = crate::asn1::tlv(0x30, content);
        let shown = decode("the EnvelopedData", &data).map(|data| enveloped(&data));
        return Item::Fields(vec![
            ("kind", "envelopedData".into()),
            ("value", or_octets(shown, encrypted)),
        ]);
    }
    let shown = decode("the EncryptedValue", encrypted).map(|value: EncryptedValue| {
        let algorithm = |a: &Option<AlgorithmIdentifier>| {
            a.as_ref().map_or(Item::Null, |a| Item::algorithm(&Algorithm::of(a)))
        };
        let octets = |bits: usize| Item::Text((bits / 8).to_string());
        let key = value.enc_symm_key.as_ref().map_or(0, |k| k.len());
        Item::Fields(vec![
            ("symmetric_algorithm", algorithm(&value.symm_alg)),
            ("key_algorithm", algorithm(&value.key_alg)),
            ("wrapped_session_key_octets", octets(key)),
            ("wrapped_private_key_octets", octets(value.enc_value.len())),
        ])
    });
    Item::Fields(vec![("kind", "encryptedValue".into()), ("value", or_octets(shown, encrypted))])
}

/// Shows ProofOfPossession (RFC 4211 §4).
fn possession(pop: Option<&ProofOfPossession>, warnings: &mut Vec<String>) -> Item {
    let refused = |kind: &'static str, warnings: &mut Vec<String>| {
        warnings.push(format!("proof of possession by {kind}: Dogtag refuses it (popFailed)"));
        Item::Fields(vec![("kind", kind.into())])
    };
    match pop {
        None => Item::Fields(vec![("kind", "none (the CA responds with a challenge)".into())]),
        Some(ProofOfPossession::RaVerified(())) => refused("raVerified", warnings),
        Some(ProofOfPossession::Signature(key)) => Item::Fields(vec![
            ("kind", "signature".into()),
            ("algorithm", Item::algorithm(&Algorithm::of(&key.algorithm_identifier))),
        ]),
        Some(ProofOfPossession::KeyEncipherment(_)) => refused("keyEncipherment", warnings),
        Some(ProofOfPossession::KeyAgreement(_)) => refused("keyAgreement", warnings),
    }
}

/// Shows a SubjectPublicKeyInfo: algorithm, and size or curve.
pub(crate) fn public_key(der: &[u8]) -> Item {
    let shown = decode("a public key", der).map(|key: SubjectPublicKeyInfo| {
        let bits = key.subject_public_key.as_raw_slice();
        let size = if *key.algorithm.algorithm == *oid::RSA_ENCRYPTION {
            decode::<rasn_pkix::algorithms::RsaPublicKey>("an RSA key", bits)
                .map(|rsa| num_bigint::BigInt::from(rsa.modulus).bits())
                .map_or(Item::Null, |bits| Item::Text(bits.to_string()))
        } else {
            Item::Null
        };
        Item::Fields(vec![
            ("algorithm", Item::algorithm(&Algorithm::of(&key.algorithm))),
            ("bits", size),
        ])
    });
    or_octets(shown, der)
}
