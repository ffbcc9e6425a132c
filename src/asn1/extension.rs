//! Certificate extensions (RFC 5280 §4.2) with decoded values.

use num_bigint::BigInt;
use rasn::prelude::*;
use rasn_pkix as pkix;

use super::key_usage::{self, KeyUsage};
use super::{decode, encode, name, oid};
use crate::error::{Error, Kind, Result};

/// The names of ReasonFlags (RFC 5280 §4.2.1.13), from bit 0.
pub const REASON_FLAGS: [&str; 9] = [
    "unused",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
];

/// An Extension (RFC 5280 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    pub(super) id: ObjectIdentifier,
    /// Whether software that doesn't recognise it must reject the certificate.
    pub critical: bool,
    /// The octets inside its OCTET STRING.
    pub value: Vec<u8>,
}

/// The decoded value of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// subjectKeyIdentifier.
    SubjectKeyIdentifier(Vec<u8>),
    /// keyUsage.
    KeyUsage(Vec<KeyUsage>),
    /// subjectAltName.
    SubjectAltName(Vec<GeneralName>),
    /// issuerAltName.
    IssuerAltName(Vec<GeneralName>),
    /// basicConstraints.
    BasicConstraints(BasicConstraints),
    /// cRLDistributionPoints.
    CrlDistributionPoints(Vec<DistributionPoint>),
    /// certificatePolicies.
    CertificatePolicies(Vec<Policy>),
    /// authorityKeyIdentifier.
    AuthorityKeyIdentifier(AuthorityKeyIdentifier),
    /// extKeyUsage: the purposes in dotted form.
    ExtKeyUsage(Vec<String>),
    /// Any other extension; not decoded.
    Other,
}

/// BasicConstraints (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject is a CA.
    pub ca: bool,
    /// pathLenConstraint: how many CAs may follow below.
    pub path_length: Option<BigInt>,
}

/// A GeneralName (RFC 5280 §4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneralName {
    /// rfc822Name.
    Email(String),
    /// dNSName.
    Dns(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// directoryName, as text.
    Directory(String),
    /// iPAddress: 4 or 16 octets, or 8 or 32 with a mask.
    Ip(Vec<u8>),
    /// registeredID, in dotted form.
    RegisteredId(String),
    /// otherName: its type in dotted form, and the DER of its value.
    Other(String, Vec<u8>),
    /// Another kind of name, or one that can't be decoded.
    Unread,
}

/// A DistributionPoint (RFC 5280 §4.2.1.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPoint {
    /// Where to get the CRL.
    pub name: Option<DistributionPointName>,
    /// The bits of its ReasonFlags, `unused` first.
    pub reasons: Option<Vec<bool>>,
    /// The issuer of the CRL.
    pub crl_issuer: Option<Vec<GeneralName>>,
}

/// A DistributionPointName (RFC 5280 §4.2.1.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistributionPointName {
    /// fullName.
    Full(Vec<GeneralName>),
    /// nameRelativeToCRLIssuer, as text.
    Relative(String),
}

/// PolicyInformation (RFC 5280 §4.2.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The policy, in dotted form.
    pub id: String,
    /// Its qualifiers.
    pub qualifiers: Vec<PolicyQualifier>,
}

/// A PolicyQualifierInfo (RFC 5280 §4.2.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyQualifier {
    /// The qualifier's type, in dotted form.
    pub id: String,
    /// Its value.
    pub value: Qualifier,
}

/// The value of a policy qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qualifier {
    /// CPSuri.
    Cps(String),
    /// UserNotice: organization and notice numbers of the reference, and the explicit text.
    Notice(Option<(DisplayText, Vec<BigInt>)>, Option<DisplayText>),
    /// Another type of qualifier, as DER.
    Other(Vec<u8>),
}

/// A DisplayText (RFC 5280 §4.2.1.4): the name of its ASN.1 type, and the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayText(pub &'static str, pub String);

/// AuthorityKeyIdentifier (RFC 5280 §4.2.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityKeyIdentifier {
    /// keyIdentifier.
    pub key: Option<Vec<u8>>,
    /// authorityCertIssuer.
    pub issuer: Vec<GeneralName>,
    /// authorityCertSerialNumber.
    pub serial: Option<BigInt>,
}

