//! `nss-cmc enroll`: key, request, signature, submission, checks, import, in one run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rasn_pkix::Extension;
use serde_json::json;

use super::archive::Archive;
use super::csr::{AltNames, NewKey};
use super::exchange::{Enrolment, Requester};
use super::{answer, ca, file, session, store};
use crate::algorithm::KeySpec;
use crate::asn1::name;
use crate::asn1::x509::subject_key_identifier;
use crate::cmc::crmf::{self, CrmfParts, Pop, cert_req_messages};
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::keyid;
use crate::nss::{Access, Certificate, Database, KeyFlags, Token, Trust};
use crate::report::Report;
use crate::secret::Passwords;
use crate::transport::{Encoding, TransportOptions};

/// Where the key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A new key in the token, and a request for `subject`.
    New {
        /// What to generate.
        spec: KeySpec,
        /// Distinguished name as text.
        subject: String,
        /// Alternative names.
        names: AltNames,
    },
    /// A request somebody made (PKCS #10 or CRMF; DER, PEM or base64).
    Csr(PathBuf),
}

/// What `enroll` is asked to do.
pub struct EnrollSpec {
    /// NSS database directory.
    pub database: String,
    /// Token for the new key and the certificate.
    pub token: String,
    /// Gives the tokens' passwords.
    pub passwords: Passwords<'static>,
    /// Nickname for the new certificate; none imports nothing.
    pub nickname: Option<String>,
    /// The key.
    pub key: KeySource,
    /// Who asks: an agent or user with a certificate, or a user with a shared secret.
    pub requester: Requester,
    /// The key is for encryption only: the request comes without signature, as CRMF, and the CA's
    /// challenge is answered in a second trip.
    pub encryption_only: bool,
    /// Have the key archived by the KRA; the request is CRMF then.
    pub archive: Option<Archive>,
    /// The CA's URL.
    pub ca: String,
    /// Profile id.
    pub profile: String,
    /// Ask anew although a certificate that fits is there.
    pub force: bool,
    /// Believe a certs-only answer, which is not signed.
    pub allow_unsigned: bool,
    /// An existing certificate that fits is replaced when it ends within this time.
    pub renew_before: Duration,
    /// Trust flags for the new certificate; none leaves what NSS gives it.
    pub trust: Option<Trust>,
    /// Where to write the certificate and its chain as PEM.
    pub chain_file: Option<PathBuf>,
    /// Connection and total time-out.
    pub timeouts: (Duration, Duration),
    /// Proxy URL.
    pub proxy: Option<String>,
    /// How requests to an EST server are encoded; found out when absent.
    pub est_encoding: Option<Encoding>,
}

/// Runs it.
///
/// # Errors
/// Of every kind. A run that fails leaves no key and no certificate behind, unless the CA has issued,
/// or may: then the key stays, and a note names it.
pub fn enroll(spec: EnrollSpec) -> Result<Report> {
    let access = Access::ReadWrite;
    let (database, token, primed) = match &spec.requester {
        Requester::Certificate(signer) => {
            let opened =
                session::open_for(&spec.database, access, &spec.token, signer, &spec.passwords)?;
            (opened.0, opened.1, Some(opened.2))
        }
        Requester::SharedSecret(_) => {
            let opened = session::open(&spec.database, access, &spec.token, &spec.passwords)?;
            (opened.0, opened.1, None)
        }
    };
    let nickname =
        spec.nickname.as_deref().map(|n| session::new_nickname(&token, n)).transpose()?;
    let names = match &spec.key {
        KeySource::New { names, .. } => names.0.as_slice(),
        KeySource::Csr(_) => &[],
    };
    let job = Job {
        database: &database,
        token: &token,
        nickname: nickname.as_deref(),
        profile: &spec.profile,
        names,
        force: spec.force,
        renew_before: spec.renew_before,
        requester: &spec.requester,
        encryption_only: spec.encryption_only,
        archive: spec.archive.as_ref(),
        trust: spec.trust.as_ref(),
        chain_file: spec.chain_file.as_deref(),
    };
    let report = match &spec.key {
        KeySource::New { subject, names, .. } => job.existing(subject, names)?,
        KeySource::Csr(_) => None,
    };
    let report = match report {
        Some(report) => report,
        None => {
            let options = TransportOptions {
                database: Some(&database),
                connect_timeout: spec.timeouts.0,
                timeout: spec.timeouts.1,
                proxy: spec.proxy.clone(),
                plain_http: false,
                est_encoding: spec.est_encoding,
                identity: None,
            };
            let enrolment = Enrolment {
                database: &database,
                token: &token,
                requester: &spec.requester,
                url: ca::submit_url(&spec.ca, ca::SUBMIT_FULL, &spec.profile)?,
                options,
                allow_unsigned: spec.allow_unsigned,
            };
            job.run(&spec.key, enrolment)?
        }
    };
    drop((token, primed));
    Ok(close(database, report))
}

