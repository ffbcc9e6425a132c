//! The servlets, which respond to posted messages.

use std::sync::Mutex;

use crate::answer::{
    Controls, Failure, echoes, failure, invalid_credential, pending, response, status_info,
};
use crate::auth::{Who, authenticate};
use crate::beside::beside;
use crate::certs::{self, name_text, parts};
use crate::cms::{self, Flaw};
use crate::confirm::{CONFIRM_CERT_ACCEPTANCE, confirm};
use crate::damage::damaged;
use crate::element::{Refused, integer, octets, set};
use crate::held::{Answered, HeldBack, QUERY_PENDING, sender};
use crate::keys::{Key, KeyKind, kind};
use crate::pop::Waiting;
use crate::profile::{self, Authenticator, Profile, Subject};
use crate::proof;
use crate::request::{Asked, Control, PkiData, asked, pkcs10, pki_data};
use crate::rest;
use crate::revoke::revoke;
use crate::signers::signer;
use crate::store::{Pair, Store};

/// revokeRequest's number in id-cmc.
const REVOKE_REQUEST: u32 = 17;

/// An HTTP response.
pub struct Answer {
    pub status: u16,
    pub media_type: Option<&'static str>,
    pub body: Vec<u8>,
    pub manner: Manner,
}

/// How a response is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Plain,
    /// Content-Length is larger than the body.
    Short,
    /// One octet at a time.
    Slow,
    /// Never: the client times out.
    Hang,
    /// The connection is closed without response.
    Reset,
    /// The connection is closed after that many octets, status line and headers included.
    Cut(usize),
    /// A fatal TLS alert follows after that many octets.
    Alert(usize),
}

/// A posted message and its sender.
pub struct Posted<'a> {
    pub path: &'a str,
    pub profile: Option<&'a str>,
    pub body: &'a [u8],
    /// DER of the TLS client certificate.
    pub client: Option<&'a [u8]>,
    /// Whether a signature with a certificate counts as proof of identification.
    pub signed: bool,
}

/// The settings that an administrator can change.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// Whether keys of challenges are encrypted with RSA-OAEP (keyWrap.useOAEP).
    pub oaep: bool,
    /// Whether requests must be linked to the shared secret (cmc.popLinkWitnessRequired).
    pub pop_link: bool,
    /// The REST interface.
    pub rest: rest::Offer,
    /// Whether revocations are confirmed but not carried out.
    pub ignore_revocations: bool,
    /// Whether certificates must be confirmed (cmc.cert.confirmRequired).
    pub confirm: bool,
}

/// The running CA; requests are handled one at a time.
pub struct Servlets {
    pub(crate) store: Store,
    waiting: Mutex<Waiting>,
    held: Mutex<HeldBack>,
    settings: Settings,
    pub(crate) stranger: Pair,
}

/// The response to a valid message.
enum Outcome {
    /// A certificate, for the request with this body part id (DER).
    Issued { id: Vec<u8>, certificate: Vec<u8>, echoes: Controls },
    /// Controls.
    Said(Controls),
    /// Certificates only.
    Simple(Vec<u8>),
}

impl Servlets {
    pub fn new(store: Store, settings: Settings) -> Result<Servlets, Refused> {
        // Another CA with the same name.
        let ca = store.ca()?;
        let key = Key::generate(matches!(ca.key, Key::Ec(_)))?;
        let own = parts(&ca.certificate)?;
        let spki = key.spki()?;
        let mut extensions = certs::ca_extensions(&spki);
        extensions.push(certs::key_usage(&[0, 1, 5, 6]));
        let template = certs::Template {
            serial: &[9],
            issuer: own.subject,
            subject: own.subject,
            spki: &spki,
            days: (-1, 7000),
            extensions,
        };
        let certificate = certs::issue(&template, &key)?;
        let waiting = Mutex::new(Waiting::default());
        let (held, stranger) = (Mutex::default(), Pair { key, certificate });
        Ok(Servlets { store, waiting, held, settings, stranger })
    }

