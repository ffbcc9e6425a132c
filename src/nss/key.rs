//! Private keys: finds, signs with and deletes them. A key never leaves its token.

use std::ffi::CString;
use std::ptr::NonNull;

use nss_sys as sys;

use super::alone::alone;
use super::database::Database;
use super::digest::hash;
use super::fault::{self, Fault};
use super::handle::{Borrowed, Filled, Owned, handle};
use super::token::{Token, key_missing};
use crate::algorithm::{Digest, KemSet, KeySpec, KeyType, ParameterSet, Scheme, Signer};
use crate::error::{Error, Kind, Result};
use crate::keyid::to_hex;

handle! {
    /// A private key in a token. C: `SECKEYPrivateKey`, released by `SECKEY_DestroyPrivateKey`,
    /// which keeps a token key in its token.
    PrivateKey, sys::SECKEYPrivateKey, sys::SECKEY_DestroyPrivateKey
}

handle! {
    /// A public key. C: `SECKEYPublicKey`, released by `SECKEY_DestroyPublicKey`.
    PublicKey, sys::SECKEYPublicKey, sys::SECKEY_DestroyPublicKey
}

/// The storage and the uses of a new key.
#[derive(Debug, Clone, Copy)]
pub struct KeyFlags {
    /// Whether it stays in the token, or exists only until the process ends.
    pub permanent: bool,
    /// Whether the token never reveals it in the clear (CKA_SENSITIVE).
    pub sensitive: bool,
    /// Whether it may be wrapped for archival (CKA_EXTRACTABLE); `None` leaves it to the token.
    pub extractable: Option<bool>,
    /// The permitted uses of the key.
    pub uses: KeyUses,
}

/// The permitted uses of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUses {
    /// All the token allows for this type.
    Default,
    /// No derivation: an EC key that only signs.
    Signing,
    /// No signature: an EC key for ECDH.
    Agreement,
    /// Signature, encryption and wrapping forced on (RSA).
    Everything,
}

impl KeyUses {
    /// Returns the PKCS #11 flags (`CKF_…`), and the mask of the flags that are forced on or off.
    pub(super) fn flags(self) -> (sys::CK_FLAGS, sys::CK_FLAGS) {
        let everything = sys::CKF_ENCRYPT
            | sys::CKF_DECRYPT
            | sys::CKF_WRAP
            | sys::CKF_UNWRAP
            | sys::CKF_SIGN
            | sys::CKF_SIGN_RECOVER;
        match self {
            KeyUses::Default => (0, 0),
            KeyUses::Signing => (0, sys::CKF_DERIVE),
            KeyUses::Agreement => (0, sys::CKF_SIGN | sys::CKF_SIGN_RECOVER),
            KeyUses::Everything => (everything, everything),
        }
    }
}

impl KeyFlags {
    /// Returns the flags of a permanent, sensitive key; the token decides whether it is
    /// extractable.
    pub fn permanent(spec: KeySpec) -> KeyFlags {
        let uses = match spec {
            // Signing only, as Dogtag's tools make EC keys.
            KeySpec::Ec(_) => KeyUses::Signing,
            KeySpec::Rsa(_) | KeySpec::MlDsa(_) | KeySpec::MlKem(_) => KeyUses::Default,
        };
        KeyFlags { permanent: true, sensitive: true, extractable: None, uses }
    }

    pub(super) fn attributes(self) -> sys::PK11AttrFlags {
        let sensitive = if self.sensitive {
            sys::PK11_ATTR_SENSITIVE | sys::PK11_ATTR_PRIVATE
        } else {
            sys::PK11_ATTR_INSENSITIVE | sys::PK11_ATTR_PUBLIC
        };
        let kept = if self.permanent { sys::PK11_ATTR_TOKEN } else { sys::PK11_ATTR_SESSION };
        let extractable = match self.extractable {
            None => 0,
            Some(true) => sys::PK11_ATTR_EXTRACTABLE,
            Some(false) => sys::PK11_ATTR_UNEXTRACTABLE,
        };
        sensitive | kept | extractable
    }
}

