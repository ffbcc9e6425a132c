//! Makes one error with a hint from the failures that curl, NSS and the server reported.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::proxy::Proxy;
use super::url::Target;
use crate::asn1::certificate::Certificate;
use crate::asn1::extension::GeneralName;
use crate::asn1::key_usage::KeyUsage;
use crate::asn1::oid;
use crate::error::{Error, Kind};
use crate::http::bridge::{Distrust, Seen};
use crate::text::{quoted, trust_command};

/// The known facts about a failed exchange.
pub(super) struct Failure<'a> {
    pub(super) target: &'a Target,
    /// The proxy in use.
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) error: curl::Error,
    pub(super) seen: Seen,
    /// Whether the request changes something on the server.
    pub(super) post: bool,
    /// How the response is too large, for the message.
    pub(super) too_large: Option<&'static str>,
    /// Whether a status line was received.
    pub(super) begun: bool,
    /// Whether a signal ended it.
    pub(super) interrupted: bool,
    /// The proxy's status for CONNECT, or 0.
    pub(super) connect_status: u32,
    /// The directory of the NSS database.
    pub(super) directory: Option<&'a str>,
    /// DER of the client certificate.
    pub(super) client: Option<&'a [u8]>,
    /// The time limits for connecting and for the whole exchange.
    pub(super) limits: (Duration, Duration),
}

