//! The certificates already under a nickname: whether one matches the request, and what is missing
//! for it.

use chrono::Utc;

use super::asked::Asked;
use super::previous::Previous;
use super::{Described, Enrolled, Job, Mended, Notice, Outcome, Requester};
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
pub(super) enum Existing<'c> {
    /// Request no certificate: this one matches the request.
    Fits(&'c Certificate, Vec<Notice>),
    /// Request a certificate that replaces the one in use, if there is one. With `strict` it must not
    /// lack anything: the existing one lacks the same, and every run would request another.
    Ask { strict: bool, replaces: Option<Previous> },
}

impl Job<'_> {
    /// Examines the certificates under the nickname, which [`Job::named`] found. One that matches ends
    /// the run without a request. One that differs from the request is an error, unless it is to be
    /// replaced.
    pub(super) fn existing<'c>(
        &self,
        found: &'c [Certificate],
        asked: &Asked,
        key: Option<KeySpec>,
    ) -> Result<Existing<'c>> {
        let strict = self.spec.require_names;
        let in_use = self.in_use(found, asked, key)?;
        let first = in_use.first().map(|(certificate, _)| *certificate);
        let ask = |strict| Ok(Existing::Ask { strict, replaces: self.previous(found, first)? });
        let (Some(nickname), Some((certificate, differences)), false) =
            (self.nickname, in_use.first(), self.spec.force)
        else {
            return ask(strict);
        };
        if differences.all.is_empty() {
            for (certificate, _) in in_use.iter().filter(|(_, d)| d.all.is_empty()) {
                let mut notices = Vec::new();
                if !self.spec.renew_revoked || !self.is_revoked(certificate, &mut notices)? {
                    return Ok(Existing::Fits(certificate, notices));
                }
            }
            return ask(strict);
        }
        if self.spec.renew_on_change {
            return ask(strict || differences.lacks);
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
        .differing(nickname, differences.all.clone()))
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
    /// enough and have a key. Several that began at the same time follow each other, those without
    /// differences first.
    fn in_use<'c>(
        &self,
        found: &'c [Certificate],
        asked: &Asked,
        key: Option<KeySpec>,
    ) -> Result<Vec<(&'c Certificate, Differences)>> {
        let mut usable = Vec::new();
        for certificate in found.iter().filter(|c| self.lasts(c.der()) && c.private_key().is_ok()) {
            usable.push((summary(certificate.der())?.not_before, certificate));
        }
        let newest = usable.iter().map(|(since, _)| *since).max();
        let mut in_use = Vec::new();
        for (_, certificate) in usable.into_iter().filter(|(since, _)| Some(*since) == newest) {
            in_use.push((certificate, differences(certificate, asked, key)?));
        }
        in_use.sort_by_key(|(_, differences)| !differences.all.is_empty());
        Ok(in_use)
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

    /// Returns the result of a run that requests nothing, because a certificate matches.
    pub(super) fn fits(
        &self,
        certificate: &Certificate,
        asked: &Asked,
        mut notices: Vec<Notice>,
    ) -> Result<Enrolled> {
        let extra_names = asked.extra(certificate.der())?;
        let before = Described::of(certificate)?;
        let mended = self.mend(certificate, &mut notices)?;
        let after = after_mending(&before, &mended);
        Ok(Enrolled {
            certificate: summary(certificate.der())?,
            nickname: self.nickname.map(str::to_owned),
            token: self.session.token.user_name(),
            has_key: true,
            archived: if self.spec.archive.is_some() { None } else { Some(false) },
            outcome: Outcome::Unchanged { extra_names, mended },
            before: Some(before),
            after: Some(after),
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

    /// Returns what an earlier run should have done for the certificate: its trust, the chain file, the
    /// label of its key.
    pub(super) fn unmended(&self, of: &Certificate) -> Result<Vec<Mended>> {
        let mut missing: Vec<Mended> =
            self.stale_label(of)?.map(Mended::Label).into_iter().collect();
        if let Some(trust) = &self.spec.trust
            && !of.has_trust(trust)?
        {
            missing.push(Mended::Trust(trust.clone()));
        }
        if let Some(path) = &self.spec.chain_file
            && std::fs::read(path).ok().as_deref() != Some(self.chain(of)?.as_bytes())
        {
            missing.push(Mended::ChainFile(path.clone()));
        }
        Ok(missing)
    }

    /// Does what is missing for the certificate, and returns it; a label that can't be removed is a
    /// notice.
    fn mend(&self, of: &Certificate, notices: &mut Vec<Notice>) -> Result<Vec<Mended>> {
        let mut mended = Vec::new();
        for missing in self.unmended(of)? {
            match &missing {
                Mended::Label(_) => {
                    if let Err(e) = self.mend_label(of) {
                        notices.push(Notice::LabelStays(e));
                        continue;
                    }
                }
                Mended::Trust(trust) => self.session.database.set_trust(of, trust)?,
                Mended::ChainFile(path) => {
                    output::write(path, self.chain(of)?.as_bytes(), output::Mode::Default)?;
                }
            }
            mended.push(missing);
        }
        Ok(mended)
    }

    /// Returns the PEM of a certificate and its issuers.
    fn chain(&self, of: &Certificate) -> Result<String> {
        Ok(pem::certificates(of.der(), &self.session.issuers(of.der())?))
    }

    /// Returns the label that a run left on the key when it was killed during the import: certutil
    /// would show that instead of the nickname.
    fn stale_label(&self, certificate: &Certificate) -> Result<Option<String>> {
        let label = certificate.private_key()?.label();
        let stale = |label: &String| is_unfinished(label) || Some(label.as_str()) == self.nickname;
        Ok(label.filter(stale))
    }

    /// Removes, and returns, the label that a killed run left on the key.
    pub(super) fn mend_label(&self, certificate: &Certificate) -> Result<Option<String>> {
        let Some(label) = self.stale_label(certificate)? else { return Ok(None) };
        certificate.private_key()?.set_label("").map_err(|f| {
            let what = format!("cannot remove label {label:?} from the certificate's key");
            Error::new(Kind::Refused, what).because(f)
        })?;
        Ok(Some(label))
    }
}

/// Returns the description of a certificate after something was done for it.
pub(super) fn after_mending(before: &Described, mended: &[Mended]) -> Described {
    let mut after = before.clone();
    for done in mended {
        if let Mended::Trust(trust) = done {
            after.trust = Some(with_user(trust.as_str()));
        }
    }
    after
}

/// Returns trust flags as certutil prints them for a certificate with a key: with `u` in each field.
pub(super) fn with_user(trust: &str) -> String {
    let field =
        |field: &str| if field.contains('u') { field.to_owned() } else { format!("{field}u") };
    trust.split(',').map(field).collect::<Vec<_>>().join(",")
}

/// The differences between a certificate and the request.
struct Differences {
    all: Vec<String>,
    /// Whether names or usages are missing, or the issuer is another one: what the CA decides.
    lacks: bool,
}

fn differences(
    certificate: &Certificate,
    asked: &Asked,
    key: Option<KeySpec>,
) -> Result<Differences> {
    let lacking = asked.lacking(certificate.der())?;
    let mut all = lacking.texts();
    let theirs = spki_key_spec(certificate::fields(certificate.der())?.spki);
    if let Some(key) = key
        && theirs != Some(key)
    {
        let theirs = theirs.map_or_else(|| "of another type".to_owned(), |k| k.to_string());
        all.push(format!("its key is {theirs}, not {key}"));
    }
    Ok(Differences { all, lacks: !lacking.is_empty() })
}
