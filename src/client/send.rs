//! Sending a CMC request that is there already.

use std::path::PathBuf;

use super::connection::{Config, Connection};
use super::judge::Received;
use super::session::{Identity, Needs, Session};
use super::{input, judge, not_closed, output};
use crate::asn1::cmc::PkiData;
use crate::asn1::summary::{Summary, summary};
use crate::asn1::{oid, pem};
use crate::client::passwords::Passwords;
use crate::cmc::request::Sent;
use crate::error::Result;
use crate::http::Url;
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
    /// Which CA, and how it is reached.
    pub connection: Config,
    /// Where to write the answer, whatever it says.
    pub output: PathBuf,
    /// Takes the answer, as PEM, when it can't be written there after all.
    pub rescue: &'a mut dyn FnMut(&str),
}

/// A response that says success.
#[derive(Debug)]
pub struct Submitted {
    /// Where the request was sent to.
    pub url: Url,
    /// DER of the response, which is in the file.
    pub response: Vec<u8>,
    /// The certificates in it, as far as they can be read.
    pub certificates: Vec<Summary>,
    /// What to know although it worked.
    pub notices: Vec<String>,
}

/// Sends the request. The answer is stored as soon as it is a CMC message, in a place taken before the request
/// is sent; then it is verified and read.
///
/// # Errors
/// [`crate::error::Kind::Input`] when the file is no CMC request; [`crate::error::Kind::Output`];
/// those of the transport; those of the answer ([`judge::issued`]).
pub fn send(spec: SendSpec<'_>) -> Result<Submitted> {
    let bytes = output::read("the CMC request", &spec.file)?;
    let what = format!("the CMC request {}", spec.file.display());
    let (message, content) =
        input::parsed(&what, "a CMC request", &bytes, inspect::request_content)?;
    let sent = sent(&content);
    let url = spec.connection.submit_url()?;
    let place = output::Reserved::take(&spec.output)?;
    let access = Access::ReadOnly;
    let needs = Needs { token: &spec.token, signer: spec.signer.as_deref(), ..Needs::default() };
    let session = Session::open(&spec.database, access, needs, &spec.passwords)?;
    let database = &session.database;
    let identity = match &spec.signer {
        Some(signer) => {
            let identity = Identity::find(database, &session.token, signer)?;
            super::signer::check(&identity)?;
            Some(identity)
        }
        None => None,
    };
    let mut connection = Connection::open(&spec.connection, database, identity)?;
    let received = connection.exchange(&message)?;
    if let Err(e) = place.fill(&received.der) {
        (spec.rescue)(&pem::encode("CMS", &received.der));
        return Err(e.hint("the CA has answered: its answer is above, as PEM; keep it"));
    }
    connection.verify(&received, &sent)?;
    drop(connection);
    let Received { der, response } = received;
    let certificates = judge::issued(&response)?;
    judge::all_proven(judge::proofs(database, &certificates)?)?;
    let certificates = certificates.iter().filter_map(|der| summary(der).ok()).collect();
    let notices = not_closed(session.close()).into_iter().collect();
    Ok(Submitted { url, response: der, certificates, notices })
}

/// The nonce and transaction of a message, to compare the answer's with.
fn sent(data: &PkiData) -> Sent {
    let value = |id: &rasn::types::Oid| {
        let control = data.control_sequence.iter().find(|c| *c.attr_type == *id)?;
        control.attr_values.to_vec().first().map(|v| v.as_bytes().to_vec())
    };
    let nonce = value(oid::CMC_SENDER_NONCE);
    Sent {
        nonce: nonce
            .and_then(|der| crate::asn1::split_tlv(&der).map(|(_, octets, _)| octets.to_vec())),
        transaction_id: value(oid::CMC_TRANSACTION_ID),
    }
}
