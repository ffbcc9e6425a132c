//! Finds certificates by nickname, `TOKEN:NICKNAME` or PKCS #11 URI (RFC 7512).

use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, Token, is_internal_name};
use crate::text::percent_decoded;

/// Returns where to look for a certificate called `nickname`, as name for NSS's lookup and token:
/// the token in the nickname (`TOKEN:NICKNAME`), else the token that the user chose, then the
/// database's own. Never empty.
///
/// # Errors
/// As [`Database::token`].
pub(super) fn places(
    database: &Database,
    token: &Token,
    nickname: &str,
) -> Result<Vec<(String, Token)>> {
    let again = |token: &Token| database.token(&token.user_name());
    let uri = nickname.strip_prefix("pkcs11:").and_then(token_of_uri);
    if let Some(name) = uri {
        return Ok(vec![(nickname.to_owned(), database.token(&name)?)]);
    }
    if let Some((prefix, own)) = nickname.split_once(':').filter(|(p, _)| !p.is_empty()) {
        if is_internal_name(prefix) {
            return Ok(vec![(own.to_owned(), database.token("internal")?)]);
        }
        if database.tokens()?.iter().any(|t| t.name() == prefix) {
            return Ok(vec![(nickname.to_owned(), database.token(prefix)?)]);
        }
    }
    let mut places = vec![(qualified(token, nickname), again(token)?)];
    if !token.is_internal() {
        places.push((nickname.to_owned(), database.token("internal")?));
    }
    Ok(places)
}

/// Returns the `token` of a PKCS #11 URI (RFC 7512), percent-decoded.
fn token_of_uri(path: &str) -> Option<String> {
    let value = path.split([';', '?', '&']).find_map(|part| part.strip_prefix("token="))?;
    String::from_utf8(percent_decoded(value)).ok()
}

/// Returns the certificate called `nickname` and its token: the one in the nickname, else `token`,
/// else the database's own.
///
/// # Errors
/// [`Kind::NotFound`], with similar nicknames as the hint.
pub(super) fn find_certificate(
    database: &Database,
    token: &Token,
    nickname: &str,
) -> Result<(Certificate, Token)> {
    let mut missing = None;
    for (name, place) in places(database, token, nickname)? {
        match database.find_certificate(&name) {
            Ok(certificate) => return Ok((certificate, place)),
            Err(e) => missing = missing.or(Some(e)),
        }
    }
    Err(missing.unwrap_or_else(|| Error::new(Kind::NotFound, "certificate not found")))
}

/// Returns every certificate called `nickname` in the token where [`find_certificate`] finds one,
/// that one first; after a renewal there are several.
///
/// # Errors
/// As [`find_certificate`].
pub(super) fn find_certificates(
    database: &Database,
    token: &Token,
    nickname: &str,
) -> Result<Vec<Certificate>> {
    let mut found = vec![find_certificate(database, token, nickname)?.0];
    for (name, _) in places(database, token, nickname)? {
        let all = database.find_certificates(&name)?;
        if all.iter().any(|c| found.iter().any(|f| f.der() == c.der())) {
            for certificate in all {
                if !found.iter().any(|f| f.der() == certificate.der()) {
                    found.push(certificate);
                }
            }
            break;
        }
    }
    Ok(found)
}

/// Returns the nickname for NSS's lookup in `token`: with the token's name in front, unless the
/// nickname has it already or the token is the internal one.
pub(super) fn qualified(token: &Token, nickname: &str) -> String {
    if token.is_internal() || nickname.starts_with(&format!("{}:", token.name())) {
        return nickname.to_owned();
    }
    format!("{}:{nickname}", token.name())
}
