//! What an enrollment makes before it sends anything: the key, the request, the author of messages.

use super::Requester;
use super::round_trips::{Asker, Author};
use crate::algorithm::{Digests, KeySpec};
use crate::asn1::name;
use crate::asn1::name::{dn_string, same_name};
use crate::client::archive::Archive;
use crate::client::csr::{self, AltNames, CsrSpec, Extensions, Format, Requested};
use crate::client::request_key::RequestKey;
use crate::client::session::{Needs, Session, in_signer_database};
use crate::client::signer;
use crate::cmc::crmf::Pop;
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, KeyFlags};

/// Makes key, request and messages.
pub(super) struct Maker<'a> {
    pub(super) session: &'a Session,
    pub(super) nickname: Option<&'a str>,
    pub(super) requester: &'a Requester,
    pub(super) encryption_only: bool,
    pub(super) archive: Option<&'a Archive>,
    /// Whether the CA may replace the requested subject by the signer's.
    pub(super) signer_s_subject: bool,
}

/// Makes the signer's nickname one in its own database, if it has one.
///
/// # Errors
/// As [`in_signer_database`].
pub(super) fn place_signer(requester: &mut Requester, database: Option<&str>) -> Result<()> {
    if let (Some(_), Requester::Certificate(signer)) = (database, requester) {
        *signer = in_signer_database(signer)?;
    }
    Ok(())
}

/// Returns what a run needs that generates a key in `token`.
pub(super) fn needs<'a>(
    token: &'a str,
    requester: &'a Requester,
    signer_database: Option<&'a str>,
) -> Needs<'a> {
    Needs {
        token,
        key: true,
        signer: match requester {
            Requester::Certificate(signer) => Some(signer),
            Requester::SharedSecret(_) | Requester::Login => None,
        },
        signer_database,
        ..Needs::default()
    }
}

/// Returns a subject (DER) and the extensions with the alternative names.
///
/// # Errors
/// [`Kind::Usage`].
pub(super) fn requested(subject: &str, names: &AltNames) -> Result<(Vec<u8>, Extensions)> {
    let requested = Requested { names: names.clone(), ..Requested::default() };
    Ok((name::parse(subject)?, Extensions::read(&requested)?))
}

impl<'a> Maker<'a> {
    /// Returns the certificates under the nickname. All must have the subject (DER): NSS allows one
    /// subject for a nickname.
    ///
    /// # Errors
    /// [`Kind::Conflict`].
    pub(super) fn named(&self, subject: &[u8]) -> Result<Vec<Certificate>> {
        let Some(nickname) = self.nickname else { return Ok(Vec::new()) };
        let found = self.session.named(nickname)?;
        let Some(other) = found.iter().find(|c| !self.is_subject(c, subject)) else {
            return Ok(found);
        };
        let theirs = dn_string(other.subject()).unwrap_or_default();
        Err(Error::new(
            Kind::Conflict,
            format!("nickname {nickname:?} belongs to another subject: {theirs}"),
        )
        .hint("choose another --nickname"))
    }

    /// Returns whether a certificate has the requested subject, or the one that the CA sets
    /// instead: the user's entry in its directory or, in the profiles for users, the signer's
    /// subject.
    fn is_subject(&self, certificate: &Certificate, asked: &[u8]) -> bool {
        if same_name(certificate.subject(), asked) {
            return true;
        }
        match self.requester {
            Requester::SharedSecret(shared) => {
                let name = dn_string(certificate.subject()).unwrap_or_default();
                let is_user = |part: &str| {
                    let value = part.split_once('=').map(|(_, value)| value);
                    value.is_some_and(|v| v.eq_ignore_ascii_case(&shared.identification))
                };
                name.split([',', '+']).any(is_user)
            }
            Requester::Certificate(signer) if self.signer_s_subject => {
                let signer = self.session.certificate(signer);
                signer.is_ok_and(|s| same_name(s.subject(), certificate.subject()))
            }
            Requester::Certificate(_) | Requester::Login => false,
        }
    }

    /// Returns the requester's name: the signer's subject or the user's uid.
    ///
    /// # Errors
    /// As [`Session::certificate`].
    pub(super) fn requester_name(&self) -> Result<String> {
        match self.requester {
            Requester::Certificate(signer) => {
                dn_string(self.session.certificate(signer)?.subject())
            }
            Requester::SharedSecret(shared) => Ok(shared.identification.clone()),
            Requester::Login => Ok(String::new()),
        }
    }

    /// Returns the author of the messages, whose signer the CA can accept.
    ///
    /// # Errors
    /// As [`Session::identity`] and [`signer::check`].
    pub(super) fn author(&self) -> Result<Author<'a>> {
        let asker = match self.requester {
            Requester::Certificate(nickname) => {
                let identity = self.session.identity(nickname)?;
                signer::check(&identity)?;
                // It signs the messages and the TLS handshake.
                Asker::Holder(identity.for_several_signatures())
            }
            Requester::SharedSecret(shared) => Asker::SharedSecret(shared),
            Requester::Login => Asker::Login,
        };
        Ok(Author { session: self.session, asker })
    }

    /// Generates a key for the request.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a key that can't sign; as [`RequestKey::generate`].
    pub(super) fn new_key(&self, kind: KeySpec, purpose: &str) -> Result<RequestKey> {
        if !kind.signs() {
            return Err(Error::new(Kind::Usage, format!("cannot enroll with an {kind} key"))
                .because("it cannot sign, and Dogtag makes no challenge for an ML-KEM key")
                .hint(format!(
                    "create a request for an agent to approve: nss-cmc csr create --crmf --key-type {kind}"
                )));
        }
        let mut flags = KeyFlags::permanent(kind);
        if self.archive.is_some() {
            flags.extractable = Some(true);
        }
        RequestKey::generate(&self.session.token, kind, flags, purpose)
    }

    /// Makes the request for a key.
    ///
    /// # Errors
    /// As [`csr::encode`].
    pub(super) fn request_for(
        &self,
        subject: Vec<u8>,
        extensions: Extensions,
        key: &RequestKey,
    ) -> Result<Request> {
        let by_secret = matches!(self.requester, Requester::SharedSecret(_));
        let is_crmf = self.encryption_only || self.archive.is_some();
        let pop = if self.encryption_only { Pop::None } else { Pop::Success };
        let spec = CsrSpec {
            subject,
            format: match is_crmf {
                true => Format::Crmf(pop, self.archive.cloned()),
                false => Format::Pkcs10,
            },
            // Dogtag up to 10.10 refuses CRMF requests with extensions other than the key
            // identifier.
            extensions: if is_crmf { Extensions::default() } else { extensions },
            // The CA uses it to check that the signer is the key being certified.
            key_identifier: by_secret,
            digests: Digests::ByStrength,
        };
        let der = csr::encode(self.session, &spec, key)?;
        if is_crmf { Request::crmf(&der) } else { Request::from_pkcs10(&der) }
    }
}
