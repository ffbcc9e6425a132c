//! `nss-cmc pkcs12 import`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::count;
use crate::cli::args::{DatabaseArgs, Pkcs12PasswordArgs};
use crate::cli::enroll::{event_text, trust};
use crate::cli::report::{Certificate, Report, certificate_json};
use nss_cmc::certificate::summary;
use nss_cmc::client::pkcs12::{
    Become, CaTrust, Entry, Existing, Fingerprint, ImportSpec, Imported, Notice, Select, import,
};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::nss::Trust;
use nss_cmc::text::printable;

const FILE: &str = "PKCS #12 file";
const TRUST: &str = "Trust";

const EXAMPLES: &str = "\
Every key is decrypted and compared with its certificate before anything is written. CA certificates
get no trust without --trust-ca.

Examples:
  Import the administrator's certificate that the installation of Dogtag stores; afterwards `enroll
  --signer caadmin` works:
    nss-cmc pkcs12 import ca_admin_cert.p12 -d db --password-file pin.txt \\
      --pkcs12-password-file p12.txt --nickname caadmin --trust-ca --ca-file ca.pem

  Trust the CA by its fingerprint:
    nss-cmc pkcs12 import ca_admin_cert.p12 -d db --password-file pin.txt \\
      --trust-ca --ca-fingerprint 5F:3B:…:07";

/// Arguments of `pkcs12 import`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// The PKCS #12 file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    pkcs12: Pkcs12PasswordArgs,

    /// Nickname for the file's only key and its certificate. Default: its friendly name
    #[arg(long, value_name = "NICKNAME", help_heading = FILE)]
    nickname: Option<String>,

    /// Import only the entry with this friendly name (repeatable)
    #[arg(long, value_name = "NAME", help_heading = FILE)]
    only: Vec<String>,

    /// Import only certificates that have no key in the file
    #[arg(long, conflicts_with_all = ["no_chain", "nickname"], help_heading = FILE)]
    no_keys: bool,

    /// Import only certificates that have a key in the file
    #[arg(long, help_heading = FILE)]
    no_chain: bool,

    /// Delete other certificates under the same nickname; their keys stay
    #[arg(long, help_heading = FILE)]
    replace: bool,

    /// Trust the CA at the top of the chain (CT,C,C): the one of --ca-file or --ca-fingerprint, else
    /// the root in the PKCS #12 file or the database
    #[arg(long, help_heading = TRUST)]
    trust_ca: bool,

    /// File with the CA's certificate, with or without its chain: DER, PEM or PKCS #7
    #[arg(long, value_name = "FILE", requires = "trust_ca", help_heading = TRUST)]
    ca_file: Option<PathBuf>,

    /// SHA-256 fingerprint of the CA's certificate
    #[arg(long, value_name = "HEX", requires = "trust_ca", help_heading = TRUST)]
    ca_fingerprint: Option<String>,

    /// Trust flags for the certificates with keys; NSS adds u,u,u
    #[arg(long, value_name = "FLAGS", value_parser = trust, help_heading = TRUST)]
    trust: Option<Trust>,

    /// Apply the trust flags that Dogtag stores in its files
    #[arg(long, help_heading = TRUST)]
    trust_from_file: bool,

    /// Verify the file and report what would be done; write nothing
    #[arg(long)]
    check: bool,

    /// Timeout for another run on the same database, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Database")]
    lock_timeout: u64,
}

impl ImportArgs {
    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        self.database.warnings(self.pkcs12.pkcs12_password_file.as_deref())
    }
}

/// Result of `pkcs12 import`.
#[derive(Serialize, JsonSchema)]
pub struct FileImported {
    file: String,
    entries: Vec<EntryImported>,
    /// The CAs that the run trusts.
    trusted_cas: Vec<TrustedCa>,
}

#[derive(Serialize, JsonSchema)]
struct EntryImported {
    nickname: String,
    /// Null if it can't be decoded.
    certificate: Option<Certificate>,
    #[schemars(extend("enum" = ["added", "present"]))]
    certificate_status: &'static str,
    key_id: Option<String>,
    #[schemars(extend("enum" = ["added", "present", null]))]
    key_status: Option<&'static str>,
    /// The trust flags that were set.
    trust: Option<String>,
    /// Number of certificates that --replace deleted.
    replaced: usize,
}

#[derive(Serialize, JsonSchema)]
struct TrustedCa {
    subject: Option<String>,
    /// SHA-256 fingerprint.
    fingerprint: String,
    /// Whether --ca-file or --ca-fingerprint names it.
    named_by_user: bool,
}

/// Runs `pkcs12 import`.
///
/// # Errors
/// As [`import`].
pub fn run(args: ImportArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let fingerprint = args.ca_fingerprint.as_deref().map(Fingerprint::parse).transpose()?;
    let spec = ImportSpec {
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        password: args.pkcs12.read(false)?,
        file: args.file,
        select: Select { keys: !args.no_keys, certificates: !args.no_chain, names: args.only },
        existing: if args.replace { Existing::Replace } else { Existing::Refuse },
        rename: false,
        nickname: args.nickname,
        ca: CaTrust { trust: args.trust_ca, file: args.ca_file, fingerprint },
        trust_from_file: args.trust_from_file,
        trust: args.trust,
        chain_trust: None,
        check: args.check,
        lock_timeout: Duration::from_secs(args.lock_timeout),
    };
    let imported = import(&spec, &mut |event| tell(&event_text(&event)))?;
    if imported.entries.is_empty() {
        let what = format!("nothing to import found in the PKCS #12 file {}", spec.file.display());
        let error = Error::new(Kind::NotFound, what)
            .because("it has no certificate, or none of the selected ones")
            .hint("list its entries with: nss-cmc pkcs12 show FILE");
        return Err(imported.notices.iter().map(notice).fold(error, Error::note));
    }
    Ok(report(&imported, &spec))
}

fn report(imported: &Imported, spec: &ImportSpec<'_>) -> Report {
    let (file, database) = (spec.file.display(), &spec.database);
    let all = &imported.entries;
    let added = all.iter().filter(|e| e.certificate == Become::Added).count();
    let keys = all.iter().filter(|e| matches!(e.key, Some((_, Become::Added)))).count();
    let (status, msg) = match (imported.changed(), keys + added) {
        (false, _) => ("unchanged", format!("nothing to do: all of {file} is in {database}")),
        (true, 0) if spec.check => ("would_import", format!("would set trust in {database}")),
        (true, _) if spec.check => {
            let what = format!("{} and {}", count(keys, "key"), count(added, "certificate"));
            ("would_import", format!("would import {what} from {file} into {database}"))
        }
        (true, 0) => ("imported", format!("set trust in {database}")),
        (true, _) => {
            let what = format!("{} and {}", count(keys, "key"), count(added, "certificate"));
            ("imported", format!("imported {what} from {file} into {database}"))
        }
    };
    let cas = imported.roots.iter().map(|root| TrustedCa {
        subject: summary(&root.der).map(|s| s.subject).ok(),
        fingerprint: root.fingerprint.to_string(),
        named_by_user: root.named_by_user,
    });
    let result = FileImported {
        file: spec.file.display().to_string(),
        entries: all.iter().map(entry_json).collect(),
        trusted_cas: cas.collect(),
    };
    let mut report = Report::done("pkcs12 import", status, imported.changed(), msg).result(result);
    report.lines.extend(all.iter().map(entry_line));
    for root in &imported.roots {
        let subject = summary(&root.der).map(|s| s.subject).unwrap_or_default();
        report.lines.push(format!("trusted CA: {subject}"));
        report.lines.push(format!("  SHA-256 {}", root.fingerprint));
        let is_new = all.iter().any(|e| e.der == root.der && e.trust.is_some());
        if is_new && !root.named_by_user {
            report.warnings.push(format!(
                "the trusted CA {subject} was not named by --ca-file or --ca-fingerprint: compare \
                 its fingerprint with that of the CA's administrator"
            ));
        }
    }
    report.warnings.extend(imported.notices.iter().map(notice));
    report
}

fn entry_line(entry: &Entry) -> String {
    let key = match entry.key {
        Some((_, Become::Added)) => "key added, ",
        Some((_, Become::Present)) => "key present, ",
        None => "",
    };
    let certificate = word(entry.certificate);
    let trust = entry.trust.as_ref().map(|t| format!(", trust {t}")).unwrap_or_default();
    let replaced = match entry.replaced {
        0 => String::new(),
        n => format!(", {} deleted", count(n, "other certificate")),
    };
    let name = printable(&entry.nickname);
    format!("  {name}: {key}certificate {certificate}{trust}{replaced}")
}

fn entry_json(entry: &Entry) -> EntryImported {
    EntryImported {
        nickname: entry.nickname.clone(),
        certificate: summary(&entry.der).map(|s| certificate_json(&s)).ok(),
        certificate_status: word(entry.certificate),
        key_id: entry.key.as_ref().map(|(id, _)| keyid::to_hex(id)),
        key_status: entry.key.as_ref().map(|(_, key)| word(*key)),
        trust: entry.trust.clone(),
        replaced: entry.replaced,
    }
}

fn word(what: Become) -> &'static str {
    match what {
        Become::Added => "added",
        Become::Present => "present",
    }
}

/// Returns a notice as a warning.
fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Ignored(kind) => format!("a {kind} in the file was not imported"),
        Notice::KeyWithoutCertificate(name) => {
            format!("the key {name:?} was not imported: the file has no certificate for it")
        }
        Notice::KeepsNickname { wanted, has } => {
            format!("the certificate {wanted:?} has the nickname {has:?} in the database")
        }
        Notice::PassedOver { nickname, .. } => {
            format!("{nickname:?} was not imported: the nickname is in use")
        }
        Notice::NotClosed(e) => e.to_string(),
    }
}
