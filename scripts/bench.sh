#!/bin/bash
# Measures time, CPU and memory of the whole process for the client, the Java tools, a minimal C program
# (the floor) and, for PKCS #12 files, NSS's pk12util, in turn, with the same NSS database.
# bench-table.py explains the table.
#
#   scripts/bench.sh [ROUNDS]      15 rounds by default
#
# Uses the real CA (tests/dogtag) when it runs; otherwise the stand-in CA, without the Java tools.
#   NSS_CMC      the client (default: target/release/nss-cmc)
#   BENCH_CA     dogtag, stand-in or none, instead of detection
set -e
cd "$(dirname "$(readlink -f "$0")")/.."
repo=$PWD
target=${CARGO_TARGET_DIR:-$repo/target}
client=$(readlink -f "${NSS_CMC:-$target/release/nss-cmc}")
rounds=${1:-15}
die() { echo "$*" >&2; exit 1; }
[ -x "$client" ] || die "$client is not there: cargo build --release"
. tests/dogtag/dogtag.env

ca=$BENCH_CA
if [ -z "$ca" ]; then
  if mountpoint -q "$DOGTAG_ROOT$DOGTAG_WORK" && [ "$(id -u)" = 0 ] &&
    curl -s -m 5 "http://$DOGTAG_HOST:8080/ca/admin/ca/getStatus" | grep -q running; then
    ca=dogtag
  elif [ -e tests/stand-in-ca/Cargo.toml ]; then
    ca=stand-in
  else
    ca=none
  fi
fi
echo "client: $client"
echo "CA: $ca, rounds: $rounds"

stand_in_pid=
cleanup() {
  [ -z "$stand_in_pid" ] || kill "$stand_in_pid"
  rm -rf "$work"
}
if [ "$ca" = dogtag ]; then work=$(mktemp -d "$DOGTAG_WORK/bench.XXXXXX"); else work=$(mktemp -d); fi
trap cleanup EXIT
chmod 755 "$work"
cd "$work"

# shellcheck disable=SC2046 # the flags are words
cc -O2 -o floor "$repo/scripts/bench-floor.c" $(pkg-config --cflags --libs nss)
cc -O2 -o run "$repo/scripts/bench-run.c"
echo Secret.123 >pw

# --- a database with the agents rsa-agent and ec-agent, and the CA
request() { # NICK CERTUTIL-KEY-OPTIONS...: key and PKCS #10 in the database
  local nick=$1
  shift
  head -c 64 /dev/urandom >noise
  certutil -R -d sql:db -f pw -z noise -s "CN=$nick,O=bench" -o "$nick.csr" "$@" >certutil.out 2>&1
}
case $ca in
  dogtag)
    host=$DOGTAG_HOST port=8443
    "$repo/tests/dogtag/user-cert.sh" db rsa-agent "CN=bench rsa,UID=bench,O=LAB" rsa:2048 --agent >serial
    "$repo/tests/dogtag/user-cert.sh" db ec-agent "CN=bench ec,UID=bench,O=LAB" ec:nistp256 --agent >serial
    ;;
  stand-in)
    (cd "$repo" && cargo build -q -j2 --release -p stand-in-ca)
    "$target/release/stand-in-ca" run --dir "$work/ca" >stand-in.out 2>&1 &
    stand_in_pid=$!
    end=$((SECONDS + 60))
    until [ -s ca/port ]; do
      kill -0 "$stand_in_pid" && [ $SECONDS -lt $end ] || die "the stand-in CA does not start: $(cat stand-in.out)"
      sleep 0.1
    done
    host=localhost port=$(cat ca/port)
    mkdir db
    certutil -N -d sql:db -f pw
    certutil -A -d sql:db -f pw -n ca_signing -t CT,C,C -i ca/ca.pem
    request rsa-agent -k rsa -g 2048
    request ec-agent -k ec -q nistp256
    for nick in rsa-agent ec-agent; do
      "$target/release/stand-in-ca" sign --dir ca --csr "$nick.csr" --agent --out "$nick.crt"
      certutil -A -d sql:db -f pw -n "$nick" -t ,, -i "$nick.crt"
    done
    ;;
  none)
    mkdir db
    certutil -N -d sql:db -f pw
    for type in "rsa -g 2048" "ec -q nistp256"; do
      head -c 64 /dev/urandom >noise
      # shellcheck disable=SC2086 # words
      certutil -S -x -d sql:db -f pw -z noise -k $type -n "${type%% *}-agent" -s "CN=${type%% *}" \
        -t ,, -v 12 >certutil.out 2>&1
    done
    ;;
  *) die "BENCH_CA=$ca" ;;
esac

# --- input of the tools
openssl req -new -newkey rsa:2048 -nodes -keyout p10.key -subj "/O=LAB/CN=bench.lab.test" -out p10.req 2>/dev/null
common="dbdir=$work/db
password=Secret.123
tokenname=internal"
for type in rsa ec; do
  cat >"request-$type.cfg" <<X
$common
nickname=$type-agent
format=pkcs10
numRequests=1
input=$work/p10.req
output=$work/cmc-$type.req
X
  cat >"http-$type.cfg" <<X
