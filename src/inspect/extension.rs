//! Shows requested extensions.

use rasn::types::OctetString;
use rasn_pkix::{BasicConstraints, Extension};

use super::item::{Item, or_octets};
use crate::asn1::{decode, key_usage, oid};
use crate::error::Result;

/// Shows type, criticality and value.
pub(crate) fn show(extension: &Extension) -> Item {
    let der = &extension.extn_value;
    Item::Fields(vec![
        ("type", Item::oid(&extension.extn_id)),
        ("critical", Item::Flag(extension.critical)),
        ("value", or_octets(value(extension), der)),
    ])
}

/// Returns the key identifier of a subjectKeyIdentifier extension. CRMFPopClient leaves out the
/// OCTET STRING around it, and Dogtag accepts that.
pub(crate) fn key_identifier(value: &[u8]) -> Vec<u8> {
    let id = decode::<OctetString>("a key identifier", value);
    id.map_or_else(|_| value.to_vec(), |id| id.to_vec())
}

fn value(extension: &Extension) -> Result<Item> {
    let id = &extension.extn_id;
    let der = &extension.extn_value;
    let texts = |texts: Vec<String>| Item::List(texts.into_iter().map(Item::Text).collect());
    Ok(if **id == *oid::CE_SUBJECT_ALT_NAME {
        texts(crate::asn1::summary::alternative_names(der)?)
    } else if **id == *oid::CE_SUBJECT_KEY_IDENTIFIER {
        match decode::<OctetString>("a key identifier", der) {
            Ok(id) => Item::hex(&id),
            Err(_) => {
                let hex = crate::keyid::to_hex(der);
                let text = format!("{hex} (without OCTET STRING, as CRMFPopClient writes it)");
                Item::Short(text, Box::new(Item::Text(hex)))
            }
        }
    } else if **id == *oid::CE_KEY_USAGE {
        let usages = key_usage::usages("a key usage", der)?;
        texts(usages.iter().map(|usage| usage.name().to_owned()).collect())
    } else if **id == *oid::CE_EXT_KEY_USAGE {
        let purposes = key_usage::purposes("an extended key usage", der)?;
        texts(purposes.iter().map(|p| oid::text(p)).collect())
    } else if **id == *oid::CE_BASIC_CONSTRAINTS {
        let constraints: BasicConstraints = decode("basic constraints", der)?;
        let length = constraints.path_len_constraint.map_or(Item::Null, |n| Item::id(&n.into()));
        Item::Fields(vec![("ca", Item::Flag(constraints.ca)), ("path_length", length)])
    } else {
        Item::Fields(vec![("der", Item::hex(der))])
    })
}
