//! The certificates already under a nickname: whether one matches the request, and what is missing
//! for it.

use chrono::Utc;

use super::asked::Asked;
use super::finish::Destination;
use super::previous::Previous;
use super::{Described, Enrolled, Job, Mended, Notice, Outcome};
use crate::algorithm::KeySpec;
use crate::asn1::certificate;
use crate::asn1::pem;
use crate::asn1::summary::summary;
use crate::asn1::x509::spki_key_spec;
use crate::client::dogtag::records::State;
use crate::client::newest::newest_first;
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
    /// Examines the certificates under the nickname, which [`Maker::named`](super::maker::Maker::named) found. One that matches ends
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
        let ask = |strict| Ok(Existing::Ask { strict, replaces: Previous::of(found, first)? });
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

    /// Returns the certificate in use and its differences: the newest of those that are valid long
    /// enough and have a key. Several that began at the same time follow each other, those without
    /// differences first.
    fn in_use<'c>(
        &self,
        found: &'c [Certificate],
        asked: &Asked,
        key: Option<KeySpec>,
    ) -> Result<Vec<(&'c Certificate, Differences)>> {
        let usable = found.iter().filter(|c| self.lasts(c.der()) && c.private_key().is_ok());
        let usable = newest_first(usable);
        let newest = usable.first().map(|(newest, _)| newest.not_before);
        let mut in_use = Vec::new();
        for (_, certificate) in usable.iter().filter(|(of, _)| Some(of.not_before) == newest) {
            in_use.push((*certificate, differences(certificate, asked, key)?));
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
}

impl Destination<'_> {
    /// Returns the result of a run that finds its certificate in the database already, after adding
    /// what is missing for it.
    pub(super) fn fits(
        &self,
        certificate: &Certificate,
        asked: &Asked,
        archived: Option<bool>,
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
            has_key: certificate.private_key().is_ok(),
            archived,
            outcome: Outcome::Unchanged { extra_names, mended },
            before: Some(before),
            after: Some(after),
            notices,
        })
    }

    /// Returns what an earlier run should have done for the certificate: its trust, the chain file, the
    /// label of its key.
    pub(super) fn unmended(&self, of: &Certificate) -> Result<Vec<Mended>> {
        let label = stale_label(self.nickname, of);
        let mut missing: Vec<Mended> = label.map(Mended::Label).into_iter().collect();
        if let Some(trust) = self.trust
            && !of.has_trust(trust)?
        {
            missing.push(Mended::Trust(trust.clone()));
        }
        if let Some(path) = self.chain_file
            && std::fs::read(path).ok().as_deref() != Some(self.chain(of)?.as_bytes())
        {
            missing.push(Mended::ChainFile(path.to_owned()));
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
                    if let Err(e) = mend_label(self.nickname, of) {
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
}

/// Returns the label that a run left on the key when it was killed during the import: certutil
/// would show that instead of the nickname.
fn stale_label(nickname: Option<&str>, certificate: &Certificate) -> Option<String> {
    let label = certificate.private_key().ok()?.label();
    label.filter(|label| is_unfinished(label) || Some(label.as_str()) == nickname)
}

/// Removes the label that a killed run left on the key.
pub(super) fn mend_label(nickname: Option<&str>, certificate: &Certificate) -> Result<()> {
    let Some(label) = stale_label(nickname, certificate) else { return Ok(()) };
    certificate.private_key()?.set_label("").map_err(|f| {
        let what = format!("cannot remove label {label:?} from the certificate's key");
        Error::new(Kind::Refused, what).because(f)
    })
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
