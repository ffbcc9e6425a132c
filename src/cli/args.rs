//! Arguments several commands share, so that they mean the same everywhere.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;

use super::request::given;
use nss_cmc::client::enroll::Shared;
use nss_cmc::client::passwords::{Known, Passwords, SHARED_SECRET, Source, Wanted, others_read};
use nss_cmc::client::store::{ChangeSpec, Event, Logins, StoreSpec};
use nss_cmc::cmc::control::check_identification;
use nss_cmc::cmc::proof::WitnessAlgorithms;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::exposed;
use nss_cmc::secret::Secret;

/// Options for the database, the token and its password.
#[derive(Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// NSS database directory (cert9.db, key4.db)
    #[arg(short = 'd', long, value_name = "DIR")]
    pub database: String,

    /// PKCS #11 token for the new key, and the first that is searched for the signer; `internal` is
    /// the database's own token
    #[arg(long, value_name = "NAME", default_value = "internal")]
    pub token: String,

    #[command(flatten)]
    pub password: PasswordArgs,
}

impl DatabaseArgs {
    /// Returns warnings about the database and files it names, and about a file with another secret.
    pub fn warnings(&self, secret: Option<&Path>) -> Vec<String> {
        let mut said = self.password.warnings(Some(&self.database));
        said.extend(secret.and_then(others_read));
        said
    }

    /// Returns the sources of the tokens' passwords; a terminal prompt by default.
    pub fn passwords(&self) -> Passwords<'static> {
        self.password.passwords()
    }
}

/// Options for a database of which only trust flags and certificates are used.
#[derive(Args)]
#[command(next_help_heading = "Database")]
pub struct TrustArgs {
    /// NSS database directory (cert9.db, key4.db); its trust flags decide whether the CA is trusted
    #[arg(short = 'd', long, value_name = "DIR")]
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
#[derive(Args, Default)]
pub struct PasswordArgs {
    /// File with the token password: its first line, or one line `token:password` for each token;
    /// `-` is standard input. Default: the terminal
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// File descriptor with the token password; for several tokens one line each, in this order:
    /// --token, the signer's token, the database's own token
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    pub password_fd: Option<i32>,

    /// Environment variable with the token password
    #[arg(long, value_name = "VAR", conflicts_with_all = ["password_file", "password_fd"])]
    pub password_env: Option<String>,

    #[arg(skip = given().passwords)]
    in_request: Option<Rc<Known>>,
}

/// Returns a warning for a database that other users can write, and for a file with a secret that
/// they can read.
pub fn warnings(database: Option<&str>, secret: Option<&Path>) -> Vec<String> {
    database.and_then(exposed).into_iter().chain(secret.and_then(others_read)).collect()
}

impl PasswordArgs {
    /// Returns warnings about the file with the password, and about the database.
    pub fn warnings(&self, database: Option<&str>) -> Vec<String> {
        warnings(database, self.password_file.as_deref())
    }

    /// Returns the sources of the tokens' passwords; a terminal prompt by default.
    pub fn passwords(&self) -> Passwords<'static> {
        match self.in_request.clone() {
            Some(known) => Box::new(move |wanted| known.password(wanted).map(Some)),
            None => self.source().passwords(),
        }
    }

    /// Reads the password of a new database; without a source, prompts twice on the terminal.
    ///
    /// # Errors
    /// As [`Source::read_new`].
    pub fn read_new(&self) -> Result<Secret> {
        let wanted = Wanted::from("internal");
        match &self.in_request {
            Some(known) => known.password(wanted),
            None => self.source().read_new(wanted, "--password-file FILE"),
        }
    }

    fn source(&self) -> Source {
        if let Some(n) = self.password_fd {
            Source::Fd(n)
        } else if let Some(name) = &self.password_env {
            Source::Env(name.clone())
        } else if let Some(file) = &self.password_file {
            Source::File(file.clone())
        } else {
            Source::Prompt
        }
    }
}

/// Options for a database that is only read.
#[derive(Args)]
#[command(next_help_heading = "Database")]
pub struct StoreArgs {
    /// NSS database directory (cert9.db, key4.db)
    #[arg(short = 'd', long, value_name = "DIR")]
    pub database: String,

