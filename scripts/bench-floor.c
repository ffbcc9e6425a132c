/*
 * The minimal program for the same purpose: opens an NSS database, logs in, finds a certificate and
 * its key, signs, and closes. bench.sh compares the client with it.
 *
 *   bench-floor verify DIR FILE                     no login; verify a signed CMS message
 *   bench-floor sign DIR PASSWORD-FILE NICK COUNT   log in, find, sign COUNT times
 *   bench-floor keygen DIR PASSWORD-FILE NICK TYPE  also make a permanent key pair, rsa or ec; one
 *                                                   signature with it and two with NICK's key
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cert.h>
#include <cms.h>
#include <cryptohi.h>
#include <keyhi.h>
#include <nss.h>
#include <pk11pub.h>
#include <prerror.h>
#include <secmod.h>

static void fail(const char *what)
{
    fprintf(stderr, "bench-floor: %s: %s\n", what, PR_ErrorToName(PR_GetError()));
    exit(1);
}

static void open_database(const char *dir, PRUint32 flags)
{
    char name[4096];

    snprintf(name, sizeof name, "sql:%s", dir);
    if (NSS_Initialize(name, "", "", SECMOD_DB, flags | NSS_INIT_NOROOTINIT) != SECSuccess)
        fail("NSS_Initialize");
}

static PK11SlotInfo *log_in(const char *password_file)
{
    char password[256];
    FILE *f = fopen(password_file, "r");
    PK11SlotInfo *slot = PK11_GetInternalKeySlot();

    if (!f || !fgets(password, sizeof password, f)) {
        perror(password_file);
        exit(1);
    }
    fclose(f);
    password[strcspn(password, "\r\n")] = 0;
    if (!slot || PK11_CheckUserPassword(slot, password) != SECSuccess)
        fail("login");
    return slot;
}

static void sign(SECKEYPrivateKey *key, int count)
{
    unsigned char text[1000] = { 0 };
    SECOidTag algorithm = key->keyType == ecKey ? SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE
                                                : SEC_OID_PKCS1_SHA256_WITH_RSA_ENCRYPTION;

    while (count-- > 0) {
        SECItem signature = { siBuffer, NULL, 0 };

        if (SEC_SignData(&signature, text, sizeof text, key, algorithm) != SECSuccess)
            fail("SEC_SignData");
        SECITEM_FreeItem(&signature, PR_FALSE);
    }
}

static SECKEYPrivateKey *generate(PK11SlotInfo *slot, const char *type)
{
    SECKEYPublicKey *public = NULL;
    SECKEYPrivateKey *private;
    PK11RSAGenParams rsa = { 2048, 65537 };
    /* the curve's object identifier, in DER */
    SECOidData *curve = SECOID_FindOIDByTag(SEC_OID_ANSIX962_EC_PRIME256V1);
    unsigned char der[32];
    SECItem ec = { siBuffer, der, 0 };
    int is_ec = strcmp(type, "ec") == 0;

    der[0] = SEC_ASN1_OBJECT_ID;
    der[1] = (unsigned char)curve->oid.len;
    memcpy(der + 2, curve->oid.data, curve->oid.len);
    ec.len = 2 + curve->oid.len;
    private = PK11_GenerateKeyPair(slot, is_ec ? CKM_EC_KEY_PAIR_GEN : CKM_RSA_PKCS_KEY_PAIR_GEN,
                                   is_ec ? (void *)&ec : (void *)&rsa, &public, PR_TRUE, PR_TRUE,
                                   NULL);
    if (!private)
        fail("PK11_GenerateKeyPair");
    SECKEY_DestroyPublicKey(public);
    return private;
}

static void verify(const char *file)
{
    static unsigned char data[1 << 20];
    SECItem item = { siBuffer, data, 0 };
    FILE *f = fopen(file, "r");
    CERTCertDBHandle *db = CERT_GetDefaultCertDB();
    NSSCMSMessage *message;
    NSSCMSSignedData *signed_data;

    if (!f) {
        perror(file);
        exit(1);
    }
    item.len = (unsigned int)fread(data, 1, sizeof data, f);
    fclose(f);
    message = NSS_CMSMessage_CreateFromDER(&item, NULL, NULL, NULL, NULL, NULL, NULL);
    if (!message)
        fail(file);
    signed_data = NSS_CMSContentInfo_GetContent(NSS_CMSMessage_ContentLevel(message, 0));
    if (!signed_data || NSS_CMSSignedData_ImportCerts(signed_data, db, certUsageAnyCA, PR_FALSE) != SECSuccess ||
        NSS_CMSSignedData_VerifySignerInfo(signed_data, 0, db, certUsageStatusResponder) != SECSuccess)
        fail("verification");
    NSS_CMSMessage_Destroy(message);
}

int main(int argc, char **argv)
{
    int keygen = argc == 6 && strcmp(argv[1], "keygen") == 0;
    int signs = argc == 6 && strcmp(argv[1], "sign") == 0;

    if (argc == 4 && strcmp(argv[1], "verify") == 0) {
        open_database(argv[2], NSS_INIT_READONLY);
        verify(argv[3]);
    } else if (keygen || signs) {
        PK11SlotInfo *slot;
        CERTCertificate *certificate;
        SECKEYPrivateKey *key;

        open_database(argv[2], keygen ? 0 : NSS_INIT_READONLY);
        slot = log_in(argv[3]);
        certificate = PK11_FindCertFromNickname(argv[4], NULL);
        key = certificate ? PK11_FindKeyByAnyCert(certificate, NULL) : NULL;
        if (!key)
            fail(argv[4]);
        if (keygen) {
            SECKEYPrivateKey *fresh = generate(slot, argv[5]);

            sign(fresh, 1);
            SECKEY_DestroyPrivateKey(fresh);
        }
        sign(key, keygen ? 2 : atoi(argv[5]));
        SECKEY_DestroyPrivateKey(key);
        CERT_DestroyCertificate(certificate);
        PK11_FreeSlot(slot);
    } else {
        fprintf(stderr, "usage: see bench-floor.c\n");
        return 2;
    }
    if (NSS_Shutdown() != SECSuccess)
        fail("NSS_Shutdown");
    return 0;
}