/// A newly generated key pair. Dropping it keeps a permanent key in its token; [`KeyPair::discard`]
/// deletes it.
#[derive(Debug)]
pub struct KeyPair {
    /// The private half.
    pub private: PrivateKey,
    /// The public half.
    pub public: PublicKey,
}

impl Token {
    /// Returns the private key with the CKA_ID `id` in this token. C: `PK11_FindKeyByKeyID`.
    pub fn find_key(&self, id: &[u8]) -> Option<PrivateKey> {
        let mut item = Borrowed::new(id);
        // SAFETY: slot and item are live; the id is only read (pk11pub.h).
        let raw = fault::pointer("PK11_FindKeyByKeyID", || unsafe {
            sys::PK11_FindKeyByKeyID(self.as_ptr(), item.as_mut_ptr(), std::ptr::null_mut())
        });
        // SAFETY: PK11_FindKeyByKeyID hands over a reference. Only permanent keys are looked up by
        // id: a second owner of a session key would destroy the object.
        raw.ok().map(|r| unsafe { PrivateKey::from_raw(self.guard(), r) })
    }
}

impl Database {
    /// Returns the private key with the CKA_ID `id` in any logged-in token.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn find_key(&self, id: &[u8]) -> Result<PrivateKey> {
        self.tokens()?.iter().find_map(|t| t.find_key(id)).ok_or_else(|| {
            let id = to_hex(id);
            let what = format!("private key {id} not found in NSS database {}", self.name());
            key_missing(self.guard(), Error::new(Kind::NotFound, what), None)
        })
    }
}

impl KeyPair {
    /// Deletes both keys from the token, for a run that failed. C: `PK11_DeleteTokenPrivateKey`,
    /// `PK11_DeleteTokenPublicKey`.
    ///
    /// # Errors
    /// The NSS fault; the caller reports the key that was not deleted.
    pub fn discard(self) -> std::result::Result<(), Fault> {
        let KeyPair { private, public } = self;
        let first = private.delete();
        first.and(public.delete())
    }
}

impl PublicKey {
    /// Deletes the key object from its token. C: `PK11_DeleteTokenPublicKey`.
    ///
    /// # Errors
    /// The NSS fault.
    pub(super) fn delete(self) -> std::result::Result<(), Fault> {
        let (raw, _guard) = self.into_raw();
        let _alone = alone();
        // SAFETY: the call consumes the reference while the guard keeps NSS initialised; for a
        // session object it only frees it (pk11pub.h).
        fault::status("PK11_DeleteTokenPublicKey", || unsafe {
            sys::PK11_DeleteTokenPublicKey(raw)
        })
    }

    /// Returns the DER of the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). C:
    /// `SECKEY_EncodeDERSubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`Kind::Refused`] when NSS can't encode this type of key.
    pub fn spki(&self) -> Result<Vec<u8>> {
        // SAFETY: the key is live; an item is handed over (keyhi.h).
        let item = fault::pointer("SECKEY_EncodeDERSubjectPublicKeyInfo", || unsafe {
            sys::SECKEY_EncodeDERSubjectPublicKeyInfo(self.as_ptr())
        })
        .map_err(|f| Error::new(Kind::Refused, "cannot encode the public key").because(f))?;
        // SAFETY: NSS allocated the item for the caller.
        Ok(unsafe { Owned::from_raw(item) }.to_vec())
    }
}

impl PrivateKey {
    /// Returns the public key. C: `SECKEY_ConvertToPublicKey`.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the token doesn't reveal it.
    pub fn public(&self) -> Result<PublicKey> {
        // SAFETY: the key is live; a new public key is handed over (keyhi.h).
        let raw = fault::pointer("SECKEY_ConvertToPublicKey", || unsafe {
            sys::SECKEY_ConvertToPublicKey(self.as_ptr())
        })
        .map_err(|f| {
            Error::new(Kind::Refused, "cannot read the public key of the private key").because(f)
        })?;
        // SAFETY: SECKEY_ConvertToPublicKey handed over a new key.
        Ok(unsafe { PublicKey::from_raw(self.guard(), raw) })
    }

