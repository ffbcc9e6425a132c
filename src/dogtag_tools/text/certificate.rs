//! A certificate in full, as CMCResponse of Dogtag 10.10 prints it.

use md2::{Digest, Md2};
use md5::Md5;
use num_bigint::BigInt;
use rasn::types::Oid;
use rasn_pkix::algorithms::RsaPublicKey;
use rasn_pkix::{AlgorithmIdentifier, Certificate, SubjectPublicKeyInfo, Time};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{Page, date, decimal, extensions};
use crate::asn1::name;
use crate::asn1::{decode, oid, split_tlv};
use crate::error::{Error, Kind, Result};

/// The DER certificate as indented text, ending in a line end.
///
/// Dates are in UTC and in the words Java 11 uses for it, whatever the machine's zone. Extensions
/// with a form of their own: key usage, extended key usage, key identifiers, basic constraints,
/// alternative names, CRL distribution points and certificate policies; any other, or one of these
/// that can't be decoded, is shown as octets, as the tool does with what it doesn't know (authority
/// information access among them). Characters that act on a terminal are escaped.
///
/// Nothing is verified. The five fingerprints are for comparing with other listings; MD2, MD5 and
/// SHA-1 among them protect nothing.
///
/// # Errors
/// [`Kind::Input`] when it isn't one certificate in DER, or something follows it.
pub fn pretty_certificate(der: &[u8]) -> Result<String> {
    let Some((_, _, [])) = split_tlv(der) else {
        return Err(Error::new(Kind::Input, "can't decode a certificate").because("wrong length"));
    };
    let certificate: Certificate = decode("a certificate", der)?;
    let tbs = &certificate.tbs_certificate;
    let signature_algorithm = algorithm(&certificate.signature_algorithm);

    let mut page = Page::default();
    page.line(4, "Certificate: ");
    page.line(8, "Data: ");
    page.line(12, format!("Version:  v{}", tbs.version));
    page.line(12, format!("Serial Number: 0x{}", serial_number(tbs.serial_number.clone().into())));
    page.line(12, format!("Signature Algorithm: {signature_algorithm}"));
    page.line(12, format!("Issuer: {}", name::dn(&tbs.issuer)));
    page.line(12, "Validity: ");
    page.line(16, format!("Not Before: {}", time(tbs.validity.not_before)));
    page.line(16, format!("Not  After: {}", time(tbs.validity.not_after)));
    page.line(12, format!("Subject: {}", name::dn(&tbs.subject)));
    page.line(12, "Subject Public Key Info: ");
    public_key(&mut page, &tbs.subject_public_key_info);
    page.line(12, "Extensions: ");
    for extension in tbs.extensions.iter().flat_map(|e| e.iter()) {
        extensions::print(&mut page, extension);
    }
    page.line(8, "Signature: ");
    page.line(12, format!("Algorithm: {signature_algorithm}"));
    page.line(12, "Signature: ");
    page.hex(16, certificate.signature_value.as_raw_slice());
    page.line(8, "FingerPrint");
    let fingerprints: [(&str, Vec<u8>); 5] = [
        ("MD2:", Md2::digest(der).to_vec()),
        ("MD5:", Md5::digest(der).to_vec()),
        ("SHA-1:", Sha1::digest(der).to_vec()),
        ("SHA-256:", Sha256::digest(der).to_vec()),
        ("SHA-512:", Sha512::digest(der).to_vec()),
    ];
    for (label, octets) in &fingerprints {
        page.line(12, label);
        page.hex(16, octets);
    }
    Ok(page.0)
}

/// Upper-case hexadecimal without padding; `-` before a negative one.
pub(super) fn serial_number(number: BigInt) -> String {
    number.to_str_radix(16).to_uppercase()
}

fn time(time: Time) -> String {
    date::full(match time {
        Time::Utc(time) => time,
        Time::General(time) => time.to_utc(),
    })
}

