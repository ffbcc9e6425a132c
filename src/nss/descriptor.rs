//! Inherited file descriptors. Nothing of NSS: it is here because unsafe code is.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// A descriptor of our own for what the inherited descriptor `n` stands for: the same file, pipe or
/// socket at the same place, closed without closing `n`.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub(crate) fn duplicate(n: i32) -> io::Result<File> {
    // SAFETY: any number may be asked for; the descriptor `n` is not changed (fcntl(2)).
    let copy = unsafe { libc::fcntl(n, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made it, open, and nobody else knows its number.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(copy) }))
}
