//! Object identifiers, by the names the RFCs give them.

use rasn::types::{ObjectIdentifier, Oid};

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = [$($arc:literal),*];)*) => {
        $($(#[$doc])* pub const $name: &Oid = Oid::const_new(&[$($arc),*]);)*
    };
}

oids! {
    /// id-data (RFC 5652).
    ID_DATA = [1, 2, 840, 113549, 1, 7, 1];
    /// id-signedData (RFC 5652).
    ID_SIGNED_DATA = [1, 2, 840, 113549, 1, 7, 2];
    /// id-envelopedData (RFC 5652).
    ID_ENVELOPED_DATA = [1, 2, 840, 113549, 1, 7, 3];
    /// id-contentType (RFC 5652 §11.1).
    ID_CONTENT_TYPE = [1, 2, 840, 113549, 1, 9, 3];
    /// id-messageDigest (RFC 5652 §11.2).
    ID_MESSAGE_DIGEST = [1, 2, 840, 113549, 1, 9, 4];
    /// extensionRequest (RFC 2985 §5.4.2).
    EXTENSION_REQUEST = [1, 2, 840, 113549, 1, 9, 14];
    /// id-cct-PKIData (RFC 5272 §3.2.1).
    ID_CCT_PKI_DATA = [1, 3, 6, 1, 5, 5, 7, 12, 2];
    /// id-cct-PKIResponse (RFC 5272 §4.2).
    ID_CCT_PKI_RESPONSE = [1, 3, 6, 1, 5, 5, 7, 12, 3];

    /// id-cmc-statusInfo (RFC 5272 §6.1.2, version 1).
    CMC_STATUS_INFO = [1, 3, 6, 1, 5, 5, 7, 7, 1];
    /// id-cmc-identification (§6.2.3).
    CMC_IDENTIFICATION = [1, 3, 6, 1, 5, 5, 7, 7, 2];
    /// id-cmc-identityProof (§6.2.2, version 1).
    CMC_IDENTITY_PROOF = [1, 3, 6, 1, 5, 5, 7, 7, 3];
    /// id-cmc-dataReturn (§6.4).
    CMC_DATA_RETURN = [1, 3, 6, 1, 5, 5, 7, 7, 4];
    /// id-cmc-transactionId (§6.6).
    CMC_TRANSACTION_ID = [1, 3, 6, 1, 5, 5, 7, 7, 5];
    /// id-cmc-senderNonce (§6.6).
    CMC_SENDER_NONCE = [1, 3, 6, 1, 5, 5, 7, 7, 6];
    /// id-cmc-recipientNonce (§6.6).
    CMC_RECIPIENT_NONCE = [1, 3, 6, 1, 5, 5, 7, 7, 7];
    /// id-cmc-addExtensions (§6.5.2).
    CMC_ADD_EXTENSIONS = [1, 3, 6, 1, 5, 5, 7, 7, 8];
    /// id-cmc-encryptedPOP (§6.7).
    CMC_ENCRYPTED_POP = [1, 3, 6, 1, 5, 5, 7, 7, 9];
    /// id-cmc-decryptedPOP (§6.7).
    CMC_DECRYPTED_POP = [1, 3, 6, 1, 5, 5, 7, 7, 10];
    /// id-cmc-lraPOPWitness (§6.8).
    CMC_LRA_POP_WITNESS = [1, 3, 6, 1, 5, 5, 7, 7, 11];
    /// id-cmc-getCert (§6.9).
    CMC_GET_CERT = [1, 3, 6, 1, 5, 5, 7, 7, 15];
    /// id-cmc-getCRL (§6.10).
    CMC_GET_CRL = [1, 3, 6, 1, 5, 5, 7, 7, 16];
    /// id-cmc-revokeRequest (§6.11).
    CMC_REVOKE_REQUEST = [1, 3, 6, 1, 5, 5, 7, 7, 17];
    /// id-cmc-regInfo (§6.12).
    CMC_REG_INFO = [1, 3, 6, 1, 5, 5, 7, 7, 18];
    /// id-cmc-responseInfo (§6.12).
    CMC_RESPONSE_INFO = [1, 3, 6, 1, 5, 5, 7, 7, 19];
    /// id-cmc-queryPending (§6.13).
    CMC_QUERY_PENDING = [1, 3, 6, 1, 5, 5, 7, 7, 21];
    /// id-cmc-popLinkRandom (§6.3.1).
    CMC_POP_LINK_RANDOM = [1, 3, 6, 1, 5, 5, 7, 7, 22];
    /// id-cmc-popLinkWitness (§6.3.2, version 1).
    CMC_POP_LINK_WITNESS = [1, 3, 6, 1, 5, 5, 7, 7, 23];
    /// id-cmc-confirmCertAcceptance (§6.14).
    CMC_CONFIRM_CERT_ACCEPTANCE = [1, 3, 6, 1, 5, 5, 7, 7, 24];
    /// id-cmc-statusInfoV2 (§6.1.1).
    CMC_STATUS_INFO_V2 = [1, 3, 6, 1, 5, 5, 7, 7, 25];
    /// id-cmc-popLinkWitnessV2 (§6.3.1.1).
    CMC_POP_LINK_WITNESS_V2 = [1, 3, 6, 1, 5, 5, 7, 7, 33];
    /// id-cmc-identityProofV2 (§6.2.1).
    CMC_IDENTITY_PROOF_V2 = [1, 3, 6, 1, 5, 5, 7, 7, 34];

    /// id-regCtrl-pkiArchiveOptions (RFC 4211 §6.4).
    REG_CTRL_PKI_ARCHIVE_OPTIONS = [1, 3, 6, 1, 5, 5, 7, 5, 1, 4];

    /// rsaEncryption (RFC 8017).
    RSA_ENCRYPTION = [1, 2, 840, 113549, 1, 1, 1];
    /// id-RSAES-OAEP (RFC 8017).
    RSAES_OAEP = [1, 2, 840, 113549, 1, 1, 7];
    /// id-mgf1 (RFC 8017).
    MGF1 = [1, 2, 840, 113549, 1, 1, 8];
    /// id-RSASSA-PSS (RFC 8017).
    RSASSA_PSS = [1, 2, 840, 113549, 1, 1, 10];
    /// sha256WithRSAEncryption (RFC 8017).
    SHA256_WITH_RSA = [1, 2, 840, 113549, 1, 1, 11];
    /// sha384WithRSAEncryption (RFC 8017).
    SHA384_WITH_RSA = [1, 2, 840, 113549, 1, 1, 12];
    /// sha512WithRSAEncryption (RFC 8017).
    SHA512_WITH_RSA = [1, 2, 840, 113549, 1, 1, 13];
    /// sha1WithRSAEncryption (RFC 8017).
    SHA1_WITH_RSA = [1, 2, 840, 113549, 1, 1, 5];
    /// id-ecPublicKey (RFC 5480).
    EC_PUBLIC_KEY = [1, 2, 840, 10045, 2, 1];
    /// ecdsa-with-SHA256 (RFC 5758).
    ECDSA_WITH_SHA256 = [1, 2, 840, 10045, 4, 3, 2];
    /// ecdsa-with-SHA384 (RFC 5758).
    ECDSA_WITH_SHA384 = [1, 2, 840, 10045, 4, 3, 3];
    /// ecdsa-with-SHA512 (RFC 5758).
    ECDSA_WITH_SHA512 = [1, 2, 840, 10045, 4, 3, 4];
    /// id-ml-dsa-44 (RFC 9881).
    ML_DSA_44 = [2, 16, 840, 1, 101, 3, 4, 3, 17];
    /// id-ml-dsa-65 (RFC 9881).
    ML_DSA_65 = [2, 16, 840, 1, 101, 3, 4, 3, 18];
    /// id-ml-dsa-87 (RFC 9881).
    ML_DSA_87 = [2, 16, 840, 1, 101, 3, 4, 3, 19];
    /// id-sha1.
    SHA1 = [1, 3, 14, 3, 2, 26];
    /// id-sha256.
    SHA256 = [2, 16, 840, 1, 101, 3, 4, 2, 1];
    /// id-sha384.
    SHA384 = [2, 16, 840, 1, 101, 3, 4, 2, 2];
    /// id-sha512.
    SHA512 = [2, 16, 840, 1, 101, 3, 4, 2, 3];
    /// hMAC-SHA1 (RFC 8018).
    HMAC_SHA1 = [1, 2, 840, 113549, 2, 7];
    /// id-hmacWithSHA256 (RFC 4231).
    HMAC_SHA256 = [1, 2, 840, 113549, 2, 9];
    /// id-hmacWithSHA384 (RFC 4231).
    HMAC_SHA384 = [1, 2, 840, 113549, 2, 10];
    /// id-hmacWithSHA512 (RFC 4231).
    HMAC_SHA512 = [1, 2, 840, 113549, 2, 11];
    /// id-aes128-CBC.
    AES128_CBC = [2, 16, 840, 1, 101, 3, 4, 1, 2];
    /// id-aes128-wrap (RFC 3394).
    AES128_WRAP = [2, 16, 840, 1, 101, 3, 4, 1, 5];
    /// id-aes128-wrap-pad (RFC 5649).
    AES128_WRAP_PAD = [2, 16, 840, 1, 101, 3, 4, 1, 8];
    /// desCBC: the identifier Dogtag's tools write for triple DES.
    DES_CBC = [1, 3, 14, 3, 2, 7];

    /// id-ce-subjectKeyIdentifier (RFC 5280).
    CE_SUBJECT_KEY_IDENTIFIER = [2, 5, 29, 14];
    /// id-ce-keyUsage (RFC 5280).
    CE_KEY_USAGE = [2, 5, 29, 15];
    /// id-ce-subjectAltName (RFC 5280).
    CE_SUBJECT_ALT_NAME = [2, 5, 29, 17];
    /// id-ce-issuerAltName (RFC 5280).
    CE_ISSUER_ALT_NAME = [2, 5, 29, 18];
    /// id-ce-basicConstraints (RFC 5280).
    CE_BASIC_CONSTRAINTS = [2, 5, 29, 19];
    /// id-ce-nameConstraints (RFC 5280).
    CE_NAME_CONSTRAINTS = [2, 5, 29, 30];
    /// id-ce-cRLDistributionPoints (RFC 5280).
    CE_CRL_DISTRIBUTION_POINTS = [2, 5, 29, 31];
    /// id-ce-certificatePolicies (RFC 5280).
    CE_CERTIFICATE_POLICIES = [2, 5, 29, 32];
    /// id-ce-policyMappings (RFC 5280).
    CE_POLICY_MAPPINGS = [2, 5, 29, 33];
    /// id-ce-authorityKeyIdentifier (RFC 5280).
    CE_AUTHORITY_KEY_IDENTIFIER = [2, 5, 29, 35];
    /// id-ce-policyConstraints (RFC 5280).
    CE_POLICY_CONSTRAINTS = [2, 5, 29, 36];
    /// id-ce-extKeyUsage (RFC 5280).
    CE_EXT_KEY_USAGE = [2, 5, 29, 37];
    /// id-ce-inhibitAnyPolicy (RFC 5280).
    CE_INHIBIT_ANY_POLICY = [2, 5, 29, 54];
    /// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
    KP_ANY = [2, 5, 29, 37, 0];
    /// id-qt-cps (RFC 5280 §4.2.1.4).
    QT_CPS = [1, 3, 6, 1, 5, 5, 7, 2, 1];
    /// id-qt-unotice (RFC 5280 §4.2.1.4).
    QT_UNOTICE = [1, 3, 6, 1, 5, 5, 7, 2, 2];
    /// id-kp-serverAuth (RFC 5280 §4.2.1.12).
    KP_SERVER_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 1];
    /// id-kp-clientAuth (RFC 5280 §4.2.1.12).
    KP_CLIENT_AUTH = [1, 3, 6, 1, 5, 5, 7, 3, 2];
    /// id-kp-OCSPSigning (RFC 5280 §4.2.1.12).
    KP_OCSP_SIGNING = [1, 3, 6, 1, 5, 5, 7, 3, 9];
    /// id-kp-cmcCA (RFC 6402 §2.10).
    KP_CMC_CA = [1, 3, 6, 1, 5, 5, 7, 3, 27];
}

