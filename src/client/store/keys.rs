//! Lists private keys with their certificates, renames and removes them.

use super::certificates::all as all_certificates;
use super::database::KeyCounts;
use super::{ChangeSpec, Store, StoreSpec};
use crate::algorithm::{KeySpec, KeyType, Signer};
use crate::asn1::x509::{public_key_bits, spki_key_spec};
use crate::client::request_key::is_unfinished;
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Access, Certificate, Fault, PrivateKey};
use crate::text::quoted;

/// The description of a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its CKA_ID.
    pub id: Vec<u8>,
    /// Its token; `internal` for the database's own.
    pub token: String,
    /// Its type.
    pub kind: KeyType,
    /// Its type and size, if the token reveals the public key.
    pub spec: Option<KeySpec>,
    /// Its CKA_LABEL.
    pub label: Option<String>,
    /// Nicknames of its certificates, in any token.
    pub certificates: Vec<String>,
    /// Whether it is the key of an unfinished request.
    pub unfinished: bool,
}

/// The keys of a database.
#[derive(Debug)]
pub struct KeysListed {
    /// The keys, sorted by token, label and CKA_ID.
    pub keys: Vec<KeyEntry>,
    /// Tokens that are not logged in: their keys are not listed.
    pub closed: Vec<String>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Returns the private keys of a database. Nothing is written.
///
/// # Errors
/// As [`crate::nss::Database::open`]; those of a login.
pub fn list(spec: &StoreSpec<'_>) -> Result<KeysListed> {
    let store = Store::open(spec, Access::ReadOnly)?;
    let keys = all(&store)?.into_iter().map(|(entry, _)| entry).collect();
    let closed = store.closed()?;
    let not_closed = store.close().err();
    Ok(KeysListed { keys, closed, not_closed })
}

pub(super) fn counts(store: &Store<'_>) -> Result<KeyCounts> {
    let keys = all(store)?;
    let count = |of: fn(&KeyEntry) -> bool| keys.iter().filter(|(entry, _)| of(entry)).count();
    Ok(KeyCounts {
        all: keys.len(),
        without_certificate: count(|entry| entry.certificates.is_empty()),
        unfinished: count(|entry| entry.unfinished),
    })
}

/// Returns every key of the selected tokens, with its handle.
pub(super) fn all(store: &Store<'_>) -> Result<Vec<(KeyEntry, PrivateKey)>> {
    // A key's certificate may be in another token.
    let certificates = all_certificates(store, true)?;
    let mut found = Vec::new();
    for token in store.tokens()? {
        for key in token.keys() {
            // NSS sets CKA_ID last: another process is generating a key without one.
            let Ok(id) = key.id() else { continue };
            let spki = key.public().and_then(|public| public.spki()).ok();
            let label = key.label();
            let belongs = |certificate: &Certificate, owner: &str| match &spki {
                Some(spki) => is_same_key(certificate.spki(), spki),
                None => owner == token.user_name() && certificate.id().is_some_and(|c| c == id),
            };
            let mut nicknames: Vec<String> = certificates
                .iter()
                .filter(|(certificate, owner, _)| belongs(certificate, owner))
                .map(|(.., nickname)| nickname.clone().unwrap_or_else(|| "(none)".into()))
                .collect();
            nicknames.sort();
            nicknames.dedup();
            let entry = KeyEntry {
                id,
                token: token.user_name(),
                kind: key.key_type(),
                spec: spki.as_deref().and_then(spki_key_spec),
                unfinished: nicknames.is_empty() && label.as_deref().is_some_and(is_unfinished),
                certificates: nicknames,
                label,
            };
            found.push((entry, key));
        }
    }
    let order =
        |e: &KeyEntry| (e.token != "internal", e.token.clone(), e.label.clone(), e.id.clone());
    found.sort_by_key(|(entry, _)| order(entry));
    Ok(found)
}

/// Returns whether two SubjectPublicKeyInfos (DER) contain the same key: the algorithm parameters
/// may be encoded differently.
fn is_same_key(one: &[u8], other: &[u8]) -> bool {
    one == other
        || match (public_key_bits(one), public_key_bits(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}

/// A changed key.
#[derive(Debug)]
pub struct KeyChanged {
    /// The key as it was.
    pub key: KeyEntry,
    /// Why its public half is still in the token.
    pub public_stays: Option<Fault>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Deletes the key `name`: its CKA_ID in any form, or its label. `confirm` is called before.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Usage`] when several keys have that label; without `force`
/// [`Kind::Conflict`] when the key has a certificate or an unfinished request; that of `confirm`.
pub fn remove(
    mut spec: ChangeSpec<'_>,
    name: &str,
    force: bool,
    confirm: impl FnOnce(&KeyEntry) -> Result<()>,
) -> Result<KeyChanged> {
    let (store, lock) = spec.open()?;
    let (entry, key) = one(&store, name)?;
    if !force {
        refuse_used("remove", &entry)?;
    }
    confirm(&entry)?;
    let public_stays = key.delete_pair()?;
    let gone = store.database.token(&entry.token)?.find_key(&entry.id).is_none();
    if !gone {
        let why = "the token reports success, but still has the key";
        return Err(refused(&store, "remove", &entry, why));
    }
    let not_closed = store.close().err();
    drop(lock);
    Ok(KeyChanged { key: entry, public_stays, not_closed })
}

/// Sets the label of the key `name`, which is as for [`remove`].
///
/// # Errors
/// As [`remove`]; [`Kind::Usage`] for a label of the form that marks keys of unfinished requests,
/// or that is another key's CKA_ID;
/// [`Kind::Refused`] when the token keeps the old label.
pub fn rename(
    mut spec: ChangeSpec<'_>,
    name: &str,
    label: &str,
    force: bool,
) -> Result<KeyChanged> {
    if is_unfinished(label) || label.chars().any(char::is_control) {
        return Err(Error::new(Kind::Usage, format!("invalid label {label:?}")).because(
            "it marks the key of an unfinished request, or contains a control character",
        ));
    }
    let (store, lock) = spec.open()?;
    let (entry, key) = one(&store, name)?;
    // The other key could no longer be named by its id.
    let as_id = keyid::parse(label).ok().filter(|id| *id != entry.id);
    if let Some(id) = as_id
        && all(&store)?.iter().any(|(other, _)| other.id == id)
    {
        let what = format!("invalid label {label:?}");
        return Err(Error::new(Kind::Usage, what).because("it is the id of another key"));
    }
    if entry.unfinished && !force {
        refuse_used("rename", &entry)?;
    }
    key.set_label(label).map_err(|f| refused(&store, "rename", &entry, f))?;
    drop(key);
    let key = store.database.token(&entry.token)?.find_key(&entry.id);
    if key.and_then(|key| key.label()).unwrap_or_default() != label {
        let why = "the token reports success, but keeps the old label";
        return Err(refused(&store, "rename", &entry, why));
    }
    let not_closed = store.close().err();
    drop(lock);
    Ok(KeyChanged { key: entry, public_stays: None, not_closed })
}

/// Returns the error for a change that the key's token did not make.
fn refused(
    store: &Store<'_>,
    action: &str,
    key: &KeyEntry,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let what = cannot(action, key);
    match key.token == "internal" {
        true => store.database.not_written(what, why),
        false => Error::new(Kind::Refused, what).because(why),
    }
}

fn cannot(action: &str, key: &KeyEntry) -> String {
    format!("cannot {action} the key {} in token {:?}", keyid::to_hex(&key.id), key.token)
}

fn refuse_used(action: &str, key: &KeyEntry) -> Result<()> {
    let error = || Error::new(Kind::Conflict, cannot(action, key));
    if key.unfinished {
        let label = key.label.as_deref().unwrap_or_default();
        return Err(error()
            .because(format!("it is the key of an {label}; the CA may still issue its certificate"))
            .hint("run enroll again with the same nickname to complete it, or use --force"));
    }
    if key.certificates.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = key.certificates.iter().map(|n| format!("{n:?}")).collect();
    Err(error()
        .because(format!("it has certificates: {}", names.join(", ")))
        .hint("remove them first (nss-cmc cert remove), or use --force"))
}

/// Returns the key `name`, which is as for [`remove`], with its handle.
fn one(store: &Store<'_>, name: &str) -> Result<(KeyEntry, PrivateKey)> {
    let id = keyid::parse(name).ok();
    let is_meant = |entry: &KeyEntry| {
        id.as_ref().is_some_and(|id| *id == entry.id) || entry.label.as_deref() == Some(name)
    };
    let database = store.database.name();
    let mut found: Vec<_> = all(store)?.into_iter().filter(|(entry, _)| is_meant(entry)).collect();
    let first = found.pop();
    match (first, found.is_empty()) {
        (Some(key), true) => Ok(key),
        (None, _) => {
            let what = format!("private key {name:?} not found in NSS database {database}");
            let error = store
                .database
                .key_missing(Error::new(Kind::NotFound, what), "no key has this id or label");
            Err(error.hint(format!("list the keys with: nss-cmc key list -d {}", quoted(database))))
        }
        (Some(last), false) => {
            found.push(last);
            let error = Error::new(Kind::Usage, format!("several keys match {name:?}"))
                .hint("give the id of one of them, with --token TOKEN");
            Err(found.iter().fold(error, |error, (entry, _)| {
                let id = keyid::to_hex(&entry.id);
                error.note(format!("{id} in token {:?}", entry.token))
            }))
        }
    }
}
