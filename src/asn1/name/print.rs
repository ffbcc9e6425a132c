//! Distinguished names: from DER to text.

use rasn_pkix::{AttributeTypeAndValue, Name, RelativeDistinguishedName};

use super::keyword;
use crate::asn1::{decode, oid, split_tlv};
use crate::error::{Error, Kind, Result};
use crate::text::{acts_on_terminal, hex, push_hex};

/// Returns the text of a DER Name: RFC 4514 order and escapes, most specific RDN first, `,` without
/// a blank, `+` within an RDN, the keywords of Dogtag's tools, and dotted object identifiers
/// otherwise.
///
/// Beyond RFC 4514, `=` and `#` are always escaped, as in JSS, and characters that a terminal
/// interprets ([`crate::text::printable`]) are written `\1B`, for each octet of their UTF-8. A
/// value that isn't a character string, or whose octets don't fit its type, is written as `#` and
/// its DER in hexadecimal. An empty name gives an empty text.
///
/// # Errors
/// [`Kind::Input`] when it isn't a Name.
pub fn dn_string(name_der: &[u8]) -> Result<String> {
    match split_tlv(name_der) {
        Some((_, _, [])) => Ok(dn(&decode("a distinguished name", name_der)?)),
        _ => Err(Error::new(Kind::Input, "cannot decode a distinguished name")),
    }
}

