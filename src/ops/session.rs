//! A database opened and logged in to, and the signer found in it.

use crate::algorithm::{Crypto, Digest, KeyType, Signer};
use crate::cmc::request::Request;
use crate::cmc::seal::{SignerId, signed_data};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Certificate, Database, Token, is_internal_name};
use crate::secret::Passwords;
pub use crate::transport::Identity;
use crate::trust::Paths;

/// Opens a database and logs in to one token of it, if that needs a password. The password is
/// fetched only then.
///
/// # Errors
/// As [`Database::open`], [`Database::token`] and [`Token::login`].
pub fn open(
    dir: &str,
    access: Access,
    name: &str,
    passwords: &Passwords<'_>,
) -> Result<(Database, Token)> {
    let database = Database::open(dir, access)?;
    let token = database.token(name)?;
    if token.needs_login() {
        token.login(passwords(name)?.as_ref())?;
    }
    Ok((database, token))
}

/// Certificates that a run will need, held so that NSS keeps what it knows of them.
pub struct Primed {
    _held: Vec<Certificate>,
}

/// As [`open`], and looks the signer and its issuers up *before* the login. After it NSS (before
/// 3.90) derives a key from the password for each trust record read, 13 ms a certificate; what was
/// read before and is still held isn't read again. A certificate that only a login shows is found
/// later all the same. Keep the [`Primed`] until the last signature.
///
/// # Errors
/// As [`open`].
pub fn open_for(
    dir: &str,
    access: Access,
    name: &str,
    signer: &str,
    passwords: &Passwords<'_>,
) -> Result<(Database, Token, Primed)> {
    let database = Database::open(dir, access)?;
    let token = database.token(name)?;
    let mut held = Vec::new();
    if token.needs_login() {
        held.extend(database.find_certificates(&qualified(&token, signer))?);
        while let Some(issuer) = held.last().and_then(Certificate::find_issuer) {
            let last = issuer.is_self_issued() || held.len() > 16;
            held.push(issuer);
            if last {
                break;
            }
        }
        token.login(passwords(name)?.as_ref())?;
    }
    Ok((database, token, Primed { _held: held }))
}

impl Identity {
    /// Finds a certificate by nickname in a token, and its key.
    ///
    /// `nickname` may carry a `token:` prefix of its own; else that of `token` is put in front.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`] for either.
    pub fn find(database: &Database, token: &Token, nickname: &str) -> Result<Identity> {
        let certificate = database.find_certificate(&qualified(token, nickname))?;
        let key = certificate.private_key()?;
        let issuers = Paths::new(database, &[]).by_signature(token, certificate.der())?;
        Ok(Identity { certificate, issuers, key })
    }

    /// The same with a session copy of an RSA key, for runs that sign more than once: NSS before
    /// 3.90 derives the password key anew for each use of a token key.
    pub fn for_several_signatures(mut self) -> Identity {
        if self.key.key_type() == KeyType::Rsa
            && let Some(copy) = self.key.session_copy()
        {
            self.key = copy;
        }
        self
    }

    /// Signs a PKIData as the holder of the certificate, chain included.
    ///
    /// # Errors
    /// When the key refuses to sign.
    pub fn sign(&self, pki_data: &[u8], crypto: &dyn Crypto) -> Result<Vec<u8>> {
        let leaf = self.certificate.der();
        let mut chain = vec![leaf.to_vec()];
        chain.extend(self.issuers.iter().cloned());
        signed_data(
            pki_data,
            SignerId::Certificate(leaf),
            &chain,
            &self.key,
            Digest::Sha256,
            crypto,
        )
    }
}

/// DER of the issuers of a certificate, nearest first: those on its path to a CA that the database
/// trusts, and those above that the database holds, as far as signatures lead. Issuers on the path are
/// looked for among `others`, too; nothing enters that isn't verified.
///
/// # Errors
/// [`Kind::Input`] for a certificate that can't be read.
pub fn chain(
    database: &Database,
    token: &Token,
    of: &Certificate,
    others: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>> {
    let mut found = Paths::new(database, others).to_trusted(of.der()).unwrap_or_default();
    let last = found.last().map_or(of.der(), Vec::as_slice);
    // A later run, without what came with the response, must find the same.
    let above = Paths::new(database, &[]).by_signature(token, last)?;
    found.extend(above);
    Ok(found)
}

/// The nickname NSS looks up: with the token's name in front unless it is the internal one or the
/// nickname names a token itself.
pub fn qualified(token: &Token, nickname: &str) -> String {
    if token.is_internal() || nickname.starts_with(&format!("{}:", token.name())) {
        return nickname.to_owned();
    }
    format!("{}:{nickname}", token.name())
}

/// A nickname for a new certificate of `token`, without that token's own name in front.
///
/// # Errors
/// [`Kind::Usage`] for an empty one, and for a colon: NSS takes what stands before it for a token.
pub fn new_nickname(token: &Token, nickname: &str) -> Result<String> {
    let usage = |what: String| Err(Error::new(Kind::Usage, what).hint("choose another --nickname"));
    let own = match nickname.split_once(':') {
        Some((name, rest)) if name == token.name() => rest,
        Some((name, rest)) if token.is_internal() && is_internal_name(name) => rest,
        _ => nickname,
    };
    if own.trim().is_empty() {
        return usage("the nickname is empty".into());
    }
    if own.contains(':') {
        return usage(format!(
            "the nickname {nickname:?} holds a colon: NSS would look for a token"
        ));
    }
    Ok(own.to_owned())
}

/// Requests from files, as many as there are names.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub fn read_request(path: &std::path::Path, crmf: Option<bool>) -> Result<Request> {
    let bytes = super::file::read("the certificate request", path)?;
    let what = format!("the certificate request {}", path.display());
    let der = crate::asn1::pem::to_der(&what, &bytes)?;
    match crmf {
        Some(true) => Request::crmf(&der).map_err(|e| match Request::pkcs10(&der) {
            Ok(_) => Error::new(Kind::Input, format!("{what} is a PKCS #10 request, not CRMF")),
            Err(_) => e,
        }),
        Some(false) => Request::pkcs10(&der).map_err(|e| match Request::crmf(&der) {
            Ok(_) => Error::new(Kind::Input, format!("{what} is CRMF, not a PKCS #10 request")),
            Err(_) => e,
        }),
        None => Request::pkcs10(&der).or_else(|e| Request::crmf(&der).map_err(|_| e)),
    }
}

/// The key identifier of a public key: SHA-1 of its bits (RFC 5280 §4.2.1.2, method 1).
///
/// # Errors
/// [`crate::error::Kind::Input`] when the key can't be read.
pub fn key_identifier(crypto: &dyn Crypto, spki: &[u8]) -> Result<Vec<u8>> {
    crypto.hash(Digest::Sha1, &crate::asn1::x509::public_key_bits(spki)?)
}
