#!/bin/bash
# Adds a user to EST's realm: est-user.sh UID CERT.pem, or UID --password (then with the password of
# everything here).
DOGTAG_LAB=11
. "$(dirname "$(readlink -f "$0")")/../dogtag/lib.sh"
[ $# = 2 ] || die "usage: est-user.sh UID CERT.pem|--password"
need_root
need_up
if [ "$2" = --password ]; then dt_script est-user.sh "$1" </dev/null; else dt_script est-user.sh "$1" <"$2"; fi
