# UID: adds a user to EST's realm, or replaces it. The user's certificate is read from standard
# input, as PEM; without one the user has a password only.
uid=$1 base=dc=est,dc=lab,dc=test
pem=$(cat)
# part NAME: subject or issuer, as the realm compares it
part() { openssl x509 -noout "-$1" -nameopt RFC2253,-esc_msb <<<"$pem" | sed 's/^[a-z]*= *//; s/emailAddress=/E=/'; }
ldap ldapdelete "uid=$uid,ou=people,$base" 2>/dev/null || :
{
  printf 'dn: uid=%s,ou=people,%s\n' "$uid" "$base"
  printf 'objectClass: %s\n' top person organizationalPerson inetOrgPerson cmsuser
  printf '%s: %s\n' uid "$uid" sn "$uid" cn "$uid" usertype undefined userPassword "$DOGTAG_PASSWORD"
  if [ -n "$pem" ]; then
    serial=$(openssl x509 -noout -serial <<<"$pem")
    serial=$(python3 -c 'import sys; print(int(sys.argv[1], 16))' "${serial#*=}")
    printf 'description: 2;%s;%s;%s\n' "$serial" "$(part issuer)" "$(part subject)"
    printf 'userCertificate:: %s\n' "$(openssl x509 -outform der <<<"$pem" | base64 -w0)"
  fi
} | ldap ldapadd
# fails if the group has the user already
ldap ldapmodify <<E 2>/dev/null || :
dn: cn=EST Users,ou=groups,$base
changetype: modify
add: uniqueMember
uniqueMember: uid=$uid,ou=people,$base
E
