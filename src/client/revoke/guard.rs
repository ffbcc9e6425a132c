//! Certificates that are revoked only with an explicit flag: those of the CA and its subsystems,
//! the signer's own, and those that could not be looked up.

use std::fmt;

use super::Notice;
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

/// Why a certificate is revoked only with a flag.
#[derive(Debug)]
pub enum Protection {
    /// It is the signer's own, given by serial number.
    Signer,
    /// It is the certificate of the CA that issued it.
    IssuingCa,
    /// It is a CA's certificate by basicConstraints.
    Ca,
    /// Its keyUsage has keyCertSign or cRLSign.
    CaKey,
    /// Its extKeyUsage has id-kp-OCSPSigning.
    OcspResponder,
    /// Its extKeyUsage has id-kp-cmcCA.
    CmcSigner,
    /// It is a server certificate for the CA's host, of this name.
    Server(String),
    /// Its common name is that of a subsystem's certificate.
    Subsystem,
    /// Its subject has this OU of the CA's own instance.
    Instance(String),
    /// In the CA's records its requester is the installation of the CA.
    Installation,
    /// Its extensions can't be decoded; it may be one of the CA's.
    Undecodable(Error),
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protection::Signer => "the signer's own certificate",
            Protection::IssuingCa => {
                "the CA's own certificate; all certificates it issued would be invalid"
            }
            Protection::Ca => "a CA certificate; all certificates it issued would be invalid",
            Protection::CaKey => "a CA certificate; its key may sign certificates or CRLs",
            Protection::OcspResponder => "an OCSP responder's certificate",
            Protection::CmcSigner => "a certificate that signs CMC responses for a CA",
            Protection::Server(host) => {
                return write!(f, "a server certificate of the CA's host {host}");
            }
            Protection::Subsystem => "a certificate of a CA subsystem, by its name",
            Protection::Instance(ou) => {
                return write!(f, "a certificate of the CA's instance {ou}");
            }
            Protection::Installation => "a certificate that the CA's installation issued",
            Protection::Undecodable(e) => {
                return write!(f, "a certificate whose extensions cannot be read: {e}");
            }
        })
    }
}

/// Looks the certificate up at the CA, else in the database. Returns its state at the CA, if that
/// can be queried, and a notice.
pub(super) fn look_up(
    records: &mut Records<'_, '_>,
    database: &Database,
    found: &mut Found,
    allow: Allow,
) -> Result<(Option<State>, Option<Notice>)> {
    let number = found.serial.hex();
    let hint = "add --allow-unseen to continue without the certificate";
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
                        "certificate {number} at the CA does not match: it is {}, issued by {}",
                        record.subject, record.issuer
                    ),
                )
                .because(format!("requested is {}, issued by {meant}", found.title()))
                .hint("check --ca, and the certificate or issuer given"));
            }
            if let Some(der) = record.certificate {
                // Encoded as in the CA's certificate: for a revocation by shared secret Dogtag
                // compares octets.
                found.issuer = issuer;
                found.seen.get_or_insert((der, Source::Ca));
            }
            found.look_in(database)?;
            match found.seen {
                Some(_) => Ok((Some(state), None)),
                None if allow.unseen => Ok((Some(state), Some(Notice::Unseen))),
                None => Err(Error::new(
                    Kind::Usage,
                    format!("refusing to revoke {number}: certificate not found"),
                )
                .because("the CA's record has no certificate")
                .hint(hint)),
            }
        }
        Lookup::Absent if allow.unseen => {
            found.look_in(database)?;
            Ok((None, Some(Notice::NotRecorded)))
        }
        Lookup::Absent => {
            Err(Error::new(Kind::NotFound, format!("certificate {number} not found at the CA"))
                .hint("check --serial and --ca"))
        }
        Lookup::Silent(why) => {
            found.look_in(database)?;
            match found.seen {
                Some(_) => Ok((None, None)),
                None if allow.unseen => Ok((None, Some(Notice::Unseen))),
                None => Err(Error::new(
                    Kind::Usage,
                    format!("refusing to revoke {number}: certificate not found"),
                )
                .because(why)
                .hint(hint)),
            }
        }
    }
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

