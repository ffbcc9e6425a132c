//! `nss-cmc cert import`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::PasswordArgs;
use crate::cli::enroll::{event_text, trust};
use crate::cli::report::{Certificate, Report, certificate_json};
use nss_cmc::certificate::summary;
use nss_cmc::client::cert_file::{certificates, leaf_first};
use nss_cmc::client::cert_import::{
    CertImportSpec, CertImported, Certificates, Notice, Order, Source, cert_import,
};
use nss_cmc::client::input;
use nss_cmc::error::Result;
use nss_cmc::nss::{Trust, Usage};

/// Headings of the options.
const DATABASE: &str = "Database";
const CHAIN: &str = "Chain";

const UNSAFE: &str = "--unsafe-trust-then-verify: the trust flags are set before the certificates \
                      are verified, so the verification relies on them";

const EXAMPLES: &str = "\
All certificates are verified before anything is written. The trust flags are set last, and the
verification does not rely on them, except for a self-signed CA: compare its fingerprint yourself. A
failure changes nothing. Not checked: OCSP. CRLs are checked only if they are in the database.

Examples:
  Trust a root CA:
    nss-cmc cert import ca.pem -d DIR --password-file pin.txt --nickname CA --trust CT,C,C

  Import a server certificate whose key is in the database; its extKeyUsage names the usage:
    nss-cmc cert import www.pem -d DIR --password-file pin.txt --nickname Server-Cert

  Import the certificate of another user with its chain, as CMCResponse -o writes it:
    nss-cmc cert import alice.p7b -d DIR --password-file pin.txt --nickname alice --usage client

Usages: client, server, ca, any-ca, email-signer, email-recipient, ocsp-responder,
object-signer, ipsec, or certutil's letters C V L A S R O J I.";

/// Arguments of `cert import`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// File with the certificate, with or without its chain: DER, PEM, base64 or PKCS #7; `-` is
    /// standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Nickname for the certificate
    #[arg(long, value_name = "NICKNAME")]
    nickname: String,

    /// Usage that it must be valid for. Default: its extKeyUsage, if its key is in the database
    #[arg(long, value_name = "USAGE", value_parser = usage)]
    usage: Option<Usage>,

    /// Trust flags for TLS, e-mail and code. Required for a CA: CT,C,C trusts it for everything, `,,`
    /// stores it without trust
    #[arg(long, value_name = "FLAGS", value_parser = trust)]
    trust: Option<Trust>,

    /// Usage that the issuers in the file must be valid for. Default with --chain-trust: ca
    #[arg(long, value_name = "USAGE", value_parser = usage, help_heading = CHAIN)]
    chain_usage: Option<Usage>,

    /// Trust flags for the issuers in the file. Default: no trust
    #[arg(long, value_name = "FLAGS", value_parser = trust, help_heading = CHAIN)]
    chain_trust: Option<Trust>,

    /// Set the trust flags before the certificates are verified, so that the verification relies on
    /// them. If it fails, the changes are rolled back
    #[arg(long)]
    unsafe_trust_then_verify: bool,

    /// NSS database directory (cert9.db, key4.db)
    #[arg(short = 'd', long, value_name = "DIR", help_heading = DATABASE)]
    database: String,

    /// PKCS #11 token for the certificate; chain and trust flags go to the database's own token
    #[arg(long, value_name = "NAME", default_value = "internal", help_heading = DATABASE)]
    token: String,

    #[command(flatten, next_help_heading = DATABASE)]
    password: PasswordArgs,

    /// Verify the certificates and report what would be done; write nothing
    #[arg(long, conflicts_with = "unsafe_trust_then_verify")]
    check: bool,

    /// Timeout for another run on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = DATABASE)]
    lock_timeout: u64,
}

impl ImportArgs {
    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.password.warnings(Some(&self.database));
        said.extend(self.unsafe_trust_then_verify.then(|| UNSAFE.to_owned()));
        said
    }
}

/// Parses a usage: a name, or certutil's letter.
///
/// # Errors
/// A sentence for clap.
pub fn usage(text: &str) -> std::result::Result<Usage, String> {
    let mut letters = text.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    Usage::from_name(text).or_else(|| letter.and_then(Usage::from_letter)).ok_or_else(|| {
        let names = Usage::ALL.map(Usage::name).join(", ");
        format!("the usages are {names}, or certutil's letters C V L A S R O J I")
    })
}

