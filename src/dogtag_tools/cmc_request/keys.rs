//! The keys of CMCRequest's configuration file, in all versions.

use crate::dogtag_tools::cfg_file::Settings;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::secret::Secret;

/// All known keys. Each secret `NAME` also has `NAMEFile`, `NAMEFd` and `NAMEEnv`. The Java tool
/// doesn't know these, `allowUnverifiedResponse`, `quiet` (doesn't print the message), and the last
/// six keys, which add controls.
pub const KEYS: &[&str] = &[
    "dbdir",
    "tokenname",
    "password",
    "passwordFile",
    "passwordFd",
    "passwordEnv",
    "nickname",
    "format",
    "numRequests",
    "input",
    "output",
    "request.useSharedSecret",
    "request.selfSign",
    "request.privKeyId",
    "identification.enable",
    "identification",
    "witness.sharedSecret",
    "witness.sharedSecretFile",
    "witness.sharedSecretFd",
    "witness.sharedSecretEnv",
    "identityProofV2.enable",
    "identityProofV2.hashAlg",
    "identityProofV2.macAlg",
    "popLinkWitnessV2.enable",
    "popLinkWitnessV2.keyGenAlg",
    "popLinkWitnessV2.macAlg",
    "identityProof.enable",
    "identityProof.sharedSecret",
    "identityProof.sharedSecretFile",
    "identityProof.sharedSecretFd",
    "identityProof.sharedSecretEnv",
    "popLinkWitness.enable",
    "decryptedPop.enable",
    "encryptedPopResponseFile",
    "decryptedPopRequestFile",
    "allowUnverifiedResponse",
    "quiet",
    "oaep",
    "revRequest.enable",
    "revRequest.serial",
    "revRequest.reason",
    "revRequest.issuer",
    "revRequest.sharedSecret",
    "revRequest.sharedSecretFile",
    "revRequest.sharedSecretFd",
    "revRequest.sharedSecretEnv",
    "revRequest.comment",
    "revRequest.invalidityDatePresent",
    "confirmCertAcceptance.enable",
    "confirmCertAcceptance.issuer",
    "confirmCertAcceptance.serial",
    "getCert.enable",
    "getCert.issuer",
    "getCert.serial",
    "dataReturn.enable",
    "dataReturn.data",
    "senderNonce.enable",
    "senderNonce",
    "senderNonce.id",
    "transactionMgt.enable",
    "transactionMgt.id",
    "LraPopWitness.enable",
    "LraPopWitness.bodyPartIDs",
    "recipientNonce.enable",
    "recipientNonce",
    "regInfo.enable",
    "regInfo.data",
    "queryPending.enable",
    "queryPending.token",
];

/// The keys with the value true or false.
const FLAGS: &[&str] = &[
    "request.useSharedSecret",
    "request.selfSign",
    "identification.enable",
    "identityProofV2.enable",
    "popLinkWitnessV2.enable",
    "identityProof.enable",
    "popLinkWitness.enable",
    "decryptedPop.enable",
    "allowUnverifiedResponse",
    "quiet",
    "oaep",
    "revRequest.enable",
    "revRequest.invalidityDatePresent",
    "confirmCertAcceptance.enable",
    "getCert.enable",
    "dataReturn.enable",
    "senderNonce.enable",
    "transactionMgt.enable",
    "LraPopWitness.enable",
    "recipientNonce.enable",
    "regInfo.enable",
    "queryPending.enable",
];

/// Returns warnings about the file: unknown keys, invalid flags, secrets that other users can read.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let file = settings.file();
    let mut warnings = settings.warnings(KEYS);
    for key in FLAGS {
        if let Some(value) = settings.non_empty(key)
            && !["true", "false"].iter().any(|known| value.eq_ignore_ascii_case(known))
        {
            warnings.push(format!("{file}: {key} is not true or false: it is read as false"));
        }
    }
    warnings
}

/// Returns a secret as [`Settings::shared_secret_anywhere`]; it is required.
///
/// # Errors
/// [`Kind::Usage`].
pub fn required_secret(settings: &Settings, key: &str) -> Result<Secret> {
    settings.shared_secret_anywhere(key)?.filter(|s| !s.bytes().is_empty()).ok_or_else(|| {
        Error::new(Kind::Usage, format!("{}: Missing {key}.", settings.file()))
            .hint(format!("add {key}, {key}File, {key}Fd or {key}Env"))
    })
}
