//! Options for the CA or the EST server, and for the connection to it.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::request::given;
use nss_cmc::client::connection::{Config, Encoding, Login, est_url};
use nss_cmc::client::dogtag::ca_url;
use nss_cmc::client::ocsp::OcspConfig;
use nss_cmc::client::passwords::{Source, others_read};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::secret::Secret;

/// Options for the CA, its profile and the connection.
#[derive(Args)]
#[command(next_help_heading = "CA")]
pub struct CaArgs {
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Enrollment profile of the CA (caCMCserverCert, caCMCECserverCert, caFullCMCUserCert…); not
    /// needed for an EST server
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub profile: String,

    /// Accept an unsigned response that has certificates only
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
    /// URL of the CA (https://host:port) or of an EST server
    /// (https://host/.well-known/est/fullcmc), or its name in the configuration file
    #[arg(long, value_name = "URL")]
    pub ca: String,

    #[command(flatten)]
    pub est: EstArgs,

    /// Encoding of requests to an EST server, `der` or `base64`. Default: DER, and base64 if the
    /// server cannot read DER
    #[arg(long, value_name = "ENCODING")]
    pub est_encoding: Option<Encoding>,

    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Options for the connection to the CA.
#[derive(Args)]
#[command(next_help_heading = "CA")]
pub struct ReachArgs {
    /// Proxy URL without user and password: set those in https_proxy. Default: the proxy that the
    /// environment names, as for curl
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Timeout for the connection, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub connect_timeout: u64,

    /// Timeout for request and response together, in seconds
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
        let config = Config { est_encoding: self.est_encoding, ..self.reach.config(&self.ca)? };
        self.est.applied(config)
    }
}

/// Options for an EST server (RFC 7030).
#[derive(Args, Default)]
#[command(next_help_heading = "CA")]
pub struct EstArgs {
    /// Use the EST server at --ca https://host:port: its path is /.well-known/est, with the label, if
    /// one is given
    #[arg(long, value_name = "LABEL", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub est: Option<String>,

    #[command(flatten)]
    pub login: EstLoginArgs,
}

impl EstArgs {
    /// Returns a warning for a password file that other users can read.
    pub fn warning(&self) -> Option<String> {
        self.login.est_password_file.as_deref().and_then(others_read)
    }

    /// Returns the settings of the connection with those of the EST server.
    ///
    /// # Errors
    /// As [`est_url`]; [`Kind::Usage`] for a user of another server; those of the password's source.
    pub fn applied(&self, config: Config) -> Result<Config> {
        let ca = match &self.est {
            Some(label) => est_url(&config.ca, label)?,
            None => config.ca,
        };
        let config = Config { ca, login: self.login.read()?, ..config };
        if config.login.is_some() && !config.is_est() {
            return Err(Error::new(Kind::Usage, "--est-user is for EST servers only")
                .hint("add --est, or leave out --est-user"));
        }
        Ok(config)
    }
}

/// Options for a user and password at an EST server.
#[derive(Args, Default)]
pub struct EstLoginArgs {
    /// User at the EST server (HTTP Basic), besides the client certificate or instead of one. The
    /// password is sent only over TLS, to a server that the database trusts
    #[arg(long, value_name = "NAME")]
    pub est_user: Option<String>,

    /// File with the EST password in its first line; `-` is standard input. Default: the terminal
    #[arg(long, value_name = "FILE", requires = "est_user")]
    pub est_password_file: Option<PathBuf>,

    /// File descriptor with the EST password
    #[arg(long, value_name = "N", requires = "est_user", conflicts_with = "est_password_file")]
    pub est_password_fd: Option<i32>,

    /// Environment variable with the EST password
    #[arg(long, value_name = "VAR", requires = "est_user",
          conflicts_with_all = ["est_password_file", "est_password_fd"])]
    pub est_password_env: Option<String>,

    #[arg(skip = given().est_password)]
    in_request: Option<Rc<Secret>>,

    #[arg(skip)]
    known: OnceCell<Arc<Login>>,
}

impl EstLoginArgs {
    /// Returns user and password; the password is read once.
    fn read(&self) -> Result<Option<Arc<Login>>> {
        let Some(user) = &self.est_user else { return Ok(None) };
        if let Some(login) = self.known.get() {
            return Ok(Some(login.clone()));
        }
        // RFC 7617 §2.
        if user.contains(|c: char| c == ':' || c.is_control()) {
            return Err(Error::new(Kind::Usage, format!("invalid --est-user {user:?}"))
                .because("it contains a colon or a control character"));
        }
        let source = if let Some(n) = self.est_password_fd {
            Source::Fd(n)
        } else if let Some(name) = &self.est_password_env {
            Source::Env(name.clone())
        } else if let Some(file) = &self.est_password_file {
            Source::File(file.clone())
        } else {
            Source::Prompt
        };
        let password = match &self.in_request {
            Some(secret) => secret.duplicate(),
            None => source.read_shared("EST password")?,
        };
        let login = Arc::new(Login { user: user.clone(), password });
        Ok(Some(self.known.get_or_init(|| login).clone()))
    }
}

impl ReachArgs {
    /// Returns the settings of a connection to the CA at `url`.
    ///
    /// # Errors
    /// As [`ConnectArgs::config`].
    pub fn config(&self, url: &str) -> Result<Config> {
        let reach = self.ocsp()?;
        Ok(Config {
            proxy: reach.proxy,
            connect_timeout: reach.connect_timeout,
            timeout: reach.timeout,
            ..Config::new(ca_url(url)?)
        })
    }

    /// Returns how to reach OCSP responders.
    ///
    /// # Errors
    /// As [`ConnectArgs::config`], for the proxy.
    pub fn ocsp(&self) -> Result<OcspConfig> {
        if self.proxy.as_ref().is_some_and(|url| url.contains('@')) {
            return Err(Error::new(Kind::Usage, "invalid --proxy: it contains a user or password")
                .hint("set https_proxy in the environment instead"));
        }
        Ok(OcspConfig {
            proxy: self.proxy.clone(),
            connect_timeout: Duration::from_secs(self.connect_timeout),
            timeout: Duration::from_secs(self.timeout),
        })
    }
}
