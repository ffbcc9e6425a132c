//! Certificates: find, import, trust, verify for a usage.

use std::ffi::{CStr, CString};
use std::time::{SystemTime, UNIX_EPOCH};

use nss_sys as sys;

use super::database::{Database, c_text, not_written};
use super::fault::{self, Fault};
use super::handle::{Borrowed, CertList, Owned, bytes, handle};
use super::key::PrivateKey;
use super::token::{Token, is_internal_name, key_missing};
use crate::error::{Error, Kind, Result};
use crate::text::certutil;
use crate::text::nearest;

handle! {
    /// A certificate. C: `CERTCertificate`, given back by `CERT_DestroyCertificate`.
    Certificate, sys::CERTCertificate, sys::CERT_DestroyCertificate
}

/// What a certificate is verified for. There is no `certificateUsageAnyCA`: CERT_VerifyCertificate
/// passes such usages over and answers success, whoever signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS server.
    SslServer,
    /// TLS client.
    SslClient,
}

impl Usage {
    fn bits(self) -> sys::SECCertificateUsage {
        match self {
            Usage::SslServer => sys::certificateUsageSSLServer,
            Usage::SslClient => sys::certificateUsageSSLClient,
        }
    }
}

/// Trust flags as certutil writes them: `ssl,email,objsign`, for example `CT,C,C`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust(String);

impl Trust {
    /// Checks the shape: three fields of known letters.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Trust> {
        let fields: Vec<&str> = text.split(',').collect();
        let known = |f: &&str| f.chars().all(|c| "pPcCTuwgGiI".contains(c));
        if fields.len() == 3 && fields.iter().all(known) {
            return Ok(Trust(text.to_owned()));
        }
        Err(Error::new(Kind::Usage, format!("{text:?} is no trust string"))
            .hint("give three comma-separated fields, for example CT,C,C or u,u,u or ,,"))
    }

    /// As written.
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
            Error::new(Kind::Usage, format!("{:?} is no trust string", self.0)).because(f)
        })?;
        Ok(flags)
    }
}

impl Database {
    pub(super) fn cert_db(&self) -> *mut sys::CERTCertDBHandle {
        // SAFETY: NSS is initialised while `self` lives (cert.h).
        unsafe { sys::CERT_GetDefaultCertDB() }
    }

    /// Every certificate under `nickname`, which may be `nick` or `token:nick`; several share a
    /// nickname after a renewal.
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

