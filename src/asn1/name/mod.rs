//! Distinguished names: from text to DER.
//!
//! The text is that of RFC 4514: most specific RDN first. The last RDN in the text is encoded
//! first.

use rasn::prelude::*;
use rasn_pkix::AttributeTypeAndValue;

mod print;

pub use print::characters;
pub(crate) use print::exact_dn_string;
pub(crate) use print::{dn, rdn};
pub use print::{dn_string, name_attributes, same_name};

use super::{encode, oid, tlv};
use crate::error::{Error, Kind, Result};
use crate::keyid::from_hex;

/// The string type of a keyword's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Utf8,
    Printable,
    Ia5,
}

/// Keyword, attribute type, string type. Of several keywords for a type, the first is used for
/// printing.
const KEYWORDS: &[(&str, &[u32], Text)] = &[
    ("CN", &[2, 5, 4, 3], Text::Utf8),
    ("SN", &[2, 5, 4, 4], Text::Utf8),
    ("SERIALNUMBER", &[2, 5, 4, 5], Text::Printable),
    ("C", &[2, 5, 4, 6], Text::Printable),
    ("L", &[2, 5, 4, 7], Text::Utf8),
    ("ST", &[2, 5, 4, 8], Text::Utf8),
    ("S", &[2, 5, 4, 8], Text::Utf8),
    ("STREET", &[2, 5, 4, 9], Text::Utf8),
    ("O", &[2, 5, 4, 10], Text::Utf8),
    ("OU", &[2, 5, 4, 11], Text::Utf8),
    ("TITLE", &[2, 5, 4, 12], Text::Utf8),
    ("GIVENNAME", &[2, 5, 4, 42], Text::Utf8),
    ("INITIALS", &[2, 5, 4, 43], Text::Utf8),
    ("GENERATIONQUALIFIER", &[2, 5, 4, 44], Text::Utf8),
    ("DNQUALIFIER", &[2, 5, 4, 46], Text::Utf8),
    ("UID", &[0, 9, 2342, 19200300, 100, 1, 1], Text::Utf8),
    ("MAIL", &[0, 9, 2342, 19200300, 100, 1, 3], Text::Ia5),
    ("DC", &[0, 9, 2342, 19200300, 100, 1, 25], Text::Ia5),
    ("E", &[1, 2, 840, 113549, 1, 9, 1], Text::Ia5),
    ("EMAILADDRESS", &[1, 2, 840, 113549, 1, 9, 1], Text::Ia5),
    ("UNSTRUCTUREDNAME", &[1, 2, 840, 113549, 1, 9, 2], Text::Ia5),
    ("UNSTRUCTUREDADDRESS", &[1, 2, 840, 113549, 1, 9, 8], Text::Printable),
];

/// Returns the keyword to print for an attribute type.
fn keyword(attribute: &Oid) -> Option<&'static str> {
    KEYWORDS.iter().find(|(_, arcs, _)| **attribute == **arcs).map(|(k, _, _)| *k)
}

/// Returns the DER of the Name (RFC 5280 §4.1.2.4) written as `text`, for example
/// `CN=www.example.com,O=Example\, Inc.,C=US`.
///
/// Accepts keywords in any case, or dotted object identifiers (`OID.2.5.4.97`); `,` or `;` between
/// RDNs, `+` within one; `"…"`, `\,` and `\E4` escapes; `#hex` for a value in DER. Strings get the
/// types that Dogtag's tools use: PrintableString for C and SERIALNUMBER, IA5String for E, MAIL and
/// DC, UTF8String otherwise.
///
/// # Errors
/// [`Kind::Usage`], with the part that is invalid.
pub fn parse(text: &str) -> Result<Vec<u8>> {
    parse_as(text, Prefixes::Text)
}

