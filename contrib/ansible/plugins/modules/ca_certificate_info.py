#!/usr/bin/python
# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: ca_certificate_info
short_description: Search the records of a CA
description:
  - Searches the CA's certificates by its REST interface.
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
  name:
    description: Common name in the subject.
    type: str
  status:
    description: State in the CA's records.
    type: str
  issued_by:
    description: User id of the agent that issued the certificate.
    type: str
  size:
    description: Number of certificates to return at most.
    type: int
'''

EXAMPLES = r'''
- name: Find the valid certificates of a host
  dogtagpki.nss_cmc.ca_certificate_info:
    database: /root/nssdb
    ca: https://ca.example.com:8443
    name: www.example.com
    status: valid
'''

RETURN = r'''
certificates:
  description: The certificates, each with serial number, subject, validity and state.
  type: list
  elements: dict
  returned: success
error:
  description: Kind, exit code, whether trying again may help, HTTP details, and a hint.
  type: dict
  returned: failure
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dogtagpki.nss_cmc.plugins.module_utils._nss_cmc import CA, COMMON, run


def facts(reply):
    """Adds the certificates to the result."""
    reply['certificates'] = (reply.get('result') or {}).get('certificates', [])


def main():
    module = AnsibleModule(
        argument_spec=dict(
            COMMON,
            name=dict(type='str'),
            status=dict(type='str'),
            issued_by=dict(type='str'),
            size=dict(type='int'),
            **CA
        ),
        mutually_exclusive=[('password', 'password_file')],
        supports_check_mode=True,
    )
    run(module, ['ca', 'find'], then=facts)


if __name__ == '__main__':
    main()
