//! Proxies: a proxy that is reached over TLS gets neither the server's trust nor the client's
//! certificate, and an error of the proxy names the proxy.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use openssl::ssl::{ErrorCode, SslStream};

use super::*;

/// A forwarding proxy with TLS, for one connection: the client certificate it received, and the
/// first line of the request for a tunnel.
type Got = Arc<Mutex<Vec<(Option<String>, String)>>>;

fn tls_proxy(tls: &Tls<'_>, answer: &'static str) -> (u16, Got) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, got) = (tls.acceptor(), Got::default());
    let log = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(stream) = acceptor.accept(stream) else { continue };
            tunnel(stream, answer, &log);
        }
    });
    (port, got)
}

fn tunnel(mut client: SslStream<TcpStream>, answer: &str, log: &Got) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        client.read_exact(&mut octet).ok()?;
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let name = client.ssl().peer_certificate().map(|c| format!("{:?}", c.subject_name()));
    log.lock().unwrap().push((name, head.clone()));
    client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).ok()?;
    if !answer.starts_with("200") {
        return None;
    }
    let port = head.split(' ').nth(1)?.rsplit_once(':')?.1.parse::<u16>().ok()?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    // One thread for both directions: only one side sends at a time.
    client.get_ref().set_nonblocking(true).ok()?;
    server.set_nonblocking(true).ok()?;
    let mut chunk = vec![0; 1 << 16];
    loop {
        match client.ssl_read(&mut chunk) {
            Ok(0) => return server.shutdown(Shutdown::Both).ok(),
            Ok(n) => write_all(&mut server, &chunk[..n])?,
            Err(e) if matches!(e.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) => {}
            // A client may close without close_notify, as curl does on a timeout.
            Err(_) => return None,
        }
        match server.read(&mut chunk) {
            Ok(0) => return client.shutdown().ok().map(drop),
            Ok(n) => write_all(&mut client, &chunk[..n])?,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return None,
        }
    }
}

fn write_all(to: &mut impl Write, mut octets: &[u8]) -> Option<()> {
    while !octets.is_empty() {
        match to.write(octets) {
            Ok(n) => octets = &octets[n..],
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return None,
        }
    }
    Some(())
}

fn through<'db>(db: &'db Database, proxy: String, client: Option<Identity>) -> Transport<'db> {
    Config { proxy: Some(proxy), ..direct() }.transport(Some(db), client).unwrap()
}

/// The proxy's certificate is checked for its own name, and its request for a client certificate is
/// not met; the server gets the certificate.
#[test]
fn a_proxy_over_tls_gets_no_client_certificate() {
    let (fixture, ca) = trusting("https proxy");
    let clients = Some(fixture.root.clone());
    fixture.with(|db| {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            // The first certificate is also valid for the server's name.
            for names in [&["localhost", "127.0.0.1"][..], &["127.0.0.1"]] {
                let tls = Tls { clients: clients.clone(), version, ..Tls::new(&ca) };
                let server = Server::start(Some(tls), Answer::Close(ok(b"answer")));
                let optional = true;
                let clients = clients.clone();
                let tls = Tls { names, clients, optional, version, ..Tls::new(&ca) };
                let (port, got) = tls_proxy(&tls, "200 Go");
                let url = format!("https://127.0.0.1:{port}");
                let mut transport = through(db, url, Some(identity(db, "p256")));
                let outcome = transport.post(&server.url("localhost"), b"request", CMC);
                let got = got.lock().unwrap().clone();
                assert!(got.iter().all(|(client, _)| client.is_none()), "{got:?}");
                assert_eq!(outcome.unwrap().body, b"answer");
                assert!(got[0].1.starts_with(&format!("CONNECT localhost:{} ", server.port)));
                assert_eq!(server.seen()[0].client.as_deref(), Some("p256"));
            }
        }
    });
}