fn public_key(page: &mut Page, key: &SubjectPublicKeyInfo) {
    page.line(16, format!("Algorithm: {}", algorithm(&key.algorithm)));
    page.line(16, "Public Key: ");
    let bits = key.subject_public_key.as_raw_slice();
    let rsa = (*key.algorithm.algorithm == *oid::RSA_ENCRYPTION)
        .then(|| decode::<RsaPublicKey>("an RSA key", bits).ok())
        .flatten();
    match rsa {
        Some(rsa) => {
            let (_, modulus) = BigInt::from(rsa.modulus).to_bytes_be();
            page.line(20, format!("Exponent: {}", decimal(rsa.public_exponent)));
            page.line(20, format!("Public Key Modulus: ({} bits) :", modulus.len() * 8));
            page.hex(24, &modulus);
        }
        None => page.hex(20, bits),
    }
}

/// `SHA256withRSA - 1.2.840.113549.1.1.11`; the name is Java's, or `OID.` and the identifier.
fn algorithm(algorithm: &AlgorithmIdentifier) -> String {
    let id: &Oid = &algorithm.algorithm;
    let dotted = oid::dotted(id);
    let known = if *id == *oid::RSASSA_PSS {
        pss_name(algorithm.parameters.as_ref().map_or(&[], |p| p.as_bytes()))
    } else {
        ALGORITHMS.iter().find(|(o, _)| *o == id).map(|(_, name)| *name)
    };
    match known {
        Some(name) => format!("{name} - {dotted}"),
        None => format!("OID.{dotted} - {dotted}"),
    }
}

/// The name of PSS with the digest in its RSASSA-PSS-params (RFC 4055 §3.1), whose first element
/// is `[0] { AlgorithmIdentifier { OBJECT IDENTIFIER ...`.
fn pss_name(parameters: &[u8]) -> Option<&'static str> {
    let (0x30, fields, _) = split_tlv(parameters)? else { return None };
    let (0xa0, digest, _) = split_tlv(fields)? else { return None };
    let digest: AlgorithmIdentifier = decode("a digest algorithm", digest).ok()?;
    let id: &Oid = &digest.algorithm;
    [
        (oid::SHA256, "SHA256withRSA/PSS"),
        (oid::SHA384, "SHA384withRSA/PSS"),
        (oid::SHA512, "SHA512withRSA/PSS"),
    ]
    .iter()
    .find(|(o, _)| *o == id)
    .map(|(_, name)| *name)
}

const ALGORITHMS: &[(&Oid, &str)] = &[
    (oid::RSA_ENCRYPTION, "RSA"),
    (oid::EC_PUBLIC_KEY, "EC"),
    (Oid::const_new(&[1, 2, 840, 10040, 4, 1]), "DSA"),
    (Oid::const_new(&[1, 2, 840, 10046, 2, 1]), "Diffie-Hellman"),
    (Oid::const_new(&[1, 2, 840, 113549, 1, 1, 2]), "MD2withRSA"),
    (Oid::const_new(&[1, 2, 840, 113549, 1, 1, 4]), "MD5withRSA"),
    (oid::SHA1_WITH_RSA, "SHA1withRSA"),
    (oid::SHA256_WITH_RSA, "SHA256withRSA"),
    (oid::SHA384_WITH_RSA, "SHA384withRSA"),
    (oid::SHA512_WITH_RSA, "SHA512withRSA"),
    (Oid::const_new(&[1, 2, 840, 10045, 4, 1]), "SHA1withEC"),
    (oid::ECDSA_WITH_SHA256, "SHA256withEC"),
    (oid::ECDSA_WITH_SHA384, "SHA384withEC"),
    (oid::ECDSA_WITH_SHA512, "SHA512withEC"),
    (Oid::const_new(&[1, 2, 840, 10040, 4, 3]), "SHA1withDSA"),
    (Oid::const_new(&[2, 16, 840, 1, 101, 3, 4, 3, 17]), "ML-DSA-44"),
    (Oid::const_new(&[2, 16, 840, 1, 101, 3, 4, 3, 18]), "ML-DSA-65"),
    (Oid::const_new(&[2, 16, 840, 1, 101, 3, 4, 3, 19]), "ML-DSA-87"),
];
