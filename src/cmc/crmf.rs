//! Building CRMF requests (RFC 4211) as Dogtag's CA and KRA read them.

use rasn::types::{BitString, Oid};
use rasn_cms::AlgorithmIdentifier;
use rasn_pkix::Extension;

use crate::algorithm::{Digest, Signer};
use crate::asn1::crmf::{
    AttributeTypeAndValue, CertReqMsg, CertRequest, CertTemplate, EncryptedValue, PopoSigningKey,
    ProofOfPossession,
};
use crate::asn1::x509::{extension, scheme_of, signature_algorithm};
use crate::asn1::{Number, any, decode, encode, oid, tlv};
use crate::error::Result;

/// Proof of possession of the private key (RFC 4211 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pop {
    /// No proof: the CA answers with a challenge (EncryptedPOP).
    None,
    /// A signature with the key over the request.
    Success,
    /// A signature over something else, which the CA must refuse: for tests of a CA.
    Fail,
}

/// What a request is made of.
pub struct CrmfParts<'a> {
    /// DER of the subject Name.
    pub subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// Extensions to ask for; none leaves the field out.
    pub extensions: Vec<Extension>,
    /// DER of the PKIArchiveOptions.
    pub archive: Option<Vec<u8>>,
    /// Proof of possession.
    pub pop: Pop,
}

/// DER of CertReqMessages with one request, certReqId 1.
///
/// `controls` is always there, empty when nothing is archived, as the CA encodes it again before it
/// verifies the signature. The signature is over the CertRequest, with SHA-256.
///
/// # Errors
/// When the key refuses to sign; [`crate::error::Kind::Input`] for a bad public key.
pub fn cert_req_messages(parts: CrmfParts<'_>, signer: &dyn Signer) -> Result<Vec<u8>> {
    let controls = parts.archive.map(|options| AttributeTypeAndValue {
        r#type: oid::owned(oid::REG_CTRL_PKI_ARCHIVE_OPTIONS),
        value: any(options),
    });
    let request = CertRequest {
        cert_req_id: Number::from(1u32),
        cert_template: CertTemplate {
            version: Some(Number::from(2u32)),
            subject: Some(any(parts.subject)),
            public_key: Some(decode("a public key", parts.spki)?),
            extensions: Some(parts.extensions).filter(|e| !e.is_empty()),
            ..CertTemplate::default()
        },
        controls: Some(controls.into_iter().collect()),
    };
    let request = encode("a CertRequest", &request)?;
    let signed: Option<&[u8]> = match parts.pop {
        Pop::None => None,
        Pop::Success => Some(&request),
        Pop::Fail => Some(&[1; 8]),
    };
    let popo = signed.map(|bytes| signature(bytes, signer)).transpose()?;
    let message = CertReqMsg { cert_req: any(request), popo, reg_info: None };
    Ok(tlv(0x30, &encode("a CertReqMsg", &message)?))
}

fn signature(bytes: &[u8], signer: &dyn Signer) -> Result<ProofOfPossession> {
    let scheme = scheme_of(signer, Digest::Sha256)?;
    Ok(ProofOfPossession::Signature(PopoSigningKey {
        algorithm_identifier: signature_algorithm(scheme)?,
        signature: BitString::from_vec(signer.sign(scheme, bytes)?),
    }))
}

/// subjectKeyIdentifier for a CRMF template: the bare identifier is the extension's value, without
/// the OCTET STRING of RFC 5280 around it. CMCRequest and the CA compare these octets with the
/// signer's identifier as they are.
pub fn subject_key_identifier(id: &[u8]) -> Extension {
    extension(oid::CE_SUBJECT_KEY_IDENTIFIER, false, id.to_vec())
}

/// How a private key is wrapped for the KRA, by the names of Dogtag's tools.
///
/// What the KRA goes by is the object identifier, and for two of the ways it isn't the one the
/// standards have: [`ArchiveWrap::KeyWrapPadding`] says RFC 5649 and is PKCS #7 padding under
/// RFC 3394; [`ArchiveWrap::Des3`] says single DES and is triple DES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveWrap {
    /// `AES KeyWrap/Padding`.
    KeyWrapPadding,
    /// `AES KeyWrap/NoPadding`: RFC 3394.
    KeyWrapNoPadding,
    /// `AES KeyWrap/Wrapped`: RFC 5649.
    KeyWrapWrapped,
    /// `AES/CBC/PKCS5Padding`.
    AesCbc,
    /// `DES3/CBC/Pad`.
    Des3,
}

impl ArchiveWrap {
    /// Names as they are written, the default first.
    pub const ALL: &'static [(&'static str, ArchiveWrap)] = &[
        ("AES KeyWrap/Padding", ArchiveWrap::KeyWrapPadding),
        ("AES/CBC/PKCS5Padding", ArchiveWrap::AesCbc),
        ("AES KeyWrap/Wrapped", ArchiveWrap::KeyWrapWrapped),
        ("AES KeyWrap/NoPadding", ArchiveWrap::KeyWrapNoPadding),
        ("DES3/CBC/Pad", ArchiveWrap::Des3),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        ArchiveWrap::ALL.iter().find(|(_, w)| *w == self).map(|(n, _)| *n).unwrap_or_default()
    }

    /// Octets of the initialisation vector on the wire; only the CBC ways use it.
    pub fn iv_len(self) -> usize {
        if self == ArchiveWrap::AesCbc { 16 } else { 8 }
    }

    fn oid(self) -> &'static Oid {
        match self {
            ArchiveWrap::KeyWrapPadding | ArchiveWrap::KeyWrapWrapped => oid::AES128_WRAP_PAD,
            ArchiveWrap::KeyWrapNoPadding => oid::AES128_WRAP,
            ArchiveWrap::AesCbc => oid::AES128_CBC,
            ArchiveWrap::Des3 => oid::DES_CBC,
        }
    }
}

