//! Raw bindings to NSS.
