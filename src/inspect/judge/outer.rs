//! Rules for SignedData and its signers.

use rasn::types::ObjectIdentifier;

use super::Place;
use super::facts::{Facts, Outer, message_if, values_of};
use crate::asn1::cms::{ContentInfo, SignerIdentifier, SignerInfo};
use crate::asn1::{canonical, decode, encode, oid};
use crate::inspect::signer::included;
use crate::inspect::{Form, key_identifier};

type Places = Vec<Place>;

pub(super) fn not_signed(facts: &Facts) -> Places {
    message_if(matches!(facts.outer, Outer::Data))
}

pub(super) fn authenticated_data(facts: &Facts) -> Places {
    message_if(facts.is_request() && matches!(facts.outer, Outer::Authenticated))
}

pub(super) fn no_signer(facts: &Facts) -> Places {
    message_if(facts.is_request() && facts.signed().is_some() && facts.signers().is_empty())
}

pub(super) fn several_signers(facts: &Facts) -> Places {
    message_if(facts.is_request() && facts.signers().len() > 1)
}

fn has_key_identifier(signer: &SignerInfo) -> bool {
    matches!(signer.sid, SignerIdentifier::SubjectKeyIdentifier(_))
}

pub(super) fn several_with_own_key(facts: &Facts) -> Places {
    let signers = facts.signers();
    let own_key = signers.iter().any(|signer| has_key_identifier(signer));
    message_if(facts.is_request() && signers.len() > 1 && own_key)
}

pub(super) fn content_type(facts: &Facts) -> Places {
    let known = [oid::ID_CCT_PKI_DATA, oid::ID_CCT_PKI_RESPONSE];
    let wrong = facts.signed().is_some_and(|signed| {
        let content = &signed.encap_content_info;
        content.content.is_some() && !known.iter().any(|id| *content.content_type == **id)
    });
    message_if(wrong)
}

pub(super) fn message_ber(facts: &Facts) -> Places {
    let signed = facts.is_request() && facts.signed().is_some();
    message_if(signed && decode::<ContentInfo>("a part", facts.der).is_err())
}

pub(super) fn content_ber(facts: &Facts) -> Places {
    let content = match facts.form {
        Form::Request => facts.content.as_deref(),
        Form::Pkcs10 | Form::Crmf => Some(facts.der),
        Form::Response | Form::Certificates | Form::Certificate => None,
    };
    message_if(content.is_some_and(|content| !canonical::violations(content).is_empty()))
}

pub(super) fn signed_data_version(facts: &Facts) -> Places {
    let wrong = facts.signed().is_some_and(|signed| {
        let is_data = *signed.encap_content_info.content_type == *oid::ID_DATA;
        let version_3 = !is_data || facts.signers().iter().any(|s| has_key_identifier(s));
        // Attribute certificates and other forms need other versions.
        let certificates = signed.certificates.as_ref().map(|c| c.to_vec()).unwrap_or_default();
        let plain = certificates.iter().all(|c| c.as_bytes().first() == Some(&0x30));
        plain && signed.version != if version_3 { 3 } else { 1 }.into()
    });
    message_if(wrong)
}

pub(super) fn signer_version(facts: &Facts) -> Places {
    facts.signers_where(|s| s.version != if has_key_identifier(s) { 3 } else { 1 }.into())
}

pub(super) fn digest_not_listed(facts: &Facts) -> Places {
    let Some(signed) = facts.signed() else { return Vec::new() };
    let listed = signed.digest_algorithms.to_vec();
    facts.signers_where(|s| {
        !listed.iter().any(|listed| listed.algorithm == s.digest_algorithm.algorithm)
    })
}

/// Returns the name of the signature algorithm.
fn signature(signer: &SignerInfo) -> &'static str {
    oid::name(&signer.signature_algorithm.algorithm).unwrap_or_default()
}

pub(super) fn digest_without_null(facts: &Facts) -> Places {
    let rsa =
        |s: &SignerInfo| signature(s).ends_with("RSAEncryption") || signature(s) == "rsaEncryption";
    let wrong = |s: &SignerInfo| rsa(s) && s.digest_algorithm.parameters.is_none();
    if facts.is_request() { facts.signers_where(wrong) } else { Vec::new() }
}

