//! The operations for users of the library, each with a plain specification and a typed result.

pub mod archive;
pub mod cert_file;
pub mod cert_import;
pub mod cert_verify;
pub mod connection;
pub mod csr;
pub mod dogtag;
pub mod enroll;
pub mod find_key;
mod import;
pub mod input;
mod lock;

pub mod output;
pub mod passwords;
pub mod pkcs12;
pub mod pop;
pub mod request_key;
pub mod revoke;
pub mod send;
pub mod session;
pub mod shared_token;
pub mod show;
pub mod signer;
pub mod store;
mod token_nickname;
pub mod verify_response;
