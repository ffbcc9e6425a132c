//! `pki pkcs12-import`.

use std::ffi::OsString;
use std::path::Path;

use super::super::options::{Dialect, Known, Options, Takes};
use super::global::Global;
use super::usage;
use crate::streams::Streams;
use nss_cmc::client::passwords::Source;
use nss_cmc::client::pkcs12::{
    Become, Existing, ImportSpec, Imported, Notice, Select, import, is_mac_mismatch,
};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Database;
use nss_cmc::secret::Secret;

const USAGE: &str = "Usage: pki pkcs12-import [OPTIONS] [nicknames...]

      --pkcs12 <path>                PKCS #12 file
      --pkcs12-file <path>           DEPRECATED: PKCS #12 file
      --password <password>          PKCS #12 password; everybody on the machine can see it
      --pkcs12-password <password>   DEPRECATED: PKCS #12 password
      --password-file <path>         PKCS #12 password file
      --pkcs12-password-file <path>  DEPRECATED: PKCS #12 password file
      --no-trust-flags               Do not include trust flags
      --no-user-certs                Do not import user certificates
      --no-ca-certs                  Do not import CA certificates
      --overwrite                    Overwrite existing certificates
  -v, --verbose                      Run in verbose mode.
      --debug                        Run in debug mode.
      --help                         Show help message.";

const OPTIONS: &[Known] = &[
    ("--pkcs12", Takes::Octets),
    ("--pkcs12-file", Takes::Octets),
    ("--password", Takes::Octets),
    ("--pkcs12-password", Takes::Octets),
    ("--password-file", Takes::Octets),
    ("--pkcs12-password-file", Takes::Octets),
    ("--no-trust-flags", Takes::Nothing),
    ("--no-user-certs", Takes::Nothing),
    ("--no-ca-certs", Takes::Nothing),
    ("--overwrite", Takes::Nothing),
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--debug", Takes::Nothing),
    ("--help", Takes::Nothing),
];

/// Imports a PKCS #12 file; prints nothing on success.
///
/// # Errors
/// As [`import`], in pki's words where scripts search them.
pub fn run(global: &Global, args: &[OsString], streams: &mut Streams<'_>) -> Result<()> {
    let mut options = Options::new(Dialect::Clustered, OPTIONS);
    options.read(args)?;
    if options.has("--help") {
        streams.say(USAGE);
        return Ok(());
    }
    let file = options.path("--pkcs12").or_else(|| options.path("--pkcs12-file"));
    let file = file.ok_or_else(|| usage("Missing PKCS #12 file"))?;
    let names = options.unknown.iter().map(|(_, word)| {
        let name = word.to_str().ok_or_else(|| usage(format!("invalid nickname {word:?}")));
        name.map(str::to_owned)
    });
    let select = Select {
        keys: !options.has("--no-user-certs"),
        certificates: !options.has("--no-ca-certs"),
        names: names.collect::<Result<_>>()?,
    };
    let password = password(&options, streams)?;
    let database = global.database(streams)?;
    let folder = Path::new(database.strip_prefix("sql:").unwrap_or(&database));
    if !folder.join("cert9.db").exists()
        && let Some(password) = global.new_password(streams)?
    {
        Database::create(&database, &password)?;
    }
    let spec = ImportSpec {
        select,
        existing: if options.has("--overwrite") { Existing::Replace } else { Existing::PassOver },
        rename: true,
        trust_from_file: !options.has("--no-trust-flags"),
        ..ImportSpec::new(database, global.passwords(streams), file, password)
    };
    let imported = import(&spec, &mut |_| ()).map_err(|e| in_words_of_pki(e, &spec.token))?;
    say(&imported, streams);
    Ok(())
}

fn password(options: &Options, streams: &mut Streams<'_>) -> Result<Secret> {
    let text = options.octets("--password").or_else(|| options.octets("--pkcs12-password"));
    if let Some(text) = text {
        streams.tell("WARNING: everybody on this machine can see the PKCS #12 password");
        return Ok(super::super::secret(text));
    }
    let file = options.path("--password-file").or_else(|| options.path("--pkcs12-password-file"));
    let file = file.ok_or_else(|| usage("Missing PKCS #12 password"))?;
    super::super::check_secrets([file], streams);
    Source::File(file.to_owned()).read_shared("PKCS #12 password")
}

fn in_words_of_pki(e: Error, token: &str) -> Error {
    let words = if is_mac_mismatch(&e) {
        "Unable to validate PKCS #12 file: Digests do not match".to_owned()
    } else if e.kind() == Kind::Login && e.nss().is_some() {
        format!("Incorrect password for {token} token")
    } else {
        return e;
    };
    let hint = e.hint_text().map(str::to_owned);
    hint.into_iter().fold(Error::new(e.kind(), words), Error::hint)
}

/// Prints warnings: pki's own about a CA certificate whose nickname exists, and ours.
fn say(imported: &Imported, streams: &mut Streams<'_>) {
    for entry in imported.entries.iter().filter(|e| e.key.is_none()) {
        if entry.certificate == Become::Present {
            streams.tell(format!("WARNING: Certificate already exists: {}", entry.nickname));
        }
    }
    for notice in &imported.notices {
        match notice {
            Notice::PassedOver { nickname, key: false } => {
                streams.tell(format!("WARNING: Certificate already exists: {nickname}"));
            }
            Notice::NotClosed(e) => streams.tell(format!("WARNING: {e}")),
            Notice::PassedOver { .. }
            | Notice::Ignored(_)
            | Notice::KeyWithoutCertificate(_)
            | Notice::KeepsNickname { .. } => {}
        }
    }
}
