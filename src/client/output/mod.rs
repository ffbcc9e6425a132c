//! Output files that appear whole or not at all, where their names lead: through symbolic links, with
//! the mode and owner of what they replace. Another hard link to a replaced file keeps the old
//! content; access control lists and extended attributes are not carried over.

mod place;
mod temporary;

use std::path::Path;

use crate::error::{Error, Kind, Result};
use place::Place;
use temporary::{Former, Temporary};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A new file as the umask says; one that is replaced keeps its mode and owner.
    Default,
    /// The owner only: the file holds a secret.
    Private,
}

/// Writes `content` to `path` through a temporary file in the same directory and a rename. `-`
/// isn't treated specially.
///
/// # Errors
/// [`Kind::Output`].
pub fn write(path: &Path, content: &[u8], mode: Mode) -> Result<()> {
    stage(path, content, mode)?.place()
}

/// Octets set aside for a file whose content is not known yet.
const ROOM: usize = 64 * 1024;

/// A place for a file, taken before there is anything to write: what would stand in the way is told
/// before a response is asked for that can't be asked for twice.
#[derive(Debug)]
pub struct Reserved(Taken);

#[derive(Debug)]
enum Taken {
    File(Temporary),
    /// A device, pipe or open descriptor.
    Direct(Place),
}

impl Reserved {
    /// Takes the place, with room on the disk beside it. Nothing is to be seen at `path` itself.
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

/// Content ready to appear at its place.
enum Staged<'a> {
    File(Temporary),
    /// For a device or pipe, which can't be renamed over.
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

/// Writes several files, or none: each is complete beside its place before the first is moved
/// there, and what a file replaces is put back when a later one can't be placed.
///
/// # Errors
/// [`Kind::Output`].
pub fn write_together(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut staged = Vec::new();
    for (path, content) in files {
        staged.push(stage(path, content, Mode::Default)?);
    }
    let mut done = Vec::new();
    for file in staged {
        let placed = match &file {
            Staged::File(file) => file.former().map(|former| done.push(former)),
            // What went there is gone.
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
        let e = write_together(&[(&a, b"new"), (&b, b"new"), (&c, b"new")]).unwrap_err();
        assert!(e.to_string().contains("No space left on device"), "{e}");
        assert_eq!(std::fs::read(&a).unwrap(), b"old");
        assert_eq!(names(), ["a", "c"]);
        write_together(&[(&a, b"new"), (&b, b"new")]).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), b"new");
        assert_eq!(names(), ["a", "b", "c"]);
    }

    /// `/dev/stdout` is such a link: to rename over it would take it from everybody.
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
