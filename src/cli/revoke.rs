//! `nss-cmc revoke`: revokes a certificate, puts it on hold, or takes it off hold.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{DatabaseArgs, SharedSecretArgs};
use super::connect_args::ConnectArgs;
use crate::cli::report::{Report, Serial, Time, serial_json, time};
use nss_cmc::Number;
use nss_cmc::client::connection::Config;
use nss_cmc::client::dogtag::records::State;
use nss_cmc::client::revoke::{
    Action, Allow, Authority, By, Notice, Outcome, Pick, Protection, RevokeSpec, Revoked, Source,
    Target, revoke,
};
use nss_cmc::cmc::revocation_reason::{CrlReason, REASONS, reason, reason_name};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::exposed;

/// Arguments of `revoke`.
#[derive(Args)]
#[command(
    group(
        ArgGroup::new("which").required(true).multiple(true).args(["nickname", "serial", "cert"])
    ),
    group(ArgGroup::new("what").args(["reason", "hold", "release"])),
    after_help = "Examples:\n  nss-cmc revoke -d DIR --password-file pin.txt --ca https://ca:8443 \\\n    \
                  --signer caadmin --serial 0x1f --reason keyCompromise\n  nss-cmc revoke … \
                  --nickname mine                    (signed by its owner)\n  nss-cmc revoke … \
                  --nickname mine --serial 0x1f      (one of several)\n  nss-cmc revoke … --cert \
                  lost.pem --shared-secret-file s    (no signer)\n  nss-cmc revoke … --serial \
                  0x1f --signer caadmin --dry-run    (looks it up only)"
)]
pub struct RevokeArgs {
    /// Nickname of the certificate to revoke; without --signer its own key signs the request
    #[arg(long, value_name = "NICKNAME")]
    nickname: Option<String>,

    /// Serial number of the certificate to revoke (decimal, or 0x and hexadecimal); with --nickname,
    /// selects one of several certificates
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    serial: Option<String>,

    /// Issuer of the certificate with --serial; default: the signer's issuer
    #[arg(long, value_name = "DN", requires = "serial", conflicts_with = "nickname")]
    issuer: Option<String>,

    /// File with the certificate to revoke; with --nickname, selects one of several certificates
    #[arg(long, value_name = "FILE", conflicts_with = "serial")]
    cert: Option<PathBuf>,

    /// Nickname of the agent's or owner's certificate that signs the request
    #[arg(long, value_name = "NICKNAME", help_heading = "Authentication")]
    signer: Option<String>,

    /// NSS database with the signer's certificate and key, if not --database. It is only read. CAs that
    /// it trusts are trusted, too. Its line in the password file is signer-db:PASSWORD
    #[arg(long, value_name = "DIR", requires = "signer", help_heading = "Authentication")]
    signer_db: Option<String>,

    /// Ask for the shared secret on the terminal
    #[arg(long, conflicts_with = "signer", help_heading = "Authentication")]
    ask_shared_secret: bool,

    #[arg(long, value_name = "REASON", help = reason_help())]
    reason: Option<String>,

    /// Put the certificate on hold; --release undoes it
    #[arg(long)]
    hold: bool,

    /// Release the certificate from hold: it is valid again (agents only)
    #[arg(long)]
    release: bool,

    /// Look up the certificate and print what would be done; change nothing
    #[arg(long)]
    dry_run: bool,

    /// As --dry-run; in JSON, `changed` and `status` (`would_revoke`, `would_hold`, `would_release`)
    /// are the prediction
    #[arg(long)]
    check: bool,

    /// Allow the revocation of a certificate of a CA or of its subsystems (OCSP, audit, KRA, server)
    #[arg(long)]
    allow_ca: bool,

    /// Allow the revocation of the signer's own certificate by --serial
    #[arg(long)]
    allow_signer: bool,

    /// Allow the revocation of a certificate that is neither in the CA's records (REST) nor in the
    /// database
    #[arg(long)]
    allow_unseen: bool,

    /// Set the invalidity date to now: the time since which the key may be compromised
    #[arg(long)]
    invalidity_now: bool,

    /// Comment for the CA's records
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,

    /// Profile that authenticates the request [default: caFullCMCUserCert for agents,
    /// caFullCMCUserSignedCert for owners and shared secrets]
    #[arg(long, value_name = "ID")]
    profile: Option<String>,

    #[command(flatten, next_help_heading = "Authentication")]
    shared_secret: SharedSecretArgs,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

impl RevokeArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.database.warnings(self.shared_secret.shared_secret_file.as_deref());
        said.extend(self.signer_db.as_deref().and_then(exposed));
        said.extend(self.connect.est.warning());
        said
    }
}