$common
nickname=$type-agent
host=$host
port=$port
secure=true
clientmode=true
input=$work/cmc-$type.req
output=$work/cmc-$type.resp
servlet=/ca/ee/ca/profileSubmitCMCFull?profileId=caCMCserverCert
X
done
# The Java tools' commands from nothing to a certificate in the database.
cat >enroll-java.sh <<'X'
set -e
type=$1 profile=$2
shift 2
PKCS10Client -d "$PWD/fresh" -p Secret.123 "$@" -o new.req -n "CN=bench.lab.test,O=LAB"
sed "s/p10.req/new.req/; s#/db\$#/fresh#; s/cmc-/new-/" "request-$type.cfg" >new-request.cfg
sed "s#/db\$#/fresh#; s/cmc-/new-/; s/profileId=.*/profileId=$profile/" "http-$type.cfg" >new-http.cfg
CMCRequest new-request.cfg
HttpClient new-http.cfg
CMCResponse -d fresh -i "new-$type.resp" -o new.p7
openssl pkcs7 -in new.p7 -print_certs | awk '/-----BEGIN/ { n++ } /-----BEGIN/, /-----END/ { print > ("new" n ".pem") }'
for c in new[0-9]*.pem; do
  [ "$(openssl x509 -in "$c" -noout -pubkey)" != "$(openssl req -in new.req -noout -pubkey)" ] || cp "$c" new.pem
done
PKICertImport -d fresh -f pw -n bench -t ,, -a -i new.pem -u V
rm new*
X

# A PKCS #12 file as the installation of Dogtag stores it: key, certificate, CA. One database has only a
# password, the other one trusts the CA.
new_key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }
new_key -x509 -keyout p12-ca.key -out p12-ca.pem -subj /O=bench/CN=ca -days 365
new_key -keyout p12.key -out p12.csr -subj /O=bench/CN=user
openssl x509 -req -in p12.csr -CA p12-ca.pem -CAkey p12-ca.key -days 365 -out p12.pem 2>/dev/null
openssl pkcs12 -export -inkey p12.key -in p12.pem -certfile p12-ca.pem -name user -out user.p12 \
  -passout file:pw
for db in empty trusting; do
  mkdir $db
  certutil -N -d sql:$db -f pw
done
certutil -A -d sql:trusting -f pw -n ca -t CT,C,C -i p12-ca.pem

# --- the plan: group, program, preparation, command
plan() { printf '%s\t%s\t%s\t%s\n' "$@" >>plan; }
# run without the helper scripts, which would cost time, and without the tests' settings of Java
java() { # GROUP PREPARATION COMMAND
  [ "$ca" = dogtag ] || return 0
  plan "$1" java "$2" "chroot $DOGTAG_ROOT env -i -C $work HOME=/ LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin $3"
}
fresh="rm -rf fresh; cp -r db fresh; sed -i s#$work/db#$work/fresh# fresh/pkcs11.txt"

for type in rsa ec; do
  plan "CMCRequest $type" ours "" "$client CMCRequest request-$type.cfg"
  plan "CMCRequest $type" floor "" "./floor sign db pw $type-agent 1"
  java "CMCRequest $type" "" "CMCRequest request-$type.cfg"
done
if [ "$ca" != none ]; then
  for type in rsa ec; do
    "$client" CMCRequest "request-$type.cfg" >prepare.out 2>&1 || die "$(cat prepare.out)"
    "$client" HttpClient "http-$type.cfg" >prepare.out 2>&1 || die "$(cat prepare.out)"
  done
  cp cmc-rsa.resp answer
  plan CMCResponse ours "" "$client CMCResponse -d db -i answer -o out.p7"
  plan CMCResponse floor "" "./floor verify db answer"
  java CMCResponse "" "CMCResponse -d db -i answer -o out.p7"
  for type in rsa ec; do
    plan "HttpClient $type" ours "" "$client HttpClient http-$type.cfg"
    plan "HttpClient $type" floor "" "./floor sign db pw $type-agent 1"
    java "HttpClient $type" "" "HttpClient http-$type.cfg"
  done
  for type in rsa ec; do
    case $type in
      rsa) key=rsa:2048 profile=caCMCserverCert old=(-a rsa -l 2048) ;;
      ec) key=ec:nistp256 profile=caCMCECserverCert old=(-a ec -c nistp256) ;;
    esac
    plan "enroll $type" ours "$fresh" "$client enroll --database $work/fresh --password-file pw \
      --ca https://$host:$port --profile $profile --signer $type-agent \
      --subject CN=bench.lab.test,O=LAB --nickname bench --key-type $key"
    plan "enroll $type" floor "$fresh" "./floor keygen fresh pw $type-agent $type"
    java "enroll $type" "$fresh" "sh enroll-java.sh $type $profile ${old[*]}"
  done
fi
plan start ours "" "$client version"
plan start certutil "" "certutil -L -d sql:empty"
for db in empty trusting; do
  again="rm -rf fresh; cp -r $db fresh"
  plan "p12 $db" ours "$again" "$client pkcs12 import user.p12 -d fresh --password-file pw \
    --pkcs12-password-file pw"
  plan "p12 $db" pk12util "$again" "pk12util -i user.p12 -d sql:fresh -k pw -w pw"
done
python3 "$repo/scripts/bench-table.py" plan ./run "$rounds"
[ "$ca" = none ] || echo "HttpClient and enroll: the wall time includes the CA's work, the floor's does not."
