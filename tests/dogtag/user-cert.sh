#!/bin/bash
# Issues a certificate to a user who is no agent, and stores it with its key in an NSS database
# below the shared work folder. A missing database is made, with the CA and the default password.
# Prints the serial number (decimal).
#   user-cert.sh DB NICKNAME SUBJECT [rsa:2048|ec:nistp256] [--agent]
# With --agent the certificate is added to the agent's, so that it may sign agent requests.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# -ge 3 ] || die "usage: user-cert.sh DB NICKNAME SUBJECT [rsa:2048|ec:nistp256] [--agent]"
need_root
need_up
db=$(readlink -m "$1")
case $db/ in "$DOGTAG_WORK"/*) ;; *) die "$db is not below $DOGTAG_WORK" ;; esac
# by this machine's NSS, which can't open a database that a newer one made
if [ ! -e "$db/cert9.db" ]; then
  mkdir -p "$db"
  certutil -N -d "sql:$db" -f "$DOGTAG_CLIENT/password.txt"
  certutil -A -d "sql:$db" -f "$DOGTAG_CLIENT/password.txt" -n ca_signing -t CT,C,C \
    -i "$DOGTAG_CLIENT/ca_signing.pem"
fi
dt_script user-cert.sh "$db" "$2" "$3" "${4:-rsa:2048}" "$5"
