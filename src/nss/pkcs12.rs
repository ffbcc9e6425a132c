//! The password-based cryptography of PKCS #12 files: computes MACs, encrypts and decrypts
//! certificates, and unwraps and wraps private keys; no private key is ever in the clear here.

use std::ffi::c_ulong;
use std::ptr::{NonNull, null_mut};

use nss_sys as sys;

use super::database::{Database, not_written};
use super::fault::{self, Fault};
use super::handle::{Borrowed, Owned};
use super::key::{KeyPair, PrivateKey};
use super::token::Token;
use super::wrap::SymKey;
use crate::algorithm::{Digest, KeyType};
use crate::error::{Error, Kind};

/// The result of an NSS call.
type Step<T> = Result<T, Fault>;

/// The most octets that a cipher's padding adds.
const PADDING: usize = 32;
/// Buffer size in octets for a wrapped private key; RSA 16384 needs some 9,300.
const LONGEST_PRIVATE: usize = 32 * 1024;

/// A password-based algorithm: the content octets of its OBJECT IDENTIFIER, and DER of its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Pbe<'a> {
    /// The identifier.
    pub algorithm: &'a [u8],
    /// The parameters.
    pub parameters: &'a [u8],
}

/// The cipher of a private key, under the key derived from a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCipher {
    /// The algorithm's own cipher: a block cipher in CBC mode with padding.
    Own,
    /// AES key wrap with padding (RFC 5649), whatever cipher the algorithm names: NSS before 3.90
    /// has no identifier for it.
    AesKwp,
}

/// An encrypted private key.
#[derive(Debug, Clone, Copy)]
pub struct EncryptedKey<'a> {
    /// The key derivation and its cipher.
    pub pbe: Pbe<'a>,
    /// The cipher to use.
    pub cipher: KeyCipher,
    /// The encrypted PrivateKeyInfo.
    pub data: &'a [u8],
    /// The octets that NSS hashes to its CKA_ID: modulus, point, or the public key.
    pub public_value: &'a [u8],
    /// The key type in its certificate.
    pub key_type: KeyType,
}

/// The digest of a PKCS #12 MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacDigest {
    /// SHA-224.
    Sha224,
    /// Any other digest.
    Digest(Digest),
}

impl MacDigest {
    /// Returns the mechanisms of the key derivation (RFC 7292 appendix B) and of HMAC.
    fn mechanisms(self) -> (sys::CK_MECHANISM_TYPE, sys::CK_MECHANISM_TYPE) {
        match self {
            MacDigest::Sha224 => {
                (sys::CKM_NSS_PKCS12_PBE_SHA224_HMAC_KEY_GEN, sys::CKM_SHA224_HMAC)
            }
            MacDigest::Digest(Digest::Sha1) => {
                (sys::CKM_NSS_PBE_SHA1_HMAC_KEY_GEN, sys::CKM_SHA_1_HMAC)
            }
            MacDigest::Digest(Digest::Sha256) => {
                (sys::CKM_NSS_PKCS12_PBE_SHA256_HMAC_KEY_GEN, sys::CKM_SHA256_HMAC)
            }
            MacDigest::Digest(Digest::Sha384) => {
                (sys::CKM_NSS_PKCS12_PBE_SHA384_HMAC_KEY_GEN, sys::CKM_SHA384_HMAC)
            }
            MacDigest::Digest(Digest::Sha512) => {
                (sys::CKM_NSS_PKCS12_PBE_SHA512_HMAC_KEY_GEN, sys::CKM_SHA512_HMAC)
            }
        }
    }
}

/// A mechanism, the owner of its parameter, and the parameter.
type Cipher = (sys::CK_MECHANISM_TYPE, Option<Owned>, *mut sys::SECItem);

/// `PK11_Encrypt` or `PK11_Decrypt`.
type Crypt = unsafe extern "C" fn(
    *mut sys::PK11SymKey,
    sys::CK_MECHANISM_TYPE,
    *mut sys::SECItem,
    *mut u8,
    *mut u32,
    u32,
    *const u8,
    u32,
) -> sys::SECStatus;

/// An algorithm and a password in the form that NSS takes.
struct Request<'a> {
    algorithm: Borrowed<'a>,
    parameters: Borrowed<'a>,
    password: Borrowed<'a>,
}

