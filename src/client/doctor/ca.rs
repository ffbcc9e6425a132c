//! The checks at the CA: connection, clock, signer, profile.

use chrono::Utc;

use super::fit::{self, Known, Who};
use super::local::{Signer, Wish};
use super::{CLOCK_TOLERANCE, Fact, Finding, Found, Gap, Topic};
use crate::asn1::summary::summary;
use crate::client::connection::Config;
use crate::client::dogtag::profiles::{About, Profiles};
use crate::client::status::{Recorded, recorded};
use crate::cmc::profile;
use crate::error::{Error, Kind, Result};
use crate::http::{Problem, ServerTrust};
use crate::nss::Database;

/// The checks for which the server's certificate must be valid.
const BEHIND_TLS: [Topic; 5] = [
    Topic::SignerRevocation,
    Topic::Account,
    Topic::Profile,
    Topic::Authentication,
    Topic::ProfileKey,
];

/// What is asked, and of whom.
pub(super) struct Asked<'a> {
    pub(super) config: &'a Config,
    pub(super) wish: &'a Wish,
    pub(super) is_est: bool,
}

impl Asked<'_> {
    /// Checks what the CA tells. Without a database no server can be verified.
    ///
    /// # Errors
    /// [`Kind::Interrupted`].
    pub(super) fn examine(
        &self,
        database: Option<&Database>,
        signer: Signer,
        found: &mut Found,
    ) -> Result<()> {
        let with_signer = signer.is_wanted;
        // A certificate isn't shown to a server that isn't verified.
        let behind = BEHIND_TLS.split_at(if with_signer { 0 } else { 2 }).1;
        let about = match self.reach(database, found)? {
            Ok(about) => about,
            Err(first) => {
                found.after(first, &[Topic::Clock, Topic::Dogtag]);
                found.after(first, behind);
                return Ok(());
            }
        };
        let is_trusted = about.is_trusted;
        clock(&about.about, found);
        if self.is_est {
            for topic in [Topic::Profile, Topic::Authentication, Topic::ProfileKey] {
                found.push(topic, Finding::Open(Gap::Est));
            }
            return Ok(());
        }
        match about.about.dogtag {
            Ok(()) => found.fine(Topic::Dogtag, Fact::Dogtag(about.about.version)),
            Err(e) => found.push(Topic::Dogtag, Finding::Open(Gap::Failed(e))),
        }
        match database.filter(|_| is_trusted) {
            Some(database) => self.profile(database, signer, found),
            None => {
                found.after(Topic::Tls, behind);
                Ok(())
            }
        }
    }

    /// Asks the server who it is, with these problems overlooked.
    fn about(
        &self,
        database: Option<&Database>,
        trust: ServerTrust,
    ) -> (Result<About>, Vec<Problem>) {
        let config = Config { server: trust, ..self.config.clone() };
        let mut transport = match config.transport(database, None) {
            Ok(transport) => transport,
            Err(e) => return (Err(e), Vec::new()),
        };
        let about = Profiles::new(&mut transport, &config.ca).about();
        let seen: Vec<Problem> = transport.overlooked().iter().map(|o| o.problem).collect();
        let problems = Problem::ALL.into_iter().filter(|problem| seen.contains(problem)).collect();
        (about, problems)
    }

    /// Checks that the server can be reached and is trusted. Returns the check with the fault if
    /// nothing more can be asked.
    fn reach(
        &self,
        database: Option<&Database>,
        found: &mut Found,
    ) -> Result<std::result::Result<Reached, Topic>> {
        let trust = match database {
            Some(_) => self.config.server.clone(),
            None => ServerTrust::Anybody,
        };
        let (about, _) = self.about(database, trust);
        let url = self.config.ca.to_string();
        let error = match about {
            Ok(about) => {
                found.fine(Topic::Ca, Fact::Reached(url));
                match database {
                    Some(_) => {
                        found.fine(Topic::Tls, Fact::Tls(self.config.ca.host().to_owned()));
                    }
                    None => found.after(Topic::Database, &[Topic::Tls]),
                }
                return Ok(Ok(Reached { about, is_trusted: database.is_some() }));
            }
            Err(e) => e,
        };
        match error.kind() {
            Kind::Interrupted => return Err(error),
            Kind::Tls => found.fine(Topic::Ca, Fact::Reached(url)),
            _ => {
                found.wrong(Topic::Ca, error);
                found.after(Topic::Ca, &[Topic::Tls]);
                return Ok(Err(Topic::Ca));
            }
        }
        let first = error.to_string();
        found.wrong(Topic::Tls, error);
        let (about, problems) = self.about(database, ServerTrust::Database(Problem::ALL.to_vec()));
        // Each further problem gets its own sentence, when it is the only one not overlooked.
        for problem in &problems {
            let others = Problem::ALL.into_iter().filter(|other| other != problem).collect();
            if let (Err(e), _) = self.about(database, ServerTrust::Database(others))
                && e.to_string() != first
            {
                found.wrong(Topic::Tls, e);
            }
        }
        match about {
            Ok(about) => Ok(Ok(Reached { about, is_trusted: false })),
            Err(e) if e.kind() == Kind::Interrupted => Err(e),
            Err(_) => Ok(Err(Topic::Tls)),
        }
    }

    /// Checks the signer in the CA's records, and the profile.
    fn profile(&self, database: &Database, signer: Signer, found: &mut Found) -> Result<()> {
        let has_key = signer.identity.is_some();
        let ca = &self.config.ca;
        let mut transport = match self.config.transport(Some(database), signer.identity) {
            Ok(transport) => transport,
            Err(e) => {
                found.wrong(Topic::SignerKey, e);
                self.config.transport(Some(database), None)?
            }
        };
        let mut known = Known::Unknown;
        if signer.is_wanted {
            let certificate = signer.certificate.as_deref().and_then(|der| summary(der).ok());
            match &certificate {
                Some(certificate) => {
                    let mut reader = self.config.transport(Some(database), None)?;
                    let recorded = recorded(&mut reader, ca, certificate)?;
                    found.push(Topic::SignerRevocation, revocation(recorded, &certificate.der));
                }
                None => found.after(Topic::Signer, &[Topic::SignerRevocation]),
            }
            if !has_key {
                let first = match signer.certificate {
                    Some(_) => Topic::SignerKey,
                    None => Topic::Signer,
                };
                found.after(first, &[Topic::Account]);
            }
        }
        let mut service = Profiles::new(&mut transport, ca);
        if has_key {
            known = log_in(&mut service, found)?;
        }
        let outcome =
            self.read_profile(&mut service, &signer.certificate, signer.is_wanted, &known, found);
        if matches!(known, Known::As(_)) {
            service.log_out();
        }
        outcome
    }

    fn read_profile(
        &self,
        service: &mut Profiles<'_, '_>,
        signer: &Option<Vec<u8>>,
        by_certificate: bool,
        known: &Known,
        found: &mut Found,
    ) -> Result<()> {
        let id = self.config.profile.as_deref().unwrap_or_default();
        let who = match signer {
            Some(der) => Some(Who::Signer(der)),
            None if by_certificate => None,
            None => Some(Who::SharedSecret),
        };
        let profile = match service.profile(id) {
            Ok(Some(profile)) => profile,
            Ok(None) => {
                found.wrong(Topic::Profile, unknown_profile(id));
                found.after(Topic::Profile, &[Topic::Authentication, Topic::ProfileKey]);
                return Ok(());
            }
            Err(e) if e.kind() == Kind::Interrupted => return Err(e),
            Err(e) => {
                found.after(Topic::Profile, &[Topic::ProfileKey]);
                match who {
                    Some(who) => {
                        let copy = Error::new(e.kind(), e.to_string());
                        found.push(Topic::Authentication, fit::by_name(id, who, known, copy));
                    }
                    None => found.after(Topic::Signer, &[Topic::Authentication]),
                }
                found.push(Topic::Profile, Finding::Open(Gap::Failed(e)));
                return Ok(());
            }
        };
        found.push(
            Topic::Profile,
            match profile.enabled {
                true => Finding::Fine(Fact::Profile { id: id.into(), is_visible: profile.visible }),
                false => Finding::Wrong(
                    Error::new(Kind::Rejected, format!("profile {id} is disabled"))
                        .hint(format!("have an agent enable it: pki ca-profile-enable {id}")),
                ),
            },
        );
        match who {
            Some(who) => {
                let subject = self.wish.subject.as_deref();
                let finding = fit::authentication(&profile, who, known, subject);
                found.push(Topic::Authentication, finding);
            }
            None => found.after(Topic::Signer, &[Topic::Authentication]),
        }
        found.push(Topic::ProfileKey, fit::key(&profile, self.wish.key));
        Ok(())
    }
}

