# Adds the LDAP realm of EST, then EST itself to the CA's instance; can run again.
sed 's/dc=est,dc=pki,dc=example,dc=com/dc=est,dc=lab,dc=test/' /usr/share/pki/est/conf/realm/ds/create.ldif |
  ldap ldapadd -c || :
[ ! -d "/var/lib/pki/$DOGTAG_INSTANCE/est" ] || pkidestroy -s EST -i "$DOGTAG_INSTANCE" --force || :
pkispawn -v -s EST -f /root/est.cfg
