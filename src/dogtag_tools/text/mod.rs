//! Prints certificates and CMC responses as Dogtag's Java tools do, byte for byte, because scripts
//! search these lines. The functions do no input or output.
//!
//! All printed values come from a certificate or a CA and are not trusted: terminal control
//! characters are escaped (see [`printable`]), and values without a text are printed in
//! hexadecimal.

mod certificate;
#[cfg(test)]
mod damaged;
pub mod date;
mod extensions;
mod response;

pub use certificate::pretty_certificate;
pub use response::{render_response, stored_line};

use num_bigint::BigInt;

use nss_cmc::keyid::to_hex;
use nss_cmc::text::printable;

/// Octets on one line of a hexadecimal listing.
const HEX_LINE: usize = 16;

/// Returns decimal digits, or hexadecimal beyond 8192 bits: the time for decimal grows with the
/// square of the length, to minutes for the largest message.
fn decimal<N: Into<BigInt>>(number: N) -> String {
    let number = number.into();
    if number.bits() <= 8192 { number.to_string() } else { format!("0x{number:X}") }
}

/// Returns upper-case hexadecimal.
fn hex(octets: &[u8]) -> String {
    to_hex(octets).to_uppercase()
}

/// Text built line by line, each line indented by a number of blanks.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, indent: usize, text: impl AsRef<str>) {
        self.0.extend(std::iter::repeat_n(' ', indent));
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    /// Adds upper-case hexadecimal, 16 octets a line, a colon after each octet but the last; no
    /// line for no octets.
    fn hex(&mut self, indent: usize, octets: &[u8]) {
        let lines = octets.chunks(HEX_LINE);
        let last = lines.len().saturating_sub(1);
        for (i, line) in lines.enumerate() {
            let pairs: Vec<String> = line.iter().map(|o| hex(&[*o])).collect();
            let end = if i == last { "" } else { ":" };
            self.line(indent, pairs.join(":") + end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_numbers_are_decimal() {
        assert_eq!(decimal(-255), "-255");
        let large = decimal(BigInt::from_signed_bytes_be(&vec![0x7f; 4_000_000]));
        assert!(large.starts_with("0x7F7F7F"));
    }

    #[test]
    fn hex_breaks_after_sixteen() {
        let mut page = Page::default();
        page.hex(2, &[]);
        page.hex(2, &[0xab; 16]);
        page.hex(0, &[0x01; 17]);
        let full = |pair: &str| vec![pair; 16].join(":");
        assert_eq!(page.0, format!("  {}\n{}:\n01\n", full("AB"), full("01")));
    }
}
