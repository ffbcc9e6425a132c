//! Arguments several commands share, so that they mean the same everywhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use nss_cmc::client::connection::Config;
use nss_cmc::client::dogtag::ca_url;
use nss_cmc::client::passwords::{Passwords, SHARED_SECRET, Source, others_read};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::http::endpoint::Encoding;
use nss_cmc::nss::exposed;
use nss_cmc::secret::Secret;

/// Options for the database, the token and its password.
#[derive(Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// NSS database directory (cert9.db, key4.db)
    #[arg(short = 'd', long, value_name = "DIR", env = "NSS_CMC_DATABASE")]
    pub database: String,

    /// PKCS #11 token of the new key, and the first to look for the signer in; `internal` is the
    /// database's own
    #[arg(long, value_name = "NAME", default_value = "internal")]
    pub token: String,

    #[command(flatten)]
    pub password: PasswordArgs,
}

impl DatabaseArgs {
    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        self.password.warnings(Some(&self.database))
    }

    /// Returns the sources of the tokens' passwords; a terminal prompt by default.
    pub fn passwords(&self) -> Passwords<'static> {
        self.password.passwords()
    }
}

/// Options for a database of which only the trust and the certificates are used.
#[derive(Args)]
#[command(next_help_heading = "Database")]
pub struct TrustArgs {
    /// NSS database directory (cert9.db, key4.db); its trust decides about the CA
    #[arg(short = 'd', long, value_name = "DIR", env = "NSS_CMC_DATABASE")]
    pub database: String,

    #[command(flatten)]
    pub password: PasswordArgs,
}

impl TrustArgs {
    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        self.password.warnings(Some(&self.database))
    }
}

/// Options for the source of the tokens' passwords.
#[derive(Args)]
pub struct PasswordArgs {
    /// File with the token's password: its first line, or a line `token:password` for each token;
    /// `-` is stdin. The environment's NSS_CMC_PASSWORD_FILE where nothing is said of the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// File descriptor to read the token's password from: of several tokens that of --token, then
    /// the signer's, then the database's own, one line each
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    pub password_fd: Option<i32>,

    /// Environment variable with the token's password
    #[arg(long, value_name = "VAR", conflicts_with_all = ["password_file", "password_fd"])]
    pub password_env: Option<String>,
}

/// Returns a warning for a database that other users can write, and for a file with a secret that
/// they can read.
pub fn warnings(database: Option<&str>, secret: Option<&Path>) -> Vec<String> {
    database.and_then(exposed).into_iter().chain(secret.and_then(others_read)).collect()
}

impl PasswordArgs {
    /// Returns warnings about the file with the password, and about the database.
    pub fn warnings(&self, database: Option<&str>) -> Vec<String> {
        let file = match self.source() {
            Source::File(file) => Some(file),
            _ => None,
        };
        warnings(database, file.as_deref())
    }

    /// Returns the sources of the tokens' passwords; a terminal prompt by default.
    pub fn passwords(&self) -> Passwords<'static> {
        self.source().passwords()
    }

    fn source(&self) -> Source {
        if let Some(n) = self.password_fd {
            Source::Fd(n)
        } else if let Some(name) = &self.password_env {
            Source::Env(name.clone())
        } else if let Some(file) = &self.password_file {
            Source::File(file.clone())
        } else if let Some(file) =
            std::env::var_os("NSS_CMC_PASSWORD_FILE").filter(|f| !f.is_empty())
        {
            Source::File(file.into())
        } else {
            Source::Prompt
        }
    }
}

/// Options for the source of a secret shared with the CA.
#[derive(Args)]
#[command(next_help_heading = "Who asks")]
pub struct SharedSecretArgs {
    /// File with the shared secret in its first line; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub shared_secret_file: Option<PathBuf>,

    /// File descriptor to read the shared secret from
    #[arg(long, value_name = "N", conflicts_with = "shared_secret_file")]
    pub shared_secret_fd: Option<i32>,

    /// Environment variable with the shared secret
    #[arg(long, value_name = "VAR",
          conflicts_with_all = ["shared_secret_file", "shared_secret_fd"])]
    pub shared_secret_env: Option<String>,
}

