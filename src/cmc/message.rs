//! Builds a whole CMC request from a plain description; used by the old CMCRequest and by the
//! modern verbs.

use zeroize::Zeroizing;

use super::control::{Control, ControlType};
use super::proof::{SharedSecret, WitnessAlgorithms, identity_proof_v1, link};
use super::request::{Format, PkiDataBuilder, Request, Sent, request_content};
use super::response::open_signed_data;
use super::seal::{SignerId, signed_data, unsigned_data};
use crate::algorithm::{Crypto, Digests, KeyType, Scheme, Signer};
use crate::asn1::certificate;
use crate::asn1::cms::SignerIdentifier;
use crate::asn1::crmf::{CertReqMsg, CertRequest};
use crate::asn1::x509::{digest_for, spki_key_type};
use crate::asn1::{Number, decode, encode};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The content of a CMC request. It may hold secrets and has no `Debug`.
#[derive(Default)]
pub struct CmcSpec {
    /// The first controls, in this order.
    pub controls: Vec<Control>,
    /// The certificate requests.
    pub requests: Vec<Request>,
    /// transactionId.
    pub transaction_id: Option<Number>,
    /// identification.
    pub identification: Option<String>,
    /// The secret for the proofs of version 2.
    pub shared_secret: Option<Secret>,
    /// Whether and how to link each request to the shared secret (popLinkWitnessV2, RFC 5272
    /// §6.3.1).
    pub pop_link: Option<WitnessAlgorithms>,
    /// Whether and how to prove identity (identityProofV2, RFC 5272 §6.2.1).
    pub identity_proof: Option<WitnessAlgorithms>,
    /// The secret for identityProof of version 1 (RFC 5272 §6.2.2).
    pub identity_proof_v1: Option<Secret>,
    /// How the digest of SignedData is chosen.
    pub digests: Digests,
}

/// The signer of a request.
#[derive(Clone, Copy)]
pub enum Signatory<'a> {
    /// The holder of a certificate: an agent or the user.
    Certificate {
        /// DER of the certificate.
        leaf: &'a [u8],
        /// DER of its issuers; they are added to the message.
        issuers: &'a [Vec<u8>],
        /// Its private key.
        key: &'a dyn Signer,
    },
    /// The key being certified, identified by the request's subjectKeyIdentifier.
    RequestKey(&'a dyn Signer),
    /// No signer: a revocation by shared secret.
    Nobody,
}

