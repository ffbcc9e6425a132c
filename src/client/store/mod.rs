//! What a database stores: certificates, keys, tokens; listed, described and changed one by one.

pub mod certificates;
pub mod check;
pub mod database;
pub mod keys;
pub mod tokens;

use std::time::Duration;

pub use super::lock::Event;
use super::lock::Lock;
use super::passwords::{Passwords, Wanted};
use super::session::log_in;
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, Token};
use crate::secret::Secret;

/// Which tokens are logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    /// None, but in FIPS mode the database's own, which shows nothing before its login.
    Fewest,
    /// The chosen token, else the database's own.
    Chosen,
    /// Every token (or the chosen one) for which `passwords` has a password.
    Known,
}

/// Which database is looked at, and how.
pub struct StoreSpec<'a> {
    /// NSS database directory.
    pub database: &'a str,
    /// The only token to look at; all tokens without it.
    pub token: Option<&'a str>,
    /// Gives a token's password when it is needed.
    pub passwords: &'a Passwords<'a>,
    /// Which tokens are logged in to.
    pub logins: Logins,
}

/// An open database.
struct Store<'a> {
    database: Database,
    /// The only token to look at.
    token: Option<Token>,
    passwords: &'a Passwords<'a>,
}

impl<'a> Store<'a> {
    fn open(spec: &StoreSpec<'a>, access: Access) -> Result<Store<'a>> {
        let database = Database::open(spec.database, access)?;
        let token = spec.token.map(|name| database.token(name)).transpose()?;
        let store = Store { database, token, passwords: spec.passwords };
        let internal = store.database.token("internal")?;
        if internal.is_fips() {
            store.log_in(&internal)?;
        }
        if spec.logins != Logins::Fewest {
            store.log_in(store.token.as_ref().unwrap_or(&internal))?;
        }
        if spec.logins == Logins::Known && store.token.is_none() {
            for token in store.database.tokens()? {
                match store.log_in(&token) {
                    // No password was tried: there is none for this token.
                    Err(e) if e.kind() == Kind::Usage => {}
                    outcome => outcome?,
                }
            }
        }
        Ok(store)
    }

    /// Logs in to a token that needs it.
    fn log_in(&self, token: &Token) -> Result<()> {
        if !token.needs_login() {
            return Ok(());
        }
        self.wanted(token, |wanted| log_in(&self.database, token, wanted, self.passwords))
    }

    /// Returns the password of a token, which isn't tried here.
    fn password(&self, token: &Token) -> Result<Secret> {
        let password = self.wanted(token, self.passwords)?;
        password.ok_or_else(|| Error::new(Kind::Login, "no password given"))
    }

    fn wanted<T>(&self, token: &Token, ask: impl FnOnce(Wanted<'_>) -> Result<T>) -> Result<T> {
        let all = self.database.tokens()?;
        let known: Vec<String> = all.iter().map(Token::name).collect();
        let name = token.user_name();
        let chosen = self.token.as_ref().map_or_else(|| "internal".to_owned(), Token::user_name);
        let only = all.iter().filter(|t| t.is_protected()).count() == 1;
        ask(Wanted { token: &name, bare: only || name == chosen, known: &known })
    }

    /// Returns the tokens to look at.
    fn tokens(&self) -> Result<Vec<Token>> {
        match &self.token {
            Some(token) => Ok(vec![self.database.token(&token.user_name())?]),
            None => self.database.tokens(),
        }
    }

    /// Returns the names of those that are not logged in, sorted: NSS lists slots in no fixed
    /// order.
    fn closed(&self) -> Result<Vec<String>> {
        let tokens = self.tokens()?;
        let closed = tokens.iter().filter(|t| t.needs_login());
        let mut closed: Vec<String> = closed.map(Token::user_name).collect();
        closed.sort();
        Ok(closed)
    }

    /// Shuts NSS down.
    fn close(self) -> Result<()> {
        drop(self.token);
        self.database.close()
    }
}

/// How a database is changed.
pub struct ChangeSpec<'a> {
    /// Which database, and its tokens.
    pub store: StoreSpec<'a>,
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
    /// Called with events during the run.
    pub tell: &'a mut dyn FnMut(Event),
}

impl<'a> ChangeSpec<'a> {
    /// Opens the database for writing, and locks it against other runs of this program.
    fn open(&mut self) -> Result<(Store<'a>, Lock)> {
        let store = Store::open(&self.store, Access::ReadWrite)?;
        let lock = Lock::take(&store.database.path(), self.lock_timeout, self.tell)?;
        Ok((store, lock))
    }
}
