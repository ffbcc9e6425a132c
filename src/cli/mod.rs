//! The modern command tree, and the door to the old names.

mod args;
mod cmc;
mod csr;
mod enroll;
mod revoke;
mod shared_token;
mod streams;

use std::ffi::OsString;
use std::path::Path;

use clap::{Parser, Subcommand, ValueEnum};

use crate::compat;
use crate::error::{Error, Kind, Result};
use crate::interrupt::{self, Watch};
use crate::report::{Report, error_text};
use crate::text::without_userinfo;
pub use streams::Streams;

#[derive(Parser)]
#[command(
    name = "nss-cmc",
    version,
    about = "Enrol certificates with CMC against Dogtag PKI; the keys stay in the NSS database",
    after_help = "The tools of Dogtag are here under their own names, as first word or by a link \
                  to this program: CMCRequest, CMCResponse, CMCRevoke, CMCSharedToken, \
                  CRMFPopClient, HttpClient, PKCS10Client.",
    disable_help_subcommand = true,
    propagate_version = true
)]
struct Cli {
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value = "text", env = "NSS_CMC_OUTPUT")]
    output: Output,

    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object on stdout, on success and on failure
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key, have it certified, and import the certificate beside it: the whole job
    Enroll(Box<enroll::EnrollArgs>),
    /// Take CMC messages apart, or submit one that is there already
    Cmc {
        #[command(subcommand)]
        command: cmc::CmcCommand,
    },
    /// Certificate requests
    Csr(csr::CsrArgs),
    /// Revoke a certificate, put it on hold, or release it
    Revoke(Box<revoke::RevokeArgs>),
    /// Encrypt a shared secret for the CA, and print the LDIF that adds it
    SharedToken(Box<shared_token::SharedTokenArgs>),
    /// Explain what the program's words and numbers mean
    Help {
        /// `exit-codes`, or a command
        topic: Option<String>,
    },
}

/// Runs the program with its arguments, the program name first; answers the exit code.
pub fn run(args: Vec<OsString>, streams: &mut Streams<'_>) -> u8 {
    let called = args.first().map(base_name).unwrap_or_default();
    if let Some(applet) = compat::find(&called) {
        return old(applet, &called, args.get(1..).unwrap_or_default(), streams);
    }
    let word = args.get(1).map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(applet) = compat::find(&word) {
        return old(applet, &word, args.get(2..).unwrap_or_default(), streams);
    }
    // A wrong flag is reported as asked for, too, if the wish can be seen.
    let wants_json = args.windows(2).any(|w| w[0] == "--output" && w[1] == "json")
        || args.iter().any(|a| a == "--output=json")
        || std::env::var_os("NSS_CMC_OUTPUT").is_some_and(|v| v == "json");
    match Cli::try_parse_from(&args) {
        Ok(cli) => modern(cli, streams),
        Err(e) if !e.use_stderr() => match streams.print(&e.to_string()) {
            Ok(()) => 0,
            Err(e) => failed(&e, streams),
        },
        Err(e) if wants_json => {
            let text = e.to_string();
            let about = text.lines().take_while(|l| !l.starts_with("Usage:")).map(str::trim);
            let line = about.filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
            let error =
                Error::new(Kind::Usage, line.trim_start_matches("error: ")).hint("nss-cmc --help");
            fail(&word, &error, Output::Json, streams)
        }
        Err(e) => {
            streams.tell(without_userinfo(e.to_string().trim_end()));
            Kind::Usage.exit()
        }
    }
}

