//! The transport against a TLS server that uses the `openssl` crate, with keys made by certutil.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod database;
mod proxies;
mod refused;
mod sent;
mod server;
mod tokens;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use database::{Fixture, certutil, identity, shared};
use nss_cmc::Url;
use nss_cmc::client::connection::{Config, Reply, Transport};
use nss_cmc::error::{Error, Kind};
use nss_cmc::nss::{Database, Identity};
use openssl::ssl::SslVersion;
use server::{Answer, Ca, Server, Tls};

const CMC: &str = "application/pkcs7-mime";

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 ", CMC, body)
}

fn answer(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn transport(database: &Database, identity: Option<Identity>) -> Transport<'_> {
    direct().transport(Some(database), identity).unwrap()
}

/// Returns the default options, without a proxy from the environment.
fn direct() -> Config {
    Config { proxy: Some(String::new()), ..usual() }
}

/// The defaults. The URL is that of each request.
fn usual() -> Config {
    Config::new(Url::parse("https://ca.example").unwrap())
}

/// Returns the shared database, which trusts a new server CA under this nickname.
fn trusting(nickname: &str) -> (&'static Fixture, Ca) {
    let ca = Ca::new(&format!("server CA for {nickname}"));
    shared().trust(nickname, &ca.pem);
    (shared(), ca)
}

/// Sends one POST without a client certificate.
fn post(server: &Server, host: &str) -> Result<Reply, Error> {
    shared().with(|db| transport(db, None).post(&server.url(host), b"request", CMC))
}

/// Sends one POST over plain http.
fn post_plain(bytes: &[u8]) -> Result<Reply, Error> {
    let server = Server::start(None, Answer::Close(bytes.to_vec()));
    let config = Config { plain_http: true, ..direct() };
    let url = format!("http://127.0.0.1:{}/ca", server.port);
    config.transport(None, None).unwrap().post(&url, b"request", CMC)
}

#[track_caller]
fn assert_error(error: &Error, kind: Kind, text: &str, hint: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    let said = error.hint_text().unwrap_or_default();
    assert!(said.contains(hint), "{said}");
}

#[test]
fn client_keys_of_every_type_authenticate_with_every_version() {
    let (fixture, ca) = trusting("matrix");
    fixture.with(|db| {
        for (version, name) in [(SslVersion::TLS1_2, "TLSv1.2"), (SslVersion::TLS1_3, "TLSv1.3")] {
            for key in [server::rsa_key(), server::ec_key()] {
                let clients = Some(fixture.root.clone());
                let tls = Tls { key, version, clients, ..Tls::new(&ca) };
                let server = Server::start(Some(tls), Answer::Close(ok(b"answer")));
                for nickname in ["rsa", "p256", "p384"] {
                    let mut transport = transport(db, Some(identity(db, nickname)));
                    let reply = transport.post(&server.url("localhost"), b"request", CMC).unwrap();
                    assert_eq!(reply.body, b"answer");
                    let seen = server.seen().pop().unwrap();
                    assert_eq!(seen.client.as_deref(), Some(nickname));
                    assert_eq!(seen.sent, 2, "the certificate and its issuer, not the root");
                    assert_eq!(seen.body, b"request");
                    assert_eq!(seen.version, name);
                }
            }
        }
    });
}

#[test]
fn a_session_copy_of_the_key_authenticates() {
    let (fixture, ca) = trusting("session copy");
    fixture.with(|db| {
        let clients = Some(fixture.root.clone());
        let tls = Tls { clients, ..Tls::new(&ca) };
        let server = Server::start(Some(tls), Answer::Close(ok(b"")));
        let client = identity(db, "rsa");
        let key = client.key.session_copy().unwrap();
        let mut transport = transport(db, Some(Identity { key: key.into(), ..client }));
        for _ in 0..2 {
            transport.post(&server.url("localhost"), b"", CMC).unwrap();
        }
        let clients: Vec<_> = server.seen().into_iter().map(|s| s.client).collect();
        assert_eq!(clients, [Some("rsa".to_owned()), Some("rsa".to_owned())]);
    });
}

