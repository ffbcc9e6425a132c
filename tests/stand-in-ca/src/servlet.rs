//! The servlets: a posted message in, an answer out.

use std::sync::Mutex;

use der::Tag;

use crate::certs::{self, name_text, parts};
use crate::cms::{self, Flaw};
use crate::element::{Refused, integer, octets, oid, sequence, set, tlv};
use crate::keys::{Key, kind};
use crate::profile;
use crate::request::{PkiData, asked, pki_data};
use crate::store::{Pair, Store};

/// An HTTP answer.
pub struct Answer {
    pub status: u16,
    pub media_type: Option<&'static str>,
    pub body: Vec<u8>,
    pub manner: Manner,
}

/// How an answer is delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Plain,
    /// Content-Length promises more than comes.
    Short,
    /// One octet at a time.
    Slow,
    /// Nothing, until the client gives up.
    Hang,
    /// The connection is closed without a word.
    Reset,
}

/// Who asked for what.
pub struct Posted<'a> {
    pub path: &'a str,
    pub profile: Option<&'a str>,
    pub body: &'a [u8],
    /// DER of the TLS client certificate.
    pub client: Option<&'a [u8]>,
}

/// The CA at work; requests are handled one at a time.
pub struct Servlets {
    store: Store,
    one_at_a_time: Mutex<()>,
    stranger: Pair,
}

/// Controls by their number in id-cmc, each with the DER of its SET of values.
type Controls = Vec<(u32, Vec<u8>)>;

/// What a good request gets.
struct Issued {
    /// The request's body part id, as DER.
    id: Vec<u8>,
    certificate: Vec<u8>,
    echoes: Controls,
}

/// CMCFailInfo and text.
struct Failure(u8, String);

fn failure(info: u8, text: &str) -> Failure {
    Failure(info, text.to_owned())
}

/// One text for everything CMCAuth doesn't like.
fn invalid_credential() -> Failure {
    failure(2, "Invalid Credential.")
}

impl Servlets {
    pub fn new(store: Store) -> Result<Servlets, Refused> {
        // Somebody else with the CA's own name.
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
        Ok(Servlets { store, one_at_a_time: Mutex::new(()), stranger: Pair { key, certificate } })
    }

    /// Answers a POST; the second part is for the log.
    pub fn post(&self, posted: &Posted<'_>) -> (Answer, String) {
        let Some(default) = profile::servlet_default(posted.path) else {
            return (not_found(), format!("{}: no such servlet", posted.path));
        };
        let _turn = self.one_at_a_time.lock().unwrap_or_else(|e| e.into_inner());
        let profile = posted.profile.unwrap_or(default);
        let wish = profile.strip_prefix("standin-");
        if let Some(answer) = wish.and_then(on_the_way) {
            return (answer, format!("{profile}: on demand"));
        }
        match self.answer(posted, profile) {
            Ok((body, log)) => (damaged(wish, body), format!("{profile}: {log}")),
            Err(e) => (crash_page(), format!("{profile}: crashed: {e}")),
        }
    }

    fn answer(&self, posted: &Posted<'_>, profile: &str) -> Result<(Vec<u8>, String), Refused> {
        let ca = self.store.ca()?;
        let mut log = Vec::new();
        let outcome = self.enrol(posted, profile, &mut log);
        let wish = profile.strip_prefix("standin-").unwrap_or_default();
        let chain = vec![ca.certificate.clone()];
        let answer = match outcome {
            Err(Failure(info, text)) => {
                log.push(format!("failed {info}: {text}"));
                let status = status_info(2, &integer(&[0]), Some(&text), Some(info));
                cms::seal(&response(&[(25, status)]), chain, &ca.key, &ca.certificate, Flaw::None)?
            }
            Ok(issued) => {
                log.push("issued".into());
                self.on_demand(wish, issued, &ca)?
            }
        };
        Ok((answer, log.join("; ")))
    }

    /// The checks in Dogtag's order.
    fn enrol(
        &self,
        posted: &Posted<'_>,
        profile: &str,
        log: &mut Vec<String>,
    ) -> Result<Issued, Failure> {
        let rules = profile::find(profile)
            .ok_or_else(|| Failure(11, format!("Profile {} Not Found", escape(profile))))?;
        let mut denied = |why: Refused| {
            log.push(why);
            invalid_credential()
        };
        let opened = cms::open(posted.body).map_err(&mut denied)?;
        let signer = parts(&opened.signer).map_err(&mut denied)?;
        let client =
            posted.client.ok_or("no client certificate".to_owned()).map_err(&mut denied)?;
        if parts(client).map_err(&mut denied)?.subject != signer.subject {
            return Err(denied("the TLS client is another than the signer".into()));
        }
        if !self.store.is_agent(&opened.signer) {
            return Err(denied(format!("{} is no agent", name_text(signer.subject))));
        }
        let data = pki_data(&opened.pki_data).map_err(&mut denied)?;
        let requests: Vec<_> =
            data.requests.iter().map(asked).collect::<Result<_, _>>().map_err(|e| {
                if e.starts_with("POP") {
                    failure(9, "Proof-of-Possession Verification Failed")
                } else {
                    denied(e)
                }
            })?;
        log.extend(data.lint.iter().map(|l| format!("lint: {l}")));
        let request = match &requests[..] {
            [one] => one,
            [] => return Err(failure(2, "ProfileSubmitCMCServlet authorization failure")),
            _ => return Err(failure(11, "Policy Set Not Found")),
        };
        if !request.proved {
            return Err(failure(11, "Server Internal Error"));
        }
        let key = kind(&request.spki).map_err(|e| Failure(11, e))?;
        let subject = name_text(&request.subject);
        if let Some(text) = rules.refuses(key, &subject) {
            return Err(Failure(11, format!("Request {text} Rejected - {{1}}")));
        }
        let extensions = rules.extensions(&subject, &request.spki);
        let certificate = self
            .store
            .issue(&request.subject, &request.spki, (0, rules.days), extensions)
            .map_err(|e| Failure(11, e))?;
        Ok(Issued { id: request.id.clone(), certificate, echoes: echoes(&data) })
    }

