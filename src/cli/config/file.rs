//! Reads `nss-cmc.ini`: its sections, its keys, and the line of each.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::certificate::{self, Keys};
use super::settings::{SETTINGS, Setting};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::text::{nearest, quoted};

/// The section whose values apply to every CA.
pub const DEFAULTS: &str = "defaults";

/// The key of a CA's section with its URL.
pub const URL: &str = "url";

/// The largest file that is read, in octets.
const LARGEST: u64 = 1024 * 1024;

/// Keys for secrets, and the key to use instead.
const SECRETS: &[(&str, &str)] = &[
    ("password", "password-file"),
    ("passwords", "password-file"),
    ("pin", "password-file"),
    ("pkcs12-password", "--pkcs12-password-file"),
    ("new-password", "--new-password-file"),
    ("shared-secret", "--shared-secret-file"),
];

/// A configuration file.
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// Its sections by name, with their values by key.
    pub sections: BTreeMap<String, BTreeMap<String, Entry>>,
}

/// The value of a key, and the line (from 1) that sets it.
pub struct Entry {
    /// The value; never empty.
    pub value: String,
    /// The line.
    pub line: usize,
}

/// How a file was chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// By its usual place: it need not exist, and belongs to root or to the user.
    Usual,
    /// By the user.
    Explicit,
}

impl ConfigFile {
    /// Reads a file; `None` if it doesn't exist at its usual place. A file that its group can write
    /// is added to `warnings`.
    ///
    /// # Errors
    /// [`Kind::Usage`] with file and line.
    pub fn read(
        path: &Path,
        chosen: Chosen,
        warnings: &mut Vec<String>,
    ) -> Result<Option<ConfigFile>> {
        let failed = || {
            let what = format!("cannot read configuration file {}", path.display());
            Error::new(Kind::Usage, what)
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if chosen == Chosen::Usual && is_absent(path, &e) => return Ok(None),
            Err(e) => return Err(failed().because(e)),
        };
        let found = file.metadata().map_err(|e| failed().because(e))?;
        check_access(path, chosen, &found, warnings)?;
        let mut text = String::new();
        file.take(LARGEST + 1).read_to_string(&mut text).map_err(|e| failed().because(e))?;
        if text.len() as u64 > LARGEST {
            return Err(failed().because("it is larger than 1 MiB"));
        }
        ConfigFile::parse(path, &text).map(Some)
    }

    fn parse(path: &Path, text: &str) -> Result<ConfigFile> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut file = ConfigFile { path: path.to_owned(), sections: BTreeMap::new() };
        let mut section = None;
        let keys = std::cell::LazyCell::new(|| Keys::of(&crate::cli::command()));
        for (at, line) in text.lines().enumerate() {
            let line_number = at + 1;
            let wrong = |what: &str| {
                let place = format!("{}, line {line_number}", path.display());
                Error::new(Kind::Usage, format!("invalid configuration file {place}")).because(what)
            };
            // Line by line: the items of serde_ini have no line numbers.
            let Some(item) = serde_ini::Parser::from_str(line.trim()).next() else { continue };
            match item {
                Ok(serde_ini::Item::Empty | serde_ini::Item::Comment { .. }) => {}
                Ok(serde_ini::Item::Section { name }) => {
                    let name = section_name(&name).map_err(|what| wrong(&what))?;
                    if file.sections.insert(name.clone(), BTreeMap::new()).is_some() {
                        return Err(wrong(&format!("section [{name}] is given twice")));
                    }
                    section = Some(name);
                }
                Ok(serde_ini::Item::Value { key, value }) => {
                    let key = key.replace('_', "-");
                    let Some(name) = &section else {
                        return Err(wrong(&format!("key {key} is not in a section"))
                            .hint("start the file with a line [defaults]"));
                    };
                    let checked = match certificate::name_of(name) {
                        Some(_) => check_certificate(&keys, name, &key, &value),
                        None => check(name, &key, &value),
                    };
                    checked.map_err(|(what, hint)| {
                        let e = wrong(&what);
                        if hint.is_empty() { e } else { e.hint(hint) }
                    })?;
                    let entry = Entry { value, line: line_number };
                    let values = file.sections.entry(name.clone()).or_default();
                    if values.insert(key.clone(), entry).is_some() {
                        return Err(wrong(&format!("key {key} is given twice in [{name}]")));
                    }
                }
                Err(e) => return Err(wrong(&e.to_string())),
            }
        }
        Ok(file)
    }
}

