//! Lends an NSS private key, and NSS's trust, to curl.
//!
//! libcurl does TLS with OpenSSL 3, which can't see keys in NSS. [`Lending`] is a curl handler that
//! puts three things into every `SSL_CTX` curl makes: the client certificate, an `EVP_PKEY` of an
//! in-process provider whose signatures NSS makes, and a verify callback that asks NSS about the
//! server. It fails closed: a libcurl that isn't OpenSSL 3 is refused before anything is sent, and
//! [`Seen`] tells whether the callbacks ran.

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

use crate::asn1::certificate;
use crate::error::{Error, Kind, Result};
use crate::nss::{Database, Identity};
use ffi::{Pkey, X509, last_error};
use hop::{Hop, Route};
use loan::Loan;
pub(crate) use verify::Distrust;

/// What happened during one exchange.
#[derive(Default)]
pub(crate) struct Seen {
    /// The `SSL_CTX` for the server was furnished; before, everything is between us and a proxy.
    pub(crate) attached: bool,
    /// NSS verified the server.
    pub(crate) verified: bool,
    /// Why the server, or before it the proxy, isn't believed.
    pub(crate) distrust: Option<Distrust>,
    /// The server asked for a client certificate.
    pub(crate) wanted: bool,
    /// The last fatal alert from the other side (RFC 8446 §6).
    pub(crate) alert: Option<u8>,
    /// A failure on our side: NSS refused to sign, the `SSL_CTX` couldn't be furnished.
    pub(crate) failure: Option<Error>,
}

/// The client certificate as OpenSSL wants it.
struct ClientIdentity {
    certificate: Vec<u8>,
    issuers: Vec<X509>,
    loan: Rc<Loan>,
    key: Pkey,
}

/// What the callbacks reach through the pointer in the `SSL_CTX`.
pub(crate) struct Bridge<'db> {
    database: Option<&'db Database>,
    identity: Option<ClientIdentity>,
    route: RefCell<Route>,
    seen: RefCell<Seen>,
    /// The TLS handshake with the server is done: from here on a request may have left.
    established: Rc<Cell<bool>>,
    /// The last `SSL_CTX` furnished, to be compared only: what happens on a connection kept from an
    /// earlier exchange says nothing of this one.
    current: Cell<*const sys::SSL_CTX>,
}

impl<'db> Bridge<'db> {
    /// Prepares for a database's trust and a client's identity.
    ///
    /// # Errors
    /// [`Kind::Refused`] for a key that can't do TLS, [`Kind::Tls`] without OpenSSL 3.
    pub(crate) fn new(
        database: Option<&'db Database>,
        identity: Option<Identity>,
    ) -> Result<Rc<Bridge<'db>>> {
        let identity = match identity {
            Some(identity) => Some(ClientIdentity::new(identity)?),
            None => None,
        };
        let (route, seen, established) = Default::default();
        let current = Cell::new(std::ptr::null());
        Ok(Rc::new(Bridge { database, identity, route, seen, established, current }))
    }

    /// Forgets what was seen and expects a server called `host`, behind a proxy that is itself
    /// reached over TLS if one is named.
    pub(crate) fn expect(&self, host: &str, tls_proxy: Option<&str>) {
        self.route.replace(Route::new(host, tls_proxy));
        self.seen.take();
        self.established.set(false);
    }

    /// Becomes true once the TLS handshake with the server is done.
    pub(crate) fn established(&self) -> Rc<Cell<bool>> {
        self.established.clone()
    }

    /// DER of the client certificate.
    pub(crate) fn client(&self) -> Option<&[u8]> {
        self.identity.as_ref().map(|i| i.certificate.as_slice())
    }

    /// What was seen since [`Bridge::expect`].
    pub(crate) fn seen(&self) -> Seen {
        let mut seen = self.seen.take();
        if let Some(refusal) = self.identity.as_ref().and_then(|i| i.loan.refusal.take()) {
            seen.failure = Some(refusal);
        }
        seen
    }

    /// Furnishes an `SSL_CTX`.
    ///
    /// # Safety
    /// `ctx` is a live `SSL_CTX`, and `self` outlives it.
    unsafe fn attach(&self, ctx: NonNull<sys::SSL_CTX>) -> Result<()> {
        let ctx = ctx.as_ptr();
        // SAFETY: the context is live.
        let method = unsafe { ffi::SSL_CTX_get_ssl_method(ctx) };
        // SAFETY: no precondition; answers a static table.
        if method != unsafe { sys::TLS_client_method() } {
            return Err(Error::new(Kind::Tls, "libcurl brings an OpenSSL of its own")
                .hint("install a libcurl that uses the system's libssl"));
        }
        let me: *mut c_void = std::ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the context is live; the callback gets `me`, alive as long as it.
        unsafe { ffi::SSL_CTX_set_cert_verify_callback(ctx, verify::server, me) };
        // SAFETY: the context is live; no other callback than the one above.
        unsafe { sys::SSL_CTX_set_verify(ctx, sys::SSL_VERIFY_PEER, None) };
        // SAFETY: as above; the index was made for SSL_CTX.
        if unsafe { sys::SSL_CTX_set_ex_data(ctx, ex_data_index(), me) } != 1 {
            return Err(Error::new(Kind::Internal, "cannot set up TLS").because(last_error()));
        }
        // SAFETY: as above.
        unsafe { ffi::SSL_CTX_set_info_callback(ctx, verify::info) };
        self.current.set(ctx);
        // A proxy gets nothing of the client's, not even the wish for it is noted.
        if self.route.borrow_mut().begin() == Hop::Proxy {
            return Ok(());
        }
        // SAFETY: as for the verify callback.
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
        // SAFETY: `len` bytes are readable; OpenSSL keeps its own copy.
        if unsafe { ffi::SSL_CTX_use_certificate_ASN1(ctx, len, self.certificate.as_ptr()) } != 1 {
            return Err(failed("OpenSSL does not accept it"));
        }
        // SAFETY: both live; OpenSSL takes a reference of its own.
        let used = unsafe { sys::SSL_CTX_use_PrivateKey(ctx, self.key.as_ptr()) };
        // SAFETY: the context is live; key and certificate are compared.
        if used != 1 || unsafe { sys::SSL_CTX_check_private_key(ctx) } != 1 {
            return Err(failed("the private key does not match"));
        }
        for issuer in &self.issuers {
            let add_reference: c_long = 1;
            // SAFETY: both live; SSL_CTX_add1_chain_cert is this control (ssl.h).
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
        // A server may ask for the certificate after the handshake only (RFC 8446 §4.6.2).
        // SAFETY: the context is live.
        unsafe { ffi::SSL_CTX_set_post_handshake_auth(ctx, 1) };
        Ok(())
    }
}

