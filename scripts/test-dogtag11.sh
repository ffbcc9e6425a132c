#!/bin/sh
# Tests the flows on a real Dogtag 11.10 CA, KRA and EST, and on a second CA whose own key is ML-DSA-65;
# they are compiled, installed and started if necessary. DOGTAG11_SOURCE names the archive of Dogtag's
# source. Without it, or if today's Debian sid can't be installed or doesn't compile it, a message says
# so and the script succeeds; a test that fails is a failure.
#
#   scripts/test-dogtag11.sh [TEST_PROGRAM...]    e.g. dogtag dogtag_csr; all by default
set -eu
cd "$(dirname "$0")/.."
# Without debug information the fifty test programs link in half the time.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-0}"
scripts/install-deps.sh --test
code=0
tests/dogtag11/up.sh || code=$?
case $code in
  0) ;;
  3) echo "WARNING: Dogtag 11.10 could not be installed on today's Debian sid; nothing was tested on it." >&2; exit 0 ;;
  4) echo "SKIPPED: nothing was tested on Dogtag 11.10." >&2; exit 0 ;;
  *) exit $code ;;
esac
if [ $# = 0 ]; then
  # Its tests skip where it isn't up.
  tests/dogtag11/mldsa-ca.sh || echo "WARNING: the ML-DSA CA did not come up; nothing was tested on it." >&2
  set -- 'dogtag*'
fi
for program in "$@"; do
  DOGTAG_LAB=11 cargo test --features regen --test "$program" -- --ignored --test-threads=1
done
