//! Session keys (AES, triple DES), and wrapping: a private key under a session key, a session key
//! under a recipient's public key. No key is ever in the clear here.

use nss_sys as sys;

use super::database::Database;
use super::fault;
use super::handle::{Borrowed, handle};
use super::key::{PrivateKey, PublicKey};
use super::token::Token;
use crate::error::{Error, Kind, Result};

handle! {
    /// A symmetric key in a token. C: `PK11SymKey`, released by `PK11_FreeSymKey`, which also
    /// destroys a session object.
    SymKey, sys::PK11SymKey, sys::PK11_FreeSymKey
}

/// Buffer size in octets for a wrapped private key; RSA 16384 needs some 9,300.
const LONGEST_PRIVATE: usize = 32 * 1024;
/// Buffer size in octets for a wrapped session key; the modulus of RSA 16384 has 2,048.
const LONGEST_SESSION: usize = 4096;

/// The algorithm and length of a session key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// AES with a 128-bit key.
    Aes128,
    /// AES with a 256-bit key.
    Aes256,
    /// Triple DES with three keys.
    Des3,
}

impl SessionKind {
    /// Returns the key generation mechanism and the length in octets (0 for triple DES, whose
    /// length is fixed).
    fn generation(self) -> (sys::CK_MECHANISM_TYPE, i32) {
        match self {
            SessionKind::Aes128 => (sys::CKM_AES_KEY_GEN, 16),
            SessionKind::Aes256 => (sys::CKM_AES_KEY_GEN, 32),
            SessionKind::Des3 => (sys::CKM_DES3_KEY_GEN, 0),
        }
    }
}

/// How a private key is wrapped under a session key. The wrapped octets are its PKCS #8
/// PrivateKeyInfo (RFC 5208 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateWrap {
    /// PKCS #7 padding to 8 octets, then RFC 3394 with its default initial value.
    AesKeyWrapPkcs7,
    /// RFC 3394 without padding: the length must be a multiple of 8.
    AesKeyWrap,
    /// RFC 5649.
    AesKeyWrapPadded,
    /// AES-CBC with PKCS #7 padding; the initialisation vector has 16 octets.
    AesCbc,
    /// Triple DES in CBC mode with PKCS #7 padding; the initialisation vector has 8 octets.
    Des3Cbc,
}

impl PrivateWrap {
    /// Returns the mechanisms that produce these octets, best first. CKM_AES_KEY_WRAP_PAD is PKCS
    /// #7 padding in NSS and RFC 5649 in other vendors' tokens (PKCS #11 2.40 left it open), so for
    /// NSS's own token its unambiguous vendor number is used.
    fn mechanisms(self, internal: bool) -> &'static [sys::CK_MECHANISM_TYPE] {
        match (self, internal) {
            (PrivateWrap::AesKeyWrapPkcs7, true) => &[sys::CKM_NSS_AES_KEY_WRAP_PAD],
            (PrivateWrap::AesKeyWrapPkcs7, false) => {
                &[sys::CKM_NSS_AES_KEY_WRAP_PAD, sys::CKM_AES_KEY_WRAP_PAD]
            }
            (PrivateWrap::AesKeyWrap, _) => &[sys::CKM_AES_KEY_WRAP, sys::CKM_NSS_AES_KEY_WRAP],
            (PrivateWrap::AesKeyWrapPadded, true) => &[sys::CKM_AES_KEY_WRAP_KWP],
            (PrivateWrap::AesKeyWrapPadded, false) => {
                &[sys::CKM_AES_KEY_WRAP_KWP, sys::CKM_AES_KEY_WRAP_PAD]
            }
            (PrivateWrap::AesCbc, _) => &[sys::CKM_AES_CBC_PAD],
            (PrivateWrap::Des3Cbc, _) => &[sys::CKM_DES3_CBC_PAD],
        }
    }

    fn takes_iv(self) -> bool {
        matches!(self, PrivateWrap::AesCbc | PrivateWrap::Des3Cbc)
    }
}

/// How a session key is encrypted under an RSA public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTransport {
    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
    Pkcs1,
    /// RSAES-OAEP with SHA-256, MGF1 with SHA-256 and an empty label (RFC 8017 §7.1).
    OaepSha256,
}

