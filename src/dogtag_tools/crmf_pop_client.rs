//! CRMFPopClient: a key pair in the token and a CRMF request for it, with key archival if
//! requested; stores, prints or submits the request.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::keys;
use super::options::{Dialect, Known, Options, TRUTH, Takes};
use crate::streams::Streams;
use nss_cmc::Url;
use nss_cmc::algorithm::Digests;
use nss_cmc::client::archive::Archive;
use nss_cmc::client::connection::{Config, Transport};
use nss_cmc::client::csr::{CsrSpec, Extensions, Format, KeyWanted, Made, create};
use nss_cmc::client::dogtag::profile_submit::{RequestStatus, Submission, archive_wrap, submit};
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::cmc::crmf::{ArchiveWrap, Pop};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::name::{self, Prefixes};
use nss_cmc::nss::{Access, KeyUses};
use nss_cmc::text::printable;

const HELP: &str = "Usage: CRMFPopClient [OPTIONS]

Options:
  -d <database>          NSS database directory (default: current directory)
  -h <token>             Token name (default: internal)
  -p <password>          Token password
  -P <file>              File with the token password
  -n <subject DN>        Subject, the most specific part first
  -k <true|false>        Read string types in the subject's values (default: false)
  -y                     Add a SubjectKeyIdentifier, for enrollment with a shared secret
  -a <rsa|ec|mldsa|mlkem>
                         Key algorithm (default: rsa)
  -q <POP option>        POP_NONE (default for mlkem), POP_SUCCESS (default) or POP_FAIL
  -b <file>              KRA transport certificate: archive the key
  -w <algorithm>         Algorithm that wraps the key: \"AES KeyWrap/Padding\" (default),
                         \"AES/CBC/PKCS5Padding\", \"AES KeyWrap/Wrapped\", \"AES KeyWrap/NoPadding\"
                         or \"DES3/CBC/Pad\"
      --oaep             Encrypt the session key with RSA-OAEP; the KRA must be configured for it
  -v, --verbose          Print details
      --help             Print help

With rsa, mldsa and mlkem:
  -l <length>            Key length (default: 2048), ML-DSA 44, 65 (default) or 87, or ML-KEM
                         512, 768 (default) or 1024
  -t <true|false>        Temporary (session) key (default: false)

