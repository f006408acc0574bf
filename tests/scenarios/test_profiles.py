"""AWS's shared files: eatr makes of a profile what botocore, which AWS's command line is built on, makes of it.

Each case is two files, a profile and an environment. botocore's answer is computed (botocore_profile.py), never
written down; tests/show-profile prints eatr's. Where eatr differs on purpose, the case says in what and why.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

import botocore_profile
from botocore_profile import Answer
from eatr import find_binary

ERROR: Answer = {"error": True}
ROLE = "arn:aws:iam::123456789012:role/"
KEYS = "aws_access_key_id = AKIAONE\naws_secret_access_key = one/secret+key=\n"
OTHER_KEYS = "aws_access_key_id = AKIATWO\naws_secret_access_key = two/secret+key=\n"
ASSUME = f"role_arn = {ROLE}pull\n"
STATIC = {"kind": "static", "access_key_id": "AKIAONE", "secret_access_key": "one/secret+key=", "roles": []}
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env/secret"}
CONTAINER = "AWS_CONTAINER_CREDENTIALS_"


@dataclasses.dataclass
class Case:
    """Two files, and what is asked of them."""

    name: str
    credentials: str | None = None
    config: str | None = None
    profile: str = "a"
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    fails: bool = False  # botocore raises, and eatr refuses it, too
    ours: Answer | None = None  # where eatr differs: its answer, and
    why: str = ""  # the reason
    says: str = ""  # a part of eatr's error


def differs(case: Case, ours: Answer, why: str) -> Case:
    """A case in which eatr is not as botocore is."""
    return dataclasses.replace(case, ours=ours, why=why)


def chain(n: int) -> str:
    """A config file in which p0 is assumed with p1's keys, that with p2's, to the n-th profile, which has keys."""
    sections = [f"[profile p{i}]\nrole_arn = {ROLE}p{i}\nsource_profile = p{i + 1}\n" for i in range(n - 1)]
    return "\n".join([*sections, f"[profile p{n - 1}]\n{KEYS}"])


def web(*lines: str) -> str:
    """A profile of a web identity."""
    return "\n".join(["[profile a]", f"role_arn = {ROLE}web", "web_identity_token_file = /run/token", *lines, ""])


PLACES = [
    Case("keys in the credentials file", f"[a]\n{KEYS}"),
    Case("keys in the config file", config=f"[profile a]\n{KEYS}"),
    Case("a session token", f"[a]\n{KEYS}aws_session_token = tok//en==\n"),
    Case("the old name of the token wins", f"[a]\n{KEYS}aws_session_token = new\naws_security_token = old\n"),
    Case("an empty token is none", f"[a]\n{KEYS}aws_session_token =\n"),
    Case(
        "an empty token of the old name hides the new",
        f"[a]\n{KEYS}aws_session_token = n\naws_security_token =\n",
    ),
    Case("the credentials file wins", f"[a]\n{KEYS}", f"[profile a]\n{OTHER_KEYS}"),
    Case(
        "a token in the other file does not count", f"[a]\n{KEYS}", "[profile a]\naws_session_token = other\n"
    ),
    Case(
        "the secret in the other file",
        "[a]\naws_access_key_id = A\n",
        f"[profile a]\n{OTHER_KEYS}",
        fails=True,
    ),
    Case("a key without its secret", "[a]\naws_access_key_id = A\n", fails=True),
    Case("a key without its secret, in config", None, "[profile a]\naws_access_key_id = A\n", fails=True),
    Case(
        "a secret alone in the credentials file is passed over",
        "[a]\naws_secret_access_key = x\n",
        f"[profile a]\n{OTHER_KEYS}",
    ),
    Case("default in both files", f"[default]\n{KEYS}", "[default]\nregion = eu-west-1\n", "default"),
    Case("default with the word profile", None, f"[profile default]\n{KEYS}", "default"),
    Case(
        "default twice, the last counts", None, f"[default]\n{KEYS}[profile default]\n{OTHER_KEYS}", "default"
    ),
    Case(
        "default twice, the other way", None, f"[profile default]\n{OTHER_KEYS}[default]\n{KEYS}", "default"
    ),
    Case(
        "the last counts alone", None, f'[profile a]\nregion = eu-west-1\n{KEYS}[profile "a"]\n{OTHER_KEYS}'
    ),
    Case(
        "region and endpoint",
        f"[a]\n{KEYS}",
        "[profile a]\nregion = eu-west-1\nendpoint_url = https://e.example\n",
    ),
    Case("region in both", f"[a]\n{KEYS}region = eu-west-2\n", "[profile a]\nregion = eu-west-1\n"),
    Case("an empty region hides the other", f"[a]\n{KEYS}region =\n", "[profile a]\nregion = eu-west-1\n"),
    Case("nothing of that name", f"[b]\n{KEYS}", f"[profile c]\n{KEYS}", fails=True, says='no profile "a"'),
    Case(
        "a section without the word profile", None, f"[a]\n{KEYS}", fails=True, says="has to be [profile a]"
    ),
    Case("the word profile in the credentials file", f"[profile a]\n{KEYS}", fails=True),
    Case("which makes it a part of the name", f"[profile a]\n{KEYS}", profile="profile a"),
    Case("no files", fails=True),
]

GRAMMAR = [
    Case("a name in quotation marks", None, f'[profile "x y"]\n{KEYS}', "x y"),
    Case("a name in single ones", None, f"[profile 'x \"y']\n{KEYS}", 'x "y'),
    Case("a name with a backslash", None, f"[profile x\\ y]\n{KEYS}", "x y"),
    Case("a backslash in quotation marks", None, f'[profile "x\\y\\"z"]\n{KEYS}', 'x\\y"z'),
    Case("a name of two words is none", None, f"[profile x y]\n{KEYS}", "x y", fails=True),
    Case("marks that do not end", None, f'[profile "a]\n{KEYS}', fails=True),
    Case("any word that starts with profile", None, f"[profiles a]\n{KEYS}"),
    Case("blanks in the header", None, f"[ profile a ]\n{KEYS}", fails=True),
    Case("blanks within the header", None, f"[profile \t a  ]\n{KEYS}"),
    Case("a name with blanks in credentials", f"[x y]\n{KEYS}", profile="x y"),
    Case("text behind a header", f"[a] # comment\n{KEYS}"),
    Case("the last bracket ends a header", f"[a]b]\n{KEYS}", profile="a]b"),
    Case("upper-case keys", "[a]\nAWS_ACCESS_KEY_ID = AKIAONE\nAws_Secret_Access_Key = x\n"),
    Case("names of profiles have case", f"[A]\n{KEYS}", fails=True),
    Case("colons", "[a]\naws_access_key_id: AKIAONE\naws_secret_access_key : a=b:c\n"),
    Case("the first delimiter counts", "[a]\naws_access_key_id=AKIAONE\naws_secret_access_key=:x=\n"),
    Case("comments", f"# c\n[a]\n; c\n{KEYS}  # c\nregion = eu-west-1\n"),
    Case(
        "a comment between lines of a value",
        None,
        "[profile a]\ncredential_process = /p\n# c\n  --x\n\n  --y\n",
    ),
    Case("CRLF", f"[a]\n{KEYS}region = eu-west-1\n".replace("\n", "\r\n")),
    Case("no newline at the end", f"[a]\n{KEYS}region = eu-west-1"),
    Case("blanks around values", "[a]\naws_access_key_id =\tAKIAONE \t\naws_secret_access_key   =x  \n"),
    Case("every key is indented", "[a]\n  aws_access_key_id = AKIAONE\n  aws_secret_access_key = x\n"),
    Case("a header is indented, too", "  [a]\n  aws_access_key_id = AKIAONE\n  aws_secret_access_key = x\n"),
    Case(
        "indented less and less",
        "[a]\n   aws_access_key_id = AKIAONE\n aws_secret_access_key = x\nregion = us-east-1\n",
    ),
    Case(
        "an indented key continues the one before",
        "[a]\naws_access_key_id = A\n aws_secret_access_key = x\n",
        fails=True,
    ),
    Case(
        "an indented header continues it",
        f"[b]\n{KEYS}x = 1\n [a]\n{OTHER_KEYS}".replace("AKIATWO", "T"),
        fails=True,
    ),
    Case("sub-properties", None, f"[profile a]\ns3 =\n  max_queue_size = 5\n\n  region = us-east-1\n{KEYS}"),
    Case("sub-properties of a known key's name", None, f"[profile a]\ns3 =\n  aws_access_key_id = A\n{KEYS}"),
    Case("sub-properties without =", None, f"[profile a]\ns3 =\n  max_queue_size\n{KEYS}", fails=True),
    Case("a known key with sub-properties", None, "[profile a]\ncredential_process =\n  a = b\n", fails=True),
    Case("a section twice", f"[a]\n{KEYS}[b]\n[a]\n", fails=True),
    Case("a section twice in the other file", f"[a]\n{KEYS}", "[b]\n[b]\n", fails=True),
    Case("a key twice", f"[a]\n{KEYS}{KEYS}", fails=True),
    Case("a key twice with different case", f"[a]\n{KEYS}x = 1\n[b]\nX = 1\nx = 2\n", fails=True),
    Case("a key before the first section", f"x = 1\n[a]\n{KEYS}", fails=True),
    Case("no delimiter", f"[a]\n{KEYS}[b]\nx\n", fails=True),
    Case("no key", f"[a]\n{KEYS}[b]\n= x\n", fails=True),
    Case("empty brackets", f"[a]\n{KEYS}[]\n", fails=True),
    Case("what all sections inherit", "[DEFAULT]\nregion = eu-west-1\n" + f"[a]\n{KEYS}[DEFAULT]\nx = 1\n"),
    Case(
        "what is inherited in credentials hides config",
        f"[DEFAULT]\nregion = us-east-1\n[a]\n{KEYS}",
        "[profile a]\nregion = eu-west-1\n",
    ),
    Case("what is inherited is no profile", f"[DEFAULT]\n{KEYS}", profile="DEFAULT", fails=True),
    Case(
        "an empty profile",
        "[a]\n",
        f"[profile b]\n{KEYS}",
        environment={},
        ours=ERROR,
        why="botocore goes on to EC2's metadata; eatr asks that only if it is told to",
        says="gives no credentials",
    ),
]

ROLES = [
    Case(
        "a role with another profile's keys",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\n",
    ),
    Case(
        "everything about a role",
        f"[base]\n{KEYS}aws_session_token = t\n",
        f"[profile a]\n{ASSUME}source_profile = base\nexternal_id = a/b=c:d,e@f.g-h\n"
        "role_session_name = ci@ops.example\nduration_seconds = 43200\nregion = eu-west-1\n",
    ),
    Case("a role in the credentials file", f"[a]\n{ASSUME}source_profile = base\n[base]\n{KEYS}"),
    Case(
        "a role's keys over both files",
        f"[a]\nexternal_id = of-credentials\n[b]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = b\nexternal_id = of-config\n",
    ),
    Case(
        "region is the named profile's",
        f"[base]\n{KEYS}region = us-east-1\n",
        f"[profile a]\n{ASSUME}source_profile = base\n",
    ),
    Case(
        "a role wins over keys",
        f"[a]\n{OTHER_KEYS}[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\n",
    ),
    Case("a chain of three", None, chain(4), "p0"),
    Case("a chain as long as it may be", None, chain(16), "p0"),
    differs(Case("a longer chain", None, chain(17), "p0"), ERROR, "botocore knows no end, eatr has a cap"),
    Case(
        "a source that has keys goes by them",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\n{KEYS}role_arn = {ROLE}b\n"
        f"source_profile = c\n[profile c]\n{OTHER_KEYS}",
    ),
    Case("its own source, with keys", None, f"[profile a]\n{ASSUME}source_profile = a\n{KEYS}"),
    Case(
        "its own source, with keys in the other file",
        f"[a]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = a\n",
    ),
    Case(
        "its own source, without keys",
        None,
        f"[profile a]\n{ASSUME}source_profile = a\n",
        fails=True,
        says="a -> a",
    ),
    Case(
        "its own source, with a program",
        None,
        f"[profile a]\n{ASSUME}source_profile = a\ncredential_process = /p\n",
        fails=True,
    ),
    Case(
        "its own source, with a secret and a program",
        None,
        f"[profile a]\n{ASSUME}source_profile = a\naws_secret_access_key = x\ncredential_process = /p\n",
    ),
    Case(
        "another one that is its own source",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\n{ASSUME}source_profile = b\n",
        fails=True,
        says="a -> b -> b",
    ),
    Case(
        "a loop",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\n{ASSUME}source_profile = a\n",
        fails=True,
        says="a -> b -> a",
    ),
    Case(
        "a loop of three",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\n{ASSUME}source_profile = c\n"
        f"[profile c]\n{ASSUME}source_profile = b\n",
        fails=True,
        says="a -> b -> c -> b",
    ),
    Case(
        "a loop to one with keys",
        None,
        f"[profile a]\n{KEYS}{ASSUME}source_profile = b\n[profile b]\n{ASSUME}source_profile = a\n",
        fails=True,
        says="a -> b -> a",
    ),
    Case(
        "no such source",
        None,
        f"[profile a]\n{ASSUME}source_profile = nobody\n",
        fails=True,
        says='no profile "nobody"',
    ),
    Case("an empty source", f"[base]\n{KEYS}", f"[profile a]\n{ASSUME}source_profile =\n", fails=True),
    Case(
        "a source without keys",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\nregion = eu-west-1\n",
        fails=True,
    ),
    Case(
        "a source with a secret alone",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\naws_secret_access_key = x\n"
        f"role_arn = {ROLE}b\nsource_profile = c\n[profile c]\n{KEYS}",
        fails=True,
    ),
    Case(
        "neither source", f"[a]\n{KEYS}", f"[profile a]\n{ASSUME}", fails=True, says="neither source_profile"
    ),
    Case(
        "both sources",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\ncredential_source = Environment\n",
        environment=ENVIRONMENT,
        fails=True,
    ),
    Case(
        "a source without a role is not looked at",
        f"[a]\n{KEYS}",
        "[profile a]\nsource_profile = b\ncredential_source = x\n",
    ),
    Case("an empty role", f"[base]\n{KEYS}", "[profile a]\nrole_arn =\nsource_profile = base\n", fails=True),
    Case(
        "a role that is too short",
        f"[base]\n{KEYS}",
        "[profile a]\nrole_arn = arn:x\nsource_profile = base\n",
        fails=True,
    ),
    Case(
        "an empty external id",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\nexternal_id =\n",
        fails=True,
    ),
    Case(
        "an empty name of the session",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\nrole_session_name =\n",
    ),
    Case(
        "a name of one letter",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\nrole_session_name = x\n",
        fails=True,
    ),
    Case(
        "too short a session",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\nduration_seconds = 899\n",
        fails=True,
    ),
    Case(
        "the shortest session",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\nduration_seconds = 900\n",
    ),
    differs(
        Case(
            "too long a session",
            f"[base]\n{KEYS}",
            f"[profile a]\n{ASSUME}source_profile = base\nduration_seconds = 43201\n",
        ),
        ERROR,
        "botocore leaves it to STS, which refuses it; eatr says so at its start",
    ),
    differs(
        Case(
            "a session that is no number",
            f"[base]\n{KEYS}",
            f"[profile a]\n{ASSUME}source_profile = base\nduration_seconds = 1h\n",
            says="duration_seconds",
        ),
        ERROR,
        "botocore ignores it, and the session is not as long as somebody wanted",
    ),
    Case(
        "an MFA device",
        f"[base]\n{KEYS}",
        f"[profile a]\n{ASSUME}source_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n",
        fails=True,
        says="mfa_serial",
    ),
    Case("an MFA device without a role", f"[a]\n{KEYS}mfa_serial = arn:aws:iam::123456789012:mfa/me\n"),
]

OTHERS = [
    Case(
        "the environment",
        None,
        f"[profile a]\n{ASSUME}credential_source = Environment\n",
        environment=ENVIRONMENT,
    ),
    Case(
        "the environment with a token",
        None,
        f"[profile a]\n{ASSUME}credential_source = Environment\n",
        environment={**ENVIRONMENT, "AWS_SESSION_TOKEN": "t"},
    ),
    Case(
        "the token's old name",
        None,
        f"[profile a]\n{ASSUME}credential_source = Environment\n",
        environment={**ENVIRONMENT, "AWS_SESSION_TOKEN": "t", "AWS_SECURITY_TOKEN": "s"},
    ),
    Case(
        "an empty old name",
        None,
        f"[profile a]\n{ASSUME}credential_source = Environment\n",
        environment={**ENVIRONMENT, "AWS_SESSION_TOKEN": "t", "AWS_SECURITY_TOKEN": ""},
    ),
    Case(
        "the environment without a secret",
        None,
        f"[profile a]\n{ASSUME}credential_source = Environment\n",
        environment={"AWS_ACCESS_KEY_ID": "A"},
        fails=True,
    ),
    Case(
        "the environment with empty keys",
        None,
        f"[profile a]\n{ASSUME}credential_source = Environment\n",
        environment={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "x"},
        fails=True,
    ),
    Case(
        "the environment is not asked by itself",
        f"[a]\n{KEYS}",
        environment={**ENVIRONMENT, "AWS_ROLE_ARN": f"{ROLE}e", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"},
    ),
    Case(
        "the environment below a chain",
        None,
        f"[profile a]\n{ASSUME}source_profile = b\n[profile b]\nrole_arn = {ROLE}b\n"
        "credential_source = Environment\n",
        environment=ENVIRONMENT,
    ),
    Case("EC2's metadata", None, f"[profile a]\n{ASSUME}credential_source = Ec2InstanceMetadata\n"),
    Case(
        "a container",
        None,
        f"[profile a]\n{ASSUME}credential_source = EcsContainer\n",
        environment={CONTAINER + "RELATIVE_URI": "/v2/c?id=1"},
    ),
    Case(
        "a container with a URL and a token",
        None,
        f"[profile a]\n{ASSUME}credential_source = EcsContainer\n",
        environment={
            CONTAINER + "FULL_URI": "http://127.0.0.1:80/c/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic a b",
        },
    ),
    Case(
        "a container with both",
        None,
        f"[profile a]\n{ASSUME}credential_source = EcsContainer\n",
        environment={
            CONTAINER + "FULL_URI": "http://localhost/full",
            CONTAINER + "RELATIVE_URI": "/relative",
        },
    ),
    Case(
        "a container of somebody else",
        None,
        f"[profile a]\n{ASSUME}credential_source = EcsContainer\n",
        environment={CONTAINER + "FULL_URI": "http://evil.example/c"},
        fails=True,
    ),
    Case(
        "a container whose name starts like an agent's address",
        None,
        f"[profile a]\n{ASSUME}credential_source = EcsContainer\n",
        environment={CONTAINER + "FULL_URI": "http://169.254.170.2.evil.example/c"},
        fails=True,
    ),
    Case("no container", None, f"[profile a]\n{ASSUME}credential_source = EcsContainer\n", fails=True),
    differs(
        Case(
            "a container's token in a file",
            None,
            f"[profile a]\n{ASSUME}credential_source = EcsContainer\n",
            environment={
                CONTAINER + "FULL_URI": "http://localhost/c",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/run/t",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
            },
        ),
        {
            "kind": "container",
            "container": {"url": "http://localhost/c", "token_file": "/run/t"},
            "roles": [{"arn": f"{ROLE}pull"}],
        },
        "botocore learnt of the file after 1.29; then it wins, as here",
    ),
    Case(
        "a source that is unknown", None, f"[profile a]\n{ASSUME}credential_source = Ec2Config\n", fails=True
    ),
    Case(
        "the words have case",
        None,
        f"[profile a]\n{ASSUME}credential_source = environment\n",
        environment=ENVIRONMENT,
        fails=True,
    ),
    Case("a web identity", None, web()),
    Case(
        "a web identity's session",
        None,
        web("role_session_name = ci", "external_id = not-for-it", "region = eu-west-1"),
    ),
    differs(
        Case("a web identity's session has a length", None, web("duration_seconds = 1800")),
        {
            "kind": "web-identity",
            "token_file": "/run/token",
            "role": {"arn": f"{ROLE}web", "duration": 1800},
            "roles": [],
        },
        "botocore ignores it, but STS takes it, and somebody wanted it",
    ),
    Case("a web identity wins over keys", f"[a]\n{KEYS}", web()),
    Case("a web identity wins over a source", f"[base]\n{KEYS}", web("source_profile = base")),
    Case(
        "a web identity as a source",
        None,
        web().replace("profile a", "profile w") + f"[profile a]\n{ASSUME}source_profile = w\n",
    ),
    Case(
        "a web identity without a role",
        f"[a]\n{KEYS}",
        "[profile a]\nweb_identity_token_file = /run/token\n",
        fails=True,
    ),
    Case("an empty token file", f"[a]\n{KEYS}", web().replace("/run/token", "")),
    differs(
        Case("a token file that is relative", None, web().replace("/run/token", "token")),
        ERROR,
        "a service has no working directory that somebody means",
    ),
    Case(
        "a program",
        None,
        "[profile a]\ncredential_process = /opt/x credential-process --role-arn 'a b' \"c d\"\n",
    ),
    Case("a program in quotation marks", None, '[profile a]\ncredential_process = "/opt/a b/x" --y "z"\n'),
    Case(
        "a program in both files",
        "[a]\ncredential_process = /of-credentials\n",
        "[profile a]\ncredential_process = /of-config\n",
    ),
    Case(
        "keys in the credentials file win over a program",
        f"[a]\n{KEYS}",
        "[profile a]\ncredential_process = /p\n",
    ),
    Case(
        "a program wins over keys in the config file", None, f"[profile a]\n{KEYS}credential_process = /p\n"
    ),
    Case("a program over lines", None, "[profile a]\ncredential_process = /p --a\n    --b 1\n    --c 2\n"),
    Case(
        "a program as a source",
        None,
        f"[profile a]\n{ASSUME}source_profile = p\n[profile p]\ncredential_process = /p\n",
    ),
    Case("an empty program", f"[profile a]\n{KEYS}", "[profile a]\ncredential_process =\n", fails=True),
    Case(
        "SSO",
        None,
        "[profile a]\nsso_start_url = https://x\nsso_region = eu-west-1\nsso_account_id = 1\n"
        "sso_role_name = r\n",
        fails=True,
        says="(SSO)",
    ),
    Case("SSO wins over keys", f"[a]\n{KEYS}", "[profile a]\nsso_account_id = 1\n", fails=True, says="(SSO)"),
    Case(
        "SSO as a source",
        None,
        f"[profile a]\n{ASSUME}source_profile = s\n[profile s]\nsso_role_name = r\n",
        fails=True,
        says="(SSO)",
    ),
    Case(
        "half of SSO is none",
        f"[a]\n{KEYS}",
        "[profile a]\nsso_region = eu-west-1\nsso_start_url = https://x\n",
    ),
]

STRICTER = [
    differs(
        Case("a byte order mark", f"\ufeff[a]\n{KEYS}"),
        STATIC,
        "editors write it, and botocore stumbles over it",
    ),
    differs(
        Case("a comment behind a value", f"[a]\n{KEYS}region = eu-west-1 # here\n", says="comment"),
        ERROR,
        "botocore takes it for a part of the value",
    ),
    differs(
        Case(
            "a key in quotation marks",
            '[a]\naws_access_key_id = "A"\naws_secret_access_key = x\n',
            says="quotation marks",
        ),
        ERROR,
        "botocore takes them for a part of the key",
    ),
    differs(
        Case("an empty key", "[a]\naws_access_key_id =\naws_secret_access_key = x\n", says="it is empty"),
        ERROR,
        "botocore signs with it",
    ),
    differs(
        Case("a secret that has a blank", "[a]\naws_access_key_id = A\naws_secret_access_key = x y\n"),
        ERROR,
        "botocore signs with it",
    ),
    differs(
        Case("no region", f"[a]\n{KEYS}region = Frankfurt\n"),
        ERROR,
        "botocore finds out when it makes a client",
    ),
    differs(
        Case("an endpoint without TLS", f"[a]\n{KEYS}endpoint_url = http://e.example\n"),
        ERROR,
        "keys of AWS would go over the network in the clear",
    ),
    differs(
        Case(
            "an external id with a blank",
            f"[base]\n{KEYS}",
            f"[profile a]\n{ASSUME}source_profile = base\nexternal_id = a b\n",
        ),
        ERROR,
        "botocore leaves it to STS, which refuses it",
    ),
    differs(
        Case(
            "a role that is no ARN",
            f"[base]\n{KEYS}",
            "[profile a]\nrole_arn = role/the-name-of-a-role\nsource_profile = base\n",
        ),
        ERROR,
        "botocore leaves it to STS, which refuses it",
    ),
    differs(Case("a control character", f"[a]\n{KEYS}x = \x01\n"), ERROR, "it does not belong into a text"),
]

CASES = PLACES + GRAMMAR + ROLES + OTHERS + STRICTER


def show(home: Path, profile: str, environment: dict[str, str], *paths: str) -> tuple[Answer, str]:
    """eatr's answer, and its error. Its command line is cut into words, as botocore's is."""
    program = find_binary().parent / "tests" / "show-profile"
    assert program.is_file(), f"no {program}: make check builds it"
    # For the sanitizers, which nobody else's environment has a say in.
    options = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    done = subprocess.run(
        [program, *(paths or ("", "")), profile],
        env={**options, **environment, "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    if "process" in answer:
        answer["process"] = shlex.split(answer["process"])
    return answer, done.stderr


def put(path: Path, text: str | None, mode: int = 0o600) -> Path:
    """Writes a file of a test; None: there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text, encoding="utf-8", newline="")
        path.chmod(mode)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_profile_is_what_botocore_makes_of_it(case: Case, tmp_path: Path) -> None:
    """But for what eatr does otherwise on purpose."""
    put(tmp_path / ".aws" / "credentials", case.credentials)
    put(tmp_path / ".aws" / "config", case.config)
    try:
        theirs = botocore_profile.ask(tmp_path, case.profile, case.environment)
        raised = None
    except Exception as exception:  # pylint: disable=broad-except
        theirs, raised = ERROR, exception
    if case.ours is None:
        assert (raised is not None) == case.fails, repr(raised)
    ours, sentence = show(tmp_path, case.profile, case.environment)
    origin = ours.pop("origin", "")
    assert ours == (theirs if case.ours is None else case.ours)
    if case.ours is not None:
        assert ours != theirs and case.why, "it does not differ"
    if ours == ERROR:
        assert len(sentence.splitlines()) == 1 and case.says in sentence
        assert not any(secret in sentence for secret in ("secret+key", "env/secret", "tok//en"))
    else:
        assert not sentence and f"profile {case.profile}" in origin


