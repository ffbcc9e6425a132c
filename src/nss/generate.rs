//! Key generation: a key has its label from the moment it is in its token.

use std::ffi::CStr;
use std::ptr::NonNull;

use nss_sys as sys;

use super::alone::alone;
use super::database::{disk_full, not_written};
use super::fault::{self, Fault};
use super::handle::Borrowed;
use super::key::{KeyFlags, KeyPair, PrivateKey, PublicKey, ckp_ml_dsa, ckp_ml_kem, no_lattice};
use super::token::Token;
use crate::algorithm::KeySpec;
use crate::error::{Error, Kind, Result};
use crate::keyid::to_hex;

/// The result of one generation.
type Made = std::result::Result<KeyPair, Fault>;

impl Token {
    /// Generates a key pair in the token, which must be logged in. C:
    /// `PK11_GenerateKeyPairWithOpFlags`.
    ///
    /// A permanent key has the label (CKA_LABEL) from the start: it is generated as a session
    /// object, labelled, and copied to the token in one transaction, so that a killed run leaves no
    /// unlabelled key.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the token refuses (size, curve, policy, read-only, disk full).
    pub fn generate(&self, spec: KeySpec, flags: KeyFlags, label: &str) -> Result<KeyPair> {
        self.generate_for_request(spec, flags, label).map(|(pair, _)| pair)
    }

    /// As [`Token::generate`]; also returns the session key that a permanent one was copied from, if
    /// there is one. It signs without the password key that NSS before 3.90 derives for each use of a
    /// key in its database: twice for an EC key, twelve times for an RSA key. It must be dropped before
    /// the key is looked up by its id: NSS could return the session key, and destroy it twice.
    ///
    /// # Errors
    /// As [`Token::generate`].
    pub fn generate_for_request(
        &self,
        spec: KeySpec,
        mut flags: KeyFlags,
        label: &str,
    ) -> Result<(KeyPair, Option<PrivateKey>)> {
        let newer = match spec {
            KeySpec::Rsa(_) | KeySpec::Ec(_) => None,
            KeySpec::MlDsa(_) => Some("ML-DSA"),
            KeySpec::MlKem(_) => Some("ML-KEM"),
        };
        if let Some(what) = newer.filter(|_| !self.lists_generation(spec)) {
            return Err(no_lattice(what, &self.name()));
        }
        // In FIPS mode every key is sensitive.
        flags.sensitive |= self.is_fips();
        // SAFETY: the slot is live (pk11pub.h).
        let read_only = unsafe { sys::PK11_IsReadOnly(self.as_ptr()) } != 0;
        if !flags.permanent || read_only {
            let made = self.generate_pair(spec, flags).map_err(|f| self.not_generated(spec, f));
            return made.map(|pair| (pair, None));
        }
        let session = KeyFlags { permanent: false, ..flags };
        let Ok(pair) = self.generate_pair(spec, session) else {
            // The token can't generate session keys.
            return self.generate_directly(spec, flags, label).map(|pair| (pair, None));
        };
        let id = pair.private.id().unwrap_or_default();
        let KeyPair { private: session, public } = pair;
        let copied = self.copy_to_token(&session, &public, label);
        // Only token keys are looked up by id below.
        let session = copied.is_ok().then_some(session);
        match copied {
            Ok(private) => Ok((KeyPair { private, public }, session)),
            Err(f) if !id.is_empty() && self.find_key(&id).is_some() => {
                let id = to_hex(&id);
                let left = format!("a key is left in the token, id {id}, label {label:?}");
                Err(self.not_generated(spec, f).note(left))
            }
            // No key is in the token, and none fits.
            Err(f) if self.disk_is_full() => Err(self.not_generated(spec, f)),
            // The token can't copy session keys.
            Err(_) => self.generate_directly(spec, flags, label).map(|pair| (pair, None)),
        }
    }

    /// Generates the key in the token directly, and labels it afterwards.
    fn generate_directly(&self, spec: KeySpec, flags: KeyFlags, label: &str) -> Result<KeyPair> {
        let before: Vec<_> = self.private_keys(None).iter().map(PrivateKey::object).collect();
        match self.generate_pair(spec, flags) {
            Ok(pair) => {
                // Some tokens support no label; the key works without one.
                pair.private.set_label(label).ok();
                Ok(pair)
            }
            Err(f) => Err(self.remove_new_keys(&before, self.not_generated(spec, f))),
        }
    }

