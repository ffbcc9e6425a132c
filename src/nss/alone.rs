//! One write to the databases at a time. Threads of one process that write at once wait for each other in
//! softoken by polling SQLite, which fails after half a minute.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other thread writes; none does while the guard lives. For a single call of NSS.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    static WRITES: Mutex<()> = Mutex::new(());
    WRITES.lock().unwrap_or_else(PoisonError::into_inner)
}
