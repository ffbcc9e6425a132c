//! Fills in the options that the command line lacks, before clap parses it: from `--request`, the
//! environment, the section of the CA, and the defaults of the configuration files.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Id};

use super::config::{Config, DEFAULTS, Origin, SETTINGS, Setting, certificate, is_url};
use super::request::{self, Request, Secrets};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::text::printable;

/// Verbs that read no configuration file, so that an invalid one doesn't stop them.
const WITHOUT_FILES: [&str; 3] = ["help", "schema", "version"];

const REQUEST: &str = "request";
const CONFIG: &str = "config";
const NO_CONFIG: &str = "no_config";
const OUTPUT: &str = "output";
const DATABASE: &str = "database";

/// Adds the options that name the layers, and the environment variables to the help.
pub fn with_layers(command: Command) -> Command {
    let file = || clap::value_parser!(PathBuf);
    let config = Arg::new(CONFIG).long("config").value_name("FILE").value_parser(file());
    let request = Arg::new(REQUEST).long("request").value_name("FILE").value_parser(file());
    let no_config = Arg::new(NO_CONFIG).long("no-config").action(ArgAction::SetTrue);
    let command = command
        .arg(config.global(true).conflicts_with(NO_CONFIG).help(
            "Configuration file, instead of the user's and /etc/nss-cmc.ini \
                 [env: NSS_CMC_CONFIG]",
        ))
        .arg(no_config.global(true).help("Read no configuration file"))
        .arg(request.global(true).help(
            "File with a JSON object of options and secrets; `-` is standard input. Options on the \
             command line take precedence",
        ));
    with_variables(command, "")
}

fn with_variables(command: Command, verb: &str) -> Command {
    let about = |arg: Arg| {
        let mut settings = SETTINGS.iter().filter(|setting| setting.is_for(verb));
        let setting = settings.find(|setting| arg.get_long() == Some(setting.option));
        let (Some(setting), Some(help)) = (setting, arg.get_help()) else { return arg };
        let help = format!("{help} [env: {}]", setting.variable());
        arg.help(help)
    };
    command.mut_args(about).mut_subcommands(|inner| {
        let verb = format!("{verb} {}", inner.get_name());
        with_variables(inner, verb.trim_start())
    })
}

/// A command line with the options of all layers.
#[derive(Default)]
pub struct Filled {
    /// The verb (`cert import`).
    pub verb: String,
    /// The arguments, beginning with the program's name.
    pub args: Vec<OsString>,
    /// Secrets, which are not among the arguments.
    pub secrets: Secrets,
    /// The configuration files.
    pub config: Config,
    /// Where the options come from that the command line lacks, by their names.
    pub origins: Vec<(String, Origin)>,
}

/// An option of a layer.
struct Item {
    id: Id,
    /// The words of its value; empty for a switch. `None` for a switch that is false.
    words: Option<Vec<OsString>>,
    origin: Origin,
    setting: Option<&'static Setting>,
}

/// Returns the command line with the options of all layers; `None` if clap refuses it in any case,
/// or prints help.
///
/// # Errors
/// [`Kind::Usage`] for an invalid request, configuration file or environment variable.
pub fn fill(command: &mut Command, args: &[OsString]) -> Result<Option<Filled>> {
    // Parsing builds the named command only: to build or to clone them all takes longer.
    let matches = match command.try_get_matches_from_mut(args) {
        // Not a copy: a command that is built keeps its setting.
        Err(e) if e.kind() == ErrorKind::MissingRequiredArgument => {
            super::command().ignore_errors(true).try_get_matches_from(args)
        }
        parsed => parsed,
    };
    let Ok(matches) = matches else { return Ok(None) };
    let (leaf, words, after) = verb(command, args);
    let run = Run { leaf, verb: words.join(" "), given: innermost(&matches) };
    run.fill(args, after).map(Some)
}

