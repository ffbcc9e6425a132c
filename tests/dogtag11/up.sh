#!/bin/bash
# Compiles, installs and starts a Dogtag 11.10 CA, KRA and EST on loopback, in a chroot of Debian sid
# without systemd. DOGTAG11_SOURCE names the archive of Dogtag's source. Finished steps leave a stamp
# and are skipped next time, so this also starts a stopped CA, and does nothing for a running one.
# The last line has the CA's URL. The exit code is 3 if a step failed that depends on what sid's
# packages are today, 4 if there is no source.
set -e
DOGTAG_LAB=11
. "$(dirname "$(readlink -f "$0")")/../dogtag/lib.sh"
need_root
if [ ! -e "$DOGTAG_STAMPS/35-build" ] && [ ! -r "$DOGTAG11_SOURCE" ]; then
  echo "no source of Dogtag 11.10: set DOGTAG11_SOURCE to a pki-*.tar.xz (tests/dogtag11/README.md)" >&2
  exit 4
fi
. "$DOGTAG_HERE/steps.sh"

packages() {
  # the suite that still has all of Tomcat 10.1
  local from older=trixie
  from=${DOGTAG_MIRROR:-$(mirror)}
  echo "deb $from $older main" >"$DOGTAG_ROOT/etc/apt/sources.list.d/tomcat.list"
  printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n' $older >"$DOGTAG_ROOT/etc/apt/preferences.d/lab"
  # the lists of a snapshot mirror have expired
  echo 'Acquire::Check-Valid-Until "false";' >"$DOGTAG_ROOT/etc/apt/apt.conf.d/98lab"
  dt_chroot apt-get update -qq
  # shellcheck disable=SC2046 # a list
  dt_chroot apt-get install -y $(cat "$DOGTAG_OWN/packages.txt")
  dt_chroot sh -ec 'rm -rf /root/tomcat10; mkdir /root/tomcat10; cd /root/tomcat10; chown _apt .
    apt-get download tomcat10; dpkg-deb -x tomcat10_*.deb .'
  dt_chroot dpkg-divert --local --rename --add /usr/bin/systemctl
  dt_chroot apt-get clean
}
build() {
  cp "$DOGTAG11_SOURCE" "$DOGTAG_ROOT/root/source.tar"
  dt_script build.sh /root/source.tar
  dt_script tomcat.sh
  rm -rf "$DOGTAG_ROOT/root/build" "$DOGTAG_ROOT/root/source.tar"
}
est() {
  start_ca
  config est.cfg
  dt_script est.sh
}
client() {
  start_ca
  rm -rf "$DOGTAG_CLIENT"
  dt_script client.sh
  local pw=$DOGTAG_CLIENT/password.txt
  mkdir -p "$DOGTAG_DB"
  certutil -N -d "sql:$DOGTAG_DB" -f "$pw"
  certutil -A -d "sql:$DOGTAG_DB" -f "$pw" -n ca_signing -t CT,C,C -i "$DOGTAG_CLIENT/ca_signing.pem"
  pk12util -i "$DOGTAG_CLIENT/ca_admin_cert.p12" -d "sql:$DOGTAG_DB" -k "$pw" -w "$pw"
  dt_script protect.sh
}
est_users() {
  dt_script est-device.sh
  local nick
  for nick in caadmin est-device; do
    certutil -L -d "sql:$DOGTAG_DB" -n $nick -a | dt_script est-user.sh $nick
  done
  dt_script est-user.sh est-test-user </dev/null
}

step_fails=3
host debootstrap curl openssl python3 certutil >"$DOGTAG_LOG/host.log" 2>&1 || {
  echo "FAILED, see $DOGTAG_LOG/host.log" >&2
  exit $step_fails
}
step 20-bootstrap debootstrap "debootstrap sid" bootstrap sid ca-certificates,procps,xz-utils
dt_mount
dt_hosts
step 30-packages apt "389-ds, OpenJDK 21, JSS, NSS, Tomcat 10.1" packages
install_systemctl
step 35-build build "Dogtag from $(basename "$DOGTAG11_SOURCE")" build
step 40-ds ds "directory server" directory
dt_chroot systemctl start dirsrv@lab
step 50-ca pkispawn-ca "CA" subsystem CA "$DOGTAG_INSTANCE"
step 60-kra pkispawn-kra "KRA" subsystem KRA "$DOGTAG_INSTANCE/kra"
step 65-est pkispawn-est "EST" est
step_fails=
step 70-client client "client database, issuance protection certificate" client
step 80-configure configure "CMC settings and profiles" configure
say "start"
start_ca
step 90-users users "users with shared secrets" dt_script users.sh
step 95-est-users est-users "users of EST" est_users
step 96-java java "class data archive of the Java tools" dt_script java.sh
[ -s "$DOGTAG_CLIENT/caadmin.pem" ] || dt_script agent-pem.sh
up
