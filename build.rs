//! Normal builds: records the version string. With the feature `regen`: runs bindgen over
//! `wrapper.h`, for `tests/bindings.rs` to compare with the vendored `nss-sys/src/bindings.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    require_openssl_3();
    #[cfg(feature = "regen")]
    regen::run();
}

/// The bridge is an OpenSSL 3 provider; `openssl-sys` reports the version found (`0x30000160`).
fn require_openssl_3() {
    let version = std::env::var("DEP_OPENSSL_VERSION_NUMBER").unwrap_or_default();
    if u64::from_str_radix(&version, 16).unwrap_or(0) < 0x3000_0000 {
        println!("cargo::error=OpenSSL 3.0 or later is needed (found {version:?})");
        std::process::exit(1);
    }
}

#[cfg(feature = "regen")]
mod regen {
    use bindgen::callbacks::{
        EnumVariantCustomBehavior, EnumVariantValue, IntKind, ParseCallbacks,
    };

    #[derive(Debug)]
    struct Choice;

    impl ParseCallbacks for Choice {
        /// Omits enumeration members that aren't listed: NSS has a thousand.
        fn enum_variant_behavior(
            &self,
            _: Option<&str>,
            name: &str,
            _: EnumVariantValue,
        ) -> Option<EnumVariantCustomBehavior> {
            (!MEMBERS.contains(&name)).then_some(EnumVariantCustomBehavior::Hide)
        }

        /// Constants of PKCS #11 get their PKCS #11 type, by prefix.
        fn int_macro(&self, name: &str, _value: i64) -> Option<IntKind> {
            let ulong = ["CKM_", "CKA_", "CKF_", "CKO_", "CKK_", "CKD_", "CKG_", "CKZ_", "CKR_"];
            if ulong.iter().any(|p| name.starts_with(p)) {
                return Some(IntKind::ULong);
            }
            if name.starts_with("certificateUsage") {
                return Some(IntKind::I64);
            }
            if name.starts_with("PK11_ATTR_") || name.starts_with("NSS_INIT_") {
                return Some(IntKind::U32);
            }
            None
        }
    }

    /// Functions, by header.
    const FUNCTIONS: &[&str] = &[
        // prerror.h
        "PR_(GetError|SetError|ErrorToName|ErrorToString)",
        // nss.h
        "NSS_(InitContext|ShutdownContext|IsInitialized|GetVersion|OptionGet)",
        // secitem.h, secoid.h, secport.h
        "SECITEM_ZfreeItem",
        "SECOID_FindOIDTag",
        "NSS_GetAlgorithmPolicy",
        "PORT_(Free|NewArena|FreeArena)",
        // pk11pub.h: tokens
        "PK11_(GetInternalSlot|GetInternalKeySlot|GetAllTokens|FreeSlotList|GetFirstSafe|GetNextSafe)",
        "PK11_(ReferenceSlot|FreeSlot|GetTokenName|GetSlotName|GetModule|GetTokenInfo|NeedLogin)",
        "PK11_(NeedUserInit|IsLoggedIn|CheckUserPassword|ProtectedAuthenticationPath|IsReadOnly)",
        "PK11_(InitPin|ChangePW)",
        "PK11_(IsFIPS|IsInternalKeySlot|DoesMechanism|GenerateRandom)",
        // pk11pub.h: objects of any class
        "PK11_(FindGenericObjects|GetNextGenericObject|DestroyGenericObjects|ReadRawAttribute)",
        // pk11pub.h: keys
        "PK11_(FindKeyByAnyCert|FindKeyByKeyID|ListPrivKeysInSlot|ListPublicKeysInSlot)",
        "PK11_(GetLowLevelKeyIDForPrivateKey|GetLowLevelKeyIDForCert|GetSlotFromPrivateKey)",
        "PK11_(GenerateKeyPairWithOpFlags|DeleteTokenPrivateKey|DeleteTokenPublicKey)",
        "PK11_(ConvertSessionPrivKeyToTokenPrivKey|CopyTokenPrivKeyToSessionPrivKey|ImportPublicKey)",
        "PK11_(SetPrivateKeyNickname|GetPrivateKeyNickname|SignatureLen|SignWithMechanism)",
        "PK11_Pub(Unwrap|Wrap)SymKey(WithMechanism)?",
        "PK11_(Decrypt|Encrypt|TokenKeyGenWithFlags|WrapPrivKey|WrapSymKey|FreeSymKey|HashBuf)",
        "PK11_(PBEKeyGen|GetPBECryptoMechanism|CreatePBEParams|DestroyPBEParams|KeyGen|SignWithSymKey)",
        "PK11_(GetPadMechanism|UnwrapPrivKey)",
        "PK11_(CreateDigestContext|DigestBegin|DigestOp|DigestFinal|DestroyContext)",
        // pk11pub.h: certificates
        "PK11_(FindCertFromNickname|FindCertsFromNickname|ListCertsInSlot|ImportCert)",
        "PK11_(FindRawCertsWithSubject|FindCertInSlot|DestroyTokenObject)",
        // cert.h, certdb.h
        "CERT_(NewTempCertificate|DupCertificate|DestroyCertificate|DestroyCertList)",
        "CERT_(GetDefaultCertDB|FindCertIssuer|CreateSubjectCertList|DestroyCertificateList)",
        "CERT_(VerifyCert|VerifyCertificate|VerifyCertName|VerifySignedDataWithPublicKeyInfo)",
        "CERT_(Get|Set)UsePKIXForValidation",
        "CERT_(ChangeCertTrust|GetCertTrust|DecodeTrustString|MakeCANickname)",
        "SEC_(DeletePermCertificate|CertNicknameConflict)",
        // secmod.h
        "SECMOD_(OpenUserDB|CloseUserDB)",
        // keyhi.h
        "SECKEY_(DestroyPrivateKey|DestroyPublicKey|DestroyPrivateKeyList|DestroyPublicKeyList)",
        "SECKEY_(CopyPrivateKey|CopyPublicKey|GetPrivateKeyType|ConvertToPublicKey|ExtractPublicKey)",
        "SECKEY_(Encode|Decode)DERSubjectPublicKeyInfo",
        "SECKEY_DestroySubjectPublicKeyInfo",
        // cryptohi.h
        "SEC_SignData",
    ];

