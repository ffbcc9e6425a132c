//! NSS's verification of the server's certificate, and the alerts that the peer sends.

use std::ffi::{c_int, c_void};

use openssl_sys as sys;

use super::Bridge;
use super::ffi::{self, caught, x509_der};
use super::hop::Hop;
use crate::asn1::{certificate, tlv};
use crate::error::Result;
use crate::http::server::{Overlooked, Problem, ServerTrust};
use crate::nss::{CaTrust, Certificate, Database, Fault, Usage};

/// Why NSS doesn't trust the peer.
#[derive(Debug)]
pub(crate) struct Distrust {
    /// The fault of NSS.
    pub(crate) fault: Fault,
    /// DER of the server's certificate.
    pub(crate) certificate: Vec<u8>,
    /// Whether a newer NSS trusts its CA, in a form that the loaded one does not read.
    pub(crate) newer_trusts: bool,
}

/// The callback of `SSL_CTX_set_cert_verify_callback`; returns 1 to continue, anything else ends
/// the handshake.
pub(super) unsafe extern "C" fn server(
    ctx: *mut sys::X509_STORE_CTX,
    argument: *mut c_void,
) -> c_int {
    caught(0, || {
        // SAFETY: the argument is the Bridge that `attach` set, which outlives the SSL_CTX
        // (SSL_CTX_set_cert_verify_callback(3)).
        let Some(bridge) = (unsafe { argument.cast::<Bridge<'_>>().as_ref() }) else { return 0 };
        // SAFETY: OpenSSL passes a live store context.
        let presented = unsafe { presented(ctx) };
        let at = bridge.route.borrow().at();
        let verdict = match bridge.database {
            _ if bridge.trust == ServerTrust::Anybody && at == Hop::Server => Ok(Ok(Vec::new())),
            Some(database) => {
                // Problems are overlooked for the server only, not for a proxy.
                let usual = ServerTrust::default();
                let trust = if at == Hop::Server { &bridge.trust } else { &usual };
                judge(database, trust, &presented, bridge.route.borrow().name())
            }
            None => return 0,
        };
        let mut seen = bridge.seen.borrow_mut();
        let error = match verdict {
            Ok(Ok(overlooked)) => {
                seen.verified = at == Hop::Server;
                let certificate = presented.first().cloned().unwrap_or_default();
                let overlooked = overlooked.into_iter().map(|problem| {
                    let certificate = certificate.clone();
                    Overlooked { problem, certificate }
                });
                bridge.overlooked.borrow_mut().extend(overlooked);
                sys::X509_V_OK
            }
            Ok(Err(fault)) => {
                let newer_trusts =
                    bridge.database.is_some_and(|d| newer_trusts_issuer(d, &presented));
                let certificate = presented.into_iter().next().unwrap_or_default();
                seen.distrust = Some(Distrust { fault, certificate, newer_trusts });
                ffi::X509_V_ERR_APPLICATION_VERIFICATION
            }
            Err(error) => {
                seen.failure = Some(error);
                ffi::X509_V_ERR_APPLICATION_VERIFICATION
            }
        };
        // SAFETY: OpenSSL passes a live store context (X509_STORE_CTX_set_error(3)).
        unsafe { sys::X509_STORE_CTX_set_error(ctx, error) };
        c_int::from(error == sys::X509_V_OK)
    })
}

/// Returns the server's certificates as DER, its own first.
///
/// # Safety
/// `ctx` is a live store context.
unsafe fn presented(ctx: *mut sys::X509_STORE_CTX) -> Vec<Vec<u8>> {
    // SAFETY: by this function's contract; the context keeps the certificate
    // (X509_STORE_CTX_get0_cert(3)).
    let leaf = unsafe { ffi::X509_STORE_CTX_get0_cert(ctx) };
    if leaf.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, alive as long as the context.
    let mut all: Vec<Vec<u8>> = unsafe { x509_der(leaf) }.into_iter().collect();
    // SAFETY: by this function's contract; the context keeps the stack, which may be null
    // (X509_STORE_CTX_new(3)).
    let stack = unsafe { ffi::X509_STORE_CTX_get0_untrusted(ctx) };
    // SAFETY: for null it returns -1 (DEFINE_STACK_OF(3)).
    for i in 0..unsafe { sys::OPENSSL_sk_num(stack.cast()) } {
        // SAFETY: `i` is within the stack (DEFINE_STACK_OF(3)).
        let cert = unsafe { sys::OPENSSL_sk_value(stack.cast(), i) };
        // SAFETY: an element of this stack is a live certificate.
        let der = unsafe { x509_der(cert.cast()) };
        all.extend(der.filter(|d| Some(d) != all.first()));
    }
    all
}

/// Returns whether a newer NSS trusts an issuer of these certificates, in a form that the loaded one
/// does not read.
fn newer_trusts_issuer(database: &Database, presented: &[Vec<u8>]) -> bool {
    let is_newer = |ca: &Certificate| {
        ca.ca_trust() == CaTrust::Unknown
            && certificate::fields(ca.der())
                .is_ok_and(|f| database.has_newer_trust(f.issuer, &tlv(0x02, f.serial)))
    };
    let issuers = presented.iter().filter_map(|der| Some(certificate::fields(der).ok()?.issuer));
    issuers.flat_map(|name| database.certificates_named(name)).any(|ca| is_newer(&ca))
}

/// Returns NSS's verdict: the problems that are overlooked, or the error for the one that isn't.
fn judge(
    database: &Database,
    trust: &ServerTrust,
    presented: &[Vec<u8>],
    host: &str,
) -> Result<std::result::Result<Vec<Problem>, Fault>> {
    let Some((leaf, others)) = presented.split_first() else {
        return Err(crate::error::Error::new(
            crate::error::Kind::Tls,
            "the server presented no certificate",
        ));
    };
    let leaf = database.decode_certificate(leaf)?;
    // Kept alive while NSS builds the chain; certificates that NSS can't decode are left out.
    let _others: Vec<Certificate> =
        others.iter().filter_map(|d| database.decode_certificate(d).ok()).collect();
    let mut overlooked = Vec::new();
    let mut overlook = |fault: Fault| match Problem::of(&fault.name) {
        Some(problem) if trust.overlooks(problem) => {
            overlooked.push(problem);
            Ok(problem)
        }
        _ => Err(fault),
    };
    let mut verdict = database.verify(&leaf, Usage::SslServer).or_else(|fault| {
        if overlook(fault)? != Problem::ExpiredCertificate {
            return Ok(());
        }
        // NSS checks the dates first and stops when they are invalid: the rest is verified as of the
        // last moment at which they were valid.
        let until = certificate::read(leaf.der()).map(|c| c.not_after).unwrap_or_default();
        let then = database.verify_at(&leaf, Usage::SslServer, until);
        then.or_else(|fault| overlook(fault).map(drop))
    });
    if verdict.is_ok() {
        verdict = leaf.verify_name(host).or_else(|fault| overlook(fault).map(drop));
    }
    Ok(verdict.map(|()| overlooked))
}

/// The callback of `SSL_CTX_set_cert_cb`: the server requests a client certificate; returns 1 to
/// continue with the one set.
pub(super) unsafe extern "C" fn wanted(_ssl: *mut sys::SSL, argument: *mut c_void) -> c_int {
    caught(0, || {
        // SAFETY: the argument is the Bridge that `attach` set, which outlives the SSL_CTX
        // (SSL_CTX_set_cert_cb(3)).
        let Some(bridge) = (unsafe { argument.cast::<Bridge<'_>>().as_ref() }) else { return 0 };
        bridge.seen.borrow_mut().wanted = true;
        1
    })
}

/// The callback of `SSL_CTX_set_info_callback`: records the last alert from the peer, and that the
/// handshake with the server is finished.
pub(super) unsafe extern "C" fn info(ssl: *const sys::SSL, place: c_int, value: c_int) {
    if place != ffi::SSL_CB_READ_ALERT && place != ffi::SSL_CB_HANDSHAKE_DONE {
        return;
    }
    caught((), || {
        // SAFETY: OpenSSL passes a live SSL and keeps its context (SSL_get_SSL_CTX(3)).
        let ctx = unsafe { sys::SSL_get_SSL_CTX(ssl) };
        // SAFETY: the context is live, the index was made for it (SSL_CTX_get_ex_data(3)).
        let bridge = unsafe { sys::SSL_CTX_get_ex_data(ctx, super::ex_data_index()) };
        // SAFETY: null, or the Bridge that `attach` set, which outlives the SSL_CTX.
        let Some(bridge) = (unsafe { bridge.cast::<Bridge<'_>>().as_ref() }) else { return };
        if !std::ptr::eq(bridge.current.get(), ctx) {
            return;
        }
        if place == ffi::SSL_CB_HANDSHAKE_DONE {
            if bridge.route.borrow().at() == Hop::Server {
                bridge.established.set(true);
            }
        } else if value >> 8 == 2 {
            // The level is in the high octet, the description in the low one
            // (SSL_alert_type_string(3)).
            bridge.seen.borrow_mut().alert = u8::try_from(value & 0xff).ok();
        }
    });
}