#[test]
fn requests_are_exact_and_share_a_connection() {
    let (fixture, ca) = trusting("keep");
    fixture.with(|db| {
        let clients = Some(fixture.root.clone());
        let server =
            Server::start(Some(Tls { clients, ..Tls::new(&ca) }), Answer::Keep(ok(b"answer")));
        let mut transport = transport(db, Some(identity(db, "p256")));
        let body = vec![0; 1_500_000];
        let first = transport.post(&server.url("localhost"), &body, CMC).unwrap();
        let second = transport.get(&server.url("localhost"), "application/json").unwrap();
        drop(transport);
        let lines = ["HTTP/1.1 200 ", "Content-Type: application/pkcs7-mime", "Content-Length: 6"];
        assert_eq!(first.header_lines, lines);
        assert_eq!(first.content_type.as_deref(), Some(CMC));
        assert_eq!((first.status, first.body.as_slice()), (200, b"answer".as_slice()));
        assert_eq!(first, second);
        let [post, get] = <[server::Seen; 2]>::try_from(server.seen()).unwrap();
        assert_eq!((post.connection, get.connection), (0, 0));
        assert_eq!(post.body.len(), body.len());
        let mut lines = post.head.lines();
        assert_eq!(lines.next(), Some("POST /ca/ee/ca/profileSubmitCMCFull HTTP/1.1"));
        assert!(lines.clone().any(|l| l == "Content-Type: application/pkcs7-mime"));
        assert!(!lines.any(|l| l.starts_with("Expect") || l.starts_with("Transfer-Encoding")));
        assert!(get.head.starts_with("GET /ca/ee/ca/profileSubmitCMCFull HTTP/1.1\r\n"));
        assert!(get.head.contains("\r\nAccept: application/json\r\n"));
        assert!(!get.head.contains("Content-Type") && !get.head.contains("Content-Length"));
    });
}

#[test]
fn a_wrong_host_name_is_refused() {
    let (_, ca) = trusting("host name");
    let names = &["localhost", "ca.example", "192.0.2.7"];
    let server = Server::start(Some(Tls { names, ..Tls::new(&ca) }), Answer::Close(ok(b"")));
    let error = post(&server, "127.0.0.1").unwrap_err();
    assert_error(&error, Kind::Tls, "127.0.0.1", "localhost, ca.example, 192.0.2.7");
    assert_eq!(error.nss().unwrap().name, "SSL_ERROR_BAD_CERT_DOMAIN");
    assert!(server.seen().is_empty());
}

#[test]
fn an_address_in_the_certificate_is_a_name() {
    let (_, ca) = trusting("address");
    let tls = Tls { names: &["127.0.0.1"], ..Tls::new(&ca) };
    let server = Server::start(Some(tls), Answer::Close(ok(b"")));
    assert_eq!(post(&server, "127.0.0.1").unwrap().status, 200);
}

#[test]
fn an_untrusted_server_gets_no_request() {
    let ca = Ca::new("nobody's CA");
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let server = Server::start(Some(Tls { version, ..Tls::new(&ca) }), Answer::Close(ok(b"")));
        let error = post(&server, "localhost").unwrap_err();
        let hint = format!("nss-cmc cert import ca.pem -d {}", shared().dir.display());
        assert_error(&error, Kind::Tls, &format!("localhost:{}", server.port), &hint);
        assert_eq!(error.nss().unwrap().name, "SEC_ERROR_UNKNOWN_ISSUER");
        assert!(!error.is_retryable());
        assert!(server.seen().is_empty());
    }
}

#[test]
fn an_expired_server_certificate_is_refused() {
    let (_, ca) = trusting("expired");
    let server =
        Server::start(Some(Tls { expired: true, ..Tls::new(&ca) }), Answer::Close(ok(b"")));
    let error = post(&server, "localhost").unwrap_err();
    assert_error(&error, Kind::Tls, "SEC_ERROR_EXPIRED_CERTIFICATE", "clock");
    assert!(server.seen().is_empty());
}

#[test]
fn a_server_that_refuses_our_certificate_is_named() {
    let (fixture, ca) = trusting("refusal");
    let other = Ca::new("another client CA");
    fixture.with(|db| {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let clients = Some(other.pem.clone());
            let tls = Tls { version, clients, ..Tls::new(&ca) };
            let server = Server::start(Some(tls), Answer::Close(ok(b"")));
            let mut transport = transport(db, Some(identity(db, "p256")));
            let error = transport.post(&server.url("localhost"), b"request", CMC).unwrap_err();
            let text = "refused the client certificate: TLS alert unknown_ca (48)";
            assert_error(&error, Kind::Tls, text, "the server trusts its CA");
        }
    });
}

