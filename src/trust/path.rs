//! Paths from a certificate to a CA that the database trusts.

use std::cell::Cell;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::asn1::certificate::{self, Certificate};
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::name::dn_string;
use crate::asn1::tlv;
use crate::error::{Error, Kind, Result};
use crate::nss::{CaTrust, Database, Signature, Token};

/// The longest path; a longer one is a loop of cross-certificates.
const LONGEST: usize = 16;
/// The most certificates of one message that are considered as issuers.
const MOST_CERTIFICATES: usize = 1000;
/// The most signatures verified for one message: very many certificates may have the same name.
const MOST_SIGNATURES: usize = 500;

/// Finds paths over issuers in the database and in a message.
pub struct Paths<'a> {
    database: &'a Database,
    /// Certificates in the message, by subject.
    bag: BTreeMap<Vec<u8>, Vec<&'a [u8]>>,
    now: DateTime<Utc>,
    left: Cell<usize>,
}

/// A possible issuer of a certificate.
struct Candidate {
    der: Vec<u8>,
    trust: CaTrust,
    /// Whether it is in the database.
    held: bool,
}

/// Returns the subject of a certificate for messages.
pub(super) fn who(certificate: &Certificate<'_>) -> String {
    dn_string(certificate.fields.subject).unwrap_or_else(|_| "(unreadable name)".into())
}

fn untrusted(what: String) -> Error {
    Error::new(Kind::Untrusted, what)
}

/// Returns the issuer's name for messages.
fn issuer_of(certificate: &Certificate<'_>) -> String {
    dn_string(certificate.fields.issuer).unwrap_or_else(|_| "(unreadable name)".into())
}

