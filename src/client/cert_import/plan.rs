//! Plans an import and verifies the certificates, before anything is written.

use super::{Certificates, Notice, Order, Pkcs12, Source};
use crate::asn1::name::dn_string;
use crate::asn1::summary::summary;
use crate::client::find_key::key_for;
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, Token, Trust, Usage};
use crate::trust::usage::{Anchors, is_anchor, is_ca, issuers_among, judge, purpose};

/// One certificate of an import.
pub(super) struct Member {
    pub(super) certificate: Certificate,
    /// Nickname without the token's name.
    pub(super) nickname: String,
    /// The token that stores it.
    pub(super) token: Token,
    /// Whether the token has it already.
    pub(super) held: bool,
    pub(super) trust: Option<Trust>,
    /// The usage it is verified for; `None` where the verification of the leaf is enough.
    usage: Option<Usage>,
}

/// An import, to be [verified](Plan::verify) and [written](Plan::write).
pub(super) struct Plan<'a> {
    pub(super) session: &'a Session,
    /// The PKCS #12 file with the leaf's key.
    pub(super) key: Option<&'a Pkcs12>,
    pub(super) leaf: Member,
    pub(super) usage: Usage,
    pub(super) chain: Vec<Member>,
    pub(super) order: Order,
    /// Certificates (DER) of the file that are not issuers of the leaf.
    left_out: Vec<Vec<u8>>,
}

impl<'a> Plan<'a> {
    /// Plans the import; nothing is written.
    ///
    /// # Errors
    /// [`Kind::Usage`], [`Kind::Input`], [`Kind::Conflict`] as
    /// [`cert_import`](super::cert_import).
    pub(super) fn new(
        session: &'a Session,
        what: &'a Certificates,
        all: &[Vec<u8>],
    ) -> Result<Plan<'a>> {
        let database = &session.database;
        let nickname = session.new_nickname(&what.nickname)?;
        let none = || Error::new(Kind::Input, "no certificate to import");
        let (leaf, others) = all.split_first().ok_or_else(none)?;
        let others = if what.leaf_only { &[] } else { others };
        let key = match &what.source {
            Source::Certificates(_) => None,
            Source::Pkcs12(file) => Some(file),
        };
        let certificate = database.decode_certificate(leaf).map_err(|e| {
            let subject = summary(leaf).map(|of| of.subject).unwrap_or_default();
            let what = format!("cannot import the certificate of {subject:?}");
            Error::new(e.kind(), what).because(e)
        })?;
        let token = database.token(&session.token.user_name())?;
        let usage = usage_of(database, &token, &certificate, what)?;
        let held = is_held(database, &token, &certificate, &nickname)?;
        let trust = what.trust.clone();
        let leaf = Member { certificate, nickname, token, held, trust, usage: Some(usage) };
        let issuers = issuers_among(database, leaf.certificate.der(), others);
        let left_out = others.iter().filter(|der| !issuers.contains(der)).cloned().collect();
        let chain = issuers.iter().map(|der| chain_member(database, what, der));
        let chain = chain.collect::<Result<_>>()?;
        Ok(Plan { session, key, leaf, usage, chain, order: what.order, left_out })
    }

    /// Verifies each certificate for its usage; does nothing with [`Order::TrustFirst`].
    ///
    /// # Errors
    /// [`Kind::Untrusted`].
    pub(super) fn verify(&self) -> Result<()> {
        if self.order == Order::TrustFirst {
            return Ok(());
        }
        let database = &self.session.database;
        let anchor = |m: &Member| {
            let trust = m.trust.as_ref().filter(|t| is_anchor(database, &m.certificate, t))?;
            Some((m.certificate.der().to_vec(), trust.clone()))
        };
        let anchors: Anchors = self.members().filter_map(anchor).collect();
        let asked =
            |m: &Member| m.trust.as_ref().is_some_and(|t| t.as_str().contains(['C', 'T', 'P']));
        self.judge(&anchors).map_err(|e| match e.hint_text() {
            // NSS found no trusted issuer; the trust to be set may be what is missing.
            Some(_) if self.members().any(asked) => e.hint(
                "import its issuers first, or rely on the trust to be set: --unsafe-trust-then-verify",
            ),
            _ => e,
        })
    }

    /// Verifies each certificate against the database's trust and that of `anchors`.
    pub(super) fn judge(&self, anchors: &Anchors) -> Result<()> {
        // Issuers first: the fault of an issuer makes the leaf invalid, too.
        for member in self.chain.iter().chain([&self.leaf]) {
            if let Some(usage) = member.usage {
                judge(&self.session.database, &member.certificate, usage, anchors)?;
            }
        }
        Ok(())
    }

    /// Returns all certificates, the leaf first.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.leaf).chain(&self.chain)
    }

    /// Returns the notices about the import.
    pub(super) fn notices(&self) -> Vec<Notice> {
        let makes_ca = |m: &&Member| {
            let flags = m.trust.as_ref().map_or("", Trust::as_str);
            flags.contains(['c', 'C', 'T']) && !is_ca(m.certificate.der())
        };
        let makes_ca = self.members().filter(makes_ca);
        let makes_ca = makes_ca.map(|m| Notice::TrustMakesCa(m.nickname.clone()));
        let left_out = self.left_out.iter().cloned().map(Notice::LeftOut);
        makes_ca.chain(left_out).collect()
    }
}

