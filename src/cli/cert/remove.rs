//! `nss-cmc cert remove`.

use chrono::Utc;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::WhichArgs;
use super::list::{Stored, entry_json};
use crate::cli::args::ChangeArgs;
use crate::cli::confirm::confirm;
use crate::cli::enroll::event_text;
use crate::cli::report::Report;
use nss_cmc::client::store::certificates::{CertEntry, remove};
use nss_cmc::error::Result;
use nss_cmc::keyid;

/// Arguments of `cert remove`.
#[derive(Args)]
#[command(
    after_help = "The trust flags are removed, too. The private key stays; `key remove` removes it. If \
                  several certificates have the nickname, select one with --serial or --fingerprint.\n\n\
                  Example:\n  nss-cmc cert remove Server-Cert --serial 0x1f -d DIR \\\n    \
                  --password-file pin.txt --yes"
)]
pub struct RemoveArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    pub(super) change: ChangeArgs,
}

/// Result of `cert remove`.
#[derive(Serialize, JsonSchema)]
pub struct CertificateRemoved {
    certificate: Stored,
    /// The tokens that had it.
    tokens: Vec<String>,
}

/// Runs `cert remove`.
///
/// # Errors
/// As [`remove`].
pub fn run(args: &RemoveArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let passwords = args.change.store.password.passwords();
    let mut events = |event| tell(&event_text(&event));
    let spec = args.change.spec(&passwords, false, &mut events);
    let removed = remove(spec, &args.which.which(), |entry, tokens| {
        confirm(&format!("Remove {} {}?", described(entry), from(tokens)), args.yes)
    })?;
    let entry = &removed.certificate;
    let msg = format!("removed {} {}", described(entry), from(&removed.tokens));
    let mut report = Report::done("cert remove", "removed", true, msg).result(CertificateRemoved {
        certificate: entry_json(entry, Utc::now()),
        tokens: removed.tokens.clone(),
    });
    if let Some(id) = &entry.key_id {
        report = report.line(format!("its private key stays, id {}", keyid::to_hex(id)));
    }
    Ok(report.closed(removed.not_closed.map_or(Ok(()), Err)))
}

fn from(tokens: &[String]) -> String {
    let tokens: Vec<String> = tokens.iter().map(|token| format!("{token:?}")).collect();
    match tokens.as_slice() {
        [one] => format!("from token {one}"),
        all => format!("from tokens {}", all.join(", ")),
    }
}

fn described(entry: &CertEntry) -> String {
    let nickname = entry.nickname.as_deref().unwrap_or("(none)");
    match &entry.summary {
        None => format!("the certificate {nickname:?}"),
        Some(of) => format!(
            "the certificate {nickname:?} of {}, serial {}, valid until {}",
            of.subject,
            of.serial_hex(),
            of.until()
        ),
    }
}
