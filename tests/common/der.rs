//! ASN.1 for the tests, independent of the program's: other code judges what the program reads and
//! writes.

use rasn::prelude::*;
use rasn_cms::{AlgorithmIdentifier, Attribute, EncapsulatedContentInfo};

pub use rasn_cms::ContentInfo;

/// Returns one DER element.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|b| **b == 0).count()..];
    let mut out = vec![tag];
    match length {
        [] => out.push(0),
        [short @ ..0x80] => out.push(*short),
        long => {
            out.push(0x80 | long.len() as u8);
            out.extend(long);
        }
    }
    out.extend(content);
    out
}

/// Splits off the first element: tag, content, and the rest; `None` if it is truncated or of
/// indefinite length.
pub fn split_tlv(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = der else { return None };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[track_caller]
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    rasn::der::encode(value).unwrap()
}

#[track_caller]
pub fn decode<T: Decode>(der: &[u8]) -> T {
    rasn::der::decode(der).unwrap_or_else(|e| panic!("{e}"))
}

pub fn any(der: impl Into<Vec<u8>>) -> Any {
    Any::new(der.into())
}

/// PEM and base64.
pub mod pem {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    pub fn base64(octets: &[u8]) -> String {
        STANDARD.encode(octets)
    }

    /// Returns base64 in lines of `width` characters, each with the line end `end`.
    pub fn lines(der: &[u8], width: usize, end: &str) -> String {
        let text: Vec<char> = base64(der).chars().collect();
        text.chunks(width).map(|line| line.iter().collect::<String>() + end).collect()
    }

