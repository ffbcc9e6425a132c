//! The fields of a certificate that reports show.

use chrono::{DateTime, Utc};

use super::Number;
use super::certificate::Certificate;
use super::extension::{GeneralName, general_names};
use super::name::dn_string;
use crate::error::Result;
use crate::text::printable;

/// The main fields of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Subject, most specific RDN first.
    pub subject: String,
    /// Issuer, most specific RDN first.
    pub issuer: String,
    /// Serial number, INTEGER content octets.
    pub serial: Vec<u8>,
    /// Start of validity.
    pub not_before: DateTime<Utc>,
    /// End of validity.
    pub not_after: DateTime<Utc>,
    /// Alternative names as `DNS:www.example.com`, `IP:192.0.2.1`, `email:a@b`.
    pub sans: Vec<String>,
    /// DER of the certificate.
    pub der: Vec<u8>,
}

/// Reads a certificate.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub fn summary(der: &[u8]) -> Result<Summary> {
    let certificate = Certificate::decode(der)?;
    let fields = certificate.fields;
    Ok(Summary {
        subject: dn_string(fields.subject)?,
        issuer: dn_string(fields.issuer)?,
        serial: fields.serial.to_vec(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        sans: certificate.alternative_names()?.iter().map(general_name).collect(),
        der: der.to_vec(),
    })
}

/// Returns the names in a subjectAltName value (RFC 5280 §4.2.1.6) as `DNS:www.example.com`,
/// `IP:192.0.2.1`, `email:a@b`.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub(crate) fn alternative_names(der: &[u8]) -> Result<Vec<String>> {
    Ok(general_names(der)?.iter().map(general_name).collect())
}

pub(crate) fn general_name(name: &GeneralName) -> String {
    let text = match name {
        GeneralName::Dns(n) => format!("DNS:{n}"),
        GeneralName::Email(n) => format!("email:{n}"),
        GeneralName::Uri(n) => format!("URI:{n}"),
        GeneralName::Ip(octets) => {
            match (<[u8; 4]>::try_from(&octets[..]), <[u8; 16]>::try_from(&octets[..])) {
                (Ok(v4), _) => format!("IP:{}", std::net::Ipv4Addr::from(v4)),
                (_, Ok(v6)) => format!("IP:{}", std::net::Ipv6Addr::from(v6)),
                _ => format!("IP:{}", crate::keyid::to_hex(octets)),
            }
        }
        GeneralName::RegisteredId(id) => format!("RID:{id}"),
        GeneralName::Directory(_) | GeneralName::Other(..) | GeneralName::Unread => "other".into(),
    };
    printable(&text).into_owned()
}

impl Summary {
    /// Returns the serial number as `0x2a`.
    pub fn serial_hex(&self) -> String {
        self.number().hex()
    }

    /// Returns the serial number; its octets are read as unsigned.
    pub fn number(&self) -> Number {
        Number::unsigned(&self.serial)
    }

    /// Returns the end of validity as text, in UTC.
    pub fn until(&self) -> String {
        self.not_after.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }
}
