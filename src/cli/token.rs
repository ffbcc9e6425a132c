//! `nss-cmc token`: lists and tests the PKCS #11 tokens of a database.

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{PasswordArgs, StoreArgs};
use super::db::password_word;
use super::table::{Look, Table, plain};
use crate::cli::report::Report;
use nss_cmc::algorithm::Scheme;
use nss_cmc::client::store::check::{Ability, Outcome, TokenChecked, check};
use nss_cmc::client::store::tokens::{self, TokenEntry};
use nss_cmc::client::store::{Logins, StoreSpec};
use nss_cmc::error::Result;
use nss_cmc::nss::{KeyTransport, PinState};

/// Commands of `token`.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// List the tokens of a database, without a login
    List(ListArgs),
    /// Test which required mechanisms a token supports; nothing stays in the token
    Check(CheckArgs),
}

/// Arguments of `token list`.
#[derive(Args)]
#[command(
    after_help = "In a pipe the fields of a line are separated by tabs, `-` for an empty one: name, \
                  password, mode, slot, module, library, manufacturer, model, serial number.\n\n\
                  Example:\n  nss-cmc token list -d DIR"
)]
pub struct ListArgs {
    /// NSS database directory (cert9.db, key4.db)
    #[arg(short = 'd', long, value_name = "DIR")]
    #[arg(help_heading = "Database")]
    database: String,
}

/// Arguments of `token check`.
#[derive(Args)]
#[command(
    after_help = "Keys are generated as session objects and not stored; NSS's software verifies every \
                  signature. In a pipe the fields of a line are separated by tabs: what, result, \
                  reason.\n\n\
                  Example:\n  nss-cmc token check HSM -d DIR --password-file pins.txt"
)]
pub struct CheckArgs {
    /// Name of the token; `internal` is the database's own
    #[arg(value_name = "TOKEN")]
    token: String,

    /// NSS database directory (cert9.db, key4.db)
    #[arg(short = 'd', long, value_name = "DIR")]
    #[arg(help_heading = "Database")]
    database: String,

    #[command(flatten, next_help_heading = "Database")]
    password: PasswordArgs,
}

impl TokenCommand {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            TokenCommand::List(_) => "token list",
            TokenCommand::Check(_) => "token check",
        }
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            TokenCommand::List(_) => Vec::new(),
            TokenCommand::Check(args) => args.password.warnings(Some(&args.database)),
        }
    }
}

/// Result of `token list`.
#[derive(Serialize, JsonSchema)]
pub struct Tokens {
    tokens: Vec<Token>,
}

/// A PKCS #11 token.
#[derive(Serialize, JsonSchema)]
pub struct Token {
    name: String,
    label: String,
    /// Whether it is the database's own.
    internal: bool,
    fips: bool,
    #[schemars(extend("enum" = ["set", "none", "not_initialised"]))]
    password: String,
    #[schemars(extend("enum" = ["good", "failed", "final_try", "locked"]))]
    pin_state: &'static str,
    logged_in: bool,
    read_only: bool,
    keypad: bool,
    slot: String,
    module: String,
    library: Option<String>,
    manufacturer: String,
    model: String,
    serial: String,
}

/// Result of `token check`.
#[derive(Serialize, JsonSchema)]
pub struct Checked {
    token: Token,
    abilities: Vec<Tested>,
}

/// What a token was tested for.
#[derive(Serialize, JsonSchema)]
struct Tested {
    what: String,
    #[schemars(extend("enum" = [
        "generate", "sign", "wrap", "encrypt_session_key", "decrypt_session_key"
    ]))]
    kind: &'static str,
    works: bool,
    /// Why it doesn't.
    reason: Option<String>,
    /// Name of NSS's error.
    nss: Option<String>,
}

/// Runs a command of `token`.
///
/// # Errors
/// As the operation of the command.
pub fn run(command: TokenCommand) -> Result<Report> {
    match command {
        TokenCommand::List(args) => list(args),
        TokenCommand::Check(args) => checked(args),
    }
}

fn list(args: ListArgs) -> Result<Report> {
    let password = PasswordArgs::default();
    let store = StoreArgs { database: args.database, token: None, password };
    let passwords = store.password.passwords();
    let listed =
        tokens::list(&StoreSpec { logins: Logins::Fewest, ..store.spec(&passwords, false) })?;
    let mut table = Table::new(&[
        "NAME",
        "PASSWORD",
        "MODE",
        "SLOT",
        "MODULE",
        "LIBRARY",
        "MANUFACTURER",
        "MODEL",
        "SERIAL",
    ]);
    for token in &listed.tokens {
        table.row([
            plain(&token.name),
            password_field(token),
            plain(mode(token)),
            plain(&token.slot),
            plain(&token.module),
            plain(&token.library),
            plain(&token.info.manufacturer),
            plain(&token.info.model),
            plain(&token.info.serial),
        ]);
    }
    let result = Tokens { tokens: listed.tokens.iter().map(token_json).collect() };
    let msg = format!("{} tokens in NSS database {}", listed.tokens.len(), store.database);
    let report = table.add_to(Report::done("token list", "listed", false, msg)).result(result);
    Ok(report.closed(listed.not_closed.map_or(Ok(()), Err)))
}

