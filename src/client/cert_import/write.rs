//! Writes an import to the database; rolls back its own changes when a later step fails.

use super::plan::{Member, Plan, shown, under};
use super::{CertImported, ChainMember, Order};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Certificate, Trust, TrustFlags};

/// The changes that a run has made, to be rolled back when it fails.
pub(super) struct Undo<'a> {
    session: &'a Session,
    steps: Vec<Step>,
}

enum Step {
    /// A certificate (DER) that was added to the token of this name.
    Added(Vec<u8>, String),
    /// A key that was added to the session's token, by its key identifier (CKA_ID).
    Key(Vec<u8>),
    /// A certificate (DER) and the trust flags it had before.
    Trusted(Vec<u8>, TrustFlags),
}

impl<'a> Undo<'a> {
    /// Returns an empty list of changes.
    pub(super) fn new(session: &'a Session) -> Undo<'a> {
        Undo { session, steps: Vec::new() }
    }

    /// Notes that a certificate (DER) was added to a token.
    pub(super) fn added(&mut self, der: &[u8], token: String) {
        self.steps.push(Step::Added(der.to_vec(), token));
    }

    /// Notes that a key was added to the session's token.
    pub(super) fn key(&mut self, id: Vec<u8>) {
        self.steps.push(Step::Key(id));
    }

    /// Sets the trust flags of a certificate; returns whether they were different before.
    ///
    /// # Errors
    /// As [`crate::nss::Database::set_trust`].
    pub(super) fn trust(&mut self, certificate: &Certificate, trust: &Trust) -> Result<bool> {
        if certificate.has_trust(trust)? {
            return Ok(false);
        }
        let before = certificate.trust_flags().unwrap_or_default();
        let database = &self.session.database;
        let internal = database.token("internal")?;
        let held = internal.holds(certificate);
        database.set_trust(certificate, trust)?;
        // With the trust flags of another token's certificate, NSS stores a copy of the certificate
        // in the database's own token.
        if !held && internal.holds(certificate) {
            self.added(certificate.der(), internal.user_name());
        }
        self.steps.push(Step::Trusted(certificate.der().to_vec(), before));
        Ok(true)
    }

    /// Rolls back all changes, the last one first, and returns `error` with a note for each change
    /// that could not be rolled back.
    pub(super) fn roll_back(self, error: Error) -> Error {
        let session = self.session;
        let steps = self.steps.into_iter().rev();
        let undone = steps.map(|step| match step {
            Step::Added(der, token) => take_out(session, &der, &token),
            Step::Key(id) => delete_key(session, &id),
            Step::Trusted(der, before) => restore_trust(session, &der, &before),
        });
        undone.filter_map(Result::err).fold(error, |error, why| error.note(why.to_string()))
    }
}

fn restore_trust(session: &Session, der: &[u8], before: &TrustFlags) -> Result<()> {
    let certificate = session.database.decode_certificate(der)?;
    session.database.set_trust_flags(&certificate, before).map_err(|f| {
        Error::new(Kind::Refused, "cannot restore the trust flags of a certificate").because(f)
    })
}

fn delete_key(session: &Session, id: &[u8]) -> Result<()> {
    let Some(key) = session.token.find_key(id) else { return Ok(()) };
    key.delete().map_err(|f| {
        let id = keyid::to_hex(id);
        Error::new(Kind::Refused, format!("cannot delete the imported key {id}")).because(f)
    })
}

/// Deletes a certificate (DER) from the token of this name. SEC_DeletePermCertificate isn't used:
/// it also deletes the copies in other tokens.
fn take_out(session: &Session, der: &[u8], token: &str) -> Result<()> {
    let database = &session.database;
    let certificate = database.decode_certificate(der)?;
    let token = database.token(token)?;
    let elsewhere =
        |t: &crate::nss::Token| t.user_name() != token.user_name() && t.holds(&certificate);
    if database.tokens()?.iter().any(elsewhere) {
        return token.take_out(&certificate);
    }
    certificate
        .delete()
        .map_err(|f| Error::new(Kind::Refused, "cannot delete the imported certificate").because(f))
}

impl Plan<'_> {
    /// Writes the issuers, the certificate, then all trust flags. With [`Order::TrustFirst`] it
    /// verifies the certificates after that.
    ///
    /// # Errors
    /// [`Kind::Refused`], [`Kind::Conflict`], with [`Order::TrustFirst`] [`Kind::Untrusted`]; the
    /// changes are rolled back.
    pub(super) fn write(&self) -> Result<CertImported> {
        let mut undo = Undo::new(self.session);
        self.write_with(&mut undo).map_err(|e| undo.roll_back(e))
    }

    /// Writes as [`Plan::write`], noting each change in `undo`; rolls nothing back.
    ///
    /// # Errors
    /// As [`Plan::write`].
    fn write_with(&self, undo: &mut Undo<'_>) -> Result<CertImported> {
        for member in &self.chain {
            self.add(member, undo)?;
        }
        match self.key {
            Some(file) => {
                let leaf = &self.leaf;
                file.store(self.session, leaf.certificate.der(), &leaf.nickname, undo)?;
            }
            None => self.add(&self.leaf, undo)?,
        }
        let mut chain = Vec::new();
        for member in &self.chain {
            chain.push(ChainMember {
                certificate: member.certificate.der().to_vec(),
                nickname: member.nickname.clone(),
                added: !member.held,
                trust_set: set(member, undo)?,
            });
        }
        let trust_set = set(&self.leaf, undo)?;
        if self.order == Order::TrustFirst {
            self.judge(&Vec::new())?;
        }
        let leaf = &self.leaf;
        Ok(CertImported {
            certificate: leaf.certificate.der().to_vec(),
            nickname: shown(&leaf.token, &leaf.nickname),
            usage: self.usage,
            has_key: has_key(leaf),
            added: !leaf.held,
            trust_set,
            chain,
            notices: self.notices(),
        })
    }

    fn add(&self, member: &Member, undo: &mut Undo<'_>) -> Result<()> {
        if member.held {
            return Ok(());
        }
        member.token.import(&member.certificate, &member.nickname)?;
        undo.added(member.certificate.der(), member.token.user_name());
        let found = under(&self.session.database, &member.token, &member.nickname)?;
        if found.iter().any(|c| c.der() == member.certificate.der()) {
            return Ok(());
        }
        let what = format!("NSS did not store the nickname {:?}", member.nickname);
        Err(Error::new(Kind::Conflict, what).hint("choose another nickname"))
    }
}

/// Returns whether the token has the certificate's key: its public half, if the session is not logged
/// in.
fn has_key(member: &Member) -> bool {
    let certificate = &member.certificate;
    match member.token.needs_login() {
        true => member.token.public_keys().iter().any(|spki| spki == certificate.spki()),
        false => certificate.private_key().is_ok(),
    }
}

/// Sets the trust flags of a certificate; returns them if they were different before.
fn set(member: &Member, undo: &mut Undo<'_>) -> Result<Option<Trust>> {
    let Some(trust) = &member.trust else { return Ok(None) };
    Ok(undo.trust(&member.certificate, trust)?.then(|| trust.clone()))
}
