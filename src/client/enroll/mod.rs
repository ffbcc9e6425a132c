//! Enrollment in one run: key, request, signature, submission, checks, import.

mod accept;
mod asked;
mod build;
mod bulk;
mod check;
mod confirm;
mod enrolled;
mod existing;
mod explain;
mod finish;
mod grant;
mod maker;
pub mod obtain;
mod pending;
mod previous;
mod resume;
mod round_trips;
mod simple;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archive::Archive;
use super::connection::Config;
use super::csr::{self, AltNames, Extensions};
pub use super::lock::Event;
use super::output;
use super::passwords::Passwords;
use super::request_key::RequestKey;
use super::session::{Needs, Session};
use super::verify_response::Proven;
use crate::algorithm::{Crypto, Digest, KeySpec};
use crate::asn1::name;
use crate::asn1::x509::public_value;
use crate::error::{Error, Kind, Leftover, Result};
use crate::keyid;
use crate::nss::{Access, Database, Trust, Usage};
pub use accept::{AcceptSpec, accept};
use asked::Asked;
pub use build::{BuildSpec, Built, build};
pub use bulk::{BulkSpec, Done, Order, Orders, bulk};
pub use check::check;
pub use enrolled::{
    Described, Enrolled, Issued, IssuedKey, Mended, Notice, Outcome, Predicted, Prediction,
};
use existing::Existing;
use finish::{Destination, Ending};
use grant::Wanted;
use maker::{Maker, place_signer};
use pending::Slip;
use previous::Previous;
use resume::Unfinished;
use round_trips::RoundTrips;
pub use round_trips::{Requester, Shared};

/// The key that is generated if the caller specifies none.
pub const DEFAULT_KEY: KeySpec = KeySpec::Rsa(2048);

/// The key of the request.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A new key in the token, and a request for `subject`.
    New {
        /// Type and size; `None` for [`DEFAULT_KEY`].
        spec: Option<KeySpec>,
        /// The distinguished name as text.
        subject: String,
        /// Alternative names.
        names: AltNames,
    },
    /// An existing request (PKCS #10 or CRMF; DER, PEM or base64).
    Csr(PathBuf),
}

/// What to remove of a certificate that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveOld {
    /// The certificate; its key stays.
    Certificate,
    /// The certificate and its key.
    CertificateAndKey,
}

/// The arguments of [`enroll`].
pub struct EnrollSpec {
    /// NSS database directory.
    pub database: String,
    /// Token for the new key and the certificate.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'static>,
    /// Nickname for the new certificate; without one it is not imported.
    pub nickname: Option<String>,
    /// The key of the request.
    pub key: KeySource,
    /// Who requests: an agent or user with a certificate, or a user with a shared secret.
    pub requester: Requester,
    /// Directory of a second database, with the requester's certificate and key. It is opened
    /// read-only; CAs that it trusts are trusted, too.
    pub signer_database: Option<String>,
    /// Whether the key is for encryption only: the request is CRMF without a signature, and the
    /// CA's challenge is met in a second round trip (RFC 5272 §6.7).
    pub encryption_only: bool,
    /// Archival of the key in the KRA; the request is then CRMF.
    pub archive: Option<Archive>,
    /// The CA and how to connect.
    pub connection: Config,
    /// Whether to request a certificate even if an existing one matches.
    pub force: bool,
    /// Whether to replace an existing certificate that differs from the request.
    pub renew_on_change: bool,
    /// Whether to look up an existing certificate that matches in the CA's records, and to request a
    /// new one if it is revoked.
    pub renew_revoked: bool,
    /// Whether it is an error if the certificate lacks a requested name or usage, or has another
    /// issuer.
    pub require_names: bool,
    /// The issuer of the certificate as text; `None` for any.
    pub issuer: Option<String>,
    /// The usages that the certificate must permit.
    pub usages: Vec<Usage>,
    /// Whether a certificate that replaces another one gets its key.
    pub reuse_key: bool,
    /// What to remove of a certificate, once its successor is stored.
    pub remove_old: Option<RemoveOld>,
    /// How long to wait for a certificate that the CA doesn't issue at once.
    pub wait: Duration,
    /// The time before its end from which a matching certificate is replaced.
    pub renew_before: Duration,
    /// Trust flags for the new certificate; `None` takes over those of the certificate that it
    /// replaces.
    pub trust: Option<Trust>,
    /// The PEM file for the certificate and its chain.
    pub chain_file: Option<PathBuf>,
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
}

