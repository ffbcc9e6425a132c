#!/usr/bin/python
# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r'''
---
module: certificate_revoke
short_description: Revoke a certificate, put it on hold, or release it
description:
  - Looks the certificate up in the CA's records, requests the revocation with CMC, and checks the records again.
  - A certificate that has the requested state is left alone.
extends_documentation_fragment:
  - dogtagpki.nss_cmc.common
  - dogtagpki.nss_cmc.ca
attributes:
  check_mode:
    description: Queries the CA's records and sends no request.
    support: full
  diff_mode:
    description: The result has the state in the CA's records.
    support: none
options:
  nickname:
    description: Nickname of the certificate to revoke.
    type: str
  serial:
    description: Serial number of the certificate to revoke (decimal, or C(0x) and hexadecimal).
    type: str
  cert:
    description: File on the host with the certificate to revoke.
    type: path
  signer:
    description: Nickname of the agent's or owner's certificate that signs the request.
    type: str
  signer_db:
    description: NSS database with the signer's certificate and key, if it is not O(database).
    type: path
  shared_secret:
    description: The shared secret of the certificate. It is passed on standard input.
    type: str
  shared_secret_file:
    description: File with the shared secret in its first line.
    type: path
  reason:
    description: Reason, such as V(superseded) or V(keyCompromise).
    type: str
  hold:
    description: Put the certificate on hold.
    type: bool
  release:
    description: Release the certificate from hold.
    type: bool
  comment:
    description: Comment for the CA's records.
    type: str
  token:
    description: PKCS 11 token with the signer's key.
    type: str
'''

EXAMPLES = r'''
- name: Revoke the certificate of a host that was removed
  dogtagpki.nss_cmc.certificate_revoke:
    database: /root/nssdb
    password_file: /root/nssdb/pin.txt
    ca: https://ca.example.com:8443
    signer: caadmin
    serial: "0x1f"
    reason: cessationOfOperation
'''

RETURN = r'''
status:
  description:
    - V(revoked), V(held), V(released) or V(unchanged).
    - In check mode V(would_revoke), V(would_hold), V(would_release) or V(unchanged).
  type: str
  returned: success
result:
  description: Serial number, subject, issuer, validity, reason, and the state in the CA's records.
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
            nickname=dict(type='str'),
            serial=dict(type='str'),
            cert=dict(type='path'),
            signer=dict(type='str'),
            signer_db=dict(type='path'),
            shared_secret=dict(type='str', no_log=True),
            shared_secret_file=dict(type='path', no_log=False),
            reason=dict(type='str'),
            hold=dict(type='bool'),
            release=dict(type='bool'),
            comment=dict(type='str'),
            token=dict(type='str', no_log=False),
            **CA
        ),
        mutually_exclusive=[
            ('password', 'password_file'),
            ('shared_secret', 'shared_secret_file', 'signer'),
            ('hold', 'release'),
            ('serial', 'cert'),
        ],
        required_one_of=[('nickname', 'serial', 'cert')],
        supports_check_mode=True,
    )
    run(module, ['revoke'], check=True)


if __name__ == '__main__':
    main()
