//! Sends one POST or GET at a time with curl; the client key stays in NSS, and NSS verifies the
//! server.
//!
//! The meaning of a response is not decided here: a CMC failure has HTTP status 200, and so may an
//! HTML error page.

#[allow(unsafe_code)]
mod bridge;
pub(crate) mod endpoint;
pub(crate) mod est;
mod failure;
pub(crate) mod libraries;
mod login;
mod proxy;
mod server;
pub(crate) mod url;

use std::cell::Cell;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::time::Duration;

use curl::MultiError;
use curl::easy::{
    Auth, Easy2, Handler, HttpVersion, InfoType, List, ReadError, SeekResult, SslVersion,
    WriteError,
};
use curl::multi::Multi;
use zeroize::Zeroizing;

use self::bridge::{
    Bridge, Lending, forget_ca_files, leave_lookups, leave_lookups_of_all, require_openssl,
};
use crate::error::{Error, Kind, Result};
use crate::interrupt::{self, Watch};
use crate::nss::{Database, Identity};
pub use login::Login;
use proxy::Proxy;
pub use server::{Overlooked, Problem, ServerTrust};
use url::Target;
pub use url::Url;

/// How often a waiting run checks for signals.
const INTERVAL: Duration = Duration::from_millis(100);
/// The longest body accepted, in octets.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// The longest head accepted, in octets: status line and headers, those of 1xx responses included.
const HEAD_LIMIT: usize = 64 * 1024;
/// The most header lines accepted.
const LINE_LIMIT: usize = 200;

/// The settings of a transport.
pub(crate) struct TransportOptions<'db> {
    /// The database that decides which servers are trusted; required for `https`.
    pub database: Option<&'db Database>,
    /// The certificate offered to servers that request one, never to a proxy.
    pub identity: Option<Identity>,
    /// Limit for name lookup, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Limit for the whole exchange.
    pub timeout: Duration,
    /// A proxy's URL; empty for no proxy, `None` for the environment's (`https_proxy`…). A proxy
    /// reached over TLS needs a certificate that the database trusts.
    pub proxy: Option<String>,
    /// Whether `http` URLs are allowed, where others on the network can read and change everything.
    pub plain_http: bool,
    /// Which servers are accepted.
    pub server: ServerTrust,
}

impl Default for TransportOptions<'_> {
    fn default() -> Self {
        TransportOptions {
            database: None,
            identity: None,
            connect_timeout: Duration::from_secs(30),
            timeout: Duration::from_secs(120),
            proxy: None,
            plain_http: false,
            server: ServerTrust::default(),
        }
    }
}

/// An HTTP response, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub status: u32,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// Status line and headers of the final response, without line ends.
    pub header_lines: Vec<String>,
    /// The body, at most 16 MiB.
    pub body: Vec<u8>,
}

/// Sends requests one after another: each POST once, over a new connection unless it is
/// kept open (`Transport::keep_open`); a GET may reuse an open connection.
pub struct Transport<'db> {
    /// Holds the connections, whose `SSL_CTX`s point into `easy`; so it must be dropped first.
    multi: Multi,
    /// `Some` between exchanges.
    easy: Option<Easy<'db>>,
    connect_timeout: Duration,
    timeout: Duration,
    proxy: Option<String>,
    plain_http: bool,
    directory: Option<String>,
    server: ServerTrust,
    login: Option<Login>,
    overlooked: Vec<Overlooked>,
    transcript: Option<Vec<Exchange>>,
    keeps_cookies: bool,
    keeps_open: bool,
}

/// A request and its reply, recorded for debugging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// `GET` or `POST`, and the URL.
    pub request: String,
    /// The body sent.
    pub sent: Vec<u8>,
    /// The reply, if one was received.
    pub reply: Option<Reply>,
}