#[test]
fn a_proxy_over_tls_that_is_not_trusted_is_named() {
    let (fixture, ca) = trusting("bad https proxy");
    let stranger = Ca::new("a proxy's own CA");
    fixture.with(|db| {
        for (tls, why) in [
            (Tls { names: &["127.0.0.1"], ..Tls::new(&stranger) }, "SEC_ERROR_UNKNOWN_ISSUER"),
            (Tls { names: &["localhost"], ..Tls::new(&ca) }, "SSL_ERROR_BAD_CERT_DOMAIN"),
        ] {
            let (port, got) = tls_proxy(&tls, "200 Go");
            let mut transport = through(db, format!("https://127.0.0.1:{port}"), None);
            let error = transport.post("https://localhost:1/ca", b"request", CMC).unwrap_err();
            assert_error(&error, Kind::Tls, &format!("the proxy 127.0.0.1:{port}"), "");
            assert_eq!(error.nss().unwrap().name, why);
            assert!(!error.was_sent());
            assert!(got.lock().unwrap().is_empty());
        }
    });
}

#[test]
fn what_a_proxy_refuses_is_said_of_the_proxy() {
    let (fixture, ca) = trusting("refusing proxies");
    fixture.with(|db| {
        for (head, status, hint) in [
            ("403 Forbidden", "403", "no_proxy"),
            ("407 Who\r\nProxy-Authenticate: Basic realm=x", "407", "user and password"),
            ("407 Who\r\nProxy-Authenticate: Negotiate", "407", "user and password"),
            ("502 Bad", "502", "CA is running"),
            ("504 Late", "504", "CA is running"),
        ] {
            let proxy = Server::start(None, Answer::Close(answer(head, "text/plain", b"no")));
            let url = format!("http://user:geheim@127.0.0.1:{}", proxy.port);
            let error = through(db, url, None).post("https://ca.example/", b"", CMC).unwrap_err();
            assert_error(
                &error,
                Kind::Unreachable,
                "the proxy refuses to connect to ca.example",
                hint,
            );
            let named = format!("HTTP status {status} from the proxy 127.0.0.1:{}", proxy.port);
            assert!(error.to_string().contains(&named), "{error}");
            assert!(!error.was_sent(), "{error}");
            assert!(!format!("{error:?}{error}").contains("geheim"), "{error:?}");
            assert_eq!(proxy.seen().len(), 1);
        }
        // A proxy that closes, sends garbage, isn't running, or has an unknown name.
        let closing = Server::start(None, Answer::Close(Vec::new()));
        let mad = Server::start(None, Answer::Close(b"220 mail ESMTP\r\n".to_vec()));
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let gone = gone.local_addr().unwrap().port();
        let plain = Server::start(None, Answer::Close(Vec::new()));
        let local = |port: u16| format!("127.0.0.1:{port}");
        for (scheme, proxy) in [
            ("http", local(closing.port)),
            ("http", local(mad.port)),
            ("http", local(gone)),
            ("http", "nowhere.invalid:3128".to_owned()),
            ("https", local(plain.port)),
            ("socks5h", local(mad.port)),
        ] {
            // Two sides that wait for each other end after this time.
            let config = Config {
                proxy: Some(format!("{scheme}://user:geheim@{proxy}")),
                connect_timeout: Duration::from_millis(300),
                ..direct()
            };
            let mut transport = config.transport(Some(db), None).unwrap();
            let error = transport.post("https://ca.example/", b"", CMC).unwrap_err();
            assert!(error.to_string().contains(&format!("the proxy {proxy}")), "{error}");
            assert!(!error.was_sent(), "{error}");
            assert!(!format!("{error:?}{error}").contains("geheim"), "{error:?}");
        }
        // The proxy works; the server behind it is not trusted.
        let stranger = Server::start(Some(Tls::new(&Ca::new("nobody"))), Answer::Close(ok(b"")));
        let (port, _) = tls_proxy(&Tls { names: &["127.0.0.1"], ..Tls::new(&ca) }, "200 Go");
        let mut transport = through(db, format!("https://127.0.0.1:{port}"), None);
        let error = transport.post(&stranger.url("localhost"), b"", CMC).unwrap_err();
        assert_error(
            &error,
            Kind::Tls,
            &format!("certificate of localhost:{} is", stranger.port),
            "nss-cmc cert import",
        );
    });
}
