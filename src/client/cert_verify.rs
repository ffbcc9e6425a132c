//! Verifies a certificate of the database or of a file for a usage.

use std::path::PathBuf;

use super::passwords::Passwords;
use super::session::{Needs, Session};
use super::{cert_file, input};
use crate::asn1::summary::summary;
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Usage};
use crate::trust::Paths;
use crate::trust::usage::{judge, purpose};

/// The certificate to verify.
pub enum Subject {
    /// A certificate of the database or of a token, by nickname.
    Nickname(String),
    /// A certificate in a file, which may also contain its issuers. The database isn't changed.
    File(PathBuf),
}

/// The arguments of [`cert_verify`].
pub struct CertVerifySpec<'a> {
    /// NSS database directory; its trust flags decide.
    pub database: String,
    /// The token that is searched first for a nickname.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'a>,
    /// The certificate.
    pub subject: Subject,
    /// Usage that it must be valid for; `None` takes it from the certificate.
    pub usage: Option<Usage>,
}

/// A valid certificate.
#[derive(Debug)]
pub struct CertVerified {
    /// DER.
    pub certificate: Vec<u8>,
    /// Its nickname, if the database has it.
    pub nickname: Option<String>,
    /// The usage it is valid for.
    pub usage: Usage,
    /// DER of its issuers, nearest first.
    pub issuers: Vec<Vec<u8>>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// Verifies a certificate for a usage.
///
/// # Errors
/// [`Kind::Untrusted`] with a note for each certificate that isn't valid; [`Kind::NotFound`],
/// [`Kind::Input`]; [`Kind::Usage`] when no usage is given and the certificate names none.
pub fn cert_verify(spec: CertVerifySpec<'_>) -> Result<CertVerified> {
    let nickname = match &spec.subject {
        Subject::Nickname(nickname) => Some(nickname.as_str()),
        Subject::File(_) => None,
    };
    let needs = Needs { token: &spec.token, certificate: nickname, ..Needs::default() };
    let all = match &spec.subject {
        Subject::Nickname(_) => Vec::new(),
        Subject::File(path) => {
            let what = format!("the certificate {}", path.display());
            let bytes = input::read("the certificate", path)?;
            cert_file::leaf_first(&what, cert_file::certificates(&what, &bytes)?)?
        }
    };
    let session = Session::open(&spec.database, Access::ReadOnly, needs, &spec.passwords)?;
    let database = &session.database;
    let (certificate, others) = match (nickname, all.split_first()) {
        (Some(nickname), _) => (session.certificate(nickname)?, Vec::new()),
        (None, Some((leaf, others))) => {
            let certificate = database.decode_certificate(leaf).map_err(|e| {
                let subject = summary(leaf).map(|of| of.subject).unwrap_or_default();
                let what = format!("cannot verify the certificate of {subject:?}");
                Error::new(e.kind(), what).because(e)
            })?;
            (certificate, others.to_vec())
        }
        (None, None) => return Err(Error::new(Kind::Input, "no certificate to verify")),
    };
    let usage = spec.usage.map_or_else(|| purpose(certificate.der()), |usage| Ok(Some(usage)))?;
    let usage = usage.ok_or_else(|| {
        Error::new(Kind::Usage, "the certificate names no usage (extKeyUsage)")
            .hint("give --usage, for example --usage server")
    })?;
    // NSS finds issuers among the certificates that are decoded and not yet freed.
    let alive = others.iter().map(|der| database.decode_certificate(der));
    let alive = alive.collect::<Result<Vec<_>>>()?;
    judge(database, &certificate, usage, &Vec::new())?;
    let paths = Paths::new(database, &others);
    let (token, der) = (&session.token, certificate.der());
    let chain = paths.chain(token, der).or_else(|_| paths.by_signature(token, der));
    let mut verified = CertVerified {
        issuers: chain.unwrap_or_default(),
        certificate: certificate.der().to_vec(),
        nickname: certificate.nickname(),
        usage,
        not_closed: None,
    };
    drop((alive, certificate));
    verified.not_closed = session.close().err();
    Ok(verified)
}