impl EnrollSpec {
    /// Returns the usual specification: the key in the database's own token, renewal from 30 days
    /// before the end.
    pub fn new(
        database: impl Into<String>,
        passwords: Passwords<'static>,
        connection: Config,
        requester: Requester,
        key: KeySource,
    ) -> EnrollSpec {
        EnrollSpec {
            database: database.into(),
            token: "internal".into(),
            passwords,
            nickname: None,
            key,
            requester,
            signer_database: None,
            encryption_only: false,
            archive: None,
            connection,
            force: false,
            renew_on_change: false,
            renew_revoked: false,
            require_names: false,
            issuer: None,
            usages: Vec::new(),
            reuse_key: false,
            remove_old: None,
            wait: Duration::ZERO,
            renew_before: Duration::from_secs(30 * 24 * 3600),
            trust: None,
            chain_file: None,
            lock_timeout: Duration::from_secs(300),
        }
    }
}

/// Enrolls a certificate. `tell` is called with events during the run.
///
/// ```no_run
/// use nss_cmc::{AltNames, Config, EnrollSpec, KeySource, Requester, Source, Url, enroll};
///
/// let mut ca = Config::new(Url::parse("https://ca.example:8443")?);
/// ca.profile = Some("caCMCserverCert".into());
/// let passwords = Source::File("pin.txt".into()).passwords();
/// let agent = Requester::Certificate("agent".into());
/// let names = AltNames(vec![("dns".into(), "www.example".into())]);
/// let key = KeySource::New { spec: None, subject: "CN=www.example".into(), names };
/// let mut spec = EnrollSpec::new("nssdb", passwords, ca, agent, key);
/// spec.nickname = Some("www".into());
/// let enrolled = enroll(spec, &mut |event| eprintln!("{event:?}"))?;
/// println!("serial number {}", enrolled.certificate.serial_hex());
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// Of every kind. A run that fails before its request is sent keeps no key. After that the key
/// stays, and the error identifies it, unless the CA verifiably refused this very request. A
/// certificate that was issued is in the error's [leftover](Error::left_behind).
pub fn enroll(spec: EnrollSpec, tell: &mut dyn FnMut(Event)) -> Result<Enrolled> {
    let spec = prepared(spec)?;
    let database = Database::open(&spec.database, Access::ReadWrite)?;
    // Locked from the look at existing certificates to the import, so that no other run interferes.
    let (session, lock) =
        Session::locked(database, needs(&spec), &spec.passwords, spec.lock_timeout, tell)?;
    let nickname = spec.nickname.as_deref().map(|n| session.new_nickname(n)).transpose()?;
    let job = Job { session: &session, nickname: nickname.as_deref(), spec: &spec };
    let mut enrolled = match &spec.key {
        KeySource::Csr(path) => job.with_csr(path, tell)?,
        KeySource::New { spec: key, subject, names } => {
            job.with_key(*key, subject, names, None, tell)?
        }
    };
    enrolled.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(enrolled)
}

/// Returns the arguments with the signer's nickname as that of its database, if it has one.
///
/// # Errors
/// [`Kind::Usage`] for arguments that contradict each other.
fn prepared(mut spec: EnrollSpec) -> Result<EnrollSpec> {
    place_signer(&mut spec.requester, spec.signer_database.as_deref())?;
    if spec.reuse_key && spec.remove_old == Some(RemoveOld::CertificateAndKey) {
        return Err(Error::new(Kind::Usage, "cannot remove the key of the old certificate")
            .because("the new one has the same key (--reuse-key)"));
    }
    Ok(spec)
}

