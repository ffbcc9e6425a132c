#!/bin/bash
# Sets the secret that authenticates an unsigned revocation of a certificate:
# revocation-secret.sh SERIAL SECRET   (serial number decimal, or hexadecimal after 0x)
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# = 2 ] || die "usage: revocation-secret.sh SERIAL SECRET"
[[ $1 =~ ^(0x[0-9A-Fa-f]+|[1-9][0-9]*)$ ]] || die "$1: not a serial number"
need_root
need_up
dt_script revocation-secret.sh $(($1)) "$2"
