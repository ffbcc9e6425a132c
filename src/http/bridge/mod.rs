//! Lends an NSS private key, and NSS's trust, to curl.
//!
//! libcurl does TLS with OpenSSL 3, which can't use keys in NSS. [`Lending`] is a curl handler that
//! adds three things to every `SSL_CTX` that curl makes: the client certificate, an `EVP_PKEY` of
//! an in-process provider whose signatures NSS makes, and a callback with which NSS verifies the
//! server. It fails closed: a libcurl without OpenSSL 3 is refused before anything is sent, and
//! [`Seen`] shows whether the callbacks ran.

mod ffi;
mod hop;
mod keymgmt;
mod loan;
mod provider;
mod signature;
mod startup;
mod verify;

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_long, c_void};
use std::io::SeekFrom;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::OnceLock;

use curl::easy::{Easy2, Handler, InfoType, ReadError, SeekResult, WriteError};
use curl::multi::Multi;
use openssl_sys as sys;

use super::server::{Overlooked, ServerTrust};
use crate::asn1::certificate;
use crate::error::{Error, Kind, Result};
use crate::nss::{Database, Identity};
use ffi::{Pkey, X509, last_error};
use hop::{Hop, Route};
use loan::Loan;
pub(crate) use verify::Distrust;

/// The events of one exchange.
#[derive(Default)]
pub(crate) struct Seen {
    /// Whether the `SSL_CTX` for the server was prepared; before that, the only peer is a proxy.
    pub(crate) attached: bool,
    /// Whether NSS accepted the server, possibly with problems that are overlooked.
    pub(crate) verified: bool,
    /// Why NSS doesn't trust the server, or the proxy before it.
    pub(crate) distrust: Option<Distrust>,
    /// Whether the server requested a client certificate.
    pub(crate) wanted: bool,
    /// The last fatal alert from the peer (RFC 8446 §6).
    pub(crate) alert: Option<u8>,
    /// A local failure: NSS refused to sign, or the `SSL_CTX` couldn't be prepared.
    pub(crate) failure: Option<Error>,
}

/// The client certificate and its key in OpenSSL's form.
struct ClientIdentity {
    certificate: Vec<u8>,
    issuers: Vec<X509>,
    loan: Rc<Loan>,
    key: Pkey,
}

/// The state that the callbacks reach through a pointer in the `SSL_CTX`.
pub(crate) struct Bridge<'db> {
    database: Option<&'db Database>,
    identity: Option<ClientIdentity>,
    trust: ServerTrust,
    route: RefCell<Route>,
    seen: RefCell<Seen>,
    overlooked: RefCell<Vec<Overlooked>>,
    /// Whether the TLS handshake with the server is finished: from then on a request may have been
    /// sent.
    established: Rc<Cell<bool>>,
    /// The newest `SSL_CTX`, for comparison only: events on a connection kept from an earlier
    /// exchange don't belong to this one.
    current: Cell<*const sys::SSL_CTX>,
}

