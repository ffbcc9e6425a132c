//! Enroll certificates with CMC (RFC 5272, RFC 10002) against Dogtag PKI; the keys stay in NSS.
//!
//! The program `nss-cmc` is this library's first user. The way of a request:
//!
//! arguments or .cfg → [`cli`], [`dogtag_tools`] → a plain specification → [`client`] →
//! [`cmc::request`] (PKIData) → [`cmc::seal`] with a key of [`nss`] (SignedData) → [`http`] (curl, the
//! key lent by the bridge) → [`cmc::response`] → [`trust`] and [`client::judge`] (is it to be
//! believed?) → [`nss`] (certificate beside its key) → text, JSON, exit code.
//!
//! [`asn1`], [`cmc`], [`inspect`] and [`text`] are pure: bytes in, bytes out. Pointers exist in [`nss`]
//! and in the bridge only.
//!
//! Reading a recorded response needs neither NSS nor a network:
//!
//! ```
//! use nss_cmc::cmc::response::{self, Outcome};
//!
//! let der = include_bytes!("../tests/vectors/01-rsa-server/response.der");
//! let answer = response::parse(der)?;
//! match answer.outcome() {
//!     Outcome::Success { certificates } => assert_eq!(certificates.len(), 2),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), nss_cmc::error::Error>(())
//! ```
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod algorithm;
pub mod asn1;
pub mod client;
pub mod cmc;
pub mod error;
pub mod http;
pub mod inspect;
pub mod interrupt;
pub mod keyid;
pub mod secret;
pub mod text;
pub mod trust;

#[allow(unsafe_code)]
pub mod nss;
