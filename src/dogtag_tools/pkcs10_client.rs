//! PKCS10Client: a key pair in the token and a PKCS #10 request for it.

use std::ffi::OsString;

use super::keys;
use super::options::{Dialect, Known, Options, TRUTH, Takes};
use crate::streams::Streams;
use nss_cmc::algorithm::Digests;
use nss_cmc::client::csr::{CsrSpec, Extensions, Format, KeyWanted, create};
use nss_cmc::client::passwords::Passwords;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::name::{self, Prefixes};
use nss_cmc::nss::{Access, KeyFlags, KeyUses};

const USAGE: &str =
    "Usage: PKCS10Client -d <NSS database> -h <token> -p <password> | -P <password file>
    -a <rsa | ec | mldsa> -l <RSA bits, or 44, 65, 87> -c <curve> -o <output file> -n <subject DN>

    -k <true: read string types in the subject's values, as UTF8String:...>
    -y <true: add a SubjectKeyIdentifier, for enrollment with a shared secret>
    -w  generate an RSA key that may encrypt, decrypt, wrap and unwrap, too
    -v  print details

For ec and mldsa keys:
    -t <true: temporary (session) key; default false>
    -s <1: sensitive, 0: not, -1: unless temporary (default)>
    -e <1: extractable, 0: not, -1: the token's default (default)>
    -x <true: key for ECDH, which cannot sign; default false>

Curves: nistp256 (secp256r1), nistp384 (secp384r1), nistp521 (secp521r1)";

/// The options. Paths and passwords may be any octets. `-v` and `-y` have a value in some releases
/// only.
const OPTIONS: &[Known] = &[
    ("-d", Takes::Text),
    ("-h", Takes::Text),
    ("-p", Takes::Octets),
    ("-P", Takes::Octets),
    ("-a", Takes::Text),
    ("-l", Takes::Text),
    ("-c", Takes::Text),
    ("-o", Takes::Octets),
    ("-n", Takes::Text),
    ("-k", Takes::Text),
    ("-t", Takes::Text),
    ("-s", Takes::Text),
    ("-e", Takes::Text),
    ("-x", Takes::Text),
    ("-y", TRUTH),
    ("-w", Takes::Nothing),
    ("-v", Takes::Anything),
];

/// Runs PKCS10Client. Errors go to stderr.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    if args.len() < 4 {
        streams.say(USAGE);
        return 1;
    }
    let mut options = Options::new(Dialect::Words, OPTIONS);
    let read = options.read(args);
    for value in options.all("-k").flatten() {
        let truth = value.eq_ignore_ascii_case("true");
        streams.say(format!("PKCS10Client: enable_encoding ={truth}"));
    }
    let wrong = match (options.unknown.first(), read) {
        (_, Err(e)) => Some(format!("PKCS10Client: {e}")),
        (Some((at, word)), Ok(())) => {
            Some(format!("Unrecognized argument({at}): {}", word.to_string_lossy()))
        }
        (None, Ok(())) => None,
    };
    if let Some(line) = wrong {
        streams.tell(line);
        streams.say(USAGE);
        return 1;
    }
    match request(&options, streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(format!("PKCS10Client: Exception caught: {e}"));
            super::explain(&e, streams);
            1
        }
    }
}

/// Returns the key flags; warns of options that don't apply to the algorithm, and ignores them as
/// the Java tool does.
fn flags(options: &Options, rsa: bool, streams: &mut Streams<'_>) -> Result<KeyFlags> {
    let sensitive = options.text("-s").map(|t| keys::tristate("-s", t)).transpose()?;
    let extractable = options.text("-e").map(|t| keys::tristate("-e", t)).transpose()?;
    if rsa {
        let given = [
            ("-t", options.flag("-t")),
            ("-s", sensitive.is_some()),
            ("-e", extractable.is_some()),
            ("-x", options.flag("-x")),
            ("-c", options.has("-c")),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            streams.tell(format!("PKCS10Client: warning: {name} is ignored for an RSA key"));
        }
        let uses = if options.has("-w") { KeyUses::Everything } else { KeyUses::Default };
        return Ok(keys::flags(false, None, None, uses));
    }
    if options.has("-w") {
        streams.tell("PKCS10Client: warning: -w is ignored: it is for RSA keys only");
    }
    let uses = match options.text("-a") {
        Some("ec") => KeyUses::Signing,
        _ => KeyUses::Default,
    };
    Ok(keys::flags(options.flag("-t"), sensitive.flatten(), extractable.flatten(), uses))
}

