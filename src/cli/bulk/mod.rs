//! `nss-cmc bulk`: enrolls the certificates that a file lists.

mod file;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{DatabaseArgs, duration};
use super::connect_args::CaArgs;
use super::report::{Report, error_text, issued_pem};
use super::{Output, enroll, enroll_report, warn};
use crate::streams::Streams;
use file::{Checked, Requests, Source};
use nss_cmc::algorithm::KeySpec;
use nss_cmc::client::enroll::{BulkSpec, Done, EnrollSpec, KeySource, Requester, bulk};
use nss_cmc::error::{Error, Kind, Leftover, Result};
use nss_cmc::nss::exposed;

const EXAMPLES: &str = "\
FILE has JSON Lines or CSV, one certificate a line, with the options of enroll that are about it:
  nickname, subject (both required), dns, ip, email, key_type, profile, issuer, usage, require_names,
  trust, chain_out
In CSV the first line has these names; blanks separate several values in a cell.

  {\"nickname\": \"www1\", \"subject\": \"CN=www1.example.com\", \"dns\": [\"www1.example.com\"]}

  nickname,subject,dns
  www1,CN=www1.example.com,www1.example.com

Every line is checked before anything is done. A run can be repeated: certificates that match are not
requested again, and what an interrupted run left is completed.

Examples:
  Certificates of many servers, requested by an agent:
    nss-cmc bulk servers.csv -d /etc/httpd/alias --password-file pin.txt \\
      --ca https://ca.example.com:8443 --profile caCMCserverCert --signer caadmin

  The same with EC keys, each result as a line of JSON:
    nss-cmc bulk servers.jsonl -d db --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caCMCECserverCert --signer caadmin --key-type ec:nistp256 --output json";

/// Arguments of `bulk`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct BulkArgs {
    /// File with the requests, JSON Lines or CSV; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the agent's (or user's) certificate that signs the requests and authenticates the TLS
    /// client
    #[arg(long, value_name = "NICKNAME", help_heading = "Authentication")]
    signer: String,

    /// NSS database with the signer's certificate and key, if not --database. It is only read. CAs that
    /// it trusts are trusted, too. Its line in the password file is signer-db:PASSWORD
    #[arg(long, value_name = "DIR", help_heading = "Authentication")]
    signer_db: Option<String>,

    /// Type of the new keys, for lines without one: rsa:2048, rsa:3072, ec:nistp256… [default: rsa:2048]
    #[arg(long, value_name = "TYPE", help_heading = "Key")]
    key_type: Option<KeySpec>,

    /// Request a new certificate if the existing one lacks a requested name or usage, or has another
    /// issuer or key type; if the new one lacks the same, it is not imported
    #[arg(long, help_heading = "Renewal")]
    renew_on_change: bool,

    /// Look up existing certificates in the CA's records, and request new ones for those that are revoked;
    /// a certificate on hold is kept
    #[arg(long, help_heading = "Renewal")]
    renew_revoked: bool,

    /// Renew a certificate that expires within this time (30d, 12h…)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration,
          help_heading = "Renewal")]
    renew_before: Duration,

    /// A certificate that lacks a requested name or usage, or has another issuer, fails: it is printed but
    /// not imported, and its key is kept
    #[arg(long, help_heading = "Names")]
    require_names: bool,

    /// Send this many requests at the same time. Dogtag mixes up simultaneous requests: only for other
    /// servers
    #[arg(long, value_name = "N", default_value = "1", help_heading = "CA")]
    parallel: NonZeroUsize,

    /// Timeout for another run on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Database")]
    lock_timeout: u64,
}

impl BulkArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.database.warnings(None);
        said.extend(self.signer_db.as_deref().and_then(exposed));
        said.extend(self.ca.connect.est.warning());
        said
    }

    /// Reads the file; its lines have the options of this run where they lack their own.
    fn requests(&self, source: &Source) -> Result<Requests> {
        let ca = self.ca.config()?.ca;
        let option = |name: &str, value: &str| OsString::from(format!("--{name}={value}"));
        let mut common = vec![
            option("database", &self.database.database),
            // With the path of an EST server.
            option("ca", ca.as_str()),
            option("signer", &self.signer),
            option("profile", &self.ca.profile),
        ];
        common.extend(self.key_type.map(|key| option("key-type", &key.to_string())));
        common.extend(self.require_names.then(|| "--require-names".into()));
        Requests::of(source, common)
    }

    fn spec(self, trust: bool) -> Result<BulkSpec> {
        let connection = self.ca.config()?;
        let requester = Requester::Certificate(self.signer);
        // Each line has its own.
        let key = KeySource::New {
            spec: self.key_type,
            subject: String::new(),
            names: Default::default(),
        };
        let passwords = self.database.passwords();
        let mut common =
            EnrollSpec::new(self.database.database, passwords, connection, requester, key);
        common.token = self.database.token;
        common.signer_database = self.signer_db;
        common.renew_on_change = self.renew_on_change;
        common.renew_revoked = self.renew_revoked;
        common.renew_before = self.renew_before;
        common.lock_timeout = Duration::from_secs(self.lock_timeout);
        Ok(BulkSpec { common, trust, parallel: self.parallel })
    }
}

