//! Shared tokens: a passphrase encrypted for the CA's issuance protection certificate. The CA's
//! administrator stores it in the CA.

use std::path::PathBuf;

use super::input;
use super::passwords::Passwords;
use super::session::{Needs, Session};
use super::token_nickname;
use crate::algorithm::KeyType;
use crate::asn1::certificate;
use crate::asn1::certificate::Certificate;
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::summary::{Summary, summary};
use crate::asn1::x509::spki_key_type;
use crate::asn1::{oid, pem, tlv};
use crate::cmc::response::{certificates_of, open_signed_data};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, Database, KeyTransport, SessionKind, Token};
use crate::secret::Secret;

/// The initialisation vector that Dogtag's CA expects; it is fixed because the session key is new
/// each time.
const IV: [u8; 16] = [1; 16];

/// Where to read the CA's issuance protection certificate.
pub enum Recipient<'a> {
    /// A file: PEM, DER or PKCS #7. No database is needed.
    File(PathBuf),
    /// A certificate in a database.
    Database {
        /// NSS database directory.
        directory: String,
        /// The certificate's nickname.
        nickname: String,
        /// The token that generates the session key, after a login; `None` for the database's own,
        /// without a login.
        token: Option<String>,
        /// Gives the tokens' passwords.
        passwords: Passwords<'a>,
    },
}

/// The arguments of [`encrypt`].
pub struct SharedTokenSpec<'a> {
    /// The passphrase.
    pub passphrase: &'a Secret,
    /// The CA's certificate.
    pub recipient: Recipient<'a>,
    /// The algorithm that encrypts the session key.
    pub key_transport: KeyTransport,
}

/// An encrypted passphrase.
#[derive(Debug)]
pub struct SharedToken {
    /// DER: SEQUENCE of two OCTET STRINGs, the session key encrypted under the CA's key, and the
    /// passphrase encrypted under the session key.
    pub der: Vec<u8>,
    /// The certificate that it is encrypted for.
    pub recipient: Summary,
}

/// Encrypts a passphrase. The recipient's certificate is neither verified nor stored; `warn` is
/// called for problems with the certificate or the passphrase.
///
/// ```no_run
/// use nss_cmc::client::shared_token::{Recipient, SharedTokenSpec, encrypt};
/// use nss_cmc::nss::KeyTransport;
/// use nss_cmc::{Secret, pem};
///
/// let passphrase = Secret::new(b"correct horse battery staple".to_vec());
/// let spec = SharedTokenSpec {
///     passphrase: &passphrase,
///     recipient: Recipient::File("issuance-protection.pem".into()),
///     key_transport: KeyTransport::Pkcs1,
/// };
/// let token = encrypt(spec, &mut |warning| eprintln!("{warning}"))?;
/// println!("{}", pem::base64(&token.der));
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// [`Kind::Input`] for a certificate that can't be decoded or isn't of an RSA key,
/// [`Kind::NotFound`]; [`Kind::Refused`] when the token can't encrypt.
pub fn encrypt(spec: SharedTokenSpec<'_>, warn: &mut dyn FnMut(String)) -> Result<SharedToken> {
    let passphrase = spec.passphrase.bytes();
    let mut warn_of = |recipient: &[u8]| -> Result<()> {
        advice(recipient, passphrase)?.into_iter().for_each(&mut *warn);
        Ok(())
    };
    let (der, recipient, closed) = match spec.recipient {
        Recipient::File(path) => {
            let what = "issuance protection certificate";
            let recipient = certificate_in(what, &input::read(what, &path)?)?;
            warn_of(&recipient)?;
            let database = Database::without_files()?;
            let token = database.token("internal")?;
            let der = encrypted(&database, &token, &recipient, passphrase, spec.key_transport)?;
            drop(token);
            (der, recipient, database.close())
        }
        Recipient::Database { directory, nickname, token, passwords } => {
            let name = token.as_deref().unwrap_or_default();
            let needs = Needs { token: name, key: token.is_some(), ..Needs::default() };
            let session = Session::open(&directory, Access::ReadOnly, needs, &passwords)?;
            let Session { database, token, .. } = &session;
            let (certificate, _) = token_nickname::find_certificate(database, token, &nickname)?;
            let recipient = certificate.der().to_vec();
            drop(certificate);
            warn_of(&recipient)?;
            let der = encrypted(database, token, &recipient, passphrase, spec.key_transport)?;
            (der, recipient, session.close())
        }
    };
    closed.err().map(|e| e.to_string()).into_iter().for_each(warn);
    Ok(SharedToken { der, recipient: summary(&recipient)? })
}

/// Returns the DER of a shared token.
fn encrypted(
    database: &Database,
    token: &Token,
    recipient: &[u8],
    passphrase: &[u8],
    how: KeyTransport,
) -> Result<Vec<u8>> {
    let spki = certificate::fields(recipient)?.spki;
    if spki_key_type(spki) != Some(KeyType::Rsa) {
        return Err(Error::new(Kind::Input, "the issuance protection certificate has no RSA key")
            .hint("use a certificate with an RSA key"));
    }
    let session = token.session_key(SessionKind::Aes128)?;
    let wrapped = session.wrap_for(&database.public_key(spki)?, how)?;
    let encrypted = session
        .encrypt_cbc_pad(&IV, passphrase)
        .map_err(|f| Error::new(Kind::Refused, "cannot encrypt the shared secret").because(f))?;
    let mut content = tlv(0x04, &wrapped);
    content.extend(tlv(0x04, &encrypted));
    Ok(tlv(0x30, &content))
}

