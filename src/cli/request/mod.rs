//! `--request`: the options of a verb, secrets too, as a JSON object.

mod json;
mod secrets;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;

use clap::{Arg, ArgAction, Command};
use zeroize::Zeroizing;

use json::Json;
use nss_cmc::client::passwords::Known;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::was_closed;
use nss_cmc::secret::Secret;
use nss_cmc::text::nearest;

pub use secrets::{Secrets, given, hand_over};

/// The largest request that is read, in octets.
const LARGEST: usize = 1024 * 1024;

/// Options that are no part of a request.
const OUTSIDE: [&str; 5] = ["request", "config", "no-config", "help", "version"];

/// The keys of secrets, each with the options that name other sources of the same secret.
const SECRETS: [(&str, &[&str]); 6] = [
    ("password", PASSWORD),
    ("passwords", PASSWORD),
    (
        "shared_secret",
        &["shared-secret-file", "shared-secret-fd", "shared-secret-env", "ask-shared-secret"],
    ),
    ("est_password", &["est-password-file", "est-password-fd", "est-password-env"]),
    ("pkcs12_password", &["pkcs12-password-file", "pkcs12-password-fd", "pkcs12-password-env"]),
    ("new_password", &["new-password-file", "new-password-fd", "new-password-env", "no-password"]),
];

const PASSWORD: &[&str] = &["password-file", "password-fd", "password-env"];

/// A request, checked against the options of a verb.
#[derive(Default)]
pub struct Request {
    /// The options, by the id of the argument, with the words of their values; `None` for a switch
    /// that is false.
    pub options: Vec<(clap::Id, Option<Vec<OsString>>)>,
    /// The secrets, unless the command line names another source.
    pub secrets: Secrets,
    /// The options that those secrets stand for.
    pub instead_of: Vec<&'static str>,
}

/// The reason why a request is invalid.
type Checked<T> = std::result::Result<T, String>;

/// Reads the request for a verb from a file; `-` is standard input. `is_given` tells which options
/// the command line has.
///
/// # Errors
/// [`Kind::Usage`]: not readable, not an object, an unknown key, a wrong type, two sources of a
/// secret. No value is in the error.
pub fn read(path: &Path, leaf: &Command, is_given: &dyn Fn(&Arg) -> bool) -> Result<Request> {
    let place = match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let content = content(path).map_err(|e| {
        Error::new(Kind::Usage, format!("cannot read the request from {place}")).because(e)
    })?;
    parse(&content, leaf, is_given)
        .map_err(|why| Error::new(Kind::Usage, format!("invalid request in {place}")).because(why))
}

/// Reads the whole file into a buffer that is wiped. It is allocated at its full size: one that
/// grows leaves copies in memory.
fn content(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = match path.as_os_str() == "-" {
        true if was_closed(0) => return Err(std::io::Error::other("it is closed")),
        // Not through std's handle, whose buffer isn't wiped.
        true => File::from(std::io::stdin().as_fd().try_clone_to_owned()?),
        false => File::open(path)?,
    };
    let mut all = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    file.take(LARGEST as u64 + 1).read_to_end(&mut all)?;
    Ok(all)
}

fn parse(content: &[u8], leaf: &Command, is_given: &dyn Fn(&Arg) -> bool) -> Checked<Request> {
    if content.len() > LARGEST {
        return Err("it is larger than 1 MiB".into());
    }
    let members = match Json::parse(content)? {
        Json::Object(members) => members,
        other => return Err(format!("expected a JSON object, found {}", other.kind())),
    };
    let (mut request, mut keys) = (Request::default(), Vec::new());
    let mut known = Known::new("the request");
    for (key, value) in members {
        let key = key.replace('-', "_");
        if keys.contains(&key) {
            return Err(format!("key {key:?} is given twice"));
        }
        match SECRETS.iter().find(|(secret, _)| *secret == key) {
            None => request.option(leaf, &key, &value)?,
            Some((secret, sources)) => {
                request.secret(secret, sources, value, leaf, is_given, &mut known)?;
            }
        }
        keys.push(key);
    }
    request.secrets.passwords = (!known.is_empty()).then(|| Rc::new(known));
    for (secret, sources) in SECRETS {
        let twice = sources.iter().find(|option| keys.contains(&option.replace('-', "_")));
        if let Some(option) = twice.filter(|_| keys.iter().any(|key| key == secret)) {
            let other = option.replace('-', "_");
            return Err(format!("key {secret} cannot be used with key {other}"));
        }
    }
    Ok(request)
}

/// The words of an option's values; `None` for a switch that is false.
pub type Words = Option<Vec<OsString>>;

/// Returns the options in a JSON object, by their long names. Only some `keys` are allowed.
///
/// # Errors
/// The reason.
pub fn options(
    content: &[u8],
    leaf: &Command,
    keys: &[&str],
) -> std::result::Result<Vec<(String, Words)>, String> {
    let members = match Json::parse(content)? {
        Json::Object(members) => members,
        other => return Err(format!("expected a JSON object, found {}", other.kind())),
    };
    let mut request = Request::default();
    for (key, value) in members {
        let key = key.replace('-', "_");
        if !keys.contains(&key.as_str()) {
            let near = nearest(&key, keys);
            let near = near.first().map(|near| format!("; did you mean {near}?"));
            return Err(format!("unknown key {key:?}{}", near.unwrap_or_default()));
        }
        request.option(leaf, &key, &value)?;
    }
    let long = |id: &clap::Id| {
        let arg = leaf.get_arguments().find(|arg| arg.get_id() == id);
        arg.and_then(Arg::get_long).unwrap_or_default().to_owned()
    };
    Ok(request.options.into_iter().map(|(id, words)| (long(&id), words)).collect())
}