    /// Returns the response on a REST path; `None` for other paths.
    pub fn rest(
        &self,
        asked: &mut rest::Asked<'_>,
        client: Option<&[u8]>,
    ) -> Option<(Answer, String)> {
        let _one_at_a_time = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        asked.agent = client.is_some_and(|c| self.store.is_agent(c));
        rest::answer(asked, self.settings.rest, &self.store)
    }

    /// Returns the response to a POST, and a text for the log.
    pub fn post(&self, posted: &Posted<'_>) -> (Answer, String) {
        let Some(default) = profile::servlet_default(posted.path) else {
            return (not_found(), format!("{}: no such servlet", posted.path));
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(|e| e.into_inner());
        let profile = posted.profile.unwrap_or(default);
        let wish = profile.strip_prefix("standin-");
        if let Some(answer) = wish.and_then(on_the_way) {
            return (answer, format!("{profile}: on demand"));
        }
        match self.answer(posted, profile, &mut waiting) {
            Ok((body, log)) => (damaged(wish, body), format!("{profile}: {log}")),
            Err(e) => (crash_page(), format!("{profile}: crashed: {e}")),
        }
    }

    fn answer(
        &self,
        posted: &Posted<'_>,
        profile: &str,
        waiting: &mut Waiting,
    ) -> Result<(Vec<u8>, String), Refused> {
        let ca = self.store.ca()?;
        let mut log = Vec::new();
        let outcome = self.handle(posted, profile, waiting, &mut log);
        let wish = profile.strip_prefix("standin-").unwrap_or_default();
        let chain = vec![ca.certificate.clone()];
        let said = |controls: &[_]| {
            cms::seal(&response(controls), chain.clone(), &ca.key, &ca.certificate, Flaw::None)
        };
        let answer = match outcome {
            Err(Failure(info, text)) => {
                log.push(format!("failed {info}: {text}"));
                said(&[(25, status_info(2, &integer(&[0]), Some(&text), Some(info)))])?
            }
            Ok(Outcome::Said(controls)) => {
                log.push(format!("answered with {} controls", controls.len()));
                said(&controls)?
            }
            Ok(Outcome::Simple(certificate)) => {
                log.push("issued".into());
                cms::certs_only(vec![certificate, ca.certificate.clone()])
            }
            Ok(Outcome::Issued { id, certificate, echoes }) => {
                log.push("issued".into());
                self.on_demand(wish, &id, certificate, echoes, &ca)?
            }
        };
        Ok((answer, log.join("; ")))
    }

    /// Checks a message in Dogtag's order.
    fn handle(
        &self,
        posted: &Posted<'_>,
        profile: &str,
        waiting: &mut Waiting,
        log: &mut Vec<String>,
    ) -> Result<Outcome, Failure> {
        let wish = profile.strip_prefix("standin-").unwrap_or_default();
        let rules = profile::find(profile)
            .ok_or_else(|| Failure(11, format!("Profile {} Not Found", escape(profile))))?;
        if rules.authenticator == Authenticator::AgentTls {
            return self.simple(posted, rules, log);
        }
        let mut denied = |why: Refused| {
            log.push(why);
            invalid_credential()
        };
        let opened = cms::open(posted.body).map_err(&mut denied)?;
        let data = pki_data(&opened.pki_data).map_err(&mut denied)?;
        let requests: Vec<_> =
            data.requests.iter().map(asked).collect::<Result<_, _>>().map_err(|e| {
                if e.starts_with("POP") {
                    failure(9, "Proof-of-Possession Verification Failed")
                } else {
                    denied(e)
                }
            })?;
        let store = &self.store;
        let authenticator = rules.authenticator;
        let who = authenticate(authenticator, &opened, &requests, posted.client, store, log)?;
        log.extend(data.lint.iter().map(|l| format!("lint: {l}")));

        let revocation = data.last(REVOKE_REQUEST);
        let signed = posted.signed && matches!(who, Who::Agent(_) | Who::User(_));
        let proved = if signed || revocation.is_some() || !data.has_controls {
            None
        } else {
            Some(proof::identity(&data, store, log)?)
        };
        if let Some(open) = waiting.proved(&data)? {
            // The only case where a constraint gives badRequest.
            return self
                .issue(rules, &open.asked, &open.subject, &data)
                .map_err(|Failure(_, text)| Failure(2, text));
        }
        if let (true, Some(control)) = (requests.is_empty(), data.last(CONFIRM_CERT_ACCEPTANCE)) {
            let wish = if self.settings.confirm { "confirm" } else { wish };
            let said = confirm(control, wish, &data, store).map_err(|e| Failure(11, e))?;
            log.push("confirmed".into());
            return Ok(Outcome::Said(said));
        }
        if let (true, Some(control)) = (requests.is_empty(), data.last(QUERY_PENDING)) {
            log.push("asked for a pending request".into());
            let mut held = self.held.lock().unwrap_or_else(|e| e.into_inner());
            return match held.ask(control, sender(&who, proved.as_ref()), &data)? {
                Answered::Said(controls) => Ok(Outcome::Said(controls)),
                Answered::Granted(asked, subject) => self.issue(rules, &asked, &subject, &data),
            };
        }
        let request = match &requests[..] {
            [one] => one,
            [] => return self.without_requests(&data, revocation, &who),
            _ => return Err(failure(11, "Policy Set Not Found")),
        };
        if self.settings.pop_link && request.proved {
            proof::link(&data, request, store)?;
        }
        let name = proved.clone();
        let subject = match (rules.subject, &who, proved) {
            // Dogtag accepts an unsigned request with a valid proof.
            (_, Who::Nobody, _) => return Err(invalid_credential()),
            (Subject::Request, ..) => request.subject.clone(),
            (Subject::Signer, Who::Agent(subject) | Who::User(subject), _) => subject.clone(),
            (Subject::Signer, ..) => return Err(failure(2, "Subject Name Not Found")),
            (Subject::Directory, _, Some(name)) => name,
            (Subject::Directory, ..) => {
                return Err(failure(
                    11,
                    "Request Subject Name Not Matched {0} CMCSharedTokenSubjectNameConstraint: \
                     authTokenSharedTokenSN null Rejected - {1}",
                ));
            }
        };
        self.check(rules, request, &subject)?;
        if !request.proved {
            if !matches!(kind(&request.spki), Ok(KeyKind::Rsa(_))) {
                return Err(failure(11, "Server Internal Error"));
            }
            let controls = waiting.challenge(request, &subject, self.settings.oaep, wish);
            let mut controls = controls.map_err(|e| Failure(11, e))?;
            controls.extend(echoes(&data));
            return Ok(Outcome::Said(controls));
        }
        let wish = wish.strip_prefix("shared-").unwrap_or(wish);
        if let Some(how) = wish.strip_prefix("pending-") {
            log.push("held back".into());
            let by = sender(&who, name.as_ref());
            let mut held = self.held.lock().unwrap_or_else(|e| e.into_inner());
            return Ok(Outcome::Said(held.hold(request, &subject, by, how, &data)));
        }
        self.issue(rules, request, &subject, &data)
    }

    /// Handles a bare PKCS #10 request, sent by an agent.
    fn simple(
        &self,
        posted: &Posted<'_>,
        rules: &Profile,
        log: &mut Vec<String>,
    ) -> Result<Outcome, Failure> {
        let mut denied = |why: Refused| {
            log.push(why);
            invalid_credential()
        };
        let agent = posted.client.is_some_and(|c| self.store.is_agent(c));
        if !agent {
            return Err(denied("the TLS client is no agent".into()));
        }
        let request = pkcs10(posted.body).map_err(&mut denied)?;
        self.check(rules, &request, &request.subject)?;
        self.certify(rules, &request, &request.subject).map(Outcome::Simple)
    }

    /// Handles a revocation, or a message without requests.
    fn without_requests(
        &self,
        data: &PkiData<'_>,
        revocation: Option<&Control<'_>>,
        who: &Who,
    ) -> Result<Outcome, Failure> {
        let Some(control) = revocation else {
            return match who {
                Who::Agent(_) => Err(failure(2, "ProfileSubmitCMCServlet authorization failure")),
                _ => Ok(Outcome::Said(Vec::new())),
            };
        };
        let mut controls = echoes(data);
        let carry_out = !self.settings.ignore_revocations;
        let status = revoke(control, who, &self.store, carry_out).map_err(|e| Failure(11, e))?;
        controls.extend(status.map(|s| (25, s)));
        Ok(Outcome::Said(controls))
    }

    /// Checks the profile's constraints.
    pub(crate) fn check(
        &self,
        rules: &Profile,
        request: &Asked,
        subject: &[u8],
    ) -> Result<(), Failure> {
        let key = kind(&request.spki).map_err(|e| Failure(11, e))?;
        let mut refused = rules.refuses(key, &name_text(subject));
        if rules.subject == Subject::Signer && self.store.has_certified(&request.spki) {
            refused.get_or_insert_with(|| {
                "Outside of Renewal Grace Period: 30 days before and 30 days after original cert \
                 expiration date"
                    .into()
            });
        }
        match refused {
            Some(text) => Err(Failure(11, format!("Request {text} Rejected - {{1}}"))),
            None => Ok(()),
        }
    }

    fn issue(
        &self,
        rules: &Profile,
        request: &Asked,
        subject: &[u8],
        data: &PkiData<'_>,
    ) -> Result<Outcome, Failure> {
        self.check(rules, request, subject)?;
        let certificate = self.certify(rules, request, subject)?;
        Ok(Outcome::Issued { id: request.id.clone(), certificate, echoes: echoes(data) })
    }

    pub(crate) fn certify(
        &self,
        rules: &Profile,
        request: &Asked,
        subject: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let extensions =
            rules.extensions(&name_text(subject), &request.spki, request.alt_names.as_deref());
        self.store
            .issue(subject, &request.spki, (0, rules.days), extensions)
            .map_err(|e| Failure(11, e))
    }

    /// Returns the good response, or the one that the profile's name selects.
    fn on_demand(
        &self,
        wish: &str,
        id: &[u8],
        certificate: Vec<u8>,
        echoes: Controls,
        ca: &Pair,
    ) -> Result<Vec<u8>, Refused> {
        let status = if self.settings.confirm { 5 } else { 0 };
        let mut controls = vec![(25, status_info(status, id, None, None))];
        controls.extend(echoes);
        let mut certificates = vec![certificate, ca.certificate.clone()];
        let mut by = ca;
        let mut flaw = Flaw::None;
        let other = signer(wish, &self.store)?;
        if let Some(other) = &other {
            certificates.push(other.certificate.clone());
            by = other;
        }
        match wish {
            "stranger" => {
                by = &self.stranger;
                certificates = vec![certificates.swap_remove(0), by.certificate.clone()];
            }
            "wrong-signature" => flaw = Flaw::Signature,
            "wrong-digest" => flaw = Flaw::Digest,
            "unsigned" => flaw = Flaw::Unsigned,
            "reversed" => flaw = Flaw::Reversed,
            "certs-only" => return Ok(cms::certs_only(certificates)),
            "no-cert" => drop(certificates.remove(0)),
            "other-key" => {
                let spki = Key::generate(true)?.spki()?;
                let subject = parts(&certificates[0])?.subject.to_vec();
                certificates[0] = self.store.issue(&subject, &spki, (0, 1), Vec::new())?;
            }
            // The stand-in's key and the CA's name, without the CA's signature.
            "forged" => {
                let asked = parts(&certificates[0])?;
                let template = certs::Template {
                    serial: &[77],
                    issuer: asked.issuer,
                    subject: asked.subject,
                    spki: asked.spki,
                    days: (0, 1),
                    extensions: vec![certs::key_usage(&[0, 2])],
                };
                certificates[0] = certs::issue(&template, &self.stranger.key)?;
            }
            "older-too" | "older-too-reversed" | "forged-too" | "forged-too-reversed" => {
                certificates.extend(beside(wish, &certificates[0], &self.store, &self.stranger)?);
                if wish.ends_with("reversed") {
                    flaw = Flaw::Reversed;
                }
            }
            "zero-controls" => controls.clear(),
            "status-v1" => controls[0].0 = 1,
            "wrong-nonce" => replace(&mut controls, 7, octets(b"another nonce")),
            "wrong-transaction" => replace(&mut controls, 5, integer(&[1, 2, 3])),
            "no-echoes" => controls.truncate(1),
            "pending" => controls[0].1 = pending(id, b"17", 4_000_000_000),
            "deferred" => {
                let text = "Request Deferred - defer request";
                controls = vec![(25, status_info(2, &integer(&[0]), Some(text), Some(11)))];
                certificates.remove(0);
            }
            "confirm" | "confirm-refused" | "confirm-silent" => {
                controls[0].1 = status_info(5, id, None, None);
            }
            // Refusals that name the request, or another one.
            "refused-bound" | "refused-elsewhere" => {
                controls[0].1 = status_info(2, id, Some("on demand"), Some(2));
                certificates.remove(0);
                if wish == "refused-elsewhere" {
                    replace(&mut controls, 7, octets(b"another nonce"));
                    replace(&mut controls, 5, integer(&[1, 2, 3]));
                }
            }
            "failed-with-certificate" => {
                controls[0].1 = status_info(2, id, None, Some(2));
                controls.truncate(1);
            }
            "success-and-failed" => controls.insert(1, (25, status_info(2, id, None, Some(2)))),
            "escapes" => {
                let text = "\u{1b}[2J\u{202e}no\nissued CN=www";
                controls[0].1 = status_info(2, id, Some(text), Some(2));
                controls.truncate(1);
            }
            _ => {
                let (status, info) = match wish.split_once('-') {
                    Some(("fail", n)) => (2, n.parse().ok()),
                    Some(("status", n)) => (n.parse().unwrap_or(2), Some(2)),
                    _ => (0, None),
                };
                if status != 0 {
                    controls[0].1 = status_info(status, id, Some("on demand"), info);
                    certificates.remove(0);
                }
                // A failure carries no echoed controls.
                if status == 2 {
                    controls.truncate(1);
                }
            }
        }
        cms::seal(&response(&controls), certificates, &by.key, &by.certificate, flaw)
    }
}

fn replace(controls: &mut [(u32, Vec<u8>)], number: u32, value: Vec<u8>) {
    for control in controls.iter_mut().filter(|c| c.0 == number) {
        control.1 = set(vec![value.clone()]);
    }
}

/// Escapes a profile's name for HTML and JavaScript, as Dogtag does.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "\\'")
}

