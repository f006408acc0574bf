"""The double of IAM Roles Anywhere against a signer of its own: only what is wholly right gets a session."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

import faults
from certificates import Issued, make_key
from ecr import Ecr
from rolesanywhere import RolesAnywhere
from test_doubles import call


@dataclass
class Ask:
    """A request for a session. What is None is made from the rest; `after` changes what was signed."""

    double: RolesAnywhere
    signer: Issued
    key: Any = None
    serial: str | None = None
    algorithm: str | None = None
    service: str = "rolesanywhere"
    region: str = "eu-west-1"
    offset: float = 0
    scope_date: str | None = None
    arns: dict[str, str] = field(default_factory=dict)
    body: Any = field(default_factory=lambda: {"durationSeconds": 900})
    unsigned: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    chain: tuple[Any, ...] | None = None
    certificate: Any = None
    method: str = "POST"
    path: str = "/sessions"
    query_for_signature: Callable[[str], str] = str
    after: Callable[[dict[str, str], str, bytes], tuple[dict[str, str], str, bytes]] | None = None

    def headers(self) -> dict[str, str]:
        """All that goes with it, but for the signature."""
        chain = self.signer.chain if self.chain is None else self.chain
        headers = {
            "content-type": "application/json",
            "host": f"127.0.0.1:{self.double.port}",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.double.now() + self.offset)),
            "x-amz-x509": encode(self.certificate or self.signer.certificate),
        }
        if chain:
            headers["x-amz-x509-chain"] = ",".join(map(encode, chain))
        return {name: value for name, value in headers.items() if name not in self.left_out}

    def query(self) -> str:
        """The canonical query."""
        double = self.double
        arns = {"profileArn": double.profile_arn, "roleArn": double.role_arn}
        arns |= {"trustAnchorArn": double.trust_anchor_arn, **self.arns}
        quoted = {name: urllib.parse.quote(arn, safe="-_.~") for name, arn in arns.items()}
        return "&".join(f"{name}={quoted[name]}" for name in sorted(quoted))

    def send(self) -> tuple[int, Any]:
        """Signs it and sends it; gives the status and the JSON that comes."""
        headers, query, body = self.headers(), self.query(), json.dumps(self.body).encode()
        signed = {name: value for name, value in sorted(headers.items()) if name not in self.unsigned}
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        digest = hashlib.sha256(body).hexdigest()
        canonical = "\n".join(
            (self.method, self.path, self.query_for_signature(query), lines, names, digest)
        )
        stamp = headers.get("x-amz-date", "20260101T000000Z")
        key = self.key or self.signer.key
        ours = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA"
        algorithm = self.algorithm or f"AWS4-X509-{ours}-SHA256"
        scope = f"{self.scope_date or stamp[:8]}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = sign(key, f"{algorithm}\n{stamp}\n{scope}\n{digest}".encode())
        serial = self.serial or str(self.signer.certificate.serial_number)
        headers["authorization"] = (
            f"{algorithm} Credential={serial}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        if self.after:
            headers, query, body = self.after(headers, query, body)
        connection = http.client.HTTPConnection("127.0.0.1", self.double.port, timeout=5)
        connection.request(self.method, f"{self.path}?{query}", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        error = answer.headers.get("x-amzn-ErrorType")
        connection.close()
        made = json.loads(text)
        if answer.status != 201:
            assert error and list(made) == ["message"]
            made["type"] = error
        return answer.status, made


def encode(certificate: Any) -> str:
    """Base64 of DER, or what is a string already."""
    if isinstance(certificate, str):
        return certificate
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def sign(key: Any, text: bytes) -> str:
    """The signature in hexadecimal."""
    if isinstance(key, rsa.RSAPrivateKey):
        return str(key.sign(text, padding.PKCS1v15(), hashes.SHA256()).hex())
    return str(key.sign(text, ec.ECDSA(hashes.SHA256())).hex())


AUTHORITY = Issued.authority()
OTHER_AUTHORITY = Issued.authority()  # of the same name
RSA = AUTHORITY.leaf(kind="rsa2048")
EC = AUTHORITY.leaf()
BELOW = AUTHORITY.intermediate(kind="rsa2048").intermediate("another").leaf(kind="p384")


@pytest.fixture
def double(ecr: Ecr) -> Iterator[RolesAnywhere]:
    """Roles Anywhere beside ECR."""
    with RolesAnywhere(AUTHORITY, ecr=ecr) as one:
        yield one
    assert not one.errors, one.errors[0]


@pytest.mark.parametrize("signer", [RSA, EC, BELOW], ids=["rsa", "ec", "chain"])
def test_gives_sessions_that_ecr_takes(double: RolesAnywhere, ecr: Ecr, signer: Issued) -> None:
    """What is right gets keys, and ECR takes these with their token only, until they expire."""
    status, made = Ask(double, signer).send()
    assert status == 201 and list(made) == ["credentialSet", "subjectArn"]
    keys = made["credentialSet"][0]["credentials"]
    session = double.sessions[-1]
    assert (keys["accessKeyId"], keys["secretAccessKey"]) == (session.access_key, session.secret_key)
    assert abs(session.expires - double.now() - 900) < 5
    assert keys["expiration"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.expires))
    assert double.calls[-1].session is session and double.calls[-1].status == 201
    names = {"aws_access_key_id": "accessKeyId", "aws_secret_access_key": "secretAccessKey"}
    options = {name: keys[member] for name, member in names.items()}
    assert call(ecr, **options) == "UnrecognizedClientException"
    assert call(ecr, **options, aws_session_token="another") == "UnrecognizedClientException"
    assert call(ecr, aws_session_token=keys["sessionToken"]) == "UnrecognizedClientException"
    options["aws_session_token"] = keys["sessionToken"]
    assert call(ecr, **options)[0]["authorizationToken"] == ecr.last_token
    assert call(ecr, **{**options, "aws_secret_access_key": "wrong"}) == "InvalidSignatureException"
    ecr.add_temporary_keys(session.access_key, session.secret_key, session.token, ecr.now() - 1)
    assert call(ecr, **options) == "ExpiredTokenException"
    assert call(ecr)[0]["authorizationToken"] == ecr.last_token


def tampered(
    header: str = "", value: str | None = None, query: tuple[str, str] = ("", ""), body: bytes | None = None
) -> Callable[[dict[str, str], str, bytes], tuple[dict[str, str], str, bytes]]:
    """Changes one thing of what was signed."""

    def change(headers: dict[str, str], old: str, data: bytes) -> tuple[dict[str, str], str, bytes]:
        changed = {**headers, **({header: value or ""} if header else {})}
        assert query[0] in old
        return changed, old.replace(*query) if query[0] else old, data if body is None else body

    return change


EXPIRED, EARLY = AUTHORITY.leaf(days=1, starts=-1.5), AUTHORITY.leaf(starts=0.5)
STRANGER, SIBLING = OTHER_AUTHORITY.leaf(), AUTHORITY.leaf()
MISNAMED = Issued(Issued.authority("another").certificate, AUTHORITY.key).leaf()
BELOW_A_LEAF = EC.leaf("below a leaf")
BELOW_EXPIRED = AUTHORITY.intermediate(days=0.001).leaf()  # it was valid for a minute

# Each is right but for one thing; what it is refused with.
REFUSED: dict[str, tuple[Issued, dict[str, Any], str]] = {
    "wrong key": (EC, {"key": make_key()}, "Invalid signature"),
    "wrong RSA key": (RSA, {"key": make_key("rsa2048")}, "Invalid signature"),
    "key of another kind": (EC, {"key": RSA.key}, "does not go with the key"),
    "algorithm of another kind": (EC, {"algorithm": "AWS4-X509-RSA-SHA256"}, "does not go with the key"),
    "algorithm unknown": (EC, {"algorithm": "AWS4-HMAC-SHA256"}, "malformed Authorization"),
    "wrong serial": (EC, {"serial": str(EC.certificate.serial_number + 1)}, "serial number"),
    "serial in hexadecimal": (EC, {"serial": f"{EC.certificate.serial_number:x}"}, "malformed Auth"),
    "serial with a nought": (EC, {"serial": f"0{EC.certificate.serial_number}"}, "serial number"),
    "another certificate": (EC, {"certificate": SIBLING.certificate}, "serial number"),
    "tampered body": (EC, {"after": tampered(body=b'{"durationSeconds": 901}')}, "Invalid signature"),
    "tampered query": (EC, {"after": tampered(query=("pull", "push"))}, "Invalid signature"),
    "longer query": (EC, {"after": tampered(query=("trust", "a=b&trust"))}, "Invalid signature"),
    "query not sorted": (
        EC,
        {"query_for_signature": lambda query: "&".join(reversed(query.split("&")))},
        "Invalid signature",
    ),
    "query not encoded": (EC, {"query_for_signature": urllib.parse.unquote}, "Invalid signature"),
    "tampered host": (EC, {"after": tampered("host", "example.com")}, "Invalid signature"),
    "tampered chain": (BELOW, {"after": tampered("x-amz-x509-chain", encode(BELOW.chain[0]))}, "Untrusted"),
    "unknown authority": (STRANGER, {}, "Untrusted"),
    "another authority's name": (MISNAMED, {}, "Untrusted"),
    "chain to an unknown authority": (OTHER_AUTHORITY.intermediate().leaf(), {}, "Untrusted"),
    "no chain": (BELOW, {"chain": ()}, "Untrusted"),
    "half a chain": (BELOW, {"chain": BELOW.chain[:1]}, "Untrusted"),
    "chain of garbage": (EC, {"chain": ("AAAA",)}, "Malformed"),
    "chain too long": (EC, {"chain": (SIBLING.certificate,) * 9}, "too long"),
    "below a leaf": (BELOW_A_LEAF, {"chain": (EC.certificate,)}, "Untrusted"),
    "an authority": (AUTHORITY, {}, "Untrusted"),
    "garbage": (EC, {"certificate": "AAAA"}, "Malformed"),
    "blanks in a certificate": (EC, {"certificate": encode(EC.certificate) + " A"}, "Malformed"),
    "expired": (EXPIRED, {}, "expired"),
    "not yet valid": (EARLY, {}, "not yet valid"),
    "expired intermediate": (BELOW_EXPIRED, {}, "expired"),
    "stale date": (EC, {"offset": -400}, "Signature expired"),
    "early date": (EC, {"offset": 400}, "Signature expired"),
    "date of another day": (EC, {"scope_date": "20260101"}, "does not match"),
    "another region": (EC, {"region": "eu-west-2"}, "scoped to"),
    "another service": (EC, {"service": "ecr"}, "scoped to"),
    "no date": (EC, {"left_out": ("x-amz-date",)}, "ISO-8601"),
    "no certificate": (EC, {"left_out": ("x-amz-x509",)}, "Missing X-Amz-X509"),
    "host not signed": (EC, {"unsigned": ("host",)}, "'host' must"),
    "date not signed": (EC, {"unsigned": ("x-amz-date",)}, "'x-amz-date' must"),
    "certificate not signed": (EC, {"unsigned": ("x-amz-x509",)}, "'x-amz-x509' must"),
    "chain not signed": (BELOW, {"unsigned": ("x-amz-x509-chain",)}, "'x-amz-x509-chain' must"),
    "type not signed": (EC, {"unsigned": ("content-type",)}, "'content-type' must"),
    "token not signed": (EC, {"after": tampered("x-amz-security-token", "x")}, "'x-amz-security-token' must"),
    "another role": (EC, {"arns": {"roleArn": "arn:aws:iam::123456789012:role/other"}}, "assume role"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(double: RolesAnywhere, ecr: Ecr, case: tuple[Issued, dict[str, Any], str]) -> None:
    """One thing that is wrong is enough for no session."""
    signer, changes, message = case
    status, made = Ask(double, signer, **changes).send()
    assert (status, made["type"]) == (403, "AccessDeniedException")
    assert message in made["message"] and message in str(double.calls[-1].message)
    assert double.calls[-1].error == "AccessDeniedException"
    assert not double.sessions and not ecr.temporary


def test_refuses_what_is_not_a_request(double: RolesAnywhere) -> None:
    """Well signed, but nothing that there is a session for."""
    for body in ({"durationSeconds": 899}, {"durationSeconds": 43201}, {"durationSeconds": "900"}):
        assert Ask(double, EC, body=body).send()[1]["type"] == "ValidationException"
    for other in ([], {"roleArn": double.role_arn}, {"roleSessionName": "a b"}, {"durationSeconds": True}):
        assert Ask(double, EC, body=other).send()[0] == 400
    assert Ask(double, EC, arns={"more": "1"}).send()[0] == 400
    for name in ("trustAnchorArn", "profileArn"):
        assert Ask(double, EC, arns={name: "arn:aws:x"}).send()[1]["type"] == "ResourceNotFoundException"
    assert Ask(double, EC, path="/other").send()[0] == 404
    assert not double.sessions
    for seconds in (900, 43200):
        assert Ask(double, EC, body={"durationSeconds": seconds, "roleSessionName": "ops-1"}).send()[0] == 201
        assert abs(double.sessions[-1].expires - double.now() - seconds) < 5
    assert Ask(double, EC, body={}).send()[0] == 201
    assert abs(double.sessions[-1].expires - double.now() - 3600) < 5


def test_the_order_on_the_wire_does_not_matter(double: RolesAnywhere) -> None:
    """What is signed is the sorted query, however it is sent."""

    def turn(headers: dict[str, str], query: str, body: bytes) -> tuple[dict[str, str], str, bytes]:
        return headers, "&".join(reversed(query.split("&"))), body

    assert Ask(double, EC, after=turn).send()[0] == 201


def test_fails_on_command(double: RolesAnywhere) -> None:
    """Faults are played after the checks; a lifetime of the double's own is kept."""
    double.fault = faults.sequence(faults.throttled(), faults.edited(lambda body: {"credentialSet": []}))
    status, made = Ask(double, EC).send()
    assert (status, made["type"]) == (400, "ThrottlingException")
    assert Ask(double, EC).send() == (201, {"credentialSet": []})
    double.lifetime = -10
    assert Ask(double, EC).send()[0] == 201
    assert double.sessions[-1].expires < double.now()
    double.clock_offset = -400
    assert Ask(double, EC).send()[0] == 201


def test_files(tmp_path: Path) -> None:
    """The files are what their names say, and the key's is for its owner only."""
    files = BELOW.write(tmp_path, form="traditional")
    assert files.chain is not None and files.chain.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert files.key.stat().st_mode & 0o777 == 0o600 and b"BEGIN EC PRIVATE KEY" in files.key.read_bytes()
    files = BELOW.write(tmp_path, "all", together=True)
    assert files.chain is None and files.certificate.read_bytes() == BELOW.pem() + BELOW.chain_pem()
    assert b"BEGIN PRIVATE KEY" in files.key.read_bytes()
    assert b"ENCRYPTED" in RSA.key_pem(password=b"x")
