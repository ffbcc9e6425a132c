//! Verifies the signature of a response, and that its signer may sign for the CA.

use rasn::types::{Any, ObjectIdentifier, OctetString, Oid};

use super::path::{Paths, who};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::certificate::{self, Certificate, algorithm};
use crate::asn1::cms::{SignedData, SignerIdentifier, SignerInfo};
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::x509::{digest_oid, signature_algorithm};
use crate::asn1::{decode, encode, oid, split_tlv};
use crate::cmc::response::Response;
use crate::error::{Error, Kind, Result};
use crate::nss::{Database, Signature};

/// The most signers of one message.
const MOST_SIGNERS: usize = 8;

/// The result of verifying a response's signature.
#[derive(Debug)]
pub enum SignatureCheck {
    /// Every signature is valid, and one signer may sign for the CA.
    Good,
    /// There is no signer.
    Unsigned,
    /// The signature is valid, but the signer may not sign for a CA that the database trusts.
    NotTrusted(Error),
    /// Digest or signature is wrong, the signer's certificate is not found, or it isn't a response.
    Bad(Error),
}

/// Verifies the signature of a response (RFC 5652 §5.6) and its signer, by the [rules of this
/// module](crate::trust). Certificates in the message may be issuers on the path; being in the
/// message makes none of them trusted or stored.
pub fn verify(database: &Database, response: &Response) -> SignatureCheck {
    check(database, response).unwrap_or_else(SignatureCheck::Bad)
}

/// Returns the one error for anything that isn't a signed response: details would help only a
/// forger.
pub fn no_response() -> Error {
    Error::new(Kind::Input, "it is not a signed CMC response")
}

fn check(database: &Database, response: &Response) -> Result<SignatureCheck> {
    let signed = response.signed_data();
    let content_type = &signed.encap_content_info.content_type;
    let content = signed.encap_content_info.content.as_ref();
    let signers = signed.signer_infos.to_vec();
    let content = match content {
        None if signers.is_empty() && **content_type == *oid::ID_DATA => {
            return Ok(SignatureCheck::Unsigned);
        }
        Some(content) if **content_type == *oid::ID_CCT_PKI_RESPONSE => content,
        _ => return Err(no_response()),
    };
    if signers.is_empty() {
        return Ok(SignatureCheck::Unsigned);
    }
    if signers.len() > MOST_SIGNERS {
        return Err(no_response());
    }
    let certificates = &response.certificates;
    let paths = Paths::new(database, certificates);
    let mut why = None;
    let mut trusted = false;
    for signer in signers {
        let statement = Statement::of(database, signed, signer, content)?;
        match statement.signer(database, &paths, certificates, &signer.sid)? {
            Ok(()) => trusted = true,
            Err(e) => why = Some(e),
        }
    }
    match why {
        Some(e) if !trusted => Ok(SignatureCheck::NotTrusted(e)),
        _ => Ok(SignatureCheck::Good),
    }
}