pub fn page(status: u16, text: &str) -> Answer {
    let body = format!("<!DOCTYPE html><html><body>{text}</body></html>").into_bytes();
    Answer { status, media_type: Some("text/html"), body, manner: Manner::Plain }
}

/// Returns Tomcat's page for an unknown path.
pub fn not_found() -> Answer {
    Answer { media_type: Some("text/html;charset=utf-8"), ..page(404, "HTTP Status 404") }
}

/// Returns the page that Dogtag sends with status 200 when a servlet crashes.
pub fn crash_page() -> Answer {
    page(200, "The Certificate System has encountered an unrecoverable error")
}

/// Returns a failure that needs no request.
pub(crate) fn on_the_way(wish: &str) -> Option<Answer> {
    let cmc = |body: &[u8], manner| Answer {
        status: 200,
        media_type: Some("application/pkcs7-mime"),
        body: body.to_vec(),
        manner,
    };
    Some(match wish {
        "html" => crash_page(),
        "http500" => page(500, "HTTP Status 500"),
        "404" => not_found(),
        "empty" => Answer { media_type: None, ..cmc(b"", Manner::Plain) },
        "garbage" => cmc(b"this is no CMC message", Manner::Plain),
        "hang" => cmc(b"", Manner::Hang),
        "reset" => cmc(b"", Manner::Reset),
        _ => return None,
    })
}
