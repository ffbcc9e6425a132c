# Sourced by systemctl: how this version's unit starts Tomcat for the instance $1.
# The unit's ExecStartPre lines, needed only after installing.
pk_prepare() {
  runuser -u pkiuser -- /usr/sbin/pki-server upgrade "$1"
  runuser -u pkiuser -- /usr/sbin/pki-server migrate "$1" --tomcat 9.0.00
  runuser -u pkiuser -- /usr/bin/pkidaemon start "$1"
}
# Prints the script that becomes the server.
pk_command() {
  cat <<E
set -a
. /usr/share/pki/etc/tomcat.conf
CATALINA_HOME=/usr/share/tomcat9
NAME=$1
[ -r /etc/default/$1 ] && . /etc/default/$1
. /usr/share/pki/etc/pki.conf
. /etc/pki/pki.conf
exec /bin/sh /usr/share/pki/tomcat-start.sh
E
}
