//! Keys of earlier runs: found by their label (CKA_LABEL), which `certutil -K` shows of a key that has
//! no certificate yet, and completed.

use std::ffi::{CStr, CString};

use nss_sys as sys;

use super::fault::{self, Fault};
use super::handle::Owned;
use super::key::{KeyPair, PrivateKey};
use super::token::Token;

impl Token {
    /// The private keys with exactly this label, in no order to rely on. The token must be logged in.
    pub fn keys_labelled(&self, label: &str) -> Vec<PrivateKey> {
        CString::new(label).map(|label| self.private_keys(Some(&label))).unwrap_or_default()
    }

    /// Stores the public half of a pair that the token lacks: a run killed in the midst of making the
    /// pair left none, and NSS needs it to know, without a login, that a certificate has a key.
    ///
    /// # Errors
    /// The NSS fault; the pair is as good for whoever is logged in.
    pub fn complete(&self, pair: &KeyPair) -> std::result::Result<(), Fault> {
        let is_there = match pair.public.spki() {
            Ok(spki) => self.public_keys().contains(&spki),
            Err(_) => true,
        };
        if is_there { Ok(()) } else { self.import_public(&pair.public) }
    }

    /// DER of the SubjectPublicKeyInfo of every public key in the token.
    fn public_keys(&self) -> Vec<Vec<u8>> {
        // SAFETY: the slot is live; no nickname means all; a list or null is handed over (pk11pub.h).
        let list = fault::pointer("PK11_ListPublicKeysInSlot", || unsafe {
            sys::PK11_ListPublicKeysInSlot(self.as_ptr(), std::ptr::null_mut())
        });
        let Ok(list) = list else { return Vec::new() };
        let head = list.as_ptr().cast::<sys::PRCList>();
        let mut found = Vec::new();
        // SAFETY: a SECKEYPublicKeyList begins with its PRCList (keythi.h), live until destroyed.
        let mut node = unsafe { (*head).next };
        while node != head {
            let entry = node.cast::<sys::SECKEYPublicKeyListNode>();
            // SAFETY: a node that isn't the head is a SECKEYPublicKeyListNode (keyhi.h).
            let key = unsafe { (*entry).key };
            // SAFETY: the list holds a live key; an item is handed over (keyhi.h).
            let item = fault::pointer("SECKEY_EncodeDERSubjectPublicKeyInfo", || unsafe {
                sys::SECKEY_EncodeDERSubjectPublicKeyInfo(key)
            });
            // SAFETY: the item was allocated for us.
            found.extend(item.ok().map(|item| unsafe { Owned::from_raw(item) }.to_vec()));
            // SAFETY: nodes are linked in a ring until the head returns.
            node = unsafe { (*node).next };
        }
        // SAFETY: handed over above, destroyed once with the keys it holds (keyhi.h).
        unsafe { sys::SECKEY_DestroyPublicKeyList(list.as_ptr()) };
        found
    }
}

impl PrivateKey {
    /// Its label; none for a key without.
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