/// Returns the text of a DER Name that [`super::parse`] turns into the same octets: each value is
/// written as `#` and its DER in hexadecimal, so that it keeps its string type.
///
/// # Errors
/// [`Kind::Input`] when it isn't a Name.
pub(crate) fn exact_dn_string(name_der: &[u8]) -> Result<String> {
    let Name::RdnSequence(rdns) = decode("a distinguished name", name_der)?;
    let attribute = |a: &AttributeTypeAndValue| {
        format!("{}=#{}", oid::dotted(&a.r#type), hex(a.value.as_bytes()))
    };
    let rdn =
        |rdn: &RelativeDistinguishedName| rdn.iter().map(attribute).collect::<Vec<_>>().join("+");
    Ok(rdns.iter().rev().map(rdn).collect::<Vec<_>>().join(","))
}

/// Returns keyword and text of each attribute of a DER Name that has both, least specific first.
///
/// # Errors
/// [`Kind::Input`] when it isn't a Name.
pub fn name_attributes(name_der: &[u8]) -> Result<Vec<(&'static str, String)>> {
    let Name::RdnSequence(rdns) = decode("a distinguished name", name_der)?;
    let attributes = rdns.iter().flat_map(|rdn| rdn.iter());
    let pair =
        |a: &AttributeTypeAndValue| Some((keyword(&a.r#type)?, characters(a.value.as_bytes())?));
    Ok(attributes.filter_map(pair).collect())
}

/// Returns whether two DER names are equal as text, ignoring case: a CA may encode the same name
/// with other string types.
pub fn same_name(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (dn_string(a), dn_string(b)) {
        (Ok(a), Ok(b)) => a.eq_ignore_ascii_case(&b),
        _ => false,
    }
}

/// Returns the text of a decoded name; see [`dn_string`].
pub(crate) fn dn(name: &Name) -> String {
    let Name::RdnSequence(rdns) = name;
    let rdns: Vec<String> = rdns.iter().rev().map(rdn).collect();
    rdns.join(",")
}

/// Returns the text of one RDN; see [`dn_string`].
pub(crate) fn rdn(rdn: &RelativeDistinguishedName) -> String {
    let parts: Vec<String> = rdn.iter().map(attribute).collect();
    parts.join("+")
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let der = attribute.value.as_bytes();
    let value = match characters(der) {
        Some(text) => escape(&text),
        None => format!("#{}", hex(der)),
    };
    match keyword(&attribute.r#type) {
        Some(keyword) => format!("{keyword}={value}"),
        None => format!("{}={value}", oid::dotted(&attribute.r#type)),
    }
}

/// Returns the text of a DER character string: UTF8String, PrintableString, IA5String,
/// NumericString, VisibleString, TeletexString (read as Latin-1, as is common practice), BMPString
/// or UniversalString. `None` for any other type, or for octets that aren't text of that type.
///
/// The ASCII characters that a type allows aren't checked: `*` in a PrintableString is common.
pub fn characters(der: &[u8]) -> Option<String> {
    let (tag, octets, []) = split_tlv(der)? else {
        return None;
    };
    match tag {
        0x0c => String::from_utf8(octets.to_vec()).ok(),
        0x12 | 0x13 | 0x16 | 0x1a if octets.is_ascii() => String::from_utf8(octets.to_vec()).ok(),
        0x14 => Some(octets.iter().map(|o| char::from(*o)).collect()),
        0x1e => {
            let (units, []) = octets.as_chunks::<2>() else {
                return None;
            };
            let units = units.iter().map(|u| u16::from_be_bytes(*u));
            char::decode_utf16(units).collect::<std::result::Result<_, _>>().ok()
        }
        0x1c => {
            let (units, []) = octets.as_chunks::<4>() else {
                return None;
            };
            units.iter().map(|u| char::from_u32(u32::from_be_bytes(*u))).collect()
        }
        _ => None,
    }
}

fn escape(value: &str) -> String {
    let inner = value.trim_start_matches(' ');
    let leading = value.len() - inner.len();
    let inner = inner.trim_end_matches(' ');
    let trailing = value.len() - leading - inner.len();

    let mut out = "\\ ".repeat(leading);
    for c in inner.chars() {
        if ",+=<>#;\"\\".contains(c) {
            out.push('\\');
        }
        if acts_on_terminal(c) {
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push('\\');
                push_hex(&mut out, octet);
            }
        } else {
            out.push(c);
        }
    }
    out.push_str(&"\\ ".repeat(trailing));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::tlv;

    const CN: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    const UNKNOWN: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x61];

    fn ava(attribute: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        tlv(0x30, &[attribute, &tlv(tag, value)].concat())
    }

    fn name(rdns: &[&[Vec<u8>]]) -> Vec<u8> {
        let rdns: Vec<u8> = rdns.iter().flat_map(|avas| tlv(0x31, &avas.concat())).collect();
        tlv(0x30, &rdns)
    }

    fn cn(tag: u8, value: &[u8]) -> String {
        dn_string(&name(&[&[ava(CN, tag, value)]])).unwrap()
    }

    #[test]
    fn order_and_separators() {
        let o = ava(&[0x06, 0x03, 0x55, 0x04, 0x0a], 0x0c, b"LAB");
        let der = name(&[&[o], &[ava(CN, 0x0c, b"a"), ava(UNKNOWN, 0x0c, b"b")]]);
        assert_eq!(dn_string(&der).unwrap(), "CN=a+2.5.4.97=b,O=LAB");
        assert_eq!(dn_string(&name(&[])).unwrap(), "");
    }

    #[test]
    fn escapes() {
        assert_eq!(cn(0x0c, b" a, b+c "), "CN=\\ a\\, b\\+c\\ ");
        assert_eq!(cn(0x0c, b"   "), "CN=\\ \\ \\ ");
        assert_eq!(cn(0x0c, b"x#\"<=>;\\"), "CN=x\\#\\\"\\<\\=\\>\\;\\\\");
        assert_eq!(cn(0x0c, b"a\nIssuer: CN=b\x1b[2J"), "CN=a\\0AIssuer: CN\\=b\\1B[2J");
    }

    #[test]
    fn string_types() {
        assert_eq!(cn(0x0c, "Grün".as_bytes()), "CN=Grün");
        assert_eq!(cn(0x13, b"*.lab_test"), "CN=*.lab_test");
        assert_eq!(cn(0x14, b"Gr\xfcn"), "CN=Grün");
        assert_eq!(cn(0x1e, b"\0G\0r\0\xfc\0n"), "CN=Grün");
        assert_eq!(cn(0x1c, b"\0\0\0G\0\x01\xf6\0"), "CN=G😀");
        // A value that isn't valid text is printed as its DER.
        assert_eq!(cn(0x0c, b"\xff"), "CN=#0C01FF");
        assert_eq!(cn(0x16, b"\xfc"), "CN=#1601FC");
        assert_eq!(cn(0x1e, b"\xd8\x00"), "CN=#1E02D800");
        assert_eq!(cn(0x1e, b"\0G\0"), "CN=#1E03004700");
        assert_eq!(cn(0x04, b"x"), "CN=#040178");
    }

    #[test]
    fn not_a_name() {
        let good = name(&[&[ava(CN, 0x0c, b"a")]]);
        for bad in
            [&[][..], &[0x30], &[0x30, 0x80, 0, 0], b"CN=a", &[good.as_slice(), &[0]].concat()]
        {
            assert_eq!(dn_string(bad).unwrap_err().kind(), Kind::Input);
        }
    }
}
