#!/bin/bash
# Lists and recovers keys archived in the KRA.
#   kra.sh find [TEXT]        prints id, algorithm, bits, owner; TEXT is a part of the owner's name
#   kra.sh recover ID OUT     writes the key to OUT: PKCS #8, PEM, without a password
. "$(dirname "$(readlink -f "$0")")/lib.sh"
umask 077

# message NAME VALUE...: a key recovery request
message() {
  python3 -c '
import json, sys
a = sys.argv[1:]
print(json.dumps({"ClassName": "com.netscape.certsrv.key.KeyRecoveryRequest", "Attributes":
    {"Attribute": [{"name": n, "value": v} for n, v in zip(a[::2], a[1::2])]}}))' "$@"
}

find_keys() {
  dt_rest "/kra/$DOGTAG_API/agent/keys?size=10000&pageSize=10000&maxResults=10000" | python3 -c '
import json, sys
names = {"1.2.840.113549.1.1.1": "rsa", "1.2.840.10045.2.1": "ec"}
found = [k for k in json.load(sys.stdin)["entries"] if sys.argv[1] in k["ownerName"]]
for k in found:
    id = k["keyURL"].rsplit("/", 1)[1]
    print(id, names.get(k["algorithm"], k["algorithm"]), k["size"], k["ownerName"], sep="\t")
sys.exit(not found)' "$1"
}

# without_public FILE: prints the PKCS #8 key in FILE; an EC key without its public key, which 11.10
# encodes with an octet too many. openssl computes it again.
without_public() {
  python3 -c '
import sys

def split(b):
    """The first element of b: tag, content, rest"""
    n, at = b[1], 2
    if n & 0x80:
        at += n & 0x7F
        n = int.from_bytes(b[2:at], "big")
    return b[:1], b[at : at + n], b[at + n :]

def tlv(tag, content):
    n = len(content)
    size = bytes([n]) if n < 128 else b"\x82" + n.to_bytes(2, "big")
    return tag + size + content

with open(sys.argv[1], "rb") as f:
    key = f.read()
_, version, private = split(split(key)[1])
_, algorithm, private = split(private)
if algorithm.startswith(bytes.fromhex("06072a8648ce3d0201")):
    sequence = split(split(private)[1])[1]
    _, one, sequence = split(sequence)
    _, scalar, _ = split(sequence)
    own = tlv(b"\x30", tlv(b"\x02", one) + tlv(b"\x04", scalar))
    key = tlv(b"\x30", tlv(b"\x02", version) + tlv(b"\x30", algorithm) + tlv(b"\x04", own))
sys.stdout.buffer.write(key)' "$1"
}

# The KRA requires a recovery request, then an agent's approval; then it returns the key, wrapped
# (RFC 3394, over PKCS #7 padding) with an AES key that was encrypted for its transport key.
recover_key() {
  local id=$1 out=$2 dir request session
  dir=$(mktemp -d) || exit 1
  trap 'rm -rf "$dir"' EXIT
  request=$(dt_rest /kra/$DOGTAG_API/agent/keyrequests -d "$(message keyId "$id")" |
    grep -o 'keyrequests/[0-9]*' | head -1) || die "no recovery request for key $id"
  request=${request#*/}
  dt_rest "/kra/$DOGTAG_API/agent/keyrequests/$request/approve" -X POST || die "not approved"
  openssl rand -out "$dir/session" 16
  openssl x509 -in "$DOGTAG_CLIENT/kra_transport.pem" -noout -pubkey >"$dir/transport"
  session=$(openssl pkeyutl -encrypt -pubin -inkey "$dir/transport" -in "$dir/session" | base64 -w0)
  # payloadEncryptionOID (AES-128-CBC) also sets the type of the session key
  dt_rest /kra/$DOGTAG_API/agent/keys/retrieve -d "$(message keyId "$id" requestId "$request" \
    transWrappedSessionKey "$session" payloadEncryptionOID 2.16.840.1.101.3.4.1.2)" >"$dir/answer" ||
    die "the KRA does not hand out key $id"
  python3 -c '
import base64, json, sys
answer = json.load(sys.stdin)
assert answer["wrapAlgorithm"] == "AES KeyWrap/Padding", answer["wrapAlgorithm"]
sys.stdout.buffer.write(base64.b64decode(answer["wrappedPrivateData"]))' <"$dir/answer" >"$dir/wrapped" &&
    openssl enc -d -id-aes128-wrap -iv a6a6a6a6a6a6a6a6 -in "$dir/wrapped" -out "$dir/key" \
      -K "$(od -An -v -tx1 "$dir/session" | tr -d ' \n')" &&
    without_public "$dir/key" >"$dir/plain" &&
    openssl pkey -inform der -in "$dir/plain" -out "$out" || die "key $id cannot be unwrapped"
}

set -o pipefail
case $1 in
  find) find_keys "$2" ;;
  recover) [ $# = 3 ] || die "usage: kra.sh recover ID OUT"; recover_key "$2" "$3" ;;
  *) die "usage: kra.sh find [TEXT] | recover ID OUT" ;;
esac
