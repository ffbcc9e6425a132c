//! `nss-cmc csr create`: makes a certificate request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::DatabaseArgs;
use crate::cli::enroll::event_text;
use crate::cli::report::Report;
use crate::streams::Streams;
use nss_cmc::algorithm::{Digests, KeySpec};
use nss_cmc::client::archive::Archive;
use nss_cmc::client::csr::{
    AltNames, CsrSpec, Extensions, Format, KeyWanted, Made, Requested, create,
};
use nss_cmc::client::output;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::cmc::crmf::{ArchiveWrap, Pop};
use nss_cmc::error::Result;
use nss_cmc::keyid;
use nss_cmc::nss::{Access, KeyFlags, KeyUses};
use nss_cmc::{name, pem};

/// Prints a report; fails when stdout can't be written.
type Show<'a> = &'a mut dyn FnMut(&mut Report, &mut Streams<'_>) -> Result<()>;

/// How long to wait until another run releases the database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// Arguments of `csr`.
#[derive(Args)]
pub struct CsrArgs {
    #[command(subcommand)]
    command: CsrCommand,
}

#[derive(Subcommand)]
enum CsrCommand {
    /// Create a certificate request for a new or existing key
    Create(Box<CreateArgs>),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PopWord {
    /// No proof: the CA responds with a challenge
    None,
    /// Signature over the request
    Success,
    /// Invalid signature, for tests: the CA must refuse it
    Fail,
}

/// Arguments of `csr create`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  nss-cmc csr create -d /etc/httpd/alias --password-file pin.txt \\\n    \
                  --subject CN=www.example.com,O=EXAMPLE --dns www.example.com --out www.csr\n  \
                  nss-cmc csr create -d db --subject CN=alice --crmf --archive-to transport.pem \\\n    \
                  --out alice.crmf"
)]
pub struct CreateArgs {
    /// Subject, the most specific part first
    #[arg(long, value_name = "DN")]
    subject: String,

    /// Read string types in the subject's values (O=BMPString:Example)
    #[arg(long)]
    subject_types: bool,

    /// Type of the new key: rsa:2048, rsa:3072, ec:nistp256, ec:nistp384, ec:nistp521, mldsa:65,
    /// mlkem:768…
    #[arg(long, value_name = "TYPE", default_value = "rsa:2048")]
    key_type: KeySpec,

    /// Existing key to use: its id (as certutil -K, PKCS10Client or pki print it), or the nickname
    /// of its certificate
    #[arg(
        long,
        value_name = "ID|NICKNAME",
        conflicts_with = "key_type",
        allow_hyphen_values = true
    )]
    key: Option<String>,

    /// Generate a temporary key, deleted when the command ends; only with --archive-to
    #[arg(long, conflicts_with = "key", requires = "archive_to")]
    temporary: bool,

    /// Whether the new key is sensitive (never readable in the clear). Default: true, unless
    /// --temporary
    #[arg(long, value_name = "BOOL", conflicts_with = "key")]
    sensitive: Option<bool>,

    /// Whether the new key is extractable (may be wrapped and exported). Default: true with
    /// --archive-to, else the token's default
    #[arg(long, value_name = "BOOL", conflicts_with = "key")]
    extractable: Option<bool>,

    /// DNS name to request (repeatable)
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,

    /// IP address to request (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,

    /// E-mail address to request (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,

    /// URI to request (repeatable)
    #[arg(long, value_name = "URI")]
    uri: Vec<String>,

    /// Key usages to request: digitalSignature,keyEncipherment…
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    key_usage: Vec<String>,

    /// Extended key usages to request: serverAuth,clientAuth… or object identifiers
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ext_key_usage: Vec<String>,

    /// Other extension to request, its value in DER (repeatable)
    #[arg(long, value_name = "OID[:critical]=HEX")]
    extension: Vec<String>,

    /// Attribute of a PKCS #10 request, its value in DER (repeatable)
    #[arg(long, value_name = "OID=HEX", conflicts_with = "crmf")]
    attribute: Vec<String>,

    /// Add a subjectKeyIdentifier extension, needed for enrollment with a shared secret
    #[arg(long)]
    ski: bool,

    /// Create a CRMF request instead of PKCS #10 (before 10.11, Dogtag accepts no extension but
    /// --ski in it)
    #[arg(long)]
    crmf: bool,

    /// Proof of possession in a CRMF request. Default: success, and none for an ML-KEM key, which
    /// cannot sign
    #[arg(long, value_enum, requires = "crmf")]
    pop: Option<PopWord>,

    /// KRA transport certificate (DER or PEM), to archive the private key in the KRA
    #[arg(long, value_name = "FILE", requires = "crmf")]
    archive_to: Option<PathBuf>,

    /// Algorithm that wraps the private key for the KRA
    #[arg(
        long,
        value_name = "NAME",
        default_value = "AES KeyWrap/Padding",
        requires = "archive_to"
    )]
    wrap: ArchiveWrap,

    /// Encrypt the session key for the KRA with RSA-OAEP; the KRA must be configured for it
    #[arg(long, requires = "archive_to")]
    oaep: bool,

    /// File for the request (PEM). Default: standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    database: DatabaseArgs,
}

impl CsrArgs {
    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        let CsrCommand::Create(args) = &self.command;
        args.out.as_deref()
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let CsrCommand::Create(args) = &self.command;
        args.database.warnings(None)
    }
}

