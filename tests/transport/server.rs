//! An HTTP server for one request at a time, over TLS or plain, made with the `openssl` crate, and
//! its CA.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{HandshakeError, SslAcceptor, SslMethod, SslRef, SslVerifyMode, SslVersion};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Name};

/// What the server received with one request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
    /// Common name of the client certificate.
    pub client: Option<String>,
    /// Number of certificates that the client sent.
    pub sent: usize,
    pub version: &'static str,
    /// Number of the connection, from 0.
    pub connection: usize,
}

/// Makes a response of a request's head.
pub type Make = dyn Fn(&str) -> Vec<u8> + Send + Sync;

/// The server's response to a request.
#[derive(Clone)]
pub enum Answer {
    /// Sends these bytes and closes.
    Close(Vec<u8>),
    /// Sends these bytes and waits for another request.
    Keep(Vec<u8>),
    /// Sends what the function makes of the request's head and closes.
    #[allow(dead_code)] // tests/rest only
    Made(Arc<Make>),
    /// Sends nothing until the client closes.
    Silence,
}

/// A CA and server certificates for `localhost`.
pub struct Ca {
    pub pem: Vec<u8>,
    certificate: X509,
    key: PKey<Private>,
}

const DAY: i64 = 86400;

fn tomorrow() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + DAY
}

pub fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub fn rsa_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn certificate(
    cn: &str,
    key: &PKey<Private>,
    issuer: Option<(&X509, &PKey<Private>)>,
    names: &[&str],
    until: i64,
) -> X509 {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", cn).unwrap();
    let name = name.build();
    let mut b = X509::builder().unwrap();
    b.set_version(2).unwrap();
    let mut serial = [0; 8];
    openssl::rand::rand_bytes(&mut serial).unwrap();
    serial[0] &= 0x7f;
    b.set_serial_number(&BigNum::from_slice(&serial).unwrap().to_asn1_integer().unwrap()).unwrap();
    b.set_subject_name(&name).unwrap();
    b.set_issuer_name(issuer.map_or(&*name, |(c, _)| c.subject_name())).unwrap();
    b.set_not_before(&Asn1Time::from_unix(until - 30 * DAY).unwrap()).unwrap();
    b.set_not_after(&Asn1Time::from_unix(until).unwrap()).unwrap();
    b.set_pubkey(key).unwrap();
    if issuer.is_none() {
        b.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    if !names.is_empty() {
        let mut san = SubjectAlternativeName::new();
        for name in names {
            if name.parse::<std::net::IpAddr>().is_ok() {
                san.ip(name)
            } else {
                san.dns(name)
            };
        }
        let san = san.build(&b.x509v3_context(None, None)).unwrap();
        b.append_extension(san).unwrap();
    }
    b.sign(issuer.map_or(key, |(_, k)| k), MessageDigest::sha256()).unwrap();
    b.build()
}

impl Ca {
    pub fn new(cn: &str) -> Ca {
        let key = ec_key();
        let certificate = certificate(cn, &key, None, &[], tomorrow());
        Ca { pem: certificate.to_pem().unwrap(), certificate, key }
    }
}

/// The server's TLS settings.
pub struct Tls<'a> {
    pub ca: &'a Ca,
    pub key: PKey<Private>,
    pub names: &'a [&'a str],
    pub version: SslVersion,
    /// PEM of the CA whose clients are accepted; `None` requests no certificate.
    pub clients: Option<Vec<u8>>,
    /// Whether clients without a certificate are accepted, too.
    pub optional: bool,
    /// Whether the server's certificate expired yesterday.
    pub expired: bool,
}

