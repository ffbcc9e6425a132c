//! The commands of nss-cmc: arguments, and reports as text or JSON.

pub(crate) mod args;
mod ca;
pub mod cert;
mod cmc;
mod confirm;
mod csr;
mod db;
mod doctor;
mod enroll;
mod key;
pub mod message;
mod pkcs12;
pub mod report;
mod revoke;
mod shared_token;
mod status;
mod table;
mod token;

use std::ffi::OsString;

use clap::{Parser, Subcommand, ValueEnum};

use crate::cli::report::{Report, error_text, issued_pem};
use crate::streams::Streams;
use nss_cmc::error::{Error, Kind, Result};
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
    #[arg(long, global = true, value_enum, default_value = "text", env = "NSS_CMC_OUTPUT")]
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
    /// Check whether an enrollment will work; nothing is changed
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(Box<doctor::DoctorArgs>),
    /// List, import, verify and change the certificates of a database
    Cert {
        #[command(subcommand)]
        command: cert::CertCommand,
    },
    /// Show or send CMC messages
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
    /// Show help on a command, a tool or the exit codes
    Help {
        /// `exit-codes`, a command (`enroll`, `csr create`) or a tool (`CMCRequest`)
        #[arg(value_name = "TOPIC")]
        topic: Vec<String>,
    },
}

/// Prints the help of a name that isn't a command here; returns `false` for an unknown name.
pub type OtherHelp = fn(&str, &mut Streams<'_>) -> bool;

/// Runs a command; `args` begin with the program's name. Returns the exit code.
pub fn run(mut args: Vec<OsString>, streams: &mut Streams<'_>, other_help: OtherHelp) -> u8 {
    let word = args.get(1).map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
    // Usage lines name the program, whatever link it was started by.
    if let Some(called) = args.first_mut() {
        *called = "nss-cmc".into();
    }
    // An invalid option is reported in JSON, too, if `--output json` is among the arguments.
    let wants_json = args.windows(2).any(|w| w[0] == "--output" && w[1] == "json")
        || args.iter().any(|a| a == "--output=json")
        || std::env::var_os("NSS_CMC_OUTPUT").is_some_and(|v| v == "json");
    match Cli::try_parse_from(&args).map_err(|e| with_profile(e, &args)) {
        Ok(cli) => modern(cli, streams, other_help),
        Err(e) if !e.use_stderr() => match streams.print(&e.to_string()) {
            Ok(()) => 0,
            Err(e) => failed(&e, streams),
        },
        Err(e) if wants_json => {
            let text = e.to_string();
            let about = text.lines().take_while(|l| !l.starts_with("Usage:")).map(str::trim);
            let line = about.filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
            let error = Error::new(Kind::Usage, line.trim_start_matches("error: "))
                .hint("list the commands: nss-cmc --help");
            fail(&word, &error, Vec::new(), Output::Json, streams)
        }
        Err(e) => {
            streams.tell(without_userinfo(e.to_string().trim_end()));
            Kind::Usage.exit()
        }
    }
}

/// Adds --profile to the missing arguments of `enroll` and `doctor`: clap can't express that an EST server needs
/// none.
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

fn modern(cli: Cli, streams: &mut Streams<'_>, other_help: OtherHelp) -> u8 {
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
        Command::Help { .. } => true,
        _ => false,
    };
    let watch = (!reads).then(Watch::begin);
    let mut warnings = cli.command.warnings();
    let output = cli.output;
    let (name, outcome) = match cli.command {
        Command::Enroll(args) => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            ("enroll", enroll::run(*args, &mut tell))
        }
        Command::Doctor(args) => ("doctor", doctor::run(*args)),
        Command::Cert { command } => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            (command.name(), cert::run(command, &mut tell))
        }
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
            let mut print = |report: &mut Report| {
                report.warnings.append(&mut warnings);
                show(report, output, streams)
            };
            ("csr create", csr::run(args, &mut print))
        }
        Command::Pkcs12 { command } => {
            let mut tell = |text: &str| streams.tell(format!("nss-cmc: {text}"));
            (command.name(), pkcs12::run(command, &mut tell))
        }
        Command::Revoke(args) => ("revoke", revoke::run(*args)),
        Command::Status(args) => ("status", status::run(*args)),
        Command::Ca { command } => (command.name(), ca::run(command, streams)),
        Command::SharedToken(args) => ("shared-token", shared_token::run(*args)),
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
    /// Returns warnings about the files that the command names; they are printed whether it
    /// succeeds or fails.
    fn warnings(&self) -> Vec<String> {
        match self {
            Command::Enroll(args) => args.warnings(),
            Command::Doctor(args) => args.warnings(),
            Command::Cert { command } => command.warnings(),
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
            Command::Help { .. } => Vec::new(),
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

fn help(topic: &[String], streams: &mut Streams<'_>, other_help: OtherHelp) -> Result<Report> {
    use clap::CommandFactory;
    if topic == ["exit-codes"] {
        let mut report = Report::done("help", "found", false, "exit  kind          meaning");
        report.lines.push("   0                success, or nothing to do".into());
        for row in Kind::ALL {
            report.lines.push(format!("{:4}  {:12}  {}", row.exit, row.name, row.meaning));
        }
        return Ok(report);
    }
    if let [tool] = topic
        && other_help(tool, streams)
    {
        streams.print("")?;
        return Ok(Report { shown: true, ..Report::done("help", "found", false, "") });
    }
    let mut command = Cli::command();
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
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
