//! Secrets: wiped on drop, never shown, and the places they may come from.

mod prompt;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::nss::{duplicate, is_fips_name, is_internal_name};

/// What a secret shared with the CA is called in messages.
pub const SHARED_SECRET: &str = "shared secret";

/// The longest secret read from a file, descriptor or prompt.
const LONGEST: usize = 64 * 1024;

/// A password, passphrase or shared secret. It has no `Debug`, `Display` or `Clone`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Another owner of the same secret, for when two parts of a run need it.
    pub fn duplicate(&self) -> Secret {
        Secret(self.0.clone())
    }
}

/// Gives a token's password when a login needs it: called with the token's name as the user wrote it,
/// once for each token.
pub type Passwords<'a> = Box<dyn Fn(&str) -> Result<Option<Secret>> + 'a>;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The first line of a file; a line `token:secret` (NSS tools) or `token=secret` (PKI's
    /// password.conf) for the wanted token wins over it. `-` is standard input.
    File(PathBuf),
    /// The next line of an inherited file descriptor.
    Fd(i32),
    /// An environment variable.
    Env(String),
    /// A question on the terminal; an error where there is none.
    Prompt,
}

impl Source {
    /// Reads a token's password; `what` names it in messages and in the prompt (`password of the
    /// token internal`), `token` chooses the line of a password file.
    ///
    /// # Errors
    /// [`Kind::Usage`]: unreadable, variable not set, no terminal, a password file that is another
    /// token's.
    pub fn read(&self, what: &str, token: &str) -> Result<Secret> {
        self.find(what, Some(token))
    }

    /// Reads a secret that isn't a token's; of a file the first line, whatever it looks like.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_shared(&self, what: &str) -> Result<Secret> {
        self.find(what, None)
    }

    fn find(&self, what: &str, token: Option<&str>) -> Result<Secret> {
        match self {
            Source::File(path) if path.as_os_str() == "-" => {
                // Past the buffer of std's handle, which isn't wiped.
                let stdin = std::io::stdin().as_fd().try_clone_to_owned();
                let stdin = stdin.map_err(|e| unreadable(what, path, e))?;
                line_of(File::from(stdin), what, "standard input")
            }
            Source::File(path) => from_file(path, what, token),
            Source::Fd(n) => {
                let place = format!("descriptor {n}");
                // Not opened by its name in /proc: that begins a file anew, and fails for sockets.
                let file = duplicate(*n).map_err(|e| unreadable(what, Path::new(&place), e))?;
                line_of(file, what, &place)
            }
            Source::Env(name) => match std::env::var_os(name) {
                Some(value) => Ok(Secret::new(value.into_encoded_bytes())),
                None => Err(Error::new(
                    Kind::Usage,
                    format!("can't read the {what}: the environment variable {name} isn't set"),
                )),
            },
            Source::Prompt => prompt::ask(what),
        }
    }
}

fn unreadable(what: &str, path: &Path, e: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("can't read the {what} from {}", path.display())).because(e)
}

/// As [`first_line`]; a signal ends the wait for whoever is to write it.
fn line_of(file: File, what: &str, place: &str) -> Result<Secret> {
    let (what, place) = (what.to_owned(), place.to_owned());
    interrupt::blocking(move || first_line(file, &what, &place))?
}

/// Octet by octet: nothing of the secret stays in a buffer that isn't wiped, and the next line is
/// still there for whoever reads next.
fn first_line(mut from: impl Read, what: &str, place: &str) -> Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut octet = Zeroizing::new([0u8]);
    while line.len() < LONGEST {
        match from.read(&mut *octet) {
            Ok(0) => break,
            Ok(_) if *octet == [b'\n'] => break,
            Ok(_) => line.extend_from_slice(&*octet),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => {
                let what = format!("can't read the {what} from {place}");
                return Err(Error::new(Kind::Usage, what).because(e));
            }
        }
    }
    trim_line_end(&mut line);
    Ok(Secret(line))
}

fn trim_line_end(line: &mut Vec<u8>) {
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
}

fn from_file(path: &Path, what: &str, token: Option<&str>) -> Result<Secret> {
    let name = path.to_owned();
    let read = move || {
        // Large enough from the start: growing would leave copies behind.
        let mut all = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        let done = File::open(name).and_then(|f| f.take(LONGEST as u64).read_to_end(&mut all));
        done.map(|_| all)
    };
    let all = if interrupt::may_wait(path) { interrupt::blocking(read)? } else { read() };
    let all = all.map_err(|e| unreadable(what, path, e))?;
    let mut lines = all.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let Some(token) = token else {
        return Ok(Secret::new(lines.next().unwrap_or_default().to_vec()));
    };
    if let Some(secret) = lines.clone().find_map(|line| for_token(line, token)) {
        return Ok(Secret::new(secret.to_vec()));
    }
    let first = lines.next().unwrap_or_default();
    if names_a_token(first) {
        let what = format!("can't read the {what} from {}", path.display());
        let token = if token.is_empty() { "internal" } else { token };
        return Err(Error::new(Kind::Usage, what)
            .because(format!("it has passwords of other tokens, none of the token {token:?}"))
            .hint(format!("add a line {token}:PASSWORD, or name the token that is meant")));
    }
    Ok(Secret::new(first.to_vec()))
}

