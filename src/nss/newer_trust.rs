//! Recognises trust that a newer NSS has set, in a form that the loaded one does not read.

use std::ptr::NonNull;

use nss_sys as sys;

use super::database::Database;
use super::handle::Filled;
use super::token::Token;

/// CKO_TRUST (PKCS #11 v3.2 §4.17), the trust objects of newer NSS. Older NSS has a class of its own
/// for them (CKO_NSS_TRUST), and doesn't know this one; but it finds objects of any class.
const TRUST: sys::CK_OBJECT_CLASS = 0x0b;
/// CKA_ISSUER and CKA_SERIAL_NUMBER: DER of a Name and of an INTEGER.
const ISSUER: sys::CK_ATTRIBUTE_TYPE = 0x81;
const SERIAL: sys::CK_ATTRIBUTE_TYPE = 0x82;
/// CKA_PKCS_TRUST_SERVER_AUTH and CKA_PKCS_TRUST_CLIENT_AUTH.
const FOR_SSL: [sys::CK_ATTRIBUTE_TYPE; 2] = [0x62c, 0x62d];
/// CKT_TRUST_ANCHOR.
const ANCHOR: u8 = 2;
/// The most trust objects looked at.
const MOST: usize = 10_000;

/// A list of objects (`PK11_FindGenericObjects`).
struct Objects(NonNull<sys::PK11GenericObject>);

impl Drop for Objects {
    fn drop(&mut self) {
        // SAFETY: the first object of a list that NSS handed over; freed once (pk11pub.h).
        unsafe { sys::PK11_DestroyGenericObjects(self.0.as_ptr()) };
    }
}

impl Database {
    /// Returns whether the database has an object by which a newer NSS trusts a CA for SSL: that
    /// with this issuer (DER of the Name) and serial number (DER of the INTEGER). The loaded NSS may
    /// read it or not; [`super::Certificate::ca_trust`] tells. C: `PK11_FindGenericObjects`.
    pub fn has_newer_trust(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.token("internal").is_ok_and(|token| has_trust(&token, issuer, serial))
    }
}

fn has_trust(token: &Token, issuer: &[u8], serial: &[u8]) -> bool {
    // SAFETY: the slot is live; a list or null is handed over (pk11pub.h).
    let first = unsafe { sys::PK11_FindGenericObjects(token.as_ptr(), TRUST) };
    let Some(list) = NonNull::new(first).map(Objects) else { return false };
    let mut next = Some(list.0);
    for _ in 0..MOST {
        let Some(object) = next else { return false };
        let is_it = read(object, ISSUER).is_some_and(|octets| octets == issuer)
            && read(object, SERIAL).is_some_and(|octets| octets == serial);
        if is_it && FOR_SSL.iter().any(|id| read(object, *id).is_some_and(|v| is_anchor(&v))) {
            return true;
        }
        // SAFETY: an object of the live list; null after the last one (pk11pub.h).
        next = NonNull::new(unsafe { sys::PK11_GetNextGenericObject(object.as_ptr()) });
    }
    false
}

/// Returns whether a CK_TRUST is CKT_TRUST_ANCHOR: a CK_ULONG where NSS knows the attribute, else
/// the four octets, high one first, that are in the database.
fn is_anchor(octets: &[u8]) -> bool {
    match octets {
        [0, 0, 0, ANCHOR] => true,
        octets => octets == sys::CK_ULONG::from(ANCHOR).to_ne_bytes(),
    }
}

/// Returns an attribute of an object. C: `PK11_ReadRawAttribute`.
fn read(
    object: NonNull<sys::PK11GenericObject>,
    attribute: sys::CK_ATTRIBUTE_TYPE,
) -> Option<Vec<u8>> {
    let mut item = Filled::new();
    // SAFETY: a live object of the kind named; the item is filled with octets of its own, or left
    // empty (pk11pub.h).
    let status = unsafe {
        sys::PK11_ReadRawAttribute(
            sys::PK11_TypeGeneric,
            object.as_ptr().cast(),
            attribute,
            item.as_mut_ptr(),
        )
    };
    (status == sys::SECSuccess).then(|| item.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_told_from_other_trust() {
        assert!(is_anchor(&[0, 0, 0, 2]));
        assert!(is_anchor(&2u64.to_ne_bytes()[..size_of::<sys::CK_ULONG>()]));
        for other in [&[0, 0, 0, 4][..], &[2], &[2, 0, 0, 0], &[]] {
            assert!(!is_anchor(other), "{other:?}");
        }
    }
}
