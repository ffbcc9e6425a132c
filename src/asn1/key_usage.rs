//! keyUsage (RFC 5280 §4.2.1.3) and extKeyUsage (§4.2.1.12): the permitted uses of a key.

use rasn::types::{BitString, ObjectIdentifier, Oid};

use super::{decode, oid};
use crate::error::Result;

/// A bit of keyUsage; its discriminant is the bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KeyUsage {
    DigitalSignature = 0,
    NonRepudiation = 1,
    KeyEncipherment = 2,
    DataEncipherment = 3,
    KeyAgreement = 4,
    KeyCertSign = 5,
    CrlSign = 6,
    EncipherOnly = 7,
    DecipherOnly = 8,
}

impl KeyUsage {
    /// All bits, in order.
    pub const ALL: [KeyUsage; 9] = [
        KeyUsage::DigitalSignature,
        KeyUsage::NonRepudiation,
        KeyUsage::KeyEncipherment,
        KeyUsage::DataEncipherment,
        KeyUsage::KeyAgreement,
        KeyUsage::KeyCertSign,
        KeyUsage::CrlSign,
        KeyUsage::EncipherOnly,
        KeyUsage::DecipherOnly,
    ];

    /// Returns the name in RFC 5280.
    pub fn name(self) -> &'static str {
        match self {
            KeyUsage::DigitalSignature => "digitalSignature",
            KeyUsage::NonRepudiation => "nonRepudiation",
            KeyUsage::KeyEncipherment => "keyEncipherment",
            KeyUsage::DataEncipherment => "dataEncipherment",
            KeyUsage::KeyAgreement => "keyAgreement",
            KeyUsage::KeyCertSign => "keyCertSign",
            KeyUsage::CrlSign => "cRLSign",
            KeyUsage::EncipherOnly => "encipherOnly",
            KeyUsage::DecipherOnly => "decipherOnly",
        }
    }

    /// Returns the bit with this name, in any case; `contentCommitment` is the newer X.509 name of
    /// nonRepudiation.
    pub fn from_name(name: &str) -> Option<KeyUsage> {
        if name.eq_ignore_ascii_case("contentCommitment") {
            return Some(KeyUsage::NonRepudiation);
        }
        KeyUsage::ALL.into_iter().find(|usage| usage.name().eq_ignore_ascii_case(name))
    }
}

/// Returns the usages in the value of a keyUsage extension (RFC 5280 §4.2.1.3), in the order of the
/// bits. `what` is its name in errors.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub(crate) fn usages(what: &str, value: &[u8]) -> Result<Vec<KeyUsage>> {
    let bits: BitString = decode(what, value)?;
    let set = |usage: &KeyUsage| bits.get(*usage as usize).is_some_and(|bit| *bit);
    Ok(KeyUsage::ALL.into_iter().filter(set).collect())
}

/// Purposes that can be requested by name.
pub(crate) const PURPOSES: &[&Oid] = &[
    oid::KP_SERVER_AUTH,
    oid::KP_CLIENT_AUTH,
    oid::KP_CODE_SIGNING,
    oid::KP_EMAIL_PROTECTION,
    oid::KP_TIME_STAMPING,
    oid::KP_OCSP_SIGNING,
];

/// Returns the purposes in the value of an extKeyUsage extension (RFC 5280 §4.2.1.12). `what` is
/// its name in errors.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub(crate) fn purposes(what: &str, value: &[u8]) -> Result<Vec<ObjectIdentifier>> {
    decode(what, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_by_their_numbers() {
        assert_eq!(usages("x", &[3, 2, 5, 0xa0]).unwrap(), [KeyUsage::ALL[0], KeyUsage::ALL[2]]);
        assert_eq!(usages("x", &[3, 3, 7, 0, 0x80]).unwrap(), [KeyUsage::DecipherOnly]);
        assert_eq!(usages("x", &[3, 1, 0]).unwrap(), []);
        assert!(usages("x", &[4, 1, 0]).is_err());
        assert_eq!(KeyUsage::from_name("crlsign"), Some(KeyUsage::CrlSign));
        for (at, usage) in KeyUsage::ALL.into_iter().enumerate() {
            assert_eq!(usage as usize, at);
        }
    }

    #[test]
    fn every_purpose_that_can_be_asked_for_has_a_name() {
        assert!(PURPOSES.iter().all(|id| oid::name(id).is_some()));
    }
}
