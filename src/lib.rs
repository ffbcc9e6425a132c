//! Enrol certificates with CMC.
