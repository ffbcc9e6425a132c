//! Runs that must tidy up before they end: while a [`Watch`] lives, SIGINT, SIGTERM and SIGHUP only
//! set a flag, which the run looks at between its steps. A second signal ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Kind, Result};

struct Flags {
    /// A signal came.
    hit: Arc<AtomicBool>,
    /// The next signal does what it does by default.
    deadly: Arc<AtomicBool>,
}

fn flags() -> &'static Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let flags = Flags { hit: Arc::default(), deadly: Arc::new(AtomicBool::new(true)) };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: die if nobody watches, else take note and be deadly from now on. A
            // handler that can't be installed leaves the default, which is to die.
            let installed = flag::register_conditional_default(signal, flags.deadly.clone())
                .and_then(|_| flag::register(signal, flags.hit.clone()))
                .and_then(|_| flag::register(signal, flags.deadly.clone()));
            drop(installed);
        }
        flags
    })
}

/// Holds signals back for as long as it lives.
#[derive(Debug)]
pub struct Watch(());

impl Watch {
    /// Begins to hold signals back.
    pub fn begin() -> Watch {
        let flags = flags();
        flags.hit.store(false, Ordering::SeqCst);
        flags.deadly.store(false, Ordering::SeqCst);
        Watch(())
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] when a signal came.
    pub fn check(&self) -> Result<()> {
        if flags().hit.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Interrupted, "interrupted by a signal"));
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        flags().deadly.store(true, Ordering::SeqCst);
    }
}
