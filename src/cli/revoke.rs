//! `nss-cmc revoke`: revokes a certificate, puts it on hold, or takes it off hold.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{ArgGroup, Args};
use serde_json::json;

use super::args::{ConnectArgs, DatabaseArgs, SharedSecretArgs};
use crate::cli::report::Report;
use nss_cmc::Number;
use nss_cmc::client::connection::Config;
use nss_cmc::client::dogtag::records::State;
use nss_cmc::client::revoke::{
    Action, Allow, Authority, By, Notice, Outcome, Pick, Protection, RevokeSpec, Revoked, Source,
    Target, reason_name, revoke,
};
use nss_cmc::cmc::control::CrlReason;
use nss_cmc::cmc::control::reason;
use nss_cmc::error::{Error, Kind, Result};

/// Arguments of `revoke`.
#[derive(Args)]
#[command(
    group(
        ArgGroup::new("which").required(true).multiple(true).args(["nickname", "serial", "cert"])
    ),
    group(ArgGroup::new("what").args(["reason", "hold", "release"])),
    after_help = "Examples:\n  nss-cmc revoke -d DIR --password-file pin.txt --ca https://ca:8443 \\\n    \
                  --signer caadmin --serial 0x1f --reason keyCompromise\n  nss-cmc revoke … \
                  --nickname mine                    (its owner signs)\n  nss-cmc revoke … \
                  --nickname mine --serial 0x1f      (one of several)\n  nss-cmc revoke … --cert \
                  lost.pem --shared-secret-file s    (nobody signs)\n  nss-cmc revoke … --serial \
                  0x1f --signer caadmin --dry-run    (looks it up, revokes nothing)"
)]
pub struct RevokeArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    /// The certificate with this nickname; without --signer its own key signs
    #[arg(long, value_name = "NICKNAME")]
    nickname: Option<String>,

    /// The certificate with this serial number (decimal, or 0x and hexadecimal); with --nickname the
    /// one of several under it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    serial: Option<String>,

    /// Issuer of --serial; the signer's when absent
    #[arg(long, value_name = "DN", requires = "serial", conflicts_with = "nickname")]
    issuer: Option<String>,

    /// The certificate in this file; with --nickname the one of several under it
    #[arg(long, value_name = "FILE", conflicts_with = "serial")]
    cert: Option<PathBuf>,

    /// Nickname of the agent's or owner's certificate that signs
    #[arg(long, value_name = "NICKNAME")]
    signer: Option<String>,

    #[command(flatten)]
    shared_secret: SharedSecretArgs,

    /// Ask for the shared secret on the terminal
    #[arg(long, conflicts_with = "signer")]
    ask_shared_secret: bool,

    /// Why: unspecified, keyCompromise, caCompromise, affiliationChanged, superseded,
    /// cessationOfOperation, certificateHold, removeFromCRL, privilegeWithdrawn, aACompromise
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    /// Put it on hold, which --release undoes
    #[arg(long)]
    hold: bool,

    /// Make a certificate on hold valid again (agents only)
    #[arg(long)]
    release: bool,

    /// Look the certificate up and say what would be done; nothing is changed
    #[arg(long)]
    dry_run: bool,

    /// Revoke even a certificate of a CA or of its subsystems (OCSP, audit, KRA, its server)
    #[arg(long)]
    allow_ca: bool,

    /// Revoke even the signer's own certificate when --serial names it
    #[arg(long)]
    allow_signer: bool,

    /// Revoke even a certificate of which neither the CA's REST interface nor the database tells
    /// anything
    #[arg(long)]
    allow_unseen: bool,

    /// The key can't be relied on since now
    #[arg(long)]
    invalidity_now: bool,

    /// Text for the CA's records
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,

    /// Profile whose authentication is used [default: caFullCMCUserCert for agents,
    /// caFullCMCUserSignedCert for owners and shared secrets]
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
}

impl RevokeArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        self.database.warnings(self.shared_secret.shared_secret_file.as_deref())
    }
}

