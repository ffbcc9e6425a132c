//! libcurl is initialised when it is needed first, and that may fail.
//!
//! The curl crate calls `curl_global_init` before `main`, and panics there when it fails, where nobody
//! can catch it: libcurl fails when OpenSSL does, for one in FIPS mode without its module, and even
//! `--version` aborts. So that call finds the function below, and the work is left to
//! `curl_easy_init`, which does it when nobody has (curl_easy_init(3)).

use std::ffi::{c_int, c_long};
use std::sync::OnceLock;

use super::ffi::last_error;
use crate::error::{Error, Kind, Result};

/// Stands in for libcurl's function of this name, and does nothing.
#[unsafe(no_mangle)]
extern "C" fn curl_global_init(_flags: c_long) -> c_int {
    0
}

/// Initialises libcurl, once.
///
/// # Errors
/// [`Kind::Tls`] when it can't be.
pub(super) fn initialize() -> Result<()> {
    static FAILURE: OnceLock<Option<String>> = OnceLock::new();
    let failure = FAILURE.get_or_init(|| {
        // SAFETY: no precondition; the OnceLock lets one thread in at a time (curl_easy_init(3)).
        let handle = unsafe { curl_sys::curl_easy_init() };
        if handle.is_null() {
            return Some(last_error());
        }
        // SAFETY: made above, freed once.
        unsafe { curl_sys::curl_easy_cleanup(handle) };
        None
    });
    match failure {
        None => Ok(()),
        Some(why) => Err(Error::new(Kind::Tls, "cannot initialize libcurl and OpenSSL")
            .because(why.clone())
            .hint("openssl list -providers; in FIPS mode OpenSSL needs its module: openssl fipsinstall")),
    }
}
