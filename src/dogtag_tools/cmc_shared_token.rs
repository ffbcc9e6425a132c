//! CMCSharedToken: encrypts a passphrase for the CA's issuance protection certificate.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgAction, Parser};

use crate::streams::Streams;
use nss_cmc::client::output::{self, Mode};
use nss_cmc::client::passwords::Source;
use nss_cmc::client::shared_token::{self, Recipient, SharedTokenSpec};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::KeyTransport;
use nss_cmc::pem;
use nss_cmc::secret::Secret;

/// `-h` is the token here. Of a repeated option the first counts; further words don't.
#[derive(Parser)]
#[command(
    name = "CMCSharedToken",
    about = "Encrypt a passphrase for the CA (CMC shared token)",
    disable_help_flag = true
)]
struct Options {
    /// NSS database directory, for -n
    #[arg(short = 'd', value_name = "DIR", action = ArgAction::Append)]
    database: Vec<String>,

    /// Token that generates the session key
    #[arg(short = 'h', value_name = "TOKEN", action = ArgAction::Append)]
    token: Vec<String>,

    /// Token password (visible to all users of this machine)
    #[arg(short = 'p', value_name = "PASSWORD", action = ArgAction::Append)]
    password: Vec<String>,

    /// File with the token password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Passphrase (visible to all users of this machine)
    #[arg(short = 's', value_name = "PASSPHRASE", action = ArgAction::Append,
          allow_hyphen_values = true)]
    passphrase: Vec<String>,

    /// File with the passphrase in its first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// File with the CA's issuance protection certificate: PEM, DER or PKCS #7
    #[arg(short = 'b', value_name = "FILE", action = ArgAction::Append)]
    certificate: Vec<PathBuf>,

    /// Nickname of the issuance protection certificate in the NSS database
    #[arg(short = 'n', value_name = "NICKNAME", action = ArgAction::Append)]
    nickname: Vec<String>,

    /// File for the base64 text; it is printed, too
    #[arg(short = 'o', value_name = "FILE", action = ArgAction::Append)]
    output: Vec<PathBuf>,

    /// Encrypt the session key with RSA-OAEP, for a CA with keyWrap.useOAEP=true
    #[arg(long)]
    oaep: bool,

    /// Print the base64 text on one line, for LDAP
    #[arg(long)]
    single_line: bool,

    /// Print details
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
    // Long options also work with one dash.
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
    let recipient = match (options.certificate.first(), options.nickname.first()) {
        // A certificate file needs only a public-key operation, and no database.
        (Some(path), _) => Recipient::File(path.clone()),
        (None, Some(nickname)) => {
            let dir = super::database(options.database.first().map(String::as_str), streams)?;
            let password = options.password.first().map(OsStr::new);
            Recipient::Database {
                directory: dir.to_owned(),
                nickname: nickname.clone(),
                token: Some(options.token.first().cloned().unwrap_or_default()),
                passwords: super::passwords(password, options.password_file.as_deref()),
            }
        }
        (None, None) => {
            return Err(Error::new(Kind::Usage, "no issuance protection certificate given")
                .hint("use -b FILE or -n NICKNAME"));
        }
    };
    let key_transport = if options.oaep { KeyTransport::OaepSha256 } else { KeyTransport::Pkcs1 };
    let spec = SharedTokenSpec { passphrase: &passphrase, recipient, key_transport };
    let der = shared_token::encrypt(spec, &mut |why| streams.tell(format!("warning: {why}")))?.der;
    let text = match options.single_line {
        true => format!("{}\n", pem::base64(&der)),
        false => pem::lines(&der, 76, "\r\n"),
    };
    if let Some(path) = options.output.first() {
        streams.make_way_for(path);
    }
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
                .hint("use --passphrase-file FILE, or -s PASSPHRASE")
        }),
    }
}
