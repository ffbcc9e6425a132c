//! HttpClient: posts a CMC request and stores the response.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dogtag_tools::cfg_file::{Dialect, Settings};
use crate::streams::Streams;
use nss_cmc::Url;
use nss_cmc::client::connection::{Config, Connection, Encoding, Received};
use nss_cmc::client::input;
use nss_cmc::client::output::Reserved;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::client::signer;
use nss_cmc::client::verify_response;
use nss_cmc::cmc::request::Sent;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Access;
use nss_cmc::pem;

/// Keys of the Java tool's configuration file, then the additional ones.
const KEYS: &[&str] = &[
    "host",
    "port",
    "secure",
    "servlet",
    "input",
    "output",
    "dbdir",
    "password",
    "tokenname",
    "clientmode",
    "nickname",
    "numHeaderLines",
    "passwordFile",
    "passwordFd",
    "passwordEnv",
    "connectTimeout",
    "timeout",
    "proxy",
    "est",
    "estEncoding",
];

/// The path of CMC requests in EST (RFC 7030 §3.2.2).
const EST_PATH: &str = "/.well-known/est/fullcmc";

const USAGE: &str = "Usage: HttpClient <configuration file>";

/// Runs HttpClient. Unlike the Java tool, it returns an error when the request fails.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let code = match args {
        [help] if help == "--help" => {
            super::help(USAGE, KEYS, streams);
            0
        }
        [path] => match post(Path::new(path), streams) {
            Ok(()) => 0,
            Err(e) => {
                streams.say(format!("Error: {e}"));
                super::hint(&e, streams);
                1
            }
        },
        _ => {
            streams.say(format!("Wrong number of parameters:{}", args.len()));
            streams.say(USAGE);
            1
        }
    };
    if super::legacy_exit() { 0 } else { code }
}

fn post(path: &Path, streams: &mut Streams<'_>) -> Result<()> {
    let settings = Settings::read(path, Dialect::Properties)?;
    for warning in settings.warnings(KEYS) {
        streams.tell(format!("warning: {warning}"));
    }
    let output = settings.non_empty("output").map(PathBuf::from);
    exchange(&settings, streams).inspect_err(|_| {
        // A script that ignores the failure would use the old file as this run's response.
        if let Some(output) = output.filter(|o| o.is_file()) {
            streams.tell(format!("note: {} is from an earlier run", output.display()));
        }
    })
}

/// The request, the connection, and the output file.
struct Job {
    url: String,
    /// Whether the server speaks EST, whatever the path.
    est: bool,
    est_encoding: Option<Encoding>,
    secure: bool,
    input: PathBuf,
    output: PathBuf,
    /// Number of lines printed of the response's head.
    head_lines: usize,
}

impl Job {
    fn read(settings: &Settings) -> Result<Job> {
        let host = settings.required("host", "Missing host name.")?;
        let port: u16 = settings
            .required("port", "Missing port number.")?
            .parse()
            .map_err(|_| usage(settings, "port must be a number up to 65535"))?;
        let est = truth(settings, "est", false)?;
        let servlet = match settings.non_empty("servlet") {
            None if est => EST_PATH,
            _ => settings.required("servlet", "Missing servlet name.")?,
        };
        let input =
            settings.required("input", "Missing input filename for the enrollment request.")?;
        let output = settings.required("output", "Missing output filename for the response.")?;
        let head_lines = match settings.non_empty("numHeaderLines") {
            None => 5,
            Some(n) => n.parse().ok().filter(|n| (1..=56).contains(n)).ok_or_else(|| {
                usage(settings, &format!("numHeaderLines {n} out of range: 1 - 56"))
            })?,
        };
        // The default is the CA's TLS port; a misspelt "true" is an error, not "false".
        let secure = truth(settings, "secure", true)?;
        let scheme = if secure { "https" } else { "http" };
        let address = host.contains(':') && !host.starts_with('[');
        let host = if address { format!("[{host}]") } else { host.to_owned() };
        let slash = if servlet.starts_with('/') { "" } else { "/" };
        let url = format!("{scheme}://{host}:{port}{slash}{servlet}");
        let est_encoding = match settings.non_empty("estEncoding").map(str::trim) {
            None => None,
            Some(word) => Some(word.parse().map_err(|e: String| usage(settings, &e))?),
        };
        let (input, output) = (input.into(), output.into());
        Ok(Job { url, est, est_encoding, secure, input, output, head_lines })
    }
}

