#!/bin/bash
# simple-success.sh true|false: whether the CA's response to a success is certificates only, unsigned
# (cmc.response.useSimpleOnSuccess, which Dogtag's guide to EST asks for). Restarts the CA.
DOGTAG_LAB=11
. "$(dirname "$(readlink -f "$0")")/../dogtag/lib.sh"
case $1 in true | false) ;; *) die "usage: simple-success.sh true|false" ;; esac
need_root
need_up
dt_script simple-success.sh "$1" && dt_wait_ca
