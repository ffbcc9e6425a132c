//! A database opened and logged in to, and the signer found in it.

use super::input;
use crate::algorithm::{Crypto, Digest, KeyType, Signer};
use crate::asn1::x509::certificate_fields;
use crate::cmc::request::Request;
use crate::cmc::seal::{SignerId, signed_data};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Certificate, Database, Token, is_internal_name};
use crate::secret::Passwords;
pub use crate::transport::Identity;

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
        let issuers = issuers(database, token, &certificate, &[])?;
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

/// DER of the issuers of a certificate, by subject name up to a self-issued one: those that its token
/// or the internal one holds, else those among `others`; a missing issuer ends the chain.
///
/// # Errors
/// [`crate::error::Kind::Input`] for one that can't be read.
pub fn issuers(
    database: &Database,
    token: &Token,
    of: &Certificate,
    others: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>> {
    let internal = database.token("internal")?;
    let mut issuers: Vec<Vec<u8>> = Vec::new();
    let mut wanted = of.issuer().to_vec();
    let mut self_issued = of.is_self_issued();
    // A longer chain is a loop of cross-certificates.
    while !self_issued && issuers.len() < 16 {
        let mut found = internal.certificates_of_subject(&wanted);
        if !token.is_internal() {
            found.extend(token.certificates_of_subject(&wanted));
        }
        let has_name = |der: &&Vec<u8>| certificate_fields(der).is_ok_and(|f| f.subject == wanted);
        found.extend(others.iter().find(has_name).cloned());
        let Some(der) = found.into_iter().next() else { break };
        let fields = certificate_fields(&der)?;
        self_issued = fields.issuer == fields.subject;
        wanted = fields.issuer.to_vec();
        issuers.push(der);
    }
    Ok(issuers)
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

/// Reads one PKCS #10 or CRMF request; `crmf` says which it must be.
///
/// # Errors
/// [`crate::error::Kind::Input`].
pub fn read_request(path: &std::path::Path, crmf: Option<bool>) -> Result<Request> {
    let bytes = super::file::read("the certificate request", path)?;
    let what = format!("the certificate request {}", path.display());
    let read = |der: &[u8]| match crmf {
        Some(true) => Request::crmf(der).map_err(|e| match Request::pkcs10(der) {
            Ok(_) => Error::new(Kind::Input, format!("{what} is a PKCS #10 request, not CRMF")),
            Err(_) => e,
        }),
        Some(false) => Request::pkcs10(der).map_err(|e| match Request::crmf(der) {
            Ok(_) => Error::new(Kind::Input, format!("{what} is CRMF, not a PKCS #10 request")),
            Err(_) => e,
        }),
        None => Request::pkcs10(der).or_else(|e| Request::crmf(der).map_err(|_| e)),
    };
    input::parsed(&what, input::CERTIFICATE_REQUEST, &bytes, read).map(|(_, request)| request)
}

/// The key identifier of a public key: SHA-1 of its bits (RFC 5280 §4.2.1.2, method 1).
///
/// # Errors
/// [`crate::error::Kind::Input`] when the key can't be read.
pub fn key_identifier(crypto: &dyn Crypto, spki: &[u8]) -> Result<Vec<u8>> {
    crypto.hash(Digest::Sha1, &crate::asn1::x509::public_key_bits(spki)?)
}
