//! Revocation by agent, by owner, or by shared secret; hold and release.
//!
//! The certificate is looked up first, at the CA or in the database, and the CA's records are
//! queried again afterwards: Dogtag reports success for requests that it does not carry out.

mod guard;
mod request;
mod state;
mod target;

use chrono::{DateTime, Utc};

pub use guard::{Allow, Protection};
pub use request::revocation_request;
pub use target::{Pick, Source, Target};

use super::connection::{Config, Connection};
use super::dogtag::records::{Lookup, Records, State};
use super::session::{Needs, Session, in_signer_database};
use super::{signer, verify_response};
use crate::algorithm::Digests;
use crate::asn1::Number;
use crate::asn1::name::dn_string;
use crate::client::passwords::Passwords;
use crate::cmc::control::Revocation;
use crate::cmc::message::Message;
use crate::cmc::revocation_reason::CrlReason;
use crate::error::{Error, Kind, Result};
use crate::nss::Access;
use crate::secret::Secret;
use crate::text::quoted;
use guard::Asker;
use state::Before;
use target::Found;

/// The authority for a revocation.
pub enum Authority {
    /// The holder of the certificate with this nickname: an agent, or the owner.
    Signer(String),
    /// Knowledge of the secret that the CA keeps with the certificate.
    SharedSecret(Secret),
}

/// The requested action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Revokes; `CertificateHold` can be lifted. Without a reason it is `unspecified`, and a
    /// certificate that is revoked for another reason stays as it is.
    Revoke(Option<CrlReason>),
    /// Releases a certificate from hold. For `removeFromCRL` over CMC, Dogtag reports success and
    /// does nothing; so this uses its REST interface, which is for agents only.
    Release,
}

/// The arguments of [`revoke`].
pub struct RevokeSpec {
    /// NSS database directory.
    pub database: String,
    /// Token with the signer's key.
    pub token: String,
    /// Gives the tokens' passwords.
    pub passwords: Passwords<'static>,
    /// The certificate.
    pub target: Target,
    /// The authority.
    pub authority: Authority,
    /// Directory of a second database, with the signer's certificate and key.
    pub signer_database: Option<String>,
    /// The action.
    pub action: Action,
    /// The flags that permit what is refused otherwise.
    pub allow: Allow,
    /// Whether to check only, and send no revocation.
    pub dry_run: bool,
    /// invalidityDate, the time from which the key can't be trusted, in seconds since 1970.
    pub invalidity: Option<i64>,
    /// Comment for the CA's records.
    pub comment: Option<String>,
    /// The CA and how to connect. The profile decides on the authentication; without one, the usual
    /// one for the authority is used.
    pub connection: Config,
}

impl RevokeSpec {
    /// Returns a specification of a permanent revocation without reason or date, with no flags set.
    pub fn new(
        database: impl Into<String>,
        passwords: Passwords<'static>,
        connection: Config,
        authority: Authority,
        target: Target,
    ) -> RevokeSpec {
        RevokeSpec {
            database: database.into(),
            token: "internal".into(),
            passwords,
            target,
            authority,
            signer_database: None,
            action: Action::Revoke(None),
            allow: Allow::default(),
            dry_run: false,
            invalidity: None,
            comment: None,
            connection,
        }
    }
}

/// The result of the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Revoked.
    Revoked,
    /// Put on hold.
    Held,
    /// Released from hold; valid again.
    Released,
    /// It already had the requested state.
    Unchanged,
    /// Nothing was changed: dry run.
    DryRun,
}

/// The role of the requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The holder of the certificate.
    Owner,
    /// An agent of the CA.
    Agent,
    /// A user who knows the shared secret.
    SharedSecret,
}

/// A certificate that was revoked, held or released, or would be.
#[derive(Debug)]
pub struct Revoked {
    /// The result.
    pub outcome: Outcome,
    /// Its serial number.
    pub serial: Number,
    /// Its issuer, if the name can be written as text.
    pub issuer: Option<String>,
    /// Its subject, if the certificate was found.
    pub subject: Option<String>,
    /// Start and end of its validity, if it was found.
    pub validity: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Where it was found.
    pub seen_in: Option<Source>,
    /// The reason; `None` for a release.
    pub reason: Option<CrlReason>,
    /// The role of the requester.
    pub by: By,
    /// The profile for authentication; `None` for a release.
    pub profile: Option<String>,
    /// The last known state in the CA's records.
    pub state: Option<State>,
    /// Whether the CA's records show the change; `None` after a dry run.
    pub verified: Option<bool>,
    /// Remarks.
    pub notices: Vec<Notice>,
}

