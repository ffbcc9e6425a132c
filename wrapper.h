/* The NSS and NSPR headers whose functions nss-sys binds, each with its use. build.rs (feature
 * `regen`) runs bindgen on this file, limited to the items it lists, and tests/bindings.rs compares
 * the result with the vendored nss-sys/src/bindings.rs. */

#include <prerror.h>   /* the thread's error: PR_GetError, PR_ErrorToName, PR_ErrorToString */
#include <nss.h>       /* NSS_InitContext, NSS_ShutdownContext, version check */
#include <secerr.h>    /* SEC_ERROR_* */
#include <sslerr.h>    /* SSL_ERROR_BAD_CERT_DOMAIN, what CERT_VerifyCertName answers */
#include <secitem.h>   /* SECItem: free and wipe */
#include <secoid.h>    /* OID tags for digests and curves */
#include <secport.h>   /* arenas */
#include <pk11pub.h>   /* tokens, login, keys, sign, wrap, import */
#include <pk11pqg.h>   /* key generation parameter structures */
#include <cert.h>      /* certificates, trust, verification */
#include <certdb.h>    /* trust flags */
#include <keyhi.h>     /* SECKEYPublicKey, SECKEYPrivateKey, SubjectPublicKeyInfo */
#include <cryptohi.h>  /* SEC_SignData */
