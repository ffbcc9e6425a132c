//! Temporary files in the directory of the files that they become.
//!
//! A temporary file is locked (flock) as long as its run lives. The file of a killed run is no
//! longer locked, and the next run that writes in the directory removes it.

use std::fs::{File, Metadata};
use std::io::{Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::place::{Place, is_shared};
use super::{Mode, cannot_write, directory};
use crate::error::{Error, Result};

/// Prefix of the names of temporary files.
const PREFIX: &str = ".nss-cmc-";

/// The number of letters and digits after the prefix.
const RANDOM: usize = 6;

/// How often another run may remove a new file before it is locked.
const MOST_TRIES: usize = 16;

fn builder<'a>() -> tempfile::Builder<'a, 'a> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    builder
}

/// Returns the error without the temporary file's name, which doesn't help the user.
fn cannot_stage(path: &Path, e: &std::io::Error) -> Error {
    let text = e.to_string();
    cannot_write(path, text.split(" at path \"").next().unwrap_or_default())
}

/// A file that will be renamed to its final path.
#[derive(Debug)]
pub(super) struct Temporary {
    file: tempfile::NamedTempFile,
    place: Place,
    mode: Mode,
}

impl Temporary {
    /// Creates an empty file in the directory of `place`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Output`].
    pub(super) fn beside(place: Place, mode: Mode) -> Result<Temporary> {
        let directory = directory(place.path());
        clean(directory);
        let mut builder = builder();
        if mode == Mode::Default && place.path().symlink_metadata().is_err() {
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        for _ in 0..MOST_TRIES {
            let made = builder.tempfile_in(directory);
            let file = made.map_err(|e| cannot_stage(place.asked(), &e))?;
            // On a file system without locks, `clean` can't lock the file either and keeps it.
            flock(file.as_file(), FlockOperation::LockExclusive).ok();
            // Another run may have removed it before it was locked.
            if file.path().symlink_metadata().is_ok() {
                return Ok(Temporary { file, place, mode });
            }
        }
        Err(cannot_write(place.asked(), "another process removes its temporary files"))
    }

    /// Replaces its content.
    ///
    /// # Errors
    /// [`crate::error::Kind::Output`].
    pub(super) fn fill(&mut self, content: &[u8]) -> Result<()> {
        let file = self.file.as_file_mut();
        let written = file.rewind().and_then(|()| file.write_all(content)).and_then(|()| {
            file.set_len(content.len() as u64)?;
            file.sync_all()
        });
        written.map_err(|e| cannot_write(self.place.asked(), e))
    }

    /// Renames it to its final path, with the mode and owner of the file there, and syncs the
    /// directory.
    ///
    /// # Errors
    /// [`crate::error::Kind::Output`].
    pub(super) fn place(self) -> Result<()> {
        let Temporary { file, place, mode } = self;
        let path = place.path();
        if let Ok(former) = path.symlink_metadata() {
            take_after(file.as_file(), &former, directory(path), mode);
        }
        let moved = file.persist(path).map_err(|e| e.error).and_then(|_| sync(directory(path)));
        moved.map_err(|e| cannot_write(place.asked(), e))
    }

    /// Saves the file that is now at its final path, to restore it after a failure.
    ///
    /// # Errors
    /// [`crate::error::Kind::Output`].
    pub(super) fn former(&self) -> Result<Former> {
        let path = self.place.path();
        let saved = if path.symlink_metadata().is_err() { None } else { Some(save(path)) };
        let saved = saved.transpose().map_err(|e| cannot_stage(self.place.asked(), &e))?;
        Ok(Former { path: path.to_owned(), saved })
    }
}

/// Syncs a directory, so that a rename survives a power failure. Not every file system supports it,
/// and a directory without read permission can't be opened for it.
fn sync(directory: &Path) -> std::io::Result<()> {
    let Ok(directory) = File::open(directory) else { return Ok(()) };
    match directory.sync_all() {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) => Ok(()),
        other => other,
    }
}