fn password_field(token: &TokenEntry) -> (String, Look) {
    let word = password_word(token);
    match token.info.pin {
        PinState::Good => plain(word),
        PinState::Failed => (format!("{word}, a login failed"), Look::Soon),
        PinState::FinalTry => (format!("{word}, one try left"), Look::Bad),
        PinState::Locked => (format!("{word}, locked"), Look::Bad),
    }
}

fn mode(token: &TokenEntry) -> String {
    let words =
        [(token.is_fips, "FIPS"), (token.read_only, "read-only"), (token.has_keypad, "keypad")];
    let words = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word);
    words.collect::<Vec<_>>().join(",")
}

/// Returns a token for JSON.
pub fn token_json(token: &TokenEntry) -> Token {
    let pin = match token.info.pin {
        PinState::Good => "good",
        PinState::Failed => "failed",
        PinState::FinalTry => "final_try",
        PinState::Locked => "locked",
    };
    Token {
        name: token.name.clone(),
        label: token.label.clone(),
        internal: token.is_internal,
        fips: token.is_fips,
        password: password_word(token).replace(' ', "_"),
        pin_state: pin,
        logged_in: token.logged_in,
        read_only: token.read_only,
        keypad: token.has_keypad,
        slot: token.slot.clone(),
        module: token.module.clone(),
        library: Some(token.library.clone()).filter(|library| !library.is_empty()),
        manufacturer: token.info.manufacturer.clone(),
        model: token.info.model.clone(),
        serial: token.info.serial.clone(),
    }
}

fn checked(args: CheckArgs) -> Result<Report> {
    let store =
        StoreArgs { database: args.database, token: Some(args.token), password: args.password };
    let passwords = store.password.passwords();
    let TokenChecked { token, abilities, not_closed } = check(&store.spec(&passwords, true))?;
    let mut table = Table::new(&["WHAT", "RESULT", "REASON"]);
    let mut list = Vec::new();
    for (ability, outcome) in &abilities {
        let (word, look, reason) = match outcome {
            Outcome::Works => ("yes", Look::Good, String::new()),
            Outcome::Fails(e) => ("no", Look::Bad, e.to_string()),
            Outcome::NoKey => ("no", Look::Dim, "the token cannot generate such a key".into()),
        };
        let nss = match outcome {
            Outcome::Fails(e) => e.nss().map(|f| f.name.clone()),
            _ => None,
        };
        list.push(Tested {
            what: ability_text(ability),
            kind: kind(ability),
            works: word == "yes",
            reason: Some(reason.clone()).filter(|reason| !reason.is_empty()),
            nss,
        });
        table.row([plain(ability_text(ability)), (word.into(), look), plain(reason)]);
    }
    let works = abilities.iter().filter(|(_, o)| matches!(o, Outcome::Works)).count();
    let msg = format!("token {:?} supports {works} of {}", token.name, abilities.len());
    let report = Report::done("token check", "checked", false, msg)
        .result(Checked { token: token_json(&token), abilities: list });
    Ok(table.add_to(report).closed(not_closed.map_or(Ok(()), Err)))
}

fn kind(ability: &Ability) -> &'static str {
    match ability {
        Ability::Generate(_) => "generate",
        Ability::Sign(..) => "sign",
        Ability::Wrap(..) => "wrap",
        Ability::EncryptSessionKey(_) => "encrypt_session_key",
        Ability::DecryptSessionKey(_) => "decrypt_session_key",
    }
}

fn ability_text(ability: &Ability) -> String {
    let transport = |how: &KeyTransport| match how {
        KeyTransport::Pkcs1 => "RSA PKCS #1 v1.5",
        KeyTransport::OaepSha256 => "RSA-OAEP SHA-256",
    };
    match ability {
        Ability::Generate(spec) => format!("generate {spec}"),
        Ability::Sign(spec, scheme) => format!("sign {spec} {}", scheme_text(*scheme)),
        Ability::Wrap(spec, wrap) => format!("archive {spec} {}", wrap.name()),
        Ability::EncryptSessionKey(how) => format!("archive: session key {}", transport(how)),
        Ability::DecryptSessionKey(how) => format!("encrypted POP: decrypt {}", transport(how)),
    }
}

fn scheme_text(scheme: Scheme) -> String {
    match scheme {
        Scheme::RsaPkcs1(digest) => format!("PKCS #1 v1.5 {digest}"),
        Scheme::RsaPss { digest, .. } => format!("PSS {digest}"),
        Scheme::Ecdsa(digest) => format!("ECDSA {digest}"),
        Scheme::MlDsa(_) => "ML-DSA".into(),
    }
}
