//! `nss-cmc cert trust`.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::WhichArgs;
use crate::cli::args::ChangeArgs;
use crate::cli::enroll::{event_text, trust};
use crate::cli::report::Report;
use nss_cmc::client::store::certificates::set_trust;
use nss_cmc::error::Result;
use nss_cmc::keyid;
use nss_cmc::nss::Trust;

/// Arguments of `cert trust`.
#[derive(Args)]
#[command(
    after_help = "The three fields are for TLS, e-mail and code. C: CA trusted for server certificates; \
                  T: CA trusted for client certificates; c: CA, not trusted; P: this certificate itself \
                  is trusted; p: not trusted; u: NSS sets it if the database has the key.\n\n\
                  Examples:\n  nss-cmc cert trust CA --flags CT,C,C -d DIR --password-file pin.txt\n  \
                  nss-cmc cert trust 'Old CA' --flags ,, -d DIR --password-file pin.txt"
)]
pub struct TrustArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// The new trust flags, as for certutil: CT,C,C; `,,` for none
    #[arg(long, value_name = "FLAGS", value_parser = trust)]
    flags: Trust,

    #[command(flatten)]
    pub(super) change: ChangeArgs,
}

/// Result of `cert trust`.
#[derive(Serialize, JsonSchema)]
pub struct TrustChanged {
    nickname: Option<String>,
    token: String,
    /// SHA-256 of the certificate in hexadecimal.
    sha256: String,
    /// The trust flags now.
    trust: String,
    /// The trust flags before.
    trust_before: String,
}

/// Runs `cert trust`.
///
/// # Errors
/// As [`set_trust`].
pub fn run(args: &TrustArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let passwords = args.change.store.password.passwords();
    let mut events = |event| tell(&event_text(&event));
    let spec = args.change.spec(&passwords, false, &mut events);
    let changed = set_trust(spec, &args.which.which(), &args.flags)?;
    let entry = &changed.certificate;
    let nickname = entry.nickname.as_deref().unwrap_or("(none)");
    let (status, msg) = match changed.changed {
        true => (
            "changed",
            format!(
                "trust flags of {nickname:?} set to {}, before: {}",
                changed.trust, entry.trust
            ),
        ),
        false => (
            "unchanged",
            format!("nothing to do: {nickname:?} has the trust flags {}", changed.trust),
        ),
    };
    let report = Report::done("cert trust", status, changed.changed, msg).result(TrustChanged {
        nickname: entry.nickname.clone(),
        token: entry.token.clone(),
        sha256: keyid::to_hex(&entry.fingerprint),
        trust: changed.trust.to_string(),
        trust_before: entry.trust.clone(),
    });
    Ok(report.closed(changed.not_closed.map_or(Ok(()), Err)))
}
