"""A strict ECR endpoint: it verifies every request with botocore, hands out tokens and fails on command.

By hand: /usr/bin/python3 tests/scenarios/ecr.py [--port N]
"""

from __future__ import annotations

import argparse
import base64
import collections
import json
import math
import secrets
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

import faults
from http_double import Fault, Handler, Record, Tls
from signed import AwsError, Keys, Signed

CONTENT_TYPE = "application/x-amz-json-1.1"
PRIVATE_TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
PUBLIC_TARGET = "SpencerFrontendService.GetAuthorizationToken"


@dataclass
class Call:
    """One call. `status` is 0 until it is answered, and stays 0 for a hang or a reset."""

    time: float  # of time.monotonic()
    error: str | None = None  # the code that the call was refused with, by the checks or by a fault
    token: str | None = field(default=None, repr=False)  # the authorizationToken that was sent
    record: Record | None = field(default=None, repr=False)

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.record.status if self.record else 0


class Ecr(Signed):
    """The ECR API of one region, or ECR Public's. Every attribute may be changed at any time."""

    def __init__(
        self, *, port: int = 0, tls: Tls | None = None, region: str = "eu-west-1", public: bool = False
    ) -> None:
        super().__init__(port=port, tls=tls, region="us-east-1" if public else region)
        self.public = public
        self.access_key = "AKIAEATRTEST00000001"
        self.secret_key = base64.b64encode(secrets.token_bytes(30)).decode()
        self.session_token: str | None = None  # expected exactly when set
        self.temporary: dict[str, Keys] = {}  # others that are taken, by their access key
        self.lifetime = 43200.0  # of a token, in seconds
        self.proxy_endpoint = f"https://123456789012.dkr.ecr.{region}.amazonaws.com"
        self.fault: Fault | None = None
        self.calls: list[Call] = []
        self.tokens: list[str] = []  # every token that was sent, good or bad
        self.last_token: str | None = None  # the last one that is good
        self._lock = threading.Lock()

    @property
    def service(self) -> str:  # type: ignore[override]
        """The service's name in the credential scope."""
        return "ecr-public" if self.public else "ecr"

    def add_temporary_keys(
        self, access_key: str, secret_key: str, session_token: str, expires: float = math.inf
    ) -> None:
        """From now on ECR takes these keys as well, with exactly this token, until they expire."""
        self.temporary[access_key] = Keys(access_key, secret_key, session_token, expires)

    def answer(self, handler: Handler) -> None:
        """Verifies a request, then plays the fault or sends a token."""
        call = Call(time.monotonic(), record=handler.record)
        with self._lock:
            self.calls.append(call)
            number = len(self.calls)
        try:
            self._verify(handler.record)
        except AwsError as error:
            self.refuse(handler, error.code, error.message)
            return
        fault = self.fault
        if fault is None or fault(handler, number) is False:
            self.send_token(handler, good=handler.edit is None and handler.truncate is None)

    def refuse(self, handler: Handler, code: str, message: str, status: int = 400) -> None:
        """Sends an error."""
        self._call(handler).error = code
        self._reply(handler, status, json.dumps({"__type": code, "message": message}))

    def send_token(
        self,
        handler: Handler,
        *,
        expires_at: str | None = None,
        token: str | None = None,
        good: bool | None = None,
    ) -> None:
        """Sends a token; `expires_at` is raw JSON. What is given makes it a bad one, unless `good`."""
        if good is None:
            good = expires_at is None and token is None
        token = token or base64.b64encode(b"AWS:" + secrets.token_urlsafe(1800).encode()).decode()
        expires_at = expires_at or f"{self.now() + self.lifetime:.3f}"
        data = {"authorizationToken": token, "expiresAt": "EXPIRES_AT"}
        if not self.public:
            data["proxyEndpoint"] = self.proxy_endpoint
        body = {"authorizationData": data if self.public else [data]}
        text = json.dumps(handler.edit(body) if handler.edit else body, separators=(",", ":"))
        with self._lock:
            self.tokens.append(token)
            self.last_token = token if good else self.last_token
        self._call(handler).token = token
        self._reply(handler, 200, text.replace('"EXPIRES_AT"', expires_at))

    def _call(self, handler: Handler) -> Call:
        return next(call for call in reversed(self.calls) if call.record is handler.record)

    def _reply(self, handler: Handler, status: int, body: str) -> None:
        handler.reply(status, body, CONTENT_TYPE, {"x-amzn-RequestId": secrets.token_hex(16)})

    def _verify(self, record: Record) -> None:
        """Raises AwsError unless the request is exactly what ECR wants from these credentials now."""
        headers = record.headers
        twice = [name for name, n in collections.Counter(map(str.lower, headers.keys())).items() if n > 1]
        if twice:
            raise AwsError("ValidationException", f"these headers come more than once: {', '.join(twice)}")
        target = PUBLIC_TARGET if self.public else PRIVATE_TARGET
        if record.method != "POST" or record.target != "/" or headers.get("X-Amz-Target") != target:
            raise AwsError("UnknownOperationException", "")
        if headers.get("Content-Type") != CONTENT_TYPE:
            raise AwsError("SerializationException", f"Content-Type is {headers.get('Content-Type')}")
        self.verify_signature(record, ["content-type", "host", "x-amz-date", "x-amz-target"])
        try:
            body = json.loads(record.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise AwsError("SerializationException", "the body is not a JSON object")

    def known_keys(self) -> dict[str, Keys]:
        """Its own, and the temporary ones."""
        own = Keys(self.access_key, self.secret_key, self.session_token)
        return {**self.temporary, own.access_key: own}


def main() -> None:
    """Serves until interrupted; prints what belongs into eatr.conf."""
    parser = argparse.ArgumentParser(
        description="A stand-in for ECR; only what is signed rightly gets a token."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--lifetime", type=float, default=43200, help="of a token, in seconds")
    parser.add_argument(
        "--fault", help="the name of a fault in faults.py that needs no argument, such as 'hang'"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves nothing behind either
    with Ecr(port=options.port, region=options.region) as ecr:
        ecr.lifetime = options.lifetime
        ecr.fault = getattr(faults, options.fault)() if options.fault else None
        print(f"[aws]\nregion = {ecr.region}\naws_access_key_id = {ecr.access_key}")
        print(f"aws_secret_access_key = {ecr.secret_key}\nendpoint_url = {ecr.url}", flush=True)
        seen = 0
        try:
            while True:
                time.sleep(0.2)
                for call in ecr.calls[seen:]:
                    print(f"# call {seen + 1}: {call.status} {call.error or 'a token'}", flush=True)
                    seen += 1
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