/// A remark on a run that succeeded.
#[derive(Debug)]
pub enum Notice {
    /// A flag of [`Allow`] permitted a certificate that is refused otherwise.
    Permitted(Protection),
    /// [`Allow::unseen`] permitted a certificate of which only the serial number is known.
    Unseen,
    /// The CA's records don't have the certificate.
    NotRecorded,
    /// The CA's records have `unspecified` for this reason.
    ReasonUnspecified(CrlReason),
    /// The CA's records have no reason; it was to be this one.
    ReasonUnknown(CrlReason),
    /// The CA reported success, but its records could not be queried afterwards.
    Unverified(Error),
    /// NSS could not be shut down: a handle leaked. That is a defect, but the run has done its
    /// work.
    NotClosed(Error),
}

impl Revoked {
    /// Returns the certificate for messages: `certificate 0x1f (CN=alice,O=LAB)`.
    pub fn title(&self) -> String {
        match &self.subject {
            Some(subject) => format!("certificate {} ({subject})", self.serial.hex()),
            None => format!("certificate {}", self.serial.hex()),
        }
    }
}

/// Revokes a certificate, puts it on hold, or releases it.
///
/// ```no_run
/// use nss_cmc::client::revoke::Outcome;
/// use nss_cmc::cmc::revocation_reason::CrlReason;
/// use nss_cmc::{
///     Action, Authority, Config, Number, RevokeSpec, Source, Target, Url, revoke,
/// };
///
/// let ca = Config::new(Url::parse("https://ca.example:8443")?);
/// let passwords = Source::File("pin.txt".into()).passwords();
/// let target = Target::Serial(Number::parse("0x1f")?, None);
/// let agent = Authority::Signer("agent".into());
/// let mut spec = RevokeSpec::new("nssdb", passwords, ca, agent, target);
/// spec.action = Action::Revoke(Some(CrlReason::KeyCompromise));
/// let revoked = revoke(spec)?;
/// assert_eq!(revoked.outcome, Outcome::Revoked);
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// Of every kind.
pub fn revoke(mut spec: RevokeSpec) -> Result<Revoked> {
    if spec.action == Action::Release && matches!(spec.authority, Authority::SharedSecret(_)) {
        return Err(Error::new(Kind::Usage, "only an agent can release a certificate")
            .hint("add --signer with the nickname of an agent"));
    }
    if let (Some(_), Authority::Signer(signer)) = (&spec.signer_database, &mut spec.authority) {
        *signer = in_signer_database(signer)?;
    }
    let access = Access::ReadOnly;
    let signer = match &spec.authority {
        Authority::Signer(nickname) => Some(nickname.as_str()),
        // Nothing is signed; only the database's trust is needed.
        Authority::SharedSecret(_) => None,
    };
    let certificate = match &spec.target {
        Target::Nickname(nickname, _) => Some(nickname.as_str()),
        Target::File(_) | Target::Serial(..) => None,
    };
    let signer_database = spec.signer_database.as_deref().filter(|_| signer.is_some());
    let needs =
        Needs { token: &spec.token, signer, signer_database, certificate, ..Needs::default() };
    let session = Session::open(&spec.database, access, needs, &spec.passwords)?;
    let mut revoked = run(&session, &mut spec)?;
    revoked.notices.extend(session.close().err().map(Notice::NotClosed));
    Ok(revoked)
}

