//! Enrollment in one run: key, request, signature, submission, checks, import.

mod asked;
mod confirm;
mod enrolled;
mod existing;
mod explain;
mod finish;
mod resume;
mod round_trips;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archive::Archive;
use super::connection::{Config, Connection};
use super::csr::{self, AltNames, CsrSpec, Extensions, Format, Requested};
pub use super::lock::Event;
use super::passwords::Passwords;
use super::request_key::RequestKey;
use super::session::{Needs, Session, in_signer_database};
use super::verify_response::Proven;
use super::{output, signer};
use crate::algorithm::KeySpec;
use crate::asn1::name;
use crate::cmc::crmf::Pop;
use crate::cmc::request::Request;
use crate::error::{Error, Leftover, Result};
use crate::keyid;
use crate::nss::{Access, Database, KeyFlags, Trust};
use asked::Asked;
pub use enrolled::{Enrolled, Issued, IssuedKey, Mended, Notice, Outcome};
use existing::Existing;
use finish::Ending;
use round_trips::{Asker, RoundTrips};
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
    /// Whether it is an error if the certificate lacks a requested name.
    pub require_names: bool,
    /// The time before its end from which a matching certificate is replaced.
    pub renew_before: Duration,
    /// Trust flags for the new certificate; `None` keeps NSS's default.
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
pub fn enroll(mut spec: EnrollSpec, tell: &mut dyn FnMut(Event)) -> Result<Enrolled> {
    if let (Some(_), Requester::Certificate(signer)) = (&spec.signer_database, &mut spec.requester)
    {
        *signer = in_signer_database(signer)?;
    }
    let needs = Needs {
        token: &spec.token,
        key: true,
        signer: match &spec.requester {
            Requester::Certificate(signer) => Some(signer),
            Requester::SharedSecret(_) => None,
        },
        signer_database: spec.signer_database.as_deref(),
        trust: spec.trust.is_some(),
        ..Needs::default()
    };
    let database = Database::open(&spec.database, Access::ReadWrite)?;
    // Locked from the look at existing certificates to the import, so that no other run interferes.
    let (session, lock) =
        Session::locked(database, needs, &spec.passwords, spec.lock_timeout, tell)?;
    let nickname = spec.nickname.as_deref().map(|n| session.new_nickname(n)).transpose()?;
    let job = Job { session: &session, nickname: nickname.as_deref(), spec: &spec };
    let mut enrolled = match &spec.key {
        KeySource::Csr(path) => job.with_csr(path)?,
        KeySource::New { spec: key, subject, names } => job.with_key(*key, subject, names)?,
    };
    enrolled.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(enrolled)
}

struct Job<'a> {
    session: &'a Session,
    nickname: Option<&'a str>,
    spec: &'a EnrollSpec,
}