/// How a value like `BMPString:Example` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefixes {
    /// As plain text.
    Text,
    /// As `Example` in the string type of the prefix: the option `-k` of Dogtag's tools. The types
    /// are UTF8String, PrintableString, BMPString, TeletexString (Latin-1) and UniversalString; a
    /// country is always a PrintableString.
    Types,
}

/// Returns the DER of a subject for a request, as [`parse_as`] does.
///
/// # Errors
/// As [`parse_as`]; also for control characters, such as a line end that a script left in.
pub fn subject(text: &str, prefixes: Prefixes) -> Result<Vec<u8>> {
    if text.chars().any(char::is_control) {
        return Err(Error::new(Kind::Usage, format!("invalid subject {text:?}"))
            .because("it contains a control character, such as a line break"));
    }
    parse_as(text, prefixes)
}

/// Returns the DER of a Name as [`parse`] does, with `prefixes` selecting how string types are
/// chosen.
///
/// # Errors
/// As [`parse`]; also when a value doesn't fit its string type.
pub fn parse_as(text: &str, prefixes: Prefixes) -> Result<Vec<u8>> {
    let bad = |why: String| {
        Error::new(Kind::Usage, format!("invalid distinguished name {text:?}"))
            .because(why)
            .hint("use the form CN=www.example.com,O=Example,C=US, the most specific part first")
    };
    let mut rdns: Vec<Vec<AttributeTypeAndValue>> = Vec::new();
    for part in split(text, &[',', ';']).map_err(bad)? {
        let mut rdn = Vec::new();
        for ava in split(&part, &['+']).map_err(bad)? {
            rdn.push(attribute(&ava, prefixes).map_err(bad)?);
        }
        rdns.push(rdn);
    }
    rdns.reverse();
    let rdns: Vec<SetOf<AttributeTypeAndValue>> =
        rdns.into_iter().map(|r| r.into_iter().collect::<Vec<_>>().into()).collect();
    encode("a name", &rdns)
}

/// Splits at unescaped, unquoted separators; an empty part is an error.
fn split(text: &str, separators: &[char]) -> std::result::Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if !escaped && !quoted && separators.contains(&c) {
            parts.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    if quoted {
        return Err("a quotation mark is not closed".into());
    }
    match parts.iter().find(|p| p.trim().is_empty()) {
        Some(_) => Err("a part is empty".into()),
        None => Ok(parts),
    }
}