/// Runs `revoke`.
///
/// # Errors
/// As [`revoke`].
pub fn run(args: RevokeArgs) -> Result<Report> {
    let by_secret = args.ask_shared_secret || args.shared_secret.source().is_some();
    if by_secret && args.signer.is_some() {
        return Err(Error::new(Kind::Usage, "--signer and a shared secret exclude each other")
            .hint("the CA refuses a signed request with a shared secret inside"));
    }
    let authority = if by_secret {
        Authority::SharedSecret(args.shared_secret.read()?)
    } else {
        let signer = args.signer.or_else(|| args.nickname.clone());
        Authority::Signer(signer.ok_or_else(|| {
            Error::new(Kind::Usage, "no signer given: use --signer or a shared secret")
                .hint("give --signer NICKNAME, or a shared secret: --shared-secret-file FILE")
        })?)
    };
    let target = match (args.nickname, args.cert, args.serial) {
        (Some(nickname), Some(path), _) => Target::Nickname(nickname, Some(Pick::File(path))),
        (Some(nickname), None, Some(serial)) => {
            Target::Nickname(nickname, Some(Pick::Serial(Number::parse(&serial)?)))
        }
        (Some(nickname), None, None) => Target::Nickname(nickname, None),
        (None, Some(path), _) => Target::File(path),
        (None, None, serial) => {
            Target::Serial(Number::parse(&serial.unwrap_or_default())?, args.issuer)
        }
    };
    let action = if args.release {
        Action::Release
    } else if args.hold {
        Action::Revoke(Some(CrlReason::CertificateHold))
    } else {
        Action::Revoke(args.reason.as_deref().map(reason).transpose()?)
    };
    let allow = Allow { ca: args.allow_ca, signer: args.allow_signer, unseen: args.allow_unseen };
    let revoked = revoke(RevokeSpec {
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        target,
        authority,
        action,
        allow,
        dry_run: args.dry_run,
        invalidity: args.invalidity_now.then(|| chrono::Utc::now().timestamp()),
        comment: args.comment,
        connection: Config { profile: args.profile, ..args.connect.config()? },
    })?;
    Ok(report(revoked))
}

/// Returns a warning.
fn notice(notice: &Notice, revoked: &Revoked) -> String {
    let number = revoked.serial.hex();
    match notice {
        Notice::Permitted(why @ Protection::Signer) => {
            format!("--allow-signer: {} is {why}", revoked.title())
        }
        Notice::Permitted(why) => format!("--allow-ca: {} is {why}", revoked.title()),
        Notice::Unseen => format!("--allow-unseen: nothing is known of the certificate {number}"),
        Notice::NotRecorded => format!("the CA's records have no certificate {number}"),
        Notice::ReasonUnspecified(reason) => {
            format!("the CA records the reason {} as unspecified", reason_name(*reason))
        }
        Notice::ReasonUnknown(reason) => {
            let name = reason_name(*reason);
            format!("the CA's records do not say whether the reason is {name}")
        }
        Notice::Unverified(why) => format!(
            "unverified: the CA's status is success, but its records cannot be asked: {why}"
        ),
        Notice::NotClosed(why) => why.to_string(),
    }
}

fn report(revoked: Revoked) -> Report {
    let title = revoked.title();
    let reason = revoked.reason.map(reason_name);
    let because = reason.map_or(String::new(), |reason| format!(", reason {reason}"));
    let (status, msg) = match (revoked.outcome, &revoked.state) {
        (Outcome::Revoked, _) => ("revoked", format!("revoked {title}{because}")),
        (Outcome::Held, _) => ("held", format!("put on hold {title}{because}")),
        (Outcome::Released, _) => ("released", format!("released {title}: it is valid again")),
        (Outcome::Unchanged, None | Some(State::Valid)) => {
            ("unchanged", format!("{title} is valid; there is nothing to release"))
        }
        (Outcome::Unchanged, Some(state)) => ("unchanged", format!("{title} is {state} already")),
        (Outcome::DryRun, _) => {
            let what = match revoked.reason {
                None => "release",
                Some(CrlReason::CertificateHold) => "put on hold",
                Some(_) => "revoke",
            };
            ("dry_run", format!("dry run: would {what} {title}{because}"))
        }
    };
    let changed = matches!(revoked.outcome, Outcome::Revoked | Outcome::Held | Outcome::Released);
    let shown = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".into());
    let mut report = Report::done("revoke", status, changed, msg)
        .line(format!("subject: {}", shown(&revoked.subject)))
        .line(format!("issuer: {}", shown(&revoked.issuer)));
    if let Some((_, until)) = revoked.validity {
        report = report.line(format!("valid until: {}", until.format("%Y-%m-%d %H:%M:%S UTC")));
    }
    let state = revoked.state.as_ref();
    if let (Some(state), None | Some(true)) = (state, revoked.verified) {
        report = report.line(format!("state at the CA: {state}"));
    }
    let moment = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
    let seen_in = revoked.seen_in.map(|source| match source {
        Source::Database => "database",
        Source::File => "file",
        Source::Ca => "ca",
    });
    let by = match revoked.by {
        By::Owner => "owner",
        By::Agent => "agent",
        By::SharedSecret => "shared_secret",
    };
    report.warnings = revoked.notices.iter().map(|n| notice(n, &revoked)).collect();
    report.result(json!({
        "serial": { "hex": revoked.serial.hex(), "dec": revoked.serial.to_string() },
        "issuer": revoked.issuer,
        "subject": revoked.subject,
        "not_before": revoked.validity.map(|(begin, _)| moment(begin)),
        "not_after": revoked.validity.map(|(_, end)| moment(end)),
        "seen_in": seen_in,
        "reason": reason,
        "by": by,
        "profile": revoked.profile,
        "state": state.map(State::word),
        "recorded_reason": state.and_then(State::reason),
        "verified": revoked.verified,
    }))
}
