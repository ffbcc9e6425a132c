#!/bin/bash
# Issues a certificate to a user who is no agent, and stores it with its key in an NSS database
# below the shared work folder. A missing database is made, with the CA and the default password.
# Prints the serial number (decimal).
#   user-cert.sh DB NICKNAME SUBJECT [rsa:2048|ec:nistp256] [--agent]
# With --agent the certificate is added to the agent's, so that it may sign agent requests.
# certutil, curl and openssl do it, in a tenth of the Java tools' time.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# -ge 3 ] || die "usage: user-cert.sh DB NICKNAME SUBJECT [rsa:2048|ec:nistp256] [--agent]"
need_up
db=$(readlink -m "$1") nick=$2 subject=$3 agent=$5 pw=$DOGTAG_CLIENT/password.txt
case $db/ in "$DOGTAG_WORK"/*) ;; *) die "$db is not below $DOGTAG_WORK" ;; esac
kind=${4:-rsa:2048}
case $kind in
  rsa:*) profile=caSimpleCMCUserCert key=(-k rsa -g "${kind#*:}") ;;
  ec:*) profile=caECSimpleCMCUserCert key=(-k ec -q "${kind#*:}") ;;
  *) die "$kind: neither rsa:BITS nor ec:CURVE" ;;
esac
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
set -e
quiet() { "$@" >"$dir/said" 2>&1 || { cat "$dir/said" >&2; die "$1 failed"; }; }
if [ ! -e "$db/cert9.db" ]; then
  mkdir -p "$db"
  quiet certutil -N -d "sql:$db" -f "$pw"
  quiet certutil -A -d "sql:$db" -f "$pw" -n ca_signing -t CT,C,C -i "$DOGTAG_CLIENT/ca_signing.pem"
fi
head -c 64 /dev/urandom >"$dir/noise"
quiet certutil -R -d "sql:$db" -f "$pw" -z "$dir/noise" "${key[@]}" -s "$subject" -o "$dir/p10"
curl -sS --fail -m 60 --cacert "$DOGTAG_CLIENT/ca_signing.pem" --cert "$DOGTAG_CLIENT/caadmin.pem" \
  -H 'Content-Type: application/pkcs10' --data-binary "@$dir/p10" -o "$dir/chain" \
  "$DOGTAG_URL/ca/ee/ca/profileSubmitCMCSimple?profileId=$profile"
# the certificate in the chain that has the request's key
openssl pkcs7 -inform der -in "$dir/chain" -print_certs |
  awk -v dir="$dir" '/-----BEGIN/ { n++ } /-----BEGIN/, /-----END/ { print > (dir "/" n ".pem") }'
want=$(openssl req -inform der -in "$dir/p10" -noout -pubkey)
for c in "$dir"/*.pem; do
  [ "$(openssl x509 -in "$c" -noout -pubkey)" != "$want" ] || mv "$c" "$dir/cert"
done
[ -s "$dir/cert" ] || die "no certificate for $subject in the answer"
quiet certutil -A -d "sql:$db" -f "$pw" -n "$nick" -t ,, -i "$dir/cert"
if [ -n "$agent" ]; then
  python3 -c 'import json, sys; print(json.dumps({"Encoded": sys.stdin.read()}))' <"$dir/cert" >"$dir/json"
  quiet dt_rest "/ca/$DOGTAG_API/admin/users/caadmin/certs" -d "@$dir/json"
fi
serial=$(openssl x509 -in "$dir/cert" -noout -serial)
dt_decimal "0x${serial#*=}"
