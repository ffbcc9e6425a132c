#!/bin/bash
# Runs one of Dogtag's Java tools in the current directory, which must be below the shared work
# folder: java.sh CMCRequest file.cfg. File names are relative, or paths below that folder.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# -gt 0 ] || die "usage: java.sh TOOL ARGS..."
case $PWD/ in "$DOGTAG_WORK"/*) ;; *) die "$PWD is not below $DOGTAG_WORK, the tool would not see it" ;; esac
exec "$DOGTAG_HERE/in.sh" "$@"