With ec:
  -c <curve>             nistp256 (secp256r1), nistp384 (secp384r1) or nistp521 (secp521r1)
  -t <true|false>        Temporary (session) key (default: true)
  -s <-1|0|1>            Sensitive (default: unless temporary)
  -e <-1|0|1>            Extractable (default: the token's default)
  -x <true|false>        Key for ECDH, which cannot sign: needs POP_NONE (default: false)

To store the request:
  -o <output>            Output file; its key id goes to <output>.keyId

To submit the request:
  -m <host:port>         CA (plain http), or an https URL
  -f <profile>           Profile (default: caEncUserCert; ec: caEncECUserCert; mldsa:
                         caMLDSAUserCert; mlkem: caMLKEMUserCert)
  -u <username>          User name
  -r <requestor>         Requestor";

/// The options. Paths and passwords may be any octets. `-y` also takes a value, as in PKCS10Client.
const OPTIONS: &[Known] = &[
    ("-d", Takes::Text),
    ("-h", Takes::Text),
    ("-p", Takes::Octets),
    ("-P", Takes::Octets),
    ("-n", Takes::Text),
    ("-k", Takes::Text),
    ("-a", Takes::Text),
    ("-l", Takes::Text),
    ("-c", Takes::Text),
    ("-t", Takes::Text),
    ("-s", Takes::Text),
    ("-e", Takes::Text),
    ("-x", Takes::Text),
    ("-q", Takes::Text),
    ("-b", Takes::Octets),
    ("-w", Takes::Text),
    ("-o", Takes::Octets),
    ("-m", Takes::Text),
    ("-f", Takes::Text),
    ("-u", Takes::Text),
    ("-r", Takes::Text),
    ("-y", TRUTH),
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--oaep", Takes::Nothing),
    ("--help", Takes::Nothing),
];

fn is_verbose(options: &Options) -> bool {
    options.has("-v") || options.has("--verbose")
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

/// Runs CRMFPopClient. Unlike the Java tool, it fails when the CA refuses or the result is unknown.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let mut options = Options::new(Dialect::Clustered, OPTIONS);
    let outcome = options.read(args).and_then(|()| {
        if options.has("--help") {
            streams.say(HELP);
            return Ok(true);
        }
        request(&options, streams)
    });
    match outcome {
        Ok(true) => 0,
        // The message is printed already.
        Ok(false) => u8::from(!super::legacy_exit()),
        Err(e) => {
            streams.tell(format!("ERROR: {e}"));
            streams.tell("Try 'CRMFPopClient --help' for more information.");
            super::explain(&e, streams);
            1
        }
    }
}

/// The values of the options, checked before a key is generated.
struct Plan<'a> {
    subject: &'a str,
    key: KeyWanted,
    pop: Pop,
    archive: Option<(PathBuf, ArchiveWrap)>,
    temporary: bool,
    submission: Option<(String, Submission<'a>)>,
}

fn plan<'a>(options: &'a Options, base: &'a str, streams: &mut Streams<'_>) -> Result<Plan<'a>> {
    let sensitive = options.text("-s").map(|t| keys::tristate("-s", t)).transpose()?;
    let extractable = options.text("-e").map(|t| keys::tristate("-e", t)).transpose()?;
    let length = options.text("-l").map(|t| keys::number("-l", t)).transpose()?;
    if options.text("-m").is_some() && options.text("-w").is_some() {
        streams.tell("WARNING: -w is ignored with -m: the CA gives the algorithm of its KRA");
    }
    let subject = options.text("-n").ok_or_else(|| usage("Missing subject DN"))?;
    super::check_secrets(options.path("-P"), streams);
    if options.octets("-p").is_none() && options.path("-P").is_none() {
        return Err(usage("Missing token password"));
    }
    let algorithm = options.text("-a").unwrap_or("rsa");
    let refused = |names: &[&'static str]| names.iter().copied().find(|name| options.has(name));
    let (illegal, name) = match algorithm {
        "ec" => (refused(&["-l"]), "ECC"),
        _ => (refused(&["-c", "-s", "-e", "-x"]), "RSA"),
    };
    if let Some(option) = illegal {
        return Err(usage(format!("Illegal parameter for {name}: {option}")));
    }
    let spec = keys::key_spec(algorithm, length, options.text("-c"))?;
    let temporary = options.truth("-t").unwrap_or(algorithm == "ec");
    let flags = match algorithm {
        "ec" => {
            let agreement = options.truth("-x").unwrap_or(false);
            let uses = if agreement { KeyUses::Agreement } else { KeyUses::Signing };
            keys::flags(temporary, sensitive.flatten(), extractable.flatten(), uses)
        }
        "rsa" => keys::flags(temporary, None, Some(true), KeyUses::Everything),
        _ => keys::flags(temporary, None, Some(true), KeyUses::Default),
    };
    let pop = match options.text("-q") {
        None if !spec.signs() => Pop::None,
        None | Some("POP_SUCCESS") => Pop::Success,
        Some("POP_NONE") => Pop::None,
        Some("POP_FAIL") => Pop::Fail,
        Some(other) => {
            return Err(usage(format!("Invalid POP option: {other}"))
                .because("use POP_NONE, POP_SUCCESS or POP_FAIL"));
        }
    };
    if pop != Pop::None && !spec.signs() {
        return Err(usage("ML-KEM does not support signature-based POP")
            .because("an ML-KEM key cannot sign: use -q POP_NONE"));
    }
    if pop != Pop::None && options.text("-a") == Some("ec") && options.truth("-x") == Some(true) {
        return Err(usage("-x true generates a key that cannot sign: it requires -q POP_NONE"));
    }
    // Without -b no key is wrapped, whatever the environment says.
    let environment =
        options.path("-b").and_then(|_| std::env::var("KEY_ARCHIVAL_KEYWRAP_ALGORITHM").ok());
    let wrap = match options.text("-w").or(environment.as_deref()) {
        Some(name) => name.parse().map_err(usage)?,
        None => ArchiveWrap::KeyWrapPadding,
    };
    let profile = options.text("-f").unwrap_or(match algorithm {
        "ec" => "caEncECUserCert",
        "mldsa" => "caMLDSAUserCert",
        "mlkem" => "caMLKEMUserCert",
        _ => "caEncUserCert",
    });
    let submission = options.text("-m").map(|host| {
        let to =
            Submission { base, profile, user: options.text("-u"), requestor: options.text("-r") };
        (host.to_owned(), to)
    });
    Ok(Plan {
        subject,
        key: KeyWanted::New { spec, flags, purpose: subject.to_owned() },
        pop,
        archive: options.path("-b").map(|file| (PathBuf::from(file), wrap)),
        temporary,
        submission,
    })
}