/// Returns the command line for the certificate of a section: the options of the run, then those of
/// the section, of the environment, of the CA's section, and the defaults.
///
/// # Errors
/// As [`fill`].
pub fn of_certificate(command: &Command, filled: &Filled, name: &str) -> Result<Filled> {
    let matches = command.clone().ignore_errors(true).try_get_matches_from(&filled.args);
    let matches = matches.map_err(|e| Error::new(Kind::Usage, one_line(&e.to_string())))?;
    let mut built = command.clone();
    built.build();
    let (leaf, words, after) = verb(&built, &filled.args);
    let run = Run { leaf, verb: words.join(" "), given: innermost(&matches) };
    let layers = vec![run.certificate(&filled.config, name)?, run.environment()?];
    let passwords = filled.secrets.passwords.is_some();
    let instead_of: &[&str] = if passwords { &["password-file"] } else { &[] };
    let (args, origins) = run.complete(&filled.config, layers, instead_of, &filled.args, after)?;
    let (verb, secrets) = (run.verb, filled.secrets.clone());
    Ok(Filled { verb, args, secrets, config: Config::default(), origins })
}

/// Returns the command that the arguments name, its words, and the number of arguments up to them.
pub fn verb<'a>(command: &'a Command, args: &[OsString]) -> (&'a Command, Vec<String>, usize) {
    let (mut at, mut words, mut next) = (command, Vec::new(), 1);
    while at.has_subcommands()
        && let Some(word) = args.get(next).and_then(|arg| arg.to_str())
    {
        if let Some(option) = word.strip_prefix("--") {
            let has_value = at
                .get_arguments()
                .any(|arg| arg.get_long() == Some(option) && arg.get_action().takes_values());
            next += if has_value { 2 } else { 1 };
            continue;
        }
        let Some(inner) = at.find_subcommand(word) else { break };
        words.push(inner.get_name().to_owned());
        (at, next) = (inner, next + 1);
    }
    (at, words, next.min(args.len()))
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

/// A command line, and where each of its options that the layers gave comes from.
type Completed = (Vec<OsString>, Vec<(String, Origin)>);

/// A run of one verb.
struct Run<'a> {
    leaf: &'a Command,
    verb: String,
    /// The arguments of the command line.
    given: &'a ArgMatches,
}

