#!/bin/bash
# Stops the CA; --purge also removes it, with the client database and everything below work.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
if [ -x "$DOGTAG_ROOT/bin/systemctl" ] && mountpoint -q "$DOGTAG_ROOT/proc"; then
  dt_chroot systemctl stop "pki-tomcatd@$DOGTAG_INSTANCE"
  [ "$DOGTAG_LAB" != 11 ] || dt_chroot systemctl stop pki-tomcatd@pki-mldsa
  dt_chroot systemctl stop dirsrv@lab
fi
dt_umount || die "cannot unmount everything below $DOGTAG_ROOT"
if [ "$1" = --purge ]; then
  # rm would follow a bind mount of the same file system, so check again
  [ -z "$(dt_mounts)" ] || die "still mounted: $(dt_mounts)"
  rm -rf --one-file-system "$DOGTAG_ROOT" "$DOGTAG_STAMPS" "$DOGTAG_LOG" "$DOGTAG_WORK"
fi
echo down
