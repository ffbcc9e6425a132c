//! A file's password in the encodings that its algorithms take.

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The password of a PKCS #12 file, in UTF-8. It may be empty.
pub struct Password {
    utf8: Zeroizing<Vec<u8>>,
    /// UTF-16, big-endian, with a terminator.
    bmp: Zeroizing<Vec<u8>>,
}

impl Password {
    /// Encodes a password.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it isn't UTF-8, or contains a NUL.
    pub fn new(secret: &Secret) -> Result<Password> {
        let usage = |why| Error::new(Kind::Usage, "invalid PKCS #12 password").because(why);
        let text = std::str::from_utf8(secret.bytes()).map_err(|_| usage("it is not UTF-8"))?;
        if text.contains('\0') {
            return Err(usage("it contains a NUL character"));
        }
        // Large enough from the start: growing would leave copies behind.
        let mut bmp = Zeroizing::new(Vec::with_capacity(2 * text.len() + 2));
        for unit in text.encode_utf16().chain([0]) {
            bmp.extend_from_slice(&unit.to_be_bytes());
        }
        Ok(Password { utf8: Zeroizing::new(secret.bytes().to_vec()), bmp })
    }

    /// Returns whether the password is empty.
    pub fn is_empty(&self) -> bool {
        self.utf8.is_empty()
    }

    /// Returns the encoding for PKCS #5 (PBES2, PBMAC1): UTF-8.
    pub(super) fn utf8(&self) -> &[u8] {
        &self.utf8
    }

    /// Returns the encoding for PKCS #12's own algorithms: a BMPString (RFC 7292 appendix B.1).
    pub(super) fn bmp(&self) -> &[u8] {
        &self.bmp
    }

    /// Returns the encodings to try, the one of the standard first: some writers use the BMPString
    /// for PKCS #5, and "no password" differs from the empty one.
    pub(super) fn forms(&self, pkcs5: bool) -> Vec<&[u8]> {
        let mut forms = if pkcs5 { vec![self.utf8(), self.bmp()] } else { vec![self.bmp()] };
        if self.is_empty() && !pkcs5 {
            forms.push(&[]);
        }
        forms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bmp_form_has_a_terminator() {
        let password = |text: &str| Password::new(&Secret::new(text.as_bytes().to_vec()));
        assert_eq!(password("aé").unwrap().bmp(), [0, b'a', 0, 0xe9, 0, 0]);
        assert_eq!(password("").unwrap().forms(false), [&[0, 0][..], &[]]);
        assert_eq!(password("a").unwrap().forms(true), [&b"a"[..], &[0, b'a', 0, 0]]);
        assert!(password("a\0b").is_err());
        assert!(Password::new(&Secret::new(vec![0xff])).is_err());
    }
}
