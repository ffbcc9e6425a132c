//! Proofs of identity and of possession with a shared secret (RFC 5272 §6.2, §6.3).

use rasn::types::{BitString, Oid};
use rasn_cms::AlgorithmIdentifier;
use rasn_pkix::Attribute;
use zeroize::Zeroizing;

use super::request::{Format, Request};
use super::value::Witness;
use crate::algorithm::{Crypto, Digest, KeyType, Scheme, Signer};
use crate::asn1::certificate::Algorithm;
use crate::asn1::crmf::{
    AttributeTypeAndValue, CertReqMsg, CertRequest, PopoSigningKey, ProofOfPossession,
};
use crate::asn1::x509::{
    CertificationRequest, digest_oid, scheme_of, sign_request, signature_algorithm,
};
use crate::asn1::{any, decode, encode, oid};
use crate::error::{Error, Kind, Result};

/// The fixed octets that Dogtag's CMCRequest sends as popLinkRandom of version 1.
pub const POP_LINK_RANDOM_V1: [u8; 64] = [
    0x10, 0x53, 0x42, 0x24, 0x1a, 0x2a, 0x35, 0x3c, 0x7a, 0x52, 0x54, 0x56, 0x71, 0x65, 0x66, 0x4c,
    0x51, 0x34, 0x35, 0x23, 0x3c, 0x42, 0x43, 0x45, 0x61, 0x4f, 0x6e, 0x43, 0x1e, 0x2a, 0x2b, 0x31,
    0x32, 0x34, 0x35, 0x36, 0x55, 0x51, 0x48, 0x14, 0x16, 0x29, 0x41, 0x42, 0x43, 0x7b, 0x63, 0x44,
    0x6a, 0x12, 0x6b, 0x3c, 0x4c, 0x3f, 0x00, 0x14, 0x51, 0x61, 0x15, 0x22, 0x23, 0x5f, 0x5e, 0x69,
];

/// The two algorithms of a version 2 witness (RFC 5272 §6.2.1, §6.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WitnessAlgorithms {
    /// The digest that derives the key from secret and identification: hashAlgID or
    /// keyGenAlgorithm.
    pub hash: Digest,
    /// The digest of the HMAC: macAlgID or macAlgorithm.
    pub mac: Digest,
}

impl Default for WitnessAlgorithms {
    /// Returns SHA-256 and HMAC-SHA256, which every Dogtag supports.
    fn default() -> Self {
        WitnessAlgorithms { hash: Digest::Sha256, mac: Digest::Sha256 }
    }
}

impl WitnessAlgorithms {
    /// Reads the names that CMCRequest uses, `SHA-256` and `SHA-256-HMAC` (also 384 and 512;
    /// hyphens and case don't matter; the MAC may be `HMAC-SHA256` or `SHA-256` too). An absent
    /// name means SHA-256.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(hash: Option<&str>, mac: Option<&str>) -> Result<WitnessAlgorithms> {
        let default = WitnessAlgorithms::default();
        Ok(WitnessAlgorithms {
            hash: hash.map_or(Ok(default.hash), |h| digest_name(h, false))?,
            mac: mac.map_or(Ok(default.mac), |m| digest_name(m, true))?,
        })
    }

    /// Returns a warning about the choice, if there is one.
    pub fn warning(self) -> Option<&'static str> {
        (self.mac == Digest::Sha384).then_some(
            "Dogtag 10.7 and later cannot verify SHA-384-HMAC and respond badIdentity; use SHA-256-HMAC or SHA-512-HMAC",
        )
    }
}

fn digest_name(text: &str, mac: bool) -> Result<Digest> {
    let mut name: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if mac {
        name = name.replace("hmac", "").replace("with", "");
    }
    match name.as_str() {
        "sha256" => Ok(Digest::Sha256),
        "sha384" => Ok(Digest::Sha384),
        "sha512" => Ok(Digest::Sha512),
        _ if mac => Err(Error::new(Kind::Usage, format!("unknown MAC algorithm {text:?}"))
            .hint("use one of: SHA-256-HMAC, SHA-384-HMAC, SHA-512-HMAC")),
        _ => Err(Error::new(Kind::Usage, format!("unknown hash algorithm {text:?}"))
            .hint("use one of: SHA-256, SHA-384, SHA-512")),
    }
}

fn hmac_oid(digest: Digest) -> &'static Oid {
    match digest {
        Digest::Sha1 => oid::HMAC_SHA1,
        Digest::Sha256 => oid::HMAC_SHA256,
        Digest::Sha384 => oid::HMAC_SHA384,
        Digest::Sha512 => oid::HMAC_SHA512,
    }
}

