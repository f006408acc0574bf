"""Runs in moto's own Python, see moto.py: serves AWS's API on a port and tells of every call on stdout.

stdin has one line of JSON: {"port", "region", "users": {NAME: POLICY}, "roles": {ARN: POLICY},
"token_seconds", "session_seconds"}. The first line of stdout is {NAME: [KEY ID, SECRET KEY]}, once it listens;
then comes a line for each call, before its answer is sent. What moto itself logs is on stderr.
"""

import io
import json
import os
import sys
import time
import urllib.parse
import xml.etree.ElementTree

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"  # from the first call on, each has to be signed and allowed

from moto.core.responses import ActionAuthenticatorMixin
from moto.ecr.responses import ECRResponse
from moto.iam.models import iam_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sts.models import STSBackend
from werkzeug.serving import make_server

HOME_ACCOUNT = "123456789012"
UNSIGNED = "AssumeRoleWithWebIdentity"


def document(statements):
    """A policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow_unsigned():
    """A call with a web identity is not signed; moto wants a signature on it too."""
    check = ActionAuthenticatorMixin._authenticate_and_authorize_action

    def patched(self, *arguments, **keywords):
        if self._get_action() != UNSIGNED:
            check(self, *arguments, **keywords)

    ActionAuthenticatorMixin._authenticate_and_authorize_action = patched


def change_expiry(seconds):
    """Tokens run out after so many seconds, and not in 2015."""
    get = ECRResponse.get_authorization_token

    def patched(self):
        answer = json.loads(get(self))
        for entry in answer["authorizationData"]:
            entry["expiresAt"] = time.time() + seconds
        return json.dumps(answer)

    ECRResponse.get_authorization_token = patched


def change_sessions(seconds):
    """Sessions of roles last so many seconds, whatever is asked for."""
    assume = STSBackend.assume_role

    def patched(self, **keywords):
        return assume(self, **{**keywords, "duration": seconds})

    STSBackend.assume_role = patched


def make_users(region, users):
    """Each with a key: name -> (id, secret)."""
    keys = {}
    backend = iam_backends[HOME_ACCOUNT]["aws"]
    for name, policy in users.items():
        backend.create_user(region, name)
        if policy:
            backend.put_user_policy(name, "policy", document(policy))
        key = backend.create_access_key(name)
        keys[name] = (key.access_key_id, key.secret_access_key)
    return keys


def make_roles(roles):
    """Each in the account that its ARN names; moto does not look at who may assume it."""
    trust = [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]
    for arn, policy in roles.items():
        account, name = arn.split(":")[4], arn.split("/")[-1]
        backend = iam_backends[account]["aws"]
        backend.create_role(name, document(trust), "/", None, "", [], None)
        if policy:
            backend.put_role_policy(name, "policy", document(policy))


def told(environ, body, status, answer):
    """A call, for the tests."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    form = dict(urllib.parse.parse_qsl(body.decode(errors="replace"))) if not target else {}
    found = []
    if answer.lstrip().startswith(b"<"):
        elements = xml.etree.ElementTree.fromstring(answer).iter()
        found = [(element.tag.rpartition("}")[2], element.text) for element in elements]
    return {
        "service": scope[3] if len(scope) == 5 else "sts" if form.get("Action") == UNSIGNED else "",
        "action": target.rpartition(".")[2] or form.pop("Action", ""),
        "status": status,
        "key": scope[0],
        "region": scope[2] if len(scope) == 5 else "",
        "parameters": form,
        "error": dict(found).get("Code"),
        "secrets": [text for name, text in found if name in ("SecretAccessKey", "SessionToken")],
    }


class Recorder:
    """A WSGI application that tells of the calls of another one."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        """Reads a request ahead, and the answer to its end."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        started = []

        def start(status, headers, exc_info=None):
            started[:] = [status, headers]
            return None

        answer = b"".join(self.application(environ, start))
        status, headers = started
        call = told(environ, body, int(status.split()[0]), answer)
        os.write(1, json.dumps(call).encode() + b"\n")  # whole, whichever thread it comes from
        start_response(status, headers)
        return [answer]


def main():
    """Serves until it is killed."""
    wanted = json.loads(sys.stdin.readline())
    allow_unsigned()
    if wanted["token_seconds"] is not None:
        change_expiry(wanted["token_seconds"])
    if wanted["session_seconds"] is not None:
        change_sessions(wanted["session_seconds"])
    keys = make_users(wanted["region"], wanted["users"])
    make_roles(wanted["roles"])
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", wanted["port"], Recorder(application), threaded=True)
    os.write(1, json.dumps(keys).encode() + b"\n")
    server.serve_forever()


main()