pub(super) fn digest_with_null(facts: &Facts) -> Places {
    facts.signers_where(|s| s.digest_algorithm.parameters.is_some())
}

fn digest(signer: &SignerInfo) -> &'static str {
    oid::name(&signer.digest_algorithm.algorithm).unwrap_or_default()
}

pub(super) fn weak_digest(facts: &Facts) -> Places {
    facts.signers_where(|s| matches!(digest(s), "sha1" | "md5"))
}

pub(super) fn unknown_digest(facts: &Facts) -> Places {
    let known = ["md5", "sha1", "sha256", "sha384", "sha512"];
    let wrong = |s: &SignerInfo| !known.contains(&digest(s));
    if facts.is_request() { facts.signers_where(wrong) } else { Vec::new() }
}

pub(super) fn pss_digest(facts: &Facts) -> Places {
    let wrong = |s: &SignerInfo| signature(s) == "rsassaPss" && digest(s) != "sha512";
    if facts.is_request() { facts.signers_where(wrong) } else { Vec::new() }
}

pub(super) fn signature_parameters(facts: &Facts) -> Places {
    facts.signers_where(|s| {
        let parameters = s.signature_algorithm.parameters.as_ref().map(|p| p.as_bytes());
        match signature(s) {
            "rsassaPss" => matches!(parameters, None | Some([5, 0])),
            name if name.starts_with("ecdsa") || name.starts_with("ML-DSA") => parameters.is_some(),
            _ => false,
        }
    })
}

pub(super) fn no_signed_attributes(facts: &Facts) -> Places {
    facts.signers_where(|s| s.signed_attrs.is_none())
}

pub(super) fn attribute_order(facts: &Facts) -> Places {
    facts.signers_where(|s| {
        let all = s.signed_attrs.as_ref().map(|a| a.to_vec()).unwrap_or_default();
        let der: Vec<Vec<u8>> = all.iter().filter_map(|a| encode("a part", *a).ok()).collect();
        !canonical::sorted(&der.iter().map(Vec::as_slice).collect::<Vec<_>>())
    })
}

pub(super) fn content_type_attribute(facts: &Facts) -> Places {
    let Some(signed) = facts.signed() else { return Vec::new() };
    let expected = &signed.encap_content_info.content_type;
    facts.signers_where(|s| {
        let values = values_of(s.signed_attrs.as_ref(), oid::ID_CONTENT_TYPE);
        let is_it = |der: &Vec<u8>| {
            decode::<ObjectIdentifier>("a part", der).is_ok_and(|id| id == *expected)
        };
        s.signed_attrs.is_some() && !(values.len() == 1 && values.iter().all(is_it))
    })
}

pub(super) fn message_digest_attribute(facts: &Facts) -> Places {
    facts.signers_where(|s| {
        let values = values_of(s.signed_attrs.as_ref(), oid::ID_MESSAGE_DIGEST);
        s.signed_attrs.is_some() && values.len() != 1
    })
}

pub(super) fn signer_certificate(facts: &Facts) -> Places {
    let Some(signed) = facts.signed().filter(|_| facts.is_request()) else { return Vec::new() };
    facts.signers_where(|s| !has_key_identifier(s) && !included(signed, s))
}

pub(super) fn signer_key_identifier(facts: &Facts) -> Places {
    if !facts.is_request() {
        return Vec::new();
    }
    let data = facts.content.as_deref().and_then(|der| decode("a part", der).ok());
    let data: Option<crate::asn1::cmc::PkiData> = data;
    let requests = data.map(|data| data.req_sequence).unwrap_or_default();
    let ids: Vec<Vec<u8>> = requests.iter().filter_map(|r| key_identifier(r.as_bytes())).collect();
    facts.signers_where(|s| match &s.sid {
        SignerIdentifier::SubjectKeyIdentifier(id) => !ids.iter().any(|own| own[..] == id[..]),
        SignerIdentifier::IssuerAndSerialNumber(_) => false,
    })
}