    /// Use only this PKCS #11 token; `internal` is the database's own
    #[arg(long, value_name = "NAME")]
    pub token: Option<String>,

    #[command(flatten)]
    pub password: PasswordArgs,
}

impl StoreArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.password.warnings(Some(&self.database))
    }

    /// Returns the database. If no source of a password is given, `asks` says whether to prompt.
    pub fn spec<'a>(&'a self, passwords: &'a Passwords<'a>, asks: bool) -> StoreSpec<'a> {
        let logins = match self.password.source() {
            _ if self.password.in_request.is_some() => Logins::Known,
            Source::Prompt if asks => Logins::Chosen,
            Source::Prompt => Logins::Fewest,
            // A password read from a stream would be tried on an arbitrary token.
            Source::Fd(_) => Logins::Chosen,
            Source::File(file) if file.as_os_str() == "-" => Logins::Chosen,
            Source::File(_) | Source::Env(_) => Logins::Known,
        };
        StoreSpec { database: &self.database, token: self.token.as_deref(), passwords, logins }
    }
}

/// Options for a database that is changed.
#[derive(Args)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub store: StoreArgs,

    /// Seconds to wait for another run on the same database
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Database")]
    lock_timeout: u64,
}

impl ChangeArgs {
    /// Returns the database. If no source of a password is given, `asks` says whether to prompt.
    pub fn spec<'a>(
        &'a self,
        passwords: &'a Passwords<'a>,
        asks: bool,
        tell: &'a mut dyn FnMut(Event),
    ) -> ChangeSpec<'a> {
        let lock_timeout = Duration::from_secs(self.lock_timeout);
        ChangeSpec { store: self.store.spec(passwords, asks), lock_timeout, tell }
    }
}

/// Options for the source of a new password.
#[derive(Args)]
#[command(next_help_heading = "New password")]
pub struct NewPasswordArgs {
    /// File with the new password: its first line, or a line `token:password`; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    new_password_file: Option<PathBuf>,

    /// File descriptor with the new password
    #[arg(long, value_name = "N", conflicts_with_all = ["new_password_file", "no_password"])]
    new_password_fd: Option<i32>,

    /// Environment variable with the new password
    #[arg(long, value_name = "VAR",
          conflicts_with_all = ["new_password_file", "new_password_fd", "no_password"])]
    new_password_env: Option<String>,

    /// Remove the password: whoever can read the files has the keys
    #[arg(long)]
    no_password: bool,

    #[arg(skip = given().new_password)]
    in_request: Option<Rc<Secret>>,
}

impl NewPasswordArgs {
    /// Returns a warning about the file with the new password.
    pub fn warnings(&self) -> Vec<String> {
        self.new_password_file.as_deref().and_then(others_read).into_iter().collect()
    }

    /// Reads the new password; without a source, prompts twice on the terminal.
    ///
    /// # Errors
    /// As [`Source::read_new`].
    pub fn read(&self, token: &str) -> Result<Secret> {
        if let Some(secret) = &self.in_request {
            return match secret.bytes().is_empty() {
                true => Err(Error::new(Kind::Usage, "the new password in the request is empty")
                    .hint("for no password, use --no-password")),
                false => Ok(secret.duplicate()),
            };
        }
        let source = if self.no_password {
            return Ok(Secret::new(Vec::new()));
        } else if let Some(n) = self.new_password_fd {
            Source::Fd(n)
        } else if let Some(name) = &self.new_password_env {
            Source::Env(name.clone())
        } else if let Some(file) = &self.new_password_file {
            Source::File(file.clone())
        } else {
            Source::Prompt
        };
        source.read_new(Wanted::from(token), "--new-password-file FILE")
    }
}

/// Options for the source of a secret shared with the CA.
#[derive(Args)]
pub struct SharedSecretArgs {
    /// File with the shared secret in its first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub shared_secret_file: Option<PathBuf>,

    /// File descriptor with the shared secret
    #[arg(long, value_name = "N", conflicts_with = "shared_secret_file")]
    pub shared_secret_fd: Option<i32>,

