//! NSS's verdict on the server's certificate, and the alerts it sends.

use std::ffi::{c_int, c_void};

use openssl_sys as sys;

use super::Bridge;
use super::ffi::{self, caught, x509_der};
use super::hop::Hop;
use crate::error::Result;
use crate::nss::{Certificate, Database, Fault, Usage};

/// Why the server isn't believed.
#[derive(Debug)]
pub(crate) struct Distrust {
    /// What NSS says.
    pub(crate) fault: Fault,
    /// DER of the server's certificate.
    pub(crate) certificate: Vec<u8>,
}

/// `SSL_CTX_set_cert_verify_callback`: 1 to go on, anything else ends the handshake.
pub(super) unsafe extern "C" fn server(
    ctx: *mut sys::X509_STORE_CTX,
    argument: *mut c_void,
) -> c_int {
    caught(0, || {
        // SAFETY: the argument is the Bridge that `attach` set, which outlives the SSL_CTX.
        let Some(bridge) = (unsafe { argument.cast::<Bridge<'_>>().as_ref() }) else { return 0 };
        // SAFETY: OpenSSL passes a live store context.
        let presented = unsafe { presented(ctx) };
        let verdict = match bridge.database {
            Some(database) => judge(database, &presented, bridge.route.borrow().name()),
            None => return 0,
        };
        let mut seen = bridge.seen.borrow_mut();
        let error = match verdict {
            Ok(Ok(())) => {
                seen.verified = bridge.route.borrow().at() == Hop::Server;
                sys::X509_V_OK
            }
            Ok(Err(fault)) => {
                let certificate = presented.into_iter().next().unwrap_or_default();
                seen.distrust = Some(Distrust { fault, certificate });
                ffi::X509_V_ERR_APPLICATION_VERIFICATION
            }
            Err(error) => {
                seen.failure = Some(error);
                ffi::X509_V_ERR_APPLICATION_VERIFICATION
            }
        };
        // SAFETY: as above.
        unsafe { sys::X509_STORE_CTX_set_error(ctx, error) };
        c_int::from(error == sys::X509_V_OK)
    })
}

/// The server's certificates as DER, its own first.
///
/// # Safety
/// `ctx` is a live store context.
unsafe fn presented(ctx: *mut sys::X509_STORE_CTX) -> Vec<Vec<u8>> {
    // SAFETY: by contract; the certificate stays the context's.
    let leaf = unsafe { ffi::X509_STORE_CTX_get0_cert(ctx) };
    if leaf.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, alive with the context.
    let mut all: Vec<Vec<u8>> = unsafe { x509_der(leaf) }.into_iter().collect();
    // SAFETY: by contract; the stack, or null, stays the context's.
    let stack = unsafe { ffi::X509_STORE_CTX_get0_untrusted(ctx) };
    // SAFETY: null counts as -1 (OPENSSL_sk_num(3)).
    for i in 0..unsafe { sys::OPENSSL_sk_num(stack.cast()) } {
        // SAFETY: `i` is within the stack.
        let cert = unsafe { sys::OPENSSL_sk_value(stack.cast(), i) };
        // SAFETY: an element of the stack is a live certificate.
        let der = unsafe { x509_der(cert.cast()) };
        all.extend(der.filter(|d| Some(d) != all.first()));
    }
    all
}

fn judge(
    database: &Database,
    presented: &[Vec<u8>],
    host: &str,
) -> Result<std::result::Result<(), Fault>> {
    let Some((leaf, others)) = presented.split_first() else {
        return Err(crate::error::Error::new(
            crate::error::Kind::Tls,
            "the server presented no certificate",
        ));
    };
    let leaf = database.decode_certificate(leaf)?;
    // Alive while NSS looks for the chain; what it can't decode can't help.
    let _others: Vec<Certificate> =
        others.iter().filter_map(|d| database.decode_certificate(d).ok()).collect();
    Ok(database.verify(&leaf, Usage::SslServer).and_then(|()| leaf.verify_name(host)))
}

/// `SSL_CTX_set_cert_cb`: the server asks for a client certificate; 1 to go on with the one set.
pub(super) unsafe extern "C" fn wanted(_ssl: *mut sys::SSL, argument: *mut c_void) -> c_int {
    caught(0, || {
        // SAFETY: the argument is the Bridge that `attach` set, which outlives the SSL_CTX.
        let Some(bridge) = (unsafe { argument.cast::<Bridge<'_>>().as_ref() }) else { return 0 };
        bridge.seen.borrow_mut().wanted = true;
        1
    })
}

/// `SSL_CTX_set_info_callback`: remembers the last alert the other side sent, and that the handshake
/// with the server is done.
pub(super) unsafe extern "C" fn info(ssl: *const sys::SSL, place: c_int, value: c_int) {
    if place != ffi::SSL_CB_READ_ALERT && place != ffi::SSL_CB_HANDSHAKE_DONE {
        return;
    }
    caught((), || {
        // SAFETY: OpenSSL passes a live SSL; the context stays its own.
        let ctx = unsafe { sys::SSL_get_SSL_CTX(ssl) };
        // SAFETY: the context is live, the index was made for it.
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
            // Level in the high octet, description in the low one (SSL_alert_type_string(3)).
            bridge.seen.borrow_mut().alert = u8::try_from(value & 0xff).ok();
        }
    });
}
