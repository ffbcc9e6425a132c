//! Keys of earlier runs: finds them by label (CKA_LABEL), which `certutil -K` shows for a key
//! without certificate, and completes their pairs.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use nss_sys as sys;

use super::fault::{self, Fault};
use super::key::{KeyPair, PrivateKey, PublicKey};
use super::token::Token;

impl Token {
    /// Returns the private keys with exactly this label, in no particular order. The token must be
    /// logged in. C: `PK11_ListPrivKeysInSlot`.
    pub fn keys_labelled(&self, label: &str) -> Vec<PrivateKey> {
        CString::new(label).map(|label| self.private_keys(Some(&label))).unwrap_or_default()
    }

    /// Stores the public key of a pair if the token lacks it: a run killed during key generation
    /// leaves none, and NSS needs it to detect, without a login, that a certificate has a key. C:
    /// `PK11_ImportPublicKey`.
    ///
    /// # Errors
    /// The NSS fault; after a login the pair can still be used.
    pub fn complete(&self, pair: &KeyPair) -> std::result::Result<(), Fault> {
        let is_there = match pair.public.spki() {
            Ok(spki) => self.public_keys().contains(&spki),
            Err(_) => true,
        };
        if is_there { Ok(()) } else { self.import_public(&pair.public) }
    }

    /// Returns the DER of the SubjectPublicKeyInfo of every public key in the token.
    pub(crate) fn public_keys(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        self.each_public_key(|key| found.extend(key.spki().ok()));
        found
    }

    /// Deletes the public keys with this SubjectPublicKeyInfo (DER). C:
    /// `PK11_DeleteTokenPublicKey`.
    pub(super) fn delete_public(&self, spki: &[u8]) -> std::result::Result<(), Fault> {
        let mut outcome = Ok(());
        self.each_public_key(|key| {
            if key.spki().is_ok_and(|own| own == spki) {
                outcome = outcome.clone().and(key.delete());
            }
        });
        outcome
    }

    /// Calls `with` for every public key in the token. C: `PK11_ListPublicKeysInSlot`.
    fn each_public_key(&self, mut with: impl FnMut(PublicKey)) {
        // SAFETY: the slot is live; no nickname means all; returns a new list or null (pk11pub.h).
        let list = fault::pointer("PK11_ListPublicKeysInSlot", || unsafe {
            sys::PK11_ListPublicKeysInSlot(self.as_ptr(), std::ptr::null_mut())
        });
        let Ok(list) = list else { return };
        let head = list.as_ptr().cast::<sys::PRCList>();
        // SAFETY: a SECKEYPublicKeyList begins with its PRCList (keythi.h), live until destroyed.
        let mut node = unsafe { (*head).next };
        while node != head {
            let entry = node.cast::<sys::SECKEYPublicKeyListNode>();
            // SAFETY: a node that isn't the head is a SECKEYPublicKeyListNode (keyhi.h).
            let key = unsafe { (*entry).key };
            // SAFETY: the list holds a live key; returns a new reference or null (keyhi.h).
            let copy = NonNull::new(unsafe { sys::SECKEY_CopyPublicKey(key) });
            if let Some(copy) = copy {
                // SAFETY: `copy` is that reference.
                with(unsafe { PublicKey::from_raw(self.guard(), copy) });
            }
            // SAFETY: nodes are linked in a ring until the head returns.
            node = unsafe { (*node).next };
        }
        // SAFETY: handed over above, destroyed once with the keys it holds (keyhi.h).
        unsafe { sys::SECKEY_DestroyPublicKeyList(list.as_ptr()) };
    }
}

impl PrivateKey {
    /// Returns the key's label, if it has one. C: `PK11_GetPrivateKeyNickname`.
    pub fn label(&self) -> Option<String> {
        // SAFETY: the key is live; a PORT_Alloc'ed string or null is handed over (pk11pub.h).
        let raw = unsafe { sys::PK11_GetPrivateKeyNickname(self.as_ptr()) };
        if raw.is_null() {
            return None;
        }
        // SAFETY: not null, NUL-terminated.
        let label = unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned();
        // SAFETY: handed over by PK11_GetPrivateKeyNickname, freed once.
        unsafe { sys::PORT_Free(raw.cast()) };
        Some(label).filter(|l| !l.is_empty())
    }
}
