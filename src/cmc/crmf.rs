//! Builds CRMF requests (RFC 4211) in the form that Dogtag's CA and KRA read.

use rasn::types::{BitString, Oid};
use rasn_cms::AlgorithmIdentifier;

use crate::algorithm::{Digest, Digests, Signer};
use crate::asn1::crmf::{
    AttributeTypeAndValue, CertReqMsg, CertRequest, CertTemplate, EncryptedValue, PopoSigningKey,
    ProofOfPossession,
};
use crate::asn1::extension::Extension;
use crate::asn1::x509::{digest_for, scheme_of, signature_algorithm};
use crate::asn1::{any, decode, encode, oid, tlv};
use crate::error::Result;

/// How a CRMF request proves possession of the private key (RFC 4211 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pop {
    /// No proof: the CA sends a challenge (EncryptedPOP).
    None,
    /// A signature with the key over the CertRequest.
    Success,
    /// A signature over other data, which the CA must refuse; for tests of a CA.
    Fail,
}

/// The content of a CRMF request.
pub struct CrmfParts<'a> {
    /// DER of the subject Name.
    pub subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// Requested extensions; with none, the field is left out.
    pub extensions: Vec<Extension>,
    /// DER of the PKIArchiveOptions.
    pub archive: Option<Vec<u8>>,
    /// Proof of possession.
    pub pop: Pop,
    /// How the digest of the signature is chosen.
    pub digests: Digests,
}

/// Returns the DER of CertReqMessages (RFC 4211 §3) with one request, certReqId 1.
///
/// `controls` is encoded even when empty: the CA encodes it so before it verifies the signature.
/// The signature is over the CertRequest.
///
/// # Errors
/// Those of the signer; [`crate::error::Kind::Input`] for an invalid public key.
pub fn cert_req_messages(parts: CrmfParts<'_>, signer: &dyn Signer) -> Result<Vec<u8>> {
    let controls = parts.archive.map(|options| AttributeTypeAndValue {
        r#type: oid::owned(oid::REG_CTRL_PKI_ARCHIVE_OPTIONS),
        value: any(options),
    });
    let request = CertRequest {
        cert_req_id: 1.into(),
        cert_template: CertTemplate {
            version: Some(2.into()),
            subject: Some(any(parts.subject)),
            public_key: Some(decode("a public key", parts.spki)?),
            extensions: Some(parts.extensions.iter().map(Extension::wire).collect())
                .filter(|e: &Vec<_>| !e.is_empty()),
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
    let digest = digest_for(parts.spki, parts.digests);
    let popo = signed.map(|bytes| signature(bytes, signer, digest)).transpose()?;
    let message = CertReqMsg { cert_req: any(request), popo, reg_info: None };
    Ok(tlv(0x30, &encode("a CertReqMsg", &message)?))
}

fn signature(bytes: &[u8], signer: &dyn Signer, digest: Digest) -> Result<ProofOfPossession> {
    let scheme = scheme_of(signer, digest)?;
    Ok(ProofOfPossession::Signature(PopoSigningKey {
        algorithm_identifier: signature_algorithm(scheme)?,
        signature: BitString::from_vec(signer.sign(scheme, bytes)?),
    }))
}

/// Returns a subjectKeyIdentifier for a CRMF template: its value is the bare identifier, without
/// the OCTET STRING of RFC 5280 §4.2.1.2. CMCRequest and the CA compare these octets with the
/// signer's identifier.
pub fn subject_key_identifier(id: &[u8]) -> Extension {
    Extension::new(oid::CE_SUBJECT_KEY_IDENTIFIER, false, id.to_vec())
}

/// How a private key is wrapped for the KRA, with the names of Dogtag's tools.
///
/// The KRA selects the algorithm by object identifier, and two of them are not the standard ones:
/// [`ArchiveWrap::KeyWrapPadding`] has the identifier of RFC 5649, but means PKCS #7 padding and
/// RFC 3394; [`ArchiveWrap::Des3`] has that of single DES, but means triple DES.
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
    /// All variants with their names, the default first.
    pub const ALL: &'static [(&'static str, ArchiveWrap)] = &[
        ("AES KeyWrap/Padding", ArchiveWrap::KeyWrapPadding),
        ("AES/CBC/PKCS5Padding", ArchiveWrap::AesCbc),
        ("AES KeyWrap/Wrapped", ArchiveWrap::KeyWrapWrapped),
        ("AES KeyWrap/NoPadding", ArchiveWrap::KeyWrapNoPadding),
        ("DES3/CBC/Pad", ArchiveWrap::Des3),
    ];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        ArchiveWrap::ALL.iter().find(|(_, w)| *w == self).map(|(n, _)| *n).unwrap_or_default()
    }

    /// Returns the length of the encoded initialisation vector in octets; only the CBC variants use
    /// it.
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

    /// Reads a name, in any case.
    fn from_str(text: &str) -> std::result::Result<ArchiveWrap, String> {
        let found = ArchiveWrap::ALL.iter().find(|(n, _)| n.eq_ignore_ascii_case(text.trim()));
        found.map(|(_, w)| *w).ok_or_else(|| {
            let names: Vec<&str> = ArchiveWrap::ALL.iter().map(|(n, _)| *n).collect();
            format!("unknown key wrap algorithm {text:?}, use one of: {}", names.join(", "))
        })
    }
}

/// A private key wrapped for the KRA (RFC 4211 appendix B).
pub struct Archived<'a> {
    /// The wrapping algorithm.
    pub wrap: ArchiveWrap,
    /// The initialisation vector: [`ArchiveWrap::iv_len`] octets.
    pub iv: &'a [u8],
    /// The session key, encrypted under the transport certificate's key.
    pub session_key: Vec<u8>,
    /// The private key, wrapped under the session key.
    pub private_key: Vec<u8>,
}

/// Returns the DER of PKIArchiveOptions (RFC 4211 §6.4) with an EncryptedValue, the alternative
/// that Dogtag reads.
///
/// # Errors
/// [`crate::error::Kind::Internal`] only.
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
    // encryptedPrivKey [0] is explicit, because EncryptedKey is a CHOICE.
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

    /// Rebuilds a recorded request from its subject, key, extensions and archive options; returns
    /// the recorded CertRequest and the new CertReqMessages.
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
                extensions: template.extensions.iter().flatten().map(Extension::of).collect(),
                archive,
                pop,
                digests: Digests::Sha256,
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
