//! Sets and changes the password of a token.

use std::ffi::{CStr, CString};

use nss_sys as sys;

use super::database::{disk_full, not_written};
use super::fault::{self, Fault};
use super::token::Token;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// A password as a NUL-terminated string; wiped on drop.
pub(super) struct Pin(Option<CString>);

impl Pin {
    /// # Errors
    /// [`Kind::Login`] when the password contains a NUL byte.
    pub(super) fn new(password: &Secret) -> Result<Pin> {
        // Capacity for the NUL octet, so that no reallocation leaves a copy of the password.
        let mut text = Vec::with_capacity(password.bytes().len() + 1);
        text.extend_from_slice(password.bytes());
        CString::new(text).map(|text| Pin(Some(text))).map_err(|e| {
            drop(zeroize::Zeroizing::new(e.into_vec()));
            Error::new(Kind::Login, "invalid token password: it contains a NUL byte")
        })
    }

    pub(super) fn as_c(&self) -> &CStr {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        drop(self.0.take().map(|text| zeroize::Zeroizing::new(text.into_bytes())));
    }
}

impl Token {
    /// Returns whether the token isn't initialised: no password is set, not even an empty one. C:
    /// `PK11_NeedUserInit`.
    pub fn needs_password(&self) -> bool {
        // SAFETY: the slot is live (pk11pub.h).
        unsafe { sys::PK11_NeedUserInit(self.as_ptr()) != 0 }
    }

    /// Returns whether private keys require a login, which they don't in a database without
    /// password. C: `PK11_NeedLogin`.
    pub fn is_protected(&self) -> bool {
        // SAFETY: the slot is live (pk11pub.h).
        unsafe { sys::PK11_NeedLogin(self.as_ptr()) != 0 }
    }

    /// Sets the first password of a token; an empty one means no password. C: `PK11_InitPin`.
    ///
    /// # Errors
    /// [`Kind::Refused`]: too weak for FIPS mode, or the token sets no password.
    pub(super) fn set_first_password(&self, password: &Secret) -> Result<()> {
        let pin = Pin::new(password)?;
        // SAFETY: the slot is live; null stands for the security officer's password, which the
        // internal token doesn't have; the string is NUL-terminated and only read (pk11pub.h).
        fault::status("PK11_InitPin", || unsafe {
            sys::PK11_InitPin(self.as_ptr(), std::ptr::null(), pin.as_c().as_ptr())
        })
        .map_err(|f| self.not_set(f))
    }

    /// Changes the password; `old` is tried once, and ignored if the token has no password. An empty
    /// `new` means no password. The internal token encrypts every key anew, in one transaction. C:
    /// `PK11_ChangePW`.
    ///
    /// # Errors
    /// As [`Token::login`]; [`Kind::Refused`] when the token refuses the new password.
    pub fn change_password(&self, old: &Secret, new: &Secret) -> Result<()> {
        if self.needs_password() {
            return self.set_first_password(new);
        }
        // NSS's own token changes the password in a session that is logged in only.
        self.login(Some(old))?;
        let (old, new) = (Pin::new(old)?, Pin::new(new)?);
        fault::status("PK11_ChangePW", || {
            // SAFETY: the slot is live; the strings are NUL-terminated and only read (pk11pub.h).
            unsafe { sys::PK11_ChangePW(self.as_ptr(), old.as_c().as_ptr(), new.as_c().as_ptr()) }
        })
        .map_err(|f| self.not_set(f))
    }

    fn not_set(&self, f: Fault) -> Error {
        let what = format!("cannot set the password of token {:?}", self.name());
        if self.is_internal() && disk_full(self.guard()).is_some() {
            return not_written(self.guard(), what, f);
        }
        let error = Error::new(Kind::Refused, what).because(f);
        if self.is_fips() {
            return error.hint(
                "FIPS mode requires 7 characters or more, of 3 kinds: digits, lower case, upper case, others",
            );
        }
        error.hint("the token may require a longer password")
    }
}