    /// The certificate called `nickname` (`nick` or `token:nick`): the one valid now, else the
    /// newest, as NSS chooses.
    ///
    /// # Errors
    /// [`Kind::NotFound`], naming nicknames that are near.
    pub fn find_certificate(&self, nickname: &str) -> Result<Certificate> {
        let c_name = c_text(nickname, &lookup_name(nickname))?;
        // SAFETY: the string outlives the call; a reference is handed over (pk11pub.h).
        let raw = fault::pointer("PK11_FindCertFromNickname", || unsafe {
            sys::PK11_FindCertFromNickname(c_name.as_ptr(), std::ptr::null_mut())
        });
        match raw {
            // SAFETY: as above.
            Ok(raw) => Ok(unsafe { Certificate::from_raw(self.guard(), raw) }),
            Err(f) => {
                let error = Error::new(
                    Kind::NotFound,
                    format!("no certificate {nickname:?} in the NSS database {}", self.name()),
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

    /// Every certificate of the internal token.
    pub fn certificates(&self) -> Result<Vec<Certificate>> {
        let token = self.token("internal")?;
        // SAFETY: the slot is live; a list is handed over (pk11pub.h).
        let list = fault::pointer("PK11_ListCertsInSlot", || unsafe {
            sys::PK11_ListCertsInSlot(token.as_ptr())
        });
        match list {
            // SAFETY: the list was handed over.
            Ok(raw) => Ok(unsafe { CertList::from_raw(self.guard(), raw) }.certificates()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// A certificate from DER, known to NSS for as long as the handle lives; the database isn't
    /// written.
    ///
    /// # Errors
    /// [`Kind::Input`] when it isn't a certificate, or NSS holds another one of the same issuer and
    /// serial number.
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
        // NSS knows certificates by issuer and serial number, and may answer another one.
        if certificate.der() == der {
            return Ok(certificate);
        }
        let code = sys::SEC_ERROR_REUSED_ISSUER_AND_SERIAL;
        Err(Error::new(Kind::Input, "cannot decode a certificate")
            .because(Fault::from_code("CERT_NewTempCertificate", code)))
    }

    /// Whether `nickname` belongs to another subject than that of `certificate`.
    pub fn nickname_conflicts(&self, nickname: &str, certificate: &Certificate) -> Result<bool> {
        let c_name = c_text(nickname, nickname)?;
        let mut subject = Borrowed::new(certificate.subject());
        // SAFETY: string and item outlive the call, both only read (certdb.h).
        let conflict = unsafe {
            sys::SEC_CertNicknameConflict(c_name.as_ptr(), subject.as_mut_ptr(), self.cert_db())
        };
        Ok(conflict != 0)
    }

    /// A nickname for a CA certificate made from its subject, as NSS makes them.
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

    /// Sets trust flags; the internal token must be logged in.
    ///
    /// # Errors
    /// [`Kind::Refused`] with the NSS fault.
    pub fn set_trust(&self, certificate: &Certificate, trust: &Trust) -> Result<()> {
        let mut flags = trust.flags()?;
        // SAFETY: the certificate is live; the trust is only read (cert.h).
        fault::status("CERT_ChangeCertTrust", || unsafe {
            sys::CERT_ChangeCertTrust(self.cert_db(), certificate.as_ptr(), &mut flags)
        })
        .map_err(|f| {
            not_written(self.guard(), format!("cannot set the trust {:?}", trust.as_str()), f)
        })
    }

    /// Verifies `certificate` for a usage, now, against the database's trust; its chain is built
    /// from the database and from certificates decoded and still alive.
    ///
    /// # Errors
    /// The NSS fault (`SEC_ERROR_UNKNOWN_ISSUER`…).
    pub fn verify(
        &self,
        certificate: &Certificate,
        usage: Usage,
    ) -> std::result::Result<(), Fault> {
        fault::status("CERT_VerifyCertificate", || {
            // SAFETY: the certificate is live; no log, no returned usages are asked (cert.h).
            unsafe {
                sys::CERT_VerifyCertificate(
                    self.cert_db(),
                    certificate.as_ptr(),
                    super::pr_bool(true),
                    usage.bits(),
                    now(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        })
    }
}

impl Token {
    /// Imports a certificate beside its key (NSS sets CKA_ID from the public key) under
    /// `nickname`. Trust is left as it is.
    ///
    /// # Errors
    /// [`Kind::Refused`] with the NSS fault.
    pub fn import(&self, certificate: &Certificate, nickname: &str) -> Result<()> {
        let c_name = c_text(nickname, nickname)?;
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
            let what = format!("cannot import {nickname:?} into the token {:?}", self.name());
            match self.is_internal() {
                true => not_written(self.guard(), what, f),
                false => Error::new(Kind::Refused, what).because(f),
            }
        })
    }
}

impl Token {
    /// Whether the token holds exactly this certificate.
    pub fn holds(&self, certificate: &Certificate) -> bool {
        let found = self.certificates_of_subject(certificate.subject());
        found.iter().any(|der| der == certificate.der())
    }

    /// DER of the token's certificates with this subject name. Unlike the other look-ups this one
    /// doesn't read trust, which costs a password derivation a certificate.
    pub fn certificates_of_subject(&self, subject: &[u8]) -> Vec<Vec<u8>> {
        let mut subject = Borrowed::new(subject);
        let mut list: *mut sys::CERTCertificateList = std::ptr::null_mut();
        let found = fault::status("PK11_FindRawCertsWithSubject", || {
            // SAFETY: slot and item are live; a list or null is handed over (pk11pub.h).
            unsafe {
                sys::PK11_FindRawCertsWithSubject(self.as_ptr(), subject.as_mut_ptr(), &mut list)
            }
        });
        // A token that can't be searched has nothing to offer; the chain is only the shorter.
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
            // SAFETY: one of them, live with the list.
            let item = unsafe { &*item };
            // SAFETY: NSS keeps data and len in step.
            certificates.push(unsafe { bytes(item) }.to_vec());
        }
        // SAFETY: handed over above, destroyed once.
        unsafe { sys::CERT_DestroyCertificateList(list) };
        certificates
    }
}

/// What to try instead of a nickname that isn't there: all others where they are few, else those
/// that resemble it.
fn other_nicknames(wanted: &str, database: &str, names: &[String]) -> String {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest(wanted, &all);
    match all.as_slice() {
        [] => "the database holds no certificate".into(),
        _ if all.len() <= 10 => format!("nicknames there are: {}", all.join(", ")),
        _ if near.is_empty() => format!("list the nicknames with: {}", certutil("-L", database)),
        _ => format!("near nicknames are: {}", near.join(", ")),
    }
}

/// NSS's own look-up string: token names that mean the internal token are dropped.
fn lookup_name(nickname: &str) -> String {
    match nickname.split_once(':') {
        Some((token, nick)) if !token.is_empty() && is_internal_name(token) => nick.to_owned(),
        _ => nickname.to_owned(),
    }
}

/// NSPR's clock: microseconds since 1970.
pub(super) fn now() -> sys::PRTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    sys::PRTime::try_from(since.as_micros()).unwrap_or(sys::PRTime::MAX)
}

impl Certificate {
    /// The octets of one of its fields. Only the items that decoding fills are asked for: NSS never
    /// changes those. A reference to the whole structure would promise too much, since an import
    /// changes others (nickname, slot, trust) behind every handle of the certificate.
    fn item(&self, field: impl FnOnce(*mut sys::CERTCertificate) -> *const sys::SECItem) -> &[u8] {
        let item = field(self.as_ptr());
        // SAFETY: the certificate is live while `self` is, and so is the item, which stays as it is
        // (certt.h).
        let item = unsafe { &*item };
        // SAFETY: NSS keeps data and len in step, for the certificate's life.
        unsafe { bytes(item) }
    }

    /// The certificate's DER.
    pub fn der(&self) -> &[u8] {
        // SAFETY: the certificate is live; only the address of its field is taken.
        self.item(|c| unsafe { &raw const (*c).derCert })
    }

    /// DER of the subject name.
    pub fn subject(&self) -> &[u8] {
        // SAFETY: as in `der`.
        self.item(|c| unsafe { &raw const (*c).derSubject })
    }

    /// DER of the issuer name.
    pub fn issuer(&self) -> &[u8] {
        // SAFETY: as in `der`.
        self.item(|c| unsafe { &raw const (*c).derIssuer })
    }

    /// DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        // SAFETY: as in `der`.
        self.item(|c| unsafe { &raw const (*c).derPublicKey })
    }

    /// The nickname it has now, with `token:` in front for other tokens than the internal one. An
    /// import gives it one, so this is a copy.
    pub fn nickname(&self) -> Option<String> {
        // SAFETY: the certificate is live; only the address of its field is taken.
        let field = unsafe { &raw const (*self.as_ptr()).nickname };
        // SAFETY: the field is a pointer, read once; no other thread runs (handles aren't Send).
        let raw = unsafe { field.read() };
        if raw.is_null() {
            return None;
        }
        // SAFETY: not null, NUL-terminated, and nothing of NSS is called before it is copied.
        Some(unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned())
    }

    /// Whether it has these trust flags. `u` doesn't count: NSS sets it where there is a key.
    ///
    /// # Errors
    /// [`Kind::Usage`] when NSS can't read the flags.
    pub fn has_trust(&self, trust: &Trust) -> Result<bool> {
        let wanted = trust.flags()?;
        // SAFETY: CERTCertTrust is three integers; zero is "no flags".
        let mut own: sys::CERTCertTrust = unsafe { std::mem::zeroed() };
        // SAFETY: the certificate is live, the structure outlives the call (cert.h). A certificate
        // without trust is a failure and leaves the zeros.
        unsafe { sys::CERT_GetCertTrust(self.as_ptr(), &mut own) };
        let known = |t: &sys::CERTCertTrust| {
            [t.sslFlags, t.emailFlags, t.objectSigningFlags].map(|f| f & !sys::CERTDB_USER)
        };
        Ok(known(&own) == known(&wanted))
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// The private key that belongs to it, in whichever logged-in token holds it.
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
            let what = format!("no private key for the certificate {name:?}");
            key_missing(self.guard(), Error::new(Kind::NotFound, what), Some(f.into()))
        })?;
        // SAFETY: as above.
        Ok(unsafe { PrivateKey::from_raw(self.guard(), raw) })
    }

    /// CKA_ID under which its token keeps it beside its key.
    pub fn id(&self) -> Option<Vec<u8>> {
        // SAFETY: the certificate is live; without a slot NSS looks where it is stored; an item is
        // handed over (pk11pub.h).
        let item = fault::pointer("PK11_GetLowLevelKeyIDForCert", || unsafe {
            sys::PK11_GetLowLevelKeyIDForCert(
                std::ptr::null_mut(),
                self.as_ptr(),
                std::ptr::null_mut(),
            )
        });
        // SAFETY: the item was allocated for us.
        item.ok().map(|i| unsafe { Owned::from_raw(i) }.to_vec())
    }

    /// The issuer's certificate, if the database has it.
    pub fn find_issuer(&self) -> Option<Certificate> {
        // SAFETY: the certificate is live; a reference or null is handed over (cert.h).
        let raw = fault::pointer("CERT_FindCertIssuer", || unsafe {
            sys::CERT_FindCertIssuer(self.as_ptr(), now(), sys::certUsageAnyCA)
        });
        // SAFETY: as above.
        raw.ok().map(|r| unsafe { Certificate::from_raw(self.guard(), r) })
    }

    /// Checks that the certificate names `host` (RFC 6125: SAN, wildcards, addresses).
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

    /// Deletes it from the database; a key beside it stays.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn delete(self) -> std::result::Result<(), Fault> {
        // SAFETY: the certificate is live; the call removes the stored object, the reference
        // stays ours and is dropped after (certdb.h).
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
        assert_eq!(other_nicknames("x", "db", &[]), "the database holds no certificate");
        assert_eq!(
            other_nicknames("x", "db", &names(2)),
            "nicknames there are: server 0, server 1"
        );
        let many = other_nicknames("Server 17", "db", &names(500));
        assert!(many.starts_with("near nicknames are: server 17, "), "{many}");
        assert!(other_nicknames("agent", "db", &names(500)).contains("certutil -L -d db"));
    }
}
