//! SIGNATURE (provider-signature(7)): digest and sign in one call. NSS gets the whole message, and
//! hashes and pads it: FIPS tokens and HSMs allow no raw RSA.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use std::rc::Rc;

use openssl_sys as sys;

use super::ffi::{self, Dispatch, Table, caught};
use super::keymgmt;
use super::loan::Loan;
use crate::algorithm::{Digest, KeyType, Scheme, Signer};
use crate::error::{Error, Kind};

/// RSA padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Padding {
    Pkcs1,
    Pss,
}

/// The salt length of PSS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Salt {
    /// As long as the digest, as TLS requires.
    Digest,
    Octets(usize),
}

/// OpenSSL's signature context.
struct Context {
    loan: Option<Rc<Loan>>,
    digest: Option<Digest>,
    padding: Padding,
    salt: Salt,
}

pub(super) static FUNCTIONS: Table<Dispatch, 7> = Table([
    Dispatch { id: ffi::OSSL_FUNC_SIGNATURE_NEWCTX, function: new as *const c_void },
    Dispatch { id: ffi::OSSL_FUNC_SIGNATURE_FREECTX, function: free as *const c_void },
    Dispatch { id: ffi::OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, function: init as *const c_void },
    Dispatch { id: ffi::OSSL_FUNC_SIGNATURE_DIGEST_SIGN, function: sign as *const c_void },
    Dispatch { id: ffi::OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, function: set_params as *const c_void },
    Dispatch {
        id: ffi::OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS,
        function: settable_params as *const c_void,
    },
    Dispatch::END,
]);

impl Context {
    fn scheme(&self, key: KeyType) -> Option<Scheme> {
        // TLS has no digest of its own beside ML-DSA.
        if let KeyType::MlDsa(set) = key {
            return self.digest.is_none().then_some(Scheme::MlDsa(set));
        }
        let digest = self.digest?;
        match (key, self.padding) {
            (KeyType::Ec, _) => Some(Scheme::Ecdsa(digest)),
            (KeyType::Rsa, Padding::Pkcs1) => Some(Scheme::RsaPkcs1(digest)),
            (KeyType::Rsa, Padding::Pss) => {
                let salt = match self.salt {
                    Salt::Digest => digest.len(),
                    Salt::Octets(n) => n,
                };
                Some(Scheme::RsaPss { digest, salt })
            }
            _ => None,
        }
    }

    /// Applies the known parameters in `params`; `None` for an unsupported value.
    ///
    /// # Safety
    /// `params` is null or a list that ends with a null key.
    unsafe fn set(&mut self, params: *const sys::OSSL_PARAM) -> Option<()> {
        // SAFETY: by this function's contract.
        match unsafe { value(params, c"pad-mode") }? {
            Value::Absent => {}
            Value::Number(1) => self.padding = Padding::Pkcs1,
            Value::Number(6) => self.padding = Padding::Pss,
            Value::Text(t) if t == "pkcs1" => self.padding = Padding::Pkcs1,
            Value::Text(t) if t == "pss" => self.padding = Padding::Pss,
            Value::Number(_) | Value::Text(_) => return None,
        }
        // SAFETY: by this function's contract.
        match unsafe { value(params, c"saltlen") }? {
            Value::Absent => {}
            Value::Number(-1) => self.salt = Salt::Digest,
            Value::Number(n) => self.salt = Salt::Octets(usize::try_from(n).ok()?),
            Value::Text(t) if t == "digest" => self.salt = Salt::Digest,
            Value::Text(t) => self.salt = Salt::Octets(t.parse().ok()?),
        }
        Some(())
    }
}

/// A parameter that OpenSSL may pass as a number or as text.
enum Value {
    Absent,
    Number(c_int),
    Text(String),
}