impl<'db> Transport<'db> {
    /// Prepares a transport; nothing is sent.
    ///
    /// # Errors
    /// [`Kind::Refused`] when the identity's key can't be used for TLS; [`Kind::Tls`] when libcurl
    /// or OpenSSL can't be used.
    pub(crate) fn new(options: TransportOptions<'db>) -> Result<Transport<'db>> {
        let bridge = Bridge::new(options.database, options.identity, options.server.clone())?;
        let easy = Lending::easy(bridge, Answer::default())?;
        let multi = Multi::new();
        leave_lookups_of_all(&multi);
        Ok(Transport {
            multi,
            easy: Some(easy),
            connect_timeout: options.connect_timeout,
            timeout: options.timeout,
            proxy: options.proxy,
            plain_http: options.plain_http,
            directory: options.database.map(|d| d.name().to_owned()),
            server: options.server,
            login: None,
            overlooked: Vec::new(),
            transcript: None,
            keeps_cookies: false,
            keeps_open: false,
        })
    }

    /// Records requests and replies from now on; request headers are not recorded.
    pub fn keep_transcript(&mut self) {
        self.transcript.get_or_insert_default();
    }

    /// Returns what was kept since the last call.
    pub fn transcript(&mut self) -> Vec<Exchange> {
        self.transcript.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns the problems of servers' certificates that were overlooked since the last call.
    pub fn overlooked(&mut self) -> Vec<Overlooked> {
        std::mem::take(&mut self.overlooked)
    }

    /// Sends each POST over the connection of the one before from now on, for many requests to one
    /// server. When the server closes it in the middle of an exchange, the request still is not sent
    /// again: it can't be rewound, and curl gives up.
    pub(crate) fn keep_open(&mut self) {
        self.keeps_open = true;
    }

    /// Sends `body` with the given media type, an exact `Content-Length` and no `Expect`. It is
    /// sent once, over a new connection: on a connection that the server had closed meanwhile, curl
    /// would silently send it again, though the server may have processed it.
    ///
    /// A signal ends the exchange only before anything was sent; after that, the first signal
    /// prints what the run waits for, and the second one ends it.
    ///
    /// # Errors
    /// [`Kind::Usage`] for the URL, [`Kind::Unreachable`], [`Kind::Tls`], [`Kind::Http`] when the
    /// response is malformed, cut off or too large, [`Kind::Refused`] when NSS won't sign,
    /// [`Kind::Interrupted`]. [`Error::was_sent`] is set unless it is certain that no part of the
    /// request was sent: the TLS handshake with the server was never finished.
    pub fn post(&mut self, url: &str, body: &[u8], content_type: &str) -> Result<Reply> {
        let fresh = !self.keeps_open;
        self.exchange(url, true, body, |easy| {
            easy.fresh_connect(fresh)?;
            easy.post(true)?;
            easy.post_field_size(body.len() as u64)?;
            headers(easy, &[&format!("Content-Type: {content_type}"), "Expect:"])
        })
    }

    /// Posts a query of the media type `kind` that changes nothing on the server, accepting a
    /// response of the type `accept`.
    ///
    /// # Errors
    /// As for [`Transport::post`].
    pub fn query(&mut self, url: &str, question: &[u8], kind: &str, accept: &str) -> Result<Reply> {
        self.exchange(url, false, question, |easy| {
            easy.post(true)?;
            easy.post_field_size(question.len() as u64)?;
            let kind = format!("Content-Type: {kind}");
            headers(easy, &[&kind, &format!("Accept: {accept}"), "Expect:"])
        })
    }

    /// Gets `url`, accepting the given media type. The first signal ends it.
    ///
    /// # Errors
    /// As for [`Transport::post`]; [`Error::was_sent`] is never set.
    pub fn get(&mut self, url: &str, accept: &str) -> Result<Reply> {
        self.exchange(url, false, &[], |easy| {
            easy.get(true)?;
            headers(easy, &[&format!("Accept: {accept}")])
        })
    }

    fn exchange(
        &mut self,
        url: &str,
        post: bool,
        body: &[u8],
        request: impl FnOnce(&mut Easy) -> std::result::Result<(), curl::Error>,
    ) -> Result<Reply> {
        let parsed = Url::parse(url)?;
        let target = parsed.target();
        let proxy = Proxy::find(self.proxy.as_deref(), target, |name| std::env::var_os(name))?;
        self.check(target, proxy.as_ref())?;
        let watch = Watch::begin();
        if post {
            watch.check()?;
        }
        let unusable = |why: &str| Error::new(Kind::Internal, format!("cannot set up the {why}"));
        let mut easy = self.easy.take().ok_or_else(|| unusable("transfer"))?;
        let ready =
            self.configure(&mut easy, url, proxy.as_ref()).and_then(|()| request(&mut easy));
        let has_body = !body.is_empty();
        if let Err(e) = ready {
            self.easy = Some(easy);
            return Err(unusable("request").because(e));
        }
        let bridge = easy.get_ref().bridge();
        let tls_proxy = proxy.as_ref().filter(|p| p.tls).map(|p| p.host.as_str());
        bridge.expect(&target.host, tls_proxy);
        let established = bridge.established();
        let waits = format!("the response from {target} (at most {} s)", self.timeout.as_secs());
        let request = Cursor::new(Zeroizing::new(body.to_vec()));
        easy.get_mut().inner = Answer { request, established, post, waits, ..Answer::default() };
        let (mut easy, outcome) = self.perform(easy)?;
        self.overlooked.append(&mut easy.get_ref().bridge().overlooked());
        let reply = self.conclude(&mut easy, outcome, target, proxy.as_ref());
        self.easy = Some(easy);
        if let Some(transcript) = &mut self.transcript {
            let method = if has_body { "POST" } else { "GET" };
            let request = format!("{method} {url}");
            let reply = reply.as_ref().ok().cloned();
            transcript.push(Exchange { request, sent: body.to_vec(), reply });
        }
        reply
    }

    /// Runs curl. Signals are checked between its steps, not in its progress callback: newer curl
    /// calls that only when data arrives.
    fn perform(
        &self,
        easy: Easy<'db>,
    ) -> Result<(Easy<'db>, std::result::Result<(), curl::Error>)> {
        let failed = |e: MultiError| Error::new(Kind::Internal, "cannot run a transfer").because(e);
        let mut handle = self.multi.add2(easy).map_err(failed)?;
        let mut outcome = None;
        while outcome.is_none() {
            let stepped = self.multi.perform();
            self.multi.messages(|message| {
                outcome = message.result_for2(&handle).or(outcome.take());
            });
            if outcome.is_some() {
                break;
            }
            if !handle.get_mut().inner.goes_on() {
                outcome = Some(Err(curl::Error::new(curl_sys::CURLE_ABORTED_BY_CALLBACK)));
            } else if matches!(stepped, Ok(0) | Err(_))
                || self.multi.poll(&mut [], INTERVAL).is_err()
            {
                outcome = Some(Err(curl::Error::new(curl_sys::CURLE_RECV_ERROR)));
            }
        }
        let easy = self.multi.remove2(handle).map_err(failed)?;
        Ok((easy, outcome.unwrap_or(Ok(()))))
    }

    /// Returns the response or the error of a finished exchange.
    fn conclude(
        &self,
        easy: &mut Easy<'db>,
        outcome: std::result::Result<(), curl::Error>,
        target: &Target,
        proxy: Option<&Proxy>,
    ) -> Result<Reply> {
        let seen = easy.get_ref().bridge().seen();
        let answer = std::mem::take(&mut easy.get_mut().inner);
        let sent = |e: Error| match (answer.sent(), e.kind()) {
            (false, _) => e,
            (true, Kind::Interrupted) => e.sent().hint(failure::repeat(true)),
            (true, _) => e.sent(),
        };
        if let Err(error) = outcome {
            let connect_status = easy.http_connectcode().unwrap_or(0);
            let error = failure::Failure {
                target,
                proxy,
                error,
                seen,
                post: answer.post,
                too_large: answer.too_large,
                begun: !answer.lines.is_empty(),
                interrupted: answer.interrupted,
                connect_status,
                directory: self.directory.as_deref(),
                client: easy.get_ref().bridge().client(),
                limits: (self.connect_timeout, self.timeout),
            }
            .explain();
            return Err(sent(error));
        }
        // A connection kept open was verified when it was made.
        let fresh = easy.num_connects().unwrap_or(1) > 0;
        if target.tls && fresh && !(seen.attached && seen.verified) {
            return Err(sent(Error::new(
                Kind::Tls,
                format!("cannot verify {target}: libcurl did not call NSS"),
            ))
            .hint("libcurl ignores the SSL_CTX callback; install libcurl built on OpenSSL 3"));
        }
        // curl accepts the end of the connection as the end of the head.
        if !answer.head_ended {
            return Err(sent(
                failure::broken(target, answer.post).because("its headers are incomplete"),
            ));
        }
        let status = easy.response_code().unwrap_or(0);
        if status == 407
            && let Some(proxy) = proxy
        {
            return Err(sent(failure::proxy_refused(proxy, target, status)));
        }
        let content_type = easy.content_type_bytes().ok().flatten();
        let content_type = content_type.map(|t| String::from_utf8_lossy(t).into_owned());
        Ok(Reply { status, content_type, header_lines: answer.lines, body: answer.body })
    }

    fn check(&self, target: &Target, proxy: Option<&Proxy>) -> Result<()> {
        if !target.tls && !self.plain_http {
            return Err(Error::new(Kind::Usage, format!("refusing plain http to {target}"))
                .hint("use https; only HttpClient and CRMFPopClient support plain http"));
        }
        let tls_proxy = proxy.filter(|p| p.tls);
        let judged = match (target.tls, tls_proxy) {
            (true, _) => target.to_string(),
            (false, Some(proxy)) => format!("the proxy {proxy}"),
            (false, None) => return Ok(()),
        };
        if self.directory.is_none() && self.server != ServerTrust::Anybody {
            return Err(Error::new(
                Kind::Usage,
                format!("cannot verify {judged} without an NSS database"),
            )
            .hint("add -d DIR with an NSS database"));
        }
        require_openssl()
    }

    /// Sets the options common to all requests, and resets those of the previous one.
    fn configure(
        &self,
        easy: &mut Easy<'db>,
        url: &str,
        proxy: Option<&Proxy>,
    ) -> std::result::Result<(), curl::Error> {
        easy.reset();
        forget_ca_files(easy)?;
        leave_lookups(easy);
        easy.ssl_verify_peer(true)?;
        // NSS checks the name, too, and curl's check can only be switched off as a whole.
        easy.ssl_verify_host(!self.server.overlooks(Problem::BadCertDomain))?;
        easy.ssl_min_max_version(SslVersion::Tlsv12, SslVersion::Default)?;
        // A resumed session would not call the verify callback.
        easy.ssl_sessionid_cache(false)?;
        easy.http_version(HttpVersion::V11)?;
        easy.http_09_allowed(false)?;
        easy.follow_location(false)?;
        easy.connect_timeout(self.connect_timeout)?;
        easy.timeout(self.timeout)?;
        easy.max_filesize(BODY_LIMIT as u64)?;
        easy.useragent(concat!("nss-cmc/", env!("CARGO_PKG_VERSION")))?;
        // Makes curl call `debug`, which records what was sent.
        easy.verbose(true)?;
        // The proxy is already chosen; curl must not choose one from the environment.
        easy.proxy(proxy.map_or("", |p| p.url.as_str()))?;
        easy.noproxy("")?;
        if self.keeps_cookies {
            // No file: curl keeps them in memory.
            easy.cookie_file("")?;
        }
        if let Some(Login { user, password }) = &self.login {
            // Other options of curl don't take arbitrary octets; RFC 7617 §2 forbids a colon in the
            // user.
            easy.http_auth(Auth::new().basic(true))?;
            easy.username(user)?;
            easy.password(&String::from_utf8_lossy(password.bytes()))?;
        }
        easy.url(url)
    }
}

type Easy<'db> = Easy2<Lending<'db, Answer>>;

fn headers(easy: &mut Easy<'_>, lines: &[&str]) -> std::result::Result<(), curl::Error> {
    let mut list = List::new();
    for line in lines {
        list.append(line)?;
    }
    easy.http_headers(list)
}

/// Observes one request being sent and receives its response, within limits.
#[derive(Default)]
struct Answer {
    /// The request; it may hold a secret. curl reads it from here; the only copies are in curl's
    /// send buffers, which can't be wiped.
    request: Cursor<Zeroizing<Vec<u8>>>,
    /// Whether the TLS handshake with the server is finished.
    established: Rc<Cell<bool>>,
    /// Whether the request is a POST, which the server may have processed.
    post: bool,
    /// What the run waits for, as the message for the first signal.
    waits: String,
    /// Whether octets of the request were sent without TLS.
    left: bool,
    /// Whether a signal was deferred with a message.
    deferred: bool,
    /// Whether a signal ends the exchange.
    interrupted: bool,
    lines: Vec<String>,
    /// Whether the blank line was received; trailers or the next status line follow.
    head_ended: bool,
    head_size: usize,
    line_count: usize,
    body: Vec<u8>,
    too_large: Option<&'static str>,
}

impl Answer {
    /// Returns whether octets of a POST may have been sent.
    fn sent(&self) -> bool {
        self.post && (self.established.get() || self.left)
    }

    /// Returns whether to keep waiting. When octets may have been sent, the first signal only
    /// prints a message.
    fn goes_on(&mut self) -> bool {
        if !interrupt::pending() {
            return true;
        }
        if self.sent() && !self.deferred {
            self.deferred = true;
            interrupt::defer();
            interrupt::announce(&format!(
                "interrupted by a signal, but the request was sent: waiting for {}; a second signal \
                 ends the wait",
                self.waits
            ));
            return true;
        }
        self.interrupted = true;
        false
    }
}

impl Handler for Answer {
    fn debug(&mut self, kind: InfoType, data: &[u8]) {
        // CONNECT goes to the proxy; octets inside TLS are sent after the handshake.
        self.left |= match kind {
            InfoType::HeaderOut => !data.starts_with(b"CONNECT "),
            InfoType::DataOut => true,
            _ => false,
        };
    }

    fn read(&mut self, into: &mut [u8]) -> std::result::Result<usize, ReadError> {
        self.request.read(into).map_err(|_| ReadError::Abort)
    }

    /// Rewinds the request, unless sending it twice could do harm.
    fn seek(&mut self, whence: SeekFrom) -> SeekResult {
        if self.post && self.request.position() > 0 {
            return SeekResult::Fail;
        }
        self.request.seek(whence).map_or(SeekResult::Fail, |_| SeekResult::Ok)
    }

    fn write(&mut self, data: &[u8]) -> std::result::Result<usize, WriteError> {
        if self.body.len() + data.len() > BODY_LIMIT {
            self.too_large = Some("is larger than 16 MiB");
            return Ok(0);
        }
        self.body.extend_from_slice(data);
        Ok(data.len())
    }

    fn header(&mut self, data: &[u8]) -> bool {
        self.head_size += data.len();
        self.line_count += 1;
        if self.head_size > HEAD_LIMIT || self.line_count > LINE_LIMIT {
            self.too_large = Some("has headers longer than 64 KiB or 200 lines");
            return false;
        }
        let line = String::from_utf8_lossy(data);
        let line = line.trim_end_matches(['\r', '\n']);
        if self.head_ended {
            if !line.starts_with("HTTP/") {
                return true;
            }
            // Discards the lines of a 1xx response, or of a proxy's response to CONNECT.
            self.lines.clear();
            self.head_ended = false;
        }
        if line.is_empty() {
            self.head_ended = true;
        } else {
            self.lines.push(line.to_owned());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(answer: &mut Answer, lines: &[&str]) -> bool {
        lines.iter().all(|l| answer.header(l.as_bytes()))
    }

    #[test]
    fn only_the_final_head_stays() {
        let mut answer = Answer::default();
        let lines = [
            "HTTP/1.1 100 Continue\r\n",
            "\r\n",
            "HTTP/1.1 200 \r\n",
            "A: b\r\n",
            "\r\n",
            "T: x\r\n",
        ];
        assert!(feed(&mut answer, &lines));
        assert_eq!(answer.lines, ["HTTP/1.1 200 ", "A: b"]);
    }

    #[test]
    fn only_what_may_go_out_twice_is_read_anew() {
        for post in [true, false] {
            let request = Cursor::new(Zeroizing::new(b"request".to_vec()));
            let mut answer = Answer { request, post, ..Answer::default() };
            assert!(matches!(answer.seek(SeekFrom::Start(0)), SeekResult::Ok));
            let mut octets = [0; 5];
            assert!(matches!(answer.read(&mut octets), Ok(5)));
            let refused = matches!(answer.seek(SeekFrom::Start(0)), SeekResult::Fail);
            assert_eq!(refused, post);
            assert!(matches!(answer.read(&mut octets), Ok(n) if n == if post { 2 } else { 5 }));
        }
    }

    #[test]
    fn heads_and_bodies_have_limits() {
        let mut answer = Answer::default();
        assert!(!feed(&mut answer, &["X: y\r\n"; LINE_LIMIT + 1]));
        assert!(answer.too_large.is_some());
        let mut answer = Answer::default();
        assert!(!answer.header(&vec![b'a'; HEAD_LIMIT + 1]));
        let mut answer = Answer { body: vec![0; BODY_LIMIT], ..Answer::default() };
        assert!(matches!(answer.write(b"x"), Ok(0)));
        assert!(answer.too_large.is_some());
    }
}
