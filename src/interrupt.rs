//! Runs that must clean up before they end: while a [`Watch`] lives, SIGINT, SIGTERM and SIGHUP only
//! set a flag, which the run looks at between its steps and while it waits. A second signal ends the
//! process at once. A signal that is ignored when the program starts (`nohup`) stays ignored.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::error::{Error, Kind, Result};
use crate::nss::is_ignored;

/// How often a waiting run looks whether a signal came.
const INTERVAL: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Flags {
    /// The last signal that came and was not [deferred](defer), else 0.
    hit: Arc<AtomicUsize>,
    /// The next signal does what it does by default.
    deadly: Arc<AtomicBool>,
    /// How many [`Watch`]es live.
    watches: AtomicUsize,
    /// A signal came while the run could not end.
    deferred: AtomicBool,
}

fn flags() -> &'static Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let flags = Flags { deadly: Arc::new(AtomicBool::new(true)), ..Flags::default() };
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|s| !is_ignored(*s)) {
            let number = usize::try_from(signal).unwrap_or_default();
            // In this order: die if nobody watches, else take note and be deadly from now on. A
            // handler that can't be installed leaves the default, which is to die.
            let installed = flag::register_conditional_default(signal, flags.deadly.clone())
                .and_then(|_| flag::register_usize(signal, flags.hit.clone(), number))
                .and_then(|_| flag::register(signal, flags.deadly.clone()));
            drop(installed);
        }
        flags
    })
}

/// Holds signals back for as long as it lives. Watches may overlap; what one was told of, the others
/// know.
#[derive(Debug)]
pub struct Watch(());

impl Watch {
    /// Begins to hold signals back.
    pub fn begin() -> Watch {
        let flags = flags();
        flags.watches.fetch_add(1, Ordering::SeqCst);
        if !pending() {
            flags.deadly.store(false, Ordering::SeqCst);
        }
        Watch(())
    }

    /// Returns whether to go on.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] when a signal came.
    pub fn check(&self) -> Result<()> {
        check()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if flags().watches.fetch_sub(1, Ordering::SeqCst) == 1 {
            flags().deadly.store(true, Ordering::SeqCst);
        }
    }
}

fn check() -> Result<()> {
    if pending() || flags().deferred.load(Ordering::SeqCst) {
        return Err(Error::new(Kind::Interrupted, "interrupted by a signal"));
    }
    Ok(())
}

/// Returns whether a signal came that was not [deferred](defer).
pub fn pending() -> bool {
    flags().hit.load(Ordering::SeqCst) != 0
}

/// Goes on in spite of the signal that came, because the run can't end here. The next signal sets the
/// flag anew; [`Watch::check`] still fails, so that nothing new is begun.
pub fn defer() {
    let flags = flags();
    flags.deferred.store(true, Ordering::SeqCst);
    flags.hit.store(0, Ordering::SeqCst);
    flags.deadly.store(flags.watches.load(Ordering::SeqCst) == 0, Ordering::SeqCst);
}

/// Ends the process by the signal that came, as if nobody had watched, when no [`Watch`] lives: a
/// shell that runs the program in a loop then ends its loop. Else, and without a signal, returns.
pub fn end_if_unwatched() {
    let flags = flags();
    if flags.watches.load(Ordering::SeqCst) == 0
        && let Ok(signal @ 1..) = i32::try_from(flags.hit.load(Ordering::SeqCst))
    {
        low_level::emulate_default_handler(signal).ok();
    }
}

/// Does what may wait for somebody else (a reader, a writer, a terminal) so that a signal ends the
/// waiting. Without a [`Watch`] signals end the process anyway.
///
/// # Errors
/// [`Kind::Interrupted`]; `work` goes on behind the scenes until the process ends.
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if flags().watches.load(Ordering::SeqCst) == 0 {
        return Ok(work());
    }
    let (done, result) = sync_channel(1);
    let thread = std::thread::Builder::new().spawn(move || done.send(work()).ok());
    thread.map_err(|e| Error::new(Kind::Internal, "cannot start a thread").because(e))?;
    loop {
        match result.recv_timeout(INTERVAL) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => check()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::new(Kind::Internal, "a thread ended without a result"));
            }
        }
    }
}

/// Returns whether to open or read this may wait for somebody else: anything but a regular file.
pub fn may_wait(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

type Say = fn(&str);
static SAY: OnceLock<Say> = OnceLock::new();

/// Sets who tells the user, while the run waits, why a signal did not end it. The first call counts.
pub fn announce_with(say: Say) {
    SAY.set(say).ok();
}

/// Tells the user.
pub(crate) fn announce(line: &str) {
    if let Some(say) = SAY.get() {
        say(line);
    }
}
