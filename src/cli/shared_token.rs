//! `nss-cmc shared-token`: encrypts a shared secret for the CA.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{PasswordArgs, SharedSecretArgs, warnings};
use crate::cli::report::{Certificate, Report, certificate_json};
use nss_cmc::client::shared_token::{Entry, Recipient, SharedTokenSpec, encrypt, ldif};
use nss_cmc::cmc::control::check_identification;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::KeyTransport;
use nss_cmc::{Number, pem};

/// Arguments of `shared-token`.
#[derive(Args)]
#[command(
    group(ArgGroup::new("recipient").required(true).args(["cert", "nickname"])),
    group(ArgGroup::new("entry").args(["dn", "uid", "serial"])),
    after_help = "The CA's administrator imports the LDIF: ldapmodify -D 'cn=Directory Manager' -W -f FILE"
)]
pub struct SharedTokenArgs {
    /// File with the CA's issuance protection certificate: PEM, DER or PKCS #7
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Nickname of the issuance protection certificate in the NSS database
    #[arg(long, value_name = "NICKNAME", requires = "database")]
    nickname: Option<String>,

    /// NSS database directory, for --nickname
    #[arg(short = 'd', long, value_name = "DIR")]
    database: Option<String>,

    #[command(flatten)]
    password: PasswordArgs,

    /// Encrypt the session key with RSA-OAEP, for a CA with keyWrap.useOAEP=true
    #[arg(long)]
    oaep: bool,

    /// DN of the user's entry, to print LDIF for it
    #[arg(long, value_name = "DN")]
    dn: Option<String>,

    /// User id (uid) of the user's entry below --base, to print LDIF for it
    #[arg(long, value_name = "UID", requires = "base")]
    uid: Option<String>,

    /// Serial number of a certificate, to print LDIF for the CA's record of it; --base is the CA's
    /// own suffix (dc=ca,dc=pki,dc=example,dc=com)
    #[arg(long, value_name = "NUMBER", requires = "base")]
    serial: Option<String>,

    /// Base DN of the entry
    #[arg(long, value_name = "DN")]
    base: Option<String>,

    /// Attribute of the user's entry for the shared token
    #[arg(long, value_name = "NAME", default_value = "shrTok")]
    attribute: String,

    #[command(flatten, next_help_heading = "Shared secret")]
    shared_secret: SharedSecretArgs,
}

impl SharedTokenArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        // `--cert` needs no database.
        let database = self.database.as_deref().filter(|_| self.cert.is_none());
        let mut said = self.password.warnings(database);
        said.extend(warnings(None, self.shared_secret.shared_secret_file.as_deref()));
        said
    }
}

/// Result of `shared-token`.
#[derive(Serialize, JsonSchema)]
pub struct SharedToken {
    /// The encrypted secret in base64.
    token: String,
    /// LDIF for the entry, if one is named.
    ldif: Option<String>,
    /// The certificate that it is encrypted for.
    recipient: Certificate,
}

/// Runs `shared-token`.
///
/// # Errors
/// [`Kind::Usage`], [`Kind::Input`], [`Kind::NotFound`].
pub fn run(args: SharedTokenArgs) -> Result<Report> {
    let entry = entry(&args)?;
    let secret = args.shared_secret.read()?;
    let recipient = match args.cert {
        Some(path) => Recipient::File(path),
        None => Recipient::Database {
            directory: args.database.unwrap_or_default(),
            nickname: args.nickname.unwrap_or_default(),
            token: None,
            passwords: args.password.passwords(),
        },
    };
    let key_transport = if args.oaep { KeyTransport::OaepSha256 } else { KeyTransport::Pkcs1 };
    let spec = SharedTokenSpec { passphrase: &secret, recipient, key_transport };
    let mut warnings = Vec::new();
    let token = encrypt(spec, &mut |warning| warnings.push(warning))?;
    let (text, recipient) = (pem::base64(&token.der), &token.recipient);
    let ldif = entry.map(|e| ldif(&e, &token.der)).transpose()?;
    let msg = format!(
        "shared secret encrypted for {}, serial {}",
        recipient.subject,
        recipient.serial_hex()
    );
    let mut report = Report::done("shared-token", "encrypted", false, msg).result(SharedToken {
        token: text.clone(),
        ldif: ldif.clone(),
        recipient: certificate_json(recipient),
    });
    report.lines.push(String::new());
    report.lines.push(ldif.unwrap_or(text).trim_end().to_owned());
    report.warnings = warnings;
    Ok(report)
}

fn entry(args: &SharedTokenArgs) -> Result<Option<Entry>> {
    let base = args.base.as_deref().unwrap_or_default();
    if let Some(dn) = &args.dn {
        return Ok(Some(Entry::User(dn.clone(), args.attribute.clone())));
    }
    if let Some(uid) = &args.uid {
        check_identification(uid)?;
        if uid.contains([',', '+', '"', '<', '>', ';', '=', '#']) {
            return Err(Error::new(
                Kind::Usage,
                format!("invalid uid {uid:?}: it needs escapes in a DN"),
            )
            .hint("give the entry's whole DN with --dn"));
        }
        let dn = format!("uid={uid},{base}");
        return Ok(Some(Entry::User(dn, args.attribute.clone())));
    }
    match &args.serial {
        None => Ok(None),
        Some(text) => {
            let serial = Number::parse(text)?;
            Ok(Some(Entry::Record(format!("cn={serial},ou=certificateRepository,ou=ca,{base}"))))
        }
    }
}