impl Job<'_> {
    /// Enrolls with an existing request.
    fn with_csr(&self, path: &Path) -> Result<Enrolled> {
        let request = csr::read(path, None)?;
        let asked = Asked::of(&request)?;
        if let Some(subject) = &asked.subject {
            self.named(subject)?;
        }
        let mut round_trips = self.round_trips()?;
        // Reserved before the request is sent: the certificate could not be written otherwise.
        let place = self.spec.chain_file.as_deref().map(output::Reserved::take).transpose()?;
        let proven = round_trips.run(&request, None);
        let proven = proven.map_err(|e| round_trips.explained(e, &self.spec.connection))?;
        let strict = self.spec.require_names;
        let ending = Ending { place, strict, recovered: false, notices: Vec::new() };
        self.finish(proven, None, &asked, ending)
    }

    /// Enrolls with a new key, or with the key of an earlier run that was not completed.
    fn with_key(&self, key: Option<KeySpec>, subject: &str, names: &AltNames) -> Result<Enrolled> {
        let text = subject;
        let subject = name::parse(text)?;
        let requested = Requested { names: names.clone(), ..Requested::default() };
        let extensions = Extensions::read(&requested)?;
        let asked = Asked::new(Some(subject.clone()), extensions.list())?;
        let kind = key.unwrap_or(DEFAULT_KEY);
        let (existing, mut unfinished) = {
            let named = self.named(&subject)?;
            (self.existing(&named, &asked, key)?, self.unfinished(&named, kind))
        };
        let strict = match existing {
            Existing::Fits(mut enrolled) => {
                enrolled.notices.extend(unfinished.all(self.nickname.unwrap_or_default()));
                return Ok(*enrolled);
            }
            Existing::Ask { strict } => strict,
        };
        let round_trips = self.round_trips()?;
        let place = self.spec.chain_file.as_deref().map(output::Reserved::take).transpose()?;
        let purpose = self.nickname.unwrap_or(text);
        let recovered = self.recover(&subject, &asked, &mut unfinished)?;
        let is_recovered = recovered.is_some();
        let (key, proven) = match recovered {
            Some(found) => found,
            None => {
                let key = match unfinished.go_on(&self.session.token, purpose)? {
                    Some(key) => key,
                    None => self.new_key(kind, purpose)?,
                };
                let notices = &unfinished.notices;
                self.certify(key, subject, extensions, round_trips)
                    .map_err(|e| notices.iter().fold(e, |e, notice| e.note(notice.to_string())))?
            }
        };
        let notices = unfinished.notices;
        let ending = Ending { place, strict, recovered: is_recovered, notices };
        self.finish(proven, Some(key), &asked, ending)
    }

    /// Finds the requester, checks that the CA can accept the signer, and prepares the connection,
    /// before anything is created or sent.
    fn round_trips(&self) -> Result<RoundTrips<'_>> {
        let Job { session, spec, .. } = self;
        let (asker, client) = match &spec.requester {
            Requester::Certificate(nickname) => {
                let identity = session.identity(nickname)?;
                signer::check(&identity)?;
                // It signs the messages and the TLS handshake.
                let identity = identity.for_several_signatures();
                (Asker::Holder(identity.clone()), Some(identity))
            }
            Requester::SharedSecret(shared) => (Asker::SharedSecret(shared), None),
        };
        let connection = Connection::open(&spec.connection, &session.database, client)?;
        Ok(RoundTrips { session, asker, connection })
    }

    fn new_key(&self, kind: KeySpec, purpose: &str) -> Result<RequestKey> {
        let mut flags = KeyFlags::permanent(kind);
        if self.spec.archive.is_some() {
            flags.extractable = Some(true);
        }
        RequestKey::generate(&self.session.token, kind, flags, purpose)
    }

    /// Has a key certified; returns it and its certificate.
    fn certify(
        &self,
        mut key: RequestKey,
        subject: Vec<u8>,
        extensions: Extensions,
        mut round_trips: RoundTrips<'_>,
    ) -> Result<(RequestKey, Proven)> {
        let request = match self.request_for(subject, extensions, &key) {
            Ok(request) => request,
            Err(e) => return Err(self.failed(e, key)),
        };
        // From here on the CA may issue: after a signal the run waits for its response.
        key.commit();
        match key.private().and_then(|private| round_trips.run(&request, Some(private))) {
            Ok(proven) => Ok((key, proven)),
            Err(e) => Err(self.failed(round_trips.explained(e, &self.spec.connection), key)),
        }
    }

    /// Completes an error of a run without a verified certificate.
    fn failed(&self, error: Error, key: RequestKey) -> Error {
        let (resumed, id) = (key.is_resumed(), keyid::to_hex(&key.id));
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

    fn request_for(
        &self,
        subject: Vec<u8>,
        extensions: Extensions,
        key: &RequestKey,
    ) -> Result<Request> {
        let by_secret = matches!(self.spec.requester, Requester::SharedSecret(_));
        let is_crmf = self.spec.encryption_only || self.spec.archive.is_some();
        let pop = if self.spec.encryption_only { Pop::None } else { Pop::Success };
        let spec = CsrSpec {
            subject,
            format: match is_crmf {
                true => Format::Crmf(pop, self.spec.archive.clone()),
                false => Format::Pkcs10,
            },
            // Dogtag up to 10.10 refuses CRMF requests with extensions other than the key
            // identifier.
            extensions: if is_crmf { Extensions::default() } else { extensions },
            // The CA uses it to check that the signer is the key being certified.
            key_identifier: by_secret,
        };
        let der = csr::encode(self.session, &spec, key)?;
        if is_crmf { Request::crmf(&der) } else { Request::from_pkcs10(&der) }
    }
}
