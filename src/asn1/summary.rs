//! What people and programs want to know of a certificate.

use chrono::{DateTime, FixedOffset, Utc};
use rasn::types::Any;
use rasn_pkix::{Certificate, GeneralName, Time};
use serde_json::{Value, json};

use super::Number;
use super::name::dn_string;
use crate::asn1::x509::certificate_fields;
use crate::asn1::{decode, oid, pem};
use crate::error::Result;
use crate::text::printable;

/// A certificate in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Subject, most specific part first.
    pub subject: String,
    /// Issuer, most specific part first.
    pub issuer: String,
    /// Serial number, INTEGER content octets.
    pub serial: Vec<u8>,
    /// First moment it is valid.
    pub not_before: DateTime<Utc>,
    /// Last moment it is valid.
    pub not_after: DateTime<Utc>,
    /// Alternative names as `DNS:www.example.com`, `IP:192.0.2.1`, `email:a@b`.
    pub sans: Vec<String>,
    /// The certificate.
    pub der: Vec<u8>,
}

/// Reads a certificate.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub fn summary(der: &[u8]) -> Result<Summary> {
    let fields = certificate_fields(der)?;
    let certificate: Certificate = decode("a certificate", der)?;
    let tbs = &certificate.tbs_certificate;
    let mut extensions = tbs.extensions.iter().flat_map(|e| e.iter());
    let san = extensions.rfind(|e| *e.extn_id == *oid::CE_SUBJECT_ALT_NAME);
    let sans = san.map_or_else(|| Ok(Vec::new()), |e| alternative_names(&e.extn_value))?;
    Ok(Summary {
        subject: dn_string(fields.subject)?,
        issuer: dn_string(fields.issuer)?,
        serial: fields.serial.to_vec(),
        not_before: utc(&tbs.validity.not_before),
        not_after: utc(&tbs.validity.not_after),
        sans,
        der: der.to_vec(),
    })
}

/// The names of a subjectAltName value as `DNS:www.example.com`, `IP:192.0.2.1`, `email:a@b`.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub fn alternative_names(der: &[u8]) -> Result<Vec<String>> {
    // One by one as bytes: rasn's OtherName holds OCTET STRINGs only, and a UPN is a UTF8String.
    let names: Vec<Any> = decode("the alternative names", der)?;
    let shown = names.iter().map(|name| match decode("an alternative name", name.as_bytes()) {
        Ok(name) => general_name(&name),
        Err(_) => "other".to_owned(),
    });
    Ok(shown.collect())
}

fn utc(time: &Time) -> DateTime<Utc> {
    match time {
        Time::Utc(t) => *t,
        Time::General(t) => DateTime::<FixedOffset>::to_utc(t),
    }
}

fn general_name(name: &GeneralName) -> String {
    let text = match name {
        GeneralName::DnsName(n) => format!("DNS:{n}"),
        GeneralName::Rfc822Name(n) => format!("email:{n}"),
        GeneralName::Uri(n) => format!("URI:{n}"),
        GeneralName::IpAddress(octets) => {
            match (<[u8; 4]>::try_from(&octets[..]), <[u8; 16]>::try_from(&octets[..])) {
                (Ok(v4), _) => format!("IP:{}", std::net::Ipv4Addr::from(v4)),
                (_, Ok(v6)) => format!("IP:{}", std::net::Ipv6Addr::from(v6)),
                _ => format!("IP:{}", crate::keyid::to_hex(octets)),
            }
        }
        GeneralName::RegisteredId(id) => format!("RID:{}", oid::dotted(id)),
        _ => "other".to_owned(),
    };
    printable(&text).into_owned()
}

impl Summary {
    /// `0x2a`.
    pub fn serial_hex(&self) -> String {
        self.number().hex()
    }

    /// The serial number, its octets read without a sign.
    fn number(&self) -> Number {
        Number::unsigned(&self.serial)
    }

    /// The end of validity for people, in UTC.
    pub fn until(&self) -> String {
        self.not_after.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// For JSON output.
    pub fn to_json(&self) -> Value {
        let rfc3339 = |t: &DateTime<Utc>| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        json!({
            "pem": pem::encode("CERTIFICATE", &self.der),
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": {
                "hex": self.serial_hex(),
                "dec": self.number().decimal(),
            },
            "not_before": rfc3339(&self.not_before),
            "not_after": rfc3339(&self.not_after),
            "sans": self.sans,
        })
    }
}
