//! CMCRevoke: a signed CMC revocation request, from arguments with their values glued on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::algorithm::Crypto;
use crate::asn1::{name, pem};
use crate::cli::Streams;
use crate::cmc::control::{Control, Revocation, reason, serial_number};
use crate::error::{Error, Kind, Result};
use crate::nss::Access;
use crate::ops::build::{CmcSpec, Signatory, build};
use crate::ops::file::{self, Mode};
use crate::ops::session::{Identity, Needs, Session};
use crate::secret::{Secret, Source};

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
    values: [Option<String>; LETTERS.len()],
    password_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    output: Option<PathBuf>,
    invalidity_now: bool,
    help: bool,
}

const LETTERS: &str = "dnismphct";

impl Options {
    fn get(&self, letter: char) -> Option<&str> {
        let at = LETTERS.find(letter)?;
        self.values.get(at)?.as_deref()
    }

    fn needed(&self, letter: char, what: &str) -> Result<&str> {
        self.get(letter)
            .filter(|v| !v.is_empty())
            .ok_or_else(|| usage(format!("the {what} is missing: -{letter}")))
    }

    /// Of a repeated option the last counts.
    fn parse(args: &[OsString], streams: &mut Streams<'_>) -> Result<Options> {
        let mut options = Options::default();
        let mut words = args.iter().map(|a| a.to_string_lossy().into_owned()).peekable();
        while let Some(word) = words.next() {
            let mut value =
                |name: &str| words.next().ok_or_else(|| usage(format!("{name} needs a value")));
            match word.as_str() {
                "--help" => options.help = true,
                "--invalidity-now" => options.invalidity_now = true,
                "--password-file" => options.password_file = Some(value(&word)?.into()),
                "--secret-file" => options.secret_file = Some(value(&word)?.into()),
                "--output" => options.output = Some(value(&word)?.into()),
                _ => {
                    let mut chars = word.chars();
                    let dash = chars.next() == Some('-');
                    let at = chars.next().filter(|_| dash).and_then(|c| LETTERS.find(c));
                    let Some(slot) = at.and_then(|i| options.values.get_mut(i)) else {
                        streams.tell(format!("warning: unknown argument {word:?} is ignored"));
                        continue;
                    };
                    let glued = chars.as_str();
                    let next = words.next_if(|w| glued.is_empty() && !w.starts_with('-'));
                    *slot = Some(unquoted(next.as_deref().unwrap_or(glued)).to_owned());
                }
            }
        }
        Ok(options)
    }
}

/// Quotes that a script put around the value and the shell left there.
fn unquoted(value: &str) -> &str {
    let pairs = [('"', '"'), ('\'', '\'')];
    let inner =
        pairs.iter().find_map(|(a, b)| value.strip_prefix(*a).and_then(|v| v.strip_suffix(*b)));
    inner.unwrap_or(value)
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
    let nickname = options.needed('n', "signer's nickname")?;
    let issuer = name::parse(options.needed('i', "issuer")?)?;
    let serial = serial_number(options.needed('s', "serial number")?)?;
    let reason = reason(options.needed('m', "reason")?)?;
    let passphrase = match (options.get('t'), &options.secret_file) {
        (Some(text), _) => Some(Secret::new(text.as_bytes().to_vec())),
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
    let passwords = super::passwords(options.get('p'), options.password_file.as_deref());
    let needs = Needs { token, signer: Some(nickname), ..Needs::default() };
    let session = Session::open(dir, Access::ReadOnly, needs, &passwords)?;
    let database = &session.database;
    streams.say("cert/key prefix = ");
    streams.say(format!("path = {dir}"));
    streams.say(format!("CMCRevoke: searching for certificate nickname:{nickname}"));
    let identity = Identity::find(database, &session.token, nickname)?;
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
    let message = build(spec, Signatory::Certificate(&identity), None, database)?;
    drop(identity);
    session.close()?;
    streams.say("-----BEGIN CERTIFICATE REQUEST-----");
    streams.say(pem::base64(&message.der));
    streams.say("-----END CERTIFICATE REQUEST-----");
    let output = options.output.as_deref().unwrap_or(Path::new("CMCRevoke.out"));
    let mode = if message.holds_secret { Mode::Private } else { Mode::Default };
    file::write(output, &message.der, mode)?;
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