/// An owned copy.
pub fn owned(oid: &Oid) -> ObjectIdentifier {
    oid.to_owned()
}

/// Dotted text.
pub fn dotted(oid: &Oid) -> String {
    let arcs: Vec<String> = oid.iter().map(u32::to_string).collect();
    arcs.join(".")
}

/// The identifier written as `1.2.3`; `None` for anything else.
pub fn parse(text: &str) -> Option<ObjectIdentifier> {
    let arcs: Option<Vec<u32>> = text.split('.').map(|a| a.parse().ok()).collect();
    let arcs = arcs.filter(|a| a.len() >= 2 && a[0] <= 2 && (a[0] == 2 || a[1] < 40))?;
    ObjectIdentifier::new(arcs)
}

/// The RFC's name of a CMC control.
pub fn control_name(oid: &Oid) -> Option<&'static str> {
    const NAMES: &[(&Oid, &str)] = &[
        (CMC_STATUS_INFO, "statusInfo"),
        (CMC_IDENTIFICATION, "identification"),
        (CMC_IDENTITY_PROOF, "identityProof"),
        (CMC_DATA_RETURN, "dataReturn"),
        (CMC_TRANSACTION_ID, "transactionId"),
        (CMC_SENDER_NONCE, "senderNonce"),
        (CMC_RECIPIENT_NONCE, "recipientNonce"),
        (CMC_ADD_EXTENSIONS, "addExtensions"),
        (CMC_ENCRYPTED_POP, "encryptedPOP"),
        (CMC_DECRYPTED_POP, "decryptedPOP"),
        (CMC_LRA_POP_WITNESS, "lraPOPWitness"),
        (CMC_GET_CERT, "getCert"),
        (CMC_GET_CRL, "getCRL"),
        (CMC_REVOKE_REQUEST, "revokeRequest"),
        (CMC_REG_INFO, "regInfo"),
        (CMC_RESPONSE_INFO, "responseInfo"),
        (CMC_QUERY_PENDING, "queryPending"),
        (CMC_POP_LINK_RANDOM, "popLinkRandom"),
        (CMC_POP_LINK_WITNESS, "popLinkWitness"),
        (CMC_CONFIRM_CERT_ACCEPTANCE, "confirmCertAcceptance"),
        (CMC_STATUS_INFO_V2, "statusInfoV2"),
        (CMC_POP_LINK_WITNESS_V2, "popLinkWitnessV2"),
        (CMC_IDENTITY_PROOF_V2, "identityProofV2"),
    ];
    NAMES.iter().find(|(o, _)| *o == oid).map(|(_, n)| *n)
}
