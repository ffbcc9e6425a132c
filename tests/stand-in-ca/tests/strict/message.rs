//! Signed messages built from parts; each part can be changed before signing.

use std::sync::OnceLock;

use openssl::asn1::Asn1Object;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding as RsaPadding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};

use crate::server::Holder;

pub const NULL: &[u8] = &[5, 0];

/// Returns one DER element.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match content.len() {
        n @ 0..128 => der.push(n as u8),
        n @ 128..256 => der.extend([0x81, n as u8]),
        n => der.extend([0x82, u8::try_from(n >> 8).unwrap(), n as u8]),
    }
    der.extend(content);
    der
}

pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, content)
}

pub fn string(tag: u8, text: &str) -> Vec<u8> {
    tlv(tag, text.as_bytes())
}

/// Returns `[n]`, constructed.
pub fn context(n: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | n, content)
}

pub fn oid(dotted: &str) -> Vec<u8> {
    tlv(6, Asn1Object::from_str(dotted).unwrap().as_slice())
}

pub fn integer(n: u32) -> Vec<u8> {
    let octets = [&[0], &n.to_be_bytes()[..]].concat();
    let skip = (0..4).find(|i| octets[*i] != 0 || octets[i + 1] > 127).unwrap_or(4);
    tlv(2, &octets[skip..])
}

pub fn attribute(kind: &str, value: Vec<u8>) -> Vec<u8> {
    seq(&[oid(kind), set(&[value])])
}

/// Returns the key to be certified.
pub fn request_key() -> &'static PKey<Private> {
    static KEY: OnceLock<PKey<Private>> = OnceLock::new();
    KEY.get_or_init(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap())
}

/// Returns a PKCS #10 request for that key.
pub fn csr() -> &'static [u8] {
    static CSR: OnceLock<Vec<u8>> = OnceLock::new();
    CSR.get_or_init(|| csr_with(request_key(), &[0xa0, 0]))
}

/// The identifier of the key to be certified, with any value.
pub const KEY_ID: &[u8] = b"twenty octets, or so";

/// Returns an attributes field that requests the subjectKeyIdentifier [`KEY_ID`].
pub fn key_id_attribute() -> Vec<u8> {
    let extension = seq(&[oid("2.5.29.14"), octets(&octets(KEY_ID))]);
    context(0, &attribute("1.2.840.113549.1.9.14", seq(&[extension])))
}

/// Returns a control of id-cmc with one value.
pub fn control(id: u32, number: u32, value: &[u8]) -> Vec<u8> {
    seq(&[
        integer(id),
        oid(&format!("1.3.6.1.5.5.7.7.{number}")),
        set(std::slice::from_ref(&value.to_vec())),
    ])
}

/// Returns a PKCS #10 request with this attributes field.
pub fn csr_with(key: &PKey<Private>, attributes: &[u8]) -> Vec<u8> {
    let subject = seq(&[set(&[seq(&[oid("2.5.4.3"), string(12, "www.example.com")])])]);
    let spki = key.public_key_to_der().unwrap();
    let info = seq(&[integer(0), subject, spki, attributes.to_vec()]);
    let signature = sign(key, MessageDigest::sha256(), Padding::Pkcs1, &info);
    let algorithm = seq(&[oid("1.2.840.113549.1.1.11"), NULL.to_vec()]);
    seq(&[info, algorithm, tlv(3, &[&[0], &signature[..]].concat())])
}

/// Returns a TaggedRequest of PKCS #10.
pub fn tagged_pkcs10(id: &[u8], csr: &[u8]) -> Vec<u8> {
    context(0, &[id, csr].concat())
}

/// Returns a PKIData with these requests and nothing else.
pub fn pki_data(requests: &[Vec<u8>]) -> Vec<u8> {
    pki_data_with(&[], requests)
}

/// Returns a PKIData with these controls and requests.
pub fn pki_data_with(controls: &[Vec<u8>], requests: &[Vec<u8>]) -> Vec<u8> {
    seq(&[seq(controls), seq(requests), seq(&[]), seq(&[])])
}

/// The padding of a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    Pkcs1,
    /// RSASSA-PSS with a salt of that many octets.
    Pss(i32),
    /// An empty signature.
    Nothing,
}

fn sign(key: &PKey<Private>, digest: MessageDigest, padding: Padding, message: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(digest, key).unwrap();
    match padding {
        Padding::Nothing => return Vec::new(),
        Padding::Pkcs1 => {}
        Padding::Pss(salt) => {
            signer.set_rsa_padding(RsaPadding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).unwrap();
        }
    }
    signer.sign_oneshot_to_vec(message).unwrap()
}