impl<'db> Bridge<'db> {
    /// Prepares a bridge with a database's trust flags, a client's identity, and the problems of
    /// servers to overlook; nothing is sent.
    ///
    /// # Errors
    /// [`Kind::Refused`] for a key that can't be used in TLS, [`Kind::Tls`] without OpenSSL 3.
    pub(crate) fn new(
        database: Option<&'db Database>,
        identity: Option<Identity>,
        trust: ServerTrust,
    ) -> Result<Rc<Bridge<'db>>> {
        let identity = match identity {
            Some(identity) => Some(ClientIdentity::new(identity)?),
            None => None,
        };
        let (route, seen, overlooked, established) = Default::default();
        let current = Cell::new(std::ptr::null());
        let bridge =
            Bridge { database, identity, trust, route, seen, overlooked, established, current };
        Ok(Rc::new(bridge))
    }

    /// Returns the problems of servers' certificates that were overlooked since the last call.
    pub(crate) fn overlooked(&self) -> Vec<Overlooked> {
        self.overlooked.take()
    }

    /// Clears the events and expects a server called `host`, behind `tls_proxy`, a proxy reached
    /// over TLS, if given.
    pub(crate) fn expect(&self, host: &str, tls_proxy: Option<&str>) {
        self.route.replace(Route::new(host, tls_proxy));
        self.seen.take();
        self.established.set(false);
    }

    /// Returns the flag that becomes true when the TLS handshake with the server is finished.
    pub(crate) fn established(&self) -> Rc<Cell<bool>> {
        self.established.clone()
    }

    /// Returns the DER of the client certificate.
    pub(crate) fn client(&self) -> Option<&[u8]> {
        self.identity.as_ref().map(|i| i.certificate.as_slice())
    }

    /// Returns the events since [`Bridge::expect`].
    pub(crate) fn seen(&self) -> Seen {
        let mut seen = self.seen.take();
        if let Some(refusal) = self.identity.as_ref().and_then(|i| i.loan.refusal.take()) {
            seen.failure = Some(refusal);
        }
        seen
    }

    /// Prepares an `SSL_CTX`: sets the callbacks and the client certificate.
    ///
    /// # Safety
    /// `ctx` is a live `SSL_CTX`, and `self` outlives it.
    unsafe fn attach(&self, ctx: NonNull<sys::SSL_CTX>) -> Result<()> {
        let ctx = ctx.as_ptr();
        // SAFETY: the context is live (SSL_CTX_get_ssl_method(3)).
        let method = unsafe { ffi::SSL_CTX_get_ssl_method(ctx) };
        // SAFETY: no precondition; returns a static table (SSL_CTX_new(3)).
        if method != unsafe { sys::TLS_client_method() } {
            return Err(Error::new(Kind::Tls, "libcurl has its own copy of OpenSSL")
                .hint("install a libcurl that uses the system's libssl"));
        }
        let me: *mut c_void = std::ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the context is live; the callback gets `me`, which outlives it
        // (SSL_CTX_set_cert_verify_callback(3)).
        unsafe { ffi::SSL_CTX_set_cert_verify_callback(ctx, verify::server, me) };
        // SAFETY: the context is live; no callback besides the one above (SSL_CTX_set_verify(3)).
        unsafe { sys::SSL_CTX_set_verify(ctx, sys::SSL_VERIFY_PEER, None) };
        // SAFETY: the context is live, and the index was made for SSL_CTX (SSL_CTX_set_ex_data(3)).
        if unsafe { sys::SSL_CTX_set_ex_data(ctx, ex_data_index(), me) } != 1 {
            return Err(Error::new(Kind::Internal, "cannot set up TLS").because(last_error()));
        }
        // SAFETY: the context is live (SSL_CTX_set_info_callback(3)).
        unsafe { ffi::SSL_CTX_set_info_callback(ctx, verify::info) };
        self.current.set(ctx);
        // A proxy gets no client certificate, and its request for one is not recorded.
        if self.route.borrow_mut().begin() == Hop::Proxy {
            return Ok(());
        }
        // SAFETY: the context is live; the callback gets `me`, which outlives it
        // (SSL_CTX_set_cert_cb(3)).
        unsafe { ffi::SSL_CTX_set_cert_cb(ctx, verify::wanted, me) };
        if let Some(identity) = &self.identity {
            // SAFETY: by this function's contract.
            unsafe { identity.put_into(ctx) }?;
        }
        self.seen.borrow_mut().attached = true;
        Ok(())
    }
}

impl ClientIdentity {
    fn new(identity: Identity) -> Result<ClientIdentity> {
        let Identity { certificate, issuers, key } = identity;
        let loan = Loan::new(key, &certificate)?;
        let key = loan.pkey()?;
        let sent = issuers.iter().filter(|der| {
            certificate::fields(der).is_ok_and(|fields| fields.issuer != fields.subject)
        });
        Ok(ClientIdentity {
            certificate: certificate.der().to_vec(),
            issuers: sent.filter_map(|der| X509::from_der(der)).collect(),
            loan,
            key,
        })
    }

