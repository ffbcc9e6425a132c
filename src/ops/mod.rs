//! Whole operations: sequences of the layers below, driven by plain specifications.

pub mod answer;
pub mod archive;
pub mod build;
pub mod ca;
pub mod csr;
pub mod endpoint;
pub mod enroll;
pub mod exchange;
pub mod file;
pub mod input;
pub mod pop;
pub mod revoke;
pub mod send;
pub mod session;
pub mod shared_token;
pub mod show;
pub mod store;
pub mod submit;
