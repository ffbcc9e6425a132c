//! Secrets: wiped on drop, never printed.

use zeroize::Zeroizing;

/// A password, passphrase or shared secret. It has no `Debug`, `Display` or `Clone`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the octets.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// Returns the octets.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a second copy, for another owner; each is wiped on drop.
    pub fn duplicate(&self) -> Secret {
        Secret(self.0.clone())
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Secret {
        Secret(bytes)
    }
}

/// Disables core dumps, and reading of this process's memory by other processes of the same user.
/// `NSS_CMC_ALLOW_CORE_DUMPS=1` leaves both enabled.
pub fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    if std::env::var_os("NSS_CMC_ALLOW_CORE_DUMPS").is_some_and(|v| v == "1") {
        return;
    }
    // Hardening only: a kernel that refuses does not stop the run.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
}
