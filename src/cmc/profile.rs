//! Names of Dogtag's CMC profiles, for hints only: an administrator may have changed them.

use crate::text::nearest;

/// The CMC profiles that Dogtag ships.
pub const SHIPPED: &[&str] = &[
    "caCMCserverCert",
    "caCMCECserverCert",
    "caCMCMLDSAserverCert",
    "caCMCserverCertWithCRLDP",
    "caCMCECserverCertWithCRLDP",
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

/// Profiles that Dogtag 11 added and that no CMC message can use directly.
const BESIDE: &[(&str, For)] = &[
    ("estFullcmcDeviceCert", For::EstServer),
    ("estServiceCert", For::EstServer),
    ("caMLDSAServerCert", For::Approval),
    ("caMLDSASubsystemCert", For::Approval),
    ("caMLDSAUserCert", For::Approval),
    ("caMLKEMUserCert", For::Approval),
    ("caServerCertWithCRLDP", For::Approval),
    ("caECServerCertWithCRLDP", For::Approval),
    ("caMLDSAAdminCert", For::Installation),
    ("caMLDSAInternalAuthServerCert", For::Installation),
    ("caMLDSAInternalAuthSubsystemCert", For::Installation),
    ("caMLKEMInternalAuthTransportCert", For::Installation),
    ("caMLKEMInternalAuthDRMstorageCert", For::Installation),
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
    /// Dogtag's EST server.
    EstServer,
    /// Anybody; an agent approves each request.
    Approval,
    /// Dogtag's own installation.
    Installation,
}

/// Returns who may use a profile, if Dogtag ships one with this id.
pub(crate) fn shipped(id: &str) -> Option<For> {
    if let Some((_, who)) = BESIDE.iter().find(|(beside, _)| *beside == id) {
        return Some(*who);
    }
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
    let all: Vec<&str> = SHIPPED.iter().copied().chain(BESIDE.iter().map(|(id, _)| *id)).collect();
    nearest(id, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_of_dogtag_11_are_known() {
        for id in ["estFullcmcDeviceCert", "caMLDSAUserCert", "caMLKEMInternalAuthTransportCert"] {
            assert_eq!(near(&id.to_lowercase())[0], id);
        }
        assert_eq!(near("caCMCserverCertWithCRLDp")[0], "caCMCserverCertWithCRLDP");
        assert_eq!(near("caCMCcaIssuanceProtection")[0], "caCMCcaIssuanceProtectionCert");
        assert_eq!(near("caCMCserverCerts")[0], "caCMCserverCert");
        assert_eq!(shipped("estFullcmcDeviceCert"), Some(For::EstServer));
        assert_eq!(shipped("caCMCECserverCertWithCRLDP"), Some(For::Agents));
        assert_eq!(shipped("caMLKEMUserCert"), Some(For::Approval));
    }

    #[test]
    fn the_documentation_s_spellings_find_the_product_s() {
        assert_eq!(near("caCMCECCserverCert")[0], "caCMCECserverCert");
        assert_eq!(near("caCMCECCsubsystemCert")[0], "caCMCECsubsystemCert");
        assert_eq!(near("caFullCMCSelfSignedCert"), ["caFullCMCSharedTokenCert"]);
        assert_eq!(near("cacmcservercert")[0], "caCMCserverCert");
        assert!(near("somethingElseEntirely").is_empty());
    }
}
