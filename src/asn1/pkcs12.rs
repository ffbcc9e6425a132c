//! The types of PKCS #12 files (RFC 7292), PKCS #5 (RFC 8018) and PKCS #8 (RFC 5208).

use rasn::prelude::*;
use rasn_cms::{AlgorithmIdentifier, Attribute, ContentInfo};

use super::{decode, decode_ber, oid, split_tlv, tlv};
use crate::error::{Error, Kind, Result};

/// PFX (RFC 7292 §4): the whole file.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct Pfx {
    /// The version, 3.
    pub(crate) version: Integer,
    /// Data (protected by a password) or SignedData (by a key).
    pub(crate) auth_safe: ContentInfo,
    /// The MAC over the content, with a key derived from the password.
    pub(crate) mac_data: Option<MacData>,
}

/// MacData (RFC 7292 §4).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct MacData {
    /// Algorithm and value of the MAC.
    pub(crate) mac: DigestInfo,
    /// Salt of the key derivation; PBMAC1 (RFC 9579) has its own.
    pub(crate) mac_salt: OctetString,
    /// Iterations of the key derivation; 1 when absent.
    pub(crate) iterations: Option<Integer>,
}

/// DigestInfo (RFC 8017 §9.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct DigestInfo {
    /// A digest, or PBMAC1.
    pub(crate) digest_algorithm: AlgorithmIdentifier,
    /// The MAC.
    pub(crate) digest: OctetString,
}

/// SafeBag (RFC 7292 §4.2).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct SafeBag {
    /// The type of the value.
    pub(crate) bag_id: ObjectIdentifier,
    /// The value.
    #[rasn(tag(explicit(0)))]
    pub(crate) bag_value: Any,
    /// friendlyName, localKeyId and others.
    pub(crate) bag_attributes: Option<SetOf<Attribute>>,
}

/// CertBag (RFC 7292 §4.2.3).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct CertBag {
    /// The type of certificate.
    pub(crate) cert_id: ObjectIdentifier,
    /// The certificate; for X.509 an OCTET STRING with its DER.
    #[rasn(tag(explicit(0)))]
    pub(crate) cert_value: Any,
}

/// EncryptedPrivateKeyInfo (RFC 5208 §6).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct EncryptedPrivateKeyInfo {
    /// The algorithm.
    pub(crate) encryption_algorithm: AlgorithmIdentifier,
    /// The encrypted PrivateKeyInfo.
    pub(crate) encrypted_data: OctetString,
}

/// The parameters of PBES2 and PBMAC1 (RFC 8018 appendix A.4, A.5): a key derivation, and the scheme
/// that uses the key.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct DerivedKey {
    /// PBKDF2.
    pub(crate) key_derivation: AlgorithmIdentifier,
    /// A cipher or a MAC.
    pub(crate) scheme: AlgorithmIdentifier,
}

/// PBKDF2-params (RFC 8018 appendix A.2) with a specified salt.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct Pbkdf2 {
    /// The salt.
    pub(crate) salt: OctetString,
    /// The number of iterations.
    pub(crate) iterations: Integer,
    /// Length of the key in octets; the scheme's own length when absent.
    pub(crate) key_length: Option<Integer>,
    /// HMAC with SHA-1 when absent.
    pub(crate) prf: Option<AlgorithmIdentifier>,
}

/// The parameters of PKCS #12's own schemes, and of PBES1.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub(crate) struct SaltAndIterations {
    /// The salt.
    pub(crate) salt: OctetString,
    /// The number of iterations.
    pub(crate) iterations: Integer,
}

/// The most iterations of one key derivation: three times what pk12util uses, and some 3 seconds, in
/// which a signal has to wait.
const MOST_ITERATIONS: u32 = 2_000_000;

/// A password-based algorithm, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The algorithm's name: `PBES2`, `pbeWithSHA1And40BitRC2-CBC`, `sha256`.
    pub algorithm: String,
    /// The cipher or MAC of PBES2 and PBMAC1.
    pub scheme: Option<String>,
    /// The pseudorandom function of PBKDF2.
    pub prf: Option<String>,
    /// Iterations of the key derivation.
    pub iterations: u32,
}

