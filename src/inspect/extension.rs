//! Shows requested extensions.

use rasn::types::Oid;
use rasn_pkix::SubjectInfoAccessSyntax;

use super::item::{Item, list, or_octets};
use crate::asn1::extension::{Extension, Value, general_name as general_name_of};
use crate::asn1::summary::general_name;
use crate::asn1::{decode, encode, oid};
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
    if extension.is(oid::PE_SUBJECT_INFO_ACCESS) || extension.is(oid::PE_AUTHORITY_INFO_ACCESS) {
        let all: SubjectInfoAccessSyntax = decode("the access descriptions", &extension.value)?;
        return Ok(list(&all, |one| {
            let place = encode("a GeneralName", &one.access_location).unwrap_or_default();
            Item::Fields(vec![
                ("method", Item::oid(&one.access_method)),
                ("location", Item::text(&general_name(&general_name_of(&place)))),
            ])
        }));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::tlv;

    #[test]
    fn the_place_of_a_cmc_service_is_shown_by_name() {
        let method = encode("x", &oid::parse("1.3.6.1.5.5.7.48.12").unwrap()).unwrap();
        let place = tlv(0x86, b"http://ca.test/cmc");
        let value = tlv(0x30, &tlv(0x30, &[method, place].concat()));
        let shown = |value: Vec<u8>| {
            format!("{:?}", show(&Extension::new(oid::PE_SUBJECT_INFO_ACCESS, false, value)))
        };
        let text = shown(value.clone());
        assert!(text.contains("\"cmc\"") && text.contains("http://ca.test/cmc"), "{text}");
        assert!(shown(value[1..].to_vec()).contains("undecodable"));
    }

    #[test]
    fn the_purposes_of_cmc_servers_have_names() {
        let ids = [27, 28, 29].map(|n| oid::parse(&format!("1.3.6.1.5.5.7.3.{n}")).unwrap());
        let value = encode("x", &ids.to_vec()).unwrap();
        let text = format!("{:?}", show(&Extension::new(oid::CE_EXT_KEY_USAGE, false, value)));
        for name in ["cmcCA", "cmcRA", "cmcArchive"] {
            assert!(text.contains(name), "{text}");
        }
    }
}
