//! Names of object identifiers, as the RFCs have them.

use rasn::types::Oid;

use crate::asn1::{decode, oid, split_tlv};

/// What `id` is called: content types, attributes, algorithms, extensions, purposes.
pub fn of(id: &Oid) -> Option<&'static str> {
    let known = NAMES.iter().find(|(o, _)| *o == id).map(|(_, name)| *name);
    known.or_else(|| oid::control_name(id)).or_else(|| match id.as_ref() {
        [2, 5, 29, arc] => EXTENSIONS.iter().find(|(a, _)| a == arc).map(|(_, name)| *name),
        [1, 3, 6, 1, 5, 5, 7, 3, arc] => {
            PURPOSES.iter().find(|(a, _)| a == arc).map(|(_, name)| *name)
        }
        _ => None,
    })
}

/// An algorithm's parameters in words: a curve, an initialisation vector, the digest of PSS.
pub fn parameters(algorithm: &Oid, der: &[u8]) -> Option<String> {
    if *algorithm == *oid::RSASSA_PSS || *algorithm == *oid::RSAES_OAEP {
        let (0x30, fields, _) = split_tlv(der)? else { return None };
        let (0xa0, digest, _) = split_tlv(fields)? else { return None };
        let digest: rasn_cms::AlgorithmIdentifier = decode("a digest algorithm", digest).ok()?;
        return of(&digest.algorithm).map(str::to_owned);
    }
    match der.first()? {
        0x06 => {
            let id: rasn::types::ObjectIdentifier = decode("a curve", der).ok()?;
            of(&id).map(str::to_owned)
        }
        0x04 => split_tlv(der).map(|(_, iv, _)| format!("IV {}", crate::keyid::to_hex(iv))),
        _ => None,
    }
}

macro_rules! id {
    ($($arc:literal)*) => { Oid::const_new(&[$($arc),*]) };
}

