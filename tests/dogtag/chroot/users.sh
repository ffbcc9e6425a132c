# Adds LDAP users; all but bob share a secret with the CA.
if ! ldap ldapsearch -LLL -s base -b cn=schema attributeTypes | grep -qi shrTok; then
  ldap ldapmodify <<X
dn: cn=schema
changetype: modify
add: attributeTypes
attributeTypes: ( shrTok-oid NAME 'shrTok' DESC 'CMC shared token' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 X-ORIGIN 'user defined' )
X
fi
people=ou=people,dc=lab,dc=test
ldap ldapsearch -s base -b "$people" dn >/dev/null 2>&1 || ldap ldapadd <<X
dn: $people
objectClass: organizationalUnit
ou: people
X
for u in alice:alicesecret carol:carol-secret dave:"a passphrase with spaces" bob:; do
  name=${u%%:*}
  secret=${u#*:}
  ldap ldapdelete "uid=$name,$people" 2>/dev/null || :
  {
    printf 'dn: uid=%s,%s\nobjectClass: inetOrgPerson\nobjectClass: extensibleObject\n' "$name" "$people"
    printf 'uid: %s\ncn: %s lab\nsn: lab\nmail: %s@lab.test\n' "$name" "$name" "$name"
    if [ -n "$secret" ]; then
      printf 'userPassword: %s\nshrTok: %s\n' "$secret" "$(token "$secret")"
    fi
  } | ldap ldapadd
done
