#!/bin/bash
# Runs the offline tests with the newest NSS and OpenSSL: the binaries built here run in a chroot of
# Debian sid. Needs root and a Debian machine. If sid can't be installed (a mirror without it, a
# package that is missing for a day), a message says so and the script succeeds; a test that fails
# there is a failure.
#
#   scripts/test-newest-nss.sh [TEST_BINARY...]    e.g. nssdb flows; all by default
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
# Without debug information the fifty test programs link in half the time.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-0}"
repo=$PWD
target=${CARGO_TARGET_DIR:-$repo/target}
base=${NSS_CMC_SID:-/opt/nss-cmc-sid}
root=$base/root
packages="ca-certificates curl gcc libc6-dev libcurl4t64 libcurl4-openssl-dev libnss3 libnss3-tools openssl procps softhsm2 sqlite3 strace"

[ "$(id -u)" = 0 ] || { echo "$0: needs root (chroot, mount)" >&2; exit 1; }
outside() { # COMMAND...: what depends on the mirror
  "$@" >>"$base/log" 2>&1 || {
    echo "WARNING: Debian sid could not be installed; nothing was tested under the newest NSS. $base/log ends:" >&2
    tail -5 "$base/log" >&2
    exit 0
  }
}
# The packages must be recent: a chroot older than a week is made anew.
mkdir -p "$base"
if [ -e "$base/ready" ] && [ -n "$(find "$base/ready" -mtime +7)" ]; then rm -f "$base/ready"; fi
if [ ! -e "$base/ready" ]; then
  : >"$base/log"
  command -v debootstrap >/dev/null || outside apt-get install -y --no-install-recommends debootstrap debian-archive-keyring
  mirror=${DOGTAG_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -1)}
  rm -rf --one-file-system "$root"
  outside debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid "$root" "${mirror:?set DOGTAG_MIRROR to a Debian mirror}"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  # The lists of a snapshot mirror have expired.
  printf 'APT::Install-Recommends "false";\nAcquire::Check-Valid-Until "false";\nAcquire::Languages "none";\n' \
    >"$root/etc/apt/apt.conf.d/99tests"
  printf 'force-unsafe-io\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\n' >"$root/etc/dpkg/dpkg.cfg.d/tests"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  outside chroot "$root" apt-get update -qq
  # shellcheck disable=SC2086 # a list
  outside env DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq $packages
  chroot "$root" apt-get clean
  touch "$base/ready"
fi

# Test binaries, each with the folder that cargo runs it in.
cargo test --workspace --features regen --no-run --message-format=json 2>/dev/null | python3 -c '
import json, os, sys
for line in sys.stdin:
    unit = json.loads(line) if line.startswith("{") else {}
    if unit.get("executable") and unit["profile"]["test"]:
        print(unit["target"]["name"], os.path.dirname(unit["manifest_path"]), unit["executable"])
' >"$base/tests"
[ -s "$base/tests" ] || { echo "$0: cargo test --no-run named no test" >&2; exit 1; }

mkdir -p "$root$repo" "$root$target"
# The mounts are in a namespace and end with it.
unshare -m bash -s -- "$root" "$repo" "$target" "$base/tests" "$@" <<'IN'
set -eu
root=$1 repo=$2 target=$3 tests=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
for m in proc sys dev; do mount --rbind "/$m" "$root/$m"; done
mount --bind "$repo" "$root$repo"
case $target in "$repo"/*) ;; *) mount --bind "$target" "$root$target" ;; esac
cp /etc/hosts "$root/etc/hosts"
mkdir -p "$root/run/outside"
cp "$tests" "$root/run/tests"
# pivot_root, not chroot: in a chroot the kernel allows no user namespaces, which some tests make.
cd "$root"
pivot_root . run/outside
cd /
umount -l /run/outside
inside() { env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
inside dpkg-query -W -f '${Package} ${Version}\n' libnss3 libssl3t64 libcurl4t64
failed=
while read -r name dir binary; do
  if [ $# -gt 0 ]; then case " $* " in *" $name "*) ;; *) continue ;; esac; fi
  # bindings has no headers to compare with there; texts differ with the libraries' messages;
  # nss_versions needs the NSS of this machine, too.
  case $name in bindings | texts | nss_versions) continue ;; esac
  echo "== $name"
  inside env -C "$dir" CARGO_MANIFEST_DIR="$dir" timeout 300 "$binary" -q </dev/null || failed="$failed $name"
done </run/tests
[ -z "$failed" ] || { echo "failed under the newest NSS:$failed" >&2; exit 1; }
IN
# One database, used by the NSS of this machine and by the newest.
if [ $# = 0 ]; then
  NSS_CMC_SID=$base cargo test --features regen --test nss_versions -- --ignored
fi
