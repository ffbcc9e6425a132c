//! Shows the values of CMC controls (RFC 5272 §6), and of attributes with the same types.

use chrono::SecondsFormat::Secs;
use chrono::{DateTime, Utc};
use rasn::types::Oid;

use super::item::{Item, list, or_octets};
use super::{registration, request};
use crate::asn1::certificate::Algorithm;
use crate::asn1::cms::{EnvelopedData, RecipientInfo};
use crate::asn1::{decode, oid};
use crate::cmc::control::{
    CertificateId, Control, ControlType, DecryptedPop, EncryptedPop, LraPopWitness, Revocation,
    TaggedControl, Witness,
};
use crate::cmc::response::{OtherInfo, Status};
use crate::cmc::revocation_reason::reason_name;

/// Shows one value of the control or attribute `id`; as octets if its type is unknown or it can't
/// be decoded. Passphrases are never shown, nor octets that may contain one.
pub(crate) fn value(id: &Oid, der: &[u8], warnings: &mut Vec<String>) -> Item {
    match Control::decode(id, der) {
        Ok(control) => show(&control, warnings),
        Err(e) => undecodable(ControlType::of(id), &e.to_string(), der),
    }
}

/// Shows the values of a control.
pub(crate) fn values(control: &TaggedControl, warnings: &mut Vec<String>) -> Item {
    list(&control.values, |value| match value {
        Ok(value) => show(value, warnings),
        Err(e) => undecodable(control.control_type(), &e.reason, &e.der),
    })
}

fn undecodable(control: Option<ControlType>, why: &str, der: &[u8]) -> Item {
    if control == Some(ControlType::Revoke) {
        return "undecodable, octets not shown".into();
    }
    Item::Fields(vec![("undecodable", Item::text(why)), ("der", Item::hex(der))])
}

fn show(control: &Control, warnings: &mut Vec<String>) -> Item {
    match control {
        Control::StatusInfo(status) | Control::StatusInfoV2(status) => status_info(status),
        Control::Identification(text) => {
            identification(text, warnings);
            Item::text(text)
        }
        Control::IdentityProof(octets) | Control::PopLinkWitness(octets) => {
            Item::Fields(vec![("witness", Item::hex(octets))])
        }
        Control::IdentityProofV2(proof) | Control::PopLinkWitnessV2(proof) => {
            witness(control.name(), proof, warnings)
        }
        Control::DataReturn(octets)
        | Control::SenderNonce(octets)
        | Control::RecipientNonce(octets)
        | Control::QueryPending(octets)
        | Control::PopLinkRandom(octets) => Item::octets(octets),
        Control::TransactionId(id) => Item::number(id),
        Control::RegInfo(octets) | Control::ResponseInfo(octets) => Item::Fields(vec![
            ("request_id", Item::request_id(octets)),
            ("octets", Item::octets(octets)),
        ]),
        Control::GetCert(id) | Control::ConfirmCertAcceptance(id) => certificate_id(id),
        Control::LraPopWitness(witness) => lra_pop_witness(witness),
        Control::EncryptedPop(pop) => encrypted_pop(pop, warnings),
        Control::DecryptedPop(pop) => decrypted_pop(pop),
        Control::Revoke(request) => revocation(request),
        Control::ModCertTemplate(change) => registration::mod_cert_template(change),
        Control::AddExtensions(added) => registration::add_extensions(added),
        Control::GetCrl(wanted) => registration::get_crl(wanted),
        Control::TrustedAnchors(anchors) => registration::trust_anchors(anchors),
        Control::PublishCert(publication) => registration::publication(publication),
        Control::ChangeSubjectName(change) => registration::change_subject_name(change),
        Control::AuthData(id) => Item::Fields(vec![("body_part_id", Item::id(id))]),
        Control::BatchRequests(ids) | Control::BatchResponses(ids) => {
            Item::Fields(vec![("body_part_ids", list(ids, Item::id))])
        }
        Control::RaIdentityWitness(path) | Control::ResponseBody(path) => {
            Item::Fields(vec![("body_part_path", registration::path(path))])
        }
        Control::ControlProcessed(paths) => {
            Item::Fields(vec![("body_list", list(paths, |path| registration::path(path)))])
        }
        Control::Unknown { der, .. } => Item::Fields(vec![("der", Item::hex(der))]),
    }
}

fn lra_pop_witness(witness: &LraPopWitness) -> Item {
    Item::Fields(vec![
        ("pki_data_body_part_id", Item::id(&witness.pki_data_body_id)),
        ("body_part_ids", list(&witness.body_ids, Item::id)),
    ])
}

fn decrypted_pop(pop: &DecryptedPop) -> Item {
    Item::Fields(vec![
        ("body_part_id", Item::id(&pop.body_part_id)),
        ("the_pop_algorithm", Item::algorithm(&pop.the_pop_algorithm)),
        ("the_pop", Item::hex(&pop.the_pop)),
    ])
}

fn identification(text: &str, warnings: &mut Vec<String>) {
    if text.is_empty() {
        warnings.push("the identification is empty: Dogtag refuses it".into());
    } else if text.contains(['*', '(', ')', '\\', '\0']) {
        warnings.push(
            "the identification has characters that are special in LDAP filters; Dogtag does not \
             escape them"
                .into(),
        );
    }
}