    /// # Safety
    /// `ctx` is a live `SSL_CTX`.
    unsafe fn put_into(&self, ctx: *mut sys::SSL_CTX) -> Result<()> {
        let failed = |what: &str| {
            Error::new(Kind::Tls, format!("cannot use the client certificate for TLS: {what}"))
                .because(last_error())
        };
        let len = c_int::try_from(self.certificate.len()).unwrap_or(-1);
        // SAFETY: `len` octets are readable; OpenSSL makes a copy (SSL_CTX_use_certificate(3)).
        if unsafe { ffi::SSL_CTX_use_certificate_ASN1(ctx, len, self.certificate.as_ptr()) } != 1 {
            return Err(failed("OpenSSL does not accept it"));
        }
        // SAFETY: both are live; OpenSSL takes its own reference (SSL_CTX_use_certificate(3)).
        let used = unsafe { sys::SSL_CTX_use_PrivateKey(ctx, self.key.as_ptr()) };
        // SAFETY: the context is live; key and certificate are compared
        // (SSL_CTX_use_certificate(3)).
        if used != 1 || unsafe { sys::SSL_CTX_check_private_key(ctx) } != 1 {
            return Err(failed("the private key does not match"));
        }
        for issuer in &self.issuers {
            let add_reference: c_long = 1;
            // SAFETY: both are live; SSL_CTX_add1_chain_cert is this control (ssl.h).
            let rc = unsafe {
                sys::SSL_CTX_ctrl(
                    ctx,
                    ffi::SSL_CTRL_CHAIN_CERT,
                    add_reference,
                    issuer.as_ptr().cast(),
                )
            };
            if rc != 1 {
                return Err(failed("OpenSSL does not accept its chain"));
            }
        }
        // A server may request the certificate only after the handshake (RFC 8446 §4.6.2). SAFETY:
        // the context is live (SSL_CTX_set_post_handshake_auth(3)).
        unsafe { ffi::SSL_CTX_set_post_handshake_auth(ctx, 1) };
        Ok(())
    }
}

/// Returns the index under which an `SSL_CTX` keeps the pointer to its [`Bridge`].
fn ex_data_index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    *INDEX.get_or_init(|| {
        // SAFETY: no callbacks, no argument (SSL_CTX_get_ex_new_index(3)).
        unsafe { sys::SSL_CTX_get_ex_new_index(0, std::ptr::null_mut(), None, None, None) }
    })
}

/// A curl handler that prepares curl's `SSL_CTX` and passes the response to `inner`.
pub(crate) struct Lending<'db, H> {
    bridge: Rc<Bridge<'db>>,
    /// The handler that receives the response.
    pub(crate) inner: H,
}

impl<'db, H: Handler> Lending<'db, H> {
    /// Makes an easy handle that trusts NSS only: curl's own CA files aren't read.
    ///
    /// Every connection, and its `SSL_CTX`, must be closed before the handle's handler, and so the
    /// `Bridge`, is dropped. The handle closes its own connections; those of a multi handle require
    /// that the multi handle is dropped first.
    ///
    /// # Errors
    /// [`Kind::Tls`] when libcurl can't be initialised.
    pub(crate) fn easy(bridge: Rc<Bridge<'db>>, inner: H) -> Result<Easy2<Lending<'db, H>>> {
        startup::initialize()?;
        Ok(Easy2::new(Lending { bridge, inner }))
    }

    /// Returns the bridge.
    pub(crate) fn bridge(&self) -> &Bridge<'db> {
        &self.bridge
    }
}

impl<H: Handler> Handler for Lending<'_, H> {
    fn write(&mut self, data: &[u8]) -> std::result::Result<usize, WriteError> {
        self.inner.write(data)
    }

    fn read(&mut self, into: &mut [u8]) -> std::result::Result<usize, ReadError> {
        self.inner.read(into)
    }

    fn seek(&mut self, whence: SeekFrom) -> SeekResult {
        self.inner.seek(whence)
    }

    fn header(&mut self, data: &[u8]) -> bool {
        self.bridge.route.borrow_mut().heard(data);
        self.inner.header(data)
    }

    fn debug(&mut self, kind: InfoType, data: &[u8]) {
        self.inner.debug(kind, data);
    }

    fn ssl_ctx(&mut self, ctx: *mut c_void) -> std::result::Result<(), curl::Error> {
        let refused = || curl::Error::new(curl_sys::CURLE_SSL_CERTPROBLEM);
        let ctx = NonNull::new(ctx.cast::<sys::SSL_CTX>()).ok_or_else(refused)?;
        // SAFETY: curl passes the SSL_CTX of a new connection; `require_openssl` made sure that it
        // belongs to this process's libssl. The Rc keeps the Bridge alive longer than curl's handle
        // (see `easy`).
        unsafe { self.bridge.attach(ctx) }.map_err(|error| {
            self.bridge.seen.borrow_mut().failure = Some(error);
            refused()
        })
    }
}

