//! HttpClient: posts a CMC request and stores the answer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::asn1::pem;
use crate::cli::Streams;
use crate::config::{Dialect, Settings};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, Token};
use crate::ops::answer;
use crate::ops::file::{self, Mode};
use crate::ops::session::{self, Identity, Primed};
use crate::transport::{Transport, TransportOptions};

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
    "connectTimeout",
    "timeout",
    "proxy",
];

const USAGE: &str = "Usage: HttpClient <configuration file>";

/// Runs HttpClient. Unlike the Java tool it fails when it failed.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let code = match args {
        [path] => match post(Path::new(path), streams) {
            Ok(()) => 0,
            Err(e) => {
                streams.say(format!("Error: {e}"));
                if let Some(hint) = e.hint_text() {
                    streams.tell(format!("try: {hint}"));
                }
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
    for warning in settings.unknown(KEYS) {
        streams.tell(format!("warning: {warning}"));
    }
    let host = settings.required("host", "Missing host name.")?;
    let port: u16 = settings
        .required("port", "Missing port number.")?
        .parse()
        .map_err(|_| usage(&settings, "port must be a number up to 65535"))?;
    let servlet = settings.required("servlet", "Missing servlet name.")?;
    let input = settings
        .required("input", "Missing input filename for the enrollment request.")
        .map(PathBuf::from)?;
    let output = settings
        .required("output", "Missing output filename for the response.")
        .map(PathBuf::from)?;
    let shown: usize =
        match settings.non_empty("numHeaderLines") {
            None => 5,
            Some(n) => n.parse().ok().filter(|n| (1..=56).contains(n)).ok_or_else(|| {
                usage(&settings, &format!("numHeaderLines {n} out of range: 1 - 56"))
            })?,
        };
    // Without the key, the CA's TLS port is what everybody means.
    let secure = settings.get("secure").is_none_or(|v| v.trim().eq_ignore_ascii_case("true"));
    let message = file::read("the enrollment request", &input)?;
    streams.say(format!("\nTotal number of bytes read = {}", message.len()));
    let opened = if secure { Some(open(&settings)?) } else { None };
    let identity = match &opened {
        Some((database, token, _)) if settings.flag("clientmode") => {
            let nickname =
                settings.required("nickname", "Missing nickname for the client certificate")?;
            Some(Identity::find(database, token, nickname)?)
        }
        _ => None,
    };
    let has_client = identity.is_some();
    let options = TransportOptions {
        database: opened.as_ref().map(|(d, ..)| d),
        identity,
        plain_http: !secure,
        connect_timeout: seconds(&settings, "connectTimeout", 30)?,
        timeout: seconds(&settings, "timeout", 300)?,
        proxy: settings.non_empty("proxy").map(str::to_owned),
    };
    let scheme = if secure { "https" } else { "http" };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let slash = if servlet.starts_with('/') { "" } else { "/" };
    let url = format!("{scheme}://{host}:{port}{slash}{servlet}");
    let mut transport = Transport::new(options)?;
    let reply = transport.post(&url, &message, answer::REQUEST_TYPE);
    drop(transport);
    let reply = reply?;
    if let Some((database, token, primed)) = opened {
        let name = if token.is_internal() {
            "Internal Key Storage Token".to_owned()
        } else {
            token.name()
        };
        streams.say(format!("after SSLSocket created, thread token is {name}"));
        if has_client {
            streams.say("client cert is not null");
        }
        streams.say("handshake happened");
        drop((token, primed));
        database
            .close()
            .map_err(|f| Error::new(Kind::Internal, "can't shut NSS down").because(f))?;
    }
    streams.say("writing to socket\n");
    streams.say("##Response Headers begin##");
    for line in reply.header_lines.iter().take(shown) {
        streams.say(crate::text::printable(line));
    }
    streams.say("##end##");
    let body = answer::cmc_body(&url, reply)?;
    file::write(&output, &body, Mode::Default)?;
    streams.say(format!("\nTotal number of bytes read = {}", body.len()));
    streams.say(pem::lines(&body, 76, "\r\n"));
    streams.say(format!("\nThe response in binary format is stored in {}\n", output.display()));
    Ok(())
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

fn open(settings: &Settings) -> Result<(Database, Token, Option<Primed>)> {
    let dir = settings.required("dbdir", "Missing directory name for the NSS database.")?;
    let client = settings.flag("clientmode");
    let password = settings.secret("password");
    if client && password.is_none() {
        return Err(usage(settings, "Missing password for the NSS database."));
    }
    let token = settings.get("tokenname").unwrap_or_default();
    if client {
        let nickname = settings.get("nickname").unwrap_or_default();
        return session::open_for(dir, Access::ReadOnly, token, nickname, || Ok(password))
            .map(|(database, token, primed)| (database, token, Some(primed)));
    }
    // Only the database's trust is needed, and that is readable without a login.
    let database = Database::open(dir, Access::ReadOnly)?;
    let token = database.token(token)?;
    if let Some(password) = password {
        token.login(Some(&password))?;
    }
    Ok((database, token, None))
}
