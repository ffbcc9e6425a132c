//! The commands of nss-cmc: arguments, and reports as text or JSON.

pub(crate) mod args;
mod bulk;
mod ca;
pub mod cert;
mod certmonger;
mod cmc;
mod cmc_apart;
mod config;
mod confirm;
mod connect_args;
mod csr;
mod db;
mod doctor;
mod enroll;
mod enroll_args;
mod enroll_report;
mod enroll_result;
mod judge;
mod key;
mod layers;
pub mod message;
mod pkcs12;
mod renew;
pub mod report;
mod request;
mod revoke;
mod schema;
mod shared_token;
mod status;
mod table;
mod token;
mod version;

use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::certmonger::CertmongerArgs;
use crate::cli::layers::Filled;
use crate::cli::report::{Report, error_text, issued_pem};
use crate::streams::Streams;
use nss_cmc::error::{Error, Kind, NOT_FAILED, Result};
use nss_cmc::interrupt::Watch;
use nss_cmc::text::without_userinfo;

#[derive(Parser)]
#[command(
    name = "nss-cmc",
    version,
    about = "Enroll certificates from Dogtag PKI with CMC, for keys in an NSS database",
    after_help = "Dogtag's tools work under their own names, as the first argument or as a link \
                  to this program: CMCRequest, CMCResponse, CMCRevoke, CMCSharedToken, \
                  CRMFPopClient, HttpClient, PKCS10Client, PKICertImport, pki.",
    disable_help_subcommand = true,
    propagate_version = true
)]
struct Cli {
    /// Output format
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,

    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Plain text
    Text,
    /// One JSON object on stdout, on success and on failure
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Generate a key, enroll its certificate, and import it
    Enroll(Box<enroll::EnrollArgs>),
    /// Enroll the certificates that a file lists, one a line
    Bulk(Box<bulk::BulkArgs>),
    /// Renew the certificates that are due
    Renew(Box<renew::RenewArgs>),
    /// Check whether an enrollment will work; nothing is changed
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(Box<doctor::DoctorArgs>),
    /// List, import, verify and change the certificates of a database
    Cert {
        #[command(subcommand)]
        command: cert::CertCommand,
    },
    /// Run as certmonger's helper, or add the helper to certmonger
    Certmonger(Box<CertmongerArgs>),
    /// Show, build, send or accept CMC messages
    Cmc {
        #[command(subcommand)]
        command: cmc::CmcCommand,
    },
    /// Create certificate requests
    Csr(csr::CsrArgs),
    /// Create a database, show it, or change its password
    Db {
        #[command(subcommand)]
        command: db::DbCommand,
    },
    /// List and change the private keys of a database
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// Import, export or show PKCS #12 files
    Pkcs12 {
        #[command(subcommand)]
        command: pkcs12::Pkcs12Command,
    },
    /// Revoke a certificate, put it on hold, or release it
    Revoke(Box<revoke::RevokeArgs>),
    /// Show whether certificates are valid, due for renewal, expired, revoked or on hold
    Status(Box<status::StatusArgs>),
    /// Search the CA's records; fetch its chain or the KRA's transport certificate
    Ca {
        #[command(subcommand)]
        command: ca::CaCommand,
    },
    /// Encrypt a shared secret for the CA, and print it as base64 or LDIF
    SharedToken(Box<shared_token::SharedTokenArgs>),
    /// List the tokens of a database, or test what they can do
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Show the settings of the configuration files and the environment
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Print the JSON Schema of the output of --output json
    Schema(schema::SchemaArgs),
    /// Show the versions of nss-cmc, NSS, OpenSSL and curl
    Version,
    /// Show help on a command, a tool or the exit codes
    Help {
        /// `exit-codes`, a command (`enroll`, `csr create`) or a tool (`CMCRequest`)
        #[arg(value_name = "TOPIC")]
        topic: Vec<String>,
    },
}

