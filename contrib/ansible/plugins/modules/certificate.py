#!/usr/bin/python
# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: certificate
short_description: Keep a certificate of Dogtag PKI in an NSS database
description:
  - Generates a key in the NSS database, requests its certificate from the CA with CMC, and imports it.
  - A certificate that matches the parameters and is valid long enough is left alone.
  - When it is near its end, it is renewed. When it does not match the parameters, it is replaced.
extends_documentation_fragment:
  - dogtagpki.nss_cmc.common
  - dogtagpki.nss_cmc.ca
attributes:
  check_mode:
    description: Reads the database; sends nothing to the CA, but for a query of its records.
    support: full
  diff_mode:
    description: Shows subject, names, serial number, issuer, validity, key type and trust.
    support: full
options:
  nickname:
    description: Nickname of the certificate.
    type: str
    required: true
  subject:
    description: Subject, the most specific part first.
    type: str
    required: true
  dns:
    description: DNS names to request.
    type: list
    elements: str
  ip:
    description: IP addresses to request.
    type: list
    elements: str
  email:
    description: E-mail addresses to request.
    type: list
    elements: str
  profile:
    description: Enrollment profile of the CA. Required unless the configuration file names it.
    type: str
  signer:
    description: Nickname of the certificate that signs the request (an agent, or the user).
    type: str
  signer_db:
    description: NSS database with the signer's certificate and key, if it is not O(database).
    type: path
  identification:
    description: User id at the CA, for a request that a shared secret authenticates.
    type: str
  shared_secret:
    description: The shared secret. It is passed on standard input.
    type: str
  shared_secret_file:
    description: File with the shared secret in its first line.
    type: path
  key_type:
    description: Type of the new key, such as V(rsa:3072) or V(ec:nistp256).
    type: str
  token:
    description: PKCS 11 token for the new key.
    type: str
  trust:
    description: Trust flags for the certificate, as certutil writes them.
    type: str
  renew_before:
    description: Renew a certificate that expires within this time, such as V(30d) or V(12h).
    type: str
  renew_on_change:
    description: Replace a certificate that does not match. If V(false), that is a failure.
    type: bool
    default: true
  renew_revoked:
    description: Query the CA's records, and replace a certificate that is revoked.
    type: bool
  reuse_key:
    description: Renew with the same key.
    type: bool
  require_names:
    description: Fail if the certificate lacks a requested name; it is not imported then.
    type: bool
  force:
    description: Request a new certificate in any case.
    type: bool
  chain_out:
    description: File for the certificate and its chain (PEM).
    type: path
  wait:
    description: How long to wait for a request that the CA has not decided, such as V(10m).
    type: str
'''

EXAMPLES = r'''
- name: Keep the certificate of the web server
  dogtagpki.nss_cmc.certificate:
    database: /etc/httpd/alias
    password_file: /etc/httpd/alias/pin.txt
    ca: https://ca.example.com:8443
    profile: caCMCserverCert
    signer: caadmin
    nickname: Server-Cert
    subject: CN=www.example.com,O=EXAMPLE
    dns: [www.example.com]
    renew_before: 30d
  notify: Reload httpd

- name: Enroll a user's first certificate with a shared secret
  dogtagpki.nss_cmc.certificate:
    database: /home/alice/nssdb
    password: "{{ database_password }}"
    ca: https://ca.example.com:8443
    profile: caFullCMCSharedTokenCert
    identification: alice
    shared_secret: "{{ shared_secret }}"
    nickname: alice
    subject: CN=alice
'''

RETURN = r'''
status:
  description:
    - V(issued), V(renewed), V(recovered), V(updated) or V(unchanged).
    - V(pending) if the CA has accepted the request and not decided it; the next run asks for the decision.
    - In check mode V(would_issue), V(would_renew), V(would_update) or V(unchanged).
  type: str
  returned: success
result:
  description: Nickname, token, certificate (PEM, subject, issuer, serial, validity, names), chain and key id.
  type: dict
  returned: always
error:
  description: Kind, exit code, whether trying again may help, NSS and CMC details, and a hint.
  type: dict
  returned: failure
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dogtagpki.nss_cmc.plugins.module_utils._nss_cmc import CA, COMMON, run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            COMMON,
            nickname=dict(type='str', required=True),
            subject=dict(type='str', required=True),
            dns=dict(type='list', elements='str'),
            ip=dict(type='list', elements='str'),
            email=dict(type='list', elements='str'),
            profile=dict(type='str'),
            signer=dict(type='str'),
            signer_db=dict(type='path'),
            identification=dict(type='str'),
            shared_secret=dict(type='str', no_log=True),
            shared_secret_file=dict(type='path', no_log=False),
            key_type=dict(type='str', no_log=False),
            token=dict(type='str', no_log=False),
            trust=dict(type='str'),
            renew_before=dict(type='str'),
            renew_on_change=dict(type='bool', default=True),
            renew_revoked=dict(type='bool'),
            reuse_key=dict(type='bool', no_log=False),
            require_names=dict(type='bool'),
            force=dict(type='bool'),
            chain_out=dict(type='path'),
            wait=dict(type='str'),
            **CA
        ),
        mutually_exclusive=[
            ('password', 'password_file'),
            ('shared_secret', 'shared_secret_file'),
            ('signer', 'identification'),
        ],
        supports_check_mode=True,
    )
    run(module, ['enroll'], check=True, diff=True)


if __name__ == '__main__':
    main()
