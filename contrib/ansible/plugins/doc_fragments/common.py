# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment(object):
    DOCUMENTATION = r'''
options:
  executable:
    description: The program nss-cmc, as a path or as a name on the PATH.
    type: path
    default: nss-cmc
  config:
    description: Configuration file. By default C(nss-cmc) reads the system's and the user's.
    type: path
  database:
    description:
      - NSS database directory (C(cert9.db), C(key4.db)).
      - Required unless the configuration file names it.
    type: path
  password:
    description: Password of the database. It is passed on standard input.
    type: str
  password_file:
    description: File with the password of the database in its first line, or one line C(token:password) for each token.
    type: path
requirements:
  - nss-cmc on the host
notes:
  - The JSON of C(nss-cmc) is the module's result. C(error.kind) and C(error.hint) describe a failure.
author:
  - The nss-cmc authors (@dogtagpki)
'''
