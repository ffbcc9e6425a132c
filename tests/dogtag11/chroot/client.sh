# Writes the certificate files that a client needs. The client's database is made by up.sh, outside:
# an older NSS can't open a database that the chroot's NSS made.
umask 022
mkdir -p "$DOGTAG_CLIENT"
cd "$DOGTAG_CLIENT"
echo "$DOGTAG_PASSWORD" >password.txt
for n in ca_signing kra_transport sslserver; do
  certutil -L -d "sql:$ALIAS" -n $n -a >$n.pem
done
cp "/root/.dogtag/$DOGTAG_INSTANCE/ca_admin_cert.p12" .
