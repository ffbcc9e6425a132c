//! `nss-cmc key`: lists, removes and renames private keys.

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{ChangeArgs, StoreArgs};
use super::confirm::confirm;
use super::table::{Look, Table, plain};
use crate::cli::enroll::event_text;
use crate::cli::report::Report;
use nss_cmc::client::store::keys::{self, KeyEntry};
use nss_cmc::error::Result;
use nss_cmc::keyid;

/// Commands of `key`.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// List the private keys, each with its certificates
    List(ListArgs),
    /// Remove a private key
    Remove(RemoveArgs),
    /// Change the label of a private key
    Rename(RenameArgs),
}

/// Arguments of `key list`.
#[derive(Args)]
#[command(
    after_help = "Keys are listed after a login only. In a pipe the fields of a line are separated by \
                  tabs, `-` for an empty one: key id, token, type, use (certificate, unfinished request, \
                  none), label, certificates.\n\n\
                  Example:\n  nss-cmc key list -d DIR --password-file pins.txt"
)]
pub struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Arguments of `key remove`.
#[derive(Args)]
#[command(
    after_help = "A removed key cannot be restored without a backup, nor data encrypted for it be \
                  decrypted.\n\n\
                  Example:\n  nss-cmc key remove 71fe337faab8202d7509f59fb502a06de1785762 -d DIR \\\n    \
                  --password-file pin.txt --yes"
)]
pub struct RemoveArgs {
    /// The key: its id as key list, certutil -K or PKCS10Client print it, or its label
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    /// Remove the key although it has a certificate or an unfinished request
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Arguments of `key rename`.
#[derive(Args)]
#[command(after_help = "Example:\n  nss-cmc key rename 71fe337faab8202d7509f59fb502a06de1785762 \
                        'old www key' -d DIR \\\n    --password-file pin.txt")]
pub struct RenameArgs {
    /// The key: its id as key list, certutil -K or PKCS10Client print it, or its label
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,

    /// The new label; `''` removes the label
    #[arg(value_name = "LABEL")]
    label: String,

    /// Rename the key although it has an unfinished request; enroll will not find it again
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    change: ChangeArgs,
}

impl KeyCommand {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            KeyCommand::List(_) => "key list",
            KeyCommand::Remove(_) => "key remove",
            KeyCommand::Rename(_) => "key rename",
        }
    }

    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        matches!(self, KeyCommand::List(_))
    }

    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            KeyCommand::List(args) => args.store.warnings(),
            KeyCommand::Remove(args) => args.change.store.warnings(),
            KeyCommand::Rename(args) => args.change.store.warnings(),
        }
    }
}

/// Result of `key list`.
#[derive(Serialize, JsonSchema)]
pub struct Keys {
    keys: Vec<Key>,
    /// Tokens that are not logged in: their keys are not listed.
    not_logged_in: Vec<String>,
}

/// A private key.
#[derive(Serialize, JsonSchema)]
struct Key {
    /// Key id as certutil prints it.
    key_id: String,
    /// Key id as Dogtag's tools print it.
    key_id_signed: String,
    token: String,
    /// `rsa:2048`…
    r#type: String,
    label: Option<String>,
    /// Nicknames of its certificates.
    certificates: Vec<String>,
    /// Whether it is the key of an unfinished request.
    unfinished_request: bool,
}

/// Result of `key remove`.
#[derive(Serialize, JsonSchema)]
pub struct KeyRemoved {
    key: Key,
}

/// Result of `key rename`.
#[derive(Serialize, JsonSchema)]
pub struct KeyRenamed {
    key: Key,
    label_before: Option<String>,
}

/// Runs a command of `key`. `tell` prints messages while the run waits.
///
/// # Errors
/// As the operation of the command.
pub fn run(command: KeyCommand, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    match command {
        KeyCommand::List(args) => list(&args.store),
        KeyCommand::Remove(args) => remove(&args, tell),
        KeyCommand::Rename(args) => rename(&args, tell),
    }
}

