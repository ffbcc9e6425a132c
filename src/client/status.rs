//! The status of certificates: validity period, private key, and revocation by the CA's records and
//! by OCSP.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::connection::Config;
use super::dogtag::records::{Lookup, Records, State};
use super::input;
use super::ocsp::{OcspConfig, Responded, Responders};
use super::passwords::Passwords;
use super::session::{Needs, Session};
use super::shared_token::certificate_in;
use crate::asn1::Number;
use crate::asn1::summary::{Summary, summary};
use crate::error::{Error, Kind, Result};
use crate::http::{Transport, Url};
use crate::nss::{Access, Certificate};

/// A certificate's validity period compared with a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Before notBefore.
    NotYet,
    /// Valid for longer than the threshold.
    Valid,
    /// Valid, but ends within the threshold.
    Due,
    /// After notAfter.
    Expired,
}

impl Validity {
    /// Returns the validity of a certificate at `now`; `due` is the time before its end from which
    /// it should be replaced.
    pub fn of(certificate: &Summary, due: Duration, now: DateTime<Utc>) -> Validity {
        if certificate.not_before > now {
            return Validity::NotYet;
        }
        match certificate.not_after.signed_duration_since(now).to_std() {
            Ok(left) if left > due => Validity::Valid,
            Ok(_) => Validity::Due,
            Err(_) => Validity::Expired,
        }
    }
}

/// The certificates to check.
#[derive(Debug, Clone)]
pub enum Which {
    /// All certificates of the database that have a key.
    All,
    /// The one that NSS selects for this nickname.
    Nickname(String),
    /// The one with this serial number in the CA's records.
    Serial(Number),
    /// The one in this file.
    File(PathBuf),
}

/// The arguments of [`status`].
pub struct StatusSpec {
    /// NSS database directory.
    pub database: String,
    /// Gives the tokens' passwords, for those that show certificates only after a login.
    pub passwords: Passwords<'static>,
    /// The certificates.
    pub which: Which,
    /// The CA whose records are read; `None` reads none.
    pub connection: Option<Config>,
    /// How to connect to the OCSP responders that certificates name; `None` queries none.
    pub ocsp: Option<OcspConfig>,
    /// The time before its end from which a certificate should be replaced.
    pub due: Duration,
}

/// The result of a look-up in the CA's records.
#[derive(Debug)]
pub enum Recorded {
    /// Not looked up.
    NotAsked,
    /// The records have this certificate, in this state.
    As(State),
    /// The records have no such certificate, or another one with this serial number.
    Absent,
    /// The records can't be read.
    Silent(Error),
}

/// The status of a certificate in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid.
    Valid,
    /// Valid, and due for renewal.
    Due,
    /// Expired.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Revoked.
    Revoked,
    /// On hold.
    OnHold,
}

impl Verdict {
    /// Returns the name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Due => "due",
            Verdict::Expired => "expired",
            Verdict::NotYetValid => "not_yet_valid",
            Verdict::Revoked => "revoked",
            Verdict::OnHold => "on_hold",
        }
    }
}

/// What is known of a certificate.
#[derive(Debug)]
pub struct Standing {
    /// Its fields.
    pub certificate: Summary,
    /// Its nickname, if the database has it.
    pub nickname: Option<String>,
    /// Whether the database has its key; `None` when it doesn't have the certificate.
    pub has_key: Option<bool>,
    /// Its dates.
    pub validity: Validity,
    /// Its state in the CA's records.
    pub recorded: Recorded,
    /// The result of the OCSP query.
    pub responded: Responded,
}

impl Standing {
    /// Returns the verdict: revocation takes precedence over the validity period.
    pub fn verdict(&self) -> Verdict {
        match (self.revocation(), self.validity) {
            (Some(State::OnHold), _) => Verdict::OnHold,
            (Some(_), _) => Verdict::Revoked,
            (None, Validity::Expired) => Verdict::Expired,
            (None, Validity::NotYet) => Verdict::NotYetValid,
            (None, Validity::Due) => Verdict::Due,
            (None, Validity::Valid) => Verdict::Valid,
        }
    }

    /// Returns the revoked state, if the CA's records or OCSP report one. Revoked takes precedence
    /// over on hold. If both report the same, the state is OCSP's, which is signed, unless it has no
    /// reason, as Dogtag's.
    pub fn revocation(&self) -> Option<State> {
        let by_ocsp = self.responded.state();
        let recorded = match &self.recorded {
            Recorded::As(state) => Some(state.clone()),
            Recorded::NotAsked | Recorded::Absent | Recorded::Silent(_) => None,
        };
        let said = match (by_ocsp, recorded) {
            (Some(State::Revoked { reason: None, .. }), Some(recorded))
                if severity(&recorded) > 0 =>
            {
                return Some(recorded);
            }
            (by_ocsp, recorded) => [by_ocsp, recorded].into_iter().flatten(),
        };
        said.filter(|state| severity(state) > 0).min_by_key(|state| 2 - severity(state))
    }