/// Shuts NSS down; a leaked handle is a defect worth telling, not a failure of what was done.
pub fn close(database: Database, mut report: Report) -> Report {
    if let Err(f) = database.close() {
        report.warnings.push(format!("NSS could not be shut down: {f}"));
    }
    report
}

struct Job<'a> {
    database: &'a Database,
    token: &'a Token,
    nickname: Option<&'a str>,
    force: bool,
    renew_before: Duration,
    requester: &'a Requester,
    profile: &'a str,
    /// Alternative names asked for.
    names: &'a [(String, String)],
    encryption_only: bool,
    archive: Option<&'a Archive>,
    trust: Option<&'a Trust>,
    chain_file: Option<&'a Path>,
}

impl Job<'_> {
    /// Looks at what the nickname holds already: a certificate that fits makes the run a no-op, one
    /// of another subject stops it.
    fn existing(&self, subject: &str, names: &AltNames) -> Result<Option<Report>> {
        let subject = name::parse(subject)?;
        names.extensions()?;
        let Some(nickname) = self.nickname else { return Ok(None) };
        let qualified = session::qualified(self.token, nickname);
        let found = self.database.find_certificates(&qualified)?;
        let other = found.iter().find(|c| !self.is_subject(c, &subject));
        if let Some(other) = other {
            let theirs = crate::text::dn_string(other.subject()).unwrap_or_default();
            return Err(Error::new(
                Kind::InTheWay,
                format!("the nickname {nickname:?} belongs to another subject, {theirs}"),
            )
            .hint("choose another --nickname, or delete it with certutil -D -n NICKNAME"));
        }
        if self.force {
            return Ok(None);
        }
        let now = chrono::Utc::now();
        let fits = found.iter().find(|c| {
            let info = crate::text::summary(c.der());
            let lasts = info.as_ref().is_ok_and(|i| {
                let left = i.not_after.signed_duration_since(now).to_std();
                left.is_ok_and(|left| left > self.renew_before)
            });
            lasts && c.private_key().is_ok()
        });
        let Some(certificate) = fits else { return Ok(None) };
        let summary = crate::text::summary(certificate.der())?;
        let msg = format!(
            "{nickname} is there already, serial {}, valid until {}",
            summary.serial_hex(),
            summary.until()
        );
        let result = json!({
            "nickname": nickname,
            "token": token_name(self.token),
            "has_key": true,
            "certificate": summary.to_json(),
        });
        let mended = self.mend(certificate)?;
        if mended.is_empty() {
            let hint = "nothing to do; --force asks for another certificate";
            let report = Report::done("enroll", "unchanged", false, msg);
            return Ok(Some(report.result(result).line(hint)));
        }
        let report = Report::done("enroll", "updated", true, msg).result(result);
        Ok(Some(mended.into_iter().fold(report, Report::line)))
    }

    /// Whether a certificate is of the subject asked for, or of the one the CA puts in its place: the
    /// user's entry in its directory, or, in the profiles for users, the signer's subject.
    fn is_subject(&self, certificate: &Certificate, asked: &[u8]) -> bool {
        if same_name(certificate.subject(), asked) {
            return true;
        }
        match self.requester {
            Requester::SharedSecret(shared) => {
                let name = crate::text::dn_string(certificate.subject()).unwrap_or_default();
                let is_user = |part: &str| {
                    let value = part.split_once('=').map(|(_, value)| value);
                    value.is_some_and(|v| v.eq_ignore_ascii_case(&shared.identification))
                };
                name.split([',', '+']).any(is_user)
            }
            Requester::Certificate(signer) if self.profile.contains("UserSigned") => {
                let signer = session::qualified(self.token, signer);
                let signer = self.database.find_certificate(&signer);
                signer.is_ok_and(|s| same_name(s.subject(), certificate.subject()))
            }
            Requester::Certificate(_) => false,
        }
    }

    /// The alternative names that were asked for and aren't there: the profile decides.
    fn missing_names(&self, granted: &[String]) -> Vec<String> {
        let label = |kind: &str| match kind {
            "dns" => "DNS",
            "ip" => "IP",
            "uri" => "URI",
            _ => "email",
        };
        let asked = self.names.iter().map(|(kind, value)| format!("{}:{value}", label(kind)));
        asked.filter(|name| !granted.iter().any(|g| g.eq_ignore_ascii_case(name))).collect()
    }

    /// What an earlier run should have left beside the certificate: its trust, the chain's file.
    /// Answers what was missing.
    fn mend(&self, certificate: &Certificate) -> Result<Vec<String>> {
        let mut mended = Vec::new();
        if let Some(trust) = self.trust
            && !certificate.has_trust(trust)?
        {
            self.database.set_trust(certificate, trust)?;
            mended.push(format!("set the trust {}", trust.as_str()));
        }
        if let Some(path) = self.chain_file {
            let issuers = session::issuers(self.database, self.token, certificate, &[])?;
            let pem = chain_pem(certificate.der(), &issuers);
            if std::fs::read(path).ok().as_deref() != Some(pem.as_bytes()) {
                file::write(path, pem.as_bytes(), file::Mode::Default)?;
                mended.push(format!("certificate chain written to {}", path.display()));
            }
        }
        Ok(mended)
    }

    fn run(&self, key: &KeySource, enrolment: Enrolment<'_>) -> Result<Report> {
        // Before a certificate is asked for, that could then not be stored.
        let chain_place = self.chain_file.map(file::Reserved::take).transpose()?;
        let (request, mut new_key) = self.request(key)?;
        let private = new_key.as_ref().and_then(NewKey::private);
        let outcome = new_key
            .as_ref()
            // From here on the CA may issue: an interruption waits for its answer.
            .map_or(Ok(()), NewKey::check)
            .and_then(|()| enrolment.play(&request, private))
            .and_then(|certificates| {
                let (ours, others) = answer::ours(certificates, &request.spki()?)?;
                Ok((answer::chained(self.database, &ours, &others)?, others))
            });
        let (ours, others) = match outcome {
            Ok(issued) => issued,
            Err(e) => return Err(unissued(e, new_key)),
        };
        // The CA has issued: whatever fails from here on, the key is worth keeping.
        if let Some(key) = &mut new_key {
            key.commit();
        }
        let id = new_key.as_ref().map(|k| k.id.clone());
        let report = match self.import(&ours, &others, chain_place) {
            Ok(report) => with_key_id(report, id),
            Err(e) => return Err(issued_but(e, ours.der(), id)),
        };
        drop(new_key.map(NewKey::keep));
        Ok(report)
    }

    fn request(&self, key: &KeySource) -> Result<(Request, Option<NewKey>)> {
        match key {
            KeySource::Csr(path) => Ok((session::read_request(path, None)?, None)),
            KeySource::New { spec, subject, names } => {
                let text = subject;
                let subject = name::parse(text)?;
                let mut extensions = names.extensions()?;
                let mut flags = KeyFlags::permanent(*spec);
                if self.archive.is_some() {
                    flags.extractable = Some(true);
                }
                let label = self.nickname.unwrap_or(text);
                let key = NewKey::generate(self.token, *spec, flags, label)?;
                match self.request_for(&subject, &mut extensions, &key) {
                    Ok(request) => Ok((request, Some(key))),
                    Err(e) => Err(key.discard_after(e)),
                }
            }
        }
    }

    fn request_for(
        &self,
        subject: &[u8],
        extensions: &mut Vec<Extension>,
        key: &NewKey,
    ) -> Result<Request> {
        let Some(private) = key.private() else {
            return Err(Error::new(Kind::Internal, "a new key is without private half"));
        };
        // By this the CA knows that the signer is the key being certified.
        let id = match matches!(self.requester, Requester::SharedSecret(_)) {
            true => Some(session::key_identifier(self.database, &key.spki)?),
            false => None,
        };
        if self.encryption_only || self.archive.is_some() {
            let archive = match self.archive {
                Some(archive) => Some(archive.options(self.database, self.token, private)?),
                None => None,
            };
            // Dogtag up to 10.10 refuses other extensions in CRMF than the key identifier.
            let extensions = id.iter().map(|id| crmf::subject_key_identifier(id)).collect();
            let pop = if self.encryption_only { Pop::None } else { Pop::Success };
            let parts = CrmfParts { subject, spki: &key.spki, extensions, archive, pop };
            return Request::crmf(&cert_req_messages(parts, private)?);
        }
        extensions.extend(id.map(|id| subject_key_identifier(&id)));
        Ok(Request::Pkcs10(super::csr::pkcs10(subject, &key.spki, extensions, private)?))
    }

    /// Imports the certificate beside its key and the CA's certificates, untrusted, beside it.
    fn import(
        &self,
        certificate: &Certificate,
        others: &[Vec<u8>],
        chain_place: Option<file::Reserved>,
    ) -> Result<Report> {
        let summary = crate::text::summary(certificate.der())?;
        let stored = match self.nickname {
            Some(nickname) => Some(store::store(
                self.database,
                self.token,
                certificate,
                nickname,
                self.trust,
                others,
            )?),
            None => None,
        };
        let issuers = session::issuers(self.database, self.token, certificate, others)?;
        if let Some(place) = chain_place {
            place.fill(chain_pem(certificate.der(), &issuers).as_bytes())?;
        }
        let msg = format!(
            "issued {}, serial {}, valid until {}",
            summary.subject,
            summary.serial_hex(),
            summary.until()
        );
        let mut report = Report::done("enroll", "issued", true, msg);
        let token = token_name(self.token);
        if let (Some(nickname), Some(stored)) = (self.nickname, &stored) {
            let beside = if stored.has_key { "beside its key" } else { "without a key" };
            report = report.line(format!("imported as {nickname:?} {beside} in the token {token}"));
            for name in &stored.added {
                report = report.line(format!("imported the CA certificate {name:?}, untrusted"));
            }
            report.warnings.extend(stored.warnings.iter().cloned());
        }
        if let Some(path) = self.chain_file {
            report = report.line(format!("certificate chain written to {}", path.display()));
        }
        let missing = self.missing_names(&summary.sans);
        if !missing.is_empty() {
            report.warnings.push(format!(
                "the CA left out {}: the profile decides which names a certificate gets",
                missing.join(", ")
            ));
        }
        report.warnings.extend(self.archive.iter().flat_map(|a| a.warnings.iter().cloned()));
        let chain: Vec<String> =
            issuers.iter().map(|c| crate::asn1::pem::encode("CERTIFICATE", c)).collect();
        let has_key = match &stored {
            Some(stored) => stored.has_key,
            None => certificate.private_key().is_ok(),
        };
        Ok(report.result(json!({
            "nickname": self.nickname,
            "token": token,
            "has_key": has_key,
            "certificate": summary.to_json(),
            "chain": chain,
            "imported_ca_nicknames": stored.map(|s| s.added).unwrap_or_default(),
        })))
    }
}

