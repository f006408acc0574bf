#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints the golden values of test-aws-sigv4.c (argument: sigv4), test-aws-ecr.c (ecr), test-aws-sts.c (sts) and
test-aws-call.c (call), made with botocore: what stands between the "golden" marks there; of queries (presign), also
in test-aws-sigv4.c; of test-eks-token.c (eks); and x509-fixtures.h (x509), whose certificates and keys it keeps if that file is there. Debian:
python3-botocore, python3-cryptography."""

import base64
import calendar
import pathlib
import re
import sys
import time
from urllib.parse import quote

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# As the tests name them, too.
SUITE_KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
OTHER_KEY = ("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SUITE_DATE = "20150830T123600Z"
SESSION = "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE+Ab0/c2Vzc2lvbg=="
TARGET = ("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
JSON = ("Content-Type", "application/x-amz-json-1.1")
FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
HOST = ("Host", "example.amazonaws.com")
DATE = ("X-Amz-Date", SUITE_DATE)


def case(name, method="GET", path="/", headers=(HOST, DATE), body="", region="us-east-1", service="service",
         key=SUITE_KEY):
    return dict(name=name, method=method, path=path, headers=headers, body=body, region=region, service=service,
                key=key)


def ecr(name, host, date, region, *more, body="{}"):
    return case(name, "POST", headers=(JSON, ("Host", host), ("X-Amz-Date", date), TARGET, *more), body=body,
                region=region, service="ecr", key=OTHER_KEY)


# The first twelve are as AWS's published test suite and its guide for IAM have them, all but the session token.
SIGV4 = [
    case("get-vanilla"),
    case("get-header-key-duplicate", headers=(HOST, ("My-Header1", "value2"), ("My-Header1", "value2"),
                                              ("My-Header1", "value1"), DATE)),
    case("get-header-value-order", headers=(HOST, ("My-Header1", "value4"), ("My-Header1", "value1"),
                                            ("My-Header1", "value3"), ("My-Header1", "value2"), DATE)),
    case("get-header-value-trim", headers=(HOST, ("My-Header1", " value1"), ("My-Header2", ' "a   b   c"'), DATE)),
    case("get-header-value-multiline", headers=(HOST, ("My-Header1", "value1\r\n  value2\r\n     value3"), DATE)),
    case("post-vanilla", "POST"),
    case("post-header-key-case", "POST"),
    case("post-header-key-sort", "POST", headers=(HOST, ("My-Header1", "value1"), DATE)),
    case("post-header-value-case", "POST", headers=(HOST, ("My-Header1", "VALUE1"), DATE)),
    case("post-sts-header-before", "POST", headers=(HOST, DATE, ("X-Amz-Security-Token", SESSION))),
    case("post-x-www-form-urlencoded", "POST", body="Param1=value1",
         headers=(("Content-Type", "application/x-www-form-urlencoded"), HOST, DATE)),
    case("iam-list-users", path="/?Action=ListUsers&Version=2010-05-08", service="iam",
         headers=(FORM, ("Host", "iam.amazonaws.com"), DATE)),
    # Ours.
    ecr("ecr", "api.ecr.eu-west-1.amazonaws.com", "20261123T191927Z", "eu-west-1"),
    ecr("ecr-session", "api.ecr.eu-west-1.amazonaws.com", "20261123T191927Z", "eu-west-1",
        ("X-Amz-Security-Token", SESSION)),
    ecr("ecr-port", "localhost:5556", "20240229T235959Z", "us-gov-west-1"),
    ecr("ecr-ipv6-port", "[::1]:5556", "20240301T000000Z", "cn-north-1"),
    ecr("ecr-utf8-body", "api.ecr.eu-isoe-west-1.cloud.adc-e.uk", "20260101T000000Z", "eu-isoe-west-1",
        body='{"registryIds":["\u00e4\u00f6 \U0001f600"]}'),
    case("sts-assume-role", "POST", service="sts", region="ap-southeast-2", key=OTHER_KEY,
         headers=(FORM, ("Host", "sts.ap-southeast-2.amazonaws.com"), ("X-Amz-Date", "20380119T031408Z")),
         body="Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpull"),
    case("header-order-and-case", "POST",
         headers=(("x-AMZ-date", SUITE_DATE), ("ZZ", "z"), ("a", "1"), ("HOST", "example.amazonaws.com"),
                  ("A-B", "2"), ("aB", "3"), ("A_b", "4"), ("A", "5"))),
    case("blanks-in-values", headers=(HOST, ("My-Header1", "\t a \t b\r\n\tc\n d \v\f e  "), ("My-Header2", " \t "),
                                      ("My-Header3", ""), ("My-Header4", '" q  r "'), DATE)),
    case("duplicates-apart", headers=(("X-B", " 2 "), HOST, ("x-a", "1"), ("X-b", ""), DATE, ("x-B", "2  3"))),
    case("path-and-query", path="/p/a%20b/?B=2&A=%20x&A=1"),
]

# What aws_ecr_start() is given: a URL, a region, and a session token or none.
ECR = [
    ("https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1", None),
    ("https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1", SESSION),
    ("https://ecr-fips.us-gov-west-1.api.aws", "us-gov-west-1", None),
    ("https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com:8443", "eu-west-1", None),
    ("https://api.ecr.cn-north-1.amazonaws.com.cn:443", "cn-north-1", None),
    ("http://127.0.0.1:5556", "us-east-1", SESSION),
    ("http://localhost:80", "us-east-1", None),
    ("https://localhost:80", "us-east-1", None),
    ("http://localhost:443", "us-east-1", None),
    ("http://[::1]:5556", "us-east-1", None),
    ("https://proxy.example:8443/p", "eu-west-1", None),
    ("https://proxy.example/a/b%20c/!d", "eu-west-1", None),
]
ECR_PUBLIC = [
    ("https://api.ecr-public.us-east-1.amazonaws.com", "us-east-1", None),
    ("http://127.0.0.1:5556/public", "us-east-1", SESSION),
]
TARGET_PUBLIC = ("X-Amz-Target", "SpencerFrontendService.GetAuthorizationToken")
CALL_DATE = "20261123T191927Z"
ACTION = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fpull"

# What aws_sts_start() is given: a URL, a region, a session token or none; and the body that it makes.
STS = [
    ("https://sts.eu-west-1.amazonaws.com", "eu-west-1", None, ACTION + "&RoleSessionName=eatr"),
    ("https://sts.eu-west-1.amazonaws.com", "eu-west-1", SESSION,
     ACTION + "&RoleSessionName=eatr%40ops%2Cx%3D1&ExternalId=a%2Fb%3Dc%2B%3A%40&DurationSeconds=900"),
    ("http://127.0.0.1:5556/sts", "us-gov-west-1", None, ACTION + "&RoleSessionName=ci&DurationSeconds=43200"),
]

# What aws_call_start() is given: a method, a path, its query as it is sent, headers, a body, a session token.
CALLS = [
    ("GET", "/", "", (), "", None),
    ("GET", "/a/b%20c/!d", "A=1&B=%20x", (("X-Other", "  a   b "),), "", SESSION),
    ("POST", "", "A=1", (("Content-Type", "text/plain"), ("x-amz-a", "1")), "body", None),
    ("PUT", "/p", "", (), "\u00e4", None),
]
CALL_HOST = "aws.example:5556"

# What aws_sigv4_presign() is given: a method, a path, headers, parameters, seconds, a region, a service, a date, a
# session token or none, and a body.
IDENTITY = (("Action", "GetCallerIdentity"), ("Version", "2011-06-15"))
PRESIGN = [
    *(("GET", "/", (("Host", "sts.%s.%s" % (region, suffix)), ("x-k8s-aws-id", cluster)), IDENTITY, 60, region, "sts",
       date, token, "")
      for region, suffix, cluster, date, token in (
          ("eu-west-1", "amazonaws.com", "prod", "20261123T191927Z", None),
          ("eu-west-1", "amazonaws.com", "prod", "20261123T191927Z", SESSION),
          ("us-east-1", "amazonaws.com", "a", "20240229T235959Z", SESSION),
          ("cn-north-1", "amazonaws.com.cn", "A_b-9", "20240301T000000Z", None),
          ("us-gov-west-1", "amazonaws.com", "4f6e2b3c-0d1e-4f5a-8b7c-9d8e7f6a5b4c", "20260101T000000Z", SESSION),
          ("us-iso-east-1", "c2s.ic.gov", "x" * 100, "20380119T031408Z", None))),
    ("GET", "/", (("Host", "sts.eu-west-1.amazonaws.com"),), IDENTITY, 900, "eu-west-1", "sts", "20261123T191927Z",
     SESSION, ""),
    ("GET", "/", (HOST,), (), 0, "us-east-1", "service", SUITE_DATE, None, ""),
    ("GET", "/", (HOST,), (), 604800, "us-east-1", "service", SUITE_DATE, None, ""),
    ("GET", "/p/a-b/", (("x-B", " 2 "), HOST, ("x-a", "1"), ("X-b", "3  4")), (("A", "x y/+~*'é"), ("a-", "")), 1,
     "us-east-1", "service", SUITE_DATE, SESSION, ""),
    ("POST", "/", (HOST,), (("B", "2"), ("A", "10"), ("Zz", "="), ("X-A", "&")), 60, "us-east-1", "service",
     SUITE_DATE, None, "body"),
    ("PUT", "/", (("Host", "localhost:5556"), ("Content-Type", "text/plain")), (("x-amz", "1"),), 60, "us-east-1",
     "service", SUITE_DATE, SESSION, "\u00e4"),
]

FIXTURES = pathlib.Path(__file__).with_name("x509-fixtures.h")
ARN = "arn:aws:rolesanywhere:eu-west-1:123456789012:"
ROLE = "arn:aws:iam::123456789012:role/pull/eatr+test=1,@x"
SESSIONS_DATE = "20261123T191927Z"


def sign(c):
    host = dict((k.lower(), v) for k, v in c["headers"])["host"]
    request = AWSRequest(c["method"], "https://" + host + c["path"], data=c["body"].encode())
    for name, value in c["headers"]:
        request.headers[name] = value  # adds, also a second one of that name
    date = [v for k, v in c["headers"] if k.lower() == "x-amz-date"][0]
    request.context["timestamp"] = date
    auth = SigV4Auth(Credentials(*c["key"]), c["service"], c["region"])
    canonical = auth.canonical_request(request)
    string = auth.string_to_sign(request, canonical)
    auth._inject_signature_to_request(request, auth.signature(string, request))
    return date, canonical, string, request.headers["Authorization"]


def sign_call(method, url, region, service, headers, body, token):
    """The Authorization header."""
    scheme, rest = url.split("://")
    host, slash, path = rest.partition("/")
    host, question, query = host.partition("?")
    host = host.removesuffix({"https": ":443", "http": ":80"}[scheme])  # as libcurl, and botocore's _host_from_url()
    return sign(case("", method, (slash or "/") + path + question + query,
                     (*headers, ("Host", host), ("X-Amz-Date", CALL_DATE),
                      *([("X-Amz-Security-Token", token)] if token else [])),
                     body, region, service, OTHER_KEY))[3]


def presign(method, path, headers, parameters, expires, region, service, date, token, body):
    """The query, in the order in which it is signed."""
    query = "&".join("%s=%s" % (quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parameters)
    request = AWSRequest(method, "https://" + dict(headers)["Host"] + path + ("?" + query if query else ""))
    for name, value in headers:
        request.headers[name] = value
    request.context["timestamp"] = date
    auth = SigV4QueryAuth(Credentials(*OTHER_KEY, token), service, region, expires)
    auth._modify_request_before_signing(request)
    request.data = body.encode()  # which botocore would make part of the query
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    return canonical.split("\n")[2] + "&X-Amz-Signature=" + signature


def c_string(text, indent):
    """As C literals, a new one after each line end and ", "."""
    escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\f": "\\f", '"': '\\"', "\\": "\\\\"}
    lines = re.split("(?<=\n)(?=.)|(?<=, )", text)
    for i, line in enumerate(lines):
        chars = [chr(byte) for byte in line.encode()]
        line = "".join(escapes.get(c, c if " " <= c <= "~" else "\\%03o" % ord(c)) for c in chars)
        lines[i] = '"%s"' % line.replace(SESSION, '" SESSION "')
    return ("\n" + " " * indent).join(lines).replace('"" ', "").replace(' ""', "")


def print_sigv4():
    for c in SIGV4:
        date, canonical, string, authorization = sign(c)
        path, query = canonical.split("\n")[1:3]
        print("        {")
        print('                "%s", "%s", "%s", "%s",' % (c["name"], c["method"], path, query))
        print("                {")
        for name, value in c["headers"]:
            print("                        { %s, %s }," % (c_string(name, 26), c_string(value, 26)))
        print("                },")
        print("                %s," % c_string(c["body"], 16))
        print('                "%s", "%s", %s, %d,' % (c["region"], c["service"],
              "SUITE_KEY" if c["key"] == SUITE_KEY else "OTHER_KEY",
              calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))))
        for text in (canonical, string, authorization):
            print("                %s," % c_string(text, 16))
        print("        },")


def print_ecr():
    for public, rows in ((False, ECR), (True, ECR_PUBLIC)):
        for url, region, token in rows:
            print("        {")
            print('                "%s", "%s", %s, %s,' % (url, region, "SENT_SESSION" if token else "NULL",
                                                           "true" if public else "false"))
            authorization = sign_call("POST", url + "/", region, "ecr-public" if public else "ecr",
                                      (JSON, TARGET_PUBLIC if public else TARGET), "{}", token)
            print("                %s," % c_string(authorization, 16))
            print("        },")


def print_sts():
    for url, region, token, body in STS:
        print("        {")
        print('                "%s", "%s", %s,' % (url, region, "SENT_SESSION" if token else "NULL"))
        pieces = [c_string(piece, 16) for piece in re.findall(".{1,85}", body)]
        print("                %s," % ("\n" + " " * 16).join(pieces))
        print("                %s," % c_string(sign_call("POST", url + "/", region, "sts", (FORM,), body, token), 16))
        print("        },")


def print_calls():
    for method, path, query, headers, body, token in CALLS:
        target = path + ("?" + query if query else "")
        print("        {")
        print('                "%s", "%s", %s, %s,' % (method, target, c_string(body, 16) if body else "NULL",
                                                       "SESSION" if token else "NULL"))
        print("                { %s }, %d," % (", ".join("{ %s, %s }" % (c_string(k, 0), c_string(v, 0))
                                                         for k, v in headers or [("", "")]), len(headers)))
        print("                %s," % c_string(sign_call(method, "http://" + CALL_HOST + target, "eu-west-1", "sts",
                                                         headers, body, token), 16))
        print("        },")


def print_presign():
    for case in PRESIGN:
        method, path, headers, parameters, expires, region, service, date, token, body = case
        print("        {")
        print('                "%s", "%s", %s,' % (method, path, c_string(body, 16)))
        print("                { %s }," % ", ".join("{ %s, %s }" % (c_string(k, 0), c_string(v, 0)) for k, v in headers))
        print("                { %s }, %d," % (", ".join("{ %s, %s }" % (c_string(k, 0), c_string(v, 0))
                                                         for k, v in parameters or [("", "")]), len(parameters)))
        print('                %d, "%s", "%s", %d, %s,' % (expires, region, service, calendar.timegm(
            time.strptime(date, "%Y%m%dT%H%M%SZ")), "SESSION" if token else "NULL"))
        pieces = [c_string(piece, 16) for piece in re.findall(".{1,85}", presign(*case))]
        print("                %s," % ("\n" + " " * 16).join(pieces))
        print("        },")


def print_eks():
    """For the same clusters as in PRESIGN, whose parameters have another order with botocore."""
    for case in PRESIGN[:6]:
        headers, region, date, token = dict(case[2]), case[5], case[7], case[8]
        url = "https://" + headers["Host"] + "/?" + presign(*case)
        print("        {")
        print('                "%s", "%s", %d, %s,' % (headers["x-k8s-aws-id"], region, calendar.timegm(
            time.strptime(date, "%Y%m%dT%H%M%SZ")), "SESSION" if token else "NULL"))
        encoded = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
        pieces = ['"%s"' % piece for piece in re.findall(".{1,85}", "k8s-aws-v1." + encoded)]
        print("                %s," % ("\n" + " " * 16).join(pieces))
        print("        },")


def read_fixtures():
    """The PEM that is there, by its name."""
    defines = re.findall(r'#define FIXTURE_(\w+)((?: *\\\n *"[^\n]*\\n")+)', FIXTURES.read_text())
    return {name: "".join(line + "\n" for line in re.findall(r'"(.*)\\n"', lines)) for name, lines in defines}


def make_fixtures():
    """New ones, good for thirty years."""
    sys.path.insert(0, str(FIXTURES.parent / "scenarios"))
    from certificates import Issued
    days = 30 * 365
    authority = Issued.authority(days=days)
    below = authority.intermediate(days=days)
    rsa = below.leaf(kind="rsa2048", days=days - 1)
    ec = authority.leaf("ec.ops.example", days=days - 2, serial=4711)
    made = {"CA": authority.pem(), "INTERMEDIATE": below.pem(), "RSA": rsa.pem(), "RSA_KEY": rsa.key_pem(),
            "EC": ec.pem(), "EC_KEY": ec.key_pem()}
    return {name: pem.decode() for name, pem in made.items()}


def print_define(name, text):
    print("#define FIXTURE_%s%s" % (name, "".join(' \\\n        "%s"' % line.replace("\n", "\\n")
                                                  for line in re.findall(".{1,90}\n?|\n", text))))


def sessions_request(rsa, chain):
    """The string to sign and the Authorization header, but for the signature, of a request for a session."""
    query = [("trustAnchorArn", ARN + "trust-anchor/0a-1"), ("roleArn", ROLE), ("profileArn", ARN + "profile/9")]
    request = AWSRequest("POST", "https://rolesanywhere.eu-west-1.amazonaws.com/sessions", params=query,
                         data=b'{"durationSeconds":3600}')
    for name, value in (("Host", "rolesanywhere.eu-west-1.amazonaws.com"), ("X-Amz-Date", SESSIONS_DATE),
                        ("Content-Type", "application/json"), ("X-Amz-X509", rsa), ("X-Amz-X509-Chain", chain)):
        request.headers[name] = value
    request.context["timestamp"] = SESSIONS_DATE
    auth = SigV4Auth(Credentials(*OTHER_KEY), "rolesanywhere", "eu-west-1")
    canonical = auth.canonical_request(request)
    string = auth.string_to_sign(request, canonical).replace("AWS4-HMAC-SHA256", "AWS4-X509-RSA-SHA256")
    return canonical.split("\n")[2], string


def print_x509():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    pem = read_fixtures() if FIXTURES.exists() else make_fixtures()
    print("/* SPDX-License-Identifier: MIT */\n#pragma once\n")
    print("/* Made by tests/golden-sigv4.py x509. The intermediate has issued the RSA certificate, the CA the other;\n"
          " * the keys guard nothing. */\n\n/* clang-format off */")
    for name in ("CA", "INTERMEDIATE", "RSA", "RSA_KEY", "EC", "EC_KEY"):
        print_define(name, pem[name])
    encoded = {}
    for name in ("CA", "INTERMEDIATE", "RSA", "EC"):
        certificate = x509.load_pem_x509_certificate(pem[name].encode())
        encoded[name] = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        print_define(name + "_BASE64", encoded[name])
        print('#define FIXTURE_%s_SERIAL "%d"' % (name, certificate.serial_number))
        for end in ("before", "after"):
            when = getattr(certificate, "not_valid_" + end)
            print("#define FIXTURE_%s_NOT_%s %d" % (name, end.upper(), calendar.timegm(when.timetuple())))
    key = serialization.load_pem_private_key(pem["RSA_KEY"].encode(), None)

    def signature(text):
        return key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
    print("\n/* What RSA signs is always the same. */")
    print_define("RSA_SIGNATURE_OF_ABC", signature("abc"))
    query, string = sessions_request(encoded["RSA"], encoded["INTERMEDIATE"])
    print_define("SESSIONS_QUERY", query)
    print_define("SESSIONS_STRING_TO_SIGN", string)
    print_define("SESSIONS_SIGNATURE", signature(string))
    print("/* clang-format on */")


if __name__ == "__main__":
    {"sigv4": print_sigv4, "ecr": print_ecr, "sts": print_sts, "call": print_calls, "presign": print_presign,
     "eks": print_eks, "x509": print_x509}[sys.argv[1]]()
