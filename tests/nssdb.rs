//! The nss module against real databases, with certutil and openssl as judges. NSS is global to a
//! process, so the tests run one at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

use common::der::{self, COMMON_NAME, ORGANIZATION, pem, tlv};
use common::{Folder, PASSWORD, run, tool};
use nss_cmc::algorithm::{Curve, Digest, KeySpec, KeyType, Scheme, Signer};
use nss_cmc::client::passwords::Source;
use nss_cmc::client::request_key::RequestKey;
use nss_cmc::error::{Error, Kind};
use nss_cmc::nss::{Access, Certificate, Database, KeyFlags, Token, Trust, Usage};
use nss_cmc::secret::Secret;
use nss_cmc::trust::{Paths, SignatureCheck};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|e| e.into_inner())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn open(f: &Folder, access: Access) -> (Database, Token) {
    let database = Database::open(f.file("db").to_str().unwrap(), access).unwrap();
    let token = database.token("internal").unwrap();
    token.login(Some(&secret(PASSWORD))).unwrap();
    (database, token)
}

#[test]
fn a_missing_database_is_an_error_and_is_not_made() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let e = Database::open(dir.path().to_str().unwrap(), access).unwrap_err();
        assert_eq!(e.kind(), Kind::Database);
        assert!(e.to_string().contains("cert9.db"), "{e}");
        assert!(e.hint_text().unwrap().contains("nss-cmc db create -d "));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    std::fs::write(dir.path().join("cert9.db"), "not SQLite").unwrap();
    std::fs::write(dir.path().join("key4.db"), "not SQLite").unwrap();
    let e = Database::open(dir.path().to_str().unwrap(), Access::ReadOnly).unwrap_err();
    assert_eq!(e.kind(), Kind::Database);
    assert!(e.nss().is_some(), "{e}");
}

#[test]
fn a_second_directory_is_refused_while_one_is_open() {
    let _turn = turn();
    let (a, b) = (Folder::new(), Folder::new());
    let first = Database::open(a.file("db").to_str().unwrap(), Access::ReadOnly).unwrap();
    let e = Database::open(b.file("db").to_str().unwrap(), Access::ReadOnly).unwrap_err();
    assert!(e.to_string().contains("another database is open"), "{e}");
    first.close().unwrap();
    Database::open(b.file("db").to_str().unwrap(), Access::ReadOnly).unwrap().close().unwrap();
}

#[test]
fn a_live_handle_makes_the_shutdown_fail() {
    let _turn = turn();
    let f = Folder::new();
    let (database, token) = open(&f, Access::ReadOnly);
    let error = database.close().unwrap_err();
    assert_eq!(error.nss().unwrap().name, "SEC_ERROR_BUSY");
    drop(token);
    // The last handle shut NSS down: another database can be opened.
    Database::open(f.file("db").to_str().unwrap(), Access::ReadOnly).unwrap().close().unwrap();
}

#[test]
fn logging_in() {
    let _turn = turn();
    let f = Folder::new();
    let database = Database::open(f.file("db").to_str().unwrap(), Access::ReadOnly).unwrap();
    let token = database.token("NSS Certificate DB").unwrap();
    assert!(token.is_internal() && token.needs_login());
    let e = token.login(None).unwrap_err();
    assert_eq!(e.kind(), Kind::Login);
    let e = token.login(Some(&secret("wrong"))).unwrap_err();
    assert_eq!((e.kind(), e.nss().unwrap().name.as_str()), (Kind::Login, "SEC_ERROR_BAD_PASSWORD"));
    assert!(!e.to_string().contains("wrong"), "{e}");
    assert_eq!(token.login(Some(&secret("a\0b"))).unwrap_err().kind(), Kind::Login);
    token.login(Some(&secret(PASSWORD))).unwrap();
    assert!(!token.needs_login());
    let e = database.token("No Such Token").unwrap_err();
    assert_eq!(e.kind(), Kind::NotFound);
    assert!(e.hint_text().unwrap().contains("NSS Certificate DB"));
    drop(token);
    database.close().unwrap();

    let f = Folder::at(tempfile::tempdir().unwrap().keep());
    std::fs::create_dir(f.file("db")).unwrap();
    f.certutil(&["-N", "--empty-password"]);
    let database = Database::open(f.file("db").to_str().unwrap(), Access::ReadWrite).unwrap();
    let token = database.token("").unwrap();
    token.login(None).unwrap();
    token
        .generate(KeySpec::Ec(Curve::P256), KeyFlags::permanent(KeySpec::Ec(Curve::P256)), "x")
        .unwrap();
    drop(token);
    database.close().unwrap();
    std::fs::remove_dir_all(f.path()).unwrap();
}