impl<'a> Paths<'a> {
    /// Prepares to find paths in `database`, over its issuers and those in `bag` (DER), at the
    /// present time.
    pub fn new(database: &'a Database, bag: &'a [Vec<u8>]) -> Paths<'a> {
        let mut by_subject: BTreeMap<Vec<u8>, Vec<&[u8]>> = BTreeMap::new();
        for der in bag.iter().take(MOST_CERTIFICATES) {
            if let Ok(fields) = certificate::fields(der) {
                let of_name = by_subject.entry(fields.subject.to_vec()).or_default();
                if !of_name.contains(&der.as_slice()) {
                    of_name.push(der);
                }
            }
        }
        let left = Cell::new(MOST_SIGNATURES);
        Paths { database, bag: by_subject, now: Utc::now(), left }
    }

    /// Returns the issuers of a certificate (all DER), nearest first; the last one is a CA trusted
    /// for SSL. None when the certificate itself is such a CA. Issuers must be valid now; the
    /// certificate's own dates are not checked, because the CA's clock may be ahead.
    ///
    /// # Errors
    /// [`Kind::Untrusted`]: no path, or NSS objects to it; [`Kind::Input`] when it isn't a
    /// certificate.
    pub fn to_trusted(&self, der: &[u8]) -> Result<Vec<Vec<u8>>> {
        let certificate = certificate::read(der)?;
        let climb = || self.climb(&certificate, 0, &mut vec![der.to_vec()]);
        let path = match self.trust_of(&certificate) {
            CaTrust::Distrusted => return Err(distrusted(&certificate)),
            CaTrust::Trusted if is_ca(&certificate) => Vec::new(),
            CaTrust::Trusted | CaTrust::Unknown => climb()?,
        };
        let chain: Vec<&[u8]> =
            std::iter::once(der).chain(path.iter().map(Vec::as_slice)).collect();
        let constrains = |der: &Vec<u8>| certificate::read(der).is_ok_and(|c| c.constrains_names());
        match self.database.objection(&chain, path.iter().any(constrains)) {
            None => Ok(path),
            Some(fault) => {
                Err(untrusted(format!("NSS refuses the path of {}", who(&certificate)))
                    .because(fault))
            }
        }
    }

    /// Returns the issuers of a certificate, nearest first, up to a self-signed one or to the last
    /// whose signature could be verified; none needs to be trusted. `token` is searched besides the
    /// internal token. Trust records, which cost a password-key derivation each, are not read.
    ///
    /// # Errors
    /// [`Kind::Input`] when it isn't a certificate, [`Kind::Database`].
    pub fn by_signature(&self, token: &Token, der: &[u8]) -> Result<Vec<Vec<u8>>> {
        let internal = self.database.token("internal")?;
        let mut at = der.to_vec();
        let mut found: Vec<Candidate> = Vec::new();
        while found.len() < LONGEST {
            let last = certificate::read(&at)?;
            if self.is_self_signed(&last) {
                break;
            }
            let name = last.fields.issuer;
            let mut held = internal.certificates_of_subject(name);
            if !token.is_internal() {
                held.extend(token.certificates_of_subject(name));
            }
            let trust = CaTrust::Unknown;
            let held = held.into_iter().map(|der| Candidate { der, trust, held: true });
            let next = self.with_bag(&last, held.collect()).into_iter().find(|c| {
                c.der != der
                    && !found.iter().any(|seen| seen.der == c.der)
                    && certificate::read(&c.der).is_ok_and(|i| self.leads_up(&last, &i, c.held))
            });
            let Some(next) = next else { break };
            at = next.der.clone();
            found.push(next);
        }
        // A last certificate that came with the message and is not self-signed proves nothing: its
        // own signature isn't verified.
        while let Some(last) = found.last()
            && !last.held
            && !certificate::read(&last.der).is_ok_and(|c| self.is_self_signed(&c))
        {
            found.pop();
        }
        Ok(found.into_iter().map(|c| c.der).collect())
    }

    /// Returns the issuers that [`Paths::to_trusted`] finds, then those above them that `token` and
    /// the internal token have, as [`Paths::by_signature`] finds them.
    ///
    /// # Errors
    /// As [`Paths::to_trusted`] and [`Paths::by_signature`].
    pub fn chain(&self, token: &Token, der: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut chain = self.to_trusted(der)?;
        let last = chain.last().map_or(der, Vec::as_slice);
        // Without the certificates of the message: a later run must return the same.
        let above = Paths::new(self.database, &[]).by_signature(token, last)?;
        chain.extend(above);
        Ok(chain)
    }

    /// Returns whether `issuer` is a CA that signed `certificate`; a self-issued one from the
    /// message must also be self-signed.
    fn leads_up(
        &self,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
        held: bool,
    ) -> bool {
        is_ca(issuer)
            && self.link(certificate, issuer).is_ok()
            && (held || !issuer.is_self_issued() || self.is_self_signed(issuer))
    }

    pub(super) fn is_self_signed(&self, certificate: &Certificate<'_>) -> bool {
        certificate.is_self_issued() && self.link(certificate, certificate).is_ok()
    }

    /// Verifies that `issuer`'s key signed `certificate` (RFC 5280 §4.1.1.3).
    ///
    /// # Errors
    /// [`Kind::Untrusted`]; [`Kind::Refused`] when NSS is too old for the algorithm.
    pub(super) fn link(
        &self,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Result<()> {
        self.spend()?;
        let signature = Signature {
            data: certificate.signed,
            algorithm: certificate.algorithm,
            parameters: certificate.parameters,
            value: certificate.signature,
        };
        self.database.can_verify(certificate.algorithm)?;
        self.database.verify_signature(issuer.fields.spki, &signature).map_err(|fault| {
            let who = who(certificate);
            untrusted(format!("certificate of {who} is not signed by {}", self::who(issuer)))
                .because(fault)
        })
    }

    /// Counts a signature that will be verified.
    ///
    /// # Errors
    /// [`Kind::Untrusted`] when there are too many.
    pub(super) fn spend(&self) -> Result<()> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(untrusted(format!(
                "the message requires more than {MOST_SIGNATURES} signature verifications"
            ))),
        }
    }

    /// Returns the path above `certificate`, which has `below` CAs below it that aren't
    /// self-issued; `seen` holds the certificates already on the path.
    fn climb(
        &self,
        certificate: &Certificate<'_>,
        below: u64,
        seen: &mut Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>> {
        if seen.len() > LONGEST {
            return Err(untrusted(format!("the path is longer than {LONGEST} certificates")));
        }
        let mut why = None;
        for candidate in self.candidates(certificate) {
            if seen.contains(&candidate.der) {
                continue;
            }
            let Ok(issuer) = certificate::read(&candidate.der) else { continue };
            if let Err(e) = self.link(certificate, &issuer) {
                // Another certificate with the same name may be the issuer. The error of one whose
                // signature matched is reported in preference.
                why.get_or_insert(e);
                continue;
            }
            let above = match self.may_issue(&issuer, below) {
                Err(e) => Err(e),
                Ok(()) => match candidate.trust {
                    CaTrust::Distrusted => Err(distrusted(&issuer)),
                    CaTrust::Trusted => Ok(Vec::new()),
                    CaTrust::Unknown => {
                        seen.push(candidate.der.clone());
                        let below = below + u64::from(!issuer.is_self_issued());
                        let above = self.climb(&issuer, below, seen);
                        seen.pop();
                        above
                    }
                },
            };
            match above {
                Ok(mut above) => {
                    above.insert(0, candidate.der);
                    return Ok(above);
                }
                Err(e) => why = Some(e),
            }
        }
        if self.is_self_signed(certificate) {
            let who = who(certificate);
            let error = untrusted(format!("the database does not trust {who} for SSL"));
            return Err(match self.is_trusted_by_newer(certificate) {
                true => error
                    .because("a newer NSS has set its trust, in a form that this NSS does not read")
                    .hint("use that NSS, or trust the CA again: nss-cmc cert trust"),
                false => error,
            });
        }
        Err(why.unwrap_or_else(|| {
            let issuer = issuer_of(certificate);
            untrusted(format!("issuer {issuer} of {} not found", who(certificate)))
        }))
    }

    /// Checks that a certificate may be an issuer, with `below` CAs between it and the end entity
    /// (RFC 5280 §6.1.4).
    fn may_issue(&self, issuer: &Certificate<'_>, below: u64) -> Result<()> {
        let refused = |why: &str| {
            Err(untrusted(format!("{} may not issue certificates", who(issuer))).because(why))
        };
        self.valid_now(issuer)?;
        let (ca, most) = issuer.ca()?;
        if !ca {
            return refused("it is not a CA (basicConstraints)");
        }
        if !issuer.may(&[KeyUsage::KeyCertSign])? {
            return refused("its keyUsage lacks keyCertSign");
        }
        if most.is_some_and(|most| below > most) {
            return refused("the path below it is longer than its pathLenConstraint");
        }
        match issuer.unknown_critical() {
            Some(id) => refused(&format!("its critical extension {id} is unknown")),
            None => Ok(()),
        }
    }

    /// Checks a certificate's dates (RFC 5280 §4.1.2.5).
    ///
    /// # Errors
    /// [`Kind::Untrusted`].
    pub(super) fn valid_now(&self, certificate: &Certificate<'_>) -> Result<()> {
        let (from, to) = (certificate.not_before, certificate.not_after);
        if self.now > to {
            let date = to.format("%Y-%m-%d %H:%M:%S UTC");
            return Err(untrusted(format!(
                "certificate of {} expired on {date}",
                who(certificate)
            )));
        }
        if self.now < from {
            let date = from.format("%Y-%m-%d %H:%M:%S UTC");
            return Err(untrusted(format!(
                "certificate of {} is not valid before {date}",
                who(certificate)
            )));
        }
        Ok(())
    }

    /// Returns whether the database trusts a certificate in a form that only a newer NSS reads.
    fn is_trusted_by_newer(&self, certificate: &Certificate<'_>) -> bool {
        let serial = tlv(0x02, certificate.fields.serial);
        self.trust_of(certificate) == CaTrust::Unknown
            && self.database.has_newer_trust(certificate.fields.issuer, &serial)
    }

    /// Returns the database's trust of exactly this certificate.
    fn trust_of(&self, certificate: &Certificate<'_>) -> CaTrust {
        let held = self.database.certificates_named(certificate.fields.subject);
        let same = held.iter().find(|c| c.der() == certificate.der);
        same.map_or(CaTrust::Unknown, |c| c.ca_trust())
    }

    /// Returns the certificates with the name of the issuer, most likely first.
    fn candidates(&self, of: &Certificate<'_>) -> Vec<Candidate> {
        let held = self.database.certificates_named(of.fields.issuer);
        let known = held.iter().map(|c| {
            let (der, trust) = (c.der().to_vec(), c.ca_trust());
            Candidate { der, trust, held: true }
        });
        self.with_bag(of, known.collect())
    }

    /// Adds those from the message, and sorts all into the order in which they are tried.
    fn with_bag(&self, of: &Certificate<'_>, mut found: Vec<Candidate>) -> Vec<Candidate> {
        for der in self.bag.get(of.fields.issuer).into_iter().flatten() {
            if !found.iter().any(|c| c.der == *der) {
                let (der, trust) = (der.to_vec(), CaTrust::Unknown);
                found.push(Candidate { der, trust, held: false });
            }
        }
        let wanted = of.authority_key_identifier();
        found.sort_by_cached_key(|candidate| {
            let Ok(c) = certificate::read(&candidate.der) else {
                return (true, true, true, true, std::cmp::Reverse(DateTime::<Utc>::MIN_UTC));
            };
            let other_key = match (wanted, c.key_identifier()) {
                (Some(wanted), Some(has)) => wanted != has,
                _ => false,
            };
            let newest = std::cmp::Reverse(c.not_before);
            let trusted = candidate.trust == CaTrust::Trusted;
            (other_key, !trusted, self.valid_now(&c).is_err(), !c.is_self_issued(), newest)
        });
        found
    }
}

fn distrusted(certificate: &Certificate<'_>) -> Error {
    untrusted(format!("the database distrusts {} (trust flag p)", who(certificate)))
}

fn is_ca(certificate: &Certificate<'_>) -> bool {
    certificate.ca().is_ok_and(|(ca, _)| ca)
}
