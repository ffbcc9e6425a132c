//! `nss-cmc db`: creates a database, shows it, changes its password.

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{ChangeArgs, NewPasswordArgs, PasswordArgs, StoreArgs};
use super::token::{Token, token_json};
use crate::cli::enroll::event_text;
use crate::cli::report::Report;
use nss_cmc::client::store::database::{self, DatabaseShown};
use nss_cmc::client::store::tokens::{Password, TokenEntry};
use nss_cmc::error::Result;
use nss_cmc::nss::{exposed, version};
use nss_cmc::secret::Secret;
use nss_cmc::text::printable;

/// Commands of `db`.
#[derive(Subcommand)]
pub enum DbCommand {
    /// Create a database; an existing one is never replaced
    Create(CreateArgs),
    /// Show password, FIPS mode, tokens, and the number of certificates and keys
    Show(ShowArgs),
    /// Change the password of the database or of another token
    Password(PasswordChangeArgs),
}

/// Arguments of `db create`.
#[derive(Args)]
#[command(
    after_help = "A missing directory is created; only its owner can access it. Other processes see \
                  the whole database or none.\n\nExamples:\n  \
                  nss-cmc db create -d /etc/pki/www --password-file pin.txt\n  \
                  nss-cmc db create -d test --no-password"
)]
pub struct CreateArgs {
    /// Directory of the new NSS database
    #[arg(short = 'd', long, value_name = "DIR")]
    #[arg(help_heading = "Database")]
    database: String,

    #[command(flatten, next_help_heading = "Database")]
    password: PasswordArgs,

    /// No password: whoever can read the files has the keys
    #[arg(long, conflicts_with_all = ["password_file", "password_fd", "password_env"])]
    #[arg(help_heading = "Database")]
    no_password: bool,
}

/// Arguments of `db show`.
#[derive(Args)]
#[command(
    after_help = "Keys are counted only after a login to every token: give all passwords.\n\n\
                  Example:\n  nss-cmc db show -d /etc/httpd/alias --password-file pin.txt"
)]
pub struct ShowArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Arguments of `db password`.
#[derive(Args)]
#[command(
    after_help = "The old password is tried once. The new password may equal the old one: then the keys \
                  are encrypted anew, with more iterations than older versions of NSS use.\n\n\
                  Example:\n  nss-cmc db password -d DIR --password-file old.txt \\\n    \
                  --new-password-file new.txt"
)]
pub struct PasswordChangeArgs {
    #[command(flatten)]
    change: ChangeArgs,

    #[command(flatten)]
    new: NewPasswordArgs,
}

impl DbCommand {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            DbCommand::Create(_) => "db create",
            DbCommand::Show(_) => "db show",
            DbCommand::Password(_) => "db password",
        }
    }

    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        matches!(self, DbCommand::Show(_))
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            DbCommand::Create(args) if args.no_password => Vec::new(),
            DbCommand::Create(args) => args.password.warnings(None),
            DbCommand::Show(args) => args.store.warnings(),
            DbCommand::Password(args) => {
                let mut said = args.change.store.warnings();
                said.extend(args.new.warnings());
                said
            }
        }
    }
}

/// Result of `db create`.
#[derive(Serialize, JsonSchema)]
pub struct DatabaseCreated {
    database: String,
    /// Whether it has a password.
    password: bool,
}