/// # Safety
/// `params` is null or a list that ends with a null key.
unsafe fn value(params: *const sys::OSSL_PARAM, key: &CStr) -> Option<Value> {
    if params.is_null() {
        return Some(Value::Absent);
    }
    // SAFETY: by this function's contract; the key is NUL-terminated (OSSL_PARAM_locate_const(3)).
    let found = unsafe { sys::OSSL_PARAM_locate_const(params, key.as_ptr()) };
    if found.is_null() {
        return Some(Value::Absent);
    }
    // Reading it as the wrong type would leave an error in the thread's queue, which libssl would
    // report as the handshake's. SAFETY: `found` is an element of the list (OSSL_PARAM(3)).
    if unsafe { (*found).data_type } != ffi::OSSL_PARAM_UTF8_STRING {
        let mut number = 0;
        // SAFETY: `found` is an element of the list (OSSL_PARAM_get_int(3)).
        let got = unsafe { ffi::OSSL_PARAM_get_int(found, &mut number) };
        return (got == 1).then_some(Value::Number(number));
    }
    let mut text = std::ptr::null_mut();
    // SAFETY: `found` is an element of the list; with a null `text` the call allocates a
    // NUL-terminated copy (OSSL_PARAM_get_utf8_string(3)).
    if unsafe { sys::OSSL_PARAM_get_utf8_string(found, &mut text, 0) } != 1 {
        return None;
    }
    // SAFETY: the copy just made, NUL-terminated.
    let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: the copy is freed once; file and line are for debugging builds of OpenSSL
    // (OPENSSL_malloc(3)).
    unsafe { sys::CRYPTO_free(text.cast(), c"".as_ptr(), 0) };
    Some(Value::Text(copy))
}

fn digest_named(name: &str) -> Option<Digest> {
    match name.to_ascii_uppercase().as_str() {
        "SHA1" | "SHA-1" | "SHA2-160" => Some(Digest::Sha1),
        "SHA256" | "SHA-256" | "SHA2-256" => Some(Digest::Sha256),
        "SHA384" | "SHA-384" | "SHA2-384" => Some(Digest::Sha384),
        "SHA512" | "SHA-512" | "SHA2-512" => Some(Digest::Sha512),
        _ => None,
    }
}

unsafe extern "C" fn new(_provider: *mut c_void, _properties: *const c_char) -> *mut c_void {
    caught(std::ptr::null_mut(), || {
        let context =
            Context { loan: None, digest: None, padding: Padding::Pkcs1, salt: Salt::Digest };
        Box::into_raw(Box::new(context)).cast()
    })
}

unsafe extern "C" fn free(context: *mut c_void) {
    if !context.is_null() {
        // SAFETY: came from Box::into_raw in `new`; OpenSSL frees it once.
        caught((), || drop(unsafe { Box::from_raw(context.cast::<Context>()) }));
    }
}

unsafe extern "C" fn init(
    context: *mut c_void,
    digest: *const c_char,
    keydata: *mut c_void,
    params: *const sys::OSSL_PARAM,
) -> c_int {
    caught(0, || {
        // SAFETY: OpenSSL passes the context that `new` returned, to one call at a time
        // (provider-signature(7)).
        let Some(context) = (unsafe { context.cast::<Context>().as_mut() }) else { return 0 };
        // SAFETY: OpenSSL passes a key of this provider, or null to keep the previous one
        // (provider-signature(7)).
        if let Some(loan) = unsafe { keymgmt::loan(keydata) } {
            context.loan = Some(loan.clone());
        }
        if !digest.is_null() {
            // SAFETY: not null, NUL-terminated (provider-signature(7)).
            context.digest = digest_named(&unsafe { CStr::from_ptr(digest) }.to_string_lossy());
        }
        // SAFETY: OpenSSL passes null or a list that ends with a null key (provider-signature(7)).
        let taken = unsafe { context.set(params) };
        let key = context.loan.as_ref().map(|loan| loan.key.key_type());
        let scheme = key.and_then(|key| context.scheme(key));
        c_int::from(scheme.is_some() && taken.is_some())
    })
}

unsafe extern "C" fn set_params(context: *mut c_void, params: *const sys::OSSL_PARAM) -> c_int {
    caught(0, || {
        // SAFETY: as in `init`.
        let Some(context) = (unsafe { context.cast::<Context>().as_mut() }) else { return 0 };
        // SAFETY: OpenSSL passes null or a list that ends with a null key (provider-signature(7)).
        c_int::from(unsafe { context.set(params) }.is_some())
    })
}

unsafe extern "C" fn settable_params(
    _context: *mut c_void,
    _provider: *mut c_void,
) -> *const sys::OSSL_PARAM {
    static LIST: Table<sys::OSSL_PARAM, 3> = Table([
        keymgmt::parameter(c"pad-mode", ffi::OSSL_PARAM_UTF8_STRING),
        keymgmt::parameter(c"saltlen", ffi::OSSL_PARAM_UTF8_STRING),
        keymgmt::END,
    ]);
    LIST.0.as_ptr()
}

