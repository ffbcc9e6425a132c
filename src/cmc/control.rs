//! The controls of a request (RFC 5272 §6), each from plain values to DER.

use num_bigint::BigInt;
use rasn::types::{Integer, Oid};
use zeroize::Zeroizing;

use crate::asn1::cmc::{CmcCertId, CrlReason, GetCert, LraPopWitness};
use crate::asn1::{any, encode, oid, tlv, tlv_of};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// A control of a request. It may hold secrets and has no `Debug`.
pub enum Control {
    /// confirmCertAcceptance (§6.14): issuer (DER of a Name) and serial number.
    ConfirmCertAcceptance(Vec<u8>, Integer),
    /// lraPOPWitness (§6.8): the requests whose proof of possession somebody checked.
    LraPopWitness(Vec<u32>),
    /// getCert (§6.9): issuer (DER of a Name) and serial number.
    GetCert(Vec<u8>, Integer),
    /// dataReturn (§6.4): echoed by the CA.
    DataReturn(Vec<u8>),
    /// senderNonce (§6.6).
    SenderNonce(Vec<u8>),
    /// recipientNonce (§6.6): the nonce of the answer this goes on from.
    RecipientNonce(Vec<u8>),
    /// popLinkRandom (§6.3.1).
    PopLinkRandom(Vec<u8>),
    /// transactionId (§6.6).
    TransactionId(Integer),
    /// identification (§6.2.3).
    Identification(String),
    /// regInfo (§6.12).
    RegInfo(Vec<u8>),
    /// queryPending (§6.13): the token of a pending answer.
    QueryPending(Vec<u8>),
    /// revokeRequest (§6.11).
    Revoke(Box<Revocation>),
}

/// A revocation (§6.11).
pub struct Revocation {
    /// DER of the issuer's Name.
    pub issuer: Vec<u8>,
    /// Serial number.
    pub serial: Integer,
    /// Why.
    pub reason: CrlReason,
    /// Since when the key can't be relied on, in seconds since 1970.
    pub invalidity: Option<i64>,
    /// The shared secret.
    pub passphrase: Option<Secret>,
    /// Text for the CA.
    pub comment: Option<String>,
}

impl Control {
    /// What Dogtag's CMCRequest calls it in its messages.
    pub fn name(&self) -> &'static str {
        match self {
            Control::ConfirmCertAcceptance(..) => "confirm certificate acceptance",
            Control::LraPopWitness(_) => "LRA POP witness",
            Control::GetCert(..) => "get certificate",
            Control::DataReturn(_) => "data return",
            Control::SenderNonce(_) => "sender nonce",
            Control::RecipientNonce(_) => "recipient nonce",
            Control::PopLinkRandom(_) => "PopLinkWitness",
            Control::TransactionId(_) => "transaction management",
            Control::Identification(_) => "identification",
            Control::RegInfo(_) => "registration information",
            Control::QueryPending(_) => "query pending",
            Control::Revoke(_) => "revocation",
        }
    }

    /// Type and DER of the value.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an identification no CA can look up, and a date that is none.
    pub fn encode(&self) -> Result<(&'static Oid, Zeroizing<Vec<u8>>)> {
        let (id, value) = match self {
            Control::ConfirmCertAcceptance(issuer, serial) => {
                let issuer = vec![any(issuer.clone())];
                let id = CmcCertId { issuer, serial_number: serial.clone() };
                (oid::CMC_CONFIRM_CERT_ACCEPTANCE, encode("confirmCertAcceptance", &id)?)
            }
            Control::LraPopWitness(ids) => {
                let body_ids = ids.iter().map(|n| Integer::from(*n)).collect();
                let witness = LraPopWitness { pki_data_body_id: Integer::from(0), body_ids };
                (oid::CMC_LRA_POP_WITNESS, encode("lraPOPWitness", &witness)?)
            }
            Control::GetCert(issuer, serial) => {
                let wanted =
                    GetCert { issuer_name: any(issuer.clone()), serial_number: serial.clone() };
                (oid::CMC_GET_CERT, encode("getCert", &wanted)?)
            }
            Control::DataReturn(octets) => (oid::CMC_DATA_RETURN, tlv(0x04, octets)),
            Control::SenderNonce(octets) => (oid::CMC_SENDER_NONCE, tlv(0x04, octets)),
            Control::RecipientNonce(octets) => (oid::CMC_RECIPIENT_NONCE, tlv(0x04, octets)),
            Control::PopLinkRandom(octets) => (oid::CMC_POP_LINK_RANDOM, tlv(0x04, octets)),
            Control::TransactionId(id) => (oid::CMC_TRANSACTION_ID, encode("transactionId", id)?),
            Control::Identification(text) => {
                check_identification(text)?;
                (oid::CMC_IDENTIFICATION, tlv(0x0c, text.as_bytes()))
            }
            Control::RegInfo(octets) => (oid::CMC_REG_INFO, tlv(0x04, octets)),
            Control::QueryPending(token) => (oid::CMC_QUERY_PENDING, tlv(0x04, token)),
            Control::Revoke(revocation) => {
                return Ok((oid::CMC_REVOKE_REQUEST, revocation.encode()?));
            }
        };
        Ok((id, Zeroizing::new(value)))
    }
}

