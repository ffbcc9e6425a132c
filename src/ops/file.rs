//! Output files that appear whole or not at all.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Kind, Result};

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

fn stage<'a>(path: &Path, content: &'a [u8], mode: Mode) -> Result<Staged<'a>> {
    let failed = |e| cannot_write(path, e);
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return Ok(Staged::Direct(content));
    }
    let dir = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nss-cmc-");
    if mode == Mode::Default {
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir).map_err(|e| cannot_stage(path, &e))?;
    file.write_all(content).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(Staged::File(file))
}

fn place(path: &Path, staged: Staged<'_>) -> Result<()> {
    match staged {
        Staged::File(file) => file.persist(path).map(drop).map_err(|e| cannot_write(path, e.error)),
        Staged::Direct(content) => std::fs::write(path, content).map_err(|e| cannot_write(path, e)),
    }
}

/// Writes several files, or none: each is complete beside its place before the first is moved
/// there.
///
/// # Errors
/// [`Kind::Output`].
pub fn write_together(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut staged = Vec::new();
    for (path, content) in files {
        staged.push((*path, stage(path, content, Mode::Default)?));
    }
    let mut done: Vec<&Path> = Vec::new();
    for (path, file) in staged {
        if let Err(e) = place(path, file) {
            for earlier in done {
                std::fs::remove_file(earlier).ok();
            }
            return Err(e);
        }
        done.push(path);
    }
    Ok(())
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
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
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
    }
}
