//! Normal builds: records the version string. With the feature `regen`: runs bindgen over
//! `wrapper.h`, for `tests/bindings.rs` to compare with the vendored `nss-sys/src/bindings.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    require_openssl_3();
    #[cfg(feature = "regen")]
    regen::run();
}

/// The bridge is an OpenSSL 3 provider; `openssl-sys` tells the version found (`0x30000160`).
fn require_openssl_3() {
    let version = std::env::var("DEP_OPENSSL_VERSION_NUMBER").unwrap_or_default();
    if u64::from_str_radix(&version, 16).unwrap_or(0) < 0x3000_0000 {
        println!("cargo::error=OpenSSL 3.0 or later is needed (found {version:?})");
        std::process::exit(1);
    }
}

#[cfg(feature = "regen")]
mod regen {
    use bindgen::callbacks::{IntKind, ParseCallbacks};

    /// PKCS #11 numbers keep their PKCS #11 type, by prefix.
    #[derive(Debug)]
    struct Types;

    impl ParseCallbacks for Types {
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

    /// What the crate may call, by header.
    const FUNCTIONS: &[&str] = &[
        // prerror.h, prmem.h
        "PR_(GetError|SetError|ErrorToName|ErrorToString)",
        // nss.h
        "NSS_(InitContext|ShutdownContext|IsInitialized|GetVersion|VersionCheck)",
        // secitem.h, secoid.h, secport.h
        "SECITEM_(FreeItem|ZfreeItem)",
        "SECOID_(FindOIDTag|FindOIDByTag|AddEntry)",
        "PORT_(Free|NewArena|FreeArena|SetUCS2_ASCIIConversionFunction)",
        // pk11pub.h: tokens
        "PK11_(SetPasswordFunc|GetInternalKeySlot|GetInternalSlot|GetAllTokens|FreeSlotList)",
        "PK11_(GetFirstSafe|GetNextSafe|ReferenceSlot|FreeSlot|GetTokenName|NeedLogin)",
        "PK11_(NeedUserInit|IsLoggedIn|Authenticate|CheckUserPassword|IsReadOnly|IsFIPS|IsHW)",
        "PK11_(IsInternal|IsInternalKeySlot|IsPresent|DoesMechanism|GenerateRandom|InitPin)",
        "PK11_(GetSlotName|GetModule|GetTokenInfo|ProtectedAuthenticationPath)",
        // pk11pub.h: keys
        "PK11_(FindKeyByAnyCert|FindKeyByKeyID|GetLowLevelKeyIDForPrivateKey|GetLowLevelKeyIDForCert|MakeIDFromPubKey)",
        "PK11_(GenerateKeyPairWithOpFlags|DeleteTokenPrivateKey|DeleteTokenPublicKey)",
        "PK11_(ListPrivKeysInSlot|CopyTokenPrivKeyToSessionPrivKey|GetSlotFromPrivateKey)",
        "PK11_(ConvertSessionPrivKeyToTokenPrivKey|ImportPublicKey|ListPublicKeysInSlot)",
        "PK11_(SetPrivateKeyNickname|GetPrivateKeyNickname|HasAttributeSet|ReadRawAttribute)",
        "PK11_(SignatureLen|Sign|SignWithMechanism|HashBuf|ExtractKeyValue|GetKeyData)",
        "PK11_(PubUnwrapSymKey|PubUnwrapSymKeyWithMechanism|PubWrapSymKey)",
        "PK11_(PubWrapSymKeyWithMechanism|Decrypt|Encrypt|TokenKeyGenWithFlags|WrapPrivKey)",
        "PK11_(FreeSymKey|CreateDigestContext|DigestBegin|DigestOp|DigestFinal)",
        "PK11_(DestroyContext|PrivDecrypt|PrivDecryptPKCS1|WrapSymKey)",
        // pk11pub.h: certificates
        "PK11_(FindCertFromNickname|FindCertsFromNickname|ListCertsInSlot|ImportCert)",
        "PK11_(DeleteTokenCertAndKey|FindCertFromDERCertItem|FindRawCertsWithSubject)",
        // cert.h
        "CERT_(NewTempCertificate|DupCertificate|DestroyCertificate|DestroyCertList)",
        "CERT_(GetDefaultCertDB|GetCertChainFromCert|FindCertByName|FindCertByNickname)",
        "CERT_(VerifyCert|VerifyCertificate|VerifyCertificateNow|VerifyCertName|ChangeCertTrust|GetCertTrust)",
        "CERT_(DecodeTrustString|ExtractPublicKey|FindCertByDERCert|MakeCANickname)",
        "CERT_(DestroyCertificateList|FindCertIssuer|VerifySignedDataWithPublicKeyInfo)",
        "CERT_CreateSubjectCertList",
        "SEC_(DeletePermCertificate|CertNicknameConflict)",
        // keyhi.h
        "SECKEY_(DestroyPrivateKey|DestroyPublicKey|DestroyPrivateKeyList|GetPrivateKeyType)",
        "SECKEY_(ConvertToPublicKey|EncodeDERSubjectPublicKeyInfo|DestroySubjectPublicKeyInfo)",
        "SECKEY_(DecodeDERSubjectPublicKeyInfo|ExtractPublicKey|PublicKeyStrengthInBits)",
        "SECKEY_(CopyPrivateKey|DestroyPublicKeyList)",
        // cryptohi.h
        "(SEC_SignData|VFY_VerifyDataDirect|DSAU_EncodeDerSigWithLen)",
        // p12.h
        "SEC_PKCS12Decoder(Start|Update|Verify|ValidateBags|ImportBags|Finish)",
        "SEC_PKCS12DecoderGetCerts",
        "SEC_PKCS12EnableCipher",
    ];