/// A secret shared with the CA, and its owner.
pub struct SharedSecret<'a> {
    /// The secret.
    pub secret: &'a [u8],
    /// The text of the identification control; the key derivation includes it, as in Dogtag.
    pub identification: Option<&'a str>,
}

impl SharedSecret<'_> {
    /// Returns IdentityProofV2 (RFC 5272 §6.2.1) over the reqSequence, or PopLinkWitnessV2
    /// (§6.3.1.1) over the popLinkRandom octets: both have the same structure.
    ///
    /// # Errors
    /// Those of `crypto` when an algorithm isn't allowed; [`Kind::Usage`] for an empty secret.
    pub fn witness(
        &self,
        algorithms: WitnessAlgorithms,
        data: &[u8],
        crypto: &dyn Crypto,
    ) -> Result<Witness> {
        let mac = self.mac(algorithms, data, crypto)?;
        Ok(Witness {
            hash_algorithm: Algorithm::plain(digest_oid(algorithms.hash)),
            mac_algorithm: Algorithm::plain(hmac_oid(algorithms.mac)),
            witness: mac,
        })
    }

    fn mac(
        &self,
        algorithms: WitnessAlgorithms,
        data: &[u8],
        crypto: &dyn Crypto,
    ) -> Result<Vec<u8>> {
        if self.secret.is_empty() {
            return Err(Error::new(Kind::Usage, "the shared secret is empty"));
        }
        let identification = self.identification.unwrap_or_default().as_bytes();
        let mut seed = Zeroizing::new(Vec::with_capacity(self.secret.len() + identification.len()));
        seed.extend_from_slice(self.secret);
        seed.extend_from_slice(identification);
        let key = Zeroizing::new(crypto.hash(algorithms.hash, &seed)?);
        crypto.hmac(algorithms.mac, &key, data)
    }
}

/// Returns identityProof of version 1 (RFC 5272 §6.2.2): HMAC-SHA1 under the SHA-1 of the secret.
///
/// # Errors
/// Those of `crypto` when SHA-1 isn't allowed; [`Kind::Usage`] for an empty secret.
pub fn identity_proof_v1(secret: &[u8], requests: &[u8], crypto: &dyn Crypto) -> Result<Vec<u8>> {
    let algorithms = WitnessAlgorithms { hash: Digest::Sha1, mac: Digest::Sha1 };
    SharedSecret { secret, identification: None }.mac(algorithms, requests, crypto)
}

/// Adds a popLinkWitnessV2 (DER; RFC 5272 §6.3.1) to a request and re-signs it: as an attribute of
/// a PKCS #10 request, as a control of a CRMF request. A CRMF request loses its regInfo; one
/// without proof of possession gets none.
///
/// # Errors
/// [`Kind::Input`] for a CRMF request whose proof of possession isn't a signature; else those of
/// the signer.
pub fn link(request: &Request, witness: &[u8], signer: &dyn Signer) -> Result<Request> {
    match request.format() {
        Format::Pkcs10 => Request::from_pkcs10(&link_pkcs10(request.der(), witness, signer)?),
        Format::Crmf => Request::from_crmf(&link_crmf(request.der(), witness, signer)?)
            .map(|(request, _)| request),
    }
}

/// Returns whether an attribute or control is a POP link witness. Existing ones are replaced: the
/// CA uses the first.
fn is_link(id: &Oid) -> bool {
    *id == *oid::CMC_POP_LINK_WITNESS_V2 || *id == *oid::CMC_POP_LINK_WITNESS
}