impl Revocation {
    /// RevokeRequest in parts: a structure to encode would keep the passphrase.
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let invalidity = match self.invalidity {
            None => Vec::new(),
            Some(seconds) => {
                let time = chrono::DateTime::from_timestamp(seconds, 0)
                    .ok_or_else(|| Error::new(Kind::Usage, "the invalidity date is no date"))?;
                encode("the invalidity date", &time.fixed_offset())?
            }
        };
        let passphrase = self.passphrase.as_ref().map(|p| tlv_of(0x04, &[p.bytes()]));
        let comment = self.comment.as_ref().map(|text| tlv(0x0c, text.as_bytes()));
        Ok(tlv_of(
            0x30,
            &[
                &self.issuer,
                &encode("the serial number", &self.serial)?,
                &encode("the reason", &self.reason)?,
                &invalidity,
                passphrase.as_deref().map(Vec::as_slice).unwrap_or_default(),
                &comment.unwrap_or_default(),
            ],
        ))
    }
}

/// Refuses what Dogtag would put into an LDAP filter as it is: `ali*` finds alice there.
///
/// # Errors
/// [`Kind::Usage`].
pub fn check_identification(text: &str) -> Result<()> {
    let bad = |why: String| {
        Err(Error::new(Kind::Usage, format!("the identification {text:?} can't be used"))
            .because(why)
            .hint("give the user's uid in the CA's directory"))
    };
    if text.is_empty() {
        return bad("it is empty".into());
    }
    match text.chars().find(|c| "*()\\\0".contains(*c)) {
        Some(c) => bad(format!("{c:?} has a meaning in LDAP filters")),
        None => Ok(()),
    }
}

/// A serial number: decimal, or hexadecimal after `0x`; a sign is allowed, `:` and blanks between
/// hexadecimal digits are dropped.
///
/// # Errors
/// [`Kind::Usage`].
pub fn serial_number(text: &str) -> Result<Integer> {
    let bad = || {
        Error::new(Kind::Usage, format!("{text:?} is no serial number"))
            .hint("give it as a decimal number, or as 0x and hexadecimal digits")
    };
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let clean: String = match hex {
        Some(hex) => hex.chars().filter(|c| !c.is_whitespace() && *c != ':').collect(),
        None => digits.to_owned(),
    };
    // A second sign would be taken by the parser, and a serial number has 20 octets at most.
    if clean.starts_with(['+', '-']) || clean.contains('_') || clean.len() > 100 {
        return Err(bad());
    }
    let radix = if hex.is_some() { 16 } else { 10 };
    let number = BigInt::parse_bytes(clean.as_bytes(), radix).ok_or_else(bad)?;
    Ok(Integer::from(if negative { -number } else { number }))
}

/// Reasons by name (RFC 5280 §5.3.1), in the order of their numbers.
pub const REASONS: &[(&str, CrlReason)] = &[
    ("unspecified", CrlReason::Unspecified),
    ("keyCompromise", CrlReason::KeyCompromise),
    ("caCompromise", CrlReason::CaCompromise),
    ("affiliationChanged", CrlReason::AffiliationChanged),
    ("superseded", CrlReason::Superseded),
    ("cessationOfOperation", CrlReason::CessationOfOperation),
    ("certificateHold", CrlReason::CertificateHold),
    ("removeFromCRL", CrlReason::RemoveFromCrl),
    ("privilegeWithdrawn", CrlReason::PrivilegeWithdrawn),
    ("aACompromise", CrlReason::AaCompromise),
];

