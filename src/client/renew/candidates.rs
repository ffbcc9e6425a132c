//! The certificates of a database that a CA issued, for a run that renews all that are due.

use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;

use super::current::newest;
use crate::asn1::certificate::{self, Certificate};
use crate::asn1::name::same_name;
use crate::asn1::summary::Summary;
use crate::asn1::x509::spki_key_type;
use crate::client::ca;
use crate::client::connection::Config;
use crate::client::passwords::Remembered;
use crate::client::session::{Needs, Session};
use crate::client::status::Validity;
use crate::error::Result;
use crate::nss::{self, Access, is_internal_name};
use crate::trust::usage::is_ca;

/// Where to search, and for what.
pub struct SearchSpec {
    /// NSS database directory.
    pub database: String,
    /// The token whose certificates are searched.
    pub token: String,
    /// Gives the tokens' passwords.
    pub passwords: Rc<Remembered>,
    /// The CA. It is asked for its chain only if a certificate is due.
    pub connection: Config,
    /// Nickname of the agent's certificate that signs, which isn't renewed by the way.
    pub signer: Option<String>,
    /// The time before its end from which a certificate is due.
    pub renew_before: Duration,
    /// Whether to ask for the CA's chain although no certificate is due.
    pub always_ask: bool,
}

/// The certificate in use under a nickname.
#[derive(Debug)]
pub struct Candidate {
    /// Its nickname, without the token's name.
    pub nickname: String,
    /// Its fields.
    pub certificate: Summary,
    /// Whether it is to be renewed.
    pub standing: Standing,
}

/// Whether a certificate is to be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The CA issued it, and it is due.
    Due,
    /// It isn't due.
    NotDue,
    /// Another CA issued it.
    OfAnotherCa,
    /// It is a CA's certificate.
    OfACa,
    /// It is the agent's, who signs the requests.
    Signer,
    /// It is due, but the CA issued certificates of several kinds, and one profile can't be right
    /// for all of them.
    Ambiguous,
}

/// Returns the certificates with a key in a token, one for each nickname: the one in use. Nothing is
/// changed.
///
/// # Errors
/// As [`Session::open`]; as [`ca::chain`] when a certificate is due.
pub fn candidates(spec: &SearchSpec) -> Result<Vec<Candidate>> {
    let key = !is_internal_name(&spec.token);
    let needs = Needs { token: &spec.token, key, ..Needs::default() };
    let passwords = spec.passwords.passwords();
    let session = Session::open(&spec.database, Access::ReadOnly, needs, &passwords)?;
    let found = search(spec, &session);
    let closed = session.close();
    let found = found?;
    closed.map(|()| found)
}

fn search(spec: &SearchSpec, session: &Session) -> Result<Vec<Candidate>> {
    let mut named: Vec<(String, Vec<nss::Certificate>)> = Vec::new();
    for certificate in session.token.certificates() {
        // Without a nickname it can't be named, and a new certificate would get none.
        let Some(name) = certificate.nickname() else { continue };
        let Ok(name) = session.new_nickname(&name) else { continue };
        match named.iter_mut().find(|(other, _)| *other == name) {
            Some((_, all)) => all.push(certificate),
            None => named.push((name, vec![certificate])),
        }
    }
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut found = Vec::new();
    for (nickname, all) in named {
        let Some((certificate, _)) = newest(&all, None) else { continue };
        let standing = match Validity::of(&certificate, spec.renew_before, Utc::now()) {
            Validity::Due | Validity::Expired => Standing::Due,
            Validity::Valid | Validity::NotYet => Standing::NotDue,
        };
        found.push(Candidate { nickname, certificate, standing });
    }
    let is_due = |candidate: &Candidate| candidate.standing == Standing::Due;
    if !spec.always_ask && !found.iter().any(is_due) {
        return Ok(found);
    }
    let chain = ca::chain(&session.database, &spec.connection, None, &mut |_, _| Ok(false))
        .map_err(|e| {
            e.note("the CA is asked for its chain, to know which certificates are its own")
        })?;
    let signer = spec.signer.as_deref().map(|name| session.new_nickname(name).ok());
    let mut kinds = Vec::new();
    for candidate in &mut found {
        let der = &candidate.certificate.der;
        if is_ca(der) {
            candidate.standing = Standing::OfACa;
        } else if !issued_by(der, &chain.certificates)? {
            candidate.standing = Standing::OfAnotherCa;
        } else if signer.as_ref().is_some_and(|s| s.as_ref() == Some(&candidate.nickname)) {
            candidate.standing = Standing::Signer;
        } else {
            kinds.push(kind(der)?);
        }
    }
    let has_profile = spec.connection.profile.as_deref().is_some_and(|id| !id.is_empty());
    if has_profile && kinds.iter().any(|kind| kinds.first() != Some(kind)) {
        found.iter_mut().filter(|c| is_due(c)).for_each(|c| c.standing = Standing::Ambiguous);
    }
    Ok(found)
}

/// Returns whether a certificate (DER) has the name of one of these CAs as its issuer. Names are
/// compared, not keys: a CA may have a new key.
fn issued_by(der: &[u8], chain: &[Vec<u8>]) -> Result<bool> {
    let issuer = certificate::fields(der)?.issuer;
    let is_subject =
        |ca: &Vec<u8>| certificate::fields(ca).is_ok_and(|ca| same_name(ca.subject, issuer));
    Ok(chain.iter().any(is_subject))
}

/// Returns what a profile decides: the type of the key, and extKeyUsage.
fn kind(der: &[u8]) -> Result<(Option<crate::algorithm::KeyType>, Vec<String>)> {
    let read = Certificate::decode(der)?;
    let mut purposes: Vec<String> =
        read.purposes()?.unwrap_or_default().iter().map(ToString::to_string).collect();
    purposes.sort();
    Ok((spki_key_type(read.fields.spki), purposes))
}