const NAMES: &[(&Oid, &str)] = &[
    (oid::ID_DATA, "data"),
    (oid::ID_SIGNED_DATA, "signedData"),
    (oid::ID_ENVELOPED_DATA, "envelopedData"),
    (id!(1 2 840 113549 1 9 16 1 2), "authenticatedData"),
    (oid::ID_CCT_PKI_DATA, "PKIData"),
    (oid::ID_CCT_PKI_RESPONSE, "PKIResponse"),
    (oid::ID_CONTENT_TYPE, "contentType"),
    (oid::ID_MESSAGE_DIGEST, "messageDigest"),
    (id!(1 2 840 113549 1 9 5), "signingTime"),
    (id!(1 2 840 113549 1 9 52), "cmsAlgorithmProtect"),
    (id!(1 2 840 113549 1 9 15), "smimeCapabilities"),
    (id!(1 2 840 113549 1 9 16 2 47), "signingCertificateV2"),
    (oid::EXTENSION_REQUEST, "extensionRequest"),
    (CHALLENGE_PASSWORD, "challengePassword"),
    (id!(1 2 840 113549 1 9 2), "unstructuredName"),
    (oid::REG_CTRL_PKI_ARCHIVE_OPTIONS, "pkiArchiveOptions"),
    (REG_TOKEN, "regToken"),
    (AUTHENTICATOR, "authenticator"),
    (id!(1 3 6 1 5 5 7 5 1 3), "pkiPublicationInfo"),
    (id!(1 3 6 1 5 5 7 5 1 5), "oldCertID"),
    (id!(1 3 6 1 5 5 7 5 1 6), "protocolEncrKey"),
    (oid::RSA_ENCRYPTION, "rsaEncryption"),
    (oid::RSAES_OAEP, "rsaesOaep"),
    (oid::MGF1, "mgf1"),
    (oid::RSASSA_PSS, "rsassaPss"),
    (oid::SHA1_WITH_RSA, "sha1WithRSAEncryption"),
    (id!(1 2 840 113549 1 1 14), "sha224WithRSAEncryption"),
    (oid::SHA256_WITH_RSA, "sha256WithRSAEncryption"),
    (oid::SHA384_WITH_RSA, "sha384WithRSAEncryption"),
    (oid::SHA512_WITH_RSA, "sha512WithRSAEncryption"),
    (oid::EC_PUBLIC_KEY, "ecPublicKey"),
    (id!(1 2 840 10045 4 1), "ecdsa-with-SHA1"),
    (oid::ECDSA_WITH_SHA256, "ecdsa-with-SHA256"),
    (oid::ECDSA_WITH_SHA384, "ecdsa-with-SHA384"),
    (oid::ECDSA_WITH_SHA512, "ecdsa-with-SHA512"),
    (id!(1 2 840 10045 3 1 7), "nistp256"),
    (id!(1 3 132 0 34), "nistp384"),
    (id!(1 3 132 0 35), "nistp521"),
    (id!(1 3 101 112), "Ed25519"),
    (id!(2 16 840 1 101 3 4 3 17), "ML-DSA-44"),
    (id!(2 16 840 1 101 3 4 3 18), "ML-DSA-65"),
    (id!(2 16 840 1 101 3 4 3 19), "ML-DSA-87"),
    (id!(1 2 840 113549 2 5), "md5"),
    (oid::SHA1, "sha1"),
    (SHA224, "sha224"),
    (oid::SHA256, "sha256"),
    (oid::SHA384, "sha384"),
    (oid::SHA512, "sha512"),
    (oid::HMAC_SHA1, "hmacWithSHA1"),
    // The identifier RFC 5272 §6.2.2 names for version 1 of the proofs.
    (id!(1 3 6 1 5 5 8 1 2), "hmacSHA1"),
    (oid::HMAC_SHA256, "hmacWithSHA256"),
    (oid::HMAC_SHA384, "hmacWithSHA384"),
    (oid::HMAC_SHA512, "hmacWithSHA512"),
    (oid::AES128_CBC, "aes128-CBC"),
    (id!(2 16 840 1 101 3 4 1 22), "aes192-CBC"),
    (id!(2 16 840 1 101 3 4 1 42), "aes256-CBC"),
    (oid::AES128_WRAP, "aes128-wrap"),
    (id!(2 16 840 1 101 3 4 1 45), "aes256-wrap"),
    (oid::AES128_WRAP_PAD, "aes128-wrap-pad"),
    (id!(2 16 840 1 101 3 4 1 48), "aes256-wrap-pad"),
    (oid::DES_CBC, "desCBC"),
    (id!(1 2 840 113549 3 7), "des-ede3-cbc"),
    (id!(1 3 6 1 5 5 7 1 1), "authorityInfoAccess"),
    (id!(1 3 6 1 5 5 7 48 1 5), "ocspNoCheck"),
];

/// challengePassword (RFC 2985 §5.4.1): a secret.
pub const CHALLENGE_PASSWORD: &Oid = id!(1 2 840 113549 1 9 7);
/// regToken (RFC 4211 §6.1): a one-time secret.
pub const REG_TOKEN: &Oid = id!(1 3 6 1 5 5 7 5 1 1);
/// authenticator (RFC 4211 §6.2): a lasting secret.
pub const AUTHENTICATOR: &Oid = id!(1 3 6 1 5 5 7 5 1 2);
/// id-sha224.
pub const SHA224: &Oid = id!(2 16 840 1 101 3 4 2 4);

/// Below id-ce (RFC 5280 §4.2.1).
const EXTENSIONS: &[(u32, &str)] = &[
    (14, "subjectKeyIdentifier"),
    (15, "keyUsage"),
    (16, "privateKeyUsagePeriod"),
    (17, "subjectAltName"),
    (18, "issuerAltName"),
    (19, "basicConstraints"),
    (30, "nameConstraints"),
    (31, "cRLDistributionPoints"),
    (32, "certificatePolicies"),
    (33, "policyMappings"),
    (35, "authorityKeyIdentifier"),
    (36, "policyConstraints"),
    (37, "extKeyUsage"),
    (54, "inhibitAnyPolicy"),
];

/// Below id-kp (RFC 5280 §4.2.1.12).
const PURPOSES: &[(u32, &str)] = &[
    (1, "serverAuth"),
    (2, "clientAuth"),
    (3, "codeSigning"),
    (4, "emailProtection"),
    (8, "timeStamping"),
    (9, "OCSPSigning"),
    (27, "cmcCA"),
    (28, "cmcRA"),
];
