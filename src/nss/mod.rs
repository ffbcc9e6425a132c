//! Safe wrappers over libnss3: the only module with NSS pointers.
//!
//! NSS is global: one [`Database`] is open in a process at a time. Every handle ([`Token`],
//! [`PrivateKey`], [`Certificate`]…) holds a guard that keeps NSS initialised; [`Database::close`]
//! shuts NSS down and fails when a reference was leaked.

mod alone;
mod beside;
mod cert;
mod create;
mod database;
mod descriptor;
mod digest;
mod exposed;
mod fault;
mod generate;
mod handle;
mod identity;
mod key;
mod keys_by_label;
mod newer;
mod newer_trust;
mod pin;
mod pkcs12;
mod policy;
mod store;
mod token;
mod unwrap;
mod usage;
mod verify;
mod wrap;

use std::path::PathBuf;
use std::ptr::NonNull;

use nss_sys as sys;

pub use cert::{Certificate, Trust, TrustFlags};
pub use database::{Access, Database, SharedDatabase};
pub use descriptor::was_closed;
pub(crate) use descriptor::{duplicate, is_ignored};
pub use exposed::{current_directory, exposed};
pub use fault::Fault;
pub use identity::Identity;
pub use key::{KeyFlags, KeyPair, KeyUses, PrivateKey, PublicKey};
pub use pkcs12::{EncryptedKey, KeyCipher, MacDigest, Pbe};
pub use store::{PinState, TokenInfo};
pub use token::Token;
pub(crate) use token::{is_fips_name, is_internal_name};
pub use usage::{Problem, Usage};
pub use verify::{CaTrust, Signature};
pub use wrap::{KeyTransport, PrivateWrap, SessionKind, SymKey};

/// The initialised library. The last handle, or [`Database::close`], drops it and shuts NSS down.
pub(crate) struct Context {
    raw: Option<NonNull<sys::NSSInitContext>>,
    /// The database's directory, if there is a database.
    directory: Option<PathBuf>,
}

// SAFETY: NSSInitContext is opaque, and NSS_ShutdownContext locks internally: a context may be shut
// down from any thread (nss.h).
unsafe impl Send for Context {}
// SAFETY: as above; a shared reference gives access to nothing.
unsafe impl Sync for Context {}

impl Context {
    fn shut_down(mut self) -> Result<(), Fault> {
        match self.raw.take() {
            // SAFETY: the context came from NSS_InitContext and is given back once (`take`).
            Some(raw) => fault::status("NSS_ShutdownContext", || unsafe {
                sys::NSS_ShutdownContext(raw.as_ptr())
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take() {
            // A drop can't report; `Database::close` reports a leak. SAFETY: as in `shut_down`.
            let down = unsafe { sys::NSS_ShutdownContext(raw.as_ptr()) };
            debug_assert!(
                down == sys::SECSuccess || std::thread::panicking(),
                "NSS objects were in use when NSS was shut down"
            );
        }
    }
}

/// Returns the version of the loaded NSS library, such as `3.87.1`. C: `NSS_GetVersion`.
pub fn version() -> String {
    // SAFETY: NSS_GetVersion has no precondition and returns a static string (nss.h).
    let text = unsafe { sys::NSS_GetVersion() };
    if text.is_null() {
        return "unknown".into();
    }
    // SAFETY: not null, static and NUL-terminated.
    unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn pr_bool(b: bool) -> sys::PRBool {
    sys::PRBool::from(b)
}
