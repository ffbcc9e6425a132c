//! Enrol certificates with CMC (RFC 5272, RFC 10002) against Dogtag PKI; the keys stay in NSS.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod algorithm;
pub mod asn1;
pub mod cli;
pub mod cmc;
pub mod compat;
pub mod config;
pub mod error;
pub mod keyid;
pub mod ops;
pub mod report;
pub mod secret;
pub mod text;
pub mod transport;

/// NSS: databases, tokens, keys, certificates.
#[allow(unsafe_code)]
pub mod nss;

/// Lends NSS keys to curl.
#[allow(unsafe_code)]
mod bridge;
