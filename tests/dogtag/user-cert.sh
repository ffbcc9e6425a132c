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
dt_script user-cert.sh "$db" "$2" "$3" "${4:-rsa:2048}" "$5"
