#!/bin/sh
# Installs the missing Debian packages for building and testing, with apt. Needs root only if a
# package is missing. --test also installs the packages that only the tests need.
set -eu
packages="gcc libc6-dev pkg-config libnss3-dev libnss3-tools libcurl4-openssl-dev libssl-dev ca-certificates openssl"
[ "${1:-}" = --test ] && packages="$packages ansible-core certmonger dbus gnutls-bin libclang-dev softhsm2 sqlite3 strace"
missing=
for p in $packages; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
apt-get install -y -qq --no-install-recommends $missing >/dev/null