impl Token {
    /// Generates a session key; it is destroyed with its handle and never written to the token. C:
    /// `PK11_TokenKeyGenWithFlags`.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the token can't.
    pub fn session_key(&self, kind: SessionKind) -> Result<SymKey> {
        let (mechanism, length) = kind.generation();
        let uses = sys::CKF_WRAP | sys::CKF_UNWRAP | sys::CKF_ENCRYPT | sys::CKF_DECRYPT;
        let raw = fault::pointer("PK11_TokenKeyGenWithFlags", || {
            // SAFETY: the slot is live; these mechanisms take no parameter and no id is wanted; a
            // reference is handed over (pk11pub.h).
            unsafe {
                sys::PK11_TokenKeyGenWithFlags(
                    self.as_ptr(),
                    mechanism,
                    std::ptr::null_mut(),
                    length,
                    std::ptr::null_mut(),
                    uses,
                    sys::PK11_ATTR_SESSION | sys::PK11_ATTR_EXTRACTABLE,
                    std::ptr::null_mut(),
                )
            }
        })
        .map_err(|f| {
            let what = format!("cannot generate a session key in token {:?}", self.name());
            Error::new(Kind::Refused, what).because(f)
        })?;
        // SAFETY: PK11_TokenKeyGenWithFlags handed over a reference.
        Ok(unsafe { SymKey::from_raw(self.guard(), raw) })
    }
}

impl Database {
    /// Decodes the DER of a SubjectPublicKeyInfo; nothing is written. C: `SECKEY_ExtractPublicKey`.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn public_key(&self, spki: &[u8]) -> Result<PublicKey> {
        let bad = |f| Error::new(Kind::Input, "cannot decode a public key").because(f);
        let item = Borrowed::new(spki);
        // SAFETY: the item outlives the call and is copied; a structure is handed over (keyhi.h).
        let info = fault::pointer("SECKEY_DecodeDERSubjectPublicKeyInfo", || unsafe {
            sys::SECKEY_DecodeDERSubjectPublicKeyInfo(item.as_ptr())
        })
        .map_err(bad)?;
        // SAFETY: the structure is live; a new public key is handed over (keyhi.h).
        let raw = fault::pointer("SECKEY_ExtractPublicKey", || unsafe {
            sys::SECKEY_ExtractPublicKey(info.as_ptr())
        });
        // SAFETY: handed over above, freed once; the key has its own copy.
        unsafe { sys::SECKEY_DestroySubjectPublicKeyInfo(info.as_ptr()) };
        // SAFETY: the key was handed over.
        Ok(unsafe { PublicKey::from_raw(self.guard(), raw.map_err(bad)?) })
    }
}

impl SymKey {
    /// Returns `key` wrapped under this session key; both are in `token`. `iv` is used by the CBC
    /// variants only. C: `PK11_WrapPrivKey`.
    ///
    /// # Errors
    /// [`Kind::Refused`]: the token has no such mechanism, or the key isn't extractable.
    pub fn wrap_private(
        &self,
        token: &Token,
        key: &PrivateKey,
        how: PrivateWrap,
        iv: &[u8],
    ) -> Result<Vec<u8>> {
        let known = how.mechanisms(token.is_internal());
        let mut offered = known.iter().copied().filter(|m| token.offers(*m));
        let is_meant = |m: &sys::CK_MECHANISM_TYPE| {
            *m != sys::CKM_AES_KEY_WRAP_PAD
                || self.pads_like_pkcs7(token) == Some(how == PrivateWrap::AesKeyWrapPkcs7)
        };
        let Some(mechanism) = offered.find(is_meant) else {
            return Err(Error::new(
                Kind::Refused,
                format!("token {:?} does not support this key wrap algorithm", token.name()),
            )
            .hint("use another algorithm: AES/CBC/PKCS5Padding, AES KeyWrap/Wrapped"));
        };
        let mut iv = Borrowed::new(if how.takes_iv() { iv } else { &[] });
        let parameter = if how.takes_iv() { iv.as_mut_ptr() } else { std::ptr::null_mut() };
        let mut out = vec![0u8; LONGEST_PRIVATE];
        let mut item = room(&mut out);
        fault::status("PK11_WrapPrivKey", || {
            // SAFETY: slot, session key and private key are live; the parameter is null or the
            // initialisation vector; `item` has `len` octets of room and its length is updated
            // (pk11pub.h).
            unsafe {
                sys::PK11_WrapPrivKey(
                    token.as_ptr(),
                    self.as_ptr(),
                    key.as_ptr(),
                    mechanism,
                    parameter,
                    &mut item,
                    std::ptr::null_mut(),
                )
            }
        })
        .map_err(|f| {
            Error::new(Kind::Refused, "cannot wrap the private key for archival")
                .because(f)
                .hint("use an extractable key, and not AES KeyWrap/NoPadding")
        })?;
        out.truncate(item.len as usize);
        Ok(out)
    }

