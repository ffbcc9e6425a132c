//! CRMFPopClient: a key pair in the token and a CRMF request for it, the key archived if wished,
//! stored, printed or submitted to the CA.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::keys;
use crate::asn1::name::{self, Prefixes};
use crate::cli::Streams;
use crate::client::archive::Archive;
use crate::client::connection::Config;
use crate::client::csr::{CsrSpec, Format, KeyWanted, Made, create};
use crate::client::dogtag::profile_submit::{RequestStatus, Submission, archive_wrap, submit};
use crate::client::session::{Needs, Session};
use crate::cmc::crmf::{ArchiveWrap, Pop};
use crate::error::{Error, Kind, Result};
use crate::http::{Transport, Url};
use crate::keyid;
use crate::nss::{Access, KeyUses};
use crate::text::printable;

const HELP: &str = "\
Usage: CRMFPopClient [OPTIONS]

Options:
  -d <database>          NSS database directory (default: current directory)
  -h <token>             Token name (default: internal)
  -p <password>          Token password
  -P <file>              File with the token password
  -n <subject DN>        Subject, the most specific part first
  -k <true|false>        Values of the subject may name their string type (default: false)
  -y                     Add a SubjectKeyIdentifier, for requests with a shared secret
  -a <rsa|ec|mldsa>      Key algorithm (default: rsa)
  -q <POP option>        POP_NONE, POP_SUCCESS (default) or POP_FAIL
  -b <file>              KRA transport certificate: archive the key
  -w <algorithm>         How the key is wrapped: \"AES KeyWrap/Padding\" (default),
                         \"AES/CBC/PKCS5Padding\", \"AES KeyWrap/Wrapped\", \"AES KeyWrap/NoPadding\"
                         or \"DES3/CBC/Pad\"
      --oaep             RSA-OAEP around the session key; the KRA must be set up for it
  -v, --verbose          Tell what is done
      --help             Show this

With rsa and mldsa:
  -l <length>            Key length (default: 2048), or ML-DSA 44, 65 (default) or 87
  -t <true|false>        Temporary (session) key (default: false)

With ec:
  -c <curve>             nistp256 (secp256r1), nistp384 (secp384r1) or nistp521 (secp521r1)
  -t <true|false>        Temporary (session) key (default: true)
  -s <-1|0|1>            Sensitive (default: unless temporary)
  -e <-1|0|1>            Extractable (default: as the token likes)
  -x <true|false>        Key for ECDH, which can't sign: needs POP_NONE (default: false)

To store the request:
  -o <output>            Output file; its key id goes to <output>.keyId

To submit the request:
  -m <host:port>         CA, over plain http; or a URL with https
  -f <profile>           Profile (default: caEncUserCert; ec: caEncECUserCert)
  -u <username>          User name
  -r <requestor>         Requestor";

/// Options with a value.
const VALUED: &str = "dhpPnkalctsexqbwomfur";
/// Options without.
const BARE: &str = "yv";

/// Those of them that name a file or are a password: any octets.
const RAW: &str = "pPob";

/// The command line: first value of each option counts, words that belong to none are dropped.
#[derive(Default)]
struct Line {
    values: Vec<(char, String)>,
    raw: Vec<(char, OsString)>,
    key_identifier: bool,
    verbose: bool,
    oaep: bool,
    help: bool,
}

impl Line {
    fn read(args: &[OsString]) -> Result<Line> {
        let mut line = Line::default();
        let mut rest = args.iter().peekable();
        while let Some(arg) = rest.next() {
            let unknown = || usage(format!("Unrecognized option: {}", arg.display()));
            match arg.as_bytes() {
                b"--help" | b"-help" => line.help = true,
                b"--verbose" | b"-verbose" => line.verbose = true,
                b"--oaep" | b"-oaep" => line.oaep = true,
                b"--" => break,
                word => {
                    // -vy, -d DIR, -dDIR
                    let mut letters = word.strip_prefix(b"-").unwrap_or_default();
                    while let [letter, glued @ ..] = letters {
                        let letter = char::from(*letter);
                        letters = glued;
                        if VALUED.contains(letter) {
                            let value = match glued {
                                [] => rest.next_if(|v| !is_option(v)).map(OsString::as_os_str),
                                _ => Some(OsStr::from_bytes(glued)),
                            };
                            line.take(letter, value)?;
                            break;
                        }
                        match letter {
                            'v' => line.verbose = true,
                            // PKCS10Client's -y takes a word; here it is understood, too.
                            'y' => {
                                line.key_identifier = rest
                                    .next_if(|v| *v == "true" || *v == "false")
                                    .is_none_or(|v| v == "true");
                            }
                            _ => return Err(unknown()),
                        }
                    }
                }
            }
        }
        Ok(line)
    }

