//! `nss-cmc revoke`: revocation by agent, by the owner, or by shared secret; hold and release.

use std::path::PathBuf;
use std::time::Duration;

use rasn::types::Integer;
use serde_json::{Value, json};

use super::build::{CmcSpec, Signatory, build};
use super::enroll::{close, same_name};
use super::exchange::{Wire, fresh};
use super::session::{self, Identity, Needs, Session};
use super::shared_token::certificate_in;
use super::{answer, ca, file};
use crate::asn1::cmc::CrlReason;
use crate::asn1::x509::certificate_fields;
use crate::asn1::{name, number_text, unsigned};
use crate::cmc::control::{Control, REASONS, Revocation};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, Token};
use crate::report::Report;
use crate::secret::{Passwords, Secret};
use crate::text::{dn_string, printable};
use crate::transport::{Transport, TransportOptions};

/// The certificate meant.
#[derive(Debug, Clone)]
pub enum Target {
    /// One in the database.
    Nickname(String),
    /// One in a file.
    File(PathBuf),
    /// By number; the issuer as text, that of the signer when absent.
    Serial(Integer, Option<String>),
}

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
    /// Revocation; `CertificateHold` can be undone.
    Revoke(CrlReason),
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
}

/// Runs it.
///
/// # Errors
/// Of every kind.
pub fn revoke(spec: RevokeSpec) -> Result<Report> {
    let access = Access::ReadOnly;
    let signer = match &spec.authority {
        Authority::Signer(nickname) => Some(nickname.as_str()),
        // Nothing is signed; only the database's trust is needed.
        Authority::SharedSecret(_) => None,
    };
    let needs = Needs { token: &spec.token, signer, ..Needs::default() };
    let Session { database, token, held } =
        Session::open(&spec.database, access, needs, &spec.passwords)?;
    let identity = match signer {
        Some(nickname) => {
            Some(Identity::find(&database, &token, nickname)?.for_several_signatures())
        }
        None => None,
    };
    let target = find(&database, &token, &spec.target, identity.as_ref())?;
    if let Some(identity) = &identity {
        target.check(identity.certificate.issuer())?;
    }
    let work = Work {
        database: &database,
        target,
        ca: &spec.ca,
        options: TransportOptions {
            database: Some(&database),
            connect_timeout: spec.timeouts.0,
            timeout: spec.timeouts.1,
            proxy: spec.proxy,
            ..TransportOptions::default()
        },
    };
    let report = match (spec.action, spec.authority) {
        (Action::Release, Authority::Signer(_)) => work.release(identity)?,
        (Action::Release, Authority::SharedSecret(_)) => {
            return Err(Error::new(Kind::Usage, "only an agent can release a certificate")
                .hint("give the agent's nickname with --signer"));
        }
        (Action::Revoke(reason), authority) => {
            let passphrase = match authority {
                Authority::SharedSecret(secret) => Some(secret),
                Authority::Signer(_) => None,
            };
            let wish = Wish {
                reason,
                passphrase,
                invalidity: spec.invalidity,
                comment: spec.comment,
                profile: spec.profile,
            };
            work.revoke(identity, wish)?
        }
    };
    drop((token, held));
    Ok(close(database, report))
}

/// The certificate meant, as far as it is known.
struct Found {
    issuer: Vec<u8>,
    serial: Integer,
    subject: Option<Vec<u8>>,
}

impl Found {
    /// Refuses what Dogtag would take for another certificate, or for more than it was: in a signed
    /// request it looks at the serial number alone.
    fn check(&self, signer_s_issuer: &[u8]) -> Result<()> {
        let serial = serial_hex(&self.serial);
        let text = |name: &[u8]| dn_string(name).unwrap_or_default();
        if !same_name(&self.issuer, signer_s_issuer) {
            return Err(Error::new(
                Kind::Usage,
                format!("the certificate {serial} is of {}", text(&self.issuer)),
            )
            .because(format!("the signer's CA is {}", text(signer_s_issuer)))
            .hint("this CA would revoke its own certificate of that number: --serial does that"));
        }
        if self.subject.as_deref().is_some_and(|subject| same_name(subject, &self.issuer)) {
            return Err(Error::new(
                Kind::Usage,
                format!("the certificate {serial} is the CA's own, {}", text(&self.issuer)),
            )
            .hint("with --serial it would be revoked, and everything issued with it worthless"));
        }
        Ok(())
    }
}

