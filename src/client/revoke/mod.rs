//! `nss-cmc revoke`: revocation by agent, by the owner, or by shared secret; hold and release.
//!
//! What is asked for is looked up first, at the CA or in the database, and the CA's records are asked
//! again afterwards: Dogtag answers success to more than it does.

mod guard;
mod state;
mod target;

use std::time::Duration;

use serde_json::{Value, json};

pub use guard::Allow;
pub use target::{Pick, Target};

use super::connection::{Connection, fresh};
use super::dogtag::records::{Lookup, Records, State};
use super::enroll::close;
use super::session::{Identity, Needs, Session};
use super::{dogtag, judge, signer};
use crate::asn1::cmc::CrlReason;
use crate::asn1::name::dn_string;
use crate::cli::report::Report;
use crate::client::passwords::Passwords;
use crate::cmc::control::{Control, Revocation};
use crate::cmc::message::{CmcSpec, Message, Signatory, build};
use crate::error::{Error, Kind, Result};
use crate::http::{Encoding, TransportOptions};
use crate::nss::{Access, Database, Token};
use crate::secret::Secret;
use guard::Asker;
use state::{Before, reason_name};
use target::Found;

/// On whose word.
pub enum Authority {
    /// The holder of the certificate with this nickname: an agent, or the owner.
    Signer(String),
    /// Whoever knows the secret that the CA keeps with the certificate.
    SharedSecret(Secret),
}

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Revocation; `CertificateHold` can be undone. Without a reason it is `unspecified`, and a
    /// certificate that is revoked for another one is left as it is.
    Revoke(Option<CrlReason>),
    /// A certificate on hold is valid again. Dogtag answers success to `removeFromCRL` over CMC
    /// and does nothing, so this goes through its REST interface, for agents only.
    Release,
}

/// What `revoke` is asked to do.
pub struct RevokeSpec {
    /// NSS database directory.
    pub database: String,
    /// Token with the signer's key.
    pub token: String,
    /// Gives the tokens' passwords.
    pub passwords: Passwords<'static>,
    /// Which certificate.
    pub target: Target,
    /// On whose word.
    pub authority: Authority,
    /// What.
    pub action: Action,
    /// What is done although it is refused otherwise.
    pub allow: Allow,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Since when the key can't be relied on: seconds since 1970.
    pub invalidity: Option<i64>,
    /// Text for the CA's records.
    pub comment: Option<String>,
    /// The CA's URL.
    pub ca: String,
    /// Profile whose authentication is used; the usual one for the authority when absent.
    pub profile: Option<String>,
    /// Connection and total time-out.
    pub timeouts: (Duration, Duration),
    /// Proxy URL.
    pub proxy: Option<String>,
    /// How requests to an EST server are encoded; found out when absent.
    pub est_encoding: Option<Encoding>,
}

/// Runs it.
///
/// # Errors
/// Of every kind.
pub fn revoke(spec: RevokeSpec) -> Result<Report> {
    if spec.action == Action::Release && matches!(spec.authority, Authority::SharedSecret(_)) {
        return Err(Error::new(Kind::Usage, "only an agent can release a certificate")
            .hint("give the agent's nickname with --signer"));
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
    let needs = Needs { token: &spec.token, signer, certificate, ..Needs::default() };
    let Session { database, token, held } =
        Session::open(&spec.database, access, needs, &spec.passwords)?;
    let report = run(&database, &token, spec)?;
    drop((token, held));
    Ok(close(database, report))
}

fn run(database: &Database, token: &Token, spec: RevokeSpec) -> Result<Report> {
    let identity = match &spec.authority {
        Authority::Signer(nickname) => {
            let identity = Identity::find(database, token, nickname)?;
            signer::check(&identity)?;
            Some(identity.for_several_signatures())
        }
        Authority::SharedSecret(_) => None,
    };
    let signer = identity.as_ref().map(|i| i.certificate.der().to_vec());
    let mut found = target::find(database, token, &spec.target, identity.as_ref())?;
    let signer_s_issuer = identity.as_ref().map(|i| i.certificate.issuer().to_vec());
    // Named by its number alone it is an agent's business, whoever holds it.
    let by_owner = identity
        .as_ref()
        .is_none_or(|i| found.subject().is_some_and(|s| s == i.certificate.subject()));
    let usual = if by_owner { "caFullCMCUserSignedCert" } else { "caFullCMCUserCert" };
    let profile = spec.profile.as_deref().unwrap_or(usual);
    let options = TransportOptions {
        database: Some(database),
        identity,
        connect_timeout: spec.timeouts.0,
        timeout: spec.timeouts.1,
        proxy: spec.proxy.clone(),
        est_encoding: spec.est_encoding,
        ..TransportOptions::default()
    };
    let url = dogtag::submit_url(&spec.ca, dogtag::SUBMIT_FULL, profile)?;
    let mut wire = Connection::new(database, options, url, false)?;
    let mut records = Records::new(wire.transport(), &spec.ca);
    let (known, mut warnings) = guard::look_up(&mut records, database, &mut found, spec.allow)?;
    if let (None, Some(issuer)) = (&known, &signer_s_issuer) {
        found.check_issuer(issuer)?;
    }
    if spec.action != Action::Release {
        let asker = Asker {
            signer: signer.as_deref(),
            by_serial: matches!(spec.target, Target::Serial(..)),
            host: dogtag::host(&spec.ca)?,
        };
        warnings.extend(guard::check(&found, &asker, &mut records, database, spec.allow)?);
    }
    let by = match (&spec.authority, by_owner) {
        (Authority::SharedSecret(_), _) => "shared_secret",
        (Authority::Signer(_), true) => "owner",
        (Authority::Signer(_), false) => "agent",
    };
    let job = Job { database, token, spec: &spec, title: found.title(), by, profile };
    let mut report = match spec.action {
        Action::Revoke(reason) => job.revoke(&mut wire, &found, known, reason)?,
        Action::Release => job.release(&mut records, known, &found)?,
    };
    warnings.append(&mut report.warnings);
    report.warnings = warnings;
    Ok(report)
}

/// A run after the look-ups.
struct Job<'a> {
    database: &'a Database,
    token: &'a Token,
    spec: &'a RevokeSpec,
    /// The certificate for messages.
    title: String,
    by: &'static str,
    profile: &'a str,
}

