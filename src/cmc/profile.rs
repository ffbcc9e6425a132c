//! Names of Dogtag's CMC profiles, for hints only: an administrator may have changed them.

use crate::text::nearest;

/// The CMC profiles that Dogtag ships.
pub const SHIPPED: &[&str] = &[
    "caCMCserverCert",
    "caCMCECserverCert",
    "caCMCMLDSAserverCert",
    "caCMCsubsystemCert",
    "caCMCECsubsystemCert",
    "caCMCauditSigningCert",
    "caCMCocspCert",
    "caCMCkraTransportCert",
    "caCMCkraStorageCert",
    "caCMCcaCert",
    "caCMCcaIssuanceProtectionCert",
    "caFullCMCUserCert",
    "caECFullCMCUserCert",
    "caCMCUserCert",
    "caCMCECUserCert",
    "caFullCMCUserSignedCert",
    "caECFullCMCUserSignedCert",
    "caFullCMCSharedTokenCert",
    "caECFullCMCSharedTokenCert",
    "caSimpleCMCUserCert",
    "caECSimpleCMCUserCert",
];

/// Names in documents that Dogtag does not have, and the profile that is meant.
const RENAMED: &[(&str, &str)] = &[("caFullCMCSelfSignedCert", "caFullCMCSharedTokenCert")];

/// Returns up to three shipped profiles with names similar to `id`, nearest first.
pub(super) fn near(id: &str) -> Vec<&'static str> {
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == id) {
        return vec![new];
    }
    nearest(id, SHIPPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_s_spellings_find_the_product_s() {
        assert_eq!(near("caCMCECCserverCert")[0], "caCMCECserverCert");
        assert_eq!(near("caCMCECCsubsystemCert")[0], "caCMCECsubsystemCert");
        assert_eq!(near("caFullCMCSelfSignedCert"), ["caFullCMCSharedTokenCert"]);
        assert_eq!(near("cacmcservercert")[0], "caCMCserverCert");
        assert!(near("somethingElseEntirely").is_empty());
    }
}
