#!/bin/sh
# Tests the flows on a real Dogtag CA and KRA, which are installed and started if necessary. One
# test at a time: Dogtag's servlets mix up simultaneous requests.
set -eu
cd "$(dirname "$0")/.."
# Without debug information the fifty test programs link in half the time.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-0}"
scripts/install-deps.sh --test
tests/dogtag/up.sh
DOGTAG_LAB=10 cargo test --features regen --test dogtag --test 'dogtag_*' -- --ignored --test-threads=1
