//! Reads the .cfg files of the Java tools, in two syntaxes, with serde_ini.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use nss_cmc::client::passwords::{Passwords, Source, Wanted, others_read};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::secret::Secret;
use nss_cmc::text::nearest;

/// The settings of a file without sections. Values may be secrets: it has no `Debug`, and is wiped
/// on drop.
pub struct Settings {
    file: String,
    values: BTreeMap<String, Value>,
    /// The file isn't UTF-8.
    latin_1: bool,
}

/// The value of a key, and the lines (from 1) that set it; the last one counts.
#[derive(Default)]
struct Value {
    text: Zeroizing<String>,
    lines: Vec<usize>,
}

/// The largest file that is read, in octets.
const LARGEST: usize = 1024 * 1024;

/// The syntax of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// CMCRequest's: lines trimmed, `#` comments, split at the first `=`.
    Lines,
    /// `java.util.Properties`, for HttpClient: `!` comments, `:` or blank as separator, backslash
    /// escapes, continuation lines.
    Properties,
}

impl Settings {
    /// Reads a file of at most 1 MiB.
    ///
    /// # Errors
    /// [`Kind::Usage`] with file and line.
    pub fn read(path: &Path, dialect: Dialect) -> Result<Settings> {
        let shown = path.display().to_string();
        let failed = || Error::new(Kind::Usage, format!("cannot read configuration file {shown}"));
        // Allocated at full size: a buffer that grows leaves copies of secrets in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
        File::open(path)
            .and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes))
            .map_err(|e| failed().because(e))?;
        if bytes.len() > LARGEST {
            return Err(failed().because("it is larger than 1 MiB"));
        }
        if is_utf_16(&bytes) {
            return Err(failed().because("it is UTF-16").hint("save it as UTF-8"));
        }
        if let Some(at) = bytes.iter().position(|b| *b == 0) {
            let line = bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1;
            return Err(failed().because(format!("line {line} contains a NUL byte")));
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            return Settings::parse(&shown, text, dialect);
        }
        // Old files are in ISO 8859-1, where every octet is a character.
        let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
        text.extend(bytes.iter().copied().map(char::from));
        let mut settings = Settings::parse(&shown, &text, dialect)?;
        settings.latin_1 = true;
        Ok(settings)
    }

    /// Parses text; `file` is its name in messages.
    ///
    /// # Errors
    /// [`Kind::Usage`] with file and line.
    pub fn parse(file: &str, text: &str, dialect: Dialect) -> Result<Settings> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut settings =
            Settings { file: file.to_owned(), values: BTreeMap::new(), latin_1: false };
        match dialect {
            Dialect::Lines => settings.take_lines(text)?,
            Dialect::Properties => settings.take_properties(text)?,
        }
        Ok(settings)
    }

    /// Parses a line `key=value`; `None` for another line. The items of serde_ini can be wiped; its
    /// map of a whole file would leave copies in errors, and hide repeated keys.
    fn take(&mut self, number: usize, line: &str) -> Option<()> {
        let item = serde_ini::Parser::from_str(line).next()?;
        let serde_ini::Item::Value { key, value } = item.ok()? else { return None };
        if key.is_empty() {
            return None;
        }
        let entry = self.values.entry(key).or_default();
        entry.text = Zeroizing::new(value);
        entry.lines.push(number);
        Some(())
    }

    /// Returns the value; `None` when absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|v| v.text.as_str())
    }

    /// Returns the value; `None` when absent or empty.
    pub fn non_empty(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|v| !v.is_empty())
    }

    /// Returns whether the value is `true`, in any case.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// Returns the value as a secret.
    pub fn secret(&self, key: &str) -> Option<Secret> {
        self.get(key).map(|v| Secret::new(v.as_bytes().to_vec()))
    }

    /// Returns a token's password from the file (`key`), or from the source that `keyFile`, `keyFd`
    /// or `keyEnv` names; `wanted` selects the line of a password file. A password in the file
    /// itself belongs to no particular token.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn secret_anywhere<'a>(
        &self,
        key: &str,
        wanted: impl Into<Wanted<'a>>,
    ) -> Result<Option<Secret>> {
        let wanted = wanted.into();
        let here = self.secret(key).filter(|_| wanted.bare);
        self.anywhere(key, here, |source| source.read(key, wanted))
    }

    /// Returns the sources of the tokens' passwords: the file, the source it names, or a prompt
    /// when one is needed. `missing` is the error message without any.
    pub fn passwords<'a>(&'a self, missing: &'a str) -> Passwords<'a> {
        Box::new(move |wanted| match self.secret_anywhere("password", wanted)? {
            Some(password) => Ok(Some(password)),
            None => Source::Prompt.passwords()(wanted).map_err(|e| {
                Error::new(Kind::Usage, format!("{}: {missing}", self.file))
                    .because(e)
                    .hint("add password, passwordFile, passwordFd or passwordEnv")
            }),
        })
    }

    /// As [`Settings::secret_anywhere`], for a secret that isn't a token's password.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn shared_secret_anywhere(&self, key: &str) -> Result<Option<Secret>> {
        self.anywhere(key, self.secret(key), |source| source.read_shared(key))
    }

    fn anywhere(
        &self,
        key: &str,
        here: Option<Secret>,
        read: impl FnOnce(Source) -> Result<Secret>,
    ) -> Result<Option<Secret>> {
        // An empty value is a password, too, unless it is an unused line of a template.
        if here.as_ref().is_some_and(|secret| !secret.bytes().is_empty()) {
            return Ok(here);
        }
        let given = |suffix: &str| self.non_empty(&format!("{key}{suffix}")).map(str::to_owned);
        let source = if let Some(file) = given("File") {
            Source::File(file.into())
        } else if let Some(fd) = given("Fd") {
            Source::Fd(fd.parse().map_err(|_| {
                Error::new(Kind::Usage, format!("{}: {key}Fd must be a number", self.file))
            })?)
        } else if let Some(name) = given("Env") {
            Source::Env(name)
        } else {
            return Ok(here);
        };
        read(source).map(Some)
    }

    /// Returns the value.
    ///
    /// # Errors
    /// [`Kind::Usage`] with key and file when absent.
    pub fn required(&self, key: &str, what: &str) -> Result<&str> {
        self.non_empty(key).ok_or_else(|| {
            Error::new(Kind::Usage, format!("{}: {what}", self.file))
                .hint(format!("add a line {key}=… to {}", self.file))
        })
    }

    /// Returns warnings about the file: unknown keys, with similar known ones; repeated keys; files
    /// with a secret that other users can read (this file or one that it names); a file that isn't
    /// UTF-8.
    pub fn warnings(&self, known: &[&str]) -> Vec<String> {
        let file = &self.file;
        let unknown = self.values.keys().filter(|k| !known.contains(&k.as_str()));
        let mut warnings: Vec<String> = unknown
            .map(|key| match nearest(key, known).first() {
                Some(near) => {
                    format!("{file}: unknown key {key:?} is ignored; did you mean {near:?}?")
                }
                None => format!("{file}: unknown key {key:?} is ignored"),
            })
            .collect();
        for (key, value) in &self.values {
            if let [first @ .., before, last] = &value.lines[..] {
                let first: String = first.iter().map(|line| format!("{line}, ")).collect();
                warnings.push(format!(
                    "{file}: {key:?} is given on lines {first}{before} and {last}; line {last} is used"
                ));
            }
        }
        // NAME is a secret if NAMEFd is a known key; NAMEFile names a file with the secret.
        let secrets = || known.iter().filter_map(|key| key.strip_suffix("Fd"));
        let holds_one = secrets().any(|key| self.non_empty(key).is_some());
        let own = Some(file.as_str()).filter(|_| holds_one);
        let named = secrets().filter_map(|key| self.non_empty(&format!("{key}File")));
        warnings.extend(own.into_iter().chain(named).filter_map(|f| others_read(Path::new(f))));
        if self.latin_1 {
            warnings.push(format!("{file} is not UTF-8: it is read as ISO 8859-1"));
        }
        warnings
    }

    /// Returns the file's name.
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// Returns whether a file is UTF-16: it has a byte order mark, or a zero octet beside every letter.
fn is_utf_16(bytes: &[u8]) -> bool {
    let letters = |zero: usize| {
        bytes.len() > 3
            && bytes.iter().take(64).skip(zero).step_by(2).all(|b| *b == 0)
            && bytes.iter().take(64).skip(1 - zero).step_by(2).all(|b| *b != 0)
    };
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || letters(0) || letters(1)
}

