//! DER by elements: reads with der's strict reader, writes with its encoder.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Header, Reader, SliceReader, Tag, TagNumber};

/// Why a message is refused, for the log.
pub type Refused = String;

/// One element: its tag, its content, and its whole DER.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    pub tag: Tag,
    pub content: &'a [u8],
    pub whole: &'a [u8],
}

/// Splits concatenated elements.
pub fn elements(bytes: &[u8]) -> Result<Vec<Element<'_>>, Refused> {
    let mut reader = SliceReader::new(bytes).map_err(text)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(next(&mut reader, bytes)?);
    }
    Ok(found)
}

/// Returns the first element; the rest is not read.
pub fn first(bytes: &[u8]) -> Result<Element<'_>, Refused> {
    next(&mut SliceReader::new(bytes).map_err(text)?, bytes)
}

fn next<'a>(reader: &mut SliceReader<'a>, bytes: &'a [u8]) -> Result<Element<'a>, Refused> {
    let start = usize::try_from(reader.position()).map_err(text)?;
    let header = Header::decode(reader).map_err(text)?;
    let content = reader.read_slice(header.length).map_err(text)?;
    let end = usize::try_from(reader.position()).map_err(text)?;
    let whole = bytes.get(start..end).ok_or("element out of range")?;
    Ok(Element { tag: header.tag, content, whole })
}

fn text(e: impl std::fmt::Display) -> Refused {
    e.to_string()
}

/// Returns the only element of `bytes`.
pub fn one(bytes: &[u8]) -> Result<Element<'_>, Refused> {
    match elements(bytes)?[..] {
        [element] => Ok(element),
        _ => Err("not exactly one element".into()),
    }
}

impl<'a> Element<'a> {
    /// Returns the inner elements, if the tag is `tag`.
    pub fn within(&self, tag: Tag) -> Result<Vec<Element<'a>>, Refused> {
        elements(self.content_of(tag)?)
    }

    /// Returns the content, if the tag is `tag`.
    pub fn content_of(&self, tag: Tag) -> Result<&'a [u8], Refused> {
        if self.tag == tag {
            Ok(self.content)
        } else {
            Err(format!("{} where {tag} was expected", self.tag))
        }
    }

    /// Returns the value of an OBJECT IDENTIFIER.
    pub fn oid(&self) -> Result<ObjectIdentifier, Refused> {
        ObjectIdentifier::from_der(self.whole).map_err(text)
    }

    /// Returns the octets of a BIT STRING without unused bits.
    pub fn bits(&self) -> Result<&'a [u8], Refused> {
        match self.content_of(Tag::BitString)?.split_first() {
            Some((0, bits)) => Ok(bits),
            _ => Err("a BIT STRING with unused bits".into()),
        }
    }
}

/// Returns the context-specific tag `[n]`, constructed.
pub fn context(n: u8) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber::new(n) }
}

/// Returns the context-specific tag `[n]`, primitive.
pub fn context_primitive(n: u8) -> Tag {
    Tag::ContextSpecific { constructed: false, number: TagNumber::new(n) }
}

/// Returns one element.
pub fn tlv(tag: Tag, content: &[u8]) -> Vec<u8> {
    // der refuses only lengths over 256 MiB here.
    AnyRef::new(tag, content).and_then(|a| a.to_der()).unwrap_or_default()
}

/// Returns a SEQUENCE of the concatenated parts.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(Tag::Sequence, &parts.concat())
}

/// Returns a SET OF in DER order.
pub fn set(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    tlv(Tag::Set, &parts.concat())
}

/// Returns an OBJECT IDENTIFIER.
pub fn oid(id: &ObjectIdentifier) -> Vec<u8> {
    id.to_der().unwrap_or_default()
}

/// Returns an INTEGER from unsigned octets.
pub fn integer(octets: &[u8]) -> Vec<u8> {
    der::asn1::UintRef::new(octets).and_then(|n| n.to_der()).unwrap_or_default()
}

/// NULL.
pub const NULL: &[u8] = &[5, 0];

/// Returns an OCTET STRING.
pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(Tag::OctetString, content)
}
