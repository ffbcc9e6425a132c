//! The outcomes of an operation that are not errors.

use super::cookie::Cookie;
use super::status;

/// The outcome of an operation.
pub enum Outcome {
    /// Standard output of an operation that succeeded: a certificate and its chain, or a list.
    Done(String),
    /// The CA has the request; certmonger polls when it likes.
    Wait(Cookie),
    /// The CA has the request; certmonger polls after that many seconds.
    WaitFor(u32, Cookie),
    /// The helper doesn't support the operation.
    Unsupported,
}

impl Outcome {
    /// Returns the exit status.
    pub fn status(&self) -> u8 {
        match self {
            Outcome::Done(_) => status::DONE,
            Outcome::Wait(_) => status::WAIT,
            Outcome::WaitFor(..) => status::WAIT_FOR,
            Outcome::Unsupported => status::UNSUPPORTED,
        }
    }

    /// Returns standard output.
    pub fn text(&self) -> String {
        match self {
            Outcome::Done(text) => text.clone(),
            Outcome::Wait(cookie) => format!("{cookie}\n"),
            Outcome::WaitFor(seconds, cookie) => format!("{seconds}\n{cookie}\n"),
            Outcome::Unsupported => String::new(),
        }
    }
}
