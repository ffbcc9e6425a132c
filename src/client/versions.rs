//! The versions of the libraries that this process uses.

use crate::http::libraries;
use crate::nss;

/// Versions of the loaded libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// NSS.
    pub nss: String,
    /// OpenSSL.
    pub openssl: String,
    /// libcurl.
    pub libcurl: String,
    /// The TLS library that libcurl is built on.
    pub libcurl_tls: Option<String>,
    /// Whether the system is in FIPS mode; NSS and OpenSSL follow it.
    pub system_fips: bool,
}

/// Returns the versions; nothing is opened but the kernel's FIPS flag.
pub fn versions() -> Versions {
    let (libcurl, libcurl_tls) = libraries::curl_version();
    let fips = std::fs::read_to_string("/proc/sys/crypto/fips_enabled");
    Versions {
        nss: nss::version(),
        openssl: libraries::openssl_version(),
        libcurl,
        libcurl_tls,
        system_fips: fips.is_ok_and(|flag| flag.trim() == "1"),
    }
}
