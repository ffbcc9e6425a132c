//! What a process inherits: file descriptors, ignored signals. Nothing of NSS: it is here because
//! unsafe code is.

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

/// Returns whether the process ignores a signal, as `nohup` and a shell's background jobs want it.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action changes nothing; `action` has room for the present one
    // (sigaction(2)).
    let rc = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeros is a valid sigaction, and the call fills it.
    rc == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
