//! The tree that shows a message: parts for programs, short texts for people.

use rasn::types::{ObjectIdentifier, Oid};

use crate::asn1::certificate::Algorithm;
use crate::asn1::{Number, decode, oid, split_tlv};
use crate::keyid::to_hex;
use crate::text::printable;

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Absent: `null` in JSON, not shown to people.
    Null,
    /// A yes or no.
    Flag(bool),
    /// Text, escaped for a terminal.
    Text(String),
    /// Several items of one kind.
    List(Vec<Item>),
    /// Named parts, in order; names are `lower_snake`.
    Fields(Vec<(&'static str, Item)>),
    /// A short text for people; the parts for programs.
    Short(String, Box<Item>),
}

impl Item {
    /// Returns text from outside, escaped for a terminal.
    pub(crate) fn text(text: &str) -> Item {
        Item::Text(printable(text).into_owned())
    }

    /// Returns octets in lower-case hexadecimal.
    pub(crate) fn hex(octets: &[u8]) -> Item {
        Item::Text(to_hex(octets))
    }

    /// Returns octets in hexadecimal, and also as text if all of them are readable.
    pub(crate) fn octets(octets: &[u8]) -> Item {
        let hex = to_hex(octets);
        let readable = |b: &u8| b.is_ascii_graphic() || b" \r\n".contains(b);
        let text = std::str::from_utf8(octets).ok().map(str::trim_end);
        let text = text.filter(|t| !t.is_empty() && octets.iter().all(readable));
        let shown = match text {
            Some(text) => format!("{hex} ({:?})", printable(text)),
            None => hex.clone(),
        };
        let text = text.map_or(Item::Null, |text| Item::Text(text.to_owned()));
        Item::short(shown, vec![("hex", Item::Text(hex)), ("text", text)])
    }

    /// Returns an INTEGER in decimal and hexadecimal.
    pub(crate) fn number(n: &Number) -> Item {
        let (dec, hex) = (n.decimal(), n.hex());
        let shown = dec.as_ref().map_or(hex.clone(), |dec| format!("{dec} ({hex})"));
        let dec = dec.map_or(Item::Null, Item::Text);
        Item::short(shown, vec![("dec", dec), ("hex", Item::Text(hex))])
    }

    /// Returns octets read as an unsigned number, as for Dogtag's request ids.
    pub(crate) fn request_id(octets: &[u8]) -> Item {
        Item::number(&Number::unsigned(octets))
    }

    /// Returns a small identifying number, such as a body part id.
    pub(crate) fn id(n: &Number) -> Item {
        Item::Text(n.to_string())
    }

    /// Returns an object identifier with its name, if it is in [`crate::asn1::oid`].
    pub(crate) fn oid(id: &Oid) -> Item {
        Item::dotted(&oid::dotted(id))
    }

    /// An object identifier in dotted form with its name, if it has one here.
    pub(crate) fn dotted(dotted: &str) -> Item {
        let name = oid::name_of(dotted);
        let dotted = dotted.to_owned();
        let shown = name.map_or_else(|| dotted.clone(), |name| format!("{name} ({dotted})"));
        Item::short(shown, vec![("name", optional(name)), ("oid", Item::Text(dotted))])
    }

    /// Returns an AlgorithmIdentifier (RFC 5280 §4.1.1.2).
    pub(crate) fn algorithm(algorithm: &Algorithm) -> Item {
        let dotted = algorithm.id.clone();
        let name = oid::name_of(&dotted);
        let parameters = match algorithm.parameters.as_slice() {
            [] => "absent".to_owned(),
            [0x05, 0x00] => "NULL".to_owned(),
            der => parameters(algorithm).unwrap_or_else(|| to_hex(der)),
        };
        let shown = match name {
            Some(name) => format!("{name}, parameters {parameters}"),
            None => format!("{dotted}, parameters {parameters}"),
        };
        let parts = vec![
            ("name", optional(name)),
            ("oid", Item::Text(dotted)),
            ("parameters", Item::Text(parameters)),
        ];
        Item::short(shown, parts)
    }

    /// Returns a DER Name as text, or in hexadecimal if it can't be decoded.
    pub(crate) fn name(der: &[u8]) -> Item {
        match crate::asn1::name::dn_string(der) {
            Ok(name) => Item::Text(name),
            Err(_) => Item::Text(format!("#{}", to_hex(der))),
        }
    }

    /// Returns a short text for people and the parts for programs.
    pub(crate) fn short(text: String, parts: Vec<(&'static str, Item)>) -> Item {
        Item::Short(text, Box::new(Item::Fields(parts)))
    }
}

fn optional(text: Option<&str>) -> Item {
    text.map_or(Item::Null, |text| Item::Text(text.to_owned()))
}

/// Returns text for an algorithm's parameters: the curve, the initialisation vector, or the digest
/// of PSS.
fn parameters(algorithm: &Algorithm) -> Option<String> {
    if algorithm.is(oid::RSASSA_PSS) || algorithm.is(oid::RSAES_OAEP) {
        return oid::name_of(&algorithm.pss_digest()?).map(str::to_owned);
    }
    let der = &algorithm.parameters;
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

/// The most parts shown of one list.
const MOST: usize = 200;

/// Returns a list; beyond 200 parts, the number of those left out.
pub(crate) fn list<T>(all: &[T], show: impl FnMut(&T) -> Item) -> Item {
    let mut items: Vec<Item> = all.iter().take(MOST).map(show).collect();
    if let Some(left @ 1..) = all.len().checked_sub(MOST) {
        items.push(Item::Fields(vec![("left_out", Item::Text(left.to_string()))]));
    }
    Item::List(items)
}

/// Returns the item, or for an error the message and the octets.
pub(crate) fn or_octets(item: crate::error::Result<Item>, der: &[u8]) -> Item {
    item.unwrap_or_else(|e| {
        Item::Fields(vec![("undecodable", Item::text(&e.to_string())), ("der", Item::hex(der))])
    })
}
