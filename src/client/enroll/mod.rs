//! `nss-cmc enroll`: key, request, signature, submission, checks, import, in one run.

mod asked;
mod existing;
mod finish;
mod unfinished;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rasn_pkix::Extension;
use serde_json::json;

use super::archive::Archive;
use super::connection::{Enrolment, Requester};
use super::csr::{self, AltNames, NewKey};
use super::lock::Lock;
use super::session::{self, Identity, Needs, Session};
use super::{dogtag, judge, output, signer};
use crate::algorithm::KeySpec;
use crate::asn1::name;
use crate::asn1::x509::subject_key_identifier;
use crate::cli::report::Report;
use crate::client::passwords::Passwords;
use crate::cmc::crmf::{self, CrmfParts, Pop, cert_req_messages};
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::http::{Encoding, TransportOptions};
use crate::keyid;
use crate::nss::{Access, Database, KeyFlags, PrivateKey, Token, Trust};
use asked::Asked;
use existing::Existing;
use finish::{Ending, Issued};

/// The key that is made where nothing is said of it.
pub const DEFAULT_KEY: KeySpec = KeySpec::Rsa(2048);

/// Where the key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A new key in the token, and a request for `subject`.
    New {
        /// What to generate; [`DEFAULT_KEY`] when nothing is said.
        spec: Option<KeySpec>,
        /// Distinguished name as text.
        subject: String,
        /// Alternative names.
        names: AltNames,
    },
    /// A request somebody made (PKCS #10 or CRMF; DER, PEM or base64).
    Csr(PathBuf),
}

/// What `enroll` is asked to do.
pub struct EnrollSpec {
    /// NSS database directory.
    pub database: String,
    /// Token for the new key and the certificate.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'static>,
    /// Nickname for the new certificate; none imports nothing.
    pub nickname: Option<String>,
    /// The key.
    pub key: KeySource,
    /// Who asks: an agent or user with a certificate, or a user with a shared secret.
    pub requester: Requester,
    /// The key is for encryption only: the request comes without signature, as CRMF, and the CA's
    /// challenge is answered in a second trip.
    pub encryption_only: bool,
    /// Have the key archived by the KRA; the request is CRMF then.
    pub archive: Option<Archive>,
    /// The CA's URL.
    pub ca: String,
    /// Profile id.
    pub profile: String,
    /// Ask anew although a certificate that fits is there.
    pub force: bool,
    /// Ask anew when the certificate there isn't as asked for.
    pub renew_on_change: bool,
    /// A certificate that lacks a name asked for is a failure.
    pub require_names: bool,
    /// Believe a certs-only answer, which is not signed.
    pub allow_unsigned: bool,
    /// An existing certificate that fits is replaced when it ends within this time.
    pub renew_before: Duration,
    /// Trust flags for the new certificate; none leaves what NSS gives it.
    pub trust: Option<Trust>,
    /// Where to write the certificate and its chain as PEM.
    pub chain_file: Option<PathBuf>,
    /// Connection and total time-out.
    pub timeouts: (Duration, Duration),
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
    /// Proxy URL.
    pub proxy: Option<String>,
    /// How requests to an EST server are encoded; found out when absent.
    pub est_encoding: Option<Encoding>,
}

/// Runs it. `tell` is called with what somebody who waits should know.
///
/// # Errors
/// Of every kind. A run that fails before its request leaves keeps no key; after that the key stays,
/// named by the error, unless the CA verifiably refused this very request. A certificate that was
/// issued is in the error's details.
pub fn enroll(spec: EnrollSpec, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let access = Access::ReadWrite;
    let needs = Needs {
        token: &spec.token,
        key: true,
        signer: match &spec.requester {
            Requester::Certificate(signer) => Some(signer),
            Requester::SharedSecret(_) => None,
        },
        trust: spec.trust.is_some(),
        ..Needs::default()
    };
    let Session { database, token, held } =
        Session::open(&spec.database, access, needs, &spec.passwords)?;
    let nickname =
        spec.nickname.as_deref().map(|n| session::new_nickname(&token, n)).transpose()?;
    let url = dogtag::submit_url(&spec.ca, dogtag::SUBMIT_FULL, &spec.profile)?;
    // From the look at what is there to the import, so that no other run comes in between.
    let lock = Lock::take(&database.path(), spec.lock_timeout, tell)?;
    let job =
        Job { database: &database, token: &token, nickname: nickname.as_deref(), spec: &spec, url };
    let report = match &spec.key {
        KeySource::Csr(path) => job.with_csr(path)?,
        KeySource::New { spec: key, subject, names } => job.with_key(*key, subject, names)?,
    };
    drop((token, held));
    let report = close(database, report);
    drop(lock);
    Ok(report)
}

