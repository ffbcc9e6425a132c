//! Whole operations: sequences of the layers below, driven by plain specifications.

pub mod answer;
pub mod archive;
pub mod build;
pub mod ca;
pub mod confirm;
pub mod csr;
pub mod endpoint;
pub mod enroll;
pub mod exchange;
pub mod file;
pub mod input;
pub mod lock;
pub mod pop;
pub mod records;
pub mod revoke;
pub mod send;
pub mod session;
pub mod shared_token;
pub mod show;
pub mod signer;
pub mod store;
pub mod submit;
