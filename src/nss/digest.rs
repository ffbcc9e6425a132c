//! Digests, HMAC and random octets, computed by NSS so that its policy and FIPS mode apply.

use std::ptr::NonNull;

use nss_sys as sys;
use zeroize::Zeroizing;

use super::database::Database;
use super::fault::{self, Fault};
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
    let what = format!("cannot compute {what} with {digest}");
    |f| Error::new(Kind::Refused, what).because(f)
}

/// Returns the digest of `data` (`PK11_HashBuf`). NSS must be initialised: the caller holds a
/// handle.
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

/// The result of one NSS call.
type Step<T> = std::result::Result<T, Fault>;

/// A digest computed in steps. C: `PK11Context`, released by `PK11_DestroyContext`.
struct Context(NonNull<sys::PK11Context>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: from PK11_CreateDigestContext, destroyed once.
        unsafe { sys::PK11_DestroyContext(self.0.as_ptr(), super::pr_bool(true)) };
    }
}

impl Context {
    fn begin(digest: Digest) -> Step<Context> {
        let raw = fault::pointer("PK11_CreateDigestContext", || {
            // SAFETY: needs an initialised NSS, else returns null; a context is handed over
            // (pk11pub.h).
            unsafe { sys::PK11_CreateDigestContext(oid_tag(digest)) }
        })?;
        let context = Context(raw);
        // SAFETY: the context is live (pk11pub.h).
        fault::status("PK11_DigestBegin", || unsafe { sys::PK11_DigestBegin(context.0.as_ptr()) })?;
        Ok(context)
    }

    fn update(&mut self, data: &[u8]) -> Step<()> {
        // The length argument has 32 bits.
        for part in data.chunks(1 << 30) {
            fault::status("PK11_DigestOp", || {
                // SAFETY: the context is live and begun; `part` has as many bytes as it says.
                unsafe { sys::PK11_DigestOp(self.0.as_ptr(), part.as_ptr(), part.len() as u32) }
            })?;
        }
        Ok(())
    }

    fn finish(self, digest: Digest) -> Step<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(vec![0u8; digest.len()]);
        let mut written = 0u32;
        fault::status("PK11_DigestFinal", || {
            // SAFETY: the context is live and begun; `out` has room for the digest's length, which
            // is passed as the limit.
            unsafe {
                sys::PK11_DigestFinal(
                    self.0.as_ptr(),
                    out.as_mut_ptr(),
                    &mut written,
                    digest.len() as u32,
                )
            }
        })?;
        out.truncate(written as usize);
        Ok(out)
    }
}

/// Returns the digest's block length in octets (FIPS 180-4); HMAC pads its key to that.
fn block_len(digest: Digest) -> usize {
    match digest {
        Digest::Sha1 | Digest::Sha256 => 64,
        Digest::Sha384 | Digest::Sha512 => 128,
    }
}

/// Returns the HMAC (RFC 2104) of `data` under `key`, computed from digests: in FIPS mode the token
/// accepts no key in the clear, such as a shared secret.
///
/// # Errors
/// [`Kind::Refused`] when NSS or its policy doesn't allow the algorithm.
fn hmac(digest: Digest, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let steps = || -> Step<Vec<u8>> {
        let block = block_len(digest);
        let mut padded = Zeroizing::new(vec![0u8; block]);
        let hashed;
        let short = if key.len() > block {
            let mut context = Context::begin(digest)?;
            context.update(key)?;
            hashed = context.finish(digest)?;
            hashed.as_slice()
        } else {
            key
        };
        for (to, from) in padded.iter_mut().zip(short) {
            *to = *from;
        }
        let keyed = |pad: u8, message: &[u8]| {
            let key: Zeroizing<Vec<u8>> = Zeroizing::new(padded.iter().map(|b| b ^ pad).collect());
            let mut context = Context::begin(digest)?;
            context.update(&key)?;
            context.update(message)?;
            context.finish(digest)
        };
        let inner = keyed(0x36, data)?;
        keyed(0x5c, &inner).map(|outer| outer.to_vec())
    };
    steps().map_err(refused("an HMAC", digest))
}

/// Returns `n` random octets (`PK11_GenerateRandom`).
fn random(n: usize) -> Result<Vec<u8>> {
    let mut out = vec![0u8; n];
    let len = i32::try_from(n)
        .map_err(|_| Error::new(Kind::Input, "more than 2 GiB of random octets"))?;
    // SAFETY: `out` has `len` bytes (pk11pub.h).
    fault::status("PK11_GenerateRandom", || unsafe {
        sys::PK11_GenerateRandom(out.as_mut_ptr(), len)
    })
    .map_err(|f| Error::new(Kind::Refused, "cannot generate random octets").because(f))?;
    Ok(out)
}

/// NSS as the provider of digests, MACs and random octets, while the database is open.
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