#[test]
fn a_server_that_wants_a_certificate_is_named() {
    let (fixture, ca) = trusting("wanting");
    for (version, text, hint) in [
        (SslVersion::TLS1_2, "handshake_failure (40)", "requires a client certificate"),
        (SslVersion::TLS1_3, "requires a client certificate", "add a client certificate"),
    ] {
        let clients = Some(fixture.root.clone());
        let tls = Tls { version, clients, ..Tls::new(&ca) };
        let server = Server::start(Some(tls), Answer::Close(ok(b"")));
        assert_error(&post(&server, "localhost").unwrap_err(), Kind::Tls, text, hint);
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_before_anything_is_sent() {
    let (fixture, ca) = trusting("other key");
    fixture.with(|db| {
        let server = Server::start(Some(Tls::new(&ca)), Answer::Close(ok(b"")));
        for (certificate, key) in [("p256", "p384"), ("p256", "rsa")] {
            let key = identity(db, key).key;
            let client = identity(db, certificate);
            let mut transport = transport(db, Some(Identity { key, ..client }));
            let error = transport.post(&server.url("localhost"), b"request", CMC).unwrap_err();
            assert_error(&error, Kind::Tls, "the private key does not match", "");
        }
        assert!(server.seen().is_empty());
    });
}

#[test]
fn a_key_that_cannot_sign_says_so() {
    let (fixture, ca) = trusting("no signing");
    let key = ["-c", "middle", "-t", "u,u,u", "-k", "ec", "-q", "nistp256"];
    let make = ["-S", "-s", "CN=gone", "-n", "gone", "-m", "9"];
    certutil(&fixture.dir, &[&make[..], &key].concat(), "");
    fixture.with(|db| {
        let clients = Some(fixture.root.clone());
        let server = Server::start(Some(Tls { clients, ..Tls::new(&ca) }), Answer::Close(ok(b"")));
        let mut transport = transport(db, Some(identity(db, "gone")));
        certutil(&fixture.dir, &["-F", "-n", "gone"], "");
        let error = transport.post(&server.url("localhost"), b"request", CMC).unwrap_err();
        assert_error(&error, Kind::Refused, "cannot sign", "");
        assert!(error.nss().is_some(), "{error}");
        assert!(server.seen().is_empty());
    });
}

#[test]
fn nobody_listening_is_unreachable() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("https://localhost:{port}/ca");
    let error = shared().with(|db| transport(db, None).post(&url, b"", CMC)).unwrap_err();
    assert_error(&error, Kind::Unreachable, &format!("localhost:{port}"), "CA is running");
    assert!(error.is_retryable());
}

#[test]
fn an_unknown_name_is_unreachable() {
    let url = "https://nowhere.invalid/ca";
    let error = shared().with(|db| transport(db, None).post(url, b"", CMC)).unwrap_err();
    assert_error(&error, Kind::Unreachable, "cannot resolve nowhere.invalid:443", "getent hosts");
}

#[test]
fn silence_ends_at_the_time_limit() {
    let (fixture, ca) = trusting("silence");
    let server = Server::start(Some(Tls::new(&ca)), Answer::Silence);
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let handshake = format!("https://localhost:{}/", mute.local_addr().unwrap().port());
    fixture.with(|db| {
        let short = Duration::from_millis(300);
        let in_all = Config { timeout: short, ..direct() };
        let connecting = Config { connect_timeout: short, ..direct() };
        for (config, url) in [(in_all, server.url("localhost")), (connecting, handshake)] {
            let mut transport = config.transport(Some(db), None).unwrap();
            let error = transport.post(&url, b"", CMC).unwrap_err();
            assert_error(&error, Kind::Unreachable, "timeout waiting for", "0.3 s");
        }
    });
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn plain_http_needs_to_be_allowed() {
    let error = shared()
        .with(|db| transport(db, None).post("http://localhost:1/ca", b"", CMC))
        .unwrap_err();
    assert_error(&error, Kind::Usage, "plain http", "https");
    assert_eq!(post_plain(&ok(b"answer")).unwrap().body, b"answer");
}

#[test]
fn https_needs_a_database() {
    let mut transport = usual().transport(None, None).unwrap();
    let error = transport.post("https://localhost:1/ca", b"", CMC).unwrap_err();
    assert_error(&error, Kind::Usage, "without an NSS database", "-d DIR");
}

#[test]
fn a_plain_server_under_https_is_a_tls_failure() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"220 mail.example ESMTP\r\n").unwrap();
    });
    let error = shared().with(|db| transport(db, None).post(&url, b"", CMC)).unwrap_err();
    thread.join().unwrap();
    assert_error(&error, Kind::Tls, "cannot complete the TLS handshake", "https port");
}

