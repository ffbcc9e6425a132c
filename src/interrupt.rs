//! Signals for runs that must clean up before they end. While a [`Watch`] exists, SIGINT, SIGTERM
//! and SIGHUP only set a flag; the run checks it between its steps and while it waits. A second
//! signal ends the process at once. A signal that is ignored at program start (`nohup`) stays
//! ignored.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

use crate::error::{Error, Kind, Result};
use crate::nss::is_ignored;

/// How often a waiting run checks for a signal.
const INTERVAL: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Flags {
    /// Number of the last signal that was not [deferred](defer), else 0.
    hit: Arc<AtomicUsize>,
    /// Whether the next signal has its default effect.
    deadly: Arc<AtomicBool>,
    /// Number of [`Watch`]es that exist.
    watches: AtomicUsize,
    /// Whether a signal came while the run could not end.
    deferred: AtomicBool,
}

fn flags() -> &'static Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let flags = Flags { deadly: Arc::new(AtomicBool::new(true)), ..Flags::default() };
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|s| !is_ignored(*s)) {
            let number = usize::try_from(signal).unwrap_or_default();
            // The order matters: with no watch, die; else record the signal and make the next one
            // deadly. If a handler can't be installed, the signal keeps its default effect.
            let installed = flag::register_conditional_default(signal, flags.deadly.clone())
                .and_then(|_| flag::register_usize(signal, flags.hit.clone(), number))
                .and_then(|_| flag::register(signal, flags.deadly.clone()));
            drop(installed);
        }
        flags
    })
}

/// Makes a write beyond the process's limit for a file's size (`ulimit -f`) fail, as on a full disk;
/// otherwise its signal would end the process within the write.
pub fn survive_file_limit() {
    // If the handler can't be installed, the signal keeps its default effect.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).ok();
}

/// Defers signals while it exists. Watches may overlap; they share one flag.
#[derive(Debug)]
pub struct Watch(());

impl Watch {
    /// Starts deferring signals.
    pub fn begin() -> Watch {
        let flags = flags();
        flags.watches.fetch_add(1, Ordering::SeqCst);
        if !pending() {
            flags.deadly.store(false, Ordering::SeqCst);
        }
        Watch(())
    }

    /// Returns whether the run may continue.
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

/// As [`Watch::check`]; without a [`Watch`] a signal ends the process anyway.
///
/// # Errors
/// As [`Watch::check`].
pub(crate) fn check() -> Result<()> {
    if pending() || flags().deferred.load(Ordering::SeqCst) {
        return Err(Error::new(Kind::Interrupted, "interrupted by a signal"));
    }
    Ok(())
}

/// Returns whether a signal came that was not [deferred](defer).
pub(crate) fn pending() -> bool {
    flags().hit.load(Ordering::SeqCst) != 0
}

/// Continues in spite of a signal, because the run can't end at this point. The next signal sets
/// the flag again; [`Watch::check`] still fails, so that no new step is started.
pub(crate) fn defer() {
    let flags = flags();
    flags.deferred.store(true, Ordering::SeqCst);
    flags.hit.store(0, Ordering::SeqCst);
    flags.deadly.store(flags.watches.load(Ordering::SeqCst) == 0, Ordering::SeqCst);
}

/// Ends the process by the recorded signal when no [`Watch`] exists, with the signal's default
/// effect, so that a shell loop around the program ends too. Otherwise returns.
pub fn end_if_unwatched() {
    let flags = flags();
    if flags.watches.load(Ordering::SeqCst) == 0
        && let Ok(signal @ 1..) = i32::try_from(flags.hit.load(Ordering::SeqCst))
    {
        low_level::emulate_default_handler(signal).ok();
    }
}

/// Runs `work`, which may block (on a pipe or a terminal), in a thread, so that a signal ends the
/// wait. Without a [`Watch`] it runs in this thread: signals then end the process anyway.
///
/// # Errors
/// [`Kind::Interrupted`]; the thread runs on until the process ends.
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

/// Waits; a signal ends the wait.
///
/// # Errors
/// [`Kind::Interrupted`].
pub(crate) fn pause(length: Duration) -> Result<()> {
    let watch = Watch::begin();
    let start = Instant::now();
    loop {
        watch.check()?;
        let Some(left) = length.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
            return Ok(());
        };
        std::thread::sleep(left.min(INTERVAL));
    }
}

/// Returns whether opening or reading `path` may block: true for anything but a regular file or a
/// directory.
pub fn may_wait(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

type Say = fn(&str);
static SAY: OnceLock<Say> = OnceLock::new();

/// Sets the function that prints messages to the user during a wait. Only the first call has an
/// effect.
pub fn announce_with(say: Say) {
    SAY.set(say).ok();
}

/// Prints a message to the user.
pub(crate) fn announce(line: &str) {
    if let Some(say) = SAY.get() {
        say(line);
    }
}