/// A built request. It may hold a secret: `Debug` prints no octets of it.
pub struct Message {
    /// DER of the ContentInfo.
    pub der: Zeroizing<Vec<u8>>,
    /// Name and body part id of each part, in the order of creation.
    pub parts: Vec<(&'static str, u32)>,
    /// The certificate requests in the message; re-signed if they are linked to a shared secret.
    pub requests: Vec<Request>,
    /// The values to compare with the response.
    pub sent: Sent,
    /// Whether it contains a passphrase in the clear.
    pub holds_secret: bool,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// Builds the message: PKIData (RFC 5272 §3.2.1) in SignedData (RFC 5652 §5).
///
/// `link_key` re-signs requests that are linked to a shared secret.
///
/// # Errors
/// [`Kind::Usage`] for missing or contradictory values, [`Kind::Input`] for an unsuitable request;
/// else those of the signer.
pub fn build(
    spec: CmcSpec,
    signatory: Signatory<'_>,
    link_key: Option<&dyn Signer>,
    crypto: &dyn Crypto,
) -> Result<Message> {
    let mut work = Work { builder: PkiDataBuilder::new(&spec.requests), parts: Vec::new() };
    let mut sent = Sent::default();
    let mut holds_secret = false;
    for control in &spec.controls {
        match control {
            Control::SenderNonce(nonce) => sent.nonce = Some(nonce.clone()),
            Control::Revoke(revocation) => holds_secret |= revocation.passphrase.is_some(),
            _ => {}
        }
        work.control(control)?;
    }
    let known = SharedSecret {
        secret: spec.shared_secret.as_ref().map(Secret::bytes).unwrap_or_default(),
        identification: spec.identification.as_deref(),
    };
    let mut requests = spec.requests;
    if let Some(algorithms) = spec.pop_link {
        let Some(key) = link_key else {
            return Err(Error::new(
                Kind::Usage,
                "the POP link requires the private key of the request, to sign it again",
            ));
        };
        let random = crypto.random(64)?;
        let witness = known.witness(algorithms, &random, crypto)?;
        work.control(&Control::PopLinkRandom(random))?;
        requests =
            requests.iter().map(|r| link(r, &witness.encode()?, key)).collect::<Result<_>>()?;
    }
    for request in &requests {
        check_normal_form(request)?;
        work.builder.request(request)?;
    }
    if let Some(id) = spec.transaction_id {
        sent.transaction_id = Some(id.clone());
        work.control(&Control::TransactionId(id))?;
    }
    if let Some(text) = &spec.identification {
        work.control(&Control::Identification(text.clone()))?;
    }
    if let Some(algorithms) = spec.identity_proof {
        let witness = known.witness(algorithms, &work.builder.request_sequence()?, crypto)?;
        work.control(&Control::IdentityProofV2(Box::new(witness)))?;
    } else if let Some(secret) = &spec.identity_proof_v1 {
        let over = work.builder.request_sequence()?;
        let proof = identity_proof_v1(secret.bytes(), &over, crypto)?;
        work.control(&Control::IdentityProof(proof))?;
    }
    let der = seal(work.builder, signatory, &requests, spec.digests, crypto)?;
    Ok(Message { der, parts: work.parts, requests, sent, holds_secret })
}

/// Signs the PKIData of a builder; returns the DER of the ContentInfo (RFC 5652 §3).
///
/// # Errors
/// Those of the signer; [`Kind::Input`] when a request has no subjectKeyIdentifier for its own key.
pub fn seal(
    builder: PkiDataBuilder,
    signatory: Signatory<'_>,
    requests: &[Request],
    digests: Digests,
    crypto: &dyn Crypto,
) -> Result<Zeroizing<Vec<u8>>> {
    let pki_data = builder.build()?;
    match signatory {
        Signatory::Certificate { leaf, issuers, key } => {
            sign_as(leaf, issuers, key, &pki_data, digests, crypto).map(Zeroizing::new)
        }
        Signatory::RequestKey(key) => {
            let request = requests.last().ok_or_else(|| {
                Error::new(Kind::Usage, "cannot sign with the request's own key: no request given")
            })?;
            let id = request.key_identifier()?;
            let digest = digest_for(request.spki(), digests);
            signed_data(&pki_data, SignerId::KeyIdentifier(id), &[], key, digest, crypto)
                .map(Zeroizing::new)
        }
        Signatory::Nobody => unsigned_data(&pki_data),
    }
}

/// Re-signs the PKIData of a message, for tests of what a CA refuses: as the holder of a
/// certificate, or with a key under the key identifier of the message's first signer.
///
/// # Errors
/// [`Kind::Input`] when the message is not a request, or its signer has no key identifier; else
/// those of the signer.
pub fn sign_again(
    message: &[u8],
    signatory: Signatory<'_>,
    crypto: &dyn Crypto,
) -> Result<Zeroizing<Vec<u8>>> {
    let pki_data = encode("PKIData", &request_content(message)?)?;
    match signatory {
        Signatory::Certificate { leaf, issuers, key } => {
            sign_as(leaf, issuers, key, &pki_data, Digests::Sha256, crypto).map(Zeroizing::new)
        }
        Signatory::Nobody => unsigned_data(&pki_data),
        Signatory::RequestKey(key) => {
            let signed = open_signed_data("the CMC request", message)?.0;
            let named = signed.signer_infos.to_vec().into_iter().find_map(|info| match &info.sid {
                SignerIdentifier::SubjectKeyIdentifier(id) => Some(id.to_vec()),
                SignerIdentifier::IssuerAndSerialNumber(_) => None,
            });
            let id = named.ok_or_else(|| {
                Error::new(Kind::Input, "the message is not signed with the key of its request")
                    .hint("add nickname=… with the certificate that signs")
            })?;
            let digest = Digests::Sha256.choose(key.key_type(), None);
            signed_data(&pki_data, SignerId::KeyIdentifier(&id), &[], key, digest, crypto)
                .map(Zeroizing::new)
        }
    }
}

struct Work {
    builder: PkiDataBuilder,
    parts: Vec<(&'static str, u32)>,
}

impl Work {
    fn control(&mut self, control: &Control) -> Result<()> {
        let id = self.builder.add(control)?;
        self.parts.push((control.control_type().map_or("unknown", ControlType::words), id));
        Ok(())
    }
}

/// A key whose certificate is for PSS only, while the token has it as a plain RSA key.
struct PssKey<'a>(&'a dyn Signer);

impl Signer for PssKey<'_> {
    fn key_type(&self) -> KeyType {
        KeyType::RsaPss
    }

    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        self.0.sign(scheme, message)
    }
}