fn chain_pem(ours: &[u8], others: &[Vec<u8>]) -> String {
    let mut pem = crate::asn1::pem::encode("CERTIFICATE", ours);
    for other in others {
        pem.push_str(&crate::asn1::pem::encode("CERTIFICATE", other));
    }
    pem
}

/// A failure before there was a certificate to believe in. The key goes again, unless a certificate
/// for it may come: when the CA queued the request, or the connection broke after it was sent.
fn unissued(error: Error, key: Option<NewKey>) -> Error {
    let Some(key) = key else { return error };
    let pending = error.kind() == Kind::Pending;
    if pending || (error.kind() == Kind::Unreachable && error.was_sent()) {
        return key.leave(error);
    }
    let error = key.discard_after(error);
    match error.kind() {
        Kind::Http | Kind::BadReply => error.note(
            "the key is deleted again; should the CA have issued a certificate for it, revoke that",
        ),
        _ => error,
    }
}

/// A failure after the CA issued the certificate: what is where now.
fn issued_but(error: Error, certificate: &[u8], key_id: Option<Vec<u8>>) -> Error {
    let summary = crate::text::summary(certificate).ok();
    let serial = summary.as_ref().map(|s| s.serial_hex()).unwrap_or_default();
    let id = key_id.as_deref().map(keyid::to_hex);
    let kept = id.as_ref().map(|id| format!(", and its key is kept, id {id}")).unwrap_or_default();
    error.note(format!("the CA did issue the certificate, serial {serial}{kept}")).left(json!({
        "certificate": summary.map(|s| s.to_json()),
        "key_id": id,
        "key_id_signed": key_id.as_deref().map(keyid::to_dogtag),
    }))
}

fn with_key_id(mut report: Report, id: Option<Vec<u8>>) -> Report {
    if let (Some(id), Some(result)) = (id, report.result.as_object_mut()) {
        result.insert("key_id".into(), json!(keyid::to_hex(&id)));
        result.insert("key_id_signed".into(), json!(keyid::to_dogtag(&id)));
        report.lines.push(format!("key id {}", keyid::to_hex(&id)));
    }
    report
}

fn token_name(token: &Token) -> String {
    if token.is_internal() { "internal".into() } else { token.name() }
}

/// Whether two names are the same to a person: compared as text without case, since a CA may
/// encode the same name with other string types.
pub(super) fn same_name(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (crate::text::dn_string(a), crate::text::dn_string(b)) {
        (Ok(a), Ok(b)) => a.eq_ignore_ascii_case(&b),
        _ => false,
    }
}
