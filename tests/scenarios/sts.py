"""A strict STS: it verifies who assumes a role, hands out keys that an Ecr then takes, and fails on command.

It answers as AWS does, in JSON for whoever accepts that and else in XML. See moto.py for another one, which
knows policies, but neither external ids nor web identities, and whose answers are always XML.
"""

from __future__ import annotations

import collections
import json
import secrets
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from ecr import Ecr
from http_double import Fault, Handler, Record, Tls
from signed import AwsError, Keys, Signed, make_keys

VERSION = "2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
SECONDS_DEFAULT = 3600
STATUS = dict.fromkeys(("AccessDenied", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"), 403)


@dataclass
class Role:
    """Who may assume it: the keys that are named, or whoever has one of the web identities."""

    keys: set[str] = field(default_factory=set)  # access keys, or roles whose sessions may
    external_id: str | None = None
    identities: set[str] = field(default_factory=set, repr=False)
    gone: set[str] = field(default_factory=set, repr=False)  # identities that have expired
    lifetime: float | None = None  # of a session, in seconds; None: what is asked for


@dataclass
class StsCall:
    """One call. `status` is 0 until it is answered, and stays 0 for a hang or a reset."""

    parameters: dict[str, str] = field(repr=False)
    record: Record = field(repr=False)
    error: str | None = None  # the code that it was refused with, by the checks or by a fault
    keys: Keys | None = None  # that were handed out

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.record.status


class Sts(Signed):
    """STS of one region, for the users of an Ecr. Every attribute may be changed at any time."""

    service = "sts"
    UNKNOWN_KEY = "InvalidClientTokenId"
    BAD_SIGNATURE = "SignatureDoesNotMatch"
    EXPIRED = "ExpiredToken"
    NO_SIGNATURE = "MissingAuthenticationToken"
    INCOMPLETE = "IncompleteSignature"

    def __init__(self, ecr: Ecr, *, port: int = 0, tls: Tls | None = None) -> None:
        super().__init__(port=port, tls=tls, region=ecr.region)
        self.ecr = ecr  # who is told of every session, and whose keys are taken
        self.roles: dict[str, Role] = {}  # by their ARNs
        self.sessions: dict[str, str] = {}  # access key -> the role that it is of
        self.fault: Fault | None = None
        self.calls: list[StsCall] = []
        self.may_get_tokens = True  # whether ECR takes the sessions
        self.others: dict[str, Keys] = {}  # sessions that ECR does not take
        self._lock = threading.Lock()

    def known_keys(self) -> dict[str, Keys]:
        """Users and sessions."""
        return {**self.ecr.known_keys(), **self.others}

    def answer(self, handler: Handler) -> None:
        """Verifies a request, then plays the fault or sends keys."""
        record = handler.record
        pairs = urllib.parse.parse_qsl(record.body.decode(), keep_blank_values=True)
        call = StsCall(dict(pairs), record)
        with self._lock:
            self.calls.append(call)
            number = len(self.calls)
        try:
            self._verify(record, pairs, call.parameters)
        except AwsError as error:
            self.refuse(handler, error.code, error.message)
            return
        fault = self.fault
        if fault is None or fault(handler, number) is False:
            self.send_keys(handler)

    def refuse(self, handler: Handler, code: str, message: str, status: int = 0) -> None:
        """Sends an error."""
        self._call(handler).error = code
        error = {"Code": code, "Message": message, "Type": "Sender"}
        if accepts_json(handler.record):
            body = json.dumps({"Error": error, "RequestId": secrets.token_hex(16)})
        else:
            body = f'<ErrorResponse xmlns="{NAMESPACE}"><Error>{to_xml(error)}</Error></ErrorResponse>'
        self._reply(handler, status or STATUS.get(code, 400), body)

    def send_keys(self, handler: Handler) -> None:
        """Makes a session, tells ECR, and sends it."""
        call = self._call(handler)
        seconds = float(call.parameters.get("DurationSeconds", SECONDS_DEFAULT))
        lifetime = self.roles[call.parameters["RoleArn"]].lifetime
        keys = make_keys(int(self.now() + (seconds if lifetime is None else lifetime)))
        with self._lock:
            self.sessions[keys.access_key] = call.parameters["RoleArn"]
            known = self.ecr.temporary if self.may_get_tokens else self.others
            known[keys.access_key] = keys
        call.keys = keys
        credentials: dict[str, object] = {"AccessKeyId": keys.access_key}
        credentials |= {"SecretAccessKey": keys.secret_key, "SessionToken": keys.session_token}
        action = call.parameters["Action"]
        if accepts_json(handler.record):
            credentials["Expiration"] = "EXPIRATION"
            user = {"Arn": "arn:aws:sts::1:assumed-role/a/b"}
            result = {"AssumedRoleUser": user, "Credentials": credentials}
            answer = {f"{action}Result": result, "ResponseMetadata": {"RequestId": secrets.token_hex(16)}}
            body = json.dumps({f"{action}Response": answer})
            body = body.replace('"EXPIRATION"', f"{keys.expires:.9E}".replace("E+09", "E9"))
        else:
            credentials["Expiration"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(keys.expires))
            body = f"<Credentials>{to_xml(credentials)}</Credentials>"
            body = f"<{action}Result>{body}</{action}Result>"
            body = f'<{action}Response xmlns="{NAMESPACE}">{body}</{action}Response>'
        self._reply(handler, 200, body)

    @property
    def secrets(self) -> set[str]:
        """What nobody may tell: keys and web identities."""
        told = [call.keys for call in self.calls if call.keys]
        secret = {text for keys in told for text in (keys.secret_key, keys.session_token or "")}
        return secret | {i for role in self.roles.values() for i in role.identities | role.gone}

    def _call(self, handler: Handler) -> StsCall:
        return next(call for call in reversed(self.calls) if call.record is handler.record)

    def _reply(self, handler: Handler, status: int, body: str) -> None:
        form = "application/json" if accepts_json(handler.record) else "text/xml"
        handler.reply(status, body, form, {"x-amzn-RequestId": secrets.token_hex(16)})

    # What is verified ----------------------------------------------------------------------------------

    def _verify(self, record: Record, pairs: list[tuple[str, str]], parameters: dict[str, str]) -> None:
        headers = record.headers
        twice = [name for name, n in collections.Counter(map(str.lower, headers.keys())).items() if n > 1]
        if twice or len(parameters) != len(pairs):
            raise AwsError("MalformedQueryString", f"something comes more than once: {twice}")
        if (record.method, record.target) != ("POST", "/") or headers.get("Content-Type") != CONTENT_TYPE:
            raise AwsError("InvalidAction", f"{record.method} {record.target} {headers.get('Content-Type')}")
        if parameters.get("Version") != VERSION:
            raise AwsError("InvalidAction", "Could not find operation for that version")
        action = parameters.get("Action")
        if action == "AssumeRole":
            self._verify_user(record, parameters)
        elif action == "AssumeRoleWithWebIdentity":
            self._verify_identity(record, parameters)
        else:
            raise AwsError("InvalidAction", f"Could not find operation {action}")

    def _verify_user(self, record: Record, parameters: dict[str, str]) -> None:
        verify_names(parameters, {"ExternalId"})
        keys = self.verify_signature(record, ["content-type", "host", "x-amz-date"])
        role = self.roles.get(parameters["RoleArn"])
        who = {keys.access_key, self.sessions.get(keys.access_key, "")}
        if role is None or not who & role.keys or role.external_id != parameters.get("ExternalId"):
            user = "arn:aws:iam::123456789012:user/ops"
            text = f"User: {user} is not authorized to perform: sts:AssumeRole on resource: "
            raise AwsError("AccessDenied", text + parameters["RoleArn"])

    def _verify_identity(self, record: Record, parameters: dict[str, str]) -> None:
        verify_names(parameters, {"WebIdentityToken"})
        if "Authorization" in record.headers or "X-Amz-Security-Token" in record.headers:
            raise AwsError("InvalidAction", "this call is not to be signed")
        token = parameters.get("WebIdentityToken", "")
        role = self.roles.get(parameters["RoleArn"])
        if role and token in role.gone:
            raise AwsError("ExpiredTokenException", "Token expired: current date/time must be before it")
        if token not in {identity for known in self.roles.values() for identity in known.identities}:
            raise AwsError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
        if role is None or token not in role.identities:
            raise AwsError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


def verify_names(parameters: dict[str, str], own: set[str]) -> None:
    """Raises AwsError unless the parameters are those of a session, and these."""
    needed = {"Action", "Version", "RoleArn", "RoleSessionName"}
    left = set(parameters) - needed - own - {"DurationSeconds"}
    if needed - set(parameters) or left:
        raise AwsError("ValidationError", f"parameters: {sorted(left)}")
    if not parameters.get("DurationSeconds", "900").isdigit():
        raise AwsError("ValidationError", "DurationSeconds")


def accepts_json(record: Record) -> bool:
    """Whether the answer is to be JSON."""
    return bool(record.headers.get("Accept") == "application/json")


def to_xml(values: dict[str, object]) -> str:
    """Elements, one for each."""
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())
