//! The command lines of the tools, each in its own syntax.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::slice::Iter;

use nss_cmc::error::{Error, Kind, Result};

/// How a tool splits its command line into options and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// CRMFPopClient's, as commons-cli reads it: one-letter options may be combined and followed by
    /// their value (`-vdDIR`), `--` ends the options, other words are ignored. The first of a
    /// repeated option counts.
    Clustered,
    /// PKCS10Client's: an option is a whole word, its value the next word; reading stops at an
    /// unknown option. The last of a repeated option counts.
    Words,
    /// CMCRevoke's: the value follows the letter (`-dDIR`) or is the next word, may be quoted, and
    /// may be empty. The last of a repeated option counts.
    Glued,
}

/// An option with its dashes, short (`-d`) or long (`--oaep`), and its value.
pub type Known = (&'static str, Takes);

/// The value of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No value.
    Nothing,
    /// A text in UTF-8.
    Text,
    /// Any octets: a path or a secret.
    Octets,
    /// The next word, if it is one of these; in any case with [`Dialect::Words`].
    OneOf(&'static [&'static str]),
    /// The next word, if it isn't an option.
    Anything,
}

/// `true` or `false`; may be omitted.
pub const TRUTH: Takes = Takes::OneOf(&["true", "false"]);

type Words<'a> = Peekable<Iter<'a, OsString>>;

/// The options of a command line, in order.
pub struct Options {
    dialect: Dialect,
    known: &'static [Known],
    given: Vec<(&'static str, Option<OsString>)>,
    /// Words that are neither option nor value, with their positions (from 0).
    pub unknown: Vec<(usize, OsString)>,
}

impl Options {
    /// Returns an empty list, to be filled by [`Options::read`].
    pub fn new(dialect: Dialect, known: &'static [Known]) -> Options {
        Options { dialect, known, given: Vec::new(), unknown: Vec::new() }
    }

    /// Reads a command line without the program's name. After an error, the options before it are
    /// available.
    ///
    /// # Errors
    /// [`Kind::Usage`], in the Java tool's words, for an unknown option, a missing value, or a
    /// value that must be UTF-8 and isn't.
    pub fn read(&mut self, args: &[OsString]) -> Result<()> {
        self.read_until(args, |_| false).map(drop)
    }

