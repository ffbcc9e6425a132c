//! OCSP (RFC 6960): a request about one certificate, and the verification of the response.
//!
//! A response is accepted if it is signed with SHA-2 or ML-DSA by the certificate's issuer, or by
//! a responder whose certificate this issuer signed, is valid now, has a path to a trusted CA, and
//! has id-kp-OCSPSigning (§4.2.2.2). It must be about this certificate, and be current: its nonce,
//! if it has one, is the one sent; without nonce and nextUpdate it is at most a day old. The
//! revocation of a responder's certificate is checked by CRLs in the database only.

use chrono::{DateTime, TimeDelta, Utc};

use super::path::{Paths, who};
use super::signature::is_strong;
use crate::algorithm::{Crypto, Digest};
use crate::asn1::certificate::{self, Certificate, algorithm};
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::ocsp::{self, Basic, CertId, Single};
use crate::asn1::x509::public_key_bits;
use crate::asn1::{Number, oid};
use crate::error::{Error, Kind, Result};
use crate::nss::{Database, Signature};

pub use crate::asn1::ocsp::OcspStatus;

/// How far the responder's clock may differ from this machine's.
const CLOCKS: TimeDelta = TimeDelta::minutes(5);
/// How old a response with neither nonce nor nextUpdate may be.
const OLDEST: TimeDelta = TimeDelta::days(1);
/// Octets of a nonce: at most 32 are allowed (RFC 8954), and 16 are accepted everywhere.
const NONCE: usize = 16;

/// A verified response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspAnswer {
    /// The certificate's status.
    pub status: OcspStatus,
    /// The time at which it was known to be correct.
    pub this_update: DateTime<Utc>,
    /// The time by which there will be newer information.
    pub next_update: Option<DateTime<Utc>>,
    /// Whether it has the nonce that was sent: it was made for this request.
    pub has_nonce: bool,
}

/// Returns the URLs of the OCSP responders that a certificate (DER) names.
///
/// # Errors
/// [`Kind::Input`].
pub fn responders(der: &[u8]) -> Result<Vec<String>> {
    ocsp::responders(&Certificate::decode(der)?)
}

/// A request about one certificate.
pub struct OcspQuestion<'db> {
    database: &'db Database,
    paths: Paths<'db>,
    issuer: Vec<u8>,
    id: CertId,
    nonce: Vec<u8>,
}

