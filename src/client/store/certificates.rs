//! Lists certificates with their keys and chains, sets their trust flags, removes them.

use std::collections::BTreeMap;

use super::{ChangeSpec, Store, StoreSpec};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::Number;
use crate::asn1::summary::{Summary, summary};
use crate::error::{Error, Kind, Result};
use crate::keyid::to_hex;
use crate::nss::{Access, Certificate, Token, Trust, is_internal_name};
use crate::trust::Paths;

/// Whether the database has a certificate's private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It has; in a token that is not logged in, the public half of the key shows this.
    Here,
    /// It has not.
    Missing,
    /// The key may be in a token that is not logged in.
    Unknown,
}

/// A stored certificate.
#[derive(Debug)]
pub struct CertEntry {
    /// Its nickname, prefixed by `TOKEN:` unless it is in the database's own token.
    pub nickname: Option<String>,
    /// Its token; `internal` for the database's own.
    pub token: String,
    /// Trust flags, as certutil prints them.
    pub trust: String,
    /// Whether the database has its key.
    pub key: KeyState,
    /// CKA_ID of its key, if the database has the key and the key's token is logged in.
    pub key_id: Option<Vec<u8>>,
    /// SHA-256 of the DER.
    pub fingerprint: Vec<u8>,
    /// DER of its issuers, nearest first, as far as the database has them.
    pub issuers: Vec<Vec<u8>>,
    /// Why its chain is not trusted; `None` if it leads to a CA that the database trusts.
    pub not_trusted: Option<Error>,
    /// Its fields; `None` for a certificate that can't be decoded.
    pub summary: Option<Summary>,
    /// Its DER.
    pub der: Vec<u8>,
}

/// The certificates of a database.
#[derive(Debug)]
pub struct CertsListed {
    /// The certificates, sorted by token, then by nickname, the newest first.
    pub certificates: Vec<CertEntry>,
    /// Tokens that are not logged in: their keys, and certificates they hide, are missing.
    pub closed: Vec<String>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Selects certificates; every given part must match.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Nickname, or `TOKEN:NICKNAME`.
    pub nickname: Option<String>,
    /// Serial number.
    pub serial: Option<Number>,
    /// The first octets of the SHA-256 of the DER.
    pub fingerprint: Option<Vec<u8>>,
}

impl Which {
    fn means(&self, entry: &CertEntry, token: Option<&str>) -> bool {
        let nickname = self.nickname.as_deref().is_none_or(|wanted| {
            let own = entry.nickname.as_deref().unwrap_or_default();
            let wanted_here = plain_of(wanted, &entry.token, token);
            own == wanted || wanted_here.is_some() && plain(own, &entry.token) == wanted_here
        });
        let number = || entry.summary.as_ref().map(Summary::number);
        let serial = self.serial.as_ref().is_none_or(|wanted| number().as_ref() == Some(wanted));
        let fingerprint = self.fingerprint.as_ref();
        nickname && serial && fingerprint.is_none_or(|f| entry.fingerprint.starts_with(f))
    }

    fn text(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.nickname.as_ref().map(|nickname| format!("{nickname:?}")));
        parts.extend(self.serial.as_ref().map(|serial| format!("with serial {}", serial.hex())));
        parts.extend(self.fingerprint.as_ref().map(|f| format!("with fingerprint {}", to_hex(f))));
        parts.join(" ")
    }
}

/// Returns a nickname without the name of its token.
fn plain<'n>(nickname: &'n str, token: &str) -> Option<&'n str> {
    let rest = nickname.strip_prefix(token).and_then(|rest| rest.strip_prefix(':'));
    Some(rest.unwrap_or(nickname)).filter(|name| !name.is_empty())
}

