"""Where containers and EC2 instances get their keys: a strict IMDSv2 and a container endpoint."""

from __future__ import annotations

import json
import re
import secrets
import time

from ecr import Ecr
from http_double import Double, Fault, Handler
from signed import Keys, make_keys

ROLES = "/latest/meta-data/iam/security-credentials/"
CONTAINER = "/v2/credentials/a%20b?id=1"
TTL_MAX = 21600


class Metadata(Double):
    """Both endpoints. Every attribute may be changed at any time."""

    def __init__(self, ecr: Ecr, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.ecr = ecr  # who is told of the keys
        self.role = "ops-instance@1"  # of the instance
        self.container = CONTAINER  # where containers ask
        self.lifetime = 21600.0  # of keys, in seconds
        self.authorization = f"Basic {secrets.token_urlsafe(24)}"  # that containers have
        self.old_authorizations: set[str] = set()
        self.tokens: list[str] = []  # of IMDS
        self.keys: list[Keys] = []  # that were handed out
        self.refused: list[str] = []  # why
        self.fault: Fault | None = None

    @property
    def container_url(self) -> str:
        """For AWS_CONTAINER_CREDENTIALS_FULL_URI."""
        return self.url + self.container

    @property
    def secrets(self) -> set[str]:
        """What nobody may tell."""
        told = {text for keys in self.keys for text in (keys.secret_key, keys.session_token or "")}
        return told | set(self.tokens) | self.old_authorizations | {self.authorization.partition(" ")[2]}

    def change_authorization(self) -> str:
        """Takes another token from containers from now on, and no longer the old one."""
        self.old_authorizations.add(self.authorization.partition(" ")[2])
        self.authorization = f"Basic {secrets.token_urlsafe(24)}"
        return self.authorization

    def answer(self, handler: Handler) -> None:
        """Plays the fault, or answers if all is right."""
        fault = self.fault
        if fault is not None and fault(handler, len(self.requests)) is not False:
            return
        record = handler.record
        if record.target == self.container:
            self._answer_container(handler)
        elif (record.method, record.target) == ("PUT", "/latest/api/token"):
            self._answer_token(handler)
        elif record.method != "GET" or record.headers.get("X-aws-ec2-metadata-token") not in self.tokens:
            self._refuse(handler, 401, "no token of a PUT: version 1 is off")  # no body, as IMDS has it
        elif record.target == ROLES:
            handler.reply(200, self.role, "text/plain")
        elif record.target in (ROLES + self.role, ROLES + self.role.replace("@", "%40")):
            self._send_keys(handler, {"Code": "Success", "Type": "AWS-HMAC"})
        else:
            self._refuse(handler, 404, f"there is no {record.target}")

    def _answer_token(self, handler: Handler) -> None:
        headers = handler.record.headers
        seconds = headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if "X-Forwarded-For" in headers:
            self._refuse(handler, 403, "through a proxy")
        elif not re.fullmatch("[0-9]+", seconds) or not 1 <= int(seconds) <= TTL_MAX:
            self._refuse(handler, 400, f"a token for {seconds} s")
        else:
            self.tokens.append(secrets.token_urlsafe(40) + "==")
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": seconds}
            handler.reply(200, self.tokens[-1], "text/plain", headers)

    def _answer_container(self, handler: Handler) -> None:
        record = handler.record
        if record.method != "GET" or record.headers.get("Authorization") != self.authorization:
            body = json.dumps({"code": "AccessDenied", "message": "the authorization token is not known"})
            self._refuse(handler, 403, "the authorization token", body)
        else:
            self._send_keys(handler, {"RoleArn": "arn:aws:iam::123456789012:role/pod"})

    def _refuse(self, handler: Handler, status: int, why: str, body: str = "") -> None:
        self.refused.append(why)
        handler.reply(status, body, "application/json" if body else "text/plain")

    def _send_keys(self, handler: Handler, more: dict[str, str]) -> None:
        keys = make_keys(int(self.now() + self.lifetime))
        self.keys.append(keys)
        self.ecr.temporary[keys.access_key] = keys
        body = {**more, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
        body["Token"] = keys.session_token or ""
        body["Expiration"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(keys.expires))
        handler.reply(200, json.dumps(body, indent=2))
