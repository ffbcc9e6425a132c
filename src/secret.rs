//! Secrets: wiped on drop, never shown.

use zeroize::Zeroizing;

/// A password, passphrase or shared secret. It has no `Debug`, `Display` or `Clone`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Another owner of the same secret, for when two parts of a run need it.
    pub fn duplicate(&self) -> Secret {
        Secret(self.0.clone())
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Secret {
        Secret(bytes)
    }
}

/// Switches core dumps off, and reading of this process's memory by other processes of the same user;
/// `NSS_CMC_ALLOW_CORE_DUMPS=1` leaves both on.
pub fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    if std::env::var_os("NSS_CMC_ALLOW_CORE_DUMPS").is_some_and(|v| v == "1") {
        return;
    }
    // A kernel that refuses is no reason not to run.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
}