/// Prints the help of a name that isn't a command here; returns `false` for an unknown name.
pub type OtherHelp = fn(&str, &mut Streams<'_>) -> bool;

/// Returns the command tree, with the options that name the layers.
fn command() -> clap::Command {
    layers::with_layers(Cli::command())
}

/// Runs a command; `args` begin with the program's name. Returns the exit code.
pub fn run(mut args: Vec<OsString>, streams: &mut Streams<'_>, other_help: OtherHelp) -> u8 {
    // Usage lines name the program, whatever link it was started by.
    if let Some(called) = args.first_mut() {
        *called = "nss-cmc".into();
    }
    let is_helper = args.get(1).is_some_and(|word| word == "certmonger")
        && args.get(2).is_none_or(|word| word != "install");
    let mut command = command();
    let filled = match layers::fill(&mut command, &args) {
        Ok(filled) => filled,
        // certmonger knows its own exit statuses only.
        Err(e) if is_helper => return certmonger::give(Err(e), streams),
        Err(e) => return fail(&verb(&command, &args), &e, Vec::new(), output(&args), streams),
    };
    let args = filled.as_ref().map_or(args, |filled| filled.args.clone());
    let parsed = command.try_get_matches_from_mut(&args).and_then(|matches| {
        let secrets = filled.as_ref().map(|filled| filled.secrets.clone()).unwrap_or_default();
        let cli = request::hand_over(secrets, || Cli::from_arg_matches(&matches))?;
        Ok((matches, cli))
    });
    let (cli, filled) = match (parsed, filled) {
        (Ok((matches, cli)), Some(filled)) => {
            if let Err(e) = filled.check_stdin(&command, &matches) {
                return fail(&filled.verb, &e, Vec::new(), cli.output, streams);
            }
            (cli, filled)
        }
        (Ok((_, cli)), None) => (cli, Filled::default()),
        (Err(e), _) if is_helper && e.use_stderr() => {
            let hint = "list the options: nss-cmc help certmonger";
            let error = Error::new(Kind::Usage, layers::one_line(&e.to_string())).hint(hint);
            return certmonger::give(Err(error), streams);
        }
        (Err(e), filled) => {
            return refused(&with_profile(e, &args), &args, filled, &command, streams);
        }
    };
    modern(cli, filled, streams, other_help)
}

/// Prints what clap refuses, or its help. Returns the exit code.
fn refused(
    e: &clap::Error,
    args: &[OsString],
    filled: Option<Filled>,
    command: &clap::Command,
    streams: &mut Streams<'_>,
) -> u8 {
    let text = e.to_string();
    if !e.use_stderr() {
        return streams.print(&text).map_or_else(|e| failed(&e, streams), |()| 0);
    }
    let notes = filled.map(|filled| filled.notes(&text)).unwrap_or_default();
    if output(args) == Output::Json {
        let error = Error::new(Kind::Usage, layers::one_line(&text))
            .hint("list the commands: nss-cmc --help");
        let error = notes.into_iter().fold(error, Error::note);
        return fail(&verb(command, args), &error, Vec::new(), Output::Json, streams);
    }
    streams.tell(without_userinfo(text.trim_end()));
    notes.iter().for_each(|note| streams.tell(without_userinfo(&format!("note: {note}"))));
    Kind::Usage.exit()
}

/// Returns the verb that the arguments name; the first argument if they name none.
fn verb(command: &clap::Command, args: &[OsString]) -> String {
    let mut built = command.clone();
    built.build();
    let words = layers::verb(&built, args).1;
    match words.is_empty() {
        true => args.get(1).map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default(),
        false => words.join(" "),
    }
}

/// Returns the format of the output, for arguments that clap refuses.
fn output(args: &[OsString]) -> Output {
    let asked = args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
        || args.iter().any(|arg| arg == "--output=json")
        || std::env::var_os("NSS_CMC_OUTPUT").is_some_and(|value| value == "json");
    if asked { Output::Json } else { Output::Text }
}

/// Adds --profile to the missing arguments of `enroll` and `doctor`: clap can't express that an EST
/// server needs none.
fn with_profile(mut e: clap::Error, args: &[OsString]) -> clap::Error {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let given = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        arg.starts_with("--profile") || arg.contains("/.well-known/est")
    };
    let lacks = args.iter().any(|a| a == "enroll" || a == "doctor") && !args.iter().any(given);
    let lacking = e.kind() == ErrorKind::MissingRequiredArgument;
    if let Some(ContextValue::Strings(missing)) = e.get(ContextKind::InvalidArg)
        && lacks
        && lacking
    {
        let mut missing = missing.clone();
        let after = missing.iter().position(|m| m.starts_with("--ca")).map_or(0, |at| at + 1);
        missing.insert(after, "--profile <ID>".into());
        e.insert(ContextKind::InvalidArg, ContextValue::Strings(missing));
    }
    e
}

