//! CMCRevoke: a signed CMC revocation request, from options with their values attached.

use std::ffi::OsString;
use std::path::Path;

use super::options::{Dialect, Known, Options, Takes};
use crate::streams::Streams;
use nss_cmc::algorithm::Digests;
use nss_cmc::client::output::{self, Mode};
use nss_cmc::client::passwords::Source;
use nss_cmc::client::revoke::revocation_request;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::client::signer;
use nss_cmc::cmc::control::Revocation;
use nss_cmc::cmc::revocation_reason::reason;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Access;
use nss_cmc::{Number, name, pem};

const USAGE: &str = "\
Usage: CMCRevoke -d<NSS database> -n<nickname> -i<issuer DN> -s<serial> -m<reason>
                 [-p<password>] [-h<token>] [-c<comment>] [-t<shared secret>]
                 [--password-file FILE] [--secret-file FILE] [--output FILE]
                 [--invalidity-now]
  Values may also be separate arguments. The serial number is decimal, or 0x and hexadecimal.
  The reason is a name (keyCompromise) or a number (RFC 5280).
  The request is written to CMCRevoke.out, or to the file given with --output.";

/// The options. Paths and secrets may be any octets.
const OPTIONS: &[Known] = &[
    ("-d", Takes::Text),
    ("-n", Takes::Text),
    ("-i", Takes::Text),
    ("-s", Takes::Text),
    ("-m", Takes::Text),
    ("-p", Takes::Octets),
    ("-h", Takes::Text),
    ("-c", Takes::Text),
    ("-t", Takes::Octets),
    ("--password-file", Takes::Octets),
    ("--secret-file", Takes::Octets),
    ("--output", Takes::Octets),
    ("--invalidity-now", Takes::Nothing),
    ("--help", Takes::Nothing),
];

fn needed<'a>(options: &'a Options, name: &'static str, what: &str) -> Result<&'a str> {
    options
        .text(name)
        .filter(|v| !v.is_empty())
        .ok_or_else(|| usage(format!("the {what} is missing: {name}")))
}

fn usage(why: impl Into<String>) -> Error {
    Error::new(Kind::Usage, why)
}

/// Runs CMCRevoke.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let mut options = Options::new(Dialect::Glued, OPTIONS);
    let read = options.read(args);
    for (_, word) in &options.unknown {
        let word = word.to_string_lossy();
        streams.tell(format!("warning: unknown argument {word:?} is ignored"));
    }
    match read.and_then(|()| revoke(&options, streams)) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(format!("CMCRevoke: {e}"));
            super::hint(&e, streams);
            if e.kind() == Kind::Usage {
                streams.say(USAGE);
            }
            let forgiven = matches!(e.kind(), Kind::Usage | Kind::Output);
            u8::from(!(forgiven && super::legacy_exit()))
        }
    }
}

fn revoke(options: &Options, streams: &mut Streams<'_>) -> Result<()> {
    if options.has("--help") {
        streams.say(USAGE);
        return Ok(());
    }
    let dir = needed(options, "-d", "database")?;
    let (password_file, secret_file) =
        (options.path("--password-file"), options.path("--secret-file"));
    super::check_secrets(password_file.into_iter().chain(secret_file), streams);
    let nickname = needed(options, "-n", "signer's nickname")?;
    let issuer = name::parse(needed(options, "-i", "issuer")?)?;
    let serial = Number::parse(needed(options, "-s", "serial number")?)?;
    let reason = reason(needed(options, "-m", "reason")?)?;
    let passphrase = match (options.octets("-t"), secret_file) {
        (Some(text), _) => Some(super::secret(text)),
        (None, Some(file)) => Some(Source::File(file.into()).read_shared("shared secret")?),
        (None, None) => None,
    };
    if passphrase.is_some() {
        streams.tell(
            "warning: the CA refuses a signed request with a shared secret; use CMCRequest or nss-cmc \
             revoke for an unsigned request",
        );
    }
    let token = options.text("-h").unwrap_or_default();
    super::database(Some(dir), streams)?;
    let passwords = super::passwords(options.octets("-p"), password_file);
    let needs = Needs { token, signer: Some(nickname), ..Needs::default() };
    let session = Session::open(dir, Access::ReadOnly, needs, &passwords)?;
    let database = &session.database;
    let output = options.path("--output").unwrap_or(Path::new("CMCRevoke.out"));
    streams.make_way_for(output);
    streams.say("cert/key prefix = ");
    streams.say(format!("path = {dir}"));
    streams.say(format!("CMCRevoke: searching for certificate nickname:{nickname}"));
    let identity = session.identity(nickname)?;
    if let Err(e) = signer::valid_now(&identity) {
        streams.tell(format!("warning: {e}"));
    }
    let revocation = Revocation {
        issuer,
        serial,
        reason,
        invalidity: options.has("--invalidity-now").then(|| chrono::Utc::now().timestamp()),
        passphrase,
        comment: options.text("-c").map(str::to_owned),
    };
    let message =
        revocation_request(revocation, Some(&identity), false, Digests::Sha256, database)?;
    drop(identity);
    session.close()?;
    streams.say("-----BEGIN CERTIFICATE REQUEST-----");
    streams.say(pem::base64(&message.der));
    streams.say("-----END CERTIFICATE REQUEST-----");
    let mode = if message.holds_secret { Mode::Private } else { Mode::Default };
    output::write(output, &message.der, mode)?;
    streams.say(format!("\nCMC revocation binary blob written to {}\n", output.display()));
    Ok(())
}