/// `OSSL_FUNC_signature_digest_sign`: with a null `signature` it only returns the largest length.
unsafe extern "C" fn sign(
    context: *mut c_void,
    signature: *mut c_uchar,
    length: *mut usize,
    room: usize,
    message: *const c_uchar,
    message_length: usize,
) -> c_int {
    caught(0, || {
        // SAFETY: as in `init`.
        let Some(context) = (unsafe { context.cast::<Context>().as_ref() }) else { return 0 };
        let Some(loan) = &context.loan else { return 0 };
        if signature.is_null() {
            // SAFETY: the public key is live (EVP_PKEY_get_size(3)).
            let size = unsafe { sys::EVP_PKEY_get_size(loan.public.as_ptr()) };
            let Ok(size) = usize::try_from(size) else { return 0 };
            // SAFETY: OpenSSL passes a pointer for the length (provider-signature(7)).
            unsafe { *length = size };
            return 1;
        }
        let Some(scheme) = context.scheme(loan.key.key_type()) else { return 0 };
        let message = if message_length == 0 {
            &[]
        } else {
            // SAFETY: OpenSSL passes `message_length` readable octets (provider-signature(7)).
            unsafe { std::slice::from_raw_parts(message, message_length) }
        };
        match loan.key.sign(scheme, message) {
            Ok(made) if made.len() <= room => {
                // SAFETY: `signature` has `room` octets, checked to suffice above; `made` is a
                // separate buffer.
                unsafe { signature.copy_from_nonoverlapping(made.as_ptr(), made.len()) };
                // SAFETY: OpenSSL passes a pointer for the length (provider-signature(7)).
                unsafe { *length = made.len() };
                1
            }
            Ok(_) => {
                let error =
                    Error::new(Kind::Internal, "signature from NSS is longer than expected");
                loan.refusal.replace(Some(error));
                0
            }
            Err(error) => {
                loan.refusal.replace(Some(error));
                0
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the result of [`Context::set`] for a parameter given as a number or as text.
    fn set(key: &CStr, number: Option<c_int>, text: &CStr) -> Option<(Padding, Salt)> {
        let mut context =
            Context { loan: None, digest: None, padding: Padding::Pkcs1, salt: Salt::Digest };
        // SAFETY: no precondition; freed below.
        let builder = unsafe { sys::OSSL_PARAM_BLD_new() };
        let pushed = match number {
            // SAFETY: builder and key are live.
            Some(n) => unsafe { sys::OSSL_PARAM_BLD_push_int(builder, key.as_ptr(), n) },
            // SAFETY: as above; length 0 means NUL-terminated.
            None => unsafe {
                sys::OSSL_PARAM_BLD_push_utf8_string(builder, key.as_ptr(), text.as_ptr(), 0)
            },
        };
        assert_eq!(pushed, 1);
        // SAFETY: the builder is live; the list is freed below.
        let list = unsafe { sys::OSSL_PARAM_BLD_to_param(builder) };
        // SAFETY: a proper list.
        let taken = unsafe { context.set(list) };
        // SAFETY: made above, freed once.
        unsafe { sys::OSSL_PARAM_free(list) };
        // SAFETY: made above, freed once.
        unsafe { sys::OSSL_PARAM_BLD_free(builder) };
        // SAFETY: no precondition; reads thread-local state.
        assert_eq!(unsafe { sys::ERR_peek_last_error() }, 0, "an error stays in the queue");
        taken.map(|()| (context.padding, context.salt))
    }

    #[test]
    fn padding_and_salt_come_as_numbers_or_text() {
        use {Padding::*, Salt::*};
        let (pad, salt) = (c"pad-mode", c"saltlen");
        for (key, number, text, want) in [
            (pad, Some(1), c"pkcs1", Some((Pkcs1, Digest))),
            (pad, Some(6), c"pss", Some((Pss, Digest))),
            (pad, Some(3), c"none", None),
            (pad, Some(5), c"x931", None),
            (salt, Some(-1), c"digest", Some((Pkcs1, Digest))),
            (salt, Some(48), c"48", Some((Pkcs1, Octets(48)))),
            (salt, Some(-2), c"auto", None),
            (salt, Some(-3), c"max", None),
            (c"other", Some(1), c"x", Some((Pkcs1, Digest))),
        ] {
            assert_eq!(set(key, number, text), want, "{key:?} {number:?}");
            assert_eq!(set(key, None, text), want, "{key:?} {text:?}");
        }
    }

    #[test]
    fn digests_go_by_either_name() {
        for (name, want) in [
            ("SHA256", Some(super::Digest::Sha256)),
            ("SHA2-384", Some(super::Digest::Sha384)),
            ("sha-512", Some(super::Digest::Sha512)),
            ("MD5-SHA1", None),
            ("", None),
        ] {
            assert_eq!(digest_named(name), want);
        }
    }
}