fn request(options: &Options, streams: &mut Streams<'_>) -> Result<()> {
    let usage = |what: &str| Error::new(Kind::Usage, what.to_owned());
    let (password, password_file) = (options.octets("-p"), options.path("-P"));
    if password.is_some() && password_file.is_some() {
        return Err(usage("'-p' and '-P' cannot be both specified."));
    }
    let (Some(output), Some(subject)) = (options.path("-o"), options.text("-n")) else {
        return Err(usage("Illegal input parameters.").hint("add -o FILE and -n DN"));
    };
    streams.make_way_for(output);
    let algorithm = options.text("-a").unwrap_or("rsa");
    let length = match algorithm {
        "ec" => {
            if options.has("-l") {
                streams.tell("PKCS10Client: warning: -l is ignored for an EC key");
            }
            None
        }
        _ => options.text("-l").map(|l| keys::number("-l", l)).transpose()?,
    };
    let spec = keys::key_spec(algorithm, length, options.text("-c"))?;
    if algorithm == "ec" && options.flag("-x") {
        return Err(usage(
            "-x true generates a key that cannot sign, but a PKCS #10 request must be signed",
        )
        .hint("use CRMFPopClient -a ec -x true -q POP_NONE"));
    }
    let flags = flags(options, algorithm == "rsa", streams)?;
    let prefixes = if options.flag("-k") { Prefixes::Types } else { Prefixes::Text };
    let subject_der = name::subject(subject, prefixes)?;
    super::check_secrets(password_file, streams);
    let dir = super::database(options.text("-d"), streams)?;
    let given = super::passwords(password, password_file);
    let passwords: Passwords<'_> = Box::new(|wanted| {
        given(wanted).map_err(|e| match password_file {
            Some(_) => e,
            None => e.hint("use -P FILE or -p PASSWORD"),
        })
    });
    let token = options.text("-h").unwrap_or("internal");
    let needs = Needs { token, key: true, ..Needs::default() };
    let session = Session::open(dir, Access::ReadWrite, needs, &passwords)?;
    let verbose = |streams: &mut Streams<'_>, line: &str| {
        if options.has("-v") {
            streams.say(format!("PKCS10Client: {line}"));
        }
    };
    verbose(streams, "Debug: got token.");
    verbose(streams, "Debug: thread token set.");
    let name = if token.is_empty() { "internal" } else { token };
    verbose(streams, &format!("token {name} logged in..."));
    verbose(streams, &format!("rsa_keygen_wrap_unwrap_ops: {}", options.has("-w")));
    let key = KeyWanted::New { spec, flags, purpose: subject.to_owned() };
    let spec = CsrSpec {
        subject: subject_der,
        format: Format::Pkcs10,
        extensions: Extensions::default(),
        key_identifier: options.flag("-y"),
        digests: Digests::Sha256,
    };
    let made = create(&session, &key, &spec)?;
    verbose(streams, "key pair generated.");
    if options.flag("-y") {
        verbose(streams, "use_shared_secret true. Generating SubjectKeyIdentifier extension.");
    }
    verbose(streams, "Certificate request created");
    let id = made.key.id.clone();
    let stored = made.key.check().and_then(|()| keys::store(output, &made.der, &id));
    let id_file = made.key.settle(stored)?;
    session.close()?;
    if options.has("-v") || id_file.is_none() {
        streams.say(format!("Keypair private key id: {}\n", keyid::to_dogtag(&id)));
    }
    streams.say(format!("PKCS10Client: Certificate request written into {}", output.display()));
    if let Some(file) = id_file {
        let file = file.display();
        streams.say(format!("PKCS10Client: PKCS#10 request key id written into {file}"));
    }
    Ok(())
}
