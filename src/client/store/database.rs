//! Creates and describes a database, and changes the password of a token.

use std::cell::RefCell;

use super::tokens::TokenEntry;
use super::{ChangeSpec, Logins, Store, StoreSpec, certificates, keys};
use crate::client::passwords::Passwords;
use crate::error::{Error, Result};
use crate::nss::{Access, Database};
use crate::secret::Secret;

/// The files of the format before NSS 3.12.
const OLD_FILES: [&str; 3] = ["cert8.db", "key3.db", "secmod.db"];

/// The description of a database.
#[derive(Debug)]
pub struct DatabaseShown {
    /// Whether NSS runs in FIPS mode.
    pub is_fips: bool,
    /// Every token, the database's own first.
    pub tokens: Vec<TokenEntry>,
    /// Number of certificates in the selected tokens.
    pub certificates: usize,
    /// Numbers of keys; `None` when a token that may hold keys is not logged in.
    pub keys: Option<KeyCounts>,
    /// Files of the old format in the same directory, which NSS doesn't read.
    pub old_files: Vec<&'static str>,
    /// Tokens that are not logged in.
    pub closed: Vec<String>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Numbers of private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCounts {
    /// All private keys.
    pub all: usize,
    /// Private keys without certificate, including those of unfinished requests.
    pub without_certificate: usize,
    /// Private keys of unfinished requests.
    pub unfinished: usize,
}

/// Describes a database. Nothing is written.
///
/// # Errors
/// As [`Database::open`]; those of a login.
pub fn show(spec: &StoreSpec<'_>) -> Result<DatabaseShown> {
    let store = Store::open(spec, Access::ReadOnly)?;
    let is_fips = store.database.is_fips()?;
    let mut tokens: Vec<TokenEntry> = store.tokens()?.iter().map(TokenEntry::of).collect();
    tokens.sort_by_key(|t| (!t.is_internal, t.name.clone()));
    let certificates = certificates::count(&store)?;
    let closed = store.closed()?;
    let keys = if closed.is_empty() { Some(keys::counts(&store)?) } else { None };
    let folder = store.database.path();
    let old_files = OLD_FILES.into_iter().filter(|name| folder.join(name).exists()).collect();
    let not_closed = store.close().err();
    Ok(DatabaseShown { is_fips, tokens, certificates, keys, old_files, closed, not_closed })
}

/// A changed password.
#[derive(Debug)]
pub struct PasswordChanged {
    /// The token's name; `internal` for the database's own.
    pub token: String,
    /// Whether it had a password before.
    pub had_password: bool,
    /// Whether it has one now.
    pub has_password: bool,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Changes the password of a token, the database's own if none is chosen; an empty new one means no
/// password. The old password is tried once; `passwords` isn't asked for it if there is none.
///
/// # Errors
/// As [`Database::open`]; [`crate::error::Kind::Login`] for a wrong old password;
/// [`crate::error::Kind::Refused`] when the token refuses the new one.
pub fn change_password(
    spec: ChangeSpec<'_>,
    new: impl FnOnce(&str) -> Result<Secret>,
) -> Result<PasswordChanged> {
    // FIPS mode needs the old password twice: for the login and for the change.
    let kept: RefCell<Option<(String, Secret)>> = RefCell::new(None);
    let ask = spec.store.passwords;
    let passwords: Passwords<'_> = Box::new(|wanted| {
        if let Some((token, secret)) = &*kept.borrow()
            && token == wanted.token
        {
            return Ok(Some(secret.duplicate()));
        }
        let secret = ask(wanted)?;
        let copy = secret.as_ref().map(|secret| (wanted.token.to_owned(), secret.duplicate()));
        *kept.borrow_mut() = copy;
        Ok(secret)
    });
    let (database, token) = (spec.store.database, spec.store.token);
    let store = StoreSpec { database, token, passwords: &passwords, logins: Logins::Fewest };
    let mut spec = ChangeSpec { store, lock_timeout: spec.lock_timeout, tell: spec.tell };
    let (store, lock) = spec.open()?;
    let token = store.database.token(token.unwrap_or_default())?;
    let name = token.user_name();
    let had_password = token.is_protected() && !token.needs_password();
    let old = if had_password { store.password(&token)? } else { Secret::new(Vec::new()) };
    let new = new(&name)?;
    token.change_password(&old, &new)?;
    let has_password = !new.bytes().is_empty();
    drop(token);
    let not_closed = store.close().err();
    drop(lock);
    Ok(PasswordChanged { token: name, had_password, has_password, not_closed })
}

/// Creates a database, as [`Database::create`].
///
/// # Errors
/// As [`Database::create`].
pub fn create(directory: &str, password: &Secret) -> Result<()> {
    Database::create(directory, password)
}
