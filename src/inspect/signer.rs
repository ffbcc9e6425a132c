//! Shows signers and certificates of a SignedData, and warns of what Dogtag would refuse in them.

use rasn::types::SetOf;
use rasn_cms::Attribute;

use super::item::{Item, list};
use super::{control, nested};
use crate::asn1::certificate::{self, Algorithm};
use crate::asn1::cms::{SignedData, SignerIdentifier, SignerInfo};
use crate::asn1::summary::summary;
use crate::asn1::{Number, canonical, decode, encode, oid};
use crate::cmc::response::certificates_of;

/// Shows the certificates.
pub(crate) fn certificates(all: &[Vec<u8>]) -> Item {
    list(all, |der| certificate(der))
}

/// Shows the main fields of a certificate; for programs also the whole as PEM.
pub(crate) fn certificate(der: &[u8]) -> Item {
    let pem = || Item::Text(crate::asn1::pem::encode("CERTIFICATE", der));
    match summary(der) {
        Ok(summary) => {
            let text = format!(
                "{}, serial {}, issuer {}, valid until {}",
                summary.subject,
                summary.serial_hex(),
                summary.issuer,
                summary.until()
            );
            let number = Number::unsigned(&summary.serial);
            let dec = number.decimal().map_or(Item::Null, Item::Text);
            let parts = vec![
                ("pem", pem()),
                ("subject", Item::Text(summary.subject)),
                ("issuer", Item::Text(summary.issuer)),
                ("serial", Item::Fields(vec![("hex", Item::Text(number.hex())), ("dec", dec)])),
                ("not_before", control::time(summary.not_before.timestamp())),
                ("not_after", control::time(summary.not_after.timestamp())),
                ("sans", Item::List(summary.sans.into_iter().map(Item::Text).collect())),
            ];
            Item::short(text, parts)
        }
        Err(e) => {
            let text = e.to_string();
            Item::short(text.clone(), vec![("undecodable", Item::Text(text)), ("pem", pem())])
        }
    }
}

/// Shows the SignerInfos (RFC 5652 §5.3).
pub(crate) fn signers(signed: &SignedData) -> Item {
    let all = signed.signer_infos.to_vec();
    list(&all, |signer| {
        let sid = match &signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(id) => Item::Fields(vec![
                ("issuer", Item::name(id.issuer.as_bytes())),
                ("serial", Item::number(&Number::of(&id.serial_number))),
            ]),
            SignerIdentifier::SubjectKeyIdentifier(id) => {
                Item::Fields(vec![("subject_key_identifier", Item::hex(id))])
            }
        };
        let attributes = |all: &Option<SetOf<Attribute>>| {
            all.as_ref().map_or(Item::Null, |all| list(&all.to_vec(), |a| attribute(a)))
        };
        Item::Fields(vec![
            ("sid", sid),
            ("digest_algorithm", Item::algorithm(&Algorithm::of(&signer.digest_algorithm))),
            ("signature_algorithm", Item::algorithm(&Algorithm::of(&signer.signature_algorithm))),
            ("signed_attributes", attributes(&signer.signed_attrs)),
            ("unsigned_attributes", attributes(&signer.unsigned_attrs)),
            ("certificate_included", Item::Flag(included(signed, signer))),
        ])
    })
}

fn attribute(attribute: &Attribute) -> Item {
    let id = &attribute.r#type;
    let values = attribute.values.to_vec();
    let values = match **id == *oid::CMC_UNSIGNED_DATA {
        true => list(&values, |v| nested::unsigned_data(v.as_bytes())),
        false => list(&values, |v| attribute_value(v.as_bytes())),
    };
    Item::Fields(vec![("type", Item::oid(id)), ("values", values)])
}

/// Shows an attribute's value by its ASN.1 type.
fn attribute_value(der: &[u8]) -> Item {
    match crate::asn1::split_tlv(der) {
        Some((0x06, ..)) => {
            let id = decode::<rasn::types::ObjectIdentifier>("an identifier", der);
            id.map_or_else(|_| Item::hex(der), |id| Item::oid(&id))
        }
        Some((0x04, octets, [])) => Item::hex(octets),
        Some((0x17, ..)) => decode::<rasn::types::UtcTime>("a time", der)
            .map_or_else(|_| Item::hex(der), |t| control::time(t.timestamp())),
        _ => Item::hex(der),
    }
}

