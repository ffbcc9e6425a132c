//! A small HTTP server with Tomcat's responses, over TLS with an optional client certificate.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::element::Refused;
use crate::servlet::{Answer, Manner, Posted, Servlets, crash_page, not_found};
use crate::store::Pair;
use crate::{est, est_simple, rest};

/// The largest message accepted, in octets.
const LARGEST: usize = 4 << 20;

/// Returns the server's TLS settings: a client certificate is requested, and must be issued by the
/// CA.
pub fn tls(ca: &[u8], server: &Pair, version: Option<&str>) -> Result<Arc<ServerConfig>, Refused> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.to_vec())).map_err(|e| text(&e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|e| text(&e))?;
    let versions: &[&rustls::SupportedProtocolVersion] = match version {
        Some("1.2") => &[&rustls::version::TLS12],
        Some("1.3") => &[&rustls::version::TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server.key.to_pkcs8()?));
    let certificate = CertificateDer::from(server.certificate.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| text(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .map_err(|e| text(&e))?;
    Ok(Arc::new(config))
}

/// What happens to a connection after its first response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Closed.
    No,
    /// Kept for more requests.
    Yes,
    /// Kept, and closed as soon as the second request arrives.
    DropUnread,
    /// Kept, and closed once the second request has been carried out.
    DropDone,
}

/// How requests are handled.
#[derive(Clone, Copy)]
pub struct Ways {
    pub keep: Keep,
    pub est: est::Takes,
    /// The `Authorization` of the one user at EST.
    pub login: Option<&'static str>,
    /// Seconds by which the server's clock is ahead.
    pub clock: i64,
}

/// Serves one connection. A request is logged before its response is sent, so that a client with
/// the response finds it in the log.
pub fn serve(
    stream: TcpStream,
    tls: &Arc<ServerConfig>,
    servlets: &Servlets,
    Ways { keep, est, login, clock }: Ways,
    log: &dyn Fn(&str),
) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok();
    let session = match ServerConnection::new(tls.clone()) {
        Ok(session) => session,
        Err(e) => return log(&format!("TLS: {e}")),
    };
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    for count in 0.. {
        if count > 0 && !stream.fill_buf().is_ok_and(|octets| !octets.is_empty()) {
            return;
        }
        if count > 0 && keep == Keep::DropUnread {
            return log("connection dropped, request unread");
        }
        let request = match request(&mut stream) {
            Ok(request) => request,
            Err(e) => return log(&format!("no request: {e}")),
        };
        let client = stream.get_ref().conn.peer_certificates();
        let client = client.and_then(|c| c.first()).map(|c| c.as_ref().to_vec());
        let (answer, line) = respond(&request, client.as_deref(), (est, login), servlets);
        log(&format!("{} {line}", request.target));
        if count > 0 && keep == Keep::DropDone {
            return log("connection dropped, request carried out");
        }
        let kept = keep != Keep::No && answer.manner == Manner::Plain;
        if let Err(e) = deliver(&mut stream, &answer, (kept, clock)) {
            return log(&format!("{} not delivered: {e}", request.target));
        }
        if !kept {
            return;
        }
    }
}

struct Request {
    method: String,
    target: String,
    length: Option<usize>,
    media_type: Option<String>,
    authorization: Option<String>,
    /// Whether it has the cookie of a login.
    session: bool,
    body: Vec<u8>,
}

fn request(stream: &mut impl BufRead) -> Result<Request, Refused> {
    let mut line = |limit: u64| -> Result<String, Refused> {
        let mut text = Vec::new();
        stream.by_ref().take(limit).read_until(b'\n', &mut text).map_err(|e| e.to_string())?;
        Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
    };
    let first = line(8192)?;
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (mut length, mut media_type, mut session) = (None, None, false);
    let mut authorization = None;
    for _ in 0..100 {
        let header = line(8192)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok().filter(|n| *n <= LARGEST),
            "authorization" => authorization = Some(value.trim().to_owned()),
            "cookie" => session = value.contains(rest::SESSION),
            "content-type" => media_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).map_err(|e| e.to_string())?;
    Ok(Request { method, target, length, media_type, authorization, session, body })
}

