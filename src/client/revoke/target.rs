//! The certificate to revoke: by nickname, file or serial number.

use std::path::{Path, PathBuf};

use crate::asn1::certificate;
use crate::asn1::name::dn_string;
use crate::asn1::name::same_name;
use crate::asn1::summary::{Summary, summary};
use crate::asn1::{Number, name};
use crate::client::input;
use crate::client::session::Identity;
use crate::client::shared_token::certificate_in;
use crate::client::token_nickname::find_certificates;
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, Token};
use crate::text::quoted;

/// How the certificate is given.
#[derive(Debug, Clone)]
pub enum Target {
    /// By nickname in the database; `Pick` selects one if several have it.
    Nickname(String, Option<Pick>),
    /// By file.
    File(PathBuf),
    /// By serial number and issuer (as text); without an issuer, the signer's.
    Serial(Number, Option<String>),
}

/// Selects one of several certificates under a nickname.
#[derive(Debug, Clone)]
pub enum Pick {
    /// By serial number.
    Serial(Number),
    /// By file.
    File(PathBuf),
}

/// Where a certificate was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the database.
    Database,
    /// In the file given.
    File,
    /// In the CA's records.
    Ca,
}

/// The certificate to revoke, as far as it is known.
pub(super) struct Found {
    /// DER of the issuer's Name.
    pub(super) issuer: Vec<u8>,
    pub(super) serial: Number,
    /// The certificate's DER and where it was found.
    pub(super) seen: Option<(Vec<u8>, Source)>,
}

impl Found {
    fn of(der: &[u8], source: Source) -> Result<Found> {
        let fields = certificate::fields(der)?;
        Ok(Found {
            issuer: fields.issuer.to_vec(),
            serial: Number::unsigned(fields.serial),
            seen: Some((der.to_vec(), source)),
        })
    }

    /// Returns the certificate's DER, if it was found.
    pub(super) fn der(&self) -> Option<&[u8]> {
        self.seen.as_ref().map(|(der, _)| der.as_slice())
    }

    /// Returns the DER of the subject's Name, if the certificate was found.
    pub(super) fn subject(&self) -> Option<&[u8]> {
        self.der().and_then(|der| certificate::fields(der).ok()).map(|f| f.subject)
    }

    /// Returns the certificate's main fields, if it was found.
    pub(super) fn summary(&self) -> Option<Summary> {
        self.der().and_then(|der| summary(der).ok())
    }

    /// Returns the certificate for messages: `certificate 0x1f (CN=alice,O=LAB)`.
    pub(super) fn title(&self) -> String {
        let number = self.serial.hex();
        match self.subject().and_then(|s| dn_string(s).ok()) {
            Some(subject) => format!("certificate {number} ({subject})"),
            None => format!("certificate {number}"),
        }
    }

    /// Refuses a certificate whose issuer isn't the signer's, when the CA's records can't show it:
    /// in a signed request Dogtag checks only the serial number.
    pub(super) fn check_issuer(&self, signer_s_issuer: &[u8]) -> Result<()> {
        if same_name(&self.issuer, signer_s_issuer) {
            return Ok(());
        }
        let text = |name: &[u8]| dn_string(name).unwrap_or_default();
        let serial = self.serial.hex();
        Err(Error::new(
            Kind::Usage,
            format!("issuer of certificate {serial} is {}", text(&self.issuer)),
        )
        .because(format!("issuer of the signer is {}", text(signer_s_issuer)))
        .hint("use --signer and --ca of the CA that issued the certificate"))
    }

    /// Takes the certificate from the database, if it wasn't found elsewhere.
    pub(super) fn look_in(&mut self, database: &Database) -> Result<()> {
        if self.seen.is_some() {
            return Ok(());
        }
        let is_meant = |c: &Certificate| {
            let fields = certificate::fields(c.der());
            fields.is_ok_and(|f| {
                Number::unsigned(f.serial) == self.serial && same_name(f.issuer, &self.issuer)
            })
        };
        let known = database.certificates()?.into_iter().find(is_meant);
        self.seen = known.map(|c| (c.der().to_vec(), Source::Database));
        Ok(())
    }
}

