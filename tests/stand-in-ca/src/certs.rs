//! Certificates: their parts, and issuing them.

use der::Tag;
use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{DateTime, Encode};
use sha1::{Digest, Sha1};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::element::{
    Refused, context, context_primitive, integer, octets, oid, one, sequence, set, tlv,
};
use crate::keys::{Key, spki_parts};

/// The parts of a certificate, as encoded in it.
pub struct Parts<'a> {
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub spki: &'a [u8],
}

/// Parses a certificate.
pub fn parts(der: &[u8]) -> Result<Parts<'_>, Refused> {
    let certificate = one(der)?.within(Tag::Sequence)?;
    let tbs = certificate.first().ok_or("no certificate")?.within(Tag::Sequence)?;
    let [_version, serial, _, issuer, _validity, subject, spki, ..] = tbs[..] else {
        return Err("no version 3 certificate".into());
    };
    Ok(Parts {
        serial: serial.content,
        issuer: issuer.whole,
        subject: subject.whole,
        spki: spki.whole,
    })
}

fn id(dotted: &str) -> Vec<u8> {
    ObjectIdentifier::new(dotted).map(|o| oid(&o)).unwrap_or_default()
}

/// Returns the DER of a user's Name in the CA's directory.
pub fn user_name(uid: &str) -> Vec<u8> {
    let rdn = |kind: &str, value: &str| {
        set(vec![sequence(&[&id(kind), &tlv(Tag::Utf8String, value.as_bytes())])])
    };
    sequence(&[
        &rdn("2.5.4.10", "STAND-IN"),
        &rdn("2.5.4.11", "people"),
        &rdn("0.9.2342.19200300.100.1.1", uid),
    ])
}

/// Returns the DER of a Name with a CN and an O.
pub fn name(cn: &str, organisation: Option<&str>) -> Vec<u8> {
    let rdn = |kind: &str, value: &str| {
        set(vec![sequence(&[&id(kind), &tlv(Tag::Utf8String, value.as_bytes())])])
    };
    let organisation = organisation.map(|o| rdn("2.5.4.10", o)).unwrap_or_default();
    sequence(&[&organisation, &rdn("2.5.4.3", cn)])
}

/// Returns an extension.
pub fn extension(dotted: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&id(dotted), flag, &octets(value)])
}

/// Returns keyUsage from the numbers of its bits (RFC 5280 §4.2.1.3).
pub fn key_usage(bits: &[u8]) -> Vec<u8> {
    let mut byte = 0u8;
    for bit in bits {
        byte |= 0x80 >> bit;
    }
    let unused = byte.trailing_zeros() as u8;
    extension("2.5.29.15", true, &tlv(Tag::BitString, &[unused, byte]))
}

/// Returns extKeyUsage (RFC 5280 §4.2.1.12).
pub fn ext_key_usage(purposes: &[&str]) -> Vec<u8> {
    let purposes: Vec<u8> = purposes.iter().flat_map(|p| id(p)).collect();
    extension("2.5.29.37", false, &tlv(Tag::Sequence, &purposes))
}

/// Returns subjectAltName (RFC 5280 §4.2.1.6) with DNS names and IPv4 addresses.
pub fn alt_names(dns: &[&str], addresses: &[[u8; 4]]) -> Vec<u8> {
    let mut names = Vec::new();
    for name in dns {
        names.extend(tlv(context_primitive(2), name.as_bytes()));
    }
    for address in addresses {
        names.extend(tlv(context_primitive(7), address));
    }
    extension("2.5.29.17", false, &tlv(Tag::Sequence, &names))
}

/// Returns basicConstraints of a CA, and its subjectKeyIdentifier.
pub fn ca_extensions(spki: &[u8]) -> Vec<Vec<u8>> {
    vec![
        extension("2.5.29.19", true, &sequence(&[&[1, 1, 0xff]])),
        extension("2.5.29.14", false, &octets(&key_identifier(spki))),
    ]
}