fn find(
    database: &Database,
    token: &Token,
    target: &Target,
    signer: Option<&Identity>,
) -> Result<Found> {
    let of = |der: &[u8]| -> Result<Found> {
        let fields = certificate_fields(der)?;
        Ok(Found {
            issuer: fields.issuer.to_vec(),
            serial: unsigned(fields.serial),
            subject: Some(fields.subject.to_vec()),
        })
    };
    match target {
        Target::Nickname(nickname) => {
            of(session::find_certificate(database, token, nickname)?.0.der())
        }
        Target::File(path) => {
            let what = "the certificate to revoke";
            of(&certificate_in(what, &file::read(what, path)?)?)
        }
        Target::Serial(serial, issuer) => {
            let issuer = match (issuer, signer) {
                (Some(text), _) => name::parse(text)?,
                (None, Some(signer)) => signer.certificate.issuer().to_vec(),
                (None, None) => {
                    return Err(Error::new(
                        Kind::Usage,
                        "the issuer is needed with --serial and a shared secret",
                    )
                    .hint("give the CA's name with --issuer"));
                }
            };
            Ok(Found { issuer, serial: serial.clone(), subject: None })
        }
    }
}

struct Wish {
    reason: CrlReason,
    passphrase: Option<Secret>,
    invalidity: Option<i64>,
    comment: Option<String>,
    profile: Option<String>,
}

struct Work<'a> {
    database: &'a Database,
    target: Found,
    ca: &'a str,
    options: TransportOptions<'a>,
}

