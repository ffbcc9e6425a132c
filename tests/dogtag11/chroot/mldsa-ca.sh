# Makes (the first time) and starts a second CA whose own keys are ML-DSA-65, and a client database
# for it: made by the chroot's NSS, as an older one doesn't know the keys.
instance=pki-mldsa http=10080 https=10443
dir=$DOGTAG_WORK/mldsa-ca db=$DOGTAG_WORK/mldsa-ca/nssdb
mkdir -p "$db"
cd "$dir"
echo "$DOGTAG_PASSWORD" >pw
if [ ! -e /var/lib/pki/$instance/ca ]; then
  rm -f /etc/lab-fast-restart
  pkispawn -v -s CA -f /root/mldsa-ca.cfg >pkispawn.log 2>&1 || { tail -5 pkispawn.log >&2; exit 1; }
  : >/etc/lab-fast-restart
fi
# loopback only; the CMC profiles enabled
if ! grep -q "port=\"$https\".*address=\|address=.*port=\"$https\"" /etc/pki/$instance/server.xml; then
  systemctl stop pki-tomcatd@$instance
  sed -i -E "s/(<Connector\b)([^>]*port=\"($http|$https)\")/\1 address=\"127.0.0.1\"\2/" /etc/pki/$instance/server.xml
  sed -i 's/^enable=.*/enable=true/' /var/lib/pki/$instance/ca/profiles/ca/*CMC*.cfg
fi
systemctl start pki-tomcatd@$instance
[ -e "$db/cert9.db" ] || {
  certutil -N -d "sql:$db" -f pw
  certutil -L -d sql:/etc/pki/$instance/alias -n ca_signing -a >ca_signing.pem
  certutil -A -d "sql:$db" -f pw -n ca_signing -t CT,C,C -i ca_signing.pem
  pk12util -i /root/.dogtag/$instance/ca_admin_cert.p12 -d "sql:$db" -k pw -W "$DOGTAG_PASSWORD"
}
