//! Key identifiers (PKCS #11 CKA_ID) as text.
//!
//! Dogtag prints the 20 octets as a *signed* hexadecimal number without leading zeros; certutil
//! prints plain hexadecimal; newer Dogtag also accepts `0x…`. [`parse`] reads all three.

use crate::error::{Error, Kind, Result};

const LEN: usize = 20;

/// Returns Dogtag's form of a 20-octet identifier, or plain `0x…` for another length, which the
/// signed form can't express.
pub fn to_dogtag(id: &[u8]) -> String {
    if id.len() != LEN {
        return format!("0x{}", to_hex(id));
    }
    let negative = id[0] >= 0x80;
    let magnitude = if negative { negate(id) } else { id.to_vec() };
    let digits = to_hex(&magnitude);
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    if negative { format!("-{digits}") } else { digits.to_owned() }
}

/// Returns plain lower-case hexadecimal, as `certutil -K` prints it.
pub fn to_hex(id: &[u8]) -> String {
    id.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads an identifier: Dogtag's signed form, `0x` and hexadecimal, or the 40 digits of `certutil
/// -K`. Colons and blanks between digits are ignored.
///
/// # Errors
/// [`Kind::Usage`].
pub fn parse(text: &str) -> Result<Vec<u8>> {
    let bad = |why: &str| {
        Error::new(Kind::Usage, format!("invalid key id {text:?}"))
            .because(why)
            .hint("use a key id that certutil -K, PKCS10Client or CRMFPopClient printed")
    };
    let clean: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    if let Some(hex) = clean.strip_prefix("0x").or_else(|| clean.strip_prefix("0X")) {
        let even = if hex.len() % 2 == 1 { format!("0{hex}") } else { hex.to_owned() };
        return from_hex(&even)
            .filter(|b| !b.is_empty())
            .ok_or_else(|| bad("it is not hexadecimal"));
    }
    let (negative, digits) = match clean.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, clean.strip_prefix('+').unwrap_or(&clean)),
    };
    if digits.is_empty() {
        return Err(bad("it is empty"));
    }
    if digits.len() > 2 * LEN {
        return Err(bad("it has more than 20 octets"));
    }
    let magnitude = from_hex(&format!("{digits:0>width$}", width = 2 * LEN))
        .ok_or_else(|| bad("it is not hexadecimal"))?;
    if !negative {
        // 40 digits that begin with 8 to f are certutil's unsigned form: Dogtag would write a minus
        // sign.
        return Ok(magnitude);
    }
    let id = negate(&magnitude);
    if id[0] < 0x80 && magnitude.iter().any(|b| *b != 0) {
        return Err(bad("it is out of range"));
    }
    Ok(id)
}

/// Returns the two's complement.
fn negate(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = bytes.iter().map(|b| !b).collect();
    for b in out.iter_mut().rev() {
        let (sum, carry) = b.overflowing_add(1);
        *b = sum;
        if !carry {
            break;
        }
    }
    out
}

/// Returns the octets of plain hexadecimal, two digits each.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    // from_str_radix would accept a sign.
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_pairs() {
        for (id, dogtag) in [
            (
                "a62664dbef4bc02e0fc94491ab28af0376711888",
                "-59d99b2410b43fd1f036bb6e54d750fc898ee778",
            ),
            (
                "71fe337faab8202d7509f59fb502a06de1785762",
                "71fe337faab8202d7509f59fb502a06de1785762",
            ),
            (
                "da55f57552c6a14538195e63c9b0f234acaf3011",
                "-25aa0a8aad395ebac7e6a19c364f0dcb5350cfef",
            ),
            ("00a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3", "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3"),
            (
                "fab43f97d9dfe421cc0919c3e90fde0f3b8bbea1",
                "-54bc06826201bde33f6e63c16f021f0c474415f",
            ),
            ("ff85102b4c5d6e7f8091a2b3c4d5e6f708192a3b", "-7aefd4b3a291807f6e5d4c3b2a1908f7e6d5c5"),
            ("0000000000000000000000000000000000000001", "1"),
            ("ffffffffffffffffffffffffffffffffffffffff", "-1"),
            (
                "8000000000000000000000000000000000000000",
                "-8000000000000000000000000000000000000000",
            ),
            ("0000000000000000000000000000000000000000", "0"),
        ] {
            let bytes = from_hex(id).unwrap();
            assert_eq!(to_dogtag(&bytes), dogtag);
            assert_eq!(parse(dogtag).unwrap(), bytes, "{dogtag}");
            assert_eq!(parse(id).unwrap(), bytes, "{id}");
            assert_eq!(parse(&format!("0x{id}")).unwrap(), bytes);
        }
        assert_eq!(parse("-80").unwrap()[18..], [0xff, 0x80]);
        assert_eq!(parse("80").unwrap()[18..], [0x00, 0x80]);
        assert_eq!(parse("0xabc").unwrap(), [0x0a, 0xbc]);
        assert_eq!(to_dogtag(&[1, 2]), "0x0102");
    }

    #[test]
    fn what_is_no_key_id() {
        for text in [
            "",
            "-",
            "xyz",
            "0x",
            "0xzz",
            "0x+1",
            "1:+2",
            "é",
            "1".repeat(41).as_str(),
            "-8000000000000000000000000000000000000001",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
