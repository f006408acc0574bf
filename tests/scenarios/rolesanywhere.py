"""A strict IAM Roles Anywhere: it verifies a certificate's signature under a request for a session, hands out
temporary keys, which an Ecr then takes, and fails on command.

What is verified is written anew from AWS's documentation, with python3-cryptography and nothing of eatr's.
"""

from __future__ import annotations

import base64
import calendar
import collections
import hashlib
import json
import re
import secrets
import threading
import time
import urllib.parse
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from certificates import Issued, validity
from ecr import Ecr
from http_double import Double, Fault, Handler, Record, Tls
from signed import ISO_BASIC, SKEW, AwsError

CHAIN_MAX = 8
HASHES = ("sha256", "sha384", "sha512")
SECONDS_MIN, SECONDS_MAX, SECONDS_DEFAULT = 900, 43200, 3600
AUTHORIZATION = re.compile(
    r"(AWS4-X509-(?:RSA|ECDSA)-SHA256) Credential=(\d+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]+)"
)
STATUS = {"AccessDeniedException": 403, "ResourceNotFoundException": 404, "ValidationException": 400}


def denied(message: str) -> AwsError:
    """What Roles Anywhere says of everything that is wrong with a certificate or a signature."""
    return AwsError("AccessDeniedException", message)


