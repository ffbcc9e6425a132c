//! The parts of verification: one signature, the CA certificates with a subject name, their trust,
//! and NSS's objections to a chain. The rules are in [`crate::trust`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use nss_sys as sys;

use super::cert::{Certificate, now};
use super::database::Database;
use super::fault::{self, Fault};
use super::handle::{Borrowed, CertList};

/// Data and the signature over it, as in X.509 (RFC 5280 §4.1.1) and CMS (RFC 5652 §5.3).
pub struct Signature<'a> {
    /// The signed octets.
    pub data: &'a [u8],
    /// Content octets of the algorithm's OBJECT IDENTIFIER.
    pub algorithm: &'a [u8],
    /// DER of the algorithm's parameters; empty when there are none.
    pub parameters: &'a [u8],
    /// The signature.
    pub value: &'a [u8],
}

/// The trust of a CA certificate in the first field (SSL) of its trust flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaTrust {
    /// `C` or `T`.
    Trusted,
    /// `p`: never trusted, whoever issued it.
    Distrusted,
    /// Neither.
    Unknown,
}

impl Database {
    /// Verifies a signature with a public key (DER of a SubjectPublicKeyInfo). NSS's policy for
    /// certificate signatures decides which algorithms are allowed. C:
    /// `CERT_VerifySignedDataWithPublicKeyInfo`.
    ///
    /// # Errors
    /// The NSS fault; `SEC_ERROR_BAD_SIGNATURE` for a wrong signature.
    pub fn verify_signature(&self, spki: &[u8], signature: &Signature<'_>) -> Result<(), Fault> {
        let spki = Borrowed::new(spki);
        let info = fault::pointer("SECKEY_DecodeDERSubjectPublicKeyInfo", || {
            // SAFETY: the item outlives the call; a structure of its own is handed over (keyhi.h).
            unsafe { sys::SECKEY_DecodeDERSubjectPublicKeyInfo(spki.as_ptr()) }
        })?;
        let data = Borrowed::new(signature.data);
        let algorithm = Borrowed::new(signature.algorithm);
        let parameters = Borrowed::new(signature.parameters);
        let value = Borrowed::new(signature.value);
        let mut signed = sys::CERTSignedData {
            data: data.item(),
            signatureAlgorithm: sys::SECAlgorithmID {
                algorithm: algorithm.item(),
                parameters: parameters.item(),
            },
            signature: value.item(),
        };
        // The length of a BIT STRING is in bits; on overflow the signature becomes empty, and
        // fails.
        signed.signature.len = signed.signature.len.checked_mul(8).unwrap_or(0);
        let outcome = fault::status("CERT_VerifySignedDataWithPublicKeyInfo", || {
            // SAFETY: `signed` points to octets that outlive the call and are only read; `info` is
            // live (cert.h).
            unsafe {
                sys::CERT_VerifySignedDataWithPublicKeyInfo(
                    &mut signed,
                    info.as_ptr(),
                    std::ptr::null_mut(),
                )
            }
        });
        // SAFETY: handed over above, destroyed once (keyhi.h).
        unsafe { sys::SECKEY_DestroySubjectPublicKeyInfo(info.as_ptr()) };
        outcome
    }

    /// Returns every certificate with this subject (DER of a Name): those in any token, and those
    /// [decoded](Database::decode_certificate) and still alive. C: `CERT_CreateSubjectCertList`.
    pub fn certificates_named(&self, subject: &[u8]) -> Vec<Certificate> {
        let subject = Borrowed::new(subject);
        let list = fault::pointer("CERT_CreateSubjectCertList", || {
            // SAFETY: the item outlives the call; with a null list, a new list or null is handed
            // over; the dates of a certificate don't matter (cert.h).
            unsafe {
                sys::CERT_CreateSubjectCertList(
                    std::ptr::null_mut(),
                    self.cert_db(),
                    subject.as_ptr(),
                    now(),
                    super::pr_bool(false),
                )
            }
        });
        match list {
            // SAFETY: the list was handed over.
            Ok(raw) => unsafe { CertList::from_raw(self.guard(), raw) }.certificates(),
            Err(_) => Vec::new(),
        }
    }

    /// Returns NSS's objection to a chain (DER, a certificate and its issuers) that is otherwise
    /// valid: revocation by a CRL in the database or, when a CA `constrains_names`, a name that it
    /// may not certify. Other errors of NSS are ignored. C: `CERT_VerifyCert`.
    pub fn objection(&self, chain: &[&[u8]], constrains_names: bool) -> Option<Fault> {
        let reused = sys::SEC_ERROR_REUSED_ISSUER_AND_SERIAL;
        // Kept alive together, so that NSS finds the issuers.
        let mut alive = Vec::new();
        for der in chain {
            match self.decode_certificate(der) {
                Ok(certificate) => alive.push(certificate),
                Err(e) => {
                    let fault = e.nss().cloned();
                    let other = || Fault::from_code("CERT_NewTempCertificate", reused);
                    return Some(fault.unwrap_or_else(other));
                }
            }
        }
        let certificate = alive.first()?;
        let found = match self.objections(certificate, sys::certUsageSSLServer) {
            Ok(log) => log.codes(),
            Err(fault) => return Some(fault),
        };
        let counts = |code: &i32| {
            *code == sys::SEC_ERROR_REVOKED_CERTIFICATE
                || constrains_names && *code == sys::SEC_ERROR_CERT_NOT_IN_NAME_SPACE
        };
        let code = found.into_iter().find(counts)?;
        Some(Fault::from_code("CERT_VerifyCert", code))
    }

