//! The rules for C pointers: owned handles, `SECItem`s, certificate lists.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use nss_sys as sys;

use super::Context;

/// Keeps NSS initialised. Every handle holds one, so no handle outlives the shutdown.
pub(crate) type Guard = Arc<Context>;

/// Declares the owner of one NSS reference: its name, its C type and the function that releases it.
///
/// `from_raw` is unsafe (the caller guarantees ownership) and takes a `NonNull`. The pointer is
/// visible inside `nss` only. There is no `Deref` and no `Clone`; `Debug` prints only the name.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $c:ty, $free:path) => {
        $(#[$doc])*
        pub struct $name {
            raw: std::ptr::NonNull<$c>,
            guard: $crate::nss::handle::Guard,
        }

        impl $name {
            /// # Safety
            /// `raw` is a live object, and the caller hands over one reference, which the function
            /// that this handle was declared with releases.
            pub(super) unsafe fn from_raw(
                guard: &$crate::nss::handle::Guard,
                raw: std::ptr::NonNull<$c>,
            ) -> Self {
                Self { raw, guard: guard.clone() }
            }

            pub(super) fn as_ptr(&self) -> *mut $c {
                self.raw.as_ptr()
            }

            #[allow(dead_code)]
            pub(super) fn guard(&self) -> &$crate::nss::handle::Guard {
                &self.guard
            }

            /// Returns the reference without releasing it, for a C call that consumes it. The guard
            /// is returned too, and must live until that call returns: it may be the last one.
            #[allow(dead_code)]
            pub(super) fn into_raw(self) -> (*mut $c, $crate::nss::handle::Guard) {
                let this = std::mem::ManuallyDrop::new(self);
                // SAFETY: `guard` is read out once; ManuallyDrop keeps `this` from dropping it too.
                let guard = unsafe { std::ptr::read(&this.guard) };
                (this.raw.as_ptr(), guard)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: `from_raw` was given the reference; it is released exactly once, and the
                // guard (dropped after this) keeps NSS initialised meanwhile.
                unsafe { $free(self.raw.as_ptr()) };
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
pub(crate) use handle;

/// A `SECItem` over octets that Rust owns, for the duration of one call.
pub(crate) struct Borrowed<'a> {
    item: sys::SECItem,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Borrowed<'a> {
    /// Makes an item that NSS only reads; an empty slice becomes a null pointer. Input longer than
    /// `c_uint` becomes an empty item, which every NSS decoder refuses (input is limited far below
    /// that).
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        let data = if len == 0 { std::ptr::null_mut() } else { bytes.as_ptr().cast_mut() };
        Borrowed { item: sys::SECItem { type_: sys::siBuffer, data, len }, bytes: PhantomData }
    }

    /// Returns a mutable pointer, for calls that take `SECItem *` but only read the octets.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut sys::SECItem {
        &mut self.item
    }

    pub(crate) fn as_ptr(&self) -> *const sys::SECItem {
        &self.item
    }

    /// Returns a copy of the item, for a structure that must not outlive `self` or the octets.
    pub(crate) fn item(&self) -> sys::SECItem {
        self.item
    }
}

/// A `SECItem` whose octets NSS allocates (`PORT_Alloc`) and Rust wipes and frees.
pub(crate) struct Filled(sys::SECItem);

impl Filled {
    pub(crate) fn new() -> Self {
        Filled(sys::SECItem { type_: sys::siBuffer, data: std::ptr::null_mut(), len: 0 })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut sys::SECItem {
        &mut self.0
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        // SAFETY: NSS filled `data` with `len` bytes, or left it null (handled by `bytes`).
        unsafe { bytes(&self.0) }.to_vec()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        // SAFETY: data is null or from PORT_Alloc; PR_FALSE leaves the header, which Rust owns.
        unsafe { sys::SECITEM_ZfreeItem(&mut self.0, sys::PR_FALSE as sys::PRBool) };
    }
}

/// A `SECItem` that NSS allocated, header and octets.
pub(crate) struct Owned(NonNull<sys::SECItem>);

impl Owned {
    /// # Safety
    /// `raw` was allocated by NSS for the caller, to be freed with `SECITEM_FreeItem(.., PR_TRUE)`.
    pub(crate) unsafe fn from_raw(raw: NonNull<sys::SECItem>) -> Self {
        Owned(raw)
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        // SAFETY: live until drop, by the contract of `from_raw`.
        let item = unsafe { self.0.as_ref() };
        // SAFETY: NSS keeps data and len in step.
        unsafe { bytes(item) }.to_vec()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: by the contract of `from_raw`, allocated by NSS for the caller and freed once.
        unsafe { sys::SECITEM_ZfreeItem(self.0.as_ptr(), sys::PR_TRUE as sys::PRBool) };
    }
}

/// Returns the octets of an item; none for a null pointer.
///
/// # Safety
/// `item.data` is null or points to `item.len` readable octets that live as long as `item`.
pub(crate) unsafe fn bytes(item: &sys::SECItem) -> &[u8] {
    if item.data.is_null() {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(item.data, item.len as usize) }
}

/// An owned `CERTCertList`, traversed like C's CERT_LIST_HEAD, CERT_LIST_NEXT and CERT_LIST_END.
pub(crate) struct CertList {
    raw: NonNull<sys::CERTCertList>,
    guard: Guard,
}

impl CertList {
    /// # Safety
    /// `raw` is a live list handed over by NSS, to be freed with `CERT_DestroyCertList`.
    pub(crate) unsafe fn from_raw(guard: &Guard, raw: NonNull<sys::CERTCertList>) -> Self {
        CertList { raw, guard: guard.clone() }
    }

    /// Returns every certificate of the list, each with its own reference (`CERT_DupCertificate`).
    pub(crate) fn certificates(&self) -> Vec<super::cert::Certificate> {
        let head = self.raw.as_ptr().cast::<sys::PRCList>();
        let mut found = Vec::new();
        // SAFETY: a CERTCertList begins with its PRCList (certt.h), live until drop.
        let mut node = unsafe { (*head).next };
        while node != head {
            let entry = node.cast::<sys::CERTCertListNode>();
            // SAFETY: a node that isn't the head is a CERTCertListNode (CERT_LIST_END, cert.h).
            let cert = unsafe { (*entry).cert };
            // SAFETY: the list holds a live certificate; CERT_DupCertificate adds a reference.
            let dup = NonNull::new(unsafe { sys::CERT_DupCertificate(cert) });
            // SAFETY: `dup` is the reference just taken.
            found
                .extend(dup.map(|d| unsafe { super::cert::Certificate::from_raw(&self.guard, d) }));
            // SAFETY: nodes are linked in a ring until the head returns.
            node = unsafe { (*node).next };
        }
        found
    }
}

impl Drop for CertList {
    fn drop(&mut self) {
        // SAFETY: by the contract of `from_raw`; frees the list and the references it holds.
        unsafe { sys::CERT_DestroyCertList(self.raw.as_ptr()) };
    }
}
