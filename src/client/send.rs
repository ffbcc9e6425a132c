//! Sends an existing CMC request.

use std::path::PathBuf;

use super::connection::{Config, Connection, Received};
use super::session::{Needs, Session};
use super::{input, output, verify_response};
use crate::asn1::pem;
use crate::asn1::summary::{Summary, summary};
use crate::client::passwords::Passwords;
use crate::cmc::request::Sent;
use crate::error::Result;
use crate::http::Url;
use crate::nss::Access;

/// The arguments of [`send`].
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
    /// The CA and how to connect.
    pub connection: Config,
    /// The file for the response, success or not.
    pub output: PathBuf,
    /// Receives the response as PEM if it can't be written to the file after all.
    pub rescue: &'a mut dyn FnMut(&str),
}

/// A response that reports success.
#[derive(Debug)]
pub struct Submitted {
    /// The URL that the request was sent to.
    pub url: Url,
    /// DER of the response, as in the file.
    pub response: Vec<u8>,
    /// The certificates in it that can be decoded.
    pub certificates: Vec<Summary>,
    /// Why NSS could not be shut down: a handle leaked. That is a defect, but the run has done its
    /// work.
    pub closed: Result<()>,
}

/// Sends the request. Its response is stored as soon as it is a CMC message, in a file that was
/// reserved before the request was sent; then it is verified and evaluated.
///
/// ```no_run
/// use nss_cmc::client::send::{SendSpec, send};
/// use nss_cmc::{Config, Source, Url};
///
/// let submitted = send(SendSpec {
///     file: "request.der".into(),
///     database: "nssdb".into(),
///     token: "internal".into(),
///     passwords: Source::File("pin.txt".into()).passwords(),
///     signer: Some("agent".into()),
///     connection: Config::new(Url::parse("https://ca.example:8443")?),
///     output: "response.der".into(),
///     rescue: &mut |pem| eprintln!("{pem}"),
/// })?;
/// println!("{} certificates", submitted.certificates.len());
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// [`crate::error::Kind::Input`] when the file isn't a CMC request; [`crate::error::Kind::Output`];
/// those of the transport; those of the response ([`verify_response::issued`]).
pub fn send(spec: SendSpec<'_>) -> Result<Submitted> {
    let bytes = input::read("CMC request", &spec.file)?;
    let what = format!("CMC request {}", spec.file.display());
    let (message, sent) = input::parsed(&what, "a CMC request", &bytes, Sent::read)?;
    let url = spec.connection.submit_url()?;
    let place = output::Reserved::take(&spec.output)?;
    let access = Access::ReadOnly;
    let needs = Needs { token: &spec.token, signer: spec.signer.as_deref(), ..Needs::default() };
    let session = Session::open(&spec.database, access, needs, &spec.passwords)?;
    let database = &session.database;
    let identity = match &spec.signer {
        Some(signer) => {
            let identity = session.identity(signer)?;
            super::signer::check(&identity)?;
            Some(identity)
        }
        None => None,
    };
    let mut connection = Connection::open(&spec.connection, database, identity)?;
    let received = connection.exchange(&message)?;
    if let Err(e) = place.fill(&received.der) {
        (spec.rescue)(&pem::encode("CMS", &received.der));
        return Err(e.hint("save the response: it is printed above as PEM"));
    }
    connection.verify(&received, &sent)?;
    drop(connection);
    let Received { der, response } = received;
    let certificates = verify_response::issued(response.outcome())?;
    verify_response::all_proven(verify_response::proofs(database, &certificates)?)?;
    let certificates = certificates.iter().filter_map(|der| summary(der).ok()).collect();
    Ok(Submitted { url, response: der, certificates, closed: session.close() })
}
