"""What the doubles of AWS's services share: they verify a request's signature with botocore, as AWS does."""

from __future__ import annotations

import base64
import calendar
import hmac
import math
import re
import secrets
import time
from dataclasses import dataclass, field

from botocore.auth import SigV4Auth  # type: ignore[import]
from botocore.awsrequest import AWSRequest  # type: ignore[import]
from botocore.credentials import Credentials  # type: ignore[import]

from http_double import Double, Record, Tls

ISO_BASIC = "%Y%m%dT%H%M%SZ"
SKEW = 300  # seconds that AWS allows between a request's clock and its own
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class AwsError(Exception):
    """A request that a service refuses, with the code and the text that AWS has for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True)
class Keys:
    """An access key, and until when AWS takes it; temporary ones come with a session token."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires: float = math.inf  # in seconds of the epoch, by AWS's clock


class Signed(Double):
    """A service of one region that wants SigV4."""

    service = ""  # in the credential scope
    UNKNOWN_KEY = "UnrecognizedClientException"  # the codes, which are not the same everywhere
    BAD_SIGNATURE = "InvalidSignatureException"
    EXPIRED = "ExpiredTokenException"
    NO_SIGNATURE = "MissingAuthenticationTokenException"
    INCOMPLETE = "IncompleteSignatureException"

    def __init__(self, *, port: int = 0, tls: Tls | None = None, region: str) -> None:
        super().__init__(port=port, tls=tls)
        self.region = region

    def known_keys(self) -> dict[str, Keys]:
        """All that are taken, by their access key."""
        raise NotImplementedError

    def verify_signature(self, record: Record, needed: list[str]) -> Keys:
        """Gives the keys that a request is signed with; these headers, and a session token, must be signed.
        Raises AwsError unless all is as AWS wants it from these keys now."""
        headers = record.headers
        if "Authorization" not in headers:
            raise AwsError(self.NO_SIGNATURE, "Missing Authentication Token")
        match = AUTHORIZATION.fullmatch(headers["Authorization"])
        if match is None:
            raise AwsError(self.INCOMPLETE, "the Authorization header is malformed")
        key, date, region, service, names, signature = match.groups()
        keys = self._find_keys(key, headers.get("X-Amz-Security-Token"))
        self._verify_date(headers.get("X-Amz-Date", ""), date)
        if region != self.region:
            raise self._bad("Credential should be scoped to a valid region. ")
        if service != self.service:
            raise self._bad(f"Credential should be scoped to correct service: '{self.service}'. ")
        needed = needed + (["x-amz-security-token"] if keys.session_token else [])
        for name in needed:
            if name not in names.split(";"):
                raise self._bad(f"'{name}' must be a 'SignedHeader' in the AWS Authorization header")
        right = self._signature(record, names.split(";"), region, service, keys)
        if not hmac.compare_digest(right, signature):
            raise self._bad(
                "The request signature we calculated does not match the signature you provided. Check your"
                " AWS Secret Access Key and signing method. Consult the service documentation for details."
            )
        return keys

    def _bad(self, message: str) -> AwsError:
        """Everything wrong with signature, scope and clock."""
        return AwsError(self.BAD_SIGNATURE, message)

    def _find_keys(self, access_key: str, session_token: str | None) -> Keys:
        keys = self.known_keys().get(access_key)
        if keys is None or keys.session_token != session_token:
            raise AwsError(self.UNKNOWN_KEY, "The security token included in the request is invalid.")
        if keys.expires <= self.now():
            raise AwsError(self.EXPIRED, "The security token included in the request is expired")
        return keys

    def _verify_date(self, stamp: str, scope_date: str) -> None:
        if re.fullmatch(r"\d{8}T\d{6}Z", stamp) is None:
            raise AwsError(
                self.INCOMPLETE, f"Date must be in ISO-8601 basic format: '{stamp}'"
            )
        if stamp[:8] != scope_date:
            raise self._bad(f"Date in Credential scope does not match: '{scope_date}' != '{stamp[:8]}'")
        signed, now = calendar.timegm(time.strptime(stamp, ISO_BASIC)), self.now()
        if signed < now - SKEW:
            limit = f"{_iso(now - SKEW)} ({_iso(now)} - 5 min.)"
            raise self._bad(f"Signature expired: {stamp} is now earlier than {limit}")
        if signed > now + SKEW:
            limit = f"{_iso(now + SKEW)} ({_iso(now)} + 5 min.)"
            raise self._bad(f"Signature not yet current: {stamp} is still later than {limit}")

    def _signature(self, record: Record, signed: list[str], region: str, service: str, keys: Keys) -> str:
        """What botocore calculates for this request and these keys' secret."""
        request = AWSRequest("POST", f"https://{record.headers.get('Host')}/", data=record.body)
        for name in signed:
            if name in record.headers:
                request.headers[name] = record.headers[name]
        request.context["timestamp"] = record.headers["X-Amz-Date"]
        auth = SigV4Auth(Credentials(keys.access_key, keys.secret_key), service, region)
        return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


def make_keys(expires: float = math.inf) -> Keys:
    """New temporary ones."""
    return Keys(
        "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
        base64.b64encode(secrets.token_bytes(30)).decode(),
        base64.b64encode(secrets.token_bytes(300)).decode(),
        expires,
    )


def access_key_of(record: Record) -> str:
    """The id of the key that a request is signed with, or ""."""
    match = AUTHORIZATION.fullmatch(record.headers.get("Authorization", ""))
    return match[1] if match else ""


def _iso(when: float) -> str:
    return time.strftime(ISO_BASIC, time.gmtime(when))
