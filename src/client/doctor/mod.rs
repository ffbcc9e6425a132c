//! Looks ahead at an enrollment: the database, the signer, the CA and the profile are checked one by
//! one, and everything that would make it fail is found in one run. Nothing is changed: no key is
//! made, no CMC request sent.

mod ca;
pub(super) mod fit;
mod local;

use chrono::{DateTime, TimeDelta, Utc};

use super::connection::Config;
use super::dogtag::profiles::Account;
use super::dogtag::records::State as RecordState;
use super::enroll::{DEFAULT_KEY, KeySource};
use super::passwords::Passwords;
use crate::algorithm::KeySpec;
use crate::error::{Error, Kind, Result};
use crate::http::est::is_est;

/// The difference between two clocks that counts as none.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(2);

/// Who will request the certificate.
#[derive(Debug)]
pub enum Applicant {
    /// The holder of the certificate with this nickname.
    Certificate(String),
    /// A user with a shared secret; whether the secret can be read and used, if that was tried.
    SharedSecret(Option<Result<()>>),
    /// A user of an EST server, without a certificate.
    Login,
}

/// The arguments of [`examine`]: an enrollment's, as in [`EnrollSpec`](super::enroll::EnrollSpec).
pub struct DoctorSpec {
    /// NSS database directory.
    pub database: String,
    /// Token for the new key.
    pub token: String,
    /// Gives the tokens' passwords; each is tried at most once.
    pub passwords: Passwords<'static>,
    /// Who will request the certificate.
    pub applicant: Applicant,
    /// Directory of a second database, with the signer.
    pub signer_database: Option<String>,
    /// The key of the request.
    pub key: KeySource,
    /// The CA and how to connect.
    pub connection: Config,
}

/// What a check is about, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Topic {
    Database,
    SignerDatabase,
    Token,
    TrustedCa,
    Password,
    Signer,
    SignerKey,
    SignerValidity,
    SignerUsage,
    SignerChain,
    SharedSecret,
    Request,
    KeyType,
    Policy,
    Ca,
    Tls,
    Clock,
    Dogtag,
    SignerRevocation,
    Account,
    Profile,
    Authentication,
    ProfileKey,
}

impl Topic {
    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Database => "database",
            Topic::SignerDatabase => "signer_database",
            Topic::Token => "token",
            Topic::TrustedCa => "trusted_ca",
            Topic::Password => "password",
            Topic::Signer => "signer",
            Topic::SignerKey => "signer_key",
            Topic::SignerValidity => "signer_validity",
            Topic::SignerUsage => "signer_usage",
            Topic::SignerChain => "signer_chain",
            Topic::SharedSecret => "shared_secret",
            Topic::Request => "request",
            Topic::KeyType => "key_type",
            Topic::Policy => "policy",
            Topic::Ca => "ca",
            Topic::Tls => "tls",
            Topic::Clock => "clock",
            Topic::Dogtag => "dogtag",
            Topic::SignerRevocation => "signer_revocation",
            Topic::Account => "account",
            Topic::Profile => "profile",
            Topic::Authentication => "authentication",
            Topic::ProfileKey => "profile_key",
        }
    }
}

/// What a check that found no fault found.
#[derive(Debug)]
pub enum Fact {
    /// The database can be opened and written.
    Database {
        /// Its directory.
        directory: String,
        /// Whether NSS runs in FIPS mode.
        is_fips: bool,
    },
    /// The signer's database can be opened.
    SignerDatabase(String),
    /// These CAs (nickname, or subject) are trusted for TLS.
    TrustedCas(Vec<String>),
    /// The token's password is right.
    LoggedIn(String),
    /// The token needs no password.
    NoPassword(String),
    /// The signer's certificate was found; its subject.
    Signer(String),
    /// The signer's key was found.
    SignerKey,
    /// The signer's certificate is valid until then.
    Until(DateTime<Utc>),
    /// The signer's certificate permits TLS client authentication.
    ClientAuth,
    /// The signer's certificate leads to this CA, which is trusted.
    Chain(String),
    /// The shared secret can be read.
    SharedSecret,
    /// The existing request can be read; its key, if it is of a known type.
    Request(Option<KeySpec>),
    /// The token can generate such keys.
    KeyType(KeySpec, String),
    /// The policy permits the key.
    Policy {
        /// Whether NSS runs in FIPS mode.
        is_fips: bool,
        /// The smallest RSA key that is permitted, if there is a limit.
        smallest_rsa: Option<u32>,
    },
    /// The server responds in HTTP; its URL.
    Reached(String),
    /// The server's certificate is trusted, valid and for this host name.
    Tls(String),
    /// The clocks differ by this many seconds.
    Clock(i64),
    /// The server is Dogtag, of this version if it is known.
    Dogtag(Option<String>),
    /// The state of the signer's certificate in the CA's records.
    Recorded(RecordState),
    /// The CA knows the signer as this user.
    Account(Account),
    /// The profile is enabled.
    Profile {
        /// Its id.
        id: String,
        /// Whether the CA's web pages list it.
        is_visible: bool,
    },
    /// The profile accepts this kind of authentication; Dogtag's name of it.
    Authentication(String),
    /// The profile accepts the key.
    ProfileKey(KeySpec),
}

