//! Rules for controls.

use std::collections::BTreeSet;

use rasn::types::Any;

use super::Place;
use super::facts::{Facts, Outer, Request, message_if, place};
use crate::asn1::cmc::{CmcCertId, GetCert};
use crate::asn1::{Number, decode, oid, split_tlv};
use crate::cmc::control::{Control, ControlType, Witness, check_identification};

type Places = Vec<Place>;

/// Returns the places with their body part ids.
fn numbered(facts: &Facts) -> Vec<(Place, Number)> {
    let controls = facts.controls.iter().map(|c| (place(c), c.body_part_id.clone()));
    let requests = facts.requests.iter().enumerate();
    let requests = requests.filter_map(|(at, r)| Some((Place::Request(at + 1), r.body_part_id()?)));
    // A CRMF file's certReqIds are body part ids only in a CMC message.
    let requests = requests.filter(|_| facts.is_request());
    controls.chain(requests).collect()
}

pub(super) fn body_part_twice(facts: &Facts) -> Places {
    let mut seen = BTreeSet::new();
    let all = numbered(facts).into_iter();
    all.filter(|(_, id)| !seen.insert(id.to_string())).map(|(place, _)| place).collect()
}

pub(super) fn body_part_zero(facts: &Facts) -> Places {
    let zero = Number::from(0u32);
    numbered(facts).into_iter().filter(|(_, id)| *id == zero).map(|(place, _)| place).collect()
}

pub(super) fn body_part_range(facts: &Facts) -> Places {
    let wrong = |id: &Number| u32::try_from(id).is_err();
    numbered(facts).into_iter().filter(|(_, id)| wrong(id)).map(|(place, _)| place).collect()
}

pub(super) fn damaged(facts: &Facts) -> Places {
    facts.controls_where(|c| c.values.iter().any(Result::is_err))
}

pub(super) fn value_count(facts: &Facts) -> Places {
    facts.controls_where(|c| c.values.len() != 1)
}

