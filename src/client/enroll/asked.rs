//! Compares the names in a request with those in a certificate.

use rasn::types::Any;

use crate::asn1::certificate;
use crate::asn1::certificate::Certificate;
use crate::asn1::extension::Extension;
use crate::asn1::name::{dn_string, same_name};
use crate::asn1::summary::alternative_names;
use crate::asn1::{decode, oid};
use crate::cmc::request::Request;
use crate::error::Result;

/// The requested subject and alternative names.
#[derive(Debug)]
pub(super) struct Asked {
    /// DER of the Name; `None` leaves it to the CA.
    pub(super) subject: Option<Vec<u8>>,
    names: Vec<Name>,
}

/// One alternative name.
#[derive(Debug)]
struct Name {
    /// The name as text: `DNS:www.example.com`.
    text: String,
    /// DER of the GeneralName.
    der: Vec<u8>,
}

impl Asked {
    /// Returns the names in a subject (DER) and in extensions.
    ///
    /// # Errors
    /// [`crate::error::Kind::Input`] for names that can't be decoded.
    pub(super) fn new(subject: Option<Vec<u8>>, extensions: &[Extension]) -> Result<Asked> {
        let wanted = extensions.iter().find(|e| e.is(oid::CE_SUBJECT_ALT_NAME));
        Ok(Asked { subject, names: names(wanted.map(|e| &e.value[..]))? })
    }

    /// Returns the names in a request.
    ///
    /// # Errors
    /// As [`Asked::new`].
    pub(super) fn of(request: &Request) -> Result<Asked> {
        Asked::new(request.subject().map(<[u8]>::to_vec), request.extensions())
    }

    /// Returns the requested alternative names that a certificate (DER) lacks.
    ///
    /// # Errors
    /// [`crate::error::Kind::Input`] when the certificate can't be decoded.
    pub(super) fn missing(&self, certificate: &[u8]) -> Result<Vec<String>> {
        Ok(without(&self.names, &granted(certificate)?))
    }

    /// Returns the alternative names of a certificate that were neither requested nor are its
    /// subject's common name; none if no alternative names were requested.
    ///
    /// # Errors
    /// As [`Asked::missing`].
    pub(super) fn extra(&self, certificate: &[u8]) -> Result<Vec<String>> {
        if self.names.is_empty() {
            return Ok(Vec::new());
        }
        let subject = dn_string(certificate::fields(certificate)?.subject)?;
        let mut extra = without(&granted(certificate)?, &self.names);
        extra.retain(|name| {
            let value = name.split_once(':').map_or("", |(_, value)| value);
            let common_name = format!("CN={value}");
            !subject.split([',', '+']).any(|part| part.eq_ignore_ascii_case(&common_name))
        });
        Ok(extra)
    }

    /// Returns the requested subject as text if a certificate (DER) has a different one.
    ///
    /// # Errors
    /// As [`Asked::missing`].
    pub(super) fn replaced(&self, certificate: &[u8]) -> Result<Option<String>> {
        let theirs = certificate::fields(certificate)?.subject;
        match &self.subject {
            Some(subject) if !same_name(subject, theirs) => Ok(Some(dn_string(subject)?)),
            _ => Ok(None),
        }
    }
}

/// Returns the alternative names of a certificate.
fn granted(der: &[u8]) -> Result<Vec<Name>> {
    names(Certificate::decode(der)?.value(oid::CE_SUBJECT_ALT_NAME))
}

/// Returns the names in the value of subjectAltName.
fn names(value: Option<&[u8]>) -> Result<Vec<Name>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let all: Vec<Any> = decode("the alternative names", value)?;
    let texts = alternative_names(value)?;
    let named = |(text, name): (String, Any)| Name { text, der: name.as_bytes().to_vec() };
    Ok(texts.into_iter().zip(all).map(named).collect())
}

/// Returns the names of `all` that aren't in `others`.
fn without(all: &[Name], others: &[Name]) -> Vec<String> {
    // Names of unsupported kinds all have the same text.
    let same = |a: &Name, b: &Name| {
        a.der == b.der || a.text != "other" && a.text.eq_ignore_ascii_case(&b.text)
    };
    let lacking = all.iter().filter(|a| !others.iter().any(|b| same(a, b)));
    lacking.map(|name| name.text.clone()).collect()
}
