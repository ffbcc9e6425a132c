#!/bin/bash
# Sets the shared secret of an LDAP user: user-secret.sh UID SECRET
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# = 2 ] || die "usage: user-secret.sh UID SECRET"
need_root
need_up
dt_script user-secret.sh "$@"
