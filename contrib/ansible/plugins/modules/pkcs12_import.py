#!/usr/bin/python
# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: pkcs12_import
short_description: Import the keys and certificates of a PKCS 12 file into an NSS database
description:
  - Verifies the file, decrypts its keys into the token, and stores their certificates.
  - Keys and certificates that the database has are left alone.
extends_documentation_fragment:
  - dogtagpki.nss_cmc.common
attributes:
  check_mode:
    description: Verifies the file and writes nothing.
    support: full
  diff_mode:
    description: The result names what was added.
    support: none
options:
  file:
    description: The PKCS 12 file on the host.
    type: path
    required: true
  pkcs12_password:
    description: Password of the file. It is passed on standard input.
    type: str
  pkcs12_password_file:
    description: File with the password of the PKCS 12 file in its first line.
    type: path
  nickname:
    description: Nickname for the file's one key; by default its friendly name.
    type: str
  trust_ca:
    description: Trust the CA at the top of the chain (C(CT,C,C)).
    type: bool
  ca_file:
    description: File with the certificate of that CA.
    type: path
  ca_fingerprint:
    description: SHA-256 fingerprint of that CA's certificate.
    type: str
  trust:
    description: Trust flags for the certificates with keys.
    type: str
  replace:
    description: Delete other certificates under the same nickname; their keys are kept.
    type: bool
  token:
    description: PKCS 11 token for the keys.
    type: str
'''

EXAMPLES = r'''
- name: Import the administrator's certificate, and trust the CA
  dogtagpki.nss_cmc.pkcs12_import:
    database: /root/nssdb
    password_file: /root/nssdb/pin.txt
    file: /root/.dogtag/pki-tomcat/ca_admin_cert.p12
    pkcs12_password: "{{ p12_password }}"
    nickname: caadmin
    trust_ca: true
    ca_file: /etc/pki/ca.pem
'''

RETURN = r'''
status:
  description: V(imported) or V(unchanged); in check mode V(would_import) or V(unchanged).
  type: str
  returned: success
result:
  description: The entries of the file, each with what was added, and the CAs that became trusted.
  type: dict
  returned: always
error:
  description: Kind, exit code, whether trying again may help, NSS details, and a hint.
  type: dict
  returned: failure
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dogtagpki.nss_cmc.plugins.module_utils._nss_cmc import COMMON, run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            COMMON,
            file=dict(type='path', required=True),
            pkcs12_password=dict(type='str', no_log=True),
            pkcs12_password_file=dict(type='path', no_log=False),
            nickname=dict(type='str'),
            trust_ca=dict(type='bool'),
            ca_file=dict(type='path'),
            ca_fingerprint=dict(type='str'),
            trust=dict(type='str'),
            replace=dict(type='bool'),
            token=dict(type='str', no_log=False),
        ),
        mutually_exclusive=[
            ('password', 'password_file'),
            ('pkcs12_password', 'pkcs12_password_file'),
        ],
        required_one_of=[('pkcs12_password', 'pkcs12_password_file')],
        supports_check_mode=True,
    )
    run(module, ['pkcs12', 'import'], check=True)


if __name__ == '__main__':
    main()
