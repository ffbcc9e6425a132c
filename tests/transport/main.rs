//! The transport against a TLS server of another make, with keys that certutil made.

mod database;
mod server;

use database::{identity, shared};
use nss_cmc::transport::{Reply, Transport, TransportOptions};
use openssl::ssl::SslVersion;
use server::{Answer, Ca, Server, Tls};

const CMC: &str = "application/pkcs7-mime";

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 \r\nContent-Type: {CMC}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn client_keys_of_every_type_authenticate_with_every_version() {
    let ca = Ca::new("server CA for the matrix");
    let fixture = shared();
    fixture.trust("matrix", &ca.pem);
    fixture.with(|db| {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            for key in [server::rsa_key(), server::ec_key()] {
                let clients = Some(fixture.root.clone());
                let tls = Tls { ca: &ca, key, names: &["localhost"], version, clients };
                let server = Server::start(Some(tls), Answer::Close(ok(b"answer")));
                for nickname in ["rsa", "p256", "p384"] {
                    let mut transport = Transport::new(TransportOptions {
                        database: Some(db),
                        identity: Some(identity(db, nickname)),
                        ..TransportOptions::default()
                    })
                    .unwrap();
                    let reply = transport.post(&server.url("localhost"), b"request", CMC).unwrap();
                    let head = ["HTTP/1.1 200 ", "Content-Type: application/pkcs7-mime"];
                    assert_eq!(reply.header_lines[..2], head);
                    assert_eq!(reply.body, b"answer");
                    let seen = server.seen().pop().unwrap();
                    assert_eq!(seen.client.as_deref(), Some(nickname));
                    assert_eq!(seen.sent, 2, "the certificate and its issuer, not the root");
                    assert_eq!(seen.body, b"request");
                    println!("{} {nickname}", seen.version);
                }
            }
        }
    });
}