/// Returns whether there is no file at its usual place. A folder that can't be entered is another
/// user's: `HOME` may still be that of the user who started sudo or setpriv.
fn is_absent(path: &Path, e: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => true,
        ErrorKind::PermissionDenied => std::fs::metadata(path).is_err(),
        _ => false,
    }
}

/// Refuses a file that another user can change: it chooses the CA, and directories whose libraries
/// NSS loads. A device, such as /dev/null, is not checked.
fn check_access(
    path: &Path,
    chosen: Chosen,
    found: &Metadata,
    warnings: &mut Vec<String>,
) -> Result<()> {
    if !found.is_file() {
        return Ok(());
    }
    let refused = |why: &str| {
        Error::new(Kind::Usage, format!("configuration file {} refused", path.display()))
            .because(why)
    };
    let change = |mode: &str| format!("chmod {mode} {}", quoted(path));
    if found.mode() & 0o002 != 0 {
        return Err(refused("all users can write it").hint(change("go-w")));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        let why = format!("it belongs to another user (uid {})", found.uid());
        match chosen {
            Chosen::Usual => return Err(refused(&why).hint("to use it, name it with --config")),
            Chosen::Explicit => {
                warnings.push(format!("configuration file {}: {why}", path.display()));
            }
        }
    }
    if found.mode() & 0o020 != 0 {
        let name = path.display();
        let change = change("g-w");
        warnings.push(format!("the group can write the configuration file {name}: {change}"));
    }
    Ok(())
}

fn section_name(text: &str) -> std::result::Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.contains("://") || name.chars().any(char::is_control) {
        return Err(format!("invalid name of a CA: {name:?}"));
    }
    if name == "default" {
        return Err("unknown section [default]; did you mean [defaults]?".into());
    }
    match certificate::name_of(name) {
        Some("") => Err("section [certificate] has no name: [certificate NAME]".into()),
        Some(of) => Ok(certificate::section(of)),
        None => Ok(name.to_owned()),
    }
}

/// The reason why a key or its value is invalid, and a hint.
type Invalid = (String, String);

/// Checks a key of a certificate's section and its value, as [`check`] does.
fn check_certificate(
    keys: &Keys,
    section: &str,
    key: &str,
    value: &str,
) -> std::result::Result<(), Invalid> {
    not_secret(key)?;
    if value.is_empty() {
        return Err((format!("key {key} has no value"), String::new()));
    }
    match keys.is_path(key) {
        Some(true) => absolute(key, value),
        Some(false) => Ok(()),
        None => {
            let (near, known) = (nearest(key, &keys.names()).join(", "), keys.names().join(", "));
            let hint = match near.is_empty() {
                true => format!("the keys are {known}"),
                false => format!("did you mean {near}?"),
            };
            Err((format!("unknown key {key} in [{section}]"), hint))
        }
    }
}

fn not_secret(key: &str) -> std::result::Result<(), Invalid> {
    let Some((_, instead)) = SECRETS.iter().find(|(secret, _)| *secret == key) else {
        return Ok(());
    };
    let what = format!("key {key}: secrets are not allowed in a configuration file");
    Err((what, format!("use {instead}, a file that only its owner can read")))
}

fn absolute(key: &str, value: &str) -> std::result::Result<(), Invalid> {
    let path = value.strip_prefix("sql:").unwrap_or(value);
    match path.starts_with('/') {
        true => Ok(()),
        false => Err((format!("key {key}: the path must be absolute"), String::new())),
    }
}