fn witness(name: &str, witness: &Witness, warnings: &mut Vec<String>) -> Item {
    let mac = &witness.mac_algorithm;
    if mac.is(oid::HMAC_SHA384) || mac.is(oid::HMAC_SHA1) {
        warnings.push(format!(
            "{name} uses a MAC that Dogtag cannot verify (badIdentity): use HMAC-SHA256 or HMAC-SHA512"
        ));
    }
    Item::Fields(vec![
        ("hash_algorithm", Item::algorithm(&witness.hash_algorithm)),
        ("mac_algorithm", Item::algorithm(&witness.mac_algorithm)),
        ("witness", Item::hex(&witness.witness)),
    ])
}

fn certificate_id(id: &CertificateId) -> Item {
    Item::Fields(vec![("issuer", Item::name(&id.issuer)), ("serial", Item::number(&id.serial))])
}

fn revocation(request: &Revocation) -> Item {
    Item::Fields(vec![
        ("issuer", Item::name(&request.issuer)),
        ("serial", Item::number(&request.serial)),
        ("reason", reason_name(request.reason).into()),
        ("invalidity_date", request.invalidity.map_or(Item::Null, time)),
        (
            "passphrase",
            request.passphrase.as_ref().map_or(Item::Null, |_| "present, not shown".into()),
        ),
        ("comment", request.comment.as_deref().map_or(Item::Null, Item::text)),
    ])
}

/// Shows seconds since 1970 as RFC 3339 in UTC.
pub(crate) fn time(seconds: i64) -> Item {
    match DateTime::<Utc>::from_timestamp(seconds, 0) {
        Some(time) => Item::Text(time.to_rfc3339_opts(Secs, true)),
        None => Item::Text(format!("{seconds} s since 1970")),
    }
}

fn encrypted_pop(pop: &EncryptedPop, warnings: &mut Vec<String>) -> Item {
    let content = if pop.content_type == oid::dotted(oid::ID_ENVELOPED_DATA) {
        let der = &pop.content;
        or_octets(decode("the EnvelopedData", der).map(|e| enveloped(&e)), der)
    } else {
        Item::Fields(vec![("content_type", Item::dotted(&pop.content_type))])
    };
    Item::Fields(vec![
        ("request", request::tagged(&pop.request, warnings)),
        ("challenge", content),
        ("the_pop_algorithm", Item::algorithm(&pop.the_pop_algorithm)),
        ("witness_algorithm", Item::algorithm(&pop.witness_algorithm)),
        ("witness", Item::hex(&pop.witness)),
    ])
}

/// Shows the recipients and the algorithm of an EnvelopedData (RFC 5652 §6.1).
pub(crate) fn enveloped(data: &EnvelopedData) -> Item {
    let recipients: Vec<&RecipientInfo> = data.recipient_infos.to_vec();
    let content = &data.encrypted_content_info;
    let length = content.encrypted_content.as_ref().map_or(0, |c| c.len());
    Item::Fields(vec![
        ("recipients", list(&recipients, |r| recipient(r))),
        ("content_type", Item::oid(&content.content_type)),
        (
            "content_algorithm",
            Item::algorithm(&Algorithm::of(&content.content_encryption_algorithm)),
        ),
        ("encrypted_octets", Item::Text(length.to_string())),
    ])
}

pub(crate) fn recipient(info: &RecipientInfo) -> Item {
    match info {
        RecipientInfo::KeyTransRecipientInfo(r) => Item::Fields(vec![
            ("kind", "key transport".into()),
            ("algorithm", Item::algorithm(&Algorithm::of(&r.key_encryption_algorithm))),
            ("encrypted_key_octets", Item::Text(r.encrypted_key.len().to_string())),
        ]),
        RecipientInfo::KeyAgreeRecipientInfo(r) => Item::Fields(vec![
            ("kind", "key agreement".into()),
            ("algorithm", Item::algorithm(&Algorithm::of(&r.key_encryption_algorithm))),
        ]),
        RecipientInfo::KekRecipientInfo(_) => {
            Item::Fields(vec![("kind", "key encryption key".into())])
        }
        RecipientInfo::PasswordRecipientInfo(r) => Item::Fields(vec![
            ("kind", "password".into()),
            ("algorithm", Item::algorithm(&Algorithm::of(&r.key_encryption_algorithm))),
        ]),
        _ => Item::Fields(vec![("kind", "other".into())]),
    }
}

fn status_info(status: &Status) -> Item {
    let (mut fail, mut pending, mut extended) = (Item::Null, Item::Null, Item::Null);
    match &status.other {
        None => {}
        Some(OtherInfo::Fail(info)) => fail = Item::Text(info.to_string()),
        Some(OtherInfo::Pend { token, time: when }) => {
            pending = Item::Fields(vec![("token", Item::octets(token)), ("time", time(*when))]);
        }
        Some(OtherInfo::Extended(id, der)) => {
            extended = Item::Fields(vec![("oid", Item::text(id)), ("der", Item::hex(der))]);
        }
    }
    Item::Fields(vec![
        ("status", Item::Text(status.status.to_string())),
        ("fail_info", fail),
        ("text", status.text.as_deref().map_or(Item::Null, Item::text)),
        ("pend_info", pending),
        ("extended_fail_info", extended),
        ("body_list", list(&status.body_list, |part| Item::text(part))),
    ])
}
