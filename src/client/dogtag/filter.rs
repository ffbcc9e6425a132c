//! The conditions of a search for certificates: Dogtag's CertSearchRequest.

use chrono::{DateTime, Local, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::asn1::Number;
use crate::cmc::revocation_reason::CrlReason;
use crate::error::{Error, Kind, Result};

/// One condition of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Serial number, from.
    SerialFrom,
    /// Serial number, to.
    SerialTo,
    /// CN in the subject.
    CommonName,
    /// E-mail address in the subject.
    Email,
    /// UID in the subject.
    UserId,
    /// O in the subject.
    Organization,
    /// OU in the subject.
    OrganizationalUnit,
    /// L in the subject.
    Locality,
    /// ST in the subject.
    State,
    /// C in the subject.
    Country,
    /// State in the CA's records, one of [`STATUSES`].
    Status,
    /// User who revoked it.
    RevokedBy,
    /// Revoked on this day or later.
    RevokedOnFrom,
    /// Revoked on this day or earlier.
    RevokedOnTo,
    /// CRL reason code.
    RevocationReason,
    /// User who had it issued.
    IssuedBy,
    /// Issued on this day or later.
    IssuedOnFrom,
    /// Issued on this day or earlier.
    IssuedOnTo,
    /// Validity begins on this day or later.
    NotBeforeFrom,
    /// Validity begins on this day or earlier.
    NotBeforeTo,
    /// Validity ends on this day or later.
    NotAfterFrom,
    /// Validity ends on this day or earlier.
    NotAfterTo,
    /// `<=` or `>=`.
    ValidityOperation,
    /// Length of the validity in units.
    ValidityCount,
    /// Length of a unit in milliseconds.
    ValidityUnit,
    /// Netscape certificate type CA for e-mail: `on` or `off`.
    TypeEmailCa,
    /// Netscape certificate type CA for TLS: `on` or `off`.
    TypeSslCa,
    /// Netscape certificate type e-mail: `on` or `off`.
    TypeEmail,
    /// Netscape certificate type TLS client: `on` or `off`.
    TypeSslClient,
    /// Netscape certificate type TLS server: `on` or `off`.
    TypeSslServer,
}

/// The states of a certificate in Dogtag's words.
pub const STATUSES: [&str; 5] = ["VALID", "INVALID", "REVOKED", "EXPIRED", "REVOKED_EXPIRED"];

/// The fields, their members, and the member that enables the field's group; status has none.
const FIELDS: &[(Field, &str, &str)] = &[
    (Field::SerialFrom, "serialFrom", "serialNumberRangeInUse"),
    (Field::SerialTo, "serialTo", "serialNumberRangeInUse"),
    (Field::CommonName, "commonName", "subjectInUse"),
    (Field::Email, "email", "subjectInUse"),
    (Field::UserId, "userID", "subjectInUse"),
    (Field::Organization, "org", "subjectInUse"),
    (Field::OrganizationalUnit, "orgUnit", "subjectInUse"),
    (Field::Locality, "locality", "subjectInUse"),
    (Field::State, "state", "subjectInUse"),
    (Field::Country, "country", "subjectInUse"),
    (Field::Status, "status", ""),
    (Field::RevokedBy, "revokedBy", "revokedByInUse"),
    (Field::RevokedOnFrom, "revokedOnFrom", "revokedOnInUse"),
    (Field::RevokedOnTo, "revokedOnTo", "revokedOnInUse"),
    (Field::RevocationReason, "revocationReason", "revocationReasonInUse"),
    (Field::IssuedBy, "issuedBy", "issuedByInUse"),
    (Field::IssuedOnFrom, "issuedOnFrom", "issuedOnInUse"),
    (Field::IssuedOnTo, "issuedOnTo", "issuedOnInUse"),
    (Field::NotBeforeFrom, "validNotBeforeFrom", "validNotBeforeInUse"),
    (Field::NotBeforeTo, "validNotBeforeTo", "validNotBeforeInUse"),
    (Field::NotAfterFrom, "validNotAfterFrom", "validNotAfterInUse"),
    (Field::NotAfterTo, "validNotAfterTo", "validNotAfterInUse"),
    (Field::ValidityOperation, "validityOperation", "validityLengthInUse"),
    (Field::ValidityCount, "validityCount", "validityLengthInUse"),
    (Field::ValidityUnit, "validityUnit", "validityLengthInUse"),
    (Field::TypeEmailCa, "certTypeSubEmailCA", "certTypeInUse"),
    (Field::TypeSslCa, "certTypeSubSSLCA", "certTypeInUse"),
    (Field::TypeEmail, "certTypeSecureEmail", "certTypeInUse"),
    (Field::TypeSslClient, "certTypeSSLClient", "certTypeInUse"),
    (Field::TypeSslServer, "certTypeSSLServer", "certTypeInUse"),
];

/// The e-mail member's name before Dogtag 11; those versions refuse the other name with status 400.
const OLD_EMAIL: &str = "eMail";

/// The conditions of a search. Without conditions it finds all certificates. If several fields of
/// the subject are given, a match of a part of one value is enough, unless [`Filter::exact`] is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    conditions: Vec<(Field, String)>,
    /// Whether all given fields of the subject must match, with their whole values.
    pub exact: bool,
}

impl Filter {
    /// Returns a filter without conditions.
    pub fn new() -> Filter {
        Filter::default()
    }

    /// Adds a condition; a later one on the same field replaces it.
    pub fn set(&mut self, field: Field, value: impl Into<String>) {
        self.conditions.retain(|(set, _)| *set != field);
        self.conditions.push((field, value.into()));
    }

