//! `nss-cmc cert export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::WhichArgs;
use crate::cli::args::StoreArgs;
use crate::cli::report::{Report, chain_json};
use nss_cmc::client::output::{self, Mode};
use nss_cmc::client::store::certificates;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::{keyid, pem};

/// Arguments of `cert export`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  nss-cmc cert export Server-Cert -d DIR --chain --out www.pem\n  \
                        nss-cmc cert export CA -d DIR | openssl x509 -noout -text"
)]
pub struct ExportArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Add its issuers, nearest first, as far as the database has them
    #[arg(long)]
    chain: bool,

    /// Format of the output
    #[arg(long, value_enum, default_value = "pem")]
    format: Format,

    /// File for the certificate. Default: standard output
    #[arg(long, value_name = "FILE", required_if_eq("format", "der"))]
    pub(super) out: Option<PathBuf>,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// PEM, one block for each certificate
    Pem,
    /// DER, without --chain
    Der,
}

/// Result of `cert export`.
#[derive(Serialize, JsonSchema)]
pub struct Exported {
    nickname: Option<String>,
    token: String,
    /// SHA-256 of the certificate in hexadecimal.
    sha256: String,
    pem: String,
    /// With --chain: its issuers as PEM, nearest first.
    chain: Vec<String>,
    /// The file that was written.
    out: Option<String>,
}

/// Runs `cert export`.
///
/// # Errors
/// As [`certificates::find_one`]; those of the output.
pub fn run(args: &ExportArgs) -> Result<Report> {
    if args.chain && args.format == Format::Der {
        return Err(Error::new(Kind::Usage, "--format der cannot be used with --chain")
            .hint("use --format pem"));
    }
    let passwords = args.store.password.passwords();
    let spec = args.store.spec(&passwords, false);
    let (entry, not_closed) = certificates::find_one(&spec, &args.which.which())?;
    let chain = if args.chain { entry.issuers.as_slice() } else { &[] };
    let text = pem::certificates(&entry.der, chain);
    let nickname = entry.nickname.as_deref().unwrap_or("(none)");
    let msg = match &args.out {
        None => text.trim_end().to_owned(),
        Some(path) => {
            let content = if args.format == Format::Der { &entry.der } else { text.as_bytes() };
            output::write(path, content, Mode::Default)?;
            let more =
                if args.chain { format!(" and {} issuers", chain.len()) } else { String::new() };
            format!("wrote {nickname:?}{more} to {}", path.display())
        }
    };
    let mut report = Report::done("cert export", "exported", args.out.is_some(), msg);
    report = report.result(Exported {
        nickname: entry.nickname.clone(),
        token: entry.token.clone(),
        sha256: keyid::to_hex(&entry.fingerprint),
        pem: pem::encode("CERTIFICATE", &entry.der),
        chain: chain_json(chain),
        out: args.out.as_ref().map(|path| path.display().to_string()),
    });
    Ok(report.closed(not_closed.map_or(Ok(()), Err)))
}