/// Checks a key and its value; returns the reason and a hint for an invalid one. The value is in
/// neither: it may be a secret.
fn check(section: &str, key: &str, value: &str) -> std::result::Result<(), Invalid> {
    let no_hint = |what: String| Err((what, String::new()));
    not_secret(key)?;
    let of_ca = section != DEFAULTS;
    if value.is_empty() {
        return no_hint(format!("key {key} has no value"));
    }
    if of_ca && key == URL {
        return match value.contains("://") {
            true => Ok(()),
            false => no_hint(format!("key {key}: the URL must begin with https://")),
        };
    }
    let Some(setting) = Setting::find(key).filter(|setting| setting.of_ca || !of_ca) else {
        let known: Vec<&str> = SETTINGS
            .iter()
            .filter(|setting| setting.of_ca || !of_ca)
            .map(|setting| setting.key)
            .chain(of_ca.then_some(URL))
            .collect();
        let near = nearest(key, &known).join(", ");
        let what = format!("unknown key {key} in [{section}]");
        let elsewhere = Setting::find(key).is_some() || key == URL;
        let hint = match (elsewhere, near.is_empty()) {
            (true, _) if of_ca => format!("{key} belongs in [{DEFAULTS}]"),
            (true, _) => format!("{key} belongs in the section of a CA"),
            (false, false) => format!("did you mean {near}?"),
            (false, true) => format!("the keys are {}", known.join(", ")),
        };
        return Err((what, hint));
    };
    if setting.is_path { absolute(key, value) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile> {
        ConfigFile::parse(Path::new("/x/nss-cmc.ini"), text)
    }

    #[test]
    fn sections_keys_and_lines() {
        let text = "# comment\n[defaults]\ndatabase = /db\n\n; more\n[lab]\nurl=https://ca:8443\n\
                    signer_db = sql:/agent\r\nprofile = a = b\n";
        let file = parse(text).unwrap();
        let get = |section: &str, key: &str| {
            let entry = &file.sections[section][key];
            (entry.value.clone(), entry.line)
        };
        assert_eq!(get("defaults", "database"), ("/db".into(), 3));
        assert_eq!(get("lab", "signer-db"), ("sql:/agent".into(), 8));
        assert_eq!(get("lab", "profile"), ("a = b".into(), 9));
        assert!(parse("").unwrap().sections.is_empty());
        let file = parse("[certificate  a b ]\nexec = x y\nnickname = a : b\n").unwrap();
        let section = &file.sections["certificate a b"];
        assert_eq!((section["exec"].value.as_str(), section["nickname"].line), ("x y", 3));
    }

    #[test]
    fn the_sample_is_valid() {
        let file = parse(include_str!("../../../contrib/nss-cmc.ini")).unwrap();
        assert_eq!(file.sections.len(), 4);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_without_its_value() {
        for (text, line, want) in [
            ("database = /db", 1, "is not in a section"),
            ("[defaults]\n\nx", 3, "missing '='"),
            ("[defaults", 1, "missing ']'"),
            ("[defaults]\ndatabase = db", 2, "must be absolute"),
            ("[defaults]\npassword-file = -", 2, "must be absolute"),
            ("[defaults]\ntimeout =", 2, "has no value"),
            ("[defaults]\nurl = https://x", 2, "unknown key url"),
            ("[lab]\nurl = ca.example.com", 2, "must begin with https://"),
            ("[lab]\noutput = json", 2, "unknown key output"),
            ("[lab]\nnickname = www", 2, "unknown key nickname"),
            ("[lab]\nca = other", 2, "unknown key ca"),
            ("[default]\n", 1, "[defaults]?"),
            ("[]\n", 1, "invalid name"),
            ("[lab]\n[x]\n[lab]", 3, "[lab] is given twice"),
            ("[lab]\ntimeout = 1\ntimeout = 2", 3, "timeout is given twice"),
            ("[certificate]\n", 1, "has no name"),
            ("[certificate a]\n[certificate  a ]", 2, "[certificate a] is given twice"),
            ("[certificate a]\nnickname =", 2, "has no value"),
            ("[certificate a]\nsigner-db = x", 2, "must be absolute"),
            ("[certificate a]\nurl = https://x", 2, "unknown key url"),
            ("[certificate a]\ncheck = true", 2, "unknown key check"),
            ("[certificate a]\nexce = x", 2, "did you mean exec"),
            ("[certificate a]\npin = s3cr3t", 2, "secrets are not allowed"),
            ("[lab]\npassword = s3cr3t", 2, "secrets are not allowed"),
            ("[lab]\nshared_secret = s3cr3t", 2, "secrets are not allowed"),
        ] {
            let e = parse(text).err().unwrap_or_else(|| panic!("{text}"));
            let said = format!("{e} {}", e.hint_text().unwrap_or_default());
            let place = format!("/x/nss-cmc.ini, line {line}: ");
            assert!(said.contains(&place) && said.contains(want), "{said}");
            assert!(!said.contains("s3cr3t"), "{said}");
        }
        let e = parse("[lab]\nprofil = x").err().unwrap();
        assert!(e.hint_text().unwrap_or_default().contains("profile"), "{e}");
    }
}