/// A request signed by a certificate's holder.
#[derive(Clone)]
pub struct Message {
    pub version: u32,
    /// SET of digest algorithms.
    pub digests: Vec<u8>,
    pub content_type: Vec<u8>,
    /// The PKIData that the signed attributes describe.
    pub pki_data: Vec<u8>,
    /// `[0]` with the content, or nothing; made from the PKIData unless changed.
    pub content: Vec<u8>,
    pub certificates: Vec<u8>,
    pub sid: Vec<u8>,
    pub digest_algorithm: Vec<u8>,
    pub attributes: Vec<Vec<u8>>,
    pub signature_algorithm: Vec<u8>,
    /// Octets after the SignerInfo.
    pub more_infos: Vec<u8>,
    pub key: PKey<Private>,
    pub padding: Padding,
    /// Whether to change a bit of the signature.
    pub spoil: bool,
    digest: MessageDigest,
    issuer: Vec<u8>,
    serial: Vec<u8>,
}

impl Message {
    pub fn new(signer: &Holder) -> Message {
        let rsa = signer.key.rsa().is_ok();
        let certificate = signer.certificate.to_der().unwrap();
        let issuer = signer.certificate.issuer_name().to_der().unwrap();
        let serial = signer.certificate.serial_number().to_bn().unwrap().to_vec();
        let serial = if serial[0] > 127 { [&[0], &serial[..]].concat() } else { serial };
        let serial = tlv(2, &serial);
        let signature_algorithm =
            oid(if rsa { "1.2.840.113549.1.1.11" } else { "1.2.840.10045.4.3.2" });
        let mut message = Message {
            version: 3,
            digests: Vec::new(),
            content_type: oid("1.3.6.1.5.5.7.12.2"),
            pki_data: Vec::new(),
            content: Vec::new(),
            certificates: certificate,
            sid: seq(&[issuer.clone(), serial.clone()]),
            digest_algorithm: Vec::new(),
            attributes: Vec::new(),
            signature_algorithm: seq(&[signature_algorithm, NULL.to_vec()]),
            more_infos: Vec::new(),
            key: signer.key.clone(),
            padding: Padding::Pkcs1,
            spoil: false,
            digest: MessageDigest::sha256(),
            issuer,
            serial,
        };
        message.set_content(pki_data(&[tagged_pkcs10(&integer(1), csr())]));
        message
    }

    /// Sets another PKIData.
    pub fn set_content(&mut self, pki_data: Vec<u8>) {
        self.content = context(0, &octets(&pki_data));
        self.pki_data = pki_data;
        self.hash(MessageDigest::sha256(), "2.16.840.1.101.3.4.2.1");
    }

    /// Sets another digest.
    pub fn hash(&mut self, digest: MessageDigest, id: &str) {
        self.digest = digest;
        self.digest_algorithm = seq(&[oid(id), NULL.to_vec()]);
        self.digests = set(std::slice::from_ref(&self.digest_algorithm));
        self.attributes = vec![
            attribute("1.2.840.113549.1.9.3", oid("1.3.6.1.5.5.7.12.2")),
            attribute("1.2.840.113549.1.9.4", octets(&hash(digest, &self.pki_data).unwrap())),
        ];
        self.attributes.sort();
    }

    /// Returns IssuerAndSerialNumber with another issuer or serial number.
    pub fn sid_with(&self, issuer: Option<Vec<u8>>, serial: Option<Vec<u8>>) -> Vec<u8> {
        seq(&[
            issuer.unwrap_or_else(|| self.issuer.clone()),
            serial.unwrap_or_else(|| self.serial.clone()),
        ])
    }

    /// Returns the DER of the ContentInfo.
    pub fn der(&self) -> Vec<u8> {
        let signed = match self.attributes.is_empty() {
            true => self.pki_data.clone(),
            false => set(&self.attributes),
        };
        let mut signature = sign(&self.key, self.digest, self.padding, &signed);
        if self.spoil {
            signature[9] ^= 1;
        }
        let algorithm = match self.padding {
            Padding::Pss(_) => seq(&[oid("1.2.840.113549.1.1.10"), NULL.to_vec()]),
            _ => self.signature_algorithm.clone(),
        };
        let attributes = match self.attributes.is_empty() {
            true => Vec::new(),
            false => context(0, &self.attributes.concat()),
        };
        let info = seq(&[
            integer(1),
            self.sid.clone(),
            self.digest_algorithm.clone(),
            attributes,
            algorithm,
            octets(&signature),
        ]);
        let signed_data = seq(&[
            integer(self.version),
            self.digests.clone(),
            seq(&[self.content_type.clone(), self.content.clone()]),
            context(0, &self.certificates),
            set(&[info, self.more_infos.clone()]),
        ]);
        seq(&[oid("1.2.840.113549.1.7.2"), context(0, &signed_data)])
    }
}
