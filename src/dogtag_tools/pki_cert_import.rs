//! PKICertImport: verifies a certificate, then imports it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::cert::{event_text, notice_text};
use crate::streams::Streams;
use nss_cmc::client::cert_file::{certificates, leaf_first};
use nss_cmc::client::cert_import::{
    CertImportSpec, Certificates, Order, Pkcs12, Source, cert_import, usage_of_letter,
};
use nss_cmc::client::input;
use nss_cmc::client::passwords;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Trust;

/// How long to wait until another run releases the database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

const AFTER: &str = "\
Usages: C TLS client, V TLS server, L TLS CA, A or Y any CA, S e-mail signer, R e-mail recipient,
O OCSP responder, J object signer, I IPsec.

A refused certificate changes nothing. Trust is set after the verification and does not count in it,
except that of a self-signed CA.";

/// The tool's options. `-h` is the token. The last one of a repeated option is used.
#[derive(Parser)]
#[command(
    name = "PKICertImport",
    about = "Verifies a certificate, then imports it",
    after_help = AFTER,
    disable_help_flag = true,
    args_override_self = true
)]
struct Options {
    /// NSS database directory
    #[arg(short = 'd', long, value_name = "DIR", allow_hyphen_values = true)]
    database: Option<String>,

    /// File with the certificate, with or without its chain: PEM, DER or PKCS #7; with -p PKCS #12
    #[arg(short = 'i', long, value_name = "FILE", allow_hyphen_values = true)]
    certificate: Option<PathBuf>,

    /// Nickname for the certificate
    #[arg(short = 'n', long, value_name = "NICKNAME", allow_hyphen_values = true)]
    nickname: Option<String>,

    /// Trust flags for the certificate; `,,` for none
    #[arg(short = 't', long, value_name = "FLAGS", allow_hyphen_values = true)]
    trust: Option<String>,

    /// Usage that the certificate must be valid for
    #[arg(short = 'u', long, value_name = "USAGE", allow_hyphen_values = true)]
    usage: Option<String>,

    /// Ignored: PEM is recognized without it
    #[arg(short = 'a', long)]
    ascii: bool,

    /// Password file of the database
    #[arg(short = 'f', long, value_name = "FILE", allow_hyphen_values = true)]
    password: Option<PathBuf>,

    /// PKCS #11 token for the certificate
    #[arg(short = 'h', long = "hsm", value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,

    /// The file is PKCS #12; its key is imported, too
    #[arg(short = 'p', long)]
    pkcs12: bool,

    /// Password file of the PKCS #12 file
    #[arg(short = 'w', long, value_name = "FILE", allow_hyphen_values = true)]
    pkcs12_password: Option<PathBuf>,

    /// Verify the issuers in the file for the usage -s, and set their trust flags to -r
    #[arg(short = 'c', long)]
    chain: bool,

    /// Import only the certificate, not its issuers
    #[arg(short = 'l', long)]
    leaf_only: bool,

    /// Trust flags for the issuers in the file
    #[arg(short = 'r', long, value_name = "FLAGS", allow_hyphen_values = true)]
    chain_trust: Option<String>,

    /// Usage that the issuers in the file must be valid for
    #[arg(short = 's', long, value_name = "USAGE", allow_hyphen_values = true)]
    chain_usage: Option<String>,

    /// With -p: keep the key if the verification after --unsafe-trust-then-verify fails
    #[arg(long)]
    unsafe_keep_keys: bool,

    /// Set the trust flags first, so that the verification relies on them
    #[arg(long)]
    unsafe_trust_then_verify: bool,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Runs PKICertImport; returns the exit code, 0 if the certificate is valid and imported.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let args = args.iter().map(|a| if a == "help" { "--help".into() } else { a.clone() });
    let name = OsString::from("PKICertImport");
    let options = match Options::try_parse_from(std::iter::once(name).chain(args)) {
        Ok(options) => options,
        Err(e) if !e.use_stderr() => {
            streams.say(e.to_string());
            return 0;
        }
        Err(e) => {
            streams.tell(format!("e: {}", mistake(&e)));
            streams.tell("hint: see PKICertImport --help");
            return 1;
        }
    };
    match import(&options, streams) {
        Ok(()) => 0,
        Err(e) => {
            failed(&e, &options, streams);
            1
        }
    }
}

/// Returns the message about an invalid command line, in the tool's words.
fn mistake(e: &clap::Error) -> String {
    match (e.kind(), e.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) => {
            format!("Unknown argument: {word}")
        }
        _ => {
            let text = e.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        }
    }
}