impl<'a> Tls<'a> {
    /// Returns TLS 1.3 for `localhost` with an EC key and no request for a client certificate.
    pub fn new(ca: &'a Ca) -> Tls<'a> {
        Tls {
            ca,
            key: ec_key(),
            names: &["localhost"],
            version: SslVersion::TLS1_3,
            clients: None,
            optional: false,
            expired: false,
        }
    }

    pub fn acceptor(&self) -> SslAcceptor {
        let until = if self.expired { tomorrow() - 2 * DAY } else { tomorrow() };
        let issuer = Some((&self.ca.certificate, &self.ca.key));
        let certificate = certificate("server", &self.key, issuer, self.names, until);
        let mut b = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        b.set_min_proto_version(Some(self.version)).unwrap();
        b.set_max_proto_version(Some(self.version)).unwrap();
        b.set_certificate(&certificate).unwrap();
        b.set_private_key(&self.key).unwrap();
        b.set_session_id_context(b"test").unwrap();
        if let Some(pem) = &self.clients {
            let mut store = X509StoreBuilder::new().unwrap();
            store.add_cert(X509::from_pem(pem).unwrap()).unwrap();
            b.set_verify_cert_store(store.build()).unwrap();
            let mut mode = SslVerifyMode::PEER;
            mode.set(SslVerifyMode::FAIL_IF_NO_PEER_CERT, !self.optional);
            b.set_verify(mode);
        }
        b.build()
    }
}

/// A running server; stopped on drop.
pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(tls: Option<Tls<'_>>, answer: Answer) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let acceptor = tls.map(|t| t.acceptor());
        let (log, end) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                match &acceptor {
                    None => serve(stream, &answer, &log, |_| Seen::plain(connection)),
                    Some(acceptor) => match acceptor.accept(stream) {
                        Ok(stream) => {
                            serve(stream, &answer, &log, |s| Seen::of(s.ssl(), connection));
                        }
                        // Closing with unread data would reset the connection, and the reset might
                        // arrive before the alert.
                        Err(HandshakeError::Failure(mut failed)) => {
                            while more(failed.get_mut(), &mut Vec::new()) {}
                        }
                        Err(_) => {}
                    },
                }
            }
        });
        Server { port, seen, stop, thread: Some(thread) }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/ca/ee/ca/profileSubmitCMCFull", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Seen {
    fn plain(connection: usize) -> Seen {
        let (head, body) = Default::default();
        Seen { head, body, client: None, sent: 0, version: "", connection }
    }

    fn of(ssl: &SslRef, connection: usize) -> Seen {
        let client = ssl.peer_certificate().map(|c| {
            let entry = c.subject_name().entries_by_nid(Nid::COMMONNAME).next().unwrap();
            entry.data().to_string().unwrap()
        });
        let extra = ssl.peer_cert_chain().map_or(0, |c| c.len());
        let sent = extra + usize::from(client.is_some());
        Seen { client, sent, version: ssl.version_str(), ..Seen::plain(connection) }
    }
}

/// Handles requests until the response, or the client, ends the connection.
fn serve<S: Read + Write>(
    mut stream: S,
    answer: &Answer,
    log: &Mutex<Vec<Seen>>,
    describe: impl Fn(&S) -> Seen,
) {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break buffer.drain(..at + 4).collect::<Vec<u8>>();
            }
            if !more(&mut stream, &mut buffer) {
                return;
            }
        };
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |l| l.parse().unwrap());
        while buffer.len() < length {
            if !more(&mut stream, &mut buffer) {
                return;
            }
        }
        let body = buffer.drain(..length).collect();
        let made = match answer {
            Answer::Made(make) => make(&head),
            _ => Vec::new(),
        };
        log.lock().unwrap().push(Seen { head, body, ..describe(&stream) });
        match answer {
            Answer::Close(bytes) => {
                let _ = stream.write_all(bytes);
                return;
            }
            Answer::Made(_) => {
                let _ = stream.write_all(&made);
                return;
            }
            Answer::Keep(bytes) => {
                if stream.write_all(bytes).is_err() {
                    return;
                }
            }
            Answer::Silence => {
                while more(&mut stream, &mut buffer) {}
                return;
            }
        }
    }
}

fn more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk) {
        Ok(n) if n > 0 => {
            buffer.extend_from_slice(&chunk[..n]);
            true
        }
        _ => false,
    }
}