    /// The good answer, or what the profile's name asks for in its place.
    fn on_demand(
        &self,
        wish: &str,
        Issued { id, certificate, echoes }: Issued,
        ca: &Pair,
    ) -> Result<Vec<u8>, Refused> {
        let id = &id[..];
        let mut controls = vec![(25, status_info(0, id, None, None))];
        controls.extend(echoes);
        let mut certificates = vec![certificate, ca.certificate.clone()];
        let mut by = ca;
        let mut flaw = Flaw::None;
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
            // Our key and the CA's name, but not the CA's signature.
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
            "zero-controls" => controls.clear(),
            "status-v1" => controls[0].0 = 1,
            "wrong-nonce" => replace(&mut controls, 7, octets(b"another nonce")),
            "wrong-transaction" => replace(&mut controls, 5, integer(&[1, 2, 3])),
            "pending" => controls[0].1 = pending(id),
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
                // A failure carries no echoes.
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

/// dataReturn, transactionId, recipientNonce and a nonce of our own, in Dogtag's order.
fn echoes(data: &PkiData<'_>) -> Controls {
    let mut echoed = Vec::new();
    for (from, to) in [(4, 4), (5, 5), (6, 7)] {
        if let Some(values) = data.control(from) {
            echoed.push((to, values.to_vec()));
        }
    }
    if data.control(6).is_some() {
        // 46 octets of base64 and a line end, as Dogtag's are.
        let nonce = octets(b"c3RhbmQtaW4gc3RhbmQtaW4gc3RhbmQtaW4gc3RhbmQt\r\n");
        echoed.push((6, set(vec![nonce])));
    }
    echoed
}

/// The SET with one CMCStatusInfoV2.
fn status_info(status: u8, body_part: &[u8], text: Option<&str>, fail: Option<u8>) -> Vec<u8> {
    let parts = sequence(&[body_part]);
    let text = text.map(|t| tlv(Tag::Utf8String, t.as_bytes())).unwrap_or_default();
    let fail = fail.map(|n| integer(&[n])).unwrap_or_default();
    set(vec![sequence(&[&integer(&[status]), &parts, &text, &fail])])
}

fn pending(body_part: &[u8]) -> Vec<u8> {
    let info = sequence(&[&octets(b"17"), &certs::generalized(4_000_000_000)]);
    let parts = sequence(&[body_part]);
    set(vec![sequence(&[&integer(&[3]), &parts, &info])])
}

/// DER of a PKIResponse with controls numbered from 1.
fn response(controls: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (i, (number, values)) in controls.iter().enumerate() {
        let kind = format!("1.3.6.1.5.5.7.7.{number}");
        let kind = der::asn1::ObjectIdentifier::new(&kind).map(|o| oid(&o)).unwrap_or_default();
        all.extend(sequence(&[&integer(&(i as u32 + 1).to_be_bytes()), &kind, values]));
    }
    sequence(&[&tlv(Tag::Sequence, &all), &sequence(&[]), &sequence(&[])])
}

/// HTML and JavaScript escaping of a profile's name, which Dogtag does in its answers.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "\\'")
}

fn page(status: u16, text: &str) -> Answer {
    let body = format!("<!DOCTYPE html><html><body>{text}</body></html>").into_bytes();
    Answer { status, media_type: Some("text/html"), body, manner: Manner::Plain }
}

/// Tomcat's page for an unknown path.
pub fn not_found() -> Answer {
    Answer { media_type: Some("text/html;charset=utf-8"), ..page(404, "HTTP Status 404") }
}

/// What Dogtag sends with status 200 when a servlet crashes.
pub fn crash_page() -> Answer {
    page(200, "The Certificate System has encountered an unrecoverable error")
}

/// Failures that need no request.
fn on_the_way(wish: &str) -> Option<Answer> {
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

/// Damage to a good answer on its way.
fn damaged(wish: Option<&str>, mut body: Vec<u8>) -> Answer {
    let manner = match wish {
        Some("truncated") => {
            body.truncate(body.len() / 2);
            Manner::Plain
        }
        Some("short") => Manner::Short,
        Some("slow") => Manner::Slow,
        _ => Manner::Plain,
    };
    Answer { status: 200, media_type: Some("application/pkcs7-mime"), body, manner }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::one;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The octets a real Dogtag sent.
    #[test]
    fn responses_are_dogtag_s_octets() {
        let success = response(&[(25, status_info(0, &integer(&[1]), None, None))]);
        assert_eq!(
            hex(&success),
            "3021301b301902010106082b06010505070719310a3008020100300302010130003000"
        );
        let denied =
            response(&[(25, status_info(2, &integer(&[0]), Some("Invalid Credential."), Some(2)))]);
        assert_eq!(
            hex(&denied),
            "30393033303102010106082b060105050707193122302002010230030201000c13496e76616c69642043\
             726564656e7469616c2e02010230003000"
                .replace(' ', "")
        );
        assert_eq!(hex(&response(&[])), "3006300030003000");
        assert!(one(&success).is_ok());
    }
}