/// Makes curl read no CA file: NSS decides on trust.
pub(crate) fn forget_ca_files<H>(easy: &Easy2<H>) -> std::result::Result<(), curl::Error> {
    for option in [curl_sys::CURLOPT_CAINFO, curl_sys::CURLOPT_CAPATH] {
        let none = std::ptr::null::<std::ffi::c_char>();
        // SAFETY: the handle is live; both options take a string or null (curl_easy_setopt(3)).
        let code = unsafe { curl_sys::curl_easy_setopt(easy.raw(), option, none) };
        if code != curl_sys::CURLE_OK {
            return Err(curl::Error::new(code));
        }
    }
    Ok(())
}

/// Makes curl not wait for an abandoned name lookup, which may take minutes. From 8.20 on lookups
/// end with the multi handle: see [`leave_lookups_of_all`].
pub(crate) fn leave_lookups<H>(easy: &Easy2<H>) {
    const CURLOPT_QUICK_EXIT: curl_sys::CURLoption = curl_sys::CURLOPTTYPE_LONG + 322;
    let on: c_long = 1;
    // SAFETY: the handle is live; the option takes a long (curl_easy_setopt(3)).
    unsafe { curl_sys::curl_easy_setopt(easy.raw(), CURLOPT_QUICK_EXIT, on) };
    // curl before 7.87 has no such option and waits.
}

/// Makes curl not wait for abandoned name lookups of a multi handle's transfers.
pub(crate) fn leave_lookups_of_all(multi: &Multi) {
    const CURLMOPT_QUICK_EXIT: curl_sys::CURLMoption = curl_sys::CURLOPTTYPE_LONG + 21;
    let on: c_long = 1;
    // SAFETY: the handle is live; the option takes a long (curl_multi_setopt(3)).
    unsafe { curl_sys::curl_multi_setopt(multi.raw(), CURLMOPT_QUICK_EXIT, on) };
    // curl before 8.20 has no such option.
}

/// Refuses a libcurl whose TLS isn't this process's OpenSSL 3: the callback would not run, or would
/// get a structure of another library.
///
/// # Errors
/// [`Kind::Tls`].
pub(crate) fn require_openssl() -> Result<()> {
    let version = curl::Version::get();
    fitting(version.ssl_version().unwrap_or("no TLS"), &openssl_version())
}

/// Returns the version of this process's OpenSSL, such as `3.0.22`.
pub(crate) fn openssl_version() -> String {
    // SAFETY: returns a static string for this number (OpenSSL_version(3)).
    let ours = unsafe { sys::OpenSSL_version(OPENSSL_VERSION_STRING) };
    // SAFETY: static and NUL-terminated.
    unsafe { CStr::from_ptr(ours) }.to_string_lossy().into_owned()
}

const OPENSSL_VERSION_STRING: c_int = 6;

fn fitting(curl: &str, ours: &str) -> Result<()> {
    let major = |v: &str| v.split('.').next().and_then(|m| m.parse::<u32>().ok());
    let theirs = curl.strip_prefix("OpenSSL/").and_then(major);
    if theirs.is_some_and(|m| m >= 3) && theirs == major(ours) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Tls,
        format!("cannot use TLS: libcurl is built on {curl}, this program on OpenSSL {ours}"),
    )
    .hint("install libcurl built on OpenSSL 3 (Debian: libcurl4; Fedora and RHEL 9: libcurl)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openssl_three_of_the_same_major_fits() {
        for (curl, ours, fits) in [
            ("OpenSSL/3.0.22", "3.0.22", true),
            ("OpenSSL/3.5.1", "3.0.22", true),
            ("OpenSSL/1.1.1w", "1.1.1w", false),
            ("OpenSSL/4.0.0", "3.0.22", false),
            ("GnuTLS/3.7.9", "3.0.22", false),
            ("(OpenSSL/3.0.22) GnuTLS/3.7.9", "3.0.22", false),
            ("BoringSSL", "3.0.22", false),
            ("no TLS", "3.0.22", false),
            ("", "", false),
        ] {
            assert_eq!(fitting(curl, ours).is_ok(), fits, "{curl} {ours}");
        }
    }
}
