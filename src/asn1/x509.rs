//! PKCS #10 (RFC 2986), and extensions to ask for (RFC 5280): the parts CMC needs.

use rasn::prelude::*;
use rasn_cms::AlgorithmIdentifier;
use rasn_pkix::{Attribute, Extension, GeneralName, SubjectPublicKeyInfo};

use super::{alt_name, any, any_of, decode, encode, oid, split_tlv, tlv};
use crate::algorithm::{Curve, Digest, KeySpec, KeyType, ParameterSet, Scheme, Signer};
use crate::error::{Error, Kind, Result};

/// CertificationRequest, its signed part as bytes.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct CertificationRequest {
    /// DER of the [`CertificationRequestInfo`].
    pub info: Any,
    /// How it is signed.
    pub signature_algorithm: AlgorithmIdentifier,
    /// The signature.
    pub signature: BitString,
}

/// CertificationRequestInfo.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct CertificationRequestInfo {
    /// 0.
    pub version: Integer,
    /// The subject's Name.
    pub subject: Any,
    /// The public key.
    pub subject_pk_info: Any,
    /// Always there, even when empty: Dogtag refuses requests without.
    #[rasn(tag(0))]
    pub attributes: SetOf<Attribute>,
}

/// The AlgorithmIdentifier of a signature in PKCS #10, CRMF and SignerInfo: NULL for RSA, absent
/// for ECDSA (RFC 5758), parameters for PSS (RFC 4055).
///
/// # Errors
/// [`Kind::Internal`] only.
pub fn signature_algorithm(scheme: Scheme) -> Result<AlgorithmIdentifier> {
    let null = Some(any([0x05, 0x00]));
    let (algorithm, parameters) = match scheme {
        Scheme::RsaPkcs1(Digest::Sha1) => (oid::SHA1_WITH_RSA, null),
        Scheme::RsaPkcs1(Digest::Sha256) => (oid::SHA256_WITH_RSA, null),
        Scheme::RsaPkcs1(Digest::Sha384) => (oid::SHA384_WITH_RSA, null),
        Scheme::RsaPkcs1(Digest::Sha512) => (oid::SHA512_WITH_RSA, null),
        Scheme::Ecdsa(Digest::Sha384) => (oid::ECDSA_WITH_SHA384, None),
        Scheme::Ecdsa(Digest::Sha512) => (oid::ECDSA_WITH_SHA512, None),
        Scheme::Ecdsa(_) => (oid::ECDSA_WITH_SHA256, None),
        Scheme::RsaPss { digest, salt } => {
            (oid::RSASSA_PSS, Some(any(pss_parameters(digest, salt)?)))
        }
        Scheme::MlDsa(ParameterSet::MlDsa44) => (oid::ML_DSA_44, None),
        Scheme::MlDsa(ParameterSet::MlDsa65) => (oid::ML_DSA_65, None),
        Scheme::MlDsa(ParameterSet::MlDsa87) => (oid::ML_DSA_87, None),
    };
    Ok(AlgorithmIdentifier { algorithm: oid::owned(algorithm), parameters })
}

/// RSASSA-PSS-params (RFC 4055 §3.1).
fn pss_parameters(digest: Digest, salt: usize) -> Result<Vec<u8>> {
    let hash = encode("a digest", &digest_algorithm(digest))?;
    let mgf = AlgorithmIdentifier {
        algorithm: oid::owned(oid::MGF1),
        parameters: Some(any(hash.clone())),
    };
    let mut content = tlv(0xa0, &hash);
    content.extend(tlv(0xa1, &encode("mgf1", &mgf)?));
    content.extend(tlv(0xa2, &encode("a salt length", &Integer::from(salt as u64))?));
    Ok(tlv(0x30, &content))
}

/// The AlgorithmIdentifier of a digest with explicit NULL, without which Dogtag refuses a
/// SignerInfo.
pub fn digest_algorithm(digest: Digest) -> AlgorithmIdentifier {
    AlgorithmIdentifier {
        algorithm: oid::owned(digest_oid(digest)),
        parameters: Some(any([0x05, 0x00])),
    }
}

