//! A certificate (RFC 5280 §4.1), decoded once: its fields and its extensions. Octets that are
//! hashed, signed or compared are kept as received; nothing is verified.

use chrono::{DateTime, FixedOffset, Utc};
use num_bigint::BigInt;
use rasn::types::{ObjectIdentifier, Oid};
use rasn_pkix::algorithms::RsaPublicKey;
use rasn_pkix::{AlgorithmIdentifier, SubjectPublicKeyInfo, Time};

use super::canonical::children;
pub use super::extension::{
    AuthorityKeyIdentifier, BasicConstraints, DisplayText, DistributionPoint,
    DistributionPointName, Extension, GeneralName, Policy, PolicyQualifier, Qualifier,
    REASON_FLAGS, Value,
};
pub use super::key_usage::KeyUsage;
pub use super::summary::{Summary, summary};

use super::{any, decode, extension, key_usage, oid, split_tlv};
use crate::error::{Error, Kind, Result};

/// The fields of a certificate, each as the octets received: a certificate is never re-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// INTEGER content octets of the serial number.
    pub serial: &'a [u8],
    /// DER of the issuer Name.
    pub issuer: &'a [u8],
    /// DER of the subject Name.
    pub subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// DER of the Validity.
    pub validity: &'a [u8],
}

/// Reads only a certificate's outer fields (RFC 5280 §4.1); their content, and anything after them,
/// isn't checked.
///
/// # Errors
/// [`Kind::Input`].
pub fn fields(der: &[u8]) -> Result<Fields<'_>> {
    outer(der).ok_or_else(|| Error::new(Kind::Input, "cannot decode a certificate"))
}

fn outer(der: &[u8]) -> Option<Fields<'_>> {
    /// Returns the next element, with and without its header, and what follows it.
    fn next(at: &[u8]) -> Option<(u8, &[u8], &[u8])> {
        let (tag, _, rest) = split_tlv(at)?;
        Some((tag, at.get(..at.len() - rest.len())?, rest))
    }
    let (0x30, certificate, _) = split_tlv(der)? else { return None };
    let (0x30, mut at, _) = split_tlv(certificate)? else { return None };
    if at.first() == Some(&0xa0) {
        at = next(at)?.2;
    }
    let (0x02, serial, rest) = split_tlv(at)? else { return None };
    let (0x30, _signature, rest) = next(rest)? else { return None };
    let (0x30, issuer, rest) = next(rest)? else { return None };
    let (0x30, validity, rest) = next(rest)? else { return None };
    let (0x30, subject, rest) = next(rest)? else { return None };
    let (0x30, spki, _) = next(rest)? else { return None };
    Some(Fields { serial, issuer, subject, spki, validity })
}

/// A decoded certificate (RFC 5280 §4.1); nothing is verified.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// DER of the certificate.
    pub der: &'a [u8],
    /// Names, key and serial number, as received.
    pub fields: Fields<'a>,
    /// The version; 3 for most.
    pub version: u64,
    /// DER of the tbsCertificate, the signed part.
    pub signed: &'a [u8],
    /// Content octets of the signature algorithm's OBJECT IDENTIFIER.
    pub algorithm: &'a [u8],
    /// DER of the signature algorithm's parameters; empty when there are none.
    pub parameters: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// The signature algorithm.
    pub signature_algorithm: Algorithm,
    /// Start of validity.
    pub not_before: DateTime<Utc>,
    /// End of validity.
    pub not_after: DateTime<Utc>,
    /// The extensions, in their order.
    pub extensions: Vec<Extension>,
}

/// An AlgorithmIdentifier (RFC 5280 §4.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithm {
    /// The identifier in dotted form.
    pub id: String,
    /// DER of the parameters; empty when there are none.
    pub parameters: Vec<u8>,
}

/// A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The octets of the BIT STRING.
    pub bits: Vec<u8>,
    /// Modulus and public exponent, if it is an RSA key.
    pub rsa: Option<(Vec<u8>, BigInt)>,
}

/// Critical extensions that path verification handles, or that only restrict other uses. A
/// certificate with another critical extension is not accepted as an issuer.
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

