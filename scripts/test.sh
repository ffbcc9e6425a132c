#!/bin/sh
# Runs all tests that need no real CA: formatting, lints, documentation, units, databases, the
# stand-in CA, and the comparison of the vendored bindings with the installed headers.
set -eu
cd "$(dirname "$0")/.."
# Without debug information the fifty test programs link in half the time.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-0}"
scripts/install-deps.sh --test
cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets --features regen -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --workspace --features regen
cargo test --workspace --features regen
