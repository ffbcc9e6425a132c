# Precedes every script of this folder; all run in the chroot, with DOGTAG_* in the environment.
ALIAS=/etc/pki/$DOGTAG_INSTANCE/alias # the server's own NSS database
die() { echo "$*" >&2; exit 1; }

# ldap TOOL ARGS...: runs an OpenLDAP tool as the directory manager
ldap() {
  local tool=$1
  shift
  "$tool" -x -H "ldap://$DOGTAG_HOST:$DOGTAG_LDAP" -D 'cn=Directory Manager' -w "$DOGTAG_PASSWORD" "$@"
}

# token SECRET: prints the secret encrypted for the CA, as one line of base64
token() {
  local dir
  dir=$(mktemp -d)
  CMCSharedToken -d "$DOGTAG_DB" -p "$DOGTAG_PASSWORD" -s "$1" -n ca_issuance_protection \
    -o "$dir/token" >"$dir/out" 2>&1 || { cat "$dir/out" >&2; return 1; }
  grep -v -- ---- "$dir/token" | tr -d '\r\n'
  rm -rf "$dir"
}

# quiet COMMAND...: prints the command's output only if it fails
quiet() { local out; out=$("$@" 2>&1) || { echo "$out" >&2; die "$1 failed"; }; }

# agent_enrol P10 PROFILE CERT.pem, in a scratch directory: sends a CMC request signed by caadmin
agent_enrol() {
  cat >req.cfg <<X
dbdir=$DOGTAG_DB
password=$DOGTAG_PASSWORD
tokenname=internal
nickname=caadmin
format=pkcs10
numRequests=1
input=$PWD/$1
output=$PWD/cmc.req
X
  cat >http.cfg <<X
host=$DOGTAG_HOST
port=$DOGTAG_HTTPS
secure=true
clientmode=true
dbdir=$DOGTAG_DB
password=$DOGTAG_PASSWORD
tokenname=internal
nickname=caadmin
input=$PWD/cmc.req
output=$PWD/cmc.resp
servlet=/ca/ee/ca/profileSubmitCMCFull?profileId=$2
X
  quiet CMCRequest req.cfg
  quiet HttpClient http.cfg
  quiet CMCResponse -d "$DOGTAG_DB" -i cmc.resp -o chain.p7
  # the certificate in the chain that has the request's key
  openssl pkcs7 -in chain.p7 -print_certs |
    awk '/-----BEGIN/ { n++ } /-----BEGIN/, /-----END/ { print > ("chain" n ".pem") }'
  local c want
  want=$(openssl req -in "$1" -noout -pubkey)
  for c in chain*.pem; do
    [ "$(openssl x509 -in "$c" -noout -pubkey)" != "$want" ] || cp "$c" "$3"
  done
  [ -s "$3" ] || die "no certificate for $1 in the answer"
}