/// Result of `csr create`.
#[derive(Serialize, JsonSchema)]
pub struct Created {
    #[schemars(extend("enum" = ["pkcs10", "crmf"]))]
    format: &'static str,
    /// The request as PEM.
    request: String,
    /// The file that was written.
    file: Option<String>,
    subject: String,
    /// Key id as certutil prints it.
    key_id: String,
    /// Key id as Dogtag's tools print it.
    key_id_signed: String,
    /// Type of a new key.
    key_type: Option<String>,
    new_key: bool,
    /// Whether the key was deleted at the end.
    temporary: bool,
    token: String,
    /// Algorithm that wraps an archived key.
    archive_wrap: Option<String>,
}

/// Runs `csr`. A request for stdout is printed before its key is kept.
///
/// # Errors
/// As [`create`]; [`Kind::Output`](nss_cmc::error::Kind::Output).
pub fn run(args: CsrArgs, streams: &mut Streams<'_>, show: Show<'_>) -> Result<Report> {
    let CsrCommand::Create(args) = args.command;
    run_create(*args, streams, show)
}

fn run_create(args: CreateArgs, streams: &mut Streams<'_>, show: Show<'_>) -> Result<Report> {
    let prefixes = if args.subject_types { name::Prefixes::Types } else { name::Prefixes::Text };
    let subject = name::subject(&args.subject, prefixes)?;
    let extensions = extensions(&args)?;
    let archive = args.archive_to.as_deref().map(|file| Archive::read(file, args.wrap, args.oaep));
    let archive = archive.transpose()?;
    let archived = archive.as_ref().map(|a| a.wrap.name());
    let warnings = archive.as_ref().map(|a| a.warnings.clone()).unwrap_or_default();
    let format = if args.crmf {
        let pop = match args.pop {
            Some(PopWord::None) => Pop::None,
            Some(PopWord::Success) => Pop::Success,
            Some(PopWord::Fail) => Pop::Fail,
            None if args.key.is_none() && !args.key_type.signs() => Pop::None,
            None => Pop::Success,
        };
        Format::Crmf(pop, archive)
    } else {
        Format::Pkcs10
    };
    let digests = Digests::ByStrength;
    let spec = CsrSpec { subject, format, extensions, key_identifier: args.ski, digests };
    let new = args.key.is_none();
    let key = match &args.key {
        Some(name) => KeyWanted::Existing(name.clone()),
        None => KeyWanted::New {
            spec: args.key_type,
            flags: flags(&args, archived.is_some()),
            purpose: args.subject.clone(),
        },
    };
    let passwords = args.database.passwords();
    // The certificate that names an existing key may be in another token.
    let by_name = args.key.as_deref().filter(|key| keyid::parse(key).is_err());
    let needs = Needs {
        token: &args.database.token,
        key: by_name.is_none(),
        signer: by_name,
        ..Needs::default()
    };
    let database = &args.database.database;
    let session = match new {
        true => {
            let mut tell = |event| streams.tell(format!("nss-cmc: {}", event_text(&event)));
            Session::open_locked(database, needs, &passwords, LOCK_TIMEOUT, &mut tell)?
        }
        false => Session::open(database, Access::ReadOnly, needs, &passwords)?,
    };
    let made = create(&session, &key, &spec)?;
    let mut report = report(&args, &made, archived, &session.token.user_name());
    report.warnings = warnings;
    let delivered = made.key.check().and_then(|()| match &args.out {
        Some(path) => {
            let pem = pem::encode(LABEL, &made.der);
            output::write(path, pem.as_bytes(), output::Mode::Default)
        }
        None => show(&mut report, streams),
    });
    made.key.settle(delivered)?;
    Ok(report.closed(session.close()))
}

fn flags(args: &CreateArgs, archived: bool) -> KeyFlags {
    let usual = KeyFlags::permanent(args.key_type);
    // An archived RSA key is for encryption.
    let uses = match args.key_type {
        KeySpec::Rsa(_) if archived => KeyUses::Everything,
        _ => usual.uses,
    };
    KeyFlags {
        permanent: !args.temporary,
        sensitive: args.sensitive.unwrap_or(!args.temporary),
        extractable: args.extractable,
        uses,
    }
}

fn extensions(args: &CreateArgs) -> Result<Extensions> {
    let names = [("dns", &args.dns), ("ip", &args.ip), ("email", &args.email), ("uri", &args.uri)];
    Extensions::read(&Requested {
        names: AltNames::tagged(&names),
        key_usage: args.key_usage.clone(),
        ext_key_usage: args.ext_key_usage.clone(),
        extensions: args.extension.clone(),
        attributes: args.attribute.clone(),
    })
}

const LABEL: &str = "CERTIFICATE REQUEST";

fn report(args: &CreateArgs, made: &Made, archived: Option<&str>, token: &str) -> Report {
    let request = pem::encode(LABEL, &made.der);
    let (id, is_new) = (&made.key.id, made.key.is_new());
    let format = if args.crmf { "crmf" } else { "pkcs10" };
    let msg = match &args.out {
        Some(path) => {
            format!("certificate request for {} written to {}", args.subject, path.display())
        }
        None => format!("certificate request for {}", args.subject),
    };
    let mut report = Report::done("csr create", "created", is_new, msg)
        .line(format!("key id {}", keyid::to_hex(id)))
        .result(Created {
            format,
            request: request.clone(),
            file: args.out.as_ref().map(|path| path.display().to_string()),
            subject: args.subject.clone(),
            key_id: keyid::to_hex(id),
            key_id_signed: keyid::to_dogtag(id),
            key_type: is_new.then(|| args.key_type.to_string()),
            new_key: is_new,
            temporary: args.temporary,
            token: token.to_owned(),
            archive_wrap: archived.map(ToOwned::to_owned),
        });
    if args.out.is_none() {
        report = report.line(request.trim_end());
    }
    report
}
