//! A database opened, logged in to each token a run needs, and the signer found in it.

use crate::client::passwords::{Passwords, Wanted};
use crate::error::{Error, Kind, Result};
pub use crate::nss::Identity;
use crate::nss::{Access, Certificate, Database, Token, is_internal_name};
use crate::trust::Paths;

/// What a run needs of a database: decides which tokens it logs in to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs<'a> {
    /// The token the user named; empty for the database's own.
    pub token: &'a str,
    /// Whether that token's private keys are used, or something is put into it.
    pub key: bool,
    /// Nickname of the certificate whose key signs; it may be in another token.
    pub signer: Option<&'a str>,
    /// Nickname of a certificate that is only read; a token may show it after a login only.
    pub certificate: Option<&'a str>,
    /// Whether trust flags are set: they are in the database's own token, whichever holds the
    /// certificate.
    pub trust: bool,
}

/// Certificates that a run will need, held so that NSS keeps what it knows of them.
#[derive(Default)]
pub struct Held(Vec<Certificate>);

/// A database opened, and logged in to every token that the run needs.
pub struct Session {
    /// The database.
    pub database: Database,
    /// The token the user named.
    pub token: Token,
    /// To be kept until the last signature.
    pub held: Held,
}

impl Session {
    /// Opens a database and logs in to the tokens of `needs`, and to the database's own in FIPS mode,
    /// where nothing works without. A password is asked for once for each token, and only where it is
    /// needed. Nothing is made before the last login.
    ///
    /// The signer and its issuers are looked up *before* the logins. After them NSS (before 3.90)
    /// derives a key from the password for each trust record read, 13 ms a certificate; what was read
    /// before and is still held isn't read again. A certificate that only a login shows is found later
    /// all the same.
    ///
    /// # Errors
    /// As [`Database::open`], [`Database::token`] and [`Token::login`]; those of `passwords`.
    pub fn open(
        dir: &str,
        access: Access,
        needs: Needs<'_>,
        passwords: &Passwords<'_>,
    ) -> Result<Session> {
        let database = Database::open(dir, access)?;
        let token = database.token(needs.token)?;
        let internal = database.token("internal")?;
        let mut held = Held::default();
        let mut logins = Logins::new(&database, token.user_name(), passwords);
        if needs.key {
            logins.want(&token);
        }
        let signer = match needs.signer {
            Some(nickname) => {
                held.take(&database, &token, nickname)?;
                places(&database, &token, nickname)?
            }
            None => Vec::new(),
        };
        // The first place is the one the user means; a token may show a certificate only after a
        // login.
        if let Some((_, first)) = signer.first() {
            logins.want(first);
        }
        if let Some(nickname) = needs.certificate {
            let places = places(&database, &token, nickname)?;
            places.iter().filter(|(_, t)| !t.is_internal()).for_each(|(_, t)| logins.want(t));
        }
        if needs.trust || internal.is_fips() {
            logins.want(&internal);
        }
        logins.run()?;
        let holds = |place: &&(String, Token)| {
            !database.find_certificates(&place.0).unwrap_or_default().is_empty()
        };
        if let Some((_, other)) = signer.iter().find(holds) {
            logins.want(other);
            logins.run()?;
        }
        Ok(Session { database, token, held })
    }

    /// The certificate called `nickname`: in the token that the nickname names (`TOKEN:NICKNAME`), else
    /// in the token the user named, else in the database's own.
    ///
    /// # Errors
    /// [`Kind::NotFound`], naming nicknames that are near.
    pub fn certificate(&self, nickname: &str) -> Result<Certificate> {
        find_certificate(&self.database, &self.token, nickname).map(|(certificate, _)| certificate)
    }

    /// Every certificate called `nickname`, where [`Session::certificate`] finds one, that one first;
    /// several share a nickname after a renewal.
    ///
    /// # Errors
    /// As [`Session::certificate`].
    pub fn certificates(&self, nickname: &str) -> Result<Vec<Certificate>> {
        find_certificates(&self.database, &self.token, nickname)
    }

    /// The certificate called `nickname`, its issuers and its key.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for certificate or key.
    pub fn identity(&self, nickname: &str) -> Result<Identity> {
        Identity::find(&self.database, &self.token, nickname)
    }

    /// The certificates that the token the user named holds under a nickname for new ones.
    ///
    /// # Errors
    /// [`Kind::Database`].
    pub fn named(&self, nickname: &str) -> Result<Vec<Certificate>> {
        self.database.find_certificates(&qualified(&self.token, nickname))
    }

    /// A nickname for a new certificate of the token, without that token's own name in front.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an empty one, and for a colon: NSS takes what stands before it for a token.
    pub fn new_nickname(&self, nickname: &str) -> Result<String> {
        let usage = |what| Err(Error::new(Kind::Usage, what).hint("choose another --nickname"));
        let own = match nickname.split_once(':') {
            Some((name, rest)) if name == self.token.name() => rest,
            Some((name, rest)) if self.token.is_internal() && is_internal_name(name) => rest,
            _ => nickname,
        };
        if own.trim().is_empty() {
            return usage("the nickname is empty".to_owned());
        }
        if own.contains(':') {
            return usage(format!(
                "the nickname {nickname:?} holds a colon: NSS would look for a token"
            ));
        }
        Ok(own.to_owned())
    }