/// Returns the plain nickname that `wanted` means in `token`: prefixed by the token's name, or
/// without prefix in the chosen token (the database's own if none is chosen).
fn plain_of<'n>(wanted: &'n str, token: &str, chosen: Option<&str>) -> Option<&'n str> {
    let is_own = token == "internal";
    if let Some((prefix, rest)) = wanted.split_once(':')
        && (prefix == token || is_own && !prefix.is_empty() && is_internal_name(prefix))
    {
        return Some(rest);
    }
    let is_chosen = match chosen {
        Some(chosen) => chosen == token || is_own && is_internal_name(chosen),
        None => is_own,
    };
    is_chosen.then_some(wanted)
}

/// Returns the certificates of a database. Nothing is written.
///
/// # Errors
/// As [`crate::nss::Database::open`]; those of a login.
pub fn list(spec: &StoreSpec<'_>) -> Result<CertsListed> {
    let store = Store::open(spec, Access::ReadOnly)?;
    listed(store, Ok)
}

/// Returns the certificates that `which` selects, at least one. Nothing is written.
///
/// # Errors
/// As [`list`]; [`Kind::NotFound`].
pub fn find(spec: &StoreSpec<'_>, which: &Which) -> Result<CertsListed> {
    let store = Store::open(spec, Access::ReadOnly)?;
    let missing = missing(&store, which);
    listed(store, |entries| {
        let found: Vec<CertEntry> =
            entries.into_iter().filter(|entry| which.means(entry, spec.token)).collect();
        if found.is_empty() { Err(missing) } else { Ok(found) }
    })
}

/// Returns the one certificate that `which` selects. Nothing is written.
///
/// # Errors
/// As [`find`]; [`Kind::Usage`] when several certificates match.
pub fn find_one(spec: &StoreSpec<'_>, which: &Which) -> Result<(CertEntry, Option<Error>)> {
    let found = find(spec, which)?;
    Ok((single(which, found.certificates, |entry| entry)?, found.not_closed))
}

/// Returns the one certificate of a list that isn't empty. Copies of a certificate in several tokens
/// count once; the entry is that of the last token, which has the key.
fn single<T>(which: &Which, mut found: Vec<T>, entry: impl Fn(&T) -> &CertEntry) -> Result<T> {
    let last = found.pop();
    match last {
        Some(last) if found.iter().all(|other| entry(other).der == entry(&last).der) => Ok(last),
        last => {
            found.extend(last);
            Err(several(which, &found.iter().map(entry).collect::<Vec<_>>()))
        }
    }
}

fn listed(
    store: Store<'_>,
    choose: impl FnOnce(Vec<CertEntry>) -> Result<Vec<CertEntry>>,
) -> Result<CertsListed> {
    let entries = entries(&store)?.into_iter().map(|(entry, _)| entry).collect();
    let certificates = choose(entries)?;
    let closed = store.closed()?;
    let not_closed = store.close().err();
    Ok(CertsListed { certificates, closed, not_closed })
}

/// Returns the number of certificates in the selected tokens.
pub(super) fn count(store: &Store<'_>) -> Result<usize> {
    Ok(all(store, false)?.len())
}

/// A certificate, its token's name, and its nickname.
pub(super) type Listed = (Certificate, String, Option<String>);

/// Returns the certificates of the selected tokens, or of `every` token.
pub(super) fn all(store: &Store<'_>, every: bool) -> Result<Vec<Listed>> {
    let tokens = if every { store.database.tokens()? } else { store.tokens()? };
    let mut found = Vec::new();
    for token in &tokens {
        for certificate in token.certificates() {
            let nickname = certificate.nickname_in(token);
            found.push((certificate, token.user_name(), nickname));
        }
    }
    Ok(found)
}

fn entries(store: &Store<'_>) -> Result<Vec<(CertEntry, Certificate)>> {
    let keys = Keys::of(store)?;
    let mut found = Vec::new();
    for token in store.tokens()? {
        for certificate in token.certificates() {
            found.push((entry(store, &token, &certificate, &keys)?, certificate));
        }
    }
    found.sort_by_key(|(entry, _)| {
        let ends = entry.summary.as_ref().map(|s| std::cmp::Reverse(s.not_after));
        (entry.token != "internal", entry.nickname.clone(), ends, entry.fingerprint.clone())
    });
    Ok(found)
}

