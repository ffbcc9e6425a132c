//! `nss-cmc pkcs12 export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::count;
use crate::cli::args::{DatabaseArgs, Pkcs12PasswordArgs};
use crate::cli::report::{Certificate, Report, certificate_json};
use nss_cmc::certificate::summary;
use nss_cmc::client::pkcs12::{self, ExportSpec, ExportedEntry};
use nss_cmc::error::Result;
use nss_cmc::keyid;
use nss_cmc::text::printable;

const FILE: &str = "PKCS #12 file";

const EXAMPLES: &str = "\
Example:
  nss-cmc pkcs12 export backup.p12 Server-Cert -d /etc/httpd/alias --password-file pin.txt \\
    --pkcs12-password-file p12.txt";

/// Algorithms of the file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encryption {
    /// AES-256-CBC, HMAC with SHA-256
    Aes,
    /// Like aes, but keys use AES key wrap with padding (RFC 5649), as in files of Dogtag's KRA
    AesKwp,
    /// Triple DES and SHA-1, for old software that reads nothing else, such as Dogtag 10
    Legacy,
}

impl From<Encryption> for pkcs12::Encryption {
    fn from(word: Encryption) -> pkcs12::Encryption {
        match word {
            Encryption::Aes => pkcs12::Encryption::Aes256,
            Encryption::AesKwp => pkcs12::Encryption::Aes256Kwp,
            Encryption::Legacy => pkcs12::Encryption::Legacy,
        }
    }
}

/// Arguments of `pkcs12 export`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// File for keys and certificates
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Nicknames of the certificates; of several with one nickname, all are exported
    #[arg(value_name = "NICKNAME", required = true)]
    nicknames: Vec<String>,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    pkcs12: Pkcs12PasswordArgs,

    /// Algorithms of the file
    #[arg(long, value_name = "ALGORITHMS", value_enum, default_value = "aes", help_heading = FILE)]
    encryption: Encryption,

    /// Do not export private keys
    #[arg(long, help_heading = FILE)]
    no_keys: bool,

    /// Do not export the issuers' certificates
    #[arg(long, help_heading = FILE)]
    no_chain: bool,

    /// Store the trust flags in the file, as Dogtag does
    #[arg(long, help_heading = FILE)]
    with_trust: bool,

    /// Replace the file if it exists
    #[arg(long, help_heading = FILE)]
    overwrite: bool,
}

impl ExportArgs {
    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        self.database.warnings(self.pkcs12.pkcs12_password_file.as_deref())
    }
}

/// Result of `pkcs12 export`.
#[derive(Serialize, JsonSchema)]
pub struct FileExported {
    file: String,
    entries: Vec<EntryExported>,
}

#[derive(Serialize, JsonSchema)]
struct EntryExported {
    nickname: Option<String>,
    /// Null if it can't be decoded.
    certificate: Option<Certificate>,
    /// Id of its key, if that was exported.
    key_id: Option<String>,
}

/// Runs `pkcs12 export`.
///
/// # Errors
/// As [`pkcs12::export`].
pub fn run(args: ExportArgs) -> Result<Report> {
    let spec = ExportSpec {
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        password: args.pkcs12.read(true)?,
        file: args.file,
        nicknames: args.nicknames,
        encryption: args.encryption.into(),
        chain: !args.no_chain,
        keys: !args.no_keys,
        trust: args.with_trust,
        overwrite: args.overwrite,
    };
    let exported = pkcs12::export(&spec)?;
    let all = &exported.entries;
    let keys = all.iter().filter(|e| e.key_id.is_some()).count();
    let file = spec.file.display();
    let what = format!("{} and {}", count(keys, "key"), count(all.len(), "certificate"));
    let mut report =
        Report::done("pkcs12 export", "exported", true, format!("exported {what} to {file}"))
            .result(FileExported {
                file: file.to_string(),
                entries: all.iter().map(entry_json).collect(),
            });
    for entry in all {
        let name = printable(entry.nickname.as_deref().unwrap_or("(no nickname)"));
        let key = if entry.key_id.is_some() { "key and certificate" } else { "certificate" };
        report.lines.push(format!("  {name}: {key}"));
    }
    Ok(report.closed(exported.not_closed.map_or(Ok(()), Err)))
}

fn entry_json(entry: &ExportedEntry) -> EntryExported {
    EntryExported {
        nickname: entry.nickname.clone(),
        certificate: summary(&entry.der).map(|s| certificate_json(&s)).ok(),
        key_id: entry.key_id.as_deref().map(keyid::to_hex),
    }
}
