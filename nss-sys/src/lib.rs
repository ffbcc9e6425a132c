//! Raw bindings to NSS and NSPR: the functions, structures and constants that nss-cmc uses, and
//! NSS's PKCS #12 decoder.
//!
//! `bindings.rs` is vendored bindgen output for the repository's `wrapper.h`, made from NSS 3.87
//! (Debian 12). No structure in it changed size or offset between NSS 3.53 and 3.124. Constants
//! newer than the vendored headers are defined below, each with its C definition.
#![no_std]

#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals, missing_docs)]
#[allow(unsafe_op_in_unsafe_fn, clippy::all, clippy::pedantic, clippy::restriction)]
#[rustfmt::skip]
mod bindings;

pub use bindings::*;

/// `#define CKM_ML_DSA_KEY_PAIR_GEN 0x0000001cUL` (pkcs11t.h of PKCS #11 3.2, NSS 3.112 and later).
pub const CKM_ML_DSA_KEY_PAIR_GEN: core::ffi::c_ulong = 0x1c;
/// `mldsaKey = 12` of `KeyType` (keythi.h, NSS 3.116 and later).
#[allow(non_upper_case_globals)]
pub const mldsaKey: KeyType = 12;
/// `#define CKM_ML_KEM_KEY_PAIR_GEN 0x0000000fUL` (pkcs11t.h of PKCS #11 3.2, NSS 3.112 and later).
pub const CKM_ML_KEM_KEY_PAIR_GEN: core::ffi::c_ulong = 0x0f;
/// `kyberKey = 9` of `KeyType` (keythi.h): ML-KEM keys, too.
#[allow(non_upper_case_globals)]
pub const kyberKey: KeyType = 9;
/// `#define CK_INVALID_HANDLE 0` (pkcs11t.h); bindgen can't see the macro's type.
pub const CK_INVALID_HANDLE: core::ffi::c_ulong = 0;
/// `#define CKK_ML_DSA 0x0000004aUL` (pkcs11t.h of PKCS #11 3.2, NSS 3.112 and later).
pub const CKK_ML_DSA: core::ffi::c_ulong = 0x4a;