fn entry(
    store: &Store<'_>,
    token: &Token,
    certificate: &Certificate,
    keys: &Keys,
) -> Result<CertEntry> {
    let der = certificate.der().to_vec();
    let paths = Paths::new(&store.database, &[]);
    let (issuers, not_trusted) = match paths.to_trusted(&der) {
        Ok(issuers) => (issuers, None),
        Err(e) => (paths.by_signature(token, &der).unwrap_or_default(), Some(e)),
    };
    let key_id = keys.private.get(certificate.spki()).cloned().or_else(|| {
        let id = certificate.id()?;
        keys.unreadable.contains(&(token.user_name(), id.clone())).then_some(id)
    });
    let here = key_id.is_some() || keys.public.iter().any(|spki| spki == certificate.spki());
    Ok(CertEntry {
        nickname: certificate.nickname_in(token),
        token: token.user_name(),
        trust: certificate.trust_text(),
        key: match (here || certificate.is_users(), keys.closed) {
            (true, _) => KeyState::Here,
            (false, true) => KeyState::Unknown,
            (false, false) => KeyState::Missing,
        },
        key_id,
        fingerprint: store.database.hash(Digest::Sha256, &der)?,
        issuers,
        not_trusted,
        summary: summary(&der).ok(),
        der,
    })
}

/// The keys of all tokens, for finding the key of a certificate.
struct Keys {
    /// SubjectPublicKeyInfo and CKA_ID of private keys.
    private: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Token and CKA_ID of private keys whose token doesn't reveal the public key.
    unreadable: Vec<(String, Vec<u8>)>,
    /// SubjectPublicKeyInfos of public keys in tokens that are not logged in.
    public: Vec<Vec<u8>>,
    /// Whether a token is not logged in.
    closed: bool,
}

impl Keys {
    fn of(store: &Store<'_>) -> Result<Keys> {
        let (private, unreadable, public) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut keys = Keys { private, unreadable, public, closed: false };
        for token in store.database.tokens()? {
            if token.needs_login() {
                keys.closed = true;
                keys.public.extend(token.public_keys());
                continue;
            }
            for key in token.keys() {
                let Ok(id) = key.id() else { continue };
                match key.public().and_then(|public| public.spki()) {
                    Ok(spki) => drop(keys.private.insert(spki, id)),
                    Err(_) => keys.unreadable.push((token.user_name(), id)),
                }
            }
        }
        Ok(keys)
    }
}

fn missing(store: &Store<'_>, which: &Which) -> Error {
    let plain_name = which.serial.is_none() && which.fingerprint.is_none();
    if let Some(nickname) = which.nickname.as_deref().filter(|_| plain_name)
        && let Err(e) = store.database.find_certificate(nickname)
    {
        return e;
    }
    let database = store.database.name();
    let what = format!("certificate {} not found in NSS database {database}", which.text());
    let list = format!("nss-cmc cert list -d {}", crate::text::quoted(database));
    Error::new(Kind::NotFound, what).hint(format!("list the certificates with: {list}"))
}

/// Returns the error for several certificates where one is needed, with a note for each.
fn several(which: &Which, entries: &[&CertEntry]) -> Error {
    let serials: Vec<_> = entries.iter().map(|e| e.summary.as_ref().map(Summary::number)).collect();
    let serial = entries.first().and_then(|entry| entry.summary.as_ref()).map(Summary::serial_hex);
    // A serial number helps only where it tells them apart.
    let hint = match serial.filter(|_| serials.iter().any(|s| Some(s) != serials.first())) {
        Some(serial) => format!("select one with --serial {serial} or --fingerprint"),
        None => "select one with --fingerprint".into(),
    };
    let what = match &which.nickname {
        Some(nickname) => format!("several certificates are named {nickname:?}"),
        None => format!("several certificates match: {}", which.text()),
    };
    let error = Error::new(Kind::Usage, what).hint(hint);
    entries.iter().fold(error, |error, entry| {
        let of = entry.summary.as_ref();
        error.note(format!(
            "serial {}, valid until {}, fingerprint {}, token {}",
            of.map(Summary::serial_hex).unwrap_or_default(),
            of.map(Summary::until).unwrap_or_default(),
            to_hex(&entry.fingerprint),
            entry.token
        ))
    })
}

