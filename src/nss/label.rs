//! Labels of private keys (CKA_LABEL): what `certutil -K` shows of a key that has no certificate yet.

use std::ffi::{CStr, CString};

use nss_sys as sys;

use super::fault;
use super::handle::Owned;
use super::key::PrivateKey;
use super::token::Token;

impl Token {
    /// CKA_ID of every private key with exactly this label, in no order to rely on. The token must be
    /// logged in.
    pub fn keys_labelled(&self, label: &str) -> Vec<Vec<u8>> {
        let Ok(text) = CString::new(label) else { return Vec::new() };
        // SAFETY: slot and string are live, the string only read (the parameter isn't const in
        // pk11pub.h); a list is handed over.
        let list = fault::pointer("PK11_ListPrivKeysInSlot", || unsafe {
            sys::PK11_ListPrivKeysInSlot(
                self.as_ptr(),
                text.as_ptr().cast_mut(),
                std::ptr::null_mut(),
            )
        });
        let Ok(list) = list else { return Vec::new() };
        let head = list.as_ptr().cast::<sys::PRCList>();
        let mut ids = Vec::new();
        // SAFETY: a SECKEYPrivateKeyList begins with its PRCList (keythi.h), live until it is
        // destroyed below.
        let mut node = unsafe { (*head).next };
        while node != head {
            let entry = node.cast::<sys::SECKEYPrivateKeyListNode>();
            // SAFETY: a node that isn't the head is a SECKEYPrivateKeyListNode
            // (PRIVKEY_LIST_END, keyhi.h).
            let key = unsafe { (*entry).key };
            // SAFETY: the list holds a live key; an item is handed over (pk11pub.h).
            let id = fault::pointer("PK11_GetLowLevelKeyIDForPrivateKey", || unsafe {
                sys::PK11_GetLowLevelKeyIDForPrivateKey(key)
            });
            // SAFETY: the item was allocated for us.
            ids.extend(id.ok().map(|item| unsafe { Owned::from_raw(item) }.to_vec()));
            // SAFETY: nodes are linked in a ring until the head returns.
            node = unsafe { (*node).next };
        }
        // SAFETY: handed over above, destroyed once, with its references to the keys (keyhi.h).
        unsafe { sys::SECKEY_DestroyPrivateKeyList(list.as_ptr()) };
        ids
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