impl Request {
    /// Adds the secret of a key.
    fn secret(
        &mut self,
        key: &str,
        sources: &'static [&'static str],
        value: Json,
        leaf: &Command,
        is_given: &dyn Fn(&Arg) -> bool,
        known: &mut Known,
    ) -> Checked<()> {
        let option = |name: &str| leaf.get_arguments().find(|arg| arg.get_long() == Some(name));
        let Some(first) = sources.first().copied().filter(|first| option(first).is_some()) else {
            return Err(format!("unknown key {key}: this verb has no use for it"));
        };
        let mut found = Vec::new();
        match (key, value) {
            (_, Json::Null) => return Ok(()),
            ("passwords", Json::Object(tokens)) => {
                for (token, password) in tokens {
                    let Json::Text(text) = password else {
                        return Err(format!("key {key}, token {token:?}: expected a string"));
                    };
                    found.push((Some(token), Secret::new(text.as_bytes().to_vec())));
                }
            }
            ("passwords", _) => {
                return Err(format!("key {key}: expected an object of tokens and passwords"));
            }
            (_, Json::Text(text)) => found.push((None, Secret::new(text.as_bytes().to_vec()))),
            _ => return Err(format!("key {key}: expected a string")),
        }
        let rivals = sources.iter().chain((key == "password").then_some(&"no-password"));
        if rivals.filter_map(|name| option(name)).any(is_given) {
            return Ok(());
        }
        self.instead_of.push(first);
        for (token, secret) in found {
            match key {
                "shared_secret" => self.secrets.shared_secret = Some(Rc::new(secret)),
                "est_password" => self.secrets.est_password = Some(Rc::new(secret)),
                "pkcs12_password" => self.secrets.pkcs12_password = Some(Rc::new(secret)),
                "new_password" => self.secrets.new_password = Some(Rc::new(secret)),
                _ => known.add(token, secret),
            }
        }
        Ok(())
    }

    /// Adds an option.
    fn option(&mut self, leaf: &Command, key: &str, value: &Json) -> Checked<()> {
        let arg = argument(leaf, key)?;
        let wrong = |wanted: &str| format!("key {key}: expected {wanted}, found {}", value.kind());
        let words = match (arg.get_action(), value) {
            (_, Json::Null) => return Ok(()),
            (ArgAction::SetTrue, Json::Flag(true)) => Some(Vec::new()),
            (ArgAction::SetTrue, Json::Flag(false)) => None,
            (ArgAction::SetTrue, _) => return Err(wrong("true or false")),
            (ArgAction::Append, Json::List(items)) => {
                let texts = items.iter().map(|item| match item {
                    Json::Text(text) => Ok(text.as_str().into()),
                    _ => Err(format!("key {key}: expected an array of strings")),
                });
                Some(texts.collect::<Checked<Vec<OsString>>>()?)
            }
            (ArgAction::Append, _) => return Err(wrong("an array of strings")),
            (_, Json::Flag(true)) if value_is_optional(arg) => Some(vec![OsString::new()]),
            (_, Json::Flag(false)) if value_is_optional(arg) => None,
            (_, Json::Flag(flag)) if takes_flag(arg) => Some(vec![flag.to_string().into()]),
            _ if takes_flag(arg) => return Err(wrong("true or false")),
            (_, Json::Text(text)) => Some(vec![text.as_str().into()]),
            _ => return Err(wrong("a string")),
        };
        if self.options.iter().any(|(id, _)| id == arg.get_id()) {
            return Err(format!("key {key} is given twice, under two names"));
        }
        self.options.push((arg.get_id().clone(), words));
        Ok(())
    }
}

/// Returns the argument with this key: its long option, or its id if it has none.
fn argument<'a>(leaf: &'a Command, key: &str) -> Checked<&'a Arg> {
    let option = key.replace('_', "-");
    let is_alias =
        |arg: &Arg| arg.get_all_aliases().is_some_and(|all| all.contains(&option.as_str()));
    let found = leaf.get_arguments().find(|arg| match arg.get_long() {
        Some(long) => long == option || is_alias(arg),
        None => arg.get_id().as_str() == key,
    });
    if let Some(arg) = found.filter(|_| !OUTSIDE.contains(&option.as_str())) {
        return Ok(arg);
    }
    let names = leaf.get_arguments().map(|arg| arg.get_long().unwrap_or(arg.get_id().as_str()));
    let names = names.filter(|name| !OUTSIDE.contains(name)).map(|name| name.replace('-', "_"));
    let names: Vec<String> = names.collect();
    let secrets = SECRETS.iter().map(|(secret, _)| *secret);
    let names: Vec<&str> = names.iter().map(String::as_str).chain(secrets).collect();
    let near = nearest(key, &names);
    let near = near.first().map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Err(format!("unknown key {key:?}{near}"))
}

/// Returns whether an option can be given without a value.
pub fn value_is_optional(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.min_values() == 0 && range.takes_values())
}

/// Returns whether the value of an option is `true` or `false`.
fn takes_flag(arg: &Arg) -> bool {
    arg.get_possible_values().iter().any(|value| value.get_name() == "true")
}
