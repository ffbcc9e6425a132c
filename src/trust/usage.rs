//! Verifies with NSS that a certificate is valid for a usage, against the database's trust flags.
//!
//! A certificate is verified before it is imported, without the trust flags that the import sets.
//! The exception is a self-signed CA, which no other certificate can prove: if the import makes it
//! trusted for the usage, the objection that it isn't trusted yet is dropped. Its signature, dates,
//! basicConstraints, keyUsage and extKeyUsage are verified nevertheless.

use std::fmt;

use rasn::types::{ObjectIdentifier, Oid};

use super::path::{Paths, who};
use crate::asn1::certificate;
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::oid;
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, Fault, Trust, Usage};

/// An objection to one certificate of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// Its subject, for messages.
    pub subject: String,
    /// Its position in the path: 0 is the verified certificate.
    pub depth: u32,
    /// The reason.
    pub why: Why,
}

/// The reason of an objection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The NSS fault.
    Nss(Fault),
    /// The certificate isn't a CA's by its basicConstraints (RFC 5280 §4.2.1.9).
    NotCa,
}

impl Why {
    /// Returns whether the certificate's issuer is missing or not trusted.
    fn is_about_issuer(&self) -> bool {
        matches!(self, Why::Nss(fault) if fault.is_about_issuer())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Nss(fault) if fault.code == 0 => write!(f, "{fault}"),
            Why::Nss(fault) => write!(f, "{} ({}): {}", fault.name, fault.code, fault.text),
            Why::NotCa => f.write_str("it is not a CA (basicConstraints)"),
        }
    }
}

/// Self-signed CAs (DER) that the import makes trusted, each with its trust flags.
pub type Anchors = Vec<(Vec<u8>, Trust)>;

/// Returns the objections to `certificate` and its issuers for a usage, those to the certificate
/// first; none if it is valid. Neither the certificate nor its issuers need be in the database: NSS
/// also uses decoded certificates that are not yet freed.
pub fn objections(
    database: &Database,
    certificate: &Certificate,
    usage: Usage,
    anchors: &Anchors,
) -> Vec<Objection> {
    let subject = |der: &[u8]| {
        certificate::read(der).map_or_else(|_| "(unreadable certificate)".into(), |c| who(&c))
    };
    let objection = |der: &[u8], depth, why| Objection {
        certificate: der.to_vec(),
        subject: subject(der),
        depth,
        why,
    };
    let der = certificate.der();
    let mut found = Vec::new();
    if usage == Usage::AnyCa && !is_ca(der) {
        found.push(objection(der, 0, Why::NotCa));
    }
    let Err(fault) = database.verify(certificate, usage) else { return found };
    let mut problems = database.problems(certificate, usage);
    let all = problems.len();
    problems.retain(|p| {
        let anchor = anchors.iter().find(|(der, _)| *der == p.certificate);
        let vouched_for = anchor.is_some_and(|(_, trust)| covers(trust, usage));
        !(fault.is_about_issuer() && p.is_untrusted_root() && vouched_for)
    });
    let vouched_for = problems.len() < all;
    for p in problems {
        let one = objection(&p.certificate, p.depth, Why::Nss(p.fault));
        if !found.contains(&one) {
            found.push(one);
        }
    }
    if found.is_empty() && !vouched_for {
        found.push(objection(der, 0, Why::Nss(fault)));
    }
    found
}

/// Verifies that a certificate is valid for a usage, as [`objections`] does.
///
/// # Errors
/// [`Kind::Untrusted`]; with a note for each objection if there are several, or if it concerns an
/// issuer.
pub fn judge(
    database: &Database,
    certificate: &Certificate,
    usage: Usage,
    anchors: &Anchors,
) -> Result<()> {
    let found = objections(database, certificate, usage, anchors);
    let Some(first) = found.first() else { return Ok(()) };
    let whose = certificate::read(certificate.der()).map_or_else(|_| String::new(), |c| who(&c));
    let what = format!("the certificate of {whose} is not valid for the usage {}", usage.name());
    let error = match &first.why {
        Why::Nss(fault) => Error::new(Kind::Untrusted, what).because(fault.clone()),
        Why::NotCa => Error::new(Kind::Untrusted, what).because(first.why.to_string()),
    };
    // With any other objection, more trust doesn't help.
    let error = if found.iter().all(|o| o.why.is_about_issuer()) {
        error.hint("import its issuers first, the root CA with --trust CT,C,C")
    } else {
        error
    };
    if let [Objection { depth: 0, .. }] = found.as_slice() {
        return Err(error);
    }
    Err(found.iter().fold(error, |error, o| error.note(format!("{}: {}", o.subject, o.why))))
}

/// Returns the issuers of `der` among `others` (DER), found by their signatures, nearest first.
pub fn issuers_among(database: &Database, der: &[u8], others: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let paths = Paths::new(database, &[]);
    let signed = |issuer: &[u8], subject: &[u8]| {
        let (Ok(issuer), Ok(subject)) = (certificate::read(issuer), certificate::read(subject))
        else {
            return false;
        };
        issuer.fields.subject == subject.fields.issuer && paths.link(&subject, &issuer).is_ok()
    };
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut above = 0;
    let mut at = der.to_vec();
    loop {
        for other in others {
            if other != der && !found.contains(other) && signed(other, &at) {
                found.push(other.clone());
            }
        }
        let Some(next) = found.get(above) else { return found };
        at = next.clone();
        above += 1;
    }
}

