//! Reads passwords and shared secrets: from files, descriptors, the environment or a prompt.

mod known;
mod prompt;

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::nss::{duplicate, is_fips_name, is_internal_name};
use crate::secret::Secret;
use crate::text::quoted;

pub use known::Known;

/// The name in messages of a secret shared with the CA.
pub const SHARED_SECRET: &str = "shared secret";

/// The longest secret read from a file, descriptor or prompt.
const LONGEST: usize = 64 * 1024;

/// A token that needs a password for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its name; `internal` for the database's own.
    pub token: &'a str,
    /// Whether a password without a token's name is for this one: it is the token that the user
    /// chose, or the only one that needs a login.
    pub bare: bool,
    /// The names of all tokens: a line that starts with one isn't a plain password.
    pub known: &'a [String],
}

impl Wanted<'_> {
    /// Refuses a source with one plain password if that is for another token.
    ///
    /// # Errors
    /// [`Kind::Usage`]; `place` describes the source.
    pub fn takes_bare(self, place: &str) -> Result<()> {
        if self.bare {
            return Ok(());
        }
        let token = self.token;
        Err(Error::new(Kind::Usage, format!("no password for token {token:?}"))
            .because(format!("{place} has the password of one other token"))
            .hint(format!("use --password-file with one line for each token: {token}:PASSWORD")))
    }
}

impl<'a> From<&'a str> for Wanted<'a> {
    fn from(token: &'a str) -> Wanted<'a> {
        Wanted { token, bare: true, known: &[] }
    }
}

/// Gives a token's password when a login needs it; called once for each token.
pub type Passwords<'a> = Box<dyn Fn(Wanted<'_>) -> Result<Option<Secret>> + 'a>;

/// A source of passwords that several runs share, one after the other: each token's password is asked
/// for once.
pub struct Remembered {
    source: Passwords<'static>,
    known: RefCell<Vec<(String, Option<Secret>)>>,
}

impl Remembered {
    /// Returns a source that remembers what `source` gives.
    pub fn new(source: Passwords<'static>) -> Rc<Remembered> {
        Rc::new(Remembered { source, known: RefCell::default() })
    }

    /// Returns the source for one run.
    pub fn passwords(self: &Rc<Self>) -> Passwords<'static> {
        let own = Rc::clone(self);
        Box::new(move |wanted| own.password(wanted))
    }

    fn password(&self, wanted: Wanted<'_>) -> Result<Option<Secret>> {
        let known = |(token, secret): &(String, Option<Secret>)| {
            (token == wanted.token).then(|| secret.as_ref().map(Secret::duplicate))
        };
        if let Some(secret) = self.known.borrow().iter().find_map(known) {
            return Ok(secret);
        }
        let secret = (self.source)(wanted)?;
        let copy = secret.as_ref().map(Secret::duplicate);
        self.known.borrow_mut().push((wanted.token.to_owned(), copy));
        Ok(secret)
    }
}

/// Returns a warning for a file with a secret that other users can read.
pub fn others_read(file: &Path) -> Option<String> {
    let found = std::fs::metadata(file).ok().filter(|_| file.as_os_str() != "-")?;
    (found.is_file() && found.mode() & 0o044 != 0).then(|| {
        format!("other users can read the secret in {}: chmod 600 {}", file.display(), quoted(file))
    })
}

/// The source of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The first line of a file; a line `token:secret` (NSS tools) or `token=secret` (PKI's
    /// password.conf) for the wanted token takes precedence. `-` is standard input.
    File(PathBuf),
    /// The next line of an inherited file descriptor.
    Fd(i32),
    /// An environment variable.
    Env(String),
    /// A prompt on the terminal; an error where there is none.
    Prompt,
}

