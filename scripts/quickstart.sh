#!/bin/sh
# From nothing to a certificate: installs missing packages, builds, makes an NSS database, starts
# the stand-in CA on loopback, enrolls a TLS server certificate, and prints it with certutil.
set -eu
cd "$(dirname "$0")/.."
scripts/install-deps.sh
cargo build --release --quiet -p nss-cmc -p stand-in-ca
bin=$PWD/target/release
work=$(mktemp -d)
trap 'kill "$ca" 2>/dev/null; rm -rf "$work"' EXIT INT TERM
ca=

scripts/setup-nssdb.sh "$work" "$bin/stand-in-ca" "$work/ca"
"$bin/stand-in-ca" run --dir "$work/ca" --log "$work/ca.log" > "$work/ready" &
ca=$!
until [ -s "$work/ca/port" ]; do
  kill -0 "$ca" || exit 1
  sleep 0.1
done
url=https://localhost:$(cat "$work/ca/port")

set -x
"$bin/nss-cmc" enroll -d "$work/nssdb" --password-file "$work/password.txt" \
  --ca "$url" --profile caCMCserverCert --signer agent \
  --subject CN=www.example.com,O=EXAMPLE --dns www.example.com --nickname Server-Cert
certutil -L -d "sql:$work/nssdb"
certutil -K -d "sql:$work/nssdb" -f "$work/password.txt"
