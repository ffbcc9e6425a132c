#!/bin/bash
# Measures bulk enrollment at the stand-in CA: certificates a second, processors and memory, beside a loop
# over enroll, and beside certutil and openssl for the same keys.
#
#   scripts/bench-bulk.sh [COUNT] [KEY_TYPE]      2000 ec:nistp256 by default
#
#   NSS_CMC      the client (default: target/release/nss-cmc)
#   STAND_IN     the stand-in CA (default: target/release/stand-in-ca)
#   BENCH_URL, BENCH_DB, BENCH_SIGNER, BENCH_PROFILE   another CA, a database that trusts it, an agent in it
#                (password Secret.123), and the profile
set -eu
repo=$(dirname "$(dirname "$(readlink -f "$0")")")
target=${CARGO_TARGET_DIR:-$repo/target}
client=$(readlink -f "${NSS_CMC:-$target/release/nss-cmc}")
stand_in=$(readlink -f "${STAND_IN:-$target/release/stand-in-ca}")
count=${1:-2000} key=${2:-ec:nistp256}
work=$(mktemp -d)
pid=
cleanup() {
  [ -z "$pid" ] || kill "$pid"
  rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
cc -O2 -o run "$repo/scripts/bench-run.c"
if [ -n "${BENCH_URL:-}" ]; then
  url=$BENCH_URL signer=$BENCH_SIGNER profile=$BENCH_PROFILE
  cp -r "$BENCH_DB" db
  echo Secret.123 >pw
else
  "$stand_in" init --dir ca --key-type ec
  "$repo/scripts/setup-nssdb.sh" --key-type rsa . "$stand_in" ca
  mv nssdb db
  mv password.txt pw
  "$stand_in" run --dir ca --server-key-type ec --keep yes --log ca.log >ca.out 2>&1 &
  pid=$!
  until [ -s ca/port ]; do sleep 0.1; done
  url=https://localhost:$(cat ca/port) signer=agent profile=standin-ok
fi
common="-d db --password-file pw --ca $url --profile $profile --signer $signer --key-type $key"
mark=$(date +%s)

shown() { # TITLE COUNT < wall user system peak
  awk -v title="$1" -v n="$2" '{ printf "%-28s %7d  %8.1f/s  %6.1f ms CPU each (%3.0f %% of one)  %6.1f MB\n", title, n, \
    n * 1e6 / $1, ($2 + $3) / n / 1000, 100 * ($2 + $3) / $1, $4 / 1024 }'
}
requests() { # FIRST LAST
  seq "$1" "$2" | awk -v m="$mark" '{ printf "{\"nickname\":\"b%s-%d\",\"subject\":\"CN=b%s-%d,O=LAB\"}\n", m, $1, m, $1 }'
}
echo "$(nproc) processors, $key"
small=$((count / 10))
requests 1 "$small" >small.jsonl
requests $((small + 1)) $((small + count)) >all.jsonl
for file in small all; do
  # shellcheck disable=SC2086 # words
  ./run result "$client" bulk $file.jsonl $common >out
  shown "bulk" "$(wc -l <$file.jsonl)" <result
done
# shellcheck disable=SC2086
./run result "$client" bulk all.jsonl $common >out
shown "bulk again (nothing to do)" "$count" <result
cat >loop.sh <<X
for n in \$(seq 20); do
  $client enroll $common --subject CN=l$mark-\$n,O=LAB --nickname l$mark-\$n >/dev/null || exit 1
done
X
./run result sh loop.sh
shown "enroll, in a loop" 20 <result
case $key in
  ec:*) certutil="-k ec -q ${key#ec:}" ;;
  *) certutil="-k rsa -g ${key#rsa:}" ;;
esac
head -c 64 /dev/urandom >noise
cat >floor.sh <<X
for n in \$(seq 20); do certutil -R -d sql:db -f pw -z noise $certutil -s CN=f\$n -o f.csr >/dev/null 2>&1 || exit 1; done
X
./run result sh floor.sh
shown "certutil -R (keys only)" 20 <result
