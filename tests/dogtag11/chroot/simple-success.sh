# true|false: whether a success is a response with certificates only (cmc.response.useSimpleOnSuccess)
pki-server ca-config-set -i "$DOGTAG_INSTANCE" cmc.response.useSimpleOnSuccess "$1"
systemctl restart "pki-tomcatd@$DOGTAG_INSTANCE"
