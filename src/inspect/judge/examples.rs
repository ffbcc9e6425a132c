//! Messages for the tests of the rules: recorded ones, changed ones, and ones of our own.

use rasn::types::Oid;
use rasn_cms::AlgorithmIdentifier;

use super::*;
use crate::asn1::cmc::{PkiData, PkiResponse, TaggedAttribute, TaggedRequest};
use crate::asn1::cms::{ContentInfo, SignedData, SignerInfo};
use crate::asn1::crmf::{CertReqMsg, CertRequest};
use crate::asn1::{Number, any, decode, encode, name, oid, tlv, x509};
use crate::cmc::control::{CertificateId, Control, Revocation};
use crate::cmc::fixture::{Key, OpenSsl};
use crate::cmc::message::{CmcSpec, Signatory, build};
use crate::cmc::proof::WitnessAlgorithms;
use crate::cmc::request::Request;
use crate::cmc::revocation_reason::CrlReason;
use crate::inspect::read;
use crate::secret::Secret;

pub(super) fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

pub(super) fn agent() -> Vec<u8> {
    vector("01-rsa-server/request.der")
}

/// Has several controls, as the others of the agent have not.
pub(super) fn many() -> Vec<u8> {
    vector("08p-controls/request.der")
}

pub(super) fn crmf() -> Vec<u8> {
    vector("02-crmf-user/request.der")
}

pub(super) fn response() -> Vec<u8> {
    vector("01-rsa-server/response.der")
}

pub(super) fn findings(der: &[u8]) -> Vec<Finding> {
    judge(&read(der).unwrap())
}

pub(super) fn broken(der: &[u8]) -> Vec<Rule> {
    findings(der).into_iter().map(|f| f.rule).collect()
}

pub(super) fn edit(der: &[u8], change: impl FnOnce(&mut SignedData)) -> Vec<u8> {
    let info: ContentInfo = decode("x", der).unwrap();
    let mut signed = decode("x", info.content.as_bytes()).unwrap();
    change(&mut signed);
    let content = any(encode("x", &signed).unwrap());
    encode("x", &ContentInfo { content_type: info.content_type, content }).unwrap()
}

pub(super) fn edit_signer(der: &[u8], change: impl FnOnce(&mut SignerInfo)) -> Vec<u8> {
    edit(der, |signed| {
        let mut signer = signed.signer_infos.to_vec()[0].clone();
        change(&mut signer);
        signed.signer_infos = vec![signer].into();
    })
}

pub(super) fn edit_data(der: &[u8], change: impl FnOnce(&mut PkiData)) -> Vec<u8> {
    edit(der, |signed| {
        let content = signed.encap_content_info.content.take().unwrap();
        let mut data = decode("x", &content).unwrap();
        change(&mut data);
        signed.encap_content_info.content = Some(encode("x", &data).unwrap().into());
    })
}

pub(super) fn edit_response(change: impl FnOnce(&mut PkiResponse)) -> Vec<u8> {
    edit(&response(), |signed| {
        let content = signed.encap_content_info.content.take().unwrap();
        let mut response = decode("x", &content).unwrap();
        change(&mut response);
        signed.encap_content_info.content = Some(encode("x", &response).unwrap().into());
    })
}

pub(super) fn edit_crmf(change: impl FnOnce(&mut CertReqMsg, &mut CertRequest)) -> Vec<u8> {
    edit_data(&crmf(), |data| {
        let Ok(TaggedRequest::Crm(mut message)) = decode("x", data.req_sequence[0].as_bytes())
        else {
            panic!("no CRMF request")
        };
        let mut request = decode("x", message.cert_req.as_bytes()).unwrap();
        let before = encode("x", &request).unwrap();
        change(&mut message, &mut request);
        let after = encode("x", &request).unwrap();
        if before != after {
            message.cert_req = any(after);
        }
        data.req_sequence = vec![any(encode("x", &TaggedRequest::Crm(message)).unwrap())];
    })
}

/// Replaces the CertificationRequestInfo's attributes field by `field`.
pub(super) fn edit_attributes(field: &[u8]) -> Vec<u8> {
    edit_data(&agent(), |data| {
        let Ok(TaggedRequest::Tcr(mut tagged)) = decode("x", data.req_sequence[0].as_bytes())
        else {
            panic!("no PKCS #10 request")
        };
        let mut request: x509::CertificationRequest =
            decode("x", tagged.certification_request.as_bytes()).unwrap();
        let (_, content, _) = crate::asn1::split_tlv(request.info.as_bytes()).unwrap();
        let fields = crate::asn1::canonical::children(content).unwrap();
        let info = [fields[..3].concat(), field.to_vec()].concat();
        request.info = any(tlv(0x30, &info));
        tagged.certification_request = any(encode("x", &request).unwrap());
        data.req_sequence = vec![any(encode("x", &TaggedRequest::Tcr(tagged)).unwrap())];
    })
}