fn run(session: &Session, spec: &mut RevokeSpec) -> Result<Revoked> {
    let Session { database, token, .. } = session;
    let identity = match &spec.authority {
        Authority::Signer(nickname) => {
            let identity = session.identity(nickname)?;
            signer::check(&identity)?;
            Some(identity.for_several_signatures())
        }
        Authority::SharedSecret(_) => None,
    };
    let signer = identity.as_ref().map(|i| i.certificate.der().to_vec());
    let mut found = target::find(database, token, &spec.target, identity.as_ref())?;
    let signer_s_issuer = identity.as_ref().map(|i| i.certificate.issuer().to_vec());
    // A certificate given only by number is revoked as an agent, whoever owns it.
    let by_owner = identity
        .as_ref()
        .is_none_or(|i| found.subject().is_some_and(|s| s == i.certificate.subject()));
    let usual = if by_owner { "caFullCMCUserSignedCert" } else { "caFullCMCUserCert" };
    spec.connection.profile.get_or_insert_with(|| usual.to_owned());
    let mut connection = Connection::open(&spec.connection, database, identity)?;
    let mut records = Records::new(connection.transport(), &spec.connection.ca);
    let (known, notice) = guard::look_up(&mut records, database, &mut found, spec.allow)?;
    if let (None, Some(issuer)) = (&known, &signer_s_issuer) {
        found.check_issuer(issuer)?;
    }
    let mut notices = Vec::from_iter(notice);
    if spec.action != Action::Release {
        let asker = Asker {
            signer: signer.as_deref(),
            by_serial: matches!(spec.target, Target::Serial(..)),
            host: spec.connection.ca.host(),
        };
        notices.extend(guard::check(&found, &asker, &mut records, database, spec.allow)?);
    }
    let by = match (&spec.authority, by_owner) {
        (Authority::SharedSecret(_), _) => By::SharedSecret,
        (Authority::Signer(_), true) => By::Owner,
        (Authority::Signer(_), false) => By::Agent,
    };
    let job = Job { session, spec, title: found.title(), found, by };
    let mut revoked = match spec.action {
        Action::Revoke(reason) => job.revoke(&mut connection, known, reason)?,
        Action::Release => job.release(&mut records, known)?,
    };
    notices.append(&mut revoked.notices);
    revoked.notices = notices;
    Ok(revoked)
}

/// A run after the lookups.
struct Job<'a> {
    session: &'a Session,
    spec: &'a RevokeSpec,
    found: Found,
    /// The certificate for messages.
    title: String,
    by: By,
}

