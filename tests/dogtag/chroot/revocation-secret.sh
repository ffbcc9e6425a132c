# SERIAL (decimal) SECRET: sets the revocation secret in the CA's record of a certificate. The
# record's metaInfo has other values, too, so only the secret's old value is replaced.
record="cn=$1,ou=certificateRepository,ou=ca,dc=ca,dc=pki,dc=lab,dc=test"
value=$(token "$2")
old=$(ldap ldapsearch -LLL -o ldif-wrap=no -s base -b "$record" metaInfo |
  sed -n 's/^metaInfo: \(revShrTok:.*\)/\1/p')
change=$(mktemp)
trap 'rm -f "$change"' EXIT
{
  printf 'dn: %s\nchangetype: modify\n' "$record"
  [ -z "$old" ] || printf 'delete: metaInfo\nmetaInfo: %s\n-\n' "$old"
  printf 'add: metaInfo\nmetaInfo: revShrTok:%s\n' "$value"
} >"$change"
quiet ldap ldapmodify -f "$change"