fn link_pkcs10(der: &[u8], witness: &[u8], signer: &dyn Signer) -> Result<Vec<u8>> {
    let request: CertificationRequest = decode("the PKCS #10 request", der)?;
    let mut info = request.info()?;
    let mut attributes: Vec<Attribute> =
        info.attributes.to_vec().into_iter().filter(|a| !is_link(&a.r#type)).cloned().collect();
    attributes.push(Attribute {
        r#type: oid::owned(oid::CMC_POP_LINK_WITNESS_V2),
        values: vec![any(witness)].into(),
    });
    info.attributes = attributes.into();
    let (scheme, _) = scheme_like(request.signature_algorithm, signer)?;
    sign_request(&info, signer, scheme)
}

fn link_crmf(der: &[u8], witness: &[u8], signer: &dyn Signer) -> Result<Vec<u8>> {
    let message: CertReqMsg = decode("the CertReqMsg", der)?;
    let mut request: CertRequest = decode("the CertRequest", message.cert_req.as_bytes())?;
    let mut controls = request.controls.unwrap_or_default();
    controls.retain(|c| !is_link(&c.r#type));
    controls.push(AttributeTypeAndValue {
        r#type: oid::owned(oid::CMC_POP_LINK_WITNESS_V2),
        value: any(witness),
    });
    request.controls = Some(controls);
    let cert_req = encode("a CertRequest", &request)?;
    let popo = match message.popo {
        None => None,
        Some(ProofOfPossession::Signature(old)) => {
            let (scheme, algorithm_identifier) = scheme_like(old.algorithm_identifier, signer)?;
            let signature = BitString::from_vec(signer.sign(scheme, &cert_req)?);
            Some(ProofOfPossession::Signature(PopoSigningKey { algorithm_identifier, signature }))
        }
        Some(_) => {
            return Err(Error::new(
                Kind::Input,
                "cannot link the CRMF request to the shared secret",
            )
            .because("its proof of possession is not a signature"));
        }
    };
    encode("a CertReqMsg", &CertReqMsg { cert_req: any(cert_req), popo, reg_info: None })
}

/// Returns the scheme of the old signature, or the key's usual one if the old algorithm doesn't
/// suit the key.
fn scheme_like(
    old: AlgorithmIdentifier,
    signer: &dyn Signer,
) -> Result<(Scheme, AlgorithmIdentifier)> {
    let rsa = [
        (oid::SHA256_WITH_RSA, Digest::Sha256),
        (oid::SHA384_WITH_RSA, Digest::Sha384),
        (oid::SHA512_WITH_RSA, Digest::Sha512),
    ];
    let ec = [
        (oid::ECDSA_WITH_SHA256, Digest::Sha256),
        (oid::ECDSA_WITH_SHA384, Digest::Sha384),
        (oid::ECDSA_WITH_SHA512, Digest::Sha512),
    ];
    let known = match signer.key_type() {
        KeyType::Rsa => rsa.iter().find(|(id, _)| **id == *old.algorithm),
        KeyType::Ec => ec.iter().find(|(id, _)| **id == *old.algorithm),
        _ => None,
    };
    match known {
        Some((_, digest)) => Ok((scheme_of(signer, *digest)?, old)),
        None => {
            let scheme = scheme_of(signer, Digest::Sha256)?;
            Ok((scheme, signature_algorithm(scheme)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::{name, pem, x509};
    use crate::cmc::fixture::{Key, OpenSsl};
    use crate::keyid::to_hex as hex;

    const KNOWN: SharedSecret<'_> =
        SharedSecret { secret: b"Secret.123", identification: Some("testuser") };

    /// The vectors were computed independently; the formulas were checked against Dogtag's
    /// CMCRequest.
    #[test]
    fn the_reference_vectors() {
        for (hash, mac, data, want) in [
            (
                "SHA-256",
                "SHA-256-HMAC",
                &[0x30, 0][..],
                "e562de80fa6f228c8ed94b58fe216c54bd105a4622a0da27334c4b334eb220d9",
            ),
            (
                "SHA-512",
                "SHA-256-HMAC",
                &[0x30, 0],
                "794d6ea85ddbf5b7b20f4fc1e63d15d326ec440a3cdfbc61f970acf8e7335e62",
            ),
            (
                "SHA-384",
                "SHA-512-HMAC",
                &[0x30, 0],
                "f91c6ff036b29f5cf2a3930c0cac6d0685f1d2969456a5a1633c4fab5eb09cc9\
                 142c47f247da8772e873b465d3b089ee0866bed8e5f22fb62b4a11519a9e2426",
            ),
            (
                "SHA-256",
                "SHA-256-HMAC",
                &(0..64).collect::<Vec<u8>>(),
                "bdb9ad09979ea77d9714b2328a1e297aa0e541e273e6e02820fbc9cd02a9c914",
            ),
        ] {
            let algorithms = WitnessAlgorithms::parse(Some(hash), Some(mac)).unwrap();
            let der = KNOWN.witness(algorithms, data, &OpenSsl).unwrap().encode().unwrap();
            assert!(hex(&der).ends_with(want), "{hash} {mac}: {}", hex(&der));
        }
        let v1 = identity_proof_v1(b"testing", &[0x30, 0], &OpenSsl).unwrap();
        assert_eq!(hex(&v1), "8cd20d71fb13477128b29d5b694a8103f242f1a3");
    }

    #[test]
    fn sha_384_is_right_and_warned_about() {
        let algorithms = WitnessAlgorithms::parse(Some("SHA-384"), Some("SHA-384-HMAC")).unwrap();
        assert!(algorithms.warning().unwrap().contains("10.7"));
        let witness = KNOWN.witness(algorithms, &[0x30, 0], &OpenSsl).unwrap();
        let der = witness.encode().unwrap();
        // hashAlgID id-sha384, macAlgID hmacWithSHA384, both without parameters; 48 octets.
        assert!(
            hex(&der).starts_with("304b300b0609608648016503040202300a06082a864886f70d020a0430")
        );
        let key = OpenSsl.hash(Digest::Sha384, b"Secret.123testuser").unwrap();
        assert!(der.ends_with(&OpenSsl.hmac(Digest::Sha384, &key, &[0x30, 0]).unwrap()));
    }

    #[test]
    fn algorithm_names() {
        let default = WitnessAlgorithms::parse(None, None).unwrap();
        assert_eq!(default, WitnessAlgorithms { hash: Digest::Sha256, mac: Digest::Sha256 });
        assert_eq!(default.warning(), None);
        let loose = WitnessAlgorithms::parse(Some("sha512"), Some("hmacWithSHA512")).unwrap();
        assert_eq!(loose, WitnessAlgorithms { hash: Digest::Sha512, mac: Digest::Sha512 });
        for (hash, mac) in [
            ("SHA-1", "SHA-256-HMAC"),
            ("", "SHA-256-HMAC"),
            ("SHA-256", "SHA-1-HMAC"),
            ("SHA-256", ""),
        ] {
            assert!(WitnessAlgorithms::parse(Some(hash), Some(mac)).is_err(), "{hash} {mac}");
        }
    }

    fn pkcs10(key: &Key) -> Request {
        let der = x509::certification_request(
            x509::CsrParts {
                subject: &name::parse("CN=x").unwrap(),
                spki: &key.spki(),
                extensions: &[x509::subject_key_identifier(&[7; 20])],
                attributes: vec![],
            },
            key,
            crate::algorithm::Digests::ByStrength,
        );
        Request::pkcs10(&der.unwrap()).unwrap()
    }

    #[test]
    fn a_linked_pkcs10_carries_the_witness_once_and_verifies() {
        for key in [Key::rsa(), Key::ec()] {
            let once = link(&pkcs10(&key), &[0x30, 0], &key).unwrap();
            let twice = link(&once, &[0x30, 2, 5, 0], &key).unwrap();
            let der = twice.der();
            Request::pkcs10(der).unwrap();
            let parsed = openssl::x509::X509Req::from_der(der).unwrap();
            assert!(parsed.verify(&key.0).unwrap());
            let request: CertificationRequest = decode("x", der).unwrap();
            let attributes = request.info().unwrap().attributes;
            let links: Vec<_> =
                attributes.to_vec().into_iter().filter(|a| is_link(&a.r#type)).collect();
            assert_eq!(links.len(), 1);
            assert_eq!(attributes.to_vec().len(), 2);
            assert_eq!(twice.key_identifier().unwrap(), [7; 20]);
        }
    }

    fn golden(path: &str) -> Vec<u8> {
        let path = format!("{}/tests/vectors/{path}", env!("CARGO_MANIFEST_DIR"));
        pem::to_der("x", &std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_linked_crmf_is_signed_anew_over_its_new_cert_request() {
        let key = Key::rsa();
        let before = Request::crmf(&golden("05b-shared-secret-crmf/crmf.req")).unwrap();
        let linked = link(&before, &[0x30, 0], &key).unwrap();
        let message: CertReqMsg = decode("x", linked.der()).unwrap();
        let request: CertRequest = decode("x", message.cert_req.as_bytes()).unwrap();
        let controls = request.controls.unwrap();
        assert_eq!(*controls.last().unwrap().r#type, *oid::CMC_POP_LINK_WITNESS_V2);
        assert!(message.reg_info.is_none());
        let Some(ProofOfPossession::Signature(popo)) = message.popo else { panic!() };
        let mut verifier = sign_verifier(&key);
        let signature = popo.signature.as_raw_slice();
        assert!(verifier.verify_oneshot(signature, message.cert_req.as_bytes()).unwrap());
    }

    fn sign_verifier(key: &Key) -> openssl::sign::Verifier<'_> {
        openssl::sign::Verifier::new(openssl::hash::MessageDigest::sha256(), &key.0).unwrap()
    }

    #[test]
    fn a_crmf_without_proof_stays_without() {
        let before = Request::crmf(&golden("06a-encrypted-pop-1/crmf.req")).unwrap();
        let linked = link(&before, &[0x30, 0], &Key::rsa()).unwrap();
        assert!(decode::<CertReqMsg>("x", linked.der()).unwrap().popo.is_none());
    }

    #[test]
    fn the_raw_extension_value_names_a_crmf_key() {
        // Recorded from a CRMFPopClient that writes the bare key identifier.
        let request = Request::crmf(&golden("05b-shared-secret-crmf/crmf.req")).unwrap();
        assert_eq!(request.key_identifier().unwrap().len(), 20);
        let none = Request::pkcs10(&golden("01-rsa-server/p10.req")).unwrap();
        let e = none.key_identifier().unwrap_err();
        assert!(e.to_string().contains("no subjectKeyIdentifier"), "{e}");
    }
}
