//! What a process inherits: file descriptors and ignored signals. It uses no NSS; it is here
//! because `unsafe` is allowed here.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Which of the standard streams were closed at program start. Rust opens /dev/null in their place
/// before `main`, and writing to that always succeeds.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// Records the closed streams; runs before Rust's own start-up.
extern "C" fn look() {
    for (n, closed) in (0..).zip(&CLOSED) {
        // SAFETY: any number may be asked for; nothing is changed (fcntl(2)).
        let flags = unsafe { libc::fcntl(n, libc::F_GETFD) };
        closed.store(flags < 0, Ordering::Relaxed);
    }
}

/// The C library calls the functions of this section before `main` (ELF gABI, chapter 5).
#[used]
// SAFETY: the section holds pointers to functions of this type; `look` needs nothing from Rust's
// start-up.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Returns whether the descriptor `n` is a standard stream that was closed at program start.
pub fn was_closed(n: i32) -> bool {
    usize::try_from(n).is_ok_and(|n| CLOSED.get(n).is_some_and(|c| c.load(Ordering::Relaxed)))
}

/// Duplicates the inherited descriptor `n`: the same file, pipe or socket at the same offset;
/// closing the copy does not close `n`. C: `fcntl(F_DUPFD_CLOEXEC)`.
///
/// # Errors
/// `EBADF` when `n` was not inherited: it may be a descriptor of this process, such as the
/// database's.
pub(crate) fn duplicate(n: i32) -> io::Result<File> {
    // SAFETY: any number may be asked for; nothing is changed (fcntl(2)).
    let flags = unsafe { libc::fcntl(n, libc::F_GETFD) };
    // A descriptor that closes on exec can't have been inherited.
    if flags < 0 || flags & libc::FD_CLOEXEC != 0 || was_closed(n) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: any number may be asked for; the descriptor `n` is not changed (fcntl(2)).
    let copy = unsafe { libc::fcntl(n, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made it, open, and nobody else knows its number.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(copy) }))
}

/// Returns whether the process ignores a signal, as under `nohup` and in a shell's background jobs.
/// C: `sigaction`.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action changes nothing; `action` has room for the present one
    // (sigaction(2)).
    let rc = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeros is a valid sigaction, and the call fills it.
    rc == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