    /// Environment variable with the shared secret
    #[arg(long, value_name = "VAR",
          conflicts_with_all = ["shared_secret_file", "shared_secret_fd"])]
    pub shared_secret_env: Option<String>,

    #[arg(skip = given().shared_secret)]
    in_request: Option<Rc<Secret>>,
}

impl SharedSecretArgs {
    /// Returns whether the options or the request have the secret.
    pub fn is_given(&self) -> bool {
        self.in_request.is_some() || self.source().is_some()
    }

    /// Returns the source that the options name; `None` without an option.
    fn source(&self) -> Option<Source> {
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
        let secret = match &self.in_request {
            Some(secret) => secret.duplicate(),
            None => self.source().unwrap_or(Source::Prompt).read_shared(SHARED_SECRET)?,
        };
        if secret.bytes().is_empty() {
            return Err(Error::new(Kind::Usage, "the shared secret is empty"));
        }
        Ok(secret)
    }

    /// Reads the shared secret for a request of this user.
    ///
    /// # Errors
    /// As [`SharedSecretArgs::read`]; [`Kind::Usage`] for what Dogtag cannot verify.
    pub fn shared(&self, identification: &str, pop_link: bool, digest: &str) -> Result<Shared> {
        check_identification(identification)?;
        let secret = self.read()?;
        if !secret.bytes().is_ascii() {
            return Err(Error::new(Kind::Usage, "the shared secret is not ASCII")
                .because("Dogtag cannot verify a proof made with it")
                .hint("ask the CA's administrator for another shared secret"));
        }
        Ok(Shared {
            identification: identification.to_owned(),
            secret,
            pop_link,
            algorithms: WitnessAlgorithms::parse(Some(digest), Some(digest))?,
        })
    }
}

/// Options for the password of a PKCS #12 file.
#[derive(Args)]
#[command(next_help_heading = "PKCS #12 file")]
pub struct Pkcs12PasswordArgs {
    /// File with the PKCS #12 password in its first line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub pkcs12_password_file: Option<PathBuf>,

    /// File descriptor with the PKCS #12 password
    #[arg(long, value_name = "N", conflicts_with = "pkcs12_password_file")]
    pub pkcs12_password_fd: Option<i32>,

    /// Environment variable with the PKCS #12 password
    #[arg(long, value_name = "VAR",
          conflicts_with_all = ["pkcs12_password_file", "pkcs12_password_fd"])]
    pub pkcs12_password_env: Option<String>,

    #[arg(skip = given().pkcs12_password)]
    in_request: Option<Rc<Secret>>,
}

impl Pkcs12PasswordArgs {
    /// Reads the password; prompts on the terminal when no option is given, twice for a new one.
    ///
    /// # Errors
    /// As [`Source::read_shared`]; [`Kind::Usage`] when the two differ.
    pub fn read(&self, new: bool) -> Result<Secret> {
        const WHAT: &str = "PKCS #12 password";
        if let Some(secret) = &self.in_request {
            return Ok(secret.duplicate());
        }
        if let Some(n) = self.pkcs12_password_fd {
            return Source::Fd(n).read_shared(WHAT);
        }
        if let Some(name) = &self.pkcs12_password_env {
            return Source::Env(name.clone()).read_shared(WHAT);
        }
        if let Some(file) = &self.pkcs12_password_file {
            return Source::File(file.clone()).read_shared(WHAT);
        }
        let secret = Source::Prompt.read_shared(WHAT).map_err(|e| match e.kind() {
            Kind::Interrupted => e,
            _ => e.hint("give --pkcs12-password-file FILE, --pkcs12-password-fd N or --pkcs12-password-env VAR"),
        })?;
        if new && Source::Prompt.read_shared("PKCS #12 password again")?.bytes() != secret.bytes() {
            return Err(Error::new(Kind::Usage, "the two PKCS #12 passwords differ"));
        }
        Ok(secret)
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
        _ => return Err("write 30d, 12h, 45m or 90s".into()),
    };
    let number: u64 = number.parse().map_err(|_| "write 30d, 12h, 45m or 90s")?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "too long".into())
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
