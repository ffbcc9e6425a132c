#!/usr/bin/python
# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: certificate_info
short_description: Show certificates of an NSS database and whether they are valid
description:
  - Shows the validity of certificates, whether the database has their keys, and, if a CA is named, whether they are revoked.
  - Without O(nickname) and O(file), all certificates with a key.
extends_documentation_fragment:
  - dogtagpki.nss_cmc.common
  - dogtagpki.nss_cmc.ca
attributes:
  check_mode:
    description: The module changes nothing.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: none
options:
  nickname:
    description: Nickname of the certificate.
    type: str
  file:
    description: File on the host with the certificate.
    type: path
  due:
    description: Time before its end from which a certificate is due for renewal, such as V(30d).
    type: str
  ocsp:
    description: Whether to query the OCSP responders that the certificates name.
    type: bool
    default: true
'''

EXAMPLES = r'''
- name: Look at the web server's certificate
  dogtagpki.nss_cmc.certificate_info:
    database: /etc/httpd/alias
    nickname: Server-Cert
    due: 14d
  register: server

- name: Warn before it ends
  ansible.builtin.debug:
    msg: The certificate is {{ server.certificates[0].status }}
  when: server.should_renew
'''

RETURN = r'''
certificates:
  description: The certificates, each with its status, key, validity, and state in the CA's records.
  type: list
  elements: dict
  returned: success
should_renew:
  description: Whether a certificate is due, expired, revoked or without its key.
  type: bool
  returned: success
error:
  description: Kind, exit code, whether trying again may help, NSS details, and a hint.
  type: dict
  returned: failure
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dogtagpki.nss_cmc.plugins.module_utils._nss_cmc import CA, COMMON, run


def facts(reply):
    """Adds the certificates and whether one is due to the result."""
    certificates = (reply.get('result') or {}).get('certificates', [])
    reply['certificates'] = certificates
    reply['should_renew'] = not all(c['serves'] for c in certificates)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            COMMON,
            nickname=dict(type='str'),
            file=dict(type='path'),
            due=dict(type='str'),
            ocsp=dict(type='bool', default=True),
            **CA
        ),
        mutually_exclusive=[('password', 'password_file'), ('nickname', 'file')],
        supports_check_mode=True,
    )
    if not module.params.pop('ocsp'):
        module.params['no_ocsp'] = True
    run(module, ['status'], then=facts)


if __name__ == '__main__':
    main()