impl<'db> OcspQuestion<'db> {
    /// Prepares a request about a certificate (DER), whose issuer the database must have and trust.
    ///
    /// # Errors
    /// [`Kind::Untrusted`] without such an issuer; [`Kind::Refused`] when NSS can't compute SHA-1.
    pub fn about(database: &'db Database, der: &[u8]) -> Result<OcspQuestion<'db>> {
        let certificate = certificate::read(der)?;
        let paths = Paths::new(database, &[]);
        let chain = paths.chain(&database.token("internal")?, der)?;
        let issuer = chain.into_iter().next().ok_or_else(|| {
            let what = format!("issuer of {} not found", who(&certificate));
            Error::new(Kind::Untrusted, what)
        })?;
        let key = public_key_bits(certificate::fields(&issuer)?.spki)?;
        let id = CertId {
            name_hash: database.hash(Digest::Sha1, certificate.fields.issuer)?,
            key_hash: database.hash(Digest::Sha1, &key)?,
            serial: Number::from(certificate.serial()),
        };
        Ok(OcspQuestion { database, paths, issuer, id, nonce: database.random(NONCE)? })
    }

    /// Returns the DER of the request.
    ///
    /// # Errors
    /// [`Kind::Internal`].
    pub fn request(&self) -> Result<Vec<u8>> {
        ocsp::request(&self.id, &self.nonce)
    }

    /// Verifies a response (DER) by the [rules of this module](self).
    ///
    /// # Errors
    /// [`Kind::Http`] when it isn't an OCSP response, or reports an error; [`Kind::BadReply`] when
    /// it isn't proven, not about this certificate, or not current.
    pub fn answer(&self, response: &[u8], now: DateTime<Utc>) -> Result<OcspAnswer> {
        let basic = ocsp::response(response)?;
        self.signed(&basic)?;
        if let Some(id) = &basic.unknown_critical {
            return Err(refused(format!("its critical extension {id} is unknown")));
        }
        let has_nonce = match &basic.nonce {
            None => false,
            Some(nonce) if *nonce == self.nonce => true,
            Some(_) => return Err(refused("its nonce is not the one sent")),
        };
        let about = |single: &&Single| single.id.as_ref() == Some(&self.id);
        let Some(single) = basic.singles.iter().find(about) else {
            return Err(refused("it is about another certificate"));
        };
        current(single, has_nonce, now)?;
        Ok(OcspAnswer {
            status: single.status.clone(),
            this_update: single.this_update,
            next_update: single.next_update,
            has_nonce,
        })
    }

    /// Verifies the signature, and that the signer is authorized by the issuer.
    fn signed(&self, basic: &Basic) -> Result<()> {
        let (id, parameters) =
            algorithm(&basic.algorithm).ok_or_else(|| refused("its signature is malformed"))?;
        if !is_strong(&basic.algorithm) {
            return Err(refused("its signature algorithm is unknown or too weak"));
        }
        let (data, value) = (&basic.signed, &basic.signature);
        let signature = Signature { data, algorithm: id, parameters, value };
        let issuer = certificate::read(&self.issuer)?;
        self.paths.spend()?;
        let mut why = match self.database.verify_signature(issuer.fields.spki, &signature) {
            Ok(()) => return Ok(()),
            Err(fault) => {
                let what = "the signature of the OCSP response does not match";
                Error::new(Kind::BadReply, what).because(fault)
            }
        };
        for der in &basic.certificates {
            let Ok(signer) = certificate::read(der) else { continue };
            self.paths.spend()?;
            if self.database.verify_signature(signer.fields.spki, &signature).is_ok() {
                match self.may_answer(&signer, &issuer) {
                    Ok(()) => return Ok(()),
                    Err(e) => why = e,
                }
            }
        }
        Err(why)
    }

    /// Checks that the issuer made `signer` a responder (RFC 6960 §4.2.2.2).
    fn may_answer(&self, signer: &Certificate<'_>, issuer: &Certificate<'_>) -> Result<()> {
        let name = who(signer);
        let may_not = |why: String| refused(format!("{name} may not sign it: {why}"));
        if signer.fields.issuer != issuer.fields.subject {
            return Err(may_not("another CA issued its certificate".into()));
        }
        let proven = self.paths.link(signer, issuer);
        let proven = proven.and_then(|()| self.paths.valid_now(signer));
        proven
            .and_then(|()| self.paths.to_trusted(signer.der))
            .map_err(|e| may_not(e.to_string()))?;
        if !signer.has_purpose(oid::KP_OCSP_SIGNING)? {
            return Err(may_not("its extKeyUsage lacks OCSPSigning".into()));
        }
        if !signer.may(&[KeyUsage::DigitalSignature, KeyUsage::NonRepudiation])? {
            return Err(may_not("its keyUsage lacks digitalSignature".into()));
        }
        match signer.unknown_critical() {
            Some(id) => Err(may_not(format!("its critical extension {id} is unknown"))),
            None => Ok(()),
        }
    }
}

fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::BadReply, "the OCSP response is not accepted").because(why)
}

/// Checks that a response is current (RFC 6960 §3.2, §4.2.2.1).
fn current(single: &Single, has_nonce: bool, now: DateTime<Utc>) -> Result<()> {
    let date = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let (from, to) = (single.this_update, single.next_update);
    if from.signed_duration_since(now) > CLOCKS {
        return Err(refused(format!("it is valid only from {}", date(from)))
            .hint("compare this machine's clock with the responder's"));
    }
    let ended = match to {
        Some(to) => (now.signed_duration_since(to) > CLOCKS).then_some(("ended on", to)),
        None if has_nonce => None,
        None => (now.signed_duration_since(from) > OLDEST).then_some(("is only of", from)),
    };
    match ended {
        Some((how, time)) => Err(refused(format!("it is too old: it {how} {}", date(time)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_for_a_while() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let at = |minutes: i64| now + TimeDelta::minutes(minutes);
        let holds = |from: i64, to: Option<i64>, nonce| {
            let (this_update, next_update) = (at(from), to.map(at));
            let status = OcspStatus::Good;
            let single = Single { id: None, status, this_update, next_update };
            current(&single, nonce, now).is_ok()
        };
        assert!(holds(0, None, false) && holds(5, None, false) && !holds(6, None, true));
        assert!(holds(-1440, None, false) && !holds(-1441, None, false));
        assert!(holds(-1441, None, true));
        assert!(holds(-9999, Some(0), false) && holds(-9999, Some(-5), false));
        assert!(!holds(-9999, Some(-6), false) && !holds(-9999, Some(-6), true));
        assert!(!holds(6, Some(9), true));
    }
}
