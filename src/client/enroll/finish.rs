//! Completes a run with an issued certificate: import and chain file. If a step fails, the error
//! contains the certificate.

use super::asked::Asked;
use super::{Enrolled, Issued, IssuedKey, Job, Notice, Outcome};
use crate::asn1::pem;
use crate::asn1::summary::summary;
use crate::client::import::{self, Stored};
use crate::client::output;
use crate::client::request_key::RequestKey;
use crate::client::verify_response::Proven;
use crate::error::{Error, Kind, Leftover, Result};
use crate::keyid;
use crate::nss::Certificate;

/// The options for completing the run.
pub(super) struct Ending {
    /// The reserved chain file.
    pub(super) place: Option<output::Reserved>,
    /// Whether a missing name is an error.
    pub(super) strict: bool,
    /// Whether the CA had issued the certificate to an earlier run.
    pub(super) recovered: bool,
    /// Notices about keys of other runs.
    pub(super) notices: Vec<Notice>,
}

impl Job<'_> {
    /// Imports the certificate beside its key, and writes the chain file.
    ///
    /// # Errors
    /// Of every kind, with the certificate: [`Kind::NotFound`] when the key is gone,
    /// [`Kind::Differs`] when required names are missing; as [`import::store`].
    pub(super) fn finish(
        &self,
        proven: Proven,
        key: Option<RequestKey>,
        asked: &Asked,
        ending: Ending,
    ) -> Result<Enrolled> {
        let Proven { certificate, issuers: chain, others } = proven;
        let der = certificate.der();
        self.check(der, key.as_ref(), asked, ending.strict)
            .map_err(|e| self.issued_but(e, der, &chain, key.as_ref()))?;
        let pem = pem::certificates(der, &chain);
        let stored = match self.store(&certificate, &chain, &others, key.as_ref()) {
            Ok(stored) => stored,
            Err(e) => {
                let filled = ending.place.map(|place| place.fill(pem.as_bytes()));
                let e = match (filled, &self.spec.chain_file) {
                    (Some(Ok(())), Some(path)) => {
                        e.note(format!("certificate chain written to {}", path.display()))
                    }
                    (Some(Err(why)), _) => e.note(why.to_string()),
                    _ => e,
                };
                return Err(self.issued_but(e, der, &chain, key.as_ref()));
            }
        };
        let mut notices: Vec<Notice> =
            stored.failed.into_iter().map(Notice::CaNotImported).chain(ending.notices).collect();
        let issued_key =
            key.as_ref().map(|k| IssuedKey { id: k.id.clone(), resumed: k.is_resumed() });
        // First, before any other step can fail: the key is in use now.
        notices.extend(key.and_then(|key| key.keep().err()).map(Notice::NewLabelStays));
        if let Some(place) = ending.place
            && let Err(e) = place.fill(pem.as_bytes())
        {
            let e = match self.nickname {
                Some(nickname) => e.note(format!("the certificate was imported as {nickname:?}")),
                None => e,
            };
            return Err(self.issued_but(e, der, &chain, None));
        }
        let read = || Ok((summary(der)?, asked.missing(der)?, asked.replaced(der)?));
        let (summary, missing_names, replaced_subject) = match read() {
            Ok(read) => read,
            Err(e) => return Err(self.issued_but(e, der, &chain, None)),
        };
        Ok(Enrolled {
            certificate: summary,
            nickname: self.nickname.map(str::to_owned),
            token: self.session.token.user_name(),
            has_key: stored.has_key,
            archived: match (&self.spec.archive, ending.recovered) {
                (None, _) => Some(false),
                (Some(_), false) => Some(true),
                (Some(_), true) => None,
            },
            outcome: Outcome::Issued(Box::new(Issued {
                recovered: ending.recovered,
                chain,
                key: issued_key,
                imported_cas: stored.added,
                missing_names,
                replaced_subject,
                chain_file: self.spec.chain_file.clone(),
            })),
            notices,
        })
    }

    /// Checks before anything is imported.
    fn check(
        &self,
        der: &[u8],
        key: Option<&RequestKey>,
        asked: &Asked,
        strict: bool,
    ) -> Result<()> {
        let token = &self.session.token;
        if key.is_some_and(|k| token.find_key(&k.id).is_none()) {
            let token = token.user_name();
            let what = format!("key of the request not found in token {token}");
            return Err(Error::new(Kind::NotFound, what)
                .because("it was deleted while the CA processed the request")
                .hint("revoke the certificate, and enroll again"));
        }
        let missing = asked.missing(der)?;
        if strict && !missing.is_empty() {
            let what = format!("the certificate lacks requested names: {}", missing.join(", "));
            return Err(Error::new(Kind::Differs, what)
                .because("the profile decides which names it gets")
                .hint("remove these names, or change the profile and use --force")
                .lacking(missing));
        }
        Ok(())
    }

    fn store(
        &self,
        certificate: &Certificate,
        chain: &[Vec<u8>],
        others: &[Vec<u8>],
        key: Option<&RequestKey>,
    ) -> Result<Stored> {
        let Some(nickname) = self.nickname else {
            let has_key = certificate.private_key().is_ok();
            return Ok(Stored { has_key, added: Vec::new(), failed: Vec::new() });
        };
        if let Some(key) = key {
            key.name(nickname);
        }
        let trust = self.spec.trust.as_ref();
        let stored = import::store(self.session, certificate, nickname, trust, chain, others);
        match (stored, key) {
            (Err(e), Some(key)) if !self.session.token.holds(certificate) => {
                key.unname();
                Err(e)
            }
            (Ok(stored), Some(_)) if !stored.has_key => {
                let what = format!("the certificate was imported as {nickname:?} without a key");
                Err(Error::new(Kind::NotFound, what)
                    .because("the key was deleted while the CA processed the request"))
            }
            (stored, _) => stored,
        }
    }

    /// Completes an error after the CA issued the certificate: adds the certificate, and what has
    /// been stored.
    fn issued_but(
        &self,
        error: Error,
        der: &[u8],
        chain: &[Vec<u8>],
        key: Option<&RequestKey>,
    ) -> Error {
        let serial = summary(der).map(|s| s.serial_hex()).unwrap_or_default();
        let key = key.filter(|k| self.session.token.find_key(&k.id).is_some());
        let key = key.and_then(|k| k.left().key);
        let mut note = format!("the CA issued the certificate, serial {serial}");
        if let Some(key) = &key {
            let (id, label) = (keyid::to_hex(&key.id), key.label.as_deref().unwrap_or_default());
            note.push_str(&format!(", and its key is kept, id {id}, label {label:?}"));
        }
        error.note(note).leftover(Leftover {
            nickname: self.nickname.map(str::to_owned),
            key,
            certificate: Some(der.to_vec()),
            chain: Some(chain.to_vec()),
        })
    }
}
