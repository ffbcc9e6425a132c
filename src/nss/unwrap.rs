//! Unwrapping a session key in a token, and AES-CBC with it.

use nss_sys as sys;

use super::fault::{self, Fault};
use super::handle::Borrowed;
use super::key::PrivateKey;
use super::wrap::{KeyTransport, SymKey, oaep_sha256};

impl PrivateKey {
    /// Unwraps an AES key in this RSA key's token; the AES key stays there. C:
    /// `PK11_PubUnwrapSymKey`, `PK11_PubUnwrapSymKeyWithMechanism`.
    ///
    /// For wrong PKCS #1 padding some tokens return a random key instead of a fault: the caller
    /// must verify what it decrypts by other means.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn unwrap_aes(&self, wrapped: &[u8], transport: KeyTransport) -> Result<SymKey, Fault> {
        let mut wrapped = Borrowed::new(wrapped);
        let raw = match transport {
            KeyTransport::Pkcs1 => fault::pointer("PK11_PubUnwrapSymKey", || {
                // SAFETY: key and item are live, the item is only read (pk11pub.h).
                unsafe {
                    sys::PK11_PubUnwrapSymKey(
                        self.as_ptr(),
                        wrapped.as_mut_ptr(),
                        sys::CKM_AES_CBC,
                        sys::CKA_DECRYPT,
                        0,
                    )
                }
            }),
            KeyTransport::OaepSha256 => {
                let mut oaep = oaep_sha256();
                let mut parameters = sys::SECItem {
                    type_: sys::siBuffer,
                    data: std::ptr::from_mut(&mut oaep).cast(),
                    len: size_of::<sys::CK_RSA_PKCS_OAEP_PARAMS>() as u32,
                };
                fault::pointer("PK11_PubUnwrapSymKeyWithMechanism", || {
                    // SAFETY: key and items are live; the parameter is a CK_RSA_PKCS_OAEP_PARAMS
                    // (PKCS #11).
                    unsafe {
                        sys::PK11_PubUnwrapSymKeyWithMechanism(
                            self.as_ptr(),
                            sys::CKM_RSA_PKCS_OAEP,
                            &mut parameters,
                            wrapped.as_mut_ptr(),
                            sys::CKM_AES_CBC,
                            sys::CKA_DECRYPT,
                            0,
                        )
                    }
                })
            }
        }?;
        // SAFETY: a reference was handed over.
        Ok(unsafe { SymKey::from_raw(self.guard(), raw) })
    }
}

impl SymKey {
    /// Decrypts with AES-CBC, without removing padding; the length of `data` is a multiple of 16
    /// octets. C: `PK11_Decrypt`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn decrypt_cbc(&self, iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut iv = Borrowed::new(iv);
        let mut out = vec![0u8; data.len()];
        let mut written = 0u32;
        let room = u32::try_from(data.len()).unwrap_or(0);
        fault::status("PK11_Decrypt", || {
            // SAFETY: key and item are live; `out` has `room` octets, as many as `data`
            // (pk11pub.h).
            unsafe {
                sys::PK11_Decrypt(
                    self.as_ptr(),
                    sys::CKM_AES_CBC,
                    iv.as_mut_ptr(),
                    out.as_mut_ptr(),
                    &mut written,
                    room,
                    data.as_ptr(),
                    room,
                )
            }
        })?;
        out.truncate(written as usize);
        Ok(out)
    }

    /// Encrypts with AES-CBC and PKCS #7 padding. C: `PK11_Encrypt`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn encrypt_cbc_pad(&self, iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut iv = Borrowed::new(iv);
        let mut out = vec![0u8; data.len() + 16];
        let mut written = 0u32;
        let room = u32::try_from(out.len()).unwrap_or(0);
        fault::status("PK11_Encrypt", || {
            // SAFETY: key and item are live; `out` has `room` octets, 16 more than `data`
            // (pk11pub.h).
            unsafe {
                sys::PK11_Encrypt(
                    self.as_ptr(),
                    sys::CKM_AES_CBC_PAD,
                    iv.as_mut_ptr(),
                    out.as_mut_ptr(),
                    &mut written,
                    room,
                    data.as_ptr(),
                    room.saturating_sub(16),
                )
            }
        })?;
        out.truncate(written as usize);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::KeySpec;
    use crate::nss::{Database, KeyFlags, SessionKind};

    /// NSS is global: a database is opened in a process of its own.
    #[test]
    fn what_is_wrapped_is_unwrapped_and_decrypts() {
        let database = Database::without_files().unwrap();
        let token = database.token("internal").unwrap();
        let spec = KeySpec::Rsa(2048);
        let flags = KeyFlags { permanent: false, ..KeyFlags::permanent(spec) };
        let pair = token.generate(spec, flags, "").unwrap();
        let iv = [1u8; 16];
        for how in [KeyTransport::Pkcs1, KeyTransport::OaepSha256] {
            let key = token.session_key(SessionKind::Aes128).unwrap();
            let encrypted = key.encrypt_cbc_pad(&iv, b"just another good day").unwrap();
            assert_eq!(encrypted.len(), 32);
            let wrapped = key.wrap_for(&pair.public, how).unwrap();
            assert_eq!(wrapped.len(), 256);
            let again = pair.private.unwrap_aes(&wrapped, how).unwrap();
            let plain = again.decrypt_cbc(&iv, &encrypted).unwrap();
            assert!(plain.starts_with(b"just another good day\x0b\x0b"));
        }
    }
}
