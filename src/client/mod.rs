//! The operations for users of the library, each with a plain specification and a typed result.

pub mod archive;
pub mod ca;
pub mod connection;
pub mod csr;
pub mod dogtag;
pub mod enroll;
pub mod import;
pub mod input;
pub mod judge;
pub mod keys;
pub mod lock;
pub mod output;
pub mod passwords;
pub mod pop;
pub mod revoke;
pub mod send;
pub mod session;
pub mod shared_token;
pub mod signer;
pub mod status;
pub mod verify;