    const TYPES: &[&str] = &[
        "SECErrorCodes",
        "SSLErrorCodes",
        "NSSInitParameters",
        "PK11RSAGenParams",
        "CK_RSA_PKCS_PSS_PARAMS",
        "CK_RSA_PKCS_OAEP_PARAMS",
        "CERTCertTrust",
        "CERTCertList.*",
        "SECKEYPrivateKeyList.*",
        "SECKEYPublicKey.*",
        "SECOidData",
        "SECMODModule",
        "CK_TOKEN_INFO",
        "PK11SlotList.*",
        "CERTVerifyLog.*",
    ];

    const VARIABLES: &[&str] = &[
        "SEC_ERROR_.*",
        "SSL_ERROR_BAD_CERT_DOMAIN",
        "PR_.*_ERROR",
        "NSS_INIT_.*",
        "PK11_ATTR_.*",
        "certificateUsage.*",
        "CERTDB_.*",
        "CKM_RSA_.*",
        "CKM_EC.*",
        "CKM_SHA(1|256|384|512|_1)",
        "CKM_AES_(KEY_GEN|ECB|CBC|CBC_PAD|KEY_WRAP|KEY_WRAP_PAD|KEY_WRAP_KWP)",
        "CKM_DES3_(KEY_GEN|CBC|CBC_PAD)",
        "CKM_NSS_AES_KEY_WRAP(_PAD)?",
        "CKM_INVALID_MECHANISM",
        "CKA_(ID|LABEL|SIGN|DERIVE|DECRYPT|ENCRYPT|WRAP|UNWRAP|TOKEN|EXTRACTABLE|SENSITIVE)",
        "CKF_(SIGN|SIGN_RECOVER|DECRYPT|ENCRYPT|WRAP|UNWRAP|DERIVE|VERIFY|VERIFY_RECOVER)",
        "CKG_MGF1_.*",
        "CKZ_DATA_SPECIFIED",
        "CKD_NULL",
        "(si|SEC)(Buffer|Success|Failure|WouldBlock)",
        "certUsage.*",
        "PK11_Origin.*",
        "SEC_OID_(SHA1|SHA256|SHA384|SHA512|UNKNOWN)",
        "SEC_OID_(PKCS1_RSA_ENCRYPTION|PKCS1_RSA_PSS_SIGNATURE|ANSIX962_EC_PUBLIC_KEY)",
        "SEC_OID_(PKCS1_SHA(256|384|512)_WITH_RSA_ENCRYPTION)",
        "SEC_OID_ANSIX962_ECDSA_SHA(256|384|512)_SIGNATURE",
        "SEC_OID_SECG_EC_SECP(256|384|521)R1",
        "(rsa|ec|dsa|rsaPss)Key",
        "PR_(TRUE|FALSE)",
    ];

    /// Structures nothing here looks into; several grow between NSS releases.
    const OPAQUE: &[&str] = &[
        "PK11SlotInfoStr",
        "PK11SymKeyStr",
        "PK11ContextStr",
        "SEC_PKCS12DecoderContextStr",
        "NSSTrustDomainStr",
        "CERTSubjectListStr",
        "SECKEYPQGParamsStr",
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
            .parse_callbacks(Box::new(Types));
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