impl Job<'_> {
    fn revoke(
        &self,
        wire: &mut Connection<'_>,
        found: &Found,
        known: Option<State>,
        asked: Option<CrlReason>,
    ) -> Result<Report> {
        let title = &self.title;
        let reason = asked.unwrap_or(CrlReason::Unspecified);
        let named = reason_name(reason);
        let held = reason == CrlReason::CertificateHold;
        let decided = match &known {
            Some(state) => state::before(state, title, asked, &self.release_command(found))?,
            None => Before::Ask,
        };
        if let Before::Nothing(msg) = decided {
            let report = Report::done("revoke", "unchanged", false, msg);
            return Ok(self.tell(report, found, known.as_ref(), Some(true)));
        }
        if self.spec.dry_run {
            let what = if held { "put on hold" } else { "revoke" };
            let msg = format!("dry run: would {what} {title}, reason {named}");
            return Ok(self.dry_run(msg, found, known.as_ref()));
        }
        let message = self.message(found, reason)?;
        let response = match wire.ask(&message.der, &message.sent) {
            Ok(response) => response,
            Err(e) if e.was_sent() => return Err(self.what_came_of_it(e, wire, found)),
            Err(e) => return Err(e),
        };
        judge::issued(&response)?;
        if response.statuses().is_empty() {
            return Err(Error::new(Kind::BadReply, "the CA's answer says nothing of a revocation")
                .hint("look at the certificate's state at the CA"));
        }
        let (status, verb) = if held { ("held", "put on hold") } else { ("revoked", "revoked") };
        let msg = format!("{verb} {title}, reason {named}");
        let mut report = Report::done("revoke", status, true, msg);
        match self.ask_again(&mut Records::new(wire.transport(), &self.spec.ca), found)? {
            Ok(now) => {
                report.warnings.extend(state::after(&now, title, reason)?);
                Ok(self.tell(report, found, Some(&now), Some(true)))
            }
            Err(unverified) => {
                report.warnings.push(unverified);
                Ok(self.tell(report, found, None, Some(false)))
            }
        }
    }

    /// Adds the state in the CA's records to an error after which the CA may have done what it was
    /// asked.
    fn what_came_of_it(&self, error: Error, wire: &mut Connection<'_>, found: &Found) -> Error {
        if error.kind() == Kind::Interrupted {
            return error;
        }
        let mut records = Records::new(wire.transport(), &self.spec.ca);
        match records.by_serial(&found.serial) {
            Ok(Lookup::Found(record)) => {
                error.note(format!("in the CA's records {} is {}", self.title, record.state))
            }
            _ => error.note(format!("the CA may have revoked {}", self.title)),
        }
    }

    /// The CMC message that asks for a revocation.
    fn message(&self, found: &Found, reason: CrlReason) -> Result<Message> {
        let spec = self.spec;
        let mut cmc = CmcSpec::default();
        fresh(&mut cmc, self.database)?;
        let passphrase = match &spec.authority {
            Authority::SharedSecret(secret) => Some(secret.duplicate()),
            Authority::Signer(_) => None,
        };
        cmc.controls.push(Control::Revoke(Box::new(Revocation {
            issuer: found.issuer.clone(),
            serial: found.serial.clone(),
            reason,
            invalidity: spec.invalidity,
            passphrase,
            comment: spec.comment.clone(),
        })));
        match &spec.authority {
            Authority::Signer(nickname) => {
                let identity = Identity::find(self.database, self.token, nickname)?;
                build(cmc, Signatory::from(&identity), None, self.database)
            }
            Authority::SharedSecret(_) => build(cmc, Signatory::Nobody, None, self.database),
        }
    }

    /// Through the agent's REST interface; what the CA says of the certificate afterwards decides.
    fn release(
        &self,
        records: &mut Records<'_, '_>,
        known: Option<State>,
        found: &Found,
    ) -> Result<Report> {
        let title = &self.title;
        match &known {
            Some(State::OnHold) => {}
            Some(State::Valid) => {
                let msg = format!("{title} is valid; there is nothing to release");
                let report = Report::done("revoke", "unchanged", false, msg);
                return Ok(self.tell(report, found, known.as_ref(), Some(true)));
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
                    format!(
                        "cannot release {title}: the CA's REST interface gives no record of it"
                    ),
                )
                .hint("a release needs the REST interface: check --ca")
                .retry(false));
            }
        }
        if self.spec.dry_run {
            let msg = format!("dry run: would release {title}");
            return Ok(self.dry_run(msg, found, known.as_ref()));
        }
        records.release(&found.serial)?;
        let msg = format!("released {title}: it is valid again");
        let mut report = Report::done("revoke", "released", true, msg);
        match self.ask_again(records, found)? {
            Ok(State::Valid) => Ok(self.tell(report, found, Some(&State::Valid), Some(true))),
            Ok(state) => Err(Error::new(
                Kind::Rejected,
                format!("the CA did not release {title}: it is {state}"),
            )
            .hint("only a certificate revoked with certificateHold can be released")
            .sent()),
            Err(unverified) => {
                report.warnings.push(unverified);
                Ok(self.tell(report, found, None, Some(false)))
            }
        }
    }

    /// Asks the CA's records for the state after it answered success. Where they can't be asked the
    /// inner error is what to warn of.
    fn ask_again(
        &self,
        records: &mut Records<'_, '_>,
        found: &Found,
    ) -> Result<std::result::Result<State, String>> {
        let why = match records.by_serial(&found.serial) {
            Ok(Lookup::Found(record)) => return Ok(Ok(record.state)),
            Ok(Lookup::Silent(why)) => why,
            Ok(Lookup::Absent) => {
                return Err(Error::new(
                    Kind::Rejected,
                    format!("the CA answered success, but has no record of {}", self.title),
                )
                .hint("check --ca, and the serial number")
                .sent());
            }
            Err(e) if e.kind() == Kind::Interrupted => {
                let note = "the CA answered success; its records were not asked";
                return Err(e.sent().note(note));
            }
            Err(e) => e,
        };
        Ok(Err(format!(
            "unverified: the CA answered success, but its records cannot be asked: {why}"
        )))
    }

    fn dry_run(&self, msg: String, found: &Found, known: Option<&State>) -> Report {
        self.tell(Report::done("revoke", "dry_run", false, msg), found, known, None)
    }

    /// Adds what is known of the certificate and of what was done.
    fn tell(
        &self,
        mut report: Report,
        found: &Found,
        state: Option<&State>,
        verified: Option<bool>,
    ) -> Report {
        let summary = found.summary();
        let issuer = dn_string(&found.issuer).ok();
        let subject = summary.as_ref().map(|s| s.subject.clone());
        let unknown = || "unknown".to_owned();
        report = report
            .line(format!("subject: {}", subject.clone().unwrap_or_else(unknown)))
            .line(format!("issuer: {}", issuer.clone().unwrap_or_else(unknown)));
        if let Some(s) = &summary {
            report = report.line(format!("valid until: {}", s.until()));
        }
        if let (Some(state), None | Some(true)) = (state, verified) {
            report = report.line(format!("state at the CA: {state}"));
        }
        let moment = |t: &chrono::DateTime<chrono::Utc>| {
            t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        let reason = match self.spec.action {
            Action::Revoke(reason) => Some(reason_name(reason.unwrap_or(CrlReason::Unspecified))),
            Action::Release => None,
        };
        let result: Value = json!({
            "serial": { "hex": found.serial.hex(), "dec": found.serial.to_string() },
            "issuer": issuer,
            "subject": subject,
            "not_before": summary.as_ref().map(|s| moment(&s.not_before)),
            "not_after": summary.as_ref().map(|s| moment(&s.not_after)),
            "seen_in": found.seen.as_ref().map(|(_, source)| source.word()),
            "reason": reason,
            "by": self.by,
            "profile": (self.spec.action != Action::Release).then_some(self.profile),
            "state": state.map(State::word),
            "recorded_reason": state.and_then(State::reason),
            "verified": verified,
        });
        report.result(result)
    }

    /// The command that takes the certificate off hold.
    fn release_command(&self, found: &Found) -> String {
        let agent = match &self.spec.authority {
            Authority::Signer(nickname) if self.by == "agent" => nickname,
            _ => "AGENT",
        };
        format!(
            "nss-cmc revoke -d {} --ca {} --signer {} --serial {} --release",
            quoted(self.database.name()),
            quoted(&self.spec.ca),
            quoted(agent),
            found.serial.hex()
        )
    }
}

/// A word for a shell, quoted where it must be.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