/// The signed attributes of a SignerInfo (RFC 5652 §5.3), which match the content.
struct Statement {
    /// DER of the SET OF attributes (RFC 5652 §5.4).
    attributes: Vec<u8>,
    /// DER of the signature's AlgorithmIdentifier.
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Statement {
    /// Reads a SignerInfo and compares its attributes with the content.
    ///
    /// # Errors
    /// [`Kind::Input`] when it is malformed, [`Kind::BadReply`] for another content.
    fn of(
        database: &Database,
        signed: &SignedData,
        signer: &SignerInfo,
        content: &[u8],
    ) -> Result<Statement> {
        let attributes = signer.signed_attrs.as_ref().ok_or_else(no_response)?;
        let attribute = |id: &Oid| {
            let all = attributes.to_vec();
            let mut values =
                all.iter().filter(|a| *a.r#type == *id).flat_map(|a| a.values.to_vec());
            match (values.next(), values.next()) {
                (Some(value), None) => Ok::<Any, Error>(value.clone()),
                _ => Err(no_response()),
            }
        };
        let value = attribute(oid::ID_CONTENT_TYPE)?;
        let content_type: ObjectIdentifier =
            decode("x", value.as_bytes()).map_err(|_| no_response())?;
        let value = attribute(oid::ID_MESSAGE_DIGEST)?;
        let digest: OctetString = decode("x", value.as_bytes()).map_err(|_| no_response())?;
        if content_type != signed.encap_content_info.content_type {
            return Err(no_response());
        }
        let hash = signing_digest(&signer.digest_algorithm.algorithm)?;
        if database.hash(hash, content)? != digest.to_vec() {
            return Err(Error::new(Kind::BadReply, "the content does not match its signed digest"));
        }
        Ok(Statement {
            // The signature is over the DER order, in whatever order the attributes arrived.
            attributes: encode("the signed attributes", attributes)?,
            algorithm: signing_algorithm(signer, hash)?,
            signature: signer.signature.to_vec(),
        })
    }

    /// Finds the signer; the inner result says whether that signer may sign for the CA.
    ///
    /// # Errors
    /// [`Kind::BadReply`] when no certificate matches the signature, [`Kind::Refused`] when NSS is too
    /// old for its algorithm.
    fn signer(
        &self,
        database: &Database,
        paths: &Paths<'_>,
        certificates: &[Vec<u8>],
        sid: &SignerIdentifier,
    ) -> Result<Result<()>> {
        let mut named: Vec<Vec<u8>> =
            certificates.iter().filter(|der| is_named(sid, der)).cloned().collect();
        if named.is_empty() {
            let held = database.certificates()?;
            named.extend(held.iter().map(|c| c.der().to_vec()).filter(|der| is_named(sid, der)));
        }
        named.dedup();
        let (id, parameters) = algorithm(&self.algorithm).ok_or_else(no_response)?;
        let signature =
            Signature { data: &self.attributes, algorithm: id, parameters, value: &self.signature };
        database.can_verify(id)?;
        let mut wrong = Error::new(Kind::BadReply, "certificate of the signer not found");
        let mut untrusted = None;
        for der in &named {
            let Ok(certificate) = certificate::read(der) else { continue };
            paths.spend()?;
            if let Err(f) = database.verify_signature(certificate.fields.spki, &signature) {
                wrong = Error::new(Kind::BadReply, "the signature does not match").because(f);
                continue;
            }
            match may_speak(paths, &certificate, certificates) {
                Ok(()) => return Ok(Ok(())),
                Err(e) => untrusted = Some(e),
            }
        }
        untrusted.map(Err).ok_or(wrong)
    }
}

/// Returns a SHA-2 digest; weaker ones are refused for responses.
fn signing_digest(id: &Oid) -> Result<Digest> {
    let known = [Digest::Sha256, Digest::Sha384, Digest::Sha512];
    known.into_iter().find(|d| digest_oid(*d) == id).ok_or_else(|| weak(id))
}

fn weak(id: &Oid) -> Error {
    let id = oid::dotted(id);
    Error::new(Kind::BadReply, format!("signature algorithm {id} is unknown or too weak"))
}

/// Returns the AlgorithmIdentifier for NSS. Two identifiers of keys stand for a signature with the
/// SignerInfo's digest (RFC 3370 §3.2, RFC 5753 §2.1.1).
fn signing_algorithm(signer: &SignerInfo, digest: Digest) -> Result<Vec<u8>> {
    use crate::algorithm::Scheme;
    let given = &signer.signature_algorithm;
    let id: &Oid = &given.algorithm;
    let meant = if *id == *oid::RSA_ENCRYPTION {
        signature_algorithm(Scheme::RsaPkcs1(digest))?
    } else if *id == *oid::EC_PUBLIC_KEY {
        signature_algorithm(Scheme::Ecdsa(digest))?
    } else {
        given.clone()
    };
    let der = encode("a signature algorithm", &meant)?;
    if is_strong(&der) { Ok(der) } else { Err(weak(id)) }
}

/// Returns whether an AlgorithmIdentifier (DER) is that of a signature with SHA-2 or ML-DSA.
pub(super) fn is_strong(der: &[u8]) -> bool {
    let Ok(given) = decode::<rasn_cms::AlgorithmIdentifier>("x", der) else { return false };
    if *given.algorithm == *oid::RSASSA_PSS {
        let parameters = given.parameters.as_ref().map(|p| p.as_bytes());
        pss_digest(parameters.unwrap_or_default()).is_some()
    } else {
        STRONG.iter().any(|known| *given.algorithm == **known)
    }
}

const STRONG: &[&Oid] = &[
    oid::SHA256_WITH_RSA,
    oid::SHA384_WITH_RSA,
    oid::SHA512_WITH_RSA,
    oid::ECDSA_WITH_SHA256,
    oid::ECDSA_WITH_SHA384,
    oid::ECDSA_WITH_SHA512,
    oid::ML_DSA_44,
    oid::ML_DSA_65,
    oid::ML_DSA_87,
];

/// Returns the digest in RSASSA-PSS-params (RFC 4055 §3.1); the default is SHA-1, which is refused.
fn pss_digest(parameters: &[u8]) -> Option<Digest> {
    let (0x30, content, []) = split_tlv(parameters)? else { return None };
    let (0xa0, hash, _) = split_tlv(content)? else { return None };
    let hash: rasn_cms::AlgorithmIdentifier = decode("a digest", hash).ok()?;
    signing_digest(&hash.algorithm).ok()
}

/// Returns whether a SignerInfo identifies this certificate.
fn is_named(sid: &SignerIdentifier, der: &[u8]) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            let serial = encode("x", &id.serial_number).unwrap_or_default();
            let serial = split_tlv(&serial).map(|(_, content, _)| content);
            certificate::fields(der)
                .is_ok_and(|f| f.issuer == id.issuer.as_bytes() && serial == Some(f.serial))
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            certificate::read(der).is_ok_and(|c| c.key_identifier() == Some(&id[..]))
        }
    }
}

