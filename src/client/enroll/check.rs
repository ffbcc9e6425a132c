//! Predicts what a run would do. Nothing is created, changed or sent, except look-ups in the CA's
//! records if a revoked certificate is to be replaced.

use std::path::Path;

use super::asked::Asked;
use super::existing::{Existing, after_mending, with_user};
use super::previous::Previous;
use super::{
    DEFAULT_KEY, Described, EnrollSpec, Job, KeySource, Notice, Predicted, Prediction, needs,
    prepared,
};
use crate::algorithm::KeySpec;
use crate::asn1::name::dn_string;
use crate::asn1::x509::spki_key_spec;
use crate::client::csr::{self, AltNames};
use crate::client::session::Session;
use crate::error::Result;
use crate::nss::Access;

/// Predicts what [`enroll`](super::enroll) would do now with the same arguments.
///
/// ```no_run
/// use nss_cmc::client::enroll::{Prediction, check};
/// use nss_cmc::{AltNames, Config, EnrollSpec, KeySource, Requester, Source, Url};
///
/// let mut ca = Config::new(Url::parse("https://ca.example:8443")?);
/// ca.profile = Some("caCMCserverCert".into());
/// let passwords = Source::File("pin.txt".into()).passwords();
/// let agent = Requester::Certificate("agent".into());
/// let names = AltNames(vec![("dns".into(), "www.example".into())]);
/// let key = KeySource::New { spec: None, subject: "CN=www.example".into(), names };
/// let mut spec = EnrollSpec::new("nssdb", passwords, ca, agent, key);
/// spec.nickname = Some("www".into());
/// let is_due = !matches!(check(spec)?.what, Prediction::Unchanged);
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// Those that a run would fail with before it creates or sends anything.
pub fn check(spec: EnrollSpec) -> Result<Predicted> {
    let spec = prepared(spec)?;
    let session = Session::open(&spec.database, Access::ReadOnly, needs(&spec), &spec.passwords)?;
    let nickname = spec.nickname.as_deref().map(|n| session.new_nickname(n)).transpose()?;
    let job = Job { session: &session, nickname: nickname.as_deref(), spec: &spec };
    let mut predicted = match &spec.key {
        KeySource::Csr(path) => job.check_csr(path)?,
        KeySource::New { spec: key, subject, names } => job.check_key(*key, subject, names)?,
    };
    predicted.notices.extend(session.close().err().map(Notice::NotClosed));
    Ok(predicted)
}

impl Job<'_> {
    fn check_csr(&self, path: &Path) -> Result<Predicted> {
        let request = csr::read(path, None)?;
        let asked = self.asked(Asked::of(&request)?)?;
        let replaces = match &asked.subject {
            Some(subject) => Previous::of(&self.maker().named(subject)?, None)?,
            None => None,
        };
        self.round_trips()?;
        self.would_ask(&asked, spki_key_spec(request.spki()), replaces, Vec::new())
    }

    fn check_key(
        &self,
        key: Option<KeySpec>,
        subject: &str,
        names: &AltNames,
    ) -> Result<Predicted> {
        let (subject, _, asked) = self.requested(subject, names)?;
        let named = self.maker().named(&subject)?;
        let replaces = match self.existing(&named, &asked, key)? {
            Existing::Fits(certificate, notices) => {
                let missing = self.destination().unmended(certificate)?;
                let before = Described::of(certificate)?;
                let after = after_mending(&before, &missing);
                let what = match missing.is_empty() {
                    true => Prediction::Unchanged,
                    false => Prediction::Update(missing),
                };
                return Ok(self.predicted(what, Some(before), Some(after), notices));
            }
            Existing::Ask { replaces, .. } => replaces,
        };
        self.round_trips()?;
        let reused = self.key_to_reuse(replaces.as_ref(), key)?.is_some();
        let same = replaces.as_ref().and_then(|previous| previous.described.key);
        let key = if reused { same } else { Some(key.unwrap_or(DEFAULT_KEY)) };
        self.would_ask(&asked, key, replaces, self.orphans(false))
    }

    /// Returns the prediction for a run that requests a certificate.
    fn would_ask(
        &self,
        asked: &Asked,
        key: Option<KeySpec>,
        replaces: Option<Previous>,
        notices: Vec<Notice>,
    ) -> Result<Predicted> {
        let what = if replaces.is_some() { Prediction::Renew } else { Prediction::Issue };
        let before = replaces.map(|previous| previous.described);
        let old_trust = before.as_ref().and_then(|before| before.trust.clone());
        let trust = self.spec.trust.as_ref().map(|trust| with_user(trust.as_str())).or(old_trust);
        let after = Described {
            subject: asked.subject.as_deref().map(dn_string).transpose()?,
            // Without requested names the profile decides.
            sans: Some(asked.names()).filter(|names| !names.is_empty()),
            serial: None,
            issuer: self.spec.issuer.clone(),
            validity: None,
            key,
            trust: Some(trust.unwrap_or_else(|| "u,u,u".to_owned())),
        };
        Ok(self.predicted(what, before, Some(after).filter(|_| self.nickname.is_some()), notices))
    }

    fn predicted(
        &self,
        what: Prediction,
        before: Option<Described>,
        after: Option<Described>,
        notices: Vec<Notice>,
    ) -> Predicted {
        Predicted {
            nickname: self.nickname.map(str::to_owned),
            token: self.session.token.user_name(),
            what,
            before,
            after,
            notices,
        }
    }
}
