//! The old names: one file per Dogtag tool. Each reads its dialect, does the work through the same
//! operations as the modern verbs, and prints the lines scripts grep for.

mod cmc_request;
mod cmc_response;
mod cmc_revoke;
mod cmc_shared_token;
mod crmf_pop_client;
mod http_client;
mod keys;
mod pkcs10_client;
pub mod settings;
pub mod text;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::Streams;
use crate::client::passwords::{Passwords, Source, others_read};
use crate::error::{Error, Kind, Result};
use crate::nss::{current_directory, exposed};
use crate::secret::Secret;

/// A tool: its arguments without the program name; answers the exit code.
pub type Applet = fn(&[OsString], &mut Streams<'_>) -> u8;

/// The applets by name.
pub const APPLETS: &[(&str, Applet)] = &[
    ("CMCRequest", cmc_request::run),
    ("CMCResponse", cmc_response::run),
    ("CRMFPopClient", crmf_pop_client::run),
    ("CMCRevoke", cmc_revoke::run),
    ("CMCSharedToken", cmc_shared_token::run),
    ("HttpClient", http_client::run),
    ("PKCS10Client", pkcs10_client::run),
];

/// The applet called `name`.
pub fn find(name: &str) -> Option<Applet> {
    APPLETS.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
}

/// Passwords of a tool: what its command line says, which everybody on the machine can see, is that of
/// the token named there; else lines of the file; else asked for.
fn passwords<'a>(text: Option<&'a OsStr>, file: Option<&Path>) -> Passwords<'a> {
    let other = file.map_or(Source::Prompt, |file| Source::File(file.into())).passwords();
    Box::new(move |wanted| match text {
        Some(text) if wanted.bare => Ok(Some(secret(text))),
        _ => other(wanted),
    })
}

/// `--help` of a tool that is told everything by a file.
fn help(usage: &str, keys: &[&str], streams: &mut Streams<'_>) {
    streams.say(usage);
    streams.say("\nKeys of the file:");
    for key in keys {
        streams.say(format!("  {key}"));
    }
}

/// Returns the database's directory: as given, or the current one. Warns when other users can write it.
///
/// # Errors
/// As [`current_directory`], when none is given.
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

/// Returns an option's value as text.
///
/// # Errors
/// [`Kind::Usage`] when it is not UTF-8; no octet is replaced.
fn text(option: &str, value: &OsStr) -> Result<String> {
    value
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::new(Kind::Usage, format!("the value of {option} is not UTF-8")))
}

/// Returns the secret in an option's value, which may be any octets.
fn secret(value: &OsStr) -> Secret {
    Secret::new(value.as_bytes().to_vec())
}

/// Whether `NSS_CMC_LEGACY_EXIT=1` asks for the exit status the Java tool had.
fn legacy_exit() -> bool {
    std::env::var_os("NSS_CMC_LEGACY_EXIT").is_some_and(|v| v == "1")
}
