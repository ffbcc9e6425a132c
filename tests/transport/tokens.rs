//! Keys in tokens other than a plain database: softoken in FIPS mode, SoftHSM.

use std::path::Path;
use std::process::Command;

use nss_cmc::error::Kind;
use openssl::ssl::SslVersion;

use crate::database::{Fixture, PASSWORD, certutil, identity, run};
use crate::server::{Answer, Ca, Server, Tls};
use crate::{CMC, assert_error, ok, transport, usual};

/// Authenticates each client with TLS 1.2 and 1.3 to a server that accepts those below `root`.
fn authenticate(fixture: &Fixture, root: &[u8], ca: &Ca, nicknames: &[&str], fips: bool) {
    fixture.with(|db| {
        assert_eq!(db.token("internal").unwrap().is_fips(), fips);
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let tls = Tls { version, clients: Some(root.to_vec()), ..Tls::new(ca) };
            let server = Server::start(Some(tls), Answer::Close(ok(b"answer")));
            for nickname in nicknames {
                let mut transport = transport(db, Some(identity(db, nickname)));
                transport.post(&server.url("localhost"), b"request", CMC).unwrap();
                let client = server.seen().pop().unwrap().client.unwrap();
                assert!(nickname.ends_with(&client), "{client}");
            }
        }
    });
}

#[test]
fn keys_of_a_database_in_fips_mode_authenticate() {
    let fixture = Fixture::new("fips");
    let ca = Ca::new("server CA for FIPS");
    fixture.trust("server", &ca.pem);
    run("modutil", &fixture.dir, &["-fips", "true", "-dbdir", "sql:.", "-force"], "");
    authenticate(&fixture, &fixture.root, &ca, &["rsa", "p256", "p384"], true);
}

/// Returns `true` in a process of the test's own, else runs the test in one and returns `false`:
/// the library reads its configuration from an environment variable, once.
fn in_own_process(test: &str, variable: &str, conf: impl Fn(&Path) -> String) -> bool {
    if std::env::var_os("NSS_CMC_TEST_CHILD").is_some() {
        return true;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("transport").join(variable);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("conf");
    std::fs::write(&file, conf(&dir)).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, file)
        .env("NSS_CMC_TEST_CHILD", "1")
        .status()
        .unwrap();
    assert!(status.success());
    false
}

#[test]
fn openssl_in_fips_mode_takes_no_key_from_a_database_that_is_not() {
    let test = "tokens::openssl_in_fips_mode_takes_no_key_from_a_database_that_is_not";
    let conf = |_: &Path| {
        "openssl_conf = all\n[all]\nalg_section = algorithms\n\
         [algorithms]\ndefault_properties = fips=yes\n"
            .to_owned()
    };
    if !in_own_process(test, "OPENSSL_CONF", conf) {
        return;
    }
    Fixture::new("not-fips").with(|db| {
        let identity = Some(identity(db, "p256"));
        let error = usual().transport(Some(db), identity).err().unwrap();
        assert_error(&error, Kind::Refused, "OpenSSL is in FIPS mode", "modutil -fips");
    });
}

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn keys_in_softhsm_authenticate() {
    if !Path::new(SOFTHSM).exists() {
        println!("skipped: {SOFTHSM} is not installed");
        return;
    }
    let test = "tokens::keys_in_softhsm_authenticate";
    let conf = |dir: &Path| format!("directories.tokendir = {}\n", dir.display());
    if !in_own_process(test, "SOFTHSM2_CONF", conf) {
        return;
    }
    let fixture = Fixture::new("softhsm-database");
    let token = ["--init-token", "--free", "--label", "hsm", "--pin", PASSWORD];
    run("softhsm2-util", &fixture.dir, &[&token[..], &["--so-pin", PASSWORD]].concat(), "");
    let add = ["-add", "softhsm", "-libfile", SOFTHSM, "-dbdir", "sql:.", "-force"];
    run("modutil", &fixture.dir, &add, "");
    let ca = Ca::new("server CA for SoftHSM");
    fixture.trust("server", &ca.pem);
    let base = ["-S", "-x", "-h", "hsm", "-t", "u,u,u", "-v", "12", "-m"];
    let rsa = ["7", "-s", "CN=hsm-rsa", "-n", "hsm-rsa", "-k", "rsa", "-g", "2048"];
    let ec = ["8", "-s", "CN=hsm-ec", "-n", "hsm-ec", "-k", "ec", "-q", "nistp256"];
    for (nickname, key) in [("hsm:hsm-rsa", rsa), ("hsm:hsm-ec", ec)] {
        certutil(&fixture.dir, &[&base[..], &key].concat(), "");
        let own = certutil(&fixture.dir, &["-L", "-h", "hsm", "-n", nickname, "-a"], "");
        authenticate(&fixture, &own, &ca, &[nickname], false);
    }
}
