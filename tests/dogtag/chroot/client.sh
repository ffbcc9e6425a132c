# Makes the client NSS database (caadmin and the CA), and the certificate files that a client needs.
umask 022
mkdir -p "$DOGTAG_DB"
cd "$DOGTAG_CLIENT"
echo "$DOGTAG_PASSWORD" >password.txt
certutil -N -d "sql:$DOGTAG_DB" -f password.txt
for n in ca_signing kra_transport sslserver; do
  certutil -L -d "sql:$ALIAS" -n $n -a >$n.pem
done
certutil -A -d "sql:$DOGTAG_DB" -f password.txt -n ca_signing -t CT,C,C -i ca_signing.pem
cp "/root/.dogtag/$DOGTAG_INSTANCE/ca_admin_cert.p12" .
pki -d "$DOGTAG_DB" -c "$DOGTAG_PASSWORD" pkcs12-import --pkcs12-file ca_admin_cert.p12 \
  --pkcs12-password "$DOGTAG_PASSWORD"
certutil -K -d "sql:$DOGTAG_DB" -f password.txt
