//! PKCS #11 tokens (`PK11SlotInfo`): by name, and logging in.

use std::ffi::{CStr, CString};

use nss_sys as sys;

use super::database::Database;
use super::fault::{self, Fault};
use super::handle::handle;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

handle! {
    /// A token in its slot. C: `PK11SlotInfo`, given back by `PK11_FreeSlot`.
    Token, sys::PK11SlotInfo, sys::PK11_FreeSlot
}

/// The names under which tools speak of the internal key storage token.
const INTERNAL: [&str; 4] = ["", "internal", "internal key storage token", "nss certificate db"];

/// Whether `name` means the internal key storage token: absent, `internal`, JSS's
/// `Internal Key Storage Token` or certutil's `NSS Certificate DB` or [its name in FIPS
/// mode](is_fips_name), in any case.
pub(crate) fn is_internal_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    INTERNAL.contains(&lower.as_str()) || is_fips_name(name)
}

/// Whether `name` is the internal token's in FIPS mode: `NSS FIPS 140-2 Certificate DB`, or with the
/// number of a later standard, in any case.
pub(crate) fn is_fips_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let number =
        lower.strip_prefix("nss fips 140-").and_then(|n| n.strip_suffix(" certificate db"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

impl Database {
    /// The token called `name`; empty and `internal` (any case) mean the internal key storage.
    ///
    /// # Errors
    /// [`Kind::NotFound`], naming the tokens there are.
    pub fn token(&self, name: &str) -> Result<Token> {
        if is_internal_name(name) {
            // SAFETY: NSS is initialised while `self` lives (pk11pub.h); a reference is returned.
            let raw = fault::pointer("PK11_GetInternalKeySlot", || unsafe {
                sys::PK11_GetInternalKeySlot()
            });
            let raw = raw.map_err(|f| {
                Error::new(Kind::Database, "can't reach the internal token").because(f)
            })?;
            // SAFETY: PK11_GetInternalKeySlot hands over a reference.
            return Ok(unsafe { Token::from_raw(self.guard(), raw) });
        }
        let all = self.tokens()?;
        let names: Vec<String> = all.iter().map(Token::name).collect();
        all.into_iter().find(|t| t.name() == name).ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("no token {name:?} in the NSS database {}", self.name()),
            )
            .hint(format!("tokens there are: {}", names.join(", ")))
        })
    }

    /// Every token of every module.
    pub fn tokens(&self) -> Result<Vec<Token>> {
        let no = super::pr_bool(false);
        // SAFETY: NSS is initialised; no wincx is needed without a password callback (pk11pub.h).
        let list = fault::pointer("PK11_GetAllTokens", || unsafe {
            sys::PK11_GetAllTokens(sys::CKM_INVALID_MECHANISM, no, no, std::ptr::null_mut())
        })
        .map_err(|f| Error::new(Kind::Database, "can't list the tokens").because(f))?;
        let mut tokens = Vec::new();
        // SAFETY: `list` is live until PK11_FreeSlotList below.
        let mut at = unsafe { sys::PK11_GetFirstSafe(list.as_ptr()) };
        while !at.is_null() {
            // SAFETY: `at` is an element NSS keeps referenced until GetNextSafe (pk11list.c).
            let slot = unsafe { (*at).slot };
            // SAFETY: the slot is live; a reference is added.
            let slot = std::ptr::NonNull::new(unsafe { sys::PK11_ReferenceSlot(slot) });
            // SAFETY: `slot` is the reference just taken.
            tokens.extend(slot.map(|s| unsafe { Token::from_raw(self.guard(), s) }));
            // SAFETY: both live; releases `at` and references the next.
            at = unsafe { sys::PK11_GetNextSafe(list.as_ptr(), at, no) };
        }
        // SAFETY: the list came from PK11_GetAllTokens and is given back once.
        unsafe { sys::PK11_FreeSlotList(list.as_ptr()) };
        Ok(tokens)
    }
}

impl Token {
    /// The token's label, as NSS tools print it (`NSS Certificate DB` for the internal one).
    pub fn name(&self) -> String {
        // SAFETY: the slot is live; the name lives as long as the slot (pk11pub.h).
        let name = unsafe { sys::PK11_GetTokenName(self.as_ptr()) };
        if name.is_null() {
            return String::new();
        }
        // SAFETY: not null, NUL-terminated, alive while the slot is.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    }

    /// Whether this is the database's own key storage.
    pub fn is_internal(&self) -> bool {
        // SAFETY: the slot is live.
        unsafe { sys::PK11_IsInternalKeySlot(self.as_ptr()) != 0 }
    }

    /// Whether the internal module runs in FIPS mode.
    pub fn is_fips(&self) -> bool {
        // SAFETY: PK11_IsFIPS has no precondition but an initialised NSS, which the handle keeps.
        self.is_internal() && unsafe { sys::PK11_IsFIPS() != 0 }
    }

    /// Whether the token offers a mechanism (`CKM_…`).
    pub(crate) fn offers(&self, mechanism: sys::CK_MECHANISM_TYPE) -> bool {
        // SAFETY: the slot is live.
        unsafe { sys::PK11_DoesMechanism(self.as_ptr(), mechanism) != 0 }
    }

    /// Whether private keys need a login that hasn't happened yet.
    pub fn needs_login(&self) -> bool {
        // SAFETY: the slot is live.
        let protected = unsafe { sys::PK11_NeedLogin(self.as_ptr()) } != 0;
        // SAFETY: the slot is live; wincx is only for callbacks, of which there are none.
        protected && unsafe { sys::PK11_IsLoggedIn(self.as_ptr(), std::ptr::null_mut()) } == 0
    }

    /// Logs in (`PK11_CheckUserPassword`). A token without password needs none and takes any.
    ///
    /// # Errors
    /// [`Kind::Login`]: wrong password, none given where one is needed, token locked or not set up.
    pub fn login(&self, password: Option<&Secret>) -> Result<()> {
        if !self.needs_login() {
            return Ok(());
        }
        let name = self.name();
        // SAFETY: the slot is live.
        if unsafe { sys::PK11_NeedUserInit(self.as_ptr()) } != 0 {
            return Err(Error::new(
                Kind::Login,
                format!("the token {name:?} has no password set up yet"),
            )
            .hint("set one with: certutil -W -d DIR"));
        }
        let Some(password) = password else {
            return Err(Error::new(Kind::Login, format!("the token {name:?} wants a password"))
                .hint("give --password-file FILE, --password-fd N or --password-env VAR"));
        };
        // With room for the NUL byte, so that no copy is left behind.
        let mut text = Vec::with_capacity(password.bytes().len() + 1);
        text.extend_from_slice(password.bytes());
        let text = CString::new(text).map_err(|e| {
            drop(zeroize::Zeroizing::new(e.into_vec()));
            Error::new(Kind::Login, "the token password holds a NUL byte")
        })?;
        // SAFETY: the slot is live; the string is NUL-terminated and only read (pk11pub.h).
        let outcome = fault::status("PK11_CheckUserPassword", || unsafe {
            sys::PK11_CheckUserPassword(self.as_ptr(), text.as_ptr())
        });
        drop(zeroize::Zeroizing::new(text.into_bytes()));
        outcome.map_err(|f: Fault| {
            Error::new(Kind::Login, format!("can't log in to the token {name:?}"))
                .because(f)
                .hint("check the password; after several wrong ones some tokens lock")
        })
    }
}
