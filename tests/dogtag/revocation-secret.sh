#!/bin/bash
# Sets the secret that authenticates an unsigned revocation of a certificate:
# revocation-secret.sh SERIAL SECRET   (serial number decimal, or hexadecimal after 0x)
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# = 2 ] || die "usage: revocation-secret.sh SERIAL SECRET"
serial=$(dt_decimal "$1") || exit 1
need_root
need_up
dt_script revocation-secret.sh "$serial" "$2"