impl Job<'_> {
    fn revoke(
        &self,
        connection: &mut Connection<'_>,
        known: Option<State>,
        asked: Option<CrlReason>,
    ) -> Result<Revoked> {
        let title = &self.title;
        let reason = asked.unwrap_or(CrlReason::Unspecified);
        let decided = match &known {
            Some(state) => state::before(state, title, asked, &self.release_command())?,
            None => Before::Ask,
        };
        if let Before::Nothing = decided {
            return Ok(self.result(Outcome::Unchanged, known, Some(true)));
        }
        if self.spec.dry_run {
            return Ok(self.result(Outcome::DryRun, known, None));
        }
        let message = self.message(reason)?;
        let response = match connection.send(&message.der, &message.sent) {
            Ok(response) => response,
            Err(e) if e.was_sent() => return Err(self.what_came_of_it(e, connection)),
            Err(e) => return Err(e),
        };
        verify_response::issued(response.outcome())?;
        if response.statuses().is_empty() {
            return Err(Error::new(Kind::BadReply, "response has no revocation status")
                .hint("check the certificate's state at the CA"));
        }
        let held = reason == CrlReason::CertificateHold;
        let outcome = if held { Outcome::Held } else { Outcome::Revoked };
        match self.ask_again(&mut Records::new(connection.transport(), &self.spec.connection.ca))? {
            Ok(now) => {
                let notice = state::after(&now, title, reason)?;
                let mut revoked = self.result(outcome, Some(now), Some(true));
                revoked.notices.extend(notice);
                Ok(revoked)
            }
            Err(unverified) => Ok(self.unverified(outcome, unverified)),
        }
    }

    /// Adds the state in the CA's records to an error after which the CA may have carried out the
    /// request.
    fn what_came_of_it(&self, error: Error, connection: &mut Connection<'_>) -> Error {
        if error.kind() == Kind::Interrupted {
            return error;
        }
        let mut records = Records::new(connection.transport(), &self.spec.connection.ca);
        match records.by_serial(&self.found.serial) {
            Ok(Lookup::Found(record)) => {
                error.note(format!("state in the CA's records: {} is {}", self.title, record.state))
            }
            _ => error.note(format!("the CA may have revoked {}", self.title)),
        }
    }

    /// Builds the CMC message with the revokeRequest (RFC 5272 §6.11).
    fn message(&self, reason: CrlReason) -> Result<Message> {
        let database = &self.session.database;
        let (signer, passphrase) = match &self.spec.authority {
            Authority::Signer(nickname) => (Some(self.session.identity(nickname)?), None),
            Authority::SharedSecret(secret) => (None, Some(secret.duplicate())),
        };
        let revocation = Revocation {
            issuer: self.found.issuer.clone(),
            serial: self.found.serial.clone(),
            reason,
            invalidity: self.spec.invalidity,
            passphrase,
            comment: self.spec.comment.clone(),
        };
        revocation_request(revocation, signer.as_ref(), true, Digests::ByStrength, database)
    }

    /// Releases through the agent's REST interface; the CA's record afterwards decides on the
    /// result.
    fn release(&self, records: &mut Records<'_, '_>, known: Option<State>) -> Result<Revoked> {
        let title = &self.title;
        match &known {
            Some(State::OnHold) => {}
            Some(State::Valid) => {
                return Ok(self.result(Outcome::Unchanged, known, Some(true)));
            }
            Some(state) => {
                return Err(Error::new(
                    Kind::Rejected,
                    format!("cannot release {title}: it is {state}"),
                )
                .hint("only a certificate revoked with certificateHold can be released"));
            }
            None => {
                return Err(Error::new(
                    Kind::Http,
                    format!("cannot release {title}: its record at the CA cannot be read by REST"),
                )
                .hint("check --ca: a release needs the CA's REST interface")
                .retry(false));
            }
        }
        if self.spec.dry_run {
            return Ok(self.result(Outcome::DryRun, known, None));
        }
        records.release(&self.found.serial)?;
        match self.ask_again(records)? {
            Ok(State::Valid) => Ok(self.result(Outcome::Released, Some(State::Valid), Some(true))),
            Ok(state) => Err(Error::new(
                Kind::Rejected,
                format!("the CA did not release {title}: it is {state}"),
            )
            .hint("only a certificate revoked with certificateHold can be released")
            .sent()),
            Err(unverified) => Ok(self.unverified(Outcome::Released, unverified)),
        }
    }

    /// Queries the CA's records after it reported success. The inner error says why they can't be
    /// queried.
    fn ask_again(&self, records: &mut Records<'_, '_>) -> Result<Result<State>> {
        match records.by_serial(&self.found.serial) {
            Ok(Lookup::Found(record)) => Ok(Ok(record.state)),
            Ok(Lookup::Silent(why)) => Ok(Err(why)),
            Ok(Lookup::Absent) => Err(Error::new(
                Kind::Rejected,
                format!("the CMC status is success, but {} is not in the CA's records", self.title),
            )
            .hint("check --ca and the serial number")
            .sent()),
            Err(e) if e.kind() == Kind::Interrupted => {
                let note = "the CMC status is success; the CA's records were not checked";
                Err(e.sent().note(note))
            }
            Err(e) => Ok(Err(e)),
        }
    }

    fn unverified(&self, outcome: Outcome, why: Error) -> Revoked {
        let mut revoked = self.result(outcome, None, Some(false));
        revoked.notices.push(Notice::Unverified(why));
        revoked
    }

    /// Returns the result of the run.
    fn result(&self, outcome: Outcome, state: Option<State>, verified: Option<bool>) -> Revoked {
        let found = &self.found;
        let reason = match self.spec.action {
            Action::Revoke(reason) => Some(reason.unwrap_or(CrlReason::Unspecified)),
            Action::Release => None,
        };
        Revoked {
            outcome,
            serial: found.serial.clone(),
            issuer: dn_string(&found.issuer).ok(),
            subject: found.subject().and_then(|s| dn_string(s).ok()),
            validity: found.summary().map(|s| (s.not_before, s.not_after)),
            seen_in: found.seen.as_ref().map(|(_, source)| *source),
            reason,
            by: self.by,
            profile: reason.and(self.spec.connection.profile.clone()),
            state,
            verified,
            notices: Vec::new(),
        }
    }

    /// Returns the command that releases the certificate from hold.
    fn release_command(&self) -> String {
        let mut agent = match &self.spec.authority {
            Authority::Signer(nickname) if self.by == By::Agent => nickname,
            _ => "AGENT",
        };
        let mut beside = String::new();
        if let Some(dir) = &self.spec.signer_database {
            agent = agent.split_once(':').map_or(agent, |(_, name)| name);
            beside = format!(" --signer-db {}", quoted(dir));
        }
        format!(
            "nss-cmc revoke -d {} --ca {} --signer {}{beside} --serial {} --release",
            quoted(self.session.database.name()),
            quoted(self.spec.connection.ca.as_str()),
            quoted(agent),
            self.found.serial.hex()
        )
    }
}
