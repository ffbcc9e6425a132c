//! Enrol certificates with CMC (RFC 5272, RFC 10002) against Dogtag PKI; the keys stay in NSS.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod algorithm;
pub mod error;
pub mod secret;
pub mod transport;

/// NSS: databases, tokens, keys, certificates.
#[allow(unsafe_code)]
pub mod nss;

/// Lends NSS keys to curl.
#[allow(unsafe_code)]
mod bridge;
