//! CMCRequest: one configuration file in, one signed CMC request out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::asn1::pem;
use crate::cli::Streams;
use crate::cmc::request::{PkiDataBuilder, Request};
use crate::config::{Dialect, Settings};
use crate::error::{Error, Kind, Result};
use crate::nss::Access;
use crate::ops::file::{self, Mode};
use crate::ops::session::{self, Identity};

/// Every key CMCRequest knows.
const KEYS: &[&str] =
    &["dbdir", "tokenname", "password", "nickname", "format", "numRequests", "input", "output"];

const USAGE: &str = "Usage: CMCRequest <configuration file>";

/// Runs CMCRequest.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let [path] = args else {
        streams.say(format!("Wrong number of parameters:{}", args.len()));
        streams.say(USAGE);
        return 1;
    };
    match request(Path::new(path), streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.say(e.to_string());
            if let Some(hint) = e.hint_text() {
                streams.tell(format!("try: {hint}"));
            }
            1
        }
    }
}

fn request(path: &Path, streams: &mut Streams<'_>) -> Result<()> {
    let settings = Settings::read(path, Dialect::Lines)?;
    for warning in settings.unknown(KEYS) {
        streams.tell(format!("warning: {warning}"));
    }
    let password = settings.secret("password").ok_or_else(|| missing(&settings, "password"))?;
    let nickname = settings.required("nickname", "Missing nickname.")?;
    let output = settings
        .required("output", "Missing output filename for the CMC request.")
        .map(PathBuf::from)?;
    let requests = read_requests(&settings)?;
    let dir = settings.non_empty("dbdir").unwrap_or(".");
    let token = settings.get("tokenname").unwrap_or_default();
    let (database, token, primed) =
        session::open_for(dir, Access::ReadOnly, token, nickname, || Ok(Some(password)))?;
    let token_name =
        if token.is_internal() { "Internal Key Storage Token".to_owned() } else { token.name() };
    streams.say(format!("token {token_name} logged in..."));
    let signer = Identity::find(&database, &token, nickname)?;
    streams.say(format!("got signerCert: {nickname}"));
    let mut builder = PkiDataBuilder::new(&requests)?;
    for request in &requests {
        builder.request(request)?;
    }
    let message = signer.sign(&builder.build()?)?;
    drop(signer);
    drop((token, primed));
    database.close().map_err(|f| Error::new(Kind::Internal, "can't shut NSS down").because(f))?;
    file::write(&output, &message, Mode::Default)?;
    streams.say("\nThe CMC enrollment request in base-64 encoded format:\n");
    streams.say(pem::lines(&message, 76, "\r\n"));
    streams.say("");
    streams.say(format!(
        "\nThe CMC enrollment request in binary format is stored in {}",
        output.display()
    ));
    Ok(())
}

fn missing(settings: &Settings, key: &str) -> Error {
    Error::new(Kind::Usage, format!("{}: Missing {key}.", settings.file()))
}

/// The files `input` names, separated by blanks; `numRequests` may take fewer.
fn read_requests(settings: &Settings) -> Result<Vec<Request>> {
    let crmf = match settings.non_empty("format") {
        Some(f) if f.eq_ignore_ascii_case("pkcs10") => Some(false),
        Some(f) if f.eq_ignore_ascii_case("crmf") => Some(true),
        None => None,
        Some(other) => {
            return Err(Error::new(
                Kind::Usage,
                format!("{}: Unrecognized request format {other:?}", settings.file()),
            )
            .hint("format is pkcs10 or crmf"));
        }
    };
    let input = settings.required("input", "Missing input filename for PKCS10 or CRMF.")?;
    let names: Vec<&str> = input.split_whitespace().collect();
    let wanted = match settings.non_empty("numRequests") {
        None => names.len(),
        Some(text) => text.parse().map_err(|_| {
            Error::new(Kind::Usage, format!("{}: numRequests must be integer", settings.file()))
        })?,
    };
    if wanted > names.len() {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "{}: numRequests is {wanted}, but input names {}",
                settings.file(),
                names.len()
            ),
        ));
    }
    names.iter().take(wanted).map(|n| session::read_request(Path::new(n), crmf)).collect()
}
