//! The CA's own certificates: its chain, which can be fetched before the database trusts a CA, and
//! the KRA's transport certificate.

use std::fmt;
use std::time::Duration;

use chrono::Utc;

use super::archive;
use super::connection::Config;
use super::dogtag::certificates::{Certificates, Details, Subsystem};
use super::lock::Event;
use super::passwords::Passwords;
use super::session::Session;
use crate::algorithm::{Crypto, Digest};
use crate::asn1::certificate;
use crate::asn1::summary::summary;
use crate::cmc::response::{certificates_of, open_signed_data};
use crate::error::{Error, Kind, Result};
use crate::http::ServerTrust;
use crate::http::est::{Operation, est_body, is_est, operation_url};
use crate::nss::{Certificate, Database, Trust};
use crate::text::hex;
use crate::trust::Paths;

/// How long to wait until another run releases the database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);
/// The most certificates of an EST server that are tried as that of its CA.
const MOST_CERTIFICATES: usize = 20;
/// The trust flags of a CA that issues server and user certificates.
const CA_TRUST: &str = "CT,C,C";

/// A SHA-256 fingerprint of a certificate. Displays as `AB:CD:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Parses 64 hexadecimal digits; colons, blanks and a leading `sha256:` are ignored.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Fingerprint> {
        let bad = || {
            Error::new(Kind::Usage, format!("invalid SHA-256 fingerprint {text:?}"))
                .hint("print it with: openssl x509 -noout -fingerprint -sha256 -in ca.pem")
        };
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").unwrap_or(&lower);
        let digits: Vec<u8> =
            digits.bytes().filter(|b| *b != b':' && !b.is_ascii_whitespace()).collect();
        let mut octets = [0; 32];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != octets.len() || !rest.is_empty() {
            return Err(bad());
        }
        for (octet, pair) in octets.iter_mut().zip(pairs) {
            let pair = std::str::from_utf8(pair).ok().filter(|p| !p.starts_with('+'));
            *octet = pair.and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(bad)?;
        }
        Ok(Fingerprint(octets))
    }

    /// Computes the fingerprint of a certificate (DER).
    ///
    /// # Errors
    /// [`Kind::Refused`] when NSS can't compute SHA-256.
    pub fn of(crypto: &impl Crypto, der: &[u8]) -> Result<Fingerprint> {
        let digest = crypto.hash(Digest::Sha256, der)?;
        let octets = digest.try_into();
        octets.map(Fingerprint).map_err(|_| Error::new(Kind::Internal, "SHA-256 has 32 octets"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|octet| hex(&[*octet])).collect();
        f.write_str(&pairs.join(":"))
    }
}

/// Why a chain is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// The database trusts the last certificate.
    Database,
    /// The last certificate has the given fingerprint.
    Fingerprint,
    /// The user confirmed the last certificate's fingerprint.
    User,
}

/// The chain of a CA.
#[derive(Debug, Clone)]
pub struct Chain {
    /// DER of the CA's certificate and its issuers, nearest first; each is signed by the next one.
    pub certificates: Vec<Vec<u8>>,
    /// Why the last one is trusted.
    pub vouched: Vouched,
}

/// Fetches the chain of a CA, from Dogtag's records or from an EST server (`/cacerts`, RFC 7030
/// §4.1). With a fingerprint, the chain must contain the certificate that has it, and is cut after that one. Without, the database must trust the server and the chain; if the
/// server's CA is unknown to it, `ask` gets the last, self-signed certificate and its fingerprint
/// and returns whether to accept it.
///
/// # Errors
/// As [`Certificates::subsystem`]; [`Kind::Http`] for a reply without CA certificates;
/// [`Kind::Untrusted`] when the chain doesn't match the fingerprint
/// or the database's trust, or `ask` denies; those of `ask`.
pub fn chain(
    database: &Database,
    config: &Config,
    fingerprint: Option<Fingerprint>,
    ask: &mut dyn FnMut(&[u8], Fingerprint) -> Result<bool>,
) -> Result<Chain> {
    if let Some(wanted) = fingerprint {
        let presented = fetch(database, config, ServerTrust::Anybody)?;
        return pinned(database, longest(database, &presented, Some(wanted))?, wanted);
    }
    let unknown = match fetch(database, config, ServerTrust::default()) {
        Ok(presented) => {
            let Some(own) = longest(database, &presented, None)?.into_iter().next() else {
                return Err(no_certificates());
            };
            let mut certificates = vec![own.clone()];
            certificates.extend(Paths::new(database, &presented.bag).to_trusted(&own)?);
            check_cas(&certificates)?;
            return Ok(Chain { certificates, vouched: Vouched::Database });
        }
        Err(e) if is_unknown(&e) => e,
        Err(e) => return Err(e),
    };
    let presented = fetch(database, config, ServerTrust::Anybody)?;
    let certificates = longest(database, &presented, None)?;
    let Some(last) = certificates.last() else { return Err(unknown) };
    if !ask(last, Fingerprint::of(database, last)?)? {
        return Err(Error::new(Kind::Untrusted, "the CA's certificate was not confirmed"));
    }
    Ok(Chain { certificates, vouched: Vouched::User })
}