impl Source {
    /// Reads a token's password. `what` is its name in messages and in the prompt (`password of the
    /// token internal`); `wanted` selects the line of a password file.
    ///
    /// # Errors
    /// [`Kind::Usage`]: unreadable, empty, variable not set, no terminal, a password file for
    /// another token.
    pub fn read<'a>(&self, what: &str, wanted: impl Into<Wanted<'a>>) -> Result<Secret> {
        let wanted = wanted.into();
        self.not_empty(self.find(what, Some(wanted))?, what, wanted.token)
    }

    /// Reads the new password of a token; a prompt asks twice. `option` is the hint without a
    /// terminal.
    ///
    /// # Errors
    /// As [`Source::read`]; [`Kind::Usage`] when the two passwords at the prompt differ.
    pub fn read_new(&self, wanted: Wanted<'_>, option: &str) -> Result<Secret> {
        let what = format!("new password of token {}", wanted.token);
        let find = |what: &str| {
            let found = self.find(what, Some(wanted));
            let prompt = *self == Source::Prompt;
            found.map_err(|e| match (prompt, e.kind()) {
                (true, Kind::Usage) => e.hint(format!("use {option}, or --no-password")),
                _ => e,
            })
        };
        let secret = find(&what)?;
        if secret.bytes().is_empty() {
            return Err(Error::new(Kind::Usage, format!("empty {what} in {}", self.place()))
                .hint("for no password, use --no-password"));
        }
        if *self == Source::Prompt && find(&format!("{what} again"))?.bytes() != secret.bytes() {
            return Err(Error::new(Kind::Usage, "the two passwords differ; nothing was changed"));
        }
        Ok(secret)
    }

    /// Returns the passwords from this source for any number of tokens. A file, which may be a
    /// pipe, is read once; from a descriptor or standard input each token gets the next line.
    pub fn passwords(self) -> Passwords<'static> {
        let content = std::cell::OnceCell::new();
        Box::new(move |wanted| {
            let what = format!("password of token {}", wanted.token);
            let Source::File(path) = &self else { return self.read(&what, wanted).map(Some) };
            if path.as_os_str() == "-" {
                return self.read(&what, wanted).map(Some);
            }
            if content.get().is_none() {
                // It isn't set yet, so `set` can't fail.
                content.set(contents(path, &what)?).ok();
            }
            let all = content.get().map(|all| all.as_slice()).unwrap_or_default();
            let secret = select(all, path, &what, Some(wanted))?;
            self.not_empty(secret, &what, wanted.token).map(Some)
        })
    }

    /// Refuses an empty password without trying it: a token that needs a login has a password, and
    /// may count failures.
    fn not_empty(&self, secret: Secret, what: &str, token: &str) -> Result<Secret> {
        // At a prompt it is a typing error, which the login reports.
        if !secret.bytes().is_empty() || *self == Source::Prompt {
            return Ok(secret);
        }
        let token = if token.is_empty() { "internal" } else { token };
        Err(Error::new(Kind::Usage, format!("empty {what} in {}", self.place()))
            .because(format!("token {token:?} requires a login; no login was tried"))
            .hint(format!("add a line to the password file: {token}:PASSWORD")))
    }

    /// Returns the source's name for messages.
    fn place(&self) -> String {
        match self {
            Source::File(path) if path.as_os_str() == "-" => "standard input".into(),
            Source::File(path) => path.display().to_string(),
            Source::Fd(n) => format!("descriptor {n}"),
            Source::Env(name) => format!("the environment variable {name}"),
            Source::Prompt => "the terminal".into(),
        }
    }

    /// Reads a secret that isn't a token's: from a file always the first line.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_shared(&self, what: &str) -> Result<Secret> {
        self.find(what, None)
    }

    fn find(&self, what: &str, wanted: Option<Wanted<'_>>) -> Result<Secret> {
        match self {
            Source::File(path) if path.as_os_str() == "-" => {
                // Not through std's handle, whose buffer isn't wiped.
                let stdin =
                    duplicate(0).map_err(|e| unreadable(what, Path::new("standard input"), e))?;
                line_of(stdin, what, "standard input")
            }
            Source::File(path) => select(&contents(path, what)?, path, what, wanted),
            Source::Fd(n) => {
                let place = format!("descriptor {n}");
                // Opening it by its name in /proc would start a file from the beginning, and fails
                // for sockets.
                let file = duplicate(*n).map_err(|e| unreadable(what, Path::new(&place), e))?;
                line_of(file, what, &place)
            }
            Source::Env(name) => match std::env::var_os(name) {
                Some(value) => {
                    wanted.map_or(Ok(()), |w| w.takes_bare(&self.place()))?;
                    Ok(Secret::new(value.into_encoded_bytes()))
                }
                None => Err(Error::new(
                    Kind::Usage,
                    format!("cannot read the {what}: the environment variable {name} is not set"),
                )),
            },
            Source::Prompt => prompt::ask(what),
        }
    }
}

fn unreadable(what: &str, path: &Path, e: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot read the {what} from {}", path.display())).because(e)
}

/// Reads a line as [`first_line`] does; a signal ends the wait for its writer.
fn line_of(file: File, what: &str, place: &str) -> Result<Secret> {
    let (what, place) = (what.to_owned(), place.to_owned());
    interrupt::blocking(move || first_line(file, &what, &place))?
}

/// Reads octet by octet, so that no part of the secret stays in a buffer that isn't wiped, and the
/// next reader gets the next line.
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
                let what = format!("cannot read the {what} from {place}");
                return Err(Error::new(Kind::Usage, what).because(e));
            }
        }
    }
    trim_line_end(&mut line);
    Ok(Secret::from(line))
}

fn trim_line_end(line: &mut Vec<u8>) {
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
}

/// Returns the content of a password file.
fn contents(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    let name = path.to_owned();
    let read = move || {
        // Full capacity at once: reallocation would leave copies behind.
        let mut all = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        let done = File::open(name).and_then(|f| f.take(LONGEST as u64).read_to_end(&mut all));
        done.map(|_| all)
    };
    let all = if interrupt::may_wait(path) { interrupt::blocking(read)? } else { read() };
    all.map_err(|e| unreadable(what, path, e))
}