fn modern(cli: Cli, filled: Filled, streams: &mut Streams<'_>, other_help: OtherHelp) -> u8 {
    // A command that only reads has nothing to roll back: a signal may end it at any time.
    let reads = match &cli.command {
        Command::Cmc { command } => command.reads(),
        Command::Pkcs12 { command } => command.reads(),
        Command::Ca { command } => command.reads(),
        Command::Status(_) | Command::Doctor(_) => true,
        Command::Cert { command } => command.reads(),
        Command::Db { command } => command.reads(),
        Command::Key { command } => command.reads(),
        Command::Token { .. } => true,
        Command::Config { .. } | Command::Schema(_) | Command::Version => true,
        Command::Help { .. } => true,
        _ => false,
    };
    let watch = (!reads).then(Watch::begin);
    let mut warnings = filled.config.warnings.clone();
    warnings.extend(cli.command.warnings());
    let output = cli.output;
    if let Some(file) = cli.command.output_file() {
        streams.make_way_for(file);
    }
    let (name, outcome) = match cli.command {
        Command::Enroll(args) => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            ("enroll", enroll::run(*args, &mut tell))
        }
        Command::Bulk(args) => {
            warn(std::mem::take(&mut warnings), streams);
            ("bulk", bulk::run(*args, output, streams))
        }
        Command::Renew(args) => {
            let is_text = output == Output::Text;
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            ("renew", renew::run(*args, &filled, is_text, &mut tell))
        }
        Command::Doctor(args) => ("doctor", doctor::run(*args)),
        Command::Cert { command } => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            (command.name(), cert::run(command, &mut tell))
        }
        Command::Certmonger(args) => match *args {
            CertmongerArgs::Help(helper) => return helper.run(streams),
            CertmongerArgs::Install(args) => ("certmonger install", certmonger::install(args)),
        },
        Command::Cmc { command } => (command.name(), cmc::run(command, streams)),
        Command::Db { command } => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            (command.name(), db::run(command, &mut tell))
        }
        Command::Key { command } => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            (command.name(), key::run(command, &mut tell))
        }
        Command::Token { command } => (command.name(), token::run(command)),
        Command::Csr(args) => {
            let mut print = |report: &mut Report, streams: &mut Streams<'_>| {
                report.warnings.append(&mut warnings);
                show(report, output, streams)
            };
            ("csr create", csr::run(args, streams, &mut print))
        }
        Command::Pkcs12 { command } => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            (command.name(), pkcs12::run(command, &mut tell))
        }
        Command::Revoke(args) => ("revoke", revoke::run(*args)),
        Command::Status(args) => ("status", status::run(*args)),
        Command::Ca { command } => (command.name(), ca::run(command, streams)),
        Command::SharedToken(args) => ("shared-token", shared_token::run(*args)),
        Command::Config { command } => {
            ("config show", config::run(&command, &filled.config, &self::command()))
        }
        Command::Schema(args) => ("schema", schema::run(&args)),
        Command::Version => ("version", Ok(version::run())),
        Command::Help { topic } => ("help", help(&topic, streams, other_help)),
    };
    drop(watch);
    match outcome {
        Ok(mut report) => {
            report.warnings.append(&mut warnings);
            finish(report, output, streams)
        }
        Err(e) => fail(name, &e, warnings, output, streams),
    }
}

impl Command {
    /// Returns the file that the command writes.
    fn output_file(&self) -> Option<&Path> {
        match self {
            Command::Enroll(args) => args.output_file(),
            Command::Cert { command } => command.output_file(),
            Command::Cmc { command } => command.output_file(),
            Command::Csr(args) => args.output_file(),
            Command::Pkcs12 { command } => command.output_file(),
            Command::Ca { command } => command.output_file(),
            Command::Renew(_)
            | Command::Db { .. }
            | Command::Key { .. }
            | Command::Token { .. }
            | Command::Revoke(_)
            | Command::Status(_)
            | Command::SharedToken(_)
            | Command::Certmonger(_)
            | Command::Bulk(_)
            | Command::Doctor(_)
            | Command::Config { .. }
            | Command::Schema(_)
            | Command::Version
            | Command::Help { .. } => None,
        }
    }

    /// Returns warnings about the files that the command names; they are printed whether it
    /// succeeds or fails.
    fn warnings(&self) -> Vec<String> {
        match self {
            Command::Enroll(args) => args.warnings(),
            Command::Bulk(args) => args.warnings(),
            Command::Renew(args) => args.warnings(),
            Command::Doctor(args) => args.warnings(),
            Command::Cert { command } => command.warnings(),
            Command::Certmonger(args) => args.warnings(),
            Command::Cmc { command } => command.warnings(),
            Command::Db { command } => command.warnings(),
            Command::Key { command } => command.warnings(),
            Command::Token { command } => command.warnings(),
            Command::Csr(args) => args.warnings(),
            Command::Pkcs12 { command } => command.warnings(),
            Command::Revoke(args) => args.warnings(),
            Command::Status(args) => args.warnings(),
            Command::Ca { command } => command.warnings(),
            Command::SharedToken(args) => args.warnings(),
            Command::Config { .. } | Command::Schema(_) => Vec::new(),
            Command::Version | Command::Help { .. } => Vec::new(),
        }
    }
}