/// Where an `SSL_CTX` keeps the pointer to its [`Bridge`].
fn ex_data_index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    *INDEX.get_or_init(|| {
        // SAFETY: no callbacks, no argument (SSL_CTX_get_ex_new_index(3)).
        unsafe { sys::SSL_CTX_get_ex_new_index(0, std::ptr::null_mut(), None, None, None) }
    })
}

/// A curl handler that furnishes curl's `SSL_CTX` and leaves the response to `inner`.
pub(crate) struct Lending<'db, H> {
    bridge: Rc<Bridge<'db>>,
    /// Receives the response.
    pub(crate) inner: H,
}

impl<'db, H: Handler> Lending<'db, H> {
    /// An easy handle that trusts NSS alone: curl's own CA files aren't even read.
    ///
    /// Connections, and with them every `SSL_CTX`, must be gone before the handle's handler, and so
    /// the `Bridge`: those of the handle itself are, those of a multi handle if that goes first.
    ///
    /// # Errors
    /// [`Kind::Tls`] when libcurl can't be initialised.
    pub(crate) fn easy(bridge: Rc<Bridge<'db>>, inner: H) -> Result<Easy2<Lending<'db, H>>> {
        startup::initialize()?;
        Ok(Easy2::new(Lending { bridge, inner }))
    }

    /// The bridge.
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
        // SAFETY: curl passes the SSL_CTX of a new connection; `require_openssl` made sure that
        // it is one of this process's libssl. The Rc keeps the Bridge alive longer than curl's
        // handle (see `easy`).
        unsafe { self.bridge.attach(ctx) }.map_err(|error| {
            self.bridge.seen.borrow_mut().failure = Some(error);
            refused()
        })
    }
}

/// Tells curl to read no CA file: NSS decides.
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

/// Tells curl not to wait for a name look-up that was given up: it may take minutes more. From 8.20
/// on it is the multi handle, where it ends, that would wait ([`leave_lookups_of_all`]).
pub(crate) fn leave_lookups<H>(easy: &Easy2<H>) {
    const CURLOPT_QUICK_EXIT: curl_sys::CURLoption = curl_sys::CURLOPTTYPE_LONG + 322;
    let on: c_long = 1;
    // SAFETY: the handle is live; the option takes a long (curl_easy_setopt(3)).
    unsafe { curl_sys::curl_easy_setopt(easy.raw(), CURLOPT_QUICK_EXIT, on) };
    // Before 7.87 curl knows no such option, and waits.
}

/// The same for the look-ups of every transfer of a multi handle.
pub(crate) fn leave_lookups_of_all(multi: &Multi) {
    const CURLMOPT_QUICK_EXIT: curl_sys::CURLMoption = curl_sys::CURLOPTTYPE_LONG + 21;
    let on: c_long = 1;
    // SAFETY: the handle is live; the option takes a long (curl_multi_setopt(3)).
    unsafe { curl_sys::curl_multi_setopt(multi.raw(), CURLMOPT_QUICK_EXIT, on) };
    // Before 8.20 curl knows no such option.
}

/// Refuses a libcurl whose TLS isn't this process's OpenSSL 3: its callback wouldn't run, or would
/// get another library's structure.
///
/// # Errors
/// [`Kind::Tls`].
pub(crate) fn require_openssl() -> Result<()> {
    // SAFETY: answers a static string for this number (OpenSSL_version(3)).
    let ours = unsafe { sys::OpenSSL_version(OPENSSL_VERSION_STRING) };
    // SAFETY: static and NUL-terminated.
    let ours = unsafe { CStr::from_ptr(ours) }.to_string_lossy();
    let version = curl::Version::get();
    fitting(version.ssl_version().unwrap_or("no TLS"), &ours)
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
        format!("cannot do TLS: libcurl is built on {curl}, this program on OpenSSL {ours}"),
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