/// Refuses a certificate that must not be revoked without a flag; returns notices if the flag is
/// set.
pub(super) fn check(
    found: &Found,
    asker: &Asker<'_>,
    records: &mut Records<'_, '_>,
    database: &Database,
    allow: Allow,
) -> Result<Vec<Notice>> {
    let refuse = |why: Protection, flag: &str, allowed: bool| {
        if allowed {
            return Ok(Notice::Permitted(why));
        }
        let what = found.title();
        Err(Error::new(Kind::Usage, format!("refusing to revoke {what}: it is {why}"))
            .hint(format!("add {flag} to revoke it anyway")))
    };
    let mut notices = Vec::new();
    let own = asker.signer.and_then(|der| certificate::fields(der).ok()).is_some_and(|f| {
        Number::unsigned(f.serial) == found.serial && same_name(f.issuer, &found.issuer)
    });
    if own && asker.by_serial {
        notices.push(refuse(Protection::Signer, "--allow-signer", allow.signer)?);
    }
    let Some(der) = found.der() else { return Ok(notices) };
    // A certificate that can't be decoded may be one of the CA's.
    let mut role =
        authority(der, &found.issuer).unwrap_or_else(|e| Some(Protection::Undecodable(e)));
    // A signer that gives its own certificate, not by number, means it; and looking like a
    // subsystem's proves nothing.
    let meant = own && !asker.by_serial;
    if role.is_none() && !meant {
        role = subsystem(found, asker, records, database)?;
    }
    if let Some(role) = role {
        notices.push(refuse(role, "--allow-ca", allow.ca)?);
    }
    Ok(notices)
}

/// Returns the role of a certificate that signs for a CA, by its extensions.
fn authority(der: &[u8], issuer: &[u8]) -> Result<Option<Protection>> {
    if certificate::fields(der).is_ok_and(|f| same_name(f.subject, issuer)) {
        return Ok(Some(Protection::IssuingCa));
    }
    let certificate = Certificate::decode(der)?;
    if certificate.ca()?.0 {
        return Ok(Some(Protection::Ca));
    }
    let signs = [KeyUsage::KeyCertSign, KeyUsage::CrlSign];
    if certificate.key_usage()?.is_some_and(|all| all.iter().any(|one| signs.contains(one))) {
        return Ok(Some(Protection::CaKey));
    }
    if certificate.has_purpose(oid::KP_OCSP_SIGNING)? {
        return Ok(Some(Protection::OcspResponder));
    }
    if certificate.has_purpose(oid::KP_CMC_CA)? {
        return Ok(Some(Protection::CmcSigner));
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
) -> Result<Option<Protection>> {
    let (Some(der), Some(subject)) = (found.der(), found.subject()) else { return Ok(None) };
    let purposes = Certificate::decode(der)?.purposes()?.unwrap_or_default();
    let server = purposes.is_empty() || purposes.iter().any(|p| **p == *oid::KP_SERVER_AUTH);
    let names_host = || {
        let certificate = database.decode_certificate(der);
        certificate.is_ok_and(|c| c.verify_name(asker.host).is_ok())
    };
    // Only a serial number can be of the wrong one among a host's certificates.
    if asker.by_serial && server && names_host() {
        return Ok(Some(Protection::Server(asker.host.to_owned())));
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
        return Ok(Some(Protection::Subsystem));
    }
    let instance: Vec<String> = name_attributes(&found.issuer)?
        .into_iter()
        .filter(|(k, _)| *k == "OU")
        .map(|(_, value)| value.to_lowercase())
        .filter(|value| value.starts_with("pki-"))
        .collect();
    if has("OU", &|ou| instance.iter().any(|own| own == ou)) {
        return Ok(Some(Protection::Instance(instance.join(", "))));
    }
    if records.api().is_none() {
        return Ok(None);
    }
    let system = records.issued_by(&found.serial)?.is_some_and(|by| by == "system");
    Ok(system.then_some(Protection::Installation))
}
