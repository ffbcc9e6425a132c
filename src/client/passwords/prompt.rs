//! Asks for a password on the terminal, with echo off.

use std::fs::File;
use std::io::{IsTerminal, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::SHARED_SECRET;
use crate::error::{Error, Kind, Result};
use crate::interrupt::{self, Watch};
use crate::secret::Secret;

/// Asks for `what`. A signal ends the prompt and turns echo on again.
///
/// # Errors
/// [`Kind::Usage`] without a terminal; [`Kind::Interrupted`].
pub(super) fn ask(what: &str) -> Result<Secret> {
    let option = if what == SHARED_SECRET { "shared-secret" } else { "password" };
    let no_terminal = || {
        let what = format!("no {what} given, and no terminal to ask on");
        Error::new(Kind::Usage, what)
            .hint(format!("use --{option}-file FILE, --{option}-fd N or --{option}-env VAR"))
    };
    if !std::io::stdin().is_terminal() && !std::io::stderr().is_terminal() {
        return Err(no_terminal());
    }
    let terminal = Terminal::save();
    let watch = Watch::begin();
    let question = format!("Enter the {what}: ");
    let answer = interrupt::blocking(|| rpassword::prompt_password(question).map(Zeroizing::new));
    let interrupted = watch.check();
    drop(terminal);
    drop(watch);
    interrupt::end_if_unwatched();
    interrupted?;
    let text = answer?.map_err(|e| no_terminal().because(e))?;
    std::io::stderr().flush().ok();
    Ok(Secret::new(text.as_bytes().to_vec()))
}

/// The terminal's settings, restored on drop: rpassword restores them too, but not after a signal.
struct Terminal(Option<(File, Termios)>);

impl Terminal {
    fn save() -> Terminal {
        let file = File::open("/dev/tty").ok();
        Terminal(file.and_then(|file| tcgetattr(&file).ok().map(|settings| (file, settings))))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some((file, settings)) = &self.0 {
            tcsetattr(file, OptionalActions::Now, settings).ok();
        }
    }
}
