//! Prints a whole certificate, as CMCResponse of Dogtag 10.10 does.

use md2::{Digest, Md2};
use md5::Md5;
use num_bigint::BigInt;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{Page, date, decimal, extensions};
use nss_cmc::certificate::{Algorithm, Certificate, PublicKey, is_one_element};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::name::dn_string;

/// Returns a DER certificate as indented text with a line end.
///
/// Dates are in UTC and in Java 11's words, whatever the machine's time zone. These extensions are
/// printed decoded: key usage, extended key usage, key identifiers, basic constraints, alternative
/// names, CRL distribution points and certificate policies. Any other extension (authority
/// information access among them), or one that can't be decoded, is printed in hexadecimal, as the
/// Java tool does with extensions it doesn't know. Terminal control characters are escaped.
///
/// Nothing is verified. The five fingerprints are for comparison with other listings; MD2, MD5 and
/// SHA-1 protect nothing.
///
/// # Errors
/// [`Kind::Input`] when the octets are not exactly one DER certificate.
pub fn pretty_certificate(der: &[u8]) -> Result<String> {
    if !is_one_element(der) {
        return Err(Error::new(Kind::Input, "cannot decode a certificate").because("wrong length"));
    }
    let certificate = Certificate::decode(der)?;
    let signature_algorithm = algorithm(&certificate.signature_algorithm);

    let mut page = Page::default();
    page.line(4, "Certificate: ");
    page.line(8, "Data: ");
    page.line(12, format!("Version:  v{}", certificate.version));
    page.line(12, format!("Serial Number: 0x{}", serial_number(certificate.serial())));
    page.line(12, format!("Signature Algorithm: {signature_algorithm}"));
    page.line(12, format!("Issuer: {}", dn_string(certificate.fields.issuer)?));
    page.line(12, "Validity: ");
    page.line(16, format!("Not Before: {}", date::full(certificate.not_before)));
    page.line(16, format!("Not  After: {}", date::full(certificate.not_after)));
    page.line(12, format!("Subject: {}", dn_string(certificate.fields.subject)?));
    page.line(12, "Subject Public Key Info: ");
    public_key(&mut page, &certificate.public_key()?);
    page.line(12, "Extensions: ");
    for extension in &certificate.extensions {
        extensions::print(&mut page, extension);
    }
    page.line(8, "Signature: ");
    page.line(12, format!("Algorithm: {signature_algorithm}"));
    page.line(12, "Signature: ");
    page.hex(16, certificate.signature);
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

/// Returns upper-case hexadecimal without leading zeros, `-` before a negative number.
pub(super) fn serial_number(number: BigInt) -> String {
    number.to_str_radix(16).to_uppercase()
}

fn public_key(page: &mut Page, key: &PublicKey) {
    page.line(16, format!("Algorithm: {}", algorithm(&key.algorithm)));
    page.line(16, "Public Key: ");
    match &key.rsa {
        Some((modulus, exponent)) => {
            page.line(20, format!("Exponent: {}", decimal(exponent.clone())));
            page.line(20, format!("Public Key Modulus: ({} bits) :", modulus.len() * 8));
            page.hex(24, modulus);
        }
        None => page.hex(20, &key.bits),
    }
}

/// Returns `SHA256withRSA - 1.2.840.113549.1.1.11`: Java's name, or `OID.` and the identifier, then
/// the identifier.
fn algorithm(algorithm: &Algorithm) -> String {
    let id = &algorithm.id;
    let known = if id == RSASSA_PSS {
        algorithm.pss_digest().and_then(|digest| named(PSS, &digest))
    } else {
        named(ALGORITHMS, id)
    };
    match known {
        Some(name) => format!("{name} - {id}"),
        None => format!("OID.{id} - {id}"),
    }
}

fn named(names: &[(&str, &'static str)], id: &str) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

/// Java's names of RSASSA-PSS, by digest.
const PSS: &[(&str, &str)] = &[
    ("2.16.840.1.101.3.4.2.1", "SHA256withRSA/PSS"),
    ("2.16.840.1.101.3.4.2.2", "SHA384withRSA/PSS"),
    ("2.16.840.1.101.3.4.2.3", "SHA512withRSA/PSS"),
];

const ALGORITHMS: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.10045.2.1", "EC"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.10046.2.1", "Diffie-Hellman"),
    ("1.2.840.113549.1.1.2", "MD2withRSA"),
    ("1.2.840.113549.1.1.4", "MD5withRSA"),
    ("1.2.840.113549.1.1.5", "SHA1withRSA"),
    ("1.2.840.113549.1.1.11", "SHA256withRSA"),
    ("1.2.840.113549.1.1.12", "SHA384withRSA"),
    ("1.2.840.113549.1.1.13", "SHA512withRSA"),
    ("1.2.840.10045.4.1", "SHA1withEC"),
    ("1.2.840.10045.4.3.2", "SHA256withEC"),
    ("1.2.840.10045.4.3.3", "SHA384withEC"),
    ("1.2.840.10045.4.3.4", "SHA512withEC"),
    ("1.2.840.10040.4.3", "SHA1withDSA"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];
