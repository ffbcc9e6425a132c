//! The first part of an enrollment in two runs: makes the key and the message, for another machine to send.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::asked::Asked;
use super::maker::{self, Maker, needs, place_signer};
use super::round_trips::Author;
use super::state::State;
use super::{DEFAULT_KEY, Event, KeySource, Notice, Requester};
use crate::algorithm::{Crypto, Digest, KeySpec};
use crate::asn1::Number;
use crate::asn1::x509::{public_key_bits, spki_key_spec};
use crate::client::archive::Archive;
use crate::client::csr::{self, AltNames};
use crate::client::passwords::Passwords;
use crate::client::request_key::RequestKey;
use crate::client::session::Session;
use crate::client::{input, output};
use crate::cmc::message::Message;
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database};

/// The arguments of [`build`]; most are those of [`EnrollSpec`](super::EnrollSpec).
pub struct BuildSpec {
    /// NSS database directory.
    pub database: String,
    /// Token for the new key and the certificate.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'static>,
    /// Nickname for the certificate; required for a new key.
    pub nickname: Option<String>,
    /// The key of the request.
    pub key: KeySource,
    /// Who requests: an agent or user with a certificate, or a user with a shared secret.
    pub requester: Requester,
    /// Directory of a second database, with the requester's certificate and key.
    pub signer_database: Option<String>,
    /// Archival of the key in the KRA; the request is then CRMF.
    pub archive: Option<Archive>,
    /// The file for the message.
    pub message: PathBuf,
    /// The file for what [`accept`](super::accept()) must know. It has no secret, but only its owner can
    /// read it.
    pub state: PathBuf,
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
}

/// The result of [`build`].
#[derive(Debug)]
pub struct Built {
    /// Whether an earlier run wrote the files, and this one changed nothing.
    pub existed: bool,
    /// SHA-256 of the message, as in the state file.
    pub digest: Vec<u8>,
    /// transactionId of the message.
    pub transaction_id: Option<Number>,
    /// The nickname for the certificate.
    pub nickname: Option<String>,
    /// Name of the token.
    pub token: String,
    /// CKA_ID of the new key; `None` for an existing request.
    pub key_id: Option<Vec<u8>>,
    /// Remarks.
    pub notices: Vec<Notice>,
}

impl Built {
    fn of(state: State, existed: bool) -> Built {
        Built {
            existed,
            digest: state.message,
            transaction_id: state.sent.transaction_id,
            nickname: state.nickname,
            token: state.token,
            key_id: state.key_id,
            notices: Vec::new(),
        }
    }
}

/// Makes a key and a signed message that requests its certificate, and sends nothing. The message
/// and the state of the request are written together; [`accept`](super::accept()) completes the
/// request. `tell` is called with events during the run.
///
/// A key belongs to one message, and is labelled as that of an unfinished request. If the state file
/// is that of the same request, and its message and key are still there, nothing is done.
///
/// # Errors
/// Of every kind; the key is deleted, and no file is written. [`Kind::Conflict`] when the state file
/// is that of another request that isn't completed.
pub fn build(mut spec: BuildSpec, tell: &mut dyn FnMut(Event)) -> Result<Built> {
    if spec.message == spec.state {
        return Err(Error::new(Kind::Usage, "message and state cannot be one file"));
    }
    if spec.nickname.is_none() && matches!(spec.key, KeySource::New { .. }) {
        return Err(Error::new(Kind::Usage, "a new key requires a nickname"));
    }
    open_request(&spec.state)?;
    let signer_database = spec.signer_database.as_deref();
    place_signer(&mut spec.requester, signer_database)?;
    let needs = needs(&spec.token, &spec.requester, signer_database);
    let database = Database::open(&spec.database, Access::ReadWrite)?;
    let (session, lock) =
        Session::locked(database, needs, &spec.passwords, spec.lock_timeout, tell)?;
    let nickname = spec.nickname.as_deref().map(|n| session.new_nickname(n)).transpose()?;
    let maker = Maker {
        session: &session,
        nickname: nickname.as_deref(),
        requester: &spec.requester,
        encryption_only: false,
        archive: spec.archive.as_ref(),
        // The profile isn't known here.
        signer_s_subject: true,
    };
    let job = Job { maker, spec: &spec };
    // Only now no other run changes it.
    let earlier = open_request(&spec.state)?;
    let mut built = match &spec.key {
        KeySource::Csr(path) => job.with_csr(path, earlier)?,
        KeySource::New { spec: kind, subject, names } => {
            job.with_key(kind.unwrap_or(DEFAULT_KEY), subject, names, earlier)?
        }
    };
    built.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(built)
}

/// Returns the state that a file has of a request that isn't completed; `None` if the file may be
/// written.
///
/// # Errors
/// [`Kind::Conflict`] for a file that has no state.
fn open_request(path: &Path) -> Result<Option<State>> {
    if !output::replaces(path, output::Mode::Private)? {
        return Ok(None);
    }
    let state = input::read("state file", path).and_then(|text| State::read(path, &text));
    match state {
        Ok(state) => Ok(Some(state).filter(|state| state.accepted.is_none())),
        Err(e) => {
            Err(Error::new(Kind::Conflict, format!("file {} exists", path.display())).because(e))
        }
    }
}

