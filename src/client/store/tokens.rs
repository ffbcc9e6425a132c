//! Lists the tokens of a database.

use super::{Logins, Store, StoreSpec};
use crate::error::{Error, Result};
use crate::nss::{Access, PinState, Token, TokenInfo};

/// Whether a token has a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// It has one.
    Set,
    /// It has none, and requires none.
    None,
    /// It has none yet, and cannot be used before one is set.
    NotInitialised,
}

/// The description of a token.
#[derive(Debug, Clone)]
pub struct TokenEntry {
    /// The name for `--token`: `internal` for the database's own, else the label.
    pub name: String,
    /// The token's label.
    pub label: String,
    /// Whether it is the database's own token, which stores its keys.
    pub is_internal: bool,
    /// Whether it runs in FIPS mode (the database's own only).
    pub is_fips: bool,
    /// Whether it has a password.
    pub password: Password,
    /// Whether this run is logged in; `false` for a token without password.
    pub logged_in: bool,
    /// Whether it is write-protected.
    pub read_only: bool,
    /// Whether its password is entered on its own keypad.
    pub has_keypad: bool,
    /// Name of its slot.
    pub slot: String,
    /// Name of the PKCS #11 module.
    pub module: String,
    /// The module's library file; empty for NSS's own.
    pub library: String,
    /// The token's own description.
    pub info: TokenInfo,
}

impl TokenEntry {
    pub(super) fn of(token: &Token) -> TokenEntry {
        let (module, library) = token.module();
        let protected = token.is_protected();
        TokenEntry {
            name: token.user_name(),
            label: token.name(),
            is_internal: token.is_internal(),
            is_fips: token.is_fips(),
            password: match (token.needs_password(), protected) {
                (true, _) => Password::NotInitialised,
                (false, true) => Password::Set,
                (false, false) => Password::None,
            },
            logged_in: protected && !token.needs_login(),
            // The database is opened read-only here, whatever its files permit.
            read_only: !token.is_internal() && token.is_read_only(),
            has_keypad: token.has_keypad(),
            slot: token.slot_name(),
            module,
            library,
            info: token.info(),
        }
    }

    /// Returns whether the next failed login locks the token, or the last one did.
    pub fn is_in_danger(&self) -> bool {
        matches!(self.info.pin, PinState::FinalTry | PinState::Locked)
    }
}

/// The tokens of a database.
#[derive(Debug)]
pub struct TokensListed {
    /// The tokens, the database's own first, then sorted by name.
    pub tokens: Vec<TokenEntry>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Returns every token of a database; no login is needed, and none is tried.
///
/// # Errors
/// As [`crate::nss::Database::open`].
pub fn list(spec: &StoreSpec<'_>) -> Result<TokensListed> {
    debug_assert!(spec.logins == Logins::Fewest);
    let database = crate::nss::Database::open(spec.database, Access::ReadOnly)?;
    let store = Store { database, token: None, passwords: spec.passwords };
    let mut tokens: Vec<TokenEntry> = store.tokens()?.iter().map(TokenEntry::of).collect();
    tokens.sort_by_key(|t| (!t.is_internal, t.name.clone(), t.slot.clone()));
    let not_closed = store.close().err();
    Ok(TokensListed { tokens, not_closed })
}