/// The KRA's transport certificate, for which archived keys are encrypted.
#[derive(Debug, Clone)]
pub struct TransportCertificate {
    /// Its DER.
    pub certificate: Vec<u8>,
    /// Warnings about it.
    pub warnings: Vec<String>,
}

/// Fetches the KRA's transport certificate from the CA. The database must trust its issuer, too:
/// whoever has its private key can read archived keys.
///
/// # Errors
/// As [`Certificates::subsystem`]; [`Kind::Untrusted`]; [`Kind::Input`] for a certificate that can't
/// be used to encrypt keys.
pub fn transport_certificate(database: &Database, config: &Config) -> Result<TransportCertificate> {
    let mut transport = config.transport(Some(database), None)?;
    let details = Certificates::new(&mut transport, &config.ca)
        .subsystem(Subsystem::Transport)
        .map_err(|e| match e.http_status() {
            Some(_) => e.hint("only a CA that has a KRA has a transport certificate"),
            None => e,
        })?;
    let what = "the transport certificate of the CA";
    Paths::new(database, &bag(&details))
        .to_trusted(&details.der)
        .map_err(|e| Error::new(Kind::Untrusted, format!("cannot use {what}")).because(e))?;
    let warnings = archive::check(what, &details.der)?;
    Ok(TransportCertificate { certificate: details.der, warnings })
}

/// What a CA presents of itself.
struct Presented {
    /// DER of the certificates one of which may be that of the CA.
    own: Vec<Vec<u8>>,
    /// DER of all certificates.
    bag: Vec<Vec<u8>>,
}

fn fetch(database: &Database, config: &Config, server: ServerTrust) -> Result<Presented> {
    // A password is not for a server that may be any.
    let config = Config { server, login: None, ..config.clone() };
    let mut transport = config.transport(Some(database), None)?;
    if is_est(&config.ca) {
        let url = operation_url(&config.ca, Operation::CaCerts);
        let reply = transport.get(url.as_str(), "application/pkcs7-mime")?;
        let der = est_body(url.as_str(), reply)?;
        let (signed, _) = open_signed_data("the CA's certificates", &der)?;
        let bag = certificates_of(&signed);
        let is_ca =
            |der: &&Vec<u8>| certificate::read(der).and_then(|c| Ok(c.ca()?.0)).unwrap_or_default();
        return Ok(Presented { own: bag.iter().filter(is_ca).cloned().collect(), bag });
    }
    let details = Certificates::new(&mut transport, &config.ca).subsystem(Subsystem::Signing)?;
    Ok(Presented { bag: bag(&details), own: vec![details.der] })
}

fn no_certificates() -> Error {
    Error::new(Kind::Http, "the EST server presents no CA certificate").retry(false)
}

/// Returns whether a server was refused only because its CA is unknown or not trusted.
fn is_unknown(error: &Error) -> bool {
    let fault = error.nss().map(|fault| fault.name.as_str());
    let names = ["SEC_ERROR_UNKNOWN_ISSUER", "SEC_ERROR_UNTRUSTED_ISSUER"];
    error.kind() == Kind::Tls && fault.is_some_and(|name| names.contains(&name))
}

/// Returns the certificates (DER) of the chain in the CA's reply.
fn bag(details: &Details) -> Vec<Vec<u8>> {
    let signed = details.chain.as_deref().map(|der| open_signed_data("the CA's chain", der));
    match signed {
        Some(Ok((signed, _))) => certificates_of(&signed),
        _ => Vec::new(),
    }
}

/// Returns the CA's certificate and its issuers (DER), as far as their signatures are valid. EST doesn't
/// say which certificate is the CA's: it is the one with the most issuers, of those whose chain has
/// the wanted fingerprint, if there are any.
fn longest(
    database: &Database,
    presented: &Presented,
    wanted: Option<Fingerprint>,
) -> Result<Vec<Vec<u8>>> {
    let token = database.token("internal")?;
    let paths = Paths::new(database, &presented.bag);
    let mut best: Option<(bool, Vec<Vec<u8>>)> = None;
    for own in presented.own.iter().take(MOST_CERTIFICATES) {
        let mut certificates = vec![own.clone()];
        certificates.extend(paths.by_signature(&token, own)?);
        let mut is_wanted = false;
        for der in &certificates {
            is_wanted |= Some(Fingerprint::of(database, der)?) == wanted;
        }
        let rank = (is_wanted, certificates.len());
        if best.as_ref().is_none_or(|(wanted, other)| rank > (*wanted, other.len())) {
            best = Some((is_wanted, certificates));
        }
    }
    let Some((_, certificates)) = best else { return Err(no_certificates()) };
    check_cas(&certificates)?;
    Ok(certificates)
}

/// Checks that all are CA certificates that are valid now.
fn check_cas(certificates: &[Vec<u8>]) -> Result<()> {
    let now = Utc::now();
    for der in certificates {
        let read = certificate::read(der)?;
        let subject = || summary(der).map(|s| s.subject).unwrap_or_default();
        if !read.ca()?.0 {
            let what = format!("{} is not a CA certificate", subject());
            return Err(Error::new(Kind::Untrusted, what));
        }
        if read.not_after < now || read.not_before > now {
            let what = format!("the CA certificate {} is not valid now", subject());
            return Err(Error::new(Kind::Untrusted, what).hint("check this machine's clock"));
        }
    }
    Ok(())
}

