//! Failures of NSS calls.

use std::ffi::CStr;
use std::ptr::NonNull;

use nss_sys as sys;

pub use crate::error::Fault;
use crate::error::UNKNOWN;

/// The codes of sslerr.h that libnss3 itself returns. Their names are registered only when libssl3
/// is initialised, which this crate does not need.
const SSL_ERRORS: &[(i32, &str, &str)] = &[
    (
        sys::SSL_ERROR_BAD_CERT_DOMAIN,
        "SSL_ERROR_BAD_CERT_DOMAIN",
        "the certificate does not match the host name",
    ),
    (
        sys::SSL_ERROR_NO_CERTIFICATE,
        "SSL_ERROR_NO_CERTIFICATE",
        "object of this certificate not found",
    ),
    (sys::SSL_ERROR_BAD_CERTIFICATE, "SSL_ERROR_BAD_CERTIFICATE", "invalid certificate"),
];

impl Fault {
    /// Returns the fault of the call that has just failed, from the thread's error (`PR_GetError`).
    pub(crate) fn last(call: &'static str) -> Fault {
        // SAFETY: PR_GetError has no precondition (prerror.h); it reads thread-local state.
        Fault::from_code(call, unsafe { sys::PR_GetError() })
    }

    /// Returns the fault for an error code obtained elsewhere.
    pub(crate) fn from_code(call: &'static str, code: i32) -> Fault {
        if code == 0 {
            return Fault { call, code, name: String::new(), text: String::new() };
        }
        if let Some((_, name, text)) = SSL_ERRORS.iter().find(|(number, ..)| *number == code) {
            return Fault { call, code, name: (*name).into(), text: (*text).into() };
        }
        // SAFETY: PR_ErrorToName returns null or a static string for any number (prerror.h).
        let name = unsafe { sys::PR_ErrorToName(code) };
        // SAFETY: as above; language 0 is the default, the string is static (prerror.h).
        let text = unsafe { sys::PR_ErrorToString(code, 0) };
        let name = static_text(name).unwrap_or_else(|| UNKNOWN.into());
        let text = static_text(text).unwrap_or_else(|| "NSS has no text for this code".into());
        let text = text.trim_end_matches('.').to_owned();
        Fault { call, code, name, text }
    }
}

/// Returns a copy of a static C string; `None` for null.
fn static_text(p: *const std::ffi::c_char) -> Option<String> {
    if p.is_null() {
        return None;
    }
    // SAFETY: not null, and both callers pass NUL-terminated strings that live for the process.
    Some(unsafe { CStr::from_ptr(p) }.to_string_lossy().into_owned())
}

/// Clears the thread's error (`PR_SetError`).
pub(crate) fn clear() {
    // SAFETY: PR_SetError has no precondition (prerror.h); it writes thread-local state.
    unsafe { sys::PR_SetError(0, 0) };
}

/// Runs a call that returns a `SECStatus`; anything but `SECSuccess` becomes a [`Fault`].
pub(crate) fn status(call: &'static str, f: impl FnOnce() -> sys::SECStatus) -> Result<(), Fault> {
    clear();
    if f() == sys::SECSuccess { Ok(()) } else { Err(Fault::last(call)) }
}

/// Runs a call that returns a pointer; null becomes a [`Fault`].
pub(crate) fn pointer<T>(
    call: &'static str,
    f: impl FnOnce() -> *mut T,
) -> Result<NonNull<T>, Fault> {
    clear();
    NonNull::new(f()).ok_or_else(|| Fault::last(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_without_a_reason_says_so() {
        let f = Fault::from_code("PK11_Sign", 0);
        assert_eq!(f.to_string(), "PK11_Sign failed without an NSS error code");
    }

    #[test]
    fn an_unknown_number_is_kept() {
        for code in [i32::MIN, -8193, -7000, -1, 1, i32::MAX] {
            let f = Fault::from_code("PK11_Sign", code);
            assert_eq!(f.code, code);
            assert!(f.to_string().starts_with("PK11_Sign: "), "{f}");
            assert!(f.to_string().contains(&format!("({code})")), "{f}");
        }
    }

    #[test]
    fn the_host_name_error_has_a_name_without_libssl3() {
        let f = Fault::from_code("CERT_VerifyCertName", sys::SSL_ERROR_BAD_CERT_DOMAIN);
        assert!(f.to_string().contains("SSL_ERROR_BAD_CERT_DOMAIN (the certificate"), "{f}");
    }

    #[test]
    fn an_old_error_does_not_leak_into_the_next_call() {
        // SAFETY: PR_SetError has no precondition.
        unsafe { sys::PR_SetError(-8177, 0) };
        let f = status("NSS_Nothing", || sys::SECFailure).unwrap_err();
        assert_eq!(f.code, 0);
    }
}
