# Makes the directory server listen on loopback only.
ldap ldapmodify <<X
dn: cn=config
changetype: modify
replace: nsslapd-listenhost
nsslapd-listenhost: 127.0.0.1
X