/// Returns the usage that the certificate is verified for.
fn usage_of(
    database: &Database,
    token: &Token,
    certificate: &Certificate,
    what: &Certificates,
) -> Result<Usage> {
    let usage = |why: &str, hint: &str| Err(Error::new(Kind::Usage, why).hint(hint));
    let is_ca = is_ca(certificate.der());
    if is_ca && what.trust.is_none() {
        return usage(
            "the trust of a CA certificate must be given",
            "give --trust CT,C,C to trust it, --trust ,, to store it without trust",
        );
    }
    let has_key = || key_for(database, token, certificate.spki()).is_ok();
    let hint = "give --usage, for example --usage server";
    match (what.usage, purpose(certificate.der())?) {
        (Some(usage), _) => Ok(usage),
        (None, Some(purpose)) if is_ca || has_key() => Ok(purpose),
        (None, Some(_)) => {
            usage("the usage of a certificate without private key must be given", hint)
        }
        (None, None) => usage("the certificate names no usage (extKeyUsage)", hint),
    }
}

/// Returns whether the token has the certificate already under this nickname; an error says that it
/// can't be stored under this nickname.
fn is_held(
    database: &Database,
    token: &Token,
    certificate: &Certificate,
    nickname: &str,
) -> Result<bool> {
    let conflict = |what: String| Error::new(Kind::Conflict, what);
    let of = |subject: &[u8]| dn_string(subject).unwrap_or_else(|_| "(unreadable name)".into());
    let subject = certificate.subject();
    let under = under(database, token, nickname)?;
    if let Some(other) = under.iter().find(|c| c.subject() != subject) {
        return Err(conflict(format!("the nickname {nickname:?} belongs to another subject"))
            .because(format!("it names {}", of(other.subject())))
            .hint("choose another nickname"));
    }
    let held = token.holds(certificate);
    let named = under.iter().any(|c| !held || c.der() == certificate.der());
    if named {
        return Ok(held);
    }
    let same = database.certificates_named(subject);
    let own = same.iter().find(|c| held && c.der() == certificate.der());
    let old = own.or(same.first()).and_then(Certificate::nickname);
    let old = old.unwrap_or_else(|| "(no nickname)".into());
    if held {
        return Err(conflict(format!("the database has the certificate already, as {old:?}"))
            .because(format!("NSS does not give it a second nickname, {nickname:?}"))
            .hint(format!("use the nickname {old:?}")));
    }
    // NSS does this in the database's own token only, not in other tokens.
    if token.is_internal() && !token.certificates_of_subject(subject).is_empty() {
        return Err(conflict(format!("the nickname of {} is {old:?}", of(subject)))
            .because("NSS gives all certificates of a subject one nickname")
            .hint(format!("use the nickname {old:?}")));
    }
    Ok(false)
}

/// Returns the certificates that a token holds under a nickname.
pub(super) fn under(
    database: &Database,
    token: &Token,
    nickname: &str,
) -> Result<Vec<Certificate>> {
    database.find_certificates(&shown(token, nickname))
}

/// Returns a nickname, prefixed by the token's name unless that is the database's own.
pub(super) fn shown(token: &Token, nickname: &str) -> String {
    match token.is_internal() {
        true => nickname.to_owned(),
        false => format!("{}:{nickname}", token.name()),
    }
}

fn chain_member(database: &Database, what: &Certificates, der: &[u8]) -> Result<Member> {
    let certificate = database.decode_certificate(der)?;
    let token = database.token("internal")?;
    let held = token.holds(&certificate);
    let trust = what.chain_trust.clone();
    let usage = what.chain_usage.or(trust.is_some().then_some(Usage::SslCa));
    let same = database.certificates_named(certificate.subject());
    // NSS gives all certificates of a subject one nickname.
    let known = same.iter().filter(|c| token.holds(c)).find_map(Certificate::nickname);
    let nickname =
        known.or_else(|| database.ca_nickname(&certificate)).unwrap_or_else(|| "CA".to_owned());
    Ok(Member { certificate, nickname, token, held, trust, usage })
}
