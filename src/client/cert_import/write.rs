//! Writes an import, and undoes exactly that when a later step fails.

use super::plan::{Member, Plan, shown, under};
use super::{CertImported, ChainMember, Order};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Certificate, Trust, TrustFlags};

/// What a run has written, to be undone.
pub(super) struct Undo<'a> {
    session: &'a Session,
    steps: Vec<Step>,
}

enum Step {
    /// A certificate (DER) that is new in the token of this name.
    Added(Vec<u8>, String),
    /// A key of the session's token, by its id.
    Key(Vec<u8>),
    /// A certificate (DER) that had another trust.
    Trusted(Vec<u8>, TrustFlags),
}

impl<'a> Undo<'a> {
    /// Returns one with nothing to undo.
    pub(super) fn new(session: &'a Session) -> Undo<'a> {
        Undo { session, steps: Vec::new() }
    }

    /// Notes a certificate (DER) that is new in a token.
    pub(super) fn added(&mut self, der: &[u8], token: String) {
        self.steps.push(Step::Added(der.to_vec(), token));
    }

    /// Notes a key that is new in the session's token.
    pub(super) fn key(&mut self, id: Vec<u8>) {
        self.steps.push(Step::Key(id));
    }

    /// Sets the trust of a certificate; returns whether it had another.
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
        // NSS stores a copy of another token's certificate beside its trust.
        if !held && internal.holds(certificate) {
            self.added(certificate.der(), internal.user_name());
        }
        self.steps.push(Step::Trusted(certificate.der().to_vec(), before));
        Ok(true)
    }

    /// Undoes everything, the last step first, after `error`; notes name what could not be undone.
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
        Error::new(Kind::Refused, "cannot restore the trust of a certificate").because(f)
    })
}

fn delete_key(session: &Session, id: &[u8]) -> Result<()> {
    let Some(key) = session.token.find_key(id) else { return Ok(()) };
    key.delete().map_err(|f| {
        let id = keyid::to_hex(id);
        Error::new(Kind::Refused, format!("cannot delete the key {id} again")).because(f)
    })
}

/// Deletes a certificate from one token. SEC_DeletePermCertificate deletes the trust, too, but also
/// the copies in other tokens.
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
        .map_err(|f| Error::new(Kind::Refused, "cannot delete the certificate again").because(f))
}

impl Plan<'_> {
    /// Writes it: the chain, the certificate, then all trust. With [`Order::TrustFirst`] all is verified
    /// after that.
    ///
    /// # Errors
    /// [`Kind::Refused`], [`Kind::Conflict`], with [`Order::TrustFirst`] [`Kind::Untrusted`]; nothing is
    /// changed then.
    pub(super) fn write(&self) -> Result<CertImported> {
        let mut undo = Undo::new(self.session);
        self.write_with(&mut undo).map_err(|e| undo.roll_back(e))
    }

    /// Writes it, and notes in `undo` what; undoes nothing.
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
            has_key: leaf.certificate.private_key().is_ok(),
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
        let what = format!("NSS did not take the nickname {:?}", member.nickname);
        Err(Error::new(Kind::Conflict, what).hint("choose another nickname"))
    }
}

/// Sets the trust of a certificate; returns it when it had another.
fn set(member: &Member, undo: &mut Undo<'_>) -> Result<Option<Trust>> {
    let Some(trust) = &member.trust else { return Ok(None) };
    Ok(undo.trust(&member.certificate, trust)?.then(|| trust.clone()))
}
