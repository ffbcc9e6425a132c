//! The report of `renew`: one entry for each certificate.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::report::{
    Certificate, Failure, LeftBehind, Report, certificate_json, facts, issued_pem, value,
};
use nss_cmc::certificate::Summary;
use nss_cmc::client::enroll::Outcome as Enrolled;
use nss_cmc::client::renew::{Done, Plan, Planned, Renewed, Standing};
use nss_cmc::error::{Error, Kind, WOULD_CHANGE};

/// A certificate, and what became of it.
pub struct Entry {
    pub name: String,
    pub database: String,
    pub nickname: String,
    pub token: String,
    pub outcome: Outcome,
}

/// What became of a certificate.
pub enum Outcome {
    Done(Renewed),
    Planned(Planned),
    Skipped(Standing),
    Failed(Error),
}

/// Result of `renew`, also if it failed.
#[derive(Serialize, JsonSchema)]
pub struct Renewals {
    certificates: Vec<Renewal>,
}

/// What became of a certificate.
#[derive(Serialize, JsonSchema)]
struct Renewal {
    /// Name of its section, or its nickname.
    name: String,
    nickname: String,
    token: String,
    /// NSS database directory.
    database: String,
    #[schemars(extend("enum" = [
        "renewed", "recovered", "finished", "unchanged", "skipped", "pending", "rejected", "failed",
        "would_renew", "would_finish"
    ]))]
    status: &'static str,
    changed: bool,
    msg: String,
    /// The certificate in use after the run; null if it is not known.
    certificate: Option<Certificate>,
    /// Serial number of the certificate that it replaces.
    replaced_serial: Option<String>,
    /// Trust flags that it has from that certificate.
    trust_kept: Option<String>,
    /// Whether the command of --exec succeeded; null if it was not run.
    #[schemars(extend("enum" = ["succeeded", "failed", null]))]
    exec: Option<&'static str>,
    /// What a failed renewal left behind.
    left_behind: Option<LeftBehind>,
    warnings: Vec<String>,
    error: Option<Failure>,
}

impl Entry {
    /// Returns why the certificate was not renewed, or its command failed.
    pub fn failure(&self) -> Option<&Error> {
        match &self.outcome {
            Outcome::Failed(e) => Some(e),
            Outcome::Done(Renewed { hook: Some(Err(e)), .. }) => Some(e),
            Outcome::Done(_) | Outcome::Planned(_) | Outcome::Skipped(_) => None,
        }
    }

    /// Returns the status, and whether something was or would be changed.
    fn status(&self) -> (&'static str, bool) {
        match &self.outcome {
            Outcome::Done(Renewed { hook: Some(Err(_)), .. }) => ("failed", true),
            Outcome::Done(renewed) => match &renewed.what {
                Done::Nothing => ("unchanged", false),
                Done::Finished => ("finished", true),
                Done::Renewed(enrolled) => match &enrolled.outcome {
                    Enrolled::Issued(issued) if issued.recovered => ("recovered", true),
                    _ => ("renewed", true),
                },
            },
            Outcome::Planned(planned) => match planned.what {
                Plan::Nothing => ("unchanged", false),
                Plan::Renew => ("would_renew", true),
                Plan::Finish => ("would_finish", true),
            },
            Outcome::Skipped(_) => ("skipped", false),
            Outcome::Failed(e) => match e.kind() {
                Kind::Pending => ("pending", e.changed_something()),
                Kind::Rejected => ("rejected", e.changed_something()),
                _ => ("failed", e.changed_something()),
            },
        }
    }

    fn msg(&self) -> String {
        let until = |certificate: &Summary| {
            format!("serial {}, valid until {}", certificate.serial_hex(), certificate.until())
        };
        match &self.outcome {
            Outcome::Done(renewed) => {
                let now = until(&renewed.certificate);
                match (&renewed.hook, &renewed.what, self.status().0) {
                    (Some(Err(e)), Done::Nothing | Done::Finished, _) => format!("{now}, but {e}"),
                    (Some(Err(e)), Done::Renewed(_), _) => format!("renewed, {now}, but {e}"),
                    (_, Done::Nothing, _) => format!("not due, {now}"),
                    (_, Done::Finished, _) => {
                        format!("finished the renewal of an earlier run, {now}")
                    }
                    (_, Done::Renewed(_), status) => format!("{status}, {now}"),
                }
            }
            Outcome::Planned(planned) => {
                let now = until(&planned.certificate);
                match planned.what {
                    Plan::Nothing => format!("not due, {now}"),
                    Plan::Renew => format!("would be renewed, {now}"),
                    Plan::Finish => {
                        format!("the renewal of an earlier run would be finished, {now}")
                    }
                }
            }
            Outcome::Skipped(standing) => match standing {
                Standing::OfAnotherCa => "left out: another CA issued it".to_owned(),
                Standing::OfACa => {
                    "left out: it is a CA's certificate, to be renewed by name".to_owned()
                }
                Standing::Signer => {
                    "left out: it signs the requests, to be renewed by name".to_owned()
                }
                Standing::Due | Standing::NotDue | Standing::Ambiguous => "left out".to_owned(),
            },
            Outcome::Failed(e) => e.to_string(),
        }
    }

