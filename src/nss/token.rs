//! PKCS #11 tokens (`PK11SlotInfo`): finds them by name, and logs in.

use std::ffi::CStr;

use nss_sys as sys;

use super::database::Database;
use super::fault::{self, Fault};
use super::handle::{Guard, handle};
use super::newer::is_newer;
use super::pin::Pin;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::text::certutil;

handle! {
    /// A token in its slot. C: `PK11SlotInfo`, released by `PK11_FreeSlot`.
    Token, sys::PK11SlotInfo, sys::PK11_FreeSlot
}

/// Names that tools use for the internal key storage token.
const INTERNAL: [&str; 4] = ["", "internal", "internal key storage token", "nss certificate db"];

/// Returns whether `name` means the internal key storage token, in any case: empty, `internal`,
/// JSS's `Internal Key Storage Token`, certutil's `NSS Certificate DB` or [its name in FIPS
/// mode](is_fips_name).
pub(crate) fn is_internal_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    INTERNAL.contains(&lower.as_str()) || is_fips_name(name)
}

/// Returns whether `name` is the internal token's name in FIPS mode, in any case: `NSS FIPS 140-2
/// Certificate DB`, or with the number of a later standard.
pub(crate) fn is_fips_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let number =
        lower.strip_prefix("nss fips 140-").and_then(|n| n.strip_suffix(" certificate db"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Completes an error about a private key that was not found: it may be in a token without login.
/// NSS then returns `SEC_ERROR_BAD_PASSWORD`, though no password was tried.
pub(super) fn key_missing(
    guard: &Guard,
    error: Error,
    why: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let tokens = Token::all(guard).unwrap_or_default();
    let mut closed: Vec<String> =
        tokens.iter().filter(|t| t.needs_login()).map(|t| format!("{:?}", t.user_name())).collect();
    // NSS lists slots in no fixed order.
    closed.sort();
    if closed.is_empty() {
        let error = match why {
            Some(why) => error.because(why),
            None => error,
        };
        return match &guard.directory {
            Some(dir) => error.hint(format!("list the keys with: {}", certutil("-K", dir))),
            None => error,
        };
    }
    error
        .because(format!("not logged in to: {}", closed.join(", ")))
        .hint("select the token that has the key: --token TOKEN, or TOKEN:NICKNAME")
}

/// Returns a copy of a C string that NSS owns; empty for null.
fn text(raw: *const std::ffi::c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: not null; the callers pass NUL-terminated strings alive while their slot is.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

impl Database {
    /// Returns the token called `name`; empty and `internal` (any case) mean the internal key
    /// storage token. C: `PK11_GetInternalKeySlot`, `PK11_GetAllTokens`.
    ///
    /// # Errors
    /// [`Kind::NotFound`], listing the tokens; [`Kind::Usage`] when several have that name, listing
    /// their slots and modules.
    pub fn token(&self, name: &str) -> Result<Token> {
        if is_internal_name(name) {
            // SAFETY: NSS is initialised while `self` lives (pk11pub.h); a reference is returned.
            let raw = fault::pointer("PK11_GetInternalKeySlot", || unsafe {
                sys::PK11_GetInternalKeySlot()
            });
            let raw = raw.map_err(|f| {
                Error::new(Kind::Database, "cannot reach the internal token").because(f)
            })?;
            // SAFETY: PK11_GetInternalKeySlot hands over a reference.
            return Ok(unsafe { Token::from_raw(self.guard(), raw) });
        }
        let all = self.tokens()?;
        let names: Vec<String> = all.iter().map(Token::name).collect();
        let mut found: Vec<Token> = all.into_iter().filter(|t| t.name() == name).collect();
        // Several modules may give access to one token (its own and p11-kit's).
        found.dedup_by_key(|t| t.identity());
        if let [_, _, ..] = found.as_slice() {
            let places: Vec<String> = found.iter().map(Token::place).collect();
            return Err(Error::new(Kind::Usage, format!("several tokens have the name {name:?}"))
                .because(places.join("; "))
                .hint(
                    "rename one of them, or remove its module: modutil -delete MODULE -dbdir DIR",
                ));
        }
        found.pop().ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("token {name:?} not found in NSS database {}", self.name()),
            )
            .hint(format!("the database has these tokens: {}", names.join(", ")))
        })
    }

    /// Completes an error about a private key that was not found: with the tokens that are not
    /// logged in and may hold it, else with `why`.
    pub fn key_missing(&self, error: Error, why: &str) -> Error {
        key_missing(self.guard(), error, Some(why.into()))
    }

    /// Returns every token of every module. C: `PK11_GetAllTokens`.
    pub fn tokens(&self) -> Result<Vec<Token>> {
        Token::all(self.guard())
            .map_err(|f| Error::new(Kind::Database, "cannot list the tokens").because(f))
    }
}

