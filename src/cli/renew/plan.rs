//! What a run of `renew` is about: the sections of the configuration files, or the certificates of a
//! database.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use clap::FromArgMatches;

use super::RenewArgs;
use crate::cli::config::certificate;
use crate::cli::layers::{of_certificate, one_line};
use crate::cli::{Cli, Command, Filled, command, request};
use nss_cmc::client::connection::Config;
use nss_cmc::client::passwords::Remembered;
use nss_cmc::client::renew::{RenewSpec, SearchSpec, Standing, candidates};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::text::nearest;

/// One certificate.
pub struct Job {
    /// The name of its section, or its nickname.
    pub name: String,
    /// NSS database directory; empty if it isn't known.
    pub database: String,
    pub nickname: String,
    pub token: String,
    pub task: Task,
}

/// What to do for a certificate.
pub enum Task {
    Renew(Box<RenewSpec>),
    /// Nothing, for this reason.
    Skip(Standing),
    /// Its options are invalid.
    Invalid(Error),
}

/// One source of passwords for each database and each way to get them.
type Sources = BTreeMap<String, Rc<Remembered>>;

/// Returns the certificates, and warnings about the files that their sections name.
///
/// # Errors
/// As [`super::run`].
pub fn jobs(args: RenewArgs, filled: &Filled) -> Result<(Vec<Job>, Vec<String>)> {
    let (jobs, mut warnings) = match args.database.clone() {
        Some(database) => (of_database(&args, &database)?, Vec::new()),
        None => of_sections(&args, filled)?,
    };
    for job in &jobs {
        let Task::Renew(spec) = &job.task else { continue };
        for warning in spec.archive.iter().flat_map(|archive| &archive.warnings) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
    }
    Ok((jobs, warnings))
}

