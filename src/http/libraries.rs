//! The versions of the libraries below this module.

pub(crate) use super::bridge::openssl_version;

/// Returns the versions of libcurl and of its TLS library.
pub(crate) fn curl_version() -> (String, Option<String>) {
    let version = curl::Version::get();
    (version.version().to_owned(), version.ssl_version().map(str::to_owned))
}