    /// Returns whether CKM_AES_KEY_WRAP_PAD in the token is PKCS #7 padding, which adds 8 octets to
    /// the 16 of a key, or RFC 5649, which adds none; `None` if it can't be told. C:
    /// `PK11_WrapSymKey`.
    fn pads_like_pkcs7(&self, token: &Token) -> Option<bool> {
        let key = token.session_key(SessionKind::Aes128).ok()?;
        let mut out = vec![0u8; LONGEST_SESSION];
        let mut item = room(&mut out);
        fault::status("PK11_WrapSymKey", || {
            // SAFETY: both keys are live; the mechanism takes no parameter; `item` has `len` octets
            // of room and its length is updated (pk11pub.h).
            unsafe {
                sys::PK11_WrapSymKey(
                    sys::CKM_AES_KEY_WRAP_PAD,
                    std::ptr::null_mut(),
                    self.as_ptr(),
                    key.as_ptr(),
                    &mut item,
                )
            }
        })
        .ok()?;
        // The key wrap itself adds 8.
        match item.len {
            32 => Some(true),
            24 => Some(false),
            _ => None,
        }
    }

    /// Returns this session key encrypted for the holder of an RSA key. C: `PK11_PubWrapSymKey`,
    /// `PK11_PubWrapSymKeyWithMechanism`.
    ///
    /// # Errors
    /// [`Kind::Refused`].
    pub fn wrap_for(&self, recipient: &PublicKey, how: KeyTransport) -> Result<Vec<u8>> {
        let mut out = vec![0u8; LONGEST_SESSION];
        let mut item = room(&mut out);
        match how {
            KeyTransport::Pkcs1 => fault::status("PK11_PubWrapSymKey", || {
                // SAFETY: both keys are live; `item` has `len` octets of room and its length is
                // updated (pk11pub.h).
                unsafe {
                    sys::PK11_PubWrapSymKey(
                        sys::CKM_RSA_PKCS,
                        recipient.as_ptr(),
                        self.as_ptr(),
                        &mut item,
                    )
                }
            }),
            KeyTransport::OaepSha256 => {
                let mut oaep = oaep_sha256();
                let mut parameter = sys::SECItem {
                    type_: sys::siBuffer,
                    data: std::ptr::from_mut(&mut oaep).cast(),
                    len: size_of::<sys::CK_RSA_PKCS_OAEP_PARAMS>() as u32,
                };
                fault::status("PK11_PubWrapSymKeyWithMechanism", || {
                    // SAFETY: both keys and the items are live; the parameter is a
                    // CK_RSA_PKCS_OAEP_PARAMS (PKCS #11).
                    unsafe {
                        sys::PK11_PubWrapSymKeyWithMechanism(
                            recipient.as_ptr(),
                            sys::CKM_RSA_PKCS_OAEP,
                            &mut parameter,
                            self.as_ptr(),
                            &mut item,
                        )
                    }
                })
            }
        }
        .map_err(|f| {
            Error::new(Kind::Refused, "cannot encrypt the session key for its recipient").because(f)
        })?;
        out.truncate(item.len as usize);
        Ok(out)
    }
}

/// Returns an item over `out` for NSS to fill.
fn room(out: &mut [u8]) -> sys::SECItem {
    sys::SECItem { type_: sys::siBuffer, data: out.as_mut_ptr(), len: out.len() as u32 }
}

/// Returns the parameters of RSAES-OAEP: SHA-256 for digest and MGF1, an empty label.
pub(super) fn oaep_sha256() -> sys::CK_RSA_PKCS_OAEP_PARAMS {
    sys::CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: sys::CKM_SHA256,
        mgf: sys::CKG_MGF1_SHA256,
        source: sys::CKZ_DATA_SPECIFIED,
        pSourceData: std::ptr::null_mut(),
        ulSourceDataLen: 0,
    }
}
