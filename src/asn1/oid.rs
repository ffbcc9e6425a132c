//! Object identifiers and their RFC names: the one table for messages and reports. Section numbers
//! of CMC controls are those of RFC 5272.

use rasn::types::{ObjectIdentifier, Oid};

use crate::error::{Error, Kind, Result};

macro_rules! oids {
    ($($(#[$doc:meta])* $id:ident $name:literal = [$($arc:literal),*];)*) => {
        $($(#[$doc])* pub(crate) const $id: &Oid = Oid::const_new(&[$($arc),*]);)*

        const NAMES: &[(&Oid, &str)] = &[$(($id, $name)),*];
    };
}

oids! {
    /// id-data (RFC 5652).
    ID_DATA "data" = [1, 2, 840, 113549, 1, 7, 1];
    /// id-signedData (RFC 5652).
    ID_SIGNED_DATA "signedData" = [1, 2, 840, 113549, 1, 7, 2];
    /// id-envelopedData (RFC 5652).
    ID_ENVELOPED_DATA "envelopedData" = [1, 2, 840, 113549, 1, 7, 3];
    /// id-ct-authData (RFC 5652 §9.1).
    ID_AUTHENTICATED_DATA "authenticatedData" = [1, 2, 840, 113549, 1, 9, 16, 1, 2];
    /// id-contentType (RFC 5652 §11.1).
    ID_CONTENT_TYPE "contentType" = [1, 2, 840, 113549, 1, 9, 3];
    /// id-messageDigest (RFC 5652 §11.2).
    ID_MESSAGE_DIGEST "messageDigest" = [1, 2, 840, 113549, 1, 9, 4];
    /// extensionRequest (RFC 2985 §5.4.2).
    EXTENSION_REQUEST "extensionRequest" = [1, 2, 840, 113549, 1, 9, 14];
    /// id-cct-PKIData (RFC 5272 §3.2.1).
    ID_CCT_PKI_DATA "PKIData" = [1, 3, 6, 1, 5, 5, 7, 12, 2];
    /// id-cct-PKIResponse (RFC 5272 §4.2).
    ID_CCT_PKI_RESPONSE "PKIResponse" = [1, 3, 6, 1, 5, 5, 7, 12, 3];

    /// id-cmc-statusInfo (RFC 5272 §6.1.2, version 1).
    CMC_STATUS_INFO "statusInfo" = [1, 3, 6, 1, 5, 5, 7, 7, 1];
    /// id-cmc-identification (§6.2.3).
    CMC_IDENTIFICATION "identification" = [1, 3, 6, 1, 5, 5, 7, 7, 2];
    /// id-cmc-identityProof (§6.2.2, version 1).
    CMC_IDENTITY_PROOF "identityProof" = [1, 3, 6, 1, 5, 5, 7, 7, 3];
    /// id-cmc-dataReturn (§6.4).
    CMC_DATA_RETURN "dataReturn" = [1, 3, 6, 1, 5, 5, 7, 7, 4];
    /// id-cmc-transactionId (§6.6).
    CMC_TRANSACTION_ID "transactionId" = [1, 3, 6, 1, 5, 5, 7, 7, 5];
    /// id-cmc-senderNonce (§6.6).
    CMC_SENDER_NONCE "senderNonce" = [1, 3, 6, 1, 5, 5, 7, 7, 6];
    /// id-cmc-recipientNonce (§6.6).
    CMC_RECIPIENT_NONCE "recipientNonce" = [1, 3, 6, 1, 5, 5, 7, 7, 7];
    /// id-cmc-addExtensions (§6.5.2).
    CMC_ADD_EXTENSIONS "addExtensions" = [1, 3, 6, 1, 5, 5, 7, 7, 8];
    /// id-cmc-encryptedPOP (§6.7).
    CMC_ENCRYPTED_POP "encryptedPOP" = [1, 3, 6, 1, 5, 5, 7, 7, 9];
    /// id-cmc-decryptedPOP (§6.7).
    CMC_DECRYPTED_POP "decryptedPOP" = [1, 3, 6, 1, 5, 5, 7, 7, 10];
    /// id-cmc-lraPOPWitness (§6.8).
    CMC_LRA_POP_WITNESS "lraPOPWitness" = [1, 3, 6, 1, 5, 5, 7, 7, 11];
    /// id-cmc-getCert (§6.9).
    CMC_GET_CERT "getCert" = [1, 3, 6, 1, 5, 5, 7, 7, 15];
    /// id-cmc-getCRL (§6.10).
    CMC_GET_CRL "getCRL" = [1, 3, 6, 1, 5, 5, 7, 7, 16];
    /// id-cmc-revokeRequest (§6.11).
    CMC_REVOKE_REQUEST "revokeRequest" = [1, 3, 6, 1, 5, 5, 7, 7, 17];
    /// id-cmc-regInfo (§6.12).
    CMC_REG_INFO "regInfo" = [1, 3, 6, 1, 5, 5, 7, 7, 18];
    /// id-cmc-responseInfo (§6.12).
    CMC_RESPONSE_INFO "responseInfo" = [1, 3, 6, 1, 5, 5, 7, 7, 19];
    /// id-cmc-queryPending (§6.13).
    CMC_QUERY_PENDING "queryPending" = [1, 3, 6, 1, 5, 5, 7, 7, 21];
    /// id-cmc-popLinkRandom (§6.3.1).
    CMC_POP_LINK_RANDOM "popLinkRandom" = [1, 3, 6, 1, 5, 5, 7, 7, 22];
    /// id-cmc-popLinkWitness (§6.3.2, version 1).
    CMC_POP_LINK_WITNESS "popLinkWitness" = [1, 3, 6, 1, 5, 5, 7, 7, 23];
    /// id-cmc-confirmCertAcceptance (§6.14).
    CMC_CONFIRM_CERT_ACCEPTANCE "confirmCertAcceptance" = [1, 3, 6, 1, 5, 5, 7, 7, 24];
    /// id-cmc-statusInfoV2 (§6.1.1).
    CMC_STATUS_INFO_V2 "statusInfoV2" = [1, 3, 6, 1, 5, 5, 7, 7, 25];
    /// id-cmc-trustedAnchors (§6.15).
    CMC_TRUSTED_ANCHORS "trustedAnchors" = [1, 3, 6, 1, 5, 5, 7, 7, 26];
    /// id-cmc-authData (§6.16).
    CMC_AUTH_DATA "authData" = [1, 3, 6, 1, 5, 5, 7, 7, 27];
    /// id-cmc-batchRequests (§6.17).
    CMC_BATCH_REQUESTS "batchRequests" = [1, 3, 6, 1, 5, 5, 7, 7, 28];
    /// id-cmc-batchResponses (§6.17).
    CMC_BATCH_RESPONSES "batchResponses" = [1, 3, 6, 1, 5, 5, 7, 7, 29];
    /// id-cmc-publishCert (§6.18).
    CMC_PUBLISH_CERT "publishCert" = [1, 3, 6, 1, 5, 5, 7, 7, 30];
    /// id-cmc-modCertTemplate (§6.5.1).
    CMC_MOD_CERT_TEMPLATE "modCertTemplate" = [1, 3, 6, 1, 5, 5, 7, 7, 31];
    /// id-cmc-controlProcessed (§6.19).
    CMC_CONTROL_PROCESSED "controlProcessed" = [1, 3, 6, 1, 5, 5, 7, 7, 32];
    /// id-cmc-popLinkWitnessV2 (§6.3.1.1).
    CMC_POP_LINK_WITNESS_V2 "popLinkWitnessV2" = [1, 3, 6, 1, 5, 5, 7, 7, 33];
    /// id-cmc-identityProofV2 (§6.2.1).
    CMC_IDENTITY_PROOF_V2 "identityProofV2" = [1, 3, 6, 1, 5, 5, 7, 7, 34];
    /// id-cmc-raIdentityWitness (RFC 6402).
    CMC_RA_IDENTITY_WITNESS "raIdentityWitness" = [1, 3, 6, 1, 5, 5, 7, 7, 35];
    /// id-cmc-changeSubjectName (RFC 6402), an attribute of a request.
    CMC_CHANGE_SUBJECT_NAME "changeSubjectName" = [1, 3, 6, 1, 5, 5, 7, 7, 36];
    /// id-cmc-responseBody (RFC 6402).
    CMC_RESPONSE_BODY "responseBody" = [1, 3, 6, 1, 5, 5, 7, 7, 37];

    /// id-aa-cmc-unsignedData (RFC 5272 §3.2.3), an unsigned attribute.
    CMC_UNSIGNED_DATA "cmcUnsignedData" = [1, 2, 840, 113549, 1, 9, 16, 2, 34];
    /// id-alg-noSignature (RFC 5272 appendix C.1).
    NO_SIGNATURE "noSignature" = [1, 3, 6, 1, 5, 5, 7, 6, 2];

    /// challengePassword (RFC 2985 §5.4.1): a secret.
    CHALLENGE_PASSWORD "challengePassword" = [1, 2, 840, 113549, 1, 9, 7];
    /// id-regCtrl-regToken (RFC 4211 §6.1): a secret for one use.
    REG_CTRL_REG_TOKEN "regToken" = [1, 3, 6, 1, 5, 5, 7, 5, 1, 1];
    /// id-regCtrl-authenticator (RFC 4211 §6.2): a long-term secret.
    REG_CTRL_AUTHENTICATOR "authenticator" = [1, 3, 6, 1, 5, 5, 7, 5, 1, 2];
    /// id-regCtrl-pkiArchiveOptions (RFC 4211 §6.4).
    REG_CTRL_PKI_ARCHIVE_OPTIONS "pkiArchiveOptions" = [1, 3, 6, 1, 5, 5, 7, 5, 1, 4];

    /// friendlyName (RFC 2985 §5.5.1).
    FRIENDLY_NAME "friendlyName" = [1, 2, 840, 113549, 1, 9, 20];
    /// localKeyId (RFC 2985 §5.5.2).
    LOCAL_KEY_ID "localKeyId" = [1, 2, 840, 113549, 1, 9, 21];
    /// x509Certificate (RFC 7292 §4.2.3).
    X509_CERTIFICATE "x509Certificate" = [1, 2, 840, 113549, 1, 9, 22, 1];
    /// Trust flags in a PKCS #12 file, as Dogtag writes them.
    DOGTAG_TRUST_FLAGS "trustFlags" = [2, 16, 840, 1, 113730, 5, 1, 1, 1];
    /// keyBag (RFC 7292 §4.2.1).
    KEY_BAG "keyBag" = [1, 2, 840, 113549, 1, 12, 10, 1, 1];
    /// pkcs8ShroudedKeyBag (RFC 7292 §4.2.2).
    SHROUDED_KEY_BAG "pkcs8ShroudedKeyBag" = [1, 2, 840, 113549, 1, 12, 10, 1, 2];
    /// certBag (RFC 7292 §4.2.3).
    CERT_BAG "certBag" = [1, 2, 840, 113549, 1, 12, 10, 1, 3];
    /// safeContentsBag (RFC 7292 §4.2.6).
    SAFE_CONTENTS_BAG "safeContentsBag" = [1, 2, 840, 113549, 1, 12, 10, 1, 6];
    /// id-encryptedData (RFC 5652).
    ID_ENCRYPTED_DATA "encryptedData" = [1, 2, 840, 113549, 1, 7, 6];
    /// pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292 appendix C).
    PBE_SHA1_DES3 "pbeWithSHA1And3-KeyTripleDES-CBC" = [1, 2, 840, 113549, 1, 12, 1, 3];
    /// pbeWithSHAAnd40BitRC2-CBC.
    PBE_SHA1_RC2_40 "pbeWithSHA1And40BitRC2-CBC" = [1, 2, 840, 113549, 1, 12, 1, 6];
    /// id-PBKDF2 (RFC 8018).
    PBKDF2 "PBKDF2" = [1, 2, 840, 113549, 1, 5, 12];
    /// id-PBES2 (RFC 8018).
    PBES2 "PBES2" = [1, 2, 840, 113549, 1, 5, 13];
    /// id-PBMAC1 (RFC 8018).
    PBMAC1 "PBMAC1" = [1, 2, 840, 113549, 1, 5, 14];
    /// aes256-CBC.
    AES256_CBC "aes256-CBC" = [2, 16, 840, 1, 101, 3, 4, 1, 42];
    /// id-aes256-wrap-pad (RFC 5649).
    AES256_WRAP_PAD "aes256-wrap-pad" = [2, 16, 840, 1, 101, 3, 4, 1, 48];

    /// rsaEncryption (RFC 8017).
    RSA_ENCRYPTION "rsaEncryption" = [1, 2, 840, 113549, 1, 1, 1];
    /// id-RSAES-OAEP (RFC 8017).
    RSAES_OAEP "rsaesOaep" = [1, 2, 840, 113549, 1, 1, 7];
    /// id-mgf1 (RFC 8017).
    MGF1 "mgf1" = [1, 2, 840, 113549, 1, 1, 8];
    /// id-RSASSA-PSS (RFC 8017).
    RSASSA_PSS "rsassaPss" = [1, 2, 840, 113549, 1, 1, 10];
    /// sha256WithRSAEncryption (RFC 8017).
    SHA256_WITH_RSA "sha256WithRSAEncryption" = [1, 2, 840, 113549, 1, 1, 11];
    /// sha384WithRSAEncryption (RFC 8017).
    SHA384_WITH_RSA "sha384WithRSAEncryption" = [1, 2, 840, 113549, 1, 1, 12];
    /// sha512WithRSAEncryption (RFC 8017).
    SHA512_WITH_RSA "sha512WithRSAEncryption" = [1, 2, 840, 113549, 1, 1, 13];
    /// sha1WithRSAEncryption (RFC 8017).
    SHA1_WITH_RSA "sha1WithRSAEncryption" = [1, 2, 840, 113549, 1, 1, 5];
    /// id-ecPublicKey (RFC 5480).
    EC_PUBLIC_KEY "ecPublicKey" = [1, 2, 840, 10045, 2, 1];
    /// ecdsa-with-SHA256 (RFC 5758).
    ECDSA_WITH_SHA256 "ecdsa-with-SHA256" = [1, 2, 840, 10045, 4, 3, 2];
    /// ecdsa-with-SHA384 (RFC 5758).
    ECDSA_WITH_SHA384 "ecdsa-with-SHA384" = [1, 2, 840, 10045, 4, 3, 3];
    /// ecdsa-with-SHA512 (RFC 5758).
    ECDSA_WITH_SHA512 "ecdsa-with-SHA512" = [1, 2, 840, 10045, 4, 3, 4];
    /// id-ml-dsa-44 (RFC 9881).
    ML_DSA_44 "ML-DSA-44" = [2, 16, 840, 1, 101, 3, 4, 3, 17];
    /// id-ml-dsa-65 (RFC 9881).
    ML_DSA_65 "ML-DSA-65" = [2, 16, 840, 1, 101, 3, 4, 3, 18];
    /// id-ml-dsa-87 (RFC 9881).
    ML_DSA_87 "ML-DSA-87" = [2, 16, 840, 1, 101, 3, 4, 3, 19];
    /// id-alg-ml-kem-512 (RFC 9935).
    ML_KEM_512 "ML-KEM-512" = [2, 16, 840, 1, 101, 3, 4, 4, 1];
    /// id-alg-ml-kem-768 (RFC 9935).
    ML_KEM_768 "ML-KEM-768" = [2, 16, 840, 1, 101, 3, 4, 4, 2];
    /// id-alg-ml-kem-1024 (RFC 9935).
    ML_KEM_1024 "ML-KEM-1024" = [2, 16, 840, 1, 101, 3, 4, 4, 3];
    /// id-sha1.
    SHA1 "sha1" = [1, 3, 14, 3, 2, 26];
    /// id-sha224.
    SHA224 "sha224" = [2, 16, 840, 1, 101, 3, 4, 2, 4];
    /// id-sha256.
    SHA256 "sha256" = [2, 16, 840, 1, 101, 3, 4, 2, 1];
    /// id-sha384.
    SHA384 "sha384" = [2, 16, 840, 1, 101, 3, 4, 2, 2];
    /// id-sha512.
    SHA512 "sha512" = [2, 16, 840, 1, 101, 3, 4, 2, 3];
    /// hMAC-SHA1 (RFC 8018).
    HMAC_SHA1 "hmacWithSHA1" = [1, 2, 840, 113549, 2, 7];
    /// id-hmacWithSHA256 (RFC 4231).
    HMAC_SHA256 "hmacWithSHA256" = [1, 2, 840, 113549, 2, 9];
    /// id-hmacWithSHA384 (RFC 4231).
    HMAC_SHA384 "hmacWithSHA384" = [1, 2, 840, 113549, 2, 10];
    /// id-hmacWithSHA512 (RFC 4231).
    HMAC_SHA512 "hmacWithSHA512" = [1, 2, 840, 113549, 2, 11];
    /// id-aes128-CBC.
    AES128_CBC "aes128-CBC" = [2, 16, 840, 1, 101, 3, 4, 1, 2];
    /// id-aes128-wrap (RFC 3394).
    AES128_WRAP "aes128-wrap" = [2, 16, 840, 1, 101, 3, 4, 1, 5];
    /// id-aes128-wrap-pad (RFC 5649).
    AES128_WRAP_PAD "aes128-wrap-pad" = [2, 16, 840, 1, 101, 3, 4, 1, 8];
    /// desCBC: the identifier Dogtag's tools write for triple DES.
    DES_CBC "desCBC" = [1, 3, 14, 3, 2, 7];

    /// id-ce-subjectKeyIdentifier (RFC 5280).
    CE_SUBJECT_KEY_IDENTIFIER "subjectKeyIdentifier" = [2, 5, 29, 14];
    /// id-ce-keyUsage (RFC 5280).
    CE_KEY_USAGE "keyUsage" = [2, 5, 29, 15];
    /// id-ce-subjectAltName (RFC 5280).
    CE_SUBJECT_ALT_NAME "subjectAltName" = [2, 5, 29, 17];
    /// id-ce-issuerAltName (RFC 5280).
    CE_ISSUER_ALT_NAME "issuerAltName" = [2, 5, 29, 18];
    /// id-ce-basicConstraints (RFC 5280).
    CE_BASIC_CONSTRAINTS "basicConstraints" = [2, 5, 29, 19];
    /// id-ce-nameConstraints (RFC 5280).
    CE_NAME_CONSTRAINTS "nameConstraints" = [2, 5, 29, 30];
    /// id-ce-cRLDistributionPoints (RFC 5280).
    CE_CRL_DISTRIBUTION_POINTS "cRLDistributionPoints" = [2, 5, 29, 31];
    /// id-ce-certificatePolicies (RFC 5280).
    CE_CERTIFICATE_POLICIES "certificatePolicies" = [2, 5, 29, 32];
    /// id-ce-policyMappings (RFC 5280).
    CE_POLICY_MAPPINGS "policyMappings" = [2, 5, 29, 33];
    /// id-ce-authorityKeyIdentifier (RFC 5280).
    CE_AUTHORITY_KEY_IDENTIFIER "authorityKeyIdentifier" = [2, 5, 29, 35];
    /// id-ce-policyConstraints (RFC 5280).
    CE_POLICY_CONSTRAINTS "policyConstraints" = [2, 5, 29, 36];
    /// id-ce-extKeyUsage (RFC 5280).
    CE_EXT_KEY_USAGE "extKeyUsage" = [2, 5, 29, 37];
    /// id-ce-inhibitAnyPolicy (RFC 5280).
    CE_INHIBIT_ANY_POLICY "inhibitAnyPolicy" = [2, 5, 29, 54];
    /// id-pe-authorityInfoAccess (RFC 5280 §4.2.2.1).
    PE_AUTHORITY_INFO_ACCESS "authorityInfoAccess" = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    /// id-ad-ocsp (RFC 5280 §4.2.2.1).
    AD_OCSP "ocsp" = [1, 3, 6, 1, 5, 5, 7, 48, 1];
    /// id-pkix-ocsp-basic (RFC 6960 §4.2.1).
    OCSP_BASIC "ocspBasic" = [1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
    /// id-pkix-ocsp-nonce (RFC 6960 §4.4.1).
    OCSP_NONCE "ocspNonce" = [1, 3, 6, 1, 5, 5, 7, 48, 1, 2];
    /// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
    ANY_EXTENDED_KEY_USAGE "anyExtendedKeyUsage" = [2, 5, 29, 37, 0];
    /// id-qt-cps (RFC 5280 §4.2.1.4).
    QT_CPS "cps" = [1, 3, 6, 1, 5, 5, 7, 2, 1];
    /// id-qt-unotice (RFC 5280 §4.2.1.4).
    QT_UNOTICE "unotice" = [1, 3, 6, 1, 5, 5, 7, 2, 2];
    /// id-kp-serverAuth (RFC 5280 §4.2.1.12, and those below).
    KP_SERVER_AUTH "serverAuth" = [1, 3, 6, 1, 5, 5, 7, 3, 1];
    /// id-kp-clientAuth.
    KP_CLIENT_AUTH "clientAuth" = [1, 3, 6, 1, 5, 5, 7, 3, 2];
    /// id-kp-codeSigning.
    KP_CODE_SIGNING "codeSigning" = [1, 3, 6, 1, 5, 5, 7, 3, 3];
    /// id-kp-emailProtection.
    KP_EMAIL_PROTECTION "emailProtection" = [1, 3, 6, 1, 5, 5, 7, 3, 4];
    /// id-kp-timeStamping.
    KP_TIME_STAMPING "timeStamping" = [1, 3, 6, 1, 5, 5, 7, 3, 8];
    /// id-kp-OCSPSigning.
    KP_OCSP_SIGNING "OCSPSigning" = [1, 3, 6, 1, 5, 5, 7, 3, 9];
    /// id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
    KP_IPSEC_IKE "ipsecIKE" = [1, 3, 6, 1, 5, 5, 7, 3, 17];
    /// id-kp-cmcCA (RFC 6402 §2.10).
    KP_CMC_CA "cmcCA" = [1, 3, 6, 1, 5, 5, 7, 3, 27];
    /// id-kp-cmcRA (RFC 6402 §2.10).
    KP_CMC_RA "cmcRA" = [1, 3, 6, 1, 5, 5, 7, 3, 28];
    /// id-pe-subjectInfoAccess (RFC 5280 §4.2.2.2).
    PE_SUBJECT_INFO_ACCESS "subjectInfoAccess" = [1, 3, 6, 1, 5, 5, 7, 1, 11];
}

macro_rules! id {
    ($($arc:literal)*) => { Oid::const_new(&[$($arc),*]) };
}

/// Identifiers that are only displayed.
const SHOWN: &[(&Oid, &str)] = &[
    (id!(1 2 840 113549 1 9 5), "signingTime"),
    (id!(1 2 840 113549 1 9 52), "cmsAlgorithmProtect"),
    (id!(1 2 840 113549 1 9 15), "smimeCapabilities"),
    (id!(1 2 840 113549 1 9 16 2 47), "signingCertificateV2"),
    (id!(1 2 840 113549 1 9 2), "unstructuredName"),
    (id!(1 3 6 1 5 5 7 5 1 3), "pkiPublicationInfo"),
    (id!(1 3 6 1 5 5 7 5 1 5), "oldCertID"),
    (id!(1 3 6 1 5 5 7 5 1 6), "protocolEncrKey"),
    (id!(1 2 840 113549 1 1 14), "sha224WithRSAEncryption"),
    (id!(1 2 840 10045 4 1), "ecdsa-with-SHA1"),
    (id!(1 2 840 10045 3 1 7), "nistp256"),
    (id!(1 3 132 0 34), "nistp384"),
    (id!(1 3 132 0 35), "nistp521"),
    (id!(1 3 101 112), "Ed25519"),
    (id!(1 2 840 113549 2 5), "md5"),
    // The identifier that RFC 5272 §6.2.2 gives for version 1 of the proofs.
    (id!(1 3 6 1 5 5 8 1 2), "hmacSHA1"),
    (id!(2 16 840 1 101 3 4 1 22), "aes192-CBC"),
    (id!(2 16 840 1 101 3 4 1 45), "aes256-wrap"),
    (id!(1 2 840 113549 1 12 1 1), "pbeWithSHA1And128BitRC4"),
    (id!(1 2 840 113549 1 12 1 2), "pbeWithSHA1And40BitRC4"),
    (id!(1 2 840 113549 1 12 1 4), "pbeWithSHA1And2-KeyTripleDES-CBC"),
    (id!(1 2 840 113549 1 12 1 5), "pbeWithSHA1And128BitRC2-CBC"),
    (id!(1 2 840 113549 1 12 10 1 4), "crlBag"),
    (id!(1 2 840 113549 1 12 10 1 5), "secretBag"),
    (id!(1 2 840 113549 3 7), "des-ede3-cbc"),
    (id!(2 5 29 16), "privateKeyUsagePeriod"),
    (id!(1 3 6 1 5 5 7 48 1 5), "ocspNoCheck"),
    (id!(1 3 6 1 5 5 7 3 29), "cmcArchive"),
    (id!(1 3 6 1 5 5 7 48 12), "cmc"),
    (id!(1 3 6 1 5 5 7 48 2), "caIssuers"),
    (id!(1 3 6 1 5 5 7 48 5), "caRepository"),
];

/// Returns the RFC name, if the identifier is in the table.
pub(crate) fn name(id: &Oid) -> Option<&'static str> {
    NAMES.iter().chain(SHOWN).find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// The RFC's name of an identifier in dotted form, if it has one here.
pub(crate) fn name_of(dotted: &str) -> Option<&'static str> {
    name(&parse(dotted)?)
}

/// Returns the RFC name, or the dotted form.
pub(crate) fn text(id: &Oid) -> String {
    name(id).map_or_else(|| dotted(id), str::to_owned)
}

/// Returns an owned copy.
pub(crate) fn owned(oid: &Oid) -> ObjectIdentifier {
    oid.to_owned()
}

/// Returns the dotted form.
pub(crate) fn dotted(oid: &Oid) -> String {
    let arcs: Vec<String> = oid.iter().map(u32::to_string).collect();
    arcs.join(".")
}

/// Reads the dotted form, `1.2.3`; `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<ObjectIdentifier> {
    let arcs: Option<Vec<u32>> = text.split('.').map(|a| a.parse().ok()).collect();
    let arcs = arcs.filter(|a| a.len() >= 2 && a[0] <= 2 && (a[0] == 2 || a[1] < 40))?;
    ObjectIdentifier::new(arcs)
}

/// As [`parse`].
///
/// # Errors
/// [`Kind::Usage`] for anything else.
pub(crate) fn required(text: &str) -> Result<ObjectIdentifier> {
    parse(text).ok_or_else(|| Error::new(Kind::Usage, format!("invalid OID {text:?}")))
}
