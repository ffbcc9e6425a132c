#!/usr/bin/python3
# Changes the CMC settings and profiles, in the chroot, with the PKI server stopped. Can run again.
import os
import pwd
import re
import shutil

HOST = os.environ["DOGTAG_HOST"]
PW = os.environ["DOGTAG_PASSWORD"]
ETC = "/etc/pki/pki-tomcat"
CS = ETC + "/ca/CS.cfg"
PROF = "/var/lib/pki/pki-tomcat/ca/profiles/ca"
uid, gid = pwd.getpwnam("pkiuser")[2:4]


def load(path):
    out = {}
    for line in open(path, encoding="utf-8"):
        k, sep, v = line.rstrip("\n").partition("=")
        if sep:
            out[k] = v
    return out


def save(path, d):
    with open(path, "w", encoding="utf-8") as f:
        for k in sorted(d):
            f.write("%s=%s\n" % (k, d[k]))
    os.chown(path, uid, gid)
    os.chmod(path, 0o660)


def edit(path, pattern, replacement):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(pattern, replacement, text))


cs = load(CS)

# --- shared secret (proof of identity without a certificate, and unsigned revocation)
st = "auths.instance.SharedToken."
cs.update({
    st + "pluginName": "SharedToken",
    st + "dnpattern": "",
    st + "ldapByteAttributes": "",
    st + "ldapStringAttributes": "",
    st + "shrTokAttr": "shrTok",
    st + "ldap.basedn": "ou=people,dc=lab,dc=test",
    st + "ldap.minConns": "",
    st + "ldap.maxConns": "",
    st + "ldap.ldapauth.authtype": "BasicAuth",
    st + "ldap.ldapauth.bindDN": "cn=Directory Manager",
    st + "ldap.ldapauth.bindPWPrompt": "Rule SharedToken",
    st + "ldap.ldapauth.clientCertNickname": "",
    st + "ldap.ldapconn.host": HOST,
    st + "ldap.ldapconn.port": os.environ["DOGTAG_LDAP"],
    st + "ldap.ldapconn.secureConn": "false",
    st + "ldap.ldapconn.version": "3",
    "ca.cert.issuance_protection.nickname": "ca_issuance_protection",
    "cmc.sharedSecret.class": "com.netscape.cms.authentication.SharedSecret",
    "cmc.token": "internal",
    "cmc.popLinkWitnessRequired": "false",
    "cmc.bypassClientAuth": "false",
})
# the audit log also records signatures that are valid
for e in ("CMC_SIGNED_REQUEST_SIG_VERIFY", "CMC_USER_SIGNED_REQUEST_SIG_VERIFY"):
    cs.pop("log.instance.SignedAudit.filters." + e, None)
tags = cs.get("cms.passwordlist", "internaldb,replicationdb").split(",")
if "Rule SharedToken" not in tags:
    cs["cms.passwordlist"] = ",".join(tags + ["Rule SharedToken"])

# --- profiles: all CMC profiles are enabled. Three names are missing in this release: two that
# other releases use for the EC profiles, and the default profile of the servlet
# profileSubmitSelfSignedCMCFull.
alias = {
    "caCMCECCserverCert": "caCMCECserverCert",
    "caCMCECCsubsystemCert": "caCMCECsubsystemCert",
    "caFullCMCSelfSignedCert": "caFullCMCSharedTokenCert",
}
names = cs["profile.list"].split(",")
for new, old in alias.items():
    dst = "%s/%s.cfg" % (PROF, new)
    shutil.copyfile("%s/%s.cfg" % (PROF, old), dst)
    os.chown(dst, uid, gid)
    cs["profile.%s.class_id" % new] = "caEnrollImpl"
    cs["profile.%s.config" % new] = dst
    if new not in names:
        names.append(new)
cs["profile.list"] = ",".join(names)
for f in sorted(os.listdir(PROF)):
    if "CMC" in f and f.endswith(".cfg"):
        edit(PROF + "/" + f, r"(?m)^enable=.*$", "enable=true")
# the shipped profile's validity is as long as the CA's own, and so always fails with "Request Not
# After Invalid"; a shorter default works
edit(PROF + "/caCMCcaCert.cfg", r"(?m)^(policyset\.caCertSet\.2\.default\.params\.range)=.*$", r"\1=3650")
save(CS, cs)

# --- bind password of the shared token plugin
with open(ETC + "/password.conf", "r+", encoding="utf-8") as f:
    if "Rule SharedToken=" not in f.read():
        f.write("Rule SharedToken=%s\n" % PW)

# --- a server log with the reason of each refusal
for sub in ("ca", "kra"):
    edit(
        "/usr/share/pki/%s/webapps/%s/WEB-INF/classes/logging.properties" % (sub, sub),
        r"(?m)^(org\.dogtagpki|com\.netscape|netscape)\.level = .*$",
        r"\1.level = FINE",
    )

# --- listen on loopback only
edit(
    ETC + "/server.xml",
    r'(<Connector\b(?![^>]*\baddress=)[^>]*?\bport="(?:%s|%s)")'
    % (os.environ["DOGTAG_HTTP"], os.environ["DOGTAG_HTTPS"]),
    r'\1 address="127.0.0.1"',
)
