//! The sections `[certificate NAME]`, which say how `renew` renews a certificate: their keys are its
//! long options.

use std::path::PathBuf;

use clap::{Arg, Command};

use super::settings::Setting;

/// How the name of such a section begins.
const PREFIX: &str = "certificate";

/// The key for the nickname, if it isn't the name of the section.
pub const NICKNAME: &str = "nickname";

/// The verb whose options the keys are.
pub const VERB: &str = "renew";

/// Options that say how a run behaves, not how a certificate is renewed.
const OF_A_RUN: [&str; 9] = [
    "check",
    "detailed-exitcode",
    "password-fd",
    "output",
    "config",
    "no-config",
    "request",
    "help",
    "version",
];

/// Returns the name of a certificate in the name of a section; `None` for another section.
pub fn name_of(section: &str) -> Option<&str> {
    let rest = section.strip_prefix(PREFIX)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// Returns the name of the section of a certificate.
pub fn section(name: &str) -> String {
    format!("{PREFIX} {name}")
}

/// The keys of such a section.
pub struct Keys(Vec<(String, bool)>);

impl Keys {
    /// Returns the keys, from the command tree.
    pub fn of(command: &Command) -> Keys {
        let verb = command.find_subcommand(VERB);
        let options = verb.into_iter().flat_map(Command::get_arguments).filter_map(|arg| {
            let long = arg.get_long().filter(|long| !OF_A_RUN.contains(long))?;
            Some((long.to_owned(), is_path(arg)))
        });
        Keys(options.chain([(NICKNAME.to_owned(), false)]).collect())
    }

    /// Returns whether the value of a key is a path; `None` for an unknown key.
    pub fn is_path(&self, key: &str) -> Option<bool> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, is_path)| *is_path)
    }

    /// Returns the keys.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).collect()
    }
}

fn is_path(arg: &Arg) -> bool {
    let file = std::any::TypeId::of::<PathBuf>();
    let setting = arg.get_long().and_then(Setting::find);
    arg.get_value_parser().type_id() == file || setting.is_some_and(|setting| setting.is_path)
}
