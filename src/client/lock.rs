//! One run at a time on a database: an advisory lock on its folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::interrupt::Watch;

/// How often a waiting run looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What somebody who waits for a run should know.
#[derive(Debug)]
pub enum Event {
    /// Another run holds the database; it is waited for, no longer than this.
    Waiting(PathBuf, Duration),
    /// The database's file system has no locks: other runs may interfere.
    NotLocked(PathBuf, std::io::Error),
}

/// A lock on a folder, as long as it lives. It is on the folder itself (flock(2)): nothing is left
/// behind, whoever is killed, and it doesn't matter by which name the folder is called.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock; `tell` is called once when another process holds it. A file system that has no
    /// locks is nobody's failure: that is told, and everybody goes on.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when it isn't free after `limit`; [`Kind::Interrupted`].
    pub fn take(folder: &Path, limit: Duration, tell: &mut dyn FnMut(Event)) -> Result<Lock> {
        let without = |e: std::io::Error, tell: &mut dyn FnMut(Event)| {
            tell(Event::NotLocked(folder.to_owned(), e));
            Ok(Lock { _file: None })
        };
        let file = match File::open(folder) {
            Ok(file) => file,
            Err(e) => return without(e, tell),
        };
        // None is beyond what the clock can tell.
        let end = Instant::now().checked_add(limit);
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
                let (folder, seconds) = (folder.display(), limit.as_secs());
                let what = format!("another run holds the NSS database {folder}");
                return Err(Error::new(
                    Kind::Conflict,
                    format!("{what}: waited {seconds} s for it"),
                )
                .retry(true)
                .hint("run it again later, or wait longer with --lock-timeout SECONDS"));
            }
            if !told {
                told = true;
                tell(Event::Waiting(folder.to_owned(), limit));
            }
            watch.check()?;
            std::thread::sleep(PAUSE);
        }
    }
}
