//! Creates a database; other processes see the whole database or none.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Access;
use super::beside::escaped;
use super::database::{DBM, Database, PROBE, bare, directory, full, space_hint};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::text::quoted;

/// The files of a database, in the order they are moved to their directory: without the last one,
/// the others are not opened as a database.
const FILES: [&str; 3] = ["pkcs11.txt", "cert9.db", "key4.db"];
/// The files of the format before NSS 3.12.
const OLD_FILES: [&str; 3] = ["cert8.db", "key3.db", "secmod.db"];

impl Database {
    /// Creates a database in `dir` (a directory, or `sql:DIR`) with the password of its own token; an
    /// empty one means no password. A missing directory is created, for its owner only. Other
    /// processes see the whole database or none of it. C: `NSS_InitContext`, `PK11_InitPin`.
    ///
    /// No database may be open in this process, and none is afterwards.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when a database exists; [`Kind::Database`] when the directory can't be
    /// created or written; [`Kind::Refused`] when NSS refuses the password.
    pub fn create(dir: &str, password: &Secret) -> Result<()> {
        let path = directory(dir);
        let cannot = |why: Error| {
            let hint = why.hint_text().map(str::to_owned);
            let what = format!("cannot create NSS database {dir}");
            let error = Error::new(why.kind(), what).because(why);
            hint.into_iter().fold(error, Error::hint)
        };
        if dir.starts_with(DBM) {
            let why = "the dbm format (cert8.db, key3.db) is not supported";
            return Err(cannot(Error::new(Kind::Usage, why)));
        }
        refuse_existing(&path).map_err(cannot)?;
        match path.metadata() {
            Ok(found) if found.is_dir() => Database::create_in(&path, password),
            Ok(_) => {
                Err(Error::new(Kind::Database, format!("{} is not a directory", path.display())))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Database::create_with(&path, password),
            Err(e) => Err(failed(&path, e)),
        }
        .map_err(cannot)
    }

    /// Creates the directory with the database in it.
    fn create_with(path: &Path, password: &Secret) -> Result<()> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(parent).map_err(|e| failed(parent, e))?;
        let made = make(parent, path, password)?;
        // An empty directory that was created meanwhile is replaced, one with files is not.
        std::fs::rename(made.path(), path).map_err(|e| failed(path, e))?;
        // The temporary directory no longer has this name.
        let _ = made.keep();
        sync(parent);
        Ok(())
    }

    /// Creates the database in an existing directory, whose mode and owner stay.
    fn create_in(path: &Path, password: &Secret) -> Result<()> {
        let made = make(path, path, password)?;
        let mut placed: Vec<PathBuf> = Vec::new();
        for name in FILES {
            let to = path.join(name);
            if let Err(e) = place(&made.path().join(name), &to) {
                // No process can have opened the incomplete database.
                placed.iter().for_each(|file| std::fs::remove_file(file).unwrap_or_default());
                return Err(failed(&to, e));
            }
            placed.push(to);
        }
        sync(path);
        Ok(())
    }
}

/// Creates the database in a temporary directory below `parent`; its files name the directory `place`.
fn make(parent: &Path, place: &Path, password: &Secret) -> Result<tempfile::TempDir> {
    // The temporary directory's name doesn't help the user, who named another one.
    let there = |e: io::Error| failed(parent, e);
    let made = tempfile::Builder::new()
        .prefix(PROBE)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(there)?;
    let Some(name) = made.path().to_str() else {
        return Err(Error::new(Kind::Usage, "the name of the directory is not UTF-8"));
    };
    let database = Database::initialise(name, Access::ReadWrite).map_err(|e| {
        let what = "NSS could not write its files";
        let why = e.nss().cloned();
        explained(parent, why.map_or(e, |f| Error::new(Kind::Database, what).because(f)))
    })?;
    let token = database.token("internal")?;
    token.set_first_password(password).map_err(|e| explained(parent, e))?;
    drop(token);
    database.close()?;
    for file in FILES {
        let file = made.path().join(file);
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).map_err(there)?;
    }
    // NSS ignores the directory that this file names; it is set for people and other tools.
    let modules = made.path().join("pkcs11.txt");
    let place = place.display().to_string();
    std::fs::read_to_string(&modules)
        .and_then(|text| std::fs::write(&modules, text.replace(name, &escaped(&place))))
        .map_err(there)?;
    Ok(made)
}

/// Returns `error`, or the disk's reason with NSS's if the disk is full.
fn explained(parent: &Path, error: Error) -> Error {
    let Some(e) = full(parent) else { return error };
    let why = error.nss().cloned();
    let full = Error::new(Kind::Database, format!("{}: {}", parent.display(), bare(&e)));
    why.into_iter().fold(full, Error::because).hint(space_hint(parent, &e))
}

/// Renames a file without replacing an existing one. C: renameat2(2).
fn place(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system doesn't support RENAME_NOREPLACE.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !to.exists() => {
            std::fs::rename(from, to)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        outcome => outcome.map_err(io::Error::from),
    }
}

/// Writes a directory's entries to disk, if the file system supports it. C: fsync(2).
fn sync(folder: &Path) {
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).ok();
}

fn refuse_existing(path: &Path) -> Result<()> {
    let names = FILES.iter().chain(&OLD_FILES);
    let there = names.map(|name| path.join(name)).find(|f| f.symlink_metadata().is_ok());
    there.map_or(Ok(()), |file| {
        Err(Error::new(Kind::Conflict, format!("{} exists", file.display()))
            .hint(format!("show it with: nss-cmc db show -d {}", quoted(path))))
    })
}

fn failed(path: &Path, e: io::Error) -> Error {
    let kind = match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => Kind::Conflict,
        _ => Kind::Database,
    };
    Error::new(kind, path.display().to_string()).because(bare(&e))
}