/// A reason by name in any case, or by number.
///
/// # Errors
/// [`Kind::Usage`].
pub fn reason(text: &str) -> Result<CrlReason> {
    let found = match text.trim().parse::<i64>() {
        Ok(number) => REASONS.iter().find(|(_, r)| *r as i64 == number),
        Err(_) => REASONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim())),
    };
    found.map(|(_, reason)| *reason).ok_or_else(|| {
        let names: Vec<&str> = REASONS.iter().map(|(name, _)| *name).collect();
        Error::new(Kind::Usage, format!("{text:?} is no reason to revoke"))
            .because("Unrecognized CRL reason")
            .hint(format!("one of: {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::name;
    use crate::cmc::request::PkiDataBuilder;
    use crate::cmc::seal::unsigned_data;
    use crate::keyid::to_hex as hex;

    /// A file Dogtag's CMCRequest wrote, with everything a RevokeRequest can hold.
    #[test]
    fn a_shared_secret_revocation_is_java_s_to_the_octet() {
        let issuer = name::parse("cn=CA Signing Certificate,ou=pki-tomcat,o=EXAMPLE").unwrap();
        let revocation = Revocation {
            issuer,
            serial: serial_number("12345678").unwrap(),
            reason: reason("keyCompromise").unwrap(),
            invalidity: Some(1_795_466_310),
            passphrase: Some(Secret::new(b"Secret.123".to_vec())),
            comment: Some("hé".into()),
        };
        let (id, value) = Control::Revoke(Box::new(revocation)).encode().unwrap();
        let mut builder = PkiDataBuilder::default();
        assert_eq!(builder.control(id, value), 1);
        let message = unsigned_data(&builder.build().unwrap()).unwrap();
        assert_eq!(
            hex(&message),
            "3081a606092a864886f70d010701a0819804819530819230818930818602010106082b06010505070711\
             3177307530483110300e060355040a0c074558414d504c4531133011060355040b0c0a706b692d746f6d63\
             6174311f301d06035504030c164341205369676e696e67204365727469666963617465020400bc614e0a01\
             01180f32303236313132333230333833305a040a5365637265742e3132330c0368c3a9300030003000"
        );
    }

    #[test]
    fn the_forms_dogtag_reads_where_they_differ_from_the_rfc() {
        let issuer = name::parse("CN=x").unwrap();
        let five = Integer::from(5);
        let value = |c: Control| hex(&c.encode().unwrap().1);
        let name = "300c310a300806035504030c0178";
        assert_eq!(
            value(Control::GetCert(issuer.clone(), five.clone())),
            format!("3011{name}020105")
        );
        assert_eq!(
            value(Control::ConfirmCertAcceptance(issuer, five)),
            format!("3013300e{name}020105")
        );
        assert_eq!(
            value(Control::LraPopWitness(vec![1, 300])),
            "300c020100300702010102020 12c".replace(' ', "")
        );
        assert_eq!(value(Control::Identification("bob".into())), "0c03626f62");
        assert_eq!(value(Control::DataReturn(b"a".to_vec())), "040161");
        assert_eq!(value(Control::TransactionId(crate::asn1::unsigned(b"\xff23"))), "020400ff3233");
    }

    #[test]
    fn an_identification_with_a_meaning_in_ldap_filters_is_refused() {
        for bad in ["", "ali*", "a(b", "a)b", "a\\2a", "a\0b"] {
            let e = Control::Identification(bad.into()).encode().map(|_| ()).unwrap_err();
            assert_eq!(e.kind(), Kind::Usage, "{bad:?}");
        }
        assert!(check_identification("uid with blank, é").is_ok());
    }

    #[test]
    fn serial_numbers_as_people_write_them() {
        for (text, want) in
            [("37", 37), (" 0x25 ", 37), ("0X25", 37), ("-3", -3), ("0x00:25", 37), ("+7", 7)]
        {
            assert_eq!(serial_number(text).unwrap(), Integer::from(want), "{text}");
        }
        let long = serial_number("0xffffffffffffffffffffffffffffffff").unwrap();
        assert_eq!(encode("x", &long).unwrap().len(), 19);
        for bad in ["", "x", "0x", "--1", "-+1", "0x-1", "12a", "1_0", "1 2", &"9".repeat(200)] {
            assert!(serial_number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reasons_by_name_and_number() {
        assert_eq!(reason("KEYCOMPROMISE").unwrap(), CrlReason::KeyCompromise);
        assert_eq!(reason("8").unwrap(), CrlReason::RemoveFromCrl);
        assert_eq!(reason("10").unwrap(), CrlReason::AaCompromise);
        for bad in ["", "7", "11", "-1", "key compromise", "certificateHolds"] {
            assert!(reason(bad).unwrap_err().to_string().contains("Unrecognized CRL reason"));
        }
    }
}
