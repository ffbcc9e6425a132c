//! The checks on this machine: database, passwords, trust, signer, key.

use super::{Applicant, DoctorSpec, Fact, Finding, Found, Gap, Topic, key_of};
use crate::algorithm::KeySpec;
use crate::asn1::name;
use crate::asn1::summary::summary;
use crate::asn1::x509::spki_key_spec;
use crate::client::csr;
use crate::client::enroll::KeySource;
use crate::client::passwords::Wanted;
use crate::client::session::{SIGNER_DATABASE, Session, in_signer_database, log_in};
use crate::client::signer::{is_current, permits_client};
use crate::client::token_nickname::{find_certificate, places};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, CaTrust, Certificate, Database, Identity, PinState, Token};
use crate::text::{certutil, quoted, trust_command};
use crate::trust::Paths;

/// The open database.
pub(super) struct Opened {
    pub(super) session: Session,
    is_fips: bool,
}

/// The signer, as far as it was found.
#[derive(Default)]
pub(super) struct Signer {
    /// DER of the certificate.
    pub(super) certificate: Option<Vec<u8>>,
    /// With the key.
    pub(super) identity: Option<Identity>,
    /// Whether one was named.
    pub(super) is_wanted: bool,
}

/// What the request will ask for.
pub(super) struct Wish {
    pub(super) key: Option<KeySpec>,
    /// DER of the subject.
    pub(super) subject: Option<Vec<u8>>,
}

/// Opens the database and logs in to the tokens that the enrollment needs.
pub(super) fn open(spec: &DoctorSpec, found: &mut Found) -> Option<Opened> {
    let mut database = match Database::open_untouched(&spec.database) {
        Ok(database) => database,
        Err(e) => {
            found.wrong(Topic::Database, e);
            found.after(Topic::Database, &[Topic::TrustedCa, Topic::Password]);
            return None;
        }
    };
    let is_fips = database.is_fips().unwrap_or_default();
    let directory = spec.database.clone();
    let writable = Database::check(&spec.database, Access::ReadWrite);
    found.judge(Topic::Database, writable.map(|()| Fact::Database { directory, is_fips }));
    if let Some(dir) = &spec.signer_database {
        let opened = database.open_beside(dir, SIGNER_DATABASE);
        found.judge(Topic::SignerDatabase, opened.map(|()| Fact::SignerDatabase(dir.clone())));
    }
    trusted(&database, found);
    let chosen = match database.token(&spec.token) {
        Ok(token) => token,
        Err(e) => {
            found.wrong(Topic::Token, e);
            match database.token("internal") {
                Ok(token) => token,
                Err(e) => {
                    found.wrong(Topic::Token, e);
                    return None;
                }
            }
        }
    };
    log_in_to_all(spec, &database, &chosen, is_fips, found);
    let session = Session::of(database, chosen);
    Some(Opened { session, is_fips })
}

/// Checks that a CA is trusted at all. Before the logins: after one, NSS before 3.90 derives a key
/// for each trust record that it reads.
fn trusted(database: &Database, found: &mut Found) {
    let all = match database.certificates() {
        Ok(all) => all,
        Err(e) => return found.wrong(Topic::TrustedCa, e),
    };
    let title = |c: &Certificate| {
        let subject = || summary(c.der()).map(|s| s.subject).unwrap_or_default();
        c.nickname().unwrap_or_else(subject)
    };
    let mut names: Vec<String> =
        all.iter().filter(|c| c.ca_trust() == CaTrust::Trusted).map(title).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        let what = format!("NSS database {} trusts no CA", database.name());
        let error = Error::new(Kind::Untrusted, what).hint(trust_command(database.name()));
        return found.wrong(Topic::TrustedCa, error);
    }
    found.fine(Topic::TrustedCa, Fact::TrustedCas(names));
}

/// Logs in to the token of the new key and to the signer's, once to each.
fn log_in_to_all(
    spec: &DoctorSpec,
    database: &Database,
    chosen: &Token,
    is_fips: bool,
    found: &mut Found,
) {
    let mut wanted = vec![chosen.user_name()];
    let mut want = |name: String| {
        if !wanted.contains(&name) {
            wanted.push(name);
        }
    };
    if let Applicant::Certificate(nickname) = &spec.applicant
        && let Ok(nickname) = name_of(spec, nickname)
        && let Ok(places) = places(database, chosen, &nickname)
    {
        let holds = |name: &str| database.find_certificates(name).is_ok_and(|all| !all.is_empty());
        let place = places.iter().find(|(name, _)| holds(name)).or(places.first());
        if let Some((_, token)) = place {
            want(token.user_name());
        }
    }
    if is_fips {
        want("internal".into());
    }
    let known: Vec<String> =
        database.tokens().unwrap_or_default().iter().map(Token::name).collect();
    let named = chosen.user_name();
    let only = wanted.len() == 1;
    for name in &wanted {
        let Ok(token) = database.token(name) else { continue };
        if !token.needs_login() {
            found.fine(Topic::Password, Fact::NoPassword(name.clone()));
            continue;
        }
        if matches!(token.info().pin, PinState::FinalTry) {
            found.push(Topic::Password, Finding::Open(Gap::LastTry(name.clone())));
            continue;
        }
        let wanted = Wanted { token: name, bare: only || *name == named, known: &known };
        let outcome = log_in(database, &token, wanted, &spec.passwords);
        let outcome = outcome.map_err(|e| match e.nss() {
            Some(_) => e.hint(test_of_password(database, &token)),
            None => e,
        });
        found.judge(Topic::Password, outcome.map(|()| Fact::LoggedIn(name.clone())));
    }
}