impl Run<'_> {
    fn fill(&self, args: &[OsString], after: usize) -> Result<Filled> {
        let config = self.config()?;
        let request = match self.path(REQUEST) {
            Some(path) => request::read(path, self.leaf, &|arg| self.is_given(arg))?,
            None => Request::default(),
        };
        let from_request = request.options.into_iter().map(|(id, words)| Item {
            id,
            words,
            origin: Origin::Request,
            setting: None,
        });
        let mut layers: Vec<Vec<Item>> = vec![from_request.collect(), self.environment()?];
        let (args, origins) = match self.is_for_sections(&layers) {
            // The other options are those of each section: `of_certificate`.
            true => {
                layers.push(self.section(&config, DEFAULTS)?);
                layers.iter_mut().skip(1).for_each(|layer| layer.retain(|item| item.id == OUTPUT));
                self.filled(layers, &request.instead_of, args.to_vec(), after)
            }
            false => self.complete(&config, layers, &request.instead_of, args, after)?,
        };
        let filled =
            Filled { verb: self.verb.clone(), args, secrets: request.secrets, config, origins };
        Ok(filled)
    }

    /// Returns whether the verb is for the sections of certificates, not for one database: neither
    /// the command line nor the request, which is the first layer, names one.
    fn is_for_sections(&self, layers: &[Vec<Item>]) -> bool {
        let requested = layers.first().is_some_and(|items| items.iter().any(|i| i.id == DATABASE));
        self.verb == certificate::VERB && self.value(DATABASE).is_none() && !requested
    }

    /// Returns the command line with the options of the layers, of which the first counts most, and
    /// of the lower ones: the section of the CA, and the defaults.
    fn complete(
        &self,
        config: &Config,
        mut layers: Vec<Vec<Item>>,
        instead_of: &[&str],
        args: &[OsString],
        after: usize,
    ) -> Result<Completed> {
        let defaults = self.section(config, DEFAULTS)?;
        let (ca, explicit) = match self.value("ca") {
            Some(ca) => (Some(ca.to_owned()), true),
            None => {
                let mut all = layers.iter().flatten().chain(&defaults);
                let item = all.find(|item| item.id == "ca");
                (item.and_then(|i| i.words.as_ref()?.first().cloned()), false)
            }
        };
        let name = ca.as_ref().and_then(|ca| ca.to_str()).filter(|ca| !is_url(ca));
        let shows = self.verb == "config show";
        let name = name.filter(|_| !shows);
        let mut url = None;
        if let Some(name) = name {
            url = Some(config.url(name)?.0.to_owned());
            layers.push(self.section(config, name)?);
        }
        layers.push(defaults);
        layers.iter_mut().flatten().filter(|item| item.id == "ca").for_each(|item| {
            if let Some(url) = &url {
                item.words = Some(vec![url.into()]);
            }
        });
        if shows {
            layers.iter_mut().for_each(|layer| layer.retain(|item| item.id != "ca"));
        }
        let mut args = args.to_vec();
        if let (Some(url), Some(name), true) = (&url, name, explicit) {
            replace(&mut args, after, name, url);
        }
        Ok(self.filled(layers, instead_of, args, after))
    }

    /// Returns the command line with the options of the layers, and where each comes from.
    fn filled(
        &self,
        layers: Vec<Vec<Item>>,
        instead_of: &[&str],
        mut args: Vec<OsString>,
        after: usize,
    ) -> Completed {
        let items = self.chosen(layers, instead_of);
        let origins = self.insert(&mut args, after, items);
        (args, origins)
    }

    /// Returns the options in the section of a certificate.
    fn certificate(&self, config: &Config, name: &str) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for (key, value, origin) in config.section(&certificate::section(name)) {
            // The nickname is no option.
            let Some(arg) = self.option(key) else { continue };
            let words = words(arg, key, value.into(), &origin)?;
            items.push(Item { id: arg.get_id().clone(), words, origin, setting: None });
        }
        Ok(items)
    }

    /// Reads the configuration files.
    fn config(&self) -> Result<Config> {
        let none = self.leaf.get_arguments().any(|arg| arg.get_id() == NO_CONFIG)
            && self.given.get_flag(NO_CONFIG);
        match none || WITHOUT_FILES.contains(&self.verb.as_str()) {
            true => Ok(Config { is_explicit: true, ..Config::default() }),
            false => Config::read(self.path(CONFIG)),
        }
    }

    fn path(&self, id: &str) -> Option<&Path> {
        let known = self.leaf.get_arguments().any(|arg| arg.get_id() == id);
        let path = known.then(|| self.given.get_one::<PathBuf>(id)).flatten();
        path.map(PathBuf::as_path)
    }

    /// Returns the value of an option on the command line.
    fn value(&self, id: &str) -> Option<&OsStr> {
        let arg = self.leaf.get_arguments().find(|arg| arg.get_id() == id)?;
        self.given.get_raw(id).filter(|_| self.is_given(arg))?.next()
    }

    fn is_given(&self, arg: &Arg) -> bool {
        self.given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    }

    fn arg(&self, id: &Id) -> Option<&Arg> {
        self.leaf.get_arguments().find(|arg| arg.get_id() == id)
    }

    fn option(&self, name: &str) -> Option<&Arg> {
        self.leaf.get_arguments().find(|arg| arg.get_long() == Some(name))
    }

    /// Returns whether the verb has the option of the setting that this one belongs to, if that is
    /// set.
    fn can_use(&self, setting: &Setting, is_set: &dyn Fn(&str) -> bool) -> bool {
        setting.of.is_none_or(|other| self.option(other).is_some() || !is_set(other))
    }

    /// Returns the options that the environment sets.
    fn environment(&self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for setting in SETTINGS.iter().filter(|setting| setting.is_for(&self.verb)) {
            let is_set = |key: &str| Setting::find(key)?.in_environment();
            if let Some(arg) = self.option(setting.option)
                && let Some(value) = setting.in_environment()
                && self.can_use(setting, &|key| is_set(key).is_some())
            {
                items.push(item(arg, setting, value, Origin::Environment(setting.variable()))?);
            }
        }
        Ok(items)
    }

    /// Returns the options that a section of the configuration files sets.
    fn section(&self, config: &Config, name: &str) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for setting in SETTINGS.iter().filter(|setting| setting.is_for(&self.verb)) {
            let is_set = |key: &str| {
                [name, DEFAULTS].iter().any(|section| config.value(section, key).is_some())
            };
            if let Some(arg) = self.option(setting.option)
                && let Some((value, origin)) = config.value(name, setting.key)
                && self.can_use(setting, &is_set)
            {
                items.push(item(arg, setting, value.into(), origin)?);
            }
        }
        Ok(items)
    }

    /// Returns the options that hold, from layers of which the first counts most: an option is left
    /// out if a higher layer has it or one that excludes it, or if one that it needs is missing.
    fn chosen(&self, layers: Vec<Vec<Item>>, instead_of: &[&str]) -> Vec<Item> {
        let given = self.leaf.get_arguments().filter(|arg| self.is_given(arg));
        let stands_for = instead_of.iter().filter_map(|option| self.option(option));
        let mut present: Vec<&Arg> = given.chain(stands_for).collect();
        let mut decided: Vec<Id> = present.iter().map(|arg| arg.get_id().clone()).collect();
        let mut chosen = Vec::new();
        for layer in layers {
            let higher = present.clone();
            for item in layer {
                let Some(arg) = self.arg(&item.id).filter(|_| !decided.contains(&item.id)) else {
                    continue;
                };
                decided.push(item.id.clone());
                let unless = item.setting.map(|setting| setting.unless).unwrap_or_default();
                // clap refuses a request that contradicts the command line.
                let is_excluded = item.origin != Origin::Request
                    && higher.iter().any(|other| {
                        let long = other.get_long();
                        long.is_some_and(|long| unless.contains(&long)) || self.exclude(arg, other)
                    });
                if !is_excluded && item.words.is_some() {
                    present.push(arg);
                    chosen.push(item);
                }
            }
        }
        let has = |name: &str| present.iter().any(|arg| arg.get_long() == Some(name));
        chosen.retain(|item| item.setting.and_then(|s| s.needs).is_none_or(has));
        chosen
    }

    /// Returns whether two options cannot be used together.
    fn exclude(&self, a: &Arg, b: &Arg) -> bool {
        let conflict = |a: &Arg, b: &Arg| {
            self.leaf.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id())
        };
        let alternatives = self.leaf.get_groups().any(|group| {
            let members: Vec<&Id> = group.get_args().collect();
            let both = members.contains(&a.get_id()) && members.contains(&b.get_id());
            both && !group.clone().is_multiple()
        });
        conflict(a, b) || conflict(b, a) || alternatives
    }

    /// Adds the options to the command line, after the verb; values without an option at its end.
    fn insert(
        &self,
        args: &mut Vec<OsString>,
        after: usize,
        items: Vec<Item>,
    ) -> Vec<(String, Origin)> {
        let (mut options, mut values, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            let Some(arg) = self.arg(&item.id) else { continue };
            let words = item.words.unwrap_or_default();
            match arg.get_long() {
                Some(long) if matches!(arg.get_action(), ArgAction::SetTrue) => {
                    options.push(format!("--{long}").into());
                    origins.push((format!("--{long}"), item.origin));
                }
                Some(long) => {
                    for word in words {
                        let mut option = OsString::from(format!("--{long}="));
                        option.push(word);
                        options.push(option);
                    }
                    origins.push((format!("--{long}"), item.origin));
                }
                None => values.push((arg.get_index(), words)),
            }
        }
        values.sort_by_key(|(index, _)| *index);
        args.splice(after..after, options);
        if !values.is_empty() && !args.iter().skip(after).any(|arg| arg == "--") {
            args.push("--".into());
        }
        args.extend(values.into_iter().flat_map(|(_, words)| words));
        origins
    }
}