impl Work<'_> {
    fn revoke(self, identity: Option<Identity>, wish: Wish) -> Result<Report> {
        let by_owner = match (&identity, &self.target.subject) {
            (Some(identity), Some(subject)) => identity.certificate.subject() == subject,
            _ => identity.is_none(),
        };
        let usual = if by_owner { "caFullCMCUserSignedCert" } else { "caFullCMCUserCert" };
        let profile = wish.profile.as_deref().unwrap_or(usual);
        let url = ca::submit_url(self.ca, ca::SUBMIT_FULL, profile)?;
        let by = match (&identity, by_owner) {
            (None, _) => "shared_secret",
            (Some(_), true) => "owner",
            (Some(_), false) => "agent",
        };
        let mut spec = CmcSpec::default();
        fresh(&mut spec, self.database)?;
        spec.controls.push(Control::Revoke(Box::new(Revocation {
            issuer: self.target.issuer.clone(),
            serial: self.target.serial.clone(),
            reason: wish.reason,
            invalidity: wish.invalidity,
            passphrase: wish.passphrase,
            comment: wish.comment,
        })));
        let signatory = match &identity {
            Some(identity) => Signatory::Certificate(identity),
            None => Signatory::Nobody,
        };
        let message = build(spec, signatory, None, self.database)?;
        let mut result = self.describe();
        let options = TransportOptions { identity, ..self.options };
        let mut wire = Wire::new(self.database, options, url, false)?;
        let serial = serial_hex(&self.target.serial);
        // The CA answers success to whatever is asked of a certificate that is revoked already.
        if known_state(wire.transport(), self.ca, &serial).as_deref() == Some("REVOKED") {
            let msg =
                format!("{serial} is revoked already; the CA changes neither reason nor date");
            let line = "one on hold can be released with --release, and then revoked";
            let mut report = Report::done("revoke", "unchanged", false, msg).line(line);
            report.warnings.extend(no_release(wish.reason));
            return Ok(report.result(result));
        }
        let response = wire.ask(&message.der, &message.sent)?;
        answer::issued(&response)?;
        if response.statuses()?.is_empty() {
            return Err(Error::new(Kind::BadReply, "the CA's answer says nothing of a revocation")
                .hint("look at the certificate's state at the CA"));
        }
        let reason = REASONS.iter().find(|(_, r)| *r == wish.reason).map_or("", |(name, _)| name);
        let held = wish.reason == CrlReason::CertificateHold;
        let (status, verb) = if held { ("held", "put on hold") } else { ("revoked", "revoked") };
        if let Some(fields) = result.as_object_mut() {
            fields.insert("reason".into(), json!(reason));
            fields.insert("by".into(), json!(by));
            fields.insert("profile".into(), json!(profile));
        }
        let serial = result["serial"]["hex"].as_str().unwrap_or_default();
        let msg = format!("{verb} {serial}, reason {reason}");
        let mut report = Report::done("revoke", status, true, msg);
        report.warnings.extend(no_release(wish.reason));
        Ok(report.result(result))
    }

    /// Through the agent's REST interface; what the CA says of the certificate afterwards decides.
    fn release(self, identity: Option<Identity>) -> Result<Report> {
        let mut result = self.describe();
        if let Some(fields) = result.as_object_mut() {
            fields.insert("by".into(), json!("agent"));
        }
        let serial = serial_hex(&self.target.serial);
        let options = TransportOptions { identity, ..self.options };
        let mut transport = Transport::new(options)?;
        // The second tree is that of Dogtag 11.6 and later.
        for tree in ["/ca/rest", "/ca/v2"] {
            let shown = ca::rest_url(self.ca, &format!("{tree}/certs/{serial}"))?;
            let Some(state) = state(&mut transport, &shown)? else { continue };
            if state == "VALID" {
                let msg = format!("{serial} is valid; there is nothing to release");
                return Ok(Report::done("revoke", "unchanged", false, msg).result(result));
            }
            let url = ca::rest_url(self.ca, &format!("{tree}/agent/certs/{serial}/unrevoke"))?;
            let reply = transport.post(&url, b"", "application/json")?;
            if !(200..300).contains(&reply.status) {
                let what = format!("the CA did not release {serial}: HTTP status {}", reply.status);
                return Err(Error::new(Kind::Http, what)
                    .http(reply.status)
                    .retry(reply.status >= 500)
                    .hint("the signer must be an agent of the CA"));
            }
            let after = self::state(&mut transport, &shown)?.unwrap_or(state);
            if after == "VALID" {
                let msg = format!("released {serial}: it is valid again");
                return Ok(Report::done("revoke", "released", true, msg).result(result));
            }
            return Err(Error::new(
                Kind::Rejected,
                format!("the CA did not release {serial}: its state is {after}"),
            )
            .hint("only a certificate revoked with certificateHold can be released"));
        }
        Err(Error::new(Kind::NotFound, format!("the CA knows no certificate {serial}"))
            .hint("check the serial number, and the CA's address"))
    }

    fn describe(&self) -> Value {
        let dec = number_text(&self.target.serial);
        let text = |name: &[u8]| dn_string(name).ok();
        json!({
            "serial": { "hex": serial_hex(&self.target.serial), "dec": dec },
            "issuer": text(&self.target.issuer),
            "subject": self.target.subject.as_deref().and_then(text),
        })
    }
}

/// What is to be said of a release by reason.
fn no_release(reason: CrlReason) -> Option<String> {
    let told = "Dogtag answers success to removeFromCRL and keeps the certificate on hold; --release \
                works";
    (reason == CrlReason::RemoveFromCrl).then(|| told.to_owned())
}

/// What the CA's REST interface says of a certificate, if it has one that says anything.
fn known_state(transport: &mut Transport<'_>, ca: &str, serial: &str) -> Option<String> {
    ["/ca/rest", "/ca/v2"].iter().find_map(|tree| {
        let url = ca::rest_url(ca, &format!("{tree}/certs/{serial}")).ok()?;
        state(transport, &url).ok().flatten()
    })
}

/// What the CA says of a certificate; `None` when it knows nothing under this URL.
fn state(transport: &mut Transport<'_>, url: &str) -> Result<Option<String>> {
    let reply = transport.get(url, "application/json")?;
    let bad = |what: String| Error::new(Kind::Http, what).http(reply.status);
    match reply.status {
        200 => {}
        404 => return Ok(None),
        status => {
            return Err(bad(format!("the server answered {url} with HTTP status {status}"))
                .retry(status >= 500));
        }
    }
    let record: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let state = record.get("Status").or(record.get("status")).and_then(Value::as_str);
    match state {
        Some(state) => Ok(Some(printable(state).into_owned())),
        None => Err(bad(format!("the answer of {url} tells no state")).retry(false)),
    }
}

fn serial_hex(serial: &Integer) -> String {
    let number = num_bigint::BigInt::from(serial.clone());
    format!("{number:#x}")
}