    /// Reads as [`Options::read`], up to the first word that isn't an option; also returns the words
    /// from that one on.
    ///
    /// # Errors
    /// As [`Options::read`].
    pub fn read_to_word<'a>(&mut self, args: &'a [OsString]) -> Result<&'a [OsString]> {
        self.read_until(args, |word| !word.as_bytes().starts_with(b"-"))
    }

    fn read_until<'a>(
        &mut self,
        args: &'a [OsString],
        ends: impl Fn(&OsStr) -> bool,
    ) -> Result<&'a [OsString]> {
        let mut words = args.iter().peekable();
        while let Some(word) = words.next_if(|word| !ends(word)) {
            let at = args.len() - words.len() - 1;
            if self.dialect == Dialect::Clustered && word == "--" {
                break;
            }
            if let Some((known, value)) = self.with_equals(word) {
                self.take(known, Some(value.to_owned()))?;
                continue;
            }
            match self.whole(word) {
                Some(known) => {
                    let value = self.next_word(known, &mut words)?;
                    self.take(known, value)?;
                }
                None if self.dialect == Dialect::Words => {
                    self.unknown.push((at, word.clone()));
                    break;
                }
                None => self.letters((at, word), &mut words)?,
            }
        }
        Ok(args.get(args.len() - words.len()..).unwrap_or_default())
    }

    /// Returns the long option and the value of a word like `--size=20`.
    fn with_equals<'w>(&self, word: &'w OsStr) -> Option<(&'static Known, &'w OsStr)> {
        let at = word.as_bytes().iter().position(|b| *b == b'=')?;
        let (name, value) = word.as_bytes().split_at(at);
        let (name, value) = (OsStr::from_bytes(name), OsStr::from_bytes(value.get(1..)?));
        let clustered = self.dialect == Dialect::Clustered;
        let known = self.whole(name).filter(|(_, takes)| clustered && *takes != Takes::Nothing)?;
        Some((known, value))
    }

    /// Returns the option that a whole word is. With [`Dialect::Clustered`], long ones may have one
    /// dash.
    fn whole(&self, word: &OsStr) -> Option<&'static Known> {
        let is_long = |name: &str| name.starts_with("--");
        self.known.iter().find(|(name, _)| match self.dialect {
            Dialect::Words => word == *name,
            Dialect::Glued => is_long(name) && word == *name,
            Dialect::Clustered => is_long(name) && (word == *name || Some(word) == one_dash(name)),
        })
    }

    fn letter(&self, letter: u8) -> Option<&'static Known> {
        self.known.iter().find(|(name, _)| name.as_bytes() == [b'-', letter])
    }

    /// Returns the value of an option that is a whole word.
    fn next_word(&self, known: &Known, words: &mut Words<'_>) -> Result<Option<OsString>> {
        let (name, takes) = known;
        if let Takes::Text | Takes::Octets = takes {
            let missing = || match self.dialect {
                Dialect::Glued => usage(format!("{name} requires a value")),
                _ => usage(format!("no value after {name}")),
            };
            return words.next().cloned().map(Some).ok_or_else(missing);
        }
        Ok(self.optional(*takes, words))
    }

    fn optional(&self, takes: Takes, words: &mut Words<'_>) -> Option<OsString> {
        let is = |word: &OsStr| match takes {
            Takes::OneOf(all) if self.dialect == Dialect::Words => {
                all.iter().any(|one| word.eq_ignore_ascii_case(one))
            }
            Takes::OneOf(all) => all.iter().any(|one| word == *one),
            Takes::Anything => !word.as_bytes().starts_with(b"-"),
            _ => false,
        };
        words.next_if(|word| is(word)).cloned()
    }

    /// Reads a word of one-letter options.
    fn letters(&mut self, (at, word): (usize, &OsStr), words: &mut Words<'_>) -> Result<()> {
        let mut letters = word.as_bytes().strip_prefix(b"-").unwrap_or_default();
        if letters.is_empty() {
            self.unknown.push((at, word.to_owned()));
        }
        while let [letter, glued @ ..] = letters {
            let Some(known) = self.letter(*letter) else {
                if self.dialect == Dialect::Glued {
                    self.unknown.push((at, word.to_owned()));
                    return Ok(());
                }
                return Err(usage(format!("Unrecognized option: {}", word.display())));
            };
            letters = glued;
            let value = match known.1 {
                Takes::Text | Takes::Octets => {
                    letters = &[];
                    Some(self.letter_s_value(*letter, glued, words)?)
                }
                takes => self.optional(takes, words),
            };
            self.take(known, value)?;
        }
        Ok(())
    }

    fn letter_s_value(&self, letter: u8, glued: &[u8], words: &mut Words<'_>) -> Result<OsString> {
        let follows = |word: &OsStr| match self.dialect {
            Dialect::Glued => !word.as_bytes().starts_with(b"-"),
            _ => !self.is_option(word),
        };
        let next = if glued.is_empty() { words.next_if(|word| follows(word)) } else { None };
        let value = next.map_or(glued, |word| word.as_bytes());
        if self.dialect == Dialect::Glued {
            return Ok(OsStr::from_bytes(unquoted(value)).to_owned());
        }
        if next.is_none() && glued.is_empty() {
            return Err(usage(format!("Missing argument for option: {}", char::from(letter))));
        }
        Ok(OsStr::from_bytes(value).to_owned())
    }

    /// Returns whether a word is an option, and so can't be the value of another.
    fn is_option(&self, word: &OsStr) -> bool {
        match word.as_bytes() {
            [b'-', b'-', ..] => true,
            [b'-', letter] => self.letter(*letter).is_some(),
            _ => false,
        }
    }

    fn take(&mut self, known: &'static Known, value: Option<OsString>) -> Result<()> {
        let is_text = value.as_ref().is_none_or(|value| value.to_str().is_some());
        let (name, takes) = *known;
        if takes != Takes::Octets && !is_text {
            return Err(usage(format!("the value of {name} is not UTF-8")));
        }
        self.given.push((name, value));
        Ok(())
    }

    /// Returns the value of each occurrence of an option.
    pub fn all(&self, name: &'static str) -> impl DoubleEndedIterator<Item = Option<&OsStr>> {
        let given = self.given.iter().filter(move |(given, _)| *given == name);
        given.map(|(_, value)| value.as_deref())
    }

    /// Returns whether an option is given.
    pub fn has(&self, name: &'static str) -> bool {
        self.all(name).next().is_some()
    }

    /// Returns whether the last occurrence of an option has no value or `true`.
    pub fn flag(&self, name: &'static str) -> bool {
        self.all(name).next_back().is_some_and(|v| v.is_none_or(|v| v.eq_ignore_ascii_case("true")))
    }

    /// Returns an option's value as octets.
    pub fn octets(&self, name: &'static str) -> Option<&OsStr> {
        let mut all = self.all(name);
        match self.dialect {
            Dialect::Clustered => all.next(),
            Dialect::Words | Dialect::Glued => all.next_back(),
        }
        .flatten()
    }

    /// Returns the value of a [text](Takes::Text) option.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.octets(name)?.to_str()
    }

    /// Returns an option's value as a path.
    pub fn path(&self, name: &'static str) -> Option<&Path> {
        self.octets(name).map(Path::new)
    }

    /// Returns whether an option's value is `true`, in any case.
    pub fn truth(&self, name: &'static str) -> Option<bool> {
        self.text(name).map(|v| v.eq_ignore_ascii_case("true"))
    }
}

/// Returns `-oaep` for `--oaep`.
fn one_dash(long: &str) -> Option<&OsStr> {
    long.strip_prefix('-').map(OsStr::new)
}

