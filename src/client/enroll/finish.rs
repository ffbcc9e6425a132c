//! From an issued certificate to the end of the run: import, chain file, report. Whatever fails here,
//! the certificate is given out.

use serde_json::json;

use super::asked::Asked;
use super::{Job, token_name};
use crate::asn1::pem;
use crate::asn1::summary::summary;
use crate::cli::report::Report;
use crate::client::csr::{NewKey, unfinished_label};
use crate::client::import::{self, Stored};
use crate::client::{output, session};
use crate::error::{Error, Kind, LeftKey, Leftover, Result};
use crate::keyid;
use crate::nss::Certificate;

/// A certificate that is proven to be the CA's and for our key.
pub(super) struct Issued {
    pub(super) certificate: Certificate,
    /// DER of what came with it.
    pub(super) others: Vec<Vec<u8>>,
    /// Whether the CA had issued it to an earlier run.
    pub(super) recovered: bool,
}

/// How the end of the run goes.
pub(super) struct Ending {
    /// Where the chain goes.
    pub(super) place: Option<output::Reserved>,
    /// Whether a missing name is a failure.
    pub(super) strict: bool,
    /// What is to be said of the keys of other runs.
    pub(super) warnings: Vec<String>,
}

impl Job<'_> {
    /// Imports the certificate beside its key, and what else there is to do.
    ///
    /// # Errors
    /// Of every kind, with the certificate: [`Kind::NotFound`] when the key is gone,
    /// [`Kind::Differs`] when names are missing that are required; as [`import::store`].
    pub(super) fn finish(
        &self,
        issued: &Issued,
        key: Option<NewKey>,
        asked: &Asked,
        ending: Ending,
    ) -> Result<Report> {
        let certificate = &issued.certificate;
        let id = key.as_ref().map(|k| k.id.clone());
        let issuers = session::chain(self.database, self.token, certificate, &issued.others)
            .map_err(|e| self.issued_but(e, certificate, &[], key.as_ref()))?;
        self.check(certificate, key.as_ref(), asked, ending.strict)
            .map_err(|e| self.issued_but(e, certificate, &issuers, key.as_ref()))?;
        let chain = pem::certificates(certificate.der(), &issuers);
        let stored = match self.store(issued, key.as_ref()) {
            Ok(stored) => stored,
            Err(e) => {
                let filled = ending.place.map(|place| place.fill(chain.as_bytes()));
                let e = match (filled, &self.spec.chain_file) {
                    (Some(Ok(())), Some(path)) => {
                        e.note(format!("certificate chain written to {}", path.display()))
                    }
                    (Some(Err(why)), _) => e.note(why.to_string()),
                    _ => e,
                };
                return Err(self.issued_but(e, certificate, &issuers, key.as_ref()));
            }
        };
        let mut warnings = ending.warnings;
        let resumed = key.as_ref().is_some_and(NewKey::is_resumed);
        // First of all, whatever comes after: the key is in use now.
        if let Some(Err(f)) = key.map(NewKey::keep) {
            warnings.push(format!("the key's label could not be taken away: {f}"));
        }
        if let Some(place) = ending.place
            && let Err(e) = place.fill(chain.as_bytes())
        {
            let e = match self.nickname {
                Some(nickname) => e.note(format!("the certificate is imported as {nickname:?}")),
                None => e,
            };
            return Err(self.issued_but(e, certificate, &issuers, None));
        }
        let mut report = self
            .report(issued, &issuers, stored, asked)
            .map_err(|e| self.issued_but(e, certificate, &issuers, None))?;
        if let (Some(id), Some(result)) = (id, report.result.as_object_mut()) {
            let hex = keyid::to_hex(&id);
            report.lines.push(match resumed {
                true => format!("key id {hex}, of an earlier unfinished request"),
                false => format!("key id {hex}"),
            });
            result.insert("key_id".into(), json!(hex));
            result.insert("key_id_signed".into(), json!(keyid::to_dogtag(&id)));
            result.insert("key_resumed".into(), json!(resumed));
        }
        if self.nickname.is_none() && self.spec.chain_file.is_none() {
            // Nothing else keeps it.
            report.lines.push(chain.trim_end().to_owned());
        }
        report.warnings.extend(warnings);
        Ok(report)
    }

    /// What is looked at before anything is imported.
    fn check(
        &self,
        certificate: &Certificate,
        key: Option<&NewKey>,
        asked: &Asked,
        strict: bool,
    ) -> Result<()> {
        if key.is_some_and(|k| self.token.find_key(&k.id).is_none()) {
            let token = token_name(self.token);
            let what = format!("the key of the request is no longer in the token {token}");
            return Err(Error::new(Kind::NotFound, what)
                .because("it was deleted while the CA worked on the request")
                .hint("have the certificate revoked, and enroll again"));
        }
        let missing = asked.missing(certificate.der())?;
        if strict && !missing.is_empty() {
            let what = format!("the CA left out {}", missing.join(", "));
            return Err(Error::new(Kind::Differs, what)
                .because("the profile decides which names a certificate gets")
                .hint("ask without these names, or with --force once the profile gives them")
                .lacking(missing));
        }
        Ok(())
    }

    fn store(&self, issued: &Issued, key: Option<&NewKey>) -> Result<Option<Stored>> {
        let Some(nickname) = self.nickname else { return Ok(None) };
        let certificate = &issued.certificate;
        // So that a run killed here leaves neither a key in use that looks unfinished nor one without
        // a name.
        if let Some(key) = key {
            key.relabel(nickname).ok();
        }
        let (trust, others) = (self.spec.trust.as_ref(), &issued.others);
        let stored = import::store(self.database, self.token, certificate, nickname, trust, others);
        match (stored, key) {
            (Err(e), Some(key)) if !self.token.holds(certificate) => {
                key.relabel(&unfinished_label(nickname)).ok();
                Err(e)
            }
            (Ok(stored), Some(_)) if !stored.has_key => {
                let what = format!("the certificate is imported as {nickname:?} without a key");
                Err(Error::new(Kind::NotFound, what)
                    .because("the key was deleted while the CA worked on the request"))
            }
            (stored, _) => stored.map(Some),
        }
    }

    fn report(
        &self,
        issued: &Issued,
        issuers: &[Vec<u8>],
        stored: Option<Stored>,
        asked: &Asked,
    ) -> Result<Report> {
        let certificate = &issued.certificate;
        let summary = summary(certificate.der())?;
        let (status, verb) = match issued.recovered {
            true => ("recovered", "fetched the certificate issued to an earlier run:"),
            false => ("issued", "issued"),
        };
        let msg = format!(
            "{verb} {}, serial {}, valid until {}",
            summary.subject,
            summary.serial_hex(),
            summary.until()
        );
        let mut report = Report::done("enroll", status, true, msg);
        let token = token_name(self.token);
        if let (Some(nickname), Some(stored)) = (self.nickname, &stored) {
            let beside = if stored.has_key { "beside its key" } else { "without a key" };
            report = report.line(format!("imported as {nickname:?} {beside} in the token {token}"));
            for name in &stored.added {
                report = report.line(format!("imported the CA certificate {name:?}, untrusted"));
            }
            report.warnings.extend(stored.warnings.iter().cloned());
        }
        if let Some(path) = &self.spec.chain_file {
            report = report.line(format!("certificate chain written to {}", path.display()));
        }
        let archived = match (&self.spec.archive, issued.recovered) {
            (None, _) => Some(false),
            (Some(_), false) => Some(true),
            (Some(_), true) => None,
        };
        match archived {
            Some(true) => report = report.line("the private key is archived in the CA's KRA"),
            Some(false) => {}
            None => report.warnings.push(
                "the earlier request decided whether the private key was archived; ask the KRA"
                    .into(),
            ),
        }
        let missing = asked.missing(certificate.der())?;
        if !missing.is_empty() {
            report.warnings.push(format!(
                "the CA left out {}: the profile decides which names a certificate gets",
                missing.join(", ")
            ));
        }
        let replaced = asked.replaced(certificate.der())?;
        if let Some(subject) = &replaced {
            report.warnings.push(format!(
                "the CA replaced the subject {subject}: the certificate is for {}",
                summary.subject
            ));
        }
        let archive = self.spec.archive.iter();
        report.warnings.extend(archive.flat_map(|a| a.warnings.iter().cloned()));
        let has_key = match &stored {
            Some(stored) => stored.has_key,
            None => certificate.private_key().is_ok(),
        };
        Ok(report.result(json!({
            "nickname": self.nickname,
            "token": token,
            "has_key": has_key,
            "certificate": summary.to_json(),
            "chain": pems(issuers),
            "imported_ca_nicknames": stored.map(|s| s.added).unwrap_or_default(),
            "missing_names": missing,
            "subject_replaced": replaced.is_some(),
            "archived": archived,
        })))
    }

    /// A failure after the CA issued the certificate: what is where now, and the certificate itself.
    fn issued_but(
        &self,
        error: Error,
        certificate: &Certificate,
        issuers: &[Vec<u8>],
        key: Option<&NewKey>,
    ) -> Error {
        let summary = summary(certificate.der()).ok();
        let serial = summary.as_ref().map(|s| s.serial_hex()).unwrap_or_default();
        let key = key.filter(|k| self.token.find_key(&k.id).is_some());
        let key = key.map(|k| LeftKey {
            id: k.id.clone(),
            label: Some(unfinished_label(self.nickname.unwrap_or_default())),
        });
        let mut note = format!("the CA did issue the certificate, serial {serial}");
        if let Some(LeftKey { id, label: Some(label) }) = &key {
            let id = keyid::to_hex(id);
            note.push_str(&format!(", and its key is kept, id {id}, label {label:?}"));
        }
        error.note(note).leftover(Leftover {
            nickname: self.nickname.map(str::to_owned),
            key,
            certificate: Some(certificate.der().to_vec()),
            chain: Some(issuers.to_vec()),
        })
    }
}

fn pems(certificates: &[Vec<u8>]) -> Vec<String> {
    certificates.iter().map(|c| pem::encode("CERTIFICATE", c)).collect()
}
