//! An open database, logged in to each token that a run needs, with the signer's certificates.

use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;

use super::lock::{Event, Lock};
use super::newest::newest_first;
use super::status::Validity;
use super::token_nickname::{find_certificate, find_certificates, places, qualified};
use crate::client::passwords::{Passwords, Wanted};
use crate::cmc::message::Signatory;
use crate::error::{Error, Kind, Result};
pub use crate::nss::Identity;
use crate::nss::{Access, Certificate, Database, Token, is_internal_name};
use crate::secret::Secret;
use crate::text::shortened;
use crate::trust::Paths;

/// What a run needs of a database; this decides which tokens it logs in to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs<'a> {
    /// The token that the user chose; empty for the database's own.
    pub token: &'a str,
    /// Whether private keys of that token are used, or objects are stored in it.
    pub key: bool,
    /// Nickname of the certificate whose key signs; it may be in another token.
    pub signer: Option<&'a str>,
    /// Directory of a second database with the signer, whose nickname is then
    /// [in it](in_signer_database).
    pub signer_database: Option<&'a str>,
    /// Nickname of a certificate that is only read; some tokens show it only after a login.
    pub certificate: Option<&'a str>,
    /// Whether trust flags are set: they are stored in the database's own token, whichever one has
    /// the certificate.
    pub trust: bool,
    /// Certificates (DER) that the run looks up: of those in the database's own token, trust is
    /// read before the login.
    pub known: &'a [&'a [u8]],
}

/// The most characters of a new nickname: as many as a friendlyName may have (RFC 2985 appendix A).
pub(crate) const LONGEST_NICKNAME: usize = 255;

/// The token name of the signer's own database, in nicknames and password files.
pub const SIGNER_DATABASE: &str = "signer-db";

/// Returns the name of a certificate in the signer's own database.
///
/// # Errors
/// [`Kind::Usage`] for a nickname that names another token.
pub fn in_signer_database(nickname: &str) -> Result<String> {
    let (token, plain) = nickname.split_once(':').unwrap_or((SIGNER_DATABASE, nickname));
    if token == SIGNER_DATABASE || is_internal_name(token) {
        return Ok(format!("{SIGNER_DATABASE}:{plain}"));
    }
    Err(Error::new(
        Kind::Usage,
        format!("invalid nickname {nickname:?} in a database for the signer"),
    )
    .because("the modules of that database, and their tokens, are not loaded")
    .hint("load the module of that token in the first database: modutil -add"))
}

/// Certificates that a run will need; while they are held, NSS doesn't read them again.
#[derive(Default)]
pub struct Held(Vec<Certificate>);

/// An open database, logged in to every token that the run needs.
pub struct Session {
    /// The open database.
    pub database: Database,
    /// The token that the user chose.
    pub token: Token,
    /// Must be kept until the last signature.
    pub held: Held,
    /// The lock of [`Session::open_locked`].
    lock: Option<Lock>,
}

impl Session {
    /// Opens a database and logs in to the tokens of `needs`, and in FIPS mode, where nothing works
    /// without a login, to the database's own. Each token's password is asked for once, and only if
    /// the token needs it. Nothing is created before the last login.
    ///
    /// The signer and its issuers are looked up *before* the logins. After a login, NSS before 3.90
    /// derives a key from the password for each trust record that it reads, 13 ms a certificate;
    /// certificates that were read before and are still held are not read again. A certificate that
    /// its token shows only after a login is found later.
    ///
    /// ```no_run
    /// use nss_cmc::nss::Access;
    /// use nss_cmc::{Needs, Session, Source};
    ///
    /// let passwords = Source::File("pin.txt".into()).passwords();
    /// let needs = Needs { signer: Some("agent"), ..Needs::default() };
    /// let session = Session::open("nssdb", Access::ReadOnly, needs, &passwords)?;
    /// println!("{} issuers", session.identity("agent")?.issuers.len());
    /// session.close()?;
    /// # Ok::<(), nss_cmc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Database::open`], [`Database::token`] and [`Token::login`]; those of `passwords`.
    pub fn open(
        dir: &str,
        access: Access,
        needs: Needs<'_>,
        passwords: &Passwords<'_>,
    ) -> Result<Session> {
        let database = Database::open(dir, access)?;
        Ok(Session::begin(database, needs, passwords, |_| Ok(()))?.0)
    }