/// A certificate whose trust flags were set.
#[derive(Debug)]
pub struct CertChanged {
    /// The certificate as it was.
    pub certificate: CertEntry,
    /// Whether the trust flags were changed.
    pub changed: bool,
    /// Its trust flags now.
    pub trust: String,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// A removed certificate.
#[derive(Debug)]
pub struct CertRemoved {
    /// The certificate as it was.
    pub certificate: CertEntry,
    /// The tokens that held it.
    pub tokens: Vec<String>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Sets the trust flags of the certificate that `which` selects.
///
/// # Errors
/// As [`find_one`]; [`Kind::Refused`] when NSS doesn't set them.
pub fn set_trust(mut spec: ChangeSpec<'_>, which: &Which, trust: &Trust) -> Result<CertChanged> {
    let (store, lock) = spec.open()?;
    let (entry, certificate) = one(&store, which, spec.store.token)?;
    let changed = !certificate.has_trust(trust)?;
    if changed {
        // NSS stores trust flags in the database's own token.
        store.log_in(&store.database.token("internal")?)?;
        store.database.set_trust(&certificate, trust)?;
        if !certificate.has_trust(trust)? {
            let what = format!("cannot set the trust {:?} of {}", trust.as_str(), which.text());
            let why = format!("NSS reports success, but has {:?}", certificate.trust_text());
            return Err(store.database.not_written(what, why));
        }
    }
    let trust = certificate.trust_text();
    drop(certificate);
    let not_closed = store.close().err();
    drop(lock);
    Ok(CertChanged { certificate: entry, changed, trust, not_closed })
}

/// Deletes the certificate that `which` selects from every token that has it, with its trust flags;
/// its key stays. (NSS copies a certificate to the database's own token when its trust is set.)
/// `confirm` is called before, with the tokens.
///
/// # Errors
/// As [`find_one`]; [`Kind::Refused`] when the certificate is still there; that of `confirm`.
pub fn remove(
    mut spec: ChangeSpec<'_>,
    which: &Which,
    confirm: impl FnOnce(&CertEntry, &[String]) -> Result<()>,
) -> Result<CertRemoved> {
    let (store, lock) = spec.open()?;
    let (entry, certificate) = one(&store, which, spec.store.token)?;
    store.log_in(&store.database.token("internal")?)?;
    let mut tokens = Vec::new();
    for token in store.database.tokens()? {
        if token.holds(&certificate) {
            store.log_in(&token)?;
            tokens.push(token.user_name());
        }
    }
    tokens.sort();
    confirm(&entry, &tokens)?;
    let what = format!("cannot remove the certificate {}", which.text());
    if let Err(fault) = certificate.delete() {
        return Err(store.database.not_written(what, fault));
    }
    if all(&store, true)?.iter().any(|(other, ..)| other.der() == entry.der) {
        let why = "NSS reports success, but the certificate is still there";
        return Err(store.database.not_written(what, why));
    }
    let not_closed = store.close().err();
    drop(lock);
    Ok(CertRemoved { certificate: entry, tokens, not_closed })
}

/// Returns the one certificate that `which` selects, with its handle.
fn one(store: &Store<'_>, which: &Which, token: Option<&str>) -> Result<(CertEntry, Certificate)> {
    let mut found = entries(store)?;
    found.retain(|(entry, _)| which.means(entry, token));
    if found.is_empty() {
        return Err(missing(store, which));
    }
    single(which, found, |(entry, _)| entry)
}