/// Returns the command that tests a password at a prompt.
fn test_of_password(database: &Database, token: &Token) -> String {
    let other = match token.is_internal() {
        true => String::new(),
        false => format!(" -h {}", quoted(token.name())),
    };
    format!("test the password: {}{other}", certutil("-K", database.name()))
}

/// Returns the signer's nickname for NSS.
fn name_of(spec: &DoctorSpec, nickname: &str) -> Result<String> {
    match &spec.signer_database {
        Some(_) => in_signer_database(nickname),
        None => Ok(nickname.to_owned()),
    }
}

/// Checks the signer's certificate and key.
pub(super) fn signer(
    spec: &DoctorSpec,
    opened: Option<&Opened>,
    nickname: &str,
    found: &mut Found,
) -> Signer {
    let own = [Topic::SignerKey, Topic::SignerValidity, Topic::SignerUsage, Topic::SignerChain];
    let mut signer = Signer { is_wanted: true, ..Signer::default() };
    let Some(Opened { session, .. }) = opened else {
        found.after(Topic::Database, &[Topic::Signer]);
        found.after(Topic::Database, &own);
        return signer;
    };
    let database = &session.database;
    let place = name_of(spec, nickname)
        .and_then(|nickname| find_certificate(database, &session.token, &nickname));
    let (certificate, token) = match place {
        Ok(place) => place,
        Err(e) => {
            found.wrong(Topic::Signer, e);
            found.after(Topic::Signer, &own);
            return signer;
        }
    };
    let fields = summary(certificate.der());
    let until = fields.as_ref().map(|s| s.not_after).unwrap_or_default();
    found.judge(Topic::Signer, fields.map(|s| Fact::Signer(s.subject)));
    signer.certificate = Some(certificate.der().to_vec());
    found.judge(Topic::SignerValidity, is_current(&certificate).map(|()| Fact::Until(until)));
    found.judge(Topic::SignerUsage, permits_client(&certificate).map(|()| Fact::ClientAuth));
    let chain = Paths::new(database, &[]).to_trusted(certificate.der());
    let chain = chain.map(|path| {
        let anchor = path.last().map_or(certificate.der(), Vec::as_slice);
        Fact::Chain(summary(anchor).map(|s| s.subject).unwrap_or_default())
    });
    let chain = chain.map_err(|e| e.hint(trust_command(database.name())));
    found.judge(Topic::SignerChain, chain);
    match certificate.private_key() {
        Ok(_) => {
            found.fine(Topic::SignerKey, Fact::SignerKey);
            let name = name_of(spec, nickname).unwrap_or_default();
            signer.identity = session.identity(&name).ok().map(Identity::for_several_signatures);
        }
        Err(_) if token.needs_login() => found.after(Topic::Password, &[Topic::SignerKey]),
        Err(e) => found.wrong(Topic::SignerKey, e),
    }
    signer
}

/// Returns what the request will ask for; an existing one is read.
pub(super) fn wish(key: &KeySource, found: &mut Found) -> Wish {
    match key {
        KeySource::New { spec, subject, .. } => {
            Wish { key: Some(key_of(*spec)), subject: name::parse(subject).ok() }
        }
        KeySource::Csr(path) => match csr::read(path, None) {
            Ok(request) => {
                let key = spki_key_spec(request.spki());
                found.fine(Topic::Request, Fact::Request(key));
                Wish { key, subject: request.subject().map(<[u8]>::to_vec) }
            }
            Err(e) => {
                found.wrong(Topic::Request, e);
                Wish { key: None, subject: None }
            }
        },
    }
}

/// Checks that the token can generate the key, and that the policy permits it.
pub(super) fn key(
    source: &KeySource,
    opened: Option<&Opened>,
    key: Option<KeySpec>,
    found: &mut Found,
) {
    let is_new = matches!(source, KeySource::New { .. });
    let Some(Opened { session, is_fips }) = opened else {
        let topics: &[Topic] = if is_new { &[Topic::KeyType, Topic::Policy] } else { &[] };
        return found.after(Topic::Database, topics);
    };
    let Some(key) = key else { return };
    let (token, name) = (&session.token, session.token.user_name());
    if is_new {
        let refused = |why: &str| {
            Error::new(Kind::Refused, format!("token {name:?} cannot generate an {key} key"))
                .because(why.to_owned())
                .hint(format!(
                    "see what the token can do: nss-cmc token check -d {} --token {}",
                    quoted(session.database.name()),
                    quoted(&name)
                ))
        };
        let outcome = if !token.lists_generation(key) {
            Err(refused("it does not list the mechanism"))
        } else if !token.is_internal() && token.is_read_only() {
            Err(refused("it is write-protected"))
        } else {
            Ok(Fact::KeyType(key, name.clone()))
        };
        found.judge(Topic::KeyType, outcome);
    }
    let smallest = session.database.smallest_rsa_key();
    let outcome = match (key, smallest) {
        (KeySpec::Rsa(bits), Some(smallest)) if bits < smallest => {
            Err(Error::new(Kind::Refused, format!("NSS's policy forbids RSA keys of {bits} bits"))
                .because(format!("the smallest size that it permits is {smallest}"))
                .hint(format!("use a larger key: --key-type rsa:{smallest}")))
        }
        _ => Ok(Fact::Policy { is_fips: *is_fips, smallest_rsa: smallest.filter(|n| *n > 0) }),
    };
    found.judge(Topic::Policy, outcome);
}