    fn take(&mut self, letter: char, value: Option<&OsStr>) -> Result<()> {
        let value = value.ok_or_else(|| usage(format!("Missing argument for option: {letter}")))?;
        if RAW.contains(letter) {
            self.raw.push((letter, value.to_owned()));
        } else {
            self.values.push((letter, super::text(&format!("-{letter}"), value)?));
        }
        Ok(())
    }

    fn raw(&self, letter: char) -> Option<&OsStr> {
        self.raw.iter().find(|(l, _)| *l == letter).map(|(_, v)| v.as_os_str())
    }

    fn file(&self, letter: char) -> Option<&Path> {
        self.raw(letter).map(Path::new)
    }

    fn get(&self, letter: char) -> Option<&str> {
        self.values.iter().find(|(l, _)| *l == letter).map(|(_, v)| v.as_str())
    }

    fn truth(&self, letter: char) -> Option<bool> {
        self.get(letter).map(|v| v.eq_ignore_ascii_case("true"))
    }
}

/// Whether a word is one of the options, so that it can't be the value of another.
fn is_option(word: &OsStr) -> bool {
    match word.as_bytes() {
        [b'-', b'-', ..] => true,
        [b'-', letter] => {
            let letter = char::from(*letter);
            VALUED.contains(letter) || BARE.contains(letter)
        }
        _ => false,
    }
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

/// Runs CRMFPopClient. Unlike the Java tool it fails when the CA refuses or is unclear.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let outcome = Line::read(args).and_then(|line| {
        if line.help {
            streams.say(HELP);
            return Ok(true);
        }
        request(&line, streams)
    });
    match outcome {
        Ok(true) => 0,
        // The CA refused or was unclear, and it was said.
        Ok(false) => u8::from(!super::legacy_exit()),
        Err(e) => {
            streams.tell(format!("ERROR: {e}"));
            streams.tell("Try 'CRMFPopClient --help' for more information.");
            keys::explain(&e, streams);
            1
        }
    }
}

/// Everything the options say, checked before anything is made.
struct Plan<'a> {
    subject: &'a str,
    key: KeyWanted,
    pop: Pop,
    archive: Option<(PathBuf, ArchiveWrap)>,
    temporary: bool,
    submission: Option<(String, Submission<'a>)>,
}

fn plan<'a>(line: &'a Line, base: &'a str, streams: &mut Streams<'_>) -> Result<Plan<'a>> {
    let sensitive = line.get('s').map(|t| keys::tristate("-s", t)).transpose()?;
    let extractable = line.get('e').map(|t| keys::tristate("-e", t)).transpose()?;
    let length = line.get('l').map(|t| keys::number("-l", t)).transpose()?;
    if line.get('m').is_some() && line.get('w').is_some() {
        streams.tell(
            "WARNING: -w is overridden with -m: the CA is asked which algorithm its KRA wants",
        );
    }
    let subject = line.get('n').ok_or_else(|| usage("Missing subject DN"))?;
    super::check_secrets(line.file('P'), streams);
    if line.raw('p').is_none() && line.file('P').is_none() {
        return Err(usage("Missing token password"));
    }
    let algorithm = line.get('a').unwrap_or("rsa");
    let refused = |letters: &str| letters.chars().find(|l| line.get(*l).is_some());
    let (illegal, name) = match algorithm {
        "ec" => (refused("l"), "ECC"),
        _ => (refused("csex"), "RSA"),
    };
    if let Some(letter) = illegal {
        return Err(usage(format!("Illegal parameter for {name}: -{letter}")));
    }
    let spec = keys::key_spec(algorithm, length, line.get('c'))?;
    let temporary = line.truth('t').unwrap_or(algorithm == "ec");
    let flags = match algorithm {
        "ec" => {
            let agreement = line.truth('x').unwrap_or(false);
            let uses = if agreement { KeyUses::Agreement } else { KeyUses::Signing };
            keys::flags(temporary, sensitive.flatten(), extractable.flatten(), uses)
        }
        "rsa" => keys::flags(temporary, None, Some(true), KeyUses::Everything),
        _ => keys::flags(temporary, None, Some(true), KeyUses::Default),
    };
    let pop = match line.get('q') {
        None | Some("POP_SUCCESS") => Pop::Success,
        Some("POP_NONE") => Pop::None,
        Some("POP_FAIL") => Pop::Fail,
        Some(other) => {
            return Err(usage(format!("Invalid POP option: {other}"))
                .because("POP_NONE, POP_SUCCESS and POP_FAIL are known"));
        }
    };
    if pop != Pop::None && line.get('a') == Some("ec") && line.truth('x') == Some(true) {
        return Err(usage("-x true makes a key that can't sign: it needs -q POP_NONE"));
    }
    // Without -b nothing is wrapped, whatever is in the environment.
    let environment =
        line.file('b').and_then(|_| std::env::var("KEY_ARCHIVAL_KEYWRAP_ALGORITHM").ok());
    let wrap = match line.get('w').or(environment.as_deref()) {
        Some(name) => name.parse().map_err(usage)?,
        None => ArchiveWrap::KeyWrapPadding,
    };
    let profile = line.get('f').unwrap_or(match algorithm {
        "ec" => "caEncECUserCert",
        "mldsa" => "caMLDSAUserCert",
        _ => "caEncUserCert",
    });
    let submission = line.get('m').map(|host| {
        let to = Submission { base, profile, user: line.get('u'), requestor: line.get('r') };
        (host.to_owned(), to)
    });
    Ok(Plan {
        subject,
        key: KeyWanted::New { spec, flags, purpose: subject.to_owned() },
        pop,
        archive: line.file('b').map(|file| (PathBuf::from(file), wrap)),
        temporary,
        submission,
    })
}

