//! Secrets: wiped on drop, never shown, and the places they may come from.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Kind, Result};
use crate::nss::is_internal_name;

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

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The first line of a file; a line `token:secret` (NSS tools) or `token=secret` (PKI's
    /// password.conf) for the wanted token wins over it. `-` is standard input.
    File(PathBuf),
    /// The first line of an inherited file descriptor.
    Fd(i32),
    /// An environment variable.
    Env(String),
    /// A question on the terminal; an error where there is none.
    Prompt,
}

impl Source {
    /// Reads the secret; `what` names it in messages and in the prompt (`password of the token
    /// internal`), `token` chooses the line of a password file.
    ///
    /// # Errors
    /// [`Kind::Usage`]: unreadable, empty descriptor, variable not set, no terminal.
    pub fn read(&self, what: &str, token: &str) -> Result<Secret> {
        match self {
            Source::File(path) if path.as_os_str() == "-" => {
                // Past the buffer of std's handle, which isn't wiped.
                let stdin = std::io::stdin().as_fd().try_clone_to_owned();
                let stdin = stdin.map_err(|e| unreadable(what, path, e))?;
                first_line(File::from(stdin), what, "standard input")
            }
            Source::File(path) => from_file(path, what, token),
            Source::Fd(n) => {
                // Opening the descriptor's name gives a File without touching raw descriptors.
                let path = PathBuf::from(format!("/proc/self/fd/{n}"));
                let file = File::open(&path).map_err(|e| unreadable(what, &path, e))?;
                first_line(file, what, &format!("descriptor {n}"))
            }
            Source::Env(name) => match std::env::var_os(name) {
                Some(value) => Ok(Secret::new(value.into_encoded_bytes())),
                None => Err(Error::new(
                    Kind::Usage,
                    format!("can't read the {what}: the environment variable {name} isn't set"),
                )),
            },
            Source::Prompt => prompt(what),
        }
    }
}

fn unreadable(what: &str, path: &Path, e: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("can't read the {what} from {}", path.display())).because(e)
}

/// Octet by octet: nothing of the secret stays in a buffer that isn't wiped, and of a pipe the next
/// line is still there for whoever reads next.
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

fn from_file(path: &Path, what: &str, token: &str) -> Result<Secret> {
    // Large enough from the start: growing would leave copies behind.
    let mut all = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    File::open(path)
        .and_then(|f| f.take(LONGEST as u64).read_to_end(&mut all))
        .map_err(|e| unreadable(what, path, e))?;
    let lines = all.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    for line in lines.clone() {
        if let Some((name, secret)) = named(line)
            && is_token(name, token)
        {
            return Ok(Secret::new(secret.to_vec()));
        }
    }
    let first = lines.clone().next().unwrap_or_default();
    // Another token's password would be a failed attempt at this one, which may lock.
    if let Some((name, _)) = named(first)
        && (name.starts_with("hardware-") || (is_internal_name(name) && !name.is_empty()))
    {
        let message = format!("{} has no {what}, only those of other tokens", path.display());
        return Err(Error::new(Kind::Usage, message)
            .hint(format!("add a line {token}:PASSWORD, or hardware-{token}=PASSWORD")));
    }
    Ok(Secret::new(first.to_vec()))
}

/// A line `token:secret` (NSS tools) or `token=secret` (password.conf) in its parts.
fn named(line: &[u8]) -> Option<(&str, &[u8])> {
    let at = line.iter().position(|b| matches!(b, b':' | b'='))?;
    let (name, rest) = line.split_at(at);
    Some((std::str::from_utf8(name).ok()?, rest.get(1..)?))
}

/// Whether a line's name is that of the wanted token.
fn is_token(name: &str, wanted: &str) -> bool {
    if is_internal_name(wanted) {
        return !name.is_empty() && is_internal_name(name);
    }
    name.strip_prefix("hardware-").unwrap_or(name) == wanted
}

/// Asks on the terminal with echo off.
fn prompt(what: &str) -> Result<Secret> {
    let option = if what == SHARED_SECRET { "shared-secret" } else { "password" };
    let no_terminal = || {
        let what = format!("the {what} is wanted and there is no terminal to ask on");
        Error::new(Kind::Usage, what)
            .hint(format!("give it by --{option}-file FILE, --{option}-fd N or --{option}-env VAR"))
    };
    if !std::io::stdin().is_terminal() && !std::io::stderr().is_terminal() {
        return Err(no_terminal());
    }
    let mut text = rpassword::prompt_password(format!("Enter the {what}: "))
        .map_err(|e| no_terminal().because(e))?;
    let secret = Secret::new(text.as_bytes().to_vec());
    text.zeroize();
    std::io::stderr().flush().ok();
    Ok(secret)
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
        assert_eq!(read("NSS FIPS 140-2 Certificate DB:four\n", "internal"), b"four");
        assert_eq!(read("a:b=c\n", "internal"), b"a:b=c");
        assert_eq!(read("", "internal"), b"");
    }

    #[test]
    fn another_token_s_password_is_not_tried() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, token) in [
            ("internal=one\n", "HSM"),
            ("NSS Certificate DB:one\n", "HSM"),
            ("hardware-Other=one\n", "HSM"),
            ("hardware-HSM=one\n", "internal"),
        ] {
            std::fs::write(file.path(), content).unwrap();
            let e = Source::File(file.path().into()).read("password", token).err().unwrap();
            assert!(e.to_string().contains("only those of other tokens"), "{content}: {e}");
            assert!(!e.to_string().contains("one\n") && !e.to_string().contains("=one"), "{e}");
        }
    }

    #[test]
    fn a_descriptor_is_read_line_by_line() {
        let mut lines: &[u8] = b"one\r\ntwo\n";
        assert_eq!(first_line(&mut lines, "password", "x").unwrap().bytes(), b"one");
        assert_eq!(first_line(&mut lines, "password", "x").unwrap().bytes(), b"two");
        assert_eq!(first_line(&mut lines, "password", "x").unwrap().bytes(), b"");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let e = Source::Env("NSS_CMC_NOT_SET".into()).read("password", "").err().unwrap();
        assert!(e.to_string().contains("NSS_CMC_NOT_SET"), "{e}");
    }
}
