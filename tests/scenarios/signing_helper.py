"""Stands for aws_signing_helper: asks IAM Roles Anywhere for a session, and prints it.

    /usr/bin/python3 signing_helper.py credential-process --certificate FILE --private-key FILE
        [--intermediates FILE] --trust-anchor-arn ARN --profile-arn ARN --role-arn ARN --endpoint URL
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

END = b"-----END CERTIFICATE-----"


def load(path: str) -> list[x509.Certificate]:
    """The certificates in a PEM file."""
    parts = Path(path).read_bytes().split(END)[:-1]
    return [x509.load_pem_x509_certificate(part + END) for part in parts]


def encode(certificate: x509.Certificate) -> str:
    """As it goes into a header."""
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def sign(key: object, text: bytes) -> bytes:
    """The signature."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(text, ec.ECDSA(hashes.SHA256()))


def make_request(options: argparse.Namespace) -> urllib.request.Request:
    """The request for a session, signed."""
    certificate = load(options.certificate)[0]
    key = serialization.load_pem_private_key(Path(options.private_key).read_bytes(), None)
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {"content-type": "application/json", "host": options.endpoint.partition("://")[2]}
    headers |= {"x-amz-date": date, "x-amz-x509": encode(certificate)}
    if options.intermediates:
        headers["x-amz-x509-chain"] = ",".join(map(encode, load(options.intermediates)))
    arns = {"profileArn": options.profile_arn, "roleArn": options.role_arn}
    arns["trustAnchorArn"] = options.trust_anchor_arn
    query = "&".join(f"{name}={urllib.parse.quote(arn, safe='-_.~')}" for name, arn in sorted(arns.items()))
    body = json.dumps({"durationSeconds": 3600}).encode()
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    names, digest = ";".join(headers), hashlib.sha256(body).hexdigest()
    canonical = "\n".join(("POST", "/sessions", query, lines, names, digest)).encode()
    scope = f"{date[:8]}/{options.trust_anchor_arn.split(':')[3]}/rolesanywhere/aws4_request"
    algorithm = "AWS4-X509-RSA-SHA256" if isinstance(key, rsa.RSAPrivateKey) else "AWS4-X509-ECDSA-SHA256"
    text = "\n".join((algorithm, date, scope, hashlib.sha256(canonical).hexdigest())).encode()
    signature = sign(key, text).hex()
    headers["authorization"] = f"{algorithm} Credential={certificate.serial_number}/{scope}, "
    headers["authorization"] += f"SignedHeaders={names}, Signature={signature}"
    return urllib.request.Request(f"{options.endpoint}/sessions?{query}", body, headers)


def main() -> int:
    """Prints keys, or says on standard error why there are none."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["credential-process"])
    parser.add_argument("--intermediates")
    for name in ("certificate", "private-key", "trust-anchor-arn", "profile-arn", "role-arn", "endpoint"):
        parser.add_argument(f"--{name}", required=True)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(make_request(parser.parse_args()), timeout=20) as answer:
            keys = json.load(answer)["credentialSet"][0]["credentials"]
    except urllib.error.HTTPError as error:
        print(f"{error}: {error.read().decode()}", file=sys.stderr)
        return 1
    printed = {"Version": 1, "AccessKeyId": keys["accessKeyId"], "SecretAccessKey": keys["secretAccessKey"]}
    printed |= {"SessionToken": keys["sessionToken"], "Expiration": keys["expiration"]}
    print(json.dumps(printed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