    pub fn encode(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines(der, 64, "\n"))
    }

    /// Returns the DER in a file: its first PEM block, bare base64, or DER.
    #[track_caller]
    pub fn to_der(file: &[u8]) -> Vec<u8> {
        if file.starts_with(&[0x30]) && super::split_tlv(file).is_some() {
            return file.to_vec();
        }
        let text = std::str::from_utf8(file).unwrap();
        let block = text.split_once("-----BEGIN ").map(|(_, block)| {
            let (_, block) = block.split_once("-----").unwrap();
            block.split_once("-----END ").unwrap().0
        });
        let digits: String = block.unwrap_or(text).split_whitespace().collect();
        STANDARD.decode(digits).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// Object identifiers, by their names in the RFCs.
pub mod oid {
    use rasn::types::{ObjectIdentifier, Oid};

    macro_rules! oids {
        ($($name:ident = [$($arc:literal),*];)*) => {
            $(pub const $name: &Oid = Oid::const_new(&[$($arc),*]);)*
        };
    }

    oids! {
        ID_DATA = [1, 2, 840, 113549, 1, 7, 1];
        ID_SIGNED_DATA = [1, 2, 840, 113549, 1, 7, 2];
        ID_ENVELOPED_DATA = [1, 2, 840, 113549, 1, 7, 3];
        ID_CONTENT_TYPE = [1, 2, 840, 113549, 1, 9, 3];
        ID_MESSAGE_DIGEST = [1, 2, 840, 113549, 1, 9, 4];
        ID_CCT_PKI_DATA = [1, 3, 6, 1, 5, 5, 7, 12, 2];
        ID_CCT_PKI_RESPONSE = [1, 3, 6, 1, 5, 5, 7, 12, 3];
        CMC_STATUS_INFO = [1, 3, 6, 1, 5, 5, 7, 7, 1];
        CMC_IDENTIFICATION = [1, 3, 6, 1, 5, 5, 7, 7, 2];
        CMC_DATA_RETURN = [1, 3, 6, 1, 5, 5, 7, 7, 4];
        CMC_TRANSACTION_ID = [1, 3, 6, 1, 5, 5, 7, 7, 5];
        CMC_SENDER_NONCE = [1, 3, 6, 1, 5, 5, 7, 7, 6];
        CMC_ENCRYPTED_POP = [1, 3, 6, 1, 5, 5, 7, 7, 9];
        CMC_DECRYPTED_POP = [1, 3, 6, 1, 5, 5, 7, 7, 10];
        CMC_GET_CRL = [1, 3, 6, 1, 5, 5, 7, 7, 16];
        CMC_REVOKE_REQUEST = [1, 3, 6, 1, 5, 5, 7, 7, 17];
        CMC_RESPONSE_INFO = [1, 3, 6, 1, 5, 5, 7, 7, 19];
        CMC_STATUS_INFO_V2 = [1, 3, 6, 1, 5, 5, 7, 7, 25];
        CMC_IDENTITY_PROOF_V2 = [1, 3, 6, 1, 5, 5, 7, 7, 34];
        RSA_ENCRYPTION = [1, 2, 840, 113549, 1, 1, 1];
        MGF1 = [1, 2, 840, 113549, 1, 1, 8];
        RSASSA_PSS = [1, 2, 840, 113549, 1, 1, 10];
        SHA256_WITH_RSA = [1, 2, 840, 113549, 1, 1, 11];
        EC_PUBLIC_KEY = [1, 2, 840, 10045, 2, 1];
        ECDSA_WITH_SHA256 = [1, 2, 840, 10045, 4, 3, 2];
        SHA1 = [1, 3, 14, 3, 2, 26];
        SHA256 = [2, 16, 840, 1, 101, 3, 4, 2, 1];
        AES128_CBC = [2, 16, 840, 1, 101, 3, 4, 1, 2];
        AES128_WRAP = [2, 16, 840, 1, 101, 3, 4, 1, 5];
    }

    /// Parses `1.2.3`.
    #[track_caller]
    pub fn parse(text: &str) -> ObjectIdentifier {
        let arcs: Vec<u32> = text.split('.').map(|arc| arc.parse().unwrap()).collect();
        ObjectIdentifier::new(arcs).unwrap()
    }
}

/// SignedData (RFC 5652 §5.1). That of rasn-cms decodes certificates and names, and encodes some of
/// them differently.
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq)]
pub struct SignedData {
    pub version: Integer,
    pub digest_algorithms: SetOf<AlgorithmIdentifier>,
    pub encap_content_info: EncapsulatedContentInfo,
    #[rasn(tag(0))]
    pub certificates: Option<SetOf<Any>>,
    #[rasn(tag(1))]
    pub crls: Option<SetOf<Any>>,
    pub signer_infos: SetOf<SignerInfo>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
pub struct SignerInfo {
    pub version: Integer,
    pub sid: Any,
    pub digest_algorithm: AlgorithmIdentifier,
    #[rasn(tag(0))]
    pub signed_attrs: Option<SetOf<Attribute>>,
    pub signature_algorithm: AlgorithmIdentifier,
    pub signature: OctetString,
    #[rasn(tag(1))]
    pub unsigned_attrs: Option<SetOf<Attribute>>,
}

impl SignedData {
    /// Returns the SignedData of a ContentInfo.
    #[track_caller]
    pub fn of(message: &[u8]) -> SignedData {
        let info: ContentInfo = decode(message);
        assert_eq!(*info.content_type, *oid::ID_SIGNED_DATA);
        decode(info.content.as_bytes())
    }

    /// Returns the message with its SignedData changed.
    #[track_caller]
    pub fn changed(message: &[u8], change: impl FnOnce(&mut SignedData)) -> Vec<u8> {
        let mut signed = SignedData::of(message);
        change(&mut signed);
        signed.message()
    }

    /// Returns the DER of its ContentInfo.
    pub fn message(&self) -> Vec<u8> {
        let content_type = oid::ID_SIGNED_DATA.to_owned();
        encode(&ContentInfo { content_type, content: any(encode(self)) })
    }

    /// Returns the signed content.
    #[track_caller]
    pub fn content(&self) -> Vec<u8> {
        self.encap_content_info.content.as_ref().unwrap().to_vec()
    }

    /// Returns the DER of each certificate, in no order.
    pub fn certificate_ders(&self) -> Vec<Vec<u8>> {
        let all = self.certificates.iter().flat_map(|set| set.to_vec());
        all.map(|certificate| certificate.as_bytes().to_vec()).collect()
    }