impl<'a> Request<'a> {
    fn new(pbe: Pbe<'a>, password: &'a [u8]) -> Request<'a> {
        Request {
            algorithm: Borrowed::new(pbe.algorithm),
            parameters: Borrowed::new(pbe.parameters),
            password: Borrowed::new(password),
        }
    }

    fn algorithm(&self) -> sys::SECAlgorithmID {
        sys::SECAlgorithmID { algorithm: self.algorithm.item(), parameters: self.parameters.item() }
    }

    /// Derives the key in a token. C: `PK11_PBEKeyGen`.
    fn key(&mut self, token: &Token) -> Step<SymKey> {
        let mut algorithm = self.algorithm();
        let raw = fault::pointer("PK11_PBEKeyGen", || {
            // SAFETY: slot, algorithm and password are live and only read; a reference is handed over
            // (pk11pub.h).
            unsafe {
                sys::PK11_PBEKeyGen(
                    token.as_ptr(),
                    &mut algorithm,
                    self.password.as_mut_ptr(),
                    super::pr_bool(false),
                    null_mut(),
                )
            }
        })?;
        // SAFETY: as above.
        Ok(unsafe { SymKey::from_raw(token.guard(), raw) })
    }

    /// Returns the cipher for a private key.
    fn key_cipher(&mut self, cipher: KeyCipher) -> Step<Cipher> {
        match cipher {
            KeyCipher::Own => self.cipher(),
            KeyCipher::AesKwp => Ok((sys::CKM_AES_KEY_WRAP_KWP, None, null_mut())),
        }
    }

    /// Returns the algorithm's cipher with padding. C: `PK11_GetPBECryptoMechanism`.
    fn cipher(&mut self) -> Step<Cipher> {
        let mut algorithm = self.algorithm();
        let mut parameter: *mut sys::SECItem = null_mut();
        fault::clear();
        // SAFETY: algorithm and password are live and only read; an item or null is handed over
        // (pk11pub.h).
        let plain = unsafe {
            sys::PK11_GetPBECryptoMechanism(
                &mut algorithm,
                &mut parameter,
                self.password.as_mut_ptr(),
            )
        };
        // SAFETY: the item was allocated for us.
        let owned = NonNull::new(parameter).map(|item| unsafe { Owned::from_raw(item) });
        if plain == sys::CKM_INVALID_MECHANISM {
            return Err(Fault::last("PK11_GetPBECryptoMechanism"));
        }
        // SAFETY: no precondition (pk11pub.h).
        let padded = unsafe { sys::PK11_GetPadMechanism(plain) };
        Ok((padded, owned, parameter))
    }
}

impl Database {
    /// Returns whether NSS's policy allows an algorithm in PKCS #12 files; `algorithm` is the content
    /// of its OBJECT IDENTIFIER. The policy doesn't cover algorithms without an identifier in NSS.
    /// C: `NSS_GetAlgorithmPolicy`.
    pub fn allows_in_pkcs12(&self, algorithm: &[u8]) -> bool {
        let id = Borrowed::new(algorithm);
        // SAFETY: the item outlives the call and is only read (secoid.h).
        let tag = unsafe { sys::SECOID_FindOIDTag(id.as_ptr()) };
        let mut flags = sys::NSS_USE_ALG_IN_PKCS12;
        // SAFETY: NSS is initialised while `self` lives; `flags` outlives the call, and stays as it
        // is when the call fails (secoid.h).
        unsafe { sys::NSS_GetAlgorithmPolicy(tag, &mut flags) };
        tag == sys::SEC_OID_UNKNOWN || flags & sys::NSS_USE_ALG_IN_PKCS12 != 0
    }

    /// Decrypts data that isn't a private key. C: `PK11_Decrypt`.
    ///
    /// # Errors
    /// The NSS fault; a wrong password may also give a random result without a fault.
    pub fn pbe_decrypt(&self, pbe: Pbe<'_>, password: &[u8], data: &[u8]) -> Step<Vec<u8>> {
        self.pbe_crypt(pbe, password, data, false)
    }

