//! Algorithm names, and the traits for signing and hashing: what the protocol code and NSS share.

use std::fmt;

use crate::error::Result;

/// A message digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-1 (key identifiers and the old version 1 controls only).
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// Returns the length in octets.
    #[allow(clippy::len_without_is_empty)] // A digest is never empty.
    pub fn len(self) -> usize {
        match self {
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
            Digest::Sha384 => 48,
            Digest::Sha512 => 64,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Digest::Sha1 => "SHA-1",
            Digest::Sha256 => "SHA-256",
            Digest::Sha384 => "SHA-384",
            Digest::Sha512 => "SHA-512",
        })
    }
}

/// A named curve that NSS can generate keys on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256 (secp256r1).
    P256,
    /// NIST P-384 (secp384r1).
    P384,
    /// NIST P-521 (secp521r1).
    P521,
}

impl Curve {
    /// All curves, smallest first.
    pub const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

    /// Returns the curve called `name` by NSS (`nistp256`), SECG (`secp256r1`), X9.62
    /// (`prime256v1`) or NIST (`P-256`), in any case.
    pub fn from_name(name: &str) -> Option<Curve> {
        match name.to_ascii_lowercase().as_str() {
            "nistp256" | "secp256r1" | "prime256v1" | "p-256" | "p256" => Some(Curve::P256),
            "nistp384" | "secp384r1" | "p-384" | "p384" => Some(Curve::P384),
            "nistp521" | "secp521r1" | "p-521" | "p521" => Some(Curve::P521),
            _ => None,
        }
    }

    /// Returns NSS's name.
    pub fn name(self) -> &'static str {
        match self {
            Curve::P256 => "nistp256",
            Curve::P384 => "nistp384",
            Curve::P521 => "nistp521",
        }
    }

    /// Returns the DER of its object identifier, tag and length included: the `ECParameters` of RFC
    /// 5480 §2.1.1.
    pub fn oid_der(self) -> &'static [u8] {
        match self {
            Curve::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Curve::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
            Curve::P521 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }
}

/// The type of a key, as far as it decides how the key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// rsaEncryption: signs with PKCS #1 v1.5 or PSS.
    Rsa,
    /// id-RSASSA-PSS: signs with PSS only.
    RsaPss,
    /// id-ecPublicKey: ECDSA.
    Ec,
    /// ML-DSA (FIPS 204).
    MlDsa(ParameterSet),
    /// ML-KEM (FIPS 203), which can't sign.
    MlKem(KemSet),
    /// Any other type; the number is NSS's `KeyType` (keythi.h).
    Other(u32),
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyType::Rsa => f.write_str("RSA"),
            KeyType::RsaPss => f.write_str("RSA-PSS"),
            KeyType::Ec => f.write_str("EC"),
            KeyType::MlDsa(set) => write!(f, "ML-DSA-{}", set.number()),
            KeyType::MlKem(set) => write!(f, "ML-KEM-{}", set.number()),
            KeyType::Other(n) => write!(f, "type {n}"),
        }
    }
}

/// A signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Digest),
    /// RSASSA-PSS (RFC 8017 §8.1); MGF1 uses the same digest.
    RsaPss {
        /// Digest of message and MGF1.
        digest: Digest,
        /// Salt length in octets.
        salt: usize,
    },
    /// ECDSA, the signature as DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
    Ecdsa(Digest),
    /// ML-DSA with an empty context, over the message itself (RFC 9881).
    MlDsa(ParameterSet),
}

impl Scheme {
    /// Returns the usual scheme of a key type, or `None` for keys that can't sign here.
    pub fn for_key(key: KeyType, digest: Digest) -> Option<Scheme> {
        match key {
            KeyType::Rsa => Some(Scheme::RsaPkcs1(digest)),
            KeyType::RsaPss => Some(Scheme::RsaPss { digest, salt: digest.len() }),
            KeyType::Ec => Some(Scheme::Ecdsa(digest)),
            KeyType::MlDsa(set) => Some(Scheme::MlDsa(set)),
            KeyType::MlKem(_) | KeyType::Other(_) => None,
        }
    }
}

/// How the digest of a signature is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Digests {
    /// By the strength of the key: SHA-384 for P-384, SHA-512 for P-521, else as
    /// [`Digests::Sha256`].
    #[default]
    ByStrength,
    /// SHA-256, as Dogtag's tools; SHA-512 for ML-DSA, with which RFC 9882 requires it, and for
    /// RSASSA-PSS, which Dogtag verifies with SHA-512 only.
    Sha256,
}

