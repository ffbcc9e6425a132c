//! The report of `enroll` and `cmc accept`: what they did, or `enroll` would do.

use std::path::Path;

use serde_json::Value;

use super::enroll_result::{
    CertificateIssued, EnrollPredicted, EnrollResult, ExistingCertificate, RequestKey,
};
use crate::cli::report::{
    self, Diff, Report, certificate_json, chain_json, serial_json, time, value,
};
use nss_cmc::client::enroll::{
    Described, Enrolled, Issued, Mended, Outcome, Predicted, Prediction, RemoveOld,
};
use nss_cmc::error::WOULD_CHANGE;
use nss_cmc::{Number, keyid, pem};

/// Returns the report of a run of `verb`; with its `diff`, if wanted.
pub fn enrolled(verb: &str, enrolled: &Enrolled, about_archive: Vec<String>, diff: bool) -> Report {
    let mut report = match &enrolled.outcome {
        Outcome::Unchanged { extra_names, mended } => {
            unchanged(verb, enrolled, extra_names, mended)
        }
        Outcome::Issued(issued) => certified(verb, enrolled, issued, about_archive),
    };
    report.warnings.extend(enrolled.notices.iter().map(ToString::to_string));
    if diff {
        report = with_diff(report, enrolled.before.as_ref(), enrolled.after.as_ref());
    }
    report
}

/// Returns the report of a prediction; with its `diff`, and with an exit code of its own if
/// something would change, if wanted.
pub fn predicted(predicted: &Predicted, diff: bool, detailed: bool) -> Report {
    let nickname = predicted.nickname.as_deref().unwrap_or_default();
    let serial = predicted.before.as_ref().and_then(|before| before.serial.as_ref());
    let named = match serial {
        Some(serial) => format!("certificate {nickname:?}, serial {}", serial.hex()),
        None => format!("certificate {nickname:?}"),
    };
    let (status, msg) = match &predicted.what {
        Prediction::Unchanged => ("unchanged", format!("{named}, would stay as it is")),
        Prediction::Update(_) => ("would_update", format!("{named}, would be completed")),
        Prediction::Issue if predicted.nickname.is_none() => {
            ("would_issue", "a certificate would be requested".to_owned())
        }
        Prediction::Issue => ("would_issue", format!("{named} would be requested")),
        Prediction::Renew => ("would_renew", format!("{named}, would be replaced by a new one")),
    };
    let changes = status != "unchanged";
    let mut report = Report::done("enroll", status, changes, msg);
    if let Prediction::Update(missing) = &predicted.what {
        let lines = missing.iter().map(|missing| match missing {
            Mended::Label(label) => format!("would remove label {label:?} from its key"),
            Mended::Trust(trust) => format!("would set trust flags {}", trust.as_str()),
            Mended::ChainFile(path) => {
                format!("would write the certificate chain to {}", path.display())
            }
        });
        report = lines.fold(report, Report::line);
    }
    if detailed && changes {
        report.exit = WOULD_CHANGE;
    }
    report.warnings.extend(predicted.notices.iter().map(ToString::to_string));
    if diff {
        report = with_diff(report, predicted.before.as_ref(), predicted.after.as_ref());
    }
    report.result(EnrollResult::Predicted(EnrollPredicted {
        nickname: predicted.nickname.clone(),
        token: predicted.token.clone(),
        serial: serial.map(serial_json),
    }))
}

/// Adds what differs between two certificates: in JSON both in full, in text the lines that differ.
fn with_diff(mut report: Report, before: Option<&Described>, after: Option<&Described>) -> Report {
    let diff = value(Diff { before: before.map(described), after: after.map(described) });
    let (before, after) = (&diff["before"], &diff["after"]);
    let fields = [before, after].into_iter().find_map(|side| side.as_object());
    let names: Vec<String> = fields.map(|f| f.keys().cloned().collect()).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for name in names {
        let (old, new) = (&before[&name], &after[&name]);
        // What isn't known yet is null.
        if old == new || new.is_null() && after.is_object() {
            continue;
        }
        for (sign, value) in [('-', old), ('+', new)] {
            if !value.is_null() {
                report = report.line(format!("{sign} {name}: {}", text(value)));
            }
        }
    }
    report.diff = Some(diff);
    report
}

/// Returns a certificate for a diff.
fn described(of: &Described) -> report::Described {
    report::Described {
        subject: of.subject.clone(),
        sans: of.sans.clone(),
        serial: of.serial.as_ref().map(Number::hex),
        issuer: of.issuer.clone(),
        not_before: of.validity.map(|(begin, _)| time(begin)),
        not_after: of.validity.map(|(_, end)| time(end)),
        key_type: of.key.map(|key| key.to_string()),
        trust: of.trust.clone(),
    }
}

fn unchanged(verb: &str, enrolled: &Enrolled, extra_names: &[String], mended: &[Mended]) -> Report {
    let can_force = verb == "enroll";
    let certificate = &enrolled.certificate;
    let msg = format!(
        "certificate {:?} exists already, serial {}, valid until {}",
        enrolled.nickname.as_deref().unwrap_or_default(),
        certificate.serial_hex(),
        certificate.until()
    );
    let mut report = if mended.is_empty() {
        Report::done(verb, "unchanged", false, msg).line(match can_force {
            true => "nothing to do; use --force to request a new certificate",
            false => "nothing to do; the response was accepted before",
        })
    } else {
        let lines = mended.iter().map(|mended| match mended {
            Mended::Label(label) => format!("removed label {label:?} from its key"),
            Mended::Trust(trust) => format!("set trust flags {}", trust.as_str()),
            Mended::ChainFile(path) => chain_written(path),
        });
        lines.fold(Report::done(verb, "updated", true, msg), Report::line)
    };
    if enrolled.archived.is_none() {
        report.warnings.push(
            "unknown whether its private key is archived; use --force to archive a new key".into(),
        );
    }
    if !extra_names.is_empty() {
        report.warnings.push(format!(
            "the certificate has names that were not requested: {}{}",
            extra_names.join(", "),
            if can_force { "; use --force to replace it" } else { "" }
        ));
    }
    report.result(EnrollResult::Existing(Box::new(ExistingCertificate {
        nickname: enrolled.nickname.clone(),
        token: enrolled.token.clone(),
        has_key: enrolled.has_key,
        certificate: certificate_json(certificate),
        extra_names: extra_names.to_vec(),
    })))
}

