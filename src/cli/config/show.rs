//! `nss-cmc config show`.

use std::path::Path;

use clap::{Args, Command, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Config, DEFAULTS, Origin, SETTINGS, SYSTEM_FILE, Setting, URL, is_url, user_file};
use crate::cli::report::Report;
use nss_cmc::error::Result;
use nss_cmc::text::printable;

/// Commands of `config`.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Show every setting, and where its value comes from
    Show(ShowArgs),
}

/// Arguments of `config show`.
#[derive(Args)]
#[command(
    after_help = "A value comes from the environment, else from the section of the CA, else from \
                  [defaults], else it is built in. Options and --request take precedence over all of \
                  them.\n\nExample:\n  nss-cmc config show --ca lab"
)]
pub struct ShowArgs {
    /// The CA whose section is shown. Default: the one of NSS_CMC_CA or of [defaults]
    #[arg(long, value_name = "NAME")]
    ca: Option<String>,
}

/// Result of `config show`.
#[derive(Serialize, JsonSchema)]
pub struct ConfigShown {
    /// The files that are read, the one that counts more first.
    files: Vec<Place>,
    /// The name of the CA whose section applies.
    ca: Option<String>,
    /// Its URL.
    url: Option<String>,
    /// The CAs that have a section.
    cas: Vec<NamedCa>,
    /// The settings that have a value.
    settings: Vec<Shown>,
}

#[derive(Serialize, JsonSchema)]
struct Place {
    path: String,
    /// Whether it exists.
    exists: bool,
}

#[derive(Serialize, JsonSchema)]
struct NamedCa {
    name: String,
    url: Option<String>,
}

/// A setting.
#[derive(Serialize, JsonSchema)]
struct Shown {
    /// Key in the configuration file.
    key: String,
    /// Environment variable.
    variable: String,
    value: String,
    source: SourceWord,
    /// The file that has the value.
    file: Option<String>,
    /// The line, from 1.
    line: Option<usize>,
    /// The section.
    section: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SourceWord {
    CommandLine,
    Environment,
    File,
    BuiltIn,
}

/// Runs a command of `config`; `verbs` are the verbs with their options.
///
/// # Errors
/// As [`Config::url`].
pub fn run(command: &ConfigCommand, config: &Config, verbs: &Command) -> Result<Report> {
    let ConfigCommand::Show(args) = command;
    let ca = match &args.ca {
        Some(ca) => Some((ca.clone(), Origin::CommandLine)),
        None => Setting::find("ca").and_then(|setting| value(setting, config, None, verbs)),
    };
    let name = ca.as_ref().map(|(ca, _)| ca.clone()).filter(|ca| !is_url(ca));
    let url = match &name {
        Some(name) => Some(config.url(name)?),
        None => None,
    };
    let mut found = Vec::new();
    for setting in SETTINGS {
        let value = match (setting.key, &ca) {
            ("ca", ca) => ca.clone(),
            _ => value(setting, config, name.as_deref(), verbs),
        };
        found.extend(value.map(|(value, origin)| (setting.key, value, origin)));
        if let (Some((url, origin)), "ca") = (&url, setting.key) {
            found.push((URL, (*url).to_owned(), origin.clone()));
        }
    }
    let mut report = Report::done("config show", "shown", false, "configuration");
    let places = places(config);
    for place in &places {
        let absent = if place.exists { "" } else { " (does not exist)" };
        report = report.line(format!("file: {}{absent}", printable(&place.path)));
    }
    let width = found.iter().map(|(key, value, _)| key.len() + value.len()).max().unwrap_or(0);
    for (key, value, origin) in &found {
        let space = " ".repeat(width.saturating_sub(key.len() + value.len()) + 2);
        report = report.line(format!("{key} = {}{space}# {origin}", printable(value)));
    }
    let cas = config.cas().into_iter();
    let cas = cas.map(|(name, url)| NamedCa { name: name.into(), url: url.map(Into::into) });
    Ok(report.result(ConfigShown {
        files: places,
        ca: name.clone(),
        url: url.map(|(url, _)| url.to_owned()),
        cas: cas.collect(),
        settings: found.into_iter().filter(|(key, ..)| *key != URL).map(shown).collect(),
    }))
}

/// Returns the value of a setting.
fn value(
    setting: &Setting,
    config: &Config,
    ca: Option<&str>,
    verbs: &Command,
) -> Option<(String, Origin)> {
    if let Some(value) = setting.in_environment() {
        let text = value.to_string_lossy().into_owned();
        return Some((text, Origin::Environment(setting.variable())));
    }
    let sections = ca.into_iter().chain([DEFAULTS]);
    let in_file = sections.into_iter().find_map(|section| config.value(section, setting.key));
    let in_file = in_file.map(|(value, origin)| (value.to_owned(), origin));
    in_file.or_else(|| built_in(setting, verbs, "").map(|value| (value, Origin::BuiltIn)))
}

/// Returns the default of the option that a setting is for.
fn built_in(setting: &Setting, command: &Command, verb: &str) -> Option<String> {
    let options = command.get_arguments().filter(|_| setting.is_for(verb));
    let mut options = options.filter(|arg| arg.get_long() == Some(setting.option));
    let default = options.find_map(|arg| arg.get_default_values().first());
    // A switch has the default `false` for clap.
    let default = default.map(|value| value.to_string_lossy().into_owned());
    default.filter(|value| !value.is_empty() && value != "false").or_else(|| {
        command.get_subcommands().find_map(|inner| {
            let verb = format!("{verb} {}", inner.get_name());
            built_in(setting, inner, verb.trim_start())
        })
    })
}

fn shown((key, value, origin): (&'static str, String, Origin)) -> Shown {
    let variable = Setting::find(key).map(Setting::variable).unwrap_or_default();
    let (source, file) = match origin {
        Origin::CommandLine | Origin::Request => (SourceWord::CommandLine, None),
        Origin::Environment(_) => (SourceWord::Environment, None),
        Origin::BuiltIn => (SourceWord::BuiltIn, None),
        Origin::File { path, line, section } => {
            (SourceWord::File, Some((path.display().to_string(), line, section)))
        }
    };
    let (file, line, section) = match file {
        Some((file, line, section)) => (Some(file), Some(line), Some(section)),
        None => (None, None, None),
    };
    Shown { key: key.to_owned(), variable, value, source, file, line, section }
}

/// Returns the files that are read, or would be if they existed.
fn places(config: &Config) -> Vec<Place> {
    let exists = |path: &Path| config.files.iter().any(|file| file.path == path);
    let usual = || user_file().into_iter().chain([SYSTEM_FILE.into()]);
    let read = config.files.iter().map(|file| file.path.clone());
    let mut paths: Vec<_> = match config.is_explicit {
        true => read.collect(),
        false => usual().collect(),
    };
    paths.dedup();
    let place = |path: &std::path::PathBuf| Place {
        path: path.display().to_string(),
        exists: exists(path),
    };
    paths.iter().map(place).collect()
}