    /// Returns the CKA_ID, as `certutil -K` shows it. C: `PK11_GetLowLevelKeyIDForPrivateKey`.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the token doesn't reveal it.
    pub fn id(&self) -> Result<Vec<u8>> {
        // SAFETY: the key is live; an item is handed over (pk11pub.h).
        let item = fault::pointer("PK11_GetLowLevelKeyIDForPrivateKey", || unsafe {
            sys::PK11_GetLowLevelKeyIDForPrivateKey(self.as_ptr())
        })
        .map_err(|f| Error::new(Kind::Refused, "cannot read the key's id").because(f))?;
        // SAFETY: NSS allocated the item for the caller.
        Ok(unsafe { Owned::from_raw(item) }.to_vec())
    }

    /// Returns the key's token. C: `PK11_GetSlotFromPrivateKey`.
    pub fn token(&self) -> Option<Token> {
        // SAFETY: the key is live; a slot reference is handed over (pk11pub.h).
        let raw = NonNull::new(unsafe { sys::PK11_GetSlotFromPrivateKey(self.as_ptr()) });
        // SAFETY: PK11_GetSlotFromPrivateKey handed over a reference.
        raw.map(|r| unsafe { Token::from_raw(self.guard(), r) })
    }

    /// Returns a session copy in the same token, where the token allows one. NSS before 3.90
    /// derives the password key for every use of an RSA token key (55 ms each); with a copy it does
    /// so once. C: `PK11_CopyTokenPrivKeyToSessionPrivKey`.
    pub fn session_copy(&self) -> Option<PrivateKey> {
        let token = self.token()?;
        // SAFETY: slot and key are live; a new session key is handed over (pk11pub.h).
        let raw = fault::pointer("PK11_CopyTokenPrivKeyToSessionPrivKey", || unsafe {
            sys::PK11_CopyTokenPrivKeyToSessionPrivKey(token.as_ptr(), self.as_ptr())
        });
        // SAFETY: the call handed over a new key.
        raw.ok().map(|r| unsafe { PrivateKey::from_raw(self.guard(), r) })
    }

