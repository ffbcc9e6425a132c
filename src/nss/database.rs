//! Opening and closing the NSS database.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nss_sys as sys;

use super::fault;
use super::handle::Guard;
use super::{Context, Fault};
use crate::error::{Error, Kind, Result};
use crate::text::{certutil, quoted};

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written; key generation and import fail.
    ReadOnly,
    /// Keys, certificates and trust may be written.
    ReadWrite,
}

/// The open NSS database: `cert9.db`, `key4.db` and the modules of `pkcs11.txt`.
///
/// C: `NSSInitContext`, given back by `NSS_ShutdownContext` when the last handle is gone.
#[derive(Debug)]
pub struct Database {
    guard: Guard,
    name: String,
    access: Access,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Database {
    /// Opens the database in `dir`: a directory, `sql:DIR`, or `dbm:DIR` (where NSS still can).
    ///
    /// The database itself is never created. Mozilla's built-in roots are not added: trust is
    /// what the database says.
    ///
    /// # Errors
    /// [`Kind::Database`]: missing, unreadable, not writable for [`Access::ReadWrite`], or not a
    /// database; also when another directory is already open in this process.
    pub fn open(dir: &str, access: Access) -> Result<Database> {
        let path = directory(dir);
        check_files(dir, &path, access)?;
        // SAFETY: NSS_IsInitialized has no precondition (nss.h).
        if unsafe { sys::NSS_IsInitialized() } != 0 {
            return Err(Error::new(
                Kind::Database,
                format!("can't open the NSS database {dir}: another one is open in this process"),
            ));
        }
        let config = if dir.contains(':') { dir.to_owned() } else { format!("sql:{dir}") };
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
            Error::new(Kind::Database, format!("can't open the NSS database {dir}"))
                .because(f)
                .hint(format!("look at it with: {}", certutil("-L", dir)))
        })?;
        let guard = Arc::new(Context { raw: Some(raw) });
        Ok(Database { guard, name: dir.to_owned(), access })
    }

    /// NSS without any database: nothing is read from disk, nothing is trusted, and keys last as
    /// long as the process. For digests, random octets and public-key work.
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
            // SAFETY: as in `open`; the empty names go with the flags that nothing is opened.
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
        .map_err(|f| Error::new(Kind::Database, "can't start NSS").because(f))?;
        let guard = Arc::new(Context { raw: Some(raw) });
        Ok(Database { guard, name: "(none)".into(), access: Access::ReadOnly })
    }

    /// Shuts NSS down.
    ///
    /// # Errors
    /// `SEC_ERROR_BUSY` when a handle or a leaked reference is still alive.
    pub fn close(self) -> std::result::Result<(), Fault> {
        match Arc::try_unwrap(self.guard) {
            Ok(context) => context.shut_down(),
            Err(_) => Err(Fault::from_code("NSS_ShutdownContext", sys::SEC_ERROR_BUSY)),
        }
    }

    /// The directory as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it was opened.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The directory as a path, without `sql:`.
    pub fn path(&self) -> PathBuf {
        directory(&self.name)
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }
}

pub(super) fn directory(dir: &str) -> PathBuf {
    PathBuf::from(dir.strip_prefix("sql:").or_else(|| dir.strip_prefix("dbm:")).unwrap_or(dir))
}

pub(super) fn c_text(what: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| {
        Error::new(Kind::Usage, format!("{} holds a NUL byte", what.replace('\0', "\\0")))
    })
}

/// NSS answers SEC_ERROR_BAD_DATABASE to everything; the file system knows the reason.
fn check_files(dir: &str, path: &Path, access: Access) -> Result<()> {
    if dir.starts_with("dbm:") {
        return Ok(());
    }
    let failed = |file: &Path, e: std::io::Error| {
        let hint = match e.kind() {
            std::io::ErrorKind::NotFound => format!("make one with: {}", certutil("-N", dir)),
            _ => format!("check who may use it: ls -l {}", quoted(path)),
        };
        let access = if access == Access::ReadWrite { " for writing" } else { "" };
        Error::new(Kind::Database, format!("can't open the NSS database {dir}{access}"))
            .because(format!("{}: {e}", file.display()))
            .hint(hint)
    };
    for name in ["cert9.db", "key4.db"] {
        let file = path.join(name);
        std::fs::OpenOptions::new()
            .read(true)
            .write(access == Access::ReadWrite)
            .open(&file)
            .map_err(|e| failed(&file, e))?;
    }
    // SQLite puts its journal beside the files.
    if access == Access::ReadWrite {
        let (may, how) = (rustix::fs::Access::WRITE_OK, rustix::fs::AtFlags::EACCESS);
        rustix::fs::accessat(rustix::fs::CWD, path, may, how)
            .map_err(|e| failed(path, e.into()))?;
    }
    Ok(())
}
