//! CMCRevoke: a signed CMC revocation request, from arguments with their values glued on.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::algorithm::Crypto;
use crate::asn1::Number;
use crate::asn1::{name, pem};
use crate::cli::Streams;
use crate::client::output::{self, Mode};
use crate::client::passwords::Source;
use crate::client::session::{Identity, Needs, Session};
use crate::client::signer;
use crate::cmc::control::{Control, Revocation, reason};
use crate::cmc::message::{CmcSpec, Signatory, build};
use crate::error::{Error, Kind, Result};
use crate::nss::Access;

const USAGE: &str = "\
Usage: CMCRevoke -d<NSS database> -n<nickname> -i<issuer DN> -s<serial> -m<reason>
                 [-p<password>] [-h<token>] [-c<comment>] [-t<shared secret>]
                 [--password-file FILE] [--secret-file FILE] [--output FILE]
                 [--invalidity-now]
  Values may also be words of their own. The serial number is decimal, or 0x and hexadecimal.
  The reason is a name (keyCompromise) or a number (RFC 5280).
  The request is written to CMCRevoke.out unless --output says otherwise.";

/// The values by letter, and the long options.
#[derive(Default)]
struct Options {
    values: [Option<OsString>; LETTERS.len()],
    password_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    output: Option<PathBuf>,
    invalidity_now: bool,
    help: bool,
}

const LETTERS: &str = "dnismphct";
/// Those whose values may be any octets.
const SECRETS: &str = "pt";

impl Options {
    fn raw(&self, letter: char) -> Option<&OsStr> {
        let at = LETTERS.find(letter)?;
        self.values.get(at)?.as_deref()
    }

    fn get(&self, letter: char) -> Option<&str> {
        self.raw(letter)?.to_str()
    }

    fn needed(&self, letter: char, what: &str) -> Result<&str> {
        self.get(letter)
            .filter(|v| !v.is_empty())
            .ok_or_else(|| usage(format!("the {what} is missing: -{letter}")))
    }

    /// Of a repeated option the last counts.
    fn parse(args: &[OsString], streams: &mut Streams<'_>) -> Result<Options> {
        let mut options = Options::default();
        let mut words = args.iter().peekable();
        while let Some(word) = words.next() {
            let mut value = |name: &str| {
                words.next().cloned().ok_or_else(|| usage(format!("{name} needs a value")))
            };
            match word.to_str().unwrap_or_default() {
                "--help" => options.help = true,
                "--invalidity-now" => options.invalidity_now = true,
                name @ "--password-file" => options.password_file = Some(value(name)?.into()),
                name @ "--secret-file" => options.secret_file = Some(value(name)?.into()),
                name @ "--output" => options.output = Some(value(name)?.into()),
                _ => {
                    let (letter, glued) = match word.as_bytes() {
                        [b'-', letter, glued @ ..] => (char::from(*letter), glued),
                        other => (' ', other),
                    };
                    let at = LETTERS.find(letter);
                    let Some(slot) = at.and_then(|i| options.values.get_mut(i)) else {
                        let word = word.to_string_lossy();
                        streams.tell(format!("warning: unknown argument {word:?} is ignored"));
                        continue;
                    };
                    let next = words
                        .next_if(|w| glued.is_empty() && !w.as_bytes().starts_with(b"-"))
                        .map(|w| w.as_bytes());
                    let value = OsStr::from_bytes(unquoted(next.unwrap_or(glued)));
                    if !SECRETS.contains(letter) {
                        super::text(&format!("-{letter}"), value)?;
                    }
                    *slot = Some(value.to_owned());
                }
            }
        }
        Ok(options)
    }
}

/// Quotes that a script put around the value and the shell left there.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        _ => value,
    }
}

fn usage(why: impl Into<String>) -> Error {
    Error::new(Kind::Usage, why)
}

