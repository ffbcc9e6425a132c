//! Standard output and standard error, and whether writing to the former failed.

use std::io::Write;
use std::path::Path;

use nss_cmc::client::output::is_standard_output;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::was_closed;

/// Returns standard output; writing fails if it was closed when the program was started.
pub fn standard_output() -> Box<dyn Write> {
    if was_closed(1) { Box::new(Closed) } else { Box::new(std::io::stdout().lock()) }
}

/// A stream that was closed when the program was started.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("it is closed"))
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The output streams of a command.
pub struct Streams<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Why writing to stdout failed: a full disk, a closed pipe.
    lost: Option<String>,
    /// Whether [`Streams::print`] has returned that as an error.
    told: bool,
    /// Whether a file is written to stdout, so that text goes to stderr.
    taken: bool,
}

impl<'a> Streams<'a> {
    /// Returns the streams; `out` is standard output, `err` standard error.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Streams<'a> {
        Streams { out, err, lost: None, told: false, taken: false }
    }

    /// Prints everything on stderr from now on if the output file `path` is standard output, where
    /// text would damage it.
    pub fn make_way_for(&mut self, path: &Path) {
        self.taken |= is_standard_output(path);
    }

    /// Writes to stdout, for callers that must know whether it succeeded.
    ///
    /// # Errors
    /// [`Kind::Output`], also on every call after a failure.
    pub fn print(&mut self, text: &str) -> Result<()> {
        self.print_octets(text.as_bytes())
    }

    /// As [`Streams::print`], for any octets.
    ///
    /// # Errors
    /// As [`Streams::print`].
    pub fn print_octets(&mut self, octets: &[u8]) -> Result<()> {
        self.put_octets(octets);
        let lost = self.lost();
        self.told |= lost.is_some();
        lost.map_or(Ok(()), Err)
    }

    /// Writes a line to stdout. A failure is kept until the end of the run.
    pub fn say(&mut self, line: impl AsRef<str>) {
        self.put(&format!("{}\n", line.as_ref()));
    }

    /// As [`Streams::say`], for text with line ends. After a failure nothing more is written: a
    /// truncated output is better than one with a gap.
    pub fn put(&mut self, text: &str) {
        self.put_octets(text.as_bytes());
    }

    fn put_octets(&mut self, octets: &[u8]) {
        if self.taken {
            self.err.write_all(octets).ok();
            return;
        }
        if self.lost.is_none() {
            let written = self.out.write_all(octets).and_then(|()| self.out.flush());
            self.lost = written.err().map(|e| e.to_string());
        }
    }

    /// Writes a line to stderr.
    pub fn tell(&mut self, line: impl AsRef<str>) {
        writeln!(self.err, "{}", line.as_ref()).ok();
    }

    /// Returns the error of the first failed write to stdout.
    pub fn lost(&self) -> Option<Error> {
        let why = self.lost.as_deref()?;
        Some(Error::new(Kind::Output, "cannot write to standard output").because(why))
    }

    /// As [`Streams::lost`], unless [`Streams::print`] has returned that error.
    pub fn untold(&self) -> Option<Error> {
        self.lost().filter(|_| !self.told)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    struct Broken(ErrorKind, usize);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_lost_is_remembered() {
        for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            let mut err = Vec::new();
            let mut out = Broken(kind, 0);
            let mut streams = Streams::new(&mut out, &mut err);
            streams.say("x");
            assert!(streams.untold().is_some());
            assert_eq!(streams.print("y").unwrap_err().kind(), Kind::Output);
            assert!(streams.untold().is_none() && streams.lost().is_some());
            assert_eq!(out.1, 1, "nothing is written after the gap");
        }
    }
}