/// The digest's object identifier.
pub fn digest_oid(digest: Digest) -> &'static Oid {
    match digest {
        Digest::Sha1 => oid::SHA1,
        Digest::Sha256 => oid::SHA256,
        Digest::Sha384 => oid::SHA384,
        Digest::Sha512 => oid::SHA512,
    }
}

/// The scheme a key signs with under `digest`.
///
/// # Errors
/// [`Kind::Refused`] for a key that can't sign requests here.
pub fn scheme_of(signer: &dyn Signer, digest: Digest) -> Result<Scheme> {
    let key = signer.key_type();
    Scheme::for_key(key, digest).ok_or_else(|| {
        Error::new(Kind::Refused, format!("cannot sign with a key of {key}"))
            .hint("RSA, RSA-PSS and EC keys can sign CMC requests")
    })
}

/// What a PKCS #10 request is made of.
pub struct CsrParts<'a> {
    /// DER of the subject Name.
    pub subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// Extensions to ask for; none leaves the attribute out.
    pub extensions: &'a [Extension],
    /// Other attributes.
    pub attributes: Vec<Attribute>,
}

/// DER of a PKCS #10 request signed with its own key, SHA-256.
///
/// # Errors
/// When the key refuses to sign.
pub fn certification_request(parts: CsrParts<'_>, signer: &dyn Signer) -> Result<Vec<u8>> {
    let mut attributes = parts.attributes;
    if !parts.extensions.is_empty() {
        attributes.push(Attribute {
            r#type: oid::owned(oid::EXTENSION_REQUEST),
            values: vec![any_of("extensions", &parts.extensions.to_vec())?].into(),
        });
    }
    let info = CertificationRequestInfo {
        version: Integer::from(0),
        subject: any(parts.subject),
        subject_pk_info: any(parts.spki),
        attributes: attributes.into(),
    };
    sign_request(&info, signer)
}

/// Signs a CertificationRequestInfo.
///
/// # Errors
/// When the key refuses to sign.
pub fn sign_request(info: &CertificationRequestInfo, signer: &dyn Signer) -> Result<Vec<u8>> {
    let info = encode("a certification request", info)?;
    let scheme = scheme_of(signer, Digest::Sha256)?;
    let signature = signer.sign(scheme, &info)?;
    encode(
        "a certification request",
        &CertificationRequest {
            info: any(info),
            signature_algorithm: signature_algorithm(scheme)?,
            signature: BitString::from_vec(signature),
        },
    )
}

impl CertificationRequest {
    /// The signed part, decoded.
    ///
    /// # Errors
    /// [`Kind::Input`]; Dogtag refuses a request without attributes field too.
    pub fn info(&self) -> Result<CertificationRequestInfo> {
        decode("the PKCS #10 request info", self.info.as_bytes())
    }
}

impl CertificationRequestInfo {
    /// The extensions asked for.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub fn extensions(&self) -> Result<Vec<Extension>> {
        let wanted =
            self.attributes.to_vec().into_iter().find(|a| *a.r#type == *oid::EXTENSION_REQUEST);
        match wanted.and_then(|a| a.values.to_vec().first().map(|v| v.as_bytes().to_vec())) {
            Some(der) => decode("the extension request", &der),
            None => Ok(Vec::new()),
        }
    }
}

/// A non-critical extension.
pub fn extension(id: &Oid, critical: bool, value: Vec<u8>) -> Extension {
    Extension { extn_id: oid::owned(id), critical, extn_value: value.into() }
}

/// subjectAltName (RFC 5280 §4.2.1.6).
///
/// # Errors
/// [`Kind::Internal`] only.
pub fn subject_alt_name(names: &[GeneralName]) -> Result<Extension> {
    Ok(extension(oid::CE_SUBJECT_ALT_NAME, false, encode("alternative names", &names.to_vec())?))
}