impl SharedSecretArgs {
    /// Returns the source that the options name; `None` without an option.
    pub fn source(&self) -> Option<Source> {
        if let Some(n) = self.shared_secret_fd {
            return Some(Source::Fd(n));
        }
        if let Some(name) = &self.shared_secret_env {
            return Some(Source::Env(name.clone()));
        }
        self.shared_secret_file.clone().map(Source::File)
    }

    /// Reads the shared secret; prompts on the terminal without an option.
    ///
    /// # Errors
    /// As [`Source::read_shared`]; [`Kind::Usage`] for an empty secret.
    pub fn read(&self) -> Result<Secret> {
        let source = self.source().unwrap_or(Source::Prompt);
        let secret = source.read_shared(SHARED_SECRET)?;
        if secret.bytes().is_empty() {
            return Err(Error::new(Kind::Usage, "the shared secret is empty"));
        }
        Ok(secret)
    }
}

/// Options for the CA, its profile and the connection.
#[derive(Args)]
#[command(next_help_heading = "CA")]
pub struct CaArgs {
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Enrollment profile of the CA (caCMCserverCert, caCMCECserverCert, caFullCMCUserCert…); an
    /// EST server chooses for itself
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub profile: String,

    /// Accept a response that carries certificates only and is not signed
    #[arg(long)]
    pub allow_unsigned_response: bool,
}

impl CaArgs {
    /// Returns the settings of the connection, with the profile.
    ///
    /// # Errors
    /// As [`ConnectArgs::config`].
    pub fn config(&self) -> Result<Config> {
        Ok(Config {
            profile: Some(self.profile.clone()),
            allow_unsigned_response: self.allow_unsigned_response,
            ..self.connect.config()?
        })
    }
}

/// Options for the CA's URL and the connection.
#[derive(Args)]
#[command(next_help_heading = "CA")]
pub struct ConnectArgs {
    /// The CA, as https://host:port, or an EST server's https://host/.well-known/est/fullcmc
    #[arg(long, value_name = "URL", env = "NSS_CMC_CA")]
    pub ca: String,

    /// How an EST server takes requests, `der` or `base64`; found out unless given: DER first,
    /// base64 when the server can't read that
    #[arg(long, value_name = "ENCODING")]
    pub est_encoding: Option<Encoding>,

    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options for the way to the CA.
#[derive(Args)]
#[command(next_help_heading = "CA")]
pub struct ReachArgs {
    /// Proxy URL; the default is what curl finds in the environment. User and password of a proxy
    /// belong there, too (https_proxy)
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Seconds to wait for a connection
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub connect_timeout: u64,

    /// Seconds to wait for the whole exchange
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
}

impl ConnectArgs {
    /// Returns the settings of the connection, without profile.
    ///
    /// # Errors
    /// As [`ca_url`]; [`Kind::Usage`] for a proxy URL with user or password, which other users of
    /// the machine could read in argv; the error doesn't repeat the URL.
    pub fn config(&self) -> Result<Config> {
        Ok(Config { est_encoding: self.est_encoding, ..self.reach.config(&self.ca)? })
    }
}

impl ReachArgs {
    /// Returns the settings of a connection to the CA at `url`.
    ///
    /// # Errors
    /// As [`ConnectArgs::config`].
    pub fn config(&self, url: &str) -> Result<Config> {
        if self.proxy.as_ref().is_some_and(|url| url.contains('@')) {
            return Err(Error::new(Kind::Usage, "--proxy takes no user and no password")
                .hint("set https_proxy in the environment"));
        }
        Ok(Config {
            proxy: self.proxy.clone(),
            connect_timeout: Duration::from_secs(self.connect_timeout),
            timeout: Duration::from_secs(self.timeout),
            ..Config::new(ca_url(url)?)
        })
    }
}

/// Parses a length of time: `30d`, `12h`, `45m`, `90s`; a number without unit is in days.
///
/// # Errors
/// A sentence for clap.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "d"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(format!("{text:?}: write 30d, 12h, 45m or 90s")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no length of time"))?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("30d", 2_592_000), ("2", 172_800), ("12h", 43_200), ("90s", 90)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "d", "1w", "-1d", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
