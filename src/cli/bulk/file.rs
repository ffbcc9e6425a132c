//! The file of `bulk`: JSON Lines or CSV, each line with the options of `enroll` that are about one
//! certificate.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};

use crate::cli::enroll::EnrollArgs;
use crate::cli::layers::one_line;
use crate::cli::request::{self, Words};
use nss_cmc::client::enroll::Order;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::interrupt;

/// The options of `enroll` that a line may have, by their keys.
const KEYS: [&str; 12] = [
    "nickname",
    "subject",
    "dns",
    "ip",
    "email",
    "key_type",
    "profile",
    "issuer",
    "usage",
    "require_names",
    "trust",
    "chain_out",
];

/// The largest line that is read, in octets.
const LARGEST: u64 = 1024 * 1024;

/// How many invalid lines an error names.
const NAMED: usize = 10;

/// A file with requests.
pub struct Requests {
    path: PathBuf,
    form: Form,
    reader: Reader,
}

/// How a line becomes an order.
struct Form {
    command: Command,
    /// The options that all lines have in common, as words.
    common: Vec<OsString>,
}

enum Reader {
    /// JSON Lines, and the number of the last line.
    Json(BufReader<File>, u64),
    /// CSV, its header, and the record to read the next line into.
    Csv(Box<csv::Reader<BufReader<File>>>, Vec<String>, csv::StringRecord),
}

/// What the check of a file found.
pub struct Checked {
    /// The number of requests.
    pub count: u64,
    /// Whether one sets trust flags.
    pub trust: bool,
}

/// An open file with requests, which can be read several times.
pub struct Source {
    path: PathBuf,
    file: File,
}

impl Source {
    /// Opens a file; `-` is standard input. A pipe is copied, because it can be read only once.
    ///
    /// # Errors
    /// [`Kind::Usage`] for what can't be read; [`Kind::Interrupted`].
    pub fn open(path: &Path) -> Result<Source> {
        let cannot = |e: io::Error| cannot_read(path).because(e);
        let is_stdin = path.as_os_str() == "-";
        let file = if is_stdin || interrupt::may_wait(path) {
            let name = path.to_owned();
            let copied = interrupt::blocking(move || {
                let mut copy = tempfile::tempfile()?;
                match is_stdin {
                    true => io::copy(&mut io::stdin().lock(), &mut copy)?,
                    false => io::copy(&mut File::open(name)?, &mut copy)?,
                };
                Ok(copy)
            })?;
            copied.map_err(cannot)?
        } else {
            File::open(path).map_err(cannot)?
        };
        Ok(Source { path: path.to_owned(), file })
    }
}

fn cannot_read(path: &Path) -> Error {
    Error::new(Kind::Usage, format!("cannot read {}", shown(path)))
}

/// Returns the name of a file for messages.
fn shown(path: &Path) -> String {
    match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

impl Requests {
    /// Reads a file from its beginning: JSON Lines if it begins with `{`, else CSV with a header.
    /// `common` are the words of the options that all lines have in common; a line takes precedence.
    ///
    /// # Errors
    /// [`Kind::Usage`]: not a readable file, or a header with an unknown key.
    pub fn of(source: &Source, common: Vec<OsString>) -> Result<Requests> {
        let path = &source.path;
        let cannot = || cannot_read(path);
        let mut file = source.file.try_clone().map_err(|e| cannot().because(e))?;
        file.rewind().map_err(|e| cannot().because(e))?;
        let mut file = BufReader::new(file);
        let start = file.fill_buf().map_err(|e| cannot().because(e))?;
        let is_json = start.trim_ascii_start().first() == Some(&b'{');
        let reader = match is_json {
            true => Reader::Json(file, 0),
            false => {
                let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
                let header = reader.headers().map_err(|e| cannot().because(e.to_string()))?;
                let keys = header.iter().map(|key| key.replace('-', "_")).collect::<Vec<_>>();
                let known = |key: &String| KEYS.contains(&key.as_str());
                if let Some(unknown) = keys.iter().find(|key| !known(key)) {
                    let what = format!("invalid header in {}", shown(path));
                    return Err(Error::new(Kind::Usage, what).because(unknown_key(unknown)));
                }
                Reader::Csv(Box::new(reader), keys, csv::StringRecord::new())
            }
        };
        let command = EnrollArgs::augment_args(Command::new("enroll"));
        Ok(Requests { path: path.to_owned(), form: Form { command, common }, reader })
    }

    /// Checks every line.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a file without requests, and for invalid lines: the first one, and others as
    /// notes. Two lines must not have the same nickname or output file.
    pub fn check(self) -> Result<Checked> {
        let path = self.path.clone();
        let mut found = Checked { count: 0, trust: false };
        let (mut nicknames, mut files) = (HashMap::new(), HashMap::new());
        let (mut error, mut others): (Option<Error>, usize) = (None, 0);
        for (line, order) in self {
            found.count += 1;
            let unique = order.and_then(|order| {
                found.trust |= order.trust.is_some();
                first(&mut nicknames, line, "nickname", &order.nickname)?;
                order
                    .chain_file
                    .as_ref()
                    .map_or(Ok(()), |f| first(&mut files, line, "chain_out", f))
            });
            let Err(e) = unique else { continue };
            error = Some(match error {
                None => e,
                Some(error) if others < NAMED => {
                    others += 1;
                    error.note(e.to_string())
                }
                Some(error) => {
                    others += 1;
                    error
                }
            });
        }
        match error {
            Some(error) if others > NAMED => {
                Err(error.note(format!("{} more lines are invalid", others - NAMED)))
            }
            Some(error) => Err(error),
            None if found.count == 0 => {
                Err(Error::new(Kind::Usage, format!("{} has no requests", shown(&path))))
            }
            None => Ok(found),
        }
    }
}

/// Refuses a value that another line has. Hashes are kept, not the values: files may be large.
fn first(seen: &mut HashMap<u64, u64>, line: u64, key: &str, value: impl Hash) -> Result<()> {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    match seen.insert(hasher.finish(), line) {
        None => Ok(()),
        Some(other) => Err(invalid(line, format!("key {key} has the value of line {other}"))),
    }
}

fn invalid(line: u64, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Usage, format!("invalid request in line {line}")).because(why)
}

