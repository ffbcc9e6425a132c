# Writes the agent's certificate and key as PEM, for curl. The host's OpenSSL can't read the
# PKCS #12 file (RC2); the one in the chroot can.
umask 077
openssl pkcs12 -in "$DOGTAG_CLIENT/ca_admin_cert.p12" -passin "pass:$DOGTAG_PASSWORD" -nodes \
  -out "$DOGTAG_CLIENT/caadmin.pem"
