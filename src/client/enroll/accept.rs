//! The last part of an enrollment in two runs: accepts the response to a message that
//! [`build`](super::build()) made and another machine sent.

use std::path::PathBuf;
use std::time::Duration;

use super::finish::{Destination, Ending};
use super::previous::Previous;
use super::state::{self, State};
use super::{Enrolled, Event, Notice, RemoveOld};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::name;
use crate::asn1::x509::public_key_bits;
use crate::client::passwords::Passwords;
use crate::client::request_key::{RequestKey, unfinished_label};
use crate::client::session::{Needs, Session};
use crate::client::verify_response::{self, Proven};
use crate::client::{input, output};
use crate::cmc::response::{self, Response};
use crate::error::{Error, Kind, Leftover, Result};
use crate::keyid;
use crate::nss::{Access, Database, KeyPair, Trust, Usage};

/// The arguments of [`accept`]; those about the certificate are as in
/// [`EnrollSpec`](super::EnrollSpec).
pub struct AcceptSpec {
    /// The state file that [`build`](super::build()) wrote.
    pub state: PathBuf,
    /// The file with the CA's response (DER, PEM or base64); `-` is standard input.
    pub response: PathBuf,
    /// NSS database directory.
    pub database: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'static>,
    /// Whether to accept a response with certificates only, which has no signature.
    pub allow_unsigned_response: bool,
    /// Whether it is an error if the certificate lacks a requested name or usage, or has another
    /// issuer.
    pub require_names: bool,
    /// The issuer of the certificate as text; `None` for any.
    pub issuer: Option<String>,
    /// The usages that the certificate must permit.
    pub usages: Vec<Usage>,
    /// What to remove of a certificate that is replaced.
    pub remove_old: Option<RemoveOld>,
    /// Trust flags for the new certificate; `None` takes over those of the certificate that it
    /// replaces.
    pub trust: Option<Trust>,
    /// The PEM file for the certificate and its chain.
    pub chain_file: Option<PathBuf>,
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
}

/// Verifies a response as [`enroll`](super::enroll()) does, and imports the certificate beside its key.
/// The state file is marked; to accept the same response again changes nothing. `tell` is called with
/// events during the run.
///
/// # Errors
/// Of every kind. Key and state file stay, and the error identifies the key: the message may be sent
/// again, also after a refusal. [`Kind::Pending`] when the certificate isn't issued yet.
pub fn accept(spec: AcceptSpec, tell: &mut dyn FnMut(Event)) -> Result<Enrolled> {
    let text = input::read("state file", &spec.state)?;
    let state = State::read(&spec.state, &text)?;
    let bytes = input::read("CMC response", &spec.response)?;
    let what = format!("CMC response {}", spec.response.display());
    let (_, response) = input::parsed(&what, "a CMC response", &bytes, |der| {
        let response = response::parse(der)?;
        verify_response::check_type(&response).map(|()| response)
    })?;
    let needs = Needs {
        token: &state.token,
        key: true,
        trust: spec.trust.is_some() || spec.remove_old.is_some(),
        ..Needs::default()
    };
    let database = Database::open(&spec.database, Access::ReadWrite)?;
    let (session, lock) =
        Session::locked(database, needs, &spec.passwords, spec.lock_timeout, tell)?;
    state::check(&spec.state, &text, &session.database)?;
    let nickname = state.nickname.as_deref().map(|n| session.new_nickname(n)).transpose()?;
    let destination = Destination {
        session: &session,
        passwords: &spec.passwords,
        nickname: nickname.as_deref(),
        trust: spec.trust.as_ref(),
        remove_old: spec.remove_old,
        chain_file: spec.chain_file.as_deref(),
    };
    let mut enrolled = Job { spec: &spec, destination }.run(state, &response)?;
    enrolled.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(enrolled)
}

struct Job<'a> {
    spec: &'a AcceptSpec,
    destination: Destination<'a>,
}