/// Returns authorityKeyIdentifier for certificates of the CA with this key.
pub fn authority_key_identifier(spki: &[u8]) -> Vec<u8> {
    let key = tlv(context_primitive(0), &key_identifier(spki));
    extension("2.5.29.35", false, &sequence(&[&key]))
}

/// Returns the SHA-1 of the key's bits (RFC 5280 §4.2.1.2, method 1).
pub fn key_identifier(spki: &[u8]) -> Vec<u8> {
    spki_parts(spki).map(|(_, _, bits)| Sha1::digest(bits).to_vec()).unwrap_or_default()
}

/// The content of a certificate to be issued.
pub struct Template<'a> {
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub spki: &'a [u8],
    /// Start and end of the validity, in days from now.
    pub days: (i64, i64),
    pub extensions: Vec<Vec<u8>>,
}

/// Signs a certificate.
pub fn issue(template: &Template<'_>, key: &Key) -> Result<Vec<u8>, Refused> {
    let algorithm = key.algorithm();
    let validity = sequence(&[&time(template.days.0)?, &time(template.days.1)?]);
    let extensions = sequence(&[&template.extensions.concat()]);
    let tbs = sequence(&[
        &tlv(context(0), &integer(&[2])),
        &integer(template.serial),
        &algorithm,
        template.issuer,
        &validity,
        template.subject,
        template.spki,
        &tlv(context(3), &extensions),
    ]);
    let signature = key.sign(&tbs);
    let mut bits = vec![0];
    bits.extend(signature);
    Ok(sequence(&[&tbs, &algorithm, &tlv(Tag::BitString, &bits)]))
}

/// Returns the time in `days` days: UTCTime until 2049, then GeneralizedTime.
fn time(days: i64) -> Result<Vec<u8>, Refused> {
    let shift = Duration::from_secs(days.unsigned_abs() * 86400);
    let now = SystemTime::now();
    let at = if days < 0 { now - shift } else { now + shift };
    let seconds = at.duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?.as_secs();
    let date = DateTime::from_unix_duration(Duration::from_secs(seconds));
    let date = date.map_err(|e| e.to_string())?;
    match UtcTime::from_date_time(date) {
        Ok(utc) => utc.to_der(),
        Err(_) => GeneralizedTime::from_date_time(date).to_der(),
    }
    .map_err(|e| e.to_string())
}

/// Returns seconds since 1970 as GeneralizedTime.
pub fn generalized(seconds: u64) -> Vec<u8> {
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map(GeneralizedTime::from_date_time)
        .and_then(|t| t.to_der())
        .unwrap_or_default()
}

/// Returns a Name as text, most specific part first, for the profiles' patterns and the log.
pub fn name_text(name: &[u8]) -> String {
    let Ok(rdns) = one(name).and_then(|n| n.within(Tag::Sequence)) else { return "?".into() };
    let mut texts = Vec::new();
    for rdn in rdns.iter().rev() {
        for ava in rdn.within(Tag::Set).unwrap_or_default() {
            let parts = ava.within(Tag::Sequence).unwrap_or_default();
            let [kind, value] = parts[..] else { continue };
            let kind = kind.oid().map(|o| o.to_string()).unwrap_or_default();
            let kind = match kind.as_str() {
                "2.5.4.3" => "CN".to_owned(),
                "2.5.4.6" => "C".to_owned(),
                "2.5.4.10" => "O".to_owned(),
                "2.5.4.11" => "OU".to_owned(),
                "0.9.2342.19200300.100.1.1" => "UID".to_owned(),
                "0.9.2342.19200300.100.1.25" => "DC".to_owned(),
                "1.2.840.113549.1.9.1" => "E".to_owned(),
                _ => kind,
            };
            texts.push(format!("{kind}={}", String::from_utf8_lossy(value.content)));
        }
    }
    texts.join(",")
}
