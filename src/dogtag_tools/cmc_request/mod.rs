//! CMCRequest: makes a CMC request from a configuration file.

mod keys;
mod spec;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::dogtag_tools::cfg_file::{Dialect, Settings};
use crate::streams::Streams;
use nss_cmc::algorithm::Digests;
use nss_cmc::client::find_key::request_key;
use nss_cmc::client::input::{self, parsed};
use nss_cmc::client::output::{self, Mode};
use nss_cmc::client::session::{Identity, Needs, Session};
use nss_cmc::client::signer;
use nss_cmc::client::{pop, verify_response};
use nss_cmc::cmc::message::{self, Message, Signatory, build};
use nss_cmc::cmc::pop::Challenge;
use nss_cmc::cmc::request::Request;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::nss::{Access, Database, KeyTransport, PrivateKey};
use nss_cmc::pem;
use nss_cmc::secret::Secret;

use spec::Authority;

const USAGE: &str = "Usage: CMCRequest <configuration file>";

/// Runs CMCRequest.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let [path] = args else {
        streams.say(format!("Wrong number of parameters:{}", args.len()));
        streams.say(USAGE);
        return 1;
    };
    if path == "--help" {
        super::help(USAGE, keys::KEYS, streams);
        return 0;
    }
    match request(Path::new(path), streams) {
        Ok(()) => 0,
        Err(e) => {
            streams.say(e.to_string());
            super::hint(&e, streams);
            1
        }
    }
}

fn request(path: &Path, streams: &mut Streams<'_>) -> Result<()> {
    let settings = Settings::read(path, Dialect::Lines)?;
    for warning in keys::warnings(&settings) {
        streams.tell(format!("warning: {warning}"));
    }
    if settings.get("format").is_some_and(|f| f.eq_ignore_ascii_case("test_cmc")) {
        return sign_again(&settings, streams);
    }
    spec::format(&settings)?;
    if settings.flag("decryptedPop.enable") {
        return second_trip(&settings, streams);
    }
    let output = settings
        .required("output", "Missing output filename for the CMC request.")
        .map(PathBuf::from)?;
    streams.make_way_for(&output);
    let message = match spec::revocation_secret(&settings)? {
        Some(secret) => unsigned(&settings, secret)?,
        None => signed(&settings, streams)?,
    };
    for (what, id) in &message.parts {
        streams.say(format!("Successfully create {what} control. bpid = {id}"));
    }
    let quiet = settings.flag("quiet");
    let mode = if message.holds_secret { Mode::Private } else { Mode::Default };
    if message.holds_secret && !quiet {
        streams.tell("warning: the printed message contains the shared secret; use quiet=true");
    }
    store(&message.der, &output, mode, quiet, streams)
}

/// Returns an unsigned revocation request, authenticated by a shared secret; it needs neither key
/// nor database.
fn unsigned(settings: &Settings, secret: Secret) -> Result<Message> {
    let nss = Database::without_files()?;
    let spec = spec::revocation(settings, Authority::Secret(secret), &nss)?;
    let message = build(spec, Signatory::Nobody, None, &nss)?;
    nss.close()?;
    Ok(message)
}

fn signed(settings: &Settings, streams: &mut Streams<'_>) -> Result<Message> {
    let revoke = settings.flag("revRequest.enable");
    let own_key = spec::self_signed(settings) && !revoke;
    let link = settings.flag("popLinkWitnessV2.enable") && !revoke;
    let nickname = match own_key {
        true => None,
        false => Some(settings.required("nickname", "Missing nickname.")?),
    };
    let requests = if revoke { Vec::new() } else { spec::requests(settings)? };
    let key_id = if own_key || link { Some(key_id(settings)?) } else { None };
    let opened = Opened::new(settings, nickname, key_id.is_some(), streams)?;
    let identity = match nickname {
        Some(nickname) => Some(opened.signer(nickname, streams)?),
        None => None,
    };
    let key = match &key_id {
        Some(id) => Some(opened.key(id, &requests, streams)?),
        None => None,
    };
    let spec = match &identity {
        Some(identity) if revoke => {
            let issuer = Authority::Issuer(identity.certificate.issuer().to_vec());
            spec::revocation(settings, issuer, &opened.0.database)?
        }
        _ => spec::enrolment(settings, requests, &opened.0.database)?,
    };
    if !revoke {
        for line in spec::advice(settings, &spec) {
            streams.tell(format!("warning: {}: {line}", settings.file()));
        }
    }
    let signatory = match (&identity, &key) {
        (Some(identity), _) => Signatory::from(identity),
        (None, Some(key)) => Signatory::RequestKey(key),
        (None, None) => return Err(Error::new(Kind::Internal, "no signer for the request")),
    };
    let link_key = key.as_ref().filter(|_| link).map(|k| k as _);
    let message = build(spec, signatory, link_key, &opened.0.database)?;
    drop((identity, key));
    opened.close()?;
    if link {
        print_linked(&message.requests, streams);
    }
    Ok(message)
}

/// Prints the requests that were signed anew; the label for CRMF is the same.
fn print_linked(requests: &[Request], streams: &mut Streams<'_>) {
    for request in requests {
        streams.say("-----BEGIN CERTIFICATE REQUEST-----");
        streams.say(pem::lines(&request.to_file(), 76, "\r\n").trim_end());
        streams.say("-----END CERTIFICATE REQUEST-----");
    }
}

