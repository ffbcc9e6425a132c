//! A renewal that is not finished, remembered beside the database: from before the request until
//! the command after it has succeeded. If the run is killed between, or the command fails, the next
//! run finishes the renewal.
//!
//! The file says which certificate was in use before. If another one is in use now, that one was
//! stored; its trust flags may be missing, and the command may not have run.

use std::fs::Metadata;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Crypto, Digest};
use crate::client::ca::Fingerprint;
use crate::client::output;
use crate::error::{Error, Kind, Result};
use crate::keyid::to_hex;
use crate::nss::Database;

/// The file's name, before the digest of token and nickname and after it.
const PREFIX: &str = "nss-cmc-renewal-";
const SUFFIX: &str = ".ini";

/// The version of the file's form.
const VERSION: u32 = 1;

/// The largest file that is read.
const LARGEST: u64 = 64 * 1024;

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    version: u32,
    token: String,
    nickname: String,
    /// SHA-256 fingerprint of the certificate in use before.
    pub(super) before: String,
    /// Its serial number.
    pub(super) serial: String,
    /// Its trust flags; empty if it has none but for its key.
    pub(super) trust: String,
}

impl Entry {
    /// Returns the entry for the certificate in use.
    pub(super) fn new(
        (token, nickname): (&str, &str),
        before: Fingerprint,
        serial: String,
        trust: String,
    ) -> Entry {
        let (token, nickname) = (token.to_owned(), nickname.to_owned());
        Entry { version: VERSION, token, nickname, before: before.to_string(), serial, trust }
    }
}

/// The file about one certificate.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    /// Returns the file about the certificate with this nickname.
    ///
    /// # Errors
    /// [`Kind::Refused`] when NSS can't compute SHA-256.
    pub(super) fn of(database: &Database, token: &str, nickname: &str) -> Result<Journal> {
        let digest = database.hash(Digest::Sha256, format!("{token}\0{nickname}").as_bytes())?;
        let name = to_hex(digest.get(..20).unwrap_or(&digest));
        Ok(Journal { path: database.path().join(format!("{PREFIX}{name}{SUFFIX}")) })
    }

    /// Returns the content; `None` if there is no file.
    ///
    /// # Errors
    /// [`Kind::Input`] for a file that can't be read, with what to do.
    pub(super) fn read(&self) -> Result<Option<Entry>> {
        let path = self.path.display();
        let cannot = || {
            Error::new(Kind::Input, format!("cannot read the unfinished renewal {path}"))
                .hint("remove the file, and do by hand what is to be done after a renewal")
        };
        let is_ours = |found: &Metadata| found.is_file() && found.len() <= LARGEST;
        match self.path.symlink_metadata() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(cannot().because(e)),
            Ok(found) if !is_ours(&found) => {
                return Err(cannot().because("it is no file of this program"));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&self.path).map_err(|e| cannot().because(e))?;
        let entry: Entry =
            serde_ini::from_str(&text).map_err(|e| cannot().because(e.to_string()))?;
        match entry.version {
            VERSION => Ok(Some(entry)),
            other => Err(cannot().because(format!("unknown version {other}"))),
        }
    }

    /// Writes the file; it appears whole or not at all.
    ///
    /// # Errors
    /// [`Kind::Output`].
    pub(super) fn write(&self, entry: &Entry) -> Result<()> {
        let text = serde_ini::to_string(entry).map_err(|e| {
            Error::new(Kind::Output, format!("cannot write {}", self.path.display()))
                .because(e.to_string())
        })?;
        output::write(&self.path, text.as_bytes(), output::Mode::Private)
    }

    /// Removes the file.
    ///
    /// # Errors
    /// [`Kind::Output`]: the next run would call the command again.
    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("cannot remove {}", self.path.display());
                Err(Error::new(Kind::Output, what).because(e))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal { path: dir.path().join(format!("{PREFIX}00{SUFFIX}")) };
        assert_eq!(journal.read().unwrap(), None);
        let before = Fingerprint::parse(&"ab".repeat(32)).unwrap();
        let entry = Entry::new(("internal", "my ; www = 1"), before, "0x1".into(), "u,u,Pu".into());
        journal.write(&entry).unwrap();
        assert_eq!(journal.read().unwrap(), Some(entry));
        let mode = std::fs::metadata(&journal.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for _ in 0..2 {
            journal.remove().unwrap();
            assert_eq!(journal.read().unwrap(), None);
        }
        for damage in ["", "version = 1", "[", "version=2\n"] {
            std::fs::write(&journal.path, damage).unwrap();
            let e = journal.read().unwrap_err();
            assert!(e.to_string().contains(PREFIX) && e.hint_text().is_some(), "{damage}: {e}");
        }
    }
}
