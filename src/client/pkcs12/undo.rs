//! Writes to a database, and rolls back the changes when a later step fails.

use crate::asn1::certificate;
use crate::client::session::Session;
use crate::error::{Error, LeftKey, Leftover, Result};
use crate::interrupt::Watch;
use crate::keyid;
use crate::nss::{Certificate, KeyPair, Token, Trust, TrustFlags};

/// Writes objects and records each change for a rollback.
pub(super) struct Writer<'a> {
    session: &'a Session,
    watch: Watch,
    done: Vec<Step>,
    /// Whether nothing is written.
    check: bool,
}

/// One change that was made.
enum Step {
    Key { pair: KeyPair, id: Vec<u8>, label: String },
    Certificate { der: Vec<u8> },
    Removed { der: Vec<u8>, nickname: String, flags: Option<TrustFlags> },
    Trust { der: Vec<u8>, flags: Option<TrustFlags> },
}

impl<'a> Writer<'a> {
    /// Returns a writer; signals are deferred from here on. With `check` it writes nothing.
    pub(super) fn new(session: &'a Session, check: bool) -> Writer<'a> {
        Writer { session, watch: Watch::begin(), done: Vec::new(), check }
    }

    /// Stores a key with its label, in one transaction.
    pub(super) fn key(&mut self, pair: KeyPair, id: &[u8], label: &str) -> Result<()> {
        self.watch.check()?;
        if self.check {
            return Ok(());
        }
        let pair = self.session.token.store(pair, label)?;
        let (id, label) = (id.to_vec(), label.to_owned());
        self.done.push(Step::Key { pair, id, label });
        Ok(())
    }

    /// Stores the public half of a key in the token if it is missing, as after a kill.
    pub(super) fn complete(&mut self, der: &[u8], id: &[u8]) -> Result<()> {
        self.watch.check()?;
        if self.check {
            return Ok(());
        }
        let (database, token) = (&self.session.database, &self.session.token);
        if let Some(private) = token.find_key(id) {
            let public = database.public_key(certificate::fields(der)?.spki)?;
            // A failure is harmless: after a login the key works without its public half.
            token.complete(&KeyPair { private, public }).ok();
        }
        Ok(())
    }

    /// Stores a certificate.
    pub(super) fn certificate(&mut self, token: &Token, der: &[u8], nickname: &str) -> Result<()> {
        self.watch.check()?;
        if self.check {
            return Ok(());
        }
        let certificate = self.session.database.decode_certificate(der)?;
        token.import(&certificate, nickname)?;
        self.done.push(Step::Certificate { der: der.to_vec() });
        Ok(())
    }

    /// Gives a certificate of the token a new nickname; its trust flags stay. NSS keeps the nickname
    /// of a certificate that is imported again, so it is deleted before.
    pub(super) fn rename(&mut self, der: &[u8], nickname: &str) -> Result<()> {
        if self.check {
            return Ok(());
        }
        let database = &self.session.database;
        let flags = database.decode_certificate(der)?.trust_flags();
        self.remove(der)?;
        self.certificate(&self.session.token, der, nickname)?;
        let certificate = database.decode_certificate(der)?;
        flags.map_or(Ok(()), |flags| database.set_trust_flags(&certificate, &flags)).map_err(|f| {
            Error::new(crate::error::Kind::Refused, format!("cannot set the trust of {nickname:?}"))
                .because(f)
        })
    }

    /// Deletes a certificate; its key stays.
    pub(super) fn remove(&mut self, der: &[u8]) -> Result<()> {
        self.watch.check()?;
        if self.check {
            return Ok(());
        }
        let certificate = self.session.database.decode_certificate(der)?;
        let nickname = certificate.nickname().unwrap_or_default();
        let flags = certificate.trust_flags();
        certificate.delete().map_err(|f| {
            Error::new(crate::error::Kind::Refused, format!("cannot delete {nickname:?}"))
                .because(f)
        })?;
        self.done.push(Step::Removed { der: der.to_vec(), nickname, flags });
        Ok(())
    }

    /// Sets trust flags; returns whether they were different before.
    pub(super) fn trust(&mut self, der: &[u8], trust: &Trust) -> Result<bool> {
        self.watch.check()?;
        let database = &self.session.database;
        let certificate = database.decode_certificate(der)?;
        if certificate.has_trust(trust)? {
            return Ok(false);
        }
        if self.check {
            return Ok(true);
        }
        let flags = certificate.trust_flags();
        database.set_trust(&certificate, trust)?;
        self.done.push(Step::Trust { der: der.to_vec(), flags });
        Ok(true)
    }

    /// Returns a successful outcome; after a failure, rolls back every change, the last one first.
    ///
    /// # Errors
    /// The outcome's, with a note for each change that could not be undone.
    pub(super) fn settle<T>(mut self, outcome: Result<T>) -> Result<T> {
        let mut error = match outcome {
            Ok(value) => return Ok(value),
            Err(e) => e,
        };
        while let Some(step) = self.done.pop() {
            error = self.undo(step, error);
        }
        Err(error)
    }

    fn undo(&self, step: Step, error: Error) -> Error {
        let database = &self.session.database;
        let (what, failed) = match step {
            Step::Key { pair, id, label } => {
                let Err(f) = pair.discard() else { return error };
                let hex = keyid::to_hex(&id);
                let key = Some(LeftKey { id, label: Some(label.clone()) });
                let note = format!(
                    "cannot delete the key {label:?} ({f}); delete it with: nss-cmc key remove {hex}"
                );
                return error.note(note).leftover(Leftover { key, ..Leftover::default() });
            }
            Step::Certificate { der } => {
                let deleted = self
                    .decoded(&der)
                    .and_then(|certificate| certificate.delete().map_err(|f| f.to_string()));
                (
                    format!("cannot delete the certificate of {}", super::plan::subject_of(&der)),
                    deleted,
                )
            }
            Step::Removed { der, nickname, flags } => {
                let back = self.decoded(&der).and_then(|certificate| {
                    let internal = database.token("internal").map_err(|e| e.to_string())?;
                    let token = match nickname.split_once(':') {
                        Some((name, _)) if name == self.session.token.name() => &self.session.token,
                        _ => &internal,
                    };
                    let own = nickname.split_once(':').map_or(nickname.as_str(), |(_, own)| own);
                    token.import(&certificate, own).map_err(|e| e.to_string())?;
                    let flags = flags.map(|flags| database.set_trust_flags(&certificate, &flags));
                    flags.unwrap_or(Ok(())).map_err(|f| f.to_string())
                });
                (format!("cannot restore the certificate {nickname:?}"), back)
            }
            Step::Trust { der, flags } => {
                let back = self.decoded(&der).and_then(|certificate| {
                    database
                        .set_trust_flags(&certificate, &flags.unwrap_or_default())
                        .map_err(|f| f.to_string())
                });
                (
                    format!("cannot restore the trust flags of {}", super::plan::subject_of(&der)),
                    back,
                )
            }
        };
        match failed {
            Ok(()) => error,
            Err(why) => error.note(format!("{what}: {why}")),
        }
    }

    fn decoded(&self, der: &[u8]) -> std::result::Result<Certificate, String> {
        self.session.database.decode_certificate(der).map_err(|e| e.to_string())
    }
}