/// Result of `bulk`.
#[derive(Serialize, JsonSchema)]
pub struct BulkEnrolled {
    /// The number of requests in the file.
    requests: u64,
    /// How many there are of each status (`issued`, `renewed`, `recovered`, `updated`, `unchanged`).
    statuses: BTreeMap<String, u64>,
    /// The duration of the run.
    seconds: f64,
}

/// Runs `bulk`. Each result is printed as soon as it is there.
///
/// # Errors
/// [`Kind::Usage`] for an invalid file; the kind of the first line that failed.
pub fn run(args: BulkArgs, output: Output, streams: &mut Streams<'_>) -> Result<Report> {
    let source = Source::open(&args.file)?;
    // Read twice, so that nothing is done if a line is invalid.
    let Checked { count, trust } = args.requests(&source)?.check()?;
    let mut requests = args.requests(&source)?;
    let spec = args.spec(trust)?;
    let printer = RefCell::new(Printer { streams, output, bar: bar(count) });
    let mut tally = Tally::default();
    let begin = Instant::now();
    let outcome = bulk(
        spec,
        &mut requests,
        &mut |done| {
            let report = tally.add(&done);
            printer.borrow_mut().print(&done, report)
        },
        &mut |event| printer.borrow_mut().tell(&enroll::event_text(&event)),
    );
    printer.borrow().bar.finish_and_clear();
    tally.report(outcome, count, begin.elapsed())
}

/// Returns the progress bar; it is shown on a terminal only.
fn bar(count: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}, {per_sec}, {eta} left");
    // The template is fixed and valid.
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

struct Printer<'a, 'b> {
    streams: &'a mut Streams<'b>,
    output: Output,
    bar: ProgressBar,
}

impl Printer<'_, '_> {
    fn tell(&mut self, text: &str) {
        self.bar.suspend(|| self.streams.tell(format!("nss-cmc: {text}")));
    }

    /// Prints the result of a line.
    ///
    /// # Errors
    /// [`Kind::Output`].
    fn print(&mut self, done: &Done, mut report: Report) -> Result<()> {
        let Printer { streams, output, bar } = self;
        let line = done.line;
        let result = bar.suspend(|| {
            if *output == Output::Json {
                return streams.print(&report.to_json());
            }
            let warnings = std::mem::take(&mut report.warnings);
            warn(warnings.into_iter().map(|text| format!("line {line}: {text}")), streams);
            match &done.outcome {
                Ok(_) => {
                    let nickname = done.nickname.as_deref().unwrap_or_default();
                    streams.print(&format!("line {line}: {nickname:?}: {}\n", report.msg))
                }
                Err(e) => {
                    streams.tell(format!("line {line}: {}", error_text(e).trim_end()));
                    issued_pem(e).map_or(Ok(()), |pem| streams.print(&pem))
                }
            }
        });
        bar.inc(1);
        result
    }
}

/// What became of the lines so far.
#[derive(Default)]
struct Tally {
    statuses: BTreeMap<String, u64>,
    changed: bool,
    /// The first line that failed, and the kind of its error.
    failed: Option<(u64, Kind)>,
    /// The first line that is pending.
    pending: Option<u64>,
}

impl Tally {
    /// Counts a result and returns its report.
    fn add(&mut self, done: &Done) -> Report {
        let mut report = match &done.outcome {
            Ok(enrolled) => enroll_report::enrolled("enroll", enrolled, Vec::new(), false),
            Err(e) => Report::failure("enroll", e),
        };
        report.line = Some(done.line);
        self.changed |= report.changed;
        *self.statuses.entry(report.status.clone()).or_default() += 1;
        if let Err(e) = &done.outcome {
            let line = done.line;
            match e.kind() {
                Kind::Pending => self.pending = Some(self.pending.map_or(line, |p| p.min(line))),
                kind if self.failed.is_none_or(|(first, _)| line < first) => {
                    self.failed = Some((line, kind));
                }
                _ => {}
            }
        }
        report
    }

    /// Returns the report of the run.
    fn report(self, outcome: Result<()>, requests: u64, time: Duration) -> Result<Report> {
        let mut counts: Vec<String> =
            self.statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let rest = requests.saturating_sub(self.statuses.values().sum());
        if rest > 0 {
            counts.push(format!("{rest} not tried"));
        }
        let seconds = time.as_secs_f64();
        let all = format!("{requests} requests: {} in {seconds:.1} s", counts.join(", "));
        const AGAIN: &str =
            "run the same command again: certificates that match are not requested again";
        let error = match (outcome, self.failed, self.pending) {
            (Err(e), ..) => e.note(all).note(AGAIN),
            (Ok(()), Some((line, kind)), _) => Error::new(kind, all)
                .because(format!("line {line} is the first one that failed"))
                .hint(AGAIN),
            (Ok(()), None, Some(line)) => Error::new(Kind::Pending, all)
                .because(format!("line {line} is the first one that is pending"))
                .hint(AGAIN),
            (Ok(()), None, None) => {
                let result = BulkEnrolled { requests, statuses: self.statuses, seconds };
                return Ok(Report::done("bulk", "done", self.changed, all).result(result));
            }
        };
        // What was issued stays.
        Err(if self.changed { error.leftover(Leftover::default()) } else { error })
    }
}