/// subjectKeyIdentifier (RFC 5280 §4.2.1.2).
pub fn subject_key_identifier(id: &[u8]) -> Extension {
    extension(oid::CE_SUBJECT_KEY_IDENTIFIER, false, tlv(0x04, id))
}

/// The content octets of the subjectPublicKey BIT STRING, without the unused-bits octet: what key
/// identifiers are computed over (RFC 5280 §4.2.1.2 method 1).
///
/// # Errors
/// [`Kind::Input`].
pub fn public_key_bits(spki: &[u8]) -> Result<Vec<u8>> {
    let spki: SubjectPublicKeyInfo = decode("a public key", spki)?;
    Ok(spki.subject_public_key.as_raw_slice().to_vec())
}

/// `dns:`, `ip:`, `email:` and `uri:` names as GeneralNames.
///
/// # Errors
/// [`Kind::Usage`] for a name that isn't ASCII or an address that isn't one.
pub fn general_name(kind: &str, value: &str) -> Result<GeneralName> {
    alt_name::check(kind, value)?;
    let bad = |why: &str| Error::new(Kind::Usage, format!("invalid {kind} name {value:?}: {why}"));
    let ascii = || Ia5String::try_from(value).map_err(|_| bad("it is not ASCII"));
    match kind {
        "dns" => Ok(GeneralName::DnsName(ascii()?)),
        "email" => Ok(GeneralName::Rfc822Name(ascii()?)),
        "uri" => Ok(GeneralName::Uri(ascii()?)),
        "ip" => {
            let octets = match value.parse() {
                Ok(std::net::IpAddr::V4(a)) => a.octets().to_vec(),
                Ok(std::net::IpAddr::V6(a)) => a.octets().to_vec(),
                Err(_) => return Err(bad("it is no IPv4 or IPv6 address")),
            };
            Ok(GeneralName::IpAddress(octets.into()))
        }
        _ => Err(bad("unknown kind of name")),
    }
}

/// The key type a SubjectPublicKeyInfo names.
pub fn spki_key_type(spki: &[u8]) -> Option<KeyType> {
    let spki: SubjectPublicKeyInfo = rasn::der::decode(spki).ok()?;
    let algorithm = &spki.algorithm.algorithm;
    if **algorithm == *oid::RSA_ENCRYPTION {
        Some(KeyType::Rsa)
    } else if **algorithm == *oid::RSASSA_PSS {
        Some(KeyType::RsaPss)
    } else if **algorithm == *oid::EC_PUBLIC_KEY {
        Some(KeyType::Ec)
    } else {
        None
    }
}

/// The type and size of a key, if it is of a kind that can be generated.
pub fn spki_key_spec(spki: &[u8]) -> Option<KeySpec> {
    let decoded: SubjectPublicKeyInfo = rasn::der::decode(spki).ok()?;
    let algorithm = &decoded.algorithm;
    let sets = [oid::ML_DSA_44, oid::ML_DSA_65, oid::ML_DSA_87].into_iter();
    if let Some((_, set)) = sets.zip(ParameterSet::ALL).find(|(id, _)| *algorithm.algorithm == **id)
    {
        return Some(KeySpec::MlDsa(set));
    }
    match spki_key_type(spki)? {
        KeyType::Rsa => {
            let (_, key, _) = split_tlv(decoded.subject_public_key.as_raw_slice())?;
            let (_, modulus, _) = split_tlv(key)?;
            let bits = modulus.iter().position(|b| *b != 0).and_then(|at| {
                let significant = modulus.get(at..)?;
                let unused = significant.first()?.leading_zeros();
                u32::try_from(significant.len()).ok()?.checked_mul(8)?.checked_sub(unused)
            });
            bits.map(KeySpec::Rsa)
        }
        KeyType::Ec => {
            let curve = algorithm.parameters.as_ref()?.as_bytes();
            Curve::ALL.into_iter().find(|c| c.oid_der() == curve).map(KeySpec::Ec)
        }
        _ => None,
    }
}
