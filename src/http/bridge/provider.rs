//! The provider. It is loaded into its own OpenSSL library context, so that RSA and EC operations
//! in the default one (ECDHE, certificate checks) never use it.

use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;

use openssl_sys as sys;

use super::ffi::{self, Algorithm, Dispatch, Table, caught, last_error};
use super::{keymgmt, signature};
use crate::error::{Error, Kind, Result};

const NAME: &CStr = c"nss-cmc";
const PROPERTIES: &CStr = c"provider=nss-cmc";

struct Library(*mut sys::OSSL_LIB_CTX);

// SAFETY: an OSSL_LIB_CTX may be used from any thread (OSSL_LIB_CTX(3)); the pointer is written
// once and the context never freed.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// Returns the library context with the provider; it is made once and kept until the process ends.
pub(super) fn library() -> Result<*mut sys::OSSL_LIB_CTX> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    match LIBRARY.get_or_init(load) {
        Some(library) => Ok(library.0),
        None => Err(Error::new(Kind::Internal, "cannot load the NSS provider into OpenSSL")
            .because(last_error())),
    }
}

fn load() -> Option<Library> {
    // SAFETY: no precondition (OSSL_LIB_CTX_new(3)).
    let ctx = unsafe { sys::OSSL_LIB_CTX_new() };
    if ctx.is_null() {
        return None;
    }
    // SAFETY: the context is live, the name NUL-terminated, `init` has the signature of
    // OSSL_provider_init_fn (OSSL_PROVIDER_add_builtin(3)).
    let added = unsafe { ffi::OSSL_PROVIDER_add_builtin(ctx, NAME.as_ptr(), init) };
    // SAFETY: the context is live, the name NUL-terminated; runs `init` (OSSL_PROVIDER_load(3)).
    let provider = unsafe { sys::OSSL_PROVIDER_load(ctx, NAME.as_ptr()) };
    if added != 1 || provider.is_null() {
        // SAFETY: no object exists in the context; it is freed once (OSSL_LIB_CTX(3)).
        unsafe { sys::OSSL_LIB_CTX_free(ctx) };
        return None;
    }
    Some(Library(ctx))
}

static PROVIDER: Table<Dispatch, 2> = Table([
    Dispatch { id: ffi::OSSL_FUNC_PROVIDER_QUERY_OPERATION, function: query as *const c_void },
    Dispatch::END,
]);

const fn algorithm(names: &'static CStr, functions: *const Dispatch) -> Algorithm {
    Algorithm {
        names: names.as_ptr(),
        properties: PROPERTIES.as_ptr(),
        functions,
        description: std::ptr::null(),
    }
}

const LAST: Algorithm = Algorithm {
    names: std::ptr::null(),
    properties: std::ptr::null(),
    functions: std::ptr::null(),
    description: std::ptr::null(),
};

/// The names that OpenSSL 3.5 and later, which know ML-DSA, look for.
const ML_DSA: [&CStr; 3] = [
    c"ML-DSA-44:MLDSA44:2.16.840.1.101.3.4.3.17:id-ml-dsa-44",
    c"ML-DSA-65:MLDSA65:2.16.840.1.101.3.4.3.18:id-ml-dsa-65",
    c"ML-DSA-87:MLDSA87:2.16.840.1.101.3.4.3.19:id-ml-dsa-87",
];

static KEY_MANAGERS: Table<Algorithm, 6> = Table([
    algorithm(c"RSA:rsaEncryption:1.2.840.113549.1.1.1", keymgmt::SAME_NAME.as_ptr()),
    algorithm(c"EC:id-ecPublicKey:1.2.840.10045.2.1", keymgmt::EC.as_ptr()),
    algorithm(ML_DSA[0], keymgmt::SAME_NAME.as_ptr()),
    algorithm(ML_DSA[1], keymgmt::SAME_NAME.as_ptr()),
    algorithm(ML_DSA[2], keymgmt::SAME_NAME.as_ptr()),
    LAST,
]);

static SIGNATURES: Table<Algorithm, 6> = Table([
    algorithm(c"RSA:rsaEncryption:1.2.840.113549.1.1.1", signature::FUNCTIONS.as_ptr()),
    algorithm(c"ECDSA", signature::FUNCTIONS.as_ptr()),
    algorithm(ML_DSA[0], signature::FUNCTIONS.as_ptr()),
    algorithm(ML_DSA[1], signature::FUNCTIONS.as_ptr()),
    algorithm(ML_DSA[2], signature::FUNCTIONS.as_ptr()),
    LAST,
]);

/// `OSSL_provider_init_fn`.
unsafe extern "C" fn init(
    _core: *const c_void,
    _core_functions: *const Dispatch,
    functions: *mut *const Dispatch,
    context: *mut *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL passes a pointer for the table's address (provider-base(7)).
    unsafe { *functions = PROVIDER.as_ptr() };
    // SAFETY: OpenSSL passes a pointer for a provider context, which isn't needed here
    // (provider-base(7)).
    unsafe { *context = std::ptr::null_mut() };
    1
}

/// `OSSL_FUNC_provider_query_operation`.
unsafe extern "C" fn query(
    _context: *mut c_void,
    operation: c_int,
    no_cache: *mut c_int,
) -> *const Algorithm {
    caught(std::ptr::null(), || {
        // SAFETY: OpenSSL passes a pointer for the flag (provider-base(7)).
        unsafe { *no_cache = 0 };
        match operation {
            ffi::OSSL_OP_KEYMGMT => KEY_MANAGERS.0.as_ptr(),
            ffi::OSSL_OP_SIGNATURE => SIGNATURES.0.as_ptr(),
            _ => std::ptr::null(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(ctx: *mut sys::OSSL_LIB_CTX, name: &CStr) -> bool {
        // SAFETY: the context is live or null for the default; the strings are NUL-terminated
        // (EVP_SIGNATURE(3)).
        let found =
            unsafe { sys::EVP_SIGNATURE_fetch(ctx, name.as_ptr(), c"provider=nss-cmc".as_ptr()) };
        // SAFETY: fetched above, or null, which is ignored (EVP_SIGNATURE(3)).
        unsafe { sys::EVP_SIGNATURE_free(found) };
        !found.is_null()
    }

    #[test]
    fn nobody_else_meets_the_provider() {
        let own = library().unwrap();
        for name in [c"RSA", c"ECDSA", c"ML-DSA-65", c"id-ml-dsa-87"] {
            assert!(fetched(own, name));
            assert!(!fetched(std::ptr::null_mut(), name));
        }
    }
}