    /// DER of the issuers of a certificate (DER), nearest first: those on its path to a CA that the
    /// database trusts, and those above that the database holds, as far as signatures lead. Issuers on
    /// the path are looked for among `others`, too; nothing enters that isn't verified.
    ///
    /// # Errors
    /// [`Kind::Input`] for a certificate that can't be read.
    pub fn issuers(&self, der: &[u8], others: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let mut found = Paths::new(&self.database, others).to_trusted(der).unwrap_or_default();
        let last = found.last().map_or(der, Vec::as_slice);
        // A later run, without what came with the response, must find the same.
        found.extend(held_issuers(&self.database, &self.token, last)?);
        Ok(found)
    }

    /// Shuts NSS down.
    ///
    /// # Errors
    /// [`Kind::Internal`] when something of it is still in use.
    pub fn close(self) -> Result<()> {
        drop((self.token, self.held));
        self.database.close()
    }
}

impl Held {
    /// Takes the signer's certificates and their issuers, as far as they can be seen before a login.
    fn take(&mut self, database: &Database, token: &Token, nickname: &str) -> Result<()> {
        for (name, _) in places(database, token, nickname)? {
            self.0.extend(database.find_certificates(&name)?);
        }
        while let Some(issuer) = self.0.last().and_then(Certificate::find_issuer) {
            let last = issuer.is_self_issued() || self.0.len() > 16;
            self.0.push(issuer);
            if last {
                break;
            }
        }
        Ok(())
    }
}

/// The logins of a run: each token once.
struct Logins<'a> {
    database: &'a Database,
    /// The token the user named; a password that names none is its.
    named: String,
    passwords: &'a Passwords<'a>,
    wanted: Vec<String>,
    done: usize,
}

impl<'a> Logins<'a> {
    fn new(database: &'a Database, named: String, passwords: &'a Passwords<'a>) -> Logins<'a> {
        Logins { database, named, passwords, wanted: Vec::new(), done: 0 }
    }

    fn want(&mut self, token: &Token) {
        let name = token.user_name();
        if token.needs_login() && !self.wanted.contains(&name) {
            self.wanted.push(name);
        }
    }

    /// Logs in to what is wanted since the last time.
    fn run(&mut self) -> Result<()> {
        let tokens = self.wanted.get(self.done..).unwrap_or_default();
        if tokens.is_empty() {
            return Ok(());
        }
        let known: Vec<String> = self.database.tokens()?.iter().map(Token::name).collect();
        let only = self.wanted.len() == 1;
        for name in tokens {
            let token = self.database.token(name)?;
            let wanted = Wanted { token: name, bare: only || *name == self.named, known: &known };
            let password = (self.passwords)(wanted);
            token.login(password.map_err(|e| needed_for(self.database, &token, e))?.as_ref())?;
        }
        self.done = self.wanted.len();
        Ok(())
    }
}

/// Why a password is needed, when there is none.
fn needed_for(database: &Database, token: &Token, error: Error) -> Error {
    if !token.is_fips() {
        return error;
    }
    let what =
        format!("the NSS database {} is in FIPS mode: it needs its password", database.name());
    let hint = error.hint_text().map(str::to_owned);
    let error = Error::new(Kind::Login, what).because(error);
    hint.into_iter().fold(error, Error::hint)
}

/// Where a certificate called `nickname` is looked for, as NSS's look-up string and the token: in the
/// token it names by itself (`TOKEN:NICKNAME`), else in the token the user named, then in the
/// database's own. Never empty.
///
/// # Errors
/// As [`Database::token`].
fn places(database: &Database, token: &Token, nickname: &str) -> Result<Vec<(String, Token)>> {
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

/// The `token` of a PKCS #11 URI (RFC 7512), its escapes decoded.
fn token_of_uri(path: &str) -> Option<String> {
    let value = path.split([';', '?', '&']).find_map(|part| part.strip_prefix("token="))?;
    let mut octets = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        let escaped = hex.filter(|_| *first == b'%').and_then(|h| u8::from_str_radix(h, 16).ok());
        octets.push(escaped.unwrap_or(*first));
        rest = after.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(octets).ok()
}

/// The certificate called `nickname` and the token it is in: that which the nickname names, else
/// `token`, else the database's own.
///
/// # Errors
/// [`Kind::NotFound`], naming nicknames that are near.
pub fn find_certificate(
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
    Err(missing.unwrap_or_else(|| Error::new(Kind::NotFound, "no certificate of that name")))
}

/// Every certificate called `nickname`, where [`find_certificate`] finds one; several share a nickname
/// after a renewal. That one is the first.
///
/// # Errors
/// As [`find_certificate`].
pub fn find_certificates(
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

impl Identity {
    /// Finds a certificate by nickname, and its key: in the token that the nickname names
    /// (`TOKEN:NICKNAME`), else in `token`, else in the database's own.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`] for either.
    pub fn find(database: &Database, token: &Token, nickname: &str) -> Result<Identity> {
        let (certificate, token) = find_certificate(database, token, nickname)?;
        let key = certificate.private_key()?;
        let issuers = held_issuers(database, &token, certificate.der())?;
        Ok(Identity { certificate, issuers, key })
    }
}

/// DER of the issuers that the database and `token` hold of a certificate (DER), as far as signatures
/// lead.
fn held_issuers(database: &Database, token: &Token, der: &[u8]) -> Result<Vec<Vec<u8>>> {
    Paths::new(database, &[]).by_signature(token, der)
}

/// The nickname NSS looks up in `token`: with its name in front, unless it is there already or the
/// token is the internal one.
fn qualified(token: &Token, nickname: &str) -> String {
    if token.is_internal() || nickname.starts_with(&format!("{}:", token.name())) {
        return nickname.to_owned();
    }
    format!("{}:{nickname}", token.name())
}