/// `-m host:port` as a URL; plain http, as ever, unless the URL says otherwise.
fn base_url(host: Option<&str>) -> String {
    let host = host.unwrap_or_default().trim_end_matches('/');
    if host.starts_with("http://") || host.starts_with("https://") {
        host.to_owned()
    } else {
        format!("http://{host}")
    }
}

/// Does the work; `false` when the CA refused the request, or nobody knows.
fn request(line: &Line, streams: &mut Streams<'_>) -> Result<bool> {
    let base = base_url(line.get('m'));
    let plan = plan(line, &base, streams)?;
    if plan.submission.is_some() && base.starts_with("http://") {
        streams.tell(
            "WARNING: plain http: anybody on the way can read and change everything; give a URL \
             with https after -m",
        );
    }
    let verbose = |streams: &mut Streams<'_>, text: &str| {
        if line.verbose {
            streams.say(text);
        }
    };
    let prefixes = if line.truth('k').unwrap_or(false) { Prefixes::Types } else { Prefixes::Text };
    let subject = name::subject(plan.subject, prefixes)?;
    let archive = match &plan.archive {
        Some((file, wrap)) => Some(Archive::read(file, *wrap, line.oaep)?),
        None => None,
    };
    for warning in archive.iter().flat_map(|a| &a.warnings) {
        streams.tell(format!("WARNING: {warning}"));
    }
    let dir = super::database(line.get('d'), streams)?;
    verbose(streams, &format!("Initializing security database: {dir}"));
    let passwords = super::passwords(line.raw('p'), line.file('P').map(Path::new));
    let needs = Needs { token: line.get('h').unwrap_or_default(), key: true, ..Needs::default() };
    let Session { database, token, held } =
        Session::open(dir, Access::ReadWrite, needs, &passwords)?;
    if archive.is_some() {
        verbose(streams, "archival option enabled\nLoading transport certificate");
    } else {
        verbose(streams, "archival option not enabled");
    }
    let mut transport = match &plan.submission {
        Some(_) => {
            // Plain http, as ever.
            let config = Config { plain_http: true, ..Config::new(Url::parse(&base)?) };
            Some(config.transport(Some(&database), None)?)
        }
        None => None,
    };
    let archive = match (archive, &mut transport) {
        (Some(mut archive), Some(transport)) => {
            // Where the CA doesn't tell, what the options say is done.
            archive.wrap = archive_wrap(transport, &base)?.unwrap_or(archive.wrap);
            Some(archive)
        }
        (archive, _) => archive,
    };
    verbose(streams, "Parsing subject DN");
    verbose(streams, &format!("Generating key pair: temporary: {}", plan.temporary));
    if plan.temporary && archive.is_none() {
        streams.tell(
            "WARNING: the key is temporary and not archived: it is gone when this ends. Keep it \
             with -t false",
        );
    }
    let wrap_line =
        archive.as_ref().map(|a| format!("Using key wrap algorithm: {}", a.wrap.name()));
    let made = create(
        &database,
        &token,
        CsrSpec {
            subject,
            key: plan.key,
            format: Format::Crmf(plan.pop, archive),
            extensions: Vec::new(),
            attributes: Vec::new(),
            key_identifier: line.key_identifier,
        },
    )?;
    let mut lines = vec![format!("Keypair private key id: {}", keyid::to_dogtag(&made.id))];
    lines.extend(wrap_line.filter(|_| line.verbose));
    if line.key_identifier {
        lines.push(
            "CRMFPopClient: use_shared_secret true. Generating SubjectKeyIdentifier extension."
                .into(),
        );
    }
    lines.extend(line.verbose.then(|| "Creating CRMF request".into()));
    let accepted = match (plan.submission, transport) {
        (Some((host, to)), Some(mut transport)) => {
            streams.say(lines.join("\n"));
            let to = (host.as_str(), &to);
            let how = (plan.temporary, line.verbose);
            hand_in(made, to, how, &mut transport, streams)?
        }
        _ => {
            keep(made, line.file('o'), lines, streams)?;
            true
        }
    };
    drop((token, held));
    database.close().map_err(|f| Error::new(Kind::Internal, "can't shut NSS down").because(f))?;
    Ok(accepted)
}

