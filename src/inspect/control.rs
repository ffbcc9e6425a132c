//! The values of CMC controls (RFC 5272 §6), and of the attributes of the same types.

use chrono::SecondsFormat::Secs;
use chrono::{DateTime, Utc};
use rasn::types::{Integer, OctetString, Oid, Utf8String};

use super::item::{Item, list, or_octets};
use super::request;
use crate::asn1::cmc::{
    CmcCertId, DecryptedPop, EncryptedPop, GetCert, LraPopWitness, RevokeRequest, Witness,
};
use crate::asn1::cms::{EnvelopedData, RecipientInfo};
use crate::asn1::{decode, oid};
use crate::cmc::response::{OtherInfo, Status, status};
use crate::error::Result;

/// One value of the control `id`; whatever it isn't known for, or can't be decoded, as octets.
/// Passphrases are never shown, nor octets that might hold one.
pub fn value(id: &Oid, der: &[u8], warnings: &mut Vec<String>) -> Item {
    if *id == *oid::CMC_REVOKE_REQUEST {
        // The octets may hold the passphrase, and so might a decoder's words.
        return revocation(der).unwrap_or_else(|_| "undecodable, octets not shown".into());
    }
    or_octets(known(id, der, warnings), der)
}

fn known(id: &Oid, der: &[u8], warnings: &mut Vec<String>) -> Result<Item> {
    let name = oid::name(id).unwrap_or("the control");
    let octets = || decode::<OctetString>(name, der);
    Ok(if *id == *oid::CMC_IDENTIFICATION {
        let text: Utf8String = decode(name, der)?;
        identification(&text, warnings);
        Item::text(&text)
    } else if *id == *oid::CMC_IDENTITY_PROOF || *id == *oid::CMC_POP_LINK_WITNESS {
        Item::Fields(vec![("witness", Item::hex(&octets()?))])
    } else if *id == *oid::CMC_IDENTITY_PROOF_V2 || *id == *oid::CMC_POP_LINK_WITNESS_V2 {
        witness(name, &decode(name, der)?, warnings)
    } else if [
        oid::CMC_DATA_RETURN,
        oid::CMC_SENDER_NONCE,
        oid::CMC_RECIPIENT_NONCE,
        oid::CMC_QUERY_PENDING,
        oid::CMC_POP_LINK_RANDOM,
    ]
    .contains(&id)
    {
        Item::octets(&octets()?)
    } else if *id == *oid::CMC_TRANSACTION_ID {
        Item::number(&decode(name, der)?)
    } else if *id == *oid::CMC_REG_INFO || *id == *oid::CMC_RESPONSE_INFO {
        let octets = octets()?;
        Item::Fields(vec![
            ("request_id", Item::request_id(&octets)),
            ("octets", Item::octets(&octets)),
        ])
    } else if *id == *oid::CMC_STATUS_INFO_V2 {
        status_info(&status(2, der)?)
    } else if *id == *oid::CMC_STATUS_INFO {
        status_info(&status(1, der)?)
    } else if *id == *oid::CMC_GET_CERT {
        let wanted: GetCert = decode(name, der)?;
        certificate_id(wanted.issuer_name.as_bytes(), &wanted.serial_number)
    } else if *id == *oid::CMC_CONFIRM_CERT_ACCEPTANCE {
        let meant: CmcCertId = decode(name, der)?;
        let issuer = meant.issuer.first().map(|n| n.as_bytes()).unwrap_or_default();
        certificate_id(issuer, &meant.serial_number)
    } else if *id == *oid::CMC_LRA_POP_WITNESS {
        let witness: LraPopWitness = decode(name, der)?;
        Item::Fields(vec![
            ("pki_data_body_part_id", Item::id(&witness.pki_data_body_id)),
            ("body_part_ids", list(&witness.body_ids, Item::id)),
        ])
    } else if *id == *oid::CMC_ENCRYPTED_POP {
        encrypted_pop(&decode(name, der)?, warnings)
    } else if *id == *oid::CMC_DECRYPTED_POP {
        let pop: DecryptedPop = decode(name, der)?;
        Item::Fields(vec![
            ("body_part_id", Item::id(&pop.body_part_id)),
            ("the_pop_algorithm", Item::algorithm(&pop.the_pop_alg_id)),
            ("the_pop", Item::hex(&pop.the_pop)),
        ])
    } else {
        Item::Fields(vec![("der", Item::hex(der))])
    })
}

fn identification(text: &str, warnings: &mut Vec<String>) {
    if text.is_empty() {
        warnings.push("the identification is empty: Dogtag refuses it".into());
    } else if text.contains(['*', '(', ')', '\\', '\0']) {
        warnings.push(
            "the identification has characters with a meaning in LDAP filters; Dogtag uses it in \
             one unescaped"
                .into(),
        );
    }
}