/// What a server that was reached says.
struct Reached {
    about: About,
    is_trusted: bool,
}

fn unknown_profile(id: &str) -> Error {
    let near = profile::near(id);
    let hint = match near.first() {
        Some(first) => format!("use a similar one: --profile {first}"),
        None => "list the CA's profiles: pki ca-profile-find".to_owned(),
    };
    Error::new(Kind::Rejected, format!("the CA has no profile {id:?}"))
        .because("profile ids are case-sensitive")
        .hint(hint)
}

/// Compares the CA's clock with this machine's.
fn clock(about: &About, found: &mut Found) {
    let Some(date) = about.date else {
        return found.push(Topic::Clock, Finding::Open(Gap::NoDate));
    };
    let difference = Utc::now().signed_duration_since(date);
    let seconds = difference.num_seconds();
    if difference.abs() <= CLOCK_TOLERANCE {
        return found.fine(Topic::Clock, Fact::Clock(seconds));
    }
    let side = if seconds > 0 { "ahead of" } else { "behind" };
    let what = format!("this machine's clock is {} s {side} the CA's", seconds.unsigned_abs());
    let error = Error::new(Kind::Untrusted, what)
        .because("certificates may seem expired or not yet valid")
        .hint("have the clock that is wrong set: timedatectl set-ntp true");
    found.push(Topic::Clock, Finding::Doubtful(error));
}

