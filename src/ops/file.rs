//! Output files that appear whole or not at all.

use std::io::{ErrorKind, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::interrupt;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the umask says.
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
    place(path, stage(path, content, mode)?)
}

/// What the names of temporary files begin with.
const PREFIX: &str = ".nss-cmc-";

/// Octets set aside for a file whose content is not known yet.
const ROOM: usize = 64 * 1024;

/// A place for a file, taken before there is anything to write: what would stand in the way is told
/// before an answer is asked for that can't be asked for twice.
#[derive(Debug)]
pub struct Reserved {
    path: PathBuf,
    /// Nothing for a device or pipe.
    file: Option<tempfile::NamedTempFile>,
}

impl Reserved {
    /// Takes the place, with room on the disk beside it. Nothing is to be seen at `path` itself.
    ///
    /// # Errors
    /// [`Kind::Output`].
    pub fn take(path: &Path) -> Result<Reserved> {
        let mut file = temporary(path, Mode::Default)?;
        if let Some(file) = &mut file {
            file.as_file_mut().write_all(&[0; ROOM]).map_err(|e| cannot_write(path, e))?;
        }
        Ok(Reserved { path: path.to_owned(), file })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Kind::Output`].
    pub fn fill(self, content: &[u8]) -> Result<()> {
        let Reserved { path, file } = self;
        let Some(mut file) = file else { return direct(&path, content) };
        let inner = file.as_file_mut();
        let written = inner.rewind().and_then(|()| inner.write_all(content)).and_then(|()| {
            inner.set_len(content.len() as u64)?;
            inner.sync_all()
        });
        written.map_err(|e| cannot_write(&path, e))?;
        place(&path, Staged::File(file))
    }
}

/// Content ready to appear at its place.
enum Staged<'a> {
    File(tempfile::NamedTempFile),
    /// For a device or pipe, which can't be renamed over.
    Direct(&'a [u8]),
}

fn cannot_write(path: &Path, e: std::io::Error) -> Error {
    Error::new(Kind::Output, format!("can't write {}", path.display())).because(e)
}

/// As [`cannot_write`], without the temporary file's name, which tells nobody anything.
fn cannot_stage(path: &Path, e: &std::io::Error) -> Error {
    let text = e.to_string();
    let why = text.split(" at path \"").next().unwrap_or_default().to_owned();
    Error::new(Kind::Output, format!("can't write {}", path.display())).because(why)
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// Whether `path` is a device, a pipe, or one of the kernel's names for an open file.
fn is_direct(path: &Path) -> bool {
    let kernel = path.starts_with("/dev") || path.starts_with("/proc");
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
        || kernel && path.is_symlink() && !path.is_dir()
}

/// An empty file in the directory of `path`; nothing when that is written directly.
fn temporary(path: &Path, mode: Mode) -> Result<Option<tempfile::NamedTempFile>> {
    if is_direct(path) {
        return Ok(None);
    }
    if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(cannot_write(path, ErrorKind::IsADirectory.into()));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    if mode == Mode::Default {
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory(path)).map(Some).map_err(|e| cannot_stage(path, &e))
}

fn stage<'a>(path: &Path, content: &'a [u8], mode: Mode) -> Result<Staged<'a>> {
    let failed = |e| cannot_write(path, e);
    let Some(mut file) = temporary(path, mode)? else { return Ok(Staged::Direct(content)) };
    file.as_file_mut().write_all(content).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(Staged::File(file))
}

fn direct(path: &Path, content: &[u8]) -> Result<()> {
    let name = path.to_owned();
    let open = move || std::fs::OpenOptions::new().append(true).open(name);
    // A pipe waits for its reader.
    let opened = if interrupt::may_wait(path) { interrupt::blocking(open)? } else { open() };
    opened.and_then(|mut file| file.write_all(content)).map_err(|e| cannot_write(path, e))
}

fn place(path: &Path, staged: Staged<'_>) -> Result<()> {
    match staged {
        Staged::File(file) => file.persist(path).map(drop).map_err(|e| cannot_write(path, e.error)),
        Staged::Direct(content) => direct(path, content),
    }
}

/// Writes several files, or none: each is complete beside its place before the first is moved
/// there, and what a file replaces is put back when a later one can't be placed.
///
/// # Errors
/// [`Kind::Output`].
pub fn write_together(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut staged = Vec::new();
    for (path, content) in files {
        staged.push((*path, stage(path, content, Mode::Default)?));
    }
    let mut done = Vec::new();
    for (path, file) in staged {
        let placed = Former::save(path, &file).and_then(|former| {
            done.push((path, former));
            place(path, file)
        });
        if let Err(e) = placed {
            return Err(done.into_iter().rev().fold(e, |e, (path, former)| former.back(path, e)));
        }
    }
    Ok(())
}

/// What was at a place before.
enum Former {
    Nothing,
    /// A device or pipe: what went there is gone.
    Direct,
    /// A file, under another name for now.
    File(tempfile::TempPath),
}

impl Former {
    fn save(path: &Path, coming: &Staged<'_>) -> Result<Former> {
        if matches!(coming, Staged::Direct(_)) {
            return Ok(Former::Direct);
        }
        if path.symlink_metadata().is_err() {
            return Ok(Former::Nothing);
        }
        // Not every file system has links.
        let named = tempfile::Builder::new().prefix(PREFIX).make_in(directory(path), |name| {
            std::fs::hard_link(path, name).or_else(|_| std::fs::rename(path, name))
        });
        named.map(|n| Former::File(n.into_temp_path())).map_err(|e| cannot_stage(path, &e))
    }

    /// Puts it back after `error`, and tells when that failed.
    fn back(self, path: &Path, error: Error) -> Error {
        match self {
            Former::Direct => error,
            Former::Nothing => {
                std::fs::remove_file(path).ok();
                error
            }
            Former::File(name) => {
                let link = name.to_path_buf();
                match name.persist(path) {
                    Ok(()) => {
                        // Where both names are of one file, the move does nothing.
                        std::fs::remove_file(link).ok();
                        error
                    }
                    Err(e) => {
                        e.path.keep().ok();
                        error.hint(format!(
                            "{} is {} now: it could not be put back ({})",
                            path.display(),
                            link.display(),
                            e.error
                        ))
                    }
                }
            }
        }
    }
}

/// Reads a whole input file, 16 MiB at most; `-` is standard input.
///
/// # Errors
/// [`Kind::Input`].
pub fn read(what: &str, path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let failed = |e: std::io::Error| {
        Error::new(Kind::Input, format!("can't read {what} {}", path.display())).because(e)
    };
    let limit = crate::asn1::LARGEST as u64;
    let stdin = path.as_os_str() == "-";
    let name = path.to_owned();
    let read = move || {
        let mut bytes = Vec::new();
        let done = if stdin {
            std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(name).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes))
        };
        done.map(|_| bytes)
    };
    // A pipe waits for its writer.
    let bytes =
        if stdin || interrupt::may_wait(path) { interrupt::blocking(read)? } else { read() };
    let bytes = bytes.map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(Kind::Input, format!("{what} {} is over 16 MiB", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
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
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_file().as_raw_fd()));
        write(&path, b"one", Mode::Default).unwrap();
        Reserved::take(&path).unwrap().fill(b"two").unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"onetwo");
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
