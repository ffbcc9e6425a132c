//! Enroll certificates with CMC (RFC 5272, RFC 10002) against Dogtag PKI; the keys stay in NSS.
//!
//! The program `nss-cmc` is this library's first user, and uses nothing that isn't documented here.
//! Most users need only the names re-exported below: [`enroll()`] and [`revoke()`] with their
//! argument and result types, or [`Session`] and [`Connection`] for single steps. [`client`] has the
//! other operations, [`cmc`] the protocol as pure functions, [`trust`] the verification of messages
//! and certificates, [`nss`] the databases, and [`inspect`] decodes any message for display.
//! [`certificate`], [`name`], [`pem`] and [`keyid`] read and write what the others take and return;
//! a program with a terminal uses [`text`] and [`interrupt`], too.
//!
//! Reading a recorded response needs neither NSS nor a network:
//!
//! ```
//! use nss_cmc::cmc::response::{self, Outcome};
//!
//! let der = include_bytes!("../tests/vectors/01-rsa-server/response.der");
//! let response = response::parse(der)?;
//! match response.outcome() {
//!     Outcome::Success { certificates } => assert_eq!(certificates.len(), 2),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), nss_cmc::Error>(())
//! ```
//!
//! Values are plain types of this crate and of the standard library; dates are those of `chrono`,
//! large numbers those of `num-bigint`, octets that are wiped those of `zeroize`. ARCHITECTURE.md
//! describes the modules and their order.
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(unreachable_pub))]
#![warn(missing_docs)]

pub mod algorithm;
mod asn1;
pub mod client;
pub mod cmc;
pub mod error;
mod http;
pub mod inspect;
pub mod interrupt;
pub mod keyid;
pub mod secret;
pub mod text;
pub mod trust;

#[allow(unsafe_code)]
pub mod nss;

pub use algorithm::KeySpec;
pub use asn1::{Number, certificate, name, pem};
pub use client::connection::{Config, Connection};
pub use client::csr::AltNames;
pub use client::enroll::{EnrollSpec, Enrolled, KeySource, Requester, enroll};
pub use client::passwords::{Passwords, Source};
pub use client::revoke::{Action, Authority, RevokeSpec, Revoked, Target, revoke};
pub use client::session::{Needs, Session};
pub use error::{Error, Kind, Leftover, Result};
pub use http::Url;
pub use secret::Secret;