    /// Sets the key's label (CKA_LABEL), which `certutil -K` shows as long as the key has no
    /// certificate. C: `PK11_SetPrivateKeyNickname`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn set_label(&self, label: &str) -> std::result::Result<(), Fault> {
        let text = CString::new(label.replace('\0', " ")).unwrap_or_default();
        let _alone = alone();
        // SAFETY: the key is live; the string is NUL-terminated and only read (pk11pub.h).
        fault::status("PK11_SetPrivateKeyNickname", || unsafe {
            sys::PK11_SetPrivateKeyNickname(self.as_ptr(), text.as_ptr())
        })
    }

    /// Deletes the key object from its token. C: `PK11_DeleteTokenPrivateKey`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn delete(self) -> std::result::Result<(), Fault> {
        let (raw, _guard) = self.into_raw();
        let _alone = alone();
        // SAFETY: the call deletes the object and consumes the reference while the guard keeps NSS
        // initialised. PR_TRUE: even if a certificate for it exists, which is only so when this run
        // imported it (pk11pub.h).
        fault::status("PK11_DeleteTokenPrivateKey", || unsafe {
            sys::PK11_DeleteTokenPrivateKey(raw, super::pr_bool(true))
        })
    }

    /// Returns the type of an ML-DSA or ML-KEM key, from the object identifier in its public key.
    fn parameter_set(&self) -> Option<KeyType> {
        let spki = self.public().and_then(|p| p.spki()).ok()?;
        let head = spki.get(..spki.len().min(32))?;
        let names = |id: [u8; 9]| head.windows(9).any(|w| w == id);
        let dsa = ParameterSet::ALL.into_iter().find(|set| names(set.oid_octets()));
        let kem = KemSet::ALL.into_iter().find(|set| names(set.oid_octets()));
        dsa.map(KeyType::MlDsa).or(kem.map(KeyType::MlKem))
    }

    fn sign_whole(
        &self,
        tag: sys::SECOidTag,
        message: &[u8],
    ) -> std::result::Result<Vec<u8>, Fault> {
        let mut out = Filled::new();
        let len = i32::try_from(message.len()).unwrap_or(-1);
        // SAFETY: `message` has `len` bytes, the key is live, `out` is an empty item to fill; a
        // negative length is refused by NSS (cryptohi.h).
        fault::status("SEC_SignData", || unsafe {
            sys::SEC_SignData(out.as_mut_ptr(), message.as_ptr(), len, self.as_ptr(), tag)
        })?;
        Ok(out.to_vec())
    }

    fn sign_pss(&self, digest: Digest, salt: usize, message: &[u8]) -> Result<Vec<u8>> {
        let hashed = hash(digest, message)?;
        let (hash_mechanism, mgf) = match digest {
            Digest::Sha1 => (sys::CKM_SHA_1, sys::CKG_MGF1_SHA1),
            Digest::Sha256 => (sys::CKM_SHA256, sys::CKG_MGF1_SHA256),
            Digest::Sha384 => (sys::CKM_SHA384, sys::CKG_MGF1_SHA384),
            Digest::Sha512 => (sys::CKM_SHA512, sys::CKG_MGF1_SHA512),
        };
        let mut parameters = sys::CK_RSA_PKCS_PSS_PARAMS {
            hashAlg: hash_mechanism,
            mgf,
            sLen: salt as sys::CK_ULONG,
        };
        let parameters = sys::SECItem {
            type_: sys::siBuffer,
            data: std::ptr::from_mut(&mut parameters).cast(),
            len: size_of::<sys::CK_RSA_PKCS_PSS_PARAMS>() as u32,
        };
        // SAFETY: the key is live (pk11pub.h).
        let len = unsafe { sys::PK11_SignatureLen(self.as_ptr()) };
        let mut out = vec![0u8; usize::try_from(len).unwrap_or(0)];
        let mut signature =
            sys::SECItem { type_: sys::siBuffer, data: out.as_mut_ptr(), len: out.len() as u32 };
        let hashed = Borrowed::new(&hashed);
        fault::status("PK11_SignWithMechanism", || {
            // SAFETY: key and items are live; `signature` has PK11_SignatureLen bytes of room and
            // its length is updated; the parameter is a CK_RSA_PKCS_PSS_PARAMS (PKCS #11).
            unsafe {
                sys::PK11_SignWithMechanism(
                    self.as_ptr(),
                    sys::CKM_RSA_PKCS_PSS,
                    &parameters,
                    &mut signature,
                    hashed.as_ptr(),
                )
            }
        })
        .map_err(cannot_sign)?;
        out.truncate(signature.len as usize);
        Ok(out)
    }
}

/// Returns the error for a token without ML-DSA or ML-KEM, which `what` names.
pub(super) fn no_lattice(what: &str, token: &str) -> Error {
    Error::new(Kind::Refused, format!("token {token:?} does not support {what}"))
        .because(too_old())
        .hint("use --key-type rsa:BITS or ec:CURVE, or a newer NSS")
}

/// NSS has ML-DSA and ML-KEM keys, with their signatures and certificates, since 3.118.
fn too_old() -> String {
    format!("NSS supports it from 3.118 on; this is {}", super::version())
}

