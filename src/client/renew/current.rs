//! The certificate in use under a nickname, and what its successor must have in common with it.

use super::RenewSpec;
use super::journal::{Entry, Journal};
use crate::algorithm::KeySpec;
use crate::asn1::certificate::{Certificate, GeneralName};
use crate::asn1::name;
use crate::asn1::summary::Summary;
use crate::asn1::x509::spki_key_spec;
use crate::client::ca::Fingerprint;
use crate::client::csr::AltNames;
use crate::client::newest::newest_first;
use crate::client::session::{Needs, Session};
use crate::error::{Error, Kind, Result};
use crate::nss::{self, Access, Usage};
use crate::text::quoted;
use crate::trust::usage::permits;

/// The certificate in use.
pub(super) struct Current {
    /// Its fields.
    pub(super) certificate: Summary,
    /// Its subject, as it is requested.
    pub(super) subject: String,
    /// Its nickname, without a token's name.
    pub(super) nickname: String,
    /// Its token.
    pub(super) token: String,
    /// Type and size of its key, if such a key can be generated.
    pub(super) key: Option<KeySpec>,
    /// Its alternative names, as they are requested.
    pub(super) names: AltNames,
    /// The usages that it permits.
    pub(super) usages: Vec<Usage>,
    /// What is written to the journal about it.
    pub(super) entry: Entry,
    /// The place where a renewal is remembered that isn't finished.
    pub(super) journal: Journal,
    /// Such a renewal: another certificate was in use before it.
    pub(super) unfinished: Option<Entry>,
    /// Whether the journal is about a renewal that stored nothing.
    pub(super) is_stale: bool,
}

impl Current {
    /// Looks up the certificate in use: the newest under the nickname that has a key. Nothing is
    /// changed.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Usage`] for a certificate with a name that can't be requested; as
    /// [`Session::open`] and [`Journal::read`].
    pub(super) fn find(spec: &RenewSpec) -> Result<Current> {
        let needs =
            Needs { token: &spec.token, certificate: Some(&spec.nickname), ..Needs::default() };
        let passwords = spec.passwords.passwords();
        let session = Session::open(&spec.database, Access::ReadOnly, needs, &passwords)?;
        let found = Current::of(spec, &session);
        let closed = session.close();
        let found = found?;
        closed.map(|()| found)
    }

    fn of(spec: &RenewSpec, session: &Session) -> Result<Current> {
        let nickname = session.new_nickname(&spec.nickname)?;
        let token = session.token.user_name();
        let journal = Journal::of(&session.database, &token, &nickname)?;
        let remembered = journal.read()?;
        let replaced = remembered.as_ref().map(|old| old.serial.as_str());
        let found = session.named(&nickname)?;
        let (certificate, newest) =
            newest(&found, replaced).ok_or_else(|| missing(spec, session))?;
        let before = Fingerprint::of(&session.database, newest.der())?;
        // NSS sets `u` where there is a key.
        let trust =
            Some(newest.trust_text()).filter(|trust| !trust.chars().all(|c| ",u".contains(c)));
        let of = (token.as_str(), nickname.as_str());
        let entry = Entry::new(of, before, certificate.serial_hex(), trust.unwrap_or_default());
        let is_stale = remembered.as_ref().is_some_and(|old| old.before == entry.before);
        let mut usages = Vec::new();
        for usage in Usage::ALL {
            if permits(newest.der(), usage)? {
                usages.push(usage);
            }
        }
        Ok(Current {
            subject: exact_subject(newest.subject())?,
            names: alternative_names(newest.der())?,
            key: spki_key_spec(newest.spki()),
            unfinished: remembered.filter(|_| !is_stale),
            certificate,
            nickname,
            token,
            usages,
            entry,
            journal,
            is_stale,
        })
    }
}

/// Returns the newest certificate that has a key. Of those of one second it is not the one that was
/// `replaced` (serial number), which the CA may have given the larger number.
pub(super) fn newest<'c>(
    found: &'c [nss::Certificate],
    replaced: Option<&str>,
) -> Option<(Summary, &'c nss::Certificate)> {
    let mut with_key = newest_first(found.iter().filter(|c| c.has_key())).into_iter();
    let first = with_key.next()?;
    if replaced != Some(first.0.serial_hex().as_str()) {
        return Some(first);
    }
    let second = with_key.next().filter(|(other, _)| other.not_before == first.0.not_before);
    Some(second.unwrap_or(first))
}

fn missing(spec: &RenewSpec, session: &Session) -> Error {
    let (nickname, token) = (&spec.nickname, session.token.user_name());
    let database = session.database.name();
    let what =
        format!("certificate {nickname:?} with a key not found in token {token} of {database}");
    let folder = quoted(session.database.path().as_path());
    Error::new(Kind::NotFound, what)
        .because("renew replaces certificates, it does not request the first one")
        .hint(format!(
            "request it with nss-cmc enroll; list what is there: nss-cmc cert list -d {folder}"
        ))
}

/// Returns the text of a subject (DER) by which the same octets are requested: NSS gives the nickname to
/// no subject with other string types.
fn exact_subject(subject: &[u8]) -> Result<String> {
    let text = name::exact_dn_string(subject)?;
    match name::parse(&text) {
        Ok(parsed) if parsed == subject => Ok(text),
        _ => Err(cannot_request(&format!("its subject {}", name::dn_string(subject)?))),
    }
}

/// Returns the alternative names of a certificate (DER) as they are requested.
fn alternative_names(der: &[u8]) -> Result<AltNames> {
    let mut names = Vec::new();
    for name in Certificate::decode(der)?.alternative_names()? {
        let (kind, value) = match name {
            GeneralName::Dns(name) => ("dns", name),
            GeneralName::Email(name) => ("email", name),
            GeneralName::Uri(name) => ("uri", name),
            GeneralName::Ip(octets) => {
                let v4 = <[u8; 4]>::try_from(&octets[..]).map(std::net::IpAddr::from);
                let v6 = <[u8; 16]>::try_from(&octets[..]).map(std::net::IpAddr::from);
                match v4.or(v6) {
                    Ok(address) => ("ip", address.to_string()),
                    Err(_) => return Err(cannot_request("an IP address with a mask")),
                }
            }
            GeneralName::Directory(_) => return Err(cannot_request("a directoryName")),
            GeneralName::RegisteredId(_) => return Err(cannot_request("a registeredID")),
            GeneralName::Other(..) => return Err(cannot_request("an otherName")),
            GeneralName::Unread => return Err(cannot_request("a name of an unknown kind")),
        };
        names.push((kind.to_owned(), value));
    }
    Ok(AltNames(names))
}

fn cannot_request(what: &str) -> Error {
    Error::new(Kind::Usage, format!("cannot request {what}, which the certificate has"))
        .hint("request a certificate with nss-cmc enroll, with the names that it shall have")
}
