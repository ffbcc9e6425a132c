//! Renews a certificate of a database when it is due: with the same subject, names, usages, trust
//! flags and nickname. After that it runs a command, once, also if a run was killed in between.

mod candidates;
mod current;
mod hook;
mod journal;

use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;

use super::archive::Archive;
use super::connection::Config;
use super::csr::AltNames;
use super::enroll::{
    EnrollSpec, Enrolled, Event, KeySource, Outcome, Prediction, RemoveOld, Requester, enroll,
};
use super::passwords::Remembered;
use super::status::Validity;
use crate::algorithm::KeySpec;
use crate::asn1::summary::Summary;
use crate::error::{Error, Kind, Result};
use crate::nss::Trust;
pub use candidates::{Candidate, SearchSpec, Standing, candidates};
use current::Current;
use hook::About;
pub use hook::Hook;

/// The arguments of [`renew`].
pub struct RenewSpec {
    /// NSS database directory.
    pub database: String,
    /// The token of the certificate, and of the new key.
    pub token: String,
    /// Gives the tokens' passwords. It may be shared by several renewals.
    pub passwords: Rc<Remembered>,
    /// Nickname of the certificate.
    pub nickname: String,
    /// Nickname of the agent's certificate that signs the request; `None` for the certificate that
    /// is renewed.
    pub signer: Option<String>,
    /// Directory of a second database, with the agent's certificate and key.
    pub signer_database: Option<String>,
    /// The CA, its profile and how to connect.
    pub connection: Config,
    /// Type of the new key; `None` for that of the certificate.
    pub key: Option<KeySpec>,
    /// Whether the new key is for encryption only.
    pub encryption_only: bool,
    /// Archival of the new key.
    pub archive: Option<Archive>,
    /// Whether the new certificate gets the key of the old one.
    pub reuse_key: bool,
    /// What to remove of the old certificate.
    pub remove_old: Option<RemoveOld>,
    /// Trust flags of the new certificate; `None` for those of the old one.
    pub trust: Option<Trust>,
    /// The time before its end from which a certificate is due.
    pub renew_before: Duration,
    /// Whether a certificate is due that is revoked in the CA's records.
    pub renew_revoked: bool,
    /// How long to wait for a certificate that the CA doesn't issue at once.
    pub wait: Duration,
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
    /// The command to run after a change.
    pub hook: Option<Hook>,
}

impl RenewSpec {
    /// Returns the usual specification: a certificate of the database's own token, that signs for
    /// itself, and is due from 30 days before its end.
    pub fn new(
        database: impl Into<String>,
        nickname: impl Into<String>,
        passwords: Rc<Remembered>,
        connection: Config,
    ) -> RenewSpec {
        RenewSpec {
            database: database.into(),
            token: "internal".into(),
            passwords,
            nickname: nickname.into(),
            signer: None,
            signer_database: None,
            connection,
            key: None,
            encryption_only: false,
            archive: None,
            reuse_key: false,
            remove_old: None,
            trust: None,
            renew_before: Duration::from_secs(30 * 24 * 3600),
            renew_revoked: false,
            wait: Duration::ZERO,
            lock_timeout: Duration::from_secs(300),
            hook: None,
        }
    }
}

/// What a run did for a certificate.
#[derive(Debug)]
pub struct Renewed {
    /// Its nickname.
    pub nickname: String,
    /// Its token.
    pub token: String,
    /// The certificate in use after the run.
    pub certificate: Summary,
    /// Serial number of the certificate that was in use before; `None` if it still is.
    pub replaced: Option<String>,
    /// What was done.
    pub what: Done,
    /// The result of the command; `None` if it was not run.
    pub hook: Option<Result<()>>,
    /// Remarks.
    pub notices: Vec<String>,
}

/// What was done.
#[derive(Debug)]
pub enum Done {
    /// Nothing: the certificate isn't due.
    Nothing,
    /// It was renewed.
    Renewed(Box<Enrolled>),
    /// An earlier run, or another one in the meantime, stored the certificate; this one finished the
    /// renewal.
    Finished,
}

/// What a run would do for a certificate.
#[derive(Debug)]
pub struct Planned {
    /// Its nickname.
    pub nickname: String,
    /// Its token.
    pub token: String,
    /// The certificate in use.
    pub certificate: Summary,
    /// What would be done.
    pub what: Plan,
    /// Remarks.
    pub notices: Vec<String>,
}

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Nothing,
    /// It would be renewed.
    Renew,
    /// The renewal of an earlier run would be finished.
    Finish,
}