    /// Returns the DER of each signed attribute of the first signer.
    #[track_caller]
    pub fn signed_attributes(&self) -> Vec<Vec<u8>> {
        let signer = self.signer_infos.to_vec()[0];
        let attributes = signer.signed_attrs.as_ref().unwrap().to_vec();
        attributes.into_iter().map(|attribute| encode(attribute)).collect()
    }
}

/// PKIData (RFC 5272 §3.2.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct PkiData {
    pub control_sequence: SequenceOf<TaggedAttribute>,
    pub req_sequence: SequenceOf<Any>,
    pub cms_sequence: SequenceOf<Any>,
    pub other_msg_sequence: SequenceOf<Any>,
}

/// TaggedAttribute (RFC 5272 §3.2.1.1).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct TaggedAttribute {
    pub body_part_id: Integer,
    pub attr_type: ObjectIdentifier,
    pub attr_values: SetOf<Any>,
}

/// DecryptedPOP (RFC 5272 §6.7).
#[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct DecryptedPop {
    pub body_part_id: Integer,
    pub the_pop_alg_id: AlgorithmIdentifier,
    pub the_pop: OctetString,
}

/// Builds a PKIData; body parts are numbered from 1.
#[derive(Default)]
pub struct PkiDataBuilder {
    controls: Vec<Vec<u8>>,
    requests: Vec<Vec<u8>>,
}

impl PkiDataBuilder {
    fn next_id(&self) -> Vec<u8> {
        let used = self.controls.len() + self.requests.len();
        tlv(0x02, &[u8::try_from(used + 1).unwrap()])
    }

    /// Adds a control with one value.
    pub fn control(&mut self, id: &Oid, value: &[u8]) {
        let parts = [self.next_id(), encode(&id.to_owned()), tlv(0x31, value)];
        self.controls.push(tlv(0x30, &parts.concat()));
    }

    /// Adds a control whose value is an OCTET STRING.
    pub fn octets(&mut self, id: &Oid, octets: &[u8]) {
        self.control(id, &tlv(0x04, octets));
    }

    /// Adds a PKCS #10 request.
    pub fn pkcs10(&mut self, request: &[u8]) {
        self.requests.push(tlv(0xa0, &[&self.next_id(), request].concat()));
    }

    /// Returns a ContentInfo of type id-data, without signature.
    pub fn unsigned(&self) -> Vec<u8> {
        let sequence = |parts: &[Vec<u8>]| tlv(0x30, &parts.concat());
        let lists = [sequence(&self.controls), sequence(&self.requests)];
        let data = sequence(&[&lists[..], &[sequence(&[]), sequence(&[])]].concat());
        let content_type = encode(&oid::ID_DATA.to_owned());
        sequence(&[content_type, tlv(0xa0, &tlv(0x04, &data))])
    }
}

/// The fields of a certificate, as octets.
pub struct CertificateFields<'a> {
    /// INTEGER content octets.
    pub serial: &'a [u8],
    /// DER of the Name.
    pub issuer: &'a [u8],
    /// DER of the Name.
    pub subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub spki: &'a [u8],
}

#[track_caller]
pub fn certificate_fields(der: &[u8]) -> CertificateFields<'_> {
    let (_, certificate, _) = split_tlv(der).unwrap();
    let (_, mut at, _) = split_tlv(certificate).unwrap();
    let mut parts = Vec::new();
    while let Some((_, _, rest)) = split_tlv(at) {
        parts.push(&at[..at.len() - rest.len()]);
        at = rest;
    }
    assert_eq!(parts[0][0], 0xa0, "a certificate of version 1");
    let serial = split_tlv(parts[1]).unwrap().1;
    CertificateFields { serial, issuer: parts[3], subject: parts[5], spki: parts[6] }
}

/// Returns the DER of a Name: each attribute in its own RDN, as a UTF8String.
pub fn name(attributes: &[(&str, &str)]) -> Vec<u8> {
    let rdn = |(kind, value): &(&str, &str)| {
        let parts = [encode(&oid::parse(kind)), tlv(0x0c, value.as_bytes())];
        tlv(0x31, &tlv(0x30, &parts.concat()))
    };
    tlv(0x30, &attributes.iter().map(rdn).collect::<Vec<_>>().concat())
}

pub const COMMON_NAME: &str = "2.5.4.3";
pub const ORGANIZATION: &str = "2.5.4.10";
