//! Makes certificates and responses with OpenSSL, from parts that may each be invalid.

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign;
use openssl::x509::{X509, X509Extension, X509Name, X509NameRef};
use rasn::types::Oid;

use crate::common::der::{certificate_fields, encode, oid, split_tlv, tlv};

pub const OCSP: &str = "1.3.6.1.5.5.7.3.9";
pub const CMC_CA: &str = "1.3.6.1.5.5.7.3.27";
pub const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";

pub const PAST: (&str, &str) = ("20190101000000Z", "20210101000000Z");
pub const FUTURE: (&str, &str) = ("20900101000000Z", "20910101000000Z");
const VALID: (&str, &str) = ("20200101000000Z", "20990101000000Z");

pub fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn id(oid: &Oid) -> Vec<u8> {
    encode(&oid.to_owned())
}

pub fn ec() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

/// A key and its certificate.
#[derive(Clone)]
pub struct Pair {
    pub key: PKey<Private>,
    pub certificate: X509,
}

impl Pair {
    pub fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// Returns the key identifier: SHA-1 of the key's bits.
    fn key_id(&self) -> Vec<u8> {
        key_id(&self.key)
    }
}

fn key_id(key: &PKey<Private>) -> Vec<u8> {
    // SubjectPublicKeyInfo: the algorithm, then a BIT STRING that starts with the number of its
    // unused bits.
    let spki = key.public_key_to_der().unwrap();
    let (_, _, bits) = split_tlv(split_tlv(&spki).unwrap().1).unwrap();
    let bits = split_tlv(bits).unwrap().1;
    hash(MessageDigest::sha1(), &bits[1..]).unwrap().to_vec()
}

/// The content of a certificate.
pub struct Make<'a> {
    name: &'a str,
    key: PKey<Private>,
    serial: u32,
    days: (&'a str, &'a str),
    ca: Option<Option<u8>>,
    usage: Option<&'a [u8]>,
    purposes: &'a [&'a str],
    key_ids: bool,
    extra: Vec<(&'a str, bool, Vec<u8>)>,
    digest: MessageDigest,
}

/// Returns an end-entity certificate for a new EC key.
pub fn make(name: &str) -> Make<'_> {
    let mut serial = [0; 3];
    openssl::rand::rand_bytes(&mut serial).unwrap();
    Make {
        name,
        key: ec(),
        serial: u32::from_be_bytes([1, serial[0], serial[1], serial[2]]),
        days: VALID,
        ca: None,
        usage: None,
        purposes: &[],
        key_ids: true,
        extra: Vec::new(),
        digest: MessageDigest::sha256(),
    }
}

/// Returns a CA certificate.
pub fn ca(name: &str) -> Make<'_> {
    Make { ca: Some(None), ..make(name) }
}