/// Prints a failure; on stderr, too, when the JSON can't be written to stdout. Returns the exit
/// code.
fn fail(
    name: &str,
    e: &Error,
    warnings: Vec<String>,
    output: Output,
    streams: &mut Streams<'_>,
) -> u8 {
    if output == Output::Text || streams.lost().is_some() {
        if let Some(pem) = issued_pem(e)
            && streams.print(&pem).is_err()
        {
            streams.tell(pem.trim_end());
        }
        let code = failed(e, streams);
        warn(warnings, streams);
        return code;
    }
    let mut report = Report::failure(name, e);
    report.warnings = warnings;
    match show(&mut report, output, streams) {
        Ok(()) => e.kind().exit(),
        Err(lost) => {
            streams.tell(format!("nss-cmc: {lost}"));
            if let Some(pem) = issued_pem(e) {
                streams.tell(pem.trim_end());
            }
            failed(e, streams)
        }
    }
}

fn failed(e: &Error, streams: &mut Streams<'_>) -> u8 {
    streams.tell(error_text(e).trim_end());
    e.kind().exit()
}

/// Prints a report and returns its exit code.
fn finish(mut report: Report, output: Output, streams: &mut Streams<'_>) -> u8 {
    match show(&mut report, output, streams) {
        Ok(()) => report.exit,
        Err(e) => {
            // The whole report: it may have the only copy of a certificate.
            streams.tell(format!(
                "nss-cmc: {e}\ncannot print the result: {}",
                report.to_text().trim_end()
            ));
            e.kind().exit()
        }
    }
}

/// Prints a report once; if it was printed before, only the warnings added since.
fn show(report: &mut Report, output: Output, streams: &mut Streams<'_>) -> Result<()> {
    let text = if output == Output::Json { report.to_json() } else { report.to_text() };
    warn(report.warnings.drain(..), streams);
    if report.shown {
        return Ok(());
    }
    report.shown = true;
    streams.print(&text)
}

fn warn(warnings: impl IntoIterator<Item = String>, streams: &mut Streams<'_>) {
    for warning in warnings {
        streams.tell(format!("nss-cmc: warning: {warning}"));
    }
}

/// Result of `help`.
#[derive(Default, Serialize, JsonSchema)]
pub struct HelpShown {
    /// The exit codes, if they are the topic.
    exit_codes: Vec<ExitCode>,
}

/// An exit code.
#[derive(Serialize, JsonSchema)]
struct ExitCode {
    exit: u8,
    /// Null for one that is no failure.
    kind: Option<&'static str>,
    /// Whether trying again later may help.
    retryable: bool,
    meaning: &'static str,
}

fn help(topic: &[String], streams: &mut Streams<'_>, other_help: OtherHelp) -> Result<Report> {
    if topic == ["exit-codes"] {
        let mut report = Report::done("help", "found", false, "exit  kind          meaning");
        let good = NOT_FAILED.map(|(exit, meaning)| ExitCode {
            exit,
            kind: None,
            retryable: false,
            meaning,
        });
        let failures = Kind::ALL.iter().map(|row| ExitCode {
            exit: row.exit,
            kind: Some(row.name),
            retryable: row.retryable,
            meaning: row.meaning,
        });
        let exit_codes: Vec<ExitCode> = good.into_iter().chain(failures).collect();
        report.lines.extend(exit_codes.iter().map(|code| {
            format!("{:4}  {:12}  {}", code.exit, code.kind.unwrap_or_default(), code.meaning)
        }));
        return Ok(report.result(HelpShown { exit_codes }));
    }
    if let [tool] = topic
        && other_help(tool, streams)
    {
        streams.print("")?;
        return Ok(Report { shown: true, ..Report::done("help", "found", false, "") });
    }
    let mut command = command();
    // Usage lines of subcommands get the program's name.
    command.build();
    let mut at = &mut command;
    for word in topic {
        at = at.find_subcommand_mut(word).ok_or_else(|| {
            Error::new(Kind::Usage, format!("help on {:?} not found", topic.join(" ")))
                .hint("list the commands: nss-cmc --help")
        })?;
    }
    streams.print(&at.render_long_help().to_string())?;
    Ok(Report { shown: true, ..Report::done("help", "found", false, "") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command().debug_assert();
    }
}
