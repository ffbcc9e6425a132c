# DB NICKNAME SUBJECT KEY [--agent]: see ../user-cert.sh
umask 022
db=$1 nick=$2 subject=$3 agent=$5
case $4 in
  rsa:*) profile=caFullCMCUserCert key=(-a rsa -l "${4#*:}") ;;
  ec:*) profile=caECFullCMCUserCert key=(-a ec -c "${4#*:}") ;;
  *) die "$4: neither rsa:BITS nor ec:CURVE" ;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
quiet PKCS10Client -d "$db" -p "$DOGTAG_PASSWORD" "${key[@]}" -o p10.req -n "$subject"
agent_enrol p10.req $profile cert.pem
certutil -A -d "sql:$db" -f "$DOGTAG_CLIENT/password.txt" -n "$nick" -t ,, -i cert.pem
if [ -n "$agent" ]; then
  quiet pki -d "$DOGTAG_DB" -c "$DOGTAG_PASSWORD" -n caadmin -U "$DOGTAG_URL" \
    ca-user-cert-add caadmin --input cert.pem
fi
serial=$(openssl x509 -in cert.pem -noout -serial)
python3 -c 'import sys; print(int(sys.argv[1], 16))' "${serial#*=}"