fn witness(name: &str, witness: &Witness, warnings: &mut Vec<String>) -> Item {
    let mac = &witness.mac_alg_id.algorithm;
    if **mac == *oid::HMAC_SHA384 || **mac == *oid::HMAC_SHA1 {
        warnings.push(format!(
            "{name} uses a MAC that Dogtag can't check and refuses (badIdentity): use HMAC-SHA256 \
             or HMAC-SHA512"
        ));
    }
    Item::Fields(vec![
        ("hash_algorithm", Item::algorithm(&witness.hash_alg_id)),
        ("mac_algorithm", Item::algorithm(&witness.mac_alg_id)),
        ("witness", Item::hex(&witness.witness)),
    ])
}

/// Issuer and serial number; the issuer is a bare Name in Dogtag, a GeneralName in RFC 5272 §6.9.
fn certificate_id(issuer: &[u8], serial: &Integer) -> Item {
    let name = match crate::asn1::split_tlv(issuer) {
        Some((0xa4, name, _)) => name,
        _ => issuer,
    };
    Item::Fields(vec![("issuer", Item::name(name)), ("serial", Item::number(serial))])
}

fn revocation(der: &[u8]) -> Result<Item> {
    let request: RevokeRequest = decode("the revokeRequest", der)?;
    let names = [
        "unspecified",
        "keyCompromise",
        "cACompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "certificateHold",
        "",
        "removeFromCRL",
        "privilegeWithdrawn",
        "aACompromise",
    ];
    let reason = names.get(request.reason as usize).copied().unwrap_or_default();
    Ok(Item::Fields(vec![
        ("issuer", Item::name(request.issuer_name.as_bytes())),
        ("serial", Item::number(&request.serial_number)),
        ("reason", reason.into()),
        ("invalidity_date", request.invalidity_date.map_or(Item::Null, |t| time(t.timestamp()))),
        ("passphrase", request.passphrase.map_or(Item::Null, |_| "present, not shown".into())),
        ("comment", request.comment.map_or(Item::Null, |c| Item::text(&c))),
    ]))
}

/// RFC 3339 in UTC, from seconds since 1970.
pub fn time(seconds: i64) -> Item {
    match DateTime::<Utc>::from_timestamp(seconds, 0) {
        Some(time) => Item::Text(time.to_rfc3339_opts(Secs, true)),
        None => Item::Text(format!("{seconds} s since 1970")),
    }
}

fn encrypted_pop(pop: &EncryptedPop, warnings: &mut Vec<String>) -> Item {
    let content = if *pop.cms.content_type == *oid::ID_ENVELOPED_DATA {
        let der = pop.cms.content.as_bytes();
        or_octets(decode("the EnvelopedData", der).map(|e| enveloped(&e)), der)
    } else {
        Item::Fields(vec![("content_type", Item::oid(&pop.cms.content_type))])
    };
    Item::Fields(vec![
        ("request", request::tagged(pop.request.as_bytes(), warnings)),
        ("challenge", content),
        ("the_pop_algorithm", Item::algorithm(&pop.the_pop_alg_id)),
        ("witness_algorithm", Item::algorithm(&pop.witness_alg_id)),
        ("witness", Item::hex(&pop.witness)),
    ])
}

/// For whom something is encrypted, and how.
pub fn enveloped(data: &EnvelopedData) -> Item {
    let recipients: Vec<&RecipientInfo> = data.recipient_infos.to_vec();
    let content = &data.encrypted_content_info;
    let length = content.encrypted_content.as_ref().map_or(0, |c| c.len());
    Item::Fields(vec![
        ("recipients", list(&recipients, |r| recipient(r))),
        ("content_type", Item::oid(&content.content_type)),
        ("content_algorithm", Item::algorithm(&content.content_encryption_algorithm)),
        ("encrypted_octets", Item::Text(length.to_string())),
    ])
}

fn recipient(info: &RecipientInfo) -> Item {
    match info {
        RecipientInfo::KeyTransRecipientInfo(r) => Item::Fields(vec![
            ("kind", "key transport".into()),
            ("algorithm", Item::algorithm(&r.key_encryption_algorithm)),
            ("encrypted_key_octets", Item::Text(r.encrypted_key.len().to_string())),
        ]),
        RecipientInfo::KeyAgreeRecipientInfo(r) => Item::Fields(vec![
            ("kind", "key agreement".into()),
            ("algorithm", Item::algorithm(&r.key_encryption_algorithm)),
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