impl Database {
    /// Checks that NSS can verify signatures of an algorithm (content octets of its OBJECT
    /// IDENTIFIER): of ML-DSA it can't before 3.118, and would call the key unsupported.
    ///
    /// # Errors
    /// [`Kind::Refused`].
    pub fn can_verify(&self, algorithm: &[u8]) -> Result<()> {
        let set = ParameterSet::ALL.into_iter().find(|set| set.oid_octets() == algorithm);
        match set {
            Some(set) if ml_dsa_tag(set).is_none() => {
                let name = KeyType::MlDsa(set);
                Err(Error::new(Kind::Refused, format!("cannot verify an {name} signature"))
                    .because(too_old())
                    .hint("use a host with NSS 3.118 or later"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns CKP_ML_DSA_44, _65 or _87 (PKCS #11 3.2).
pub(super) fn ckp_ml_dsa(set: ParameterSet) -> sys::CK_ULONG {
    match set {
        ParameterSet::MlDsa44 => 1,
        ParameterSet::MlDsa65 => 2,
        ParameterSet::MlDsa87 => 3,
    }
}

/// Returns CKP_ML_KEM_512, _768 or _1024 (PKCS #11 3.2).
pub(super) fn ckp_ml_kem(set: KemSet) -> sys::CK_ULONG {
    match set {
        KemSet::MlKem512 => 1,
        KemSet::MlKem768 => 2,
        KemSet::MlKem1024 => 3,
    }
}

/// Returns NSS's tag for an ML-DSA object identifier; older NSS has none. C: `SECOID_FindOIDTag`.
fn ml_dsa_tag(set: ParameterSet) -> Option<sys::SECOidTag> {
    let octets = set.oid_octets();
    let oid = Borrowed::new(&octets);
    // SAFETY: the item outlives the call and is only read (secoid.h).
    let tag = unsafe { sys::SECOID_FindOIDTag(oid.as_ptr()) };
    (tag != sys::SEC_OID_UNKNOWN).then_some(tag)
}

fn cannot_sign(f: Fault) -> Error {
    Error::new(Kind::Refused, "cannot sign with the private key")
        .because(f)
        .hint("check that the token is logged in and allows this key and digest")
}

impl Signer for PrivateKey {
    fn key_type(&self) -> KeyType {
        // SAFETY: the key is live (keyhi.h).
        match unsafe { sys::SECKEY_GetPrivateKeyType(self.as_ptr()) } {
            sys::rsaKey => KeyType::Rsa,
            sys::rsaPssKey => KeyType::RsaPss,
            sys::ecKey => KeyType::Ec,
            lattice @ (sys::mldsaKey | sys::kyberKey) => {
                self.parameter_set().unwrap_or(KeyType::Other(lattice))
            }
            other => KeyType::Other(other),
        }
    }

    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        let tag = match scheme {
            Scheme::RsaPss { digest, salt } => return self.sign_pss(digest, salt, message),
            Scheme::RsaPkcs1(Digest::Sha256) => sys::SEC_OID_PKCS1_SHA256_WITH_RSA_ENCRYPTION,
            Scheme::RsaPkcs1(Digest::Sha384) => sys::SEC_OID_PKCS1_SHA384_WITH_RSA_ENCRYPTION,
            Scheme::RsaPkcs1(Digest::Sha512) => sys::SEC_OID_PKCS1_SHA512_WITH_RSA_ENCRYPTION,
            Scheme::Ecdsa(Digest::Sha256) => sys::SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE,
            Scheme::Ecdsa(Digest::Sha384) => sys::SEC_OID_ANSIX962_ECDSA_SHA384_SIGNATURE,
            Scheme::Ecdsa(Digest::Sha512) => sys::SEC_OID_ANSIX962_ECDSA_SHA512_SIGNATURE,
            Scheme::MlDsa(set) => {
                let name = || self.token().map(|t| t.name()).unwrap_or_default();
                ml_dsa_tag(set).ok_or_else(|| no_lattice("ML-DSA", &name()))?
            }
            Scheme::RsaPkcs1(Digest::Sha1) | Scheme::Ecdsa(Digest::Sha1) => {
                return Err(Error::new(Kind::Refused, "refusing to sign with SHA-1"));
            }
        };
        self.sign_whole(tag, message).map_err(cannot_sign)
    }
}
