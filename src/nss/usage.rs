//! Verifies a certificate for a usage, as `certutil -V` does, and lists NSS's objections to each
//! certificate of the path.

use chrono::{DateTime, Utc};
use nss_sys as sys;

use super::alone::alone;
use super::cert::{Certificate, now};
use super::database::{Database, not_written};
use super::fault::{self, Fault};
use super::token::Token;
use super::verify::engine;
use crate::error::Result;

/// The usage that a certificate is verified for (`certutil -V -u`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS client.
    SslClient,
    /// TLS server.
    SslServer,
    /// A CA that issues certificates for TLS.
    SslCa,
    /// A CA that the database trusts for any usage. For `certificateUsageAnyCA` and
    /// `certificateUsageVerifyCA`, CERT_VerifyCertificate, and so certutil, checks the dates only;
    /// for this usage the path is verified.
    AnyCa,
    /// Signer of e-mail.
    EmailSigner,
    /// Recipient of encrypted e-mail.
    EmailRecipient,
    /// Signer of OCSP responses.
    StatusResponder,
    /// Signer of programs.
    ObjectSigner,
    /// IPsec peer.
    Ipsec,
}

impl Usage {
    /// All usages, in certutil's order.
    pub const ALL: [Usage; 9] = [
        Usage::SslClient,
        Usage::SslServer,
        Usage::SslCa,
        Usage::AnyCa,
        Usage::EmailSigner,
        Usage::EmailRecipient,
        Usage::StatusResponder,
        Usage::ObjectSigner,
        Usage::Ipsec,
    ];

    /// Returns its name: `server`, `ca`…
    pub fn name(self) -> &'static str {
        match self {
            Usage::SslClient => "client",
            Usage::SslServer => "server",
            Usage::SslCa => "ca",
            Usage::AnyCa => "any-ca",
            Usage::EmailSigner => "email-signer",
            Usage::EmailRecipient => "email-recipient",
            Usage::StatusResponder => "ocsp-responder",
            Usage::ObjectSigner => "object-signer",
            Usage::Ipsec => "ipsec",
        }
    }

    /// Returns the usage with this name.
    pub fn from_name(name: &str) -> Option<Usage> {
        Usage::ALL.into_iter().find(|usage| usage.name() == name)
    }

    /// Returns the usage that a letter stands for in `certutil -V -u`; `Y` (verify CA) is treated as
    /// `A` (any CA).
    pub fn from_letter(letter: char) -> Option<Usage> {
        Some(match letter {
            'C' => Usage::SslClient,
            'V' => Usage::SslServer,
            'L' => Usage::SslCa,
            'A' | 'Y' => Usage::AnyCa,
            'S' => Usage::EmailSigner,
            'R' => Usage::EmailRecipient,
            'O' => Usage::StatusResponder,
            'J' => Usage::ObjectSigner,
            'I' => Usage::Ipsec,
            _ => return None,
        })
    }

    /// Returns whether it is a usage of CA certificates.
    pub fn is_ca(self) -> bool {
        matches!(self, Usage::SslCa | Usage::AnyCa)
    }

    /// Returns the usage for CERT_VerifyCert.
    fn number(self) -> sys::SECCertUsage {
        match self {
            Usage::SslClient => sys::certUsageSSLClient,
            Usage::SslServer => sys::certUsageSSLServer,
            Usage::SslCa => sys::certUsageSSLCA,
            Usage::AnyCa => sys::certUsageAnyCA,
            Usage::EmailSigner => sys::certUsageEmailSigner,
            Usage::EmailRecipient => sys::certUsageEmailRecipient,
            Usage::StatusResponder => sys::certUsageStatusResponder,
            Usage::ObjectSigner => sys::certUsageObjectSigner,
            Usage::Ipsec => sys::certUsageIPsec,
        }
    }

    /// Returns the usage for CERT_VerifyCertificate; `None` if that function doesn't verify it.
    fn bits(self) -> Option<sys::SECCertificateUsage> {
        Some(match self {
            Usage::SslClient => sys::certificateUsageSSLClient,
            Usage::SslServer => sys::certificateUsageSSLServer,
            Usage::SslCa => sys::certificateUsageSSLCA,
            Usage::AnyCa => return None,
            Usage::EmailSigner => sys::certificateUsageEmailSigner,
            Usage::EmailRecipient => sys::certificateUsageEmailRecipient,
            Usage::StatusResponder => sys::certificateUsageStatusResponder,
            Usage::ObjectSigner => sys::certificateUsageObjectSigner,
            Usage::Ipsec => sys::certificateUsageIPsec,
        })
    }
}

/// An objection of NSS to one certificate of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// Its position in the path: 0 is the verified certificate.
    pub depth: u32,
    /// The objection.
    pub fault: Fault,
}

impl Fault {
    /// Returns whether the objection is that the issuer is missing or not trusted.
    pub fn is_about_issuer(&self) -> bool {
        [sys::SEC_ERROR_UNKNOWN_ISSUER, sys::SEC_ERROR_UNTRUSTED_ISSUER].contains(&self.code)
    }
}

impl Problem {
    /// Returns whether the objection is that the path ends at this root, which isn't trusted.
    pub fn is_untrusted_root(&self) -> bool {
        self.fault.code == sys::SEC_ERROR_UNTRUSTED_ISSUER
    }
}

