#!/bin/bash
# Starts a second CA beside the first, whose own keys are ML-DSA-65; installs it the first time, which
# takes about two minutes. Its TLS and agent keys are RSA. `mldsa-ca.sh stop` stops it.
DOGTAG_LAB=11
. "$(dirname "$(readlink -f "$0")")/../dogtag/lib.sh"
need_root
need_up
case $1 in
  '') ;;
  stop) dt_chroot systemctl stop pki-tomcatd@pki-mldsa; exit ;;
  *) die "usage: mldsa-ca.sh [stop]" ;;
esac
install -m644 "$DOGTAG_OWN/chroot/mldsa-ca.cfg" "$DOGTAG_ROOT/root/mldsa-ca.cfg"
dt_script mldsa-ca.sh || exit 1
dt_wait_ca 10080 || exit 1
echo "up: https://$DOGTAG_HOST:10443/ca database=$DOGTAG_WORK/mldsa-ca/nssdb (made by the chroot's NSS)"