impl Token {
    fn all(guard: &Guard) -> std::result::Result<Vec<Token>, Fault> {
        let no = super::pr_bool(false);
        // SAFETY: NSS is initialised, which the guard keeps; no wincx is needed without a password
        // callback (pk11pub.h).
        let list = fault::pointer("PK11_GetAllTokens", || unsafe {
            sys::PK11_GetAllTokens(sys::CKM_INVALID_MECHANISM, no, no, std::ptr::null_mut())
        })?;
        let mut tokens = Vec::new();
        // SAFETY: `list` is live until PK11_FreeSlotList below.
        let mut at = unsafe { sys::PK11_GetFirstSafe(list.as_ptr()) };
        while !at.is_null() {
            // SAFETY: `at` is an element NSS keeps referenced until PK11_GetNextSafe (pk11pub.h).
            let slot = unsafe { (*at).slot };
            // SAFETY: the slot is live; PK11_ReferenceSlot adds a reference (pk11pub.h).
            let slot = std::ptr::NonNull::new(unsafe { sys::PK11_ReferenceSlot(slot) });
            // SAFETY: `slot` is the reference just taken.
            tokens.extend(slot.map(|s| unsafe { Token::from_raw(guard, s) }));
            // SAFETY: both are live; releases `at` and references the next (pk11pub.h).
            at = unsafe { sys::PK11_GetNextSafe(list.as_ptr(), at, no) };
        }
        // SAFETY: the list came from PK11_GetAllTokens and is given back once.
        unsafe { sys::PK11_FreeSlotList(list.as_ptr()) };
        Ok(tokens)
    }
}

impl Token {
    /// Returns the token's label, as NSS tools print it (`NSS Certificate DB` for the internal
    /// one). C: `PK11_GetTokenName`.
    pub fn name(&self) -> String {
        // SAFETY: the slot is live; the name lives as long as the slot (pk11pub.h).
        text(unsafe { sys::PK11_GetTokenName(self.as_ptr()) })
    }

    /// Returns the name that users type: `internal`, or the label.
    pub fn user_name(&self) -> String {
        if self.is_internal() { "internal".into() } else { self.name() }
    }

    /// Returns what distinguishes the token from others with the same label: serial number, model
    /// and manufacturer; for a token without these, its slot. C: `PK11_GetTokenInfo`.
    fn identity(&self) -> Vec<u8> {
        let place = || self.place().into_bytes();
        let Some(info) = self.token_info() else { return place() };
        let serial = info.serialNumber.trim_ascii();
        if serial.is_empty() || serial.iter().all(|b| *b == 0) {
            return place();
        }
        [&info.serialNumber[..], &info.model, &info.manufacturerID].concat()
    }

    pub(super) fn token_info(&self) -> Option<sys::CK_TOKEN_INFO> {
        // SAFETY: CK_TOKEN_INFO is plain data; all zeros is a valid value (pkcs11t.h).
        let mut info: sys::CK_TOKEN_INFO = unsafe { std::mem::zeroed() };
        // SAFETY: slot and structure are live (pk11pub.h).
        let known = fault::status("PK11_GetTokenInfo", || unsafe {
            sys::PK11_GetTokenInfo(self.as_ptr(), &mut info)
        });
        known.ok().map(|()| info)
    }

    /// Returns the slot's name. C: `PK11_GetSlotName`.
    pub fn slot_name(&self) -> String {
        // SAFETY: the slot is live; the name lives as long as the slot (pk11pub.h).
        text(unsafe { sys::PK11_GetSlotName(self.as_ptr()) })
    }

    /// Returns the name of the token's PKCS #11 module and its library file, which is empty for
    /// NSS's own. C: `PK11_GetModule`.
    pub fn module(&self) -> (String, String) {
        // SAFETY: the slot is live and so is its module (pk11pub.h).
        let module = unsafe { sys::PK11_GetModule(self.as_ptr()) };
        if module.is_null() {
            return Default::default();
        }
        // SAFETY: not null, live with the slot; the name is set when the module is created.
        let name = text(unsafe { (*module).commonName });
        // SAFETY: as above.
        let library = text(unsafe { (*module).dllName });
        (name, library)
    }

