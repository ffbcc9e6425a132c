//! Finds violations of DER (X.690 §10, §11). A CA that decodes and re-encodes a message would write
//! those octets differently, and its signatures would not verify.

use super::split_tlv;

/// Elements nested deeper than this aren't checked.
const DEEPEST: usize = 64;
/// The most violations reported.
const MOST: usize = 5;

/// Returns violations of DER, each with its offset: `at octet 12: a length longer than needed`. At
/// most five; empty for DER.
///
/// Checked are: definite and minimal lengths, minimal INTEGERs and BOOLEANs, primitive strings, the
/// order of SETs, `critical` encoded with its default, and that each element ends where its parent
/// says.
pub(crate) fn violations(der: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    elements(der, 0, 0, &mut found);
    found
}

/// Splits `octets` into elements; `None` when the last one isn't complete.
pub(crate) fn children(mut octets: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let (_, _, rest) = split_tlv(octets)?;
        let (element, _) = octets.split_at_checked(octets.len() - rest.len())?;
        found.push(element);
        octets = rest;
    }
    Some(found)
}

/// Returns whether the elements are in the DER order of a SET OF (X.690 §11.6).
pub(crate) fn sorted(elements: &[&[u8]]) -> bool {
    elements.is_sorted()
}

fn elements(mut octets: &[u8], mut at: usize, depth: usize, found: &mut Vec<String>) {
    while !octets.is_empty() && found.len() < MOST {
        let mut tell = |what: &str| {
            if found.len() < MOST {
                found.push(format!("at octet {at}: {what}"));
            }
        };
        let Some((tag, content, rest)) = split_tlv(octets) else {
            return match octets.get(1) {
                Some(0x80) => tell("an indefinite length"),
                _ => tell("an incomplete element"),
            };
        };
        let head = octets.len() - rest.len() - content.len();
        let digits = content.len().checked_ilog2().map_or(0, |bits| bits as usize / 8 + 1);
        if head != if content.len() < 0x80 { 2 } else { 2 + digits } {
            tell("a length longer than needed");
        }
        if let Some(what) = element(tag, content) {
            tell(what);
        }
        // A tag number above 30 takes more octets than split_tlv reads.
        let high = tag & 0x1f == 0x1f;
        if tag & 0x20 != 0 && !high && depth < DEEPEST {
            elements(content, at + head, depth + 1, found);
        }
        at += octets.len() - rest.len();
        octets = rest;
    }
}

/// Returns the violation of one element by itself.
fn element(tag: u8, content: &[u8]) -> Option<&'static str> {
    match (tag, content) {
        (0x01, [0x00 | 0xff]) => None,
        (0x01, _) => Some("a BOOLEAN that is neither 00 nor FF"),
        (0x02 | 0x0a, []) => Some("a number without octets"),
        (0x02 | 0x0a, [0x00, b, ..]) if b & 0x80 == 0 => Some("a number longer than needed"),
        (0x02 | 0x0a, [0xff, b, ..]) if b & 0x80 != 0 => Some("a number longer than needed"),
        (0x23 | 0x24 | 0x2c | 0x33 | 0x36, _) => Some("a constructed string"),
        (0x31, _) if children(content).is_some_and(|c| !sorted(&c)) => Some("an unsorted SET"),
        (0x30, _) => match children(content)?.as_slice() {
            // Extension (RFC 5280 §4.1): critical is FALSE by default.
            [[0x06, ..], [0x01, 0x01, 0x00], [0x04, ..]] => {
                Some("an encoded default (critical FALSE)")
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::tlv;

    #[test]
    fn der_has_none() {
        let set = tlv(0x31, &[tlv(0x04, b"a"), tlv(0x04, b"b")].concat());
        let extension = tlv(0x30, &[6, 1, 0x2a, 1, 1, 0xff, 4, 0]);
        let der = tlv(0x30, &[set, extension, vec![2, 1, 0x80], vec![2, 2, 0, 0x80]].concat());
        assert_eq!(violations(&der), Vec::<String>::new());
        assert_eq!(violations(&[]), Vec::<String>::new());
    }

    #[test]
    fn each_violation_is_named_with_its_place() {
        for (der, at, what) in [
            (vec![0x30, 0x81, 0x02, 0x05, 0x00], 0, "length"),
            (tlv(0x30, &[0x04, 0x81, 0x01, 0x00]), 2, "length"),
            (vec![0x30, 0x80, 0, 0], 0, "indefinite"),
            (tlv(0x30, &[0x04, 0x05, 0x00]), 2, "incomplete"),
            (tlv(0x30, &[0x01, 0x01, 0x01]), 2, "BOOLEAN"),
            (tlv(0x30, &[0x02, 0x02, 0x00, 0x01]), 2, "number longer"),
            (tlv(0x30, &[0x02, 0x02, 0xff, 0x80]), 2, "number longer"),
            (tlv(0x30, &[0x02, 0x00]), 2, "without octets"),
            (tlv(0x31, &[4, 1, b'b', 4, 1, b'a']), 0, "unsorted SET"),
            (tlv(0x24, &[4, 1, b'b']), 0, "constructed string"),
            (tlv(0x30, &tlv(0x30, &[6, 1, 0x2a, 1, 1, 0, 4, 0])), 2, "default"),
        ] {
            let found = violations(&der);
            assert!(found[0].starts_with(&format!("at octet {at}: ")), "{found:?}");
            assert!(found[0].contains(what), "{found:?}");
        }
    }

    #[test]
    fn neither_depth_nor_number_is_unlimited() {
        let mut der = Vec::new();
        for _ in 0..5000 {
            der = tlv(0x30, &der);
        }
        violations(&der);
        assert_eq!(violations(&[1, 1, 1].repeat(1000)).len(), MOST);
    }
}
