//! Settings from `nss-cmc.ini` and the environment, and where each comes from.

pub mod certificate;
mod file;
mod settings;
mod show;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use file::Chosen;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::text::nearest;

pub use file::{ConfigFile, DEFAULTS, URL};
pub use settings::{SETTINGS, Setting};
pub use show::{ConfigCommand, ConfigShown, run};

/// The file for all users.
pub const SYSTEM_FILE: &str = "/etc/nss-cmc.ini";

/// The environment variable that names the only file.
pub const VARIABLE: &str = "NSS_CMC_CONFIG";

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    CommandLine,
    /// The JSON object of `--request`.
    Request,
    /// This environment variable.
    Environment(String),
    /// A configuration file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The section.
        section: String,
    },
    /// The program.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("command line"),
            Origin::Request => f.write_str("--request"),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::File { path, line, section } => {
                write!(f, "{}, line {line} [{section}]", path.display())
            }
            Origin::BuiltIn => f.write_str("built in"),
        }
    }
}

/// The configuration files, the one that counts more first.
#[derive(Default)]
pub struct Config {
    /// The files that exist.
    pub files: Vec<ConfigFile>,
    /// Whether an option or the environment names the only file, or none.
    pub is_explicit: bool,
    /// Warnings about them.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads only `explicit`, else only the file that [`VARIABLE`] names, else the user's file and
    /// [`SYSTEM_FILE`].
    ///
    /// # Errors
    /// [`Kind::Usage`] with file and line.
    pub fn read(explicit: Option<&Path>) -> Result<Config> {
        let variable = std::env::var_os(VARIABLE).filter(|file| !file.is_empty());
        let only = explicit.map(Path::to_owned).or_else(|| variable.map(PathBuf::from));
        let (paths, chosen) = match only {
            Some(path) => (vec![path], Chosen::Explicit),
            None => {
                let paths = user_file().into_iter().chain([PathBuf::from(SYSTEM_FILE)]);
                (paths.collect(), Chosen::Usual)
            }
        };
        let is_explicit = chosen == Chosen::Explicit;
        let mut config = Config { is_explicit, ..Config::default() };
        for path in paths {
            let file = ConfigFile::read(&path, chosen, &mut config.warnings)?;
            config.files.extend(file);
        }
        Ok(config)
    }

    /// Returns the value of a key, from the first file that has it in this section.
    pub fn value(&self, section: &str, key: &str) -> Option<(&str, Origin)> {
        self.files.iter().find_map(|file| {
            let entry = file.sections.get(section)?.get(key)?;
            let (path, section) = (file.path.clone(), section.to_owned());
            Some((entry.value.as_str(), Origin::File { path, line: entry.line, section }))
        })
    }

    /// Returns the CAs by name, each with its URL.
    pub fn cas(&self) -> BTreeMap<&str, Option<&str>> {
        let sections = self.files.iter().flat_map(|file| file.sections.keys());
        let names = sections.map(String::as_str);
        let names = names.filter(|name| *name != DEFAULTS && certificate::name_of(name).is_none());
        names.map(|name| (name, self.value(name, URL).map(|(url, _)| url))).collect()
    }

    /// Returns the names of the certificates that have a section, sorted.
    pub fn certificates(&self) -> Vec<&str> {
        let sections = self.files.iter().flat_map(|file| file.sections.keys());
        let mut names: Vec<&str> = sections.filter_map(|name| certificate::name_of(name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the keys of a section with their values, each from the first file that has it.
    pub fn section(&self, section: &str) -> Vec<(&str, &str, Origin)> {
        let sections = self.files.iter().filter_map(|file| file.sections.get(section));
        let mut keys: Vec<&str> = sections.flat_map(|s| s.keys().map(String::as_str)).collect();
        keys.sort_unstable();
        keys.dedup();
        let entry = |key| self.value(section, key).map(|(value, origin)| (key, value, origin));
        keys.into_iter().filter_map(entry).collect()
    }

    /// Returns the URL of a CA, by the name of its section.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an unknown name, with the known ones, and for a section without URL.
    pub fn url(&self, name: &str) -> Result<(&str, Origin)> {
        let cas = self.cas();
        if name != DEFAULTS
            && let Some(found) = self.value(name, URL)
        {
            return Ok(found);
        }
        if cas.contains_key(name) {
            let what = format!("the section [{name}] of the configuration file has no {URL}");
            return Err(Error::new(Kind::Usage, what)
                .hint(format!("add a line to it: {URL} = https://ca.example.com:8443")));
        }
        let names: Vec<&str> = cas.into_keys().collect();
        let near = nearest(name, &names);
        let known = match names.as_slice() {
            [] => "no configuration file has a section of a CA".to_owned(),
            names => format!("the known CAs are {}", names.join(", ")),
        };
        let hint = match near.first() {
            Some(near) => format!("did you mean {near}?"),
            None => "a URL begins with https://".to_owned(),
        };
        // What is before an `@` may be a password: the value may be a URL without its scheme.
        let shown = match name.rsplit_once('@') {
            Some((_, host)) => format!("***@{host}"),
            None => name.to_owned(),
        };
        Err(Error::new(Kind::Usage, format!("unknown CA {shown:?}")).because(known).hint(hint))
    }
}

/// Returns the user's file, unless the environment names no home directory.
pub fn user_file() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("nss-cmc.ini"))
}

/// Returns whether the value of `--ca` is a URL, not the name of a section.
pub fn is_url(text: &str) -> bool {
    text.contains("://")
}
