//! HMAC from NSS's digests, against the vectors of RFC 2202 and RFC 4231, with and without FIPS
//! mode.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Folder, PASSWORD, tool};
use nss_cmc::algorithm::{Crypto, Digest};
use nss_cmc::nss::{Access, Database};
use nss_cmc::secret::Secret;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}

/// Key, data, and their HMAC in hexadecimal.
type Vector = (Vec<u8>, Vec<u8>, &'static str);

/// RFC 2202 §3: SHA-1.
fn rfc_2202() -> Vec<Vector> {
    vec![
        (vec![0x0b; 20], b"Hi There".to_vec(), "b617318655057264e28bc0b6fb378c8ef146be00"),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (vec![0xaa; 20], vec![0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
        (
            vec![0xaa; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
    ]
}

/// RFC 4231 §4: SHA-256, SHA-384 and SHA-512.
fn rfc_4231() -> Vec<(Vec<u8>, Vec<u8>, [&'static str; 3])> {
    let long = b"This is a test using a larger than block-size key and a larger than block-size \
                 data. The key needs to be hashed before being used by the HMAC algorithm.";
    vec![
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            [
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c\
                 faea9ea9076ede7f4af152e8b2fa9cb6",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
                 daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ],
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            [
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                 8e2240ca5e69e2c78b3239ecfab21649",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ],
        ),
        (
            vec![0xaa; 131],
            long.to_vec(),
            [
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
                "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5\
                 a678cc31e799176d3860e6110c46523e",
                "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944\
                 b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
            ],
        ),
    ]
}

fn check(crypto: &dyn Crypto) {
    for (key, data, want) in rfc_2202() {
        assert_eq!(hex(&crypto.hmac(Digest::Sha1, &key, &data).unwrap()), want);
    }
    for (key, data, want) in rfc_4231() {
        for (digest, want) in [Digest::Sha256, Digest::Sha384, Digest::Sha512].iter().zip(want) {
            assert_eq!(hex(&crypto.hmac(*digest, &key, &data).unwrap()), want, "{digest}");
        }
    }
    // An empty key, and keys about as long as a block, against openssl.
    for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        for length in [1, 63, 64, 65, 127, 128, 129, 1000] {
            let key = vec![7u8; length];
            let name = digest.to_string().replace('-', "").to_lowercase();
            let digest_of = openssl::hash::MessageDigest::from_name(&name).unwrap();
            let pkey = openssl::pkey::PKey::hmac(&key).unwrap();
            let mut signer = openssl::sign::Signer::new(digest_of, &pkey).unwrap();
            let want = signer.sign_oneshot_to_vec(b"message").unwrap();
            assert_eq!(crypto.hmac(digest, &key, b"message").unwrap(), want, "{digest} {length}");
        }
    }
}

#[test]
fn the_vectors_of_the_rfcs() {
    let nothing = Database::without_files().unwrap();
    check(&nothing);
    nothing.close().unwrap();
    let f = Folder::new();
    tool("modutil", f.path(), &["-fips", "true", "-dbdir", "sql:db", "-force"]);
    let database = Database::open(f.file("db").to_str().unwrap(), Access::ReadOnly).unwrap();
    let token = database.token("internal").unwrap();
    assert!(token.is_fips());
    token.login(Some(&Secret::new(PASSWORD.into()))).unwrap();
    check(&database);
    drop(token);
    database.close().unwrap();
}