fn certified(
    verb: &str,
    enrolled: &Enrolled,
    issued: &Issued,
    about_archive: Vec<String>,
) -> Report {
    let (certificate, token) = (&enrolled.certificate, &enrolled.token);
    let (status, done) = match (issued.recovered, &enrolled.before) {
        (true, _) => ("recovered", "recovered the certificate of an earlier run:"),
        (false, None) => ("issued", "issued"),
        (false, Some(_)) => ("renewed", "renewed"),
    };
    let msg = format!(
        "{done} {}, serial {}, valid until {}",
        certificate.subject,
        certificate.serial_hex(),
        certificate.until()
    );
    let mut report = Report::done(verb, status, true, msg);
    let result = CertificateIssued {
        nickname: enrolled.nickname.clone(),
        token: token.clone(),
        has_key: enrolled.has_key,
        certificate: certificate_json(certificate),
        chain: chain_json(&issued.chain),
        imported_ca_nicknames: issued.imported_cas.clone(),
        missing_names: issued.missing_names.clone(),
        missing_usages: issued.missing_usages.iter().map(|u| u.name()).collect(),
        replaced_serial: replaced_serial(enrolled),
        old_removed: issued.removed.map(removed_word),
        trust_kept: issued.kept_trust.as_ref().map(|trust| trust.as_str().to_owned()),
        subject_replaced: issued.replaced_subject.is_some(),
        archived: enrolled.archived,
        response_signed: (!issued.recovered).then_some(!issued.unsigned),
        key: issued.key.as_ref().map(|key| RequestKey {
            key_id: keyid::to_hex(&key.id),
            key_id_signed: keyid::to_dogtag(&key.id),
            key_resumed: key.resumed,
            key_reused: key.reused,
        }),
    };
    if let Some(nickname) = &enrolled.nickname {
        let beside = if enrolled.has_key { "with its key" } else { "without a key" };
        report = report.line(format!("imported as {nickname:?} {beside} in token {token}"));
    }
    if issued.unsigned {
        report = report.line(
            "the response was not signed: the certificate is proven by its issuer's signature and its \
             key, and the server by TLS",
        );
    }
    if let Some(trust) = &issued.kept_trust {
        report = report.line(format!("kept the trust flags {}", trust.as_str()));
    }
    if let (Some(removed), Some(serial)) = (issued.removed, replaced_serial(enrolled)) {
        let and_key = if removed == RemoveOld::CertificateAndKey { " and its key" } else { "" };
        report = report.line(format!("removed the old certificate, serial {serial}{and_key}"));
    }
    for name in &issued.imported_cas {
        report = report.line(format!("imported CA certificate {name:?} without trust flags"));
    }
    if let Some(path) = &issued.chain_file {
        report = report.line(chain_written(path));
    }
    match enrolled.archived {
        Some(true) => report = report.line("the private key is archived in the KRA"),
        Some(false) => {}
        None => report.warnings.push(
            "unknown whether the private key is archived: an earlier run sent the request".into(),
        ),
    }
    if let Some(key) = &issued.key {
        let of = match (key.reused, key.resumed) {
            (true, _) => ", that of the old certificate",
            (false, true) => ", from an unfinished request",
            (false, false) => "",
        };
        report = report.line(format!("key id {}{of}", keyid::to_hex(&key.id)));
    }
    if enrolled.nickname.is_none() && issued.chain_file.is_none() {
        // The report is the only copy of this certificate.
        report = report.line(pem::certificates(&certificate.der, &issued.chain).trim_end());
    }
    if !issued.missing_names.is_empty() {
        report.warnings.push(format!(
            "the certificate lacks requested names: {}; the profile decides which names it gets",
            issued.missing_names.join(", ")
        ));
    }
    if !issued.missing_usages.is_empty() {
        let usages: Vec<&str> = issued.missing_usages.iter().map(|usage| usage.name()).collect();
        report.warnings.push(format!(
            "the certificate is not for the usage {}; the profile decides that",
            usages.join(", ")
        ));
    }
    if let Some(issuer) = &issued.other_issuer {
        report
            .warnings
            .push(format!("the certificate has another issuer than requested: {issuer}"));
    }
    if let Some(subject) = &issued.replaced_subject {
        report
            .warnings
            .push(format!("the CA changed the subject {subject} to {}", certificate.subject));
    }
    report.warnings.extend(about_archive);
    report.result(EnrollResult::Issued(Box::new(result)))
}

fn chain_written(path: &Path) -> String {
    format!("certificate chain written to {}", path.display())
}

/// Returns the serial number of the certificate that was replaced.
fn replaced_serial(enrolled: &Enrolled) -> Option<String> {
    enrolled.before.as_ref()?.serial.as_ref().map(Number::hex)
}

fn removed_word(removed: RemoveOld) -> &'static str {
    match removed {
        RemoveOld::Certificate => "cert",
        RemoveOld::CertificateAndKey => "cert_and_key",
    }
}
