"""AWS as moto plays it: IAM users and roles in several accounts, STS, and ECR.

    with Moto(directory) as moto:  # $EATR_TESTS_MOTO is a folder of tests/moto/build
        moto.url, moto.keys, moto.role_arn("pull"), moto.calls

moto checks signatures, session tokens and policies. It checks neither the time nor the region of a request,
nor external ids, nor web identities, nor whether a session has ended; `calls` has what was sent.
Its errors are XML with status 403. The double in ecr.py answers as AWS does, but knows one key only.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_server import ApiServer
from eatr import wait_for
from ports import Port

REGION = "eu-west-1"
HOME_ACCOUNT = "123456789012"  # the users' own
TOKEN_SECONDS = 43200.0  # what AWS gives
START_TIMEOUT = 60.0

# What may be done with the credentials of each role, and in which account that is:
ACCOUNTS = {
    "pull": "111122223333",  # get a token
    "hop": "222233334444",  # assume `far`, but get no token
    "far": "333344445555",  # get a token; only `hop` may assume it
    "web": "444455556666",  # get a token; only a web identity may assume it
    "bare": "555566667777",  # nothing
}


def role_arn(name: str) -> str:
    """The ARN of one of these roles."""
    return f"arn:aws:iam::{ACCOUNTS[name]}:role/{name}"


def host_of(account: str) -> str:
    """The registry host of an account, which says whose credentials a token was got with."""
    return f"{account}.dkr.ecr.{REGION}.amazonaws.com"


def token_of(account: str) -> str:
    """The token for that host, always the same one."""
    return base64.b64encode(f"AWS:{account}-auth-token".encode()).decode()


def accounts_in(api: ApiServer) -> dict[str, str]:
    """Namespace -> the account whose registry, and whose token, its Secret has."""
    found = {}
    for namespace in api.namespaces():
        secret = api.secret(namespace)
        if secret is not None:
            (host, token), *more = secret.auths.items()
            account = host.partition(".")[0]
            assert not more and host == host_of(account), secret.auths
            assert token == token_of(account), secret.auths
            found[namespace] = account
    return found


def with_keys(key: str, secret: str) -> dict[str, object]:
    """For [aws] of eatr's configuration, and for a profile."""
    return {"aws_access_key_id": key, "aws_secret_access_key": secret}


def _allow(action: str, *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources)}


_GET_TOKEN = _allow("ecr:GetAuthorizationToken", "*")
_USERS = {
    "eatr": [_GET_TOKEN, _allow("sts:AssumeRole", role_arn("pull"), role_arn("hop"), role_arn("bare"))],
    "nobody": [],
}
_ROLES = {
    role_arn("pull"): [_GET_TOKEN],
    role_arn("hop"): [_allow("sts:AssumeRole", role_arn("far"))],
    role_arn("far"): [_GET_TOKEN],
    role_arn("web"): [_GET_TOKEN],
    role_arn("bare"): [],
}


@dataclass(frozen=True)
class Call:
    """One call; `parameters` are those of STS, by AWS's names."""

    service: str  # as the signature names it, "sts" for an unsigned call with a web identity
    action: str
    status: int
    key: str  # the id of the key that it is signed with, "" if it is not signed
    region: str  # of the signature
    error: str | None  # the code that it was refused with
    parameters: dict[str, str] = field(repr=False)
    secrets: list[str] = field(repr=False)  # what the answer has to be kept quiet about

    def __str__(self) -> str:
        """For a test to compare: sts:AssumeRole 200."""
        return f"{self.service}:{self.action} {self.status}"


class Moto:
    """One moto server; killed by the kernel when the thread that started it ends.

    `token_seconds`: how long tokens of ECR are good; None leaves it to moto, whose tokens ran out in 2015.
    `session_seconds`: how long sessions of roles are good, whatever was asked for.
    """

    def __init__(
        self,
        directory: Path,
        *,
        token_seconds: float | None = TOKEN_SECONDS,
        session_seconds: int | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.folder = Path(os.environ["EATR_TESTS_MOTO"])
        self.log, self.told = directory / "moto.log", directory / "moto.calls"
        self.token_seconds, self.session_seconds = token_seconds, session_seconds
        self.key_of: dict[str, tuple[str, str]] = {}  # user -> (id, secret), new with each start()
        self._port = Port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For every service."""
        return f"http://127.0.0.1:{self._port.number}"

    @property
    def keys(self) -> tuple[str, str]:
        """Id and secret of the user `eatr`, which may get a token, and assume `pull`, `hop` and `bare`."""
        return self.key_of["eatr"]

    @staticmethod
    def role_arn(name: str) -> str:
        """The ARN of a role, see ACCOUNTS."""
        return role_arn(name)

    @property
    def calls(self) -> list[Call]:
        """Those that were answered since the start."""
        return [Call(**json.loads(line)) for line in self._lines()[1:]]

    @property
    def secrets(self) -> set[str]:
        """Every secret key and session token so far."""
        known = {secret for _, secret in self.key_of.values()}
        return known | {secret for call in self.calls for secret in call.secrets}

    @property
    def errors(self) -> list[str]:
        """Calls that moto broke down on."""
        return [f"{call}, see {self.log}" for call in self.calls if call.status >= 500]

    def start(self) -> Moto:
        """Returns when it listens."""
        assert self._process is None, "already running"
        wanted = {
            "port": self._port.number,
            "region": REGION,
            "users": _USERS,
            "roles": _ROLES,
            "token_seconds": self.token_seconds,
            "session_seconds": self.session_seconds,
        }
        program = [self.folder / "python3", Path(__file__).with_name("moto_server.py")]
        with open(self.log, "ab") as log, open(self.told, "wb") as told:
            self._process = process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *program],
                env={"PATH": os.defpath, "HOME": str(self.log.parent), "TZ": "UTC"},
                cwd=self.log.parent,
                stdin=subprocess.PIPE,
                stdout=told,
                stderr=log,
            )
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(json.dumps(wanted).encode() + b"\n")
        wait_for(lambda: self._lines() or process.poll() is not None, START_TIMEOUT, "moto listens")
        assert self._lines(), self.log.read_text(encoding="utf-8")
        self.key_of = {user: (key, secret) for user, (key, secret) in json.loads(self._lines()[0]).items()}
        return self

    def _lines(self) -> list[str]:
        """What moto_server.py has told so far, in whole lines."""
        return self.told.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()

    def stop(self) -> None:
        """Kills it; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Moto:
        """Starts it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stops it and lets go of the port."""
        self.stop()
        self._port.close()