fn attribute(text: &str, prefixes: Prefixes) -> std::result::Result<AttributeTypeAndValue, String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(format!("{:?} has no \"=\"", text.trim()));
    };
    let key = key.trim();
    let known = KEYWORDS.iter().find(|(k, _, _)| k.eq_ignore_ascii_case(key));
    let (r#type, kind) = match known {
        Some((_, arcs, kind)) => (ObjectIdentifier::new(arcs.to_vec()), Some(*kind)),
        None => {
            let dotted = key.strip_prefix("OID.").or_else(|| key.strip_prefix("oid."));
            let parsed = oid::parse(dotted.unwrap_or(key));
            let kind = parsed.as_ref().and_then(|o| {
                KEYWORDS.iter().find(|(_, arcs, _)| ***o == **arcs).map(|(_, _, k)| *k)
            });
            (parsed, kind)
        }
    };
    let r#type = r#type.ok_or_else(|| format!("unknown attribute {key:?}"))?;
    let value = value.trim_start();
    if let Some(hex) = value.strip_prefix('#') {
        let der =
            from_hex(hex.trim_end()).ok_or_else(|| format!("invalid hexadecimal after {key}=#"))?;
        if !super::split_tlv(&der).is_some_and(|(_, _, rest)| rest.is_empty()) {
            return Err(format!("the value after {key}=# is not one DER element"));
        }
        if !is_string_or_other(&der) {
            return Err(format!(
                "the string after {key}=# has octets that its type does not allow"
            ));
        }
        return Ok(AttributeTypeAndValue { r#type, value: Any::new(der) });
    }
    let value = unescape(value)?;
    if value.is_empty() {
        return Err(format!("{key} has no value"));
    }
    let country = *r#type == [2, 5, 4, 6];
    if prefixes == Prefixes::Types
        && !country
        && let Some((tag, content)) = typed(&value)?
    {
        return Ok(AttributeTypeAndValue { r#type, value: Any::new(tlv(tag, &content)) });
    }
    let tag = match kind.unwrap_or(Text::Utf8) {
        Text::Utf8 => 0x0c,
        Text::Printable if value.bytes().all(is_printable) => 0x13,
        Text::Printable => {
            return Err(format!("{key}={value:?} may have only letters, digits and ' ()+,-./:=?"));
        }
        Text::Ia5 if value.is_ascii() => 0x16,
        Text::Ia5 => return Err(format!("{key}={value:?} may have only ASCII characters")),
    };
    if country && value.len() != 2 {
        return Err(format!("{key}={value:?}: a country has two letters"));
    }
    Ok(AttributeTypeAndValue { r#type, value: Any::new(tlv(tag, value.as_bytes())) })
}

/// Returns tag and content octets of a value with a string type prefix.
fn typed(value: &str) -> std::result::Result<Option<(u8, Vec<u8>)>, String> {
    let Some((name, text)) = value.split_once(':') else { return Ok(None) };
    let misfit = || format!("{text:?} is not a valid {name}");
    let (tag, content): (u8, Option<Vec<u8>>) = match name {
        "UTF8String" => (0x0c, Some(text.as_bytes().to_vec())),
        "PrintableString" => {
            (0x13, text.bytes().all(is_printable).then(|| text.as_bytes().to_vec()))
        }
        "TeletexString" => (0x14, text.chars().map(|c| u8::try_from(c).ok()).collect()),
        "UniversalString" => {
            (0x1c, Some(text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()))
        }
        "BMPString" => {
            let units: Option<Vec<u16>> =
                text.chars().map(|c| u16::try_from(u32::from(c)).ok()).collect();
            (0x1e, units.map(|u| u.into_iter().flat_map(u16::to_be_bytes).collect()))
        }
        _ => return Ok(None),
    };
    if text.is_empty() {
        return Err(format!("no value after {name}:"));
    }
    Ok(Some((tag, content.ok_or_else(misfit)?)))
}

/// Returns whether an octet is allowed in a PrintableString (X.680 §41.4).
fn is_printable(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b)
}

/// Returns whether a DER string has only characters that its type allows; true for other types.
fn is_string_or_other(der: &[u8]) -> bool {
    match super::split_tlv(der) {
        Some((0x0c, content, _)) => std::str::from_utf8(content).is_ok(),
        Some((0x13, content, _)) => content.iter().copied().all(is_printable),
        Some((0x16, content, _)) => content.is_ascii(),
        _ => true,
    }
}

/// Removes quotes, escapes and unescaped trailing blanks.
fn unescape(text: &str) -> std::result::Result<String, String> {
    let mut out: Vec<u8> = Vec::new();
    let mut keep = 0;
    let mut bytes = text.bytes().peekable();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => {
                let next = bytes.next().ok_or("a backslash ends the value")?;
                let second = bytes.peek().copied().filter(u8::is_ascii_hexdigit);
                match second.filter(|_| next.is_ascii_hexdigit()) {
                    Some(low) => {
                        bytes.next();
                        let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
                        out.push((digit(next) << 4) | digit(low));
                    }
                    None => out.push(next),
                }
                keep = out.len();
            }
            b'"' => keep = out.len(),
            _ => out.push(b),
        }
    }
    while out.len() > keep && out.last() == Some(&b' ') {
        out.pop();
    }
    String::from_utf8(out).map_err(|_| "an escape is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_text_gives_the_same_octets() {
        for text in
            ["CN=www,O=EXAMPLE,C=DE", "CN=a+UID=b,OU=\\,x", "CN=#1303777777,2.5.4.97=#0c0161"]
        {
            let der = parse(text).unwrap();
            assert_eq!(parse(&exact_dn_string(&der).unwrap()).unwrap(), der, "{text}");
        }
    }

    use crate::keyid::to_hex as hex;

    #[test]
    fn order_and_string_types() {
        // Dogtag's encoding of the issuer in its recorded revocation by shared secret.
        let der = parse("cn=CA Signing Certificate,ou=pki-tomcat,o=EXAMPLE").unwrap();
        assert_eq!(
            hex(&der),
            "30483110300e060355040a0c074558414d504c4531133011060355040b0c0a706b692d746f6d636174\
             311f301d06035504030c16434120536967\
             6e696e67204365727469666963617465"
        );
        assert!(hex(&parse("C=US").unwrap()).ends_with("13025553"));
        assert!(hex(&parse("E=a@b").unwrap()).ends_with("1603614062"));
        assert!(hex(&parse("DC=x").unwrap()).ends_with("160178"));
        assert!(
            hex(&parse("OID.2.5.4.3=x").unwrap()).ends_with("0603550403".to_owned().as_str())
                || hex(&parse("OID.2.5.4.3=x").unwrap()).ends_with("0c0178")
        );
    }

    #[test]
    fn escapes_quotes_and_multiple_values() {
        for text in [
            r"O=Example\, Inc.",
            "O=\"Example, Inc.\"",
            r"O=Example\2C Inc.",
            "O= Example\\, Inc.  ",
        ] {
            let der = parse(text).unwrap();
            assert!(der.ends_with(b"Example, Inc."), "{text}");
        }
        assert!(parse("CN=a+OU=b,O=c").unwrap().windows(2).any(|w| w == b"\x0c\x01"));
        assert!(parse("O=x=y").unwrap().ends_with(b"x=y"));
        assert_eq!(parse("CN=#0c0161").unwrap(), parse("CN=a").unwrap());
        assert!(parse(r"CN=\C3\A9").unwrap().ends_with("é".as_bytes()));
        assert_eq!(parse("CN=a;O=b").unwrap(), parse("cn=a, o=b").unwrap());
    }

    #[test]
    fn string_types_by_prefix() {
        for (text, end) in [
            ("O=UTF8String:é", "0c02c3a9"),
            ("O=PrintableString:ab", "13026162"),
            ("O=TeletexString:é", "1401e9"),
            ("O=UniversalString:é", "1c04000000e9"),
            ("O=BMPString:é", "1e0200e9"),
            ("O=a:b", "0c03613a62"),
        ] {
            let der = parse_as(text, Prefixes::Types).unwrap();
            assert!(hex(&der).ends_with(end), "{text}: {}", hex(&der));
        }
        assert!(parse("O=BMPString:a").unwrap().ends_with(b"\x0c\x0bBMPString:a"));
        assert!(parse_as("OID.2.5.4.6=UTF8String:US", Prefixes::Types).is_err());
        for bad in
            ["O=PrintableString:é", "O=TeletexString:€", "O=BMPString:\u{1f600}", "O=UTF8String:"]
        {
            assert!(parse_as(bad, Prefixes::Types).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, part) in [
            ("", "empty"),
            ("CN=a,,O=b", "empty"),
            ("CN", "no \"=\""),
            ("XX=a", "unknown attribute"),
            ("CN=", "no value"),
            ("CN=\"a", "not closed|is not closed"),
            ("C=USA", "two letters"),
            ("2.5.4.6=USA", "two letters"),
            ("SERIALNUMBER=a@b", "letters"),
            ("DC=é", "ASCII"),
            ("CN=#0c0261", "DER"),
            ("CN=#zz", "hexadecimal"),
            ("CN=a\\", "backslash"),
            (r"CN=\ff", "UTF-8"),
            ("9.9=a", "unknown attribute"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(part.split('|').any(|p| e.contains(p)), "{text}: {e}");
        }
    }
}
