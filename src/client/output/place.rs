//! Resolves an output path: to a file, or to a device, pipe or open descriptor.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{Mode, cannot_write, directory};
use crate::error::Result;
use crate::interrupt;
use crate::nss::duplicate;

/// The most symbolic links followed, as in Linux.
const MOST_LINKS: usize = 40;

/// An output path with its symbolic links resolved.
#[derive(Debug)]
pub(super) struct Place {
    /// The path as given, for messages.
    asked: PathBuf,
    /// The path without symbolic links in its last component.
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file, existing or not.
    File,
    /// A descriptor of this process, by one of the kernel's names (`/dev/stdout`).
    Descriptor(i32),
    /// A device, pipe or socket, by device and inode number.
    Special(u64, u64),
    /// A descriptor of another process.
    Foreign,
}

impl Place {
    /// Resolves `asked`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Output`] for a directory, a loop of links, another user's link in a
    /// directory that everybody can write, and, for a secret, another user's pipe or device.
    pub(super) fn find(asked: &Path, mode: Mode) -> Result<Place> {
        let failed = |e: std::io::Error| cannot_write(asked, e);
        let place = |path, kind| Place { asked: asked.to_owned(), path, kind };
        let mut path = asked.to_owned();
        for _ in 0..MOST_LINKS {
            if path.as_os_str().as_bytes().ends_with(b"/") {
                return Err(failed(ErrorKind::IsADirectory.into()));
            }
            match kernel_name(&path) {
                Some(Some(n)) => return Ok(place(path, Kind::Descriptor(n))),
                Some(None) if mode == Mode::Private => {
                    let why = "it is a file of another process; a secret is written to your own files only";
                    return Err(cannot_write(asked, why));
                }
                Some(None) => return Ok(place(path, Kind::Foreign)),
                None => {}
            }
            let found = match path.symlink_metadata() {
                Ok(found) => found,
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(place(path, Kind::File)),
                Err(e) => return Err(failed(e)),
            };
            if found.is_dir() {
                return Err(failed(ErrorKind::IsADirectory.into()));
            }
            if found.is_file() {
                return Ok(place(path, Kind::File));
            }
            if !found.is_symlink() {
                check_owner(&path, &found, mode).map_err(|why| cannot_write(asked, why))?;
                return Ok(place(path, Kind::Special(found.dev(), found.ino())));
            }
            if planted(&path, &found) {
                let why = format!(
                    "{} is a symbolic link owned by user {} in a directory that all users can write",
                    path.display(),
                    found.uid()
                );
                return Err(cannot_write(asked, why));
            }
            let target = std::fs::read_link(&path).map_err(failed)?;
            path = directory(&path).join(target);
        }
        Err(cannot_write(asked, "too many levels of symbolic links"))
    }

    /// Returns whether it is a file, which a rename can replace.
    pub(super) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    /// Returns whether what is written there goes to standard output.
    pub(super) fn is_standard_output(&self) -> bool {
        let Ok(own) = duplicate(1).and_then(|file| file.metadata()) else { return false };
        let is_own = |of: std::io::Result<Metadata>| {
            of.is_ok_and(|of| (of.dev(), of.ino()) == (own.dev(), own.ino()))
        };
        match self.kind {
            Kind::Descriptor(n) => n == 1 || is_own(duplicate(n).and_then(|file| file.metadata())),
            // A device such as /dev/null may be written by several.
            Kind::Special(..) | Kind::Foreign => {
                !own.file_type().is_char_device() && is_own(self.path.metadata())
            }
            Kind::File => false,
        }
    }

    pub(super) fn asked(&self) -> &Path {
        &self.asked
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes to a device, pipe or descriptor.
    ///
    /// # Errors
    /// As [`Place::find`]; also when it has been replaced since.
    pub(super) fn write(&self, content: &[u8], mode: Mode) -> Result<()> {
        let failed = |e: std::io::Error| cannot_write(&self.asked, e);
        let opened = match self.kind {
            Kind::Descriptor(n) => duplicate(n),
            Kind::Special(..) => self.open(OFlags::NOCTTY | OFlags::NOFOLLOW)?,
            _ => self.open(OFlags::NOCTTY)?,
        };
        let mut file = opened.map_err(failed)?;
        if let Kind::Special(device, inode) = self.kind {
            let found = file.metadata().map_err(failed)?;
            if (found.dev(), found.ino()) != (device, inode) {
                return Err(cannot_write(&self.asked, "another process replaced it"));
            }
            check_owner(&self.path, &found, mode).map_err(|w| cannot_write(&self.asked, w))?;
        }
        file.write_all(content).map_err(failed)
    }

    fn open(&self, flags: OFlags) -> Result<std::io::Result<File>> {
        let path = self.path.clone();
        let open =
            move || File::options().append(true).custom_flags(flags.bits() as i32).open(path);
        // Opening a pipe waits for its reader.
        Ok(if interrupt::may_wait(&self.path) { interrupt::blocking(open)? } else { open() })
    }
}

/// Returns whether `path` is the kernel's name of an open descriptor, and its number if the process
/// is this one. Such a link can only be opened: the file that its text names need not exist.
fn kernel_name(path: &Path) -> Option<Option<i32>> {
    let parent = directory(path).canonicalize().ok()?;
    if !parent.starts_with("/proc") || parent.file_name() != Some(OsStr::new("fd")) {
        return None;
    }
    let ours = ["/proc/self/fd", "/proc/thread-self/fd"];
    let is_ours = ours.iter().any(|name| Path::new(name).canonicalize().is_ok_and(|p| p == parent));
    let number = path.file_name().and_then(OsStr::to_str).and_then(|n| n.parse().ok());
    Some(number.filter(|_| is_ours))
}

/// Returns whether everybody can write to a directory (such as `/tmp`).
pub(super) fn is_shared(directory: &Metadata) -> bool {
    directory.mode() & 0o002 != 0
}

/// Returns whether a file in a directory that everybody can write belongs to a user other than the
/// caller, root and the directory's owner: that user may have put it there to receive the output.
/// The rule is nearly that of the kernel's protected_symlinks and protected_fifos, which may be
/// disabled.
fn planted(path: &Path, found: &Metadata) -> bool {
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    !ours
        && std::fs::metadata(directory(path))
            .map_or(true, |parent| is_shared(&parent) && parent.uid() != found.uid())
}

/// Checks that a pipe or device is not planted and, for a secret, belongs to the caller or root.
fn check_owner(path: &Path, found: &Metadata, mode: Mode) -> std::result::Result<(), String> {
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    let kind = found.file_type();
    let kind = if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_file() {
        "file"
    } else {
        "device"
    };
    if mode == Mode::Private && !ours {
        return Err(format!(
            "it is a {kind} owned by user {}; a secret is written only to a file, or to your own \
             pipe or device",
            found.uid()
        ));
    }
    if planted(path, found) {
        return Err(format!(
            "it is a {kind} owned by user {} in a directory that all users can write",
            found.uid()
        ));
    }
    Ok(())
}