/// Returns a setting as an option.
///
/// # Errors
/// [`Kind::Usage`] for a switch that is neither true nor false.
fn item(arg: &Arg, setting: &'static Setting, value: OsString, origin: Origin) -> Result<Item> {
    let words = words(arg, setting.key, value, &origin)?;
    Ok(Item { id: arg.get_id().clone(), words, origin, setting: Some(setting) })
}

/// Returns the words of an option's value; `None` for a switch that is false.
///
/// # Errors
/// As [`item`].
fn words(arg: &Arg, key: &str, value: OsString, origin: &Origin) -> Result<Option<Vec<OsString>>> {
    Ok(match (arg.get_action(), value.to_str()) {
        (ArgAction::SetTrue, Some("true" | "yes" | "1")) => Some(Vec::new()),
        (ArgAction::SetTrue, Some("false" | "no" | "0")) => None,
        (ArgAction::SetTrue, _) => {
            let what = format!("invalid value of {key}: expected true or false");
            return Err(Error::new(Kind::Usage, what).because(origin.to_string()));
        }
        (_, Some("true" | "yes" | "1")) if request::value_is_optional(arg) => {
            Some(vec![OsString::new()])
        }
        (_, Some("false" | "no" | "0")) if request::value_is_optional(arg) => None,
        _ => Some(vec![value]),
    })
}