/// Returns whether a certificate to be imported with these trust flags is a self-signed CA, by its
/// signature, that the flags make trusted, and that the database doesn't distrust for any usage.
pub fn is_anchor(database: &Database, certificate: &Certificate, trust: &Trust) -> bool {
    let der = certificate.der();
    let held = database.certificates_named(certificate.subject());
    let distrusted = held.iter().any(|c| c.der() == der && c.trust_text().contains('p'));
    !distrusted
        && is_ca(der)
        && certificate::read(der).is_ok_and(|c| Paths::new(database, &[]).is_self_signed(&c))
        && Usage::ALL.into_iter().any(|usage| covers(trust, usage))
}

/// Returns whether a CA's trust flags are enough for certificates of a usage, as NSS decides it.
fn covers(trust: &Trust, usage: Usage) -> bool {
    let fields: Vec<&str> = trust.as_str().split(',').collect();
    let has = |field: usize, flag| fields.get(field).is_some_and(|f| f.contains(flag));
    match usage {
        Usage::SslClient => has(0, 'T'),
        Usage::SslServer | Usage::SslCa | Usage::Ipsec => has(0, 'C'),
        Usage::EmailSigner | Usage::EmailRecipient => has(1, 'C'),
        Usage::ObjectSigner => has(2, 'C'),
        Usage::StatusResponder | Usage::AnyCa => (0..3).any(|field| has(field, 'C')),
    }
}

/// Returns whether a certificate (DER) is a CA's by its basicConstraints (RFC 5280 §4.2.1.9).
pub fn is_ca(der: &[u8]) -> bool {
    certificate::read(der).and_then(|c| c.ca()).is_ok_and(|(ca, _)| ca)
}

/// Returns the usage that a certificate (DER) names: CA, else the first purpose in its extKeyUsage in
/// the order server, client, e-mail, OCSP responder, code; `None` if it names none.
///
/// # Errors
/// [`Kind::Input`] for a certificate that can't be decoded.
pub fn purpose(der: &[u8]) -> Result<Option<Usage>> {
    let read = certificate::read(der)?;
    if read.ca()?.0 {
        return Ok(Some(Usage::SslCa));
    }
    let email = match read.may(&[KeyUsage::DigitalSignature, KeyUsage::NonRepudiation])? {
        true => Usage::EmailSigner,
        false => Usage::EmailRecipient,
    };
    for (id, usage) in [
        (oid::KP_SERVER_AUTH, Usage::SslServer),
        (oid::KP_CLIENT_AUTH, Usage::SslClient),
        (oid::KP_EMAIL_PROTECTION, email),
        (oid::KP_OCSP_SIGNING, Usage::StatusResponder),
        (oid::KP_CODE_SIGNING, Usage::ObjectSigner),
    ] {
        if read.has_purpose(id)? {
            return Ok(Some(usage));
        }
    }
    Ok(None)
}

/// Returns whether basicConstraints, keyUsage and extKeyUsage of a certificate (DER) permit a usage.
/// An absent extension permits every usage except a CA's and an OCSP responder's (RFC 6960
/// §4.2.2.2). Neither its validity nor its chain is looked at.
///
/// # Errors
/// [`Kind::Input`] for a certificate that can't be decoded.
pub fn permits(der: &[u8], usage: Usage) -> Result<bool> {
    use KeyUsage::{DigitalSignature, KeyAgreement, KeyCertSign, KeyEncipherment, NonRepudiation};
    let read = certificate::read(der)?;
    let purpose = |ids: &[&Oid]| -> Result<bool> {
        let named = |all: Vec<ObjectIdentifier>| all.iter().any(|id| ids.contains(&&**id));
        Ok(read.purposes()?.is_none_or(named))
    };
    let any = oid::ANY_EXTENDED_KEY_USAGE;
    Ok(match usage {
        Usage::SslClient => {
            purpose(&[oid::KP_CLIENT_AUTH, any])? && read.may(&[DigitalSignature, KeyAgreement])?
        }
        Usage::SslServer => {
            purpose(&[oid::KP_SERVER_AUTH, any])?
                && read.may(&[DigitalSignature, KeyEncipherment, KeyAgreement])?
        }
        Usage::SslCa | Usage::AnyCa => read.ca()?.0 && read.may(&[KeyCertSign])?,
        Usage::EmailSigner => {
            purpose(&[oid::KP_EMAIL_PROTECTION, any])?
                && read.may(&[DigitalSignature, NonRepudiation])?
        }
        Usage::EmailRecipient => {
            purpose(&[oid::KP_EMAIL_PROTECTION, any])?
                && read.may(&[KeyEncipherment, KeyAgreement])?
        }
        Usage::StatusResponder => {
            read.has_purpose(oid::KP_OCSP_SIGNING)? && read.may(&[DigitalSignature])?
        }
        Usage::ObjectSigner => {
            purpose(&[oid::KP_CODE_SIGNING, any])? && read.may(&[DigitalSignature])?
        }
        Usage::Ipsec => {
            purpose(&[oid::KP_IPSEC_IKE, any])? && read.may(&[DigitalSignature, NonRepudiation])?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_counts_for_the_usages_that_nss_takes_it_for() {
        let covered = |text: &str| {
            let trust = Trust::parse(text).unwrap();
            let all = Usage::ALL.into_iter().filter(|usage| covers(&trust, *usage));
            all.map(Usage::name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(covered(",,"), "");
        assert_eq!(covered("P,P,P"), "");
        assert_eq!(covered("c,c,c"), "");
        assert_eq!(covered("T,,"), "client");
        assert_eq!(covered("C,,"), "server ca any-ca ocsp-responder ipsec");
        assert_eq!(covered(",C,"), "any-ca email-signer email-recipient ocsp-responder");
        assert_eq!(covered(",,C"), "any-ca ocsp-responder object-signer");
    }
}
