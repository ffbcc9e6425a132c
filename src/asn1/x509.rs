//! PKCS #10 (RFC 2986) and requested extensions (RFC 5280), as far as CMC needs them.

use rasn::prelude::*;
use rasn_cms::AlgorithmIdentifier;
use rasn_pkix::{Attribute, GeneralName, SubjectPublicKeyInfo};

use super::extension::Extension;
use super::{alt_name, any, any_of, decode, encode, oid, split_tlv, tlv};
use crate::algorithm::{
    Curve, Digest, Digests, KemSet, KeySpec, KeyType, ParameterSet, Scheme, Signer,
};
use crate::error::{Error, Kind, Result};

/// CertificationRequest (RFC 2986 §4.2); the signed part is kept as received.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CertificationRequest {
    /// DER of the [`CertificationRequestInfo`].
    pub info: Any,
    /// The signature algorithm.
    pub signature_algorithm: AlgorithmIdentifier,
    /// The signature.
    pub signature: BitString,
}

/// CertificationRequestInfo (RFC 2986 §4.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CertificationRequestInfo {
    /// Always 0.
    pub version: Integer,
    /// DER of the subject's Name.
    pub subject: Any,
    /// DER of the SubjectPublicKeyInfo.
    pub subject_pk_info: Any,
    /// Attributes. Encoded even when empty: Dogtag refuses requests without the field.
    #[rasn(tag(0))]
    pub attributes: SetOf<Attribute>,
}

/// Returns the AlgorithmIdentifier of a signature for PKCS #10, CRMF and SignerInfo: NULL
/// parameters for RSA, none for ECDSA (RFC 5758 §3.2), RSASSA-PSS-params for PSS (RFC 4055 §3.1).
///
/// # Errors
/// [`Kind::Internal`] only.
pub(crate) fn signature_algorithm(scheme: Scheme) -> Result<AlgorithmIdentifier> {
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

/// Returns the DER of RSASSA-PSS-params (RFC 4055 §3.1).
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

/// Returns the AlgorithmIdentifier of a digest with explicit NULL parameters: Dogtag refuses a
/// SignerInfo without them.
pub(crate) fn digest_algorithm(digest: Digest) -> AlgorithmIdentifier {
    AlgorithmIdentifier {
        algorithm: oid::owned(digest_oid(digest)),
        parameters: Some(any([0x05, 0x00])),
    }
}

/// Returns the digest's object identifier.
pub(crate) fn digest_oid(digest: Digest) -> &'static Oid {
    match digest {
        Digest::Sha1 => oid::SHA1,
        Digest::Sha256 => oid::SHA256,
        Digest::Sha384 => oid::SHA384,
        Digest::Sha512 => oid::SHA512,
    }
}

/// Returns the scheme that a key signs with under `digest`.
///
/// # Errors
/// [`Kind::Refused`] for a key that can't sign requests here.
pub(crate) fn scheme_of(signer: &dyn Signer, digest: Digest) -> Result<Scheme> {
    let key = signer.key_type();
    Scheme::for_key(key, digest).ok_or_else(|| {
        Error::new(Kind::Refused, format!("cannot sign with an {key} key"))
            .hint("use an RSA, RSA-PSS, EC or ML-DSA key")
    })
}

/// The content of a PKCS #10 request.
pub(crate) struct CsrParts<'a> {
    /// DER of the subject Name.
    pub subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// Requested extensions; with none, the attribute is left out.
    pub extensions: &'a [Extension],
    /// Other attributes.
    pub attributes: Vec<Attribute>,
}

/// Returns the DER of a PKCS #10 request (RFC 2986 §4.2), signed with its own key.
///
/// # Errors
/// Those of the signer.
pub(crate) fn certification_request(
    parts: CsrParts<'_>,
    signer: &dyn Signer,
    digests: Digests,
) -> Result<Vec<u8>> {
    let scheme = scheme_of(signer, digest_for(parts.spki, digests))?;
    sign_request(&request_info(parts)?, signer, scheme)
}

/// Returns the part of a PKCS #10 request that is signed.
///
/// # Errors
/// [`Kind::Internal`] only.
pub(crate) fn request_info(parts: CsrParts<'_>) -> Result<CertificationRequestInfo> {
    let mut attributes = parts.attributes;
    if !parts.extensions.is_empty() {
        let extensions: Vec<_> = parts.extensions.iter().map(Extension::wire).collect();
        attributes.push(Attribute {
            r#type: oid::owned(oid::EXTENSION_REQUEST),
            values: vec![any_of("extensions", &extensions)?].into(),
        });
    }
    Ok(CertificationRequestInfo {
        version: Integer::from(0),
        subject: any(parts.subject),
        subject_pk_info: any(parts.spki),
        attributes: attributes.into(),
    })
}

/// Signs a CertificationRequestInfo; returns the DER of the CertificationRequest (RFC 2986 §4.2).
///
/// # Errors
/// Those of the signer.
pub(crate) fn sign_request(
    info: &CertificationRequestInfo,
    signer: &dyn Signer,
    scheme: Scheme,
) -> Result<Vec<u8>> {
    let info = encode("a certification request", info)?;
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
    /// Decodes the signed part.
    ///
    /// # Errors
    /// [`Kind::Input`], also for a request without the attributes field, which Dogtag refuses too.
    pub(crate) fn info(&self) -> Result<CertificationRequestInfo> {
        decode("the PKCS #10 request info", self.info.as_bytes())
    }
}