    /// Returns whether the CA's records and OCSP differ about the revocation.
    pub fn differs(&self) -> bool {
        match (&self.recorded, self.responded.state()) {
            (Recorded::As(State::Other(_)), _) => false,
            (Recorded::As(State::OnHold), Some(State::Revoked { reason: None, .. })) => false,
            (Recorded::As(recorded), Some(by_ocsp)) => severity(recorded) != severity(&by_ocsp),
            _ => false,
        }
    }

    /// Returns whether nothing has to be done: it is valid, not due, and its key isn't missing.
    pub fn serves(&self) -> bool {
        self.verdict() == Verdict::Valid && self.has_key != Some(false)
    }
}

/// 0 for a state that isn't revoked, 1 for on hold, 2 for revoked.
fn severity(state: &State) -> u8 {
    match state {
        State::Revoked { .. } => 2,
        State::OnHold => 1,
        State::Valid | State::Expired | State::NotYetValid | State::Other(_) => 0,
    }
}

/// Returns the status of certificates. Changes nothing and uses no private key.
///
/// # Errors
/// [`Kind::NotFound`] for a nickname or serial number; those of [`Session::open`] and of reading the
/// file. CA records that can't be read are an error, unless OCSP has the status of the certificate.
pub fn status(spec: StatusSpec) -> Result<(Vec<Standing>, Option<Error>)> {
    let nickname = match &spec.which {
        Which::Nickname(nickname) => Some(nickname.as_str()),
        _ => None,
    };
    let needs = Needs { certificate: nickname, ..Needs::default() };
    let session = Session::open(&spec.database, Access::ReadOnly, needs, &spec.passwords)?;
    let mut asked = match &spec.connection {
        Some(config) => Some((config.transport(Some(&session.database), None)?, config)),
        None => None,
    };
    let mut responders = spec.ocsp.map(|config| Responders::new(config, &session.database));
    let found = find(&session, &spec.which, asked.as_mut())?;
    let mut all = Vec::new();
    for (der, held) in found {
        let certificate = summary(&der)?;
        let recorded = match &mut asked {
            Some((transport, config)) => recorded(transport, &config.ca, &certificate)?,
            None => Recorded::NotAsked,
        };
        let responded = match &mut responders {
            Some(responders) => responders.ask(&der)?,
            None => Responded::NotAsked,
        };
        let (recorded, responded) = match (recorded, responded) {
            (Recorded::Silent(records), responded) if responded.state().is_none() => {
                return Err(undetermined(&certificate, records, responded));
            }
            some => some,
        };
        all.push(Standing {
            nickname: held.as_ref().and_then(Certificate::nickname),
            has_key: held.as_ref().map(Certificate::has_key),
            validity: Validity::of(&certificate, spec.due, Utc::now()),
            certificate,
            recorded,
            responded,
        });
    }
    drop((asked, responders));
    Ok((all, session.close().err()))
}

/// Returns the error when neither the CA's records nor OCSP have the revocation status.
fn undetermined(certificate: &Summary, records: Error, responded: Responded) -> Error {
    let serial = certificate.serial_hex();
    let what = format!("cannot determine whether certificate {serial} is revoked");
    let error = Error::new(records.kind(), what)
        .because(records)
        .hint("to check validity period and key only, omit --ca and add --no-ocsp");
    match responded {
        Responded::Silent(ocsp) => error.note(format!("no OCSP response either: {ocsp}")),
        _ => error,
    }
}

type Asked<'db, 'c> = (Transport<'db>, &'c Config);

/// Returns the DER of the certificates, and their handles as far as the database has them.
fn find(
    session: &Session,
    which: &Which,
    asked: Option<&mut Asked<'_, '_>>,
) -> Result<Vec<(Vec<u8>, Option<Certificate>)>> {
    let database = &session.database;
    let der = match which {
        Which::All => {
            let mut all = database.certificates()?;
            all.retain(Certificate::has_key);
            all.sort_by_key(Certificate::nickname);
            return Ok(all.into_iter().map(|c| (c.der().to_vec(), Some(c))).collect());
        }
        Which::Nickname(nickname) => {
            let certificate = session.certificate(nickname)?;
            return Ok(vec![(certificate.der().to_vec(), Some(certificate))]);
        }
        Which::Serial(serial) => {
            let Some((transport, config)) = asked else {
                return Err(Error::new(Kind::Usage, "--serial needs the CA").hint("add --ca URL"));
            };
            match Records::new(transport, &config.ca).by_serial(serial)? {
                Lookup::Found(record) => record.certificate.ok_or_else(|| {
                    let what = format!("the CA's record of {} has no certificate", serial.hex());
                    Error::new(Kind::Http, what)
                })?,
                Lookup::Absent => {
                    let what = format!("the CA has no certificate {}", serial.hex());
                    return Err(Error::new(Kind::NotFound, what));
                }
                Lookup::Silent(e) => return Err(e),
            }
        }
        Which::File(path) => {
            certificate_in("the certificate", &input::read("the certificate", path)?)?
        }
    };
    let held = database.certificates()?.into_iter().find(|c| c.der() == der);
    Ok(vec![(der, held)])
}

