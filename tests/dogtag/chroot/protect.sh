# Enrolls the CA's issuance protection certificate with CMC: its key is generated in the server's
# NSS database; shared secrets are encrypted for it.
! certutil -L -d "sql:$ALIAS" -n ca_issuance_protection >/dev/null 2>&1 || exit 0
cd "$(mktemp -d)"
echo "$DOGTAG_PASSWORD" >pw
quiet PKCS10Client -d "$ALIAS" -p "$DOGTAG_PASSWORD" -a rsa -l 2048 -o p10.req \
  -n "CN=CA Issuance Protection,OU=pki-tomcat,O=LAB"
agent_enrol p10.req caCMCkraTransportCert "$DOGTAG_CLIENT/ca_issuance_protection.pem"
certutil -A -d "sql:$ALIAS" -f pw -n ca_issuance_protection -t ,, \
  -i "$DOGTAG_CLIENT/ca_issuance_protection.pem"
chown pkiuser:pkiuser "$ALIAS"/*
certutil -A -d "sql:$DOGTAG_DB" -f pw -n ca_issuance_protection -t ,, \
  -i "$DOGTAG_CLIENT/ca_issuance_protection.pem"