/// Returns the chain up to the certificate with this fingerprint.
fn pinned(
    database: &Database,
    mut certificates: Vec<Vec<u8>>,
    wanted: Fingerprint,
) -> Result<Chain> {
    let mut seen = Vec::new();
    for der in &certificates {
        seen.push((Fingerprint::of(database, der)?, summary(der)?.subject));
    }
    let Some(at) = seen.iter().position(|(fingerprint, _)| *fingerprint == wanted) else {
        let what = format!("no certificate of the CA has the fingerprint {wanted}");
        let error = Error::new(Kind::Untrusted, what)
            .hint("compare it with the fingerprint that the CA's administrator gives");
        return Err(seen.into_iter().fold(error, |error, (fingerprint, subject)| {
            error.note(format!("{subject} has {fingerprint}"))
        }));
    };
    certificates.truncate(at + 1);
    Ok(Chain { certificates, vouched: Vouched::Fingerprint })
}

/// The result of trusting a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// Nickname of the trusted CA certificate.
    pub nickname: String,
    /// Nicknames of the certificates that were added.
    pub added: Vec<String>,
    /// Whether the trust flags were changed.
    pub trust_set: bool,
}

/// Stores a chain in the database and sets the trust flags `CT,C,C` for its last certificate; the
/// others get no trust. Without a nickname NSS makes one from the subject. A failure rolls back what
/// was added. It logs in to the database's own token; `tell` is called with events.
///
/// # Errors
/// [`Kind::Conflict`] when the nickname belongs to another subject, or another run doesn't release
/// the database in time; [`Kind::Login`]; [`Kind::Refused`].
pub fn trust(
    session: &Session,
    passwords: &Passwords<'_>,
    chain: &Chain,
    nickname: Option<&str>,
    tell: &mut dyn FnMut(Event),
) -> Result<Trusted> {
    let _lock = session.lock_to_trust(passwords, LOCK_TIMEOUT, tell)?;
    let mut added = Vec::new();
    match store(session, chain, nickname, &mut added) {
        Ok((nickname, trust_set)) => {
            let added = added.into_iter().map(|(name, _)| name).collect();
            Ok(Trusted { nickname, added, trust_set })
        }
        Err(e) => {
            Err(added.into_iter().fold(e, |e, (name, certificate)| match certificate.delete() {
                Ok(()) => e,
                Err(f) => e.note(format!("cannot remove {name:?}: {f}")),
            }))
        }
    }
}

fn store(
    session: &Session,
    chain: &Chain,
    nickname: Option<&str>,
    added: &mut Vec<(String, Certificate)>,
) -> Result<(String, bool)> {
    let database = &session.database;
    let internal = database.token("internal")?;
    let held = database.certificates()?;
    let trust = Trust::parse(CA_TRUST)?;
    let mut result = None;
    for (from_last, der) in chain.certificates.iter().rev().enumerate() {
        let is_last = from_last == 0;
        let known = held.iter().find(|c| c.der() == der);
        let name = match known {
            Some(known) => known.nickname().unwrap_or_default(),
            None => {
                let certificate = database.decode_certificate(der)?;
                let made = || database.ca_nickname(&certificate).unwrap_or_else(|| "CA".into());
                let name = match nickname.filter(|_| is_last) {
                    Some(name) => session.new_nickname(name)?,
                    None => made(),
                };
                if database.nickname_conflicts(&name, &certificate)? {
                    let what = format!("the nickname {name:?} belongs to another subject");
                    return Err(Error::new(Kind::Conflict, what).hint("choose another --nickname"));
                }
                internal.import(&certificate, &name)?;
                added.push((name.clone(), certificate));
                name
            }
        };
        if is_last {
            let new = added.last().map(|(_, certificate)| certificate);
            let Some(certificate) = known.or(new) else { continue };
            let set = !certificate.has_trust(&trust)?;
            if set {
                database.set_trust(certificate, &trust)?;
            }
            result = Some((name, set));
        }
    }
    result.ok_or_else(|| Error::new(Kind::Internal, "a chain has at least one certificate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_as_people_have_them() {
        let text = "AB:".repeat(31) + "0F";
        let read = Fingerprint::parse(&text).unwrap();
        assert_eq!(read.to_string(), text);
        for other in [
            text.to_lowercase(),
            text.replace(':', ""),
            text.replace(':', " "),
            format!("sha256:{text}"),
            format!(" SHA256:{} ", text.replace(':', "")),
        ] {
            assert_eq!(Fingerprint::parse(&other).unwrap(), read, "{other}");
        }
        let plus = "+1".repeat(32);
        for bad in ["", "AB", &text[1..], &format!("{text}00"), &text.replace('A', "G"), &plus] {
            assert!(Fingerprint::parse(bad).is_err(), "{bad}");
        }
    }
}
