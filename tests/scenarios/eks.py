"""Tokens of EKS, verified as aws-iam-authenticator does for the API server, and as STS does for that.

EksWebhook is what an API server of EKS asks about a token (authentication.k8s.io/v1, TokenReview).
"""

from __future__ import annotations

import base64
import calendar
import hmac
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.auth import SigV4QueryAuth  # type: ignore[import]
from botocore.awsrequest import AWSRequest  # type: ignore[import]
from botocore.credentials import Credentials  # type: ignore[import]

from http_double import Double, Handler
from signed import ISO_BASIC, Keys

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
TOKEN_MAX = 4096  # bytes that aws-iam-authenticator reads
LIFE = 15 * 60  # seconds that STS takes a request for
SKEW = 5 * 60
PARAMETERS = {
    *("action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires"),
    *("x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"),
}
HOSTS = re.compile(r"sts\.([a-z0-9-]+)\.amazonaws\.com")  # of the partition aws


class BadToken(Exception):
    """Why a token is not taken."""


@dataclass
class Token:
    """What is in one."""

    url: urllib.parse.SplitResult = field(repr=False)
    parameters: dict[str, str] = field(repr=False)

    @property
    def credential(self) -> list[str]:
        """Access key, date, region, service, "aws4_request"."""
        return self.parameters["X-Amz-Credential"].split("/")

    @property
    def time(self) -> float:
        """When it was made, in seconds of the epoch."""
        return calendar.timegm(time.strptime(self.parameters["X-Amz-Date"], ISO_BASIC))


def read(text: str) -> Token:
    """Takes one apart, as pkg/token/token.go of aws-iam-authenticator does."""
    if len(text) > TOKEN_MAX or not text.startswith(PREFIX):
        raise BadToken("too large, or without its prefix")
    encoded = text[len(PREFIX) :]
    if re.fullmatch("[A-Za-z0-9_-]+", encoded) is None or len(encoded) % 4 == 1:
        raise BadToken("not base64 for URLs without padding")
    url = urllib.parse.urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)
    parameters = dict(pairs)
    if url.scheme != "https" or url.path != "/" or url.fragment:
        raise BadToken(f"{url.scheme} {url.path}")
    if len(parameters) != len(pairs) or {name.lower() for name in parameters} - PARAMETERS:
        raise BadToken(f"parameters {[name for name, _ in pairs]}")
    if (parameters.get("Action"), parameters.get("Version")) != ("GetCallerIdentity", "2011-06-15"):
        raise BadToken("another action")
    if not 0 <= int(parameters["X-Amz-Expires"]) <= 60:
        raise BadToken("X-Amz-Expires")
    return Token(url, parameters)


def verify(text: str, cluster: str, known: Callable[[str], Keys | None], now: float) -> Keys:
    """Gives the keys that a token is signed with, or raises BadToken."""
    token = read(text)
    host = HOSTS.fullmatch(token.url.netloc)
    access_key, date, region, service, end = token.credential
    if host is None or (region, service, end) != (host[1], "sts", "aws4_request"):
        raise BadToken(f"{token.url.netloc}: {token.credential[1:]}")
    if not -SKEW <= now - token.time <= LIFE or token.parameters["X-Amz-Date"][:8] != date:
        raise BadToken(f"X-Amz-Date {token.parameters['X-Amz-Date']}, {now - token.time:.0f} s old")
    keys = known(access_key)
    if keys is None or keys.session_token != token.parameters.get("X-Amz-Security-Token"):
        raise BadToken("unknown keys")
    if keys.expires <= now:
        raise BadToken("the session has ended")
    if not hmac.compare_digest(_signature(token, cluster, keys, region), token.parameters["X-Amz-Signature"]):
        raise BadToken("the signature is another one")
    return keys


def _signature(token: Token, cluster: str, keys: Keys, region: str) -> str:
    """What botocore calculates, if the cluster's name is what the caller sends with the request."""
    if token.parameters["X-Amz-SignedHeaders"].split(";") != ["host", CLUSTER_HEADER]:
        raise BadToken(token.parameters["X-Amz-SignedHeaders"])
    query = token.url.query.rpartition("&X-Amz-Signature=")[0]
    request = AWSRequest("GET", f"https://{token.url.netloc}/?{query}", headers={CLUSTER_HEADER: cluster})
    request.context["timestamp"] = token.parameters["X-Amz-Date"]
    auth = SigV4QueryAuth(Credentials(keys.access_key, keys.secret_key), "sts", region)
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


def make(cluster: str, region: str, keys: Keys) -> str:
    """A new one, made with botocore."""
    url = f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url, headers={CLUSTER_HEADER: cluster})
    credentials = Credentials(keys.access_key, keys.secret_key, keys.session_token)
    SigV4QueryAuth(credentials, "sts", region, expires=60).add_auth(request)
    return PREFIX + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")


class EksWebhook(Double):
    """Tells an API server whose tokens are good. Every attribute may be changed at any time."""

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self.cluster = cluster
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Is as in the beginning."""
        self.clock_offset = 0.0
        self.known: dict[str, Keys] = {}
        self.find: Callable[[str], Keys | None] = self.known.get
        self.user = ""  # whom everybody is
        self.seen: list[Token] = []  # those that were good, each once
        self.refused: list[str] = []  # why
        self._texts: set[str] = set()
        self._revoked: set[str] = set()

    def take(self, keys: Keys, user: str) -> None:
        """Takes tokens of these keys from now on."""
        self.known[keys.access_key] = keys
        self.user = user

    def revoke(self) -> None:
        """Takes none of the tokens any more that were good until now."""
        with self._lock:
            self._revoked |= self._texts

    def kubeconfig(self) -> str:
        """For --authentication-token-webhook-config-file."""
        cluster = {"name": "webhook", "cluster": {"server": self.url}}
        context = {"name": "webhook", "context": {"cluster": "webhook", "user": "api"}}
        users = [{"name": "api", "user": {}}]
        kinds = {"apiVersion": "v1", "kind": "Config", "current-context": "webhook"}
        return json.dumps({**kinds, "clusters": [cluster], "contexts": [context], "users": users})

    def answer(self, handler: Handler) -> None:
        """Reviews a token."""
        review = json.loads(handler.record.body)
        handler.reply(200, json.dumps({**review, "status": self._review(review["spec"]["token"])}))

    def _review(self, text: str) -> dict[str, object]:
        try:
            if text in self._revoked:
                raise BadToken("it was revoked")
            verify(text, self.cluster, self.find, self.now())
        except (BadToken, ValueError, KeyError) as error:
            with self._lock:
                self.refused.append(str(error))
            return {"authenticated": False, "error": str(error)}
        with self._lock:
            if text not in self._texts:
                self._texts.add(text)
                self.seen.append(read(text))
        return {"authenticated": True, "user": {"username": self.user, "groups": ["eks"]}}
