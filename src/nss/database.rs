//! Opens and closes the NSS database.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nss_sys as sys;

use super::beside::Beside;
use super::fault;
use super::handle::Guard;
use super::{Context, Fault};
use crate::error::{Error, Kind, Result};
use crate::text::{certutil, quoted};

/// Whether a database is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written; key generation and import fail.
    ReadOnly,
    /// Keys, certificates and trust may be written.
    ReadWrite,
}

/// The open NSS database: `cert9.db`, `key4.db` and the modules of `pkcs11.txt`.
///
/// C: `NSSInitContext`, released by `NSS_ShutdownContext` after the last handle is dropped.
#[derive(Debug)]
pub struct Database {
    guard: Guard,
    name: String,
    access: Access,
    /// Further databases; they are closed before this one.
    pub(super) beside: Vec<Beside>,
}

/// An open database for other threads. Handles stay in the thread that made them; NSS itself may be
/// called by any.
#[derive(Debug, Clone)]
pub struct SharedDatabase {
    guard: Guard,
    name: String,
    access: Access,
}

impl SharedDatabase {
    /// Returns the database for this thread; its tokens are logged in, as they are in the others.
    pub fn database(&self) -> Database {
        let SharedDatabase { guard, name, access } = self.clone();
        Database { guard, name, access, beside: Vec::new() }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Database {
    /// Opens the database in `dir`: a directory, or `sql:DIR`. C: `NSS_InitContext`.
    ///
    /// The database itself is never created. Mozilla's built-in roots are not loaded: only the
    /// database's own trust counts. A transaction that a killed process left unfinished is rolled
    /// back first, if the files can be written.
    ///
    /// # Errors
    /// [`Kind::Database`]: missing, unreadable, not writable for [`Access::ReadWrite`], of the old
    /// format (`dbm:`), or not a database; also when another directory is already open in this
    /// process.
    pub fn open(dir: &str, access: Access) -> Result<Database> {
        let path = directory(dir);
        refuse_dbm(dir, &path)?;
        check_files(dir, &path, access)?;
        match (Database::initialise(dir, access), journal(&path)) {
            // Only after a failure: the journal may belong to a running process whose transaction
            // does not disturb readers.
            (Err(_), Some(journal)) if access == Access::ReadOnly => {
                roll_back(dir, &path, &journal)?;
                Database::initialise(dir, access)
            }
            (outcome, _) => outcome,
        }
    }

    /// Checks the files of a database without opening it: format, and permissions for `access`.
    ///
    /// # Errors
    /// [`Kind::Database`] as [`Database::open`].
    pub fn check(dir: &str, access: Access) -> Result<()> {
        let path = directory(dir);
        refuse_dbm(dir, &path)?;
        check_files(dir, &path, access)
    }

    /// Opens the database in `dir` read-only, and changes nothing for it: an unfinished transaction,
    /// which [`Database::open`] rolls back, is an error, and so is a missing `pkcs11.txt`, which NSS
    /// would write.
    ///
    /// # Errors
    /// [`Kind::Database`] as [`Database::open`].
    pub fn open_untouched(dir: &str) -> Result<Database> {
        Database::check(dir, Access::ReadOnly)?;
        let path = directory(dir);
        let failed = |file: &Path, why: &str, hint: String| {
            Error::new(Kind::Database, format!("cannot open NSS database {dir} without a change"))
                .because(format!("{}: {why}", file.display()))
                .hint(hint)
        };
        let modules = path.join("pkcs11.txt");
        if !modules.exists() {
            let hint = format!("have NSS write it: {}", certutil("-L", dir));
            return Err(failed(&modules, "the file does not exist", hint));
        }
        Database::initialise(dir, Access::ReadOnly).map_err(|e| match journal(&path) {
            Some(journal) => {
                let hint =
                    format!("repair it as its owner: certutil -L -X -d sql:{}", quoted(&path));
                failed(&journal, "a process was killed during a write", hint)
            }
            None => e,
        })
    }

    /// Initialises NSS with a database. If `access` permits and it is missing, it is created, with
    /// no password set. C: `NSS_InitContext`.
    pub(super) fn initialise(dir: &str, access: Access) -> Result<Database> {
        // SAFETY: NSS_IsInitialized has no precondition (nss.h).
        if unsafe { sys::NSS_IsInitialized() } != 0 {
            return Err(Error::new(
                Kind::Database,
                format!("cannot open NSS database {dir}: another database is open in this process"),
            ));
        }
        let config = if dir.starts_with(SQL) { dir.to_owned() } else { format!("{SQL}{dir}") };
        let config = c_text(dir, &config)?;
        let secmod = c"secmod.db";
        let mut flags = sys::NSS_INIT_NOROOTINIT | sys::NSS_INIT_OPTIMIZESPACE;
        if access == Access::ReadOnly {
            flags |= sys::NSS_INIT_READONLY;
        }
        // SAFETY: NSSInitParameters is plain data for which all-zero is the documented default.
        let mut params: sys::NSSInitParameters = unsafe { std::mem::zeroed() };
        params.length = size_of::<sys::NSSInitParameters>() as u32;
        let raw = fault::pointer("NSS_InitContext", || {
            // SAFETY: all strings are NUL-terminated and outlive the call; `params` has its length
            // set; NSS copies what it keeps (nss.h).
            unsafe {
                sys::NSS_InitContext(
                    config.as_ptr(),
                    c"".as_ptr(),
                    c"".as_ptr(),
                    secmod.as_ptr(),
                    &mut params,
                    flags,
                )
            }
        })
        .map_err(|f| {
            Error::new(Kind::Database, format!("cannot open NSS database {dir}"))
                .because(f)
                .hint(format!("check it with: {}", certutil("-L", dir)))
        })?;
        let guard = Arc::new(Context { raw: Some(raw), directory: Some(directory(dir)) });
        Ok(Database { guard, name: dir.to_owned(), access, beside: Vec::new() })
    }

    /// Starts NSS without a database: nothing is read from disk, nothing is trusted, and keys exist
    /// only until the process ends. For digests, random octets and public-key operations. C:
    /// `NSS_InitContext` with `NSS_INIT_NOCERTDB`.
    ///
    /// # Errors
    /// [`Kind::Database`] when NSS can't start, or a database is open in this process.
    pub fn without_files() -> Result<Database> {
        // SAFETY: NSS_IsInitialized has no precondition (nss.h).
        if unsafe { sys::NSS_IsInitialized() } != 0 {
            return Err(Error::new(Kind::Database, "a database is open in this process already"));
        }
        let flags = sys::NSS_INIT_READONLY
            | sys::NSS_INIT_NOCERTDB
            | sys::NSS_INIT_NOMODDB
            | sys::NSS_INIT_FORCEOPEN
            | sys::NSS_INIT_NOROOTINIT
            | sys::NSS_INIT_OPTIMIZESPACE;
        // SAFETY: NSSInitParameters is plain data for which all-zero is the documented default.
        let mut params: sys::NSSInitParameters = unsafe { std::mem::zeroed() };
        params.length = size_of::<sys::NSSInitParameters>() as u32;
        let none = c"";
        let raw = fault::pointer("NSS_InitContext", || {
            // SAFETY: as in `open`; the flags say that no file is opened, so the names may be empty
            // (nss.h).
            unsafe {
                sys::NSS_InitContext(
                    none.as_ptr(),
                    none.as_ptr(),
                    none.as_ptr(),
                    none.as_ptr(),
                    &mut params,
                    flags,
                )
            }
        })
        .map_err(|f| Error::new(Kind::Database, "cannot start NSS").because(f))?;
        let guard = Arc::new(Context { raw: Some(raw), directory: None });
        Ok(Database { guard, name: "(none)".into(), access: Access::ReadOnly, beside: Vec::new() })
    }

    /// Returns the database for other threads, which must drop it before it is closed.
    pub fn shared(&self) -> SharedDatabase {
        SharedDatabase { guard: self.guard.clone(), name: self.name.clone(), access: self.access }
    }

    /// Shuts NSS down. C: `NSS_ShutdownContext`.
    ///
    /// # Errors
    /// [`Kind::Internal`] with `SEC_ERROR_BUSY` when a handle or a leaked reference still exists.
    pub fn close(self) -> Result<()> {
        drop(self.beside);
        let closed = match Arc::try_unwrap(self.guard) {
            Ok(context) => context.shut_down(),
            Err(_) => Err(Fault::from_code("NSS_ShutdownContext", sys::SEC_ERROR_BUSY)),
        };
        closed.map_err(|f| Error::new(Kind::Internal, "cannot shut down NSS").because(f))
    }

    /// Returns the error for a failed change, of [`Kind::Refused`]; if the disk is full, it says so.
    pub fn not_written(
        &self,
        what: String,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        not_written(&self.guard, what, why)
    }

    /// Returns the directory as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how it was opened.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Returns the directory as a path, without `sql:`.
    pub fn path(&self) -> PathBuf {
        directory(&self.name)
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }
}

/// NSS's prefix for a database in SQLite format.
pub(super) const SQL: &str = "sql:";
/// NSS's prefix for the format before NSS 3.12.
pub(super) const DBM: &str = "dbm:";

pub(super) fn directory(dir: &str) -> PathBuf {
    PathBuf::from(dir.strip_prefix(SQL).unwrap_or(dir))
}

/// Refuses the format before NSS 3.12: newer NSS can't read it, and NSS that can creates files when
/// it opens one.
pub(super) fn refuse_dbm(dir: &str, path: &Path) -> Result<()> {
    let old = dir.strip_prefix(DBM).map(Path::new);
    let folder = old.unwrap_or(path);
    let has = |name: &str| folder.join(name).exists();
    let converted = has("cert9.db") && has("key4.db");
    let has_old = has("cert8.db") || has("key3.db");
    if old.is_none() && (!has_old || has("cert9.db") || has("key4.db")) {
        return Ok(());
    }
    let error = Error::new(Kind::Database, format!("cannot open NSS database {dir}"))
        .because("the dbm format (cert8.db, key3.db) is not supported");
    let folder = quoted(folder);
    Err(match (converted, has_old) {
        (true, _) => {
            error.hint(format!("use the SQLite database in the same directory: -d {folder}"))
        }
        (false, true) => {
            // Opened for writing with the password, NSS converts and keeps the old files.
            error.hint(format!("convert it, then use -d {folder}: certutil -K -X -d sql:{folder}"))
        }
        (false, false) => error.hint(format!("create it with: nss-cmc db create -d sql:{folder}")),
    })
}

/// Returns the journal of an unfinished transaction; its writer is running, or was killed.
fn journal(path: &Path) -> Option<PathBuf> {
    let names = ["cert9.db-journal", "key4.db-journal"];
    let files = names.iter().map(|name| path.join(name));
    files.into_iter().find(|file| std::fs::metadata(file).is_ok_and(|m| m.len() > 0))
}

/// Rolls back an unfinished transaction: SQLite does so when it opens a database for writing, and
/// can't when it opens it read-only. Nothing else is written.
fn roll_back(dir: &str, path: &Path, journal: &Path) -> Result<()> {
    let owner = |why: Error| {
        Error::new(Kind::Database, format!("cannot open NSS database {dir}"))
            .because(format!("a process was killed during a write ({}): {why}", journal.display()))
            .hint(format!("repair it as its owner: certutil -L -X -d sql:{}", quoted(path)))
    };
    check_files(dir, path, Access::ReadWrite).map_err(owner)?;
    let database = Database::initialise(dir, Access::ReadWrite).map_err(owner)?;
    database.close()
}

/// Returns the reason when nothing can be written to the database's directory: the disk is full, or
/// a quota or the process's limit for a file's size is reached. NSS itself only returns
/// `SEC_ERROR_IO`, `SEC_ERROR_PKCS11_GENERAL_ERROR`, no code, or success.
pub(super) fn disk_full(guard: &Guard) -> Option<std::io::Error> {
    full(guard.directory.as_ref()?)
}

/// As [`disk_full`], for a directory.
pub(super) fn full(folder: &Path) -> Option<std::io::Error> {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    // Larger than a transaction.
    let written = tempfile::Builder::new()
        .prefix(PROBE)
        .tempfile_in(folder)
        .and_then(|mut file| std::io::Write::write_all(file.as_file_mut(), &[0u8; 256 * 1024]));
    written.err().filter(|e| [StorageFull, QuotaExceeded, FileTooLarge].contains(&e.kind()))
}

/// Returns the error for a failed write into the database, with the disk's reason if the disk is
/// full.
pub(super) fn not_written(
    guard: &Guard,
    what: String,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    match (disk_full(guard), &guard.directory) {
        (Some(e), Some(folder)) => {
            let what = format!("{what}: {}: {}", folder.display(), bare(&e));
            Error::new(Kind::Refused, what).because(why).hint(space_hint(folder, &e))
        }
        _ => Error::new(Kind::Refused, what).because(why),
    }
}

pub(super) fn space_hint(folder: &Path, e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::FileTooLarge => "raise the limit: ulimit -f unlimited".into(),
        _ => format!("free space on the file system: df -h {}", quoted(folder)),
    }
}

/// Returns the reason without the temporary path that tempfile adds.
pub(super) fn bare(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" at path \"").next().unwrap_or_default().to_owned()
}