impl Protection {
    /// Describes a password-based encryption algorithm, or PBMAC1.
    ///
    /// # Errors
    /// [`Kind::Input`] for an algorithm that isn't password-based, or has too many iterations.
    pub(crate) fn of(algorithm: &AlgorithmIdentifier) -> Result<Protection> {
        let name = oid::text(&algorithm.algorithm);
        let parameters = algorithm.parameters.as_ref().map(Any::as_bytes).unwrap_or_default();
        let what = format!("the parameters of {name}");
        if let Some(derived) = derived_key(algorithm)? {
            let kdf: Pbkdf2 = pbkdf2(&derived)?;
            return Ok(Protection {
                algorithm: name,
                scheme: Some(oid::text(&derived.scheme.algorithm)),
                prf: Some(match &kdf.prf {
                    Some(prf) => oid::text(&prf.algorithm),
                    None => oid::text(oid::HMAC_SHA1),
                }),
                iterations: iterations(&kdf.iterations)?,
            });
        }
        let simple: SaltAndIterations = decode_ber(&what, parameters)?;
        let iterations = iterations(&simple.iterations)?;
        Ok(Protection { algorithm: name, scheme: None, prf: None, iterations })
    }
}

/// Returns the parameters of PBES2 or PBMAC1; `None` for other algorithms.
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn derived_key(algorithm: &AlgorithmIdentifier) -> Result<Option<DerivedKey>> {
    if *algorithm.algorithm != *oid::PBES2 && *algorithm.algorithm != *oid::PBMAC1 {
        return Ok(None);
    }
    let parameters = algorithm.parameters.as_ref().map(Any::as_bytes).unwrap_or_default();
    let name = oid::text(&algorithm.algorithm);
    decode_ber(&format!("the parameters of {name}"), parameters).map(Some)
}

/// Returns the parameters of PBKDF2.
///
/// # Errors
/// [`Kind::Input`], also for another key derivation.
pub(crate) fn pbkdf2(derived: &DerivedKey) -> Result<Pbkdf2> {
    let kdf = &derived.key_derivation;
    if *kdf.algorithm != *oid::PBKDF2 {
        let name = oid::text(&kdf.algorithm);
        return Err(Error::new(Kind::Input, format!("unknown key derivation {name}")));
    }
    let parameters = kdf.parameters.as_ref().map(Any::as_bytes).unwrap_or_default();
    decode_ber("the parameters of PBKDF2", parameters)
}

/// Returns the cipher of one of PKCS #12's own encryption schemes (RFC 7292 appendix C).
pub(crate) fn pbe_cipher(algorithm: &Oid) -> Option<ObjectIdentifier> {
    let number = match &algorithm[..] {
        [1, 2, 840, 113549, 1, 12, 1, number] => *number,
        _ => return None,
    };
    // In the arc rsadsi encryptionAlgorithm: RC4, DES-EDE3-CBC, RC2-CBC.
    let cipher = match number {
        1 | 2 => 4,
        3 | 4 => 7,
        5 | 6 => 2,
        _ => return None,
    };
    ObjectIdentifier::new(vec![1, 2, 840, 113549, 3, cipher])
}

/// Returns a number of iterations if it is within limits.
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn iterations(number: &Integer) -> Result<u32> {
    match u32::try_from(number) {
        Ok(n @ 1..=MOST_ITERATIONS) => Ok(n),
        _ => Err(Error::new(Kind::Input, format!("invalid number of iterations: {number}"))
            .because(format!("it must be between 1 and {MOST_ITERATIONS}"))),
    }
}

/// The attributes of a bag that matter to NSS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BagAttributes {
    /// friendlyName (RFC 2985).
    pub friendly_name: Option<String>,
    /// localKeyId (RFC 2985), the same for a key and its certificate.
    pub local_key_id: Option<Vec<u8>>,
    /// Dogtag's trust flags (`CT,C,C`).
    pub trust: Option<String>,
}