    /// Returns every objection of NSS's classic engine to a certificate and its issuers.
    /// CERT_VerifyCertificate stops at a certificate that isn't valid for the usage; with a log,
    /// this function continues up the path. C: `CERT_VerifyCert`.
    ///
    /// # Errors
    /// The NSS fault when no log can be kept, or the engine can't be chosen.
    pub(super) fn objections(
        &self,
        certificate: &Certificate,
        usage: sys::SECCertUsage,
    ) -> Result<Log, Fault> {
        let mut log = Log::new()?;
        let classic = Classic::choose()?;
        // SAFETY: the certificate is live; the log has an arena (cert.h). The status is not needed:
        // the log has every objection.
        unsafe {
            sys::CERT_VerifyCert(
                self.cert_db(),
                certificate.as_ptr(),
                super::pr_bool(true),
                usage,
                now(),
                std::ptr::null_mut(),
                &mut log.0,
            )
        };
        drop(classic);
        Ok(log)
    }
}

/// Held by every call that verifies a path: which engine NSS uses is one setting for the process,
/// without a lock of its own (cert.h).
static ENGINE: Mutex<()> = Mutex::new(());

/// Waits until no other thread has chosen an engine.
pub(super) fn engine() -> MutexGuard<'static, ()> {
    ENGINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// NSS's classic engine, in use until this is dropped.
///
/// libpkix, the default of newer NSS (3.132), keeps no complete log. Of a path to a root that isn't
/// trusted it reports the root only: it looks at signatures, CRLs and the certificate's critical
/// extensions after it has found a trusted root. And to an issuer that it rejects it logs whatever
/// error the last call left behind.
struct Classic {
    before: sys::PRBool,
    _engine: MutexGuard<'static, ()>,
}

impl Classic {
    fn choose() -> Result<Classic, Fault> {
        const CALL: &str = "CERT_SetUsePKIXForValidation";
        let engine = engine();
        // SAFETY: no precondition; the lock keeps other threads away (cert.h).
        let before = unsafe { sys::CERT_GetUsePKIXForValidation() };
        // SAFETY: as above.
        fault::status(CALL, || unsafe {
            sys::CERT_SetUsePKIXForValidation(super::pr_bool(false))
        })?;
        let classic = Classic { before, _engine: engine };
        // SAFETY: as above. NSS without the classic engine would ignore the choice.
        match unsafe { sys::CERT_GetUsePKIXForValidation() } {
            0 => Ok(classic),
            _ => Err(Fault::from_code(CALL, 0)),
        }
    }
}

impl Drop for Classic {
    fn drop(&mut self) {
        // SAFETY: as in `choose`. It can't fail where the choice succeeded.
        unsafe { sys::CERT_SetUsePKIXForValidation(self.before) };
    }
}

/// The errors that NSS finds in a chain. C: `CERTVerifyLog`; its arena is released by
/// `PORT_FreeArena`, each certificate in it by `CERT_DestroyCertificate`.
pub(super) struct Log(sys::CERTVerifyLog);

impl Log {
    fn new() -> Result<Log, Fault> {
        // SAFETY: no precondition; an arena or null is handed over (secport.h).
        let arena = fault::pointer("PORT_NewArena", || unsafe { sys::PORT_NewArena(1024) })?;
        let none = std::ptr::null_mut();
        Ok(Log(sys::CERTVerifyLog { arena: arena.as_ptr(), count: 0, head: none, tail: none }))
    }

    /// Returns every node, in NSS's order.
    pub(super) fn nodes(&self) -> Vec<sys::CERTVerifyLogNode> {
        let mut found = Vec::new();
        let mut at = self.0.head;
        while !at.is_null() {
            // SAFETY: a node of the log's arena, which lives until drop.
            let node = unsafe { *at };
            at = node.next;
            found.push(node);
        }
        found
    }

    fn codes(&self) -> Vec<i32> {
        self.nodes().iter().filter_map(|n| i32::try_from(n.error).ok()).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        for node in self.nodes().iter().filter(|n| !n.cert.is_null()) {
            // SAFETY: NSS took a reference for each node (CERTVerifyLogNode, certt.h).
            unsafe { sys::CERT_DestroyCertificate(node.cert) };
        }
        // SAFETY: from PORT_NewArena, freed once; nothing of it is wiped (secport.h).
        unsafe { sys::PORT_FreeArena(self.0.arena, super::pr_bool(false)) };
    }
}

impl Certificate {
    /// Returns the certificate's trust as a CA, from the first trust field. C: `CERT_GetCertTrust`.
    pub fn ca_trust(&self) -> CaTrust {
        let trust = self.trust();
        let has = |bits| trust.sslFlags & bits != 0;
        if has(sys::CERTDB_TRUSTED_CA | sys::CERTDB_TRUSTED_CLIENT_CA) {
            return CaTrust::Trusted;
        }
        match has(sys::CERTDB_TERMINAL_RECORD) && !has(sys::CERTDB_TRUSTED) {
            true => CaTrust::Distrusted,
            false => CaTrust::Unknown,
        }
    }
}
