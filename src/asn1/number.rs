//! INTEGERs of any size: serial numbers, transaction ids, body part ids.

use std::fmt;

use num_bigint::BigInt;
use rasn::types::Integer;

use super::tlv;
use crate::error::{Error, Kind, Result};

/// An INTEGER of any size, with sign. It is displayed in decimal up to 320 bits, which covers
/// request ids and serial numbers, and as `0x` and hexadecimal beyond: conversion to decimal takes
/// quadratic time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Number(Integer);

impl Number {
    /// Returns the number of unsigned big-endian octets.
    pub fn unsigned(octets: &[u8]) -> Number {
        let at = octets.iter().position(|o| *o != 0).unwrap_or(octets.len());
        let mut content = vec![0];
        content.extend_from_slice(octets.get(at..).unwrap_or_default());
        if let [0, next, ..] = content[..]
            && next & 0x80 == 0
        {
            content.remove(0);
        }
        Number(rasn::der::decode(&tlv(0x02, &content)).unwrap_or_default())
    }

    /// Reads a number: decimal, or hexadecimal after `0x`. A sign is allowed; colons and blanks
    /// between hexadecimal digits are ignored.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Number> {
        let bad = || {
            Error::new(Kind::Usage, format!("invalid serial number {text:?}"))
                .hint("use a decimal number, or 0x and hexadecimal digits")
        };
        let trimmed = text.trim();
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
        let clean: String = match hex {
            Some(hex) => hex.chars().filter(|c| !c.is_whitespace() && *c != ':').collect(),
            None => digits.to_owned(),
        };
        // The parser would accept a second sign and `_`; a serial number has 20 octets at most.
        if clean.starts_with(['+', '-']) || clean.contains('_') || clean.len() > 100 {
            return Err(bad());
        }
        let radix = if hex.is_some() { 16 } else { 10 };
        let number = BigInt::parse_bytes(clean.as_bytes(), radix).ok_or_else(bad)?;
        Ok(Number::from(if negative { -number } else { number }))
    }

    /// Returns lower-case hexadecimal, as Dogtag writes serial numbers: `0x1f`, `-0x1f`.
    pub fn hex(&self) -> String {
        format!("{:#x}", self.big())
    }

    /// Returns decimal; `None` beyond 320 bits.
    pub fn decimal(&self) -> Option<String> {
        let big = self.big();
        (big.bits() <= 320).then(|| big.to_string())
    }

    /// As it stands in a message.
    pub(crate) fn of(number: &Integer) -> Number {
        Number(number.clone())
    }

    /// For a message.
    pub(crate) fn wire(&self) -> Integer {
        self.0.clone()
    }

    fn big(&self) -> BigInt {
        self.0.clone().into()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.decimal().unwrap_or_else(|| self.hex()))
    }
}

impl From<BigInt> for Number {
    fn from(number: BigInt) -> Number {
        Number(number.into())
    }
}

impl From<Number> for BigInt {
    fn from(number: Number) -> BigInt {
        number.0.into()
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Number {
        Number(number.into())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Number {
        Number(number.into())
    }
}

/// Fails for a number out of range.
impl TryFrom<&Number> for u32 {
    type Error = ();

    fn try_from(number: &Number) -> std::result::Result<u32, ()> {
        u32::try_from(&number.0).map_err(|_| ())
    }
}

/// Fails for a number out of range.
impl TryFrom<&Number> for i64 {
    type Error = ();

    fn try_from(number: &Number) -> std::result::Result<i64, ()> {
        i64::try_from(&number.0).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::encode;

    #[test]
    fn long_numbers_are_hexadecimal() {
        assert_eq!(Number::from(-5i64).to_string(), "-5");
        assert_eq!(Number::from(i64::MAX).to_string(), i64::MAX.to_string());
        assert_eq!(Number::unsigned(&[0x80; 8]).to_string(), "9259542123273814144");
        let hex = format!("0x{}", "80".repeat(41));
        assert_eq!(Number::unsigned(&[0x80; 41]).to_string(), hex);
        assert_eq!(Number::unsigned(&[0x80; 41]).decimal(), None);
        assert!(Number::unsigned(&vec![0x7f; 4_000_000]).to_string().starts_with("0x7f7f"));
    }

    #[test]
    fn octets_are_read_without_a_sign() {
        for (octets, number) in [(&[][..], 0u32), (&[0x80], 128), (&[0, 0, 1], 1), (&[0; 3], 0)] {
            assert_eq!(Number::unsigned(octets), Number::from(number), "{octets:?}");
        }
        assert_eq!(encode("x", &Number::unsigned(&[0xff]).wire()).unwrap(), [2, 2, 0, 0xff]);
        assert_eq!(Number::unsigned(&[0xff]).hex(), "0xff");
    }

    #[test]
    fn serial_numbers_as_people_write_them() {
        for (text, want) in
            [("37", 37i64), (" 0x25 ", 37), ("0X25", 37), ("-3", -3), ("0x00:25", 37), ("+7", 7)]
        {
            assert_eq!(Number::parse(text).unwrap(), Number::from(want), "{text}");
        }
        let long = Number::parse("0xffffffffffffffffffffffffffffffff").unwrap();
        assert_eq!(encode("x", &long.wire()).unwrap().len(), 19);
        for bad in ["", "x", "0x", "--1", "-+1", "0x-1", "12a", "1_0", "1 2", &"9".repeat(200)] {
            assert!(Number::parse(bad).is_err(), "{bad}");
        }
    }
}
