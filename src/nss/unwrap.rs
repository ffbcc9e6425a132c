//! Session keys: made or unwrapped in a token, AES-CBC with them, and wrapped for an RSA key.

use nss_sys as sys;

use super::cert::Certificate;
use super::database::Database;
use super::fault::{self, Fault};
use super::handle::{Borrowed, handle};
use super::key::{PrivateKey, PublicKey};
use super::token::Token;

handle! {
    /// A symmetric key in a token. C: `PK11SymKey`, given back by `PK11_FreeSymKey`.
    SymKey, sys::PK11SymKey, sys::PK11_FreeSymKey
}

/// How a session key travels under an RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTransport {
    /// RSAES-PKCS1-v1_5.
    Pkcs1,
    /// RSAES-OAEP with SHA-256, MGF1 with SHA-256 and no label.
    Oaep,
}

/// Parameters of [`KeyTransport::Oaep`].
fn oaep() -> sys::CK_RSA_PKCS_OAEP_PARAMS {
    sys::CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: sys::CKM_SHA256,
        mgf: sys::CKG_MGF1_SHA256,
        source: sys::CKZ_DATA_SPECIFIED,
        pSourceData: std::ptr::null_mut(),
        ulSourceDataLen: 0,
    }
}

/// An item over a PKCS #11 parameter structure, which must outlive its use.
fn item_of(parameters: &mut sys::CK_RSA_PKCS_OAEP_PARAMS) -> sys::SECItem {
    sys::SECItem {
        type_: sys::siBuffer,
        data: std::ptr::from_mut(parameters).cast(),
        len: size_of::<sys::CK_RSA_PKCS_OAEP_PARAMS>() as u32,
    }
}

impl PrivateKey {
    /// Unwraps an AES key in this RSA key's token; it doesn't leave it.
    ///
    /// Some tokens answer wrong PKCS #1 padding with a random key instead of a fault: what was
    /// decrypted has to be checked by other means.
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
            KeyTransport::Oaep => {
                let mut parameters = oaep();
                let mut parameters = item_of(&mut parameters);
                fault::pointer("PK11_PubUnwrapSymKeyWithMechanism", || {
                    // SAFETY: key and items are live; the parameter is what the mechanism wants.
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

impl Token {
    /// A fresh AES session key of `length` octets, gone with its handle.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn session_aes(&self, length: usize) -> Result<SymKey, Fault> {
        let raw = fault::pointer("PK11_TokenKeyGenWithFlags", || {
            // SAFETY: the slot is live; AES key generation takes no parameter (pk11pub.h).
            unsafe {
                sys::PK11_TokenKeyGenWithFlags(
                    self.as_ptr(),
                    sys::CKM_AES_KEY_GEN,
                    std::ptr::null_mut(),
                    i32::try_from(length).unwrap_or(0),
                    std::ptr::null_mut(),
                    sys::CKF_ENCRYPT | sys::CKF_DECRYPT | sys::CKF_WRAP | sys::CKF_UNWRAP,
                    sys::PK11_ATTR_SESSION | sys::PK11_ATTR_EXTRACTABLE,
                    std::ptr::null_mut(),
                )
            }
        })?;
        // SAFETY: a reference was handed over.
        Ok(unsafe { SymKey::from_raw(self.guard(), raw) })
    }
}

impl SymKey {
    /// AES-CBC decryption without padding; `data` is a multiple of 16 octets.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn decrypt_cbc(&self, iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut iv = Borrowed::new(iv);
        let mut out = vec![0u8; data.len()];
        let mut written = 0u32;
        let room = u32::try_from(data.len()).unwrap_or(0);
        fault::status("PK11_Decrypt", || {
            // SAFETY: key and item are live; `out` has `room` octets, `data` as many.
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

    /// AES-CBC encryption with PKCS #7 padding.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn encrypt_cbc_pad(&self, iv: &[u8; 16], data: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut iv = Borrowed::new(iv);
        let mut out = vec![0u8; data.len() + 16];
        let mut written = 0u32;
        let room = u32::try_from(out.len()).unwrap_or(0);
        fault::status("PK11_Encrypt", || {
            // SAFETY: key and item are live; `out` has `room` octets, `data` 16 less.
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

    /// This key wrapped for the holder of an RSA key.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn wrap_for(&self, recipient: &PublicKey, how: KeyTransport) -> Result<Vec<u8>, Fault> {
        // RSA keys have 16384 bits at most.
        let mut out = vec![0u8; 2048];
        let mut wrapped =
            sys::SECItem { type_: sys::siBuffer, data: out.as_mut_ptr(), len: out.len() as u32 };
        match how {
            KeyTransport::Pkcs1 => fault::status("PK11_PubWrapSymKey", || {
                // SAFETY: both keys are live; `wrapped` has 2048 octets of room, its length is set.
                unsafe {
                    sys::PK11_PubWrapSymKey(
                        sys::CKM_RSA_PKCS,
                        recipient.as_ptr(),
                        self.as_ptr(),
                        &mut wrapped,
                    )
                }
            }),
            KeyTransport::Oaep => {
                let mut parameters = oaep();
                let mut parameters = item_of(&mut parameters);
                fault::status("PK11_PubWrapSymKeyWithMechanism", || {
                    // SAFETY: as above; the parameter is what the mechanism wants.
                    unsafe {
                        sys::PK11_PubWrapSymKeyWithMechanism(
                            recipient.as_ptr(),
                            sys::CKM_RSA_PKCS_OAEP,
                            &mut parameters,
                            self.as_ptr(),
                            &mut wrapped,
                        )
                    }
                })
            }
        }?;
        out.truncate(wrapped.len as usize);
        Ok(out)
    }
}

impl Certificate {
    /// The public key.
    ///
    /// # Errors
    /// The NSS fault for a key of a kind NSS doesn't know.
    pub fn public_key(&self) -> Result<PublicKey, Fault> {
        let raw = fault::pointer("CERT_ExtractPublicKey", || {
            // SAFETY: the certificate is live; a new public key is handed over (cert.h).
            unsafe { sys::CERT_ExtractPublicKey(self.as_ptr()) }
        })?;
        // SAFETY: as above.
        Ok(unsafe { PublicKey::from_raw(self.guard(), raw) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::KeySpec;
    use crate::nss::KeyFlags;

    /// Opening a database is for a process of its own: NSS is global.
    #[test]
    fn what_is_wrapped_is_unwrapped_and_decrypts() {
        let database = Database::without_files().unwrap();
        let token = database.token("internal").unwrap();
        let spec = KeySpec::Rsa(2048);
        let flags = KeyFlags { permanent: false, ..KeyFlags::permanent(spec) };
        let pair = token.generate(spec, flags).unwrap();
        let iv = [1u8; 16];
        for how in [KeyTransport::Pkcs1, KeyTransport::Oaep] {
            let key = token.session_aes(16).unwrap();
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