    /// Encrypts data that isn't a private key. C: `PK11_Encrypt`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn pbe_encrypt(&self, pbe: Pbe<'_>, password: &[u8], data: &[u8]) -> Step<Vec<u8>> {
        self.pbe_crypt(pbe, password, data, true)
    }

    fn pbe_crypt(
        &self,
        pbe: Pbe<'_>,
        password: &[u8],
        data: &[u8],
        encrypt: bool,
    ) -> Step<Vec<u8>> {
        let token = self.internal()?;
        let mut request = Request::new(pbe, password);
        let key = request.key(&token)?;
        let (mechanism, _owned, parameter) = request.cipher()?;
        let mut out = vec![0u8; data.len() + PADDING];
        let (room, length) = (length(out.len()), length(data.len()));
        let mut written = 0u32;
        let (name, call): (_, Crypt) = match encrypt {
            true => ("PK11_Encrypt", sys::PK11_Encrypt),
            false => ("PK11_Decrypt", sys::PK11_Decrypt),
        };
        fault::status(name, || {
            // SAFETY: key and parameter are live; `out` has `room` octets, `data` has `length`
            // (pk11pub.h).
            unsafe {
                call(
                    key.as_ptr(),
                    mechanism,
                    parameter,
                    out.as_mut_ptr(),
                    &mut written,
                    room,
                    data.as_ptr(),
                    length,
                )
            }
        })?;
        out.truncate(written as usize);
        Ok(out)
    }

    /// Computes the MAC of a file (RFC 7292 appendix B); the password is a BMPString with its
    /// terminator. C: `PK11_SignWithSymKey`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn pkcs12_mac(
        &self,
        digest: MacDigest,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        data: &[u8],
    ) -> Step<Vec<u8>> {
        let token = self.internal()?;
        let (derivation, mac) = digest.mechanisms();
        let (mut salt, mut password) = (Borrowed::new(salt), Borrowed::new(password));
        let parameters = fault::pointer("PK11_CreatePBEParams", || {
            // SAFETY: both items are live and copied; an item is handed over (pk11pub.h).
            unsafe {
                sys::PK11_CreatePBEParams(salt.as_mut_ptr(), password.as_mut_ptr(), iterations)
            }
        })?;
        let raw = fault::pointer("PK11_KeyGen", || {
            // SAFETY: slot and parameters are live; a reference is handed over (pk11pub.h).
            unsafe {
                sys::PK11_KeyGen(token.as_ptr(), derivation, parameters.as_ptr(), 0, null_mut())
            }
        });
        // SAFETY: handed over above, destroyed once; it wipes the password's copy.
        unsafe { sys::PK11_DestroyPBEParams(parameters.as_ptr()) };
        // SAFETY: the key was handed over.
        let key = unsafe { SymKey::from_raw(token.guard(), raw?) };
        key.mac(mac, data)
    }

    /// Computes PBMAC1 (RFC 9579) with HMAC. C: `PK11_SignWithSymKey`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn pbmac1(
        &self,
        pbe: Pbe<'_>,
        password: &[u8],
        digest: MacDigest,
        data: &[u8],
    ) -> Step<Vec<u8>> {
        let token = self.internal()?;
        let key = Request::new(pbe, password).key(&token)?;
        key.mac(digest.mechanisms().1, data)
    }

    /// Returns the internal crypto token, which requires no login. C: `PK11_GetInternalSlot`.
    fn internal(&self) -> Step<Token> {
        let raw =
            // SAFETY: NSS is initialised while `self` lives; a reference is handed over (pk11pub.h).
            fault::pointer("PK11_GetInternalSlot", || unsafe { sys::PK11_GetInternalSlot() })?;
        // SAFETY: as above.
        Ok(unsafe { Token::from_raw(self.guard(), raw) })
    }
}

impl SymKey {
    /// Computes the HMAC of `data`.
    fn mac(&self, mechanism: sys::CK_MECHANISM_TYPE, data: &[u8]) -> Step<Vec<u8>> {
        let mut out = vec![0u8; Digest::Sha512.len()];
        let mut item =
            sys::SECItem { type_: sys::siBuffer, data: out.as_mut_ptr(), len: length(out.len()) };
        let data = Borrowed::new(data);
        fault::status("PK11_SignWithSymKey", || {
            // SAFETY: key and data are live; HMAC takes no parameter; `item` has room for the longest
            // of them, and its length is updated (pk11pub.h).
            unsafe {
                sys::PK11_SignWithSymKey(
                    self.as_ptr(),
                    mechanism,
                    null_mut(),
                    &mut item,
                    data.as_ptr(),
                )
            }
        })?;
        out.truncate(item.len as usize);
        Ok(out)
    }
}

/// Returns the PKCS #11 key type (CKK_…), and the attributes of the permitted uses (CKA_…).
fn class(key_type: KeyType) -> Option<(sys::CK_KEY_TYPE, &'static [c_ulong])> {
    const RSA: &[c_ulong] =
        &[sys::CKA_DECRYPT, sys::CKA_UNWRAP, sys::CKA_SIGN, sys::CKA_SIGN_RECOVER];
    const EC: &[c_ulong] = &[sys::CKA_SIGN, sys::CKA_DERIVE];
    match key_type {
        KeyType::Rsa | KeyType::RsaPss => Some((sys::CKK_RSA, RSA)),
        KeyType::Ec => Some((sys::CKK_EC, EC)),
        KeyType::MlDsa(_) => Some((sys::CKK_ML_DSA, &[sys::CKA_SIGN])),
        KeyType::MlKem(_) | KeyType::Other(_) => None,
    }
}