impl Extension {
    pub(crate) fn of(extension: &pkix::Extension) -> Extension {
        let pkix::Extension { extn_id, critical, extn_value } = extension;
        Extension { id: extn_id.clone(), critical: *critical, value: extn_value.to_vec() }
    }

    pub(crate) fn new(id: &Oid, critical: bool, value: Vec<u8>) -> Extension {
        Extension { id: oid::owned(id), critical, value }
    }

    /// For a message.
    pub(crate) fn wire(&self) -> pkix::Extension {
        let Extension { id, critical, value } = self.clone();
        pkix::Extension { extn_id: id, critical, extn_value: value.into() }
    }

    pub(crate) fn is(&self, id: &Oid) -> bool {
        *self.id == *id
    }

    /// Returns the identifier in dotted form.
    pub fn id(&self) -> String {
        oid::dotted(&self.id)
    }

    /// Decodes the value (RFC 5280 §4.2.1).
    ///
    /// # Errors
    /// [`Kind::Input`] when the value isn't of the type that the identifier requires.
    pub fn decode(&self) -> Result<Value> {
        let (id, value) = (&*self.id, &self.value);
        Ok(if *id == *oid::CE_SUBJECT_KEY_IDENTIFIER {
            let id: OctetString = decode("the key identifier", value)?;
            Value::SubjectKeyIdentifier(id.to_vec())
        } else if *id == *oid::CE_KEY_USAGE {
            Value::KeyUsage(key_usage::usages("the key usage", value)?)
        } else if *id == *oid::CE_SUBJECT_ALT_NAME {
            Value::SubjectAltName(general_names(value)?)
        } else if *id == *oid::CE_ISSUER_ALT_NAME {
            Value::IssuerAltName(general_names(value)?)
        } else if *id == *oid::CE_BASIC_CONSTRAINTS {
            Value::BasicConstraints(basic_constraints(value)?)
        } else if *id == *oid::CE_CRL_DISTRIBUTION_POINTS {
            let points: Vec<pkix::DistributionPoint> =
                decode("the CRL distribution points", value)?;
            Value::CrlDistributionPoints(points.iter().map(distribution_point).collect())
        } else if *id == *oid::CE_CERTIFICATE_POLICIES {
            let policies: Vec<pkix::PolicyInformation> = decode("the certificate policies", value)?;
            Value::CertificatePolicies(policies.iter().map(policy).collect::<Result<_>>()?)
        } else if *id == *oid::CE_AUTHORITY_KEY_IDENTIFIER {
            let id: pkix::AuthorityKeyIdentifier = decode("the authority key identifier", value)?;
            Value::AuthorityKeyIdentifier(AuthorityKeyIdentifier {
                key: id.key_identifier.map(|key| key.to_vec()),
                issuer: id.authority_cert_issuer.iter().flatten().map(GeneralName::of).collect(),
                serial: id.authority_cert_serial_number.map(BigInt::from),
            })
        } else if *id == *oid::CE_EXT_KEY_USAGE {
            Value::ExtKeyUsage(
                key_usage::purposes("the extended key usage", value)?
                    .iter()
                    .map(|id| oid::dotted(id))
                    .collect(),
            )
        } else {
            Value::Other
        })
    }
}

pub(super) fn basic_constraints(value: &[u8]) -> Result<BasicConstraints> {
    let constraints: pkix::BasicConstraints = decode("the basic constraints", value)?;
    let path_length = constraints.path_len_constraint.map(BigInt::from);
    Ok(BasicConstraints { ca: constraints.ca, path_length })
}

/// Decodes GeneralNames (RFC 5280 §4.2.1.6), each name separately, so that an undecodable one hides
/// no other.
///
/// # Errors
/// [`Kind::Input`] when the value isn't a SEQUENCE of elements.
pub(crate) fn general_names(der: &[u8]) -> Result<Vec<GeneralName>> {
    let names: Vec<Any> = decode("the alternative names", der)?;
    Ok(names.iter().map(|name| general_name(name.as_bytes())).collect())
}

