//! Declarations of OpenSSL 3 that `openssl-sys` lacks, and owners for the objects that the bridge
//! makes.

use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_uint, c_void};
use std::ptr::NonNull;

use openssl_sys as sys;

/// `OSSL_DISPATCH` (core.h): one function of a provider's table; the table ends with id 0.
#[repr(C)]
pub(super) struct Dispatch {
    pub(super) id: c_int,
    pub(super) function: *const c_void,
}

/// `OSSL_ALGORITHM` (core.h): one algorithm of a provider; the table ends with null names.
#[repr(C)]
pub(super) struct Algorithm {
    pub(super) names: *const c_char,
    pub(super) properties: *const c_char,
    pub(super) functions: *const Dispatch,
    pub(super) description: *const c_char,
}

/// A constant table for OpenSSL to read.
#[repr(transparent)]
pub(super) struct Table<T, const N: usize>(pub(super) [T; N]);

// SAFETY: the tables are constants, and so is everything their pointers point to.
unsafe impl<const N: usize> Sync for Table<Dispatch, N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Table<Algorithm, N> {}
// SAFETY: as above; a list of parameters has no data.
unsafe impl<const N: usize> Sync for Table<sys::OSSL_PARAM, N> {}

impl<const N: usize> Table<Dispatch, N> {
    pub(super) const fn as_ptr(&'static self) -> *const Dispatch {
        self.0.as_ptr()
    }
}

impl Dispatch {
    pub(super) const END: Dispatch = Dispatch { id: 0, function: std::ptr::null() };
}

/// `OSSL_CALLBACK` (core.h).
pub(super) type ParamCallback = unsafe extern "C" fn(*const sys::OSSL_PARAM, *mut c_void) -> c_int;

/// `OSSL_provider_init_fn` (core.h).
pub(super) type ProviderInit = unsafe extern "C" fn(
    *const c_void,
    *const Dispatch,
    *mut *const Dispatch,
    *mut *mut c_void,
) -> c_int;

/// The callback of `SSL_CTX_set_cert_verify_callback`.
pub(super) type VerifyCallback =
    unsafe extern "C" fn(*mut sys::X509_STORE_CTX, *mut c_void) -> c_int;

/// The callback of `SSL_CTX_set_cert_cb`.
pub(super) type CertificateCallback = unsafe extern "C" fn(*mut sys::SSL, *mut c_void) -> c_int;

/// The callback of `SSL_CTX_set_info_callback`.
pub(super) type InfoCallback = unsafe extern "C" fn(*const sys::SSL, c_int, c_int);

// Numbers from core_dispatch.h.
pub(super) const OSSL_FUNC_PROVIDER_QUERY_OPERATION: c_int = 1027;
pub(super) const OSSL_OP_KEYMGMT: c_int = 10;
pub(super) const OSSL_OP_SIGNATURE: c_int = 12;
pub(super) const OSSL_FUNC_KEYMGMT_NEW: c_int = 1;
pub(super) const OSSL_FUNC_KEYMGMT_FREE: c_int = 10;
pub(super) const OSSL_FUNC_KEYMGMT_GET_PARAMS: c_int = 11;
pub(super) const OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS: c_int = 12;
pub(super) const OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME: c_int = 20;
pub(super) const OSSL_FUNC_KEYMGMT_HAS: c_int = 21;
pub(super) const OSSL_FUNC_KEYMGMT_IMPORT: c_int = 40;
pub(super) const OSSL_FUNC_KEYMGMT_IMPORT_TYPES: c_int = 41;
pub(super) const OSSL_FUNC_KEYMGMT_EXPORT: c_int = 42;
pub(super) const OSSL_FUNC_KEYMGMT_EXPORT_TYPES: c_int = 43;
pub(super) const OSSL_FUNC_SIGNATURE_NEWCTX: c_int = 1;
pub(super) const OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT: c_int = 8;
pub(super) const OSSL_FUNC_SIGNATURE_DIGEST_SIGN: c_int = 11;
pub(super) const OSSL_FUNC_SIGNATURE_FREECTX: c_int = 16;
pub(super) const OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS: c_int = 20;
pub(super) const OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS: c_int = 21;

// Numbers from core.h.
pub(super) const OSSL_PARAM_INTEGER: c_uint = 1;
pub(super) const OSSL_PARAM_UTF8_STRING: c_uint = 4;

// Numbers from ssl.h.
pub(super) const SSL_CTRL_CHAIN_CERT: c_int = 89;
pub(super) const SSL_CB_READ_ALERT: c_int = 0x4004;
pub(super) const SSL_CB_HANDSHAKE_DONE: c_int = 0x20;

// Number from x509_vfy.h.
pub(super) const X509_V_ERR_APPLICATION_VERIFICATION: c_int = 50;