/// The secret of a `token:secret`, `token=secret` or `hardware-token=secret` line.
fn for_token<'a>(line: &'a [u8], token: &str) -> Option<&'a [u8]> {
    let plain = line.strip_prefix(b"hardware-").unwrap_or(line);
    if is_internal_name(token) {
        return for_internal(plain);
    }
    [plain, line].into_iter().find_map(|line| {
        let rest = line.strip_prefix(token.as_bytes())?;
        rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"="))
    })
}

/// The secret of a line for the internal token, by any of its names.
fn for_internal(line: &[u8]) -> Option<&[u8]> {
    let (name, rest) = line.split_at(line.iter().position(|b| matches!(b, b':' | b'='))?);
    let name = std::str::from_utf8(name).ok()?;
    let known = ["internal", "Internal Key Storage Token", "NSS Certificate DB"].contains(&name);
    if known || is_fips_name(name) { rest.get(1..) } else { None }
}

/// Whether a line can't be a password alone: it is for the internal token, or `hardware-token=…`.
fn names_a_token(line: &[u8]) -> bool {
    let hardware = line.strip_prefix(b"hardware-");
    hardware.is_some_and(|rest| rest.iter().skip(1).any(|b| *b == b'='))
        || for_internal(line).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str, token: &str) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Source::File(file.path().into()).read("password", token).unwrap().bytes().to_vec()
    }

    #[test]
    fn a_password_file_is_read_in_the_three_common_forms() {
        assert_eq!(read("Secret.123\n", "internal"), b"Secret.123");
        assert_eq!(read("with: colon\r\n", ""), b"with: colon");
        assert_eq!(read("HSM:one\ninternal:two\n", "internal"), b"two");
        assert_eq!(read("NSS Certificate DB:three\n", ""), b"three");
        assert_eq!(read("internal=a\nhardware-HSM=b=c\n", "HSM"), b"b=c");
        assert_eq!(read("", "internal"), b"");
    }

    #[test]
    fn the_internal_token_has_another_name_in_fips_mode() {
        for name in ["NSS FIPS 140-2 Certificate DB", "NSS FIPS 140-3 Certificate DB"] {
            let file = format!("HSM:one\n{name}:two\n");
            for token in ["internal", "", name] {
                assert_eq!(read(&file, token), b"two", "{token}");
            }
        }
    }

    #[test]
    fn another_token_s_password_is_not_tried() {
        for (content, token) in [
            ("internal=Geheim\n", "HSM"),
            ("internal:one\nhardware-OTHER=two\n", "HSM"),
            ("NSS Certificate DB:one\n", "HSM"),
            ("NSS FIPS 140-2 Certificate DB:one\n", "HSM"),
            ("hardware-OTHER=two\ninternal=Geheim\n", "HSM"),
            ("hardware-HSM=one\n", "internal"),
            ("hardware-HSM=one\n", ""),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let source = Source::File(file.path().into());
            let e = source.read("password", token).err().unwrap();
            assert_eq!(e.kind(), Kind::Usage, "{content}");
            let said = format!("{e}: {}", e.hint_text().unwrap());
            assert!(said.contains(file.path().to_str().unwrap()), "{said}");
            let named = if token.is_empty() { "internal" } else { token };
            assert!(said.contains(&format!("{named:?}")), "{said}");
            assert!(!said.contains("Geheim"), "{said}");
            // It is nobody's business which token a shared secret looks like.
            let first = content.lines().next().unwrap().as_bytes();
            assert_eq!(source.read_shared("shared secret").unwrap().bytes(), first);
        }
        for plain in ["a:b=c", "internal", "hardware-1", "hardware-=x", "=x", ":x", "intern:al"] {
            assert_eq!(read(plain, "HSM"), plain.as_bytes());
            assert_eq!(read(plain, "internal"), plain.as_bytes());
        }
        assert_eq!(read("hardware-X:one\n", "hardware-X"), b"one");
    }

    #[test]
    fn a_descriptor_is_read_line_by_line() {
        let mut lines: &[u8] = b"one\r\ntwo\n";
        assert_eq!(first_line(&mut lines, "password", "x").unwrap().bytes(), b"one");
        assert_eq!(first_line(&mut lines, "password", "x").unwrap().bytes(), b"two");
        assert_eq!(first_line(&mut lines, "password", "x").unwrap().bytes(), b"");
    }

    #[test]
    fn descriptors_are_read_on_whatever_they_are() {
        use std::io::{Seek, Write};
        use std::os::fd::AsRawFd;

        let next = |fd: &dyn AsRawFd| {
            let source = Source::Fd(fd.as_raw_fd());
            source.read("password", "").unwrap().bytes().to_vec()
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        file.rewind().unwrap();
        assert_eq!((next(&file), next(&file)), (b"one".to_vec(), b"two".to_vec()));
        // It is still open.
        assert_eq!(file.stream_position().unwrap(), 8);
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.write_all(b"three\nfour\n").unwrap();
        assert_eq!((next(&ours), next(&ours)), (b"three".to_vec(), b"four".to_vec()));
        let e = Source::Fd(9999).read("password", "").err().unwrap();
        assert_eq!(e.kind(), Kind::Usage);
        assert!(e.to_string().contains("descriptor 9999"), "{e}");
        assert!(Source::Fd(-1).read("password", "").is_err());
    }

    #[test]
    fn a_missing_variable_is_named() {
        let e = Source::Env("NSS_CMC_NOT_SET".into()).read("password", "").err().unwrap();
        assert!(e.to_string().contains("NSS_CMC_NOT_SET"), "{e}");
    }
}
