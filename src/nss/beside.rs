//! Opens a second database read-only as a token of the first: NSS can be initialised with one
//! database only.

use std::path::Path;
use std::ptr::NonNull;

use nss_sys as sys;

use super::Access;
use super::database::{Database, SQL, c_text, check_files, directory, refuse_dbm};
use super::fault;
use super::handle::Guard;
use crate::error::{Error, Kind, Result};
use crate::text::certutil;

/// The slot of a second database. C: `SECMOD_OpenUserDB`, released by `SECMOD_CloseUserDB` and
/// `PK11_FreeSlot`.
pub(super) struct Beside {
    slot: NonNull<sys::PK11SlotInfo>,
    /// Keeps NSS initialised until the slot is closed.
    _guard: Guard,
}

impl Drop for Beside {
    fn drop(&mut self) {
        // SAFETY: the slot came from SECMOD_OpenUserDB and is closed once (pk11pub.h). After a failure
        // it stays open until NSS shuts down, which reports what is still in use.
        unsafe { sys::SECMOD_CloseUserDB(self.slot.as_ptr()) };
        // SAFETY: the reference is ours and is released once.
        unsafe { sys::PK11_FreeSlot(self.slot.as_ptr()) };
    }
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
}

impl Database {
    /// Opens the database in `dir` read-only as a token with this label, until `self` is closed. Its
    /// certificates have the nicknames `LABEL:NICKNAME`, and CAs that it trusts are trusted, too. Its
    /// modules are not loaded. C: `SECMOD_OpenUserDB`.
    ///
    /// # Errors
    /// [`Kind::Database`] as [`Database::open`]; [`Kind::Usage`] when it is this database.
    pub fn open_beside(&mut self, dir: &str, label: &str) -> Result<()> {
        let path = directory(dir);
        refuse_dbm(dir, &path)?;
        check_files(dir, &path, Access::ReadOnly)?;
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if whole(&path) == whole(&self.path()) {
            let what = format!("{dir} is the first database, not a second one");
            return Err(Error::new(Kind::Usage, what));
        }
        let spec = format!(
            "configDir='{}' tokenDescription='{}' flags=readOnly",
            escaped(&format!("{SQL}{}", path.display())),
            escaped(label)
        );
        let spec = c_text(dir, &spec)?;
        let slot = fault::pointer("SECMOD_OpenUserDB", || {
            // SAFETY: NSS is initialised while `self` lives; the string is NUL-terminated and only
            // read; returns a new reference or null (pk11pub.h).
            unsafe { sys::SECMOD_OpenUserDB(spec.as_ptr()) }
        })
        .map_err(|f| {
            Error::new(Kind::Database, format!("cannot open NSS database {dir}"))
                .because(f)
                .hint(format!("check it with: {}", certutil("-L", dir)))
        })?;
        self.beside.push(Beside { slot, _guard: self.guard().clone() });
        Ok(())
    }
}

/// Returns text for a quoted value of a module specification.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(super::escaped(r"sql:/it's\a"), r"sql:/it\'s\\a");
    }
}
