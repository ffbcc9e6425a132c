//! `nss-cmc cmc send`: submits a CMC request that is there already.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::session::{Identity, Needs, Session};
use super::{dogtag, enroll, input, judge, output};
use crate::asn1::pem;
use crate::cli::message::message_json;
use crate::cli::report::Report;
use crate::client::passwords::Passwords;
use crate::cmc::request::{Sent, request_content};
use crate::error::Result;
use crate::http::endpoint;
use crate::http::{Encoding, Transport, TransportOptions};
use crate::inspect;
use crate::nss::Access;

/// What `send` is asked to do.
pub struct SendSpec<'a> {
    /// The CMC request; `-` is standard input.
    pub file: PathBuf,
    /// NSS database directory.
    pub database: String,
    /// Token of the client certificate.
    pub token: String,
    /// Gives the tokens' passwords.
    pub passwords: Passwords<'static>,
    /// Nickname of the client certificate for TLS.
    pub signer: Option<String>,
    /// The CA's URL.
    pub ca: String,
    /// Profile id.
    pub profile: String,
    /// Where to write the answer, whatever it says.
    pub output: PathBuf,
    /// Takes the answer, as PEM, when it can't be written there after all.
    pub rescue: &'a mut dyn FnMut(&str),
    /// Believe a certs-only answer, which is not signed.
    pub allow_unsigned: bool,
    /// Connection and total time-out.
    pub timeouts: (Duration, Duration),
    /// Proxy URL.
    pub proxy: Option<String>,
    /// How requests to an EST server are encoded; found out when absent.
    pub est_encoding: Option<Encoding>,
}

/// Runs it. The answer is stored as soon as it is a CMC message, in a place taken before the request
/// is sent; then it is verified and read.
///
/// # Errors
/// [`crate::error::Kind::Input`] when the file is no CMC request; [`crate::error::Kind::Output`];
/// those of the transport; those of the answer ([`judge::issued`]).
pub fn send(spec: SendSpec<'_>) -> Result<Report> {
    let bytes = output::read("the CMC request", &spec.file)?;
    let what = format!("the CMC request {}", spec.file.display());
    let (message, content) = input::parsed(&what, "a CMC request", &bytes, request_content)?;
    let sent = Sent::of(&content);
    let url = dogtag::submit_url(&spec.ca, dogtag::SUBMIT_FULL, &spec.profile)?;
    let place = output::Reserved::take(&spec.output)?;
    let access = Access::ReadOnly;
    let needs = Needs { token: &spec.token, signer: spec.signer.as_deref(), ..Needs::default() };
    let Session { database, token, held } =
        Session::open(&spec.database, access, needs, &spec.passwords)?;
    let identity = match &spec.signer {
        Some(signer) => {
            let identity = Identity::find(&database, &token, signer)?;
            super::signer::check(&identity)?;
            Some(identity)
        }
        None => None,
    };
    let options = TransportOptions {
        database: Some(&database),
        identity,
        connect_timeout: spec.timeouts.0,
        timeout: spec.timeouts.1,
        proxy: spec.proxy,
        plain_http: false,
        est_encoding: spec.est_encoding,
    };
    let mut transport = Transport::new(options)?;
    let der = endpoint::post(&mut transport, &url, &message)?;
    drop(transport);
    let response = judge::decode(&der)?;
    if let Err(e) = place.fill(&der) {
        (spec.rescue)(&pem::encode("CMS", &der));
        return Err(e.hint("the CA has answered: its answer is above, as PEM; keep it"));
    }
    judge::verify(&database, &response, spec.allow_unsigned)?;
    sent.check(&response)?;
    let certificates = judge::issued(&response)?;
    judge::all_proven(judge::proofs(&database, &certificates)?)?;
    drop((token, held));
    let shown = inspect::read(&der)?;
    let summaries: Vec<Value> = certificates
        .iter()
        .filter_map(|der| crate::asn1::summary::summary(der).ok())
        .map(|summary| summary.to_json())
        .collect();
    let text = format!("the CA says success; its answer is in {}", spec.output.display());
    let report = Report::done("cmc send", "success", true, text).result(json!({
        "output": spec.output.display().to_string(),
        "url": url,
        "certificates": summaries,
        "response": message_json(&shown.parts),
    }));
    Ok(enroll::close(database, report))
}
