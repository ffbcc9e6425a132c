//! Standard output and standard error, and what became of the former.

use std::io::Write;

use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::was_closed;

/// Returns standard output; writing to it fails when it was closed as the program was started.
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

/// Where the front ends write.
pub struct Streams<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Why stdout takes no more: a full disk, a pipe nobody reads.
    lost: Option<String>,
    /// Whether somebody was handed that as an error.
    told: bool,
}

impl<'a> Streams<'a> {
    /// Standard output and standard error.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Streams<'a> {
        Streams { out, err, lost: None, told: false }
    }

    /// Writes to stdout, for those to whom it matters whether it got there.
    ///
    /// # Errors
    /// [`Kind::Output`], now and ever after.
    pub fn print(&mut self, text: &str) -> Result<()> {
        self.put(text);
        let lost = self.lost();
        self.told |= lost.is_some();
        lost.map_or(Ok(()), Err)
    }

    /// Writes a line to stdout. That it can't be written is remembered for the end of the run.
    pub fn say(&mut self, line: impl AsRef<str>) {
        self.put(&format!("{}\n", line.as_ref()));
    }

    /// As [`Streams::say`], for lines with their ends. After a failure no more is written: an end
    /// is better than a gap.
    pub fn put(&mut self, text: &str) {
        if self.lost.is_none() {
            let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
            self.lost = written.err().map(|e| e.to_string());
        }
    }

    /// Writes a line to stderr.
    pub fn tell(&mut self, line: impl AsRef<str>) {
        writeln!(self.err, "{}", line.as_ref()).ok();
    }

    /// Why not everything that was to go to stdout got there.
    pub fn lost(&self) -> Option<Error> {
        let why = self.lost.as_deref()?;
        Some(Error::new(Kind::Output, "cannot write to standard output").because(why))
    }

    /// The same, unless [`Streams::print`] has answered with it.
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