/// Removes quotes around a value that the shell left there.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        _ => value,
    }
}

fn usage(what: String) -> Error {
    Error::new(Kind::Usage, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: &[Known] = &[
        ("-d", Takes::Text),
        ("-p", Takes::Octets),
        ("-s", Takes::Text),
        ("-q", Takes::Text),
        ("-n", Takes::Text),
        ("-o", Takes::Octets),
        ("-y", TRUTH),
        ("-v", Takes::Nothing),
        ("--oaep", Takes::Nothing),
        ("--help", Takes::Nothing),
        ("--output", Takes::Octets),
    ];

    fn read(dialect: Dialect, args: &[&str]) -> (Options, Result<()>) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let mut options = Options::new(dialect, LETTERS);
        let outcome = options.read(&args);
        (options, outcome)
    }

    fn clustered(text: &str) -> Result<Options> {
        let (options, outcome) = read(Dialect::Clustered, &text.split(' ').collect::<Vec<_>>());
        outcome.map(|()| options)
    }

    #[test]
    fn letters_together_and_the_first_value() {
        let got =
            clustered("-d db stray -p a -p b -s -1 -oaep -vy false -q POP_NONE -nCN=x").unwrap();
        assert_eq!(got.text("-d"), Some("db"));
        assert_eq!(got.octets("-p"), Some(OsStr::new("a")));
        assert_eq!(got.text("-s"), Some("-1"));
        assert_eq!(got.text("-q"), Some("POP_NONE"));
        assert_eq!(got.text("-n"), Some("CN=x"));
        assert!(got.has("--oaep") && got.has("-v") && !got.flag("-y") && !got.has("-o"));
        assert!(clustered("-y").unwrap().flag("-y"));
        assert!(clustered("-y -d db").unwrap().flag("-y"));
        // commons-cli compares these values in lower case only.
        assert!(clustered("-y FALSE").unwrap().flag("-y"));
        assert!(clustered("--oaep --help").unwrap().has("--help"));
        assert!(!clustered("-v -- --help").unwrap().has("--help"));
        for (text, what) in [
            ("-d", "Missing argument for option: d"),
            ("-d -p x", "Missing argument for option: d"),
            ("-z", "Unrecognized option: -z"),
            ("--oops", "Unrecognized option: --oops"),
        ] {
            assert_eq!(clustered(text).err().unwrap().to_string(), what);
        }
    }

    #[test]
    fn whole_words_and_the_last_value() {
        let (got, outcome) =
            read(Dialect::Words, &["-d", "-p", "-y", "FALSE", "-s", "a", "-s", "b", "-v"]);
        outcome.unwrap();
        assert_eq!((got.text("-d"), got.text("-s")), (Some("-p"), Some("b")));
        assert!(got.has("-v") && got.has("-y") && !got.flag("-y"));
        let (got, outcome) = read(Dialect::Words, &["-s", "a", "-dDIR", "-s", "b"]);
        outcome.unwrap();
        assert_eq!((got.unknown, got.given.len()), (vec![(2, "-dDIR".into())], 1));
        let (got, outcome) = read(Dialect::Words, &["-s", "a", "-d"]);
        assert_eq!(outcome.unwrap_err().to_string(), "no value after -d");
        assert_eq!(got.text("-s"), Some("a"));
    }

    #[test]
    fn values_glued_on_or_apart_or_quoted() {
        let args = ["-d\"sql:dbX\"", "-n", "CA admin", "-q", "-s0x1f", "-o'6'", "-nlast"];
        let (got, _) = read(Dialect::Glued, &args);
        assert_eq!(got.text("-d"), Some("sql:dbX"));
        assert_eq!(got.text("-n"), Some("last"));
        assert_eq!(got.text("-q"), Some(""));
        assert_eq!(
            (got.text("-s"), got.text("-o"), got.text("-p")),
            (Some("0x1f"), Some("6"), None)
        );
        let (got, outcome) = read(Dialect::Glued, &["x", "-zfoo", "--output", "a.out", "-"]);
        outcome.unwrap();
        assert_eq!(got.path("--output"), Some(Path::new("a.out")));
        let unknown = [(0, "x"), (1, "-zfoo"), (4, "-")].map(|(at, word)| (at, word.into()));
        assert_eq!(got.unknown, unknown);
        let (_, outcome) = read(Dialect::Glued, &["--output"]);
        assert_eq!(outcome.unwrap_err().to_string(), "--output requires a value");
    }

    #[test]
    fn only_octets_may_be_other_than_utf_8() {
        let word = |octets: &[u8]| OsStr::from_bytes(octets).to_owned();
        for dialect in [Dialect::Clustered, Dialect::Words, Dialect::Glued] {
            let mut options = Options::new(dialect, LETTERS);
            options.read(&[word(b"-p"), word(b"\xff")]).unwrap();
            let e = options.read(&[word(b"-d"), word(b"\xff")]).unwrap_err();
            assert_eq!(e.to_string(), "the value of -d is not UTF-8");
        }
    }
}