impl Job<'_> {
    fn run(&self, state: State, response: &Response) -> Result<Enrolled> {
        let Destination { session, chain_file, .. } = self.destination;
        let issuer = self.spec.issuer.as_deref().map(name::parse).transpose()?;
        let asked = state.asked()?.by(issuer, &self.spec.usages);
        let place = chain_file.map(output::Reserved::take).transpose()?;
        let key = state.key_id.as_deref().map(|id| self.key(id, &state)).transpose()?;
        let proven = match self.proven(&state, response) {
            Ok(proven) => proven,
            Err(e) => return Err(self.kept(e, key)),
        };
        let digest = session.database.hash(Digest::Sha256, proven.certificate.der())?;
        let again = state.accepted.as_ref() == Some(&digest);
        let archived = Some(state.archived);
        let mut enrolled = match self.is_imported(&proven)? {
            true => self.destination.fits(&proven.certificate, &asked, archived, Vec::new())?,
            false => {
                if let Some(key) = key.as_ref().filter(|_| !again) {
                    self.check_label(key)?;
                }
                let mut notices = Vec::new();
                let replaces = self.replaced()?;
                let kept_trust = self.destination.kept_trust(replaces.as_ref(), &mut notices);
                let ending = Ending {
                    place,
                    strict: self.spec.require_names,
                    replaces,
                    kept_trust,
                    slip: None,
                    reused: false,
                    recovered: false,
                    archived,
                    notices,
                };
                self.destination.finish(proven, key, &asked, ending).map_err(lacking)?
            }
        };
        if !again {
            let marked = self.mark(&State { accepted: Some(digest), ..state });
            enrolled.notices.extend(marked.err().map(Notice::StateNotMarked));
        }
        Ok(enrolled)
    }

    /// Returns the key of the request.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Input`] when it isn't the key of the state.
    fn key(&self, id: &[u8], state: &State) -> Result<RequestKey> {
        let token = &self.destination.session.token;
        let Some(private) = token.find_key(id) else {
            let (id, token) = (keyid::to_hex(id), token.user_name());
            let what = format!("key of the request not found in token {token}, id {id}");
            return Err(Error::new(Kind::NotFound, what)
                .hint("revoke the certificate if the CA issued it, and build another request"));
        };
        let public = private.public()?;
        if public_key_bits(&public.spki()?)? != public_key_bits(&state.spki)? {
            return Err(state::bad(&self.spec.state, "its public key is not that of its key id"));
        }
        let nickname = self.destination.nickname.unwrap_or_default();
        RequestKey::resume(token, KeyPair { private, public }, nickname)
    }

    /// Returns the certificate in a verified response that reports success.
    fn proven(&self, state: &State, response: &Response) -> Result<Proven> {
        let session = self.destination.session;
        let allow_unsigned = self.spec.allow_unsigned_response;
        verify_response::verify_for(&session.database, response, &state.sent, allow_unsigned)?;
        let certificates = verify_response::issued(response.outcome())?;
        verify_response::ours(session, certificates, &state.spki)
    }

    /// Completes the error of a response without an issued certificate. The key stays, whatever the
    /// response says: it isn't known how often the message was sent.
    fn kept(&self, error: Error, key: Option<RequestKey>) -> Error {
        let Some(key) = key else { return error.sent() };
        let nickname = self.destination.nickname.map(str::to_owned);
        key.leave(error.sent()).leftover(Leftover { nickname, ..Leftover::default() })
    }

    /// Returns the certificate that the new one replaces.
    fn replaced(&self) -> Result<Option<Previous>> {
        let Some(nickname) = self.destination.nickname else { return Ok(None) };
        Previous::of(&self.destination.session.named(nickname)?, None)
    }

    /// Returns whether the certificate is already under the nickname.
    fn is_imported(&self, proven: &Proven) -> Result<bool> {
        let Some(nickname) = self.destination.nickname else { return Ok(false) };
        let der = proven.certificate.der();
        Ok(self.destination.session.named(nickname)?.iter().any(|c| c.der() == der))
    }

    /// Refuses a key that isn't labelled as that of this request: another run completed it, or the
    /// state names another nickname. A run that was killed during the import left the nickname.
    fn check_label(&self, key: &RequestKey) -> Result<()> {
        let nickname = self.destination.nickname.unwrap_or_default();
        let label = key.private()?.label().unwrap_or_default();
        if label == unfinished_label(nickname) || label == nickname {
            return Ok(());
        }
        let id = keyid::to_hex(&key.id);
        let what = format!("key {id} is not that of an unfinished request for {nickname:?}");
        Err(Error::new(Kind::Conflict, what)
            .because(format!("its label is {label:?}"))
            .sent()
            .hint("list the keys and their certificates: nss-cmc key list"))
    }

    fn mark(&self, state: &State) -> Result<()> {
        let text = state.write(&self.spec.state, &self.destination.session.database)?;
        output::write(&self.spec.state, text.as_bytes(), output::Mode::Private)
    }
}

/// Adds what helps when the certificate lacks something.
fn lacking(error: Error) -> Error {
    match error.kind() {
        Kind::Differs => error.hint("change the options, or the profile and build another request"),
        _ => error,
    }
}
