//! A certificate as its verifier reads it (RFC 5280): what is signed, by what, and what the extensions
//! allow. Signed octets are kept as they arrived.

use chrono::{DateTime, FixedOffset, Utc};
use rasn::types::Oid;
use rasn_pkix::{BasicConstraints, Extension, Time};

use super::canonical::children;
use super::key_usage::{self, KeyUsage};
use super::x509::{CertificateFields, certificate_fields};
use super::{decode, oid, split_tlv};
use crate::error::{Error, Kind, Result};

/// A decoded certificate, nothing of it verified.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// The certificate.
    pub der: &'a [u8],
    /// Names, key and serial number, as they stand there.
    pub fields: CertificateFields<'a>,
    /// What is signed.
    pub signed: &'a [u8],
    /// Content octets of the signature algorithm's OBJECT IDENTIFIER.
    pub algorithm: &'a [u8],
    /// DER of the signature algorithm's parameters; empty when there are none.
    pub parameters: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// First moment it is valid.
    pub not_before: DateTime<Utc>,
    /// Last moment it is valid.
    pub not_after: DateTime<Utc>,
    extensions: Vec<Extension>,
}

/// Extensions that a verifier of paths knows, or that only restrict what others do: a critical one
/// besides these makes a certificate no issuer.
const KNOWN: &[&Oid] = &[
    oid::CE_SUBJECT_KEY_IDENTIFIER,
    oid::CE_KEY_USAGE,
    oid::CE_SUBJECT_ALT_NAME,
    oid::CE_BASIC_CONSTRAINTS,
    oid::CE_NAME_CONSTRAINTS,
    oid::CE_CRL_DISTRIBUTION_POINTS,
    oid::CE_CERTIFICATE_POLICIES,
    oid::CE_POLICY_MAPPINGS,
    oid::CE_AUTHORITY_KEY_IDENTIFIER,
    oid::CE_POLICY_CONSTRAINTS,
    oid::CE_EXT_KEY_USAGE,
    oid::CE_INHIBIT_ANY_POLICY,
];

/// Reads a certificate.
///
/// # Errors
/// [`Kind::Input`]; also when the two places that name the signature algorithm differ, when an
/// extension occurs twice, or when octets follow.
pub fn read(der: &[u8]) -> Result<Certificate<'_>> {
    let bad = || Error::new(Kind::Input, "invalid certificate");
    let fields = certificate_fields(der)?;
    let decoded: rasn_pkix::Certificate = decode("a certificate", der)?;
    let tbs = decoded.tbs_certificate;
    let Some((0x30, content, [])) = split_tlv(der) else { return Err(bad()) };
    let parts = children(content).ok_or_else(bad)?;
    let [signed, identifier, signature] = parts[..] else { return Err(bad()) };
    let (algorithm, parameters) = algorithm(identifier).ok_or_else(bad)?;
    let Some((0x03, [0, signature @ ..], [])) = split_tlv(signature) else { return Err(bad()) };
    if tbs.signature != decoded.signature_algorithm {
        return Err(bad().because("its two signature algorithms differ"));
    }
    let extensions: Vec<Extension> =
        tbs.extensions.iter().flat_map(|e| e.iter()).cloned().collect();
    let twice = |(n, e): (usize, &Extension)| {
        extensions.iter().take(n).any(|other| other.extn_id == e.extn_id)
    };
    if extensions.iter().enumerate().any(twice) {
        return Err(bad().because("an extension occurs twice"));
    }
    Ok(Certificate {
        der,
        fields,
        signed,
        algorithm,
        parameters,
        signature,
        not_before: utc(&tbs.validity.not_before),
        not_after: utc(&tbs.validity.not_after),
        extensions,
    })
}

/// Splits DER of an AlgorithmIdentifier into the identifier's content octets and the parameters.
pub fn algorithm(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (0x30, content, []) = split_tlv(der)? else { return None };
    let (0x06, id, parameters) = split_tlv(content)? else { return None };
    Some((id, parameters))
}

fn utc(time: &Time) -> DateTime<Utc> {
    match time {
        Time::Utc(t) => *t,
        Time::General(t) => DateTime::<FixedOffset>::to_utc(t),
    }
}

impl Certificate<'_> {
    /// The value of an extension.
    fn value(&self, id: &Oid) -> Option<&[u8]> {
        self.extensions.iter().find(|e| *e.extn_id == *id).map(|e| &e.extn_value[..])
    }

    /// Returns whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.fields.subject == self.fields.issuer
    }

    /// Returns whether basicConstraints says CA, and how many CAs may follow below.
    ///
    /// # Errors
    /// [`Kind::Input`] for an extension that can't be decoded; so below.
    pub fn ca(&self) -> Result<(bool, Option<u64>)> {
        let Some(value) = self.value(oid::CE_BASIC_CONSTRAINTS) else { return Ok((false, None)) };
        let constraints: BasicConstraints = decode("an extension", value)?;
        let most = constraints.path_len_constraint;
        // A length that is no count allows nothing.
        Ok((constraints.ca, most.map(|n| u64::try_from(&n).unwrap_or(0))))
    }

    /// Returns whether the key may be used so: keyUsage says it, or isn't there.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub fn may(&self, uses: &[KeyUsage]) -> Result<bool> {
        let Some(value) = self.value(oid::CE_KEY_USAGE) else { return Ok(true) };
        let granted = key_usage::usages("an extension", value)?;
        Ok(uses.iter().any(|wanted| granted.contains(wanted)))
    }

    /// Returns whether extKeyUsage names this purpose.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub fn has_purpose(&self, purpose: &Oid) -> Result<bool> {
        let Some(value) = self.value(oid::CE_EXT_KEY_USAGE) else { return Ok(false) };
        let purposes = key_usage::purposes("an extension", value)?;
        Ok(purposes.iter().any(|id| **id == *purpose))
    }

    /// Returns subjectKeyIdentifier's octets.
    pub fn key_identifier(&self) -> Option<&[u8]> {
        let found = self.extensions.iter().find(|e| *e.extn_id == *oid::CE_SUBJECT_KEY_IDENTIFIER);
        match split_tlv(&found?.extn_value)? {
            (0x04, id, []) => Some(id),
            _ => None,
        }
    }

    /// Returns the key identifier in authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        let id = oid::CE_AUTHORITY_KEY_IDENTIFIER;
        let found = self.extensions.iter().find(|e| *e.extn_id == *id);
        let (0x30, content, []) = split_tlv(&found?.extn_value)? else { return None };
        match split_tlv(content)? {
            (0x80, id, _) => Some(id),
            _ => None,
        }
    }

    /// Returns whether it holds those below it to names.
    pub fn constrains_names(&self) -> bool {
        self.extensions.iter().any(|e| *e.extn_id == *oid::CE_NAME_CONSTRAINTS)
    }

    /// Returns a critical extension that no verifier here knows, in dotted form.
    pub fn unknown_critical(&self) -> Option<String> {
        let unknown = |e: &&Extension| e.critical && !KNOWN.iter().any(|k| *e.extn_id == **k);
        self.extensions.iter().find(unknown).map(|e| oid::dotted(&e.extn_id))
    }
}