/// Finds the certificate without querying the CA.
pub(super) fn find(
    database: &Database,
    token: &Token,
    target: &Target,
    signer: Option<&Identity>,
) -> Result<Found> {
    match target {
        Target::Nickname(nickname, pick) => {
            under(database, token, nickname, pick.as_ref(), signer.is_some())
        }
        Target::File(path) => Found::of(&in_file(path)?, Source::File),
        Target::Serial(serial, issuer) => {
            let issuer = match (issuer, signer) {
                (Some(text), _) => name::parse(text)?,
                (None, Some(signer)) => signer.certificate.issuer().to_vec(),
                (None, None) => {
                    return Err(Error::new(
                        Kind::Usage,
                        "no issuer given: --serial with a shared secret requires it",
                    )
                    .hint("add --issuer with the CA's DN"));
                }
            };
            Ok(Found { issuer, serial: serial.clone(), seen: None })
        }
    }
}

fn in_file(path: &Path) -> Result<Vec<u8>> {
    let what = "certificate to revoke";
    certificate_in(what, &input::read(what, path)?)
}

/// Returns the certificate under a nickname; of several, the selected one.
fn under(
    database: &Database,
    token: &Token,
    nickname: &str,
    pick: Option<&Pick>,
    logged_in: bool,
) -> Result<Found> {
    let all = find_certificates(database, token, nickname)?;
    let chosen = all.first();
    let listed = |error: Error| -> Result<Error> {
        let mut lines = Vec::new();
        for certificate in &all {
            let summary = summary(certificate.der())?;
            lines.push((summary.not_before, line(&summary, certificate, chosen, logged_in)));
        }
        lines.sort();
        Ok(lines.into_iter().fold(error, |error, (_, line)| error.note(line)))
    };
    let missing = |which: String| {
        let what = format!("certificate {which} not found under nickname {nickname:?}");
        listed(Error::new(Kind::NotFound, what))
    };
    match pick {
        None => match &all[..] {
            [one] => Found::of(one.der(), Source::Database),
            several => Err(listed(
                Error::new(
                    Kind::Usage,
                    format!("{} certificates have nickname {nickname:?}", several.len()),
                )
                .hint(format!("select one: --nickname {} --serial NUMBER", quoted(nickname))),
            )?),
        },
        Some(Pick::Serial(serial)) => {
            let has_number = |c: &&Certificate| {
                certificate::fields(c.der()).is_ok_and(|f| Number::unsigned(f.serial) == *serial)
            };
            match all.iter().find(has_number) {
                Some(certificate) => Found::of(certificate.der(), Source::Database),
                None => Err(missing(serial.hex())?),
            }
        }
        Some(Pick::File(path)) => {
            let der = in_file(path)?;
            match all.iter().any(|c| c.der() == der) {
                true => Found::of(&der, Source::Database),
                false => Err(missing(path.display().to_string())?),
            }
        }
    }
}

/// Returns a line for people about one of several certificates.
fn line(
    summary: &Summary,
    certificate: &Certificate,
    chosen: Option<&Certificate>,
    logged_in: bool,
) -> String {
    let day = |t: chrono::DateTime<chrono::Utc>| t.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut text = format!(
        "{}: {}, issued by {}, valid {} to {}",
        summary.serial_hex(),
        summary.subject,
        summary.issuer,
        day(summary.not_before),
        day(summary.not_after)
    );
    if summary.not_after < chrono::Utc::now() {
        text.push_str(", expired");
    }
    // Without a login, keys may be invisible.
    if logged_in && certificate.private_key().is_ok() {
        text.push_str(", private key present");
    }
    if chosen.is_some_and(|c| summary.der == c.der()) {
        text.push_str(", in use (NSS selects it for the nickname)");
    }
    text
}
