//! A server that refuses the client certificate with a TLS alert: the error names defects that the
//! certificate itself shows.

use super::*;

#[test]
fn what_the_certificate_lacks_is_said() {
    // A separate database: certutil would write to the shared one while other tests read it.
    let fixture = Fixture::new("lacking");
    let ca = Ca::new("server CA for lacking");
    fixture.trust("lacking", &ca.pem);
    let ec = ["-k", "ec", "-q", "nistp256", "-c", "middle", "-t", "u,u,u"];
    for (name, serial, more) in [
        ("for-servers", "21", &["--extKeyUsage", "serverAuth"][..]),
        ("for-both", "22", &["--extKeyUsage", "clientAuth,serverAuth"]),
        ("expired", "23", &["-w", "-6", "-v", "3"]),
        ("to-come", "24", &["-w", "6", "-v", "3"]),
    ] {
        let subject = format!("CN={name}");
        let base = ["-S", "-s", &subject, "-n", name, "-m", serial];
        certutil(&fixture.dir, &[&base, &ec[..], more].concat(), "");
    }
    fixture.with(|db| {
        for (name, lack, hint) in [
            (
                "for-servers",
                Some("its extended key usage lacks clientAuth"),
                "client authentication",
            ),
            ("expired", Some("it expired on 20"), "renew"),
            ("to-come", Some("it is not valid before 20"), "clock"),
            ("for-both", None, ""),
        ] {
            for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
                let clients = Some(fixture.root.clone());
                let tls = Tls { version, clients, ..Tls::new(&ca) };
                let server = Server::start(Some(tls), Answer::Close(ok(b"")));
                let mut transport = transport(db, Some(identity(db, name)));
                let outcome = transport.post(&server.url("localhost"), b"request", CMC);
                let Some(lack) = lack else {
                    assert_eq!(outcome.unwrap().status, 200);
                    continue;
                };
                let error = outcome.unwrap_err();
                assert_error(&error, Kind::Tls, "refused the client certificate: TLS alert ", hint);
                assert!(error.to_string().contains(lack), "{error}");
            }
        }
    });
}