/// Shuts NSS down; a leaked handle is a defect worth telling, not a failure of what was done.
pub fn close(database: Database, mut report: Report) -> Report {
    if let Err(f) = database.close() {
        report.warnings.push(format!("NSS could not be shut down: {f}"));
    }
    report
}

struct Job<'a> {
    database: &'a Database,
    token: &'a Token,
    nickname: Option<&'a str>,
    spec: &'a EnrollSpec,
    /// Where requests go.
    url: String,
}

impl Job<'_> {
    /// Has a request certified that somebody else made.
    fn with_csr(&self, path: &Path) -> Result<Report> {
        let request = session::read_request(path, None)?;
        let asked = Asked::of(&request)?;
        if let (Some(nickname), Some(subject)) = (self.nickname, &asked.subject) {
            self.named(nickname, subject)?;
        }
        self.check_signer()?;
        // Before a certificate is asked for, that could then not be stored.
        let place = self.spec.chain_file.as_deref().map(output::Reserved::take).transpose()?;
        let issued = self.ask(&request, None)?;
        let ending = Ending { place, strict: self.spec.require_names, warnings: Vec::new() };
        self.finish(&issued, None, &asked, ending)
    }

    /// Has a key certified: a new one, or that of an earlier run that didn't come to its end.
    fn with_key(&self, key: Option<KeySpec>, subject: &str, names: &AltNames) -> Result<Report> {
        let text = subject;
        let subject = name::parse(text)?;
        let extensions = names.extensions()?;
        let asked = Asked::new(Some(subject.clone()), &extensions)?;
        let existing = self.existing(&subject, &asked, key)?;
        let kind = key.unwrap_or(DEFAULT_KEY);
        let mut unfinished = self.unfinished(kind)?;
        let strict = match existing {
            Existing::Fits(mut report) => {
                report.warnings.extend(unfinished.all(self.nickname.unwrap_or_default()));
                return Ok(*report);
            }
            Existing::Ask { strict } => strict,
        };
        self.check_signer()?;
        let place = self.spec.chain_file.as_deref().map(output::Reserved::take).transpose()?;
        let purpose = self.nickname.unwrap_or(text);
        let recovered = self.recover(&subject, &asked, &mut unfinished)?;
        let (key, issued) = match recovered {
            Some(found) => found,
            None => {
                let key = match unfinished.go_on(self.token, purpose)? {
                    Some(key) => key,
                    None => self.new_key(kind, purpose)?,
                };
                let told = unfinished.notes.clone();
                self.certify(key, &subject, extensions)
                    .map_err(|e| told.into_iter().fold(e, Error::note))?
            }
        };
        let ending = Ending { place, strict, warnings: unfinished.notes };
        self.finish(&issued, Some(key), &asked, ending)
    }

    /// Checks that the CA may take the signer, before anything is made or sent.
    fn check_signer(&self) -> Result<()> {
        match &self.spec.requester {
            Requester::Certificate(nickname) => {
                signer::check(&Identity::find(self.database, self.token, nickname)?)
            }
            Requester::SharedSecret(_) => Ok(()),
        }
    }

    fn new_key(&self, kind: KeySpec, purpose: &str) -> Result<NewKey> {
        let mut flags = KeyFlags::permanent(kind);
        if self.spec.archive.is_some() {
            flags.extractable = Some(true);
        }
        NewKey::generate(self.token, kind, flags, purpose)
    }

    /// The key and its certificate.
    fn certify(
        &self,
        mut key: NewKey,
        subject: &[u8],
        extensions: Vec<Extension>,
    ) -> Result<(NewKey, Issued)> {
        let request = match self.request_for(subject, extensions, &key).and_then(|r| {
            // From here on the CA may issue: an interruption waits for its answer.
            key.check()?;
            Ok(r)
        }) {
            Ok(request) => request,
            Err(e) => return Err(self.failed(e, key)),
        };
        key.commit();
        match self.ask(&request, key.private()) {
            Ok(issued) => Ok((key, issued)),
            Err(e) => Err(self.failed(e, key)),
        }
    }

    /// A failure before there was a certificate to believe in.
    fn failed(&self, error: Error, key: NewKey) -> Error {
        let (resumed, id) = (key.is_resumed(), keyid::to_hex(&key.id));
        let error = key.end(error);
        if !error.leaves_something() {
            return error;
        }
        let error = error.left(json!({ "nickname": self.nickname }));
        if !resumed {
            return error;
        }
        let token = match self.token.is_internal() {
            true => String::new(),
            false => format!(" -h '{}'", self.token.name()),
        };
        let database = self.database.name();
        error.note(format!(
            "each run goes on with this key; to begin with another one: certutil -F -d {database}{token} -k {id}"
        ))
    }

    /// Sends a request; answers the certificate, which is proven to be the CA's and for its key.
    fn ask(&self, request: &Request, key: Option<&PrivateKey>) -> Result<Issued> {
        let enrolment = Enrolment {
            database: self.database,
            token: self.token,
            requester: &self.spec.requester,
            url: self.url.clone(),
            options: self.connection(),
            allow_unsigned: self.spec.allow_unsigned,
        };
        let certificates = enrolment.play(request, key)?;
        let proven = || {
            let (certificate, others) = judge::ours(self.database, certificates, request.spki())?;
            Ok(Issued { certificate, others, recovered: false })
        };
        proven().map_err(Error::sent)
    }

    fn connection(&self) -> TransportOptions<'_> {
        TransportOptions {
            database: Some(self.database),
            connect_timeout: self.spec.timeouts.0,
            timeout: self.spec.timeouts.1,
            proxy: self.spec.proxy.clone(),
            plain_http: false,
            est_encoding: self.spec.est_encoding,
            identity: None,
        }
    }

    fn request_for(
        &self,
        subject: &[u8],
        mut extensions: Vec<Extension>,
        key: &NewKey,
    ) -> Result<Request> {
        let Some(private) = key.private() else {
            return Err(Error::new(Kind::Internal, "a new key is without private half"));
        };
        // By this the CA knows that the signer is the key being certified.
        let id = match matches!(self.spec.requester, Requester::SharedSecret(_)) {
            true => Some(session::key_identifier(self.database, &key.spki)?),
            false => None,
        };
        if self.spec.encryption_only || self.spec.archive.is_some() {
            let archive = match &self.spec.archive {
                Some(archive) => Some(archive.options(self.database, self.token, private)?),
                None => None,
            };
            // Dogtag up to 10.10 refuses other extensions in CRMF than the key identifier.
            let extensions = id.iter().map(|id| crmf::subject_key_identifier(id)).collect();
            let pop = if self.spec.encryption_only { Pop::None } else { Pop::Success };
            let parts = CrmfParts { subject, spki: &key.spki, extensions, archive, pop };
            return Request::crmf(&cert_req_messages(parts, private)?);
        }
        extensions.extend(id.map(|id| subject_key_identifier(&id)));
        Request::from_pkcs10(&csr::pkcs10(subject, &key.spki, &extensions, private)?)
    }
}

fn chain_pem(ours: &[u8], others: &[Vec<u8>]) -> String {
    let mut pem = crate::asn1::pem::encode("CERTIFICATE", ours);
    for other in others {
        pem.push_str(&crate::asn1::pem::encode("CERTIFICATE", other));
    }
    pem
}

fn token_name(token: &Token) -> String {
    if token.is_internal() { "internal".into() } else { token.name() }
}