    /// Types that no function refers to.
    const TYPES: &[&str] = &[
        "SECErrorCodes",
        "SSLErrorCodes",
        "SECKEYPrivateKeyListNode",
        "SECKEYPublicKeyListNode",
        "CERTCertListNode",
        "CERTVerifyLogNode",
        "PK11RSAGenParams",
        "CK_RSA_PKCS_PSS_PARAMS",
        "CK_RSA_PKCS_OAEP_PARAMS",
    ];

    /// Macros.
    const VARIABLES: &[&str] = &[
        "PR_(TRUE|FALSE)",
        "NSS_INIT_(READONLY|NOCERTDB|NOMODDB|FORCEOPEN|NOROOTINIT|OPTIMIZESPACE)",
        "PK11_ATTR_(TOKEN|SESSION|PRIVATE|PUBLIC|SENSITIVE|INSENSITIVE|EXTRACTABLE|UNEXTRACTABLE)",
        "certificateUsage(SSL(Client|Server|CA)|Email(Signer|Recipient)|ObjectSigner)",
        "certificateUsage(StatusResponder|IPsec)",
        "NSS_RSA_MIN_KEY_SIZE",
        "NSS_USE_ALG_IN_PKCS12",
        "CERTDB_(TERMINAL_RECORD|TRUSTED|SEND_WARN|VALID_CA|TRUSTED_CA|TRUSTED_CLIENT_CA|USER)",
        "CERTDB_(NS_TRUSTED_CA|INVISIBLE_CA|GOVT_APPROVED_CA)",
        "CKM_RSA_PKCS(_KEY_PAIR_GEN|_OAEP|_PSS)?",
        "CKM_(EC_KEY_PAIR_GEN|SHA_1|SHA256|SHA384|SHA512|INVALID_MECHANISM)",
        "CKM_AES_(KEY_GEN|CBC|CBC_PAD|KEY_WRAP|KEY_WRAP_PAD|KEY_WRAP_KWP)",
        "CKM_DES3_(KEY_GEN|CBC_PAD)",
        "CKM_NSS_AES_KEY_WRAP(_PAD)?",
        "CKM_NSS_PBE_SHA1_HMAC_KEY_GEN",
        "CKM_NSS_PKCS12_PBE_SHA(224|256|384|512)_HMAC_KEY_GEN",
        "CKM_SHA(_1|224|256|384|512)_HMAC",
        "CKA_(DECRYPT|UNWRAP|SIGN|SIGN_RECOVER|DERIVE)",
        "CKK_(RSA|EC)",
        "CKF_USER_PIN_(COUNT_LOW|FINAL_TRY|LOCKED)",
        "CKF_(SIGN|SIGN_RECOVER|DECRYPT|ENCRYPT|WRAP|UNWRAP|DERIVE)",
        "CKG_MGF1_SHA(1|256|384|512)",
        "CKZ_DATA_SPECIFIED",
    ];

