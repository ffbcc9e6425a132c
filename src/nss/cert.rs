//! Certificates: finds, imports and deletes them, sets trust, verifies for a usage.

use std::ffi::{CStr, CString};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nss_sys as sys;

use super::alone::alone;
use super::database::{Database, c_text, not_written};
use super::fault::{self, Fault};
use super::handle::{Borrowed, CertList, Owned, bytes, handle};
use super::key::PrivateKey;
use super::token::{Token, is_internal_name, key_missing};
use crate::error::{Error, Kind, Result};
use crate::text::certutil;
use crate::text::nearest;

handle! {
    /// A certificate. C: `CERTCertificate`, released by `CERT_DestroyCertificate`.
    Certificate, sys::CERTCertificate, sys::CERT_DestroyCertificate
}

/// Trust flags as certutil writes them: `ssl,email,objsign`, for example `CT,C,C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust(String);

impl Trust {
    /// Checks the form: three fields of known letters.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Trust> {
        let fields: Vec<&str> = text.split(',').collect();
        let known = |f: &&str| f.chars().all(|c| "pPcCTuwgGiI".contains(c));
        if fields.len() == 3 && fields.iter().all(known) {
            return Ok(Trust(text.to_owned()));
        }
        Err(Error::new(Kind::Usage, format!("invalid trust flags {text:?}"))
            .hint("use three comma-separated fields: CT,C,C or u,u,u or ,,"))
    }

    /// Returns the flags as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn flags(&self) -> Result<sys::CERTCertTrust> {
        let text = c_text("trust", &self.0)?;
        // SAFETY: CERTCertTrust is three integers; zero is "no flags".
        let mut flags: sys::CERTCertTrust = unsafe { std::mem::zeroed() };
        // SAFETY: the structure and the string outlive the call (cert.h).
        fault::status("CERT_DecodeTrustString", || unsafe {
            sys::CERT_DecodeTrustString(&mut flags, text.as_ptr())
        })
        .map_err(|f| {
            Error::new(Kind::Usage, format!("invalid trust flags {:?}", self.0)).because(f)
        })?;
        Ok(flags)
    }
}

impl Database {
    pub(super) fn cert_db(&self) -> *mut sys::CERTCertDBHandle {
        // SAFETY: NSS is initialised while `self` lives (cert.h).
        unsafe { sys::CERT_GetDefaultCertDB() }
    }