fn unknown_key(key: &str) -> String {
    let keys = KEYS.join(", ");
    format!("key {key:?} is not about one certificate; a line may have {keys}")
}

impl Iterator for Requests {
    type Item = (u64, Result<Order>);

    fn next(&mut self) -> Option<(u64, Result<Order>)> {
        let (line, words) = self.reader.next(&self.form.command)?;
        let order = words.and_then(|words| self.form.order(words));
        Some((line, order.map_err(|why| invalid(line, why))))
    }
}

/// A line: its number, and its options with their words.
type Line = (u64, std::result::Result<Vec<(String, Words)>, String>);

impl Reader {
    fn next(&mut self, leaf: &Command) -> Option<Line> {
        match self {
            Reader::Json(file, number) => loop {
                *number += 1;
                let mut text = Vec::new();
                let read = file.take(LARGEST + 1).read_until(b'\n', &mut text);
                match read {
                    Ok(0) => return None,
                    Ok(_) if text.len() as u64 > LARGEST => {
                        return Some((*number, Err("it is longer than 1 MiB".into())));
                    }
                    Ok(_) if text.trim_ascii().is_empty() => {}
                    Ok(_) => return Some((*number, request::options(&text, leaf, &KEYS))),
                    Err(e) => return Some((*number, Err(e.to_string()))),
                }
            },
            Reader::Csv(reader, keys, record) => {
                let at = reader.position().line();
                match reader.read_record(record) {
                    Ok(false) => None,
                    Ok(true) => {
                        // The record's own position is before the blank lines that it follows.
                        let breaks: usize = record.iter().map(|c| c.matches('\n').count()).sum();
                        let end = reader.position().line().saturating_sub(1 + breaks as u64);
                        let line = end.max(at);
                        Some((line, cells(keys, record, leaf)))
                    }
                    Err(e) => Some((at, Err(e.to_string()))),
                }
            }
        }
    }
}

/// Returns the options of a record. An empty cell is none; a cell of a list has its values separated by
/// blanks.
fn cells(
    keys: &[String],
    record: &csv::StringRecord,
    leaf: &Command,
) -> std::result::Result<Vec<(String, Words)>, String> {
    let mut options = Vec::new();
    for (key, cell) in keys.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let long = key.replace('_', "-");
        let arg = leaf.get_arguments().find(|arg| arg.get_long() == Some(long.as_str()));
        let words = match arg.map(clap::Arg::get_action) {
            Some(clap::ArgAction::SetTrue) => match cell {
                "true" => Some(Vec::new()),
                "false" => None,
                _ => return Err(format!("key {key}: expected true or false")),
            },
            Some(clap::ArgAction::Append) => {
                Some(cell.split_whitespace().map(OsString::from).collect())
            }
            _ => Some(vec![cell.into()]),
        };
        options.push((long, words));
    }
    Ok(options)
}

impl Form {
    /// Returns the order of a line's options: they are those of a run of `enroll`.
    fn order(&self, options: Vec<(String, Words)>) -> std::result::Result<Order, String> {
        let has = |long: &str| options.iter().any(|(option, _)| option == long);
        for key in ["nickname", "subject"] {
            if !has(key) {
                return Err(format!("key {key} is missing"));
            }
        }
        let mut args = vec![OsString::from("enroll")];
        let given = |word: &&OsString| {
            let text = word.to_string_lossy();
            let long = text.trim_start_matches("--");
            !has(long.split('=').next().unwrap_or_default())
        };
        args.extend(self.common.iter().filter(given).cloned());
        for (long, words) in options {
            let Some(words) = words else { continue };
            if words.is_empty() {
                args.push(format!("--{long}").into());
            }
            for word in words {
                let mut option = OsString::from(format!("--{long}="));
                option.push(word);
                args.push(option);
            }
        }
        let matches = self.command.clone().try_get_matches_from(args);
        let args = matches.and_then(|matches| EnrollArgs::from_arg_matches(&matches));
        let order = args.map_err(|e| one_line(&e.to_string()))?.order();
        order.and_then(|order| order.check().map(|()| order)).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(text: &str) -> Result<Requests> {
        requests_with(text, &[])
    }

    fn requests_with(text: &str, more: &[&str]) -> Result<Requests> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let common = ["--database=d", "--ca=https://ca", "--profile=p", "--signer=s"];
        let common = common.iter().chain(more).map(OsString::from).collect();
        Requests::of(&Source::open(file.path()).unwrap(), common)
    }