/// Looks a certificate up in the CA's records; a CA that can't be reached is [`Recorded::Silent`].
///
/// # Errors
/// [`Kind::Interrupted`].
pub(super) fn recorded(
    transport: &mut Transport<'_>,
    ca: &Url,
    certificate: &Summary,
) -> Result<Recorded> {
    match Records::new(transport, ca).by_serial(&certificate.number()) {
        Ok(Lookup::Found(record)) => match record.certificate {
            Some(der) if der != certificate.der => Ok(Recorded::Absent),
            _ => Ok(Recorded::As(record.state)),
        },
        Ok(Lookup::Absent) => Ok(Recorded::Absent),
        Ok(Lookup::Silent(e)) => Ok(Recorded::Silent(e)),
        Err(e) if e.kind() == Kind::Interrupted => Err(e),
        Err(e) => Ok(Recorded::Silent(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ocsp::{OcspAnswer, OcspStatus};
    use super::*;

    fn certificate(from: i64, to: i64) -> Summary {
        let at = |t| DateTime::from_timestamp(t, 0).unwrap();
        Summary {
            subject: String::new(),
            issuer: String::new(),
            serial: vec![1],
            not_before: at(from),
            not_after: at(to),
            sans: Vec::new(),
            der: Vec::new(),
        }
    }

    #[test]
    fn validity_at_its_edges() {
        let due = Duration::from_secs(100);
        let at = |t| {
            Validity::of(&certificate(1000, 2000), due, DateTime::from_timestamp(t, 0).unwrap())
        };
        for (t, validity) in [
            (999, Validity::NotYet),
            (1000, Validity::Valid),
            (1899, Validity::Valid),
            (1900, Validity::Due),
            (2000, Validity::Due),
            (2001, Validity::Expired),
        ] {
            assert_eq!(at(t), validity, "{t}");
        }
    }

    #[test]
    fn the_ca_s_word_weighs_more_than_dates() {
        let standing = |recorded, validity, has_key| Standing {
            certificate: certificate(0, 1),
            nickname: None,
            has_key,
            validity,
            recorded,
            responded: Responded::NotAsked,
        };
        let revoked = Recorded::As(State::Revoked { reason: None, date: None });
        assert_eq!(standing(revoked, Validity::Expired, None).verdict(), Verdict::Revoked);
        let held = Recorded::As(State::OnHold);
        assert_eq!(standing(held, Validity::Valid, Some(true)).verdict(), Verdict::OnHold);
        let valid = || Recorded::As(State::Valid);
        assert!(standing(valid(), Validity::Valid, Some(true)).serves());
        assert!(standing(Recorded::Absent, Validity::Valid, None).serves());
        assert!(!standing(valid(), Validity::Valid, Some(false)).serves());
        assert!(!standing(valid(), Validity::Due, Some(true)).serves());
        assert_eq!(standing(valid(), Validity::Expired, None).verdict(), Verdict::Expired);
    }

    #[test]
    fn either_word_revokes_and_differences_are_seen() {
        let date = DateTime::from_timestamp(9, 0).unwrap();
        let revoked = |reason| OcspStatus::Revoked { reason: Some(reason), date };
        let bare = OcspStatus::Revoked { reason: None, date };
        let recorded = State::Revoked { reason: Some(4), date: None };
        let superseded = recorded.clone();
        let by_key = State::Revoked { reason: Some(1), date: Some(date) };
        for (recorded, status, revocation, differs) in [
            (State::Valid, OcspStatus::Good, None, false),
            (State::Expired, OcspStatus::Good, None, false),
            (State::Other("NEW".into()), OcspStatus::Good, None, false),
            (State::Valid, OcspStatus::Unknown, None, false),
            (State::Valid, revoked(1), Some(by_key.clone()), true),
            (State::Other("NEW".into()), revoked(1), Some(by_key.clone()), false),
            (State::Valid, revoked(6), Some(State::OnHold), true),
            (recorded.clone(), OcspStatus::Good, Some(recorded.clone()), true),
            (recorded.clone(), revoked(6), Some(recorded.clone()), true),
            (recorded.clone(), revoked(1), Some(by_key.clone()), false),
            (recorded.clone(), OcspStatus::Unknown, Some(recorded), false),
            (State::OnHold, OcspStatus::Good, Some(State::OnHold), true),
            (State::OnHold, revoked(1), Some(by_key), true),
            (State::OnHold, bare.clone(), Some(State::OnHold), false),
            (superseded.clone(), bare.clone(), Some(superseded), false),
            (State::Valid, bare, Some(State::Revoked { reason: None, date: Some(date) }), true),
        ] {
            let (this_update, next_update, has_nonce) = (date, None, true);
            let answer = OcspAnswer { status, this_update, next_update, has_nonce };
            let standing = Standing {
                certificate: certificate(0, 1),
                nickname: None,
                has_key: None,
                validity: Validity::Valid,
                recorded: Recorded::As(recorded),
                responded: Responded::Answer(String::new(), answer),
            };
            let said = (&standing.recorded, &standing.responded);
            assert_eq!(
                (standing.revocation(), standing.differs()),
                (revocation, differs),
                "{said:?}"
            );
        }
    }
}
