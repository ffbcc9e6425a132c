//! Imports the keys and certificates of a PKCS #12 file into a database.

use std::path::PathBuf;
use std::time::Duration;

use super::anchor::{self, Anchors, CaTrust, Root};
use super::password::Password;
use super::plan::{Existing, Other, Pair, Plan, PlannedKey, Planner};
use super::read::{self, Contents};
use super::undo::Writer;
use crate::client::lock::Event;
use crate::client::passwords::Passwords;
use crate::client::session::{Needs, Session};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, Trust};
use crate::secret::Secret;

/// Trust flags of a CA for TLS servers and clients, e-mail and code.
const CA_TRUST: &str = "CT,C,C";

/// Which parts of a file are imported.
#[derive(Debug, Clone)]
pub struct Select {
    /// Keys and their certificates.
    pub keys: bool,
    /// Certificates without a key.
    pub certificates: bool,
    /// Only entries with one of these friendly names; empty for all.
    pub names: Vec<String>,
}

impl Default for Select {
    /// Selects everything.
    fn default() -> Select {
        Select { keys: true, certificates: true, names: Vec::new() }
    }
}

/// The arguments of [`import`].
pub struct ImportSpec<'a> {
    /// NSS database directory.
    pub database: String,
    /// The token for keys and their certificates; other certificates go to the database's own.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'a>,
    /// The PKCS #12 file; `-` is standard input.
    pub file: PathBuf,
    /// The file's password.
    pub password: Secret,
    /// Which parts of the file.
    pub select: Select,
    /// What to do when a nickname is in use.
    pub existing: Existing,
    /// Whether a present certificate with a key in the file gets the file's nickname, if that is free
    /// and the database has no other certificate of the subject.
    pub rename: bool,
    /// The nickname for the file's one key; `None` for its friendly name.
    pub nickname: Option<String>,
    /// Whether the CA of the certificates becomes trusted.
    pub ca: CaTrust,
    /// Whether the trust flags that Dogtag stores in its files are applied.
    pub trust_from_file: bool,
    /// Trust flags for the certificates with keys.
    pub trust: Option<Trust>,
    /// Trust flags for the certificates without keys.
    pub chain_trust: Option<Trust>,
    /// Whether to verify only, and write nothing.
    pub check: bool,
    /// How long to wait until another run releases the database.
    pub lock_timeout: Duration,
}

impl<'a> ImportSpec<'a> {
    /// Returns a specification with defaults: imports everything in the file into the database's own
    /// token, without trust, and refuses a nickname in use.
    pub fn new(
        database: impl Into<String>,
        passwords: Passwords<'a>,
        file: impl Into<PathBuf>,
        password: Secret,
    ) -> ImportSpec<'a> {
        ImportSpec {
            database: database.into(),
            token: "internal".into(),
            passwords,
            file: file.into(),
            password,
            select: Select::default(),
            existing: Existing::Refuse,
            rename: false,
            nickname: None,
            ca: CaTrust::default(),
            trust_from_file: false,
            trust: None,
            chain_trust: None,
            check: false,
            lock_timeout: Duration::from_secs(300),
        }
    }
}

/// Whether an object was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Become {
    /// This run stored it.
    Added,
    /// The database had it before.
    Present,
}

/// A certificate of the file, and what the import did with it.
#[derive(Debug)]
pub struct Entry {
    /// DER of the certificate.
    pub der: Vec<u8>,
    /// Its nickname in the database.
    pub nickname: String,
    /// Whether the certificate was added.
    pub certificate: Become,
    /// For a certificate with a key in the file: the key's CKA_ID, and whether the key was added.
    pub key: Option<(Vec<u8>, Become)>,
    /// Trust flags that were set.
    pub trust: Option<String>,
    /// The number of certificates that were deleted because they had its nickname.
    pub replaced: usize,
}

