//! The Dogtag tools under their old names, one file each: reads the options of the tool, calls the
//! operations of the library, and prints the lines that scripts search.

mod cfg_file;
mod cmc_request;
mod cmc_response;
mod cmc_revoke;
mod cmc_shared_token;
mod crmf_pop_client;
mod http_client;
mod keys;
mod options;
mod pkcs10_client;
mod pki;
mod pki_cert_import;
pub mod text;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::streams::Streams;
use nss_cmc::client::passwords::{Passwords, Source, others_read};
use nss_cmc::error::{Error, Result};
use nss_cmc::interrupt;
use nss_cmc::nss::{current_directory, exposed};
use nss_cmc::secret::Secret;

/// One tool.
pub struct Tool {
    name: &'static str,
    /// Runs the tool; the arguments have no program name. Returns the exit code.
    run: fn(&[OsString], &mut Streams<'_>) -> u8,
}

const TOOLS: &[Tool] = &[
    Tool { name: "CMCRequest", run: cmc_request::run },
    Tool { name: "CMCResponse", run: cmc_response::run },
    Tool { name: "CRMFPopClient", run: crmf_pop_client::run },
    Tool { name: "CMCRevoke", run: cmc_revoke::run },
    Tool { name: "CMCSharedToken", run: cmc_shared_token::run },
    Tool { name: "HttpClient", run: http_client::run },
    Tool { name: "PKCS10Client", run: pkcs10_client::run },
    Tool { name: "PKICertImport", run: pki_cert_import::run },
    Tool { name: "pki", run: pki::run },
];

/// Returns the tool called `name`.
pub fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// Prints the help of the tool called `name`; returns `false` for an unknown name.
pub fn help_of(name: &str, streams: &mut Streams<'_>) -> bool {
    let tool = find(name);
    if let Some(tool) = tool {
        (tool.run)(&["--help".into()], streams);
    }
    tool.is_some()
}

impl Tool {
    /// Runs the tool with its arguments; returns the exit code, 1 instead of 0 when stdout was lost.
    pub fn run(&self, args: &[OsString], streams: &mut Streams<'_>) -> u8 {
        let code = (self.run)(args, streams);
        if code != 0 {
            // A script that calls the tool in a loop ends with it.
            interrupt::end_if_unwatched();
        }
        if let Some(e) = streams.untold() {
            streams.tell(format!("{}: {e}", self.name));
        }
        if streams.lost().is_some() { code.max(1) } else { code }
    }
}

/// Returns the source of a tool's passwords: the option, which other users of the machine can read,
/// is for the token named beside it; then the lines of the file; then the terminal.
fn passwords<'a>(text: Option<&'a OsStr>, file: Option<&Path>) -> Passwords<'a> {
    let other = file.map_or(Source::Prompt, |file| Source::File(file.into())).passwords();
    Box::new(move |wanted| match text {
        Some(text) if wanted.bare => Ok(Some(secret(text))),
        _ => other(wanted),
    })
}

/// Prints `--help` of a tool that reads a configuration file.
fn help(usage: &str, keys: &[&str], streams: &mut Streams<'_>) {
    streams.say(usage);
    streams.say("\nKeys of the file:");
    for key in keys {
        streams.say(format!("  {key}"));
    }
}

/// Returns the database's directory; the current directory by default. Warns when other users can
/// write it.
///
/// # Errors
/// As [`current_directory`], when no directory is given.
fn database<'a>(given: Option<&'a str>, streams: &mut Streams<'_>) -> Result<&'a str> {
    let dir = match given {
        Some(dir) => dir,
        None => current_directory()?,
    };
    if let Some(why) = exposed(dir) {
        streams.tell(format!("warning: {why}"));
    }
    Ok(dir)
}

/// Warns of files with secrets that other users can read.
fn check_secrets<'a>(files: impl IntoIterator<Item = &'a Path>, streams: &mut Streams<'_>) {
    for why in files.into_iter().filter_map(others_read) {
        streams.tell(format!("warning: {why}"));
    }
}

/// Returns the secret in an option's value, which may be any octets.
fn secret(value: &OsStr) -> Secret {
    Secret::new(value.as_bytes().to_vec())
}

/// Prints the hint of an error.
fn hint(e: &Error, streams: &mut Streams<'_>) {
    if let Some(hint) = e.hint_text() {
        streams.tell(format!("hint: {hint}"));
    }
}

/// Prints the hint and the details of an error.
fn explain(e: &Error, streams: &mut Streams<'_>) {
    hint(e, streams);
    for note in e.notes() {
        streams.tell(format!("note: {note}"));
    }
}

/// Returns whether `NSS_CMC_LEGACY_EXIT=1` requests the exit status of the Java tool.
fn legacy_exit() -> bool {
    std::env::var_os("NSS_CMC_LEGACY_EXIT").is_some_and(|v| v == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_in_the_help_of_the_program() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams::new(&mut out, &mut err);
        let args = ["nss-cmc", "--help"].map(OsString::from).to_vec();
        assert_eq!(crate::cli::run(args, &mut streams, help_of), 0);
        let help = String::from_utf8(out).unwrap();
        for tool in TOOLS {
            assert!(help.contains(tool.name), "{}", tool.name);
        }
    }
}
