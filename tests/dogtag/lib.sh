# Sourced by the scripts in this folder and in ../dogtag11. DOGTAG_LAB selects the CA: 10 (the
# default) or 11.
DOGTAG_HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
die() { echo "$*" >&2; exit 1; }
case ${DOGTAG_LAB:-10} in
  10) . "$DOGTAG_HERE/dogtag.env" ;;
  11) . "$DOGTAG_HERE/../dogtag11/dogtag.env" ;;
  *) die "DOGTAG_LAB is $DOGTAG_LAB; it must be 10 or 11" ;;
esac
DOGTAG_ROOT=$DOGTAG_BASE/root       # the chroot
DOGTAG_STAMPS=$DOGTAG_BASE/stamps   # one file per finished step of up.sh
DOGTAG_LOG=$DOGTAG_BASE/log
DOGTAG_WORK=$DOGTAG_BASE/work       # the one folder with the same path inside and outside
DOGTAG_CLIENT=$DOGTAG_WORK/client
DOGTAG_DB=$DOGTAG_CLIENT/nssdb      # client NSS database; the agent is nickname caadmin
DOGTAG_URL=https://$DOGTAG_HOST:$DOGTAG_HTTPS
DOGTAG_INSTANCE=pki-tomcat
DOGTAG_PASSWORD=Secret.123          # every password, except the users' shared secrets

need_root() { [ "$(id -u)" = 0 ] || die "needs root (chroot, mount)"; }
need_up() { mountpoint -q "$DOGTAG_ROOT$DOGTAG_WORK" || die "the CA is not running: $DOGTAG_OWN/up.sh"; }

# Runs a command in the chroot with a clean environment. Descriptor 9 is up.sh's lock, which a
# server started here must not keep.
dt_chroot() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    DOGTAG_CLIENT="$DOGTAG_CLIENT" DOGTAG_DB="$DOGTAG_DB" DOGTAG_HOST="$DOGTAG_HOST" \
    DOGTAG_HTTP="$DOGTAG_HTTP" DOGTAG_HTTPS="$DOGTAG_HTTPS" DOGTAG_LDAP="$DOGTAG_LDAP" \
    DOGTAG_URL="$DOGTAG_URL" DOGTAG_INSTANCE="$DOGTAG_INSTANCE" DOGTAG_WORK="$DOGTAG_WORK" \
    DOGTAG_PASSWORD="$DOGTAG_PASSWORD" chroot "$DOGTAG_ROOT" "$@" 9>&-
}

# Prints the path of chroot/NAME: this version's own file, or the one for all.
dt_file() {
  if [ -e "$DOGTAG_OWN/chroot/$1" ]; then echo "$DOGTAG_OWN/chroot/$1"; else echo "$DOGTAG_HERE/chroot/$1"; fi
}

# Runs chroot/NAME in the chroot, after chroot/lib.sh. The text is an argument, so that the working
# tree needs no mount there.
dt_script() {
  local name=$1
  shift
  dt_chroot bash -c "set -e; $(cat "$DOGTAG_HERE/chroot/lib.sh" "$(dt_file "$name")")" "$name" "$@"
}

# Calls the REST interface as the agent: dt_rest PATH [curl options]
dt_rest() {
  local path=$1
  shift
  curl -sS --fail -m 60 --cacert "$DOGTAG_CLIENT/ca_signing.pem" --cert "$DOGTAG_CLIENT/caadmin.pem" \
    -H 'Accept: application/json' -H 'Content-Type: application/json' "$@" "$DOGTAG_URL$path"
}

dt_mounts() { awk -v root="$DOGTAG_ROOT/" 'index($2, root) == 1 { print $2 }' /proc/self/mounts; }

dt_mount() {
  local m
  for m in proc sys dev dev/pts; do
    mkdir -p "$DOGTAG_ROOT/$m"
    mountpoint -q "$DOGTAG_ROOT/$m" || mount --bind "/$m" "$DOGTAG_ROOT/$m"
  done
  # ns-slapd keeps a semaphore there, as its own user
  mountpoint -q "$DOGTAG_ROOT/dev/shm" || mount -t tmpfs -o mode=1777 tmpfs "$DOGTAG_ROOT/dev/shm"
  mkdir -p "$DOGTAG_WORK" "$DOGTAG_ROOT$DOGTAG_WORK"
  mountpoint -q "$DOGTAG_ROOT$DOGTAG_WORK" || mount --bind "$DOGTAG_WORK" "$DOGTAG_ROOT$DOGTAG_WORK"
}

# Unmounts everything below the chroot, the newest mount first.
dt_umount() {
  local m
  for m in $(dt_mounts | tac); do umount "$m" || return 1; done
}

dt_hosts() {
  local line="127.0.0.1 $DOGTAG_HOST ${DOGTAG_HOST%%.*}"
  grep -q "[[:space:]]$DOGTAG_HOST" /etc/hosts || echo "$line" >>/etc/hosts
  if [ "${DOGTAG_LAB:-10}" = 11 ]; then
    # the machine's own name is the CA's: pki-server asks for it
    echo "$line localhost $(hostname)" >"$DOGTAG_ROOT/etc/hosts"
  else
    cp /etc/hosts "$DOGTAG_ROOT/etc/hosts"
  fi
  cp -L /etc/resolv.conf "$DOGTAG_ROOT/etc/resolv.conf" 2>/dev/null || :
}

# Waits until the CA reports that it is running.
dt_wait_ca() {
  local end=$((SECONDS + 120))
  until curl -s -m 3 "http://$DOGTAG_HOST:${1:-$DOGTAG_HTTP}/ca/admin/ca/getStatus" | grep -q running; do
    [ $SECONDS -lt $end ] || { echo "the CA did not come up" >&2; return 1; }
    sleep 0.5
  done
}

# Prints a serial number, decimal or hexadecimal after 0x, as decimal: it may have 128 bits.
dt_decimal() {
  [[ $1 =~ ^(0x[0-9A-Fa-f]+|[1-9][0-9]*)$ ]] || die "$1: not a serial number"
  python3 -c 'import sys; print(int(sys.argv[1], 0))' "$1"
}