    /// Returns whether the token is write-protected. C: `PK11_IsReadOnly`.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: the slot is live (pk11pub.h).
        unsafe { sys::PK11_IsReadOnly(self.as_ptr()) != 0 }
    }

    /// Returns whether the token's password is entered on its own keypad. C:
    /// `PK11_ProtectedAuthenticationPath`.
    pub fn has_keypad(&self) -> bool {
        // SAFETY: the slot is live (pk11pub.h).
        unsafe { sys::PK11_ProtectedAuthenticationPath(self.as_ptr()) != 0 }
    }

    /// Returns the token's slot and module, as `modutil -list` prints them.
    fn place(&self) -> String {
        format!("slot {:?} of module {:?}", self.slot_name(), self.module().0)
    }

    /// Returns whether this is the database's own key storage. C: `PK11_IsInternalKeySlot`.
    pub fn is_internal(&self) -> bool {
        // SAFETY: the slot is live (pk11pub.h).
        unsafe { sys::PK11_IsInternalKeySlot(self.as_ptr()) != 0 }
    }

    /// Returns whether the internal module runs in FIPS mode. C: `PK11_IsFIPS`.
    pub fn is_fips(&self) -> bool {
        // SAFETY: PK11_IsFIPS needs only an initialised NSS, which the handle guarantees.
        self.is_internal() && unsafe { sys::PK11_IsFIPS() != 0 }
    }

    /// Returns whether the token supports a mechanism (`CKM_…`). C: `PK11_DoesMechanism`.
    pub(crate) fn offers(&self, mechanism: sys::CK_MECHANISM_TYPE) -> bool {
        // SAFETY: the slot is live (pk11pub.h).
        unsafe { sys::PK11_DoesMechanism(self.as_ptr(), mechanism) != 0 }
    }

    /// Returns whether private keys need a login that hasn't happened yet. C: `PK11_NeedLogin`,
    /// `PK11_IsLoggedIn`.
    pub fn needs_login(&self) -> bool {
        // SAFETY: the slot is live; wincx is only passed to callbacks, and none is set (pk11pub.h).
        let logged_in =
            || unsafe { sys::PK11_IsLoggedIn(self.as_ptr(), std::ptr::null_mut()) } != 0;
        self.is_protected() && !logged_in()
    }

    /// Logs in (`PK11_CheckUserPassword`). A token without password needs no login and accepts any
    /// password.
    ///
    /// # Errors
    /// [`Kind::Login`]: password wrong or missing, token locked or not initialised;
    /// [`Kind::Database`] for a database that a newer NSS has made.
    pub fn login(&self, password: Option<&Secret>) -> Result<()> {
        if !self.needs_login() {
            return Ok(());
        }
        let name = self.name();
        if self.needs_password() {
            return Err(Error::new(Kind::Login, format!("token {name:?} has no password yet"))
                .hint(match &self.guard().directory {
                    Some(dir) => format!("set one with: {}", certutil("-W", dir)),
                    None => "set one with the token's own tool".into(),
                }));
        }
        let Some(password) = password else {
            return Err(Error::new(Kind::Login, format!("token {name:?} requires a password"))
                .hint("use --password-file FILE, --password-fd N or --password-env VAR"));
        };
        // A token with its own PIN pad takes an empty password.
        if password.bytes().is_empty() && !self.has_keypad() {
            return Err(Error::new(Kind::Login, format!("empty password for token {name:?}"))
                .because("the token has a password; no login was tried")
                .hint("enter the token password"));
        }
        let pin = Pin::new(password)?;
        // SAFETY: the slot is live; the string is NUL-terminated and only read (pk11pub.h).
        let outcome = fault::status("PK11_CheckUserPassword", || unsafe {
            sys::PK11_CheckUserPassword(self.as_ptr(), pin.as_c().as_ptr())
        });
        outcome.map_err(|f: Fault| {
            if f.code == sys::SEC_ERROR_BAD_PASSWORD
                && self.is_internal()
                && let Some(dir) = &self.guard().directory
                && is_newer(dir)
            {
                let what = format!("cannot log in to NSS database {}", dir.display());
                let why = format!(
                    "NSS 3.118 or later has set its password; NSS {} cannot check that",
                    super::version()
                );
                return Error::new(Kind::Database, what)
                    .because(why)
                    .hint("use the NSS that the database was made with, or a later one");
            }
            Error::new(Kind::Login, format!("cannot log in to token {name:?}"))
                .because(f)
                .hint("check the password; some tokens lock after several wrong ones")
        })
    }
}
