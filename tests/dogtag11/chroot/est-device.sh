# Enrolls a device for EST: key and certificate `est-device` in the client database.
! certutil -L -d "sql:$DOGTAG_DB" -n est-device >/dev/null 2>&1 || exit 0
cd "$(mktemp -d)"
quiet PKCS10Client -d "$DOGTAG_DB" -p "$DOGTAG_PASSWORD" -a rsa -l 2048 -o p10.req -n CN=est-device,O=LAB
agent_enrol p10.req caFullCMCUserCert cert.pem
certutil -A -d "sql:$DOGTAG_DB" -f "$DOGTAG_CLIENT/password.txt" -n est-device -t ,, -i cert.pem
