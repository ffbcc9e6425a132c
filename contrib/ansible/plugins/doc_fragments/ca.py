# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment(object):
    DOCUMENTATION = r'''
options:
  ca:
    description:
      - URL of the CA (C(https://host:port)), or the name of a section in the configuration file.
      - Required unless the configuration file has a default.
    type: str
  proxy:
    description: URL of a proxy, without user and password.
    type: str
  connect_timeout:
    description: Timeout for a connection, in seconds.
    type: int
  timeout:
    description: Timeout for request and response together, in seconds.
    type: int
'''