fn second_trip(settings: &Settings, streams: &mut Streams<'_>) -> Result<()> {
    let needed = |key: &str| settings.required(key, &format!("Missing {key}."));
    let response = needed("encryptedPopResponseFile")?;
    let output = needed("decryptedPopRequestFile").map(PathBuf::from)?;
    streams.make_way_for(&output);
    let nickname = settings.required("nickname", "Missing nickname.")?;
    let id = key_id(settings)?;
    let what = "response of the first round trip";
    let bytes = input::read(what, Path::new(response))?;
    let named = format!("{what} {response}");
    let (_, parsed) = parsed(&named, "a CMC response", &bytes, nss_cmc::cmc::response::parse)?;
    let opened = Opened::new(settings, Some(nickname), true, streams)?;
    let identity = opened.signer(nickname, streams)?;
    let key = opened.key(&id, &[], streams)?;
    match verify_response::verify(&opened.0.database, &parsed, false) {
        Err(e) if settings.flag("allowUnverifiedResponse") => {
            streams.tell(format!("warning: {e}"));
        }
        Err(e) => {
            return Err(e.hint("set allowUnverifiedResponse=true to continue anyway"));
        }
        Ok(()) => {}
    }
    let challenge = Challenge::from_response(&parsed)?;
    streams.say("processEncryptedPopResponse: encryptedPOP found");
    streams.say("processEncryptedPopResponse: failInfo=POP required");
    streams.say(format!("processEncryptedPopResponse: requestID: {}", challenge.request_id()));
    let first = if settings.flag("oaep") { KeyTransport::OaepSha256 } else { KeyTransport::Pkcs1 };
    let signatory = Signatory::from(&identity);
    let (digests, crypto) = (Digests::Sha256, &opened.0.database);
    let message = pop::answer(&challenge, &key, first, signatory, &[], digests, crypto)
        .inspect_err(|_| {
            streams
                .say("constructDecryptedPopRequest: Oops! witness failed to verify.  Must abort!");
        })?;
    streams.say("constructDecryptedPopRequest: Yay! witness verified");
    drop((identity, key));
    opened.close()?;
    store(&message, &output, Mode::Default, settings.flag("quiet"), streams)
}

/// `format=test_cmc`: signs an existing message again, which may be invalid, to test the CA.
fn sign_again(settings: &Settings, streams: &mut Streams<'_>) -> Result<()> {
    let input = settings.required("input", "Missing input filename of the CMC request.")?;
    let output = settings
        .required("output", "Missing output filename for the CMC request.")
        .map(PathBuf::from)?;
    streams.make_way_for(&output);
    let what = "CMC request";
    let der = pem::to_der(what, &input::read(what, Path::new(input))?)?;
    let nickname = settings.non_empty("nickname");
    let id = match nickname {
        Some(_) => None,
        None => Some(key_id(settings)?),
    };
    let opened = Opened::new(settings, nickname, id.is_some(), streams)?;
    let message = match (nickname, id) {
        (Some(nickname), _) => {
            let identity = opened.signer(nickname, streams)?;
            message::sign_again(&der, Signatory::from(&identity), &opened.0.database)?
        }
        (None, id) => {
            let key = opened.key(&id.unwrap_or_default(), &[], streams)?;
            message::sign_again(&der, Signatory::RequestKey(&key), &opened.0.database)?
        }
    };
    opened.close()?;
    streams.say(format!("TEST_CMC: {input} is signed anew"));
    store(&message, &output, Mode::Default, settings.flag("quiet"), streams)
}

fn key_id(settings: &Settings) -> Result<Vec<u8>> {
    keyid::parse(settings.required("request.privKeyId", "Missing request.privKeyId.")?)
}

/// The open database, logged in.
struct Opened(Session);

impl Opened {
    /// Opens the database. `key` says whether a key of the configured token is used, besides the
    /// signer's.
    fn new(
        settings: &Settings,
        signer: Option<&str>,
        key: bool,
        streams: &mut Streams<'_>,
    ) -> Result<Opened> {
        let dir = super::database(settings.non_empty("dbdir"), streams)?;
        let name = settings.get("tokenname").unwrap_or_default();
        let passwords = settings.passwords("Missing password.");
        let access = Access::ReadOnly;
        let needs = Needs { token: name, key, signer, ..Needs::default() };
        let session = Session::open(dir, access, needs, &passwords)?;
        let shown = match session.token.is_internal() {
            true => "Internal Key Storage Token".to_owned(),
            false => session.token.name(),
        };
        streams.say(format!("token {shown} logged in..."));
        Ok(Opened(session))
    }

    fn signer(&self, nickname: &str, streams: &mut Streams<'_>) -> Result<Identity> {
        let identity = self.0.identity(nickname)?;
        if let Err(e) = signer::valid_now(&identity) {
            streams.tell(format!("warning: {e}"));
        }
        streams.say(format!("got signerCert: {nickname}"));
        Ok(identity)
    }

    fn key(
        &self,
        id: &[u8],
        requests: &[Request],
        streams: &mut Streams<'_>,
    ) -> Result<PrivateKey> {
        streams.say(format!("got request privKeyId: {}", keyid::to_dogtag(id)));
        let key = request_key(&self.0.database, &self.0.token, id, requests)?;
        streams.say("got private key");
        Ok(key)
    }

    fn close(self) -> Result<()> {
        self.0.close()
    }
}

fn store(
    message: &[u8],
    output: &Path,
    mode: Mode,
    quiet: bool,
    streams: &mut Streams<'_>,
) -> Result<()> {
    output::write(output, message, mode)?;
    if !quiet {
        streams.say("\nThe CMC enrollment request in base-64 encoded format:\n");
        streams.say(pem::lines(message, 76, "\r\n"));
        streams.say("");
    }
    streams.say(format!(
        "\nThe CMC enrollment request in binary format is stored in {}",
        output.display()
    ));
    Ok(())
}
