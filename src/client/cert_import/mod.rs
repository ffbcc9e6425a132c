//! Imports a certificate and its issuers: verified first, then written, then trusted; all or nothing.

mod pkcs12;
mod plan;
mod write;

use std::time::Duration;

use super::lock::{Event, Lock};
use super::passwords::Passwords;
use super::session::{Needs, Session};
use crate::error::{Error, Kind, Result};
use crate::interrupt::Watch;
use crate::nss::{Access, Trust, Usage};
pub use pkcs12::Pkcs12;
use plan::Plan;

/// When the trust asked for is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// After all certificates are verified, and after they are written.
    #[default]
    VerifyFirst,
    /// Before they are verified, so that it counts in the verification. When that fails all is undone; a
    /// run that is killed in between leaves trust in certificates that were not verified.
    TrustFirst,
}

/// Where the certificates come from.
pub enum Source {
    /// DER, the certificate first, then others in any order; those that aren't its issuers are left
    /// out.
    Certificates(Vec<Vec<u8>>),
    /// A PKCS #12 file: the certificate of its one key, and others as above.
    Pkcs12(Pkcs12),
}

/// What is to be imported, and how it is verified.
pub struct Certificates {
    /// Where they come from.
    pub source: Source,
    /// Whether the others are left out, issuers or not.
    pub leaf_only: bool,
    /// Nickname of the first one.
    pub nickname: String,
    /// What the first one must be valid for; `None` for what it says itself, if its key is there or it
    /// is a CA.
    pub usage: Option<Usage>,
    /// Trust of the first one; `None` leaves it as it is.
    pub trust: Option<Trust>,
    /// What the others must be valid for; `None` for [`Usage::SslCa`] if they get trust, else for what
    /// the first one needs of its issuers.
    pub chain_usage: Option<Usage>,
    /// Trust of the others; `None` leaves it as it is.
    pub chain_trust: Option<Trust>,
    /// When the trust is set.
    pub order: Order,
}

/// An import into a database.
pub struct CertImportSpec<'a> {
    /// The database's directory.
    pub database: String,
    /// Token of the first certificate; the chain, and all trust, is in the database's own.
    pub token: String,
    /// Passwords of the tokens.
    pub passwords: Passwords<'a>,
    /// What is imported.
    pub certificates: Certificates,
    /// How long to wait for another run on the database.
    pub lock_timeout: Duration,
}

/// What became of an import.
#[derive(Debug)]
pub struct CertImported {
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// Its nickname, with its token's name in front when that isn't the database's own.
    pub nickname: String,
    /// What it was verified for.
    pub usage: Usage,
    /// Whether its key is there.
    pub has_key: bool,
    /// Whether it is new in the token.
    pub added: bool,
    /// Trust that was set, if it had another.
    pub trust_set: Option<Trust>,
    /// The others.
    pub chain: Vec<ChainMember>,
    /// Things to know.
    pub notices: Vec<Notice>,
}

/// A certificate of the chain that came along.
#[derive(Debug)]
pub struct ChainMember {
    /// DER.
    pub certificate: Vec<u8>,
    /// Its nickname.
    pub nickname: String,
    /// Whether it is new in the database.
    pub added: bool,
    /// Trust that was set, if it had another.
    pub trust_set: Option<Trust>,
}

impl CertImported {
    /// Returns whether anything was written.
    pub fn is_changed(&self) -> bool {
        let chain = self.chain.iter().any(|m| m.added || m.trust_set.is_some());
        self.added || self.trust_set.is_some() || chain
    }
}

/// Something to know although the import worked.
#[derive(Debug)]
pub enum Notice {
    /// NSS takes a certificate with the trust flag `c`, `C` or `T` for a CA, and this one is none.
    TrustMakesCa(String),
    /// A certificate (DER) of the file is no issuer of the one imported, so it was left out.
    LeftOut(Vec<u8>),
    /// NSS could not be shut down.
    NotClosed(Error),
}

/// Imports a certificate and its issuers. All are verified against the database's trust before
/// anything is written; the new trust is set last, and doesn't count in the verification, except that
/// of a self-signed CA ([`crate::trust::usage`]). When anything fails nothing is changed; a run that is
/// killed leaves certificates without trust, and the next one completes it.
///
/// # Errors
/// [`Kind::Untrusted`] with a note for each certificate that isn't valid; [`Kind::Conflict`] when the
/// certificate is there under another nickname, or the nickname belongs to another subject;
/// [`Kind::Input`] for a file that can't be read; [`Kind::Usage`] when the usage or the trust of a CA must be said; as [`Session::open`] and
/// [`Lock::take`].
pub fn cert_import(spec: CertImportSpec<'_>, tell: &mut dyn FnMut(Event)) -> Result<CertImported> {
    let needs = Needs { token: &spec.token, key: true, trust: true, ..Needs::default() };
    let session = Session::open(&spec.database, Access::ReadWrite, needs, &spec.passwords)?;
    let lock = Lock::take(&session.database.path(), spec.lock_timeout, tell)?;
    let watch = Watch::begin();
    let all = match &spec.certificates.source {
        Source::Certificates(all) => all.clone(),
        Source::Pkcs12(file) => file.certificates(&session.database)?,
    };
    let plan = Plan::new(&session, &spec.certificates, &all)?;
    plan.verify()?;
    // From here on it is a matter of milliseconds.
    watch.check()?;
    let mut imported = plan.write()?;
    drop(plan);
    imported.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(imported)
}

/// Returns the usage of a letter, as `certutil -V -u` has them.
///
/// # Errors
/// [`Kind::Usage`].
pub fn usage_of_letter(text: &str) -> Result<Usage> {
    let letter = text.chars().next().and_then(Usage::from_letter);
    letter.ok_or_else(|| {
        Error::new(Kind::Usage, format!("invalid usage {text:?}")).hint(
            "the usages are C (TLS client), V (TLS server), L (TLS CA), A (any CA), Y (verify CA), \
             S (e-mail signer), R (e-mail recipient), O (OCSP responder), J (object signer), I (IPsec)",
        )
    })
}