#[test]
fn read_only_means_nothing_is_written() {
    let _turn = turn();
    let f = Folder::new();
    let files =
        |f: &Folder| ["cert9.db", "key4.db", "pkcs11.txt"].map(|n| f.read(&format!("db/{n}")));
    let before = files(&f);
    let (database, token) = open(&f, Access::ReadOnly);
    let spec = KeySpec::Rsa(2048);
    let e = token.generate(spec, KeyFlags::permanent(spec), "x").unwrap_err();
    assert_eq!(e.kind(), Kind::Refused);
    assert_eq!(e.nss().unwrap().call, "PK11_GenerateKeyPairWithOpFlags");
    drop(token);
    database.close().unwrap();
    assert_eq!(files(&f), before);
}

/// Verifies with openssl what the key signed.
fn judge(dir: &Path, spki: &[u8], scheme: Scheme, message: &[u8], signature: &[u8]) {
    std::fs::write(dir.join("pub.pem"), pem::encode("PUBLIC KEY", spki)).unwrap();
    std::fs::write(dir.join("message"), message).unwrap();
    std::fs::write(dir.join("signature"), signature).unwrap();
    let digest = match scheme {
        Scheme::RsaPkcs1(d) | Scheme::Ecdsa(d) | Scheme::RsaPss { digest: d, .. } => d,
        Scheme::MlDsa(_) => panic!("not for this test"),
    };
    let digest = format!("-{}", digest.to_string().to_lowercase().replace('-', ""));
    let mut args = vec!["dgst", &digest, "-verify", "pub.pem", "-signature", "signature"];
    let salt;
    if let Scheme::RsaPss { salt: n, .. } = scheme {
        salt = format!("rsa_pss_saltlen:{n}");
        args.extend(["-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt]);
    }
    args.push("message");
    assert_eq!(tool("openssl", dir, &args).trim(), "Verified OK");
}

fn signs(dir: &Path, token: &Token, spec: KeySpec) -> Vec<u8> {
    let pair = token.generate(spec, KeyFlags::permanent(spec), "my key").unwrap();
    let spki = pair.public.spki().unwrap();
    let mut schemes = Vec::new();
    for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        match spec {
            KeySpec::Rsa(_) => schemes.extend([
                Scheme::RsaPkcs1(digest),
                Scheme::RsaPss { digest, salt: digest.len() },
                Scheme::RsaPss { digest, salt: 20 },
            ]),
            KeySpec::Ec(_) => schemes.push(Scheme::Ecdsa(digest)),
            KeySpec::MlDsa(_) | KeySpec::MlKem(_) => panic!("not for this test"),
        }
    }
    for key in [Some(&pair.private), pair.private.session_copy().as_ref()].into_iter().flatten() {
        for scheme in &schemes {
            let signature = key.sign(*scheme, b"to be signed").unwrap();
            judge(dir, &spki, *scheme, b"to be signed", &signature);
        }
    }
    let e = pair.private.sign(Scheme::RsaPkcs1(Digest::Sha1), b"x").unwrap_err();
    assert_eq!(e.kind(), Kind::Refused);
    pair.private.id().unwrap()
}

#[test]
fn generated_keys_sign_and_are_found_and_deleted() {
    let _turn = turn();
    let f = Folder::new();
    let (database, token) = open(&f, Access::ReadWrite);
    let mut ids = Vec::new();
    let specs = [KeySpec::Rsa(2048)].into_iter().chain(Curve::ALL.map(KeySpec::Ec));
    for spec in specs {
        ids.push(nss_cmc::keyid::to_hex(&signs(f.path(), &token, spec)));
    }
    for id in &ids {
        let key = database.find_key(&nss_cmc::keyid::parse(id).unwrap()).unwrap();
        assert_eq!(nss_cmc::keyid::to_hex(&key.id().unwrap()), *id);
    }
    let e = database.find_key(&[7; 20]).unwrap_err();
    assert!(e.to_string().contains(&"07".repeat(20)), "{e}");
    let spec = KeySpec::Ec(Curve::P256);
    let pair = token.generate(spec, KeyFlags::permanent(spec), "x").unwrap();
    pair.discard().unwrap();
    drop(token);
    database.close().unwrap();
    ids.sort();
    assert_eq!(f.keys(), ids);
}

/// The key handle alone keeps NSS initialized until the key is deleted.
#[test]
fn the_last_handle_may_be_a_key_that_is_deleted() {
    let _turn = turn();
    let f = Folder::new();
    let spec = KeySpec::Ec(Curve::P256);
    let (database, token) = open(&f, Access::ReadWrite);
    let pair = token.generate(spec, KeyFlags::permanent(spec), "x").unwrap();
    drop((token, database));
    pair.discard().unwrap();
    assert!(f.keys().is_empty());

    let (database, token) = open(&f, Access::ReadWrite);
    let nss_cmc::nss::KeyPair { private, public } =
        token.generate(spec, KeyFlags::permanent(spec), "x").unwrap();
    drop((public, token, database));
    private.delete().unwrap();
    assert!(f.keys().is_empty());
    // NSS is shut down now.
    open(&f, Access::ReadOnly);
}

fn is_issued(database: &Database, certificate: &Certificate) -> Result<(), Error> {
    Paths::new(database, &[]).to_trusted(certificate.der()).map(|_| ())
}

/// Makes a CSR, certifies it with openssl, and imports the certificate beside its key.
fn import(f: &Folder, database: &Database, token: &Token, nickname: &str) {
    let spec = KeySpec::Ec(Curve::P256);
    let key = RequestKey::generate(token, spec, KeyFlags::permanent(spec), "label").unwrap();
    let subject = der::name(&[(ORGANIZATION, "TEST"), (COMMON_NAME, "imported")]);
    let info = tlv(0x30, &[&[2, 1, 0], &subject[..], &key.spki, &[0xa0, 0]].concat());
    let scheme = Scheme::for_key(KeyType::Ec, Digest::Sha256).unwrap();
    let signature = key.private().unwrap().sign(scheme, &info).unwrap();
    // ecdsa-with-SHA256.
    let algorithm = tlv(0x30, &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
    let signature = tlv(3, &[&[0], &signature[..]].concat());
    let request = tlv(0x30, &[info, algorithm, signature].concat());
    f.write("req.pem", pem::encode("CERTIFICATE REQUEST", &request));
    tool("openssl", f.path(), &["req", "-verify", "-noout", "-in", "req.pem"]);
    tool(
        "openssl",
        f.path(),
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=Test CA",
            "-days",
            "2",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ],
    );
    tool(
        "openssl",
        f.path(),
        &[
            "x509",
            "-req",
            "-in",
            "req.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-days",
            "1",
            "-out",
            "cert.pem",
            "-CAcreateserial",
        ],
    );
    let ca = database.decode_certificate(&pem::to_der(&f.read("ca.pem"))).unwrap();
    let internal = database.token("internal").unwrap();
    internal.import(&ca, "Test CA").unwrap();
    let leaf = database.decode_certificate(&pem::to_der(&f.read("cert.pem"))).unwrap();
    token.import(&leaf, nickname).unwrap();
    drop(key.keep());
    assert!(database.verify(&leaf, Usage::SslClient).is_err(), "an untrusted CA was believed");
    assert!(is_issued(database, &leaf).is_err(), "an untrusted CA was believed");
    database.set_trust(&ca, &Trust::parse("CT,C,C").unwrap()).unwrap();
    database.verify(&leaf, Usage::SslClient).unwrap();
    is_issued(database, &leaf).unwrap();
    issued_for_anything(f, database);
    let full = match token.is_internal() {
        true => nickname.to_owned(),
        false => format!("{}:{nickname}", token.name()),
    };
    let found = database.find_certificate(&full).unwrap();
    assert_eq!(found.der(), leaf.der());
    found.private_key().unwrap();
    assert_eq!(internal.certificates_of_subject(leaf.issuer()), [ca.der()]);
    assert!(internal.certificates_of_subject(b"\x30\0").is_empty());
}

/// A CA issued its certificates whatever their purpose, even one that NSS doesn't know; another CA
/// of the same name issued none.
fn issued_for_anything(f: &Folder, database: &Database) {
    let sign = |ca: &str, extensions: &str| {
        f.write("leaf.cnf", extensions);
        let leaf = ["x509", "-req", "-in", "req.pem", "-days", "1", "-CAcreateserial"];
        let by = ["-CA", &format!("{ca}.pem"), "-CAkey", &format!("{ca}.key")];
        let more = ["-extfile", "leaf.cnf", "-outform", "DER", "-out", "leaf.der"];
        tool("openssl", f.path(), &[&leaf[..], &by, &more].concat());
        database.decode_certificate(&f.read("leaf.der")).unwrap()
    };
    for extensions in [
        "extendedKeyUsage=timeStamping",
        "extendedKeyUsage=codeSigning",
        "extendedKeyUsage=1.3.6.1.5.2.3.5",
        "keyUsage=critical,keyEncipherment\nextendedKeyUsage=emailProtection",
        "keyUsage=critical,dataEncipherment",
        "keyUsage=critical,keyAgreement",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign",
    ] {
        is_issued(database, &sign("ca", extensions))
            .unwrap_or_else(|e| panic!("{extensions}: {e}"));
    }
    let args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key"];
    let name = ["-out", "other.pem", "-subj", "/CN=Test CA", "-days", "2"];
    tool("openssl", f.path(), &[&args[..], &name].concat());
    let forged = sign("other", "authorityKeyIdentifier=none");
    let e = is_issued(database, &forged).unwrap_err();
    assert_eq!(e.nss().unwrap().name, "SEC_ERROR_BAD_SIGNATURE");
}

#[test]
fn a_certificate_is_imported_beside_its_key() {
    let _turn = turn();
    let f = Folder::new();
    let (database, token) = open(&f, Access::ReadWrite);
    import(&f, &database, &token, "nick");
    for nickname in ["nick", "internal:nick", "NSS Certificate DB:nick"] {
        database.find_certificate(nickname).unwrap();
    }
    let e = database.find_certificate("nik").unwrap_err();
    assert_eq!(e.kind(), Kind::NotFound);
    assert!(e.hint_text().unwrap().contains("nick"), "{:?}", e.hint_text());
    drop(token);
    database.close().unwrap();
    assert_eq!(f.certificates(), ["Test CA CT,C,C", "nick u,u,u"]);
}

#[test]
fn a_database_in_fips_mode() {
    let _turn = turn();
    let f = Folder::new();
    // The FIPS token requires seven characters of three kinds; Secret.123 has them.
    tool("modutil", f.path(), &["-fips", "true", "-dbdir", "sql:db", "-force"]);
    let (database, token) = open(&f, Access::ReadWrite);
    assert!(token.is_fips());
    // The token's name in certutil and in a password file.
    let name = token.name();
    assert!(database.token(&name).unwrap().is_fips());
    f.write("tokens.txt", format!("HSM:other\n{name}:{PASSWORD}\n"));
    let read = Source::File(f.file("tokens.txt")).read("password", "internal").unwrap();
    assert_eq!(read.bytes(), PASSWORD.as_bytes());
    import(&f, &database, &token, "fips");
    signs(f.path(), &token, KeySpec::Rsa(2048));
    drop(token);
    database.close().unwrap();
}

#[test]
fn another_token() {
    let _turn = turn();
    let f = Folder::new();
    let library = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so"];
    let library =
        library.iter().find(|l| Path::new(l).exists()).expect("softhsm2 is not installed");
    std::fs::create_dir(f.file("tokens")).unwrap();
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
    // SAFETY: the tests of this process run one at a time, and nothing else reads the environment
    // now.
    unsafe { std::env::set_var("SOFTHSM2_CONF", f.file("softhsm.conf")) };
    tool(
        "softhsm2-util",
        f.path(),
        &["--init-token", "--free", "--label", "HSM", "--so-pin", "12345678", "--pin", PASSWORD],
    );
    tool(
        "modutil",
        f.path(),
        &["-add", "softhsm", "-libfile", library, "-dbdir", "sql:db", "-force"],
    );
    let (database, internal) = open(&f, Access::ReadWrite);
    let token = database.token("HSM").unwrap();
    assert!(!token.is_internal());
    token.login(Some(&secret(PASSWORD))).unwrap();
    import(&f, &database, &token, "hsm-nick");
    database.find_certificate("HSM:hsm-nick").unwrap();
    for spec in [KeySpec::Rsa(2048), KeySpec::Ec(Curve::P256)] {
        let id = signs(f.path(), &token, spec);
        // This token doesn't find the public key by its private key; a public key object is beside
        // it.
        let key = token.find_key(&id).unwrap();
        key.public().unwrap().spki().unwrap();
    }
    drop((token, internal));
    database.close().unwrap();
    let list = run(Command::new("certutil")
        .current_dir(f.path())
        .args(["-K", "-d", "sql:db", "-h", "HSM", "-f", "pw"]));
    assert_eq!(list.out.matches("   my key\n").count(), 2, "{}", list.out);
    let list = run(Command::new("certutil")
        .current_dir(f.path())
        .args(["-L", "-d", "sql:db", "-h", "HSM", "-f", "pw"]));
    assert!(list.out.contains("HSM:hsm-nick") && list.out.contains("u,u,u"), "{}", list.out);
}

#[test]
fn recorded_answers_are_verified_against_the_database_s_trust() {
    let _turn = turn();
    let f = Folder::new();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let answer = std::fs::read(vectors.join("01-rsa-server/response.der")).unwrap();
    let ca = vectors.join("ca_signing.pem");
    let check = |f: &Folder, der: &[u8]| {
        let database = Database::open(f.file("db").to_str().unwrap(), Access::ReadOnly).unwrap();
        let response = nss_cmc::cmc::response::parse(der);
        let check = response.map_or_else(SignatureCheck::Bad, |response| {
            nss_cmc::trust::verify(&database, &response)
        });
        database.close().unwrap();
        check
    };
    assert!(matches!(check(&f, &answer), SignatureCheck::NotTrusted(_)));
    f.certutil(&["-A", "-n", "ca", "-t", "CT,C,C", "-f", "pw", "-i", ca.to_str().unwrap()]);
    assert!(matches!(check(&f, &answer), SignatureCheck::Good));
    // The status in the content is changed from success to failed.
    let status = [0x30, 0x08, 0x02, 0x01, 0x00];
    let at = answer.windows(5).position(|w| w == status).unwrap();
    let mut forged = answer.clone();
    forged[at + 4] = 2;
    assert!(matches!(check(&f, &forged), SignatureCheck::Bad(_)));
    let mut broken = answer.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(matches!(check(&f, &broken), SignatureCheck::Bad(_)));
    assert!(matches!(check(&f, &answer[..answer.len() / 2]), SignatureCheck::Bad(_)));
    assert!(matches!(check(&f, b""), SignatureCheck::Bad(_)));
}