impl Failure<'_> {
    pub(super) fn explain(mut self) -> Error {
        let target = self.target;
        if self.interrupted {
            let what = format!("interrupted by a signal during the exchange with {target}");
            return Error::new(Kind::Interrupted, what);
        }
        if let Some(why) = self.too_large {
            return Error::new(Kind::Http, format!("response from {target} {why}"));
        }
        if let Some(error) = self.seen.failure.take() {
            return Error::new(error.kind(), format!("cannot use TLS with {target}"))
                .because(error);
        }
        let on_the_way = self.proxy.filter(|_| target.tls && !self.seen.attached);
        if let Some(distrust) = self.seen.distrust.take() {
            return match on_the_way {
                Some(proxy) => self.distrusted(format!("the proxy {proxy}"), distrust),
                None => self.distrusted(target.to_string(), distrust),
            };
        }
        if let Some(proxy) = on_the_way {
            return self.by_proxy(proxy);
        }
        match self.seen.alert {
            Some(alert) if self.begun => broken(target, self.post)
                .because(format!("TLS alert {} ({alert})", alert_name(alert))),
            Some(alert) => self.alerted(alert),
            None => self.by_code(),
        }
    }

    fn text(&self) -> String {
        let text = self.error.extra_description().unwrap_or(self.error.description());
        let text = text.trim().to_owned();
        self.proxy.map_or(text.clone(), |proxy| proxy.hide(text))
    }

    fn http(&self, what: &str) -> Error {
        unreadable(self.target, what)
    }

    fn distrusted(&self, who: String, distrust: Distrust) -> Error {
        if distrust.fault.call == "CERT_VerifyCertName" {
            let names = names_of(&distrust.certificate);
            return Error::new(
                Kind::Tls,
                format!("certificate of {who} does not match the host name"),
            )
            .because(distrust.fault)
            .hint(if names.is_empty() {
                "renew the server's certificate: it has no host name".to_owned()
            } else {
                format!("use a name of the certificate in the URL: {}", names.join(", "))
            });
        }
        let hint = match distrust.fault.name.as_str() {
            "SEC_ERROR_EXPIRED_CERTIFICATE" | "SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE" => {
                "check this machine's clock, and renew the server's certificate".to_owned()
            }
            _ if distrust.newer_trusts => format!(
                "a newer NSS has set the trust of its CA, which NSS {} does not read; trust it again: {}",
                crate::nss::version(),
                trust_command(self.directory.unwrap_or("DIR"))
            ),
            _ => format!(
                "trust the CA of this certificate, if it is the right one: {}",
                trust_command(self.directory.unwrap_or("DIR"))
            ),
        };
        Error::new(Kind::Tls, format!("certificate of {who} is not trusted"))
            .because(distrust.fault)
            .hint(hint)
    }

    /// Returns the error for a failure between here and the proxy, or of its CONNECT.
    fn by_proxy(&self, proxy: &Proxy) -> Error {
        let (target, error) = (self.target, &self.error);
        if self.connect_status >= 300 {
            return proxy_refused(proxy, target, self.connect_status);
        }
        let hint = format!("check {} and no_proxy", proxy.source);
        let failed = |kind: Kind, what: String| {
            Error::new(kind, what).because(self.text()).hint(hint.clone())
        };
        if let Some(alert) = self.seen.alert {
            let why = format!("TLS alert {} ({alert})", alert_name(alert));
            return failed(Kind::Tls, format!("the proxy {proxy} aborted the TLS handshake"))
                .because(why);
        }
        if error.is_couldnt_resolve_proxy() || error.is_couldnt_resolve_host() {
            return failed(
                Kind::Unreachable,
                format!("cannot resolve the proxy {proxy} for {target}"),
            );
        }
        if error.is_operation_timedout() {
            let what = format!("timeout waiting for the proxy {proxy} for {target}");
            let (connect, all) = self.limits;
            return failed(Kind::Unreachable, what).hint(format!(
                "{hint}; the limits are {} s to connect and {} s in total",
                connect.as_secs_f32(),
                all.as_secs_f32()
            ));
        }
        if error.is_ssl_connect_error() || error.is_peer_failed_verification() {
            return failed(
                Kind::Tls,
                format!("cannot complete the TLS handshake with the proxy {proxy}"),
            );
        }
        failed(Kind::Unreachable, format!("cannot connect to {target} through the proxy {proxy}"))
    }

    fn alerted(&self, alert: u8) -> Error {
        let target = self.target;
        let why = format!("TLS alert {} ({alert})", alert_name(alert));
        let (what, hint) = match (alert, self.client) {
            (42..=46 | 48 | 49 | 51, Some(client)) => {
                let error = format!("{target} refused the client certificate");
                let error = Error::new(Kind::Tls, error);
                return match lack(client) {
                    Some((lack, hint)) => error.because(format!("{why}; {lack}")).hint(hint),
                    None => error
                        .because(why)
                        .hint("check that it is not revoked, and that the server trusts its CA"),
                };
            }
            (116, _) => (
                "requires a client certificate",
                "add a client certificate from the database: --signer NICKNAME",
            ),
            (40, Some(_)) => (
                "aborted the TLS handshake",
                "see the server's log: it refuses the certificate, the ciphers or the signature schemes",
            ),
            (40, None) => (
                "aborted the TLS handshake",
                "see the server's log: it requires a client certificate, or refuses the ciphers",
            ),
            (70, _) => ("does not support TLS 1.2 or 1.3", "enable TLS 1.2 or 1.3 on the server"),
            _ => ("aborted the TLS connection", "see the server's log"),
        };
        Error::new(Kind::Tls, format!("{target} {what}")).because(why).hint(hint)
    }

    fn by_code(&self) -> Error {
        let (target, error, text) = (self.target, &self.error, self.text());
        let has_client = self.client.is_some();
        let unreachable = |what: &str| {
            Error::new(Kind::Unreachable, format!("{what} {target}")).because(text.clone())
        };
        let tls = |what: &str| Error::new(Kind::Tls, what.to_owned()).because(text.clone());
        let http = |what: &str| self.http(what).because(text.clone());
        if error.is_couldnt_resolve_host() {
            return unreachable("cannot resolve")
                .hint(format!("check the host name: getent hosts {}", quoted(&target.host)));
        }
        if error.is_couldnt_connect() {
            return unreachable("cannot connect to")
                .hint("check that the CA is running, the port, and firewalls");
        }
        if error.is_operation_timedout() {
            let (connect, all) = self.limits;
            return unreachable("timeout waiting for").hint(format!(
                "check the load of the server; the limits are {} s to connect and {} s in total",
                connect.as_secs_f32(),
                all.as_secs_f32()
            ));
        }
        if error.is_partial_file() {
            return http("it is shorter than its Content-Length").hint(repeat(self.post));
        }
        if error.is_filesize_exceeded() {
            let what = format!("response from {target} is larger than 16 MiB");
            return Error::new(Kind::Http, what).retry(false);
        }
        if error.is_peer_failed_verification() && !self.seen.attached {
            return tls(&format!("cannot verify {target}: libcurl did not call NSS"))
                .hint("libcurl ignores the SSL_CTX callback; install libcurl built on OpenSSL 3");
        }
        if error.is_peer_failed_verification() {
            return tls(&format!("certificate of {target} is not accepted by curl"))
                .hint("check that the certificate has the host name of the URL");
        }
        if error.is_ssl_connect_error() || error.is_ssl_cipher() || error.is_ssl_certproblem() {
            return tls(&format!("cannot complete the TLS handshake with {target}"))
                .hint("check that this is the server's https port");
        }
        if self.begun {
            return broken(target, self.post).because(text);
        }
        if error.is_send_error() && self.seen.wanted {
            let hint = if has_client {
                "see the server's log: it probably refused the client certificate"
            } else {
                "add a client certificate from the database: --signer NICKNAME"
            };
            return tls(&format!(
                "{target} requested a client certificate, then closed the connection"
            ))
            .hint(hint)
            .retry(true);
        }
        // A request that must not be sent again was to be rewound for a new connection.
        let died = error.code() == curl_sys::CURLE_SEND_FAIL_REWIND;
        if died || error.is_got_nothing() || error.is_send_error() || error.is_recv_error() {
            let hint = if target.tls && has_client {
                "see the server's log: it may have refused the client certificate"
            } else {
                repeat(self.post)
            };
            return unreachable("connection closed without a response from").hint(hint);
        }
        http("not HTTP").hint("check the port of the CA")
    }
}

