//! Keys in other tokens than a plain database: softoken in FIPS mode, SoftHSM.

use std::process::Command;

use openssl::ssl::SslVersion;

use crate::database::{Fixture, PASSWORD, certutil, identity, run};
use crate::server::{Answer, Ca, Server, Tls};
use crate::{CMC, ok, transport};

/// Each client with TLS 1.2 and 1.3, against a server that admits those below `root`.
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

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn keys_in_softhsm_authenticate() {
    if !std::path::Path::new(SOFTHSM).exists() {
        println!("skipped: {SOFTHSM} isn't installed");
        return;
    }
    // SoftHSM finds its tokens by an environment variable, so this runs in a process of its own.
    if std::env::var_os("SOFTHSM2_CONF").is_none() {
        let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("transport/softhsm");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("tokens")).unwrap();
        let conf = dir.join("softhsm2.conf");
        std::fs::write(&conf, format!("directories.tokendir = {}/tokens\n", dir.display()))
            .unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tokens::keys_in_softhsm_authenticate", "--nocapture"])
            .env("SOFTHSM2_CONF", conf)
            .status()
            .unwrap();
        assert!(status.success());
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
