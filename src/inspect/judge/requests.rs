//! Rules for certificate requests.

use super::Place;
use super::facts::{Facts, Request, attribute_elements, message_if};
use crate::asn1::crmf::ProofOfPossession;
use crate::asn1::{canonical, encode, oid};

type Places = Vec<Place>;

pub(super) fn several(facts: &Facts) -> Places {
    message_if(facts.requests.len() > 1)
}

pub(super) fn damaged(facts: &Facts) -> Places {
    facts.requests_where(|r| matches!(r, Request::Damaged))
}

pub(super) fn other(facts: &Facts) -> Places {
    facts.requests_where(|r| matches!(r, Request::Other(_)))
}

pub(super) fn no_attributes(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Pkcs10(_, request) => attribute_elements(request).is_none(),
        _ => false,
    })
}

pub(super) fn attribute_order(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Pkcs10(_, request) => {
            let elements = attribute_elements(request).unwrap_or_default();
            !canonical::sorted(&elements.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
        _ => false,
    })
}

pub(super) fn no_signature(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Pkcs10(_, request) => *request.signature_algorithm.algorithm == *oid::NO_SIGNATURE,
        _ => false,
    })
}

pub(super) fn no_public_key(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Crmf(_, request) => request.cert_template.public_key.is_none(),
        _ => false,
    })
}

pub(super) fn no_subject(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Crmf(_, request) => request.cert_template.subject.is_none(),
        _ => false,
    })
}

pub(super) fn reg_info(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Crmf(message, _) => message.reg_info.is_some(),
        _ => false,
    })
}

/// Returns the CRMF requests with a proof of possession that `wrong` is true of.
fn pop(facts: &Facts, wrong: impl Fn(Option<&ProofOfPossession>) -> bool) -> Places {
    facts.requests_where(|r| match r {
        Request::Crmf(message, _) => wrong(message.popo.as_ref()),
        _ => false,
    })
}

pub(super) fn no_pop(facts: &Facts) -> Places {
    pop(facts, |popo| popo.is_none())
}

pub(super) fn ra_verified(facts: &Facts) -> Places {
    pop(facts, |popo| matches!(popo, Some(ProofOfPossession::RaVerified(()))))
}

pub(super) fn pop_by_decryption(facts: &Facts) -> Places {
    use ProofOfPossession::{KeyAgreement, KeyEncipherment};
    pop(facts, |popo| matches!(popo, Some(KeyEncipherment(_) | KeyAgreement(_))))
}

pub(super) fn not_normal(facts: &Facts) -> Places {
    facts.requests_where(|r| match r {
        Request::Crmf(message, request) => {
            let again = encode("a part", request.as_ref());
            message.popo.is_some() && again.is_ok_and(|der| der != message.cert_req.as_bytes())
        }
        _ => false,
    })
}
