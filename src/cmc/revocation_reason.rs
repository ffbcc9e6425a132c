//! Revocation reasons: CRLReason (RFC 5280 §5.3.1), their numbers and names.

use crate::asn1::split_tlv;
use crate::error::{Error, Kind, Result};

/// CRLReason (RFC 5280 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum CrlReason {
    Unspecified = 0,
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    RemoveFromCrl = 8,
    PrivilegeWithdrawn = 9,
    AaCompromise = 10,
}

/// Revocation reasons (RFC 5280 §5.3.1) and their names, in the order of their numbers.
pub const REASONS: &[(&str, CrlReason)] = &[
    ("unspecified", CrlReason::Unspecified),
    ("keyCompromise", CrlReason::KeyCompromise),
    ("cACompromise", CrlReason::CaCompromise),
    ("affiliationChanged", CrlReason::AffiliationChanged),
    ("superseded", CrlReason::Superseded),
    ("cessationOfOperation", CrlReason::CessationOfOperation),
    ("certificateHold", CrlReason::CertificateHold),
    ("removeFromCRL", CrlReason::RemoveFromCrl),
    ("privilegeWithdrawn", CrlReason::PrivilegeWithdrawn),
    ("aACompromise", CrlReason::AaCompromise),
];

/// Returns the name of a reason.
pub fn reason_name(reason: CrlReason) -> &'static str {
    REASONS.iter().find(|(_, known)| *known == reason).map_or("", |(name, _)| name)
}

/// Returns the reason with this name, in any case, or this number.
///
/// # Errors
/// [`Kind::Usage`].
pub fn reason(text: &str) -> Result<CrlReason> {
    let found = match text.trim().parse::<i64>() {
        Ok(number) => REASONS.iter().find(|(_, r)| *r as i64 == number),
        Err(_) => REASONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim())),
    };
    found.map(|(_, reason)| *reason).ok_or_else(|| {
        let names: Vec<&str> = REASONS.iter().map(|(name, _)| *name).collect();
        Error::new(Kind::Usage, format!("invalid revocation reason {text:?}"))
            .because("Unrecognized CRL reason")
            .hint(format!("use one of: {}", names.join(", ")))
    })
}

pub(super) fn decode(der: &[u8]) -> Option<CrlReason> {
    let (0x0a, &[number], []) = split_tlv(der)? else { return None };
    REASONS.iter().find(|(_, reason)| *reason as u8 == number).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_by_name_and_number() {
        assert_eq!(reason("KEYCOMPROMISE").unwrap(), CrlReason::KeyCompromise);
        assert_eq!(reason("8").unwrap(), CrlReason::RemoveFromCrl);
        assert_eq!(reason("10").unwrap(), CrlReason::AaCompromise);
        for bad in ["", "7", "11", "-1", "key compromise", "certificateHolds"] {
            assert!(reason(bad).unwrap_err().to_string().contains("Unrecognized CRL reason"));
        }
    }
}