pub(super) fn algorithm(id: &Oid, parameters: Option<&[u8]>) -> AlgorithmIdentifier {
    AlgorithmIdentifier {
        algorithm: oid::owned(id),
        parameters: parameters.map(|p| any(p.to_vec())),
    }
}

pub(super) fn raw(id: &Oid, value: Vec<u8>) -> TaggedAttribute {
    TaggedAttribute {
        body_part_id: 777.into(),
        attr_type: oid::owned(id),
        attr_values: vec![any(value)].into(),
    }
}

pub(super) fn tagged(control: &Control) -> TaggedAttribute {
    raw(&control.oid().unwrap(), control.encode().unwrap().to_vec())
}

/// Returns the agent's request with a further control.
pub(super) fn with(control: &Control) -> Vec<u8> {
    edit_data(&agent(), |data| data.control_sequence.push(tagged(control)))
}

pub(super) fn with_raw(id: &Oid, value: Vec<u8>) -> Vec<u8> {
    edit_data(&agent(), |data| data.control_sequence.push(raw(id, value)))
}

/// Returns a response with this one control.
pub(super) fn saying(id: &Oid, value: &[u8]) -> Vec<u8> {
    edit_response(|r| r.control_sequence = vec![raw(id, value.to_vec())])
}

/// Returns a statusInfoV2 of a status, with otherInfo.
pub(super) fn status(number: u8, other: &[u8]) -> Vec<u8> {
    let value = tlv(0x30, &[&[2, 1, number, 0x30, 3, 2, 1, 1][..], other].concat());
    saying(oid::CMC_STATUS_INFO_V2, &value)
}

pub(super) fn witness(mac: &Oid, hash: &Oid) -> Control {
    use crate::asn1::certificate::Algorithm;
    let of = |id| Algorithm { id: oid::dotted(id), parameters: Vec::new() };
    Control::IdentityProofV2(Box::new(crate::cmc::control::Witness {
        hash_algorithm: of(hash),
        mac_algorithm: of(mac),
        witness: vec![1],
    }))
}

pub(super) fn revocation(passphrase: Option<&str>) -> Control {
    Control::Revoke(Box::new(Revocation {
        issuer: name::parse("CN=x").unwrap(),
        serial: Number::from(5u32),
        reason: CrlReason::Superseded,
        invalidity: None,
        passphrase: passphrase.map(|p| Secret::new(p.as_bytes().to_vec())),
        comment: None,
    }))
}

pub(super) fn pkcs10(key: &Key) -> Request {
    let id = x509::subject_key_identifier(&[7; 20]);
    let parts = x509::CsrParts {
        subject: &name::parse("CN=x").unwrap(),
        spki: &key.spki(),
        extensions: &[id],
        attributes: vec![],
    };
    Request::from_pkcs10(
        &x509::certification_request(parts, key, crate::algorithm::Digests::ByStrength).unwrap(),
    )
    .unwrap()
}

/// Returns a request with its own key as signer.
pub(super) fn own(key: &Key, spec: CmcSpec) -> Vec<u8> {
    let spec = CmcSpec { requests: vec![pkcs10(key)], ..spec };
    build(spec, Signatory::RequestKey(key), Some(key), &OpenSsl).unwrap().der.to_vec()
}

pub(super) fn full_spec() -> CmcSpec {
    CmcSpec {
        controls: vec![Control::SenderNonce(vec![1; 16])],
        transaction_id: Some(Number::from(5u32)),
        identification: Some("alice".into()),
        shared_secret: Some(Secret::new(b"s".to_vec())),
        pop_link: Some(WitnessAlgorithms::default()),
        identity_proof: Some(WitnessAlgorithms::default()),
        ..CmcSpec::default()
    }
}

pub(super) fn unsigned(spec: CmcSpec) -> Vec<u8> {
    build(spec, Signatory::Nobody, None, &OpenSsl).unwrap().der.to_vec()
}

/// AuthenticatedData around an empty PKIData.
pub(super) fn authenticated() -> Vec<u8> {
    let recipient = tlv(0xa3, &[&[2, 1, 0, 0x30, 3, 6, 1, 0x2a][..], &[4, 1, 1]].concat());
    let content = tlv(0xa0, &tlv(0x04, b"\x30\x08\x30\x00\x30\x00\x30\x00\x30\x00"));
    let kind = encode("x", &oid::owned(oid::ID_CCT_PKI_DATA)).unwrap();
    let data = [
        vec![2, 1, 0],
        tlv(0x31, &recipient),
        vec![0x30, 3, 6, 1, 0x2a],
        tlv(0x30, &[kind, content].concat()),
        vec![4, 1, 1],
    ];
    let kind = encode("x", &oid::owned(oid::ID_AUTHENTICATED_DATA)).unwrap();
    tlv(0x30, &[kind, tlv(0xa0, &tlv(0x30, &data.concat()))].concat())
}

pub(super) fn issuer() -> CertificateId {
    CertificateId { issuer: name::parse("CN=x").unwrap(), serial: Number::from(5u32) }
}