fn unreadable(target: &Target, what: &str) -> Error {
    Error::new(Kind::Http, format!("cannot read the response from {target}: {what}"))
}

/// Returns the hint for a request whose response was lost; `post`: it changes something.
pub(super) fn repeat(post: bool) -> &'static str {
    match post {
        true => "check whether the CA processed the request before you send it again",
        false => "run it again; if it fails again, see the server's log",
    }
}

/// Returns the error for a response that was cut off.
pub(super) fn broken(target: &Target, post: bool) -> Error {
    unreadable(target, "the connection was lost").hint(repeat(post))
}

/// Returns the error for a proxy that responds itself, with a status of 300 or more.
pub(super) fn proxy_refused(proxy: &Proxy, target: &Target, status: u32) -> Error {
    let hint = match status {
        407 => {
            format!("add user and password to the proxy URL in {}", proxy.source)
        }
        502..=504 => {
            format!("check the name {target}, and that the CA is running")
        }
        _ => format!("check {}, no_proxy, and the rules of the proxy", proxy.source),
    };
    Error::new(Kind::Unreachable, format!("the proxy refuses to connect to {target}"))
        .because(format!("HTTP status {status} from the proxy {proxy}"))
        .hint(hint)
}

/// Returns why a certificate can't be a TLS client's, as far as its extensions show, and what to
/// do.
fn lack(der: &[u8]) -> Option<(String, &'static str)> {
    let other = "use a certificate for TLS client authentication";
    let summary = crate::asn1::summary::summary(der).ok()?;
    let now = chrono::Utc::now();
    if summary.not_after < now {
        return Some((
            format!("it expired on {}", summary.until()),
            "renew the client certificate",
        ));
    }
    if summary.not_before > now {
        let from = summary.not_before.format("%Y-%m-%d %H:%M:%S UTC");
        return Some((format!("it is not valid before {from}"), "check this machine's clock"));
    }
    let certificate = Certificate::decode(der).ok()?;
    let client = [oid::KP_CLIENT_AUTH, oid::ANY_EXTENDED_KEY_USAGE];
    let purposes = certificate.purposes().ok().flatten();
    if purposes.is_some_and(|all| !all.iter().any(|p| client.contains(&&**p))) {
        return Some(("its extended key usage lacks clientAuth".to_owned(), other));
    }
    if !certificate.may(&[KeyUsage::DigitalSignature]).unwrap_or(true) {
        return Some(("its key usage lacks digitalSignature".to_owned(), other));
    }
    None
}