/// A notice about a successful import.
#[derive(Debug)]
pub enum Notice {
    /// A kind of bag that is not imported, by name.
    Ignored(String),
    /// A key without certificate in the file was not imported; its friendly name, if any.
    KeyWithoutCertificate(String),
    /// A certificate has another nickname than its friendly name.
    KeepsNickname {
        /// The friendly name, or the requested nickname.
        wanted: String,
        /// The nickname that it has.
        has: String,
    },
    /// An entry was skipped because its nickname is in use ([`Existing::PassOver`]).
    PassedOver {
        /// The nickname.
        nickname: String,
        /// Whether the entry has a key.
        key: bool,
    },
    /// NSS could not be shut down.
    NotClosed(Error),
}

/// The result of an import; of a check, what an import would do.
#[derive(Debug)]
pub struct Imported {
    /// The certificates of the file that were selected: those with keys first.
    pub entries: Vec<Entry>,
    /// The CAs made trusted, or found trusted, by [`ImportSpec::ca`].
    pub roots: Vec<Root>,
    /// Notices about the import.
    pub notices: Vec<Notice>,
}

impl Imported {
    /// Returns whether the database was changed.
    pub fn changed(&self) -> bool {
        self.entries.iter().any(|e| {
            e.certificate == Become::Added
                || e.trust.is_some()
                || e.replaced > 0
                || e.key.as_ref().is_some_and(|(_, key)| *key == Become::Added)
        })
    }
}

/// Imports a PKCS #12 file. `tell` is called with events during the run.
///
/// The file's MAC is verified, and every key decrypted and matched with its certificate, before
/// anything is written. If a later step fails, the changes are rolled back. A key is stored before
/// its certificate, each in one transaction: after a kill, a second run adds what is missing.
///
/// # Errors
/// As [`read::open`]; [`Kind::Conflict`] for a nickname in use, [`Kind::Untrusted`] for a CA that
/// isn't the one named by the user, [`Kind::Refused`] when NSS can't store an object.
pub fn import(spec: &ImportSpec<'_>, tell: &mut dyn FnMut(Event)) -> Result<Imported> {
    // A certificate that is deleted may be stored again, with its trust flags.
    let trust = spec.ca.trust
        || spec.trust_from_file
        || spec.trust.is_some()
        || spec.chain_trust.is_some()
        || spec.existing == Existing::Replace;
    let trust = trust && !spec.check;
    let access = if spec.check { Access::ReadOnly } else { Access::ReadWrite };
    let database = Database::open(&spec.database, access)?;
    let password = Password::new(&spec.password)?;
    // In FIPS mode NSS decrypts nothing before the login.
    let early = match database.is_fips()? {
        true => None,
        false => Some(read::open(&database, &spec.file, &password)?),
    };
    let known = early.iter().flat_map(|contents| &contents.certificates);
    let known: Vec<&[u8]> = known.map(|bag| bag.der.as_slice()).collect();
    let needs = Needs { token: &spec.token, key: true, trust, known: &known, ..Needs::default() };
    let (mut session, lock) =
        Session::locked(database, needs, &spec.passwords, spec.lock_timeout, tell)?;
    let contents = match early {
        Some(contents) => contents,
        None => read::open(&session.database, &spec.file, &password)?,
    };
    let planned = plan(&session, spec, &password, &contents)?;
    session.held.release();
    let mut imported = carry_out(&session, spec, planned)?;
    imported.notices.extend(session.close().err().map(Notice::NotClosed));
    drop(lock);
    Ok(imported)
}

/// Imports a PKCS #12 file into an open database that is logged in and locked; the database, token,
/// passwords and timeout in `spec` are ignored.
///
/// # Errors
/// As [`import`].
pub fn import_into(session: &Session, spec: &ImportSpec<'_>) -> Result<Imported> {
    let password = Password::new(&spec.password)?;
    let contents = read::open(&session.database, &spec.file, &password)?;
    carry_out(session, spec, plan(session, spec, &password, &contents)?)
}

/// Plans the import of a file, and of the CAs that become trusted.
fn plan(
    session: &Session,
    spec: &ImportSpec<'_>,
    password: &Password,
    contents: &Contents,
) -> Result<(Plan, Vec<Root>)> {
    let file = format!("PKCS #12 file {}", spec.file.display());
    let planner = Planner { session, spec, password, file };
    let mut plan = planner.plan(contents)?;
    let anchors = anchor::find(session, spec, contents, &plan)?;
    let roots = add_anchors(&planner, &mut plan, anchors)?;
    Ok((plan, roots))
}