/// Decodes a certificate for verification; stricter than [`Certificate::decode`].
///
/// # Errors
/// [`Kind::Input`]; also when the two fields for the signature algorithm differ, when an extension
/// occurs twice, or when octets follow.
pub fn read(der: &[u8]) -> Result<Certificate<'_>> {
    let bad = || Error::new(Kind::Input, "invalid certificate");
    let (certificate, agree) = Certificate::decoded(der)?;
    if !Parts::of(der).is_some_and(|parts| parts.exact) {
        return Err(bad());
    }
    if !agree {
        return Err(bad().because("its two signature algorithms differ"));
    }
    let extensions = &certificate.extensions;
    let twice =
        |(n, e): (usize, &Extension)| extensions.iter().take(n).any(|other| other.id == e.id);
    if extensions.iter().enumerate().any(twice) {
        return Err(bad().because("an extension occurs twice"));
    }
    Ok(certificate)
}

/// Whether octets are one DER element, and nothing follows.
pub fn is_one_element(der: &[u8]) -> bool {
    matches!(split_tlv(der), Some((_, _, [])))
}

/// The three elements of a certificate.
#[derive(Default)]
struct Parts<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    parameters: &'a [u8],
    signature: &'a [u8],
    /// Whether nothing follows, and the signature is a whole number of octets.
    exact: bool,
}

impl Parts<'_> {
    fn of(der: &[u8]) -> Option<Parts<'_>> {
        let (0x30, content, rest) = split_tlv(der)? else { return None };
        let [signed, identifier, signature] = children(content)?[..] else { return None };
        let (algorithm, parameters) = algorithm(identifier)?;
        let (0x03, [unused, signature @ ..], []) = split_tlv(signature)? else { return None };
        let exact = rest.is_empty() && *unused == 0;
        Some(Parts { signed, algorithm, parameters, signature, exact })
    }
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

impl<'a> Certificate<'a> {
    /// Decodes a certificate for display.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn decode(der: &'a [u8]) -> Result<Certificate<'a>> {
        Ok(Certificate::decoded(der)?.0)
    }

    /// Decodes a certificate; also returns whether its two fields for the signature algorithm are
    /// equal.
    fn decoded(der: &'a [u8]) -> Result<(Certificate<'a>, bool)> {
        let fields = fields(der)?;
        let decoded: rasn_pkix::Certificate = decode("a certificate", der)?;
        let tbs = decoded.tbs_certificate;
        let parts = Parts::of(der).unwrap_or_default();
        let certificate = Certificate {
            der,
            fields,
            version: tbs.version.raw_value().saturating_add(1),
            signed: parts.signed,
            algorithm: parts.algorithm,
            parameters: parts.parameters,
            signature: parts.signature,
            signature_algorithm: Algorithm::of(&decoded.signature_algorithm),
            not_before: utc(&tbs.validity.not_before),
            not_after: utc(&tbs.validity.not_after),
            extensions: tbs.extensions.iter().flat_map(|e| e.iter()).map(Extension::of).collect(),
        };
        Ok((certificate, tbs.signature == decoded.signature_algorithm))
    }

    /// Returns the value of an extension.
    pub(crate) fn value(&self, id: &Oid) -> Option<&[u8]> {
        self.extensions.iter().find(|e| *e.id == *id).map(|e| e.value.as_slice())
    }

    /// Returns the serial number.
    pub fn serial(&self) -> BigInt {
        BigInt::from_signed_bytes_be(self.fields.serial)
    }

    /// Returns the public key.
    ///
    /// # Errors
    /// [`Kind::Input`] when it can't be decoded.
    pub fn public_key(&self) -> Result<PublicKey> {
        let spki: SubjectPublicKeyInfo = decode("a public key", self.fields.spki)?;
        let bits = spki.subject_public_key.as_raw_slice();
        let rsa = (*spki.algorithm.algorithm == *oid::RSA_ENCRYPTION)
            .then(|| decode::<RsaPublicKey>("an RSA key", bits).ok())
            .flatten();
        let rsa = rsa.map(|key| {
            let (_, modulus) = BigInt::from(key.modulus).to_bytes_be();
            (modulus, BigInt::from(key.public_exponent))
        });
        Ok(PublicKey { algorithm: Algorithm::of(&spki.algorithm), bits: bits.to_vec(), rsa })
    }

    /// Returns whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.fields.subject == self.fields.issuer
    }

    /// Returns basicConstraints (RFC 5280 §4.2.1.9): whether it is a CA, and pathLenConstraint.
    ///
    /// # Errors
    /// [`Kind::Input`] for an extension that can't be decoded; the same for the methods below.
    pub fn ca(&self) -> Result<(bool, Option<u64>)> {
        let Some(value) = self.value(oid::CE_BASIC_CONSTRAINTS) else { return Ok((false, None)) };
        let constraints = extension::basic_constraints(value)?;
        // A negative or too large pathLenConstraint permits no further CA.
        let most = constraints.path_length.map(|n| u64::try_from(&n).unwrap_or(0));
        Ok((constraints.ca, most))
    }

    /// Returns keyUsage, if present.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub fn key_usage(&self) -> Result<Option<Vec<KeyUsage>>> {
        let value = self.value(oid::CE_KEY_USAGE);
        value.map(|value| key_usage::usages("the key usage", value)).transpose()
    }

    /// Returns whether keyUsage permits one of `uses`, or is absent.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub fn may(&self, uses: &[KeyUsage]) -> Result<bool> {
        Ok(self.key_usage()?.is_none_or(|granted| granted.iter().any(|one| uses.contains(one))))
    }

    /// Returns the purposes in extKeyUsage, if present.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub(crate) fn purposes(&self) -> Result<Option<Vec<ObjectIdentifier>>> {
        let value = self.value(oid::CE_EXT_KEY_USAGE);
        value.map(|value| key_usage::purposes("the extended key usage", value)).transpose()
    }

    /// Returns whether extKeyUsage contains this purpose.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub(crate) fn has_purpose(&self, purpose: &Oid) -> Result<bool> {
        Ok(self.purposes()?.is_some_and(|all| all.iter().any(|id| **id == *purpose)))
    }

    /// Returns the names in subjectAltName.
    ///
    /// # Errors
    /// As [`Certificate::ca`].
    pub fn alternative_names(&self) -> Result<Vec<GeneralName>> {
        let value = self.value(oid::CE_SUBJECT_ALT_NAME);
        value.map_or_else(|| Ok(Vec::new()), extension::general_names)
    }

    /// Returns the octets of subjectKeyIdentifier.
    pub fn key_identifier(&self) -> Option<&[u8]> {
        match split_tlv(self.value(oid::CE_SUBJECT_KEY_IDENTIFIER)?)? {
            (0x04, id, []) => Some(id),
            _ => None,
        }
    }

    /// Returns the key identifier in authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        let value = self.value(oid::CE_AUTHORITY_KEY_IDENTIFIER)?;
        let (0x30, content, []) = split_tlv(value)? else { return None };
        match split_tlv(content)? {
            (0x80, id, _) => Some(id),
            _ => None,
        }
    }

    /// Returns whether it has nameConstraints (RFC 5280 §4.2.1.10).
    pub fn constrains_names(&self) -> bool {
        self.value(oid::CE_NAME_CONSTRAINTS).is_some()
    }

    /// Returns the first critical extension that path verification doesn't handle, in dotted form.
    pub fn unknown_critical(&self) -> Option<String> {
        let unknown = |e: &&Extension| e.critical && !KNOWN.iter().any(|k| *e.id == **k);
        self.extensions.iter().find(unknown).map(Extension::id)
    }
}