/// Result of `cert import`.
#[derive(Serialize, JsonSchema)]
pub struct CertificateImported {
    nickname: String,
    /// The usage that it is valid for.
    usage: &'static str,
    /// Whether its key is in the database.
    has_key: bool,
    /// Whether it was added; otherwise it was there.
    added: bool,
    /// The trust flags that were set.
    trust_set: Option<String>,
    certificate: Certificate,
    /// Its issuers in the file.
    chain: Vec<ChainMember>,
}

#[derive(Serialize, JsonSchema)]
struct ChainMember {
    nickname: String,
    added: bool,
    trust_set: Option<String>,
    certificate: Certificate,
}

/// Runs `cert import`.
///
/// # Errors
/// As [`cert_import`].
pub fn run(args: ImportArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let bytes = input::read("the certificate", &args.file)?;
    let what = format!("the certificate {}", args.file.display());
    let order = match args.unsafe_trust_then_verify {
        true => Order::TrustFirst,
        false => Order::VerifyFirst,
    };
    let spec = CertImportSpec {
        passwords: args.password.passwords(),
        database: args.database,
        token: args.token,
        certificates: Certificates {
            source: Source::Certificates(leaf_first(&what, certificates(&what, &bytes)?)?),
            leaf_only: false,
            nickname: args.nickname,
            usage: args.usage,
            trust: args.trust,
            chain_usage: args.chain_usage,
            chain_trust: args.chain_trust,
            order,
        },
        check: args.check,
        lock_timeout: Duration::from_secs(args.lock_timeout),
    };
    report(cert_import(spec, &mut |event| tell(&event_text(&event)))?, args.check)
}

fn report(imported: CertImported, check: bool) -> Result<Report> {
    let (nickname, usage) = (&imported.nickname, imported.usage.name());
    let changed = imported.is_changed();
    let (status, msg) = match (imported.added, changed) {
        (true, _) if check => {
            ("would_import", format!("would import {nickname:?}, valid for {usage}"))
        }
        (false, true) if check => (
            "would_complete",
            format!("would complete the import of {nickname:?}, valid for {usage}"),
        ),
        (true, _) => ("imported", format!("imported {nickname:?}, valid for {usage}")),
        (false, true) => {
            ("completed", format!("completed the import of {nickname:?}, valid for {usage}"))
        }
        (false, false) => (
            "unchanged",
            format!("nothing to do: {nickname:?} is in the database, valid for {usage}"),
        ),
    };
    let of = summary(&imported.certificate)?;
    let mut report = Report::done("cert import", status, changed, msg)
        .line(format!("subject: {}", of.subject))
        .line(format!("issuer: {}", of.issuer))
        .line(format!("serial: {}", of.serial_hex()))
        .line(format!("valid until: {}", of.until()))
        .line(format!(
            "key: {}",
            if imported.has_key { "in the database" } else { "not in the database" }
        ));
    if let Some(trust) = &imported.trust_set {
        report = report.line(format!("trust: {} set", trust.as_str()));
    }
    let mut chain = Vec::new();
    for member in &imported.chain {
        let trust = member.trust_set.as_ref().map(Trust::as_str);
        let what = match (member.added, trust) {
            (true, None) => "imported without trust".to_owned(),
            (true, Some(trust)) => format!("imported, trust {trust} set"),
            (false, None) => "already present".to_owned(),
            (false, Some(trust)) => format!("already present, trust {trust} set"),
        };
        report = report.line(format!("chain: {:?} {what}", member.nickname));
        chain.push(ChainMember {
            nickname: member.nickname.clone(),
            added: member.added,
            trust_set: trust.map(ToOwned::to_owned),
            certificate: certificate_json(&summary(&member.certificate)?),
        });
    }
    let result = CertificateImported {
        nickname: imported.nickname.clone(),
        usage,
        has_key: imported.has_key,
        added: imported.added,
        trust_set: imported.trust_set.as_ref().map(|trust| trust.as_str().to_owned()),
        certificate: certificate_json(&of),
        chain,
    };
    let mut report = report.result(result);
    for notice in imported.notices {
        match notice {
            Notice::NotClosed(e) => report = report.closed(Err(e)),
            notice => report.warnings.push(notice_text(&notice)),
        }
    }
    Ok(report)
}

/// Returns the text of a notice.
pub fn notice_text(notice: &Notice) -> String {
    match notice {
        Notice::TrustMakesCa(nickname) => {
            format!(
                "{nickname:?} is not a CA, but the trust flags c, C and T make NSS treat it as one"
            )
        }
        Notice::LeftOut(der) => {
            let subject = summary(der).map_or_else(|_| "(unreadable name)".into(), |s| s.subject);
            format!("{subject} is not an issuer of the certificate and was left out")
        }
        Notice::NotClosed(e) => e.to_string(),
    }
}
