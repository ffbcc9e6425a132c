//! Lists, describes and changes what a database stores: certificates, keys and tokens.

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

/// The tokens to log in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    /// None; in FIPS mode the database's own, which lists nothing without a login.
    Fewest,
    /// The chosen token, or the database's own if none is chosen.
    Chosen,
    /// The chosen token, or every token if none is chosen, for which `passwords` has a password.
    Known,
}

/// A database, and the tokens to use in it.
pub struct StoreSpec<'a> {
    /// NSS database directory.
    pub database: &'a str,
    /// The chosen token; `None` for all tokens.
    pub token: Option<&'a str>,
    /// Gives a token's password when it is needed.
    pub passwords: &'a Passwords<'a>,
    /// The tokens to log in to.
    pub logins: Logins,
}

/// An open database.
struct Store<'a> {
    database: Database,
    /// The chosen token; `None` for all tokens.
    token: Option<Token>,
    passwords: &'a Passwords<'a>,
}

impl<'a> Store<'a> {
    fn open(spec: &StoreSpec<'a>, access: Access) -> Result<Store<'a>> {
        let store = Store::new(spec, access)?;
        store.begin(spec.logins)?;
        Ok(store)
    }

    fn new(spec: &StoreSpec<'a>, access: Access) -> Result<Store<'a>> {
        let database = Database::open(spec.database, access)?;
        let token = spec.token.map(|name| database.token(name)).transpose()?;
        Ok(Store { database, token, passwords: spec.passwords })
    }

    /// Logs in to the tokens.
    fn begin(&self, logins: Logins) -> Result<()> {
        let internal = self.database.token("internal")?;
        if internal.is_fips() {
            self.log_in(&internal)?;
        }
        if logins != Logins::Fewest {
            self.log_in(self.token.as_ref().unwrap_or(&internal))?;
        }
        if logins == Logins::Known && self.token.is_none() {
            for token in self.database.tokens()? {
                match self.log_in(&token) {
                    // There is no password for this token, and none was tried.
                    Err(e) if e.kind() == Kind::Usage => {}
                    outcome => outcome?,
                }
            }
        }
        Ok(())
    }

    /// Logs in to a token if it requires a login.
    fn log_in(&self, token: &Token) -> Result<()> {
        if !token.needs_login() {
            return Ok(());
        }
        self.wanted(token, |wanted| log_in(&self.database, token, wanted, self.passwords))
    }

    /// Returns the password of a token without trying it.
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

    /// Returns the selected tokens.
    fn tokens(&self) -> Result<Vec<Token>> {
        match &self.token {
            Some(token) => Ok(vec![self.database.token(&token.user_name())?]),
            None => self.database.tokens(),
        }
    }

    /// Returns the names of the selected tokens that are not logged in, sorted: NSS lists slots in
    /// no fixed order.
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

/// A database to change.
pub struct ChangeSpec<'a> {
    /// The database and its tokens.
    pub store: StoreSpec<'a>,
    /// How long to wait until another run releases the database.
    pub lock_timeout: Duration,
    /// Called with events during the run.
    pub tell: &'a mut dyn FnMut(Event),
}

impl<'a> ChangeSpec<'a> {
    /// Opens the database for writing, locks it against other runs of this program, and logs in; a
    /// login from before another run changed the password would be one with the old one.
    fn open(&mut self) -> Result<(Store<'a>, Lock)> {
        let store = Store::new(&self.store, Access::ReadWrite)?;
        let lock = Lock::take(&store.database.path(), self.lock_timeout, self.tell)?;
        store.begin(self.store.logins)?;
        Ok((store, lock))
    }
}
