//! `pki`: its commands for certificates and PKCS #12 files, with its global options.

mod find;
mod global;
mod pkcs12_import;
mod server;
mod show;

use std::ffi::OsString;

use crate::streams::Streams;
use global::Global;
use nss_cmc::client::dogtag::certificates::Subsystem;
use nss_cmc::client::dogtag::rest::Exception;
use nss_cmc::error::{Error, Kind, Result};

/// Exit status of any error, as pki's.
const FAILED: u8 = 255;

/// A command.
struct Command {
    name: &'static str,
    about: &'static str,
    /// Runs the command with the words after its name.
    run: fn(&Global, &[OsString], &mut Streams<'_>) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command { name: "ca-cert-find", about: "Find certificates", run: find::run },
    Command { name: "ca-cert-show", about: "Show a certificate", run: show::show },
    Command { name: "ca-cert-export", about: "Export a certificate", run: show::export },
    Command {
        name: "ca-cert-signing-show",
        about: "Show the CA's own certificate",
        run: |global, args, streams| show::show_own(global, Subsystem::Signing, args, streams),
    },
    Command {
        name: "ca-cert-signing-export",
        about: "Export the CA's own certificate",
        run: |global, args, streams| show::export_own(global, Subsystem::Signing, args, streams),
    },
    Command {
        name: "ca-cert-transport-show",
        about: "Show the KRA's transport certificate",
        run: |global, args, streams| show::show_own(global, Subsystem::Transport, args, streams),
    },
    Command {
        name: "ca-cert-transport-export",
        about: "Export the KRA's transport certificate",
        run: |global, args, streams| show::export_own(global, Subsystem::Transport, args, streams),
    },
    Command {
        name: "pkcs12-import",
        about: "Import PKCS #12 file into NSS database",
        run: pkcs12_import::run,
    },
];

/// Runs pki. Results go to stdout, everything else to stderr.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    match dispatch(args, streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(line(&e));
            super::explain(&e, streams);
            FAILED
        }
    }
}

/// Returns the line for an error; the server's exception, and commons-cli's message about an unknown
/// option, have no prefix.
fn line(error: &Error) -> String {
    let text = error.to_string();
    match Exception::of(error) {
        Some(exception) => exception.to_string(),
        None if text.starts_with("Unrecognized option: ") => text,
        None => format!("ERROR: {text}"),
    }
}

fn dispatch(args: &[OsString], streams: &mut Streams<'_>) -> Result<()> {
    let (global, words) = Global::read(args)?;
    if global.wants_version() {
        streams.say(format!("PKI Command-Line Interface {}", env!("CARGO_PKG_VERSION")));
        return Ok(());
    }
    let Some((word, rest)) = words.split_first().filter(|_| !global.wants_help()) else {
        help(streams);
        return Ok(());
    };
    let word = word.to_string_lossy();
    // Up to 10.x the CA's commands had a second name.
    let old = word.strip_prefix("cert-").map(|command| format!("ca-cert-{command}"));
    let name = old.as_deref().unwrap_or(&word);
    let Some(command) = COMMANDS.iter().find(|c| name == c.name) else {
        return Err(Error::new(Kind::Usage, format!("Invalid module \"{word}\".")));
    };
    if old.is_some() {
        streams.tell("WARNING: pki cert has been deprecated. Use pki ca-cert instead.");
    }
    (command.run)(&global, rest, streams)
}

fn help(streams: &mut Streams<'_>) {
    streams.say(global::USAGE);
    streams.say("\nCommands:");
    for command in COMMANDS {
        streams.say(format!("  {:28}{}", command.name, command.about));
    }
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

/// Returns Java's error for a text that isn't a number.
fn not_a_number(text: &str) -> Error {
    let class = "NumberFormatException".to_owned();
    let message = format!("For input string: {text:?}");
    usage("invalid number").because(Exception { class, message, status: 0 })
}
