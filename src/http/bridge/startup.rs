//! Initialises libcurl at first use, where a failure can be reported.
//!
//! The curl crate calls `curl_global_init` before `main` and panics if it fails, where nothing can
//! catch it. It fails when OpenSSL does, such as in FIPS mode without the FIPS module; then even
//! `--version` would abort. So the function below replaces it and does nothing, and
//! `curl_easy_init` initialises libcurl instead (curl_easy_init(3)).

use std::ffi::{c_int, c_long};
use std::sync::OnceLock;

use super::ffi::last_error;
use crate::error::{Error, Kind, Result};

/// Replaces libcurl's function of this name, and does nothing.
#[unsafe(no_mangle)]
extern "C" fn curl_global_init(_flags: c_long) -> c_int {
    0
}

/// Initialises libcurl, once.
///
/// # Errors
/// [`Kind::Tls`] when that fails.
pub(super) fn initialize() -> Result<()> {
    static FAILURE: OnceLock<Option<String>> = OnceLock::new();
    let failure = FAILURE.get_or_init(|| {
        // SAFETY: no precondition; the OnceLock admits one thread at a time (curl_easy_init(3)).
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
            .hint("check the OpenSSL providers: openssl list -providers")),
    }
}
