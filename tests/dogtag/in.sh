#!/bin/bash
# Runs a command in the chroot, as root: in.sh CMD ARGS... The working directory is the same if it
# is below the shared work folder, else /root.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
need_up
case $PWD/ in "$DOGTAG_WORK"/*) dir=$PWD ;; *) dir=/root ;; esac
dt_chroot /bin/sh -c 'cd "$0" && exec "$@"' "$dir" "$@"