impl std::str::FromStr for ArchiveWrap {
    type Err = String;

    /// The name in any case.
    fn from_str(text: &str) -> std::result::Result<ArchiveWrap, String> {
        let found = ArchiveWrap::ALL.iter().find(|(n, _)| n.eq_ignore_ascii_case(text.trim()));
        found.map(|(_, w)| *w).ok_or_else(|| {
            let names: Vec<&str> = ArchiveWrap::ALL.iter().map(|(n, _)| *n).collect();
            format!("unknown key wrap algorithm {text:?}; known are {}", names.join(", "))
        })
    }
}

/// A private key wrapped for the KRA.
pub struct Archived<'a> {
    /// How.
    pub wrap: ArchiveWrap,
    /// [`ArchiveWrap::iv_len`] octets.
    pub iv: &'a [u8],
    /// The session key under the transport certificate's key.
    pub session_key: Vec<u8>,
    /// The private key under the session key.
    pub private_key: Vec<u8>,
}

/// DER of PKIArchiveOptions (RFC 4211 §6.4) with an EncryptedValue, the alternative Dogtag reads.
///
/// # Errors
/// Only defects.
pub fn archive_options(archived: Archived<'_>) -> Result<Vec<u8>> {
    let value = EncryptedValue {
        intended_alg: None,
        symm_alg: Some(AlgorithmIdentifier {
            algorithm: oid::owned(archived.wrap.oid()),
            parameters: Some(any(tlv(0x04, archived.iv))),
        }),
        enc_symm_key: Some(BitString::from_vec(archived.session_key)),
        key_alg: None,
        value_hint: None,
        enc_value: BitString::from_vec(archived.private_key),
    };
    // encryptedPrivKey [0], explicit because EncryptedKey is a CHOICE.
    Ok(tlv(0xa0, &encode("an EncryptedValue", &value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{KeyType, Scheme};
    use crate::cmc::request::Request;

    struct Fixed;

    impl Signer for Fixed {
        fn key_type(&self) -> KeyType {
            KeyType::Rsa
        }

        fn sign(&self, _: Scheme, message: &[u8]) -> Result<Vec<u8>> {
            Ok([b"signed:", message].concat())
        }
    }

    /// Subject, key, extensions, archive and POP of a recorded request, put together anew.
    fn again(recorded: &[u8], pop: Pop) -> (Vec<u8>, Vec<u8>) {
        let message = Request::crmf(recorded).unwrap();
        let message: CertReqMsg = decode("x", message.der()).unwrap();
        let request: CertRequest = decode("x", message.cert_req.as_bytes()).unwrap();
        let template = request.cert_template;
        let archive = request.controls.unwrap().first().map(|c| c.value.as_bytes().to_vec());
        let built = cert_req_messages(
            CrmfParts {
                subject: template.subject.unwrap().as_bytes(),
                spki: &encode("x", &template.public_key.unwrap()).unwrap(),
                extensions: template.extensions.unwrap_or_default(),
                archive,
                pop,
            },
            &Fixed,
        )
        .unwrap();
        (message.cert_req.as_bytes().to_vec(), built)
    }

    #[test]
    fn recorded_requests_come_out_the_same() {
        for recorded in [
            &include_bytes!("../../tests/vectors/02-crmf-user/crmf.req")[..],
            include_bytes!("../../tests/vectors/02d-crmf-agent-archival/crmf.req"),
            include_bytes!("../../tests/vectors/05b-shared-secret-crmf/crmf.req"),
        ] {
            let der = crate::asn1::pem::to_der("x", recorded).unwrap();
            let (cert_request, built) = again(&der, Pop::Success);
            let signature = [b"signed:", &cert_request[..]].concat();
            assert!(built.windows(signature.len()).any(|w| w == signature), "POP is over it");
            let (_, built) = again(&der, Pop::None);
            assert_eq!(built, tlv(0x30, &tlv(0x30, &cert_request)));
            let (_, built) = again(&der, Pop::Fail);
            assert!(built.ends_with(b"signed:\x01\x01\x01\x01\x01\x01\x01\x01"));
        }
    }

    #[test]
    fn archive_options_are_the_recorded_ones() {
        let recorded = include_bytes!("../../tests/vectors/02d-crmf-agent-archival/crmf.req");
        let der = crate::asn1::pem::to_der("x", recorded).unwrap();
        let message = Request::crmf(&der).unwrap();
        let message: CertReqMsg = decode("x", message.der()).unwrap();
        let request: CertRequest = decode("x", message.cert_req.as_bytes()).unwrap();
        let options = request.controls.unwrap()[0].value.as_bytes().to_vec();
        let (0xa0, inner, _) = crate::asn1::split_tlv(&options).unwrap() else { unreachable!() };
        let value: EncryptedValue = decode("x", inner).unwrap();
        let parameters = value.symm_alg.unwrap().parameters.unwrap();
        let built = archive_options(Archived {
            wrap: ArchiveWrap::AesCbc,
            iv: &parameters.as_bytes()[2..],
            session_key: value.enc_symm_key.unwrap().as_raw_slice().to_vec(),
            private_key: value.enc_value.as_raw_slice().to_vec(),
        })
        .unwrap();
        assert_eq!(built, options);
    }

    #[test]
    fn wrap_names_are_known_in_any_case() {
        for (name, wrap) in ArchiveWrap::ALL {
            assert_eq!(name.to_uppercase().parse(), Ok(*wrap));
            assert_eq!(wrap.name(), *name);
        }
        let e = "AES".parse::<ArchiveWrap>().unwrap_err();
        assert!(e.contains("AES/CBC/PKCS5Padding"), "{e}");
    }
}
