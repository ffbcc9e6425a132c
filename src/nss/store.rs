//! Lists the certificates and keys in a token, and describes the token.

use nss_sys as sys;

use super::cert::Certificate;
use super::database::{Database, not_written};
use super::fault::{self, Fault};
use super::handle::CertList;
use super::key::PrivateKey;
use super::token::Token;
use crate::error::{Error, Kind, Result};

/// A token's description (CK_TOKEN_INFO, PKCS #11).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// manufacturerID.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// serialNumber.
    pub serial: String,
    /// The token's warning about failed logins.
    pub pin: PinState,
}

/// A token's warning about failed logins (CKF_USER_PIN_…).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PinState {
    /// No login failed since the last successful one, or the token doesn't count.
    #[default]
    Good,
    /// At least one login failed.
    Failed,
    /// One more failed login locks the token.
    FinalTry,
    /// The token is locked.
    Locked,
}

impl PinState {
    fn of(flags: sys::CK_FLAGS) -> PinState {
        let has = |bit| flags & bit != 0;
        if has(sys::CKF_USER_PIN_LOCKED) {
            PinState::Locked
        } else if has(sys::CKF_USER_PIN_FINAL_TRY) {
            PinState::FinalTry
        } else if has(sys::CKF_USER_PIN_COUNT_LOW) {
            PinState::Failed
        } else {
            PinState::Good
        }
    }
}

impl Token {
    /// Returns the token's description; empty if the token gives none. C: `PK11_GetTokenInfo`.
    pub fn info(&self) -> TokenInfo {
        let text = |octets: &[u8]| {
            let end = octets.iter().position(|b| *b == 0).unwrap_or(octets.len());
            String::from_utf8_lossy(octets.get(..end).unwrap_or_default()).trim().to_owned()
        };
        self.token_info().map_or_else(TokenInfo::default, |info| TokenInfo {
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            pin: PinState::of(info.flags),
        })
    }

    /// Returns every certificate in the token that is visible without a login, or after the login.
    /// C: `PK11_ListCertsInSlot`.
    pub fn certificates(&self) -> Vec<Certificate> {
        // SAFETY: the slot is live; returns a new list or null (pk11pub.h).
        let list = fault::pointer("PK11_ListCertsInSlot", || unsafe {
            sys::PK11_ListCertsInSlot(self.as_ptr())
        });
        // SAFETY: the list is ours.
        list.map(|raw| unsafe { CertList::from_raw(self.guard(), raw) }.certificates())
            .unwrap_or_default()
    }

    /// Returns every private key in the token, which must be logged in.
    pub fn keys(&self) -> Vec<PrivateKey> {
        self.private_keys(None)
    }
}

impl PrivateKey {
    /// Deletes the key and its public half from their token. C: `PK11_DeleteTokenPrivateKey`,
    /// `PK11_DeleteTokenPublicKey`.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the private key can't be deleted. The `Option` is the fault when only
    /// the public half can't, which is harmless.
    pub fn delete_pair(self) -> Result<Option<Fault>> {
        let spki = self.public().and_then(|public| public.spki()).ok();
        let token = self.token();
        let guard = self.guard().clone();
        let is_internal = token.as_ref().is_some_and(Token::is_internal);
        self.delete().map_err(|f| {
            let what = "cannot delete the private key";
            match is_internal {
                true => not_written(&guard, what.into(), f),
                false => Error::new(Kind::Refused, what).because(f),
            }
        })?;
        let deleted = token.zip(spki).map_or(Ok(()), |(token, spki)| token.delete_public(&spki));
        Ok(deleted.err())
    }
}

impl Certificate {
    /// Returns its nickname for lookups: `TOKEN:NICKNAME`, or the plain one for the internal token.
    pub fn nickname_in(&self, token: &Token) -> Option<String> {
        let (name, label) = (self.nickname()?, token.name());
        let plain = name.strip_prefix(&label).and_then(|rest| rest.strip_prefix(':'));
        let plain = plain.unwrap_or(&name);
        Some(if token.is_internal() { plain.to_owned() } else { format!("{label}:{plain}") })
    }

    /// Returns its trust flags as certutil prints them, without implied ones (`C` implies `c`); `,,`
    /// if there are none. C: `CERT_GetCertTrust`.
    pub fn trust_text(&self) -> String {
        let trust = self.trust();
        [trust.sslFlags, trust.emailFlags, trust.objectSigningFlags].map(letters).join(",")
    }

    /// Returns whether the certificate's token has its private key (`u`). In a token that isn't
    /// logged in, the public half of the key shows this.
    pub fn is_users(&self) -> bool {
        self.trust().sslFlags & sys::CERTDB_USER != 0
    }
}

/// Returns the letters of one field of the trust flags.
fn letters(flags: u32) -> String {
    let has = |bits| flags & bits != 0;
    let trusted_ca = has(sys::CERTDB_TRUSTED_CA) || has(sys::CERTDB_TRUSTED_CLIENT_CA);
    [
        ('c', has(sys::CERTDB_VALID_CA) && !trusted_ca),
        ('p', has(sys::CERTDB_TERMINAL_RECORD) && !has(sys::CERTDB_TRUSTED)),
        ('C', has(sys::CERTDB_TRUSTED_CA)),
        ('T', has(sys::CERTDB_TRUSTED_CLIENT_CA)),
        ('P', has(sys::CERTDB_TRUSTED)),
        ('u', has(sys::CERTDB_USER)),
        ('w', has(sys::CERTDB_SEND_WARN)),
        ('I', has(sys::CERTDB_INVISIBLE_CA)),
        ('G', has(sys::CERTDB_GOVT_APPROVED_CA)),
    ]
    .iter()
    .filter(|(_, set)| *set)
    .map(|(letter, _)| *letter)
    .collect()
}

impl Database {
    /// Returns whether the internal module runs in FIPS mode.
    ///
    /// # Errors
    /// [`Kind::Database`] when the internal token can't be reached.
    pub fn is_fips(&self) -> Result<bool> {
        Ok(self.token("internal")?.is_fips())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implied_letters_are_left_out() {
        let ca = sys::CERTDB_VALID_CA | sys::CERTDB_TRUSTED_CA | sys::CERTDB_TRUSTED_CLIENT_CA;
        assert_eq!(letters(ca), "CT");
        assert_eq!(letters(sys::CERTDB_VALID_CA), "c");
        assert_eq!(letters(sys::CERTDB_TERMINAL_RECORD), "p");
        let peer = sys::CERTDB_TERMINAL_RECORD | sys::CERTDB_TRUSTED | sys::CERTDB_USER;
        assert_eq!(letters(peer), "Pu");
        assert_eq!(letters(0), "");
    }
}
