//! Certificates that are revoked only with an explicit flag: those of the CA and its subsystems,
//! the signer's own, and those that could not be looked up.

use super::target::{Found, Source};
use crate::asn1::certificate;
use crate::asn1::certificate::Certificate;
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::name::{dn_string, name_attributes, same_name};
use crate::asn1::{Number, name, oid};
use crate::client::dogtag::records::{Lookup, Records, State};
use crate::error::{Error, Kind, Result};
use crate::nss::Database;

/// The flags that permit what is refused otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// Permits certificates of CAs and of the subsystems that the CA needs.
    pub ca: bool,
    /// Permits the signer's own certificate, given by serial number.
    pub signer: bool,
    /// Permits a certificate that neither the CA's REST interface nor the database has.
    pub unseen: bool,
}

/// Looks the certificate up at the CA, else in the database. Returns its state at the CA, if that
/// can be queried, and warnings.
pub(super) fn look_up(
    records: &mut Records<'_, '_>,
    database: &Database,
    found: &mut Found,
    allow: Allow,
) -> Result<(Option<State>, Vec<String>)> {
    let number = found.serial.hex();
    let hint = "to go on without having seen it, add --allow-unseen";
    match records.by_serial(&found.serial)? {
        Lookup::Found(record) => {
            let state = record.state.clone();
            let issuer = match record.certificate.as_deref() {
                Some(der) => certificate::fields(der)?.issuer.to_vec(),
                None => name::parse(&record.issuer)?,
            };
            let own = found.der();
            let same = own.is_none()
                || record.certificate.is_none()
                || own == record.certificate.as_deref();
            if !same || !same_name(&issuer, &found.issuer) {
                let meant = dn_string(&found.issuer).unwrap_or_default();
                return Err(Error::new(
                    Kind::Usage,
                    format!(
                        "the CA's certificate {number} is another one: {}, issued by {}",
                        record.subject, record.issuer
                    ),
                )
                .because(format!("asked for is {}, issued by {meant}", found.title()))
                .hint("check --ca, and the certificate or the issuer given"));
            }
            if let Some(der) = record.certificate {
                // Encoded as in the CA's certificate: for a revocation by shared secret Dogtag
                // compares octets.
                found.issuer = issuer;
                found.seen.get_or_insert((der, Source::Ca));
            }
            found.look_in(database)?;
            match found.seen {
                Some(_) => Ok((Some(state), Vec::new())),
                None if allow.unseen => Ok((Some(state), vec![unseen(&number)])),
                None => Err(Error::new(
                    Kind::Usage,
                    format!("refusing to revoke {number} without having seen the certificate"),
                )
                .because("the CA's record has no certificate")
                .hint(hint)),
            }
        }
        Lookup::Absent if allow.unseen => {
            let warning = format!("the CA's records have no certificate {number}");
            found.look_in(database)?;
            Ok((None, vec![warning]))
        }
        Lookup::Absent => {
            Err(Error::new(Kind::NotFound, format!("the CA knows no certificate {number}"))
                .hint("check the serial number, and the CA's address"))
        }
        Lookup::Silent(why) => {
            found.look_in(database)?;
            match found.seen {
                Some(_) => Ok((None, Vec::new())),
                None if allow.unseen => Ok((None, vec![unseen(&number)])),
                None => Err(Error::new(
                    Kind::Usage,
                    format!("refusing to revoke {number} without having seen the certificate"),
                )
                .because(why)
                .hint(hint)),
            }
        }
    }
}

fn unseen(number: &str) -> String {
    format!("--allow-unseen: nothing is known of the certificate {number}")
}

/// The requester, for [`check`].
pub(super) struct Asker<'a> {
    /// DER of the signer's certificate.
    pub(super) signer: Option<&'a [u8]>,
    /// Whether the certificate was given only by its serial number.
    pub(super) by_serial: bool,
    /// The CA's host name.
    pub(super) host: &'a str,
}