    /// Opens a database as [`Session::open`] does, for writing, and locks it against other runs until
    /// the session ends. `tell` is called with events.
    ///
    /// # Errors
    /// As [`Session::open`]; [`Kind::Conflict`] when another run holds the lock for longer than
    /// `limit`.
    pub fn open_locked(
        dir: &str,
        needs: Needs<'_>,
        passwords: &Passwords<'_>,
        limit: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Session> {
        let database = Database::open(dir, Access::ReadWrite)?;
        let (mut session, lock) = Session::locked(database, needs, passwords, limit, tell)?;
        session.lock = Some(lock);
        Ok(session)
    }

    /// Returns the session of an open database, with whatever logins it has.
    pub(super) fn of(database: Database, token: Token) -> Session {
        Session { database, token, held: Held::default(), lock: None }
    }

    /// Locks the database against other runs, and logs in to its own token, with a password that is
    /// asked for before.
    ///
    /// # Errors
    /// As [`Session::open`] and [`Lock::take`].
    pub(super) fn lock_to_trust(
        &self,
        passwords: &Passwords<'_>,
        limit: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Lock> {
        let mut logins = Logins::new(&self.database, self.token.user_name(), passwords);
        logins.want(&self.database.token("internal")?);
        logins.ask()?;
        let lock = Lock::take(&self.database.path(), limit, tell)?;
        logins.run()?;
        Ok(lock)
    }

    /// Logs in to the tokens of `needs`, as [`Session::open`] does, in an open database that is
    /// locked against other runs. Passwords are asked for before the lock is taken, so that nobody
    /// waits for a prompt, and used after that: with a login from before another run changed the
    /// password, NSS would store keys that nobody can decrypt.
    ///
    /// # Errors
    /// As [`Session::open`] and [`Lock::take`].
    pub(super) fn locked(
        database: Database,
        needs: Needs<'_>,
        passwords: &Passwords<'_>,
        limit: Duration,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(Session, Lock)> {
        Session::begin(database, needs, passwords, |database| {
            Lock::take(&database.path(), limit, tell)
        })
    }

    fn begin<L>(
        mut database: Database,
        needs: Needs<'_>,
        passwords: &Passwords<'_>,
        lock: impl FnOnce(&Database) -> Result<L>,
    ) -> Result<(Session, L)> {
        if let Some(dir) = needs.signer_database {
            database.open_beside(dir, SIGNER_DATABASE)?;
        }
        let token = database.token(needs.token)?;
        let internal = database.token("internal")?;
        let mut held = Held::default();
        let mut logins = Logins::new(&database, token.user_name(), passwords);
        if needs.key {
            logins.want(&token);
        }
        let signer = match needs.signer {
            Some(nickname) => {
                held.take(&database, &token, nickname)?;
                places(&database, &token, nickname)?
            }
            None => Vec::new(),
        };
        // The first location is the one that the user means; a token may show a certificate only
        // after a login.
        if let Some((_, first)) = signer.first() {
            logins.want(first);
        }
        if let Some(nickname) = needs.certificate {
            let places = places(&database, &token, nickname)?;
            places.iter().filter(|(_, t)| !t.is_internal()).for_each(|(_, t)| logins.want(t));
        }
        if needs.trust || internal.is_fips() {
            logins.want(&internal);
        }
        logins.ask()?;
        let lock = lock(&database)?;
        // After the lock, so that the trust is no older than the run. What NSS can't decode is
        // reported where it is needed.
        let known = needs.known.iter().filter_map(|der| database.decode_certificate(der).ok());
        held.0.extend(known.filter(|certificate| internal.holds(certificate)));
        logins.run()?;
        let holds = |place: &&(String, Token)| {
            !database.find_certificates(&place.0).unwrap_or_default().is_empty()
        };
        if let Some((_, other)) = signer.iter().find(holds) {
            logins.want(other);
            logins.run()?;
        }
        Ok((Session { database, token, held, lock: None }, lock))
    }

    /// Returns the certificate called `nickname`: from the token in the nickname
    /// (`TOKEN:NICKNAME`), else from the token that the user chose, else from the database's own.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with similar nicknames as the hint.
    pub fn certificate(&self, nickname: &str) -> Result<Certificate> {
        find_certificate(&self.database, &self.token, nickname).map(|(certificate, _)| certificate)
    }

    /// Returns every certificate called `nickname` in the token where [`Session::certificate`]
    /// finds one, that one first; after a renewal there are several.
    ///
    /// # Errors
    /// As [`Session::certificate`].
    pub fn certificates(&self, nickname: &str) -> Result<Vec<Certificate>> {
        find_certificates(&self.database, &self.token, nickname)
    }

    /// Returns the certificate called `nickname`, its issuers and its key. Of several certificates, as
    /// after a renewal, it is the newest that is valid now and has its key; if none is, the one that
    /// [`Session::certificate`] finds.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for certificate or key.
    pub fn identity(&self, nickname: &str) -> Result<Identity> {
        let (mut certificate, token) = find_certificate(&self.database, &self.token, nickname)?;
        let now = Utc::now();
        let newest =
            newest_first(self.certificates(nickname)?).into_iter().find(|(summary, found)| {
                let validity = Validity::of(summary, Duration::ZERO, now);
                validity == Validity::Valid && found.private_key().is_ok()
            });
        if let Some((_, newest)) = newest {
            certificate = newest;
        }
        let key = Rc::new(certificate.private_key()?);
        let issuers = held_issuers(&self.database, &token, certificate.der())?;
        Ok(Identity { certificate: Rc::new(certificate), issuers, key })
    }

    /// Returns the certificates under a nickname for new certificates, in the token that the user
    /// chose.
    ///
    /// # Errors
    /// [`Kind::Database`].
    pub fn named(&self, nickname: &str) -> Result<Vec<Certificate>> {
        self.database.find_certificates(&qualified(&self.token, nickname))
    }

    /// Returns a nickname for a new certificate of the token, without the token's own name in
    /// front.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an empty or very long one, for a control character, which would act on the terminals of
    /// all who list it, and for a colon: NSS reads the text before it as a token's name.
    pub fn new_nickname(&self, nickname: &str) -> Result<String> {
        let usage = |what| Err(Error::new(Kind::Usage, what).hint("choose another --nickname"));
        let own = match nickname.split_once(':') {
            Some((name, rest)) if name == self.token.name() => rest,
            Some((name, rest)) if self.token.is_internal() && is_internal_name(name) => rest,
            _ => nickname,
        };
        if own.trim().is_empty() {
            return usage("invalid nickname: it is empty".to_owned());
        }
        let length = own.chars().count();
        if length > LONGEST_NICKNAME {
            let start = shortened(own, 32);
            return usage(format!(
                "invalid nickname {start:?}: it has {length} characters, more than {LONGEST_NICKNAME}"
            ));
        }
        if own.contains(char::is_control) {
            return usage(format!("invalid nickname {nickname:?}: it holds a control character"));
        }
        if own.contains(':') {
            return usage(format!(
                "invalid nickname {nickname:?}: NSS reads the part before the colon as a token name"
            ));
        }
        Ok(own.to_owned())
    }

    /// Returns the DER of a certificate's issuers, nearest first: those on its path to a CA that
    /// the database trusts, then those above it that the database has, as far as their signatures
    /// can be verified.
    ///
    /// # Errors
    /// [`Kind::Input`] for a certificate that can't be decoded.
    pub fn issuers(&self, der: &[u8]) -> Result<Vec<Vec<u8>>> {
        let chain = Paths::new(&self.database, &[]).chain(&self.token, der);
        chain.or_else(|_| held_issuers(&self.database, &self.token, der))
    }

    /// Shuts NSS down.
    ///
    /// # Errors
    /// [`Kind::Internal`] when a handle is still in use.
    pub fn close(self) -> Result<()> {
        drop((self.token, self.held));
        let closed = self.database.close();
        drop(self.lock);
        closed
    }
}

impl Held {
    /// Releases all: NSS keeps a certificate's nickname and trust flags for as long as it is held.
    pub(super) fn release(&mut self) {
        self.0.clear();
    }

    /// Holds the signer's certificates and their issuers, as far as they are visible without a
    /// login.
    fn take(&mut self, database: &Database, token: &Token, nickname: &str) -> Result<()> {
        for (name, _) in places(database, token, nickname)? {
            self.0.extend(database.find_certificates(&name)?);
        }
        while let Some(issuer) = self.0.last().and_then(Certificate::find_issuer) {
            let last = issuer.is_self_issued() || self.0.len() > 16;
            self.0.push(issuer);
            if last {
                break;
            }
        }
        Ok(())
    }
}

/// The logins of a run, one for each token.
struct Logins<'a> {
    database: &'a Database,
    /// The token that the user chose; a password without a token's name is for it.
    named: String,
    passwords: &'a Passwords<'a>,
    wanted: Vec<String>,
    /// The passwords of the first tokens of `wanted`.
    asked: Vec<Option<Secret>>,
    done: usize,
}

impl<'a> Logins<'a> {
    fn new(database: &'a Database, named: String, passwords: &'a Passwords<'a>) -> Logins<'a> {
        Logins { database, named, passwords, wanted: Vec::new(), asked: Vec::new(), done: 0 }
    }

    fn want(&mut self, token: &Token) {
        let name = token.user_name();
        if token.needs_login() && !self.wanted.contains(&name) {
            self.wanted.push(name);
        }
    }

    /// Asks for the passwords of the tokens that were added since the last call.
    fn ask(&mut self) -> Result<()> {
        let tokens = self.wanted.get(self.asked.len()..).unwrap_or_default();
        if tokens.is_empty() {
            return Ok(());
        }
        let known: Vec<String> = self.database.tokens()?.iter().map(Token::name).collect();
        let only = self.wanted.len() == 1;
        for name in tokens {
            let token = self.database.token(name)?;
            let wanted = Wanted { token: name, bare: only || *name == self.named, known: &known };
            self.asked.push(ask(self.database, &token, wanted, self.passwords)?);
        }
        Ok(())
    }

    /// Logs in to the tokens that were added since the last call.
    fn run(&mut self) -> Result<()> {
        self.ask()?;
        for (name, password) in self.wanted.iter().zip(&self.asked).skip(self.done) {
            self.database.token(name)?.login(password.as_ref())?;
        }
        self.done = self.wanted.len();
        Ok(())
    }
}

/// Returns a token's password from `passwords`.
fn ask(
    database: &Database,
    token: &Token,
    wanted: Wanted<'_>,
    passwords: &Passwords<'_>,
) -> Result<Option<Secret>> {
    passwords(wanted).map_err(|e| needed_for(database, token, e))
}

/// Logs in to a token with its password from `passwords`, which is tried once.
///
/// # Errors
/// Those of `passwords`; as [`Token::login`].
pub(super) fn log_in(
    database: &Database,
    token: &Token,
    wanted: Wanted<'_>,
    passwords: &Passwords<'_>,
) -> Result<()> {
    token.login(ask(database, token, wanted, passwords)?.as_ref())
}

/// Adds to a missing password's error why the password is needed.
fn needed_for(database: &Database, token: &Token, error: Error) -> Error {
    if !token.is_fips() {
        return error;
    }
    let what =
        format!("NSS database {} is in FIPS mode: its password is required", database.name());
    let hint = error.hint_text().map(str::to_owned);
    let error = Error::new(Kind::Login, what).because(error);
    hint.into_iter().fold(error, Error::hint)
}

/// Returns the DER of the issuers of a certificate that the database and `token` have, as far as
/// their signatures can be verified.
fn held_issuers(database: &Database, token: &Token, der: &[u8]) -> Result<Vec<Vec<u8>>> {
    Paths::new(database, &[]).by_signature(token, der)
}

impl<'a> From<&'a Identity> for Signatory<'a> {
    fn from(identity: &'a Identity) -> Signatory<'a> {
        Signatory::Certificate {
            leaf: identity.certificate.der(),
            issuers: &identity.issuers,
            key: &*identity.key,
        }
    }
}