/// Renews a certificate if it is due, or finishes what an earlier run began. `tell` is called with
/// events during the run.
///
/// ```no_run
/// use nss_cmc::client::passwords::Remembered;
/// use nss_cmc::client::renew::{RenewSpec, renew};
/// use nss_cmc::{Config, Source, Url};
///
/// let mut ca = Config::new(Url::parse("https://ca.example:8443")?);
/// ca.profile = Some("caFullCMCUserSignedCert".into());
/// let passwords = Remembered::new(Source::File("pin.txt".into()).passwords());
/// let renewed = renew(RenewSpec::new("nssdb", "alice", passwords, ca), &mut |_| {})?;
/// println!("valid until {}", renewed.certificate.until());
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// [`Kind::NotFound`] without such a certificate; [`Kind::Untrusted`] when it is to sign and has
/// expired; [`Kind::Differs`] when the new one lacks a name or usage of the old one, which then
/// stays in use; as [`enroll`]. A command that fails is no error here, but in [`Renewed::hook`].
pub fn renew(spec: RenewSpec, tell: &mut dyn FnMut(Event)) -> Result<Renewed> {
    let current = Current::find(&spec)?;
    let mut notices = Vec::new();
    let what = plan(&spec, &current, &mut notices)?;
    match what {
        Plan::Nothing => {
            if current.is_stale {
                current.journal.remove()?;
            }
            return Ok(done(current, Done::Nothing, None, notices));
        }
        Plan::Renew => can_sign(&spec, &current)?,
        Plan::Finish => {}
    }
    let enrollment = enrollment(&spec, &current, what)?;
    if current.unfinished.is_none() {
        current.journal.write(&current.entry)?;
    }
    let enrolled = match enroll(enrollment, tell) {
        Ok(enrolled) => enrolled,
        Err(e) => return Err(failed(&spec, &current, e)),
    };
    notices.extend(enrolled.notices.iter().map(ToString::to_string));
    let is_new = enrolled.certificate.der != current.certificate.der;
    let changed = is_new || current.unfinished.is_some();
    let hook = spec.hook.as_ref().filter(|_| changed).map(|hook| {
        hook.run(&About {
            database: &spec.database,
            token: &current.token,
            nickname: &current.nickname,
            certificate: &enrolled.certificate,
            replaced: replaced(&current),
        })
    });
    if !matches!(hook, Some(Err(_)))
        && let Err(e) = current.journal.remove()
    {
        notices.push(e.to_string());
    }
    let current = Current { certificate: enrolled.certificate.clone(), ..current };
    let what = match enrolled.outcome {
        Outcome::Issued(_) => Done::Renewed(Box::new(enrolled)),
        // An earlier run stored it, or another one in the meantime.
        Outcome::Unchanged { .. } if changed => Done::Finished,
        Outcome::Unchanged { .. } => Done::Nothing,
    };
    Ok(done(current, what, hook, notices))
}

/// Predicts what [`renew`] would do now. Nothing is created, changed or sent, except look-ups in the
/// CA's records if a revoked certificate is to be replaced.
///
/// # Errors
/// Those that a run would fail with before it creates or sends anything.
pub fn check(spec: RenewSpec) -> Result<Planned> {
    let current = Current::find(&spec)?;
    let mut notices = Vec::new();
    let what = plan(&spec, &current, &mut notices)?;
    if what == Plan::Renew {
        can_sign(&spec, &current)?;
        let predicted = super::enroll::check(enrollment(&spec, &current, what)?)?;
        notices = predicted.notices.iter().map(ToString::to_string).collect();
    }
    let Current { nickname, token, certificate, .. } = current;
    Ok(Planned { nickname, token, certificate, what, notices })
}

/// Returns what is to be done.
fn plan(spec: &RenewSpec, current: &Current, notices: &mut Vec<String>) -> Result<Plan> {
    // Whatever uses the certificate doesn't know it yet, so that this comes first.
    if current.unfinished.is_some() && current.certificate.not_after >= Utc::now() {
        return Ok(Plan::Finish);
    }
    if is_due(spec, current) {
        return Ok(Plan::Renew);
    }
    if !spec.renew_revoked {
        return Ok(Plan::Nothing);
    }
    let predicted = super::enroll::check(enrollment(spec, current, Plan::Nothing)?)?;
    notices.extend(predicted.notices.iter().map(ToString::to_string));
    match predicted.what {
        Prediction::Renew => Ok(Plan::Renew),
        Prediction::Unchanged | Prediction::Update(_) | Prediction::Issue => Ok(Plan::Nothing),
    }
}