/// Replaces the name of a CA by its URL.
fn replace(args: &mut [OsString], after: usize, name: &str, url: &str) {
    let mut is_value = false;
    for arg in args.iter_mut().skip(after).take_while(|arg| *arg != "--") {
        if is_value && arg == name {
            *arg = url.into();
        } else if arg.to_str() == Some(&format!("--ca={name}")) {
            *arg = format!("--ca={url}").into();
        }
        is_value = arg == "--ca";
    }
}

impl Filled {
    /// Returns a line for each option that an error of clap names and the command line lacks.
    pub fn notes(&self, error: &str) -> Vec<String> {
        let error = error.split("Usage:").next().unwrap_or_default();
        let named = |option: &str| {
            error.match_indices(option).any(|(at, _)| {
                let next = error[at + option.len()..].chars().next();
                next.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-')
            })
        };
        let origins = self.origins.iter().filter(|(option, _)| named(option));
        origins.map(|(option, origin)| format!("{option} is set by {origin}")).collect()
    }

    /// Refuses a second reader of standard input, which the request comes from.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn check_stdin(&self, command: &Command, matches: &ArgMatches) -> Result<()> {
        let given = innermost(matches);
        if !given.try_get_raw(REQUEST).is_ok_and(|raw| raw.into_iter().flatten().any(|w| w == "-"))
        {
            return Ok(());
        }
        let mut built = command.clone();
        built.build();
        let leaf = verb(&built, &self.args).0;
        let is = |arg: &Arg, word: &str| {
            given.get_raw(arg.get_id().as_str()).is_some_and(|mut raw| raw.any(|w| w == word))
        };
        let file = std::any::TypeId::of::<PathBuf>();
        let reads = |arg: &&Arg| match arg.get_id().as_str() {
            REQUEST => false,
            id if id.ends_with("_fd") => is(arg, "0"),
            _ => arg.get_value_parser().type_id() == file && is(arg, "-"),
        };
        let Some(other) = leaf.get_arguments().find(reads) else { return Ok(()) };
        let name =
            other.get_long().map_or_else(|| other.get_id().to_string(), |l| format!("--{l}"));
        Err(Error::new(Kind::Usage, format!("{name} cannot read standard input"))
            .because("the request is read from it (--request -)")
            .hint("write the request to a file, or the secret into the request"))
    }
}

/// Returns the text of an error of clap on one line.
pub fn one_line(text: &str) -> String {
    let about = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim);
    let line = about.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    printable(line.trim_start_matches("error: ")).into_owned()
}
