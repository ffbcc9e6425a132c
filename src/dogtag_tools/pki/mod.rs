//! `pki`: the commands for certificates and PKCS #12 files, behind pki's global options.

// The commands that talk to a server use the rest of it.
#[allow(dead_code)]
mod global;
mod pkcs12_import;

use std::ffi::OsString;

use crate::streams::Streams;
use global::Global;
use nss_cmc::error::{Error, Kind, Result};

/// Exit status of any error, as pki's.
const FAILED: u8 = 255;

/// One command.
struct Command {
    name: &'static str,
    about: &'static str,
    /// Takes the words after the command's name.
    run: fn(&Global, &[OsString], &mut Streams<'_>) -> Result<()>,
}

const COMMANDS: &[Command] = &[Command {
    name: "pkcs12-import",
    about: "Import PKCS #12 file into NSS database",
    run: pkcs12_import::run,
}];

/// Runs pki. Results go to stdout, everything else to stderr.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    match dispatch(args, streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(format!("ERROR: {e}"));
            super::explain(&e, streams);
            FAILED
        }
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
    let Some(command) = COMMANDS.iter().find(|c| word == c.name) else {
        let what = format!("Invalid module \"{}\".", word.to_string_lossy());
        return Err(Error::new(Kind::Usage, what));
    };
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
