//! Output files that appear whole or not at all. Symbolic links are followed, and a replaced file's
//! mode and owner are kept. Other hard links to a replaced file keep the old content; access
//! control lists and extended attributes are lost.

mod atomic_file;
mod place;

use std::path::Path;

use crate::error::{Error, Kind, Result};
use atomic_file::{Former, Temporary};
use place::Place;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A new file has the mode of the umask; a replaced one keeps its mode and owner.
    Default,
    /// Only the owner: the file contains a secret.
    Private,
}

/// Writes `content` to `path` through a temporary file in the same directory and a rename. `-` is
/// an ordinary file name here.
///
/// # Errors
/// [`Kind::Output`].
pub fn write(path: &Path, content: &[u8], mode: Mode) -> Result<()> {
    stage(path, content, mode)?.place()
}

/// Returns whether writing to `path` replaces a file, also one behind symbolic links.
///
/// # Errors
/// [`Kind::Output`].
pub fn replaces(path: &Path, mode: Mode) -> Result<bool> {
    let place = Place::find(path, mode)?;
    Ok(place.is_file() && place.path().symlink_metadata().is_ok())
}

/// Returns whether `path` names a file, existing or not; otherwise it is a device, a pipe or an open
/// descriptor.
///
/// # Errors
/// [`Kind::Output`].
pub fn is_file(path: &Path) -> Result<bool> {
    Ok(Place::find(path, Mode::Default)?.is_file())
}

/// Returns whether a file written to `path` goes to standard output, as `/dev/stdout` does: nothing
/// else should be printed there.
pub fn is_standard_output(path: &Path) -> bool {
    Place::find(path, Mode::Default).is_ok_and(|place| place.is_standard_output())
}

/// Octets of disk space reserved for a file whose content is not known yet.
const ROOM: usize = 64 * 1024;

/// A reserved output file. It is reserved before a request is sent that can't be repeated, so that
/// a path that can't be written is reported first.
#[derive(Debug)]
pub struct Reserved(Taken);

#[derive(Debug)]
enum Taken {
    File(Temporary),
    /// A device, pipe or open descriptor.
    Direct(Place),
}

impl Reserved {
    /// Reserves the output file and disk space for it, in a temporary file beside it; nothing
    /// changes at `path` itself.
    ///
    /// # Errors
    /// [`Kind::Output`].
    pub fn take(path: &Path) -> Result<Reserved> {
        let place = Place::find(path, Mode::Default)?;
        if !place.is_file() {
            return Ok(Reserved(Taken::Direct(place)));
        }
        let mut file = Temporary::beside(place, Mode::Default)?;
        file.fill(&[0; ROOM])?;
        Ok(Reserved(Taken::File(file)))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Kind::Output`].
    pub fn fill(self, content: &[u8]) -> Result<()> {
        match self.0 {
            Taken::Direct(place) => place.write(content, Mode::Default),
            Taken::File(mut file) => {
                file.fill(content)?;
                file.place()
            }
        }
    }
}

/// Content that is ready to be moved to its path.
enum Staged<'a> {
    File(Temporary),
    /// Content for a device or pipe, which can't be replaced by a rename.
    Direct(Place, &'a [u8], Mode),
}

impl Staged<'_> {
    fn place(self) -> Result<()> {
        match self {
            Staged::File(file) => file.place(),
            Staged::Direct(place, content, mode) => place.write(content, mode),
        }
    }
}

fn stage<'a>(path: &Path, content: &'a [u8], mode: Mode) -> Result<Staged<'a>> {
    let place = Place::find(path, mode)?;
    if !place.is_file() {
        return Ok(Staged::Direct(place, content, mode));
    }
    let mut file = Temporary::beside(place, mode)?;
    file.fill(content)?;
    Ok(Staged::File(file))
}

/// Writes all of several files or none: all are complete in temporary files before the first one is
/// moved to its path, and replaced files are restored if a later one can't be moved.
///
/// # Errors
/// [`Kind::Output`].
pub fn write_together(files: &[(&Path, &[u8], Mode)]) -> Result<()> {
    let mut staged = Vec::new();
    for (path, content, mode) in files {
        staged.push(stage(path, content, *mode)?);
    }
    let mut done = Vec::new();
    for file in staged {
        let placed = match &file {
            Staged::File(file) => file.former().map(|former| done.push(former)),
            // What was written to a device can't be undone.
            Staged::Direct(..) => Ok(()),
        };
        if let Err(e) = placed.and_then(|()| file.place()) {
            return Err(done.into_iter().rev().fold(e, |e, former: Former| former.back(e)));
        }
    }
    Ok(())
}

fn cannot_write(path: &Path, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Output, format!("cannot write {}", path.display())).because(why)
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_file_appears_whole_with_the_mode_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        write(&path, b"one", Mode::Private).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write(&path, b"two", Mode::Default).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let e = write(&dir.path().join("no/such"), b"x", Mode::Default).unwrap_err();
        assert_eq!(e.kind(), Kind::Output);
        assert!(e.to_string().ends_with("no/such: No such file or directory (os error 2)"), "{e}");
        for place in [dir.path().to_owned(), dir.path().join("x/")] {
            let e = write(&place, b"x", Mode::Default).unwrap_err();
            assert!(e.to_string().ends_with(": is a directory"), "{e}");
        }
    }

    #[test]
    fn files_written_together_come_all_or_leave_what_was() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        let names = || {
            let entries = std::fs::read_dir(dir.path()).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        std::fs::write(&a, "old").unwrap();
        std::os::unix::fs::symlink("/dev/full", &c).unwrap();
        let mode = Mode::Default;
        let e = write_together(&[(&a, b"new", mode), (&b, b"new", mode), (&c, b"new", mode)])
            .unwrap_err();
        assert!(e.to_string().contains("No space left on device"), "{e}");
        assert_eq!(std::fs::read(&a).unwrap(), b"old");
        assert_eq!(names(), ["a", "c"]);
        write_together(&[(&a, b"new", mode), (&b, b"new", mode)]).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), b"new");
        assert_eq!(names(), ["a", "b", "c"]);
    }

    /// A rename would replace the link `/dev/stdout` itself, for every process.
    #[test]
    fn the_kernel_s_names_for_open_files_are_written_through() {
        use std::os::fd::AsRawFd;
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = PathBuf::from(format!("/proc/self/fd/{}", file.as_file().as_raw_fd()));
        assert!(write(&own, b"x", Mode::Default).is_err(), "it was not inherited");
        rustix::io::fcntl_setfd(file.as_file(), rustix::io::FdFlags::empty()).unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_file().as_raw_fd()));
        write(&path, b"one", Mode::Default).unwrap();
        Reserved::take(&path).unwrap().fill(b"two").unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"onetwo");
    }

    #[test]
    fn a_reserved_place_is_behind_its_links_and_keeps_the_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("out"), dir.path().join("link"));
        std::fs::write(&path, b"old").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("out", &link).unwrap();
        Reserved::take(&link).unwrap().fill(b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_reserved_place_shows_nothing_until_it_is_filled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let names = || -> Vec<_> {
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect()
        };
        drop(Reserved::take(&path).unwrap());
        assert!(names().is_empty());
        std::fs::write(&path, b"old").unwrap();
        for content in [&b"short"[..], &[7; ROOM + 1]] {
            let reserved = Reserved::take(&path).unwrap();
            assert_ne!(std::fs::read(&path).unwrap(), content);
            reserved.fill(content).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert_eq!(names(), ["out"]);
        }
        assert_eq!(Reserved::take(dir.path()).unwrap_err().kind(), Kind::Output);
    }
}
