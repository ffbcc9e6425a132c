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

/// Who may use a profile that Dogtag ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Agents, who sign.
    Agents,
    /// Users, who sign with their certificate.
    Signers,
    /// Users with a shared secret.
    SharedSecrets,
    /// Agents that send PKCS #10 without CMC.
    BareRequests,
}

/// Returns who may use a profile, if Dogtag ships one with this id.
pub(crate) fn shipped(id: &str) -> Option<For> {
    SHIPPED.contains(&id).then(|| match id {
        _ if id.contains("SharedToken") => For::SharedSecrets,
        _ if id.contains("UserSigned") => For::Signers,
        _ if id.contains("Simple") => For::BareRequests,
        _ => For::Agents,
    })
}

/// Names in documents that Dogtag does not have, and the profile that is meant.
const RENAMED: &[(&str, &str)] = &[("caFullCMCSelfSignedCert", "caFullCMCSharedTokenCert")];

/// Returns up to three shipped profiles with names similar to `id`, nearest first.
pub(crate) fn near(id: &str) -> Vec<&'static str> {
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
