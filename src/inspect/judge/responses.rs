//! Rules for responses.

use super::Place;
use super::facts::{Facts, message_if};
use crate::asn1::certificate;
use crate::asn1::oid;
use crate::cmc::control::{Control, ControlType};
use crate::cmc::response::{CmcStatus, OtherInfo, Status};
use crate::inspect::Form;
use crate::inspect::signer::is_of;

type Places = Vec<Place>;

pub(super) fn empty(facts: &Facts) -> Places {
    message_if(facts.is_response() && facts.controls.is_empty())
}

pub(super) fn no_certificates(facts: &Facts) -> Places {
    message_if(facts.form == Form::Certificates && facts.certificates.is_empty())
}

pub(super) fn status_version(facts: &Facts) -> Places {
    let newer = facts.has(ControlType::StatusInfoV2);
    facts.controls_where(|c| !newer && c.control_type() == Some(ControlType::StatusInfo))
}

/// Returns the statuses that `wrong` is true of.
fn statuses(facts: &Facts, wrong: impl Fn(&Status) -> bool) -> Places {
    facts.values_where(|value| match value {
        Control::StatusInfo(status) | Control::StatusInfoV2(status) => wrong(status),
        _ => false,
    })
}

pub(super) fn empty_body_list(facts: &Facts) -> Places {
    statuses(facts, |status| status.body_list.is_empty())
}

pub(super) fn unknown_status(facts: &Facts) -> Places {
    statuses(facts, |status| matches!(status.status, CmcStatus::Unknown(_)))
}

pub(super) fn fail_info_misplaced(facts: &Facts) -> Places {
    use OtherInfo::{Extended, Fail};
    statuses(facts, |status| {
        status.status != CmcStatus::Failed && matches!(status.other, Some(Fail(_) | Extended(..)))
    })
}

pub(super) fn extended_alone(facts: &Facts) -> Places {
    let fails = |status: &Status| matches!(status.other, Some(OtherInfo::Fail(_)));
    let explained = !statuses(facts, fails).is_empty();
    statuses(facts, |status| !explained && matches!(status.other, Some(OtherInfo::Extended(..))))
}

pub(super) fn no_pend_info(facts: &Facts) -> Places {
    statuses(facts, |status| {
        matches!(status.status, CmcStatus::Pending | CmcStatus::Partial)
            && !matches!(status.other, Some(OtherInfo::Pend { .. }))
    })
}

pub(super) fn no_recipient_nonce(facts: &Facts) -> Places {
    message_if(facts.is_response() && !facts.has(ControlType::RecipientNonce))
}

pub(super) fn pop_required_alone(facts: &Facts) -> Places {
    let challenged = facts.has(ControlType::EncryptedPop);
    statuses(facts, |status| !challenged && status.status == CmcStatus::PopRequired)
}

pub(super) fn pop_algorithm(facts: &Facts) -> Places {
    let macs = [
        oid::dotted(oid::HMAC_SHA1),
        oid::dotted(oid::HMAC_SHA256),
        oid::dotted(oid::HMAC_SHA384),
        oid::dotted(oid::HMAC_SHA512),
        "1.3.6.1.5.5.8.1.2".to_owned(),
    ];
    facts.values_where(|value| match value {
        Control::EncryptedPop(pop) => !macs.contains(&pop.the_pop_algorithm.id),
        _ => false,
    })
}

pub(super) fn signer(facts: &Facts) -> Places {
    if !facts.is_response() {
        return Vec::new();
    }
    facts.signers_where(|signer| {
        let found = facts.certificates.iter().find(|der| is_of(signer, der));
        let Some(certificate) = found.and_then(|der| certificate::read(der).ok()) else {
            return false;
        };
        let ca = certificate.ca().is_ok_and(|(ca, _)| ca);
        let purposes = [oid::KP_CMC_CA, oid::KP_CMC_RA];
        !ca && !purposes.iter().any(|id| certificate.has_purpose(id).unwrap_or(false))
    })
}
