//! Standard output and standard error, and what became of the former.

use std::io::{ErrorKind, Write};

use crate::error::{Error, Kind, Result};

/// Where the front ends write.
pub struct Streams<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Why stdout takes no more: a full disk. A closed pipe is nobody's failure.
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
            let failed = written.err().filter(|e| e.kind() != ErrorKind::BrokenPipe);
            self.lost = failed.map(|e| e.to_string());
        }
    }

    /// Writes a line to stderr.
    pub fn tell(&mut self, line: impl AsRef<str>) {
        writeln!(self.err, "{}", line.as_ref()).ok();
    }

    /// Why not everything that was to go to stdout got there.
    pub(super) fn lost(&self) -> Option<Error> {
        let why = self.lost.as_deref()?;
        Some(Error::new(Kind::Output, "can't write to standard output").because(why))
    }

    /// The same, unless [`Streams::print`] has answered with it.
    pub(super) fn untold(&self) -> Option<Error> {
        self.lost().filter(|_| !self.told)
    }
}

#[cfg(test)]
mod tests {
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
    fn a_full_disk_is_remembered_and_a_closed_pipe_is_not() {
        let mut err = Vec::new();
        let mut out = Broken(ErrorKind::BrokenPipe, 0);
        let mut streams = Streams::new(&mut out, &mut err);
        streams.say("x");
        assert!(streams.print("y").is_ok() && streams.lost().is_none());
        let mut out = Broken(ErrorKind::StorageFull, 0);
        let mut streams = Streams::new(&mut out, &mut err);
        streams.say("x");
        assert!(streams.untold().is_some());
        assert_eq!(streams.print("y").unwrap_err().kind(), Kind::Output);
        assert!(streams.untold().is_none() && streams.lost().is_some());
        assert_eq!(out.1, 1, "nothing is written after the gap");
    }
}