impl Digests {
    /// Returns the digest for signatures of a key; `curve` is that of an EC key.
    pub fn choose(self, key: KeyType, curve: Option<Curve>) -> Digest {
        match (key, self, curve) {
            (KeyType::MlDsa(_) | KeyType::RsaPss, ..) => Digest::Sha512,
            (KeyType::Ec, Digests::ByStrength, Some(Curve::P384)) => Digest::Sha384,
            (KeyType::Ec, Digests::ByStrength, Some(Curve::P521)) => Digest::Sha512,
            _ => Digest::Sha256,
        }
    }
}

/// A signer: an NSS private key, or fixed octets in a test.
pub trait Signer {
    /// Returns the type of the key.
    fn key_type(&self) -> KeyType;

    /// Returns the signature over the whole `message`; for [`Scheme::Ecdsa`] as DER.
    ///
    /// # Errors
    /// The kind of the provider, when the key, its token or a policy refuses.
    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>>;
}

/// The digests, MACs and random octets that the protocol needs.
pub trait Crypto {
    /// Returns the digest of `data`.
    ///
    /// # Errors
    /// The kind of the provider, when the algorithm isn't allowed.
    fn hash(&self, digest: Digest, data: &[u8]) -> Result<Vec<u8>>;

    /// Returns the HMAC of `data` under `key` (RFC 2104).
    ///
    /// # Errors
    /// The kind of the provider, when the algorithm isn't allowed.
    fn hmac(&self, digest: Digest, key: &[u8], data: &[u8]) -> Result<Vec<u8>>;

    /// Returns `n` random octets.
    ///
    /// # Errors
    /// The kind of the provider, when the generator fails.
    fn random(&self, n: usize) -> Result<Vec<u8>>;
}

/// The key to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySpec {
    /// RSA with this many bits, exponent 65537.
    Rsa(u32),
    /// EC on a named curve.
    Ec(Curve),
    /// ML-DSA (FIPS 204), where the token offers it.
    MlDsa(ParameterSet),
    /// ML-KEM (FIPS 203), where the token offers it.
    MlKem(KemSet),
}

impl KeySpec {
    /// Returns whether such a key can sign; one that can't proves possession by decryption.
    pub fn signs(self) -> bool {
        !matches!(self, KeySpec::MlKem(_))
    }
}

/// An ML-DSA parameter set (FIPS 204 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterSet {
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl ParameterSet {
    /// Returns the set with this number (44, 65, 87).
    pub fn from_number(number: u32) -> Option<ParameterSet> {
        match number {
            44 => Some(ParameterSet::MlDsa44),
            65 => Some(ParameterSet::MlDsa65),
            87 => Some(ParameterSet::MlDsa87),
            _ => None,
        }
    }

    /// Returns the content octets of its object identifier, which identifies key and signature
    /// alike (RFC 9881 §2).
    pub fn oid_octets(self) -> [u8; 9] {
        let last = match self {
            ParameterSet::MlDsa44 => 17,
            ParameterSet::MlDsa65 => 18,
            ParameterSet::MlDsa87 => 19,
        };
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, last]
    }

    /// All sets.
    pub const ALL: [ParameterSet; 3] =
        [ParameterSet::MlDsa44, ParameterSet::MlDsa65, ParameterSet::MlDsa87];

    /// Returns 44, 65 or 87.
    pub fn number(self) -> u32 {
        match self {
            ParameterSet::MlDsa44 => 44,
            ParameterSet::MlDsa65 => 65,
            ParameterSet::MlDsa87 => 87,
        }
    }
}

/// An ML-KEM parameter set (FIPS 203 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KemSet {
    /// ML-KEM-512.
    MlKem512,
    /// ML-KEM-768.
    MlKem768,
    /// ML-KEM-1024.
    MlKem1024,
}

impl KemSet {
    /// All sets.
    pub const ALL: [KemSet; 3] = [KemSet::MlKem512, KemSet::MlKem768, KemSet::MlKem1024];

    /// Returns the set with this number (512, 768, 1024).
    pub fn from_number(number: u32) -> Option<KemSet> {
        KemSet::ALL.into_iter().find(|set| set.number() == number)
    }

    /// Returns the content octets of its object identifier (RFC 9935).
    pub fn oid_octets(self) -> [u8; 9] {
        let last = match self {
            KemSet::MlKem512 => 1,
            KemSet::MlKem768 => 2,
            KemSet::MlKem1024 => 3,
        };
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, last]
    }

    /// Returns 512, 768 or 1024.
    pub fn number(self) -> u32 {
        match self {
            KemSet::MlKem512 => 512,
            KemSet::MlKem768 => 768,
            KemSet::MlKem1024 => 1024,
        }
    }
}

impl std::str::FromStr for KeySpec {
    type Err = String;