    /// Returns every certificate under `nickname` (`nick` or `token:nick`); after a renewal there
    /// are several. C: `PK11_FindCertsFromNickname`.
    pub fn find_certificates(&self, nickname: &str) -> Result<Vec<Certificate>> {
        let name = lookup_name(nickname);
        let c_name = c_text(nickname, &name)?;
        // SAFETY: the string outlives the call; a list is handed over (pk11pub.h).
        let list = fault::pointer("PK11_FindCertsFromNickname", || unsafe {
            sys::PK11_FindCertsFromNickname(c_name.as_ptr(), std::ptr::null_mut())
        });
        match list {
            // SAFETY: the list was handed over.
            Ok(raw) => Ok(unsafe { CertList::from_raw(self.guard(), raw) }.certificates()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Returns the certificate called `nickname` (`nick` or `token:nick`): the one valid now, else
    /// the newest, as NSS chooses. C: `PK11_FindCertFromNickname`.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with similar nicknames as the hint.
    pub fn find_certificate(&self, nickname: &str) -> Result<Certificate> {
        let c_name = c_text(nickname, &lookup_name(nickname))?;
        // SAFETY: the string outlives the call; a reference is handed over (pk11pub.h).
        let raw = fault::pointer("PK11_FindCertFromNickname", || unsafe {
            sys::PK11_FindCertFromNickname(c_name.as_ptr(), std::ptr::null_mut())
        });
        match raw {
            // SAFETY: PK11_FindCertFromNickname handed over a reference.
            Ok(raw) => Ok(unsafe { Certificate::from_raw(self.guard(), raw) }),
            Err(f) => {
                let error = Error::new(
                    Kind::NotFound,
                    format!("certificate {nickname:?} not found in NSS database {}", self.name()),
                );
                let error = if f.code == 0 { error } else { error.because(f) };
                let mut names: Vec<String> =
                    self.certificates()?.iter().filter_map(Certificate::nickname).collect();
                names.sort();
                names.dedup();
                Err(error.hint(other_nicknames(nickname, self.name(), &names)))
            }
        }
    }

    /// Returns every certificate of the internal token.
    pub fn certificates(&self) -> Result<Vec<Certificate>> {
        Ok(self.token("internal")?.certificates())
    }

    /// Decodes a certificate; NSS knows it for as long as the handle lives, and nothing is written
    /// to the database. C: `CERT_NewTempCertificate`.
    ///
    /// # Errors
    /// [`Kind::Input`] when it isn't a certificate, or NSS holds a different certificate with the
    /// same issuer and serial number.
    pub fn decode_certificate(&self, der: &[u8]) -> Result<Certificate> {
        let mut item = Borrowed::new(der);
        let raw = fault::pointer("CERT_NewTempCertificate", || {
            // SAFETY: the item outlives the call and is copied (copyDER); no nickname; temporary.
            unsafe {
                sys::CERT_NewTempCertificate(
                    self.cert_db(),
                    item.as_mut_ptr(),
                    std::ptr::null_mut(),
                    super::pr_bool(false),
                    super::pr_bool(true),
                )
            }
        })
        .map_err(|f| Error::new(Kind::Input, "cannot decode a certificate").because(f))?;
        // SAFETY: a reference was handed over.
        let certificate = unsafe { Certificate::from_raw(self.guard(), raw) };
        // NSS looks certificates up by issuer and serial number, and may return a different one.
        if certificate.der() == der {
            return Ok(certificate);
        }
        let code = sys::SEC_ERROR_REUSED_ISSUER_AND_SERIAL;
        Err(Error::new(Kind::Input, "cannot decode a certificate")
            .because(Fault::from_code("CERT_NewTempCertificate", code)))
    }

    /// Returns whether `nickname` belongs to another subject than that of `certificate`. C:
    /// `SEC_CertNicknameConflict`.
    pub fn nickname_conflicts(&self, nickname: &str, certificate: &Certificate) -> Result<bool> {
        let c_name = c_text(nickname, nickname)?;
        let mut subject = Borrowed::new(certificate.subject());
        // SAFETY: string and item outlive the call, both only read (certdb.h).
        let conflict = unsafe {
            sys::SEC_CertNicknameConflict(c_name.as_ptr(), subject.as_mut_ptr(), self.cert_db())
        };
        Ok(conflict != 0)
    }

    /// Returns NSS's default nickname for a CA certificate, made from its subject. C:
    /// `CERT_MakeCANickname`.
    pub fn ca_nickname(&self, certificate: &Certificate) -> Option<String> {
        // SAFETY: the certificate is live; a PORT_Alloc'ed string or null is handed over (cert.h).
        let raw = unsafe { sys::CERT_MakeCANickname(certificate.as_ptr()) };
        if raw.is_null() {
            return None;
        }
        // SAFETY: not null, NUL-terminated.
        let name = unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned();
        // SAFETY: handed over by CERT_MakeCANickname, freed once.
        unsafe { sys::PORT_Free(raw.cast()) };
        Some(name)
    }

    /// Sets trust flags; the internal token must be logged in. C: `CERT_ChangeCertTrust`.
    ///
    /// # Errors
    /// [`Kind::Refused`] with the NSS fault.
    pub fn set_trust(&self, certificate: &Certificate, trust: &Trust) -> Result<()> {
        let mut flags = trust.flags()?;
        let _alone = alone();
        // SAFETY: the certificate is live; the trust is only read (cert.h).
        fault::status("CERT_ChangeCertTrust", || unsafe {
            sys::CERT_ChangeCertTrust(self.cert_db(), certificate.as_ptr(), &mut flags)
        })
        .map_err(|f| {
            not_written(self.guard(), format!("cannot set trust flags {:?}", trust.as_str()), f)
        })
    }
}

/// The trust flags of a certificate, to be restored later.
#[derive(Debug, Clone, Copy)]
pub struct TrustFlags(sys::CERTCertTrust);

impl Default for TrustFlags {
    /// Returns empty flags.
    fn default() -> TrustFlags {
        TrustFlags(sys::CERTCertTrust { sslFlags: 0, emailFlags: 0, objectSigningFlags: 0 })
    }
}

impl Database {
    /// Restores trust flags. C: `CERT_ChangeCertTrust`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn set_trust_flags(
        &self,
        certificate: &Certificate,
        flags: &TrustFlags,
    ) -> std::result::Result<(), Fault> {
        let mut flags = flags.0;
        let _alone = alone();
        // SAFETY: the certificate is live; the trust is only read (cert.h).
        fault::status("CERT_ChangeCertTrust", || unsafe {
            sys::CERT_ChangeCertTrust(self.cert_db(), certificate.as_ptr(), &mut flags)
        })
    }
}

impl Certificate {
    /// Returns its trust flags; `None` if the database has no trust record of it. C:
    /// `CERT_GetCertTrust`.
    pub fn trust_flags(&self) -> Option<TrustFlags> {
        let mut flags = TrustFlags::default();
        // SAFETY: the certificate is live, the structure outlives the call (cert.h).
        let read = fault::status("CERT_GetCertTrust", || unsafe {
            sys::CERT_GetCertTrust(self.as_ptr(), &mut flags.0)
        });
        read.ok().map(|()| flags)
    }
}

/// Returns the lock on the nicknames of certificates: an import changes the one of a certificate that
/// another thread may have, too.
fn nicknames() -> MutexGuard<'static, ()> {
    static NICKNAMES: Mutex<()> = Mutex::new(());
    NICKNAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Token {
    /// Imports a certificate beside its key under `nickname`; NSS sets CKA_ID from the public key.
    /// Trust is not changed. C: `PK11_ImportCert`.
    ///
    /// # Errors
    /// [`Kind::Refused`] with the NSS fault.
    pub fn import(&self, certificate: &Certificate, nickname: &str) -> Result<()> {
        let c_name = c_text(nickname, nickname)?;
        let _unchanged = nicknames();
        let _alone = alone();
        fault::status("PK11_ImportCert", || {
            // SAFETY: slot, certificate and string are live; an invalid handle means "find the key
            // by the certificate's public key" (pk11pub.h).
            unsafe {
                sys::PK11_ImportCert(
                    self.as_ptr(),
                    certificate.as_ptr(),
                    sys::CK_INVALID_HANDLE,
                    c_name.as_ptr(),
                    super::pr_bool(false),
                )
            }
        })
        .map_err(|f| {
            let what = format!("cannot import {nickname:?} into token {:?}", self.name());
            match self.is_internal() {
                true => not_written(self.guard(), what, f),
                false => Error::new(Kind::Refused, what).because(f),
            }
        })
    }
}

impl Token {
    /// Returns whether the token holds exactly this certificate.
    pub fn holds(&self, certificate: &Certificate) -> bool {
        let found = self.certificates_of_subject(certificate.subject());
        found.iter().any(|der| der == certificate.der())
    }

    /// Returns the DER of the token's certificates with this subject name. Unlike the other lookups
    /// this one doesn't read trust, which costs one password-key derivation for each certificate.
    /// C: `PK11_FindRawCertsWithSubject`.
    pub fn certificates_of_subject(&self, subject: &[u8]) -> Vec<Vec<u8>> {
        let mut subject = Borrowed::new(subject);
        let mut list: *mut sys::CERTCertificateList = std::ptr::null_mut();
        let found = fault::status("PK11_FindRawCertsWithSubject", || {
            // SAFETY: slot and item are live; a list or null is handed over (pk11pub.h).
            unsafe {
                sys::PK11_FindRawCertsWithSubject(self.as_ptr(), subject.as_mut_ptr(), &mut list)
            }
        });
        // A token that can't be searched adds no certificates; the chain is only shorter.
        if found.is_err() || list.is_null() {
            return Vec::new();
        }
        // SAFETY: not null, live until it is destroyed below.
        let header = unsafe { &*list };
        let count = usize::try_from(header.len).unwrap_or(0);
        let mut certificates = Vec::with_capacity(count);
        for i in 0..count {
            // SAFETY: the list has `len` items (certt.h).
            let item = unsafe { header.certs.add(i) };
            // SAFETY: an item of the list, live with it (certt.h).
            let item = unsafe { &*item };
            // SAFETY: NSS keeps data and len in step.
            certificates.push(unsafe { bytes(item) }.to_vec());
        }
        // SAFETY: handed over above, destroyed once.
        unsafe { sys::CERT_DestroyCertificateList(list) };
        certificates
    }
}

/// Returns the hint for a missing nickname: all nicknames where they are few, else the similar
/// ones.
fn other_nicknames(wanted: &str, database: &str, names: &[String]) -> String {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest(wanted, &all);
    match all.as_slice() {
        [] => "the database has no certificates".into(),
        _ if all.len() <= 10 => format!("the database has these nicknames: {}", all.join(", ")),
        _ if near.is_empty() => format!("list the nicknames with: {}", certutil("-L", database)),
        _ => format!("similar nicknames: {}", near.join(", ")),
    }
}

/// Returns the name for NSS's lookup; token names that mean the internal token are dropped.
fn lookup_name(nickname: &str) -> String {
    match nickname.split_once(':') {
        Some((token, nick)) if !token.is_empty() && is_internal_name(token) => nick.to_owned(),
        _ => nickname.to_owned(),
    }
}

/// Returns the present time as PRTime (prtime.h): microseconds since 1970.
pub(super) fn now() -> sys::PRTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    sys::PRTime::try_from(since.as_micros()).unwrap_or(sys::PRTime::MAX)
}

impl Certificate {
    /// Returns the octets of one field. Only items that decoding fills may be read: NSS never
    /// changes those. It takes the field's address, because a reference to the whole structure
    /// would be unsound: an import changes other fields (nickname, slot, trust) behind every handle
    /// of the certificate.
    fn item(&self, field: impl FnOnce(*mut sys::CERTCertificate) -> *const sys::SECItem) -> &[u8] {
        let item = field(self.as_ptr());
        // SAFETY: the certificate is live while `self` is, and so is the item, which stays as it is
        // (certt.h).
        let item = unsafe { &*item };
        // SAFETY: NSS keeps data and len in step, for the certificate's life.
        unsafe { bytes(item) }
    }

