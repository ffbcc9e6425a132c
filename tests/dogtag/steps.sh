# Sourced by the two up.sh: steps that run once, and those that both have.
mkdir -p "$DOGTAG_STAMPS" "$DOGTAG_LOG"
exec 9>"$DOGTAG_BASE/lock"
flock 9 # one run at a time

say() { printf '[%4ds] %s\n' $SECONDS "$*"; }
# Returns the Debian mirror of this machine's apt.
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -1
}
# step STAMP LOG DESCRIPTION COMMAND...: runs the command once. The exit code after a failure is
# $step_fails, or 1.
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
  [ $rc = 0 ] || { tail -5 "$log" >&2; echo "FAILED, see $log" >&2; exit "${step_fails:-1}"; }
  touch "$stamp"
}
config() { install -m644 "$(dt_file "$1")" "$DOGTAG_ROOT/root/$1"; }
start_ca() { dt_chroot systemctl start "pki-tomcatd@$DOGTAG_INSTANCE" && dt_wait_ca; }

host() { # PROGRAM...: the packages of these names, where the program is missing
  local p missing=()
  # apt doesn't wait for the other up.sh
  exec 8>/run/lock/dogtag-packages
  flock 8
  for p in "$@"; do
    command -v "$p" >/dev/null || missing+=("$p")
  done
  # the package of certutil
  missing=("${missing[@]/#certutil/libnss3-tools}")
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  if [ ${#missing[@]} != 0 ]; then
    apt-get update -qq && apt-get install -y --no-install-recommends "${missing[@]}" || return
  fi
  exec 8>&-
}
bootstrap() { # SUITE PACKAGES
  dt_umount # what an interrupted run left; rm would follow a bind mount
  rm -rf --one-file-system "$DOGTAG_ROOT"
  local from=${DOGTAG_MIRROR:-$(mirror)}
  [ -n "$from" ] || die "this is not a Debian machine: set DOGTAG_MIRROR to a Debian mirror"
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --include="$2" "$1" "$DOGTAG_ROOT" "$from"
  # packages start no services; no recommended packages; no fsync
  printf '#!/bin/sh\nexit 101\n' >"$DOGTAG_ROOT/usr/sbin/policy-rc.d"
  chmod 755 "$DOGTAG_ROOT/usr/sbin/policy-rc.d"
  cat >"$DOGTAG_ROOT/etc/apt/apt.conf.d/99lab" <<E
APT::Install-Recommends "false";
Acquire::Languages "none";
E
  cat >"$DOGTAG_ROOT/etc/dpkg/dpkg.cfg.d/lab" <<E
force-unsafe-io
force-confnew
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
E
  mkdir -p "$DOGTAG_ROOT/usr/share/man/man1"
}
install_systemctl() {
  install -m755 "$DOGTAG_HERE/chroot/systemctl" "$DOGTAG_ROOT/usr/bin/systemctl"
  install -D -m644 "$DOGTAG_OWN/chroot/server.sh" "$DOGTAG_ROOT/usr/local/lib/lab/server.sh"
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
configure() {
  dt_chroot systemctl stop "pki-tomcatd@$DOGTAG_INSTANCE"
  dt_chroot python3 -c "$(cat "$DOGTAG_HERE/chroot/configure.py")"
  : >"$DOGTAG_ROOT/etc/lab-fast-restart" # from now on a start may skip upgrade and migrate
}
up() { say "up: $DOGTAG_URL/ca database=$DOGTAG_DB nickname=caadmin password-file=$DOGTAG_CLIENT/password.txt"; }