    fn notices(&self) -> Vec<String> {
        match &self.outcome {
            Outcome::Done(renewed) => renewed.notices.clone(),
            Outcome::Planned(planned) => planned.notices.clone(),
            Outcome::Skipped(_) | Outcome::Failed(_) => Vec::new(),
        }
    }

    fn json(&self) -> Renewal {
        let (status, changed) = self.status();
        let failure = self.failure();
        let (certificate, replaced, trust_kept, exec) = match &self.outcome {
            Outcome::Done(renewed) => {
                let kept = match &renewed.what {
                    Done::Renewed(enrolled) => match &enrolled.outcome {
                        Enrolled::Issued(issued) => issued.kept_trust.as_ref(),
                        Enrolled::Unchanged { .. } => None,
                    },
                    Done::Nothing | Done::Finished => None,
                };
                let exec = renewed.hook.as_ref();
                let exec = exec.map(|ran| if ran.is_ok() { "succeeded" } else { "failed" });
                let kept = kept.map(|trust| trust.as_str().to_owned());
                (Some(&renewed.certificate), renewed.replaced.clone(), kept, exec)
            }
            Outcome::Planned(planned) => (Some(&planned.certificate), None, None, None),
            Outcome::Skipped(_) | Outcome::Failed(_) => (None, None, None, None),
        };
        Renewal {
            name: self.name.clone(),
            nickname: self.nickname.clone(),
            token: self.token.clone(),
            database: self.database.clone(),
            status,
            changed,
            msg: self.msg(),
            certificate: certificate.map(certificate_json),
            replaced_serial: replaced,
            trust_kept,
            exec,
            left_behind: failure.and_then(facts),
            warnings: self.notices(),
            error: failure.map(Failure::of),
        }
    }
}

/// Returns the report of a run.
pub fn of(entries: &[Entry], is_check: bool, detailed: bool) -> Report {
    let changed = entries.iter().filter(|entry| entry.status().1).count();
    let failures = || entries.iter().filter_map(Entry::failure);
    // A request that the CA holds back is no failure.
    let failed = failures().filter(|e| e.kind() != Kind::Pending).count();
    let pending = failures().count() - failed;
    let first = failures().find(|e| e.kind() != Kind::Pending).or_else(|| failures().next());
    let status = match (failed, pending, changed, is_check) {
        (1.., ..) => "failed",
        (0, 1.., ..) => "pending",
        (0, 0, 0, _) => "unchanged",
        (0, 0, 1.., true) => "would_renew",
        (0, 0, 1.., false) => "renewed",
    };
    let mut report = Report::done("renew", status, changed > 0, msg(entries, is_check))
        .result(Renewals { certificates: entries.iter().map(Entry::json).collect() });
    for entry in entries {
        report = report.line(format!("{}: {}", entry.name, entry.msg()));
        // The report is the only copy of a certificate that was issued and isn't stored.
        if let Some(pem) = entry.failure().and_then(issued_pem) {
            report = report.line(pem.trim_end());
        }
        report
            .warnings
            .extend(entry.notices().iter().map(|text| format!("{}: {text}", entry.name)));
    }
    report.failed = failed > 0;
    report.error = first.map(|e| value(Failure::of(e)));
    report.exit = match first {
        Some(e) => e.kind().exit(),
        None if detailed && changed > 0 => WOULD_CHANGE,
        None => 0,
    };
    report
}

fn msg(entries: &[Entry], is_check: bool) -> String {
    let all = entries.len();
    let count = |words: &[&str]| entries.iter().filter(|e| words.contains(&e.status().0)).count();
    let renewed = match is_check {
        true => count(&["would_renew", "would_finish"]),
        false => entries
            .iter()
            .filter(|e| matches!(&e.outcome, Outcome::Done(r) if !matches!(r.what, Done::Nothing)))
            .count(),
    };
    let failed = count(&["failed", "rejected"]);
    let pending = count(&["pending"]);
    let certificates = if all == 1 { "certificate" } else { "certificates" };
    let verb = if is_check { "would be renewed" } else { "renewed" };
    let mut text = match (renewed, failed + pending) {
        (0, 0) => format!("nothing to do for {all} {certificates}"),
        (renewed, _) => format!("{renewed} of {all} {certificates} {verb}"),
    };
    if pending > 0 {
        text.push_str(&format!(", {pending} pending"));
    }
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    text
}

/// Returns a failure as lines for standard error.
pub fn failure_lines(name: &str, e: &Error) -> Vec<String> {
    let mut lines = vec![format!("{name}: {e}")];
    lines.extend(e.hint_text().map(|hint| format!("{name}: hint: {hint}")));
    lines.extend(e.notes().iter().map(|note| format!("{name}: note: {note}")));
    lines
}