    /// Returns the certificate's DER.
    pub fn der(&self) -> &[u8] {
        // SAFETY: the certificate is live; only the address of its field is taken.
        self.item(|c| unsafe { &raw const (*c).derCert })
    }

    /// Returns the DER of the subject name.
    pub fn subject(&self) -> &[u8] {
        // SAFETY: as in `der`.
        self.item(|c| unsafe { &raw const (*c).derSubject })
    }

    /// Returns the DER of the issuer name.
    pub fn issuer(&self) -> &[u8] {
        // SAFETY: as in `der`.
        self.item(|c| unsafe { &raw const (*c).derIssuer })
    }

    /// Returns the DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        // SAFETY: as in `der`.
        self.item(|c| unsafe { &raw const (*c).derPublicKey })
    }

    /// Returns its present nickname, with `token:` in front unless it is in the internal token. A
    /// copy, because an import changes the field.
    pub fn nickname(&self) -> Option<String> {
        let _unchanged = nicknames();
        // SAFETY: the certificate is live; only the address of its field is taken.
        let field = unsafe { &raw const (*self.as_ptr()).nickname };
        // SAFETY: the field is a pointer, read once; no other thread imports meanwhile.
        let raw = unsafe { field.read() };
        if raw.is_null() {
            return None;
        }
        // SAFETY: not null, NUL-terminated, and no NSS function is called before it is copied.
        Some(unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned())
    }