fn bad_line(file: &str, number: usize, why: &str) -> Error {
    // The line is not printed, because it may contain a password.
    Error::new(Kind::Usage, format!("{file}:{number}: {why}"))
        .hint("write key=value, or # before a comment")
}

/// Returns the lines as Java's readers split them (LF, CR LF or CR), numbered from 0.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let next = move || {
        let at = rest?;
        let (line, end) = at.split_at(at.find(['\n', '\r']).unwrap_or(at.len()));
        rest = end.strip_prefix("\r\n").or_else(|| end.get(1..));
        Some(line)
    };
    std::iter::from_fn(next).enumerate()
}

impl Settings {
    fn take_lines(&mut self, text: &str) -> Result<()> {
        for (number, line) in numbered(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if self.take(number + 1, line).is_none() {
                let why = "error in configuration file: no key=value";
                return Err(bad_line(&self.file, number + 1, why));
            }
        }
        Ok(())
    }

    /// Parses as `java.util.Properties` does.
    fn take_properties(&mut self, text: &str) -> Result<()> {
        let mut lines = numbered(text);
        while let Some((number, first)) = lines.next() {
            let first = first.trim_start();
            if first.is_empty() || first.starts_with(['#', '!']) {
                continue;
            }
            let mut parts = vec![first];
            // An odd number of backslashes at the end continues the line.
            while let Some(part) = parts.last_mut()
                && part.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
            {
                *part = part.strip_suffix('\\').unwrap_or(part);
                let Some((_, more)) = lines.next() else { break };
                parts.push(more.trim_start());
            }
            let line = Zeroizing::new(parts.concat());
            let failed = |why| bad_line(&self.file, number + 1, why);
            let (key, value) = property(&line).map_err(failed)?;
            if key.is_empty() || key.starts_with(['[', ';']) {
                return Err(failed("no key"));
            }
            if key.contains(['=', '\n']) || value.contains(['\n', '\r']) {
                return Err(failed("a line break or = inside a key or value"));
            }
            let mut clean = Zeroizing::new(String::with_capacity(key.len() + value.len() + 1));
            clean.extend([key.as_str(), "=", value.as_str()]);
            if self.take(number + 1, &clean).is_none() {
                return Err(bad_line(&self.file, number + 1, "no key"));
            }
        }
        Ok(())
    }
}

