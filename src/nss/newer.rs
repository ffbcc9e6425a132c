//! Recognises a database whose password was set by an NSS that is newer than the one that is loaded.

use std::path::Path;

/// The length of the salt that the password is hashed with since [`SINCE`], in octets. Older NSS
/// hashes otherwise, and takes every password for a wrong one.
const SALT: usize = 48;
/// The first NSS with that salt.
const SINCE: (u32, u32) = (3, 118);
/// The largest key4.db that is searched, in octets.
const LARGEST: u64 = 64 << 20;
/// The row of the table metaData that has the salt.
const ROW: &[u8] = b"password";

/// Returns whether the password of the database in `folder` was set by NSS 3.118 or later, and the
/// loaded NSS is older.
pub(super) fn is_newer(folder: &Path) -> bool {
    let file = folder.join("key4.db");
    let is_small = || std::fs::metadata(&file).is_ok_and(|found| found.len() <= LARGEST);
    is_older(&super::version())
        && is_small()
        && std::fs::read(&file).is_ok_and(|octets| salts(&octets).contains(&SALT))
}

/// Returns whether a version such as `3.87.1` is before [`SINCE`].
fn is_older(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < SINCE,
        _ => false,
    }
}

/// Returns the length of the salt in each row that looks like that of a password: its id, the salt,
/// the encrypted text. A row in the file is a record (SQLite's file format, §2.1): the length of the
/// header, a number for the type and length of each value, the values.
fn salts(file: &[u8]) -> Vec<usize> {
    let rows = file.windows(ROW.len()).enumerate().filter(|(_, octets)| *octets == ROW);
    let headers = rows.flat_map(|(at, _)| {
        (4..=7).filter_map(move |length| {
            let header = file.get(at.checked_sub(length)?..at)?;
            salt(header)
        })
    });
    headers.collect()
}

/// Returns the length of the second value in the header of a row: a text of the length of
/// [`ROW`] and two values that are no text.
fn salt(header: &[u8]) -> Option<usize> {
    let (length, numbers) = header.split_first()?;
    let (id, numbers) = number(numbers)?;
    let (salt, numbers) = number(numbers)?;
    let (_, rest) = number(numbers)?;
    let is_row = usize::from(*length) == header.len() && id == 13 + 2 * ROW.len();
    // 12 and twice the length for octets, one more for a text.
    let is_octets = salt >= 12 && salt % 2 == 0;
    (is_row && is_octets && rest.is_empty()).then(|| (salt - 12) / 2)
}

/// Reads a number of up to three octets: seven bits in each, the high bit in all but the last.
fn number(octets: &[u8]) -> Option<(usize, &[u8])> {
    let length = octets.iter().take(3).position(|octet| octet & 0x80 == 0)? + 1;
    let (own, rest) = octets.split_at_checked(length)?;
    Some((own.iter().fold(0, |value, octet| value << 7 | usize::from(octet & 0x7f)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_of_a_row_is_measured() {
        // As NSS 3.87 and 3.132 write it, the text of 133 octets.
        for (number, length) in [(&[0x34_u8][..], 20), (&[0x6c][..], 48), (&[0x81, 0x0c][..], 64)] {
            let mut row = vec![0xff, 4 + number.len() as u8, 0x1d];
            row.extend(number);
            row.extend([0x82, 0x16]);
            row.extend(ROW);
            assert_eq!(salts(&row), [length], "{row:?}");
            row.push(0);
            assert_eq!(salts(&row), [length], "{row:?}");
        }
    }

    #[test]
    fn what_is_no_row_has_no_salt() {
        for other in [
            &b"password"[..],
            b"\x03\x1d\x01password",
            b"\x05\x1d\x6d\x82\x16password",
            b"\x05\x1d\x6c\x82\x96password",
            b"\x06\x1d\x6c\x82\x16password",
            b"\x05\x1c\x6c\x82\x16password",
            b"\x05\x1d\x6c\x82\x16passwort",
            b"",
        ] {
            assert_eq!(salts(other), [0; 0], "{other:?}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for older in ["3.61", "3.87.1", "3.117", "2.999"] {
            assert!(is_older(older), "{older}");
        }
        for newer in ["3.118", "3.132", "4.0", "unknown", ""] {
            assert!(!is_older(newer), "{newer}");
        }
    }
}
