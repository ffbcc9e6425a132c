//! PKCS10Client: a key pair in the token and a PKCS #10 request for it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::keys;
use crate::asn1::name::{self, Prefixes};
use crate::cli::Streams;
use crate::client::csr::{CsrSpec, Extensions, Format, KeyWanted, create};
use crate::client::passwords::Passwords;
use crate::client::session::{Needs, Session};
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Access, KeyFlags, KeyUses};

const USAGE: &str = "\
Usage: PKCS10Client -d <NSS database> -h <token> -p <password> | -P <password file>
    -a <rsa | ec | mldsa> -l <RSA bits, or 44, 65, 87> -c <curve> -o <output file> -n <subject DN>

    -k <true: values of the subject may name their string type, as UTF8String:...>
    -y <true: add a SubjectKeyIdentifier, for requests with a shared secret>
    -w  make an RSA key that may encrypt, decrypt, wrap and unwrap, too
    -v  tell what is done

For ec and mldsa keys:
    -t <true: temporary (session) key; default false>
    -s <1: sensitive, 0: not, -1: unless temporary (default)>
    -e <1: extractable, 0: not, -1: as the token likes (default)>
    -x <true: key for ECDH, which can't sign; default false>

Curves: nistp256 (secp256r1), nistp384 (secp384r1), nistp521 (secp521r1)";

#[derive(Default)]
struct Options {
    database: Option<String>,
    token: String,
    password: Option<OsString>,
    password_file: Option<PathBuf>,
    algorithm: Option<String>,
    length: Option<String>,
    curve: Option<String>,
    output: Option<PathBuf>,
    subject: Option<String>,
    prefixes: bool,
    temporary: bool,
    sensitive: Option<String>,
    extractable: Option<String>,
    agreement: bool,
    key_identifier: bool,
    everything: bool,
    verbose: bool,
}

/// Runs PKCS10Client. Errors go to stderr.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    if args.len() < 4 {
        streams.say(USAGE);
        return 1;
    }
    let options = match read(args, streams) {
        Ok(options) => options,
        Err(message) => {
            streams.tell(message);
            streams.say(USAGE);
            return 1;
        }
    };
    match request(options, streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(format!("PKCS10Client: Exception caught: {e}"));
            keys::explain(&e, streams);
            1
        }
    }
}

/// The options; the error is the line to print.
fn read(args: &[OsString], streams: &mut Streams<'_>) -> std::result::Result<Options, String> {
    let mut options = Options { token: "internal".into(), ..Options::default() };
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        let name = arg.to_string_lossy();
        let next = args.get(at + 1);
        // -v and -y come with and without a value, depending on the release.
        let value = match &*name {
            "-w" => None,
            "-v" => next.filter(|v| !v.as_encoded_bytes().starts_with(b"-")),
            "-y" => next.filter(|v| is_word(v)),
            "-d" | "-h" | "-p" | "-P" | "-a" | "-l" | "-c" | "-o" | "-n" | "-k" | "-t" | "-s"
            | "-e" | "-x" => {
                Some(next.ok_or_else(|| format!("PKCS10Client: no value after {name}"))?)
            }
            _ => return Err(format!("Unrecognized argument({at}): {name}")),
        };
        let value = value.cloned();
        at += 1 + usize::from(value.is_some());
        let raw = value.clone().unwrap_or_default();
        match &*name {
            "-p" => options.password = Some(raw),
            "-P" => options.password_file = Some(raw.into()),
            "-o" => options.output = Some(raw.into()),
            _ => {
                let text = super::text(&name, &raw).map_err(|e| format!("PKCS10Client: {e}"))?;
                options.set(&name, text, value.is_none(), streams);
            }
        }
    }
    Ok(options)
}

impl Options {
    /// Takes an option whose value is text; `bare` when it came without.
    fn set(&mut self, name: &str, text: String, bare: bool, streams: &mut Streams<'_>) {
        let truth = text.eq_ignore_ascii_case("true");
        match name {
            "-d" => self.database = Some(text),
            "-h" => self.token = text,
            "-a" => self.algorithm = Some(text),
            "-l" => self.length = Some(text),
            "-c" => self.curve = Some(text),
            "-n" => self.subject = Some(text),
            "-k" => {
                self.prefixes = truth;
                streams.say(format!("PKCS10Client: enable_encoding ={truth}"));
            }
            "-t" => self.temporary = truth,
            "-s" => self.sensitive = Some(text),
            "-e" => self.extractable = Some(text),
            "-x" => self.agreement = truth,
            "-y" => self.key_identifier = bare || truth,
            "-w" => self.everything = true,
            _ => self.verbose = true,
        }
    }
}

