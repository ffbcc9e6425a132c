//! Each POST is sent once, and an error says whether it may have been sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread::JoinHandle;

use nss_cmc::client::connection::Connection;

use super::*;

/// A server that makes the TLS handshake with one client, then calls a function.
fn once(
    tls: Tls<'_>,
    act: impl FnOnce(openssl::ssl::SslStream<TcpStream>) + Send + 'static,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://localhost:{}/ca", listener.local_addr().unwrap().port());
    let acceptor = tls.acceptor();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        act(acceptor.accept(stream).unwrap());
    });
    (url, thread)
}

/// The connection ends after any octet of the response.
#[test]
fn a_cut_answer_was_sent_for() {
    let (fixture, ca) = trusting("cut");
    let whole = ok(b"the answer");
    let head = whole.len() - 10;
    fixture.with(|db| {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            for at in [0, 1, 9, 20, head - 3, head - 1, head, head + 1, whole.len() - 1] {
                let tls = Tls { version, ..Tls::new(&ca) };
                let server = Server::start(Some(tls), Answer::Close(whole[..at].to_vec()));
                for body in [&b"request"[..], b""] {
                    let mut transport = transport(db, None);
                    let error = transport.post(&server.url("localhost"), body, CMC).unwrap_err();
                    assert!(error.was_sent(), "{at}: {error}");
                    let asks = |e: &Error| e.hint_text().unwrap().contains("processed");
                    assert!(asks(&error), "{at}: {error}");
                    let got = transport.get(&server.url("localhost"), CMC).unwrap_err();
                    assert!(!got.was_sent() && !asks(&got), "a GET changes nothing: {got}");
                }
                assert_eq!(server.seen().len(), 4, "{at}: each was sent once");
            }
        }
    });
}

/// The server accepted the connection, read nothing or a part, and closed.
#[test]
fn what_ends_after_the_handshake_may_have_been_sent() {
    let (fixture, ca) = trusting("after the handshake");
    fixture.with(|db| {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            for octets in [0, 1, 100_000] {
                let tls = Tls { version, ..Tls::new(&ca) };
                let (url, server) = once(tls, move |mut stream| {
                    stream.read_exact(&mut vec![0; octets]).unwrap();
                });
                let body = vec![0; 1_000_000];
                let error = transport(db, None).post(&url, &body, CMC).unwrap_err();
                assert!(error.was_sent(), "{octets}: {error}");
                server.join().unwrap();
            }
        }
        let short = Duration::from_millis(300);
        for body in [&b"request"[..], b""] {
            let server = Server::start(Some(Tls::new(&ca)), Answer::Silence);
            let config = Config { timeout: short, ..direct() };
            let mut transport = config.transport(Some(db), None).unwrap();
            let error = transport.post(&server.url("localhost"), body, CMC).unwrap_err();
            assert!(error.was_sent(), "{error}");
            assert_error(&error, Kind::Unreachable, "timeout waiting for", "");
        }
        // A response head that is too large.
        let many = [b"HTTP/1.1 200 \r\n", b"X: y\r\n".repeat(10_000).as_slice(), b"\r\n"].concat();
        let server = Server::start(Some(Tls::new(&ca)), Answer::Close(many));
        let error = transport(db, None).post(&server.url("localhost"), b"", CMC).unwrap_err();
        assert!(error.was_sent(), "{error}");
    });
}