/// OtherName (RFC 5280 §4.2.1.6) with a value of any type: rasn's type accepts only OCTET STRINGs,
/// and a UPN is a UTF8String.
#[derive(AsnType, Decode)]
#[rasn(tag(0))]
struct OtherName {
    type_id: ObjectIdentifier,
    #[rasn(tag(explicit(0)))]
    value: Any,
}

pub(crate) fn general_name(der: &[u8]) -> GeneralName {
    if der.first() == Some(&0xa0) {
        let other = decode::<OtherName>("another name", der);
        return other.map_or(GeneralName::Unread, |other| {
            GeneralName::Other(oid::dotted(&other.type_id), other.value.as_bytes().to_vec())
        });
    }
    let name = decode::<pkix::GeneralName>("an alternative name", der);
    name.map_or(GeneralName::Unread, |name| GeneralName::of(&name))
}

impl GeneralName {
    fn of(name: &pkix::GeneralName) -> GeneralName {
        match name {
            pkix::GeneralName::Rfc822Name(mail) => GeneralName::Email(mail.to_string()),
            pkix::GeneralName::DnsName(host) => GeneralName::Dns(host.to_string()),
            pkix::GeneralName::Uri(uri) => GeneralName::Uri(uri.to_string()),
            pkix::GeneralName::RegisteredId(id) => GeneralName::RegisteredId(oid::dotted(id)),
            pkix::GeneralName::DirectoryName(name) => GeneralName::Directory(name::dn(name)),
            pkix::GeneralName::IpAddress(octets) => GeneralName::Ip(octets.to_vec()),
            pkix::GeneralName::OtherName(_)
            | pkix::GeneralName::X400Address(_)
            | pkix::GeneralName::EdiPartyName(_) => GeneralName::Unread,
        }
    }
}

fn distribution_point(point: &pkix::DistributionPoint) -> DistributionPoint {
    let names = |names: &Vec<pkix::GeneralName>| names.iter().map(GeneralName::of).collect();
    DistributionPoint {
        name: point.distribution_point.as_ref().map(|name| match name {
            pkix::DistributionPointName::FullName(all) => DistributionPointName::Full(names(all)),
            pkix::DistributionPointName::NameRelativeToCrlIssuer(rdn) => {
                DistributionPointName::Relative(name::rdn(rdn))
            }
        }),
        reasons: point.reasons.as_ref().map(|bits| bits.iter().map(|bit| *bit).collect()),
        crl_issuer: point.crl_issuer.as_ref().map(names),
    }
}

fn policy(policy: &pkix::PolicyInformation) -> Result<Policy> {
    let qualifiers = policy.policy_qualifiers.iter().flatten().map(policy_qualifier);
    Ok(Policy {
        id: oid::dotted(&policy.policy_identifier),
        qualifiers: qualifiers.collect::<Result<_>>()?,
    })
}

fn policy_qualifier(info: &pkix::PolicyQualifierInfo) -> Result<PolicyQualifier> {
    let der = info.qualifier.as_bytes();
    let value = if *info.id == *oid::QT_CPS {
        let uri: Ia5String = decode("a CPS pointer", der)?;
        Qualifier::Cps(uri.to_string())
    } else if *info.id == *oid::QT_UNOTICE {
        let notice: pkix::UserNotice = decode("a user notice", der)?;
        let reference = notice.notice_ref.map(|reference| {
            let numbers = reference.notice_numbers.iter().cloned().map(BigInt::from).collect();
            display_text(&reference.organisation).map(|organization| (organization, numbers))
        });
        let text = notice.explicit_text.as_ref().map(display_text);
        Qualifier::Notice(reference.transpose()?, text.transpose()?)
    } else {
        Qualifier::Other(der.to_vec())
    };
    Ok(PolicyQualifier { id: oid::dotted(&info.id), value })
}

fn display_text(text: &pkix::DisplayText) -> Result<DisplayText> {
    let kind = match text {
        pkix::DisplayText::Ia5String(_) => "IA5String",
        pkix::DisplayText::VisibleString(_) => "VisibleString",
        pkix::DisplayText::BmpString(_) => "BMPString",
        pkix::DisplayText::Utf8String(_) => "UTF8String",
    };
    let characters = name::characters(&encode("a display text", text)?)
        .ok_or_else(|| Error::new(Kind::Input, "cannot read a display text"))?;
    Ok(DisplayText(kind, characters))
}
