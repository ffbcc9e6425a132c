//! The certificate that a new one replaces: its key, its trust flags, its removal.

use super::finish::Destination;
use super::{Described, Job, Notice, RemoveOld};
use crate::asn1::Number;
use crate::asn1::certificate;
use crate::asn1::summary::summary;
use crate::asn1::x509::{public_key_bits, spki_key_spec};
use crate::client::newest::newest_first;
use crate::client::passwords::Wanted;
use crate::client::request_key::RequestKey;
use crate::client::session::log_in;
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Token, Trust};

/// The certificate in use before the run.
pub(super) struct Previous {
    /// Its DER.
    der: Vec<u8>,
    /// How it was.
    pub(super) described: Described,
    /// Whether another certificate with a key began at the same time, so that it can't be told which
    /// one was in use.
    ambiguous: bool,
}

impl Described {
    /// Returns the description of a stored certificate.
    pub(super) fn of(certificate: &Certificate) -> Result<Described> {
        let summary = summary(certificate.der())?;
        Ok(Described {
            serial: Some(summary.number()),
            subject: Some(summary.subject),
            sans: Some(summary.sans),
            issuer: Some(summary.issuer),
            validity: Some((summary.not_before, summary.not_after)),
            key: spki_key_spec(certificate.spki()),
            trust: Some(certificate.trust_text()),
        })
    }
}

impl Previous {
    /// Returns the certificate under the nickname that a new one would replace: the one that `found`
    /// was compared with, else the newest that has a key.
    pub(super) fn of(
        found: &[Certificate],
        compared: Option<&Certificate>,
    ) -> Result<Option<Previous>> {
        let with_key = newest_first(found.iter().filter(|c| c.private_key().is_ok()));
        let newest = with_key.first().map(|(_, newest)| *newest);
        let Some(certificate) = compared.or(newest) else { return Ok(None) };
        let since = summary(certificate.der())?.not_before;
        Ok(Some(Previous {
            der: certificate.der().to_vec(),
            described: Described::of(certificate)?,
            ambiguous: with_key.iter().filter(|(other, _)| other.not_before == since).count() > 1,
        }))
    }

    /// Returns its serial number in hexadecimal.
    fn serial(&self) -> String {
        self.described.serial.as_ref().map(Number::hex).unwrap_or_default()
    }
}

impl Job<'_> {
    /// Returns the key of the certificate that is replaced, for its successor.
    ///
    /// # Errors
    /// [`Kind::Usage`] when another type of key is requested; [`Kind::NotFound`] when the key isn't
    /// in the token.
    pub(super) fn same_key(&self, previous: &Previous) -> Result<RequestKey> {
        let certificate = self.session.database.decode_certificate(&previous.der)?;
        let key = RequestKey::of(&certificate)?;
        if self.session.token.find_key(&key.id).is_some() {
            return Ok(key);
        }
        let token = self.session.token.user_name();
        let what = format!("key of certificate {} is not in token {token}", previous.serial());
        Err(Error::new(Kind::NotFound, what).hint("name its token: --token NAME"))
    }
}

impl Destination<'_> {
    /// Returns the trust flags that the new certificate takes over; if that isn't possible, it is a
    /// notice.
    pub(super) fn kept_trust(
        &self,
        replaces: Option<&Previous>,
        notices: &mut Vec<Notice>,
    ) -> Option<Trust> {
        self.trust_to_keep(replaces?).unwrap_or_else(|e| {
            notices.push(Notice::TrustNotKept(e));
            None
        })
    }

    /// Returns the trust flags that the new certificate takes over; `None` if they are given, or the
    /// replaced one has none. The flags are in the database's own token, which is logged in to for
    /// this, before anything is created.
    ///
    /// # Errors
    /// That of the login.
    fn trust_to_keep(&self, previous: &Previous) -> Result<Option<Trust>> {
        let text = previous.described.trust.as_deref().unwrap_or_default();
        // NSS sets `u` where there is a key.
        if self.trust.is_some() || text.chars().all(|c| ",u".contains(c)) {
            return Ok(None);
        }
        let trust = Trust::parse(text)?;
        let database = &self.session.database;
        let internal = database.token("internal")?;
        if internal.needs_login() {
            let known: Vec<String> = database.tokens()?.iter().map(Token::name).collect();
            let wanted = Wanted { token: "internal", bare: false, known: &known };
            log_in(database, &internal, wanted, self.passwords).map_err(|e| {
                let what = format!("cannot take over the trust flags {text}");
                Error::new(e.kind(), what).because(e)
            })?;
        }
        Ok(Some(trust))
    }

    /// Removes the replaced certificate, and its key if nothing else needs it; the new one (DER) is
    /// in the token.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when it can't be told which certificate was replaced; [`Kind::Refused`].
    pub(super) fn remove(&self, previous: &Previous, new: &[u8], what: RemoveOld) -> Result<()> {
        let serial = previous.serial();
        let stays = |kind, why: &str| {
            Error::new(kind, format!("the old certificate, serial {serial}, is not removed"))
                .because(why.to_owned())
        };
        if previous.der == new {
            return Err(stays(Kind::Conflict, "it is the new one"));
        }
        if previous.ambiguous {
            let why = "several certificates with this nickname began at the same time";
            return Err(stays(Kind::Conflict, why));
        }
        let (database, token) = (&self.session.database, &self.session.token);
        let stored = database.decode_certificate(new)?;
        if !token.holds(&stored) || stored.private_key().is_err() {
            return Err(stays(Kind::NotFound, "the new one, or its key, is not in the token"));
        }
        drop(stored);
        let certificate = database.decode_certificate(&previous.der)?;
        let key = match what {
            RemoveOld::Certificate => None,
            RemoveOld::CertificateAndKey => Some(certificate.private_key()?),
        };
        let refused =
            || Error::new(Kind::Refused, format!("cannot remove the old certificate {serial}"));
        certificate.delete().map_err(|f| refused().because(f))?;
        let certificate = database.decode_certificate(&previous.der)?;
        if database.tokens()?.iter().any(|token| token.holds(&certificate)) {
            return Err(
                refused().because("NSS reports success, but the certificate is still there")
            );
        }
        let Some(key) = key else { return Ok(()) };
        let bits = public_key_bits(certificate::fields(&previous.der)?.spki)?;
        let needs = |c: &Certificate| {
            c.der() != previous.der && public_key_bits(c.spki()).is_ok_and(|other| other == bits)
        };
        if database.tokens()?.iter().any(|token| token.certificates().iter().any(&needs)) {
            let what = format!("the key of the old certificate {serial} is kept");
            return Err(Error::new(Kind::Conflict, what).because("another certificate needs it"));
        }
        // A public half that stays does no harm.
        key.delete_pair().map(drop)
    }
}