#[test]
fn what_ends_before_the_handshake_was_not_sent() {
    let (fixture, ca) = trusting("before the handshake");
    let stranger = Ca::new("a stranger");
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let local = |port: u16| format!("https://localhost:{port}/ca");
    fixture.with(|db| {
        let untrusted = Server::start(Some(Tls::new(&stranger)), Answer::Close(ok(b"")));
        let short = Duration::from_millis(300);
        for (url, kind) in [
            (untrusted.url("localhost"), Kind::Tls),
            (local(mute.local_addr().unwrap().port()), Kind::Unreachable),
            (local(closed), Kind::Unreachable),
            ("https://nowhere.invalid/ca".to_owned(), Kind::Unreachable),
            ("https://user:geheim@localhost/ca".to_owned(), Kind::Usage),
        ] {
            let config = Config { connect_timeout: short, ..direct() };
            let mut transport = config.transport(Some(db), None).unwrap();
            let error = transport.post(&url, b"request", CMC).unwrap_err();
            assert_eq!((error.kind(), error.was_sent()), (kind, false), "{error}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        // TLS 1.2 refuses a client within the handshake, TLS 1.3 after the client has finished it.
        for (version, sent) in [(SslVersion::TLS1_2, false), (SslVersion::TLS1_3, true)] {
            let tls = Tls { version, clients: Some(stranger.pem.clone()), ..Tls::new(&ca) };
            let server = Server::start(Some(tls), Answer::Close(ok(b"")));
            let mut transport = transport(db, Some(identity(db, "p256")));
            let error = transport.post(&server.url("localhost"), b"request", CMC).unwrap_err();
            assert_error(&error, Kind::Tls, "refused the client certificate", "");
            assert_eq!(error.was_sent(), sent, "{error}");
            assert!(server.seen().is_empty());
        }
    });
}

/// No HTTP status or header causes a second POST.
#[test]
fn no_status_makes_a_post_go_out_twice() {
    for head in [
        "301 Moved\r\nLocation: /other",
        "307 Moved\r\nLocation: /other",
        "308 Moved\r\nLocation: /other",
        "401 Who?\r\nWWW-Authenticate: Basic realm=x",
        "401 Who?\r\nWWW-Authenticate: Negotiate",
        "401 Who?\r\nWWW-Authenticate: NTLM",
        "408 Late",
        "417 What?",
        "425 Early",
        "429 Often\r\nRetry-After: 0",
        "503 Busy\r\nRetry-After: 0",
    ] {
        for kept in [false, true] {
            let bytes = answer(head, "text/plain", b"");
            let way = if kept { Answer::Keep(bytes) } else { Answer::Close(bytes) };
            let server = Server::start(None, way);
            let config = Config { plain_http: true, ..direct() };
            let url = format!("http://127.0.0.1:{}/ca", server.port);
            let mut transport = config.transport(None, None).unwrap();
            let status = transport.post(&url, b"request", CMC).unwrap().status;
            assert!(head.starts_with(&status.to_string()));
            drop(transport);
            assert_eq!(server.seen().len(), 1, "{head}");
        }
    }
}

/// A kept connection serves GETs; a POST on it could be lost, and curl would repeat it.
#[test]
fn a_post_never_goes_over_a_kept_connection() {
    let (fixture, ca) = trusting("kept");
    fixture.with(|db| {
        let server = Server::start(Some(Tls::new(&ca)), Answer::Keep(ok(b"answer")));
        let mut transport = transport(db, None);
        let url = server.url("localhost");
        transport.get(&url, CMC).unwrap();
        transport.get(&url, CMC).unwrap();
        let first: Vec<usize> = server.seen().iter().map(|s| s.connection).collect();
        assert_eq!(first, [0, 0]);
        drop(transport);
        // The server closes every connection at its second request, without response.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, counted) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let count = count.clone();
                std::thread::spawn(move || {
                    let mut octets = [0; 4096];
                    for request in 0..2 {
                        if stream.read(&mut octets).unwrap_or(0) == 0 {
                            break;
                        }
                        count.send(octets.starts_with(b"POST")).unwrap();
                        if request == 0 {
                            stream.write_all(&ok(b"")).unwrap();
                        }
                    }
                });
            }
        });
        let config = Config { plain_http: true, ..direct() };
        let mut transport = config.transport(None, None).unwrap();
        let url = format!("http://127.0.0.1:{port}/ca");
        transport.get(&url, CMC).unwrap();
        for _ in 0..2 {
            transport.post(&url, b"request", CMC).unwrap();
        }
        drop(transport);
        let posts = counted.try_iter().filter(|post| *post).count();
        assert_eq!(posts, 2);
    });
}

/// An EST server that could not read DER gets base64. It did not handle the first request, so
/// whether a request may have been sent depends on the second one only.
#[test]
fn of_an_est_servers_two_requests_the_second_counts() {
    for reads in [false, true] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut first, _) = listener.accept().unwrap();
            let second = reads.then(|| listener.try_clone().unwrap());
            // The listener is closed before the first response arrives, unless a second request is
            // expected.
            drop(listener);
            read_request(&first);
            first.write_all(&answer("400 What?", "text/plain", b"no base64")).unwrap();
            drop(first);
            if let Some(listener) = second {
                read_request(&listener.accept().unwrap().0);
            }
        });
        let url = format!("http://127.0.0.1:{port}/.well-known/est/fullcmc");
        let ca = Url::parse(&url).unwrap();
        let config = Config { ca, plain_http: true, ..direct() };
        let mut connection = Connection::to_url(&config, false, None, None).unwrap();
        let error = connection.post(b"request").unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (Kind::Unreachable, reads), "{error}");
        server.join().unwrap();
    }
}

fn read_request(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(octets) = line.trim_end().strip_prefix("Content-Length: ") {
            length = octets.parse().unwrap();
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}