impl Database {
    /// Verifies `certificate` for a usage at the present time, against the database's trust flags.
    /// NSS builds the path from the database and from decoded certificates that are not yet freed;
    /// the certificate itself needn't be in the database. For [`Usage::AnyCa`] NSS doesn't require
    /// basicConstraints. C: `CERT_VerifyCertificate`, `CERT_VerifyCert`.
    ///
    /// # Errors
    /// The NSS fault (`SEC_ERROR_UNKNOWN_ISSUER`…).
    pub fn verify(
        &self,
        certificate: &Certificate,
        usage: Usage,
    ) -> std::result::Result<(), Fault> {
        self.verify_as_of(certificate, usage, now())
    }

    /// Verifies as [`Database::verify`] does, as of another time.
    ///
    /// # Errors
    /// As [`Database::verify`].
    pub fn verify_at(
        &self,
        certificate: &Certificate,
        usage: Usage,
        at: DateTime<Utc>,
    ) -> std::result::Result<(), Fault> {
        self.verify_as_of(certificate, usage, at.timestamp_micros())
    }

    fn verify_as_of(
        &self,
        certificate: &Certificate,
        usage: Usage,
        time: sys::PRTime,
    ) -> std::result::Result<(), Fault> {
        let _engine = engine();
        match usage.bits() {
            Some(bits) => fault::status("CERT_VerifyCertificate", || {
                // SAFETY: the certificate is live; no log, no returned usages are asked (cert.h).
                unsafe {
                    sys::CERT_VerifyCertificate(
                        self.cert_db(),
                        certificate.as_ptr(),
                        super::pr_bool(true),
                        bits,
                        time,
                        std::ptr::null_mut(),
                        std::ptr::null_mut(),
                        std::ptr::null_mut(),
                    )
                }
            }),
            None => fault::status("CERT_VerifyCert", || {
                // SAFETY: the certificate is live; no log is asked for (cert.h).
                unsafe {
                    sys::CERT_VerifyCert(
                        self.cert_db(),
                        certificate.as_ptr(),
                        super::pr_bool(true),
                        usage.number(),
                        time,
                        std::ptr::null_mut(),
                        std::ptr::null_mut(),
                    )
                }
            }),
        }
    }

    /// Returns every objection of NSS's classic engine to `certificate` and its issuers for a usage,
    /// those to the certificate first; empty if NSS can't list them. [`Database::verify`] stops at
    /// the first one, and uses the engine that is NSS's default. C: `CERT_VerifyCert`.
    pub fn problems(&self, certificate: &Certificate, usage: Usage) -> Vec<Problem> {
        let Ok(log) = self.objections(certificate, usage.number()) else { return Vec::new() };
        let problem = |node: &sys::CERTVerifyLogNode| {
            let code = i32::try_from(node.error).unwrap_or_default();
            let raw = std::ptr::NonNull::new(node.cert)?;
            // SAFETY: the certificate is live, the log holds a reference; one more is taken.
            let own = unsafe { sys::CERT_DupCertificate(raw.as_ptr()) };
            // SAFETY: `own` is that reference.
            let own = unsafe { Certificate::from_raw(self.guard(), std::ptr::NonNull::new(own)?) };
            Some(Problem {
                certificate: own.der().to_vec(),
                depth: node.depth,
                fault: Fault::from_code("CERT_VerifyCert", code),
            })
        };
        log.nodes().iter().filter_map(problem).collect()
    }
}

impl Token {
    /// Deletes a certificate from this token only; its key stays, and so does a copy in another token. C:
    /// `PK11_FindCertInSlot`, `PK11_DestroyTokenObject`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Refused`] with the NSS fault.
    pub fn take_out(&self, certificate: &Certificate) -> Result<()> {
        // SAFETY: slot and certificate are live; wincx is only for callbacks, of which there are none
        // (pk11pub.h).
        let object = unsafe {
            sys::PK11_FindCertInSlot(self.as_ptr(), certificate.as_ptr(), std::ptr::null_mut())
        };
        if object == sys::CK_INVALID_HANDLE {
            return Ok(());
        }
        let _alone = alone();
        fault::status("PK11_DestroyTokenObject", || {
            // SAFETY: the slot is live; the handle is that of an object in it (pk11pub.h).
            unsafe { sys::PK11_DestroyTokenObject(self.as_ptr(), object) }
        })
        .map_err(|f| {
            let name = self.name();
            let what = format!("cannot delete the certificate from token {name:?}");
            not_written(self.guard(), what, f)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usage_has_a_letter_and_a_name() {
        for usage in Usage::ALL {
            assert_eq!(Usage::from_name(usage.name()), Some(usage));
        }
        let letters = "CVLASROJI".chars().map(Usage::from_letter);
        assert!(letters.eq(Usage::ALL.map(Some)));
        assert_eq!(Usage::from_letter('Y'), Some(Usage::AnyCa));
        assert_eq!((Usage::from_letter('c'), Usage::from_name("C")), (None, None));
    }

    #[test]
    fn the_two_numbers_of_a_usage_are_the_same_bit() {
        for usage in Usage::ALL {
            let bits = usage.bits().unwrap_or(1 << sys::certUsageAnyCA);
            assert_eq!(bits, 1 << usage.number(), "{usage:?}");
        }
    }
}