fn exchange(settings: &Settings, streams: &mut Streams<'_>) -> Result<()> {
    let job = Job::read(settings)?;
    if !job.secure {
        streams
            .tell("warning: secure=false: others can read and change the request and the response");
    }
    let message = input::read("enrollment request", &job.input)?;
    if let Err(e) = Sent::read(&message) {
        streams.tell(format!(
            "warning: {} is sent, but is not a CMC request: {e}",
            job.input.display()
        ));
    }
    streams.make_way_for(&job.output);
    let place = Reserved::take(&job.output)?;
    streams.say(format!("\nTotal number of bytes read = {}", message.len()));
    let opened = if job.secure { Some(open(settings, streams)?) } else { None };
    let identity = match &opened {
        Some(session) if truth(settings, "clientmode", false)? => {
            let nickname = settings.get("nickname").unwrap_or_default();
            let identity = session.identity(nickname)?;
            if let Err(e) = signer::check(&identity) {
                streams.tell(format!("warning: {e}"));
            }
            Some(identity)
        }
        _ => None,
    };
    let has_client = identity.is_some();
    let config = Config {
        plain_http: !job.secure,
        connect_timeout: seconds(settings, "connectTimeout", 30)?,
        timeout: seconds(settings, "timeout", 300)?,
        // An empty value means no proxy, whatever the environment says.
        proxy: settings.get("proxy").map(str::to_owned),
        est_encoding: job.est_encoding,
        ..Config::new(Url::parse(&job.url)?)
    };
    let database = opened.as_ref().map(|session| &session.database);
    let mut connection = Connection::to_url(&config, job.est, database, identity)?;
    let answer = connection.post(&message);
    drop(connection);
    let answer = answer?;
    if let Some(session) = opened {
        let name = if session.token.is_internal() {
            "Internal Key Storage Token".to_owned()
        } else {
            session.token.name()
        };
        streams.say(format!("after SSLSocket created, thread token is {name}"));
        if has_client {
            streams.say("client cert is not null");
        }
        streams.say("handshake happened");
        session.close()?;
    }
    streams.say("writing to socket\n");
    streams.say("##Response Headers begin##");
    for line in answer.head().iter().take(job.head_lines) {
        streams.say(nss_cmc::text::printable(line));
    }
    streams.say("##end##");
    let Received { der, response } = answer.read()?;
    streams.say(format!("\nTotal number of bytes read = {}", der.len()));
    streams.say(pem::lines(&der, 76, "\r\n"));
    // The response is on stdout already, even if the file can't be written.
    place.fill(&der)?;
    streams.say(format!("\nThe response in binary format is stored in {}\n", job.output.display()));
    // The exit status is that of the HTTP exchange. CMCResponse reports the CMC status.
    if let Err(e) = verify_response::issued(response.outcome()) {
        streams.tell(format!("note: {e}"));
        super::hint(&e, streams);
    }
    Ok(())
}

/// Returns a key whose value is `true` or `false`, in any case.
fn truth(settings: &Settings, key: &str, default: bool) -> Result<bool> {
    match settings.non_empty(key).map(|v| v.trim().to_ascii_lowercase()).as_deref() {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(usage(settings, &format!("{key} must be true or false"))),
    }
}

fn usage(settings: &Settings, why: &str) -> Error {
    Error::new(Kind::Usage, format!("{}: {why}", settings.file()))
}

fn seconds(settings: &Settings, key: &str, default: u64) -> Result<Duration> {
    match settings.non_empty(key) {
        None => Ok(Duration::from_secs(default)),
        Some(n) => n
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| usage(settings, &format!("{key} must be a number of seconds"))),
    }
}

fn open(settings: &Settings, streams: &mut Streams<'_>) -> Result<Session> {
    let dir = settings.required("dbdir", "Missing directory name for the NSS database.")?;
    let dir = super::database(Some(dir), streams)?;
    // Without a client certificate only the trust settings are read, which need a login in FIPS
    // mode only.
    let signer = match truth(settings, "clientmode", false)? {
        true => Some(settings.required("nickname", "Missing nickname for the client certificate")?),
        false => None,
    };
    let token = settings.get("tokenname").unwrap_or_default();
    let needs = Needs { token, signer, ..Needs::default() };
    let passwords = settings.passwords("Missing password for the NSS database.");
    Session::open(dir, Access::ReadOnly, needs, &passwords)
}
