//! `nss-cmc pkcs12 show`.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::count;
use crate::cli::args::{Pkcs12PasswordArgs, warnings};
use crate::cli::report::{Certificate, Report, certificate_json};
use nss_cmc::certificate::{Summary, summary};
use nss_cmc::client::pkcs12::{BagAttributes, CertificateBag, Contents, KeyBag, Protection, show};
use nss_cmc::error::{Error, Result};
use nss_cmc::keyid;
use nss_cmc::text::{printable, shortened};

/// The most characters of a friendly name in text; JSON has all.
const MOST_OF_NAME: usize = 255;

/// Arguments of `pkcs12 show`.
#[derive(Args)]
#[command(
    after_help = "Private keys are not decrypted.\n\nExample:\n  nss-cmc pkcs12 show ca_admin_cert.p12 \
                  --pkcs12-password-file p12.txt"
)]
pub struct ShowArgs {
    /// The PKCS #12 file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    pkcs12: Pkcs12PasswordArgs,
}

impl ShowArgs {
    /// Returns a warning about a password file that others can read.
    pub fn warnings(&self) -> Vec<String> {
        warnings(None, self.pkcs12.pkcs12_password_file.as_deref())
    }
}

/// Result of `pkcs12 show`.
#[derive(Serialize, JsonSchema)]
pub struct FileShown {
    mac: ProtectionShown,
    /// The certificates, each with its key.
    entries: Vec<EntryShown>,
    /// Keys without a certificate.
    other_keys: Vec<KeyShown>,
    /// Kinds of other contents.
    ignored: Vec<String>,
}

/// How a part of the file is encrypted or authenticated.
#[derive(Serialize, JsonSchema)]
struct ProtectionShown {
    algorithm: String,
    scheme: Option<String>,
    prf: Option<String>,
    iterations: u32,
}

#[derive(Serialize, JsonSchema)]
struct EntryShown {
    friendly_name: Option<String>,
    local_key_id: Option<String>,
    /// Trust flags that Dogtag stores.
    trust: Option<String>,
    certificate: Certificate,
    /// SHA-256 fingerprint.
    fingerprint: String,
    /// Null if it is not encrypted.
    protection: Option<ProtectionShown>,
    key: Option<KeyShown>,
}

#[derive(Serialize, JsonSchema)]
struct KeyShown {
    friendly_name: Option<String>,
    local_key_id: Option<String>,
    protection: ProtectionShown,
}

/// Runs `pkcs12 show`.
///
/// # Errors
/// As [`show`].
pub fn run(args: ShowArgs) -> Result<Report> {
    let file = &args.file;
    let contents = show(file, &args.pkcs12.read(false)?)?;
    let (keys, certificates) = (&contents.keys, &contents.certificates);
    let what =
        format!("{} and {}", count(keys.len(), "key"), count(certificates.len(), "certificate"));
    let mut report =
        Report::done("pkcs12 show", "shown", false, format!("PKCS #12 file with {what}"));
    report.lines.push(format!("MAC: {}", protection_text(&contents.mac.0)));
    let mut entries = Vec::new();
    for (at, bag) in certificates.iter().enumerate() {
        let key = keys.iter().find(|key| contents.certificate_of(key) == Some(at));
        let read = summary(&bag.der).map_err(|e| {
            let what = format!("cannot show a certificate in the PKCS #12 file {}", file.display());
            Error::new(e.kind(), what).because(e)
        })?;
        report.lines.extend(lines(bag, &read, key));
        entries.push(entry_json(bag, &read, key));
    }
    let alone: Vec<&KeyBag> =
        keys.iter().filter(|key| contents.certificate_of(key).is_none()).collect();
    for key in &alone {
        let name = name_of(&key.attributes);
        report.lines.push(format!("\n{name}"));
        report.lines.push(field("key", &protection_text(&key.protection)));
        report.lines.push(field("certificate", "none (no certificate has the key's localKeyId)"));
    }
    report.lines.extend(contents.ignored.iter().map(|kind| format!("\nignored: {kind}")));
    Ok(report.result(result(&contents, entries, &alone)))
}

fn result(contents: &Contents, entries: Vec<EntryShown>, alone: &[&KeyBag]) -> FileShown {
    FileShown {
        mac: protection_json(&contents.mac.0),
        entries,
        other_keys: alone.iter().map(|key| key_json(key)).collect(),
        ignored: contents.ignored.clone(),
    }
}

fn lines(bag: &CertificateBag, read: &Summary, key: Option<&KeyBag>) -> Vec<String> {
    let name = name_of(&bag.attributes);
    let mut lines = vec![
        format!("\n{name}"),
        field("subject", &read.subject),
        field("issuer", &read.issuer),
        field("serial", &read.serial_hex()),
        field("valid until", &read.until()),
        field("SHA-256", &bag.fingerprint.to_string()),
    ];
    lines.extend(
        bag.attributes
            .trust
            .as_ref()
            .map(|flags| field("trust", &printable(&shortened(flags, MOST_OF_NAME)))),
    );
    let plain = || "not encrypted".to_owned();
    let protection = bag.protection.as_ref().map_or_else(plain, protection_text);
    lines.push(field("certificate", &protection));
    lines.push(match key {
        Some(key) => field("key", &protection_text(&key.protection)),
        None => field("key", "none"),
    });
    lines
}

fn name_of(attributes: &BagAttributes) -> String {
    let name = attributes.friendly_name.as_deref().unwrap_or("(no friendly name)");
    printable(&shortened(name, MOST_OF_NAME)).into_owned()
}

fn field(name: &str, value: &str) -> String {
    format!("  {:13}{value}", format!("{name}:"))
}

fn protection_text(protection: &Protection) -> String {
    let Protection { algorithm, scheme, prf, iterations } = protection;
    let inner: Vec<&str> = [scheme, prf].into_iter().flatten().map(String::as_str).collect();
    let inner = if inner.is_empty() { String::new() } else { format!(" ({})", inner.join(", ")) };
    let iterations = count(usize::try_from(*iterations).unwrap_or_default(), "iteration");
    format!("{algorithm}{inner}, {iterations}")
}

fn protection_json(protection: &Protection) -> ProtectionShown {
    ProtectionShown {
        algorithm: protection.algorithm.clone(),
        scheme: protection.scheme.clone(),
        prf: protection.prf.clone(),
        iterations: protection.iterations,
    }
}

fn entry_json(bag: &CertificateBag, read: &Summary, key: Option<&KeyBag>) -> EntryShown {
    EntryShown {
        friendly_name: bag.attributes.friendly_name.clone(),
        local_key_id: bag.attributes.local_key_id.as_deref().map(keyid::to_hex),
        trust: bag.attributes.trust.clone(),
        certificate: certificate_json(read),
        fingerprint: bag.fingerprint.to_string(),
        protection: bag.protection.as_ref().map(protection_json),
        key: key.map(key_json),
    }
}

fn key_json(key: &KeyBag) -> KeyShown {
    KeyShown {
        friendly_name: key.attributes.friendly_name.clone(),
        local_key_id: key.attributes.local_key_id.as_deref().map(keyid::to_hex),
        protection: protection_json(&key.protection),
    }
}