/// Checks that the holder of `signer` may sign a response with these certificates.
///
/// # Errors
/// [`Kind::Untrusted`] with the reason.
fn may_speak(paths: &Paths<'_>, signer: &Certificate<'_>, certificates: &[Vec<u8>]) -> Result<()> {
    let refused = |why: String| {
        Err(Error::new(Kind::Untrusted, format!("{} may not sign a response", who(signer)))
            .because(why))
    };
    paths.valid_now(signer)?;
    paths.to_trusted(signer.der)?;
    // The names of the CAs that it may sign for.
    let mut authorities = Vec::new();
    if signer.ca()?.0 && signer.may(&[KeyUsage::DigitalSignature, KeyUsage::KeyCertSign])? {
        authorities.push(signer.fields.subject);
    }
    if signer.has_purpose(oid::KP_CMC_CA)?
        && signer.may(&[KeyUsage::DigitalSignature, KeyUsage::NonRepudiation])?
    {
        authorities.push(signer.fields.issuer);
    }
    if authorities.is_empty() {
        return refused("it is not a CA or CMC responder (id-kp-cmcCA)".into());
    }
    if let Some(id) = signer.unknown_critical() {
        return refused(format!("its critical extension {id} is unknown"));
    }
    for der in certificates.iter().filter(|der| der.as_slice() != signer.der) {
        let Ok(certificate) = certificate::read(der) else { continue };
        let ca = certificate.ca().is_ok_and(|(ca, _)| ca);
        if !ca && !authorities.contains(&certificate.fields.issuer) {
            let subject = who(&certificate);
            return refused(format!(
                "another CA issued the certificate of {subject} in the same message"
            ));
        }
    }
    Ok(())
}
