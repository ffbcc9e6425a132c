#!/bin/bash
# Starts an installed CA again (after down.sh or a reboot); never installs anything.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ -e "$DOGTAG_STAMPS/90-users" ] || die "not installed: run up.sh"
exec "$DOGTAG_OWN/up.sh"