/// Returns the DER of the certificate in a file: DER or PEM, other text around it allowed, or PKCS
/// #7 (RFC 5652 §5). In PKCS #7 it is the one that issued none of the others.
///
/// # Errors
/// [`Kind::Input`].
pub fn certificate_in(what: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    certificate_among(what, bytes).map_err(|e| input::mistaken(what, input::CERTIFICATE, bytes, e))
}

fn certificate_among(what: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let der = pem::to_der(what, bytes)?;
    if certificate::fields(&der).is_ok() {
        return Ok(der);
    }
    let (signed, _) = open_signed_data(what, &der)?;
    if *signed.encap_content_info.content_type == *oid::ID_CCT_PKI_DATA {
        // The certificates in a CMC request are the signer's.
        return Err(Error::new(Kind::Input, format!("{what} is a CMC request")));
    }
    let all = certificates_of(&signed);
    let issued_another = |subject: &[u8], own: &[u8]| {
        all.iter().any(|c| {
            c.as_slice() != own && certificate::fields(c).is_ok_and(|f| f.issuer == subject)
        })
    };
    let leaf =
        all.iter().find(|c| certificate::fields(c).is_ok_and(|f| !issued_another(f.subject, c)));
    leaf.cloned().ok_or_else(|| Error::new(Kind::Input, format!("{what} has no certificate")))
}

/// Returns warnings: the certificate isn't meant for encryption, or the CA can't use the
/// passphrase. The Java tool gives none.
fn advice(recipient: &[u8], passphrase: &[u8]) -> Result<Vec<String>> {
    let summary = summary(recipient)?;
    let mut advice = Vec::new();
    let now = chrono::Utc::now();
    if summary.not_after < now {
        let until = summary.until();
        advice.push(format!("the issuance protection certificate expired on {until}"));
    } else if now < summary.not_before {
        advice.push("the issuance protection certificate is not valid yet".into());
    }
    if !Certificate::decode(recipient)?.may(&[KeyUsage::KeyEncipherment])? {
        advice.push(
            "the key usage of the issuance protection certificate lacks keyEncipherment".into(),
        );
    }
    if !passphrase.is_ascii() {
        let what = "the shared secret is not ASCII: Dogtag cannot verify a proof made with it";
        advice.push(what.into());
    }
    Ok(advice)
}

/// Where the administrator stores a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The user's entry: its DN, and the attribute (`shrTok`).
    User(String, String),
    /// The record of the certificate to revoke: its DN.
    Record(String),
}

/// Returns the LDIF (RFC 2849) that adds a token, for ldapmodify. The attribute of a certificate's
/// record has other values too, so an older token there isn't replaced; a comment in the LDIF says
/// so.
///
/// # Errors
/// [`Kind::Usage`] for a DN with a line break.
pub fn ldif(entry: &Entry, token: &[u8]) -> Result<String> {
    let (Entry::User(dn, _) | Entry::Record(dn)) = entry;
    if dn.is_empty() || dn.contains(['\n', '\r', '\0']) {
        return Err(Error::new(Kind::Usage, format!("invalid entry DN {dn:?}")));
    }
    // A value that isn't a SAFE-STRING is written in base64 (RFC 2849).
    let safe = dn.is_ascii() && !dn.starts_with([' ', ':', '<']) && !dn.ends_with(' ');
    let dn = match safe {
        true => format!("dn: {dn}"),
        false => format!("dn:: {}", pem::base64(dn.as_bytes())),
    };
    let value = pem::base64(token);
    Ok(match entry {
        Entry::User(_, attribute) => {
            format!("{dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")
        }
        Entry::Record(_) => {
            format!(
                "# first delete an older metaInfo value that begins with revShrTok:\n\
                 {dn}\nchangetype: modify\nadd: metaInfo\nmetaInfo: revShrTok:{value}\n"
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldif_for_either_place() {
        let user = Entry::User("uid=alice,ou=people,dc=x".into(), "shrTok".into());
        assert_eq!(
            ldif(&user, b"abc").unwrap(),
            "dn: uid=alice,ou=people,dc=x\nchangetype: modify\nreplace: shrTok\nshrTok: YWJj\n"
        );
        let record = ldif(&Entry::Record("cn=7,ou=é".into()), b"abc").unwrap();
        assert!(record.contains("\ndn:: Y249NyxvdT3DqQ==\n"), "{record}");
        assert!(record.ends_with("metaInfo: revShrTok:YWJj\n"), "{record}");
        assert!(ldif(&Entry::Record("cn=7\nchangetype: delete".into()), b"").is_err());
    }

    #[test]
    fn certificates_in_files() {
        let read = |name: &str| {
            std::fs::read(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let ca = certificate_in("x", &read("ca_signing.pem")).unwrap();
        assert_eq!(certificate_in("x", &ca).unwrap(), ca);
        let noisy = [b"text\n", read("ca_signing.pem").as_slice(), b"text"].concat();
        assert_eq!(certificate_in("x", &noisy).unwrap(), ca);
        // A response of the CA is PKCS #7 too: the result is the issued certificate, not the CA's.
        let leaf = certificate_in("x", &read("01-rsa-server/response.der")).unwrap();
        assert_ne!(leaf, ca);
        assert!(certificate_in("x", b"nothing").is_err());
        assert!(certificate_in("x", &[0x30, 0]).is_err());
    }
}
