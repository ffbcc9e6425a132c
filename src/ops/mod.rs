//! Whole operations: sequences of the layers below, driven by plain specifications.

pub mod answer;
pub mod archive;
pub mod ca;
pub mod csr;
pub mod enroll;
pub mod file;
pub mod session;
pub mod submit;