impl BagAttributes {
    /// Returns a bag's attributes; those that can't be decoded are ignored.
    pub(crate) fn of(bag: &SafeBag) -> BagAttributes {
        let mut read = BagAttributes::default();
        let all = bag.bag_attributes.as_ref().map(|set| set.to_vec()).unwrap_or_default();
        for attribute in all {
            let values = attribute.values.to_vec();
            let Some(value) = values.first().and_then(|any| split_tlv(any.as_bytes())) else {
                continue;
            };
            let text = || if value.0 == 0x1e { bmp_text(value.1) } else { None };
            if *attribute.r#type == *oid::FRIENDLY_NAME {
                read.friendly_name = text().filter(|name| !name.is_empty());
            } else if *attribute.r#type == *oid::LOCAL_KEY_ID && value.0 == 0x04 {
                read.local_key_id = Some(value.1.to_vec());
            } else if *attribute.r#type == *oid::DOGTAG_TRUST_FLAGS {
                read.trust = text();
            }
        }
        read
    }

    /// Encodes the attributes for a bag; `None` if there are none.
    pub(crate) fn to_set(&self) -> Option<SetOf<Attribute>> {
        let attribute = |id: &Oid, value: Vec<u8>| Attribute {
            r#type: id.to_owned(),
            values: SetOf::from_vec(vec![Any::new(value)]),
        };
        let text = |text: &str| {
            let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            tlv(0x1e, &octets)
        };
        let name = self.friendly_name.as_deref();
        let trust = self.trust.as_deref();
        let all: Vec<Attribute> = name
            .map(|name| attribute(oid::FRIENDLY_NAME, text(name)))
            .into_iter()
            .chain(self.local_key_id.as_deref().map(|id| attribute(oid::LOCAL_KEY_ID, tlv(4, id))))
            .chain(trust.map(|flags| attribute(oid::DOGTAG_TRUST_FLAGS, text(flags))))
            .collect();
        (!all.is_empty()).then(|| SetOf::from_vec(all))
    }
}

/// Returns the text of a BMPString, which may have surrogate pairs and a terminator.
fn bmp_text(octets: &[u8]) -> Option<String> {
    let units: Vec<u16> =
        octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).ok()?;
    Some(text.trim_end_matches('\0').to_owned())
}

/// Returns the DER in an X.509 CertBag; `None` for another type of certificate.
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn certificate(bag: &SafeBag) -> Result<Option<Vec<u8>>> {
    let bag: CertBag = decode_ber("a certificate bag", bag.bag_value.as_bytes())?;
    if *bag.cert_id != *oid::X509_CERTIFICATE {
        return Ok(None);
    }
    let der: OctetString = decode_ber("a certificate bag", bag.cert_value.as_bytes())?;
    // Callers rely on complete DER.
    decode::<Any>("a certificate", &der)?;
    Ok(Some(der.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let attributes = BagAttributes {
            friendly_name: Some("Schlüssel 🔑".into()),
            local_key_id: Some(vec![0, 1, 255]),
            trust: Some("CT,C,C".into()),
        };
        let bag = SafeBag {
            bag_id: oid::CERT_BAG.to_owned(),
            bag_value: Any::new(vec![5, 0]),
            bag_attributes: attributes.to_set(),
        };
        let der = rasn::der::encode(&bag).unwrap();
        let again: SafeBag = decode("a bag", &der).unwrap();
        assert_eq!(BagAttributes::of(&again), attributes);
        assert!(BagAttributes::default().to_set().is_none());
    }

    #[test]
    fn odd_attributes_are_as_none() {
        assert_eq!(bmp_text(&[0, 65, 0, 0]).as_deref(), Some("A"));
        assert_eq!(bmp_text(&[0xd8, 0]), None);
        assert_eq!(bmp_text(&[]).as_deref(), Some(""));
    }

    #[test]
    fn absurd_iterations_are_refused() {
        for bad in [Integer::from(0u32), Integer::from(-1i64), Integer::from(2_000_001u32)] {
            assert!(iterations(&bad).is_err(), "{bad}");
        }
        assert_eq!(iterations(&Integer::from(600_000u32)).unwrap(), 600_000);
    }
}
