#!/bin/bash
# Prints the CA's record of a certificate: shown.sh SERIAL (decimal, or hexadecimal after 0x)
# One line: VALID, or REVOKED REASON-NUMBER USER. An unknown serial number is an error.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# = 1 ] || die "usage: shown.sh SERIAL"
json=$(dt_rest "/ca/$DOGTAG_API/certs/$1") || die "the CA has no certificate $1"
python3 -c '
import json, sys
record = json.loads(sys.argv[1])
fields = [record.get("Status"), record.get("RevocationReason"), record.get("RevokedBy")]
print(*[f for f in fields if f is not None])' "$json"
