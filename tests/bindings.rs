//! Compares the vendored bindings with the installed NSS headers: `cargo test --features regen`.
//! `NSS_CMC_BLESS=1` rewrites the vendored file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "regen")]

use std::path::Path;

#[test]
fn the_vendored_bindings_match_the_installed_headers() {
    let vendored = Path::new(env!("CARGO_MANIFEST_DIR")).join("nss-sys/src/bindings.rs");
    let fresh = std::fs::read_to_string(env!("NSS_CMC_REGENERATED_BINDINGS")).unwrap();
    if std::env::var_os("NSS_CMC_BLESS").is_some() {
        std::fs::write(&vendored, &fresh).unwrap();
    }
    let old = std::fs::read_to_string(&vendored).unwrap();
    let differing = old
        .lines()
        .zip(fresh.lines())
        .enumerate()
        .find(|(_, (a, b))| a != b)
        .map(|(n, (a, b))| format!("line {}:\n  vendored  {a}\n  headers   {b}", n + 1));
    assert_eq!(differing, None, "the bindings differ; look, then run with NSS_CMC_BLESS=1");
    assert_eq!(old.lines().count(), fresh.lines().count());
}
