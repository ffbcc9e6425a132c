//! Whole operations: sequences of the layers below, driven by plain specifications.

pub mod answer;
pub mod build;
pub mod ca;
pub mod csr;
pub mod endpoint;
pub mod enroll;
pub mod file;
pub mod pop;
pub mod send;
pub mod session;
pub mod shared_token;
pub mod show;