    /// Returns whether a token has its key. Without a login, the public half of the key shows this.
    /// C: `CERT_GetCertTrust`.
    pub fn has_key(&self) -> bool {
        let own = self.trust();
        [own.sslFlags, own.emailFlags, own.objectSigningFlags]
            .iter()
            .any(|flags| flags & sys::CERTDB_USER != 0)
    }

    /// Returns whether it has these trust flags. `u` is ignored: NSS sets it where there is a key.
    /// So is CERTDB_NS_TRUSTED_CA, which has no letter: newer NSS (3.132) sets it beside `C`. C:
    /// `CERT_GetCertTrust`.
    ///
    /// # Errors
    /// [`Kind::Usage`] when NSS can't read the flags.
    pub fn has_trust(&self, trust: &Trust) -> Result<bool> {
        let wanted = trust.flags()?;
        let known = |t: &sys::CERTCertTrust| {
            let ignored = sys::CERTDB_USER | sys::CERTDB_NS_TRUSTED_CA;
            [t.sslFlags, t.emailFlags, t.objectSigningFlags].map(|flags| flags & !ignored)
        };
        Ok(known(&self.trust()) == known(&wanted))
    }

    /// Returns its trust flags; empty flags if the database has no trust record of it. C:
    /// `CERT_GetCertTrust`.
    pub(super) fn trust(&self) -> sys::CERTCertTrust {
        // SAFETY: CERTCertTrust is three integers; zero is "no flags".
        let mut trust: sys::CERTCertTrust = unsafe { std::mem::zeroed() };
        // SAFETY: the certificate is live, the structure outlives the call (cert.h). A certificate
        // without trust is a failure and leaves the zeros.
        unsafe { sys::CERT_GetCertTrust(self.as_ptr(), &mut trust) };
        trust
    }

