//! Passwords that the caller already has in memory.

use super::Wanted;
use crate::error::{Error, Kind, Result};
use crate::nss::is_internal_name;
use crate::secret::Secret;

/// Passwords in memory: one for each named token, and one without a token's name.
pub struct Known {
    place: String,
    bare: Option<Secret>,
    tokens: Vec<(String, Secret)>,
}

impl Known {
    /// Returns a collection without passwords; `place` is its name in messages.
    pub fn new(place: impl Into<String>) -> Known {
        Known { place: place.into(), bare: None, tokens: Vec::new() }
    }

    /// Adds the password of a token; `None` is for the token that the user chose.
    pub fn add(&mut self, token: Option<String>, password: Secret) {
        match token {
            Some(token) => self.tokens.push((token, password)),
            None => self.bare = Some(password),
        }
    }

    /// Returns whether it has no password.
    pub fn is_empty(&self) -> bool {
        self.bare.is_none() && self.tokens.is_empty()
    }

    /// Returns a token's password.
    ///
    /// # Errors
    /// [`Kind::Usage`] if there is none, or an empty one.
    pub fn password(&self, wanted: Wanted<'_>) -> Result<Secret> {
        let token = if wanted.token.is_empty() { "internal" } else { wanted.token };
        let same =
            |name: &str| name == token || (is_internal_name(name) && is_internal_name(token));
        let named = self.tokens.iter().find(|(name, _)| same(name)).map(|(_, secret)| secret);
        let secret = match (named, &self.bare) {
            (Some(secret), _) => secret,
            (None, Some(secret)) => {
                wanted.takes_bare(&self.place)?;
                secret
            }
            (None, None) => {
                let what = format!("no password for token {token:?} in {}", self.place);
                return Err(Error::new(Kind::Usage, what));
            }
        };
        if secret.bytes().is_empty() {
            let what = format!("empty password of token {token} in {}", self.place);
            return Err(Error::new(Kind::Usage, what)
                .because(format!("token {token:?} requires a login; no login was tried")));
        }
        Ok(secret.duplicate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(known: &Known, wanted: Wanted<'_>) -> Result<Vec<u8>> {
        known.password(wanted).map(|secret| secret.bytes().to_vec())
    }

    #[test]
    fn a_named_password_takes_precedence_and_a_bare_one_has_one_token() {
        let secret = |text: &str| Secret::new(text.into());
        let mut known = Known::new("the request");
        assert!(known.is_empty());
        known.add(Some("HSM".into()), secret("pin"));
        known.add(Some("NSS Certificate DB".into()), secret("own"));
        assert_eq!(password(&known, "HSM".into()).unwrap(), b"pin");
        assert_eq!(password(&known, "internal".into()).unwrap(), b"own");
        let other = Wanted { token: "other", bare: false, known: &[] };
        assert_eq!(password(&known, other).unwrap_err().kind(), Kind::Usage);
        known.add(None, secret("bare"));
        assert_eq!(password(&known, other).unwrap_err().kind(), Kind::Usage);
        assert_eq!(password(&known, Wanted { bare: true, ..other }).unwrap(), b"bare");
        known.add(None, secret(""));
        let e = password(&known, "other".into()).unwrap_err().to_string();
        assert!(e.starts_with("empty password"), "{e}");
    }
}