/// Gives a new file the mode and owner of the one that it replaces, as far as nobody gains access
/// by it. Only root can change the owner; otherwise the owner becomes the caller.
fn take_after(file: &File, former: &Metadata, directory: &Path, mode: Mode) {
    let Ok(own) = file.metadata() else { return };
    let euid = rustix::process::geteuid().as_raw();
    let parent = std::fs::metadata(directory).ok();
    // In a directory that others can write, the file's owner may have planted it.
    let keeps = parent.is_some_and(|parent| match mode {
        Mode::Default => !is_shared(&parent) || [euid, parent.uid()].contains(&former.uid()),
        Mode::Private => [0, euid].contains(&parent.uid()) && parent.mode() & 0o022 == 0,
    });
    let give = |uid: Option<u32>| std::os::unix::fs::fchown(file, uid, Some(former.gid()));
    let same = (own.uid(), own.gid()) == (former.uid(), former.gid());
    let has_group = same || keeps && give(Some(former.uid())).or_else(|_| give(None)).is_ok();
    let mut bits = former.mode() & if mode == Mode::Private { 0o600 } else { 0o777 };
    if !has_group && own.gid() != former.gid() {
        // If the group can't be kept, the new group gets no more access than everybody.
        bits &= 0o707 | (bits & 0o007) << 3;
    }
    // A file system that refuses has no modes.
    file.set_permissions(std::fs::Permissions::from_mode(bits)).ok();
}

/// The file that was at a path before another was moved there.
pub(super) struct Former {
    path: PathBuf,
    /// The file under a temporary name, and its lock.
    saved: Option<(tempfile::TempPath, Option<File>)>,
}

/// Gives a file a second, temporary name.
fn save(path: &Path) -> std::io::Result<(tempfile::TempPath, Option<File>)> {
    // Locked before the second name exists, so that no other run removes it.
    let lock = open(path).ok();
    lock.as_ref().map(|file| flock(file, FlockOperation::NonBlockingLockShared));
    let linked = builder().make_in(directory(path), |name| std::fs::hard_link(path, name));
    if let Ok(name) = linked {
        return Ok((name.into_temp_path(), lock));
    }
    // Some file systems have no hard links, and some files may not be linked to.
    let Some(mut from) = lock else {
        let moved = builder().make_in(directory(path), |name| std::fs::rename(path, name))?;
        return Ok((moved.into_temp_path(), None));
    };
    let mut copy = builder().tempfile_in(directory(path))?;
    flock(copy.as_file(), FlockOperation::LockExclusive).ok();
    std::io::copy(&mut from, copy.as_file_mut())?;
    take_after(copy.as_file(), &from.metadata()?, directory(path), Mode::Default);
    let (file, name) = copy.into_parts();
    Ok((name, Some(file)))
}

impl Former {
    /// Restores the file after `error`, and adds to it if that fails.
    pub(super) fn back(self, error: Error) -> Error {
        let Former { path, saved } = self;
        let Some((name, _lock)) = saved else {
            std::fs::remove_file(path).ok();
            return error;
        };
        let link = name.to_path_buf();
        match name.persist(&path) {
            Ok(()) => {
                // rename does nothing if both names are links to one file, so the temporary one
                // must be removed.
                std::fs::remove_file(link).ok();
                error
            }
            Err(e) => {
                e.path.keep().ok();
                error.hint(format!(
                    "{} is now {}: cannot restore it ({})",
                    path.display(),
                    link.display(),
                    e.error
                ))
            }
        }
    }
}

/// Opens a regular file only: not through a link, and without waiting for a pipe.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = File::options().read(true).custom_flags(flags as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
}

/// Removes the temporary files of killed runs: files of the caller with such a name and without a
/// lock.
fn clean(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|n| n.strip_prefix(PREFIX)).unwrap_or_default();
        if random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric()) {
            remove_unless_held(&entry.path());
        }
    }
}

fn remove_unless_held(path: &Path) {
    let ours = |found: &Metadata| found.uid() == rustix::process::geteuid().as_raw();
    let Ok(file) = open(path) else { return };
    if file.metadata().is_ok_and(|found| ours(&found))
        && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
    {
        // Its run is dead, or has not locked it yet and will make another.
        std::fs::remove_file(path).ok();
    }
}