/// Runs CMCRevoke.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    match Options::parse(args, streams).and_then(|options| revoke(&options, streams)) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(format!("CMCRevoke: {e}"));
            if let Some(hint) = e.hint_text() {
                streams.tell(format!("try: {hint}"));
            }
            if e.kind() == Kind::Usage {
                streams.say(USAGE);
            }
            let forgiven = matches!(e.kind(), Kind::Usage | Kind::Output);
            u8::from(!(forgiven && super::legacy_exit()))
        }
    }
}

fn revoke(options: &Options, streams: &mut Streams<'_>) -> Result<()> {
    if options.help {
        streams.say(USAGE);
        return Ok(());
    }
    let dir = options.needed('d', "database")?;
    let files = [&options.password_file, &options.secret_file];
    super::check_secrets(files.into_iter().flatten().map(PathBuf::as_path), streams);
    let nickname = options.needed('n', "signer's nickname")?;
    let issuer = name::parse(options.needed('i', "issuer")?)?;
    let serial = Number::parse(options.needed('s', "serial number")?)?;
    let reason = reason(options.needed('m', "reason")?)?;
    let passphrase = match (options.raw('t'), &options.secret_file) {
        (Some(text), _) => Some(super::secret(text)),
        (None, Some(file)) => Some(Source::File(file.clone()).read_shared("shared secret")?),
        (None, None) => None,
    };
    if passphrase.is_some() {
        streams.tell(
            "warning: with a shared secret inside the CA refuses what an agent signed; CMCRequest \
             and nss-cmc revoke make the unsigned request it accepts",
        );
    }
    let token = options.get('h').unwrap_or_default();
    super::database(Some(dir), streams)?;
    let passwords = super::passwords(options.raw('p'), options.password_file.as_deref());
    let needs = Needs { token, signer: Some(nickname), ..Needs::default() };
    let session = Session::open(dir, Access::ReadOnly, needs, &passwords)?;
    let database = &session.database;
    streams.say("cert/key prefix = ");
    streams.say(format!("path = {dir}"));
    streams.say(format!("CMCRevoke: searching for certificate nickname:{nickname}"));
    let identity = Identity::find(database, &session.token, nickname)?;
    if let Err(e) = signer::valid_now(&identity) {
        streams.tell(format!("warning: {e}"));
    }
    let revocation = Revocation {
        issuer,
        serial,
        reason,
        invalidity: options.invalidity_now.then(|| chrono::Utc::now().timestamp()),
        passphrase,
        comment: options.get('c').map(str::to_owned),
    };
    let controls =
        vec![Control::SenderNonce(database.random(16)?), Control::Revoke(Box::new(revocation))];
    let spec = CmcSpec { controls, ..CmcSpec::default() };
    let message = build(spec, Signatory::from(&identity), None, database)?;
    drop(identity);
    session.close()?;
    streams.say("-----BEGIN CERTIFICATE REQUEST-----");
    streams.say(pem::base64(&message.der));
    streams.say("-----END CERTIFICATE REQUEST-----");
    let output = options.output.as_deref().unwrap_or(Path::new("CMCRevoke.out"));
    let mode = if message.holds_secret { Mode::Private } else { Mode::Default };
    output::write(output, &message.der, mode)?;
    streams.say(format!("\nCMC revocation binary blob written to {}\n", output.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Options {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams::new(&mut out, &mut err);
        Options::parse(&args, &mut streams).unwrap()
    }

    #[test]
    fn values_glued_on_or_apart_or_quoted() {
        let o = parse(&["-d\"sql:dbX\"", "-n", "CA admin", "-c", "-s0x1f", "-m'6'", "-nlast"]);
        assert_eq!(o.get('d'), Some("sql:dbX"));
        assert_eq!(o.get('n'), Some("last"));
        assert_eq!(o.get('c'), Some(""));
        assert_eq!((o.get('s'), o.get('m'), o.get('t')), (Some("0x1f"), Some("6"), None));
        let o = parse(&["x", "-zfoo", "--output", "a.out", "-"]);
        assert_eq!(o.output.as_deref(), Some(Path::new("a.out")));
    }
}