/// Writes what was planned; rolls back the changes if a step fails.
fn carry_out(
    session: &Session,
    spec: &ImportSpec<'_>,
    (plan, roots): (Plan, Vec<Root>),
) -> Result<Imported> {
    let mut writer = Writer::new(session, spec.check);
    let entries = write(session, &mut writer, plan.pairs, plan.others);
    let entries = writer.settle(entries)?;
    Ok(Imported { entries, roots, notices: plan.notices })
}

/// Adds the CAs to be trusted to the plan, and the certificates of the CA's file between them and
/// the file's certificates.
fn add_anchors(planner: &Planner<'_>, plan: &mut Plan, anchors: Anchors) -> Result<Vec<Root>> {
    let Anchors { roots, brought } = anchors;
    for der in brought.iter().chain(roots.iter().map(|root| &root.der)) {
        let known =
            plan.others.iter().any(|o| o.der == *der) || plan.pairs.iter().any(|p| p.der == *der);
        if !known {
            let other = planner.other(der, None, None, &mut plan.notices)?;
            plan.others.extend(other);
        }
    }
    for root in &roots {
        let trust = Some(Trust::parse(CA_TRUST)?);
        if let Some(other) = plan.others.iter_mut().find(|o| o.der == root.der) {
            other.trust = trust;
        } else if let Some(pair) = plan.pairs.iter_mut().find(|p| p.der == root.der) {
            pair.trust = trust;
        } else {
            let what = format!("cannot trust the CA {}", super::plan::subject_of(&root.der));
            return Err(Error::new(Kind::Conflict, what)
                .because("its nickname belongs to another certificate in the database")
                .hint("import it under another nickname: nss-cmc cert import ca.pem --trust CT,C,C --nickname NICKNAME"));
        }
    }
    Ok(roots)
}

/// Writes the plan, trust flags last. A certificate is deleted just before the one that replaces it:
/// NSS stores no second subject under a nickname.
fn write(
    session: &Session,
    writer: &mut Writer<'_>,
    pairs: Vec<Pair>,
    others: Vec<Other>,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut trusts = Vec::new();
    let internal = session.database.token("internal")?;
    for pair in pairs {
        let key = match pair.key {
            PlannedKey::Decrypted(keys) => {
                writer.key(keys, &pair.id, &pair.nickname)?;
                Become::Added
            }
            PlannedKey::Stored => {
                writer.complete(&pair.der, &pair.id)?;
                Become::Present
            }
        };
        pair.replaces.iter().try_for_each(|der| writer.remove(der))?;
        let certificate = present(pair.certificate_there);
        if certificate == Become::Added {
            writer.certificate(&session.token, &pair.der, &pair.nickname)?;
        }
        if pair.renamed {
            writer.rename(&pair.der, &pair.nickname)?;
        }
        trusts.push(pair.trust);
        entries.push(Entry {
            der: pair.der,
            nickname: pair.nickname,
            certificate,
            key: Some((pair.id, key)),
            trust: None,
            replaced: pair.replaces.len(),
        });
    }
    for other in others {
        other.replaces.iter().try_for_each(|der| writer.remove(der))?;
        let certificate = present(other.there);
        if certificate == Become::Added {
            writer.certificate(&internal, &other.der, &other.nickname)?;
        }
        trusts.push(other.trust);
        entries.push(Entry {
            der: other.der,
            nickname: other.nickname,
            certificate,
            key: None,
            trust: None,
            replaced: other.replaces.len(),
        });
    }
    for (entry, trust) in entries.iter_mut().zip(trusts) {
        if let Some(trust) = trust {
            let changed = writer.trust(&entry.der, &trust)?;
            entry.trust = changed.then(|| trust.as_str().to_owned());
        }
    }
    Ok(entries)
}

fn present(there: bool) -> Become {
    if there { Become::Present } else { Become::Added }
}
