//! Allows one run at a time on a database: an advisory lock on its directory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::interrupt::Watch;

/// How often a waiting run tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// Events that are reported during a run.
#[derive(Debug)]
pub enum Event {
    /// Another run holds the lock on this database; this run waits for it, at most this long.
    Waiting(PathBuf, Duration),
    /// The database's file system has no locks: other runs may interfere.
    NotLocked(PathBuf, std::io::Error),
    /// The CA holds back this request; this run asks for the result again at this time.
    Pending(String, DateTime<Utc>),
}

/// A lock on a directory, held until drop. It is on the directory itself (flock(2)): a killed
/// process leaves nothing behind, and the path used for the directory doesn't matter.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock; `tell` is called once if another process holds it. On a file system without
    /// locks the run continues, after `tell`.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when it isn't free after `limit`; [`Kind::Interrupted`].
    pub(super) fn take(
        folder: &Path,
        limit: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Lock> {
        let without = |e: std::io::Error, tell: &mut dyn FnMut(Event)| {
            tell(Event::NotLocked(folder.to_owned(), e));
            Ok(Lock { _file: None })
        };
        let file = match File::open(folder) {
            Ok(file) => file,
            Err(e) => return without(e, tell),
        };
        // `None` for a time beyond what the clock can represent: no limit.
        let end = Instant::now().checked_add(limit);
        // A signal ends the wait.
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
                let what = format!("another run holds NSS database {folder}");
                return Err(Error::new(
                    Kind::Conflict,
                    format!("{what}: timeout after {seconds} s"),
                )
                .retry(true)
                .hint("try again later, or set a longer --lock-timeout SECONDS"));
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
