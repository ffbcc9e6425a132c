//! What is shown, as a tree with two forms: for people and as JSON.

use rasn::types::{Integer, ObjectIdentifier, Oid};
use serde_json::{Map, Value, json};

use crate::asn1::{decode, number_text, oid, split_tlv};
use crate::keyid::to_hex;
use crate::text::printable;

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Not there: `null`; not shown to people.
    Null,
    /// Yes or no.
    Flag(bool),
    /// Text, printable.
    Text(String),
    /// Several of a kind.
    List(Vec<Item>),
    /// Named parts, in order; names are `lower_snake`.
    Fields(Vec<(&'static str, Item)>),
    /// A short text for people where JSON has parts.
    Short(String, Value),
}

impl Item {
    /// Text from outside, made printable.
    pub fn text(text: &str) -> Item {
        Item::Text(printable(text).into_owned())
    }

    /// Octets in lower-case hexadecimal.
    pub fn hex(octets: &[u8]) -> Item {
        Item::Text(to_hex(octets))
    }

    /// Octets of which some are text: both, where all of them can be read.
    pub fn octets(octets: &[u8]) -> Item {
        let hex = to_hex(octets);
        let readable = |b: &u8| b.is_ascii_graphic() || b" \r\n".contains(b);
        let text = std::str::from_utf8(octets).ok().map(str::trim_end);
        let text = text.filter(|t| !t.is_empty() && octets.iter().all(readable));
        let shown = match text {
            Some(text) => format!("{hex} ({:?})", printable(text)),
            None => hex.clone(),
        };
        Item::Short(shown, json!({ "hex": hex, "text": text }))
    }

    /// An INTEGER: decimal and hexadecimal.
    pub fn number(n: &Integer) -> Item {
        let big = num_bigint::BigInt::from(n.clone());
        let hex = format!("{big:#x}");
        // Decimal takes time that grows with the square of the length.
        let dec = (big.bits() <= 320).then(|| big.to_string());
        let shown = dec.as_ref().map_or(hex.clone(), |dec| format!("{dec} ({hex})"));
        Item::Short(shown, json!({ "dec": dec, "hex": hex }))
    }

    /// Octets read as an unsigned number: Dogtag's request ids.
    pub fn request_id(octets: &[u8]) -> Item {
        Item::number(&crate::asn1::unsigned(octets))
    }

    /// A small number that identifies, such as a body part id.
    pub fn id(n: &Integer) -> Item {
        Item::Text(number_text(n))
    }

    /// An object identifier with its name, if it has one here.
    pub fn oid(id: &Oid) -> Item {
        let dotted = oid::dotted(id);
        match oid::name(id) {
            Some(name) => {
                Item::Short(format!("{name} ({dotted})"), json!({ "name": name, "oid": dotted }))
            }
            None => Item::Short(dotted.clone(), json!({ "name": null, "oid": dotted })),
        }
    }

    /// An AlgorithmIdentifier.
    pub fn algorithm(algorithm: &rasn_cms::AlgorithmIdentifier) -> Item {
        let id: &ObjectIdentifier = &algorithm.algorithm;
        let dotted = oid::dotted(id);
        let name = oid::name(id);
        let der = algorithm.parameters.as_ref().map(|p| p.as_bytes());
        let parameters = match der {
            None => "absent".to_owned(),
            Some([0x05, 0x00]) => "NULL".to_owned(),
            Some(der) => parameters(id, der).unwrap_or_else(|| to_hex(der)),
        };
        let shown = match name {
            Some(name) => format!("{name}, parameters {parameters}"),
            None => format!("{dotted}, parameters {parameters}"),
        };
        Item::Short(shown, json!({ "name": name, "oid": dotted, "parameters": parameters }))
    }

    /// A DER Name; hexadecimal if it can't be read.
    pub fn name(der: &[u8]) -> Item {
        match crate::asn1::name::dn_string(der) {
            Ok(name) => Item::Text(name),
            Err(_) => Item::Text(format!("#{}", to_hex(der))),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Item::Null => Value::Null,
            Item::Flag(flag) => Value::Bool(*flag),
            Item::Text(text) => Value::String(text.clone()),
            Item::List(items) => Value::Array(items.iter().map(Item::to_json).collect()),
            Item::Fields(fields) => {
                let fields = fields.iter().map(|(name, item)| ((*name).to_owned(), item.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Item::Short(_, value) => value.clone(),
        }
    }
}

/// An algorithm's parameters in words: a curve, an initialisation vector, the digest of PSS.
fn parameters(algorithm: &Oid, der: &[u8]) -> Option<String> {
    if *algorithm == *oid::RSASSA_PSS || *algorithm == *oid::RSAES_OAEP {
        let (0x30, fields, _) = split_tlv(der)? else { return None };
        let (0xa0, digest, _) = split_tlv(fields)? else { return None };
        let digest: rasn_cms::AlgorithmIdentifier = decode("a digest algorithm", digest).ok()?;
        return oid::name(&digest.algorithm).map(str::to_owned);
    }
    match der.first()? {
        0x06 => {
            let id: ObjectIdentifier = decode("a curve", der).ok()?;
            oid::name(&id).map(str::to_owned)
        }
        0x04 => split_tlv(der).map(|(_, iv, _)| format!("IV {}", to_hex(iv))),
        _ => None,
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::text(text)
    }
}

/// Most parts shown of one list: a message can hold far more than anybody reads.
const MOST: usize = 200;

/// A list, cut after 200 parts with the number of those left out.
pub fn list<T>(all: &[T], show: impl FnMut(&T) -> Item) -> Item {
    let mut items: Vec<Item> = all.iter().take(MOST).map(show).collect();
    if let Some(left @ 1..) = all.len().checked_sub(MOST) {
        items.push(Item::Fields(vec![("left_out", Item::Text(left.to_string()))]));
    }
    Item::List(items)
}

/// The part, or that it can't be read: then its octets.
pub fn or_octets(item: crate::error::Result<Item>, der: &[u8]) -> Item {
    item.unwrap_or_else(|e| {
        Item::Fields(vec![("undecodable", Item::text(&e.to_string())), ("der", Item::hex(der))])
    })
}