impl Token {
    /// Decrypts a private key into the token as a session object; nothing is stored. C:
    /// `PK11_UnwrapPrivKey`.
    ///
    /// # Errors
    /// The NSS fault: a wrong password, damage, or an algorithm that NSS or its policy doesn't allow.
    pub fn unwrap_private(
        &self,
        key: &EncryptedKey<'_>,
        password: &[u8],
        label: &str,
    ) -> Step<PrivateKey> {
        let Some((number, uses)) = class(key.key_type) else {
            let code = sys::SEC_ERROR_INVALID_ARGS;
            return Err(Fault::from_code("PK11_UnwrapPrivKey", code));
        };
        let mut request = Request::new(key.pbe, password);
        let wrapping = request.key(self)?;
        let (mechanism, _owned, parameter) = request.key_cipher(key.cipher)?;
        let mut data = Borrowed::new(key.data);
        let mut label = Borrowed::new(label.as_bytes());
        let mut value = Borrowed::new(key.public_value);
        let mut uses = uses.to_vec();
        let raw = fault::pointer("PK11_UnwrapPrivKey", || {
            // SAFETY: slot, key and items are live and only read; `uses` has as many attributes as is
            // said; a session key is handed over (pk11pub.h).
            unsafe {
                sys::PK11_UnwrapPrivKey(
                    self.as_ptr(),
                    wrapping.as_ptr(),
                    mechanism,
                    parameter,
                    data.as_mut_ptr(),
                    label.as_mut_ptr(),
                    value.as_mut_ptr(),
                    super::pr_bool(false),
                    super::pr_bool(true),
                    number,
                    uses.as_mut_ptr(),
                    uses.len() as i32,
                    null_mut(),
                )
            }
        })?;
        // SAFETY: as above.
        Ok(unsafe { PrivateKey::from_raw(self.guard(), raw) })
    }

    /// Stores a session pair in the token: the private key with its label in one transaction, then
    /// the public key. C: `PK11_ConvertSessionPrivKeyToTokenPrivKey`.
    ///
    /// # Errors
    /// [`Kind::Refused`]; then nothing is stored.
    pub fn store(&self, pair: KeyPair, label: &str) -> Result<KeyPair, Error> {
        self.make_permanent(pair, label).map_err(|f| {
            let what = format!("cannot store the key {label:?} in the token {:?}", self.name());
            match self.is_internal() {
                true => not_written(self.guard(), what, f),
                false => Error::new(Kind::Refused, what).because(f),
            }
        })
    }
}

impl PrivateKey {
    /// Encrypts the key under a password, as encryptedData of an EncryptedPrivateKeyInfo (RFC 5208
    /// §6). C: `PK11_WrapPrivKey`.
    ///
    /// # Errors
    /// The NSS fault, for example for a key that isn't extractable.
    pub fn wrap_with_password(
        &self,
        pbe: Pbe<'_>,
        cipher: KeyCipher,
        password: &[u8],
    ) -> Step<Vec<u8>> {
        let Some(token) = self.token() else {
            return Err(Fault::last("PK11_GetSlotFromPrivateKey"));
        };
        let mut request = Request::new(pbe, password);
        let wrapping = request.key(&token)?;
        let (mechanism, _owned, parameter) = request.key_cipher(cipher)?;
        let mut out = vec![0u8; LONGEST_PRIVATE];
        let mut item =
            sys::SECItem { type_: sys::siBuffer, data: out.as_mut_ptr(), len: length(out.len()) };
        fault::status("PK11_WrapPrivKey", || {
            // SAFETY: slot, keys and parameter are live; `item` has `len` octets of room and its
            // length is updated (pk11pub.h).
            unsafe {
                sys::PK11_WrapPrivKey(
                    token.as_ptr(),
                    wrapping.as_ptr(),
                    self.as_ptr(),
                    mechanism,
                    parameter,
                    &mut item,
                    null_mut(),
                )
            }
        })?;
        out.truncate(item.len as usize);
        Ok(out)
    }
}

/// Returns a length for NSS; 0, which every call refuses, if it doesn't fit.
fn length(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(0)
}