fn list(args: &StoreArgs) -> Result<Report> {
    let passwords = args.password.passwords();
    let listed = keys::list(&args.spec(&passwords, true))?;
    let mut table = Table::new(&["KEY ID", "TOKEN", "TYPE", "USE", "LABEL", "CERTIFICATES"]);
    for key in &listed.keys {
        let (used, look) = match (key.unfinished, key.certificates.is_empty()) {
            (true, _) => ("unfinished request", Look::Soon),
            (false, true) => ("none", Look::Soon),
            (false, false) => ("certificate", Look::Good),
        };
        table.row([
            plain(keyid::to_hex(&key.id)),
            plain(&key.token),
            plain(kind(key)),
            (used.into(), look),
            plain(key.label.as_deref().unwrap_or_default()),
            plain(key.certificates.join(", ")),
        ]);
    }
    let keys = listed.keys.iter().map(key_json).collect();
    let result = Keys { keys, not_logged_in: listed.closed.clone() };
    let msg = format!("{} private keys in NSS database {}", listed.keys.len(), args.database);
    let mut report = table.add_to(Report::done("key list", "listed", false, msg)).result(result);
    report.warnings.extend(not_logged_in(&listed.closed, "their keys are not listed"));
    Ok(report.closed(listed.not_closed.map_or(Ok(()), Err)))
}

/// Returns the warning about tokens that are not logged in, if any; `so` names the consequence.
pub fn not_logged_in(closed: &[String], so: &str) -> Option<String> {
    (!closed.is_empty()).then(|| format!("not logged in to: {}; {so}", closed.join(", ")))
}

fn kind(key: &KeyEntry) -> String {
    key.spec.map_or_else(|| key.kind.to_string(), |spec| spec.to_string())
}

fn key_json(key: &KeyEntry) -> Key {
    Key {
        key_id: keyid::to_hex(&key.id),
        key_id_signed: keyid::to_dogtag(&key.id),
        token: key.token.clone(),
        r#type: kind(key),
        label: key.label.clone(),
        certificates: key.certificates.clone(),
        unfinished_request: key.unfinished,
    }
}

fn remove(args: &RemoveArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let passwords = args.change.store.password.passwords();
    let mut events = |event| tell(&event_text(&event));
    let spec = args.change.spec(&passwords, true, &mut events);
    let changed = keys::remove(spec, &args.key, args.force, |key| {
        let used = match (key.unfinished, key.certificates.is_empty()) {
            (true, _) => ", which has an unfinished request".to_owned(),
            (false, true) => String::new(),
            (false, false) => format!(", the key of {}", key.certificates.join(", ")),
        };
        let (id, token) = (keyid::to_hex(&key.id), &key.token);
        let kind = kind(key);
        confirm(&format!("Remove the {kind} key {id} from token {token}{used}?"), args.yes)
    })?;
    let key = &changed.key;
    let (id, token) = (keyid::to_hex(&key.id), &key.token);
    let msg = format!("removed the {} key {id} from token {token}", kind(key));
    let mut report =
        Report::done("key remove", "removed", true, msg).result(KeyRemoved { key: key_json(key) });
    report
        .warnings
        .extend(changed.public_stays.map(|f| format!("cannot remove its public half: {f}")));
    Ok(report.closed(changed.not_closed.map_or(Ok(()), Err)))
}

fn rename(args: &RenameArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let passwords = args.change.store.password.passwords();
    let mut events = |event| tell(&event_text(&event));
    let spec = args.change.spec(&passwords, true, &mut events);
    let changed = keys::rename(spec, &args.key, &args.label, args.force)?;
    let key = &changed.key;
    let (id, label) = (keyid::to_hex(&key.id), &args.label);
    let msg = match label.is_empty() {
        true => format!("removed the label of key {id}"),
        false => format!("label of key {id} set to {label:?}"),
    };
    let new = Some(label.clone()).filter(|label| !label.is_empty());
    let result = Key { label: new, ..key_json(key) };
    let report = Report::done("key rename", "renamed", key.label.as_deref() != Some(label), msg);
    let report = report.result(KeyRenamed { key: result, label_before: key.label.clone() });
    Ok(report.closed(changed.not_closed.map_or(Ok(()), Err)))
}
