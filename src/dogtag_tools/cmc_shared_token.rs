//! CMCSharedToken: encrypts a passphrase for the CA's issuance protection certificate.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgAction, Parser};

use crate::asn1::pem;
use crate::client::input;
use crate::client::output::{self, Mode};
use crate::client::passwords::Source;
use crate::client::session::{self, Needs, Session};
use crate::client::shared_token::{advice, certificate_in, shared_token};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, KeyTransport};
use crate::secret::Secret;
use crate::streams::Streams;

/// `-h` is the token here. Of a repeated option the first counts; further words don't.
#[derive(Parser)]
#[command(
    name = "CMCSharedToken",
    about = "Encrypts a passphrase for the CA: the CMC shared token",
    disable_help_flag = true
)]
struct Options {
    /// NSS database directory; only needed with -n
    #[arg(short = 'd', value_name = "DIR", action = ArgAction::Append)]
    database: Vec<String>,

    /// Token that makes the session key
    #[arg(short = 'h', value_name = "TOKEN", action = ArgAction::Append)]
    token: Vec<String>,

    /// Password of the token (everybody on this machine can see it)
    #[arg(short = 'p', value_name = "PASSWORD", action = ArgAction::Append)]
    password: Vec<String>,

    /// File with the password of the token
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Passphrase (everybody on this machine can see it)
    #[arg(short = 's', value_name = "PASSPHRASE", action = ArgAction::Append,
          allow_hyphen_values = true)]
    passphrase: Vec<String>,

    /// File with the passphrase in its first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Issuance protection certificate of the CA: PEM, DER or PKCS #7
    #[arg(short = 'b', value_name = "FILE", action = ArgAction::Append)]
    certificate: Vec<PathBuf>,

    /// Nickname of that certificate, when the database has it
    #[arg(short = 'n', value_name = "NICKNAME", action = ArgAction::Append)]
    nickname: Vec<String>,

    /// Also write the base64 text here
    #[arg(short = 'o', value_name = "FILE", action = ArgAction::Append)]
    output: Vec<PathBuf>,

    /// Wrap the session key with RSA-OAEP, as keyWrap.useOAEP of the CA says
    #[arg(long)]
    oaep: bool,

    /// The base64 text on one line, as LDAP wants it
    #[arg(long)]
    single_line: bool,

    /// Say more
    #[arg(short = 'v', long)]
    verbose: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    #[arg(hide = true)]
    ignored: Vec<OsString>,
}

/// Runs CMCSharedToken.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    // Long options also came with one dash.
    let args = args.iter().map(|a| match a.to_str() {
        Some("-oaep") => "--oaep".into(),
        Some("-help") => "--help".into(),
        Some("-verbose") => "--verbose".into(),
        _ => a.clone(),
    });
    let name = OsString::from("CMCSharedToken");
    let options = match Options::try_parse_from(std::iter::once(name).chain(args)) {
        Ok(options) => options,
        Err(e) if !e.use_stderr() => {
            streams.say(e.to_string());
            return 0;
        }
        Err(e) => {
            streams.tell(format!("ERROR: {}", e.to_string().trim_start_matches("error: ")));
            return 1;
        }
    };
    match encrypt(&options, streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.tell(format!("ERROR: {e}"));
            super::hint(&e, streams);
            streams.tell("Try 'CMCSharedToken --help' for more information.");
            1
        }
    }
}

fn encrypt(options: &Options, streams: &mut Streams<'_>) -> Result<()> {
    let files = [&options.password_file, &options.passphrase_file];
    super::check_secrets(files.into_iter().flatten().map(PathBuf::as_path), streams);
    let passphrase = passphrase(options)?;
    let how = if options.oaep { KeyTransport::OaepSha256 } else { KeyTransport::Pkcs1 };
    let der = match (options.certificate.first(), options.nickname.first()) {
        (Some(path), _) => {
            let what = "the issuance protection certificate";
            let recipient = certificate_in(what, &input::read(what, path)?)?;
            warn(&recipient, &passphrase, streams)?;
            // Public-key work only: no database takes part, and none is changed.
            let database = Database::without_files()?;
            let token = database.token("internal")?;
            let der = shared_token(&database, &token, &recipient, passphrase.bytes(), how)?;
            drop(token);
            database.close()?;
            der
        }
        (None, Some(nickname)) => from_database(options, nickname, &passphrase, how, streams)?,
        (None, None) => {
            return Err(Error::new(Kind::Usage, "the issuance protection certificate is missing")
                .hint("give its file with -b, or its nickname with -n"));
        }
    };
    let text = match options.single_line {
        true => format!("{}\n", pem::base64(&der)),
        false => pem::lines(&der, 76, "\r\n"),
    };
    streams.say("\nEncrypted Secret Data:");
    streams.say(&text);
    if let Some(path) = options.output.first() {
        output::write(path, text.as_bytes(), Mode::Private)?;
        streams.say(format!("\nStoring Base64 secret data into {}", path.display()));
    }
    if options.verbose {
        streams.say(format!("{} octets encrypted", passphrase.bytes().len()));
    }
    Ok(())
}

fn passphrase(options: &Options) -> Result<Secret> {
    match (options.passphrase.first(), &options.passphrase_file) {
        (Some(text), _) => Ok(Secret::new(text.as_bytes().to_vec())),
        (None, Some(file)) => Source::File(file.clone()).read_shared("passphrase"),
        (None, None) => Source::Prompt.read_shared("passphrase").map_err(|e| {
            Error::new(Kind::Usage, "Missing passphrase")
                .because(e)
                .hint("give --passphrase-file FILE, or -s PASSPHRASE")
        }),
    }
}

fn from_database(
    options: &Options,
    nickname: &str,
    passphrase: &Secret,
    how: KeyTransport,
    streams: &mut Streams<'_>,
) -> Result<Vec<u8>> {
    let dir = super::database(options.database.first().map(String::as_str), streams)?;
    let name = options.token.first().map_or("", String::as_str);
    let password = options.password.first().map(OsStr::new);
    let passwords = super::passwords(password, options.password_file.as_deref());
    let needs = Needs { token: name, key: true, ..Needs::default() };
    let session = Session::open(dir, Access::ReadOnly, needs, &passwords)?;
    let (database, token) = (&session.database, &session.token);
    let (certificate, _) = session::find_certificate(database, token, nickname)?;
    warn(certificate.der(), passphrase, streams)?;
    let der = shared_token(database, token, certificate.der(), passphrase.bytes(), how)?;
    drop(certificate);
    session.close()?;
    Ok(der)
}

fn warn(certificate: &[u8], passphrase: &Secret, streams: &mut Streams<'_>) -> Result<()> {
    for line in advice(certificate, passphrase.bytes())? {
        streams.tell(format!("warning: {line}"));
    }
    Ok(())
}
