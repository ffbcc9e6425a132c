# Copyright (c) the nss-cmc authors
# MIT License
# SPDX-License-Identifier: MIT
"""Runs nss-cmc. A module's parameters are a request of nss-cmc, and its JSON is the module's result."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json

SCHEMA = 'nss-cmc/1'

# Parameters that all modules have; documented in doc_fragments/common.py.
COMMON = dict(
    executable=dict(type='path', default='nss-cmc'),
    config=dict(type='path'),
    database=dict(type='path'),
    password=dict(type='str', no_log=True),
    password_file=dict(type='path', no_log=False),
)

# How to reach a CA; documented in doc_fragments/ca.py.
CA = dict(
    ca=dict(type='str'),
    proxy=dict(type='str'),
    connect_timeout=dict(type='int'),
    timeout=dict(type='int'),
)


def run(module, verb, check=False, diff=False, then=None):
    """Runs a verb with the module's parameters, and ends the module.

    check: the verb has --check; diff: it has --diff; a verb without --check changes nothing.
    then: a function that adds to the result of a success.
    """
    params = dict(module.params)
    executable = params.pop('executable')
    argv = [executable if '/' in executable else module.get_bin_path(executable, required=True)]
    if params.get('config') is not None:
        argv += ['--config', params['config']]
    params.pop('config', None)
    request = dict((k, v) for k, v in params.items() if v is not None)
    argv += verb + ['--request', '-', '--output', 'json']
    if check and module.check_mode:
        argv.append('--check')
    if diff and module._diff:
        argv.append('--diff')
    rc, out, err = module.run_command(argv, data=json.dumps(request), binary_data=False)
    try:
        reply = json.loads(out)
        schema = reply.get('schema')
    except (ValueError, AttributeError):
        module.fail_json(msg='%s printed no JSON: %s' % (executable, (err or out).strip()), rc=rc)
    if schema != SCHEMA:
        module.fail_json(
            msg='%s has the JSON schema %s; this collection needs %s' % (executable, schema, SCHEMA),
            rc=rc,
        )
    for warning in reply.pop('warnings', []):
        module.warn(warning)
    if not reply.get('diff'):
        reply.pop('diff', None)
    hint = (reply.get('error') or {}).get('hint')
    if reply['failed'] and hint:
        reply['msg'] = '%s (hint: %s)' % (reply['msg'], hint)
    reply['rc'] = rc
    if reply.pop('failed'):
        module.fail_json(**reply)
    if then:
        then(reply)
    module.exit_json(**reply)