fn is_word(text: &OsStr) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// Key flags; options that don't fit the algorithm are ignored, as ever, but said to be.
fn flags(options: &Options, rsa: bool, streams: &mut Streams<'_>) -> Result<KeyFlags> {
    let sensitive = options.sensitive.as_deref().map(|t| keys::tristate("-s", t)).transpose()?;
    let extractable =
        options.extractable.as_deref().map(|t| keys::tristate("-e", t)).transpose()?;
    if rsa {
        let given = [
            ("-t", options.temporary),
            ("-s", sensitive.is_some()),
            ("-e", extractable.is_some()),
            ("-x", options.agreement),
            ("-c", options.curve.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            streams.tell(format!("PKCS10Client: warning: {name} means nothing for an RSA key"));
        }
        let uses = if options.everything { KeyUses::Everything } else { KeyUses::Default };
        return Ok(keys::flags(false, None, None, uses));
    }
    if options.everything {
        streams.tell("PKCS10Client: warning: -w means something for an RSA key only");
    }
    let uses = match options.algorithm.as_deref() {
        Some("ec") => KeyUses::Signing,
        _ => KeyUses::Default,
    };
    Ok(keys::flags(options.temporary, sensitive.flatten(), extractable.flatten(), uses))
}

fn request(options: Options, streams: &mut Streams<'_>) -> Result<()> {
    let usage = |what: &str| Error::new(Kind::Usage, what.to_owned());
    if options.password.is_some() && options.password_file.is_some() {
        return Err(usage("'-p' and '-P' cannot be both specified."));
    }
    let (Some(output), Some(subject)) = (&options.output, &options.subject) else {
        return Err(usage("Illegal input parameters.").hint("-o FILE and -n DN are needed"));
    };
    let algorithm = options.algorithm.as_deref().unwrap_or("rsa");
    let length = match algorithm {
        "ec" => {
            if options.length.is_some() {
                streams.tell("PKCS10Client: warning: -l means nothing for an EC key");
            }
            None
        }
        _ => options.length.as_deref().map(|l| keys::number("-l", l)).transpose()?,
    };
    let spec = keys::key_spec(algorithm, length, options.curve.as_deref())?;
    if algorithm == "ec" && options.agreement {
        return Err(usage("-x true makes a key that can't sign, and a PKCS #10 request is signed")
            .hint("CRMFPopClient -a ec -x true -q POP_NONE makes a request that isn't"));
    }
    let flags = flags(&options, algorithm == "rsa", streams)?;
    let prefixes = if options.prefixes { Prefixes::Types } else { Prefixes::Text };
    let subject_der = name::subject(subject, prefixes)?;
    super::check_secrets(options.password_file.as_deref(), streams);
    let dir = super::database(options.database.as_deref(), streams)?;
    let given = super::passwords(options.password.as_deref(), options.password_file.as_deref());
    let passwords: Passwords<'_> = Box::new(|wanted| {
        given(wanted).map_err(|e| match options.password_file {
            Some(_) => e,
            None => e.hint("give it by -P FILE or -p PASSWORD"),
        })
    });
    let needs = Needs { token: &options.token, key: true, ..Needs::default() };
    let session = Session::open(dir, Access::ReadWrite, needs, &passwords)?;
    let verbose = |streams: &mut Streams<'_>, line: &str| {
        if options.verbose {
            streams.say(format!("PKCS10Client: {line}"));
        }
    };
    verbose(streams, "Debug: got token.");
    verbose(streams, "Debug: thread token set.");
    let name = Some(options.token.as_str()).filter(|t| !t.is_empty()).unwrap_or("internal");
    verbose(streams, &format!("token {name} logged in..."));
    verbose(streams, &format!("rsa_keygen_wrap_unwrap_ops: {}", options.everything));
    let key = KeyWanted::New { spec, flags, purpose: subject.clone() };
    let spec = CsrSpec {
        subject: subject_der,
        format: Format::Pkcs10,
        extensions: Extensions::default(),
        key_identifier: options.key_identifier,
    };
    let made = create(&session, &key, &spec)?;
    verbose(streams, "key pair generated.");
    if options.key_identifier {
        verbose(streams, "use_shared_secret true. Generating SubjectKeyIdentifier extension.");
    }
    verbose(streams, "Certificate request created");
    let id = made.key.id.clone();
    let stored = made.key.check().and_then(|()| keys::store(output, &made.der, &id));
    made.key.settle(stored)?;
    session.close()?;
    if options.verbose {
        streams.say(format!("Keypair private key id: {}\n", keyid::to_dogtag(&id)));
    }
    streams.say(format!("PKCS10Client: Certificate request written into {}", output.display()));
    streams.say(format!(
        "PKCS10Client: PKCS#10 request key id written into {}",
        keys::key_id_file(output).display()
    ));
    Ok(())
}
