//! Compares what is requested (names, issuer, usages) with a certificate.

use rasn::types::Any;

use crate::asn1::certificate;
use crate::asn1::certificate::Certificate;
use crate::asn1::extension::Extension;
use crate::asn1::name::{dn_string, same_name};
use crate::asn1::summary::alternative_names;
use crate::asn1::{decode, oid};
use crate::cmc::request::Request;
use crate::error::Result;
use crate::nss::Usage;
use crate::trust::usage::permits;

/// The requested names, and what else the certificate must fulfil.
#[derive(Debug)]
pub(super) struct Asked {
    /// DER of the Name; `None` leaves it to the CA.
    pub(super) subject: Option<Vec<u8>>,
    names: Vec<Name>,
    /// DER of the issuer's Name, if it matters.
    issuer: Option<Vec<u8>>,
    usages: Vec<Usage>,
}

/// What a certificate lacks.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    /// The requested alternative names that it doesn't have.
    pub(super) names: Vec<String>,
    /// The usages that its extensions don't permit.
    pub(super) usages: Vec<Usage>,
    /// Its issuer, if it is another one than requested.
    pub(super) other_issuer: Option<String>,
}

impl Lacking {
    /// Returns whether it lacks nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.usages.is_empty() && self.other_issuer.is_none()
    }

    /// Returns one text for each kind of difference, about `it`.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.names.is_empty() {
            all.push(format!("it lacks {}", self.names.join(", ")));
        }
        if !self.usages.is_empty() {
            all.push(format!("it is not for the usage {}", self.usage_names().join(", ")));
        }
        all.extend(self.other_issuer.as_ref().map(|issuer| format!("its issuer is {issuer}")));
        all
    }

    /// Returns the names of the usages that aren't permitted.
    pub(super) fn usage_names(&self) -> Vec<&'static str> {
        self.usages.iter().map(|usage| usage.name()).collect()
    }
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
        Asked::from_parts(subject, alternative_name_value(extensions))
    }

    /// Returns the names in a subject (DER) and in the value of subjectAltName (DER).
    ///
    /// # Errors
    /// As [`Asked::new`].
    pub(super) fn from_parts(subject: Option<Vec<u8>>, value: Option<&[u8]>) -> Result<Asked> {
        Ok(Asked { subject, names: names(value)?, issuer: None, usages: Vec::new() })
    }

    /// Returns the names in a request.
    ///
    /// # Errors
    /// As [`Asked::new`].
    pub(super) fn of(request: &Request) -> Result<Asked> {
        Asked::new(request.subject().map(<[u8]>::to_vec), request.extensions())
    }

    /// Adds the issuer (DER of its Name) and the usages that the certificate must have.
    pub(super) fn by(self, issuer: Option<Vec<u8>>, usages: &[Usage]) -> Asked {
        Asked { issuer, usages: usages.to_vec(), ..self }
    }

    /// Returns the octets of the requested names, to tell requests apart.
    pub(super) fn octets(&self) -> Vec<u8> {
        let mut octets = self.subject.clone().unwrap_or_default();
        self.names.iter().for_each(|name| octets.extend(&name.der));
        octets
    }

    /// Returns the requested alternative names as text.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().map(|name| name.text.clone()).collect()
    }

    /// Returns what a certificate (DER) lacks.
    ///
    /// # Errors
    /// [`crate::error::Kind::Input`] when the certificate can't be decoded.
    pub(super) fn lacking(&self, certificate: &[u8]) -> Result<Lacking> {
        let issuer = certificate::fields(certificate)?.issuer;
        let mut lacking =
            Lacking { names: without(&self.names, &granted(certificate)?), ..Lacking::default() };
        for usage in &self.usages {
            if !permits(certificate, *usage)? {
                lacking.usages.push(*usage);
            }
        }
        if self.issuer.as_ref().is_some_and(|wanted| !same_name(wanted, issuer)) {
            lacking.other_issuer = Some(dn_string(issuer)?);
        }
        Ok(lacking)
    }

    /// Returns the alternative names of a certificate that were neither requested nor are its
    /// subject's common name; none if no alternative names were requested.
    ///
    /// # Errors
    /// As [`Asked::lacking`].
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

    /// Returns whether a certificate (DER) has exactly the requested alternative names.
    ///
    /// # Errors
    /// As [`Asked::lacking`].
    pub(super) fn same_names(&self, certificate: &[u8]) -> Result<bool> {
        let theirs = granted(certificate)?;
        let lacks = |all: &[Name], others: &[Name]| !without(all, others).is_empty();
        Ok(!lacks(&self.names, &theirs) && !lacks(&theirs, &self.names))
    }

    /// Returns the requested subject as text if a certificate (DER) has a different one.
    ///
    /// # Errors
    /// As [`Asked::lacking`].
    pub(super) fn replaced(&self, certificate: &[u8]) -> Result<Option<String>> {
        let theirs = certificate::fields(certificate)?.subject;
        match &self.subject {
            Some(subject) if !same_name(subject, theirs) => Ok(Some(dn_string(subject)?)),
            _ => Ok(None),
        }
    }
}

/// Returns the value of subjectAltName (DER), if it is among the extensions.
pub(super) fn alternative_name_value(extensions: &[Extension]) -> Option<&[u8]> {
    extensions.iter().find(|e| e.is(oid::CE_SUBJECT_ALT_NAME)).map(|e| &e.value[..])
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