/// Why nothing is known.
#[derive(Debug)]
pub enum Gap {
    /// It depends on another check, which found a fault or nothing.
    After(Topic),
    /// An EST server chooses the profile, and tells nothing about it.
    Est,
    /// The server sends no date.
    NoDate,
    /// The profile has no rule for it, or this program doesn't know the rule.
    NoRule,
    /// A further failed login would lock this token, so none was tried.
    LastTry(String),
    /// It could not be found out.
    Failed(Error),
}

/// The result of a check.
#[derive(Debug)]
pub enum Finding {
    /// No fault.
    Fine(Fact),
    /// It may fail, or the result may not be what is wanted.
    Doubtful(Error),
    /// The enrollment will fail.
    Wrong(Error),
    /// Nothing is known.
    Open(Gap),
}

impl Finding {
    /// Returns the state's name in JSON.
    pub fn state(&self) -> &'static str {
        match self {
            Finding::Fine(_) => "ok",
            Finding::Doubtful(_) => "warning",
            Finding::Wrong(_) => "problem",
            Finding::Open(_) => "unknown",
        }
    }
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// What it is about.
    pub topic: Topic,
    /// The result.
    pub finding: Finding,
}

/// The result of [`examine`].
#[derive(Debug)]
pub struct Examined {
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

impl Examined {
    /// Returns the kind of the first problem.
    pub fn kind(&self) -> Option<Kind> {
        self.checks.iter().find_map(|check| match &check.finding {
            Finding::Wrong(e) => Some(e.kind()),
            _ => None,
        })
    }
}

/// The checks so far.
#[derive(Default)]
struct Found(Vec<Check>);

impl Found {
    fn push(&mut self, topic: Topic, finding: Finding) {
        self.0.push(Check { topic, finding });
    }

    fn fine(&mut self, topic: Topic, fact: Fact) {
        self.push(topic, Finding::Fine(fact));
    }

    fn wrong(&mut self, topic: Topic, error: Error) {
        self.push(topic, Finding::Wrong(error));
    }

    /// Marks checks that another one prevents.
    fn after(&mut self, first: Topic, topics: &[Topic]) {
        for topic in topics {
            self.push(*topic, Finding::Open(Gap::After(first)));
        }
    }

    /// Takes a result: an error is a problem.
    fn judge(&mut self, topic: Topic, outcome: Result<Fact>) {
        match outcome {
            Ok(fact) => self.fine(topic, fact),
            Err(e) => self.wrong(topic, e),
        }
    }
}

/// Checks whether an enrollment would work, as far as that can be told without making a key or
/// sending a request. It goes on after a problem.
///
/// ```no_run
/// use nss_cmc::client::doctor::{Applicant, DoctorSpec, examine};
/// use nss_cmc::{AltNames, Config, KeySource, Source, Url};
///
/// let mut ca = Config::new(Url::parse("https://ca.example:8443")?);
/// ca.profile = Some("caCMCserverCert".into());
/// let names = AltNames(Vec::new());
/// let examined = examine(DoctorSpec {
///     database: "nssdb".into(),
///     token: "internal".into(),
///     passwords: Source::File("pin.txt".into()).passwords(),
///     applicant: Applicant::Certificate("agent".into()),
///     signer_database: None,
///     key: KeySource::New { spec: None, subject: "CN=www.example".into(), names },
///     connection: ca,
/// })?;
/// for check in &examined.checks {
///     println!("{}: {}", check.topic.name(), check.finding.state());
/// }
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// [`Kind::Interrupted`]. What is wrong is in the result.
pub fn examine(spec: DoctorSpec) -> Result<Examined> {
    let mut found = Found::default();
    let opened = local::open(&spec, &mut found);
    let signer = match &spec.applicant {
        Applicant::Certificate(nickname) => {
            local::signer(&spec, opened.as_ref(), nickname, &mut found)
        }
        Applicant::SharedSecret(_) | Applicant::Login => local::Signer::default(),
    };
    if let Applicant::SharedSecret(Some(secret)) = spec.applicant {
        found.judge(Topic::SharedSecret, secret.map(|()| Fact::SharedSecret));
    }
    let wish = local::wish(&spec.key, &mut found);
    local::key(&spec.key, opened.as_ref(), wish.key, &mut found);
    let est = is_est(&spec.connection.ca);
    let asked = ca::Asked { config: &spec.connection, wish: &wish, is_est: est };
    let outcome = asked.examine(opened.as_ref().map(|o| &o.session.database), signer, &mut found);
    let not_closed = opened.and_then(|opened| opened.session.close().err());
    outcome?;
    found.0.sort_by_key(|check| check.topic);
    Ok(Examined { checks: found.0, not_closed })
}

/// Returns the key that is generated for a specification.
fn key_of(spec: Option<KeySpec>) -> KeySpec {
    spec.unwrap_or(DEFAULT_KEY)
}
