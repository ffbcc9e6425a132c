//! Requested extensions, made from the names that users write.

use super::extension::Extension;
use super::key_usage::{KeyUsage, PURPOSES};
use super::{encode, oid, split_tlv, tlv};
use crate::error::{Error, Kind, Result};
use crate::keyid::from_hex;

fn usage(what: String) -> Error {
    Error::new(Kind::Usage, what)
}

/// Returns a critical keyUsage extension (RFC 5280 §4.2.1.3).
///
/// # Errors
/// [`Kind::Usage`] for an unknown name.
pub(crate) fn key_usage<S: AsRef<str>>(names: &[S]) -> Result<Extension> {
    let mut bits: u16 = 0;
    for name in names {
        let name = name.as_ref();
        let usage = KeyUsage::from_name(name).ok_or_else(|| {
            usage(format!("unknown key usage {name:?}"))
                .hint(format!("use one of: {}", KeyUsage::ALL.map(KeyUsage::name).join(", ")))
        })?;
        bits |= 0x8000 >> usage as u16;
    }
    // DER of named bits has no trailing zero bits (X.690 §11.2.2).
    let unused = bits.trailing_zeros().min(15) as u8;
    let content = match bits.to_be_bytes() {
        [0, 0] => vec![0],
        [high, 0] => vec![unused - 8, high],
        [high, low] => vec![unused, high, low],
    };
    Ok(Extension::new(oid::CE_KEY_USAGE, true, tlv(0x03, &content)))
}

/// Returns a non-critical extKeyUsage extension (RFC 5280 §4.2.1.12) from names or dotted object
/// identifiers.
///
/// # Errors
/// [`Kind::Usage`] for an unknown name.
pub(crate) fn extended_key_usage<S: AsRef<str>>(names: &[S]) -> Result<Extension> {
    let mut purposes = Vec::new();
    for name in names {
        let name = name.as_ref();
        let known = PURPOSES.iter().find(|id| oid::text(id).eq_ignore_ascii_case(name));
        let id = known.map(|id| oid::owned(id)).or_else(|| oid::parse(name));
        purposes.push(id.ok_or_else(|| {
            let names: Vec<String> = PURPOSES.iter().map(|id| oid::text(id)).collect();
            usage(format!("unknown extended key usage {name:?}"))
                .hint(format!("use an object identifier or one of: {}", names.join(", ")))
        })?);
    }
    let value = encode("extended key usages", &purposes)?;
    Ok(Extension::new(oid::CE_EXT_KEY_USAGE, false, value))
}

/// Reads an extension from `OID=HEX` or `OID:critical=HEX`; the hexadecimal is the DER of the
/// value.
///
/// # Errors
/// [`Kind::Usage`].
pub(crate) fn raw_extension(text: &str) -> Result<Extension> {
    let (name, der) = oid_and_der(text)?;
    let (name, critical) = match name.strip_suffix(":critical") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let id = oid::parse(name).ok_or_else(|| bad(text, "the part before = is not an OID"))?;
    Ok(Extension::new(&id, critical, der))
}

/// Reads an attribute with one value from `OID=HEX`; the hexadecimal is the DER of the value.
///
/// # Errors
/// [`Kind::Usage`].
pub(crate) fn raw_attribute(text: &str) -> Result<rasn_pkix::Attribute> {
    let (name, der) = oid_and_der(text)?;
    let r#type = oid::parse(name).ok_or_else(|| bad(text, "the part before = is not an OID"))?;
    Ok(rasn_pkix::Attribute { r#type, values: vec![super::any(der)].into() })
}

fn bad(text: &str, why: &str) -> Error {
    usage(format!("invalid value {text:?}"))
        .because(why.to_owned())
        .hint("use OID=HEX or OID:critical=HEX, the value in DER: 2.5.29.17=3003820161")
}

fn oid_and_der(text: &str) -> Result<(&str, Vec<u8>)> {
    let (name, hex) = text.split_once('=').ok_or_else(|| bad(text, "it has no ="))?;
    let digits: String = hex.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    let der = from_hex(&digits).ok_or_else(|| bad(text, "the value is not hexadecimal"))?;
    if !split_tlv(&der).is_some_and(|(_, _, rest)| rest.is_empty()) {
        return Err(bad(text, "the value is not one DER element"));
    }
    Ok((name.trim(), der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_usage_bits_are_minimal() {
        let value = |names: &[&str]| key_usage(names).unwrap().value;
        assert_eq!(value(&["digitalSignature"]), [3, 2, 7, 0x80]);
        assert_eq!(value(&["digitalsignature", "keyEncipherment"]), [3, 2, 5, 0xa0]);
        assert_eq!(value(&["encipherOnly"]), [3, 2, 0, 0x01]);
        assert_eq!(value(&["decipherOnly", "keyAgreement"]), [3, 3, 7, 0x08, 0x80]);
        assert_eq!(value(&["contentCommitment"]), value(&["nonRepudiation"]));
        assert!(key_usage(&["sign"]).is_err());
    }

    #[test]
    fn purposes_by_name_and_number() {
        let by_name = extended_key_usage(&["serverAuth", "clientauth"]).unwrap();
        let by_number = extended_key_usage(&["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]).unwrap();
        assert_eq!(by_name, by_number);
        assert!(extended_key_usage(&["webAuth"]).is_err());
    }

    #[test]
    fn raw_values() {
        let got = raw_extension("2.5.29.19:critical=30:03:01:01:ff").unwrap();
        assert!(got.critical);
        assert_eq!(got.value, [0x30, 3, 1, 1, 0xff]);
        for wrong in [
            "",
            "2.5.29.19",
            "x=0500",
            "2.5.29.19=zz",
            "2.5.29.19=0",
            "2.5.29.19=+5+0",
            "2.5.29.19=050000",
        ] {
            assert!(raw_extension(wrong).is_err(), "{wrong}");
        }
    }
}