    /// Members of enumerations.
    const MEMBERS: &[&str] = &[
        "SECFailure",
        "SECSuccess",
        "siBuffer",
        "certUsageSSLClient",
        "certUsageSSLServer",
        "certUsageSSLCA",
        "certUsageEmailSigner",
        "certUsageEmailRecipient",
        "certUsageObjectSigner",
        "certUsageStatusResponder",
        "certUsageAnyCA",
        "certUsageIPsec",
        "PK11_TypeGeneric",
        "rsaKey",
        "rsaPssKey",
        "ecKey",
        "SEC_ERROR_INVALID_ARGS",
        "SEC_ERROR_BAD_PASSWORD",
        "SEC_ERROR_REVOKED_CERTIFICATE",
        "SEC_ERROR_UNKNOWN_ISSUER",
        "SEC_ERROR_UNTRUSTED_ISSUER",
        "SEC_ERROR_READ_ONLY",
        "SEC_ERROR_CERT_NOT_IN_NAME_SPACE",
        "SEC_ERROR_REUSED_ISSUER_AND_SERIAL",
        "SEC_ERROR_BUSY",
        "SSL_ERROR_NO_CERTIFICATE",
        "SSL_ERROR_BAD_CERTIFICATE",
        "SSL_ERROR_BAD_CERT_DOMAIN",
        "SEC_OID_UNKNOWN",
        "SEC_OID_SHA1",
        "SEC_OID_SHA256",
        "SEC_OID_SHA384",
        "SEC_OID_SHA512",
        "SEC_OID_PKCS1_SHA256_WITH_RSA_ENCRYPTION",
        "SEC_OID_PKCS1_SHA384_WITH_RSA_ENCRYPTION",
        "SEC_OID_PKCS1_SHA512_WITH_RSA_ENCRYPTION",
        "SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE",
        "SEC_OID_ANSIX962_ECDSA_SHA384_SIGNATURE",
        "SEC_OID_ANSIX962_ECDSA_SHA512_SIGNATURE",
    ];

    /// Structures whose members aren't used; several grow between NSS releases.
    const OPAQUE: &[&str] = &[
        "PK11SlotInfoStr",
        "PK11SymKeyStr",
        "PK11ContextStr",
        "NSSTrustDomainStr",
        "CERTSubjectListStr",
        "SECKEYPublicKeyStr",
        "SECKEYPublicKeyStr__bindgen_ty_1",
        "CERTAuthKeyIDStr",
        "CERTCertDistrustStr",
        "CERTCertExtensionStr",
        "CERTGeneralNameStr",
        "CERTNameStr",
        "CERTOKDomainNameStr",
    ];

    pub fn run() {
        println!("cargo:rerun-if-changed=wrapper.h");
        let nss = pkg_config::Config::new().cargo_metadata(false).probe("nss");
        let nss = nss.unwrap_or_else(|e| stop(&format!("NSS headers: {e}")));
        let mut builder = bindgen::Builder::default()
            .header("wrapper.h")
            .clang_arg("-DNO_NSPR_10_SUPPORT")
            .clang_args(nss.include_paths.iter().map(|p| format!("-I{}", p.display())))
            .rust_target(bindgen::RustTarget::stable(82, 0).unwrap_or_default())
            .use_core()
            .sort_semantically(true)
            .merge_extern_blocks(true)
            .default_enum_style(bindgen::EnumVariation::Consts)
            .prepend_enum_name(false)
            .generate_comments(false)
            .formatter(bindgen::Formatter::Prettyplease)
            .parse_callbacks(Box::new(Choice));
        for f in FUNCTIONS {
            builder = builder.allowlist_function(f);
        }
        for t in TYPES {
            builder = builder.allowlist_type(t);
        }
        for v in VARIABLES {
            builder = builder.allowlist_var(v);
        }
        for o in OPAQUE {
            builder = builder.opaque_type(o);
        }
        let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default())
            .join("bindings.rs");
        let bindings = builder.generate().unwrap_or_else(|e| stop(&e.to_string()));
        bindings.write_to_file(&out).unwrap_or_else(|e| stop(&e.to_string()));
        println!("cargo:rustc-env=NSS_CMC_REGENERATED_BINDINGS={}", out.display());
    }

    fn stop(why: &str) -> ! {
        println!("cargo:error=cannot regenerate the NSS bindings: {why}");
        std::process::exit(1);
    }
}