/// Judges the state of the signer's certificate.
fn revocation(recorded: Recorded, der: &[u8]) -> Finding {
    match recorded {
        Recorded::As(state) => match fit::revoked(&state, der) {
            Some(error) => Finding::Wrong(error),
            None => Finding::Fine(Fact::Recorded(state)),
        },
        Recorded::Absent => Finding::Doubtful(
            Error::new(Kind::Untrusted, "the CA has no record of the signer's certificate")
                .because("another CA issued it, or the record was removed")
                .hint("use a certificate of this CA: --signer NICKNAME"),
        ),
        Recorded::Silent(e) => Finding::Open(Gap::Failed(e)),
        Recorded::NotAsked => Finding::Open(Gap::After(Topic::Ca)),
    }
}

/// Logs in with the signer's certificate. That it belongs to no user is a fault only in an agents'
/// profile.
fn log_in(service: &mut Profiles<'_, '_>, found: &mut Found) -> Result<Known> {
    match service.log_in() {
        Ok(Some(account)) => {
            found.fine(Topic::Account, Fact::Account(account.clone()));
            Ok(Known::As(account))
        }
        Ok(None) => {
            found.push(Topic::Account, Finding::Doubtful(fit::no_user()));
            Ok(Known::NoUser)
        }
        Err(e) if e.kind() == Kind::Interrupted => Err(e),
        Err(e) if e.kind() == Kind::Tls => {
            found.wrong(Topic::Account, e);
            Ok(Known::Unknown)
        }
        Err(e) => {
            found.push(Topic::Account, Finding::Open(Gap::Failed(e)));
            Ok(Known::Unknown)
        }
    }
}