/// Stores the request or prints it, behind `lines`; the key goes again when neither can be done.
fn keep(
    made: Made,
    output: Option<&Path>,
    mut lines: Vec<String>,
    streams: &mut Streams<'_>,
) -> Result<()> {
    let ready = made.check();
    let Some(output) = output else {
        lines.push(format!("{}\n", keys::request_text(&made.der)));
        let printed = ready.and_then(|()| streams.print(&lines.join("\n")));
        return made.settle(printed);
    };
    let stored = ready.and_then(|()| keys::store(output, &made.der, &made.id));
    made.settle(stored)?;
    lines.push(format!("Storing CRMF request into {}", output.display()));
    lines.push(format!("Storing CRMF request key id into {}", keys::key_id_file(output).display()));
    streams.say(lines.join("\n"));
    Ok(())
}

/// Around the CA's page.
const RULE: &str = "--------------------";

/// Submits the request. The key goes again when the CA refuses or never got it; it stays when the CA
/// took it, or may have.
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
    // Nobody would learn the request's id.
    let heard = made.check().and_then(|()| streams.print(""));
    let answer = heard.and_then(|()| submit(transport, to, &made.der));
    let answer = match answer {
        Ok(answer) => answer,
        Err(e) if e.was_sent() => return Err(undecided(made, temporary, e)),
        Err(e) => return made.settle(Err(e)),
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
        Some(RequestStatus::Completed | RequestStatus::Pending) => return made.settle(Ok(true)),
        Some(RequestStatus::Failed | RequestStatus::Rejected) => {
            let why = Error::new(Kind::Rejected, "the CA refused the request");
            let e = made.settle::<()>(Err(why)).err();
            match e.as_ref().and_then(|e| e.notes().first()) {
                Some(note) => streams.tell(format!("WARNING: {note}")),
                None => streams.tell("The key made for the request is deleted again."),
            }
        }
        Some(RequestStatus::Unknown) | None => {
            let why = "the CA's page does not say what became of the request";
            let why = Error::new(Kind::Http, why).hint("ask the CA's agents; -v shows the page");
            let e = undecided(made, temporary, why);
            streams.tell(format!("ERROR: {e}"));
            keys::explain(&e, streams);
        }
    }
    Ok(false)
}

/// A failure after which the CA may have the request, and a certificate may come.
fn undecided(made: Made, temporary: bool, e: Error) -> Error {
    if !temporary {
        return made.leave(e);
    }
    drop(made);
    e.note(
        "the key was temporary and is gone; should the CA issue a certificate for it, revoke that",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Line> {
        let args: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        Line::read(&args)
    }

    #[test]
    fn options_in_all_their_shapes() {
        let got = line("-d db stray -p a -p b -s -1 -oaep -vy false -q POP_NONE -nCN=x").unwrap();
        assert_eq!(got.get('d'), Some("db"));
        assert_eq!(got.raw('p'), Some(OsStr::new("a")));
        assert_eq!(got.get('s'), Some("-1"));
        assert_eq!(got.get('q'), Some("POP_NONE"));
        assert_eq!(got.get('n'), Some("CN=x"));
        assert!(got.oaep && got.verbose && !got.key_identifier && got.file('o').is_none());
        assert!(line("-y").unwrap().key_identifier);
        assert!(line("-y -d db").unwrap().key_identifier);
        assert!(line("--verbose --oaep --help").unwrap().help);
    }

    #[test]
    fn what_is_no_option_is_named() {
        for (text, what) in [
            ("-d", "Missing argument for option: d"),
            ("-d -p x", "Missing argument for option: d"),
            ("-z", "Unrecognized option: -z"),
            ("--oops", "Unrecognized option: --oops"),
        ] {
            assert_eq!(line(text).err().unwrap().to_string(), what);
        }
    }
}