/// Prints an error, with the lines that scripts search.
fn failed(e: &Error, options: &Options, streams: &mut Streams<'_>) {
    match e.kind() {
        Kind::Usage => {}
        Kind::Untrusted => {
            if let Some(fault) = e.nss() {
                streams.tell(format!("e: certutil: certificate is invalid: {}.", fault.text));
            }
            streams.tell("e: Verification of certificate failed!");
        }
        _ => {
            let database = options.database.as_deref().unwrap_or_default();
            streams.tell(format!("e: Unable to import certificate to NSS DB: {database}."));
        }
    }
    streams.tell(format!("e: {e}"));
    super::explain(e, streams);
}

/// Returns the value of a required option.
fn required<T>(value: Option<T>, what: &str, option: &str) -> Result<T> {
    value.ok_or_else(|| {
        Error::new(Kind::Usage, format!("Missing {what}: specify {option}"))
            .hint("PKICertImport --help")
    })
}

/// Refuses mutually exclusive options.
fn check(options: &Options) -> Result<()> {
    let chain_lacks = options.chain_trust.is_none() || options.chain_usage.is_none();
    let what = if options.ascii && options.pkcs12 {
        "both --ascii/-a and --pkcs12/-p"
    } else if options.pkcs12_password.is_some() && !options.pkcs12 {
        "--pkcs12-password/-w without --pkcs12/-p"
    } else if options.unsafe_keep_keys && !options.pkcs12 {
        "--unsafe-keep-keys without --pkcs12/-p"
    } else if options.chain && options.leaf_only {
        "both --chain/-c and --leaf-only/-l"
    } else if options.chain && chain_lacks {
        "--chain/-c without --chain-trust/-r and --chain-usage/-s"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Usage, format!("Can't specify {what}")).hint("PKICertImport --help"))
}

fn import(options: &Options, streams: &mut Streams<'_>) -> Result<()> {
    let directory =
        required(options.database.as_deref(), "NSS Database location", "--database/-d")?;
    let file = required(options.certificate.as_ref(), "certificate location", "--certificate/-i")?;
    let nickname = required(options.nickname.clone(), "certificate nickname", "--nickname/-n")?;
    let trust = required(options.trust.as_deref(), "certificate trust", "--trust/-t")?;
    let usage = required(options.usage.as_deref(), "certificate usage", "--usage/-u")?;
    check(options)?;
    let database = super::database(Some(directory), streams)?.to_owned();
    let secrets = [&options.password, &options.pkcs12_password];
    super::check_secrets(secrets.into_iter().flatten().map(PathBuf::as_path), streams);
    let of_chain = |text: Option<&String>| text.filter(|_| options.chain).cloned();
    let order = match options.unsafe_trust_then_verify {
        true => Order::TrustFirst,
        false => Order::VerifyFirst,
    };
    let spec = CertImportSpec {
        database,
        token: options.token.clone().unwrap_or_default(),
        passwords: super::passwords(None, options.password.as_deref()),
        certificates: Certificates {
            source: source(options, file)?,
            leaf_only: options.leaf_only,
            nickname,
            usage: Some(usage_of_letter(usage)?),
            trust: Some(Trust::parse(trust)?),
            chain_usage: of_chain(options.chain_usage.as_ref())
                .map(|text| usage_of_letter(&text))
                .transpose()?,
            chain_trust: of_chain(options.chain_trust.as_ref())
                .map(|text| Trust::parse(&text))
                .transpose()?,
            order,
        },
        check: false,
        lock_timeout: LOCK_TIMEOUT,
    };
    let imported = cert_import(spec, &mut |event| streams.tell(event_text(&event)))?;
    for notice in &imported.notices {
        streams.tell(format!("warning: {}", notice_text(notice)));
    }
    if options.pkcs12 {
        streams.say("pk12util: PKCS12 IMPORT SUCCESSFUL");
    }
    Ok(())
}

/// Returns the source of the certificates.
fn source(options: &Options, file: &Path) -> Result<Source> {
    if options.pkcs12 {
        const WHAT: &str = "PKCS #12 password";
        let from = options.pkcs12_password.clone();
        let from = from.map_or(passwords::Source::Prompt, passwords::Source::File);
        return Ok(Source::Pkcs12(Pkcs12 {
            file: file.to_owned(),
            password: from.read_shared(WHAT).map_err(|e| match options.pkcs12_password {
                Some(_) => e,
                None => e.hint("give the file's password with -w FILE"),
            })?,
            keep_key: options.unsafe_keep_keys,
        }));
    }
    let what = format!("the certificate {}", file.display());
    let bytes = input::read("the certificate", file)?;
    Ok(Source::Certificates(leaf_first(&what, certificates(&what, &bytes)?)?))
}
