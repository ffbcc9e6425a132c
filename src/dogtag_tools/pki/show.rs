//! `pki ca-cert-show`, `ca-cert-export`, and the same for the CA's own certificates.

use std::ffi::OsString;
use std::path::Path;

use super::super::options::{Dialect, Known, Options, Takes};
use super::super::text::date;
use super::global::Global;
use super::{not_a_number, server, usage};
use crate::streams::Streams;
use nss_cmc::client::dogtag::certificates::{Details, Subsystem};
use nss_cmc::client::output;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::{Number, pem};

const SHOW: &str = "usage: ca-cert-show <Serial Number> [OPTIONS...]
    --pretty          the certificate in words, too, where the CA sends them
    --encoded         the PEM, too; deprecated: ca-cert-export
    --output <file>   write the PEM; deprecated: ca-cert-export
    -v, --verbose, --debug, --help";

const EXPORT: &str = "usage: ca-cert-export <Serial Number> [OPTIONS...]
    --output-format <format>   PEM (default) or DER
    --output-file <file>       instead of stdout
    -v, --verbose, --debug, --help";

const SHOW_OWN: &str = "usage: ca-cert-signing-show, ca-cert-transport-show [OPTIONS...]
    -v, --verbose, --debug, --help";

const EXPORT_OWN: &str = "usage: ca-cert-signing-export, ca-cert-transport-export [OPTIONS...]
    --output-format <format>   PEM (default) or DER
    --output-file <file>       instead of stdout
    --pkcs7                    the certificate and its issuers as PKCS #7
    -v, --verbose, --debug, --help";

const COMMON: &[Known] = &[
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--debug", Takes::Nothing),
    ("--help", Takes::Nothing),
];

const SHOW_OPTIONS: &[Known] = &[
    ("--pretty", Takes::Nothing),
    ("--encoded", Takes::Nothing),
    ("--output", Takes::Octets),
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--debug", Takes::Nothing),
    ("--help", Takes::Nothing),
];

const EXPORT_OPTIONS: &[Known] = &[
    ("--output-format", Takes::Text),
    ("--output-file", Takes::Octets),
    ("--pkcs7", Takes::Nothing),
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--debug", Takes::Nothing),
    ("--help", Takes::Nothing),
];

/// Runs `ca-cert-show`.
///
/// # Errors
/// [`Kind::Usage`] for options; those of [`server::with`]; [`Kind::Output`].
pub fn show(global: &Global, args: &[OsString], streams: &mut Streams<'_>) -> Result<()> {
    let Some(options) = read(SHOW_OPTIONS, SHOW, args, streams)? else { return Ok(()) };
    let serial = serial(&options, "Missing Serial Number.")?;
    for name in ["--encoded", "--output"] {
        if options.has(name) {
            let text = format!("WARNING: The {name} option has been deprecated.");
            streams.tell(format!("{text} Use pki ca-cert-export instead."));
        }
    }
    let found = server::with(global, streams, |ca| ca.show(&serial))?;
    if let Some(file) = options.path("--output") {
        streams.make_way_for(file);
        output::write(file, found.pem.as_bytes(), output::Mode::Default)?;
    }
    let mut text = summary(&found);
    let pretty = found.pretty_print.as_ref().filter(|_| options.has("--pretty"));
    if let Some(pretty) = pretty {
        text.push_str(&format!("\n{pretty}\n"));
    }
    if options.has("--encoded") {
        text.push_str(&format!("\n{}\n", found.pem.trim_end()));
    }
    streams.put(&text);
    Ok(())
}

/// Runs `ca-cert-signing-show` or `ca-cert-transport-show`.
///
/// # Errors
/// As [`show`].
pub fn show_own(
    global: &Global,
    subsystem: Subsystem,
    args: &[OsString],
    streams: &mut Streams<'_>,
) -> Result<()> {
    let Some(options) = read(COMMON, SHOW_OWN, args, streams)? else { return Ok(()) };
    no_more(&options, 0)?;
    let found = server::with(global, streams, |ca| ca.subsystem(subsystem))?;
    streams.put(&summary(&found));
    Ok(())
}

