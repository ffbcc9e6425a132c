#!/bin/bash
# Installs and starts a Dogtag CA and KRA on loopback: Debian bullseye packages in a chroot, no
# systemd. Finished steps leave a stamp and are skipped next time, so this also starts a stopped CA,
# and does nothing for a running one. The last line has the CA's URL.
set -e
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
mkdir -p "$DOGTAG_STAMPS" "$DOGTAG_LOG"
exec 9>"$DOGTAG_BASE/lock"
flock 9 # one run at a time

say() { printf '[%4ds] %s\n' $SECONDS "$*"; }
# Returns the Debian mirror of this machine's apt.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -1
}
# step STAMP LOG DESCRIPTION COMMAND...: runs the command once
step() {
  local stamp=$DOGTAG_STAMPS/$1 log=$DOGTAG_LOG/$2.log
  [ ! -e "$stamp" ] || return 0
  say "$3"
  shift 3
  # a separate subshell: set -e has no effect inside the condition of an if
  set +e
  (set -e; "$@") >"$log" 2>&1
  local rc=$?
  set -e
  [ $rc = 0 ] || { tail -5 "$log" >&2; die "FAILED, see $log"; }
  touch "$stamp"
}
config() { install -m644 "$DOGTAG_HERE/chroot/$1" "$DOGTAG_ROOT/root/$1"; }
start_ca() { dt_chroot systemctl start "pki-tomcatd@$DOGTAG_INSTANCE" && dt_wait_ca; }

host() {
  local p missing=()
  for p in debootstrap curl openssl python3; do
    command -v $p >/dev/null || missing+=("$p")
  done
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  [ ${#missing[@]} = 0 ] && return
  apt-get update -qq &&
    apt-get install -y --no-install-recommends "${missing[@]}"
}
bootstrap() {
  dt_umount # what an interrupted run left; rm would follow a bind mount
  rm -rf --one-file-system "$DOGTAG_ROOT"
  local from=${DOGTAG_MIRROR:-$(mirror)}
  [ -n "$from" ] || die "this is not a Debian machine: set DOGTAG_MIRROR to a Debian mirror"
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include=ca-certificates,procps bullseye "$DOGTAG_ROOT" "$from"
  # packages start no services; no recommended packages; no fsync
  printf '#!/bin/sh\nexit 101\n' >"$DOGTAG_ROOT/usr/sbin/policy-rc.d"
  chmod 755 "$DOGTAG_ROOT/usr/sbin/policy-rc.d"
  cat >"$DOGTAG_ROOT/etc/apt/apt.conf.d/99lab" <<X
APT::Install-Recommends "false";
Acquire::Languages "none";
X
  cat >"$DOGTAG_ROOT/etc/dpkg/dpkg.cfg.d/lab" <<X
force-unsafe-io
force-confnew
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
X
  mkdir -p "$DOGTAG_ROOT/usr/share/man/man1"
}
packages() {
  dt_chroot apt-get install -y pki-ca pki-kra pki-tools 389-ds-base time curl
  dt_chroot dpkg-divert --local --rename --add /bin/systemctl
  dt_chroot apt-get clean
}
directory() {
  [ ! -d "$DOGTAG_ROOT/etc/dirsrv/slapd-lab" ] || dt_chroot dsctl lab remove --do-it
  config ds.inf
  dt_chroot dscreate -v from-file /root/ds.inf
  dt_script loopback.sh
  dt_chroot systemctl restart dirsrv@lab
}
subsystem() { # CA|KRA FOLDER-THAT-IS-THERE-AFTER-A-FAILED-RUN
  [ "$1" = CA ] || start_ca
  [ ! -d "$DOGTAG_ROOT/var/lib/pki/$2" ] || dt_chroot pkidestroy -s "$1" -i "$DOGTAG_INSTANCE" --force || :
  config "${1,,}.cfg"
  dt_chroot pkispawn -v -s "$1" -f "/root/${1,,}.cfg"
}
client() {
  start_ca
  rm -rf "$DOGTAG_CLIENT"
  dt_script client.sh
  dt_script protect.sh
}
configure() {
  dt_chroot systemctl stop "pki-tomcatd@$DOGTAG_INSTANCE"
  dt_chroot python3 -c "$(cat "$DOGTAG_HERE/chroot/configure.py")"
  : >"$DOGTAG_ROOT/etc/lab-fast-restart" # from now on a start may skip upgrade and migrate
}

host >"$DOGTAG_LOG/host.log" 2>&1 || die "FAILED, see $DOGTAG_LOG/host.log"
step 20-bootstrap debootstrap "debootstrap bullseye" bootstrap
dt_mount
dt_hosts
step 30-packages apt "pki-ca, pki-kra, pki-tools, 389-ds-base" packages
install -m755 "$DOGTAG_HERE/chroot/systemctl" "$DOGTAG_ROOT/bin/systemctl"
step 40-ds ds "directory server" directory
dt_chroot systemctl start dirsrv@lab
step 50-ca pkispawn-ca "CA" subsystem CA "$DOGTAG_INSTANCE"
step 60-kra pkispawn-kra "KRA" subsystem KRA "$DOGTAG_INSTANCE/kra"
step 70-client client "client database, issuance protection certificate" client
step 80-configure configure "CMC settings and profiles" configure
say "start"
start_ca
step 90-users users "users with shared secrets" dt_script users.sh
step 95-java java "class data archive of the Java tools" dt_script java.sh
[ -s "$DOGTAG_CLIENT/caadmin.pem" ] || dt_script agent-pem.sh
say "up: $DOGTAG_URL/ca database=$DOGTAG_DB nickname=caadmin password-file=$DOGTAG_CLIENT/password.txt"