/// Result of `db show`.
#[derive(Serialize, JsonSchema)]
pub struct Database {
    database: String,
    #[schemars(extend("const" = "sql"))]
    format: &'static str,
    /// Password of its own token.
    #[schemars(extend("enum" = ["set", "none", "not initialised", null]))]
    password: Option<&'static str>,
    fips: bool,
    /// Version of NSS.
    nss: String,
    tokens: Vec<Token>,
    /// Number of certificates.
    certificates: usize,
    /// Numbers of keys; null if a token is not logged in.
    keys: Option<KeyCounts>,
    not_logged_in: Vec<String>,
    /// Files in the old dbm format, which are ignored.
    old_files: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct KeyCounts {
    all: usize,
    without_certificate: usize,
    unfinished_requests: usize,
}

/// Result of `db password`.
#[derive(Serialize, JsonSchema)]
pub struct PasswordChanged {
    token: String,
    /// Whether it has a password now.
    password: bool,
}

/// Runs a command of `db`. `tell` prints messages while the run waits.
///
/// # Errors
/// As the operation of the command.
pub fn run(command: DbCommand, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    match command {
        DbCommand::Create(args) => create(&args),
        DbCommand::Show(args) => show(&args.store),
        DbCommand::Password(args) => password(&args, tell),
    }
}

fn create(args: &CreateArgs) -> Result<Report> {
    let password = match args.no_password {
        true => Secret::new(Vec::new()),
        false => args.password.read_new()?,
    };
    database::create(&args.database, &password)?;
    let with = if args.no_password { "without a password" } else { "with a password" };
    let msg = format!("created NSS database {} {with}", args.database);
    let mut report = Report::done("db create", "created", true, msg)
        .result(DatabaseCreated { database: args.database.clone(), password: !args.no_password });
    // An existing directory may be accessible to others.
    report.warnings.extend(exposed(&args.database));
    Ok(report)
}

fn show(args: &StoreArgs) -> Result<Report> {
    let passwords = args.password.passwords();
    let shown = database::show(&args.spec(&passwords, false))?;
    let internal = shown.tokens.iter().find(|token| token.is_internal);
    let password = internal.map(password_word);
    let msg = format!("NSS database {} (SQLite: cert9.db, key4.db)", args.database);
    let mut report = Report::done("db show", "shown", false, msg)
        .line(format!("password: {}", password.unwrap_or("unknown")))
        .line(format!("FIPS mode: {}", if shown.is_fips { "yes" } else { "no" }))
        .line(format!("NSS: {}", version()));
    for token in &shown.tokens {
        let own = if token.is_internal { " (the database's own)" } else { "" };
        report = report.line(format!(
            "token: {}{own}, password {}",
            printable(&token.label),
            password_word(token)
        ));
    }
    report = report.line(format!("certificates: {}", shown.certificates)).line(keys_line(&shown));
    for name in &shown.old_files {
        report.warnings.push(format!("{name} has the old dbm format and is ignored"));
    }
    let result = Database {
        database: args.database.clone(),
        format: "sql",
        password,
        fips: shown.is_fips,
        nss: version(),
        tokens: shown.tokens.iter().map(token_json).collect(),
        certificates: shown.certificates,
        keys: shown.keys.map(|keys| KeyCounts {
            all: keys.all,
            without_certificate: keys.without_certificate,
            unfinished_requests: keys.unfinished,
        }),
        not_logged_in: shown.closed.clone(),
        old_files: shown.old_files.iter().map(ToString::to_string).collect(),
    };
    Ok(report.result(result).closed(shown.not_closed.map_or(Ok(()), Err)))
}

fn keys_line(shown: &DatabaseShown) -> String {
    match shown.keys {
        None => format!("keys: unknown, not logged in to: {}", shown.closed.join(", ")),
        Some(keys) => format!(
            "keys: {}, without certificate: {}, of unfinished requests: {}",
            keys.all, keys.without_certificate, keys.unfinished
        ),
    }
}

/// Returns the word for a token's password.
pub fn password_word(token: &TokenEntry) -> &'static str {
    match token.password {
        Password::Set => "set",
        Password::None => "none",
        Password::NotInitialised => "not initialised",
    }
}

fn password(args: &PasswordChangeArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let passwords = args.change.store.password.passwords();
    let mut events = |event| tell(&event_text(&event));
    let spec = args.change.spec(&passwords, false, &mut events);
    let changed = database::change_password(spec, |token| args.new.read(token))?;
    let (what, status) = match (changed.had_password, changed.has_password) {
        (true, true) => ("changed the password", "changed"),
        (false, true) => ("set a password", "set"),
        (true, false) => ("removed the password", "removed"),
        (false, false) => ("nothing to do: no password", "unchanged"),
    };
    let changes = changed.had_password || changed.has_password;
    let msg = format!("{what} of token {:?}", changed.token);
    let report = Report::done("db password", status, changes, msg)
        .result(PasswordChanged { token: changed.token, password: changed.has_password });
    Ok(report.closed(changed.not_closed.map_or(Ok(()), Err)))
}