/// Returns `-m host:port` as a URL; http, as in the Java tool, unless the value has a scheme.
fn base_url(host: Option<&str>) -> String {
    let host = host.unwrap_or_default().trim_end_matches('/');
    if host.starts_with("http://") || host.starts_with("https://") {
        host.to_owned()
    } else {
        format!("http://{host}")
    }
}

/// Makes the request; returns `false` when the CA refused it, or the result is unknown.
fn request(options: &Options, streams: &mut Streams<'_>) -> Result<bool> {
    if let Some(output) = options.path("-o") {
        streams.make_way_for(output);
    }
    let base = base_url(options.text("-m"));
    let plan = plan(options, &base, streams)?;
    if plan.submission.is_some() && base.starts_with("http://") {
        streams.tell(
            "WARNING: plain http: others can read and change the request and the response; use an \
             https URL with -m",
        );
    }
    let verbose = |streams: &mut Streams<'_>, text: &str| {
        if is_verbose(options) {
            streams.say(text);
        }
    };
    let prefixes =
        if options.truth("-k").unwrap_or(false) { Prefixes::Types } else { Prefixes::Text };
    let subject = name::subject(plan.subject, prefixes)?;
    let archive = match &plan.archive {
        Some((file, wrap)) => Some(Archive::read(file, *wrap, options.has("--oaep"))?),
        None => None,
    };
    for warning in archive.iter().flat_map(|a| &a.warnings) {
        streams.tell(format!("WARNING: {warning}"));
    }
    let dir = super::database(options.text("-d"), streams)?;
    verbose(streams, &format!("Initializing security database: {dir}"));
    let passwords = super::passwords(options.octets("-p"), options.path("-P"));
    let needs =
        Needs { token: options.text("-h").unwrap_or_default(), key: true, ..Needs::default() };
    let session = Session::open(dir, Access::ReadWrite, needs, &passwords)?;
    if archive.is_some() {
        verbose(streams, "archival option enabled\nLoading transport certificate");
    } else {
        verbose(streams, "archival option not enabled");
    }
    let mut transport = match &plan.submission {
        Some(_) => {
            // http, as in the Java tool.
            let config = Config { plain_http: true, ..Config::new(Url::parse(&base)?) };
            Some(config.transport(Some(&session.database), None)?)
        }
        None => None,
    };
    let archive = match (archive, &mut transport) {
        (Some(mut archive), Some(transport)) => {
            // The options count when the CA doesn't say which wrapping it requires.
            archive.wrap = archive_wrap(transport, &base)?.unwrap_or(archive.wrap);
            Some(archive)
        }
        (archive, _) => archive,
    };
    verbose(streams, "Parsing subject DN");
    verbose(streams, &format!("Generating key pair: temporary: {}", plan.temporary));
    if plan.temporary && archive.is_none() {
        streams.tell(
            "WARNING: the key is temporary and not archived: it is deleted when the command ends; use \
             -t false to keep it",
        );
    }
    let wrap_line =
        archive.as_ref().map(|a| format!("Using key wrap algorithm: {}", a.wrap.name()));
    let spec = CsrSpec {
        subject,
        format: Format::Crmf(plan.pop, archive),
        extensions: Extensions::default(),
        key_identifier: options.flag("-y"),
        digests: Digests::Sha256,
    };
    let made = create(&session, &plan.key, &spec)?;
    let mut lines = vec![format!("Keypair private key id: {}", keyid::to_dogtag(&made.key.id))];
    lines.extend(wrap_line.filter(|_| is_verbose(options)));
    if options.flag("-y") {
        lines.push(
            "CRMFPopClient: use_shared_secret true. Generating SubjectKeyIdentifier extension."
                .into(),
        );
    }
    lines.extend(is_verbose(options).then(|| "Creating CRMF request".into()));
    let accepted = match (plan.submission, transport) {
        (Some((host, to)), Some(mut transport)) => {
            streams.say(lines.join("\n"));
            let to = (host.as_str(), &to);
            let how = (plan.temporary, is_verbose(options));
            hand_in(made, to, how, &mut transport, streams)?
        }
        _ => {
            keep(made, options.path("-o"), lines, streams)?;
            true
        }
    };
    session.close()?;
    Ok(accepted)
}