    /// Reads `rsa`, `rsa:3072`, `rsa3072`, `ec`, `ec:nistp384`, a curve name alone, `mldsa:65` or
    /// `mlkem:768`.
    fn from_str(text: &str) -> std::result::Result<KeySpec, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("rsa") {
            let bits = rest.trim_start_matches([':', '-']);
            return match if bits.is_empty() { Ok(2048) } else { bits.parse() } {
                Ok(n @ 2048..=16384) => Ok(KeySpec::Rsa(n)),
                _ => Err("an RSA key has 2048 to 16384 bits, for example rsa:3072".into()),
            };
        }
        if let Some(rest) = lower.strip_prefix("mldsa").or_else(|| lower.strip_prefix("ml-dsa")) {
            let number = rest.trim_start_matches([':', '-']);
            let number = if number.is_empty() { Some(65) } else { number.parse().ok() };
            return number.and_then(ParameterSet::from_number).map(KeySpec::MlDsa).ok_or_else(
                || "the ML-DSA parameter sets are mldsa:44, mldsa:65, mldsa:87".into(),
            );
        }
        if let Some(rest) = lower.strip_prefix("mlkem").or_else(|| lower.strip_prefix("ml-kem")) {
            let number = rest.trim_start_matches([':', '-']);
            let number = if number.is_empty() { Some(768) } else { number.parse().ok() };
            return number.and_then(KemSet::from_number).map(KeySpec::MlKem).ok_or_else(|| {
                "the ML-KEM parameter sets are mlkem:512, mlkem:768, mlkem:1024".into()
            });
        }
        let curve = match lower.strip_prefix("ec") {
            Some("") => return Ok(KeySpec::Ec(Curve::P256)),
            Some(rest) => rest.trim_start_matches([':', '-']),
            None => lower.as_str(),
        };
        Curve::from_name(curve).map(KeySpec::Ec).ok_or_else(|| {
            let names = Curve::ALL.map(Curve::name).join(", ");
            format!("use rsa:BITS, ec:CURVE (CURVE is one of {names}), mldsa:SET or mlkem:SET")
        })
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySpec::Rsa(bits) => write!(f, "rsa:{bits}"),
            KeySpec::Ec(curve) => write!(f, "ec:{}", curve.name()),
            KeySpec::MlDsa(set) => write!(f, "mldsa:{}", set.number()),
            KeySpec::MlKem(set) => write!(f, "mlkem:{}", set.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_specs_read_as_people_write_them() {
        for (text, want) in [
            ("rsa", KeySpec::Rsa(2048)),
            ("RSA:4096", KeySpec::Rsa(4096)),
            ("rsa3072", KeySpec::Rsa(3072)),
            ("ec", KeySpec::Ec(Curve::P256)),
            ("ec:nistp384", KeySpec::Ec(Curve::P384)),
            ("secp521r1", KeySpec::Ec(Curve::P521)),
            ("mldsa", KeySpec::MlDsa(ParameterSet::MlDsa65)),
            ("ML-DSA-87", KeySpec::MlDsa(ParameterSet::MlDsa87)),
            ("mlkem", KeySpec::MlKem(KemSet::MlKem768)),
            ("mlkem:512", KeySpec::MlKem(KemSet::MlKem512)),
            ("ML-KEM-1024", KeySpec::MlKem(KemSet::MlKem1024)),
        ] {
            assert_eq!(text.parse::<KeySpec>(), Ok(want), "{text}");
        }
        for bad in ["", "rsa:1024", "rsa:x", "ec:nistp192", "dsa", "rsa:99999999999", "mlkem:65"] {
            assert!(bad.parse::<KeySpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_as_strong_as_the_key_but_for_the_old_tools() {
        let set = ParameterSet::MlDsa44;
        for (key, curve, by_strength, old) in [
            (KeyType::Rsa, None, Digest::Sha256, Digest::Sha256),
            (KeyType::RsaPss, None, Digest::Sha512, Digest::Sha512),
            (KeyType::Ec, Some(Curve::P256), Digest::Sha256, Digest::Sha256),
            (KeyType::Ec, Some(Curve::P384), Digest::Sha384, Digest::Sha256),
            (KeyType::Ec, Some(Curve::P521), Digest::Sha512, Digest::Sha256),
            (KeyType::Ec, None, Digest::Sha256, Digest::Sha256),
            (KeyType::MlDsa(set), None, Digest::Sha512, Digest::Sha512),
        ] {
            assert_eq!(Digests::ByStrength.choose(key, curve), by_strength, "{key}");
            assert_eq!(Digests::Sha256.choose(key, curve), old, "{key}");
        }
    }
}