pub(super) fn twice(facts: &Facts) -> Places {
    if !facts.is_request() {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let again = facts.controls.iter().filter(|c| !seen.insert(c.dotted()));
    again.map(place).collect()
}

pub(super) fn unknown(facts: &Facts) -> Places {
    let processed = facts.has(ControlType::ControlProcessed);
    let judged = facts.is_request() && !processed;
    facts.controls_where(|c| judged && c.control_type().is_none())
}

/// Where a control belongs, and whether Dogtag looks at it in a request.
fn belongs(control: ControlType) -> (Belongs, bool) {
    use Belongs::{Both, InRequest, InResponse, InTheCertificateRequest};
    match control {
        ControlType::Identification
        | ControlType::IdentityProof
        | ControlType::IdentityProofV2
        | ControlType::PopLinkRandom
        | ControlType::DecryptedPop
        | ControlType::LraPopWitness
        | ControlType::GetCert
        | ControlType::Revoke
        | ControlType::RegInfo => (InRequest, true),
        ControlType::DataReturn | ControlType::TransactionId | ControlType::SenderNonce => {
            (Both, true)
        }
        ControlType::RecipientNonce
        | ControlType::TrustedAnchors
        | ControlType::AuthData
        | ControlType::ControlProcessed => (Both, false),
        ControlType::ModCertTemplate
        | ControlType::AddExtensions
        | ControlType::GetCrl
        | ControlType::QueryPending
        | ControlType::ConfirmCertAcceptance
        | ControlType::BatchRequests
        | ControlType::PublishCert
        | ControlType::RaIdentityWitness => (InRequest, false),
        ControlType::StatusInfo
        | ControlType::StatusInfoV2
        | ControlType::EncryptedPop
        | ControlType::ResponseInfo
        | ControlType::BatchResponses
        | ControlType::ResponseBody => (InResponse, false),
        ControlType::PopLinkWitness
        | ControlType::PopLinkWitnessV2
        | ControlType::ChangeSubjectName => (InTheCertificateRequest, false),
    }
}

#[derive(PartialEq)]
enum Belongs {
    InRequest,
    InResponse,
    Both,
    InTheCertificateRequest,
}

pub(super) fn ignored(facts: &Facts) -> Places {
    facts.controls_where(|c| facts.is_request() && c.control_type().is_some_and(|c| !belongs(c).1))
}

pub(super) fn misplaced(facts: &Facts) -> Places {
    facts.controls_where(|c| {
        c.control_type().is_some_and(|c| match belongs(c).0 {
            Belongs::InRequest => facts.is_response(),
            Belongs::InResponse => facts.is_request(),
            Belongs::Both => false,
            Belongs::InTheCertificateRequest => true,
        })
    })
}

pub(super) fn no_sender_nonce(facts: &Facts) -> Places {
    message_if(facts.is_request() && !facts.has(ControlType::SenderNonce))
}

pub(super) fn no_transaction_id(facts: &Facts) -> Places {
    message_if(facts.is_request() && !facts.has(ControlType::TransactionId))
}

fn is_proof(control: Option<ControlType>) -> bool {
    matches!(control, Some(ControlType::IdentityProof | ControlType::IdentityProofV2))
}

pub(super) fn proof_without_identification(facts: &Facts) -> Places {
    let named = facts.has(ControlType::Identification);
    facts.controls_where(|c| !named && is_proof(c.control_type()))
}

pub(super) fn identification_alone(facts: &Facts) -> Places {
    let proves = facts.controls.iter().any(|c| is_proof(c.control_type()));
    facts.controls_where(|c| !proves && c.control_type() == Some(ControlType::Identification))
}

pub(super) fn identification_characters(facts: &Facts) -> Places {
    facts.values_where(|v| match v {
        Control::Identification(text) => check_identification(text).is_err(),
        _ => false,
    })
}

pub(super) fn proof_version(facts: &Facts) -> Places {
    facts.controls_where(|c| c.control_type() == Some(ControlType::IdentityProof))
}

/// Returns the places with a witness of version 2 that `wrong` is true of.
fn witnesses(facts: &Facts, wrong: impl Fn(&Witness) -> bool) -> Places {
    let is_wrong = |control: &Control| match control {
        Control::IdentityProofV2(witness) | Control::PopLinkWitnessV2(witness) => wrong(witness),
        _ => false,
    };
    let mut places = facts.values_where(is_wrong);
    places.extend(facts.requests_where(|r| r.controls().iter().any(is_wrong)));
    places
}

pub(super) fn witness_sha1(facts: &Facts) -> Places {
    witnesses(facts, |w| w.hash_algorithm.is(oid::SHA1) || w.mac_algorithm.is(oid::HMAC_SHA1))
}

pub(super) fn witness_mac(facts: &Facts) -> Places {
    witnesses(facts, |w| {
        !w.mac_algorithm.is(oid::HMAC_SHA256) && !w.mac_algorithm.is(oid::HMAC_SHA512)
    })
}

fn is_linked(request: &Request) -> bool {
    let witness =
        |c: &Control| matches!(c, Control::PopLinkWitness(_) | Control::PopLinkWitnessV2(_));
    request.controls().iter().any(witness)
}

pub(super) fn link_witness_missing(facts: &Facts) -> Places {
    let random = facts.has(ControlType::PopLinkRandom);
    facts.requests_where(|request| random && !is_linked(request))
}

pub(super) fn link_random_missing(facts: &Facts) -> Places {
    let random = facts.has(ControlType::PopLinkRandom);
    facts.requests_where(|request| facts.is_request() && !random && is_linked(request))
}

pub(super) fn decrypted_pop_alone(facts: &Facts) -> Places {
    let named = facts.has(ControlType::RegInfo);
    facts.controls_where(|c| !named && c.control_type() == Some(ControlType::DecryptedPop))
}

pub(super) fn lra_pop_witness(facts: &Facts) -> Places {
    facts.controls_where(|c| c.control_type() == Some(ControlType::LraPopWitness))
}

pub(super) fn revoke_with_requests(facts: &Facts) -> Places {
    let requests = !facts.requests.is_empty();
    facts.controls_where(|c| requests && c.control_type() == Some(ControlType::Revoke))
}

pub(super) fn passphrase_signed(facts: &Facts) -> Places {
    let signed = matches!(facts.outer, Outer::Signed(_)) && !facts.signers().is_empty();
    facts.values_where(|v| match v {
        Control::Revoke(revocation) => signed && revocation.passphrase.is_some(),
        _ => false,
    })
}

/// Returns the getCert and confirmCertAcceptance controls whose issuer is written in Dogtag's form,
/// or in the RFC's: getCert has a bare Name in Dogtag's and a GeneralName in the RFC's,
/// confirmCertAcceptance has a Name in a further sequence in Dogtag's.
fn forms(facts: &Facts, dogtag: bool) -> Places {
    let is_dogtag = |control: ControlType, value: &Any| -> Option<bool> {
        match control {
            ControlType::GetCert => {
                let value: GetCert = decode("a part", value.as_bytes()).ok()?;
                Some(value.issuer_name.as_bytes().first() == Some(&0x30))
            }
            ControlType::ConfirmCertAcceptance => {
                let value: CmcCertId = decode("a part", value.as_bytes()).ok()?;
                let first = value.issuer.first()?;
                Some(split_tlv(first.as_bytes())?.0 == 0x30)
            }
            _ => None,
        }
    };
    let pairs = facts.controls.iter().zip(&facts.raw_controls);
    let wrong = pairs.filter(|(control, raw)| {
        let Some(kind) = control.control_type() else { return false };
        let values = raw.attr_values.to_vec();
        values.into_iter().any(|value| is_dogtag(kind, value) == Some(dogtag))
    });
    wrong.map(|(control, _)| place(control)).collect()
}

pub(super) fn dogtag_form(facts: &Facts) -> Places {
    forms(facts, true)
}

pub(super) fn rfc_form(facts: &Facts) -> Places {
    forms(facts, false)
}

pub(super) fn nested_content(facts: &Facts) -> Places {
    message_if(facts.is_request() && facts.nested > 0)
}
