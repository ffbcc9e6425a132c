//! The certificates already under a nickname: whether one matches the request, and what is missing
//! for it.

use chrono::Utc;

use super::asked::Asked;
use super::{Enrolled, Job, Mended, Notice, Outcome, Requester};
use crate::algorithm::KeySpec;
use crate::asn1::certificate;
use crate::asn1::name::{dn_string, same_name};
use crate::asn1::pem;
use crate::asn1::summary::summary;
use crate::asn1::x509::spki_key_spec;
use crate::client::dogtag::records::State;
use crate::client::output;
use crate::client::request_key::is_unfinished;
use crate::client::status::{Recorded, Validity, recorded};
use crate::error::{Error, Kind, Result};
use crate::nss::Certificate;

/// What to do, given the existing certificates.
pub(super) enum Existing {
    /// Nothing: a certificate matches the request.
    Fits(Box<Enrolled>),
    /// Request a certificate. With `strict` it must not lack a name: the existing one lacks one,
    /// and every run would request another.
    Ask { strict: bool },
}

impl Job<'_> {
    /// Examines the certificates under the nickname, which [`Job::named`] found. One that matches ends
    /// the run without a request. One that differs from the request is an error, unless it is to be
    /// replaced.
    pub(super) fn existing(
        &self,
        found: &[Certificate],
        asked: &Asked,
        key: Option<KeySpec>,
    ) -> Result<Existing> {
        let ask = Existing::Ask { strict: self.spec.require_names };
        let Some(nickname) = self.nickname.filter(|_| !self.spec.force) else { return Ok(ask) };
        let Some((certificate, differences)) = self.in_use(found, asked, key)? else {
            return Ok(ask);
        };
        if differences.all.is_empty() {
            let mut notices = Vec::new();
            if self.spec.renew_revoked && self.is_revoked(certificate, &mut notices)? {
                return Ok(ask);
            }
            return self.fits(certificate, asked, notices).map(|e| Existing::Fits(Box::new(e)));
        }
        if self.spec.renew_on_change {
            return Ok(Existing::Ask { strict: self.spec.require_names || differences.names });
        }
        let serial = summary(certificate.der())?.serial_hex();
        let said = differences.all.join("; ");
        Err(Error::new(
            Kind::Differs,
            format!(
                "certificate {nickname:?}, serial {serial}, does not match the request: {said}"
            ),
        )
        .hint("add --renew-on-change to replace it")
        .differing(nickname, differences.all))
    }

    /// Returns the certificates under the nickname. All must have the subject (DER): NSS allows one
    /// subject for a nickname.
    ///
    /// # Errors
    /// [`Kind::Conflict`].
    pub(super) fn named(&self, subject: &[u8]) -> Result<Vec<Certificate>> {
        let Some(nickname) = self.nickname else { return Ok(Vec::new()) };
        let found = self.session.named(nickname)?;
        let Some(other) = found.iter().find(|c| !self.is_subject(c, subject)) else {
            return Ok(found);
        };
        let theirs = dn_string(other.subject()).unwrap_or_default();
        Err(Error::new(
            Kind::Conflict,
            format!("nickname {nickname:?} belongs to another subject: {theirs}"),
        )
        .hint("choose another --nickname"))
    }

    /// Returns the certificate in use and its differences: the newest of those that are valid long
    /// enough and have a key.
    fn in_use<'c>(
        &self,
        found: &'c [Certificate],
        asked: &Asked,
        key: Option<KeySpec>,
    ) -> Result<Option<(&'c Certificate, Differences)>> {
        let mut newest = None;
        let mut usable = Vec::new();
        for certificate in found.iter().filter(|c| self.lasts(c.der()) && c.private_key().is_ok()) {
            let since = summary(certificate.der())?.not_before;
            newest = newest.max(Some(since));
            usable.push((since, certificate));
        }
        let mut first = None;
        for (_, certificate) in usable.into_iter().filter(|(since, _)| Some(*since) == newest) {
            let differences = differences(certificate, asked, key)?;
            if differences.all.is_empty() {
                return Ok(Some((certificate, differences)));
            }
            first.get_or_insert((certificate, differences));
        }
        Ok(first)
    }

    /// Returns whether a certificate is valid for longer than `--renew-before`.
    pub(super) fn lasts(&self, der: &[u8]) -> bool {
        summary(der).is_ok_and(|certificate| {
            let validity = Validity::of(&certificate, self.spec.renew_before, Utc::now());
            // The CA's clock may be ahead.
            matches!(validity, Validity::Valid | Validity::NotYet)
        })
    }

    /// Returns whether a certificate is revoked in the CA's records. A certificate on hold isn't,
    /// because it may become valid again; that, and records that can't be read, give a notice.
    fn is_revoked(&self, certificate: &Certificate, notices: &mut Vec<Notice>) -> Result<bool> {
        let config = &self.spec.connection;
        let mut transport = config.transport(Some(&self.session.database), None)?;
        match recorded(&mut transport, &config.ca, &summary(certificate.der())?)? {
            Recorded::As(State::Revoked { .. }) => return Ok(true),
            Recorded::As(State::OnHold) => notices.push(Notice::OnHold),
            Recorded::Silent(why) => notices.push(Notice::StateUnknown(Some(why))),
            Recorded::Absent => notices.push(Notice::StateUnknown(None)),
            Recorded::NotAsked | Recorded::As(_) => {}
        }
        Ok(false)
    }

    fn fits(
        &self,
        certificate: &Certificate,
        asked: &Asked,
        mut notices: Vec<Notice>,
    ) -> Result<Enrolled> {
        let extra_names = asked.extra(certificate.der())?;
        let mended = self.mend(certificate, &mut notices)?;
        Ok(Enrolled {
            certificate: summary(certificate.der())?,
            nickname: self.nickname.map(str::to_owned),
            token: self.session.token.user_name(),
            has_key: true,
            archived: if self.spec.archive.is_some() { None } else { Some(false) },
            outcome: Outcome::Unchanged { extra_names, mended },
            notices,
        })
    }

    /// Returns whether a certificate has the requested subject, or the one that the CA sets
    /// instead: the user's entry in its directory or, in the profiles for users, the signer's
    /// subject.
    fn is_subject(&self, certificate: &Certificate, asked: &[u8]) -> bool {
        if same_name(certificate.subject(), asked) {
            return true;
        }
        match &self.spec.requester {
            Requester::SharedSecret(shared) => {
                let name = dn_string(certificate.subject()).unwrap_or_default();
                let is_user = |part: &str| {
                    let value = part.split_once('=').map(|(_, value)| value);
                    value.is_some_and(|v| v.eq_ignore_ascii_case(&shared.identification))
                };
                name.split([',', '+']).any(is_user)
            }
            Requester::Certificate(signer) if self.takes_signer_s_subject() => {
                let signer = self.session.certificate(signer);
                signer.is_ok_and(|s| same_name(s.subject(), certificate.subject()))
            }
            Requester::Certificate(_) => false,
        }
    }

    /// Returns whether the profile replaces the requested subject by the signer's.
    pub(super) fn takes_signer_s_subject(&self) -> bool {
        let profile = self.spec.connection.profile.as_deref();
        profile.is_some_and(|profile| profile.contains("UserSigned"))
    }

    /// Does for the certificate what an earlier run should have done: sets its trust, writes the
    /// chain file, removes the label of its key. Returns what was missing; a label that can't be
    /// removed is a notice.
    fn mend(&self, of: &Certificate, notices: &mut Vec<Notice>) -> Result<Vec<Mended>> {
        let mut mended = Vec::new();
        match self.mend_label(of) {
            Ok(label) => mended.extend(label.map(Mended::Label)),
            Err(e) => notices.push(Notice::LabelStays(e)),
        }
        if let Some(trust) = &self.spec.trust
            && !of.has_trust(trust)?
        {
            self.session.database.set_trust(of, trust)?;
            mended.push(Mended::Trust(trust.clone()));
        }
        if let Some(path) = &self.spec.chain_file {
            let issuers = self.session.issuers(of.der())?;
            let pem = pem::certificates(of.der(), &issuers);
            if std::fs::read(path).ok().as_deref() != Some(pem.as_bytes()) {
                output::write(path, pem.as_bytes(), output::Mode::Default)?;
                mended.push(Mended::ChainFile(path.clone()));
            }
        }
        Ok(mended)
    }

    /// Removes, and returns, the label that a run left on the key when it was killed during the
    /// import: certutil would show that instead of the nickname.
    pub(super) fn mend_label(&self, certificate: &Certificate) -> Result<Option<String>> {
        let key = certificate.private_key()?;
        let Some(label) = key.label() else { return Ok(None) };
        if !is_unfinished(&label) && Some(label.as_str()) != self.nickname {
            return Ok(None);
        }
        key.set_label("").map_err(|f| {
            let what = format!("cannot remove label {label:?} from the certificate's key");
            Error::new(Kind::Refused, what).because(f)
        })?;
        Ok(Some(label))
    }
}

/// The differences between a certificate and the request.
struct Differences {
    all: Vec<String>,
    /// Whether names are missing.
    names: bool,
}

fn differences(
    certificate: &Certificate,
    asked: &Asked,
    key: Option<KeySpec>,
) -> Result<Differences> {
    let mut all = Vec::new();
    let missing = asked.missing(certificate.der())?;
    if !missing.is_empty() {
        all.push(format!("it lacks {}", missing.join(", ")));
    }
    let theirs = spki_key_spec(certificate::fields(certificate.der())?.spki);
    if let Some(key) = key
        && theirs != Some(key)
    {
        let theirs = theirs.map_or_else(|| "of another type".to_owned(), |k| k.to_string());
        all.push(format!("its key is {theirs}, not {key}"));
    }
    Ok(Differences { all, names: !missing.is_empty() })
}