fn respond(
    request: &Request,
    client: Option<&[u8]>,
    (est, login): (est::Takes, Option<&str>),
    servlets: &Servlets,
) -> (Answer, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let media_type = request.media_type.as_deref();
    let authorization = request.authorization.as_deref();
    if let Some((label, operation)) = est::operation(path) {
        let asked = est_simple::Asked {
            operation,
            label,
            media_type,
            body: &request.body,
            client,
            login: login.is_some() && authorization == login,
        };
        if let Some((answer, line)) = servlets.est(&asked, &request.method) {
            let by = if authorization.is_some() { "with Authorization, " } else { "" };
            return (answer, format!("EST {by}{line}"));
        }
    }
    if request.method == "POST"
        && let Some((label, "fullcmc")) = est::operation(path)
    {
        if login.is_some() && authorization != login {
            return (est_simple::unauthorized(), "EST: no user".into());
        }
        return est::post(label, media_type, &request.body, client, est, servlets);
    }
    if !path.starts_with("/ca/") && !path.starts_with("/pki/") {
        return (not_found(), "no such path".into());
    }
    let mut asked = rest::Asked {
        method: &request.method,
        path,
        query,
        body: &request.body,
        agent: false,
        session: request.session,
    };
    if let Some(answer) = servlets.rest(&mut asked, client) {
        return answer;
    }
    if request.method != "POST" || request.length.is_none() {
        return (crash_page(), "GET, or no Content-Length: NegativeArraySizeException".into());
    }
    let profile = query.split('&').find_map(|pair| pair.strip_prefix("profileId="));
    let posted = Posted { path, profile, body: &request.body, client, signed: true };
    servlets.post(&posted)
}

/// Returns the time as HTTP writes it, `ahead` seconds from now.
fn date(ahead: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let seconds = now.saturating_add_signed(ahead);
    let Ok(t) = der::DateTime::from_unix_duration(Duration::from_secs(seconds)) else {
        return String::new();
    };
    format!(
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
        DAYS[(seconds / 86400 % 7) as usize],
        t.day(),
        MONTHS[usize::from(t.month()) - 1],
        t.year(),
        t.hour(),
        t.minutes(),
        t.seconds()
    )
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

fn deliver(
    stream: &mut Stream,
    answer: &Answer,
    (kept, clock): (bool, i64),
) -> std::io::Result<()> {
    match answer.manner {
        Manner::Reset => return Ok(()),
        Manner::Hang => {
            // Until the client closes, at most a minute.
            let mut octet = [0];
            return stream.read(&mut octet).map(drop);
        }
        _ => {}
    }
    let promised = answer.body.len() + if answer.manner == Manner::Short { 100 } else { 0 };
    let media_type = match answer.media_type {
        Some(t) => format!("Content-Type: {t}\r\n"),
        None => String::new(),
    };
    let login = answer.body.windows(8).any(|w| w == b"FullName");
    let cookie = if login {
        format!("Set-Cookie: {}; Path=/ca; Secure\r\n", rest::SESSION)
    } else {
        String::new()
    };
    let language = if answer.status == 404 { "Content-Language: en\r\n" } else { "" };
    let more = match answer.status {
        202 => "Retry-After: 120\r\n",
        401 => "WWW-Authenticate: Basic realm=\"EST\"\r\n",
        _ => "",
    };
    let close = if kept { "" } else { "Connection: close\r\n" };
    let head = format!(
        "HTTP/1.1 {} \r\n{media_type}{language}{more}Content-Length: {promised}\r\n\
         Date: {}\r\n{cookie}{close}\r\n",
        answer.status,
        date(clock)
    );
    let whole = [head.as_bytes(), &answer.body].concat();
    let out = stream.get_mut();
    match answer.manner {
        Manner::Cut(at) => {
            out.write_all(whole.get(..at).unwrap_or(&whole))?;
            // Without close_notify: the connection breaks off.
            return out.flush();
        }
        Manner::Alert(at) => {
            out.write_all(whole.get(..at).unwrap_or(&whole))?;
            out.flush()?;
            // rustls replies to an invalid TLS record with an alert.
            out.conn.read_tls(&mut Cursor::new([0xff; 64]))?;
            out.conn.process_new_packets().err();
            return out.conn.write_tls(&mut out.sock).map(drop);
        }
        Manner::Slow => {
            out.write_all(head.as_bytes())?;
            for octet in answer.body.chunks(1) {
                out.write_all(octet)?;
                out.flush()?;
            }
        }
        _ => out.write_all(&whole)?,
    }
    out.flush()?;
    if !kept {
        out.conn.send_close_notify();
    }
    out.flush()
}