impl CertificationRequestInfo {
    /// Returns the requested extensions, from the extensionRequest attribute (RFC 2985 §5.4.2).
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub(crate) fn extensions(&self) -> Result<Vec<rasn_pkix::Extension>> {
        let wanted =
            self.attributes.to_vec().into_iter().find(|a| *a.r#type == *oid::EXTENSION_REQUEST);
        match wanted.and_then(|a| a.values.to_vec().first().map(|v| v.as_bytes().to_vec())) {
            Some(der) => decode("the extension request", &der),
            None => Ok(Vec::new()),
        }
    }
}

/// Returns a non-critical subjectAltName extension (RFC 5280 §4.2.1.6).
///
/// # Errors
/// [`Kind::Internal`] only.
pub(crate) fn subject_alt_name(names: &[GeneralName]) -> Result<Extension> {
    let value = encode("alternative names", &names.to_vec())?;
    Ok(Extension::new(oid::CE_SUBJECT_ALT_NAME, false, value))
}

/// Returns a subjectKeyIdentifier extension (RFC 5280 §4.2.1.2).
pub(crate) fn subject_key_identifier(id: &[u8]) -> Extension {
    Extension::new(oid::CE_SUBJECT_KEY_IDENTIFIER, false, tlv(0x04, id))
}

/// Returns the content octets of the subjectPublicKey BIT STRING without the unused-bits octet; key
/// identifiers are computed over them (RFC 5280 §4.2.1.2, method 1).
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn public_key_bits(spki: &[u8]) -> Result<Vec<u8>> {
    let spki: SubjectPublicKeyInfo = decode("a public key", spki)?;
    Ok(spki.subject_public_key.as_raw_slice().to_vec())
}

/// Returns the octets that NSS hashes to a key's CKA_ID: the modulus of an RSA key, the point of an EC
/// key, the whole public key otherwise.
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn public_value(spki: &[u8]) -> Result<Vec<u8>> {
    let bits = public_key_bits(spki)?;
    let modulus = match split_tlv(&bits) {
        Some((0x30, inner, [])) if spki_key_type(spki) != Some(KeyType::Ec) => {
            split_tlv(inner).map(|(_, modulus, _)| modulus)
        }
        _ => None,
    };
    Ok(modulus.map_or(bits.as_slice(), |m| m.strip_prefix(&[0]).unwrap_or(m)).to_vec())
}

/// Returns a `dns`, `ip`, `email` or `uri` name as GeneralName (RFC 5280 §4.2.1.6).
///
/// # Errors
/// [`Kind::Usage`] for a name that isn't ASCII, or an invalid address.
pub(crate) fn general_name(kind: &str, value: &str) -> Result<GeneralName> {
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
                Err(_) => return Err(bad("it is not an IPv4 or IPv6 address")),
            };
            Ok(GeneralName::IpAddress(octets.into()))
        }
        _ => Err(bad("unknown type of name")),
    }
}

/// Returns the key type of a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
pub(crate) fn spki_key_type(spki: &[u8]) -> Option<KeyType> {
    let spki: SubjectPublicKeyInfo = rasn::der::decode(spki).ok()?;
    let algorithm = &spki.algorithm.algorithm;
    if **algorithm == *oid::RSA_ENCRYPTION {
        Some(KeyType::Rsa)
    } else if **algorithm == *oid::RSASSA_PSS {
        Some(KeyType::RsaPss)
    } else if **algorithm == *oid::EC_PUBLIC_KEY {
        Some(KeyType::Ec)
    } else {
        let dsa = ML_DSA.iter().zip(ParameterSet::ALL).find(|(id, _)| **algorithm == ***id);
        let kem = ML_KEM.iter().zip(KemSet::ALL).find(|(id, _)| **algorithm == ***id);
        let dsa = dsa.map(|(_, set)| KeyType::MlDsa(set));
        dsa.or_else(|| kem.map(|(_, set)| KeyType::MlKem(set)))
    }
}

const ML_DSA: [&Oid; 3] = [oid::ML_DSA_44, oid::ML_DSA_65, oid::ML_DSA_87];
const ML_KEM: [&Oid; 3] = [oid::ML_KEM_512, oid::ML_KEM_768, oid::ML_KEM_1024];

/// Returns the digest for signatures of the key in a SubjectPublicKeyInfo.
pub(crate) fn digest_for(spki: &[u8], digests: Digests) -> Digest {
    let curve = match spki_key_spec(spki) {
        Some(KeySpec::Ec(curve)) => Some(curve),
        _ => None,
    };
    digests.choose(spki_key_type(spki).unwrap_or(KeyType::Other(0)), curve)
}

/// Returns type and size of the key in a SubjectPublicKeyInfo, if such a key can be generated.
pub(crate) fn spki_key_spec(spki: &[u8]) -> Option<KeySpec> {
    let decoded: SubjectPublicKeyInfo = rasn::der::decode(spki).ok()?;
    let algorithm = &decoded.algorithm;
    match spki_key_type(spki)? {
        KeyType::MlDsa(set) => Some(KeySpec::MlDsa(set)),
        KeyType::MlKem(set) => Some(KeySpec::MlKem(set)),
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
