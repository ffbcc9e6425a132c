# Lays out Debian's Tomcat 10.1 as Dogtag expects it from Fedora. /root/tomcat10 has the unpacked
# package tomcat10, of which only the default configuration is used.
ln -sfn /usr/share/tomcat10 /usr/share/tomcat
ln -sfn /usr/share/tomcat10/lib /usr/share/java/tomcat
mkdir -p /etc/tomcat/Catalina /usr/libexec/tomcat /etc/sysconfig/pki/tomcat
for f in catalina.properties context.xml jaspic-providers.xml logging.properties server.xml tomcat-users.xml web.xml; do
  install -m644 /root/tomcat10/usr/share/tomcat10/etc/$f /etc/tomcat/$f
done
cat /root/tomcat10/etc/tomcat10/policy.d/*.policy >/etc/tomcat/catalina.policy
printf 'JAVA_OPTS=""\n' >/etc/tomcat/tomcat.conf
/usr/share/tomcat/bin/catalina.sh version | grep 'Server version'