    /// Deletes the keys that a failed generation left; the error gets a note about any that can't
    /// be deleted. NSS sets CKA_ID last: a key that has one is complete, and belongs to another
    /// process.
    fn remove_new_keys(&self, before: &[sys::CK_OBJECT_HANDLE], mut error: Error) -> Error {
        for key in self.private_keys(None) {
            let is_ours = !before.contains(&key.object()) && key.id().is_ok_and(|id| id.is_empty());
            if is_ours && let Err(f) = key.delete() {
                error = error.note(format!("a key without id is left in the token: {f}"));
            }
        }
        error
    }

    /// Returns the private keys of the token: those with exactly this label, or all. C:
    /// `PK11_ListPrivKeysInSlot`.
    pub(super) fn private_keys(&self, label: Option<&CStr>) -> Vec<PrivateKey> {
        let label = label.map_or(std::ptr::null_mut(), |l| l.as_ptr().cast_mut());
        // SAFETY: slot and string are live, the string only read (the parameter isn't const in
        // pk11pub.h); a list or null is handed over.
        let list = fault::pointer("PK11_ListPrivKeysInSlot", || unsafe {
            sys::PK11_ListPrivKeysInSlot(self.as_ptr(), label, std::ptr::null_mut())
        });
        let Ok(list) = list else { return Vec::new() };
        let head = list.as_ptr().cast::<sys::PRCList>();
        let mut keys = Vec::new();
        // SAFETY: a SECKEYPrivateKeyList begins with its PRCList (keythi.h), live until destroyed.
        let mut node = unsafe { (*head).next };
        while node != head {
            let entry = node.cast::<sys::SECKEYPrivateKeyListNode>();
            // SAFETY: a node that isn't the head is a SECKEYPrivateKeyListNode (keyhi.h).
            let key = unsafe { (*entry).key };
            // SAFETY: the list holds a live key; returns a new reference or null (keyhi.h).
            let copy = NonNull::new(unsafe { sys::SECKEY_CopyPrivateKey(key) });
            // SAFETY: `c` is the reference just taken. The list has only token keys, which no
            // handle destroys.
            keys.extend(copy.map(|c| unsafe { PrivateKey::from_raw(self.guard(), c) }));
            // SAFETY: nodes are linked in a ring until the head returns.
            node = unsafe { (*node).next };
        }
        // SAFETY: handed over above, destroyed once with the keys it holds.
        unsafe { sys::SECKEY_DestroyPrivateKeyList(list.as_ptr()) };
        keys
    }

    /// Labels a session pair and copies it to the token. C:
    /// `PK11_ConvertSessionPrivKeyToTokenPrivKey`.
    pub(super) fn make_permanent(&self, pair: KeyPair, label: &str) -> Made {
        let KeyPair { private, public } = pair;
        let private = self.copy_to_token(&private, &public, label)?;
        Ok(KeyPair { private, public })
    }

    /// Labels a session key and copies it to the token, with its public half.
    fn copy_to_token(
        &self,
        private: &PrivateKey,
        public: &PublicKey,
        label: &str,
    ) -> std::result::Result<PrivateKey, Fault> {
        // Some tokens support no label; the key works without one.
        private.set_label(label).ok();
        let raw = fault::pointer("PK11_ConvertSessionPrivKeyToTokenPrivKey", || {
            let _alone = alone();
            // SAFETY: the key is live; a key of its own for the new object is handed over
            // (pk11pub.h).
            unsafe {
                sys::PK11_ConvertSessionPrivKeyToTokenPrivKey(
                    private.as_ptr(),
                    std::ptr::null_mut(),
                )
            }
        })?;
        // SAFETY: PK11_ConvertSessionPrivKeyToTokenPrivKey handed over a reference.
        let private = unsafe { PrivateKey::from_raw(self.guard(), raw) };
        // Store the public key too, as direct generation does: without a login NSS uses it to
        // detect that a certificate has a key, and not every token reveals the point of an EC key.
        if let Err(fault) = self.import_public(public) {
            private.delete()?;
            return Err(fault);
        }
        Ok(private)
    }