def test_there_are_cases_of_every_kind() -> None:
    """A table that lost a part would go unnoticed."""
    assert len(CASES) >= 120 and len({case.name for case in CASES}) == len(CASES)
    assert sum(case.fails for case in CASES) >= 40 and sum(case.ours is not None for case in CASES) >= 15


def test_files_that_are_named_have_to_exist(tmp_path: Path) -> None:
    """botocore passes over them, and takes keys from elsewhere."""
    there = put(tmp_path / "there", f"[a]\n{KEYS}")
    missing = tmp_path / "missing"
    answer, _ = show(tmp_path, "a", {}, str(there), "")
    assert answer == {**STATIC, "origin": f"profile a in {there}"}
    for paths in ((str(there), str(missing)), (str(missing), str(there))):
        answer, sentence = show(tmp_path, "a", {}, *paths)
        assert answer == ERROR and sentence == f"{missing}: cannot open it: No such file or directory\n"


@pytest.mark.parametrize("kind", ["credentials", "config"])
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_a_secret_is_not_for_everybody(kind: str, mode: int, tmp_path: Path) -> None:
    """botocore does not look."""
    section = "[a]" if kind == "credentials" else "[profile a]"
    path = put(tmp_path / ".aws" / kind, f"{section}\n{KEYS}", mode)
    answer, sentence = show(tmp_path, "a", {})
    assert answer == ERROR and sentence.endswith(f'run "chmod 0640 {path}"\n')
    path.chmod(0o640)
    answer, sentence = show(tmp_path, "a", {})
    assert answer == {**STATIC, "origin": f"profile a in {path}"} and not sentence


def test_what_is_no_secret_may_be_read_but_not_written(tmp_path: Path) -> None:
    """Who writes the name of a program has it run."""
    path = put(tmp_path / ".aws" / "config", "[profile a]\ncredential_process = /p\n", 0o644)
    assert show(tmp_path, "a", {})[0]["process"] == ["/p"]
    path.chmod(0o646)
    answer, sentence = show(tmp_path, "a", {})
    assert answer == ERROR and "everybody can write it" in sentence