    fn check(text: &str) -> Result<u64> {
        requests(text)?.check().map(|checked| checked.count)
    }

    #[test]
    fn json_and_csv_say_the_same() {
        let json = r#"
{"nickname": "a", "subject": "CN=a", "dns": ["a", "b"], "trust": "u,u,u", "require-names": true}

{"nickname": "b", "subject": "CN=b,O=x", "key_type": "ec:nistp256", "profile": "other"}
"#;
        let csv = "nickname,subject,dns,trust,require-names,key_type,profile\n\
                   a,CN=a,a b,\"u,u,u\",true,,\n\
                   \n\
                   b,\"CN=b,O=x\",,,false,ec:nistp256,other\n";
        let all: Vec<_> = [json, csv].map(|text| requests(text).unwrap().collect()).into();
        for orders in &all {
            let orders: &Vec<(u64, Result<Order>)> = orders;
            let (a, b) = (orders[0].1.as_ref().unwrap(), orders[1].1.as_ref().unwrap());
            assert_eq!((orders[0].0, orders[1].0), (2, 4));
            assert_eq!(a.names.0.len(), 2);
            assert!(a.require_names && a.trust.is_some() && !b.require_names);
            assert_eq!((a.profile.as_deref(), b.profile.as_deref()), (Some("p"), Some("other")));
            assert_eq!(
                (b.subject.as_str(), b.key.unwrap().to_string()),
                ("CN=b,O=x", "ec:nistp256".into())
            );
        }
        assert_eq!(format!("{:?}", all[0][0].1), format!("{:?}", all[1][0].1));
    }

    #[test]
    fn a_line_takes_precedence_over_the_command() {
        let of = |text: &str| {
            let requests = requests_with(text, &["--require-names", "--key-type=rsa:3072"]);
            requests.unwrap().map(|(_, order)| order.unwrap()).collect::<Vec<_>>()
        };
        let json = "{\"nickname\": \"a\", \"subject\": \"CN=a\"}\n\
            {\"nickname\": \"b\", \"subject\": \"CN=b\", \"require_names\": false, \"key_type\": \"ec\"}\n";
        let csv = "nickname,subject,require_names,key_type\na,CN=a,,\nb,CN=b,false,ec\n";
        for text in [json, csv] {
            let orders = of(text);
            assert!(orders[0].require_names && !orders[1].require_names, "{text}");
            let keys: Vec<_> = orders.iter().map(|o| o.key.unwrap().to_string()).collect();
            assert_eq!(keys, ["rsa:3072", "ec:nistp256"]);
        }
    }

    #[test]
    fn an_invalid_line_is_named() {
        for (text, why) in [
            ("", "no requests"),
            ("{\"nickname\": \"a\"}", "line 1: key subject is missing"),
            ("{\"nickname\": \"a\", \"subject\": \"x\"}", "line 1"),
            ("{\"nickname\": \"a\", \"subject\": \"CN=x\", \"ip\": [\"1.2\"]}", "line 1"),
            ("{\"nickname\": \"a\", \"subject\": \"CN=x\", \"signer\": \"b\"}", "signer"),
            ("{\"nickname\": \"a\", \"subject\": \"CN=x\", \"password\": \"b\"}", "password"),
            ("{\"nickname\": \"a\", \"subject\": \"CN=x\", \"dns\": \"b\"}", "array"),
            ("{\"nickname\": \"a\\nb\", \"subject\": \"CN=x\"}", "control character"),
            ("{\"nickname\": \"a\", \"subject\": \"CN=x\"} x", "line 1"),
            ("nickname,subject,signer\n", "signer"),
            ("nickname,subject\na\n", "line 2"),
            ("nickname,subject,require_names\na,CN=x,yes\n", "true or false"),
            (
                "nickname,subject\na,CN=x\nb,CN=y\na,CN=z\n",
                "line 4: key nickname has the value of line 2",
            ),
            ("nickname,subject,chain_out\na,CN=x,f\nb,CN=y,f\n", "line 3: key chain_out"),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        let many: String = (0..30).map(|_| "x\n".to_owned()).collect();
        let error = check(&format!("nickname,subject\n{many}")).unwrap_err();
        assert_eq!(error.notes().len(), NAMED + 1, "{:?}", error.notes());
    }
}
