#!/bin/bash
# Installs and starts a Dogtag CA and KRA on loopback: Debian bullseye packages in a chroot, no
# systemd. Finished steps leave a stamp and are skipped next time, so this also starts a stopped CA,
# and does nothing for a running one. The last line has the CA's URL.
set -e
DOGTAG_LAB=10
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
. "$DOGTAG_HERE/steps.sh"

packages() {
  dt_chroot apt-get install -y pki-ca pki-kra pki-tools 389-ds-base time curl libbcpkix-java
  dt_chroot dpkg-divert --local --rename --add /bin/systemctl
  dt_chroot apt-get clean
}
client() {
  start_ca
  rm -rf "$DOGTAG_CLIENT"
  dt_script client.sh
  dt_script protect.sh
}

host debootstrap curl openssl python3 >"$DOGTAG_LOG/host.log" 2>&1 || die "FAILED, see $DOGTAG_LOG/host.log"
step 20-bootstrap debootstrap "debootstrap bullseye" bootstrap bullseye ca-certificates,procps
dt_mount
dt_hosts
step 30-packages apt "pki-ca, pki-kra, pki-tools, 389-ds-base" packages
install_systemctl
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
up