/// Runs `ca-cert-export`.
///
/// # Errors
/// As [`show`].
pub fn export(global: &Global, args: &[OsString], streams: &mut Streams<'_>) -> Result<()> {
    let Some(options) = read(EXPORT_OPTIONS, EXPORT, args, streams)? else { return Ok(()) };
    if options.has("--pkcs7") {
        return Err(usage("Unrecognized option: --pkcs7"));
    }
    let serial = serial(&options, "Missing serial number")?;
    let form = form(&options)?;
    let found = server::with(global, streams, |ca| ca.show(&serial))?;
    hand_out(&found, form, options.path("--output-file"), streams)
}

/// Runs `ca-cert-signing-export` or `ca-cert-transport-export`.
///
/// # Errors
/// As [`show`].
pub fn export_own(
    global: &Global,
    subsystem: Subsystem,
    args: &[OsString],
    streams: &mut Streams<'_>,
) -> Result<()> {
    let Some(options) = read(EXPORT_OPTIONS, EXPORT_OWN, args, streams)? else { return Ok(()) };
    no_more(&options, 0)?;
    let form = form(&options)?;
    let found = server::with(global, streams, |ca| ca.subsystem(subsystem))?;
    hand_out(&found, form, options.path("--output-file"), streams)
}

/// Reads a command's options; `None` after printing the help on request.
fn read(
    known: &'static [Known],
    help: &str,
    args: &[OsString],
    streams: &mut Streams<'_>,
) -> Result<Option<Options>> {
    let mut options = Options::new(Dialect::Clustered, known);
    options.read(args)?;
    if options.has("--help") {
        streams.say(help);
        return Ok(None);
    }
    Ok(Some(options))
}

fn no_more(options: &Options, words: usize) -> Result<()> {
    match options.unknown.len() > words {
        true => Err(usage("Too many arguments specified.")),
        false => Ok(()),
    }
}

fn serial(options: &Options, missing: &str) -> Result<Number> {
    let (_, word) = options.unknown.first().ok_or_else(|| usage(missing))?;
    no_more(options, 1)?;
    let word = word.to_string_lossy();
    Number::parse(&word).map_err(|_| not_a_number(&word))
}

/// The form of an exported certificate.
#[derive(Clone, Copy)]
enum Form {
    Pem,
    Der,
    Chain,
    ChainDer,
}

fn form(options: &Options) -> Result<Form> {
    let format = options.text("--output-format").unwrap_or("PEM");
    let chain = options.has("--pkcs7");
    match format.to_ascii_uppercase().as_str() {
        "PEM" if chain => Ok(Form::Chain),
        "DER" if chain => Ok(Form::ChainDer),
        "PEM" => Ok(Form::Pem),
        "DER" => Ok(Form::Der),
        _ => Err(usage(format!("Unsupported format: {format}"))),
    }
}

fn hand_out(
    of: &Details,
    form: Form,
    file: Option<&Path>,
    streams: &mut Streams<'_>,
) -> Result<()> {
    let chain = || {
        let lacks = || Error::new(Kind::Http, "the CA sent no certificate chain");
        of.chain.as_deref().ok_or_else(lacks)
    };
    let content = match form {
        Form::Pem => of.pem.clone().into_bytes(),
        Form::Der => of.der.clone(),
        Form::Chain => {
            let body = pem::lines(chain()?, 76, "\r\n");
            format!("-----BEGIN PKCS7-----\n{body}-----END PKCS7-----\n").into_bytes()
        }
        Form::ChainDer => chain()?.to_vec(),
    };
    match file {
        Some(file) => output::write(file, &content, output::Mode::Default),
        None => streams.print_octets(&content),
    }
}

/// Returns the fields of a certificate as pki prints them.
fn summary(of: &Details) -> String {
    let all = [
        ("Serial Number", Some(of.serial.hex())),
        ("Subject DN", Some(of.subject.clone())),
        ("Issuer DN", Some(of.issuer.clone())),
        ("Status", of.status.clone()),
        ("Not Valid Before", of.not_before.clone()),
        ("Not Valid After", of.not_after.clone()),
        ("Revoked On", of.revoked_on.map(date::unix)),
        ("Revoked By", of.revoked_by.clone()),
    ];
    let line = |(name, value): (&str, Option<String>)| Some(format!("  {name}: {}\n", value?));
    all.into_iter().filter_map(line).collect()
}