/// Refuses a certificate that must not be revoked without a flag; returns warnings if the flag is
/// set.
pub(super) fn check(
    found: &Found,
    asker: &Asker<'_>,
    records: &mut Records<'_, '_>,
    database: &Database,
    allow: Allow,
) -> Result<Vec<String>> {
    let refuse = |why: &str, flag: &str, allowed: bool| {
        let what = found.title();
        if allowed {
            return Ok(format!("{flag}: {what} is {why}"));
        }
        Err(Error::new(Kind::Usage, format!("refusing to revoke {what}: it is {why}"))
            .hint(format!("if that is what you want, add {flag}")))
    };
    let mut warnings = Vec::new();
    let own = asker.signer.and_then(|der| certificate::fields(der).ok()).is_some_and(|f| {
        Number::unsigned(f.serial) == found.serial && same_name(f.issuer, &found.issuer)
    });
    if own && asker.by_serial {
        warnings.push(refuse("the signer's own certificate", "--allow-signer", allow.signer)?);
    }
    let Some(der) = found.der() else { return Ok(warnings) };
    // A certificate that can't be decoded may be one of the CA's.
    let mut role = authority(der, &found.issuer)
        .unwrap_or_else(|e| Some(format!("a certificate whose extensions cannot be read: {e}")));
    // A signer that gives its own certificate, not by number, means it; and looking like a
    // subsystem's proves nothing.
    let meant = own && !asker.by_serial;
    if role.is_none() && !meant {
        role = subsystem(found, asker, records, database)?;
    }
    if let Some(role) = role {
        warnings.push(refuse(&role, "--allow-ca", allow.ca)?);
    }
    Ok(warnings)
}

/// Returns the role of a certificate that signs for a CA, by its extensions.
fn authority(der: &[u8], issuer: &[u8]) -> Result<Option<String>> {
    let some = |text: &str| Ok(Some(text.to_owned()));
    if certificate::fields(der).is_ok_and(|f| same_name(f.subject, issuer)) {
        return some("the CA's own certificate: all that it issued would be worthless");
    }
    let certificate = Certificate::decode(der)?;
    if certificate.ca()?.0 {
        return some("a CA's certificate: all that it issued would be worthless");
    }
    let signs = [KeyUsage::KeyCertSign, KeyUsage::CrlSign];
    if certificate.key_usage()?.is_some_and(|all| all.iter().any(|one| signs.contains(one))) {
        return some("a CA's certificate: its key may sign certificates or CRLs");
    }
    if certificate.has_purpose(oid::KP_OCSP_SIGNING)? {
        return some("an OCSP responder's certificate");
    }
    if certificate.has_purpose(oid::KP_CMC_CA)? {
        return some("a certificate that signs CMC responses for a CA");
    }
    Ok(None)
}

/// Words in the common names that the installers of Dogtag and FreeIPA give to subsystem
/// certificates, in lower case.
const SUBSYSTEMS: &[&str] = &[
    "ocsp signing certificate",
    "audit signing certificate",
    "subsystem certificate",
    "ca subsystem",
    "ocsp subsystem",
    "ca audit",
    "kra audit",
    "transport certificate",
    "storage certificate",
    "issuance protection",
    "ipa ra",
];

/// Returns why a certificate looks like one that the CA needs.
fn subsystem(
    found: &Found,
    asker: &Asker<'_>,
    records: &mut Records<'_, '_>,
    database: &Database,
) -> Result<Option<String>> {
    let (Some(der), Some(subject)) = (found.der(), found.subject()) else { return Ok(None) };
    let purposes = Certificate::decode(der)?.purposes()?.unwrap_or_default();
    let server = purposes.is_empty() || purposes.iter().any(|p| **p == *oid::KP_SERVER_AUTH);
    let names_host = || {
        let certificate = database.decode_certificate(der);
        certificate.is_ok_and(|c| c.verify_name(asker.host).is_ok())
    };
    // Only a serial number can be of the wrong one among a host's certificates.
    if asker.by_serial && server && names_host() {
        return Ok(Some(format!("a server certificate of the CA's own host {}", asker.host)));
    }
    let names = name_attributes(subject)?;
    let has = |keyword: &str, test: &dyn Fn(&str) -> bool| {
        names.iter().any(|(k, value)| *k == keyword && test(&value.to_lowercase()))
    };
    let known = |cn: &str| {
        let cn = format!(" {cn} ");
        SUBSYSTEMS.iter().any(|words| cn.contains(&format!(" {words} ")))
    };
    if has("CN", &known) {
        return Ok(Some("named as the certificate of a CA's subsystem".into()));
    }
    let instance: Vec<String> = name_attributes(&found.issuer)?
        .into_iter()
        .filter(|(k, _)| *k == "OU")
        .map(|(_, value)| value.to_lowercase())
        .filter(|value| value.starts_with("pki-"))
        .collect();
    if has("OU", &|ou| instance.iter().any(|own| own == ou)) {
        return Ok(Some(format!("of the CA's own instance {}", instance.join(", "))));
    }
    if records.api().is_none() {
        return Ok(None);
    }
    let system = records.issued_by(&found.serial)?.is_some_and(|by| by == "system");
    Ok(system.then(|| "made by the CA's installation for itself".into()))
}