fn base_name(arg: &OsString) -> String {
    Path::new(arg).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// An old name: 1 instead of 0 when its words were lost.
fn old(applet: compat::Applet, name: &str, args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let code = applet(args, streams);
    if code != 0 {
        // A script that runs it in a loop ends with it.
        interrupt::end_if_unwatched();
    }
    if let Some(e) = streams.untold() {
        streams.tell(format!("{name}: {e}"));
    }
    if streams.lost().is_some() { code.max(1) } else { code }
}

fn modern(cli: Cli, streams: &mut Streams<'_>) -> u8 {
    // What only reads has nothing to clean up: a signal may end it anywhere.
    let reads = match &cli.command {
        Command::Cmc { command } => command.reads(),
        Command::Help { .. } => true,
        _ => false,
    };
    let watch = (!reads).then(Watch::begin);
    let (name, outcome) = match cli.command {
        Command::Enroll(args) => ("enroll", enroll::run(*args)),
        Command::Cmc { command } => (command.name(), cmc::run(command, streams)),
        Command::Csr(args) => {
            ("csr create", csr::run(args, &mut |report| show(report, cli.output, streams)))
        }
        Command::Revoke(args) => ("revoke", revoke::run(*args)),
        Command::SharedToken(args) => ("shared-token", shared_token::run(*args)),
        Command::Help { topic } => ("help", help(topic.as_deref(), streams)),
    };
    drop(watch);
    match outcome {
        Ok(report) => finish(report, cli.output, streams),
        Err(e) => fail(name, &e, cli.output, streams),
    }
}

/// Prints a failure: on stderr, too, when stdout doesn't take the JSON.
fn fail(name: &str, e: &Error, output: Output, streams: &mut Streams<'_>) -> u8 {
    if output == Output::Text || streams.lost().is_some() {
        return failed(e, streams);
    }
    match show(&mut Report::failure(name, e), output, streams) {
        Ok(()) => e.kind().exit(),
        Err(lost) => {
            streams.tell(format!("nss-cmc: {lost}"));
            failed(e, streams)
        }
    }
}

fn failed(e: &Error, streams: &mut Streams<'_>) -> u8 {
    streams.tell(error_text(e).trim_end());
    e.kind().exit()
}

/// Prints a report, and the exit code that goes with it.
fn finish(mut report: Report, output: Output, streams: &mut Streams<'_>) -> u8 {
    match show(&mut report, output, streams) {
        Ok(()) => report.exit,
        Err(e) => {
            streams.tell(format!("nss-cmc: {e}\n  it was to say: {}", report.msg));
            e.kind().exit()
        }
    }
}

/// Prints a report once; if it was printed before, only the warnings that came since.
fn show(report: &mut Report, output: Output, streams: &mut Streams<'_>) -> Result<()> {
    let text = if output == Output::Json { report.to_json() } else { report.to_text() };
    for warning in report.warnings.drain(..) {
        streams.tell(format!("nss-cmc: warning: {warning}"));
    }
    if report.shown {
        return Ok(());
    }
    report.shown = true;
    streams.print(&text)
}

fn help(topic: Option<&str>, streams: &mut Streams<'_>) -> Result<Report> {
    use clap::CommandFactory;
    match topic {
        Some("exit-codes") => {
            let mut report = Report::done("help", "found", false, "exit  kind          meaning");
            report.lines.push("   0                done, or nothing to do".into());
            for row in Kind::ALL {
                report.lines.push(format!("{:4}  {:12}  {}", row.exit, row.name, row.meaning));
            }
            Ok(report)
        }
        Some(topic) => {
            let mut command = Cli::command();
            match command.find_subcommand_mut(topic) {
                Some(sub) => {
                    streams.print(&sub.render_long_help().to_string())?;
                    Ok(Report::done("help", "found", false, ""))
                }
                None => Err(Error::new(Kind::Usage, format!("no help on {topic:?}"))
                    .hint("nss-cmc help exit-codes, or nss-cmc --help")),
            }
        }
        None => {
            streams.print(&Cli::command().render_long_help().to_string())?;
            Ok(Report::done("help", "found", false, ""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_old_name_is_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        for (name, _) in compat::APPLETS {
            assert!(help.contains(name), "{name}");
        }
    }
}
