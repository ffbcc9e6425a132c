#!/bin/sh
# Makes an NSS database with certutil: DIR/nssdb, with its password in DIR/password.txt.
#
#   setup-nssdb.sh [--fips] [--key-type rsa|ec] DIR [STAND_IN_CA CA_DIR]
#
# With the stand-in CA's program and folder, the database also trusts that CA (as `ca_signing`) and
# has an agent's certificate (`agent`), whose key is generated in the database and stays there.
set -eu
fips= keytype=rsa
while :; do
  case ${1:-} in
    --fips) fips=1; shift ;;
    --key-type) keytype=$2; shift 2 ;;
    *) break ;;
  esac
done
dir=${1:?usage: setup-nssdb.sh [--fips] [--key-type rsa|ec] DIR [STAND_IN_CA CA_DIR]}
db=sql:$dir/nssdb
mkdir -p "$dir/nssdb"
# Long and mixed enough for FIPS mode.
(umask 077; echo Secret.123 > "$dir/password.txt")
certutil -N -d "$db" -f "$dir/password.txt"
[ -z "$fips" ] || modutil -fips true -dbdir "$db" -force >/dev/null
[ $# -gt 1 ] || exit 0

stand_in=$2 ca=$3
"$stand_in" init --dir "$ca"
certutil -A -d "$db" -f "$dir/password.txt" -n ca_signing -t CT,C,C -a -i "$ca/ca.pem"
case $keytype in
  rsa) set -- -k rsa -g 2048 ;;
  ec) set -- -k ec -q nistp256 ;;
  *) echo "key type $keytype: rsa or ec" >&2; exit 2 ;;
esac
head -c 64 /dev/urandom > "$dir/noise"
certutil -R -d "$db" -f "$dir/password.txt" -z "$dir/noise" "$@" -s "CN=agent,O=STAND-IN" -a -o "$dir/agent.csr" >/dev/null 2>&1
rm -f "$dir/noise"
"$stand_in" sign --dir "$ca" --csr "$dir/agent.csr" --agent --out "$dir/agent.pem"
certutil -A -d "$db" -f "$dir/password.txt" -n agent -t ,, -a -i "$dir/agent.pem"