impl<'a> Make<'a> {
    pub fn key(self, key: PKey<Private>) -> Self {
        Make { key, ..self }
    }
    pub fn serial(self, serial: u32) -> Self {
        Make { serial, ..self }
    }
    pub fn valid(self, days: (&'a str, &'a str)) -> Self {
        Make { days, ..self }
    }
    pub fn path_length(self, most: u8) -> Self {
        Make { ca: Some(Some(most)), ..self }
    }
    /// Sets the bits of keyUsage.
    pub fn usage(self, bits: &'a [u8]) -> Self {
        Make { usage: Some(bits), ..self }
    }
    pub fn purposes(self, purposes: &'a [&'a str]) -> Self {
        Make { purposes, ..self }
    }
    pub fn without_key_ids(self) -> Self {
        Make { key_ids: false, ..self }
    }
    pub fn extension(mut self, id: &'a str, critical: bool, value: Vec<u8>) -> Self {
        self.extra.push((id, critical, value));
        self
    }
    pub fn digest(self, digest: MessageDigest) -> Self {
        Make { digest, ..self }
    }

    /// Signs with the certificate's own key.
    pub fn itself(self) -> Pair {
        let key = self.key.clone();
        let name = x509_name(self.name);
        self.signed(&key, &name)
    }

    pub fn by(self, issuer: &Pair) -> Pair {
        let name = issuer.certificate.subject_name().to_owned().unwrap();
        self.signed(&issuer.key, &name)
    }

    /// Signs with a key and the name of another issuer.
    pub fn signed(self, by: &PKey<Private>, issuer: &X509NameRef) -> Pair {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(self.serial).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(&x509_name(self.name)).unwrap();
        builder.set_issuer_name(issuer).unwrap();
        builder.set_not_before(&Asn1Time::from_str(self.days.0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_str(self.days.1).unwrap()).unwrap();
        builder.set_pubkey(&self.key).unwrap();
        let mut extensions = self.extra;
        if let Some(most) = self.ca {
            let most = most.map(|n| vec![2, 1, n]).unwrap_or_default();
            extensions.push(("2.5.29.19", true, seq(&[&[1, 1, 0xff], &most])));
        }
        if let Some(bits) = self.usage {
            let bits = bits.iter().fold(0u16, |all, bit| all | (0x8000 >> bit));
            let value = [&[3, 3, 0][..], &bits.to_be_bytes()].concat();
            extensions.push(("2.5.29.15", true, value));
        }
        if !self.purposes.is_empty() {
            let purposes = self.purposes.iter().map(|p| id(&oid::parse(p)));
            extensions.push((
                "2.5.29.37",
                false,
                tlv(0x30, &purposes.collect::<Vec<_>>().concat()),
            ));
        }
        if self.key_ids {
            extensions.push(("2.5.29.14", false, tlv(4, &key_id(&self.key))));
            extensions.push(("2.5.29.35", false, seq(&[&tlv(0x80, &key_id(by))])));
        }
        for (id, critical, value) in extensions {
            let id = Asn1Object::from_str(id).unwrap();
            let value = Asn1OctetString::new_from_bytes(&value).unwrap();
            let extension = X509Extension::new_from_der(&id, critical, &value).unwrap();
            builder.append_extension(extension).unwrap();
        }
        builder.sign(by, self.digest).unwrap();
        Pair { key: self.key, certificate: builder.build() }
    }
}

fn x509_name(cn: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("O", "TEST").unwrap();
    name.append_entry_by_text("CN", cn).unwrap();
    name.build()
}

/// A signer and its signature.
pub struct Signer<'a> {
    pub by: &'a Pair,
    pub by_key_id: bool,
    pub digest: (MessageDigest, &'a Oid),
    /// The signature's AlgorithmIdentifier, instead of the default.
    pub algorithm: Option<Vec<u8>>,
    pub pss: bool,
    /// Attributes besides contentType and messageDigest, or instead of them.
    pub more: Vec<Vec<u8>>,
    pub bare: bool,
    pub reversed: bool,
    /// The content that is signed, instead of the message's.
    pub other_content: Option<Vec<u8>>,
}

pub fn signer(by: &Pair) -> Signer<'_> {
    Signer {
        by,
        by_key_id: false,
        digest: (MessageDigest::sha256(), oid::SHA256),
        algorithm: None,
        pss: false,
        more: Vec::new(),
        bare: false,
        reversed: false,
        other_content: None,
    }
}

pub fn attribute(kind: &Oid, values: &[Vec<u8>]) -> Vec<u8> {
    seq(&[&id(kind), &tlv(0x31, &values.concat())])
}

/// Returns signingTime, as UTCTime.
pub fn signing_time(text: &str) -> Vec<u8> {
    let kind = oid::parse("1.2.840.113549.1.9.5");
    attribute(&kind, &[tlv(0x17, text.as_bytes())])
}

pub fn content_type(kind: &Oid) -> Vec<u8> {
    attribute(oid::ID_CONTENT_TYPE, &[id(kind)])
}