/// Returns the name of an alert (RFC 8446 §6).
fn alert_name(alert: u8) -> &'static str {
    match alert {
        10 => "unexpected_message",
        20 => "bad_record_mac",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        109 => "missing_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        _ => "unknown",
    }
}

/// Returns the host names and addresses in a certificate's subjectAltName.
fn names_of(certificate: &[u8]) -> Vec<String> {
    let names = Certificate::decode(certificate).and_then(|c| c.alternative_names());
    let shown = |name: &GeneralName| match name {
        GeneralName::Dns(host) => Some(host.escape_debug().to_string()),
        GeneralName::Ip(octets) => {
            match (<[u8; 4]>::try_from(&octets[..]), <[u8; 16]>::try_from(&octets[..])) {
                (Ok(v4), _) => Some(Ipv4Addr::from(v4).to_string()),
                (_, Ok(v6)) => Some(Ipv6Addr::from(v6).to_string()),
                _ => None,
            }
        }
        _ => None,
    };
    names.iter().flatten().filter_map(shown).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(error: curl::Error, seen: Seen, has_identity: bool) -> Error {
        Failure {
            target: &Target { host: "ca.example".into(), port: 8443, tls: true },
            proxy: None,
            error,
            seen,
            post: true,
            too_large: None,
            begun: false,
            interrupted: false,
            connect_status: 0,
            directory: Some("/db"),
            client: has_identity.then_some(&[]),
            limits: Default::default(),
        }
        .explain()
    }

    #[test]
    fn a_connection_reset_after_a_certificate_request_is_a_refusal() {
        let wanted = || Seen { wanted: true, ..Seen::default() };
        let error = explain(curl::Error::new(curl_sys::CURLE_SEND_ERROR), wanted(), true);
        assert_eq!((error.kind(), error.is_retryable()), (Kind::Tls, true));
        assert!(error.hint_text().unwrap().contains("refused the client certificate"));
        let error = explain(curl::Error::new(curl_sys::CURLE_SEND_ERROR), wanted(), false);
        assert!(error.hint_text().unwrap().contains("--signer NICKNAME"));
        // Sent completely: the server may have processed it.
        let error = explain(curl::Error::new(curl_sys::CURLE_RECV_ERROR), wanted(), true);
        assert_eq!(error.kind(), Kind::Unreachable);
        let error = explain(curl::Error::new(curl_sys::CURLE_SEND_ERROR), Seen::default(), true);
        assert_eq!(error.kind(), Kind::Unreachable);
    }

    /// curl's message contains the common name of the server's certificate.
    #[test]
    fn curl_s_own_words_are_made_printable() {
        let mut error = curl::Error::new(curl_sys::CURLE_PEER_FAILED_VERIFICATION);
        error.set_extra("subject name '\u{1b}[2Jca' does not match".into());
        let seen = Seen { attached: true, verified: true, ..Seen::default() };
        let said = explain(error, seen, false).to_string();
        assert!(said.contains(r"subject name '\u{1b}[2Jca' does not match"), "{said}");
    }

    #[test]
    fn alerts_are_named() {
        for (alert, has_identity, text) in [
            (48, true, "ca.example:8443 refused the client certificate: TLS alert unknown_ca (48)"),
            (44, true, "refused the client certificate: TLS alert certificate_revoked (44)"),
            (116, false, "requires a client certificate: TLS alert certificate_required (116)"),
            (48, false, "aborted the TLS connection"),
            (40, true, "aborted the TLS handshake"),
            (70, false, "does not support TLS 1.2 or 1.3"),
            (200, true, "TLS alert unknown (200)"),
        ] {
            let seen = Seen { alert: Some(alert), ..Seen::default() };
            let error = explain(curl::Error::new(curl_sys::CURLE_RECV_ERROR), seen, has_identity);
            assert_eq!(error.kind(), Kind::Tls);
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn certificates_without_names_have_none() {
        assert!(names_of(b"").is_empty());
        assert!(names_of(&[0x30, 0x80, 0, 0]).is_empty());
    }
}
