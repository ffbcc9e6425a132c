//! What NSS's policy and a token permit, without making a key.

use nss_sys as sys;

use super::database::Database;
use super::token::Token;
use crate::algorithm::KeySpec;

impl Database {
    /// Returns the size in bits of the smallest RSA key that NSS's policy accepts; the system's
    /// crypto policy sets it. C: `NSS_OptionGet`.
    pub fn smallest_rsa_key(&self) -> Option<u32> {
        let option = sys::PRInt32::try_from(sys::NSS_RSA_MIN_KEY_SIZE).ok()?;
        let mut bits: sys::PRInt32 = 0;
        // SAFETY: NSS is initialised while `self` lives; `bits` outlives the call (nss.h).
        let status = unsafe { sys::NSS_OptionGet(option, &mut bits) };
        (status == sys::SECSuccess).then(|| u32::try_from(bits).ok()).flatten()
    }
}

impl Token {
    /// Returns whether the token lists the mechanism that generates such keys; it may still refuse
    /// a size. C: `PK11_DoesMechanism`.
    pub fn lists_generation(&self, spec: KeySpec) -> bool {
        self.offers(match spec {
            KeySpec::Rsa(_) => sys::CKM_RSA_PKCS_KEY_PAIR_GEN,
            KeySpec::Ec(_) => sys::CKM_EC_KEY_PAIR_GEN,
            KeySpec::MlDsa(_) => sys::CKM_ML_DSA_KEY_PAIR_GEN,
            KeySpec::MlKem(_) => sys::CKM_ML_KEM_KEY_PAIR_GEN,
        })
    }
}
