//! Imports a certificate and its issuers: all are verified, then stored, then trusted. A failure
//! changes nothing.

mod pkcs12;
mod plan;
mod write;

use std::time::Duration;

use super::lock::Event;
use super::passwords::Passwords;
use super::session::{Needs, Session};
use crate::error::{Error, Kind, Result};
use crate::interrupt::Watch;
use crate::nss::{Access, Database, Trust, Usage};
use crate::trust::usage::is_ca;
pub use pkcs12::Pkcs12;
use plan::Plan;

/// When the new trust is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// After all certificates are verified and stored.
    #[default]
    VerifyFirst,
    /// Before they are verified, so that the verification relies on the new trust. When it fails,
    /// all changes are rolled back; a run that is killed in between leaves unverified certificates
    /// trusted.
    TrustFirst,
}

/// The source of the certificates.
pub enum Source {
    /// DER: the certificate to import first, then others in any order. Those that are not its
    /// issuers are left out.
    Certificates(Vec<Vec<u8>>),
    /// A PKCS #12 file with one key: the certificate of that key, and others as above.
    Pkcs12(Pkcs12),
}

/// The certificates to import, and how they are verified.
pub struct Certificates {
    /// Their source.
    pub source: Source,
    /// Whether to import the first certificate only, without its issuers.
    pub leaf_only: bool,
    /// Nickname of the first certificate.
    pub nickname: String,
    /// Usage that the first certificate must be valid for; `None` takes it from the certificate,
    /// which is possible if its key is in the token or it is a CA.
    pub usage: Option<Usage>,
    /// Trust flags for the first certificate; `None` keeps the present ones.
    pub trust: Option<Trust>,
    /// Usage that the issuers must be valid for; `None` is [`Usage::SslCa`] if they are given trust,
    /// else the usage that the first certificate requires of its issuers.
    pub chain_usage: Option<Usage>,
    /// Trust flags for the issuers; `None` keeps the present ones.
    pub chain_trust: Option<Trust>,
    /// When the trust is set.
    pub order: Order,
}

/// An import into a database.
pub struct CertImportSpec<'a> {
    /// The database's directory.
    pub database: String,
    /// Token for the first certificate; issuers and all trust flags go to the database's own token.
    pub token: String,
    /// Passwords of the tokens.
    pub passwords: Passwords<'a>,
    /// The certificates to import.
    pub certificates: Certificates,
    /// How long to wait until another run releases the database.
    pub lock_timeout: Duration,
}

/// The result of an import.
#[derive(Debug)]
pub struct CertImported {
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// Its nickname, prefixed by the token's name unless that is the database's own.
    pub nickname: String,
    /// The usage it was verified for.
    pub usage: Usage,
    /// Whether its private key is in the token. Without a login, its public half shows that.
    pub has_key: bool,
    /// Whether this run added it to the token.
    pub added: bool,
    /// The trust flags that were set; `None` if they were so before.
    pub trust_set: Option<Trust>,
    /// Its issuers.
    pub chain: Vec<ChainMember>,
    /// Notices about the import.
    pub notices: Vec<Notice>,
}

/// An issuer's certificate that was imported.
#[derive(Debug)]
pub struct ChainMember {
    /// DER.
    pub certificate: Vec<u8>,
    /// Its nickname.
    pub nickname: String,
    /// Whether this run added it to the database.
    pub added: bool,
    /// The trust flags that were set; `None` if they were so before.
    pub trust_set: Option<Trust>,
}

impl CertImported {
    /// Returns whether the database was changed.
    pub fn is_changed(&self) -> bool {
        let chain = self.chain.iter().any(|m| m.added || m.trust_set.is_some());
        self.added || self.trust_set.is_some() || chain
    }
}

/// A notice about a successful import.
#[derive(Debug)]
pub enum Notice {
    /// NSS treats a certificate with the trust flag `c`, `C` or `T` as a CA, and this certificate
    /// (nickname) is not a CA's.
    TrustMakesCa(String),
    /// A certificate (DER) of the file was left out: it is not an issuer of the one imported.
    LeftOut(Vec<u8>),
    /// NSS could not be shut down.
    NotClosed(Error),
}

/// Imports a certificate and its issuers. All are verified against the database's trust flags before
/// anything is written. The new trust flags are set last; the verification doesn't rely on them,
/// except for a self-signed CA ([`crate::trust::usage`]). A failure changes nothing. A run that is
/// killed leaves certificates without trust; the next run completes the import.
///
/// The password of the database's own token is needed only to change trust flags, to look for the
/// certificate's key where that decides its usage, for a PKCS #12 file, and in FIPS mode.
///
/// # Errors
/// [`Kind::Untrusted`] with a note for each certificate that isn't valid; [`Kind::Conflict`] when the
/// database has the certificate under another nickname, or the nickname belongs to another subject;
/// [`Kind::Input`] for a file that can't be read; [`Kind::Usage`] when the usage, or the trust of a
/// CA, must be given; as [`Session::open`] and when another run holds the lock.
pub fn cert_import(spec: CertImportSpec<'_>, tell: &mut dyn FnMut(Event)) -> Result<CertImported> {
    let database = Database::open(&spec.database, Access::ReadWrite)?;
    let needs = needs(&database, &spec)?;
    let (session, lock) =
        Session::locked(database, needs, &spec.passwords, spec.lock_timeout, tell)?;
    let watch = Watch::begin();
    let all = match &spec.certificates.source {
        Source::Certificates(all) => all.clone(),
        Source::Pkcs12(file) => file.certificates(&session.database)?,
    };
    let plan = Plan::new(&session, &spec.certificates, &all)?;
    plan.verify()?;
    // The last check: writing takes milliseconds and must not stop halfway.
    watch.check()?;
    let mut imported = plan.write()?;
    drop(plan);
    imported.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(imported)
}

/// Returns what the import needs. NSS stores a certificate without a login; trust flags it signs with
/// the password.
fn needs<'a>(database: &Database, spec: &'a CertImportSpec<'_>) -> Result<Needs<'a>> {
    let what = &spec.certificates;
    let Source::Certificates(all) = &what.source else {
        return Ok(Needs { token: &spec.token, key: true, trust: true, ..Needs::default() });
    };
    let mut trust = false;
    for (at, der) in all.iter().enumerate() {
        let wanted = if at == 0 { &what.trust } else { &what.chain_trust };
        if let Some(wanted) = wanted {
            trust |= !database.decode_certificate(der)?.has_trust(wanted)?;
        }
    }
    let reads_keys = what.usage.is_none() && !all.first().is_some_and(|der| is_ca(der));
    let key = reads_keys || !database.token(&spec.token)?.is_internal();
    Ok(Needs { token: &spec.token, key, trust, ..Needs::default() })
}

/// Returns the usage that a letter stands for in `certutil -V -u`.
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
