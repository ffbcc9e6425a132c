//! A private key lent to OpenSSL: the NSS handle, its public key in OpenSSL, and the provider's key
//! made of both.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use openssl_sys as sys;

use super::ffi::{Pkey, PkeyCtx, last_error};
use super::provider;
use crate::algorithm::{KeyType, ParameterSet, Signer};
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, PrivateKey};

/// The NSS key behind a key of this provider.
pub(super) struct Loan {
    /// The key that signs.
    pub(super) key: Rc<PrivateKey>,
    /// The public key, for OpenSSL's queries.
    pub(super) public: Pkey,
    /// NSS's reason for refusing to sign; kept here because OpenSSL can't pass it on.
    pub(super) refusal: RefCell<Option<Error>>,
}

thread_local! {
    /// The loan that the next import on this thread takes. It is set only around
    /// `EVP_PKEY_fromdata`, so that no other import gets the key.
    static OFFERED: RefCell<Option<Rc<Loan>>> = const { RefCell::new(None) };
}

/// Takes the offered loan.
pub(super) fn take_offered() -> Option<Rc<Loan>> {
    OFFERED.take()
}

impl Loan {
    pub(super) fn new(key: Rc<PrivateKey>, certificate: &Certificate) -> Result<Rc<Loan>> {
        if let Some(token) = key.token()
            && token.is_internal()
            && !token.is_fips()
            && openssl_is_fips()
        {
            return Err(Error::new(
                Kind::Refused,
                "cannot use the private key for TLS: OpenSSL is in FIPS mode, the NSS database is not",
            )
            .hint("switch the database to FIPS mode: modutil -fips true -dbdir DIR"));
        }
        // With the same id in NSS, key and certificate belong together. Otherwise use the key's own
        // public key, so that OpenSSL compares it with the certificate (for an EC key that costs
        // four password-key derivations, 35 ms, on NSS before 3.90); for tokens that don't reveal
        // it, use the certificate's.
        let paired = certificate.id().is_some_and(|id| key.id().is_ok_and(|k| k == id));
        let own = if paired { None } else { key.public().and_then(|p| p.spki()).ok() };
        let spki = own.unwrap_or_else(|| certificate.spki().to_vec());
        let public = Pkey::from_spki(&spki).ok_or_else(|| match key.key_type() {
            set @ KeyType::MlDsa(_) => {
                Error::new(Kind::Refused, format!("cannot use an {set} key for TLS"))
                    .because(format!(
                        "OpenSSL supports it from 3.5 on; this is {}",
                        super::openssl_version()
                    ))
                    .hint("use a certificate with an RSA or EC key")
            }
            _ => Error::new(Kind::Refused, "cannot use the private key for TLS")
                .because(last_error()),
        })?;
        Ok(Rc::new(Loan { key, public, refusal: RefCell::new(None) }))
    }

    /// Returns the provider's key for this loan; it keeps the loan alive until OpenSSL frees it. C:
    /// `EVP_PKEY_fromdata`.
    pub(super) fn pkey(self: &Rc<Loan>) -> Result<Pkey> {
        let name: &CStr = match self.key.key_type() {
            KeyType::Rsa => c"RSA",
            KeyType::Ec => c"EC",
            KeyType::MlDsa(ParameterSet::MlDsa44) => c"ML-DSA-44",
            KeyType::MlDsa(ParameterSet::MlDsa65) => c"ML-DSA-65",
            KeyType::MlDsa(ParameterSet::MlDsa87) => c"ML-DSA-87",
            other => {
                return Err(Error::new(
                    Kind::Refused,
                    format!("cannot use a key of type {other} for TLS"),
                )
                .hint("use a certificate with an RSA, EC or ML-DSA key"));
            }
        };
        let failed = || {
            Error::new(Kind::Internal, "cannot hand the private key to OpenSSL")
                .because(last_error())
        };
        // SAFETY: the library context lives for the process; the name is NUL-terminated and only
        // read (EVP_PKEY_CTX_new_from_name(3)).
        let ctx = unsafe {
            sys::EVP_PKEY_CTX_new_from_name(
                provider::library()?,
                name.as_ptr(),
                std::ptr::null_mut(),
            )
        };
        // SAFETY: a new context or null.
        let ctx = unsafe { PkeyCtx::from_raw(ctx) }.ok_or_else(failed)?;
        // SAFETY: the context is live (EVP_PKEY_fromdata(3)).
        if unsafe { sys::EVP_PKEY_fromdata_init(ctx.as_ptr()) } <= 0 {
            return Err(failed());
        }
        // SAFETY: no precondition; returns the end mark by value (OSSL_PARAM_int(3)).
        let mut none = unsafe { sys::OSSL_PARAM_construct_end() };
        let mut raw = std::ptr::null_mut();
        let selection = sys::OSSL_KEYMGMT_SELECT_PRIVATE_KEY | sys::OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
        OFFERED.set(Some(self.clone()));
        // SAFETY: the context is initialised for it; `none` is an empty parameter list that
        // outlives the call; `raw` receives a reference (EVP_PKEY_fromdata(3)).
        let rc = unsafe { sys::EVP_PKEY_fromdata(ctx.as_ptr(), &mut raw, selection, &mut none) };
        OFFERED.set(None);
        // SAFETY: a new reference or null.
        let pkey = unsafe { Pkey::from_raw(raw) };
        pkey.filter(|_| rc > 0).ok_or_else(failed)
    }
}

/// Returns whether OpenSSL is configured to use only FIPS-approved implementations.
fn openssl_is_fips() -> bool {
    // SAFETY: null is the default library context (EVP_default_properties_is_fips_enabled(3)).
    unsafe { sys::EVP_default_properties_is_fips_enabled(std::ptr::null_mut()) == 1 }
}