/// Returns whether the message contains the signer's certificate, with the issuer name equal octet
/// for octet.
pub(crate) fn included(signed: &SignedData, signer: &SignerInfo) -> bool {
    certificates_of(signed).iter().any(|der| is_of(signer, der))
}

/// Returns whether a signer is named by issuer and serial number, and this is its certificate.
pub(crate) fn is_of(signer: &SignerInfo, der: &[u8]) -> bool {
    let SignerIdentifier::IssuerAndSerialNumber(id) = &signer.sid else { return false };
    let Ok(serial) = encode("a serial number", &id.serial_number) else { return false };
    certificate::fields(der).is_ok_and(|f| {
        f.issuer == id.issuer.as_bytes() && crate::asn1::tlv(0x02, f.serial) == serial
    })
}

/// Warns of what Dogtag would refuse in a request's signature, without verifying it. `key_ids` are
/// the subjectKeyIdentifiers of the requests inside.
pub(crate) fn check(signed: &SignedData, key_ids: &[Vec<u8>], warnings: &mut Vec<String>) {
    let all = signed.signer_infos.to_vec();
    if all.is_empty() {
        warnings.push("the request has no signer: Dogtag refuses it".into());
    }
    if all.len() > 1 {
        warnings.push("several signers: Dogtag checks only the first".into());
    }
    for signer in all {
        check_one(signed, signer, key_ids, warnings);
    }
}

fn check_one(
    signed: &SignedData,
    signer: &SignerInfo,
    key_ids: &[Vec<u8>],
    warnings: &mut Vec<String>,
) {
    let mut warn = |text: &str| warnings.push(text.to_owned());
    let digest = &signer.digest_algorithm.algorithm;
    let signature = &signer.signature_algorithm.algorithm;
    let name = oid::name(signature).unwrap_or_default();
    let rsa = name.ends_with("RSAEncryption") || name == "rsaEncryption";
    if rsa && signer.digest_algorithm.parameters.is_none() {
        warn(
            "the signer's digest algorithm has no parameters: for RSA, Dogtag requires NULL (\"Invalid Credential.\")",
        );
    }
    if **digest == *oid::SHA1 || **digest == *oid::SHA224 {
        warn("the signer's digest is too weak or unknown for Dogtag: use SHA-256, 384 or 512");
    }
    if **signature == *oid::RSASSA_PSS && **digest != *oid::SHA512 {
        warn("RSA-PSS without SHA-512: Dogtag cannot verify it");
    }
    match &signer.signed_attrs {
        None => warn("the signer has no signed attributes: Dogtag refuses the request"),
        Some(attributes) => {
            let attributes = attributes.to_vec();
            let der: Vec<Vec<u8>> =
                attributes.iter().filter_map(|a| encode("an attribute", *a).ok()).collect();
            let der: Vec<&[u8]> = der.iter().map(Vec::as_slice).collect();
            if !canonical::sorted(&der) {
                warn(
                    "the signed attributes are not sorted as DER requires: Dogtag refuses the request",
                );
            }
            for needed in [oid::ID_CONTENT_TYPE, oid::ID_MESSAGE_DIGEST] {
                if !attributes.iter().any(|a| *a.r#type == *needed) {
                    let name = oid::name(needed).unwrap_or_default();
                    warn(&format!("the signed attribute {name} is missing"));
                }
            }
        }
    }
    match &signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(_) if !included(signed, signer) => {
            warn("the signer's certificate is not in the message: Dogtag refuses the request");
        }
        SignerIdentifier::SubjectKeyIdentifier(id)
            if !key_ids.iter().any(|k| k.as_slice() == &id[..]) =>
        {
            warn(
                "the signer's key identifier does not match the subjectKeyIdentifier extension of the \
                 request: Dogtag refuses the request",
            );
        }
        _ => {}
    }
}
