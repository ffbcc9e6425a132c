//! Shows requested extensions.

use rasn::types::Oid;

use super::item::{Item, or_octets};
use crate::asn1::extension::{Extension, Value};
use crate::asn1::oid;
use crate::asn1::summary::general_name;
use crate::error::Result;
use crate::keyid::to_hex;

/// Shows type, criticality and value.
pub(crate) fn show(extension: &Extension) -> Item {
    Item::Fields(vec![
        ("type", Item::dotted(&extension.id())),
        ("critical", Item::Flag(extension.critical)),
        ("value", or_octets(value(extension), &extension.value)),
    ])
}

/// Returns the key identifier of a subjectKeyIdentifier extension. CRMFPopClient leaves out the
/// OCTET STRING around it, and Dogtag accepts that.
pub(crate) fn key_identifier(extension: &Extension) -> Vec<u8> {
    match extension.decode() {
        Ok(Value::SubjectKeyIdentifier(id)) => id,
        _ => extension.value.clone(),
    }
}

/// Those with a form of their own; others are shown as octets, whatever is in them.
const FORMS: &[&Oid] = &[
    oid::CE_SUBJECT_ALT_NAME,
    oid::CE_KEY_USAGE,
    oid::CE_EXT_KEY_USAGE,
    oid::CE_BASIC_CONSTRAINTS,
];

fn value(extension: &Extension) -> Result<Item> {
    let texts = |texts: Vec<String>| Item::List(texts.into_iter().map(Item::Text).collect());
    let decoded = match extension.decode() {
        Err(_) if extension.is(oid::CE_SUBJECT_KEY_IDENTIFIER) => {
            let hex = to_hex(&extension.value);
            let text = format!("{hex} (without OCTET STRING, as CRMFPopClient writes it)");
            return Ok(Item::Short(text, Box::new(Item::Text(hex))));
        }
        Err(_) if !FORMS.iter().any(|id| extension.is(id)) => Value::Other,
        decoded => decoded?,
    };
    Ok(match decoded {
        Value::SubjectAltName(names) => texts(names.iter().map(general_name).collect()),
        Value::SubjectKeyIdentifier(id) => Item::hex(&id),
        Value::KeyUsage(usages) => texts(usages.iter().map(|u| u.name().to_owned()).collect()),
        Value::ExtKeyUsage(purposes) => {
            let name = |id: String| oid::name_of(&id).map_or(id, str::to_owned);
            texts(purposes.into_iter().map(name).collect())
        }
        Value::BasicConstraints(constraints) => {
            let length = constraints.path_length.map_or(Item::Null, |n| Item::id(&n.into()));
            Item::Fields(vec![("ca", Item::Flag(constraints.ca)), ("path_length", length)])
        }
        Value::IssuerAltName(_)
        | Value::CrlDistributionPoints(_)
        | Value::CertificatePolicies(_)
        | Value::AuthorityKeyIdentifier(_)
        | Value::Other => Item::Fields(vec![("der", Item::hex(&extension.value))]),
    })
}
