//! KEYMGMT (provider-keymgmt(7)): the keys of the provider. Each is a [`Loan`]; queries go to its
//! public key.

use std::cell::OnceCell;
use std::ffi::{c_char, c_int, c_void};
use std::rc::Rc;

use openssl_sys as sys;

use super::ffi::{self, Dispatch, ParamCallback, Table, caught};
use super::loan::{Loan, take_offered};

/// OpenSSL's `keydata`; empty between `new` and `import`.
#[derive(Default)]
struct KeyData(OnceCell<Rc<Loan>>);

const fn function(id: c_int, function: *const c_void) -> Dispatch {
    Dispatch { id, function }
}

macro_rules! functions {
    ($($more:expr),*) => { Table([
        function(ffi::OSSL_FUNC_KEYMGMT_NEW, new as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_FREE, free as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_HAS, has as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_GET_PARAMS, get_params as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_params as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_IMPORT, import as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_IMPORT_TYPES, parameter_types as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_EXPORT, export as *const c_void),
        function(ffi::OSSL_FUNC_KEYMGMT_EXPORT_TYPES, parameter_types as *const c_void),
        $($more,)*
        Dispatch::END,
    ]) };
}

/// RSA and ML-DSA keys; the signature algorithm has the same name.
pub(super) static SAME_NAME: Table<Dispatch, 10> = functions!();

/// EC keys; the signature algorithm is ECDSA.
pub(super) static EC: Table<Dispatch, 11> = functions!(function(
    ffi::OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME,
    ec_operation as *const c_void
));

/// Returns the loan of a key.
///
/// # Safety
/// `keydata` is null, or came from [`new`] and hasn't been freed; the result is used only during
/// the call.
pub(super) unsafe fn loan<'a>(keydata: *const c_void) -> Option<&'a Rc<Loan>> {
    // SAFETY: by this function's contract.
    unsafe { keydata.cast::<KeyData>().as_ref() }?.0.get()
}

unsafe extern "C" fn new(_provider: *mut c_void) -> *mut c_void {
    caught(std::ptr::null_mut(), || Box::into_raw(Box::<KeyData>::default()).cast())
}

unsafe extern "C" fn free(keydata: *mut c_void) {
    if !keydata.is_null() {
        // SAFETY: came from Box::into_raw in `new`; OpenSSL frees it once.
        caught((), || drop(unsafe { Box::from_raw(keydata.cast::<KeyData>()) }));
    }
}

/// An imported key has every part that can be asked for.
unsafe extern "C" fn has(keydata: *const c_void, _selection: c_int) -> c_int {
    // SAFETY: OpenSSL passes its keydata (provider-keymgmt(7)).
    caught(0, || c_int::from(unsafe { loan(keydata) }.is_some()))
}

unsafe extern "C" fn get_params(keydata: *mut c_void, params: *mut sys::OSSL_PARAM) -> c_int {
    caught(0, || {
        // SAFETY: OpenSSL passes its keydata (provider-keymgmt(7)).
        let Some(loan) = (unsafe { loan(keydata) }) else { return 0 };
        // SAFETY: the public key is live, `params` is OpenSSL's list (EVP_PKEY_get_params(3)).
        unsafe { sys::EVP_PKEY_get_params(loan.public.as_ptr(), params) }
    })
}

pub(super) const fn parameter(
    key: &'static std::ffi::CStr,
    kind: std::ffi::c_uint,
) -> sys::OSSL_PARAM {
    sys::OSSL_PARAM {
        key: key.as_ptr(),
        data_type: kind,
        data: std::ptr::null_mut(),
        data_size: 0,
        return_size: 0,
    }
}

pub(super) const END: sys::OSSL_PARAM = sys::OSSL_PARAM {
    key: std::ptr::null(),
    data_type: 0,
    data: std::ptr::null_mut(),
    data_size: 0,
    return_size: 0,
};

unsafe extern "C" fn gettable_params(_provider: *mut c_void) -> *const sys::OSSL_PARAM {
    static LIST: Table<sys::OSSL_PARAM, 7> = Table([
        parameter(c"bits", ffi::OSSL_PARAM_INTEGER),
        parameter(c"security-bits", ffi::OSSL_PARAM_INTEGER),
        parameter(c"max-size", ffi::OSSL_PARAM_INTEGER),
        parameter(c"group", ffi::OSSL_PARAM_UTF8_STRING),
        parameter(c"default-digest", ffi::OSSL_PARAM_UTF8_STRING),
        parameter(c"mandatory-digest", ffi::OSSL_PARAM_UTF8_STRING),
        END,
    ]);
    LIST.0.as_ptr()
}

/// Import and export declare no parameters: a key arrives by [`take_offered`] and is exported as
/// the public key's list.
unsafe extern "C" fn parameter_types(_selection: c_int) -> *const sys::OSSL_PARAM {
    static LIST: Table<sys::OSSL_PARAM, 1> = Table([END]);
    LIST.0.as_ptr()
}

/// Takes the loan that this thread offers; key material from elsewhere is refused.
unsafe extern "C" fn import(
    keydata: *mut c_void,
    _selection: c_int,
    _params: *const sys::OSSL_PARAM,
) -> c_int {
    caught(0, || {
        let Some(offered) = take_offered() else { return 0 };
        // SAFETY: OpenSSL passes the keydata that `new` returned (provider-keymgmt(7)).
        let Some(data) = (unsafe { keydata.cast::<KeyData>().as_ref() }) else { return 0 };
        c_int::from(data.0.set(offered).is_ok())
    })
}

/// Exports the public key, as the default provider would; the private key is never exported.
unsafe extern "C" fn export(
    keydata: *mut c_void,
    selection: c_int,
    callback: Option<ParamCallback>,
    argument: *mut c_void,
) -> c_int {
    caught(0, || {
        if selection & sys::OSSL_KEYMGMT_SELECT_PRIVATE_KEY != 0 {
            return 0;
        }
        // SAFETY: OpenSSL passes its keydata (provider-keymgmt(7)).
        let (Some(loan), Some(callback)) = (unsafe { loan(keydata) }, callback) else { return 0 };
        let public = sys::OSSL_KEYMGMT_SELECT_PUBLIC_KEY | sys::OSSL_KEYMGMT_SELECT_ALL_PARAMETERS;
        let mut params = std::ptr::null_mut();
        // SAFETY: the public key is live; `params` receives a list to free (EVP_PKEY_todata(3)).
        if unsafe { sys::EVP_PKEY_todata(loan.public.as_ptr(), public, &mut params) } != 1 {
            return 0;
        }
        // SAFETY: the callback takes such a list and the argument it came with
        // (provider-keymgmt(7)).
        let answer = unsafe { callback(params, argument) };
        // SAFETY: made by EVP_PKEY_todata, freed once.
        unsafe { sys::OSSL_PARAM_free(params) };
        answer
    })
}

unsafe extern "C" fn ec_operation(operation: c_int) -> *const c_char {
    if operation == ffi::OSSL_OP_SIGNATURE { c"ECDSA".as_ptr() } else { std::ptr::null() }
}
