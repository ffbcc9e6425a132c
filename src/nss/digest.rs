//! Digests, HMAC and random bytes, computed by NSS so that its policy and FIPS mode count.

use nss_sys as sys;

use super::database::Database;
use super::fault;
use super::handle::Borrowed;
use crate::algorithm::{Crypto, Digest};
use crate::error::{Error, Kind, Result};

pub(super) fn oid_tag(digest: Digest) -> sys::SECOidTag {
    match digest {
        Digest::Sha1 => sys::SEC_OID_SHA1,
        Digest::Sha256 => sys::SEC_OID_SHA256,
        Digest::Sha384 => sys::SEC_OID_SHA384,
        Digest::Sha512 => sys::SEC_OID_SHA512,
    }
}

fn refused(what: &str, digest: Digest) -> impl FnOnce(fault::Fault) -> Error {
    let what = format!("can't compute {what} with {digest}");
    |f| Error::new(Kind::Refused, what).because(f)
}

/// The digest of `data` (`PK11_HashBuf`). NSS is initialised: the caller holds a handle.
///
/// # Errors
/// [`Kind::Refused`] when NSS or its policy doesn't allow the algorithm.
pub(super) fn hash(digest: Digest, data: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0u8; digest.len()];
    let len = i32::try_from(data.len())
        .map_err(|_| Error::new(Kind::Input, "more than 2 GiB to digest"))?;
    fault::status("PK11_HashBuf", || {
        // SAFETY: `out` has the digest's length, `data` has `len` bytes (pk11pub.h).
        unsafe { sys::PK11_HashBuf(oid_tag(digest), out.as_mut_ptr(), data.as_ptr(), len) }
    })
    .map_err(refused("a digest", digest))?;
    Ok(out)
}

/// HMAC (RFC 2104) of `data` under `key`, by a session key in the internal token.
///
/// # Errors
/// [`Kind::Refused`] when NSS or its policy doesn't allow the algorithm.
fn hmac(digest: Digest, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let refused = || refused("an HMAC", digest);
    let mechanism = match digest {
        Digest::Sha1 => sys::CKM_SHA_1_HMAC,
        Digest::Sha256 => sys::CKM_SHA256_HMAC,
        Digest::Sha384 => sys::CKM_SHA384_HMAC,
        Digest::Sha512 => sys::CKM_SHA512_HMAC,
    };
    let len = u32::try_from(data.len())
        .map_err(|_| Error::new(Kind::Input, "more than 4 GiB to authenticate"))?;
    // SAFETY: needs an initialised NSS, else answers null (pk11pub.h).
    let slot = fault::pointer("PK11_GetInternalSlot", || unsafe { sys::PK11_GetInternalSlot() })
        .map_err(refused())?;
    let mut item = Borrowed::new(key);
    let key = fault::pointer("PK11_ImportSymKey", || {
        // SAFETY: slot and item are live; NSS copies the key into the token (pk11pub.h).
        unsafe {
            sys::PK11_ImportSymKey(
                slot.as_ptr(),
                mechanism,
                sys::PK11_OriginUnwrap,
                sys::CKA_SIGN,
                item.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        }
    });
    // SAFETY: the reference from PK11_GetInternalSlot, given back once; the key holds its own.
    unsafe { sys::PK11_FreeSlot(slot.as_ptr()) };
    let key = key.map_err(refused())?;
    let none = Borrowed::new(&[]);
    let context = fault::pointer("PK11_CreateContextBySymKey", || {
        // SAFETY: the key is live; an empty parameter item is what HMAC takes (pk11pub.h).
        unsafe {
            sys::PK11_CreateContextBySymKey(mechanism, sys::CKA_SIGN, key.as_ptr(), none.as_ptr())
        }
    });
    // SAFETY: the context references the key itself; this gives ours back.
    unsafe { sys::PK11_FreeSymKey(key.as_ptr()) };
    let context = context.map_err(refused())?;
    let mut out = vec![0u8; digest.len()];
    let mut written = 0u32;
    let outcome = fault::status("PK11_DigestBegin", || {
        // SAFETY: the context is live.
        unsafe { sys::PK11_DigestBegin(context.as_ptr()) }
    })
    .and_then(|()| {
        // SAFETY: the context is live and begun; `data` has `len` bytes.
        fault::status("PK11_DigestOp", || unsafe {
            sys::PK11_DigestOp(context.as_ptr(), data.as_ptr(), len)
        })
    })
    .and_then(|()| {
        // SAFETY: `out` has room for the digest's length, which is passed as the limit.
        fault::status("PK11_DigestFinal", || unsafe {
            sys::PK11_DigestFinal(
                context.as_ptr(),
                out.as_mut_ptr(),
                &mut written,
                digest.len() as u32,
            )
        })
    });
    // SAFETY: created above, destroyed once.
    unsafe { sys::PK11_DestroyContext(context.as_ptr(), super::pr_bool(true)) };
    outcome.map_err(refused())?;
    out.truncate(written as usize);
    Ok(out)
}

/// `n` octets from NSS's random generator.
fn random(n: usize) -> Result<Vec<u8>> {
    let mut out = vec![0u8; n];
    let len = i32::try_from(n)
        .map_err(|_| Error::new(Kind::Input, "more than 2 GiB of random octets"))?;
    // SAFETY: `out` has `len` bytes (pk11pub.h).
    fault::status("PK11_GenerateRandom", || unsafe {
        sys::PK11_GenerateRandom(out.as_mut_ptr(), len)
    })
    .map_err(|f| Error::new(Kind::Refused, "can't draw random bytes").because(f))?;
    Ok(out)
}

/// NSS as the provider of cryptography, for as long as the database is open.
impl Crypto for Database {
    fn hash(&self, digest: Digest, data: &[u8]) -> Result<Vec<u8>> {
        hash(digest, data)
    }

    fn hmac(&self, digest: Digest, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        hmac(digest, key, data)
    }

    fn random(&self, n: usize) -> Result<Vec<u8>> {
        random(n)
    }
}