/// Refuses a certificate that is to sign and has expired: the CA would.
fn can_sign(spec: &RenewSpec, current: &Current) -> Result<()> {
    if spec.signer.is_some() || current.certificate.not_after >= Utc::now() {
        return Ok(());
    }
    let (nickname, until) = (&current.nickname, current.certificate.until());
    let what = format!("certificate {nickname:?} expired on {until} and cannot sign its renewal");
    Err(Error::new(Kind::Untrusted, what)
        .hint("have an agent sign it: --signer NICKNAME, with a profile for agents"))
}

/// Returns the enrollment of the successor; to finish a renewal, one that finds the certificate in
/// use.
fn enrollment(spec: &RenewSpec, current: &Current, what: Plan) -> Result<EnrollSpec> {
    // The type of key that is asked for is that of the next certificate: one that isn't due is not
    // compared with it.
    let asked = spec.key.filter(|_| what == Plan::Renew && is_due(spec, current));
    let kind = asked.or(current.key);
    if kind.is_none() && what == Plan::Renew && !spec.reuse_key {
        let what = format!("key type of certificate {:?} is unknown", current.nickname);
        return Err(Error::new(Kind::Usage, what).hint("name one: --key-type TYPE"));
    }
    // Requests for such keys have no names: the profile decides.
    let has_names = !spec.encryption_only && spec.archive.is_none();
    let key = KeySource::New {
        spec: kind,
        subject: current.subject.clone(),
        names: if has_names { current.names.clone() } else { AltNames::default() },
    };
    let remembered = current.unfinished.as_ref().map(|entry| entry.trust.as_str());
    let remembered = remembered.filter(|trust| !trust.is_empty()).map(Trust::parse).transpose()?;
    let requester = spec.signer.clone().unwrap_or_else(|| current.nickname.clone());
    let requester = Requester::Certificate(requester);
    let passwords = spec.passwords.passwords();
    let connection = spec.connection.clone();
    Ok(EnrollSpec {
        token: spec.token.clone(),
        nickname: Some(current.nickname.clone()),
        signer_database: spec.signer.as_ref().and(spec.signer_database.clone()),
        encryption_only: spec.encryption_only,
        archive: spec.archive.clone(),
        renew_revoked: spec.renew_revoked && what != Plan::Finish,
        require_names: true,
        usages: current.usages.clone(),
        reuse_key: spec.reuse_key,
        remove_old: spec.remove_old,
        wait: spec.wait,
        renew_before: if what == Plan::Finish { Duration::ZERO } else { spec.renew_before },
        trust: spec.trust.clone().or(remembered),
        lock_timeout: spec.lock_timeout,
        ..EnrollSpec::new(spec.database.clone(), passwords, connection, requester, key)
    })
}

/// Completes the error of an enrollment, and forgets the renewal if nothing was stored.
fn failed(spec: &RenewSpec, before: &Current, error: Error) -> Error {
    let error = match error.kind() {
        Kind::Differs => error.hint(
            "name a profile that gives the names and usages of the old certificate, or replace it \
             with nss-cmc enroll",
        ),
        _ => error,
    };
    if before.unfinished.is_some() {
        return error;
    }
    let issued = error.left_behind().is_some_and(|left| left.certificate.is_some());
    // A password that was refused is not tried again.
    let stored = (error.was_sent() || issued)
        && Current::find(spec).is_ok_and(|now| now.certificate.der != before.certificate.der);
    if stored {
        return error;
    }
    match before.journal.remove() {
        Ok(()) => error,
        Err(e) => error.note(e.to_string()),
    }
}

/// Returns whether a certificate is due by its dates.
fn is_due(spec: &RenewSpec, current: &Current) -> bool {
    let validity = Validity::of(&current.certificate, spec.renew_before, Utc::now());
    matches!(validity, Validity::Due | Validity::Expired)
}

/// Returns the serial number of the certificate that was in use before.
fn replaced(current: &Current) -> String {
    current.unfinished.as_ref().unwrap_or(&current.entry).serial.clone()
}

fn done(current: Current, what: Done, hook: Option<Result<()>>, notices: Vec<String>) -> Renewed {
    let replaced = (!matches!(what, Done::Nothing)).then(|| replaced(&current));
    let (nickname, token) = (current.nickname, current.token);
    Renewed { nickname, token, certificate: current.certificate, replaced, what, hook, notices }
}
