//! CMC (RFC 5272, RFC 10002) as pure functions over octets: no NSS, no network, no clock.

pub mod control;
pub mod crmf;
pub mod message;
pub mod no_signature;
pub(crate) mod nonce;
pub mod pop;
pub mod profile;
pub mod proof;
mod ra_value;
pub mod request;
pub mod response;
pub mod revocation_reason;
mod seal;
mod status;
mod value;

#[cfg(test)]
pub(crate) mod fixture;
