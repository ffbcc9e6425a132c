//! `nss-cmc certmonger install`: checks the helper's options, and adds the helper to certmonger.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::{HelperArgs, absolute, command_line};
use crate::cli::report::Report;
use nss_cmc::client::connection::Encoding;
use nss_cmc::client::enroll::obtain::check;
use nss_cmc::error::{Error, Kind, Result};

/// Arguments of `certmonger install`.
#[derive(Args)]
pub struct InstallArgs {
    /// Name of the CA in certmonger (getcert -c)
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Print the getcert command and run nothing
    #[arg(long)]
    print: bool,

    #[command(flatten)]
    helper: HelperArgs,
}

impl InstallArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.helper.warnings()
    }
}

/// Result of `certmonger install`.
#[derive(Serialize, JsonSchema)]
pub struct HelperInstalled {
    /// Name of the CA in certmonger.
    name: String,
    /// The helper's command line.
    helper: String,
    /// The command that adds it.
    command: String,
}

/// Checks the options, and adds the helper.
///
/// # Errors
/// As [`check`]; [`Kind::Usage`] for a secret that the daemon could not read; [`Kind::NotFound`]
/// without getcert, [`Kind::Refused`] when it fails.
pub fn run(args: InstallArgs) -> Result<Report> {
    let InstallArgs { name, print, helper } = args;
    if name.is_empty() || name.starts_with('-') || name.contains(char::is_control) {
        return Err(Error::new(Kind::Usage, format!("invalid CA name {name:?}")));
    }
    let line = command_line::join(&words(&helper)?)?;
    let mut spec = helper.spec(None)?;
    if password_file(&helper).is_none() {
        // A prompt would only prove that the user knows the password.
        spec.passwords = Box::new(|wanted| {
            let what = format!("no password given for token {}", wanted.token);
            Err(Error::new(Kind::Usage, what).hint("use --password-file FILE"))
        });
    }
    match (helper.applicant(), &helper.renewal_profile) {
        (Ok(applicant), _) => check(&spec, &applicant)?,
        // Only renewals are signed: by certificates that don't exist yet.
        (Err(_), Some(_)) if helper.signer.is_none() && helper.identification.is_none() => {}
        (Err(e), _) => return Err(e),
    }
    let getcert = ["add-ca", "-c", &name, "-e", &line];
    let command = command_line::join(
        &["getcert"].iter().chain(&getcert).map(|w| (*w).to_owned()).collect::<Vec<_>>(),
    )?;
    let result =
        HelperInstalled { name: name.clone(), helper: line.clone(), command: command.clone() };
    if print {
        let mut report = Report::done("certmonger install", "checked", false, "").result(result);
        report.lines_only = true;
        return Ok(report.line(command));
    }
    let output = Command::new("getcert").args(getcert).output().map_err(|e| {
        Error::new(Kind::NotFound, "cannot run getcert")
            .because(e)
            .hint("install certmonger, or print the command: --print")
    })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(Error::new(Kind::Refused, format!("getcert cannot add the CA {name:?}"))
            .because(said)
            .hint(format!(
                "is the daemon running, and the name free? getcert remove-ca -c {name}"
            )));
    }
    let msg = format!("added the CA {name:?} to certmonger");
    Ok(Report::done("certmonger install", "added", true, msg).line(line).result(result))
}

/// Returns the helper's command line: this program and its options, with absolute paths.
fn words(helper: &HelperArgs) -> Result<Vec<String>> {
    let program = std::env::current_exe()
        .map_err(|e| Error::new(Kind::Internal, "cannot find this program's path").because(e))?;
    let mut words = vec![path(&program)?, "certmonger".into()];
    let mut add = |option: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{option}={value}")));
    };
    let (database, ca) = (&helper.database, &helper.ca);
    let passwords = &database.password;
    let (shared, login) = (&helper.shared_secret, &ca.connect.est.login);
    let not_files = [
        (passwords.password_fd.is_some(), "--password-fd", "--password-file"),
        (passwords.password_env.is_some(), "--password-env", "--password-file"),
        (login.est_password_fd.is_some(), "--est-password-fd", "--est-password-file"),
        (login.est_password_env.is_some(), "--est-password-env", "--est-password-file"),
        (shared.shared_secret_fd.is_some(), "--shared-secret-fd", "--shared-secret-file"),
        (shared.shared_secret_env.is_some(), "--shared-secret-env", "--shared-secret-file"),
    ];
    if let Some((_, given, instead)) = not_files.iter().find(|(is_given, ..)| *is_given) {
        return Err(Error::new(Kind::Usage, format!("certmonger cannot use {given}"))
            .because("it runs the helper later, without this environment")
            .hint(format!("use {instead} FILE")));
    }
    add("database", Some(path(Path::new(&database.database))?));
    add("token", Some(database.token.clone()).filter(|token| token != "internal"));
    add("password-file", secret_file(password_file(helper).as_deref())?);
    add("ca", Some(ca.connect.ca.clone()));
    let est = &ca.connect.est;
    add("est", est.est.clone());
    add("est-user", est.login.est_user.clone());
    add("est-password-file", secret_file(est.login.est_password_file.as_deref())?);
    add(
        "est-encoding",
        ca.connect.est_encoding.map(|encoding| match encoding {
            Encoding::Der => "der".to_owned(),
            Encoding::Base64 => "base64".to_owned(),
        }),
    );
    add("proxy", ca.connect.reach.proxy.clone());
    add("connect-timeout", Some(ca.connect.reach.connect_timeout.to_string()));
    add("timeout", Some(ca.connect.reach.timeout.to_string()));
    add("profile", helper.default_profile().map(str::to_owned));
    add("signer", helper.signer.clone());
    let signer_db = helper.signer_db.as_deref().map(|dir| path(Path::new(dir)));
    add("signer-db", signer_db.transpose()?);
    add("renewal-profile", helper.renewal_profile.clone());
    add("identification", helper.identification.clone());
    add("shared-secret-file", secret_file(shared.shared_secret_file.as_deref())?);
    add("proof-digest", helper.identification.is_some().then(|| helper.proof_digest.clone()));
    add("lock-timeout", Some(helper.lock_timeout.to_string()));
    words.extend(helper.pop_link.then(|| "--pop-link".to_owned()));
    words.extend(ca.allow_unsigned_response.then(|| "--allow-unsigned-response".to_owned()));
    Ok(words)
}

/// Returns the file with the passwords of the tokens.
fn password_file(helper: &HelperArgs) -> Option<PathBuf> {
    let from_environment = std::env::var_os("NSS_CMC_PASSWORD_FILE").filter(|f| !f.is_empty());
    helper.database.password.password_file.clone().or(from_environment.map(Into::into))
}

fn secret_file(file: Option<&Path>) -> Result<Option<String>> {
    match file {
        Some(file) if file.as_os_str() == "-" => {
            Err(Error::new(Kind::Usage, "certmonger's helper has no standard input")
                .hint("store the secret in a file that only root can read"))
        }
        file => file.map(path).transpose(),
    }
}

fn path(path: &Path) -> Result<String> {
    absolute(path)?
        .into_os_string()
        .into_string()
        .map_err(|path| Error::new(Kind::Usage, format!("path {path:?} is not UTF-8")))
}