/// Returns what a run needs of the database.
fn needs(spec: &EnrollSpec) -> Needs<'_> {
    Needs {
        trust: spec.trust.is_some() || spec.remove_old.is_some(),
        ..maker::needs(&spec.token, &spec.requester, spec.signer_database.as_deref())
    }
}

struct Job<'a> {
    session: &'a Session,
    nickname: Option<&'a str>,
    spec: &'a EnrollSpec,
}

impl<'a> Job<'a> {
    fn maker(&self) -> Maker<'a> {
        let Job { session, nickname, spec } = *self;
        Maker {
            session,
            nickname,
            requester: &spec.requester,
            encryption_only: spec.encryption_only,
            archive: spec.archive.as_ref(),
            signer_s_subject: self.takes_signer_s_subject(),
        }
    }

    fn destination(&self) -> Destination<'a> {
        let Job { session, nickname, spec } = *self;
        Destination {
            session,
            passwords: &spec.passwords,
            nickname,
            trust: spec.trust.as_ref(),
            remove_old: spec.remove_old,
            chain_file: spec.chain_file.as_deref(),
        }
    }

    /// Returns whether the key is archived; for that of a request that an `earlier` run sent, it
    /// isn't known.
    fn archived(&self, earlier: bool) -> Option<bool> {
        match (&self.spec.archive, earlier) {
            (None, _) => Some(false),
            (Some(_), false) => Some(true),
            (Some(_), true) => None,
        }
    }

    /// Returns whether the profile replaces the requested subject by the signer's.
    fn takes_signer_s_subject(&self) -> bool {
        let profile = self.spec.connection.profile.as_deref();
        profile.is_some_and(|profile| profile.contains("UserSigned"))
    }

    /// Adds to the requested names what else the certificate must fulfil.
    fn asked(&self, asked: Asked) -> Result<Asked> {
        let issuer = self.spec.issuer.as_deref().map(name::parse).transpose()?;
        Ok(asked.by(issuer, &self.spec.usages))
    }

    /// Enrolls with an existing request.
    fn with_csr(&self, path: &Path, tell: &mut dyn FnMut(Event)) -> Result<Enrolled> {
        let request = csr::read(path, None)?;
        let asked = self.asked(Asked::of(&request)?)?;
        let replaces = match &asked.subject {
            Some(subject) => Previous::of(&self.maker().named(subject)?, None)?,
            None => None,
        };
        let mut round_trips = self.round_trips()?;
        // Reserved before the request is sent: the certificate could not be written otherwise.
        let place = self.spec.chain_file.as_deref().map(output::Reserved::take).transpose()?;
        let mut notices = Vec::new();
        let destination = self.destination();
        let kept_trust = destination.kept_trust(replaces.as_ref(), &mut notices);
        let public = public_value(request.spki())?;
        let slip = self.slip(&self.session.database.hash(Digest::Sha1, &public)?, &asked)?;
        let pended = slip.recall(&mut notices);
        let wanted = Wanted {
            request: &request,
            key: None,
            slip: &slip,
            pended,
            only_request: false,
            wait: self.spec.wait,
        };
        let granted = round_trips.grant(wanted, tell);
        let granted = granted.map_err(|e| round_trips.explained(e, &self.spec.connection));
        let proven = granted.map_err(|e| noted(e, &notices))?;
        let ending = Ending {
            place,
            strict: self.spec.require_names,
            replaces,
            kept_trust,
            slip: Some(slip),
            reused: false,
            recovered: false,
            archived: self.archived(false),
            notices,
        };
        destination.finish(proven, None, &asked, ending)
    }

    /// Enrolls with a new key, with the key of an earlier run that was not completed, or with that of
    /// the certificate that is replaced. `prepared` is a connection for several enrollments.
    fn with_key(
        &self,
        key: Option<KeySpec>,
        subject: &str,
        names: &AltNames,
        prepared: Option<&mut RoundTrips<'_>>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Enrolled> {
        let subject_text = subject;
        let (subject, extensions, asked) = self.requested(subject, names)?;
        let (maker, destination) = (self.maker(), self.destination());
        let named = maker.named(&subject)?;
        let kind = key.unwrap_or(DEFAULT_KEY);
        let (strict, replaces) = match self.existing(&named, &asked, key)? {
            Existing::Fits(certificate, notices) => {
                let archived = self.archived(true);
                let mut enrolled = destination.fits(certificate, &asked, archived, notices)?;
                let unfinished = maker.unfinished(&named, kind);
                enrolled.notices.extend(unfinished.all(self.nickname.unwrap_or_default()));
                return Ok(enrolled);
            }
            Existing::Ask { strict, replaces } => (strict, replaces),
        };
        let unfinished = maker.unfinished(&named, kind);
        drop(named);
        let purpose = self.nickname.unwrap_or(subject_text);
        let wish =
            Wish { key, kind, purpose, subject, extensions, asked, strict, replaces, unfinished };
        match prepared {
            Some(round_trips) => self.request(wish, round_trips, tell),
            None => self.request(wish, &mut self.round_trips()?, tell),
        }
    }

    /// Requests the certificate, and stores it.
    fn request(
        &self,
        wish: Wish<'_>,
        round_trips: &mut RoundTrips<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Enrolled> {
        let Wish { key, kind, purpose, subject, extensions, asked, strict, replaces, .. } = wish;
        let mut unfinished = wish.unfinished;
        let (maker, destination) = (self.maker(), self.destination());
        let same_key = self.key_to_reuse(replaces.as_ref(), key)?;
        let place = self.spec.chain_file.as_deref().map(output::Reserved::take).transpose()?;
        if let Some(key) = &same_key {
            self.with_same_key(key, &mut unfinished);
        }
        let kept_trust = destination.kept_trust(replaces.as_ref(), &mut unfinished.notices);
        let old_id = same_key.as_ref().map(|key| key.id.clone());
        let recovered = self.recover(&subject, &asked, &mut unfinished)?;
        let is_recovered = recovered.is_some();
        let (key, slip, proven) = match recovered {
            Some((key, proven)) => (key, None, proven),
            None => {
                let is_pending = |id: &[u8]| self.slip(id, &asked).is_ok_and(|slip| slip.exists());
                let key = match same_key {
                    Some(key) => {
                        unfinished.pass_over(purpose);
                        key
                    }
                    None => match unfinished.go_on(&self.session.token, purpose, is_pending)? {
                        Some(key) => key,
                        None => maker.new_key(kind, purpose)?,
                    },
                };
                unfinished.notices.extend(self.orphans(true));
                let request = Certifiable { subject, extensions, asked: &asked };
                self.certify(key, request, round_trips, &mut unfinished.notices, tell)?
            }
        };
        let slip = slip.or_else(|| self.slip(&key.id, &asked).ok());
        let ending = Ending {
            place,
            strict,
            replaces,
            kept_trust,
            slip,
            reused: old_id.as_ref() == Some(&key.id),
            recovered: is_recovered,
            archived: self.archived(is_recovered),
            notices: unfinished.notices,
        };
        destination.finish(proven, Some(key), &asked, ending)
    }

    /// Returns the requested subject (DER), the requested extensions, and both for comparisons.
    fn requested(&self, subject: &str, names: &AltNames) -> Result<(Vec<u8>, Extensions, Asked)> {
        let (subject, extensions) = maker::requested(subject, names)?;
        let asked = self.asked(Asked::new(Some(subject.clone()), extensions.list())?)?;
        Ok((subject, extensions, asked))
    }

    /// Returns the key of the certificate that is replaced, if its successor shall have it. Without
    /// a certificate to replace, a new key is generated.
    fn key_to_reuse(
        &self,
        replaces: Option<&Previous>,
        wanted: Option<KeySpec>,
    ) -> Result<Option<RequestKey>> {
        let Some(previous) = replaces.filter(|_| self.spec.reuse_key) else { return Ok(None) };
        let theirs = previous.described.key;
        if let Some(wanted) = wanted.filter(|wanted| theirs != Some(*wanted)) {
            let theirs = theirs.map_or_else(|| "of another type".to_owned(), |k| k.to_string());
            let what = format!("cannot use the same key for {wanted}: it is {theirs}");
            return Err(Error::new(Kind::Usage, what).hint("leave out --reuse-key"));
        }
        self.same_key(previous).map(Some)
    }

    /// Finds the requester, checks that the CA can accept the signer, and prepares the connection,
    /// before anything is created or sent.
    fn round_trips(&self) -> Result<RoundTrips<'a>> {
        RoundTrips::open(self.maker().author()?, &self.spec.connection)
    }

    /// Has a key certified; returns it, the place where the request was remembered, and the
    /// certificate.
    fn certify(
        &self,
        mut key: RequestKey,
        Certifiable { subject, extensions, asked }: Certifiable<'_>,
        round_trips: &mut RoundTrips<'_>,
        notices: &mut Vec<Notice>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(RequestKey, Option<Slip>, Proven)> {
        let prepared = self.maker().request_for(subject, extensions, &key);
        let prepared = prepared.and_then(|request| Ok((request, self.slip(&key.id, asked)?)));
        let (request, slip) = match prepared {
            Ok(prepared) => prepared,
            Err(e) => return Err(noted(self.failed(e, key), notices)),
        };
        let pended = slip.recall(notices);
        if pended.as_ref().is_some_and(|pended| pended.only_request) {
            key.only_request();
        }
        let only_request = key.has_only_request();
        // From here on the CA may issue: after a signal the run waits for its response.
        key.commit();
        let granted = key.private().and_then(|private| {
            let (key, wait) = (Some(private), self.spec.wait);
            let wanted = Wanted { request: &request, key, slip: &slip, pended, only_request, wait };
            round_trips.grant(wanted, tell)
        });
        match granted {
            Ok(proven) => Ok((key, Some(slip), proven)),
            Err(e) => {
                let e = round_trips.explained(e, &self.spec.connection);
                Err(noted(self.failed(e, key), notices))
            }
        }
    }

    /// Completes an error of a run without a verified certificate.
    fn failed(&self, error: Error, key: RequestKey) -> Error {
        let (resumed, id) = (key.is_resumed(), keyid::to_hex(&key.id));
        let refused = error.cmc_detail().and_then(|cmc| cmc.fail_info.as_deref());
        let error = match refused == Some("noKeyReuse") && !key.is_new() {
            true => error.hint("the CA certifies a key only once: leave out --reuse-key"),
            false => error,
        };
        let error = key.end(error);
        if error.left_behind().is_none() {
            return error;
        }
        let nickname = self.nickname.map(str::to_owned);
        let error = error.leftover(Leftover { nickname, ..Leftover::default() });
        if !resumed {
            return error;
        }
        let token = match self.session.token.is_internal() {
            true => String::new(),
            false => format!(" -h '{}'", self.session.token.name()),
        };
        let database = self.session.database.name();
        error.note(format!(
            "each run continues with this key; to use a new key, delete it: certutil -F -d {database}{token} -k {id}"
        ))
    }
}

/// What a certificate is requested for.
struct Wish<'a> {
    /// Type and size of the key, if given.
    key: Option<KeySpec>,
    /// Type and size of the key.
    kind: KeySpec,
    /// Nickname or subject, for the label of the key.
    purpose: &'a str,
    /// DER of the subject.
    subject: Vec<u8>,
    extensions: Extensions,
    asked: Asked,
    strict: bool,
    replaces: Option<Previous>,
    unfinished: Unfinished,
}

/// What a key is certified for.
struct Certifiable<'a> {
    /// DER of the subject.
    subject: Vec<u8>,
    extensions: Extensions,
    asked: &'a Asked,
}

/// Adds the notices of a run to its error.
fn noted(error: Error, notices: &[Notice]) -> Error {
    notices.iter().fold(error, |error, notice| error.note(notice.to_string()))
}