    /// Returns whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Returns its private key, from whichever logged-in token holds it. C:
    /// `PK11_FindKeyByAnyCert`.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn private_key(&self) -> Result<PrivateKey> {
        // SAFETY: the certificate is live; a reference is handed over (pk11pub.h).
        let raw = fault::pointer("PK11_FindKeyByAnyCert", || unsafe {
            sys::PK11_FindKeyByAnyCert(self.as_ptr(), std::ptr::null_mut())
        })
        .map_err(|f| {
            let name = self.nickname().unwrap_or_else(|| "(no nickname)".into());
            let what = format!("private key of certificate {name:?} not found");
            key_missing(self.guard(), Error::new(Kind::NotFound, what), Some(f.into()))
        })?;
        // SAFETY: PK11_FindKeyByAnyCert handed over a reference.
        Ok(unsafe { PrivateKey::from_raw(self.guard(), raw) })
    }

    /// Returns the CKA_ID under which its token keeps it beside its key. C:
    /// `PK11_GetLowLevelKeyIDForCert`.
    pub fn id(&self) -> Option<Vec<u8>> {
        // SAFETY: the certificate is live; with a null slot NSS searches the slot that stores it;
        // an item is handed over (pk11pub.h).
        let item = fault::pointer("PK11_GetLowLevelKeyIDForCert", || unsafe {
            sys::PK11_GetLowLevelKeyIDForCert(
                std::ptr::null_mut(),
                self.as_ptr(),
                std::ptr::null_mut(),
            )
        });
        // SAFETY: NSS allocated the item for the caller.
        item.ok().map(|i| unsafe { Owned::from_raw(i) }.to_vec())
    }

    /// Returns the issuer's certificate, if the database has it. C: `CERT_FindCertIssuer`.
    pub fn find_issuer(&self) -> Option<Certificate> {
        // SAFETY: the certificate is live; a reference or null is handed over (cert.h).
        let raw = fault::pointer("CERT_FindCertIssuer", || unsafe {
            sys::CERT_FindCertIssuer(self.as_ptr(), now(), sys::certUsageAnyCA)
        });
        // SAFETY: CERT_FindCertIssuer handed over a reference.
        raw.ok().map(|r| unsafe { Certificate::from_raw(self.guard(), r) })
    }

    /// Checks that the certificate's names match `host` (RFC 6125: SAN, wildcards, addresses). C:
    /// `CERT_VerifyCertName`.
    ///
    /// # Errors
    /// The NSS fault, `SSL_ERROR_BAD_CERT_DOMAIN`.
    pub fn verify_name(&self, host: &str) -> std::result::Result<(), Fault> {
        let Ok(host) = CString::new(host) else {
            return Err(Fault::from_code("CERT_VerifyCertName", sys::SSL_ERROR_BAD_CERT_DOMAIN));
        };
        // SAFETY: certificate and string are live, both only read (cert.h).
        fault::status("CERT_VerifyCertName", || unsafe {
            sys::CERT_VerifyCertName(self.as_ptr(), host.as_ptr())
        })
    }

    /// Deletes it from the database; its key stays. C: `SEC_DeletePermCertificate`.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn delete(self) -> std::result::Result<(), Fault> {
        let _alone = alone();
        // SAFETY: the certificate is live; the call removes the stored object and takes no
        // reference; `self` drops its own afterwards (certdb.h).
        fault::status("SEC_DeletePermCertificate", || unsafe {
            sys::SEC_DeletePermCertificate(self.as_ptr())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_nicknames_are_told_and_of_many_the_near_ones() {
        let names = |n: usize| (0..n).map(|i| format!("server {i}")).collect::<Vec<_>>();
        assert_eq!(other_nicknames("x", "db", &[]), "the database has no certificates");
        assert_eq!(
            other_nicknames("x", "db", &names(2)),
            "the database has these nicknames: server 0, server 1"
        );
        let many = other_nicknames("Server 17", "db", &names(500));
        assert!(many.starts_with("similar nicknames: server 17, "), "{many}");
        assert!(other_nicknames("agent", "db", &names(500)).contains("certutil -L -d db"));
    }
}