    /// Stores a public key in the token, beside its private key. C: `PK11_ImportPublicKey`.
    pub(super) fn import_public(&self, public: &PublicKey) -> std::result::Result<(), Fault> {
        let _alone = alone();
        fault::clear();
        // SAFETY: slot and key are live; NSS keeps slot and object in the key, which owns both
        // (pk11pub.h).
        let object = unsafe {
            sys::PK11_ImportPublicKey(self.as_ptr(), public.as_ptr(), super::pr_bool(true))
        };
        match object {
            sys::CK_INVALID_HANDLE => Err(Fault::last("PK11_ImportPublicKey")),
            _ => Ok(()),
        }
    }

    fn disk_is_full(&self) -> bool {
        self.is_internal() && disk_full(self.guard()).is_some()
    }

    fn not_generated(&self, spec: KeySpec, f: Fault) -> Error {
        let what = format!("cannot generate an {spec} key in token {:?}", self.name());
        if self.disk_is_full() {
            return not_written(self.guard(), what, f);
        }
        let hint = if f.code == sys::SEC_ERROR_READ_ONLY {
            "open the database for writing"
        } else {
            "choose another --key-type, or check the token's login"
        };
        Error::new(Kind::Refused, what).because(f).hint(hint)
    }

    fn generate_pair(&self, spec: KeySpec, flags: KeyFlags) -> Made {
        let mut rsa = sys::PK11RSAGenParams { keySizeInBits: 0, pe: 65537 };
        let mut curve;
        let mut set: sys::CK_ULONG;
        let (mechanism, parameters) = match spec {
            KeySpec::Rsa(bits) => {
                rsa.keySizeInBits = i32::try_from(bits).unwrap_or(i32::MAX);
                (sys::CKM_RSA_PKCS_KEY_PAIR_GEN, std::ptr::from_mut(&mut rsa).cast())
            }
            KeySpec::Ec(c) => {
                curve = Borrowed::new(c.oid_der());
                (sys::CKM_EC_KEY_PAIR_GEN, curve.as_mut_ptr().cast())
            }
            KeySpec::MlDsa(wanted) => {
                set = ckp_ml_dsa(wanted);
                (sys::CKM_ML_DSA_KEY_PAIR_GEN, std::ptr::from_mut(&mut set).cast())
            }
            KeySpec::MlKem(wanted) => {
                set = ckp_ml_kem(wanted);
                (sys::CKM_ML_KEM_KEY_PAIR_GEN, std::ptr::from_mut(&mut set).cast())
            }
        };
        let (on, mask) = flags.uses.flags();
        let mut public = std::ptr::null_mut();
        let private = fault::pointer("PK11_GenerateKeyPairWithOpFlags", || {
            let _alone = flags.permanent.then(alone);
            // SAFETY: the slot is live; `parameters` is what the mechanism wants (PK11RSAGenParams,
            // a SECItem with ECParameters, or a CK_ML_DSA_PARAMETER_SET_TYPE or its like for ML-KEM)
            // and outlives the call.
            unsafe {
                sys::PK11_GenerateKeyPairWithOpFlags(
                    self.as_ptr(),
                    mechanism,
                    parameters,
                    &mut public,
                    flags.attributes(),
                    on,
                    mask,
                    std::ptr::null_mut(),
                )
            }
        })?;
        // SAFETY: the call handed over both keys.
        let private = unsafe { PrivateKey::from_raw(self.guard(), private) };
        let Some(public) = NonNull::new(public) else {
            // Without its public key, the private key can't be used or found.
            private.delete().ok();
            return Err(Fault::from_code("PK11_GenerateKeyPairWithOpFlags", 0));
        };
        // SAFETY: the call handed over both keys.
        let public = unsafe { PublicKey::from_raw(self.guard(), public) };
        Ok(KeyPair { private, public })
    }
}

impl PrivateKey {
    /// Returns the handle of its PKCS #11 object, unique in the token while NSS is initialised.
    fn object(&self) -> sys::CK_OBJECT_HANDLE {
        // SAFETY: the key is live; the field is read, not referred to.
        unsafe { (*self.as_ptr()).pkcs11ID }
    }
}
