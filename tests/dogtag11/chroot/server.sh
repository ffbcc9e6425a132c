# Sourced by systemctl: how this version's unit starts Tomcat for the instance $1.
# The unit's ExecStartPre lines, needed only after installing.
pk_prepare() {
  runuser -u pkiuser -- /usr/sbin/pki-server upgrade "$1"
  runuser -u pkiuser -- /usr/sbin/pki-server migrate "$1"
}
# Prints the script that becomes the server; the options are those of `pki-server run`.
pk_command() {
  cat <<E
set -a
. /usr/share/pki/etc/tomcat.conf
[ -r /etc/tomcat/tomcat.conf ] && . /etc/tomcat/tomcat.conf
NAME=$1
[ -r /etc/sysconfig/$1 ] && . /etc/sysconfig/$1
. /usr/share/pki/etc/pki.conf
. /etc/pki/pki.conf
B=/var/lib/pki/$1
cd \$B
exec \$JAVA_HOME/bin/java --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.io=ALL-UNNAMED \\
  --add-opens java.base/java.util=ALL-UNNAMED --add-opens java.base/java.util.concurrent=ALL-UNNAMED \\
  --add-opens java.rmi/sun.rmi.transport=ALL-UNNAMED \\
  -classpath /usr/share/tomcat/bin/bootstrap.jar:/usr/share/tomcat/bin/tomcat-juli.jar \\
  -Dcatalina.base=\$B -Dcatalina.home=/usr/share/tomcat -Djava.endorsed.dirs= -Djava.io.tmpdir=\$B/temp \\
  -Djava.util.logging.config.file=\$B/conf/logging.properties \\
  -Djava.util.logging.manager=org.apache.juli.ClassLoaderLogManager -Xmx768m \$JAVA_OPTS \\
  org.apache.catalina.startup.Bootstrap start
E
}