fn of_sections(args: &RenewArgs, filled: &Filled) -> Result<(Vec<Job>, Vec<String>)> {
    let known = filled.config.certificates();
    if known.is_empty() {
        return Err(Error::new(Kind::NotFound, "no certificate to renew")
            .because("no configuration file has a section [certificate NAME]")
            .hint("add one, or name a database: nss-cmc renew -d DIR --ca URL"));
    }
    for name in &args.names {
        if !known.contains(&name.as_str()) {
            let near = nearest(name, &known);
            return Err(Error::new(Kind::Usage, format!("unknown certificate {name:?}"))
                .because(format!("the known ones are {}", known.join(", ")))
                .hint(match near.first() {
                    Some(near) => format!("did you mean {near}?"),
                    None => "with -d DIR, names are nicknames".to_owned(),
                }));
        }
    }
    let is_wanted = |name: &&str| args.names.is_empty() || args.names.iter().any(|n| n == name);
    let (mut jobs, mut warnings, mut sources) = (Vec::new(), Vec::new(), Sources::new());
    for name in known.into_iter().filter(is_wanted) {
        let nickname = filled.config.value(&certificate::section(name), certificate::NICKNAME);
        let nickname = nickname.map_or(name, |(nickname, _)| nickname).to_owned();
        let (database, token, task) = match section(name, filled) {
            Err(e) => (String::new(), String::new(), Task::Invalid(e)),
            Ok(own) => {
                for warning in own.warnings() {
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
                let (database, token) = (own.database.clone(), own.token.clone());
                let task = match own.spec(&nickname, &mut sources) {
                    Ok(spec) => Task::Renew(Box::new(spec)),
                    Err(e) => Task::Invalid(e),
                };
                (database.unwrap_or_default(), token, task)
            }
        };
        jobs.push(Job { name: name.to_owned(), database, nickname, token, task });
    }
    Ok((jobs, warnings))
}

/// Returns the options for the certificate of a section.
fn section(name: &str, filled: &Filled) -> Result<RenewArgs> {
    let command = command();
    let own = of_certificate(&command, filled, name)?;
    let parsed = command.try_get_matches_from(&own.args).and_then(|matches| {
        request::hand_over(own.secrets.clone(), || Cli::from_arg_matches(&matches))
    });
    match parsed {
        Ok(Cli { command: Command::Renew(args), .. }) => Ok(*args),
        Ok(_) => Err(Error::new(Kind::Internal, "a section is for another verb")),
        Err(e) => {
            let text = e.to_string();
            let error = Error::new(Kind::Usage, one_line(&text));
            Err(own.notes(&text).into_iter().fold(error, Error::note))
        }
    }
}

fn of_database(args: &RenewArgs, database: &str) -> Result<Vec<Job>> {
    let mut sources = Sources::new();
    let job = |nickname: &str, task| Job {
        name: nickname.to_owned(),
        database: database.to_owned(),
        nickname: nickname.to_owned(),
        token: args.token.clone(),
        task,
    };
    if !args.names.is_empty() {
        let all = args.names.iter();
        return all
            .map(|name| Ok(job(name, Task::Renew(Box::new(args.spec(name, &mut sources)?)))))
            .collect();
    }
    // What is invalid is reported before the database is opened.
    args.spec("", &mut sources)?;
    let found = candidates(&SearchSpec {
        database: database.to_owned(),
        token: args.token.clone(),
        passwords: args.passwords(&mut sources),
        connection: args.connection()?,
        signer: args.signer.clone().filter(|_| args.signer_db.is_none()),
        renew_before: args.renew_before,
        always_ask: args.renew_revoked,
    })?;
    let mut jobs = Vec::new();
    for candidate in found {
        let task = match candidate.standing {
            Standing::Due | Standing::NotDue => {
                Task::Renew(Box::new(args.spec(&candidate.nickname, &mut sources)?))
            }
            Standing::Ambiguous => Task::Invalid(ambiguous(&candidate.nickname, &args.profile)),
            other => Task::Skip(other),
        };
        jobs.push(job(&candidate.nickname, task));
    }
    Ok(jobs)
}

fn ambiguous(nickname: &str, profile: &str) -> Error {
    Error::new(Kind::Usage, format!("profile for the certificate {nickname:?} is ambiguous"))
        .because(format!(
            "the CA issued certificates of several key types or usages, and {profile} is not for all of them"
        ))
        .hint("name the certificates that the profile is for: nss-cmc renew -d DIR NICKNAME… --profile ID")
}

impl RenewArgs {
    /// Returns the source of passwords, one for the same database and options.
    fn passwords(&self, sources: &mut Sources) -> Rc<Remembered> {
        let database = self.database.as_deref().unwrap_or_default();
        let password = &self.password;
        let file = password.password_file.as_deref().map(|file| file.display().to_string());
        let own = [database, self.signer_db.as_deref().unwrap_or_default()].join("\0");
        let source =
            format!("{own}\0{file:?}\0{:?}\0{:?}", password.password_fd, password.password_env);
        let made = sources.entry(source).or_insert_with(|| Remembered::new(password.passwords()));
        Rc::clone(made)
    }

    fn connection(&self) -> Result<Config> {
        let Some(ca) = &self.ca else {
            return Err(Error::new(Kind::Usage, "no CA is named").hint("name it: --ca URL"));
        };
        let config = Config {
            profile: Some(self.profile.clone()),
            allow_unsigned_response: self.allow_unsigned_response,
            est_encoding: self.est_encoding,
            simple: self.simple,
            ..self.est.applied(self.reach.config(ca)?)?
        };
        config.submit_url()?;
        Ok(config)
    }

    /// Returns the renewal of a certificate.
    fn spec(&self, nickname: &str, sources: &mut Sources) -> Result<RenewSpec> {
        let Some(database) = &self.database else {
            return Err(Error::new(Kind::Usage, "no NSS database is named")
                .hint("add a line to the section: database = /path"));
        };
        let passwords = self.passwords(sources);
        Ok(RenewSpec {
            token: self.token.clone(),
            signer: self.signer.clone(),
            signer_database: self.signer_db.clone(),
            key: self.key_type,
            encryption_only: self.encryption_only,
            archive: self.archive.read()?,
            reuse_key: self.reuse_key,
            remove_old: self.remove_old.map(Into::into),
            trust: self.trust.clone(),
            renew_before: self.renew_before,
            renew_revoked: self.renew_revoked,
            wait: self.wait,
            lock_timeout: Duration::from_secs(self.lock_timeout),
            hook: self.exec.clone(),
            ..RenewSpec::new(database.clone(), nickname, passwords, self.connection()?)
        })
    }
}