/// Signs as the holder of a certificate; with PSS if the certificate's key is for PSS only.
fn sign_as(
    leaf: &[u8],
    issuers: &[Vec<u8>],
    key: &dyn Signer,
    pki_data: &[u8],
    digests: Digests,
    crypto: &dyn Crypto,
) -> Result<Vec<u8>> {
    let mut chain = vec![leaf.to_vec()];
    chain.extend(issuers.iter().cloned());
    let id = SignerId::Certificate(leaf);
    let spki = certificate::fields(leaf)?.spki;
    let digest = digest_for(spki, digests);
    if spki_key_type(spki) == Some(KeyType::RsaPss) {
        return signed_data(pki_data, id, &chain, &PssKey(key), digest, crypto);
    }
    signed_data(pki_data, id, &chain, key, digest, crypto)
}

/// Refuses a CRMF request that the CA would re-encode differently before it verifies the proof of
/// possession, such as one with `critical FALSE` encoded.
fn check_normal_form(request: &Request) -> Result<()> {
    if request.format() != Format::Crmf {
        return Ok(());
    }
    let message: CertReqMsg = decode("the CertReqMsg", request.der())?;
    let request: CertRequest = decode("the CertRequest", message.cert_req.as_bytes())?;
    if message.popo.is_none() || encode("a CertRequest", &request)? == message.cert_req.as_bytes() {
        return Ok(());
    }
    Err(Error::new(Kind::Input, "cannot use the CRMF request: it is not encoded as the CA expects")
        .because("Dogtag encodes it again, and then its proof of possession is invalid")
        .hint("create it again with nss-cmc; CRMFPopClient -y of Dogtag 11 writes such requests"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::cmc::PkiData;
    use crate::asn1::x509;
    use crate::cmc::fixture::{Key, OpenSsl};

    fn request(key: &Key, id: Option<[u8; 20]>) -> Request {
        let extensions: Vec<_> = id.iter().map(|i| x509::subject_key_identifier(i)).collect();
        let parts = x509::CsrParts {
            subject: &crate::asn1::name::parse("CN=x").unwrap(),
            spki: &key.spki(),
            extensions: &extensions,
            attributes: vec![],
        };
        let der = x509::certification_request(parts, key, Digests::ByStrength).unwrap();
        Request::from_pkcs10(&der).unwrap()
    }

    fn pki_data(message: &Message) -> PkiData {
        let content = open_signed_data("x", &message.der).unwrap().1.unwrap();
        decode("x", &content).unwrap()
    }

    #[test]
    fn every_body_part_has_its_own_number() {
        let key = Key::ec();
        let spec = CmcSpec {
            controls: vec![
                Control::DataReturn(b"x".to_vec()),
                Control::SenderNonce(b"nonce".to_vec()),
            ],
            requests: vec![request(&key, Some([7; 20])), request(&key, Some([7; 20]))],
            transaction_id: Some(Number::from(5u32)),
            identification: Some("alice".into()),
            shared_secret: Some(Secret::new(b"s".to_vec())),
            pop_link: Some(WitnessAlgorithms::default()),
            identity_proof: Some(WitnessAlgorithms::default()),
            identity_proof_v1: None,
            digests: Digests::ByStrength,
        };
        let message = build(spec, Signatory::RequestKey(&key), Some(&key), &OpenSsl).unwrap();
        let parts: Vec<&str> = message.parts.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            parts,
            [
                "data return",
                "sender nonce",
                "PopLinkWitness",
                "transaction management",
                "identification",
                "identityProofV2"
            ]
        );
        let ids: Vec<u32> = message.parts.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids, [1, 2, 3, 6, 7, 8]);
        assert_eq!(message.sent.nonce.as_deref(), Some(&b"nonce"[..]));
        assert_eq!(
            message.sent.transaction_id.as_ref().map(|id| u32::try_from(id).unwrap()),
            Some(5)
        );
        let data = pki_data(&message);
        assert_eq!((data.control_sequence.len(), data.req_sequence.len()), (6, 2));
        // SignerInfo version 3 with subjectKeyIdentifier [0], and an empty set of certificates.
        let signed = open_signed_data("x", &message.der).unwrap().0;
        assert_eq!(signed.certificates.map(|c| c.to_vec().len()), Some(0));
        assert_eq!(signed.signer_infos.to_vec()[0].version, 3.into());
    }

    #[test]
    fn the_own_key_must_be_named_in_the_request() {
        let key = Key::ec();
        let spec = || CmcSpec { requests: vec![request(&key, None)], ..CmcSpec::default() };
        let e = build(spec(), Signatory::RequestKey(&key), None, &OpenSsl).unwrap_err();
        assert!(e.to_string().contains("subjectKeyIdentifier"), "{e}");
        let e = build(CmcSpec::default(), Signatory::RequestKey(&key), None, &OpenSsl);
        assert_eq!(e.unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn a_message_with_a_secret_does_not_show_it() {
        let revocation = super::super::control::Revocation {
            issuer: crate::asn1::name::parse("CN=x").unwrap(),
            serial: Number::from(5u32),
            reason: super::super::revocation_reason::CrlReason::KeyCompromise,
            invalidity: None,
            passphrase: Some(Secret::new(b"Secret.123".to_vec())),
            comment: None,
        };
        let controls = vec![Control::Revoke(Box::new(revocation))];
        let spec = CmcSpec { controls, ..CmcSpec::default() };
        let message = build(spec, Signatory::Nobody, None, &OpenSsl).unwrap();
        assert!(message.holds_secret && message.der.windows(10).any(|w| w == b"Secret.123"));
        let shown = format!("{message:?} {message:x?}");
        assert!(shown.contains("revocation"), "{shown}");
        for octets in ["Secret", "83, 101", "53, 65"] {
            assert!(!shown.contains(octets), "{shown}");
        }
    }

    #[test]
    fn an_empty_secret_proves_nothing() {
        let spec = CmcSpec {
            identification: Some("alice".into()),
            identity_proof: Some(WitnessAlgorithms::default()),
            ..CmcSpec::default()
        };
        let e = build(spec, Signatory::Nobody, None, &OpenSsl).unwrap_err();
        assert!(e.to_string().contains("empty"), "{e}");
    }

    #[test]
    fn java_s_crmf_requests_are_in_normal_form_and_an_explicit_default_is_not() {
        for name in ["02-crmf-user", "02d-crmf-agent-archival", "05b-shared-secret-crmf"] {
            let path = format!("{}/tests/vectors/{name}/crmf.req", env!("CARGO_MANIFEST_DIR"));
            let der = crate::asn1::pem::to_der("x", &std::fs::read(path).unwrap()).unwrap();
            check_normal_form(&Request::crmf(&der).unwrap()).unwrap();
        }
    }
}