fn property(line: &str) -> std::result::Result<(String, Zeroizing<String>), &'static str> {
    let mut key = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.peek().copied() {
        if matches!(c, '=' | ':' | ' ' | '\t') {
            break;
        }
        chars.next();
        key.push(if c == '\\' { escaped(&mut chars)? } else { c });
    }
    let blank = |c: &char| matches!(c, ' ' | '\t');
    while chars.next_if(blank).is_some() {}
    chars.next_if(|c| matches!(c, '=' | ':'));
    while chars.next_if(blank).is_some() {}
    // Resolving escapes never makes the text longer.
    let mut value = Zeroizing::new(String::with_capacity(line.len()));
    while let Some(c) = chars.next() {
        value.push(if c == '\\' { escaped(&mut chars)? } else { c });
    }
    Ok((key, value))
}

fn escaped(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> std::result::Result<char, &'static str> {
    match chars.next() {
        None => Ok('\\'),
        Some('t') => Ok('\t'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('f') => Ok('\u{c}'),
        Some('u') => {
            let digits: String = chars.by_ref().take(4).collect();
            // from_str_radix would accept a sign.
            let four = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let code = u32::from_str_radix(&digits, 16).ok().filter(|_| four);
            code.and_then(char::from_u32).ok_or("bad \\u escape")
        }
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod noisy;

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str, dialect: Dialect, key: &str) -> Option<String> {
        let settings = Settings::parse("x.cfg", text, dialect);
        settings.map_err(|e| panic!("{e}")).ok()?.get(key).map(str::to_owned)
    }

    #[test]
    fn lines_as_cmcrequest_reads_them_and_kinder() {
        let text = "\u{feff}#c\n \n  # indented\r\nkey=a=b;c#d \r\nempty=\nblank = x\nkey=last\nq=\"x\"\nw=C:\\dir\n";
        for (key, want) in [
            ("key", Some("last")),
            ("empty", Some("")),
            ("blank", Some("x")),
            ("q", Some("\"x\"")),
            ("w", Some("C:\\dir")),
            ("none", None),
        ] {
            assert_eq!(get(text, Dialect::Lines, key).as_deref(), want, "{key}");
        }
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a=1", "", "password Secret.123", "b=2"].join(end);
            let e = Settings::parse("x.cfg", &text, Dialect::Lines).err().unwrap();
            assert!(e.to_string().contains("x.cfg:3:"), "{end:?}: {e}");
            assert!(!e.to_string().contains("Secret.123"), "{e}");
        }
    }

    #[test]
    fn a_file_in_latin_1_is_read_and_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"# f\xfcr M\xfcller\nnickname=M\xfcller\n").unwrap();
        for dialect in [Dialect::Lines, Dialect::Properties] {
            let s = Settings::read(file.path(), dialect).unwrap();
            assert_eq!(s.get("nickname"), Some("Müller"));
            assert!(s.warnings(&["nickname"])[0].contains("ISO 8859-1"));
        }
    }

    #[test]
    fn properties_as_java_reads_them() {
        let text = "! c\nhost : ca.lab.test\nport 8443\npassword=a\\\\b\\=c\nservlet=/ca\\\n   /ee\nu=\\u00e9\nq=a?b=c\n";
        for (key, want) in [
            ("host", "ca.lab.test"),
            ("port", "8443"),
            ("password", "a\\b=c"),
            ("servlet", "/ca/ee"),
            ("u", "é"),
            ("q", "a?b=c"),
        ] {
            assert_eq!(get(text, Dialect::Properties, key).as_deref(), Some(want), "{key}");
        }
        for bad in ["u=\\uzzzz", "u=\\u+123", "=x", "a=\\n"] {
            assert!(Settings::parse("x.cfg", bad, Dialect::Properties).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_secret_gives_way_to_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, "from the file\n").unwrap();
        let place = format!("passwordFile={}\n", file.display());
        for (text, want) in [
            (format!("password=\n{place}"), Some("from the file")),
            (format!("password=here\n{place}"), Some("here")),
            (place.clone(), Some("from the file")),
            ("password=\n".into(), Some("")),
            ("password=\npasswordFile=\n".into(), Some("")),
            ("passwordFile=\n".into(), None),
        ] {
            let Ok(s) = Settings::parse("x.cfg", &text, Dialect::Lines) else { panic!("{text}") };
            let bytes = |s: Option<Secret>| s.map(|s| s.bytes().to_vec());
            let want = want.map(|w| w.as_bytes().to_vec());
            assert_eq!(bytes(s.secret_anywhere("password", "internal").unwrap()), want, "{text}");
            assert_eq!(bytes(s.shared_secret_anywhere("password").unwrap()), want, "{text}");
        }
    }

    #[test]
    fn a_misspelt_key_is_named_with_the_near_one() {
        let s = Settings::parse("x.cfg", "nicknmae=a\nzzzzzz=b\n", Dialect::Lines);
        let Ok(s) = s else { panic!() };
        let warnings = s.warnings(&["nickname", "password"]);
        assert!(warnings[0].contains("did you mean \"nickname\""), "{warnings:?}");
        assert!(!warnings[1].contains("did you mean"), "{warnings:?}");
    }
}