/// Returns the password of a token from the lines of a file, else the first line.
fn select(all: &[u8], path: &Path, what: &str, wanted: Option<Wanted<'_>>) -> Result<Secret> {
    let mut lines = all.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let Some(wanted) = wanted else {
        return Ok(Secret::new(lines.next().unwrap_or_default().to_vec()));
    };
    if let Some(secret) = lines.clone().find_map(|line| for_token(line, wanted.token)) {
        return Ok(Secret::new(secret.to_vec()));
    }
    let others = |line: &[u8]| names_a_token(line, wanted.known);
    let first = lines.next().unwrap_or_default();
    if others(first) || (first.starts_with(b"#") && lines.any(others)) {
        let what = format!("cannot read the {what} from {}", path.display());
        let token = if wanted.token.is_empty() { "internal" } else { wanted.token };
        return Err(Error::new(Kind::Usage, what)
            .because(format!("it has passwords of other tokens, but not of token {token:?}"))
            .hint(format!("add a line {token}:PASSWORD")));
    }
    wanted.takes_bare(&path.display().to_string())?;
    Ok(Secret::new(first.to_vec()))
}

/// Returns the secret of a `token:secret`, `token=secret` or `hardware-token=secret` line.
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

/// Returns the secret of a line for the internal token, by any of its names.
fn for_internal(line: &[u8]) -> Option<&[u8]> {
    let (name, rest) = line.split_at(line.iter().position(|b| matches!(b, b':' | b'='))?);
    let name = std::str::from_utf8(name).ok()?;
    let known = ["internal", "Internal Key Storage Token", "NSS Certificate DB"].contains(&name);
    if known || is_fips_name(name) { rest.get(1..) } else { None }
}

/// Returns whether a line isn't a plain password: it is for the internal token, for one of `known`,
/// or `hardware-token=…`.
fn names_a_token(line: &[u8], known: &[String]) -> bool {
    let hardware = line.strip_prefix(b"hardware-");
    hardware.is_some_and(|rest| rest.iter().skip(1).any(|b| *b == b'='))
        || for_internal(line).is_some()
        || known.iter().any(|token| for_token(line, token).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

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
    }

    #[test]
    fn an_empty_password_is_refused_and_its_place_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for content in ["", "\n", "\nsecond\n", "internal:\n"] {
            std::fs::write(file.path(), content).unwrap();
            let source = Source::File(file.path().into());
            for e in [
                source.read("password", "internal").err().unwrap(),
                source.passwords()(Wanted::from("internal")).err().unwrap(),
            ] {
                assert_eq!(e.kind(), Kind::Usage, "{content:?}");
                assert!(e.to_string().contains(file.path().to_str().unwrap()), "{e}");
            }
        }
    }

    #[test]
    fn each_token_has_its_line_of_one_file_that_is_read_once() {
        let known = ["HSM".to_owned(), "two words".to_owned()];
        let ask = |passwords: &Passwords<'_>, token, bare| {
            let secret = passwords(Wanted { token, bare, known: &known });
            secret.map(|s| String::from_utf8(s.unwrap().bytes().to_vec()).unwrap())
        };
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.write_all(b"internal:one\nhardware-HSM=two\ntwo words:three\n").unwrap();
        drop(theirs);
        // A pipe can be read only once.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut ours = ours;
                std::io::copy(&mut ours, &mut File::create(path).unwrap()).unwrap();
            })
        };
        let passwords = Source::File(path).passwords();
        assert_eq!(ask(&passwords, "HSM", true).unwrap(), "two");
        assert_eq!(ask(&passwords, "internal", false).unwrap(), "one");
        assert_eq!(ask(&passwords, "two words", false).unwrap(), "three");
        writer.join().unwrap();
        // A plain password is for the token that the user chose, or for the only one that needs it.
        let file = dir.path().join("pw");
        std::fs::write(&file, "1234\n").unwrap();
        let passwords = Source::File(file.clone()).passwords();
        assert_eq!(ask(&passwords, "HSM", true).unwrap(), "1234");
        let e = ask(&passwords, "internal", false).unwrap_err();
        assert_eq!(e.kind(), Kind::Usage);
        assert!(e.to_string().contains("no password for token \"internal\""), "{e}");
        assert!(!e.to_string().contains("1234"), "{e}");
        // A line for a known token, or a comment above such lines, isn't a password for another
        // token.
        for content in ["HSM:1234\n", "# pins\nHSM=1234\n"] {
            std::fs::write(&file, content).unwrap();
            let e = ask(&Source::File(file.clone()).passwords(), "two words", true).unwrap_err();
            assert!(e.to_string().contains("passwords of other tokens"), "{e}");
        }
        std::fs::write(&file, "# not a comment\n").unwrap();
        let passwords = Source::File(file).passwords();
        assert_eq!(ask(&passwords, "HSM", true).unwrap(), "# not a comment");
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
            // A shared secret may look like a line for a token.
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

    /// Makes a descriptor look like one that was inherited at program start.
    fn inherit(fd: impl std::os::fd::AsFd) {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
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
        assert!(Source::Fd(file.as_raw_fd()).read("password", "").is_err(), "it was not inherited");
        inherit(&file);
        file.rewind().unwrap();
        assert_eq!((next(&file), next(&file)), (b"one".to_vec(), b"two".to_vec()));
        // The inherited descriptor is still open.
        assert_eq!(file.stream_position().unwrap(), 8);
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        inherit(&ours);
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