pub fn message_digest(content: &[u8]) -> Vec<u8> {
    let digest = hash(MessageDigest::sha256(), content).unwrap();
    attribute(oid::ID_MESSAGE_DIGEST, &[tlv(4, &digest)])
}

impl Signer<'_> {
    fn info(&self, content: &[u8]) -> Vec<u8> {
        let content = self.other_content.as_deref().unwrap_or(content);
        let digest = hash(self.digest.0, content).unwrap();
        let mut attributes = self.more.clone();
        if !self.bare {
            attributes.push(content_type(oid::ID_CCT_PKI_RESPONSE));
            attributes.push(attribute(oid::ID_MESSAGE_DIGEST, &[tlv(4, &digest)]));
        }
        attributes.sort();
        let signed = tlv(0x31, &attributes.concat());
        let mut signing = sign::Signer::new(self.digest.0, &self.by.key).unwrap();
        if self.pss {
            signing.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signing.set_rsa_pss_saltlen(sign::RsaPssSaltlen::DIGEST_LENGTH).unwrap();
        }
        let signature = signing.sign_oneshot_to_vec(&signed).unwrap();
        if self.reversed {
            attributes.reverse();
        }
        let certificate = self.by.der();
        let fields = certificate_fields(&certificate);
        let sid = match self.by_key_id {
            true => tlv(0x80, &self.by.key_id()),
            false => seq(&[fields.issuer, &tlv(2, fields.serial)]),
        };
        let usual = match self.by.key.rsa().is_ok() {
            true => seq(&[&id(oid::SHA256_WITH_RSA), &[5, 0]]),
            false => seq(&[&id(oid::ECDSA_WITH_SHA256)]),
        };
        let attributes = match attributes.is_empty() {
            true => Vec::new(),
            false => tlv(0xa0, &attributes.concat()),
        };
        seq(&[
            &[2, 1, if self.by_key_id { 3 } else { 1 }],
            &sid,
            &seq(&[&id(self.digest.1), &[5, 0]]),
            &attributes,
            &self.algorithm.clone().unwrap_or(usual),
            &tlv(4, &signature),
        ])
    }
}

/// Returns a PKIResponse with the status success for body part 1.
pub fn success() -> Vec<u8> {
    let status = seq(&[&[2, 1, 0], &seq(&[&[2, 1, 1]])]);
    let control = seq(&[&[2, 1, 1], &id(oid::CMC_STATUS_INFO_V2), &tlv(0x31, &status)]);
    seq(&[&seq(&[&control]), &seq(&[]), &seq(&[])])
}

/// Returns a response with the status success and these certificates.
pub fn response(signers: &[Signer<'_>], certificates: &[&Pair]) -> Vec<u8> {
    let ders: Vec<Vec<u8>> = certificates.iter().map(|c| c.der()).collect();
    message(oid::ID_CCT_PKI_RESPONSE, Some(&success()), signers, &ders)
}

/// Returns a SignedData.
pub fn message(
    kind: &Oid,
    content: Option<&[u8]>,
    signers: &[Signer<'_>],
    certificates: &[Vec<u8>],
) -> Vec<u8> {
    let infos: Vec<Vec<u8>> =
        signers.iter().map(|s| s.info(content.unwrap_or(&success()))).collect();
    let content = content.map(|c| tlv(0xa0, &tlv(4, c))).unwrap_or_default();
    let bag = match certificates.is_empty() {
        true => Vec::new(),
        false => tlv(0xa0, &certificates.concat()),
    };
    let signed = seq(&[
        &[2, 1, 3],
        &tlv(0x31, &seq(&[&id(oid::SHA256), &[5, 0]])),
        &seq(&[&id(kind), &content]),
        &bag,
        &tlv(0x31, &infos.concat()),
    ]);
    seq(&[&id(oid::ID_SIGNED_DATA), &tlv(0xa0, &signed)])
}