unsafe extern "C" {
    pub(super) fn OSSL_PROVIDER_add_builtin(
        ctx: *mut sys::OSSL_LIB_CTX,
        name: *const c_char,
        init: ProviderInit,
    ) -> c_int;
    pub(super) fn OSSL_PARAM_get_int(p: *const sys::OSSL_PARAM, value: *mut c_int) -> c_int;
    pub(super) fn SSL_CTX_get_ssl_method(ctx: *const sys::SSL_CTX) -> *const sys::SSL_METHOD;
    pub(super) fn SSL_CTX_use_certificate_ASN1(
        ctx: *mut sys::SSL_CTX,
        len: c_int,
        der: *const c_uchar,
    ) -> c_int;
    pub(super) fn SSL_CTX_set_cert_verify_callback(
        ctx: *mut sys::SSL_CTX,
        callback: VerifyCallback,
        arg: *mut c_void,
    );
    pub(super) fn SSL_CTX_set_cert_cb(
        ctx: *mut sys::SSL_CTX,
        callback: CertificateCallback,
        arg: *mut c_void,
    );
    pub(super) fn SSL_CTX_set_info_callback(ctx: *mut sys::SSL_CTX, callback: InfoCallback);
    pub(super) fn SSL_CTX_set_post_handshake_auth(ctx: *mut sys::SSL_CTX, on: c_int);
    pub(super) fn X509_STORE_CTX_get0_cert(ctx: *const sys::X509_STORE_CTX) -> *mut sys::X509;
    pub(super) fn X509_STORE_CTX_get0_untrusted(
        ctx: *const sys::X509_STORE_CTX,
    ) -> *mut sys::stack_st_X509;
}

/// Declares an owner of one OpenSSL reference.
macro_rules! owner {
    ($(#[$doc:meta])* $name:ident, $c:ty, $free:path) => {
        $(#[$doc])*
        pub(super) struct $name(NonNull<$c>);

        impl $name {
            /// # Safety
            /// `raw` is null or a live object, and the caller hands over one reference to it.
            pub(super) unsafe fn from_raw(raw: *mut $c) -> Option<$name> {
                NonNull::new(raw).map($name)
            }

            pub(super) fn as_ptr(&self) -> *mut $c {
                self.0.as_ptr()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the reference handed to `from_raw` is released once.
                unsafe { $free(self.0.as_ptr()) };
            }
        }
    };
}

owner! {
    /// A key in OpenSSL. C: `EVP_PKEY`, released by `EVP_PKEY_free`.
    Pkey, sys::EVP_PKEY, sys::EVP_PKEY_free
}
owner! {
    /// A context for making keys. C: `EVP_PKEY_CTX`, released by `EVP_PKEY_CTX_free`.
    PkeyCtx, sys::EVP_PKEY_CTX, sys::EVP_PKEY_CTX_free
}
owner! {
    /// A certificate in OpenSSL. C: `X509`, released by `X509_free`.
    X509, sys::X509, sys::X509_free
}

impl Pkey {
    /// Decodes a SubjectPublicKeyInfo (`d2i_PUBKEY`); `None` when OpenSSL can't.
    pub(super) fn from_spki(der: &[u8]) -> Option<Pkey> {
        let len = c_long::try_from(der.len()).ok()?;
        let mut at = der.as_ptr();
        // SAFETY: `at` points to `len` readable bytes and is advanced (d2i_PUBKEY(3)).
        let raw = unsafe { sys::d2i_PUBKEY(std::ptr::null_mut(), &mut at, len) };
        // SAFETY: a new reference or null.
        unsafe { Pkey::from_raw(raw) }
    }
}

impl X509 {
    /// Decodes a certificate (`d2i_X509`); `None` when OpenSSL can't.
    pub(super) fn from_der(der: &[u8]) -> Option<X509> {
        let len = c_long::try_from(der.len()).ok()?;
        let mut at = der.as_ptr();
        // SAFETY: `at` points to `len` readable bytes and is advanced (d2i_X509(3)).
        let raw = unsafe { sys::d2i_X509(std::ptr::null_mut(), &mut at, len) };
        // SAFETY: a new reference or null.
        unsafe { X509::from_raw(raw) }
    }
}

/// Returns the DER of a certificate that the caller doesn't own (`i2d_X509`).
///
/// # Safety
/// `cert` is a live certificate.
pub(super) unsafe fn x509_der(cert: *mut sys::X509) -> Option<Vec<u8>> {
    // SAFETY: by this function's contract; a null output only returns the length (i2d_X509(3)).
    let len = unsafe { sys::i2d_X509(cert, std::ptr::null_mut()) };
    let mut der = vec![0u8; usize::try_from(len).ok()?];
    let mut at = der.as_mut_ptr();
    // SAFETY: `at` has room for the length that the first call returned (i2d_X509(3)).
    let written = unsafe { sys::i2d_X509(cert, &mut at) };
    (written == len).then_some(der)
}

/// Returns OpenSSL's reason for the last failure, and clears the thread's error queue
/// (`ERR_peek_last_error`).
pub(super) fn last_error() -> String {
    // SAFETY: ERR_peek_last_error has no precondition; it reads thread-local state
    // (ERR_get_error(3)).
    let code = unsafe { sys::ERR_peek_last_error() };
    // SAFETY: ERR_clear_error has no precondition (ERR_clear_error(3)).
    unsafe { sys::ERR_clear_error() };
    // SAFETY: returns null or a static string for any number (ERR_error_string(3)).
    let reason = unsafe { sys::ERR_reason_error_string(code) };
    if reason.is_null() {
        return format!("OpenSSL error {code:#x}");
    }
    // SAFETY: not null, static and NUL-terminated.
    format!("OpenSSL: {}", unsafe { CStr::from_ptr(reason) }.to_string_lossy())
}

/// Runs the body of a callback; a panic, which must not unwind into C, becomes `refusal`.
pub(super) fn caught<T>(refusal: T, body: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(refusal)
}
