//! `/cacerts`, `/simpleenroll` and `/simplereenroll` of EST (RFC 7030 §4.1, §4.2). A client is known by
//! its certificate, or by user and password. The label selects the profile, or a wrong response.

use base64ct::{Base64, Encoding};

use crate::answer::Failure;
use crate::certs::{self, parts};
use crate::cms::certs_only;
use crate::damage::damaged;
use crate::est::{decoded, encoded, text};
use crate::keys::Key;
use crate::profile;
use crate::request::pkcs10;
use crate::servlet::{Answer, Manner, Servlets, not_found, on_the_way, page};

/// A request for an operation of EST.
pub struct Asked<'a> {
    pub operation: &'a str,
    pub label: &'a str,
    pub media_type: Option<&'a str>,
    pub body: &'a [u8],
    /// DER of the TLS client certificate.
    pub client: Option<&'a [u8]>,
    /// Whether user and password are right.
    pub login: bool,
}

/// Returns the value of `Authorization` for `user:password`.
pub fn basic(login: &str) -> String {
    format!("Basic {}", Base64::encode_string(login.as_bytes()))
}

/// Returns the page for a client that is not authenticated.
pub fn unauthorized() -> Answer {
    page(401, "HTTP Status 401")
}

impl Servlets {
    /// Returns the response to an operation, and a text for the log; `None` for other operations.
    pub fn est(&self, asked: &Asked<'_>, method: &str) -> Option<(Answer, String)> {
        let wish = asked.label.strip_prefix("standin-").unwrap_or_default();
        let answer = match (method, asked.operation) {
            ("GET", "cacerts") => self.ca_certificates(wish),
            ("POST", "simpleenroll") => self.enroll(asked, wish, false),
            ("POST", "simplereenroll") => self.enroll(asked, wish, true),
            _ => return None,
        };
        Some(match answer {
            Ok(answer) => (answer, format!("{}: done", asked.operation)),
            Err(answer) => {
                let status = answer.status;
                (answer, format!("{}: refused with {status}", asked.operation))
            }
        })
    }

    fn ca_certificates(&self, wish: &str) -> Result<Answer, Answer> {
        let ca = self.store.ca().map_err(failed)?.certificate;
        let stranger = self.stranger.certificate.clone();
        let leaf = self.store.certificate(&[2]).unwrap_or_default();
        let certificates = match wish {
            "forged" => vec![stranger],
            "extra" => vec![stranger, leaf, ca],
            "leaf" => vec![leaf],
            "none" => Vec::new(),
            _ => vec![ca],
        };
        self.sent(wish, certificates)
    }

    fn enroll(&self, asked: &Asked<'_>, wish: &str, again: bool) -> Result<Answer, Answer> {
        let known = asked.login || wish != "both" && asked.client.is_some();
        if !known || wish == "both" && asked.client.is_none() {
            return Err(unauthorized());
        }
        if asked.media_type != Some("application/pkcs10") {
            return Err(text(415, "the media type isn't application/pkcs10"));
        }
        match wish {
            "202" => return Err(text(202, "by hand")),
            "403" => return Err(text(403, "not this subject")),
            "501" => return Err(text(501, "by hand")),
            _ => {}
        }
        let bad = |why: String| text(400, &why);
        let der = decoded(asked.body).ok_or_else(|| text(400, "the body isn't base64"))?;
        let request = pkcs10(&der).map_err(bad)?;
        if again {
            let theirs = asked.client.ok_or_else(unauthorized)?;
            if parts(theirs).map_err(bad)?.subject != request.subject {
                return Err(text(400, "the subject isn't that of the client"));
            }
        }
        let label = Some(asked.label).filter(|l| !l.is_empty()).unwrap_or("caCMCserverCert");
        let rules = profile::find(label).ok_or_else(not_found)?;
        let refused = |Failure(_, why): Failure| text(400, &why);
        self.check(rules, &request, &request.subject).map_err(refused)?;
        let mut certificates =
            vec![self.certify(rules, &request, &request.subject).map_err(refused)?];
        let stranger = &self.stranger;
        match wish {
            "other-key" => {
                let spki = Key::generate(true).and_then(|key| key.spki()).map_err(failed)?;
                let issued = self.store.issue(&request.subject, &spki, (0, 1), Vec::new());
                certificates = vec![issued.map_err(failed)?];
            }
            // The CA's name, without its signature.
            "forged" | "forged-too" => {
                let ca = self.store.ca().map_err(failed)?.certificate;
                let template = certs::Template {
                    serial: &[77],
                    issuer: parts(&ca).map_err(failed)?.subject,
                    subject: &request.subject,
                    spki: &request.spki,
                    days: (0, 900),
                    extensions: vec![certs::key_usage(&[0, 2])],
                };
                let forged = certs::issue(&template, &stranger.key).map_err(failed)?;
                if wish == "forged" {
                    certificates.clear();
                }
                certificates.push(forged);
            }
            "extra" => {
                certificates.push(stranger.certificate.clone());
                certificates.extend(asked.client.map(<[u8]>::to_vec));
            }
            "no-cert" => certificates.clear(),
            _ => {}
        }
        self.sent(wish, certificates)
    }

    fn sent(&self, wish: &str, certificates: Vec<Vec<u8>>) -> Result<Answer, Answer> {
        if let Some(answer) = on_the_way(wish) {
            return Err(answer);
        }
        let answer = damaged(Some(wish), encoded(&certs_only(certificates)));
        match answer.manner {
            Manner::Plain if answer.status == 200 => Ok(Answer {
                media_type: Some("application/pkcs7-mime; smime-type=certs-only"),
                ..answer
            }),
            _ => Err(answer),
        }
    }
}

fn failed(why: String) -> Answer {
    text(500, &why)
}