/// Stores or prints the request, after `lines`; the key is deleted when neither succeeds.
fn keep(
    made: Made,
    output: Option<&Path>,
    mut lines: Vec<String>,
    streams: &mut Streams<'_>,
) -> Result<()> {
    let ready = made.key.check();
    let Some(output) = output else {
        lines.push(format!("{}\n", keys::request_text(&made.der)));
        let printed = ready.and_then(|()| streams.print(&lines.join("\n")));
        return made.key.settle(printed);
    };
    let stored = ready.and_then(|()| keys::store(output, &made.der, &made.key.id));
    let id_file = made.key.settle(stored)?;
    lines.push(format!("Storing CRMF request into {}", output.display()));
    lines
        .extend(id_file.map(|file| format!("Storing CRMF request key id into {}", file.display())));
    streams.say(lines.join("\n"));
    Ok(())
}

/// The line before and after the CA's page.
const RULE: &str = "--------------------";

/// Submits the request. The key is deleted only when the CA has not received the request: the page
/// is not signed, so a refusal proves nothing.
fn hand_in(
    made: Made,
    (host, to): (&str, &Submission<'_>),
    (temporary, verbose): (bool, bool),
    transport: &mut Transport<'_>,
    streams: &mut Streams<'_>,
) -> Result<bool> {
    streams.say(format!("Submitting CRMF request to {host}"));
    if verbose {
        streams.say(format!("Opening {}", to.url()));
    }
    // Without stdout the request id would be lost.
    let heard = made.key.check().and_then(|()| streams.print(""));
    let answer = heard.and_then(|()| submit(transport, to, &made.der));
    let answer = match answer {
        Ok(answer) => answer,
        Err(e) if e.was_sent() => return Err(undecided(made, temporary, e)),
        Err(e) => return made.key.settle(Err(e)),
    };
    if verbose {
        let page: Vec<_> = answer.page.lines().map(printable).collect();
        streams.say(format!("{RULE}\n{}\n{RULE}", page.join("\n")));
    }
    if let Some(id) = &answer.id {
        streams.say(format!("Request ID: {id}"));
    }
    if let Some(status) = answer.status {
        streams.say(format!("Request Status: {}", status.word()));
    }
    if let Some(reason) = &answer.reason {
        streams.say(format!("Reason: {reason}"));
    }
    match answer.status {
        Some(RequestStatus::Completed | RequestStatus::Pending) => {
            return made.key.settle(Ok(true));
        }
        Some(RequestStatus::Failed | RequestStatus::Rejected) => {
            let e = Error::new(Kind::Rejected, "the CA refused the request");
            for note in undecided(made, temporary, e).notes() {
                streams.tell(format!("WARNING: this refusal is not signed: {note}"));
            }
        }
        Some(RequestStatus::Unknown) | None => {
            let why = "response has no request status";
            let why = Error::new(Kind::Http, why)
                .hint("use -v to print the response; ask an agent of the CA");
            let e = undecided(made, temporary, why);
            streams.tell(format!("ERROR: {e}"));
            super::explain(&e, streams);
        }
    }
    Ok(false)
}

/// Returns the error of a failure after which the CA may have the request, and may issue a
/// certificate.
fn undecided(made: Made, temporary: bool, e: Error) -> Error {
    if !temporary {
        return made.key.leave(e);
    }
    drop(made);
    e.note(
        "the key was temporary and is deleted; if the CA issues a certificate for it, revoke the certificate",
    )
}
