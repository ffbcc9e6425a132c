//! Serial numbers of certificates.

use std::fmt;

use rasn::types::Integer;

use crate::asn1::{number_text, unsigned};
use crate::cmc::control::serial_number;
use crate::error::Result;

/// A certificate's serial number. Displays as Dogtag writes it: `0x1f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialNumber(Integer);

impl SerialNumber {
    /// Reads a decimal number, or a hexadecimal one after `0x`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`].
    pub fn parse(text: &str) -> Result<SerialNumber> {
        serial_number(text).map(SerialNumber)
    }

    /// The number in the content octets of an INTEGER, taken without sign.
    pub fn from_octets(octets: &[u8]) -> SerialNumber {
        SerialNumber(unsigned(octets))
    }

    /// The number in decimal, as far as a serial number is that short.
    pub fn decimal(&self) -> String {
        number_text(&self.0)
    }

    pub(crate) fn integer(&self) -> &Integer {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", num_bigint::BigInt::from(self.0.clone()))
    }
}
