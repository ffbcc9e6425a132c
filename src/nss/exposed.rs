//! Databases that other users can write. NSS loads the libraries named in `pkcs11.txt`, so whoever
//! can write that file can run code in this process.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::database::directory;
use crate::error::{Error, Kind, Result};

/// Environment variable that allows such a database as the default one.
const ALLOW: &str = "NSS_CMC_ALLOW_UNSAFE_DATABASE";

/// Returns why other users can write the database in `dir`, if they can: the directory or one of its
/// files belongs to a user other than root and the caller, or its mode lets its group or everybody
/// write.
pub fn exposed(dir: &str) -> Option<String> {
    let path = match directory(dir) {
        none if none.as_os_str().is_empty() => ".".into(),
        path => path,
    };
    let files = ["pkcs11.txt", "cert9.db", "key4.db"].map(|name| path.join(name));
    let why = std::iter::once(&path).chain(&files).find_map(|path| {
        // Symbolic links are followed, as NSS does. A file that does not exist has no owner.
        let found = std::fs::metadata(path).ok()?;
        let why = writer(&found)?;
        Some(format!("{} {why}", path.display()))
    })?;
    Some(format!(
        "other users can write NSS database {dir} and the list of libraries it loads: {why}"
    ))
}

fn writer(found: &Metadata) -> Option<String> {
    let ours = [0, rustix::process::geteuid().as_raw()];
    if !ours.contains(&found.uid()) {
        return Some(format!("is owned by user {}", found.uid()));
    }
    let mode = found.mode() & 0o7777;
    (mode & 0o022 != 0).then(|| format!("has mode {mode:04o}"))
}

/// Returns the directory to use when no database is given: the current one, as in Dogtag's tools.
///
/// # Errors
/// [`Kind::Refused`] when other users can write that database, unless
/// `NSS_CMC_ALLOW_UNSAFE_DATABASE=1` is set.
pub fn current_directory() -> Result<&'static str> {
    let here = ".";
    let allowed = std::env::var_os(ALLOW).is_some_and(|value| value == "1");
    // A missing database is reported when it is opened.
    let there = Path::new("cert9.db").exists() || Path::new("pkcs11.txt").exists();
    match exposed(here).filter(|_| !allowed && there) {
        None => Ok(here),
        Some(why) => Err(Error::new(
            Kind::Refused,
            "cannot use the current directory as the default NSS database",
        )
        .because(why)
        .hint(format!("add -d DIR or dbdir=DIR, or set {ALLOW}=1"))),
    }
}