struct Job<'a> {
    maker: Maker<'a>,
    spec: &'a BuildSpec,
}

impl Job<'_> {
    fn with_csr(&self, path: &Path, earlier: Option<State>) -> Result<Built> {
        let request = csr::read(path, None)?;
        let asked = Asked::of(&request)?;
        if let Some(earlier) = earlier {
            let same = earlier.key_id.is_none()
                && public_key_bits(&earlier.spki)? == public_key_bits(request.spki())?;
            return self.again(earlier, &asked, same);
        }
        if let Some(subject) = &asked.subject {
            self.maker.named(subject)?;
        }
        let author = self.maker.author()?;
        let made = self.message(&author, &request, None)?;
        self.write(made, None)
    }

    fn with_key(
        &self,
        kind: KeySpec,
        subject: &str,
        names: &AltNames,
        earlier: Option<State>,
    ) -> Result<Built> {
        let (subject, extensions) = maker::requested(subject, names)?;
        if let Some(earlier) = earlier {
            let asked = Asked::new(Some(subject), extensions.list())?;
            let same = spki_key_spec(&earlier.spki) == Some(kind) && earlier.key_id.is_some();
            return self.again(earlier, &asked, same);
        }
        let nickname = self.maker.nickname.unwrap_or_default();
        let others = {
            let named = self.maker.named(&subject)?;
            self.maker.unfinished(&named, kind).all(nickname)
        };
        let author = self.maker.author()?;
        let mut key = self.maker.new_key(kind, nickname)?;
        let request = self.maker.request_for(subject, extensions, &key);
        let made = request.and_then(|request| self.message(&author, &request, Some(&key)));
        match made.and_then(|made| self.write(made, Some(&key))) {
            Ok(mut built) => {
                // The state names the key: it stays, whatever comes.
                key.commit();
                built.notices.extend(others);
                Ok(built)
            }
            Err(e) => Err(key.end(e)),
        }
    }

    /// Makes the message and its state.
    fn message(
        &self,
        author: &Author<'_>,
        request: &Request,
        key: Option<&RequestKey>,
    ) -> Result<(Message, State)> {
        let Maker { session, nickname, archive, .. } = &self.maker;
        let message = author.first(request, key.map(RequestKey::private).transpose()?)?;
        let digest = session.database.hash(Digest::Sha256, &message.der)?;
        let token = session.token.user_name();
        let state = State {
            requester: self.maker.requester_name()?,
            nickname: nickname.map(str::to_owned),
            key_id: key.map(|key| key.id.clone()),
            archived: archive.is_some(),
            ..State::new(request, digest, message.sent.clone(), token)
        };
        Ok((message, state))
    }

    /// Writes both files.
    fn write(&self, made: (Message, State), key: Option<&RequestKey>) -> Result<Built> {
        let (message, state) = made;
        let text = state.write(&self.spec.state, &self.maker.session.database)?;
        let mode = match self.maker.requester {
            Requester::Certificate(_) | Requester::Login => output::Mode::Default,
            // The proof of identity lets a reader try secrets.
            Requester::SharedSecret(_) => output::Mode::Private,
        };
        key.map_or(Ok(()), RequestKey::check)?;
        // The state is first: a message without state must not be sent.
        output::write_together(&[
            (&self.spec.state, text.as_bytes(), output::Mode::Private),
            (&self.spec.message, &message.der, mode),
        ])?;
        Ok(Built::of(state, false))
    }

    /// Returns the result of the run that wrote the state file, if this run would request the same, and
    /// the message and its key are still there.
    ///
    /// # Errors
    /// [`Kind::Conflict`].
    fn again(&self, state: State, asked: &Asked, same_key: bool) -> Result<Built> {
        let Maker { session, nickname, archive, .. } = &self.maker;
        let message = match output::replaces(&self.spec.message, output::Mode::Default)? {
            true => input::read("CMC message", &self.spec.message)?,
            false => Vec::new(),
        };
        let is_in_token = |id: &Vec<u8>| session.token.find_key(id).is_some();
        let differences = [
            ("its nickname is another one", state.nickname.as_deref() != *nickname),
            ("its token is another one", state.token != session.token.user_name()),
            ("its requester is another one", state.requester != self.maker.requester_name()?),
            ("its subject or names are other ones", state.asked()?.octets() != asked.octets()),
            ("its key is another one", !same_key || state.archived != archive.is_some()),
            ("its key is not in the token", !state.key_id.as_ref().is_none_or(is_in_token)),
            (
                "its message is not in --out",
                session.database.hash(Digest::Sha256, &message)? != state.message,
            ),
        ];
        let Some((difference, _)) = differences.into_iter().find(|(_, differs)| *differs) else {
            return Ok(Built::of(state, true));
        };
        let what = format!("state file {} exists", self.spec.state.display());
        Err(Error::new(Kind::Conflict, what)
            .because(format!("its request is not completed; {difference}"))
            .hint("choose another --state, or remove the file and its key"))
    }
}
