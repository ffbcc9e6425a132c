//! One run at a time on a database: an advisory lock on its folder.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::interrupt::Watch;

/// How often a waiting run looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A lock on a folder, as long as it lives. It is on the folder itself (flock(2)): nothing is left
/// behind, whoever is killed, and it doesn't matter by which name the folder is called.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock; `tell` is called when another process holds it, once. A file system that has no
    /// locks is nobody's failure: that is told, and everybody goes on.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when it isn't free after `limit`; [`Kind::Interrupted`].
    pub fn take(folder: &Path, limit: Duration, tell: &mut dyn FnMut(&str)) -> Result<Lock> {
        let what = format!("the NSS database {}", folder.display());
        let without = |e: std::io::Error, tell: &mut dyn FnMut(&str)| {
            tell(&format!("cannot lock {what}, other runs may interfere: {e}"));
            Ok(Lock { _file: None })
        };
        let file = match File::open(folder) {
            Ok(file) => file,
            Err(e) => return without(e, tell),
        };
        // None is beyond what the clock can tell.
        let end = Instant::now().checked_add(limit);
        let seconds = limit.as_secs();
        // A signal ends the waiting.
        let watch = Watch::begin();
        let mut told = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: Some(file) }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(e) => return without(e.into(), tell),
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("another run holds {what}: waited {seconds} s for it"),
                )
                .retry(true)
                .hint("run it again later, or wait longer with --lock-timeout SECONDS"));
            }
            if !told {
                told = true;
                tell(&format!("waiting for another run that holds {what}, {seconds} s at most"));
            }
            watch.check()?;
            std::thread::sleep(PAUSE);
        }
    }
}