    /// Adds a condition by the name of its member in a CertSearchRequest; returns whether there is
    /// such a member.
    pub fn set_member(&mut self, member: &str, value: &str) -> bool {
        let wanted = if member == OLD_EMAIL { "email" } else { member };
        if member == "matchExactly" {
            self.exact = value == "true";
            return true;
        }
        let found = FIELDS.iter().find(|(_, name, _)| *name == wanted);
        found.inspect(|(field, ..)| self.set(*field, value)).is_some()
            || FIELDS.iter().any(|(.., in_use)| *in_use == member)
    }

    /// Adds a serial number as one end of a range.
    pub fn set_serial(&mut self, field: Field, serial: &Number) {
        self.set(field, serial.hex());
    }

    /// Adds a day as the start of a range: its first moment in the local time zone.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a day without midnight in that zone.
    pub fn set_day(&mut self, field: Field, day: NaiveDate) -> Result<()> {
        self.set_moment(field, beginning(day)?);
        Ok(())
    }

    /// Adds a day as the end of a range: its last moment in the local time zone.
    ///
    /// # Errors
    /// As [`Filter::set_day`].
    pub fn set_last_day(&mut self, field: Field, day: NaiveDate) -> Result<()> {
        let next = beginning(day.succ_opt().unwrap_or(day))?;
        self.set_moment(field, next - TimeDelta::milliseconds(1));
        Ok(())
    }

    /// Adds a moment.
    pub fn set_moment(&mut self, field: Field, moment: DateTime<Utc>) {
        self.set(field, moment.timestamp_millis().to_string());
    }

    /// Adds a reason for revocation.
    pub fn set_reason(&mut self, reason: CrlReason) {
        self.set(Field::RevocationReason, (reason as i64).to_string());
    }

    /// Adds the length of the validity: `<=` or `>=`, a number, and the unit in days.
    pub fn set_validity(&mut self, operation: &str, count: u32, days: u64) {
        self.set(Field::ValidityOperation, operation);
        self.set(Field::ValidityCount, count.to_string());
        self.set(Field::ValidityUnit, (days * 86_400_000).to_string());
    }

    /// Returns whether it has no conditions.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Returns the request in JSON; `old` is for Dogtag 10.x, which has another name for the e-mail
    /// address and refuses the newer one.
    pub(super) fn request(&self, old: bool) -> Value {
        let mut wanted = Map::new();
        wanted.insert("matchExactly".to_owned(), json!(self.exact));
        for (.., in_use) in FIELDS.iter().filter(|(.., in_use)| !in_use.is_empty()) {
            wanted.insert((*in_use).to_owned(), json!(false));
        }
        for (field, value) in &self.conditions {
            let Some((_, member, in_use)) = FIELDS.iter().find(|(f, ..)| f == field) else {
                continue;
            };
            let member = if old && *field == Field::Email { OLD_EMAIL } else { member };
            let number =
                (*field == Field::ValidityCount).then(|| value.parse::<u32>().ok()).flatten();
            wanted.insert(member.to_owned(), number.map_or_else(|| json!(value), |n| json!(n)));
            if !in_use.is_empty() {
                wanted.insert((*in_use).to_owned(), json!(true));
            }
        }
        wanted.into()
    }

    /// Returns whether the request differs between the versions.
    pub(super) fn has_old_form(&self) -> bool {
        self.conditions.iter().any(|(field, _)| *field == Field::Email)
    }
}

/// Returns the first moment of a day in the local zone.
fn beginning(day: NaiveDate) -> Result<DateTime<Utc>> {
    let begin = day.and_hms_opt(0, 0, 0).and_then(|t| t.and_local_timezone(Local).earliest());
    begin.map(|begin| begin.to_utc()).ok_or_else(|| {
        Error::new(Kind::Usage, format!("cannot search from {day}"))
            .because("that day has no midnight in the local time zone")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_their_group() {
        let mut filter = Filter::new();
        assert!(filter.is_empty());
        filter.set(Field::CommonName, "a");
        filter.set(Field::CommonName, "b");
        filter.set(Field::Email, "b@x");
        filter.set_serial(Field::SerialFrom, &Number::parse("0x1F").unwrap());
        filter.set_validity("<=", 3, 365);
        filter.set(Field::Status, "VALID");
        let new = filter.request(false);
        assert_eq!(new["commonName"], "b");
        assert_eq!((&new["email"], &new["eMail"]), (&json!("b@x"), &Value::Null));
        assert_eq!(filter.request(true)["eMail"], "b@x");
        assert_eq!(filter.request(true).get("email"), None);
        assert_eq!(new["serialFrom"], "0x1f");
        assert_eq!(
            (&new["validityCount"], &new["validityUnit"]),
            (&json!(3), &json!("31536000000"))
        );
        let groups: Vec<&str> = new
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, v)| **v == json!(true))
            .map(|(k, _)| k.as_str())
            .collect();
        assert_eq!(groups, ["serialNumberRangeInUse", "subjectInUse", "validityLengthInUse"]);
        assert_eq!(new["revokedOnInUse"], false);
    }

    #[test]
    fn members_by_name() {
        let mut filter = Filter::new();
        for (member, known) in [
            ("eMail", true),
            ("certTypeSSLClient", true),
            ("matchExactly", true),
            ("subjectInUse", true),
            ("x", false),
            ("", false),
        ] {
            assert_eq!(filter.set_member(member, "true"), known, "{member}");
        }
        assert!(filter.exact && filter.has_old_form());
        assert_eq!(filter.request(false)["certTypeInUse"], true);
    }
}
