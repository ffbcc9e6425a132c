//! `nss-cmc doctor`: will this enrollment work?

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::enroll::EnrollArgs;
use super::report::Report;
use nss_cmc::client::doctor::{Check, Examined, Fact, Finding, Gap, Topic, examine};
use nss_cmc::error::Result;
use nss_cmc::text::printable;

/// Printed after the options.
pub const EXAMPLES: &str = "\
Takes the options of enroll: put doctor in the place of enroll. Options about the new certificate's
nickname, trust, files and renewal have no effect. Nothing is changed: no key is generated, no CMC
request is sent. The signer's certificate is shown to the CA to read the profile, which only agents
and administrators may; for others the checks of the profile are unknown. Passwords are tried once.

The exit code is 0 if there is no problem, else that of the first problem's kind; warnings and
unknown checks do not count (in JSON, failed is false in all cases).

Example:
  nss-cmc doctor -d /etc/httpd/alias --password-file pin.txt \\
    --ca https://ca.example.com:8443 --profile caCMCserverCert --signer caadmin \\
    --subject CN=www.example.com,O=EXAMPLE --nickname Server-Cert";

/// Arguments of `doctor`.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    enroll: EnrollArgs,
}

impl DoctorArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.enroll.warnings()
    }
}

/// Runs `doctor`.
///
/// # Errors
/// As [`examine`]; those of invalid options.
pub fn run(args: DoctorArgs) -> Result<Report> {
    Ok(report(examine(args.enroll.doctor_spec()?)?))
}

/// Result of `doctor`.
#[derive(Serialize, JsonSchema)]
pub struct Diagnosis {
    checks: Vec<CheckMade>,
}

/// A check.
#[derive(Serialize, JsonSchema)]
struct CheckMade {
    /// One lower_snake word (`signer_key`).
    name: &'static str,
    /// `ok`, `warning`, `problem` or `unknown`.
    state: &'static str,
    text: String,
    /// What mends it.
    hint: Option<String>,
    /// Of a problem: the kind, as in the table of exit codes.
    kind: Option<&'static str>,
}

fn report(examined: Examined) -> Report {
    let count = |state| examined.checks.iter().filter(|c| c.finding.state() == state).count();
    let (problems, warnings, unknown) = (count("problem"), count("warning"), count("unknown"));
    let (status, msg) = match problems {
        0 => ("ready", "no problem found".to_owned()),
        1 => ("problems", "1 problem: the enrollment will fail".to_owned()),
        n => ("problems", format!("{n} problems: the enrollment will fail")),
    };
    let msg = match (warnings, unknown) {
        (0, 0) => msg,
        _ => format!("{msg} (warnings: {warnings}, unknown: {unknown})"),
    };
    let mut report = Report::done("doctor", status, false, msg);
    report.exit = examined.kind().map_or(0, |kind| kind.exit());
    let mut all = Vec::new();
    for check in &examined.checks {
        let (text, hint) = words(check);
        let state = check.finding.state();
        let name = check.topic.name();
        report.lines.push(format!("{state:8} {}: {text}", name.replace('_', " ")));
        report.lines.extend(hint.map(|hint| format!("{:8} hint: {hint}", "")));
        let kind = match &check.finding {
            Finding::Wrong(e) => Some(e.kind().name()),
            _ => None,
        };
        let hint = hint.map(ToOwned::to_owned);
        all.push(CheckMade { name, state, text, hint, kind });
    }
    let report = report.result(Diagnosis { checks: all });
    report.closed(examined.not_closed.map_or(Ok(()), Err))
}

/// Returns the sentence of a check, and its hint.
fn words(check: &Check) -> (String, Option<&str>) {
    match &check.finding {
        Finding::Fine(fact) => (printable(&fact_text(fact)).into_owned(), None),
        Finding::Doubtful(e) | Finding::Wrong(e) => (e.to_string(), e.hint_text()),
        Finding::Open(Gap::Failed(e)) => (format!("not known: {e}"), e.hint_text()),
        Finding::Open(gap) => (printable(&gap_text(check.topic, gap)).into_owned(), None),
    }
}

fn fact_text(fact: &Fact) -> String {
    let fips = |is_fips| if is_fips { ", in FIPS mode" } else { "" };
    match fact {
        Fact::Database { directory, is_fips } => {
            format!("NSS database {directory} can be opened and written{}", fips(*is_fips))
        }
        Fact::SignerDatabase(directory) => format!("NSS database {directory} can be opened"),
        Fact::TrustedCas(names) => format!("trusted for TLS: {}", names.join(", ")),
        Fact::LoggedIn(token) => format!("right for token {token}"),
        Fact::NoPassword(token) => format!("token {token} needs none"),
        Fact::Signer(subject) => format!("found: {subject}"),
        Fact::SignerKey => "found".to_owned(),
        Fact::Until(until) => format!("valid until {}", until.format("%Y-%m-%d %H:%M:%S UTC")),
        Fact::ClientAuth => "permits TLS client authentication".to_owned(),
        Fact::Chain(anchor) => format!("leads to the trusted CA {anchor}"),
        Fact::SharedSecret => "can be read".to_owned(),
        Fact::Request(Some(key)) => format!("can be read; its key is {key}"),
        Fact::Request(None) => "can be read".to_owned(),
        Fact::KeyType(key, token) => format!("token {token} generates {key} keys"),
        Fact::Policy { is_fips, smallest_rsa } => match smallest_rsa {
            Some(bits) => {
                format!("permits the key; RSA keys need at least {bits} bits{}", fips(*is_fips))
            }
            None => format!("permits the key{}", fips(*is_fips)),
        },
        Fact::Reached(url) => format!("{url} can be reached"),
        Fact::Tls(host) => format!("the certificate of {host} is valid and trusted"),
        Fact::Clock(seconds) => format!("this machine and the CA differ by {} s", seconds.abs()),
        Fact::Dogtag(Some(version)) => format!("Dogtag {version}"),
        Fact::Dogtag(None) => "Dogtag, of unknown version".to_owned(),
        Fact::Recorded(state) => format!("{state} in the CA's records"),
        Fact::Account(account) if account.is_agent() => {
            format!("the signer is user {}, an agent", account.id)
        }
        Fact::Account(account) => format!("the signer is user {}, no agent", account.id),
        Fact::Profile { id, is_visible: true } => format!("{id} is enabled"),
        Fact::Profile { id, is_visible: false } => {
            format!("{id} is enabled; the CA's web pages do not list it, which CMC does not need")
        }
        Fact::Authentication(name) => format!("the profile accepts this requester ({name})"),
        Fact::ProfileKey(key) => format!("the profile accepts {key} keys"),
    }
}

fn gap_text(topic: Topic, gap: &Gap) -> String {
    match gap {
        Gap::After(first) => format!("not checked, because of {}", first.name().replace('_', " ")),
        Gap::Est => "the EST server chooses the profile".to_owned(),
        Gap::NoDate => "the server sends no date".to_owned(),
        Gap::NoRule if topic == Topic::ProfileKey => {
            "the profile has no rule for keys, or the key's type is not known".to_owned()
        }
        Gap::NoRule => "the profile's rule is not known to this program".to_owned(),
        Gap::LastTry(token) => {
            format!("not tried: another failed login would lock token {token}")
        }
        Gap::Failed(e) => e.to_string(),
    }
}