/// Prefix of temporary files and directories beside the database.
pub(super) const PROBE: &str = ".nss-cmc-";

pub(super) fn c_text(what: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| {
        Error::new(Kind::Usage, format!("{} contains a NUL byte", what.replace('\0', "\\0")))
    })
}

/// Checks the files first: NSS returns SEC_ERROR_BAD_DATABASE for every failure, the file system
/// gives the reason.
pub(super) fn check_files(dir: &str, path: &Path, access: Access) -> Result<()> {
    let failed = |file: &Path, e: std::io::Error| {
        let hint = match e.kind() {
            std::io::ErrorKind::NotFound => {
                format!("create it with: nss-cmc db create -d {}", quoted(dir))
            }
            _ => format!("check the permissions: ls -l {}", quoted(path)),
        };
        let access = if access == Access::ReadWrite { " for writing" } else { "" };
        Error::new(Kind::Database, format!("cannot open NSS database {dir}{access}"))
            .because(format!("{}: {e}", file.display()))
            .hint(hint)
    };
    // NSS would wait for a pipe, and reads a directory without end. It writes a missing pkcs11.txt.
    for name in ["cert9.db", "key4.db", "pkcs11.txt"] {
        let file = path.join(name);
        if std::fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
            return Err(failed(&file, std::io::Error::other("not a regular file")));
        }
    }
    for name in ["cert9.db", "key4.db"] {
        let file = path.join(name);
        let opened = std::fs::OpenOptions::new()
            .read(true)
            .write(access == Access::ReadWrite)
            .open(&file)
            .and_then(|opened| opened.metadata())
            .map_err(|e| failed(&file, e))?;
        // For writing, NSS would take it for a new database: all keys and certificates are gone.
        if opened.len() == 0 {
            return Err(Error::new(Kind::Database, format!("cannot open NSS database {dir}"))
                .because(format!("{}: the file is empty", file.display()))
                .hint("restore the files from a backup; to create a new database, remove them"));
        }
    }
    // SQLite creates its journal beside the files.
    if access == Access::ReadWrite {
        let (may, how) = (rustix::fs::Access::WRITE_OK, rustix::fs::AtFlags::EACCESS);
        rustix::fs::accessat(rustix::fs::CWD, path, may, how)
            .map_err(|e| failed(path, e.into()))?;
    }
    Ok(())
}