#[test]
fn any_http_answer_passes_through() {
    for (status, code, media_type, body) in [
        ("200 OK", 200, "text/html", "<html>unrecoverable error</html>"),
        ("404 Not Found", 404, "text/html;charset=utf-8", "<html></html>"),
        ("500 ", 500, "text/html", ""),
        ("302 Found\r\nLocation: https://localhost:1/", 302, "text/plain", "moved"),
    ] {
        let reply = post_plain(&answer(status, media_type, body.as_bytes())).unwrap();
        assert_eq!((reply.status, reply.content_type.as_deref()), (code, Some(media_type)));
        assert_eq!(reply.body, body.as_bytes());
    }
    let reply = post_plain(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!((reply.content_type, reply.body), (None, vec![]));
    let chunked =
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    let reply = post_plain(chunked).unwrap();
    assert_eq!(reply.body, b"abc");
    assert_eq!(reply.header_lines, ["HTTP/1.1 200 ", "Transfer-Encoding: chunked"]);
    let reply =
        post_plain(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\n\r\nto the end").unwrap();
    assert_eq!(
        (reply.header_lines, reply.body),
        (vec!["HTTP/1.1 200 ".into()], b"to the end".into())
    );
}

#[test]
fn broken_answers_are_http_errors() {
    let long = [b"HTTP/1.1 200 \r\nX: ", vec![b'x'; 1 << 20].as_slice(), b"\r\n\r\n"].concat();
    let many = [b"HTTP/1.1 200 \r\n", b"X: y\r\n".repeat(10_000).as_slice(), b"\r\n"].concat();
    let endless = [b"HTTP/1.1 200 \r\n\r\n", vec![0; (16 << 20) + 1].as_slice()].concat();
    for (bytes, text) in [
        (b"HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\nshort".as_slice(), "Content-Length"),
        (b"HTTP/1.1 200 \r\nContent-Length: 16777217\r\n\r\n", "16 MiB"),
        (b"HTTP/1.1 200 \r\nContent-Length: -4\r\n\r\nbody", "cannot read the response"),
        (b"HTTP/1.1 200 \r\nContent-Length: x\r\n\r\nbody", "cannot read the response"),
        (b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "cannot read the response"),
        (b"220 mail.example ESMTP\r\n", "cannot read the response"),
        (&long, "cannot read the response"),
        (&many, "200 lines"),
        (&endless, "16 MiB"),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        match post_plain(bytes) {
            Ok(reply) => panic!("{shown:?} was taken: {:?}", reply.header_lines),
            Err(e) => assert_error(&e, Kind::Http, text, ""),
        }
    }
}

#[test]
fn no_answer_at_all_is_unreachable() {
    let error = post_plain(b"").unwrap_err();
    assert_error(&error, Kind::Unreachable, "without a response", "before you send it again");
}

#[test]
fn a_proxy_that_refuses_is_told_apart() {
    let proxy = Server::start(None, Answer::Close(answer("403 Forbidden", "text/plain", b"no")));
    shared().with(|db| {
        let proxy = Some(format!("http://127.0.0.1:{}", proxy.port));
        let mut transport = Config { proxy, ..usual() }.transport(Some(db), None).unwrap();
        let error = transport.post("https://ca.example:8443/ca", b"", CMC).unwrap_err();
        assert_error(
            &error,
            Kind::Unreachable,
            "the proxy refuses to connect to ca.example",
            "proxy",
        );
    });
    assert!(proxy.seen()[0].head.starts_with("CONNECT ca.example:8443 HTTP/1.1\r\n"));
}
