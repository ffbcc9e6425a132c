//! Completes a run with an issued certificate: import, chain file, and what becomes of the one that
//! it replaces. If a step fails, the error contains the certificate.

use std::path::Path;

use super::asked::{Asked, Lacking};
use super::pending::Slip;
use super::previous::Previous;
use super::{Described, Enrolled, Issued, IssuedKey, Notice, Outcome, RemoveOld};
use crate::asn1::pem;
use crate::asn1::summary::summary;
use crate::client::import::{self, Stored};
use crate::client::output;
use crate::client::passwords::Passwords;
use crate::client::request_key::RequestKey;
use crate::client::session::Session;
use crate::client::verify_response::Proven;
use crate::error::{Error, Kind, Leftover, Result};
use crate::keyid;
use crate::nss::{Certificate, Trust};

/// Where the certificate of a run goes.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    /// The database, and the token for the certificate.
    pub(super) session: &'a Session,
    /// Gives the password of the database's own token, if trust flags are taken over.
    pub(super) passwords: &'a Passwords<'static>,
    /// The nickname; without one the certificate is not imported.
    pub(super) nickname: Option<&'a str>,
    /// Its trust flags; `None` takes over those of the certificate that it replaces.
    pub(super) trust: Option<&'a Trust>,
    /// What to remove of the certificate that it replaces.
    pub(super) remove_old: Option<RemoveOld>,
    /// The PEM file for it and its chain.
    pub(super) chain_file: Option<&'a Path>,
}

/// The options for completing the run.
pub(super) struct Ending {
    /// The reserved chain file.
    pub(super) place: Option<output::Reserved>,
    /// Whether it is an error if the certificate lacks something.
    pub(super) strict: bool,
    /// The certificate that is replaced.
    pub(super) replaces: Option<Previous>,
    /// Its trust flags, for the new certificate.
    pub(super) kept_trust: Option<Trust>,
    /// Where the request was remembered while the CA held it back.
    pub(super) slip: Option<Slip>,
    /// Whether the key is that of the replaced certificate.
    pub(super) reused: bool,
    /// Whether the CA had issued the certificate to an earlier run.
    pub(super) recovered: bool,
    /// Whether its key is archived, as [`Enrolled::archived`].
    pub(super) archived: Option<bool>,
    /// Notices about keys of other runs.
    pub(super) notices: Vec<Notice>,
}

impl Destination<'_> {
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
        mut ending: Ending,
    ) -> Result<Enrolled> {
        let Proven { certificate, issuers: chain, others, unsigned } = proven;
        let der = certificate.der();
        self.check(der, key.as_ref(), asked, ending.strict)
            .map_err(|e| self.issued_but(e, der, &chain, key.as_ref()))?;
        let pem = pem::certificates(der, &chain);
        let stored = match self.store(&certificate, &chain, &others, key.as_ref()) {
            Ok(stored) => stored,
            Err(e) => {
                let filled = ending.place.map(|place| place.fill(pem.as_bytes()));
                let e = match (filled, self.chain_file) {
                    (Some(Ok(())), Some(path)) => {
                        e.note(format!("certificate chain written to {}", path.display()))
                    }
                    (Some(Err(why)), _) => e.note(why.to_string()),
                    _ => e,
                };
                return Err(self.issued_but(e, der, &chain, key.as_ref()));
            }
        };
        if let Some(slip) = &ending.slip {
            slip.forget();
        }
        let mut notices: Vec<Notice> =
            stored.failed.into_iter().map(Notice::CaNotImported).chain(ending.notices).collect();
        if let Some(trust) = &ending.kept_trust
            && let Err(e) = self.session.database.set_trust(&certificate, trust)
        {
            notices.push(Notice::TrustNotKept(e));
            ending.kept_trust = None;
        }
        let reused = ending.reused;
        let issued_key =
            key.as_ref().map(|k| IssuedKey { id: k.id.clone(), resumed: k.is_resumed(), reused });
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
        let read = || Ok((summary(der)?, asked.lacking(der)?, asked.replaced(der)?));
        let (summary, lacking, replaced_subject) = match read() {
            Ok(read) => read,
            Err(e) => return Err(self.issued_but(e, der, &chain, None)),
        };
        let removed = match self.remove_replaced(ending.replaces.as_ref(), der, &lacking) {
            Ok(removed) => removed,
            Err(e) => {
                notices.push(Notice::NotRemoved(e));
                None
            }
        };
        Ok(Enrolled {
            certificate: summary,
            nickname: self.nickname.map(str::to_owned),
            token: self.session.token.user_name(),
            has_key: stored.has_key,
            archived: ending.archived,
            outcome: Outcome::Issued(Box::new(Issued {
                recovered: ending.recovered,
                unsigned,
                chain,
                key: issued_key,
                imported_cas: stored.added,
                missing_names: lacking.names,
                missing_usages: lacking.usages,
                other_issuer: lacking.other_issuer,
                kept_trust: ending.kept_trust,
                removed,
                replaced_subject,
                chain_file: self.chain_file.map(Path::to_owned),
            })),
            before: ending.replaces.map(|previous| previous.described),
            after: self.stored(der),
            notices,
        })
    }

    /// Removes the certificate that was replaced, if the caller wants that; returns what was removed.
    /// One whose successor lacks something stays.
    fn remove_replaced(
        &self,
        previous: Option<&Previous>,
        new: &[u8],
        lacking: &Lacking,
    ) -> Result<Option<RemoveOld>> {
        let (Some(what), Some(previous)) = (self.remove_old, previous) else {
            return Ok(None);
        };
        if !lacking.is_empty() {
            return Err(Error::new(Kind::Differs, "the old certificate is not removed").because(
                format!("the new one does not replace it: {}", lacking.texts().join("; ")),
            ));
        }
        self.remove(previous, new, what).map(|()| Some(what))
    }

    /// Returns the description of a certificate (DER) as the database has it.
    fn stored(&self, der: &[u8]) -> Option<Described> {
        let found = self.session.named(self.nickname?).ok()?;
        found.iter().find(|c| c.der() == der).and_then(|c| Described::of(c).ok())
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
        let lacking = asked.lacking(der)?;
        if !strict || lacking.is_empty() {
            return Ok(());
        }
        if lacking.usages.is_empty() && lacking.other_issuer.is_none() {
            let names = lacking.names;
            let what = format!("the certificate lacks requested names: {}", names.join(", "));
            return Err(Error::new(Kind::Differs, what)
                .because("the profile decides which names it gets")
                .hint("remove these names, or change the profile and use --force")
                .lacking(names));
        }
        let differences = lacking.texts();
        let what = "the issued certificate does not match the request".to_owned();
        let error = Error::new(Kind::Differs, what)
            .because(differences.join("; "))
            .hint("change the options or the profile, and use --force")
            .lacking(lacking.names);
        Err(match self.nickname {
            Some(nickname) => error.differing(nickname, differences),
            None => error,
        })
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
        let stored = import::store(self.session, certificate, nickname, self.trust, chain, others);
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
