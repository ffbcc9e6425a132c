//! A private key on loan: the NSS handle, its public half for OpenSSL, and the provider's key made
//! of both.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use openssl_sys as sys;

use super::ffi::{Pkey, PkeyCtx, last_error};
use super::provider;
use crate::algorithm::{KeyType, Signer};
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, PrivateKey};

/// What an OpenSSL key of our provider stands for.
pub(super) struct Loan {
    /// Signs.
    pub(super) key: PrivateKey,
    /// Answers every question about the public half.
    pub(super) public: Pkey,
    /// Why NSS refused to sign, kept because OpenSSL can't carry it.
    pub(super) refusal: RefCell<Option<Error>>,
}

thread_local! {
    /// The loan that the next import on this thread takes: set around `EVP_PKEY_fromdata` alone,
    /// so that nobody else's import finds a key.
    static OFFERED: RefCell<Option<Rc<Loan>>> = const { RefCell::new(None) };
}

/// Takes the loan on offer.
pub(super) fn take_offered() -> Option<Rc<Loan>> {
    OFFERED.take()
}

impl Loan {
    pub(super) fn new(key: PrivateKey, certificate: &Certificate) -> Result<Rc<Loan>> {
        if let Some(token) = key.token()
            && token.is_internal()
            && !token.is_fips()
            && openssl_is_fips()
        {
            return Err(Error::new(
                Kind::Refused,
                "cannot use the private key for TLS: OpenSSL runs in FIPS mode, the NSS database does not",
            )
            .hint("switch the database over with: modutil -fips true -dbdir DIR"));
        }
        // Where NSS keeps both under one id, they belong together. Else the key's own public half,
        // so that OpenSSL's comparison with the certificate means something (for an EC key that is
        // four password derivations, 35 ms, on NSS before 3.90); tokens that don't reveal it leave
        // the certificate's.
        let paired = certificate.id().is_some_and(|id| key.id().is_ok_and(|k| k == id));
        let own = if paired { None } else { key.public().and_then(|p| p.spki()).ok() };
        let spki = own.unwrap_or_else(|| certificate.spki().to_vec());
        let public = Pkey::from_spki(&spki).ok_or_else(|| {
            Error::new(Kind::Refused, "cannot use the private key for TLS").because(last_error())
        })?;
        Ok(Rc::new(Loan { key, public, refusal: RefCell::new(None) }))
    }

    /// The provider's key for this loan; it holds the loan until OpenSSL drops it.
    pub(super) fn pkey(self: &Rc<Loan>) -> Result<Pkey> {
        let name: &CStr = match self.key.key_type() {
            KeyType::Rsa => c"RSA",
            KeyType::Ec => c"EC",
            other => {
                return Err(Error::new(
                    Kind::Refused,
                    format!("cannot use a key of type {other} for TLS"),
                )
                .hint("use a certificate with an RSA or EC key"));
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
        // SAFETY: the context is live.
        if unsafe { sys::EVP_PKEY_fromdata_init(ctx.as_ptr()) } <= 0 {
            return Err(failed());
        }
        // SAFETY: no precondition; returns the end mark by value.
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

/// Whether OpenSSL is told to use FIPS-approved implementations only.
fn openssl_is_fips() -> bool {
    // SAFETY: null is the default library context (EVP_default_properties_is_fips_enabled(3)).
    unsafe { sys::EVP_default_properties_is_fips_enabled(std::ptr::null_mut()) == 1 }
}
