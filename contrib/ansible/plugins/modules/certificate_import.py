#!/usr/bin/python
# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: certificate_import
short_description: Import a certificate into an NSS database
description:
  - Verifies a certificate and its issuers, imports them, and sets the trust flags last.
  - A certificate that is refused leaves the database as it was.
extends_documentation_fragment:
  - dogtagpki.nss_cmc.common
attributes:
  check_mode:
    description: Verifies the certificate and writes nothing.
    support: full
  diff_mode:
    description: The result names what was added.
    support: none
options:
  file:
    description: File on the host with the certificate and its issuers (PEM, DER or PKCS 7).
    type: path
    required: true
  nickname:
    description: Nickname of the certificate.
    type: str
    required: true
  usage:
    description: Usage that the certificate must be valid for, such as V(server) or V(client).
    type: str
  trust:
    description: Trust flags for the certificate. Required for a CA, such as V(CT,C,C).
    type: str
  chain_usage:
    description: Usage that the issuers in the file must be valid for.
    type: str
  chain_trust:
    description: Trust flags for the issuers in the file.
    type: str
  token:
    description: PKCS 11 token for the certificate.
    type: str
'''

EXAMPLES = r'''
- name: Trust the CA
  dogtagpki.nss_cmc.certificate_import:
    database: /etc/httpd/alias
    password_file: /etc/httpd/alias/pin.txt
    file: /etc/pki/ca.pem
    nickname: CA
    trust: CT,C,C
'''

RETURN = r'''
status:
  description: V(imported), V(completed) or V(unchanged); in check mode V(would_import) or V(unchanged).
  type: str
  returned: success
result:
  description: Nickname, usage, certificate, whether its key is in the database, and the issuers.
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
            nickname=dict(type='str', required=True),
            usage=dict(type='str'),
            trust=dict(type='str'),
            chain_usage=dict(type='str'),
            chain_trust=dict(type='str'),
            token=dict(type='str', no_log=False),
        ),
        mutually_exclusive=[('password', 'password_file')],
        supports_check_mode=True,
    )
    run(module, ['cert', 'import'], check=True)


if __name__ == '__main__':
    main()