@dataclass(frozen=True)
class Session:
    """Temporary keys that were handed out."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: float  # in seconds of the epoch, by the double's clock


@dataclass
class SessionCall:
    """One call. `status` is 0 until it is answered, and stays 0 for a hang or a reset."""

    time: float  # of time.monotonic()
    error: str | None = None  # the code that the call was refused with, by the checks or by a fault
    message: str | None = None
    session: Session | None = None
    record: Record | None = field(default=None, repr=False)

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.record.status if self.record else 0


class RolesAnywhere(Double):
    """Roles Anywhere of one region. Every attribute may be changed at any time."""

    def __init__(
        self,
        authority: Issued,
        *,
        ecr: Ecr | None = None,
        port: int = 0,
        tls: Tls | None = None,
        region: str = "eu-west-1",
    ) -> None:
        super().__init__(port=port, tls=tls)
        self.authority = authority  # whom the trust anchor trusts
        self.ecr = ecr  # who is told of every session, and wants its token with its keys
        self.region = region
        service = f"arn:aws:rolesanywhere:{region}:123456789012"
        self.trust_anchor_arn = f"{service}:trust-anchor/0a1b2c3d-1111-2222-3333-444455556666"
        self.profile_arn = f"{service}:profile/0a1b2c3d-7777-8888-9999-aaaabbbbcccc"
        self.role_arn = "arn:aws:iam::123456789012:role/pull/eatr+test=1,@x"  # all that IAM allows
        self.lifetime: float | None = None  # of a session, in seconds; None: what is asked for
        self.fault: Fault | None = None
        self.calls: list[SessionCall] = []
        self.sessions: list[Session] = []
        self._lock = threading.Lock()

    def answer(self, handler: Handler) -> None:
        """Verifies a request, then plays the fault or sends a session."""
        call = SessionCall(time.monotonic(), record=handler.record)
        with self._lock:
            self.calls.append(call)
            number = len(self.calls)
        try:
            certificate, seconds = self._verify(handler.record)
        except AwsError as error:
            self.refuse(handler, error.code, error.message)
            return
        fault = self.fault
        if fault is None or fault(handler, number) is False:
            self.send_session(handler, certificate, seconds)

    def refuse(self, handler: Handler, code: str, message: str, status: int = 0) -> None:
        """Sends an error."""
        call = self._call(handler)
        call.error, call.message = code, message
        headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": secrets.token_hex(16)}
        body = json.dumps({"message": message})
        handler.reply(status or STATUS.get(code, 400), body, "application/json", headers)

    def send_session(self, handler: Handler, certificate: x509.Certificate, seconds: float) -> None:
        """Makes a session, tells ECR, and sends it."""
        expires = int(self.now() + (seconds if self.lifetime is None else self.lifetime))
        session = Session(
            "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
            base64.b64encode(secrets.token_bytes(30)).decode(),
            base64.b64encode(secrets.token_bytes(300)).decode(),
            expires,
        )
        if self.ecr is not None:
            self.ecr.add_temporary_keys(session.access_key, session.secret_key, session.token, expires)
        with self._lock:
            self.sessions.append(session)
        self._call(handler).session = session
        body = self._describe(session, certificate)
        text = json.dumps(handler.edit(body) if handler.edit else body)
        handler.reply(201, text, "application/json", {"x-amzn-RequestId": secrets.token_hex(16)})

    def _describe(self, session: Session, certificate: x509.Certificate) -> dict[str, object]:
        role = self.role_arn.partition(":role/")[2].rpartition("/")[2]
        name = f"{certificate.serial_number:x}"
        credentials = {
            "accessKeyId": session.access_key,
            "secretAccessKey": session.secret_key,
            "sessionToken": session.token,
            "expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.expires)),
        }
        made = {
            "assumedRoleUser": {
                "arn": f"arn:aws:sts::123456789012:assumed-role/{role}/{name}",
                "assumedRoleId": f"AROAEATRTEST00000001:{name}",
            },
            "credentials": credentials,
            "packedPolicySize": 17,
            "roleArn": self.role_arn,
            "sourceIdentity": "CN=" + certificate.subject.rfc4514_string().rpartition("CN=")[2],
        }
        subject = self.trust_anchor_arn.replace(":trust-anchor/", ":subject/")
        return {"credentialSet": [made], "subjectArn": subject}

    def _call(self, handler: Handler) -> SessionCall:
        return next(call for call in reversed(self.calls) if call.record is handler.record)

    # What is verified ----------------------------------------------------------------------------------

    def _verify(self, record: Record) -> tuple[x509.Certificate, float]:
        """Gives who asks and for how long, or raises AwsError."""
        headers = record.headers
        twice = [name for name, n in collections.Counter(map(str.lower, headers.keys())).items() if n > 1]
        if twice:
            raise AwsError("ValidationException", f"these headers come more than once: {', '.join(twice)}")
        if record.method != "POST" or record.path != "/sessions":
            raise AwsError("ResourceNotFoundException", f"there is no {record.method} {record.path}")
        match = AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
        if match is None:
            raise denied("Missing or malformed Authorization header")
        algorithm, serial, date, region, service, names, signature = match.groups()
        certificate = self._verify_certificate(headers.get("X-Amz-X509"), headers.get("X-Amz-X509-Chain"))
        if serial != str(certificate.serial_number):
            raise denied("Credential is not the serial number of the certificate")
        self._verify_date(headers.get("X-Amz-Date", ""), date)
        if (region, service) != (self.region, "rolesanywhere"):
            raise denied(f"Credential should be scoped to {self.region}/rolesanywhere")
        self._verify_signed(record, names.split(";"))
        scope = f"{date}/{region}/{service}/aws4_request"
        canonical = canonical_request(record, names.split(";"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((algorithm, headers["X-Amz-Date"], scope, digest))
        verify_signature(certificate, algorithm, text.encode(), bytes.fromhex(signature))
        self._verify_query(record)
        return certificate, verify_body(record)

    def _verify_certificate(self, encoded: str | None, encoded_chain: str | None) -> x509.Certificate:
        """The certificate that signs, if the authority, or one of the chain below it, has issued it."""
        if encoded is None:
            raise denied("Missing X-Amz-X509 header")
        certificate = decode_certificate(encoded)
        chain = [decode_certificate(one) for one in encoded_chain.split(",")] if encoded_chain else []
        if encoded_chain is not None and not 1 <= len(chain) <= CHAIN_MAX:
            raise denied("X-Amz-X509-Chain is empty or too long")
        if is_authority(certificate):
            raise denied("Untrusted certificate. Insufficient certificate")
        self._verify_path(certificate, chain)
        return certificate

    def _verify_path(self, certificate: x509.Certificate, chain: list[x509.Certificate]) -> None:
        root = self.authority.certificate
        left = list(chain)
        while True:
            start, end = validity(certificate)
            if not start <= self.now() <= end:
                raise denied("Certificate expired" if self.now() > end else "Certificate not yet valid")
            if has_issued(root, certificate):
                return
            issuers = [one for one in left if is_authority(one) and has_issued(one, certificate)]
            if not issuers:
                raise denied("Untrusted certificate. Insufficient certificate")
            certificate = issuers[0]
            left.remove(certificate)

    def _verify_date(self, stamp: str, scope_date: str) -> None:
        if re.fullmatch(r"\d{8}T\d{6}Z", stamp) is None:
            raise denied(f"Date must be in ISO-8601 basic format: '{stamp}'")
        if stamp[:8] != scope_date:
            raise denied(f"Date in Credential scope does not match: '{scope_date}' != '{stamp[:8]}'")
        signed = calendar.timegm(time.strptime(stamp, ISO_BASIC))
        if abs(signed - self.now()) > SKEW:
            raise denied(f"Signature expired or not yet current: {stamp}")

    def _verify_signed(self, record: Record, names: list[str]) -> None:
        if names != sorted(set(names)):
            raise denied("SignedHeaders are not in order")
        present = {name.lower() for name in record.headers.keys()}
        needed = {"host", "content-type", "x-amz-date", "x-amz-x509"}
        needed |= {name for name in present if name.startswith("x-amz-")}
        for name in sorted(needed):
            if name not in names:
                raise denied(f"'{name}' must be a 'SignedHeader' in the AWS Authorization header")
        if not set(names) <= present:
            raise denied("a header is signed that is not there")

    def _verify_query(self, record: Record) -> None:
        query = urllib.parse.parse_qsl(record.target.partition("?")[2], keep_blank_values=True)
        names = ["profileArn", "roleArn", "trustAnchorArn"]
        if sorted(name for name, _ in query) != names:
            raise AwsError("ValidationException", f"the query has to have {', '.join(names)}, each once")
        values = dict(query)
        if values["trustAnchorArn"] != self.trust_anchor_arn:
            raise AwsError("ResourceNotFoundException", "Trust anchor not found")
        if values["profileArn"] != self.profile_arn:
            raise AwsError("ResourceNotFoundException", "Profile not found")
        if values["roleArn"] != self.role_arn:
            raise denied("Unable to assume role, verify that the profile and role are configured correctly")


def decode_certificate(encoded: str) -> x509.Certificate:
    """A certificate out of base64 of DER, without blanks."""
    try:
        return x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
    except ValueError as error:
        raise denied("Malformed certificate") from error


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue certificates."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the key of the one has signed the other."""
    key, hashing = issuer.public_key(), certificate.signature_hash_algorithm
    if issuer.subject != certificate.issuer or hashing is None or hashing.name not in HASHES:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            padded = padding.PKCS1v15()
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, padded, hashing)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashing))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def canonical_request(record: Record, names: list[str]) -> str:
    """The canonical request out of what came over the wire."""
    path, _, raw_query = record.target.partition("?")
    pairs = []
    for part in filter(None, raw_query.split("&")):
        name, _, value = part.partition("=")
        pairs.append(tuple(urllib.parse.quote(urllib.parse.unquote(s), safe="-_.~") for s in (name, value)))
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    lines = [f"{name}:{' '.join(record.headers[name].split())}\n" for name in names]
    payload = hashlib.sha256(record.body).hexdigest()
    return "\n".join((record.method, path, query, "".join(lines), ";".join(names), payload))


def verify_signature(certificate: x509.Certificate, algorithm: str, text: bytes, signature: bytes) -> None:
    """Raises AwsError unless the certificate's key has signed the text, by this algorithm."""
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "AWS4-X509-RSA-SHA256":
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "AWS4-X509-ECDSA-SHA256":
            key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        else:
            raise denied(f"{algorithm} does not go with the key of the certificate")
    except InvalidSignature as error:
        raise denied("Invalid signature") from error


def verify_body(record: Record) -> float:
    """How long the session is to last, in seconds."""
    if record.headers.get("Content-Type") != "application/json":
        raise AwsError("ValidationException", f"Content-Type is {record.headers.get('Content-Type')}")
    try:
        body = json.loads(record.body)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not set(body) <= {"durationSeconds", "roleSessionName"}:
        raise AwsError("ValidationException", "the body is not a JSON object of what is known")
    seconds = body.get("durationSeconds", SECONDS_DEFAULT)
    if type(seconds) is not int or not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise AwsError("ValidationException", f"durationSeconds is {seconds}")
    name = body.get("roleSessionName", "eatr")
    if not isinstance(name, str) or re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII) is None:
        raise AwsError("ValidationException", "roleSessionName is not a name of a session")
    return float(seconds)