/// Result of `revoke`.
#[derive(Serialize, JsonSchema)]
pub struct Revocation {
    serial: Serial,
    issuer: Option<String>,
    subject: Option<String>,
    not_before: Option<Time>,
    not_after: Option<Time>,
    /// Where the certificate was found.
    #[schemars(extend("enum" = ["ca", "database", "file", null]))]
    seen_in: Option<&'static str>,
    /// The requested reason; null for a release.
    reason: Option<String>,
    /// Who authenticates the request.
    #[schemars(extend("enum" = ["owner", "agent", "shared_secret"]))]
    by: &'static str,
    profile: Option<String>,
    /// The last state in the CA's records.
    state: Option<String>,
    recorded_reason: Option<String>,
    /// Whether the records show the requested state; null if they were not read again.
    verified: Option<bool>,
}

/// Runs `revoke`.
///
/// # Errors
/// As [`revoke`].
pub fn run(args: RevokeArgs) -> Result<Report> {
    let by_secret = args.ask_shared_secret || args.shared_secret.is_given();
    if by_secret && args.signer.is_some() {
        return Err(Error::new(Kind::Usage, "--signer cannot be used with a shared secret")
            .because("the CA refuses a signed request with a shared secret"));
    }
    let authority = if by_secret {
        Authority::SharedSecret(args.shared_secret.read()?)
    } else {
        let signer = args.signer.or_else(|| args.nickname.clone());
        Authority::Signer(signer.ok_or_else(|| {
            Error::new(Kind::Usage, "no signer and no shared secret given")
                .hint("add --signer NICKNAME or --shared-secret-file FILE")
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
        signer_database: args.signer_db,
        action,
        allow,
        dry_run: args.dry_run || args.check,
        invalidity: args.invalidity_now.then(|| chrono::Utc::now().timestamp()),
        comment: args.comment,
        connection: Config { profile: args.profile, ..args.connect.config()? },
    })?;
    Ok(report(revoked, args.check))
}

fn reason_help() -> String {
    let names: Vec<&str> = REASONS.iter().map(|(name, _)| *name).collect();
    format!("Revocation reason: {}", names.join(", "))
}

/// Returns a warning.
fn notice(notice: &Notice, revoked: &Revoked) -> String {
    let number = revoked.serial.hex();
    match notice {
        Notice::Permitted(why @ Protection::Signer) => {
            format!("--allow-signer: {} is {why}", revoked.title())
        }
        Notice::Permitted(why) => format!("--allow-ca: {} is {why}", revoked.title()),
        Notice::Unseen => format!("--allow-unseen: certificate {number} not found"),
        Notice::NotRecorded => format!("certificate {number} not found in the CA's records"),
        Notice::ReasonUnspecified(reason) => {
            format!("the CA recorded reason {} as unspecified", reason_name(*reason))
        }
        Notice::ReasonUnknown(reason) => {
            let name = reason_name(*reason);
            format!("the CA's records have no reason, expected {name}")
        }
        Notice::Unverified(why) => format!(
            "unverified: the CMC status is success, but the CA's records cannot be checked: {why}"
        ),
        Notice::NotClosed(why) => why.to_string(),
    }
}

fn report(revoked: Revoked, check: bool) -> Report {
    let title = revoked.title();
    let reason = revoked.reason.map(reason_name);
    let because = reason.map_or(String::new(), |reason| format!(", reason {reason}"));
    let (status, msg) = match (revoked.outcome, &revoked.state) {
        (Outcome::Revoked, _) => ("revoked", format!("revoked {title}{because}")),
        (Outcome::Held, _) => ("held", format!("put {title} on hold")),
        (Outcome::Released, _) => {
            ("released", format!("released {title} from hold: it is valid again"))
        }
        (Outcome::Unchanged, None | Some(State::Valid)) => {
            ("unchanged", format!("{title} is valid: nothing to release"))
        }
        (Outcome::Unchanged, Some(state)) => ("unchanged", format!("{title} is already {state}")),
        (Outcome::DryRun, _) => {
            let what = match revoked.reason {
                None => format!("release {title} from hold"),
                Some(CrlReason::CertificateHold) => format!("put {title} on hold"),
                Some(_) => format!("revoke {title}{because}"),
            };
            let status = match revoked.reason {
                _ if !check => "dry_run",
                None => "would_release",
                Some(CrlReason::CertificateHold) => "would_hold",
                Some(_) => "would_revoke",
            };
            (status, format!("dry run: would {what}"))
        }
    };
    let changed = match revoked.outcome {
        Outcome::Revoked | Outcome::Held | Outcome::Released => true,
        Outcome::Unchanged => false,
        Outcome::DryRun => check,
    };
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
    report.result(Revocation {
        serial: serial_json(&revoked.serial),
        issuer: revoked.issuer.clone(),
        subject: revoked.subject.clone(),
        not_before: revoked.validity.map(|(begin, _)| time(begin)),
        not_after: revoked.validity.map(|(_, end)| time(end)),
        seen_in,
        reason: reason.map(|reason| reason.to_string()),
        by,
        profile: revoked.profile.clone(),
        state: state.map(|state| state.word().to_owned()),
        recorded_reason: state.and_then(State::reason),
        verified: revoked.verified,
    })
}
