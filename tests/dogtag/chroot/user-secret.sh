# UID SECRET: sets the shared secret (attribute shrTok) of an LDAP user
value=$(token "$2")
quiet ldap ldapmodify <<X
dn: uid=$1,ou=people,dc=lab,dc=test
changetype: modify
replace: shrTok
shrTok: $value
X