impl Algorithm {
    /// Without parameters.
    pub(crate) fn plain(id: &Oid) -> Algorithm {
        Algorithm { id: oid::dotted(id), parameters: Vec::new() }
    }

    pub(crate) fn of(algorithm: &AlgorithmIdentifier) -> Algorithm {
        let parameters = algorithm.parameters.as_ref().map_or(&[][..], |p| p.as_bytes());
        Algorithm { id: oid::dotted(&algorithm.algorithm), parameters: parameters.to_vec() }
    }

    /// For a message.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the identifier is none.
    pub(crate) fn wire(&self) -> Result<AlgorithmIdentifier> {
        let parameters = Some(&self.parameters).filter(|p| !p.is_empty());
        let parameters = parameters.map(|der| any(der.clone()));
        Ok(AlgorithmIdentifier { algorithm: oid::required(&self.id)?, parameters })
    }

    pub(crate) fn is(&self, id: &Oid) -> bool {
        oid::parse(&self.id).is_some_and(|own| *own == *id)
    }

    /// Returns the digest in RSASSA-PSS-params (RFC 4055 §3.1), in dotted form.
    pub fn pss_digest(&self) -> Option<String> {
        // The first element is `[0] { AlgorithmIdentifier { OBJECT IDENTIFIER ...`.
        let (0x30, fields, _) = split_tlv(&self.parameters)? else { return None };
        let (0xa0, digest, _) = split_tlv(fields)? else { return None };
        let digest: AlgorithmIdentifier = decode("a digest algorithm", digest).ok()?;
        Some(oid::dotted(&digest.algorithm))
    }
}
