//! Logins at a server: a password with each request, or a session kept by a cookie.

use super::{ServerTrust, Transport};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// User and password for basic authentication (RFC 7617).
pub struct Login {
    /// The user, without a colon.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Transport<'_> {
    /// Sends user and password with every request from now on (RFC 7617). curl keeps copies that
    /// can't be wiped.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a server that isn't verified, or for plain HTTP.
    pub fn log_in_as(&mut self, user: &str, password: Secret) -> Result<()> {
        if self.plain_http || self.server == ServerTrust::Anybody {
            return Err(Error::new(Kind::Usage, "cannot send a password to this server")
                .because("it is not verified")
                .hint("use https and a database that trusts the server's CA"));
        }
        self.login = Some(Login { user: user.to_owned(), password });
        Ok(())
    }

    /// Returns cookies to the server that set them, from now on and in this transport only: some
    /// servers need them for a login.
    pub fn keep_cookies(&mut self) {
        self.keeps_cookies = true;
    }
}
